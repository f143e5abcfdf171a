/* store/model/apply_lease.c: who has which address, and for how long; which one a client gets is
 * chosen in apply_choose.c. Pure.
 *
 * A record stands for an address that is not free. What is stored is OFFERED, BOUND or DECLINED;
 * GRACE and FREE follow from the time (lease_state_at()). A record that was ever bound to its
 * client (since_ms) is another client's only MODEL_REST_MS after its promise ended [R4] [R9]; one
 * that was only offered, when the offer ran out; one in quarantine, when that ends.
 *
 * The same machine is one client: several hardware addresses that one host declares share its lease
 * [P6].
 *
 * An address that its client may not keep (it left the pools, or is reserved now) is not renewed
 * but not refused either: the client is told what remains, and finds another address when that has
 * run out. A NAK would end a netboot (FIELD 15).
 *
 * An address in a node's reserve is that node's alone [R1]. One whose reservation changed is
 * nobody's but the old machine's until every member knows of the change [R5]; and a lease that was
 * given up keeps its promise so long (released_ms), for a node that does not know may extend it
 * [R3].
 */
#include "proto/wire/text.h"
#include "store/model/apply_choose.h"
#include "store/model/check.h"
#include "store/model/keep.h"
#include "store/model/levels.h"
#include <stdio.h>
#include <string.h>

#define OK      PXE__VERDICT__VERDICT_OK
#define OFFERED PXE__LEASE_STATE__LEASE_OFFERED
#define BOUND   PXE__LEASE_STATE__LEASE_BOUND

/* A BOOTP client never asks again (RFC 1534): 100 years. */
#define LEASE_BOOTP_MS      UINT64_C(3155760000000)
#define LEASE_SWEEP_DEFAULT 256
#define LEASE_SWEEP_MAX     16384
/* An expired token is remembered so long, so that who comes late learns why it is refused. */
#define LEASE_TOKEN_KEPT_MS UINT64_C(86400000)

/* ---- changes of a record ---- */

static struct lease_record *lease_write(struct apply *a, Pxe__Lease *lease)
{
	lease->node = (uint32_t)a->command->origin;
	return keep_lease(a->model, a->sink, lease);
}

/* The lease of `ip` for the asker to build on: its machine's own as it is, else a fresh one. Of a
 * lease that ended, and was not yet swept, only what is known of the client is kept. */
static Pxe__Lease lease_draft(struct apply *a, const struct lease_asker *asker,
	struct lease_record *record, uint32_t ip, uint8_t ip_bytes[4])
{
	const Pxe__ClientInfo *who = asker->who;
	Pxe__Lease lease = PXE__LEASE__INIT;
	if (record != NULL && lease_asker_is_mine(a, asker, record))
		lease = lease_record_view(record, ip_bytes);
	if (record != NULL && record->free_at_ms <= a->now_ms)
		lease.since_ms = lease.promised_ms = lease.released_ms = 0;
	msg_ip4_put(ip, ip_bytes);
	lease.ip = (ProtobufCBinaryData){.len = 4, .data = ip_bytes};
	lease.client = who->client;
	lease.mac = who->mac;
	lease.subnet = asker->subnet->name;
	if (check_is_name(who->hostname))
		lease.hostname = who->hostname;
	if (who->client_id.len > 0 && who->client_id.len <= UINT8_MAX)
		lease.client_id = who->client_id;
	if (who->uuid.len == 16)
		lease.uuid = who->uuid;
	return lease;
}

/* An offer that nobody waits for any more: gone, or back to the grace that it had. */
static void lease_withdraw(struct apply *a, struct lease_record *record)
{
	if (record->since_ms == 0) {
		keep_remove_lease(a->model, a->sink, record);
		return;
	}
	uint8_t ip_bytes[4];
	Pxe__Lease lease = lease_record_view(record, ip_bytes);
	lease.state = BOUND;
	lease.expires_ms = internal_min(lease.expires_ms, a->now_ms);
	lease_write(a, &lease);
}

