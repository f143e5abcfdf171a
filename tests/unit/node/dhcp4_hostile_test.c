/* Bytes from outside: every packet is answered, or dropped and counted; tables stay within their
 * bounds. */
#include "node/dhcp4/dhcp4_hold.h"
#include "tests/unit/node/dhcp4_rig.h"

static int setup(void **state)
{
	struct rig *rig = malloc(sizeof *rig);
	assert_non_null(rig);
	rig_init(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	rig_fini(rig);
	free(rig);
	return 0;
}

static void expect_dropped_as(
	struct rig *rig, const uint8_t *packet, size_t size, enum dhcp4_count count)
{
	const struct ask nobody = {.type = DHCP4_DISCOVER};
	uint64_t before = rig_count(rig, count);
	rig_send_bytes(rig, &nobody, packet, size);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, count), before + 1);
}

static void malformed_packets_are_counted_by_reason(void **state)
{
	struct rig *rig = *state;
	const struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	uint8_t packet[3000] = {0};
	size_t size = rig_packet(&ask, packet, 1500);
	expect_dropped_as(rig, packet, 0, dhcp4_count_of_reason(DHCP4_SHORT));
	expect_dropped_as(rig, packet, 239, dhcp4_count_of_reason(DHCP4_SHORT));
	expect_dropped_as(rig, packet, DHCP4_INPUT_MAX + 1, DHCP4_COUNT_MALFORMED_SIZE);
	packet[0] = 3;
	expect_dropped_as(rig, packet, size, dhcp4_count_of_reason(DHCP4_BAD_OP));
	packet[0] = DHCP4_BOOTREPLY;
	expect_dropped_as(rig, packet, size, DHCP4_COUNT_DROP_REPLY);
	packet[0] = DHCP4_BOOTREQUEST;
	packet[2] = 17;
	expect_dropped_as(rig, packet, size, dhcp4_count_of_reason(DHCP4_BAD_HLEN));
	packet[2] = 0; /* no hardware address, no client identifier */
	expect_dropped_as(rig, packet, size, DHCP4_COUNT_MALFORMED_IDENTITY);
	packet[2] = 6;
	memset(packet + 28, 0, 6);
	expect_dropped_as(rig, packet, size, DHCP4_COUNT_MALFORMED_IDENTITY);
	packet[236] ^= 1;
	expect_dropped_as(rig, packet, size, dhcp4_count_of_reason(DHCP4_NO_COOKIE));
	packet[236] ^= 1;
	packet[241] = 200;
	expect_dropped_as(rig, packet, 300, dhcp4_count_of_reason(DHCP4_OPTION_TRUNCATED));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_MALFORMED), 9);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
}

static void types_that_servers_do_not_take_are_dropped(void **state)
{
	struct rig *rig = *state;
	const unsigned types[] = {DHCP4_OFFER, DHCP4_ACK, DHCP4_NAK, DHCP4_FORCERENEW, 17, 255};
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct ask ask = {.type = (enum dhcp4_type)types[i], .client = 1};
		rig_send(rig, &ask);
		rig_expect_silence(rig);
		assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_TYPE), i + 1);
	}
	struct ask bootp = {.type = DHCP4_BOOTP, .client = 1};
	rig_send(rig, &bootp);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_BOOTP), 1);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_OFFER_SENT), 0);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_ACK_SENT), 0);
}

static void release_and_decline_of_no_address_are_malformed(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_RELEASE, .client = 1};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	ask.type = DHCP4_DECLINE;
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_MALFORMED_ADDRESS), 2);
}

static void relay_address_that_no_host_has_is_malformed(void **state)
{
	struct rig *rig = *state;
	const uint32_t addresses[] = {
		UINT32_MAX, IP(127, 0, 0, 1), IP(224, 0, 0, 1), IP(0, 0, 0, 9)};
	for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
		const uint8_t info[] = {5, 4, 10, 0, 0, 0}; /* would select a subnet */
		struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = addresses[i]};
		ask_option(&ask, DHCP4_RELAY_AGENT_INFO, info, sizeof info);
		rig_send(rig, &ask);
		rig_expect_silence(rig);
		assert_int_equal(rig_count(rig, DHCP4_COUNT_MALFORMED_ADDRESS), i + 1);
	}
}

