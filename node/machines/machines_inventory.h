/* node/machines/machines_inventory.h: what is to be proposed of the machines that this node hears.
 *
 * Pure; memory is bounded however many machines somebody makes up: what does not fit is left out
 * and counted, and comes again with the machine's next message.
 *
 *   event -> new, changed, or not seen for MACHINES_REFRESH_MS -> entry -> take() -> one Seen
 *
 * Whoever proposes keeps the pace (MACHINES_BATCH machines at most every MACHINES_PACE_MS).
 */
#ifndef NODE_MACHINES_MACHINES_INVENTORY_H
#define NODE_MACHINES_MACHINES_INVENTORY_H

#include "node/events/events.h"
#include "proto/msg/records.pb-c.h"

#define MACHINES_SLOTS      1024
#define MACHINES_NEW_PER_S  50 /* machines without a record that are taken up in a second */
#define MACHINES_BATCH      256
#define MACHINES_PACE_MS    2000
#define MACHINES_REFRESH_MS 3600000 /* Machine.last_ms is exact to this */

/* One machine. Texts are "" and numbers 0 where there is nothing to tell. */
struct machines_entry {
	uint8_t mac[16];
	uint8_t mac_bytes; /* 0: free */
	bool has_arch, has_uuid;
	uint16_t arch;
	uint8_t uuid[16];
	char vendor_class[64], hostname[64], subnet[64], profile[64];
	uint32_t ip;               /* host order */
	uint64_t seen_ms, boot_ms; /* cluster time */
};

struct machines_inventory {
	struct machines_entry slot[MACHINES_SLOTS];
	size_t count;
	uint64_t new_second;
	unsigned new_count;
	uint64_t left_out; /* there was no room, or too many were new */
};

enum machines_news {
	MACHINES_NOTHING, /* known as it is */
	MACHINES_KEPT,    /* there is something to propose */
	MACHINES_NEW,     /* as KEPT, and the cluster has no record of it; told once */
	MACHINES_LEFT_OUT,
};

/* Take up what an event tells. known: the cluster's record; NULL: none. subnet: of the machine's
 * address, or "". now_ms: cluster time. Events that are not of a machine are nothing. */
enum machines_news machines_inventory_step(struct machines_inventory *inventory,
	const struct event *event, const Pxe__Machine *known, const char *subnet, uint64_t now_ms);
/* Take out at most `max` entries. Returns how many. */
size_t machines_inventory_take(
	struct machines_inventory *inventory, struct machines_entry *ret_entries, size_t max);

#endif
