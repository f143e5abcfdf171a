/* PXE menus from the configuration to the bytes, the item that somebody chose, Raspberry Pis, and
 * groups that say what boots. */
#include "node/boot/boot.h"
#include "tests/unit/node/dhcp4_pxe_kit.h"

#define BIOS "PXEClient:Arch:00000:UNDI:002001"
#define UEFI "PXEClient:Arch:00007:UNDI:003016"
#define NODE IP(10, 0, 0, 11)

struct menu_profile {
	Pxe__Profile profile;
	Pxe__PxeMenu menu;
	Pxe__PxeItem item[3];
	Pxe__PxeItem *items[3];
};

/* debian12, local, and a program of its own; the subnet boots it. */
static void put_menu(struct rig *rig, struct menu_profile *m, size_t item_count, uint32_t timeout_s)
{
	static const char *const texts[] = {"Debian", "Disk", "Test"};
	static const char *const profiles[] = {"debian12", "local", "memtest"};
	pxe__profile__init(&m->profile);
	pxe__pxe_menu__init(&m->menu);
	for (size_t i = 0; i < 3; i++) {
		pxe__pxe_item__init(&m->item[i]);
		m->item[i].text = pxe_text(texts[i]);
		m->item[i].profile = pxe_text(profiles[i]);
		m->items[i] = &m->item[i];
	}
	m->profile.name = pxe_text("choose");
	m->profile.menu = &m->menu;
	m->menu.items = m->items;
	m->menu.n_items = item_count;
	m->menu.timeout_s = timeout_s;
	pxe_put_profile(rig, &m->profile);
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "choose");
}

static int setup(void **state)
{
	static const char *const files[] = {"memtest.0", "bootcode.bin"};
	const uint64_t holders[] = {1};
	pxe_setup(state);
	rig_image(*state, "memtest", files, 2, holders, 1);
	pxe_loader_profile(*state, "memtest", "memtest", "bios", "memtest.0");
	return 0;
}

static void bios_rom_shows_the_menu(void **state) /* FIELD 37 */
{
	struct rig *rig = *state;
	struct menu_profile m;
	struct ask ask;
	const uint8_t control = 3;
	const uint8_t servers[] = {0x80, 1, 1, 10, 0, 0, 11, 0x80, 3, 1, 10, 0, 0, 11};
	const uint8_t items[] = {0x80, 1, 6, 'D', 'e', 'b', 'i', 'a', 'n', 0, 0, 4, 'D', 'i', 's',
		'k', 0x80, 3, 4, 'T', 'e', 's', 't'};
	const uint8_t prompt[] = {10, 'P', 'X', 'E'};
	const uint8_t *info;
	size_t size;
	put_menu(rig, &m, 3, 10);
	pxe_ask_rom(&ask, BIOS, 0);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_not_equal(rig->reply.header.yiaddr, 0);
	assert_int_equal(rig->reply.header.siaddr, NODE);
	pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "PXEClient", false); /* FIELD 29 */
	pxe_expect_vendor(rig, DHCP4_PXE_DISCOVERY_CONTROL, &control, 1);
	pxe_expect_vendor(rig, DHCP4_PXE_BOOT_SERVERS, servers, sizeof servers);
	pxe_expect_vendor(rig, DHCP4_PXE_BOOT_MENU, items, sizeof items);
	pxe_expect_vendor(rig, DHCP4_PXE_MENU_PROMPT, prompt, sizeof prompt);
	assert_false(pxe_vendor(rig, DHCP4_PXE_DISCOVERY_MCAST, &info, &size));
	assert_true(dhcp4_option(&rig->reply, DHCP4_VENDOR_INFO, &info, &size));
	assert_int_equal(info[size - 1], 255);
	/* Beside another server it is the same menu. */
	rig_mode(rig, PXE__DHCP_MODE__DHCP_PROXY);
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig->reply.header.yiaddr, 0);
	pxe_expect_vendor(rig, DHCP4_PXE_BOOT_MENU, items, sizeof items);
}

static void discovery_is_allowed_as_configured(void **state) /* FIELD 37 */
{
	struct rig *rig = *state;
	struct menu_profile m;
	struct ask ask;
	uint8_t group[] = {224, 0, 1, 2};
	const uint8_t control = 0;
	put_menu(rig, &m, 3, 255);
	m.menu.broadcast_discovery = true;
	m.menu.multicast_ip = (ProtobufCBinaryData){4, group};
	pxe_put_profile(rig, &m.profile);
	pxe_ask_rom(&ask, BIOS, 0);
	assert_true(rig_ask(rig, &ask));
	pxe_expect_vendor(rig, DHCP4_PXE_DISCOVERY_CONTROL, &control, 1);
	pxe_expect_vendor(rig, DHCP4_PXE_DISCOVERY_MCAST, group, sizeof group);
}

