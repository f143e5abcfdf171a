/* Answers to machines that boot from the network, field by field: ROMs, UEFI, iPXE, HTTP Boot, and
 * others. */
#include "node/dhcp4/dhcp4_boot.h"
#include "tests/unit/node/dhcp4_rig.h"

static const char *const ipxe_files[] = {"undionly.kpxe", "snponly.efi", "snponly-arm64.efi"};
static const char *const debian_files[] = {"vmlinuz"};

static int setup(void **state)
{
	struct rig *rig = malloc(sizeof *rig);
	const uint64_t holders[] = {1};
	assert_non_null(rig);
	rig_init(rig);
	rig_image(rig, "ipxe", ipxe_files, 3, holders, 1);
	rig_image(rig, "debian12", debian_files, 1, holders, 1);
	rig_profile(rig, "debian12");
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "debian12");
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

static const uint8_t uuid_option[17] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void ask_arch(struct ask *ask, uint16_t first, int second)
{
	uint8_t archs[4] = {
		(uint8_t)(first >> 8), (uint8_t)first, (uint8_t)(second >> 8), (uint8_t)second};
	ask_option(ask, DHCP4_CLIENT_ARCH, archs, second < 0 ? 2 : 4);
}

/* What a ROM sends: vendor class, architecture, UUID, and a list that wants 43, 60, 66, 67. */
static void ask_as_rom(struct ask *ask, const char *vendor_class, uint16_t arch)
{
	const uint8_t list[] = {1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43,
		50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129, 130};
	*ask = (struct ask){.type = DHCP4_DISCOVER, .client = 1, .flags = DHCP4_FLAG_BROADCAST};
	ask_text(ask, DHCP4_VENDOR_CLASS, vendor_class);
	ask_arch(ask, arch, -1);
	ask_option(ask, DHCP4_CLIENT_UUID, uuid_option, sizeof uuid_option);
	ask_option(ask, DHCP4_PARAMETER_LIST, list, sizeof list);
}

static void expect_text(const struct rig *rig, uint8_t code, const char *wanted, bool nul)
{
	char text[512] = "";
	assert_true(dhcp4_string(&rig->reply, code, text, sizeof text));
	assert_string_equal(text, wanted);
	assert_int_equal(dhcp4_string_has_nul(&rig->reply, code), nul);
}

static void expect_no_boot(const struct rig *rig)
{
	const uint8_t codes[] = {DHCP4_VENDOR_CLASS, DHCP4_VENDOR_INFO, DHCP4_TFTP_SERVER,
		DHCP4_BOOT_FILE, DHCP4_IPXE};
	for (size_t i = 0; i < sizeof codes; i++)
		assert_false(dhcp4_has(&rig->reply, codes[i]));
	assert_int_equal(rig->reply.header.siaddr, 0);
	assert_string_equal(rig->reply.header.file, "");
}

static void expect_pxe(const struct rig *rig, const char *file, const char *server, uint32_t ip)
{
	/* FIELD 4: header fields and options say the same; FIELD 5: 66 is the dotted address; FIELD
	 * 3: with NUL. */
	assert_int_equal(rig->reply.header.siaddr, ip);
	assert_string_equal(rig->reply.header.file, file);
	expect_text(rig, DHCP4_TFTP_SERVER, server, true);
	expect_text(rig, DHCP4_BOOT_FILE, file, true);
	/* FIELD 29: 60 together with 43, whose sub-option 6 says: use the boot file. FIELD 26:
	 * ended by 255. */
	expect_text(rig, DHCP4_VENDOR_CLASS, "PXEClient", false);
	const uint8_t *info, wanted[] = {6, 1, 8, 255};
	size_t size;
	assert_true(dhcp4_option(&rig->reply, DHCP4_VENDOR_INFO, &info, &size));
	assert_int_equal(size, sizeof wanted);
	assert_memory_equal(info, wanted, size);
	/* FIELD 23: the UUID verbatim. */
	assert_true(dhcp4_option(&rig->reply, DHCP4_CLIENT_UUID, &info, &size));
	assert_int_equal(size, sizeof uuid_option);
	assert_memory_equal(info, uuid_option, size);
}

