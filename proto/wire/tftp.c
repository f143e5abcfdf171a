#include "proto/wire/tftp.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/wire/cursor.h"
#include "proto/wire/text.h"

struct tftp_option_rule {
	const char *name;
	unsigned bit;
	uint64_t min;
	uint64_t max;
};

static const struct tftp_option_rule option_rules[] = {
	{"blksize", TFTP_HAS_BLKSIZE, TFTP_BLKSIZE_MIN, TFTP_BLKSIZE_MAX},
	{"timeout", TFTP_HAS_TIMEOUT, 1, 255},
	{"tsize", TFTP_HAS_TSIZE, 0, UINT64_MAX},
	{"windowsize", TFTP_HAS_WINDOWSIZE, 1, TFTP_WINDOWSIZE_MAX},
};
#define OPTION_COUNT (sizeof option_rules / sizeof option_rules[0])

static void option_set(struct tftp_options *options, unsigned bit, uint64_t value)
{
	options->present |= bit;
	switch (bit) {
	case TFTP_HAS_BLKSIZE: options->blksize = (uint32_t)value; break;
	case TFTP_HAS_TIMEOUT: options->timeout = (uint32_t)value; break;
	case TFTP_HAS_TSIZE: options->tsize = value; break;
	case TFTP_HAS_WINDOWSIZE: options->windowsize = (uint32_t)value; break;
	default: assert(false);
	}
}

static uint64_t option_get(const struct tftp_options *options, unsigned bit)
{
	switch (bit) {
	case TFTP_HAS_BLKSIZE: return options->blksize;
	case TFTP_HAS_TIMEOUT: return options->timeout;
	case TFTP_HAS_TSIZE: return options->tsize;
	case TFTP_HAS_WINDOWSIZE: return options->windowsize;
	default: assert(false); return 0;
	}
}

/* The first of each name counts; what is unknown, out of range or no number is left out (RFC 2347,
 * FIELD 62). */
static void option_take(struct tftp_options *options, const char *name, const char *text)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct tftp_option_rule *rule = &option_rules[i];
		uint64_t value;
		if (strcasecmp(name, rule->name) != 0 || (options->present & rule->bit) != 0)
			continue;
		if (text_u64_parse(text, rule->max, &value) == 0 && value >= rule->min)
			option_set(options, rule->bit, value);
		return;
	}
}

/* Name and value pairs to the end of the packet. */
static enum tftp_reason decode_options(
	struct cursor_reader *reader, struct tftp_options *options, bool lenient)
{
	while (cursor_left(reader) > 0) {
		const char *name = cursor_string(reader, NULL);
		if (name == NULL)
			return lenient ? TFTP_OK : TFTP_NO_NUL;
		if (*name == '\0' && lenient) /* padding of some ROMs */
			return TFTP_OK;
		if (cursor_left(reader) == 0)
			return TFTP_NO_VALUE;
		const char *value = cursor_string(reader, NULL);
		if (value == NULL)
			return lenient ? TFTP_OK : TFTP_NO_NUL;
		option_take(options, name, value);
	}
	return TFTP_OK;
}

static enum tftp_reason decode_request(struct cursor_reader *reader, struct tftp_packet *packet)
{
	packet->filename = cursor_string(reader, &packet->filename_bytes);
	const char *mode = cursor_string(reader, NULL);
	if (packet->filename == NULL || mode == NULL)
		return TFTP_NO_NUL;
	if (packet->filename_bytes == 0)
		return TFTP_EMPTY_NAME;
	if (strcasecmp(mode, "octet") == 0)
		packet->mode = TFTP_OCTET;
	else if (strcasecmp(mode, "netascii") == 0)
		packet->mode = TFTP_NETASCII;
	else
		return TFTP_BAD_MODE;
	return decode_options(reader, &packet->options, true);
}

static enum tftp_reason decode_error(struct cursor_reader *reader, struct tftp_packet *packet)
{
	packet->error_code = cursor_u16(reader);
	if (reader->failed)
		return TFTP_SHORT;
	packet->error_text = "";
	if (cursor_left(reader) == 0)
		return TFTP_OK;
	packet->error_text = cursor_string(reader, NULL);
	return packet->error_text != NULL ? TFTP_OK : TFTP_NO_NUL;
}

static enum tftp_reason decode_body(struct cursor_reader *reader, struct tftp_packet *packet)
{
	switch (packet->opcode) {
	case TFTP_RRQ:
	case TFTP_WRQ: return decode_request(reader, packet);
	case TFTP_DATA:
		packet->block = cursor_u16(reader);
		packet->data_bytes = cursor_left(reader);
		packet->data = cursor_bytes(reader, packet->data_bytes);
		return reader->failed ? TFTP_SHORT : TFTP_OK;
	case TFTP_ACK:
		packet->block = cursor_u16(reader);
		return reader->failed ? TFTP_SHORT : TFTP_OK;
	case TFTP_ERROR: return decode_error(reader, packet);
	case TFTP_OACK: return decode_options(reader, &packet->options, false);
	default: return TFTP_BAD_OPCODE;
	}
}

