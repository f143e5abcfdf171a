/* store/blob/blob_internal.h: what the store's files share: names in the directory. */
#ifndef STORE_BLOB_BLOB_INTERNAL_H
#define STORE_BLOB_BLOB_INTERNAL_H

#include "store/blob/blob.h"

#include <pthread.h>
#include <stdatomic.h>

#define BLOB_NAME_BYTES (3 + 64 + 1)     /* "ab/" and 64 digits */
#define BLOB_PART_BYTES (9 + 64 + 5 + 1) /* "incoming/", 64 digits, ".part" */
#define BLOB_READ_BYTES (256u << 10)

/* It waits, or was taken at the given time. */
struct blob_suspect {
	uint8_t sha256[32];
	uint64_t taken_ms; /* CLOCK_MONOTONIC; 0: it waits */
};

struct blob_store {
	int fd; /* the directory */
	atomic_uint owners;
	pthread_mutex_t suspects_lock; /* of the next two */
	struct blob_suspect suspect[BLOB_SUSPECTS_MAX];
	size_t suspect_count;
};

void blob_name(const uint8_t sha256[32], char ret_name[BLOB_NAME_BYTES]);
void blob_part_name(const uint8_t sha256[32], char ret_name[BLOB_PART_BYTES]);
/* 64 lower-case digits exactly. */
bool blob_name_parse(const char *digits, uint8_t ret_sha256[32]);
/* Sync a directory below the store ("." for itself). */
int blob_sync_directory(const struct blob_store *store, const char *name);
/* The two halves of a commit, without any sync. Hash and size are right: 0, or -EBADMSG (what was
 * written is gone). */
int blob_writer_prove(struct blob_writer *writer);
/* Give the blob its name; *ret_made: the folder that holds it is new. */
int blob_writer_name(struct blob_writer *writer, bool *ret_made);
/* Read fd from its start to the end into the hash; *ret_bytes is what was read. */
int blob_hash_file(int fd, struct blob_hash *hash, uint64_t *ret_bytes);

#endif
