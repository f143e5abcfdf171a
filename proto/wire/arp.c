#include "proto/wire/arp.h"

#include <assert.h>
#include <string.h>

#include "proto/wire/cursor.h"

#define ARP_HTYPE_ETHERNET 1
#define ARP_PTYPE_IP4      0x0800
#define ARP_PLEN_IP4       4

enum arp_reason arp_decode(const void *body, size_t size, struct arp_packet *ret_packet)
{
	struct cursor_reader reader;
	struct arp_packet packet;
	cursor_reader_init(&reader, body, size);
	uint16_t htype = cursor_u16(&reader);
	uint16_t ptype = cursor_u16(&reader);
	uint8_t hlen = cursor_u8(&reader);
	uint8_t plen = cursor_u8(&reader);
	uint16_t op = cursor_u16(&reader);
	if (reader.failed)
		return ARP_SHORT;
	if (htype != ARP_HTYPE_ETHERNET || ptype != ARP_PTYPE_IP4 || hlen != ARP_MAC_BYTES ||
		plen != ARP_PLEN_IP4)
		return ARP_NOT_ETHERNET_IP4;
	if (op != ARP_REQUEST && op != ARP_REPLY)
		return ARP_BAD_OP;
	packet.op = (enum arp_op)op;
	cursor_copy(&reader, packet.sender_mac, ARP_MAC_BYTES);
	packet.sender_ip = cursor_u32(&reader);
	cursor_copy(&reader, packet.target_mac, ARP_MAC_BYTES);
	packet.target_ip = cursor_u32(&reader);
	if (reader.failed)
		return ARP_SHORT;
	*ret_packet = packet;
	return ARP_OK;
}

void arp_encode(const struct arp_packet *packet, uint8_t ret_body[ARP_BYTES])
{
	struct cursor_writer writer;
	cursor_writer_init(&writer, ret_body, ARP_BYTES);
	cursor_put_u16(&writer, ARP_HTYPE_ETHERNET);
	cursor_put_u16(&writer, ARP_PTYPE_IP4);
	cursor_put_u8(&writer, ARP_MAC_BYTES);
	cursor_put_u8(&writer, ARP_PLEN_IP4);
	cursor_put_u16(&writer, (uint16_t)packet->op);
	cursor_put_bytes(&writer, packet->sender_mac, ARP_MAC_BYTES);
	cursor_put_u32(&writer, packet->sender_ip);
	cursor_put_bytes(&writer, packet->target_mac, ARP_MAC_BYTES);
	cursor_put_u32(&writer, packet->target_ip);
	assert(!writer.failed && writer.size == ARP_BYTES);
}

struct arp_packet arp_probe(const uint8_t mac[ARP_MAC_BYTES], uint32_t address)
{
	struct arp_packet packet = {.op = ARP_REQUEST, .target_ip = address};
	memcpy(packet.sender_mac, mac, ARP_MAC_BYTES);
	return packet;
}

struct arp_packet arp_announcement(const uint8_t mac[ARP_MAC_BYTES], uint32_t address)
{
	struct arp_packet packet = {.op = ARP_REQUEST, .sender_ip = address, .target_ip = address};
	memcpy(packet.sender_mac, mac, ARP_MAC_BYTES);
	return packet;
}

struct arp_packet arp_reply(const struct arp_packet *request, const uint8_t mac[ARP_MAC_BYTES])
{
	struct arp_packet packet = {
		.op = ARP_REPLY, .sender_ip = request->target_ip, .target_ip = request->sender_ip};
	memcpy(packet.sender_mac, mac, ARP_MAC_BYTES);
	memcpy(packet.target_mac, request->sender_mac, ARP_MAC_BYTES);
	return packet;
}

bool arp_shows_conflict(
	const struct arp_packet *packet, uint32_t address, const uint8_t mac[ARP_MAC_BYTES])
{
	if (memcmp(packet->sender_mac, mac, ARP_MAC_BYTES) == 0)
		return false;
	bool has_it = packet->sender_ip == address;
	bool probes_it =
		packet->op == ARP_REQUEST && packet->sender_ip == 0 && packet->target_ip == address;
	return has_it || probes_it;
}
