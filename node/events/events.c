/* Events come from the loop and from the TFTP and HTTP threads. They are copied into a ring under a
 * lock; an async wakes the loop, which stamps, numbers and delivers them:
 *
 *   events_post() -> ring (bounded; full: counted) -> uv_async -> deliver: watchers, log, other
 * nodes
 *
 * Under load a node makes thousands of events a second. Watchers get all of them; the log and the
 * other nodes get at most EVENTS_TOLD_PER_S each (lines that machines logged have a budget of their
 * own), except the notable ones, and a line says how many were left out.
 */
#include "node/events/events.h"

#include "node/log/log.h"
#include "proto/msg/event_text.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_RING        1024
#define EVENTS_PER_TURN    128 /* then other handles of the loop have their turn */
#define EVENTS_WATCHERS    80
#define EVENTS_TOLD_PER_S  200
#define EVENTS_FIELD_BYTES 160

struct watcher {
	uint64_t handle; /* 0: free */
	events_watch_cb *on_event;
	void *ctx;
};

/* At most EVENTS_TOLD_PER_S in each second of the loop's time. */
struct budget {
	uint64_t second;
	unsigned used;
	uint64_t left_out;
};

struct events {
	struct events_config config;
	char node[64];
	uv_async_t wake;
	uv_mutex_t lock; /* ring, head, count, dropped */
	struct event ring[EVENTS_RING];
	size_t head, count;
	uint64_t dropped;
	uint64_t number, next_handle;
	struct watcher watchers[EVENTS_WATCHERS];
	struct budget log_budget, peer_budget, syslog_budget;
};

/* Everything that is not routine traffic: always logged and told to the others. */
static bool is_notable(Pxe__EventKind kind)
{
	return kind >= PXE__EVENT_KIND__EVENT_NODE_LEADER;
}

static enum log_level level_of(Pxe__EventKind kind)
{
	if (kind == PXE__EVENT_KIND__EVENT_DHCP_REFUSED ||
		kind == PXE__EVENT_KIND__EVENT_ADDRESS_TAKEN ||
		kind == PXE__EVENT_KIND__EVENT_TFTP_FAILED ||
		kind == PXE__EVENT_KIND__EVENT_HTTP_FAILED ||
		kind == PXE__EVENT_KIND__EVENT_NODE_DOWN ||
		kind == PXE__EVENT_KIND__EVENT_QUORUM_LOST ||
		kind == PXE__EVENT_KIND__EVENT_ISOLATED ||
		kind == PXE__EVENT_KIND__EVENT_BOOT_STALLED ||
		kind == PXE__EVENT_KIND__EVENT_TEMPLATE_FAILED ||
		kind == PXE__EVENT_KIND__EVENT_DHCP_NAK ||
		kind == PXE__EVENT_KIND__EVENT_DHCP_DECLINE) {
		return LOG_LEVEL_WARN;
	}
	if (kind == PXE__EVENT_KIND__EVENT_DHCP_DISCOVER ||
		kind == PXE__EVENT_KIND__EVENT_DHCP_OFFER ||
		kind == PXE__EVENT_KIND__EVENT_DHCP_REQUEST ||
		kind == PXE__EVENT_KIND__EVENT_DHCP_INFORM ||
		kind == PXE__EVENT_KIND__EVENT_DHCP_FOREIGN || /* the server has said it louder */
		kind == PXE__EVENT_KIND__EVENT_MACHINE_NEW ||  /* anybody can make machines up */
		kind == PXE__EVENT_KIND__EVENT_SYSLOG ||       /* in the history of its machine */
		kind == PXE__EVENT_KIND__EVENT_TFTP_START ||
		kind == PXE__EVENT_KIND__EVENT_HTTP_START) {
		return LOG_LEVEL_DEBUG;
	}
	return kind == PXE__EVENT_KIND__EVENT_ALARM ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;
}

