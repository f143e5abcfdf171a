/* Boot decisions as a table of text (client -> answer), and the scripts word by word. */
#include "node/boot/boot.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a small site */
static char initrd_names[3][24] = {"boot/initrd.img", "extra/initrd.img", "rescue firmware.cpio"};
static char *initrds[] = {initrd_names[0], initrd_names[1], initrd_names[2]};
static Pxe__Loader own_bios, own_efi, own_http, site_arm, self_ipxe;
static Pxe__Loader *vendor_loaders[] = {&own_bios, &own_efi, &own_http};
static Pxe__Loader *self_loaders[] = {&self_ipxe};
static Pxe__Loader *site_loaders[] = {&site_arm};
static Pxe__Profile profiles[12];
static Pxe__Image images[5];
static Pxe__Host hosts[14];
static Pxe__Subnet subnet;
static Pxe__Settings settings;
static Pxe__ImageVersion version_ipxe;
static Pxe__ImageFile file_bios, file_x64;
static Pxe__ImageFile *ipxe_files[] = {&file_bios, &file_x64};
static uint8_t digest[32] = {0x9f, 0x86, 0xd0, 0x81, 0x88, 0x4c, 0x7d, 0x65, 0x9a};
static uint8_t uuid[16] = {0x4c, 0x4c, 0x45, 0x44, 0, 0x51, 0x35, 0x10, 0x80, 0x52, 0xb4, 0xc0,
	0x4f, 0x4d, 0x31, 0x32};
static uint8_t reserved[4] = {10, 0, 0, 77};

static const Pxe__Settings *get_settings(void *ctx)
{
	(void)ctx;
	return &settings;
}

static const Pxe__Host *get_host(void *ctx, const uint8_t *mac, size_t mac_bytes)
{
	(void)ctx;
	if (mac_bytes != 6 || memcmp(mac, "\x52\x54\x00\xaa\x00", 5) != 0 || mac[5] == 0 ||
		mac[5] > 14 || hosts[mac[5] - 1].name == NULL) {
		return NULL;
	}
	return &hosts[mac[5] - 1];
}

static const Pxe__Host *get_host_of_uuid(void *ctx, const uint8_t wanted[16])
{
	(void)ctx;
	return memcmp(wanted, uuid, 16) == 0 ? &hosts[0] : NULL;
}

static const Pxe__Subnet *get_subnet(void *ctx, uint32_t ip)
{
	(void)ctx;
	return ip >> 8 == 0x0a0000 ? &subnet : NULL;
}

static const Pxe__Profile *get_profile(void *ctx, const char *name)
{
	(void)ctx;
	for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
		if (profiles[i].name != NULL && strcmp(profiles[i].name, name) == 0) {
			return &profiles[i];
		}
	}
	return NULL;
}

static const Pxe__Image *get_image(void *ctx, const char *name)
{
	(void)ctx;
	for (size_t i = 0; i < sizeof images / sizeof images[0]; i++) {
		if (images[i].name != NULL && strcmp(images[i].name, name) == 0) {
			return &images[i];
		}
	}
	return NULL;
}

static const Pxe__ImageVersion *get_version(void *ctx, const char *image, const uint8_t wanted[32])
{
	(void)ctx;
	return strcmp(image, "ipxe") == 0 && memcmp(wanted, digest, 32) == 0 ? &version_ipxe : NULL;
}

static const struct boot_source site = {
	.settings = get_settings,
	.host_of_mac = get_host,
	.host_of_uuid = get_host_of_uuid,
	.subnet_of = get_subnet,
	.profile = get_profile,
	.image = get_image,
	.version = get_version,
};

static char *text(const char *t)
{
	return (char *)(uintptr_t)t;
}

static Pxe__Profile *profile(size_t i, const char *name, const char *image, const char *kernel)
{
	pxe__profile__init(&profiles[i]);
	profiles[i].name = text(name);
	profiles[i].image = text(image);
	profiles[i].kernel = text(kernel);
	return &profiles[i];
}

static void image(size_t i, const char *name, bool published)
{
	pxe__image__init(&images[i]);
	images[i].name = text(name);
	if (published) {
		images[i].current_digest.data = digest;
		images[i].current_digest.len = 32;
	}
}

static void host(size_t i, const char *name, const char *profile_name)
{
	pxe__host__init(&hosts[i - 1]);
	hosts[i - 1].name = text(name);
	hosts[i - 1].profile = text(profile_name);
}

