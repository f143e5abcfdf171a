/* What every level may say - options, quirks, lease times - and who belongs to a group: read from a
 * command line, changed one by one, and shown so that it reads back. */
#include "ctl/edit.h"
#include "ctl/edit_terms.h"
#include "ctl/show_terms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGS_MAX 32

struct line {
	struct ctl ctl;
	struct invocation in;
	char *told;
	size_t told_bytes;
	char *argv[ARGS_MAX];
	char text[1024];
};

/* Words stand apart by blanks; '_' in a word is a blank of it. */
static void open_line(struct line *line, const char *text)
{
	char *save = NULL;
	int argc = 0;

	memset(line, 0, sizeof *line);
	line->ctl.directory = "/etc/pxecluster";
	line->ctl.err = open_memstream(&line->told, &line->told_bytes);
	strcpy(line->text, text);
	for (char *word = strtok_r(line->text, " ", &save); word != NULL;
		word = strtok_r(NULL, " ", &save)) {
		for (char *c = word; *c != '\0'; c++) {
			*c = *c == '_' ? ' ' : *c;
		}
		line->argv[argc++] = word;
	}
	assert_int_equal(command_parse(&line->ctl, argc, line->argv, &line->in), CTL_OK);
}

static void close_line(struct line *line, const char *expected)
{
	fclose(line->ctl.err);
	if (expected != NULL && strstr(line->told, expected) == NULL) {
		fail_msg("expected '%s' in '%s'", expected, line->told);
	}
	free(line->told);
}

#define EDITOR(kind, type)                                                                         \
	static int kind(type *object, const char *text, const char *expected)                      \
	{                                                                                          \
		struct line line;                                                                  \
		int result;                                                                        \
		open_line(&line, text);                                                            \
		result = edit_##kind(&line.ctl, &line.in, object);                                 \
		close_line(&line, expected);                                                       \
		return result;                                                                     \
	}

EDITOR(group, Pxe__Group)
EDITOR(pool, Pxe__Pool)
EDITOR(host, Pxe__Host)
EDITOR(subnet, Pxe__Subnet)
EDITOR(profile, Pxe__Profile)

static void assert_option(const Pxe__Option *option, const char *expected)
{
	char text[SHOW_LONG_BYTES];
	assert_string_equal(show_option(option, text, sizeof text), expected);
}

static void assert_match(const Pxe__Group *object, const char *expected)
{
	char text[SHOW_LONG_BYTES];
	assert_string_equal(show_match(object->match, text, sizeof text), expected);
}

static void test_options_of_all_spaces_are_set_replaced_and_removed_one_by_one(void **state)
{
	(void)state;
	Pxe__Group *object = edit_new(&pxe__group__descriptor);
	assert_int_equal(group(object,
				 "pxectl group add g --option router=10.0.0.1 --option "
				 "!150=ip:10.0.0.1,10.0.0.2 --option vendor.6=u8:8 --option "
				 "125.3561.1=text:abc",
				 NULL),
		CTL_OK);
	assert_int_equal(object->n_options, 4);
	assert_option(object->options[0], "routers=10.0.0.1");
	assert_true(object->options[1]->always);
	assert_int_equal(object->options[1]->data.len, 8);
	assert_int_equal(object->options[2]->space, PXE__OPTION_SPACE__OPTION_VENDOR);
	assert_int_equal(object->options[2]->data.data[0], 8);
	assert_int_equal(object->options[3]->enterprise, 3561);
	/* 6 of the vendor's space and 6 itself are two options. */
	assert_int_equal(group(object,
				 "pxectl group set g --option 6=10.0.0.9 --option routers=none "
				 "--option 150=ip:10.0.0.3",
				 NULL),
		CTL_OK);
	assert_int_equal(object->n_options, 4);
	assert_int_equal(object->options[0]->code, 150);
	assert_false(object->options[0]->always);
	assert_int_equal(object->options[0]->data.len, 4);
	assert_option(object->options[3], "dns-servers=10.0.0.9");
	assert_int_equal(group(object,
				 "pxectl group set g --option vendor.6=none --option 6=none "
				 "--option 150=none --option 125.3561.1=none",
				 NULL),
		CTL_OK);
	assert_int_equal(object->n_options, 0);
	pxe__group__free_unpacked(object, NULL);
}

