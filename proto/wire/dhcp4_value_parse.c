/* Reading values: a table says which function reads which format; each appends to the writer and
 * says what is wrong in words that name the option and what it expects. */
#include "proto/wire/dhcp4_value_parse.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/wire/dhcp4_domain.h"
#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

#define BLANKS " \t"

int dhcp4_value_fail(struct dhcp4_value_parse *parse, const char *format, ...)
{
	char message[DHCP4_VALUE_ERROR_BYTES];
	int length = snprintf(message, sizeof message, "%.64s: ", parse->name);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message + length, sizeof message - (size_t)length, format, arguments);
	va_end(arguments);
	/* What was written may hold anything; a terminal shall not see it. */
	for (char *at = message; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
	if (parse->error_bytes > 0)
		snprintf(parse->error, parse->error_bytes, "%s", message);
	return -EINVAL;
}

uint32_t dhcp4_value_least(const struct dhcp4_option_info *info)
{
	static const struct {
		uint8_t code;
		uint32_t least;
	} limits[] = {{22, 576}, {23, 1}, {25, 68}, {26, 68}, {37, 1}, {57, 576}};
	for (size_t i = 0; info != NULL && i < sizeof limits / sizeof limits[0]; i++) {
		if (limits[i].code == info->code)
			return limits[i].least;
	}
	return 0;
}

bool dhcp4_value_is_mask(uint32_t address)
{
	uint32_t zeros = ~address;
	return (zeros & (zeros + 1)) == 0;
}

int dhcp4_value_next(struct dhcp4_value_items *items, char ret_item[DHCP4_VALUE_ITEM_BYTES])
{
	const char *at = items->at + strspn(items->at, BLANKS);
	if (*at == '\0')
		return 0;
	size_t length = strcspn(at, items->by_commas ? "," : "," BLANKS);
	const char *rest = at + length + strspn(at + length, BLANKS);
	while (length > 0 && strchr(BLANKS, at[length - 1]) != NULL)
		length--;
	if (length == 0 || length >= DHCP4_VALUE_ITEM_BYTES)
		return -EINVAL;
	if (*rest == ',') {
		rest += 1 + strspn(rest + 1, BLANKS);
		if (*rest == '\0')
			return -EINVAL;
	}
	memcpy(ret_item, at, length);
	ret_item[length] = '\0';
	items->at = rest;
	return 1;
}

/* Read every item with `take`; at least one. */
static int read_list(struct dhcp4_value_parse *parse, const char *text, bool by_commas,
	int (*take)(struct dhcp4_value_parse *parse, const char *item))
{
	struct dhcp4_value_items items = {text, by_commas};
	char item[DHCP4_VALUE_ITEM_BYTES];
	size_t count = 0;
	int status;
	while ((status = dhcp4_value_next(&items, item)) > 0) {
		count++;
		status = take(parse, item);
		if (status != 0)
			return status;
	}
	if (status < 0)
		return dhcp4_value_fail(
			parse, "'%.80s': a comma with nothing beside it, or an endless item", text);
	if (count == 0)
		return dhcp4_value_fail(parse, "the value is empty");
	return 0;
}

/* --- numbers --- */

/* Decimal or 0x1f, from the option's least value to `max`. */
static int read_number(
	struct dhcp4_value_parse *parse, const char *text, uint32_t max, uint32_t *ret)
{
	uint64_t value = 0;
	int status;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		const char *digits = text + 2 + strspn(text + 2, "0");
		status = text[2] == '\0' || text[2 + strspn(text + 2, "0123456789abcdefABCDEF")]
				 ? -EINVAL
				 : 0;
		if (status == 0 && strlen(digits) > 8)
			status = -ERANGE;
		for (; status == 0 && *digits != '\0'; digits++)
			value = value << 4 | (uint64_t)(*digits <= '9' ? *digits - '0'
								       : (*digits | 32) - 'a' + 10);
	} else {
		status = text_u64_parse(text, UINT32_MAX, &value);
	}
	uint32_t least = dhcp4_value_least(parse->info);
	if (status == -EINVAL)
		return dhcp4_value_fail(
			parse, "'%.40s' is not a number from %u to %u", text, least, max);
	if (status != 0 || value > max)
		return dhcp4_value_fail(parse, "%.40s is above %u", text, max);
	if (value < least)
		return dhcp4_value_fail(parse, "%.40s is below %u", text, least);
	*ret = (uint32_t)value;
	return 0;
}

