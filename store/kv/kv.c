/* store/kv/kv.c: opening and closing, and the loop thread's side of the queue.
 *
 * The loop thread fills `open` alone and without a lock. kv_submit() hands it over whole, so a
 * transaction always holds whole units: after a crash either all writes of a ticket are there or
 * none.
 */
#include "store/kv/kv.h"
#include "store/kv/kv_internal.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAP_BYTES     ((uint64_t)4 << 30)
#define RESERVE_BYTES ((uint64_t)32 << 20)
#define LINGER_MS     50

static int say(
	const struct kv *kv, const char *what, int mdb_error, char *ret_error, size_t error_bytes)
{
	kv_error_text(kv, what, mdb_error, ret_error, error_bytes);
	return kv_errno(mdb_error);
}

/* New environment: write the format. Existing one: it must be a format that we know. */
static int check_format(struct kv *kv, MDB_txn *txn, char *ret_error, size_t error_bytes)
{
	uint8_t format[4] = {KV_FORMAT, 0, 0, 0};
	MDB_val key = {sizeof KV_FORMAT_NAME - 1, (void *)(uintptr_t)KV_FORMAT_NAME};
	MDB_val value = {sizeof format, format};
	uint32_t found;
	int error = mdb_put(txn, kv->meta, &key, &value, MDB_NOOVERWRITE);

	if (!error)
		return 0;
	if (error != MDB_KEYEXIST)
		return say(kv, "cannot write", error, ret_error, error_bytes);
	if (value.mv_size != sizeof format)
		return say(kv, "cannot open", MDB_CORRUPTED, ret_error, error_bytes);
	memcpy(format, value.mv_data, sizeof format);
	found = format[0] | (uint32_t)format[1] << 8 | (uint32_t)format[2] << 16 |
		(uint32_t)format[3] << 24;
	if (found == KV_FORMAT)
		return 0;
	snprintf(ret_error, error_bytes,
		"%s has format %u, this program knows format %u only: install the version that "
		"wrote it",
		kv->file, found, KV_FORMAT);
	return -EPROTONOSUPPORT;
}

static int open_databases(struct kv *kv, char *ret_error, size_t error_bytes)
{
	MDB_txn *txn;
	int refused, error = mdb_txn_begin(kv->env, NULL, 0, &txn);

	if (error)
		return say(kv, "cannot open", error, ret_error, error_bytes);
	error = mdb_dbi_open(txn, "log", MDB_CREATE | MDB_INTEGERKEY, &kv->log);
	if (!error)
		error = mdb_dbi_open(txn, "state", MDB_CREATE, &kv->state);
	if (!error)
		error = mdb_dbi_open(txn, "meta", MDB_CREATE, &kv->meta);
	if (!error) /* a file of an earlier version gets it here */
		error = mdb_dbi_open(txn, "journal", MDB_CREATE, &kv->journal);
	if (error) {
		mdb_txn_abort(txn);
		return say(kv, "cannot open", error, ret_error, error_bytes);
	}
	refused = check_format(kv, txn, ret_error, error_bytes);
	if (refused) {
		mdb_txn_abort(txn);
		return refused;
	}
	error = mdb_txn_commit(txn);
	return error ? say(kv, "cannot write", error, ret_error, error_bytes) : 0;
}

static int open_environment(struct kv *kv, char *ret_error, size_t error_bytes)
{
	uint64_t map_bytes = kv->config.map_bytes ? kv->config.map_bytes : MAP_BYTES;
	int dead, error = mdb_env_create(&kv->env);

	if (error)
		return say(kv, "cannot open", error, ret_error, error_bytes);
	(void)mdb_env_set_userctx(kv->env, kv);
	(void)mdb_env_set_assert(kv->env, kv_on_assert);
	error = mdb_env_set_mapsize(kv->env, map_bytes);
	if (!error)
		error = mdb_env_set_maxdbs(kv->env, KV_DATABASES);
	if (!error)
		error = mdb_env_set_maxreaders(kv->env, KV_READERS_MAX);
	if (!error)
		error = mdb_env_open(kv->env, kv->directory, MDB_NOTLS, 0640);
	if (!error)
		error = mdb_reader_check(kv->env, &dead);
	if (error)
		return say(kv, "cannot open", error, ret_error, error_bytes);
	kv_disk_mend_length(kv);
	kv_disk_reserve(kv);
	error = kv_disk_check_room(kv, ret_error, error_bytes);
	if (!error)
		error = open_databases(kv, ret_error, error_bytes);
	return error ? error : kv_disk_sync_directory(kv, ret_error, error_bytes);
}