static void loader(Pxe__Loader *l, const char *arch, const char *path)
{
	pxe__loader__init(l);
	l->arch = text(arch);
	l->path = text(path);
}

static int site_make(void **state)
{
	Pxe__Profile *p;

	(void)state;
	memset(profiles, 0, sizeof profiles);
	memset(images, 0, sizeof images);
	memset(hosts, 0, sizeof hosts);
	p = profile(0, "debian12", "debian12", "linux");
	p->args = text("console=ttyS0 url={{base_url}}/t/{{mac}}");
	p->initrd = initrds;
	p->n_initrd = 1;
	p = profile(1, "vendor", "syslinux", "");
	p->loaders = vendor_loaders;
	p->n_loaders = 3;
	loader(&own_bios, "bios", "pxelinux.0");
	loader(&own_efi, "7", "grubx64.efi");
	loader(&own_http, "uefi-x64-http", "shimx64.efi");
	p = profile(2, "discover", "shell", "");
	p->script =
		text("#!ipxe\necho {{ name }} {{mac}} {{ip}}\nchain {{base_url}}/x ${net0/mac}\n");
	profile(3, "disk", "", "")->local = true;
	profile(4, "empty", "debian12", "");
	profile(5, "pinned", "debian12@0123456789abcdef", "linux");
	profile(6, "unpublished", "staged", "linux");
	p = profile(7, "broken", "shell", "");
	p->script = text("#!ipxe\necho {{nmae}}\n");
	p = profile(8, "twins", "debian12", "a b/vm$linuz");
	p->initrd = initrds;
	p->n_initrd = 3;
	p->args = text("quiet\nreboot ${uuid}");
	p = profile(9, "hash", "debian12", "linux");
	p->args = text("a #b");
	p = profile(10, "again", "syslinux", "");
	p->loaders = self_loaders;
	p->n_loaders = 1;
	loader(&self_ipxe, "bios", "my/ipxe.pxe");
	image(0, "ipxe", true);
	image(1, "debian12", true);
	image(2, "syslinux", true);
	image(3, "shell", true);
	image(4, "staged", false);
	host(1, "n01", "debian12");
	host(2, "n02", "vendor");
	host(3, "n03", "discover");
	host(4, "n04", "disk");
	host(5, "n05", "");
	host(6, "n06", "gone");
	host(7, "n07", "debian12");
	hosts[6].ignore = true;
	host(8, "n08", "empty");
	host(9, "n09", "pinned");
	host(10, "n10", "unpublished");
	host(11, "n11", "local");
	host(12, "n12", "none");
	host(13, "n13", "again");
	host(14, "n\n14", "twins");
	pxe__subnet__init(&subnet);
	subnet.name = text("lab");
	subnet.profile = text("vendor");
	pxe__settings__init(&settings);
	loader(&site_arm, "uefi-arm32", "shell/arm32.efi");
	settings.loaders = site_loaders;
	settings.n_loaders = 1;
	settings.profile = text("");
	pxe__image_version__init(&version_ipxe);
	pxe__image_file__init(&file_bios);
	pxe__image_file__init(&file_x64);
	file_bios.path = text("undionly.kpxe");
	file_x64.path = text("snponly.efi");
	version_ipxe.files = ipxe_files;
	version_ipxe.n_files = 2;
	return 0;
}

/* "01 bios rom", "01 uefi-x64 http", "ff bios ipxe @10.0.0.5 uuid": last octet, architecture,
 * stage, subnet, UUID. */
static void client_parse(const char *line, struct boot_client *client)
{
	char arch[32], stage[32], more[2][32] = {"", ""};
	unsigned octet;
	int32_t number;

	assert_true(
		sscanf(line, "%x %31s %31s %31s %31s", &octet, arch, stage, more[0], more[1]) >= 3);
	memset(client, 0, sizeof *client);
	memcpy(client->mac, "\x52\x54\x00\xaa\x00", 5);
	client->mac[5] = (uint8_t)octet;
	client->mac_bytes = 6;
	number = strcmp(arch, "-") == 0 ? UINT16_MAX : dhcp4_arch_parse(arch);
	assert_true(number >= 0);
	client->arch = (uint16_t)number;
	client->is_pxe = strcmp(stage, "rom") == 0 || strcmp(stage, "ipxe") == 0;
	client->is_http = strcmp(stage, "http") == 0;
	client->is_ipxe = strcmp(stage, "ipxe") == 0;
	for (size_t i = 0; i < 2; i++) {
		if (more[i][0] == '@') {
			assert_int_equal(text_ip4_parse(more[i] + 1, &client->subnet_ip), 0);
		} else if (strcmp(more[i], "uuid") == 0) {
			client->has_uuid = true;
			memcpy(client->uuid, uuid, 16);
		}
	}
}

