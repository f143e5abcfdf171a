/* BOOTP, INFORM, rapid commit, what relays say, links of several subnets, and floods. */
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

static void set_rapid(struct rig *rig)
{
	Pxe__Settings settings = *model_settings(rig->model);
	Pxe__Quirks quirks = PXE__QUIRKS__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	quirks.rapid_commit = PXE__TOGGLE__TOGGLE_YES;
	settings.quirks = &quirks;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(rig, &put);
}

static void set_unknown_rate(struct rig *rig, uint32_t per_s)
{
	Pxe__Settings settings = *model_settings(rig->model);
	Pxe__Put put = PXE__PUT__INIT;
	settings.unknown_per_s = per_s;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(rig, &put);
}

static void set_shared(struct rig *rig, const char *name, const char *shared)
{
	Pxe__Subnet subnet = *model_subnet(rig->model, name);
	Pxe__Put put = PXE__PUT__INIT;
	subnet.shared_network = (char *)(uintptr_t)shared;
	put.object_case = PXE__PUT__OBJECT_SUBNET;
	put.subnet = &subnet;
	rig_put(rig, &put);
}

/* ---- BOOTP */

static void bootp_gets_its_reservation_and_no_dhcp_options(void **state) /* RFC 1534; FIELD 1, 6 */
{
	struct rig *rig = *state;
	struct lease lease;
	rig_host(rig, "n07", 7, IP(10, 0, 0, 150), false);
	struct ask ask = {.type = DHCP4_BOOTP, .client = 7, .xid = 70};
	rig_send(rig, &ask);
	assert_int_equal(rig->effects.proposal.command.op_case, PXE__COMMAND__OP_BIND);
	assert_true(rig->effects.proposal.bind.bootp);
	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_OK);
	rig_expect_reply(rig, DHCP4_BOOTP);
	assert_int_equal(rig->reply.header.yiaddr, IP(10, 0, 0, 150));
	assert_int_equal(rig->reply.header.xid, 70);
	assert_int_equal(rig->effects.reply.size, DHCP4_MIN_BYTES);
	const uint8_t none[] = {DHCP4_MESSAGE_TYPE, DHCP4_SERVER_ID, DHCP4_LEASE_SECONDS,
		DHCP4_RENEWAL_SECONDS, DHCP4_REBINDING_SECONDS, DHCP4_OVERLOAD};
	for (size_t i = 0; i < sizeof none; i++)
		assert_false(dhcp4_has(&rig->reply, none[i]));
	assert_int_equal(rig_ip4(rig, DHCP4_SUBNET_MASK), 0xffffff00);
	assert_int_equal(rig_ip4(rig, DHCP4_ROUTERS), IP(10, 0, 0, 1));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_BOOTP), 1);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_BOOTP_SENT), 1);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_HARDWARE);
	assert_true(model_lease_of_ip(rig->model, IP(10, 0, 0, 150), &lease));
	rig_pass(rig, 1000u * 86400 * 365);
	assert_int_equal(lease_state_at(&lease, rig->view.now_ms), PXE__LEASE_STATE__LEASE_BOUND);
}

static void bootp_without_a_reservation_gets_silence(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_BOOTP, .client = 7};
	rig_host(rig, "n08", 8, 0, false);
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	ask.client = 8;
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_BOOTP), 2);
}

static void bootp_without_vendor_information_is_understood(void **state) /* RFC 951 */
{
	struct rig *rig = *state;
	uint8_t packet[300];
	struct ask ask = {.type = DHCP4_BOOTP, .client = 7};
	rig_host(rig, "n07", 7, IP(10, 0, 0, 150), false);
	assert_int_equal(rig_packet(&ask, packet, sizeof packet), 300);
	memset(packet + DHCP4_HEADER_BYTES - 4, 0, 64);
	rig_send_bytes(rig, &ask, packet, sizeof packet);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_BOOTP);
	assert_int_equal(rig->reply.header.yiaddr, IP(10, 0, 0, 150));
	packet[DHCP4_HEADER_BYTES - 4] = 1; /* neither nothing nor RFC 1497 */
	rig_send_bytes(rig, &ask, packet, sizeof packet);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, dhcp4_count_of_reason(DHCP4_NO_COOKIE)), 1);
}

