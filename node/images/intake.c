/* The intake's loop side. Three kinds of request, one rule: everything that touches the disk is an
 * op that goes to a worker and comes back through after_op(), where its callback is called. Bytes
 * of one blob are ops in that blob's queue, one at a worker at a time, so its writer is never
 * shared.
 *
 * A blob's writer is closed after 10 s of silence (what is there is kept): it holds the blob's
 * lock, and the pusher may have gone on to another node, from which we then want to fetch. */
#include "node/images/intake.h"

#include "proto/msg/manifest.h"

#include "node/images/intake_impl.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTAKE_SWEEP_MS   2000
#define INTAKE_SILENCE_MS 10000

static void intake_unreference(struct image_intake *intake)
{
	assert(intake->references > 0);
	if (--intake->references > 0) {
		return;
	}
	for (size_t i = 0; i < intake->blob_count; i++) {
		blob_writer_abort(intake->blobs[i]->writer, true);
		free(intake->blobs[i]);
	}
	free(intake->blobs);
	blob_store_close(intake->config.blobs);
	free(intake);
}

static struct intake_blob *blob_of(const struct image_intake *intake, const uint8_t sha256[32])
{
	for (size_t i = 0; i < intake->blob_count; i++) {
		if (memcmp(intake->blobs[i]->sha256, sha256, 32) == 0) {
			return intake->blobs[i];
		}
	}
	return NULL;
}

static void declare(struct image_intake *intake, const uint8_t sha256[32], uint64_t bytes)
{
	struct intake_blob *blob = blob_of(intake, sha256);

	if (blob == NULL) {
		if (intake->blob_count == intake->blob_room) {
			intake->blob_room = intake->blob_room * 2 + 64;
			intake->blobs = realloc(
				intake->blobs, intake->blob_room * sizeof(struct intake_blob *));
		}
		blob = calloc(1, sizeof *blob);
		if (blob == NULL || intake->blobs == NULL) {
			abort();
		}
		memcpy(blob->sha256, sha256, 32);
		intake->blobs[intake->blob_count++] = blob;
	}
	if (blob->writer == NULL && !blob->working) {
		blob->bytes = bytes;
	}
	blob->heard_ms = intake_now_ms();
}

/* ---- ops */

static struct intake_op *op_new(struct image_intake *intake, enum intake_kind kind, void *ctx)
{
	struct intake_op *op = calloc(1, sizeof *op);

	if (op == NULL) {
		abort();
	}
	op->intake = intake;
	op->kind = kind;
	op->ctx = ctx;
	op->work.data = op;
	return op;
}

static void op_free(struct intake_op *op)
{
	if (op->version != NULL) {
		pxe__image_version__free_unpacked(op->version, NULL);
	}
	free(op->missing);
	free(op->missing_bytes);
	free(op->data);
	free(op->files);
	free(op->file_blobs);
	free(op);
}

static void after_op(uv_work_t *request, int status);

static void op_start(struct intake_op *op)
{
	if (op->blob != NULL) {
		op->blob->working = true;
	}
	if (uv_queue_work(op->intake->config.loop, &op->work, intake_work_run, after_op) != 0) {
		abort(); /* only for arguments that make no sense */
	}
}

static void op_call_back(struct intake_op *op)
{
	switch (op->kind) {
	case INTAKE_BEGIN:
		op->done.begin(op->ctx, op->error, op->message, (const uint8_t(*)[32])op->missing,
			op->error == 0 ? op->missing_count : 0);
		break;
	case INTAKE_DATA: op->done.data(op->ctx, op->error, op->message, op->received); break;
	case INTAKE_FILES: op->done.files(op->ctx, op->error, op->message); break;
	case INTAKE_COMMIT: op->done.commit(op->ctx, op->error, op->message, op->revision); break;
	}
}

static void op_finish(struct intake_op *op)
{
	struct image_intake *intake = op->intake;

	op_call_back(op);
	op_free(op);
	intake_unreference(intake);
}

static void op_cancel(struct intake_op *op)
{
	op->error = -ECANCELED;
	snprintf(op->message, sizeof op->message, "the node is stopping: push to another one");
	op_finish(op);
}

/* ---- what follows an op */

