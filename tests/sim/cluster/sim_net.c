/* tests/sim/cluster/sim_net.c: store/transport/transport.h, and the client segment, in simulated
 * time.
 *
 * Each message is packed by its sender and unpacked by its receiver, as on the wire. Every one may
 * be lost, repeated, late or out of order; links are cut in one direction or both, those between
 * nodes and those of the clients apart. transport_config.ctx is the struct sim_node.
 */
#include "tests/sim/cluster/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (1u << 20)
#define LATE_MS     400 /* of the few that are very late */
#define REPEATED    2

struct transport_peer {
	uint64_t id;
	uint8_t key[32];
};

struct transport {
	struct sim_node *node;
	uint8_t cluster_id[16];
	uint64_t epoch;
	void (*on_message)(void *ctx, uint64_t from, const Pxe__Envelope *envelope);
	void (*on_other_epoch)(void *ctx, uint64_t from, uint64_t epoch);
	struct transport_peer peer[TRANSPORT_PEERS_MAX];
	size_t peer_count;
	uint64_t other_epoch[SIM_NODES_MAX]; /* told, by the sender's position; 0: none */
	struct transport_stats stats;
};

int transport_open(const struct transport_config *config, struct transport **ret, char *ret_error,
	size_t error_bytes)
{
	struct transport *t = calloc(1, sizeof *t);

	(void)ret_error;
	(void)error_bytes;
	if (t == NULL)
		abort();
	t->node = config->ctx;
	t->on_message = config->on_message;
	t->on_other_epoch = config->on_other_epoch;
	t->epoch = config->epoch;
	memcpy(t->cluster_id, config->cluster_id, sizeof t->cluster_id);
	*ret = t;
	return 0;
}

void transport_close(struct transport *t)
{
	free(t);
}

int transport_get_address(const struct transport *t, char *ret_address, size_t address_bytes)
{
	int size = snprintf(ret_address, address_bytes, "10.0.0.%u:7440", t->node->at + 1);

	return size >= 0 && (size_t)size < address_bytes ? 0 : -EMSGSIZE;
}

static struct transport_peer *find_peer(struct transport *t, uint64_t id)
{
	for (size_t i = 0; i < t->peer_count; i++)
		if (t->peer[i].id == id)
			return &t->peer[i];
	return NULL;
}

int transport_set_peer(
	struct transport *t, uint64_t id, const char *address, const uint8_t public_key[32])
{
	struct transport_peer *peer = find_peer(t, id);

	(void)address;
	if (peer == NULL && t->peer_count == TRANSPORT_PEERS_MAX)
		return -ENOSPC;
	if (peer == NULL)
		peer = &t->peer[t->peer_count++];
	peer->id = id;
	memcpy(peer->key, public_key, sizeof peer->key);
	return 0;
}

void transport_remove_peer(struct transport *t, uint64_t id)
{
	struct transport_peer *peer = find_peer(t, id);

	if (peer != NULL)
		*peer = t->peer[--t->peer_count];
}

void transport_get_stats(const struct transport *t, struct transport_stats *ret_stats)
{
	*ret_stats = t->stats;
}

/* ---- links: how long a packet is under way */

struct link_quality {
	unsigned loss, repeat; /* permille */
	bool prompt;           /* none is very late */
	uint64_t delay_us;
};

static uint64_t delay(struct sim *sim, const struct link_quality *quality)
{
	uint64_t us = 60 + sim_random(sim, (unsigned)quality->delay_us);

	if (!sim->calm_links && !quality->prompt && sim_chance(sim, 5))
		us += sim_random(sim, LATE_MS * SIM_MS);
	return us;
}

/* Copies leave after `delay`; data is copied for each. */
static void post_copies(struct sim *sim, const struct link_quality *quality,
	const struct sim_event *event, const struct sim_bytes *bytes)
{
	unsigned copies = 1;

	if (sim_chance(sim, quality->loss))
		return;
	if (sim_chance(sim, quality->repeat))
		copies = REPEATED;
	for (unsigned i = 0; i < copies; i++) {
		struct sim_event copy = *event;
		struct sim_bytes *data = malloc(sizeof *data + bytes->count);

		if (data == NULL)
			abort();
		memcpy(data, bytes, sizeof *data + bytes->count);
		copy.data = data;
		uint64_t delay_us = delay(sim, quality);
		data->arrives_us = sim->now_us + delay_us;
		sim_post(sim, delay_us, &copy);
	}
}

static struct link_quality peer_quality(const struct sim *sim)
{
	if (sim->calm_links)
		return (struct link_quality){.delay_us = 500};
	return (struct link_quality){.loss = sim->chaos.peer_loss_permille,
		.repeat = sim->chaos.peer_repeat_permille,
		.delay_us = (uint64_t)sim->chaos.peer_delay_ms * SIM_MS};
}

