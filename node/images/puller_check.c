/* Reading versions because an operator asked: one after the other, each on a worker. */
#include "node/images/puller_impl.h"

#include "proto/msg/manifest.h"
#include "store/model/record.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct model *model_of(const struct image_puller *puller)
{
	return puller->config.cluster.model(puller->config.cluster.ctx);
}

static void check_free(struct puller_check *check)
{
	if (check->version != NULL) {
		pxe__image_version__free_unpacked(check->version, NULL);
	}
	free(check->versions);
	free(check);
}

/* The next one that is still there, as a copy: the state may change while it is read. */
static Pxe__ImageVersion *take_next(struct image_puller *puller, struct puller_check *check)
{
	while (check->next < check->count) {
		const struct puller_version_name *name = &check->versions[check->next++];
		const Pxe__ImageVersion *version =
			model_image_version(model_of(puller), name->image, name->digest);
		if (version != NULL) {
			return manifest_copy(version);
		}
	}
	return NULL;
}

static void after_check(uv_work_t *request, int status);

static void start_one(struct image_puller *puller, struct puller_check *check)
{
	struct puller_work *work = puller_work_new(puller, PULLER_WORK_CHECK);

	work->version = check->version;
	puller_work_start(puller, work, after_check);
}

/* One version was read: told, and the next one begun. */
static void after_check(uv_work_t *request, int status)
{
	struct puller_work *work = request->data;
	struct image_puller *puller = work->puller;
	struct puller_check *check = puller->check;
	Pxe__ImageVersion *version = check->version;
	const struct image_puller_verified verified = {
		.image = version->image,
		.digest = version->digest.data,
		.files = (uint32_t)version->n_files,
		.bytes = version->bytes,
		.missing = work->missing,
		.damaged = work->damaged,
		.missing_count = work->missing_count,
		.damaged_count = work->damaged_count,
	};

	(void)status;
	check->version = puller->closing ? NULL : take_next(puller, check);
	if (puller->closing) {
		puller->check = NULL;
		check->done(check->ctx, NULL, false);
	} else {
		puller->stats.damaged += work->damaged_count;
		if (work->damaged_count + work->missing_count > 0) {
			puller_look_again(puller);
		}
		puller->check = check->version != NULL ? check : NULL;
		check->done(check->ctx, &verified, check->version != NULL);
	}
	if (check->version != NULL) {
		start_one(puller, check);
	} else {
		check_free(check);
	}
	pxe__image_version__free_unpacked(version, NULL);
	puller_work_free(work);
	puller_unreference(puller);
}

struct gather {
	struct puller_check *check;
	const char *image;
	size_t room;
};

static bool gather_version(void *ctx, const void *object)
{
	struct gather *gather = ctx;
	struct puller_check *check = gather->check;
	const Pxe__ImageVersion *version = object;

	if (version->digest.len != 32 || strlen(version->image) > MODEL_NAME_MAX ||
		(gather->image != NULL && strcmp(gather->image, version->image) != 0)) {
		return true;
	}
	if (check->count == gather->room) {
		gather->room = gather->room * 2 + 16;
		check->versions = realloc(check->versions, gather->room * sizeof *check->versions);
		if (check->versions == NULL) {
			abort();
		}
	}
	snprintf(check->versions[check->count].image, sizeof check->versions->image, "%s",
		version->image);
	memcpy(check->versions[check->count++].digest, version->digest.data, 32);
	return true;
}

int image_puller_verify(
	struct image_puller *puller, const char *image, image_puller_verified_cb *done, void *ctx)
{
	struct gather gather = {.image = image};

	assert(puller != NULL && !puller->closing && done != NULL);
	if (puller->check != NULL) {
		return -EBUSY;
	}
	if (image != NULL && model_image(model_of(puller), image) == NULL) {
		return -ENOENT;
	}
	gather.check = calloc(1, sizeof *gather.check);
	if (gather.check == NULL) {
		abort();
	}
	gather.check->done = done;
	gather.check->ctx = ctx;
	model_each(
		model_of(puller), PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, gather_version, &gather);
	puller->check = gather.check;
	puller_wake(puller);
	return 0;
}

/* The first version; never from inside image_puller_verify(). */
void puller_check_step(struct image_puller *puller)
{
	struct puller_check *check = puller->check;

	if (check == NULL || check->version != NULL) {
		return;
	}
	check->version = take_next(puller, check);
	if (check->version != NULL) {
		start_one(puller, check);
		return;
	}
	puller->check = NULL;
	check->done(check->ctx, NULL, false);
	check_free(check);
}

void puller_check_end(struct image_puller *puller)
{
	struct puller_check *check = puller->check;

	if (check != NULL && check->version == NULL) { /* else after_check() does it */
		puller->check = NULL;
		check->done(check->ctx, NULL, false);
		check_free(check);
	}
}
