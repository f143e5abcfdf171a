/* node/reserve/reserve.h: what a node may lease by itself, without the quorum, and its memory of
 * it.
 *
 * Pure: a function of its table, the view and the input; no clock, no I/O; the table is its only
 * heap memory and has a stated limit. The caller writes the journal entries that it is given, and
 * nothing is told to a client before its entry is durable.
 *
 * Three sources, in this order:
 *   BINDING [R3]  a lease that is known as committed is extended up to its `promised`, less what
 *                 our clock may be off; only while the time is known [R8]
 *   FIXED   [R5]  the address that a reservation gives this machine, for at most MCLT
 *   OWN     [R1]  an address of our own blocks, for at most MCLT
 *
 * All three are safe at any time, also while there is a quorum that we do not hear of: nobody frees
 * a binding before its promise [R4], nobody else leases our blocks, and a changed reservation waits
 * until we have applied it and our journal is merged.
 *
 *   entry:  (offer: memory only) -> being written -> LEASE durable --merge applied--> removed
 *                                                       |  ^ renewed
 *                                                       `--> over: the address may be leased again,
 *                                                            or the entry is dropped
 * An entry that an earlier life of this node wrote has an end that nobody can tell: it runs for at
 * most MCLT from the start of this life [R8].
 */
#ifndef NODE_RESERVE_RESERVE_H
#define NODE_RESERVE_RESERVE_H

#include "proto/msg/journal.pb-c.h"
#include "store/model/model.h"

#define RESERVE_ENTRIES_MAX 16384 /* of the journal; no new ones beyond */
#define RESERVE_OFFERS_MAX  4096  /* addresses offered and not yet asked for */
#define RESERVE_OFFER_MS    60000
#define RESERVE_LEASE_MIN_S 10 /* a binding with less left is not offered; a REQUEST gets it */
#define RESERVE_MERGE_MAX   64 /* entries of one Merge */

struct reserve;

enum reserve_source { RESERVE_NONE, RESERVE_BINDING, RESERVE_FIXED, RESERVE_OWN };

/* The world as it stands now. */
struct reserve_view {
	const struct model *model; /* borrowed for the call */
	uint64_t self;
	uint64_t incarnation;
	uint64_t now_ms;        /* cluster time, as we know it */
	bool time_known;        /* [R8] */
	uint64_t time_error_ms; /* by how much now_ms may be off, beyond MODEL_MAX_SKEW_MS */
	uint64_t boot_ms;       /* CLOCK_BOOTTIME */
};

struct reserve_grant {
	enum reserve_source source;
	uint32_t ip;
	uint32_t lease_s; /* at least 1 */
};

/* An entry to be written or, value_bytes 0, removed. */
struct reserve_write {
	uint8_t key[4];
	uint8_t value[640];
	size_t value_bytes;
};

/* NULL: no memory. */
struct reserve *reserve_new(uint64_t boot_ms);
void reserve_free(struct reserve *reserve);
/* An entry of the journal, at start. 0, -EBADMSG, -ENOSPC. */
int reserve_load(struct reserve *reserve, const uint8_t *value, size_t value_bytes);

/* DISCOVER: what the client may be offered, in `subnet` or another one of its shared network.
 * `wanted_ip` 0: none. The address is kept for it, in
 * memory, for RESERVE_OFFER_MS. false: nothing. */
bool reserve_offer(struct reserve *reserve, const struct reserve_view *view,
	const Pxe__ClientInfo *who, const Pxe__Subnet *subnet, uint32_t wanted_ip, uint32_t asked_s,
	struct reserve_grant *ret_grant);
/* REQUEST of `ip`, in `subnet` or its shared network: may the client have it? On true the entry in
 * ret_write must be durable before the ACK leaves; it counts as taken from now on. */
bool reserve_grant(struct reserve *reserve, const struct reserve_view *view,
	const Pxe__ClientInfo *who, const Pxe__Subnet *subnet, uint32_t ip, uint32_t asked_s,
	struct reserve_grant *ret_grant, struct reserve_write *ret_write);
/* DECLINE of an address that the client holds from us. false: it does not. */
bool reserve_decline(struct reserve *reserve, const struct reserve_view *view,
	const Pxe__ClientInfo *who, uint32_t ip, struct reserve_write *ret_write);
/* Is the address offered or leased to this client by us, and the cluster does not know? Then we
 * answer for it, whoever's turn it is. */
bool reserve_knows(const struct reserve *reserve, const struct reserve_view *view,
	const Pxe__ClientInfo *who, uint32_t ip);

/* What is to be told to the cluster, with the quorum and on fresh state; one thing at a time. */
enum reserve_duty { RESERVE_DUTY_NONE, RESERVE_DUTY_WRITE, RESERVE_DUTY_PROPOSE };
struct reserve_task {
	enum reserve_duty duty;
	struct reserve_write write; /* WRITE: to the journal; ask again at once */
	Pxe__Command *command; /* PROPOSE: borrowed until the next call; with REPLICA_FOREVER. Only
				* once all that was written before is durable. */
};
void reserve_next_task(
	struct reserve *reserve, const struct reserve_view *view, struct reserve_task *ret_task);
/* The proposal was applied: what is to be written now is told by reserve_next_task(). */
void reserve_on_applied(struct reserve *reserve, const struct reserve_view *view,
	const struct model_result *result);
/* It was not taken, and will never be applied: try again later. */
void reserve_on_refused(struct reserve *reserve);

/* Numbering of writes by the caller: `number` belongs to the write that was given last; all up to
 * `durable` are on disk. */
void reserve_on_written(struct reserve *reserve, uint64_t number);
void reserve_on_durable(struct reserve *reserve, uint64_t durable);

/* Entries that the cluster does not know, or whose removal is not durable, and the oldest state on
 * which one was decided (UINT64_MAX: none): replica_journal_state(). */
void reserve_state(const struct reserve *reserve, unsigned *ret_count, uint64_t *ret_oldest_ms);
/* Addresses of our blocks, those that could be leased now, and our leases that still run. */
void reserve_usage(const struct reserve *reserve, const struct reserve_view *view,
	uint32_t *ret_total, uint32_t *ret_free, uint32_t *ret_leased);

#endif
