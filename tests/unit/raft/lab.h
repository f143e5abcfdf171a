/* tests/unit/raft/lab.h: a few cores on a table: every message, write and millisecond moves by
 * hand.
 *
 * Votes are durable at once; entries when the test says so (lab_sync), or at once unless
 * hold_writes is set. Messages lie in the box until they are delivered or lost. Log arrays are
 * indexed by log index.
 */
#ifndef TESTS_UNIT_RAFT_LAB_H
#define TESTS_UNIT_RAFT_LAB_H

#include "store/raft/raft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LAB_NODES     5
#define LAB_LOG       128
#define LAB_BATCH     32
#define LAB_BOX       512
#define LAB_ELECTION  300
#define LAB_HEARTBEAT 60

struct lab_entry {
	uint64_t term;
	enum raft_entry_type type;
	struct raft_conf conf;
};

struct lab_node {
	struct raft raft;
	bool up, hold_writes;
	struct lab_entry log[LAB_LOG];
	uint64_t last, durable; /* of the log */
	uint64_t term, vote;    /* as saved */
	uint64_t base, base_term, conf_index, applied;
	struct raft_conf conf;          /* at conf_index, committed */
	struct raft_effect effect[512]; /* of the newest call */
	unsigned effect_count;
};

struct letter {
	struct raft_message message;
	struct lab_entry entry[LAB_BATCH];
};

struct lab {
	struct lab_node node[LAB_NODES + 1]; /* by member id */
	struct letter box[LAB_BOX];
	unsigned box_count;
	bool cut[LAB_NODES + 1][LAB_NODES + 1];
	uint64_t now_ms;
};

static inline struct lab *lab_new(void)
{
	struct lab *lab = calloc(1, sizeof *lab);

	assert_non_null(lab);
	lab->now_ms = 1000;
	return lab;
}

/* Members 1 to `voters`, then learners. */
static inline struct raft_conf lab_conf(unsigned voters, unsigned learners)
{
	struct raft_conf conf = {.count = voters + learners};

	for (unsigned i = 0; i < conf.count; i++)
		conf.member[i] = (struct raft_member){i + 1, i < voters};
	return conf;
}

/* ---- effects */

static inline void lab_keep(
	struct lab *lab, struct lab_node *node, const struct raft_message *message)
{
	struct letter *letter = &lab->box[lab->box_count];

	assert_true(lab->box_count < LAB_BOX);
	assert_true(message->entry_count <= LAB_BATCH);
	letter->message = *message;
	for (unsigned i = 0; i < message->entry_count; i++) {
		assert_true(message->index + 1 + i <= node->last);
		letter->entry[i] = node->log[message->index + 1 + i];
	}
	lab->box_count++;
}

static inline void lab_store(struct lab_node *node, uint64_t index, const struct lab_entry *entry)
{
	assert_int_equal(index, node->last + 1);
	assert_true(index < LAB_LOG);
	node->log[index] = *entry;
	node->last = index;
}

static inline void lab_drain(struct lab *lab, struct lab_node *node, const struct letter *incoming)
{
	struct raft_effect effect;

	while (raft_next_effect(&node->raft, &effect)) {
		assert_true(node->effect_count < 512);
		node->effect[node->effect_count++] = effect;
		if (effect.kind == RAFT_SAVE_VOTE) {
			node->term = effect.term;
			node->vote = effect.vote;
		} else if (effect.kind == RAFT_STORE) {
			unsigned skip = incoming->message.entry_count - effect.count;

			assert_int_equal(incoming->message.index + 1 + skip, effect.index);
			for (unsigned i = 0; i < effect.count; i++)
				lab_store(node, effect.index + i, &incoming->entry[skip + i]);
		} else if (effect.kind == RAFT_STORE_NOOP) {
			lab_store(node, effect.index,
				&(struct lab_entry){.term = effect.term, .type = RAFT_NOOP});
		} else if (effect.kind == RAFT_DO_TRUNCATE) {
			assert_true(effect.index <= node->last && effect.index > node->applied);
			node->last = effect.index - 1;
			if (node->durable > node->last)
				node->durable = node->last;
		} else if (effect.kind == RAFT_SEND) {
			lab_keep(lab, node, &effect.message);
		}
	}
}

/* All entries of the node are durable now. */
static inline void lab_sync(struct lab *lab, unsigned id)
{
	struct lab_node *node = &lab->node[id];

	if (node->raft.installing || node->durable == node->last)
		return;
	node->durable = node->last;
	raft_stored(&node->raft, lab->now_ms, node->durable);
	lab_drain(lab, node, NULL);
}

