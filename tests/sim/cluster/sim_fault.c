/* tests/sim/cluster/sim_fault.c: the chaos: one draw after another, by the weights of struct
 * sim_chaos; and its end. */
#include "store/replica/replica_offline.h"
#include "tests/sim/cluster/sim.h"

#include <errno.h>
#include <stddef.h>

#define DAY_MS  86400000
#define FLAP_MS 600

static struct sim_node *pick_node(struct sim *sim)
{
	unsigned first = sim_random(sim, sim->node_count);

	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->node[(first + i) % sim->node_count];

		if (!node->gone)
			return node;
	}
	return &sim->node[0];
}

static uint64_t some_time(struct sim *sim)
{
	unsigned longest_ms = sim_chance(sim, 700) ? 1500 : 9000;

	return sim_between(sim, 100, longest_ms) * (uint64_t)SIM_MS;
}

/* ---- nodes */

static void fault_crash(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	sim_node_crash(node, false, some_time(sim), "kill -9");
}

static void fault_power(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	sim_node_crash(node, true, 1000 * SIM_MS + some_time(sim), "power");
}

static void fault_blackout(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		sim_node_crash(&sim->node[i], true, 500 * SIM_MS + some_time(sim), "power of all");
}

static void fault_pause(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	sim_node_pause(node, some_time(sim));
}

static void fault_stop(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	sim_node_stop(node, some_time(sim));
}

/* ---- links */

static uint32_t some_nodes(struct sim *sim)
{
	uint32_t all = (UINT32_C(1) << sim->node_count) - 1, nodes;

	if (sim_chance(sim, 400))
		return UINT32_C(1) << sim_random(sim, sim->node_count);
	nodes = (uint32_t)sim_random64(sim) & all;
	return nodes == all ? 1 : nodes;
}

static void fault_partition(struct sim *sim)
{
	uint32_t nodes = some_nodes(sim);

	sim_partition(sim, nodes, true, sim_chance(sim, 500), false);
}

static void fault_oneway(struct sim *sim)
{
	uint32_t nodes = some_nodes(sim);

	sim_partition(sim, nodes, true, sim_chance(sim, 200), true);
}

static void fault_segment(struct sim *sim)
{
	uint32_t nodes = some_nodes(sim);

	sim_partition(sim, nodes, false, true, sim_chance(sim, 300));
}

static void fault_heal(struct sim *sim)
{
	sim_heal_links(sim);
}

/* What is done when links are whole again, merging, returning, settling, is broken off. */
static void fault_flap(struct sim *sim)
{
	sim_heal_links(sim);
	sim_post(sim, 1 + sim_random(sim, FLAP_MS * SIM_MS),
		&(struct sim_event){.kind = SIM_EVENT_RECUT});
}

void sim_fault_recut(struct sim *sim)
{
	if (sim->chaotic)
		fault_partition(sim);
}

/* ---- clocks */

static void fault_clock_step(struct sim *sim)
{
	static const int step_ms[] = {10000, -10000, 3000, -3000, DAY_MS, -DAY_MS};

	/* One clock at a time is wrong, and none of a node that goes on alone: a majority of them
	 * tells the time after a blackout. */
	if (sim->recovered)
		return;
	for (unsigned i = 0; i < sim->node_count; i++)
		if (!sim->node[i].wall_synchronised && !sim->node[i].gone)
			return;
	struct sim_node *node = pick_node(sim);
	sim_node_set_wall(
		node, step_ms[sim_random(sim, sizeof step_ms / sizeof step_ms[0])], false);
}

static void fault_clock_back(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	sim_node_set_wall(node, (int64_t)sim_random(sim, 1800) - 900, true);
}

/* ---- disks */

static void fault_disk_slow(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	node->disk_us = sim_chance(sim, 500) ? 500 : sim_between(sim, 1000, 150000);
	sim_trace(sim, SIM_TRACE_DISK, (int)node->at, -1, 0, node->disk_us, "us a sync");
}

static void fault_disk_fail(struct sim *sim)
{
	pick_node(sim)->disk_fail = true;
}

static void fault_disk_short(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	node->disk_short = !node->disk_short;
	sim_trace(
		sim, SIM_TRACE_DISK, (int)node->at, -1, 0, 0, node->disk_short ? "short" : "room");
}

/* ---- members: those that go are replaced, and no majority is destroyed */

