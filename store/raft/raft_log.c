/* store/raft/raft_log.c: the log as the core knows it: runs of entries with equal terms. Pure. */
#include "store/raft/raft_internal.h"

#include <stdlib.h>
#include <string.h>

uint64_t raft_term_at(const struct raft *raft, uint64_t index)
{
	assert(raft != NULL);
	if (index == raft->base)
		return raft->base_term;
	if (index < raft->base || index > raft->last)
		return 0;
	for (unsigned i = raft->run_count; i-- > 0;) {
		if (raft->run[i].first <= index)
			return raft->run[i].term;
	}
	abort(); /* the runs cover the log */
}

/* Append one entry. The caller has made sure that a run is free (raft_log_has_room). */
void raft_log_push(struct raft *raft, uint64_t term)
{
	unsigned count = raft->run_count;
	uint64_t newest = count > 0 ? raft->run[count - 1].term : raft->base_term;

	assert(term >= newest && term > 0);
	raft->last++;
	if (count > 0 && newest == term)
		return;
	assert(count < RAFT_RUNS_MAX);
	raft->run[count].first = raft->last;
	raft->run[count].term = term;
	raft->run_count = count + 1;
}

/* Drop the entries from `from` on, and the configuration among them. */
void raft_log_cut(struct raft *raft, uint64_t from)
{
	assert(from > raft->commit && from > raft->base && from <= raft->last);
	assert(raft_member_can_roll_back(raft, from));
	raft->last = from - 1;
	while (raft->run_count > 0 && raft->run[raft->run_count - 1].first >= from)
		raft->run_count--;
	if (raft->stored > raft->last)
		raft->stored = raft->last;
	raft_member_roll_back(raft, from);
}

/* The first index that has the term of `index`, as far as the log reaches back. */
uint64_t raft_log_run_start(const struct raft *raft, uint64_t index)
{
	for (unsigned i = raft->run_count; i-- > 0;) {
		if (raft->run[i].first <= index)
			return raft->run[i].first;
	}
	return raft->base;
}

/* Would the run table hold these entries at `first`, once what follows there is cut? */
bool raft_log_has_room(const struct raft *raft, uint64_t first, const struct raft_entry *entry,
	unsigned entry_count)
{
	unsigned runs = raft->run_count;
	uint64_t term;

	while (runs > 0 && raft->run[runs - 1].first >= first)
		runs--;
	term = runs > 0 ? raft->run[runs - 1].term : 0;
	for (unsigned i = 0; i < entry_count; i++) {
		if (entry[i].term != term)
			runs++;
		term = entry[i].term;
	}
	return runs <= RAFT_RUNS_MAX;
}

void raft_compact(struct raft *raft, uint64_t index)
{
	unsigned gone = 0;

	assert(raft != NULL && index <= raft_applicable(raft));
	if (index <= raft->base)
		return;
	raft->base_term = raft_term_at(raft, index);
	raft->base = index;
	while (gone + 1 < raft->run_count && raft->run[gone + 1].first <= index + 1)
		gone++;
	raft->run_count -= gone;
	memmove(raft->run, raft->run + gone, raft->run_count * sizeof raft->run[0]);
	if (raft->last == raft->base)
		raft->run_count = 0;
	else if (raft->run[0].first <= index)
		raft->run[0].first = index + 1;
}

uint64_t raft_applicable(const struct raft *raft)
{
	assert(raft != NULL);
	return raft->commit < raft->stored ? raft->commit : raft->stored;
}
