/* Nodes on loopback: who gets through, who does not, and that nothing hangs or blocks. */
#include "tests/unit/transport/mesh_fixture.h"
#include <unistd.h>

static struct mesh mesh;

static int set_up_three(void **state)
{
	mesh_open(&mesh, 3);
	*state = &mesh;
	return 0;
}

static int set_up_none(void **state)
{
	mesh_open(&mesh, 0);
	*state = &mesh;
	return 0;
}

static int tear_down(void **state)
{
	mesh_close(*state);
	return 0;
}

static void all_reach_all(void **state)
{
	struct mesh *m = *state;

	for (uint64_t from = 1; from <= 3; from++)
		for (uint64_t to = 1; to <= 3; to++)
			for (uint64_t i = 1; from != to && i <= 100; i++)
				assert_int_equal(node_send(&m->node[from], to, i, 10), 0);
	for (uint64_t to = 1; to <= 3; to++)
		for (uint64_t from = 1; from <= 3; from++)
			while (from != to && m->node[to].newest[from] < 100)
				uv_run(&m->loop, UV_RUN_ONCE);
	for (uint64_t id = 1; id <= 3; id++) {
		struct transport_stats stats = node_stats(&m->node[id]);

		assert_int_equal(stats.sent, 200);
		assert_int_equal(stats.received, 200);
		assert_int_equal(stats.dropped_full + stats.dropped_invalid, 0);
		assert_int_equal(stats.bytes_in, stats.bytes_out);
		assert_int_equal(m->node[id].disorder, 0);
	}
	assert_int_equal(node_send(&m->node[1], 1, 1, 0), -ENOENT);
	assert_int_equal(node_send(&m->node[1], 9, 1, 0), -ENOENT);
}

static void a_stranger_is_refused_and_counted(void **state)
{
	struct mesh *m = *state;

	node_start(m, 4, "127.0.0.1:*");
	node_knows(&m->node[4], &m->node[1]); /* it knows where we are, we do not know it */
	assert_int_equal(node_send(&m->node[4], 1, 1, 0), 0);
	while (zap_refused(m->node[1].zap) < 3 || node_stats(&m->node[4]).dials_refused < 3)
		uv_run(&m->loop, UV_RUN_ONCE);
	assert_int_equal(m->node[1].received[4], 0);
	assert_int_equal(node_stats(&m->node[1]).received, 0);
}

static void a_key_that_is_admitted_later_gets_in(void **state)
{
	struct mesh *m = *state;

	node_start(m, 4, "127.0.0.1:*");
	node_knows(&m->node[4], &m->node[1]);
	while (node_stats(&m->node[4]).dials_refused < 2)
		uv_run(&m->loop, UV_RUN_ONCE);
	node_knows(&m->node[1], &m->node[4]);
	for (uint64_t i = 1; !m->node[1].received[4]; i++) {
		(void)node_send(&m->node[4], 1, i, 0);
		mesh_rest(m, 10);
	}
	assert_true(m->node[1].received[4] > 0);
}

static void another_cluster_is_dropped_and_counted(void **state)
{
	struct mesh *m = *state;

	m->cluster_id[3] ^= 1;
	node_start(m, 4, "127.0.0.1:*");
	m->cluster_id[3] ^= 1;
	node_knows(&m->node[1], &m->node[4]);
	node_knows(&m->node[4], &m->node[1]);
	assert_int_equal(node_send(&m->node[4], 1, 1, 0), 0);
	while (node_stats(&m->node[1]).dropped_invalid < 1)
		uv_run(&m->loop, UV_RUN_ONCE);
	assert_int_equal(m->node[1].received[4], 0);
}

