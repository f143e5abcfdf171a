/* store/raft/raft_follow.c: the follower's side: entries and snapshots that arrive from a leader.
 * Pure.
 *
 * Nothing is acknowledged beyond min(stored, verified): what is durable here, and known to match
 * this term's leader. An old leader's tail is durable and not verified; a fresh entry is verified
 * and not yet durable.
 */
#include "store/raft/raft_internal.h"

/* retry: the index to send from; 0 only makes the sender learn the term. */
static void reject(
	struct raft *raft, const struct raft_message *message, uint64_t retry, uint64_t stamp_ms)
{
	struct raft_message *reply = raft_emit_message(raft, RAFT_APPEND_REPLY, message->from);

	reply->index = retry;
	reply->prev = message->index;
	reply->stamp_ms = stamp_ms;
}

void raft_follow_acknowledge(struct raft *raft, uint64_t to, uint64_t stamp_ms)
{
	struct raft_message *reply = raft_emit_message(raft, RAFT_APPEND_REPLY, to);

	reply->ok = true;
	reply->index = raft->stored < raft->verified ? raft->stored : raft->verified;
	reply->prev = raft->verified;
	reply->stamp_ms = stamp_ms;
}

/* Take `from` as the leader of `term`, which is not below ours. False: no correct peer says so. */
bool raft_follow_adopt(struct raft *raft, uint64_t from, uint64_t term)
{
	assert(term >= raft->term);
	if (term == raft->term &&
		(raft->role == RAFT_LEADER || (raft->leader != 0 && raft->leader != from))) {
		raft->dropped++;
		return false;
	}
	if (term > raft->term || raft->role != RAFT_FOLLOWER || raft->leader != from)
		raft_elect_step_down(raft, term, from);
	raft->heard_leader_ms = raft->now_ms;
	raft_elect_arm(raft);
	return true;
}

static bool entries_are_sound(const struct raft_message *message, const struct raft_entry *entry)
{
	uint64_t term = message->log_term;

	if ((message->index == 0) != (message->log_term == 0) || term > message->term)
		return false;
	if (message->entry_count > 0 && entry == NULL)
		return false;
	for (unsigned i = 0; i < message->entry_count; i++) {
		if (entry[i].term < term || entry[i].term == 0 || entry[i].term > message->term)
			return false;
		if (entry[i].type == RAFT_CONF) {
			if (!raft_member_is_sound(entry[i].conf))
				return false;
		} else if (entry[i].type != RAFT_NOOP && entry[i].type != RAFT_DATA) {
			return false;
		}
		term = entry[i].term;
	}
	return true;
}

/* Does our log hold the entry before the new ones? If not, say where to go on from. */
static bool prefix_matches(struct raft *raft, const struct raft_message *message)
{
	uint64_t term = raft_term_at(raft, message->index);
	uint64_t hint;

	if (term == message->log_term)
		return true;
	if (message->index <= raft->commit || message->index <= raft->verified) {
		raft->dropped++; /* a committed entry never differs */
		return false;
	}
	hint = term == 0 ? raft->last : raft_log_run_start(raft, message->index) - 1;
	if (hint < raft->commit)
		hint = raft->commit;
	if (hint < raft->verified)
		hint = raft->verified;
	if (hint >= message->index)
		hint = message->index - 1;
	reject(raft, message, hint + 1, message->stamp_ms);
	return false;
}

/* Store what is new, cutting what conflicts. False: not now, or not from a correct peer. */
static bool take_entries(
	struct raft *raft, uint64_t first, const struct raft_entry *entry, unsigned entry_count)
{
	unsigned known = 0;
	struct raft_effect *effect;

	while (known < entry_count && first + known <= raft->last &&
		raft_term_at(raft, first + known) == entry[known].term)
		known++;
	first += known;
	entry += known;
	entry_count -= known;
	if (entry_count == 0)
		return true;
	/* Terms rise within the message, but it may have begun below our base. */
	if (entry[0].term < raft_term_at(raft, first - 1) ||
		!raft_log_has_room(raft, first, entry, entry_count)) {
		raft->dropped++;
		return false;
	}
	if (first <= raft->last) {
		if (first <= raft->commit || first <= raft->verified ||
			!raft_member_can_roll_back(raft, first)) {
			raft->dropped++;
			return false;
		}
		raft_log_cut(raft, first);
		raft_emit(raft, RAFT_DO_TRUNCATE)->index = first;
	}
	for (unsigned i = 0; i < entry_count; i++) {
		raft_log_push(raft, entry[i].term);
		if (entry[i].type == RAFT_CONF)
			raft_member_push(raft, raft->last, entry[i].conf);
	}
	effect = raft_emit(raft, RAFT_STORE);
	effect->index = first;
	effect->count = entry_count;
	return true;
}

