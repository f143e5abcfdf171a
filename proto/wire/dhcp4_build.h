/* proto/wire/dhcp4_build.h: building a DHCPv4 or BOOTP message in a caller's buffer.
 *
 * Pure. Sticky error: options are appended without looking, and dhcp4_build_finish() says at the
 * end whether all fitted. An option that does not fit fails the whole message, unless it was
 * appended by a function ending in `_if_room`.
 *
 *     struct dhcp4_builder builder;
 *     dhcp4_build_init(&builder, buffer, sizeof buffer, dhcp4_reply_limit(&request, sizeof
 * buffer)); dhcp4_build_header(&builder, &header); dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE,
 * DHCP4_OFFER); dhcp4_build_ip4(&builder, DHCP4_SERVER_ID, server); size_t size =
 * dhcp4_build_finish(&builder);       // 0: did not fit
 */
#ifndef PROTO_WIRE_DHCP4_BUILD_H
#define PROTO_WIRE_DHCP4_BUILD_H

#include "proto/wire/dhcp4.h"

#define DHCP4_MIN_BYTES 300 /* shorter answers are lost on old relays and ROMs (FIELD 1) */

struct dhcp4_area {
	size_t start;
	size_t at;  /* next byte to write */
	size_t end; /* first byte that must not be written; one more byte is kept for END */
};

struct dhcp4_builder {
	uint8_t *buffer;
	size_t capacity;
	struct dhcp4_area area[3]; /* options, file, sname; the last two are empty unless overload
				      is allowed */
	bool overload;
	bool failed;
};

/* `buffer` of `capacity` bytes (at least DHCP4_MIN_BYTES, asserted) is zeroed. No more than `limit`
 * bytes are used; a limit below 300 counts as 300. */
void dhcp4_build_init(struct dhcp4_builder *builder, void *buffer, size_t capacity, size_t limit);

/* Write the fixed fields and the cookie. Call once, before any option. hlen above 16 is a bug of
 * the caller. */
void dhcp4_build_header(struct dhcp4_builder *builder, const struct dhcp4_header *header);

/* Let options that find no room in the options field go to `file` and `sname`, as far as the header
 * left these empty, and announce it by option 52. Call between header and options; only for clients
 * that sent a parameter list (FIELD 6, 7). */
void dhcp4_build_allow_overload(struct dhcp4_builder *builder);

/* Append an option. More than 255 bytes are sent in pieces (RFC 3396). */
void dhcp4_build_option(struct dhcp4_builder *builder, uint8_t code, const void *data, size_t size);
void dhcp4_build_u8(struct dhcp4_builder *builder, uint8_t code, uint8_t value);
void dhcp4_build_u16(struct dhcp4_builder *builder, uint8_t code, uint16_t value);
void dhcp4_build_u32(struct dhcp4_builder *builder, uint8_t code, uint32_t value);
void dhcp4_build_ip4(struct dhcp4_builder *builder, uint8_t code, uint32_t address);
void dhcp4_build_ip4_list(
	struct dhcp4_builder *builder, uint8_t code, const uint32_t *addresses, size_t count);

/* A string without its NUL (most options), and with it (66, 67 and 60 towards PXE ROMs, FIELD 3).
 */
void dhcp4_build_text(struct dhcp4_builder *builder, uint8_t code, const char *text);
void dhcp4_build_cstring(struct dhcp4_builder *builder, uint8_t code, const char *text);

/* Copy an option of a request verbatim (61, 82, 97); nothing if the request has none. */
void dhcp4_build_echo(
	struct dhcp4_builder *builder, const struct dhcp4_message *request, uint8_t code);

/* Append if there is room, else change nothing and return false. */
bool dhcp4_build_option_if_room(
	struct dhcp4_builder *builder, uint8_t code, const void *data, size_t size);

/* Write option 52 if needed and END, pad with zeros to 300 bytes. Returns the message's size, or 0
 * if anything did not fit. Call once. */
__attribute__((warn_unused_result)) size_t dhcp4_build_finish(struct dhcp4_builder *builder);

#endif
