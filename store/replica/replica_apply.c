/* store/replica/replica_apply.c: committed entries become state, in log order.
 *
 * The model decides in memory, on the loop; what it changes is queued for the disk together with
 * the index up to which the state is now valid (rule 8). These writes ride along with the next log
 * write. Our user hears of changed records and outcomes when the turn ends, so each sees the model
 * as it is after the whole batch.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- what changed */

static void apply_note_record(struct replica *r, const uint8_t *key, size_t key_bytes)
{
	struct replica_applied *applied = &r->applied;
	if (key_bytes > 0 && key[0] == 'm') /* RECORD_MEMBER */
		applied->members_changed = true;
	if (r->config.on_record == NULL || applied->everything || key_bytes > UINT8_MAX)
		return;
	if (applied->record_bytes + 1 + key_bytes > applied->record_capacity) {
		applied->record_capacity = applied->record_capacity * 2 + 4096;
		applied->records = realloc(applied->records, applied->record_capacity);
		if (applied->records == NULL)
			abort();
	}
	applied->records[applied->record_bytes++] = (uint8_t)key_bytes;
	memcpy(applied->records + applied->record_bytes, key, key_bytes);
	applied->record_bytes += key_bytes;
}

static void apply_on_put(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct replica *r = ctx;
	kv_state_put(r->kv, key, key_bytes, value, value_bytes);
	apply_note_record(r, key, key_bytes);
}

static void apply_on_remove(void *ctx, const uint8_t *key, size_t key_bytes)
{
	struct replica *r = ctx;
	kv_state_remove(r->kv, key, key_bytes);
	apply_note_record(r, key, key_bytes);
}

void replica_apply_init(struct replica *r)
{
	r->applied.sink =
		(struct model_sink){.ctx = r, .put = apply_on_put, .remove = apply_on_remove};
}

void replica_apply_fini(struct replica *r)
{
	free(r->applied.records);
	free(r->applied.done);
}

/* ---- entries */

void replica_apply_conf(struct replica *r, uint64_t index, const struct raft_conf *conf)
{
	struct replica_applied *applied = &r->applied;
	if (applied->conf_count == REPLICA_CONFS_MAX) {
		/* Dozens of changes before one state became durable: forget the second oldest. */
		applied->conf_count--;
		memmove(applied->conf + 1, applied->conf + 2,
			(applied->conf_count - 1) * sizeof applied->conf[0]);
	}
	applied->conf[applied->conf_count++] =
		(struct replica_conf_at){.index = index, .conf = *conf};
	r->members_due = true;
}

/* [R6] A promise was broken: an operator must hear of it, and which machines to look at. */
static void apply_tell_conflicts(
	struct replica *r, const Pxe__Command *command, const struct model_result *result)
{
	const Pxe__Member *member = model_member(r->model, command->origin);
	replica_alarm(r,
		"node %s leased %u address%s without the quorum that another client holds: two "
		"machines may use one address; find them in its log, restart them, and report "
		"this as a bug",
		member == NULL ? "?" : member->name, result->conflicts,
		result->conflicts == 1 ? "" : "es");
}

static void apply_batch(struct replica *r, const struct kv_entry *entry)
{
	Pxe__Batch *batch = pxe__batch__unpack(NULL, entry->payload_bytes, entry->payload);
	if (batch == NULL) {
		/* The same bytes are in every log, so every node leaves them out. */
		replica_alarm(r, "log entry %llu cannot be read and is left out",
			(unsigned long long)entry->index);
		return;
	}
	struct model_result *result = replica_alloc(sizeof *result);
	model_begin(r->model, batch->stamp_ms, &r->applied.sink);
	cluster_time_raise(&r->time, batch->stamp_ms);
	for (size_t i = 0; i < batch->n_commands; i++) {
		*result = (struct model_result){0};
		model_apply(r->model, batch->commands[i], &r->applied.sink, result);
		if (result->conflicts > 0)
			apply_tell_conflicts(r, batch->commands[i], result);
		replica_propose_applied(r, batch->commands[i], result);
	}
	r->applied.turn_commands += batch->n_commands;
	free(result);
	pxe__batch__free_unpacked(batch, NULL);
}

static void apply_take_conf(struct replica *r, const struct kv_entry *entry)
{
	struct raft_conf conf;
	Pxe__Configuration *message =
		pxe__configuration__unpack(NULL, entry->payload_bytes, entry->payload);
	if (replica_conf_unpack(message, &conf))
		replica_apply_conf(r, entry->index, &conf);
	else
		replica_alarm(r, "configuration entry %llu cannot be read",
			(unsigned long long)entry->index);
	pxe__configuration__free_unpacked(message, NULL);
}

static void apply_digest(struct replica *r)
{
	struct replica_applied *applied = &r->applied;
	struct replica_digest *digest = &applied->digest[applied->digest_count++ % REPLICA_DIGESTS];
	digest->index = applied->index;
	model_digest(r->model, digest->digest);
}

