/* node/timeline/timeline_service.h: the timelines of a node: every event that it hears, its own and
 * the other nodes', becomes steps of boots, and is kept in files, so that they survive a restart.
 *
 *   events_watch() -> timeline_step() -> boots, for `pxectl boot history`
 *                  -> bytes -> worker -> files -> worker -> `pxectl boot log`
 *
 * Loop thread. One worker job at a time: a write, or a search.
 */
#ifndef NODE_TIMELINE_TIMELINE_SERVICE_H
#define NODE_TIMELINE_TIMELINE_SERVICE_H

#include "node/events/events.h"
#include "node/timeline/timeline.h"
#include "store/replica/replica.h"
#include <uv.h>

#define TIMELINE_LOG_MAX     10000
#define TIMELINE_FILTER_MACS 16

struct timeline_service;

struct timeline_service_config {
	uv_loop_t *loop;
	struct replica *replica; /* borrowed, as the next; closed after the service */
	struct events *events;
	const char *node;      /* member name */
	const char *directory; /* of the files; made if it is missing */
};

/* Which events: of any of the machines, or of hosts whose name fits the pattern. All empty: every
 * event. */
struct timeline_filter {
	char pattern[64];
	uint8_t mac[TIMELINE_FILTER_MACS][16];
	size_t mac_bytes[TIMELINE_FILTER_MACS], mac_count;
};

bool timeline_filter_takes(const struct timeline_filter *filter, const Pxe__Event *event);

/* Reads what is kept. When the files cannot be used, the node goes on without: a line in the log.
 * 0 or negative errno. */
int timeline_service_open(
	const struct timeline_service_config *config, struct timeline_service **ret_service);
const struct timeline *timeline_service_timeline(const struct timeline_service *service);
/* Events that were not kept, as the disk was slow or failed. */
uint64_t timeline_service_lost(const struct timeline_service *service);

/* The newest `limit` events that fit, oldest first. done is called once, later; not any more after
 * timeline_service_close(). What happens after done has begun is for watchers. -EBUSY: too many
 * ask. */
typedef void timeline_log_cb(void *ctx, Pxe__Event *const *events, size_t count);
int timeline_service_log(struct timeline_service *service, const struct timeline_filter *filter,
	size_t limit, timeline_log_cb *done, void *ctx);

/* Writes what is left. */
void timeline_service_close(struct timeline_service *service);

#endif
