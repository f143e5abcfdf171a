/* What this node finds when it reads its blobs: ImageVerifyQuery -> ImageVerified of each version,
 * the last with more = false. */
#include "node/admin/admin_impl.h"

#include "node/images/puller.h"

#include <errno.h>

static void on_verified(void *ctx, const struct image_puller_verified *verified, bool more)
{
	struct admin_pending *pending = ctx;
	struct admin *admin = pending->admin;
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__ImageVerified body = PXE__IMAGE_VERIFIED__INIT;
	const Pxe__Member *self;

	if (admin != NULL && verified == NULL) {
		admin_reply_text(admin, &pending->client, PXE__ADMIN_STATUS__ADMIN_OK,
			"there are no images to verify");
	} else if (admin != NULL) {
		self = model_member(admin_model(admin), admin->config.self);
		body.node = self != NULL ? self->name : body.node;
		body.image = (char *)(uintptr_t)verified->image;
		body.digest = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)verified->digest};
		body.files = verified->files;
		body.bytes = verified->bytes;
		body.missing = verified->missing;
		body.n_missing = verified->missing_count;
		body.damaged = verified->damaged;
		body.n_damaged = verified->damaged_count;
		reply.body_case = PXE__ADMIN_REPLY__BODY_IMAGE_VERIFIED;
		reply.image_verified = &body;
		reply.more = more;
		(void)admin_reply(admin, &pending->client, &reply);
	}
	if (!more) {
		admin_pending_free(pending);
	}
}

void admin_on_image_verify(
	struct admin *admin, const struct admin_client *client, const Pxe__ImageVerifyQuery *query)
{
	struct admin_pending *pending;
	int err;

	if (admin->config.puller == NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID,
			"this node holds no images");
		return;
	}
	pending = admin_pending_new(admin, client, ADMIN_PENDING_VERIFY);
	if (pending == NULL) {
		return;
	}
	err = image_puller_verify(admin->config.puller,
		query->image != NULL && query->image[0] != '\0' ? query->image : NULL, on_verified,
		pending);
	if (err == 0) {
		return;
	}
	if (err == -EBUSY) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_CONFLICT,
			"this node is reading its images already: ask again when that is done");
	} else {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_NOT_FOUND,
			"there is no image %s: see pxectl image list", query->image);
	}
	admin_pending_free(pending);
}
