/* Beside another server (proxy mode), and as a boot server on port 4011: bytes in, bytes out. */
#include "tests/unit/node/dhcp4_pxe_kit.h"

#define BIOS "PXEClient:Arch:00000:UNDI:002001"
#define UEFI "PXEClient:Arch:00007:UNDI:003016"
#define NODE IP(10, 0, 0, 11)

static int setup_proxy(void **state)
{
	pxe_setup(state);
	rig_mode(*state, PXE__DHCP_MODE__DHCP_PROXY);
	return 0;
}

/* No address, no times, and one identifier for all: TFTP, port 4011 and option 54 (FIELD 45b). */
static void expect_beside(const struct rig *rig, enum dhcp4_type type)
{
	const uint8_t codes[] = {DHCP4_LEASE_SECONDS, DHCP4_SUBNET_MASK, DHCP4_ROUTERS,
		DHCP4_DNS_SERVERS, DHCP4_RENEWAL_SECONDS};
	rig_expect_reply(rig, type);
	assert_false(rig->effects.has_proposal);
	for (size_t i = 0; i < sizeof codes; i++)
		assert_false(dhcp4_has(&rig->reply, codes[i]));
	assert_int_equal(rig->reply.header.siaddr, NODE);
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), NODE);
}

static void expect_uuid(const struct rig *rig)
{
	const uint8_t *uuid;
	size_t size;
	assert_true(dhcp4_option(&rig->reply, DHCP4_CLIENT_UUID, &uuid, &size));
	assert_int_equal(size, sizeof pxe_uuid_option);
	assert_memory_equal(uuid, pxe_uuid_option, size);
}

static void bios_is_told_the_file_in_the_offer(void **state) /* FIELD 29, 33, 34 */
{
	struct rig *rig = *state;
	struct ask ask;
	const uint8_t control = 8;
	pxe_ask_rom(&ask, BIOS, 0);
	rig_send(rig, &ask);
	expect_beside(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, 0);
	assert_string_equal(rig->reply.header.file, "ipxe/undionly.kpxe");
	pxe_expect_file(rig, "ipxe/undionly.kpxe", "10.0.0.11", NODE);
	pxe_expect_vendor(rig, DHCP4_PXE_DISCOVERY_CONTROL, &control, 1);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_EVERYBODY);
	assert_int_equal(rig->effects.reply.port, DHCP4_CLIENT_PORT);
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_PROXY, NULL));
}

/* FIELD 30: firmware that loses an OFFER with option 43 asks whoever siaddr names, on port 4011;
 * there it gets the file. */
static void uefi_is_sent_to_port_4011(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, UEFI, 7);
	rig_send(rig, &ask);
	expect_beside(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, 0);
	assert_string_equal(rig->reply.header.file, "");
	assert_false(dhcp4_has(&rig->reply, DHCP4_VENDOR_INFO));
	assert_false(dhcp4_has(&rig->reply, DHCP4_BOOT_FILE));
	pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "PXEClient", false);
	expect_uuid(rig);
	for (int i = 0; i < 2; i++) {
		pxe_ask_rom(&ask, UEFI, 7);
		pxe_ask_boot_server(&ask, i == 0 ? DHCP4_REQUEST : DHCP4_INFORM, NODE, 0, 0);
		rig_send(rig, &ask);
		expect_beside(rig, DHCP4_ACK);
		assert_int_equal(rig->reply.header.yiaddr, 0); /* its address is not ours to give */
		assert_int_equal(rig->reply.header.ciaddr, IP(10, 0, 0, 201));
		assert_string_equal(rig->reply.header.file, "ipxe/snponly.efi");
		pxe_expect_text(rig, DHCP4_BOOT_FILE, "ipxe/snponly.efi", true);
		pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "PXEClient", false);
		assert_false(dhcp4_has(&rig->reply, DHCP4_VENDOR_INFO));
		expect_uuid(rig);
	}
}

