/* The tables of the probe and of the watch: what is due when, who is told of, who gives way. */
#include "node/dhcp4/dhcp4_packet.h"
#include "node/dhcp4/dhcp4_probe.h"
#include "node/dhcp4/dhcp4_watch.h"
#include "proto/wire/dhcp4_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IP(n) (UINT32_C(0x0a000000) + (uint32_t)(n))

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1}, other_mac[6] = {2, 0, 0, 0, 0, 2};

/* ---- probe */

static struct dhcp4_probe_table *new_table(void)
{
	struct dhcp4_probe_table *table = malloc(sizeof *table);
	assert_non_null(table);
	dhcp4_probe_table_init(table);
	return table;
}

static void silence_after_two_probes_means_free(void **state)
{
	(void)state;
	struct dhcp4_probe_table *table = new_table();
	struct dhcp4_probe_verdict verdict;
	uint32_t ip = 0;
	assert_true(dhcp4_probe_table_add(table, IP(1), 7, 1000));
	assert_int_equal(dhcp4_probe_table_step(table, 1079, &ip, &verdict), DHCP4_PROBE_REST);
	assert_int_equal(dhcp4_probe_table_step(table, 1080, &ip, &verdict), DHCP4_PROBE_SEND);
	assert_int_equal(ip, IP(1));
	assert_int_equal(dhcp4_probe_table_step(table, 1199, &ip, &verdict), DHCP4_PROBE_REST);
	assert_int_equal(dhcp4_probe_table_step(table, 1200, &ip, &verdict), DHCP4_PROBE_OVER);
	assert_int_equal(verdict.ticket, 7);
	assert_false(verdict.in_use);
	assert_int_equal(dhcp4_probe_table_step(table, 9999, &ip, &verdict), DHCP4_PROBE_REST);
	free(table);
}

static void an_answer_ends_every_probe_of_that_address_and_no_other(void **state)
{
	(void)state;
	struct dhcp4_probe_table *table = new_table();
	struct dhcp4_probe_verdict verdict;
	struct arp_packet probe = arp_probe(own_mac, IP(1)), answer = arp_reply(&probe, other_mac);
	assert_true(dhcp4_probe_table_add(table, IP(1), 7, 0));
	assert_true(dhcp4_probe_table_add(table, IP(2), 8, 0));
	assert_true(dhcp4_probe_table_add(table, IP(1), 9, 0));
	assert_false(dhcp4_probe_table_on_arp(table, &probe, own_mac, &verdict));
	assert_true(dhcp4_probe_table_on_arp(table, &answer, own_mac, &verdict));
	assert_int_equal(verdict.ticket, 7);
	assert_true(verdict.in_use);
	assert_true(dhcp4_probe_table_on_arp(table, &answer, own_mac, &verdict));
	assert_int_equal(verdict.ticket, 9);
	assert_false(dhcp4_probe_table_on_arp(table, &answer, own_mac, &verdict));
	assert_int_equal(table->count, 1);
	free(table);
}

/* Nodes that heard the same DISCOVER ask at the same time; a client asks before it uses its lease.
 */
static void the_question_of_another_is_no_answer(void **state)
{
	(void)state;
	struct dhcp4_probe_table *table = new_table();
	struct dhcp4_probe_verdict verdict;
	struct arp_packet theirs = arp_probe(other_mac, IP(1));
	struct arp_packet claim = arp_announcement(other_mac, IP(1));
	assert_true(dhcp4_probe_table_add(table, IP(1), 7, 0));
	assert_false(dhcp4_probe_table_on_arp(table, &theirs, own_mac, &verdict));
	assert_int_equal(table->count, 1);
	assert_true(dhcp4_probe_table_on_arp(table, &claim, own_mac, &verdict));
	assert_true(verdict.in_use);
	free(table);
}

static void a_full_table_takes_no_more(void **state)
{
	(void)state;
	struct dhcp4_probe_table *table = new_table();
	struct dhcp4_probe_verdict verdict;
	uint32_t ip;
	for (unsigned i = 0; i < DHCP4_PROBE_SLOTS; i++)
		assert_true(dhcp4_probe_table_add(table, IP(i), i, 0));
	assert_false(dhcp4_probe_table_add(table, IP(1), 1, 0));
	assert_int_equal(dhcp4_probe_table_step(table, DHCP4_PROBE_SILENCE_MS, &ip, &verdict),
		DHCP4_PROBE_OVER);
	assert_true(dhcp4_probe_table_add(table, IP(1), 1, 0));
	free(table);
}

/* ---- watch */

static void a_server_is_told_of_once_in_a_while(void **state)
{
	(void)state;
	struct dhcp4_watch_table table = {.count = 0};
	struct dhcp4_foreign heard = {.ip = IP(1), .has_mac = true, .offered_ip = IP(100)};
	memcpy(heard.mac, other_mac, 6);
	const struct dhcp4_foreign *told = dhcp4_watch_table_heard(&table, &heard, 1000);
	assert_non_null(told);
	assert_int_equal(told->offered_ip, IP(100));
	heard = (struct dhcp4_foreign){.ip = IP(1)}; /* a REQUEST tells no hardware address */
	assert_null(dhcp4_watch_table_heard(&table, &heard, 1000 + DHCP4_WATCH_TELL_MS - 1));
	told = dhcp4_watch_table_heard(&table, &heard, 1000 + DHCP4_WATCH_TELL_MS);
	assert_non_null(told);
	assert_int_equal(told->answers, 3);
	assert_memory_equal(told->mac, other_mac, 6);
	assert_int_equal(told->offered_ip, IP(100));
}

