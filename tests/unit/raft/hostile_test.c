/* tests/unit/raft/hostile_test.c: messages with any content: dropped, counted, and never the end of
 * the process. */
#include "tests/unit/raft/lab.h"

#include <stdio.h>

static struct lab_node *follower(struct lab *lab)
{
	struct raft_conf conf = lab_conf(3, 0);

	return lab_add(lab, 1, &conf, 2, (const uint64_t[]){1, 2, 0});
}

/* The message changes nothing and is counted. */
static void assert_dropped(const struct raft_message *message, const struct raft_entry *entry)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab);

	raft_receive(&node->raft, lab->now_ms, message, entry);
	assert_int_equal(node->raft.dropped, 1);
	assert_int_equal(node->raft.effect_count, 0);
	assert_int_equal(node->raft.term, 2);
	assert_int_equal(node->raft.last, 3);
	free(lab);
}

static void impossible_envelopes_are_dropped(void **state)
{
	const struct raft_message good = lab_append(2, 1, 2, 3, 2);
	struct raft_message bad[8];

	(void)state;
	for (size_t i = 0; i < 8; i++)
		bad[i] = good;
	bad[0].to = 3;
	bad[1].from = 0;
	bad[2].from = 1;
	bad[3].term = 0;
	bad[4].term = UINT64_MAX;
	bad[5].index = UINT64_MAX;
	bad[6].kind = (enum raft_message_kind)99;
	bad[7].kind = RAFT_SNAPSHOT;
	for (size_t i = 0; i < 8; i++)
		assert_dropped(&bad[i], NULL);
}

static void impossible_appends_are_dropped(void **state)
{
	struct raft_message append = lab_append(2, 1, 2, 3, 2);
	struct raft_conf twice = {.count = 2, .member = {{1, true}, {1, true}}};
	struct raft_conf huge = {.count = 4000000000u}, none = {.count = 1, .member = {{1, false}}};
	const struct raft_entry bad[] = {
		{1, RAFT_DATA, NULL},               /* the term goes back */
		{3, RAFT_DATA, NULL},               /* newer than its leader */
		{2, (enum raft_entry_type)9, NULL}, /* no such type */
		{2, RAFT_CONF, NULL},
		{2, RAFT_CONF, &twice},
		{2, RAFT_CONF, &huge},
		{2, RAFT_CONF, &none},
	};

	(void)state;
	append.entry_count = 1;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_dropped(&append, &bad[i]);
	assert_dropped(&append, NULL); /* entries announced, none there */
	append.entry_count = 0;
	append.log_term = 0; /* "nothing" at index 3 */
	assert_dropped(&append, NULL);
	append.index = 0;
	append.log_term = 2; /* something at index 0 */
	assert_dropped(&append, NULL);
}

/* An append that begins below our start, with terms that ours has passed. */
static void terms_do_not_go_back_behind_a_snapshot(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab);
	struct raft_message append = lab_append(2, 1, 3, 1, 1);

	(void)state;
	append.commit = 3;
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_APPEND,
			.from = 2,
			.to = 1,
			.term = 3,
			.index = 3,
			.log_term = 2,
			.commit = 3},
		NULL);
	raft_compact(&node->raft, 3);
	lab_receive(
		lab, &append, (const uint64_t[]){1, 1, 1, 0}); /* 2..4; our entry 3 has term 2 */
	assert_int_equal(node->raft.last, 3);
	assert_int_equal(node->raft.dropped, 1);
	free(lab);
}

/* Nobody may move what is committed, or what this term's leader has confirmed. */
static void committed_entries_cannot_be_cut(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab);
	struct raft_message append = lab_append(2, 1, 3, 3, 2), bad = lab_append(3, 1, 9, 1, 1);

	(void)state;
	append.commit = 3;
	lab_receive(lab, &append, NULL);
	assert_int_equal(node->raft.commit, 3);
	lab_receive(lab, &bad, (const uint64_t[]){9, 0});
	assert_int_equal(node->raft.last, 3);
	assert_int_equal(node->raft.dropped, 1);
	bad = lab_append(3, 1, 9, 3, 1);
	lab_receive(lab, &bad, NULL);
	assert_int_equal(node->raft.dropped, 2);
	free(lab);
}

static void second_leader_of_a_term_is_ignored(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab);
	struct raft_message append = lab_append(2, 1, 3, 3, 2), other = lab_append(3, 1, 3, 3, 2);

	(void)state;
	lab_receive(lab, &append, NULL);
	lab_receive(lab, &other, (const uint64_t[]){3, 0});
	assert_int_equal(node->raft.leader, 2);
	assert_int_equal(node->raft.last, 3);
	assert_int_equal(node->raft.dropped, 1);
	lab_wait(lab, 1000);
	lab_elect_alone(lab, 1, 2);
	other.term = node->raft.term;
	lab_receive(lab, &other, NULL);
	assert_int_equal(node->raft.role, RAFT_LEADER);
	free(lab);
}

static void acknowledgement_beyond_the_log_is_dropped(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = follower(lab);

	(void)state;
	lab_elect_alone(lab, 1, 2);
	lab_acknowledge(lab, 2, 1, 400, 400);
	lab_acknowledge(lab, 2, 1, 4, 3);
	lab_acknowledge(lab, 99, 1, 4, 4);
	assert_int_equal(node->raft.commit, 0);
	assert_int_equal(raft_peer(&node->raft, 2)->match, 0);
	lab_reject(lab, 2, 1, 400, 400);
	lab_reject(lab, 2, 1, 0, 3);
	assert_int_equal(lab_count(node, RAFT_SEND), 0);
	free(lab);
}

