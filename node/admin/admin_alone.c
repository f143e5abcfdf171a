/* What this node leased without the quorum, for lists: read from its durable journal, in the order
 * of addresses. */
#include "node/admin/admin_impl.h"

#include "proto/msg/journal.pb-c.h"
#include "proto/msg/msg_ip4.h"

#include <stdlib.h>

struct admin_alone {
	struct alone_item {
		uint32_t ip;
		Pxe__JournalEntry *entry;
		Pxe__Lease lease; /* points into entry */
	} * item;
	size_t count, capacity;
	const struct model *model;
	uint64_t now_ms;
};

static bool reserve_item(struct admin_alone *alone)
{
	size_t capacity = alone->capacity == 0 ? 64 : alone->capacity * 2;
	struct alone_item *item;

	if (alone->count < alone->capacity) {
		return true;
	}
	item = realloc(alone->item, capacity * sizeof *item);
	if (item == NULL) {
		return false;
	}
	alone->item = item;
	alone->capacity = capacity;
	return true;
}

/* Does it run, and longer than what the cluster knows of it? */
static bool is_news(const struct admin_alone *alone, const Pxe__JournalEntry *entry, uint32_t ip)
{
	struct lease known;

	if (entry->kind != PXE__JOURNAL_KIND__JOURNAL_LEASE || entry->merging ||
		entry->who == NULL || entry->expires_ms <= alone->now_ms) {
		return false;
	}
	return !model_lease_of_ip(alone->model, ip, &known) || known.expires_ms < entry->expires_ms;
}

static void fill(struct alone_item *item)
{
	const Pxe__JournalEntry *entry = item->entry;

	pxe__lease__init(&item->lease);
	item->lease.ip = entry->ip;
	item->lease.client = entry->who->client;
	item->lease.mac = entry->who->mac;
	item->lease.uuid = entry->who->uuid;
	item->lease.hostname = entry->who->hostname;
	item->lease.subnet = entry->subnet;
	item->lease.state = PXE__LEASE_STATE__LEASE_BOUND;
	item->lease.expires_ms = entry->expires_ms;
	item->lease.promised_ms = entry->expires_ms;
}

static bool on_entry(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct admin_alone *alone = ctx;
	Pxe__JournalEntry *entry = pxe__journal_entry__unpack(NULL, value_bytes, value);
	uint32_t ip = entry != NULL && entry->ip.len == 4 ? msg_ip4_get(entry->ip) : 0;

	(void)key;
	(void)key_bytes;
	if (ip == 0 || !is_news(alone, entry, ip) || !reserve_item(alone)) {
		if (entry != NULL) {
			pxe__journal_entry__free_unpacked(entry, NULL);
		}
		return true;
	}
	alone->item[alone->count] = (struct alone_item){.ip = ip, .entry = entry};
	fill(&alone->item[alone->count++]);
	return true;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = ((const struct alone_item *)a)->ip, y = ((const struct alone_item *)b)->ip;

	return x < y ? -1 : x > y;
}

struct admin_alone *admin_alone_new(const struct admin *admin, uint64_t now_ms)
{
	struct admin_alone *alone = calloc(1, sizeof *alone);

	if (alone == NULL) {
		return NULL;
	}
	alone->model = admin_model(admin);
	alone->now_ms = now_ms;
	if (replica_journal_each(admin->config.replica, on_entry, alone) != 0 ||
		alone->count == 0) {
		admin_alone_free(alone);
		return NULL;
	}
	qsort(alone->item, alone->count, sizeof alone->item[0], compare);
	return alone;
}

void admin_alone_free(struct admin_alone *alone)
{
	if (alone == NULL) {
		return;
	}
	for (size_t i = 0; i < alone->count; i++) {
		pxe__journal_entry__free_unpacked(alone->item[i].entry, NULL);
	}
	free(alone->item);
	free(alone);
}

size_t admin_alone_count(const struct admin_alone *alone)
{
	return alone == NULL ? 0 : alone->count;
}

const Pxe__Lease *admin_alone_at(const struct admin_alone *alone, size_t i)
{
	return &alone->item[i].lease;
}

bool admin_alone_has(const struct admin_alone *alone, uint32_t ip)
{
	struct alone_item wanted = {.ip = ip};

	return alone != NULL &&
	       bsearch(&wanted, alone->item, alone->count, sizeof wanted, compare) != NULL;
}
