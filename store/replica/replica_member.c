/* store/replica/replica_member.c: the other members: connecting, liveness, statuses, clocks.
 *
 * Whoever is in the model is a peer of the transport; before the model has members (a node that
 * joins), the seeds are. A member that was removed stays connected for two seconds, so that it
 * learns of it.
 *
 * A member is live while something of it arrives at least every 350 ms; statuses flow every 100 ms
 * in all directions, since heartbeats flow only to and from the leader. One that says it is
 * stopping is not live at once.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct replica_member *replica_member_find(const struct replica *r, uint64_t id)
{
	for (unsigned i = 0; id != 0 && i < REPLICA_MEMBERS; i++) {
		if (r->member[i].id == id)
			return (struct replica_member *)&r->member[i];
	}
	return NULL;
}

static void member_connect_one(struct replica *r, const Pxe__Member *member)
{
	if (member->id == r->config.self || member->id == 0)
		return;
	struct replica_member *slot = replica_member_find(r, member->id);
	for (unsigned i = 0; slot == NULL && i < REPLICA_MEMBERS; i++) {
		if (r->member[i].id == 0)
			slot = &r->member[i];
	}
	if (slot == NULL)
		return; /* the next sweep of removed members makes room */
	if (slot->id == 0)
		*slot = (struct replica_member){.id = member->id};
	slot->gone_ms = 0;
	if (r->transport == NULL)
		return;
	int status = member->public_key.len != 32 || member->peer_address == NULL
			     ? -EINVAL
			     : transport_set_peer(r->transport, member->id, member->peer_address,
				       member->public_key.data);
	if (status != 0) {
		if (!slot->unreachable && status == -EINVAL) /* no room: a removed member is still
								connected; tried again */
			replica_alarm(r,
				"member %llu cannot be connected to: its address or key is unfit",
				(unsigned long long)member->id);
		slot->unreachable = true;
		return;
	}
	slot->unreachable = false;
}

void replica_member_connect(struct replica *r)
{
	const Pxe__Member *member[MODEL_MEMBERS_MAX];
	size_t count = model_members(r->model, member, MODEL_MEMBERS_MAX);
	r->members_due = false;
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		if (r->member[i].gone_ms == 0)
			r->member[i].gone_ms = r->now_ms;
	}
	for (size_t i = 0; i < count; i++)
		member_connect_one(r, member[i]);
	for (unsigned i = 0; count == 0 && i < r->seed_count; i++)
		member_connect_one(r, r->seed[i]);
	for (unsigned i = 0; i < r->roster.count; i++)
		member_connect_one(r, r->roster.member[i]);
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		struct replica_member *slot = &r->member[i];
		if (slot->id == 0 || slot->gone_ms == 0 ||
			r->now_ms - slot->gone_ms < REPLICA_GONE_MS)
			continue;
		if (r->transport != NULL)
			transport_remove_peer(r->transport, slot->id);
		*slot = (struct replica_member){0};
	}
}

void replica_member_fini(struct replica *r)
{
	for (unsigned i = 0; i < r->seed_count; i++)
		pxe__member__free_unpacked(r->seed[i], NULL);
	r->seed_count = 0;
	replica_roster_fini(r);
}

/* ---- what they say */

/* Of the members that tell a digest at this index, ourselves counted: how many have ours. */
static void member_count_digests(const struct replica *r, const struct replica_digest *own,
	unsigned *ret_same, unsigned *ret_other)
{
	*ret_same = 1;
	*ret_other = 0;
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		const struct replica_member *member = &r->member[i];
		if (member->id == 0 || !member->has_status ||
			member->status.digest_index != own->index)
			continue;
		if (memcmp(member->digest, own->digest, sizeof own->digest) == 0)
			(*ret_same)++;
		else
			(*ret_other)++;
	}
}

/* Equal index, different state: a fault of hardware or program. Whoever differs from the leader, or
 * from most, serves nothing more. */
static void member_compare(struct replica *r, struct replica_member *member)
{
	const struct replica_digest *own = replica_apply_digest_at(r, member->status.digest_index);
	unsigned same, other;
	if (member->status.digest_index == 0 || own == NULL ||
		memcmp(own->digest, member->digest, sizeof own->digest) == 0)
		return;
	if (!member->differs)
		replica_alarm(r, "state differs from member %llu's at index %llu",
			(unsigned long long)member->id, (unsigned long long)own->index);
	member->differs = true;
	member_count_digests(r, own, &same, &other);
	bool leader_differs =
		r->raft.role != RAFT_LEADER && member->id == r->raft.leader && other >= same;
	if ((leader_differs || other > same) && !r->diverged) {
		replica_alarm(r,
			"this node's state has diverged at index %llu: it serves nothing more; "
			"remove it and let it join anew",
			(unsigned long long)own->index);
		r->diverged = true;
	}
}

