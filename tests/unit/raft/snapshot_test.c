/* tests/unit/raft/snapshot_test.c: snapshots to install and to send, and compaction. */
#include "tests/unit/raft/lab.h"

static struct lab_node *follower(struct lab *lab, uint64_t term, const uint64_t *terms)
{
	struct raft_conf conf = lab_conf(3, 0);

	return lab_add(lab, 1, &conf, term, terms);
}

static struct raft_message offer(uint64_t term, uint64_t index, uint64_t log_term)
{
	return (struct raft_message){.kind = RAFT_SNAPSHOT,
		.from = 2,
		.to = 1,
		.term = term,
		.index = index,
		.log_term = log_term};
}

static bool begin(struct lab *lab, const struct raft_message *message)
{
	struct lab_node *node = &lab->node[1];
	bool begun;

	node->effect_count = 0;
	begun = raft_install_begin(&node->raft, lab->now_ms, message);
	lab_drain(lab, node, NULL);
	return begun;
}

static void installed(struct lab *lab, uint64_t base, uint64_t base_term)
{
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = &lab->node[1];

	node->effect_count = 0;
	raft_installed(&node->raft, base, base_term, 1, &conf);
	node->last = node->durable = node->base = base;
	node->base_term = base_term;
	lab_drain(lab, node, NULL);
}

/* They may be committed on the strength of our acknowledgement. */
static void snapshot_keeps_the_suffix_that_matches_it(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab, 2, (const uint64_t[]){1, 2, 2, 0});
	struct raft_message message = offer(2, 3, 2);

	(void)state;
	assert_false(begin(lab, &message));
	assert_int_equal(node->raft.last, 4);
	assert_int_equal(node->raft.commit, 3);
	assert_int_equal(lab_sent(node, RAFT_APPEND_REPLY, 2)->index, 3);
	free(lab);
}

/* Another engine compared terms and kept the conflicting entry because its term was higher. */
static void snapshot_beats_a_conflicting_entry_of_a_higher_term(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node =
		follower(lab, 5, (const uint64_t[]){5, 5, 5, 0}); /* 2..4 of term 5 */
	struct raft_message message = offer(6, 3, 4);

	(void)state;
	assert_true(begin(lab, &message));
	installed(lab, 3, 4);
	assert_int_equal(node->raft.last, 3);
	assert_int_equal(node->raft.base, 3);
	assert_int_equal(node->raft.commit, 3);
	assert_int_equal(raft_term_at(&node->raft, 3), 4);
	assert_int_equal(lab_sent(node, RAFT_APPEND_REPLY, 2)->index, 3);
	free(lab);
}

static void snapshot_waits_for_writes_in_flight(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab, 1, NULL);
	struct raft_message append = lab_append(2, 1, 2, 1, 1), message = offer(2, 9, 2);

	(void)state;
	node->hold_writes = true;
	lab_receive(lab, &append, (const uint64_t[]){2, 0});
	assert_false(begin(lab, &message));
	lab_sync(lab, 1);
	assert_true(begin(lab, &message));
	free(lab);
}

static void nothing_else_happens_during_an_install(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab, 1, NULL);
	struct raft_message message = offer(2, 9, 2), append = lab_append(2, 1, 2, 9, 2);
	const struct raft_message *reply;

	(void)state;
	assert_true(begin(lab, &message));
	assert_false(begin(lab, &message)); /* once */
	append.stamp_ms = 55;
	lab_receive(lab, &append, (const uint64_t[]){2, 0});
	assert_int_equal(lab_count(node, RAFT_STORE), 0);
	reply = lab_sent(node, RAFT_APPEND_REPLY, 2); /* alive, with the old log */
	assert_true(reply->ok);
	assert_int_equal(reply->index, 0);
	assert_int_equal(reply->stamp_ms, 55);
	lab_wait(lab, 5000);
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_VOTE,
			.from = 3,
			.to = 1,
			.term = 9,
			.index = 99,
			.log_term = 8},
		NULL);
	assert_false(lab_sent(node, RAFT_VOTE_REPLY, 3)->ok);
	lab_tick(lab, 1);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_TIMEOUT_NOW,
			.from = 2,
			.to = 1,
			.term = 2,
			.index = 1,
			.log_term = 1},
		NULL);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	raft_stored(&node->raft, lab->now_ms, 1);
	assert_int_equal(node->raft.effect_count, 0);
	installed(lab, 9, 2);
	lab_receive(lab, &append, (const uint64_t[]){2, 0});
	assert_int_equal(node->raft.last, 10);
	free(lab);
}

static void snapshot_of_an_older_leader_is_refused(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab, 5, NULL);
	struct raft_message message = offer(4, 9, 4);

	(void)state;
	assert_false(begin(lab, &message));
	assert_false(lab_sent(node, RAFT_APPEND_REPLY, 2)->ok);
	assert_int_equal(lab_sent(node, RAFT_APPEND_REPLY, 2)->term, 5);
	free(lab);
}

static void chunks_count_as_hearing_from_the_leader(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab, 1, NULL);

	(void)state;
	for (int i = 0; i < 20; i++) {
		lab_wait(lab, LAB_ELECTION / 2);
		raft_heard_leader(&node->raft, lab->now_ms, 2, 2);
		lab_drain(lab, node, NULL);
		lab_tick(lab, 1);
		assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	}
	assert_int_equal(node->raft.leader, 2);
	assert_int_equal(node->term, 2);
	raft_heard_leader(&node->raft, lab->now_ms, 3, 1); /* one of before */
	assert_int_equal(node->raft.leader, 2);
	free(lab);
}

