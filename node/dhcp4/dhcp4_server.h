/* node/dhcp4/dhcp4_server.h: the DHCPv4 server of a node: ties the service to the sockets, to the
 * probe of addresses, to the watch for other servers, and to the loop.
 *
 * Edge. Loop thread only; nothing blocks.
 *
 *   socket readable -> up to 64 packets -> service (dhcp4_service.h)
 *   service -----------------------------> answers into the queue
 *   end of the turn -> the queue leaves
 */
#ifndef NODE_DHCP4_DHCP4_SERVER_H
#define NODE_DHCP4_DHCP4_SERVER_H

#include "node/dhcp4/dhcp4_service.h"
#include "node/dhcp4/dhcp4_watch.h"
#include "node/events/events.h"
#include "store/replica/replica.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct dhcp4_server;

struct dhcp4_server_config {
	uv_loop_t *loop; /* borrowed, as the next two, until the server is closed */
	struct replica *replica;
	struct events *events;
	const char *interface; /* "eth1"; copied */
	uint64_t self;         /* member id */
	uint32_t serve_ip; /* our address on the interface, host order: link of local clients, TFTP
			      and HTTP server */
	uint16_t http_port;
};

/* Bind and begin to answer. Where DHCP is off or a proxy, port 67 is left to another server of this
 * machine (dhcp4_socket.h); when that changes it is taken, or given up, at once. 0, or a negative
 * errno and one line in ret_error: see dhcp4_socket_open(). */
__attribute__((warn_unused_result)) int dhcp4_server_open(const struct dhcp4_server_config *config,
	struct dhcp4_server **ret_server, char *ret_error, size_t error_bytes);

/* From replica_config.on_journal. */
void dhcp4_server_on_journal(struct dhcp4_server *server, uint64_t number);

/* As dhcp4_service_set_removed(). */
void dhcp4_server_set_removed(struct dhcp4_server *server, bool removed);

/* Could a client be answered by this node now? Our peers are to know (PeerStatus.serving): whose
 * turn it is depends on it. */
bool dhcp4_server_serving(const struct dhcp4_server *server);

/* What this node is and may do without the quorum. Not free: once a second or so. */
void dhcp4_server_get_isolation(
	const struct dhcp4_server *server, struct dhcp4_isolation *ret_isolation);

/* Answers sent in the last full second. */
uint32_t dhcp4_server_rate(const struct dhcp4_server *server);

/* Visit the counters: the main ones always, the others once they are not 0. `name` is a constant
 * text. */
void dhcp4_server_each_counter(const struct dhcp4_server *server,
	void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx);

/* Other DHCP servers heard on the segment lately; at most DHCP4_WATCH_SERVERS are stored, returns
 * how many. *ret_expected: the segment's addresses are another server's on purpose (proxy mode). */
size_t dhcp4_server_foreign(const struct dhcp4_server *server,
	struct dhcp4_foreign ret_servers[DHCP4_WATCH_SERVERS], bool *ret_expected);

/* Who held port 67 or 4011 so that requests to it may not reach us: "dnsmasq (pid 812)"; NULL:
 * nobody. */
const char *dhcp4_server_port_holder(const struct dhcp4_server *server, uint16_t port);

/* Stop answering; the port is free on return. Memory goes when the loop has run once more and the
 * replica has told the outcome of every proposal (replica_close() tells those that wait). NULL is
 * allowed. */
void dhcp4_server_close(struct dhcp4_server *server);

#endif
