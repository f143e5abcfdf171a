/* store/raft/raft_elect.c: roles, terms and votes. Pure.
 *
 *              deadline            majority of pre-votes        majority of votes
 *   FOLLOWER ------------> PRECANDIDATE -------------> CANDIDATE -----------------> LEADER
 *       ^  |  RAFT_TIMEOUT_NOW (leadership transfer)        ^                          |
 *       |  +------------------------------------------------+                          |
 *       +-- a higher term, a leader of this term, E without a majority, removal -------+
 *
 * A node that hears from a leader neither votes nor moves its term (thesis 4.2.3), unless the
 * leader itself asked for the election. It votes whatever its own configuration says (thesis 4.2):
 * the candidate's may be newer.
 */
#include "store/raft/raft_internal.h"

void raft_elect_arm(struct raft *raft)
{
	raft->deadline_ms = raft->now_ms + raft->config.election_ms +
			    raft_random(raft, raft->config.election_ms);
}

void raft_elect_set_role(struct raft *raft, enum raft_role role, uint64_t leader)
{
	bool changed = raft->role != role || raft->leader != leader;

	raft->role = role;
	raft->leader = leader;
	if (changed)
		raft_emit(raft, RAFT_ROLE_CHANGED);
}

static void set_term(struct raft *raft, uint64_t term, uint64_t vote)
{
	assert(term > raft->term || (term == raft->term && raft->vote == 0));
	if (term > raft->term) {
		raft->verified = 0;
		raft->leader_stamp_ms = 0;
	}
	raft->term = term;
	raft->vote = vote;
	raft_emit(raft, RAFT_SAVE_VOTE);
}

void raft_elect_step_down(struct raft *raft, uint64_t term, uint64_t leader)
{
	assert(term >= raft->term);
	if (term > raft->term)
		set_term(raft, term, 0);
	if (raft->role != RAFT_FOLLOWER)
		raft_elect_arm(raft);
	raft->transfer_to = 0;
	raft_elect_set_role(raft, RAFT_FOLLOWER, leader);
}

/* One that loses its vote by a change that is not known to be committed may be the only one that
 * can still get the change committed (thesis 4.2.2). */
static bool may_campaign(const struct raft *raft)
{
	if (raft->run_count == RAFT_RUNS_MAX || raft->term >= RAFT_NUMBER_MAX)
		return false;
	if (raft_conf_is_voter(raft_member_conf(raft), raft->config.id))
		return true;
	return raft->conf_count == 2 && raft_member_pending(raft) &&
	       raft_conf_is_voter(&raft->conf[0].conf, raft->config.id);
}

/* What is not durable must not be counted on: no candidacy while writes are in flight. */
static bool has_writes_in_flight(const struct raft *raft)
{
	return raft->installing || raft->stored < raft->last;
}

static bool has_majority(const struct raft *raft)
{
	const struct raft_conf *conf = raft_member_conf(raft);
	unsigned granted = 0;

	for (unsigned i = 0; i < conf->count; i++)
		granted += conf->member[i].voter && (raft->votes >> i & 1) != 0;
	return granted > raft_member_voters(conf) / 2;
}

static void count_own_vote(struct raft *raft)
{
	int at = raft_member_find(raft_member_conf(raft), raft->config.id);

	raft->votes = at < 0 ? 0 : UINT64_C(1) << at;
}

static void ask_votes(struct raft *raft, bool pre_vote)
{
	const struct raft_conf *conf = raft_member_conf(raft);

	for (unsigned i = 0; i < conf->count; i++) {
		struct raft_message *message;

		if (!conf->member[i].voter || conf->member[i].id == raft->config.id)
			continue;
		message = raft_emit_message(raft, RAFT_VOTE, conf->member[i].id);
		message->term = raft->term + (pre_vote ? 1 : 0);
		message->index = raft->last;
		message->log_term = raft_term_at(raft, raft->last);
		message->pre_vote = pre_vote;
		message->force = raft->transfer_vote;
	}
}

