/* store/model/heap.h: what waits for a time, the earliest first; ties go by address. Pure, but for
 * the slots that it owns; nodes are part of the things that wait. */
#ifndef STORE_MODEL_HEAP_H
#define STORE_MODEL_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
	uint64_t at_ms;
	uint32_t ip;    /* of two at the same time, the lower is first */
	uint32_t place; /* of the heap */
};

/* All zero is an empty heap. */
struct heap {
	struct heap_node **nodes;
	size_t count, capacity;
};

void heap_fini(struct heap *heap);
/* The node stays where it is in memory, and as it is, until it is removed. */
void heap_put(struct heap *heap, struct heap_node *node);
/* The node must be in the heap. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* NULL: empty. */
struct heap_node *heap_first(const struct heap *heap);

#endif