/* FIELD 32: from 4011 to where the client sent from. */
static void boot_server_answers_go_back_to_the_port_that_asked(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	const uint16_t ports[] = {DHCP4_PXE_PORT, DHCP4_CLIENT_PORT, 2070, 0};
	for (size_t i = 0; i < 4; i++) {
		pxe_ask_rom(&ask, UEFI, 7);
		pxe_ask_boot_server(&ask, DHCP4_REQUEST, NODE, 0, 0);
		ask.source_port = ports[i];
		rig_send(rig, &ask);
		rig_expect_reply(rig, DHCP4_ACK);
		assert_int_equal(rig->effects.reply.where, DHCP4_TO_ADDRESS);
		assert_int_equal(rig->effects.reply.ip, IP(10, 0, 0, 201));
		assert_int_equal(
			rig->effects.reply.port, ports[i] != 0 ? ports[i] : DHCP4_PXE_PORT);
		assert_int_equal(rig->effects.reply.source_port, DHCP4_PXE_PORT);
		assert_int_equal(rig->effects.reply.source_ip, NODE);
		assert_int_equal(rig->reply.header.xid, 0xabcdef);
		/* What is answered next has no part in it. */
		pxe_ask_rom(&ask, BIOS, 0);
		ask.client = 2;
		assert_true(rig_ask(rig, &ask));
		rig_expect_reply(rig, DHCP4_OFFER);
		assert_int_equal(rig->effects.reply.source_port, DHCP4_SERVER_PORT);
		assert_int_equal(rig->effects.reply.port, DHCP4_CLIENT_PORT);
	}
}

/* FIELD 32, [P1]: with addresses of our own, too, and a REQUEST there leases nothing. */
static void port_4011_leases_nothing(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	struct lease lease;
	pxe_ask_rom(&ask, UEFI, 7);
	pxe_ask_boot_server(&ask, DHCP4_REQUEST, NODE, 0, 0);
	ask.ciaddr = ask.from = IP(10, 0, 0, 150); /* of the pool */
	rig_send(rig, &ask);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_false(rig->effects.has_proposal);
	assert_false(rig->effects.has_journal);
	assert_false(dhcp4_has(&rig->reply, DHCP4_LEASE_SECONDS));
	assert_string_equal(rig->reply.header.file, "ipxe/snponly.efi");
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), NODE);
	assert_false(model_lease_of_ip(rig->model, IP(10, 0, 0, 150), &lease));
	/* Other messages have no place there. */
	const enum dhcp4_type others[] = {DHCP4_DISCOVER, DHCP4_RELEASE, DHCP4_DECLINE};
	for (size_t i = 0; i < 3; i++) {
		ask.type = others[i];
		ask.requested = others[i] == DHCP4_DECLINE ? IP(10, 0, 0, 150) : 0;
		rig_send(rig, &ask);
		rig_expect_silence(rig);
	}
}

static void operating_systems_on_port_4011_hear_nothing(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	pxe_ask_boot_server(&ask, DHCP4_REQUEST, NODE, 0, 0);
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NOT_PXE), 1);
}

static void only_boot_clients_are_answered(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	ask_text(&ask, DHCP4_VENDOR_CLASS, "MSFT 5.0");
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	ask.type = DHCP4_BOOTP;
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NOT_PXE), 3);
}

/* The client goes on with the other server: that is none of ours. */
static void requests_for_addresses_are_the_other_servers(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	const uint32_t servers[] = {IP(10, 0, 0, 1), RIG_SERVER_IP, 0};
	for (size_t i = 0; i < 3; i++) {
		pxe_ask_rom(&ask, UEFI, 7);
		ask.type = DHCP4_REQUEST;
		ask.server = servers[i];
		ask.requested = IP(10, 0, 0, 150);
		rig_send(rig, &ask);
		rig_expect_silence(rig);
	}
	ask.type = DHCP4_RELEASE;
	ask.ciaddr = IP(10, 0, 0, 150);
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_NAK_SENT), 0);
}

