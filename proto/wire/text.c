#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The C library's tests depend on the locale; these do not. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Read the decimal number at *text, at least one digit, and move past it. */
static int take_u64(const char **text, uint64_t max, uint64_t *ret_value)
{
	const char *at = *text;
	uint64_t value = 0;
	bool large = false;
	if (!is_digit(*at))
		return -EINVAL;
	for (; is_digit(*at); at++) {
		uint64_t digit = (uint64_t)(*at - '0');
		if (value > (UINT64_MAX - digit) / 10)
			large = true;
		value = value * 10 + digit;
	}
	if (large || value > max)
		return -ERANGE;
	*text = at;
	*ret_value = value;
	return 0;
}

int text_u64_parse(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;
	/* The form first, so that "99x" is refused as junk whatever the bound. */
	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return -EINVAL;
	int status = take_u64(&text, max, &value);
	if (status == 0)
		*ret_value = value;
	return status;
}

/* Four numbers of up to three digits; moves *text past them. */
static int take_ip4(const char **text, uint32_t *ret_address)
{
	const char *at = *text;
	uint32_t address = 0;
	for (int i = 0; i < 4; i++) {
		uint64_t part;
		if (i > 0 && *at++ != '.')
			return -EINVAL;
		if (at[0] == '0' && is_digit(at[1]))
			return -EINVAL;
		if (take_u64(&at, 255, &part) != 0)
			return -EINVAL;
		address = address << 8 | (uint32_t)part;
	}
	*text = at;
	*ret_address = address;
	return 0;
}

int text_ip4_parse(const char *text, uint32_t *ret_address)
{
	uint32_t address;
	if (take_ip4(&text, &address) != 0 || *text != '\0')
		return -EINVAL;
	*ret_address = address;
	return 0;
}

char *text_ip4_format(uint32_t address, char buffer[TEXT_IP4_BYTES])
{
	snprintf(buffer, TEXT_IP4_BYTES, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		address >> 8 & 255, address & 255);
	return buffer;
}

int text_cidr4_parse(const char *text, uint32_t *ret_address, unsigned *ret_prefix)
{
	uint32_t address;
	uint64_t prefix;
	if (take_ip4(&text, &address) != 0 || *text++ != '/')
		return -EINVAL;
	if (text[0] == '0' && text[1] != '\0')
		return -EINVAL;
	int status = text_u64_parse(text, 32, &prefix);
	if (status != 0)
		return status;
	*ret_address = address;
	*ret_prefix = (unsigned)prefix;
	return 0;
}

char *text_cidr4_format(uint32_t address, unsigned prefix, char buffer[TEXT_CIDR4_BYTES])
{
	char ip[TEXT_IP4_BYTES];
	assert(prefix <= 32);
	snprintf(buffer, TEXT_CIDR4_BYTES, "%s/%u", text_ip4_format(address, ip), prefix & 63);
	return buffer;
}

