/* node/dhcp4/dhcp4_acked.h: leases that this node acknowledged from its state a moment ago, without
 * the log [R9].
 *
 * Pure, but for its memory. A RELEASE that the client sent before it asked again may still be on
 * its way through another node: the log then ends a lease that the client was just told it has.
 * Nobody but the node that told it knows. So it remembers for DHCP4_ACKED_MS, which is longer than
 * a RELEASE may take (MODEL_RELEASE_MS) and a fresh state may lag; it lets nothing settle that is
 * newer than the state it acknowledged from; and when it finds the lease given up it binds the
 * client again. A RELEASE may be in the log for long before a majority has it (slow disks): only a
 * state with a stamp that no such RELEASE can have says that there is none. A node that forgets,
 * because its process ends, is why a Settle names the youngest life of all.
 */
#ifndef NODE_DHCP4_DHCP4_ACKED_H
#define NODE_DHCP4_DHCP4_ACKED_H

#include "node/dhcp4/dhcp4_view.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP4_ACKED_MAX 8192 /* when it is full, requests go through the log */
#define DHCP4_ACKED_MS  MODEL_LIFE_MS
#define DHCP4_ACKED_STAMP_MS                                                                       \
	(MODEL_RELEASE_MS + MODEL_MAX_SKEW_MS) /* a RELEASE from before has a lower stamp, in what \
						* we know of cluster time */

struct dhcp4_acked_lease {
	uint64_t boot_ms;  /* when */
	uint64_t told_ms;  /* the same by cluster time */
	uint64_t state_ms; /* stamp of the state that it was acknowledged from */
	uint32_t ip;
	uint8_t client_bytes;
	uint8_t client[MODEL_CLIENT_MAX];
};

/* A ring, by age. Zero-initialise it. */
struct dhcp4_acked {
	size_t first, count;
	uint64_t kept_ms; /* of those that were put back, the lowest state_ms since the ring was
			   * empty; 0: none was */
	struct dhcp4_acked_lease lease[DHCP4_ACKED_MAX];
};

/* false: it is full, so nothing may be acknowledged from the state. */
__attribute__((warn_unused_result)) bool dhcp4_acked_add(struct dhcp4_acked *acked,
	const struct dhcp4_view *view, uint32_t ip, const uint8_t *client, size_t client_bytes);

/* The oldest whose time is over, if the state is fresh and new enough to tell what became of it. It
 * is taken out; true: *ret_lease was given up since, and is to be bound again. It then stands in
 * the ring anew, until that is seen to have happened. *ret_more: there may be others. */
bool dhcp4_acked_next_lost(struct dhcp4_acked *acked, const struct dhcp4_view *view,
	struct dhcp4_acked_lease *ret_lease, bool *ret_more);

/* Nothing newer may be settled; UINT64_MAX: anything. */
uint64_t dhcp4_acked_oldest_ms(const struct dhcp4_acked *acked);

#endif
