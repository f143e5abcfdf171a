/* store/raft/raft_lead.c: a leader's work: proposals, heartbeats, handing over, the lease. Pure. */
#include "store/raft/raft_internal.h"

void raft_lead_begin(struct raft *raft)
{
	struct raft_effect *effect;

	assert(raft->role == RAFT_CANDIDATE && raft->stored == raft->last);
	raft->peer_count = 0;
	raft->transfer_to = 0;
	raft->lease_void = false;
	raft->lead_since_ms = raft->now_ms;
	/* Before the no-op, which is the first entry that peers get. */
	raft_replicate_sync_peers(raft);
	raft_log_push(raft, raft->term);
	raft_elect_set_role(raft, RAFT_LEADER, raft->config.id);
	effect = raft_emit(raft, RAFT_STORE_NOOP);
	effect->index = raft->last;
	for (unsigned i = 0; i < raft->peer_count; i++)
		raft_replicate_heartbeat(raft, &raft->peer[i]);
}

enum raft_status raft_propose(
	struct raft *raft, const struct raft_conf *conf, uint64_t *ret_index, uint64_t *ret_term)
{
	assert(raft != NULL && ret_index != NULL && ret_term != NULL && raft->effect_count == 0);
	if (raft->role != RAFT_LEADER)
		return RAFT_NOT_LEADER;
	if (raft->transfer_to != 0 || raft->run_count == RAFT_RUNS_MAX)
		return RAFT_BUSY;
	if (raft_term_at(raft, raft->stored) != raft->term)
		return RAFT_BUSY;
	if (conf != NULL) {
		/* An entry of this term must be committed first, else two leaders may each commit a
		 * change that the other does not know (Ongaro, raft-dev, 2015-07-10). */
		if (raft_member_pending(raft) || raft_term_at(raft, raft->commit) != raft->term)
			return RAFT_BUSY;
		if (!raft_member_change_allowed(raft_member_conf(raft), conf))
			return RAFT_INVALID;
	}
	raft_log_push(raft, raft->term);
	if (conf != NULL) {
		raft_member_push(raft, raft->last, conf);
		raft_replicate_sync_peers(raft);
	}
	*ret_index = raft->last;
	*ret_term = raft->term;
	return RAFT_OK;
}

void raft_flush(struct raft *raft)
{
	assert(raft != NULL && raft->effect_count == 0);
	if (raft->role != RAFT_LEADER)
		return;
	for (unsigned i = 0; i < raft->peer_count; i++)
		raft_replicate_more(raft, &raft->peer[i]);
}

void raft_announce_commit(struct raft *raft)
{
	assert(raft != NULL && raft->effect_count == 0);
	if (raft->role != RAFT_LEADER)
		return;
	for (unsigned i = 0; i < raft->peer_count; i++) {
		struct raft_peer *peer = &raft->peer[i];
		uint64_t news = raft->commit < peer->next ? raft->commit : peer->next - 1;

		/* What was not sent yet will carry the commit index when it goes. */
		if (!peer->in_snapshot && !peer->probing && peer->commit_sent < news)
			raft_replicate_heartbeat(raft, peer);
	}
}

/* The target must have everything durably; asked again on every tick, since the message may get
 * lost. */
void raft_lead_try_transfer(struct raft *raft)
{
	const struct raft_peer *peer = raft_replicate_peer(raft, raft->transfer_to);
	struct raft_message *message;

	if (peer == NULL) {
		raft->transfer_to = 0;
		return;
	}
	if (peer->match != raft->last)
		return;
	message = raft_emit_message(raft, RAFT_TIMEOUT_NOW, peer->id);
	message->index = raft->last;
	message->log_term = raft_term_at(raft, raft->last);
}

static bool is_heard(const struct raft *raft, const struct raft_peer *peer)
{
	return raft->now_ms - peer->heard_at_ms < raft->config.election_ms;
}

