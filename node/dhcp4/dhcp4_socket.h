/* node/dhcp4/dhcp4_socket.h: the kernel's side of the DHCPv4 server: port 67 of one interface,
 * packets in batches.
 *
 * Edge: system calls, no decisions. Nothing blocks. One UDP socket receives and sends; a packet
 * socket, which receives nothing, sends to clients that have no address yet (FIELD 21).
 */
#ifndef NODE_DHCP4_DHCP4_SOCKET_H
#define NODE_DHCP4_DHCP4_SOCKET_H

#include "node/dhcp4/dhcp4_reply.h"
#include "node/dhcp4/dhcp4_view.h"
#include <stddef.h>

#define DHCP4_SOCKET_BATCH 64  /* packets received by one call */
#define DHCP4_SOCKET_QUEUE 256 /* answers that wait for the end of the turn */

struct dhcp4_socket;

/* Bind port 67 to the interface. 0, or a negative errno and one line in ret_error that says what to
 * do: -ENODEV no such interface, -EADDRINUSE (names the process), -EPERM or -EACCES, -ENOMEM. */
__attribute__((warn_unused_result)) int dhcp4_socket_open(const char *interface,
	struct dhcp4_socket **ret_socket, char *ret_error, size_t error_bytes);
void dhcp4_socket_close(struct dhcp4_socket *socket);

/* To be watched for reading. */
int dhcp4_socket_fd(const struct dhcp4_socket *socket);

/* Receive what is there, at most DHCP4_SOCKET_BATCH; the inputs are borrowed until the next call.
 * link_ip is filled with `own_ip`, or, if that is 0, with the interface's address. `boot_ms` is
 * CLOCK_BOOTTIME now. Returns how many, or a negative errno. */
int dhcp4_socket_receive(struct dhcp4_socket *socket, uint32_t own_ip, uint64_t boot_ms,
	struct dhcp4_input ret_inputs[DHCP4_SOCKET_BATCH]);

/* Queue a copy; sends the queue first if it is full. */
void dhcp4_socket_queue(struct dhcp4_socket *socket, const struct dhcp4_reply *reply);

/* Send the queue. What the kernel does not take is lost and counted: clients ask again. */
void dhcp4_socket_flush(struct dhcp4_socket *socket);
size_t dhcp4_socket_queued(const struct dhcp4_socket *socket);

/* Answers lost since the start, and the errno of the last one. */
uint64_t dhcp4_socket_failed(const struct dhcp4_socket *socket, int *ret_errno);

#endif
