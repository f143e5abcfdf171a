/* Texts of people: what is accepted, what is refused, and that formatting parses back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void ip4_is_strict(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5",
		"256.0.0.1", "1.2.3.4 ", " 1.2.3.4", "01.2.3.4", "1.2.3.00", "1..2.3", "a.b.c.d",
		"1.2.3.4x", "-1.2.3.4", "1.2.3.99999999999999999999"};
	uint32_t address = 7;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_ip4_parse(bad[i], &address), -EINVAL);
	assert_int_equal(address, 7);
	char buffer[TEXT_IP4_BYTES];
	assert_int_equal(text_ip4_parse("10.20.0.255", &address), 0);
	assert_int_equal(address, 0x0a1400ff);
	assert_string_equal(text_ip4_format(address, buffer), "10.20.0.255");
	assert_int_equal(text_ip4_parse("255.255.255.255", &address), 0);
	assert_string_equal(text_ip4_format(address, buffer), "255.255.255.255");
}

static void cidr_is_strict(void **state)
{
	(void)state;
	static const char *const bad[] = {"10.0.0.0", "10.0.0.0/", "10.0.0.0/a", "10.0.0/8",
		"10.0.0.0/8/8", "10.0.0.0/08", "10.0.0.0/-1", "/8", "10.0.0.0 /8"};
	uint32_t address = 7;
	unsigned prefix = 7;
	char buffer[TEXT_CIDR4_BYTES];
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_cidr4_parse(bad[i], &address, &prefix), -EINVAL);
	assert_int_equal(text_cidr4_parse("10.0.0.0/33", &address, &prefix), -ERANGE);
	assert_int_equal(address + prefix, 14);
	assert_int_equal(text_cidr4_parse("10.20.0.0/22", &address, &prefix), 0);
	assert_int_equal(address, 0x0a140000);
	assert_int_equal(prefix, 22);
	assert_string_equal(text_cidr4_format(address, prefix, buffer), "10.20.0.0/22");
	assert_string_equal(text_cidr4_format(UINT32_MAX, 32, buffer), "255.255.255.255/32");
	assert_int_equal(text_cidr4_parse("0.0.0.0/0", &address, &prefix), 0);
	assert_int_equal(text_ip4_mask(0), 0);
	assert_int_equal(text_ip4_mask(22), 0xfffffc00);
	assert_int_equal(text_ip4_mask(32), 0xffffffff);
}

static void mac_has_four_forms(void **state)
{
	(void)state;
	static const char *const good[] = {"52:54:00:aa:0B:01", "52-54-00-AA-0b-01",
		"5254.00aa.0b01", "525400aa0b01", "525400AA0B01"};
	static const char *const bad[] = {"", "52:54:00:aa:00", "52:54:00:aa:00:01:02",
		"52:54-00:aa:00:01", "5:54:00:aa:00:01", "52:54:00:aa:00:0g", "52:54:00:aa:00:01 ",
		"525400aa.0001", "52.54.00.aa.00.01", "5254:00aa:0001", "52::54:00:aa:00",
		":52:54:00:aa:00:01", "52:54:00:aa:00:01:", "525400aa0b0", "....."};
	uint8_t mac[6];
	char buffer[TEXT_MAC_BYTES];
	for (size_t i = 0; i < COUNT(good); i++) {
		memset(mac, 0, sizeof mac);
		assert_int_equal(text_mac_parse(good[i], mac), 0);
		assert_string_equal(text_mac_format(mac, buffer), "52:54:00:aa:0b:01");
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_mac_parse(bad[i], mac), -EINVAL);
	assert_string_equal(text_mac_format(mac, buffer), "52:54:00:aa:0b:01");
}

static void hwaddr_is_of_any_length_up_to_16(void **state)
{
	(void)state;
	uint8_t address[16];
	size_t size = 0;
	char buffer[TEXT_HWADDR_BYTES];
	const char *longest = "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f";
	assert_int_equal(text_hwaddr_parse(longest, address, &size), 0);
	assert_int_equal(size, 16);
	assert_string_equal(text_hwaddr_format(address, size, buffer), longest);
	assert_int_equal(text_hwaddr_parse("00010203040506070809", address, &size), 0);
	assert_int_equal(size, 10);
	assert_int_equal(text_hwaddr_parse("ab", address, &size), 0);
	assert_string_equal(text_hwaddr_format(address, size, buffer), "ab");
	assert_string_equal(text_hwaddr_format(address, 0, buffer), "");
	assert_int_equal(
		text_hwaddr_parse("000102030405060708090a0b0c0d0e0f10", address, &size), -ERANGE);
	assert_int_equal(text_hwaddr_parse("", address, &size), -EINVAL);
	assert_int_equal(text_hwaddr_parse("abc", address, &size), -EINVAL);
	assert_int_equal(size, 1);
}

static void hex_round_trip(void **state)
{
	(void)state;
	uint8_t data[4] = {9, 9, 9, 9};
	size_t size = 5;
	char buffer[9];
	assert_int_equal(text_hex_parse("0102030405", data, 4, &size), -ERANGE);
	assert_int_equal(text_hex_parse("010203zz", data, 4, &size), -EINVAL);
	assert_int_equal(text_hex_parse("010", data, 4, &size), -EINVAL);
	assert_int_equal(data[0], 9); /* untouched on failure */
	assert_int_equal(size, 5);
	assert_int_equal(text_hex_parse("", data, 4, &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(text_hex_parse("DEadBEef", data, 4, &size), 0);
	assert_int_equal(size, 4);
	assert_string_equal(text_hex_format(data, size, buffer, sizeof buffer), "deadbeef");
}

static void uuid_round_trip_and_swap(void **state)
{
	(void)state;
	static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";
	static const char *const bad[] = {"", "00112233-4455-6677-8899-aabbccddeef",
		"00112233-4455-6677-8899-aabbccddeeff0", "0011223344556677-8899-aabbccddeeff",
		"00112233-4455-6677-8899_aabbccddeeff", "g0112233-4455-6677-8899-aabbccddeeff"};
	uint8_t uuid[16], swapped[16];
	char buffer[TEXT_UUID_BYTES];
	assert_int_equal(text_uuid_parse(text, uuid), 0);
	assert_string_equal(text_uuid_format(uuid, buffer), text);
	text_uuid_swap(uuid, swapped);
	assert_string_equal(
		text_uuid_format(swapped, buffer), "33221100-5544-7766-8899-aabbccddeeff");
	text_uuid_swap(swapped, swapped); /* in place, and its own inverse */
	assert_memory_equal(swapped, uuid, 16);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_uuid_parse(bad[i], uuid), -EINVAL);
}

