/* tests/sim/raft/sim_mode.c: the modes: how a seed's chaos is made, the healing after it, the time
 * of a failover.
 *
 *   time    faults in simulated milliseconds: what a site may see, much faster
 *   young   leaders are cut off or killed in their first moments; some pairs of nodes talk, others
 * do not walk    without time: any message, timeout or disk write next; orderings that clocks make
 * unlikely epochs  a chosen group elects a chosen node and replicates for a moment, then another:
 * figure 8's relatives
 *
 * All end alike: everything heals; the cluster must acknowledge something new, then all members
 * must agree.
 */
#include "tests/sim/raft/sim.h"

#define SETTLE_MS 8000 /* for 20 new acknowledgements */
#define QUIET_MS  8000 /* for all to agree after them */

/* Options by chance, so that some seeds have a clean combination and others have all at once. */
void sim_mode_options(struct sim *sim, enum sim_mode mode, uint64_t seed, bool verbose)
{
	struct sim_options options = {.mode = mode, .seed = seed, .verbose = verbose};

	options.members = sim_chance(sim, 500);
	options.transfer = sim_chance(sim, 400);
	options.compact = sim_chance(sim, mode == SIM_TIME ? 800 : 500);
	options.compact_after = 1 + sim_random(sim, sim_chance(sim, 500) ? 5 : 40);
	options.trailing = sim_random(sim, 9);
	options.reorder = sim_chance(sim, 300);
	options.duplicate = sim_chance(sim, 300);
	options.announce = sim_chance(sim, 300);
	options.proposals = sim_chance(sim, 300) ? 1 : 1 + sim_random(sim, 8);
	options.window = sim_chance(sim, 500) ? 4 : 1 + sim_random(sim, 4);
	options.entries_max = sim_chance(sim, 500) ? SIM_BATCH_MAX : 1 + sim_random(sim, 4);
	options.chaos_ms = 20000;
	options.nodes = sim_chance(sim, 500) ? 3 : 5;
	options.voters =
		options.members ? (options.nodes == 5 ? 3 : 2 + sim_random(sim, 2)) : options.nodes;
	if (mode == SIM_TIME) {
		options.nodes = sim_chance(sim, 400) ? 3 : 1 + sim_random(sim, SIM_NODES_MAX);
		options.voters =
			options.members ? 1 + sim_random(sim, options.nodes) : options.nodes;
	}
	if (mode == SIM_YOUNG || mode == SIM_EPOCHS)
		options.entries_max = options.window = 1;
	if (mode == SIM_EPOCHS)
		options.chaos_ms = 16000;
	sim_reset(sim, &options);
}

/* ---- one millisecond */

static void advance_clocks(struct sim *sim, unsigned by_ms)
{
	sim->now_ms += by_ms;
	for (unsigned i = 0; i < sim->options.nodes; i++) {
		struct sim_node *node = &sim->node[i];

		node->clock_ms += by_ms;
		if (by_ms == 1 && node->drift_every_ms != 0 &&
			sim->now_ms % node->drift_every_ms == 0)
			node->clock_ms = node->drift_fast ? node->clock_ms + 1 : node->clock_ms - 1;
	}
}

static void step_node(struct sim *sim, struct sim_node *node)
{
	if (!node->up && sim->now_ms >= node->up_at_ms)
		sim_host_boot(sim, node);
	while (node->up && node->op_count > 0 && node->op[node->op_first].due_ms <= sim->now_ms)
		sim_host_complete(sim, node);
	if (node->up && sim->now_ms >= node->tick_at_ms) {
		node->tick_at_ms = sim->now_ms + SIM_TICK_MS;
		sim_host_tick(sim, node);
		sim_snap_expire(sim, node, false);
	}
}

static void step(struct sim *sim, unsigned propose_permille)
{
	advance_clocks(sim, 1);
	for (unsigned at = 0; (at = sim_net_due(sim, at)) < sim->flying_count;)
		sim_host_deliver(sim, sim_net_take(sim, at));
	for (unsigned i = 0; i < sim->options.nodes; i++)
		step_node(sim, &sim->node[i]);
	sim_check_leases(sim);
	for (unsigned i = 0; i < sim->options.nodes; i++) {
		if (sim_host_leads(&sim->node[i]) && sim_chance(sim, propose_permille))
			sim_host_propose(sim, &sim->node[i]);
	}
}

/* ---- the beginning and the end */

