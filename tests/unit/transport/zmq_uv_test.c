/* One ZeroMQ socket on the loop: nothing is lost on the edge, nothing starves the loop. And the ZAP
 * handler at the door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "store/transport/zap.h"
#include "store/transport/zmq_uv.h"
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct bench {
	uv_loop_t loop;
	void *context;
	void *peer; /* plain socket of the test */
	struct zmq_uv *z;
	char endpoint[64];
	uint64_t messages;
	size_t frames; /* of the newest message */
	char user_id[64];
	char body[64];
	char id[64];
	size_t id_bytes;
};

static struct bench bench;

static void on_message(void *ctx, const zmq_msg_t *frame, size_t count, const char *user_id)
{
	struct bench *b = ctx;
	size_t bytes = zmq_msg_size(&frame[count - 1]);

	b->messages++;
	b->frames = count;
	snprintf(b->user_id, sizeof b->user_id, "%s", user_id);
	snprintf(b->body, sizeof b->body, "%.*s", (int)bytes,
		(const char *)zmq_uv_data(&frame[count - 1]));
	if (count > 1) {
		b->id_bytes = zmq_msg_size(&frame[0]);
		memcpy(b->id, zmq_uv_data(&frame[0]), b->id_bytes);
	}
}

static void *new_socket(struct bench *b, int type)
{
	void *socket = zmq_socket(b->context, type);
	int zero = 0;

	assert_non_null(socket);
	assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero), 0);
	assert_int_equal(zmq_setsockopt(socket, ZMQ_SNDHWM, &zero, sizeof zero), 0);
	assert_int_equal(zmq_setsockopt(socket, ZMQ_RCVHWM, &zero, sizeof zero), 0);
	return socket;
}

static void bind_on_loop(struct bench *b, void *socket)
{
	size_t bytes = sizeof b->endpoint;

	assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
	assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, b->endpoint, &bytes), 0);
	assert_int_equal(zmq_uv_open(&b->loop, socket, on_message, b, &b->z), 0);
	assert_ptr_equal(zmq_uv_socket(b->z), socket);
}

static int set_up(void **state)
{
	memset(&bench, 0, sizeof bench);
	assert_int_equal(uv_loop_init(&bench.loop), 0);
	bench.context = zmq_ctx_new();
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	if (b->z)
		zmq_uv_close(b->z);
	if (b->peer)
		zmq_close(b->peer);
	assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	assert_int_equal(zmq_ctx_term(b->context), 0);
	return 0;
}

static void wait_for(struct bench *b, uint64_t messages)
{
	while (b->messages < messages)
		uv_run(&b->loop, UV_RUN_ONCE);
}

static void a_reply_reaches_the_sender(void **state)
{
	struct bench *b = *state;
	char text[16] = "";

	bind_on_loop(b, new_socket(b, ZMQ_ROUTER));
	b->peer = new_socket(b, ZMQ_DEALER);
	assert_int_equal(zmq_connect(b->peer, b->endpoint), 0);
	assert_int_equal(zmq_send(b->peer, "hello", 5, 0), 5);
	wait_for(b, 1);
	assert_int_equal(b->frames, 2);
	assert_string_equal(b->body, "hello");
	assert_string_equal(b->user_id, "");
	assert_int_equal(zmq_uv_send(b->z, b->id, b->id_bytes, "answer", 6), 0);
	assert_int_equal(zmq_recv(b->peer, text, sizeof text, 0), 6);
	assert_string_equal(text, "answer");
}

static void an_unknown_receiver_is_an_error_where_the_owner_asked_for_it(void **state)
{
	struct bench *b = *state;
	void *router = new_socket(b, ZMQ_ROUTER);
	int one = 1;

	assert_int_equal(zmq_setsockopt(router, ZMQ_ROUTER_MANDATORY, &one, sizeof one), 0);
	bind_on_loop(b, router);
	assert_int_equal(zmq_uv_send(b->z, "nobody", 6, "answer", 6), -EHOSTUNREACH);
}

static void a_full_queue_is_eagain_and_never_waits(void **state)
{
	struct bench *b = *state;
	void *dealer = zmq_socket(b->context, ZMQ_DEALER);
	int zero = 0, limit = 10;
	unsigned sent = 0;

	assert_int_equal(zmq_setsockopt(dealer, ZMQ_LINGER, &zero, sizeof zero), 0);
	assert_int_equal(zmq_setsockopt(dealer, ZMQ_SNDHWM, &limit, sizeof limit), 0);
	assert_int_equal(zmq_connect(dealer, "tcp://127.0.0.1:1"), 0);
	assert_int_equal(zmq_uv_open(&b->loop, dealer, on_message, b, &b->z), 0);
	while (sent < 100 && zmq_uv_send(b->z, NULL, 0, "x", 1) == 0)
		sent++;
	assert_int_equal(sent, 10);
	assert_int_equal(zmq_uv_send(b->z, NULL, 0, "x", 1), -EAGAIN);
}

