/* node/dhcp4/dhcp4_socket.h: the kernel's side of the DHCPv4 server: ports 67 and 4011 of one
 * interface, packets in batches.
 *
 * Edge: system calls, no decisions. Nothing blocks. A UDP socket for each port receives and sends;
 * a packet socket, which receives nothing, sends to clients that have no address yet (FIELD 21).
 *
 * Beside another server: where a server of this same machine leases the addresses (proxy mode),
 * port 67 is left to it, whichever of the two starts first. Requests are then read from a packet
 * socket and answers leave as raw IP with source port 67; neither disturbs the other.
 */
#ifndef NODE_DHCP4_DHCP4_SOCKET_H
#define NODE_DHCP4_DHCP4_SOCKET_H

#include "node/dhcp4/dhcp4_reply.h"
#include "node/dhcp4/dhcp4_view.h"
#include <stddef.h>

#define DHCP4_SOCKET_BATCH  64  /* packets received by one call */
#define DHCP4_SOCKET_QUEUE  256 /* answers that wait for the end of the turn */
#define DHCP4_SOCKET_HOLDER 128

struct dhcp4_socket;

/* The two ports. */
enum dhcp4_door { DHCP4_DOOR_SERVER, DHCP4_DOOR_PXE, DHCP4_DOORS };

struct dhcp4_socket_config {
	const char *interface;
	uint32_t own_ip; /* source of raw answers that have none; link_ip of what comes in */
	bool beside;     /* leave port 67 to another server: proxy mode, or DHCP is off */
};

/* Bind both ports to the interface; 4011 is not vital: see dhcp4_socket_holder(). 0, or a negative
 * errno and one line in ret_error that says what to do: -ENODEV no such interface, -EADDRINUSE
 * (names the process), -EPERM or -EACCES, -ENOMEM. */
__attribute__((warn_unused_result)) int dhcp4_socket_open(const struct dhcp4_socket_config *config,
	struct dhcp4_socket **ret_socket, char *ret_error, size_t error_bytes);
void dhcp4_socket_close(struct dhcp4_socket *socket);

/* To be watched for reading; -1: port 4011 is another's. */
int dhcp4_socket_fd(const struct dhcp4_socket *socket, enum dhcp4_door door);

/* Who held the port when it was last looked at: "dnsmasq (pid 812)"; NULL: it is ours, or was free.
 */
const char *dhcp4_socket_holder(const struct dhcp4_socket *socket, enum dhcp4_door door);
bool dhcp4_socket_is_beside(const struct dhcp4_socket *socket);

/* Leave port 67 to another server, or take it. true: done; the descriptor of DHCP4_DOOR_SERVER is
 * another, and the old one, which the caller closes when nobody watches it any more, is in
 * *ret_old_fd. false: nothing to do, or it cannot be had: dhcp4_socket_holder(). Costs a system
 * call or two. */
bool dhcp4_socket_step_aside(struct dhcp4_socket *socket, int *ret_old_fd);
bool dhcp4_socket_take_port(struct dhcp4_socket *socket, int *ret_old_fd);

/* Receive what is there, at most DHCP4_SOCKET_BATCH; the inputs are borrowed until the next call.
 * link_ip is filled with own_ip, or, if that is 0, with the interface's address. `boot_ms` is
 * CLOCK_BOOTTIME now. Returns how many, or a negative errno. */
int dhcp4_socket_receive(struct dhcp4_socket *socket, enum dhcp4_door door, uint64_t boot_ms,
	struct dhcp4_input ret_inputs[DHCP4_SOCKET_BATCH]);

/* Queue a copy; sends the queue first if it is full. */
void dhcp4_socket_queue(struct dhcp4_socket *socket, const struct dhcp4_reply *reply);

/* Send the queue. What the kernel does not take is lost and counted: clients ask again. */
void dhcp4_socket_flush(struct dhcp4_socket *socket);
size_t dhcp4_socket_queued(const struct dhcp4_socket *socket);

/* Answers lost since the start, and the errno of the last one. */
uint64_t dhcp4_socket_failed(const struct dhcp4_socket *socket, int *ret_errno);

#endif
