/* ctl/image_hash.h: SHA-256 of many files, several at a time: as many as this machine has
 * processors. Blocks on the disk. */
#ifndef CTL_IMAGE_HASH_H
#define CTL_IMAGE_HASH_H

#include "ctl/ctl.h"

#include <sys/stat.h>
#include <time.h>

/* What a file was when it was read; another one means that it was changed since. */
struct image_stamp {
	uint64_t bytes;
	struct timespec modified, changed;
	ino_t inode;
};

struct image_hash {
	const char *source; /* in: where it is */
	uint64_t expected;  /* in: bytes, for the progress */
	uint8_t sha256[32];
	struct image_stamp stamp;
};

struct image_stamp image_stamp_of(const struct stat *st);
bool image_stamp_same(const struct image_stamp *a, const struct image_stamp *b);
/* CTL_OK; CTL_USAGE or CTL_CONFLICT (a file changed while it was read) after telling the first
 * file that it is about. */
int image_hash_files(const struct ctl *ctl, struct image_hash *files, size_t count);

#endif
