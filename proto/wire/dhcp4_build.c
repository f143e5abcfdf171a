#include "proto/wire/dhcp4_build.h"

#include <assert.h>
#include <string.h>

#include "proto/wire/cursor.h"

#define DHCP4_COOKIE         0x63825363u
#define DHCP4_SNAME_AT       44u
#define DHCP4_FILE_AT        108u
#define DHCP4_OVERLOAD_BYTES 3u

enum dhcp4_area_index { AREA_OPTIONS, AREA_FILE, AREA_SNAME };

void dhcp4_build_init(struct dhcp4_builder *builder, void *buffer, size_t capacity, size_t limit)
{
	assert(buffer != NULL && capacity >= DHCP4_MIN_BYTES);
	if (limit < DHCP4_MIN_BYTES)
		limit = DHCP4_MIN_BYTES;
	if (limit > capacity)
		limit = capacity;
	memset(buffer, 0, capacity);
	*builder = (struct dhcp4_builder){
		.buffer = buffer,
		.capacity = capacity,
		.area[AREA_OPTIONS] = {DHCP4_HEADER_BYTES, DHCP4_HEADER_BYTES, limit - 1},
	};
}

void dhcp4_build_header(struct dhcp4_builder *builder, const struct dhcp4_header *header)
{
	assert(header->hlen <= DHCP4_CHADDR_MAX);
	struct cursor_writer writer;
	cursor_writer_init(&writer, builder->buffer, builder->capacity);
	cursor_put_u8(&writer, header->op);
	cursor_put_u8(&writer, header->htype);
	cursor_put_u8(&writer, header->hlen);
	cursor_put_u8(&writer, header->hops);
	cursor_put_u32(&writer, header->xid);
	cursor_put_u16(&writer, header->secs);
	cursor_put_u16(&writer, header->flags);
	cursor_put_u32(&writer, header->ciaddr);
	cursor_put_u32(&writer, header->yiaddr);
	cursor_put_u32(&writer, header->siaddr);
	cursor_put_u32(&writer, header->giaddr);
	cursor_put_bytes(&writer, header->chaddr, DHCP4_CHADDR_MAX);
	size_t sname_bytes = strnlen(header->sname, DHCP4_SNAME_BYTES);
	cursor_put_bytes(&writer, header->sname, sname_bytes);
	cursor_put_fill(&writer, 0, DHCP4_SNAME_BYTES - sname_bytes);
	size_t file_bytes = strnlen(header->file, DHCP4_FILE_BYTES);
	cursor_put_bytes(&writer, header->file, file_bytes);
	cursor_put_fill(&writer, 0, DHCP4_FILE_BYTES - file_bytes);
	cursor_put_u32(&writer, DHCP4_COOKIE);
	assert(!writer.failed && writer.size == DHCP4_HEADER_BYTES);
}

void dhcp4_build_allow_overload(struct dhcp4_builder *builder)
{
	struct dhcp4_area *options = &builder->area[AREA_OPTIONS];
	if (builder->overload || options->end - options->at < DHCP4_OVERLOAD_BYTES)
		return;
	builder->overload = true;
	options->end -= DHCP4_OVERLOAD_BYTES; /* kept for option 52 */
	if (builder->buffer[DHCP4_FILE_AT] == 0)
		builder->area[AREA_FILE] = (struct dhcp4_area){
			DHCP4_FILE_AT, DHCP4_FILE_AT, DHCP4_FILE_AT + DHCP4_FILE_BYTES - 1};
	if (builder->buffer[DHCP4_SNAME_AT] == 0)
		builder->area[AREA_SNAME] = (struct dhcp4_area){
			DHCP4_SNAME_AT, DHCP4_SNAME_AT, DHCP4_SNAME_AT + DHCP4_SNAME_BYTES - 1};
}

/* What an option takes with its code and length bytes; a long one has these before every 255 bytes.
 */
static size_t option_bytes(size_t size)
{
	size_t pieces = size == 0 ? 1 : (size + 254) / 255;
	return size + 2 * pieces;
}

static void area_put(
	uint8_t *buffer, struct dhcp4_area *area, uint8_t code, const uint8_t *data, size_t size)
{
	do {
		size_t piece = size < 255 ? size : 255;
		buffer[area->at++] = code;
		buffer[area->at++] = (uint8_t)piece;
		if (piece > 0)
			memcpy(buffer + area->at, data, piece);
		area->at += piece;
		data += piece;
		size -= piece;
	} while (size > 0);
	assert(area->at <= area->end);
}

