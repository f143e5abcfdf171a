/* node/content/content_cache.h: the file lists of versions, kept unpacked: a list never changes,
 * its name is its digest.
 *
 * Any thread. Whether a version may be seen is asked of the state each time; only its list is kept
 * here.
 */
#ifndef NODE_CONTENT_CONTENT_CACHE_H
#define NODE_CONTENT_CONTENT_CACHE_H

#include "proto/msg/records.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct content_cache;

struct content_cache *content_cache_new(void);
void content_cache_free(struct content_cache *cache);
/* Look `path` up in the list of this digest; if it is not there, the one path that differs in case
 * only. 1: found, hash and size are filled in; 0: the list is here and has no such file; -1: the
 * list is not here. */
int content_cache_find(struct content_cache *cache, const uint8_t digest[32], const char *path,
	uint8_t ret_sha256[32], uint64_t *ret_bytes);
/* Copies what it needs; the longest unused list makes room. */
void content_cache_add(
	struct content_cache *cache, const uint8_t digest[32], const Pxe__ImageVersion *version);

#endif