static struct lease_record *lease_other_offer(
	const struct apply *a, const struct lease_asker *asker, uint32_t but_ip)
{
	ProtobufCBinaryData client = asker->who->client;
	struct lease_record *record, *lowest = NULL;
	size_t cursor = 0;
	while ((record = lease_table_next_of_client(&a->model->leases, asker->subnet->name,
			client.data, client.len, &cursor)) != NULL) {
		if (record->ip != but_ip && record->state == OFFERED &&
			(lowest == NULL || record->ip < lowest->ip))
			lowest = record;
	}
	return lowest;
}

/* One client is offered one address of a link at a time [P6]. */
static void lease_withdraw_others(struct apply *a, const struct lease_asker *asker, uint32_t but_ip)
{
	const Pxe__Subnet *subnets[MODEL_LINK_SUBNETS_MAX];
	size_t count = model_link_subnets(a->model, asker->link, subnets);
	struct lease_asker at = *asker;
	for (size_t i = 0; i < count; i++) {
		struct lease_record *other;
		lease_asker_look_at(&at, subnets[i]);
		while ((other = lease_other_offer(a, &at, but_ip)) != NULL)
			lease_withdraw(a, other);
	}
}

bool apply_lease_make_room(struct apply *a)
{
	struct lease_record *first = lease_table_first(&a->model->leases);
	if (a->model->leases.count < MODEL_LEASES_MAX)
		return true;
	if (first->free_at_ms > a->now_ms)
		return false;
	keep_remove_lease(a->model, a->sink, first);
	return true;
}

static Pxe__Verdict lease_make_room(struct apply *a)
{
	if (apply_lease_make_room(a))
		return OK;
	return internal_refuse(a, PXE__VERDICT__VERDICT_LIMIT,
		"the cluster keeps %d leases, its limit: shorten lease times", MODEL_LEASES_MAX);
}

/* ---- Offer ---- */

static uint64_t lease_setting_ms(uint32_t set_s, uint32_t otherwise_s)
{
	return (uint64_t)(set_s != 0 ? set_s : otherwise_s) * 1000;
}

/* Hold the address for the asker. A lease that runs is left as it is: no promise is ever shortened.
 */
static struct lease_record *lease_hold(
	struct apply *a, const struct lease_asker *asker, uint32_t ip)
{
	struct lease_record *record = lease_table_find(&a->model->leases, ip);
	bool is_mine = record != NULL && lease_asker_is_mine(a, asker, record);
	if (is_mine && lease_is_live(a, record, BOUND))
		return record;
	const Pxe__Settings *settings = model_settings(a->model);
	uint64_t hold_ms =
		lease_setting_ms(settings != NULL ? settings->offer_s : 0, INTERNAL_OFFER_S);
	uint8_t ip_bytes[4];
	Pxe__Lease lease = lease_draft(a, asker, record, ip, ip_bytes);
	uint64_t old_ms = is_mine && record->state == OFFERED ? record->expires_ms : 0;
	lease.state = OFFERED;
	lease.expires_ms = internal_max(old_ms, internal_after(a->now_ms, hold_ms));
	lease.promised_ms = internal_max(lease.promised_ms, lease.expires_ms);
	lease.started_ms = a->now_ms;
	return lease_write(a, &lease);
}

Pxe__Verdict apply_lease_offer(struct apply *a, const Pxe__Offer *offer)
{
	struct lease_asker asker;
	Pxe__Verdict verdict = lease_asker_init(a, offer->who, offer->subnet, &asker);
	if (verdict != OK)
		return verdict;
	if (offer->wanted_ip.len != 0 && offer->wanted_ip.len != 4)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"wanted address has %zu bytes: give 4 or none", offer->wanted_ip.len);
	uint32_t ip = apply_choose(a, &asker, msg_ip4_get(offer->wanted_ip));
	if (ip == 0)
		return apply_choose_none(a, &asker);
	if (lease_table_find(&a->model->leases, ip) == NULL && lease_make_room(a) != OK)
		return PXE__VERDICT__VERDICT_LIMIT;
	const struct lease_record *held = lease_hold(a, &asker, ip);
	internal_lease_copy(held, &a->result->lease);
	lease_withdraw_others(a, &asker, ip);
	return OK;
}

