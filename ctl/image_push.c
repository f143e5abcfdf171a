/* image push: hash -> ask what is missing -> send it -> commit -> wait until every living node
 * holds it.
 *
 * All goes to one node, for what it was sent is there and nowhere else. If it dies, the push begins
 * anew with another: what that one holds already is not sent again. */
#include "ctl/image_push.h"

#include "ctl/client.h"
#include "ctl/image_archive.h"
#include "ctl/image_upload.h"
#include "ctl/show.h"
#include "ctl/temp_tree.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUSH_TRIES    3
#define PUSH_IDLE_MS  30000 /* hashing and syncing a large file at the other end takes its time */
#define PUSH_TOTAL_MS 120000

struct push {
	struct ctl *ctl;
	struct image_files *files;
	Pxe__PushMissing *missing;
	Pxe__PushState *state; /* newest */
};

/* ---- what is missing */

static bool keep_missing(void *ctx, const Pxe__AdminReply *reply)
{
	struct push *push = ctx;
	size_t bytes;
	uint8_t *data;

	if (reply->body_case != PXE__ADMIN_REPLY__BODY_MISSING) {
		return true;
	}
	bytes = pxe__push_missing__get_packed_size(reply->missing);
	data = malloc(bytes + 1);
	assert(data != NULL);
	pxe__push_missing__pack(reply->missing, data);
	pxe__push_missing__free_unpacked(push->missing, NULL);
	push->missing = pxe__push_missing__unpack(NULL, bytes, data);
	free(data);
	return true;
}

static int begin(struct push *push)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__PushBegin body = PXE__PUSH_BEGIN__INIT;
	struct client_call call = {.idle_ms = PUSH_IDLE_MS,
		.total_ms = PUSH_TOTAL_MS,
		.sticky = true,
		.on_reply = keep_missing,
		.ctx = push};

	body.version = push->files->version;
	request.body_case = PXE__ADMIN_REQUEST__BODY_PUSH_BEGIN;
	request.push_begin = &body;
	return client_ask(push->ctl, &request, &call);
}

/* ---- sending */

static int post(void *ctx, Pxe__AdminRequest *request)
{
	return client_post(ctx, request);
}

static int take(void *ctx, unsigned timeout_ms, Pxe__AdminReply **ret_reply)
{
	return client_take(ctx, timeout_ms, ret_reply);
}

static int send_missing(struct push *push)
{
	const Pxe__ImageVersion *version = push->files->version;
	const struct image_upload_io io = {.ctx = push->ctl, .post = post, .take = take};
	uint64_t there_bytes = 0;
	char there[SHOW_BYTES];
	int result = image_upload(push->ctl, push->files, push->missing, &io);

	for (size_t i = 0; i < version->n_files; i++) {
		there_bytes += image_upload_is_missing(push->missing, &version->files[i]->sha256)
				       ? 0
				       : version->files[i]->bytes;
	}
	if (result == CTL_OK && there_bytes > 0) {
		ctl_note(push->ctl, "         %s already there", show_size(there_bytes, there));
	}
	return result;
}

/* ---- commit and copies */

static void show_state(const struct push *push, const Pxe__PushState *state)
{
	bool tty = isatty(fileno(push->ctl->err));

	if (push->ctl->quiet) {
		return;
	}
	fprintf(push->ctl->err, "%sreplicas", tty ? "\r" : "");
	for (size_t i = 0; i < state->n_holder_names; i++) {
		fprintf(push->ctl->err, "  %s %s", state->holder_names[i], tty ? "✓" : "ok");
	}
	fprintf(push->ctl->err, "%s%s", state->published ? "  published" : "", tty ? "   " : "\n");
	fflush(push->ctl->err);
}

static bool keep_state(void *ctx, const Pxe__AdminReply *reply)
{
	struct push *push = ctx;
	const Pxe__PushState *state = reply->push;
	bool changed;
	size_t bytes;
	uint8_t *data;

	if (reply->body_case != PXE__ADMIN_REPLY__BODY_PUSH) {
		return true;
	}
	changed = push->state == NULL || push->state->n_holders != state->n_holders ||
		  push->state->published != state->published;
	bytes = pxe__push_state__get_packed_size(state);
	data = malloc(bytes + 1);
	assert(data != NULL);
	pxe__push_state__pack(state, data);
	pxe__push_state__free_unpacked(push->state, NULL);
	push->state = pxe__push_state__unpack(NULL, bytes, data);
	free(data);
	if (changed) {
		show_state(push, state);
	}
	return true;
}

