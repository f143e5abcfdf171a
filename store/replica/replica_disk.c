/* store/replica/replica_disk.c: what goes to disk, and what is known to be there.
 *
 * Each submit gives a ticket; the ring of tickets remembers what each one covers: the last log
 * index, the applied index. When the log is cut, tickets that wait are lowered, so that the core is
 * never told of an index that is no longer in the log.
 *
 * Small facts beside log and state ("meta"):
 *   vote     term, vote: 8 bytes each, little endian
 *   applied  packed SnapshotChunk without records: index, its term, configuration: what the stored
 * state covers base     the same for the entry before the first one in the log
 *   digest   of the stored state, and the index that it covers (8 bytes, little endian) before it
 *   clock    cluster time and wall clock of one moment, ms: 8 bytes each, little endian [R8]
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- tickets */

static void disk_ticket_push(struct replica_tickets *tickets, const struct replica_ticket *ticket)
{
	if (tickets->count == tickets->capacity) {
		tickets->capacity = tickets->capacity == 0 ? 64 : tickets->capacity * 2;
		tickets->slot = realloc(tickets->slot, tickets->capacity * sizeof *tickets->slot);
		if (tickets->slot == NULL)
			abort();
	}
	tickets->slot[tickets->count++] = *ticket;
}

uint64_t replica_disk_submit(struct replica *r, bool urgent)
{
	struct replica_tickets *tickets = &r->tickets;
	struct replica_ticket ticket = {
		.ticket = kv_submit(r->kv, urgent),
		.log_last = tickets->log_queued,
		.applied = r->applied.index,
		.stamp_ms = r->applied.stamp_ms,
		.journal = r->journal.number,
	};
	tickets->log_queued = 0;
	tickets->queued = tickets->urgent = false;
	disk_ticket_push(tickets, &ticket);
	return ticket.ticket;
}

void replica_disk_flush(struct replica *r)
{
	if (r->tickets.queued)
		replica_disk_submit(r, r->tickets.log_queued != 0 || r->tickets.urgent);
}

void replica_disk_on_durable(struct replica *r, uint64_t ticket)
{
	struct replica_tickets *tickets = &r->tickets;
	uint64_t log_last = 0;
	size_t covered = 0;
	while (covered < tickets->count && tickets->slot[covered].ticket <= ticket) {
		if (tickets->slot[covered].log_last != 0)
			log_last = tickets->slot[covered].log_last;
		if (tickets->slot[covered].applied > tickets->applied)
			tickets->applied = tickets->slot[covered].applied;
		if (tickets->slot[covered].stamp_ms > tickets->stamp_ms)
			tickets->stamp_ms = tickets->slot[covered].stamp_ms;
		r->journal.durable = tickets->slot[covered].journal;
		covered++;
	}
	tickets->count -= covered;
	if (covered > 0)
		memmove(tickets->slot, tickets->slot + covered,
			tickets->count * sizeof *tickets->slot);
	if (ticket > tickets->durable)
		tickets->durable = ticket;
	replica_raft_release(r);
	if (log_last != 0 && !r->raft.installing) {
		raft_stored(&r->raft, r->now_ms, log_last);
		replica_raft_drain(r);
	}
	replica_log_trim(&r->log, r->raft.stored);
	replica_install_on_durable(r);
	replica_wake(r);
}

/* ---- the log */

void replica_disk_log(struct replica *r, uint64_t index, uint64_t term, uint32_t type,
	uint8_t *payload, size_t payload_bytes)
{
	kv_log_append(r->kv, index, term, type, payload, payload_bytes);
	replica_log_push(&r->log, index, term, type, payload, payload_bytes);
	r->tickets.log_queued = index;
	r->tickets.queued = true;
}

void replica_disk_truncate(struct replica *r, uint64_t from)
{
	assert(from > 0);
	kv_log_truncate(r->kv, from);
	replica_log_truncate(&r->log, from);
	for (size_t i = 0; i < r->tickets.count; i++) {
		if (r->tickets.slot[i].log_last >= from)
			r->tickets.slot[i].log_last = from - 1;
	}
	if (r->tickets.log_queued >= from)
		r->tickets.log_queued = from - 1;
	r->tickets.queued = true;
}

bool replica_disk_entry(
	struct replica *r, uint64_t index, struct kv_entry *ret_entry, bool *ret_copied)
{
	const struct replica_log_entry *held = replica_log_get(&r->log, index);
	if (held != NULL) {
		*ret_entry = (struct kv_entry){
			.index = held->index,
			.term = held->term,
			.type = held->type,
			.payload = held->payload,
			.payload_bytes = held->payload_bytes,
		};
		*ret_copied = false;
		return true;
	}
	/* Not in memory: it has been durable for long, so what the disk has is what the core means;
	 * the term proves it. */
	if (kv_log_get(r->kv, index, ret_entry) != 0)
		return false;
	*ret_copied = true;
	if (ret_entry->term == raft_term_at(&r->raft, index))
		return true;
	kv_entry_fini(ret_entry);
	return false;
}

/* ---- facts */

