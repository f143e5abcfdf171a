#include "store/model/record.h"

#include <assert.h>
#include <string.h>

size_t record_key(
	enum record_kind kind, const void *name, size_t name_bytes, uint8_t ret_key[RECORD_KEY_MAX])
{
	assert(ret_key != NULL);
	assert(name_bytes < RECORD_KEY_MAX);
	ret_key[0] = (uint8_t)kind;
	if (name_bytes > 0)
		memcpy(ret_key + 1, name, name_bytes);
	return 1 + name_bytes;
}

size_t record_key_u64(enum record_kind kind, uint64_t id, uint8_t ret_key[RECORD_KEY_MAX])
{
	uint8_t bytes[8];
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(id >> (56 - 8 * i));
	return record_key(kind, bytes, sizeof(bytes), ret_key);
}

size_t record_key_hold(uint32_t ip, uint64_t since_ms, uint8_t ret_key[RECORD_KEY_MAX])
{
	uint8_t bytes[12];
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(ip >> (24 - 8 * i));
	for (unsigned i = 0; i < 8; i++)
		bytes[4 + i] = (uint8_t)(since_ms >> (56 - 8 * i));
	return record_key(RECORD_HOLD, bytes, sizeof(bytes), ret_key);
}

size_t record_key_version(
	const char *image, const uint8_t digest[32], uint8_t ret_key[RECORD_KEY_MAX])
{
	assert(image != NULL && digest != NULL);
	size_t name_bytes = strlen(image);
	assert(name_bytes + 34 <= RECORD_KEY_MAX);
	ret_key[0] = (uint8_t)RECORD_IMAGE_VERSION;
	memcpy(ret_key + 1, image, name_bytes);
	ret_key[1 + name_bytes] = 0;
	memcpy(ret_key + 2 + name_bytes, digest, 32);
	return name_bytes + 34;
}
