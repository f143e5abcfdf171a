/* store/model/record.h: the keys of the state's records. Pure.
 *
 * A key is one byte of enum record_kind and the object's name (or binary key); so a kind is a
 * prefix. */
#ifndef STORE_MODEL_RECORD_H
#define STORE_MODEL_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_KEY_MAX 160

enum record_kind {
	RECORD_CLOCK = 'c',          /* "c" -> Clock */
	RECORD_SETTINGS = 's',       /* "s" -> Settings */
	RECORD_MEMBER = 'm',         /* + id, 8 bytes big endian -> Member */
	RECORD_SUBNET = 'N',         /* + name -> Subnet */
	RECORD_POOL = 'P',           /* + name -> Pool */
	RECORD_HOST = 'H',           /* + name -> Host */
	RECORD_HOST_MAC = 'M',       /* + hardware address -> host name (bytes) */
	RECORD_HOST_UUID = 'U',      /* + 16 bytes -> host name (bytes) */
	RECORD_HOST_IP = 'R',        /* + ip, 4 bytes -> host name (bytes) */
	RECORD_HOST_CLIENT_ID = 'C', /* + client identifier -> host name (bytes) */
	RECORD_HOST_CIRCUIT = 'K',   /* + relay's circuit -> host name (bytes) */
	RECORD_PROFILE = 'F',        /* + name -> Profile */
	RECORD_IMAGE = 'I',          /* + name -> Image */
	RECORD_IMAGE_VERSION = 'V',  /* + name + 0 byte + 32 bytes digest -> ImageVersion */
	RECORD_LEASE = 'L',          /* + ip, 4 bytes network order -> Lease */
	RECORD_OPERATOR = 'O',       /* + name -> Operator */
	RECORD_TOKEN = 'T',          /* + id -> Token */
	RECORD_WINDOW = 'w',         /* + member id, 8 bytes big endian -> ProposerWindow */
	RECORD_REQUEST = 'q',        /* + request id, 16 bytes -> RequestOutcome */
	RECORD_BLOCK = 'B',          /* + serial, 8 bytes big endian -> Block */
	RECORD_GROUP = 'G',          /* + name -> Group */
	RECORD_ONCE = 'b',           /* + host name -> Once */
	RECORD_MACHINE = 'v',        /* + hardware address -> Machine */
	RECORD_HOLD = 'h',           /* + ip, 4 bytes + since_ms, 8 bytes big endian -> Hold */
};

/* Build a key; ret_key has RECORD_KEY_MAX bytes. Returns its length. */
size_t record_key(enum record_kind kind, const void *name, size_t name_bytes,
	uint8_t ret_key[RECORD_KEY_MAX]);
size_t record_key_u64(enum record_kind kind, uint64_t id, uint8_t ret_key[RECORD_KEY_MAX]);
size_t record_key_hold(uint32_t ip, uint64_t since_ms, uint8_t ret_key[RECORD_KEY_MAX]);
size_t record_key_version(
	const char *image, const uint8_t digest[32], uint8_t ret_key[RECORD_KEY_MAX]);

#endif
