/* Backup files from anywhere: never a crash; what is accepted is the same in parts of any size. */
#include "proto/msg/backup.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	uint64_t *sum = ctx;

	*sum += key[key_bytes - 1];
	for (size_t i = 0; i < value_bytes; i++) {
		*sum = *sum * 31 + value[i];
	}
	return true;
}

static int read_in_parts(const uint8_t *data, size_t size, size_t step, uint64_t *ret_sum)
{
	struct backup_reader reader = {.ctx = ret_sum, .on_record = on_record};
	int result = 0;

	*ret_sum = 0;
	backup_read_begin(&reader);
	for (size_t at = 0; at < size && result == 0; at += step) {
		result = backup_read(&reader, data + at, size - at < step ? size - at : step);
	}
	return backup_read_end(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole, parts;
	int result = read_in_parts(data, size, size + 1, &whole);

	assert(read_in_parts(data, size, 5, &parts) == result && parts == whole);
	return 0;
}