static int read_u8(struct dhcp4_value_parse *parse, const char *text)
{
	uint32_t value;
	int status = read_number(parse, text, UINT8_MAX, &value);
	if (status == 0)
		cursor_put_u8(&parse->out, (uint8_t)value);
	return status;
}

static int read_u16(struct dhcp4_value_parse *parse, const char *text)
{
	uint32_t value;
	int status = read_number(parse, text, UINT16_MAX, &value);
	if (status == 0)
		cursor_put_u16(&parse->out, (uint16_t)value);
	return status;
}

static int read_u32(struct dhcp4_value_parse *parse, const char *text)
{
	uint32_t value;
	int status = read_number(parse, text, UINT32_MAX, &value);
	if (status == 0)
		cursor_put_u32(&parse->out, value);
	return status;
}

static int read_s32(struct dhcp4_value_parse *parse, const char *text)
{
	bool negative = text[0] == '-';
	uint64_t value;
	int status = text_u64_parse(text + (negative ? 1 : 0), UINT32_MAX, &value);
	if (status == -EINVAL)
		return dhcp4_value_fail(
			parse, "'%.40s' is not a number from -2147483648 to 2147483647", text);
	if (status != 0 || value > (uint64_t)INT32_MAX + (negative ? 1 : 0))
		return dhcp4_value_fail(parse, "%.40s is %s", text,
			negative ? "below -2147483648" : "above 2147483647");
	cursor_put_u32(&parse->out, negative ? 0u - (uint32_t)value : (uint32_t)value);
	return 0;
}

static int read_seconds(struct dhcp4_value_parse *parse, const char *text)
{
	uint64_t ms = 0;
	if (strcasecmp(text, "infinite") == 0) {
		cursor_put_u32(&parse->out, UINT32_MAX);
		return 0;
	}
	int status = text_duration_parse(text, &ms);
	if (status == -EINVAL || (status == 0 && ms % 1000 != 0))
		return dhcp4_value_fail(parse,
			"'%.40s' is not a time in whole seconds, such as 90s, 1h30m, 3600 or "
			"infinite",
			text);
	if (status != 0 || ms / 1000 >= UINT32_MAX)
		return dhcp4_value_fail(
			parse, "%.40s is above %u seconds; write infinite", text, UINT32_MAX - 1);
	cursor_put_u32(&parse->out, (uint32_t)(ms / 1000));
	return 0;
}

static int read_flag(struct dhcp4_value_parse *parse, const char *text)
{
	static const char *const words[2][5] = {
		{"no", "off", "false", "0", "disabled"}, {"yes", "on", "true", "1", "enabled"}};
	for (unsigned value = 0; value < 2; value++) {
		for (size_t i = 0; i < 5; i++) {
			if (strcasecmp(words[value][i], text) == 0) {
				cursor_put_u8(&parse->out, (uint8_t)value);
				return 0;
			}
		}
	}
	return dhcp4_value_fail(parse, "'%.40s' is neither yes nor no", text);
}

static int read_empty(struct dhcp4_value_parse *parse, const char *text)
{
	if (text[0] != '\0')
		return dhcp4_value_fail(
			parse, "'%.40s': the option has no value; write nothing", text);
	return 0;
}

static int read_u8_list(struct dhcp4_value_parse *parse, const char *text)
{
	return read_list(parse, text, false, read_u8);
}

static int read_u16_list(struct dhcp4_value_parse *parse, const char *text)
{
	return read_list(parse, text, false, read_u16);
}

static int read_u32_list(struct dhcp4_value_parse *parse, const char *text)
{
	return read_list(parse, text, false, read_u32);
}

/* --- addresses --- */

static int read_ip4(struct dhcp4_value_parse *parse, const char *text)
{
	uint32_t address;
	if (text_ip4_parse(text, &address) != 0)
		return dhcp4_value_fail(parse, "'%.60s' is not an address such as 10.0.0.1", text);
	cursor_put_u32(&parse->out, address);
	return 0;
}

static int read_mask(struct dhcp4_value_parse *parse, const char *text)
{
	uint32_t address;
	if (text_ip4_parse(text, &address) != 0 || !dhcp4_value_is_mask(address))
		return dhcp4_value_fail(parse, "'%.60s' is not a mask such as 255.255.255.0", text);
	cursor_put_u32(&parse->out, address);
	return 0;
}

static int read_ip4_list(struct dhcp4_value_parse *parse, const char *text)
{
	return read_list(parse, text, false, read_ip4);
}

