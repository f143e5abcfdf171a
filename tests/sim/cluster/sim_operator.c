/* tests/sim/cluster/sim_operator.c: what operators do: hosts, pools, leases, members.
 *
 * Each command has a request id and is proposed at one node or, as by somebody who did not see the
 * answer, at two: both outcomes must be the same, for it is applied once.
 */
#include "tests/sim/cluster/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATIONS_MAX 128
#define REPEAT_MS      400
#define TIMEOUT_MS     4000
#define SIM_GROUPS     2
#define BOOTS          400 /* permille of what operators do */

struct sim_operation {
	struct sim *sim;
	bool used;
	unsigned open;  /* outcomes owed by replicas */
	uint8_t *bytes; /* the packed command */
	size_t byte_count;
	bool known; /* an outcome has been seen */
	Pxe__Verdict verdict;
	uint64_t revision;
	char name[40];
};

/* Those of a failed run may still be referred to by what it left behind. */
void sim_operator_reset(struct sim *sim)
{
	if (sim->operation == NULL || sim->failure == SIM_OK) {
		for (unsigned i = 0; sim->operation != NULL && i < OPERATIONS_MAX; i++)
			free(sim->operation[i].bytes);
		free(sim->operation);
	}
	sim->operation = calloc(OPERATIONS_MAX, sizeof *sim->operation);
	if (sim->operation == NULL)
		abort();
	for (unsigned i = 0; i < OPERATIONS_MAX; i++)
		sim->operation[i].sim = sim;
}

static void on_done(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct sim_operation *operation = ctx;
	struct sim *sim = operation->sim;

	assert(operation->open > 0);
	operation->open--;
	if (outcome != REPLICA_APPLIED)
		return;
	sim_trace(sim, SIM_TRACE_OUTCOME, -1, -1, 0, result->verdict, operation->name);
	if (operation->known &&
		(operation->verdict != result->verdict || operation->revision != result->revision))
		sim_fail(sim, SIM_TWICE, "%s: verdict %d at revision %llu, then %d at %llu",
			operation->name, (int)operation->verdict,
			(unsigned long long)operation->revision, (int)result->verdict,
			(unsigned long long)result->revision);
	operation->known = true;
	operation->verdict = result->verdict;
	operation->revision = result->revision;
}

struct sim_node *sim_operator_pick(struct sim *sim)
{
	unsigned first = sim_random(sim, sim->node_count);

	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->node[(first + i) % sim->node_count];

		if (sim_node_runs(node))
			return node;
	}
	return NULL;
}

static void propose_at(struct sim *sim, struct sim_operation *operation, struct sim_node *node)
{
	Pxe__Command *command = pxe__command__unpack(NULL, operation->byte_count, operation->bytes);

	assert(command != NULL);
	operation->open++;
	if (replica_propose(node->replica, command, TIMEOUT_MS, on_done, operation) !=
		REPLICA_APPLIED)
		operation->open--;
	sim_node_turn(node);
	pxe__command__free_unpacked(command, NULL);
	(void)sim;
}

void sim_operator_command(struct sim *sim, Pxe__Command *command, const char *name)
{
	struct sim_operation *operation = NULL;
	struct sim_node *node = sim_operator_pick(sim);
	uint8_t request_id[16];

	for (unsigned i = 0; i < OPERATIONS_MAX && operation == NULL; i++)
		if (!sim->operation[i].used)
			operation = &sim->operation[i];
	if (operation == NULL || node == NULL)
		return;
	operation->used = true;
	for (unsigned i = 0; i < sizeof request_id; i++)
		request_id[i] = (uint8_t)sim_random(sim, 256);
	command->request_id = (ProtobufCBinaryData){.data = request_id, .len = sizeof request_id};
	operation->byte_count = pxe__command__get_packed_size(command);
	operation->bytes = malloc(operation->byte_count);
	if (operation->bytes == NULL)
		abort();
	pxe__command__pack(command, operation->bytes);
	snprintf(operation->name, sizeof operation->name, "%s", name);
	sim->counts.operations++;
	sim_trace(sim, SIM_TRACE_OPERATION, (int)node->at, -1, 0, sim->counts.operations, name);
	propose_at(sim, operation, node);
	if (sim_chance(sim, 500))
		sim_post(sim, sim_random(sim, REPEAT_MS * SIM_MS),
			&(struct sim_event){.kind = SIM_EVENT_OPERATION,
				.client = (uint16_t)(operation - sim->operation)});
}

