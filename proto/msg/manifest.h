/* proto/msg/manifest.h: the text whose SHA-256 names a version of an image.
 *
 * Pure. One line per file, "sha256hex  bytes  path\n" with two blanks between, in byte order of the
 * paths. Both ends hash it with their own SHA-256: pxectl names the version it pushes, the node
 * that takes it computes the name again.
 */
#ifndef PROTO_MSG_MANIFEST_H
#define PROTO_MSG_MANIFEST_H

#include "proto/msg/records.pb-c.h"
#include <stdbool.h>
#include <stddef.h>

#define MANIFEST_FILES_MAX 4096
#define MANIFEST_PATH_MAX  255 /* bytes of one path */

/* A path as below: relative, up to MANIFEST_PATH_MAX bytes, no empty, "." or ".." parts, no
 * backslashes or control bytes. */
bool manifest_path_is_plain(const char *path);

/* What a version may hold: 1 to MANIFEST_FILES_MAX files, each with a 32-byte SHA-256 and a
 * relative path of up to MANIFEST_PATH_MAX bytes without empty, "." or ".." parts, backslashes or
 * control bytes; no path twice, none below another; `bytes` of the version, if not 0, is the sum of
 * the files. 0, or -EINVAL / -E2BIG with a line for a person. */
int manifest_check(const Pxe__ImageVersion *version, char *ret_error, size_t error_bytes);

/* The text (heap, the caller frees; NUL-terminated, *ret_bytes without the NUL). -EINVAL or -E2BIG
 * as above. */
int manifest_text(const Pxe__ImageVersion *version, char **ret_text, size_t *ret_bytes);

/* A copy of its own (heap, free_unpacked). Running out of memory ends the process. */
Pxe__ImageVersion *manifest_copy(const Pxe__ImageVersion *version);

#endif
