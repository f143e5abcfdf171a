/* ctl/image_upload.h: sends the files that a node does not hold: small ones many in a request,
 * large ones in chunks, several requests under way at a time.
 *
 * Knows the node only through `io`. Blocks on the disk and in io->take().
 *
 *   item: waiting --sent--> flying --all is there--> done
 *            ^                 |  the node has less than was sent, or is busy with that file
 *            '-----------------'  (only once nothing of it is flying)
 *
 * A node that does not know requests of several files (an older version) gets one at a time.
 */
#ifndef CTL_IMAGE_UPLOAD_H
#define CTL_IMAGE_UPLOAD_H

#include "ctl/image_files.h"

#define IMAGE_UPLOAD_CHUNK_BYTES (256u * 1024) /* of one request */

struct image_upload_io {
	void *ctx;
	/* Send; fills request->sequence. An exit code, told unless CTL_OK. */
	int (*post)(void *ctx, Pxe__AdminRequest *request);
	/* The next reply, NULL when none came in time; freed by the caller. As above. */
	int (*take)(void *ctx, unsigned timeout_ms, Pxe__AdminReply **ret_reply);
};

/* Does the node lack the file of this hash? */
bool image_upload_is_missing(const Pxe__PushMissing *missing, const ProtobufCBinaryData *sha256);
/* Send each file of `files` whose hash is in `missing`. CTL_OK; CTL_UNREACHABLE, CTL_UNKNOWN: begin
 * anew with another node; CTL_CONFLICT: a file was changed, or somebody else writes it there for
 * minutes. Told unless CTL_OK. */
int image_upload(struct ctl *ctl, const struct image_files *files, const Pxe__PushMissing *missing,
	const struct image_upload_io *io);

#endif
