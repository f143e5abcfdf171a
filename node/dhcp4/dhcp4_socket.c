#include "node/dhcp4/dhcp4_socket.h"

#include "node/log/port_holder.h"
#include "proto/wire/dhcp4.h"
#include "proto/wire/udp4.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_BUFFER_BYTES (4 * 1024 * 1024) /* a storm of some thousand clients */
#define CONTROL_BYTES        (CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct timespec)))

/* One packet to receive; one byte more than is accepted tells a longer one. */
struct dhcp4_receive {
	uint8_t packet[DHCP4_INPUT_MAX + 1];
	struct sockaddr_in from;
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
};

struct dhcp4_socket {
	int udp;
	int raw;
	int interface_index;
	uint16_t identification; /* of raw IP packets */
	uint64_t failed;
	int failed_errno;
	size_t queued;
	struct dhcp4_reply queue[DHCP4_SOCKET_QUEUE];
	struct dhcp4_receive receive[DHCP4_SOCKET_BATCH];
};

/* The system's form of one answer. */
struct dhcp4_send {
	union {
		struct sockaddr_in ip;
		struct sockaddr_ll link;
	} to;
	uint8_t headers[UDP4_HEADERS_BYTES];
	struct iovec part[2];
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
};

__attribute__((format(printf, 4, 5))) static int fail(
	int error, char *ret_error, size_t error_bytes, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, by va_start. */
	vsnprintf(ret_error, error_bytes, format, arguments);
	va_end(arguments);
	return -error;
}

static int set_flag(int fd, int level, int option)
{
	int on = 1;
	return setsockopt(fd, level, option, &on, sizeof on);
}

static int open_raw(struct dhcp4_socket *sock, char *ret_error, size_t error_bytes)
{
	sock->raw = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock->raw >= 0)
		return 0;
	return fail(errno, ret_error, error_bytes,
		"cannot open a packet socket: %s (it needs CAP_NET_RAW, or root)", strerror(errno));
}

static int bind_udp(
	struct dhcp4_socket *sock, const char *interface, char *ret_error, size_t error_bytes)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(DHCP4_SERVER_PORT)};
	if (bind(sock->udp, (const struct sockaddr *)&any, sizeof any) == 0)
		return 0;
	int error = errno;
	char holder[128];
	if (error == EADDRINUSE) {
		if (port_holder(IPPROTO_UDP, DHCP4_SERVER_PORT, holder, sizeof holder) < 0)
			snprintf(holder, sizeof holder, "another process");
		return fail(error, ret_error, error_bytes,
			"port %d on %s is in use by %s: stop it, or give it another interface",
			DHCP4_SERVER_PORT, interface, holder);
	}
	if (error == EACCES || error == EPERM)
		return fail(error, ret_error, error_bytes,
			"no permission for port %d on %s: it needs CAP_NET_BIND_SERVICE, or root",
			DHCP4_SERVER_PORT, interface);
	return fail(error, ret_error, error_bytes, "cannot bind port %d on %s: %s",
		DHCP4_SERVER_PORT, interface, strerror(error));
}

