/* image tag, diff, gc, verify: what is done with the versions of images. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/image_diff.h"
#include "ctl/image_push.h"
#include "ctl/image_ref.h"
#include "ctl/objects.h"
#include "ctl/show.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define VERIFY_IDLE_MS  600000u /* a node reads all its blobs again */
#define VERIFY_TOLD_MAX 20u     /* paths of one image on one node */

/* ---- references */

static int find_version(struct ctl *ctl, const struct image_lists *lists, const char *text,
	const Pxe__ImageVersion **ret_version)
{
	struct image_ref ref;
	char error[400];

	if (image_ref_parse(text, &ref, error, sizeof error) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "%s", error);
	}
	*ret_version = image_lists_find(lists, &ref, error, sizeof error);
	return *ret_version != NULL ? CTL_OK : ctl_fail(ctl, CTL_NOT_FOUND, "%s", error);
}

/* ---- tag */

int cmd_image_tag(struct ctl *ctl, const struct invocation *in)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageTag tag = PXE__IMAGE_TAG__INIT;
	const Pxe__ImageVersion *version = NULL;
	struct image_lists lists;
	struct client_done done;
	char name[80], text[SHOW_BYTES], what[2 * SHOW_BYTES];
	int result = image_lists_load(ctl, &lists);

	if (result == CTL_OK) {
		result = find_version(ctl, &lists, in->args[0], &version);
	}
	if (result == CTL_OK && in->arg_count > 1) {
		result = edit_check_name(ctl, "image", in->args[1]);
	}
	if (result == CTL_OK) {
		snprintf(name, sizeof name, "%s", in->arg_count > 1 ? in->args[1] : version->image);
		tag.name = name;
		tag.image = version->image;
		tag.digest = version->digest;
		command.op_case = PXE__COMMAND__OP_IMAGE_TAG;
		command.image_tag = &tag;
		result = client_change(ctl, &command, &done);
	}
	if (result == CTL_OK) {
		snprintf(what, sizeof what, "is now %.63s@%.12s", version->image,
			show_digest(&version->digest, text));
		result = objects_print_done(ctl, "image", name, what, done.revision, done.detail);
	}
	image_lists_fini(&lists);
	return result;
}

/* ---- diff */

struct side {
	Pxe__ImageVersion *version; /* of the lists, or of files */
	struct image_files files;
};

/* A path of this machine, if there is one of that name, else a version of the cluster's. */
static int read_side(
	struct ctl *ctl, struct image_lists *lists, const char *text, struct side *side)
{
	const Pxe__ImageVersion *version;
	struct image_source source;
	struct stat st;
	int result;

	memset(side, 0, sizeof *side);
	if (strchr(text, '/') == NULL && stat(text, &st) != 0) {
		result = lists->images == NULL ? image_lists_load(ctl, lists) : CTL_OK;
		result = result == CTL_OK ? find_version(ctl, lists, text, &version) : result;
		side->version = result == CTL_OK ? (Pxe__ImageVersion *)(uintptr_t)version : NULL;
		return result;
	}
	result = image_source_open(ctl, text, false, &source);
	if (result == CTL_OK) {
		result = image_files_read(ctl, "diff", source.path, NULL, 0, &side->files);
		side->version = side->files.version;
		image_source_close(&source);
	}
	return result;
}

static void print_diff(const struct ctl *ctl, const struct image_diff_line *lines, size_t count)
{
	char before[SHOW_BYTES], after[SHOW_BYTES];

	for (size_t i = 0; i < count; i++) {
		switch (lines[i].kind) {
		case IMAGE_DIFF_ADDED:
			fprintf(ctl->out, "+ %s  %s\n", lines[i].after->path,
				show_size(lines[i].after->bytes, after));
			break;
		case IMAGE_DIFF_REMOVED:
			fprintf(ctl->out, "- %s  %s\n", lines[i].before->path,
				show_size(lines[i].before->bytes, before));
			break;
		case IMAGE_DIFF_CHANGED:
			fprintf(ctl->out, "~ %s  %s -> %s\n", lines[i].after->path,
				show_size(lines[i].before->bytes, before),
				show_size(lines[i].after->bytes, after));
			break;
		}
	}
}