static struct link_quality segment_quality(const struct sim *sim)
{
	if (sim->calm_links)
		return (struct link_quality){.delay_us = 500};
	return (struct link_quality){.loss = sim->chaos.segment_loss_permille,
		.repeat = sim->chaos.segment_repeat_permille,
		.delay_us = (uint64_t)sim->chaos.segment_delay_ms * SIM_MS};
}

uint64_t sim_net_segment_max_us(const struct sim *sim, bool prompt)
{
	return (uint64_t)(sim->chaos.segment_delay_ms + (prompt ? 0 : LATE_MS) + 1) * SIM_MS;
}

/* ---- node to node */

int transport_send(struct transport *t, uint64_t to, Pxe__Envelope *envelope)
{
	struct sim *sim = t->node->sim;
	struct sim_node *peer = sim_node_of_id(sim, to);
	struct link_quality quality = peer_quality(sim);

	if (find_peer(t, to) == NULL)
		return -ENOENT;
	if (peer == NULL || !t->node->up)
		return -EAGAIN;
	envelope->cluster_id.data = t->cluster_id;
	envelope->cluster_id.len = sizeof t->cluster_id;
	envelope->protocol = TRANSPORT_PROTOCOL;
	envelope->from = t->node->id;
	envelope->epoch = t->epoch;
	t->stats.sent++;
	if (sim->cut[t->node->at][peer->at])
		return 0;
	size_t count = pxe__envelope__get_packed_size(envelope);
	struct sim_bytes *bytes = malloc(sizeof *bytes + count);
	if (bytes == NULL)
		abort();
	*bytes = (struct sim_bytes){.from = t->node->id, .count = count};
	pxe__envelope__pack(envelope, bytes->byte);
	post_copies(sim, &quality,
		&(struct sim_event){.kind = SIM_EVENT_MESSAGE, .node = (uint16_t)peer->at}, bytes);
	free(bytes);
	return 0;
}

static void *arena_alloc(void *ctx, size_t bytes)
{
	struct sim *sim = ctx;
	size_t rounded = (bytes + 15) & ~(size_t)15;

	if (rounded > ARENA_BYTES - sim->arena_used)
		return NULL;
	void *memory = (uint8_t *)sim->arena + sim->arena_used;
	sim->arena_used += rounded;
	return memory;
}

static void arena_free(void *ctx, void *memory)
{
	(void)ctx;
	(void)memory;
}

/* From an arena, which is faster; large ones, and all with a sanitizer, from the heap. */
static Pxe__Envelope *unpack(struct sim *sim, const struct sim_bytes *bytes, bool *ret_heap)
{
#ifdef SIM_HEAP
	*ret_heap = true;
#else
	*ret_heap = bytes->count > ARENA_BYTES / 16;
#endif
	if (*ret_heap)
		return pxe__envelope__unpack(NULL, bytes->count, bytes->byte);
	ProtobufCAllocator allocator = {
		.alloc = arena_alloc, .free = arena_free, .allocator_data = sim};
	if (sim->arena == NULL)
		sim->arena = malloc(ARENA_BYTES);
	if (sim->arena == NULL)
		abort();
	sim->arena_used = 0;
	return pxe__envelope__unpack(&allocator, bytes->count, bytes->byte);
}

static bool is_of_epoch(struct transport *t, const struct sim_node *from, uint64_t epoch)
{
	if (epoch == t->epoch)
		return true;
	if (t->on_other_epoch != NULL && t->other_epoch[from->at] != epoch + 1) {
		t->other_epoch[from->at] = epoch + 1;
		t->on_other_epoch(t->node, from->id, epoch);
	}
	return false;
}

void sim_net_on_message(struct sim *sim, struct sim_node *node, const struct sim_bytes *bytes)
{
	struct transport *t = node->transport;
	struct sim_node *from = sim_node_of_id(sim, bytes->from);
	const struct transport_peer *peer = t == NULL ? NULL : find_peer(t, bytes->from);
	bool heap;

	if (peer == NULL || from == NULL || sim->cut[from->at][node->at] ||
		memcmp(peer->key, from->key, sizeof from->key) != 0)
		return;
	Pxe__Envelope *envelope = unpack(sim, bytes, &heap);
	if (envelope == NULL)
		sim_fail(
			sim, SIM_CONTRACT, "a message of node %u cannot be unpacked", from->at + 1);
	sim->counts.messages++;
	t->stats.received++;
	if (is_of_epoch(t, from, envelope->epoch))
		t->on_message(node, bytes->from, envelope);
	if (heap)
		pxe__envelope__free_unpacked(envelope, NULL);
}

