/* Any bytes: what decodes as ARP encodes to the same 28 bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/arp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arp_packet packet;
	uint8_t body[ARP_BYTES];
	if (arp_decode(data, size, &packet) != ARP_OK)
		return 0;
	arp_encode(&packet, body);
	if (size < ARP_BYTES || memcmp(body, data, ARP_BYTES) != 0)
		abort();
	struct arp_packet reply = arp_reply(&packet, packet.target_mac);
	if (arp_shows_conflict(&reply, packet.sender_ip, reply.sender_mac))
		abort();
	return 0;
}
