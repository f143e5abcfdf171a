/* Three nodes that act on old prefixes of one log, as nodes without the quorum do, and clients that
 * remember what they were told: no address is two clients' at any moment [P1], and no merge finds a
 * conflict [R6].
 *
 * The nodes are reduced to the rules of what they may do: [R1] to [R5], the journal, and reports of
 * what is settled. Their clocks are off by a second either way; their proposals may be applied long
 * after they were made; they lose their memory but for the journal.
 *
 * PXE_MODEL_SEEDS: how many seeds it runs (default 1500); PXE_MODEL_SEED: the first. */
#include "tests/unit/model/model_kit.h"

#define IPS      32 /* 10.0.0.0 on */
#define CLIENTS  10
#define NODES    3
#define STEPS    400
#define LOG_MAX  (STEPS * 4)
#define PENDING  8
#define FIRST_IP UINT32_C(0x0a000000)

struct entry {
	bool used, merging, returned;
	unsigned client;
	uint64_t serial;
	uint64_t expires_ms; /* by the node's clock; 0: it has restarted since */
	uint64_t state_ms;
};

struct node {
	struct model *model;
	size_t applied;
	int64_t skew_ms;
	bool off;
	struct entry journal[IPS];
};

struct logged {
	uint64_t stamp_ms;
	Pxe__Command *command;
};

struct pending {
	unsigned node; /* 0: empty */
	Pxe__Command *command;
};

struct world {
	struct kit kit; /* the log's end */
	struct node node[NODES + 1];
	struct logged log[LOG_MAX];
	size_t log_count;
	struct pending pending[PENDING];
	uint64_t told_ms[IPS][CLIENTS + 1]; /* the client may use the address before */
	uint64_t first_seed, seed, seq;
	unsigned isolated, merged, settled, given, returned, bound;
};

static uint64_t below(struct world *world, uint64_t bound)
{
	return kit_below(&world->seed, bound);
}

/* ---- the clients */

static void tell(struct world *world, unsigned client, uint32_t ip, uint64_t until_ms)
{
	unsigned at = ip - FIRST_IP;
	assert_true(at < IPS && client >= 1 && client <= CLIENTS);
	for (unsigned i = 1; i <= CLIENTS; i++) {
		if (i != client && world->told_ms[at][i] > world->kit.now_ms)
			fail_msg("seed %llu: 10.0.0.%u is told to client %u, and is client %u's "
				 "for %llu ms",
				(unsigned long long)world->first_seed, at, client, i,
				(unsigned long long)(world->told_ms[at][i] - world->kit.now_ms));
	}
	world->told_ms[at][client] = until_ms;
}

/* ---- the log */

static void append(struct world *world, Pxe__Command *command)
{
	assert_true(world->log_count < LOG_MAX);
	struct kit *kit = &world->kit;
	model_begin(kit->model, kit->now_ms, NULL);
	model_apply(kit->model, command, NULL, &kit->result);
	if (kit->result.conflicts != 0)
		fail_msg(
			"seed %llu: %s", (unsigned long long)world->first_seed, kit->result.detail);
	world->log[world->log_count++] =
		(struct logged){.stamp_ms = model_stamp_ms(kit->model), .command = command};
}

static Pxe__Command *copy_of(const Pxe__Command *command)
{
	uint8_t packed[4096];
	size_t bytes = pxe__command__get_packed_size(command);
	assert_true(bytes <= sizeof(packed));
	pxe__command__pack(command, packed);
	Pxe__Command *copy = pxe__command__unpack(NULL, bytes, packed);
	assert_non_null(copy);
	return copy;
}

/* A command of no node. */
static Pxe__Verdict command(struct world *world, const Pxe__Command *given)
{
	append(world, copy_of(given));
	return world->kit.result.verdict;
}

/* A node's proposal: now, or when the log gets it. */
static void propose(struct world *world, unsigned node, Pxe__Command *given)
{
	given->origin = node;
	given->incarnation = 1;
	given->seq = ++world->seq;
	for (unsigned i = 0; i < PENDING && below(world, 2) == 0; i++) {
		if (world->pending[i].node != 0)
			continue;
		world->pending[i] = (struct pending){.node = node, .command = copy_of(given)};
		return;
	}
	append(world, copy_of(given));
}

static void step_pending(struct world *world)
{
	struct pending *pending = &world->pending[below(world, PENDING)];
	if (pending->node == 0)
		return;
	append(world, pending->command);
	*pending = (struct pending){0};
}