/* Somebody tries again. */
void sim_operator_on_event(struct sim *sim, const struct sim_event *event)
{
	struct sim_operation *operation = &sim->operation[event->client];
	struct sim_node *node = sim_operator_pick(sim);

	if (operation->used && node != NULL)
		propose_at(sim, operation, node);
}

/* ---- objects */

static void put_host(struct sim *sim, struct sim_host *host)
{
	Pxe__Command command = PXE__COMMAND__INIT;

	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &host->put;
	sim_operator_command(sim, &command, "put host");
}

static void delete_object(struct sim *sim, Pxe__ObjectKind kind, char *name, bool even_if_used)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Delete remove = PXE__DELETE__INIT;

	remove.kind = kind;
	remove.name = name;
	remove.even_if_used = even_if_used;
	command.op_case = PXE__COMMAND__OP_REMOVE;
	command.remove = &remove;
	sim_operator_command(sim, &command, "delete");
}

/* Who held what the reservation was of, or will be, may be refused it from now on. */
static void touch(struct sim *sim, uint32_t ip)
{
	struct sim_address *address = sim_address(sim, ip);

	if (address != NULL)
		address->touched = true;
}

static void touch_subnet(struct sim *sim, unsigned subnet, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		touch(sim, sim_ip(sim, subnet, i));
}

/* A change of a host may take from their holders the addresses that it has, had or gets: what was
 * proposed before may still be applied. */
static void touch_host(struct sim *sim, unsigned host, uint32_t ip)
{
	for (unsigned i = 0; i < SIM_SUBNETS_MAX * SIM_SUBNET_IPS; i++) {
		struct sim_address *address = &sim->address[i];

		if ((address->hosts >> host & 1) != 0)
			address->touched = true;
	}
	touch(sim, ip);
}

static unsigned draw_place(struct sim *sim)
{
	return sim_chance(sim, 600) ? 10 + sim_random(sim, sim->options.pool_size)
				    : SIM_FIXED_FIRST + sim_random(sim, 16);
}

static void draw_host(struct sim *sim, unsigned serial)
{
	unsigned client = sim_random(sim, sim->client_count), subnet = sim->client[client].subnet;
	uint32_t ip = sim_ip(sim, subnet, draw_place(sim));
	struct sim_host host;

	touch_host(sim, serial, ip);
	if (sim_chance(sim, 150))
		ip = 0;
	sim_host_fill(sim, serial, &client, 1, ip, &host);
	if (sim_chance(sim, 250))
		sim_host_fill_ids(sim, &client, &host);
	if (ip != 0 && sim->options.subnets > 1 && sim_chance(sim, 400)) {
		unsigned other = (subnet + 1) % sim->options.subnets;
		uint32_t more_ip = sim_ip(sim, other, draw_place(sim));

		touch(sim, more_ip);
		sim_host_fill_more_ip(sim, serial, more_ip, &host);
	}
	put_host(sim, &host);
}

static void change_host(struct sim *sim)
{
	unsigned serials =
		sim->host_serial < SIM_HOSTS_TOLD ? sim->host_serial + 1 : SIM_HOSTS_TOLD;
	unsigned serial = sim_random(sim, serials);
	char name[16];

	touch_host(sim, serial, 0);
	if (sim_chance(sim, 300)) {
		snprintf(name, sizeof name, "host%u", serial);
		delete_object(sim, PXE__OBJECT_KIND__OBJECT_HOST, name, true);
		return;
	}
	if (serial == sim->host_serial)
		sim->host_serial++;
	draw_host(sim, serial);
}

