/* tests/sim/cluster/sim_mode.c: the modes: what a run is made of, and which chaos it meets. */
#include "tests/sim/cluster/sim.h"

#include <string.h>

#define HEAL_US (25 * (uint64_t)SIM_S)

struct mode {
	const char *name;
	unsigned nodes_min, nodes_max, witnesses_max;
	unsigned clients_min, clients_max;
	unsigned pool_permille_min, pool_permille_max; /* of the clients of a subnet */
	bool check_answers;
	struct sim_chaos chaos;
};

#define LINKS                                                                                      \
	.peer_loss_permille = 10, .peer_repeat_permille = 10, .peer_delay_ms = 4,                  \
	.segment_loss_permille = 20, .segment_repeat_permille = 20, .segment_delay_ms = 10,        \
	.drift_ppm = 200
#define CLIENTS .client_move = 4, .client_off = 6, .crowd = 1, .release = 3, .decline = 60

static const struct mode modes[] = {
	{"calm", 1, 5, 1, 4, 60, 2500, 4000, true, {.gap_ms = 800, CLIENTS, LINKS}},
	{"crash", 2, 5, 0, 4, 50, 1200, 4000, false,
		{.gap_ms = 700,
			.crash = 10,
			.power = 6,
			.stop = 3,
			.pause = 4,
			.blackout = 1,
			CLIENTS,
			LINKS}},
	{"partition", 2, 5, 1, 4, 50, 2500, 5000, false,
		{.gap_ms = 900,
			.partition = 10,
			.segment = 4,
			.heal = 6,
			.flap = 6,
			CLIENTS,
			LINKS}},
	{"oneway", 2, 5, 0, 4, 40, 2500, 5000, false,
		{.gap_ms = 900,
			.oneway = 12,
			.partition = 2,
			.segment = 2,
			.heal = 6,
			CLIENTS,
			LINKS}},
	{"clocks", 2, 3, 0, 4, 40, 1200, 4000, false,
		{.gap_ms = 700,
			.clock_step = 10,
			.clock_back = 4,
			.pause = 5,
			.power = 5,
			.blackout = 2,
			.partition = 6,
			.heal = 5,
			CLIENTS,
			LINKS}},
	{"disks", 2, 3, 1, 4, 40, 1200, 4000, false,
		{.gap_ms = 700,
			.disk_slow = 10,
			.disk_fail = 6,
			.disk_short = 4,
			.crash = 4,
			.power = 3,
			.partition = 2,
			.heal = 2,
			CLIENTS,
			LINKS}},
	{"members", 3, 4, 1, 4, 30, 2000, 5000, false,
		{.gap_ms = 1000,
			.wipe = 5,
			.remove = 4,
			.demote = 3,
			.drain = 3,
			.step_down = 4,
			.crash = 4,
			.partition = 3,
			.heal = 4,
			.recover = 1,
			.flap = 2,
			CLIENTS,
			LINKS}},
	{"operators", 2, 3, 0, 4, 30, 800, 3000, false,
		{.gap_ms = 500,
			.host = 14,
			.pool = 5,
			.free_lease = 3,
			.partition = 4,
			.heal = 4,
			.crash = 3,
			.step_down = 1,
			.settings = 3,
			.flap = 2,
			CLIENTS,
			LINKS}},
	{"poolfull", 2, 4, 0, 10, 80, 500, 1100, false,
		{.gap_ms = 800,
			.partition = 6,
			.heal = 4,
			.crash = 4,
			.power = 2,
			.flap = 3,
			.settings = 1,
			CLIENTS,
			LINKS}},
	{"alone", 2, 3, 0, 2, 12, 12000, 20000, true,
		{.gap_ms = 2500,
			.partition = 10,
			.segment = 3,
			.heal = 3,
			.client_off = 6,
			.crash = 3,
			.peer_delay_ms = 2,
			.segment_delay_ms = 4,
			.drift_ppm = 100}},
	{"twonodes", 2, 2, 0, 4, 50, 1500, 5000, false,
		{.gap_ms = 800,
			.partition = 8,
			.segment = 4,
			.heal = 6,
			.crash = 6,
			.power = 4,
			.blackout = 2,
			.pause = 3,
			.clock_step = 1,
			.clock_back = 1,
			.flap = 4,
			CLIENTS,
			LINKS}},
	{"witness", 2, 2, 1, 4, 50, 1500, 5000, false,
		{.gap_ms = 800,
			.partition = 8,
			.segment = 4,
			.heal = 6,
			.crash = 6,
			.power = 4,
			.pause = 3,
			.flap = 4,
			CLIENTS,
			LINKS}},
	{"storm", 2, 3, 0, 60, 200, 1000, 2000, false,
		{.gap_ms = 1500,
			.crowd = 5,
			.crash = 3,
			.partition = 2,
			.heal = 2,
			.pause = 2,
			.release = 3,
			LINKS}},
	{"many", 5, 7, 0, 4, 30, 2000, 5000, false,
		{.gap_ms = 700,
			.crash = 8,
			.power = 4,
			.partition = 8,
			.oneway = 3,
			.heal = 6,
			.pause = 4,
			CLIENTS,
			LINKS}},
	{"apart", 2, 3, 1, 6, 24, 700, 1500, false,
		{.gap_ms = 3500,
			.partition = 12,
			.heal = 2,
			.crash = 3,
			.host = 9,
			.free_lease = 1,
			.wipe = 1,
			.client_move = 6,
			.client_off = 10,
			.release = 8,
			.decline = 60,
			.peer_delay_ms = 4,
			.segment_delay_ms = 10,
			.drift_ppm = 200,
			.is_slow = true}},
	{"everything", 2, 5, 1, 4, 60, 600, 4000, false,
		{.gap_ms = 500,
			.crash = 5,
			.power = 3,
			.blackout = 1,
			.pause = 4,
			.stop = 2,
			.partition = 6,
			.oneway = 3,
			.segment = 3,
			.heal = 8,
			.clock_step = 2,
			.clock_back = 2,
			.disk_slow = 2,
			.disk_fail = 2,
			.disk_short = 1,
			.wipe = 2,
			.remove = 2,
			.demote = 1,
			.drain = 1,
			.step_down = 2,
			.host = 5,
			.pool = 2,
			.free_lease = 1,
			.flap = 3,
			.recover = 1,
			.settings = 1,
			CLIENTS,
			LINKS}},
};
#define MODES (sizeof modes / sizeof modes[0])