/* force: the leader handed over (TIMEOUT_NOW), so voters need not wait for its silence. */
static void start_election(struct raft *raft, bool force)
{
	assert(!has_writes_in_flight(raft) && raft->role != RAFT_LEADER);
	raft->transfer_vote = force;
	set_term(raft, raft->term + 1, raft->config.id);
	raft_elect_set_role(raft, RAFT_CANDIDATE, 0);
	raft_elect_arm(raft);
	count_own_vote(raft);
	if (has_majority(raft))
		raft_lead_begin(raft);
	else
		ask_votes(raft, false);
}

static void start_pre_vote(struct raft *raft)
{
	raft->transfer_vote = false;
	raft_elect_set_role(raft, RAFT_PRECANDIDATE, 0);
	raft_elect_arm(raft);
	count_own_vote(raft);
	if (has_majority(raft))
		start_election(raft, false);
	else
		ask_votes(raft, true);
}

void raft_elect_tick(struct raft *raft)
{
	if (raft->now_ms < raft->deadline_ms)
		return;
	if (has_writes_in_flight(raft)) {
		raft->deadline_ms = raft->now_ms + raft->config.heartbeat_ms;
		return;
	}
	if (may_campaign(raft))
		start_pre_vote(raft);
	else
		raft_elect_arm(raft);
}

static bool is_up_to_date(const struct raft *raft, const struct raft_message *message)
{
	uint64_t term = raft_term_at(raft, raft->last);

	return message->log_term > term ||
	       (message->log_term == term && message->index >= raft->last);
}

/* Decide a request, and move to its term if it is a real one. */
static bool grant_vote(struct raft *raft, const struct raft_message *message)
{
	bool hears_leader = raft->role == RAFT_LEADER ||
			    raft->now_ms - raft->heard_leader_ms < raft->config.election_ms;

	if (hears_leader && !message->force)
		return false;
	if (message->term < raft->term || raft->installing)
		return false;
	if (message->pre_vote)
		return is_up_to_date(raft, message);
	if (message->term > raft->term)
		raft_elect_step_down(raft, message->term, 0);
	if (!is_up_to_date(raft, message))
		return false;
	if (raft->vote != 0)
		return raft->vote == message->from;
	if (raft->role != RAFT_FOLLOWER)
		raft_elect_step_down(raft, raft->term, 0);
	set_term(raft, raft->term, message->from);
	return true;
}

void raft_elect_on_vote(struct raft *raft, const struct raft_message *message)
{
	bool ok = grant_vote(raft, message);
	struct raft_message *reply = raft_emit_message(raft, RAFT_VOTE_REPLY, message->from);

	if (ok && !message->pre_vote)
		raft_elect_arm(raft);
	/* One that is refused has to learn a higher term from the refusal, else the longest log
	 * with the lowest term is refused for ever. */
	reply->term = ok ? message->term : raft->term;
	reply->pre_vote = message->pre_vote;
	reply->ok = ok;
}

void raft_elect_on_vote_reply(struct raft *raft, const struct raft_message *message)
{
	uint64_t asked_term = raft->term + (message->pre_vote ? 1 : 0);
	int at;

	if (!message->ok) {
		if (message->term > raft->term)
			raft_elect_step_down(raft, message->term, 0);
		return;
	}
	if (raft->role != (message->pre_vote ? RAFT_PRECANDIDATE : RAFT_CANDIDATE) ||
		message->term != asked_term)
		return;
	at = raft_member_find(raft_member_conf(raft), message->from);
	if (at < 0)
		return;
	raft->votes |= UINT64_C(1) << at;
	if (!has_majority(raft))
		return;
	if (message->pre_vote)
		start_election(raft, false);
	else
		raft_lead_begin(raft);
}

void raft_elect_on_timeout_now(struct raft *raft, const struct raft_message *message)
{
	if (message->term != raft->term || raft->role != RAFT_FOLLOWER ||
		raft->leader != message->from)
		return;
	if (has_writes_in_flight(raft) || raft->last != message->index || !may_campaign(raft))
		return;
	start_election(raft, true);
}
