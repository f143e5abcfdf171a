/* Events: in order, from several threads, bounded, to watchers and other nodes. */
#include "node/events/events.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PER_THREAD 200u

struct seen {
	unsigned watched, told, by_thread[4];
	uint64_t last_number;
	bool in_order;
};

static uint64_t now_ms(void *ctx)
{
	(void)ctx;
	return 1234567;
}

static void on_event(void *ctx, const Pxe__Event *event)
{
	struct seen *seen = ctx;
	unsigned thread = event->mac.len == 6 ? event->mac.data[0] : 0;

	seen->watched++;
	seen->in_order = seen->in_order && event->number > seen->last_number;
	if (thread < 4) { /* events of one thread keep their order */
		seen->in_order = seen->in_order && event->bytes == seen->by_thread[thread];
		seen->by_thread[thread]++;
	}
	seen->last_number = event->number;
	assert_int_equal(event->at_ms, 1234567);
	assert_string_equal(event->node, "pxe1");
}

static void on_told(void *ctx, const Pxe__Event *event)
{
	struct seen *seen = ctx;

	(void)event;
	seen->told++;
}

static void open_events(uv_loop_t *loop, struct seen *seen, struct events **ret_events)
{
	struct events_config config = {
		.loop = loop, .node = "pxe1", .ctx = seen, .now_ms = now_ms, .broadcast = on_told};

	memset(seen, 0, sizeof *seen);
	seen->in_order = true;
	assert_int_equal(uv_loop_init(loop), 0);
	assert_int_equal(events_open(&config, ret_events), 0);
}

static void close_events(uv_loop_t *loop, struct events *events)
{
	events_close(events);
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

static void post(struct events *events, Pxe__EventKind kind, uint8_t thread, uint64_t number)
{
	struct event event = {
		.kind = kind, .mac = {thread}, .mac_bytes = 6, .ip = 0x0a000001, .bytes = number};

	snprintf(event.host, sizeof event.host, "n%u", (unsigned)thread);
	events_post(events, &event);
}

struct poster {
	struct events *events;
	uint8_t thread;
};

static void *post_many(void *ctx)
{
	struct poster *poster = ctx;

	for (unsigned i = 0; i < PER_THREAD; i++) {
		post(poster->events, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, poster->thread, i);
	}
	return NULL;
}

static void test_threads_post_and_watchers_see_all_in_order(void **state)
{
	(void)state;
	uv_loop_t loop;
	struct seen seen;
	struct events *events;
	pthread_t threads[4];
	struct poster posters[4];
	open_events(&loop, &seen, &events);
	uint64_t handle = events_watch(events, on_event, &seen);
	assert_true(handle != 0);
	for (uint8_t i = 0; i < 4; i++) {
		posters[i] = (struct poster){events, i};
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
	}
	while (seen.watched < 4 * PER_THREAD) {
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_true(seen.in_order);
	assert_int_equal(events_dropped(events), 0);
	events_unwatch(events, handle);
	post(events, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, 0, 0);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(seen.watched, 4 * PER_THREAD);
	close_events(&loop, events);
}

static void test_a_full_queue_counts_what_it_drops(void **state)
{
	(void)state;
	uv_loop_t loop;
	struct seen seen;
	struct events *events;
	open_events(&loop, &seen, &events);
	events_watch(events, on_event, &seen);
	for (unsigned i = 0; i < 1500; i++) {
		post(events, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, 1, i);
	}
	while (seen.watched + events_dropped(events) < 1500) {
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_true(seen.in_order); /* the oldest are kept */
	assert_int_equal(seen.watched, 1024);
	assert_int_equal(events_dropped(events), 1500 - 1024);
	close_events(&loop, events);
}

static void test_routine_is_told_to_others_sparingly_and_news_always(void **state)
{
	(void)state;
	uv_loop_t loop;
	struct seen seen;
	struct events *events;
	open_events(&loop, &seen, &events);
	events_watch(events, on_event, &seen);
	for (unsigned i = 0; i < 900; i++) {
		post(events, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, 1, i);
	}
	while (seen.watched < 900) {
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_in_range(seen.told, 200, 899);
	unsigned before = seen.told;
	for (unsigned i = 0; i < 10; i++) {
		post(events, PXE__EVENT_KIND__EVENT_NODE_LEADER, 2, i);
	}
	while (seen.watched < 910) {
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(seen.told, before + 10);
	close_events(&loop, events);
}

static void test_foreign_events_go_to_watchers_only(void **state)
{
	(void)state;
	uv_loop_t loop;
	struct seen seen;
	struct events *events;
	Pxe__Event event = PXE__EVENT__INIT;
	char node[] = "pxe1";
	open_events(&loop, &seen, &events);
	events_watch(events, on_event, &seen);
	event.node = node;
	event.at_ms = 1234567;
	event.number = 1;
	events_deliver_foreign(events, &event);
	assert_int_equal(seen.watched, 1);
	assert_int_equal(seen.told, 0);
	close_events(&loop, events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_post_and_watchers_see_all_in_order),
		cmocka_unit_test(test_a_full_queue_counts_what_it_drops),
		cmocka_unit_test(test_routine_is_told_to_others_sparingly_and_news_always),
		cmocka_unit_test(test_foreign_events_go_to_watchers_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
