/* proto/wire/udp4.h: IPv4 and UDP headers for raw frames: answers to clients that have no address
 * yet.
 *
 * Pure. An AF_PACKET SOCK_DGRAM socket carries the IP packet; the kernel adds the Ethernet header.
 * The headers are encoded apart from the payload, so both go out by one gathering send. Addresses
 * and ports are in host order.
 */
#ifndef PROTO_WIRE_UDP4_H
#define PROTO_WIRE_UDP4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP4_HEADERS_BYTES 28 /* 20 of IPv4 without options, 8 of UDP */
#define UDP4_PAYLOAD_MAX   65507

struct udp4_flow {
	uint32_t source;
	uint32_t destination;
	uint16_t source_port;
	uint16_t destination_port;
};

enum udp4_reason {
	UDP4_OK = 0,
	UDP4_SHORT, /* fewer bytes than the headers or their lengths say */
	UDP4_NOT_IP4,
	UDP4_NOT_UDP,
	UDP4_FRAGMENT,   /* a part of a datagram: not for this decoder */
	UDP4_BAD_LENGTH, /* lengths that contradict each other */
	UDP4_IP_CHECKSUM,
	UDP4_UDP_CHECKSUM,
	UDP4_REASON_COUNT,
};

struct udp4_datagram {
	struct udp4_flow flow;
	uint8_t ttl;
	const uint8_t *payload; /* borrowed */
	size_t payload_bytes;
};

/* The two headers for `payload` (at most UDP4_PAYLOAD_MAX bytes, asserted), checksums included.
 * Don't-fragment is off and the identification is the caller's to choose; TTL is 64. */
void udp4_headers_encode(const struct udp4_flow *flow, uint16_t identification, const void *payload,
	size_t payload_bytes, uint8_t ret_headers[UDP4_HEADERS_BYTES]);

/* Validate an IP packet and find its UDP payload. IP options are skipped; bytes after the IP length
 * (Ethernet padding) are ignored. `check_udp` false skips the UDP checksum: a packet of this very
 * host may arrive before the card would have filled it in (TP_STATUS_CSUMNOTREADY). A UDP checksum
 * of zero means none (RFC 768). *ret_datagram is untouched on failure. */
__attribute__((warn_unused_result)) enum udp4_reason udp4_decode(
	const void *packet, size_t size, bool check_udp, struct udp4_datagram *ret_datagram);

#endif
