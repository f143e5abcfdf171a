/* tests/unit/raft/member_test.c: changes of the members, one voter at a time. */
#include "tests/unit/raft/lab.h"

static struct raft_conf without(const struct raft_conf *conf, uint64_t id)
{
	struct raft_conf left = {0};

	for (unsigned i = 0; i < conf->count; i++) {
		if (conf->member[i].id != id)
			left.member[left.count++] = conf->member[i];
	}
	return left;
}

/* Node 1 of `voters` leads and has committed its no-op (index 2). */
static struct lab_node *leader(struct lab *lab, unsigned voters, unsigned learners)
{
	struct raft_conf conf = lab_conf(voters, learners);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);

	lab_elect_alone(lab, 1, 2);
	lab_acknowledge(lab, 2, 1, 2, 2);
	if (voters > 3)
		lab_acknowledge(lab, 3, 1, 2, 2);
	lab_lose_all(lab);
	assert_int_equal(node->raft.commit, 2);
	return node;
}

/* Ongaro's note of 2015: two leaders could each commit a change that the other does not know. */
static void change_waits_for_a_commit_of_this_term(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(4, 0), change = lab_conf(5, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);

	(void)state;
	node->applied = 1; /* the configuration in force is committed */
	lab_boot(lab, 1);
	lab_wait(lab, 1000);
	lab_tick(lab, 1);
	for (int pre_vote = 1; pre_vote >= 0; pre_vote--) {
		for (unsigned from = 2; from <= 3; from++)
			lab_receive(lab,
				&(struct raft_message){.kind = RAFT_VOTE_REPLY,
					.from = from,
					.to = 1,
					.term = 2,
					.pre_vote = pre_vote != 0,
					.ok = true},
				NULL);
	}
	assert_int_equal(node->raft.role, RAFT_LEADER);
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_BUSY);
	lab_acknowledge(lab, 2, 1, 2, 2);
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_BUSY);
	lab_acknowledge(lab, 3, 1, 2, 2);
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	free(lab);
}

/* The same as a story: node 1 adds node 5 and is cut off; node 2 removes node 1. Each could get a
 * majority of its own configuration, and these do not overlap. */
static void two_leaders_cannot_each_commit_a_change(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(4, 0), add = lab_conf(5, 0), remove = without(&conf, 1);

	(void)state;
	for (unsigned i = 1; i <= 4; i++)
		lab_add(lab, i, &conf, 1, NULL);
	lab_boot(lab, 5);
	lab_elect(lab, 1);
	lab_run(lab, 100);
	assert_int_equal(lab->node[2].raft.commit, 2);
	assert_int_equal(lab_propose(lab, 1, &add), RAFT_OK);
	lab_lose_all(lab);
	lab_isolate(lab, 1, true);
	lab_elect(lab, 2);
	lab_isolate(lab, 4, true); /* it has voted, and gets nothing */
	lab_deliver_all(lab);
	(void)lab_propose(lab, 2, &remove);
	lab_deliver_all(lab);
	lab_isolate(lab, 1, false);
	lab_isolate(lab, 4, false);
	lab_isolate(lab, 2, true);
	lab_isolate(lab, 3, true);
	lab->node[1].raft.deadline_ms = lab->now_ms;
	lab_run(lab, 3000);
	for (uint64_t i = 1; i <= lab->node[2].raft.commit; i++) {
		if (i <= lab->node[1].raft.commit)
			assert_int_equal(lab->node[1].log[i].term, lab->node[2].log[i].term);
	}
	lab_isolate(lab, 2, false);
	lab_isolate(lab, 3, false);
	lab_run(lab, 3000);
	assert_int_equal(lab->node[1].raft.commit, lab->node[2].raft.commit);
	free(lab);
}

static void one_change_at_a_time(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 3, 0);
	struct raft_conf first = lab_conf(3, 1), second = lab_conf(3, 2);

	(void)state;
	assert_int_equal(lab_propose(lab, 1, &first), RAFT_OK);
	assert_int_equal(lab_propose(lab, 1, &second), RAFT_BUSY);
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK); /* data may pass */
	lab_acknowledge(lab, 2, 1, 3, 3);
	assert_int_equal(node->raft.commit, 3);
	assert_int_equal(lab_propose(lab, 1, &second), RAFT_OK);
	free(lab);
}