static void bootp_again_is_answered_from_the_state(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_BOOTP, .client = 7, .xid = 1};
	rig_host(rig, "n07", 7, IP(10, 0, 0, 150), false);
	assert_true(rig_ask(rig, &ask));
	rig_pass(rig, 86400000);
	ask.xid = 2;
	rig_send(rig, &ask);
	rig_expect_reply(rig, DHCP4_BOOTP);
	assert_int_equal(rig->reply.header.yiaddr, IP(10, 0, 0, 150));
}

static void bootp_is_told_what_to_boot_by_the_header(void **state) /* FIELD 4 */
{
	static const char *const loaders[] = {"undionly.kpxe"}, *const kernels[] = {"vmlinuz"};
	const uint64_t holders[] = {1};
	const uint8_t none[] = {
		DHCP4_VENDOR_INFO, DHCP4_VENDOR_CLASS, DHCP4_TFTP_SERVER, DHCP4_BOOT_FILE};
	struct rig *rig = *state;
	rig_image(rig, "ipxe", loaders, 1, holders, 1);
	rig_image(rig, "debian12", kernels, 1, holders, 1);
	rig_profile(rig, "debian12");
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "debian12");
	rig_host(rig, "n07", 7, IP(10, 0, 0, 150), false);
	struct ask ask = {.type = DHCP4_BOOTP, .client = 7};
	assert_true(rig_ask(rig, &ask));
	assert_non_null(strstr(rig->reply.header.file, "undionly.kpxe"));
	assert_int_equal(rig->reply.header.siaddr, rig->view.serve_ip);
	for (size_t i = 0; i < sizeof none; i++)
		assert_false(dhcp4_has(&rig->reply, none[i]));
}

/* ---- INFORM */

static void inform_of_an_unconfigured_subnet_is_dropped(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_INFORM, .client = 1, .ciaddr = IP(10, 9, 0, 7)};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NO_SUBNET), 1);
}

/* ---- rapid commit (RFC 4039) */

static struct ask rapid_discover(unsigned client)
{
	struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = 5};
	ask_option(&ask, DHCP4_RAPID_COMMIT, "", 0);
	return ask;
}

static void rapid_commit_acknowledges_a_discover(void **state)
{
	struct rig *rig = *state;
	struct lease lease;
	struct ask ask = rapid_discover(1);
	size_t size = 1;
	set_rapid(rig);
	rig_send(rig, &ask);
	rig_commit(rig); /* which address */
	assert_false(rig->effects.has_reply);
	assert_int_equal(rig->effects.proposal.command.op_case, PXE__COMMAND__OP_BIND);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_true(dhcp4_option(&rig->reply, DHCP4_RAPID_COMMIT, NULL, &size));
	assert_int_equal(size, 0);
	assert_true(model_lease_of_ip(rig->model, rig->reply.header.yiaddr, &lease));
	assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_BOUND);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
}

static void rapid_commit_is_for_who_asks_where_it_is_on(void **state)
{
	struct rig *rig = *state;
	struct ask ask = rapid_discover(1), plain = {.type = DHCP4_DISCOVER, .client = 2};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_false(dhcp4_has(&rig->reply, DHCP4_RAPID_COMMIT));
	set_rapid(rig);
	assert_true(rig_ask(rig, &plain));
	rig_expect_reply(rig, DHCP4_OFFER);
}

