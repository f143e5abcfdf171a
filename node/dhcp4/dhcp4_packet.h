/* node/dhcp4/dhcp4_packet.h: packet sockets of one interface: frames that no UDP socket would see,
 * or that have no port at all (ARP).
 *
 * Edge: system calls, no decisions; nothing blocks. The kernel passes only what the filter lets
 * through, and never a frame that this machine sent itself. Bodies are those after the Ethernet
 * header.
 */
#ifndef NODE_DHCP4_DHCP4_PACKET_H
#define NODE_DHCP4_DHCP4_PACKET_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP4_PACKET_FILTER_MAX 24
#define DHCP4_PACKET_PORTS_MAX  4

struct dhcp4_packet_filter {
	struct sock_filter code[DHCP4_PACKET_FILTER_MAX];
	unsigned short count; /* 0: everything of the ethertype */
};

struct dhcp4_frame {
	size_t bytes;
	uint8_t mac[6];    /* who sent it */
	bool to_us;        /* to our hardware address, not to everybody */
	bool has_checksum; /* the UDP checksum is filled in already */
	uint64_t age_ms;   /* since the kernel had it */
};

/* IPv4 datagrams of UDP, no fragments, that go to one of `ports` (and come from `source_port`; 0:
 * any). At most DHCP4_PACKET_PORTS_MAX ports. Pure. */
void dhcp4_packet_filter_udp(uint16_t source_port, const uint16_t *ports, size_t count,
	struct dhcp4_packet_filter *ret_filter);

/* A socket that receives, and may send, frames of the ethertype. Descriptor or negative errno. */
__attribute__((warn_unused_result)) int dhcp4_packet_open(
	int interface_index, uint16_t ethertype, const struct dhcp4_packet_filter *filter);

/* One frame's body. 1; 0: nothing there, or not for us (then there may be more: see *ret_more);
 * negative errno. A body longer than capacity is cut. */
int dhcp4_packet_receive(
	int fd, uint8_t *ret_body, size_t capacity, struct dhcp4_frame *ret_frame, bool *ret_more);

/* 0 or negative errno. */
int dhcp4_packet_send(int fd, int interface_index, uint16_t ethertype, const uint8_t mac[6],
	const void *body, size_t bytes);

/* The interface's hardware address. 0 or negative errno: none, or not Ethernet. */
int dhcp4_packet_mac(const char *interface, uint8_t ret_mac[6]);

#endif
