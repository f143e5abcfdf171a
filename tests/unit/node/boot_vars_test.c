/* What {{names}} mean for a machine, and where the values come from. */
#include "node/boot/boot_vars.h"
#include "proto/template/template_names.h"
#include "proto/wire/dhcp4_names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Pxe__Host host;
static Pxe__Subnet subnet;
static Pxe__Settings settings;
static Pxe__Member member;
static Pxe__Profile profile;
static Pxe__Variable cluster_disk, subnet_disk, profile_disk, group_disk, host_disk, cluster_only;
static Pxe__Option cluster_dns, group_domain;
static struct model_levels site_levels;
static struct boot_client client;
static struct boot_choice choice;
static const char *const nodes[] = {"http://10.0.0.1:8080", "http://10.0.0.2"};
static uint8_t gateway[4] = {10, 0, 0, 254}, dns[2][4] = {{10, 0, 0, 3}, {10, 0, 0, 4}};
static uint8_t option_dns[8] = {9, 9, 9, 9, 1, 1, 1, 1}, reserved[4] = {10, 0, 0, 77};
static ProtobufCBinaryData subnet_dns[] = {{4, dns[0]}, {4, dns[1]}},
			   settings_dns[] = {{4, dns[1]}};

static char *text(const char *t)
{
	return (char *)(uintptr_t)t;
}

static const Pxe__Member *get_member(void *ctx, uint64_t id)
{
	(void)ctx;
	return id == 7 ? &member : NULL;
}

static void get_levels(void *ctx, const struct boot_client *asked, struct model_levels *ret_levels)
{
	(void)ctx;
	(void)asked;
	*ret_levels = site_levels;
}

static const struct boot_source site = {.member = get_member, .levels = get_levels, .self = 7};

static void variable(Pxe__Variable *v, const char *name, const char *value)
{
	pxe__variable__init(v);
	v->name = text(name);
	v->value = text(value);
}

static int site_make(void **state)
{
	(void)state;
	pxe__host__init(&host);
	host.name = text("n01");
	host.ip = (ProtobufCBinaryData){4, reserved};
	pxe__subnet__init(&subnet);
	subnet.name = text("lab");
	subnet.prefix_len = 22;
	subnet.gateway_ip = (ProtobufCBinaryData){4, gateway};
	subnet.dns_ip = subnet_dns;
	subnet.n_dns_ip = 2;
	subnet.domain = text("lab.example");
	pxe__settings__init(&settings);
	settings.dns_ip = settings_dns;
	settings.n_dns_ip = 1;
	settings.domain = text("example");
	pxe__member__init(&member);
	member.name = text("pxe1");
	pxe__profile__init(&profile);
	profile.name = text("debian12");
	memset(&site_levels, 0, sizeof site_levels);
	client = (struct boot_client){
		.mac = {0x52, 0x54, 0, 0xaa, 0, 1}, .mac_bytes = 6, .arch = DHCP4_ARCH_UEFI_X64};
	choice = (struct boot_choice){.settings = &settings,
		.host = &host,
		.subnet = &subnet,
		.profile_name = "debian12",
		.profile = &profile};
	return 0;
}

static const char *value_of(const char *name)
{
	static struct boot_vars vars;

	boot_vars_init(&vars, &site, &client, &choice, nodes, 2);
	return boot_vars_value(&vars, name, NULL);
}

#define EXPECT(name, value) assert_string_equal(value_of(name), value)