static void a_discover_is_never_naked(void **state) /* FIELD 15 */
{
	struct rig *rig = *state;
	struct ask ask = rapid_discover(1);
	set_rapid(rig);
	rig_send(rig, &ask);
	rig_commit(rig);
	uint32_t ip = rig->effects.proposal.bind.ip.data[3];
	rig_host(rig, "n09", 9, IP(10, 0, 0, 0) + ip, false); /* reserved for another meanwhile */
	rig_commit(rig);
	if (rig->effects.has_reply)
		assert_int_not_equal(rig->reply.type, DHCP4_NAK);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_NAK_SENT), 0);
}

/* ---- relays */

static void a_renewal_by_a_relay_may_be_known_as_unicast(void **state) /* RFC 5010 */
{
	struct rig *rig = *state;
	const uint8_t flags[] = {10, 1, 0x80}, other[] = {10, 1, 0};
	rig_subnet(rig, "far", IP(10, 1, 0, 0), "");
	uint32_t ip = rig_lease(rig, 1);
	rig_pass(rig, RIG_LEASE_S * 500);
	/* By broadcast an address of another link is wrong; by unicast it is a renewal. */
	struct ask ask = {
		.type = DHCP4_REQUEST, .client = 1, .ciaddr = ip, .giaddr = IP(10, 1, 0, 1)};
	struct ask broadcast = ask;
	ask_option(&ask, DHCP4_RELAY_AGENT_INFO, flags, sizeof flags);
	ask_option(&broadcast, DHCP4_RELAY_AGENT_INFO, other, sizeof other);
	rig_send(rig, &broadcast);
	rig_expect_reply(rig, DHCP4_NAK);
	ask.xid++;
	rig_send(rig, &ask);
	assert_false(rig->effects.has_reply && rig->reply.type == DHCP4_NAK);
}

static void a_renewal_to_the_relays_identifier_is_ours(void **state) /* RFC 5107 */
{
	struct rig *rig = *state;
	const uint8_t override[] = {11, 4, 10, 0, 0, 1};
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = IP(10, 0, 0, 1)};
	ask_option(&ask, DHCP4_RELAY_AGENT_INFO, override, sizeof override);
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), IP(10, 0, 0, 1));
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = IP(10, 0, 0, 1);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), IP(10, 0, 0, 1));
	ask.ciaddr = ask.requested;
	ask.requested = ask.server = 0;
	rig_pass(rig, RIG_LEASE_S * 500);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_RELAY);
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), IP(10, 0, 0, 1));
}

static void option_82_comes_back_whatever_else_must_go(void **state) /* RFC 3046 */
{
	struct rig *rig = *state;
	uint8_t info[255], id[250];
	const uint8_t limit[] = {0x02, 0x40};
	memset(info, 0x55, sizeof info);
	memset(id, 7, sizeof id);
	info[0] = 1;
	info[1] = sizeof info - 2;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = IP(10, 0, 0, 1)};
	ask_option(&ask, DHCP4_CLIENT_ID, id, sizeof id);
	ask_option(&ask, DHCP4_MAX_MESSAGE_BYTES, limit, sizeof limit);
	ask_option(&ask, DHCP4_RELAY_AGENT_INFO, info, sizeof info);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	const uint8_t *echoed;
	size_t size;
	assert_true(dhcp4_option(&rig->reply, DHCP4_RELAY_AGENT_INFO, &echoed, &size));
	assert_int_equal(size, sizeof info);
	assert_memory_equal(echoed, info, size);
	/* The relay takes it out again: the client's limit holds without it. */
	assert_true(rig->effects.reply.size <= 548 + 2 + sizeof info);
}

static void a_relay_may_be_answered_at_its_own_port(void **state) /* RFC 8357 */
{
	struct rig *rig = *state;
	const uint8_t info[] = {19, 0};
	uint8_t packet[400];
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = IP(10, 0, 0, 1)};
	ask_option(&ask, DHCP4_RELAY_AGENT_INFO, info, sizeof info);
	size_t size = rig_packet(&ask, packet, sizeof packet);
	struct dhcp4_input input = {.packet = packet,
		.packet_bytes = size,
		.link_ip = rig->view.serve_ip,
		.source_ip = ask.giaddr,
		.source_port = 4500,
		.received_ms = rig->view.boot_ms};
	dhcp4_engine_on_packet(rig->engine, &rig->view, &input, &rig->effects);
	rig_note_effects(rig);
	rig_commit(rig);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_RELAY);
	assert_int_equal(rig->effects.reply.port, 4500);
	ask.client = 2;
	ask.options_bytes = 0;
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig->effects.reply.port, DHCP4_SERVER_PORT);
}

