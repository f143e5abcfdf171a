/* node/machines/machines.h: the machines that this node hears, and the boots that they have once.
 *
 *   DHCP events  -> inventory -> Seen, at most one every 2 s      -> Machine records of the cluster
 *   a boot's edge (HTTP, TFTP; any thread) -> claim -> BootClaim  -> told when this node's durable
 *                                                                    state shows what was decided
 *   system up, phone home -> BootEnd                              -> Once is done, or failed
 *
 * What becomes of a boot that was armed once is told by the node that proposed it
 * (EVENT_BOOT_ONCE). Loop thread, but for machines_claim(). Decisions are in machines_inventory.h
 * and machines_end.h.
 */
#ifndef NODE_MACHINES_MACHINES_H
#define NODE_MACHINES_MACHINES_H

#include "node/content/content_claim.h"
#include "node/events/events.h"
#include "store/kv/kv.h"
#include "store/replica/replica.h"
#include <stddef.h>
#include <uv.h>

#define MACHINES_CLAIM_MS   4000 /* then it is given up */
#define MACHINES_CLAIMS_MAX 1024 /* under way; more are refused at once */

struct machines;

struct machines_config {
	uv_loop_t *loop;
	struct replica *replica; /* borrowed until machines_close(), as the two below */
	struct kv *kv;
	struct events *events;
	uint64_t self; /* member id */
};

int machines_open(const struct machines_config *config, struct machines **ret_machines);
/* From events_config.on_own. */
void machines_on_event(struct machines *machines, const struct event *event);

/* A content_claim_cb: ctx is the service. done is called on the loop; from inside this call when
 * too many claims are under way, or when the service closes. */
void machines_claim(void *machines, const struct content_claim *claim, void (*done)(void *done_ctx),
	void *done_ctx);

/* Machines that were left out since start, as there were too many. */
uint64_t machines_left_out(const struct machines *machines);
/* Before replica_close(), and after no thread claims any more. Claims under way are told FAILED. */
void machines_close(struct machines *machines);

#endif
