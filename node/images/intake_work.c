/* What the intake does on workers: compare a file list with the store, write chunks, prove a
 * version. */
#include "node/images/intake_impl.h"
#include "proto/msg/manifest.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t intake_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void op_fail(struct intake_op *op, int error, const char *what)
{
	op->error = error;
	snprintf(op->message, sizeof op->message, "%s", what);
}

/* The version's name must be the hash of its list. A missing name is accepted by begin. */
static bool check_digest(struct intake_op *op, bool needed)
{
	struct blob_hash *hash;
	uint8_t digest[32];
	size_t bytes;
	char *text;

	if (op->version->digest.len == 0 && !needed) {
		return true;
	}
	if (manifest_text(op->version, &text, &bytes) != 0) {
		op_fail(op, -EINVAL, "the file list is not valid");
		return false;
	}
	hash = blob_hash_new();
	blob_hash_update(hash, text, bytes);
	blob_hash_final(hash, digest);
	free(text);
	if (op->version->digest.len != 32 || memcmp(digest, op->version->digest.data, 32) != 0) {
		op_fail(op, -EINVAL,
			"the digest is not that of the file list: pxectl and node differ in "
			"version?");
		return false;
	}
	return true;
}

static bool is_here(const struct intake_op *op, const uint8_t sha256[32], uint64_t bytes)
{
	uint64_t actual;

	return blob_exists(op->intake->config.blobs, sha256, &actual) && actual == bytes;
}

/* An empty file has no bytes to send. */
static bool make_empty(const struct intake_op *op, const uint8_t sha256[32])
{
	struct blob_writer *writer;

	return blob_writer_open(op->intake->config.blobs, sha256, 0, false, &writer, NULL) == 0 &&
	       blob_writer_commit(writer) == 0;
}

static int compare_files(const void *a, const void *b)
{
	return memcmp((*(Pxe__ImageFile *const *)a)->sha256.data,
		(*(Pxe__ImageFile *const *)b)->sha256.data, 32);
}

/* Before a byte travels: an image that would fill the disk is refused whole. What is here of
 * unfinished files is not counted, as it may be rubbish. */
static void check_room(struct intake_op *op, uint64_t needed)
{
	uint64_t room;
	int err = blob_room(op->intake->config.blobs, &room);

	if (err != 0) {
		op->error = err;
		snprintf(op->message, sizeof op->message, "the node's disk: %s", strerror(-err));
	} else if (needed > room) {
		op->error = -ENOSPC;
		snprintf(op->message, sizeof op->message,
			"the node's disk has room for %" PRIu64 " more bytes of images (some is "
			"kept free for the state), the image needs %" PRIu64
			": remove images there, or give it a larger disk",
			room, needed);
	}
}

static void run_begin(struct intake_op *op)
{
	uint64_t needed = 0;
	Pxe__ImageVersion *version = op->version;
	uint64_t until_ms = intake_now_ms() + INTAKE_PIN_MS;
	int err = manifest_check(version, op->message, sizeof op->message);

	if (err != 0 || !check_digest(op, false)) {
		op->error = -EINVAL;
		return;
	}
	op->missing = malloc(version->n_files * 32);
	op->missing_bytes = malloc(version->n_files * sizeof *op->missing_bytes);
	if (op->missing == NULL || op->missing_bytes == NULL) {
		abort();
	}
	qsort(version->files, version->n_files, sizeof(Pxe__ImageFile *), compare_files);
	for (size_t i = 0; i < version->n_files; i++) {
		const Pxe__ImageFile *file = version->files[i];
		if (i > 0 &&
			memcmp(version->files[i - 1]->sha256.data, file->sha256.data, 32) == 0) {
			continue;
		}
		/* First held, then looked for: it cannot vanish in between. */
		image_guard_pin(op->intake->config.guard, file->sha256.data, until_ms);
		if (is_here(op, file->sha256.data, file->bytes) ||
			(file->bytes == 0 && make_empty(op, file->sha256.data))) {
			continue;
		}
		memcpy(op->missing[op->missing_count], file->sha256.data, 32);
		op->missing_bytes[op->missing_count++] = file->bytes;
		needed += file->bytes;
	}
	check_room(op, needed);
}

static void run_commit(struct intake_op *op)
{
	Pxe__ImageVersion *version = op->version;
	uint64_t until_ms = intake_now_ms() + INTAKE_PIN_MS;
	size_t lacking = 0;

	if (manifest_check(version, op->message, sizeof op->message) != 0) {
		op->error = -EINVAL;
		return;
	}
	if (!check_digest(op, true)) {
		return;
	}
	for (size_t i = 0; i < version->n_files; i++) {
		image_guard_pin(op->intake->config.guard, version->files[i]->sha256.data, until_ms);
		lacking += !is_here(op, version->files[i]->sha256.data, version->files[i]->bytes);
	}
	if (lacking > 0) {
		op->error = -ENOENT;
		snprintf(op->message, sizeof op->message,
			"%zu of %zu files are not here: push again", lacking, version->n_files);
	}
}

