#include "store/model/pool_map.h"

#include "store/model/internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t pool_span_size(const struct pool_span *span)
{
	return (size_t)(span->last - span->first) + 1;
}

void pool_map_fini(struct pool_map *map)
{
	for (size_t i = 0; i < map->span_count; i++)
		free(map->spans[i].free_bits);
	free(map->spans);
	free(map->subnets);
	*map = (struct pool_map){0};
}

/* ---- subnets ---- */

/* Index of the first subnet that ends at or after ip. */
static size_t pool_subnet_lower(const struct pool_map *map, uint32_t ip)
{
	size_t low = 0, high = map->subnet_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (map->subnets[middle].last < ip)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct pool_subnet *pool_map_subnet_of(const struct pool_map *map, uint32_t ip)
{
	size_t at = pool_subnet_lower(map, ip);
	if (at == map->subnet_count || map->subnets[at].first > ip)
		return NULL;
	return &map->subnets[at];
}

static void pool_subnet_drop(struct pool_map *map, const Pxe__Subnet *subnet)
{
	size_t at = 0;
	while (at < map->subnet_count && map->subnets[at].subnet != subnet)
		at++;
	if (at == map->subnet_count)
		return;
	map->subnet_count--;
	memmove(&map->subnets[at], &map->subnets[at + 1],
		(map->subnet_count - at) * sizeof(*map->subnets));
}

static void pool_subnet_insert(struct pool_map *map, const Pxe__Subnet *subnet)
{
	struct pool_subnet entry = {.subnet = subnet};
	internal_subnet_range(subnet, &entry.first, &entry.last);
	if (map->subnet_count == map->subnet_capacity) {
		map->subnet_capacity = map->subnet_capacity == 0 ? 16 : 2 * map->subnet_capacity;
		map->subnets = realloc(map->subnets, map->subnet_capacity * sizeof(*map->subnets));
		if (map->subnets == NULL)
			abort();
	}
	size_t at = pool_subnet_lower(map, entry.first);
	memmove(&map->subnets[at + 1], &map->subnets[at],
		(map->subnet_count - at) * sizeof(*map->subnets));
	map->subnets[at] = entry;
	map->subnet_count++;
}

/* ---- spans ---- */

static size_t pool_span_lower(const struct pool_map *map, uint32_t ip)
{
	size_t low = 0, high = map->span_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (map->spans[middle].last < ip)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct pool_span *pool_map_span_of(const struct pool_map *map, uint32_t ip)
{
	size_t at = pool_span_lower(map, ip);
	if (at == map->span_count || map->spans[at].first > ip)
		return NULL;
	return &map->spans[at];
}

size_t pool_map_spans_in(
	const struct pool_map *map, uint32_t first, uint32_t last, size_t *ret_begin)
{
	size_t begin = pool_span_lower(map, first);
	size_t end = begin;
	while (end < map->span_count && map->spans[end].last <= last)
		end++;
	*ret_begin = begin;
	return end;
}

static bool pool_bit(const struct pool_span *span, size_t bit)
{
	return (span->free_bits[bit / 64] >> (bit % 64) & 1) != 0;
}

static void pool_bit_set(struct pool_span *span, size_t bit, bool is_free)
{
	if (pool_bit(span, bit) == is_free)
		return;
	span->free_bits[bit / 64] ^= UINT64_C(1) << (bit % 64);
	if (is_free)
		span->free_count++;
	else
		span->free_count--;
}

bool pool_map_is_free(const struct pool_map *map, uint32_t ip)
{
	const struct pool_span *span = pool_map_span_of(map, ip);
	return span != NULL && pool_bit(span, ip - span->first);
}

static bool pool_ip_is_free(const struct model *model, const struct pool_span *span,
	const Pxe__Subnet *subnet, uint32_t ip)
{
	return !internal_pool_excludes(span->pool, ip) &&
	       lease_table_find(&model->leases, ip) == NULL && model_block_of(model, ip) == NULL &&
	       !reserve_map_has_hold(&model->reserves, ip) &&
	       !internal_never_leased(model, subnet, ip) && internal_reservation(model, ip) == NULL;
}

static void pool_span_fill(struct model *model, struct pool_span *span)
{
	const Pxe__Subnet *subnet = model_subnet(model, span->pool->subnet);
	for (size_t bit = 0; bit < pool_span_size(span); bit++) {
		uint32_t ip = span->first + (uint32_t)bit;
		pool_bit_set(span, bit, subnet != NULL && pool_ip_is_free(model, span, subnet, ip));
	}
}

void pool_map_on_ip(struct model *model, uint32_t ip)
{
	const struct pool_span *found = pool_map_span_of(&model->pools, ip);
	if (found == NULL)
		return;
	struct pool_span *span = &model->pools.spans[found - model->pools.spans];
	const Pxe__Subnet *subnet = model_subnet(model, span->pool->subnet);
	bool is_free = subnet != NULL && pool_ip_is_free(model, span, subnet, ip);
	pool_bit_set(span, ip - span->first, is_free);
}

void pool_map_on_subnet(struct model *model, const Pxe__Subnet *old, const Pxe__Subnet *now)
{
	struct pool_map *map = &model->pools;
	if (old != NULL)
		pool_subnet_drop(map, old);
	if (now != NULL)
		pool_subnet_insert(map, now);
	const char *name = now != NULL ? now->name : old->name;
	for (size_t i = 0; i < map->span_count; i++) {
		if (strcmp(map->spans[i].pool->subnet, name) == 0)
			pool_span_fill(model, &map->spans[i]);
	}
}

static void pool_span_drop(struct pool_map *map, const Pxe__Pool *pool)
{
	size_t at = 0;
	while (at < map->span_count && map->spans[at].pool != pool)
		at++;
	if (at == map->span_count)
		return;
	map->address_count -= pool_span_size(&map->spans[at]);
	free(map->spans[at].free_bits);
	map->span_count--;
	memmove(&map->spans[at], &map->spans[at + 1], (map->span_count - at) * sizeof(*map->spans));
}

static struct pool_span *pool_span_insert(struct pool_map *map, const Pxe__Pool *pool)
{
	struct pool_span span = {.first = msg_ip4_get(pool->first_ip),
		.last = msg_ip4_get(pool->last_ip),
		.pool = pool};
	assert(span.first <= span.last);
	if (map->span_count == map->span_capacity) {
		map->span_capacity = map->span_capacity == 0 ? 16 : 2 * map->span_capacity;
		map->spans = realloc(map->spans, map->span_capacity * sizeof(*map->spans));
		if (map->spans == NULL)
			abort();
	}
	span.free_bits = calloc((pool_span_size(&span) + 63) / 64, sizeof(*span.free_bits));
	if (span.free_bits == NULL)
		abort();
	size_t at = pool_span_lower(map, span.first);
	memmove(&map->spans[at + 1], &map->spans[at], (map->span_count - at) * sizeof(*map->spans));
	map->spans[at] = span;
	map->span_count++;
	map->address_count += pool_span_size(&span);
	return &map->spans[at];
}

void pool_map_on_pool(struct model *model, const Pxe__Pool *old, const Pxe__Pool *now)
{
	if (old != NULL)
		pool_span_drop(&model->pools, old);
	if (now != NULL)
		pool_span_fill(model, pool_span_insert(&model->pools, now));
}

/* ---- choice ---- */

static uint64_t pool_span_word(const struct pool_span *span, int64_t index)
{
	int64_t words = (int64_t)((pool_span_size(span) + 63) / 64);
	return index < 0 || index >= words ? 0 : span->free_bits[index];
}

uint64_t pool_map_window(const struct pool_span *span, uint32_t window_ip)
{
	assert(window_ip % 64 == 0);
	int64_t bit = (int64_t)window_ip - (int64_t)span->first;
	int64_t index = bit >= 0 ? bit / 64 : -((63 - bit) / 64);
	unsigned shift = (unsigned)(bit - index * 64);
	uint64_t low = pool_span_word(span, index);
	return shift == 0 ? low : low >> shift | pool_span_word(span, index + 1) << (64 - shift);
}

/* First free address of a span at or after bit `from` and before bit `to`; 0: none. */
static uint32_t pool_span_pick(const struct pool_span *span, size_t from, size_t to)
{
	if (span->free_count == 0 || from >= to)
		return 0;
	for (size_t word = from / 64; word <= (to - 1) / 64; word++) {
		uint64_t bits = span->free_bits[word];
		if (word == from / 64)
			bits &= UINT64_MAX << (from % 64);
		if (bits == 0)
			continue;
		size_t bit = word * 64 + (size_t)__builtin_ctzll(bits);
		return bit < to ? span->first + (uint32_t)bit : 0;
	}
	return 0;
}

static bool pool_span_admits(const struct pool_span *span, const struct pool_guard *guard)
{
	return guard == NULL || guard->admits(guard->ctx, span->pool);
}

uint32_t pool_map_pick(const struct pool_map *map, uint32_t first, uint32_t last, uint64_t hash,
	const struct pool_guard *guard)
{
	size_t begin;
	size_t end = pool_map_spans_in(map, first, last, &begin);
	uint64_t total = 0;
	for (size_t i = begin; i < end; i++)
		total += pool_span_size(&map->spans[i]);
	if (total == 0)
		return 0;
	size_t offset = (size_t)(hash % total);
	size_t at = begin;
	while (offset >= pool_span_size(&map->spans[at]))
		offset -= pool_span_size(&map->spans[at++]);
	uint32_t ip = 0;
	for (size_t step = 0; ip == 0 && step <= end - begin; step++) {
		const struct pool_span *span =
			&map->spans[begin + (at - begin + step) % (end - begin)];
		bool is_last = step == end - begin; /* back where it began */
		if (pool_span_admits(span, guard))
			ip = pool_span_pick(span, step == 0 ? offset : 0,
				is_last ? offset : pool_span_size(span));
	}
	return ip;
}
