/* Disks that are nearly full, and a loop that has nothing to do. */
#include "tests/unit/replica/support/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SETTLED_TURNS 2000

static void restart_on(struct cluster *cluster, unsigned index, bool small_disk)
{
	node_stop(&cluster->node[index]);
	cluster->node[index].small_disk = small_disk;
	cluster_restart(cluster, index);
}

static bool all_refuse(struct cluster *cluster, void *ctx)
{
	const bool *refusing = ctx;
	for (unsigned i = 0; i < cluster->count; i++) {
		struct replica_view view;
		replica_get_view(cluster->node[i].replica, &view);
		if (view.refusing != *refusing)
			return false;
	}
	return cluster_leader(cluster) != NULL;
}

static void wait_refusing(struct cluster *cluster, bool refusing)
{
	cluster_wait(cluster, all_refuse, &refusing, refusing ? "refusing" : "taking again");
}

static void on_done(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	(void)ctx;
	(void)outcome;
	(void)result;
	fail_msg("a proposal that was refused at once is told again");
}

static void bind_refused(struct cluster_node *node, uint32_t number)
{
	struct bind_command bind;
	bind_command_init(&bind, number);
	assert_int_equal(
		replica_propose(node->replica, &bind.command, 0, on_done, NULL), REPLICA_NO_SPACE);
}

static void release_ok(struct cluster *cluster, struct cluster_node *node, uint32_t number)
{
	struct bind_command bind;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Release release = PXE__RELEASE__INIT;
	struct model_result result;
	bind_command_init(&bind, number);
	release.client = bind.who.client;
	release.ip = bind.bind.ip;
	command.op_case = PXE__COMMAND__OP_RELEASE;
	command.release = &release;
	assert_int_equal(cluster_do(cluster, node, &command, &result), REPLICA_APPLIED);
	assert_int_equal(result.verdict, PXE__VERDICT__VERDICT_OK);
}

static void test_a_node_alone_refuses_what_adds_and_takes_the_rest(void **state)
{
	struct cluster cluster;
	struct cluster_node *node = &cluster.node[0];
	(void)state;
	cluster_open(&cluster);
	cluster_must_bind(&cluster, node, 1);
	cluster_must_bind(&cluster, node, 2);
	restart_on(&cluster, 0, true);
	wait_refusing(&cluster, true);
	assert_true(node->alarms >= 1);
	assert_non_null(strstr(node->alarm, "no space"));
	bind_refused(node, 3);
	cluster_must_bind(&cluster, node, 1); /* renews */
	release_ok(&cluster, node, 2);
	bind_refused(node, 3);
	restart_on(&cluster, 0, false);
	wait_refusing(&cluster, false);
	cluster_must_bind(&cluster, node, 3);
	cluster_close(&cluster);
}

static void test_all_nodes_refuse_when_a_majority_has_no_room(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	cluster_must_bind(&cluster, &cluster.node[0], 1);
	restart_on(&cluster, 0, true);
	cluster_wait_leader(&cluster);
	restart_on(&cluster, 1, true);
	wait_refusing(&cluster, true);
	for (unsigned i = 0; i < 3; i++) {
		wait_refusing(&cluster, true); /* another one may lead meanwhile */
		bind_refused(&cluster.node[i], 2 + i);
		cluster_must_bind(&cluster, &cluster.node[i], 1);
	}
	restart_on(&cluster, 1, false);
	wait_refusing(&cluster, false);
	for (unsigned i = 0; i < 3; i++)
		cluster_must_bind(&cluster, &cluster.node[i], 2 + i);
	cluster_wait_equal(&cluster);
	cluster_close(&cluster);
}

static bool leads_with_room(struct cluster *cluster, void *ctx)
{
	struct cluster_node *leader = cluster_leader(cluster);
	(void)ctx;
	return leader != NULL && !leader->small_disk;
}

static void test_a_leader_without_room_hands_over_to_one_with(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	/* Only node 3 has room at first: nobody takes anything, whoever leads. */
	restart_on(&cluster, 0, true);
	cluster_wait_leader(&cluster);
	restart_on(&cluster, 1, true);
	wait_refusing(&cluster, true);
	/* Then 1 and 3: 2 may lead when 1 starts again, but not for long. */
	restart_on(&cluster, 0, false);
	wait_refusing(&cluster, false);
	cluster_wait(&cluster, leads_with_room, NULL, "a leader with room");
	cluster_must_bind(&cluster, &cluster.node[1], 1);
	cluster_wait_equal(&cluster);
	cluster_close(&cluster);
}

/* Each turn that wakes the loop anew without need makes it spin. */
static void test_the_loop_sleeps_when_there_is_nothing_to_do(void **state)
{
	struct cluster cluster;
	unsigned turns = 0, waits = 0;
	(void)state;
	cluster_open(&cluster);
	cluster_must_bind(&cluster, &cluster.node[0], 1);
	cluster_wait_equal(&cluster);
	/* A tick may be due at any moment, so not each turn waits; but with nothing new they do. */
	while (waits < 20 && turns < SETTLED_TURNS) {
		uv_run(&cluster.loop, UV_RUN_NOWAIT);
		uv_update_time(&cluster.loop);
		waits += uv_backend_timeout(&cluster.loop) > 0;
		turns++;
	}
	print_message("[ MEASURED ] %u turns, %u of them would sleep\n", turns, waits);
	assert_int_equal(waits, 20);
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_node_alone_refuses_what_adds_and_takes_the_rest),
		cmocka_unit_test(test_all_nodes_refuse_when_a_majority_has_no_room),
		cmocka_unit_test(test_a_leader_without_room_hands_over_to_one_with),
		cmocka_unit_test(test_the_loop_sleeps_when_there_is_nothing_to_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
