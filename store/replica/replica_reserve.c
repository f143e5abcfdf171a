/* store/replica/replica_reserve.c: leader: what the nodes need for times without the quorum.
 *
 *  - [R1] ReserveGive: a member that holds less than three quarters of its share of a subnet's free
 *    addresses is given the rest of it. Only one that is there to take it.
 *  - Settle: what waits until every member knows it (a hold [R5], a lease given up early) is let go
 *    once all full members have told that they do. Each tells in its statuses up to which stamp it
 *    knows everything durably and has nothing in its journal that was decided on less; it never
 *    takes that back, so a report stays true whatever becomes of the member. One that was
 *    removed by force is waited for by the clock instead [R7]. A cluster at rest has no newer
 *    stamp that anybody could know: then a Settle that settles nothing makes one.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>

const Pxe__PeerStatus *replica_reserve_report(
	const struct replica *r, uint64_t id, Pxe__PeerStatus *scratch)
{
	if (id == r->config.self) {
		*scratch = r->status;
		scratch->settled_ms = replica_journal_settled_ms(r);
		scratch->journal = r->journal.count;
		scratch->life_ms = replica_clock_life_ms(r);
		return scratch;
	}
	const struct replica_member *member = replica_member_find(r, id);
	return member != NULL && member->has_status ? &member->status : NULL;
}

/* ---- giving */

struct reserve_give {
	struct replica *r;
	uint64_t owner;
};

static void reserve_on_given(
	void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct replica *r = ctx;
	(void)outcome;
	(void)result;
	r->gives--;
}

/* False: no room, or too much is on its way: later. */
static bool reserve_propose_give(
	struct replica *r, uint64_t owner, const char *subnet, uint32_t count)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ReserveGive give = PXE__RESERVE_GIVE__INIT;
	give.owner = owner;
	give.subnet = (char *)(uintptr_t)subnet;
	give.count = count;
	command.op_case = PXE__COMMAND__OP_RESERVE_GIVE;
	command.reserve_give = &give;
	if (replica_propose(r, &command, 0, reserve_on_given, r) != REPLICA_APPLIED)
		return false;
	r->gives++;
	return true;
}

static bool reserve_give_subnet(void *ctx, const void *object)
{
	const struct reserve_give *give = ctx;
	const struct model *model = give->r->model;
	const Pxe__Subnet *subnet = object;
	uint64_t target = model_reserve_target(model, subnet, give->owner), free_count, held;
	if (target == 0)
		return true;
	model_reserve_usage(model, subnet, give->owner, &free_count, &held);
	if (held * 4 >= target * 3)
		return true;
	uint64_t left = target - held < free_count ? target - held : free_count;
	for (unsigned i = 0; i < REPLICA_GIVES_MAX && left > 0; i++) {
		uint32_t count = left < REPLICA_GIVE_MAX ? (uint32_t)left : REPLICA_GIVE_MAX;
		if (!reserve_propose_give(give->r, give->owner, subnet->name, count))
			return false;
		left -= count;
	}
	return true;
}

/* It is there, knows its journal, and is to stay. */
static bool reserve_may_take(const struct replica *r, const Pxe__Member *member)
{
	Pxe__PeerStatus scratch;
	const Pxe__PeerStatus *report = replica_reserve_report(r, member->id, &scratch);
	return member->role == PXE__MEMBER_ROLE__MEMBER_FULL && !member->removing &&
	       !member->draining && replica_is_live(r, member->id) && report != NULL &&
	       report->settled_ms != 0 && !report->isolated;
}

/* One member each time: the loop has other things to do. */
static void reserve_give(struct replica *r)
{
	const Pxe__Member *member[MODEL_MEMBERS_MAX];
	size_t count = model_members(r->model, member, MODEL_MEMBERS_MAX);
	if (r->gives > 0)
		return; /* the model does not show yet what was given */
	for (size_t i = 0; i < count; i++) {
		struct replica_member *peer = replica_member_find(r, member[i]->id);
		uint64_t *last_ms = member[i]->id == r->config.self ? &r->give_ms
				    : peer != NULL                  ? &peer->give_ms
								    : NULL;
		if (last_ms == NULL || (*last_ms != 0 && r->now_ms - *last_ms < REPLICA_GIVE_MS) ||
			!reserve_may_take(r, member[i]))
			continue;
		*last_ms = r->now_ms;
		struct reserve_give give = {.r = r, .owner = member[i]->id};
		model_each(r->model, PXE__OBJECT_KIND__OBJECT_SUBNET, reserve_give_subnet, &give);
		return;
	}
}

