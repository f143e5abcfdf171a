/* store/transport/transport.h: messages between nodes: ROUTER in, one DEALER per peer out, CURVE
 * always.
 *
 * Edge file. Sending never blocks: what does not fit is dropped, Raft repeats. Messages that are
 * not from a member of this cluster (key, cluster id, protocol version, sender id, epoch must
 * agree) are counted and dropped.
 */
#ifndef STORE_TRANSPORT_TRANSPORT_H
#define STORE_TRANSPORT_TRANSPORT_H

#include "proto/msg/peer.pb-c.h"
#include "store/transport/zap.h"
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define TRANSPORT_PEERS_MAX 15
#define TRANSPORT_PROTOCOL  1

struct transport;

struct transport_config {
	uv_loop_t *loop;
	void *zmq_context;
	struct zap *zap; /* domain "peer" becomes ours */
	uint64_t self;   /* member id */
	uint8_t cluster_id[16];
	uint64_t epoch; /* Settings.epoch: messages of another one are dropped */
	uint8_t public_key[32], secret_key[32];
	const char *bind_address; /* "10.20.0.11:7440" */
	void *ctx;
	/* A valid message from member `from`; borrowed for the call. */
	void (*on_message)(void *ctx, uint64_t from, const Pxe__Envelope *envelope);
	/* A member's message of another epoch (its key and cluster id are right) was dropped: once
	 * for each sender and epoch. May be NULL. */
	void (*on_other_epoch)(void *ctx, uint64_t from, uint64_t epoch);
};

struct transport_stats {
	uint64_t sent, received, dropped_full, dropped_invalid, bytes_out, bytes_in;
	uint64_t dials_refused; /* a peer did not know our key (it is dialed again after a rest) */
};

/* 0, or negative errno and a line for a person in ret_error (port in use: which). */
int transport_open(const struct transport_config *config, struct transport **ret, char *ret_error,
	size_t error_bytes);
/* Where it listens ("127.0.0.1:40123" after a bind to "127.0.0.1:*"): 0 or -EMSGSIZE. */
int transport_get_address(const struct transport *t, char *ret_address, size_t address_bytes);
/* Know (or update) a peer: connect to it, admit its key. Idempotent and cheap when nothing changed.
 * 0, -EINVAL, -ENOSPC. */
int transport_set_peer(
	struct transport *t, uint64_t id, const char *address, const uint8_t public_key[32]);
/* Hang up and refuse its key; what a connection of it still brings is dropped. */
void transport_remove_peer(struct transport *t, uint64_t id);
/* Dial a peer anew, unless it rests from a refusal: a connection outlives the peer's knowledge of
 * our key, and only a new one meets its refusal. */
void transport_dial_anew(struct transport *t, uint64_t id);
/* Fills cluster_id, protocol, from and epoch, packs, sends. 0, -ENOENT (unknown peer), -EAGAIN
 * (dropped). At most 16 MiB packed (asserted). */
int transport_send(struct transport *t, uint64_t to, Pxe__Envelope *envelope);
void transport_get_stats(const struct transport *t, struct transport_stats *ret_stats);
/* May be called from on_message; no callback comes after it. Its sockets are closed when the loop
 * has run once more. */
void transport_close(struct transport *t);

#endif
