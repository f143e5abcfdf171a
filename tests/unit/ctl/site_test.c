/* The site file: every key to its field and back, what importers write, and each error with its
 * place. */
#include "ctl/import_from.h"
#include "ctl/objects.h"
#include "ctl/site_check.h"
#include "ctl/site_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *beside(const char *name)
{
	const char *slash = strrchr(__FILE__, '/');
	char *path = NULL;

	assert_true(asprintf(&path, "%.*s/%s", (int)(slash - __FILE__), __FILE__, name) > 0);
	return path;
}

static char *report_of(struct site *site)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	site_report(site, out);
	fclose(out);
	return text;
}

static struct site *open_sound(const char *path, const char *text)
{
	struct site *site = site_open(path, text, text != NULL);

	site_check(site, NULL, NULL);
	if (site_errors(site) > 0) {
		char *report = report_of(site);
		print_error("%s", report);
		free(report);
	}
	assert_int_equal(site_errors(site), 0);
	return site;
}

/* ---- there and back */

static void collect(const struct site *site, enum site_kind kind, void *list, size_t *count)
{
	const ProtobufCMessage **found = calloc(site_count(site) + 1, sizeof *found);

	assert_non_null(found);
	for (size_t i = 0; i < site_count(site); i++) {
		if (site_at(site, i)->kind == kind) {
			found[(*count)++] = site_at(site, i)->message;
		}
	}
	memcpy(list, &found, sizeof found);
}

/* As pxectl export writes it. */
static char *written(const struct site *site)
{
	Pxe__ObjectList list = PXE__OBJECT_LIST__INIT;
	const struct site_lists lists = {&list, &list, &list, &list, &list, &list, &list};
	const struct site_object *cluster = site_find(site, SITE_CLUSTER, "");
	Pxe__Settings none = PXE__SETTINGS__INIT;
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	list.settings = cluster == NULL ? &none : (Pxe__Settings *)(void *)cluster->message;
	collect(site, SITE_PROFILE, &list.profiles, &list.n_profiles);
	collect(site, SITE_GROUP, &list.groups, &list.n_groups);
	collect(site, SITE_SUBNET, &list.subnets, &list.n_subnets);
	collect(site, SITE_POOL, &list.pools, &list.n_pools);
	collect(site, SITE_HOST, &list.hosts, &list.n_hosts);
	collect(site, SITE_IMAGE, &list.images, &list.n_images);
	assert_int_equal(site_write(&lists, "lab", out), 0);
	fclose(out);
	free(list.profiles);
	free(list.groups);
	free(list.subnets);
	free(list.pools);
	free(list.hosts);
	free(list.images);
	return text;
}

static void never(void *ctx, const char *key, const char *before, const char *after)
{
	(void)ctx;
	print_error("%s: '%s' became '%s'\n", key, before, after);
}

static void check_same(const struct site_object *one, const struct site_object *other)
{
	size_t bytes = protobuf_c_message_get_packed_size(one->message);
	uint8_t *data = malloc(2 * bytes + 1);

	assert_int_equal(
		site_each_difference(one->kind, one->message, other->message, never, NULL), 0);
	if (bytes != protobuf_c_message_get_packed_size(other->message)) {
		fail_msg("%s %s is not the same", site_kind_noun(one->kind), one->name);
	}
	assert_non_null(data);
	protobuf_c_message_pack(one->message, data);
	protobuf_c_message_pack(other->message, data + bytes);
	assert_memory_equal(data, data + bytes, bytes);
	free(data);
}

static void check_round_trip(const struct site *site)
{
	char *text = written(site);
	struct site *again = open_sound("again.yaml", text);

	for (size_t i = 0; i < site_count(site); i++) {
		const struct site_object *object = site_at(site, i);
		const struct site_object *other = site_find(again, object->kind, object->name);
		assert_non_null(other);
		check_same(object, other);
	}
	assert_int_equal(site_count(again),
		site_count(site) + (site_has_settings(again) && !site_has_settings(site)));
	site_close(again);
	free(text);
}

/* Is it other than as by default, in some object of the kind? */
static bool is_set(
	const struct site *site, enum site_kind kind, const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < site_count(site); i++) {
		const ProtobufCMessage *message = site_at(site, i)->message;
		const char *at = (const char *)message + field->offset;
		static const char zeros[sizeof(ProtobufCBinaryData)];
		size_t size = field->type == PROTOBUF_C_TYPE_BYTES ? sizeof(size_t)
			      : field->type == PROTOBUF_C_TYPE_UINT32 ||
					      field->type == PROTOBUF_C_TYPE_ENUM ||
					      field->type == PROTOBUF_C_TYPE_BOOL
				      ? sizeof(uint32_t)
				      : sizeof(void *);
		if (site_at(site, i)->kind != kind) {
			continue;
		}
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			at = (const char *)message + field->quantifier_offset;
			size = sizeof(size_t);
		} else if (field->type == PROTOBUF_C_TYPE_STRING) {
			at = *(char *const *)(const void *)at;
			size = 1;
		}
		if (memcmp(at, zeros, size) != 0) {
			return true;
		}
	}
	return false;
}