static void a_relay_may_pass_on_the_choice_of_a_subnet(void **state) /* RFC 3011 */
{
	struct rig *rig = *state;
	const uint8_t chosen[] = {10, 1, 0, 0};
	rig_subnet(rig, "far", IP(10, 1, 0, 0), "");
	rig_pool(rig, "far", "far", IP(10, 1, 0, 50), IP(10, 1, 0, 60));
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = IP(10, 0, 0, 1)};
	ask_option(&ask, 118, chosen, sizeof chosen);
	assert_true(rig_ask(rig, &ask));
	assert_in_range(rig->reply.header.yiaddr, IP(10, 1, 0, 50), IP(10, 1, 0, 60));
	assert_int_equal(rig_ip4(rig, 118), IP(10, 1, 0, 0));
}

static void without_a_relay_only_a_subnet_of_the_own_link_may_be_chosen(void **state)
{
	struct rig *rig = *state;
	const uint8_t chosen[] = {10, 1, 0, 0};
	rig_subnet(rig, "far", IP(10, 1, 0, 0), "");
	rig_pool(rig, "far", "far", IP(10, 1, 0, 50), IP(10, 1, 0, 60));
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 1};
	ask_option(&ask, 118, chosen, sizeof chosen);
	assert_true(rig_ask(rig, &ask));
	assert_in_range(rig->reply.header.yiaddr, IP(10, 0, 0, 100), IP(10, 0, 0, 199));
	assert_false(dhcp4_has(&rig->reply, 118));

	set_shared(rig, "lab", "wire");
	set_shared(rig, "far", "wire");
	ask.client = 2;
	assert_true(rig_ask(rig, &ask));
	assert_in_range(rig->reply.header.yiaddr, IP(10, 1, 0, 50), IP(10, 1, 0, 60));
	assert_int_equal(rig_ip4(rig, 118), IP(10, 1, 0, 0));
}

static void an_address_of_the_shared_network_is_not_wrong_and_has_its_own_mask(void **state)
{
	struct rig *rig = *state;
	rig_subnet(rig, "far", IP(10, 1, 0, 0), "");
	rig_pool(rig, "far", "far", IP(10, 1, 0, 50), IP(10, 1, 0, 60));
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .requested = IP(10, 1, 0, 55)};
	rig_send(rig, &ask);
	rig_expect_reply(rig, DHCP4_NAK);

	set_shared(rig, "lab", "wire");
	set_shared(rig, "far", "wire");
	ask.server = RIG_SERVER_IP;
	ask.xid = 2;
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->reply.header.yiaddr, IP(10, 1, 0, 55));
	assert_int_equal(rig_ip4(rig, DHCP4_ROUTERS), IP(10, 1, 0, 1));
	assert_int_equal(rig_ip4(rig, DHCP4_BROADCAST_ADDRESS), IP(10, 1, 0, 255));

	/* From the state, by DISCOVER and by REQUEST. */
	struct ask again = {.type = DHCP4_DISCOVER, .client = 1, .xid = 3};
	rig_send(rig, &again);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, IP(10, 1, 0, 55));
}

/* ---- floods */

