/* proto/wire/text.h: the texts that people write and read: addresses, hexadecimal, UUIDs,
 * durations, sizes.
 *
 * Pure. Parsers are strict: the whole string must be of the form, so blanks and trailing junk are
 * refused; they return 0 or -EINVAL (not of the form) or -ERANGE (of the form, but too large),
 * outputs untouched on failure. Formatters fill a buffer of the stated size and return it, so that
 * they can stand among printf arguments. IPv4 addresses are in host order.
 */
#ifndef PROTO_WIRE_TEXT_H
#define PROTO_WIRE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_IP4_BYTES      16 /* "255.255.255.255" and NUL; likewise below */
#define TEXT_CIDR4_BYTES    19
#define TEXT_MAC_BYTES      18
#define TEXT_HWADDR_BYTES   48 /* 16 bytes with colons */
#define TEXT_UUID_BYTES     37
#define TEXT_DURATION_BYTES 32
#define TEXT_SIZE_BYTES     24

#define TEXT_CHECK __attribute__((warn_unused_result))

/* Four decimal numbers, no leading zeros ("010.0.0.1" is octal to some). */
TEXT_CHECK int text_ip4_parse(const char *text, uint32_t *ret_address);
char *text_ip4_format(uint32_t address, char buffer[TEXT_IP4_BYTES]);

/* "10.20.0.0/22". The address is returned as written; text_ip4_mask() tells whether host bits are
 * set. */
TEXT_CHECK int text_cidr4_parse(const char *text, uint32_t *ret_address, unsigned *ret_prefix);
char *text_cidr4_format(uint32_t address, unsigned prefix, char buffer[TEXT_CIDR4_BYTES]);

/* 22 -> 0xfffffc00; 0 -> 0. The prefix is at most 32 (asserted). */
uint32_t text_ip4_mask(unsigned prefix);

/* "52:54:00:aa:00:01", "52-54-00-AA-00-01", "5254.00aa.0001" or "525400aa0001". */
TEXT_CHECK int text_mac_parse(const char *text, uint8_t ret_mac[6]);
char *text_mac_format(const uint8_t mac[6], char buffer[TEXT_MAC_BYTES]);

/* A hardware address of any length up to 16 bytes: pairs of digits with ':' or '-' between all of
 * them, or none. */
TEXT_CHECK int text_hwaddr_parse(const char *text, uint8_t ret_address[16], size_t *ret_size);
char *text_hwaddr_format(const uint8_t *address, size_t size, char buffer[TEXT_HWADDR_BYTES]);

/* Lower-case pairs. text_hex_format needs 2 * size + 1 bytes (asserted). An empty string is no
 * bytes. */
TEXT_CHECK int text_hex_parse(
	const char *text, uint8_t *ret_data, size_t capacity, size_t *ret_size);
char *text_hex_format(const uint8_t *data, size_t size, char *buffer, size_t capacity);

/* Bytes of the UTF-8 character at `text` (RFC 3629 §4), 1 for a NUL; 0: malformed, overlong, a
 * surrogate or above U+10FFFF. Reads nothing behind a NUL. */
size_t text_utf8_bytes(const char *text);
/* Is all of it UTF-8? If not, where it is not: line and character on it, from 1. */
TEXT_CHECK bool text_is_utf8(const char *text, unsigned *ret_line, unsigned *ret_column);
/* Is the UTF-8 character at `text` a control (U+0000-1F, 7F, 80-9F)? Terminals obey these. */
bool text_is_control(const char *text);

/* "8-4-4-4-12" digits, bytes in the order written. */
TEXT_CHECK int text_uuid_parse(const char *text, uint8_t ret_uuid[16]);
char *text_uuid_format(const uint8_t uuid[16], char buffer[TEXT_UUID_BYTES]);

/* PXE and SMBIOS send the first three fields of a UUID little-endian; people write it big-endian.
 * This turns one order into the other. */
void text_uuid_swap(const uint8_t uuid[16], uint8_t ret_swapped[16]);

/* A whole number in decimal, no sign, at most `max`. */
TEXT_CHECK int text_u64_parse(const char *text, uint64_t max, uint64_t *ret_value);

/* "90s", "10m", "1h", "2d", "1w", "500ms", and sums from large to small such as "1h30m"; a number
 * alone means seconds. Formatting is exact and parses back to the same value; 0 is "0s". */
TEXT_CHECK int text_duration_parse(const char *text, uint64_t *ret_ms);
char *text_duration_format(uint64_t ms, char buffer[TEXT_DURATION_BYTES]);

/* For people, the two largest units: "41m", "1h 12m", "3d 4h". */
char *text_duration_short(uint64_t ms, char buffer[TEXT_DURATION_BYTES]);

/* "4096", "64K" and "64KiB" (1024), "64KB" (1000); likewise M, G, T. */
TEXT_CHECK int text_size_parse(const char *text, uint64_t *ret_bytes);

/* For people, decimal units: "412 MB", "1.5 GB", "37 B". */
char *text_size_format(uint64_t bytes, char buffer[TEXT_SIZE_BYTES]);

#endif
