/* ARP bodies, and IPv4 with UDP for raw frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/arp.h"
#include "proto/wire/udp4.h"

static const uint8_t mac_a[6] = {0x52, 0x54, 0, 0xaa, 0, 1};
static const uint8_t mac_b[6] = {0x52, 0x54, 0, 0xaa, 0, 2};

static void probe_has_these_bytes(void **state)
{
	(void)state;
	static const uint8_t expected[28] = {0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0xaa, 0, 1, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9};
	uint8_t body[ARP_BYTES];
	struct arp_packet probe = arp_probe(mac_a, 0x0a000009);
	arp_encode(&probe, body);
	assert_memory_equal(body, expected, sizeof expected);
}

static void announcement_names_the_address_twice(void **state)
{
	(void)state;
	struct arp_packet packet = arp_announcement(mac_a, 0x0a000009);
	assert_int_equal(packet.op, ARP_REQUEST);
	assert_int_equal(packet.sender_ip, 0x0a000009);
	assert_int_equal(packet.target_ip, 0x0a000009);
}

static void reply_turns_the_request_around(void **state)
{
	(void)state;
	struct arp_packet request = arp_probe(mac_a, 0x0a000009);
	request.sender_ip = 0x0a000001;
	struct arp_packet reply = arp_reply(&request, mac_b);
	uint8_t body[ARP_BYTES + 18] = {0}; /* with Ethernet padding */
	struct arp_packet decoded;
	arp_encode(&reply, body);
	assert_int_equal(arp_decode(body, sizeof body, &decoded), ARP_OK);
	assert_int_equal(decoded.op, ARP_REPLY);
	assert_int_equal(decoded.sender_ip, 0x0a000009);
	assert_int_equal(decoded.target_ip, 0x0a000001);
	assert_memory_equal(decoded.sender_mac, mac_b, 6);
	assert_memory_equal(decoded.target_mac, mac_a, 6);
}

static void arp_refuses_other_forms(void **state)
{
	(void)state;
	uint8_t body[ARP_BYTES];
	struct arp_packet packet = arp_probe(mac_a, 1), decoded = {.target_ip = 77};
	for (size_t size = 0; size < ARP_BYTES; size++) {
		uint8_t *copy = malloc(size + 1);
		assert_non_null(copy);
		arp_encode(&packet, body);
		memcpy(copy, body, size);
		assert_int_equal(arp_decode(copy, size, &decoded), ARP_SHORT);
		free(copy);
	}
	for (size_t i = 1; i < 8; i++) {
		arp_encode(&packet, body);
		body[i] ^= 0x40;
		assert_int_equal(arp_decode(body, sizeof body, &decoded),
			i < 6 ? ARP_NOT_ETHERNET_IP4 : ARP_BAD_OP);
	}
	assert_int_equal(decoded.target_ip, 77);
}

/* RFC 5227 §2.1.1 */
static void conflict_is_a_holder_or_another_prober(void **state)
{
	(void)state;
	uint32_t address = 0x0a000009;
	struct arp_packet packet = arp_probe(mac_b, address);
	assert_true(arp_shows_conflict(&packet, address, mac_a));
	assert_false(arp_shows_conflict(&packet, address, mac_b)); /* our own, looped back */
	assert_false(arp_shows_conflict(&packet, address + 1, mac_a));
	packet = arp_announcement(mac_b, address);
	assert_true(arp_shows_conflict(&packet, address, mac_a));
	packet.sender_ip =
		address + 1; /* an ordinary question for the address: nobody has it yet */
	assert_false(arp_shows_conflict(&packet, address, mac_a));
}

/* Checksums computed independently (scapy): 10.0.0.1:67 -> 255.255.255.255:68, "hello". */
static void udp_headers_have_these_bytes(void **state)
{
	(void)state;
	static const uint8_t expected[28] = {0x45, 0, 0, 33, 0x12, 0x34, 0, 0, 64, 17, 0x5e, 0x98,
		10, 0, 0, 1, 255, 255, 255, 255, 0, 67, 0, 68, 0, 13, 0xb1, 0x7a};
	struct udp4_flow flow = {0x0a000001, 0xffffffff, 67, 68};
	uint8_t headers[UDP4_HEADERS_BYTES];
	udp4_headers_encode(&flow, 0x1234, "hello", 5, headers);
	assert_memory_equal(headers, expected, sizeof expected);
}

static size_t a_packet(uint8_t *packet, const char *payload)
{
	struct udp4_flow flow = {0x0a000001, 0x0a000064, 67, 68};
	size_t size = strlen(payload);
	udp4_headers_encode(&flow, 1, payload, size, packet);
	memcpy(packet + UDP4_HEADERS_BYTES, payload, size);
	return UDP4_HEADERS_BYTES + size;
}

