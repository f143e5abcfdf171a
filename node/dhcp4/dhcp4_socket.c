#include "node/dhcp4/dhcp4_socket.h"

#include "node/dhcp4/dhcp4_packet.h"
#include "proto/host/port_holder.h"
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
	int udp[DHCP4_DOORS]; /* -1: not ours */
	int beside; /* packet socket that reads what comes to the ports of another server; or -1 */
	int raw;    /* frames */
	int ip;     /* raw IP: source port 67 when the port is another's */
	int interface_index;
	char interface[32];
	uint32_t own_ip;
	char holder[DHCP4_DOORS][DHCP4_SOCKET_HOLDER];
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

static uint16_t port_of(enum dhcp4_door door)
{
	return door == DHCP4_DOOR_PXE ? DHCP4_PXE_PORT : DHCP4_SERVER_PORT;
}

/* The two sockets that only send. */
static int open_senders(struct dhcp4_socket *sock, char *ret_error, size_t error_bytes)
{
	sock->raw = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock->raw < 0)
		return fail(errno, ret_error, error_bytes,
			"cannot open a packet socket: %s (it needs CAP_NET_RAW, or root)",
			strerror(errno));
	sock->ip = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);
	if (sock->ip < 0 ||
		setsockopt(sock->ip, SOL_SOCKET, SO_BINDTODEVICE, sock->interface,
			(socklen_t)strlen(sock->interface)) < 0 ||
		set_flag(sock->ip, SOL_SOCKET, SO_BROADCAST) < 0)
		return fail(errno, ret_error, error_bytes,
			"cannot open a raw socket: %s (it needs CAP_NET_RAW, or root)",
			strerror(errno));
	return 0;
}

static int bind_udp(struct dhcp4_socket *sock, int fd, enum dhcp4_door door, char *ret_error,
	size_t error_bytes)
{
	uint16_t port = port_of(door);
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	if (bind(fd, (const struct sockaddr *)&any, sizeof any) == 0)
		return 0;
	int error = errno;
	if (error == EADDRINUSE) {
		char *holder = sock->holder[door];
		if (port_holder(IPPROTO_UDP, port, holder, DHCP4_SOCKET_HOLDER) < 0)
			snprintf(holder, DHCP4_SOCKET_HOLDER, "another process");
		return fail(error, ret_error, error_bytes,
			"port %u on %s is in use by %s: stop it, or give it another interface",
			(unsigned)port, sock->interface, holder);
	}
	if (error == EACCES || error == EPERM)
		return fail(error, ret_error, error_bytes,
			"no permission for port %u on %s: it needs CAP_NET_BIND_SERVICE, or root",
			(unsigned)port, sock->interface);
	return fail(error, ret_error, error_bytes, "cannot bind port %u on %s: %s", (unsigned)port,
		sock->interface, strerror(error));
}

static int set_options(struct dhcp4_socket *sock, int fd, char *ret_error, size_t error_bytes)
{
	/* No SO_REUSEADDR: two servers on one port would each get a part of the packets. */
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, sock->interface,
		    (socklen_t)strlen(sock->interface)) < 0 ||
		set_flag(fd, SOL_SOCKET, SO_BROADCAST) < 0 ||
		set_flag(fd, IPPROTO_IP, IP_PKTINFO) < 0 ||
		set_flag(fd, SOL_SOCKET, SO_TIMESTAMPNS) < 0)
		return fail(errno, ret_error, error_bytes, "cannot use interface %s: %s",
			sock->interface, strerror(errno));
	int bytes = RECEIVE_BUFFER_BYTES;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	return 0;
}

static int open_udp(
	struct dhcp4_socket *sock, enum dhcp4_door door, char *ret_error, size_t error_bytes)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(errno, ret_error, error_bytes, "cannot open a UDP socket: %s",
			strerror(errno));
	int result = set_options(sock, fd, ret_error, error_bytes);
	if (result == 0)
		result = bind_udp(sock, fd, door, ret_error, error_bytes);
	if (result < 0) {
		close(fd);
		return result;
	}
	sock->udp[door] = fd;
	sock->holder[door][0] = '\0';
	return 0;
}