/* What a group, a guard or a link admits decides about whatever is in a pool. */
static void touch_pools(struct sim *sim)
{
	for (unsigned subnet = 0; subnet < sim->options.subnets; subnet++) {
		struct sim_pool pool;

		for (unsigned part = 0; part < 2; part++) {
			sim_pool_fill(sim, subnet, part, &pool);
			touch_subnet(sim, subnet, pool.first, pool.last);
		}
	}
	sim->pools_changed = true;
}

/* Of the clients whose hardware addresses end in one of a few digits. */
static void change_group(struct sim *sim)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__Match match = PXE__MATCH__INIT;
	char name[16], pattern[4][8], *patterns[4];

	snprintf(name, sizeof name, "group%u", sim_random(sim, SIM_GROUPS));
	touch_pools(sim);
	if (sim_chance(sim, 150)) {
		delete_object(sim, PXE__OBJECT_KIND__OBJECT_GROUP, name, sim_chance(sim, 700));
		return;
	}
	match.n_mac = 1 + sim_random(sim, 4);
	for (size_t i = 0; i < match.n_mac; i++) {
		snprintf(pattern[i], sizeof pattern[i], "*%x", sim_random(sim, 16));
		patterns[i] = pattern[i];
	}
	match.mac = patterns;
	group.name = name;
	group.match = &match;
	put.object_case = PXE__PUT__OBJECT_GROUP;
	put.group = &group;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	sim_operator_command(sim, &command, "put group");
}

static void change_link(struct sim *sim)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	struct sim_subnet subnet;

	sim_subnet_fill(sim, sim_random(sim, sim->options.subnets), sim_chance(sim, 500), &subnet);
	/* Also addresses that are reserved outside of the pools are of another link now. */
	for (unsigned i = 0; i < sim->options.subnets; i++)
		touch_subnet(sim, i, 0, SIM_SUBNET_IPS - 1);
	sim->pools_changed = true;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &subnet.put;
	sim_operator_command(sim, &command, "put subnet");
}

static void put_drawn_pool(struct sim *sim, struct sim_pool *pool)
{
	static const char *const groups[] = {"group0", "group1", "known", "unknown"};
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__AddressRange range = PXE__ADDRESS_RANGE__INIT, *ranges[1] = {&range};
	char name[16], *names[1] = {name};
	uint8_t first[4], last[4];

	snprintf(name, sizeof name, "%s", groups[sim_random(sim, 4)]);
	unsigned guard = sim_random(sim, 4); /* half of them have none */
	pool->pool.only = pool->pool.except = names;
	pool->pool.n_only = guard == 1;
	pool->pool.n_except = guard == 2;
	if (sim_chance(sim, 300)) {
		memcpy(first, pool->first_ip, sizeof first);
		memcpy(last, pool->first_ip, sizeof last);
		last[3] = (uint8_t)(last[3] + sim_random(sim, pool->last - pool->first + 1) / 2);
		range.first_ip = (ProtobufCBinaryData){.data = first, .len = sizeof first};
		range.last_ip = (ProtobufCBinaryData){.data = last, .len = sizeof last};
		pool->pool.exclude = ranges;
		pool->pool.n_exclude = 1;
	}
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &pool->put;
	sim_operator_command(sim, &command, "put pool");
}

static void change_pool(struct sim *sim)
{
	unsigned subnet = sim_random(sim, sim->options.subnets), part = sim_random(sim, 2);
	struct sim_pool pool;

	if (sim_chance(sim, 250)) {
		change_group(sim);
		return;
	}
	if (sim->options.subnets > 1 && sim_chance(sim, 60)) {
		change_link(sim);
		return;
	}
	sim_pool_fill(sim, subnet, part, &pool);
	touch_subnet(sim, subnet, pool.first, pool.last);
	sim->pools_changed = true;
	if (sim_chance(sim, 300)) {
		delete_object(sim, PXE__OBJECT_KIND__OBJECT_POOL, pool.name, sim_chance(sim, 700));
		return;
	}
	if (sim_chance(sim, 400)) /* a smaller one */
		pool.last_ip[3] = (uint8_t)(pool.first_ip[3] + (pool.last - pool.first) / 2);
	put_drawn_pool(sim, &pool);
}