static void first_offers_to_unknown_machines_are_bounded(void **state)
{
	struct rig *rig = *state;
	unsigned offered = 0, told = 0;
	set_unknown_rate(rig, 10);
	rig_host(rig, "n900", 900, 0, false);
	uint32_t mine = rig_lease(rig, 901);
	rig_pass(rig, 2000);
	for (unsigned client = 1; client <= 50; client++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = client};
		rig_send(rig, &ask);
		told += rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, NULL);
		if (rig->effects.has_proposal)
			rig_commit(rig);
		offered += rig->effects.has_reply;
	}
	assert_int_equal(offered, 10);
	assert_int_equal(told, 1);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_UNKNOWN_RATE), 40);

	/* Who is known does not wait. */
	struct ask known = {.type = DHCP4_DISCOVER, .client = 900, .xid = 1};
	assert_true(rig_ask(rig, &known));
	struct ask renew = {.type = DHCP4_REQUEST, .client = 901, .ciaddr = mine};
	assert_true(rig_ask(rig, &renew));
	rig_expect_reply(rig, DHCP4_ACK);

	rig_pass(rig, 300); /* three more by now */
	offered = 0;
	for (unsigned client = 60; client <= 70; client++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = client};
		offered += rig_ask(rig, &ask);
	}
	assert_int_equal(offered, 3);
}

static void a_repeat_takes_no_more_of_the_rate(void **state)
{
	struct rig *rig = *state;
	set_unknown_rate(rig, 2);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 1};
	rig_send(rig, &ask);
	for (unsigned i = 0; i < 20; i++)
		rig_send(rig, &ask);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_UNKNOWN_RATE), 0);
	ask.client = 2;
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
}

/* ---- how an answer is laid out */

static void between_options_there_is_no_padding_and_an_end_after_them(void **state) /* FIELD 2 */
{
	struct rig *rig = *state;
	const uint8_t list[] = {DHCP4_ROUTERS};
	for (unsigned round = 0; round < 2; round++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = round + 1};
		if (round == 1)
			ask_option(&ask, DHCP4_PARAMETER_LIST, list, sizeof list);
		assert_true(rig_ask(rig, &ask));
		const struct dhcp4_reply *reply = &rig->effects.reply;
		size_t at = DHCP4_HEADER_BYTES;
		while (at < reply->size && reply->data[at] != DHCP4_END) {
			assert_int_not_equal(reply->data[at], DHCP4_PAD);
			at += 2u + reply->data[at + 1];
		}
		assert_true(at < reply->size);
		assert_true(at + 1 == reply->size || reply->size == DHCP4_MIN_BYTES);
		for (at++; at < reply->size; at++)
			assert_int_equal(reply->data[at], 0);
	}
}

static void the_edges_of_a_class_c_inside_a_larger_subnet_are_not_offered(
	void **state) /* FIELD 20, 45c */
{
	struct rig *rig = *state;
	uint8_t network_ip[4];
	Pxe__Subnet subnet = *model_subnet(rig->model, "lab");
	Pxe__Put put = PXE__PUT__INIT;
	char name[] = "big";
	msg_ip4_put(IP(10, 4, 0, 0), network_ip);
	subnet.name = name;
	subnet.network_ip = (ProtobufCBinaryData){4, network_ip};
	subnet.gateway_ip = (ProtobufCBinaryData){0};
	subnet.prefix_len = 22;
	put.object_case = PXE__PUT__OBJECT_SUBNET;
	put.subnet = &subnet;
	rig_put(rig, &put);
	rig_pool(rig, "big", "big", IP(10, 4, 0, 255), IP(10, 4, 1, 1));
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = IP(10, 4, 2, 1)};
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig->reply.header.yiaddr, IP(10, 4, 1, 1));
	ask.client = 2;
	assert_false(rig_ask(rig, &ask));
}

