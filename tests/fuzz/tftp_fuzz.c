/* Any bytes: decode, encode what was understood, and decode that to the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/tftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void check_options(const struct tftp_options *a, const struct tftp_options *b)
{
	check(a->present == b->present && a->blksize == b->blksize && a->timeout == b->timeout);
	check(a->tsize == b->tsize && a->windowsize == b->windowsize);
	check(!(a->present & TFTP_HAS_BLKSIZE) ||
		(a->blksize >= TFTP_BLKSIZE_MIN && a->blksize <= TFTP_BLKSIZE_MAX));
	check(!(a->present & TFTP_HAS_TIMEOUT) || (a->timeout >= 1 && a->timeout <= 255));
	check(!(a->present & TFTP_HAS_WINDOWSIZE) ||
		(a->windowsize >= 1 && a->windowsize <= TFTP_WINDOWSIZE_MAX));
}

static size_t encode(const struct tftp_packet *packet, uint8_t *buffer, size_t capacity)
{
	switch (packet->opcode) {
	case TFTP_RRQ:
	case TFTP_WRQ:
		return tftp_encode_request(packet->opcode, packet->filename, packet->mode,
			&packet->options, buffer, capacity);
	case TFTP_DATA:
		check(packet->data_bytes <= capacity - TFTP_HEADER_BYTES);
		memcpy(buffer + tftp_encode_data_header(packet->block, buffer), packet->data,
			packet->data_bytes);
		return TFTP_HEADER_BYTES + packet->data_bytes;
	case TFTP_ACK: return tftp_encode_ack(packet->block, buffer, capacity);
	case TFTP_ERROR:
		return tftp_encode_error(packet->error_code, packet->error_text, buffer, capacity);
	case TFTP_OACK: return tftp_encode_oack(&packet->options, buffer, capacity);
	default: abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buffer[1 << 20];
	struct tftp_packet packet, again;
	enum tftp_reason reason = tftp_decode(data, size, &packet);
	check(tftp_reason_name(reason) != NULL);
	if (reason != TFTP_OK || size > sizeof buffer / 2)
		return 0;
	size_t encoded = encode(&packet, buffer, sizeof buffer);
	check(encoded > 0);
	check(tftp_decode(buffer, encoded, &again) == TFTP_OK);
	check(packet.opcode == again.opcode && packet.block == again.block);
	check(packet.mode == again.mode && packet.error_code == again.error_code);
	check_options(&packet.options, &again.options);
	check(packet.filename_bytes == again.filename_bytes &&
		packet.data_bytes == again.data_bytes);
	check(packet.filename_bytes == 0 || strcmp(packet.filename, again.filename) == 0);
	check(packet.data_bytes == 0 || memcmp(packet.data, again.data, packet.data_bytes) == 0);
	check(packet.error_text == NULL || strcmp(packet.error_text, again.error_text) == 0);
	return 0;
}