static void impossible_changes_are_refused(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf change;

	(void)state;
	leader(lab, 3, 2);
	change = lab_conf(5, 0); /* two learners promoted */
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_INVALID);
	change = lab_conf(1, 0); /* two voters removed */
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_INVALID);
	change = lab_conf(2, 3); /* one demoted: fine, but another promoted at once */
	change.member[3].voter = true;
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_INVALID);
	change = lab_conf(3, 2);
	change.member[4].id = 1; /* twice */
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_INVALID);
	change = lab_conf(3, 2);
	change.member[4].id = 0;
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_INVALID);
	change = lab_conf(3, 2);
	change.count = RAFT_MEMBERS_MAX + 1;
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_INVALID);
	change = lab_conf(3, 0); /* any number of learners may go */
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	free(lab);
}

static void last_voter_cannot_be_removed(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(1, 1), change = without(&conf, 1);

	(void)state;
	lab_add(lab, 1, &conf, 1, NULL);
	lab_wait(lab, 1000);
	lab_tick(lab, 1);
	assert_int_equal(lab->node[1].raft.commit, 2);
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_INVALID);
	free(lab);
}

static void change_is_in_force_when_it_is_in_the_log(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 3, 1);
	struct raft_conf change = lab_conf(4, 0);
	uint64_t index;

	(void)state;
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	assert_int_equal(raft_conf_in_force(&node->raft, &index)->member[3].voter, true);
	assert_int_equal(index, 3);
	lab_acknowledge(lab, 2, 1, 3, 3); /* two of four */
	assert_int_equal(node->raft.commit, 2);
	lab_acknowledge(lab, 4, 1, 3, 3);
	assert_int_equal(node->raft.commit, 3);
	free(lab);
}

static void learner_gets_entries_and_does_not_count(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 3, 1);

	(void)state;
	lab_acknowledge(lab, 4, 1, 2, 2);
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 4)->entry_count, 1);
	lab_acknowledge(lab, 4, 1, 3, 3);
	assert_int_equal(node->raft.commit, 2);
	assert_int_equal(raft_peer(&node->raft, 4)->match, 3); /* how far it has caught up */
	assert_null(raft_peer(&node->raft, 5));
	free(lab);
}

static void new_learner_gets_the_whole_log(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(2, 0), change = lab_conf(2, 1);
	struct lab_node *fresh = &lab->node[3];

	(void)state;
	lab_add(lab, 1, &conf, 1, (const uint64_t[]){1, 1, 1, 0});
	lab_add(lab, 2, &conf, 1, NULL);
	lab_boot(lab, 3); /* empty */
	lab_elect(lab, 1);
	lab_run(lab, 200);
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	lab_run(lab, 200);
	assert_int_equal(fresh->raft.commit, lab->node[1].raft.last);
	assert_int_equal(raft_conf_in_force(&fresh->raft, NULL)->count, 3);
	change = lab_conf(3, 0);
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	lab_run(lab, 200);
	assert_true(raft_conf_is_voter(raft_conf_in_force(&fresh->raft, NULL), 3));
	free(lab);
}

/* Node 1 follows; entry 2 of term 1 is a change to `change`, not committed. */
static struct lab_node *follower_with_change(struct lab *lab, const struct raft_conf *change)
{
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);

	node->applied = 1;
	lab_boot(lab, 1);
	lab_store(node, 2, &(struct lab_entry){1, RAFT_CONF, *change});
	node->durable = 2;
	lab_boot(lab, 1);
	return node;
}

static void cut_change_is_rolled_back(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf change = lab_conf(4, 0);
	struct lab_node *node = follower_with_change(lab, &change);
	struct raft_message append = lab_append(2, 1, 2, 1, 1);
	uint64_t index;

	(void)state;
	assert_int_equal(raft_conf_in_force(&node->raft, NULL)->count, 4);
	lab_receive(lab, &append, (const uint64_t[]){2, 0});
	assert_int_equal(raft_conf_in_force(&node->raft, &index)->count, 3);
	assert_int_equal(index, 1);
	free(lab);
}

/* The committed configuration is below the log's start, and the node has restarted: another engine
 * crashed here. */
static void change_is_rolled_back_across_compaction_and_restart(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0), change = lab_conf(4, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 2, (const uint64_t[]){1, 1, 2, 0});
	struct raft_message append;
	uint64_t index;

	(void)state;
	node->applied = 3;
	lab_store(node, 5, &(struct lab_entry){2, RAFT_CONF, change});
	node->durable = 5;
	lab_boot(lab, 1);
	raft_compact(&node->raft, 3);
	assert_int_equal(node->raft.base, 3);
	node->base = 3;
	node->base_term = 1;
	node->conf = conf;
	node->conf_index = 1;
	lab_restart(lab, 1);
	assert_int_equal(raft_conf_in_force(&node->raft, &index)->count, 4);
	assert_int_equal(index, 5);
	append = lab_append(2, 1, 3, 4, 2);
	lab_receive(lab, &append, (const uint64_t[]){3, 0});
	assert_int_equal(raft_conf_in_force(&node->raft, &index)->count, 3);
	assert_int_equal(index, 1);
	free(lab);
}

