/* Fail-over of the client, against nodes that are played by a thread: silent, without the quorum,
 * with another key, not there. */
#include "ctl/client.h"
#include "proto/cred/keyfile.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define NODES 2

enum manner { OBEYS, SILENT, NO_QUORUM };

struct nodes {
	void *zmq, *doors[NODES];
	enum manner manner[NODES];
	char endpoint[NODES][64];
	unsigned asked[NODES];
	uint8_t id[NODES][16]; /* request id as it came */
	struct keyfile own, api;
	char directory[64], key[96], server_key[96];
	pthread_t thread;
	volatile bool stop;
};

static void answer(
	struct nodes *nodes, size_t i, zmq_msg_t *identity, const Pxe__AdminRequest *request)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__ChangeDone done = PXE__CHANGE_DONE__INIT;
	char text[] = "no quorum: 1 of 3 voters answers";
	uint8_t data[512];

	nodes->asked[i]++;
	if (request->request_id.len == 16) {
		memcpy(nodes->id[i], request->request_id.data, 16);
	}
	if (nodes->manner[i] == SILENT) {
		return;
	}
	reply.sequence = request->sequence;
	if (nodes->manner[i] == NO_QUORUM) {
		reply.status = PXE__ADMIN_STATUS__ADMIN_NO_QUORUM;
		reply.message = text;
	} else {
		done.revision = 7;
		reply.body_case = PXE__ADMIN_REPLY__BODY_DONE;
		reply.done = &done;
	}
	zmq_msg_send(identity, nodes->doors[i], ZMQ_SNDMORE);
	zmq_send(nodes->doors[i], data, pxe__admin_reply__pack(&reply, data), 0);
}

static void *play(void *ctx)
{
	struct nodes *nodes = ctx;

	while (!nodes->stop) {
		zmq_pollitem_t items[NODES] = {{.socket = nodes->doors[0], .events = ZMQ_POLLIN},
			{.socket = nodes->doors[1], .events = ZMQ_POLLIN}};
		zmq_poll(items, NODES, 20);
		for (size_t i = 0; i < NODES; i++) {
			zmq_msg_t identity, body;
			zmq_msg_init(&identity);
			zmq_msg_init(&body);
			if (zmq_msg_recv(&identity, nodes->doors[i], ZMQ_DONTWAIT) >= 0 &&
				zmq_msg_recv(&body, nodes->doors[i], ZMQ_DONTWAIT) >= 0) {
				Pxe__AdminRequest *request = pxe__admin_request__unpack(
					NULL, zmq_msg_size(&body), zmq_msg_data(&body));
				if (request != NULL) {
					answer(nodes, i, &identity, request);
					pxe__admin_request__free_unpacked(request, NULL);
				}
			}
			zmq_msg_close(&identity);
			zmq_msg_close(&body);
		}
	}
	return NULL;
}

static void open_nodes(struct nodes *nodes, enum manner first, enum manner second)
{
	char error[256];
	int one = 1, zero = 0;

	memset(nodes, 0, sizeof *nodes);
	nodes->manner[0] = first;
	nodes->manner[1] = second;
	strcpy(nodes->directory, "/tmp/client-test-XXXXXX");
	assert_non_null(mkdtemp(nodes->directory));
	snprintf(nodes->key, sizeof nodes->key, "%s/own.key", nodes->directory);
	snprintf(nodes->server_key, sizeof nodes->server_key, "%s/api.key", nodes->directory);
	assert_int_equal(keyfile_generate("own", &nodes->own), 0);
	assert_int_equal(keyfile_generate("api", &nodes->api), 0);
	assert_int_equal(keyfile_save(nodes->key, &nodes->own, error, sizeof error), 0);
	assert_int_equal(keyfile_save(nodes->server_key, &nodes->api, error, sizeof error), 0);
	nodes->zmq = zmq_ctx_new();
	for (size_t i = 0; i < NODES; i++) {
		char bound[80];
		size_t bytes = sizeof bound;
		nodes->doors[i] = zmq_socket(nodes->zmq, ZMQ_ROUTER);
		zmq_setsockopt(nodes->doors[i], ZMQ_CURVE_SERVER, &one, sizeof one);
		zmq_setsockopt(nodes->doors[i], ZMQ_LINGER, &zero, sizeof zero);
		zmq_setsockopt(nodes->doors[i], ZMQ_CURVE_SECRETKEY, nodes->api.secret_key, 32);
		assert_int_equal(zmq_bind(nodes->doors[i], "tcp://127.0.0.1:*"), 0);
		assert_int_equal(
			zmq_getsockopt(nodes->doors[i], ZMQ_LAST_ENDPOINT, bound, &bytes), 0);
		snprintf(nodes->endpoint[i], sizeof nodes->endpoint[i], "%.40s",
			bound + strlen("tcp://"));
	}
	assert_int_equal(pthread_create(&nodes->thread, NULL, play, nodes), 0);
}

