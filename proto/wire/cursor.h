/* proto/wire/cursor.h: bounded big-endian reading and writing of packets, with a sticky error.
 *
 * Pure. A decoder or encoder calls as many functions as it likes and asks `failed` once at the end:
 * after the first step past the bound every read yields zero, every write does nothing, and
 * `failed` stays set. No call ever touches a byte outside the bounds given to `_init`.
 */
#ifndef PROTO_WIRE_CURSOR_H
#define PROTO_WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads from bytes that the caller keeps alive. */
struct cursor_reader {
	const uint8_t *data;
	size_t size;
	size_t at; /* next byte to read; never above size */
	bool failed;
};

/* Writes into a buffer of the caller. */
struct cursor_writer {
	uint8_t *data;
	size_t capacity;
	size_t size; /* bytes written; never above capacity */
	bool failed;
};

/* `data` may be NULL if `size` is 0. */
void cursor_reader_init(struct cursor_reader *reader, const void *data, size_t size);
size_t cursor_left(const struct cursor_reader *reader);
uint8_t cursor_u8(struct cursor_reader *reader);
uint16_t cursor_u16(struct cursor_reader *reader);
uint32_t cursor_u32(struct cursor_reader *reader);
uint64_t cursor_u64(struct cursor_reader *reader);

/* The next `size` bytes, borrowed from the packet; NULL (and failed) if there are fewer. */
const uint8_t *cursor_bytes(struct cursor_reader *reader, size_t size);

/* Copy the next `size` bytes to `ret`; zeros if there are fewer. */
void cursor_copy(struct cursor_reader *reader, void *ret, size_t size);

/* The NUL-terminated string that starts here, borrowed; reads past its NUL. NULL (and failed) if no
 * NUL is left. `ret_length` (may be NULL) gets its length without the NUL. */
const char *cursor_string(struct cursor_reader *reader, size_t *ret_length);

/* `data` may be NULL if `capacity` is 0. */
void cursor_writer_init(struct cursor_writer *writer, void *data, size_t capacity);
void cursor_put_u8(struct cursor_writer *writer, uint8_t value);
void cursor_put_u16(struct cursor_writer *writer, uint16_t value);
void cursor_put_u32(struct cursor_writer *writer, uint32_t value);
void cursor_put_u64(struct cursor_writer *writer, uint64_t value);
void cursor_put_bytes(struct cursor_writer *writer, const void *data, size_t size);
void cursor_put_fill(struct cursor_writer *writer, uint8_t value, size_t size);

/* `text` with its NUL. */
void cursor_put_string(struct cursor_writer *writer, const char *text);

#endif
