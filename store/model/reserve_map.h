/* store/model/reserve_map.h: blocks and holds, found by address, and what of them waits for a time.
 *
 * Pure, but for the heap memory it owns. Derived from the records.
 */
#ifndef STORE_MODEL_RESERVE_MAP_H
#define STORE_MODEL_RESERVE_MAP_H

#include "proto/msg/records.pb-c.h"
#include "store/model/heap.h"
#include "store/model/table.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;

/* All zero is an empty map. */
struct reserve_map {
	struct table blocks; /* Pxe__Block, borrowed, by its window */
	struct table holds;  /* struct reserve_hold, by address */
	struct heap oldest;  /* holds by since_ms */
	size_t orphans;      /* blocks with free_at_ms */
};

struct reserve_hold {
	struct heap_node node;
	const Pxe__Hold *hold; /* borrowed */
};

void reserve_map_fini(struct reserve_map *map);

/* Follow a change of records that has been made: the message before and after, NULL for none. */
void reserve_map_on_block(struct model *model, const Pxe__Block *old, const Pxe__Block *now);
void reserve_map_on_hold(struct model *model, const Pxe__Hold *old, const Pxe__Hold *now);

bool reserve_map_has_hold(const struct reserve_map *map, uint32_t ip);
/* The next hold of an address, in no defined order; NULL at the end. *cursor is 0 at first. */
const Pxe__Hold *reserve_map_next_hold(const struct reserve_map *map, uint32_t ip, size_t *cursor);
/* The hold that began first; NULL: none. */
const Pxe__Hold *reserve_map_oldest_hold(const struct reserve_map *map);

#endif
