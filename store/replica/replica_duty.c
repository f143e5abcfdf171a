/* store/replica/replica_duty.c: what the leader does unasked, ten times a second.
 *
 *  - Time: whether it may stamp yet, and slewing.
 *  - Sweep when something has run out; ImagePublish when only dead nodes hold an image up.
 *  - The configuration (replica_conf.c), reserves and settling (replica_reserve.c).
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- time */

void replica_duty_time(struct replica *r)
{
	struct cluster_time_sample sample[CLUSTER_TIME_SAMPLES_MAX];
	if (r->raft.role != RAFT_LEADER)
		return;
	size_t count = replica_member_samples(r, sample, CLUSTER_TIME_SAMPLES_MAX);
	size_t majority = replica_conf_majority(raft_conf_in_force(&r->raft, NULL));
	if (r->time_ready) {
		if (count >= majority)
			cluster_time_slew(&r->time, r->now_ms, sample, count);
		return;
	}
	switch (cluster_time_lead(&r->time, r->now_ms, sample, count, majority)) {
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
		(void)replica_conf_hand_over(r, true);
		return;
	}
	if (!replica_raft_leads(r) || !r->time_ready || r->raft.transfer_to != 0)
		return;
	replica_conf_tick(r);
	replica_reserve_tick(r);
	duty_sweep(r);
	if (r->now_ms - r->publish_ms >= 1000) {
		r->publish_ms = r->now_ms;
		model_each(r->model, PXE__OBJECT_KIND__OBJECT_IMAGE, duty_publish_image, r);
	}
}
