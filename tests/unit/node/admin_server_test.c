/* The admin server over its three doors, with a real one-node cluster behind it: disk, consensus,
 * model. */
#include "tests/unit/node/admin_rig.h"

/* ---- tests */

static void test_status_of_a_single_node(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	struct stat st;
	assert_int_equal(stat(node->socket_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	Pxe__AdminReply *reply = get_status(node, socket);
	assert_int_equal(reply->body_case, PXE__ADMIN_REPLY__BODY_STATE);
	assert_string_equal(reply->state->cluster, "lab");
	assert_string_equal(reply->state->health, "healthy");
	assert_string_equal(reply->state->leader, "pxe1");
	assert_int_equal(reply->state->n_nodes, 1);
	assert_string_equal(reply->state->nodes[0]->raft_role, "leader");
	assert_string_equal(reply->state->counters[0]->name, "test_counter");
	assert_int_equal(reply->state->counters[0]->value, 42);
	assert_int_equal(reply->n_members, 1);
	assert_string_equal(reply->members[0]->api_address, node->api_address);
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

static void test_a_repeated_change_is_made_once(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	uint8_t id[16] = {7}, other[16] = {8};
	Pxe__AdminReply *first = put_host(node, socket, "n07", 7, id);
	Pxe__AdminReply *again = put_host(node, socket, "n07", 7, id);
	Pxe__AdminReply *conflict = put_host(node, socket, "n07", 7, other);
	assert_int_equal(first->status, PXE__ADMIN_STATUS__ADMIN_OK);
	assert_true(first->done->revision > 0);
	assert_int_equal(again->status, PXE__ADMIN_STATUS__ADMIN_OK);
	assert_int_equal(again->done->revision, first->done->revision);
	assert_int_equal(conflict->status, PXE__ADMIN_STATUS__ADMIN_CONFLICT);
	assert_non_null(strstr(conflict->message, "n07"));
	pxe__admin_reply__free_unpacked(first, NULL);
	pxe__admin_reply__free_unpacked(again, NULL);
	pxe__admin_reply__free_unpacked(conflict, NULL);
	zmq_close(socket);
}

static void test_lists_by_pattern_and_what_is_not_there(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	char all[] = "", pattern[] = "list-*", one[] = "list-b", none[] = "nosuch",
	     empty[] = "nosuch*";
	for (uint8_t i = 0; i < 3; i++) {
		uint8_t id[16] = {20, i};
		char name[16];
		snprintf(name, sizeof name, "list-%c", 'a' + i);
		Pxe__AdminReply *reply = put_host(node, socket, name, (uint8_t)(0x20 + i), id);
		assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
		pxe__admin_reply__free_unpacked(reply, NULL);
	}
	Pxe__AdminReply *reply = list_hosts(node, socket, pattern);
	assert_int_equal(reply->objects->n_hosts, 3);
	assert_string_equal(reply->objects->hosts[2]->name, "list-c");
	assert_false(reply->objects->stale);
	assert_true(reply->objects->revision > 0);
	pxe__admin_reply__free_unpacked(reply, NULL);
	reply = list_hosts(node, socket, one);
	assert_int_equal(reply->objects->n_hosts, 1);
	pxe__admin_reply__free_unpacked(reply, NULL);
	reply = list_hosts(node, socket, all);
	assert_true(reply->objects->n_hosts >= 3);
	pxe__admin_reply__free_unpacked(reply, NULL);
	reply = list_hosts(node, socket, none);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_NOT_FOUND);
	assert_string_equal(reply->message, "there is no host 'nosuch'");
	pxe__admin_reply__free_unpacked(reply, NULL);
	reply = list_hosts(node, socket, empty);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
	assert_int_equal(reply->objects->n_hosts, 0);
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

static void test_operators_cannot_do_what_nodes_do(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__Change change = PXE__CHANGE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberGone gone = PXE__MEMBER_GONE__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	gone.id = 1;
	command.op_case = PXE__COMMAND__OP_MEMBER_GONE;
	command.member_gone = &gone;
	change.command = &command;
	request.body_case = PXE__ADMIN_REQUEST__BODY_CHANGE;
	request.change = &change;
	Pxe__AdminReply *reply = ask(node, socket, &request);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_INVALID);
	pxe__admin_reply__free_unpacked(reply, NULL);
	/* The cluster's identity. */
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	reply = ask(node, socket, &request);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_INVALID);
	pxe__admin_reply__free_unpacked(reply, NULL);
	/* Nothing at all, and an unknown kind of list. */
	change.command = NULL;
	reply = ask(node, socket, &request);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_INVALID);
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

static void test_malformed_requests_are_counted_and_the_rest_goes_on(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	struct admin_stats before, after;
	uint32_t random = 12345;
	admin_get_stats(node->admin, &before);
	assert_true(zmq_send(socket, "\xff\xff\xff", 3, 0) >= 0);
	assert_true(zmq_send(socket, "", 0, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(socket, "two frames", 10, 0) >= 0);
	for (unsigned i = 0; i < 500; i++) {
		uint8_t noise[40];
		for (size_t b = 0; b < sizeof noise; b++) {
			random = random * 1664525u + 1013904223u;
			noise[b] = (uint8_t)(random >> 24);
		}
		assert_true(zmq_send(socket, noise, i % sizeof noise, 0) >= 0);
	}
	/* An id that is too short is answered: it is a client that speaks our language. */
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__StatusQuery query = PXE__STATUS_QUERY__INIT;
	uint8_t id[3] = {1};
	request.request_id = (ProtobufCBinaryData){3, id};
	request.body_case = PXE__ADMIN_REQUEST__BODY_STATUS;
	request.status = &query;
	send_request(node, socket, &request);
	Pxe__AdminReply *reply = read_reply(node, socket);
	while (reply->sequence !=
		request.sequence) { /* empty messages are requests that ask for nothing */
		pxe__admin_reply__free_unpacked(reply, NULL);
		reply = read_reply(node, socket);
	}
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_INVALID);
	pxe__admin_reply__free_unpacked(reply, NULL);
	admin_get_stats(node->admin, &after);
	assert_true(after.malformed > before.malformed + 100);
	reply = get_status(node, socket);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

static void test_strangers_are_refused_and_members_and_operators_admitted(void **state)
{
	struct node *node = *state;
	struct keyfile stranger;
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__InfoQuery query = PXE__INFO_QUERY__INIT;
	size_t bytes;
	uint64_t refused = zap_refused(node->zap);
	assert_int_equal(keyfile_generate("stranger", &stranger), 0);
	request.body_case = PXE__ADMIN_REQUEST__BODY_INFO;
	request.info = &query;
	void *socket = dial_tcp(node, node->api_address, &stranger);
	send_request(node, socket, &request);
	for (unsigned i = 0; zap_refused(node->zap) == refused && i < WAIT_MS; i++) {
		turn(node);
	}
	assert_int_equal(zap_refused(node->zap), refused + 1);
	assert_null(receive(node, socket, 50, &bytes));
	zmq_close(socket);
	/* The node's own key, as pxectl on another member uses. */
	socket = dial_tcp(node, node->api_address, &node->own);
	Pxe__AdminReply *reply = ask(node, socket, &request);
	assert_int_equal(reply->body_case, PXE__ADMIN_REPLY__BODY_OBJECTS);
	assert_string_equal(reply->objects->settings->cluster, "lab");
	assert_int_equal(reply->objects->n_members, 1);
	pxe__admin_reply__free_unpacked(reply, NULL);
	/* The stranger becomes an operator. */
	Pxe__AdminRequest add = PXE__ADMIN_REQUEST__INIT;
	Pxe__Change change = PXE__CHANGE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Operator alice = PXE__OPERATOR__INIT;
	char name[] = "alice";
	alice.name = name;
	alice.public_key = (ProtobufCBinaryData){32, stranger.public_key};
	put.object_case = PXE__PUT__OBJECT_OPERATOR_KEY;
	put.operator_key = &alice;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	change.command = &command;
	add.body_case = PXE__ADMIN_REQUEST__BODY_CHANGE;
	add.change = &change;
	reply = ask(node, socket, &add);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
	pxe__admin_reply__free_unpacked(reply, NULL);
	void *operator_socket = dial_tcp(node, node->api_address, &stranger);
	reply = ask(node, operator_socket, &request);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
	pxe__admin_reply__free_unpacked(reply, NULL);
	/* Taken away again: the open connection ends to be of use, too. */
	Pxe__Delete removal = PXE__DELETE__INIT;
	removal.kind = PXE__OBJECT_KIND__OBJECT_OPERATOR;
	removal.name = name;
	command.op_case = PXE__COMMAND__OP_REMOVE;
	command.remove = &removal;
	reply = ask(node, socket, &add);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
	pxe__admin_reply__free_unpacked(reply, NULL);
	reply = ask(node, operator_socket, &request);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED);
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(operator_socket);
	zmq_close(socket);
}

static void test_watchers_get_what_fits_their_filter(void **state)
{
	struct node *node = *state;
	void *all = dial_ipc(node), *one = dial_ipc(node);
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__WatchQuery query = PXE__WATCH_QUERY__INIT;
	char filter[] = "52:54:00:00:00:99";
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_DHCP_ACK,
		.mac = {0x52, 0x54, 0, 0, 0, 0x98},
		.mac_bytes = 6,
		.ip = 0x0a000001};
	request.body_case = PXE__ADMIN_REQUEST__BODY_WATCH;
	request.watch = &query;
	pxe__admin_reply__free_unpacked(ask(node, all, &request), NULL);
	query.filter = filter;
	Pxe__AdminReply *reply = ask(node, one, &request);
	assert_true(reply->more);
	pxe__admin_reply__free_unpacked(reply, NULL);
	events_post(node->events, &event);
	event.mac[5] = 0x99;
	events_post(node->events, &event);
	for (unsigned i = 0; i < 2; i++) {
		do {
			reply = read_reply(node, all);
			if (reply->body_case == PXE__ADMIN_REPLY__BODY_EVENT) {
				break;
			}
			pxe__admin_reply__free_unpacked(reply, NULL);
		} while (true);
		assert_int_equal(reply->event->mac.data[5], 0x98 + i);
		assert_string_equal(reply->event->node, "pxe1");
		assert_int_equal(reply->event->ip.data[0], 10);
		pxe__admin_reply__free_unpacked(reply, NULL);
	}
	reply = read_reply(node, one);
	while (reply->body_case != PXE__ADMIN_REPLY__BODY_EVENT) {
		pxe__admin_reply__free_unpacked(reply, NULL);
		reply = read_reply(node, one);
	}
	assert_int_equal(reply->event->mac.data[5], 0x99);
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(all);
	zmq_close(one);
}

