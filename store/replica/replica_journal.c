/* store/replica/replica_journal.c: the node's own journal [R2]: written here, told when durable,
 * and what it means for the others.
 *
 * Whoever leases without the quorum waits for on_journal() before the answer leaves, so a write of
 * the journal wakes the disk at once, with all that is queued.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>

uint64_t replica_journal_put(struct replica *r, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes)
{
	assert(r != NULL && key != NULL && key_bytes > 0 && (value != NULL || value_bytes == 0));
	assert(!r->closing);
	kv_journal_put(r->kv, key, key_bytes, value, value_bytes);
	r->tickets.queued = r->tickets.urgent = true;
	replica_wake(r);
	return ++r->journal.number;
}

int replica_journal_each(struct replica *r,
	bool (*visit)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes),
	void *ctx)
{
	assert(r != NULL && visit != NULL);
	return kv_journal_each(r->kv, visit, ctx);
}

void replica_journal_state(struct replica *r, unsigned count, uint64_t oldest_state_ms)
{
	assert(r != NULL);
	struct replica_journal *journal = &r->journal;
	/* The others wait for news of an empty journal, and for the first word. */
	if (!journal->known || (count == 0) != (journal->count == 0)) {
		r->status_due = true;
		replica_wake(r);
	}
	journal->known = true;
	journal->count = count;
	journal->oldest_ms = oldest_state_ms;
}

uint64_t replica_incarnation(const struct replica *r)
{
	assert(r != NULL);
	return r->proposals.incarnation;
}

void replica_journal_tell(struct replica *r)
{
	struct replica_journal *journal = &r->journal;
	if (journal->durable == journal->told)
		return;
	journal->told = journal->durable;
	if (r->config.on_journal != NULL)
		r->config.on_journal(r->config.ctx, journal->told);
}

uint64_t replica_journal_settled_ms(const struct replica *r)
{
	const Pxe__Member *self = model_member(r->model, r->config.self);
	uint64_t stamp_ms = r->tickets.stamp_ms;
	if (self != NULL && self->role == PXE__MEMBER_ROLE__MEMBER_WITNESS)
		return stamp_ms; /* it serves nothing: it has no journal */
	if (!r->journal.known)
		return 0;
	return r->journal.oldest_ms < stamp_ms ? r->journal.oldest_ms : stamp_ms;
}