/* All pieces of an option go into one area, so that they join in the right order. */
bool dhcp4_build_option_if_room(
	struct dhcp4_builder *builder, uint8_t code, const void *data, size_t size)
{
	static const uint8_t nothing[1] = {0};
	assert(data != NULL || size == 0);
	assert(code != DHCP4_PAD && code != DHCP4_END && code != DHCP4_OVERLOAD);
	size_t needed = option_bytes(size);
	for (size_t i = 0; i < 3; i++) {
		struct dhcp4_area *area = &builder->area[i];
		if (area->end - area->at < needed)
			continue;
		area_put(builder->buffer, area, code, size > 0 ? data : nothing, size);
		return true;
	}
	return false;
}

void dhcp4_build_option(struct dhcp4_builder *builder, uint8_t code, const void *data, size_t size)
{
	if (!dhcp4_build_option_if_room(builder, code, data, size))
		builder->failed = true;
}

static void build_number(struct dhcp4_builder *builder, uint8_t code, uint32_t value, size_t width)
{
	uint8_t bytes[4];
	struct cursor_writer writer;
	cursor_writer_init(&writer, bytes, sizeof bytes);
	cursor_put_u32(&writer, value);
	dhcp4_build_option(builder, code, bytes + sizeof bytes - width, width);
}

void dhcp4_build_u8(struct dhcp4_builder *builder, uint8_t code, uint8_t value)
{
	build_number(builder, code, value, 1);
}

void dhcp4_build_u16(struct dhcp4_builder *builder, uint8_t code, uint16_t value)
{
	build_number(builder, code, value, 2);
}

void dhcp4_build_u32(struct dhcp4_builder *builder, uint8_t code, uint32_t value)
{
	build_number(builder, code, value, 4);
}

void dhcp4_build_ip4(struct dhcp4_builder *builder, uint8_t code, uint32_t address)
{
	build_number(builder, code, address, 4);
}

void dhcp4_build_ip4_list(
	struct dhcp4_builder *builder, uint8_t code, const uint32_t *addresses, size_t count)
{
	uint8_t bytes[1024];
	struct cursor_writer writer;
	cursor_writer_init(&writer, bytes, sizeof bytes);
	for (size_t i = 0; i < count; i++)
		cursor_put_u32(&writer, addresses[i]);
	if (writer.failed)
		builder->failed = true;
	else
		dhcp4_build_option(builder, code, bytes, writer.size);
}

void dhcp4_build_text(struct dhcp4_builder *builder, uint8_t code, const char *text)
{
	dhcp4_build_option(builder, code, text, strlen(text));
}

void dhcp4_build_cstring(struct dhcp4_builder *builder, uint8_t code, const char *text)
{
	dhcp4_build_option(builder, code, text, strlen(text) + 1);
}

void dhcp4_build_echo(
	struct dhcp4_builder *builder, const struct dhcp4_message *request, uint8_t code)
{
	const uint8_t *data;
	size_t size;
	if (dhcp4_option(request, code, &data, &size))
		dhcp4_build_option(builder, code, data, size);
}

/* END for a field that holds options; returns whether it does. */
static bool area_close(uint8_t *buffer, struct dhcp4_area *area)
{
	if (area->at == area->start)
		return false;
	buffer[area->at++] = DHCP4_END;
	return true;
}

size_t dhcp4_build_finish(struct dhcp4_builder *builder)
{
	if (builder->failed)
		return 0;
	unsigned overload = 0;
	if (area_close(builder->buffer, &builder->area[AREA_FILE]))
		overload |= 1;
	if (area_close(builder->buffer, &builder->area[AREA_SNAME]))
		overload |= 2;
	struct dhcp4_area *options = &builder->area[AREA_OPTIONS];
	if (overload != 0) {
		options->end += DHCP4_OVERLOAD_BYTES;
		uint8_t value = (uint8_t)overload;
		area_put(builder->buffer, options, DHCP4_OVERLOAD, &value, 1);
	}
	builder->buffer[options->at++] = DHCP4_END;
	return options->at < DHCP4_MIN_BYTES ? DHCP4_MIN_BYTES : options->at;
}
