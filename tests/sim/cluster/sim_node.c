/* tests/sim/cluster/sim_node.c: one node: its process, its clocks, the turns of its loop.
 *
 * The process is what the daemon is, less its sockets: disk, transport, replica, DHCPv4 service.
 * Whatever reaches it begins a turn, which ends a little later with replica_turn_end(), so that
 * several things may happen in one turn.
 */
#include "tests/sim/cluster/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_US      (20 * SIM_MS)
#define TURN_US      200
#define STATUS_TICKS 5

/* ---- clocks and chance */

static uint64_t now_boot_ms(void *ctx)
{
	const struct sim_node *node = ctx;
	int64_t passed_us = (int64_t)node->sim->now_us - node->boot_zero_us;

	return (uint64_t)(passed_us + passed_us * node->drift_ppm / 1000000) / SIM_MS;
}

static uint64_t now_wall_ms(void *ctx)
{
	const struct sim_node *node = ctx;
	int64_t true_ms = (int64_t)(node->sim->epoch_ms + node->sim->now_us / SIM_MS);

	return (uint64_t)(true_ms + node->wall_offset_ms);
}

static bool wall_synchronised(void *ctx)
{
	const struct sim_node *node = ctx;

	return node->wall_synchronised;
}

static uint64_t env_random(void *ctx)
{
	const struct sim_node *node = ctx;

	return sim_random64(node->sim);
}

void sim_node_set_wall(struct sim_node *node, int64_t offset_ms, bool synchronised)
{
	char text[80];

	snprintf(text, sizeof text, "off by %lld ms%s", (long long)offset_ms,
		synchronised ? "" : ", not synchronised");
	sim_trace(node->sim, SIM_TRACE_CLOCK, (int)node->at, -1, 0, 0, text);
	node->wall_offset_ms = offset_ms;
	node->wall_synchronised = synchronised;
}

/* ---- slots */

struct sim_node *sim_node_new(struct sim *sim, uint64_t id, bool witness)
{
	assert(sim->node_count < SIM_NODES_MAX);
	unsigned at = sim->node_count++;
	struct sim_node *node = &sim->node[at];

	*node = (struct sim_node){.sim = sim, .at = at, .id = id, .witness = witness};
	snprintf(node->name, sizeof node->name, "n%u", at + 1);
	for (unsigned i = 0; i < sizeof node->key; i++)
		node->key[i] = (uint8_t)sim_random(sim, 256);
	uint32_t ip = sim_ip(sim, 0, SIM_SUBNET_IPS - 100 + at);
	for (unsigned i = 0; i < 4; i++)
		node->serve_ip[i] = (uint8_t)(ip >> (24 - 8 * i));
	node->boot_zero_us = (int64_t)sim->now_us - (10 + (int64_t)sim_random(sim, 1000)) * SIM_S;
	if (sim->chaos.drift_ppm > 0)
		node->drift_ppm = (int64_t)sim_random(sim, 2 * sim->chaos.drift_ppm) -
				  (int64_t)sim->chaos.drift_ppm;
	node->wall_offset_ms = (int64_t)sim_random(sim, 1800) - 900;
	node->wall_synchronised = true;
	node->disk_us = 200 + sim_random(sim, sim_chance(sim, 800) ? 2000 : 20000);
	node->env = (struct replica_env){
		.ctx = node,
		.now_boot_ms = now_boot_ms,
		.now_wall_ms = now_wall_ms,
		.wall_synchronised = wall_synchronised,
		.random = env_random,
	};
	return node;
}

void sim_node_fill_member(
	const struct sim_node *node, Pxe__Member *ret_member, char ret_address[3][32])
{
	pxe__member__init(ret_member);
	for (unsigned i = 0; i < 3; i++)
		snprintf(ret_address[i], 32, "10.1.3.%u:744%u", 156 + node->at, i);
	ret_member->id = node->id;
	ret_member->name = (char *)(uintptr_t)node->name;
	ret_member->role =
		node->witness ? PXE__MEMBER_ROLE__MEMBER_WITNESS : PXE__MEMBER_ROLE__MEMBER_FULL;
	ret_member->peer_address = ret_address[0];
	ret_member->api_address = ret_address[1];
	ret_member->join_address = ret_address[2];
	if (!node->witness) {
		ret_member->serve_ip.data = (uint8_t *)(uintptr_t)node->serve_ip;
		ret_member->serve_ip.len = 4;
	}
	ret_member->http_port = 80;
	ret_member->public_key.data = (uint8_t *)(uintptr_t)node->key;
	ret_member->public_key.len = 32;
}