static void messages_of_too_many_frames_are_dropped_whole(void **state)
{
	struct bench *b = *state;

	bind_on_loop(b, new_socket(b, ZMQ_PULL));
	b->peer = new_socket(b, ZMQ_PUSH);
	assert_int_equal(zmq_connect(b->peer, b->endpoint), 0);
	for (unsigned frames = 1; frames <= 40; frames++)
		for (unsigned i = 1; i <= frames; i++)
			assert_int_equal(
				zmq_send(b->peer, "f", 1, i < frames ? ZMQ_SNDMORE : 0), 1);
	assert_int_equal(zmq_send(b->peer, "end", 3, 0), 3);
	while (strcmp(b->body, "end") != 0)
		uv_run(&b->loop, UV_RUN_ONCE);
	assert_int_equal(b->messages, 8 + 1);
}

static uint64_t turns;

static void on_turn(uv_check_t *check)
{
	(void)check;
	turns++;
}

static void send_and_count_turns(struct bench *b, unsigned count, const void *body, size_t bytes)
{
	uv_check_t check;

	turns = 0;
	uv_check_init(&b->loop, &check);
	uv_check_start(&check, on_turn);
	bind_on_loop(b, new_socket(b, ZMQ_PULL));
	b->peer = new_socket(b, ZMQ_PUSH);
	assert_int_equal(zmq_connect(b->peer, b->endpoint), 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(zmq_send(b->peer, body, bytes, 0), bytes);
	wait_for(b, count);
	uv_close((uv_handle_t *)&check, NULL);
	uv_run(&b->loop, UV_RUN_NOWAIT);
}

/* In one turn there is at most a batch from poll and one from idle. */
static void a_busy_sender_leaves_the_loop_its_turns(void **state)
{
	send_and_count_turns(*state, 20000, "x", 1);
	assert_true(turns >= 20000 / 128);
}

static void large_messages_come_few_in_a_turn(void **state)
{
	static char body[600000];

	send_and_count_turns(*state, 60, body, sizeof body);
	assert_true(turns >= 60 / 4);
}

/* The trap: a message makes the edge, then a send of ours (from a timer, say) looks at the mailbox
 * and eats it. The descriptor is silent from then on, and nothing else would wake the loop. */
static void a_send_after_a_message_came_does_not_eat_the_edge(void **state)
{
	struct bench *b = *state;
	char text[4];

	bind_on_loop(b, new_socket(b, ZMQ_DEALER));
	b->peer = new_socket(b, ZMQ_DEALER);
	assert_int_equal(zmq_connect(b->peer, b->endpoint), 0);
	for (uint64_t i = 1; i <= 20; i++) {
		assert_int_equal(zmq_send(b->peer, "m", 1, 0), 1);
		usleep(i > 1 ? 10000 : 100000); /* it is in our pipe before we send */
		assert_int_equal(zmq_uv_send(b->z, NULL, 0, "t", 1), 0);
		wait_for(b, i);
		assert_int_equal(zmq_recv(b->peer, text, sizeof text, 0), 1);
	}
}

/* ---- the door */

struct door {
	struct zap *zap;
	uint8_t server_public[32], server_secret[32], client_public[32], client_secret[32];
	unsigned asked;
	bool open;
};

static struct door door;

static bool allow(void *ctx, const uint8_t key[32], char ret_user_id[64])
{
	struct door *d = ctx;

	d->asked++;
	assert_memory_equal(key, d->client_public, 32);
	if (d->open)
		snprintf(ret_user_id, 64, "alice");
	return d->open;
}

static void new_keys(uint8_t public_key[32], uint8_t secret_key[32])
{
	char public_text[41], secret_text[41];

	assert_int_equal(zmq_curve_keypair(public_text, secret_text), 0);
	assert_non_null(zmq_z85_decode(public_key, public_text));
	assert_non_null(zmq_z85_decode(secret_key, secret_text));
}

static void open_door(struct bench *b, const char *domain)
{
	void *server = new_socket(b, ZMQ_ROUTER);
	int one = 1;

	memset(&door, 0, sizeof door);
	new_keys(door.server_public, door.server_secret);
	new_keys(door.client_public, door.client_secret);
	assert_int_equal(zap_open(&b->loop, b->context, &door.zap), 0);
	assert_int_equal(zap_set_domain(door.zap, "api", allow, &door), 0);
	zmq_setsockopt(server, ZMQ_CURVE_SERVER, &one, sizeof one);
	zmq_setsockopt(server, ZMQ_CURVE_SECRETKEY, door.server_secret, 32);
	zmq_setsockopt(server, ZMQ_ZAP_DOMAIN, domain, strlen(domain));
	bind_on_loop(b, server);
}

static void knock(struct bench *b, bool with_curve)
{
	b->peer = new_socket(b, ZMQ_DEALER);
	if (with_curve) {
		zmq_setsockopt(b->peer, ZMQ_CURVE_SERVERKEY, door.server_public, 32);
		zmq_setsockopt(b->peer, ZMQ_CURVE_PUBLICKEY, door.client_public, 32);
		zmq_setsockopt(b->peer, ZMQ_CURVE_SECRETKEY, door.client_secret, 32);
	}
	assert_int_equal(
		zmq_socket_monitor(b->peer, "inproc://knock",
			ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
				ZMQ_EVENT_HANDSHAKE_SUCCEEDED),
		0);
	assert_int_equal(zmq_connect(b->peer, b->endpoint), 0);
	assert_int_equal(zmq_send(b->peer, "hello", 5, 0), 5);
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* Run the loop until the client learns how its handshake ended. */
static uint16_t outcome(struct bench *b)
{
	void *monitor = zmq_socket(b->context, ZMQ_PAIR);
	uint8_t event[6];
	uint16_t kind;
	uv_timer_t timer;

	assert_int_equal(zmq_connect(monitor, "inproc://knock"), 0);
	uv_timer_init(&b->loop, &timer);
	uv_timer_start(&timer, on_tick, 2, 2);
	while (zmq_recv(monitor, event, sizeof event, ZMQ_DONTWAIT) < 0)
		uv_run(&b->loop, UV_RUN_ONCE);
	memcpy(&kind, event, sizeof kind);
	for (unsigned i = 0; i < 20; i++) /* what got through would come now */
		uv_run(&b->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&b->loop, UV_RUN_NOWAIT);
	zmq_socket_monitor(b->peer, NULL, 0);
	zmq_close(monitor);
	return kind;
}

static void close_door(struct bench *b)
{
	zmq_uv_close(b->z);
	b->z = NULL;
	zap_close(door.zap);
	uv_run(&b->loop, UV_RUN_NOWAIT);
}

static void an_admitted_key_has_the_name_that_its_owner_gave(void **state)
{
	struct bench *b = *state;

	open_door(b, "api");
	door.open = true;
	knock(b, true);
	assert_int_equal(outcome(b), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
	wait_for(b, 1);
	assert_string_equal(b->user_id, "alice");
	assert_string_equal(b->body, "hello");
	assert_int_equal(zap_refused(door.zap), 0);
	close_door(b);
}

static void a_refused_key_is_told_and_counted(void **state)
{
	struct bench *b = *state;

	open_door(b, "api");
	knock(b, true);
	assert_int_equal(outcome(b), ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
	assert_int_equal(b->messages, 0);
	assert_int_equal(door.asked, 1);
	assert_int_equal(zap_refused(door.zap), 1);
	close_door(b);
}

static void a_domain_that_nobody_set_refuses_all(void **state)
{
	struct bench *b = *state;

	open_door(b, "join");
	door.open = true;
	knock(b, true);
	assert_int_equal(outcome(b), ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
	assert_int_equal(b->messages, 0);
	assert_int_equal(door.asked, 0);
	close_door(b);
}

static void a_client_without_curve_is_refused(void **state)
{
	struct bench *b = *state;

	open_door(b, "api");
	door.open = true;
	knock(b, false);
	assert_int_equal(outcome(b), ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
	assert_int_equal(b->messages, 0);
	assert_int_equal(door.asked, 0);
	close_door(b);
}

static void domains_are_few_and_have_names(void **state)
{
	struct bench *b = *state;
	char name[40];

	open_door(b, "api");
	assert_int_equal(zap_set_domain(door.zap, "", allow, &door), -EINVAL);
	memset(name, 'x', sizeof name);
	name[39] = '\0';
	assert_int_equal(zap_set_domain(door.zap, name, allow, &door), -EINVAL);
	for (unsigned i = 0; i < 7; i++) {
		snprintf(name, sizeof name, "d%u", i);
		assert_int_equal(zap_set_domain(door.zap, name, NULL, NULL), 0);
	}
	assert_int_equal(zap_set_domain(door.zap, "one more", allow, &door), -ENOSPC);
	assert_int_equal(zap_set_domain(door.zap, "api", NULL, NULL), 0); /* known: replaced */
	close_door(b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_reply_reaches_the_sender),
		T(an_unknown_receiver_is_an_error_where_the_owner_asked_for_it),
		T(a_full_queue_is_eagain_and_never_waits),
		T(messages_of_too_many_frames_are_dropped_whole),
		T(a_busy_sender_leaves_the_loop_its_turns),
		T(large_messages_come_few_in_a_turn),
		T(a_send_after_a_message_came_does_not_eat_the_edge),
		T(an_admitted_key_has_the_name_that_its_owner_gave),
		T(a_refused_key_is_told_and_counted),
		T(a_domain_that_nobody_set_refuses_all),
		T(a_client_without_curve_is_refused),
		T(domains_are_few_and_have_names),
	};

	alarm(100); /* a hang is a failure, not a wait */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
