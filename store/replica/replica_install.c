/* store/replica/replica_install.c: follower: a state that arrives in chunks replaces ours.
 *
 *   chunk 0 .. last collected -> checked whole -> raft_install_begin() -> one disk unit: state and
 * log cleared, records, facts
 *   -> durable -> model loaded anew -> raft_installed() -> last chunk acknowledged
 *
 * Nothing is changed before the last chunk is here and every record in it was accepted; a crash
 * leaves the old state or the new. While chunks arrive this node goes on with what it has.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void install_ack(
	struct replica *r, uint64_t to, uint64_t stream, uint32_t number, bool refused)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__SnapshotAck ack = PXE__SNAPSHOT_ACK__INIT;
	ack.stream = stream;
	ack.number = number;
	ack.refused = refused;
	envelope.body_case = PXE__ENVELOPE__BODY_SNAPSHOT_ACK;
	envelope.snapshot_ack = &ack;
	replica_send(r, to, &envelope);
}

static void install_drop(struct replica *r)
{
	free(r->install.bytes);
	r->install = (struct replica_install){0};
}

void replica_install_fini(struct replica *r)
{
	install_drop(r);
}

static void install_refuse(struct replica *r)
{
	install_ack(r, r->install.from, r->install.stream, 0, true);
	install_drop(r);
}

struct install_load {
	struct model *model;
	bool sound;
};

static void install_load_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct install_load *load = ctx;
	if (model_load(load->model, key, key_bytes, value, value_bytes) != 0)
		load->sound = false;
}

/* Does a model accept every record? */
static bool install_load_all(const struct replica_install *install, struct model *model)
{
	struct install_load load = {.model = model, .sound = true};
	return replica_stream_read_records(
		       install->bytes, install->byte_count, install_load_record, &load) == 0 &&
	       load.sound;
}

static void install_put_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct replica *r = ctx;
	kv_state_put(r->kv, key, key_bytes, value, value_bytes);
}

static void install_take_facts(struct replica *r)
{
	r->applied.index = r->install.index;
	r->applied.term = r->install.index_term;
	r->applied.stamp_ms = r->install.stamp_ms;
	r->applied.conf[0] = r->install.conf;
	r->applied.conf_count = 1;
}

/* All chunks are here: give the state to the disk if the core agrees. It may not for a moment,
 * while writes are in flight. */
static void install_try(struct replica *r)
{
	struct replica_install *install = &r->install;
	struct raft_message message = {
		.kind = RAFT_SNAPSHOT,
		.from = install->from,
		.to = r->config.self,
		.term = install->term,
		.index = install->index,
		.log_term = install->index_term,
	};
	bool begin = raft_install_begin(&r->raft, r->now_ms, &message);
	replica_raft_drain(r);
	if (!begin) {
		if (r->raft.term > install->term || install->index <= r->raft.commit ||
			r->now_ms - install->heard_ms > REPLICA_FRESH_MS)
			install_refuse(r);
		return;
	}
	replica_disk_flush(r); /* what was queued before is a unit of its own */
	kv_state_clear(r->kv);
	kv_log_clear(r->kv);
	/* Checked when the last chunk arrived: it reads to the end. */
	int status = replica_stream_read_records(
		install->bytes, install->byte_count, install_put_record, r);
	assert(status == 0);
	/* What the disk is to hold; what we go by changes with the model, when this is durable. */
	const struct replica_conf_at conf = r->applied.conf[0];
	uint64_t index = r->applied.index, term = r->applied.term, stamp_ms = r->applied.stamp_ms;
	unsigned conf_count = r->applied.conf_count;
	install_take_facts(r);
	replica_disk_applied(r, install->digest);
	replica_disk_base(r, install->index, install->index_term, &install->conf);
	install->ticket = replica_disk_submit(r, true);
	r->applied.index = index;
	r->applied.term = term;
	r->applied.stamp_ms = stamp_ms;
	r->applied.conf[0] = conf;
	r->applied.conf_count = conf_count;
}

void replica_install_tick(struct replica *r)
{
	if (r->install.complete && r->install.ticket == 0)
		install_try(r);
	else if (r->install.active && !r->install.complete &&
		 r->now_ms - r->install.heard_ms > REPLICA_STREAM_DEAD_MS)
		install_drop(r);
}

