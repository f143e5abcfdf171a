/* Building messages: exact bytes, limits, overload, sub-options, names; and that what was built
 * decodes the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/dhcp4_build.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/dhcp4_sub.h"

static struct dhcp4_header a_header(void)
{
	struct dhcp4_header header = {
		.op = DHCP4_BOOTREPLY,
		.htype = 1,
		.hlen = 6,
		.xid = 0x01020304,
		.flags = DHCP4_FLAG_BROADCAST,
		.yiaddr = 0x0a000064,
		.siaddr = 0x0a000001,
		.chaddr = {0x52, 0x54, 0, 0xaa, 0, 1},
	};
	return header;
}

static void an_offer_has_these_bytes(void **state)
{
	(void)state;
	uint8_t buffer[576];
	struct dhcp4_builder builder;
	struct dhcp4_header header = a_header();
	strcpy(header.file, "snponly.efi");
	dhcp4_build_init(&builder, buffer, sizeof buffer, 548);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, DHCP4_OFFER);
	dhcp4_build_ip4(&builder, DHCP4_SERVER_ID, 0x0a000001);
	dhcp4_build_u32(&builder, DHCP4_LEASE_SECONDS, 3600);
	dhcp4_build_cstring(&builder, DHCP4_BOOT_FILE, "a.efi");
	dhcp4_build_text(&builder, DHCP4_DOMAIN_NAME, "lab");
	dhcp4_build_ip4_list(
		&builder, DHCP4_DNS_SERVERS, (const uint32_t[]){0x0a000001, 0x0a000002}, 2);
	assert_int_equal(dhcp4_build_finish(&builder), 300);
	static const uint8_t start[] = {2, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0x80, 0, 0, 0, 0, 0, 10, 0, 0,
		100, 10, 0, 0, 1, 0, 0, 0, 0, 0x52, 0x54, 0, 0xaa, 0, 1, 0};
	assert_memory_equal(buffer, start, sizeof start);
	assert_string_equal((const char *)buffer + 108, "snponly.efi");
	static const uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53, 1, 2, 54, 4, 10, 0, 0, 1, 51,
		4, 0, 0, 14, 16, 67, 6, 'a', '.', 'e', 'f', 'i', 0, 15, 3, 'l', 'a', 'b', 6, 8, 10,
		0, 0, 1, 10, 0, 0, 2, 255, 0, 0};
	assert_memory_equal(buffer + 236, options, sizeof options);
}

static void a_full_message_fails_as_a_whole(void **state)
{
	(void)state;
	uint8_t buffer[600];
	uint8_t value[255] = {0};
	struct dhcp4_builder builder;
	struct dhcp4_header header = a_header();
	memset(buffer, 0x77, sizeof buffer);
	dhcp4_build_init(&builder, buffer, sizeof buffer, 548);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_option(&builder, 43, value, 255);
	assert_true(dhcp4_build_option_if_room(
		&builder, 12, value, 48)); /* up to byte 547: END is the 548th */
	assert_false(dhcp4_build_option_if_room(&builder, 13, value, 0));
	assert_int_equal(dhcp4_build_finish(&builder), 548);
	assert_int_equal(buffer[547], 255);

	dhcp4_build_init(&builder, buffer, sizeof buffer, 548);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_option(&builder, 43, value, 255);
	dhcp4_build_option(&builder, 12, value, 49);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, 2); /* would fit; the error sticks */
	assert_int_equal(dhcp4_build_finish(&builder), 0);
}

static void long_options_come_in_pieces_and_join(void **state)
{
	(void)state;
	uint8_t buffer[1472];
	uint8_t value[600];
	struct dhcp4_message message;
	struct dhcp4_builder builder;
	struct dhcp4_header header = a_header();
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = (uint8_t)(i * 7);
	dhcp4_build_init(&builder, buffer, sizeof buffer, sizeof buffer);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_option(&builder, 43, value, sizeof value);
	size_t size = dhcp4_build_finish(&builder);
	assert_int_equal(size, 240 + 600 + 3 * 2 + 1);
	assert_int_equal(dhcp4_decode(buffer, size, &message), DHCP4_OK);
	const uint8_t *data;
	size_t data_size;
	assert_true(dhcp4_option(&message, 43, &data, &data_size));
	assert_int_equal(data_size, sizeof value);
	assert_memory_equal(data, value, sizeof value);
}