/* ---- Bind ---- */

/* Whether a client may bind an address; not whether another holds it. *ret_renew: for a whole lease
 * time. */
static Pxe__Verdict lease_judge(struct apply *a, const struct lease_asker *asker, uint32_t ip,
	const struct lease_record *own, bool create, bool *ret_renew)
{
	char text[TEXT_IP4_BYTES], other[TEXT_IP4_BYTES];
	text_ip4_format(ip, text);
	*ret_renew = true;
	if (own != NULL && lease_is_live(a, own, OFFERED))
		return OK;
	enum lease_right right = lease_asker_right_to(a, asker, ip);
	if (right == LEASE_RIGHT_RESERVED)
		return OK;
	uint32_t reserved = apply_choose_reserved(a, asker);
	if (right == LEASE_RIGHT_POOL && reserved == 0 && (own != NULL || create))
		return OK;
	if (right == LEASE_RIGHT_POOL && reserved == 0)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"no lease of %s is known for this client", text);
	*ret_renew = false;
	Pxe__Verdict verdict = PXE__VERDICT__VERDICT_NOT_AVAILABLE;
	if (own != NULL && lease_is_live(a, own, BOUND))
		verdict = OK;
	const char *not_renewed = verdict == OK ? " (not renewed, it runs out)" : "";
	if (right == LEASE_RIGHT_OTHERS)
		return internal_refuse(a, verdict, "address %s is reserved for host %s%s", text,
			model_host_of_ip(a->model, ip)->name, not_renewed);
	if (right == LEASE_RIGHT_NONE)
		return internal_refuse(a, verdict, "address %s is in no pool of subnet %s%s", text,
			asker->subnet->name, not_renewed);
	return internal_refuse(a, verdict, "host %s has the reserved address %s, not %s%s",
		asker->host->name, text_ip4_format(reserved, other), text, not_renewed);
}

/* Times are told in whole seconds, rounded: the client may think for a moment longer that it has
 * the lease. */
static bool lease_is_just_over(const struct apply *a, const struct lease_record *own)
{
	return own != NULL && own->state == BOUND && own->released_ms == 0 &&
	       a->now_ms < internal_after(own->expires_ms, MODEL_ROUND_MS);
}

static Pxe__Verdict lease_taken_by_other(
	struct apply *a, const struct lease_record *record, uint32_t ip)
{
	char text[TEXT_IP4_BYTES], left[TEXT_DURATION_BYTES], mac[TEXT_HWADDR_BYTES];
	text_ip4_format(ip, text);
	text_duration_short(record->free_at_ms - a->now_ms, left);
	if (record->state == PXE__LEASE_STATE__LEASE_DECLINED)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_AVAILABLE,
			"address %s is in quarantine for another %s: a stranger was seen to use it",
			text, left);
	text_hwaddr_format(lease_record_mac(record), record->mac_bytes, mac);
	return internal_refuse(a, PXE__VERDICT__VERDICT_IN_USE,
		"address %s is kept for client %s for another %s", text,
		record->mac_bytes > 0 ? mac : "without hardware address", left);
}

static uint64_t lease_time_ms(
	const struct apply *a, const struct lease_asker *asker, uint32_t ip, const Pxe__Bind *bind)
{
	if (bind->bootp)
		return LEASE_BOOTP_MS;
	return (uint64_t)model_lease_time_s(
		       a->model, asker->subnet, asker->who, ip, bind->lease_s) *
	       1000;
}

