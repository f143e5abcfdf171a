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

/* A name of the table ("uefi-x64" is 7) or a decimal number up to 65535; -1 for anything else. */
int32_t dhcp4_arch_parse(const char *text);

/* Is it an architecture that boots by HTTP (option 60 HTTPClient)? Is it UEFI of any kind? */
bool dhcp4_arch_is_http(uint16_t arch);
bool dhcp4_arch_is_uefi(uint16_t arch);

/* The table in order, for lists and completion: NULL past the last entry. */
const char *dhcp4_arch_at(size_t index, uint16_t *ret_arch);

/* How a value is written in a site file. */
enum dhcp4_format {
	DHCP4_FORMAT_BYTES, /* hexadecimal */
	DHCP4_FORMAT_FLAG,  /* one byte, 0 or 1 */
	DHCP4_FORMAT_U8,
	DHCP4_FORMAT_U16,
	DHCP4_FORMAT_U32,
	DHCP4_FORMAT_IP4,
	DHCP4_FORMAT_IP4_LIST,
	DHCP4_FORMAT_TEXT,
};

struct dhcp4_option_info {
	uint8_t code;
	enum dhcp4_format format;
	const char *name; /* "dns-servers" */
};

/* NULL if the table does not know it. */
const struct dhcp4_option_info *dhcp4_option_info(uint8_t code);
const struct dhcp4_option_info *dhcp4_option_info_by_name(const char *name);

/* "DISCOVER"; "BOOTP" for 0; NULL for a number without a name. */
const char *dhcp4_type_name(unsigned type);

#endif
