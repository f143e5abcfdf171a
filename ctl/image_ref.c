#include "ctl/image_ref.h"

#include "ctl/client.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

int image_ref_parse(
	const char *text, struct image_ref *ret_ref, char *ret_error, size_t error_bytes)
{
	const char *at = strchr(text, '@'), *digits;
	size_t name_bytes = at == NULL ? strlen(text) : (size_t)(at - text), count;
	struct image_ref ref = {.previous = false};

	if (name_bytes == 0 || name_bytes >= sizeof ref.name) {
		snprintf(ret_error, error_bytes,
			"'%.80s' names no image: write NAME, NAME@prev or NAME@DIGEST", text);
		return -EINVAL;
	}
	memcpy(ref.name, text, name_bytes);
	if (at != NULL && strcasecmp(at + 1, "prev") == 0) {
		ref.previous = true;
	} else if (at != NULL) {
		digits = strncmp(at + 1, "sha256:", 7) == 0 ? at + 8 : at + 1;
		count = strlen(digits);
		if (strspn(digits, "0123456789abcdefABCDEF") != count ||
			count < IMAGE_REF_DIGITS_MIN || count > 64) {
			snprintf(ret_error, error_bytes,
				"'%.80s': after '@' comes prev, or %d to 64 hexadecimal digits of "
				"a version, as image show tells them",
				text, IMAGE_REF_DIGITS_MIN);
			return -EINVAL;
		}
		for (size_t i = 0; i < count; i++) {
			ref.digits[i] = (char)tolower((unsigned char)digits[i]);
		}
	}
	*ret_ref = ref;
	return 0;
}

int image_lists_load(struct ctl *ctl, struct image_lists *ret_lists)
{
	int result;

	memset(ret_lists, 0, sizeof *ret_lists);
	result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_IMAGE, "", &ret_lists->images);
	if (result == CTL_OK) {
		result = client_list(
			ctl, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, "", &ret_lists->versions);
	}
	if (result == CTL_OK) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_MEMBER, "", &ret_lists->members);
	}
	return result;
}

void image_lists_fini(struct image_lists *lists)
{
	pxe__object_list__free_unpacked(lists->images, NULL);
	pxe__object_list__free_unpacked(lists->versions, NULL);
	pxe__object_list__free_unpacked(lists->members, NULL);
	memset(lists, 0, sizeof *lists);
}

const Pxe__Image *image_lists_image(const struct image_lists *lists, const char *name)
{
	for (size_t i = 0; i < lists->images->n_images; i++) {
		if (strcmp(lists->images->images[i]->name, name) == 0) {
			return lists->images->images[i];
		}
	}
	return NULL;
}

static bool same(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && a->len > 0 && memcmp(a->data, b->data, a->len) == 0;
}

const char *image_lists_role(const struct image_lists *lists, const Pxe__ImageVersion *version)
{
	const Pxe__Image *image = image_lists_image(lists, version->image);

	return image == NULL                                     ? ""
	       : same(&version->digest, &image->current_digest)  ? "current"
	       : same(&version->digest, &image->previous_digest) ? "previous"
	       : same(&version->digest, &image->staged_digest)   ? "staged"
								 : "";
}

static bool matches(
	const Pxe__Image *image, const Pxe__ImageVersion *version, const struct image_ref *ref)
{
	char digits[65];

	if (strcmp(version->image, ref->name) != 0 || version->digest.len != 32) {
		return false;
	}
	if (ref->previous) {
		return same(&version->digest, &image->previous_digest);
	}
	if (ref->digits[0] == '\0') {
		return same(&version->digest, &image->current_digest);
	}
	text_hex_format(version->digest.data, 32, digits, sizeof digits);
	return strncmp(digits, ref->digits, strlen(ref->digits)) == 0;
}

const Pxe__ImageVersion *image_lists_find(const struct image_lists *lists,
	const struct image_ref *ref, char *ret_error, size_t error_bytes)
{
	const Pxe__Image *image = image_lists_image(lists, ref->name);
	const Pxe__ImageVersion *found = NULL;
	size_t count = 0;

	if (image == NULL) {
		snprintf(ret_error, error_bytes, "there is no image '%s'; see: pxectl image list",
			ref->name);
		return NULL;
	}
	for (size_t i = 0; i < lists->versions->n_image_versions; i++) {
		if (matches(image, lists->versions->image_versions[i], ref)) {
			found = lists->versions->image_versions[i];
			count++;
		}
	}
	if (count == 1) {
		return found;
	}
	if (count > 1) {
		snprintf(ret_error, error_bytes,
			"several versions of image %s begin with %s: give more digits", ref->name,
			ref->digits);
	} else if (ref->previous) {
		snprintf(ret_error, error_bytes, "image %s has no previous version", ref->name);
	} else if (ref->digits[0] == '\0') {
		snprintf(ret_error, error_bytes, "no version of image %s is published yet",
			ref->name);
	} else {
		snprintf(ret_error, error_bytes,
			"image %s has no version %s; see: pxectl image show %s", ref->name,
			ref->digits, ref->name);
	}
	return NULL;
}