uint32_t text_ip4_mask(unsigned prefix)
{
	assert(prefix <= 32);
	return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

/* Pairs of digits with `separator` before every `group` pairs but the first; separator 0: none. */
static int parse_pairs(const char *text, char separator, size_t group, size_t capacity,
	uint8_t *ret, size_t *ret_size)
{
	size_t size = 0;
	while (*text != '\0') {
		if (size > 0 && separator != 0 && size % group == 0 && *text++ != separator)
			return -EINVAL;
		int high = hex_value(text[0]);
		int low = high < 0 ? -1 : hex_value(text[1]);
		if (low < 0)
			return -EINVAL;
		if (size == capacity)
			return -ERANGE;
		ret[size++] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	*ret_size = size;
	return 0;
}

/* The first character of `text` that is one of `separators`; 0: none. */
static char separator_of(const char *text, const char *separators)
{
	const char *found = strpbrk(text, separators);
	if (found == NULL)
		return '\0';
	return *found;
}

int text_mac_parse(const char *text, uint8_t ret_mac[6])
{
	uint8_t mac[6];
	size_t size = 0;
	char separator = separator_of(text, ":-.");
	if (parse_pairs(text, separator, separator == '.' ? 2 : 1, sizeof mac, mac, &size) != 0 ||
		size != sizeof mac)
		return -EINVAL;
	memcpy(ret_mac, mac, sizeof mac);
	return 0;
}

int text_hwaddr_parse(const char *text, uint8_t ret_address[16], size_t *ret_size)
{
	uint8_t address[16];
	size_t size = 0;
	char separator = separator_of(text, ":-");
	int status = parse_pairs(text, separator, 1, sizeof address, address, &size);
	if (status == 0 && size == 0)
		status = -EINVAL;
	if (status != 0)
		return status;
	memcpy(ret_address, address, size);
	*ret_size = size;
	return 0;
}

char *text_hwaddr_format(const uint8_t *address, size_t size, char buffer[TEXT_HWADDR_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	assert(size <= 16);
	char *at = buffer;
	for (size_t i = 0; i < size; i++) {
		if (i > 0)
			*at++ = ':';
		*at++ = digits[address[i] >> 4];
		*at++ = digits[address[i] & 15];
	}
	*at = '\0';
	return buffer;
}

char *text_mac_format(const uint8_t mac[6], char buffer[TEXT_MAC_BYTES])
{
	snprintf(buffer, TEXT_MAC_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return buffer;
}

int text_hex_parse(const char *text, uint8_t *ret_data, size_t capacity, size_t *ret_size)
{
	/* The form first: nothing may be stored for a text that is refused. */
	size_t length = strlen(text);
	for (size_t i = 0; i < length; i++) {
		if (hex_value(text[i]) < 0)
			return -EINVAL;
	}
	if (length % 2 != 0)
		return -EINVAL;
	if (length / 2 > capacity)
		return -ERANGE;
	return parse_pairs(text, '\0', 1, capacity, ret_data, ret_size);
}

char *text_hex_format(const uint8_t *data, size_t size, char *buffer, size_t capacity)
{
	static const char digits[] = "0123456789abcdef";
	assert(capacity > 0 && size <= (capacity - 1) / 2);
	(void)capacity; /* where asserts are off */
	for (size_t i = 0; i < size; i++) {
		buffer[2 * i] = digits[data[i] >> 4];
		buffer[2 * i + 1] = digits[data[i] & 15];
	}
	buffer[2 * size] = '\0';
	return buffer;
}

size_t text_utf8_bytes(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned char lead = at[0];
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	size_t bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < bytes; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f) ||
		(lead == 0xf0 && at[1] < 0x90) || (lead == 0xf4 && at[1] > 0x8f))
		return 0;
	return bytes;
}

bool text_is_utf8(const char *text, unsigned *ret_line, unsigned *ret_column)
{
	unsigned line = 1, column = 1;
	size_t bytes;
	for (; *text != '\0'; text += bytes) {
		bytes = text_utf8_bytes(text);
		if (bytes == 0) {
			*ret_line = line;
			*ret_column = column;
			return false;
		}
		line += *text == '\n';
		column = *text == '\n' ? 1 : column + 1;
	}
	return true;
}

bool text_is_control(const char *text)
{
	unsigned char lead = (unsigned char)text[0];
	return lead < ' ' || lead == 0x7f || (lead == 0xc2 && (unsigned char)text[1] < 0xa0);
}

/* Is there a dash before byte i of a UUID's text? */
static bool uuid_dash_before(size_t i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

int text_uuid_parse(const char *text, uint8_t ret_uuid[16])
{
	uint8_t uuid[16];
	for (size_t i = 0; i < 16; i++) {
		if (uuid_dash_before(i) && *text++ != '-')
			return -EINVAL;
		int high = hex_value(text[0]);
		int low = high < 0 ? -1 : hex_value(text[1]);
		if (low < 0)
			return -EINVAL;
		uuid[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text != '\0')
		return -EINVAL;
	memcpy(ret_uuid, uuid, sizeof uuid);
	return 0;
}

char *text_uuid_format(const uint8_t uuid[16], char buffer[TEXT_UUID_BYTES])
{
	char *at = buffer;
	for (size_t i = 0; i < 16; i++) {
		if (uuid_dash_before(i))
			*at++ = '-';
		text_hex_format(&uuid[i], 1, at, 3);
		at += 2;
	}
	return buffer;
}

void text_uuid_swap(const uint8_t uuid[16], uint8_t ret_swapped[16])
{
	static const uint8_t from[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	uint8_t swapped[16];
	for (size_t i = 0; i < 16; i++)
		swapped[i] = uuid[from[i]];
	memcpy(ret_swapped, swapped, sizeof swapped);
}

struct text_unit {
	const char *name;
	uint64_t scale;
};

static const struct text_unit duration_units[] = {
	{"w", 7ull * 24 * 3600 * 1000},
	{"d", 24ull * 3600 * 1000},
	{"h", 3600ull * 1000},
	{"m", 60ull * 1000},
	{"s", 1000},
	{"ms", 1},
};
#define DURATION_UNITS (sizeof duration_units / sizeof duration_units[0])

/* The unit whose name is the run of letters at *text; moves past it. DURATION_UNITS if there is
 * none. */
static size_t take_duration_unit(const char **text)
{
	size_t letters = strspn(*text, "abcdefghijklmnopqrstuvwxyz");
	for (size_t i = 0; i < DURATION_UNITS; i++) {
		if (strlen(duration_units[i].name) == letters &&
			strncmp(*text, duration_units[i].name, letters) == 0) {
			*text += letters;
			return i;
		}
	}
	return DURATION_UNITS;
}

int text_duration_parse(const char *text, uint64_t *ret_ms)
{
	uint64_t value;
	uint64_t total = 0;
	int status = text_u64_parse(text, UINT64_MAX / 1000, &value);
	if (status != -EINVAL) {
		if (status == 0)
			*ret_ms = value * 1000;
		return status;
	}
	for (size_t next_unit = 0; *text != '\0';) {
		status = take_u64(&text, UINT64_MAX, &value);
		if (status != 0)
			return status;
		size_t unit = take_duration_unit(&text);
		if (unit == DURATION_UNITS || unit < next_unit)
			return -EINVAL;
		next_unit = unit + 1;
		if (value > (UINT64_MAX - total) / duration_units[unit].scale)
			return -ERANGE;
		total += value * duration_units[unit].scale;
		if (*text == '\0') {
			*ret_ms = total;
			return 0;
		}
	}
	return -EINVAL;
}

/* The unit of days comes first: "7d" reads better than "1w". */
#define DURATION_DAYS 1

char *text_duration_format(uint64_t ms, char buffer[TEXT_DURATION_BYTES])
{
	size_t at = 0;
	for (size_t i = DURATION_DAYS; i < DURATION_UNITS; i++) {
		uint64_t value = ms / duration_units[i].scale;
		ms %= duration_units[i].scale;
		if (value > 0)
			at += (size_t)snprintf(buffer + at, TEXT_DURATION_BYTES - at,
				"%" PRIu64 "%s", value, duration_units[i].name);
		assert(at < TEXT_DURATION_BYTES);
	}
	if (at == 0)
		memcpy(buffer, "0s", 3);
	return buffer;
}

char *text_duration_short(uint64_t ms, char buffer[TEXT_DURATION_BYTES])
{
	size_t unit = DURATION_DAYS;
	if (ms == 0)
		return text_duration_format(0, buffer);
	while (unit + 1 < DURATION_UNITS && ms < duration_units[unit].scale)
		unit++;
	const struct text_unit *large = &duration_units[unit];
	int at = snprintf(
		buffer, TEXT_DURATION_BYTES, "%" PRIu64 "%s", ms / large->scale, large->name);
	/* Milliseconds tell nothing beside seconds. */
	if (unit + 2 >= DURATION_UNITS)
		return buffer;
	const struct text_unit *small = large + 1;
	uint64_t rest = ms % large->scale / small->scale;
	if (rest > 0)
		snprintf(buffer + at, TEXT_DURATION_BYTES - (size_t)at, " %" PRIu64 "%s", rest,
			small->name);
	return buffer;
}

int text_size_parse(const char *text, uint64_t *ret_bytes)
{
	static const struct text_unit units[] = {
		{"", 1},
		{"B", 1},
		{"K", 1ull << 10},
		{"KiB", 1ull << 10},
		{"KB", 1000},
		{"kB", 1000},
		{"M", 1ull << 20},
		{"MiB", 1ull << 20},
		{"MB", 1000ull * 1000},
		{"G", 1ull << 30},
		{"GiB", 1ull << 30},
		{"GB", 1000ull * 1000 * 1000},
		{"T", 1ull << 40},
		{"TiB", 1ull << 40},
		{"TB", 1000ull * 1000ull * 1000 * 1000},
	};
	uint64_t value;
	int status = take_u64(&text, UINT64_MAX, &value);
	if (status != 0)
		return status;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (value > UINT64_MAX / units[i].scale)
			return -ERANGE;
		*ret_bytes = value * units[i].scale;
		return 0;
	}
	return -EINVAL;
}

char *text_size_format(uint64_t bytes, char buffer[TEXT_SIZE_BYTES])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	uint64_t scale = 1;
	size_t unit = 0;
	while (bytes / scale >= 1000) {
		scale *= 1000;
		unit++;
	}
	unsigned whole = (unsigned)(bytes / scale);
	unsigned tenths = unit == 0 ? 0 : (unsigned)(bytes % scale / (scale / 10));
	if (whole < 10 && tenths > 0)
		snprintf(buffer, TEXT_SIZE_BYTES, "%u.%u %s", whole, tenths, units[unit]);
	else
		snprintf(buffer, TEXT_SIZE_BYTES, "%u %s", whole, units[unit]);
	return buffer;
}
