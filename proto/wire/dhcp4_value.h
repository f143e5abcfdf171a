/* proto/wire/dhcp4_value.h: the values of DHCP options as people write them, both ways.
 *
 * Pure: no heap, no I/O. The format of an option comes from the table of dhcp4_names.h:
 *
 *     10.0.0.1, 10.0.0.2                              addresses
 *     10.1.0.0 10.0.0.1, 10.2.0.0 10.0.0.2            pairs of addresses (21, 33)
 *     10.0.0.0/8 via 10.0.0.1, default via 10.0.0.2   routes (121, 249; RFC 3442)
 *     lab.example, example                            domain names (119: compressed, RFC 3397)
 *     yes, no                                         flags; also on, off, true, false, 1, 0
 *     9000, 0x1f                                      numbers
 *     1h30m, 90s, 5400, infinite                      durations, sent as seconds
 *     aa:bb, 0xaabb, aabb                             bytes
 *     4491=text:a, 9=hex:01                           124; 4491.1=text:a for 125 (RFC 3925)
 *
 * The items of a list stand apart by commas, blanks or both (routes, 77, 124 and 125: by commas).
 *
 * For every option, also one without a known format, the prefixes hex: text: ip: u8: u16: u32: and
 * flag: say what the bytes are; to send a text that begins with such a word, write text: before it.
 */
#ifndef PROTO_WIRE_DHCP4_VALUE_H
#define PROTO_WIRE_DHCP4_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/dhcp4_names.h"

#define DHCP4_VALUE_MAX         1024 /* bytes of one value; more than 255 go in pieces (RFC 3396) */
#define DHCP4_VALUE_ERROR_BYTES 256  /* room for any message of this file */
#define DHCP4_VALUE_NAME_BYTES  64   /* room for any name of an option: "!125.4294967295.255" */

/* Read `text` as a value of the option `info`; NULL: an option without a known format, which needs
 * a prefix. 0, or -EINVAL with a message in `ret_error` ("interface-mtu: 70000 is above 65535"; no
 * newline, cut to `error_bytes`), all other outputs untouched. `ret_error` may be NULL if
 * `error_bytes` is 0. */
__attribute__((warn_unused_result)) int dhcp4_value_parse(const struct dhcp4_option_info *info,
	const char *text, uint8_t *ret, size_t capacity, size_t *ret_size, char *ret_error,
	size_t error_bytes);

/* The text of a value; bytes that are not of the option's form come as "text:.." or "hex:..".
 * Total. Returns the length of the whole text without its NUL; when that is not below `capacity`,
 * the text is cut (always with a NUL, unless `capacity` is 0). What it writes dhcp4_value_parse()
 * reads back to the same bytes, but for the compression of domain names. */
size_t dhcp4_value_format(const struct dhcp4_option_info *info, const uint8_t *data, size_t size,
	char *ret, size_t capacity);

/* Where an option stands; the numbers are those of enum OptionSpace in records.proto. */
enum dhcp4_value_space {
	DHCP4_VALUE_DHCP = 0,   /* the options field itself */
	DHCP4_VALUE_VENDOR = 1, /* a sub-option of 43 */
	DHCP4_VALUE_VIVSO = 2,  /* of 125, for one enterprise (RFC 3925) */
};

struct dhcp4_value_option {
	enum dhcp4_value_space space;
	uint32_t enterprise; /* DHCP4_VALUE_VIVSO only, else 0 */
	uint8_t code;
	bool always; /* also to a client that did not ask for it */
	bool none;   /* "NAME=none": the option is to be removed; no data */
	size_t size;
	uint8_t data[DHCP4_VALUE_MAX];
};

/* "routers", "router", "3", "vendor.6" or "43.6", "125.3561.1"; each may begin with '!' (always).
 * Fills all but the value, which becomes empty. 0 or -EINVAL as above. */
__attribute__((warn_unused_result)) int dhcp4_value_parse_name(
	const char *name, struct dhcp4_value_option *ret, char *ret_error, size_t error_bytes);

/* "NAME=VALUE": "router=10.0.0.1", "150=ip:10.0.0.1", "!vendor.6=u8:8", "mtu=none". 0 or -EINVAL as
 * above. */
__attribute__((warn_unused_result)) int dhcp4_value_parse_option(
	const char *text, struct dhcp4_value_option *ret, char *ret_error, size_t error_bytes);

/* NAME and VALUE apart, as a site file has them. */
__attribute__((warn_unused_result)) int dhcp4_value_parse_pair(const char *name, const char *value,
	struct dhcp4_value_option *ret, char *ret_error, size_t error_bytes);

/* The name that dhcp4_value_parse_name() reads back; reads space, enterprise, code and always. */
char *dhcp4_value_format_name(
	const struct dhcp4_value_option *option, char buffer[DHCP4_VALUE_NAME_BYTES]);

/* "NAME=VALUE"; returns as dhcp4_value_format() does. */
size_t dhcp4_value_format_option(
	const struct dhcp4_value_option *option, char *ret, size_t capacity);

/* What the table says about the format of the option; NULL for a sub-option or an unknown code. */
const struct dhcp4_option_info *dhcp4_value_info(const struct dhcp4_value_option *option);

#endif
