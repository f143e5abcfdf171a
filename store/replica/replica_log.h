/* store/replica/replica_log.h: the recent part of the log in memory.
 *
 * No I/O. Entries stay here from the moment they are queued for the disk until they are durable and
 * old enough: what followers ask for next and what is applied next is nearly always here. Older
 * ones are read back from disk by the caller. Invariant: the entries held have consecutive indices,
 * first .. first + count - 1.
 */
#ifndef STORE_REPLICA_REPLICA_LOG_H
#define STORE_REPLICA_REPLICA_LOG_H

#include <stddef.h>
#include <stdint.h>

#define REPLICA_LOG_ENTRIES_MAX 8192        /* durable entries kept at most */
#define REPLICA_LOG_BYTES_MAX   (64u << 20) /* and their payloads */

struct replica_log_entry {
	uint64_t index, term;
	uint32_t type;    /* enum raft_entry_type */
	uint8_t *payload; /* owned by the log */
	size_t payload_bytes;
};

struct replica_log {
	struct replica_log_entry *entry; /* a ring of `capacity` slots, a power of two */
	size_t capacity, first, count;   /* first: slot of the oldest */
	size_t bytes;
};

void replica_log_init(struct replica_log *log);
void replica_log_fini(struct replica_log *log);
/* Append; takes over payload (malloc'ed, may be NULL). An index that does not follow the newest
 * empties the log first. */
void replica_log_push(struct replica_log *log, uint64_t index, uint64_t term, uint32_t type,
	uint8_t *payload, size_t payload_bytes);
/* Drop entries >= from. */
void replica_log_truncate(struct replica_log *log, uint64_t from);
/* Drop the oldest entries beyond the limits, none above durable. */
void replica_log_trim(struct replica_log *log, uint64_t durable);
/* NULL: not held. Borrowed until the next change of the log. */
const struct replica_log_entry *replica_log_get(const struct replica_log *log, uint64_t index);

#endif