static void close_nodes(struct nodes *nodes)
{
	char path[128];

	nodes->stop = true;
	pthread_join(nodes->thread, NULL);
	for (size_t i = 0; i < NODES; i++) {
		zmq_close(nodes->doors[i]);
	}
	zmq_ctx_term(nodes->zmq);
	unlink(nodes->key);
	unlink(nodes->server_key);
	snprintf(path, sizeof path, "%s_secret", nodes->key);
	unlink(path);
	snprintf(path, sizeof path, "%s_secret", nodes->server_key);
	unlink(path);
	assert_int_equal(rmdir(nodes->directory), 0);
}

/* Remove a host through the nodes; what was told is in *ret_told (free()). */
static int change(struct nodes *nodes, unsigned timeout_ms, const char *server_key,
	struct client_done *ret_done, char **ret_told)
{
	struct ctl ctl = {.directory = "/nonexistent",
		.key = nodes->key,
		.server_key = server_key != NULL ? server_key : nodes->server_key,
		.timeout_ms = timeout_ms};
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Delete removal = PXE__DELETE__INIT;
	char name[] = "n07";
	size_t bytes;
	int result;

	for (size_t i = 0; i < NODES; i++) {
		ctl.endpoints[ctl.endpoint_count++] = nodes->endpoint[i];
	}
	ctl.out = ctl.err = open_memstream(ret_told, &bytes);
	removal.kind = PXE__OBJECT_KIND__OBJECT_HOST;
	removal.name = name;
	command.op_case = PXE__COMMAND__OP_REMOVE;
	command.remove = &removal;
	result = client_change(&ctl, &command, ret_done);
	client_close(ctl.client);
	fclose(ctl.err);
	return result;
}

static void test_the_first_node_that_is_up_is_asked_alone(void **state)
{
	(void)state;
	struct nodes nodes;
	struct client_done done;
	char *told;
	open_nodes(&nodes, OBEYS, OBEYS);
	assert_int_equal(change(&nodes, 0, NULL, &done, &told), CTL_OK);
	assert_int_equal(done.revision, 7);
	assert_int_equal(nodes.asked[0] + nodes.asked[1], 1);
	assert_string_equal(told, "");
	free(told);
	close_nodes(&nodes);
}

static void test_a_silent_node_is_followed_by_the_next_with_the_same_id(void **state)
{
	(void)state;
	struct nodes nodes;
	struct client_done done;
	uint8_t none[16] = {0};
	char *told;
	open_nodes(&nodes, SILENT, OBEYS);
	assert_int_equal(change(&nodes, 30000, NULL, &done, &told), CTL_OK);
	assert_int_equal(done.revision, 7);
	assert_int_equal(nodes.asked[0], 1);
	assert_int_equal(nodes.asked[1], 1);
	assert_memory_equal(nodes.id[0], nodes.id[1], 16);
	assert_memory_not_equal(nodes.id[0], none, 16);
	free(told);
	close_nodes(&nodes);
}

