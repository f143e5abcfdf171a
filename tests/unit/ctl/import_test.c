/* The importers: small configurations to the exact site file and remarks; the examples that the
 * servers' packages ship, of which no line may vanish; leases. */
#include "ctl/import_from.h"
#include "ctl/lease_import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfyaml.h>

typedef int import_run(struct import *im, const struct import_source *sources, size_t count);

static char *corpus(const char *name)
{
	const char *slash = strrchr(__FILE__, '/');
	char *path = NULL;

	assert_true(asprintf(&path, "%.*s/import/%s", (int)(slash - __FILE__), __FILE__, name) > 0);
	return path;
}

/* NULL: it is not there. */
static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0, got;

	if (file == NULL) {
		return NULL;
	}
	do {
		text = realloc(text, size + 65537);
		assert_non_null(text);
		got = fread(text + size, 1, 65536, file);
		size += got;
	} while (got > 0);
	text[size] = '\0';
	fclose(file);
	return text;
}

/* What a text becomes: the site file, then the remarks. */
static char *imported(import_run *run, const char *name, const char *text, bool yaml_alone)
{
	struct import *im = import_new();
	const struct import_source source = {name, text, strlen(text)};
	char *result = NULL;
	size_t size;
	FILE *out = open_memstream(&result, &size);

	import_no_files(im);
	(void)run(im, &source, 1);
	assert_int_equal(import_write(im, "test", out), 0);
	if (!yaml_alone) {
		import_report(im, out);
	}
	fclose(out);
	import_free(im);
	return result;
}

static void check_yaml(const char *text)
{
	struct fy_document *document = fy_document_build_from_string(NULL, text, FY_NT);

	assert_non_null(document);
	assert_non_null(
		fy_node_by_path(fy_document_root(document), "/cluster", FY_NT, FYNWF_DONT_FOLLOW));
	fy_document_destroy(document);
}

static void check_sample(import_run *run, const char *name)
{
	char *path = corpus(name), *text = read_file(path), *expected_path, *expected, *got, *yaml;

	assert_non_null(text);
	assert_true(asprintf(&expected_path, "%s.expected", path) > 0);
	expected = read_file(expected_path);
	got = imported(run, name, text, false);
	if (expected == NULL || strcmp(got, expected) != 0) {
		print_error("%s is not what comes out:\n%s", expected_path, got);
	}
	assert_non_null(expected);
	assert_string_equal(got, expected);
	yaml = imported(run, name, text, true);
	check_yaml(yaml);
	free(yaml);
	free(got);
	free(expected);
	free(expected_path);
	free(text);
	free(path);
}

static void dnsmasq_becomes_this_site_file(void **state)
{
	(void)state;
	check_sample(import_dnsmasq, "lab.dnsmasq");
}

static void dhcpd_becomes_this_site_file(void **state)
{
	(void)state;
	check_sample(import_dhcpd, "lab.dhcpd");
}

static void kea_becomes_this_site_file(void **state)
{
	(void)state;
	check_sample(import_kea, "lab.kea");
}

/* --- examples of the packages --- */

/* Blank the line that begins at `at`; true when it was one to look at. */
static bool is_directive(const char *at, size_t length, const char *first)
{
	return length > 0 && strchr(first, at[0]) == NULL;
}

/* Does the same line stand further up? Then it may add nothing. */
static bool is_repeated(const char *text, const char *at, size_t length)
{
	const char *line = text;

	while (line < at) {
		size_t size = strcspn(line, "\n");

		if (size == length && memcmp(line, at, length) == 0) {
			return true;
		}
		line += size + 1;
	}
	return false;
}

