/* store/model/image_keep.c: which versions of an image are kept. Pure.
 *
 * Those that the image points to (current, previous, staged), those that a profile names by their
 * digits, and those of a boot that is armed or under way. What is kept no more goes when the image
 * changes next, so that who changes a profile by mistake can change it back.
 */
#include "proto/wire/text.h"
#include "store/model/internal.h"
#include <string.h>

#define KEEP_PREVIOUS "prev"

/* What follows "NAME@"; NULL: the reference is to another image, or to whatever is current. */
static const char *keep_version_of(const char *ref, const char *image)
{
	size_t bytes = strlen(image);
	return strncmp(ref, image, bytes) == 0 && ref[bytes] == '@' ? ref + bytes + 1 : NULL;
}

static bool keep_names(const char *ref, const Pxe__Image *image, ProtobufCBinaryData digest)
{
	char hex[65];
	const char *version = keep_version_of(ref, image->name);
	if (version == NULL || digest.len != 32)
		return false;
	if (strcmp(version, KEEP_PREVIOUS) == 0)
		return internal_same_bytes(image->previous_digest, digest);
	text_hex_format(digest.data, digest.len, hex, sizeof(hex));
	return version[0] != '\0' && strncmp(hex, version, strlen(version)) == 0;
}

const char *internal_image_user(const struct model *model, const Pxe__Image *image,
	ProtobufCBinaryData digest, const char **ret_name)
{
	const struct shelf *profiles = &model->shelf[RECORD_PROFILE];
	for (size_t i = 0; i < profiles->count; i++) {
		const Pxe__Profile *profile = (const Pxe__Profile *)profiles->records[i]->message;
		*ret_name = profile->name;
		if (keep_names(profile->image, image, digest))
			return "profile";
	}
	const struct shelf *onces = &model->shelf[RECORD_ONCE];
	for (size_t i = 0; i < onces->count; i++) {
		const Pxe__Once *once = (const Pxe__Once *)onces->records[i]->message;
		bool is_open = once->state == PXE__ONCE_STATE__ONCE_ARMED ||
			       once->state == PXE__ONCE_STATE__ONCE_CLAIMED;
		*ret_name = once->host;
		if (is_open && keep_names(once->image, image, digest))
			return "the boot of host";
	}
	return NULL;
}

bool internal_image_is_kept(
	const struct model *model, const Pxe__Image *image, ProtobufCBinaryData digest)
{
	const char *name;
	return internal_same_bytes(image->current_digest, digest) ||
	       internal_same_bytes(image->previous_digest, digest) ||
	       internal_same_bytes(image->staged_digest, digest) ||
	       internal_image_user(model, image, digest, &name) != NULL;
}