static void learn_commit(struct raft *raft, uint64_t verified, uint64_t commit)
{
	if (verified > raft->verified)
		raft->verified = verified;
	assert(raft->verified <= raft->last);
	if (commit > raft->verified)
		commit = raft->verified;
	if (commit > raft->commit)
		raft->commit = commit;
}

void raft_follow_on_append(
	struct raft *raft, const struct raft_message *message, const struct raft_entry *entry)
{
	uint64_t first = message->index + 1, last = raft->last;
	uint64_t end = message->index + message->entry_count;
	unsigned covered = 0; /* entries up to base: committed, so they match */

	if (!entries_are_sound(message, entry)) {
		raft->dropped++;
		return;
	}
	if (message->term < raft->term) {
		reject(raft, message, 0, 0);
		return;
	}
	if (!raft_follow_adopt(raft, message->from, message->term))
		return;
	if (message->stamp_ms > raft->leader_stamp_ms)
		raft->leader_stamp_ms = message->stamp_ms;
	if (raft->installing) {
		raft_follow_acknowledge(raft, message->from, message->stamp_ms);
		return;
	}
	if (message->index < raft->base) {
		uint64_t below = raft->base - message->index;

		covered = below < message->entry_count ? (unsigned)below : message->entry_count;
	} else if (!prefix_matches(raft, message)) {
		return;
	}
	if (covered < message->entry_count && !take_entries(raft, first + covered, entry + covered,
						      message->entry_count - covered))
		return;
	learn_commit(raft, end > raft->base ? end : raft->base, message->commit);
	/* New entries are acknowledged when they are durable: raft_stored(). */
	if (raft->last == last)
		raft_follow_acknowledge(raft, message->from, message->stamp_ms);
}

bool raft_install_begin(struct raft *raft, uint64_t now_ms, const struct raft_message *message)
{
	assert(raft != NULL && message != NULL && raft->effect_count == 0);
	if (now_ms > raft->now_ms)
		raft->now_ms = now_ms;
	if (message->kind != RAFT_SNAPSHOT || message->from == 0 ||
		message->from == raft->config.id || message->to != raft->config.id ||
		message->term > RAFT_NUMBER_MAX || message->index > RAFT_NUMBER_MAX ||
		message->index == 0 || message->log_term == 0 ||
		message->log_term > message->term) {
		raft->dropped++;
		return false;
	}
	if (message->term < raft->term) {
		reject(raft, message, 0, 0);
		return false;
	}
	if (!raft_follow_adopt(raft, message->from, message->term) || raft->installing)
		return false;
	if (message->index <= raft->commit ||
		raft_term_at(raft, message->index) == message->log_term) {
		/* All of it is here. What follows it may be committed on the strength of our
		 * acknowledgement: keep it. */
		learn_commit(raft, message->index, message->index);
		raft_follow_acknowledge(raft, message->from, raft->leader_stamp_ms);
		return false;
	}
	if (raft->stored < raft->last)
		return false; /* writes in flight; the leader tries again */
	raft->installing = true;
	return true;
}

void raft_heard_leader(struct raft *raft, uint64_t now_ms, uint64_t from, uint64_t term)
{
	assert(raft != NULL && raft->effect_count == 0);
	if (now_ms > raft->now_ms)
		raft->now_ms = now_ms;
	if (from == 0 || from == raft->config.id || term == 0 || term > RAFT_NUMBER_MAX) {
		raft->dropped++;
		return;
	}
	if (term >= raft->term)
		(void)raft_follow_adopt(raft, from, term);
}

void raft_installed(struct raft *raft, uint64_t base, uint64_t base_term, uint64_t conf_index,
	const struct raft_conf *conf)
{
	assert(raft != NULL && raft->effect_count == 0 && raft->installing);
	assert(base >= raft->commit && conf_index <= base);
	assert(base_term > 0 && base_term <= raft->term);
	assert(raft_member_is_sound(conf));
	raft->installing = false;
	raft->base = raft->last = raft->stored = raft->commit = base;
	raft->base_term = base_term;
	raft->run_count = 0;
	raft->conf_count = 1;
	raft->conf[0].index = conf_index;
	raft->conf[0].conf = *conf;
	raft->verified = base; /* committed, so every leader has it */
	raft_elect_arm(raft);
	if (raft->role == RAFT_FOLLOWER && raft->leader != 0)
		raft_follow_acknowledge(raft, raft->leader, raft->leader_stamp_ms);
}