static const char *const kind_names[] = {"none", "loader", "script", "http", "local"};

static void test_decisions(void **state)
{
	static const struct {
		const char *client, *answer; /* kind file; for none: a part of why */
	} table[] = {
		/* the iPXE chain by architecture */
		{"01 bios rom", "loader ipxe/undionly.kpxe"},
		{"01 - rom", "loader ipxe/undionly.kpxe"},
		{"01 uefi-x64 rom", "loader ipxe/snponly.efi"},
		{"01 9 rom", "loader ipxe/snponly.efi"},
		{"01 uefi-x64-http http", "http http://10.0.0.1:8080/ipxe/snponly.efi"},
		{"01 uefi-arm32 rom", "loader shell/arm32.efi"},
		{"01 uefi-arm64 rom", "none image ipxe has no file snponly-arm64.efi"},
		{"01 uefi-x86 rom", "none no boot program for uefi-x86"},
		{"01 4711 rom", "none no boot program for 4711"},
		/* the loop break */
		{"01 bios ipxe", "script http://10.0.0.1:8080/boot/52-54-00-aa-00-01.ipxe?arch=0"},
		{"01 - ipxe", "script http://10.0.0.1:8080/boot/52-54-00-aa-00-01.ipxe"},
		{"ee bios ipxe uuid",
			"script http://10.0.0.1:8080/boot/"
			"52-54-00-aa-00-ee.ipxe?uuid=4c4c4544-0051-3510-8052-b4c04f4d3132&arch=0"},
		{"03 bios rom", "loader ipxe/undionly.kpxe"},
		{"03 uefi-x64 ipxe",
			"script http://10.0.0.1:8080/boot/52-54-00-aa-00-03.ipxe?arch=7"},
		{"09 bios rom", "loader ipxe/undionly.kpxe"},
		{"0a bios rom", "loader ipxe/undionly.kpxe"},
		/* a profile's own programs */
		{"02 bios rom", "loader syslinux@9f86d081884c7d65/pxelinux.0"},
		{"02 bios ipxe", "loader syslinux@9f86d081884c7d65/pxelinux.0"},
		{"02 uefi-x64 rom", "loader syslinux@9f86d081884c7d65/grubx64.efi"},
		{"02 uefi-x64-http http", "http http://10.0.0.1:8080/syslinux/shimx64.efi"},
		{"02 uefi-arm64 rom", "none profile vendor has no loader for uefi-arm64"},
		{"0d bios rom", "loader syslinux@9f86d081884c7d65/my/ipxe.pxe"},
		{"0d bios ipxe", "script http://10.0.0.1:8080/boot/52-54-00-aa-00-0d.ipxe?arch=0"},
		/* where the profile comes from */
		{"05 bios rom @10.0.0.1", "loader syslinux@9f86d081884c7d65/pxelinux.0"},
		{"ff bios rom @10.0.0.1", "loader syslinux@9f86d081884c7d65/pxelinux.0"},
		{"05 bios rom", "none host n05 has no boot profile"},
		{"ff bios rom", "none unknown machine"},
		{"ff bios rom uuid", "loader ipxe/undionly.kpxe"},
		/* the local disk, nothing, and what is wrong */
		{"04 bios rom", "local "},
		{"04 bios ipxe", "local http://10.0.0.1:8080/boot/52-54-00-aa-00-04.ipxe?arch=0"},
		{"0b uefi-x64 rom", "local "},
		{"0c uefi-x64 rom", "none the host n12 says: boot nothing"},
		{"06 bios rom", "none profile gone, named by the host n06, does not exist"},
		{"07 bios rom", "none host n07 is set to be ignored"},
		{"08 bios rom", "none profile empty has no kernel"},
		{"01 bios os", "none not a network boot client"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct boot_client client;
		struct boot_decision d;
		char got[800];
		client_parse(table[i].client, &client);
		boot_decide(&site, &client, 0x0a000001, 8080, &d);
		snprintf(got, sizeof got, "%s %s", kind_names[d.kind],
			d.kind == BOOT_NONE ? d.why : d.file);
		if (d.kind == BOOT_NONE) {
			got[strlen(table[i].answer) < sizeof got ? strlen(table[i].answer) : 0] =
				'\0';
		}
		if (strcmp(got, table[i].answer) != 0) {
			print_error("client %s\n", table[i].client);
		}
		assert_string_equal(got, table[i].answer);
		assert_int_equal(d.server_ip, 0x0a000001);
		assert_int_equal(d.ignore, client.mac[5] == 7);
	}
}

static void test_port_80_is_not_written(void **state)
{
	struct boot_client client;
	struct boot_decision d;

	(void)state;
	client_parse("01 - ipxe", &client);
	boot_decide(&site, &client, 0x0a000001, 80, &d);
	assert_string_equal(d.file, "http://10.0.0.1/boot/52-54-00-aa-00-01.ipxe");
}

static void test_an_empty_source_boots_nothing(void **state)
{
	static const struct boot_source bare = {.profile = get_profile};
	struct boot_client client;
	struct boot_decision d;
	char *script;

	(void)state;
	client_parse("01 bios rom @10.0.0.1 uuid", &client);
	boot_decide(&bare, &client, 1, 80, &d);
	assert_int_equal(d.kind, BOOT_NONE);
	script = boot_script(&bare, &client, NULL, 0);
	assert_non_null(strstr(script, "echo Network boot: unknown machine"));
	free(script);
}

static const char *const nodes[] = {"http://10.0.0.1:8080", "http://10.0.0.2:8080"};

/* FIELD 38: an iPXE in ROM is sent through undionly only where the profile says so, and only once:
 * that one asks for broadcast replies. */
static void test_own_ipxe_comes_first_and_ends_the_loop(void **state)
{
	static const struct {
		const char *client;
		bool own, broadcast;
		enum boot_kind kind;
		const char *file;
	} row[] = {
		{"01 bios ipxe", true, false, BOOT_LOADER, "tftp://10.0.0.2/ipxe/undionly.kpxe"},
		{"01 bios ipxe", true, true, BOOT_SCRIPT,
			"http://10.0.0.2/boot/52-54-00-aa-00-01.ipxe?arch=0"},
		{"01 bios ipxe", false, false, BOOT_SCRIPT,
			"http://10.0.0.2/boot/52-54-00-aa-00-01.ipxe?arch=0"},
		{"01 bios rom", true, false, BOOT_LOADER, "ipxe/undionly.kpxe"},
		{"01 uefi-x64 ipxe", true, false, BOOT_SCRIPT,
			"http://10.0.0.2/boot/52-54-00-aa-00-01.ipxe?arch=7"},
		{"13 bios ipxe", true, false, BOOT_NONE, ""}, /* its loader is no undionly */
	};
	struct boot_client client;
	struct boot_decision decision;

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		client_parse(row[i].client, &client);
		client.broadcast = row[i].broadcast;
		profiles[0].own_ipxe = row[i].own;
		profiles[10].own_ipxe = row[i].own;
		boot_decide(&site, &client, 0x0a000002, 80, &decision);
		if (row[i].kind != BOOT_NONE) {
			assert_int_equal(decision.kind, row[i].kind);
			assert_string_equal(decision.file, row[i].file);
		} else {
			assert_null(strstr(decision.file, "tftp://"));
		}
	}
}