int cmd_image_diff(struct ctl *ctl, const struct invocation *in)
{
	struct image_lists lists = {NULL, NULL, NULL};
	struct side before = {NULL, {NULL, NULL, NULL}}, after = {NULL, {NULL, NULL, NULL}};
	struct image_diff_line *lines;
	size_t count;
	int result = read_side(ctl, &lists, in->args[0], &before);

	if (result == CTL_OK) {
		result = read_side(ctl, &lists, in->args[1], &after);
	}
	if (result == CTL_OK) {
		lines = image_diff(before.version, after.version, &count);
		print_diff(ctl, lines, count);
		free(lines);
		result = count == 0 ? CTL_OK : CTL_NO;
	} else if (result == CTL_NO) {
		result = CTL_REFUSED;
	}
	image_files_fini(&before.files);
	image_files_fini(&after.files);
	image_lists_fini(&lists);
	return result;
}

/* ---- gc */

static bool is_pinned_by_profile(
	const Pxe__ObjectList *profiles, const char *image, const char *digits)
{
	struct image_ref ref;
	char error[200];

	for (size_t i = 0; i < profiles->n_profiles; i++) {
		const char *text = profiles->profiles[i]->image;
		if (text[0] != '\0' && image_ref_parse(text, &ref, error, sizeof error) == 0 &&
			ref.digits[0] != '\0' && strcmp(ref.name, image) == 0 &&
			strncmp(digits, ref.digits, strlen(ref.digits)) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_pinned_by_boot(const Pxe__ObjectList *once, const char *image, const char *digits)
{
	struct image_ref ref;
	char error[200];

	for (size_t i = 0; i < once->n_once; i++) {
		const Pxe__Once *boot = once->once[i];
		bool open = boot->state == PXE__ONCE_STATE__ONCE_ARMED ||
			    boot->state == PXE__ONCE_STATE__ONCE_CLAIMED;
		if (open && boot->image[0] != '\0' &&
			image_ref_parse(boot->image, &ref, error, sizeof error) == 0 &&
			strcmp(ref.name, image) == 0 &&
			strncmp(digits, ref.digits, strlen(ref.digits)) == 0) {
			return true;
		}
	}
	return false;
}

struct gc {
	struct image_lists lists;
	Pxe__ObjectList *profiles, *once;
	const Pxe__ImageVersion **versions; /* that nothing keeps */
	size_t count;
	uint64_t bytes;
};

/* Bytes that go with it: of files that no other version holds are not told apart here, so this is
 * the most. */
static void choose_garbage(struct gc *gc)
{
	const Pxe__ObjectList *all = gc->lists.versions;

	gc->versions = calloc(all->n_image_versions + 1, sizeof *gc->versions);
	assert(gc->versions != NULL);
	for (size_t i = 0; i < all->n_image_versions; i++) {
		const Pxe__ImageVersion *version = all->image_versions[i];
		char digits[65];
		if (version->digest.len != 32 || image_lists_role(&gc->lists, version)[0] != '\0') {
			continue;
		}
		text_hex_format(version->digest.data, 32, digits, sizeof digits);
		if (!is_pinned_by_profile(gc->profiles, version->image, digits) &&
			!is_pinned_by_boot(gc->once, version->image, digits)) {
			gc->versions[gc->count++] = version;
			gc->bytes += version->bytes;
		}
	}
}

static void version_name(const Pxe__ImageVersion *version, char *ret_text, size_t bytes)
{
	char digits[65];

	text_hex_format(version->digest.data, version->digest.len, digits, sizeof digits);
	snprintf(ret_text, bytes, "%s@%s", version->image, digits);
}

static int collect(struct ctl *ctl, const struct gc *gc, bool dry_run)
{
	char size[SHOW_BYTES], question[2 * SHOW_BYTES], name[160];
	int result = CTL_OK;

	for (size_t i = 0; i < gc->count; i++) {
		char digest[SHOW_BYTES];
		fprintf(ctl->out, "%s@%s  %s in %zu files\n", gc->versions[i]->image,
			show_digest(&gc->versions[i]->digest, digest),
			show_size(gc->versions[i]->bytes, size), gc->versions[i]->n_files);
	}
	show_size(gc->bytes, size);
	if (gc->count == 0) {
		ctl_note(ctl, "nothing to remove: every version is current, previous, staged or "
			      "pinned");
		return CTL_OK;
	}
	if (dry_run) {
		ctl_note(ctl, "%zu version%s of up to %s would be removed", gc->count,
			gc->count == 1 ? "" : "s", size);
		return CTL_OK;
	}
	snprintf(question, sizeof question, "%zu version%s of up to %s will be removed", gc->count,
		gc->count == 1 ? "" : "s", size);
	result = (int)ctl_confirm(ctl, question);
	for (size_t i = 0; i < gc->count && result == CTL_OK; i++) {
		version_name(gc->versions[i], name, sizeof name);
		result = objects_delete(
			ctl, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, "image version", name, false);
	}
	return result;
}

int cmd_image_gc(struct ctl *ctl, const struct invocation *in)
{
	struct gc gc;
	int result;

	memset(&gc, 0, sizeof gc);
	result = image_lists_load(ctl, &gc.lists);
	if (result == CTL_OK) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_PROFILE, "", &gc.profiles);
	}
	if (result == CTL_OK) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_ONCE, "", &gc.once);
	}
	if (result == CTL_OK) {
		choose_garbage(&gc);
		result = collect(ctl, &gc, command_flag(in, "dry-run"));
	}
	free(gc.versions);
	pxe__object_list__free_unpacked(gc.profiles, NULL);
	pxe__object_list__free_unpacked(gc.once, NULL);
	image_lists_fini(&gc.lists);
	return result;
}