struct sim_node *sim_node_of_id(struct sim *sim, uint64_t id)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		if (sim->node[i].id == id)
			return &sim->node[i];
	return NULL;
}

bool sim_node_runs(const struct sim_node *node)
{
	return node->up && node->paused_until_us <= node->sim->now_us;
}

struct sim_node *sim_node_leader(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct replica_view view;

		if (!sim_node_runs(&sim->node[i]))
			continue;
		replica_get_view(sim->node[i].replica, &view);
		if (view.is_leader && view.has_quorum)
			return &sim->node[i];
	}
	return NULL;
}

/* ---- the process */

static void on_durable(void *ctx, uint64_t ticket)
{
	struct sim_node *node = ctx;

	replica_on_durable(node->replica, ticket);
}

static void on_message(void *ctx, uint64_t from, const Pxe__Envelope *envelope)
{
	struct sim_node *node = ctx;

	replica_on_message(node->replica, from, envelope);
}

static void on_other_epoch(void *ctx, uint64_t from, uint64_t epoch)
{
	struct sim_node *node = ctx;

	sim_trace(node->sim, SIM_TRACE_ALARM, (int)node->at, (int)from, 0, epoch, "other epoch");
}

static void on_alarm(void *ctx, const char *text)
{
	struct sim_node *node = ctx;

	sim_check_alarm(node->sim, node, text);
}

static void on_journal(void *ctx, uint64_t number)
{
	struct sim_node *node = ctx;

	if (node->up && node->service != NULL)
		dhcp4_service_on_journal(node->service, number);
}

static void on_view(void *ctx)
{
	struct sim_node *node = ctx;
	struct replica_view view;

	if (!node->up)
		return;
	replica_get_view(node->replica, &view);
	node->sim->counts.elections += view.is_leader;
	char text[100];
	int64_t true_ms = (int64_t)(node->sim->epoch_ms + node->sim->now_us / SIM_MS);
	snprintf(text, sizeof text, "term %llu leader %llu%s%s, time off by %lld ms%s",
		(unsigned long long)view.term, (unsigned long long)view.leader,
		view.is_leader ? " itself" : "", view.has_quorum ? "" : ", no quorum",
		(long long)((int64_t)replica_now_ms(node->replica) - true_ms),
		view.time_known ? "" : ", not known");
	sim_trace(node->sim, SIM_TRACE_LEADER, (int)node->at, -1, 0, view.applied, text);
}

static void on_send(void *ctx, const struct dhcp4_reply *reply)
{
	struct sim_node *node = ctx;

	if (node->up)
		sim_net_reply(node->sim, node, reply);
}

static void on_event(void *ctx, const struct event *event)
{
	(void)ctx;
	(void)event;
}

static void post(struct sim_node *node, enum sim_event_kind kind, uint64_t after_us)
{
	sim_post(node->sim, after_us,
		&(struct sim_event){.kind = kind, .node = (uint16_t)node->at, .life = node->life});
}

static void open_replica(struct sim_node *node, const struct replica_bootstrap *bootstrap)
{
	struct kv_config kv = {.ctx = node, .on_durable = on_durable};
	struct replica_config config = {.env = &node->env,
		.self = node->id,
		.ctx = node,
		.on_view = on_view,
		.on_journal = on_journal,
		.on_alarm = on_alarm};
	char error[200] = "";

	if (kv_open(&kv, &node->kv, error, sizeof error) != 0)
		abort();
	config.kv = node->kv;
	if (replica_open(&config, bootstrap, &node->replica, error, sizeof error) != 0)
		sim_fail(node->sim, SIM_CONTRACT, "node %u cannot start: %s", node->at + 1, error);
}

