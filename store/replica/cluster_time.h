/* store/replica/cluster_time.h: the cluster's own time: disciplined, not read.
 *
 * Pure: time enters as `boot_ms` (CLOCK_BOOTTIME) and as samples of the members' wall clocks.
 *
 * Leases are kept in cluster time: milliseconds since 1970 that only the leader advances, by its
 * own elapsed CLOCK_BOOTTIME. It is slewed by at most 500 ppm towards the median of the members'
 * wall clocks, never jumps while the cluster lives and never goes back, so no node's wrong or
 * stepped clock can end a lease early or keep one.
 *
 *              hears a leader, or resumes from a majority's clocks
 *   UNKNOWN ------------------------------------------------------> KNOWN
 *   (counts from the last stamp on disk)                            (goes on from what it heard
 * last)
 */
#ifndef STORE_REPLICA_CLUSTER_TIME_H
#define STORE_REPLICA_CLUSTER_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLUSTER_TIME_LEAD_PPM    500    /* how fast a leader may drift towards the median */
#define CLUSTER_TIME_FOLLOW_PPM  100000 /* how fast a follower that runs ahead gives way */
#define CLUSTER_TIME_SKEW_MS     2000   /* members' clocks may differ by this much [P1] */
#define CLUSTER_TIME_MAX_MS      (INT64_MAX / 2000) /* so that microseconds can be told apart */
#define CLUSTER_TIME_SAMPLES_MAX 16

struct cluster_time {
	uint64_t base_us; /* cluster time at base_boot_ms */
	uint64_t base_boot_ms;
	int64_t adjust_us; /* what is still to be slewed from base on */
	uint32_t ppm;      /* how fast */
	uint64_t floor_ms; /* newest stamp that was applied or logged: never below it */
	bool known;        /* a leader was heard, or we led, since this process started */
};

/* What one member says its clocks show at this moment (already aged by the time since it said so).
 */
struct cluster_time_sample {
	uint64_t wall_ms;
	uint64_t cluster_ms; /* 0: it does not know the cluster's time */
	uint64_t resume_ms;  /* its wall clock, corrected by how far that was from the cluster's
			      * time when it last knew both; 0: it never did */
};

enum cluster_time_resumption {
	CLUSTER_TIME_WAITING = 0, /* too few samples: no stamp may be given yet */
	CLUSTER_TIME_CONTINUED, /* from what this node, or another one, heard of the last leader */
	CLUSTER_TIME_RESUMED,   /* nobody knew: from the median clock of a majority (resume_ms, else
				 * wall_ms): where cluster time would be had nothing stopped, so
				 * that it does not jump past a node that serves without us [R3] */
	CLUSTER_TIME_DISAGREED, /* as RESUMED, but the clocks differ by more than
				   CLUSTER_TIME_SKEW_MS: from the lowest */
};

/* stamp_ms: newest stamp of the durable state. */
void cluster_time_init(struct cluster_time *time, uint64_t stamp_ms, uint64_t boot_ms);
/* Cluster time at boot_ms; never below an earlier result for an earlier boot_ms, unless
 * cluster_time_lead() came between. */
uint64_t cluster_time_now(const struct cluster_time *time, uint64_t boot_ms);
/* The same, but for a follower that runs ahead: its leader's time, to which it gives way. */
uint64_t cluster_time_heading(const struct cluster_time *time, uint64_t boot_ms);
/* A stamp was found in the log or applied. */
void cluster_time_raise(struct cluster_time *time, uint64_t stamp_ms);
/* Follower: the leader's time when it sent a message that arrives now. Forward at once, back only
 * by giving way slowly. */
void cluster_time_heard(struct cluster_time *time, uint64_t boot_ms, uint64_t cluster_ms);
/* New leader: may it stamp? needed: samples that make a majority, its own counted. Does nothing
 * when the time is known, but that one who ran ahead of the last leader goes on from that one's
 * time: leases that were told by it must not end early. */
enum cluster_time_resumption cluster_time_lead(struct cluster_time *time, uint64_t boot_ms,
	const struct cluster_time_sample *sample, size_t sample_count, size_t needed);
/* Leader, a few times a second: set course for the median of the wall clocks. */
void cluster_time_slew(struct cluster_time *time, uint64_t boot_ms,
	const struct cluster_time_sample *sample, size_t sample_count);

#endif
