#include "ctl/progress.h"

#include "proto/wire/text.h"

#include <string.h>
#include <unistd.h>

#define PROGRESS_BAR      20u
#define PROGRESS_DRAW_MS  100u
#define PROGRESS_QUIET_MS 1000u /* what is done at once needs no lines in a log */

char *progress_line(
	const struct progress *progress, uint64_t elapsed_ms, char *ret_text, size_t text_bytes)
{
	char total[TEXT_SIZE_BYTES], rate[TEXT_SIZE_BYTES], left[TEXT_DURATION_BYTES],
		bar[3 * PROGRESS_BAR + 1];
	uint64_t per_s = elapsed_ms == 0 ? 0 : progress->done * 1000 / elapsed_ms;
	unsigned filled = progress->total == 0
				  ? PROGRESS_BAR
				  : (unsigned)(progress->done * PROGRESS_BAR / progress->total);

	bar[0] = '\0';
	for (unsigned i = 0; i < PROGRESS_BAR; i++) {
		strcat(bar, i < filled ? "█" : "░");
	}
	snprintf(ret_text, text_bytes, "%-8s %8s  %s", progress->phase,
		text_size_format(progress->total, total), bar);
	if (progress->done >= progress->total) {
		size_t used = strlen(ret_text);
		snprintf(ret_text + used, text_bytes - used, " %llu.%llu s",
			(unsigned long long)(elapsed_ms / 1000),
			(unsigned long long)(elapsed_ms % 1000 / 100));
	} else if (per_s > 0) {
		uint64_t left_ms = (progress->total - progress->done) * 1000 / per_s;
		size_t used = strlen(ret_text);
		snprintf(ret_text + used, text_bytes - used, " %s/s, %s left",
			text_size_format(per_s, rate),
			text_duration_short(left_ms < 1000 ? 1000 : left_ms, left));
	}
	return ret_text;
}

static void draw(struct progress *progress, bool last)
{
	char line[256];
	uint64_t now = ctl_now_ms();
	unsigned tenth =
		progress->total == 0 ? 10 : (unsigned)(progress->done * 10 / progress->total);

	if (progress->ctl->quiet) {
		return;
	}
	progress_line(progress, now - progress->start_ms, line, sizeof line);
	if (progress->tty && (last || now - progress->drawn_ms >= PROGRESS_DRAW_MS)) {
		fprintf(progress->ctl->err, "\r%s   %s", line, last ? "\n" : "");
		fflush(progress->ctl->err);
		progress->drawn_ms = now;
	} else if (!progress->tty && tenth > progress->told_tenth &&
		   (tenth == 10 || now - progress->start_ms >= PROGRESS_QUIET_MS)) {
		fprintf(progress->ctl->err, "%s %u %%\n", progress->phase, tenth * 10);
		progress->told_tenth = tenth;
	}
}

void progress_start(
	struct progress *progress, const struct ctl *ctl, const char *phase, uint64_t total)
{
	memset(progress, 0, sizeof *progress);
	progress->ctl = ctl;
	progress->phase = phase;
	progress->total = total;
	progress->start_ms = ctl_now_ms();
	progress->tty = isatty(fileno(ctl->err));
}

void progress_add(struct progress *progress, uint64_t bytes)
{
	progress->done += bytes;
	draw(progress, false);
}

void progress_end(struct progress *progress)
{
	draw(progress, true);
}