static void every_field_of_the_records_can_be_said_and_is_written_again(void **state)
{
	/* What no file says: identity and counters of the cluster, who made an object. */
	static const char *const state_fields[] = {
		"owner", "cluster_id", "api_public_key", "next_member_id", "epoch", "cluster"};
	char *path = beside("site/full.yaml");
	struct site *site = open_sound(path, NULL);

	(void)state;
	for (int kind = SITE_CLUSTER; kind < SITE_IMAGE; kind++) {
		const ProtobufCMessageDescriptor *type = site_type((enum site_kind)kind);
		for (unsigned i = 0; i < type->n_fields; i++) {
			bool is_state = false;
			for (size_t j = 0; j < sizeof state_fields / sizeof state_fields[0]; j++) {
				is_state = is_state ||
					   strcmp(type->fields[i].name, state_fields[j]) == 0;
			}
			if (!is_state && !is_set(site, (enum site_kind)kind, &type->fields[i])) {
				fail_msg("full.yaml sets no %s.%s", type->short_name,
					type->fields[i].name);
			}
		}
	}
	check_round_trip(site);
	assert_string_equal(site_owner(site), "lab-1");
	site_close(site);
	free(path);
}

static void check_import(
	int (*run)(struct import *im, const struct import_source *sources, size_t count),
	const char *name)
{
	char *path = beside(name), *yaml = NULL;
	const struct import_source source = {path, NULL, 0};
	struct import *im = import_new();
	size_t bytes;
	FILE *out = open_memstream(&yaml, &bytes);
	struct site *site;

	assert_int_equal(run(im, &source, 1), 0);
	assert_int_equal(import_write(im, "test", out), 0);
	fclose(out);
	site = open_sound("imported.yaml", yaml);
	assert_true(site_count(site) > 8);
	check_round_trip(site);
	site_close(site);
	import_free(im);
	free(yaml);
	free(path);
}

static void what_importers_write_is_read(void **state)
{
	(void)state;
	check_import(import_dnsmasq, "import/lab.dnsmasq");
	check_import(import_dhcpd, "import/lab.dhcpd");
	check_import(import_kea, "import/lab.kea");
}

/* ---- errors */

/* The whole report of a text. */
static void check_report(const char *text, const char *expected)
{
	struct site *site = site_open("x.yaml", text, true);
	char *report;

	site_check(site, NULL, NULL);
	report = report_of(site);
	assert_string_equal(report, expected);
	free(report);
	site_close(site);
}

static void syntax_is_told_with_its_place(void **state)
{
	(void)state;
	check_report("hosts: [a\n", "x.yaml:2:1: error: flow sequence without a closing bracket\n");
	check_report("hosts: &a [*a]\n",
		"x.yaml:1:13: error: aliases (*name) are not followed: write the value out\n"
		"    hosts: &a [*a]\n"
		"                ^\n");
	check_report("x: {<<: {}}\n",
		"x.yaml:1:5: error: merge keys (<<) are not followed: write the values out\n"
		"    x: {<<: {}}\n"
		"        ^\n");
	check_report("hosts: []\nhosts: []\n",
		"x.yaml:2:1: error: 'hosts' stands here twice, also in line 1: keep one\n"
		"    hosts: []\n"
		"    ^\n");
	check_report("version: 1\n%name\xff: x\n",
		"x.yaml:2:6: error: this is not UTF-8: save the file as UTF-8\n"
		"    %name\xff: x\n"
		"         ^\n");
	check_report("a: 1\n---\nb: 1\n",
		"x.yaml:2:1: error: a second document begins: one file holds one\n"
		"    ---\n"
		"    ^\n");
}

static void unknown_keys_and_names_get_a_suggestion(void **state)
{
	(void)state;
	check_report("cluster:\n  leese: 1h\n",
		"x.yaml:2:3: error: unknown key 'leese'; did you mean 'lease'?\n"
		"      leese: 1h\n"
		"      ^~~~~\n");
	check_report("profiles: [{name: debian12, local: true}]\n"
		     "cluster: {boot: debian21}\n",
		"x.yaml:2:17: error: there is no profile 'debian21'; did you mean 'debian12'?\n"
		"    cluster: {boot: debian21}\n"
		"                    ^~~~~~~~\n");
	check_report("hosts: [{name: a, mac: \"52:54:00:00:00:01\", groups: [x]}]\n",
		"x.yaml:1:54: error: there is no group 'x' in this file\n"
		"    hosts: [{name: a, mac: \"52:54:00:00:00:01\", groups: [x]}]\n"
		"                                                         ^\n");
}

