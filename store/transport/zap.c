/* store/transport/zap.c: RFC 27/ZAP on the loop: libzmq asks over inproc, a REP socket answers at
 * once. */
#include "store/transport/zap.h"
#include "store/transport/zmq_uv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ENDPOINT    "inproc://zeromq.zap.01"
#define DOMAINS_MAX 8
#define NAME_BYTES  32

/* Frames of a request. */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, ROUTING_ID, MECHANISM, CURVE_KEY, CURVE_FRAMES };

struct zap_domain {
	char name[NAME_BYTES];
	zap_allow_cb *allow;
	void *ctx;
};

struct zap {
	struct zmq_uv *socket;
	struct zap_domain domain[DOMAINS_MAX];
	uint64_t refused;
};

static bool frame_is(const zmq_msg_t *frame, const char *text)
{
	return zmq_msg_size(frame) == strlen(text) &&
	       memcmp(zmq_uv_data(frame), text, strlen(text)) == 0;
}

static const struct zap_domain *find_domain(const struct zap *zap, const zmq_msg_t *name)
{
	for (unsigned i = 0; i < DOMAINS_MAX; i++)
		if (*zap->domain[i].name && frame_is(name, zap->domain[i].name))
			return &zap->domain[i];
	return NULL;
}

static bool decide(
	const struct zap *zap, const zmq_msg_t *frame, size_t count, char ret_user_id[64])
{
	const struct zap_domain *domain;

	if (count != CURVE_FRAMES || !frame_is(&frame[MECHANISM], "CURVE") ||
		zmq_msg_size(&frame[CURVE_KEY]) != 32)
		return false; /* without CURVE nobody comes in */
	domain = find_domain(zap, &frame[DOMAIN]);
	return domain && domain->allow &&
	       domain->allow(domain->ctx, zmq_uv_data(&frame[CURVE_KEY]), ret_user_id);
}

static void on_request(void *ctx, const zmq_msg_t *frame, size_t count, const char *user_id)
{
	struct zap *zap = ctx;
	void *socket = zmq_uv_socket(zap->socket);
	char user[64] = "";
	bool ok = decide(zap, frame, count, user);
	const char *code = ok ? "200" : "400";
	const char *text = ok ? "OK" : "this key is not known here";

	(void)user_id;
	zap->refused += !ok;
	user[sizeof user - 1] = '\0';
	/* inproc to a libzmq that waits for it: there is always room. A request id that is missing
	 * is answered as empty. */
	zmq_send(socket, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	if (count > REQUEST_ID)
		zmq_send(socket, zmq_uv_data(&frame[REQUEST_ID]), zmq_msg_size(&frame[REQUEST_ID]),
			ZMQ_SNDMORE | ZMQ_DONTWAIT);
	else
		zmq_send(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(socket, code, 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(socket, text, strlen(text), ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(socket, user, ok ? strlen(user) : 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(socket, "", 0, ZMQ_DONTWAIT);
}

int zap_open(uv_loop_t *loop, void *zmq_context, struct zap **ret_zap)
{
	struct zap *zap = calloc(1, sizeof *zap);
	int error, linger = 0;
	void *socket;

	if (!zap)
		return -ENOMEM;
	socket = zmq_socket(zmq_context, ZMQ_REP);
	if (!socket) {
		error = -errno;
		free(zap);
		return error;
	}
	error = zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) ||
				zmq_bind(socket, ENDPOINT)
			? -errno
			: 0;
	if (!error)
		error = zmq_uv_open(loop, socket, on_request, zap, &zap->socket);
	if (error) {
		zmq_close(socket);
		free(zap);
		return error;
	}
	*ret_zap = zap;
	return 0;
}

int zap_set_domain(struct zap *zap, const char *domain, zap_allow_cb *allow, void *ctx)
{
	struct zap_domain *at = NULL;

	if (!*domain || strlen(domain) >= NAME_BYTES)
		return -EINVAL;
	for (unsigned i = 0; i < DOMAINS_MAX; i++) {
		struct zap_domain *one = &zap->domain[i];

		if (strcmp(one->name, domain) == 0 || (!at && !*one->name))
			at = one;
	}
	if (!at)
		return -ENOSPC;
	strcpy(at->name, domain);
	at->allow = allow;
	at->ctx = ctx;
	return 0;
}

uint64_t zap_refused(const struct zap *zap)
{
	return zap->refused;
}

void zap_close(struct zap *zap)
{
	zmq_uv_close(zap->socket);
	free(zap);
}
