/* What relays say in option 82, values by enterprise, user classes: also hostile ones. And the
 * tables of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/dhcp4.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/dhcp4_sub.h"

static void a_relay_says_all_of_this(void **state)
{
	(void)state;
	static const uint8_t data[] = {1, 3, 'e', '/', '1', 2, 2, 0xaa, 0xbb, 5, 4, 10, 1, 0, 0, 6,
		1, 's', 9, 6, 0, 0, 0, 9, 1, 'v', 10, 1, 0x80, 11, 4, 10, 0, 0, 1, 12, 2, 0, 1, 19,
		0, 151, 3, 0, 'a', 'b', 152, 0, 200, 0};
	struct dhcp4_relay_info info;
	const uint8_t *value;
	size_t size;
	dhcp4_relay_read(data, sizeof data, &info);
	assert_int_equal(info.circuit_id.size, 3);
	assert_memory_equal(info.circuit_id.data, "e/1", 3);
	assert_int_equal(info.remote_id.size, 2);
	assert_int_equal(info.link_selection, 0x0a010000);
	assert_int_equal(info.subscriber_id.size, 1);
	assert_true(dhcp4_enterprise_find(info.vendor.data, info.vendor.size, 9, &value, &size));
	assert_int_equal(size, 1);
	assert_int_equal(value[0], 'v');
	assert_true(info.has_flags && info.is_unicast && info.has_source_port);
	assert_int_equal(info.server_id_override, 0x0a000001);
	assert_int_equal(info.relay_id.size, 2);
	assert_int_equal(info.vss.size, 3);
	assert_true(info.has_vss_control);
	assert_false(info.is_malformed);
	assert_int_equal(info.repeated, 0);
}

static void of_repeated_sub_options_the_first_counts(void **state)
{
	(void)state;
	static const uint8_t data[] = {1, 1, 'a', 1, 1, 'b', 5, 4, 10, 1, 0, 0, 5, 4, 10, 2, 0, 0};
	struct dhcp4_relay_info info;
	dhcp4_relay_read(data, sizeof data, &info);
	assert_int_equal(info.circuit_id.data[0], 'a');
	assert_int_equal(info.link_selection, 0x0a010000);
	assert_int_equal(info.repeated, 2);
	assert_false(info.is_malformed);
}

static void sub_options_of_a_wrong_size_are_not_there(void **state)
{
	(void)state;
	static const uint8_t link[] = {5, 3, 10, 1, 0}, override[] = {11, 5, 1, 2, 3, 4, 5},
			     flags[] = {10, 2, 0x80, 0}, port[] = {19, 1, 0};
	struct dhcp4_relay_info info;
	dhcp4_relay_read(link, sizeof link, &info);
	assert_true(info.is_malformed && info.link_selection == 0);
	dhcp4_relay_read(override, sizeof override, &info);
	assert_true(info.is_malformed && info.server_id_override == 0);
	dhcp4_relay_read(flags, sizeof flags, &info);
	assert_true(info.is_malformed && !info.has_flags && !info.is_unicast);
	dhcp4_relay_read(port, sizeof port, &info);
	assert_true(info.is_malformed && info.has_source_port);
}

/* In a block of exactly that size, so that a sanitizer sees every read past the end. */
static void truncation_at_every_byte_keeps_what_came_before(void **state)
{
	(void)state;
	static const uint8_t data[] = {1, 3, 'e', '/', '1', 5, 4, 10, 1, 0, 0, 2, 2, 0xaa, 0xbb};
	for (size_t size = 0; size <= sizeof data; size++) {
		uint8_t *copy = malloc(size > 0 ? size : 1);
		struct dhcp4_relay_info info;
		assert_non_null(copy);
		memcpy(copy, data, size);
		dhcp4_relay_read(size > 0 ? copy : NULL, size, &info);
		assert_int_equal(
			info.is_malformed, size != 0 && size != 5 && size != 11 && size != 15);
		assert_int_equal(info.circuit_id.data != NULL, size >= 5);
		assert_int_equal(info.link_selection, size >= 11 ? 0x0a010000 : 0);
		assert_int_equal(info.remote_id.data != NULL, size >= 15);
		free(copy);
	}
}

