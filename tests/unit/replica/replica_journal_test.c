/* The node's own journal, what it tells the others, and proposals that last. */
#include "tests/unit/replica/support/cluster.h"
#include "tests/unit/replica/support/load.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t put(struct cluster_node *node, const char *key, const char *value)
{
	return replica_journal_put(node->replica, (const uint8_t *)key, strlen(key),
		(const uint8_t *)value, strlen(value));
}

static bool visit(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	char *text = ctx;
	size_t at = strlen(text);
	snprintf(text + at, 200 - at, "%.*s=%.*s ", (int)key_bytes, (const char *)key,
		(int)value_bytes, (const char *)value);
	return true;
}

static void journal_is(struct cluster_node *node, const char *expected)
{
	char text[200] = "";
	assert_int_equal(replica_journal_each(node->replica, visit, text), 0);
	assert_string_equal(text, expected);
}

static bool is_told(struct cluster *cluster, void *ctx)
{
	const uint64_t *number = ctx;
	return cluster->node[0].journal >= *number;
}

static void test_what_is_put_is_told_when_it_is_durable(void **state)
{
	struct cluster cluster;
	struct cluster_node *node = &cluster.node[0];
	(void)state;
	cluster_open(&cluster);
	uint64_t first = put(node, "a", "1"), second = put(node, "b", "2");
	assert_int_equal(first, 1);
	assert_int_equal(second, 2);
	assert_int_equal(node->journal, 0); /* never from inside */
	journal_is(node, "");
	cluster_wait(&cluster, is_told, &second, "the journal is durable");
	journal_is(node, "a=1 b=2 ");
	uint64_t third = put(node, "a", "");
	cluster_wait(&cluster, is_told, &third, "the entry is gone");
	journal_is(node, "b=2 ");
	uint64_t incarnation = replica_incarnation(node->replica);
	assert_true(incarnation > 0);
	node_stop(node);
	cluster_restart(&cluster, 0);
	journal_is(node, "b=2 ");
	assert_true(replica_incarnation(node->replica) > incarnation);
	first = put(node, "c", "3");
	assert_int_equal(first, 1);
	cluster_wait(&cluster, is_told, &first, "numbers begin anew");
	cluster_close(&cluster);
}

/* ---- settled */

static const struct replica_member_view *view_of(
	const struct cluster_node *observer, uint64_t id, struct replica_view *view)
{
	replica_get_view(observer->replica, view);
	for (unsigned i = 0; i < view->member_count; i++) {
		if (view->member[i].id == id)
			return &view->member[i];
	}
	fail_msg("member %llu is not in the view", (unsigned long long)id);
	return NULL;
}

struct report {
	const struct cluster_node *observer;
	uint64_t id, at_least_ms, at_most_ms;
	unsigned journal;
};

static bool is_reported(struct cluster *cluster, void *ctx)
{
	const struct report *report = ctx;
	struct replica_view view;
	const Pxe__PeerStatus *status = &view_of(report->observer, report->id, &view)->status;
	(void)cluster;
	return status->settled_ms >= report->at_least_ms &&
	       status->settled_ms <= report->at_most_ms && status->journal == report->journal;
}

static void bind_one(struct cluster *cluster, uint32_t number)
{
	struct bind_command bind;
	struct model_result result;
	bind_command_init(&bind, number);
	assert_int_equal(
		cluster_do(cluster, &cluster->node[0], &bind.command, &result), REPLICA_APPLIED);
	assert_int_equal(result.verdict, PXE__VERDICT__VERDICT_OK);
}

static void test_settled_is_the_durable_stamp_and_the_oldest_entry(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 2);
	struct cluster_node *other = &cluster.node[1];
	for (uint32_t i = 1; i <= 20; i++)
		bind_one(&cluster, i);
	cluster_wait_equal(&cluster);
	/* Nothing before it has read its journal, whatever it has applied. */
	struct report report = {.observer = &cluster.node[0], .id = 2};
	cluster_wait(&cluster, is_reported, &report, "nothing is settled");
	replica_journal_state(other->replica, 3, 1000);
	report = (struct report){&cluster.node[0], 2, 1000, 1000, 3};
	cluster_wait(&cluster, is_reported, &report, "the journal holds it back");
	uint64_t stamp_ms = model_stamp_ms(replica_model(other->replica));
	replica_journal_state(other->replica, 0, UINT64_MAX);
	report = (struct report){&cluster.node[0], 2, stamp_ms, UINT64_MAX, 0};
	cluster_wait(&cluster, is_reported, &report, "all that is durable");
	/* And at once after a restart, from the disk, with nobody else there. */
	node_stop(other);
	node_stop(&cluster.node[0]);
	cluster_restart(&cluster, 1);
	struct replica_view view;
	assert_int_equal(view_of(other, 2, &view)->status.settled_ms, 0);
	replica_journal_state(other->replica, 0, UINT64_MAX);
	assert_true(model_stamp_ms(replica_model(other->replica)) >= stamp_ms);
	assert_int_equal(view_of(other, 2, &view)->status.settled_ms,
		model_stamp_ms(replica_model(other->replica)));
	cluster_close(&cluster);
}

/* ---- for ever */

struct lasting {
	unsigned told;
	enum replica_outcome outcome;
	Pxe__Verdict verdict;
};

