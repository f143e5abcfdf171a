/* store/kv/kv_internal.h: what the files of store/kv share; nobody else includes it.
 *
 * Who may touch what is written beside each field; there is no other rule.
 *
 *   loop: kv_log_append()... -> open --kv_submit()--> sealed --writer--> work -> LMDB commit ->
 * durable -> loop: on_durable
 */
#ifndef STORE_KV_KV_INTERNAL_H
#define STORE_KV_KV_INTERNAL_H

#include "store/kv/kv.h"
#include "store/kv/kv_ops.h"
#include <lmdb.h>
#include <stdatomic.h>
#include <uv.h>

#define KV_FORMAT        1
#define KV_DATABASES     4
#define KV_FORMAT_NAME   "kv.format" /* name in "meta" */
#define KV_KEY_MAX_BYTES 511         /* LMDB's limit */
#define KV_READERS_KEPT  32
#define KV_READERS_MAX   510
#define KV_HEAD_BYTES                                                                              \
	12 /* of a log value: term (8, little endian), type (4, little endian), payload */

/* Integer keys of LMDB are a size_t. */
_Static_assert(sizeof(size_t) == sizeof(uint64_t), "log indexes are LMDB integer keys");

struct kv {
	/* constant after kv_open() */
	struct kv_config config;
	char *directory;
	char *file; /* DIRECTORY/data.mdb, for messages */
	uint64_t reserve_bytes;
	MDB_env *env;
	MDB_dbi log, state, meta, journal;
	int lock_fd;
	uv_thread_t writer;
	uv_async_t wake;

	/* loop thread only */
	struct kv_ops open;    /* queued since the last ticket */
	uint64_t ticket;       /* the last one given */
	uint64_t reported;     /* the last one told to on_durable */
	uint64_t queued_bytes; /* ever */
	uint64_t log_first,
		log_last; /* as they will be when all that is queued is written; both 0: empty */
	bool closing;

	/* under lock */
	uv_mutex_t lock;
	uv_cond_t wanted; /* the writer has a reason to look */
	struct kv_ops sealed;
	uint64_t sealed_ticket, taken_ticket;
	uint64_t linger_until_ns; /* uv_hrtime() */
	bool urgent, stop;

	/* atomic: set by the writer, read by any thread */
	_Atomic uint64_t durable_ticket;
	_Atomic uint64_t written_bytes; /* ever */
	_Atomic uint64_t room_bytes;
	atomic_bool is_short;
	atomic_bool failed;

	/* under readers_lock: read transactions that are reset and wait for use */
	uv_mutex_t readers_lock;
	MDB_txn *reader[KV_READERS_KEPT];
	unsigned reader_count;
};

/* kv_disk.c: the directory and the room in it. All errors are negative errno with a line in
 * ret_error. */
int kv_disk_prepare(
	struct kv *kv, char *ret_error, size_t error_bytes); /* make, lock, check the room */
void kv_disk_release(struct kv *kv);                         /* unlock */
int kv_disk_sync_directory(const struct kv *kv, char *ret_error, size_t error_bytes);
/* A file shorter than its own account of itself (its last pages were never used, or it was cut
 * off): make it that long, so that a read of what is missing finds an empty page, which is an
 * error, and not SIGBUS. */
void kv_disk_mend_length(struct kv *kv);
/* Keep reserve_bytes of the disk allocated ahead of the data, and measure what is left. Opening
 * thread, then writer. */
void kv_disk_reserve(struct kv *kv);
/* 0 when what is left lets a node start, else -ENOSPC with a line. After kv_disk_reserve(). */
int kv_disk_check_room(const struct kv *kv, char *ret_error, size_t error_bytes);

/* kv_check.c: 0, or -EBADMSG with a line: the file is not sound. Before it is opened, under the
 * directory's lock. */
int kv_check_file(const struct kv *kv, char *ret_error, size_t error_bytes);

/* kv_writer.c */
void kv_writer_run(void *kv);

/* kv_read.c */
void kv_read_close_all(struct kv *kv);

/* kv_error.c */
int kv_errno(int mdb_error); /* 0 or negative errno */
void kv_error_text(
	const struct kv *kv, const char *what, int mdb_error, char *ret_text, size_t text_bytes);
/* Tell on_fatal, once; the process ends here. */
_Noreturn void kv_fatal(struct kv *kv, const char *what, int mdb_error);
void kv_on_assert(MDB_env *env, const char *text); /* MDB_assert_func */

#endif
