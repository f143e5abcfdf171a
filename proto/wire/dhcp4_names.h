/* proto/wire/dhcp4_names.h: names of DHCP options, message types and client architectures, both
 * ways.
 *
 * Pure tables. The names are what site files, pxectl and events use.
 */
#ifndef PROTO_WIRE_DHCP4_NAMES_H
#define PROTO_WIRE_DHCP4_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP4_ARCH_BIOS       0
#define DHCP4_ARCH_UEFI_X86   6
#define DHCP4_ARCH_UEFI_X64   7
#define DHCP4_ARCH_UEFI_EBC   9 /* x64 firmware sends it (RFC 4578 erratum, FIELD 24) */
#define DHCP4_ARCH_UEFI_ARM32 10
#define DHCP4_ARCH_UEFI_ARM64 11
#define DHCP4_ARCH_X86_HTTP   15
#define DHCP4_ARCH_X64_HTTP   16
#define DHCP4_ARCH_ARM64_HTTP 19
#define DHCP4_ARCH_RISCV64    27
#define DHCP4_ARCH_RPI        41

/* "uefi-x64" for 7 and 9; NULL for a number that the IANA registry does not name. */
const char *dhcp4_arch_name(uint16_t arch);

/* A name of the table ("uefi-x64" is 7), dnsmasq's name for it ("x86-64_EFI") or a decimal number
 * up to 65535; -1 for anything else. */
int32_t dhcp4_arch_parse(const char *text);

/* Is it an architecture that boots by HTTP (option 60 HTTPClient)? Is it UEFI of any kind? false
 * for numbers without a name. */
bool dhcp4_arch_is_http(uint16_t arch);
bool dhcp4_arch_is_uefi(uint16_t arch);

/* The table in the order of numbers, for lists and completion: NULL past the last entry. */
const char *dhcp4_arch_at(size_t index, uint16_t *ret_arch);

/* What a value is, and so how it is written; dhcp4_value.h reads and writes the texts. */
enum dhcp4_format {
	DHCP4_FORMAT_BYTES, /* hexadecimal */
	DHCP4_FORMAT_FLAG,  /* one byte, 0 or 1 */
	DHCP4_FORMAT_EMPTY, /* no bytes: the option's presence says all */
	DHCP4_FORMAT_U8,    /* numbers, in network order */
	DHCP4_FORMAT_U16,
	DHCP4_FORMAT_U32,
	DHCP4_FORMAT_S32,
	DHCP4_FORMAT_SECONDS, /* 32 bits; all ones: infinite */
	DHCP4_FORMAT_U8_LIST,
	DHCP4_FORMAT_U16_LIST,
	DHCP4_FORMAT_U32_LIST,
	DHCP4_FORMAT_IP4,
	DHCP4_FORMAT_IP4_LIST,
	DHCP4_FORMAT_IP4_PAIRS, /* two addresses each */
	DHCP4_FORMAT_MASK,      /* an address whose ones come first */
	DHCP4_FORMAT_TEXT,
	DHCP4_FORMAT_DOMAIN,      /* one name, as labels (RFC 1035 §3.1) */
	DHCP4_FORMAT_DOMAIN_LIST, /* names, as labels */
	DHCP4_FORMAT_SEARCH_LIST, /* names, compressed (RFC 3397) */
	DHCP4_FORMAT_ROUTES,      /* RFC 3442 */
	DHCP4_FORMAT_SIP,         /* addresses or names (RFC 3361) */
	DHCP4_FORMAT_CLASSES,     /* strings behind their lengths (RFC 3004) */
	DHCP4_FORMAT_VIVCO,       /* bytes per enterprise (RFC 3925 §3) */
	DHCP4_FORMAT_VIVSO,       /* sub-options per enterprise (RFC 3925 §4) */
};
#define DHCP4_FORMAT_COUNT (DHCP4_FORMAT_VIVSO + 1)

/* "address", "addresses", "yes or no": what to write, for help and for tables of options. */
const char *dhcp4_format_name(enum dhcp4_format format);

/* An example of it that dhcp4_value_parse() takes: "10.0.0.1, 10.0.0.2". */
const char *dhcp4_format_example(enum dhcp4_format format);

struct dhcp4_option_info {
	uint8_t code;
	enum dhcp4_format format;
	const char *name; /* "dns-servers" */
};

/* NULL if the table does not know it: not registered, or for private use. */
const struct dhcp4_option_info *dhcp4_option_info(uint8_t code);

/* By the table's name, or by another one that people know it by: of dnsmasq ("router",
 * "dns-server"), of ISC dhcpd and Kea ("domain-name-servers", "boot-file-name"). Letters of either
 * case. NULL for any other text; numbers are not names. */
const struct dhcp4_option_info *dhcp4_option_info_by_name(const char *name);

/* The table in the order of codes, for lists, help and completion: NULL past the last entry. */
const struct dhcp4_option_info *dhcp4_option_at(size_t index);

/* The other names of an option, one by one: NULL past the last one. */
const char *dhcp4_option_synonym_at(uint8_t code, size_t index);

/* "DISCOVER"; "BOOTP" for 0; NULL for a number without a name. */
const char *dhcp4_type_name(unsigned type);

#endif
