/* node/dhcp4/dhcp4_service.h: the DHCPv4 server of a node but for its sockets and its loop: the
 * engine, the node's reserve, and the replica, tied together.
 *
 * No I/O of its own: packets, time and what became durable come in by calls, answers and events
 * leave by callbacks, at once. The daemon runs it on its loop (dhcp4_server.h), the simulation in
 * simulated time. Loop thread only.
 *
 *   packet -> engine --> answer at once, or
 *                    |-> replica_propose() -----> outcome -> engine -> answer   with the quorum
 *                    |-> replica_journal_put() -> durable -> engine -> answer   without [R1] [R3]
 *                    `-> probe() -------------> verdict -> engine -> answer   before a first OFFER
 *   tick   -> engine: those who wait for a turn, or for the quorum
 *          -> reserve: what the journal holds is merged, what is too much is given back
 *
 * An ACK leaves only for what is on the disks of a majority [P2], or in this node's own journal.
 */
#ifndef NODE_DHCP4_DHCP4_SERVICE_H
#define NODE_DHCP4_DHCP4_SERVICE_H

#include "node/dhcp4/dhcp4_count.h"
#include "node/dhcp4/dhcp4_reply.h"
#include "node/dhcp4/dhcp4_view.h"
#include "node/events/events.h"
#include "store/replica/replica.h"

#define DHCP4_SERVICE_TICK_MS 50

struct dhcp4_service;

struct dhcp4_service_config {
	struct replica *replica;       /* borrowed until the service is freed */
	const struct replica_env *env; /* NULL: replica_env_system() */
	uint64_t self;                 /* member id */
	uint32_t serve_ip;             /* ours, host order: TFTP and HTTP, raw answers */
	uint16_t http_port;
	void *ctx;
	void (*send)(void *ctx, const struct dhcp4_reply *reply); /* borrowed for the call */
	void (*event)(void *ctx, const struct event *event);
	/* Ask the link whether anybody uses the address; the verdict goes to
	 * dhcp4_service_on_probe(), later. false, or NULL: it cannot be asked, and counts as free.
	 */
	bool (*probe)(void *ctx, uint32_t ip, uint64_t ticket);
};

/* What a node is and may do while it has no quorum, for `pxectl status`, the log and the peers. */
struct dhcp4_isolation {
	bool isolated;          /* no quorum for so long that it serves by itself */
	uint64_t since_ms;      /* for how long it has had none; 0 with the quorum */
	bool extends_bindings;  /* it knows the time: known leases are extended up to their promise
				   [R8] */
	uint32_t reserve_total; /* addresses of its own blocks */
	uint32_t reserve_free;  /* of those, the ones it could lease now */
	uint32_t journal;       /* entries that the cluster does not know yet */
	uint32_t leased;        /* of those, leases that still run */
};

/* Reads the journal. 0, -ENOMEM, or the journal cannot be read, with a line in ret_error. */
__attribute__((warn_unused_result)) int dhcp4_service_open(
	const struct dhcp4_service_config *config, struct dhcp4_service **ret_service,
	char *ret_error, size_t error_bytes);
/* Nothing is answered any more. The memory goes with the last outcome that the replica owes
 * (replica_close() tells them all), or at once. NULL is allowed. */
void dhcp4_service_close(struct dhcp4_service *service);

/* One turn's packets. */
void dhcp4_service_on_packets(
	struct dhcp4_service *service, const struct dhcp4_input *input, size_t count);
/* From replica_config.on_journal. */
void dhcp4_service_on_journal(struct dhcp4_service *service, uint64_t number);
/* The verdict on what config.probe took; never from inside that call. */
void dhcp4_service_on_probe(struct dhcp4_service *service, uint64_t ticket, bool in_use);
/* Every DHCP4_SERVICE_TICK_MS. */
void dhcp4_service_tick(struct dhcp4_service *service);
/* The turn of the loop is over: what was looked up for it is forgotten. */
void dhcp4_service_turn_end(struct dhcp4_service *service);

/* The others do not take this node for a member any more (or may not: they refuse its key). What it
 * could lease alone may be others' by now [R7]: without the quorum it answers nobody. */
void dhcp4_service_set_removed(struct dhcp4_service *service, bool removed);

/* Could a client be answered by this node now, with the quorum or without? */
bool dhcp4_service_serving(const struct dhcp4_service *service);
void dhcp4_service_get_isolation(
	const struct dhcp4_service *service, struct dhcp4_isolation *ret_isolation);
uint64_t dhcp4_service_counter(const struct dhcp4_service *service, enum dhcp4_count count);

#endif