void sim_operator_settings(struct sim *sim)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	struct sim_node *node = sim_operator_pick(sim);

	if (node == NULL || model_settings(replica_model(node->replica)) == NULL)
		return;
	Pxe__Settings settings = *model_settings(replica_model(node->replica));
	unsigned what = sim_random(sim, 3);
	if (what == 0)
		settings.lease_s = sim_between(sim, 5, 60);
	else if (what == 1)
		settings.mclt_s = sim_between(sim, 3, 15);
	else
		settings.reserve_percent = sim_between(sim, 1, 90);
	if (settings.lease_s > sim->lease_max_s)
		sim->lease_max_s = settings.lease_s;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	sim_operator_command(sim, &command, "put settings");
}

/* Of a machine that is off: it would go on using the address. */
/* As the list of leases of some node shows it, new or old. */
static uint64_t shown_started_ms(const struct sim *sim, uint32_t ip)
{
	struct lease lease;

	for (unsigned i = 0; i < sim->node_count; i++)
		if (sim->node[i].up && sim->node[i].replica != NULL &&
			model_lease_of_ip(replica_model(sim->node[i].replica), ip, &lease))
			return lease.started_ms;
	return 1;
}

static void free_lease(struct sim *sim)
{
	unsigned first = sim_random(sim, sim->client_count);
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Release release = PXE__RELEASE__INIT;
	uint8_t ip[4];

	for (unsigned i = 0; i < sim->client_count; i++) {
		struct sim_client *client = &sim->client[(first + i) % sim->client_count];

		if (client->state != SIM_CLIENT_OFF || client->ip == 0)
			continue;
		for (unsigned k = 0; k < 4; k++)
			ip[k] = (uint8_t)(client->ip >> (24 - 8 * k));
		release.as_of_ms = shown_started_ms(sim, client->ip);
		/* It does not wake up with it. */
		sim_check_given_up(sim, client, client->ip);
		client->ip = 0;
		client->expires_us = 0;
		release.ip = (ProtobufCBinaryData){.data = ip, .len = 4};
		release.by_operator = true;
		command.op_case = PXE__COMMAND__OP_RELEASE;
		command.release = &release;
		sim_operator_command(sim, &command, "release");
		return;
	}
}

/* ---- members */

void sim_operator_remove(struct sim *sim, struct sim_node *node, bool force)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberRemove remove = PXE__MEMBER_REMOVE__INIT;
	char text[40];

	assert(!force || node->gone);
	node->leaving = true;
	remove.name = node->name;
	remove.force = force;
	command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
	command.member_remove = &remove;
	snprintf(text, sizeof text, "remove %s%s", node->name, force ? " by force" : "");
	sim_operator_command(sim, &command, text);
}

void sim_operator_member(struct sim *sim, struct sim_node *node, Pxe__MemberMode mode)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberSet set = PXE__MEMBER_SET__INIT;
	char text[32];

	set.name = node->name;
	set.mode = mode;
	command.op_case = PXE__COMMAND__OP_MEMBER_SET;
	command.member_set = &set;
	snprintf(text, sizeof text, "mode %d of %s", (int)mode, node->name);
	sim_operator_command(sim, &command, text);
}

void sim_operator_act(struct sim *sim)
{
	unsigned host = sim->chaos.host, pool = sim->chaos.pool;
	unsigned draw = sim_random(sim, host + pool + sim->chaos.free_lease);

	if (sim_chance(sim, BOOTS))
		sim_boot_act(sim);
	else if (draw < host)
		change_host(sim);
	else if (draw < host + pool)
		change_pool(sim);
	else
		free_lease(sim);
}
