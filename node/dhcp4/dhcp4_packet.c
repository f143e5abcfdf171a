#include "node/dhcp4/dhcp4_packet.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IP_PROTOCOL_AT  9
#define IP_FRAGMENT_AT  6
#define IP_FRAGMENT_ANY 0x3fff /* an offset, or more to follow */
#define PACKET_CONTROL_BYTES                                                                       \
	(CMSG_SPACE(sizeof(struct tpacket_auxdata)) + CMSG_SPACE(sizeof(struct timespec)))

static void add(struct dhcp4_packet_filter *filter, struct sock_filter instruction)
{
	assert(filter->count < DHCP4_PACKET_FILTER_MAX);
	filter->code[filter->count++] = instruction;
}

/* Instructions are added as "if equal go on"; where they go otherwise is the end, known only then.
 */
static void add_demand(struct dhcp4_packet_filter *filter, uint16_t test, uint32_t value)
{
	add(filter, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | test | BPF_K), value, 0, 0));
}

void dhcp4_packet_filter_udp(uint16_t source_port, const uint16_t *ports, size_t count,
	struct dhcp4_packet_filter *ret_filter)
{
	assert(count > 0 && count <= DHCP4_PACKET_PORTS_MAX);
	struct dhcp4_packet_filter *f = ret_filter;
	*f = (struct dhcp4_packet_filter){.count = 0};
	add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IP_PROTOCOL_AT));
	add_demand(f, BPF_JEQ, IPPROTO_UDP);
	add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, IP_FRAGMENT_AT));
	add_demand(f, BPF_JSET, IP_FRAGMENT_ANY);
	add(f, (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0));
	if (source_port != 0) {
		add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_IND, 0));
		add_demand(f, BPF_JEQ, source_port);
	}
	add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2));
	unsigned first_port = f->count;
	for (size_t i = 0; i < count; i++)
		add_demand(f, BPF_JEQ, ports[i]);
	unsigned refuse = f->count, accept = refuse + 1u;
	add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
	add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT16_MAX));
	for (unsigned i = 0; i < refuse; i++) {
		struct sock_filter *jump = &f->code[i];
		if (jump->code == (BPF_JMP | BPF_JSET | BPF_K))
			jump->jt = (uint8_t)(refuse - i - 1);
		else if (jump->code == (BPF_JMP | BPF_JEQ | BPF_K) && i < first_port)
			jump->jf = (uint8_t)(refuse - i - 1);
		else if (jump->code == (BPF_JMP | BPF_JEQ | BPF_K))
			jump->jt = (uint8_t)(accept - i - 1);
	}
}

static int prepare(
	int fd, int interface_index, uint16_t ethertype, const struct dhcp4_packet_filter *filter)
{
	int on = 1;
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ethertype),
		.sll_ifindex = interface_index};
	struct sock_fprog program = {filter->count, (struct sock_filter *)(uintptr_t)filter->code};
	/* Before bind(): the socket never holds a frame that the filter would refuse. */
	if (filter->count > 0 &&
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
		return -errno;
	return 0;
}

int dhcp4_packet_open(
	int interface_index, uint16_t ethertype, const struct dhcp4_packet_filter *filter)
{
	assert(interface_index > 0 && filter != NULL);
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int result = prepare(fd, interface_index, ethertype, filter);
	if (result < 0) {
		close(fd);
		return result;
	}
	return fd;
}

static void read_control(struct msghdr *message, struct dhcp4_frame *frame)
{
	frame->has_checksum = true;
	frame->age_ms = 0;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
		part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level == SOL_PACKET && part->cmsg_type == PACKET_AUXDATA) {
			struct tpacket_auxdata aux;
			memcpy(&aux, CMSG_DATA(part), sizeof aux);
			frame->has_checksum = (aux.tp_status & TP_STATUS_CSUMNOTREADY) == 0;
		} else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec received, now;
			memcpy(&received, CMSG_DATA(part), sizeof received);
			clock_gettime(CLOCK_REALTIME, &now); /* the clock of the kernel's stamps */
			int64_t age_ms = ((int64_t)now.tv_sec - received.tv_sec) * 1000 +
					 ((int64_t)now.tv_nsec - received.tv_nsec) / 1000000;
			frame->age_ms = age_ms > 0 ? (uint64_t)age_ms : 0;
		}
	}
}

int dhcp4_packet_receive(
	int fd, uint8_t *ret_body, size_t capacity, struct dhcp4_frame *ret_frame, bool *ret_more)
{
	_Alignas(struct cmsghdr) uint8_t control[PACKET_CONTROL_BYTES];
	struct sockaddr_ll from = {0};
	struct iovec part = {ret_body, capacity};
	struct msghdr message = {.msg_name = &from,
		.msg_namelen = sizeof from,
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control};
	ssize_t bytes = recvmsg(fd, &message, MSG_DONTWAIT);
	*ret_more = bytes >= 0;
	if (bytes < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	/* A bridge's or a promiscuous card's frames for others, and what we sent ourselves. */
	if (from.sll_pkttype == PACKET_OTHERHOST || from.sll_pkttype == PACKET_OUTGOING)
		return 0;
	*ret_frame = (struct dhcp4_frame){
		.bytes = (size_t)bytes, .to_us = from.sll_pkttype == PACKET_HOST};
	if (from.sll_halen == sizeof ret_frame->mac)
		memcpy(ret_frame->mac, from.sll_addr, sizeof ret_frame->mac);
	read_control(&message, ret_frame);
	return 1;
}

int dhcp4_packet_send(int fd, int interface_index, uint16_t ethertype, const uint8_t mac[6],
	const void *body, size_t bytes)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ethertype),
		.sll_ifindex = interface_index,
		.sll_halen = 6};
	memcpy(to.sll_addr, mac, 6);
	ssize_t sent =
		sendto(fd, body, bytes, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof to);
	return sent == (ssize_t)bytes ? 0 : sent < 0 ? -errno : -EIO;
}

int dhcp4_packet_mac(const char *interface, uint8_t ret_mac[6])
{
	struct ifreq request = {0};
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int result = ioctl(fd, SIOCGIFHWADDR, &request) < 0 ? -errno : 0;
	close(fd);
	if (result == 0 && request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		result = -ENODEV;
	if (result == 0)
		memcpy(ret_mac, request.ifr_hwaddr.sa_data, 6);
	return result;
}