void replica_member_on_status(
	struct replica *r, struct replica_member *member, const Pxe__PeerStatus *status)
{
	bool digest = status->digest_sha256.len == sizeof member->digest;
	member->status = *status;
	member->status.base =
		(ProtobufCMessage)PROTOBUF_C_MESSAGE_INIT(&pxe__peer_status__descriptor);
	snprintf(member->version, sizeof member->version, "%s",
		status->version == NULL ? "" : status->version);
	member->status.version = member->version;
	member->status.digest_sha256 = (ProtobufCBinaryData){0};
	if (digest)
		memcpy(member->digest, status->digest_sha256.data, sizeof member->digest);
	else
		member->status.digest_index = 0;
	member->has_status = true;
	member->status_ms = r->now_ms;
	member->stamp_ms = status->stamp_ms;
	member_compare(r, member);
}

size_t replica_member_samples(
	const struct replica *r, struct cluster_time_sample *ret_sample, size_t max)
{
	const struct replica_env *env = r->config.env;
	size_t count = 0;
	assert(max > REPLICA_MEMBERS - 1);
	ret_sample[count++] = (struct cluster_time_sample){
		.wall_ms = env->now_wall_ms(env->ctx), .resume_ms = replica_clock_resume_ms(r)};
	for (unsigned i = 0; i < REPLICA_MEMBERS && count < max; i++) {
		const struct replica_member *member = &r->member[i];
		uint64_t age_ms = r->now_ms - member->status_ms;
		if (member->id == 0 || !member->has_status || age_ms > REPLICA_SAMPLE_MS ||
			member->status.wall_ms == 0 ||
			member->status.wall_ms > CLUSTER_TIME_MAX_MS ||
			member->status.cluster_ms > CLUSTER_TIME_MAX_MS ||
			member->status.resume_ms > CLUSTER_TIME_MAX_MS)
			continue;
		ret_sample[count++] = (struct cluster_time_sample){
			.wall_ms = member->status.wall_ms + age_ms,
			.cluster_ms = member->status.cluster_ms == 0
					      ? 0
					      : member->status.cluster_ms + age_ms,
			.resume_ms = member->status.resume_ms == 0
					     ? 0
					     : member->status.resume_ms + age_ms,
		};
	}
	return count;
}

/* ---- what we say */

static void member_fill_status(struct replica *r, Pxe__PeerStatus *status)
{
	const struct replica_env *env = r->config.env;
	const struct replica_digest *digest = replica_apply_digest(r);
	/* A system call: once a status, not for each view. */
	r->status.wall_synchronised = env->wall_synchronised(env->ctx);
	*status = r->status;
	status->version = r->version;
	status->applied = r->applied.index;
	status->stored = r->raft.stored;
	status->wall_ms = env->now_wall_ms(env->ctx);
	status->cluster_ms = r->time.known ? cluster_time_heading(&r->time, r->now_ms) : 0;
	status->resume_ms = replica_clock_resume_ms(r);
	status->life_ms = replica_clock_life_ms(r);
	status->stamp_ms = replica_view_stamp_ms(r);
	status->incarnation = r->proposals.incarnation;
	status->short_of_room = kv_is_short(r->kv);
	status->refusing = r->refusing;
	status->settled_ms = replica_journal_settled_ms(r);
	status->journal = r->journal.count;
	if (digest != NULL) {
		status->digest_index = digest->index;
		status->digest_sha256.data = (uint8_t *)digest->digest;
		status->digest_sha256.len = sizeof digest->digest;
	}
}

static void member_send_status(struct replica *r)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__PeerStatus status;
	replica_apply_rest(r);
	member_fill_status(r, &status);
	envelope.body_case = PXE__ENVELOPE__BODY_STATUS;
	envelope.status = &status;
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		if (r->member[i].id != 0)
			replica_send(r, r->member[i].id, &envelope);
	}
	r->status_due = false;
}

void replica_member_tick(struct replica *r)
{
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		struct replica_member *member = &r->member[i];
		member->live = member->id != 0 && member->heard &&
			       r->now_ms - member->heard_ms < REPLICA_DEAD_MS &&
			       !(member->has_status && member->status.stopping);
	}
	if (r->now_ms >= r->slow_due_ms) {
		r->slow_due_ms = r->now_ms + REPLICA_STATUS_MS;
		r->status_due = r->members_due = true;
		/* What they told before we got there ourselves. */
		for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
			if (r->member[i].id != 0 && r->member[i].has_status)
				member_compare(r, &r->member[i]);
		}
	}
	replica_roster_tick(r);
	if (r->members_due)
		replica_member_connect(r);
	if (r->status_due && r->transport != NULL)
		member_send_status(r);
}
