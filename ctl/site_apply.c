#include "ctl/site_apply.h"

#include "ctl/client.h"
#include "ctl/image_push.h"
#include "ctl/show.h"
#include "ctl/site_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define REQUEST_CHANGES 512           /* of one request: the node takes no more */
#define REQUEST_BYTES   (1024 * 1024) /* likewise 2 MB: what is larger goes alone */
#define IDLE_MS         20000
#define TOTAL_MS        90000

/* One request: steps first to first + count. */
struct batch {
	const struct site_plan *plan;
	size_t first, count;
	struct site_command commands[REQUEST_CHANGES];
	Pxe__Command *list[REQUEST_CHANGES];
	uint8_t ids[REQUEST_CHANGES][16];
	struct site_outcome *outcome;
};

static void keep_done(struct batch *batch, const Pxe__ChangesDone *done)
{
	for (size_t i = 0; i < done->n_done; i++) {
		batch->outcome->made++;
		if (done->done[i]->revision > batch->outcome->revision) {
			batch->outcome->revision = done->done[i]->revision;
		}
	}
	if (done->refused > 0 && done->refused <= batch->count) {
		batch->outcome->refused = &batch->plan->steps[batch->first + done->refused - 1];
	}
}

static bool on_reply(void *ctx, const Pxe__AdminReply *reply)
{
	if (reply->body_case == PXE__ADMIN_REPLY__BODY_CHANGES_DONE) {
		keep_done(ctx, reply->changes_done);
	}
	return true;
}

static void on_refused(void *ctx, const Pxe__AdminReply *reply)
{
	on_reply(ctx, reply);
}

/* As many steps as fit. */
static void fill(struct batch *batch)
{
	size_t bytes = 0, left = batch->plan->count - batch->first;

	batch->count = 0;
	while (batch->count < REQUEST_CHANGES && batch->count < left) {
		size_t i = batch->count;
		struct site_command *command = &batch->commands[i];

		site_plan_command(&batch->plan->steps[batch->first + i], command);
		command->command.request_id = (ProtobufCBinaryData){16, batch->ids[i]};
		bytes += pxe__command__get_packed_size(&command->command);
		if (i > 0 && bytes > REQUEST_BYTES) {
			break;
		}
		batch->list[i] = &command->command;
		batch->count++;
	}
}

static int make_ids(struct ctl *ctl, struct batch *batch)
{
	for (size_t i = 0; i < REQUEST_CHANGES; i++) {
		if (getrandom(batch->ids[i], 16, 0) != 16) {
			return ctl_fail(ctl, CTL_REFUSED, "the system gives no random numbers");
		}
	}
	return CTL_OK;
}

static int send_batch(struct ctl *ctl, struct batch *batch, uint64_t guard)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__Changes changes = PXE__CHANGES__INIT;
	struct client_call call = {.idle_ms = IDLE_MS,
		.total_ms = ctl->timeout_ms != 0 ? ctl->timeout_ms : TOTAL_MS,
		.on_reply = on_reply,
		.on_refused = on_refused,
		.ctx = batch};
	size_t made = batch->outcome->made;
	int result;

	changes.commands = batch->list;
	changes.n_commands = batch->count;
	changes.if_revision = guard;
	request.body_case = PXE__ADMIN_REQUEST__BODY_CHANGES;
	request.changes = &changes;
	result = client_try_ask(
		ctl, &request, &call, batch->outcome->text, sizeof batch->outcome->text);
	if (result == CTL_OK && batch->outcome->made - made != batch->count) {
		snprintf(batch->outcome->text, sizeof batch->outcome->text,
			"the node's answer is malformed");
		result = CTL_REFUSED;
	}
	return result;
}

int site_apply(struct ctl *ctl, const struct site_plan *plan, uint64_t guard,
	struct site_outcome *ret_outcome)
{
	struct batch *batch = calloc(1, sizeof *batch);
	int result = CTL_OK;

	assert(batch != NULL);
	memset(ret_outcome, 0, sizeof *ret_outcome);
	batch->plan = plan;
	batch->outcome = ret_outcome;
	while (batch->first < plan->count && result == CTL_OK) {
		result = make_ids(ctl, batch);
		if (result == CTL_OK) {
			fill(batch);
			result = send_batch(ctl, batch, guard);
		}
		/* What others change from now on, they change after us. */
		guard = 0;
		batch->first += batch->count;
	}
	free(batch);
	return result;
}

/* ---- images */

static const Pxe__Image *find_image(const struct site_have *have, const char *name)
{
	const Pxe__ObjectList *list = have->list[SITE_IMAGE];

	for (size_t i = 0; i < list->n_images; i++) {
		if (strcmp(list->images[i]->name, name) == 0) {
			return list->images[i];
		}
	}
	return NULL;
}

static bool begins_with(const ProtobufCBinaryData *digest, const char *digits)
{
	char text[2 * 32 + 1] = "";

	for (size_t i = 0; i < digest->len && i < 32; i++) {
		snprintf(text + 2 * i, 3, "%02x", digest->data[i]);
	}
	return strncmp(text, digits, strlen(digits)) == 0;
}

static int do_image(struct ctl *ctl, struct site *site, const struct site_object *object,
	const Pxe__Image *image, bool push, FILE *out, bool *ret_differs)
{
	struct image_source source;
	struct image_files files;
	char was[SHOW_BYTES], is[SHOW_BYTES], bytes[SHOW_BYTES];
	int result = image_source_open(ctl, object->from, false, &source);

	*ret_differs = false;
	if (result != CTL_OK) {
		return result;
	}
	result = image_files_read(ctl, object->name, source.path, NULL, 0, &files);
	if (result == CTL_OK) {
		const ProtobufCBinaryData *digest = &files.version->digest;
		if (object->digest != NULL && !begins_with(digest, object->digest)) {
			site_error(site, site_key_node(object, "digest"),
				"the files in %s are sha256:%s", object->from,
				show_digest(digest, is));
		} else if (image == NULL || image->current_digest.len != digest->len ||
			   memcmp(image->current_digest.data, digest->data, digest->len) != 0) {
			*ret_differs = true;
			fprintf(out, "%c image %-13s files: %s%s -> sha256:%s (%zu files, %s)\n",
				image == NULL ? '+' : '~', object->name,
				image == NULL ? "(none)" : "sha256:",
				image == NULL ? "" : show_digest(&image->current_digest, was),
				show_digest(digest, is), files.version->n_files,
				show_size(files.version->bytes, bytes));
			result = push ? image_push(ctl, &files) : CTL_OK;
		}
		image_files_fini(&files);
	}
	image_source_close(&source);
	return result;
}

int site_apply_images(struct ctl *ctl, struct site *site, const struct site_have *have, bool push,
	FILE *out, size_t *ret_count)
{
	int result = CTL_OK;

	*ret_count = 0;
	for (size_t i = 0; i < site_count(site) && result == CTL_OK; i++) {
		const struct site_object *object = site_at(site, i);
		bool differs;
		if (object->kind == SITE_IMAGE && object->from != NULL) {
			result = do_image(ctl, site, object, find_image(have, object->name), push,
				out, &differs);
			*ret_count += differs ? 1 : 0;
		}
	}
	return result;
}
