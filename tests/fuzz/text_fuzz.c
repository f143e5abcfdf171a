/* Any text to every parser: what is accepted formats to a text that parses to the same value. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void addresses(const char *text)
{
	uint32_t ip, ip2;
	unsigned prefix, prefix2;
	uint8_t mac[6], mac2[6], hw[16], hw2[16];
	size_t hw_bytes, hw2_bytes;
	char buffer[64];
	if (text_ip4_parse(text, &ip) == 0) {
		check(strcmp(text_ip4_format(ip, buffer), text) ==
			0); /* there is one way to write it */
		check(text_ip4_parse(buffer, &ip2) == 0 && ip == ip2);
	}
	if (text_cidr4_parse(text, &ip, &prefix) == 0) {
		check(strcmp(text_cidr4_format(ip, prefix, buffer), text) == 0);
		check(text_cidr4_parse(buffer, &ip2, &prefix2) == 0 && ip == ip2 &&
			prefix == prefix2);
	}
	if (text_mac_parse(text, mac) == 0)
		check(text_mac_parse(text_mac_format(mac, buffer), mac2) == 0 &&
			memcmp(mac, mac2, 6) == 0);
	if (text_hwaddr_parse(text, hw, &hw_bytes) == 0) {
		check(text_hwaddr_parse(
			      text_hwaddr_format(hw, hw_bytes, buffer), hw2, &hw2_bytes) == 0);
		check(hw_bytes == hw2_bytes && memcmp(hw, hw2, hw_bytes) == 0);
	}
}

static void values(const char *text)
{
	uint64_t value, value2;
	uint8_t bytes[64], bytes2[64], uuid[16], uuid2[16];
	size_t size, size2;
	char buffer[160];
	if (text_duration_parse(text, &value) == 0) {
		check(text_duration_parse(text_duration_format(value, buffer), &value2) == 0 &&
			value == value2);
		text_duration_short(value, buffer);
	}
	if (text_size_parse(text, &value) == 0)
		check(strlen(text_size_format(value, buffer)) < TEXT_SIZE_BYTES);
	if (text_u64_parse(text, 1000, &value) == 0)
		check(value <= 1000);
	if (text_hex_parse(text, bytes, sizeof bytes, &size) == 0) {
		text_hex_format(bytes, size, buffer, sizeof buffer);
		check(text_hex_parse(buffer, bytes2, sizeof bytes2, &size2) == 0);
		check(size == size2 && memcmp(bytes, bytes2, size) == 0);
	}
	if (text_uuid_parse(text, uuid) == 0) {
		check(text_uuid_parse(text_uuid_format(uuid, buffer), uuid2) == 0);
		check(memcmp(uuid, uuid2, 16) == 0);
	}
	int32_t arch = dhcp4_arch_parse(text);
	check(arch >= -1 && arch <= 65535);
	dhcp4_option_info_by_name(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text =
		malloc(size + 1); /* of exactly this size, so that a read past the NUL is seen */
	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	addresses(text);
	values(text);
	free(text);
	return 0;
}
