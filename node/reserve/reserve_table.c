#include "node/reserve/reserve_impl.h"

#include "proto/msg/msg_ip4.h"
#include <assert.h>
#include <string.h>

#define SWEEP_MS 1000

_Static_assert(RESERVE_ENTRIES_MAX <= RESERVE_SLOTS && RESERVE_OFFERS_MAX <= RESERVE_SLOTS,
	"an index has a place for every slot");
_Static_assert((RESERVE_SLOTS & (RESERVE_SLOTS - 1)) == 0 && RESERVE_SLOTS < RESERVE_SLOT_NONE,
	"buckets are found by a mask");

uint64_t reserve_hash(const uint8_t *bytes, size_t count)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	for (size_t i = 0; i < count; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u; /* splitmix64's finish */
	return hash ^ hash >> 31;
}

static uint64_t hash_ip(uint32_t ip)
{
	uint8_t bytes[4];
	msg_ip4_put(ip, bytes);
	return reserve_hash(bytes, sizeof bytes);
}

static uint64_t hash_client(const struct reserve_client *client)
{
	return reserve_hash(client->bytes, client->count);
}

bool reserve_same_client(const struct reserve_client *a, const struct reserve_client *b)
{
	return a->count == b->count && memcmp(a->bytes, b->bytes, a->count) == 0;
}

bool reserve_client_of(const Pxe__ClientInfo *who, struct reserve_client *ret_client)
{
	if (who->client.len == 0 || who->client.len > MODEL_CLIENT_MAX)
		return false;
	ret_client->count = (uint8_t)who->client.len;
	memcpy(ret_client->bytes, who->client.data, who->client.len);
	return true;
}

/* ---- chains */

static void index_init(struct reserve_index *index)
{
	memset(index->bucket, 0xff, sizeof index->bucket); /* RESERVE_SLOT_NONE */
}

static uint16_t index_first(const struct reserve_index *index, uint64_t hash)
{
	return index->bucket[hash & (RESERVE_SLOTS - 1)];
}

static void index_add(struct reserve_index *index, uint64_t hash, uint16_t slot)
{
	uint16_t *bucket = &index->bucket[hash & (RESERVE_SLOTS - 1)];
	index->next[slot] = *bucket;
	*bucket = slot;
}

static void index_remove(struct reserve_index *index, uint64_t hash, uint16_t slot)
{
	uint16_t *link = &index->bucket[hash & (RESERVE_SLOTS - 1)];
	while (*link != slot) {
		assert(*link != RESERVE_SLOT_NONE);
		link = &index->next[*link];
	}
	*link = index->next[slot];
}

void reserve_table_init(struct reserve_table *table)
{
	index_init(&table->entry_by_ip);
	index_init(&table->entry_by_client);
	index_init(&table->offered_by_ip);
	index_init(&table->offered_by_client);
	for (uint16_t i = 0; i < RESERVE_ENTRIES_MAX; i++)
		table->entry_free[i] = (uint16_t)(RESERVE_ENTRIES_MAX - 1 - i);
	for (uint16_t i = 0; i < RESERVE_OFFERS_MAX; i++)
		table->offered_free[i] = (uint16_t)(RESERVE_OFFERS_MAX - 1 - i);
}

/* ---- entries */

uint16_t reserve_table_slot(const struct reserve_table *table, const struct reserve_entry *entry)
{
	ptrdiff_t slot = entry - table->entry;
	assert(slot >= 0 && slot < RESERVE_ENTRIES_MAX);
	return (uint16_t)slot;
}

/* Found entries may be changed by who may change the table. */
static struct reserve_entry *entry_at(const struct reserve_table *table, uint16_t slot)
{
	return (struct reserve_entry *)(uintptr_t)&table->entry[slot];
}

static struct reserve_offered *offered_at(const struct reserve_table *table, uint16_t slot)
{
	return (struct reserve_offered *)(uintptr_t)&table->offered[slot];
}

struct reserve_entry *reserve_table_entry(const struct reserve_table *table, uint32_t ip)
{
	const struct reserve_index *index = &table->entry_by_ip;
	for (uint16_t i = index_first(index, hash_ip(ip)); i != RESERVE_SLOT_NONE;
		i = index->next[i])
		if (table->entry[i].ip == ip)
			return entry_at(table, i);
	return NULL;
}

struct reserve_entry *reserve_table_entry_of(const struct reserve_table *table,
	const struct reserve_client *client, const struct reserve_entry *before)
{
	const struct reserve_index *index = &table->entry_by_client;
	uint16_t i = before != NULL ? index->next[reserve_table_slot(table, before)]
				    : index_first(index, hash_client(client));
	for (; i != RESERVE_SLOT_NONE; i = index->next[i])
		if (reserve_same_client(&table->entry[i].client, client))
			return entry_at(table, i);
	return NULL;
}

