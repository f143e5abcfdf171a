/* Pushed images: handed to the image intake, answered from its callbacks; then, after the commit,
 * told how far the copies are until every living full member holds the image.
 *
 *   PushBegin -> PushMissing    PushData, PushFiles -> PushProgress    PushCommit -> PushState ...
 * PushState (last: more = false)
 */
#include "node/admin/admin_impl.h"

#include "node/images/intake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUSH_TELL_MS 2000 /* at least so often, so that the client knows we live */

static Pxe__AdminStatus status_of_error(int error)
{
	switch (-error) {
	case 0: return PXE__ADMIN_STATUS__ADMIN_OK;
	case EINVAL:
	case EBADMSG:
	case E2BIG: return PXE__ADMIN_STATUS__ADMIN_INVALID;
	case EAGAIN: return PXE__ADMIN_STATUS__ADMIN_NO_QUORUM;
	case ENOENT: return PXE__ADMIN_STATUS__ADMIN_NOT_FOUND;
	case EBUSY: return PXE__ADMIN_STATUS__ADMIN_CONFLICT;
	case ETIMEDOUT: return PXE__ADMIN_STATUS__ADMIN_UNKNOWN_OUTCOME;
	default: return PXE__ADMIN_STATUS__ADMIN_REFUSED;
	}
}

/* True: an answer was given, there is nothing to do. */
static bool refuse(struct admin *admin, const struct admin_client *client, const char *why)
{
	const Pxe__Member *self = model_member(admin_model(admin), admin->config.self);

	/* What only a witness held, no other node could fetch: it serves nothing. */
	if (why == NULL &&
		(admin->config.intake == NULL ||
			(self != NULL && self->role == PXE__MEMBER_ROLE__MEMBER_WITNESS))) {
		why = "this node takes no images (it is a witness); ask another: pxectl --node "
		      "NAME image push";
	}
	if (why != NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID, "%s", why);
	}
	return why != NULL;
}

static void reply_error(
	struct admin *admin, const struct admin_client *client, int error, const char *message)
{
	if (error == -EAGAIN) {
		admin_reply_no_quorum(admin, client);
	} else {
		admin_reply_text(admin, client, status_of_error(error), "%s",
			message != NULL && message[0] != '\0' ? message : strerror(-error));
	}
}

/* ---- begin */

static void on_begun(void *ctx, int error, const char *message, const uint8_t (*missing)[32],
	size_t missing_count)
{
	struct admin_pending *pending = ctx;
	struct admin *admin = pending->admin;
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__PushMissing list = PXE__PUSH_MISSING__INIT;

	if (admin != NULL && error != 0) {
		reply_error(admin, &pending->client, error, message);
	} else if (admin != NULL) {
		list.sha256 = calloc(missing_count + 1, sizeof *list.sha256);
		for (size_t i = 0; list.sha256 != NULL && i < missing_count; i++) {
			list.sha256[i] =
				(ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)missing[i]};
		}
		list.n_sha256 = list.sha256 == NULL ? 0 : missing_count;
		reply.body_case = PXE__ADMIN_REPLY__BODY_MISSING;
		reply.missing = &list;
		admin_reply(admin, &pending->client, &reply);
		free(list.sha256);
	}
	admin_pending_free(pending);
}

void admin_on_push_begin(
	struct admin *admin, const struct admin_client *client, const Pxe__PushBegin *push)
{
	struct admin_pending *pending;

	if (refuse(admin, client, push->version == NULL ? "the request names no image" : NULL)) {
		return;
	}
	pending = admin_pending_new(admin, client, ADMIN_PENDING_PUSH);
	if (pending != NULL) {
		image_intake_begin(admin->config.intake, push->version, on_begun, pending);
	}
}

/* ---- data */