static struct lease_record *lease_grant(
	struct apply *a, const struct lease_asker *asker, uint32_t ip, const Pxe__Bind *bind)
{
	uint64_t mclt_ms = model_mclt_ms(a->model);
	uint64_t time_ms = lease_time_ms(a, asker, ip, bind);
	struct lease_record *record = lease_table_find(&a->model->leases, ip);
	uint8_t ip_bytes[4];
	Pxe__Lease lease = lease_draft(a, asker, record, ip, ip_bytes);
	lease.state = BOUND;
	lease.expires_ms = internal_after(a->now_ms, time_ms);
	lease.promised_ms =
		internal_max(lease.promised_ms, internal_after(lease.expires_ms, mclt_ms));
	lease.started_ms = a->now_ms;
	lease.released_ms = 0;
	if (lease.since_ms == 0)
		lease.since_ms = internal_max(a->now_ms, 1);
	return lease_write(a, &lease);
}

/* The client is told nothing: the address may be its own by a node that we do not hear of. */
static Pxe__Verdict lease_kept_for_now(struct apply *a, uint32_t ip)
{
	char text[TEXT_IP4_BYTES];
	text_ip4_format(ip, text);
	const Pxe__Block *block = model_block_of(a->model, ip);
	if (block == NULL && lease_is_unknown_time(a))
		return internal_refuse(a, PXE__VERDICT__VERDICT_RESERVE,
			"since a recovery leases that are not known may still run: address %s may "
			"be this client's",
			text);
	if (block == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_RESERVE,
			"address %s is kept until every node knows that its reservation changed",
			text);
	const Pxe__Member *owner = model_member(a->model, block->owner);
	if (owner == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_RESERVE,
			"address %s is in the reserve of a node that was removed", text);
	return internal_refuse(a, PXE__VERDICT__VERDICT_RESERVE,
		"address %s is in the reserve of node %s", text, owner->name);
}

Pxe__Verdict apply_lease_bind(struct apply *a, const Pxe__Bind *bind)
{
	struct lease_asker asker;
	Pxe__Verdict verdict = lease_asker_init(a, bind->who, bind->subnet, &asker);
	if (verdict != OK)
		return verdict;
	if (bind->ip.len != 4)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"address has %zu bytes: give 4", bind->ip.len);
	uint32_t ip = msg_ip4_get(bind->ip);
	const Pxe__Subnet *subnet = model_subnet_on_link(a->model, asker.link, ip);
	if (subnet != NULL)
		lease_asker_look_at(&asker, subnet);
	if (bind->bootp && model_reserved_ip(a->model, asker.subnet, asker.who) != ip)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"BOOTP clients keep their address for ever: they get reserved ones only");
	struct lease_record *record = lease_table_find(&a->model->leases, ip);
	/* After a recovery an old offer says nothing: those who are gone may have passed it on. */
	if (lease_asker_is_taken(a, &asker, record) && lease_is_passed_on(a, record))
		return lease_kept_for_now(a, ip);
	if (lease_asker_is_taken(a, &asker, record))
		return lease_taken_by_other(a, record, ip);
	if (ip >= asker.first && ip <= asker.last && lease_asker_is_kept(a, &asker, ip))
		return lease_kept_for_now(a, ip);
	struct lease_record *own = NULL;
	if (record != NULL && lease_asker_is_mine(a, &asker, record) &&
		!lease_is_passed_on(a, record))
		own = record;
	bool is_renewed;
	verdict = lease_judge(a, &asker, ip, own, bind->create, &is_renewed);
	/* Who had it reserved until lately may have leased it of a node that we do not hear of: it
	 * is not told to let go [P4]. */
	if (verdict == PXE__VERDICT__VERDICT_NOT_AVAILABLE &&
		(lease_is_unknown_time(a) || reserve_map_has_hold(&a->model->reserves, ip)))
		return lease_kept_for_now(a, ip);
	if (verdict == PXE__VERDICT__VERDICT_NOT_AVAILABLE && lease_is_just_over(a, own))
		return PXE__VERDICT__VERDICT_RESERVE; /* the detail says what will come */
	if (verdict != OK)
		return verdict;
	if (record == NULL && lease_make_room(a) != OK)
		return PXE__VERDICT__VERDICT_LIMIT;
	if (is_renewed)
		own = lease_grant(a, &asker, ip, bind);
	internal_lease_copy(own, &a->result->lease);
	lease_withdraw_others(a, &asker, ip);
	return OK;
}