/* ---- a node learns */

static void forget(struct node *node, const Pxe__Command *known)
{
	if (known->op_case == PXE__COMMAND__OP_MERGE) {
		for (size_t i = 0; i < known->merge->n_lease; i++)
			node->journal[known->merge->lease[i]->ip.data[3]].used = false;
	} else if (known->op_case == PXE__COMMAND__OP_RESERVE_RETURN) {
		for (unsigned i = 0; i < IPS; i++) {
			struct entry *entry = &node->journal[i];
			const Pxe__BlockPart *part = known->reserve_return->part[0];
			if (entry->used && entry->returned && entry->serial == part->serial &&
				(part->mask >> i & 1) != 0)
				entry->used = false;
		}
	}
}

static void learn(struct world *world, unsigned id, size_t upto)
{
	struct node *node = &world->node[id];
	for (; node->applied < upto; node->applied++) {
		const struct logged *next = &world->log[node->applied];
		struct model_result result;
		model_begin(node->model, next->stamp_ms, NULL);
		model_apply(node->model, next->command, NULL, &result);
		if (next->command->origin == id)
			forget(node, next->command);
	}
	if (node->applied == world->log_count)
		kit_assert_same_digest(node->model, world->kit.model);
}

/* ---- a node acts alone */

static uint64_t node_now_ms(const struct world *world, const struct node *node)
{
	return (uint64_t)((int64_t)world->kit.now_ms + node->skew_ms);
}

/* The client has it from us, nobody else does, and nothing of it is under way. */
static bool may_touch(const struct world *world, const struct node *node, uint32_t ip,
	unsigned client, uint64_t serial)
{
	const struct entry *entry = &node->journal[ip - FIRST_IP];
	if (!entry->used)
		return true;
	if (entry->merging || entry->returned)
		return false;
	if (entry->client == client && entry->serial == serial)
		return true;
	return entry->expires_ms != 0 &&
	       node_now_ms(world, node) >= entry->expires_ms + MODEL_REST_MS;
}

static void lease_alone(struct world *world, struct node *node, uint32_t ip, unsigned client,
	uint64_t serial, uint64_t lease_ms)
{
	struct entry *entry = &node->journal[ip - FIRST_IP];
	uint64_t state_ms = model_stamp_ms(node->model);
	if (entry->used && entry->state_ms < state_ms)
		state_ms = entry->state_ms; /* what it told before is not merged yet */
	*entry = (struct entry){.used = true,
		.client = client,
		.serial = serial,
		.expires_ms = node_now_ms(world, node) + lease_ms,
		.state_ms = state_ms};
	tell(world, client, ip, world->kit.now_ms + lease_ms);
	world->isolated++;
}

/* [R3] */
static void extend_alone(struct world *world, struct node *node, uint32_t ip)
{
	struct lease lease;
	if (!model_lease_of_ip(node->model, ip, &lease) || lease.state != S(BOUND) ||
		lease.released_ms != 0)
		return;
	uint64_t now_ms = node_now_ms(world, node);
	unsigned client = lease.client[6];
	if (now_ms >= lease.promised_ms || !may_touch(world, node, ip, client, 0))
		return;
	lease_alone(world, node, ip, client, 0, 1 + below(world, lease.promised_ms - now_ms));
}

/* [R5] */
static void fixed_alone(struct world *world, struct node *node, uint32_t ip, unsigned client)
{
	struct kit_who who;
	const Pxe__Subnet *subnet = model_subnet(node->model, "lab");
	if (!model_is_fixed_to(node->model, subnet, kit_who(client, &who), ip) ||
		!may_touch(world, node, ip, client, 0))
		return;
	lease_alone(world, node, ip, client, 0, 1 + below(world, model_mclt_ms(node->model)));
}

/* [R1] */
static void own_alone(
	struct world *world, unsigned id, struct node *node, uint32_t ip, unsigned client)
{
	const Pxe__Block *block = model_block_of(node->model, ip);
	if (block == NULL || block->owner != id ||
		!may_touch(world, node, ip, client, block->serial))
		return;
	lease_alone(world, node, ip, client, block->serial,
		1 + below(world, model_mclt_ms(node->model)));
}

static void decline_alone(struct world *world, struct node *node, uint32_t ip)
{
	struct entry *entry = &node->journal[ip - FIRST_IP];
	if (entry->used && !entry->returned)
		world->told_ms[ip - FIRST_IP][entry->client] = 0;
}

