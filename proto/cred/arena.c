#include "proto/cred/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_CHUNK_BYTES 65536

struct arena_chunk {
	struct arena_chunk *next;
	size_t bytes, used;
	max_align_t data[];
};

void *arena_alloc(struct arena *arena, size_t bytes)
{
	size_t need = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	struct arena_chunk *chunk = arena->chunks;
	void *data;

	assert(need >= bytes);
	if (chunk == NULL || chunk->bytes - chunk->used < need) {
		size_t size = need > ARENA_CHUNK_BYTES ? need : ARENA_CHUNK_BYTES;

		chunk = calloc(1, sizeof *chunk + size);
		if (chunk == NULL) {
			abort();
		}
		chunk->bytes = size;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	data = (unsigned char *)chunk->data + chunk->used;
	chunk->used += need;
	return data;
}

char *arena_copy(struct arena *arena, const char *text, size_t bytes)
{
	char *copy = arena_alloc(arena, bytes + 1);

	if (bytes > 0) {
		memcpy(copy, text, bytes);
	}
	return copy;
}

void arena_fini(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
}