/* The durable state may be newer than the log's start: its configuration must not be put behind
 * older entries. */
static void restored_configuration_is_not_older_than_the_applied_one(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0), change = lab_conf(3, 1), next = lab_conf(3, 2);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);
	uint64_t index;

	(void)state;
	lab_store(node, 2, &(struct lab_entry){1, RAFT_CONF, change});
	lab_store(node, 3, &(struct lab_entry){1, RAFT_CONF, next});
	node->durable = node->applied = 3;
	node->conf = next;
	node->conf_index = 3;
	lab_boot(lab, 1);
	assert_int_equal(raft_conf_in_force(&node->raft, &index)->count, 5);
	assert_int_equal(index, 3);
	free(lab);
}

static void change_is_not_taken_as_committed_after_a_restart(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(2, 0), change = without(&conf, 2);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);

	(void)state;
	node->applied = 1;
	lab_store(
		node, 2, &(struct lab_entry){1, RAFT_CONF, change}); /* alone, if it is committed */
	node->durable = 2;
	lab_boot(lab, 1);
	lab_tick(lab, 1);
	assert_int_equal(
		node->raft.role, RAFT_FOLLOWER); /* it may have helped another to a lease */
	assert_int_equal(node->raft.commit, 1);
	free(lab);
}

static void removed_leader_leads_until_the_change_is_committed(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 3, 0);
	struct raft_conf conf = lab_conf(3, 0), change = without(&conf, 1);

	(void)state;
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	lab_acknowledge(lab, 2, 1, 3, 3); /* its own copy does not count: one of two */
	assert_int_equal(node->raft.commit, 2);
	assert_int_equal(node->raft.role, RAFT_LEADER);
	lab_acknowledge(lab, 3, 1, 3, 3);
	assert_int_equal(node->raft.commit, 3);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	lab_wait(lab, 5000);
	lab_tick(lab, 1);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER); /* and does not run again */
	free(lab);
}

/* The leader takes the other's vote and dies before its own copy is durable. The other one has it:
 * no voter any more by its own log, and the only one that can get the change committed. */
static void two_voters_one_demoted_leader_dies_before_the_sync(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(2, 0), change = lab_conf(1, 1);

	(void)state;
	lab_add(lab, 1, &conf, 1, NULL);
	lab_add(lab, 2, &conf, 1, NULL);
	lab_elect(lab, 1);
	lab_run(lab, 200);
	lab->node[1].hold_writes = true;
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	lab_deliver_all(lab);
	assert_int_equal(lab->node[2].raft.last, lab->node[1].raft.last);
	lab->node[1].hold_writes = false;
	lab_restart(lab, 1);
	assert_true(lab->node[2].raft.last > lab->node[1].raft.last);
	lab_run(lab, 5000);
	assert_int_equal(lab->node[1].raft.role, RAFT_LEADER);
	assert_false(raft_conf_is_voter(raft_conf_in_force(&lab->node[1].raft, NULL), 2));
	assert_int_equal(lab->node[1].raft.commit, lab->node[1].raft.last);
	assert_int_equal(lab->node[2].raft.role, RAFT_FOLLOWER);
	free(lab);
}

/* The leader removes itself and dies likewise: the other one is the only voter by its log, and
 * enough. */
static void two_voters_leader_removes_itself_and_dies_before_the_sync(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(2, 0), change = without(&conf, 1);

	(void)state;
	lab_add(lab, 1, &conf, 1, NULL);
	lab_add(lab, 2, &conf, 1, NULL);
	lab_elect(lab, 1);
	lab_run(lab, 200);
	lab->node[1].hold_writes = true;
	lab->node[2].hold_writes = true;
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	lab_deliver_all(lab);
	lab->node[1].up = false;
	lab->node[2].hold_writes = false;
	lab_sync(lab, 2);
	lab_run(lab, 5000);
	assert_int_equal(lab->node[2].raft.role, RAFT_LEADER);
	assert_int_equal(lab->node[2].raft.commit, lab->node[2].raft.last);
	lab_restart(lab, 1);
	lab_run(lab, 5000);
	assert_int_equal(lab->node[2].raft.role, RAFT_LEADER);
	assert_int_equal(lab->node[1].raft.role, RAFT_PRECANDIDATE);
	free(lab);
}