/* Node 1 leads with its log cut up to 6 of 8; peer 2 has only entry 1. */
static struct lab_node *compacted_leader(struct lab *lab)
{
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, (const uint64_t[]){1, 1, 1, 1, 1, 1, 0});

	lab_elect_alone(lab, 1, 3); /* the no-op is entry 8 */
	lab_acknowledge(lab, 3, 1, 8, 8);
	raft_compact(&node->raft, 6);
	lab_reject(lab, 2, 1, 2, 7);
	return node;
}

static void peer_behind_the_logs_start_gets_a_snapshot(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = compacted_leader(lab);
	const struct raft_peer *peer = raft_peer(&node->raft, 2);

	(void)state;
	assert_int_equal(lab_count(node, RAFT_SEND_SNAPSHOT), 1);
	assert_true(peer->in_snapshot);
	lab_wait(lab, LAB_HEARTBEAT);
	lab_tick(lab, 1);
	assert_int_equal(lab_count(node, RAFT_SEND_SNAPSHOT), 0); /* once */
	assert_int_equal(lab_sent(node, RAFT_APPEND, 2)->entry_count, 0);
	lab_reject(lab, 2, 1, 2, 6); /* the heartbeat's, while chunks are under way */
	assert_int_equal(lab_count(node, RAFT_SEND_SNAPSHOT), 0);
	raft_snapshot_done(&node->raft, 2, true);
	lab_acknowledge(lab, 2, 1, 7, 7);
	assert_false(peer->in_snapshot);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 2)->index, 7);
	assert_int_equal(lab_sent(node, RAFT_APPEND, 2)->entry_count, 1);
	free(lab);
}

static void failed_stream_is_begun_again_by_a_heartbeat(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = compacted_leader(lab);

	(void)state;
	node->effect_count = 0;
	raft_snapshot_done(&node->raft, 2, false);
	lab_drain(lab, node, NULL);
	assert_int_equal(node->effect_count, 0); /* not at once */
	lab_wait(lab, LAB_HEARTBEAT);
	lab_tick(lab, 1);
	assert_int_equal(lab_count(node, RAFT_SEND_SNAPSHOT), 1);
	free(lab);
}

/* Delivered, but the peer crashed before it had installed it. */
static void delivered_snapshot_that_was_not_installed_is_sent_again(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = compacted_leader(lab);

	(void)state;
	raft_snapshot_done(&node->raft, 2, true);
	lab_acknowledge(lab, 2, 1, 0, 0); /* still installing */
	assert_int_equal(lab_count(node, RAFT_SEND_SNAPSHOT), 0);
	lab_reject(lab, 2, 1, 2, 6);
	assert_int_equal(lab_count(node, RAFT_SEND_SNAPSHOT), 1);
	free(lab);
}

static void append_that_the_snapshot_covers_in_part_is_taken(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab, 1, NULL);
	struct raft_message message = offer(2, 5, 2), append = lab_append(2, 1, 2, 3, 1);

	(void)state;
	assert_true(begin(lab, &message));
	installed(lab, 5, 2);
	lab_receive(lab, &append, (const uint64_t[]){1, 2, 2, 2, 0}); /* 4..7 */
	assert_int_equal(node->raft.last, 7);
	assert_int_equal(lab_sent(node, RAFT_APPEND_REPLY, 2)->index, 7);
	append.index = 2;
	lab_receive(lab, &append, (const uint64_t[]){1, 0}); /* all of it below the start */
	assert_true(lab_sent(node, RAFT_APPEND_REPLY, 2)->ok);
	assert_int_equal(node->raft.last, 7);
	free(lab);
}

static void terms_are_known_after_compaction(void **state)
{
	static const uint64_t terms[] = {1, 2, 2, 3, 5, 5, 0}; /* 2..7 */

	(void)state;
	for (uint64_t cut = 1; cut <= 7; cut++) {
		struct lab *lab = lab_new();
		struct lab_node *node = follower(lab, 5, terms);

		node->raft.commit = 7;
		raft_compact(&node->raft, cut);
		raft_compact(&node->raft, cut > 1 ? cut - 1 : 1); /* nothing to do */
		assert_int_equal(node->raft.base, cut);
		assert_int_equal(raft_term_at(&node->raft, cut - 1), 0);
		assert_int_equal(raft_term_at(&node->raft, 8), 0);
		for (uint64_t i = cut > 2 ? cut : 2; i <= 7; i++)
			assert_int_equal(raft_term_at(&node->raft, i), terms[i - 2]);
		free(lab);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshot_keeps_the_suffix_that_matches_it),
		cmocka_unit_test(snapshot_beats_a_conflicting_entry_of_a_higher_term),
		cmocka_unit_test(snapshot_waits_for_writes_in_flight),
		cmocka_unit_test(nothing_else_happens_during_an_install),
		cmocka_unit_test(snapshot_of_an_older_leader_is_refused),
		cmocka_unit_test(chunks_count_as_hearing_from_the_leader),
		cmocka_unit_test(peer_behind_the_logs_start_gets_a_snapshot),
		cmocka_unit_test(failed_stream_is_begun_again_by_a_heartbeat),
		cmocka_unit_test(delivered_snapshot_that_was_not_installed_is_sent_again),
		cmocka_unit_test(append_that_the_snapshot_covers_in_part_is_taken),
		cmocka_unit_test(terms_are_known_after_compaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
