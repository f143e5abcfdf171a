#include "proto/msg/backup.h"

#include "proto/msg/budget.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKUP_LENGTH_BYTES 4
#define BACKUP_BLOCKS       64 /* of memory that one frame may take when it is unpacked */

static const char backup_magic[] = "pxecluster backup 1\n";
#define BACKUP_MAGIC_BYTES (sizeof backup_magic - 1)

/* ---- writing */

static void emit(struct backup_writer *writer, const uint8_t *data, size_t bytes)
{
	crypto_hash_sha256_update(&writer->hash, data, bytes);
	writer->put(writer->ctx, data, bytes);
}

static void emit_frame(struct backup_writer *writer, const Pxe__BackupFrame *frame)
{
	size_t bytes = pxe__backup_frame__get_packed_size(frame);
	uint8_t *data = writer->failed || bytes > BACKUP_FRAME_MAX
				? NULL
				: malloc(bytes + BACKUP_LENGTH_BYTES);

	if (data == NULL) {
		writer->failed = true;
		return;
	}
	for (size_t i = 0; i < BACKUP_LENGTH_BYTES; i++) {
		data[i] = (uint8_t)(bytes >> (24 - 8 * i));
	}
	pxe__backup_frame__pack(frame, data + BACKUP_LENGTH_BYTES);
	emit(writer, data, bytes + BACKUP_LENGTH_BYTES);
	free(data);
}

void backup_write_header(struct backup_writer *writer, void *ctx,
	void (*put)(void *ctx, const uint8_t *data, size_t bytes), const Pxe__BackupHeader *header)
{
	Pxe__BackupFrame frame = PXE__BACKUP_FRAME__INIT;
	Pxe__BackupHeader copy = *header;

	assert(writer != NULL && put != NULL);
	*writer = (struct backup_writer){.ctx = ctx, .put = put};
	crypto_hash_sha256_init(&writer->hash);
	emit(writer, (const uint8_t *)backup_magic, BACKUP_MAGIC_BYTES);
	copy.version = BACKUP_VERSION;
	frame.body_case = PXE__BACKUP_FRAME__BODY_HEADER;
	frame.header = &copy;
	emit_frame(writer, &frame);
}

void backup_write_record(struct backup_writer *writer, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes)
{
	Pxe__BackupFrame frame = PXE__BACKUP_FRAME__INIT;
	Pxe__BackupRecord record = PXE__BACKUP_RECORD__INIT;

	/* Only read while packing. */
	record.key = (ProtobufCBinaryData){key_bytes, (uint8_t *)(uintptr_t)key};
	record.value = (ProtobufCBinaryData){value_bytes, (uint8_t *)(uintptr_t)value};
	frame.body_case = PXE__BACKUP_FRAME__BODY_RECORD;
	frame.record = &record;
	emit_frame(writer, &frame);
	writer->records++;
}

