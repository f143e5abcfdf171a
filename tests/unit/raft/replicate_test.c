/* tests/unit/raft/replicate_test.c: what is acknowledged, what is committed, what is sent again. */
#include "tests/unit/raft/lab.h"

/* Node 1 of 3 leads; its no-op is the entry after `terms`. Nothing is in the box. */
static struct lab_node *leader(struct lab *lab, uint64_t term, const uint64_t *terms)
{
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, term, terms);

	lab_elect_alone(lab, 1, 2);
	return node;
}

static struct lab_node *follower(struct lab *lab, uint64_t term, const uint64_t *terms)
{
	struct raft_conf conf = lab_conf(3, 0);

	return lab_add(lab, 1, &conf, term, terms);
}

/* Thesis figure 3.7 (figure 8 of the paper): an entry of an older term on a majority is not
 * committed by that. */
static void replicas_of_an_older_term_are_not_counted(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node =
		leader(lab, 2, (const uint64_t[]){2, 0}); /* 2: term 2; 3: no-op of 3 */

	(void)state;
	assert_int_equal(node->raft.last, 3);
	lab_acknowledge(lab, 2, 1, 2, 2);
	lab_acknowledge(lab, 3, 1, 2, 2);
	assert_int_equal(node->raft.commit, 0);
	lab_acknowledge(lab, 2, 1, 3, 3);
	assert_int_equal(node->raft.commit, 3);
	free(lab);
}

/* Its tail is durable and was never matched against this leader's log: it must not count for it. */
static void old_leaders_tail_is_not_acknowledged(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node =
		follower(lab, 2, (const uint64_t[]){2, 2, 2, 0}); /* 2..4 of term 2 */
	struct raft_message heartbeat = lab_append(2, 1, 3, 1, 1);
	const struct raft_message *reply;

	(void)state;
	heartbeat.commit = 4; /* entries of the new leader, not ours */
	lab_receive(lab, &heartbeat, NULL);
	reply = lab_sent(node, RAFT_APPEND_REPLY, 2);
	assert_true(reply->ok);
	assert_int_equal(reply->index, 1);
	assert_int_equal(reply->prev, 1);
	assert_int_equal(node->raft.commit, 1);
	free(lab);
}

static void old_leader_with_a_tail_rejoins(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	uint64_t tail;

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		lab_add(lab, i, &conf, 1, NULL);
	lab_elect(lab, 1);
	lab_run(lab, 200);
	lab_isolate(lab, 1, true);
	for (int i = 0; i < 5; i++)
		assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	tail = lab->node[1].raft.last;
	lab_lose_all(lab);
	lab_elect(lab, 2);
	lab_isolate(lab, 1, false);
	lab_deliver_all(lab);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(lab_propose(lab, 2, NULL), RAFT_OK);
		lab_deliver_all(lab);
	}
	lab_run(lab, 200);
	assert_int_equal(lab->node[1].raft.commit, lab->node[2].raft.last);
	for (uint64_t i = 1; i <= tail; i++)
		assert_int_equal(lab->node[1].log[i].term, lab->node[2].log[i].term);
	free(lab);
}

static void what_is_not_durable_is_not_acknowledged(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab, 1, NULL);
	struct raft_message append = lab_append(2, 1, 2, 1, 1),
			    heartbeat = lab_append(2, 1, 2, 3, 2);
	const struct raft_message *reply;

	(void)state;
	node->hold_writes = true;
	append.stamp_ms = 77;
	lab_receive(lab, &append, (const uint64_t[]){2, 2, 0});
	assert_null(lab_sent(node, RAFT_APPEND_REPLY, 2));
	lab_receive(lab, &heartbeat, NULL);
	reply = lab_sent(node, RAFT_APPEND_REPLY, 2);
	assert_int_equal(reply->index, 1);
	assert_int_equal(reply->prev, 3); /* where to go on */
	lab_sync(lab, 1);
	reply = lab_sent(node, RAFT_APPEND_REPLY, 2);
	assert_int_equal(reply->index, 3);
	assert_int_equal(reply->stamp_ms, 77);
	free(lab);
}