/* Everything but the uv handle. */
static void release(struct kv *kv)
{
	if (kv->env) {
		kv_read_close_all(kv);
		mdb_env_close(kv->env);
	}
	kv_disk_release(kv);
	kv_ops_fini(&kv->open);
	kv_ops_fini(&kv->sealed);
	uv_cond_destroy(&kv->wanted);
	uv_mutex_destroy(&kv->lock);
	uv_mutex_destroy(&kv->readers_lock);
	free(kv->file);
	free(kv->directory);
	kv->env = NULL;
	kv->file = kv->directory = NULL;
}

static void stop_writer(struct kv *kv)
{
	uv_mutex_lock(&kv->lock);
	kv->stop = true;
	uv_cond_signal(&kv->wanted);
	uv_mutex_unlock(&kv->lock);
	uv_thread_join(&kv->writer);
}

static void on_wake(uv_async_t *wake)
{
	struct kv *kv = wake->data;
	uint64_t ticket = atomic_load(&kv->durable_ticket);

	if (kv->closing || ticket <= kv->reported)
		return;
	kv->reported = ticket;
	if (kv->config.on_durable)
		kv->config.on_durable(kv->config.ctx, ticket);
}

static int start_writer(struct kv *kv, char *ret_error, size_t error_bytes)
{
	int error = uv_thread_create(&kv->writer, kv_writer_run, kv);

	if (error) {
		snprintf(ret_error, error_bytes, "cannot start the writer thread: %s",
			uv_strerror(error));
		return error;
	}
	error = uv_async_init(kv->config.loop, &kv->wake, on_wake);
	if (error) {
		snprintf(ret_error, error_bytes, "cannot use the event loop: %s",
			uv_strerror(error));
		stop_writer(kv);
		return error;
	}
	kv->wake.data = kv;
	return 0;
}

static struct kv *kv_new(const struct kv_config *config)
{
	struct kv *kv = calloc(1, sizeof *kv);
	size_t file_bytes = strlen(config->directory) + sizeof "/data.mdb";

	if (!kv)
		return NULL;
	kv->config = *config;
	kv->lock_fd = -1;
	kv->reserve_bytes = config->reserve_bytes ? config->reserve_bytes : RESERVE_BYTES;
	if (!kv->config.linger_ms)
		kv->config.linger_ms = LINGER_MS;
	kv->directory = strdup(config->directory);
	kv->file = malloc(file_bytes);
	if (!kv->directory || !kv->file || uv_mutex_init(&kv->lock)) {
		free(kv->directory);
		free(kv->file);
		free(kv);
		return NULL;
	}
	if (uv_mutex_init(&kv->readers_lock) || uv_cond_init(&kv->wanted))
		abort(); /* only without memory or by a bug; nothing is open yet */
	kv->config.directory = kv->directory;
	snprintf(kv->file, file_bytes, "%s/data.mdb", kv->directory);
	return kv;
}