/* Of the voters that are alive; 0: none. */
static uint64_t most_caught_up(const struct raft *raft)
{
	uint64_t best = 0, id = 0;

	for (unsigned i = 0; i < raft->peer_count; i++) {
		const struct raft_peer *peer = &raft->peer[i];

		if (raft_conf_is_voter(raft_member_conf(raft), peer->id) && is_heard(raft, peer) &&
			peer->match >= best) {
			best = peer->match;
			id = peer->id;
		}
	}
	return id;
}

enum raft_status raft_transfer(struct raft *raft, uint64_t to)
{
	assert(raft != NULL && raft->effect_count == 0);
	if (raft->role != RAFT_LEADER)
		return RAFT_NOT_LEADER;
	if (raft->transfer_to != 0)
		return RAFT_BUSY;
	if (to == 0)
		to = most_caught_up(raft);
	if (to == raft->config.id || !raft_conf_is_voter(raft_member_conf(raft), to))
		return RAFT_INVALID;
	raft->transfer_to = to;
	raft->transfer_until_ms = raft->now_ms + raft->config.election_ms;
	/* A late TIMEOUT_NOW may still depose us while others hear from us. */
	raft->lease_void = true;
	raft_lead_try_transfer(raft);
	return RAFT_OK;
}

/* Heartbeats, and APPENDs that got lost along with the replies that would have shown it. */
static void tick_peer(struct raft *raft, struct raft_peer *peer)
{
	unsigned heartbeat_ms = raft->config.heartbeat_ms;

	if (raft->now_ms - peer->sent_at_ms < heartbeat_ms)
		return;
	if (peer->in_flight > 0 && raft->now_ms - peer->heard_at_ms >= 2 * heartbeat_ms)
		raft_replicate_retry(raft, peer);
	raft_replicate_heartbeat(raft, peer);
}

static bool hears_majority(const struct raft *raft)
{
	const struct raft_conf *conf = raft_member_conf(raft);
	unsigned alive = raft_conf_is_voter(conf, raft->config.id);

	for (unsigned i = 0; i < raft->peer_count; i++) {
		const struct raft_peer *peer = &raft->peer[i];

		alive += raft_conf_is_voter(conf, peer->id) && is_heard(raft, peer);
	}
	return alive > raft_member_voters(conf) / 2;
}

void raft_lead_tick(struct raft *raft)
{
	if (!hears_majority(raft) &&
		raft->now_ms - raft->lead_since_ms >= raft->config.election_ms) {
		raft_elect_step_down(raft, raft->term, 0);
		return;
	}
	for (unsigned i = 0; i < raft->peer_count; i++)
		tick_peer(raft, &raft->peer[i]);
	if (raft->transfer_to == 0)
		return;
	if (raft->now_ms >= raft->transfer_until_ms)
		raft->transfer_to = 0;
	else
		raft_lead_try_transfer(raft);
}

uint64_t raft_lease_until_ms(const struct raft *raft, unsigned drift_ms)
{
	const struct raft_conf *conf;
	uint64_t value[RAFT_MEMBERS_MAX] = {0};
	uint64_t stamp_ms;

	assert(raft != NULL);
	if (raft->role != RAFT_LEADER || raft->lease_void || drift_ms >= raft->config.election_ms ||
		raft_term_at(raft, raft->commit) != raft->term)
		return 0;
	conf = raft_member_conf(raft);
	for (unsigned i = 0; i < conf->count; i++) {
		const struct raft_peer *peer = raft_peer(raft, conf->member[i].id);

		if (conf->member[i].id == raft->config.id)
			value[i] = raft->now_ms;
		else if (peer != NULL)
			value[i] = peer->stamp_ms;
	}
	/* A majority heard us at stamp_ms or later, and votes for nobody for E after that. */
	stamp_ms = raft_member_quorum(conf, value);
	return stamp_ms == 0 ? 0 : stamp_ms + raft->config.election_ms - drift_ms;
}

const struct raft_peer *raft_peer(const struct raft *raft, uint64_t id)
{
	assert(raft != NULL);
	if (raft->role != RAFT_LEADER)
		return NULL;
	for (unsigned i = 0; i < raft->peer_count; i++) {
		if (raft->peer[i].id == id)
			return &raft->peer[i];
	}
	return NULL;
}
