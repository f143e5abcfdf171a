/* ctl/progress.h: one line that tells how far something is: on a terminal redrawn, else a line for
 * every 10 %. Writes to ctl->err; nothing with -q. */
#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include "ctl/ctl.h"

struct progress {
	const struct ctl *ctl;
	const char *phase; /* "hash", "upload" */
	uint64_t total, done, start_ms, drawn_ms;
	unsigned told_tenth;
	bool tty;
};

void progress_start(
	struct progress *progress, const struct ctl *ctl, const char *phase, uint64_t total);
void progress_add(struct progress *progress, uint64_t bytes);
/* The last state of the line. */
void progress_end(struct progress *progress);
/* The line itself, as `now_ms` after the start: pure, for tests. */
char *progress_line(
	const struct progress *progress, uint64_t elapsed_ms, char *ret_text, size_t text_bytes);

#endif
