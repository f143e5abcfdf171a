/* proto/cred/credfile.h: reading and replacing the small text files of this folder. Blocks on the
 * disk. */
#ifndef PROTO_CRED_CREDFILE_H
#define PROTO_CRED_CREDFILE_H

#include <stddef.h>
#include <sys/types.h>

/* Read all of a file into heap memory with a NUL after it (the caller frees it). 0, -EFBIG beyond
 * max_bytes, -EINVAL if there is a zero byte in it, or the error of the system, with a line in
 * ret_error. */
int credfile_read(
	const char *path, size_t max_bytes, char **ret_text, char *ret_error, size_t error_bytes);
/* Write beside, sync, rename, sync the directory: readers see the old file or the new one. If the
 * file exists and we may, its owner and group are kept. 0 or negative errno with a line in
 * ret_error. */
int credfile_replace(
	const char *path, mode_t mode, const char *text, char *ret_error, size_t error_bytes);

#endif