/* Without any of its directives, the outcome is another one: each is in the site file or told. */
static size_t check_no_line_vanishes(import_run *run, const char *name, char *text)
{
	char *whole = imported(run, name, text, false);
	size_t checked = 0;

	for (char *at = text; *at != '\0'; at += strcspn(at, "\n") + 1) {
		size_t length = strcspn(at, "\n");

		if (is_directive(at, length, " \t#") && !is_repeated(text, at, length)) {
			char *kept = strndup(at, length);

			memset(at, ' ', length);
			char *without = imported(run, name, text, false);
			if (strcmp(whole, without) == 0) {
				print_error("%s: nothing says: %s\n", name, kept);
			}
			assert_string_not_equal(whole, without);
			memcpy(at, kept, length);
			free(kept);
			free(without);
			checked++;
		}
		if (at[length] == '\0') {
			break;
		}
	}
	free(whole);
	return checked;
}

static char *example_of(const char *path)
{
	char *text = read_file(path);

	if (text == NULL) {
		print_message("[  SKIPPED ] %s is not installed\n", path);
		skip();
	}
	return text;
}

/* "#directive" and "#directive=value" become directives; other comments stay. */
static void enable_dnsmasq(char *text)
{
	for (char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n' ? 1 : 0) {
		size_t name = strspn(at + (at[0] == '#'), "abcdefghijklmnopqrstuvwxyz0123456789-");

		if (at[0] == '#' && name > 2 && strchr("=\n ", at[1 + name]) != NULL &&
			(at[1 + name] != ' ' || at[2 + name] == '=')) {
			memmove(at, at + 1, strcspn(at, "\n") - 1);
			at[strcspn(at, "\n") - 1] = ' ';
		}
	}
}

static void no_line_of_the_dnsmasq_example_vanishes(void **state)
{
	char *text = example_of("/usr/share/doc/dnsmasq-base/examples/dnsmasq.conf.example"), *yaml;

	(void)state;
	enable_dnsmasq(text);
	assert_true(check_no_line_vanishes(import_dnsmasq, "example", text) > 120);
	yaml = imported(import_dnsmasq, "example", text, true);
	check_yaml(yaml);
	free(yaml);
	free(text);
}

static void no_line_of_the_dhcpd_example_vanishes(void **state)
{
	char *text = example_of("/usr/share/doc/isc-dhcp-server/examples/dhcpd.conf.example"),
	     *yaml;

	(void)state;
	/* Its lines begin with "#" directly, its prose with "# ". */
	for (char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n' ? 1 : 0) {
		if (at[0] == '#' && at[1] != '\0' && at[1] != '\n' &&
			(at[1] != ' ' || strncmp(at, "#  ", 3) == 0)) {
			at[0] = ' ';
		}
	}
	yaml = imported(import_dhcpd, "example", text, true);
	check_yaml(yaml);
	assert_non_null(strstr(yaml, "range: 10.17.224.10-10.17.224.250\n        only: [foo]"));
	assert_non_null(strstr(yaml, "range: 10.0.29.10-10.0.29.230\n        except: [foo]"));
	assert_true(check_no_line_vanishes(import_dhcpd, "example", text) >= 4);
	free(yaml);
	free(text);
}

static void the_kea_examples_are_imported(void **state)
{
	static const char *const names[] = {"advanced", "all-keys", "all-keys-netconf",
		"all-options", "backends", "classify", "classify2", "comments", "config-backend",
		"global-reservations", "ha-load-balancing-primary", "hooks", "leases-expiration",
		"multiple-options", "reservations", "several-subnets", "shared-network",
		"single-subnet", "vendor-specific", "vivso", "with-ddns"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *path = NULL, *text, *yaml, *all;

		assert_true(
			asprintf(&path, "/usr/share/doc/kea/examples/kea4/%s.json", names[i]) > 0);
		text = example_of(path);
		yaml = imported(import_kea, names[i], text, true);
		check_yaml(yaml);
		all = imported(import_kea, names[i], text, false);
		assert_null(strstr(all, "no JSON"));
		free(all);
		free(yaml);
		free(text);
		free(path);
	}
}

/* --- hostile texts --- */

