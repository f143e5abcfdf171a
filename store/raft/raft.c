/* store/raft/raft.c: the Raft core's entry points and its queue of effects. Pure. */
#include "store/raft/raft_internal.h"

#include <string.h>

/* ---- effects and chance */

struct raft_effect *raft_emit(struct raft *raft, enum raft_effect_kind kind)
{
	struct raft_effect *effect;

	if (raft->effect_count == 0)
		raft->effect_first = 0;
	assert(raft->effect_first + raft->effect_count < RAFT_EFFECTS_MAX);
	effect = &raft->effect[raft->effect_first + raft->effect_count++];
	*effect = (struct raft_effect){.kind = kind, .term = raft->term, .vote = raft->vote};
	return effect;
}

/* A message in our present term; the caller fills in the rest. */
struct raft_message *raft_emit_message(struct raft *raft, enum raft_message_kind kind, uint64_t to)
{
	struct raft_effect *effect = raft_emit(raft, RAFT_SEND);

	assert(to != 0 && to != raft->config.id);
	effect->to = to;
	effect->message.kind = kind;
	effect->message.from = raft->config.id;
	effect->message.to = to;
	effect->message.term = raft->term;
	return &effect->message;
}

bool raft_next_effect(struct raft *raft, struct raft_effect *ret_effect)
{
	assert(raft != NULL && ret_effect != NULL);
	if (raft->effect_count == 0)
		return false;
	*ret_effect = raft->effect[raft->effect_first++];
	raft->effect_count--;
	return true;
}

/* splitmix64 (Steele, Lea, Flood 2014): one word of state, fit for timeouts. */
uint64_t raft_random(struct raft *raft, uint64_t bound)
{
	uint64_t z = raft->random_state += UINT64_C(0x9e3779b97f4a7c15);

	assert(bound > 0);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % bound;
}

/* ---- start */

void raft_init(struct raft *raft, const struct raft_config *config, uint64_t now_ms)
{
	assert(raft != NULL && config != NULL && config->id != 0);
	assert(config->heartbeat_ms > 0 && config->election_ms > config->heartbeat_ms);
	assert(config->entries_max > 0 && config->window > 0 && config->window <= RAFT_WINDOW_MAX);
	memset(raft, 0, sizeof *raft);
	raft->config = *config;
	raft->now_ms = now_ms;
	raft->random_state = config->random_seed ^ config->id * UINT64_C(0xd1342543de82ef95);
	raft->conf_count = 1;
}

void raft_restore(struct raft *raft, uint64_t term, uint64_t vote, uint64_t base,
	uint64_t base_term, uint64_t conf_index, const struct raft_conf *conf)
{
	assert(raft != NULL && (base == 0) == (base_term == 0) && term >= base_term);
	assert(conf == NULL || raft_member_is_sound(conf));
	raft->term = term;
	raft->vote = vote;
	raft->base = raft->last = base;
	raft->base_term = base_term;
	if (conf != NULL) {
		raft->conf[0].index = conf_index;
		raft->conf[0].conf = *conf;
	}
}

void raft_restore_entry(struct raft *raft, const struct raft_entry *entry)
{
	assert(raft != NULL && entry != NULL && entry->term <= raft->term);
	raft_log_push(raft, entry->term);
	/* Entries at or before the configuration that was restored add nothing to it. */
	if (entry->type == RAFT_CONF && raft->last > raft->conf[raft->conf_count - 1].index)
		raft_member_push(raft, raft->last, entry->conf);
}

void raft_start(struct raft *raft, uint64_t commit)
{
	const struct raft_conf *conf = raft_member_conf(raft);

	assert(raft != NULL && commit >= raft->base && commit <= raft->last);
	raft->stored = raft->last;
	raft->commit = commit;
	/* Just before the restart this node may have helped a leader to a lease. */
	raft->heard_leader_ms = raft->now_ms;
	raft_elect_arm(raft);
	if (!raft_member_pending(raft) && raft_member_voters(conf) == 1 &&
		raft_conf_is_voter(conf, raft->config.id))
		raft->deadline_ms = raft->now_ms; /* alone: nobody to wait for */
}

/* ---- input */

static void see_time(struct raft *raft, uint64_t now_ms)
{
	if (now_ms > raft->now_ms)
		raft->now_ms = now_ms;
}

void raft_tick(struct raft *raft, uint64_t now_ms)
{
	assert(raft != NULL && raft->effect_count == 0);
	see_time(raft, now_ms);
	if (raft->role == RAFT_LEADER)
		raft_lead_tick(raft);
	else
		raft_elect_tick(raft);
}

/* Could any correct peer have sent this? Checks that hold for every kind of message. */
static bool is_plausible(const struct raft *raft, const struct raft_message *message)
{
	return message->to == raft->config.id && message->from != 0 &&
	       message->from != raft->config.id && message->term <= RAFT_NUMBER_MAX &&
	       message->index <= RAFT_NUMBER_MAX && message->prev <= RAFT_NUMBER_MAX &&
	       (message->term > 0 || message->kind == RAFT_VOTE_REPLY ||
		       message->kind == RAFT_APPEND_REPLY);
}

void raft_receive(struct raft *raft, uint64_t now_ms, const struct raft_message *message,
	const struct raft_entry *entry)
{
	assert(raft != NULL && message != NULL && raft->effect_count == 0);
	see_time(raft, now_ms);
	if (!is_plausible(raft, message)) {
		raft->dropped++;
		return;
	}
	switch (message->kind) {
	case RAFT_VOTE: raft_elect_on_vote(raft, message); break;
	case RAFT_VOTE_REPLY: raft_elect_on_vote_reply(raft, message); break;
	case RAFT_APPEND: raft_follow_on_append(raft, message, entry); break;
	case RAFT_APPEND_REPLY: raft_replicate_on_reply(raft, message); break;
	case RAFT_TIMEOUT_NOW: raft_elect_on_timeout_now(raft, message); break;
	case RAFT_SNAPSHOT:
	default: raft->dropped++; break;
	}
}

void raft_stored(struct raft *raft, uint64_t now_ms, uint64_t index)
{
	assert(raft != NULL && raft->effect_count == 0);
	see_time(raft, now_ms);
	if (raft->installing || index <= raft->stored)
		return;
	assert(index <= raft->last);
	raft->stored = index;
	if (raft->role == RAFT_LEADER)
		raft_replicate_advance_commit(raft);
	else if (raft->role == RAFT_FOLLOWER && raft->leader != 0)
		raft_follow_acknowledge(raft, raft->leader, raft->leader_stamp_ms);
}
