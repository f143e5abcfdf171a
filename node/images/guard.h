/* node/images/guard.h: which blobs must not be removed: those of a version in the state, and those
 * of a push in progress.
 *
 * Any thread. Removal asks under the guard's lock, so a blob that a push has just been told is here
 * cannot vanish.
 */
#ifndef NODE_IMAGES_GUARD_H
#define NODE_IMAGES_GUARD_H

#include "store/blob/blob.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_guard;

struct image_guard *image_guard_new(void);
void image_guard_free(struct image_guard *guard);
/* Keep this blob until the given time (any steady clock, the same in all calls); a later time
 * extends, an earlier one does nothing. */
void image_guard_pin(struct image_guard *guard, const uint8_t sha256[32], uint64_t until_ms);
/* The blobs of all versions in the state: replaces the set given before. The array is copied. */
void image_guard_refer(struct image_guard *guard, const uint8_t (*sha256)[32], size_t count);
bool image_guard_holds(struct image_guard *guard, const uint8_t sha256[32], uint64_t now_ms);
/* Remove the blob unless it is held. 1 removed, 0 held, or negative errno of blob_remove(). */
int image_guard_remove(struct image_guard *guard, struct blob_store *blobs,
	const uint8_t sha256[32], uint64_t now_ms);

#endif