static void fail_disk(struct intake_op *op, int err)
{
	static const struct {
		int error;
		const char *what;
	} table[] = {
		{-ENOSPC, "the node's disk is full: remove images there, or give it room"},
		{-EBUSY, "somebody else is writing this file now: try again"},
		{-EBADMSG, "the bytes are not what their SHA-256 says: push again"},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (table[i].error == err) {
			op_fail(op, err, table[i].what);
			return;
		}
	}
	op->error = -EIO;
	snprintf(op->message, sizeof op->message, "the node's disk: %s", strerror(-err));
}

/* Nobody declared it: then it is here, or the pusher must begin. */
static void run_undeclared(struct intake_op *op)
{
	if (op->error != 0) {
		return;
	}
	if (!blob_exists(op->intake->config.blobs, op->sha256, &op->received)) {
		op_fail(op, -ENOENT, "this file was not declared here: begin the push again");
	}
}

/* Append what of the chunk is new. A chunk from beyond what is here is not taken: `received` says
 * where to go on. */
static int append_new(struct intake_blob *blob, const struct intake_op *op)
{
	uint64_t skip = blob->have - op->offset;
	int err;

	if (op->offset > blob->have || skip >= op->data_bytes) {
		return 0;
	}
	err = blob_writer_append(blob->writer, op->data + skip, op->data_bytes - (size_t)skip);
	if (err == 0) {
		blob->have += op->data_bytes - skip;
	}
	return err;
}

static void run_data(struct intake_op *op)
{
	struct intake_blob *blob = op->blob;
	int err = 0;

	image_guard_pin(op->intake->config.guard, op->sha256, intake_now_ms() + INTAKE_PIN_MS);
	if (blob->complete || (blob->writer == NULL && is_here(op, blob->sha256, blob->bytes))) {
		blob->complete = true;
		op->received = blob->bytes;
		return;
	}
	if (op->offset > blob->bytes || op->data_bytes > blob->bytes - op->offset ||
		(op->last && op->offset + op->data_bytes != blob->bytes)) {
		snprintf(op->message, sizeof op->message,
			"the file was declared with %" PRIu64 " bytes, not %" PRIu64, blob->bytes,
			op->offset + op->data_bytes);
		op->error = -EINVAL;
		op->received = blob->have;
		return;
	}
	if (blob->writer == NULL) {
		err = blob_writer_open(op->intake->config.blobs, blob->sha256, blob->bytes, true,
			&blob->writer, &blob->have);
	}
	if (err == 0) {
		err = append_new(blob, op);
	}
	if (err == 0 && blob->have == blob->bytes) {
		err = blob_writer_commit(blob->writer);
		blob->writer = NULL;
		blob->complete = err == 0;
		blob->have = err == 0 ? blob->bytes : 0;
	} else if (err != 0 && blob->writer != NULL) {
		blob_writer_abort(blob->writer, true);
		blob->writer = NULL;
	}
	if (err != 0) {
		fail_disk(op, err);
	}
	op->received = blob->have;
}

/* Not declared any more, but here: a repeated request. */
static void files_settle(struct intake_op *op, struct blob_small *file)
{
	uint64_t bytes;

	if (file->error == -ENOENT && blob_exists(op->intake->config.blobs, file->sha256, &bytes) &&
		bytes == file->bytes) {
		file->error = 0;
	}
	if (file->error == 0 || op->error != 0) {
		return;
	}
	if (file->error == -ENOENT) {
		op_fail(op, -ENOENT, "a file was not declared here: begin the push again");
	} else if (file->error == -EINVAL) {
		op_fail(op, -EINVAL, "a file was declared with another size");
	} else {
		fail_disk(op, file->error);
	}
}

static void run_files(struct intake_op *op)
{
	struct blob_small wanted[INTAKE_FILES_MAX];
	size_t from[INTAKE_FILES_MAX], count = 0;

	for (size_t i = 0; i < op->file_count; i++) {
		if (op->file_blobs[i] != NULL) {
			image_guard_pin(op->intake->config.guard, op->files[i].sha256,
				intake_now_ms() + INTAKE_PIN_MS);
			from[count] = i;
			wanted[count++] = op->files[i];
		}
	}
	blob_write_many(op->intake->config.blobs, wanted, count);
	for (size_t i = 0; i < count; i++) {
		op->files[from[i]].error = wanted[i].error;
	}
	for (size_t i = 0; i < op->file_count; i++) {
		files_settle(op, &op->files[i]);
	}
}

void intake_work_run(uv_work_t *request)
{
	struct intake_op *op = request->data;

	switch (op->kind) {
	case INTAKE_BEGIN: run_begin(op); break;
	case INTAKE_DATA:
		if (op->blob == NULL) {
			run_undeclared(op);
		} else {
			run_data(op);
		}
		break;
	case INTAKE_FILES: run_files(op); break;
	case INTAKE_COMMIT: run_commit(op); break;
	}
}
