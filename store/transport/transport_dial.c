/* store/transport/transport_dial.c: the dialing half of the transport: one DEALER per peer.
 *
 * A DEALER repeats a connection that failed or was lost by itself, with one exception: when the
 * peer refuses our key, libzmq gives up for ever. That happens in ordinary life: a node that has
 * just joined dials before its key has reached the peer. The monitor tells, we take the connection
 * down and dial again after a rest.
 */
#include "store/transport/transport_internal.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEND_MESSAGES                                                                              \
	256 /* waiting for one peer; what is beyond is dropped and Raft repeats it                 \
	     */
#define RECONNECT_MIN_MS   20
#define RECONNECT_MAX_MS   200
#define CONNECT_TIMEOUT_MS 400
#define HANDSHAKE_MS       3000
#define UNACKNOWLEDGED_MS  1000 /* a host that died leaves no RST: TCP would go on for minutes */
#define REST_MIN_MS        100
#define REST_DOUBLINGS_MAX 4
#define TICK_MS            50
#define MONITORED                                                                                  \
	(ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |                         \
		ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)

int transport_set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value);
}

int transport_set_options(const struct transport *t, void *socket)
{
	const struct transport_config *c = &t->config;
	const uint64_t first_thread = 1; /* others of the context may be busy with strangers */

	/* ZMQ_HEARTBEAT_* stays off: with a receive limit and a slow reader it aborts the process
	 * (libzmq 3937). */
	if (transport_set_int(socket, ZMQ_LINGER, 0) ||
		transport_set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) ||
		zmq_setsockopt(socket, ZMQ_AFFINITY, &first_thread, sizeof first_thread) ||
		zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, c->public_key, 32) ||
		zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, c->secret_key, 32))
		return -1;
	return 0;
}

static int set_dealer_options(const struct transport_peer *peer, void *socket)
{
	char name[32];
	int bytes = snprintf(name, sizeof name, "node:%" PRIu64, peer->transport->config.self);

	if (transport_set_options(peer->transport, socket) ||
		zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, peer->public_key, 32) ||
		zmq_setsockopt(socket, ZMQ_ROUTING_ID, name, (size_t)bytes) ||
		transport_set_int(socket, ZMQ_SNDHWM, SEND_MESSAGES) ||
		transport_set_int(socket, ZMQ_RCVHWM, 1) || /* nobody answers here */
		transport_set_int(socket, ZMQ_IMMEDIATE, 0) ||
		transport_set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MIN_MS) ||
		transport_set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS) ||
		transport_set_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS) ||
		transport_set_int(socket, ZMQ_TCP_MAXRT, UNACKNOWLEDGED_MS) ||
		transport_set_int(socket, ZMQ_IPV6, peer->address[0] == '['))
		return -1;
	return 0;
}

static int dial(struct transport_peer *peer)
{
	char endpoint[TRANSPORT_ADDRESS_BYTES + 8];

	peer->redial_at_ms = 0;
	snprintf(endpoint, sizeof endpoint, "tcp://%s", peer->address);
	return zmq_connect(peer->dealer, endpoint);
}

static void rest(struct transport_peer *peer)
{
	struct transport *t = peer->transport;
	unsigned doublings =
		peer->refusals < REST_DOUBLINGS_MAX ? peer->refusals : REST_DOUBLINGS_MAX;
	char endpoint[TRANSPORT_ADDRESS_BYTES + 8];

	snprintf(endpoint, sizeof endpoint, "tcp://%s", peer->address);
	(void)zmq_disconnect(peer->dealer, endpoint); /* fails if libzmq has taken it down itself */
	peer->redial_at_ms = uv_now(t->config.loop) + ((uint64_t)REST_MIN_MS << doublings);
	peer->refusals++;
	t->stats.dials_refused++;
	if (!uv_is_active((uv_handle_t *)&t->redial))
		uv_timer_start(&t->redial, transport_on_redial, TICK_MS, TICK_MS);
}