static void test_images_are_refused_without_an_intake(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__PushData data = PXE__PUSH_DATA__INIT;
	uint8_t sha256[32] = {1};
	data.sha256 = (ProtobufCBinaryData){32, sha256};
	request.body_case = PXE__ADMIN_REQUEST__BODY_PUSH_DATA;
	request.push_data = &data;
	Pxe__AdminReply *reply = ask(node, socket, &request);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_INVALID);
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

static Pxe__JoinReply *join(
	struct node *node, void *socket, const struct token *token, const struct keyfile *key)
{
	Pxe__JoinRequest request = PXE__JOIN_REQUEST__INIT;
	Pxe__Member member = PXE__MEMBER__INIT;
	struct token copy = *token;
	uint8_t data[1024], ip[4] = {10, 20, 0, 12}, public_key[32], *answer;
	char address[] = "127.0.0.1:9";
	size_t bytes = 0;
	memcpy(public_key, key->public_key, 32);
	member.public_key = (ProtobufCBinaryData){32, public_key};
	member.peer_address = member.api_address = member.join_address = address;
	member.serve_ip = (ProtobufCBinaryData){4, ip};
	member.http_port = 80;
	request.token_id = (ProtobufCBinaryData){sizeof copy.id, copy.id};
	request.token_secret = (ProtobufCBinaryData){sizeof copy.secret, copy.secret};
	request.member = &member;
	assert_true(zmq_send(socket, data, pxe__join_request__pack(&request, data), 0) >= 0);
	answer = receive(node, socket, WAIT_MS, &bytes);
	assert_non_null(answer);
	Pxe__JoinReply *reply = pxe__join_reply__unpack(NULL, bytes, answer);
	assert_non_null(reply);
	free(answer);
	return reply;
}

