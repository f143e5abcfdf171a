/* proto/wire/dhcp4_value_parse.h: what the files of dhcp4_value.h share. Private to them. */
#ifndef PROTO_WIRE_DHCP4_VALUE_PARSE_H
#define PROTO_WIRE_DHCP4_VALUE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/cursor.h"
#include "proto/wire/dhcp4_names.h"

#define DHCP4_VALUE_ITEM_BYTES 800 /* the longest item of a list, with NUL: 255 bytes as hex */

/* A value being read. */
struct dhcp4_value_parse {
	const char *name; /* of the option, for messages */
	const struct dhcp4_option_info *info;
	char *error;
	size_t error_bytes;
	struct cursor_writer out;
};

/* Write the message, after the option's name; returns -EINVAL. */
__attribute__((format(printf, 2, 3))) int dhcp4_value_fail(
	struct dhcp4_value_parse *parse, const char *format, ...);

/* Read the whole text; 0 or -EINVAL with the message written. */
int dhcp4_value_read(struct dhcp4_value_parse *parse, const char *text);

/* The items of a list, apart by commas and blanks, or by commas alone. */
struct dhcp4_value_items {
	const char *at;
	bool by_commas;
};

/* The next item, without blanks around it. 1: there it is, 0: the end, -EINVAL: two commas with
 * nothing between, a comma at either end, or an item that is too long. */
int dhcp4_value_next(struct dhcp4_value_items *items, char ret_item[DHCP4_VALUE_ITEM_BYTES]);

/* Does the text begin with one of the prefixes ("hex:")? */
bool dhcp4_value_has_prefix(const char *text);

/* The least number that the option may have (RFC 2132); mostly 0. */
uint32_t dhcp4_value_least(const struct dhcp4_option_info *info);

/* A mask: ones, then zeros. */
bool dhcp4_value_is_mask(uint32_t address);

#endif
