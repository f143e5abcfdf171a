/* store/replica/replica_duty.c: what the leader does unasked, ten times a second.
 *
 *  - Time: whether it may stamp yet, and slewing.
 *  - Configuration follows the model's members, one step at a time, each committed before the next:
 *      in the model, not in the configuration   -> learner
 *      learner, caught up and live              -> voter
 *      removing, or gone from the model         -> out (ourselves: hand over first, the next leader
 * does it) removing, and out                        -> MemberGone drops the record
 *  - Sweep when something has run out; ImagePublish when only dead nodes hold an image up.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- time */

static size_t duty_majority(const struct replica *r)
{
	const struct raft_conf *conf = raft_conf_in_force(&r->raft, NULL);
	size_t voters = 0;
	for (unsigned i = 0; i < conf->count; i++)
		voters += conf->member[i].voter;
	return voters / 2 + 1;
}

void replica_duty_time(struct replica *r)
{
	struct cluster_time_sample sample[CLUSTER_TIME_SAMPLES_MAX];
	if (r->raft.role != RAFT_LEADER)
		return;
	size_t count = replica_member_samples(r, sample, CLUSTER_TIME_SAMPLES_MAX);
	if (r->time_ready) {
		if (count >= duty_majority(r))
			cluster_time_slew(&r->time, r->now_ms, sample, count);
		return;
	}
	switch (cluster_time_lead(&r->time, r->now_ms, sample, count, duty_majority(r))) {
	case CLUSTER_TIME_WAITING: return;
	case CLUSTER_TIME_CONTINUED:
	case CLUSTER_TIME_RESUMED: break;
	case CLUSTER_TIME_DISAGREED:
		replica_alarm(r,
			"the members' clocks differ by more than %u ms: cluster time goes on from "
			"the lowest; set the clocks",
			CLUSTER_TIME_SKEW_MS);
		break;
	}
	r->time_ready = true;
}

/* ---- configuration */

static void duty_change(struct replica *r, const struct raft_conf *conf)
{
	uint8_t *payload;
	size_t payload_bytes;
	uint64_t index;
	replica_conf_pack(conf, &payload, &payload_bytes);
	/* Refused (busy: a hand-over, say): the next round tries again. */
	(void)replica_raft_append(r, conf, payload, payload_bytes, &index);
}

static const struct raft_member *duty_conf_find(const struct raft_conf *conf, uint64_t id)
{
	for (unsigned i = 0; i < conf->count; i++) {
		if (conf->member[i].id == id)
			return &conf->member[i];
	}
	return NULL;
}

static void duty_hand_over(struct replica *r)
{
	if (r->transfer_ms != 0 && r->now_ms - r->transfer_ms < 1000)
		return;
	r->transfer_ms = r->now_ms;
	(void)raft_transfer(&r->raft, 0);
	replica_raft_drain(r);
}

/* Take one out that should not be there. True: something was done. */
static bool duty_take_out(struct replica *r, const struct raft_conf *conf)
{
	for (unsigned i = 0; i < conf->count; i++) {
		const Pxe__Member *member = model_member(r->model, conf->member[i].id);
		if (member != NULL && !member->removing)
			continue;
		if (conf->member[i].voter && duty_majority(r) == 1 && conf->count == 1)
			continue; /* the last one stays */
		if (conf->member[i].id == r->config.self) {
			duty_hand_over(r);
			continue;
		}
		struct raft_conf next = *conf;
		next.count--;
		memmove(&next.member[i], &next.member[i + 1],
			(next.count - i) * sizeof next.member[0]);
		duty_change(r, &next);
		return true;
	}
	return false;
}

static bool duty_take_in(struct replica *r, const struct raft_conf *conf,
	const Pxe__Member *const *member, size_t member_count)
{
	for (size_t i = 0; i < member_count; i++) {
		if (member[i]->removing || duty_conf_find(conf, member[i]->id) != NULL ||
			conf->count == RAFT_MEMBERS_MAX)
			continue;
		struct raft_conf next = *conf;
		next.member[next.count++] =
			(struct raft_member){.id = member[i]->id, .voter = false};
		duty_change(r, &next);
		return true;
	}
	return false;
}

static bool duty_promote(struct replica *r, const struct raft_conf *conf)
{
	for (unsigned i = 0; i < conf->count; i++) {
		const struct raft_peer *peer = raft_peer(&r->raft, conf->member[i].id);
		if (conf->member[i].voter || peer == NULL || peer->in_snapshot ||
			peer->match == 0 || peer->match + REPLICA_CAUGHT_UP < r->raft.last ||
			!replica_is_live(r, peer->id))
			continue;
		struct raft_conf next = *conf;
		next.member[i].voter = true;
		duty_change(r, &next);
		return true;
	}
	return false;
}

