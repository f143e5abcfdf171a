/* store/model/machine_map.h: the machines that were seen, by age: which one goes when there are too
 * many. Pure; derived from the records.
 *
 * Machines wait in order of (last seen, hardware address). A declared one that comes first is put
 * aside, so that it is not looked at again with every newcomer, until some host's identity goes.
 */
#ifndef STORE_MODEL_MACHINE_MAP_H
#define STORE_MODEL_MACHINE_MAP_H

#include "store/model/model.h"
#include "store/model/shelf.h"

/* All zero is an empty map. Keys: last_ms, 8 bytes big endian, then the hardware address. */
struct machine_map {
	struct shelf waiting;  /* every machine that no host declares, and some that one does */
	struct shelf declared; /* set aside; as of when that was found */
	bool is_stale;         /* a host's identity went: some set aside may be nobody's */
};

void machine_map_fini(struct machine_map *map);
/* The record changed from one to the other; NULL: was not, or is no more. */
void machine_map_on_machine(struct model *model, const Pxe__Machine *old, const Pxe__Machine *now);
/* Hardware address or UUID of some host is no more. */
void machine_map_on_host_gone(struct model *model);
/* The one that was not seen for longest, of those that no host declares; NULL: none. Amortised
 * O(log n) but for the moving of pointers. */
const Pxe__Machine *machine_map_oldest(struct model *model);
/* ... of those that a host declares; when the other says NULL. */
const Pxe__Machine *machine_map_oldest_declared(struct model *model);

#endif
