#include "store/model/table.h"

#include <assert.h>
#include <stdlib.h>

void table_fini(struct table *table)
{
	free(table->slots);
	*table = (struct table){0};
}

static void table_place(struct table *table, uint32_t hash, void *item)
{
	size_t mask = table->capacity - 1;
	size_t at = hash & mask;
	while (table->slots[at].item != NULL)
		at = (at + 1) & mask;
	table->slots[at] = (struct table_slot){.item = item, .hash = hash};
}

static void table_grow(struct table *table)
{
	struct table_slot *old = table->slots;
	size_t old_capacity = table->capacity;
	table->capacity = old_capacity == 0 ? 64 : 2 * old_capacity;
	table->slots = calloc(table->capacity, sizeof(*table->slots));
	if (table->slots == NULL)
		abort();
	for (size_t i = 0; i < old_capacity; i++) {
		if (old[i].item != NULL)
			table_place(table, old[i].hash, old[i].item);
	}
	free(old);
}

void table_put(struct table *table, uint32_t hash, void *item)
{
	assert(item != NULL);
	if ((table->count + 1) * 3 > table->capacity * 2)
		table_grow(table);
	table_place(table, hash, item);
	table->count++;
}

/* Close the gap: items behind it that probed over it move forward. */
static void table_close_gap(struct table *table, size_t gap)
{
	size_t mask = table->capacity - 1;
	size_t at = gap;
	for (;;) {
		at = (at + 1) & mask;
		if (table->slots[at].item == NULL)
			break;
		size_t home = table->slots[at].hash & mask;
		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		table->slots[gap] = table->slots[at];
		gap = at;
	}
	table->slots[gap].item = NULL;
}

void table_remove(struct table *table, uint32_t hash, const void *item)
{
	assert(table->count > 0);
	size_t mask = table->capacity - 1;
	size_t at = hash & mask;
	while (table->slots[at].item != item) {
		assert(table->slots[at].item != NULL);
		at = (at + 1) & mask;
	}
	table_close_gap(table, at);
	table->count--;
}

void *table_next(const struct table *table, uint32_t hash, size_t *cursor)
{
	if (table->capacity == 0)
		return NULL;
	size_t mask = table->capacity - 1;
	for (;;) {
		const struct table_slot *slot = &table->slots[(hash + *cursor) & mask];
		if (slot->item == NULL)
			return NULL;
		(*cursor)++;
		if (slot->hash == hash)
			return slot->item;
	}
}

uint64_t table_hash(const void *data, size_t data_bytes, uint64_t seed)
{
	const uint8_t *bytes = data;
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;
	for (size_t i = 0; i < data_bytes; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ (hash >> 33);
}
