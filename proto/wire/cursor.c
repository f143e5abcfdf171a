#include "proto/wire/cursor.h"

#include <assert.h>
#include <string.h>

void cursor_reader_init(struct cursor_reader *reader, const void *data, size_t size)
{
	assert(data != NULL || size == 0);
	*reader = (struct cursor_reader){.data = data, .size = size};
}

size_t cursor_left(const struct cursor_reader *reader)
{
	return reader->failed ? 0 : reader->size - reader->at;
}

const uint8_t *cursor_bytes(struct cursor_reader *reader, size_t size)
{
	if (reader->failed || size > reader->size - reader->at) {
		reader->failed = true;
		return NULL;
	}
	if (size == 0) /* data may be NULL: no arithmetic on it */
		return reader->data;
	const uint8_t *bytes = reader->data + reader->at;
	reader->at += size;
	return bytes;
}

uint8_t cursor_u8(struct cursor_reader *reader)
{
	const uint8_t *b = cursor_bytes(reader, 1);
	return b ? b[0] : 0;
}

uint16_t cursor_u16(struct cursor_reader *reader)
{
	const uint8_t *b = cursor_bytes(reader, 2);
	return b ? (uint16_t)((unsigned)b[0] << 8 | b[1]) : (uint16_t)0;
}

uint32_t cursor_u32(struct cursor_reader *reader)
{
	const uint8_t *b = cursor_bytes(reader, 4);
	return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

uint64_t cursor_u64(struct cursor_reader *reader)
{
	/* Eight bytes or nothing: the high half alone must not be read. */
	if (cursor_left(reader) < 8) {
		reader->failed = true;
		return 0;
	}
	uint64_t high = cursor_u32(reader);
	return high << 32 | cursor_u32(reader);
}

void cursor_copy(struct cursor_reader *reader, void *ret, size_t size)
{
	const uint8_t *bytes = cursor_bytes(reader, size);
	if (size == 0)
		return;
	if (bytes != NULL)
		memcpy(ret, bytes, size);
	else
		memset(ret, 0, size);
}

const char *cursor_string(struct cursor_reader *reader, size_t *ret_length)
{
	size_t left = cursor_left(reader);
	const uint8_t *start = left > 0 ? reader->data + reader->at : NULL;
	const uint8_t *nul = left > 0 ? memchr(start, 0, left) : NULL;
	if (nul == NULL) {
		reader->failed = true;
		return NULL;
	}
	size_t length = (size_t)(nul - start);
	reader->at += length + 1;
	if (ret_length != NULL)
		*ret_length = length;
	return (const char *)start;
}

void cursor_writer_init(struct cursor_writer *writer, void *data, size_t capacity)
{
	assert(data != NULL || capacity == 0);
	*writer = (struct cursor_writer){.data = data, .capacity = capacity};
}

/* Room for `size` more bytes, or NULL and failed. */
static uint8_t *writer_claim(struct cursor_writer *writer, size_t size)
{
	if (writer->failed || size > writer->capacity - writer->size) {
		writer->failed = true;
		return NULL;
	}
	if (size == 0)
		return NULL;
	uint8_t *place = writer->data + writer->size;
	writer->size += size;
	return place;
}

void cursor_put_u8(struct cursor_writer *writer, uint8_t value)
{
	uint8_t *place = writer_claim(writer, 1);
	if (place != NULL)
		place[0] = value;
}

void cursor_put_u16(struct cursor_writer *writer, uint16_t value)
{
	uint8_t *place = writer_claim(writer, 2);
	if (place == NULL)
		return;
	place[0] = (uint8_t)(value >> 8);
	place[1] = (uint8_t)value;
}

void cursor_put_u32(struct cursor_writer *writer, uint32_t value)
{
	uint8_t *place = writer_claim(writer, 4);
	if (place == NULL)
		return;
	for (int i = 0; i < 4; i++)
		place[i] = (uint8_t)(value >> (24 - 8 * i));
}

void cursor_put_u64(struct cursor_writer *writer, uint64_t value)
{
	uint8_t *place = writer_claim(writer, 8);
	if (place == NULL)
		return;
	for (int i = 0; i < 8; i++)
		place[i] = (uint8_t)(value >> (56 - 8 * i));
}

void cursor_put_bytes(struct cursor_writer *writer, const void *data, size_t size)
{
	uint8_t *place = writer_claim(writer, size);
	if (place != NULL)
		memcpy(place, data, size);
}

void cursor_put_fill(struct cursor_writer *writer, uint8_t value, size_t size)
{
	uint8_t *place = writer_claim(writer, size);
	if (place != NULL)
		memset(place, value, size);
}

void cursor_put_string(struct cursor_writer *writer, const char *text)
{
	cursor_put_bytes(writer, text, strlen(text) + 1);
}
