/* Answers to machines that boot from the network, field by field: ROMs, UEFI, iPXE, HTTP Boot, and
 * others. */
#include "node/dhcp4/dhcp4_boot.h"
#include "tests/unit/node/dhcp4_pxe_kit.h"

static void bios_rom_gets_the_first_program(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	pxe_expect_file(rig, rig->effects.event[0].text, "10.0.0.11", IP(10, 0, 0, 11));
	assert_non_null(strstr(rig->reply.header.file, "undionly.kpxe"));

	/* FIELD 46: the same in the ACK. */
	char file[sizeof rig->reply.header.file];
	snprintf(file, sizeof file, "%s", rig->reply.header.file);
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = RIG_SERVER_IP;
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	pxe_expect_file(rig, file, "10.0.0.11", IP(10, 0, 0, 11));
}

static void uefi_gets_its_own_program(void **state) /* FIELD 44 */
{
	struct rig *rig = *state;
	const uint16_t archs[] = {7, 9, 11};
	const char *const files[] = {"snponly.efi", "snponly.efi", "snponly-arm64.efi"};
	for (size_t i = 0; i < 3; i++) {
		struct ask ask;
		pxe_ask_rom(&ask, "PXEClient:Arch:00007:UNDI:003000", archs[i]);
		assert_true(rig_ask(rig, &ask));
		assert_non_null(strstr(rig->reply.header.file, files[i]));
	}
}

static void every_entry_of_the_architecture_list_counts(void **state) /* FIELD 24 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_text(&ask, DHCP4_VENDOR_CLASS, "PXEClient");
	pxe_ask_arch(&ask, 0xeeee, 7);
	assert_true(rig_ask(rig, &ask));
	assert_non_null(strstr(rig->reply.header.file, "snponly.efi"));
}

static void rom_without_option_list_gets_everything(void **state) /* FIELD 6 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_text(&ask, DHCP4_VENDOR_CLASS, "PXEClient:Arch:00000:UNDI:002001");
	pxe_ask_arch(&ask, 0, -1);
	assert_true(rig_ask(rig, &ask));
	assert_true(dhcp4_has(&rig->reply, DHCP4_BOOT_FILE));
	assert_true(dhcp4_has(&rig->reply, DHCP4_DNS_SERVERS));
	assert_true(dhcp4_has(&rig->reply, DHCP4_INTERFACE_MTU));
	assert_false(dhcp4_has(&rig->reply, DHCP4_OVERLOAD));
}

static void expect_script(struct rig *rig, const struct ask *ask)
{
	assert_true(rig_ask(rig, ask));
	const char *file = rig->reply.header.file;
	assert_int_equal(strncmp(file, "http://10.0.0.11:8081/boot/52-54-00-00-00-01.ipxe", 49), 0);
	pxe_expect_text(rig, DHCP4_BOOT_FILE, file, true);
	/* FIELD 39: 175.176 = 1, no proxy DHCP to wait for. */
	const uint8_t *own, wanted[] = {DHCP4_IPXE_NO_PXEDHCP, 1, 1, DHCP4_IPXE_PRIORITY, 1, 1};
	size_t size;
	assert_true(dhcp4_option(&rig->reply, DHCP4_IPXE, &own, &size));
	assert_int_equal(size, sizeof wanted);
	assert_memory_equal(own, wanted, size);
	assert_false(dhcp4_has(&rig->reply, DHCP4_VENDOR_CLASS));
	assert_false(dhcp4_has(&rig->reply, DHCP4_VENDOR_INFO));
}

static void ipxe_gets_its_script_whichever_way_it_says_its_name(void **state) /* FIELD 11, 38 */
{
	struct rig *rig = *state;
	struct ask ask;
	const uint8_t listed[] = {4, 'i', 'P', 'X', 'E'},
		      features[] = {0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0};
	pxe_ask_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	ask_text(&ask, DHCP4_USER_CLASS, "iPXE");
	expect_script(rig, &ask);
	pxe_ask_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	ask_option(&ask, DHCP4_USER_CLASS, listed, sizeof listed);
	expect_script(rig, &ask);
	pxe_ask_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	ask_option(&ask, DHCP4_IPXE, features, sizeof features);
	expect_script(rig, &ask);
}

