/* node/dhcp4/dhcp4_step.h: what the engine's files share: its tables, and the request that is being
 * handled.
 *
 * Private to dhcp4_engine.c (whose turn it is, what waits), dhcp4_wait.c (for the quorum),
 * dhcp4_lease.c (what each state of a client gets) and dhcp4_reserve.c (from the node's own
 * reserve). Pure.
 */
#ifndef NODE_DHCP4_DHCP4_STEP_H
#define NODE_DHCP4_DHCP4_STEP_H

#include "node/dhcp4/dhcp4_acked.h"
#include "node/dhcp4/dhcp4_answer.h"
#include "node/dhcp4/dhcp4_engine.h"
#include "node/dhcp4/dhcp4_hold.h"
#include "node/dhcp4/dhcp4_terms.h"

struct dhcp4_told {
	uint64_t hash; /* of client and kind of refusal; 0: empty */
	uint64_t at_ms;
};

/* The subnet that was found full last. */
struct dhcp4_full {
	char subnet[MODEL_NAME_MAX + 1];
	uint64_t until_ms; /* CLOCK_BOOTTIME; 0: none */
};

/* An address that nobody answered for. */
struct dhcp4_probed {
	uint32_t ip; /* 0: empty */
	uint64_t at_ms;
};

/* First offers that machines nobody declared may have: a token bucket. */
struct dhcp4_strangers {
	uint64_t at_ms; /* CLOCK_BOOTTIME up to which it was filled; 0: never */
	uint64_t left;  /* in thousandths of an offer */
	uint64_t told_ms;
	uint64_t refused; /* since it was told */
};

struct dhcp4_engine {
	struct dhcp4_hold pending;
	struct dhcp4_hold deferred;
	struct dhcp4_hold waiting; /* for the quorum */
	struct dhcp4_hold probing; /* for the verdict on an address */
	struct dhcp4_hold delayed; /* until they are to be answered (FIELD 26) */
	struct dhcp4_probed probed[DHCP4_PROBED_SLOTS];
	uint64_t sweep_ticket; /* tick: the deferred request to look at next; 0: from the oldest */
	struct dhcp4_repeats repeats;
	struct dhcp4_acked acked;
	struct dhcp4_told told[DHCP4_REFUSED_SLOTS];
	uint64_t told_period; /* of DHCP4_REFUSED_MS, and how many were told in it */
	unsigned told_count;
	struct dhcp4_full full;
	uint64_t counter[DHCP4_COUNT_COUNT];
	struct dhcp4_request request; /* work areas of one call */
	struct dhcp4_input input;
	struct boot_decision boot;
	struct model_levels levels;
	struct dhcp4_strangers strangers;
};

/* One request on its way to an answer. */
struct dhcp4_step {
	struct dhcp4_engine *engine;
	const struct dhcp4_view *view;
	const struct dhcp4_input *input;
	const struct dhcp4_request *request;
	const Pxe__Subnet *subnet; /* of the link, as the relay or interface says; NULL: none */
	const Pxe__Host *host;     /* NULL: unknown machine */
	uint32_t server_id;
	Pxe__DhcpMode mode;       /* of the subnet */
	bool is_repeat;           /* the client asks again */
	uint64_t arrival_ms;      /* cluster time at which the request came */
	uint64_t give_up_ms;      /* as in struct dhcp4_held */
	bool was_proposed;        /* and its event was told then */
	bool merged;              /* as in struct dhcp4_held */
	uint32_t rounds;          /* as in struct dhcp4_held */
	bool delayed;             /* it has waited for as long as it is to */
	bool selected;            /* the client chose the subnet (RFC 3011) */
	struct dhcp4_terms terms; /* of the machine, whatever its address */
	struct dhcp4_effects *effects;
};

/* Begin a step with a packet that was kept. It was read before, and reads the same again; what the
 * cluster thinks of it may have changed since. false: nothing is to be done any more. `held` may be
 * removed afterwards. */
bool dhcp4_step_resume(struct dhcp4_step *step, const struct dhcp4_held *held);

/* The client as the log is to know it. Borrows from the request. */
void dhcp4_step_who(const struct dhcp4_step *step, Pxe__ClientInfo *ret_who);
/* The subnet of an address on the client's link; NULL: it is on no subnet of that link. */
const Pxe__Subnet *dhcp4_step_subnet_of(const struct dhcp4_step *step, uint32_t ip);
/* The client's lease on its link, in any stored state. */
bool dhcp4_step_lease(const struct dhcp4_step *step, struct lease *ret_lease);
/* Nobody made this client up: an operator declared the machine, or the cluster has given it an
 * address. */
bool dhcp4_step_is_known(const struct dhcp4_step *step);

/* Answer at once, or propose. */
void dhcp4_lease_answer(struct dhcp4_step *step);
/* An OFFER, ACK or BOOTP answer of `ip` with this lease time; ip 0: to INFORM. */
void dhcp4_lease_reply(
	struct dhcp4_step *step, enum dhcp4_type type, uint32_t ip, uint32_t lease_s);

/* The OFFER of what the log, or our state, holds for the client, now that nothing stands against
 * it.
 */
void dhcp4_lease_offer(struct dhcp4_step *step, uint32_t ip);