static int open_udp(
	struct dhcp4_socket *sock, const char *interface, char *ret_error, size_t error_bytes)
{
	sock->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock->udp < 0)
		return fail(errno, ret_error, error_bytes, "cannot open a UDP socket: %s",
			strerror(errno));
	/* No SO_REUSEADDR: two servers on one port would each get a part of the packets. */
	if (setsockopt(sock->udp, SOL_SOCKET, SO_BINDTODEVICE, interface,
		    (socklen_t)strlen(interface)) < 0 ||
		set_flag(sock->udp, SOL_SOCKET, SO_BROADCAST) < 0 ||
		set_flag(sock->udp, IPPROTO_IP, IP_PKTINFO) < 0 ||
		set_flag(sock->udp, SOL_SOCKET, SO_TIMESTAMPNS) < 0)
		return fail(errno, ret_error, error_bytes, "cannot use interface %s: %s", interface,
			strerror(errno));
	int bytes = RECEIVE_BUFFER_BYTES;
	if (setsockopt(sock->udp, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
		(void)setsockopt(sock->udp, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	return bind_udp(sock, interface, ret_error, error_bytes);
}

int dhcp4_socket_open(const char *interface, struct dhcp4_socket **ret_socket, char *ret_error,
	size_t error_bytes)
{
	assert(interface != NULL && ret_socket != NULL && error_bytes > 0);
	unsigned index = if_nametoindex(interface);
	if (index == 0)
		return fail(ENODEV, ret_error, error_bytes,
			"interface %s does not exist: see `ip link`, and `interface` in node.yaml",
			interface);
	struct dhcp4_socket *sock = calloc(1, sizeof *sock);
	if (sock == NULL)
		return fail(ENOMEM, ret_error, error_bytes, "out of memory");
	sock->udp = -1;
	sock->raw = -1;
	sock->interface_index = (int)index;
	int result = open_udp(sock, interface, ret_error, error_bytes);
	if (result == 0)
		result = open_raw(sock, ret_error, error_bytes);
	if (result < 0) {
		dhcp4_socket_close(sock);
		return result;
	}
	*ret_socket = sock;
	return 0;
}

void dhcp4_socket_close(struct dhcp4_socket *sock)
{
	if (sock == NULL)
		return;
	if (sock->udp >= 0)
		close(sock->udp);
	if (sock->raw >= 0)
		close(sock->raw);
	free(sock);
}

int dhcp4_socket_fd(const struct dhcp4_socket *sock)
{
	return sock->udp;
}

static void read_destination(const struct cmsghdr *part, uint32_t own_ip, struct dhcp4_input *input)
{
	struct in_pktinfo info;
	memcpy(&info, CMSG_DATA(part), sizeof info);
	input->destination_ip = ntohl(info.ipi_addr.s_addr);
	/* For a broadcast the local address is the interface's, not the header's. */
	input->unicast = info.ipi_addr.s_addr == info.ipi_spec_dst.s_addr;
	if (own_ip == 0)
		input->link_ip = ntohl(info.ipi_spec_dst.s_addr);
}

/* A clock that was set meanwhile makes the packet new or old, by which nothing is lost. */
static void read_age(
	const struct cmsghdr *part, const struct timespec *now, struct dhcp4_input *input)
{
	struct timespec received;
	memcpy(&received, CMSG_DATA(part), sizeof received);
	int64_t age_ms = ((int64_t)now->tv_sec - received.tv_sec) * 1000 +
			 ((int64_t)now->tv_nsec - received.tv_nsec) / 1000000;
	if (age_ms > 0 && (uint64_t)age_ms < input->received_ms)
		input->received_ms -= (uint64_t)age_ms;
}

static void read_control(struct msghdr *message, uint32_t own_ip, const struct timespec *now,
	struct dhcp4_input *input)
{
	input->link_ip = own_ip;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
		part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO)
			read_destination(part, own_ip, input);
		else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS)
			read_age(part, now, input);
	}
}

int dhcp4_socket_receive(struct dhcp4_socket *sock, uint32_t own_ip, uint64_t boot_ms,
	struct dhcp4_input ret_inputs[DHCP4_SOCKET_BATCH])
{
	struct mmsghdr message[DHCP4_SOCKET_BATCH];
	struct iovec part[DHCP4_SOCKET_BATCH];
	for (size_t i = 0; i < DHCP4_SOCKET_BATCH; i++) {
		struct dhcp4_receive *receive = &sock->receive[i];
		part[i] = (struct iovec){receive->packet, sizeof receive->packet};
		message[i] = (struct mmsghdr){.msg_hdr = {
						      .msg_name = &receive->from,
						      .msg_namelen = sizeof receive->from,
						      .msg_iov = &part[i],
						      .msg_iovlen = 1,
						      .msg_control = receive->control,
						      .msg_controllen = CONTROL_BYTES,
					      }};
	}
	int count = recvmmsg(sock->udp, message, DHCP4_SOCKET_BATCH, MSG_DONTWAIT, NULL);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now); /* the clock of the kernel's stamps */
	for (int i = 0; i < count; i++) {
		ret_inputs[i] = (struct dhcp4_input){
			.packet = sock->receive[i].packet,
			.packet_bytes = message[i].msg_len,
			.source_ip = ntohl(sock->receive[i].from.sin_addr.s_addr),
			.received_ms = boot_ms,
		};
		read_control(&message[i].msg_hdr, own_ip, &now, &ret_inputs[i]);
	}
	return count;
}