/* All begin with the same first entry: the configuration. Those outside of it begin empty. */
static void begin(struct sim *sim)
{
	struct raft_conf conf = {.count = sim->options.voters};
	uint32_t first;

	for (unsigned i = 0; i < conf.count; i++)
		conf.member[i] = (struct raft_member){i + 1, true};
	first = sim_new_entry(
		sim, &(struct sim_entry){1, 1, 0, RAFT_CONF, sim_new_conf(sim, &conf)});
	for (unsigned i = 0; i < sim->options.nodes; i++) {
		struct sim_node *node = &sim->node[i];

		if (i < sim->options.voters) {
			node->disk.term = 1;
			node->disk.log[++node->disk.last] = first;
		}
		sim_host_boot(sim, node);
	}
}

static void heal(struct sim *sim)
{
	uint64_t acknowledged = sim->counts.acknowledged, until_ms = sim->now_ms + SETTLE_MS;

	sim_trace(sim, "all heals");
	sim_net_heal(sim);
	sim->drop_permille = 0;
	sim->options.duplicate = sim->options.reorder = false;
	sim->options.entries_max = SIM_BATCH_MAX;
	sim->options.window = 4;
	for (unsigned i = 0; i < sim->options.nodes; i++) {
		struct sim_node *node = &sim->node[i];

		node->disk_ms = node->net_ms = 3;
		node->up_at_ms = sim->now_ms;
		node->raft.config.entries_max = SIM_BATCH_MAX;
		node->raft.config.window = 4;
	}
	while (sim->counts.acknowledged < acknowledged + 20 && sim->now_ms < until_ms)
		step(sim, 60);
	if (sim->counts.acknowledged < acknowledged + 20)
		sim_fail(sim, SIM_STUCK, "no progress in %u ms after healing", SETTLE_MS);
	until_ms = sim->now_ms + QUIET_MS;
	while (sim->now_ms < until_ms && !sim_check_is_converged(sim))
		step(sim, 0);
	sim_check_converged(sim);
}

/* ---- walk */

struct walk {
	unsigned timeout, drop, crash, propose, disk, heartbeat, member, stream; /* permille */
};

static void boot_walker(struct sim *sim, struct sim_node *node)
{
	sim_host_boot(sim, node);
	node->raft.config.entries_max = 1 + sim_random(sim, 3);
	node->raft.heard_leader_ms = 0; /* votes at once: there is no time here */
}

static void deliver_any(struct sim *sim, const struct walk *walk)
{
	unsigned count = sim->flying_count, at;

	if (count == 0)
		return;
	at = sim_random(sim, sim_chance(sim, 700) && count > 4 ? 4 : count);
	if (count > 200 || sim_chance(sim, walk->drop))
		sim_net_free(sim, sim_net_take(sim, at));
	else
		sim_host_deliver(sim, sim_net_take(sim, at));
}

static void step_walk(struct sim *sim, const struct walk *walk)
{
	struct sim_node *node = &sim->node[sim_random(sim, sim->options.nodes)];
	bool leads = sim_host_leads(node);

	if (!node->up) {
		if (sim_chance(sim, 200))
			boot_walker(sim, node);
	} else if (sim_chance(sim, walk->crash)) {
		sim_host_crash(sim, node, "walk");
	} else if (sim_chance(sim, walk->timeout)) {
		if (leads)
			return;
		node->clock_ms += 2 * SIM_ELECTION_MS + 100;
		sim_host_tick(sim, node);
	} else if (sim_chance(sim, walk->heartbeat)) {
		if (!leads)
			return;
		node->clock_ms += SIM_HEARTBEAT_MS;
		sim_host_tick(sim, node);
		sim_snap_expire(sim, node, sim_chance(sim, walk->stream));
	} else if (sim_chance(sim, walk->disk)) {
		sim_host_complete(sim, node);
	} else if (sim_chance(sim, walk->propose)) {
		if (leads)
			sim_host_propose(sim, node);
	} else if (sim_chance(sim, walk->member)) {
		if (leads)
			sim_host_change_members(sim, node);
	} else {
		deliver_any(sim, walk);
	}
}

static void walk(struct sim *sim)
{
	struct walk walk = {.timeout = 5 + sim_random(sim, 40),
		.drop = sim_random(sim, 200),
		.crash = sim_random(sim, sim_chance(sim, 500) ? 30 : 4),
		.propose = sim_random(sim, 60),
		.disk = 50 + sim_random(sim, 400),
		.heartbeat = 20 + sim_random(sim, 100),
		.member = sim->options.members ? sim_random(sim, 60) : 0,
		.stream = 100};

	sim->lease_checked = false;
	for (unsigned i = 0; i < sim->options.nodes; i++) {
		if (sim->node[i].up)
			sim->node[i].raft.heard_leader_ms = 0;
	}
	for (unsigned i = 0; i < 6000; i++)
		step_walk(sim, &walk);
}

/* ---- epochs */

