/* ctl/image_ref.h: NAME, NAME@DIGITS and NAME@prev: which version of an image is meant. Pure but
 * for image_ref_load(). */
#ifndef CTL_IMAGE_REF_H
#define CTL_IMAGE_REF_H

#include "ctl/ctl.h"

#define IMAGE_REF_DIGITS_MIN 6

struct image_ref {
	char name[64];
	char digits[65]; /* lower case; "" none */
	bool previous;
};

/* "NAME", "NAME@prev", "NAME@DIGITS", "NAME@sha256:DIGITS". 0, or -EINVAL with what is wrong. */
int image_ref_parse(
	const char *text, struct image_ref *ret_ref, char *ret_error, size_t error_bytes);

/* The images and versions that the cluster holds, as listed. */
struct image_lists {
	Pxe__ObjectList *images, *versions, *members;
};
/* An exit code, told unless CTL_OK. Freed by image_lists_fini() in every case. */
int image_lists_load(struct ctl *ctl, struct image_lists *ret_lists);
void image_lists_fini(struct image_lists *lists);
const Pxe__Image *image_lists_image(const struct image_lists *lists, const char *name);
/* "current", "previous", "staged", "" of a version. */
const char *image_lists_role(const struct image_lists *lists, const Pxe__ImageVersion *version);
/* The version that is meant; NULL with the reason in ret_error. */
const Pxe__ImageVersion *image_lists_find(const struct image_lists *lists,
	const struct image_ref *ref, char *ret_error, size_t error_bytes);

#endif