static int read_ip4_pairs(struct dhcp4_value_parse *parse, const char *text)
{
	size_t before = parse->out.size;
	int status = read_list(parse, text, false, read_ip4);
	if (status == 0 && !parse->out.failed && (parse->out.size - before) % 8 != 0)
		return dhcp4_value_fail(parse, "'%.80s': addresses stand in pairs here", text);
	return status;
}

/* "10.0.0.0/8", "10.0.0.5" (/32) or "default". */
static int read_destination(struct dhcp4_value_parse *parse, const char *text)
{
	uint32_t address;
	unsigned prefix;
	char suggestion[TEXT_CIDR4_BYTES];
	if (strcasecmp(text, "default") == 0) {
		address = 0;
		prefix = 0;
	} else if (text_ip4_parse(text, &address) == 0) {
		prefix = 32;
	} else if (text_cidr4_parse(text, &address, &prefix) != 0) {
		return dhcp4_value_fail(
			parse, "'%.60s' is not a network such as 10.0.0.0/8, nor default", text);
	}
	if ((address & ~text_ip4_mask(prefix)) != 0)
		return dhcp4_value_fail(parse, "%.40s is an address in a network; is it %s?", text,
			text_cidr4_format(address & text_ip4_mask(prefix), prefix, suggestion));
	cursor_put_u8(&parse->out, (uint8_t)prefix);
	for (unsigned i = 0; i < (prefix + 7) / 8; i++)
		cursor_put_u8(&parse->out, (uint8_t)(address >> (24 - 8 * i)));
	return 0;
}

static int read_routes(struct dhcp4_value_parse *parse, const char *text)
{
	struct dhcp4_value_items items = {text, false};
	char item[DHCP4_VALUE_ITEM_BYTES];
	size_t count = 0;
	int status;
	while ((status = dhcp4_value_next(&items, item)) > 0) {
		count++;
		status = read_destination(parse, item);
		if (status != 0)
			return status;
		status = dhcp4_value_next(&items, item);
		if (status > 0 && strcasecmp(item, "via") == 0)
			status = dhcp4_value_next(&items, item);
		if (status <= 0)
			return dhcp4_value_fail(
				parse, "'%.80s': a route is written 10.0.0.0/8 via 10.0.0.1", text);
		status = read_ip4(parse, item);
		if (status != 0)
			return status;
	}
	if (status < 0 || count == 0)
		return dhcp4_value_fail(
			parse, "'%.80s': routes are written 10.0.0.0/8 via 10.0.0.1, ...", text);
	return 0;
}

/* --- texts and names --- */

static int read_text(struct dhcp4_value_parse *parse, const char *text)
{
	for (const char *at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return dhcp4_value_fail(parse,
				"byte %zu is a control character; if it must be, write hex:",
				(size_t)(at - text) + 1);
	}
	if (text[0] == '\0')
		return dhcp4_value_fail(parse, "the value is empty");
	cursor_put_bytes(&parse->out, text, strlen(text));
	return 0;
}

static int take_domain(struct dhcp4_value_parse *parse, const char *text)
{
	if (!dhcp4_domain_is_valid(text))
		return dhcp4_value_fail(parse, "'%.80s' is not a domain name", text);
	dhcp4_domain_put(&parse->out, text);
	return 0;
}

static int take_search(struct dhcp4_value_parse *parse, const char *text)
{
	if (!dhcp4_domain_is_valid(text))
		return dhcp4_value_fail(parse, "'%.80s' is not a domain name", text);
	dhcp4_domain_put_compressed(&parse->out, text);
	return 0;
}

static int read_domain_list(struct dhcp4_value_parse *parse, const char *text)
{
	return read_list(parse, text, false, take_domain);
}

static int read_search_list(struct dhcp4_value_parse *parse, const char *text)
{
	return read_list(parse, text, false, take_search);
}

/* A byte says what follows: 1 addresses, 0 names (RFC 3361 §3). The first item decides. */
static int read_sip(struct dhcp4_value_parse *parse, const char *text)
{
	struct dhcp4_value_items items = {text, false};
	char item[DHCP4_VALUE_ITEM_BYTES];
	uint32_t address;
	bool addresses = dhcp4_value_next(&items, item) > 0 && text_ip4_parse(item, &address) == 0;
	cursor_put_u8(&parse->out, addresses ? 1 : 0);
	return read_list(parse, text, false, addresses ? read_ip4 : take_domain);
}