static void test_options_as_shown_read_back_to_the_same_bytes(void **state)
{
	(void)state;
	static const char *const options[] = {"routers=10.0.0.1", "150=ip:10.0.0.1",
		"!vendor.6=u8:8", "125.3561.1=text:abc", "interface-mtu=9000",
		"domain-search=lab.example,example", "66=a:b", "lpr-servers=10.0.0.1,10.0.0.2",
		"classless-static-routes=10.0.0.0/8_via_10.0.0.1"};
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		Pxe__Group *object = edit_new(&pxe__group__descriptor);
		Pxe__Option **again = NULL;
		size_t count = 0;
		struct ctl ctl = {.err = stderr};
		char line[256], text[SHOW_LONG_BYTES];
		snprintf(line, sizeof line, "pxectl group add g --option %s", options[i]);
		assert_int_equal(group(object, line, NULL), CTL_OK);
		show_option(object->options[0], text, sizeof text);
		assert_int_equal(edit_option(&ctl, "", text, &again, &count), CTL_OK);
		assert_int_equal(count, 1);
		assert_int_equal(again[0]->always, object->options[0]->always);
		assert_int_equal(again[0]->data.len, object->options[0]->data.len);
		assert_memory_equal(
			again[0]->data.data, object->options[0]->data.data, again[0]->data.len);
		pxe__option__free_unpacked(again[0], NULL);
		free(again);
		pxe__group__free_unpacked(object, NULL);
	}
}

static void test_quirks_and_lease_times(void **state)
{
	(void)state;
	char text[SHOW_BYTES];
	Pxe__Group *object = edit_new(&pxe__group__descriptor);
	assert_int_equal(
		group(object,
			"pxectl group add g --quirk broadcast=yes --quirk overload=no "
			"--quirk reply-delay=500ms --lease 5m --lease-min 1m --lease-max 1h",
			NULL),
		CTL_OK);
	assert_string_equal(
		show_quirks(object->quirks, text), "overload=no broadcast=yes reply-delay=500ms");
	assert_int_equal(object->lease_s, 300);
	assert_int_equal(object->lease_min_s, 60);
	assert_int_equal(object->lease_max_s, 3600);
	assert_int_equal(
		group(object, "pxectl group set g --quirk overload=default --lease default", NULL),
		CTL_OK);
	assert_string_equal(show_quirks(object->quirks, text), "broadcast=yes reply-delay=500ms");
	assert_int_equal(object->lease_s, 0);
	assert_int_equal(group(object,
				 "pxectl group set g --quirk broadcast=default --quirk "
				 "reply-delay=default",
				 NULL),
		CTL_OK);
	assert_null(object->quirks);
	pxe__group__free_unpacked(object, NULL);
}

static void test_matches_change_key_by_key(void **state)
{
	(void)state;
	Pxe__Group *object = edit_new(&pxe__group__descriptor);
	assert_int_equal(group(object, "pxectl group add g --order 7", NULL), CTL_OK);
	assert_null(object->match);
	assert_int_equal(object->order, 7);
	assert_int_equal(group(object,
				 "pxectl group set g --match mac=52:54:00:* --match mac=aa:* "
				 "--match arch=bios,uefi-x64 --match known=no --match "
				 "vendor-class=Acme,_Inc* --match "
				 "uuid=4c4c4544-0051-3510-8052-b4c04f4d3132",
				 NULL),
		CTL_OK);
	assert_match(object, "known=no mac=52:54:00:*,aa:* arch=bios,uefi-x64 "
			     "uuid=4c4c4544-0051-3510-8052-b4c04f4d3132 vendor-class=Acme, Inc*");
	assert_int_equal(object->match->n_vendor_class, 1);
	assert_int_equal(
		group(object,
			"pxectl group set g --match mac=bb:* --match arch=none --match uuid=none",
			NULL),
		CTL_OK);
	assert_match(object, "known=no mac=bb:* vendor-class=Acme, Inc*");
	assert_int_equal(
		group(object, "pxectl group set g --match none --match subnet=lab", NULL), CTL_OK);
	assert_match(object, "subnet=lab");
	/* Nothing left to match by is no match at all, not one of everybody. */
	assert_int_equal(group(object, "pxectl group set g --match subnet=none", NULL), CTL_OK);
	assert_null(object->match);
	assert_int_equal(object->order, 7);
	pxe__group__free_unpacked(object, NULL);
}