static void names_and_texts_are_quoted(void **state)
{
	char *yaml = imported(import_dnsmasq, "x",
		"dhcp-host=52:54:00:00:00:01,on\n"
		"dhcp-host=52:54:00:00:00:02,1e5\n"
		"dhcp-option=15,\"a\\\": [\\n#\\\\ \xff \xc3\xa9\"\n",
		true);

	(void)state;
	assert_non_null(strstr(yaml, "name: \"on\"\n"));
	assert_non_null(strstr(yaml, "name: \"1e5\"\n"));
	check_yaml(yaml);
	free(yaml);
}

static void what_is_no_json_is_told_with_its_line(void **state)
{
	static const char *const texts[] = {"{\n\"Dhcp4\": {\n\"a\": 1 \"b\": 2 } }",
		"{\n\"Dhcp4\": {\n\"a\" 1 } }", "{\n\"Dhcp4\": {\n\"a\": tru3\n", "{\n\n/* \n",
		"{\"Dhcp4\":\n{\n\"a", "{ \"Dhcp4\": {} }\n\nx"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct import *im = import_new();
		const struct import_source source = {"f", texts[i], strlen(texts[i])};

		assert_true(import_kea(im, &source, 1) < 0);
		assert_int_equal(import_remark_count(im), 1);
		assert_int_equal(import_remark_at(im, 0)->at.line, 3);
		assert_non_null(strstr(import_remark_at(im, 0)->text, "no JSON"));
		import_free(im);
	}
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
	static import_run *const runs[] = {import_dnsmasq, import_dhcpd, import_kea};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct import *im = import_new();
		const struct import_source source = {"/nowhere/at.all", NULL, 0};

		assert_true(runs[i](im, &source, 1) < 0);
		assert_int_equal(import_count(im, IMPORT_LEFT_OUT), 1);
		import_free(im);
	}
}

/* --- leases --- */

static void check_lease(const struct lease_entry *entry, uint32_t ip, uint64_t expires_s,
	const char *hostname, size_t client_id_size)
{
	assert_int_equal(entry->ip, ip);
	assert_int_equal(entry->expires_s, expires_s);
	assert_string_equal(entry->hostname, hostname);
	assert_int_equal(entry->client_id_size, client_id_size);
	assert_int_equal(entry->mac_size, 6);
	assert_int_equal(entry->mac[0], 0xaa);
}

static void leases_of_dnsmasq_are_read(void **state)
{
	struct import *im = import_new();
	char *path = corpus("leases.dnsmasq"), *text = read_file(path);
	struct lease_list list;

	(void)state;
	assert_non_null(text);
	lease_import_dnsmasq(im, path, text, &list);
	assert_int_equal(list.count, 3);
	check_lease(&list.entry[0], 0x0a000005, 9999999999, "host1", 7);
	check_lease(&list.entry[1], 0x0a000006, 5, "", 0);
	check_lease(&list.entry[2], 0x0a000007, LEASE_IMPORT_ENDLESS, "", 0);
	assert_int_equal(import_remark_count(im), 1);
	assert_int_equal(import_remark_at(im, 0)->at.line, 4);
	free(text);
	free(path);
	import_free(im);
}

static void the_last_entry_of_a_journal_counts(void **state)
{
	struct import *im = import_new();
	char *path = corpus("leases.dhcpd"), *text = read_file(path), *kea_path, *kea_text;
	struct lease_list list;

	(void)state;
	assert_non_null(text);
	lease_import_dhcpd(im, path, text, &list);
	assert_int_equal(list.count, 3);
	check_lease(&list.entry[0], 0x0a000005, 1826892202, "x1", 3);
	assert_true(list.entry[0].superseded && list.entry[0].active);
	check_lease(&list.entry[1], 0x0a000006, LEASE_IMPORT_ENDLESS, "", 0);
	assert_false(list.entry[1].superseded);
	assert_false(list.entry[2].superseded || list.entry[2].active);
	assert_int_equal(import_remark_count(im), 0);
	kea_path = corpus("leases.kea");
	kea_text = read_file(kea_path);
	assert_non_null(kea_text);
	lease_import_kea(im, kea_path, kea_text, &list);
	assert_int_equal(list.count, 3);
	assert_true(list.entry[0].superseded);
	check_lease(&list.entry[1], 0x0a000005, 2000, "a.b", 2);
	assert_false(list.entry[1].superseded || list.entry[2].active);
	assert_int_equal(import_remark_count(im), 1);
	free(kea_text);
	free(kea_path);
	free(text);
	free(path);
	import_free(im);
}