static void lasting_on_done(
	void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct lasting *lasting = ctx;
	lasting->told++;
	lasting->outcome = outcome;
	if (outcome == REPLICA_APPLIED)
		lasting->verdict = result->verdict;
}

static void propose_for_ever(struct cluster_node *node, uint32_t number, struct lasting *lasting)
{
	struct bind_command bind;
	bind_command_init(&bind, number);
	assert_int_equal(replica_propose(node->replica, &bind.command, REPLICA_FOREVER,
				 lasting_on_done, lasting),
		REPLICA_APPLIED);
}

static bool has_compacted(struct cluster *cluster, void *ctx)
{
	const struct cluster_node *without = ctx;
	uint64_t first, last;
	for (unsigned i = 0; i < cluster->count; i++) {
		kv_log_range(cluster->node[i].kv, &first, &last);
		if (&cluster->node[i] != without && first <= 1000)
			return false;
	}
	return true;
}

static bool is_lasting_told(struct cluster *cluster, void *ctx)
{
	const struct lasting *lasting = ctx;
	(void)cluster;
	return lasting[0].told > 0 && lasting[1].told > 0;
}

struct bound {
	struct cluster_node *node;
	uint32_t number;
};

static bool is_bound(struct cluster *cluster, void *ctx)
{
	const struct bound *bound = ctx;
	struct lease lease;
	(void)cluster;
	return model_lease_of_ip(
		replica_model(bound->node->replica), bind_ip(bound->number), &lease);
}

/* One proposal is applied where its proposer cannot hear it; another never gets out. The proposer
 * then gets the state whole: both are told, and neither is applied twice. */
static void test_a_lasting_proposal_survives_a_snapshot(void **state)
{
	struct cluster cluster;
	struct lasting lasting[2] = {{0}};
	struct load load;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	cluster_wait_leader(&cluster);
	struct cluster_node *leader = cluster_leader(&cluster);
	struct cluster_node *away =
		leader == &cluster.node[2] ? &cluster.node[1] : &cluster.node[2];
	uint64_t everything = away->everything;
	for (unsigned id = 1; id <= 3; id++)
		away->cut[id] = true; /* deaf */
	propose_for_ever(away, 60001, &lasting[0]);
	struct bound bound = {leader, 60001};
	cluster_wait(&cluster, is_bound, &bound, "the leader applies it");
	cluster_isolate(&cluster, away, true);
	struct replica_view view;
	replica_get_view(away->replica, &view);
	if (view.leader != 0)
		propose_for_ever(away, 60002, &lasting[1]);
	else
		lasting[1].told = 1; /* slow machine: it noticed already */
	cluster.count = 3;
	load_init(&load, &cluster, 1, 30000, 2);
	away->running = false; /* no load through it */
	while (!has_compacted(&cluster, away) && !load_is_done(&load)) {
		load_pump(&load);
		cluster_turn(&cluster);
	}
	cluster_wait(&cluster, has_compacted, away, "the log's prefix is gone");
	load.count = load.next;
	load_run(&load);
	away->running = true;
	assert_int_equal(lasting[0].told, 0);
	cluster_isolate(&cluster, away, false);
	cluster_wait(&cluster, is_lasting_told, lasting, "both are told");
	cluster_wait_equal(&cluster);
	assert_int_equal(away->everything, everything + 1);
	assert_int_equal(lasting[0].told, 1);
	assert_int_equal(lasting[0].outcome, REPLICA_APPLIED);
	assert_int_equal(lasting[0].verdict, PXE__VERDICT__VERDICT_DUPLICATE);
	assert_int_equal(lasting[1].told, 1);
	assert_int_equal(lasting[1].outcome, REPLICA_APPLIED);
	assert_int_equal(lasting[1].verdict, PXE__VERDICT__VERDICT_OK);
	load_fini(&load);
	cluster_close(&cluster);
}

static void test_few_lasting_proposals_at_a_time_and_told_at_the_end(void **state)
{
	struct cluster cluster;
	struct lasting lasting[REPLICA_FOREVER_MAX] = {{0}};
	struct bind_command bind;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 2);
	cluster_wait_leader(&cluster);
	struct cluster_node *leader = cluster_leader(&cluster);
	struct cluster_node *node =
		leader == &cluster.node[0] ? &cluster.node[1] : &cluster.node[0];
	cluster_isolate(&cluster, node, true);
	for (uint32_t i = 0; i < REPLICA_FOREVER_MAX; i++)
		propose_for_ever(node, 100 + i, &lasting[i]);
	bind_command_init(&bind, 99);
	assert_int_equal(replica_propose(node->replica, &bind.command, REPLICA_FOREVER,
				 lasting_on_done, &lasting[0]),
		REPLICA_BUSY);
	assert_int_equal(lasting[0].told, 0);
	node_stop(node);
	for (unsigned i = 0; i < REPLICA_FOREVER_MAX; i++) {
		assert_int_equal(lasting[i].told, 1);
		assert_int_equal(lasting[i].outcome, REPLICA_UNKNOWN);
	}
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_put_is_told_when_it_is_durable),
		cmocka_unit_test(test_settled_is_the_durable_stamp_and_the_oldest_entry),
		cmocka_unit_test(test_a_lasting_proposal_survives_a_snapshot),
		cmocka_unit_test(test_few_lasting_proposals_at_a_time_and_told_at_the_end),
	};
	cmocka_set_test_filter(getenv("PXE_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