void dhcp4_socket_queue(struct dhcp4_socket *sock, const struct dhcp4_reply *reply)
{
	assert(reply->size <= DHCP4_REPLY_MAX);
	if (sock->queued == DHCP4_SOCKET_QUEUE)
		dhcp4_socket_flush(sock);
	struct dhcp4_reply *slot = &sock->queue[sock->queued++];
	memcpy(slot, reply, offsetof(struct dhcp4_reply, data) + reply->size);
}

size_t dhcp4_socket_queued(const struct dhcp4_socket *sock)
{
	return sock->queued;
}

static void prepare_udp(const struct dhcp4_socket *sock, struct dhcp4_reply *reply,
	struct dhcp4_send *send, struct msghdr *message)
{
	send->to.ip = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(reply->port),
		.sin_addr.s_addr = htonl(reply->ip),
	};
	send->part[0] = (struct iovec){reply->data, reply->size};
	*message = (struct msghdr){
		.msg_name = &send->to.ip,
		.msg_namelen = sizeof send->to.ip,
		.msg_iov = send->part,
		.msg_iovlen = 1,
		.msg_control = send->control,
		.msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo)),
	};
	struct in_pktinfo info = {
		.ipi_ifindex = sock->interface_index,
		.ipi_spec_dst.s_addr = htonl(reply->source_ip),
	};
	struct cmsghdr *part = CMSG_FIRSTHDR(message);
	part->cmsg_level = IPPROTO_IP;
	part->cmsg_type = IP_PKTINFO;
	part->cmsg_len = CMSG_LEN(sizeof info);
	memcpy(CMSG_DATA(part), &info, sizeof info);
}

static void prepare_raw(struct dhcp4_socket *sock, struct dhcp4_reply *reply,
	struct dhcp4_send *send, struct msghdr *message)
{
	struct udp4_flow flow = {
		.source = reply->source_ip,
		.destination = reply->ip,
		.source_port = DHCP4_SERVER_PORT,
		.destination_port = reply->port,
	};
	udp4_headers_encode(&flow, sock->identification++, reply->data, reply->size, send->headers);
	send->to.link = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_IP),
		.sll_ifindex = sock->interface_index,
		.sll_halen = sizeof reply->mac,
	};
	memcpy(send->to.link.sll_addr, reply->mac, sizeof reply->mac);
	send->part[0] = (struct iovec){send->headers, sizeof send->headers};
	send->part[1] = (struct iovec){reply->data, reply->size};
	*message = (struct msghdr){
		.msg_name = &send->to.link,
		.msg_namelen = sizeof send->to.link,
		.msg_iov = send->part,
		.msg_iovlen = 2,
	};
}

/* Send all; one that fails is skipped, so that a bad address does not hold up the others. */
static void send_all(struct dhcp4_socket *sock, int fd, struct mmsghdr *message, size_t count)
{
	size_t at = 0;
	while (at < count) {
		int sent = sendmmsg(fd, message + at, (unsigned)(count - at), MSG_DONTWAIT);
		if (sent > 0) {
			at += (size_t)sent;
		} else if (sent == 0 || errno != EINTR) {
			sock->failed++;
			sock->failed_errno = errno;
			at++;
		}
	}
}

void dhcp4_socket_flush(struct dhcp4_socket *sock)
{
	struct dhcp4_send send[DHCP4_SOCKET_BATCH];
	struct mmsghdr udp[DHCP4_SOCKET_BATCH], raw[DHCP4_SOCKET_BATCH];
	for (size_t first = 0; first < sock->queued; first += DHCP4_SOCKET_BATCH) {
		size_t udp_count = 0, raw_count = 0;
		for (size_t i = 0; i < DHCP4_SOCKET_BATCH && first + i < sock->queued; i++) {
			struct dhcp4_reply *reply = &sock->queue[first + i];
			memset(send[i].control, 0, sizeof send[i].control);
			if (reply->where == DHCP4_TO_HARDWARE)
				prepare_raw(sock, reply, &send[i], &raw[raw_count++].msg_hdr);
			else
				prepare_udp(sock, reply, &send[i], &udp[udp_count++].msg_hdr);
		}
		send_all(sock, sock->udp, udp, udp_count);
		send_all(sock, sock->raw, raw, raw_count);
	}
	sock->queued = 0;
}

uint64_t dhcp4_socket_failed(const struct dhcp4_socket *sock, int *ret_errno)
{
	if (ret_errno != NULL)
		*ret_errno = sock->failed_errno;
	return sock->failed;
}
