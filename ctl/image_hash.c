#include "ctl/image_hash.h"

#include "ctl/progress.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_READ_BYTES  (256 * 1024)
#define HASH_THREADS_MAX 8
#define HASH_TELL_MS     100

struct hashing {
	struct image_hash *files;
	size_t count;
	int *errors; /* of each file; 0 or errno; EAGAIN: it was changed meanwhile */
	atomic_size_t next, ended;
	atomic_uint_fast64_t bytes;
	atomic_bool failed;
};

struct image_stamp image_stamp_of(const struct stat *st)
{
	return (struct image_stamp){.bytes = (uint64_t)st->st_size,
		.modified = st->st_mtim,
		.changed = st->st_ctim,
		.inode = st->st_ino};
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool image_stamp_same(const struct image_stamp *a, const struct image_stamp *b)
{
	return a->bytes == b->bytes && a->inode == b->inode &&
	       same_time(&a->modified, &b->modified) && same_time(&a->changed, &b->changed);
}

static int hash_open(
	struct hashing *hashing, struct image_hash *file, int fd, gnutls_hash_hd_t hash)
{
	uint8_t *buffer = malloc(HASH_READ_BYTES);
	struct stat before, after;
	struct image_stamp stamp;
	uint64_t bytes = 0;
	ssize_t got = 0;
	int error;

	assert(buffer != NULL);
	error = fstat(fd, &before) == 0 ? 0 : errno;
	while (error == 0 && (got = read(fd, buffer, HASH_READ_BYTES)) > 0) {
		gnutls_hash(hash, buffer, (size_t)got);
		bytes += (uint64_t)got;
		atomic_fetch_add(&hashing->bytes, (uint64_t)got);
	}
	error = error == 0 && (got < 0 || fstat(fd, &after) != 0) ? errno : error;
	free(buffer);
	if (error != 0) {
		return error;
	}
	file->stamp = image_stamp_of(&before);
	stamp = image_stamp_of(&after);
	return bytes == file->stamp.bytes && image_stamp_same(&file->stamp, &stamp) ? 0 : EAGAIN;
}

static int hash_one(struct hashing *hashing, struct image_hash *file)
{
	gnutls_hash_hd_t hash;
	int fd = open(file->source, O_RDONLY | O_CLOEXEC), error;

	if (fd < 0) {
		return errno;
	}
	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) != 0) {
		close(fd);
		return ENOSYS;
	}
	error = hash_open(hashing, file, fd, hash);
	gnutls_hash_deinit(hash, file->sha256);
	close(fd);
	return error;
}

static void *work(void *ctx)
{
	struct hashing *hashing = ctx;
	size_t i;

	while (!atomic_load(&hashing->failed) &&
		(i = atomic_fetch_add(&hashing->next, 1)) < hashing->count) {
		hashing->errors[i] = hash_one(hashing, &hashing->files[i]);
		if (hashing->errors[i] != 0) {
			atomic_store(&hashing->failed, true);
		}
	}
	atomic_fetch_add(&hashing->ended, 1);
	return NULL;
}

static void tell(const struct hashing *hashing, struct progress *progress)
{
	uint64_t bytes = atomic_load(&hashing->bytes);

	if (bytes > progress->done) {
		progress_add(progress, bytes - progress->done);
	}
}

static void run(struct hashing *hashing, struct progress *progress)
{
	pthread_t threads[HASH_THREADS_MAX];
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t wanted = processors < 1                  ? 1
			: processors > HASH_THREADS_MAX ? HASH_THREADS_MAX
							: (size_t)processors,
	       started = 0;

	while (started < wanted && started < hashing->count &&
		pthread_create(&threads[started], NULL, work, hashing) == 0) {
		started++;
	}
	if (started == 0) {
		work(hashing);
	}
	for (unsigned pause_ms = 1; atomic_load(&hashing->ended) < (started > 0 ? started : 1);) {
		ctl_pause(pause_ms);
		pause_ms = pause_ms < HASH_TELL_MS ? 2 * pause_ms : pause_ms;
		tell(hashing, progress);
	}
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
	}
	tell(hashing, progress);
}

static int refuse(const struct ctl *ctl, const char *source, int error)
{
	if (error == EAGAIN) {
		return ctl_fail(ctl, CTL_CONFLICT,
			"%s was changed while it was read; push it again when nobody writes it",
			source);
	}
	return ctl_fail(ctl, CTL_USAGE, "cannot read %s: %s", source, strerror(error));
}

int image_hash_files(const struct ctl *ctl, struct image_hash *files, size_t count)
{
	struct hashing hashing = {.files = files, .count = count};
	struct progress progress;
	uint64_t total = 0;
	int result = CTL_OK;

	hashing.errors = calloc(count + 1, sizeof *hashing.errors);
	assert(files != NULL && hashing.errors != NULL);
	for (size_t i = 0; i < count; i++) {
		total += files[i].expected;
	}
	progress_start(&progress, ctl, "hash", total);
	run(&hashing, &progress);
	for (size_t i = 0; i < count && result == CTL_OK; i++) {
		if (hashing.errors[i] != 0) {
			result = refuse(ctl, files[i].source, hashing.errors[i]);
		}
	}
	if (result == CTL_OK) {
		progress_end(&progress);
	}
	free(hashing.errors);
	return result;
}
