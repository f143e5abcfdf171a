#include "store/model/lease_table.h"

#include "store/model/internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint32_t lease_ip_hash(uint32_t ip)
{
	uint32_t hash = ip * 0x9e3779b1u;
	return hash ^ (hash >> 15);
}

static uint32_t lease_client_hash(const char *subnet, const uint8_t *client, size_t client_bytes)
{
	uint64_t seed = table_hash(subnet, strlen(subnet), 0);
	return (uint32_t)table_hash(client, client_bytes, seed);
}

const uint8_t *lease_record_client(const struct lease_record *record)
{
	return record->bytes;
}

const uint8_t *lease_record_mac(const struct lease_record *record)
{
	return record->bytes + record->client_bytes;
}

const uint8_t *lease_record_client_id(const struct lease_record *record)
{
	return lease_record_mac(record) + record->mac_bytes;
}

const uint8_t *lease_record_uuid(const struct lease_record *record)
{
	return lease_record_client_id(record) + record->client_id_bytes;
}

static size_t lease_hostname_at(const struct lease_record *record)
{
	return (size_t)record->client_bytes + record->mac_bytes + record->client_id_bytes +
	       record->uuid_bytes;
}

const char *lease_record_hostname(const struct lease_record *record)
{
	return (const char *)record->bytes + lease_hostname_at(record);
}

const char *lease_record_subnet(const struct lease_record *record)
{
	return (const char *)record->bytes + lease_hostname_at(record) + record->hostname_bytes + 1;
}

Pxe__Lease lease_record_view(struct lease_record *record, uint8_t ip_bytes[4])
{
	Pxe__Lease lease = PXE__LEASE__INIT;
	uint8_t *at = record->bytes;
	msg_ip4_put(record->ip, ip_bytes);
	lease.ip = (ProtobufCBinaryData){.len = 4, .data = ip_bytes};
	lease.state = (Pxe__LeaseState)record->state;
	lease.client = (ProtobufCBinaryData){.len = record->client_bytes, .data = at};
	at += record->client_bytes;
	lease.mac = (ProtobufCBinaryData){.len = record->mac_bytes, .data = at};
	at += record->mac_bytes;
	lease.client_id = (ProtobufCBinaryData){.len = record->client_id_bytes, .data = at};
	at += record->client_id_bytes;
	lease.uuid = (ProtobufCBinaryData){.len = record->uuid_bytes, .data = at};
	at += record->uuid_bytes;
	lease.hostname = (char *)at;
	at += record->hostname_bytes + 1;
	lease.subnet = (char *)at;
	lease.expires_ms = record->expires_ms;
	lease.promised_ms = record->promised_ms;
	lease.started_ms = record->started_ms;
	lease.since_ms = record->since_ms;
	lease.node = record->node;
	lease.released_ms = record->released_ms;
	return lease;
}

static uint8_t *lease_append(uint8_t *at, const void *data, size_t data_bytes)
{
	if (data_bytes > 0)
		memcpy(at, data, data_bytes);
	return at + data_bytes;
}

static uint8_t lease_length(size_t bytes)
{
	assert(bytes <= UINT8_MAX);
	return (uint8_t)bytes;
}

/* What was only offered is bound by no promise; what is in quarantine, by the promise to the client
 * that had it before, if there was one. */
static uint64_t lease_free_at(const Pxe__Lease *lease)
{
	if (lease->state == PXE__LEASE_STATE__LEASE_OFFERED && lease->since_ms == 0)
		return lease->expires_ms;
	uint64_t rested_ms = internal_after(lease->promised_ms, MODEL_REST_MS);
	if (lease->state == PXE__LEASE_STATE__LEASE_DECLINED && lease->expires_ms > rested_ms)
		return lease->expires_ms;
	if (lease->state == PXE__LEASE_STATE__LEASE_DECLINED && lease->promised_ms == 0)
		return lease->expires_ms;
	return rested_ms;
}

static struct lease_record *lease_record_new(const Pxe__Lease *lease)
{
	size_t hostname_bytes = strlen(lease->hostname), subnet_bytes = strlen(lease->subnet);
	size_t bytes = lease->client.len + lease->mac.len + lease->client_id.len + lease->uuid.len +
		       hostname_bytes + subnet_bytes + 2;
	struct lease_record *record = calloc(1, sizeof(*record) + bytes);
	if (record == NULL)
		abort();
	record->ip = msg_ip4_get(lease->ip);
	record->state = (uint8_t)lease->state;
	record->client_bytes = lease_length(lease->client.len);
	record->mac_bytes = lease_length(lease->mac.len);
	record->client_id_bytes = lease_length(lease->client_id.len);
	record->uuid_bytes = lease_length(lease->uuid.len);
	record->hostname_bytes = lease_length(hostname_bytes);
	record->subnet_bytes = lease_length(subnet_bytes);
	uint8_t *at = lease_append(record->bytes, lease->client.data, lease->client.len);
	at = lease_append(at, lease->mac.data, lease->mac.len);
	at = lease_append(at, lease->client_id.data, lease->client_id.len);
	at = lease_append(at, lease->uuid.data, lease->uuid.len);
	at = lease_append(at, lease->hostname, hostname_bytes + 1);
	lease_append(at, lease->subnet, subnet_bytes + 1);
	record->expires_ms = lease->expires_ms;
	record->promised_ms = lease->promised_ms;
	record->started_ms = lease->started_ms;
	record->since_ms = lease->since_ms;
	record->node = lease->node;
	record->released_ms = lease->released_ms;
	record->free_at_ms = lease_free_at(lease);
	return record;
}

