/* tests/sim/cluster/sim_setup.c: a cluster comes to be, as operators make one: bootstrap, tokens,
 * joins, objects. */
#include "tests/sim/cluster/sim.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_US (20 * (uint64_t)SIM_S)
#define JOIN_US (8 * (uint64_t)SIM_S)

uint32_t sim_ip(const struct sim *sim, unsigned subnet, unsigned host)
{
	(void)sim;
	return 0x0a000000u + ((subnet + 1) << 16) + host;
}

struct sim_address *sim_address(struct sim *sim, uint32_t ip)
{
	unsigned subnet = (ip >> 16 & 0xff) - 1, host = ip & 0xffff;

	if (ip >> 24 != 10 || subnet >= SIM_SUBNETS_MAX || host >= SIM_SUBNET_IPS)
		return NULL;
	return &sim->address[subnet * SIM_SUBNET_IPS + host];
}

/* ---- proposing, and waiting for it */

struct wait {
	bool done;
	enum replica_outcome outcome;
	struct model_result result;
};

static void on_done(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct wait *wait = ctx;

	wait->done = true;
	wait->outcome = outcome;
	if (result != NULL)
		wait->result = *result;
}

static bool is_waiting(struct sim *sim, void *ctx)
{
	const struct wait *wait = ctx;

	(void)sim;
	return !wait->done;
}

/* false: not taken, or its outcome is not known. */
static bool propose(
	struct sim *sim, struct sim_node *node, Pxe__Command *command, struct wait *wait)
{
	*wait = (struct wait){.done = false};
	if (!node->up ||
		replica_propose(node->replica, command, 3000, on_done, wait) != REPLICA_APPLIED)
		return false;
	sim_node_turn(node);
	sim_run_while(sim, UINT64_MAX, is_waiting, wait);
	return wait->outcome == REPLICA_APPLIED;
}

void sim_must(struct sim *sim, struct sim_node *node, Pxe__Command *command,
	struct model_result *ret_result)
{
	uint64_t until_us = sim->now_us + WAIT_US;
	struct wait wait;

	while (!propose(sim, node, command, &wait)) {
		if (sim->now_us > until_us)
			sim_fail(sim, SIM_STUCK, "node %u takes no command", node->at + 1);
		sim_run_until(sim, sim->now_us + 50 * SIM_MS);
	}
	if (wait.result.verdict != PXE__VERDICT__VERDICT_OK)
		sim_fail(sim, SIM_CONTRACT, "refused: %d %s", (int)wait.result.verdict,
			wait.result.detail);
	if (ret_result != NULL)
		*ret_result = wait.result;
}

/* ---- joining */

static bool put_token(struct sim *sim, struct sim_node *sponsor, bool witness, uint8_t id[8],
	uint8_t secret[32], struct wait *wait)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Token token = PXE__TOKEN__INIT;
	uint8_t hash[32];

	for (unsigned i = 0; i < 32; i++)
		secret[i] = (uint8_t)sim_random(sim, 256);
	for (unsigned i = 0; i < 8; i++)
		id[i] = (uint8_t)sim_random(sim, 256);
	crypto_generichash(hash, sizeof hash, secret, 32, NULL, 0);
	token.id = (ProtobufCBinaryData){.data = id, .len = 8};
	token.secret_hash = (ProtobufCBinaryData){.data = hash, .len = sizeof hash};
	token.kind = witness ? PXE__TOKEN_KIND__TOKEN_WITNESS : PXE__TOKEN_KIND__TOKEN_NODE;
	token.expires_ms = replica_now_ms(sponsor->replica) + 3600000;
	put.object_case = PXE__PUT__OBJECT_TOKEN;
	put.token = &token;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	return propose(sim, sponsor, &command, wait) &&
	       wait->result.verdict == PXE__VERDICT__VERDICT_OK;
}

static void keep_seeds(struct sim_node *node, const struct model *model)
{
	const Pxe__Member *member[MODEL_MEMBERS_MAX];
	size_t count = model_members(model, member, MODEL_MEMBERS_MAX);
	uint8_t bytes[1024];

	for (size_t i = 0; i < count; i++) {
		if (member[i]->id == node->id)
			continue;
		assert(pxe__member__get_packed_size(member[i]) <= sizeof bytes);
		size_t packed = pxe__member__pack(member[i], bytes);
		node->seed[node->seed_count++] = pxe__member__unpack(NULL, packed, bytes);
	}
}

