/* ctl/boot_merge.h: what several nodes tell of the same boots and events, as one. Pure. */
#ifndef CTL_BOOT_MERGE_H
#define CTL_BOOT_MERGE_H

#include "proto/msg/admin.pb-c.h"

/* Put the boots of `from` to those of `into`, newest first: what is the same boot of the same
 * machine has the steps of both, and the state of the one that knows more. Takes the boots out of
 * `from`. */
void boot_merge(Pxe__BootHistory *into, Pxe__BootHistory *from);

/* Log lines. */
struct boot_merge_events {
	Pxe__Event **event; /* heap, each owned */
	size_t count;
};
/* Takes over the event. */
void boot_merge_add(struct boot_merge_events *events, Pxe__Event *event);
/* In order of time, each once. */
void boot_merge_sort(struct boot_merge_events *events);
void boot_merge_events_fini(struct boot_merge_events *events);

#endif