/* ---- any content at all */

static uint64_t seed;
static bool calm; /* mostly replies, so that the node gets to lead */

static uint64_t chance(uint64_t bound)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % bound;
}

/* Near what is true, or anything. */
static uint64_t near(uint64_t value)
{
	switch (chance(8)) {
	case 0: return UINT64_MAX - chance(3);
	case 1: return RAFT_NUMBER_MAX - chance(2);
	case 2: return 0;
	case 3: return chance(50);
	default: return value + 3 < 3 ? value : value + chance(5) - (value > 2 ? 2 : 0);
	}
}

static void any_message(const struct raft *raft, struct raft_message *message)
{
	uint64_t index = chance(2) == 0 ? raft->last : chance(raft->last + 2);

	*message = (struct raft_message){.kind = (enum raft_message_kind)chance(9),
		.from = chance(6),
		.to = 1,
		.term = raft->term,
		.index = near(index),
		.commit = near(raft->commit),
		.prev = near(index),
		.stamp_ms = near(raft->now_ms),
		.entry_count = (unsigned)chance(4),
		.pre_vote = chance(2) == 0,
		.force = chance(4) == 0,
		.ok = chance(2) == 0};
	if (calm && chance(20) != 0)
		message->kind = chance(2) == 0 ? RAFT_VOTE_REPLY : RAFT_APPEND_REPLY;
	if (chance(100) == 0)
		message->term = near(raft->term);
	else if (message->kind == RAFT_VOTE_REPLY && message->pre_vote)
		message->term++;
	message->log_term = message->index <= raft->last && chance(4) != 0
				    ? raft_term_at(raft, message->index)
				    : near(raft->term);
}

static void any_entries(
	const struct raft_message *message, struct raft_entry *entry, const struct raft_conf *conf)
{
	for (unsigned i = 0; i < message->entry_count; i++) {
		entry[i].term = chance(6) == 0 ? near(message->term) : message->term;
		entry[i].type = (enum raft_entry_type)(chance(20) == 0 ? chance(7) : 1 + chance(3));
		entry[i].conf = chance(12) == 0 ? NULL : &conf[chance(4)];
	}
}

/* The host's part, with no regard to what it means. */
static void any_call(struct raft *raft, const struct raft_conf *conf, uint64_t now_ms)
{
	struct raft_entry entry[4];
	struct raft_message message;
	uint64_t index, term;

	switch (calm && chance(2) == 0 ? 99 : chance(calm ? 6 : 16)) {
	case 0: raft_tick(raft, now_ms); break;
	case 1: raft_stored(raft, now_ms, raft->last); break;
	case 2:
		if (raft_propose(raft, chance(4) == 0 ? &conf[chance(4)] : NULL, &index, &term) ==
			RAFT_OK)
			raft_flush(raft);
		break;
	case 3: (void)raft_transfer(raft, chance(6)); break;
	case 4: raft_compact(raft, raft_applicable(raft)); break;
	case 5: raft_snapshot_done(raft, chance(6), chance(2) == 0); break;
	case 6: raft_heard_leader(raft, now_ms, chance(6), near(raft->term)); break;
	case 7:
		any_message(raft, &message);
		message.kind = RAFT_SNAPSHOT;
		(void)raft_install_begin(raft, now_ms, &message);
		break;
	case 8:
		if (raft->installing)
			raft_installed(raft, raft->last + 1 + chance(3), raft->term,
				raft->conf[0].index, &conf[0]);
		break;
	case 9: raft_announce_commit(raft); break;
	default:
		any_message(raft, &message);
		any_entries(&message, entry, conf);
		raft_receive(raft, now_ms, &message, entry);
		break;
	}
}

static void nothing_from_outside_trips_an_assertion(void **state)
{
	struct raft_conf conf[4] = {lab_conf(3, 0), lab_conf(4, 1), lab_conf(2, 2), {.count = 77}};
	struct lab *lab = lab_new();
	uint64_t dropped = 0, led = 0;

	(void)state;
	for (uint64_t run = 1; run <= 400; run++) {
		struct raft *raft = &follower(lab)->raft;
		struct raft_effect effect;

		seed = run * UINT64_C(0x9e3779b97f4a7c15);
		calm = run % 2 == 0;
		for (int i = 0; i < 500; i++) {
			lab->now_ms += chance(60);
			any_call(raft, conf, lab->now_ms);
			while (raft_next_effect(raft, &effect))
				;
			assert_true(raft->base <= raft->commit && raft->commit <= raft->last);
			assert_true(raft->stored <= raft->last && raft->verified <= raft->last);
			led += raft->role == RAFT_LEADER;
		}
		dropped += raft->dropped;
		memset(lab, 0, sizeof *lab);
		lab->now_ms = 1000;
	}
	assert_true(dropped > 1000);
	assert_true(led > 500); /* it was a leader too, often enough */
	free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_envelopes_are_dropped),
		cmocka_unit_test(impossible_appends_are_dropped),
		cmocka_unit_test(terms_do_not_go_back_behind_a_snapshot),
		cmocka_unit_test(committed_entries_cannot_be_cut),
		cmocka_unit_test(second_leader_of_a_term_is_ignored),
		cmocka_unit_test(acknowledgement_beyond_the_log_is_dropped),
		cmocka_unit_test(nothing_from_outside_trips_an_assertion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