static void another_epoch_is_dropped_and_told_once(void **state)
{
	struct mesh *m = *state;

	for (uint64_t epoch = 1; epoch <= 2; epoch++) {
		m->epoch = epoch;
		node_start(m, 4, epoch == 1 ? "127.0.0.1:*" : m->node[4].address);
		m->epoch = 0;
		node_knows(&m->node[1], &m->node[4]);
		node_knows(&m->node[4], &m->node[1]);
		uint64_t dropped = node_stats(&m->node[1]).dropped_invalid;
		for (uint64_t i = 1; node_stats(&m->node[1]).dropped_invalid < dropped + 3; i++) {
			(void)node_send(&m->node[4], 1, i, 0);
			mesh_rest(m, 5);
		}
		assert_int_equal(m->node[1].received[4], 0);
		assert_int_equal(m->node[1].other_epochs, epoch); /* once each */
		assert_int_equal(m->node[1].other_epoch, epoch);
		assert_int_equal(m->node[1].other_epoch_from, 4);
		node_stop(&m->node[4]);
	}
	node_start(m, 4, m->node[4].address); /* of our epoch at last */
	node_knows(&m->node[4], &m->node[1]);
	for (uint64_t i = 1; !m->node[1].received[4]; i++) {
		(void)node_send(&m->node[4], 1, i, 0);
		mesh_rest(m, 5);
	}
	assert_int_equal(m->node[1].other_epochs, 2);
}

static void the_epoch_of_a_stranger_is_not_told(void **state)
{
	struct mesh *m = *state;

	m->epoch = 1;
	m->cluster_id[3] ^= 1;
	node_start(m, 4, "127.0.0.1:*");
	m->cluster_id[3] ^= 1;
	m->epoch = 0;
	node_knows(&m->node[1], &m->node[4]);
	node_knows(&m->node[4], &m->node[1]);
	assert_int_equal(node_send(&m->node[4], 1, 1, 0), 0);
	while (node_stats(&m->node[1]).dropped_invalid < 1)
		uv_run(&m->loop, UV_RUN_ONCE);
	assert_int_equal(m->node[1].other_epochs, 0);
}

static void a_node_cannot_speak_for_another(void **state)
{
	struct mesh *m = *state;
	struct node *liar = &m->node[4];

	/* The real node 2 is away: of two connections under one routing id libzmq hears only one.
	 */
	node_stop(&m->node[2]);
	node_start(m, 4, "127.0.0.1:*");
	node_knows(&m->node[1], liar);
	node_stop(liar);
	node_start_as(m, 4, 2,
		"127.0.0.1:*"); /* a member with a key of its own, and says that it is node 2 */
	node_knows(liar, &m->node[1]);
	assert_int_equal(node_send(liar, 1, 1, 0), 0);
	while (node_stats(&m->node[1]).dropped_invalid < 1)
		uv_run(&m->loop, UV_RUN_ONCE);
	assert_int_equal(m->node[1].received[2], 0);
	assert_int_equal(m->node[1].received[4], 0);
}

static void a_removed_peer_is_silent_and_its_key_is_refused(void **state)
{
	struct mesh *m = *state;

	assert_int_equal(node_send(&m->node[2], 1, 1, 0), 0);
	while (!m->node[1].received[2])
		uv_run(&m->loop, UV_RUN_ONCE);
	transport_remove_peer(m->node[1].transport, 2);
	transport_remove_peer(m->node[1].transport, 2);
	assert_int_equal(node_send(&m->node[1], 2, 1, 0), -ENOENT);
	assert_int_equal(node_send(&m->node[2], 1, 2, 0), 0); /* on the connection that it has */
	while (!node_stats(&m->node[1]).dropped_invalid)
		uv_run(&m->loop, UV_RUN_ONCE);
	assert_int_equal(m->node[1].received[2], 1);
	transport_remove_peer(m->node[2].transport, 1);
	node_knows(&m->node[2], &m->node[1]); /* a new connection is refused at the door */
	while (!zap_refused(m->node[1].zap))
		uv_run(&m->loop, UV_RUN_ONCE);
	assert_int_equal(m->node[1].received[2], 1);
}

static void a_removed_node_that_dials_anew_is_told(void **state)
{
	struct mesh *m = *state;

	assert_int_equal(node_send(&m->node[2], 1, 1, 0), 0);
	while (!m->node[1].received[2])
		uv_run(&m->loop, UV_RUN_ONCE);
	transport_remove_peer(m->node[1].transport, 2);
	assert_int_equal(node_send(&m->node[2], 1, 2, 0), 0);
	while (!node_stats(&m->node[1]).dropped_invalid)
		uv_run(&m->loop, UV_RUN_ONCE);
	assert_int_equal(node_stats(&m->node[2]).dials_refused, 0); /* the old connection stands */
	transport_dial_anew(m->node[2].transport, 9);               /* nobody */
	transport_dial_anew(m->node[2].transport, 1);
	while (!node_stats(&m->node[2]).dials_refused)
		uv_run(&m->loop, UV_RUN_ONCE);
	transport_dial_anew(m->node[2].transport, 3); /* who knows us is reached again */
	for (uint64_t i = 1; !m->node[3].received[2]; i++) {
		(void)node_send(&m->node[2], 3, i, 0);
		mesh_rest(m, 10);
	}
	assert_int_equal(m->node[1].received[2], 1);
}

