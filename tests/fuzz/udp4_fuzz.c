/* Any bytes: a payload that is found lies inside the packet, and survives being sent again. The
 * fuzzer does not guess checksums, so the input is also taken as a payload of its own. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/udp4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void round_trip(const struct udp4_flow *flow, const uint8_t *payload, size_t size)
{
	static uint8_t packet[UDP4_HEADERS_BYTES + UDP4_PAYLOAD_MAX];
	struct udp4_datagram datagram;
	udp4_headers_encode(flow, 1, payload, size, packet);
	if (size > 0)
		memcpy(packet + UDP4_HEADERS_BYTES, payload, size);
	check(udp4_decode(packet, UDP4_HEADERS_BYTES + size, true, &datagram) == UDP4_OK);
	check(datagram.flow.source == flow->source &&
		datagram.flow.destination == flow->destination);
	check(datagram.flow.source_port == flow->source_port);
	check(datagram.flow.destination_port == flow->destination_port);
	check(datagram.payload_bytes == size &&
		(size == 0 || memcmp(datagram.payload, payload, size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct udp4_datagram datagram;
	if (udp4_decode(data, size, true, &datagram) == UDP4_OK) {
		check(datagram.payload >= data &&
			datagram.payload + datagram.payload_bytes <= data + size);
		round_trip(&datagram.flow, datagram.payload, datagram.payload_bytes);
	}
	struct udp4_flow flow = {0};
	memcpy(&flow, data, size < sizeof flow ? size : sizeof flow);
	round_trip(&flow, data, size < UDP4_PAYLOAD_MAX ? size : UDP4_PAYLOAD_MAX);
	return 0;
}