static void a_flood_of_unknown_clients_is_told_in_few_events(void **state)
{
	struct rig *rig = *state;
	unsigned told = 0;
	rig->view.boot_ms = 5000;
	for (unsigned client = 1; client <= 500; client++) {
		struct ask ask = {
			.type = DHCP4_DISCOVER, .client = client, .giaddr = IP(10, 9, 0, 1)};
		rig_send(rig, &ask);
		told += rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, NULL);
	}
	assert_int_equal(told, DHCP4_REFUSED_BURST);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NO_SUBNET), 500);
	rig_pass(rig, DHCP4_REFUSED_MS);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 501, .giaddr = IP(10, 9, 0, 1)};
	rig_send(rig, &ask);
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, NULL));
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Requests with random bytes changed, cut at random places. Each must be counted as exactly one
 * thing, and what is proposed must go through the model. */
static void changed_and_cut_packets_never_harm(void **state)
{
	struct rig *rig = *state;
	uint64_t seed = 0x9e3779b97f4a7c15u;
	const enum dhcp4_type types[] = {
		DHCP4_DISCOVER, DHCP4_REQUEST, DHCP4_RELEASE, DHCP4_DECLINE, DHCP4_INFORM};
	const uint8_t info[] = {1, 4, 1, 2, 3, 4, 5, 4, 10, 0, 0, 7};
	for (unsigned round = 0; round < 20000; round++) {
		struct ask ask = {.type = types[round % 5],
			.client = round % 300,
			.xid = round,
			.requested = IP(10, 0, 0, 100) + round % 120,
			.ciaddr = round % 3 == 0 ? IP(10, 0, 0, 100) : 0,
			.giaddr = round % 4 == 0 ? IP(10, 0, 0, 1) : 0,
			.unicast = round % 7 == 0};
		uint8_t packet[1500];
		ask_text(&ask, DHCP4_VENDOR_CLASS, "PXEClient:Arch:00007:UNDI:003000");
		ask_option(&ask, DHCP4_RELAY_AGENT_INFO, info, sizeof info);
		ask_text(&ask, DHCP4_HOST_NAME, "host\x80\x01");
		size_t size = rig_packet(&ask, packet, sizeof packet);
		unsigned changes = (unsigned)(next_random(&seed) % 6);
		for (unsigned i = 0; i < changes; i++) {
			size_t at = next_random(&seed) % size;
			if (at < 236 || at > 239) /* the cookie would only be refused */
				packet[at] = (uint8_t)next_random(&seed);
		}
		if (next_random(&seed) % 4 == 0)
			size = next_random(&seed) % (size + 1);
		rig_send_bytes(rig, &ask, packet, size);
		assert_false(rig->effects.has_reply && rig->effects.has_proposal);
		if (rig->effects.has_proposal)
			rig_commit(rig);
		rig_pass(rig, 10);
	}
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
	assert_true(rig_count(rig, DHCP4_COUNT_MALFORMED) > 1000);
	assert_true(rig_count(rig, DHCP4_COUNT_ACK_SENT) > 100);
}

static void hostname_from_the_wire_is_printable_or_nothing(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_text(&ask, DHCP4_HOST_NAME, "evil\x1b[2J");
	rig_send(rig, &ask);
	assert_string_equal(rig->effects.proposal.who.hostname, "");
	assert_string_equal(rig->effects.event[0].host, "");
	rig_commit(rig);
	struct ask good = {.type = DHCP4_DISCOVER, .client = 2};
	ask_text(&good, DHCP4_HOST_NAME, "n07.lab");
	rig_send(rig, &good);
	assert_string_equal(rig->effects.proposal.who.hostname, "n07.lab");
}

