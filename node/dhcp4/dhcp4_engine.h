/* node/dhcp4/dhcp4_engine.h: the DHCPv4 server without its sockets: packets and outcomes in,
 * effects out.
 *
 * Pure: a function of its tables, the view and the input; no clock, no I/O, no heap after
 * dhcp4_engine_new().
 *
 *   packet -> decode -> is it for us? -> whose turn? -> another's: deferred
 *                                             |            | tick: that node is gone
 *                                             v            v
 *     known and fresh:          OFFER, ACK, NAK at once [R9]
 *     else:                     PROPOSE, and wait (pending) -> outcome of the log -> OFFER, ACK,
 *                               NAK or silence
 *     a first OFFER of the log: PROBE, and wait (probing) -> nobody answers -> OFFER; somebody does
 *                               -> PROPOSE the address's quarantine -> the DISCOVER begins anew
 *     without the quorum, or    the node's reserve: OFFER, or JOURNAL, and wait (pending) ->
 *     if the pool is full:      durable here -> ACK [R1] to [R3]
 *
 * An ACK leaves only for what the log holds [P2], or this node's own journal [R2]; a NAK only on
 * what the quorum knows [P4]. While it is not clear whether there is a quorum requests are held
 * (waiting), so that no client need repeat itself for an election [P3].
 *
 * Each call fills an effects record. The caller carries it out before the next call: it borrows
 * from the engine and from the input. Nothing here is thread safe.
 */
#ifndef NODE_DHCP4_DHCP4_ENGINE_H
#define NODE_DHCP4_DHCP4_ENGINE_H

#include "node/dhcp4/dhcp4_count.h"
#include "node/dhcp4/dhcp4_reply.h"
#include "node/dhcp4/dhcp4_view.h"
#include "node/events/events.h"

#define DHCP4_PENDING_MAX 2048 /* clients whose proposal is under way */
#define DHCP4_STRANGERS_MAX                                                                        \
	384 /* of those, clients that the cluster does not know; fewer than one node may have      \
	     * under way in the log, so that a flood of made-up clients leaves room for the rest   \
	     */
#define DHCP4_DEFERRED_MAX 4096 /* clients left to another node; the oldest gives way */
#define DHCP4_TURN_MS      300  /* how long each node before us has to answer or to be known dead */
#define DHCP4_LONG_WAIT_S  3    /* `secs`: the client is answered by everybody */
#define DHCP4_WATCH_MS     1500 /* how long we watch whether a node whose turn it is dies */
#define DHCP4_GIVE_UP_MS   30000 /* a proposal whose outcome never came frees its place */
#define DHCP4_FULL_MS                                                                              \
	100 /* so long after the log found no free address in a subnet, clients that the cluster   \
	     * does not know are refused there without asking it again */
#define DHCP4_REFUSED_MS    30000 /* a client's refusals are told once in this time */
#define DHCP4_REFUSED_SLOTS 1024
#define DHCP4_REFUSED_BURST 20 /* refusals told in that time, of all clients together */
#define DHCP4_OFFER_LEFT_MS                                                                        \
	10000 /* an OFFER is repeated without the log if it holds for so much longer */
#define DHCP4_WAITING_MAX   2048 /* clients held for the quorum; the oldest gives way */
#define DHCP4_WAIT_MS       2000 /* how long they are held at most; clients then ask again themselves */
#define DHCP4_RETRY_MS      40 /* what the log did not take is tried again after this */
#define DHCP4_EVENTS_MAX    4
#define DHCP4_DELAYED_MAX   1024 /* clients whose DISCOVER is answered later */
#define DHCP4_UNKNOWN_PER_S 500  /* Settings.unknown_per_s, if it is not set */
#define DHCP4_PROBING_MAX                                                                          \
	2048                    /* clients whose OFFER waits for a probe; more are offered without \
				 */
#define DHCP4_PROBE_MS     1000 /* without a verdict for so long an address counts as free */
#define DHCP4_PROBED_MS    10000 /* so long after a probe the address is not asked for again */
#define DHCP4_PROBED_SLOTS 1024
#define DHCP4_PROBE_ROUNDS                                                                         \
	4 /* addresses found in use for one DISCOVER; then the client has to ask again: whoever    \
	   * answers every probe is not to take the whole pool out of use at once */
