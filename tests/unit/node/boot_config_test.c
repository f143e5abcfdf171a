/* Configurations for GRUB, PXELINUX and U-Boot, word by word. */
#include "node/boot/boot.h"
#include "proto/wire/dhcp4_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a small site: one host, whose profile each test sets up */
static Pxe__Profile profile, other;
static Pxe__Image image;
static Pxe__Host host;
static Pxe__Settings settings;
static uint8_t digest[32] = {0x9f, 0x86, 0xd0, 0x81, 0x88, 0x4c, 0x7d, 0x65, 0x9a};
static char initrd_names[2][24] = {"initrd.img", "more firmware.cpio"};
static char *initrds[] = {initrd_names[0], initrd_names[1]};
static const char *const nodes[] = {"http://10.0.0.1:8080", "http://10.0.0.2"};

static char *text(const char *t)
{
	return (char *)(uintptr_t)t;
}

static const Pxe__Settings *get_settings(void *ctx)
{
	(void)ctx;
	return &settings;
}

static const Pxe__Host *get_host(void *ctx, const uint8_t *mac, size_t mac_bytes)
{
	(void)ctx;
	return mac_bytes == 6 && mac[5] == 1 ? &host : NULL;
}

static const Pxe__Profile *get_profile(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, profile.name) == 0 ? &profile
	       : strcmp(name, other.name) == 0 ? &other
					       : NULL;
}

static void each_profile(
	void *ctx, bool (*visit)(void *visit_ctx, const void *object), void *visit_ctx)
{
	(void)ctx;
	if (visit(visit_ctx, &profile)) {
		visit(visit_ctx, &other);
	}
}

static const Pxe__Image *get_image(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "debian12") == 0 ? &image : NULL;
}

static const struct boot_source site = {
	.settings = get_settings,
	.host_of_mac = get_host,
	.profile = get_profile,
	.each_profile = each_profile,
	.image = get_image,
};

static int site_make(void **state)
{
	(void)state;
	pxe__profile__init(&profile);
	profile.name = text("debian12");
	profile.image = text("debian12");
	profile.kernel = text("linux");
	profile.initrd = initrds;
	profile.n_initrd = 1;
	profile.args = text("console=ttyS0 url={{base_url}}/t/{{mac_dash}}");
	pxe__profile__init(&other);
	other.name = text("rescue");
	other.image = text("debian12");
	other.kernel = text("rescue");
	pxe__image__init(&image);
	image.name = text("debian12");
	image.current_digest = (ProtobufCBinaryData){32, digest};
	pxe__host__init(&host);
	host.name = text("n01");
	host.profile = text("debian12");
	pxe__settings__init(&settings);
	return 0;
}

enum loader { GRUB, PXELINUX, UBOOT };

static char *config_of(enum loader loader, uint8_t octet, bool unclaimed)
{
	struct boot_client client = {
		.mac = {0x52, 0x54, 0, 0xaa, 0, octet},
		.mac_bytes = 6,
		.arch = DHCP4_ARCH_BIOS,
		.is_pxe = true,
	};

	return loader == GRUB
		       ? boot_grub_config(&site, &client, nodes, 2, unclaimed)
		       : boot_pxelinux_config(&site, &client, nodes, 2, loader == UBOOT, unclaimed);
}

static void expect(enum loader loader, const char *expected)
{
	char *config = config_of(loader, 1, false);

	assert_string_equal(config, expected);
	free(config);
}

static void expect_part(enum loader loader, uint8_t octet, const char *part)
{
	char *config = config_of(loader, octet, false);

	if (strstr(config, part) == NULL) {
		print_error("%s\n", config);
	}
	assert_non_null(strstr(config, part));
	free(config);
}

static void expect_no_part(enum loader loader, const char *part)
{
	char *config = config_of(loader, 1, false);

	assert_null(strstr(config, part));
	free(config);
}

#define HEAD "# host n01, profile debian12 from host n01\n"
#define NODES                                                                                      \
	"if regexp '^http' \"$root\"; then\n"                                                      \
	"  set node0=\"(http,10.0.0.1,8080)\"\n"                                                   \
	"  set node1=\"(http,10.0.0.2)\"\n"                                                        \
	"else\n"                                                                                   \
	"  set node0=\"(tftp,10.0.0.1)\"\n"                                                        \
	"  set node1=\"(tftp,10.0.0.2)\"\n"                                                        \
	"fi\n"
#define LOCAL                                                                                      \
	"if [ \"$grub_platform\" = pc ]; then\n"                                                   \
	"  set root=hd0\n"                                                                         \
	"  if chainloader +1; then\n"                                                              \
	"    boot\n"                                                                               \
	"  fi\n"                                                                                   \
	"fi\n"                                                                                     \
	"exit\n"