/* Entries of term 2's leader become durable under term 3's: they are not known to match its log. */
static void write_that_ends_after_a_term_change_is_not_acknowledged(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab, 1, NULL);
	struct raft_message append = lab_append(2, 1, 2, 1, 1), other = lab_append(3, 1, 3, 1, 1);
	const struct raft_message *reply;

	(void)state;
	node->hold_writes = true;
	lab_receive(lab, &append, (const uint64_t[]){2, 2, 0});
	lab_receive(lab, &other, NULL);
	lab_sync(lab, 1);
	reply = lab_sent(node, RAFT_APPEND_REPLY, 3);
	assert_int_equal(reply->index, 1);
	assert_null(lab_sent(node, RAFT_APPEND_REPLY, 2));
	free(lab);
}

static void leader_counts_its_own_entries_when_they_are_durable(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 1, NULL);

	(void)state;
	lab_acknowledge(lab, 2, 1, 2, 2);
	assert_int_equal(node->raft.commit, 2);
	node->hold_writes = true;
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	lab_acknowledge(lab, 2, 1, 3, 3);
	assert_int_equal(node->raft.commit, 2);
	lab_sync(lab, 1);
	assert_int_equal(node->raft.commit, 3);
	free(lab);
}

/* A leader with a slow disk must not hold up what the others have. */
static void majority_without_the_leaders_disk_commits(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 1, NULL);

	(void)state;
	node->hold_writes = true;
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	lab_acknowledge(lab, 2, 1, 3, 3);
	lab_acknowledge(lab, 3, 1, 3, 3);
	assert_int_equal(node->raft.commit, 3);
	assert_int_equal(
		raft_applicable(&node->raft), 2); /* applied only from its own durable log */
	free(lab);
}

static void proposals_wait_for_the_no_op(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);

	(void)state;
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_NOT_LEADER);
	node->hold_writes = true;
	lab_elect_alone(lab, 1, 2);
	assert_int_equal(node->raft.last, 2);
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_BUSY);
	lab_sync(lab, 1);
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	free(lab);
}

static void window_limits_what_is_in_flight(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 1, NULL);

	(void)state;
	lab_acknowledge(lab, 2, 1, 2, 2);
	lab_lose_all(lab);
	for (int i = 0; i < 6; i++)
		assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	assert_int_equal(raft_peer(&node->raft, 2)->in_flight, 4);
	assert_int_equal(raft_peer(&node->raft, 2)->next, 7);
	lab_acknowledge(lab, 2, 1, 2, 6); /* received, not durable: the window stays */
	assert_int_equal(raft_peer(&node->raft, 2)->in_flight, 4);
	lab_acknowledge(lab, 2, 1, 4, 6); /* two of four; the rest waits together in one */
	assert_int_equal(raft_peer(&node->raft, 2)->in_flight, 3);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 2)->entry_count, 2);
	assert_int_equal(raft_peer(&node->raft, 2)->match, 4);
	free(lab);
}

static void lost_append_shows_at_the_next_heartbeat(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		lab_add(lab, i, &conf, 1, NULL);
	lab_elect(lab, 1);
	lab_run(lab, 100);
	assert_int_equal(lab_propose(lab, 1, NULL), RAFT_OK);
	lab_lose_all(lab);
	lab_run(lab, LAB_HEARTBEAT + 10);
	assert_int_equal(lab->node[2].raft.last, lab->node[1].raft.last);
	assert_int_equal(lab->node[1].raft.commit, lab->node[1].raft.last);
	free(lab);
}

/* A rejection that is old or comes twice must not make more messages, or they multiply. */
static void stale_rejections_cause_no_storm(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 1, (const uint64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 0});
	uint64_t asked = raft_peer(&node->raft, 2)->next - 1; /* 9 */

	(void)state;
	lab_reject(lab, 2, 1, 5, asked);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 2)->index, 4);
	for (int i = 0; i < 3; i++) {
		lab_reject(lab, 2, 1, 5, asked); /* the same again */
		assert_int_equal(lab_count(node, RAFT_SEND), 0);
		lab_reject(lab, 2, 1, 3, 7); /* an answer to something older */
		assert_int_equal(lab_count(node, RAFT_SEND), 0);
	}
	lab_acknowledge(lab, 2, 1, 5, 5);
	lab_reject(lab, 2, 1, 3, 4); /* from before the match */
	assert_int_equal(lab_count(node, RAFT_SEND), 0);
	assert_true(raft_peer(&node->raft, 2)->next > 5);
	free(lab);
}

/* Found by the simulation (walk 543): the peer lost a cut and a store to a crash; it skips the
 * whole term of its conflicting tail, which leads below what it had acknowledged. That rejection
 * must not be taken as stale. */