/* What comes to port 67, and to 4011 if that is another's, too. */
static int open_beside(struct dhcp4_socket *sock, char *ret_error, size_t error_bytes)
{
	static const uint16_t ports[] = {DHCP4_SERVER_PORT, DHCP4_PXE_PORT};
	struct dhcp4_packet_filter filter;
	dhcp4_packet_filter_udp(0, ports, sock->udp[DHCP4_DOOR_PXE] < 0 ? 2 : 1, &filter);
	int fd = dhcp4_packet_open(sock->interface_index, ETHERTYPE_IP, &filter);
	if (fd < 0)
		return fail(-fd, ret_error, error_bytes, "cannot open a packet socket on %s: %s",
			sock->interface, strerror(-fd));
	sock->beside = fd;
	return 0;
}

static int open_doors(struct dhcp4_socket *sock, bool beside, char *ret_error, size_t error_bytes)
{
	char ignored[256];
	if (!beside) {
		int result = open_udp(sock, DHCP4_DOOR_SERVER, ret_error, error_bytes);
		if (result < 0)
			return result;
	}
	if (open_udp(sock, DHCP4_DOOR_PXE, ignored, sizeof ignored) < 0 &&
		sock->holder[DHCP4_DOOR_PXE][0] == '\0')
		snprintf(sock->holder[DHCP4_DOOR_PXE], DHCP4_SOCKET_HOLDER, "nobody: %.100s",
			ignored);
	if (!beside)
		return 0;
	char *holder = sock->holder[DHCP4_DOOR_SERVER];
	(void)port_holder(IPPROTO_UDP, DHCP4_SERVER_PORT, holder, DHCP4_SOCKET_HOLDER);
	return open_beside(sock, ret_error, error_bytes);
}

int dhcp4_socket_open(const struct dhcp4_socket_config *config, struct dhcp4_socket **ret_socket,
	char *ret_error, size_t error_bytes)
{
	assert(config->interface != NULL && ret_socket != NULL && error_bytes > 0);
	unsigned index = if_nametoindex(config->interface);
	if (index == 0)
		return fail(ENODEV, ret_error, error_bytes,
			"interface %s does not exist: see `ip link`, and `interface` in node.yaml",
			config->interface);
	struct dhcp4_socket *sock = calloc(1, sizeof *sock);
	if (sock == NULL)
		return fail(ENOMEM, ret_error, error_bytes, "out of memory");
	sock->udp[DHCP4_DOOR_SERVER] = sock->udp[DHCP4_DOOR_PXE] = -1;
	sock->beside = sock->raw = sock->ip = -1;
	sock->interface_index = (int)index;
	sock->own_ip = config->own_ip;
	snprintf(sock->interface, sizeof sock->interface, "%s", config->interface);
	int result = open_doors(sock, config->beside, ret_error, error_bytes);
	if (result == 0)
		result = open_senders(sock, ret_error, error_bytes);
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
	const int fds[] = {sock->udp[DHCP4_DOOR_SERVER], sock->udp[DHCP4_DOOR_PXE], sock->beside,
		sock->raw, sock->ip};
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(sock);
}

int dhcp4_socket_fd(const struct dhcp4_socket *sock, enum dhcp4_door door)
{
	bool beside = door == DHCP4_DOOR_SERVER && sock->udp[door] < 0;
	return beside ? sock->beside : sock->udp[door];
}

const char *dhcp4_socket_holder(const struct dhcp4_socket *sock, enum dhcp4_door door)
{
	return sock->udp[door] < 0 && sock->holder[door][0] != '\0' ? sock->holder[door] : NULL;
}

bool dhcp4_socket_is_beside(const struct dhcp4_socket *sock)
{
	return sock->beside >= 0;
}