/* Only the group talks, and within it only the chosen one runs for office. */
static void begin_epoch(struct sim *sim, unsigned chosen, unsigned group)
{
	unsigned nodes = sim->options.nodes;

	for (unsigned i = 0; i < nodes; i++) {
		struct sim_node *node = &sim->node[i];

		for (unsigned k = 0; k < nodes; k++)
			sim->cut[i][k] =
				i != k && !((group >> i & 1) != 0 && (group >> k & 1) != 0);
		if (!node->up)
			sim_host_boot(sim, node);
		node->net_ms = 1 + sim_random(sim, 4);
		node->disk_ms = 1 + sim_random(sim, sim_chance(sim, 800) ? 3 : 12);
	}
	sim_net_drop_all(sim);
	advance_clocks(sim, SIM_ELECTION_MS + 100); /* leases and loyalties run out */
	for (unsigned i = 0; i < nodes; i++) {
		struct raft *raft = &sim->node[i].raft;

		if (raft->role == RAFT_LEADER)
			continue;
		raft->heard_leader_ms = 0;
		raft->deadline_ms = sim->node[i].clock_ms + (i == chosen ? 1 : 2000);
	}
}

static void epochs(struct sim *sim)
{
	unsigned nodes = sim->options.nodes;

	while (sim->now_ms < sim->options.chaos_ms) {
		unsigned chosen = sim_random(sim, nodes), group = 1u << chosen;
		unsigned length_ms = 15 + sim_random(sim, sim_chance(sim, 700) ? 25 : 60);
		struct sim_node *node = &sim->node[chosen];

		while ((unsigned)__builtin_popcount(group) <= nodes / 2)
			group |= 1u << sim_random(sim, nodes);
		if (sim_chance(sim, 200))
			group |= 1u << sim_random(sim, nodes);
		begin_epoch(sim, chosen, group);
		for (unsigned i = 0; i < length_ms; i++) {
			step(sim, 30);
			if (sim_host_leads(node) && sim_chance(sim, 60))
				sim_host_propose(sim, node);
			if (sim->options.members && sim_host_leads(node) && sim_chance(sim, 100))
				sim_host_change_members(sim, node);
		}
		node = &sim->node[sim_random(sim, nodes)];
		if (sim_chance(sim, 150) && node->up)
			sim_host_crash(sim, node, "epoch");
	}
}

/* ---- all */

void sim_mode_run(struct sim *sim)
{
	begin(sim);
	switch (sim->options.mode) {
	case SIM_TIME:
	case SIM_YOUNG:
		while (sim->now_ms < sim->options.chaos_ms) {
			step(sim, 60);
			if (sim->options.mode == SIM_TIME)
				sim_fault_time(sim);
			else
				sim_fault_young(sim);
		}
		break;
	case SIM_WALK: walk(sim); break;
	case SIM_EPOCHS: epochs(sim); break;
	case SIM_MODES: break;
	}
	heal(sim);
}

static struct sim_node *sole_leader(struct sim *sim)
{
	struct sim_node *leader = NULL;

	for (unsigned i = 0; i < sim->options.nodes; i++) {
		if (sim_host_leads(&sim->node[i]))
			leader = &sim->node[i];
	}
	return leader;
}

static void sort(unsigned *value, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		for (unsigned k = i; k > 0 && value[k - 1] > value[k]; k--) {
			unsigned swap = value[k];

			value[k] = value[k - 1];
			value[k - 1] = swap;
		}
	}
}

void sim_mode_failover(struct sim *sim, unsigned rounds, unsigned *ret_ms)
{
	struct sim_options options = {.nodes = 3,
		.voters = 3,
		.proposals = 4,
		.window = 4,
		.entries_max = SIM_BATCH_MAX,
		.compact = true,
		.compact_after = 20,
		.trailing = 8};
	unsigned done = 0;

	sim->random_state = 12345;
	sim_reset(sim, &options);
	if (setjmp(sim->on_failure) != 0)
		return;
	begin(sim);
	for (unsigned i = 0; i < 3; i++)
		sim->node[i].disk_ms = sim->node[i].net_ms = 1;
	while (done < rounds) {
		uint64_t until_ms = sim->now_ms + 3000 + sim_random(sim, 100), acknowledged;
		struct sim_node *leader;

		while (sim->now_ms < until_ms)
			step(sim, 1);
		leader = sole_leader(sim);
		if (leader == NULL)
			continue;
		sim_host_crash(sim, leader, "failover");
		leader->up_at_ms = sim->now_ms + 2500;
		until_ms = sim->now_ms;
		acknowledged = sim->counts.acknowledged;
		while (sim->counts.acknowledged == acknowledged && sim->now_ms < until_ms + 5000)
			step(sim, 60);
		ret_ms[done++] = (unsigned)(sim->now_ms - until_ms);
	}
	sort(ret_ms, rounds);
}
