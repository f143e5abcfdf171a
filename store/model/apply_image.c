/* store/model/apply_image.c: versions of images: staged, held by members, published. Pure.
 *
 *   stage -> members fetch, verify and tell (held) -> published: current, and what was current is
 * previous
 *
 * A version is published by itself once every full member that stays holds it; the leader may
 * publish when a majority does (the others are down). Machines see a version only from then on, on
 * all nodes at once [P7]. A tag points the image to a version that is published already: back to an
 * older one, or under another name. Which versions stay is said in image_keep.c.
 */
#include "store/model/check.h"
#include "store/model/keep.h"
#include <stdlib.h>
#include <string.h>

#define OK        PXE__VERDICT__VERDICT_OK
#define INVALID   PXE__VERDICT__VERDICT_INVALID
#define CONFLICT  PXE__VERDICT__VERDICT_CONFLICT
#define NOT_FOUND PXE__VERDICT__VERDICT_NOT_FOUND

#define IMAGE_FILE_BYTES_MAX (UINT64_C(1) << 48)

/* ---- judging a manifest ---- */

/* First parts of paths that mean something else to machines that ask. */
static bool image_is_reserved_name(const char *name)
{
	static const char *const reserved[] = {
		"boot", "blob", "phone-home", "boot.ipxe", "autoexec.ipxe"};
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcmp(name, reserved[i]) == 0)
			return true;
	}
	return false;
}

static bool image_check_file(struct apply *a, const Pxe__ImageFile *file)
{
	if (!check_path(a, "path of an image's file", file->path))
		return false;
	if (file->sha256.len != 32) {
		internal_refuse(a, INVALID,
			"file %.120s has a hash of %zu bytes: give SHA-256, 32 bytes", file->path,
			file->sha256.len);
		return false;
	}
	if (file->bytes <= IMAGE_FILE_BYTES_MAX)
		return true;
	internal_refuse(a, INVALID, "file %.120s has %llu bytes: that is not possible", file->path,
		(unsigned long long)file->bytes);
	return false;
}

static int image_compare_paths(const void *a, const void *b)
{
	const Pxe__ImageFile *first = *(Pxe__ImageFile *const *)a;
	const Pxe__ImageFile *second = *(Pxe__ImageFile *const *)b;
	return strcmp(first->path, second->path);
}

