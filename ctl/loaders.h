/* ctl/loaders.h: the boot programs that Debian's packages bring, and the images that are made of
 * them; the paths are those that the nodes' built-in tables of loaders name. A table. */
#ifndef CTL_LOADERS_H
#define CTL_LOADERS_H

#include <stdbool.h>
#include <stddef.h>

struct loader_file {
	const char *source; /* a file; with '*' at the end of the last part: all that match */
	const char *path;   /* in the image; "" for a pattern: their own names */
	const char *package;
	bool optional; /* other packages' builds of it, or of other versions */
};

struct loader_image {
	const char *name;
	const char *help;
	const struct loader_file *files;
	size_t file_count;
};

/* By number; NULL past the last. */
const struct loader_image *loader_image_at(size_t index);
const struct loader_image *loader_image_find(const char *name);

#endif