/* ret_left_out: how many the last second kept back, told once. */
static bool budget_allows(struct budget *budget, uint64_t now_ms, uint64_t *ret_left_out)
{
	*ret_left_out = 0;
	if (budget->second != now_ms / 1000) {
		*ret_left_out = budget->left_out;
		*budget = (struct budget){.second = now_ms / 1000};
	}
	if (budget->used == EVENTS_TOLD_PER_S) {
		budget->left_out++;
		return false;
	}
	budget->used++;
	return true;
}

static void write_log(struct events *events, const Pxe__Event *event)
{
	char line[EVENT_TEXT_BYTES], fields[EVENTS_FIELD_BYTES] = "", mac[TEXT_HWADDR_BYTES];
	enum log_level level = level_of(event->kind);
	uint64_t left_out;
	size_t used = 0;

	if (level != LOG_LEVEL_DEBUG && !is_notable(event->kind)) {
		bool allowed =
			budget_allows(&events->log_budget, uv_now(events->config.loop), &left_out);
		if (left_out > 0) {
			log_info("%llu more events were not logged", (unsigned long long)left_out);
		}
		if (!allowed) {
			return;
		}
	}
	if (event->mac.len > 0) {
		used = (size_t)snprintf(fields, sizeof fields, "PXE_MAC=%s ",
			text_hwaddr_format(event->mac.data, event->mac.len, mac));
	}
	if (event->ip.len == 4) {
		used += (size_t)snprintf(fields + used, sizeof fields - used, "PXE_IP=%u.%u.%u.%u ",
			event->ip.data[0], event->ip.data[1], event->ip.data[2], event->ip.data[3]);
	}
	if (event->host[0] != '\0' && strpbrk(event->host, " \t\n") == NULL) {
		snprintf(fields + used, sizeof fields - used, "PXE_HOST=%s", event->host);
	}
	if (strcmp(event->node, events->node) == 0) {
		log_write(level, fields, "%s", event_text_line(event, line));
	} else {
		log_write(level, fields, "%s  [told by %.63s]", event_text_line(event, line),
			event->node);
	}
}

/* What every node's log should say, whoever did it: who belongs, who changed what. */
static bool concerns_all(Pxe__EventKind kind)
{
	return kind == PXE__EVENT_KIND__EVENT_NODE_JOINED ||
	       kind == PXE__EVENT_KIND__EVENT_NODE_REMOVED ||
	       kind == PXE__EVENT_KIND__EVENT_BOOT_ONCE ||
	       kind == PXE__EVENT_KIND__EVENT_CONFIG_CHANGED;
}

static void tell_watchers(struct events *events, const Pxe__Event *event)
{
	for (size_t i = 0; i < EVENTS_WATCHERS; i++) {
		if (events->watchers[i].handle != 0) {
			events->watchers[i].on_event(events->watchers[i].ctx, event);
		}
	}
}

/* The message borrows from `from` and `ip`. */
static void fill_message(
	struct events *events, struct event *from, uint8_t ip[4], Pxe__Event *message)
{
	pxe__event__init(message);
	message->at_ms = events->config.now_ms(events->config.ctx);
	message->node = events->node;
	message->kind = from->kind;
	message->mac = (ProtobufCBinaryData){from->mac_bytes, from->mac};
	if (from->ip != 0) {
		for (int i = 0; i < 4; i++) {
			ip[i] = (uint8_t)(from->ip >> (24 - 8 * i));
		}
		message->ip = (ProtobufCBinaryData){4, ip};
	}
	message->host = from->host;
	message->text = from->text;
	message->bytes = from->bytes;
	message->took_ms = from->took_ms;
	message->stage = from->stage;
	message->profile = from->profile;
	message->arch = from->arch;
	message->failed = from->failed;
	message->number = ++events->number;
}

/* What machines log is not to keep the steps of their boots from the others. */
static struct budget *peer_budget_of(struct events *events, Pxe__EventKind kind)
{
	return kind == PXE__EVENT_KIND__EVENT_SYSLOG ? &events->syslog_budget
						     : &events->peer_budget;
}

