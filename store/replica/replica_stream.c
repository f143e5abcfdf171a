/* store/replica/replica_stream.c: leader: the whole state to a node that the log no longer reaches.
 *
 *           SEND_SNAPSHOT         read on a worker           all acknowledged
 *   FREE -----------------> READING -------------> SENDING -------------------> FREE (delivered)
 *                              |  read failed         |  refused, silent for 5 s
 *                              +-----> FAILED <-------+
 *                                        | 200 ms
 *                                        +---------> FREE (failed: the core tries again)
 *
 * The durable state is the snapshot: one read transaction copies it, with the "applied" fact of the
 * same moment. It leaves in chunks of 256 KiB, four ahead of the last acknowledged one; chunks are
 * repeated from there after 200 ms without progress.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Shared with the worker until it has posted back; then with whoever comes last. */
struct replica_stream_job {
	struct replica *replica; /* NULL: nobody waits any more */
	struct kv *kv;
	uint64_t id;
	uint8_t *bytes;
	size_t byte_count, byte_capacity;
	uint8_t fact[REPLICA_APPLIED_BYTES_MAX];
	size_t fact_bytes;
	int status;
	uv_mutex_t mutex;
	uv_cond_t cond;
	bool running, cancelled;
};

static size_t stream_put_varint(uint8_t *at, size_t value)
{
	size_t count = 0;
	for (; value >= 0x80; value >>= 7)
		at[count++] = (uint8_t)(value | 0x80);
	at[count++] = (uint8_t)value;
	return count;
}

static bool stream_on_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct replica_stream_job *job = ctx;
	size_t need = key_bytes + value_bytes + 20;
	if (job->byte_count + need > job->byte_capacity) {
		size_t capacity = job->byte_capacity * 2 + need + 65536;
		uint8_t *bytes = realloc(job->bytes, capacity);
		if (bytes == NULL) {
			job->status = -ENOMEM;
			return false;
		}
		job->bytes = bytes;
		job->byte_capacity = capacity;
	}
	job->byte_count += stream_put_varint(job->bytes + job->byte_count, key_bytes);
	memcpy(job->bytes + job->byte_count, key, key_bytes);
	job->byte_count += key_bytes;
	job->byte_count += stream_put_varint(job->bytes + job->byte_count, value_bytes);
	memcpy(job->bytes + job->byte_count, value, value_bytes);
	job->byte_count += value_bytes;
	return true;
}

/* On a worker. */
static void stream_work(void *ctx)
{
	struct replica_stream_job *job = ctx;
	uv_mutex_lock(&job->mutex);
	bool cancelled = job->cancelled;
	job->running = !cancelled;
	uv_mutex_unlock(&job->mutex);
	if (cancelled)
		return;
	int status = kv_snapshot_each(job->kv, "applied", job->fact, sizeof job->fact,
		&job->fact_bytes, stream_on_record, job);
	if (job->status == 0)
		job->status = status;
	uv_mutex_lock(&job->mutex);
	job->running = false;
	uv_cond_signal(&job->cond);
	uv_mutex_unlock(&job->mutex);
}

static struct replica_stream *stream_of_job(struct replica *r, const struct replica_stream_job *job)
{
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		if (r->stream[i].job == job)
			return &r->stream[i];
	}
	return NULL;
}

static void stream_fail(struct replica *r, struct replica_stream *stream)
{
	stream->state = REPLICA_STREAM_FAILED;
	stream->progress_ms = r->now_ms;
}

static void stream_begin(
	struct replica *r, struct replica_stream *stream, struct replica_stream_job *job)
{
	stream->job = NULL;
	stream->head = job->status == 0
			       ? pxe__snapshot_chunk__unpack(NULL, job->fact_bytes, job->fact)
			       : NULL;
	if (stream->head == NULL) {
		replica_alarm(r, "the state cannot be read for member %llu: %s",
			(unsigned long long)stream->to,
			job->status != 0 ? strerror(-job->status) : "its index is damaged");
		stream_fail(r, stream);
		return;
	}
	stream->bytes = job->bytes;
	stream->byte_count = job->byte_count;
	job->bytes = NULL;
	stream->chunk_count =
		(uint32_t)((stream->byte_count + REPLICA_CHUNK_BYTES - 1) / REPLICA_CHUNK_BYTES);
	if (stream->chunk_count == 0)
		stream->chunk_count = 1;
	stream->state = REPLICA_STREAM_SENDING;
	stream->progress_ms = stream->sent_ms = r->now_ms;
}

/* On the loop, whether the replica is still there or not. */
static void stream_after(void *ctx)
{
	struct replica_stream_job *job = ctx;
	struct replica *r = job->replica;
	struct replica_stream *stream = r == NULL ? NULL : stream_of_job(r, job);
	if (stream != NULL)
		stream_begin(r, stream, job);
	if (r != NULL)
		replica_wake(r);
	free(job->bytes);
	uv_mutex_destroy(&job->mutex);
	uv_cond_destroy(&job->cond);
	free(job);
}

/* The worker may read the disk only as long as we live: wait for it if it does so now. */
static void stream_free(struct replica_stream *stream)
{
	struct replica_stream_job *job = stream->job;
	if (job != NULL) {
		uv_mutex_lock(&job->mutex);
		job->cancelled = true;
		job->replica = NULL;
		while (job->running)
			uv_cond_wait(&job->cond, &job->mutex);
		uv_mutex_unlock(&job->mutex);
	}
	pxe__snapshot_chunk__free_unpacked(stream->head, NULL);
	free(stream->bytes);
	*stream = (struct replica_stream){.state = REPLICA_STREAM_FREE};
}