/* The chosen item is asked for by REQUEST or INFORM, at 4011 or by broadcast, and answered with its
 * profile's program. */
static void the_chosen_item_is_booted(void **state) /* FIELD 32, 36 */
{
	struct rig *rig = *state;
	struct menu_profile m;
	const enum dhcp4_type types[] = {DHCP4_REQUEST, DHCP4_INFORM};
	const uint8_t item[] = {0x80, 3, 0, 0};
	put_menu(rig, &m, 3, 10);
	for (unsigned i = 0; i < 4; i++) {
		struct ask ask;
		pxe_ask_rom(&ask, BIOS, 0);
		/* FIELD 36: credentials are asked for; there are none. */
		pxe_ask_boot_server(&ask, types[i % 2], NODE, 0x8003, i < 2 ? 0x8000 : 0);
		if (i >= 2) {
			ask.unicast = false;
			ask.port = 0;
			ask.source_port = DHCP4_CLIENT_PORT;
		}
		rig_send(rig, &ask);
		rig_expect_reply(rig, DHCP4_ACK);
		assert_false(rig->effects.has_proposal);
		assert_string_equal(rig->reply.header.file, "memtest@6d656d7465737400/memtest.0");
		assert_int_equal(rig->reply.header.siaddr, NODE);
		pxe_expect_vendor(rig, DHCP4_PXE_BOOT_ITEM, item, sizeof item);
		assert_int_equal(
			rig->effects.reply.source_port, i < 2 ? DHCP4_PXE_PORT : DHCP4_SERVER_PORT);
	}
	struct ask ask;
	pxe_ask_rom(&ask, BIOS, 0);
	pxe_ask_boot_server(&ask, DHCP4_REQUEST, NODE, 0x8001, 0);
	rig_send(rig, &ask);
	assert_string_equal(rig->reply.header.file, "ipxe/undionly.kpxe");
}

static void items_that_are_not_ours_are_another_boot_servers(void **state)
{
	struct rig *rig = *state;
	struct menu_profile m;
	struct ask ask;
	uint8_t ip[] = {10, 0, 0, 9};
	ProtobufCBinaryData server = {4, ip};
	const uint8_t servers[] = {0x80, 1, 1, 10, 0, 0, 11, 0, 15, 1, 10, 0, 0, 9};
	put_menu(rig, &m, 3, 10);
	m.item[2].profile = pxe_text("");
	m.item[2].type = 15;
	m.item[2].n_server_ip = 1;
	m.item[2].server_ip = &server;
	pxe_put_profile(rig, &m.profile);
	pxe_ask_rom(&ask, BIOS, 0);
	assert_true(rig_ask(rig, &ask));
	pxe_expect_vendor(rig, DHCP4_PXE_BOOT_SERVERS, servers, sizeof servers);
	const uint16_t types[] = {15, 0x8002, 0x8003, 0xffff};
	for (size_t i = 0; i < 4; i++) {
		pxe_ask_rom(&ask, BIOS, 0);
		pxe_ask_boot_server(&ask, DHCP4_REQUEST, NODE, types[i], 0);
		rig_send(rig, &ask);
		rig_expect_silence(rig);
	}
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NO_BOOT), 4);
}

/* A REQUEST about an address stays one, whatever stands in its option 43. */
static void a_boot_item_does_not_hide_a_request_for_an_address(void **state) /* [P2] */
{
	struct rig *rig = *state;
	struct menu_profile m;
	struct ask ask;
	const uint8_t info[] = {71, 4, 0x80, 3, 0, 0, 255};
	put_menu(rig, &m, 3, 10);
	pxe_ask_rom(&ask, BIOS, 0);
	ask_option(&ask, DHCP4_VENDOR_INFO, info, sizeof info);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = RIG_SERVER_IP;
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->reply.header.yiaddr, ask.requested);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S);
}

/* FIELD 31: menus of UEFI firmware do not work; iPXE shows it. */
static void uefi_gets_ipxe_for_a_menu(void **state)
{
	struct rig *rig = *state;
	struct menu_profile m;
	struct ask ask;
	const uint8_t *data, control = 8;
	size_t size;
	put_menu(rig, &m, 3, 10);
	pxe_ask_rom(&ask, UEFI, 7);
	assert_true(rig_ask(rig, &ask));
	assert_string_equal(rig->reply.header.file, "ipxe/snponly.efi");
	pxe_expect_vendor(rig, DHCP4_PXE_DISCOVERY_CONTROL, &control, 1);
	assert_false(pxe_vendor(rig, DHCP4_PXE_BOOT_MENU, &data, &size));
	ask_text(&ask, DHCP4_USER_CLASS, "iPXE");
	assert_true(rig_ask(rig, &ask));
	assert_non_null(strstr(rig->reply.header.file, ".ipxe?arch=7"));
}

