/* node/timeline/timeline_history.h: what happened, kept in files: the newest HISTORY_SEGMENTS
 * segments of HISTORY_SEGMENT_BYTES, each a row of events (varint length, Event).
 *
 * Edge file. Nothing is synced: a crash costs the last events, and a torn tail is cut off at start.
 * Blocks: to be called on a worker, but for open and load, which the start waits for. Calls on one
 * history must not overlap.
 */
#ifndef NODE_TIMELINE_TIMELINE_HISTORY_H
#define NODE_TIMELINE_TIMELINE_HISTORY_H

#include "proto/msg/event.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_SEGMENTS      4
#define HISTORY_SEGMENT_BYTES (8u * 1024 * 1024)
#define HISTORY_EVENT_MAX     4096 /* bytes of one event */

struct timeline_history;

/* Bytes on their way to the files. */
struct timeline_bytes {
	uint8_t *data;
	size_t bytes, capacity;
};

/* Add an event. false: no memory, or it is longer than HISTORY_EVENT_MAX; nothing was added. Pure
 * but for the heap. */
bool timeline_bytes_add(struct timeline_bytes *bytes, const Pxe__Event *event);
void timeline_bytes_fini(struct timeline_bytes *bytes);
/* Visit the events in order; false stops. Returns how many bytes were whole events. */
size_t timeline_bytes_each(const uint8_t *data, size_t bytes,
	bool (*visit)(void *ctx, const Pxe__Event *event), void *ctx);

/* The directory is made if it is missing. 0 or negative errno with a line in ret_error. */
int timeline_history_open(const char *directory, struct timeline_history **ret_history,
	char *ret_error, size_t error_bytes);
void timeline_history_close(struct timeline_history *history);
/* Visit all, oldest first. 0 or negative errno; what cannot be read is left out. */
int timeline_history_each(struct timeline_history *history,
	bool (*visit)(void *ctx, const Pxe__Event *event), void *ctx);
/* Append, and drop the oldest segment when there are too many. 0 or negative errno. */
int timeline_history_write(struct timeline_history *history, const uint8_t *data, size_t bytes);

#endif
