/* store/transport/zmq_uv.h: one ZeroMQ socket on the libuv loop.
 *
 * Edge file. The socket's descriptor is edge triggered, so the rule is: before the loop sleeps,
 * ZMQ_EVENTS of every socket was asked. A uv_prepare re-check does that; at most 64 messages are
 * taken in one turn, a uv_idle goes on with the rest.
 */
#ifndef STORE_TRANSPORT_ZMQ_UV_H
#define STORE_TRANSPORT_ZMQ_UV_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <zmq.h>

struct zmq_uv;

/* One multi-part message: frames in order (at most 8; longer ones are dropped). Frames are borrowed
 * for the call; user_id is the ZAP User-Id of the body (last) frame, "" without. */
typedef void zmq_uv_message_cb(
	void *ctx, const zmq_msg_t *frame, size_t frame_count, const char *user_id);

/* Takes over the socket (closed by zmq_uv_close). Loop thread only. 0 or negative errno. */
int zmq_uv_open(uv_loop_t *loop, void *socket, zmq_uv_message_cb *on_message, void *ctx,
	struct zmq_uv **ret);
void *zmq_uv_socket(struct zmq_uv *z);
/* Send without blocking: 0, -EAGAIN (queue full: dropped), -EHOSTUNREACH. Empty id: no identity
 * frame. */
int zmq_uv_send(
	struct zmq_uv *z, const void *id, size_t id_bytes, const void *body, size_t body_bytes);
/* What a frame holds; libzmq's own function wants it writable. */
static inline const void *zmq_uv_data(const zmq_msg_t *frame)
{
	return zmq_msg_data((zmq_msg_t *)(uintptr_t)frame);
}

/* May be called from on_message. The socket itself is closed when the loop has run once more: only
 * then can its context end. */
void zmq_uv_close(struct zmq_uv *z);

#endif
