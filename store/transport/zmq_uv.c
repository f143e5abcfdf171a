/* store/transport/zmq_uv.c
 *
 * A ZeroMQ socket tells about messages through a descriptor that is readable only on an edge, and
 * any call on the socket (also a send) may eat that edge. So nothing here trusts the descriptor
 * alone:
 *
 *   poll:    the descriptor is readable -> take up to BATCH messages, or BATCH_BYTES: what takes
 *            long to read is not to keep the loop from the rest
 *   prepare: before the loop sleeps, ask ZMQ_EVENTS; messages wait -> start idle (the loop then
 * does not sleep) idle:    take up to BATCH messages; stop when none is left
 *
 * prepare never runs a callback of the user: it could send on a socket whose prepare has already
 * been.
 */
#include "store/transport/zmq_uv.h"
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define BATCH       64
#define BATCH_BYTES (1u << 20)
#define FRAMES_MAX  8

struct zmq_uv {
	uv_poll_t poll;
	uv_prepare_t prepare;
	uv_idle_t idle;
	void *socket;
	zmq_uv_message_cb *on_message;
	void *ctx;
	unsigned open_handles;
	bool closing;
};

static bool is_readable(void *socket)
{
	int events = 0;
	size_t bytes = sizeof events;

	return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &bytes) == 0 && (events & ZMQ_POLLIN);
}

static bool has_more(zmq_msg_t *frame)
{
	return zmq_msg_more(frame) != 0;
}

/* Take the frames of one message into frame[]; all of them are taken off the socket, at most
 * FRAMES_MAX are kept. 0: none waits. */
static size_t receive(void *socket, zmq_msg_t frame[FRAMES_MAX], bool *ret_too_long)
{
	size_t count = 0;
	bool more = true;

	*ret_too_long = false;
	while (more) {
		zmq_msg_t *at = &frame[count];

		if (count == FRAMES_MAX) {
			*ret_too_long = true;
			at = &frame[--count];
			zmq_msg_close(at);
		}
		zmq_msg_init(at);
		if (zmq_msg_recv(at, socket, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(at);
			break; /* only before the first frame: a message arrives whole */
		}
		more = has_more(at);
		count++;
	}
	return count;
}

static void deliver(struct zmq_uv *z, zmq_msg_t *frame, size_t count)
{
	const char *user_id = zmq_msg_gets(&frame[count - 1], "User-Id");

	z->on_message(z->ctx, frame, count, user_id ? user_id : "");
}

static void take_batch(struct zmq_uv *z)
{
	zmq_msg_t frame[FRAMES_MAX];
	size_t bytes = 0;

	for (unsigned i = 0; i < BATCH && bytes < BATCH_BYTES && !z->closing; i++) {
		bool too_long;
		size_t count = receive(z->socket, frame, &too_long);

		if (count == 0) {
			uv_idle_stop(&z->idle);
			return;
		}
		if (!too_long)
			deliver(z, frame, count);
		while (count) {
			bytes += zmq_msg_size(&frame[--count]);
			zmq_msg_close(&frame[count]);
		}
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	take_batch(poll->data);
}

static void on_idle(uv_idle_t *idle)
{
	take_batch(idle->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct zmq_uv *z = prepare->data;

	if (!uv_is_active((uv_handle_t *)&z->idle) && is_readable(z->socket))
		uv_idle_start(&z->idle, on_idle);
}

int zmq_uv_open(uv_loop_t *loop, void *socket, zmq_uv_message_cb *on_message, void *ctx,
	struct zmq_uv **ret)
{
	struct zmq_uv *z;
	int error, fd = -1;
	size_t bytes = sizeof fd;

	assert(loop && socket && on_message);
	if (zmq_getsockopt(socket, ZMQ_FD, &fd, &bytes))
		return -errno;
	z = calloc(1, sizeof *z);
	if (!z)
		return -ENOMEM;
	error = uv_poll_init(loop, &z->poll, fd);
	if (error) {
		free(z);
		return error;
	}
	uv_prepare_init(loop, &z->prepare);
	uv_idle_init(loop, &z->idle);
	z->poll.data = z->prepare.data = z->idle.data = z;
	z->open_handles = 3;
	z->socket = socket;
	z->on_message = on_message;
	z->ctx = ctx;
	uv_prepare_start(&z->prepare, on_prepare);
	error = uv_poll_start(&z->poll, UV_READABLE, on_readable);
	assert(!error); /* fails only on a closing handle or without events */
	*ret = z;
	return 0;
}

void *zmq_uv_socket(struct zmq_uv *z)
{
	return z->socket;
}

static int send_frames(
	void *socket, const void *id, size_t id_bytes, const void *body, size_t body_bytes)
{
	if (id_bytes && zmq_send(socket, id, id_bytes, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
		return -errno;
	return zmq_send(socket, body, body_bytes, ZMQ_DONTWAIT) < 0 ? -errno : 0;
}

int zmq_uv_send(
	struct zmq_uv *z, const void *id, size_t id_bytes, const void *body, size_t body_bytes)
{
	int error = send_frames(z->socket, id, id_bytes, body, body_bytes);

	assert(!z->closing);
	if (error != -EAGAIN)
		return error;
	/* A send looks at its mailbox only now and then: there may be room that it has not heard
	 * of. */
	(void)is_readable(z->socket);
	return send_frames(z->socket, id, id_bytes, body, body_bytes);
}

static void on_closed(uv_handle_t *handle)
{
	struct zmq_uv *z = handle->data;

	if (--z->open_handles)
		return;
	zmq_close(z->socket);
	free(z);
}

void zmq_uv_close(struct zmq_uv *z)
{
	assert(!z->closing);
	z->closing = true;
	uv_poll_stop(&z->poll);
	uv_close((uv_handle_t *)&z->poll, on_closed);
	uv_close((uv_handle_t *)&z->prepare, on_closed);
	uv_close((uv_handle_t *)&z->idle, on_closed);
}