void transport_dial_anew(struct transport *t, uint64_t id)
{
	char endpoint[TRANSPORT_ADDRESS_BYTES + 8];

	for (unsigned i = 0; i < TRANSPORT_PEERS_MAX; i++) {
		struct transport_peer *peer = t->peer[i];

		if (!peer || peer->id != id || peer->redial_at_ms)
			continue;
		snprintf(endpoint, sizeof endpoint, "tcp://%s", peer->address);
		(void)zmq_disconnect(peer->dealer, endpoint);
		(void)dial(peer); /* fails for an address that set_peer() has refused */
	}
}

void transport_on_redial(uv_timer_t *timer)
{
	struct transport *t = timer->data;
	uint64_t now_ms = uv_now(t->config.loop);
	unsigned resting = 0;

	for (unsigned i = 0; i < TRANSPORT_PEERS_MAX; i++) {
		struct transport_peer *peer = t->peer[i];

		if (!peer || !peer->redial_at_ms)
			continue;
		if (now_ms < peer->redial_at_ms || dial(peer))
			resting++;
	}
	if (!resting)
		uv_timer_stop(timer);
}

static void on_monitor(void *ctx, const zmq_msg_t *frame, size_t count, const char *user_id)
{
	struct transport_peer *peer = ctx;
	uint16_t event;

	(void)user_id;
	if (count != 2 || zmq_msg_size(&frame[0]) != 6)
		return;
	memcpy(&event, zmq_uv_data(&frame[0]), sizeof event);
	if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
		peer->refusals = 0;
	else if (!peer->redial_at_ms)
		rest(peer);
}

static int open_monitor(struct transport_peer *peer)
{
	struct transport *t = peer->transport;
	char name[64];
	void *socket;
	int error;

	snprintf(name, sizeof name, "inproc://transport-%p-%" PRIu64, (void *)t, ++t->dials);
	if (zmq_socket_monitor(peer->dealer, name, MONITORED))
		return -1;
	socket = zmq_socket(t->config.zmq_context, ZMQ_PAIR);
	if (!socket)
		return -1;
	error = transport_set_int(socket, ZMQ_LINGER, 0) || zmq_connect(socket, name) ? -errno : 0;
	if (!error)
		error = zmq_uv_open(t->config.loop, socket, on_monitor, peer, &peer->monitor);
	if (error) {
		zmq_close(socket);
		errno = -error;
		return -1;
	}
	return 0;
}

static void name_user(struct transport_peer *peer)
{
	int at = snprintf(peer->user_id, sizeof peer->user_id, "node:%" PRIu64 "/", peer->id);

	/* A part of the key is in it, so that a connection made with an earlier key of the same
	 * node does not pass. */
	for (unsigned i = 0; i < 16; i++)
		at += snprintf(peer->user_id + at, sizeof peer->user_id - (size_t)at, "%02x",
			peer->public_key[i]);
}

struct transport_peer *transport_peer_new(
	struct transport *t, uint64_t id, const char *address, const uint8_t public_key[32])
{
	struct transport_peer *peer = calloc(1, sizeof *peer);
	int error;

	assert(strlen(address) < TRANSPORT_ADDRESS_BYTES);
	if (!peer)
		return NULL;
	peer->transport = t;
	peer->id = id;
	strcpy(peer->address, address);
	memcpy(peer->public_key, public_key, 32);
	name_user(peer);
	peer->dealer = zmq_socket(t->config.zmq_context, ZMQ_DEALER);
	if (peer->dealer && set_dealer_options(peer, peer->dealer) == 0 &&
		open_monitor(peer) == 0 && dial(peer) == 0)
		return peer;
	error = errno;
	transport_peer_free(peer);
	errno = error;
	return NULL;
}

void transport_peer_free(struct transport_peer *peer)
{
	if (peer->dealer)
		(void)zmq_socket_monitor(peer->dealer, NULL, 0);
	if (peer->monitor)
		zmq_uv_close(peer->monitor);
	if (peer->dealer)
		zmq_close(peer->dealer);
	free(peer);
}