static void a_flood_of_strangers_leaves_room_for_known_clients(void **state)
{
	struct rig *rig = *state;
	uint64_t first_ticket = 0;
	uint32_t ip = rig_lease(rig, 50000);
	rig_host(rig, "declared", 50001, 0, false);
	rig_pass(rig, RIG_LEASE_S * 500); /* renewals go through the log */
	for (unsigned client = 0; client < DHCP4_STRANGERS_MAX; client++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = client + 1};
		rig_send(rig, &ask);
		assert_true(rig->effects.has_proposal);
		if (client == 0)
			first_ticket = rig->ticket;
	}
	struct ask late = {.type = DHCP4_DISCOVER, .client = 60000};
	rig_send(rig, &late);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_PENDING_FULL), 1);
	assert_int_equal(dhcp4_engine_pending(rig->engine), DHCP4_STRANGERS_MAX);
	struct ask renewal = {.type = DHCP4_REQUEST,
		.client = 50000,
		.ciaddr = ip,
		.unicast = true,
		.to = RIG_SERVER_IP,
		.from = ip};
	assert_true(rig_ask(rig, &renewal));
	rig_expect_reply(rig, DHCP4_ACK);
	struct ask declared = {.type = DHCP4_DISCOVER, .client = 50001};
	assert_true(rig_ask(rig, &declared));
	rig_expect_reply(rig, DHCP4_OFFER);
	dhcp4_engine_on_outcome(
		rig->engine, NULL, first_ticket, DHCP4_OUTCOME_UNKNOWN, NULL, &rig->effects);
	assert_true(rig_ask(rig, &late));
	rig_expect_reply(rig, DHCP4_OFFER);
}

/* A hundred addresses are taken by the first hundred strangers; the rest write nothing. */
static void strangers_at_a_full_pool_cost_no_log_entries(void **state)
{
	struct rig *rig = *state;
	unsigned proposals = 0;
	uint32_t ip = rig_lease(rig, 50000);
	rig->view.boot_ms = 5000;
	for (unsigned client = 1; client <= 2000; client++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = client};
		uint64_t before = rig_count(rig, DHCP4_COUNT_PROPOSED);
		rig_ask(rig, &ask);
		proposals += rig_count(rig, DHCP4_COUNT_PROPOSED) > before;
	}
	assert_int_equal(proposals, 99 + 1);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_REFUSED), 2000 - 99);
	struct ask known = {.type = DHCP4_DISCOVER, .client = 50000};
	assert_true(rig_ask(rig, &known));
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, ip);
	/* The offers run out, and the next stranger is served. */
	rig_pass(rig, (RIG_OFFER_S + 1) * 1000);
	struct ask late = {.type = DHCP4_DISCOVER, .client = 3000};
	assert_true(rig_ask(rig, &late));
	rig_expect_reply(rig, DHCP4_OFFER);
}

static void one_client_that_floods_has_one_proposal_of_each_kind(void **state)
{
	struct rig *rig = *state;
	unsigned proposals = 0;
	for (uint32_t i = 0; i < 1000; i++) {
		struct ask ask = {.type = i % 2 == 0 ? DHCP4_DISCOVER : DHCP4_REQUEST,
			.client = 1,
			.xid = i,
			.requested = IP(10, 0, 0, 100) + i % 100,
			.server = i % 2 == 0 ? 0 : RIG_SERVER_IP};
		rig_send(rig, &ask);
		proposals += rig->effects.has_proposal;
	}
	assert_int_equal(proposals, 2);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 2);
	assert_true(rig_count(rig, DHCP4_COUNT_DROP_CLIENT_BUSY) > 0);
}

