/* Watchers: `pxectl watch`. Each gets the events that fit its filter, as replies with more = true,
 * and every few seconds an empty one: by it the client knows that we live, and we find out that the
 * client has gone. A client that reads too slowly loses events (its queue is bounded) and is told
 * how many. */
#include "node/admin/admin_impl.h"

#include "proto/wire/text.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WATCH_KEEPALIVE_MS 2000

static bool same_client(const struct admin_client *a, const struct admin_client *b)
{
	return a->door == b->door && a->identity_bytes == b->identity_bytes &&
	       memcmp(a->identity, b->identity, a->identity_bytes) == 0;
}

static struct admin_watcher *find_slot(struct admin *admin, const struct admin_client *client)
{
	struct admin_watcher *slot = NULL;

	for (size_t i = 0; i < ADMIN_WATCHERS_MAX; i++) {
		struct admin_watcher *watcher = &admin->watchers[i];
		if (watcher->used && same_client(&watcher->client, client)) {
			return watcher; /* asks again: the new filter replaces the old one */
		}
		if (!watcher->used && slot == NULL) {
			slot = watcher;
		}
	}
	return slot;
}

static void tell(struct admin *admin, struct admin_watcher *watcher, const Pxe__Event *event)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	char text[96];
	int result;

	reply.more = true;
	if (event != NULL) {
		reply.body_case = PXE__ADMIN_REPLY__BODY_EVENT;
		reply.event = (Pxe__Event *)(uintptr_t)event; /* only read while packing */
	}
	if (watcher->dropped > 0) {
		snprintf(text, sizeof text,
			"%" PRIu64 " events were left out: this terminal reads too slowly",
			watcher->dropped);
		reply.message = text;
	}
	result = admin_reply(admin, &watcher->client, &reply);
	watcher->told_ms = uv_now(admin->config.loop);
	if (result == 0) {
		watcher->dropped = 0;
	} else if (result == -EAGAIN) {
		watcher->dropped += event != NULL;
		admin->stats.events_dropped += event != NULL;
	} else {
		watcher->used = false; /* it has gone */
	}
}

void admin_on_watch(
	struct admin *admin, const struct admin_client *client, const Pxe__WatchQuery *query)
{
	struct admin_watcher *watcher = find_slot(admin, client);

	if (watcher == NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"%d others watch this node already; watch another: pxectl --node NAME "
			"watch",
			ADMIN_WATCHERS_MAX);
		return;
	}
	memset(watcher, 0, sizeof *watcher);
	watcher->used = true;
	watcher->client = *client;
	snprintf(watcher->filter, sizeof watcher->filter, "%s", query->filter);
	if (text_hwaddr_parse(watcher->filter, watcher->mac, &watcher->mac_bytes) != 0) {
		watcher->mac_bytes = 0;
	}
	tell(admin, watcher, NULL);
}

static bool is_mac_of_host(
	const struct model *model, const char *pattern, const ProtobufCBinaryData *mac)
{
	const Pxe__Host *host = mac->len == 0 || mac->len > 16
					? NULL
					: model_host_of_mac(model, mac->data, mac->len);

	return host != NULL && fnmatch(pattern, host->name, 0) == 0;
}

static bool wants(
	const struct admin *admin, const struct admin_watcher *watcher, const Pxe__Event *event)
{
	if (watcher->filter[0] == '\0') {
		return true;
	}
	if (watcher->mac_bytes > 0 && event->mac.len == watcher->mac_bytes &&
		memcmp(event->mac.data, watcher->mac, watcher->mac_bytes) == 0) {
		return true;
	}
	return fnmatch(watcher->filter, event->host, 0) == 0 ||
	       is_mac_of_host(admin_model(admin), watcher->filter, &event->mac);
}

void admin_watch_event(void *ctx, const Pxe__Event *event)
{
	struct admin *admin = ctx;

	for (size_t i = 0; i < ADMIN_WATCHERS_MAX; i++) {
		if (admin->watchers[i].used && wants(admin, &admin->watchers[i], event)) {
			tell(admin, &admin->watchers[i], event);
		}
	}
}

void admin_watch_tick(struct admin *admin, uint64_t now_ms)
{
	for (size_t i = 0; i < ADMIN_WATCHERS_MAX; i++) {
		struct admin_watcher *watcher = &admin->watchers[i];
		if (!watcher->used || now_ms - watcher->told_ms < WATCH_KEEPALIVE_MS) {
			continue;
		}
		if (admin_may_ask(admin, &watcher->client)) {
			tell(admin, watcher, NULL);
		} else {
			watcher->used = false;
			admin_reply_text(admin, &watcher->client,
				PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED, "%s", ADMIN_KEY_UNKNOWN);
		}
	}
}