int kv_open(const struct kv_config *config, struct kv **ret_kv, char *ret_error, size_t error_bytes)
{
	struct kv *kv;
	int error;

	assert(config->loop && config->directory && *config->directory && config->on_fatal);
	kv = kv_new(config);
	if (!kv) {
		snprintf(ret_error, error_bytes, "out of memory");
		return -ENOMEM;
	}
	error = kv_disk_prepare(kv, ret_error, error_bytes);
	if (!error)
		error = kv_check_file(kv, ret_error, error_bytes);
	if (!error)
		error = open_environment(kv, ret_error, error_bytes);
	if (!error) {
		kv_log_range(kv, &kv->log_first, &kv->log_last);
		error = start_writer(kv, ret_error, error_bytes);
	}
	if (error) {
		release(kv);
		free(kv);
		return error;
	}
	*ret_kv = kv;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void kv_close(struct kv *kv)
{
	assert(!kv->closing);
	if (kv->open.used_bytes)
		(void)kv_submit(kv, true);
	kv->closing = true;
	stop_writer(kv);
	release(kv);
	uv_close((uv_handle_t *)&kv->wake, on_closed);
}

/* ---- queueing */

static void queue(struct kv *kv, const struct kv_op *op)
{
	size_t before = kv->open.used_bytes;
	int error;

	assert(!kv->closing);
	error = kv_ops_push(&kv->open, op);
	if (error)
		kv_fatal(kv, "cannot queue a write for", -error);
	kv->queued_bytes += kv->open.used_bytes - before;
}

void kv_log_append(struct kv *kv, uint64_t index, uint64_t term, uint32_t type,
	const uint8_t *payload, size_t bytes)
{
	struct kv_op op = {.kind = KV_OP_LOG_APPEND,
		.index = index,
		.term = term,
		.type = type,
		.value = payload,
		.value_bytes = bytes};

	assert(index && (!kv->log_last || index == kv->log_last + 1));
	assert(bytes <= UINT32_MAX - KV_HEAD_BYTES);
	queue(kv, &op);
	if (!kv->log_last)
		kv->log_first = index;
	kv->log_last = index;
}

static void log_forget(struct kv *kv)
{
	kv->log_first = kv->log_last = 0;
}

void kv_log_truncate(struct kv *kv, uint64_t from)
{
	struct kv_op op = {.kind = KV_OP_LOG_TRUNCATE, .index = from};

	assert(from);
	if (!kv->log_last || from > kv->log_last)
		return;
	queue(kv, &op);
	if (from <= kv->log_first)
		log_forget(kv);
	else
		kv->log_last = from - 1;
}

void kv_log_compact(struct kv *kv, uint64_t to)
{
	struct kv_op op = {.kind = KV_OP_LOG_COMPACT, .index = to};

	if (!kv->log_last || to < kv->log_first)
		return;
	queue(kv, &op);
	if (to >= kv->log_last)
		log_forget(kv);
	else
		kv->log_first = to + 1;
}

void kv_log_clear(struct kv *kv)
{
	struct kv_op op = {.kind = KV_OP_LOG_CLEAR};

	queue(kv, &op);
	log_forget(kv);
}

void kv_state_put(struct kv *kv, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes)
{
	struct kv_op op = {.kind = KV_OP_STATE_PUT,
		.key = key,
		.key_bytes = key_bytes,
		.value = value,
		.value_bytes = value_bytes};

	assert(key_bytes && key_bytes <= KV_KEY_MAX_BYTES && value_bytes <= UINT32_MAX);
	queue(kv, &op);
}

void kv_state_remove(struct kv *kv, const uint8_t *key, size_t key_bytes)
{
	struct kv_op op = {.kind = KV_OP_STATE_REMOVE, .key = key, .key_bytes = key_bytes};

	assert(key_bytes && key_bytes <= KV_KEY_MAX_BYTES);
	queue(kv, &op);
}

void kv_state_clear(struct kv *kv)
{
	struct kv_op op = {.kind = KV_OP_STATE_CLEAR};

	queue(kv, &op);
}

void kv_meta_put(struct kv *kv, const char *name, const uint8_t *value, size_t bytes)
{
	struct kv_op op = {.kind = KV_OP_META_PUT,
		.key = name,
		.key_bytes = strlen(name),
		.value = value,
		.value_bytes = bytes};

	assert(op.key_bytes && op.key_bytes <= KV_KEY_MAX_BYTES && bytes <= UINT32_MAX);
	assert(strcmp(name, KV_FORMAT_NAME) != 0);
	queue(kv, &op);
}

void kv_journal_put(struct kv *kv, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes)
{
	struct kv_op op = {.kind = value_bytes ? KV_OP_JOURNAL_PUT : KV_OP_JOURNAL_REMOVE,
		.key = key,
		.key_bytes = key_bytes,
		.value = value,
		.value_bytes = value_bytes};

	assert(key_bytes && key_bytes <= KV_KEY_MAX_BYTES && value_bytes <= UINT32_MAX);
	queue(kv, &op);
}

uint64_t kv_submit(struct kv *kv, bool urgent)
{
	int error;

	assert(!kv->closing);
	uv_mutex_lock(&kv->lock);
	error = kv_ops_move(&kv->sealed, &kv->open);
	if (error) {
		uv_mutex_unlock(&kv->lock);
		kv_fatal(kv, "cannot queue a write for", -error);
	}
	if (kv->sealed_ticket == kv->taken_ticket) /* the first to wait: its patience counts */
		kv->linger_until_ns = uv_hrtime() + (uint64_t)kv->config.linger_ms * 1000000;
	kv->sealed_ticket = ++kv->ticket;
	kv->urgent = kv->urgent || urgent;
	uv_cond_signal(&kv->wanted);
	uv_mutex_unlock(&kv->lock);
	return kv->ticket;
}

size_t kv_backlog_bytes(const struct kv *kv)
{
	return (size_t)(kv->queued_bytes - atomic_load(&kv->written_bytes));
}

uint64_t kv_room_bytes(const struct kv *kv)
{
	return atomic_load(&kv->room_bytes);
}

bool kv_is_short(const struct kv *kv)
{
	return atomic_load(&kv->is_short);
}
