/* Writing values: a function per format tries, and says whether the bytes were of that format; if
 * not, what it wrote is taken back and the bytes are written as text or hexadecimal. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/wire/dhcp4_domain.h"
#include "proto/wire/dhcp4_sub.h"
#include "proto/wire/dhcp4_value.h"
#include "proto/wire/dhcp4_value_parse.h"
#include "proto/wire/text.h"

#define PREFIX_BYTES 6 /* the longest is "text:", with NUL */
#define FALLBACK_TEXT_LEAST                                                                        \
	3 /* shorter bytes that happen to be printable are not taken for text                      \
	   */

/* A text under construction, which may be longer than its room. */
struct value_text {
	char *ret;
	size_t capacity;
	size_t length;
	char head[PREFIX_BYTES]; /* how it begins, also without room */
};

static void put_bytes(struct value_text *text, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++, text->length++) {
		if (text->length + 1 < text->capacity)
			text->ret[text->length] = data[i];
		if (text->length + 1 < sizeof text->head) {
			text->head[text->length] = data[i];
			text->head[text->length + 1] = '\0';
		}
	}
}

static void put_text(struct value_text *text, const char *data)
{
	put_bytes(text, data, strlen(data));
}

__attribute__((format(printf, 2, 3))) static void put_format(
	struct value_text *text, const char *format, ...)
{
	char buffer[64];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(buffer, sizeof buffer, format, arguments);
	va_end(arguments);
	put_text(text, buffer);
}

static void put_separator(struct value_text *text, size_t index)
{
	if (index > 0)
		put_text(text, ", ");
}

static void take_back(struct value_text *text)
{
	text->length = 0;
	text->head[0] = '\0';
}

static uint32_t number_at(const uint8_t *data, size_t width)
{
	uint32_t value = 0;
	for (size_t i = 0; i < width; i++)
		value = value << 8 | data[i];
	return value;
}

static void put_ip4(struct value_text *text, const uint8_t *data)
{
	char buffer[TEXT_IP4_BYTES];
	put_text(text, text_ip4_format(number_at(data, 4), buffer));
}

/* --- what the functions of the table share: a value, and where its text goes --- */

struct value_in {
	const struct dhcp4_option_info *info;
	const uint8_t *data;
	size_t size;
};

static bool write_numbers(
	const struct value_in *in, struct value_text *text, size_t width, bool is_list)
{
	if (in->size == 0 || in->size % width != 0 || (!is_list && in->size != width))
		return false;
	for (size_t at = 0; at < in->size; at += width) {
		uint32_t value = number_at(in->data + at, width);
		if (value < dhcp4_value_least(in->info))
			return false;
		put_separator(text, at);
		put_format(text, "%u", value);
	}
	return true;
}

static bool write_u8(const struct value_in *in, struct value_text *text)
{
	return write_numbers(in, text, 1, false);
}

static bool write_u16(const struct value_in *in, struct value_text *text)
{
	return write_numbers(in, text, 2, false);
}

static bool write_u32(const struct value_in *in, struct value_text *text)
{
	return write_numbers(in, text, 4, false);
}

static bool write_u8_list(const struct value_in *in, struct value_text *text)
{
	return write_numbers(in, text, 1, true);
}

static bool write_u16_list(const struct value_in *in, struct value_text *text)
{
	return write_numbers(in, text, 2, true);
}

static bool write_u32_list(const struct value_in *in, struct value_text *text)
{
	return write_numbers(in, text, 4, true);
}

static bool write_s32(const struct value_in *in, struct value_text *text)
{
	if (in->size != 4)
		return false;
	int64_t value = number_at(in->data, 4);
	put_format(text, "%lld", (long long)(value > INT32_MAX ? value - (1ll << 32) : value));
	return true;
}

static bool write_seconds(const struct value_in *in, struct value_text *text)
{
	char buffer[TEXT_DURATION_BYTES];
	if (in->size != 4)
		return false;
	uint32_t seconds = number_at(in->data, 4);
	put_text(text, seconds == UINT32_MAX
			       ? "infinite"
			       : text_duration_format((uint64_t)seconds * 1000, buffer));
	return true;
}

static bool write_flag(const struct value_in *in, struct value_text *text)
{
	if (in->size != 1 || in->data[0] > 1)
		return false;
	put_text(text, in->data[0] == 1 ? "yes" : "no");
	return true;
}

static bool write_empty(const struct value_in *in, struct value_text *text)
{
	(void)text;
	return in->size == 0;
}

static bool write_ip4_list(const struct value_in *in, struct value_text *text)
{
	if (in->size == 0 || in->size % 4 != 0)
		return false;
	for (size_t at = 0; at < in->size; at += 4) {
		put_separator(text, at);
		put_ip4(text, in->data + at);
	}
	return true;
}

static bool write_ip4(const struct value_in *in, struct value_text *text)
{
	return in->size == 4 && write_ip4_list(in, text);
}