static void test_tokens_and_joining(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	uint8_t id[16] = {55};
	char for_name[] = "pxe2", first[TOKEN_TEXT_BYTES];
	struct token token, wrong;
	struct keyfile joiner, thief;
	Pxe__AdminReply *reply = make_token(node, socket, id, for_name);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
	snprintf(first, sizeof first, "%s", reply->token->token);
	pxe__admin_reply__free_unpacked(reply, NULL);
	reply = make_token(node, socket, id, for_name); /* a retry gives the same token */
	assert_string_equal(reply->token->token, first);
	pxe__admin_reply__free_unpacked(reply, NULL);
	assert_int_equal(token_parse(first, 0, &token), TOKEN_OK);
	assert_memory_equal(token.api_public_key, node->api.public_key, 32);
	assert_int_equal(token.address_count, 1);
	assert_int_equal(keyfile_generate("joiner", &joiner), 0);
	assert_int_equal(keyfile_generate("thief", &thief), 0);
	/* A wrong secret; a key that is not the connection's; a request of the other doors. */
	void *door = dial_tcp(node, node->join, &joiner);
	wrong = token;
	wrong.secret[0] ^= 1;
	Pxe__JoinReply *joined = join(node, door, &wrong, &joiner);
	assert_int_equal(joined->status, PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED);
	assert_int_equal(joined->api_secret_key.len, 0);
	pxe__join_reply__free_unpacked(joined, NULL);
	joined = join(node, door, &token, &thief);
	assert_int_equal(joined->status, PXE__ADMIN_STATUS__ADMIN_INVALID);
	pxe__join_reply__free_unpacked(joined, NULL);
	joined = join(node, door, &token, &joiner);
	assert_int_equal(joined->status, PXE__ADMIN_STATUS__ADMIN_OK);
	assert_string_equal(joined->self->name, "pxe2"); /* as the token says */
	assert_int_equal(joined->self->id, 2);
	assert_int_equal(joined->n_members, 2);
	assert_memory_equal(joined->api_secret_key.data, node->api.secret_key, 32);
	pxe__join_reply__free_unpacked(joined, NULL);
	joined = join(node, door, &token, &joiner); /* the answer was lost: it asks again */
	assert_int_equal(joined->status, PXE__ADMIN_STATUS__ADMIN_OK);
	assert_int_equal(joined->self->id, 2);
	pxe__join_reply__free_unpacked(joined, NULL);
	/* The token is used up. */
	void *other = dial_tcp(node, node->join, &thief);
	joined = join(node, other, &token, &thief);
	assert_int_not_equal(joined->status, PXE__ADMIN_STATUS__ADMIN_OK);
	assert_int_equal(joined->api_secret_key.len, 0);
	pxe__join_reply__free_unpacked(joined, NULL);
	zmq_close(other);
	zmq_close(door);
	zmq_close(socket);
}