static void overload_takes_what_does_not_fit(void **state)
{
	(void)state;
	uint8_t buffer[1472];
	uint8_t value[255];
	struct dhcp4_message message;
	struct dhcp4_builder builder;
	struct dhcp4_header header = a_header();
	memset(value, 0x5a, sizeof value);
	dhcp4_build_init(&builder, buffer, sizeof buffer, 548);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_allow_overload(&builder);
	dhcp4_build_option(&builder, 43, value, 255);
	dhcp4_build_option(&builder, 12, value, 125); /* file: 127 and END */
	dhcp4_build_option(&builder, 15, value, 61);  /* sname: 63 and END */
	dhcp4_build_option(&builder, 17, value, 45);
	size_t size = dhcp4_build_finish(&builder);
	assert_int_equal(size, 548);
	assert_int_equal(dhcp4_decode(buffer, size, &message), DHCP4_OK);
	uint8_t overload;
	assert_true(dhcp4_u8(&message, DHCP4_OVERLOAD, &overload));
	assert_int_equal(overload, 3);
	static const struct {
		uint8_t code;
		size_t size;
	} expected[] = {{43, 255}, {12, 125}, {15, 61}, {17, 45}};
	for (size_t i = 0; i < 4; i++) {
		size_t found = 0;
		assert_true(dhcp4_option(&message, expected[i].code, NULL, &found));
		assert_int_equal(found, expected[i].size);
	}
	assert_string_equal(message.header.file, "");
}

static void overload_spares_a_used_file_field(void **state)
{
	(void)state;
	uint8_t buffer[576];
	uint8_t value[255] = {0};
	struct dhcp4_builder builder;
	struct dhcp4_header header = a_header();
	strcpy(header.file, "boot");
	dhcp4_build_init(&builder, buffer, sizeof buffer, 548);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_allow_overload(&builder);
	dhcp4_build_option(&builder, 43, value, 255);
	assert_false(dhcp4_build_option_if_room(&builder, 12, value, 120));
	assert_true(dhcp4_build_option_if_room(&builder, 12, value, 61));
	assert_true(dhcp4_build_finish(&builder) > 0);
	assert_string_equal((const char *)buffer + 108, "boot");
	assert_int_equal(buffer[44], 12);
}

static void unneeded_overload_is_not_announced(void **state)
{
	(void)state;
	uint8_t buffer[576];
	struct dhcp4_message message;
	struct dhcp4_builder builder;
	struct dhcp4_header header = a_header();
	dhcp4_build_init(&builder, buffer, sizeof buffer, 548);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_allow_overload(&builder);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, DHCP4_ACK);
	assert_int_equal(dhcp4_build_finish(&builder), 300);
	assert_int_equal(dhcp4_decode(buffer, 300, &message), DHCP4_OK);
	assert_false(dhcp4_has(&message, DHCP4_OVERLOAD));
}

