/* store/kv/kv_read.c: short read transactions, on any thread.
 *
 * MDB_NOTLS: a read transaction belongs to whoever holds it, not to a thread. Those not in use are
 * kept, reset, in a small pool: to renew one costs neither a lock of LMDB's nor a slot in its
 * reader table.
 */
#include "store/kv/kv_internal.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef bool kv_visit_cb(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes);

static int read_begin(struct kv *kv, MDB_txn **ret_txn)
{
	MDB_txn *txn = NULL;
	int error, dead;

	uv_mutex_lock(&kv->readers_lock);
	if (kv->reader_count)
		txn = kv->reader[--kv->reader_count];
	uv_mutex_unlock(&kv->readers_lock);
	if (txn) {
		error = mdb_txn_renew(txn);
		if (error)
			mdb_txn_abort(txn);
		else
			*ret_txn = txn;
		return error;
	}
	error = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, ret_txn);
	if (error == MDB_READERS_FULL && mdb_reader_check(kv->env, &dead) == 0)
		error = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, ret_txn);
	return error;
}

static void read_end(struct kv *kv, MDB_txn *txn)
{
	mdb_txn_reset(txn);
	uv_mutex_lock(&kv->readers_lock);
	if (kv->reader_count < KV_READERS_KEPT) {
		kv->reader[kv->reader_count++] = txn;
		txn = NULL;
	}
	uv_mutex_unlock(&kv->readers_lock);
	if (txn)
		mdb_txn_abort(txn);
}

void kv_read_close_all(struct kv *kv)
{
	uv_mutex_lock(&kv->readers_lock);
	while (kv->reader_count)
		mdb_txn_abort(kv->reader[--kv->reader_count]);
	uv_mutex_unlock(&kv->readers_lock);
}