static void act_alone(struct world *world, unsigned id, uint32_t ip, unsigned client)
{
	struct node *node = &world->node[id];
	switch (below(world, 8)) {
	case 0:
	case 1: extend_alone(world, node, ip); break;
	case 2: {
		const Pxe__Host *host = model_host_of_ip(node->model, ip);
		if (host != NULL)
			fixed_alone(world, node, ip, host->mac[0].data[5]);
		break;
	}
	case 3: decline_alone(world, node, ip); break;
	default: own_alone(world, id, node, ip, client); break;
	}
}

/* Some address that it may do something with. */
static void step_alone(struct world *world, unsigned id)
{
	unsigned before = world->isolated;
	for (unsigned i = 0; i < 12 && world->isolated == before; i++)
		act_alone(world, id, FIRST_IP + (uint32_t)below(world, IPS),
			1 + (unsigned)below(world, CLIENTS));
}

/* ---- a node tells the cluster */

static void step_merge(struct world *world, unsigned id)
{
	struct node *node = &world->node[id];
	Pxe__IsolatedLease leases[IPS], *pointers[IPS];
	struct kit_who who[IPS];
	uint8_t bytes[IPS][4];
	Pxe__Merge merge = PXE__MERGE__INIT;
	Pxe__Command given = PXE__COMMAND__INIT;
	for (unsigned i = 0; i < IPS; i++) {
		struct entry *entry = &node->journal[i];
		if (!entry->used || entry->merging || entry->returned || below(world, 3) == 0)
			continue;
		Pxe__IsolatedLease *lease = &leases[merge.n_lease];
		pxe__isolated_lease__init(lease);
		msg_ip4_put(FIRST_IP + i, bytes[i]);
		lease->ip = kit_bytes(bytes[i], 4);
		lease->who = kit_who(entry->client, &who[i]);
		lease->subnet = (char *)(uintptr_t) "lab";
		lease->serial = entry->serial;
		lease->expires_ms = entry->expires_ms;
		entry->merging = true;
		pointers[merge.n_lease++] = lease;
	}
	merge.lease = pointers;
	given.op_case = PXE__COMMAND__OP_MERGE;
	given.merge = &merge;
	if (merge.n_lease == 0)
		return;
	world->merged += (unsigned)merge.n_lease;
	propose(world, id, &given);
}

static bool first_block(void *ctx, const Pxe__Block *block)
{
	*(const Pxe__Block **)ctx = block;
	return false;
}

static void step_return(struct world *world, unsigned id)
{
	struct node *node = &world->node[id];
	const Pxe__Block *block = NULL;
	model_each_block(node->model, id, first_block, &block);
	if (block == NULL)
		return;
	Pxe__BlockPart part = PXE__BLOCK_PART__INIT, *parts[1] = {&part};
	Pxe__ReserveReturn given = PXE__RESERVE_RETURN__INIT;
	Pxe__Command to_log = PXE__COMMAND__INIT;
	part.serial = block->serial;
	for (unsigned i = 0; i < IPS; i++) {
		struct entry *entry = &node->journal[i];
		if ((block->mask >> i & 1) == 0 || entry->used || below(world, 2) == 0)
			continue;
		*entry = (struct entry){.used = true,
			.returned = true,
			.serial = block->serial,
			.state_ms = model_stamp_ms(node->model)};
		part.mask |= UINT64_C(1) << i;
	}
	given.part = parts;
	given.n_part = 1;
	to_log.op_case = PXE__COMMAND__OP_RESERVE_RETURN;
	to_log.reserve_return = &given;
	if (part.mask == 0)
		return;
	world->returned++;
	propose(world, id, &to_log);
}

static void step_restart(struct node *node)
{
	for (unsigned i = 0; i < IPS; i++)
		node->journal[i].expires_ms = 0;
}

static void step_node(struct world *world)
{
	unsigned id = 1 + (unsigned)below(world, NODES);
	struct node *node = &world->node[id];
	if (node->off)
		return;
	switch (below(world, 12)) {
	case 0:
	case 1: learn(world, id, world->log_count); break;
	case 2:
		learn(world, id,
			node->applied + below(world, world->log_count - node->applied + 1));
		break;
	case 3:
		learn(world, id, world->log_count);
		step_merge(world, id);
		break;
	case 4: step_return(world, id); break;
	case 5:
		if (below(world, 4) == 0)
			step_restart(node);
		break;
	default: step_alone(world, id); break;
	}
}

