#include "proto/wire/udp4.h"

#include <assert.h>

#include "proto/wire/cursor.h"

#define IP4_HEADER_BYTES 20u
#define UDP_HEADER_BYTES 8u
#define IP4_PROTOCOL_UDP 17u
#define IP4_TTL          64u
#define IP4_FRAGMENT     0x3fffu /* more-fragments flag and offset */

/* The sum of RFC 1071 over 16-bit words, an odd last byte padded with zero; not folded. */
static uint64_t sum_words(uint64_t sum, const uint8_t *data, size_t size)
{
	size_t i = 0;
	for (; i + 1 < size; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	if (i < size)
		sum += (uint32_t)data[i] << 8;
	return sum;
}

static uint16_t sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The pseudo header of RFC 768. */
static uint64_t sum_pseudo(uint32_t source, uint32_t destination, size_t udp_bytes)
{
	return (uint64_t)(source >> 16) + (source & 0xffff) + (destination >> 16) +
	       (destination & 0xffff) + IP4_PROTOCOL_UDP + udp_bytes;
}

static void put_checksum(uint8_t *place, uint16_t checksum)
{
	place[0] = (uint8_t)(checksum >> 8);
	place[1] = (uint8_t)checksum;
}

void udp4_headers_encode(const struct udp4_flow *flow, uint16_t identification, const void *payload,
	size_t payload_bytes, uint8_t ret_headers[UDP4_HEADERS_BYTES])
{
	assert(payload != NULL || payload_bytes == 0);
	assert(payload_bytes <= UDP4_PAYLOAD_MAX);
	size_t udp_bytes = UDP_HEADER_BYTES + payload_bytes;
	struct cursor_writer writer;
	cursor_writer_init(&writer, ret_headers, UDP4_HEADERS_BYTES);
	cursor_put_u8(&writer, 0x45);
	cursor_put_u8(&writer, 0);
	cursor_put_u16(&writer, (uint16_t)(IP4_HEADER_BYTES + udp_bytes));
	cursor_put_u16(&writer, identification);
	cursor_put_u16(&writer, 0);
	cursor_put_u8(&writer, IP4_TTL);
	cursor_put_u8(&writer, IP4_PROTOCOL_UDP);
	cursor_put_u16(&writer, 0);
	cursor_put_u32(&writer, flow->source);
	cursor_put_u32(&writer, flow->destination);
	cursor_put_u16(&writer, flow->source_port);
	cursor_put_u16(&writer, flow->destination_port);
	cursor_put_u16(&writer, (uint16_t)udp_bytes);
	cursor_put_u16(&writer, 0);
	assert(!writer.failed && writer.size == UDP4_HEADERS_BYTES);

	put_checksum(
		ret_headers + 10, (uint16_t)~sum_fold(sum_words(0, ret_headers, IP4_HEADER_BYTES)));
	uint64_t sum = sum_pseudo(flow->source, flow->destination, udp_bytes);
	sum = sum_words(sum, ret_headers + IP4_HEADER_BYTES, UDP_HEADER_BYTES);
	sum = sum_words(sum, payload, payload_bytes);
	uint16_t checksum = (uint16_t)~sum_fold(sum);
	put_checksum(ret_headers + 26, checksum == 0 ? 0xffff : checksum); /* 0 means none */
}

static enum udp4_reason decode_udp(
	const uint8_t *udp, size_t size, bool check_udp, struct udp4_datagram *datagram)
{
	struct cursor_reader reader;
	cursor_reader_init(&reader, udp, size);
	datagram->flow.source_port = cursor_u16(&reader);
	datagram->flow.destination_port = cursor_u16(&reader);
	uint16_t udp_bytes = cursor_u16(&reader);
	uint16_t checksum = cursor_u16(&reader);
	if (reader.failed || udp_bytes < UDP_HEADER_BYTES || udp_bytes > size)
		return UDP4_BAD_LENGTH;
	if (check_udp && checksum != 0) {
		uint64_t sum =
			sum_pseudo(datagram->flow.source, datagram->flow.destination, udp_bytes);
		if (sum_fold(sum_words(sum, udp, udp_bytes)) != 0xffff)
			return UDP4_UDP_CHECKSUM;
	}
	datagram->payload = udp + UDP_HEADER_BYTES;
	datagram->payload_bytes = udp_bytes - UDP_HEADER_BYTES;
	return UDP4_OK;
}

enum udp4_reason udp4_decode(
	const void *packet, size_t size, bool check_udp, struct udp4_datagram *ret_datagram)
{
	struct cursor_reader reader;
	struct udp4_datagram datagram;
	const uint8_t *ip = packet;
	cursor_reader_init(&reader, packet, size);
	uint8_t version = cursor_u8(&reader);
	cursor_u8(&reader); /* type of service */
	uint16_t ip_bytes = cursor_u16(&reader);
	cursor_u16(&reader); /* identification */
	uint16_t fragment = cursor_u16(&reader);
	datagram.ttl = cursor_u8(&reader);
	uint8_t protocol = cursor_u8(&reader);
	cursor_u16(&reader); /* checksum: part of the sum below */
	datagram.flow.source = cursor_u32(&reader);
	datagram.flow.destination = cursor_u32(&reader);
	if (reader.failed)
		return UDP4_SHORT;
	if (version >> 4 != 4)
		return UDP4_NOT_IP4;
	size_t header_bytes = (size_t)(version & 15) * 4;
	if (ip_bytes > size)
		return UDP4_SHORT;
	if (header_bytes < IP4_HEADER_BYTES || header_bytes > ip_bytes)
		return UDP4_BAD_LENGTH;
	if (sum_fold(sum_words(0, ip, header_bytes)) != 0xffff)
		return UDP4_IP_CHECKSUM;
	if ((fragment & IP4_FRAGMENT) != 0)
		return UDP4_FRAGMENT;
	if (protocol != IP4_PROTOCOL_UDP)
		return UDP4_NOT_UDP;
	enum udp4_reason reason =
		decode_udp(ip + header_bytes, ip_bytes - header_bytes, check_udp, &datagram);
	if (reason == UDP4_OK)
		*ret_datagram = datagram;
	return reason;
}
