#include "store/model/heap.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

void heap_fini(struct heap *heap)
{
	free(heap->nodes);
	*heap = (struct heap){0};
}

static bool heap_is_before(const struct heap_node *a, const struct heap_node *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->ip < b->ip;
}

static void heap_set(struct heap *heap, size_t at, struct heap_node *node)
{
	heap->nodes[at] = node;
	node->place = (uint32_t)at;
}

/* Put the node where it belongs, beginning at the gap `at`. */
static void heap_settle(struct heap *heap, struct heap_node *node, size_t at)
{
	while (at > 0 && heap_is_before(node, heap->nodes[(at - 1) / 2])) {
		heap_set(heap, at, heap->nodes[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (size_t child = 2 * at + 1; child < heap->count; child = 2 * at + 1) {
		if (child + 1 < heap->count &&
			heap_is_before(heap->nodes[child + 1], heap->nodes[child]))
			child++;
		if (!heap_is_before(heap->nodes[child], node))
			break;
		heap_set(heap, at, heap->nodes[child]);
		at = child;
	}
	heap_set(heap, at, node);
}

void heap_put(struct heap *heap, struct heap_node *node)
{
	assert(node != NULL);
	if (heap->count == heap->capacity) {
		size_t capacity = heap->capacity == 0 ? 64 : 2 * heap->capacity;
		struct heap_node **nodes = realloc(heap->nodes, capacity * sizeof(*nodes));
		if (nodes == NULL)
			abort();
		heap->nodes = nodes;
		heap->capacity = capacity;
	}
	heap->count++;
	heap_settle(heap, node, heap->count - 1);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	assert(node->place < heap->count && heap->nodes[node->place] == node);
	heap->count--;
	struct heap_node *last = heap->nodes[heap->count];
	if (last != node)
		heap_settle(heap, last, node->place);
}

struct heap_node *heap_first(const struct heap *heap)
{
	return heap->count == 0 ? NULL : heap->nodes[0];
}