/* FIELD 39: a priority, and no word that there is no proxy. FIELD 38: a URL. */
static void ipxe_gets_its_script(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	const uint8_t *own, wanted[] = {DHCP4_IPXE_PRIORITY, 1, 1};
	size_t size;
	pxe_ask_rom(&ask, BIOS, 0);
	ask_text(&ask, DHCP4_USER_CLASS, "iPXE");
	rig_send(rig, &ask);
	expect_beside(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, 0);
	assert_int_equal(
		strncmp(rig->reply.header.file, "http://10.0.0.11:8081/boot/52-54-00-00-00-01", 44),
		0);
	/* iPXE counts an offer as a proxy's by this alone. */
	pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "PXEClient", false);
	assert_true(dhcp4_option(&rig->reply, DHCP4_IPXE, &own, &size));
	assert_int_equal(size, sizeof wanted);
	assert_memory_equal(own, wanted, size);
}

static void http_clients_get_a_url(void **state) /* FIELD 41 */
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, "HTTPClient:Arch:00016:UNDI:003001", 16);
	rig_send(rig, &ask);
	expect_beside(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, 0);
	pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "HTTPClient", false);
	pxe_expect_text(rig, DHCP4_BOOT_FILE, "http://10.0.0.11:8081/ipxe/snponly.efi", true);
	assert_string_equal(rig->reply.header.file, "http://10.0.0.11:8081/ipxe/snponly.efi");
}

/* U-Boot reads nothing but the header (FIELD 4), and is no UEFI: the file stands there at once. */
static void u_boot_reads_the_header(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, "PXEClient:Arch:00022:UNDI:003000", 22);
	rig_send(rig, &ask);
	expect_beside(rig, DHCP4_OFFER);
	assert_string_equal(rig->reply.header.file, "ipxe/snponly-arm64.efi");
}

static void what_boots_nothing_is_left_to_the_other_server(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	const char *text = "";
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "");
	pxe_ask_rom(&ask, UEFI, 7);
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NO_BOOT), 1);
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, &text));
	assert_non_null(strstr(text, "profile"));
	/* The local disk: it goes there by itself. */
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "local");
	rig_send(rig, &ask);
	rig_expect_silence(rig);
}

/* Nothing of it needs the log. */
static void proxy_answers_need_no_quorum(void **state) /* [P3] */
{
	struct rig *rig = *state;
	struct ask ask;
	rig->view.has_quorum = rig->view.fresh = false;
	rig->view.isolated = true;
	pxe_ask_rom(&ask, UEFI, 7);
	pxe_ask_boot_server(&ask, DHCP4_REQUEST, NODE, 0, 0);
	rig_send(rig, &ask);
	expect_beside(rig, DHCP4_ACK);
	pxe_ask_rom(&ask, UEFI, 7);
	ask.client = 2;
	rig_send(rig, &ask);
	if (!rig->effects.has_reply) { /* one turn later, if a node with the quorum hears it, too */
		rig_pass(rig, DHCP4_TURN_MS);
		assert_true(dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects));
		rig_note_effects(rig);
	}
	expect_beside(rig, DHCP4_OFFER);
}

/* By rank as for addresses: one answers, the others if it is gone. */
static void one_node_answers_a_broadcast(void **state)
{
	struct rig *rig = *state;
	struct rig peer;
	struct ask ask;
	unsigned answered = 0;
	rig_join(rig, 2);
	rig_init_peer(&peer, rig, 2);
	struct rig *nodes[] = {rig, &peer};
	for (unsigned client = 1; client <= 20; client++) {
		for (size_t i = 0; i < 2; i++) {
			nodes[i]->view.live_count = 2;
			nodes[i]->view.live[0] = 1;
			nodes[i]->view.live[1] = 2;
			pxe_ask_rom(&ask, BIOS, 0);
			ask.client = client;
			ask.xid = client;
			rig_send(nodes[i], &ask);
			answered += nodes[i]->effects.has_reply;
		}
	}
	assert_int_equal(answered, 20);
	/* Node 2 dies: its clients are taken over. */
	rig->view.live_count = 1;
	rig_pass(rig, DHCP4_TURN_MS);
	unsigned taken = 0;
	while (dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects)) {
		rig_note_effects(rig);
		taken += rig->effects.has_reply;
	}
	assert_int_equal(taken, rig_count(rig, DHCP4_COUNT_TAKEN_OVER));
	assert_true(taken > 0 && taken < 20);
	rig_fini(&peer);
}