static void values_are_judged(void **state)
{
	(void)state;
	check_report(
		"subnets:\n- {name: a, cidr: 10.20.0.1/22}\n- {name: b, cidr: \"fd00::/64\"}\n",
		"x.yaml:2:19: error: '10.20.0.1/22' is an address in a network; did you mean "
		"10.20.0.0/22?\n"
		"    - {name: a, cidr: 10.20.0.1/22}\n"
		"                      ^~~~~~~~~~~~\n"
		"x.yaml:3:20: error: subnet b is IPv6, which is not there yet: this version has no "
		"DHCPv6\n"
		"    - {name: b, cidr: \"fd00::/64\"}\n"
		"                       ^~~~~~~~~\n");
	check_report("cluster: {service_ip: 10.0.0.1, lease: 5}\n",
		"x.yaml:1:11: error: service_ip is not there yet: nodes answer at their own "
		"addresses\n"
		"    cluster: {service_ip: 10.0.0.1, lease: 5}\n"
		"              ^~~~~~~~~~\n"
		"x.yaml:1:40: error: '5': write a time from 10s to 365d, such as 10m\n"
		"    cluster: {service_ip: 10.0.0.1, lease: 5}\n"
		"                                           ^\n");
}

static void what_stands_twice_names_the_other_place(void **state)
{
	(void)state;
	check_report("hosts:\n"
		     "- {name: a, mac: \"52:54:00:00:00:01\"}\n"
		     "- {name: a, mac: \"52:54:00:00:00:02\"}\n"
		     "- {name: b, mac: 52-54-00-00-00-01}\n",
		"x.yaml:3:10: error: host a is there twice, also at x.yaml:2\n"
		"    - {name: a, mac: \"52:54:00:00:00:02\"}\n"
		"             ^\n"
		"x.yaml:4:18: error: mac 52:54:00:00:00:01 is there twice: host a has it, too "
		"(x.yaml:2)\n"
		"    - {name: b, mac: 52-54-00-00-00-01}\n"
		"                     ^~~~~~~~~~~~~~~~~\n");
}

static void addresses_are_judged_by_their_subnets_and_pools(void **state)
{
	(void)state;
	check_report("subnets: [{name: s, cidr: 10.0.0.0/24, gateway: 10.0.0.1,\n"
		     "  pools: [{range: 10.0.0.10-10.0.0.20}, {range: 10.0.0.20-10.0.0.30}]}]\n"
		     "hosts:\n"
		     "- {name: a, mac: \"52:54:00:00:00:01\", ip: 10.0.1.1}\n"
		     "- {name: b, mac: \"52:54:00:00:00:02\", ip: 10.0.0.1}\n"
		     "- {name: c, mac: \"52:54:00:00:00:03\", ip: 10.0.0.255}\n"
		     "- {name: d, mac: \"52:54:00:00:00:04\", ip: 10.0.0.11}\n",
		"x.yaml:2:49: error: pool s-2 overlaps pool s (x.yaml:2)\n"
		"      pools: [{range: 10.0.0.10-10.0.0.20}, {range: 10.0.0.20-10.0.0.30}]}]\n"
		"                                                    ^~~~~~~~~~~~~~~~~~~\n"
		"x.yaml:4:43: error: address 10.0.1.1 is in no subnet of this file\n"
		"    - {name: a, mac: \"52:54:00:00:00:01\", ip: 10.0.1.1}\n"
		"                                              ^~~~~~~~\n"
		"x.yaml:5:43: error: address 10.0.0.1 is there twice: subnet s has it, too "
		"(x.yaml:1)\n"
		"    - {name: b, mac: \"52:54:00:00:00:02\", ip: 10.0.0.1}\n"
		"                                              ^~~~~~~~\n"
		"x.yaml:6:43: error: address 10.0.0.255 is the broadcast address of subnet s\n"
		"    - {name: c, mac: \"52:54:00:00:00:03\", ip: 10.0.0.255}\n"
		"                                              ^~~~~~~~~~\n"
		"x.yaml:7:43: warning: address 10.0.0.11 lies in pool s: it works, but the pool "
		"has "
		"one address less\n"
		"    - {name: d, mac: \"52:54:00:00:00:04\", ip: 10.0.0.11}\n"
		"                                              ^~~~~~~~~\n");
}

static void a_variable_that_no_level_gives_is_told_for_the_machine(void **state)
{
	static const char text[] = "profiles:\n"
				   "- {name: p, script: \"#!ipxe\\necho {{vars.disk}}\\n\"}\n"
				   "groups: [{name: g, vars: {disk: sda}}]\n"
				   "hosts:\n"
				   "- {name: a, mac: \"52:54:00:00:00:01\", boot: p, groups: [g]}\n"
				   "- {name: b, mac: \"52:54:00:00:00:02\", boot: p}\n";

	(void)state;
	check_report(text, "x.yaml:6:45: error: host b can get profile p, and {{vars.disk}} stands "
			   "in its script: no level says vars.disk\n"
			   "    - {name: b, mac: \"52:54:00:00:00:02\", boot: p}\n"
			   "                                                ^\n");
}