/* ---- the clients' segment */

bool sim_net_hears(
	const struct sim *sim, const struct sim_client *client, const struct sim_node *node)
{
	return node->up && !node->witness && !sim->up_cut[client->side][node->at] &&
	       (client->deaf_nodes >> node->at & 1) == 0 && !sim->down_cut[client->side][node->at];
}

void sim_net_broadcast(struct sim *sim, const struct sim_client *client, const uint8_t *packet,
	size_t count, int only, uint32_t source_ip)
{
	struct link_quality quality = segment_quality(sim);
	struct sim_bytes *bytes = malloc(sizeof *bytes + count);

	if (bytes == NULL)
		abort();
	quality.prompt = client->prompt;
	*bytes = (struct sim_bytes){
		.from = client->at, .count = count, .unicast = only >= 0, .source_ip = source_ip};
	memcpy(bytes->byte, packet, count);
	for (unsigned i = 0; i < sim->node_count; i++) {
		const struct sim_node *node = &sim->node[i];

		if ((only >= 0 && (unsigned)only != i) || !node->up || node->witness ||
			(client->deaf_nodes >> i & 1) != 0 || sim->up_cut[client->side][i])
			continue;
		post_copies(sim, &quality,
			&(struct sim_event){.kind = SIM_EVENT_PACKET,
				.node = (uint16_t)i,
				.client = (uint16_t)client->at,
				.life = node->life},
			bytes);
	}
	free(bytes);
}

static struct sim_client *find_client(struct sim *sim, const struct dhcp4_reply *reply)
{
	/* chaddr: byte 28 of the message. The last two bytes of a simulated one are its number. */
	unsigned at = (unsigned)reply->data[32] << 8 | reply->data[33];

	if (reply->size < DHCP4_HEADER_BYTES || at >= sim->client_count)
		return NULL;
	return memcmp(reply->data + 28, sim->client[at].mac, 6) == 0 ? &sim->client[at] : NULL;
}

void sim_net_reply(struct sim *sim, struct sim_node *node, const struct dhcp4_reply *reply)
{
	struct link_quality quality = segment_quality(sim);
	struct sim_client *client = find_client(sim, reply);

	if (client == NULL)
		sim_fail(sim, SIM_CONTRACT, "node %u answers a client that there is not",
			node->at + 1);
	sim_client_on_sent(sim, client, node, reply);
	if (sim->down_cut[client->side][node->at])
		return;
	struct sim_bytes *bytes = malloc(sizeof *bytes + reply->size);
	if (bytes == NULL)
		abort();
	*bytes = (struct sim_bytes){.from = node->id, .count = reply->size};
	memcpy(bytes->byte, reply->data, reply->size);
	post_copies(sim, &quality,
		&(struct sim_event){.kind = SIM_EVENT_REPLY,
			.node = (uint16_t)node->at,
			.client = (uint16_t)client->at},
		bytes);
	free(bytes);
}

/* ---- cuts */

void sim_link_cut(struct sim *sim, unsigned from, unsigned to, bool cut)
{
	if (from != to)
		sim->cut[from][to] = cut;
}

/* Clients of sides 0 and 1 stay with the first nodes, of 2 and 3 with the others. */
static void cut_segment(struct sim *sim, uint32_t nodes, bool oneway)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		for (unsigned i = 0; i < sim->node_count; i++) {
			bool apart = (nodes >> i & 1) != (side < SIM_SIDES / 2);

			sim->up_cut[side][i] = apart;
			sim->down_cut[side][i] = apart && !oneway;
		}
	}
}

void sim_partition(struct sim *sim, uint32_t nodes, bool peers, bool segment, bool oneway)
{
	char text[80];

	snprintf(text, sizeof text, "nodes 0x%x%s%s%s", nodes, peers ? " peers" : "",
		segment ? " segment" : "", oneway ? " one way" : "");
	sim_trace(sim, SIM_TRACE_CUT, -1, -1, 0, nodes, text);
	sim->counts.partitions++;
	for (unsigned i = 0; peers && i < sim->node_count; i++) {
		for (unsigned k = 0; k < sim->node_count; k++) {
			bool from = (nodes >> i & 1) != 0, to = (nodes >> k & 1) != 0;

			sim_link_cut(sim, i, k, oneway ? from && !to : from != to);
		}
	}
	if (segment)
		cut_segment(sim, nodes, oneway);
}

void sim_heal_links(struct sim *sim)
{
	sim_trace(sim, SIM_TRACE_HEAL, -1, -1, 0, 0, "links");
	memset(sim->cut, 0, sizeof sim->cut);
	memset(sim->up_cut, 0, sizeof sim->up_cut);
	memset(sim->down_cut, 0, sizeof sim->down_cut);
}
