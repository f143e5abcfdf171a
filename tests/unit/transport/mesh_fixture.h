/* tests/unit/transport/mesh_fixture.h: nodes of one cluster in one process: one loop, one ZeroMQ
 * context, loopback sockets.
 *
 * A ZeroMQ context has one ZAP handler and a handler has one owner of the domain "peer", so each
 * node has a context of its own.
 */
#ifndef TESTS_UNIT_TRANSPORT_MESH_FIXTURE_H
#define TESTS_UNIT_TRANSPORT_MESH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "store/transport/transport.h"
#include "store/transport/zmq_uv.h"
#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESH_NODES_MAX 4

struct mesh;

struct node {
	struct mesh *mesh;
	void *context;
	struct zap *zap;
	struct transport *transport;
	uint64_t id;
	char address[64];
	uint8_t public_key[32], secret_key[32];
	uint64_t received[MESH_NODES_MAX + 1]; /* by sender */
	uint64_t newest[MESH_NODES_MAX + 1];   /* status.applied of the newest message, by sender */
	uint64_t disorder;     /* messages that were not newer than the one before */
	size_t newest_bytes;   /* of the newest message's digest */
	unsigned other_epochs; /* calls of on_other_epoch, and the newest one's arguments */
	uint64_t other_epoch, other_epoch_from;
	void (*on_message)(
		struct node *node, uint64_t from, const Pxe__Envelope *envelope); /* may be NULL */
};

struct mesh {
	uv_loop_t loop;
	uint8_t cluster_id[16];
	uint64_t epoch;                       /* of nodes that start from now on */
	struct node node[MESH_NODES_MAX + 1]; /* by id, from 1 */
};

static inline void mesh_on_message(void *ctx, uint64_t from, const Pxe__Envelope *envelope)
{
	struct node *node = ctx;

	assert_in_range(from, 1, MESH_NODES_MAX);
	assert_int_equal(envelope->from, from);
	node->received[from]++;
	if (envelope->body_case == PXE__ENVELOPE__BODY_STATUS) {
		node->disorder += envelope->status->applied <= node->newest[from];
		node->newest[from] = envelope->status->applied;
		node->newest_bytes = envelope->status->digest_sha256.len;
	}
	if (node->on_message)
		node->on_message(node, from, envelope);
}

static inline void mesh_on_other_epoch(void *ctx, uint64_t from, uint64_t epoch)
{
	struct node *node = ctx;

	node->other_epochs++;
	node->other_epoch = epoch;
	node->other_epoch_from = from;
}

/* Start node `id`, which calls itself `self`; where: "127.0.0.1:*" or the address it had before.
 * The key is kept if it has one. */
static inline void node_start_as(struct mesh *mesh, uint64_t id, uint64_t self, const char *where)
{
	struct node *node = &mesh->node[id];
	struct transport_config config = {.loop = &mesh->loop,
		.self = self,
		.bind_address = where,
		.ctx = node,
		.epoch = mesh->epoch,
		.on_message = mesh_on_message,
		.on_other_epoch = mesh_on_other_epoch};
	char error[256] = "";

	node->mesh = mesh;
	node->id = id;
	if (sodium_is_zero(node->public_key, 32))
		crypto_box_keypair(node->public_key, node->secret_key);
	node->context = zmq_ctx_new();
	assert_non_null(node->context);
	assert_int_equal(zap_open(&mesh->loop, node->context, &node->zap), 0);
	config.zmq_context = node->context;
	config.zap = node->zap;
	memcpy(config.cluster_id, mesh->cluster_id, 16);
	memcpy(config.public_key, node->public_key, 32);
	memcpy(config.secret_key, node->secret_key, 32);
	if (transport_open(&config, &node->transport, error, sizeof error))
		fail_msg("%s", error);
	assert_int_equal(
		transport_get_address(node->transport, node->address, sizeof node->address), 0);
}

static inline void node_start(struct mesh *mesh, uint64_t id, const char *where)
{
	node_start_as(mesh, id, id, where);
}

static inline void node_stop(struct node *node)
{
	transport_close(node->transport);
	zap_close(node->zap);
	node->transport = NULL;
	for (unsigned i = 0; i < 4; i++)
		uv_run(&node->mesh->loop, UV_RUN_NOWAIT);
	assert_int_equal(zmq_ctx_term(node->context), 0);
}

static inline void node_knows(struct node *node, const struct node *peer)
{
	assert_int_equal(
		transport_set_peer(node->transport, peer->id, peer->address, peer->public_key), 0);
}

static inline void mesh_open(struct mesh *mesh, unsigned nodes)
{
	memset(mesh, 0, sizeof *mesh);
	assert_true(sodium_init() >= 0);
	assert_int_equal(uv_loop_init(&mesh->loop), 0);
	randombytes_buf(mesh->cluster_id, sizeof mesh->cluster_id);
	for (uint64_t id = 1; id <= nodes; id++)
		node_start(mesh, id, "127.0.0.1:*");
	for (uint64_t id = 1; id <= nodes; id++)
		for (uint64_t peer = 1; peer <= nodes; peer++)
			if (peer != id)
				node_knows(&mesh->node[id], &mesh->node[peer]);
}

static inline void mesh_close(struct mesh *mesh)
{
	for (uint64_t id = 1; id <= MESH_NODES_MAX; id++)
		if (mesh->node[id].transport)
			node_stop(&mesh->node[id]);
	assert_int_equal(uv_run(&mesh->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&mesh->loop), 0);
}

/* One message with a number and `bytes` of content. */
static inline int node_send(struct node *node, uint64_t to, uint64_t number, size_t bytes)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__PeerStatus status = PXE__PEER_STATUS__INIT;
	uint8_t *content = bytes ? malloc(bytes) : NULL;
	int error;

	for (size_t i = 0; i < bytes; i++)
		content[i] = (uint8_t)(i * 31 + number);
	status.applied = number;
	status.digest_sha256.data = content;
	status.digest_sha256.len = bytes;
	envelope.body_case = PXE__ENVELOPE__BODY_STATUS;
	envelope.status = &status;
	error = transport_send(node->transport, to, &envelope);
	free(content);
	return error;
}

static inline void mesh_on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* Run the loop for a while: only where nothing is expected to happen. */
static inline void mesh_rest(struct mesh *mesh, unsigned ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;
	uv_timer_t timer;

	uv_timer_init(&mesh->loop, &timer);
	uv_timer_start(&timer, mesh_on_tick, 5, 5);
	while (uv_hrtime() < until)
		uv_run(&mesh->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&mesh->loop, UV_RUN_NOWAIT);
}

static inline struct transport_stats node_stats(const struct node *node)
{
	struct transport_stats stats;

	transport_get_stats(node->transport, &stats);
	return stats;
}

#endif
