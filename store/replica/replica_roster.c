/* store/replica/replica_roster.c: who belongs to the cluster, told to a member that cannot know
 * yet.
 *
 * A node that was away while members came and went knows neither the address nor the key of the new
 * ones. If one of these leads, nobody else sends it the log: it would stay behind for ever, and
 * with it a vote. So whoever it does know, and has applied more, tells it the members, once a
 * second; it connects to them until its own state has them.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <stdlib.h>

#define ROSTER_MS 1000

void replica_roster_fini(struct replica *r)
{
	for (unsigned i = 0; i < r->roster.count; i++)
		pxe__member__free_unpacked(r->roster.member[i], NULL);
	r->roster.count = 0;
}

void replica_roster_changed(struct replica *r)
{
	r->roster.changed_index = r->applied.index;
	if (r->roster.told_index <= r->applied.index)
		replica_roster_fini(r); /* our own state has them */
}

void replica_roster_on_message(struct replica *r, const Pxe__Roster *roster)
{
	if (roster->applied <= r->applied.index || roster->applied < r->roster.told_index)
		return;
	replica_roster_fini(r);
	r->roster.told_index = roster->applied;
	for (size_t i = 0; i < roster->n_member && i < MODEL_MEMBERS_MAX; i++) {
		const Pxe__Member *member = roster->member[i];
		if (member->id == 0 || member->id == r->config.self ||
			model_member(r->model, member->id) != NULL)
			continue;
		size_t count = pxe__member__get_packed_size(member);
		uint8_t *bytes = replica_alloc(count);
		pxe__member__pack(member, bytes);
		Pxe__Member *copy = pxe__member__unpack(NULL, count, bytes);
		free(bytes);
		assert(copy != NULL); /* it was packed here */
		r->roster.member[r->roster.count++] = copy;
	}
	if (r->roster.count > 0)
		r->members_due = true;
}

static void roster_send(struct replica *r, uint64_t to)
{
	const Pxe__Member *member[MODEL_MEMBERS_MAX];
	Pxe__Member *told[MODEL_MEMBERS_MAX];
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__Roster roster = PXE__ROSTER__INIT;
	roster.n_member = model_members(r->model, member, MODEL_MEMBERS_MAX);
	for (size_t i = 0; i < roster.n_member; i++)
		told[i] = (Pxe__Member *)(uintptr_t)member[i];
	roster.applied = r->applied.index;
	roster.member = told;
	envelope.body_case = PXE__ENVELOPE__BODY_ROSTER;
	envelope.roster = &roster;
	replica_send(r, to, &envelope);
}

void replica_roster_tick(struct replica *r)
{
	if (r->now_ms < r->roster.due_ms || r->transport == NULL)
		return;
	r->roster.due_ms = r->now_ms + ROSTER_MS;
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		const struct replica_member *member = &r->member[i];
		if (member->id != 0 && member->live && member->has_status &&
			member->status.applied < r->roster.changed_index)
			roster_send(r, member->id);
	}
}
