/* node/events/events.h: what happens, to whom, told to the log, to watchers and to the other nodes.
 *
 * events_post() may be called from any thread and never blocks: a full queue counts what it drops.
 * Delivery is on the loop.
 */
#ifndef NODE_EVENTS_EVENTS_H
#define NODE_EVENTS_EVENTS_H

#include "proto/msg/event.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct events;

/* One event by value; strings are cut to fit. ip in host byte order, 0 none. */
struct event {
	Pxe__EventKind kind;
	uint8_t mac[16];
	uint8_t mac_bytes;
	uint32_t ip;
	char host[64];
	char text[256];
	uint64_t bytes;
	uint32_t took_ms;
	Pxe__BootStage stage;
	char profile[64]; /* that the machine boots; "" not known */
	/* What a DHCP message tells of its machine, for the inventory; not told to other nodes. */
	uint32_t arch; /* 1 + option 93; 0: none */
	bool has_uuid;
	uint8_t uuid[16];
	char vendor_class[64], hostname[64]; /* control bytes as '?' */
	bool is_ipxe;                        /* an iPXE sent it, not the firmware itself */
	bool failed;                         /* PHONE_HOME: the system reports a failure */
};

struct events_config {
	uv_loop_t *loop;
	const char *node; /* member name; copied */
	void *ctx;
	uint64_t (*now_ms)(void *ctx);                         /* cluster time, loop thread */
	void (*broadcast)(void *ctx, const Pxe__Event *event); /* to the other nodes; may be NULL */
	/* This node's own, with all that was posted; before the watchers. It may post. May be NULL.
	 */
	void (*on_own)(void *ctx, const struct event *posted, const Pxe__Event *event);
};

int events_open(const struct events_config *config, struct events **ret_events);
void events_post(struct events *events, const struct event *event);
/* An event of another node: to watchers only. Loop thread. */
void events_deliver_foreign(struct events *events, const Pxe__Event *event);
/* Watchers, loop thread. The callback must not post. Returns a handle. */
typedef void events_watch_cb(void *ctx, const Pxe__Event *event);
uint64_t events_watch(struct events *events, events_watch_cb *on_event, void *ctx);
void events_unwatch(struct events *events, uint64_t handle);
uint64_t events_dropped(const struct events *events);
void events_close(struct events *events);

#endif
