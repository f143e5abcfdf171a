#include "store/blob/blob.h"

#include "store/blob/blob_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BLOB_RESERVE_MIN (UINT64_C(1) << 30)

/* incoming/HASH.part is locked for as long as its writer lives, so that two writers of one blob
 * never meet. Resuming reads what is there into the hash again: after a power loss it may be
 * anything, and the hash at the end is the proof. */
struct blob_writer {
	struct blob_store *store;
	uint8_t sha256[32];
	uint64_t expected_bytes, written_bytes;
	struct blob_hash *hash;
	int fd;
};

uint64_t blob_reserve_bytes(uint64_t file_system_bytes)
{
	uint64_t reserve = file_system_bytes / 20, small = file_system_bytes / 10;

	reserve = reserve > BLOB_RESERVE_MIN ? reserve : BLOB_RESERVE_MIN;
	return reserve < small ? reserve : small;
}

int blob_room(const struct blob_store *store, uint64_t *ret_bytes)
{
	uint64_t free_bytes, reserve_bytes;
	struct statvfs fs;

	if (fstatvfs(store->fd, &fs) != 0) {
		return -errno;
	}
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	reserve_bytes = blob_reserve_bytes((uint64_t)fs.f_blocks * fs.f_frsize);
	*ret_bytes = free_bytes > reserve_bytes ? free_bytes - reserve_bytes : 0;
	return 0;
}

static int room_check(const struct blob_store *store, uint64_t bytes)
{
	uint64_t room;
	int err = blob_room(store, &room);

	return err != 0 ? err : bytes > room ? -ENOSPC : 0;
}

/* Open and lock the part file. The file that was locked must still be the one that the name means:
 * the writer before us may have renamed or removed it in between. */
static int part_open(const struct blob_store *store, const char *name, int *ret_fd)
{
	struct stat held, named;

	for (unsigned tries = 0; tries < 8; tries++) {
		int fd = openat(store->fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (fd < 0) {
			return -errno;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			int err = errno == EWOULDBLOCK ? -EBUSY : -errno;
			close(fd);
			return err;
		}
		if (fstat(fd, &held) == 0 &&
			fstatat(store->fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
			held.st_ino == named.st_ino) {
			*ret_fd = fd;
			return 0;
		}
		close(fd);
	}
	return -EBUSY;
}

/* Take what is there into the hash, or begin anew. */
static int part_resume(struct blob_writer *writer, bool resume)
{
	struct stat st;
	int err;

	if (fstat(writer->fd, &st) != 0) {
		return -errno;
	}
	if (!resume || (uint64_t)st.st_size > writer->expected_bytes) {
		return ftruncate(writer->fd, 0) == 0 ? 0 : -errno;
	}
	err = blob_hash_file(writer->fd, writer->hash, &writer->written_bytes);
	return err;
}

static void writer_free(struct blob_writer *writer)
{
	uint8_t unused[32];

	if (writer->hash != NULL) {
		blob_hash_final(writer->hash, unused);
	}
	if (writer->fd >= 0) {
		close(writer->fd); /* and with it the lock */
	}
	free(writer);
}

int blob_writer_open(struct blob_store *store, const uint8_t sha256[32], uint64_t expected_bytes,
	bool resume, struct blob_writer **ret_writer, uint64_t *ret_have)
{
	char name[BLOB_PART_BYTES];
	struct blob_writer *writer;
	int err;

	assert(store != NULL && ret_writer != NULL);
	writer = calloc(1, sizeof *writer);
	if (writer == NULL) {
		abort();
	}
	writer->store = store;
	memcpy(writer->sha256, sha256, 32);
	writer->expected_bytes = expected_bytes;
	writer->hash = blob_hash_new();
	writer->fd = -1;
	blob_part_name(sha256, name);
	err = part_open(store, name, &writer->fd);
	if (err == 0) {
		err = part_resume(writer, resume);
	}
	if (err == 0) {
		err = room_check(store, expected_bytes - writer->written_bytes);
	}
	if (err != 0) {
		writer_free(writer);
		return err;
	}
	*ret_writer = writer;
	if (ret_have != NULL) {
		*ret_have = writer->written_bytes;
	}
	return 0;
}

int blob_writer_reader(const struct blob_writer *writer)
{
	char name[BLOB_PART_BYTES];
	int fd;

	assert(writer != NULL);
	/* Not a copy of the writer's own descriptor: the lock would live as long. */
	blob_part_name(writer->sha256, name);
	fd = openat(writer->store->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd : -errno;
}

int blob_writer_append(struct blob_writer *writer, const void *data, size_t bytes)
{
	const uint8_t *at = data;
	size_t left = bytes;

	assert(writer != NULL && (data != NULL || bytes == 0));
	if (bytes > writer->expected_bytes - writer->written_bytes) {
		return -EBADMSG;
	}
	while (left > 0) {
		ssize_t put = pwrite(writer->fd, at, left, (off_t)writer->written_bytes);
		if (put < 0 && errno == EINTR) {
			continue;
		}
		if (put <= 0) {
			return put < 0 ? -errno : -EIO;
		}
		blob_hash_update(writer->hash, at, (size_t)put);
		at += put;
		left -= (size_t)put;
		writer->written_bytes += (uint64_t)put;
	}
	return 0;
}

int blob_writer_prove(struct blob_writer *writer)
{
	char part[BLOB_PART_BYTES];
	uint8_t actual[32];

	assert(writer != NULL && writer->hash != NULL);
	blob_hash_final(writer->hash, actual);
	writer->hash = NULL;
	if (writer->written_bytes == writer->expected_bytes &&
		memcmp(actual, writer->sha256, 32) == 0) {
		return 0;
	}
	blob_part_name(writer->sha256, part);
	unlinkat(writer->store->fd, part, 0); /* not a byte of it can be trusted */
	return -EBADMSG;
}

int blob_writer_name(struct blob_writer *writer, bool *ret_made)
{
	char name[BLOB_NAME_BYTES], part[BLOB_PART_BYTES], folder[3];

	blob_part_name(writer->sha256, part);
	blob_name(writer->sha256, name);
	memcpy(folder, name, 2);
	folder[2] = '\0';
	*ret_made = mkdirat(writer->store->fd, folder, 0750) == 0;
	if (!*ret_made && errno != EEXIST) {
		return -errno;
	}
	if (fchmod(writer->fd, 0440) != 0 ||
		renameat(writer->store->fd, part, writer->store->fd, name) != 0) {
		return -errno;
	}
	return 0;
}

/* Durable before visible: the bytes, then the name, then the folders that hold the name. */
int blob_writer_commit(struct blob_writer *writer)
{
	char name[BLOB_NAME_BYTES];
	bool made = false;
	int err;

	assert(writer != NULL);
	err = blob_writer_prove(writer);
	if (err == 0 && fdatasync(writer->fd) != 0) {
		err = -errno;
	}
	if (err == 0) {
		err = blob_writer_name(writer, &made);
	}
	if (err == 0 && made) {
		err = blob_sync_directory(writer->store, ".");
	}
	if (err == 0) {
		blob_name(writer->sha256, name);
		name[2] = '\0';
		err = blob_sync_directory(writer->store, name);
	}
	writer_free(writer);
	return err;
}

void blob_writer_abort(struct blob_writer *writer, bool keep)
{
	char part[BLOB_PART_BYTES];

	if (writer == NULL) {
		return;
	}
	if (!keep) {
		blob_part_name(writer->sha256, part);
		unlinkat(writer->store->fd, part, 0);
	}
	writer_free(writer);
}