int cmd_image_remove(struct ctl *ctl, const struct invocation *in)
{
	int result = CTL_OK;

	for (size_t i = 0; i < in->arg_count && result == CTL_OK; i++) {
		const Pxe__ImageVersion *version = NULL;
		struct image_lists lists;
		char name[160];
		if (strchr(in->args[i], '@') == NULL) {
			result = objects_delete(ctl, PXE__OBJECT_KIND__OBJECT_IMAGE, "image",
				in->args[i], command_flag(in, "force"));
			continue;
		}
		result = image_lists_load(ctl, &lists);
		if (result == CTL_OK) {
			result = find_version(ctl, &lists, in->args[i], &version);
		}
		if (result == CTL_OK) {
			version_name(version, name, sizeof name);
			result = objects_delete(ctl, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION,
				"image version", name, command_flag(in, "force"));
		}
		image_lists_fini(&lists);
	}
	return result;
}

/* ---- verify */

static const struct table_column verify_columns[] = {{"NODE", false, false},
	{"IMAGE", false, false}, {"VERSION", false, false}, {"FILES", true, false},
	{"SIZE", true, false}, {"STATE", false, false}};

struct verify {
	struct ctl *ctl;
	struct table *table;
	bool bad;
	size_t answers;
};

static void tell_paths(const struct verify *verify, const Pxe__ImageVerified *found,
	const char *what, char *const *paths, size_t count)
{
	for (size_t i = 0; i < count && i < VERIFY_TOLD_MAX; i++) {
		ctl_note(verify->ctl, "%s: %s: %s %s", found->node, found->image, what, paths[i]);
	}
	if (count > VERIFY_TOLD_MAX) {
		ctl_note(verify->ctl, "%s: %s: %zu more %s", found->node, found->image,
			count - VERIFY_TOLD_MAX, what);
	}
}

