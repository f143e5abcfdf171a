/* tests/sim/raft/sim_fault.c: the chaos, one roll of the dice per millisecond. */
#include "tests/sim/raft/sim.h"

static struct sim_node *any_node(struct sim *sim)
{
	return &sim->node[sim_random(sim, sim->options.nodes)];
}

/* A fresh shape: isolation of one node, two sides, one direction or one link. */
static void partition(struct sim *sim)
{
	unsigned nodes = sim->options.nodes;
	unsigned a = any_node(sim)->at, b = any_node(sim)->at;
	unsigned side = sim_random(sim, 1u << nodes);

	sim_net_heal(sim);
	if (sim_chance(sim, 400)) {
		sim_trace(sim, "the network heals");
		return;
	}
	switch (sim_random(sim, 4)) {
	case 0:
		sim_trace(sim, "n%u is isolated", a + 1);
		for (unsigned i = 0; i < nodes; i++)
			sim_net_cut(sim, a, i, true);
		break;
	case 1:
		sim_trace(sim, "partition %x", side);
		for (unsigned i = 0; i < nodes; i++) {
			for (unsigned k = 0; k < i; k++)
				sim_net_cut(sim, i, k, (side >> i & 1) != (side >> k & 1));
		}
		break;
	case 2:
		sim_trace(sim, "n%u -> n%u is cut, one way", a + 1, b + 1);
		sim->cut[a][b] = a != b;
		break;
	default:
		sim_trace(sim, "n%u - n%u is cut", a + 1, b + 1);
		sim_net_cut(sim, a, b, true);
		break;
	}
}

static void crash_leader(struct sim *sim)
{
	for (unsigned i = 0; i < sim->options.nodes; i++) {
		if (sim_host_leads(&sim->node[i]) && sim_chance(sim, 300))
			sim_host_crash(sim, &sim->node[i], "it leads");
	}
}

static void crash_any(struct sim *sim)
{
	struct sim_node *node = any_node(sim);

	if (node->up)
		sim_host_crash(sim, node, "chance");
}

static void change_speed(struct sim *sim)
{
	struct sim_node *node = any_node(sim);

	node->disk_ms = sim_chance(sim, 700) ? 3 : sim_chance(sim, 500) ? 30 : 150;
	node->net_ms = sim_chance(sim, 700) ? 3 : sim_chance(sim, 500) ? 20 : 80;
}

void sim_fault_time(struct sim *sim)
{
	struct sim_node *node = any_node(sim);

	if (sim_chance(sim, 3))
		partition(sim);
	if (sim_chance(sim, 1))
		crash_any(sim);
	if (sim_chance(sim, 2))
		crash_leader(sim);
	if (sim_chance(sim, 3))
		change_speed(sim);
	if (sim_chance(sim, 2))
		sim->drop_permille = sim_chance(sim, 600) ? 0 : sim_random(sim, 250);
	if (sim->options.members && sim_chance(sim, 8) && sim_host_leads(node))
		sim_host_change_members(sim, node);
	if (sim->options.transfer && sim_chance(sim, 2) && sim_host_leads(node))
		sim_host_transfer(sim, node);
}

/* A leader in its first moments is killed, or most of its links are. */
static void hurt_young_leader(struct sim *sim, struct sim_node *node)
{
	if (!sim_host_leads(node) || node->clock_ms - node->raft.lead_since_ms >= 60 ||
		!sim_chance(sim, 15))
		return;
	if (sim_chance(sim, 300)) {
		sim_host_crash(sim, node, "it leads, and is young");
		return;
	}
	sim_trace(sim, "young leader n%u is cut off", node->at + 1);
	for (unsigned i = 0; i < sim->options.nodes; i++) {
		if (sim_chance(sim, 700))
			sim_net_cut(sim, node->at, i, true);
	}
}

void sim_fault_young(struct sim *sim)
{
	unsigned nodes = sim->options.nodes;
	struct sim_node *node = any_node(sim);

	for (unsigned i = 0; i < nodes; i++)
		hurt_young_leader(sim, &sim->node[i]);
	if (sim_chance(sim, 6)) {
		for (unsigned i = 0; i < nodes; i++) {
			for (unsigned k = 0; k < i; k++)
				sim_net_cut(sim, i, k, sim_chance(sim, 350));
		}
	}
	if (sim->options.members && sim_chance(sim, 30) && sim_host_leads(node))
		sim_host_change_members(sim, node);
	for (unsigned i = 0; i < nodes; i++) {
		if (sim_chance(sim, 2))
			sim->node[i].disk_ms = sim_chance(sim, 500) ? 3 : 40;
	}
	if (sim_chance(sim, 2))
		crash_any(sim);
}