static int commit(struct push *push)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__PushCommit body = PXE__PUSH_COMMIT__INIT;
	struct client_call call = {.idle_ms = PUSH_IDLE_MS,
		.total_ms = push->ctl->timeout_ms != 0 ? push->ctl->timeout_ms : UINT_MAX,
		.sticky = true,
		.on_reply = keep_state,
		.ctx = push};
	int result;

	body.version = push->files->version;
	request.body_case = PXE__ADMIN_REQUEST__BODY_PUSH_COMMIT;
	request.push_commit = &body;
	result = client_ask(push->ctl, &request, &call);
	if (!push->ctl->quiet && isatty(fileno(push->ctl->err)) && push->state != NULL) {
		fputc('\n', push->ctl->err);
	}
	return result;
}

static int push_once(struct push *push)
{
	int result = begin(push);

	if (result == CTL_OK && push->missing == NULL) {
		return ctl_fail(push->ctl, CTL_REFUSED, "the node's answer is malformed");
	}
	if (result == CTL_OK && push->missing->n_sha256 > 0) {
		result = send_missing(push);
	}
	return result == CTL_OK ? commit(push) : result;
}

static int print_result(const struct push *push, const char *image)
{
	char digest[SHOW_BYTES];

	if (push->state == NULL) {
		return ctl_fail(push->ctl, CTL_REFUSED, "the node's answer is malformed");
	}
	if (push->ctl->format == CTL_JSON) {
		return ctl_print_json(push->ctl, &push->state->base);
	}
	fprintf(push->ctl->out, "image %s -> sha256:%s, on %zu node%s (revision %" PRIu64 ")\n",
		image, show_digest(&push->files->version->digest, digest), push->state->n_holders,
		push->state->n_holders == 1 ? "" : "s", push->state->revision);
	return CTL_OK;
}

int image_push(struct ctl *ctl, struct image_files *files)
{
	struct push push = {.ctl = ctl, .files = files};
	int result;

	for (unsigned tries = 1;; tries++) {
		result = push_once(&push);
		if (result == CTL_OK || tries == PUSH_TRIES || ctl->client == NULL ||
			(result != CTL_UNREACHABLE && result != CTL_UNKNOWN &&
				result != CTL_NOT_FOUND)) {
			break;
		}
		ctl_note(ctl, "trying again with another node");
	}
	if (result == CTL_OK) {
		result = print_result(&push, files->version->image);
	}
	pxe__push_missing__free_unpacked(push.missing, NULL);
	pxe__push_state__free_unpacked(push.state, NULL);
	return result;
}

/* ---- sources */

int image_source_open(
	const struct ctl *ctl, const char *path, bool as_file, struct image_source *ret_source)
{
	struct temp_tree *tree;
	struct stat st;
	int result;

	memset(ret_source, 0, sizeof *ret_source);
	if (stat(path, &st) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "cannot read %s: %s", path, strerror(errno));
	}
	if (as_file || !S_ISREG(st.st_mode) || !image_archive_is(path)) {
		return snprintf(ret_source->path, sizeof ret_source->path, "%s", path) <
				       (int)sizeof ret_source->path
			       ? CTL_OK
			       : ctl_fail(ctl, CTL_USAGE, "the path is too long");
	}
	tree = calloc(1, sizeof *tree);
	assert(tree != NULL);
	result = temp_tree_open(ctl, tree);
	if (result == CTL_OK) {
		result = image_archive_unpack(ctl, path, tree->path, temp_tree_room(tree->path));
	}
	ret_source->tree = tree;
	snprintf(ret_source->path, sizeof ret_source->path, "%s", tree->path);
	if (result != CTL_OK) {
		image_source_close(ret_source);
	}
	return result;
}

void image_source_close(struct image_source *source)
{
	if (source->tree != NULL) {
		temp_tree_close(source->tree);
		free(source->tree);
		source->tree = NULL;
	}
}

int image_push_path(struct ctl *ctl, const char *image, const char *path,
	const char *const *patterns, size_t pattern_count)
{
	struct image_files files;
	int result = image_files_read(ctl, image, path, patterns, pattern_count, &files);

	if (result == CTL_OK) {
		result = image_push(ctl, &files);
		image_files_fini(&files);
	}
	return result;
}
