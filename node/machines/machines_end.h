/* node/machines/machines_end.h: what ends a boot that was armed once, and how such a boot is told.
 * Pure. */
#ifndef NODE_MACHINES_MACHINES_END_H
#define NODE_MACHINES_MACHINES_END_H

#include "node/events/events.h"
#include "proto/msg/command.pb-c.h"

/* Firmware that asks so long after the claim has begun anew; sooner it may be a program that the
 * boot loaded. */
#define MACHINES_BACK_MS 20000

/* Does this event of the host's machine end the boot? The booted system was seen, it reported, or
 * the firmware is back and no tries are left. once: NULL is none. now_ms: cluster time. On OK and
 * FAILED the reason, in at most text_bytes, is in ret_text. */
Pxe__BootEndKind machines_end_of(const Pxe__Once *once, const struct event *event, uint64_t now_ms,
	char *ret_text, size_t text_bytes);

/* What became of a boot between two states of its record (NULL: none), as a line such as "claimed
 * debian12, try 1 of 3". false: nothing that is worth a word. */
bool machines_end_text(
	const Pxe__Once *before, const Pxe__Once *after, char *ret_text, size_t text_bytes);

#endif
