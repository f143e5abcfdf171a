/* store/replica/replica_conf.c: leader: the configuration follows the model's members, one step at
 * a time, each committed before the next.
 *
 *   in the model, not in the configuration      -> learner
 *   learner, caught up and live, not standby    -> voter
 *   voter, standby                              -> learner
 *   removing by force, or gone from the model   -> out, heard or not [R7]
 *   removing                                    -> out once it owns no addresses, its journal is
 *                                                  empty and it knows that it is being removed
 *   removing, and out                           -> MemberGone drops the record
 *
 * A step that the leader itself stands in the way of waits for the next leader: it hands over
 * first. So does one who is draining, as long as there is another. No step is taken that would
 * leave fewer than a majority alive, unless an operator has said that the node is off.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <string.h>

unsigned replica_conf_majority(const struct raft_conf *conf)
{
	unsigned voters = 0;
	for (unsigned i = 0; i < conf->count; i++)
		voters += conf->member[i].voter;
	return voters / 2 + 1;
}

static void conf_change(struct replica *r, const struct raft_conf *conf)
{
	uint8_t *payload;
	size_t payload_bytes;
	uint64_t index;
	replica_conf_pack(conf, &payload, &payload_bytes);
	/* Refused (busy: a hand-over, say): the next round tries again. */
	(void)replica_raft_append(r, conf, payload, payload_bytes, &index);
}

static bool conf_has(const struct raft_conf *conf, uint64_t id)
{
	for (unsigned i = 0; i < conf->count; i++) {
		if (conf->member[i].id == id)
			return true;
	}
	return false;
}

/* Could it commit anything? */
static bool conf_is_alive(const struct replica *r, const struct raft_conf *conf)
{
	unsigned live = 0;
	for (unsigned i = 0; i < conf->count; i++)
		live += conf->member[i].voter && replica_is_live(r, conf->member[i].id);
	return live >= replica_conf_majority(conf);
}

/* ---- handing over */

static bool conf_may_lead(const struct replica *r, uint64_t id, bool must)
{
	const Pxe__Member *member = model_member(r->model, id);
	const struct replica_member *peer = replica_member_find(r, id);
	return member != NULL && !member->removing && !member->standby && peer != NULL &&
	       peer->live &&
	       (must || (!member->draining && !(peer->has_status && peer->status.short_of_room)));
}

/* The most caught up; 0: none. */
static uint64_t conf_heir(const struct replica *r, bool must)
{
	const struct raft_conf *conf = raft_conf_in_force(&r->raft, NULL);
	uint64_t heir = 0, best = 0;
	for (unsigned i = 0; i < conf->count; i++) {
		const struct raft_peer *peer = raft_peer(&r->raft, conf->member[i].id);
		if (peer == NULL || !conf->member[i].voter || peer->match < best ||
			!conf_may_lead(r, peer->id, must))
			continue;
		heir = peer->id;
		best = peer->match;
	}
	return heir;
}

bool replica_conf_hand_over(struct replica *r, bool must)
{
	if (r->raft.role != RAFT_LEADER || r->raft.transfer_to != 0 ||
		(r->transfer_ms != 0 && r->now_ms - r->transfer_ms < 1000))
		return false;
	uint64_t heir = conf_heir(r, false);
	if (heir == 0 && must)
		heir = conf_heir(r, true);
	if (heir == 0)
		return false;
	r->transfer_ms = r->now_ms;
	enum raft_status status = raft_transfer(&r->raft, heir);
	replica_raft_drain(r);
	return status == RAFT_OK;
}

/* ---- out */

/* Nothing is lost with it: what it may have leased is known to all, and it will lease nothing more.
 */
static bool conf_may_leave(const struct replica *r, const Pxe__Member *member)
{
	Pxe__PeerStatus scratch;
	if (member->forced)
		return true;
	if (model_has_block(r->model, member->id))
		return false;
	if (member->role == PXE__MEMBER_ROLE__MEMBER_WITNESS)
		return true;
	const Pxe__PeerStatus *report = replica_reserve_report(r, member->id, &scratch);
	return report != NULL && report->journal == 0 && report->settled_ms > member->removing_ms;
}

