#include "store/blob/blob.h"

#include "store/blob/blob_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOB_PART_KEEP_S (24 * 3600)     /* an interrupted download may go on for a day */
#define BLOB_BAD_KEEP_S  (7 * 24 * 3600) /* a damaged blob may be looked at for a week */

static const char hex_digits[] = "0123456789abcdef";

static void digits_of(const uint8_t sha256[32], char *at)
{
	for (size_t i = 0; i < 32; i++) {
		*at++ = hex_digits[sha256[i] >> 4];
		*at++ = hex_digits[sha256[i] & 15];
	}
	*at = '\0';
}

void blob_name(const uint8_t sha256[32], char ret_name[BLOB_NAME_BYTES])
{
	digits_of(sha256, ret_name + 3);
	ret_name[0] = ret_name[3];
	ret_name[1] = ret_name[4];
	ret_name[2] = '/';
}

void blob_part_name(const uint8_t sha256[32], char ret_name[BLOB_PART_BYTES])
{
	memcpy(ret_name, "incoming/", 9);
	digits_of(sha256, ret_name + 9);
	memcpy(ret_name + 9 + 64, ".part", 6);
}

bool blob_name_parse(const char *digits, uint8_t ret_sha256[32])
{
	uint8_t sha256[32];

	if (strspn(digits, hex_digits) != 64 || digits[64] != '\0') {
		return false;
	}
	for (size_t i = 0; i < 32; i++) {
		const char *high = strchr(hex_digits, digits[2 * i]),
			   *low = strchr(hex_digits, digits[2 * i + 1]);
		sha256[i] = (uint8_t)((high - hex_digits) << 4 | (low - hex_digits));
	}
	memcpy(ret_sha256, sha256, sizeof sha256);
	return true;
}

int blob_sync_directory(const struct blob_store *store, const char *name)
{
	int fd = openat(store->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0) {
		return -errno;
	}
	if (fsync(fd) != 0) {
		err = -errno;
	}
	close(fd);
	return err;
}

/* Files below `name` that are older than keep_s go. */
static void remove_old(const struct blob_store *store, const char *name, time_t keep_s)
{
	int fd = openat(store->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	time_t now = time(NULL);
	struct dirent *entry;
	struct stat st;

	if (dir == NULL) {
		if (fd >= 0) {
			close(fd);
		}
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(st.st_mode) && (st.st_mtime + keep_s < now || st.st_size == 0)) {
			unlinkat(fd, entry->d_name, 0);
		}
	}
	closedir(dir);
}

static int make_directory(int at, const char *name)
{
	return mkdirat(at, name, 0750) == 0 || errno == EEXIST ? 0 : -errno;
}

int blob_store_open(
	const char *directory, struct blob_store **ret_store, char *ret_error, size_t error_bytes)
{
	struct blob_store *store;
	int err = 0, fd = -1;

	assert(directory != NULL && ret_store != NULL && ret_error != NULL);
	err = make_directory(AT_FDCWD, directory);
	if (err == 0) {
		fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = fd < 0 ? -errno : 0;
	}
	if (err == 0) {
		err = make_directory(fd, "incoming");
	}
	if (err == 0) {
		err = make_directory(fd, "bad");
	}
	if (err != 0) {
		snprintf(ret_error, error_bytes, "image directory %s: %s", directory,
			strerror(-err));
		if (fd >= 0) {
			close(fd);
		}
		return err;
	}
	store = calloc(1, sizeof *store);
	if (store == NULL || pthread_mutex_init(&store->suspects_lock, NULL) != 0) {
		abort();
	}
	store->fd = fd;
	atomic_init(&store->owners, 1);
	remove_old(store, "incoming", BLOB_PART_KEEP_S);
	remove_old(store, "bad", BLOB_BAD_KEEP_S);
	*ret_store = store;
	return 0;
}

struct blob_store *blob_store_share(struct blob_store *store)
{
	assert(store != NULL);
	atomic_fetch_add(&store->owners, 1);
	return store;
}

void blob_store_close(struct blob_store *store)
{
	if (store != NULL && atomic_fetch_sub(&store->owners, 1) == 1) {
		close(store->fd);
		pthread_mutex_destroy(&store->suspects_lock);
		free(store);
	}
}