unsigned sim_mode_count(void)
{
	return MODES;
}

const char *sim_mode_name(unsigned mode)
{
	return mode < MODES ? modes[mode].name : "?";
}

unsigned sim_mode_named(const char *name)
{
	for (unsigned i = 0; i < MODES; i++)
		if (strcmp(modes[i].name, name) == 0)
			return i;
	return MODES;
}

/* One draw a statement: the order of arguments and initialisers is the compiler's. */
static void draw_times(struct sim *sim, const struct mode *m, struct sim_options *options)
{
	unsigned lease_max_s = sim_chance(sim, 500) ? 20 : 60;
	unsigned mclt_max_s = sim_chance(sim, 500) ? 6 : 15;

	options->lease_s = sim_between(sim, 10, lease_max_s);
	options->mclt_s = sim_between(sim, 3, mclt_max_s);
	options->offer_s = sim_between(sim, 3, 20);
	options->decline_s = sim_between(sim, 3, 20);
	/* With more, a crowd is served only as fast as the nodes give back. */
	options->reserve_percent = sim_chance(sim, 700) ? 0 : sim_between(sim, 10, 75);
	options->chaos_us = sim_between(sim, 8, 20) * (uint64_t)SIM_S;
	if (!m->chaos.is_slow)
		return;
	options->lease_s = sim_between(sim, 10, 15);
	options->mclt_s = sim_between(sim, 8, 20);
	options->chaos_us = sim_between(sim, 40, 90) * (uint64_t)SIM_S;
}

void sim_mode_options(
	struct sim *sim, unsigned mode, uint64_t seed, struct sim_options *ret_options)
{
	const struct mode *m = &modes[mode];
	unsigned nodes = sim_between(sim, m->nodes_min, m->nodes_max);

	if (nodes > 3 && sim_chance(sim, 600) && m->nodes_min <= 3)
		nodes = 3;
	*ret_options = (struct sim_options){
		.seed = seed,
		.mode = mode,
		.nodes = nodes,
		.heal_us = HEAL_US,
		.check_answers = m->check_answers,
	};
	ret_options->witnesses = m->witnesses_max > 0 && (nodes == 2 || sim_chance(sim, 200));
	unsigned low = m->clients_min, high = m->clients_max;
	if (sim_chance(sim, 700))
		high = (low + high) / 2;
	ret_options->clients = sim_between(sim, low, high);
	ret_options->subnets = sim_chance(sim, 750) ? 1 : sim_between(sim, 2, SIM_SUBNETS_MAX);
	draw_times(sim, m, ret_options);
	unsigned each = ret_options->clients / ret_options->subnets + 1;
	unsigned permille = sim_between(sim, m->pool_permille_min, m->pool_permille_max);
	ret_options->pool_size = each * permille / 1000 + 3;
	if (ret_options->pool_size > SIM_SECOND_POOL - 20)
		ret_options->pool_size = SIM_SECOND_POOL - 20;
	/* Where operators are at work. */
	ret_options->shared_link =
		m->chaos.pool > 0 && ret_options->subnets > 1 && sim_chance(sim, 500);
	ret_options->hosts =
		m->chaos.is_slow || sim_chance(sim, 500) ? ret_options->clients / 4 : 0;
}

void sim_mode_chaos(struct sim *sim, unsigned mode)
{
	sim->chaos = modes[mode].chaos;
	/* Some runs lose much, some nothing. */
	if (sim_chance(sim, 200))
		sim->chaos.peer_loss_permille *= 10;
	if (sim_chance(sim, 200))
		sim->chaos.peer_loss_permille = sim->chaos.peer_repeat_permille = 0;
}

/* Whoever was lost is replaced while the chaos goes on, as far as it lets us. */
static void replace_lost(struct sim *sim)
{
	struct sim_node *leader = sim_node_leader(sim);

	if (sim->joins_due == 0 || leader == NULL || !sim_chance(sim, 300))
		return;
	sim->joins_due--;
	sim_join(sim, leader, false);
}

void sim_mode_run(struct sim *sim)
{
	sim_setup(sim);
	sim_post(sim, 1, &(struct sim_event){.kind = SIM_EVENT_CHECK});
	for (unsigned i = 0; i < sim->client_count; i++)
		sim_client_on(sim, &sim->client[i], 1 + sim_random(sim, 3 * SIM_S));
	sim_run_until(sim, sim->now_us + SIM_S);
	sim_trace(sim, SIM_TRACE_PHASE, -1, -1, 0, 0, "the chaos begins");
	sim->chaotic = true;
	uint64_t until_us = sim->now_us + sim->options.chaos_us;
	sim_post(sim, 1, &(struct sim_event){.kind = SIM_EVENT_CHAOS});
	while (sim->now_us < until_us) {
		sim_run_until(sim, sim->now_us + 200 * SIM_MS);
		replace_lost(sim);
	}
	sim_heal(sim);
	sim_check_healed(sim);
}
