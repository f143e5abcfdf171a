#include "store/model/digest.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static const uint8_t digest_key[] = "pxecluster state digest, 1";

static void digest_of_record(const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes, uint64_t ret_lane[4])
{
	assert(key_bytes <= UINT32_MAX);
	crypto_generichash_state state;
	uint8_t out[DIGEST_BYTES];
	uint8_t length[4] = {(uint8_t)(key_bytes >> 24), (uint8_t)(key_bytes >> 16),
		(uint8_t)(key_bytes >> 8), (uint8_t)key_bytes};
	crypto_generichash_init(&state, digest_key, sizeof(digest_key), sizeof(out));
	crypto_generichash_update(&state, length, sizeof(length));
	crypto_generichash_update(&state, key, key_bytes);
	crypto_generichash_update(&state, value, value_bytes);
	crypto_generichash_final(&state, out, sizeof(out));
	for (unsigned i = 0; i < 4; i++) {
		ret_lane[i] = 0;
		for (unsigned b = 0; b < 8; b++)
			ret_lane[i] |= (uint64_t)out[8 * i + b] << (8 * b);
	}
}

void digest_add(struct digest *digest, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes)
{
	uint64_t lane[4];
	digest_of_record(key, key_bytes, value, value_bytes, lane);
	uint64_t carry = 0;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t sum = digest->lane[i] + lane[i];
		uint64_t over = sum < lane[i];
		sum += carry;
		carry = over | (sum < carry);
		digest->lane[i] = sum;
	}
}

void digest_remove(struct digest *digest, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes)
{
	uint64_t lane[4];
	digest_of_record(key, key_bytes, value, value_bytes, lane);
	uint64_t borrow = 0;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t old = digest->lane[i];
		uint64_t difference = old - lane[i];
		uint64_t under = old < lane[i];
		under |= difference < borrow;
		digest->lane[i] = difference - borrow;
		borrow = under;
	}
}

void digest_bytes(const struct digest *digest, uint8_t ret_bytes[DIGEST_BYTES])
{
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned b = 0; b < 8; b++)
			ret_bytes[8 * i + b] = (uint8_t)(digest->lane[i] >> (8 * b));
	}
}
