/* store/kv/kv_writer.c: the only thread that writes: everything that is sealed into one synced
 * transaction.
 *
 * While one commit waits for the disk, the loop queues the next; so the busier the node, the larger
 * the batch.
 */
#include "store/kv/kv_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MEASURE_NS ((uint64_t)1000000000)

static void put_le(uint8_t *to, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static int write_append(struct kv *kv, MDB_txn *txn, const struct kv_op *op)
{
	size_t index = op->index;
	MDB_val key = {sizeof index, &index};
	MDB_val value = {KV_HEAD_BYTES + op->value_bytes, NULL};
	uint8_t *at;
	int error = mdb_put(txn, kv->log, &key, &value, MDB_APPEND | MDB_RESERVE);

	if (error)
		return error;
	at = value.mv_data;
	put_le(at, op->term, 8);
	put_le(at + 8, op->type, 4);
	if (op->value_bytes)
		memcpy(at + KV_HEAD_BYTES, op->value, op->value_bytes);
	return 0;
}

/* Delete entries from one end of the log inwards, while they are on the far side of `index`
 * (inclusive). */
static int write_cut(struct kv *kv, MDB_txn *txn, bool tail, uint64_t index)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int error = mdb_cursor_open(txn, kv->log, &cursor);

	if (error)
		return error;
	for (;;) {
		size_t at;

		error = mdb_cursor_get(cursor, &key, &value, tail ? MDB_LAST : MDB_FIRST);
		if (error)
			break;
		memcpy(&at, key.mv_data, sizeof at);
		if (tail ? at < index : at > index)
			break;
		error = mdb_cursor_del(cursor, 0);
		if (error)
			break;
	}
	mdb_cursor_close(cursor);
	return error == MDB_NOTFOUND ? 0 : error;
}

static int write_put(MDB_txn *txn, MDB_dbi dbi, const struct kv_op *op)
{
	/* LMDB's interface has no const; it reads only. */
	MDB_val key = {op->key_bytes, (void *)(uintptr_t)op->key};
	MDB_val value = {op->value_bytes, (void *)(uintptr_t)op->value};

	return mdb_put(txn, dbi, &key, &value, 0);
}

static int write_remove(MDB_txn *txn, MDB_dbi dbi, const struct kv_op *op)
{
	MDB_val key = {op->key_bytes, (void *)(uintptr_t)op->key};
	int error = mdb_del(txn, dbi, &key, NULL);

	return error == MDB_NOTFOUND ? 0 : error;
}

static int write_op(struct kv *kv, MDB_txn *txn, const struct kv_op *op)
{
	switch (op->kind) {
	case KV_OP_LOG_APPEND: return write_append(kv, txn, op);
	case KV_OP_LOG_TRUNCATE: return write_cut(kv, txn, true, op->index);
	case KV_OP_LOG_COMPACT: return write_cut(kv, txn, false, op->index);
	case KV_OP_LOG_CLEAR: return mdb_drop(txn, kv->log, 0);
	case KV_OP_STATE_PUT: return write_put(txn, kv->state, op);
	case KV_OP_STATE_REMOVE: return write_remove(txn, kv->state, op);
	case KV_OP_STATE_CLEAR: return mdb_drop(txn, kv->state, 0);
	case KV_OP_META_PUT: return write_put(txn, kv->meta, op);
	case KV_OP_JOURNAL_PUT: return write_put(txn, kv->journal, op);
	case KV_OP_JOURNAL_REMOVE: return write_remove(txn, kv->journal, op);
	}
	abort(); /* a kind of write that kv_ops.h does not name */
}

static int write_all(struct kv *kv, const struct kv_ops *work)
{
	size_t cursor = 0;
	struct kv_op op;
	MDB_txn *txn;
	int error;

	if (!work->used_bytes)
		return 0;
	error = mdb_txn_begin(kv->env, NULL, 0, &txn);
	if (error)
		return error;
	while (!error && kv_ops_next(work, &cursor, &op))
		error = write_op(kv, txn, &op);
	if (!error)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return error;
}

enum take { TAKE_WORK, TAKE_TIMEOUT, TAKE_STOP };

/* Wait for a reason to write until `until_ns`, then take all that is sealed. TAKE_STOP: told to
 * stop, and nothing is left. */
static enum take take_work(
	struct kv *kv, uint64_t until_ns, struct kv_ops *work, uint64_t *ret_ticket)
{
	bool some, stop;

	uv_mutex_lock(&kv->lock);
	while (!kv->urgent && !kv->stop) {
		uint64_t now_ns = uv_hrtime();

		if (kv->sealed_ticket == kv->taken_ticket) {
			if (now_ns >= until_ns)
				break;
			(void)uv_cond_timedwait(&kv->wanted, &kv->lock, until_ns - now_ns);
		} else if (now_ns < kv->linger_until_ns)
			(void)uv_cond_timedwait(
				&kv->wanted, &kv->lock, kv->linger_until_ns - now_ns);
		else
			break;
	}
	some = kv->sealed_ticket != kv->taken_ticket;
	if (some) {
		struct kv_ops empty = *work;

		assert(!empty.used_bytes);
		*work = kv->sealed;
		kv->sealed = empty;
		kv->taken_ticket = kv->sealed_ticket;
		*ret_ticket = kv->sealed_ticket;
	}
	kv->urgent = false;
	stop = kv->stop;
	uv_mutex_unlock(&kv->lock);
	return some ? TAKE_WORK : stop ? TAKE_STOP : TAKE_TIMEOUT;
}

void kv_writer_run(void *arg)
{
	struct kv *kv = arg;
	struct kv_ops work = {0};
	uint64_t measure_ns = uv_hrtime() + MEASURE_NS, ticket = 0;
	enum take take;

	while ((take = take_work(kv, measure_ns, &work, &ticket)) != TAKE_STOP) {
		if (take == TAKE_WORK) {
			int error = write_all(kv, &work);

			if (error)
				kv_fatal(kv, "cannot write", error);
			atomic_fetch_add(&kv->written_bytes, work.used_bytes);
			atomic_store(&kv->durable_ticket, ticket);
			(void)uv_async_send(&kv->wake);
			kv_ops_reset(&work);
		}
		/* Also when nothing is written: others fill the disk, or make room again. */
		if (uv_hrtime() >= measure_ns) {
			kv_disk_reserve(kv);
			measure_ns = uv_hrtime() + MEASURE_NS;
		}
	}
	kv_ops_fini(&work);
}