static void on_received(void *ctx, int error, const char *message, uint64_t received)
{
	struct admin_pending *pending = ctx;
	struct admin *admin = pending->admin;
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__PushProgress progress = PXE__PUSH_PROGRESS__INIT;

	if (admin != NULL && error != 0) {
		reply_error(admin, &pending->client, error, message);
	} else if (admin != NULL) {
		progress.sha256 = (ProtobufCBinaryData){sizeof pending->key, pending->key};
		progress.received = received;
		reply.body_case = PXE__ADMIN_REPLY__BODY_PROGRESS;
		reply.progress = &progress;
		admin_reply(admin, &pending->client, &reply);
	}
	admin_pending_free(pending);
}

void admin_on_push_data(
	struct admin *admin, const struct admin_client *client, const Pxe__PushData *push)
{
	struct admin_pending *pending;

	if (refuse(admin, client, push->sha256.len != 32 ? "the request names no file" : NULL)) {
		return;
	}
	pending = admin_pending_new(admin, client, ADMIN_PENDING_PUSH);
	if (pending != NULL) {
		memcpy(pending->key, push->sha256.data, 32);
		image_intake_data(admin->config.intake, pending->key, push->offset, push->data.data,
			push->data.len, push->last, on_received, pending);
	}
}

static void on_files(void *ctx, int error, const char *message)
{
	struct admin_pending *pending = ctx;

	on_received(ctx, error, message, pending->number);
}

/* Files that are whole; the answer names the last. */
void admin_on_push_files(
	struct admin *admin, const struct admin_client *client, const Pxe__PushFiles *push)
{
	struct blob_small files[INTAKE_FILES_MAX];
	struct admin_pending *pending;
	const char *why = NULL;

	if (push->n_files == 0 || push->n_files > INTAKE_FILES_MAX) {
		why = "the request names no files, or too many at once";
	}
	for (size_t i = 0; why == NULL && i < push->n_files; i++) {
		const Pxe__PushData *file = push->files[i];
		if (file->sha256.len != 32 || file->offset != 0 || !file->last) {
			why = "a file of the request is not whole";
			break;
		}
		files[i] = (struct blob_small){.data = file->data.data, .bytes = file->data.len};
		memcpy(files[i].sha256, file->sha256.data, 32);
	}
	if (refuse(admin, client, why)) {
		return;
	}
	pending = admin_pending_new(admin, client, ADMIN_PENDING_PUSH);
	if (pending != NULL) {
		memcpy(pending->key, files[push->n_files - 1].sha256, 32);
		pending->number = files[push->n_files - 1].bytes;
		image_intake_files(admin->config.intake, files, push->n_files, on_files, pending);
	}
}

/* ---- commit and what follows */

static bool holds(const Pxe__ImageVersion *version, uint64_t member)
{
	for (size_t i = 0; i < version->n_holders; i++) {
		if (version->holders[i] == member) {
			return true;
		}
	}
	return false;
}

/* Every living full member holds it. */
static bool is_everywhere(const struct admin *admin, const Pxe__ImageVersion *version)
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count;

	admin_members_of(admin, members, &count);
	for (size_t i = 0; i < count; i++) {
		if (members[i]->role == PXE__MEMBER_ROLE__MEMBER_FULL && !members[i]->removing &&
			replica_is_live(admin->config.replica, members[i]->id) &&
			!holds(version, members[i]->id)) {
			return false;
		}
	}
	return true;
}

static bool names(const ProtobufCBinaryData *digest, const uint8_t *wanted)
{
	return digest->len == 32 && memcmp(digest->data, wanted, 32) == 0;
}

/* Is it what machines get? A version that is there from before is published, but the name may still
 * point to another one. */
static bool is_in_service(const struct admin *admin, const Pxe__ImageVersion *version)
{
	const Pxe__Image *image = model_image(admin_model(admin), version->image);

	return version->published &&
	       (image == NULL || names(&image->current_digest, version->digest.data) ||
		       !names(&image->staged_digest, version->digest.data));
}

/* Was this very push made before? */
static bool is_pushed(const struct admin *admin, const char *name, const uint8_t digest[32])
{
	const Pxe__Image *image = model_image(admin_model(admin), name);

	return image != NULL && model_image_version(admin_model(admin), name, digest) != NULL &&
	       (names(&image->current_digest, digest) || names(&image->staged_digest, digest));
}

