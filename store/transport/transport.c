/* store/transport/transport.c: the mesh: what comes in at our ROUTER, what goes out to whom.
 *
 * Four things must agree before a message counts: the CURVE key of the connection (the ZAP handler
 * admits only keys of peers, and names the connection after the peer), the sender id inside, the
 * cluster id and the protocol version. Then the epoch: a member of an older one was left behind
 * when a survivor went on alone.
 */
#include "store/transport/transport.h"
#include "store/transport/transport_internal.h"
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOMAIN            "peer"
#define MESSAGE_MAX_BYTES (16 << 20)
#define RECEIVE_MESSAGES  64 /* waiting from one peer; of 512 KiB each they are 32 MiB */
#define KEEPALIVE_IDLE_S  5
#define KEEPALIVE_EVERY_S 2
#define KEEPALIVE_COUNT   3

static struct transport_peer **find_slot(struct transport *t, uint64_t id)
{
	for (unsigned i = 0; i < TRANSPORT_PEERS_MAX; i++)
		if (t->peer[i] && t->peer[i]->id == id)
			return &t->peer[i];
	return NULL;
}

static struct transport_peer **free_slot(struct transport *t)
{
	for (unsigned i = 0; i < TRANSPORT_PEERS_MAX; i++)
		if (!t->peer[i])
			return &t->peer[i];
	return NULL;
}

static bool allow(void *ctx, const uint8_t key[32], char ret_user_id[64])
{
	struct transport *t = ctx;

	for (unsigned i = 0; i < TRANSPORT_PEERS_MAX; i++) {
		struct transport_peer *peer = t->peer[i];

		if (peer && sodium_memcmp(peer->public_key, key, 32) == 0) {
			memcpy(ret_user_id, peer->user_id, 64);
			return true;
		}
	}
	return false;
}

static bool is_valid(struct transport *t, const Pxe__Envelope *envelope, const char *user_id)
{
	struct transport_peer **slot;

	if (envelope->cluster_id.len != sizeof t->config.cluster_id ||
		memcmp(envelope->cluster_id.data, t->config.cluster_id,
			sizeof t->config.cluster_id) != 0 ||
		envelope->protocol != TRANSPORT_PROTOCOL ||
		envelope->body_case == PXE__ENVELOPE__BODY__NOT_SET)
		return false;
	slot = find_slot(t, envelope->from);
	/* "" if no ZAP handler was asked: no peer is called that. */
	return slot && strcmp((*slot)->user_id, user_id) == 0;
}

/* Of another epoch: false, and told once. */
static bool is_of_our_epoch(struct transport *t, const Pxe__Envelope *envelope)
{
	struct transport_peer *peer = *find_slot(t, envelope->from);
	uint64_t epoch = envelope->epoch;

	if (epoch == t->config.epoch)
		return true;
	if (peer->is_other_epoch_told && peer->other_epoch == epoch)
		return false;
	peer->is_other_epoch_told = true;
	peer->other_epoch = epoch;
	if (t->config.on_other_epoch)
		t->config.on_other_epoch(t->config.ctx, envelope->from, epoch);
	return false;
}

static void on_frames(void *ctx, const zmq_msg_t *frame, size_t count, const char *user_id)
{
	struct transport *t = ctx;
	Pxe__Envelope *envelope = NULL;

	/* The name of the dialer, then one envelope. */
	if (count == 2)
		envelope = pxe__envelope__unpack(
			NULL, zmq_msg_size(&frame[1]), zmq_uv_data(&frame[1]));
	if (!envelope || !is_valid(t, envelope, user_id) || !is_of_our_epoch(t, envelope)) {
		t->stats.dropped_invalid++;
	} else {
		t->stats.received++;
		t->stats.bytes_in += zmq_msg_size(&frame[1]);
		t->config.on_message(t->config.ctx, envelope->from, envelope);
	}
	if (envelope)
		pxe__envelope__free_unpacked(envelope, NULL);
}

static int set_router_options(const struct transport *t, void *socket)
{
	if (transport_set_options(t, socket) || transport_set_int(socket, ZMQ_CURVE_SERVER, 1) ||
		zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, DOMAIN, strlen(DOMAIN)) ||
		transport_set_int(socket, ZMQ_ROUTER_HANDOVER, 1) ||
		transport_set_int(socket, ZMQ_RCVHWM, RECEIVE_MESSAGES) ||
		transport_set_int(socket, ZMQ_TCP_KEEPALIVE, 1) ||
		transport_set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S) ||
		transport_set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_EVERY_S) ||
		transport_set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT) ||
		transport_set_int(socket, ZMQ_IPV6, t->config.bind_address[0] == '['))
		return -1;
	int64_t max = MESSAGE_MAX_BYTES;
	return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof max);
}

static int open_router(struct transport *t, char *ret_error, size_t error_bytes)
{
	const char *address = t->config.bind_address;
	void *socket = zmq_socket(t->config.zmq_context, ZMQ_ROUTER);
	char endpoint[TRANSPORT_ADDRESS_BYTES + 8];
	int error;

	snprintf(endpoint, sizeof endpoint, "tcp://%s", address);
	if (socket && set_router_options(t, socket) == 0 && zmq_bind(socket, endpoint) == 0) {
		error = zmq_uv_open(t->config.loop, socket, on_frames, t, &t->router);
		if (!error)
			return 0;
		errno = -error;
	}
	error = errno;
	if (error == EADDRINUSE)
		snprintf(ret_error, error_bytes,
			"cannot listen for other nodes on %s: another program uses this port",
			address);
	else if (error == ENODEV || error == EADDRNOTAVAIL)
		snprintf(ret_error, error_bytes,
			"cannot listen for other nodes on %s: this machine does not have this "
			"address",
			address);
	else if (error == EINVAL)
		snprintf(ret_error, error_bytes,
			"cannot listen for other nodes on '%s': this is not ADDRESS:PORT", address);
	else
		snprintf(ret_error, error_bytes, "cannot listen for other nodes on %s: %s", address,
			zmq_strerror(error));
	if (socket)
		zmq_close(socket);
	return -error;
}

