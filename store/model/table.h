/* store/model/table.h: an open hash table of pointers that grows; it owns its slots, never the
 * items. Pure.
 *
 * Several items may have one hash, and one item may be put only once. Callers compare; order of
 * visits is not defined, so no result that is replicated may depend on it.
 */
#ifndef STORE_MODEL_TABLE_H
#define STORE_MODEL_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_slot {
	void *item; /* NULL: empty */
	uint32_t hash;
};

/* All zero is an empty table. */
struct table {
	struct table_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

void table_fini(struct table *table);
void table_put(struct table *table, uint32_t hash, void *item);
/* The item must be in the table. */
void table_remove(struct table *table, uint32_t hash, const void *item);
/* The next item with this hash, NULL at the end. *cursor is 0 at first; the table must not change
 * between. */
void *table_next(const struct table *table, uint32_t hash, size_t *cursor);

/* The same on every machine: FNV-1a and a finalizer. */
uint64_t table_hash(const void *data, size_t data_bytes, uint64_t seed);

#endif