bool replica_apply_next(struct replica *r)
{
	struct kv_entry entry;
	bool copied;
	uint64_t index = r->applied.index + 1;
	if (!replica_disk_entry(r, index, &entry, &copied)) {
		/* Durable, committed, and not there: the disk lost it. The core would wait for
		 * ever; say so. */
		replica_alarm(r, "log entry %llu is missing on disk: this node cannot go on",
			(unsigned long long)index);
		return false;
	}
	if (entry.type == RAFT_DATA)
		apply_batch(r, &entry);
	else if (entry.type == RAFT_CONF)
		apply_take_conf(r, &entry);
	r->applied.index = index;
	r->applied.term = entry.term;
	r->applied.stamp_ms = model_stamp_ms(r->model);
	if (index % REPLICA_DIGEST_EVERY == 0 || entry.type == RAFT_CONF)
		apply_digest(r);
	if (copied)
		kv_entry_fini(&entry);
	return true;
}

/* A cluster at rest compares its state too, not only at every REPLICA_DIGEST_EVERY entries: nodes
 * that apply nothing for one status period are all at the same index. */
void replica_apply_rest(struct replica *r)
{
	const struct replica_digest *newest = replica_apply_digest(r);
	bool resting = r->applied.index == r->applied.status_index;
	r->applied.status_index = r->applied.index;
	if (resting && r->applied.index > 0 &&
		(newest == NULL || newest->index != r->applied.index))
		apply_digest(r);
}

bool replica_apply(struct replica *r)
{
	uint64_t before = r->applied.index, end = raft_applicable(&r->raft);
	if (r->raft.installing || r->install.ticket != 0 || end <= before)
		return false;
	uint64_t stop = end - before > REPLICA_APPLY_MAX ? before + REPLICA_APPLY_MAX : end;
	r->applied.turn_commands = 0;
	while (r->applied.index < stop && r->applied.turn_commands < REPLICA_APPLY_COMMANDS &&
		replica_apply_next(r))
		;
	if (r->applied.index == before)
		return false;
	uint8_t digest[DIGEST_BYTES];
	model_digest(r->model, digest);
	replica_disk_applied(r, digest);
	replica_view_applied(r);
	return r->applied.index < end;
}

const struct replica_digest *replica_apply_digest(const struct replica *r)
{
	if (r->applied.digest_count == 0)
		return NULL;
	return &r->applied.digest[(r->applied.digest_count - 1) % REPLICA_DIGESTS];
}

const struct replica_digest *replica_apply_digest_at(const struct replica *r, uint64_t index)
{
	for (unsigned i = 0; i < REPLICA_DIGESTS && i < r->applied.digest_count; i++) {
		if (r->applied.digest[i].index == index)
			return &r->applied.digest[i];
	}
	return NULL;
}

/* ---- telling our user */

void replica_apply_done(struct replica *r, replica_done_cb *done, void *ctx,
	enum replica_outcome outcome, const struct model_result *result)
{
	struct replica_applied *applied = &r->applied;
	if (applied->done_count == applied->done_capacity) {
		applied->done_capacity = applied->done_capacity * 2 + 64;
		applied->done =
			realloc(applied->done, applied->done_capacity * sizeof *applied->done);
		if (applied->done == NULL)
			abort();
	}
	struct replica_done *item = &applied->done[applied->done_count++];
	*item = (struct replica_done){.done = done, .ctx = ctx, .outcome = outcome};
	if (result != NULL)
		item->result = *result;
	replica_wake(r);
}

static void apply_tell_records(struct replica *r)
{
	uint8_t *records = r->applied.records;
	size_t bytes = r->applied.record_bytes;
	bool everything = r->applied.everything;
	if (bytes == 0 && !everything)
		return;
	/* The callback may propose, never apply: but what it causes belongs to the next turn. */
	r->applied.records = NULL;
	r->applied.record_bytes = r->applied.record_capacity = 0;
	r->applied.everything = false;
	if (r->config.on_record != NULL && everything)
		r->config.on_record(r->config.ctx, (const uint8_t *)"", 0);
	for (size_t at = 0; at < bytes && r->config.on_record != NULL && !everything;
		at += 1 + (size_t)records[at])
		r->config.on_record(r->config.ctx, records + at + 1, records[at]);
	free(records);
}

void replica_apply_tell(struct replica *r)
{
	apply_tell_records(r);
	struct replica_done *done = r->applied.done;
	size_t count = r->applied.done_count;
	r->applied.done = NULL;
	r->applied.done_count = r->applied.done_capacity = 0;
	for (size_t i = 0; i < count; i++)
		done[i].done(done[i].ctx, done[i].outcome,
			done[i].outcome == REPLICA_APPLIED ? &done[i].result : NULL);
	free(done);
}