/* Take one out that should not be there. True: something was done. */
static bool conf_take_out(struct replica *r, const struct raft_conf *conf)
{
	for (unsigned i = 0; i < conf->count; i++) {
		const Pxe__Member *member = model_member(r->model, conf->member[i].id);
		struct raft_conf next = *conf;
		if (member != NULL && !member->removing)
			continue;
		if (conf->member[i].id == r->config.self) {
			if (conf->count > 1) /* the last one stays */
				(void)replica_conf_hand_over(r, true);
			continue;
		}
		next.count--;
		memmove(&next.member[i], &next.member[i + 1],
			(next.count - i) * sizeof next.member[0]);
		bool is_off = member == NULL || member->forced;
		if (!is_off && (!conf_may_leave(r, member) || !conf_is_alive(r, &next)))
			continue;
		conf_change(r, &next);
		return true;
	}
	return false;
}

/* ---- in, and votes */

static bool conf_take_in(struct replica *r, const struct raft_conf *conf,
	const Pxe__Member *const *member, size_t member_count)
{
	for (size_t i = 0; i < member_count; i++) {
		if (member[i]->removing || conf_has(conf, member[i]->id) ||
			conf->count == RAFT_MEMBERS_MAX)
			continue;
		struct raft_conf next = *conf;
		next.member[next.count++] =
			(struct raft_member){.id = member[i]->id, .voter = false};
		conf_change(r, &next);
		return true;
	}
	return false;
}

static bool conf_demote(struct replica *r, const struct raft_conf *conf)
{
	for (unsigned i = 0; i < conf->count; i++) {
		const Pxe__Member *member = model_member(r->model, conf->member[i].id);
		struct raft_conf next = *conf;
		if (member == NULL || !member->standby || !conf->member[i].voter)
			continue;
		if (member->id == r->config.self) {
			(void)replica_conf_hand_over(r, true);
			continue;
		}
		next.member[i].voter = false;
		if (!conf_is_alive(r, &next))
			continue;
		conf_change(r, &next);
		return true;
	}
	return false;
}

static bool conf_promote(struct replica *r, const struct raft_conf *conf)
{
	for (unsigned i = 0; i < conf->count; i++) {
		const struct raft_peer *peer = raft_peer(&r->raft, conf->member[i].id);
		const Pxe__Member *member = model_member(r->model, conf->member[i].id);
		if (conf->member[i].voter || peer == NULL || peer->in_snapshot ||
			peer->match == 0 || peer->match + REPLICA_CAUGHT_UP < r->raft.last ||
			!replica_is_live(r, peer->id) || member == NULL || member->standby ||
			member->removing)
			continue;
		struct raft_conf next = *conf;
		next.member[i].voter = true;
		conf_change(r, &next);
		return true;
	}
	return false;
}

static void conf_drop_records(struct replica *r, const struct raft_conf *conf,
	const Pxe__Member *const *member, size_t member_count)
{
	for (size_t i = 0; i < member_count; i++) {
		if (!member[i]->removing || conf_has(conf, member[i]->id) ||
			(!member[i]->forced && model_has_block(r->model, member[i]->id)))
			continue;
		if (r->gone_ms != 0 && r->now_ms - r->gone_ms < 1000)
			return;
		Pxe__Command command = PXE__COMMAND__INIT;
		Pxe__MemberGone gone = PXE__MEMBER_GONE__INIT;
		gone.id = member[i]->id;
		command.op_case = PXE__COMMAND__OP_MEMBER_GONE;
		command.member_gone = &gone;
		r->gone_ms = r->now_ms;
		(void)replica_propose(r, &command, 0, NULL, NULL);
		return;
	}
}

void replica_conf_tick(struct replica *r)
{
	const Pxe__Member *member[MODEL_MEMBERS_MAX];
	uint64_t index;
	const struct raft_conf in_force = *raft_conf_in_force(&r->raft, &index);
	if (index > r->raft.commit || r->applied.index < index)
		return; /* the last change is not settled */
	size_t count = model_members(r->model, member, MODEL_MEMBERS_MAX);
	if (conf_take_out(r, &in_force) || conf_demote(r, &in_force) ||
		conf_take_in(r, &in_force, member, count) || conf_promote(r, &in_force))
		return;
	conf_drop_records(r, &in_force, member, count);
	const Pxe__Member *self = model_member(r->model, r->config.self);
	if (self != NULL && self->draining)
		(void)replica_conf_hand_over(r, false);
}
