/* store/transport/zap.h: who may connect: the ZAP handler (RFC 27/ZAP) of the process, on the loop.
 *
 * One per ZeroMQ context. Each server socket names a domain ("peer", "api", "join"); the owner of
 * the domain decides by the client's CURVE key. Must be opened before any CURVE server socket is
 * bound: libzmq lets everybody in while no handler is there. Such a connection has the User-Id "",
 * so a server that refuses messages with an empty user_id is safe at any moment.
 */
#ifndef STORE_TRANSPORT_ZAP_H
#define STORE_TRANSPORT_ZAP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct zap;

/* True: admit; ret_user_id (64 bytes, NUL-terminated) becomes the connection's User-Id. */
typedef bool zap_allow_cb(void *ctx, const uint8_t key[32], char ret_user_id[64]);

int zap_open(uv_loop_t *loop, void *zmq_context, struct zap **ret_zap);
/* domain is copied; setting it again replaces, NULL callback refuses all. At most 8 domains.
 * 0, -EINVAL (name of 0 or over 31 bytes), -ENOSPC. */
int zap_set_domain(struct zap *zap, const char *domain, zap_allow_cb *allow, void *ctx);
uint64_t zap_refused(const struct zap *zap); /* connections refused so far */
/* After all server sockets are closed. */
void zap_close(struct zap *zap);

#endif