static void where_there_is_no_choice_there_is_no_menu(void **state) /* FIELD 31 */
{
	struct rig *rig = *state;
	struct menu_profile m;
	struct ask ask;
	const uint8_t *data;
	size_t size;
	for (unsigned i = 0; i < 4; i++) {
		put_menu(rig, &m, i < 2 ? 1 : 3, i < 2 ? 10 : 0);
		pxe_ask_rom(&ask, i % 2 == 0 ? BIOS : UEFI, i % 2 == 0 ? 0 : 7);
		assert_true(rig_ask(rig, &ask));
		assert_string_equal(rig->reply.header.file,
			i % 2 == 0 ? "ipxe/undionly.kpxe" : "ipxe/snponly.efi");
		assert_false(pxe_vendor(rig, DHCP4_PXE_BOOT_MENU, &data, &size));
	}
}

/* ---- the script */

static char *script_of(struct rig *rig, bool has_item, uint16_t item)
{
	static const char *const urls[] = {"http://10.0.0.11:8081", "http://10.0.0.12:8082"};
	struct boot_source source;
	struct boot_client client = {.mac_bytes = 6,
		.mac = {0x52, 0x54, 0, 0, 0, 1},
		.arch = 7,
		.is_pxe = true,
		.is_ipxe = true,
		.subnet_ip = IP(10, 0, 0, 7),
		.has_item = has_item,
		.item = item};
	boot_source_of_model(rig->model, &source);
	return boot_script(&source, &client, urls, 2);
}

static void ipxe_shows_the_menu_and_asks_for_the_item(void **state)
{
	struct rig *rig = *state;
	struct menu_profile m;
	put_menu(rig, &m, 3, 10);
	char *script = script_of(rig, false, 0);
	const char *const lines[] = {"\nmenu choose\n", "\nitem 32769 Debian\n", "\nitem 0 Disk\n",
		"\nitem 32771 Test\n", "\nchoose --timeout 10000 selected || exit\n",
		"\niseq ${selected} 0 && exit ||\n",
		"\nchain ${base}/boot/52-54-00-00-00-01.ipxe?item=${selected}",
		"?item=${selected}&arch=7 || goto try1\n",
		"?item=${selected}&arch=7 || goto failed\n"};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		assert_non_null(strstr(script, lines[i]));
	free(script);
	m.menu.timeout_s = 255;
	pxe_put_profile(rig, &m.profile);
	script = script_of(rig, false, 0);
	assert_non_null(strstr(script, "\nchoose selected || exit\n"));
	free(script);
	script = script_of(rig, true, 0x8001);
	assert_non_null(strstr(script, "kernel ${base}/debian12@"));
	assert_null(strstr(script, "choose"));
	free(script);
	script = script_of(rig, true, 0);
	assert_non_null(strstr(script, "\nexit\n"));
	assert_null(strstr(script, "kernel"));
	free(script);
	script = script_of(rig, true, 0x9999);
	assert_non_null(strstr(script, "has no item of type 39321"));
	free(script);
}

/* ---- Raspberry Pi */

static void raspberry_pi_is_known_by_its_hardware_address(void **state) /* FIELD 25, 26, 5 */
{
	struct rig *rig = *state;
	static const uint8_t ouis[][3] = {{0xb8, 0x27, 0xeb}, {0xdc, 0xa6, 0x32},
		{0xe4, 0x5f, 0x01}, {0x28, 0xcd, 0xc1}, {0xd8, 0x3a, 0xdd}};
	const uint8_t menu[] = {0, 0, 0x11, 'R', 'a', 's', 'p', 'b', 'e', 'r', 'r', 'y', ' ', 'P',
		'i', ' ', 'B', 'o', 'o', 't'};
	const uint8_t prompt[] = {0, 'P', 'X', 'E'};
	const uint8_t *info;
	size_t size;
	pxe_loader_profile(rig, "pi", "memtest", "rpi", "bootcode.bin");
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "pi");
	for (size_t i = 0; i < sizeof ouis / sizeof ouis[0]; i++) {
		struct ask ask;
		pxe_ask_rom(&ask, BIOS, 0); /* a Pi 5 says so */
		ask.hlen = 6;
		memcpy(ask.chaddr, ouis[i], 3);
		ask.chaddr[5] = 1;
		assert_true(rig_ask(rig, &ask));
		rig_expect_reply(rig, DHCP4_OFFER);
		pxe_expect_vendor(rig, DHCP4_PXE_BOOT_MENU, menu, sizeof menu);
		pxe_expect_vendor(rig, DHCP4_PXE_MENU_PROMPT, prompt, sizeof prompt);
		assert_true(dhcp4_option(&rig->reply, DHCP4_VENDOR_INFO, &info, &size));
		assert_int_equal(info[size - 1], 255);
		pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "PXEClient", false);
		pxe_expect_text(rig, DHCP4_TFTP_SERVER, "10.0.0.11", true);
		assert_string_equal(
			rig->reply.header.file, "memtest@6d656d7465737400/bootcode.bin");
	}
	struct ask ask;
	pxe_ask_rom(&ask, BIOS, 0); /* the same ROM in a machine of somebody else */
	ask.client = 9;
	assert_true(rig_ask(rig, &ask));
	pxe_expect_no_boot(rig);
}

