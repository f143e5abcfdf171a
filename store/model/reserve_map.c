#include "store/model/reserve_map.h"

#include "store/model/internal.h"
#include <assert.h>
#include <stdlib.h>

static uint32_t reserve_hash(uint32_t number)
{
	uint32_t hash = number * 0x9e3779b1u;
	return hash ^ (hash >> 15);
}

/* ---- blocks ---- */

/* The addresses of these bits may be free now, or are no more. */
static void reserve_on_bits(struct model *model, uint32_t first_ip, uint64_t mask)
{
	for (; mask != 0; mask &= mask - 1)
		pool_map_on_ip(model, first_ip + (uint32_t)__builtin_ctzll(mask));
}

void reserve_map_on_block(struct model *model, const Pxe__Block *old, const Pxe__Block *now)
{
	struct reserve_map *map = &model->reserves;
	uint32_t first_ip = msg_ip4_get(now != NULL ? now->first_ip : old->first_ip);
	uint32_t hash = reserve_hash(first_ip / MODEL_BLOCK_IPS);
	uint64_t changed = 0;
	if (old != NULL) {
		assert(msg_ip4_get(old->first_ip) == first_ip);
		table_remove(&map->blocks, hash, old);
		map->orphans -= old->free_at_ms != 0 ? 1 : 0;
		changed ^= old->mask;
	}
	if (now != NULL) {
		table_put(&map->blocks, hash, (void *)(uintptr_t)now);
		map->orphans += now->free_at_ms != 0 ? 1 : 0;
		changed ^= now->mask;
	}
	reserve_on_bits(model, first_ip, changed);
}

const Pxe__Block *model_block_of(const struct model *model, uint32_t ip)
{
	size_t cursor = 0;
	const Pxe__Block *block;
	while ((block = table_next(&model->reserves.blocks, reserve_hash(ip / MODEL_BLOCK_IPS),
			&cursor)) != NULL) {
		uint32_t first_ip = msg_ip4_get(block->first_ip);
		if (first_ip / MODEL_BLOCK_IPS == ip / MODEL_BLOCK_IPS &&
			(block->mask >> (ip % MODEL_BLOCK_IPS) & 1) != 0)
			return block;
	}
	return NULL;
}

/* ---- holds ---- */

static struct reserve_hold *reserve_next(const struct reserve_map *map, uint32_t ip, size_t *cursor)
{
	struct reserve_hold *entry;
	while ((entry = table_next(&map->holds, reserve_hash(ip), cursor)) != NULL) {
		if (entry->node.ip == ip)
			return entry;
	}
	return NULL;
}

static void reserve_drop_hold(struct reserve_map *map, const Pxe__Hold *hold)
{
	size_t cursor = 0;
	struct reserve_hold *entry;
	uint32_t ip = msg_ip4_get(hold->ip);
	while ((entry = reserve_next(map, ip, &cursor)) != NULL && entry->hold != hold)
		;
	assert(entry != NULL);
	table_remove(&map->holds, reserve_hash(ip), entry);
	heap_remove(&map->oldest, &entry->node);
	free(entry);
}

static void reserve_add_hold(struct reserve_map *map, const Pxe__Hold *hold)
{
	struct reserve_hold *entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		abort();
	*entry = (struct reserve_hold){
		.node = {.at_ms = hold->since_ms, .ip = msg_ip4_get(hold->ip)}, .hold = hold};
	table_put(&map->holds, reserve_hash(entry->node.ip), entry);
	heap_put(&map->oldest, &entry->node);
}

void reserve_map_on_hold(struct model *model, const Pxe__Hold *old, const Pxe__Hold *now)
{
	if (old != NULL)
		reserve_drop_hold(&model->reserves, old);
	if (now != NULL)
		reserve_add_hold(&model->reserves, now);
	pool_map_on_ip(model, msg_ip4_get(now != NULL ? now->ip : old->ip));
}

bool reserve_map_has_hold(const struct reserve_map *map, uint32_t ip)
{
	size_t cursor = 0;
	return reserve_next(map, ip, &cursor) != NULL;
}

const Pxe__Hold *reserve_map_next_hold(const struct reserve_map *map, uint32_t ip, size_t *cursor)
{
	const struct reserve_hold *entry = reserve_next(map, ip, cursor);
	return entry == NULL ? NULL : entry->hold;
}

const Pxe__Hold *reserve_map_oldest_hold(const struct reserve_map *map)
{
	const struct heap_node *first = heap_first(&map->oldest);
	if (first == NULL)
		return NULL;
	/* The node is the entry's first member. */
	return ((const struct reserve_hold *)(const void *)first)->hold;
}

void reserve_map_fini(struct reserve_map *map)
{
	for (size_t i = 0; i < map->oldest.count; i++)
		free((struct reserve_hold *)(void *)map->oldest.nodes[i]);
	heap_fini(&map->oldest);
	table_fini(&map->blocks);
	table_fini(&map->holds);
	*map = (struct reserve_map){0};
}