struct sim_node *sim_join(struct sim *sim, struct sim_node *sponsor, bool witness)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberJoin join = PXE__MEMBER_JOIN__INIT;
	Pxe__Member self;
	char address[3][32];
	uint8_t id[8], secret[32];
	struct wait wait;

	if (sim->node_count == SIM_NODES_MAX ||
		!put_token(sim, sponsor, witness, id, secret, &wait))
		return NULL;
	struct sim_node *node = sim_node_new(sim, 0, witness);
	sim_node_fill_member(node, &self, address);
	join.token_id = (ProtobufCBinaryData){.data = id, .len = sizeof id};
	join.token_secret = (ProtobufCBinaryData){.data = secret, .len = sizeof secret};
	join.member = &self;
	command.op_case = PXE__COMMAND__OP_MEMBER_JOIN;
	command.member_join = &join;
	if (!propose(sim, sponsor, &command, &wait) ||
		wait.result.verdict != PXE__VERDICT__VERDICT_OK || !sponsor->up) {
		node->gone = true;
		return NULL;
	}
	node->id = self.id = wait.result.id;
	keep_seeds(node, replica_model(sponsor->replica));
	node->seed_epoch = model_epoch(replica_model(sponsor->replica));
	struct replica_bootstrap bootstrap = {.self = &self,
		.seed = node->seed,
		.seed_count = node->seed_count,
		.epoch = node->seed_epoch};
	sim_node_start(node, &bootstrap);
	return node;
}

/* ---- objects */

static void fill_ip(uint8_t bytes[4], uint32_t ip, ProtobufCBinaryData *ret_data)
{
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(ip >> (24 - 8 * i));
	*ret_data = (ProtobufCBinaryData){.data = bytes, .len = 4};
}

void sim_subnet_fill(const struct sim *sim, unsigned at, bool shared, struct sim_subnet *ret_subnet)
{
	*ret_subnet = (struct sim_subnet){.link = ""};
	pxe__put__init(&ret_subnet->put);
	pxe__subnet__init(&ret_subnet->subnet);
	snprintf(ret_subnet->name, sizeof ret_subnet->name, "net%u", at);
	snprintf(ret_subnet->link, sizeof ret_subnet->link, "%s", shared ? "wire" : "");
	fill_ip(ret_subnet->network, sim_ip(sim, at, 0), &ret_subnet->subnet.network_ip);
	ret_subnet->subnet.name = ret_subnet->name;
	ret_subnet->subnet.shared_network = ret_subnet->link;
	ret_subnet->subnet.prefix_len = 22;
	ret_subnet->put.object_case = PXE__PUT__OBJECT_SUBNET;
	ret_subnet->put.subnet = &ret_subnet->subnet;
}

static void put_subnet(struct sim *sim, unsigned at)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	struct sim_subnet subnet;

	sim_subnet_fill(sim, at, sim->options.shared_link, &subnet);
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &subnet.put;
	sim_must(sim, &sim->node[0], &command, NULL);
}

void sim_pool_fill(const struct sim *sim, unsigned subnet, unsigned part, struct sim_pool *ret_pool)
{
	unsigned first = 10 + part * SIM_SECOND_POOL;
	unsigned size = part == 0 ? sim->options.pool_size : sim->options.pool_size / 2 + 1;

	*ret_pool = (struct sim_pool){.first = first, .last = first + size - 1};
	pxe__put__init(&ret_pool->put);
	pxe__pool__init(&ret_pool->pool);
	snprintf(ret_pool->name, sizeof ret_pool->name, "pool%u-%u", subnet, part);
	snprintf(ret_pool->subnet, sizeof ret_pool->subnet, "net%u", subnet);
	fill_ip(ret_pool->first_ip, sim_ip(sim, subnet, ret_pool->first), &ret_pool->pool.first_ip);
	fill_ip(ret_pool->last_ip, sim_ip(sim, subnet, ret_pool->last), &ret_pool->pool.last_ip);
	ret_pool->pool.name = ret_pool->name;
	ret_pool->pool.subnet = ret_pool->subnet;
	ret_pool->put.object_case = PXE__PUT__OBJECT_POOL;
	ret_pool->put.pool = &ret_pool->pool;
}

static void put_pool(struct sim *sim, unsigned subnet)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	struct sim_pool pool;

	sim_pool_fill(sim, subnet, 0, &pool);
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &pool.put;
	sim_must(sim, &sim->node[0], &command, NULL);
}

void sim_host_fill(struct sim *sim, unsigned host, const unsigned *clients, size_t client_count,
	uint32_t ip, struct sim_host *ret_host)
{
	assert(client_count <= SIM_HOST_MACS);
	pxe__put__init(&ret_host->put);
	pxe__host__init(&ret_host->host);
	snprintf(ret_host->name, sizeof ret_host->name, "host%u", host);
	ret_host->host.name = ret_host->name;
	for (size_t i = 0; i < client_count; i++) {
		ret_host->macs[i].data = sim->client[clients[i]].mac;
		ret_host->macs[i].len = 6;
	}
	ret_host->host.mac = ret_host->macs;
	ret_host->host.n_mac = client_count;
	if (ip != 0) {
		fill_ip(ret_host->ip[0], ip, &ret_host->host.ip);
		assert(host < SIM_HOSTS_TOLD && sim_address(sim, ip) != NULL);
		sim_address(sim, ip)->hosts |= UINT64_C(1) << host;
	}
	ret_host->put.object_case = PXE__PUT__OBJECT_HOST;
	ret_host->put.host = &ret_host->host;
}

