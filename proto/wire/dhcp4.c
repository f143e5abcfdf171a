/* Decoding takes two passes over the options: the first counts, for each code, its pieces and their
 * total; the second notes where the only piece lies, or joins the pieces (RFC 3396). Up to three
 * fields hold options: the options field, then `file`, then `sname` (RFC 2131 §4.1 has the last two
 * only if option 52, in the options field, says so; what they say about option 52 themselves is
 * ignored, so overload cannot nest). */
#include "proto/wire/dhcp4.h"

#include <assert.h>
#include <string.h>

#include "proto/wire/cursor.h"

#define DHCP4_COOKIE       0x63825363u
#define DHCP4_SNAME_AT     44u
#define DHCP4_FILE_AT      108u
#define DHCP4_OVER_FILE    1u
#define DHCP4_OVER_SNAME   2u
#define DHCP4_FIELDS_MAX   3u
#define DHCP4_REPLY_MIN    548u /* 576 bytes of IP packet less 28 of headers */
#define DHCP4_IP_UDP_BYTES 28u

/* A stretch of the packet that holds options. */
struct dhcp4_field {
	size_t at;
	size_t end;
};

struct dhcp4_option_piece {
	uint8_t code;
	size_t at; /* of the value */
	size_t size;
};

/* The next option of a field. DHCP4_OK with code END: no more. */
static enum dhcp4_reason field_next(
	const uint8_t *packet, struct dhcp4_field *field, struct dhcp4_option_piece *ret_piece)
{
	while (field->at < field->end && packet[field->at] == DHCP4_PAD)
		field->at++;
	if (field->at == field->end || packet[field->at] == DHCP4_END) {
		*ret_piece = (struct dhcp4_option_piece){.code = DHCP4_END};
		return DHCP4_OK;
	}
	if (field->end - field->at < 2)
		return DHCP4_OPTION_TRUNCATED;
	size_t size = packet[field->at + 1];
	if (size > field->end - field->at - 2)
		return DHCP4_OPTION_TRUNCATED;
	*ret_piece = (struct dhcp4_option_piece){packet[field->at], field->at + 2, size};
	field->at += 2 + size;
	return DHCP4_OK;
}

/* Which fields hold options: reads the first option 52 of the options field. */
static enum dhcp4_reason find_fields(const uint8_t *packet, size_t size,
	struct dhcp4_field ret_fields[DHCP4_FIELDS_MAX], size_t *ret_count)
{
	struct dhcp4_field options = {DHCP4_HEADER_BYTES, size};
	struct dhcp4_field walk = options;
	struct dhcp4_option_piece piece;
	uint8_t overload = 0;
	do {
		enum dhcp4_reason reason = field_next(packet, &walk, &piece);
		if (reason != DHCP4_OK)
			return reason;
		if (piece.code == DHCP4_OVERLOAD) {
			overload = piece.size == 1 ? packet[piece.at] : 0;
			if (overload < 1 || overload > 3)
				return DHCP4_BAD_OVERLOAD;
			break;
		}
	} while (piece.code != DHCP4_END);

	size_t count = 0;
	ret_fields[count++] = options;
	if (overload & DHCP4_OVER_FILE)
		ret_fields[count++] =
			(struct dhcp4_field){DHCP4_FILE_AT, DHCP4_FILE_AT + DHCP4_FILE_BYTES};
	if (overload & DHCP4_OVER_SNAME)
		ret_fields[count++] =
			(struct dhcp4_field){DHCP4_SNAME_AT, DHCP4_SNAME_AT + DHCP4_SNAME_BYTES};
	*ret_count = count;
	return DHCP4_OK;
}

struct dhcp4_tally {
	uint16_t pieces[256];
	uint32_t bytes[256];
};

static enum dhcp4_reason count_options(const uint8_t *packet, const struct dhcp4_field *fields,
	size_t field_count, struct dhcp4_tally *tally)
{
	for (size_t i = 0; i < field_count; i++) {
		struct dhcp4_field walk = fields[i];
		for (;;) {
			struct dhcp4_option_piece piece;
			enum dhcp4_reason reason = field_next(packet, &walk, &piece);
			if (reason != DHCP4_OK)
				return reason;
			if (piece.code == DHCP4_END)
				break;
			tally->pieces[piece.code]++;
			tally->bytes[piece.code] += (uint32_t)piece.size;
		}
	}
	return DHCP4_OK;
}

