/* UEFI HTTP Boot (UEFI 2.10 §24.7) and iPXE: URLs, and what goes before them. */
#include "proto/wire/dhcp4_names.h"
#include "tests/unit/node/dhcp4_pxe_kit.h"

#define BIOS "PXEClient:Arch:00000:UNDI:002001"

static const char url[] = "http://10.0.0.11:8081/efi/boot.efi";

/* FIELD 41: every architecture of HTTP Boot; the profile names them without "-http", or exactly. */
static void every_http_architecture_gets_its_url(void **state)
{
	struct rig *rig = *state;
	static const char *const files[] = {"boot.efi", "other.efi"};
	const uint64_t holders[] = {1};
	unsigned seen = 0;
	uint16_t arch = 0;
	const char *name;
	rig_image(rig, "efi", files, 2, holders, 1);
	for (size_t i = 0; (name = dhcp4_arch_at(i, &arch)) != NULL; i++) {
		struct ask ask;
		char plain[32];
		if (!dhcp4_arch_is_http(arch))
			continue;
		snprintf(plain, sizeof plain, "%.*s", (int)(strlen(name) - strlen("-http")), name);
		for (int exact = 0; exact < 2; exact++) {
			pxe_loader_profile(rig, "own", "efi", exact ? name : plain, "boot.efi");
			rig_subnet(rig, "lab", IP(10, 0, 0, 0), "own");
			pxe_ask_rom(&ask, "HTTPClient:Arch:00000:UNDI:003001", arch);
			assert_true(rig_ask(rig, &ask));
			pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "HTTPClient", false);
			pxe_expect_text(rig, DHCP4_BOOT_FILE, url, true);
			assert_string_equal(rig->reply.header.file, url);
			assert_false(dhcp4_has(&rig->reply, DHCP4_VENDOR_INFO));
		}
		seen++;
	}
	assert_true(seen >= 12);
}

/* FIELD 41: EDK2 ignores what is longer than one frame; the URL has an address, so no DNS is
 * needed. */
static void long_answers_stay_in_one_frame(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	const uint8_t limit[] = {0xff, 0x00};
	uint8_t relay[202] = {1, 200};
	pxe_ask_rom(&ask, "HTTPClient:Arch:00016:UNDI:003001", 16);
	ask_option(&ask, DHCP4_MAX_MESSAGE_BYTES, limit, sizeof limit);
	ask_option(&ask, DHCP4_RELAY_AGENT_INFO, relay, sizeof relay);
	ask.giaddr = IP(10, 0, 0, 1);
	assert_true(rig_ask(rig, &ask));
	assert_true(rig->effects.reply.size < 1472);
	pxe_expect_text(rig, DHCP4_BOOT_FILE, "http://10.0.0.11:8081/ipxe/snponly.efi", true);
}

/* FIELD 46: programs that read the ACK alone find it all there. */
static void the_ack_says_the_same(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, "HTTPClient:Arch:00016:UNDI:003001", 16);
	assert_true(rig_ask(rig, &ask));
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = RIG_SERVER_IP;
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "HTTPClient", false);
	pxe_expect_text(rig, DHCP4_BOOT_FILE, "http://10.0.0.11:8081/ipxe/snponly.efi", true);
	assert_int_equal(rig->reply.header.siaddr, IP(10, 0, 0, 11));
}

/* FIELD 44: one firmware offers both ways; each is told its own. */
static void the_list_of_architectures_follows_the_way_of_booting(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_text(&ask, DHCP4_VENDOR_CLASS, "HTTPClient");
	pxe_ask_arch(&ask, 7, 16);
	assert_true(rig_ask(rig, &ask));
	assert_non_null(strstr(rig->reply.header.file, "http://"));
	ask = (struct ask){.type = DHCP4_DISCOVER, .client = 1};
	ask_text(&ask, DHCP4_VENDOR_CLASS, "PXEClient");
	pxe_ask_arch(&ask, 16, 7);
	assert_true(rig_ask(rig, &ask));
	assert_string_equal(rig->reply.header.file, "ipxe/snponly.efi");
}

/* FIELD 2, 29, 44: a Windows ROM or wdsmgfw.efi gets the program of its own architecture; 60 never
 * without 43; nothing but END and padding after the last option. */
static void answers_end_where_their_options_end(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	const uint16_t archs[] = {0, 7};
	for (size_t i = 0; i < 2; i++) {
		pxe_ask_rom(&ask, "PXEClient", archs[i]);
		assert_true(rig_ask(rig, &ask));
		assert_int_equal(dhcp4_has(&rig->reply, DHCP4_VENDOR_CLASS),
			dhcp4_has(&rig->reply, DHCP4_VENDOR_INFO));
		assert_string_equal(rig->reply.header.file,
			archs[i] == 0 ? "ipxe/undionly.kpxe" : "ipxe/snponly.efi");
		const uint8_t *data = rig->effects.reply.data;
		size_t at = DHCP4_HEADER_BYTES, size = rig->effects.reply.size;
		while (at < size && data[at] != DHCP4_END) {
			assert_int_not_equal(data[at], DHCP4_PAD);
			at += 2u + data[at + 1];
		}
		assert_true(at < size);
		for (at++; at < size; at++)
			assert_int_equal(data[at], 0);
	}
}

/* FIELD 38: a ROM's iPXE that was built without HTTP cannot load our script: it gets our iPXE by
 * TFTP, with the whole URL; that one, on the ROM's stack, asks with the broadcast flag. */
static void ipxe_without_http_gets_ours_first(void **state)
{
	struct rig *rig = *state;
	const uint8_t without[] = {0xeb, 3, 1, 0x15, 1, 0x15, 1, 1},
		      with[] = {0xeb, 3, 1, 0x15, 1, 0x13, 1, 1, 0x15, 1, 1};
	struct ask ask;
	pxe_ask_rom(&ask, BIOS, 0);
	ask.flags = 0;
	ask_option(&ask, DHCP4_IPXE, without, sizeof without);
	assert_true(rig_ask(rig, &ask));
	assert_string_equal(rig->reply.header.file, "tftp://10.0.0.11/ipxe/undionly.kpxe");
	ask.flags = DHCP4_FLAG_BROADCAST;
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(strncmp(rig->reply.header.file, "http://", 7), 0);
	pxe_ask_rom(&ask, BIOS, 0);
	ask.flags = 0;
	ask_option(&ask, DHCP4_IPXE, with, sizeof with);
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(strncmp(rig->reply.header.file, "http://", 7), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pxe_setup, pxe_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_http_architecture_gets_its_url),
		TEST(long_answers_stay_in_one_frame),
		TEST(the_ack_says_the_same),
		TEST(the_list_of_architectures_follows_the_way_of_booting),
		TEST(answers_end_where_their_options_end),
		TEST(ipxe_without_http_gets_ours_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