/* ---- the quorum */

static uint64_t node_settled_ms(const struct node *node)
{
	uint64_t settled_ms = model_stamp_ms(node->model);
	for (unsigned i = 0; i < IPS; i++) {
		const struct entry *entry = &node->journal[i];
		if (entry->used && entry->state_ms < settled_ms)
			settled_ms = entry->state_ms;
	}
	return settled_ms;
}

static void step_settle(struct world *world)
{
	Pxe__Settle settle = PXE__SETTLE__INIT;
	Pxe__Command given = PXE__COMMAND__INIT;
	settle.settled_ms = UINT64_MAX;
	for (unsigned id = 1; id <= NODES; id++) {
		const struct node *node = &world->node[id];
		uint64_t known_ms = node->off ? UINT64_MAX : node_settled_ms(node);
		if (known_ms < settle.settled_ms)
			settle.settled_ms = known_ms;
	}
	given.op_case = PXE__COMMAND__OP_SETTLE;
	given.settle = &settle;
	Pxe__Verdict verdict = command(world, &given);
	assert_true(verdict == V(OK) || verdict == V(STALE) || verdict == V(CONFLICT));
	if (verdict == V(OK))
		world->settled++;
}

static void step_give(struct world *world)
{
	Pxe__ReserveGive give = PXE__RESERVE_GIVE__INIT;
	Pxe__Command given = PXE__COMMAND__INIT;
	give.owner = 1 + below(world, NODES);
	give.subnet = (char *)(uintptr_t) "lab";
	give.count = 1 + (uint32_t)below(world, 4);
	given.op_case = PXE__COMMAND__OP_RESERVE_GIVE;
	given.reserve_give = &give;
	if (command(world, &given) == V(OK))
		world->given++;
}

static void step_lease(struct world *world)
{
	struct kit_who who;
	uint8_t bytes[4];
	unsigned client = 1 + (unsigned)below(world, CLIENTS);
	uint32_t ip = FIRST_IP + (uint32_t)below(world, IPS);
	const struct lease *lease = &world->kit.result.lease;
	Pxe__Offer offer = PXE__OFFER__INIT;
	Pxe__Bind bind = PXE__BIND__INIT;
	Pxe__Command given = PXE__COMMAND__INIT;
	msg_ip4_put(ip, bytes);
	offer.who = bind.who = kit_who(client, &who);
	offer.subnet = bind.subnet = (char *)(uintptr_t) "lab";
	if (below(world, 2) == 0) {
		offer.wanted_ip = kit_bytes(bytes, 4);
		given.op_case = PXE__COMMAND__OP_OFFER;
		given.offer = &offer;
		if (command(world, &given) != V(OK))
			return;
		msg_ip4_put(lease->ip, bytes);
	}
	bind.ip = kit_bytes(bytes, 4);
	bind.create = below(world, 2) == 0;
	bind.lease_s = (uint32_t)below(world, 40);
	given.op_case = PXE__COMMAND__OP_BIND;
	given.bind = &bind;
	if (command(world, &given) != V(OK))
		return;
	world->bound++;
	tell(world, client, lease->ip, lease->expires_ms);
}

/* RELEASE and DECLINE by a client that has been told so; by whichever node. */
static void step_give_up(struct world *world)
{
	struct kit_who who;
	uint8_t bytes[4];
	unsigned at = (unsigned)below(world, IPS), client = 1 + (unsigned)below(world, CLIENTS);
	Pxe__Release release = PXE__RELEASE__INIT;
	Pxe__Decline decline = PXE__DECLINE__INIT;
	Pxe__Command given = PXE__COMMAND__INIT;
	if (world->told_ms[at][client] <= world->kit.now_ms)
		return;
	msg_ip4_put(FIRST_IP + at, bytes);
	release.client = decline.client = kit_who(client, &who)->client;
	release.ip = decline.ip = kit_bytes(bytes, 4);
	given.op_case = PXE__COMMAND__OP_RELEASE;
	given.release = &release;
	if (below(world, 3) == 0) {
		given.op_case = PXE__COMMAND__OP_DECLINE;
		given.decline = &decline;
	}
	command(world, &given);
	world->told_ms[at][client] = 0;
}

