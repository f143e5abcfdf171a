/* tests/sim/raft/sim_check.c: what must never happen, as the thesis names it (3.6.3), and what the
 * core promises. */
#include "tests/sim/raft/sim.h"

/* The record of a term, which is remembered for the whole run. */
static void see_term(struct sim *sim, uint64_t term)
{
	if (term >= SIM_TERMS_MAX)
		sim_fail(sim, SIM_CONTRACT, "term %llu is absurd", (unsigned long long)term);
	if (term > sim->term_last)
		sim->term_last = term;
}

/* Log matching: an entry stands behind its parent, wherever it is. */
void sim_check_stored(struct sim *sim, const struct sim_node *node, uint64_t index)
{
	const struct sim_entry *entry = &sim->entry[node->log[index]];

	if (entry->index != index)
		sim_fail(sim, SIM_LOG_MATCHING, "n%u stores at %llu what belongs to %llu",
			node->at + 1, (unsigned long long)index, (unsigned long long)entry->index);
	if (index > 1 && node->log[index - 1] != entry->parent)
		sim_fail(sim, SIM_LOG_MATCHING, "n%u stores %llu of term %llu behind another entry",
			node->at + 1, (unsigned long long)index, (unsigned long long)entry->term);
	if (raft_term_at(&node->raft, index) != 0 && index == node->raft.last &&
		raft_term_at(&node->raft, index) != entry->term)
		sim_fail(sim, SIM_CONTRACT, "n%u: the core's terms differ from its log",
			node->at + 1);
}

/* State machine safety: one entry per index, for ever and on all nodes. */
void sim_check_apply(struct sim *sim, const struct sim_node *node, uint32_t entry)
{
	uint64_t index = node->applied + 1;

	if (index <= sim->history_last) {
		if (sim->history[index] != entry)
			sim_fail(sim, SIM_STATE_MACHINE_SAFETY, "n%u applies another entry at %llu",
				node->at + 1, (unsigned long long)index);
		return;
	}
	if (index != sim->history_last + 1)
		sim_fail(sim, SIM_STATE_MACHINE_SAFETY, "n%u skips entries", node->at + 1);
	sim->history[index] = entry;
	sim->history_digest[index] = sim_mix(sim->history_digest[index - 1], entry);
	sim->history_last = index;
}

void sim_check_state(struct sim *sim, const struct sim_state *state)
{
	if (state->index > sim->history_last ||
		sim->history_digest[state->index] != state->digest ||
		sim->history[state->index] != state->entry)
		sim_fail(sim, SIM_STATE_MACHINE_SAFETY, "a snapshot of another history at %llu",
			(unsigned long long)state->index);
}

/* Election safety and leader completeness, when a node has come to lead. A sole voter leads before
 * its vote is durable; that counts from when it is, since nothing leaves the node before. */
void sim_check_leader(struct sim *sim, struct sim_node *node)
{
	const struct raft *raft = &node->raft;

	if (raft->role != RAFT_LEADER || node->lead_term == raft->term ||
		node->disk.term < raft->term)
		return;
	node->lead_term = raft->term;
	see_term(sim, raft->term);
	sim->counts.elections++;
	if (sim->term[raft->term].leader != 0)
		sim_fail(sim, SIM_ELECTION_SAFETY, "n%u and n%u lead in term %llu", node->at + 1,
			sim->term[raft->term].leader, (unsigned long long)raft->term);
	sim->term[raft->term].leader = node->at + 1;
	for (uint64_t term = 1; term < raft->term; term++) {
		uint64_t index = sim->term[term].committed;

		if (index == 0 || index < raft->base)
			continue;
		if (index > node->last ||
			(index <= sim->history_last && sim->history[index] != node->log[index]))
			sim_fail(sim, SIM_LEADER_COMPLETENESS,
				"n%u leads term %llu without entry %llu, committed in term %llu",
				node->at + 1, (unsigned long long)raft->term,
				(unsigned long long)index, (unsigned long long)term);
	}
}

static bool is_on_disk(
	const struct sim *sim, const struct sim_node *node, uint64_t index, uint32_t entry)
{
	const struct sim_disk *disk = &node->disk;

	if (index <= disk->base)
		return index <= sim->history_last && sim->history[index] == entry;
	return index <= disk->last && disk->log[index] == entry;
}

/* Durability: what a leader takes as committed is on the disks of a majority of its voters [P2]. */
void sim_check_commit(struct sim *sim, struct sim_node *node)
{
	const struct raft_conf *conf = raft_conf_in_force(&node->raft, NULL);
	uint64_t commit = node->raft.commit;
	unsigned voters = 0, copies = 0;
	uint32_t entry;

	if (commit <= node->checked_commit)
		return;
	node->checked_commit = commit;
	if (node->raft.role != RAFT_LEADER)
		return;
	see_term(sim, node->raft.term);
	sim->term[node->raft.term].committed = commit;
	entry = node->log[commit];
	for (unsigned i = 0; i < conf->count; i++) {
		if (!conf->member[i].voter)
			continue;
		voters++;
		copies += is_on_disk(sim, &sim->node[conf->member[i].id - 1], commit, entry);
	}
	if (copies <= voters / 2)
		sim_fail(sim, SIM_DURABILITY, "n%u commits %llu, which %u of %u disks hold",
			node->at + 1, (unsigned long long)commit, copies, voters);
}