bool dhcp4_socket_step_aside(struct dhcp4_socket *sock, int *ret_old_fd)
{
	char ignored[256];
	if (sock->beside >= 0 || open_beside(sock, ignored, sizeof ignored) < 0)
		return false;
	*ret_old_fd = sock->udp[DHCP4_DOOR_SERVER];
	sock->udp[DHCP4_DOOR_SERVER] = -1;
	return true;
}

bool dhcp4_socket_take_port(struct dhcp4_socket *sock, int *ret_old_fd)
{
	char ignored[256];
	if (sock->beside < 0 || open_udp(sock, DHCP4_DOOR_SERVER, ignored, sizeof ignored) < 0)
		return false;
	*ret_old_fd = sock->beside;
	sock->beside = -1;
	return true;
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

static int receive_udp(struct dhcp4_socket *sock, enum dhcp4_door door, uint64_t boot_ms,
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
	int count = recvmmsg(sock->udp[door], message, DHCP4_SOCKET_BATCH, MSG_DONTWAIT, NULL);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now); /* the clock of the kernel's stamps */
	for (int i = 0; i < count; i++) {
		ret_inputs[i] = (struct dhcp4_input){
			.packet = sock->receive[i].packet,
			.packet_bytes = message[i].msg_len,
			.source_ip = ntohl(sock->receive[i].from.sin_addr.s_addr),
			.source_port = ntohs(sock->receive[i].from.sin_port),
			.port = port_of(door),
			.received_ms = boot_ms,
		};
		read_control(&message[i].msg_hdr, sock->own_ip, &now, &ret_inputs[i]);
	}
	return count;
}

/* A frame that carries a datagram for us, or for everybody; what goes through this machine to
 * another one is none. */
static bool read_frame(const struct dhcp4_socket *sock, const uint8_t *body,
	const struct dhcp4_frame *frame, uint64_t boot_ms, struct dhcp4_input *ret_input)
{
	struct udp4_datagram datagram;
	if (udp4_decode(body, frame->bytes, frame->has_checksum, &datagram) != UDP4_OK)
		return false;
	if (frame->to_us && datagram.flow.destination != sock->own_ip &&
		datagram.flow.destination != INADDR_BROADCAST)
		return false;
	*ret_input = (struct dhcp4_input){
		.packet = datagram.payload,
		.packet_bytes = datagram.payload_bytes,
		.link_ip = sock->own_ip,
		.source_ip = datagram.flow.source,
		.source_port = datagram.flow.source_port,
		.port = datagram.flow.destination_port,
		.destination_ip = datagram.flow.destination,
		.unicast = datagram.flow.destination == sock->own_ip,
		.received_ms = frame->age_ms < boot_ms ? boot_ms - frame->age_ms : boot_ms,
	};
	return true;
}

static int receive_beside(struct dhcp4_socket *sock, uint64_t boot_ms,
	struct dhcp4_input ret_inputs[DHCP4_SOCKET_BATCH])
{
	int count = 0, result = 0;
	bool more = true;
	for (int i = 0; i < DHCP4_SOCKET_BATCH && more && result >= 0; i++) {
		uint8_t *body = sock->receive[i].packet;
		struct dhcp4_frame frame;
		result = dhcp4_packet_receive(
			sock->beside, body, sizeof sock->receive[i].packet, &frame, &more);
		if (result > 0 && read_frame(sock, body, &frame, boot_ms, &ret_inputs[count]))
			count++;
	}
	return count > 0 ? count : result < 0 ? result : 0;
}