static void after_begin(struct intake_op *op)
{
	for (size_t i = 0; op->error == 0 && i < op->missing_count; i++) {
		declare(op->intake, op->missing[i], op->missing_bytes[i]);
	}
	op_finish(op);
}

static struct intake_op *blob_take(struct intake_blob *blob)
{
	struct intake_op *op = blob->head;

	if (op != NULL) {
		blob->head = op->next;
		blob->tail = blob->head != NULL ? blob->tail : NULL;
		blob->queued--;
	}
	return op;
}

static void blob_forget(struct image_intake *intake, struct intake_blob *blob)
{
	for (size_t i = 0; i < intake->blob_count; i++) {
		if (intake->blobs[i] == blob) {
			intake->blobs[i] = intake->blobs[--intake->blob_count];
			break;
		}
	}
	free(blob);
}

/* The blob's next op, or, once it is complete, its end. */
static void blob_next(struct image_intake *intake, struct intake_blob *blob)
{
	struct intake_op *op = blob_take(blob);

	blob->working = false;
	blob->heard_ms = intake_now_ms();
	while (op != NULL && intake->closing) {
		op_cancel(op);
		op = blob_take(blob);
	}
	if (op != NULL) {
		op_start(op);
	} else if (blob->complete) {
		blob_forget(intake, blob);
	}
}

static void after_data(struct intake_op *op)
{
	struct image_intake *intake = op->intake;
	struct intake_blob *blob = op->blob;

	intake->references++; /* the callback may be the last that holds it */
	op_finish(op);
	if (blob != NULL) {
		blob_next(intake, blob);
	}
	intake_unreference(intake);
}

static void after_files(struct intake_op *op)
{
	struct image_intake *intake = op->intake;
	struct intake_blob **blobs = op->file_blobs;
	size_t count = op->file_count;

	op->file_blobs = NULL;
	for (size_t i = 0; i < count; i++) {
		if (blobs[i] != NULL) {
			blobs[i]->complete = op->files[i].error == 0;
		}
	}
	intake->references++; /* the callback may be the last that holds it */
	op_finish(op);
	for (size_t i = 0; i < count; i++) {
		if (blobs[i] != NULL) {
			blob_next(intake, blobs[i]);
		}
	}
	free(blobs);
	intake_unreference(intake);
}

/* ---- commit: ImageStage, then ImageHeld of this node */

static void tell_staged(const struct intake_op *op)
{
	const struct image_cluster *cluster = &op->intake->config.cluster;
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_IMAGE_STAGED};
	char digits[65];

	if (cluster->on_event == NULL) {
		return;
	}
	for (size_t i = 0; i < op->version->n_files; i++) {
		event.bytes += op->version->files[i]->bytes;
	}
	text_hex_format(op->version->digest.data, 32, digits, sizeof digits);
	snprintf(event.text, sizeof event.text, "%.63s@%.12s, %zu files", op->version->image,
		digits, op->version->n_files);
	cluster->on_event(cluster->ctx, &event);
}

/* Held or not: the push is staged, and the puller tells again what is not told. */
static void held_done(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct intake_op *op = ctx;

	if (outcome == REPLICA_APPLIED && result->revision > op->revision) {
		op->revision = result->revision;
	}
	op_finish(op);
}

static void propose_held(struct intake_op *op)
{
	const struct image_cluster *cluster = &op->intake->config.cluster;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageHeld held = PXE__IMAGE_HELD__INIT;

	held.image = op->version->image;
	held.digest = op->version->digest;
	held.member = cluster->self;
	command.op_case = PXE__COMMAND__OP_IMAGE_HELD;
	command.image_held = &held;
	if (cluster->propose(cluster->ctx, &command, 0, held_done, op) != REPLICA_APPLIED) {
		op_finish(op);
	}
}