static void expect_script(const char *client_text, size_t node_count, const char *expected)
{
	struct boot_client client;
	char *script;

	client_parse(client_text, &client);
	script = boot_script(&site, &client, nodes, node_count);
	assert_string_equal(script, expected);
	free(script);
}

static void test_script_tries_every_node(void **state)
{
	(void)state;
	expect_script("01 bios ipxe", 2,
		"#!ipxe\n"
		"# host n01, profile debian12 from host n01\n"
		"echo Booting debian12 (debian12@9f86d081884c7d65)\n"
		"set round:int32 0\n"
		"set node0 http://10.0.0.1:8080\n"
		"set node1 http://10.0.0.2:8080\n"
		":start\n"
		":try0\n"
		"set base ${node0}\n"
		"imgfree\n"
		"kernel ${base}/debian12@9f86d081884c7d65/linux initrd=initrd.img console=ttyS0 "
		"url=${base}/t/52:54:00:aa:00:01 || goto try1\n"
		"initrd --name initrd.img ${base}/debian12@9f86d081884c7d65/boot/initrd.img || "
		"goto try1\n"
		"boot || goto failed\n"
		":try1\n"
		"set base ${node1}\n"
		"imgfree\n"
		"kernel ${base}/debian12@9f86d081884c7d65/linux initrd=initrd.img console=ttyS0 "
		"url=${base}/t/52:54:00:aa:00:01 || goto failed\n"
		"initrd --name initrd.img ${base}/debian12@9f86d081884c7d65/boot/initrd.img || "
		"goto failed\n"
		"boot || goto failed\n"
		":failed\n"
		"echo Could not boot from http://10.0.0.1:8080 http://10.0.0.2:8080\n"
		"inc round\n"
		"iseq ${round} 3 && goto giveup ||\n"
		"sleep 2\n"
		"goto start\n"
		":giveup\n"
		"echo Giving up: the next boot device follows\n"
		"sleep 5\n"
		"exit\n");
}

