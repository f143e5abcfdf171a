#include "ctl/import_option.h"

#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct foreign_name {
	const char *name;
	uint8_t code;
	enum import_type type;
};

/* Names that differ from ours, and those whose values need more than our table says. ISC dhcpd and
 * Kea share most of theirs; dnsmasq has its own. */
static const struct foreign_name foreign_names[] = {
	{"netmask", 1, IMPORT_IP},
	{"router", 3, IMPORT_IP},
	{"ien116-name-servers", 5, IMPORT_IP},
	{"domain-name-servers", 6, IMPORT_IP},
	{"dns-server", 6, IMPORT_IP},
	{"log-server", 7, IMPORT_IP},
	{"lpr-server", 9, IMPORT_IP},
	{"hostname", 12, IMPORT_STRING},
	{"boot-size", 13, IMPORT_U16},
	{"boot-file-size", 13, IMPORT_U16},
	{"extension-path", 18, IMPORT_STRING},
	{"ip-forward-enable", 19, IMPORT_FLAG},
	{"max-datagram-reassembly", 22, IMPORT_U16},
	{"default-ttl", 23, IMPORT_U8},
	{"path-mtu-plateau-table", 25, IMPORT_U16},
	{"mtu", 26, IMPORT_U16},
	{"broadcast", 28, IMPORT_IP},
	{"router-solicitation", 32, IMPORT_IP},
	{"static-route", 33, IMPORT_IP},
	{"arp-timeout", 35, IMPORT_U32},
	{"ethernet-encap", 36, IMPORT_FLAG},
	{"tcp-ttl", 37, IMPORT_U8},
	{"tcp-keepalive", 38, IMPORT_U32},
	{"nis-server", 41, IMPORT_IP},
	{"ntp-server", 42, IMPORT_IP},
	{"vendor-encapsulated-options", 43, IMPORT_HEX},
	{"vendor-encap", 43, IMPORT_HEX},
	{"netbios-ns", 44, IMPORT_IP},
	{"netbios-dd", 45, IMPORT_IP},
	{"netbios-dd-server", 45, IMPORT_IP},
	{"netbios-nodetype", 46, IMPORT_U8},
	{"x-windows-fs", 48, IMPORT_IP},
	{"x-windows-dm", 49, IMPORT_IP},
	{"x-display-manager", 49, IMPORT_IP},
	{"dhcp-requested-address", 50, IMPORT_IP},
	{"dhcp-lease-time", 51, IMPORT_U32},
	{"dhcp-option-overload", 52, IMPORT_U8},
	{"dhcp-message-type", 53, IMPORT_U8},
	{"dhcp-server-identifier", 54, IMPORT_IP},
	{"dhcp-parameter-request-list", 55, IMPORT_U8},
	{"parameter-request", 55, IMPORT_U8},
	{"dhcp-message", 56, IMPORT_STRING},
	{"dhcp-max-message-size", 57, IMPORT_U16},
	{"dhcp-renewal-time", 58, IMPORT_U32},
	{"T1", 58, IMPORT_U32},
	{"dhcp-rebinding-time", 59, IMPORT_U32},
	{"T2", 59, IMPORT_U32},
	{"vendor-class-identifier", 60, IMPORT_STRING},
	{"dhcp-client-identifier", 61, IMPORT_HEX},
	{"nwip-domain-name", 62, IMPORT_STRING},
	{"nwip-suboptions", 63, IMPORT_HEX},
	{"nisplus-domain-name", 64, IMPORT_STRING},
	{"nis+-domain", 64, IMPORT_STRING},
	{"nis+-server", 65, IMPORT_IP},
	{"tftp-server-name", 66, IMPORT_STRING},
	{"tftp-server", 66, IMPORT_STRING},
	{"bootfile-name", 67, IMPORT_STRING},
	{"boot-file-name", 67, IMPORT_STRING},
	{"mobile-ip-home-agent", 68, IMPORT_IP},
	{"mobile-ip-home", 68, IMPORT_IP},
	{"smtp-server", 69, IMPORT_IP},
	{"pop-server", 70, IMPORT_IP},
	{"pop3-server", 70, IMPORT_IP},
	{"nntp-server", 71, IMPORT_IP},
	{"www-server", 72, IMPORT_IP},
	{"finger-server", 73, IMPORT_IP},
	{"irc-server", 74, IMPORT_IP},
	{"streettalk-server", 75, IMPORT_IP},
	{"streettalk-directory-assistance-server", 76, IMPORT_IP},
	{"user-class", 77, IMPORT_STRING},
	{"slp-service-scope", 79, IMPORT_HEX},
	{"slp-directory-agent", 78, IMPORT_HEX},
	{"fqdn", 81, IMPORT_HEX},
	{"FQDN", 81, IMPORT_HEX},
	{"dhcp-agent-options", 82, IMPORT_HEX},
	{"agent-info", 82, IMPORT_HEX},
	{"nds-servers", 85, IMPORT_IP},
	{"nds-tree-name", 86, IMPORT_STRING},
	{"nds-context", 87, IMPORT_STRING},
	{"bcms-controller-names", 88, IMPORT_DOMAINS},
	{"bcms-controller-address", 89, IMPORT_IP},
	{"client-system", 93, IMPORT_U16},
	{"client-arch", 93, IMPORT_U16},
	{"client-ndi", 94, IMPORT_HEX},
	{"client-interface-id", 94, IMPORT_HEX},
	{"uuid-guid", 97, IMPORT_HEX},
	{"client-machine-id", 97, IMPORT_HEX},
	{"uap-servers", 98, IMPORT_STRING},
	{"geoconf-civic", 99, IMPORT_HEX},
	{"pcode", 100, IMPORT_STRING},
	{"tcode", 101, IMPORT_STRING},
	{"ipv6-only", 108, IMPORT_U32},
	{"netinfo-server-address", 112, IMPORT_IP},
	{"netinfo-server-tag", 113, IMPORT_STRING},
	{"default-url", 114, IMPORT_STRING},
	{"v4-captive-portal", 114, IMPORT_STRING},
	{"auto-config", 116, IMPORT_U8},
	{"name-service-search", 117, IMPORT_U16},
	{"subnet-select", 118, IMPORT_IP},
	{"domain-search", 119, IMPORT_DOMAINS},
	{"classless-static-route", 121, IMPORT_ROUTES},
	{"classless-static-routes", 121, IMPORT_ROUTES},
	{"rfc3442-classless-static-routes", 121, IMPORT_HEX},
	{"vivco-suboptions", 124, IMPORT_HEX},
	{"vivso-suboptions", 125, IMPORT_HEX},
	{"vendor-id-encap", 125, IMPORT_HEX},
	{"pana-agent", 136, IMPORT_IP},
	{"v4-lost", 137, IMPORT_DOMAINS},
	{"capwap-ac-v4", 138, IMPORT_IP},
	{"sip-ua-cs-domains", 141, IMPORT_DOMAINS},
	{"rdnss-selection", 146, IMPORT_HEX},
	{"v4-portparams", 159, IMPORT_HEX},
	{"option-6rd", 212, IMPORT_HEX},
	{"v4-access-domain", 213, IMPORT_DOMAINS},
	{"wpad-url", 252, IMPORT_STRING},
};
#define FOREIGN_COUNT (sizeof foreign_names / sizeof foreign_names[0])

