/* store/model/apply_merge.c: what a node leased while it had no quorum becomes known [R6]. Pure.
 *
 * Whatever the node's clock did, its client was told at most MCLT from some moment before now, or
 * at most the promise that the cluster made itself: so a promise of now + MCLT, and never less than
 * before, covers it. When the lease expires is only told to people and to the client.
 *
 * A conflict is an address that two clients may use now: one was told so by the node, the other by
 * the cluster. An entry whose lease is over, or whose end nobody knows (from an earlier life of the
 * node, long ago perhaps), is no conflict when the cluster has passed the address on since.
 */
#include "proto/wire/text.h"
#include "store/model/check.h"
#include "store/model/keep.h"
#include <string.h>

#define OK    PXE__VERDICT__VERDICT_OK
#define BOUND PXE__LEASE_STATE__LEASE_BOUND

#define MERGE_MAX 1024 /* entries of one command */

enum merge_outcome { MERGE_DONE, MERGE_STALE, MERGE_CONFLICT };

struct merge_entry {
	const Pxe__IsolatedLease *told;
	uint32_t ip;
	struct lease_record *record; /* NULL: none, or one that ended long ago */
	const Pxe__Block *block;     /* that holds the address; NULL: none */
	uint64_t promised_ms;        /* what is certainly enough: now + MCLT */
};

static bool merge_is_sound(const Pxe__IsolatedLease *told)
{
	const Pxe__ClientInfo *who = told->who;
	return msg_ip4_get(told->ip) != 0 && who != NULL && who->client.len > 0 &&
	       who->client.len <= MODEL_CLIENT_MAX && who->mac.len <= 16;
}

static const char *merge_subnet(const struct apply *a, const struct merge_entry *entry)
{
	const Pxe__Subnet *subnet = model_subnet_of(a->model, entry->ip);
	if (subnet != NULL)
		return subnet->name;
	return check_is_name(entry->told->subnet) ? entry->told->subnet : "";
}

/* ---- what becomes of an entry ---- */

/* The lease of a client to whom the cluster has not leased the address. */
static void merge_new_lease(struct apply *a, const struct merge_entry *entry)
{
	const Pxe__ClientInfo *who = entry->told->who;
	uint64_t mclt_ms = entry->promised_ms - a->now_ms;
	uint8_t ip_bytes[4];
	Pxe__Lease lease = PXE__LEASE__INIT;
	msg_ip4_put(entry->ip, ip_bytes);
	lease.ip = (ProtobufCBinaryData){.len = 4, .data = ip_bytes};
	lease.state = BOUND;
	lease.client = who->client;
	lease.mac = who->mac;
	if (check_is_name(who->hostname))
		lease.hostname = who->hostname;
	if (who->client_id.len <= UINT8_MAX)
		lease.client_id = who->client_id;
	if (who->uuid.len == 16)
		lease.uuid = who->uuid;
	lease.subnet = (char *)(uintptr_t)merge_subnet(a, entry);
	lease.expires_ms = entry->promised_ms;
	if (entry->told->expires_ms != 0)
		lease.expires_ms = internal_min(entry->told->expires_ms, entry->promised_ms);
	lease.promised_ms = entry->promised_ms;
	/* It ran for MCLT, or for less; or nobody knows since when, and a renewal shall be a whole
	 * lease. */
	uint64_t latest_ms = entry->told->expires_ms != 0 ? lease.expires_ms : a->now_ms;
	lease.started_ms = latest_ms > mclt_ms ? latest_ms - mclt_ms : 1;
	lease.since_ms = lease.started_ms;
	lease.node = (uint32_t)a->command->origin;
	apply_lease_make_room(a);
	keep_lease(a->model, a->sink, &lease);
}

/* The lease is this machine's in the cluster's eyes too: it runs on, at least as long as the client
 * was told. */
static void merge_extended(struct apply *a, const struct merge_entry *entry)
{
	uint8_t ip_bytes[4];
	Pxe__Lease lease = lease_record_view(entry->record, ip_bytes);
	uint64_t told_ms = entry->told->expires_ms != 0 ? entry->told->expires_ms : UINT64_MAX;
	uint64_t most_ms = lease.promised_ms;
	uint64_t running_ms = lease.state == BOUND ? lease.expires_ms : 0;
	if (model_host_of_ip(a->model, entry->ip) != NULL || lease.since_ms == 0)
		most_ms = internal_max(most_ms, entry->promised_ms);
	if (entry->told->expires_ms == 0)
		told_ms = entry->promised_ms;
	if (running_ms <= a->now_ms) {
		lease.client = entry->told->who->client;
		lease.mac = entry->told->who->mac;
	}
	lease.state = BOUND;
	lease.expires_ms = internal_max(running_ms, internal_min(told_ms, most_ms));
	lease.promised_ms =
		internal_max(internal_max(lease.promised_ms, entry->promised_ms), lease.expires_ms);
	lease.released_ms = 0;
	if (lease.since_ms == 0)
		lease.since_ms = internal_max(lease.started_ms, 1);
	lease.node = (uint32_t)a->command->origin;
	keep_lease(a->model, a->sink, &lease);
}

/* In quarantine, and the client that had the address goes on with it. */
static void merge_into_quarantine(struct apply *a, const struct merge_entry *entry)
{
	uint8_t ip_bytes[4];
	Pxe__Lease lease = lease_record_view(entry->record, ip_bytes);
	lease.promised_ms = internal_max(lease.promised_ms, entry->promised_ms);
	lease.released_ms = 0;
	keep_lease(a->model, a->sink, &lease);
}

