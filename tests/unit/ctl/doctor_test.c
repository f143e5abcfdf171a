/* What doctor says of a cluster's status, and what counts as another server's OFFER. */
#include "ctl/dhcp_ask.h"
#include "ctl/doctor.h"

#include "proto/wire/dhcp4_build.h"
#include "proto/wire/udp4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct site {
	struct ctl ctl;
	struct doctor doctor;
	Pxe__Status status;
	Pxe__NodeStatus node[3], *nodes[3];
	Pxe__PoolStatus pool, *pools[1];
	Pxe__ForeignServer foreign, *foreigns[1];
};

static char healthy[] = "healthy", none[] = "no quorum", on[] = "on", off[] = "off", ok[] = "ok",
	    down[] = "down", voter[] = "voter", version[] = "0.1.0", newer[] = "0.2.0",
	    name[] = "pxe1", pool_name[] = "lab";
static uint8_t foreign_ip[4] = {10, 0, 0, 3};

/* Three sound nodes and a pool with room. */
static int setup(void **state)
{
	struct site *s = calloc(1, sizeof *s);
	assert_non_null(s);
	s->doctor.ctl = &s->ctl;
	s->doctor.status = &s->status;
	pxe__status__init(&s->status);
	s->status.health = healthy;
	s->status.dhcp = on;
	s->status.voters = s->status.voters_up = 3;
	for (size_t i = 0; i < 3; i++) {
		pxe__node_status__init(&s->node[i]);
		s->node[i].name = name;
		s->node[i].state = ok;
		s->node[i].raft_role = voter;
		s->node[i].version = version;
		s->nodes[i] = &s->node[i];
	}
	s->status.nodes = s->nodes;
	s->status.n_nodes = 3;
	pxe__pool_status__init(&s->pool);
	s->pool.name = pool_name;
	s->pool.size = 100;
	s->pools[0] = &s->pool;
	s->status.pools = s->pools;
	s->status.n_pools = 1;
	pxe__foreign_server__init(&s->foreign);
	s->foreign.ip = (ProtobufCBinaryData){4, foreign_ip};
	s->foreigns[0] = &s->foreign;
	s->status.foreign = s->foreigns;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* The worst that is said of `what`; -1: nothing. */
static int level_of(struct site *s, const char *what)
{
	int worst = -1;
	s->doctor.count = 0;
	doctor_cluster(&s->doctor);
	for (size_t i = 0; i < s->doctor.count; i++) {
		if (strcmp(s->doctor.finding[i].what, what) == 0 &&
			(int)s->doctor.finding[i].level > worst)
			worst = (int)s->doctor.finding[i].level;
	}
	return worst;
}

static void a_sound_cluster_is_ok_throughout(void **state)
{
	struct site *s = *state;
	doctor_cluster(&s->doctor);
	assert_true(s->doctor.count >= 6);
	for (size_t i = 0; i < s->doctor.count; i++)
		assert_int_equal(s->doctor.finding[i].level, DOCTOR_OK);
}

static void voters_and_nodes(void **state)
{
	struct site *s = *state;
	s->status.voters = 4;
	assert_int_equal(level_of(s, "quorum"), DOCTOR_WARN);
	s->status.voters = 1;
	assert_int_equal(level_of(s, "quorum"), DOCTOR_WARN);
	s->status.health = none;
	assert_int_equal(level_of(s, "quorum"), DOCTOR_BAD);
	s->node[1].state = down;
	assert_int_equal(level_of(s, "node pxe1"), DOCTOR_BAD);
	s->node[1].state = ok;
	s->node[1].behind = 5000;
	assert_int_equal(level_of(s, "node pxe1"), DOCTOR_WARN);
	s->node[1].behind = 0;
	s->node[1].images = 2;
	assert_int_equal(level_of(s, "node pxe1"), DOCTOR_WARN);
	assert_int_equal(level_of(s, "versions"), -1);
	s->node[2].version = newer;
	assert_int_equal(level_of(s, "versions"), DOCTOR_WARN);
	assert_int_equal(level_of(s, "merge"), -1);
	s->status.merge_conflicts = 1;
	assert_int_equal(level_of(s, "merge"), DOCTOR_BAD);
}

static void pools_fill(void **state)
{
	struct site *s = *state;
	s->pool.used = 89;
	assert_int_equal(level_of(s, "pool lab"), DOCTOR_OK);
	s->pool.used = 90;
	assert_int_equal(level_of(s, "pool lab"), DOCTOR_WARN);
	s->pool.used = 100;
	assert_int_equal(level_of(s, "pool lab"), DOCTOR_BAD);
	s->status.n_pools = 0;
	assert_int_equal(level_of(s, "pools"), DOCTOR_WARN);
}

static void other_servers(void **state)
{
	struct site *s = *state;
	assert_int_equal(level_of(s, "DHCP servers"), -1);
	s->status.n_foreign = 1;
	assert_int_equal(level_of(s, "DHCP servers"), DOCTOR_BAD);
	s->status.dhcp = off;
	assert_int_equal(level_of(s, "DHCP servers"), DOCTOR_WARN);
	assert_int_equal(level_of(s, "DHCP"), DOCTOR_WARN);
	s->foreign.expected = true;
	assert_int_equal(level_of(s, "DHCP servers"), DOCTOR_OK);
}

static void nobody_answers(void **state)
{
	struct site *s = *state;
	s->doctor.status = NULL;
	assert_int_equal(level_of(s, "cluster"), DOCTOR_BAD);
	assert_int_equal(s->doctor.count, 1);
}

/* ---- the question before a cluster begins */

static size_t build(uint8_t packet[1024], uint8_t op, enum dhcp4_type type, uint16_t port)
{
	struct dhcp4_builder builder;
	struct dhcp4_header header = {
		.op = op, .htype = 1, .hlen = 6, .xid = 7, .yiaddr = 0x0a000064};
	const struct udp4_flow flow = {.source = 0x0a000003,
		.destination = UINT32_MAX,
		.source_port = DHCP4_SERVER_PORT,
		.destination_port = port};
	dhcp4_build_init(&builder, packet + UDP4_HEADERS_BYTES, 600, 600);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, (uint8_t)type);
	dhcp4_build_ip4(&builder, DHCP4_SERVER_ID, 0x0a000004);
	size_t bytes = dhcp4_build_finish(&builder);
	udp4_headers_encode(&flow, 1, packet + UDP4_HEADERS_BYTES, bytes, packet);
	return bytes + UDP4_HEADERS_BYTES;
}