static void bios_rom_gets_the_first_program(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	ask_as_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	expect_pxe(rig, rig->effects.event[0].text, "10.0.0.11", IP(10, 0, 0, 11));
	assert_non_null(strstr(rig->reply.header.file, "undionly.kpxe"));

	/* FIELD 46: the same in the ACK. */
	char file[sizeof rig->reply.header.file];
	snprintf(file, sizeof file, "%s", rig->reply.header.file);
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = RIG_SERVER_IP;
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	expect_pxe(rig, file, "10.0.0.11", IP(10, 0, 0, 11));
}

static void uefi_gets_its_own_program(void **state) /* FIELD 44 */
{
	struct rig *rig = *state;
	const uint16_t archs[] = {7, 9, 11};
	const char *const files[] = {"snponly.efi", "snponly.efi", "snponly-arm64.efi"};
	for (size_t i = 0; i < 3; i++) {
		struct ask ask;
		ask_as_rom(&ask, "PXEClient:Arch:00007:UNDI:003000", archs[i]);
		assert_true(rig_ask(rig, &ask));
		assert_non_null(strstr(rig->reply.header.file, files[i]));
	}
}

static void every_entry_of_the_architecture_list_counts(void **state) /* FIELD 24 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_text(&ask, DHCP4_VENDOR_CLASS, "PXEClient");
	ask_arch(&ask, 0xeeee, 7);
	assert_true(rig_ask(rig, &ask));
	assert_non_null(strstr(rig->reply.header.file, "snponly.efi"));
}

static void rom_without_option_list_gets_everything(void **state) /* FIELD 6 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_text(&ask, DHCP4_VENDOR_CLASS, "PXEClient:Arch:00000:UNDI:002001");
	ask_arch(&ask, 0, -1);
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
	expect_text(rig, DHCP4_BOOT_FILE, file, true);
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
	ask_as_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	ask_text(&ask, DHCP4_USER_CLASS, "iPXE");
	expect_script(rig, &ask);
	ask_as_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	ask_option(&ask, DHCP4_USER_CLASS, listed, sizeof listed);
	expect_script(rig, &ask);
	ask_as_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	ask_option(&ask, DHCP4_IPXE, features, sizeof features);
	expect_script(rig, &ask);
}

static void uefi_http_boot_gets_a_url(void **state) /* FIELD 41 */
{
	struct rig *rig = *state;
	struct ask ask;
	ask_as_rom(&ask, "HTTPClient:Arch:00016:UNDI:003001", 16);
	assert_true(rig_ask(rig, &ask));
	expect_text(rig, DHCP4_VENDOR_CLASS, "HTTPClient", false);
	const char *file = rig->reply.header.file;
	assert_int_equal(strncmp(file, "http://10.0.0.11:8081/ipxe", 26), 0);
	assert_non_null(strstr(file, "snponly.efi"));
	expect_text(rig, DHCP4_BOOT_FILE, file, true);
	assert_false(dhcp4_has(&rig->reply, DHCP4_VENDOR_INFO));
	assert_true(rig->effects.reply.size <= DHCP4_REPLY_MAX);
}

static void operating_systems_get_no_boot_information(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_text(&ask, DHCP4_VENDOR_CLASS, "udhcp 1.35.0");
	assert_true(rig_ask(rig, &ask));
	expect_no_boot(rig);
}

static void rom_without_profile_gets_an_address_and_the_event_says_why(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	const char *text = "";
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "");
	ask_as_rom(&ask, "PXEClient:Arch:00007:UNDI:003000", 7);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	expect_no_boot(rig);
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
	ask_as_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	ask.unicast = true; /* whoever's turn it is */
	assert_true(rig_ask(&peer, &ask));
	assert_int_equal(peer.reply.header.siaddr, IP(10, 0, 0, 11));
	expect_text(&peer, DHCP4_TFTP_SERVER, "10.0.0.11", true);
	/* A script is made by any node. */
	ask_text(&ask, DHCP4_USER_CLASS, "iPXE");
	assert_true(rig_ask(&peer, &ask));
	assert_int_equal(strncmp(peer.reply.header.file, "http://10.0.0.12:8082/", 22), 0);
	/* No holder lives: ours is as good an address as any. */
	peer.view.live_count = 1;
	peer.view.live[0] = 2;
	ask_as_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
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
			ask_as_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
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
	ask_as_rom(&ask, "PXEClient:Arch:00007:UNDI:003000", 7);
	ask.hlen = 16;
	memcpy(ask.chaddr, uuid_option + 1, 16);
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
	assert_memory_equal(rig->reply.header.chaddr, uuid_option + 1, 16);
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
	ask_as_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