int dhcp4_socket_receive(struct dhcp4_socket *sock, enum dhcp4_door door, uint64_t boot_ms,
	struct dhcp4_input ret_inputs[DHCP4_SOCKET_BATCH])
{
	if (sock->udp[door] >= 0)
		return receive_udp(sock, door, boot_ms, ret_inputs);
	return door == DHCP4_DOOR_SERVER ? receive_beside(sock, boot_ms, ret_inputs) : 0;
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

static uint16_t source_port(const struct dhcp4_reply *reply)
{
	return reply->source_port == 0 ? DHCP4_SERVER_PORT : reply->source_port;
}

static void encode_headers(
	struct dhcp4_socket *sock, const struct dhcp4_reply *reply, struct dhcp4_send *send)
{
	struct udp4_flow flow = {
		.source = reply->source_ip != 0 ? reply->source_ip : sock->own_ip,
		.destination = reply->ip,
		.source_port = source_port(reply),
		.destination_port = reply->port,
	};
	udp4_headers_encode(&flow, sock->identification++, reply->data, reply->size, send->headers);
}

/* As a UDP socket would send it, from a port that is another's; the kernel routes it and finds the
 * hardware address. */
static void prepare_ip(struct dhcp4_socket *sock, struct dhcp4_reply *reply,
	struct dhcp4_send *send, struct msghdr *message)
{
	encode_headers(sock, reply, send);
	send->to.ip =
		(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(reply->ip)};
	send->part[0] = (struct iovec){send->headers, sizeof send->headers};
	send->part[1] = (struct iovec){reply->data, reply->size};
	*message = (struct msghdr){
		.msg_name = &send->to.ip,
		.msg_namelen = sizeof send->to.ip,
		.msg_iov = send->part,
		.msg_iovlen = 2,
	};
}

static void prepare_raw(struct dhcp4_socket *sock, struct dhcp4_reply *reply,
	struct dhcp4_send *send, struct msghdr *message)
{
	encode_headers(sock, reply, send);
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

/* Answers by the socket that they leave from. */
struct dhcp4_outbox {
	int fd;
	size_t count;
	struct mmsghdr message[DHCP4_SOCKET_BATCH];
};

enum { OUTBOX_SERVER, OUTBOX_PXE, OUTBOX_RAW, OUTBOX_IP, OUTBOXES };

static void put_into_outbox(struct dhcp4_socket *sock, struct dhcp4_reply *reply,
	struct dhcp4_send *send, struct dhcp4_outbox outbox[OUTBOXES])
{
	unsigned door = source_port(reply) == DHCP4_PXE_PORT ? OUTBOX_PXE : OUTBOX_SERVER;
	unsigned way = reply->where == DHCP4_TO_HARDWARE ? OUTBOX_RAW
		       : outbox[door].fd < 0             ? OUTBOX_IP
							 : door;
	struct msghdr *message = &outbox[way].message[outbox[way].count++].msg_hdr;
	memset(send->control, 0, sizeof send->control);
	if (way == OUTBOX_RAW)
		prepare_raw(sock, reply, send, message);
	else if (way == OUTBOX_IP)
		prepare_ip(sock, reply, send, message);
	else
		prepare_udp(sock, reply, send, message);
}

void dhcp4_socket_flush(struct dhcp4_socket *sock)
{
	struct dhcp4_send send[DHCP4_SOCKET_BATCH];
	struct dhcp4_outbox outbox[OUTBOXES];
	outbox[OUTBOX_SERVER].fd = sock->udp[DHCP4_DOOR_SERVER];
	outbox[OUTBOX_PXE].fd = sock->udp[DHCP4_DOOR_PXE];
	outbox[OUTBOX_RAW].fd = sock->raw;
	outbox[OUTBOX_IP].fd = sock->ip;
	for (size_t first = 0; first < sock->queued; first += DHCP4_SOCKET_BATCH) {
		for (unsigned way = 0; way < OUTBOXES; way++)
			outbox[way].count = 0;
		for (size_t i = 0; i < DHCP4_SOCKET_BATCH && first + i < sock->queued; i++)
			put_into_outbox(sock, &sock->queue[first + i], &send[i], outbox);
		for (unsigned way = 0; way < OUTBOXES; way++)
			send_all(sock, outbox[way].fd, outbox[way].message, outbox[way].count);
	}
	sock->queued = 0;
}

uint64_t dhcp4_socket_failed(const struct dhcp4_socket *sock, int *ret_errno)
{
	if (ret_errno != NULL)
		*ret_errno = sock->failed_errno;
	return sock->failed;
}