static void at_most_twenty_errors_are_told_and_the_rest_is_counted(void **state)
{
	char text[2000] = "cluster:\n", *report;
	struct site *site;

	(void)state;
	for (int i = 0; i < 30; i++) {
		size_t used = strlen(text);
		snprintf(text + used, sizeof text - used, "  key%d: 1\n", i);
	}
	site = site_open("x.yaml", text, true);
	assert_int_equal(site_errors(site), 30);
	report = report_of(site);
	assert_non_null(strstr(report, "x.yaml:21:3: error: unknown key 'key19'"));
	assert_null(strstr(report, "key20"));
	assert_non_null(strstr(report, "and 10 more errors\n"));
	free(report);
	site_close(site);
}

static void a_table_of_hosts_is_read_with_its_places(void **state)
{
	struct site *site = site_open("rack.csv",
		"name,mac,ip,profile,group,vars.slot\r\n"
		"n1,52:54:00:00:00:01,10.0.0.1,local,\"known unknown\",\"a, \"\"b\"\"\"\r\n"
		"# none\n"
		"n2,52:54:00:00:00:0z,,,,\n",
		true);
	const struct site_object *object = site_find(site, SITE_HOST, "n1");
	const Pxe__Host *host;
	char *report = report_of(site);

	(void)state;
	assert_non_null(object);
	host = (const Pxe__Host *)(const void *)object->message;
	assert_int_equal(host->n_groups, 2);
	assert_string_equal(host->groups[1], "unknown");
	assert_string_equal(host->profile, "local");
	assert_string_equal(host->vars[0]->value, "a, \"b\"");
	assert_string_equal(report,
		"rack.csv:4:4: error: '52:54:00:00:00:0z': write a hardware address, such as "
		"52:54:00:aa:00:01\n"
		"    n2,52:54:00:00:00:0z,,,,\n"
		"       ^~~~~~~~~~~~~~~~~\n");
	free(report);
	site_close(site);
}

static void a_column_of_variables_has_the_name_of_one(void **state)
{
	struct site *site =
		site_open("rack.csv", "vars,mac,vars.slot\nx,52:54:00:00:00:01,1\n", true);
	char *report = report_of(site);

	(void)state;
	assert_non_null(
		strstr(report, "rack.csv:1:1: error: name what the column sets: vars.NAME\n"));
	free(report);
	site_close(site);
}

static void settings_that_the_file_does_not_name_stay(void **state)
{
	struct site *site = open_sound("x.yaml", "cluster: {lease: 2h, options: {mtu: 9000}}\n");
	Pxe__Settings *settings = pxe__settings__unpack(NULL, 0, (const uint8_t *)"");

	(void)state;
	settings->mclt_s = 77;
	settings->lease_s = 10;
	site_put_settings(site, settings);
	assert_int_equal(settings->mclt_s, 77);
	assert_int_equal(settings->lease_s, 7200);
	assert_int_equal(settings->n_options, 1);
	site_put_settings(site, settings);
	assert_int_equal(settings->n_options, 1);
	pxe__settings__free_unpacked(settings, NULL);
	site_close(site);
}

static void the_example_is_in_order(void **state)
{
	char *path = beside("../../../deploy/examples/site.yaml");
	struct site *site = open_sound(path, NULL);

	(void)state;
	assert_int_equal(site_warnings(site), 0);
	assert_non_null(site_find(site, SITE_HOST, "n01"));
	assert_non_null(site_find(site, SITE_HOST, "r7-01")); /* of the included table */
	check_round_trip(site);
	site_close(site);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_of_the_records_can_be_said_and_is_written_again),
		cmocka_unit_test(what_importers_write_is_read),
		cmocka_unit_test(syntax_is_told_with_its_place),
		cmocka_unit_test(unknown_keys_and_names_get_a_suggestion),
		cmocka_unit_test(values_are_judged),
		cmocka_unit_test(what_stands_twice_names_the_other_place),
		cmocka_unit_test(addresses_are_judged_by_their_subnets_and_pools),
		cmocka_unit_test(a_variable_that_no_level_gives_is_told_for_the_machine),
		cmocka_unit_test(at_most_twenty_errors_are_told_and_the_rest_is_counted),
		cmocka_unit_test(a_column_of_variables_has_the_name_of_one),
		cmocka_unit_test(a_table_of_hosts_is_read_with_its_places),
		cmocka_unit_test(settings_that_the_file_does_not_name_stay),
		cmocka_unit_test(the_example_is_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
