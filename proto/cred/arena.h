/* proto/cred/arena.h: memory that is given back all at once: for what is read from a file and
 * belongs together.
 *
 * Pure. Running out of memory ends the process.
 */
#ifndef PROTO_CRED_ARENA_H
#define PROTO_CRED_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* All zero is an empty arena. */
struct arena {
	struct arena_chunk *chunks;
};

/* Zeroed, for any type, until arena_fini(). */
void *arena_alloc(struct arena *arena, size_t bytes);
/* A string of these bytes. */
char *arena_copy(struct arena *arena, const char *text, size_t bytes);
void arena_fini(struct arena *arena);

#endif