static void who_ignores_our_offer_is_told_of_once(void **state) /* FIELD 34 */
{
	struct rig *rig = *state;
	struct ask ask;
	unsigned told = 0;
	const char *text;
	const uint16_t secs[] = {0, 4, 12, 28};
	for (size_t i = 0; i < 4; i++) {
		pxe_ask_rom(&ask, UEFI, 7);
		ask.xid = 77;
		ask.secs = secs[i];
		rig_send(rig, &ask);
		expect_beside(rig, DHCP4_OFFER);
		if (rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, &text)) {
			assert_non_null(strstr(text, "proxy offer"));
			assert_true(i >= 2);
			told++;
		}
		rig_pass(rig, 1000);
	}
	assert_int_equal(told, 1);
}

/* One subnet's addresses are another server's, the rest is as before. */
static void the_mode_is_the_subnets(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	uint8_t network[4] = {10, 0, 0, 0};
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	subnet.name = pxe_text("lab");
	subnet.network_ip = (ProtobufCBinaryData){4, network};
	subnet.prefix_len = 24;
	subnet.profile = pxe_text("debian12");
	put.object_case = PXE__PUT__OBJECT_SUBNET;
	put.subnet = &subnet;
	subnet.dhcp = PXE__SUBNET_DHCP__SUBNET_DHCP_PROXY;
	rig_put(rig, &put);
	pxe_ask_rom(&ask, BIOS, 0);
	assert_true(rig_ask(rig, &ask));
	expect_beside(rig, DHCP4_OFFER);
	subnet.dhcp = PXE__SUBNET_DHCP__SUBNET_DHCP_OFF;
	rig_put(rig, &put);
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_OFF), 1);
	subnet.dhcp = PXE__SUBNET_DHCP__SUBNET_DHCP_AS_CLUSTER;
	rig_put(rig, &put);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_not_equal(rig->reply.header.yiaddr, 0);
}

/* A link that nobody configured is enough: the profile may be the cluster's. */
static void no_subnet_is_needed(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	Pxe__Settings settings;
	uint8_t server_ip[4];
	Pxe__Put put = PXE__PUT__INIT;
	rig_settings_fill(&settings, PXE__DHCP_MODE__DHCP_PROXY, server_ip);
	settings.profile = pxe_text("debian12");
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(rig, &put);
	pxe_ask_rom(&ask, BIOS, 0);
	ask.giaddr = IP(192, 168, 7, 1);
	rig_send(rig, &ask);
	expect_beside(rig, DHCP4_OFFER);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_RELAY);
	assert_int_equal(rig->effects.reply.ip, IP(192, 168, 7, 1));
}

#define WHOLE(name) cmocka_unit_test_setup_teardown(name, pxe_setup, pxe_teardown)
#define PROXY(name) cmocka_unit_test_setup_teardown(name, setup_proxy, pxe_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROXY(bios_is_told_the_file_in_the_offer),
		PROXY(uefi_is_sent_to_port_4011),
		PROXY(boot_server_answers_go_back_to_the_port_that_asked),
		WHOLE(boot_server_answers_go_back_to_the_port_that_asked),
		WHOLE(port_4011_leases_nothing),
		WHOLE(operating_systems_on_port_4011_hear_nothing),
		PROXY(operating_systems_on_port_4011_hear_nothing),
		PROXY(only_boot_clients_are_answered),
		PROXY(requests_for_addresses_are_the_other_servers),
		PROXY(ipxe_gets_its_script),
		PROXY(http_clients_get_a_url),
		PROXY(u_boot_reads_the_header),
		PROXY(what_boots_nothing_is_left_to_the_other_server),
		PROXY(proxy_answers_need_no_quorum),
		PROXY(one_node_answers_a_broadcast),
		PROXY(who_ignores_our_offer_is_told_of_once),
		WHOLE(the_mode_is_the_subnets),
		PROXY(no_subnet_is_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