static void a_new_key_of_a_peer_shuts_out_the_old_one(void **state)
{
	struct mesh *m = *state;
	uint8_t other_public[32], other_secret[32];

	assert_int_equal(node_send(&m->node[2], 1, 1, 0), 0);
	while (!m->node[1].received[2])
		uv_run(&m->loop, UV_RUN_ONCE);
	crypto_box_keypair(other_public, other_secret);
	assert_int_equal(
		transport_set_peer(m->node[1].transport, 2, m->node[2].address, other_public), 0);
	assert_int_equal(node_send(&m->node[2], 1, 2, 0), 0); /* the connection is of the old key */
	while (!node_stats(&m->node[1]).dropped_invalid)
		uv_run(&m->loop, UV_RUN_ONCE);
	assert_int_equal(m->node[1].received[2], 1);
}

static void a_peer_that_restarts_is_reached_again(void **state)
{
	struct mesh *m = *state;

	for (unsigned restart = 0; restart < 3; restart++) {
		char address[64];
		uint64_t before = m->node[2].received[1], back = m->node[1].received[2];

		strcpy(address, m->node[2].address);
		node_stop(&m->node[2]);
		(void)node_send(&m->node[1], 2, 1, 0);
		mesh_rest(m, 50);
		node_start(m, 2, address);
		node_knows(&m->node[2], &m->node[1]);
		for (uint64_t i = 1;
			m->node[2].received[1] == before || m->node[1].received[2] == back; i++) {
			(void)node_send(&m->node[1], 2, i, 0);
			(void)node_send(&m->node[2], 1, i, 0);
			mesh_rest(m, 5);
		}
	}
	assert_int_equal(node_stats(&m->node[1]).dropped_invalid, 0);
}

static void a_peer_that_moves_is_followed(void **state)
{
	struct mesh *m = *state;

	node_stop(&m->node[2]);
	node_start(m, 2, "127.0.0.1:*");
	node_knows(&m->node[2], &m->node[1]);
	node_knows(&m->node[1], &m->node[2]);
	node_knows(&m->node[1], &m->node[2]);
	assert_int_equal(node_send(&m->node[1], 2, 5, 0), 0);
	while (m->node[2].newest[1] < 5)
		uv_run(&m->loop, UV_RUN_ONCE);
}

static void sending_to_a_peer_that_is_away_drops_and_never_blocks(void **state)
{
	struct mesh *m = *state;
	unsigned dropped = 0;

	node_stop(&m->node[3]);
	for (uint64_t i = 1; i <= 2000; i++)
		dropped += node_send(&m->node[1], 3, i, 100) == -EAGAIN;
	assert_in_range(dropped, 1000, 2000);
	assert_int_equal(node_stats(&m->node[1]).dropped_full, dropped);
	assert_int_equal(node_send(&m->node[1], 2, 1, 0), 0); /* the others are not affected */
	while (!m->node[2].received[1])
		uv_run(&m->loop, UV_RUN_ONCE);
}

static void bad_peers_are_refused(void **state)
{
	struct mesh *m = *state;
	struct node *node = &m->node[1];
	uint8_t zero[32] = {0};
	char address[64];

	assert_int_equal(
		transport_set_peer(node->transport, 0, "127.0.0.1:1", node->public_key), -EINVAL);
	assert_int_equal(
		transport_set_peer(node->transport, 1, "127.0.0.1:1", node->public_key), -EINVAL);
	assert_int_equal(transport_set_peer(node->transport, 7, "", node->public_key), -EINVAL);
	assert_int_equal(
		transport_set_peer(node->transport, 7, "no port", node->public_key), -EINVAL);
	assert_int_equal(transport_set_peer(node->transport, 7, "127.0.0.1:1", zero), -EINVAL);
	for (uint64_t id = 10; id < 10 + TRANSPORT_PEERS_MAX - 2; id++) {
		snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)id);
		assert_int_equal(
			transport_set_peer(node->transport, id, address, node->public_key), 0);
	}
	assert_int_equal(
		transport_set_peer(node->transport, 99, "127.0.0.1:1", node->public_key), -ENOSPC);
}