/* Bind the client to `ip` and acknowledge it: from the state [R9], by our reserve, or by the log.
 * create: as in Pxe__Bind. */
void dhcp4_lease_bind(struct dhcp4_step *step, uint32_t ip, bool create);
/* The DISCOVER is to be acknowledged at once (RFC 4039). */
bool dhcp4_lease_is_rapid(const struct dhcp4_step *step);

/* ---- dhcp4_plain.c: clients that get no OFFER */
void dhcp4_plain_inform(struct dhcp4_step *step);
void dhcp4_plain_bootp(struct dhcp4_step *step);

/* ---- dhcp4_pace.c: what is answered later, or not so often */
/* The answer to this DISCOVER is to wait: it will. */
bool dhcp4_pace_delay(struct dhcp4_step *step);
/* One that has waited: see dhcp4_engine_tick(). */
bool dhcp4_pace_tick(
	struct dhcp4_engine *engine, const struct dhcp4_view *view, struct dhcp4_effects *effects);
/* May a machine that is not known have one more first OFFER now? If not it is counted, and told
 * once in a while. */
bool dhcp4_pace_admit(struct dhcp4_step *step);

/* ---- dhcp4_ask.c */
/* Is the address to be asked for before it is offered? true: the OFFER waits. */
bool dhcp4_ask_first(struct dhcp4_step *step, const struct lease *lease);
/* One probe that has no verdict in time: see dhcp4_engine_tick(). */
bool dhcp4_ask_tick(
	struct dhcp4_engine *engine, const struct dhcp4_view *view, struct dhcp4_effects *effects);
/* The log has taken the address out of use, or not: the DISCOVER begins anew. */
void dhcp4_ask_decided(struct dhcp4_step *step);

/* ---- dhcp4_proxy.c */
/* Is it not about an address: in proxy mode, or for the boot server? */
bool dhcp4_proxy_takes(const struct dhcp4_step *step);
void dhcp4_proxy_answer(struct dhcp4_step *step);

/* ---- dhcp4_reserve.c */
/* Was the address leased or offered to the client by us alone? */
bool dhcp4_reserve_knows(const struct dhcp4_step *step, uint32_t ip);
/* With the quorum: does our own reserve serve a client for whom the pool has nothing? One that
 * somebody declared; and any, while leases that are not known may still run. For the rest the nodes
 * give back what they hold, so that a flood of made-up clients does not take the reserves too. */
bool dhcp4_reserve_stands_in(const struct dhcp4_step *step);
/* false: there is nothing for the client; nothing was done. */
bool dhcp4_reserve_offer(struct dhcp4_step *step);
bool dhcp4_reserve_request(struct dhcp4_step *step, uint32_t ip);
bool dhcp4_reserve_decline(struct dhcp4_step *step);
/* What dhcp4_reserve_request() granted is durable. */
void dhcp4_reserve_durable(struct dhcp4_step *step, const struct dhcp4_held *held);

/* ---- dhcp4_wait.c */
/* The log is out of reach: held, or, if that is not to be, counted. */
void dhcp4_wait_for_quorum(struct dhcp4_step *step);
/* The proposal of `held`, already taken out of the pending ones, found no log to take it. */
void dhcp4_wait_again(struct dhcp4_step *step, const struct dhcp4_held *held);
/* One request that waits no more: see dhcp4_engine_tick(). */
bool dhcp4_wait_tick(
	struct dhcp4_engine *engine, const struct dhcp4_view *view, struct dhcp4_effects *effects);

/* The log's verdict on what was proposed for `purpose`. */
void dhcp4_lease_decided(struct dhcp4_step *step, enum dhcp4_purpose purpose, uint32_t wanted_ip,
	const struct model_result *result);

void dhcp4_step_clear_effects(struct dhcp4_effects *effects);
void dhcp4_step_drop(struct dhcp4_step *step, enum dhcp4_count count);
void dhcp4_step_event(struct dhcp4_step *step, Pxe__EventKind kind, uint32_t ip, const char *text);

/* What the machine was answered, and what it boots; and that a system is up, if one asked. */
void dhcp4_step_answered(struct dhcp4_step *step, Pxe__EventKind kind, uint32_t ip,
	const char *text, const char *profile);

/* An EVENT_DHCP_REFUSED, once in a while for each client and verdict. */
void dhcp4_step_refused(struct dhcp4_step *step, unsigned verdict, const char *text);

/* The log found no free address for the client. */
void dhcp4_step_found_full(struct dhcp4_step *step);

/* Propose for a client that waits; merges with what is under way for it. */
void dhcp4_step_propose_offer(struct dhcp4_step *step);
void dhcp4_step_propose_bind(struct dhcp4_step *step, uint32_t ip, bool create);

/* Propose what nobody waits for. */
void dhcp4_step_propose_release(struct dhcp4_step *step);
void dhcp4_step_propose_decline(struct dhcp4_step *step);

/* Propose the quarantine of an address that a stranger answers for; the client waits. */
void dhcp4_step_propose_taken(struct dhcp4_step *step, uint32_t ip);

/* A lease that we acknowledged from the state was given up meanwhile: bind it again. true: there
 * are effects. */
bool dhcp4_propose_again(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	struct dhcp4_effects *ret_effects);

#endif
