/* image push: hash -> ask what is missing -> send it -> commit -> wait until every living node
 * holds it.
 *
 * All goes to one node, for what it was sent is there and nowhere else. If it dies, the push begins
 * anew with another: what that one holds already is not sent again. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/image_files.h"
#include "ctl/progress.h"
#include "ctl/show.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PUSH_TRIES       3
#define PUSH_CHUNK_BYTES (256 * 1024)
#define PUSH_IDLE_MS     30000 /* hashing and syncing a large file at the other end takes its time */
#define PUSH_TOTAL_MS    120000
#define PUSH_BUSY_MS     120000 /* a file that somebody else writes there is waited for */
#define PUSH_PAUSE_MS    200

struct push {
	struct ctl *ctl;
	struct image_files files;
	Pxe__PushMissing *missing;
	uint8_t *chunk;
	struct progress progress;
	uint64_t received; /* answer to the last chunk */
	bool progress_answered;
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

	body.version = push->files.version;
	request.body_case = PXE__ADMIN_REQUEST__BODY_PUSH_BEGIN;
	request.push_begin = &body;
	return client_ask(push->ctl, &request, &call);
}

/* ---- sending */

static bool keep_progress(void *ctx, const Pxe__AdminReply *reply)
{
	struct push *push = ctx;

	if (reply->body_case == PXE__ADMIN_REPLY__BODY_PROGRESS) {
		push->received = reply->progress->received;
		push->progress_answered = true;
	}
	return true;
}

/* The node may be copying that very file from another node, which a push before this one went to:
 * it has it soon, or gives it up and takes ours. */
static int ask_patiently(struct push *push, Pxe__AdminRequest *request,
	const struct client_call *call, const Pxe__ImageFile *file)
{
	char text[1024];
	int result;

	for (unsigned waited_ms = 0;; waited_ms += PUSH_PAUSE_MS) {
		result = client_try_ask(push->ctl, request, call, text, sizeof text);
		if (result != CTL_CONFLICT || waited_ms >= PUSH_BUSY_MS) {
			break;
		}
		if (waited_ms == 0) {
			ctl_note(push->ctl,
				"%s is being written there by another push or copy; waiting",
				file->path);
		}
		usleep(PUSH_PAUSE_MS * 1000);
	}
	return result == CTL_OK || text[0] == '\0'
		       ? result
		       : ctl_fail(push->ctl, (enum ctl_exit)result, "%s", text);
}

static int send_chunk(struct push *push, const Pxe__ImageFile *file, uint64_t offset, size_t bytes)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__PushData body = PXE__PUSH_DATA__INIT;
	struct client_call call = {.idle_ms = PUSH_IDLE_MS,
		.total_ms = PUSH_TOTAL_MS,
		.sticky = true,
		.on_reply = keep_progress,
		.ctx = push};

	body.sha256 = file->sha256;
	body.offset = offset;
	body.data = (ProtobufCBinaryData){bytes, push->chunk};
	body.last = offset + bytes == file->bytes;
	request.body_case = PXE__ADMIN_REQUEST__BODY_PUSH_DATA;
	request.push_data = &body;
	push->progress_answered = false;
	return ask_patiently(push, &request, &call, file);
}

static int read_chunk(struct push *push, int fd, const char *source, const Pxe__ImageFile *file,
	uint64_t offset, size_t *ret_bytes)
{
	uint64_t left = file->bytes - offset;
	size_t want = left < PUSH_CHUNK_BYTES ? (size_t)left : PUSH_CHUNK_BYTES;
	ssize_t got = want == 0 ? 0 : pread(fd, push->chunk, want, (off_t)offset);

	if (got < 0) {
		return ctl_fail(
			push->ctl, CTL_REFUSED, "cannot read %s: %s", source, strerror(errno));
	}
	if ((size_t)got != want) {
		return ctl_fail(push->ctl, CTL_CONFLICT,
			"%s was changed while it was pushed; push it again", source);
	}
	*ret_bytes = want;
	return CTL_OK;
}