/* All that vote are there, nobody is on the way out, and two that serve are left. */
static bool may_lose_one(struct sim *sim)
{
	struct sim_node *leader = sim_node_leader(sim);
	struct replica_view view;
	unsigned voters = 0, serving = 0;

	if (leader == NULL || sim->node_count + 1 >= SIM_NODES_MAX)
		return false;
	replica_get_view(leader->replica, &view);
	for (unsigned i = 0; i < view.member_count; i++) {
		const struct sim_node *node = sim_node_of_id(sim, view.member[i].id);
		bool stays = node != NULL && !node->leaving && !node->gone;

		if (!stays || !view.member[i].live)
			return false;
		voters += view.member[i].voter;
		serving += stays && view.member[i].voter && !node->witness;
	}
	for (unsigned i = 0; i < sim->node_count; i++)
		if (sim->node[i].leaving &&
			model_member(replica_model(leader->replica), sim->node[i].id) != NULL)
			return false;
	return voters >= 3 && serving >= 2;
}

static void fault_wipe(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	if (!may_lose_one(sim) || node->leaving)
		return;
	sim_node_destroy(node);
	sim_operator_remove(sim, node, true);
	sim->joins_due++;
}

static void fault_remove(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	if (!may_lose_one(sim) || node->leaving)
		return;
	sim_operator_remove(sim, node, false);
	sim->joins_due++;
}

static void fault_demote(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	sim_operator_member(sim, node,
		sim_chance(sim, 500) ? PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE
				     : PXE__MEMBER_MODE__MEMBER_MODE_PROMOTE);
}

static void fault_drain(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);

	sim_operator_member(sim, node,
		sim_chance(sim, 500) ? PXE__MEMBER_MODE__MEMBER_MODE_DRAIN
				     : PXE__MEMBER_MODE__MEMBER_MODE_UNDRAIN);
}

static void fault_settings(struct sim *sim)
{
	sim_operator_settings(sim);
}

static void fault_step_down(struct sim *sim)
{
	struct sim_node *leader = sim_node_leader(sim);

	if (leader == NULL)
		return;
	replica_step_down(leader->replica);
	sim_node_turn(leader);
}

/* The end of a node's log, as it is on its disk: what a majority ever had is not above the highest.
 */
static struct sim_log_entry log_end(const struct sim_node *node)
{
	const struct sim_disk *disk = &node->disk;

	if (disk->log_count == 0)
		return (struct sim_log_entry){.index = 0};
	return disk->log[disk->log_count - 1];
}

static bool is_behind(const struct sim_node *node, const struct sim_node *other)
{
	struct sim_log_entry mine = log_end(node), its = log_end(other);

	return mine.term != its.term ? mine.term < its.term : mine.index < its.index;
}

static bool may_go_on(const struct sim_node *node)
{
	struct replica_view view;

	if (!node->up || node->witness || node->leaving)
		return false;
	replica_get_view(node->replica, &view);
	return view.member_count > 1 &&
	       model_member(replica_model(node->replica), node->id) != NULL;
}

/* What the survivor may not have heard of is lost, but never given to anybody else [P1]. */
static void forget_told(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_SUBNETS_MAX * SIM_SUBNET_IPS; i++)
		sim->address[i].told.client = 0;
}

static void ignore_durable(void *ctx, uint64_t ticket)
{
	(void)ctx;
	(void)ticket;
}

/* As `pxed recover`, by somebody who looked at the clock. */
static void recover_on(struct sim *sim, struct sim_node *node)
{
	struct kv_config config = {.ctx = node, .on_durable = ignore_durable};
	struct kv *kv;
	char error[200] = "";

	sim_node_set_wall(node, (int64_t)sim_random(sim, 1800) - 900, true);
	node->disk_short = node->disk_fail = false;
	if (kv_open(&config, &kv, error, sizeof error) != 0)
		sim_fail(sim, SIM_CONTRACT, "node %u: %s", node->at + 1, error);
	int status = replica_offline_recover(kv, node->env.now_wall_ms(node->env.ctx),
		sim->lease_max_s + 1, error, sizeof error);
	if (status != 0 && status != -EALREADY)
		sim_fail(sim, SIM_CONTRACT, "node %u cannot go on alone: %s", node->at + 1, error);
	kv_close(kv);
}