static inline void lab_after(struct lab *lab, unsigned id, const struct letter *incoming)
{
	struct lab_node *node = &lab->node[id];

	lab_drain(lab, node, incoming);
	if (!node->hold_writes)
		lab_sync(lab, id);
	node->applied = raft_applicable(&node->raft);
}

/* ---- nodes */

/* Start from what is durable. */
static inline void lab_boot(struct lab *lab, unsigned id)
{
	struct lab_node *node = &lab->node[id];
	struct raft_config config = {.id = id,
		.election_ms = LAB_ELECTION,
		.heartbeat_ms = LAB_HEARTBEAT,
		.entries_max = LAB_BATCH,
		.window = 4,
		.random_seed = 7};

	raft_init(&node->raft, &config, lab->now_ms);
	node->last = node->durable;
	raft_restore(&node->raft, node->term, node->vote, node->base, node->base_term,
		node->conf_index, node->conf_index == 0 ? NULL : &node->conf);
	for (uint64_t i = node->base + 1; i <= node->last; i++) {
		const struct lab_entry *entry = &node->log[i];

		raft_restore_entry(
			&node->raft, &(struct raft_entry){entry->term, entry->type, &entry->conf});
	}
	raft_start(&node->raft, node->applied);
	node->up = true;
	node->effect_count = 0;
}

/* A node with a log: the configuration at index 1 in term 1, then data of the terms given, ended by
 * 0. */
static inline struct lab_node *lab_add(struct lab *lab, unsigned id, const struct raft_conf *conf,
	uint64_t term, const uint64_t *terms)
{
	struct lab_node *node = &lab->node[id];

	node->term = term;
	lab_store(node, 1, &(struct lab_entry){1, RAFT_CONF, *conf});
	for (; terms != NULL && *terms != 0; terms++)
		lab_store(node, node->last + 1,
			&(struct lab_entry){.term = *terms, .type = RAFT_DATA});
	node->durable = node->last;
	lab_boot(lab, id);
	return node;
}

/* Power loss, then a start. */
static inline void lab_restart(struct lab *lab, unsigned id)
{
	lab_boot(lab, id);
}

static inline void lab_tick(struct lab *lab, unsigned id)
{
	lab->node[id].effect_count = 0;
	raft_tick(&lab->node[id].raft, lab->now_ms);
	lab_after(lab, id, NULL);
}

/* Everybody has forgotten every leader. */
static inline void lab_wait(struct lab *lab, uint64_t ms)
{
	lab->now_ms += ms;
}

/* Let this node's election timeout pass now, for it alone. */
static inline void lab_time_out(struct lab *lab, unsigned id)
{
	lab->node[id].raft.deadline_ms = lab->now_ms;
	lab_tick(lab, id);
}

static inline void lab_receive_letter(struct lab *lab, const struct letter *letter)
{
	unsigned id = (unsigned)letter->message.to;
	struct lab_node *node = &lab->node[id];
	struct raft_entry entry[LAB_BATCH];

	for (unsigned i = 0; i < letter->message.entry_count; i++)
		entry[i] = (struct raft_entry){
			letter->entry[i].term, letter->entry[i].type, &letter->entry[i].conf};
	node->effect_count = 0;
	raft_receive(&node->raft, lab->now_ms, &letter->message, entry);
	lab_after(lab, id, letter);
}

/* A message made by the test; data entries of the terms given, ended by 0. */
static inline void lab_receive(
	struct lab *lab, const struct raft_message *message, const uint64_t *terms)
{
	struct letter letter = {.message = *message};

	for (; terms != NULL && *terms != 0; terms++)
		letter.entry[letter.message.entry_count++] =
			(struct lab_entry){.term = *terms, .type = RAFT_DATA};
	lab_receive_letter(lab, &letter);
}

/* ---- the box */

static inline struct letter lab_take(struct lab *lab, unsigned at)
{
	struct letter letter = lab->box[at];

	lab->box_count--;
	memmove(&lab->box[at], &lab->box[at + 1], (lab->box_count - at) * sizeof lab->box[0]);
	return letter;
}

/* Deliver until nothing is left; cut links and absent nodes lose what is sent to them. */
static inline void lab_deliver_all(struct lab *lab)
{
	for (unsigned rounds = 0; lab->box_count > 0; rounds++) {
		struct letter letter = lab_take(lab, 0);

		assert_true(rounds < 10000); /* else messages multiply */
		if (lab->node[letter.message.to].up &&
			!lab->cut[letter.message.from][letter.message.to])
			lab_receive_letter(lab, &letter);
	}
}

static inline void lab_lose_all(struct lab *lab)
{
	lab->box_count = 0;
}

