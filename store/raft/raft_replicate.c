/* store/raft/raft_replicate.c: the leader's side of replication: what each peer gets next, and what
 * its replies commit. Pure.
 *
 * A peer is in one of three states:
 *   probing      one APPEND at a time, one entry, until the peer's log is known to match just
 * before it; pipelined    up to config.window APPENDs in flight, `next` runs ahead of what is
 * acknowledged; in_snapshot  the log no longer reaches back: the host streams a snapshot;
 * heartbeats only. A lost APPEND shows when a later one, or a heartbeat, does not fit and is
 * rejected. A rejection that does not answer the newest question is stale: acting on it would
 * multiply messages.
 */
#include "store/raft/raft_internal.h"

#include <string.h>

struct raft_peer *raft_replicate_peer(struct raft *raft, uint64_t id)
{
	for (unsigned i = 0; i < raft->peer_count; i++) {
		if (raft->peer[i].id == id)
			return &raft->peer[i];
	}
	return NULL;
}

/* One struct raft_peer for each other member; what is known of those that stay is kept. */
void raft_replicate_sync_peers(struct raft *raft)
{
	const struct raft_conf *conf = raft_member_conf(raft);
	struct raft_peer fresh[RAFT_MEMBERS_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < conf->count; i++) {
		uint64_t id = conf->member[i].id;
		const struct raft_peer *known = raft_replicate_peer(raft, id);

		if (id == raft->config.id)
			continue;
		fresh[count] = (struct raft_peer){.id = id,
			.next = raft->last + 1,
			.probing = true,
			.heard_at_ms = raft->now_ms};
		if (known != NULL)
			fresh[count] = *known;
		count++;
	}
	memcpy(raft->peer, fresh, count * sizeof fresh[0]);
	raft->peer_count = count;
}

static void send_append(struct raft *raft, struct raft_peer *peer, uint64_t index, unsigned count)
{
	struct raft_message *message = raft_emit_message(raft, RAFT_APPEND, peer->id);
	uint64_t end = index + count;
	uint64_t told = raft->commit < end ? raft->commit : end;

	assert(index >= raft->base && end <= raft->last);
	message->index = index;
	message->log_term = raft_term_at(raft, index);
	message->commit = raft->commit;
	message->stamp_ms = raft->now_ms;
	message->entry_count = count;
	if (count > 0) {
		assert(peer->in_flight < raft->config.window);
		peer->flight_end[peer->in_flight++] = end;
	}
	if (told > peer->commit_sent)
		peer->commit_sent = told;
	peer->sent_at_ms = raft->now_ms;
}

static void start_snapshot(struct raft *raft, struct raft_peer *peer)
{
	peer->in_snapshot = true;
	peer->delivered = false;
	peer->in_flight = 0;
	raft_emit(raft, RAFT_SEND_SNAPSHOT)->to = peer->id;
}

/* Where the peer's log ends as far as a snapshot's receiver is concerned. */
static uint64_t snapshot_probe_index(const struct raft *raft, const struct raft_peer *peer)
{
	return peer->match > raft->base ? peer->match : raft->base;
}

/* An APPEND in any case: empty, but for a probe that is not under way yet. */
void raft_replicate_heartbeat(struct raft *raft, struct raft_peer *peer)
{
	unsigned count = 0;

	if (peer->in_snapshot) {
		send_append(raft, peer, snapshot_probe_index(raft, peer), 0);
		return;
	}
	if (peer->next <= raft->base) {
		start_snapshot(raft, peer);
		return;
	}
	if (peer->probing && peer->in_flight == 0 && peer->next <= raft->last)
		count = 1;
	send_append(raft, peer, peer->next - 1, count);
}

/* Send what waits, as far as the window allows. */
void raft_replicate_more(struct raft *raft, struct raft_peer *peer)
{
	if (peer->in_snapshot)
		return;
	if (peer->probing) {
		if (peer->in_flight == 0 && peer->next <= raft->last)
			raft_replicate_heartbeat(raft, peer);
		return;
	}
	while (peer->next <= raft->last && peer->in_flight < raft->config.window) {
		uint64_t waiting = raft->last - peer->next + 1;
		unsigned count = raft->config.entries_max;

		if (peer->next <= raft->base) {
			start_snapshot(raft, peer);
			return;
		}
		if (waiting < count)
			count = (unsigned)waiting;
		send_append(raft, peer, peer->next - 1, count);
		peer->next += count;
	}
}

/* What was sent is taken as lost: begin again after what the peer is known to have. A probe is
 * asked again where it was: nothing was sent ahead, and of a peer that a new leader has not heard
 * yet nothing is known, which is no reason to send it the whole state. */