static void fault_recover(struct sim *sim)
{
	struct sim_node *node = pick_node(sim);
	bool knows_all = true;

	if (sim->recovered || !may_go_on(node) || sim->node_count + 2 >= SIM_NODES_MAX)
		return;
	sim->recovered = sim->pools_changed = true;
	sim_node_crash(node, false, 0, "stop, to go on alone");
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *other = &sim->node[i];

		if (other == node || other->gone)
			continue;
		knows_all = knows_all && !is_behind(node, other);
		sim_node_destroy(other);
	}
	if (!knows_all)
		forget_told(sim);
	recover_on(sim, node);
	sim->joins_due = 2;
	sim_post(sim, some_time(sim),
		&(struct sim_event){
			.kind = SIM_EVENT_START, .node = (uint16_t)node->at, .life = node->life});
}

/* ---- clients */

static struct sim_client *pick_client(struct sim *sim)
{
	return &sim->client[sim_random(sim, sim->client_count)];
}

static void fault_client_move(struct sim *sim)
{
	struct sim_client *client = pick_client(sim);

	sim_client_move(sim, client, sim_random(sim, SIM_SIDES));
}

static void fault_client_off(struct sim *sim)
{
	struct sim_client *client = pick_client(sim);

	sim_client_off(sim, client);
	sim_client_on(sim, client, some_time(sim));
}

static void fault_crowd(struct sim *sim)
{
	for (unsigned i = 0; i < sim->client_count; i++) {
		sim_client_off(sim, &sim->client[i]);
		sim_client_on(sim, &sim->client[i], 1 + sim_random(sim, 200 * SIM_MS));
	}
}

static void fault_release(struct sim *sim)
{
	sim_client_release(sim, pick_client(sim));
}

/* ---- draws */

struct kind {
	size_t weight; /* offset in struct sim_chaos */
	void (*happen)(struct sim *sim);
};

#define KIND(name)                                                                                 \
	{                                                                                          \
		offsetof(struct sim_chaos, name), fault_##name                                     \
	}
static const struct kind kinds[] = {KIND(crash), KIND(power), KIND(blackout), KIND(pause),
	KIND(stop), KIND(partition), KIND(oneway), KIND(segment), KIND(heal), KIND(clock_step),
	KIND(clock_back), KIND(disk_slow), KIND(disk_fail), KIND(disk_short), KIND(wipe),
	KIND(remove), KIND(demote), KIND(drain), KIND(step_down), KIND(client_move),
	KIND(client_off), KIND(crowd), KIND(release), KIND(settings), KIND(flap), KIND(recover),
	{offsetof(struct sim_chaos, host), sim_operator_act},
	{offsetof(struct sim_chaos, pool), sim_operator_act},
	{offsetof(struct sim_chaos, free_lease), sim_operator_act}};
#define KINDS (sizeof kinds / sizeof kinds[0])

static unsigned weight_of(const struct sim *sim, const struct kind *kind)
{
	const char *chaos = (const char *)&sim->chaos;

	return *(const unsigned *)(const void *)(chaos + kind->weight);
}

static void draw(struct sim *sim)
{
	unsigned sum = 0, at;

	for (size_t i = 0; i < KINDS; i++)
		sum += weight_of(sim, &kinds[i]);
	at = sim_random(sim, sum);
	for (size_t i = 0; sum > 0 && i < KINDS; i++) {
		unsigned weight = weight_of(sim, &kinds[i]);

		if (at < weight) {
			kinds[i].happen(sim);
			return;
		}
		at -= weight;
	}
}

void sim_fault_draw(struct sim *sim)
{
	unsigned gap_ms = sim->chaos.gap_ms;

	if (!sim->chaotic)
		return;
	draw(sim);
	sim_post(sim, (gap_ms / 4 + sim_random(sim, gap_ms * 3 / 2)) * (uint64_t)SIM_MS + 1,
		&(struct sim_event){.kind = SIM_EVENT_CHAOS});
}

/* ---- the end of it */

void sim_heal(struct sim *sim)
{
	sim_trace(sim, SIM_TRACE_PHASE, -1, -1, 0, 0, "the chaos ends");
	sim->chaotic = false;
	sim->healed_us = sim->now_us;
	sim_heal_links(sim);
	sim->chaos.peer_loss_permille = sim->chaos.segment_loss_permille = 0;
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->node[i];

		if (node->gone)
			continue;
		node->disk_fail = node->disk_short = false;
		node->disk_us = 1000;
		sim_node_set_wall(node, (int64_t)sim_random(sim, 1800) - 900, true);
		if (node->up && node->paused_until_us > sim->now_us + SIM_S)
			sim_node_pause(node, SIM_S);
		if (!node->up)
			sim_post(sim, 200 * SIM_MS,
				&(struct sim_event){.kind = SIM_EVENT_START,
					.node = (uint16_t)i,
					.life = node->life});
	}
}