static void open_service(struct sim_node *node)
{
	struct dhcp4_service_config config = {.replica = node->replica,
		.env = &node->env,
		.self = node->id,
		.serve_ip = sim_ip(node->sim, 0, SIM_SUBNET_IPS - 100 + node->at),
		.http_port = 80,
		.ctx = node,
		.send = on_send,
		.event = on_event};
	char error[200] = "";

	if (node->witness)
		return;
	if (dhcp4_service_open(&config, &node->service, error, sizeof error) != 0)
		sim_fail(node->sim, SIM_CONTRACT, "node %u's service cannot start: %s",
			node->at + 1, error);
}

void sim_node_start(struct sim_node *node, const struct replica_bootstrap *bootstrap)
{
	struct sim *sim = node->sim;
	struct transport_config transport = {.ctx = node,
		.self = node->id,
		.cluster_id = "simulated",
		.on_message = on_message,
		.on_other_epoch = on_other_epoch};
	char error[200] = "";

	assert(!node->up && !node->gone);
	node->up = true;
	node->life++;
	if (node->power_cycled)
		node->boot_zero_us =
			(int64_t)sim->now_us - (int64_t)sim_between(sim, 2, 30) * SIM_S;
	node->power_cycled = false;
	node->turn_due = false;
	node->paused_until_us = 0;
	node->up_since_us = sim->now_us;
	node->answerable_us = 0;
	sim_trace(sim, SIM_TRACE_START, (int)node->at, -1, 0, node->life, "");
	open_replica(node, bootstrap);
	transport.epoch = replica_epoch(node->replica);
	if (transport_open(&transport, &node->transport, error, sizeof error) != 0)
		abort();
	open_service(node);
	replica_connect(node->replica, node->transport);
	post(node, SIM_EVENT_TICK, 1 + sim_random(sim, TICK_US));
	if (node->service != NULL)
		post(node, SIM_EVENT_SERVICE, 1 + sim_random(sim, DHCP4_SERVICE_TICK_MS * SIM_MS));
	sim_node_turn(node);
}

static void close_all(struct sim_node *node)
{
	node->up = false;
	node->life++;
	node->paused_until_us = 0;
	node->answerable_us = 0;
	dhcp4_service_close(node->service);
	node->service = NULL;
	replica_close(node->replica);
	node->replica = NULL;
	transport_close(node->transport);
	node->transport = NULL;
}

void sim_node_crash(struct sim_node *node, bool power, uint64_t restart_us, const char *why)
{
	struct sim *sim = node->sim;

	if (!node->up)
		return;
	sim->counts.crashes++;
	sim_trace(sim, SIM_TRACE_CRASH, (int)node->at, -1, 0, restart_us / SIM_MS, why);
	sim_kv_crash(node->kv);
	close_all(node);
	sim_kv_free(node->kv);
	node->kv = NULL;
	node->power_cycled = node->power_cycled || power;
	if (restart_us > 0)
		post(node, SIM_EVENT_START, restart_us);
}

void sim_node_stop(struct sim_node *node, uint64_t restart_us)
{
	if (!sim_node_runs(node))
		return;
	sim_trace(node->sim, SIM_TRACE_CRASH, (int)node->at, -1, 0, restart_us / SIM_MS, "stop");
	replica_step_down(node->replica);
	replica_turn_end(node->replica);
	close_all(node);
	kv_close(node->kv);
	node->kv = NULL;
	if (restart_us > 0)
		post(node, SIM_EVENT_START, restart_us);
}

void sim_node_pause(struct sim_node *node, uint64_t for_us)
{
	if (!node->up)
		return;
	sim_trace(node->sim, SIM_TRACE_PAUSE, (int)node->at, -1, 0, for_us / SIM_MS, "");
	node->paused_until_us = node->sim->now_us + for_us;
	node->answerable_us = 0;
}

void sim_node_destroy(struct sim_node *node)
{
	sim_node_crash(node, true, 0, "destroyed");
	node->gone = true;
	sim_disk_clear(&node->disk);
}

static void free_seeds(struct sim_node *node)
{
	for (unsigned i = 0; i < node->seed_count; i++)
		pxe__member__free_unpacked(node->seed[i], NULL);
	node->seed_count = 0;
}

void sim_node_forget(struct sim_node *node)
{
	if (node->up) {
		close_all(node);
		sim_kv_crash(node->kv);
		sim_kv_free(node->kv);
		node->kv = NULL;
	}
	sim_disk_clear(&node->disk);
	free_seeds(node);
}

