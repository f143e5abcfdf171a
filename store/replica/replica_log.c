#include "store/replica/replica_log.h"

#include <assert.h>
#include <stdlib.h>

#define REPLICA_LOG_CAPACITY_FIRST 256

static struct replica_log_entry *replica_log_at(const struct replica_log *log, size_t offset)
{
	return &log->entry[(log->first + offset) & (log->capacity - 1)];
}

void replica_log_init(struct replica_log *log)
{
	assert(log != NULL);
	*log = (struct replica_log){0};
}

void replica_log_fini(struct replica_log *log)
{
	replica_log_truncate(log, 0);
	free(log->entry);
	*log = (struct replica_log){0};
}

static void replica_log_grow(struct replica_log *log)
{
	size_t capacity = log->capacity == 0 ? REPLICA_LOG_CAPACITY_FIRST : log->capacity * 2;
	struct replica_log_entry *entry = calloc(capacity, sizeof *entry);
	if (entry == NULL)
		abort();
	for (size_t i = 0; i < log->count; i++)
		entry[i] = *replica_log_at(log, i);
	free(log->entry);
	log->entry = entry;
	log->capacity = capacity;
	log->first = 0;
}

void replica_log_push(struct replica_log *log, uint64_t index, uint64_t term, uint32_t type,
	uint8_t *payload, size_t payload_bytes)
{
	assert(log != NULL && index > 0 && term > 0);
	if (log->count > 0 && index != replica_log_at(log, log->count - 1)->index + 1)
		replica_log_truncate(log, 0);
	if (log->count == log->capacity)
		replica_log_grow(log);
	log->count++;
	log->bytes += payload_bytes;
	*replica_log_at(log, log->count - 1) = (struct replica_log_entry){
		.index = index,
		.term = term,
		.type = type,
		.payload = payload,
		.payload_bytes = payload_bytes,
	};
}

void replica_log_truncate(struct replica_log *log, uint64_t from)
{
	while (log->count > 0) {
		struct replica_log_entry *newest = replica_log_at(log, log->count - 1);
		if (newest->index < from)
			return;
		log->bytes -= newest->payload_bytes;
		free(newest->payload);
		log->count--;
	}
}

void replica_log_trim(struct replica_log *log, uint64_t durable)
{
	while (log->count > REPLICA_LOG_ENTRIES_MAX || log->bytes > REPLICA_LOG_BYTES_MAX) {
		struct replica_log_entry *oldest = replica_log_at(log, 0);
		if (oldest->index > durable)
			return;
		log->bytes -= oldest->payload_bytes;
		free(oldest->payload);
		log->first = (log->first + 1) & (log->capacity - 1);
		log->count--;
	}
}

const struct replica_log_entry *replica_log_get(const struct replica_log *log, uint64_t index)
{
	if (log->count == 0)
		return NULL;
	uint64_t first = replica_log_at(log, 0)->index;
	if (index < first || index - first >= log->count)
		return NULL;
	return replica_log_at(log, (size_t)(index - first));
}