static void test_script_carries_nothing_hostile(void **state)
{
	(void)state;
	/* A line end in a name, blanks and '$' in paths, two initrds of one name, a line end in the
	 * arguments. */
	expect_script("0e bios ipxe", 1,
		"#!ipxe\n"
		"# host n?14, profile twins from host n?14\n"
		"echo Booting twins (debian12@9f86d081884c7d65)\n"
		"set round:int32 0\n"
		"set node0 http://10.0.0.1:8080\n"
		":start\n"
		":try0\n"
		"set base ${node0}\n"
		"imgfree\n"
		"kernel ${base}/debian12@9f86d081884c7d65/a%20b/vm%24linuz initrd=1-initrd.img "
		"initrd=2-initrd.img initrd=rescue_firmware.cpio quiet reboot ${uuid} || goto "
		"failed\n"
		"initrd --name 1-initrd.img ${base}/debian12@9f86d081884c7d65/boot/initrd.img || "
		"goto failed\n"
		"initrd --name 2-initrd.img ${base}/debian12@9f86d081884c7d65/extra/initrd.img || "
		"goto failed\n"
		"initrd --name rescue_firmware.cpio "
		"${base}/debian12@9f86d081884c7d65/rescue%20firmware.cpio "
		"|| goto failed\n"
		"boot || goto failed\n"
		":failed\n"
		"echo Could not boot from http://10.0.0.1:8080\n"
		"inc round\n"
		"iseq ${round} 3 && goto giveup ||\n"
		"sleep 2\n"
		"goto start\n"
		":giveup\n"
		"echo Giving up: the next boot device follows\n"
		"sleep 5\n"
		"exit\n");
}

static void test_own_script_has_its_variables(void **state)
{
	(void)state;
	hosts[2].ip.data = reserved;
	hosts[2].ip.len = 4;
	expect_script("03 bios ipxe", 2,
		"#!ipxe\n"
		"# host n03, profile discover from host n03\n"
		"\necho n03 52:54:00:aa:00:03 10.0.0.77\n"
		"chain http://10.0.0.1:8080/x ${net0/mac}\n\n");
}

static void expect_problem(const char *client_text, const char *profile_name, const char *part)
{
	struct boot_client client;
	char *script;

	client_parse(client_text, &client);
	hosts[0].profile = text(profile_name);
	script = boot_script(&site, &client, nodes, 2);
	if (strstr(script, part) == NULL) {
		print_error("%s\n", script);
	}
	assert_non_null(strstr(script, part));
	assert_int_equal(strncmp(script, "#!ipxe\n", 7), 0);
	assert_non_null(strstr(script, "\nexit\n"));
	assert_null(strstr(script, "kernel $"));
	free(script);
}

static void test_scripts_that_cannot_be_made_say_why(void **state)
{
	(void)state;
	expect_problem(
		"01 bios ipxe", "broken", "# error: script, line 2: {{nmae}} is not defined");
	expect_problem(
		"01 bios ipxe", "hash", "kernel arguments hold '_b', which iPXE cannot pass on");
	expect_problem("01 bios ipxe", "unpublished", "image staged has no published version yet");
	expect_problem("01 bios ipxe", "again", "has only iPXE as its program");
	expect_problem("01 bios ipxe", "gone", "does not exist");
	expect_problem("ff bios ipxe", "gone", "unknown machine");
	expect_problem("01 bios ipxe", "disk", "Booting from the local disk");
}

static void test_a_missing_kernel_is_named(void **state)
{
	(void)state;
	profiles[0].image = text("ipxe");
	expect_problem("01 bios ipxe", "debian12",
		"image ipxe has no file linux, which profile debian12 names");
}