static void test_a_node_without_the_quorum_is_followed_by_the_next(void **state)
{
	(void)state;
	struct nodes nodes;
	struct client_done done;
	char *told;
	open_nodes(&nodes, NO_QUORUM, OBEYS);
	assert_int_equal(change(&nodes, 30000, NULL, &done, &told), CTL_OK);
	assert_int_equal(nodes.asked[1], 1);
	assert_memory_equal(nodes.id[0], nodes.id[1], 16);
	free(told);
	close_nodes(&nodes);
}

static void test_no_quorum_anywhere_is_told_as_the_nodes_say(void **state)
{
	(void)state;
	struct nodes nodes;
	struct client_done done;
	char *told;
	open_nodes(&nodes, NO_QUORUM, NO_QUORUM);
	assert_int_equal(change(&nodes, 0, NULL, &done, &told), CTL_NO_QUORUM);
	assert_true(nodes.asked[0] > 1 &&
		    nodes.asked[1] > 1); /* a leader might just have been chosen */
	assert_non_null(strstr(told, "no quorum: 1 of 3 voters answers"));
	free(told);
	close_nodes(&nodes);
}

static void test_without_an_answer_the_outcome_is_unknown(void **state)
{
	(void)state;
	struct nodes nodes;
	struct client_done done;
	char *told;
	open_nodes(&nodes, SILENT, SILENT);
	assert_int_equal(change(&nodes, 1000, NULL, &done, &told), CTL_UNKNOWN);
	assert_non_null(strstr(told, "Run it again, it is safe"));
	free(told);
	close_nodes(&nodes);
}

static void test_silence_and_no_quorum_together_are_unknown(void **state)
{
	(void)state;
	struct nodes nodes;
	struct client_done done;
	char *told;
	open_nodes(&nodes, SILENT, NO_QUORUM);
	assert_int_equal(change(&nodes, 30000, NULL, &done, &told), CTL_UNKNOWN);
	free(told);
	close_nodes(&nodes);
}

static void test_another_clusters_key_is_named_as_the_cause(void **state)
{
	(void)state;
	struct nodes nodes;
	struct client_done done;
	char *told;
	open_nodes(&nodes, OBEYS, OBEYS);
	assert_int_equal(change(&nodes, 30000, nodes.key, &done, &told), CTL_UNREACHABLE);
	assert_non_null(strstr(told, "is not a node of this cluster"));
	assert_int_equal(nodes.asked[0] + nodes.asked[1], 0);
	free(told);
	close_nodes(&nodes);
}

static void test_where_nobody_listens_is_told_at_once(void **state)
{
	(void)state;
	struct nodes nodes;
	struct client_done done;
	char *told;
	open_nodes(&nodes, OBEYS, OBEYS);
	snprintf(nodes.endpoint[0], sizeof nodes.endpoint[0], "127.0.0.1:1");
	snprintf(nodes.endpoint[1], sizeof nodes.endpoint[1], "127.0.0.1:2");
	assert_int_equal(change(&nodes, 30000, NULL, &done, &told), CTL_UNREACHABLE);
	assert_non_null(strstr(told, "127.0.0.1:1: connection refused"));
	assert_non_null(strstr(told, "127.0.0.1:2: connection refused"));
	free(told);
	close_nodes(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_node_that_is_up_is_asked_alone),
		cmocka_unit_test(test_a_silent_node_is_followed_by_the_next_with_the_same_id),
		cmocka_unit_test(test_a_node_without_the_quorum_is_followed_by_the_next),
		cmocka_unit_test(test_no_quorum_anywhere_is_told_as_the_nodes_say),
		cmocka_unit_test(test_without_an_answer_the_outcome_is_unknown),
		cmocka_unit_test(test_silence_and_no_quorum_together_are_unknown),
		cmocka_unit_test(test_another_clusters_key_is_named_as_the_cause),
		cmocka_unit_test(test_where_nobody_listens_is_told_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