static enum import_type type_of_format(enum dhcp4_format format)
{
	static const struct {
		enum dhcp4_format format;
		enum import_type type;
	} types[] = {{DHCP4_FORMAT_FLAG, IMPORT_FLAG}, {DHCP4_FORMAT_U8, IMPORT_U8},
		{DHCP4_FORMAT_U8_LIST, IMPORT_U8}, {DHCP4_FORMAT_U16, IMPORT_U16},
		{DHCP4_FORMAT_U16_LIST, IMPORT_U16}, {DHCP4_FORMAT_U32, IMPORT_U32},
		{DHCP4_FORMAT_S32, IMPORT_U32}, {DHCP4_FORMAT_SECONDS, IMPORT_U32},
		{DHCP4_FORMAT_U32_LIST, IMPORT_U32}, {DHCP4_FORMAT_IP4, IMPORT_IP},
		{DHCP4_FORMAT_IP4_LIST, IMPORT_IP}, {DHCP4_FORMAT_IP4_PAIRS, IMPORT_IP},
		{DHCP4_FORMAT_MASK, IMPORT_IP}, {DHCP4_FORMAT_TEXT, IMPORT_STRING},
		{DHCP4_FORMAT_DOMAIN, IMPORT_DOMAINS}, {DHCP4_FORMAT_DOMAIN_LIST, IMPORT_DOMAINS},
		{DHCP4_FORMAT_SEARCH_LIST, IMPORT_DOMAINS}, {DHCP4_FORMAT_ROUTES, IMPORT_ROUTES}};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (types[i].format == format) {
			return types[i].type;
		}
	}
	return IMPORT_HEX;
}