static void of_too_many_servers_the_one_silent_longest_gives_way(void **state)
{
	(void)state;
	struct dhcp4_watch_table table = {.count = 0};
	for (unsigned i = 0; i <= DHCP4_WATCH_SERVERS; i++) {
		struct dhcp4_foreign heard = {.ip = IP(i)};
		/* All but the second were heard again later. */
		assert_non_null(dhcp4_watch_table_heard(&table, &heard, i == 1 ? 10 : 100 + i));
	}
	assert_int_equal(table.count, DHCP4_WATCH_SERVERS);
	for (size_t i = 0; i < table.count; i++)
		assert_int_not_equal(table.server[i].ip, IP(1));
}

static void a_silent_server_is_forgotten(void **state)
{
	(void)state;
	struct dhcp4_watch_table table = {.count = 0};
	struct dhcp4_foreign first = {.ip = IP(1)}, second = {.ip = IP(2)};
	(void)dhcp4_watch_table_heard(&table, &first, 0);
	(void)dhcp4_watch_table_heard(&table, &second, 1);
	dhcp4_watch_table_age(&table, DHCP4_WATCH_AGE_MS);
	assert_int_equal(table.count, 1);
	assert_int_equal(table.server[0].ip, IP(2));
}

static size_t build(enum dhcp4_op op, enum dhcp4_type type, uint32_t server, uint32_t giaddr,
	uint8_t *packet, size_t capacity)
{
	struct dhcp4_builder builder;
	struct dhcp4_header header = {.op = (uint8_t)op,
		.htype = 1,
		.hlen = 6,
		.giaddr = giaddr,
		.yiaddr = op == DHCP4_BOOTREPLY ? IP(100) : 0};
	dhcp4_build_init(&builder, packet, capacity, capacity);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, (uint8_t)type);
	dhcp4_build_ip4(&builder, DHCP4_REQUESTED_ADDRESS, IP(100));
	if (server != 0)
		dhcp4_build_ip4(&builder, DHCP4_SERVER_ID, server);
	return dhcp4_build_finish(&builder);
}

static void answers_name_their_server(void **state)
{
	(void)state;
	uint8_t packet[600];
	struct dhcp4_foreign heard;
	struct udp4_datagram datagram = {.flow = {.source = IP(1)}, .payload = packet};
	datagram.payload_bytes =
		build(DHCP4_BOOTREPLY, DHCP4_OFFER, IP(5), 0, packet, sizeof packet);
	assert_true(dhcp4_watch_read_answer(&datagram, other_mac, &heard));
	assert_int_equal(heard.ip, IP(5));
	assert_int_equal(heard.offered_ip, IP(100));
	datagram.payload_bytes = build(DHCP4_BOOTREPLY, DHCP4_OFFER, 0, 0, packet, sizeof packet);
	assert_true(dhcp4_watch_read_answer(&datagram, other_mac, &heard));
	assert_int_equal(heard.ip, IP(1));
	datagram.payload_bytes =
		build(DHCP4_BOOTREQUEST, DHCP4_DISCOVER, 0, 0, packet, sizeof packet);
	assert_false(dhcp4_watch_read_answer(&datagram, other_mac, &heard));
	datagram.payload_bytes = 20;
	assert_false(dhcp4_watch_read_answer(&datagram, other_mac, &heard));
}

static void requests_name_the_server_that_they_chose(void **state)
{
	(void)state;
	uint8_t packet[600];
	struct dhcp4_foreign heard;
	size_t size = build(DHCP4_BOOTREQUEST, DHCP4_REQUEST, IP(5), 0, packet, sizeof packet);
	assert_true(dhcp4_watch_read_request(packet, size, &heard));
	assert_int_equal(heard.ip, IP(5));
	assert_int_equal(heard.offered_ip, IP(100));
	assert_false(heard.has_mac);
	size = build(DHCP4_BOOTREQUEST, DHCP4_REQUEST, 0, 0, packet, sizeof packet);
	assert_false(dhcp4_watch_read_request(packet, size, &heard));
	/* Through a relay it is the server of another segment. */
	size = build(DHCP4_BOOTREQUEST, DHCP4_REQUEST, IP(5), IP(9), packet, sizeof packet);
	assert_false(dhcp4_watch_read_request(packet, size, &heard));
	size = build(DHCP4_BOOTREQUEST, DHCP4_RELEASE, IP(5), 0, packet, sizeof packet);
	assert_false(dhcp4_watch_read_request(packet, size, &heard));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_after_two_probes_means_free),
		cmocka_unit_test(an_answer_ends_every_probe_of_that_address_and_no_other),
		cmocka_unit_test(the_question_of_another_is_no_answer),
		cmocka_unit_test(a_full_table_takes_no_more),
		cmocka_unit_test(a_server_is_told_of_once_in_a_while),
		cmocka_unit_test(of_too_many_servers_the_one_silent_longest_gives_way),
		cmocka_unit_test(a_silent_server_is_forgotten),
		cmocka_unit_test(answers_name_their_server),
		cmocka_unit_test(requests_name_the_server_that_they_chose),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
