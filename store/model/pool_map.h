/* store/model/pool_map.h: which addresses may be given out now: subnets and pools by address, and a
 * bit per pool address.
 *
 * Pure, but for the heap memory it owns. Derived from the records: a bit is set when the address
 * has no lease record, is not excluded, is reserved for no host, in no block and under no hold, and
 * is none of those that never go to a client (model_reserves_for_itself()).
 */
#ifndef STORE_MODEL_POOL_MAP_H
#define STORE_MODEL_POOL_MAP_H

#include "proto/msg/records.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;

/* Spans do not overlap and are sorted by address; host order, both ends included. */
struct pool_span {
	uint32_t first, last;
	const Pxe__Pool *pool; /* the record's message, borrowed */
	uint64_t *free_bits;   /* bit i: address first + i */
	size_t free_count;
};

struct pool_subnet {
	uint32_t first, last;
	const Pxe__Subnet *subnet; /* borrowed */
};

/* Whether a pool may be used for whom an address is looked for. */
struct pool_guard {
	void *ctx;
	bool (*admits)(void *ctx, const Pxe__Pool *pool);
};

/* All zero is an empty map. */
struct pool_map {
	struct pool_span *spans;
	size_t span_count, span_capacity;
	struct pool_subnet *subnets;
	size_t subnet_count, subnet_capacity;
	uint64_t address_count; /* of all spans */
};

void pool_map_fini(struct pool_map *map);

/* Follow a change of records that has been made: the message before and after, NULL for none. */
void pool_map_on_subnet(struct model *model, const Pxe__Subnet *old, const Pxe__Subnet *now);
void pool_map_on_pool(struct model *model, const Pxe__Pool *old, const Pxe__Pool *now);
/* The address's lease, reservation, block, holds, or use by the cluster itself changed. */
void pool_map_on_ip(struct model *model, uint32_t ip);

/* NULL: none. */
const struct pool_subnet *pool_map_subnet_of(const struct pool_map *map, uint32_t ip);
const struct pool_span *pool_map_span_of(const struct pool_map *map, uint32_t ip);
/* The spans inside a range of addresses: from *ret_begin up to but without the returned index. */
size_t pool_map_spans_in(
	const struct pool_map *map, uint32_t first, uint32_t last, size_t *ret_begin);
/* The free addresses of a span in the window of 64 that begins at window_ip: bit i, window_ip + i.
 */
uint64_t pool_map_window(const struct pool_span *span, uint32_t window_ip);
bool pool_map_is_free(const struct pool_map *map, uint32_t ip);
/* A free address of the pools between first and last, the first one at or after the place that
 * `hash` points to, in pools that the guard admits (NULL: all); 0: all taken. Costs a scan of the
 * bits, word by word; pools that are full are skipped. */
uint32_t pool_map_pick(const struct pool_map *map, uint32_t first, uint32_t last, uint64_t hash,
	const struct pool_guard *guard);

#endif