void backup_write_trailer(struct backup_writer *writer)
{
	Pxe__BackupFrame frame = PXE__BACKUP_FRAME__INIT;
	Pxe__BackupTrailer trailer = PXE__BACKUP_TRAILER__INIT;
	uint8_t sha256[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_final(&writer->hash, sha256);
	crypto_hash_sha256_init(&writer->hash);
	trailer.records = writer->records;
	trailer.sha256 = (ProtobufCBinaryData){sizeof sha256, sha256};
	frame.body_case = PXE__BACKUP_FRAME__BODY_TRAILER;
	frame.trailer = &trailer;
	emit_frame(writer, &frame);
}

/* ---- reading */

static int refuse(struct backup_reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(struct backup_reader *reader, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reader->error, sizeof reader->error, format, args);
	va_end(args);
	reader->stopped = true;
	return -EBADMSG;
}

void backup_read_begin(struct backup_reader *reader)
{
	assert(reader != NULL);
	*reader = (struct backup_reader){
		.ctx = reader->ctx, .on_header = reader->on_header, .on_record = reader->on_record};
	crypto_hash_sha256_init(&reader->hash);
}

static int read_header(struct backup_reader *reader, const Pxe__BackupHeader *header)
{
	if (reader->has_header) {
		return refuse(reader, "it has two heads: it is not one backup");
	}
	if (header->version != BACKUP_VERSION) {
		return refuse(reader,
			"it is of format %" PRIu32
			", this program knows format %u: use the version that wrote it (%.40s)",
			header->version, BACKUP_VERSION, header->program);
	}
	reader->has_header = true;
	if (reader->on_header != NULL && !reader->on_header(reader->ctx, header)) {
		reader->stopped = true;
		return -ECANCELED;
	}
	return 0;
}

static int read_record(struct backup_reader *reader, const Pxe__BackupRecord *record)
{
	if (!reader->has_header) {
		return refuse(reader, "its head is missing");
	}
	if (record->key.len == 0) {
		return refuse(reader, "record %" PRIu64 " has no key", reader->records + 1);
	}
	reader->records++;
	if (reader->on_record != NULL &&
		!reader->on_record(reader->ctx, record->key.data, record->key.len,
			record->value.data, record->value.len)) {
		reader->stopped = true;
		return -ECANCELED;
	}
	return 0;
}

/* The hash is that of all bytes before this frame. */
static int read_trailer(struct backup_reader *reader, const Pxe__BackupTrailer *trailer)
{
	crypto_hash_sha256_state before = reader->hash;
	uint8_t sha256[crypto_hash_sha256_BYTES];

	if (!reader->has_header) {
		return refuse(reader, "its head is missing");
	}
	if (trailer->records != reader->records) {
		return refuse(reader, "it holds %" PRIu64 " records, written were %" PRIu64,
			reader->records, trailer->records);
	}
	crypto_hash_sha256_final(&before, sha256);
	if (trailer->sha256.len != sizeof sha256 ||
		memcmp(trailer->sha256.data, sha256, sizeof sha256) != 0) {
		return refuse(reader, "it was altered: its bytes are not those that were written");
	}
	reader->has_trailer = true;
	return 0;
}

static int read_frame(struct backup_reader *reader, const uint8_t *data, size_t bytes)
{
	struct msg_budget budget;
	Pxe__BackupFrame *frame;
	int result;

	msg_budget_init(&budget, BACKUP_BLOCKS, 2 * (size_t)BACKUP_FRAME_MAX);
	frame = pxe__backup_frame__unpack(&budget.allocator, bytes, data);
	if (frame == NULL) {
		return refuse(reader, "at byte %" PRIu64 " it is damaged", reader->taken);
	}
	switch (frame->body_case) {
	case PXE__BACKUP_FRAME__BODY_HEADER: result = read_header(reader, frame->header); break;
	case PXE__BACKUP_FRAME__BODY_RECORD: result = read_record(reader, frame->record); break;
	case PXE__BACKUP_FRAME__BODY_TRAILER: result = read_trailer(reader, frame->trailer); break;
	case PXE__BACKUP_FRAME__BODY__NOT_SET:
	case _PXE__BACKUP_FRAME__BODY__CASE_IS_INT_SIZE:
	default: result = refuse(reader, "at byte %" PRIu64 " it is damaged", reader->taken);
	}
	pxe__backup_frame__free_unpacked(frame, NULL);
	return result;
}

/* One magic line or frame from what is there. 1: something was read; 0: more is needed. */
static int read_one(
	struct backup_reader *reader, const uint8_t *data, size_t bytes, size_t *ret_taken)
{
	size_t length = 0;
	int result;

	*ret_taken = 0;
	if (!reader->has_magic) {
		size_t known = bytes < BACKUP_MAGIC_BYTES ? bytes : BACKUP_MAGIC_BYTES;
		if (memcmp(data, backup_magic, known) != 0) {
			return refuse(reader, "it is not a backup of pxecluster");
		}
		reader->has_magic = known == BACKUP_MAGIC_BYTES;
		*ret_taken = reader->has_magic ? known : 0;
		return reader->has_magic;
	}
	if (reader->has_trailer) {
		return bytes == 0 ? 0 : refuse(reader, "something follows its end");
	}
	if (bytes < BACKUP_LENGTH_BYTES) {
		return 0;
	}
	for (size_t i = 0; i < BACKUP_LENGTH_BYTES; i++) {
		length = length << 8 | data[i];
	}
	if (length == 0 || length > BACKUP_FRAME_MAX) {
		return refuse(reader, "at byte %" PRIu64 " it is damaged", reader->taken);
	}
	if (bytes < BACKUP_LENGTH_BYTES + length) {
		return 0;
	}
	result = read_frame(reader, data + BACKUP_LENGTH_BYTES, length);
	*ret_taken = BACKUP_LENGTH_BYTES + length;
	return result < 0 ? result : 1;
}

static int keep(struct backup_reader *reader, const uint8_t *data, size_t bytes)
{
	if (reader->used + bytes > reader->capacity) {
		size_t capacity = (reader->used + bytes) * 2;
		uint8_t *buffer = realloc(reader->buffer, capacity);
		if (buffer == NULL) {
			return refuse(reader, "there is no memory to read it");
		}
		reader->buffer = buffer;
		reader->capacity = capacity;
	}
	if (bytes > 0) {
		memcpy(reader->buffer + reader->used, data, bytes);
	}
	reader->used += bytes;
	return 0;
}

int backup_read(struct backup_reader *reader, const uint8_t *data, size_t bytes)
{
	size_t taken = 0, step;
	int result = reader->stopped ? -EBADMSG : keep(reader, data, bytes);

	assert(data != NULL || bytes == 0);
	while (result == 0 && reader->used > taken) {
		int more = read_one(reader, reader->buffer + taken, reader->used - taken, &step);
		if (more <= 0) {
			result = more;
			break;
		}
		crypto_hash_sha256_update(&reader->hash, reader->buffer + taken, step);
		taken += step;
		reader->taken += step;
	}
	if (taken > 0) {
		reader->used -= taken;
		memmove(reader->buffer, reader->buffer + taken, reader->used);
	}
	return result;
}

int backup_read_end(struct backup_reader *reader)
{
	int result = 0;

	if (reader->error[0] != '\0') {
		result = -EBADMSG;
	} else if (!reader->has_magic) {
		result = refuse(reader, "it is not a backup of pxecluster");
	} else if (!reader->has_trailer) {
		result = refuse(reader,
			"it was cut off: it ends after %" PRIu64 " bytes and %" PRIu64 " records",
			reader->taken + reader->used, reader->records);
	}
	free(reader->buffer);
	reader->buffer = NULL;
	reader->used = reader->capacity = 0;
	return result;
}