/* ---- GRUB */

static void test_grub_boots_the_pinned_version_from_every_node(void **state)
{
	(void)state;
	expect(GRUB, HEAD "set pxe_waits=no\n" NODES
			  "echo 'Booting debian12 (debian12@9f86d081884c7d65)'\n"
			  "set node=\"$node0\"\n"
			  "if linux \"$node\"/debian12@9f86d081884c7d65/'linux' 'console=ttyS0' "
			  "'url=http://10.0.0.1:8080/t/52-54-00-aa-00-01'; then\n"
			  "  if initrd \"$node\"/debian12@9f86d081884c7d65/'initrd.img'; then\n"
			  "    boot\n"
			  "  fi\n"
			  "fi\n"
			  "set node=\"$node1\"\n"
			  "if linux \"$node\"/debian12@9f86d081884c7d65/'linux' 'console=ttyS0' "
			  "'url=http://10.0.0.2/t/52-54-00-aa-00-01'; then\n"
			  "  if initrd \"$node\"/debian12@9f86d081884c7d65/'initrd.img'; then\n"
			  "    boot\n"
			  "  fi\n"
			  "fi\n"
			  "echo 'Network boot: no node gave kernel and initrd'\n"
			  "sleep 5\n" LOCAL);
}

static void test_grub_passes_on_what_its_shell_would_change(void **state)
{
	(void)state;
	profile.args = text("a=$x `b` #c ; {d} *\n\te=\"two  words\" \"f\"");
	expect_part(GRUB, 1, "'linux' 'a=$x' '`b`' '#c' ';' '{d}' '*' 'e=two  words' 'f'; then\n");
	profile.kernel = text("it's $k \"x\"");
	expect_part(GRUB, 1, "if linux \"$node\"/debian12@9f86d081884c7d65/'it'\\''s $k \"x\"' ");
	profile.n_initrd = 2;
	expect_part(GRUB, 1,
		"if initrd \"$node\"/debian12@9f86d081884c7d65/'initrd.img' "
		"\"$node\"/debian12@9f86d081884c7d65/'more firmware.cpio'; then\n");
	profile.n_initrd = 0;
	expect_no_part(GRUB, "initrd ");
}

static void test_grub_says_which_arguments_it_cannot_pass_on(void **state)
{
	(void)state;
	profile.args = text("a=b\\c");
	expect(GRUB, HEAD "set pxe_waits=no\n" NODES
			  "echo 'Booting debian12 (debian12@9f86d081884c7d65)'\n"
			  "echo 'Network boot: kernel arguments hold a backslash, which GRUB "
			  "cannot pass on'\nsleep 5\n" LOCAL);
	profile.args = text("a='b'");
	expect_part(GRUB, 1, "hold a single quote, which GRUB cannot pass on'\n");
	profile.args = text("a=\"b c");
	expect_part(GRUB, 1, "a double quote in the kernel arguments has no end'\n");
	expect_no_part(GRUB, "linux \"$node");
}

static void test_grub_goes_on_with_the_local_disk(void **state)
{
	(void)state;
	host.profile = text("local");
	expect(GRUB, "# host n01, profile local from host n01\n"
		     "set pxe_waits=no\necho 'Booting from the local disk'\n" LOCAL);
	expect_part(GRUB, 2, "echo 'Network boot: unknown machine, and neither its subnet nor");
	expect_part(GRUB, 2, "\nsleep 5\n" LOCAL);
}

static void test_grub_waits_in_a_loop_that_what_comes_later_ends(void **state)
{
	(void)state;
	host.profile = text("wait");
	expect(GRUB, "# host n01, profile wait from host n01\n" NODES
		     "if [ \"$pxe_waits\" != yes ]; then\n"
		     "set pxe_waits=yes\n"
		     "while [ \"$pxe_waits\" = yes ]; do\n"
		     "echo 'This machine waits for approval.'\n"
		     "echo 'Declare it: pxectl host add NAME --mac 52:54:00:aa:00:01 --profile "
		     "PROFILE'\n"
		     "sleep 10\n"
		     "for node in \"$node0\" \"$node1\"; do\n"
		     "  if source \"$node\"/grub.cfg-01-52-54-00-aa-00-01; then\n"
		     "    break\n"
		     "  fi\n"
		     "done\n"
		     "done\n"
		     "fi\n");
}