static void stage_done(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct intake_op *op = ctx;

	if (outcome == REPLICA_NO_QUORUM || outcome == REPLICA_BUSY) {
		op->error = -EAGAIN;
		snprintf(op->message, sizeof op->message,
			"no quorum: the image is not staged; push again when the cluster is whole");
	} else if (outcome == REPLICA_NO_SPACE) {
		op->error = -ENOSPC;
		snprintf(op->message, sizeof op->message,
			"no space: the disks of a majority are nearly full, the image is not "
			"staged; free space there, then push again");
	} else if (outcome == REPLICA_UNKNOWN) {
		op->error = -ETIMEDOUT;
		snprintf(op->message, sizeof op->message,
			"no answer in time: push again, it is safe");
	} else if (result->verdict != PXE__VERDICT__VERDICT_OK &&
		   result->verdict != PXE__VERDICT__VERDICT_DUPLICATE) {
		op->error = -EPERM;
		snprintf(op->message, sizeof op->message, "%s", result->detail);
	}
	if (op->error != 0) {
		op_finish(op);
		return;
	}
	op->revision = result->revision;
	tell_staged(op);
	propose_held(op);
}

static void after_commit(struct intake_op *op)
{
	const struct image_cluster *cluster = &op->intake->config.cluster;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageStage stage = PXE__IMAGE_STAGE__INIT;
	enum replica_outcome outcome;

	if (op->error != 0) {
		op_finish(op);
		return;
	}
	stage.version = op->version;
	command.op_case = PXE__COMMAND__OP_IMAGE_STAGE;
	command.image_stage = &stage;
	if (op->has_request_id) {
		command.request_id.data = op->request_id;
		command.request_id.len = sizeof op->request_id;
	}
	outcome = cluster->propose(cluster->ctx, &command, 0, stage_done, op);
	if (outcome != REPLICA_APPLIED) {
		stage_done(op, outcome, NULL);
	}
}

static void after_op(uv_work_t *request, int status)
{
	struct intake_op *op = request->data;

	(void)status; /* nothing is ever cancelled */
	if (op->intake->closing && op->error == 0) {
		op->error = -ECANCELED;
		snprintf(op->message, sizeof op->message,
			"the node is stopping: push to another one");
	}
	switch (op->kind) {
	case INTAKE_BEGIN: after_begin(op); break;
	case INTAKE_DATA: after_data(op); break;
	case INTAKE_FILES: after_files(op); break;
	case INTAKE_COMMIT: after_commit(op); break;
	}
}

/* ---- the interface */

void image_intake_begin(struct image_intake *intake, const Pxe__ImageVersion *version,
	image_intake_begin_cb *done, void *ctx)
{
	struct intake_op *op;

	assert(intake != NULL && !intake->closing && version != NULL && done != NULL);
	op = op_new(intake, INTAKE_BEGIN, ctx);
	op->version = manifest_copy(version);
	op->done.begin = done;
	intake->references++;
	op_start(op);
}

void image_intake_data(struct image_intake *intake, const uint8_t sha256[32], uint64_t offset,
	const uint8_t *data, size_t bytes, bool last, image_intake_data_cb *done, void *ctx)
{
	struct intake_op *op;
	struct intake_blob *blob;

	assert(intake != NULL && !intake->closing && (data != NULL || bytes == 0) && done != NULL);
	op = op_new(intake, INTAKE_DATA, ctx);
	memcpy(op->sha256, sha256, 32);
	op->offset = offset;
	op->last = last;
	op->done.data = done;
	intake->references++;
	blob = blob_of(intake, sha256);
	if (blob != NULL && blob->queued >= INTAKE_QUEUE_MAX) {
		blob = NULL;
		op->error = -EBUSY;
		snprintf(op->message, sizeof op->message,
			"too many chunks at once: wait for the answers");
	}
	if (blob == NULL) {
		op_start(op); /* is it here already, or was it never declared? */
		return;
	}
	op->data = malloc(bytes + 1);
	if (op->data == NULL) {
		abort();
	}
	if (bytes > 0) {
		memcpy(op->data, data, bytes);
	}
	op->data_bytes = bytes;
	op->blob = blob;
	if (!blob->working) {
		op_start(op);
		return;
	}
	if (blob->head == NULL) {
		blob->head = op;
	} else {
		blob->tail->next = op;
	}
	blob->tail = op;
	blob->queued++;
}

/* A file of the batch: its blob becomes the batch's until it is written. */
static void files_take(struct intake_op *op, size_t i, const struct blob_small *file)
{
	struct intake_blob *blob = blob_of(op->intake, file->sha256);

	if (blob == NULL) {
		op->files[i].error = -ENOENT;
	} else if (blob->working || blob->writer != NULL) {
		op->files[i].error = -EBUSY;
	} else if (blob->bytes != file->bytes) {
		op->files[i].error = -EINVAL;
	} else {
		op->file_blobs[i] = blob;
		blob->working = true;
	}
}

