/* tests/unit/raft/transfer_test.c: the leader hands over. */
#include "tests/unit/raft/lab.h"

/* Node 1 of 3 leads and has committed its no-op (index 2), which peer 2 has. */
static struct lab_node *leader(struct lab *lab)
{
	struct raft_conf conf = lab_conf(3, 1);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);

	lab_elect_alone(lab, 1, 2);
	lab_acknowledge(lab, 2, 1, 2, 2);
	return node;
}

static enum raft_status transfer(struct lab *lab, unsigned id, uint64_t to)
{
	struct lab_node *node = &lab->node[id];
	enum raft_status status;

	node->effect_count = 0;
	status = raft_transfer(&node->raft, to);
	lab_drain(lab, node, NULL);
	return status;
}

static struct raft_message timeout_now(uint64_t term, uint64_t index, uint64_t log_term)
{
	return (struct raft_message){.kind = RAFT_TIMEOUT_NOW,
		.from = 2,
		.to = 1,
		.term = term,
		.index = index,
		.log_term = log_term};
}

static void target_is_asked_when_it_has_everything(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab);

	(void)state;
	node->hold_writes = true;
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	assert_int_equal(transfer(lab, 1, 2), RAFT_OK);
	assert_null(lab_sent(node, RAFT_TIMEOUT_NOW, 2));
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_BUSY);
	assert_int_equal(transfer(lab, 1, 2), RAFT_BUSY);
	lab_acknowledge(lab, 2, 1, 2, 3); /* received, not durable */
	assert_null(lab_sent(node, RAFT_TIMEOUT_NOW, 2));
	lab_acknowledge(lab, 2, 1, 3, 3);
	assert_int_equal(lab_sent(node, RAFT_TIMEOUT_NOW, 2)->index, 3);
	lab_tick(lab, 1); /* it may have been lost */
	assert_non_null(lab_sent(node, RAFT_TIMEOUT_NOW, 2));
	free(lab);
}

static void leader_goes_on_when_the_target_does_not_take_over(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab);

	(void)state;
	assert_true(raft_lease_until_ms(&node->raft, 10) > lab->now_ms);
	assert_int_equal(transfer(lab, 1, 2), RAFT_OK);
	assert_int_equal(raft_lease_until_ms(&node->raft, 10), 0);
	lab_wait(lab, LAB_ELECTION);
	lab_acknowledge(lab, 2, 1, 2, 2);
	lab_tick(lab, 1);
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	/* A late TIMEOUT_NOW may still depose it while others hear from it. */
	assert_int_equal(raft_lease_until_ms(&node->raft, 10), 0);
	free(lab);
}

static void only_another_voter_can_take_over(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab);

	(void)state;
	assert_int_equal(transfer(lab, 1, 1), RAFT_INVALID);
	assert_int_equal(transfer(lab, 1, 4), RAFT_INVALID); /* a learner */
	assert_int_equal(transfer(lab, 1, 99), RAFT_INVALID);
	lab_acknowledge(lab, 4, 1, 2, 2);
	assert_int_equal(transfer(lab, 1, 0), RAFT_OK);
	assert_int_equal(node->raft.transfer_to, 2); /* the most caught-up voter */
	free(lab);
}

static void dead_voter_is_not_picked(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab);

	(void)state;
	lab_wait(lab, LAB_ELECTION); /* node 2 had everything, and is not heard any more */
	lab_acknowledge(lab, 3, 1, 1, 1);
	lab_tick(lab, 1);
	assert_int_equal(transfer(lab, 1, 0), RAFT_OK);
	assert_int_equal(node->raft.transfer_to, 3);
	free(lab);
}

static void target_runs_at_once_and_its_voters_do_not_wait(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		lab_add(lab, i, &conf, 1, NULL);
	lab_elect(lab, 1);
	lab_run(lab, 500);
	assert_int_equal(transfer(lab, 1, 3), RAFT_OK);
	lab_deliver_all(lab); /* no time passes */
	assert_int_equal(lab->node[3].raft.role, RAFT_LEADER);
	assert_int_equal(lab->node[1].raft.leader, 3);
	assert_int_equal(lab->node[2].raft.leader, 3);
	free(lab);
}

static void transfer_under_load_loses_nothing(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	uint64_t last;

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		lab_add(lab, i, &conf, 1, NULL);
	lab_elect(lab, 1);
	lab_run(lab, 200);
	for (int i = 0; i < 20; i++)
		assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	last = lab->node[1].raft.last;
	assert_int_equal(transfer(lab, 1, 2), RAFT_OK);
	lab_run(lab, 50);
	assert_int_equal(lab->node[2].raft.role, RAFT_LEADER);
	lab_run(lab, 200);
	assert_int_equal(lab->node[2].raft.last, last + 1);
	assert_int_equal(lab->node[1].raft.commit, last + 1);
	free(lab);
}

static void target_with_writes_in_flight_does_not_run(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);
	struct raft_message append = lab_append(2, 1, 2, 1, 1), now = timeout_now(2, 2, 2);

	(void)state;
	node->hold_writes = true;
	lab_receive(lab, &append, (const uint64_t[]){2, 0});
	lab_receive(lab, &now, NULL);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	lab_sync(lab, 1);
	lab_receive(lab, &now, NULL);
	assert_int_equal(node->raft.role, RAFT_CANDIDATE);
	assert_true(lab_sent(node, RAFT_VOTE, 3)->force);
	assert_false(lab_sent(node, RAFT_VOTE, 3)->pre_vote);
	free(lab);
}

static void stale_or_foreign_timeout_now_is_ignored(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);
	struct raft_message append = lab_append(2, 1, 3, 1, 1);
	struct raft_message old = timeout_now(2, 1, 1), other = timeout_now(3, 1, 1),
			    behind = timeout_now(3, 2, 3);

	(void)state;
	lab_receive(lab, &old, NULL); /* no leader yet */
	lab_receive(lab, &append, NULL);
	lab_receive(lab, &old, NULL);
	other.from = 3;
	lab_receive(lab, &other, NULL);
	lab_receive(lab, &behind, NULL); /* it knows an entry that we lack */
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	assert_int_equal(node->raft.term, 3);
	free(lab);
}

/* The next candidacy, by timeout, must not go on saying that the leader asked for it. */
static void force_does_not_outlive_its_candidacy(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);
	struct raft_message append = lab_append(2, 1, 2, 1, 1), now = timeout_now(2, 1, 1);

	(void)state;
	lab_receive(lab, &append, NULL);
	lab_receive(lab, &now, NULL);
	assert_true(lab_sent(node, RAFT_VOTE, 3)->force);
	lab_wait(lab, 5000);
	lab_tick(lab, 1);
	assert_true(lab_sent(node, RAFT_VOTE, 3)->pre_vote);
	assert_false(lab_sent(node, RAFT_VOTE, 3)->force);
	free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(target_is_asked_when_it_has_everything),
		cmocka_unit_test(leader_goes_on_when_the_target_does_not_take_over),
		cmocka_unit_test(only_another_voter_can_take_over),
		cmocka_unit_test(dead_voter_is_not_picked),
		cmocka_unit_test(target_runs_at_once_and_its_voters_do_not_wait),
		cmocka_unit_test(transfer_under_load_loses_nothing),
		cmocka_unit_test(target_with_writes_in_flight_does_not_run),
		cmocka_unit_test(stale_or_foreign_timeout_now_is_ignored),
		cmocka_unit_test(force_does_not_outlive_its_candidacy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