static struct replica_stream *stream_find(struct replica *r, uint64_t to)
{
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		if (r->stream[i].state != REPLICA_STREAM_FREE && r->stream[i].to == to)
			return &r->stream[i];
	}
	return NULL;
}

void replica_stream_start(struct replica *r, uint64_t to)
{
	struct replica_stream *stream = stream_find(r, to);
	if (stream != NULL)
		stream_free(stream);
	for (unsigned i = 0; stream == NULL && i < REPLICA_MEMBERS; i++) {
		if (r->stream[i].state == REPLICA_STREAM_FREE)
			stream = &r->stream[i];
	}
	assert(stream != NULL); /* as many as members */
	struct replica_stream_job *job = replica_alloc(sizeof *job);
	job->replica = r;
	job->kv = r->kv;
	if (uv_mutex_init(&job->mutex) != 0 || uv_cond_init(&job->cond) != 0)
		abort(); /* only for want of memory */
	*stream = (struct replica_stream){
		.state = REPLICA_STREAM_READING, .to = to, .id = ++r->stream_next, .job = job};
	stream->progress_ms = r->now_ms;
	if (replica_loop_work(r->loop, stream_work, stream_after, job) != 0)
		abort(); /* uv_queue_work refuses only a missing function */
}

/* ---- chunks */

static void stream_send_chunk(struct replica *r, struct replica_stream *stream, uint32_t number)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__SnapshotChunk chunk = PXE__SNAPSHOT_CHUNK__INIT;
	size_t first = (size_t)number * REPLICA_CHUNK_BYTES, left = stream->byte_count - first;
	chunk.stream = stream->id;
	chunk.term = r->raft.term;
	chunk.index = stream->head->index;
	chunk.index_term = stream->head->index_term;
	chunk.conf_index = stream->head->conf_index;
	chunk.conf = stream->head->conf;
	chunk.number = number;
	chunk.last = number + 1 == stream->chunk_count;
	if (left > 0) {
		chunk.records.data = stream->bytes + first;
		chunk.records.len = left < REPLICA_CHUNK_BYTES ? left : REPLICA_CHUNK_BYTES;
	}
	envelope.body_case = PXE__ENVELOPE__BODY_SNAPSHOT_CHUNK;
	envelope.snapshot_chunk = &chunk;
	replica_send(r, stream->to, &envelope);
	stream->sent_ms = r->now_ms;
}

static void stream_send_more(struct replica *r, struct replica_stream *stream)
{
	while (stream->next < stream->chunk_count &&
		stream->next < stream->acked + REPLICA_CHUNK_WINDOW)
		stream_send_chunk(r, stream, stream->next++);
}

void replica_stream_on_ack(struct replica *r, uint64_t from, const Pxe__SnapshotAck *ack)
{
	struct replica_stream *stream = stream_find(r, from);
	if (stream == NULL || stream->state != REPLICA_STREAM_SENDING || ack->stream != stream->id)
		return;
	if (ack->refused) {
		stream_fail(r, stream);
		return;
	}
	if (ack->number >= stream->next || ack->number < stream->acked)
		return;
	stream->acked = ack->number + 1;
	stream->progress_ms = r->now_ms;
	if (stream->acked < stream->chunk_count) {
		stream_send_more(r, stream);
		return;
	}
	stream_free(stream);
	raft_snapshot_done(&r->raft, from, true);
	replica_raft_drain(r);
}

static void stream_tick(struct replica *r, struct replica_stream *stream)
{
	uint64_t to = stream->to, silent_ms = r->now_ms - stream->progress_ms;
	if (stream->state == REPLICA_STREAM_FAILED && silent_ms >= REPLICA_CHUNK_RESEND_MS) {
		stream_free(stream);
		raft_snapshot_done(&r->raft, to, false);
		replica_raft_drain(r);
		return;
	}
	if (stream->state != REPLICA_STREAM_SENDING)
		return;
	if (silent_ms >= REPLICA_STREAM_DEAD_MS) {
		stream_fail(r, stream);
		return;
	}
	if (silent_ms >= REPLICA_CHUNK_RESEND_MS &&
		r->now_ms - stream->sent_ms >= REPLICA_CHUNK_RESEND_MS)
		stream->next = stream->acked;
	stream_send_more(r, stream);
}

void replica_stream_tick(struct replica *r)
{
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		if (r->stream[i].state != REPLICA_STREAM_FREE)
			stream_tick(r, &r->stream[i]);
	}
}

void replica_stream_abort(struct replica *r)
{
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		if (r->stream[i].state != REPLICA_STREAM_FREE)
			stream_free(&r->stream[i]);
	}
}

/* ---- the records in it */

static bool stream_get_bytes(
	const uint8_t *bytes, size_t count, size_t *at, const uint8_t **ret, size_t *ret_bytes)
{
	uint64_t length = 0;
	unsigned shift = 0;
	do {
		if (*at == count || shift > 28)
			return false;
		length |= (uint64_t)(bytes[*at] & 0x7f) << shift;
		shift += 7;
	} while ((bytes[(*at)++] & 0x80) != 0);
	if (length > count - *at)
		return false;
	*ret = bytes + *at;
	*ret_bytes = (size_t)length;
	*at += (size_t)length;
	return true;
}

int replica_stream_read_records(const uint8_t *bytes, size_t count,
	void (*record)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes),
	void *ctx)
{
	const uint8_t *key, *value;
	size_t at = 0, key_bytes, value_bytes;
	while (at < count) {
		if (!stream_get_bytes(bytes, count, &at, &key, &key_bytes) || key_bytes == 0 ||
			!stream_get_bytes(bytes, count, &at, &value, &value_bytes))
			return -EBADMSG;
		if (record != NULL)
			record(ctx, key, key_bytes, value, value_bytes);
	}
	return 0;
}