static void uefi_http_boot_gets_a_url(void **state) /* FIELD 41 */
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, "HTTPClient:Arch:00016:UNDI:003001", 16);
	assert_true(rig_ask(rig, &ask));
	pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "HTTPClient", false);
	const char *file = rig->reply.header.file;
	assert_int_equal(strncmp(file, "http://10.0.0.11:8081/ipxe", 26), 0);
	assert_non_null(strstr(file, "snponly.efi"));
	pxe_expect_text(rig, DHCP4_BOOT_FILE, file, true);
	assert_false(dhcp4_has(&rig->reply, DHCP4_VENDOR_INFO));
	assert_true(rig->effects.reply.size <= DHCP4_REPLY_MAX);
}

static void operating_systems_get_no_boot_information(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_text(&ask, DHCP4_VENDOR_CLASS, "udhcp 1.35.0");
	assert_true(rig_ask(rig, &ask));
	pxe_expect_no_boot(rig);
}

static void rom_without_profile_gets_an_address_and_the_event_says_why(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	const char *text = "";
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "");
	pxe_ask_rom(&ask, "PXEClient:Arch:00007:UNDI:003000", 7);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	pxe_expect_no_boot(rig);
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_OFFER, &text));
	assert_non_null(strstr(text, "profile"));
}

static void another_holder_is_named_if_this_node_lacks_the_image(void **state)
{
	struct rig *rig = *state;
	struct rig peer;
	struct ask ask;
	/* A second node of the cluster, which holds nothing yet. */
	rig_init_peer(&peer, rig, 2);
	peer.view.live_count = 2;
	peer.view.live[0] = 1;
	peer.view.live[1] = 2;
	pxe_ask_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	ask.unicast = true; /* whoever's turn it is */
	assert_true(rig_ask(&peer, &ask));
	assert_int_equal(peer.reply.header.siaddr, IP(10, 0, 0, 11));
	pxe_expect_text(&peer, DHCP4_TFTP_SERVER, "10.0.0.11", true);
	/* A script is made by any node. */
	ask_text(&ask, DHCP4_USER_CLASS, "iPXE");
	assert_true(rig_ask(&peer, &ask));
	assert_int_equal(strncmp(peer.reply.header.file, "http://10.0.0.12:8082/", 22), 0);
	/* No holder lives: ours is as good an address as any. */
	peer.view.live_count = 1;
	peer.view.live[0] = 2;
	pxe_ask_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	assert_true(rig_ask(&peer, &ask));
	assert_int_equal(peer.reply.header.siaddr, IP(10, 0, 0, 12));
	rig_fini(&peer);
}

static void a_node_that_holds_the_image_names_itself(void **state)
{
	struct rig *rig = *state;
	struct rig peer;
	struct ask ask;
	rig_join(rig, 2);
	rig_init_peer(&peer, rig, 2);
	struct rig *nodes[] = {rig, &peer};
	for (unsigned client = 1; client <= 20; client++) {
		for (size_t i = 0; i < 2; i++) {
			nodes[i]->view.live_count = 2;
			nodes[i]->view.live[0] = 1;
			nodes[i]->view.live[1] = 2;
			pxe_ask_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
			ask.client = client;
			ask.unicast = true;
			assert_true(rig_ask(nodes[i], &ask));
			/* Of the first program's image, node 1 is the only holder; if both were,
			 * each would name itself. */
			assert_int_equal(nodes[i]->reply.header.siaddr, IP(10, 0, 0, 11));
		}
	}
	struct model_result result;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageHeld held = PXE__IMAGE_HELD__INIT;
	char image[] = "ipxe";
	uint8_t digest[32] = "ipxe";
	held.image = image;
	held.digest = (ProtobufCBinaryData){32, digest};
	held.member = 2;
	command.op_case = PXE__COMMAND__OP_IMAGE_HELD;
	command.image_held = &held;
	assert_int_equal(rig_apply(rig, &command, &result), PXE__VERDICT__VERDICT_OK);
	for (unsigned client = 1; client <= 20; client++) {
		for (size_t i = 0; i < 2; i++) {
			ask.client = client;
			assert_true(rig_ask(nodes[i], &ask));
			assert_int_equal(nodes[i]->reply.header.siaddr, nodes[i]->view.serve_ip);
		}
	}
	rig_fini(&peer);
}

