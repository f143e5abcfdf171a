/* proto/wire/arp.h: ARP for IPv4 over Ethernet (RFC 826), and the forms that address conflict
 * detection uses (RFC 5227): probe and announcement.
 *
 * Pure. A packet here is the ARP body without the Ethernet header, as an AF_PACKET SOCK_DGRAM
 * socket carries it. Addresses are in host order.
 */
#ifndef PROTO_WIRE_ARP_H
#define PROTO_WIRE_ARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARP_BYTES     28
#define ARP_MAC_BYTES 6
#define ARP_ETHERTYPE 0x0806

enum arp_op { ARP_REQUEST = 1, ARP_REPLY = 2 };

enum arp_reason {
	ARP_OK = 0,
	ARP_SHORT,
	ARP_NOT_ETHERNET_IP4, /* other hardware or protocol type, or other lengths */
	ARP_BAD_OP,
	ARP_REASON_COUNT,
};

struct arp_packet {
	enum arp_op op;
	uint8_t sender_mac[ARP_MAC_BYTES];
	uint32_t sender_ip;
	uint8_t target_mac[ARP_MAC_BYTES];
	uint32_t target_ip;
};

/* Decode; bytes after the body (Ethernet padding) are ignored. *ret_packet is untouched on failure.
 */
__attribute__((warn_unused_result)) enum arp_reason arp_decode(
	const void *body, size_t size, struct arp_packet *ret_packet);
void arp_encode(const struct arp_packet *packet, uint8_t ret_body[ARP_BYTES]);

/* "Is this address in use?": sender address 0 (RFC 5227 §2.1.1). */
struct arp_packet arp_probe(const uint8_t mac[ARP_MAC_BYTES], uint32_t address);

/* "This address is mine now": a request with sender and target address alike (RFC 5227 §2.3). */
struct arp_packet arp_announcement(const uint8_t mac[ARP_MAC_BYTES], uint32_t address);

/* The answer to `request` by the holder of its target address. */
struct arp_packet arp_reply(const struct arp_packet *request, const uint8_t mac[ARP_MAC_BYTES]);

/* Does `packet`, seen while `address` is probed from `mac`, show that somebody else has or probes
 * it (RFC 5227 §2.1.1)? Our own frames, looped back, do not count. */
bool arp_shows_conflict(
	const struct arp_packet *packet, uint32_t address, const uint8_t mac[ARP_MAC_BYTES]);

#endif