/* Give each code that came in several pieces its place in `joined`; its size grows as the pieces
 * are copied. */
static enum dhcp4_reason place_joined(
	struct dhcp4_message *message, const struct dhcp4_tally *tally)
{
	uint32_t used = 0;
	for (unsigned code = 0; code < 256; code++) {
		if (tally->pieces[code] < 2)
			continue;
		if (tally->bytes[code] > DHCP4_JOINED_MAX - used)
			return DHCP4_JOINED_LONG;
		message->slot[code].at = (uint16_t)(DHCP4_PACKET_MAX + used);
		used += tally->bytes[code];
	}
	return DHCP4_OK;
}

/* After count_options(): the walk is known to be sound. */
static void note_options(
	struct dhcp4_message *message, const struct dhcp4_field *fields, size_t field_count)
{
	for (size_t i = 0; i < field_count; i++) {
		struct dhcp4_field walk = fields[i];
		struct dhcp4_option_piece piece;
		while (field_next(message->packet, &walk, &piece) == DHCP4_OK &&
			piece.code != DHCP4_END) {
			struct dhcp4_slot *slot = &message->slot[piece.code];
			if (slot->at < DHCP4_PACKET_MAX) {
				*slot = (struct dhcp4_slot){
					(uint16_t)piece.at, (uint16_t)piece.size};
				continue;
			}
			size_t to = (size_t)slot->at - DHCP4_PACKET_MAX + slot->size;
			assert(to + piece.size <= DHCP4_JOINED_MAX);
			memcpy(message->joined + to, message->packet + piece.at, piece.size);
			slot->size = (uint16_t)(slot->size + piece.size);
		}
	}
}

static enum dhcp4_reason decode_options(struct dhcp4_message *message)
{
	struct dhcp4_field fields[DHCP4_FIELDS_MAX];
	size_t field_count = 0;
	struct dhcp4_tally tally = {0};
	enum dhcp4_reason reason =
		find_fields(message->packet, message->packet_bytes, fields, &field_count);
	if (reason == DHCP4_OK)
		reason = count_options(message->packet, fields, field_count, &tally);
	if (reason == DHCP4_OK)
		reason = place_joined(message, &tally);
	if (reason != DHCP4_OK)
		return reason;
	note_options(message, fields, field_count);

	for (size_t i = 1; i < field_count; i++) {
		if (fields[i].at == DHCP4_FILE_AT)
			memset(message->header.file, 0, sizeof message->header.file);
		else
			memset(message->header.sname, 0, sizeof message->header.sname);
	}
	uint8_t type;
	if (!dhcp4_has(message, DHCP4_MESSAGE_TYPE))
		message->type = DHCP4_BOOTP;
	else if (dhcp4_u8(message, DHCP4_MESSAGE_TYPE, &type) && type != 0)
		message->type = (enum dhcp4_type)type;
	else
		return DHCP4_BAD_TYPE;
	return DHCP4_OK;
}

static void decode_header(struct cursor_reader *reader, struct dhcp4_header *header)
{
	header->op = cursor_u8(reader);
	header->htype = cursor_u8(reader);
	header->hlen = cursor_u8(reader);
	header->hops = cursor_u8(reader);
	header->xid = cursor_u32(reader);
	header->secs = cursor_u16(reader);
	header->flags = cursor_u16(reader);
	header->ciaddr = cursor_u32(reader);
	header->yiaddr = cursor_u32(reader);
	header->siaddr = cursor_u32(reader);
	header->giaddr = cursor_u32(reader);
	cursor_copy(reader, header->chaddr, DHCP4_CHADDR_MAX);
	cursor_copy(reader, header->sname, DHCP4_SNAME_BYTES);
	cursor_copy(reader, header->file, DHCP4_FILE_BYTES);
	header->sname[DHCP4_SNAME_BYTES] = '\0';
	header->file[DHCP4_FILE_BYTES] = '\0';
}

enum dhcp4_reason dhcp4_decode(const void *packet, size_t size, struct dhcp4_message *ret_message)
{
	assert(ret_message != NULL);
	assert(packet != NULL || size == 0);
	if (size < DHCP4_HEADER_BYTES)
		return DHCP4_SHORT;
	if (size > DHCP4_PACKET_MAX)
		return DHCP4_LONG;
	struct dhcp4_message *message = ret_message;
	memset(message->slot, 0, sizeof message->slot);
	message->packet = packet;
	message->packet_bytes = size;

