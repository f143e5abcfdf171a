/* ctl/link.h: one connection to one door of a node: a ZeroMQ DEALER and its monitor, so that the
 * cause of a failure is known within milliseconds instead of at a time-out. Single-threaded; blocks
 * only in link_wait().
 *
 *   LINK_TRYING --handshake done--> LINK_UP --connection lost--> LINK_TRYING (ZeroMQ dials again)
 *        '--- refused key, other server key, no CURVE, nobody listens ---> a cause; final ones:
 * LINK_DEAD
 */
#ifndef CTL_LINK_H
#define CTL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum link_state { LINK_TRYING, LINK_UP, LINK_DEAD };

enum link_cause {
	LINK_NO_CAUSE,
	LINK_NOBODY,      /* connection refused, no such socket, host unreachable */
	LINK_KEY_REFUSED, /* ZAP said no to our key */
	LINK_OTHER_KEY,   /* the server does not hold the key that we expect */
	LINK_PROTOCOL,    /* not CURVE, or not ZeroMQ */
};

/* CURVE keys; NULL for the unix socket. */
struct link_keys {
	uint8_t public_key[32], secret_key[32], server_key[32];
};

struct link {
	char endpoint[160]; /* "ipc:///run/..." or "tcp://10.20.0.11:7441" */
	char name[64];      /* the node's name, "" unknown */
	void *socket, *monitor;
	enum link_state state;
	enum link_cause cause;
};

/* Begins to connect. 0 or negative errno. */
int link_open(struct link *link, void *zmq_context, const char *endpoint, const char *name,
	const struct link_keys *keys);
void link_close(struct link *link);
/* 0, or -EAGAIN. */
int link_send(struct link *link, const void *data, size_t bytes);
/* Wait until a link's state changed or a message is there, at most timeout_ms; monitors are read on
 * the way. */
void link_wait(struct link *links, size_t count, int timeout_ms);
/* Next message of the link, if any: heap, freed by the caller; NULL: none. */
uint8_t *link_receive(struct link *link, size_t *ret_bytes);
/* For a person: "connection refused", "refuses this key", ... */
const char *link_cause_text(enum link_cause cause);

#endif