static void numbers_have_bounds(void **state)
{
	(void)state;
	uint64_t value = 1;
	assert_int_equal(text_u64_parse("18446744073709551615", UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(text_u64_parse("18446744073709551616", UINT64_MAX, &value), -ERANGE);
	assert_int_equal(text_u64_parse("256", 255, &value), -ERANGE);
	assert_int_equal(text_u64_parse("999x", 255, &value), -EINVAL);
	assert_int_equal(text_u64_parse("+1", 255, &value), -EINVAL);
	assert_int_equal(text_u64_parse("", 255, &value), -EINVAL);
	assert_true(value == UINT64_MAX);
	assert_int_equal(text_u64_parse("007", 255, &value), 0);
	assert_true(value == 7);
}

static void durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t ms;
		const char *formatted, *brief;
	} good[] = {
		{"0", 0, "0s", "0s"},
		{"0s", 0, "0s", "0s"},
		{"90", 90000, "1m30s", "1m 30s"},
		{"90s", 90000, "1m30s", "1m 30s"},
		{"10m", 600000, "10m", "10m"},
		{"1h", 3600000, "1h", "1h"},
		{"1h30m", 5400000, "1h30m", "1h 30m"},
		{"2d", 172800000, "2d", "2d"},
		{"1w", 604800000, "7d", "7d"},
		{"500ms", 500, "500ms", "500ms"},
		{"1s500ms", 1500, "1s500ms", "1s"},
		{"3d5s", 259205000, "3d5s", "3d"},
		{"1w2d3h4m5s6ms", 788645006, "9d3h4m5s6ms", "9d 3h"},
	};
	static const char *const bad[] = {"", "h", "1x", "1h ", " 1h", "1 h", "1m1h", "1h1h", "-1s",
		"1.5h", "1h30", "1H", "ms"};
	char buffer[TEXT_DURATION_BYTES];
	uint64_t ms = 0;
	for (size_t i = 0; i < COUNT(good); i++) {
		ms = UINT64_MAX;
		assert_int_equal(text_duration_parse(good[i].text, &ms), 0);
		assert_true(ms == good[i].ms);
		assert_string_equal(text_duration_format(ms, buffer), good[i].formatted);
		assert_int_equal(text_duration_parse(buffer, &ms), 0);
		assert_true(ms == good[i].ms);
		assert_string_equal(text_duration_short(ms, buffer), good[i].brief);
	}
	ms = 42;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_duration_parse(bad[i], &ms), -EINVAL);
	assert_int_equal(text_duration_parse("99999999999999999999", &ms), -ERANGE);
	assert_int_equal(text_duration_parse("18446744073709551615", &ms), -ERANGE);
	assert_int_equal(text_duration_parse("18446744073709551615s", &ms), -ERANGE);
	assert_int_equal(text_duration_parse("213503982334d18446744073709551615ms", &ms), -ERANGE);
	assert_true(ms == 42);
	text_duration_format(UINT64_MAX, buffer);
	assert_int_equal(text_duration_parse(buffer, &ms), 0);
	assert_true(ms == UINT64_MAX);
	text_duration_short(UINT64_MAX, buffer);
}

static void sizes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes;
		const char *formatted;
	} good[] = {{"0", 0, "0 B"}, {"999", 999, "999 B"}, {"1000B", 1000, "1 kB"},
		{"64K", 65536, "65 kB"}, {"64KiB", 65536, "65 kB"}, {"64KB", 64000, "64 kB"},
		{"1500kB", 1500000, "1.5 MB"}, {"412MB", 412000000, "412 MB"},
		{"1G", 1073741824, "1 GB"}, {"2TB", 2000000000000, "2 TB"}};
	static const char *const bad[] = {
		"", "K", "1k", "1Kib", "1 K", "1.5G", "-1", "1KK", "1MBx"};
	uint64_t bytes = 0;
	char buffer[TEXT_SIZE_BYTES];
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(text_size_parse(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
		assert_string_equal(text_size_format(bytes, buffer), good[i].formatted);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_size_parse(bad[i], &bytes), -EINVAL);
	assert_int_equal(text_size_parse("18446744073709551615K", &bytes), -ERANGE);
	assert_true(bytes == 2000000000000);
	assert_string_equal(text_size_format(UINT64_MAX, buffer), "18 EB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip4_is_strict),
		cmocka_unit_test(cidr_is_strict),
		cmocka_unit_test(mac_has_four_forms),
		cmocka_unit_test(hwaddr_is_of_any_length_up_to_16),
		cmocka_unit_test(hex_round_trip),
		cmocka_unit_test(uuid_round_trip_and_swap),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