static void no_lease_of_dhcpd_vanishes_however_it_is_written(void **state)
{
	static const char text[] =
		"lease 10.0.0.1 { ends never; hardware ethernet aa:bb:cc:00:00:01; }\n"
		"host dyn { dynamic; fixed-address 10.0.0.9; }\n"
		"lease 10.0.0.2 {\n  hardware ethernet aa:bb:cc:00:00:01; # one\n"
		"  on expiry or release {\n    set x = \"};\";\n  }\n"
		"  ends\n    epoch 77; # }\n  client-hostname \"a\\\"{\";\n}\n"
		"ia-na \"x\" { iaaddr 2001:db8::1 { ends never; } }\n"
		"lease 10.0.0.300 { ends never; }\n"
		"lease 10.0.0.3 {\n  hardware ethernet aa:bb:cc:00:00:01;\n";
	static const unsigned lines[] = {2, 13, 14};
	struct import *im = import_new();
	struct lease_list list;

	(void)state;
	lease_import_dhcpd(im, "dhcpd.leases", text, &list);
	assert_int_equal(list.count, 2);
	check_lease(&list.entry[0], 0x0a000001, LEASE_IMPORT_ENDLESS, "", 0);
	check_lease(&list.entry[1], 0x0a000002, 77, "", 0);
	assert_int_equal(list.entry[1].at.line, 3);
	assert_int_equal(import_remark_count(im), sizeof lines / sizeof lines[0]);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		assert_int_equal(import_remark_at(im, i)->at.line, lines[i]);
	}
	import_free(im);
}

static void a_lease_of_kea_for_ever_has_no_end(void **state)
{
	static const char text[] =
		"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,"
		"hostname,state,user_context\n"
		"10.0.0.1,aa:bb:cc:00:00:01,,4294967295,6090000000,1,0,0,,0,\n"
		"10.0.0.2,aa:bb:cc:00:00:01,,3600,2000,1,0,0,,0,\n";
	struct import *im = import_new();
	struct lease_list list;

	(void)state;
	lease_import_kea(im, "kea-leases4.csv", text, &list);
	assert_int_equal(list.count, 2);
	check_lease(&list.entry[0], 0x0a000001, LEASE_IMPORT_ENDLESS, "", 0);
	check_lease(&list.entry[1], 0x0a000002, 2000, "", 0);
	import_free(im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dnsmasq_becomes_this_site_file),
		cmocka_unit_test(dhcpd_becomes_this_site_file),
		cmocka_unit_test(kea_becomes_this_site_file),
		cmocka_unit_test(no_line_of_the_dnsmasq_example_vanishes),
		cmocka_unit_test(no_line_of_the_dhcpd_example_vanishes),
		cmocka_unit_test(the_kea_examples_are_imported),
		cmocka_unit_test(names_and_texts_are_quoted),
		cmocka_unit_test(what_is_no_json_is_told_with_its_line),
		cmocka_unit_test(a_file_that_is_not_there_is_an_error),
		cmocka_unit_test(leases_of_dnsmasq_are_read),
		cmocka_unit_test(the_last_entry_of_a_journal_counts),
		cmocka_unit_test(no_lease_of_dhcpd_vanishes_however_it_is_written),
		cmocka_unit_test(a_lease_of_kea_for_ever_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