static void the_address_stays_while_the_identifier_changes(void **state) /* FIELD 17 */
{
	struct rig *rig = *state;
	const uint8_t rom[17] = {0, 7}, ipxe[7] = {1, 0x52, 0x54, 0, 0, 0, 1},
		      os[] = {255, 9, 9, 9, 9};
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 1};
	ask_option(&ask, DHCP4_CLIENT_ID, rom, sizeof rom);
	assert_true(rig_ask(rig, &ask));
	uint32_t ip = rig->reply.header.yiaddr;
	struct ask second = {.type = DHCP4_DISCOVER, .client = 1, .xid = 2}, third = second;
	ask_option(&second, DHCP4_CLIENT_ID, ipxe, sizeof ipxe);
	assert_true(rig_ask(rig, &second));
	assert_int_equal(rig->reply.header.yiaddr, ip);
	third.xid = 3;
	ask_option(&third, DHCP4_CLIENT_ID, os, sizeof os);
	assert_true(rig_ask(rig, &third));
	assert_int_equal(rig->reply.header.yiaddr, ip);
}

/* ---- options that are not as they should be */

static void odd_options_are_counted_and_the_request_is_answered(void **state) /* FIELD 23, 24 */
{
	static const struct {
		uint8_t code;
		size_t size;
		uint8_t data[12];
	} odd[] = {
		{DHCP4_REQUESTED_ADDRESS, 3, {1, 2, 3}},
		{DHCP4_LEASE_SECONDS, 5, {0}},
		{DHCP4_CLIENT_UUID, 3, {0, 1, 2}},
		{DHCP4_CLIENT_ARCH, 3, {0, 7, 0}},
		{DHCP4_CLIENT_ARCH, 0, {0}},
		{DHCP4_MAX_MESSAGE_BYTES, 1, {9}},
		{DHCP4_CLIENT_ID, 1, {1}},
		{DHCP4_RELAY_AGENT_INFO, 4, {1, 200, 'a', 'b'}},
		{DHCP4_VENDOR_INFO, 3, {6, 9, 8}},
		{125, 7, {0, 0, 13, 233, 9, 1, 1}},
		{125, 3, {0, 0, 13}},
		{118, 2, {10, 0}},
		{DHCP4_RAPID_COMMIT, 2, {0, 0}},
	};
	struct rig *rig = *state;
	for (unsigned i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = i + 1, .xid = i};
		ask_option(&ask, odd[i].code, odd[i].data, odd[i].size);
		assert_true(rig_ask(rig, &ask));
		rig_expect_reply(rig, DHCP4_OFFER);
		assert_int_equal(rig_count(rig, DHCP4_COUNT_ODD_OPTION), i + 1);
	}
	struct ask plain = {.type = DHCP4_DISCOVER, .client = 100};
	assert_true(rig_ask(rig, &plain));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_ODD_OPTION), sizeof odd / sizeof odd[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bootp_gets_its_reservation_and_no_dhcp_options),
		TEST(bootp_without_a_reservation_gets_silence),
		TEST(bootp_without_vendor_information_is_understood),
		TEST(bootp_again_is_answered_from_the_state),
		TEST(bootp_is_told_what_to_boot_by_the_header),
		TEST(inform_of_an_unconfigured_subnet_is_dropped),
		TEST(rapid_commit_acknowledges_a_discover),
		TEST(rapid_commit_is_for_who_asks_where_it_is_on),
		TEST(a_discover_is_never_naked),
		TEST(a_renewal_by_a_relay_may_be_known_as_unicast),
		TEST(a_renewal_to_the_relays_identifier_is_ours),
		TEST(option_82_comes_back_whatever_else_must_go),
		TEST(a_relay_may_be_answered_at_its_own_port),
		TEST(a_relay_may_pass_on_the_choice_of_a_subnet),
		TEST(without_a_relay_only_a_subnet_of_the_own_link_may_be_chosen),
		TEST(an_address_of_the_shared_network_is_not_wrong_and_has_its_own_mask),
		TEST(first_offers_to_unknown_machines_are_bounded),
		TEST(a_repeat_takes_no_more_of_the_rate),
		TEST(between_options_there_is_no_padding_and_an_end_after_them),
		TEST(the_edges_of_a_class_c_inside_a_larger_subnet_are_not_offered),
		TEST(the_address_stays_while_the_identifier_changes),
		TEST(odd_options_are_counted_and_the_request_is_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