void replica_disk_put_vote(struct kv *kv, uint64_t term, uint64_t vote)
{
	uint8_t bytes[16];
	for (unsigned i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)(term >> (8 * i));
		bytes[8 + i] = (uint8_t)(vote >> (8 * i));
	}
	kv_meta_put(kv, "vote", bytes, sizeof bytes);
}

void replica_disk_vote(struct replica *r, uint64_t term, uint64_t vote)
{
	replica_disk_put_vote(r->kv, term, vote);
	r->hold_ticket = replica_disk_submit(r, true);
}

static void disk_put_fact(struct kv *kv, const char *name, uint64_t index, uint64_t term,
	const struct replica_conf_at *conf)
{
	Pxe__SnapshotChunk fact = PXE__SNAPSHOT_CHUNK__INIT;
	Pxe__Configuration members = PXE__CONFIGURATION__INIT;
	Pxe__Configuration__Entry entry[RAFT_MEMBERS_MAX];
	Pxe__Configuration__Entry *pointer[RAFT_MEMBERS_MAX];
	uint8_t bytes[REPLICA_APPLIED_BYTES_MAX];
	for (unsigned i = 0; i < conf->conf.count; i++) {
		pxe__configuration__entry__init(&entry[i]);
		entry[i].id = conf->conf.member[i].id;
		entry[i].voter = conf->conf.member[i].voter;
		pointer[i] = &entry[i];
	}
	members.members = pointer;
	members.n_members = conf->conf.count;
	fact.index = index;
	fact.index_term = term;
	fact.conf_index = conf->index;
	fact.conf = &members;
	assert(pxe__snapshot_chunk__get_packed_size(&fact) <= sizeof bytes);
	kv_meta_put(kv, name, bytes, pxe__snapshot_chunk__pack(&fact, bytes));
}

void replica_disk_put_u64(struct kv *kv, const char *name, uint64_t value)
{
	uint8_t bytes[8];
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	kv_meta_put(kv, name, bytes, sizeof bytes);
}

uint64_t replica_disk_get_u64(struct kv *kv, const char *name)
{
	uint8_t bytes[8];
	uint64_t value = 0;
	size_t count;
	if (kv_meta_get(kv, name, bytes, sizeof bytes, &count) != 0 || count != sizeof bytes)
		return 0;
	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

void replica_disk_put_facts(struct kv *kv, uint64_t index, uint64_t term,
	const struct replica_conf_at *conf, const uint8_t digest[DIGEST_BYTES])
{
	uint8_t bytes[REPLICA_DIGEST_FACT_BYTES];
	disk_put_fact(kv, "applied", index, term, conf);
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(index >> (8 * i));
	memcpy(bytes + 8, digest, DIGEST_BYTES);
	kv_meta_put(kv, "digest", bytes, sizeof bytes);
}

void replica_disk_put_base(
	struct kv *kv, uint64_t index, uint64_t term, const struct replica_conf_at *conf)
{
	disk_put_fact(kv, "base", index, term, conf);
}

void replica_disk_applied(struct replica *r, const uint8_t digest[DIGEST_BYTES])
{
	const struct replica_applied *applied = &r->applied;
	assert(applied->conf_count > 0);
	replica_disk_put_facts(r->kv, applied->index, applied->term,
		&applied->conf[applied->conf_count - 1], digest);
	r->tickets.queued = true;
}

void replica_disk_base(
	struct replica *r, uint64_t index, uint64_t term, const struct replica_conf_at *conf)
{
	replica_disk_put_base(r->kv, index, term, conf);
	r->tickets.queued = true;
}

/* ---- compaction */

/* Keep the newest configuration at or before base, and all after it. */
static void disk_forget_confs(struct replica_applied *applied, uint64_t base)
{
	unsigned gone = 0;
	while (gone + 1 < applied->conf_count && applied->conf[gone + 1].index <= base)
		gone++;
	applied->conf_count -= gone;
	memmove(applied->conf, applied->conf + gone, applied->conf_count * sizeof applied->conf[0]);
}

/* Only what the durable state covers may go (rule 4: and nothing while a snapshot comes in). */
void replica_disk_compact(struct replica *r)
{
	uint64_t durable = r->tickets.applied, base = r->raft.base, to;
	if (r->raft.installing || r->install.ticket != 0 || durable <= base ||
		durable > raft_applicable(&r->raft))
		return;
	if (r->raft.run_count > REPLICA_COMPACT_RUNS ||
		r->applied.conf_count > REPLICA_CONFS_MAX / 2)
		to = durable;
	else if (durable - base >= REPLICA_COMPACT_EVERY + REPLICA_COMPACT_TRAILING)
		to = durable - REPLICA_COMPACT_TRAILING;
	else
		return;
	uint64_t term = raft_term_at(&r->raft, to);
	disk_forget_confs(&r->applied, to);
	assert(r->applied.conf[0].index <= to);
	replica_disk_base(r, to, term, &r->applied.conf[0]);
	kv_log_compact(r->kv, to);
	raft_compact(&r->raft, to);
}