static void step_probe_or_sweep(struct world *world)
{
	uint8_t bytes[4];
	Pxe__Decline decline = PXE__DECLINE__INIT;
	Pxe__Sweep sweep = PXE__SWEEP__INIT;
	Pxe__Command given = PXE__COMMAND__INIT;
	msg_ip4_put(FIRST_IP + (uint32_t)below(world, IPS), bytes);
	decline.ip = kit_bytes(bytes, 4);
	decline.by_probe = true;
	given.op_case = PXE__COMMAND__OP_SWEEP;
	given.sweep = &sweep;
	if (below(world, 6) == 0) {
		given.op_case = PXE__COMMAND__OP_DECLINE;
		given.decline = &decline;
	}
	command(world, &given);
}

static void put(struct world *world, Pxe__Put *put_)
{
	Pxe__Command given = PXE__COMMAND__INIT;
	given.op_case = PXE__COMMAND__OP_PUT;
	given.put = put_;
	command(world, &given);
}

static void step_host(struct world *world)
{
	char name[16];
	uint8_t bytes[4], mac[6];
	unsigned client = 1 + (unsigned)below(world, CLIENTS);
	Pxe__Host host = PXE__HOST__INIT;
	Pxe__Put put_ = PXE__PUT__INIT;
	ProtobufCBinaryData macs[1];
	snprintf(name, sizeof(name), "host%u", (unsigned)below(world, 4));
	kit_mac(client, mac);
	macs[0] = kit_bytes(mac, 6);
	msg_ip4_put(FIRST_IP + 4 + (uint32_t)below(world, 10), bytes);
	host.name = name;
	host.mac = macs;
	host.n_mac = 1;
	host.ip = kit_bytes(bytes, below(world, 4) == 0 ? 0 : 4);
	put_.object_case = PXE__PUT__OBJECT_HOST;
	put_.host = &host;
	put(world, &put_);
}

static void step_pool(struct world *world)
{
	uint8_t first[4], last[4];
	uint32_t ip = FIRST_IP + 4 + (uint32_t)below(world, 12);
	Pxe__Pool pool = PXE__POOL__INIT;
	Pxe__Put put_ = PXE__PUT__INIT;
	msg_ip4_put(ip, first);
	msg_ip4_put(ip + (uint32_t)below(world, FIRST_IP + IPS - ip), last);
	pool.name = (char *)(uintptr_t) "lab-1";
	pool.subnet = (char *)(uintptr_t) "lab";
	pool.first_ip = kit_bytes(first, 4);
	pool.last_ip = kit_bytes(last, 4);
	put_.object_case = PXE__PUT__OBJECT_POOL;
	put_.pool = &pool;
	put(world, &put_);
}

static void step_mclt(struct world *world)
{
	const Pxe__Settings *old = model_settings(world->kit.model);
	Pxe__Settings settings = *old;
	Pxe__Put put_ = PXE__PUT__INIT;
	settings.mclt_s = 5 + (uint32_t)below(world, 60);
	put_.object_case = PXE__PUT__OBJECT_SETTINGS;
	put_.settings = &settings;
	put(world, &put_);
}

static void step_delete(struct world *world)
{
	char name[16];
	Pxe__Delete remove = PXE__DELETE__INIT;
	Pxe__Command given = PXE__COMMAND__INIT;
	bool is_pool = below(world, 4) == 0;
	snprintf(name, sizeof(name), "host%u", (unsigned)below(world, 4));
	remove.kind = is_pool ? PXE__OBJECT_KIND__OBJECT_POOL : PXE__OBJECT_KIND__OBJECT_HOST;
	remove.name = is_pool ? (char *)(uintptr_t) "lab-1" : name;
	given.op_case = PXE__COMMAND__OP_REMOVE;
	given.remove = &remove;
	command(world, &given);
}

/* A node is switched off for good; an operator says so at some later time. */
static void step_force(struct world *world)
{
	Pxe__MemberRemove leave = PXE__MEMBER_REMOVE__INIT;
	Pxe__MemberGone gone = PXE__MEMBER_GONE__INIT;
	Pxe__Command given = PXE__COMMAND__INIT;
	if (world->node[NODES].off || below(world, 10) != 0)
		return;
	world->node[NODES].off = true;
	leave.name = (char *)(uintptr_t) "pxe3";
	leave.force = true;
	given.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
	given.member_remove = &leave;
	assert_int_equal(command(world, &given), V(OK));
	gone.id = NODES;
	given.op_case = PXE__COMMAND__OP_MEMBER_GONE;
	given.member_gone = &gone;
	assert_int_equal(command(world, &given), V(OK));
}