enum import_type import_option_type(unsigned code)
{
	for (size_t i = 0; i < FOREIGN_COUNT; i++) {
		if (foreign_names[i].code == code) {
			return foreign_names[i].type;
		}
	}
	const struct dhcp4_option_info *info =
		code > 0 && code < 255 ? dhcp4_option_info((uint8_t)code) : NULL;
	enum import_type type = info != NULL ? type_of_format(info->format) : IMPORT_GUESS;
	return type == IMPORT_HEX ? IMPORT_GUESS : type;
}

unsigned import_option_code(const char *name, enum import_type *ret_type)
{
	for (size_t i = 0; i < FOREIGN_COUNT; i++) {
		if (strcasecmp(foreign_names[i].name, name) == 0) {
			*ret_type = foreign_names[i].type;
			return foreign_names[i].code;
		}
	}
	const struct dhcp4_option_info *info = dhcp4_option_info_by_name(name);
	if (info == NULL) {
		return 0;
	}
	*ret_type = import_option_type(info->code);
	return info->code;
}

/* --- words to bytes --- */

static int put(struct import_bytes *bytes, const void *data, size_t size)
{
	if (sizeof bytes->data - bytes->size < size) {
		return -E2BIG;
	}
	if (size > 0) {
		memcpy(bytes->data + bytes->size, data, size);
	}
	bytes->size += size;
	return 0;
}

