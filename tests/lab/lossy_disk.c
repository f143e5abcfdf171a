/* tests/lab/lossy_disk.c: a disk whose unsynced writes can be taken back, for one pxed
 * (LD_PRELOAD).
 *
 * kill -9 alone loses nothing: the kernel keeps what was written. A power cut loses, page by page
 * and in no order, whatever no sync has covered. So each write to the state file first puts what
 * stood there into an undo file ($PXE_UNDO); a sync of the state file empties it, a write through
 * an O_DSYNC descriptor leaves nothing in it. After kill -9, test_durable.py takes back a random
 * part of what is still in the undo file: any such state is one that a power cut may leave.
 *
 * $PXE_NOSYNC set: LMDB is opened without sync. That is how the tests show that they would notice.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define STATE_NAME  "/data.mdb"
#define LMDB_NOSYNC 0x10000u

struct undo_head {
	uint64_t offset, bytes, old_bytes;
};

static int undo_fd = -1;

__attribute__((constructor)) static void undo_open(void)
{
	const char *path = getenv("PXE_UNDO");

	if (path != NULL)
		undo_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void *real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return function;
}

static int is_state(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t length;

	if (undo_fd < 0)
		return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof path);
	return length >= (ssize_t)strlen(STATE_NAME) &&
	       memcmp(path + length - strlen(STATE_NAME), STATE_NAME, strlen(STATE_NAME)) == 0;
}

/* pread() also where fd is for writing only, as LMDB's for its head pages is. */
static ssize_t read_old(int fd, void *old, size_t bytes, off_t offset)
{
	char link[64];
	ssize_t got;
	int again;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	again = open(link, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		abort();
	got = pread(again, old, bytes, offset);
	if (got < 0)
		abort();
	close(again);
	return got;
}

/* Keep what stands where `bytes` are about to be written. Returns where the undo file ended before.
 */
static off_t keep_old(int fd, off_t offset, size_t bytes)
{
	off_t before = lseek(undo_fd, 0, SEEK_END);
	char *old = malloc(bytes == 0 ? 1 : bytes);
	struct undo_head head = {(uint64_t)offset, bytes, 0};
	struct iovec part[2] = {{&head, sizeof head}, {old, 0}};
	ssize_t got;

	if (old == NULL)
		abort();
	got = read_old(fd, old, bytes, offset);
	head.old_bytes = part[1].iov_len = (size_t)got;
	if (((ssize_t(*)(int, const struct iovec *, int))real("writev"))(undo_fd, part, 2) < 0)
		abort();
	free(old);
	return before;
}

static void written(int fd, off_t before)
{
	if (fcntl(fd, F_GETFL) & O_DSYNC && ftruncate(undo_fd, before) != 0)
		abort();
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	ssize_t (*next)(int, const void *, size_t, off_t) = real("pwrite");
	int state = is_state(fd);
	off_t before = state ? keep_old(fd, offset, bytes) : 0;
	ssize_t done = next(fd, data, bytes, offset);

	if (state)
		written(fd, before);
	return done;
}

ssize_t writev(int fd, const struct iovec *part, int count)
{
	ssize_t (*next)(int, const struct iovec *, int) = real("writev");
	int state = is_state(fd);
	off_t before = 0;
	size_t bytes = 0;
	ssize_t done;

	for (int i = 0; state && i < count; i++)
		bytes += part[i].iov_len;
	if (state)
		before = keep_old(fd, lseek(fd, 0, SEEK_CUR), bytes);
	done = next(fd, part, count);
	if (state)
		written(fd, before);
	return done;
}

static int synced(const char *name, int fd)
{
	int (*next)(int) = real(name);
	int result = next(fd);

	if (result == 0 && is_state(fd) && ftruncate(undo_fd, 0) != 0)
		abort();
	return result;
}

int fdatasync(int fd)
{
	return synced("fdatasync", fd);
}

int fsync(int fd)
{
	return synced("fsync", fd);
}

int mdb_env_open(void *env, const char *path, unsigned flags, mode_t mode)
{
	int (*next)(void *, const char *, unsigned, mode_t) = real("mdb_env_open");

	return next(env, path, getenv("PXE_NOSYNC") == NULL ? flags : flags | LMDB_NOSYNC, mode);
}