/* An ACK that took longer than this tells the time that is left by then: a client may count from
 * when it comes. */
#define DHCP4_WRITE_MS 500

struct dhcp4_engine;

/* A command for the log. `ticket` 0: nobody waits for its outcome. All pointers borrow. */
struct dhcp4_proposal {
	uint64_t ticket;
	Pxe__Command command;
	Pxe__ClientInfo who;
	Pxe__Offer offer;
	Pxe__Bind bind;
	Pxe__Release release;
	Pxe__Decline decline;
	uint8_t ip[4];
	uint8_t client[MODEL_CLIENT_MAX];
};

/* An entry for the node's journal, written before anything else is: reserve_on_written() is to be
 * told its number at once. `ticket` 0: nobody waits for it to be durable. */
struct dhcp4_journal {
	uint64_t ticket;
	struct reserve_write write;
};

/* Not to be copied. */
struct dhcp4_effects {
	bool has_reply, has_proposal, has_journal, has_probe;
	size_t event_count;
	struct event event[DHCP4_EVENTS_MAX];
	struct dhcp4_proposal proposal;
	struct dhcp4_journal journal;
	uint32_t probe_ip; /* on our own link: does anybody answer for it? See
			      dhcp4_engine_on_probe() */
	uint64_t probe_ticket;
	struct dhcp4_reply reply;
};

/* What became of a proposal. */
enum dhcp4_outcome {
	DHCP4_OUTCOME_APPLIED,
	DHCP4_OUTCOME_NO_QUORUM,
	DHCP4_OUTCOME_BUSY,
	DHCP4_OUTCOME_UNKNOWN,
};

/* NULL: no memory. */
struct dhcp4_engine *dhcp4_engine_new(void);
void dhcp4_engine_free(struct dhcp4_engine *engine);

/* One datagram. Total: every input is answered, proposed, deferred, or dropped and counted. */
void dhcp4_engine_on_packet(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	const struct dhcp4_input *input, struct dhcp4_effects *ret_effects);

/* The outcome of a proposal with a ticket. `result` is set for DHCP4_OUTCOME_APPLIED only; `view`
 * is then of after the command. For the other outcomes `view` may be NULL; if it is not, and the
 * log is out of reach, the request is held for the quorum or answered from the reserve. */
void dhcp4_engine_on_outcome(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	uint64_t ticket, enum dhcp4_outcome outcome, const struct model_result *result,
	struct dhcp4_effects *ret_effects);

/* The entry of an effect with a ticket is durable. */
void dhcp4_engine_on_durable(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	uint64_t ticket, struct dhcp4_effects *ret_effects);

/* The verdict on a probe. One that comes after DHCP4_PROBE_MS is counted and has no effect. Where
 * nothing can be asked (no packet socket) call it with in_use false at once. */
void dhcp4_engine_on_probe(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	uint64_t ticket, bool in_use, struct dhcp4_effects *ret_effects);

/* Time passes: look after requests that are deferred or wait for the quorum. true: there are
 * effects, and perhaps more to do: call again with the same view. Call it every 50 ms or so. */
bool dhcp4_engine_tick(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	struct dhcp4_effects *ret_effects);

/* The stamp of the oldest state on which an answer was given that the log may not know of yet;
 * UINT64_MAX: none. Nothing newer may be settled (dhcp4_acked.h). */
uint64_t dhcp4_engine_oldest_state_ms(const struct dhcp4_engine *engine);

uint64_t dhcp4_engine_counter(const struct dhcp4_engine *engine, enum dhcp4_count count);
void dhcp4_engine_count(struct dhcp4_engine *engine, enum dhcp4_count count);
size_t dhcp4_engine_pending(const struct dhcp4_engine *engine);
size_t dhcp4_engine_deferred(const struct dhcp4_engine *engine);
size_t dhcp4_engine_waiting(const struct dhcp4_engine *engine);
size_t dhcp4_engine_probing(const struct dhcp4_engine *engine);

#endif