/* One durable vote per term, for candidates' own votes too. */
static void check_vote(struct sim *sim, unsigned voter, uint64_t term, uint64_t candidate)
{
	const struct sim_disk *disk = &sim->node[voter].disk;
	unsigned *voted_for;

	see_term(sim, term);
	voted_for = &sim->term[term].voted_for[voter];
	if (*voted_for != 0 && *voted_for != candidate)
		sim_fail(sim, SIM_ELECTION_SAFETY, "n%u votes for n%u and n%llu in term %llu",
			voter + 1, *voted_for, (unsigned long long)candidate,
			(unsigned long long)term);
	*voted_for = (unsigned)candidate;
	if (disk->term < term || (disk->term == term && disk->vote != candidate))
		sim_fail(sim, SIM_DURABILITY, "n%u votes in term %llu before it is saved",
			voter + 1, (unsigned long long)term);
}

/* A follower's acknowledgement: durable there, and the same entry as in its leader's log. */
static void check_acknowledgement(struct sim *sim, const struct sim_message *message)
{
	const struct sim_node *node = &sim->node[message->from];
	const struct sim_node *leader = &sim->node[message->to];
	const struct raft_message *raft = &message->raft;

	if (!raft->ok || raft->index == 0 || raft->term != node->raft.term)
		return;
	if (raft->index > node->disk.last)
		sim_fail(sim, SIM_DURABILITY, "n%u acknowledges %llu, its disk ends at %llu",
			node->at + 1, (unsigned long long)raft->index,
			(unsigned long long)node->disk.last);
	if (!sim_host_leads(leader) || leader->raft.term != raft->term)
		return;
	if (raft->index > leader->last || raft->index < leader->raft.base ||
		raft->index < node->disk.base)
		return;
	if (leader->log[raft->index] != node->disk.log[raft->index])
		sim_fail(sim, SIM_DURABILITY,
			"n%u acknowledges %llu, which differs from the leader's", node->at + 1,
			(unsigned long long)raft->index);
}

/* A message is about to leave its node. */
void sim_check_message(struct sim *sim, const struct sim_message *message)
{
	const struct raft_message *raft = &message->raft;

	if (message->kind != SIM_RAFT)
		return;
	if (sim->node[message->from].disk.term < raft->term && !raft->pre_vote)
		sim_fail(sim, SIM_DURABILITY, "n%u speaks in term %llu before it is saved",
			message->from + 1, (unsigned long long)raft->term);
	if (raft->kind == RAFT_VOTE && !raft->pre_vote)
		check_vote(sim, message->from, raft->term, raft->from);
	if (raft->kind == RAFT_VOTE_REPLY && !raft->pre_vote && raft->ok)
		check_vote(sim, message->from, raft->term, raft->to);
	if (raft->kind == RAFT_APPEND_REPLY)
		check_acknowledgement(sim, message);
}

/* While one node holds a lease, none leads a newer term. */
void sim_check_leases(struct sim *sim)
{
	for (unsigned i = 0; i < sim->options.nodes; i++) {
		const struct sim_node *node = &sim->node[i];

		if (!sim_host_leads(node))
			continue;
		sim->counts.leader_ms++;
		if (raft_lease_until_ms(&node->raft, SIM_DRIFT_MS) <= node->clock_ms)
			continue;
		sim->counts.lease_ms++;
		for (unsigned k = 0; k < sim->options.nodes && sim->lease_checked; k++) {
			if (sim_host_leads(&sim->node[k]) &&
				sim->node[k].raft.term > node->raft.term)
				sim_fail(sim, SIM_LEASE,
					"n%u holds a lease in term %llu, n%u leads term %llu",
					i + 1, (unsigned long long)node->raft.term, k + 1,
					(unsigned long long)sim->node[k].raft.term);
		}
	}
}

static const struct sim_node *newest_leader(const struct sim *sim)
{
	const struct sim_node *leader = NULL;

	for (unsigned i = 0; i < sim->options.nodes; i++) {
		const struct sim_node *node = &sim->node[i];

		if (sim_host_leads(node) && (leader == NULL || node->raft.term > leader->raft.term))
			leader = node;
	}
	return leader;
}

/* A member that differs from the leader, or NULL. */
static const struct sim_node *laggard(const struct sim *sim, const struct sim_node *leader)
{
	const struct raft_conf *conf = raft_conf_in_force(&leader->raft, NULL);

	for (unsigned i = 0; i < conf->count; i++) {
		const struct sim_node *node = &sim->node[conf->member[i].id - 1];

		if (node->applied != leader->applied || node->state.digest != leader->state.digest)
			return node;
	}
	return NULL;
}

bool sim_check_is_converged(const struct sim *sim)
{
	const struct sim_node *leader = newest_leader(sim);

	return leader != NULL && leader->applied >= sim->history_last &&
	       laggard(sim, leader) == NULL;
}

/* At rest: one leader, and all members have applied the same, all that ever was. */
void sim_check_converged(struct sim *sim)
{
	const struct sim_node *leader = newest_leader(sim), *node;

	if (leader == NULL)
		sim_fail(sim, SIM_STUCK, "no leader at the end");
	if (leader->applied < sim->history_last)
		sim_fail(sim, SIM_LEADER_COMPLETENESS, "the last leader has applied %llu of %llu",
			(unsigned long long)leader->applied, (unsigned long long)sim->history_last);
	node = laggard(sim, leader);
	if (node != NULL)
		sim_fail(sim, SIM_NOT_CONVERGED, "n%u has applied %llu, the leader n%u %llu",
			node->at + 1, (unsigned long long)node->applied, leader->at + 1,
			(unsigned long long)leader->applied);
}
