/* store/model/digest.h: the digest of a set of records, kept up to date change by change. Pure.
 *
 * It is the sum modulo 2^256 of a keyed BLAKE2b-256 of each (key length, key, value): the order in
 * which records came does not matter, and each change costs the hash of one record. It finds
 * faults, not forgers.
 */
#ifndef STORE_MODEL_DIGEST_H
#define STORE_MODEL_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32

/* Zero is the digest of the empty set; lane 0 is the lowest. */
struct digest {
	uint64_t lane[4];
};

void digest_add(struct digest *digest, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes);
void digest_remove(struct digest *digest, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes);
/* The same bytes on every machine. */
void digest_bytes(const struct digest *digest, uint8_t ret_bytes[DIGEST_BYTES]);

#endif
