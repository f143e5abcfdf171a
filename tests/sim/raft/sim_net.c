/* tests/sim/raft/sim_net.c: messages under way. Links drop, repeat, delay and, if the seed says so,
 * reorder. */
#include "tests/sim/raft/sim.h"

#include <string.h>

void sim_net_reset(struct sim *sim)
{
	sim->flying_count = 0;
	sim->spare_count = SIM_MESSAGES_MAX;
	for (unsigned i = 0; i < SIM_MESSAGES_MAX; i++)
		sim->spare[i] = &sim->pool[i];
	memset(sim->link_last_ms, 0, sizeof sim->link_last_ms);
	sim_net_heal(sim);
}

struct sim_message *sim_net_new(struct sim *sim)
{
	struct sim_message *message;

	if (sim->spare_count == 0) {
		/* An overloaded network loses the oldest. */
		if (sim->flying_count == 0)
			sim_fail(sim, SIM_CONTRACT, "all messages wait in outboxes");
		sim_net_free(sim, sim_net_take(sim, 0));
	}
	message = sim->spare[--sim->spare_count];
	memset(message, 0, offsetof(struct sim_message, entry));
	return message;
}

void sim_net_free(struct sim *sim, struct sim_message *message)
{
	sim->spare[sim->spare_count++] = message;
}

static void fly(struct sim *sim, struct sim_message *message)
{
	unsigned from = message->from, to = message->to, net_ms = sim->node[from].net_ms;
	uint64_t due_ms = sim->now_ms + 1 + sim_random(sim, net_ms);

	if (sim_chance(sim, 30))
		due_ms += sim_random(sim, net_ms * 20);
	if (!sim->options.reorder) {
		if (due_ms < sim->link_last_ms[from][to])
			due_ms = sim->link_last_ms[from][to];
		sim->link_last_ms[from][to] = due_ms;
	}
	message->due_ms = due_ms;
	sim->flying[sim->flying_count++] = message;
}

void sim_net_post(struct sim *sim, struct sim_message *message)
{
	if (sim->cut[message->from][message->to] || sim_chance(sim, sim->drop_permille)) {
		sim_net_free(sim, message);
		return;
	}
	if (sim->options.duplicate && sim_chance(sim, 30) && sim->spare_count > 0) {
		struct sim_message *again = sim_net_new(sim);

		*again = *message;
		fly(sim, again);
	}
	fly(sim, message);
}

unsigned sim_net_due(const struct sim *sim, unsigned start)
{
	while (start < sim->flying_count && sim->flying[start]->due_ms > sim->now_ms)
		start++;
	return start;
}

struct sim_message *sim_net_take(struct sim *sim, unsigned at)
{
	struct sim_message *message = sim->flying[at];

	sim->flying_count--;
	memmove(&sim->flying[at], &sim->flying[at + 1],
		(sim->flying_count - at) * sizeof sim->flying[0]);
	return message;
}

void sim_net_drop_all(struct sim *sim)
{
	while (sim->flying_count > 0)
		sim_net_free(sim, sim->flying[--sim->flying_count]);
	memset(sim->link_last_ms, 0, sizeof sim->link_last_ms);
}

/* Both directions. */
void sim_net_cut(struct sim *sim, unsigned a, unsigned b, bool cut)
{
	sim->cut[a][b] = sim->cut[b][a] = cut && a != b;
}

void sim_net_heal(struct sim *sim)
{
	memset(sim->cut, 0, sizeof sim->cut);
}