/* The node says how far it is: it may hold a part of an earlier push. */
static int send_file(struct push *push, const Pxe__ImageFile *file, const char *source)
{
	int fd = open(source, O_RDONLY | O_CLOEXEC), result = CTL_OK;
	uint64_t offset = 0;
	bool done = false;
	size_t bytes = 0;

	if (fd < 0) {
		return ctl_fail(
			push->ctl, CTL_USAGE, "cannot read %s: %s", source, strerror(errno));
	}
	while (!done && result == CTL_OK) {
		result = read_chunk(push, fd, source, file, offset, &bytes);
		if (result == CTL_OK) {
			result = send_chunk(push, file, offset, bytes);
		}
		if (result == CTL_OK &&
			(!push->progress_answered || push->received > file->bytes)) {
			result = ctl_fail(push->ctl, CTL_REFUSED, "the node's answer is malformed");
		}
		if (result == CTL_OK) {
			progress_add(&push->progress,
				push->received > offset ? push->received - offset : 0);
			done = push->received == file->bytes;
			if (!done && push->received == offset && bytes > 0) {
				result = ctl_fail(push->ctl, CTL_CONFLICT,
					"the node does not take %s: is another push of it "
					"in progress? Try again in a moment",
					file->path);
			}
			offset = push->received;
		}
	}
	if (result == CTL_USAGE) { /* its content is not what was hashed before */
		ctl_note(push->ctl, "  %s was changed while it was pushed", source);
	}
	close(fd);
	return result;
}

/* Index of a file with that content; many files may share one. */
static size_t find_file(const Pxe__ImageVersion *version, const ProtobufCBinaryData *sha256)
{
	for (size_t i = 0; i < version->n_files; i++) {
		if (sha256->len == 32 &&
			memcmp(version->files[i]->sha256.data, sha256->data, 32) == 0) {
			return i;
		}
	}
	return SIZE_MAX;
}

static bool is_missing(const Pxe__PushMissing *missing, const ProtobufCBinaryData *sha256)
{
	for (size_t i = 0; i < missing->n_sha256; i++) {
		if (missing->sha256[i].len == 32 &&
			memcmp(missing->sha256[i].data, sha256->data, 32) == 0) {
			return true;
		}
	}
	return false;
}

static int send_missing(struct push *push)
{
	const Pxe__ImageVersion *version = push->files.version;
	uint64_t total = 0, there_bytes = 0;
	int result = CTL_OK;

	for (size_t i = 0; i < version->n_files; i++) {
		there_bytes += is_missing(push->missing, &version->files[i]->sha256)
				       ? 0
				       : version->files[i]->bytes;
	}
	for (size_t i = 0; i < push->missing->n_sha256; i++) {
		size_t at = find_file(version, &push->missing->sha256[i]);
		total += at == SIZE_MAX ? 0 : version->files[at]->bytes;
	}
	progress_start(&push->progress, push->ctl, "upload", total);
	for (size_t i = 0; i < push->missing->n_sha256 && result == CTL_OK; i++) {
		size_t at = find_file(version, &push->missing->sha256[i]);
		if (at != SIZE_MAX) {
			result = send_file(push, version->files[at], push->files.sources[at]);
		}
	}
	if (result == CTL_OK) {
		char there[SHOW_BYTES];
		progress_end(&push->progress);
		if (there_bytes > 0) {
			ctl_note(push->ctl, "         %s already there",
				show_size(there_bytes, there));
		}
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

	body.version = push->files.version;
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
		image, show_digest(&push->files.version->digest, digest), push->state->n_holders,
		push->state->n_holders == 1 ? "" : "s", push->state->revision);
	return CTL_OK;
}

int cmd_image_push(struct ctl *ctl, const struct invocation *in)
{
	struct push push = {.ctl = ctl};
	const char *patterns[COMMAND_GIVEN_MAX], *pattern;
	size_t pattern_count = 0, iterator = 0;
	int result = edit_check_name(ctl, "image", in->args[0]);

	while ((pattern = command_next(in, "only", &iterator)) != NULL) {
		patterns[pattern_count++] = pattern;
	}
	if (result == CTL_OK) {
		result = image_files_read(
			ctl, in->args[0], in->args[1], patterns, pattern_count, &push.files);
	}
	if (result != CTL_OK) {
		return result;
	}
	push.chunk = malloc(PUSH_CHUNK_BYTES);
	assert(push.chunk != NULL);
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
		result = print_result(&push, in->args[0]);
	}
	free(push.chunk);
	pxe__push_missing__free_unpacked(push.missing, NULL);
	pxe__push_state__free_unpacked(push.state, NULL);
	image_files_fini(&push.files);
	return result;
}