/* ---- Release, Decline, Sweep ---- */

/* The lease, or the quarantine, is over; what was promised stands until every member knows [P1]. */
static struct lease_record *lease_end(struct apply *a, struct lease_record *record)
{
	uint8_t ip_bytes[4];
	Pxe__Lease lease = lease_record_view(record, ip_bytes);
	if (lease.state == OFFERED)
		lease.state = BOUND;
	if (lease.state == BOUND && lease.released_ms == 0 && lease.promised_ms > a->now_ms)
		lease.released_ms = a->now_ms;
	lease.expires_ms = internal_min(lease.expires_ms, a->now_ms);
	return lease_write(a, &lease);
}

Pxe__Verdict apply_lease_release(struct apply *a, const Pxe__Release *release)
{
	char text[TEXT_IP4_BYTES];
	uint32_t ip = msg_ip4_get(release->ip);
	struct lease_record *record = lease_table_find(&a->model->leases, ip);
	if (release->ip.len != 4)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"address has %zu bytes: give 4", release->ip.len);
	if (record == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"address %s has no lease: see pxectl lease list",
			text_ip4_format(ip, text));
	bool is_declined = record->state == PXE__LEASE_STATE__LEASE_DECLINED;
	if (!release->by_operator && (is_declined || !lease_is_client(record, release->client)))
		return internal_refuse(a, PXE__VERDICT__VERDICT_IN_USE,
			"address %s is not this client's", text_ip4_format(ip, text));
	/* A RELEASE that was held up must not end the lease that the client has been given since,
	 * or been told of since by a node that did not need the log for it. */
	if (!release->by_operator && release->arrived_ms != 0 &&
		a->now_ms > internal_after(release->arrived_ms, MODEL_RELEASE_MS))
		return internal_refuse(a, PXE__VERDICT__VERDICT_CONFLICT,
			"the release of %s was held up: the client may have asked again since",
			text_ip4_format(ip, text));
	bool is_newer = release->as_of_ms != 0 && record->started_ms > release->as_of_ms;
	if (!release->by_operator && release->arrived_ms != 0 &&
		record->started_ms >= release->arrived_ms)
		is_newer = true;
	if (is_newer)
		return internal_refuse(a, PXE__VERDICT__VERDICT_CONFLICT,
			"address %s was leased again since", text_ip4_format(ip, text));
	internal_lease_copy(record, &a->result->lease);
	if (lease_binds_nobody(record))
		keep_remove_lease(a->model, a->sink, record);
	else
		internal_lease_copy(lease_end(a, record), &a->result->lease);
	return OK;
}

static Pxe__Verdict lease_may_decline(struct apply *a, const Pxe__Decline *decline, uint32_t ip)
{
	char text[TEXT_IP4_BYTES];
	text_ip4_format(ip, text);
	const Pxe__Subnet *subnet = model_subnet_of(a->model, ip);
	if (subnet == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NO_SUBNET,
			"address %s is in no subnet: see pxectl subnet list", text);
	const char *whose = internal_ip_of_cluster(a->model, subnet, ip);
	if (whose != NULL)
		return internal_refuse(
			a, PXE__VERDICT__VERDICT_NOT_AVAILABLE, "address %s is %s", text, whose);
	const struct lease_record *record = lease_table_find(&a->model->leases, ip);
	bool is_declined = record != NULL && record->state == PXE__LEASE_STATE__LEASE_DECLINED;
	if (model_block_of(a->model, ip) != NULL)
		return lease_kept_for_now(a, ip);
	if (decline->by_probe) {
		/* Who answers is its holder. */
		if (record != NULL && !is_declined && record->since_ms != 0 &&
			a->now_ms < record->free_at_ms)
			return lease_taken_by_other(a, record, ip);
		return OK;
	}
	if (record == NULL || is_declined)
		return internal_refuse(
			a, PXE__VERDICT__VERDICT_NOT_FOUND, "address %s has no lease", text);
	if (!lease_is_client(record, decline->client))
		return internal_refuse(
			a, PXE__VERDICT__VERDICT_IN_USE, "address %s is not this client's", text);
	return OK;
}