struct reserve_entry *reserve_table_add(
	struct reserve_table *table, uint32_t ip, const struct reserve_client *client)
{
	if (table->entry_count == RESERVE_ENTRIES_MAX)
		return NULL;
	uint16_t slot = table->entry_free[RESERVE_ENTRIES_MAX - 1 - table->entry_count];
	struct reserve_entry *entry = &table->entry[slot];
	assert(!entry->is_used);
	uint64_t version = entry->version + 1; /* not to be taken for the slot's last tenant */
	table->entry_count++;
	if (slot >= table->entry_end)
		table->entry_end = (size_t)slot + 1;
	*entry = (struct reserve_entry){
		.ip = ip, .is_used = true, .version = version, .client = *client};
	index_add(&table->entry_by_ip, hash_ip(ip), slot);
	index_add(&table->entry_by_client, hash_client(client), slot);
	return entry;
}

void reserve_table_set_client(struct reserve_table *table, struct reserve_entry *entry,
	const struct reserve_client *client)
{
	uint16_t slot = reserve_table_slot(table, entry);
	index_remove(&table->entry_by_client, hash_client(&entry->client), slot);
	entry->client = *client;
	index_add(&table->entry_by_client, hash_client(client), slot);
}

void reserve_table_remove(struct reserve_table *table, struct reserve_entry *entry)
{
	uint16_t slot = reserve_table_slot(table, entry);
	assert(entry->is_used && table->entry_count > 0);
	index_remove(&table->entry_by_ip, hash_ip(entry->ip), slot);
	index_remove(&table->entry_by_client, hash_client(&entry->client), slot);
	entry->is_used = false;
	table->entry_count--;
	table->entry_free[RESERVE_ENTRIES_MAX - 1 - table->entry_count] = slot;
}

/* ---- offers */

struct reserve_offered *reserve_table_offered(
	const struct reserve_table *table, uint32_t ip, uint64_t boot_ms)
{
	const struct reserve_index *index = &table->offered_by_ip;
	for (uint16_t i = index_first(index, hash_ip(ip)); i != RESERVE_SLOT_NONE;
		i = index->next[i])
		if (table->offered[i].ip == ip && boot_ms < table->offered[i].until_boot_ms)
			return offered_at(table, i);
	return NULL;
}

static struct reserve_offered *offered_to(
	const struct reserve_table *table, const struct reserve_client *client)
{
	const struct reserve_index *index = &table->offered_by_client;
	for (uint16_t i = index_first(index, hash_client(client)); i != RESERVE_SLOT_NONE;
		i = index->next[i])
		if (reserve_same_client(&table->offered[i].client, client))
			return offered_at(table, i);
	return NULL;
}

struct reserve_offered *reserve_table_offered_to(
	const struct reserve_table *table, const struct reserve_client *client, uint64_t boot_ms)
{
	struct reserve_offered *offered = offered_to(table, client);
	return offered != NULL && boot_ms < offered->until_boot_ms ? offered : NULL;
}

void reserve_table_withdraw(struct reserve_table *table, struct reserve_offered *offered)
{
	uint16_t slot = (uint16_t)(offered - table->offered);
	assert(offered->is_used && table->offered_count > 0);
	index_remove(&table->offered_by_ip, hash_ip(offered->ip), slot);
	index_remove(&table->offered_by_client, hash_client(&offered->client), slot);
	offered->is_used = false;
	table->offered_count--;
	table->offered_free[RESERVE_OFFERS_MAX - 1 - table->offered_count] = slot;
}

/* A flood of made-up clients fills the table; looking through it for each of them costs more. */
static void sweep_offers(struct reserve_table *table, uint64_t boot_ms)
{
	if (boot_ms - table->swept_boot_ms < SWEEP_MS)
		return;
	table->swept_boot_ms = boot_ms;
	for (size_t i = 0; i < RESERVE_OFFERS_MAX; i++) {
		struct reserve_offered *offered = &table->offered[i];
		if (offered->is_used && boot_ms >= offered->until_boot_ms)
			reserve_table_withdraw(table, offered);
	}
}

bool reserve_table_offer(struct reserve_table *table, uint32_t ip,
	const struct reserve_client *client, uint64_t boot_ms)
{
	struct reserve_offered *before = offered_to(table, client);
	if (before != NULL)
		reserve_table_withdraw(table, before);
	if (table->offered_count == RESERVE_OFFERS_MAX)
		sweep_offers(table, boot_ms);
	if (table->offered_count == RESERVE_OFFERS_MAX)
		return false;
	uint16_t slot = table->offered_free[RESERVE_OFFERS_MAX - 1 - table->offered_count];
	struct reserve_offered *offered = &table->offered[slot];
	assert(!offered->is_used);
	table->offered_count++;
	*offered = (struct reserve_offered){.ip = ip,
		.is_used = true,
		.until_boot_ms = boot_ms + RESERVE_OFFER_MS,
		.client = *client};
	index_add(&table->offered_by_ip, hash_ip(ip), slot);
	index_add(&table->offered_by_client, hash_client(client), slot);
	return true;
}