static void test_wrong_values_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *text, *told;
	} cases[] = {{"pxectl group add g --match knwon=yes", "did you mean 'known'?"},
		{"pxectl group add g --match mac", "write KEY=VALUE"},
		{"pxectl group add g --match known=maybe", "known=maybe"},
		{"pxectl group add g --match mac=5g:*", "mac=5g:*"},
		{"pxectl group add g --match arch=uefi-x6", "did you mean 'uefi-x86'?"},
		{"pxectl group add g --match uuid=1", "uuid=1"},
		{"pxectl group add g --match subnet=a*", "cannot be the name of a subnet"},
		{"pxectl group add g --match mac=aa,,bb", "is empty"},
		{"pxectl group add g --order first", "--order 'first'"},
		{"pxectl group add g --ignore perhaps", "--ignore 'perhaps'"},
		{"pxectl group add g --option ruoters=10.0.0.1", "did you mean 'routers'?"},
		{"pxectl group add g --option routers", "write NAME=VALUE"},
		{"pxectl group add g --option =10.0.0.1", "write NAME=VALUE"},
		{"pxectl group add g --option interface-mtu=70000", "65535"},
		{"pxectl group add g --option routers=10.0.0", "routers"},
		{"pxectl group add g --option 200=x", "200"},
		{"pxectl group add g --quirk brodcast=yes", "did you mean 'broadcast'?"},
		{"pxectl group add g --quirk broadcast=on", "write yes, no or default"},
		{"pxectl group add g --quirk broadcast", "broadcast"},
		{"pxectl group add g --quirk reply-delay=1h", "up to 10s"},
		{"pxectl group add g --lease 1500ms", "--lease '1500ms'"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Pxe__Group *object = edit_new(&pxe__group__descriptor);
		assert_int_equal(group(object, cases[i].text, cases[i].told), CTL_USAGE);
		pxe__group__free_unpacked(object, NULL);
	}
}

static void test_pools_exclude_addresses_and_machines(void **state)
{
	(void)state;
	Pxe__Pool *object = edit_new(&pxe__pool__descriptor);
	assert_int_equal(
		pool(object,
			"pxectl pool add p --subnet lab --range 10.0.0.1-10.0.0.99 "
			"--exclude 10.0.0.7 --exclude 10.0.0.10-10.0.0.19,10.0.0.30 --only "
			"known,dell --except old --option mtu=1400 --lease 1h",
			NULL),
		CTL_OK);
	assert_int_equal(object->n_exclude, 3);
	assert_int_equal(object->exclude[0]->last_ip.data[3], 7);
	assert_int_equal(object->exclude[1]->last_ip.data[3], 19);
	assert_int_equal(object->n_only, 2);
	assert_string_equal(object->only[1], "dell");
	assert_string_equal(object->except[0], "old");
	assert_int_equal(object->lease_s, 3600);
	assert_int_equal(
		pool(object, "pxectl pool set p --only unknown --exclude none", NULL), CTL_OK);
	assert_int_equal(object->n_exclude, 0);
	assert_int_equal(object->n_only, 1);
	assert_int_equal(object->n_except, 1);
	assert_int_equal(
		pool(object, "pxectl pool set p --exclude 10.0.0.9-10.0.0.8", "is below the first"),
		CTL_USAGE);
	assert_int_equal(pool(object, "pxectl pool set p --exclude x", "--exclude 'x'"), CTL_USAGE);
	assert_int_equal(
		pool(object, "pxectl pool set p --only a*", "cannot be the name of a group"),
		CTL_USAGE);
	pxe__pool__free_unpacked(object, NULL);
}

static void test_hosts_are_known_by_identifier_or_circuit(void **state)
{
	(void)state;
	static const uint8_t identifier[] = {1, 0x52, 0x54, 0, 0xaa, 0, 1};
	char text[SHOW_BYTES];
	Pxe__Host *object = edit_new(&pxe__host__descriptor);
	assert_int_equal(host(object,
				 "pxectl host add h --client-id 01:52:54:00:aa:00:01 --client-id "
				 "db1 --circuit eth0/1/3 --ip 10.0.0.7,10.1.0.7 --group a,b",
				 NULL),
		CTL_OK);
	assert_int_equal(object->n_client_id, 2);
	assert_int_equal(object->client_id[0].len, sizeof identifier);
	assert_memory_equal(object->client_id[0].data, identifier, sizeof identifier);
	assert_string_equal(show_identity(&object->client_id[0], text), "01:52:54:00:aa:00:01");
	assert_string_equal(show_identity(&object->client_id[1], text), "db1");
	assert_string_equal(show_identity(&object->circuit_id[0], text), "eth0/1/3");
	assert_int_equal(object->ip.data[1], 0);
	assert_int_equal(object->n_more_ip, 1);
	assert_int_equal(object->more_ip[0].data[1], 1);
	assert_int_equal(object->n_groups, 2);
	assert_int_equal(
		host(object,
			"pxectl host set h --client-id hex:0aff --client-id text:aa:bb --ip "
			"10.2.0.7 --group none",
			NULL),
		CTL_OK);
	assert_int_equal(object->client_id[0].len, 2);
	assert_memory_equal(object->client_id[1].data, "aa:bb", 5);
	/* Text that would read as bytes is shown as bytes. */
	assert_string_equal(show_identity(&object->client_id[1], text), "61:61:3a:62:62");
	assert_int_equal(object->n_more_ip, 0);
	assert_int_equal(object->n_groups, 0);
	assert_int_equal(host(object, "pxectl host set h --client-id none --circuit none",
				 "a host needs --mac or --uuid"),
		CTL_USAGE);
	pxe__host__free_unpacked(object, NULL);
}

