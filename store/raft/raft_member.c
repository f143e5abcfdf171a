/* store/raft/raft_member.c: configurations: who votes, which change is allowed, and rollback. Pure.
 *
 * A configuration is in force as soon as it is in the log (thesis 4.1). The one before is kept,
 * because a new leader may cut the newest from the log; it is committed by then, since no leader
 * starts a change before the last one is.
 */
#include "store/raft/raft_internal.h"

const struct raft_conf *raft_member_conf(const struct raft *raft)
{
	return &raft->conf[raft->conf_count - 1].conf;
}

int raft_member_find(const struct raft_conf *conf, uint64_t id)
{
	for (unsigned i = 0; i < conf->count; i++) {
		if (conf->member[i].id == id)
			return (int)i;
	}
	return -1;
}

bool raft_conf_is_voter(const struct raft_conf *conf, uint64_t id)
{
	int at;

	assert(conf != NULL);
	at = raft_member_find(conf, id);
	return at >= 0 && conf->member[at].voter;
}

unsigned raft_member_voters(const struct raft_conf *conf)
{
	unsigned count = 0;

	for (unsigned i = 0; i < conf->count; i++)
		count += conf->member[i].voter;
	return count;
}

/* Fit to be stored at all: a bounded list of distinct ids, one voter at least. */
bool raft_member_is_sound(const struct raft_conf *conf)
{
	if (conf == NULL || conf->count > RAFT_MEMBERS_MAX)
		return false;
	for (unsigned i = 0; i < conf->count; i++) {
		if (conf->member[i].id == 0 || raft_member_find(conf, conf->member[i].id) != (int)i)
			return false;
	}
	return raft_member_voters(conf) > 0;
}

/* At most one voter comes or goes, so that any two majorities overlap (thesis 4.1). */
bool raft_member_change_allowed(const struct raft_conf *from, const struct raft_conf *to)
{
	unsigned changed = 0;

	if (!raft_member_is_sound(to))
		return false;
	for (unsigned i = 0; i < to->count; i++)
		changed += to->member[i].voter && !raft_conf_is_voter(from, to->member[i].id);
	for (unsigned i = 0; i < from->count; i++)
		changed += from->member[i].voter && !raft_conf_is_voter(to, from->member[i].id);
	return changed <= 1;
}

/* Is the configuration in force not known to be committed? */
bool raft_member_pending(const struct raft *raft)
{
	return raft->conf[raft->conf_count - 1].index > raft->commit;
}

void raft_member_push(struct raft *raft, uint64_t index, const struct raft_conf *conf)
{
	assert(index > raft->conf[raft->conf_count - 1].index);
	assert(raft_member_is_sound(conf));
	if (raft->conf_count == 2) {
		raft->conf[0] = raft->conf[1];
		raft->conf_count = 1;
	}
	raft->conf[raft->conf_count].index = index;
	raft->conf[raft->conf_count].conf = *conf;
	raft->conf_count++;
}

/* Is a configuration left when the log is cut at `from`? */
bool raft_member_can_roll_back(const struct raft *raft, uint64_t from)
{
	return raft->conf[0].index < from;
}

void raft_member_roll_back(struct raft *raft, uint64_t from)
{
	if (raft->conf_count == 2 && raft->conf[1].index >= from)
		raft->conf_count = 1;
	assert(raft->conf[raft->conf_count - 1].index < from);
}

uint64_t raft_member_quorum(const struct raft_conf *conf, const uint64_t *value)
{
	uint64_t sorted[RAFT_MEMBERS_MAX] = {0}; /* descending */
	unsigned count = 0;

	for (unsigned i = 0; i < conf->count; i++) {
		unsigned at = count;

		if (!conf->member[i].voter)
			continue;
		for (; at > 0 && sorted[at - 1] < value[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = value[i];
		count++;
	}
	return sorted[count / 2];
}

const struct raft_conf *raft_conf_in_force(const struct raft *raft, uint64_t *ret_index)
{
	assert(raft != NULL);
	if (ret_index != NULL)
		*ret_index = raft->conf[raft->conf_count - 1].index;
	return raft_member_conf(raft);
}
