#include "store/replica/cluster_time.h"

#include <assert.h>

/* Microseconds of correction that may be used up after `elapsed_ms`: x ppm of a millisecond is
 * x/1000 us. */
static int64_t cluster_time_correction(const struct cluster_time *time, uint64_t elapsed_ms)
{
	int64_t limit_us = (int64_t)(elapsed_ms * time->ppm / 1000);
	if (time->adjust_us > limit_us)
		return limit_us;
	if (time->adjust_us < -limit_us)
		return -limit_us;
	return time->adjust_us;
}

static uint64_t cluster_time_us(const struct cluster_time *time, uint64_t boot_ms)
{
	uint64_t elapsed_ms = boot_ms > time->base_boot_ms ? boot_ms - time->base_boot_ms : 0;
	int64_t us = (int64_t)(time->base_us + elapsed_ms * 1000) +
		     cluster_time_correction(time, elapsed_ms);
	return (uint64_t)us;
}

/* Move the base to now without moving the time. */
static void cluster_time_rebase(struct cluster_time *time, uint64_t boot_ms)
{
	if (boot_ms <= time->base_boot_ms)
		return;
	uint64_t now_us = cluster_time_us(time, boot_ms);
	time->adjust_us -= cluster_time_correction(time, boot_ms - time->base_boot_ms);
	time->base_us = now_us;
	time->base_boot_ms = boot_ms;
}

/* Forward to at_ms if that is ahead. */
static void cluster_time_step(struct cluster_time *time, uint64_t boot_ms, uint64_t at_ms)
{
	cluster_time_rebase(time, boot_ms);
	if (at_ms * 1000 > time->base_us) {
		time->base_us = at_ms * 1000;
		time->adjust_us = 0;
	}
}

void cluster_time_init(struct cluster_time *time, uint64_t stamp_ms, uint64_t boot_ms)
{
	assert(time != NULL);
	*time = (struct cluster_time){
		.base_us = stamp_ms * 1000,
		.base_boot_ms = boot_ms,
		.ppm = CLUSTER_TIME_FOLLOW_PPM,
		.floor_ms = stamp_ms,
	};
}

uint64_t cluster_time_now(const struct cluster_time *time, uint64_t boot_ms)
{
	uint64_t now_ms = cluster_time_us(time, boot_ms) / 1000;
	return now_ms > time->floor_ms ? now_ms : time->floor_ms;
}

uint64_t cluster_time_heading(const struct cluster_time *time, uint64_t boot_ms)
{
	uint64_t now_ms = cluster_time_now(time, boot_ms);
	uint64_t elapsed_ms = boot_ms > time->base_boot_ms ? boot_ms - time->base_boot_ms : 0;
	uint64_t us = (uint64_t)((int64_t)(time->base_us + elapsed_ms * 1000) + time->adjust_us);
	if (time->ppm != CLUSTER_TIME_FOLLOW_PPM || us / 1000 > now_ms)
		return now_ms;
	return us / 1000 > time->floor_ms ? us / 1000 : time->floor_ms;
}

void cluster_time_raise(struct cluster_time *time, uint64_t stamp_ms)
{
	if (stamp_ms > time->floor_ms)
		time->floor_ms = stamp_ms;
}

void cluster_time_heard(struct cluster_time *time, uint64_t boot_ms, uint64_t cluster_ms)
{
	if (cluster_ms == 0 || cluster_ms > CLUSTER_TIME_MAX_MS)
		return;
	time->known = true;
	cluster_time_rebase(time, boot_ms); /* what passed until now passed at the old rate */
	time->ppm = CLUSTER_TIME_FOLLOW_PPM;
	cluster_time_step(time, boot_ms, cluster_ms);
	time->adjust_us = (int64_t)(cluster_ms * 1000) - (int64_t)time->base_us;
}

/* A handful of readings. */
static void cluster_time_sort(uint64_t *clock_ms, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		uint64_t moving = clock_ms[i];
		size_t at = i;
		for (; at > 0 && clock_ms[at - 1] > moving; at--)
			clock_ms[at] = clock_ms[at - 1];
		clock_ms[at] = moving;
	}
}

/* The lower median, and the spread; count is not 0. The array is sorted. */
static uint64_t cluster_time_median(
	uint64_t *clock_ms, size_t count, uint64_t *ret_lowest_ms, uint64_t *ret_spread_ms)
{
	assert(count > 0 && count <= CLUSTER_TIME_SAMPLES_MAX);
	cluster_time_sort(clock_ms, count);
	*ret_lowest_ms = clock_ms[0];
	*ret_spread_ms = clock_ms[count - 1] - clock_ms[0];
	return clock_ms[(count - 1) / 2];
}

enum cluster_time_resumption cluster_time_lead(struct cluster_time *time, uint64_t boot_ms,
	const struct cluster_time_sample *sample, size_t sample_count, size_t needed)
{
	assert(time != NULL && needed > 0 && sample_count <= CLUSTER_TIME_SAMPLES_MAX);
	if (time->known) {
		/* Who ran ahead of the last leader goes on where that was: others count from there.
		 */
		uint64_t heading_ms = cluster_time_heading(time, boot_ms);
		cluster_time_rebase(time, boot_ms);
		time->base_us = heading_ms * 1000;
		time->adjust_us = 0;
		return CLUSTER_TIME_CONTINUED;
	}
	if (sample_count < needed)
		return CLUSTER_TIME_WAITING;
	time->known = true;
	uint64_t clock_ms[CLUSTER_TIME_SAMPLES_MAX], heard_ms = 0, lowest_ms, spread_ms;
	for (size_t i = 0; i < sample_count; i++) {
		clock_ms[i] = sample[i].resume_ms != 0 ? sample[i].resume_ms : sample[i].wall_ms;
		if (sample[i].cluster_ms > heard_ms)
			heard_ms = sample[i].cluster_ms;
	}
	if (heard_ms > 0) {
		cluster_time_step(time, boot_ms, heard_ms);
		return CLUSTER_TIME_CONTINUED;
	}
	uint64_t median_ms = cluster_time_median(clock_ms, sample_count, &lowest_ms, &spread_ms);
	bool agreed = spread_ms <= CLUSTER_TIME_SKEW_MS;
	cluster_time_step(time, boot_ms, agreed ? median_ms : lowest_ms);
	return agreed ? CLUSTER_TIME_RESUMED : CLUSTER_TIME_DISAGREED;
}

void cluster_time_slew(struct cluster_time *time, uint64_t boot_ms,
	const struct cluster_time_sample *sample, size_t sample_count)
{
	uint64_t clock_ms[CLUSTER_TIME_SAMPLES_MAX], lowest_ms, spread_ms;
	if (sample_count == 0)
		return;
	for (size_t i = 0; i < sample_count; i++)
		clock_ms[i] = sample[i].wall_ms;
	uint64_t median_ms = cluster_time_median(clock_ms, sample_count, &lowest_ms, &spread_ms);
	cluster_time_rebase(time, boot_ms);
	time->ppm = CLUSTER_TIME_LEAD_PPM;
	time->adjust_us = (int64_t)(median_ms * 1000) - (int64_t)time->base_us;
}