static void test_a_declared_machine(void **state)
{
	(void)state;
	EXPECT("mac", "52:54:00:aa:00:01");
	EXPECT("mac_dash", "52-54-00-aa-00-01");
	EXPECT("ip", "10.0.0.77");
	EXPECT("name", "n01");
	EXPECT("hostname", "n01");
	EXPECT("arch", "uefi-x64");
	EXPECT("base_url", "http://10.0.0.1:8080");
	EXPECT("base_urls", "http://10.0.0.1:8080 http://10.0.0.2");
	EXPECT("server", "10.0.0.1");
	EXPECT("node", "pxe1");
	EXPECT("profile", "debian12");
	EXPECT("subnet", "lab");
	EXPECT("gateway", "10.0.0.254");
	EXPECT("netmask", "255.255.252.0");
	EXPECT("dns", "10.0.0.3 10.0.0.4");
	EXPECT("domain", "lab.example");
	EXPECT("phone_home", "http://10.0.0.1:8080/phone-home/52-54-00-aa-00-01");
	assert_null(value_of("uuid"));
	assert_null(value_of("syslog"));
	assert_null(value_of("nmae"));
	host.hostname = text("db1");
	client.ip = 0x0a000005;
	client.has_uuid = true;
	settings.syslog = PXE__TOGGLE__TOGGLE_YES;
	EXPECT("hostname", "db1");
	EXPECT("ip", "10.0.0.5");
	EXPECT("uuid", "00000000-0000-0000-0000-000000000000");
	EXPECT("syslog", "10.0.0.1");
}

static void test_an_unknown_machine_has_a_name(void **state)
{
	(void)state;
	choice.host = NULL;
	EXPECT("name", "mac-525400aa0001");
	EXPECT("hostname", "mac-525400aa0001");
	assert_null(value_of("ip"));
	choice.subnet = NULL;
	EXPECT("gateway", "");
	EXPECT("netmask", "");
	EXPECT("dns", "10.0.0.4");
	EXPECT("domain", "example");
}

static void test_every_known_name_is_looked_up(void **state)
{
	(void)state;
	settings.syslog = PXE__TOGGLE__TOGGLE_YES;
	client.has_uuid = true;
	for (size_t i = 0; template_name_at(i) != NULL; i++) {
		assert_non_null(value_of(template_name_at(i)->name));
	}
}

static void add_level(const char *kind, const char *name, Pxe__Variable *var, Pxe__Option *option)
{
	static Pxe__Variable *vars[MODEL_LEVELS_MAX];
	static Pxe__Option *options[MODEL_LEVELS_MAX];
	size_t i = site_levels.count++;

	vars[i] = var;
	options[i] = option;
	site_levels.level[i] = (struct model_level){.kind = kind,
		.name = name,
		.vars = &vars[i],
		.var_count = var != NULL,
		.options = &options[i],
		.option_count = option != NULL};
}

static void expect_from(const char *name, const char *value, const char *from)
{
	static struct boot_vars vars;
	char found[BOOT_VARS_FROM_BYTES] = "";

	boot_vars_init(&vars, &site, &client, &choice, nodes, 2);
	assert_string_equal(boot_vars_value(&vars, name, found), value);
	assert_string_equal(found, from);
}

/* Cluster, subnet, profile, groups, host: later ones count. */
static void test_variables_come_from_the_strongest_level(void **state)
{
	static Pxe__Variable *of_profile[] = {&profile_disk};

	(void)state;
	variable(&cluster_disk, "disk", "c");
	variable(&subnet_disk, "disk", "s");
	variable(&profile_disk, "disk", "p");
	variable(&group_disk, "disk", "g");
	variable(&host_disk, "disk", "h");
	variable(&cluster_only, "site", "here");
	add_level("cluster", "", &cluster_only, NULL);
	expect_from("vars.site", "here", "cluster");
	assert_null(value_of("vars.disk"));
	add_level("cluster", "", &cluster_disk, NULL);
	expect_from("vars.disk", "c", "cluster");
	add_level("subnet", "lab", &subnet_disk, NULL);
	expect_from("vars.disk", "s", "subnet lab");
	profile.vars = of_profile;
	profile.n_vars = 1;
	expect_from("vars.disk", "p", "profile debian12");
	add_level("group", "dell", &group_disk, NULL);
	expect_from("vars.disk", "g", "group dell");
	add_level("host", "n01", &host_disk, NULL);
	expect_from("vars.disk", "h", "host n01");
}