/* Who guesses must not make the nodes write. */
static void test_joins_with_wrong_secrets_do_not_reach_the_log(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	uint8_t id[16] = {77};
	char for_name[] = "pxe2";
	struct token token, wrong;
	struct keyfile joiner;
	struct replica_view before, after;
	struct admin_stats stats;
	Pxe__AdminReply *reply = make_token(node, socket, id, for_name);
	assert_int_equal(token_parse(reply->token->token, 0, &token), TOKEN_OK);
	pxe__admin_reply__free_unpacked(reply, NULL);
	assert_int_equal(keyfile_generate("joiner", &joiner), 0);
	void *door = dial_tcp(node, node->join, &joiner);
	replica_get_view(node->replica, &before);
	for (uint8_t i = 0; i < 100; i++) {
		wrong = token;
		wrong.secret[i % sizeof wrong.secret] ^= (uint8_t)(i + 1);
		Pxe__JoinReply *joined = join(node, door, &wrong, &joiner);
		assert_int_equal(joined->status, PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED);
		assert_int_equal(joined->api_secret_key.len, 0);
		pxe__join_reply__free_unpacked(joined, NULL);
	}
	replica_get_view(node->replica, &after);
	assert_int_equal(after.last, before.last);
	admin_get_stats(node->admin, &stats);
	assert_int_equal(stats.join_refused, 100);
	/* Unknown tokens: a few may be new, so some are asked for. */
	unsigned limited = 0;
	for (uint8_t i = 0; i < 100; i++) {
		wrong = token;
		wrong.id[0] ^= (uint8_t)(i + 1);
		Pxe__JoinReply *joined = join(node, door, &wrong, &joiner);
		assert_int_equal(joined->status, PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED);
		limited += strstr(joined->message, "too many") != NULL;
		pxe__join_reply__free_unpacked(joined, NULL);
	}
	assert_true(limited > 0);
	Pxe__JoinReply *joined = join(node, door, &token, &joiner);
	assert_int_equal(joined->status, PXE__ADMIN_STATUS__ADMIN_OK);
	pxe__join_reply__free_unpacked(joined, NULL);
	zmq_close(door);
	zmq_close(socket);
}

