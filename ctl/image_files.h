/* ctl/image_files.h: a directory or file as an image version: its files, their SHA-256, the digest
 * that names the whole. Blocks on the disk. */
#ifndef CTL_IMAGE_FILES_H
#define CTL_IMAGE_FILES_H

#include "ctl/image_hash.h"

struct image_files {
	Pxe__ImageVersion *version; /* image, digest, files in byte order of their paths, bytes */
	char **sources;             /* where each file is, parallel to version->files */
	struct image_stamp *stamps; /* what each was when it was hashed */
};

/* patterns: keep only files whose path or last name matches one of them; none: all. Symbolic links
 * are followed in the directory, unless they lead in a circle (16 levels); a file that is outside
 * of it refuses the whole. CTL_OK, or an exit code after telling. */
int image_files_read(const struct ctl *ctl, const char *image, const char *path,
	const char *const *patterns, size_t pattern_count, struct image_files *ret_files);
/* A file by the path that it has in the image, and where it is now. */
struct image_file_at {
	char *path, *source;
	uint64_t bytes;
};
/* The same of a list of files, in any order. */
int image_files_of(const struct ctl *ctl, const char *image, struct image_file_at *list,
	size_t count, struct image_files *ret_files);
void image_files_fini(struct image_files *files);

#endif
