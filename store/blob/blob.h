/* store/blob/blob.h: file contents by SHA-256: DIR/ab/<64 hex digits>, immutable once there.
 *
 * Edge file; every function may be called from any thread and may block on the disk (not on the
 * DHCP loop, except blob_open). A blob appears only complete and verified: written beside
 * (DIR/incoming/), synced, renamed, directory synced.
 */
#ifndef STORE_BLOB_BLOB_H
#define STORE_BLOB_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob_store;
struct blob_writer;

/* Makes the directories, removes what an interrupted write left more than a day ago (until then a
 * writer may resume it) and damaged blobs that were set aside more than a week ago. 0 or negative
 * errno with a line in ret_error. */
int blob_store_open(
	const char *directory, struct blob_store **ret_store, char *ret_error, size_t error_bytes);
/* Another owner, for work that may outlive whoever opened the store: it stays until each has called
 * blob_store_close(). */
struct blob_store *blob_store_share(struct blob_store *store);
void blob_store_close(struct blob_store *store);

bool blob_exists(const struct blob_store *store, const uint8_t sha256[32], uint64_t *ret_bytes);
/* A read-only descriptor (the caller closes it) and the size, or -ENOENT... */
int blob_open(const struct blob_store *store, const uint8_t sha256[32], uint64_t *ret_bytes);
/* Read all of it and compare: 0, -ENOENT, -EBADMSG (the bytes are wrong: the blob is set aside as
 * DIR/bad/...). */
int blob_verify(struct blob_store *store, const uint8_t sha256[32]);
int blob_remove(struct blob_store *store, const uint8_t sha256[32]);

/* Who sent a blob could not read all of it, or the receiver went away: it may be damaged. Whoever
 * takes the hash reads the blob. Ignored when there are BLOB_SUSPECTS_MAX, or when the blob was
 * taken less than a minute ago: clients that break off must not keep the disk busy. Never blocks.
 */
#define BLOB_SUSPECTS_MAX 32
void blob_suspect(struct blob_store *store, const uint8_t sha256[32]);
/* The hashes so far, which are forgotten: how many. */
size_t blob_take_suspects(struct blob_store *store, uint8_t ret_sha256[BLOB_SUSPECTS_MAX][32]);
/* Visit every blob. */
int blob_each(struct blob_store *store,
	bool (*visit)(void *ctx, const uint8_t sha256[32], uint64_t bytes), void *ctx);

/* What new blobs must leave free on a file system of so many bytes, for the state and its log: 5 %
 * and at least 1 GiB, but no more than 10 %. Pure. */
uint64_t blob_reserve_bytes(uint64_t file_system_bytes);
/* Bytes that new blobs may take now; 0 when the disk is fuller than it should be. Or negative
 * errno.
 */
int blob_room(const struct blob_store *store, uint64_t *ret_bytes);

/* Write one blob. expected_bytes: refused with -ENOSPC when there is no such room (blob_room()).
 * The writer continues an interrupted download of the same hash when resume is true (also after a
 * crash); *ret_have is then how many bytes are there already. -EBUSY: another writer of this blob
 * is open. A writer is one thread's at a time. */
int blob_writer_open(struct blob_store *store, const uint8_t sha256[32], uint64_t expected_bytes,
	bool resume, struct blob_writer **ret_writer, uint64_t *ret_have);
/* A read-only descriptor (the caller closes it) of what is being written: it grows with each
 * append, and stays good whatever becomes of the writer. Or negative errno. */
int blob_writer_reader(const struct blob_writer *writer);
/* 0; -EBADMSG: more than expected_bytes (nothing is written); -ENOSPC, -EIO. */
int blob_writer_append(struct blob_writer *writer, const void *data, size_t bytes);
/* Verifies hash and size, syncs, renames: 0, or -EBADMSG (not what was promised: what was written
 * is gone), -EIO, -ENOSPC. Frees the writer always. */
int blob_writer_commit(struct blob_writer *writer);
/* keep: leave what is there for a later resume. Frees the writer. */
void blob_writer_abort(struct blob_writer *writer, bool keep);

/* A small file that is whole. */
struct blob_small {
	uint8_t sha256[32];
	const uint8_t *data;
	size_t bytes;
	int error; /* out: 0 it is here, on the disk; or as blob_writer_open(), _append(), _commit()
		    */
};

/* Write several at once, at most BLOB_MANY_MAX: they share two syncs. */
#define BLOB_MANY_MAX 128
void blob_write_many(struct blob_store *store, struct blob_small *files, size_t count);

/* SHA-256 by GnuTLS. */
struct blob_hash;
struct blob_hash *blob_hash_new(void);
void blob_hash_update(struct blob_hash *hash, const void *data, size_t bytes);
void blob_hash_final(struct blob_hash *hash, uint8_t ret_sha256[32]); /* frees it */

#endif