static void remove_node(struct node *node, void *socket, char *name)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__Change change = PXE__CHANGE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberRemove removal = PXE__MEMBER_REMOVE__INIT;
	removal.name = name;
	command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
	command.member_remove = &removal;
	change.command = &command;
	request.body_case = PXE__ADMIN_REQUEST__BODY_CHANGE;
	request.change = &change;
	Pxe__AdminReply *reply = ask(node, socket, &request);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
	pxe__admin_reply__free_unpacked(reply, NULL);
}

/* Also over a connection that was made before; also when another node has its name by now. */
static void test_a_removed_node_is_not_listened_to(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	char name[] = "pxe2";
	struct keyfile old, fresh;
	struct token token;
	Pxe__AdminReply *reply;
	void *api = NULL;
	assert_int_equal(keyfile_generate("old", &old), 0);
	assert_int_equal(keyfile_generate("fresh", &fresh), 0);
	for (uint8_t i = 0; i < 2; i++) {
		const struct keyfile *key = i == 0 ? &old : &fresh;
		uint8_t id[16] = {88, i};
		reply = make_token(node, socket, id, name);
		assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
		assert_int_equal(token_parse(reply->token->token, 0, &token), TOKEN_OK);
		pxe__admin_reply__free_unpacked(reply, NULL);
		void *door = dial_tcp(node, node->join, key);
		Pxe__JoinReply *joined = join(node, door, &token, key);
		assert_int_equal(joined->status, PXE__ADMIN_STATUS__ADMIN_OK);
		pxe__join_reply__free_unpacked(joined, NULL);
		zmq_close(door);
		if (i == 0) {
			api = dial_tcp(node, node->api_address, &old);
			reply = get_status(node, api);
			assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
			pxe__admin_reply__free_unpacked(reply, NULL);
			remove_node(node, socket, name);
			while (model_member_named(replica_model(node->replica), name) != NULL) {
				turn(node); /* until the leader has dropped the record */
			}
		}
		reply = get_status(node, api);
		assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED);
		pxe__admin_reply__free_unpacked(reply, NULL);
	}
	zmq_close(api);
	zmq_close(socket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_of_a_single_node),
		cmocka_unit_test(test_a_repeated_change_is_made_once),
		cmocka_unit_test(test_lists_by_pattern_and_what_is_not_there),
		cmocka_unit_test(test_operators_cannot_do_what_nodes_do),
		cmocka_unit_test(test_malformed_requests_are_counted_and_the_rest_goes_on),
		cmocka_unit_test(test_strangers_are_refused_and_members_and_operators_admitted),
		cmocka_unit_test(test_watchers_get_what_fits_their_filter),
		cmocka_unit_test(test_images_are_refused_without_an_intake),
		cmocka_unit_test(test_tokens_and_joining),
		cmocka_unit_test_setup_teardown(
			test_joins_with_wrong_secrets_do_not_reach_the_log, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_removed_node_is_not_listened_to, setup, teardown),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