static void duty_drop_records(struct replica *r, const struct raft_conf *conf,
	const Pxe__Member *const *member, size_t member_count)
{
	for (size_t i = 0; i < member_count; i++) {
		if (!member[i]->removing || duty_conf_find(conf, member[i]->id) != NULL)
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

static void duty_reconcile(struct replica *r)
{
	const Pxe__Member *member[MODEL_MEMBERS_MAX];
	uint64_t index;
	const struct raft_conf in_force = *raft_conf_in_force(&r->raft, &index);
	if (index > r->raft.commit || r->applied.index < index)
		return; /* the last change is not settled */
	size_t count = model_members(r->model, member, MODEL_MEMBERS_MAX);
	if (duty_take_out(r, &in_force) || duty_take_in(r, &in_force, member, count) ||
		duty_promote(r, &in_force))
		return;
	duty_drop_records(r, &in_force, member, count);
}

/* ---- sweeping and publishing */

static void duty_sweep(struct replica *r)
{
	if (r->now_ms - r->sweep_ms < 1000 ||
		!model_sweep_due(r->model, cluster_time_now(&r->time, r->now_ms)))
		return;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Sweep sweep = PXE__SWEEP__INIT;
	sweep.max = 1024;
	command.op_case = PXE__COMMAND__OP_SWEEP;
	command.sweep = &sweep;
	r->sweep_ms = r->now_ms;
	(void)replica_propose(r, &command, 0, NULL, NULL);
}

static bool duty_holds(const Pxe__ImageVersion *version, uint64_t id)
{
	for (size_t i = 0; i < version->n_holders; i++) {
		if (version->holders[i] == id)
			return true;
	}
	return false;
}

/* Neither heard for so long; a leader that leads for less does not know yet. */
static bool duty_is_long_dead(const struct replica *r, uint64_t id)
{
	const struct replica_member *member = replica_member_find(r, id);
	if (id == r->config.self || member == NULL ||
		r->now_ms - r->raft.lead_since_ms < REPLICA_PUBLISH_MS)
		return false;
	return !member->heard || r->now_ms - member->heard_ms >= REPLICA_PUBLISH_MS;
}

static bool duty_may_publish(const struct replica *r, const Pxe__ImageVersion *version)
{
	const Pxe__Member *member[MODEL_MEMBERS_MAX];
	size_t count = model_members(r->model, member, MODEL_MEMBERS_MAX), full = 0, holders = 0;
	for (size_t i = 0; i < count; i++) {
		if (member[i]->role != PXE__MEMBER_ROLE__MEMBER_FULL || member[i]->removing)
			continue;
		full++;
		if (duty_holds(version, member[i]->id))
			holders++;
		else if (!duty_is_long_dead(r, member[i]->id))
			return false;
	}
	return holders < full && holders * 2 > full;
}

static bool duty_publish_image(void *ctx, const void *object)
{
	struct replica *r = ctx;
	const Pxe__Image *image = object;
	if (image->staged_digest.len != 32)
		return true;
	const Pxe__ImageVersion *version =
		model_image_version(r->model, image->name, image->staged_digest.data);
	if (version == NULL || version->published || !duty_may_publish(r, version))
		return true;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImagePublish publish = PXE__IMAGE_PUBLISH__INIT;
	publish.image = image->name;
	publish.digest = image->staged_digest;
	command.op_case = PXE__COMMAND__OP_IMAGE_PUBLISH;
	command.image_publish = &publish;
	return replica_propose(r, &command, 0, NULL, NULL) == REPLICA_APPLIED;
}

void replica_duty_tick(struct replica *r)
{
	if (r->raft.role != RAFT_LEADER || r->now_ms < r->duty_due_ms)
		return;
	r->duty_due_ms = r->now_ms + REPLICA_STATUS_MS;
	replica_duty_time(r);
	/* Diverged: to one whose state most others have. A hand-over that failed left us without a
	 * lease for this term, so not fresh [R9]: the next leader has one. */
	if (r->diverged || (r->raft.lease_void && r->raft.transfer_to == 0)) {
		duty_hand_over(r);
		return;
	}
	if (!replica_raft_leads(r) || !r->time_ready || r->raft.transfer_to != 0)
		return;
	duty_reconcile(r);
	duty_sweep(r);
	if (r->now_ms - r->publish_ms >= 1000) {
		r->publish_ms = r->now_ms;
		model_each(r->model, PXE__OBJECT_KIND__OBJECT_IMAGE, duty_publish_image, r);
	}
}