/* ---- settling */

static void reserve_on_settled(
	void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct replica *r = ctx;
	(void)outcome;
	(void)result;
	r->settles--;
}

static void reserve_propose_settle(struct replica *r, uint64_t settled_ms, uint64_t lives_ms)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Settle settle = PXE__SETTLE__INIT;
	settle.settled_ms = settled_ms;
	settle.lives_ms = lives_ms;
	command.op_case = PXE__COMMAND__OP_SETTLE;
	command.settle = &settle;
	if (replica_propose(r, &command, 0, reserve_on_settled, r) != REPLICA_APPLIED)
		return;
	r->settles++;
	r->settle_ms = r->now_ms;
}

/* Will it know a newer stamp as soon as there is one? */
static bool reserve_follows(const struct replica *r, const Pxe__Member *member)
{
	Pxe__PeerStatus scratch;
	const Pxe__PeerStatus *report = replica_reserve_report(r, member->id, &scratch);
	return replica_is_live(r, member->id) && report != NULL && report->settled_ms != 0 &&
	       report->journal == 0;
}

/* Nobody can know of anything newer than at_ms; or some wait for a stamp that is newer than what
 * they answered from their state, and the cluster is at rest. */
static bool reserve_lacks_stamp(const struct replica *r, uint64_t at_ms)
{
	uint64_t stamp_ms = model_stamp_ms(r->model);
	return stamp_ms <= at_ms ||
	       cluster_time_now(&r->time, r->now_ms) - stamp_ms >= REPLICA_REST_MS;
}

/* Somebody who is to leave waits to know that he is, and there is no newer stamp to show it. */
static bool reserve_leaver_waits(
	const struct replica *r, const Pxe__Member *const *member, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		Pxe__PeerStatus scratch;
		if (!member[i]->removing || member[i]->forced ||
			member[i]->role != PXE__MEMBER_ROLE__MEMBER_FULL ||
			!reserve_follows(r, member[i]) ||
			!reserve_lacks_stamp(r, member[i]->removing_ms))
			continue;
		const Pxe__PeerStatus *report = replica_reserve_report(r, member[i]->id, &scratch);
		if (report->settled_ms <= member[i]->removing_ms)
			return true;
	}
	return false;
}

static void reserve_settle(struct replica *r)
{
	const Pxe__Member *member[MODEL_MEMBERS_MAX];
	size_t count = model_members(r->model, member, MODEL_MEMBERS_MAX);
	uint64_t oldest_ms = model_unsettled_ms(r->model), known_ms = UINT64_MAX, lives_ms = 0;
	bool all_follow = oldest_ms != 0;
	if (r->settles > 0)
		return;
	for (size_t i = 0; i < count; i++) {
		Pxe__PeerStatus scratch;
		if (member[i]->role != PXE__MEMBER_ROLE__MEMBER_FULL || member[i]->forced)
			continue;
		const Pxe__PeerStatus *report = replica_reserve_report(r, member[i]->id, &scratch);
		uint64_t settled_ms =
			report == NULL || report->life_ms == 0 ? 0 : report->settled_ms;
		if (report != NULL && report->life_ms > lives_ms)
			lives_ms = report->life_ms;
		if (settled_ms < known_ms)
			known_ms = settled_ms;
		all_follow =
			all_follow && (settled_ms > oldest_ms || reserve_follows(r, member[i]));
	}
	if (known_ms == UINT64_MAX)
		return; /* nobody counts: nothing is known of anybody */
	bool may = cluster_time_now(&r->time, r->now_ms) >= model_settle_after_ms(r->model);
	if (may && oldest_ms != 0 && known_ms > oldest_ms) {
		reserve_propose_settle(r, known_ms, lives_ms);
		return;
	}
	bool rests = may && all_follow && reserve_lacks_stamp(r, oldest_ms);
	if ((rests || reserve_leaver_waits(r, member, count)) &&
		(r->settle_ms == 0 || r->now_ms - r->settle_ms >= REPLICA_SETTLE_MS))
		reserve_propose_settle(r, model_settled_ms(r->model), UINT64_MAX);
}

void replica_reserve_tick(struct replica *r)
{
	reserve_give(r);
	reserve_settle(r);
}