/* What a Pi takes for a menu is but its mark (FIELD 26). */
static void raspberry_pi_shows_no_menu(void **state)
{
	struct rig *rig = *state;
	struct menu_profile m;
	Pxe__Loader loader = PXE__LOADER__INIT, *loaders[] = {&loader};
	struct ask ask;
	const uint8_t control = 8;
	loader.arch = pxe_text("rpi");
	loader.path = pxe_text("bootcode.bin");
	put_menu(rig, &m, 3, 10);
	m.profile.image = pxe_text("memtest");
	m.profile.n_loaders = 1;
	m.profile.loaders = loaders;
	pxe_put_profile(rig, &m.profile);
	pxe_ask_rom(&ask, BIOS, 0);
	ask.hlen = 6;
	memcpy(ask.chaddr, "\xdc\xa6\x32\x00\x00\x01", 6);
	assert_true(rig_ask(rig, &ask));
	assert_string_equal(rig->reply.header.file, "memtest@6d656d7465737400/bootcode.bin");
	pxe_expect_vendor(rig, DHCP4_PXE_DISCOVERY_CONTROL, &control, 1);
}

static void uefi_on_a_raspberry_pi_is_uefi(void **state) /* FIELD 25 */
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, "PXEClient:Arch:00011:UNDI:003000", 11);
	ask.hlen = 6;
	memcpy(ask.chaddr, "\xd8\x3a\xdd\x00\x00\x01", 6);
	assert_true(rig_ask(rig, &ask));
	assert_string_equal(rig->reply.header.file, "ipxe/snponly-arm64.efi");
}

/* ---- groups */

static void put_group(struct rig *rig, const char *name, uint32_t order, const char *vendor_class,
	const char *profile)
{
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__Match match = PXE__MATCH__INIT;
	char *globs[] = {pxe_text(vendor_class)};
	match.n_vendor_class = 1;
	match.vendor_class = globs;
	group.name = pxe_text(name);
	group.order = order;
	group.match = &match;
	group.profile = pxe_text(profile);
	put.object_case = PXE__PUT__OBJECT_GROUP;
	put.group = &group;
	rig_put(rig, &put);
}

/* host > later group > earlier group > subnet */
static void groups_say_what_boots(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, BIOS, 0);
	put_group(rig, "b", 1, "PXEClient*", "memtest");
	assert_true(rig_ask(rig, &ask));
	assert_string_equal(rig->reply.header.file, "memtest@6d656d7465737400/memtest.0");
	put_group(rig, "a", 2, "PXEClient:Arch:00000*", "debian12");
	assert_true(rig_ask(rig, &ask));
	assert_string_equal(rig->reply.header.file, "ipxe/undionly.kpxe");
	/* By the class alone: the script's URL has to say so, HTTP does not. */
	ask_text(&ask, DHCP4_USER_CLASS, "iPXE");
	assert_true(rig_ask(rig, &ask));
	assert_non_null(strstr(rig->reply.header.file, "&profile=debian12"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, pxe_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bios_rom_shows_the_menu),
		TEST(discovery_is_allowed_as_configured),
		TEST(the_chosen_item_is_booted),
		TEST(items_that_are_not_ours_are_another_boot_servers),
		TEST(a_boot_item_does_not_hide_a_request_for_an_address),
		TEST(uefi_gets_ipxe_for_a_menu),
		TEST(where_there_is_no_choice_there_is_no_menu),
		TEST(ipxe_shows_the_menu_and_asks_for_the_item),
		TEST(raspberry_pi_is_known_by_its_hardware_address),
		TEST(raspberry_pi_shows_no_menu),
		TEST(uefi_on_a_raspberry_pi_is_uefi),
		TEST(groups_say_what_boots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