static void demoted_voter_still_gets_entries_and_counts_no_more(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf change = lab_conf(2, 1);

	(void)state;
	struct lab_node *node = leader(lab, 3, 0);
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	lab_acknowledge(lab, 3, 1, 3, 3); /* in force at once: its copy is not one of two */
	assert_int_equal(node->raft.commit, 2);
	lab_acknowledge(lab, 2, 1, 3, 3);
	assert_int_equal(node->raft.commit, 3);
	lab_lose_all(lab);
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 3)->entry_count, 1);
	lab_acknowledge(lab, 3, 1, 4, 4);
	assert_int_equal(node->raft.commit, 3);
	/* No majority without it: it can be handed nothing, and votes for nobody's lease. */
	assert_int_equal(raft_transfer(&node->raft, 3), RAFT_INVALID);
	free(lab);
}

/* A whole cluster: the demoted one follows, stays silent when the leader is gone, and may vote
 * again later. */
static void demoted_voter_does_not_run_until_it_is_promoted(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0), change = lab_conf(2, 1);

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		lab_add(lab, i, &conf, 1, NULL);
	lab_elect(lab, 1);
	lab_run(lab, 200);
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	lab_run(lab, 200);
	assert_int_equal(lab->node[3].raft.commit, lab->node[1].raft.last);
	lab_isolate(lab, 1, true);
	lab_isolate(lab, 2, true);
	uint64_t term = lab->node[3].raft.term;
	lab_run(lab, 3000);
	assert_int_equal(lab->node[3].raft.role, RAFT_FOLLOWER);
	assert_int_equal(lab->node[3].raft.term, term);
	lab_isolate(lab, 1, false); /* one of two voters, with the learner: not enough */
	lab_run(lab, 3000);
	assert_int_not_equal(lab->node[1].raft.role, RAFT_LEADER);
	lab_isolate(lab, 2, false);
	lab_run(lab, 3000);
	unsigned lead = lab->node[1].raft.role == RAFT_LEADER ? 1 : 2;
	assert_int_equal(lab->node[lead].raft.role, RAFT_LEADER);
	assert_int_equal(lab_propose(lab, lead, &conf), RAFT_OK);
	lab_run(lab, 200);
	lab_isolate(lab, 3 - lead, true); /* the other one: now two of three are enough */
	lab_run(lab, 3000);
	assert_int_equal(lab->node[lead].raft.role, RAFT_LEADER);
	free(lab);
}

static void leader_that_demotes_itself_leads_until_that_is_committed(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf change = lab_conf(3, 0);

	(void)state;
	struct lab_node *node = leader(lab, 3, 0);
	change.member[0].voter = false;
	assert_int_equal(lab_propose(lab, 1, &change), RAFT_OK);
	lab_acknowledge(lab, 2, 1, 3, 3); /* its own copy does not count: one of two */
	assert_int_equal(node->raft.commit, 2);
	assert_int_equal(node->raft.role, RAFT_LEADER);
	lab_acknowledge(lab, 3, 1, 3, 3);
	assert_int_equal(node->raft.commit, 3);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	lab_wait(lab, 5000);
	lab_tick(lab, 1);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(change_waits_for_a_commit_of_this_term),
		cmocka_unit_test(two_leaders_cannot_each_commit_a_change),
		cmocka_unit_test(one_change_at_a_time),
		cmocka_unit_test(impossible_changes_are_refused),
		cmocka_unit_test(last_voter_cannot_be_removed),
		cmocka_unit_test(change_is_in_force_when_it_is_in_the_log),
		cmocka_unit_test(learner_gets_entries_and_does_not_count),
		cmocka_unit_test(new_learner_gets_the_whole_log),
		cmocka_unit_test(cut_change_is_rolled_back),
		cmocka_unit_test(change_is_rolled_back_across_compaction_and_restart),
		cmocka_unit_test(restored_configuration_is_not_older_than_the_applied_one),
		cmocka_unit_test(change_is_not_taken_as_committed_after_a_restart),
		cmocka_unit_test(removed_leader_leads_until_the_change_is_committed),
		cmocka_unit_test(two_voters_one_demoted_leader_dies_before_the_sync),
		cmocka_unit_test(two_voters_leader_removes_itself_and_dies_before_the_sync),
		cmocka_unit_test(demoted_voter_still_gets_entries_and_counts_no_more),
		cmocka_unit_test(demoted_voter_does_not_run_until_it_is_promoted),
		cmocka_unit_test(leader_that_demotes_itself_leads_until_that_is_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