void image_intake_files(struct image_intake *intake, const struct blob_small *files, size_t count,
	image_intake_files_cb *done, void *ctx)
{
	struct intake_op *op = op_new(intake, INTAKE_FILES, ctx);
	size_t total = 0, used = 0;

	assert(intake != NULL && !intake->closing && done != NULL);
	op->done.files = done;
	intake->references++;
	for (size_t i = 0; i < count && total <= INTAKE_FILES_BYTES; i++) {
		total += files[i].bytes <= INTAKE_FILES_BYTES ? files[i].bytes
							      : INTAKE_FILES_BYTES + 1;
	}
	if (count > INTAKE_FILES_MAX || total > INTAKE_FILES_BYTES) {
		op->error = -EINVAL;
		snprintf(op->message, sizeof op->message,
			"at most %d files with %u bytes together: send larger ones in parts",
			INTAKE_FILES_MAX, INTAKE_FILES_BYTES);
		op_start(op);
		return;
	}
	op->data = malloc(total + 1);
	op->files = calloc(count + 1, sizeof *op->files);
	op->file_blobs = calloc(count + 1, sizeof(struct intake_blob *));
	if (op->data == NULL || op->files == NULL || op->file_blobs == NULL) {
		abort();
	}
	op->file_count = count;
	for (size_t i = 0; i < count; i++) {
		op->files[i] = files[i];
		op->files[i].data = op->data + used;
		op->files[i].error = 0;
		if (files[i].bytes > 0) {
			memcpy(op->data + used, files[i].data, files[i].bytes);
		}
		used += files[i].bytes;
		files_take(op, i, &files[i]);
	}
	op_start(op);
}

void image_intake_commit(struct image_intake *intake, const Pxe__ImageVersion *version,
	const uint8_t *request_id, image_intake_commit_cb *done, void *ctx)
{
	struct intake_op *op;

	assert(intake != NULL && !intake->closing && version != NULL && done != NULL);
	op = op_new(intake, INTAKE_COMMIT, ctx);
	op->version = manifest_copy(version);
	op->done.commit = done;
	if (request_id != NULL) {
		memcpy(op->request_id, request_id, sizeof op->request_id);
		op->has_request_id = true;
	}
	intake->references++;
	op_start(op);
}

/* Writers that nobody feeds give their lock back; blobs that nobody sends are forgotten. */
static void on_sweep(uv_timer_t *timer)
{
	struct image_intake *intake = timer->data;
	uint64_t now_ms = intake_now_ms();

	for (size_t i = intake->blob_count; i-- > 0;) {
		struct intake_blob *blob = intake->blobs[i];
		if (blob->working) {
			continue;
		}
		if (blob->writer != NULL && now_ms > blob->heard_ms + INTAKE_SILENCE_MS) {
			blob_writer_abort(blob->writer, true);
			blob->writer = NULL;
		}
		if (now_ms > blob->heard_ms + INTAKE_PIN_MS) {
			intake->blobs[i] = intake->blobs[--intake->blob_count];
			free(blob);
		}
	}
}

int image_intake_open(const struct image_intake_config *config, struct image_intake **ret_intake)
{
	struct image_intake *intake;

	assert(config != NULL && config->loop != NULL && config->blobs != NULL &&
		config->guard != NULL);
	assert(config->cluster.propose != NULL && ret_intake != NULL);
	intake = calloc(1, sizeof *intake);
	if (intake == NULL) {
		abort();
	}
	intake->config = *config;
	blob_store_share(config->blobs);
	intake->references = 1;
	uv_timer_init(config->loop, &intake->sweep);
	intake->sweep.data = intake;
	uv_timer_start(&intake->sweep, on_sweep, INTAKE_SWEEP_MS, INTAKE_SWEEP_MS);
	uv_unref((uv_handle_t *)&intake->sweep);
	*ret_intake = intake;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	intake_unreference(handle->data);
}

void image_intake_close(struct image_intake *intake)
{
	assert(intake != NULL && !intake->closing);
	intake->closing = true;
	uv_close((uv_handle_t *)&intake->sweep, on_closed);
}
