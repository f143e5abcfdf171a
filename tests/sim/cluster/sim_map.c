#include "tests/sim/cluster/sim_map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int compare(const struct sim_record *record, const uint8_t *key, size_t key_bytes)
{
	size_t shorter = record->key_bytes < key_bytes ? record->key_bytes : key_bytes;
	int order = memcmp(record->byte, key, shorter);

	if (order != 0)
		return order;
	return record->key_bytes < key_bytes ? -1 : record->key_bytes > key_bytes;
}

size_t sim_map_find(const struct sim_map *map, const uint8_t *key, size_t key_bytes)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(map->record[middle], key, key_bytes) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct sim_map *map, size_t at, const uint8_t *key, size_t key_bytes)
{
	return at < map->count && compare(map->record[at], key, key_bytes) == 0;
}

static void make_room(struct sim_map *map, size_t at)
{
	if (map->count == map->capacity) {
		map->capacity = map->capacity == 0 ? 64 : map->capacity * 2;
		map->record = realloc(map->record, map->capacity * sizeof *map->record);
		if (map->record == NULL)
			abort();
	}
	memmove(map->record + at + 1, map->record + at, (map->count - at) * sizeof *map->record);
	map->count++;
}

void sim_map_put(struct sim_map *map, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes)
{
	size_t at = sim_map_find(map, key, key_bytes);
	struct sim_record *record = malloc(sizeof *record + key_bytes + value_bytes);

	if (record == NULL)
		abort();
	record->key_bytes = key_bytes;
	record->value_bytes = value_bytes;
	memcpy(record->byte, key, key_bytes);
	if (value_bytes > 0)
		memcpy(record->byte + key_bytes, value, value_bytes);
	if (is_at(map, at, key, key_bytes))
		free(map->record[at]);
	else
		make_room(map, at);
	map->record[at] = record;
}

void sim_map_remove(struct sim_map *map, const uint8_t *key, size_t key_bytes)
{
	size_t at = sim_map_find(map, key, key_bytes);

	if (!is_at(map, at, key, key_bytes))
		return;
	free(map->record[at]);
	map->count--;
	memmove(map->record + at, map->record + at + 1, (map->count - at) * sizeof *map->record);
}

const struct sim_record *sim_map_get(
	const struct sim_map *map, const uint8_t *key, size_t key_bytes)
{
	size_t at = sim_map_find(map, key, key_bytes);

	return is_at(map, at, key, key_bytes) ? map->record[at] : NULL;
}

void sim_map_clear(struct sim_map *map)
{
	for (size_t i = 0; i < map->count; i++)
		free(map->record[i]);
	free(map->record);
	*map = (struct sim_map){0};
}
