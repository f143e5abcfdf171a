/* ctl/image_diff.h: how two versions of an image differ, file by file. Pure. */
#ifndef CTL_IMAGE_DIFF_H
#define CTL_IMAGE_DIFF_H

#include "ctl/ctl.h"

enum image_diff_kind { IMAGE_DIFF_ADDED, IMAGE_DIFF_REMOVED, IMAGE_DIFF_CHANGED };

struct image_diff_line {
	enum image_diff_kind kind;
	const Pxe__ImageFile *before, *after; /* NULL for what is not there */
};

/* The differences from `before` to `after` in byte order of the paths, for which the lists are
 * sorted. Heap (free()); *ret_count 0: they hold the same. */
struct image_diff_line *image_diff(
	Pxe__ImageVersion *before, Pxe__ImageVersion *after, size_t *ret_count);

#endif