static void merge_declined(struct apply *a, const struct merge_entry *entry)
{
	if (entry->record == NULL)
		apply_lease_make_room(a);
	apply_lease_quarantine(a, entry->ip, merge_subnet(a, entry), entry->record);
}

/* A client that has the address by the cluster's word declined it long ago, or will again. */
static void merge_declined_known(struct apply *a, const struct merge_entry *entry)
{
	if (entry->record != NULL && entry->record->state == BOUND &&
		a->now_ms < entry->record->expires_ms)
		return;
	merge_declined(a, entry);
}

/* ---- judgement ---- */

static enum merge_outcome merge_conflict(struct apply *a, const struct merge_entry *entry)
{
	char text[TEXT_IP4_BYTES];
	/* The end that the node told, by its clock: a lease that is over harms nobody. */
	if (entry->told->declined || entry->told->expires_ms <= a->now_ms)
		return MERGE_STALE;
	internal_refuse(a, OK, "address %s is another client's: two may have used it at a time",
		text_ip4_format(entry->ip, text));
	return MERGE_CONFLICT;
}

/* An address of the node's own block: nobody else has leased it since it was given. */
static enum merge_outcome merge_reserve(struct apply *a, struct merge_entry *entry)
{
	if (entry->block == NULL || entry->block->serial != entry->told->serial ||
		entry->block->owner != a->command->origin)
		return MERGE_STALE;
	apply_reserve_clear(a, entry->block, UINT64_C(1) << (entry->ip % MODEL_BLOCK_IPS));
	if (entry->told->declined)
		merge_declined(a, entry);
	else
		merge_new_lease(a, entry);
	return MERGE_DONE;
}

static bool merge_lists(const ProtobufCBinaryData *macs, size_t count, ProtobufCBinaryData mac)
{
	for (size_t i = 0; i < count; i++) {
		if (internal_same_bytes(macs[i], mac))
			return true;
	}
	return false;
}

/* The cluster knows no lease of the address (any more). A binding that was extended is over then:
 * its promise was waited for. A reservation that the node knew is there still, or its hold is, for
 * what was decided on that state is not settled before it is merged. */
static bool merge_may_run(const struct apply *a, const struct merge_entry *entry)
{
	ProtobufCBinaryData mac = entry->told->who->mac;
	const Pxe__Host *host = model_host_of_ip(a->model, entry->ip);
	if (entry->told->expires_ms > a->now_ms ||
		(host != NULL && merge_lists(host->mac, host->n_mac, mac)))
		return true;
	size_t cursor = 0;
	const Pxe__Hold *hold;
	while ((hold = reserve_map_next_hold(&a->model->reserves, entry->ip, &cursor)) != NULL) {
		if (hold->n_mac == 0 || merge_lists(hold->mac, hold->n_mac, mac))
			return true;
	}
	return false;
}

/* A binding that was extended [R3], or an address that was fixed to the machine [R5]. */
static enum merge_outcome merge_known(struct apply *a, struct merge_entry *entry)
{
	if (entry->block != NULL)
		return merge_conflict(a, entry);
	if (entry->record != NULL && entry->record->state == PXE__LEASE_STATE__LEASE_DECLINED) {
		if (!entry->told->declined)
			merge_into_quarantine(a, entry);
		return MERGE_DONE;
	}
	if (entry->record != NULL &&
		!internal_lease_is_of(a->model, entry->record, entry->told->who))
		return merge_conflict(a, entry);
	if (entry->record == NULL && !merge_may_run(a, entry))
		return MERGE_STALE;
	if (entry->told->declined)
		merge_declined_known(a, entry);
	else if (entry->record != NULL)
		merge_extended(a, entry);
	else
		merge_new_lease(a, entry);
	return MERGE_DONE;
}

static enum merge_outcome merge_judge(struct apply *a, const Pxe__IsolatedLease *told)
{
	if (!merge_is_sound(told))
		return MERGE_STALE;
	struct merge_entry entry = {.told = told,
		.ip = msg_ip4_get(told->ip),
		.promised_ms = internal_after(a->now_ms, model_mclt_bound_ms(a->model))};
	entry.block = model_block_of(a->model, entry.ip);
	entry.record = lease_table_find(&a->model->leases, entry.ip);
	if (entry.record != NULL && entry.record->free_at_ms <= a->now_ms)
		entry.record = NULL;
	return told->serial != 0 ? merge_reserve(a, &entry) : merge_known(a, &entry);
}

Pxe__Verdict apply_merge(struct apply *a, const Pxe__Merge *merge)
{
	if (merge->n_lease == 0 || merge->n_lease > MERGE_MAX)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"%zu leases to merge: give 1 to %d", merge->n_lease, MERGE_MAX);
	unsigned done = 0;
	for (size_t i = 0; i < merge->n_lease; i++) {
		enum merge_outcome outcome = merge_judge(a, merge->lease[i]);
		done += outcome == MERGE_DONE ? 1 : 0;
		a->result->conflicts += outcome == MERGE_CONFLICT ? 1 : 0;
	}
	if (a->result->conflicts > 0) {
		a->model->merge_conflicts += a->result->conflicts;
		keep_clock(a->model, a->sink);
		return OK;
	}
	if (done == 0)
		return internal_refuse(a, PXE__VERDICT__VERDICT_STALE,
			"nothing to merge: it was merged, returned or passed on before");
	return OK;
}
