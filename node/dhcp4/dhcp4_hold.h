/* node/dhcp4/dhcp4_hold.h: a bounded table of requests that wait, one per client and purpose.
 *
 * Used for requests whose proposal or write is under way, those left to another node, and those
 * that wait for the quorum. Each entry keeps a copy of the packet, so that an answer is made from
 * what the client said last.
 *
 * Pure but for its memory, which dhcp4_hold_init() takes once. Entries are numbered; a ticket is an
 * entry and its generation, so that a late outcome does not meet the entry's next tenant. The
 * entries stand in the order in which they were added.
 */
#ifndef NODE_DHCP4_DHCP4_HOLD_H
#define NODE_DHCP4_DHCP4_HOLD_H

#include "node/dhcp4/dhcp4_request.h"

#define DHCP4_HOLD_MAX  16384 /* capacity of a table */
#define DHCP4_HOLD_NONE UINT16_MAX

/* What is waited for. */
enum dhcp4_purpose {
	DHCP4_PURPOSE_OFFER,
	DHCP4_PURPOSE_BIND,
	DHCP4_PURPOSE_JOURNAL, /* our own disk */
	DHCP4_PURPOSE_TURN,
	DHCP4_PURPOSE_QUORUM,
	DHCP4_PURPOSE_PROBE,   /* does a stranger answer for the address that is offered? */
	DHCP4_PURPOSE_DELAY,   /* a client that is not to be answered at once */
	DHCP4_PURPOSE_DECLINE, /* one did: the quarantine; then the DISCOVER begins anew */
};

struct dhcp4_held {
	uint64_t hash;
	uint64_t added_ms; /* CLOCK_BOOTTIME */
	uint64_t due_ms;
	uint64_t arrival_ms; /* cluster time of the packet kept */
	uint64_t give_up_ms; /* CLOCK_BOOTTIME: until then it may wait for the quorum; 0: not asked
				yet */
	uint64_t end_ms;     /* JOURNAL: CLOCK_BOOTTIME at which the lease ends */
	uint32_t lease_s;    /* JOURNAL: the lease's length */
	uint32_t generation; /* odd while in use */
	uint32_t wanted_ip;
	uint32_t rounds;          /* PROBE, DECLINE: addresses that were found taken before */
	struct dhcp4_input input; /* packet points into the table's memory */
	uint16_t next_in_bucket;
	uint16_t older, newer; /* free entries: older is the next free one */
	uint8_t client[MODEL_CLIENT_MAX];
	uint8_t client_bytes;
	enum dhcp4_purpose purpose;
	bool stranger; /* see dhcp4_hold_mark_stranger() */
	bool merged;   /* BIND: the client asked again after what was proposed */
};

struct dhcp4_hold {
	struct dhcp4_held *entry;
	uint8_t *packets; /* capacity * DHCP4_INPUT_MAX; touched only as far as used */
	uint16_t *bucket;
	size_t capacity;
	size_t count;
	size_t strangers; /* entries marked so */
	uint16_t first_free;
	uint16_t oldest, newest;
};

/* capacity: a power of two, at most DHCP4_HOLD_MAX (asserted). 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int dhcp4_hold_init(struct dhcp4_hold *hold, size_t capacity);
void dhcp4_hold_fini(struct dhcp4_hold *hold);

/* The client's entry for this purpose; NULL: none. */
struct dhcp4_held *dhcp4_hold_find(
	struct dhcp4_hold *hold, const struct dhcp4_request *request, enum dhcp4_purpose purpose);

/* A new entry with a copy of the packet; NULL: the table is full. The client must have none for
 * this purpose. */
struct dhcp4_held *dhcp4_hold_add(struct dhcp4_hold *hold, const struct dhcp4_input *input,
	const struct dhcp4_request *request, enum dhcp4_purpose purpose,
	const struct dhcp4_view *view);

/* The entry counts in hold->strangers until it is removed. Once for an entry. */
void dhcp4_hold_mark_stranger(struct dhcp4_hold *hold, struct dhcp4_held *held);

/* The client said something newer: keep that packet instead. */
void dhcp4_hold_update(struct dhcp4_hold *hold, struct dhcp4_held *held,
	const struct dhcp4_input *input, uint64_t arrival_ms);

/* The packet stays readable until the next dhcp4_hold_add() or dhcp4_hold_update(). */
void dhcp4_hold_remove(struct dhcp4_hold *hold, struct dhcp4_held *held);

/* By age; NULL at the end. */
struct dhcp4_held *dhcp4_hold_oldest(struct dhcp4_hold *hold);
struct dhcp4_held *dhcp4_hold_newer(struct dhcp4_hold *hold, const struct dhcp4_held *held);

/* Tickets are never 0. */
uint64_t dhcp4_hold_ticket(const struct dhcp4_hold *hold, const struct dhcp4_held *held);
struct dhcp4_held *dhcp4_hold_of_ticket(struct dhcp4_hold *hold, uint64_t ticket);

#endif
