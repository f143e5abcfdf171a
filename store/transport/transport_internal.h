/* store/transport/transport_internal.h: what the files of the transport share; nobody else includes
 * it. Loop thread only. */
#ifndef STORE_TRANSPORT_TRANSPORT_INTERNAL_H
#define STORE_TRANSPORT_TRANSPORT_INTERNAL_H

#include "store/transport/transport.h"
#include "store/transport/zmq_uv.h"
#include <stdbool.h>

#define TRANSPORT_ADDRESS_BYTES 128

/* One peer: a DEALER that dials it, and the monitor of that DEALER.
 *
 *   DIALING --peer refuses our key--> RESTING --redial_at_ms--> DIALING
 *      `--- libzmq itself repeats everything else (not listening, connection lost) */
struct transport_peer {
	struct transport *transport;
	uint64_t id;
	char address[TRANSPORT_ADDRESS_BYTES];
	uint8_t public_key[32];
	char user_id[64]; /* what the ZAP handler gives to connections of this id and key */
	void *dealer;
	struct zmq_uv *monitor;
	uint64_t redial_at_ms; /* RESTING: uv_now() at which to dial; 0: DIALING */
	unsigned refusals;     /* since the last handshake that succeeded */
	uint64_t other_epoch;  /* the one that on_other_epoch was told last */
	bool is_other_epoch_told;
};

struct transport {
	struct transport_config config;
	struct zmq_uv *router;
	uv_timer_t redial;                                /* runs while a peer is RESTING */
	struct transport_peer *peer[TRANSPORT_PEERS_MAX]; /* NULL: free */
	uint64_t dials;                                   /* numbers the monitors' names */
	struct transport_stats stats;
	bool closing;
};

/* A DEALER that dials address; NULL with errno. */
struct transport_peer *transport_peer_new(
	struct transport *t, uint64_t id, const char *address, const uint8_t public_key[32]);
void transport_peer_free(struct transport_peer *peer);
/* Dial again whoever has rested long enough; stops the timer when nobody rests. */
void transport_on_redial(uv_timer_t *timer);
/* CURVE keys and what all our sockets have in common: 0 or -1 with errno. */
int transport_set_options(const struct transport *t, void *socket);
int transport_set_int(void *socket, int option, int value);

#endif
