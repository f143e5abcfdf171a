#include "store/model/shelf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void shelf_record_free(struct shelf_record *record)
{
	if (record == NULL)
		return;
	if (record->message != NULL)
		protobuf_c_message_free_unpacked(record->message, NULL);
	free(record->value);
	free(record);
}

void shelf_fini(struct shelf *shelf)
{
	for (size_t i = 0; i < shelf->count; i++)
		shelf_record_free(shelf->records[i]);
	free(shelf->records);
	*shelf = (struct shelf){0};
}

static int shelf_compare(const struct shelf_record *record, const uint8_t *key, size_t key_bytes)
{
	size_t common = record->key_bytes < key_bytes ? record->key_bytes : key_bytes;
	int order = memcmp(record->key, key, common);
	if (order != 0)
		return order;
	return (record->key_bytes > key_bytes) - (record->key_bytes < key_bytes);
}

size_t shelf_lower_bound(const struct shelf *shelf, const uint8_t *key, size_t key_bytes)
{
	size_t low = 0, high = shelf->count;
	/* Loading goes in key order, so look at the end first. */
	if (high > 0 && shelf_compare(shelf->records[high - 1], key, key_bytes) < 0)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (shelf_compare(shelf->records[middle], key, key_bytes) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct shelf_record *shelf_find(const struct shelf *shelf, const uint8_t *key, size_t key_bytes)
{
	size_t at = shelf_lower_bound(shelf, key, key_bytes);
	if (at == shelf->count || shelf_compare(shelf->records[at], key, key_bytes) != 0)
		return NULL;
	return shelf->records[at];
}

static void shelf_grow(struct shelf *shelf)
{
	size_t capacity = shelf->capacity == 0 ? 16 : 2 * shelf->capacity;
	struct shelf_record **records = realloc(shelf->records, capacity * sizeof(*records));
	if (records == NULL)
		abort();
	shelf->records = records;
	shelf->capacity = capacity;
}

struct shelf_record *shelf_make(struct shelf *shelf, const uint8_t *key, size_t key_bytes)
{
	assert(key != NULL && key_bytes > 0);
	size_t at = shelf_lower_bound(shelf, key, key_bytes);
	if (at < shelf->count && shelf_compare(shelf->records[at], key, key_bytes) == 0)
		return shelf->records[at];
	if (shelf->count == shelf->capacity)
		shelf_grow(shelf);
	struct shelf_record *record = calloc(1, sizeof(*record) + key_bytes);
	if (record == NULL)
		abort();
	memcpy(record->key, key, key_bytes);
	record->key_bytes = key_bytes;
	memmove(&shelf->records[at + 1], &shelf->records[at],
		(shelf->count - at) * sizeof(*shelf->records));
	shelf->records[at] = record;
	shelf->count++;
	return record;
}

struct shelf_record *shelf_take(struct shelf *shelf, const uint8_t *key, size_t key_bytes)
{
	size_t at = shelf_lower_bound(shelf, key, key_bytes);
	if (at == shelf->count || shelf_compare(shelf->records[at], key, key_bytes) != 0)
		return NULL;
	struct shelf_record *record = shelf->records[at];
	shelf->count--;
	memmove(&shelf->records[at], &shelf->records[at + 1],
		(shelf->count - at) * sizeof(*shelf->records));
	return record;
}