static void udp_round_trip(void **state)
{
	(void)state;
	uint8_t packet[128] = {0};
	struct udp4_datagram d;
	size_t size = a_packet(packet, "odd");
	assert_int_equal(
		udp4_decode(packet, size + 10, true, &d), UDP4_OK); /* Ethernet padding behind */
	assert_int_equal(d.flow.source, 0x0a000001);
	assert_int_equal(d.flow.destination, 0x0a000064);
	assert_int_equal(d.flow.source_port, 67);
	assert_int_equal(d.flow.destination_port, 68);
	assert_int_equal(d.ttl, 64);
	assert_int_equal(d.payload_bytes, 3);
	assert_memory_equal(d.payload, "odd", 3);
}

static void every_flipped_bit_is_noticed(void **state)
{
	(void)state;
	uint8_t packet[128];
	struct udp4_datagram d;
	size_t size = a_packet(packet, "payload");
	for (size_t bit = 0; bit < size * 8; bit++) {
		packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(udp4_decode(packet, size, true, &d), UDP4_OK);
		packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void udp_checksum_may_be_absent_or_unchecked(void **state)
{
	(void)state;
	uint8_t packet[128];
	struct udp4_datagram d;
	size_t size = a_packet(packet, "payload");
	packet[26] ^= 1;
	assert_int_equal(udp4_decode(packet, size, true, &d), UDP4_UDP_CHECKSUM);
	assert_int_equal(udp4_decode(packet, size, false, &d), UDP4_OK);
	packet[26] = packet[27] = 0;
	assert_int_equal(udp4_decode(packet, size, true, &d), UDP4_OK);
}

/* Set the IP header checksum right after a change of the header: one's complement sum, done by hand
 * here. */
static void fix_ip(uint8_t *packet)
{
	uint32_t sum = 0;
	packet[10] = packet[11] = 0;
	for (size_t i = 0; i < (packet[0] & 15u) * 4; i += 2)
		sum += (uint32_t)(packet[i] * 256 + packet[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	packet[10] = (uint8_t)(~sum >> 8);
	packet[11] = (uint8_t)~sum;
}

static void udp_malformed_has_reasons(void **state)
{
	(void)state;
	uint8_t packet[128];
	struct udp4_datagram d = {.ttl = 3};
	size_t size = a_packet(packet, "payload");
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *copy = malloc(cut + 1);
		assert_non_null(copy);
		memcpy(copy, packet, cut);
		assert_int_equal(udp4_decode(copy, cut, true, &d), UDP4_SHORT);
		free(copy);
	}
	packet[6] = 0x20; /* more fragments */
	fix_ip(packet);
	assert_int_equal(udp4_decode(packet, size, true, &d), UDP4_FRAGMENT);
	packet[6] = 0x40; /* don't fragment is fine */
	fix_ip(packet);
	assert_int_equal(udp4_decode(packet, size, true, &d), UDP4_OK);
	d.ttl = 3;
	packet[9] = 6;
	fix_ip(packet);
	assert_int_equal(udp4_decode(packet, size, true, &d), UDP4_NOT_UDP);
	packet[9] = 17;
	packet[3] = 24; /* room for no UDP header */
	fix_ip(packet);
	assert_int_equal(udp4_decode(packet, size, true, &d), UDP4_BAD_LENGTH);
	packet[3] = (uint8_t)size;
	packet[25] = 200; /* UDP longer than IP */
	fix_ip(packet);
	assert_int_equal(udp4_decode(packet, size, true, &d), UDP4_BAD_LENGTH);
	packet[0] = 0x65;
	assert_int_equal(udp4_decode(packet, size, true, &d), UDP4_NOT_IP4);
	packet[0] = 0x44;
	assert_int_equal(udp4_decode(packet, size, true, &d), UDP4_BAD_LENGTH);
	assert_int_equal(d.ttl, 3);
}

static void ip_options_are_skipped(void **state)
{
	(void)state;
	uint8_t packet[128], with_options[128];
	struct udp4_datagram d;
	size_t size = a_packet(packet, "payload");
	memcpy(with_options, packet, 20);
	memset(with_options + 20, 1, 4); /* four no-operations */
	memcpy(with_options + 24, packet + 20, size - 20);
	with_options[0] = 0x46;
	with_options[3] = (uint8_t)(size + 4);
	fix_ip(with_options);
	assert_int_equal(udp4_decode(with_options, size + 4, true, &d), UDP4_OK);
	assert_memory_equal(d.payload, "payload", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_has_these_bytes),
		cmocka_unit_test(announcement_names_the_address_twice),
		cmocka_unit_test(reply_turns_the_request_around),
		cmocka_unit_test(arp_refuses_other_forms),
		cmocka_unit_test(conflict_is_a_holder_or_another_prober),
		cmocka_unit_test(udp_headers_have_these_bytes),
		cmocka_unit_test(udp_round_trip),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(udp_checksum_may_be_absent_or_unchecked),
		cmocka_unit_test(udp_malformed_has_reasons),
		cmocka_unit_test(ip_options_are_skipped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