static void echo_is_verbatim(void **state)
{
	(void)state;
	uint8_t request_bytes[300], buffer[300];
	struct dhcp4_message request, reply;
	struct dhcp4_builder builder;
	struct dhcp4_header header = a_header();
	static const uint8_t relay[] = {1, 2, 'a', 0, 0, 255, 2, 1, 9};
	dhcp4_build_init(&builder, request_bytes, sizeof request_bytes, 300);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_option(&builder, DHCP4_RELAY_AGENT_INFO, relay, sizeof relay);
	assert_int_equal(dhcp4_build_finish(&builder), 300);
	assert_int_equal(dhcp4_decode(request_bytes, 300, &request), DHCP4_OK);

	dhcp4_build_init(&builder, buffer, sizeof buffer, 300);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_echo(&builder, &request, DHCP4_RELAY_AGENT_INFO);
	dhcp4_build_echo(&builder, &request, DHCP4_CLIENT_UUID);
	assert_int_equal(dhcp4_build_finish(&builder), 300);
	assert_int_equal(dhcp4_decode(buffer, 300, &reply), DHCP4_OK);
	const uint8_t *data;
	size_t size;
	assert_true(dhcp4_option(&reply, DHCP4_RELAY_AGENT_INFO, &data, &size));
	assert_int_equal(size, sizeof relay);
	assert_memory_equal(data, relay, size);
	assert_false(dhcp4_has(&reply, DHCP4_CLIENT_UUID));
}

/* FIELD 26: what a Raspberry Pi's ROM must find in option 43. */
static void sub_options_build_and_walk(void **state)
{
	(void)state;
	struct dhcp4_sub_builder builder = {.size = 0};
	dhcp4_sub_put_u8(&builder, DHCP4_PXE_DISCOVERY_CONTROL, 3);
	dhcp4_sub_put(&builder, DHCP4_PXE_MENU_PROMPT, "\0PXE", 4);
	dhcp4_sub_put(&builder, DHCP4_PXE_BOOT_MENU, "\0\0\x11Raspberry Pi Boot", 20);
	dhcp4_sub_put_ip4(&builder, 99, 0x0a000001);
	dhcp4_sub_put_end(&builder);
	assert_false(builder.failed);
	static const uint8_t start[] = {6, 1, 3, 10, 4, 0, 'P', 'X', 'E', 9, 20, 0, 0, 0x11, 'R'};
	assert_memory_equal(builder.data, start, sizeof start);
	assert_int_equal(builder.data[builder.size - 1], 255);

	struct dhcp4_sub sub;
	uint8_t code;
	const uint8_t *data;
	size_t size, count = 0;
	dhcp4_sub_init(&sub, DHCP4_SUB_VENDOR, builder.data, builder.size);
	while (dhcp4_sub_next(&sub, &code, &data, &size))
		count++;
	assert_int_equal(count, 4);
	assert_false(sub.failed);
	assert_true(dhcp4_sub_find(DHCP4_SUB_VENDOR, builder.data, builder.size, 99, &data, &size));
	assert_memory_equal(data, "\x0a\0\0\1", 4);
	assert_false(
		dhcp4_sub_find(DHCP4_SUB_VENDOR, builder.data, builder.size, 100, &data, &size));

	dhcp4_sub_put(&builder, 1, builder.data, 255);
	assert_true(builder.failed);
}

static void sub_options_are_bounded(void **state)
{
	(void)state;
	static const uint8_t data[] = {1, 2, 'a', 'b', 0, 0, 0, 5, 1, 'x', 7, 4, 1, 2, 3};
	struct dhcp4_sub sub;
	uint8_t code = 0;
	const uint8_t *value;
	size_t size;
	dhcp4_sub_init(&sub, DHCP4_SUB_VENDOR, data, sizeof data);
	assert_true(dhcp4_sub_next(&sub, &code, &value, &size));
	assert_true(dhcp4_sub_next(&sub, &code, &value, &size));
	assert_int_equal(code, 5);
	assert_false(dhcp4_sub_next(&sub, &code, &value, &size));
	assert_true(sub.failed);
	assert_false(dhcp4_sub_next(&sub, &code, &value, &size));

	/* In option 82 a 0 is a code and a 255 too. */
	static const uint8_t relay[] = {0, 1, 9, 255, 1, 8};
	dhcp4_sub_init(&sub, DHCP4_SUB_RELAY, relay, sizeof relay);
	assert_true(dhcp4_sub_next(&sub, &code, &value, &size));
	assert_int_equal(code, 0);
	assert_true(dhcp4_sub_next(&sub, &code, &value, &size));
	assert_int_equal(code, 255);
	assert_false(dhcp4_sub_next(&sub, &code, &value, &size));
	assert_false(sub.failed);

	/* In option 43 a 255 ends, whatever follows. */
	static const uint8_t ended[] = {6, 1, 8, 255, 9, 200};
	dhcp4_sub_init(&sub, DHCP4_SUB_VENDOR, ended, sizeof ended);
	assert_true(dhcp4_sub_next(&sub, &code, &value, &size));
	assert_false(dhcp4_sub_next(&sub, &code, &value, &size));
	assert_false(sub.failed);
}