struct lease_record *apply_lease_quarantine(
	struct apply *a, uint32_t ip, const char *subnet, const struct lease_record *old)
{
	uint8_t ip_bytes[4];
	msg_ip4_put(ip, ip_bytes);
	Pxe__Lease lease = PXE__LEASE__INIT;
	lease.ip = (ProtobufCBinaryData){.len = 4, .data = ip_bytes};
	lease.state = PXE__LEASE_STATE__LEASE_DECLINED;
	lease.started_ms = a->now_ms;
	lease.expires_ms = internal_after(a->now_ms, internal_quarantine_ms(a->model));
	if (old != NULL && !lease_binds_nobody(old) && a->now_ms < old->free_at_ms) {
		/* Whoever does not know of this may still extend the lease, or acknowledge it. */
		lease.promised_ms = old->promised_ms;
		lease.released_ms = old->released_ms;
	}
	lease.subnet = (char *)(uintptr_t)subnet;
	return lease_write(a, &lease);
}

Pxe__Verdict apply_lease_decline(struct apply *a, const Pxe__Decline *decline)
{
	if (decline->ip.len != 4)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"address has %zu bytes: give 4", decline->ip.len);
	uint32_t ip = msg_ip4_get(decline->ip);
	Pxe__Verdict verdict = lease_may_decline(a, decline, ip);
	if (verdict != OK)
		return verdict;
	if (lease_table_find(&a->model->leases, ip) == NULL && lease_make_room(a) != OK)
		return PXE__VERDICT__VERDICT_LIMIT;
	internal_lease_copy(apply_lease_quarantine(a, ip, model_subnet_of(a->model, ip)->name,
				    lease_table_find(&a->model->leases, ip)),
		&a->result->lease);
	return OK;
}

/* The token that ran out first of all, if it is due; NULL: none. */
static const Pxe__Token *lease_due_token(const struct model *model, uint64_t now_ms)
{
	const struct shelf *tokens = &model->shelf[RECORD_TOKEN];
	for (size_t i = 0; i < tokens->count; i++) {
		const Pxe__Token *token = (const Pxe__Token *)tokens->records[i]->message;
		if (internal_after(token->expires_ms, LEASE_TOKEN_KEPT_MS) <= now_ms)
			return token;
	}
	return NULL;
}

bool model_sweep_due(const struct model *model, uint64_t now_ms)
{
	const struct lease_record *first = lease_table_first(&model->leases);
	return (first != NULL && first->free_at_ms <= now_ms) ||
	       apply_reserve_sweep_due(model, now_ms) || lease_due_token(model, now_ms) != NULL;
}

Pxe__Verdict apply_lease_sweep(struct apply *a, const Pxe__Sweep *sweep)
{
	uint32_t left = sweep->max == 0 ? LEASE_SWEEP_DEFAULT : sweep->max;
	if (left > LEASE_SWEEP_MAX)
		left = LEASE_SWEEP_MAX;
	struct lease_record *record;
	while (left > 0 && (record = lease_table_first(&a->model->leases)) != NULL &&
		record->free_at_ms <= a->now_ms) {
		keep_remove_lease(a->model, a->sink, record);
		left--;
	}
	left -= apply_reserve_sweep(a, left);
	const Pxe__Token *token;
	while (left > 0 && (token = lease_due_token(a->model, a->now_ms)) != NULL) {
		uint8_t id[8];
		memcpy(id, token->id.data, sizeof(id));
		keep_remove(a->model, a->sink, RECORD_TOKEN, id, sizeof(id));
		left--;
	}
	return OK;
}