static void test_grub_shows_a_menu_of_all_profiles(void **state)
{
	(void)state;
	host.profile = text("menu");
	expect_part(GRUB, 1,
		"set timeout=-1\nset default=0\nmenuentry 'The local disk' {\n" LOCAL
		"}\nmenuentry 'debian12' {\n");
	expect_part(GRUB, 1, "}\nmenuentry 'rescue' {\necho 'Booting rescue (");
	other.kernel = text(""); /* nothing that GRUB could start */
	expect_no_part(GRUB, "menuentry 'rescue'");
}

static void with_menu(Pxe__PxeMenu *menu, Pxe__PxeItem *item, Pxe__PxeItem **items)
{
	pxe__pxe_menu__init(menu);
	pxe__pxe_item__init(&item[0]);
	pxe__pxe_item__init(&item[1]);
	item[0].text = text("Rescue it's");
	item[0].profile = text("rescue");
	item[1].text = text("Disk");
	item[1].profile = text("local");
	items[0] = &item[0];
	items[1] = &item[1];
	menu->items = items;
	menu->n_items = 2;
	menu->timeout_s = 7;
	profile.menu = menu;
}

static void test_the_menu_of_a_profile_is_shown(void **state)
{
	Pxe__PxeMenu menu;
	Pxe__PxeItem item[2], *items[2];

	(void)state;
	with_menu(&menu, item, items);
	expect_part(GRUB, 1, "set timeout=7\nset default=0\nmenuentry 'Rescue it'\\''s' {\n");
	expect_part(GRUB, 1, "}\nmenuentry 'Disk' {\n" LOCAL "}\n");
	expect(PXELINUX, HEAD "SAY What shall this machine boot? Type its name:\n"
			      "DEFAULT rescue\nPROMPT 1\nTIMEOUT 70\n"
			      "SAY   local                The local disk\n"
			      "LABEL local\n  MENU LABEL The local disk\n  LOCALBOOT 0\n"
			      "SAY   rescue               Rescue it's\n"
			      "LABEL rescue\n  MENU LABEL Rescue it's\n"
			      "  LINUX ::/debian12@9f86d081884c7d65/rescue\n");
	menu.timeout_s = 255; /* for ever */
	expect_no_part(PXELINUX, "TIMEOUT");
	expect_part(GRUB, 1, "set timeout=-1\n");
}

static void test_own_texts_are_filled_in(void **state)
{
	(void)state;
	profile.grub_script = text("echo {{name}} $x\n");
	profile.pxelinux_script = text("SAY {{mac}}\n");
	expect(GRUB, HEAD "set pxe_waits=no\n" NODES "echo n01 $x\n\n");
	expect(PXELINUX, HEAD "SAY 52:54:00:aa:00:01\n\n");
	profile.grub_script = text("\n{{vars.disk}}");
	expect_part(GRUB, 1,
		"echo 'Network boot: grub_script, line 2: {{vars.disk}} is not defined: pxectl "
		"host set n01 --var disk=VALUE'\n");
}

static void test_a_boot_that_cannot_be_claimed_asks_again(void **state)
{
	char *config;

	(void)state;
	config = config_of(GRUB, 1, true);
	assert_non_null(strstr(config, "echo 'The next boot of this machine is armed"));
	assert_non_null(strstr(config, "source \"$node\"/grub.cfg-01-52-54-00-aa-00-01; then"));
	assert_null(strstr(config, "linux"));
	free(config);
	config = config_of(PXELINUX, 1, true);
	assert_non_null(strstr(config, "CONFIG ::/pxelinux.cfg/01-52-54-00-aa-00-01\n"));
	assert_null(strstr(config, "LINUX"));
	free(config);
}

/* ---- PXELINUX and U-Boot */

static void test_pxelinux_boots_the_pinned_version(void **state)
{
	(void)state;
	initrd_names[1][4] = '-';
	profile.n_initrd = 2;
	expect(PXELINUX,
		HEAD "SAY Booting debian12 (debian12@9f86d081884c7d65)\n"
		     "DEFAULT linux\nPROMPT 0\n"
		     "LABEL linux\n  MENU LABEL debian12\n"
		     "  LINUX ::/debian12@9f86d081884c7d65/linux\n"
		     "  INITRD ::/debian12@9f86d081884c7d65/initrd.img,"
		     "::/debian12@9f86d081884c7d65/more-firmware.cpio\n"
		     "  APPEND console=ttyS0 url=http://10.0.0.1:8080/t/52-54-00-aa-00-01\n");
	initrd_names[1][4] = ' ';
}

static void test_uboot_boots_the_pinned_version(void **state)
{
	(void)state;
	expect(UBOOT, HEAD "MENU TITLE Booting debian12 (debian12@9f86d081884c7d65)\n"
			   "DEFAULT linux\nPROMPT 0\n"
			   "LABEL linux\n  MENU LABEL debian12\n"
			   "  LINUX /debian12@9f86d081884c7d65/linux\n"
			   "  INITRD /debian12@9f86d081884c7d65/initrd.img\n"
			   "  APPEND console=ttyS0 url=http://10.0.0.1:8080/t/52-54-00-aa-00-01\n");
}

