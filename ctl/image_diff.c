#include "ctl/image_diff.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare_paths(const void *a, const void *b)
{
	return strcmp((*(Pxe__ImageFile *const *)a)->path, (*(Pxe__ImageFile *const *)b)->path);
}

static bool same(const Pxe__ImageFile *a, const Pxe__ImageFile *b)
{
	return a->bytes == b->bytes && a->sha256.len == b->sha256.len &&
	       memcmp(a->sha256.data, b->sha256.data, a->sha256.len) == 0;
}

struct image_diff_line *image_diff(
	Pxe__ImageVersion *before, Pxe__ImageVersion *after, size_t *ret_count)
{
	struct image_diff_line *lines = calloc(before->n_files + after->n_files + 1, sizeof *lines);
	size_t b = 0, a = 0, count = 0;

	assert(lines != NULL);
	qsort(before->files, before->n_files, sizeof *before->files, compare_paths);
	qsort(after->files, after->n_files, sizeof *after->files, compare_paths);
	while (b < before->n_files || a < after->n_files) {
		const Pxe__ImageFile *old = b < before->n_files ? before->files[b] : NULL;
		const Pxe__ImageFile *new = a < after->n_files ? after->files[a] : NULL;
		int order = old == NULL ? 1 : new == NULL ? -1 : strcmp(old->path, new->path);
		if (order < 0) {
			lines[count++] = (struct image_diff_line){IMAGE_DIFF_REMOVED, old, NULL};
		} else if (order > 0) {
			lines[count++] = (struct image_diff_line){IMAGE_DIFF_ADDED, NULL, new};
		} else if (!same(old, new)) {
			lines[count++] = (struct image_diff_line){IMAGE_DIFF_CHANGED, old, new};
		}
		b += order <= 0;
		a += order >= 0;
	}
	*ret_count = count;
	return lines;
}
