#include "store/model/machine_map.h"

#include "store/model/keep.h"
#include <assert.h>
#include <string.h>

#define MAP_KEY_MAX (8 + 16)

static size_t map_key(const Pxe__Machine *machine, uint8_t ret_key[MAP_KEY_MAX])
{
	assert(machine->mac.len <= 16);
	for (unsigned i = 0; i < 8; i++)
		ret_key[i] = (uint8_t)(machine->last_ms >> (56 - 8 * i));
	memcpy(ret_key + 8, machine->mac.data, machine->mac.len);
	return 8 + machine->mac.len;
}

void machine_map_fini(struct machine_map *map)
{
	shelf_fini(&map->waiting);
	shelf_fini(&map->declared);
	map->is_stale = false;
}

void machine_map_on_machine(struct model *model, const Pxe__Machine *old, const Pxe__Machine *now)
{
	uint8_t key[MAP_KEY_MAX];
	if (old != NULL) {
		size_t key_bytes = map_key(old, key);
		shelf_record_free(shelf_take(&model->machines.waiting, key, key_bytes));
		shelf_record_free(shelf_take(&model->machines.declared, key, key_bytes));
	}
	if (now != NULL) {
		size_t key_bytes = map_key(now, key);
		(void)shelf_make(&model->machines.waiting, key, key_bytes);
	}
}

void machine_map_on_host_gone(struct model *model)
{
	model->machines.is_stale = true;
}

static const Pxe__Machine *map_machine(const struct model *model, const struct shelf *shelf)
{
	if (shelf->count == 0)
		return NULL;
	const struct shelf_record *first = shelf->records[0];
	return model_machine_seen(model, first->key + 8, first->key_bytes - 8);
}

static void map_move_first(struct shelf *from, struct shelf *to)
{
	struct shelf_record *first = from->records[0];
	(void)shelf_make(to, first->key, first->key_bytes);
	shelf_record_free(shelf_take(from, first->key, first->key_bytes));
}

bool internal_machine_is_declared(const struct model *model, const Pxe__Machine *machine)
{
	return model_host_of_mac(model, machine->mac.data, machine->mac.len) != NULL ||
	       (machine->uuid.len == 16 && model_host_of_uuid(model, machine->uuid.data) != NULL);
}

const Pxe__Machine *machine_map_oldest(struct model *model)
{
	struct machine_map *map = &model->machines;
	while (map->is_stale && map->declared.count > 0)
		map_move_first(&map->declared, &map->waiting);
	map->is_stale = false;
	const Pxe__Machine *oldest = map_machine(model, &map->waiting);
	while (oldest != NULL && internal_machine_is_declared(model, oldest)) {
		map_move_first(&map->waiting, &map->declared);
		oldest = map_machine(model, &map->waiting);
	}
	return oldest;
}

const Pxe__Machine *machine_map_oldest_declared(struct model *model)
{
	return map_machine(model, &model->machines.declared);
}