static void architectures_have_names_both_ways(void **state)
{
	(void)state;
	static const struct {
		uint16_t arch;
		const char *name;
	} known[] = {{0, "bios"}, {6, "uefi-x86"}, {7, "uefi-x64"}, {10, "uefi-arm32"},
		{11, "uefi-arm64"}, {16, "uefi-x64-http"}, {19, "uefi-arm64-http"},
		{27, "uefi-riscv64"}, {41, "rpi"}};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		assert_string_equal(dhcp4_arch_name(known[i].arch), known[i].name);
		assert_int_equal(dhcp4_arch_parse(known[i].name), known[i].arch);
	}
	assert_string_equal(dhcp4_arch_name(9), "uefi-x64"); /* FIELD 24 */
	assert_null(dhcp4_arch_name(42));
	assert_null(dhcp4_arch_name(65535));
	assert_int_equal(dhcp4_arch_parse("9"), 9);
	assert_int_equal(dhcp4_arch_parse("65535"), 65535);
	assert_int_equal(dhcp4_arch_parse("65536"), -1);
	assert_int_equal(dhcp4_arch_parse("UEFI"), -1);
	assert_int_equal(dhcp4_arch_parse(""), -1);
	assert_true(dhcp4_arch_is_http(16));
	assert_false(dhcp4_arch_is_http(7));
	assert_true(dhcp4_arch_is_uefi(9));
	assert_false(dhcp4_arch_is_uefi(0));
	assert_false(dhcp4_arch_is_uefi(500));
	uint16_t arch;
	for (size_t i = 0; dhcp4_arch_at(i, &arch) != NULL; i++)
		assert_int_equal(arch, i); /* the lookup by number relies on it */
}

static void option_table_is_sorted_and_found_both_ways(void **state)
{
	(void)state;
	unsigned found = 0;
	for (unsigned code = 0; code < 256; code++) {
		const struct dhcp4_option_info *info = dhcp4_option_info((uint8_t)code);
		if (info == NULL)
			continue;
		found++;
		assert_int_equal(info->code, code);
		assert_ptr_equal(
			dhcp4_option_info_by_name(info->name), info); /* names are unique */
	}
	assert_true(found > 90);
	assert_int_equal(dhcp4_option_info_by_name("dns-servers")->code, 6);
	assert_int_equal(dhcp4_option_info_by_name("wpad")->code,
		252); /* the table's last entry: it is sorted */
	assert_int_equal(dhcp4_option_info(252)->code, 252);
	assert_null(dhcp4_option_info_by_name("nothing"));
	assert_null(dhcp4_option_info(255));
	assert_string_equal(dhcp4_type_name(DHCP4_NAK), "NAK");
	assert_string_equal(dhcp4_type_name(0), "BOOTP");
	assert_null(dhcp4_type_name(14));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_has_these_bytes),
		cmocka_unit_test(a_full_message_fails_as_a_whole),
		cmocka_unit_test(long_options_come_in_pieces_and_join),
		cmocka_unit_test(overload_takes_what_does_not_fit),
		cmocka_unit_test(overload_spares_a_used_file_field),
		cmocka_unit_test(unneeded_overload_is_not_announced),
		cmocka_unit_test(echo_is_verbatim),
		cmocka_unit_test(sub_options_build_and_walk),
		cmocka_unit_test(sub_options_are_bounded),
		cmocka_unit_test(architectures_have_names_both_ways),
		cmocka_unit_test(option_table_is_sorted_and_found_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
