/* node/dhcp4/dhcp4_answer.h: which node answers a client, when all nodes hear it.
 *
 * Pure. Rendezvous hash: each live full member has a score for the client, the highest answers. So
 * every node comes to the same choice without talking, and when a member goes only its own clients
 * move. A client that asks again is answered by everyone: two answers are harmless, for they are
 * the same answer.
 */
#ifndef NODE_DHCP4_DHCP4_ANSWER_H
#define NODE_DHCP4_DHCP4_ANSWER_H

#include "node/dhcp4/dhcp4_request.h"
#include "node/dhcp4/dhcp4_view.h"

#define DHCP4_REPEAT_MS 10000 /* a packet like an earlier one is a repeat within this time */
#define DHCP4_REPEAT_SLOTS                                                                         \
	8192 /* a power of two; clients that collide forget each other, no more */

uint64_t dhcp4_answer_score(const uint8_t *client, size_t client_bytes, uint64_t member);

/* How many live members come before us for this client; 0: we answer. Also 0 if we are not among
 * the live ones: whoever asks has no reason to wait then. */
unsigned dhcp4_answer_rank(
	const struct dhcp4_view *view, const uint8_t *client, size_t client_bytes);

/* What each client sent last, by type of message. Zero-initialise it. */
struct dhcp4_repeats {
	struct dhcp4_repeat {
		uint64_t hash; /* of client and type; 0: empty */
		uint64_t first_ms;
		uint32_t xid;
		uint16_t secs;
	} slot[DHCP4_REPEAT_SLOTS];
};

/* Note the request. true: the client asks again (same xid, or `secs` grown, within DHCP4_REPEAT_MS
 * of the first). */
bool dhcp4_answer_is_repeat(
	struct dhcp4_repeats *repeats, const struct dhcp4_request *request, uint64_t boot_ms);

#endif
