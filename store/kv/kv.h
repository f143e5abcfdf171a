/* store/kv/kv.h: the node's disk: log, state and small durable facts in one LMDB environment.
 *
 * Edge file. Writes are queued by the loop thread, in order, and made durable by one writer thread:
 * it takes everything that is queued into one transaction with a full sync (group commit) and
 * reports back on the loop. Reads are short LMDB read transactions and see only what is durable.
 *
 * Databases: "log" (index -> entry), "state" (record key -> value), "meta" (name -> bytes),
 * "journal" (key -> value).
 * Any error of the disk (EIO, ENOSPC, map full) is fatal: on_fatal is called once, on the thread
 * that met it (the writer; the loop when there is no memory to queue a write), with a line for a
 * person, and must not return; nothing that was not durable has been reported as such.
 */
#ifndef STORE_KV_KV_H
#define STORE_KV_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct kv;

struct kv_config {
	uv_loop_t *loop;
	const char *directory;  /* made (0750) if missing */
	uint64_t map_bytes;     /* upper limit of the file; 0: 4 GiB */
	uint64_t reserve_bytes; /* disk kept allocated ahead of the data; an eighth of it must be
				   there to open; 0: 32 MiB */
	unsigned linger_ms;     /* how long unhurried writes may wait for company; 0: 50 */
	void *ctx;
	/* Loop thread: everything queued up to this ticket is on stable storage. Tickets come in
	 * order, several may be covered by one call. */
	void (*on_durable)(void *ctx, uint64_t ticket);
	void (*on_fatal)(void *ctx, const char *text);
};

/* One log entry, copied out; free with kv_entry_fini(). */
struct kv_entry {
	uint64_t index, term;
	uint32_t type; /* enum raft_entry_type */
	uint8_t *payload;
	size_t payload_bytes;
};

/* 0, or negative errno with a line in ret_error: directory not writable, locked by another process
 * (-EBUSY), damaged, of a newer version. */
int kv_open(
	const struct kv_config *config, struct kv **ret_kv, char *ret_error, size_t error_bytes);
/* Writes what is queued (also what no ticket seals yet), joins the writer, closes. Loop thread; no
 * callback comes after it, and no other thread may be reading; its uv handles are closed when the
 * loop has run once more. */
void kv_close(struct kv *kv);

/* ---- queueing writes (loop thread; nothing blocks; bytes are copied)
 * The log has no holes: `index` follows the last index as queued so far, or is any when the log is
 * empty (asserted). Keys are 1 to 511 bytes. */
void kv_log_append(struct kv *kv, uint64_t index, uint64_t term, uint32_t type,
	const uint8_t *payload, size_t bytes);
void kv_log_truncate(struct kv *kv, uint64_t from); /* drop entries >= from */
void kv_log_compact(struct kv *kv, uint64_t to);    /* drop entries <= to */
void kv_log_clear(struct kv *kv);
void kv_state_put(struct kv *kv, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes);
void kv_state_remove(struct kv *kv, const uint8_t *key, size_t key_bytes);
void kv_state_clear(struct kv *kv);
void kv_meta_put(struct kv *kv, const char *name, const uint8_t *value, size_t bytes);
/* The node's own journal [R2]: not part of the state, kept by kv_state_clear(). value_bytes 0:
 * remove. */
void kv_journal_put(struct kv *kv, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes);
/* Seal what was queued since the last ticket; it becomes durable as one unit with all before it.
 * urgent: wake the writer now; else it rides along with the next urgent one, or after linger_ms.
 * Returns the ticket (growing, never 0). */
uint64_t kv_submit(struct kv *kv, bool urgent);
/* Bytes queued and not yet durable: the host slows down proposals when this grows. */
size_t kv_backlog_bytes(const struct kv *kv);
/* Bytes that can still be written before the disk or the map is full, measured once a second. Any
 * thread. */
uint64_t kv_room_bytes(const struct kv *kv);
/* The room has sunk below a quarter of the reserve and is not back at half of it: time to refuse
 * new work, while there is room to finish what was begun and to take away. Any thread. */
bool kv_is_short(const struct kv *kv);

/* ---- reading what is durable (-EIO, -EBADMSG, -EAGAIN, -ENOMEM besides what is said) */
/* 0, -ENOENT. Loop thread. */
int kv_log_get(struct kv *kv, uint64_t index, struct kv_entry *ret_entry);
void kv_entry_fini(struct kv_entry *entry);
/* First and last durable index; both 0 when the log is empty. */
void kv_log_range(struct kv *kv, uint64_t *ret_first, uint64_t *ret_last);
/* 0 with the whole value copied (at most max bytes, else -EMSGSIZE), or -ENOENT. Any thread. */
int kv_meta_get(struct kv *kv, const char *name, uint8_t *ret_value, size_t max, size_t *ret_bytes);
/* Visit all state records in one read transaction; false stops. Any thread; keep it short (a long
 * reader makes the file grow). */
int kv_state_each(struct kv *kv,
	bool (*visit)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes),
	void *ctx);
/* The same for the journal. */
int kv_journal_each(struct kv *kv,
	bool (*visit)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes),
	void *ctx);
/* One record: *ret_value is malloc'ed, the caller frees. 0 or -ENOENT. Any thread. */
int kv_state_get(struct kv *kv, const uint8_t *key, size_t key_bytes, uint8_t **ret_value,
	size_t *ret_bytes);
/* Like kv_state_each, limited to keys that begin with prefix. Any thread. */
int kv_state_each_prefix(struct kv *kv, const uint8_t *prefix, size_t prefix_bytes,
	bool (*visit)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes),
	void *ctx);
/* Like kv_state_each_prefix for each of `count` first bytes in turn, all in one read transaction.
 * false goes on with the next one. Any thread. */
int kv_state_each_kind(struct kv *kv, const uint8_t *kinds, size_t count,
	bool (*visit)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes),
	void *ctx);
/* meta value `name` and all state records from one read transaction (consistent with each other).
 * Any thread. */
int kv_snapshot_each(struct kv *kv, const char *name, uint8_t *ret_meta, size_t meta_max,
	size_t *ret_meta_bytes,
	bool (*visit)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes),
	void *ctx);

#endif