static uint64_t get_le(const uint8_t *from, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

static int copy_entry(const MDB_val *value, struct kv_entry *ret_entry)
{
	const uint8_t *bytes = value->mv_data;

	if (value->mv_size < KV_HEAD_BYTES)
		return MDB_CORRUPTED;
	ret_entry->payload_bytes = value->mv_size - KV_HEAD_BYTES;
	ret_entry->payload = malloc(ret_entry->payload_bytes + 1); /* never of size 0 */
	if (!ret_entry->payload)
		return ENOMEM;
	memcpy(ret_entry->payload, bytes + KV_HEAD_BYTES, ret_entry->payload_bytes);
	ret_entry->term = get_le(bytes, 8);
	ret_entry->type = (uint32_t)get_le(bytes + 8, 4);
	return 0;
}

int kv_log_get(struct kv *kv, uint64_t index, struct kv_entry *ret_entry)
{
	size_t integer = index;
	MDB_val key = {sizeof integer, &integer}, value;
	struct kv_entry entry = {.index = index};
	MDB_txn *txn;
	int error = read_begin(kv, &txn);

	if (error)
		return kv_errno(error);
	error = mdb_get(txn, kv->log, &key, &value);
	if (!error)
		error = copy_entry(&value, &entry);
	read_end(kv, txn);
	if (!error)
		*ret_entry = entry;
	return kv_errno(error);
}

void kv_entry_fini(struct kv_entry *entry)
{
	free(entry->payload);
	entry->payload = NULL;
	entry->payload_bytes = 0;
}

static int log_end(MDB_cursor *cursor, MDB_cursor_op end, uint64_t *ret_index)
{
	MDB_val key, value;
	size_t index = 0;
	int error = mdb_cursor_get(cursor, &key, &value, end);

	if (!error)
		memcpy(&index, key.mv_data, sizeof index);
	*ret_index = index;
	return error == MDB_NOTFOUND ? 0 : error;
}

void kv_log_range(struct kv *kv, uint64_t *ret_first, uint64_t *ret_last)
{
	MDB_cursor *cursor;
	MDB_txn *txn;
	int error = read_begin(kv, &txn);

	if (error)
		kv_fatal(kv, "cannot read", error);
	error = mdb_cursor_open(txn, kv->log, &cursor);
	if (!error) {
		error = log_end(cursor, MDB_FIRST, ret_first);
		if (!error)
			error = log_end(cursor, MDB_LAST, ret_last);
		mdb_cursor_close(cursor);
	}
	read_end(kv, txn);
	if (error)
		kv_fatal(kv, "cannot read", error);
}

static int meta_get(struct kv *kv, MDB_txn *txn, const char *name, uint8_t *ret_value, size_t max,
	size_t *ret_bytes)
{
	MDB_val key = {strlen(name), (void *)(uintptr_t)name}, value;
	int error = mdb_get(txn, kv->meta, &key, &value);

	if (error)
		return kv_errno(error);
	if (value.mv_size > max)
		return -EMSGSIZE;
	if (value.mv_size)
		memcpy(ret_value, value.mv_data, value.mv_size);
	*ret_bytes = value.mv_size;
	return 0;
}

int kv_meta_get(struct kv *kv, const char *name, uint8_t *ret_value, size_t max, size_t *ret_bytes)
{
	MDB_txn *txn;
	int error = read_begin(kv, &txn);

	assert(*name);
	if (error)
		return kv_errno(error);
	error = meta_get(kv, txn, name, ret_value, max, ret_bytes);
	read_end(kv, txn);
	return error;
}

int kv_state_get(struct kv *kv, const uint8_t *key_bytes_at, size_t key_bytes, uint8_t **ret_value,
	size_t *ret_bytes)
{
	MDB_val key = {key_bytes, (void *)(uintptr_t)key_bytes_at}, value;
	uint8_t *copy = NULL;
	size_t bytes = 0;
	MDB_txn *txn;
	int error;

	assert(key_bytes && key_bytes <= KV_KEY_MAX_BYTES);
	error = read_begin(kv, &txn);
	if (error)
		return kv_errno(error);
	error = mdb_get(txn, kv->state, &key, &value);
	if (!error) {
		bytes = value.mv_size;
		copy = malloc(bytes + 1); /* never of size 0 */
		if (copy)
			memcpy(copy, value.mv_data, bytes);
		else
			error = ENOMEM;
	}
	read_end(kv, txn);
	if (!error) {
		*ret_value = copy;
		*ret_bytes = bytes;
	}
	return kv_errno(error);
}

static bool has_prefix(const MDB_val *key, const uint8_t *prefix, size_t prefix_bytes)
{
	return key->mv_size >= prefix_bytes &&
	       (!prefix_bytes || memcmp(key->mv_data, prefix, prefix_bytes) == 0);
}

static int visit_all(MDB_txn *txn, MDB_dbi dbi, const uint8_t *prefix, size_t prefix_bytes,
	kv_visit_cb *visit, void *ctx)
{
	MDB_val key = {prefix_bytes, (void *)(uintptr_t)prefix}, value;
	MDB_cursor *cursor;
	int error = mdb_cursor_open(txn, dbi, &cursor);

	if (error)
		return kv_errno(error);
	error = mdb_cursor_get(cursor, &key, &value, prefix_bytes ? MDB_SET_RANGE : MDB_FIRST);
	while (!error && has_prefix(&key, prefix, prefix_bytes)) {
		if (!visit(ctx, key.mv_data, key.mv_size, value.mv_data, value.mv_size))
			break;
		error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return error == MDB_NOTFOUND ? 0 : kv_errno(error);
}

int kv_state_each_prefix(
	struct kv *kv, const uint8_t *prefix, size_t prefix_bytes, kv_visit_cb *visit, void *ctx)
{
	MDB_txn *txn;
	int error;

	assert(prefix_bytes <= KV_KEY_MAX_BYTES);
	error = read_begin(kv, &txn);
	if (error)
		return kv_errno(error);
	error = visit_all(txn, kv->state, prefix, prefix_bytes, visit, ctx);
	read_end(kv, txn);
	return error;
}

int kv_state_each_kind(
	struct kv *kv, const uint8_t *kinds, size_t count, kv_visit_cb *visit, void *ctx)
{
	MDB_txn *txn;
	int error = read_begin(kv, &txn);

	if (error)
		return kv_errno(error);
	for (size_t i = 0; i < count && !error; i++)
		error = visit_all(txn, kv->state, &kinds[i], 1, visit, ctx);
	read_end(kv, txn);
	return error;
}

int kv_state_each(struct kv *kv, kv_visit_cb *visit, void *ctx)
{
	return kv_state_each_prefix(kv, NULL, 0, visit, ctx);
}

int kv_journal_each(struct kv *kv, kv_visit_cb *visit, void *ctx)
{
	MDB_txn *txn;
	int error = read_begin(kv, &txn);

	if (error)
		return kv_errno(error);
	error = visit_all(txn, kv->journal, NULL, 0, visit, ctx);
	read_end(kv, txn);
	return error;
}

int kv_snapshot_each(struct kv *kv, const char *name, uint8_t *ret_meta, size_t meta_max,
	size_t *ret_meta_bytes, kv_visit_cb *visit, void *ctx)
{
	MDB_txn *txn;
	int error = read_begin(kv, &txn);

	if (error)
		return kv_errno(error);
	error = meta_get(kv, txn, name, ret_meta, meta_max, ret_meta_bytes);
	if (!error)
		error = visit_all(txn, kv->state, NULL, 0, visit, ctx);
	read_end(kv, txn);
	return error;
}