static uint32_t lease_record_hash(const struct lease_record *record)
{
	return lease_client_hash(
		lease_record_subnet(record), lease_record_client(record), record->client_bytes);
}

struct lease_record *lease_table_find(const struct lease_table *leases, uint32_t ip)
{
	size_t cursor = 0;
	struct lease_record *record;
	while ((record = table_next(&leases->by_ip, lease_ip_hash(ip), &cursor)) != NULL) {
		if (record->ip == ip)
			return record;
	}
	return NULL;
}

struct lease_record *lease_table_set(struct lease_table *leases, const Pxe__Lease *lease)
{
	struct lease_record *record = lease_record_new(lease);
	struct lease_record *old = lease_table_find(leases, record->ip);
	if (old != NULL)
		lease_table_remove(leases, old);
	table_put(&leases->by_ip, lease_ip_hash(record->ip), record);
	table_put(&leases->by_client, lease_record_hash(record), record);
	leases->count++;
	record->freeing = (struct heap_node){.at_ms = record->free_at_ms, .ip = record->ip};
	heap_put(&leases->freeing, &record->freeing);
	record->released = (struct heap_node){.at_ms = record->released_ms, .ip = record->ip};
	if (record->released_ms != 0)
		heap_put(&leases->released, &record->released);
	return record;
}

void lease_table_remove(struct lease_table *leases, struct lease_record *record)
{
	assert(leases->count > 0);
	table_remove(&leases->by_ip, lease_ip_hash(record->ip), record);
	table_remove(&leases->by_client, lease_record_hash(record), record);
	heap_remove(&leases->freeing, &record->freeing);
	if (record->released_ms != 0)
		heap_remove(&leases->released, &record->released);
	leases->count--;
	free(record);
}

struct lease_record *lease_table_next_of_client(const struct lease_table *leases,
	const char *subnet, const uint8_t *client, size_t client_bytes, size_t *cursor)
{
	uint32_t hash = lease_client_hash(subnet, client, client_bytes);
	struct lease_record *record;
	while ((record = table_next(&leases->by_client, hash, cursor)) != NULL) {
		if (record->client_bytes == client_bytes &&
			memcmp(lease_record_client(record), client, client_bytes) == 0 &&
			strcmp(lease_record_subnet(record), subnet) == 0)
			return record;
	}
	return NULL;
}

/* The record of a node at this offset in it. */
static struct lease_record *lease_of_node(struct heap_node *node, size_t offset)
{
	return node == NULL ? NULL : (struct lease_record *)(void *)((uint8_t *)node - offset);
}

struct lease_record *lease_table_at(const struct lease_table *leases, size_t at)
{
	assert(at < leases->count);
	return lease_of_node(leases->freeing.nodes[at], offsetof(struct lease_record, freeing));
}

struct lease_record *lease_table_first(const struct lease_table *leases)
{
	return lease_of_node(heap_first(&leases->freeing), offsetof(struct lease_record, freeing));
}

struct lease_record *lease_table_first_released(const struct lease_table *leases)
{
	return lease_of_node(
		heap_first(&leases->released), offsetof(struct lease_record, released));
}

static int lease_compare_ip(const void *a, const void *b)
{
	const struct lease_record *first = *(struct lease_record *const *)a;
	const struct lease_record *second = *(struct lease_record *const *)b;
	return (first->ip > second->ip) - (first->ip < second->ip);
}

struct lease_record **lease_table_sorted(const struct lease_table *leases)
{
	if (leases->count == 0)
		return NULL;
	struct lease_record **sorted = malloc(leases->count * sizeof(struct lease_record *));
	if (sorted == NULL)
		abort();
	for (size_t i = 0; i < leases->count; i++)
		sorted[i] = lease_table_at(leases, i);
	qsort(sorted, leases->count, sizeof(struct lease_record *), lease_compare_ip);
	return sorted;
}

void lease_table_fini(struct lease_table *leases)
{
	for (size_t i = 0; i < leases->count; i++)
		free(lease_table_at(leases, i));
	heap_fini(&leases->freeing);
	heap_fini(&leases->released);
	table_fini(&leases->by_ip);
	table_fini(&leases->by_client);
	*leases = (struct lease_table){0};
}