static void hint_below_the_match_is_raised_to_it(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node =
		leader(lab, 3, (const uint64_t[]){2, 2, 2, 0}); /* 5: no-op of term 4 */

	(void)state;
	lab_acknowledge(lab, 2, 1, 4, 5);
	assert_int_equal(raft_peer(&node->raft, 2)->match, 4);
	assert_int_equal(raft_peer(&node->raft, 2)->next, 6);
	lab_reject(lab, 2, 1, 2, 5); /* "go on from 2": its run of term 2 starts there */
	assert_int_equal(raft_peer(&node->raft, 2)->next, 5);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 2)->index, 4);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 2)->entry_count, 1);
	free(lab);
}

static void acknowledgement_of_another_term_does_not_count(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 1, NULL);

	(void)state;
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_APPEND_REPLY,
			.from = 2,
			.to = 1,
			.term = node->raft.term - 1,
			.index = 2,
			.prev = 2,
			.ok = true},
		NULL);
	assert_int_equal(node->raft.commit, 0);
	free(lab);
}

static void conflicting_tail_is_cut_and_a_matching_one_is_not(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab, 3, (const uint64_t[]){1, 2, 2, 0}); /* 2:1 3:2 4:2 */
	struct raft_message append = lab_append(2, 1, 3, 1, 1), again = lab_append(2, 1, 4, 2, 1);

	(void)state;
	lab_receive(
		lab, &append, (const uint64_t[]){1, 2, 0}); /* an old, short one: all is there */
	assert_int_equal(node->raft.last, 4);
	assert_int_equal(lab_count(node, RAFT_DO_TRUNCATE), 0);
	assert_int_equal(lab_count(node, RAFT_STORE), 0);
	lab_receive(lab, &again, (const uint64_t[]){3, 0});
	assert_int_equal(lab_count(node, RAFT_DO_TRUNCATE), 1);
	assert_int_equal(node->raft.last, 3);
	assert_int_equal(raft_term_at(&node->raft, 3), 3);
	free(lab);
}

static void gap_is_rejected_with_the_place_to_go_on(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node =
		follower(lab, 3, (const uint64_t[]){1, 2, 2, 2, 0}); /* 3..5 of term 2 */
	struct raft_message beyond = lab_append(2, 1, 3, 9, 3), other = lab_append(2, 1, 3, 5, 3);
	const struct raft_message *reply;

	(void)state;
	lab_receive(lab, &beyond, (const uint64_t[]){3, 0});
	reply = lab_sent(node, RAFT_APPEND_REPLY, 2);
	assert_false(reply->ok);
	assert_int_equal(reply->index, 6);
	assert_int_equal(reply->prev, 9);
	lab_receive(lab, &other, NULL); /* skips all of the conflicting term */
	reply = lab_sent(node, RAFT_APPEND_REPLY, 2);
	assert_false(reply->ok);
	assert_int_equal(reply->index, 3);
	free(lab);
}

static void commit_is_announced_only_where_it_is_news(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 1, NULL);

	(void)state;
	lab_acknowledge(lab, 2, 1, 2, 2);
	lab_acknowledge(lab, 3, 1, 2, 2);
	assert_int_equal(node->raft.commit, 2);
	node->effect_count = 0;
	raft_announce_commit(&node->raft);
	lab_drain(lab, node, NULL);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 2)->commit, 2);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 3)->commit, 2);
	node->effect_count = 0;
	raft_announce_commit(&node->raft);
	lab_drain(lab, node, NULL);
	assert_int_equal(node->effect_count, 0);
	free(lab);
}