static void test_own_program_is_chained(void **state)
{
	struct boot_client client;
	char *script;

	(void)state;
	client_parse("02 bios ipxe", &client);
	script = boot_script(&site, &client, nodes, 2);
	assert_non_null(strstr(
		script, "chain ${base}/syslinux@9f86d081884c7d65/pxelinux.0 || goto try1\n"));
	free(script);
}

static void test_explanation_names_the_origin(void **state)
{
	struct boot_client client;
	Pxe__BootExplanation *e;
	bool program = false, unused = false;

	(void)state;
	client_parse("01 uefi-x64 rom @10.0.0.9", &client);
	e = boot_explain(&site, &client, 0x0a000001, 8080, nodes, 2);
	for (size_t i = 0; i < e->n_lines; i++) {
		program = program || (strcmp(e->lines[i]->value, "program") == 0 &&
					     strcmp(e->lines[i]->result, "ipxe/snponly.efi") == 0 &&
					     strcmp(e->lines[i]->from, "built in") == 0);
		unused = unused || (strcmp(e->lines[i]->value, "profile") == 0 &&
					   strcmp(e->lines[i]->result, "vendor") == 0 &&
					   strncmp(e->lines[i]->from, "subnet ", 7) == 0 &&
					   strstr(e->lines[i]->from, "(not used)") != NULL);
	}
	assert_true(program);
	assert_true(unused);
	assert_non_null(strstr(e->script, "kernel ${base}/debian12@"));
	pxe__boot_explanation__free_unpacked(e, NULL);
}

static bool explained(const Pxe__BootExplanation *e, const char *value, const char *result)
{
	for (size_t i = 0; i < e->n_lines; i++) {
		if (strcmp(e->lines[i]->value, value) == 0 &&
			strstr(e->lines[i]->result, result) != NULL) {
			return true;
		}
	}
	return false;
}

static void test_explanation_tells_groups_menus_and_missing_files(void **state)
{
	Pxe__PxeMenu menu = PXE__PXE_MENU__INIT;
	Pxe__PxeItem item[2] = {PXE__PXE_ITEM__INIT, PXE__PXE_ITEM__INIT};
	Pxe__PxeItem *items[2] = {&item[0], &item[1]};
	struct boot_client client;
	Pxe__BootExplanation *e;

	(void)state;
	client_parse("01 bios rom", &client);
	client.groups = "dell, phones";
	client.ignored = true;
	profiles[0].image = text("ipxe"); /* whose files are known: it has no kernel */
	e = boot_explain(&site, &client, 0x0a000001, 8080, nodes, 2);
	assert_true(explained(e, "groups", "dell, phones"));
	assert_true(explained(e, "problem", "never answered"));
	assert_true(explained(e, "problem", "image ipxe has no file linux"));
	assert_true(explained(e, "problem", "image ipxe has no file boot/initrd.img"));
	pxe__boot_explanation__free_unpacked(e, NULL);

	item[0].type = 32769;
	item[0].text = text("Install");
	item[0].profile = text("debian12");
	item[1].text = text("Old server");
	menu.items = items;
	menu.n_items = 2;
	menu.timeout_s = 5;
	profiles[0].menu = &menu;
	client_parse("01 bios rom", &client);
	e = boot_explain(&site, &client, 0x0a000001, 8080, nodes, 2);
	assert_false(explained(e, "groups", "") || explained(e, "problem", "never answered"));
	assert_true(explained(e, "program", "the ROM shows a menu of 2 items"));
	assert_true(explained(e, "menu item", "Install: debian12"));
	assert_true(explained(e, "menu item", "Old server: another boot server"));
	pxe__boot_explanation__free_unpacked(e, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_decisions, site_make),
		cmocka_unit_test_setup(test_port_80_is_not_written, site_make),
		cmocka_unit_test_setup(test_an_empty_source_boots_nothing, site_make),
		cmocka_unit_test_setup(test_own_ipxe_comes_first_and_ends_the_loop, site_make),
		cmocka_unit_test_setup(test_script_tries_every_node, site_make),
		cmocka_unit_test_setup(test_script_carries_nothing_hostile, site_make),
		cmocka_unit_test_setup(test_own_script_has_its_variables, site_make),
		cmocka_unit_test_setup(test_scripts_that_cannot_be_made_say_why, site_make),
		cmocka_unit_test_setup(test_a_missing_kernel_is_named, site_make),
		cmocka_unit_test_setup(test_own_program_is_chained, site_make),
		cmocka_unit_test_setup(test_explanation_names_the_origin, site_make),
		cmocka_unit_test_setup(
			test_explanation_tells_groups_menus_and_missing_files, site_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