static bool keep_verified(void *ctx, const Pxe__AdminReply *reply)
{
	struct verify *verify = ctx;
	const Pxe__ImageVerified *found = reply->image_verified;
	char text[SHOW_BYTES];

	if (reply->body_case != PXE__ADMIN_REPLY__BODY_IMAGE_VERIFIED ||
		found->image[0] == '\0') { /* the last may tell nothing */
		return true;
	}
	verify->answers++;
	table_cell(verify->table, found->node);
	table_cell(verify->table, found->image);
	table_cell(verify->table, show_digest(&found->digest, text));
	table_cellf(verify->table, "%" PRIu32, found->files);
	table_cell(verify->table, show_size(found->bytes, text));
	if (found->n_damaged > 0) {
		table_cellf(verify->table, "%zu damaged%s", found->n_damaged,
			found->n_missing > 0 ? ", some missing" : "");
	} else if (found->n_missing > 0) {
		table_cellf(verify->table, "%zu missing", found->n_missing);
	} else {
		table_cell(verify->table, "ok");
	}
	verify->bad = verify->bad || found->n_damaged > 0 || found->n_missing > 0;
	tell_paths(verify, found, "damaged", found->damaged, found->n_damaged);
	tell_paths(verify, found, "missing", found->missing, found->n_missing);
	return true;
}

static int verify_node(struct ctl *ctl, struct verify *verify, const char *node, const char *image)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__ImageVerifyQuery query = PXE__IMAGE_VERIFY_QUERY__INIT;
	struct client_call call = {.idle_ms = VERIFY_IDLE_MS,
		.total_ms = ctl->timeout_ms != 0 ? ctl->timeout_ms : UINT_MAX,
		.sticky = true,
		.on_reply = keep_verified,
		.ctx = verify};
	const char *pinned = ctl->node;
	char copy[80], text[600];
	int result;

	snprintf(copy, sizeof copy, "%s", image);
	query.image = copy;
	request.body_case = PXE__ADMIN_REQUEST__BODY_IMAGE_VERIFY;
	request.image_verify = &query;
	ctl->node = node;
	result = client_try_ask(ctl, &request, &call, text, sizeof text);
	ctl->node = pinned;
	if (result != CTL_OK) {
		ctl_note(ctl, "%s was not checked: %s", node, text);
		verify->bad = true;
	}
	return result;
}

/* Images that are there to be asked for: "" all of them. */
static int check_image(struct ctl *ctl, const struct image_lists *lists, const char *image)
{
	if (image[0] == '\0' || image_lists_image(lists, image) != NULL) {
		return CTL_OK;
	}
	return ctl_fail(ctl, CTL_NOT_FOUND, "there is no image '%s'", image);
}

int cmd_image_verify(struct ctl *ctl, const struct invocation *in)
{
	const char *image = in->arg_count > 0 ? in->args[0] : "";
	struct verify verify = {.ctl = ctl};
	struct image_lists lists;
	int result = image_lists_load(ctl, &lists);

	if (result == CTL_OK) {
		result = check_image(ctl, &lists, image);
	}
	if (result != CTL_OK) {
		image_lists_fini(&lists);
		return result;
	}
	verify.table = table_new(verify_columns, sizeof verify_columns / sizeof verify_columns[0]);
	for (size_t i = 0; i < lists.members->n_members; i++) {
		const Pxe__Member *member = lists.members->members[i];
		if (member->role == PXE__MEMBER_ROLE__MEMBER_FULL &&
			(ctl->node == NULL || strcmp(ctl->node, member->name) == 0)) {
			verify_node(ctl, &verify, member->name, image);
		}
	}
	show_table(ctl, verify.table);
	image_lists_fini(&lists);
	return verify.bad ? CTL_NO : CTL_OK;
}