bool blob_exists(const struct blob_store *store, const uint8_t sha256[32], uint64_t *ret_bytes)
{
	char name[BLOB_NAME_BYTES];
	struct stat st;

	blob_name(sha256, name);
	if (fstatat(store->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
		return false;
	}
	if (ret_bytes != NULL) {
		*ret_bytes = (uint64_t)st.st_size;
	}
	return true;
}

int blob_open(const struct blob_store *store, const uint8_t sha256[32], uint64_t *ret_bytes)
{
	char name[BLOB_NAME_BYTES];
	struct stat st;
	int fd;

	blob_name(sha256, name);
	fd = openat(store->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EIO;
	}
	if (ret_bytes != NULL) {
		*ret_bytes = (uint64_t)st.st_size;
	}
	return fd;
}

int blob_hash_file(int fd, struct blob_hash *hash, uint64_t *ret_bytes)
{
	uint8_t *buffer = malloc(BLOB_READ_BYTES);
	uint64_t total = 0;
	ssize_t got;

	if (buffer == NULL) {
		abort();
	}
	do {
		got = pread(fd, buffer, BLOB_READ_BYTES, (off_t)total);
		if (got > 0) {
			blob_hash_update(hash, buffer, (size_t)got);
			total += (uint64_t)got;
		}
	} while (got > 0 || (got < 0 && errno == EINTR));
	*ret_bytes = total;
	got = got < 0 ? -errno : 0;
	free(buffer);
	return (int)got;
}

static int set_aside(struct blob_store *store, const uint8_t sha256[32])
{
	char name[BLOB_NAME_BYTES], aside[4 + 64 + 1];

	blob_name(sha256, name);
	memcpy(aside, "bad/", 4);
	digits_of(sha256, aside + 4);
	if (renameat(store->fd, name, store->fd, aside) != 0) {
		return -errno;
	}
	/* Its age begins now: remove_old() keeps it for a week from today. */
	utimensat(store->fd, aside, NULL, AT_SYMLINK_NOFOLLOW);
	return 0;
}

int blob_verify(struct blob_store *store, const uint8_t sha256[32])
{
	int fd = blob_open(store, sha256, NULL), err;
	struct blob_hash *hash;
	uint8_t actual[32];
	uint64_t bytes;

	if (fd < 0) {
		return fd;
	}
	hash = blob_hash_new();
	err = blob_hash_file(fd, hash, &bytes);
	blob_hash_final(hash, actual);
	close(fd);
	/* A sector that cannot be read is as bad as a wrong one. */
	if (err == -EIO || (err == 0 && memcmp(actual, sha256, 32) != 0)) {
		err = set_aside(store, sha256);
		return err != 0 ? err : -EBADMSG;
	}
	return err;
}

int blob_remove(struct blob_store *store, const uint8_t sha256[32])
{
	char name[BLOB_NAME_BYTES];

	blob_name(sha256, name);
	return unlinkat(store->fd, name, 0) == 0 ? 0 : -errno;
}

/* One folder of the 256; false when the visitor wants no more. */
static bool each_in(struct blob_store *store, const char *folder,
	bool (*visit)(void *ctx, const uint8_t sha256[32], uint64_t bytes), void *ctx)
{
	int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	bool more = true;
	struct stat st;

	if (dir == NULL) {
		if (fd >= 0) {
			close(fd);
		}
		return true;
	}
	while (more && (entry = readdir(dir)) != NULL) {
		uint8_t sha256[32];
		if (blob_name_parse(entry->d_name, sha256) &&
			memcmp(entry->d_name, folder, 2) == 0 &&
			fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(st.st_mode)) {
			more = visit(ctx, sha256, (uint64_t)st.st_size);
		}
	}
	closedir(dir);
	return more;
}

int blob_each(struct blob_store *store,
	bool (*visit)(void *ctx, const uint8_t sha256[32], uint64_t bytes), void *ctx)
{
	bool more = true;

	assert(store != NULL && visit != NULL);
	for (unsigned i = 0; more && i < 256; i++) {
		char folder[3] = {hex_digits[i >> 4], hex_digits[i & 15], '\0'};
		more = each_in(store, folder, visit, ctx);
	}
	return 0;
}
