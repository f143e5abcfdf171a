/* store/kv/kv_disk.c: the data directory: made, locked against a second process, and with room kept
 * in it.
 *
 * Part of the disk is allocated ahead of the data, so that a disk that others fill does not stop
 * this node at its next write: the host sees kv_is_short() and refuses work while there is still
 * room to finish. A node that ends in this state can start in it.
 */
#include "store/kv/kv_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOCK_NAME "pxed.lock"

static int sync_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	error = fsync(fd) ? -errno : 0;
	close(fd);
	return error == -EINVAL ? 0 : error; /* a file system that cannot sync a directory */
}

/* Sync the directory that holds `path`, which may be changed and is put back. */
static int sync_parent(char *path)
{
	char *slash = strrchr(path, '/');
	int error;

	if (!slash || slash == path)
		return sync_path(slash ? "/" : ".");
	*slash = '\0';
	error = sync_path(path);
	*slash = '/';
	return error;
}

/* mkdir -p; each new name is made durable. */
static int make_directories(const char *directory)
{
	char *path = strdup(directory), *slash = path;
	int error = path ? 0 : -ENOMEM;

	while (!error && slash) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(path, 0750) == 0)
			error = sync_parent(path);
		else if (errno != EEXIST)
			error = -errno;
		if (slash)
			*slash = '/';
	}
	free(path);
	return error;
}

static int say_in_use(struct kv *kv, int fd, char *ret_error, size_t error_bytes)
{
	char pid[32] = "";
	ssize_t got = pread(fd, pid, sizeof pid - 1, 0);

	if (got > 0 && strtol(pid, NULL, 10) > 0)
		snprintf(ret_error, error_bytes, "%s is in use by pid %ld", kv->directory,
			strtol(pid, NULL, 10));
	else
		snprintf(ret_error, error_bytes, "%s is in use by another process", kv->directory);
	return -EBUSY;
}

static int lock_directory(struct kv *kv, char *ret_error, size_t error_bytes)
{
	char path[4096], pid[32];
	int fd, bytes = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());

	if ((size_t)snprintf(path, sizeof path, "%s/" LOCK_NAME, kv->directory) >= sizeof path) {
		snprintf(ret_error, error_bytes, "%s: the name is too long", kv->directory);
		return -ENAMETOOLONG;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0) {
		int error = -errno;

		snprintf(ret_error, error_bytes, "cannot write in %s: %s", kv->directory,
			strerror(-error));
		return error;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int error =
			errno == EWOULDBLOCK ? say_in_use(kv, fd, ret_error, error_bytes) : -errno;

		if (error != -EBUSY)
			snprintf(ret_error, error_bytes, "cannot lock %s: %s", path,
				strerror(-error));
		close(fd);
		return error;
	}
	/* The process id is for people; a disk too full for it is reported by kv_disk_check_room().
	 */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)bytes, 0) != bytes)
		(void)ftruncate(fd, 0);
	kv->lock_fd = fd;
	return 0;
}

int kv_disk_prepare(struct kv *kv, char *ret_error, size_t error_bytes)
{
	int error = make_directories(kv->directory);

	if (error) {
		snprintf(ret_error, error_bytes, "cannot make the directory %s: %s", kv->directory,
			strerror(-error));
		return error;
	}
	return lock_directory(kv, ret_error, error_bytes);
}

void kv_disk_release(struct kv *kv)
{
	if (kv->lock_fd >= 0)
		close(kv->lock_fd);
	kv->lock_fd = -1;
}

int kv_disk_sync_directory(const struct kv *kv, char *ret_error, size_t error_bytes)
{
	int error = sync_path(kv->directory);

	if (error)
		snprintf(ret_error, error_bytes, "cannot sync %s: %s", kv->directory,
			strerror(-error));
	return error;
}

void kv_disk_mend_length(struct kv *kv)
{
	MDB_envinfo info;
	struct stat file;
	MDB_stat stat;
	uint64_t used;
	int fd;

	if (mdb_env_info(kv->env, &info) || mdb_env_stat(kv->env, &stat) ||
		mdb_env_get_fd(kv->env, &fd) || fstat(fd, &file))
		return;
	used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	if ((uint64_t)file.st_size < used)
		(void)!ftruncate(fd, (off_t)used);
}

/* Pages inside the file that a write may use again. */
static uint64_t free_pages(struct kv *kv)
{
	uint64_t pages = 0;
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_txn *txn;

	if (mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn))
		return 0;
	if (mdb_cursor_open(txn, 0, &cursor) == 0) {
		while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
			size_t count = 0; /* the first word of a record of LMDB's free list */

			if (value.mv_size >= sizeof count)
				memcpy(&count, value.mv_data, sizeof count);
			pages += count;
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return pages;
}

/* Between a quarter and half of the reserve it stays as it was, so that it does not flutter. */
static void note_room(struct kv *kv, uint64_t room_bytes)
{
	atomic_store(&kv->room_bytes, room_bytes);
	if (room_bytes < kv->reserve_bytes / 4)
		atomic_store(&kv->is_short, true);
	else if (room_bytes >= kv->reserve_bytes / 2)
		atomic_store(&kv->is_short, false);
}

void kv_disk_reserve(struct kv *kv)
{
	uint64_t used, allocated, map_room, disk_room, inside;
	struct statvfs fs;
	MDB_envinfo info;
	struct stat file;
	MDB_stat stat;
	int fd;

	if (mdb_env_info(kv->env, &info) || mdb_env_stat(kv->env, &stat) ||
		mdb_env_get_fd(kv->env, &fd) || fstat(fd, &file) || statvfs(kv->directory, &fs))
		return;
	used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	allocated = (uint64_t)file.st_blocks * 512;
	/* KEEP_SIZE: the file's length stays LMDB's business. Not supported: the measure below
	 * tells. Nor the last of the disk: a call that fails may have taken all there was. */
	if (allocated < used + kv->reserve_bytes / 2 &&
		(uint64_t)fs.f_bavail * fs.f_frsize >= kv->reserve_bytes &&
		fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)used, (off_t)kv->reserve_bytes) == 0 &&
		(fstat(fd, &file) || statvfs(kv->directory, &fs)))
		return;
	allocated = (uint64_t)file.st_blocks * 512;
	inside = free_pages(kv) * stat.ms_psize;
	map_room = info.me_mapsize > used ? info.me_mapsize - used : 0;
	disk_room = (uint64_t)fs.f_bavail * fs.f_frsize + (allocated > used ? allocated - used : 0);
	note_room(kv, inside + (map_room < disk_room ? map_room : disk_room));
}

int kv_disk_check_room(const struct kv *kv, char *ret_error, size_t error_bytes)
{
	uint64_t room = atomic_load(&kv->room_bytes), least = kv->reserve_bytes / 8;

	if (room >= least)
		return 0;
	snprintf(ret_error, error_bytes,
		"%s has room for only %.1f MiB, at least %.1f MiB are needed: free some space on "
		"its disk",
		kv->directory, (double)room / 1048576, (double)least / 1048576);
	return -ENOSPC;
}
