/* [R8] What a node knows of cluster time without a leader, and by how much it may be off. */
#include "store/raft/raft.h"
#include "store/replica/replica_offline.h"
#include "tests/unit/replica/support/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Clocks of one machine, that the test moves. */
struct clocks {
	uint64_t boot_offset_ms, wall_offset_ms;
	bool synchronised;
};

static uint64_t clocks_boot(void *ctx)
{
	const struct clocks *clocks = ctx;
	return replica_env_system()->now_boot_ms(NULL) + clocks->boot_offset_ms;
}

static uint64_t clocks_wall(void *ctx)
{
	const struct clocks *clocks = ctx;
	return replica_env_system()->now_wall_ms(NULL) + clocks->wall_offset_ms;
}

static bool clocks_synchronised(void *ctx)
{
	const struct clocks *clocks = ctx;
	return clocks->synchronised;
}

static uint64_t clocks_random(void *ctx)
{
	(void)ctx;
	return replica_env_system()->random(NULL);
}

static struct replica_env clocks_env(struct clocks *clocks)
{
	return (struct replica_env){
		clocks, clocks_boot, clocks_wall, clocks_synchronised, clocks_random};
}

static struct replica_view view_of(const struct cluster_node *node)
{
	struct replica_view view;
	replica_get_view(node->replica, &view);
	return view;
}

static bool knows_time(struct cluster *cluster, void *ctx)
{
	(void)cluster;
	return view_of(ctx).time_known;
}

static bool has_no_quorum(struct cluster *cluster, void *ctx)
{
	(void)cluster;
	return !view_of(ctx).has_quorum;
}

/* So long that timers and statuses went round several times. */
static void test_an_isolated_node_counts_by_its_boot_clock(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {.synchronised = true};
	struct replica_env env = clocks_env(&clocks);
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 2);
	struct cluster_node *node = &cluster.node[1];
	node_stop(node);
	node->env = &env;
	cluster_restart(&cluster, 1);
	cluster_wait(&cluster, knows_time, node, "the time is known");
	cluster_wait_leader(&cluster);
	node_stop(&cluster.node[0]);
	cluster_wait(&cluster, has_no_quorum, node, "it is isolated");
	struct replica_view view = view_of(node);
	assert_true(view.time_known);
	assert_in_range(view.time_error_ms, 1, 60); /* a minute at most, a thousandth of it */
	uint64_t before_ms = replica_now_ms(node->replica);
	clocks.boot_offset_ms += 3600000; /* an hour passes; the wall clock says a year */
	clocks.wall_offset_ms += UINT64_C(365) * 86400000;
	cluster_turn_for(&cluster, 300);
	uint64_t after_ms = replica_now_ms(node->replica);
	assert_in_range(after_ms - before_ms, 3600000 - 2000, 3600000 + 60000);
	view = view_of(node);
	assert_true(view.time_known);
	assert_in_range(view.time_error_ms, 3600, 3600 + 61);
	cluster_close(&cluster);
}

/* Both are stopped; node 2 starts again alone, with these clocks. */
static struct cluster_node *restart_alone(
	struct cluster *cluster, struct clocks *clocks, struct replica_env *env, bool fact)
{
	struct cluster_node *node = &cluster->node[1];
	*env = clocks_env(clocks);
	cluster_open(cluster);
	cluster_grow(cluster, 2);
	node_stop(node);
	node->env = env;
	clocks->synchronised = fact;
	cluster_restart(cluster, 1);
	cluster_wait(cluster, knows_time, node, "the time is known");
	cluster_wait_equal(cluster);
	cluster_turn_for(cluster, 500); /* the fact is on its way to the disk */
	node_stop(node);
	node_stop(&cluster->node[0]);
	return node;
}

static void test_a_synchronised_clock_gives_the_time_after_a_restart(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {0};
	struct replica_env env;
	(void)state;
	struct cluster_node *node = restart_alone(&cluster, &clocks, &env, true);
	clocks.wall_offset_ms = 2000000; /* so long it was off */
	clocks.synchronised = true;
	cluster_restart(&cluster, 1);
	assert_false(view_of(node).time_known);
	cluster_wait(&cluster, knows_time, node, "the time follows from the clock");
	uint64_t error_ms = view_of(node).time_error_ms;
	assert_in_range(error_ms, 2000, 2000 + 60);
	uint64_t wall_ms = replica_env_system()->now_wall_ms(NULL) + 2000000;
	assert_in_range(replica_now_ms(node->replica), wall_ms - 2000, wall_ms + 2000);
	assert_true(replica_now_ms(node->replica) >= model_stamp_ms(replica_model(node->replica)));
	/* From then on it counts for itself, whatever the clock does. */
	clocks.wall_offset_ms = 0;
	clocks.synchronised = false;
	cluster_turn_for(&cluster, 200);
	assert_true(view_of(node).time_known);
	assert_true(replica_now_ms(node->replica) >= wall_ms - 2000);
	cluster_close(&cluster);
}