void sim_host_fill_ids(struct sim *sim, const unsigned *clients, struct sim_host *host)
{
	size_t count = 3 * host->host.n_mac;

	for (size_t i = 0; i < count; i++) {
		uint8_t *id = host->client_id[i];

		id[0] = (uint8_t)(i % 3); /* as sim_client_say() does */
		memcpy(id + 1, sim->client[clients[i / 3]].mac, SIM_CLIENT_IDENTITY_BYTES - 1);
		host->client_ids[i].data = id;
		host->client_ids[i].len = SIM_CLIENT_IDENTITY_BYTES;
	}
	host->host.client_id = host->client_ids;
	host->host.n_client_id = count;
	host->host.n_mac = 0;
}

void sim_host_fill_more_ip(struct sim *sim, unsigned host, uint32_t ip, struct sim_host *ret_host)
{
	fill_ip(ret_host->ip[1], ip, &ret_host->more_ip[0]);
	ret_host->host.more_ip = ret_host->more_ip;
	ret_host->host.n_more_ip = 1;
	assert(host < SIM_HOSTS_TOLD && sim_address(sim, ip) != NULL);
	sim_address(sim, ip)->hosts |= UINT64_C(1) << host;
}

/* Reservations inside and outside of the pool; every third machine has two ports, unless operators
 * are going to split it while both are in use. */
static void put_hosts(struct sim *sim)
{
	unsigned next = 0;

	for (unsigned i = 0; i < sim->options.hosts && next + 1 < sim->client_count; i++) {
		Pxe__Command command = PXE__COMMAND__INIT;
		struct sim_host host;
		unsigned port[2] = {next, next + 1},
			 ports = i % 3 == 2 && sim->chaos.host == 0 ? 2 : 1;
		unsigned subnet = sim->client[next].subnet;

		if (ports == 2 && sim->client[next + 1].subnet != subnet)
			ports = 1;
		if (ports == 2)
			sim->client[port[1]].machine = sim->client[port[0]].machine;
		next += ports;
		bool in_pool = i % 2 == 0 && i < sim->options.pool_size;
		unsigned where = (in_pool ? 10 : SIM_FIXED_FIRST) + i;
		sim_host_fill(sim, i, port, ports, sim_ip(sim, subnet, where), &host);
		command.op_case = PXE__COMMAND__OP_PUT;
		command.put = &host.put;
		sim_must(sim, &sim->node[0], &command, NULL);
		sim->host_serial = i + 1;
	}
}

static void bootstrap(struct sim *sim)
{
	struct sim_node *node = sim_node_new(sim, 1, false);
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	Pxe__Member self;
	char address[3][32], cluster[] = "sim";
	uint8_t server_ip[4], cluster_id[16] = "simulated";
	struct replica_bootstrap bootstrap = {.settings = &settings, .self = &self};

	sim_node_fill_member(node, &self, address);
	settings.cluster = cluster;
	settings.cluster_id = (ProtobufCBinaryData){.data = cluster_id, .len = 16};
	fill_ip(server_ip, sim_ip(sim, 0, 1), &settings.server_ip);
	settings.dhcp = PXE__DHCP_MODE__DHCP_ON;
	settings.lease_s = sim->options.lease_s;
	settings.mclt_s = sim->options.mclt_s;
	settings.offer_s = sim->options.offer_s;
	settings.decline_s = sim->options.decline_s;
	settings.reserve_percent = sim->options.reserve_percent;
	settings.next_member_id = 2;
	settings.api_public_key = (ProtobufCBinaryData){.data = node->key, .len = 32};
	sim_node_start(node, &bootstrap);
}

struct voters {
	unsigned count;
};

/* Everybody votes and has applied everything. */
static bool is_growing(struct sim *sim, void *ctx)
{
	const struct voters *wanted = ctx;
	struct sim_node *leader = sim_node_leader(sim);
	struct replica_view view;
	unsigned voters = 0;

	if (leader == NULL)
		return true;
	replica_get_view(leader->replica, &view);
	for (unsigned i = 0; i < view.member_count; i++)
		voters += view.member[i].voter;
	return voters < wanted->count || view.applied != view.last;
}

void sim_setup(struct sim *sim)
{
	struct voters wanted = {.count = 1};

	sim->calm_links = true;
	bootstrap(sim);
	if (!sim_run_while(sim, sim->now_us + WAIT_US, is_growing, &wanted))
		sim_fail(sim, SIM_STUCK, "one node does not become a cluster");
	for (unsigned i = 0; i < sim->options.subnets; i++) {
		put_subnet(sim, i);
		put_pool(sim, i);
	}
	for (unsigned i = 0; i < sim->options.clients; i++)
		sim_client_new(sim, i % sim->options.subnets);
	put_hosts(sim);
	for (unsigned i = 1; i < sim->options.nodes + sim->options.witnesses; i++) {
		wanted.count = i + 1;
		if (sim_join(sim, &sim->node[0], i >= sim->options.nodes) == NULL ||
			!sim_run_while(sim, sim->now_us + JOIN_US, is_growing, &wanted))
			sim_fail(sim, SIM_STUCK, "node %u cannot join", i + 1);
	}
	sim->calm_links = false;
}