void raft_replicate_retry(struct raft *raft, struct raft_peer *peer)
{
	assert(peer->match <= raft->last);
	if (peer->probing && !peer->in_snapshot) {
		peer->in_flight = 0;
		return;
	}
	peer->in_snapshot = false;
	peer->probing = true;
	peer->in_flight = 0;
	peer->next = peer->match + 1;
}

void raft_replicate_advance_commit(struct raft *raft)
{
	const struct raft_conf *conf = raft_member_conf(raft);
	uint64_t value[RAFT_MEMBERS_MAX] = {0};
	uint64_t index;

	for (unsigned i = 0; i < conf->count; i++) {
		const struct raft_peer *peer = raft_replicate_peer(raft, conf->member[i].id);

		if (conf->member[i].id == raft->config.id)
			value[i] = raft->stored;
		else if (peer != NULL)
			value[i] = peer->match;
	}
	index = raft_member_quorum(conf, value);
	/* Replicas of an older term's entry prove nothing (thesis 3.6.2); they are committed along
	 * with the first entry of this term. */
	if (index <= raft->commit || raft_term_at(raft, index) != raft->term)
		return;
	raft->commit = index;
	if (!raft_conf_is_voter(conf, raft->config.id) && !raft_member_pending(raft))
		raft_elect_step_down(raft, raft->term, 0); /* this node has been removed */
}

static void release_flights(struct raft_peer *peer)
{
	unsigned done = 0;

	while (done < peer->in_flight && peer->flight_end[done] <= peer->match)
		done++;
	peer->in_flight -= done;
	memmove(peer->flight_end, peer->flight_end + done,
		peer->in_flight * sizeof peer->flight_end[0]);
}

static void on_accepted(
	struct raft *raft, struct raft_peer *peer, const struct raft_message *message)
{
	if (message->index > message->prev || message->prev > raft->last) {
		raft->dropped++;
		return;
	}
	if (message->index > peer->match)
		peer->match = message->index;
	release_flights(peer);
	if (peer->in_snapshot && peer->match >= raft->base)
		raft_replicate_retry(raft, peer);
	if (!peer->in_snapshot && peer->probing && message->prev + 1 >= peer->next) {
		peer->probing = false;
		peer->in_flight = 0;
	}
	/* `prev` may run ahead of what is durable: it says where to go on, not what counts. */
	if (!peer->in_snapshot && !peer->probing && peer->next <= message->prev)
		peer->next = message->prev + 1;
	raft_replicate_advance_commit(raft);
	if (raft->role != RAFT_LEADER)
		return;
	if (raft->transfer_to == peer->id)
		raft_lead_try_transfer(raft);
	if (!peer->probing) /* a probe is repeated by the heartbeat only */
		raft_replicate_more(raft, peer);
}

static void on_rejected(
	struct raft *raft, struct raft_peer *peer, const struct raft_message *message)
{
	/* The peer skips a whole term when it looks for a match, which may lead below what is known
	 * to match. */
	uint64_t retry = message->index > peer->match ? message->index : peer->match + 1;

	if (message->index == 0 || message->prev <= peer->match || message->index > message->prev)
		return;
	if (peer->in_snapshot) {
		/* Not installed after all, or the log was compacted past it meanwhile. */
		if (!peer->delivered || message->prev != snapshot_probe_index(raft, peer))
			return;
		peer->in_snapshot = false;
	} else if (retry >= peer->next || (peer->probing && message->prev != peer->next - 1)) {
		return;
	}
	peer->next = retry;
	peer->probing = true;
	peer->in_flight = 0;
	raft_replicate_heartbeat(raft, peer);
}

void raft_replicate_on_reply(struct raft *raft, const struct raft_message *message)
{
	struct raft_peer *peer;

	if (message->term > raft->term) {
		raft_elect_step_down(raft, message->term, 0);
		return;
	}
	if (raft->role != RAFT_LEADER || message->term < raft->term)
		return;
	peer = raft_replicate_peer(raft, message->from);
	if (peer == NULL)
		return;
	peer->heard_at_ms = raft->now_ms;
	if (message->stamp_ms > peer->stamp_ms && message->stamp_ms <= raft->now_ms)
		peer->stamp_ms = message->stamp_ms;
	if (message->ok)
		on_accepted(raft, peer, message);
	else
		on_rejected(raft, peer, message);
}

void raft_snapshot_done(struct raft *raft, uint64_t to, bool ok)
{
	struct raft_peer *peer;

	assert(raft != NULL && raft->effect_count == 0);
	peer = raft->role == RAFT_LEADER ? raft_replicate_peer(raft, to) : NULL;
	if (peer == NULL || !peer->in_snapshot)
		return;
	if (ok)
		peer->delivered = true;
	else
		raft_replicate_retry(raft, peer);
	peer->sent_at_ms = raft->now_ms; /* the next try is the next heartbeat's */
}