static void padding_is_no_padding_for_relays(void **state)
{
	(void)state;
	static const uint8_t data[] = {0, 1, 'x', 255, 0, 1, 1, 'c'};
	struct dhcp4_relay_info info;
	dhcp4_relay_read(data, sizeof data, &info);
	assert_false(info.is_malformed);
	assert_int_equal(info.circuit_id.data[0], 'c');
}

static void values_by_enterprise_are_found(void **state)
{
	(void)state;
	static const uint8_t vivso[] = {0, 0, 0x0d, 0xe9, 3, 2, 1, 'b', 0, 0, 0, 9, 0, 0, 0, 0x0d,
		0xe9, 4, 1, 2, 'h', 'i', 0, 0, 0, 1, 9, 1};
	const uint8_t *value = NULL;
	size_t size = 0;
	/* In the second block of the same enterprise, and before the malformed rest. */
	assert_true(dhcp4_enterprise_find_sub(vivso, sizeof vivso, 3561, 1, &value, &size));
	assert_int_equal(size, 2);
	assert_memory_equal(value, "hi", 2);
	assert_true(dhcp4_enterprise_find(vivso, sizeof vivso, 9, &value, &size));
	assert_int_equal(size, 0);
	size = 77;
	assert_false(dhcp4_enterprise_find(vivso, sizeof vivso, 1, &value, &size));
	assert_false(dhcp4_enterprise_find_sub(vivso, sizeof vivso, 3561, 3, &value, &size));
	assert_false(dhcp4_enterprise_find_sub(NULL, 0, 3561, 3, &value, &size));
	assert_int_equal(size, 77);

	struct dhcp4_enterprise walk;
	struct dhcp4_enterprise_value found;
	size_t count = 0;
	dhcp4_enterprise_init(&walk, vivso, sizeof vivso);
	while (dhcp4_enterprise_next(&walk, &found))
		count++;
	assert_int_equal(count, 3);
	assert_true(walk.failed);
	assert_false(dhcp4_enterprise_next(&walk, &found));
}

/* A sub-option's length must not reach into the next enterprise's block. */
static void a_sub_option_stays_in_its_block(void **state)
{
	(void)state;
	static const uint8_t vivso[] = {0, 0, 0, 1, 2, 1, 9, 0, 0, 0, 2, 3, 1, 1, 'x'};
	const uint8_t *value;
	size_t size;
	assert_false(dhcp4_enterprise_find_sub(vivso, sizeof vivso, 1, 1, &value, &size));
	assert_true(dhcp4_enterprise_find_sub(vivso, sizeof vivso, 2, 1, &value, &size));
	assert_int_equal(value[0], 'x');
}

static void numbers_have_names(void **state)
{
	(void)state;
	assert_string_equal(dhcp4_relay_name(1), "circuit-id");
	assert_string_equal(dhcp4_relay_name(151), "virtual-subnet-selection");
	assert_null(dhcp4_relay_name(3));
	assert_null(dhcp4_relay_name(255));
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < a; b++) {
			const char *one = dhcp4_relay_name((uint8_t)a);
			const char *two = dhcp4_relay_name((uint8_t)b);
			assert_true(one == NULL || two == NULL || strcmp(one, two) != 0);
		}
	}
}