static int take_class(struct dhcp4_value_parse *parse, const char *text)
{
	size_t length = strlen(text);
	if (length > UINT8_MAX)
		return dhcp4_value_fail(parse, "'%.40s...' is longer than 255 bytes", text);
	cursor_put_u8(&parse->out, (uint8_t)length);
	return read_text(parse, text);
}

static int read_classes(struct dhcp4_value_parse *parse, const char *text)
{
	return read_list(parse, text, true, take_class);
}

/* --- bytes --- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits between separators: one digit, or pairs of them. */
static bool take_digits(struct dhcp4_value_parse *parse, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (hex_digit(text[i]) < 0)
			return false;
	}
	if (length == 1) {
		cursor_put_u8(&parse->out, (uint8_t)hex_digit(text[0]));
		return true;
	}
	for (size_t i = 0; i + 1 < length; i += 2)
		cursor_put_u8(
			&parse->out, (uint8_t)(hex_digit(text[i]) << 4 | hex_digit(text[i + 1])));
	return length > 0 && length % 2 == 0;
}

static bool take_hex(struct dhcp4_value_parse *parse, const char *text)
{
	static const char separators[] = ":- ";
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	size_t length = strcspn(text, separators);
	if (text[length] == '\0' && length % 2 != 0)
		return false;
	for (;;) {
		if (!take_digits(parse, text, length))
			return false;
		if (text[length] == '\0')
			return true;
		text += length + 1;
		length = strcspn(text, separators);
	}
}

static int read_bytes(struct dhcp4_value_parse *parse, const char *text)
{
	if (text[0] == '\0')
		return dhcp4_value_fail(parse, "the value is empty");
	if (!take_hex(parse, text))
		return dhcp4_value_fail(parse,
			"'%.60s' is not hexadecimal such as 0a:0b:0c; before a text write text:",
			text);
	return 0;
}

/* --- prefixes --- */

static int read_any_hex(struct dhcp4_value_parse *parse, const char *text)
{
	return text[0] == '\0' ? 0 : read_bytes(parse, text);
}

static int read_any_text(struct dhcp4_value_parse *parse, const char *text)
{
	return text[0] == '\0' ? 0 : read_text(parse, text);
}

typedef int (*read_fn)(struct dhcp4_value_parse *parse, const char *text);

struct prefix {
	const char *word;
	read_fn read;
};

static const struct prefix prefixes[] = {
	{"hex:", read_any_hex},
	{"text:", read_any_text},
	{"ip:", read_ip4_list},
	{"u8:", read_u8_list},
	{"u16:", read_u16_list},
	{"u32:", read_u32_list},
	{"flag:", read_flag},
};

static const struct prefix *find_prefix(const char *text)
{
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		if (strncmp(text, prefixes[i].word, strlen(prefixes[i].word)) == 0)
			return &prefixes[i];
	}
	return NULL;
}

bool dhcp4_value_has_prefix(const char *text)
{
	return find_prefix(text) != NULL;
}

static int read_prefixed(struct dhcp4_value_parse *parse, const char *text)
{
	const struct prefix *prefix = find_prefix(text);
	if (prefix == NULL)
		return dhcp4_value_fail(parse,
			"'%.60s': say what it is by hex:, text:, ip:, u8:, u16:, u32: or flag: "
			"before it",
			text);
	parse->info = NULL; /* the prefix says all; the option's own limits do not count */
	return prefix->read(parse, text + strlen(prefix->word));
}

/* --- values by enterprise --- */

/* The number at *text, up to `max`, and the byte `after` it; *text moves past both. */
static bool take_number(const char **text, char after, uint64_t max, uint32_t *ret)
{
	char digits[16];
	uint64_t value;
	const char *end = strchr(*text, after);
	if (end == NULL || (size_t)(end - *text) >= sizeof digits)
		return false;
	memcpy(digits, *text, (size_t)(end - *text));
	digits[end - *text] = '\0';
	if (text_u64_parse(digits, max, &value) != 0)
		return false;
	*ret = (uint32_t)value;
	*text = end + 1;
	return true;
}

/* A prefixed value behind its length, which is one byte. */
static int take_sized(struct dhcp4_value_parse *parse, const char *text)
{
	size_t at = parse->out.size;
	cursor_put_u8(&parse->out, 0);
	int status = read_prefixed(parse, text);
	if (status != 0 || parse->out.failed)
		return status;
	size_t size = parse->out.size - at - 1;
	if (size > UINT8_MAX)
		return dhcp4_value_fail(parse, "'%.40s...' is longer than 255 bytes", text);
	parse->out.data[at] = (uint8_t)size;
	return 0;
}