void replica_install_on_durable(struct replica *r)
{
	struct replica_install *install = &r->install;
	if (install->ticket == 0 || install->ticket > r->tickets.durable)
		return;
	replica_log_truncate(&r->log, 0);
	model_clear(r->model); /* the same object: others hold a pointer to it */
	bool sound = install_load_all(install, r->model);
	assert(sound); /* another model took it when the last chunk arrived */
	install_take_facts(r);
	r->applied.digest_count = 0;
	r->applied.record_bytes = 0;
	r->applied.everything = true;
	r->applied.members_changed = true;
	cluster_time_raise(&r->time, model_stamp_ms(r->model));
	replica_propose_abandon(r, false);
	raft_installed(&r->raft, install->index, install->index_term, install->conf.index,
		&install->conf.conf);
	install_ack(r, install->from, install->stream, install->next - 1, false);
	install_drop(r);
	replica_raft_drain(r);
	replica_view_applied(r);
}

/* ---- chunks */

static bool install_open(struct replica *r, uint64_t from, const Pxe__SnapshotChunk *chunk)
{
	struct raft_conf conf;
	if (chunk->number != 0 || !replica_conf_unpack(chunk->conf, &conf) || chunk->index == 0 ||
		chunk->index_term == 0 || chunk->conf_index > chunk->index ||
		chunk->index_term > chunk->term)
		return false;
	install_drop(r);
	r->install.active = true;
	r->install.from = from;
	r->install.stream = chunk->stream;
	r->install.term = chunk->term;
	r->install.index = chunk->index;
	r->install.index_term = chunk->index_term;
	r->install.conf = (struct replica_conf_at){.index = chunk->conf_index, .conf = conf};
	return true;
}

static bool install_append(struct replica_install *install, const ProtobufCBinaryData *records)
{
	if (install->byte_count + records->len > REPLICA_SNAPSHOT_BYTES_MAX)
		return false;
	if (install->byte_count + records->len > install->byte_capacity) {
		size_t capacity = install->byte_capacity * 2 + records->len;
		uint8_t *bytes = realloc(install->bytes, capacity);
		if (bytes == NULL)
			return false;
		install->bytes = bytes;
		install->byte_capacity = capacity;
	}
	if (records->len > 0)
		memcpy(install->bytes + install->byte_count, records->data, records->len);
	install->byte_count += records->len;
	install->next++;
	return true;
}

static void install_complete(struct replica *r)
{
	struct model *trial = model_new();
	if (trial == NULL)
		abort();
	bool sound = install_load_all(&r->install, trial);
	model_digest(trial, r->install.digest);
	r->install.stamp_ms = model_stamp_ms(trial);
	model_free(trial);
	if (!sound) {
		replica_alarm(r, "member %llu sent a state that cannot be read",
			(unsigned long long)r->install.from);
		r->dropped++;
		install_refuse(r);
		return;
	}
	r->install.complete = true;
	install_try(r);
}

void replica_install_on_chunk(struct replica *r, uint64_t from, const Pxe__SnapshotChunk *chunk)
{
	struct replica_install *install = &r->install;
	if (install->ticket != 0)
		return; /* being made durable: what follows is answered then */
	if (chunk->term < r->raft.term) {
		install_ack(r, from, chunk->stream, 0, true);
		return;
	}
	raft_heard_leader(&r->raft, r->now_ms, from, chunk->term);
	replica_raft_drain(r);
	bool same = install->active && install->from == from && install->stream == chunk->stream &&
		    install->term == chunk->term && install->index == chunk->index;
	if (!same && !install_open(r, from, chunk)) {
		if (chunk->number == 0)
			r->dropped++;
		return;
	}
	install->heard_ms = r->now_ms;
	if (install->complete || chunk->number > install->next)
		return; /* out of order: sent again */
	if (chunk->number == install->next && !install_append(install, &chunk->records)) {
		install_refuse(r);
		return;
	}
	if (chunk->last && chunk->number + 1 == install->next)
		install_complete(r);
	else
		install_ack(r, from, chunk->stream, install->next - 1, false);
}
