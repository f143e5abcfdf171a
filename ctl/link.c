#include "ctl/link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define LINK_EVENTS                                                                                \
	(ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED |                      \
		ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |                           \
		ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |       \
		ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
#define LINK_LINKS_MAX 64

static void set_int(void *socket, int option, int value)
{
	int result = zmq_setsockopt(socket, option, &value, sizeof value);

	assert(result == 0);
	(void)result;
}

static int open_monitor(struct link *link, void *zmq_context)
{
	char endpoint[64];

	snprintf(endpoint, sizeof endpoint, "inproc://monitor-%p", link->socket);
	if (zmq_socket_monitor(link->socket, endpoint, LINK_EVENTS) != 0) {
		return -errno;
	}
	link->monitor = zmq_socket(zmq_context, ZMQ_PAIR);
	if (link->monitor == NULL || zmq_connect(link->monitor, endpoint) != 0) {
		return -errno;
	}
	return 0;
}

int link_open(struct link *link, void *zmq_context, const char *endpoint, const char *name,
	const struct link_keys *keys)
{
	int result;

	assert(link != NULL && endpoint != NULL && name != NULL);
	memset(link, 0, sizeof *link);
	snprintf(link->endpoint, sizeof link->endpoint, "%s", endpoint);
	snprintf(link->name, sizeof link->name, "%s", name);
	link->socket = zmq_socket(zmq_context, ZMQ_DEALER);
	if (link->socket == NULL) {
		return -errno;
	}
	set_int(link->socket, ZMQ_LINGER, 0);
	set_int(link->socket, ZMQ_RCVHWM, 10000);
	set_int(link->socket, ZMQ_RECONNECT_IVL, 200);
	if (keys != NULL &&
		(zmq_setsockopt(link->socket, ZMQ_CURVE_SERVERKEY, keys->server_key, 32) != 0 ||
			zmq_setsockopt(link->socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, 32) !=
				0 ||
			zmq_setsockopt(link->socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, 32) !=
				0)) {
		result = -errno;
	} else {
		result = open_monitor(link, zmq_context);
	}
	if (result == 0 && zmq_connect(link->socket, endpoint) != 0) {
		result = -errno;
	}
	if (result != 0) {
		link_close(link);
	}
	return result;
}

void link_close(struct link *link)
{
	if (link->socket != NULL) {
		zmq_socket_monitor(link->socket, NULL, 0);
		zmq_close(link->socket);
	}
	if (link->monitor != NULL) {
		zmq_close(link->monitor);
	}
	link->socket = link->monitor = NULL;
	link->state = LINK_DEAD;
}

int link_send(struct link *link, const void *data, size_t bytes)
{
	return zmq_send(link->socket, data, bytes, ZMQ_DONTWAIT) < 0 ? -errno : 0;
}

/* Causes that ZeroMQ does not recover from by itself end the link. */
static void on_event(struct link *link, uint16_t event)
{
	switch (event) {
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		link->state = LINK_UP;
		link->cause = LINK_NO_CAUSE;
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
		link->state = LINK_DEAD;
		link->cause = LINK_KEY_REFUSED;
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
		link->state = LINK_DEAD;
		link->cause = LINK_PROTOCOL;
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		link->state = LINK_DEAD;
		link->cause = LINK_OTHER_KEY;
		break;
	case ZMQ_EVENT_DISCONNECTED:
		if (link->state == LINK_UP) {
			link->state = LINK_TRYING;
			link->cause = LINK_NOBODY;
		}
		break;
	case ZMQ_EVENT_CLOSED:
	case ZMQ_EVENT_CONNECT_RETRIED:
		if (link->state == LINK_TRYING && link->cause == LINK_NO_CAUSE) {
			link->cause = LINK_NOBODY;
		}
		break;
	default: break;
	}
}

/* An event is two frames: number (16 bits) and value (32 bits), then the endpoint. */
static bool read_event(struct link *link)
{
	uint8_t frame[256];
	uint16_t event;
	int size = zmq_recv(link->monitor, frame, sizeof frame, ZMQ_DONTWAIT);

	if (size < 6) {
		return false;
	}
	memcpy(&event, frame, sizeof event);
	if (zmq_recv(link->monitor, frame, sizeof frame, ZMQ_DONTWAIT) < 0) {
		return false;
	}
	if (link->state != LINK_DEAD) {
		on_event(link, event);
	}
	return true;
}

void link_wait(struct link *links, size_t count, int timeout_ms)
{
	zmq_pollitem_t items[2 * LINK_LINKS_MAX];
	int used = 0;

	assert(count <= LINK_LINKS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (links[i].socket != NULL) {
			items[used++] =
				(zmq_pollitem_t){.socket = links[i].socket, .events = ZMQ_POLLIN};
			items[used++] =
				(zmq_pollitem_t){.socket = links[i].monitor, .events = ZMQ_POLLIN};
		}
	}
	zmq_poll(items, used, timeout_ms);
	for (size_t i = 0; i < count; i++) {
		while (links[i].socket != NULL && read_event(&links[i])) {
		}
	}
}

uint8_t *link_receive(struct link *link, size_t *ret_bytes)
{
	zmq_msg_t message;
	uint8_t *data = NULL;

	if (link->socket == NULL) {
		return NULL;
	}
	zmq_msg_init(&message);
	if (zmq_msg_recv(&message, link->socket, ZMQ_DONTWAIT) >= 0) {
		*ret_bytes = zmq_msg_size(&message);
		data = malloc(*ret_bytes + 1);
		if (data != NULL) {
			memcpy(data, zmq_msg_data(&message), *ret_bytes);
		}
	}
	zmq_msg_close(&message);
	return data;
}

const char *link_cause_text(enum link_cause cause)
{
	switch (cause) {
	case LINK_NO_CAUSE: return "does not answer";
	case LINK_NOBODY: return "connection refused: pxed is not running there";
	case LINK_KEY_REFUSED:
		return "refuses this key: it is not (or no longer) a member's or an operator's";
	case LINK_OTHER_KEY: return "is not a node of this cluster: its API key is another one";
	case LINK_PROTOCOL:
		return "does not speak this protocol: another version, or another service";
	}
	return "does not answer";
}