static void test_subnets_share_links_and_leave_service_to_others(void **state)
{
	(void)state;
	Pxe__Subnet *object = edit_new(&pxe__subnet__descriptor);
	assert_int_equal(subnet(object,
				 "pxectl subnet set s --shared-network floor1 --dhcp proxy --quirk "
				 "overload=yes",
				 NULL),
		CTL_OK);
	assert_string_equal(object->shared_network, "floor1");
	assert_int_equal(object->dhcp, PXE__SUBNET_DHCP__SUBNET_DHCP_PROXY);
	assert_int_equal(
		subnet(object, "pxectl subnet set s --shared-network none --dhcp default", NULL),
		CTL_OK);
	assert_string_equal(object->shared_network, "");
	assert_int_equal(object->dhcp, PXE__SUBNET_DHCP__SUBNET_DHCP_AS_CLUSTER);
	assert_int_equal(
		subnet(object, "pxectl subnet set s --dhcp maybe", "--dhcp 'maybe'"), CTL_USAGE);
	assert_int_equal(
		subnet(object, "pxectl subnet set s --option router=10.0.0.1", "--gateway"),
		CTL_USAGE);
	assert_int_equal(
		subnet(object, "pxectl subnet set s --shared-network a/b", "shared network"),
		CTL_USAGE);
	pxe__subnet__free_unpacked(object, NULL);
}

static void test_menus(void **state)
{
	(void)state;
	Pxe__Profile *object = edit_new(&pxe__profile__descriptor);
	assert_int_equal(
		profile(object,
			"pxectl profile add m --menu-item Install_a=b=debian12 --menu-item "
			"Disk=local --menu-item Old=wds,type=7,server=10.0.0.5,server=10.0.0.6 "
			"--menu-prompt Press_F8 --menu-timeout 10s --menu-broadcast yes",
			NULL),
		CTL_OK);
	assert_int_equal(object->menu->n_items, 3);
	assert_string_equal(object->menu->items[0]->text, "Install a=b");
	assert_string_equal(object->menu->items[0]->profile, "debian12");
	assert_string_equal(object->menu->items[1]->profile, "local");
	assert_int_equal(object->menu->items[2]->type, 7);
	assert_int_equal(object->menu->items[2]->n_server_ip, 2);
	assert_string_equal(object->menu->prompt, "Press F8");
	assert_int_equal(object->menu->timeout_s, 10);
	assert_true(object->menu->broadcast_discovery);
	assert_int_equal(
		profile(object, "pxectl profile set m --menu-item x=y --menu-timeout none", NULL),
		CTL_OK);
	assert_int_equal(object->menu->n_items, 1);
	assert_int_equal(object->menu->timeout_s, 255);
	assert_string_equal(object->menu->prompt, "Press F8");
	static const struct {
		const char *text, *told;
	} cases[] = {{"pxectl profile set m --menu-item x", "write TEXT=PROFILE"},
		{"pxectl profile set m --menu-item =p", "write TEXT=PROFILE"},
		{"pxectl profile set m --menu-item x=", "name the profile"},
		{"pxectl profile set m --menu-item x=p,type=0", "type=NUMBER"},
		{"pxectl profile set m --menu-item x=p,what", "'what'"},
		{"pxectl profile set m --menu-timeout 300s", "--menu-timeout '300s'"},
		{"pxectl profile set m --menu yes", "write none"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(profile(object, cases[i].text, cases[i].told), CTL_USAGE);
	}
	assert_int_equal(profile(object, "pxectl profile set m --menu none --local", NULL), CTL_OK);
	assert_null(object->menu);
	assert_int_equal(
		profile(object, "pxectl profile set m --menu-prompt x", "needs items"), CTL_USAGE);
	pxe__profile__free_unpacked(object, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_options_of_all_spaces_are_set_replaced_and_removed_one_by_one),
		cmocka_unit_test(test_options_as_shown_read_back_to_the_same_bytes),
		cmocka_unit_test(test_quirks_and_lease_times),
		cmocka_unit_test(test_matches_change_key_by_key),
		cmocka_unit_test(test_wrong_values_are_told),
		cmocka_unit_test(test_pools_exclude_addresses_and_machines),
		cmocka_unit_test(test_hosts_are_known_by_identifier_or_circuit),
		cmocka_unit_test(test_subnets_share_links_and_leave_service_to_others),
		cmocka_unit_test(test_menus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