enum tftp_reason tftp_decode(const void *packet, size_t size, struct tftp_packet *ret_packet)
{
	assert(ret_packet != NULL);
	struct cursor_reader reader;
	cursor_reader_init(&reader, packet, size);
	uint16_t opcode = cursor_u16(&reader);
	if (reader.failed)
		return TFTP_SHORT;
	if (opcode < TFTP_RRQ || opcode > TFTP_OACK)
		return TFTP_BAD_OPCODE;
	struct tftp_packet decoded = {.opcode = (enum tftp_opcode)opcode};
	enum tftp_reason reason = decode_body(&reader, &decoded);
	if (reason == TFTP_OK)
		*ret_packet = decoded;
	return reason;
}

const char *tftp_reason_name(enum tftp_reason reason)
{
	static const char *const names[TFTP_REASON_COUNT] = {
		[TFTP_OK] = "ok",
		[TFTP_SHORT] = "too short",
		[TFTP_BAD_OPCODE] = "bad opcode",
		[TFTP_NO_NUL] = "string without end",
		[TFTP_EMPTY_NAME] = "no file name",
		[TFTP_BAD_MODE] = "bad mode",
		[TFTP_NO_VALUE] = "option without value",
	};
	assert((unsigned)reason < TFTP_REASON_COUNT);
	return names[reason];
}

const char *tftp_error_text(uint16_t code)
{
	static const char *const texts[] = {
		[TFTP_EUNDEF] = "Error",
		[TFTP_ENOTFOUND] = "File not found",
		[TFTP_EACCESS] = "Access violation",
		[TFTP_ENOSPACE] = "Disk full or allocation exceeded",
		[TFTP_EBADOP] = "Illegal TFTP operation",
		[TFTP_EBADID] = "Unknown transfer ID",
		[TFTP_EEXISTS] = "File already exists",
		[TFTP_ENOUSER] = "No such user",
		[TFTP_EOPTION] = "Options refused",
	};
	return code < sizeof texts / sizeof texts[0] ? texts[code] : texts[TFTP_EUNDEF];
}

static void put_options(struct cursor_writer *writer, const struct tftp_options *options)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if ((options->present & option_rules[i].bit) == 0)
			continue;
		char value[24];
		snprintf(value, sizeof value, "%llu",
			(unsigned long long)option_get(options, option_rules[i].bit));
		cursor_put_string(writer, option_rules[i].name);
		cursor_put_string(writer, value);
	}
}

size_t tftp_encode_request(enum tftp_opcode opcode, const char *filename, enum tftp_mode mode,
	const struct tftp_options *options, void *buffer, size_t capacity)
{
	assert(opcode == TFTP_RRQ || opcode == TFTP_WRQ);
	struct cursor_writer writer;
	cursor_writer_init(&writer, buffer, capacity);
	cursor_put_u16(&writer, (uint16_t)opcode);
	cursor_put_string(&writer, filename);
	cursor_put_string(&writer, mode == TFTP_OCTET ? "octet" : "netascii");
	put_options(&writer, options);
	return writer.failed ? 0 : writer.size;
}

size_t tftp_encode_data_header(uint16_t block, uint8_t buffer[TFTP_HEADER_BYTES])
{
	buffer[0] = 0;
	buffer[1] = TFTP_DATA;
	buffer[2] = (uint8_t)(block >> 8);
	buffer[3] = (uint8_t)block;
	return TFTP_HEADER_BYTES;
}

size_t tftp_encode_ack(uint16_t block, void *buffer, size_t capacity)
{
	struct cursor_writer writer;
	cursor_writer_init(&writer, buffer, capacity);
	cursor_put_u16(&writer, TFTP_ACK);
	cursor_put_u16(&writer, block);
	return writer.failed ? 0 : writer.size;
}

size_t tftp_encode_error(uint16_t code, const char *text, void *buffer, size_t capacity)
{
	struct cursor_writer writer;
	cursor_writer_init(&writer, buffer, capacity);
	cursor_put_u16(&writer, TFTP_ERROR);
	cursor_put_u16(&writer, code);
	if (writer.failed || capacity < TFTP_HEADER_BYTES + 1)
		return 0;
	if (text == NULL)
		text = tftp_error_text(code);
	cursor_put_bytes(&writer, text, strnlen(text, capacity - writer.size - 1));
	cursor_put_u8(&writer, 0);
	assert(!writer.failed);
	return writer.size;
}

size_t tftp_encode_oack(const struct tftp_options *options, void *buffer, size_t capacity)
{
	struct cursor_writer writer;
	cursor_writer_init(&writer, buffer, capacity);
	cursor_put_u16(&writer, TFTP_OACK);
	put_options(&writer, options);
	return writer.failed ? 0 : writer.size;
}