static void outcome_of_a_made_up_ticket_is_harmless(void **state)
{
	struct rig *rig = *state;
	const uint64_t tickets[] = {1, UINT16_MAX, UINT64_MAX, 3u << 16, 1u << 16 | 2047};
	const struct model_result result = {.verdict = PXE__VERDICT__VERDICT_OK};
	for (size_t i = 0; i < sizeof tickets / sizeof tickets[0]; i++) {
		dhcp4_engine_on_outcome(rig->engine, &rig->view, tickets[i], DHCP4_OUTCOME_APPLIED,
			&result, &rig->effects);
		rig_expect_silence(rig);
	}
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_LATE), 5);
}

static void every_counter_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 1; i < DHCP4_COUNT_COUNT; i++) {
		const char *name = dhcp4_count_name((enum dhcp4_count)i);
		assert_non_null(name);
		for (unsigned j = 1; j < i; j++)
			assert_string_not_equal(name, dhcp4_count_name((enum dhcp4_count)j));
	}
}

/* The table against a plain model of itself. */
static void hold_keeps_order_keys_and_tickets(void **state)
{
	enum { CLIENTS = 64, CAPACITY = 16 };
	struct dhcp4_hold hold;
	struct dhcp4_view view = {.now_ms = 1, .boot_ms = 1};
	uint64_t ticket[CLIENTS] = {0}, age[CLIENTS] = {0}, clock = 0, seed = 42;
	size_t held_count = 0;
	(void)state;
	assert_int_equal(dhcp4_hold_init(&hold, CAPACITY), 0);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned client = (unsigned)(next_random(&seed) % CLIENTS);
		uint8_t byte = (uint8_t)client;
		struct dhcp4_request request = {.client = {1, byte}, .client_bytes = 2};
		struct dhcp4_input input = {.packet = &byte, .packet_bytes = 1};
		struct dhcp4_held *held = dhcp4_hold_find(&hold, &request, DHCP4_PURPOSE_OFFER);
		assert_int_equal(held != NULL, ticket[client] != 0);
		if (held != NULL) {
			assert_int_equal(held->input.packet[0], byte);
			assert_ptr_equal(dhcp4_hold_of_ticket(&hold, ticket[client]), held);
			uint64_t old = ticket[client];
			dhcp4_hold_remove(&hold, held);
			assert_null(dhcp4_hold_of_ticket(&hold, old));
			ticket[client] = 0;
			held_count--;
		} else {
			held = dhcp4_hold_add(&hold, &input, &request, DHCP4_PURPOSE_OFFER, &view);
			assert_int_equal(held == NULL, held_count == CAPACITY);
			if (held == NULL)
				continue;
			ticket[client] = dhcp4_hold_ticket(&hold, held);
			age[client] = ++clock;
			held_count++;
		}
		uint64_t last = 0;
		size_t walked = 0;
		for (held = dhcp4_hold_oldest(&hold); held != NULL;
			held = dhcp4_hold_newer(&hold, held)) {
			assert_true(age[held->client[1]] > last);
			last = age[held->client[1]];
			walked++;
		}
		assert_int_equal(walked, held_count);
		assert_int_equal(hold.count, held_count);
	}
	dhcp4_hold_fini(&hold);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(malformed_packets_are_counted_by_reason),
		TEST(types_that_servers_do_not_take_are_dropped),
		TEST(release_and_decline_of_no_address_are_malformed),
		TEST(relay_address_that_no_host_has_is_malformed),
		TEST(a_flood_of_unknown_clients_is_told_in_few_events),
		TEST(changed_and_cut_packets_never_harm),
		TEST(hostname_from_the_wire_is_printable_or_nothing),
		TEST(a_flood_of_strangers_leaves_room_for_known_clients),
		TEST(strangers_at_a_full_pool_cost_no_log_entries),
		TEST(one_client_that_floods_has_one_proposal_of_each_kind),
		TEST(outcome_of_a_made_up_ticket_is_harmless),
		cmocka_unit_test(every_counter_has_a_name_of_its_own),
		cmocka_unit_test(hold_keeps_order_keys_and_tickets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