int transport_open(const struct transport_config *config, struct transport **ret, char *ret_error,
	size_t error_bytes)
{
	struct transport *t;
	int error;

	assert(config->loop && config->zmq_context && config->zap && config->self &&
		config->on_message);
	if (strlen(config->bind_address) >= TRANSPORT_ADDRESS_BYTES) {
		snprintf(ret_error, error_bytes, "'%s' is not ADDRESS:PORT", config->bind_address);
		return -EINVAL;
	}
	t = calloc(1, sizeof *t);
	if (!t) {
		snprintf(ret_error, error_bytes, "out of memory");
		return -ENOMEM;
	}
	t->config = *config;
	error = zap_set_domain(config->zap, DOMAIN, allow, t);
	if (error)
		snprintf(ret_error, error_bytes, "cannot check keys: %s", strerror(-error));
	else
		error = open_router(t, ret_error, error_bytes);
	if (error) {
		(void)zap_set_domain(config->zap, DOMAIN, NULL, NULL);
		sodium_memzero(t, sizeof *t);
		free(t);
		return error;
	}
	t->config.bind_address = NULL; /* not ours to keep */
	uv_timer_init(config->loop, &t->redial);
	t->redial.data = t;
	*ret = t;
	return 0;
}

int transport_get_address(const struct transport *t, char *ret_address, size_t address_bytes)
{
	char endpoint[TRANSPORT_ADDRESS_BYTES + 8];
	size_t bytes = sizeof endpoint;

	if (zmq_getsockopt(zmq_uv_socket(t->router), ZMQ_LAST_ENDPOINT, endpoint, &bytes))
		return -errno;
	if ((size_t)snprintf(ret_address, address_bytes, "%s", endpoint + strlen("tcp://")) >=
		address_bytes)
		return -EMSGSIZE;
	return 0;
}

int transport_set_peer(
	struct transport *t, uint64_t id, const char *address, const uint8_t public_key[32])
{
	struct transport_peer **slot = find_slot(t, id), *peer;

	if (!id || id == t->config.self || !*address ||
		strlen(address) >= TRANSPORT_ADDRESS_BYTES || sodium_is_zero(public_key, 32))
		return -EINVAL;
	if (slot && strcmp((*slot)->address, address) == 0 &&
		memcmp((*slot)->public_key, public_key, 32) == 0)
		return 0;
	if (!slot)
		slot = free_slot(t);
	if (!slot)
		return -ENOSPC;
	peer = transport_peer_new(t, id, address, public_key);
	if (!peer)
		return -errno;
	if (*slot)
		transport_peer_free(*slot);
	*slot = peer;
	return 0;
}

void transport_remove_peer(struct transport *t, uint64_t id)
{
	struct transport_peer **slot = find_slot(t, id);

	if (!slot)
		return;
	transport_peer_free(*slot);
	*slot = NULL;
}

/* Also makes the socket look at its mailbox, which a send does only now and then. */
static bool has_room(void *socket)
{
	int events = 0;
	size_t bytes = sizeof events;

	return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &bytes) == 0 && (events & ZMQ_POLLOUT);
}

static int pack_and_send(void *socket, const Pxe__Envelope *envelope, size_t bytes)
{
	zmq_msg_t message;
	int error;

	if (zmq_msg_init_size(&message, bytes))
		return -EAGAIN; /* no memory for it: dropped */
	pxe__envelope__pack(envelope, zmq_msg_data(&message));
	if (zmq_msg_send(&message, socket, ZMQ_DONTWAIT) >= 0)
		return 0;
	error = -errno;
	zmq_msg_close(&message);
	return error;
}

int transport_send(struct transport *t, uint64_t to, Pxe__Envelope *envelope)
{
	struct transport_peer **slot = find_slot(t, to);
	size_t bytes;
	int error;

	assert(envelope->body_case != PXE__ENVELOPE__BODY__NOT_SET);
	if (!slot)
		return -ENOENT;
	envelope->cluster_id.data = t->config.cluster_id;
	envelope->cluster_id.len = sizeof t->config.cluster_id;
	envelope->protocol = TRANSPORT_PROTOCOL;
	envelope->from = t->config.self;
	envelope->epoch = t->config.epoch;
	bytes = pxe__envelope__get_packed_size(envelope);
	assert(bytes <= MESSAGE_MAX_BYTES); /* the receiver would hang up */
	error = has_room((*slot)->dealer) ? pack_and_send((*slot)->dealer, envelope, bytes)
					  : -EAGAIN;
	if (error) {
		t->stats.dropped_full++;
		return -EAGAIN;
	}
	t->stats.sent++;
	t->stats.bytes_out += bytes;
	return 0;
}

void transport_get_stats(const struct transport *t, struct transport_stats *ret_stats)
{
	*ret_stats = t->stats;
}

static void on_closed(uv_handle_t *handle)
{
	struct transport *t = handle->data;

	sodium_memzero(t, sizeof *t);
	free(t);
}

void transport_close(struct transport *t)
{
	assert(!t->closing);
	t->closing = true;
	(void)zap_set_domain(t->config.zap, DOMAIN, NULL, NULL);
	for (unsigned i = 0; i < TRANSPORT_PEERS_MAX; i++) {
		if (t->peer[i])
			transport_peer_free(t->peer[i]);
		t->peer[i] = NULL;
	}
	zmq_uv_close(t->router);
	uv_close((uv_handle_t *)&t->redial, on_closed);
}