static bool write_mask(const struct value_in *in, struct value_text *text)
{
	return in->size == 4 && dhcp4_value_is_mask(number_at(in->data, 4)) &&
	       write_ip4_list(in, text);
}

static bool write_ip4_pairs(const struct value_in *in, struct value_text *text)
{
	if (in->size == 0 || in->size % 8 != 0)
		return false;
	for (size_t at = 0; at < in->size; at += 8) {
		put_separator(text, at);
		put_ip4(text, in->data + at);
		put_text(text, " ");
		put_ip4(text, in->data + at + 4);
	}
	return true;
}

static bool write_routes(const struct value_in *in, struct value_text *text)
{
	if (in->size == 0)
		return false;
	for (size_t at = 0; at < in->size;) {
		unsigned prefix = in->data[at];
		size_t bytes = (prefix + 7) / 8;
		char buffer[TEXT_CIDR4_BYTES];
		if (prefix > 32 || in->size - at < 1 + bytes + 4)
			return false;
		uint32_t address = bytes == 0 ? 0
					      : number_at(in->data + at + 1, bytes)
							<< (32 - 8 * (unsigned)bytes);
		if ((address & ~text_ip4_mask(prefix)) != 0)
			return false;
		put_separator(text, at);
		put_text(
			text, prefix == 0 ? "default" : text_cidr4_format(address, prefix, buffer));
		put_text(text, " via ");
		put_ip4(text, in->data + at + 1 + bytes);
		at += 1 + bytes + 4;
	}
	return true;
}

/* --- texts and names --- */

/* How many bytes the character at `data` has: printable and well-formed UTF-8 (RFC 3629 §4), else
 * 0. */
static size_t character_bytes(const uint8_t *data, size_t size)
{
	uint8_t first = data[0];
	if (first < 0x80)
		return first >= ' ' && first != 0x7f ? 1 : 0;
	size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || bytes > size)
		return 0;
	for (size_t i = 1; i < bytes; i++) {
		if ((data[i] & 0xc0) != 0x80)
			return 0;
	}
	bool is_bad = (first == 0xe0 && data[1] < 0xa0) || (first == 0xed && data[1] > 0x9f) ||
		      (first == 0xf0 && data[1] < 0x90) || (first == 0xf4 && data[1] > 0x8f) ||
		      (first == 0xc2 && data[1] < 0xa0); /* C1 control characters */
	return is_bad ? 0 : bytes;
}

static bool is_printable(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		size_t bytes = character_bytes(data + at, size - at);
		if (bytes == 0)
			return false;
		at += bytes;
	}
	return true;
}

static bool write_text(const struct value_in *in, struct value_text *text)
{
	if (in->size == 0 || !is_printable(in->data, in->size))
		return false;
	put_bytes(text, (const char *)in->data, in->size);
	return true;
}

static void write_hex(const uint8_t *data, size_t size, struct value_text *text)
{
	for (size_t i = 0; i < size; i++)
		put_format(text, i > 0 ? ":%02x" : "%02x", data[i]);
}

static bool write_bytes(const struct value_in *in, struct value_text *text)
{
	write_hex(in->data, in->size, text);
	return in->size > 0;
}

/* Is it an item that stands alone between commas? */
static bool is_item(const uint8_t *data, size_t size)
{
	return size > 0 && is_printable(data, size) && memchr(data, ',', size) == NULL &&
	       data[0] != ' ' && data[size - 1] != ' ';
}

/* With the prefix that makes it readable for every option. `is_inner`: an item of a list. */
static void write_any(const uint8_t *data, size_t size, bool is_inner, struct value_text *text)
{
	if (size >= FALLBACK_TEXT_LEAST && is_printable(data, size) &&
		(!is_inner || is_item(data, size))) {
		put_text(text, "text:");
		put_bytes(text, (const char *)data, size);
		return;
	}
	put_text(text, "hex:");
	write_hex(data, size, text);
}

/* Names from `at` on to the end. */
static bool write_names(const struct value_in *in, size_t at, struct value_text *text)
{
	char name[DHCP4_DOMAIN_BYTES];
	if (at >= in->size)
		return false;
	for (size_t count = 0; at < in->size; count++) {
		if (!dhcp4_domain_take(in->data, in->size, &at, name))
			return false;
		put_separator(text, count);
		put_text(text, name);
	}
	return true;
}

static bool write_domain(const struct value_in *in, struct value_text *text)
{
	char name[DHCP4_DOMAIN_BYTES];
	size_t at = 0;
	if (!dhcp4_domain_take(in->data, in->size, &at, name) || at != in->size)
		return false;
	put_text(text, name);
	return true;
}

static bool write_domain_list(const struct value_in *in, struct value_text *text)
{
	return write_names(in, 0, text);
}

static bool write_sip(const struct value_in *in, struct value_text *text)
{
	char name[DHCP4_DOMAIN_BYTES];
	uint32_t address;
	size_t at = 1;
	if (in->size < 2)
		return false;
	if (in->data[0] == 1) {
		struct value_in rest = {in->info, in->data + 1, in->size - 1};
		return write_ip4_list(&rest, text);
	}
	/* A name that looks like an address would be read as one. */
	return in->data[0] == 0 && dhcp4_domain_take(in->data, in->size, &at, name) &&
	       text_ip4_parse(name, &address) != 0 && write_names(in, 1, text);
}