/* A leader's message that waited for this node since long before its restart. */
static void send_stale_append(struct cluster_node *node, uint64_t cluster_ms)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__RaftMessage append = PXE__RAFT_MESSAGE__INIT;
	struct replica_view view = view_of(node);
	append.kind = RAFT_APPEND;
	append.term = view.term;
	append.index = append.prev = view.last;
	append.log_term = view.term;
	append.commit = view.commit;
	append.cluster_ms = cluster_ms;
	append.echo_ms = 12345;
	envelope.from = 1;
	envelope.body_case = PXE__ENVELOPE__BODY_RAFT;
	envelope.raft = &append;
	replica_on_message(node->replica, 1, &envelope);
	assert_int_equal(view_of(node).leader, 1);
}

/* It says only that it is later than that. */
static void test_a_message_from_before_the_restart_does_not_tell_the_time(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {0};
	struct replica_env env;
	(void)state;
	struct cluster_node *node = restart_alone(&cluster, &clocks, &env, true);
	uint64_t stale_ms = replica_env_system()->now_wall_ms(NULL);
	clocks.wall_offset_ms = 2000000; /* so long it was off */
	clocks.synchronised = true;
	cluster_restart(&cluster, 1);
	cluster_wait(&cluster, knows_time, node, "the time follows from the clock");
	uint64_t before_ms = replica_now_ms(node->replica);
	send_stale_append(node, stale_ms);
	cluster_turn_for(&cluster, 50);
	assert_true(replica_now_ms(node->replica) >= before_ms);
	assert_true(view_of(node).time_known);
	node_stop(node);
	clocks.synchronised = false;
	cluster_restart(&cluster, 1);
	send_stale_append(node, stale_ms + 5000);
	assert_false(view_of(node).time_known);
	assert_true(replica_now_ms(node->replica) >= stale_ms + 5000);
	cluster_close(&cluster);
}

/* Leases are kept in cluster time: a wall clock that was ahead of it ends none of them. */
static void test_a_recovery_goes_on_from_cluster_time(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {.wall_offset_ms = 3600000};
	struct replica_env env;
	struct replica_offline_info info;
	char error[256] = "";
	(void)state;
	struct cluster_node *node = restart_alone(&cluster, &clocks, &env, true);
	uint64_t wall_ms = replica_env_system()->now_wall_ms(NULL);
	struct kv *kv = node_open_disk(node, &cluster.loop);
	assert_int_equal(
		replica_offline_recover(kv, wall_ms + 3600000 + 5000, 0, error, sizeof error), 0);
	assert_int_equal(replica_offline_info(kv, &info, error, sizeof error), 0);
	assert_in_range(info.stamp_ms, wall_ms + 2000, wall_ms + 60000);
	node_close_disk(node, kv);
	cluster_close(&cluster);
}

static void test_a_clock_that_is_not_synchronised_gives_nothing(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {0};
	struct replica_env env;
	(void)state;
	struct cluster_node *node = restart_alone(&cluster, &clocks, &env, true);
	clocks.wall_offset_ms = 2000000;
	clocks.synchronised = false;
	cluster_restart(&cluster, 1);
	uint64_t stamp_ms = model_stamp_ms(replica_model(node->replica));
	cluster_turn_for(&cluster, 400);
	assert_false(view_of(node).time_known);
	assert_true(replica_now_ms(node->replica) < stamp_ms + 100000);
	clocks.synchronised = true; /* NTP takes its time */
	cluster_wait(&cluster, knows_time, node, "the time is known after all");
	cluster_close(&cluster);
}

static void test_a_clock_that_stands_before_the_fact_gives_nothing(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {.wall_offset_ms = 5000000};
	struct replica_env env;
	(void)state;
	struct cluster_node *node = restart_alone(&cluster, &clocks, &env, true);
	clocks.wall_offset_ms = 0;
	cluster_restart(&cluster, 1);
	cluster_turn_for(&cluster, 400);
	assert_false(view_of(node).time_known);
	cluster_close(&cluster);
}

static void test_no_fact_is_written_by_a_clock_that_is_not_synchronised(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {0};
	struct replica_env env;
	(void)state;
	struct cluster_node *node = restart_alone(&cluster, &clocks, &env, false);
	clocks.synchronised = true;
	cluster_restart(&cluster, 1);
	cluster_turn_for(&cluster, 400);
	assert_false(view_of(node).time_known);
	cluster_close(&cluster);
}