static int tell_state(struct admin *admin, struct admin_pending *pending,
	const Pxe__ImageVersion *version, bool last)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__PushState state = PXE__PUSH_STATE__INIT;
	char *names[MODEL_MEMBERS_MAX];

	for (size_t i = 0; i < version->n_holders && i < MODEL_MEMBERS_MAX; i++) {
		const Pxe__Member *member = model_member(admin_model(admin), version->holders[i]);
		if (member != NULL) {
			names[state.n_holder_names++] = member->name;
		}
	}
	state.holder_names = names;
	state.holders = version->holders;
	state.n_holders = version->n_holders;
	state.published = is_in_service(admin, version);
	state.revision = state.published ? model_revision(admin_model(admin)) : pending->number;
	reply.body_case = PXE__ADMIN_REPLY__BODY_PUSH;
	reply.push = &state;
	reply.more = !last;
	pending->holders = version->n_holders;
	pending->published = state.published;
	pending->told_ms = uv_now(admin->config.loop);
	return admin_reply(admin, &pending->client, &reply);
}

/* True: this one is finished. */
static bool follow(struct admin *admin, struct admin_pending *pending, uint64_t now_ms)
{
	const Pxe__ImageVersion *version =
		model_image_version(admin_model(admin), pending->text, pending->key);
	bool last;

	if (version == NULL) {
		admin_reply_text(admin, &pending->client, PXE__ADMIN_STATUS__ADMIN_CONFLICT,
			"this version of image %s was removed or replaced while it was copied",
			pending->text);
		return true;
	}
	last = is_in_service(admin, version) && is_everywhere(admin, version);
	if (!last && version->n_holders == pending->holders &&
		is_in_service(admin, version) == pending->published &&
		now_ms - pending->told_ms < PUSH_TELL_MS) {
		return false;
	}
	return tell_state(admin, pending, version, last) == -EHOSTUNREACH || last;
}

void admin_push_tick(struct admin *admin, uint64_t now_ms)
{
	struct admin_pending *next;

	for (struct admin_pending *pending = admin->pending; pending != NULL; pending = next) {
		next = pending->next;
		if (pending->kind == ADMIN_PENDING_COMMIT && follow(admin, pending, now_ms)) {
			admin_pending_free(pending);
		}
	}
}

static void on_committed(void *ctx, int error, const char *message, uint64_t revision)
{
	struct admin_pending *pending = ctx;
	struct admin *admin = pending->admin;

	if (admin == NULL || error != 0) {
		if (admin != NULL) {
			reply_error(admin, &pending->client, error, message);
		}
		admin_pending_free(pending);
		return;
	}
	pending->kind = ADMIN_PENDING_COMMIT;
	pending->number = revision;
	pending->holders = SIZE_MAX; /* the first state is always told */
	if (follow(admin, pending, uv_now(admin->config.loop))) {
		admin_pending_free(pending);
	}
}

void admin_on_push_commit(
	struct admin *admin, const struct admin_client *client, const Pxe__AdminRequest *request)
{
	const Pxe__ImageVersion *version = request->push_commit->version;
	struct admin_pending *pending;

	if (refuse(admin, client,
		    version == NULL || version->digest.len != 32
			    ? "the request names no image version"
			    : NULL)) {
		return;
	}
	pending = admin_pending_new(admin, client, ADMIN_PENDING_PUSH);
	if (pending == NULL) {
		return;
	}
	snprintf(pending->text, sizeof pending->text, "%s", version->image);
	memcpy(pending->key, version->digest.data, 32);
	if (is_pushed(admin, version->image, pending->key)) {
		on_committed(pending, 0, "", model_revision(admin_model(admin)));
		return;
	}
	image_intake_commit(admin->config.intake, version,
		request->request_id.len == 16 ? request->request_id.data : NULL, on_committed,
		pending);
}