static bool write_classes(const struct value_in *in, struct value_text *text)
{
	if (in->size == 0)
		return false;
	for (size_t at = 0; at < in->size;) {
		size_t size = in->data[at];
		if (size > in->size - at - 1 || !is_item(in->data + at + 1, size))
			return false;
		put_separator(text, at);
		put_bytes(text, (const char *)in->data + at + 1, size);
		at += 1 + size;
	}
	return true;
}

/* --- values by enterprise --- */

static bool write_vivco(const struct value_in *in, struct value_text *text)
{
	struct dhcp4_enterprise walk;
	struct dhcp4_enterprise_value value;
	dhcp4_enterprise_init(&walk, in->data, in->size);
	while (dhcp4_enterprise_next(&walk, &value)) {
		put_separator(text, text->length);
		put_format(text, "%u=", value.enterprise);
		write_any(value.data, value.size, true, text);
	}
	return !walk.failed && in->size > 0;
}

static bool write_vivso(const struct value_in *in, struct value_text *text)
{
	struct dhcp4_enterprise walk;
	struct dhcp4_enterprise_value value;
	uint32_t last = 0;
	dhcp4_enterprise_init(&walk, in->data, in->size);
	while (dhcp4_enterprise_next(&walk, &value)) {
		struct dhcp4_sub sub;
		uint8_t code;
		const uint8_t *data;
		size_t size;
		/* Two blocks of one enterprise would be read as one. */
		if (value.size == 0 || (text->length > 0 && value.enterprise == last))
			return false;
		last = value.enterprise;
		dhcp4_sub_init(&sub, DHCP4_SUB_RELAY, value.data, value.size);
		while (dhcp4_sub_next(&sub, &code, &data, &size)) {
			put_separator(text, text->length);
			put_format(text, "%u.%u=", value.enterprise, code);
			write_any(data, size, true, text);
		}
		if (sub.failed)
			return false;
	}
	return !walk.failed && in->size > 0;
}

typedef bool (*write_fn)(const struct value_in *in, struct value_text *text);

static const write_fn writers[DHCP4_FORMAT_COUNT] = {
	[DHCP4_FORMAT_BYTES] = write_bytes,
	[DHCP4_FORMAT_FLAG] = write_flag,
	[DHCP4_FORMAT_EMPTY] = write_empty,
	[DHCP4_FORMAT_U8] = write_u8,
	[DHCP4_FORMAT_U16] = write_u16,
	[DHCP4_FORMAT_U32] = write_u32,
	[DHCP4_FORMAT_S32] = write_s32,
	[DHCP4_FORMAT_SECONDS] = write_seconds,
	[DHCP4_FORMAT_U8_LIST] = write_u8_list,
	[DHCP4_FORMAT_U16_LIST] = write_u16_list,
	[DHCP4_FORMAT_U32_LIST] = write_u32_list,
	[DHCP4_FORMAT_IP4] = write_ip4,
	[DHCP4_FORMAT_IP4_LIST] = write_ip4_list,
	[DHCP4_FORMAT_IP4_PAIRS] = write_ip4_pairs,
	[DHCP4_FORMAT_MASK] = write_mask,
	[DHCP4_FORMAT_TEXT] = write_text,
	[DHCP4_FORMAT_DOMAIN] = write_domain,
	[DHCP4_FORMAT_DOMAIN_LIST] = write_domain_list,
	[DHCP4_FORMAT_SEARCH_LIST] = write_domain_list,
	[DHCP4_FORMAT_ROUTES] = write_routes,
	[DHCP4_FORMAT_SIP] = write_sip,
	[DHCP4_FORMAT_CLASSES] = write_classes,
	[DHCP4_FORMAT_VIVCO] = write_vivco,
	[DHCP4_FORMAT_VIVSO] = write_vivso,
};

/* A text that would be read as something else: as a prefix, or as the word that removes an option.
 */
static bool is_misleading(const struct value_text *text)
{
	return dhcp4_value_has_prefix(text->head) ||
	       (text->length == 4 && strcmp(text->head, "none") == 0);
}

size_t dhcp4_value_format(const struct dhcp4_option_info *info, const uint8_t *data, size_t size,
	char *ret, size_t capacity)
{
	assert(data != NULL || size == 0);
	assert(ret != NULL || capacity == 0);
	static const uint8_t nothing[1];
	struct value_in in = {info, size > 0 ? data : nothing, size};
	struct value_text text = {.ret = ret, .capacity = capacity};
	if (info == NULL || !writers[info->format](&in, &text) || is_misleading(&text)) {
		take_back(&text);
		write_any(in.data, size, false, &text);
	}
	if (capacity > 0)
		ret[text.length < capacity ? text.length : capacity - 1] = '\0';
	return text.length;
}
