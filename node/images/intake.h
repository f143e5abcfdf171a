/* node/images/intake.h: takes an image that pxectl pushes: declare the files, receive what is
 * missing, stage.
 *
 *   begin(version)  -> which blobs are missing here
 *   data(sha256...) -> bytes, in order of offset; a blob is verified when its last byte is there
 *   files(...)      -> small ones, several at once
 *   commit(version) -> all blobs are held, the digest is right: ImageStage, then ImageHeld of this
 * node, through the log
 *
 * Loop thread only, never blocks: the disk's work is done by uv_queue_work() workers, each answer
 * comes through a callback on the loop, exactly once, never from inside the call. Requests of one
 * blob are answered in the order in which they were made. A push may be repeated, broken off and
 * resumed at will: what is there is not asked for again, and a chunk that is already there is
 * answered with how far we are. Blobs of a push are safe from removal for an hour after it was last
 * heard of.
 */
#ifndef NODE_IMAGES_INTAKE_H
#define NODE_IMAGES_INTAKE_H

#include "node/images/cluster.h"
#include "node/images/guard.h"
#include "proto/msg/records.pb-c.h"
#include "store/blob/blob.h"
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct image_intake;

struct image_intake_config {
	uv_loop_t *loop;
	struct blob_store *blobs;
	struct image_guard *guard;
	struct image_cluster cluster; /* copied */
};

/* error: 0, or negative errno with a line for a person in `message`:
 * -EINVAL the request is wrong, -EBADMSG the bytes are not what their hash says, -ENOSPC, -EIO,
 * -ENOENT not declared, -EBUSY somebody else is writing that blob, -ECANCELED the intake closes;
 * commit also: -EAGAIN no quorum (nothing was done), -ETIMEDOUT outcome unknown (repeat it, it is
 * safe), -EPERM refused by the cluster. All pointers are borrowed for the call. */
typedef void image_intake_begin_cb(void *ctx, int error, const char *message,
	const uint8_t (*missing)[32], size_t missing_count);
/* received: bytes of the blob that are here now, all of it when done. */
typedef void image_intake_data_cb(void *ctx, int error, const char *message, uint64_t received);
/* Of several files: the first failure, if any. */
typedef void image_intake_files_cb(void *ctx, int error, const char *message);
typedef void image_intake_commit_cb(void *ctx, int error, const char *message, uint64_t revision);

int image_intake_open(const struct image_intake_config *config, struct image_intake **ret_intake);
/* The version is copied. */
void image_intake_begin(struct image_intake *intake, const Pxe__ImageVersion *version,
	image_intake_begin_cb *done, void *ctx);
/* The data is copied. offset: where it belongs; bytes that lie beyond what is here are not taken
 * (received tells where to go on). last: the blob is complete after these bytes. */
void image_intake_data(struct image_intake *intake, const uint8_t sha256[32], uint64_t offset,
	const uint8_t *data, size_t bytes, bool last, image_intake_data_cb *done, void *ctx);
/* Several small files that are whole, together at most INTAKE_FILES_BYTES and INTAKE_FILES_MAX
 * (else -EINVAL): written together, which costs the disk far less. Copied. What is good of them is
 * kept even if another one fails. */
#define INTAKE_FILES_MAX   BLOB_MANY_MAX
#define INTAKE_FILES_BYTES (256u << 10)
void image_intake_files(struct image_intake *intake, const struct blob_small *files, size_t count,
	image_intake_files_cb *done, void *ctx);
/* request_id: 16 bytes, the same for every retry of one commit, or NULL. version->digest must be
 * set. */
void image_intake_commit(struct image_intake *intake, const Pxe__ImageVersion *version,
	const uint8_t *request_id, image_intake_commit_cb *done, void *ctx);
/* Callbacks that are open are called with -ECANCELED, now or while the loop runs on; it frees
 * itself then. */
void image_intake_close(struct image_intake *intake);

#endif
