/* ctl/image_push.h: files as a new version of an image, on all nodes. */
#ifndef CTL_IMAGE_PUSH_H
#define CTL_IMAGE_PUSH_H

#include "ctl/image_files.h"

/* What `path` names, as a directory or file that image_files_read() takes: an archive is unpacked
 * (unless as_file) into a tree that image_source_close() removes. */
struct image_source {
	char path[4096];
	void *tree; /* struct temp_tree; NULL: none */
};
int image_source_open(
	const struct ctl *ctl, const char *path, bool as_file, struct image_source *ret_source);
void image_source_close(struct image_source *source);

/* Send what the cluster lacks, commit, wait until every living node holds it, tell the result. An
 * exit code. */
int image_push(struct ctl *ctl, struct image_files *files);
/* A source from end to end: hash, push. */
int image_push_path(struct ctl *ctl, const char *image, const char *path,
	const char *const *patterns, size_t pattern_count);

#endif