/* Whether some other path has this one as its directory. Files are sorted by path. */
static bool image_is_directory(const Pxe__ImageVersion *version, const char *path)
{
	char prefix[257];
	size_t bytes = strlen(path), low = 0, high = version->n_files;
	memcpy(prefix, path, bytes);
	prefix[bytes] = '/';
	prefix[bytes + 1] = '\0';
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(version->files[middle]->path, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < version->n_files && strncmp(version->files[low]->path, prefix, bytes + 1) == 0;
}

/* Sorts the files, which may not change the meaning: the digest is over the sorted list. */
static bool image_check_paths(struct apply *a, Pxe__ImageVersion *version)
{
	qsort(version->files, version->n_files, sizeof(*version->files), image_compare_paths);
	for (size_t i = 0; i < version->n_files; i++) {
		const char *path = version->files[i]->path;
		if (i > 0 && strcmp(path, version->files[i - 1]->path) == 0) {
			internal_refuse(a, INVALID, "path %.160s is given twice: keep one", path);
			return false;
		}
		if (image_is_directory(version, path)) {
			internal_refuse(a, INVALID,
				"path %.160s is a file and a directory: rename one", path);
			return false;
		}
	}
	return true;
}

static bool image_check_name(struct apply *a, const char *name)
{
	if (!check_name(a, "image name", name))
		return false;
	if (!image_is_reserved_name(name))
		return true;
	internal_refuse(
		a, INVALID, "image name %s has a meaning of its own in URLs: choose another", name);
	return false;
}

static Pxe__Verdict image_check_room(struct apply *a, const char *name)
{
	if (model_image(a->model, name) != NULL ||
		a->model->shelf[RECORD_IMAGE].count < MODEL_IMAGES_MAX)
		return OK;
	return internal_refuse(a, PXE__VERDICT__VERDICT_LIMIT,
		"there are %d images, the limit: remove one first", MODEL_IMAGES_MAX);
}

static Pxe__Verdict image_check(struct apply *a, const Pxe__ImageVersion *version)
{
	if (version == NULL)
		return internal_refuse(a, INVALID, "no version is given");
	if (!image_check_name(a, version->image))
		return INVALID;
	if (version->digest.len != 32)
		return internal_refuse(a, INVALID, "the digest of image %s has %zu bytes: give 32",
			version->image, version->digest.len);
	if (version->n_files == 0)
		return internal_refuse(a, INVALID, "image %s has no files", version->image);
	if (version->n_files > MODEL_IMAGE_FILES_MAX)
		return internal_refuse(a, PXE__VERDICT__VERDICT_LIMIT,
			"image %s has %zu files: use at most %d, pack the others into an archive",
			version->image, version->n_files, MODEL_IMAGE_FILES_MAX);
	for (size_t i = 0; i < version->n_files; i++) {
		if (!image_check_file(a, version->files[i]))
			return INVALID;
	}
	return OK;
}

/* ---- changes ---- */

/* A version of the image that is kept no more; NULL: none. */
static const Pxe__ImageVersion *image_unreferenced(
	const struct model *model, const Pxe__Image *image)
{
	uint8_t key[RECORD_KEY_MAX], first[32] = {0};
	size_t key_bytes = record_key_version(image->name, first, key);
	const struct shelf *versions = &model->shelf[RECORD_IMAGE_VERSION];
	for (size_t i = shelf_lower_bound(versions, key, key_bytes); i < versions->count; i++) {
		const Pxe__ImageVersion *version =
			(const Pxe__ImageVersion *)versions->records[i]->message;
		if (strcmp(version->image, image->name) != 0)
			break;
		if (!internal_image_is_kept(model, image, version->digest))
			return version;
	}
	return NULL;
}

/* Keep the image as changed (taken over) and drop the versions that are kept no more. */
static void image_write(struct apply *a, Pxe__Image *image)
{
	keep_message(a->model, a->sink, RECORD_IMAGE, &image->base);
	const Pxe__ImageVersion *old;
	while ((old = image_unreferenced(a->model, image)) != NULL) {
		uint8_t key[RECORD_KEY_MAX];
		size_t key_bytes = record_key_version(old->image, old->digest.data, key);
		keep_remove(a->model, a->sink, RECORD_IMAGE_VERSION, key + 1, key_bytes - 1);
	}
}

static bool image_has_holder(const Pxe__ImageVersion *version, uint64_t member)
{
	for (size_t i = 0; i < version->n_holders; i++) {
		if (version->holders[i] == member)
			return true;
	}
	return false;
}

/* Full members that stay, and how many of them hold the version. */
static void image_count_holders(const struct model *model, const Pxe__ImageVersion *version,
	size_t *ret_full, size_t *ret_holders)
{
	const struct shelf *members = &model->shelf[RECORD_MEMBER];
	*ret_full = 0;
	*ret_holders = 0;
	for (size_t i = 0; i < members->count; i++) {
		const Pxe__Member *member = (const Pxe__Member *)members->records[i]->message;
		if (member->role != PXE__MEMBER_ROLE__MEMBER_FULL || member->removing)
			continue;
		*ret_full += 1;
		*ret_holders += image_has_holder(version, member->id) ? 1 : 0;
	}
}

/* From now on machines get this version. */
static void image_point(struct apply *a, Pxe__Image *image, const uint8_t digest[32])
{
	if (image->current_digest.len != 0)
		keep_set_data(&image->previous_digest, image->current_digest.data,
			image->current_digest.len);
	keep_set_data(&image->current_digest, digest, 32);
	if (internal_same_bytes(image->staged_digest, image->current_digest))
		keep_set_data(&image->staged_digest, NULL, 0);
	image->published_ms = a->now_ms;
}

static void image_publish(struct apply *a, const Pxe__Image *image)
{
	Pxe__Image *copy = (Pxe__Image *)keep_copy(&image->base);
	const Pxe__ImageVersion *staged =
		model_image_version(a->model, image->name, image->staged_digest.data);
	image_point(a, copy, staged->digest.data);
	Pxe__ImageVersion *version = (Pxe__ImageVersion *)keep_copy(&staged->base);
	version->published = true;
	keep_message(a->model, a->sink, RECORD_IMAGE_VERSION, &version->base);
	image_write(a, copy);
}

static const Pxe__ImageVersion *image_staged(const struct model *model, const Pxe__Image *image)
{
	if (image->staged_digest.len != 32)
		return NULL;
	return model_image_version(model, image->name, image->staged_digest.data);
}

/* Publish what is staged if every full member that stays holds it. */
static bool image_publish_if_held(struct apply *a, const Pxe__Image *image)
{
	size_t full, holders;
	const Pxe__ImageVersion *staged = image_staged(a->model, image);
	if (staged == NULL)
		return false;
	image_count_holders(a->model, staged, &full, &holders);
	if (full == 0 || holders < full)
		return false;
	image_publish(a, image);
	return true;
}

/* ---- commands ---- */

static bool image_same_files(const Pxe__ImageVersion *a, const Pxe__ImageVersion *b)
{
	if (a->n_files != b->n_files)
		return false;
	for (size_t i = 0; i < a->n_files; i++) {
		if (strcmp(a->files[i]->path, b->files[i]->path) != 0 ||
			a->files[i]->bytes != b->files[i]->bytes ||
			!internal_same_bytes(a->files[i]->sha256, b->files[i]->sha256))
			return false;
	}
	return true;
}

/* What only the cluster decides is set afresh. */
static void image_reset(struct apply *a, Pxe__ImageVersion *version)
{
	version->bytes = 0;
	for (size_t i = 0; i < version->n_files; i++)
		version->bytes += version->files[i]->bytes;
	free(version->holders);
	version->holders = NULL;
	version->n_holders = 0;
	version->created_ms = a->now_ms;
	version->published = false;
}

/* A copy of the image to point elsewhere; a new one if there is none. */
static Pxe__Image *image_draft(struct apply *a, const char *name)
{
	const Pxe__Image *image = model_image(a->model, name);
	if (image != NULL)
		return (Pxe__Image *)keep_copy(&image->base);
	Pxe__Image *draft = malloc(sizeof(*draft));
	if (draft == NULL)
		abort();
	pxe__image__init(draft);
	draft->name = keep_string(name);
	return draft;
}

/* Takes the (sorted, sound) version over. */
static Pxe__Verdict image_stage_checked(struct apply *a, Pxe__ImageVersion *version)
{
	const Pxe__Image *image = model_image(a->model, version->image);
	const Pxe__ImageVersion *known =
		model_image_version(a->model, version->image, version->digest.data);
	Pxe__Verdict verdict = image_check_room(a, version->image);
	if (verdict != OK)
		return verdict;
	if (known != NULL && !image_same_files(known, version))
		return internal_refuse(a, INVALID,
			"image %s has another file list under this digest: compute the digest "
			"again",
			version->image);
	Pxe__Image *draft = image_draft(a, version->image);
	bool is_current = internal_same_bytes(draft->current_digest, version->digest);
	keep_set_data(&draft->staged_digest, version->digest.data, is_current ? 0 : 32);
	if (image != NULL && internal_same_bytes(image->staged_digest, draft->staged_digest)) {
		protobuf_c_message_free_unpacked(&draft->base, NULL);
		return OK; /* this is how things are */
	}
	if (known == NULL) {
		Pxe__ImageVersion *kept = (Pxe__ImageVersion *)keep_copy(&version->base);
		image_reset(a, kept);
		keep_message(a->model, a->sink, RECORD_IMAGE_VERSION, &kept->base);
	}
	image_write(a, draft);
	image_publish_if_held(a, draft);
	keep_changed(a);
	return OK;
}

Pxe__Verdict apply_image_stage(struct apply *a, const Pxe__ImageStage *stage)
{
	Pxe__Verdict verdict = image_check(a, stage->version);
	if (verdict != OK)
		return verdict;
	Pxe__ImageVersion *version = (Pxe__ImageVersion *)keep_copy(&stage->version->base);
	verdict = image_check_paths(a, version) ? image_stage_checked(a, version) : INVALID;
	protobuf_c_message_free_unpacked(&version->base, NULL);
	return verdict;
}

static Pxe__Verdict image_find(struct apply *a, const char *name, ProtobufCBinaryData digest,
	const Pxe__Image **ret_image, const Pxe__ImageVersion **ret_version)
{
	*ret_image = model_image(a->model, name);
	*ret_version = NULL;
	if (*ret_image != NULL && digest.len == 32)
		*ret_version = model_image_version(a->model, name, digest.data);
	if (*ret_version != NULL)
		return OK;
	return internal_refuse(a, NOT_FOUND,
		"there is no such version of the image (any more): see pxectl image list");
}

static void image_drop_holder(struct apply *a, const Pxe__ImageVersion *version, uint64_t member)
{
	Pxe__ImageVersion *copy = (Pxe__ImageVersion *)keep_copy(&version->base);
	size_t kept = 0;
	for (size_t i = 0; i < copy->n_holders; i++) {
		if (copy->holders[i] != member)
			copy->holders[kept++] = copy->holders[i];
	}
	copy->n_holders = kept;
	keep_message(a->model, a->sink, RECORD_IMAGE_VERSION, &copy->base);
}

Pxe__Verdict apply_image_held(struct apply *a, const Pxe__ImageHeld *held)
{
	const Pxe__Image *image;
	const Pxe__ImageVersion *version;
	Pxe__Verdict verdict = image_find(a, held->image, held->digest, &image, &version);
	if (verdict != OK)
		return verdict;
	const Pxe__Member *member = model_member(a->model, held->member);
	if (member == NULL || member->role != PXE__MEMBER_ROLE__MEMBER_FULL)
		return internal_refuse(a, INVALID, "member %llu is not one that holds images",
			(unsigned long long)held->member);
	if (held->lost) {
		if (image_has_holder(version, held->member))
			image_drop_holder(a, version, held->member);
		return OK;
	}
	if (image_has_holder(version, held->member))
		return OK;
	Pxe__ImageVersion *copy = (Pxe__ImageVersion *)keep_copy(&version->base);
	uint64_t *holders = realloc(copy->holders, (copy->n_holders + 1) * sizeof(*holders));
	if (holders == NULL)
		abort();
	holders[copy->n_holders++] = held->member;
	copy->holders = holders;
	keep_message(a->model, a->sink, RECORD_IMAGE_VERSION, &copy->base);
	if (image_publish_if_held(a, image))
		keep_changed(a);
	return OK;
}

Pxe__Verdict apply_image_publish(struct apply *a, const Pxe__ImagePublish *publish)
{
	const Pxe__Image *image;
	const Pxe__ImageVersion *version;
	Pxe__Verdict verdict = image_find(a, publish->image, publish->digest, &image, &version);
	if (verdict != OK)
		return verdict;
	if (internal_same_bytes(image->current_digest, publish->digest))
		return OK;
	if (!internal_same_bytes(image->staged_digest, publish->digest))
		return internal_refuse(a, CONFLICT,
			"this version of image %s is not staged: push it again", image->name);
	size_t full, holders;
	image_count_holders(a->model, version, &full, &holders);
	if (2 * holders <= full)
		return internal_refuse(a, CONFLICT,
			"image %s is held by %zu of %zu nodes: a majority must hold it",
			image->name, holders, full);
	image_publish(a, image);
	keep_changed(a);
	return OK;
}

/* The same files under another image's name; whoever holds one holds the other. */
static void image_copy_version(struct apply *a, const Pxe__ImageVersion *version, const char *name)
{
	Pxe__ImageVersion *copy = (Pxe__ImageVersion *)keep_copy(&version->base);
	keep_set_string(&copy->image, name);
	keep_message(a->model, a->sink, RECORD_IMAGE_VERSION, &copy->base);
}

Pxe__Verdict apply_image_tag(struct apply *a, const Pxe__ImageTag *tag)
{
	const Pxe__Image *image;
	const Pxe__ImageVersion *version;
	uint8_t digest[32];
	if (!image_check_name(a, tag->name) || !check_name(a, "image name", tag->image))
		return INVALID;
	Pxe__Verdict verdict = image_find(a, tag->image, tag->digest, &image, &version);
	if (verdict == OK)
		verdict = image_check_room(a, tag->name);
	if (verdict != OK)
		return verdict;
	if (!version->published)
		return internal_refuse(a, CONFLICT,
			"this version of image %s is not published yet: wait until the nodes hold "
			"it",
			tag->image);
	memcpy(digest, version->digest.data, sizeof(digest));
	Pxe__Image *draft = image_draft(a, tag->name);
	if (internal_same_bytes(draft->current_digest, tag->digest)) {
		protobuf_c_message_free_unpacked(&draft->base, NULL);
		return OK; /* this is how things are */
	}
	if (strcmp(tag->name, tag->image) != 0)
		image_copy_version(a, version, tag->name);
	image_point(a, draft, digest);
	image_write(a, draft);
	keep_changed(a);
	return OK;
}

void apply_image_on_members(struct apply *a, uint64_t gone)
{
	const struct shelf *versions = &a->model->shelf[RECORD_IMAGE_VERSION];
	for (size_t i = 0; i < versions->count; i++) {
		const Pxe__ImageVersion *version =
			(const Pxe__ImageVersion *)versions->records[i]->message;
		if (image_has_holder(version, gone))
			image_drop_holder(a, version, gone);
	}
	const struct shelf *images = &a->model->shelf[RECORD_IMAGE];
	for (size_t i = 0; i < images->count; i++)
		image_publish_if_held(a, (const Pxe__Image *)images->records[i]->message);
}