static void an_offer_to_us_is_an_answer_and_nothing_else(void **state)
{
	uint8_t packet[1024];
	struct dhcp_answer answer;
	(void)state;
	size_t bytes = build(packet, DHCP4_BOOTREPLY, DHCP4_OFFER, DHCP4_CLIENT_PORT);
	assert_true(dhcp_ask_read(packet, bytes, 7, &answer));
	assert_int_equal(answer.server_ip, 0x0a000004);
	assert_int_equal(answer.offered_ip, 0x0a000064);
	assert_false(dhcp_ask_read(packet, bytes, 8, &answer)); /* another machine's */
	assert_false(dhcp_ask_read(packet, 100, 7, &answer));
	bytes = build(packet, DHCP4_BOOTREPLY, DHCP4_NAK, DHCP4_CLIENT_PORT);
	assert_false(dhcp_ask_read(packet, bytes, 7, &answer));
	bytes = build(packet, DHCP4_BOOTREQUEST, DHCP4_OFFER, DHCP4_CLIENT_PORT);
	assert_false(dhcp_ask_read(packet, bytes, 7, &answer));
	bytes = build(packet, DHCP4_BOOTREPLY, DHCP4_OFFER, DHCP4_SERVER_PORT);
	assert_false(dhcp_ask_read(packet, bytes, 7, &answer));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sound_cluster_is_ok_throughout),
		TEST(voters_and_nodes),
		TEST(pools_fill),
		TEST(other_servers),
		TEST(nobody_answers),
		cmocka_unit_test(an_offer_to_us_is_an_answer_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