static inline void lab_isolate(struct lab *lab, unsigned id, bool cut)
{
	for (unsigned i = 1; i <= LAB_NODES; i++)
		lab->cut[i][id] = lab->cut[id][i] = cut;
}

/* Time passes for all, in ticks, with all messages delivered. */
static inline void lab_run(struct lab *lab, uint64_t ms)
{
	for (uint64_t until_ms = lab->now_ms + ms; lab->now_ms < until_ms;) {
		lab->now_ms += 10;
		for (unsigned i = 1; i <= LAB_NODES; i++) {
			if (lab->node[i].up)
				lab_tick(lab, i);
		}
		lab_deliver_all(lab);
	}
}

/* The newest message of a kind that the newest call sent to `to`, or NULL. */
static inline const struct raft_message *lab_sent(
	const struct lab_node *node, enum raft_message_kind kind, uint64_t to)
{
	for (unsigned i = node->effect_count; i-- > 0;) {
		const struct raft_effect *effect = &node->effect[i];

		if (effect->kind == RAFT_SEND && effect->message.kind == kind &&
			effect->message.to == to)
			return &effect->message;
	}
	return NULL;
}

static inline unsigned lab_count(const struct lab_node *node, enum raft_effect_kind kind)
{
	unsigned count = 0;

	for (unsigned i = 0; i < node->effect_count; i++)
		count += node->effect[i].kind == kind;
	return count;
}

/* ---- wishes */

static inline enum raft_status lab_propose(
	struct lab *lab, unsigned id, const struct raft_conf *conf)
{
	struct lab_node *node = &lab->node[id];
	struct lab_entry entry = {.type = conf == NULL ? RAFT_DATA : RAFT_CONF};
	uint64_t index;
	enum raft_status status;

	node->effect_count = 0;
	status = raft_propose(&node->raft, conf, &index, &entry.term);
	if (status != RAFT_OK)
		return status;
	if (conf != NULL)
		entry.conf = *conf;
	lab_store(node, index, &entry);
	raft_flush(&node->raft);
	lab_after(lab, id, NULL);
	return RAFT_OK;
}

/* Make `id` the leader with the votes of all that it can reach; what it sends then waits in the
 * box. */
static inline void lab_elect(struct lab *lab, unsigned id)
{
	struct lab_node *node = &lab->node[id];

	lab_wait(lab, 2 * LAB_ELECTION);
	lab_time_out(lab, id);
	while (lab->box_count > 0 && node->raft.role != RAFT_LEADER) {
		struct letter letter = lab_take(lab, 0);

		if (lab->node[letter.message.to].up &&
			!lab->cut[letter.message.from][letter.message.to])
			lab_receive_letter(lab, &letter);
	}
	assert_int_equal(node->raft.role, RAFT_LEADER);
}

/* Grant whatever `id` asks, in the name of member `from`, until it leads; for a node alone on the
 * table. */
static inline void lab_elect_alone(struct lab *lab, unsigned id, unsigned from)
{
	struct lab_node *node = &lab->node[id];

	lab_wait(lab, 2 * LAB_ELECTION);
	lab_time_out(lab, id);
	for (int pre_vote = 1; pre_vote >= 0; pre_vote--) {
		const struct raft_message *asked = lab_sent(node, RAFT_VOTE, from);

		assert_non_null(asked);
		lab_receive(lab,
			&(struct raft_message){.kind = RAFT_VOTE_REPLY,
				.from = from,
				.to = id,
				.term = asked->term,
				.pre_vote = asked->pre_vote,
				.ok = true},
			NULL);
	}
	lab_lose_all(lab);
	assert_int_equal(node->raft.role, RAFT_LEADER);
}

static inline struct raft_message lab_append(
	unsigned from, unsigned to, uint64_t term, uint64_t index, uint64_t log_term)
{
	return (struct raft_message){.kind = RAFT_APPEND,
		.from = from,
		.to = to,
		.term = term,
		.index = index,
		.log_term = log_term};
}

/* A peer acknowledges up to `index` durably and `prev` in memory. */
static inline void lab_acknowledge(
	struct lab *lab, unsigned from, unsigned to, uint64_t index, uint64_t prev)
{
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_APPEND_REPLY,
			.from = from,
			.to = to,
			.term = lab->node[to].raft.term,
			.index = index,
			.prev = prev,
			.ok = true,
			.stamp_ms = lab->now_ms},
		NULL);
}

static inline void lab_reject(
	struct lab *lab, unsigned from, unsigned to, uint64_t retry, uint64_t prev)
{
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_APPEND_REPLY,
			.from = from,
			.to = to,
			.term = lab->node[to].raft.term,
			.index = retry,
			.prev = prev},
		NULL);
}

#endif