static void a_port_in_use_is_said(void **state)
{
	struct mesh *m = *state;
	struct node *node = &m->node[1];
	struct transport_config config = {.loop = &m->loop,
		.zmq_context = node->context,
		.self = 9,
		.bind_address = node->address,
		.on_message = mesh_on_message};
	struct transport *t = NULL;
	char error[256] = "";

	config.zmq_context = zmq_ctx_new();
	assert_int_equal(zap_open(&m->loop, config.zmq_context, &config.zap), 0);
	assert_int_equal(transport_open(&config, &t, error, sizeof error), -EADDRINUSE);
	assert_non_null(strstr(error, node->address));
	assert_null(t);
	config.bind_address = "nonsense";
	assert_int_equal(transport_open(&config, &t, error, sizeof error), -EINVAL);
	assert_non_null(strstr(error, "nonsense"));
	config.bind_address = "192.0.2.1:7440";
	assert_true(transport_open(&config, &t, error, sizeof error) < 0);
	assert_non_null(strstr(error, "192.0.2.1:7440"));
	zap_close(config.zap);
	mesh_rest(m, 1);
	zmq_ctx_term(config.zmq_context);
}

static void eight_mebibytes_pass(void **state)
{
	struct mesh *m = *state;
	size_t bytes = 8 << 20;

	/* Again now and then: a machine that stalls for a second may lose the connection and what
	 * was under way. */
	for (uint64_t i = 1; !m->node[2].newest[1] || !m->node[1].newest[2]; i++) {
		(void)node_send(&m->node[1], 2, i, bytes);
		(void)node_send(&m->node[2], 1, i, bytes);
		for (unsigned ms = 0; ms < 3000 && (!m->node[2].newest[1] || !m->node[1].newest[2]);
			ms += 20)
			mesh_rest(m, 20);
	}
	assert_int_equal(m->node[2].newest_bytes, bytes);
	assert_int_equal(m->node[1].newest_bytes, bytes);
}

/* Node 2 answers each message; node 1 keeps `window` of them under way. */
static uint64_t ping_total;

static void answer(struct node *node, uint64_t from, const Pxe__Envelope *envelope)
{
	assert_int_equal(node_send(node, from, envelope->status->applied, 64), 0);
}

static void send_next(struct node *node, uint64_t from, const Pxe__Envelope *envelope)
{
	(void)envelope;
	if (ping_total)
		assert_int_equal(node_send(node, from, ping_total--, 64), 0);
}

static void ping(struct mesh *m, unsigned window, uint64_t count)
{
	uint64_t began_ns = uv_hrtime(), before = m->node[1].received[2];
	double seconds;

	m->node[1].on_message = send_next;
	m->node[2].on_message = answer;
	ping_total = count;
	for (unsigned i = 0; i < window; i++)
		send_next(&m->node[1], 2, NULL);
	while (m->node[1].received[2] - before < count)
		uv_run(&m->loop, UV_RUN_ONCE);
	seconds = (double)(uv_hrtime() - began_ns) / 1e9;
	print_message("window %2u: %.0f round trips/s\n", window, (double)count / seconds);
	m->node[1].on_message = m->node[2].on_message = NULL;
}

static void a_hundred_thousand_messages_pass_without_a_hang(void **state)
{
	ping(*state, 1, 25000);
	ping(*state, 64, 25000); /* there and back: 100 000 messages in all */
}

