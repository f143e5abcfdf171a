/* What the puller does on workers: looking for blobs, fetching, reading and comparing, removing. */
#include "node/images/puller_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void puller_blobs_add(struct puller_blobs *blobs, const uint8_t sha256[32], uint64_t bytes)
{
	if (blobs->count == blobs->room) {
		blobs->room = blobs->room * 2 + 32;
		blobs->at = realloc(blobs->at, blobs->room * sizeof *blobs->at);
		if (blobs->at == NULL) {
			abort();
		}
	}
	memcpy(blobs->at[blobs->count].sha256, sha256, 32);
	blobs->at[blobs->count++].bytes = bytes;
}

void puller_blobs_fini(struct puller_blobs *blobs)
{
	free(blobs->at);
	memset(blobs, 0, sizeof *blobs);
}

uint64_t puller_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

struct puller_work *puller_work_new(struct image_puller *puller, enum puller_work_kind kind)
{
	struct puller_work *work = calloc(1, sizeof *work);

	if (work == NULL) {
		abort();
	}
	work->puller = puller;
	work->kind = kind;
	work->now_ms = puller_now_ms();
	return work;
}

void puller_work_free(struct puller_work *work)
{
	puller_blobs_fini(&work->blobs);
	puller_blobs_fini(&work->found);
	free(work->missing);
	free(work->damaged);
	free(work);
}

static int compare_blob(const void *a, const void *b)
{
	return memcmp(((const struct puller_blob *)a)->sha256,
		((const struct puller_blob *)b)->sha256, 32);
}

/* Which blobs are not here, each once? One of another size cannot be what its name says: it is set
 * aside. */
static void run_look(struct puller_work *work)
{
	struct blob_store *blobs = work->puller->config.blobs;

	if (work->blobs.count > 0) {
		qsort(work->blobs.at, work->blobs.count, sizeof *work->blobs.at, compare_blob);
	}
	for (size_t i = 0; i < work->blobs.count; i++) {
		const struct puller_blob *blob = &work->blobs.at[i];
		uint64_t bytes;
		if (i > 0 && memcmp(blob[-1].sha256, blob->sha256, 32) == 0) {
			continue;
		}
		if (blob_exists(blobs, blob->sha256, &bytes)) {
			if (bytes == blob->bytes) {
				continue;
			}
			(void)blob_verify(blobs, blob->sha256);
		}
		puller_blobs_add(&work->found, blob->sha256, blob->bytes);
	}
}

static void run_fetch(struct puller_work *work)
{
	struct relay_want want = {.bytes = work->blob.bytes};

	memcpy(want.sha256, work->blob.sha256, 32);
	while (want.base_url_count < work->source_count &&
		want.base_url_count < RELAY_SOURCES_MAX) {
		memcpy(want.base_urls[want.base_url_count], work->sources[want.base_url_count],
			FETCH_URL_BYTES);
		want.base_url_count++;
	}
	work->result = relays_fetch(work->puller->config.relays, &want, &work->puller->stop,
		&work->received, work->error, sizeof work->error);
}

static bool list_one(void *ctx, const uint8_t sha256[32], uint64_t bytes)
{
	struct puller_work *work = ctx;

	puller_blobs_add(&work->blobs, sha256, bytes);
	return !atomic_load(&work->puller->stop);
}

/* Of the calling thread. */
static void set_io_priority(bool idle)
{
	enum { WHO_PROCESS = 1, CLASS_SHIFT = 13, CLASS_IDLE = 3 };

	(void)syscall(SYS_ioprio_set, WHO_PROCESS, 0, idle ? CLASS_IDLE << CLASS_SHIFT : 0);
}

static void run_verify(struct puller_work *work)
{
	if (work->gently) {
		set_io_priority(true);
	}
	for (size_t i = 0; i < work->blobs.count && !atomic_load(&work->puller->stop); i++) {
		if (blob_verify(work->puller->config.blobs, work->blobs.at[i].sha256) == -EBADMSG) {
			puller_blobs_add(
				&work->found, work->blobs.at[i].sha256, work->blobs.at[i].bytes);
		}
	}
	if (work->gently) {
		set_io_priority(false);
	}
}

/* The files of one version; each path that is not right is listed, borrowed from the version. */
static void run_check(struct puller_work *work)
{
	const Pxe__ImageVersion *version = work->version;

	work->missing = calloc(version->n_files + 1, sizeof(char *));
	work->damaged = calloc(version->n_files + 1, sizeof(char *));
	if (work->missing == NULL || work->damaged == NULL) {
		abort();
	}
	for (size_t i = 0; i < version->n_files && !atomic_load(&work->puller->stop); i++) {
		const Pxe__ImageFile *file = version->files[i];
		int err = file->sha256.len == 32
				  ? blob_verify(work->puller->config.blobs, file->sha256.data)
				  : -ENOENT;
		if (err == -EBADMSG) {
			work->damaged[work->damaged_count++] = file->path;
		} else if (err != 0) {
			work->missing[work->missing_count++] = file->path;
		}
	}
}

/* Named by no version, and neither when we last looked: it goes. Named by none now: a candidate for
 * the next time. */
static bool collect_one(void *ctx, const uint8_t sha256[32], uint64_t bytes)
{
	struct puller_work *work = ctx;
	struct image_guard *guard = work->puller->config.guard;
	struct puller_blob key = {.bytes = 0};

	memcpy(key.sha256, sha256, 32);
	if (image_guard_holds(guard, sha256, work->now_ms)) {
		return true;
	}
	if (work->blobs.count > 0 && bsearch(&key, work->blobs.at, work->blobs.count, sizeof key,
					     compare_blob) != NULL) {
		if (image_guard_remove(guard, work->puller->config.blobs, sha256, work->now_ms) ==
			1) {
			work->removed++;
		}
	} else {
		puller_blobs_add(&work->found, sha256, bytes);
	}
	return !atomic_load(&work->puller->stop);
}

static void run_collect(struct puller_work *work)
{
	if (work->blobs.count > 0) {
		qsort(work->blobs.at, work->blobs.count, sizeof *work->blobs.at, compare_blob);
	}
	(void)blob_each(work->puller->config.blobs, collect_one, work);
}

void puller_work_run(uv_work_t *request)
{
	struct puller_work *work = request->data;

	switch (work->kind) {
	case PULLER_WORK_LOOK: run_look(work); break;
	case PULLER_WORK_FETCH: run_fetch(work); break;
	case PULLER_WORK_LIST: (void)blob_each(work->puller->config.blobs, list_one, work); break;
	case PULLER_WORK_VERIFY: run_verify(work); break;
	case PULLER_WORK_CHECK: run_check(work); break;
	case PULLER_WORK_COLLECT: run_collect(work); break;
	}
}

void puller_work_start(
	struct image_puller *puller, struct puller_work *work, uv_after_work_cb after)
{
	work->work.data = work;
	puller->references++;
	if (uv_queue_work(puller->config.loop, &work->work, puller_work_run, after) != 0) {
		abort(); /* only for arguments that make no sense */
	}
}