	struct cursor_reader reader;
	cursor_reader_init(&reader, packet, size);
	decode_header(&reader, &message->header);
	uint32_t cookie = cursor_u32(&reader);
	assert(!reader.failed && reader.at == DHCP4_HEADER_BYTES);
	if (message->header.op != DHCP4_BOOTREQUEST && message->header.op != DHCP4_BOOTREPLY)
		return DHCP4_BAD_OP;
	if (message->header.hlen > DHCP4_CHADDR_MAX)
		return DHCP4_BAD_HLEN;
	if (cookie != DHCP4_COOKIE)
		return DHCP4_NO_COOKIE;
	return decode_options(message);
}

const char *dhcp4_reason_name(enum dhcp4_reason reason)
{
	static const char *const names[DHCP4_REASON_COUNT] = {
		[DHCP4_OK] = "ok",
		[DHCP4_SHORT] = "too short",
		[DHCP4_LONG] = "too long",
		[DHCP4_BAD_OP] = "bad op",
		[DHCP4_BAD_HLEN] = "bad hardware address length",
		[DHCP4_NO_COOKIE] = "no magic cookie",
		[DHCP4_OPTION_TRUNCATED] = "option truncated",
		[DHCP4_BAD_OVERLOAD] = "bad option overload",
		[DHCP4_BAD_TYPE] = "bad message type",
		[DHCP4_JOINED_LONG] = "joined options too long",
	};
	assert((unsigned)reason < DHCP4_REASON_COUNT);
	return names[reason];
}

bool dhcp4_has(const struct dhcp4_message *message, uint8_t code)
{
	return message->slot[code].at != 0;
}

bool dhcp4_option(const struct dhcp4_message *message, uint8_t code, const uint8_t **ret_data,
	size_t *ret_size)
{
	const struct dhcp4_slot *slot = &message->slot[code];
	if (slot->at == 0)
		return false;
	if (ret_data != NULL)
		*ret_data = slot->at < DHCP4_PACKET_MAX
				    ? message->packet + slot->at
				    : message->joined + (slot->at - DHCP4_PACKET_MAX);
	if (ret_size != NULL)
		*ret_size = slot->size;
	return true;
}

/* The value as a number, if it has exactly `width` bytes (at most 4). */
static bool option_number(
	const struct dhcp4_message *message, uint8_t code, size_t width, uint32_t *ret)
{
	const uint8_t *data;
	size_t size;
	if (!dhcp4_option(message, code, &data, &size) || size != width)
		return false;
	uint32_t value = 0;
	for (size_t i = 0; i < width; i++)
		value = value << 8 | data[i];
	*ret = value;
	return true;
}

bool dhcp4_u8(const struct dhcp4_message *message, uint8_t code, uint8_t *ret)
{
	uint32_t value;
	if (!option_number(message, code, 1, &value))
		return false;
	*ret = (uint8_t)value;
	return true;
}

bool dhcp4_u16(const struct dhcp4_message *message, uint8_t code, uint16_t *ret)
{
	uint32_t value;
	if (!option_number(message, code, 2, &value))
		return false;
	*ret = (uint16_t)value;
	return true;
}

bool dhcp4_u32(const struct dhcp4_message *message, uint8_t code, uint32_t *ret)
{
	return option_number(message, code, 4, ret);
}

bool dhcp4_ip4(const struct dhcp4_message *message, uint8_t code, uint32_t *ret)
{
	return option_number(message, code, 4, ret);
}

size_t dhcp4_ip4_list(
	const struct dhcp4_message *message, uint8_t code, uint32_t *ret, size_t capacity)
{
	const uint8_t *data;
	size_t size;
	if (!dhcp4_option(message, code, &data, &size) || size % 4 != 0)
		return 0;
	struct cursor_reader reader;
	cursor_reader_init(&reader, data, size);
	size_t count = 0;
	while (count < capacity && cursor_left(&reader) > 0)
		ret[count++] = cursor_u32(&reader);
	return count;
}

size_t dhcp4_u16_list(
	const struct dhcp4_message *message, uint8_t code, uint16_t *ret, size_t capacity)
{
	const uint8_t *data;
	size_t size;
	if (!dhcp4_option(message, code, &data, &size) || size % 2 != 0)
		return 0;
	struct cursor_reader reader;
	cursor_reader_init(&reader, data, size);
	size_t count = 0;
	while (count < capacity && cursor_left(&reader) > 0)
		ret[count++] = cursor_u16(&reader);
	return count;
}

