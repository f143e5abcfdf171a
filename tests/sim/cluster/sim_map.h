/* tests/sim/cluster/sim_map.h: records in the order of their keys, as LMDB has them. Pure but for
 * its memory. */
#ifndef TESTS_SIM_CLUSTER_SIM_MAP_H
#define TESTS_SIM_CLUSTER_SIM_MAP_H

#include <stddef.h>
#include <stdint.h>

struct sim_record {
	size_t key_bytes, value_bytes;
	uint8_t byte[]; /* key, value */
};

/* All zero is empty. */
struct sim_map {
	struct sim_record **record;
	size_t count, capacity;
};

void sim_map_put(struct sim_map *map, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes);
void sim_map_remove(struct sim_map *map, const uint8_t *key, size_t key_bytes);
/* NULL: none. */
const struct sim_record *sim_map_get(
	const struct sim_map *map, const uint8_t *key, size_t key_bytes);
/* The position of the first record that is not below the key. */
size_t sim_map_find(const struct sim_map *map, const uint8_t *key, size_t key_bytes);
void sim_map_clear(struct sim_map *map);

#endif
