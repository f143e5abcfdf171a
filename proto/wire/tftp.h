/* proto/wire/tftp.h: TFTP packets: RFC 1350 with the options of RFC 2347, 2348 (blksize), 2349
 * (timeout, tsize) and 7440 (windowsize).
 *
 * Pure. Decoding borrows the packet's bytes. Encoding fills a caller's buffer; DATA has its header
 * alone encoded, so that the payload can be sent from where it lies.
 */
#ifndef PROTO_WIRE_TFTP_H
#define PROTO_WIRE_TFTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TFTP_PORT              69
#define TFTP_HEADER_BYTES      4
#define TFTP_BLKSIZE_DEFAULT   512
#define TFTP_BLKSIZE_MIN       8
#define TFTP_BLKSIZE_MAX       65464
#define TFTP_WINDOWSIZE_MAX    65535
#define TFTP_REQUEST_MAX_BYTES 1472 /* RFC 2347 says 512; longer ones come with long names */
#define TFTP_CONTROL_MAX_BYTES 512  /* enough for every OACK, ACK and ERROR that is encoded here */

enum tftp_opcode {
	TFTP_RRQ = 1,
	TFTP_WRQ = 2,
	TFTP_DATA = 3,
	TFTP_ACK = 4,
	TFTP_ERROR = 5,
	TFTP_OACK = 6
};

enum tftp_mode { TFTP_OCTET, TFTP_NETASCII };

enum tftp_error_code {
	TFTP_EUNDEF = 0,
	TFTP_ENOTFOUND = 1,
	TFTP_EACCESS = 2,
	TFTP_ENOSPACE = 3,
	TFTP_EBADOP = 4,
	TFTP_EBADID = 5,
	TFTP_EEXISTS = 6,
	TFTP_ENOUSER = 7,
	TFTP_EOPTION = 8, /* RFC 2347 */
};

enum tftp_reason {
	TFTP_OK = 0,
	TFTP_SHORT, /* too short for its opcode */
	TFTP_BAD_OPCODE,
	TFTP_NO_NUL,     /* a string of a request, an OACK or an ERROR does not end */
	TFTP_EMPTY_NAME, /* a request without a file name */
	TFTP_BAD_MODE,   /* neither octet nor netascii ("mail" included) */
	TFTP_NO_VALUE,   /* an option without a value */
	TFTP_REASON_COUNT,
};

/* Which options are present: bits of `tftp_options.present`. */
#define TFTP_HAS_BLKSIZE    0x01u
#define TFTP_HAS_TIMEOUT    0x02u
#define TFTP_HAS_TSIZE      0x04u
#define TFTP_HAS_WINDOWSIZE 0x08u

struct tftp_options {
	unsigned present;
	uint32_t blksize;    /* 8 to 65464 bytes */
	uint32_t timeout;    /* 1 to 255 seconds */
	uint64_t tsize;      /* bytes; 0 in a request that asks */
	uint32_t windowsize; /* 1 to 65535 blocks */
};

struct tftp_packet {
	enum tftp_opcode opcode;

	/* RRQ, WRQ */
	const char *filename;  /* borrowed, ends with NUL */
	size_t filename_bytes; /* without the NUL; never 0 */
	enum tftp_mode mode;

	/* RRQ, WRQ, OACK. Unknown options, values out of range and repeated options are left out,
	 * as RFC 2347 has it. */
	struct tftp_options options;

	/* DATA, ACK */
	uint16_t block;
	const uint8_t *data; /* DATA: borrowed */
	size_t data_bytes;

	/* ERROR */
	uint16_t error_code;    /* may be above 8 */
	const char *error_text; /* borrowed, ends with NUL; "" if it was left out */
};

/* Decode `size` bytes. Total. Fields that the opcode does not have are zero. *ret_packet is
 * untouched on failure. Option names and the mode are compared without case (RFC 2347, 1350).
 * Trailing bytes after an ACK and garbage after an ERROR's text are ignored. An RRQ may lack the
 * final NUL of its last value: some ROMs cut it, so the value counts as absent. */
__attribute__((warn_unused_result)) enum tftp_reason tftp_decode(
	const void *packet, size_t size, struct tftp_packet *ret_packet);

const char *tftp_reason_name(enum tftp_reason reason);

/* "File not found" and the like: the texts of RFC 1350; "Error" for other numbers. */
const char *tftp_error_text(uint16_t code);

/* Encoders return the packet's size, or 0 if it does not fit into `capacity`. */
size_t tftp_encode_request(enum tftp_opcode opcode, const char *filename, enum tftp_mode mode,
	const struct tftp_options *options, void *buffer, size_t capacity);
size_t tftp_encode_data_header(uint16_t block, uint8_t buffer[TFTP_HEADER_BYTES]);
size_t tftp_encode_ack(uint16_t block, void *buffer, size_t capacity);

/* `text` NULL: the standard one. A text that is too long is cut, so an ERROR fits into 5 bytes and
 * more. */
size_t tftp_encode_error(uint16_t code, const char *text, void *buffer, size_t capacity);
size_t tftp_encode_oack(const struct tftp_options *options, void *buffer, size_t capacity);

#endif