static void deliver(struct events *events, struct event *event)
{
	Pxe__Event message;
	uint8_t ip[4];
	uint64_t left_out;

	fill_message(events, event, ip, &message);
	write_log(events, &message);
	if (events->config.on_own != NULL) {
		events->config.on_own(events->config.ctx, event, &message);
	}
	tell_watchers(events, &message);
	if (events->config.broadcast != NULL &&
		(is_notable(event->kind) || budget_allows(peer_budget_of(events, event->kind),
						    uv_now(events->config.loop), &left_out))) {
		events->config.broadcast(events->config.ctx, &message);
	}
}

static void on_wake(uv_async_t *handle)
{
	struct events *events = handle->data;
	struct event event;
	bool more = true;

	for (unsigned i = 0; i < EVENTS_PER_TURN && more; i++) {
		uv_mutex_lock(&events->lock);
		more = events->count > 0;
		if (more) {
			event = events->ring[events->head];
			events->head = (events->head + 1) % EVENTS_RING;
			events->count--;
		}
		uv_mutex_unlock(&events->lock);
		if (more) {
			deliver(events, &event);
		}
	}
	if (more) {
		uv_async_send(&events->wake);
	}
}

int events_open(const struct events_config *config, struct events **ret_events)
{
	struct events *events;
	int result;

	assert(config != NULL && config->loop != NULL && config->node != NULL &&
		config->now_ms != NULL);
	events = calloc(1, sizeof *events);
	if (events == NULL) {
		return -ENOMEM;
	}
	events->config = *config;
	snprintf(events->node, sizeof events->node, "%s", config->node);
	result = uv_mutex_init(&events->lock);
	if (result != 0) {
		free(events);
		return result;
	}
	result = uv_async_init(config->loop, &events->wake, on_wake);
	if (result != 0) {
		uv_mutex_destroy(&events->lock);
		free(events);
		return result;
	}
	events->wake.data = events;
	*ret_events = events;
	return 0;
}

void events_post(struct events *events, const struct event *event)
{
	struct event *slot;
	bool wake = false;

	assert(events != NULL && event != NULL && event->mac_bytes <= sizeof event->mac);
	uv_mutex_lock(&events->lock);
	if (events->count == EVENTS_RING) {
		events->dropped++;
	} else {
		slot = &events->ring[(events->head + events->count) % EVENTS_RING];
		*slot = *event;
		slot->host[sizeof slot->host - 1] = '\0';
		slot->text[sizeof slot->text - 1] = '\0';
		slot->profile[sizeof slot->profile - 1] = '\0';
		wake = events->count++ == 0;
	}
	uv_mutex_unlock(&events->lock);
	if (wake) {
		uv_async_send(&events->wake);
	}
}

void events_deliver_foreign(struct events *events, const Pxe__Event *event)
{
	assert(events != NULL && event != NULL);
	if (concerns_all(event->kind)) {
		write_log(events, event);
	}
	tell_watchers(events, event);
}

uint64_t events_watch(struct events *events, events_watch_cb *on_event, void *ctx)
{
	assert(events != NULL && on_event != NULL);
	for (size_t i = 0; i < EVENTS_WATCHERS; i++) {
		if (events->watchers[i].handle == 0) {
			events->watchers[i] =
				(struct watcher){++events->next_handle, on_event, ctx};
			return events->watchers[i].handle;
		}
	}
	return 0;
}

void events_unwatch(struct events *events, uint64_t handle)
{
	for (size_t i = 0; i < EVENTS_WATCHERS; i++) {
		if (handle != 0 && events->watchers[i].handle == handle) {
			events->watchers[i] = (struct watcher){0};
		}
	}
}

uint64_t events_dropped(const struct events *events)
{
	struct events *unlocked = (struct events *)(uintptr_t)events;
	uint64_t dropped;

	uv_mutex_lock(&unlocked->lock);
	dropped = events->dropped;
	uv_mutex_unlock(&unlocked->lock);
	return dropped;
}

static void on_closed(uv_handle_t *handle)
{
	struct events *events = handle->data;

	uv_mutex_destroy(&events->lock);
	free(events);
}

void events_close(struct events *events)
{
	if (events != NULL) {
		uv_close((uv_handle_t *)&events->wake, on_closed);
	}
}