/* One name, one option: also among the names of other servers. */
static void synonyms_are_names_of_one_option(void **state)
{
	(void)state;
	const struct dhcp4_option_info *info;
	const char *name;
	size_t options = 0, synonyms = 0;
	for (; (info = dhcp4_option_at(options)) != NULL; options++) {
		assert_ptr_equal(dhcp4_option_info(info->code), info);
		for (size_t k = 0; (name = dhcp4_option_synonym_at(info->code, k)) != NULL; k++) {
			if (dhcp4_option_info_by_name(name) != info)
				fail_msg("%s is not %s", name, info->name);
			synonyms++;
		}
	}
	assert_true(options >= 140 && synonyms >= 100);
	static const struct {
		const char *name;
		uint8_t code;
	} known[] = {{"router", 3}, {"dns-server", 6}, {"tftp-server", 66}, {"bootfile-name", 67},
		{"routers", 3}, {"domain-name-servers", 6}, {"boot-file-name", 67}, {"T1", 58},
		{"mtu", 26}, {"NetBIOS-ns", 44}, {"classless-static-route", 121}};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		assert_int_equal(dhcp4_option_info_by_name(known[i].name)->code, known[i].code);
	assert_null(dhcp4_option_info_by_name("3"));
	assert_null(dhcp4_option_synonym_at(255, 0));
}

/* Every registered architecture: 42 of them, HTTP by its name, UEFI by its name. */
static void architectures_are_what_their_names_say(void **state)
{
	(void)state;
	const char *name;
	uint16_t arch;
	size_t count = 0;
	for (; (name = dhcp4_arch_at(count, &arch)) != NULL; count++) {
		assert_int_equal(arch, count);
		assert_int_equal(dhcp4_arch_is_http(arch), strstr(name, "-http") != NULL);
		assert_int_equal(dhcp4_arch_is_uefi(arch), strncmp(name, "uefi-", 5) == 0);
	}
	assert_int_equal(count, 42);
	assert_int_equal(dhcp4_arch_parse("x86-64_EFI"), 7); /* dnsmasq's names */
	assert_int_equal(dhcp4_arch_parse("x86PC"), 0);
	assert_int_equal(dhcp4_arch_parse("BC_EFI"), 9);
}

/* FIELD 11: whatever option 77 holds, every class lies inside it. */
static void hostile_user_classes_stay_inside(void **state)
{
	(void)state;
	static const uint8_t values[][6] = {{0, 0, 0, 0, 0, 0}, {255, 1, 2, 3, 4, 5},
		{2, 'a', 'b', 0, 1, 'c'}, {5, 'i', 'P', 'X', 'E', 0}, {1, 'a', 1, 'b', 1, 'c'},
		{1, 'a', 1, 'b', 2, 'c'}};
	static const size_t counts[] = {1, 1, 1, 1, 3, 1};
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		uint8_t packet[DHCP4_HEADER_BYTES + 9] = {[0] = 1,
			[1] = 1,
			[2] = 6,
			[236] = 0x63,
			[237] = 0x82,
			[238] = 0x53,
			[239] = 0x63,
			[240] = 77,
			[241] = 6};
		struct dhcp4_message message;
		struct dhcp4_bytes classes[8];
		memcpy(packet + 242, values[i], 6);
		packet[248] = 255;
		assert_int_equal(dhcp4_decode(packet, sizeof packet, &message), DHCP4_OK);
		size_t count = dhcp4_user_classes(&message, classes, 8);
		assert_int_equal(count, counts[i]);
		for (size_t k = 0; k < count; k++)
			assert_true(classes[k].data >= packet + 242 &&
				    classes[k].data + classes[k].size <= packet + 248);
		assert_int_equal(dhcp4_has_user_class(&message, "iPXE"), i == 3);
		assert_int_equal(dhcp4_has_user_class(&message, "b"), i == 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_relay_says_all_of_this),
		cmocka_unit_test(of_repeated_sub_options_the_first_counts),
		cmocka_unit_test(sub_options_of_a_wrong_size_are_not_there),
		cmocka_unit_test(truncation_at_every_byte_keeps_what_came_before),
		cmocka_unit_test(padding_is_no_padding_for_relays),
		cmocka_unit_test(values_by_enterprise_are_found),
		cmocka_unit_test(a_sub_option_stays_in_its_block),
		cmocka_unit_test(numbers_have_names),
		cmocka_unit_test(synonyms_are_names_of_one_option),
		cmocka_unit_test(architectures_are_what_their_names_say),
		cmocka_unit_test(hostile_user_classes_stay_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