static void uuid_in_chaddr_is_an_identity_of_its_own(void **state) /* FIELD 22 */
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, "PXEClient:Arch:00007:UNDI:003000", 7);
	ask.hlen = 16;
	memcpy(ask.chaddr, pxe_uuid_option + 1, 16);
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	const Pxe__ClientInfo *who = &rig->effects.proposal.who;
	assert_int_equal(who->client.len, 17);
	assert_int_equal(who->mac.len, 0);
	assert_int_equal(who->uuid.len, 16);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_EVERYBODY);
	assert_int_equal(rig->reply.header.hlen, 16);
	assert_memory_equal(rig->reply.header.chaddr, pxe_uuid_option + 1, 16);
}

static void malformed_uuid_and_missing_uuid_are_no_obstacle(void **state) /* FIELD 23 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	const uint8_t bad[] = {9, 9, 9};
	ask_text(&ask, DHCP4_VENDOR_CLASS, "PXEClient");
	assert_true(rig_ask(rig, &ask));
	assert_false(dhcp4_has(&rig->reply, DHCP4_CLIENT_UUID));
	ask_option(&ask, DHCP4_CLIENT_UUID, bad, sizeof bad);
	assert_true(rig_ask(rig, &ask));
	assert_true(dhcp4_has(&rig->reply, DHCP4_BOOT_FILE));
}

static void small_clients_get_what_matters_and_relays_their_option(void **state) /* FIELD 7 */
{
	struct rig *rig = *state;
	struct ask ask;
	uint8_t limit[] = {0x02, 0x40}, info[200];
	memset(info, 0x55, sizeof info);
	info[0] = 1;
	info[1] = sizeof info - 2;
	pxe_ask_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	ask_option(&ask, DHCP4_MAX_MESSAGE_BYTES, limit, sizeof limit); /* 576 */
	ask_option(&ask, DHCP4_RELAY_AGENT_INFO, info, sizeof info);
	ask.giaddr = IP(10, 0, 0, 1);
	assert_true(rig_ask(rig, &ask));
	assert_true(rig->effects.reply.size <= 548);
	assert_true(dhcp4_has(&rig->reply, DHCP4_BOOT_FILE));
	assert_true(dhcp4_has(&rig->reply, DHCP4_VENDOR_INFO));
	const uint8_t *echoed;
	size_t size;
	assert_true(dhcp4_option(&rig->reply, DHCP4_RELAY_AGENT_INFO, &echoed, &size));
	assert_int_equal(size, sizeof info);
	assert_memory_equal(echoed, info, size);
}

static void image_of_reads_paths_and_urls(void **state)
{
	char image[MODEL_NAME_MAX + 1], digest[65];
	(void)state;
	assert_true(dhcp4_boot_image_of("ipxe/undionly.kpxe", image, digest));
	assert_string_equal(image, "ipxe");
	assert_string_equal(digest, "");
	assert_true(dhcp4_boot_image_of("http://10.0.0.1:80/a@0123/b/c", image, digest));
	assert_string_equal(image, "a");
	assert_string_equal(digest, "0123");
	assert_false(dhcp4_boot_image_of("http://10.0.0.1", image, digest));
	assert_false(dhcp4_boot_image_of("undionly.kpxe", image, digest));
	assert_false(dhcp4_boot_image_of("/", image, digest));
	assert_false(dhcp4_boot_image_of("", image, digest));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pxe_setup, pxe_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bios_rom_gets_the_first_program),
		TEST(uefi_gets_its_own_program),
		TEST(every_entry_of_the_architecture_list_counts),
		TEST(rom_without_option_list_gets_everything),
		TEST(ipxe_gets_its_script_whichever_way_it_says_its_name),
		TEST(uefi_http_boot_gets_a_url),
		TEST(operating_systems_get_no_boot_information),
		TEST(rom_without_profile_gets_an_address_and_the_event_says_why),
		TEST(another_holder_is_named_if_this_node_lacks_the_image),
		TEST(a_node_that_holds_the_image_names_itself),
		TEST(uuid_in_chaddr_is_an_identity_of_its_own),
		TEST(malformed_uuid_and_missing_uuid_are_no_obstacle),
		TEST(small_clients_get_what_matters_and_relays_their_option),
		cmocka_unit_test(image_of_reads_paths_and_urls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