static void lease_lasts_from_the_majoritys_stamp(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = leader(lab, 1, NULL);
	uint64_t heard_ms;

	(void)state;
	lab_acknowledge(lab, 2, 1, 1, 1);
	assert_int_equal(
		raft_lease_until_ms(&node->raft, 10), 0); /* nothing of its term committed */
	lab_acknowledge(lab, 2, 1, 2, 2);
	heard_ms = lab->now_ms;
	assert_int_equal(raft_lease_until_ms(&node->raft, 10), heard_ms + LAB_ELECTION - 10);
	lab_wait(lab, 100);
	lab_tick(lab, 1);
	assert_int_equal(raft_lease_until_ms(&node->raft, 10), heard_ms + LAB_ELECTION - 10);
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_APPEND_REPLY,
			.from = 3,
			.to = 1,
			.term = node->raft.term,
			.index = 2,
			.prev = 2,
			.ok = true,
			.stamp_ms = heard_ms + 50},
		NULL);
	assert_int_equal(raft_lease_until_ms(&node->raft, 10), heard_ms + 50 + LAB_ELECTION - 10);
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_APPEND_REPLY,
			.from = 3,
			.to = 1,
			.term = node->raft.term,
			.index = 2,
			.prev = 2,
			.ok = true,
			.stamp_ms = lab->now_ms + 1000000},
		NULL); /* a stamp that we have not made */
	assert_int_equal(raft_lease_until_ms(&node->raft, 10), heard_ms + 50 + LAB_ELECTION - 10);
	free(lab);
}

static void append_that_the_run_table_cannot_hold_waits_for_compaction(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = &lab->node[1];
	struct raft_config config = {.id = 1,
		.election_ms = 300,
		.heartbeat_ms = 60,
		.entries_max = 8,
		.window = 4,
		.random_seed = 1};
	uint64_t last = RAFT_RUNS_MAX + 1, term = RAFT_RUNS_MAX + 5;
	struct raft_message append = lab_append(2, 1, term, last, RAFT_RUNS_MAX + 1);
	struct raft_entry entry[2] = {
		{RAFT_RUNS_MAX + 1, RAFT_DATA, NULL}, {RAFT_RUNS_MAX + 5, RAFT_DATA, NULL}};
	struct raft_effect effect;

	(void)state;
	raft_init(&node->raft, &config, lab->now_ms);
	raft_restore(&node->raft, RAFT_RUNS_MAX + 1, 0, 1, 1, 1, &conf);
	for (uint64_t i = 0; i < RAFT_RUNS_MAX; i++)
		raft_restore_entry(&node->raft, &(struct raft_entry){i + 2, RAFT_DATA, NULL});
	raft_start(&node->raft, 1);
	append.entry_count = 1; /* of the newest run: there is room for that */
	raft_receive(&node->raft, lab->now_ms, &append, entry);
	while (raft_next_effect(&node->raft, &effect))
		;
	assert_int_equal(node->raft.last, last + 1);
	append.entry_count = 2;
	append.commit = last;
	raft_receive(&node->raft, lab->now_ms, &append, entry);
	while (raft_next_effect(&node->raft, &effect))
		assert_int_not_equal(effect.kind, RAFT_STORE);
	assert_int_equal(node->raft.last, last + 1);
	assert_int_equal(node->raft.dropped, 1);
	append.entry_count = 1;
	raft_receive(&node->raft, lab->now_ms, &append, entry);
	while (raft_next_effect(&node->raft, &effect))
		;
	raft_compact(&node->raft, last);
	append.entry_count = 2;
	raft_receive(&node->raft, lab->now_ms, &append, entry);
	assert_int_equal(node->raft.last, last + 2);
	free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replicas_of_an_older_term_are_not_counted),
		cmocka_unit_test(old_leaders_tail_is_not_acknowledged),
		cmocka_unit_test(old_leader_with_a_tail_rejoins),
		cmocka_unit_test(what_is_not_durable_is_not_acknowledged),
		cmocka_unit_test(write_that_ends_after_a_term_change_is_not_acknowledged),
		cmocka_unit_test(leader_counts_its_own_entries_when_they_are_durable),
		cmocka_unit_test(majority_without_the_leaders_disk_commits),
		cmocka_unit_test(proposals_wait_for_the_no_op),
		cmocka_unit_test(window_limits_what_is_in_flight),
		cmocka_unit_test(lost_append_shows_at_the_next_heartbeat),
		cmocka_unit_test(stale_rejections_cause_no_storm),
		cmocka_unit_test(hint_below_the_match_is_raised_to_it),
		cmocka_unit_test(acknowledgement_of_another_term_does_not_count),
		cmocka_unit_test(conflicting_tail_is_cut_and_a_matching_one_is_not),
		cmocka_unit_test(gap_is_rejected_with_the_place_to_go_on),
		cmocka_unit_test(commit_is_announced_only_where_it_is_news),
		cmocka_unit_test(lease_lasts_from_the_majoritys_stamp),
		cmocka_unit_test(append_that_the_run_table_cannot_hold_waits_for_compaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
