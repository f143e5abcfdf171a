/* proto/msg/backup.h: writing and reading backup files (backup.proto): the records of the state as
 * of one applied entry.
 *
 * Pure but for heap memory; files and sockets are the caller's. The reader takes the bytes of the
 * file in parts of any size and believes nothing: a file that was cut, altered or continued is
 * refused with what is wrong. What a record means is not looked at here.
 *
 *   writer: backup_write_header(), backup_write_record() ..., backup_write_trailer() -> bytes
 *   reader: backup_read() with each part of the file, then backup_read_end()
 */
#ifndef PROTO_MSG_BACKUP_H
#define PROTO_MSG_BACKUP_H

#include "proto/msg/backup.pb-c.h"
#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKUP_VERSION     1u
#define BACKUP_FRAME_MAX   (4u << 20) /* bytes of one frame; an image's file list is the largest */
#define BACKUP_ERROR_BYTES 256

/* ---- writing */

/* Bytes go to `put`, in order; borrowed for the call. Without memory for a frame `failed` is set
 * and nothing more is put. */
struct backup_writer {
	void *ctx;
	void (*put)(void *ctx, const uint8_t *data, size_t bytes);
	crypto_hash_sha256_state hash;
	uint64_t records;
	bool failed;
};

void backup_write_header(struct backup_writer *writer, void *ctx,
	void (*put)(void *ctx, const uint8_t *data, size_t bytes), const Pxe__BackupHeader *header);
void backup_write_record(struct backup_writer *writer, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes);
void backup_write_trailer(struct backup_writer *writer);

/* ---- reading */

struct backup_reader {
	void *ctx;
	/* May be NULL. False stops the reading: the visitor has told why itself. Nothing is certain
	 * before backup_read_end() has said that the file is whole. */
	bool (*on_header)(void *ctx, const Pxe__BackupHeader *header);
	bool (*on_record)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes);
	/* ---- of the reader */
	crypto_hash_sha256_state hash;
	uint8_t *buffer;
	size_t used, capacity;
	uint64_t taken, records; /* bytes of the file that were understood; records */
	bool has_magic, has_header, has_trailer, stopped;
	char error[BACKUP_ERROR_BYTES]; /* "" while all is well */
};

/* Sets ctx and the visitors beforehand, all else here. */
void backup_read_begin(struct backup_reader *reader);
/* The next part of the file. 0, -EBADMSG with a line in reader->error, or -ECANCELED: a visitor
 * stopped. */
int backup_read(struct backup_reader *reader, const uint8_t *data, size_t bytes);
/* The file is over. 0: it is whole and unaltered; -EBADMSG with a line in reader->error. Frees what
 * the reader holds, whatever came before. */
int backup_read_end(struct backup_reader *reader);

#endif