static int take_vivco(struct dhcp4_value_parse *parse, const char *item)
{
	uint32_t enterprise;
	const char *text = item;
	if (!take_number(&text, '=', UINT32_MAX, &enterprise))
		return dhcp4_value_fail(
			parse, "'%.60s': write ENTERPRISE=VALUE, such as 4491=text:a", item);
	cursor_put_u32(&parse->out, enterprise);
	return take_sized(parse, text);
}

static int read_vivco(struct dhcp4_value_parse *parse, const char *text)
{
	return read_list(parse, text, true, take_vivco);
}

/* Sub-options of one enterprise that follow each other share one length (RFC 3925 §4), which lies
 * 5 bytes before the first of them. */
static int read_vivso(struct dhcp4_value_parse *parse, const char *text)
{
	struct dhcp4_value_items items = {text, true};
	char item[DHCP4_VALUE_ITEM_BYTES];
	struct cursor_writer *out = &parse->out;
	size_t block = 0;
	uint32_t last = 0;
	bool has_block = false;
	int status;
	while ((status = dhcp4_value_next(&items, item)) > 0) {
		const char *at = item;
		uint32_t enterprise, code;
		if (!take_number(&at, '.', UINT32_MAX, &enterprise) ||
			!take_number(&at, '=', UINT8_MAX, &code))
			return dhcp4_value_fail(parse,
				"'%.60s': write ENTERPRISE.CODE=VALUE, such as 4491.1=text:a",
				item);
		if (!has_block || enterprise != last) {
			cursor_put_u32(out, enterprise);
			cursor_put_u8(out, 0);
			block = out->size;
			last = enterprise;
			has_block = true;
		}
		cursor_put_u8(out, (uint8_t)code);
		status = take_sized(parse, at);
		if (status != 0 || out->failed)
			return status;
		if (out->size - block > UINT8_MAX)
			return dhcp4_value_fail(
				parse, "more than 255 bytes for enterprise %u", enterprise);
		out->data[block - 1] = (uint8_t)(out->size - block);
	}
	if (status < 0 || !has_block)
		return dhcp4_value_fail(parse, "'%.80s': write ENTERPRISE.CODE=VALUE, ...", text);
	return 0;
}

static const read_fn readers[DHCP4_FORMAT_COUNT] = {
	[DHCP4_FORMAT_BYTES] = read_bytes,
	[DHCP4_FORMAT_FLAG] = read_flag,
	[DHCP4_FORMAT_EMPTY] = read_empty,
	[DHCP4_FORMAT_U8] = read_u8,
	[DHCP4_FORMAT_U16] = read_u16,
	[DHCP4_FORMAT_U32] = read_u32,
	[DHCP4_FORMAT_S32] = read_s32,
	[DHCP4_FORMAT_SECONDS] = read_seconds,
	[DHCP4_FORMAT_U8_LIST] = read_u8_list,
	[DHCP4_FORMAT_U16_LIST] = read_u16_list,
	[DHCP4_FORMAT_U32_LIST] = read_u32_list,
	[DHCP4_FORMAT_IP4] = read_ip4,
	[DHCP4_FORMAT_IP4_LIST] = read_ip4_list,
	[DHCP4_FORMAT_IP4_PAIRS] = read_ip4_pairs,
	[DHCP4_FORMAT_MASK] = read_mask,
	[DHCP4_FORMAT_TEXT] = read_text,
	[DHCP4_FORMAT_DOMAIN] = take_domain,
	[DHCP4_FORMAT_DOMAIN_LIST] = read_domain_list,
	[DHCP4_FORMAT_SEARCH_LIST] = read_search_list,
	[DHCP4_FORMAT_ROUTES] = read_routes,
	[DHCP4_FORMAT_SIP] = read_sip,
	[DHCP4_FORMAT_CLASSES] = read_classes,
	[DHCP4_FORMAT_VIVCO] = read_vivco,
	[DHCP4_FORMAT_VIVSO] = read_vivso,
};

int dhcp4_value_read(struct dhcp4_value_parse *parse, const char *text)
{
	int status;
	if (parse->info == NULL || dhcp4_value_has_prefix(text))
		status = read_prefixed(parse, text);
	else
		status = readers[parse->info->format](parse, text);
	if (status == 0 && parse->out.failed)
		status = dhcp4_value_fail(
			parse, "the value is longer than %zu bytes", parse->out.capacity);
	return status;
}