/* The leader's word is worth more than a clock that was ahead. */
static void test_a_leader_corrects_what_followed_from_the_clock(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {0};
	struct replica_env env;
	(void)state;
	struct cluster_node *node = restart_alone(&cluster, &clocks, &env, true);
	clocks.wall_offset_ms = 100000000; /* synchronised to a liar */
	cluster_restart(&cluster, 1);
	cluster_wait(&cluster, knows_time, node, "the time follows from the clock");
	uint64_t wall_ms = replica_env_system()->now_wall_ms(NULL);
	assert_true(replica_now_ms(node->replica) > wall_ms + 90000000);
	clocks.wall_offset_ms = 0;
	cluster_restart(&cluster, 0);
	cluster_wait_leader(&cluster);
	cluster_turn_for(&cluster, 500);
	struct replica_view view = view_of(node);
	assert_true(view.time_known && view.has_quorum);
	assert_true(replica_now_ms(node->replica) < wall_ms + 90000000);
	cluster_close(&cluster);
}

/* What the fact says of a clock that was set since would make it right by as much too far. */
static void test_a_clock_that_is_set_gives_a_new_fact_at_once(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {.synchronised = true};
	struct replica_env env = clocks_env(&clocks);
	struct cluster_node *node = &cluster.node[1];
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 2);
	node_stop(node);
	node->env = &env;
	cluster_restart(&cluster, 1);
	cluster_wait(&cluster, knows_time, node, "the time is known");
	cluster_wait_equal(&cluster);
	cluster_turn_for(&cluster, 500);
	clocks.wall_offset_ms = 5000000;
	cluster_turn_for(&cluster, 500);
	uint64_t now_ms = replica_now_ms(node->replica);
	node_stop(node);
	node_stop(&cluster.node[0]);
	cluster_restart(&cluster, 1);
	cluster_wait(&cluster, knows_time, node, "the time follows from the clock");
	assert_true(replica_now_ms(node->replica) < now_ms + 2500000);
	cluster_close(&cluster);
}

struct resumption {
	uint64_t at_least_ms;
	unsigned fresh;
};

/* After every turn: who calls its state fresh knows the time. */
static bool counts_from_now(struct cluster *cluster, void *ctx)
{
	struct resumption *resumption = ctx;
	resumption->fresh = 0;
	for (unsigned i = 0; i < 2; i++) {
		if (!view_of(&cluster->node[i]).fresh)
			continue;
		assert_true(replica_now_ms(cluster->node[i].replica) >= resumption->at_least_ms);
		resumption->fresh++;
	}
	return resumption->fresh == 2;
}

static void test_a_state_is_fresh_only_when_the_time_is_known(void **state)
{
	struct cluster cluster;
	struct clocks clocks = {.synchronised = false};
	struct replica_env env = clocks_env(&clocks);
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 2);
	cluster_wait_equal(&cluster);
	cluster_turn_for(&cluster, 500);
	uint64_t now_ms = replica_now_ms(cluster.node[0].replica);
	for (unsigned i = 0; i < 2; i++) {
		node_stop(&cluster.node[i]);
		cluster.node[i].env = &env;
	}
	clocks.wall_offset_ms = clocks.boot_offset_ms = 100000; /* so long all were off */
	struct resumption resumption = {.at_least_ms = now_ms + 98000};
	for (unsigned i = 0; i < 2; i++)
		cluster_restart(&cluster, i);
	cluster_wait(&cluster, counts_from_now, &resumption, "both are fresh");
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_isolated_node_counts_by_its_boot_clock),
		cmocka_unit_test(test_a_synchronised_clock_gives_the_time_after_a_restart),
		cmocka_unit_test(test_a_message_from_before_the_restart_does_not_tell_the_time),
		cmocka_unit_test(test_a_recovery_goes_on_from_cluster_time),
		cmocka_unit_test(test_a_clock_that_is_not_synchronised_gives_nothing),
		cmocka_unit_test(test_a_clock_that_stands_before_the_fact_gives_nothing),
		cmocka_unit_test(test_no_fact_is_written_by_a_clock_that_is_not_synchronised),
		cmocka_unit_test(test_a_leader_corrects_what_followed_from_the_clock),
		cmocka_unit_test(test_a_clock_that_is_set_gives_a_new_fact_at_once),
		cmocka_unit_test(test_a_state_is_fresh_only_when_the_time_is_known),
	};
	cmocka_set_test_filter(getenv("PXE_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
