#include "ctl/dhcp_ask.h"

#include "ctl/ctl.h"
#include "proto/wire/dhcp4_build.h"
#include "proto/wire/udp4.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASK_PACKET_MAX 2048
#define ASK_AGAIN_MS   700  /* the first frame may be lost on a port that has just come up */
#define ASK_OTHERS_MS  1000 /* for the others, once a server answered */
#define ASK_LOCAL_MAC  0x02 /* IEEE 802: locally administered */

static int interface_mac(const char *interface, uint8_t ret_mac[6])
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result = 0;

	if (fd < 0) {
		return -errno;
	}
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0) {
		result = -errno;
	} else if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
		result = -ENODEV;
	}
	close(fd);
	memcpy(ret_mac, request.ifr_hwaddr.sa_data, 6);
	return result;
}

static int open_socket(const char *interface, struct sockaddr_ll *ret_everybody)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_IP),
		.sll_ifindex = (int)if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), result;

	if (fd < 0) {
		return -errno;
	}
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
		result = -errno;
		close(fd);
		return result;
	}
	*ret_everybody = address;
	ret_everybody->sll_halen = 6;
	memset(ret_everybody->sll_addr, 0xff, 6);
	return fd;
}

static size_t build_discover(const uint8_t mac[6], uint32_t xid, uint8_t *packet, size_t capacity)
{
	static const uint8_t wanted[] = {DHCP4_SUBNET_MASK, DHCP4_ROUTERS, DHCP4_DNS_SERVERS};
	struct dhcp4_builder builder;
	struct dhcp4_header header = {.op = DHCP4_BOOTREQUEST,
		.htype = 1,
		.hlen = 6,
		.xid = xid,
		.flags = DHCP4_FLAG_BROADCAST};

	memcpy(header.chaddr, mac, 6);
	header.chaddr[0] |= ASK_LOCAL_MAC;
	dhcp4_build_init(&builder, packet, capacity, capacity);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, DHCP4_DISCOVER);
	dhcp4_build_option(&builder, DHCP4_PARAMETER_LIST, wanted, sizeof wanted);
	return dhcp4_build_finish(&builder);
}

static int send_discover(
	int fd, const struct sockaddr_ll *everybody, const uint8_t mac[6], uint32_t xid)
{
	const struct udp4_flow flow = {.destination = UINT32_MAX,
		.source_port = DHCP4_CLIENT_PORT,
		.destination_port = DHCP4_SERVER_PORT};
	uint8_t packet[UDP4_HEADERS_BYTES + 600];
	size_t bytes = build_discover(mac, xid, packet + UDP4_HEADERS_BYTES, 600);

	udp4_headers_encode(&flow, 1, packet + UDP4_HEADERS_BYTES, bytes, packet);
	if (sendto(fd, packet, UDP4_HEADERS_BYTES + bytes, 0, (const struct sockaddr *)everybody,
		    sizeof *everybody) < 0) {
		return -errno;
	}
	return 0;
}

bool dhcp_ask_read(
	const uint8_t *packet, size_t bytes, uint32_t xid, struct dhcp_answer *ret_answer)
{
	struct udp4_datagram datagram;
	struct dhcp4_message message;

	/* A server on the same host's network may leave the checksum to a card. */
	if (udp4_decode(packet, bytes, false, &datagram) != UDP4_OK ||
		datagram.flow.destination_port != DHCP4_CLIENT_PORT ||
		dhcp4_decode(datagram.payload, datagram.payload_bytes, &message) != DHCP4_OK ||
		message.header.op != DHCP4_BOOTREPLY || message.header.xid != xid ||
		(message.type != DHCP4_OFFER && message.type != DHCP4_BOOTP)) {
		return false;
	}
	*ret_answer = (struct dhcp_answer){
		.server_ip = datagram.flow.source, .offered_ip = message.header.yiaddr};
	(void)dhcp4_ip4(&message, DHCP4_SERVER_ID, &ret_answer->server_ip);
	return true;
}

static bool is_known(const struct dhcp_answer *answers, int count, const struct dhcp_answer *answer)
{
	for (int i = 0; i < count; i++) {
		if (answers[i].server_ip == answer->server_ip) {
			return true;
		}
	}
	return false;
}

/* What has come by now. */
static void collect(int fd, uint32_t xid, struct dhcp_answer answers[DHCP_ASK_MAX], int *count)
{
	uint8_t packet[ASK_PACKET_MAX];
	struct sockaddr_ll from;
	socklen_t from_bytes = sizeof from;
	ssize_t bytes;

	while ((bytes = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from,
			&from_bytes)) >= 0) {
		struct dhcp_answer answer;
		if (dhcp_ask_read(packet, (size_t)bytes, xid, &answer) && *count < DHCP_ASK_MAX &&
			!is_known(answers, *count, &answer)) {
			memcpy(answer.mac, from.sll_addr, sizeof answer.mac);
			answers[(*count)++] = answer;
		}
		from_bytes = sizeof from;
	}
}

int dhcp_ask(const char *interface, unsigned wait_ms, struct dhcp_answer ret_answers[DHCP_ASK_MAX])
{
	struct sockaddr_ll everybody;
	uint8_t mac[6];
	uint32_t xid = randombytes_random();
	uint64_t start_ms = ctl_now_ms(), waited_ms = 0;
	bool again = false;
	int count = 0, fd, result = interface_mac(interface, mac);

	if (result < 0) {
		return result;
	}
	fd = open_socket(interface, &everybody);
	if (fd < 0) {
		return fd;
	}
	result = send_discover(fd, &everybody, mac, xid);
	while (result == 0 && waited_ms < wait_ms) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		(void)poll(&ready, 1, 50);
		collect(fd, xid, ret_answers, &count);
		waited_ms = ctl_now_ms() - start_ms;
		if (count > 0 && waited_ms + ASK_OTHERS_MS < wait_ms) {
			wait_ms = (unsigned)waited_ms + ASK_OTHERS_MS;
		}
		if (!again && waited_ms >= ASK_AGAIN_MS) {
			again = true;
			result = send_discover(fd, &everybody, mac, xid);
		}
	}
	close(fd);
	return result < 0 ? result : count;
}