/* Node 2 accepts and does not read: node 1 goes on with node 3. */
static void a_receiver_that_does_not_read_blocks_nobody(void **state)
{
	struct mesh *m = *state;
	uint64_t dropped = 0, sent = 0;
	void *context = zmq_ctx_new(), *router = zmq_socket(context, ZMQ_ROUTER);
	char endpoint[64];
	size_t bytes = sizeof endpoint;
	int one = 1, zero = 0;

	transport_remove_peer(m->node[1].transport, 2);
	/* A server with node 2's key that accepts and never receives. */
	zmq_setsockopt(router, ZMQ_CURVE_SERVER, &one, sizeof one);
	zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, m->node[2].secret_key, 32);
	zmq_setsockopt(router, ZMQ_LINGER, &zero, sizeof zero);
	zmq_setsockopt(router, ZMQ_RCVHWM, &one, sizeof one);
	assert_int_equal(zmq_bind(router, "tcp://127.0.0.1:*"), 0);
	assert_int_equal(zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &bytes), 0);
	assert_int_equal(
		transport_set_peer(m->node[1].transport, 2, endpoint + 6, m->node[2].public_key),
		0);
	for (uint64_t i = 1; sent < 280 || dropped < 100;
		i++) { /* so it is connected, and its buffers are full */
		int error = node_send(&m->node[1], 2, i, 100000);

		assert_true(error == 0 || error == -EAGAIN);
		dropped += error != 0;
		sent += error == 0;
		if (error)
			mesh_rest(m, 1);
	}
	for (uint64_t i = 1; i <= 1000; i++) {
		assert_int_equal(node_send(&m->node[1], 3, i, 100), 0);
		while (m->node[3].newest[1] < i)
			uv_run(&m->loop, UV_RUN_ONCE);
	}
	print_message("%llu messages taken, the rest dropped\n", (unsigned long long)sent);
	zmq_close(router);
	zmq_ctx_term(context);
}

static void close_at_once(struct node *node, uint64_t from, const Pxe__Envelope *envelope)
{
	(void)from;
	assert_int_equal(envelope->status->applied, 1);
	transport_close(node->transport);
	node->transport = NULL;
}

static void closing_in_the_middle_of_a_message_is_allowed(void **state)
{
	struct mesh *m = *state;
	struct node *node = &m->node[2];

	node->on_message = close_at_once;
	for (uint64_t i = 1; i <= 20; i++)
		assert_int_equal(node_send(&m->node[1], 2, i, 0), 0);
	while (node->transport)
		uv_run(&m->loop, UV_RUN_ONCE);
	mesh_rest(m, 20);
	assert_int_equal(node->received[1], 1);
	zap_close(node->zap);
	mesh_rest(m, 1);
	assert_int_equal(zmq_ctx_term(node->context), 0);
}

static void opening_and_closing_leaves_nothing(void **state)
{
	struct mesh *m = *state;

	for (unsigned i = 0; i < 10; i++) {
		node_start(m, 1, "127.0.0.1:*");
		node_start(m, 2, "127.0.0.1:*");
		node_knows(&m->node[1], &m->node[2]);
		node_knows(&m->node[2], &m->node[1]);
		(void)node_send(&m->node[1], 2, 1, 1000);
		node_stop(&m->node[1]);
		node_stop(&m->node[2]);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up_three, tear_down)
	const struct CMUnitTest tests[] = {
		T(all_reach_all),
		T(a_stranger_is_refused_and_counted),
		T(a_key_that_is_admitted_later_gets_in),
		T(another_cluster_is_dropped_and_counted),
		T(another_epoch_is_dropped_and_told_once),
		T(the_epoch_of_a_stranger_is_not_told),
		T(a_node_cannot_speak_for_another),
		T(a_removed_peer_is_silent_and_its_key_is_refused),
		T(a_removed_node_that_dials_anew_is_told),
		T(a_new_key_of_a_peer_shuts_out_the_old_one),
		T(a_peer_that_restarts_is_reached_again),
		T(a_peer_that_moves_is_followed),
		T(sending_to_a_peer_that_is_away_drops_and_never_blocks),
		T(bad_peers_are_refused),
		T(a_port_in_use_is_said),
		T(eight_mebibytes_pass),
		T(a_hundred_thousand_messages_pass_without_a_hang),
		T(a_receiver_that_does_not_read_blocks_nobody),
		T(closing_in_the_middle_of_a_message_is_allowed),
		cmocka_unit_test_setup_teardown(
			opening_and_closing_leaves_nothing, set_up_none, tear_down),
	};

	alarm(100); /* a hang is a failure, not a wait */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
