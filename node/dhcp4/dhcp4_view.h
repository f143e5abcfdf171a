/* node/dhcp4/dhcp4_view.h: what the DHCPv4 engine is told: one packet, and the world as it stands
 * now.
 *
 * Plain data, no functions. IPv4 addresses are uint32_t in host order. Two times are used: cluster
 * time (leases) and CLOCK_BOOTTIME (how long something has waited); both in milliseconds.
 */
#ifndef NODE_DHCP4_DHCP4_VIEW_H
#define NODE_DHCP4_DHCP4_VIEW_H

#include "node/reserve/reserve.h"
#include "store/model/model.h"

#define DHCP4_INPUT_MAX 2048 /* bytes of one request; longer ones are counted and dropped */

/* One datagram that arrived on port 67 or 4011. */
struct dhcp4_input {
	const uint8_t *packet; /* borrowed for the call */
	size_t packet_bytes;
	uint32_t link_ip; /* our address on the interface that it came in by */
	uint32_t source_ip;
	uint16_t source_port;    /* 0: not known; counts as the client port of `port` */
	uint16_t port;           /* ours, that it came to: 67 or 4011; 0 counts as 67 */
	uint32_t destination_ip; /* as in the IP header */
	bool unicast;            /* it was sent to an address of ours, not to everybody */
	uint64_t received_ms;    /* CLOCK_BOOTTIME at which the kernel had it */
};

/* The state that answers are made from. Refreshed by the edge for each turn of the loop. */
struct dhcp4_view {
	const struct model *model; /* borrowed for the call */
	uint64_t now_ms;           /* cluster time */
	uint64_t boot_ms;          /* CLOCK_BOOTTIME */
	bool has_quorum;           /* the log accepts proposals */
	bool fresh;                /* [R9] the model is as new as the leader's, by less than 1 s */
	bool isolated;             /* no quorum for so long that we serve by ourselves */
	bool waiting;              /* no quorum, and not isolated yet: requests are held [P3] */
	bool diverged;             /* our state is not the others': silence */
	bool removed;              /* the others refuse us, and there is no quorum: silence */
	uint64_t self;             /* member id */
	uint32_t serve_ip;         /* our own address for TFTP, HTTP and raw answers */
	uint16_t http_port;
	bool last; /* every other live member comes before us: we are draining, or isolated from
		    * those that we hear */
	struct reserve *reserve; /* borrowed; NULL: none */
	struct reserve_view reserve_view;
	size_t live_count;
	uint64_t live[MODEL_MEMBERS_MAX]; /* full members that answer DHCP now; with ourselves, if
					     we do */
};

#endif