void sim_node_abandon(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		sim->node[i].up = false;
		sim->node[i].life++;
		sim->node[i].service = NULL;
	}
}

/* ---- turns */

void sim_node_turn(struct sim_node *node)
{
	if (node->turn_due)
		return;
	node->turn_due = true;
	post(node, SIM_EVENT_TURN, sim_random(node->sim, TURN_US));
}

static void tell_status(struct sim_node *node)
{
	Pxe__PeerStatus status = PXE__PEER_STATUS__INIT;
	struct dhcp4_isolation isolation = {.isolated = false};

	if (node->service != NULL) {
		dhcp4_service_get_isolation(node->service, &isolation);
		status.serving = dhcp4_service_serving(node->service);
		status.isolated = isolation.isolated;
		status.reserve_free = isolation.reserve_free;
	}
	status.free_bytes = kv_room_bytes(node->kv);
	replica_set_status(node->replica, &status);
}

static void on_tick(struct sim_node *node)
{
	if (node->ticks++ % STATUS_TICKS == 0)
		tell_status(node);
	replica_tick(node->replica);
	post(node, SIM_EVENT_TICK, TICK_US);
}

static void on_turn(struct sim_node *node)
{
	node->turn_due = false;
	node->sim->counts.turns++;
	replica_turn_end(node->replica);
	if (node->service != NULL)
		dhcp4_service_turn_end(node->service);
}

static void on_packet(struct sim_node *node, const struct sim_event *event)
{
	const struct sim_bytes *bytes = event->data;
	const struct sim_client *client = &node->sim->client[event->client];
	struct dhcp4_input input = {.packet = bytes->byte,
		.packet_bytes = bytes->count,
		.link_ip = sim_ip(node->sim, 0, SIM_SUBNET_IPS - 100 + node->at),
		.source_ip = bytes->source_ip,
		.destination_ip = bytes->unicast ? sim_ip(node->sim, 0, 1) : UINT32_MAX,
		.unicast = bytes->unicast,
		.received_ms =
			now_boot_ms(node) - (node->sim->now_us - bytes->arrives_us) / SIM_MS};

	if (client->relayed)
		input.unicast = true;
	/* What a socket holds goes with its process. */
	if (bytes->queued && event->life != node->life)
		return;
	node->sim->counts.packets++;
	dhcp4_service_on_packets(node->service, &input, 1);
}

static void start_again(struct sim_node *node)
{
	struct replica_bootstrap bootstrap = {
		.seed = node->seed, .seed_count = node->seed_count, .epoch = node->seed_epoch};
	Pxe__Member self;
	char address[3][32];

	if (node->up || node->gone)
		return;
	node->sim->counts.restarts++;
	sim_node_fill_member(node, &self, address);
	bootstrap.self = &self;
	/* The first start is repeated until it has left something on the disk. */
	sim_node_start(node, node->seed_count > 0 ? &bootstrap : NULL);
}

void sim_node_on_event(struct sim_node *node, const struct sim_event *event)
{
	bool for_anyone = event->kind == SIM_EVENT_MESSAGE || event->kind == SIM_EVENT_PACKET;

	if (event->kind == SIM_EVENT_START) {
		if (event->life == node->life)
			start_again(node);
		return;
	}
	if (!node->up || (!for_anyone && event->life != node->life))
		return;
	if (event->kind == SIM_EVENT_TURN) {
		on_turn(node);
		return;
	}
	uint32_t life = node->life;
	if (event->kind == SIM_EVENT_TICK)
		on_tick(node);
	else if (event->kind == SIM_EVENT_SERVICE) {
		dhcp4_service_tick(node->service);
		post(node, SIM_EVENT_SERVICE, DHCP4_SERVICE_TICK_MS * SIM_MS);
	} else if (event->kind == SIM_EVENT_DISK)
		sim_kv_on_sync(node->kv);
	else if (event->kind == SIM_EVENT_LINGER)
		sim_kv_on_linger(node->kv);
	else if (event->kind == SIM_EVENT_MESSAGE)
		sim_net_on_message(node->sim, node, event->data);
	else if (node->service != NULL)
		on_packet(node, event);
	if (node->up && node->life == life)
		sim_node_turn(node);
}