/* As DHCP tells them: the subnet's fields stand before the cluster's options, and behind those of
 * later levels. */
static void test_the_network_is_what_dhcp_tells(void **state)
{
	(void)state;
	pxe__option__init(&cluster_dns);
	cluster_dns.code = 6;
	cluster_dns.data = (ProtobufCBinaryData){sizeof option_dns, option_dns};
	pxe__option__init(&group_domain);
	group_domain.code = 15;
	group_domain.data = (ProtobufCBinaryData){4, (uint8_t *)text("dell")};
	add_level("cluster", "", NULL, &cluster_dns);
	add_level("subnet", "lab", NULL, NULL);
	add_level("group", "dell", NULL, &group_domain);
	EXPECT("dns", "10.0.0.3 10.0.0.4");
	EXPECT("domain", "dell");
	subnet.n_dns_ip = 0;
	EXPECT("dns", "9.9.9.9 1.1.1.1");
}

static void test_ipxe_fills_in_what_it_knows_itself(void **state)
{
	static struct boot_vars vars;

	(void)state;
	client.mac_bytes = 0;
	choice.host = NULL;
	boot_vars_init(&vars, &site, &client, &choice, nodes, 2);
	assert_null(boot_vars_value(&vars, "mac", NULL));
	assert_null(boot_vars_value(&vars, "phone_home", NULL));
	boot_vars_for_ipxe(&vars, true);
	assert_string_equal(boot_vars_value(&vars, "mac", NULL), "${mac}");
	assert_string_equal(boot_vars_value(&vars, "ip", NULL), "${ip}");
	assert_string_equal(boot_vars_value(&vars, "uuid", NULL), "${uuid}");
	assert_string_equal(boot_vars_value(&vars, "base_url", NULL), "${base}");
	assert_string_equal(
		boot_vars_value(&vars, "phone_home", NULL), "${base}/phone-home/${mac:hexhyp}");
}

static void test_errors_say_what_to_do(void **state)
{
	static struct boot_vars vars;
	char error[256], *filled;
	size_t bytes;

	(void)state;
	boot_vars_init(&vars, &site, &client, &choice, nodes, 2);
	assert_int_equal(boot_vars_render(&vars, "template a.cfg", "x\n{{vars.disk}}", &filled,
				 &bytes, error, sizeof error),
		-ENOENT);
	assert_null(filled);
	assert_string_equal(error, "template a.cfg, line 2: {{vars.disk}} is not defined: pxectl "
				   "host set n01 --var disk=VALUE");
	assert_int_equal(
		boot_vars_render(&vars, "args", "{{mac", &filled, NULL, error, sizeof error),
		-EINVAL);
	assert_string_equal(error, "args, line 1: '{{' without '}}'");
	choice.host = NULL;
	assert_int_equal(
		boot_vars_render(&vars, "args", "{{vars.x}}", &filled, NULL, error, sizeof error),
		-ENOENT);
	assert_non_null(strstr(error, "{{vars.x}} is not defined for unknown machines"));
	assert_int_equal(
		boot_vars_render(&vars, "args", "{{mac}}!", &filled, &bytes, error, sizeof error),
		0);
	assert_string_equal(filled, "52:54:00:aa:00:01!");
	assert_int_equal(bytes, 18);
	free(filled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_declared_machine, site_make),
		cmocka_unit_test_setup(test_an_unknown_machine_has_a_name, site_make),
		cmocka_unit_test_setup(test_every_known_name_is_looked_up, site_make),
		cmocka_unit_test_setup(test_variables_come_from_the_strongest_level, site_make),
		cmocka_unit_test_setup(test_the_network_is_what_dhcp_tells, site_make),
		cmocka_unit_test_setup(test_ipxe_fills_in_what_it_knows_itself, site_make),
		cmocka_unit_test_setup(test_errors_say_what_to_do, site_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
