#include "node/machines/machines_inventory.h"

#include "proto/msg/msg_ip4.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PROBES 8 /* slots that an address may be in */

static size_t hash_of(const uint8_t *mac, size_t bytes)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < bytes; i++) {
		hash = (hash ^ mac[i]) * 16777619u;
	}
	return hash ^ hash >> 15;
}

static struct machines_entry *find(
	struct machines_inventory *inventory, const struct event *event, bool *ret_is_there)
{
	size_t at = hash_of(event->mac, event->mac_bytes);
	struct machines_entry *room = NULL;

	*ret_is_there = false;
	for (size_t i = 0; i < PROBES; i++) {
		struct machines_entry *entry = &inventory->slot[(at + i) % MACHINES_SLOTS];
		if (entry->mac_bytes == event->mac_bytes &&
			memcmp(entry->mac, event->mac, event->mac_bytes) == 0) {
			*ret_is_there = true;
			return entry;
		}
		if (entry->mac_bytes == 0 && room == NULL) {
			room = entry;
		}
	}
	return room;
}

static bool is_dhcp(Pxe__EventKind kind)
{
	return kind == PXE__EVENT_KIND__EVENT_DHCP_DISCOVER ||
	       kind == PXE__EVENT_KIND__EVENT_DHCP_OFFER ||
	       kind == PXE__EVENT_KIND__EVENT_DHCP_REQUEST ||
	       kind == PXE__EVENT_KIND__EVENT_DHCP_ACK ||
	       kind == PXE__EVENT_KIND__EVENT_DHCP_INFORM ||
	       kind == PXE__EVENT_KIND__EVENT_DHCP_REFUSED ||
	       kind == PXE__EVENT_KIND__EVENT_DHCP_PROXY;
}

/* A script, or a configuration that was made for it: the machine boots what we say. */
static bool is_boot(const struct event *event)
{
	return event->kind == PXE__EVENT_KIND__EVENT_SCRIPT;
}

/* What the event says that the record does not. Firmware knows the architecture, a system its name;
 * an iPXE that was loaded tells its own class, which is not the machine's. */
static struct machines_entry news_of(
	const struct event *event, const Pxe__Machine *known, const char *subnet, uint64_t now_ms)
{
	struct machines_entry news = {.mac_bytes = event->mac_bytes, .seen_ms = now_ms};
	bool firmware = event->stage != PXE__BOOT_STAGE__STAGE_SYSTEM;
	bool first = known == NULL || !known->has_arch;

	memcpy(news.mac, event->mac, event->mac_bytes);
	if (is_boot(event)) {
		news.boot_ms = now_ms;
		snprintf(news.profile, sizeof news.profile, "%s", event->profile);
		return news;
	}
	if (event->arch != 0 && firmware && (first || !event->is_ipxe)) {
		news.has_arch = true;
		news.arch = (uint16_t)(event->arch - 1);
		snprintf(news.vendor_class, sizeof news.vendor_class, "%s", event->vendor_class);
	}
	if (event->has_uuid) {
		news.has_uuid = true;
		memcpy(news.uuid, event->uuid, sizeof news.uuid);
	}
	if (!firmware) {
		snprintf(news.hostname, sizeof news.hostname, "%s", event->hostname);
	}
	if (event->kind == PXE__EVENT_KIND__EVENT_DHCP_ACK) {
		news.ip = event->ip;
		snprintf(news.subnet, sizeof news.subnet, "%s", subnet);
	}
	return news;
}

static bool text_differs(const char *news, const char *known)
{
	return news[0] != '\0' && strcmp(news, known) != 0;
}

static bool differs(const struct machines_entry *news, const Pxe__Machine *known)
{
	return known == NULL || news->boot_ms != 0 ||
	       known->last_ms + MACHINES_REFRESH_MS <= news->seen_ms ||
	       (news->has_arch && (!known->has_arch || known->arch != news->arch)) ||
	       (news->has_uuid &&
		       (known->uuid.len != sizeof news->uuid ||
			       memcmp(known->uuid.data, news->uuid, sizeof news->uuid) != 0)) ||
	       (news->ip != 0 && msg_ip4_get(known->ip) != news->ip) ||
	       text_differs(news->vendor_class, known->vendor_class) ||
	       text_differs(news->hostname, known->hostname) ||
	       text_differs(news->subnet, known->subnet);
}

static void take_text(char *text, const char *news)
{
	if (news[0] != '\0') {
		snprintf(text, 64, "%s", news);
	}
}

static void merge(struct machines_entry *entry, const struct machines_entry *news)
{
	entry->seen_ms = news->seen_ms;
	if (news->has_arch) {
		entry->has_arch = true;
		entry->arch = news->arch;
	}
	if (news->has_uuid) {
		entry->has_uuid = true;
		memcpy(entry->uuid, news->uuid, sizeof entry->uuid);
	}
	entry->ip = news->ip != 0 ? news->ip : entry->ip;
	entry->boot_ms = news->boot_ms != 0 ? news->boot_ms : entry->boot_ms;
	take_text(entry->vendor_class, news->vendor_class);
	take_text(entry->hostname, news->hostname);
	take_text(entry->subnet, news->subnet);
	take_text(entry->profile, news->profile);
}

static bool may_be_new(struct machines_inventory *inventory, uint64_t now_ms)
{
	if (inventory->new_second != now_ms / 1000) {
		inventory->new_second = now_ms / 1000;
		inventory->new_count = 0;
	}
	return inventory->new_count++ < MACHINES_NEW_PER_S;
}

enum machines_news machines_inventory_step(struct machines_inventory *inventory,
	const struct event *event, const Pxe__Machine *known, const char *subnet, uint64_t now_ms)
{
	struct machines_entry news, *entry;
	bool is_there;

	assert(inventory != NULL && event != NULL && subnet != NULL);
	if (event->mac_bytes == 0 || event->mac_bytes > sizeof event->mac ||
		(!is_dhcp(event->kind) && !is_boot(event))) {
		return MACHINES_NOTHING;
	}
	news = news_of(event, known, subnet, now_ms);
	entry = find(inventory, event, &is_there);
	if (is_there) {
		merge(entry, &news);
		return MACHINES_KEPT;
	}
	if (!differs(&news, known)) {
		return MACHINES_NOTHING;
	}
	if (entry == NULL || (known == NULL && !may_be_new(inventory, now_ms))) {
		inventory->left_out++;
		return MACHINES_LEFT_OUT;
	}
	*entry = news;
	inventory->count++;
	return known == NULL ? MACHINES_NEW : MACHINES_KEPT;
}

size_t machines_inventory_take(
	struct machines_inventory *inventory, struct machines_entry *ret_entries, size_t max)
{
	size_t count = 0;

	assert(inventory != NULL && ret_entries != NULL);
	for (size_t i = 0; i < MACHINES_SLOTS && count < max && inventory->count > 0; i++) {
		if (inventory->slot[i].mac_bytes != 0) {
			ret_entries[count++] = inventory->slot[i];
			inventory->slot[i].mac_bytes = 0;
			inventory->count--;
		}
	}
	return count;
}