static int put_number(struct import_bytes *bytes, uint64_t value, size_t size)
{
	uint8_t data[8];

	for (size_t i = 0; i < size; i++) {
		data[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
	}
	return put(bytes, data, size);
}

/* Decimal, 0x.., or negative (two's complement, option 2). */
static int encode_number(const char *word, size_t size, struct import_bytes *bytes)
{
	char *end;

	if (!isdigit((unsigned char)word[0]) && word[0] != '-') {
		return -EINVAL;
	}
	errno = 0;
	long long value = strtoll(word, &end, strncasecmp(word, "0x", 2) == 0 ? 16 : 10);
	long long limit = 1LL << (8 * size);
	if (*end != '\0' || end == word || errno != 0 || value >= limit || value < -(limit / 2)) {
		return -EINVAL;
	}
	return put_number(bytes, (uint64_t)value, size);
}

static int encode_flag(const char *word, struct import_bytes *bytes)
{
	static const char *const yes[] = {"1", "true", "on", "yes"};
	static const char *const no[] = {"0", "false", "off", "no"};

	for (size_t i = 0; i < 4; i++) {
		if (strcasecmp(word, yes[i]) == 0 || strcasecmp(word, no[i]) == 0) {
			return put_number(bytes, strcasecmp(word, yes[i]) == 0 ? 1 : 0, 1);
		}
	}
	return -EINVAL;
}

static int encode_hex(const char *word, struct import_bytes *bytes)
{
	unsigned digits = 0, value = 0;

	word += strncasecmp(word, "0x", 2) == 0 ? 2 : 0;
	bool parted = strchr(word, ':') != NULL || strchr(word, ' ') != NULL;
	for (;; word++) {
		if (isxdigit((unsigned char)*word)) {
			value = value << 4 |
				(unsigned)(isdigit((unsigned char)*word)
						   ? *word - '0'
						   : tolower((unsigned char)*word) - 'a' + 10);
			digits++;
		} else if (*word != ':' && *word != ' ' && *word != '\0') {
			return -EINVAL;
		}
		/* "0:1:aa": a single digit between colons is a byte, too. */
		bool ends = *word == ':' || *word == ' ' || *word == '\0';
		if (digits == 2 || (ends && digits == 1 && parted)) {
			if (put_number(bytes, value, 1) != 0) {
				return -E2BIG;
			}
			digits = value = 0;
		}
		if (*word == '\0') {
			return digits == 0 ? 0 : -EINVAL;
		}
	}
}

static int encode_domain(const char *word, struct import_bytes *bytes)
{
	size_t total = 0;

	while (*word != '\0') {
		size_t length = strcspn(word, ".");

		if (length == 0 || length > 63 || (total += length + 1) > 254) {
			return -EINVAL;
		}
		if (put_number(bytes, length, 1) != 0 || put(bytes, word, length) != 0) {
			return -E2BIG;
		}
		word += length + (word[length] == '.' ? 1 : 0);
	}
	return total == 0 ? -EINVAL : put_number(bytes, 0, 1);
}

static int encode_ip(const char *word, struct import_bytes *bytes)
{
	uint32_t ip;

	return text_ip4_parse(word, &ip) != 0 ? -EINVAL : put_number(bytes, ip, 4);
}

/* "10.0.0.0/8" and "10.0.0.0" (a host): length, then as many bytes as it takes. */
static int encode_net(const char *word, struct import_bytes *bytes)
{
	uint32_t ip;
	unsigned prefix = 32;

	if (text_cidr4_parse(word, &ip, &prefix) != 0 && text_ip4_parse(word, &ip) != 0) {
		return -EINVAL;
	}
	size_t size = (prefix + 7) / 8;
	if (put_number(bytes, prefix, 1) != 0) {
		return -E2BIG;
	}
	return put_number(bytes, size == 0 ? 0 : ip >> (8 * (4 - size)), size);
}

/* "5i", "5b", "5s": a number of 4, 1, 2 bytes; without a letter as many as it needs. */
static int encode_sized(const char *word, struct import_bytes *bytes)
{
	size_t length = strlen(word);
	char digits[24], last = length > 0 ? word[length - 1] : '\0';
	size_t size = last == 'i' ? 4 : last == 's' ? 2 : last == 'b' ? 1 : 0;
	uint64_t value;

	length -= size > 0 ? 1 : 0;
	if (length == 0 || length >= sizeof digits) {
		return -EINVAL;
	}
	memcpy(digits, word, length);
	digits[length] = '\0';
	if (text_u64_parse(digits, UINT32_MAX, &value) != 0) {
		return -EINVAL;
	}
	if (size == 0) {
		size = value > UINT16_MAX ? 4 : value > UINT8_MAX ? 2 : 1;
	}
	return value >> (8 * size) != 0 ? -EINVAL : put_number(bytes, value, size);
}

static int encode_guess(const char *word, struct import_bytes *bytes)
{
	int result = encode_ip(word, bytes);

	if (result == -EINVAL) {
		result = encode_sized(word, bytes);
	}
	if (result == -EINVAL && strchr(word, ':') != NULL) {
		size_t before = bytes->size;

		result = encode_hex(word, bytes);
		bytes->size = result != 0 ? before : bytes->size;
	}
	return result == -EINVAL ? put(bytes, word, strlen(word)) : result;
}

static int encode_word(
	enum import_type type, const char *word, size_t index, struct import_bytes *bytes)
{
	switch (type) {
	case IMPORT_HEX: return encode_hex(word, bytes);
	case IMPORT_FLAG: return encode_flag(word, bytes);
	case IMPORT_U8: return encode_number(word, 1, bytes);
	case IMPORT_U16: return encode_number(word, 2, bytes);
	case IMPORT_U32: return encode_number(word, 4, bytes);
	case IMPORT_IP: return encode_ip(word, bytes);
	case IMPORT_STRING: return put(bytes, word, strlen(word));
	case IMPORT_DOMAINS: return encode_domain(word, bytes);
	case IMPORT_ROUTES:
		return index % 2 == 0 ? encode_net(word, bytes) : encode_ip(word, bytes);
	case IMPORT_GUESS: return encode_guess(word, bytes);
	}
	return -EINVAL;
}

static const char *type_text(enum import_type type)
{
	switch (type) {
	case IMPORT_HEX: return "hexadecimal bytes";
	case IMPORT_FLAG: return "yes or no";
	case IMPORT_U8: return "a number up to 255";
	case IMPORT_U16: return "a number up to 65535";
	case IMPORT_U32: return "a number";
	case IMPORT_IP: return "an IPv4 address";
	case IMPORT_DOMAINS: return "a domain name";
	case IMPORT_ROUTES: return "a network or a router";
	case IMPORT_STRING:
	case IMPORT_GUESS: break;
	}
	return "a value";
}

int import_encode(struct import *im, enum import_type type, const char *const *words, size_t count,
	struct import_bytes *bytes, const char **ret_why)
{
	for (size_t i = 0; i < count; i++) {
		size_t before = bytes->size;
		/* A comma in a text is part of it. */
		int result = i > 0 && type == IMPORT_STRING ? put(bytes, ",", 1) : 0;

		if (result == 0) {
			result = encode_word(type, words[i], i, bytes);
		}
		if (result != 0) {
			bytes->size = before;
			*ret_why = result == -E2BIG ? import_text(im, "the value is too long")
						    : import_text(im, "'%s' is not %s", words[i],
							      type_text(type));
			return result;
		}
	}
	if (type == IMPORT_ROUTES && count % 2 != 0) {
		*ret_why = import_text(im, "a network without a router");
		return -EINVAL;
	}
	return 0;
}

/* --- bytes to the texts of the site file --- */

static uint32_t number_at(const uint8_t *data)
{
	return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static void put_ips(struct import *im, struct import_node *map, const char *key, bool list,
	const struct import_bytes *bytes)
{
	char text[TEXT_IP4_BYTES];

	for (size_t at = 0; at + 4 <= bytes->size; at += 4) {
		text_ip4_format(number_at(bytes->data + at), text);
		if (list) {
			import_add(im, map, key, text);
		} else {
			import_set(im, map, key, text);
		}
	}
}

static void put_value(struct import *im, struct import_node *map, const char *key,
	const struct dhcp4_option_info *info, const struct import_bytes *bytes)
{
	size_t capacity = 4 * bytes->size + 64;
	char *text = import_alloc(im, capacity);
	size_t length = dhcp4_value_format(info, bytes->data, bytes->size, text, capacity);

	if (info != NULL && info->format == DHCP4_FORMAT_IP4_LIST && bytes->size > 0 &&
		bytes->size % 4 == 0) {
		put_ips(im, map, key, true, bytes);
		return;
	}
	if (length >= capacity) {
		capacity = length + 1;
		text = import_alloc(im, capacity);
		dhcp4_value_format(info, bytes->data, bytes->size, text, capacity);
	}
	import_set(im, map, key, text);
}

/* What a subnet has a field of its own for. */
static const char *subnet_field(
	const struct import_option *option, const struct import_bytes *bytes)
{
	if (option->space != IMPORT_DHCP || option->always) {
		return NULL;
	}
	switch (option->code) {
	case 3: return bytes->size == 4 ? "gateway" : NULL;
	case 6: return "dns";
	case 15: return "domain";
	case 26: return "mtu";
	case 42: return "ntp";
	default: return NULL;
	}
}

static const char *option_key(struct import *im, const struct dhcp4_value_option *option)
{
	char name[DHCP4_VALUE_NAME_BYTES];

	return import_text(im, "%s", dhcp4_value_format_name(option, name));
}

struct import_node *import_put_option(struct import *im, struct import_node *object,
	const struct import_option *option, const struct import_bytes *bytes)
{
	bool subnet = object->parent != NULL && object->parent->key != NULL &&
		      strcmp(object->parent->key, "subnets") == 0;
	const char *field = subnet ? subnet_field(option, bytes) : NULL;
	struct dhcp4_value_option *named = import_alloc(im, sizeof *named);

	named->space = (enum dhcp4_value_space)option->space;
	named->enterprise = option->enterprise;
	named->code = (uint8_t)option->code;
	named->always = option->always;
	struct import_node *map = field != NULL ? object : import_map(im, object, "options");
	const char *key = field != NULL ? field : option_key(im, named);
	struct import_node *old = import_child(map, key);

	if (old != NULL) {
		import_drop(old);
	}
	if (field != NULL && option->code == 3) {
		put_ips(im, map, key, false, bytes);
	} else {
		put_value(im, map, key, dhcp4_value_info(named), bytes);
	}
	import_child(map, key)->replaced = old != NULL;
	return import_child(map, key);
}