static size_t without_trailing_nuls(const uint8_t *data, size_t size)
{
	while (size > 0 && data[size - 1] == 0)
		size--;
	return size;
}

bool dhcp4_string(const struct dhcp4_message *message, uint8_t code, char *ret, size_t capacity)
{
	const uint8_t *data;
	size_t size;
	if (!dhcp4_option(message, code, &data, &size))
		return false;
	size = without_trailing_nuls(data, size);
	if (size >= capacity || memchr(data, 0, size) != NULL)
		return false;
	memcpy(ret, data, size);
	ret[size] = '\0';
	return true;
}

bool dhcp4_string_has_nul(const struct dhcp4_message *message, uint8_t code)
{
	const uint8_t *data;
	size_t size;
	return dhcp4_option(message, code, &data, &size) && size > 0 && data[size - 1] == 0;
}

bool dhcp4_wants(const struct dhcp4_message *message, uint8_t code)
{
	const uint8_t *data;
	size_t size;
	if (!dhcp4_option(message, DHCP4_PARAMETER_LIST, &data, &size))
		return true;
	return memchr(data, code, size) != NULL;
}

bool dhcp4_uuid(const struct dhcp4_message *message, uint8_t ret_uuid[DHCP4_UUID_BYTES])
{
	const uint8_t *data;
	size_t size;
	if (dhcp4_option(message, DHCP4_CLIENT_UUID, &data, &size) &&
		size == DHCP4_UUID_BYTES + 1 && data[0] == 0) {
		memcpy(ret_uuid, data + 1, DHCP4_UUID_BYTES);
		return true;
	}
	if (message->header.htype == 1 && message->header.hlen == DHCP4_UUID_BYTES) {
		memcpy(ret_uuid, message->header.chaddr, DHCP4_UUID_BYTES);
		return true;
	}
	return false;
}

size_t dhcp4_archs(const struct dhcp4_message *message, uint16_t *ret, size_t capacity)
{
	return dhcp4_u16_list(message, DHCP4_CLIENT_ARCH, ret, capacity);
}

/* RFC 3004 §4: one or more strings, each behind its length, which is not 0, filling the option
 * exactly. */
static bool is_user_class_list(const uint8_t *data, size_t size)
{
	size_t at = 0;
	while (at < size) {
		if (data[at] == 0 || data[at] > size - at - 1)
			return false;
		at += 1u + data[at];
	}
	return size > 0;
}

size_t dhcp4_user_classes(
	const struct dhcp4_message *message, struct dhcp4_bytes *ret, size_t capacity)
{
	const uint8_t *data;
	size_t size;
	if (!dhcp4_option(message, DHCP4_USER_CLASS, &data, &size) || size == 0 || capacity == 0)
		return 0;
	if (!is_user_class_list(data, size)) {
		ret[0] = (struct dhcp4_bytes){data, without_trailing_nuls(data, size)};
		return 1;
	}
	size_t count = 0;
	for (size_t at = 0; at < size && count < capacity; at += 1u + data[at])
		ret[count++] = (struct dhcp4_bytes){
			data + at + 1, without_trailing_nuls(data + at + 1, data[at])};
	return count;
}

bool dhcp4_has_user_class(const struct dhcp4_message *message, const char *name)
{
	struct dhcp4_bytes classes[32];
	size_t count = dhcp4_user_classes(message, classes, sizeof classes / sizeof classes[0]);
	size_t length = strlen(name);
	for (size_t i = 0; i < count; i++) {
		if (classes[i].size == length && memcmp(classes[i].data, name, length) == 0)
			return true;
	}
	return false;
}

bool dhcp4_vendor_class_begins(const struct dhcp4_message *message, const char *prefix)
{
	const uint8_t *data;
	size_t size;
	size_t length = strlen(prefix);
	return dhcp4_option(message, DHCP4_VENDOR_CLASS, &data, &size) && size >= length &&
	       memcmp(data, prefix, length) == 0;
}

size_t dhcp4_reply_limit(const struct dhcp4_message *request, size_t capacity)
{
	uint16_t asked;
	size_t limit = DHCP4_REPLY_MIN;
	if (dhcp4_u16(request, DHCP4_MAX_MESSAGE_BYTES, &asked) &&
		asked > DHCP4_REPLY_MIN + DHCP4_IP_UDP_BYTES)
		limit = asked - DHCP4_IP_UDP_BYTES;
	return limit < capacity ? limit : capacity;
}
