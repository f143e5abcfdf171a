/* node/timeline/timeline.h: the boots of machines, put together from the events of all nodes.
 *
 * Pure; one allocation, stated limits: the oldest boots make room. Times are cluster time.
 *
 *   DISCOVER of firmware --begins--> RUNNING --the system asks--> UP --it reports--> REPORTED
 *                                      |  ^                        \--a failure----> FAILED
 *                    nothing for long: |  | anything else of it
 *                                      v  |
 *                         STALLED (or FAILED, if its last transfer failed)
 *   a new boot of the machine makes what was RUNNING or STALLED REPLACED
 *
 * A DISCOVER begins a boot when the machine was silent for TIMELINE_AGAIN_MS, or had got further
 * than its firmware goes: past the address for the firmware itself, past the loader for an iPXE
 * that was loaded. Events may come late and out of order: steps stand in order of time.
 */
#ifndef NODE_TIMELINE_TIMELINE_H
#define NODE_TIMELINE_TIMELINE_H

#include "proto/msg/admin.pb-c.h"
#include "proto/msg/event.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMELINE_BOOTS      4096
#define TIMELINE_STEPS      200   /* of one boot; the rest is left out, but for its end */
#define TIMELINE_POOL       65536 /* steps of all boots */
#define TIMELINE_NODES      32    /* names of nodes; of more, steps say none */
#define TIMELINE_TEXT_BYTES 112
#define TIMELINE_AGAIN_MS   60000
#define TIMELINE_EARLY_MS   30000  /* silence before the kernel was fetched: stalled */
#define TIMELINE_LATE_MS    600000 /* after it, and while a transfer runs */

struct timeline;

struct timeline_step {
	uint64_t at_ms, bytes;
	uint32_t took_ms;
	uint32_t next; /* 1 + place in the pool; 0: the last */
	Pxe__EventKind kind;
	Pxe__BootStage stage;
	uint8_t node; /* see timeline_node_name() */
	uint64_t number;
	char text[TIMELINE_TEXT_BYTES];
};

struct timeline_boot {
	uint8_t mac[16];
	uint8_t mac_bytes; /* 0: free */
	char host[64];     /* as the events say */
	uint32_t ip;       /* host order; 0: not known */
	uint32_t arch;     /* 1 + option 93; 0: not known */
	uint64_t started_ms, newest_ms;
	Pxe__BootState state;
	char profile[64];
	char text[160];       /* where it stands, why it stalled */
	uint32_t nodes;       /* bit i: node i took part */
	unsigned rank;        /* how far it came: enum in timeline.c */
	unsigned transfers;   /* that run */
	bool settled;         /* nothing more is to be fetched: the local disk, a menu ... */
	uint32_t first, last; /* steps, 1 + place in the pool */
	unsigned step_count;
	uint32_t mac_next, ip_next; /* 1 + index: older boots of the same hash */
};

/* NULL: no memory. */
struct timeline *timeline_new(void);
void timeline_free(struct timeline *timeline);

/* Take up an event of any node. settled: by what it tells the machine has nothing (more) to fetch:
 * its profile is the local disk, a menu, none. Returns the boot that it is a step of; NULL: of
 * none. The pointer is good until the next call. */
const struct timeline_boot *timeline_step(
	struct timeline *timeline, const Pxe__Event *event, bool settled);

/* Once in a while: boots that have stalled since. `told` gets each one once, with the name of the
 * node that served its last step. */
void timeline_tick(struct timeline *timeline, uint64_t now_ms,
	void (*told)(void *ctx, const struct timeline_boot *boot, const char *node), void *ctx);

/* Newest first; false stops. */
void timeline_each(const struct timeline *timeline,
	bool (*visit)(void *ctx, const struct timeline_boot *boot), void *ctx);
/* The first step, and the next ones. NULL: no more. */
const struct timeline_step *timeline_first(
	const struct timeline *timeline, const struct timeline_boot *boot);
const struct timeline_step *timeline_next(
	const struct timeline *timeline, const struct timeline_step *step);
/* "" for a node that is not known any more. */
const char *timeline_node_name(const struct timeline *timeline, unsigned node);
/* The newest boot of the machine that has this address. NULL: none. ip: host order. */
const struct timeline_boot *timeline_boot_of_ip(const struct timeline *timeline, uint32_t ip);

#endif