static void test_pxelinux_keeps_arguments_on_one_line(void **state)
{
	(void)state;
	profile.args = text("a=\"b c\" $d \\e 'f'\nLABEL evil #g");
	expect_part(PXELINUX, 1, "  APPEND a=\"b c\" $d \\e 'f' LABEL evil #g\n");
}

static void test_what_pxelinux_cannot_carry_is_said(void **state)
{
	static char many[2100];

	(void)state;
	memset(many, 'a', sizeof many - 1);
	profile.args = many;
	expect_part(PXELINUX, 1,
		"SAY Network boot: kernel arguments and initrds have 2148 bytes, a kernel takes "
		"2047\nDEFAULT local\nPROMPT 1\nTIMEOUT 50\nLABEL local\n");
	profile.args = text("");
	profile.n_initrd = 2; /* one with a blank */
	expect_part(PXELINUX, 1, "SAY Network boot: the path 'more firmware.cpio' has a blank");
	profile.n_initrd = 1;
	expect_no_part(PXELINUX, "APPEND");
}

static void test_what_uboot_cannot_carry_is_said(void **state)
{
	(void)state;
	profile.args = text("a=$x");
	expect_part(UBOOT, 1, "MENU TITLE Network boot: kernel arguments hold $, a backslash");
	expect_part(UBOOT, 1, "LABEL local\n  MENU LABEL The local disk\n  LOCALBOOT 1\n");
	profile.args = text("");
	profile.n_initrd = 2;
	initrd_names[1][4] = '-';
	expect_part(UBOOT, 1, "MENU TITLE Network boot: U-Boot loads one initrd, profile");
	initrd_names[1][4] = ' ';
}

static void test_pxelinux_waits_and_reads_again(void **state)
{
	(void)state;
	host.profile = text("wait");
	expect(PXELINUX, "# host n01, profile wait from host n01\n"
			 "SAY This machine waits for approval: pxectl host add NAME --mac "
			 "52:54:00:aa:00:01 --profile PROFILE\n"
			 "DEFAULT again\nPROMPT 1\nTIMEOUT 100\n"
			 "LABEL again\n  CONFIG ::/pxelinux.cfg/01-52-54-00-aa-00-01\n");
	host.profile = text("local");
	expect(PXELINUX, "# host n01, profile local from host n01\n"
			 "SAY Booting from the local disk\nDEFAULT local\nPROMPT 0\n"
			 "LABEL local\n  MENU LABEL The local disk\n  LOCALBOOT 0\n");
}

static void test_names_with_line_ends_stay_in_their_line(void **state)
{
	(void)state;
	host.name = text("n\n01");
	expect_part(GRUB, 1, "# host n?01, profile debian12 from host n?01\n");
	expect_part(PXELINUX, 1, "# host n?01, profile debian12 from host n?01\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			test_grub_boots_the_pinned_version_from_every_node, site_make),
		cmocka_unit_test_setup(test_grub_passes_on_what_its_shell_would_change, site_make),
		cmocka_unit_test_setup(test_grub_says_which_arguments_it_cannot_pass_on, site_make),
		cmocka_unit_test_setup(test_grub_goes_on_with_the_local_disk, site_make),
		cmocka_unit_test_setup(
			test_grub_waits_in_a_loop_that_what_comes_later_ends, site_make),
		cmocka_unit_test_setup(test_grub_shows_a_menu_of_all_profiles, site_make),
		cmocka_unit_test_setup(test_the_menu_of_a_profile_is_shown, site_make),
		cmocka_unit_test_setup(test_own_texts_are_filled_in, site_make),
		cmocka_unit_test_setup(test_a_boot_that_cannot_be_claimed_asks_again, site_make),
		cmocka_unit_test_setup(test_pxelinux_boots_the_pinned_version, site_make),
		cmocka_unit_test_setup(test_uboot_boots_the_pinned_version, site_make),
		cmocka_unit_test_setup(test_pxelinux_keeps_arguments_on_one_line, site_make),
		cmocka_unit_test_setup(test_what_pxelinux_cannot_carry_is_said, site_make),
		cmocka_unit_test_setup(test_what_uboot_cannot_carry_is_said, site_make),
		cmocka_unit_test_setup(test_pxelinux_waits_and_reads_again, site_make),
		cmocka_unit_test_setup(test_names_with_line_ends_stay_in_their_line, site_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