static void step_quorum(struct world *world)
{
	switch (below(world, 16)) {
	case 0:
	case 1: step_give(world); break;
	case 2:
	case 3: step_settle(world); break;
	case 4: step_host(world); break;
	case 5: below(world, 2) == 0 ? step_delete(world) : step_pool(world); break;
	case 6: below(world, 4) == 0 ? step_mclt(world) : step_force(world); break;
	case 7:
	case 8: step_give_up(world); break;
	case 9:
	case 10: step_probe_or_sweep(world); break;
	default: step_lease(world); break;
	}
}

/* Often to the edge of what somebody was told, and a little beyond: that is where it breaks. */
static void step_time(struct world *world)
{
	static const uint64_t after[] = {0, 1000, 1999, 2999, 3000, 3001};
	uint64_t now_ms = world->kit.now_ms, at_ms = now_ms + 1 + below(world, 3000);
	unsigned at = (unsigned)below(world, IPS);
	struct lease lease;
	if (below(world, 3) == 0 && model_lease_of_ip(world->kit.model, FIRST_IP + at, &lease)) {
		uint64_t edge_ms = lease.promised_ms + after[below(world, 6)];
		if (edge_ms > now_ms)
			at_ms = edge_ms;
	}
	world->kit.now_ms = at_ms;
}

/* ---- the run */

static struct world *world_new(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	world->first_seed = world->seed = seed;
	kit_init_bare(&world->kit);
	assert_int_equal(kit_subnet(&world->kit, "lab", "10.0.0.0", 24, NULL), V(OK));
	assert_int_equal(kit_pool(&world->kit, "lab-1", "lab", "10.0.0.8", "10.0.0.20"), V(OK));
	kit_join(&world->kit, 2, PXE__MEMBER_ROLE__MEMBER_FULL);
	assert_int_equal(kit_join(&world->kit, 3, PXE__MEMBER_ROLE__MEMBER_FULL), NODES);
	for (unsigned id = 1; id <= NODES; id++) {
		world->node[id].model = kit_load(&world->kit.disk);
		world->node[id].skew_ms = (int64_t)below(world, 2001) - 1000;
	}
	return world;
}

static void world_free(struct world *world)
{
	for (size_t i = 0; i < world->log_count; i++)
		pxe__command__free_unpacked(world->log[i].command, NULL);
	for (unsigned i = 0; i < PENDING; i++) {
		if (world->pending[i].node != 0)
			pxe__command__free_unpacked(world->pending[i].command, NULL);
	}
	for (unsigned id = 1; id <= NODES; id++)
		model_free(world->node[id].model);
	model_free(world->kit.model);
	kit_disk_fini(&world->kit.disk);
	free(world);
}

static void run(uint64_t seed, unsigned *sums)
{
	struct world *world = world_new(seed);
	for (unsigned i = 0; i < STEPS; i++) {
		uint64_t what = below(world, 10);
		if (what < 1)
			step_time(world);
		else if (what < 2)
			step_pending(world);
		else if (what < 6)
			step_node(world);
		else
			step_quorum(world);
		model_each_block(world->kit.model, 0, kit_check_block, world->kit.model);
	}
	sums[0] += world->isolated;
	sums[1] += world->merged;
	sums[2] += world->settled;
	sums[3] += world->given;
	sums[4] += world->returned;
	sums[5] += world->bound;
	world_free(world);
}

static void test_p1_no_address_has_two_clients_whatever_prefix_a_node_acts_on(void **state)
{
	(void)state;
	static const char *const what[] = {"leases without the quorum", "merged leases",
		"settlements", "gifts", "returns", "leases with the quorum"};
	unsigned sums[6] = {0};
	const char *setting = getenv("PXE_MODEL_SEEDS"), *first = getenv("PXE_MODEL_SEED");
	uint64_t seeds = setting != NULL ? strtoull(setting, NULL, 10) : 1500;
	uint64_t seed = first != NULL ? strtoull(first, NULL, 10) : 1;
	for (uint64_t end = seed + seeds; seed < end; seed++) {
		run(seed, sums);
	}
	for (unsigned i = 0; i < 6; i++) {
		print_message("%u %s\n", sums[i], what[i]);
		assert_true(sums[i] > seeds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_p1_no_address_has_two_clients_whatever_prefix_a_node_acts_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
