/* store/replica/replica_clock.c: cluster time without a leader, and how far it may be trusted [R8].
 *
 *                    a leader's time arrives
 *   UNKNOWN ----------------------------------------------------------> HEARD
 *      |  the "clock" fact is there and the kernel says that our clock is synchronised    ^
 *      +---------------------> ESTIMATED -------------------------------------------------+
 *
 * HEARD: it goes on by CLOCK_BOOTTIME from the last message that a leader sent. A message proves
 * its own age by the stamp of ours that it echoes; one that lay in a queue while this process slept
 * carries a time that was, which is no reason to set the clock back.
 * ESTIMATED: after a restart without the quorum. The fact is the pair (cluster time, wall clock) of
 * one moment at which this node was fresh and synchronised; what has passed since on a synchronised
 * clock has passed for the cluster too. The same pair, synchronised or not, says where cluster time
 * is to be resumed when all nodes were down: a wall clock that is far off is off as it was before.
 * In both, the two may drift apart by a thousandth: what a leader slews and what crystals differ.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <string.h>

#define CLOCK_DRIFT_PART 1000 /* the error grows by one part in so many */
#define CLOCK_STEP_MS    500  /* more than it drifts in REPLICA_CLOCK_MS */

static uint64_t clock_read(const uint8_t *bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

void replica_clock_boot(struct replica *r)
{
	uint8_t fact[REPLICA_CLOCK_FACT_BYTES];
	size_t count;
	if (kv_meta_get(r->kv, "clock", fact, sizeof fact, &count) != 0 || count != sizeof fact)
		return;
	r->clock.fact_cluster_ms = clock_read(fact);
	r->clock.fact_wall_ms = clock_read(fact + 8);
	r->clock.fact_synchronised = fact[16] == 1;
	/* What no clock of ours wrote is no fact. */
	if (r->clock.fact_cluster_ms > CLUSTER_TIME_MAX_MS ||
		r->clock.fact_wall_ms > CLUSTER_TIME_MAX_MS)
		r->clock.fact_cluster_ms = r->clock.fact_wall_ms = 0;
}

void replica_clock_heard(struct replica *r, uint64_t cluster_ms, uint64_t since_ms)
{
	if (cluster_ms == 0)
		return;
	bool recent = since_ms != 0 && r->now_ms - since_ms <= REPLICA_FRESH_MS;
	/* Who knows nothing yet learns from one that may be old no more than a lower bound. */
	if (recent || (r->time.known && cluster_ms > cluster_time_now(&r->time, r->now_ms)))
		cluster_time_heard(&r->time, r->now_ms, cluster_ms);
	else if (!r->time.known && cluster_ms <= CLUSTER_TIME_MAX_MS)
		cluster_time_raise(&r->time, cluster_ms);
	/* The time in an older message was right when it left, not now. */
	if (recent && since_ms > r->clock.heard_ms)
		r->clock.heard_ms = since_ms;
}

/* As leader, cluster time is ours while a majority follows us. */
static void clock_lead(struct replica *r)
{
	if (!replica_raft_leads(r) || !r->time_ready || !replica_view_hears_majority(r))
		return;
	uint64_t since_ms = r->now_ms - r->raft.config.election_ms;
	if (r->now_ms < r->raft.config.election_ms || since_ms < r->opened_ms)
		since_ms = r->opened_ms == 0 ? 1 : r->opened_ms;
	if (since_ms > r->clock.heard_ms)
		r->clock.heard_ms = since_ms;
}

void replica_clock_put_fact(struct kv *kv, uint64_t cluster_ms, uint64_t wall_ms, bool synchronised)
{
	uint64_t pair[2] = {cluster_ms, wall_ms};
	uint8_t fact[REPLICA_CLOCK_FACT_BYTES];
	for (unsigned i = 0; i < 16; i++)
		fact[i] = (uint8_t)(pair[i / 8] >> (8 * (i % 8)));
	fact[16] = synchronised ? 1 : 0;
	kv_meta_put(kv, "clock", fact, sizeof fact);
}

static void clock_write_fact(struct replica *r)
{
	uint64_t wall_ms = r->config.env->now_wall_ms(r->config.env->ctx);
	replica_clock_put_fact(r->kv, cluster_time_heading(&r->time, r->now_ms), wall_ms,
		r->status.wall_synchronised);
	r->tickets.queued = true;
	r->clock.due_ms = r->now_ms + REPLICA_CLOCK_MS;
	r->clock.written_wall_ms = wall_ms;
	r->clock.written_boot_ms = r->now_ms;
}

/* Since the fact was written the wall clock was set: what the fact says of it is wrong now. */
static bool clock_stepped(const struct replica *r)
{
	const struct replica_env *env = r->config.env;
	uint64_t expected_ms = r->clock.written_wall_ms + (r->now_ms - r->clock.written_boot_ms);
	uint64_t wall_ms = env->now_wall_ms(env->ctx);
	uint64_t off_ms = wall_ms > expected_ms ? wall_ms - expected_ms : expected_ms - wall_ms;
	return off_ms > CLOCK_STEP_MS;
}

static void clock_estimate(struct replica *r)
{
	const struct replica_env *env = r->config.env;
	uint64_t wall_ms = env->now_wall_ms(env->ctx);
	if (wall_ms < r->clock.fact_wall_ms || wall_ms > CLUSTER_TIME_MAX_MS)
		return; /* it stands before a time that has been: synchronised to nothing */
	r->clock.estimate_age_ms = wall_ms - r->clock.fact_wall_ms;
	r->clock.estimate_ms = r->clock.fact_cluster_ms + r->clock.estimate_age_ms;
	r->clock.estimate_at_ms = r->now_ms;
}

void replica_clock_tick(struct replica *r)
{
	clock_lead(r);
	if (r->clock.heard_ms == 0 && r->clock.estimate_ms == 0 && r->clock.fact_cluster_ms != 0 &&
		r->clock.fact_synchronised && r->status.wall_synchronised)
		clock_estimate(r);
	if (r->clock.heard_ms != 0 && replica_view_is_fresh(r) &&
		(r->now_ms >= r->clock.due_ms || clock_stepped(r)))
		clock_write_fact(r);
}

bool replica_clock_known(const struct replica *r, uint64_t *ret_error_ms)
{
	uint64_t now_ms = r->config.env->now_boot_ms(r->config.env->ctx), age_ms;
	if (r->clock.heard_ms != 0)
		age_ms = now_ms - r->clock.heard_ms;
	else if (r->clock.estimate_ms != 0)
		age_ms = r->clock.estimate_age_ms + (now_ms - r->clock.estimate_at_ms);
	else
		return false;
	*ret_error_ms = (age_ms + CLOCK_DRIFT_PART - 1) / CLOCK_DRIFT_PART;
	return true;
}

uint64_t replica_clock_life_ms(const struct replica *r)
{
	uint64_t now_ms = cluster_time_now(&r->time, r->now_ms);
	uint64_t lived_ms = r->now_ms - r->opened_ms;
	if (!r->time.known)
		return 0;
	return now_ms > lived_ms ? now_ms - lived_ms : 1;
}

uint64_t replica_clock_follow_ms(const struct replica *r, uint64_t wall_ms)
{
	if (r->clock.fact_cluster_ms == 0 || wall_ms > CLUSTER_TIME_MAX_MS)
		return 0;
	/* A clock that went back says at least that no time has passed. */
	uint64_t passed_ms = wall_ms > r->clock.fact_wall_ms ? wall_ms - r->clock.fact_wall_ms : 0;
	return r->clock.fact_cluster_ms + passed_ms;
}

uint64_t replica_clock_resume_ms(const struct replica *r)
{
	const struct replica_env *env = r->config.env;
	uint64_t wall_ms = env->now_wall_ms(env->ctx), ms = replica_clock_follow_ms(r, wall_ms);
	if (r->time.known)
		return 0;
	/* A clock that was far behind when the pair was written, and was set since, makes it seem
	 * that much time has passed. The lower one keeps leases too long, at worst. */
	return ms > wall_ms ? wall_ms : ms;
}

uint64_t replica_now_ms(const struct replica *r)
{
	assert(r != NULL);
	uint64_t boot_ms = r->config.env->now_boot_ms(r->config.env->ctx);
	uint64_t now_ms = cluster_time_now(&r->time, boot_ms), estimate_ms = 0;
	if (!r->time.known && r->clock.estimate_ms != 0)
		estimate_ms = r->clock.estimate_ms + (boot_ms - r->clock.estimate_at_ms);
	return estimate_ms > now_ms ? estimate_ms : now_ms;
}
