/* store/replica/replica_room.c: before a disk is full.
 *
 * A node whose disk is nearly full says so in its status. A leader in that state hands over to a
 * voter with room. Once fewer than a majority have room, the leader refuses what adds to the state:
 * each entry would have to go to one of the disks that are nearly full, and a node whose disk is
 * full ends. What takes away and what renews a lease in place is still taken; so an operator can
 * make room by removing things, and nobody who has an address loses it. With room on a majority the
 * leader goes on by itself.
 */
#include "store/replica/replica_impl.h"

#include "proto/msg/msg_ip4.h"
#include <assert.h>
#include <string.h>

/* A renewal, or a bind that repeats one: it writes a record that is there already. */
static bool room_is_renewal(const struct replica *r, const Pxe__Bind *bind)
{
	struct lease lease;
	if (bind->who == NULL || bind->ip.len != 4)
		return false;
	return model_lease_of_ip(r->model, msg_ip4_get(bind->ip), &lease) &&
	       lease.client_len == bind->who->client.len &&
	       memcmp(lease.client, bind->who->client.data, lease.client_len) == 0;
}

static bool room_adds(const struct replica *r, const Pxe__Command *command)
{
	switch (command->op_case) {
	case PXE__COMMAND__OP_BIND: return !room_is_renewal(r, command->bind);
	case PXE__COMMAND__OP_RELEASE:
	case PXE__COMMAND__OP_DECLINE: /* an address that a stranger uses must not be offered */
	case PXE__COMMAND__OP_SWEEP:
	case PXE__COMMAND__OP_REMOVE:
	case PXE__COMMAND__OP_MEMBER_REMOVE:
	case PXE__COMMAND__OP_MEMBER_GONE:
	case PXE__COMMAND__OP_MEMBER_SET:
	case PXE__COMMAND__OP_RECOVER:
	case PXE__COMMAND__OP_RESERVE_RETURN:
	case PXE__COMMAND__OP_MERGE: /* what clients were promised */
	case PXE__COMMAND__OP_SETTLE:
	case PXE__COMMAND__OP_BOOT_CANCEL:
	case PXE__COMMAND__OP_BOOT_CLAIM: /* of a record that is there */
	case PXE__COMMAND__OP_BOOT_END: return false;
	case PXE__COMMAND__OP_RESERVE_GIVE:
	case PXE__COMMAND__OP_OFFER:
	case PXE__COMMAND__OP_LEASE_IMPORT:
	case PXE__COMMAND__OP_PUT:
	case PXE__COMMAND__OP_IMAGE_STAGE:
	case PXE__COMMAND__OP_IMAGE_HELD:
	case PXE__COMMAND__OP_IMAGE_PUBLISH:
	case PXE__COMMAND__OP_IMAGE_TAG:
	case PXE__COMMAND__OP_BOOT_ONCE:
	case PXE__COMMAND__OP_SEEN:
	case PXE__COMMAND__OP_MEMBER_JOIN:
	case PXE__COMMAND__OP_MEMBER_UPDATE:
	case PXE__COMMAND__OP__NOT_SET:
	case _PXE__COMMAND__OP__CASE_IS_INT_SIZE: return true;
	}
	return true;
}

bool replica_room_is_refused(const struct replica *r)
{
	if (r->raft.role == RAFT_LEADER)
		return r->refusing;
	const struct replica_member *leader = replica_member_find(r, r->raft.leader);
	return r->raft.leader != 0 && leader != NULL && leader->has_status &&
	       leader->status.refusing;
}

bool replica_room_refuses(const struct replica *r, const Pxe__Command *command)
{
	return replica_room_is_refused(r) && room_adds(r, command);
}

/* Does this member's disk have room, as far as we know? */
static bool room_of(const struct replica *r, uint64_t id)
{
	if (id == r->config.self)
		return !kv_is_short(r->kv);
	const struct replica_member *member = replica_member_find(r, id);
	return member != NULL && member->live &&
	       !(member->has_status && member->status.short_of_room);
}

static void room_hand_over(struct replica *r, const struct raft_conf *conf)
{
	uint64_t to = 0, best = 0;
	if (r->raft.transfer_to != 0 || (r->transfer_ms != 0 && r->now_ms - r->transfer_ms < 1000))
		return;
	for (unsigned i = 0; i < conf->count; i++) {
		const struct raft_peer *peer = raft_peer(&r->raft, conf->member[i].id);
		if (peer == NULL || !conf->member[i].voter || peer->match < best ||
			!room_of(r, peer->id))
			continue;
		to = peer->id;
		best = peer->match;
	}
	if (to == 0)
		return;
	r->transfer_ms = r->now_ms;
	(void)raft_transfer(&r->raft, to);
	replica_raft_drain(r);
}

static void room_lead(struct replica *r)
{
	const struct raft_conf conf = *raft_conf_in_force(&r->raft, NULL);
	unsigned voters = 0, alive = 0, roomy = 0;
	for (unsigned i = 0; i < conf.count; i++) {
		if (!conf.member[i].voter)
			continue;
		voters++;
		alive += replica_is_live(r, conf.member[i].id);
		roomy += room_of(r, conf.member[i].id);
	}
	/* Without a majority alive it is not the disks that are missing. */
	bool refusing = roomy <= voters / 2 && (alive > voters / 2 || r->refusing);
	if (refusing && !r->refusing)
		replica_alarm(r,
			"no space: %u of %u disks have room; new leases and changes are refused "
			"until a majority has: free space there",
			roomy, voters);
	else if (!refusing && r->refusing)
		replica_alarm(r,
			"space again: %u of %u disks have room; new leases and changes "
			"are taken",
			roomy, voters);
	if (refusing != r->refusing)
		r->status_due = true;
	r->refusing = refusing;
	if (!refusing && kv_is_short(r->kv) && replica_raft_leads(r))
		room_hand_over(r, &conf);
}

void replica_room_tick(struct replica *r)
{
	bool is_short = kv_is_short(r->kv);
	if (is_short != r->is_short) {
		r->is_short = is_short;
		r->status_due = true;
		if (is_short)
			replica_alarm(r,
				"no space: this node's disk has room for only %.1f MiB more of "
				"state; the node ends when it is full: free space there",
				(double)kv_room_bytes(r->kv) / 1048576);
		else
			replica_alarm(r,
				"space again: this node's disk has room for %.1f MiB more "
				"of state",
				(double)kv_room_bytes(r->kv) / 1048576);
	}
	if (r->raft.role == RAFT_LEADER)
		room_lead(r);
	else
		r->refusing = false;
}
