/* store/model/apply_lease.c: who gets which address, and for how long. Pure.
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
#include "store/model/check.h"
#include "store/model/keep.h"
#include "store/model/levels.h"
#include <stdio.h>
#include <string.h>

#define OK      PXE__VERDICT__VERDICT_OK
#define OFFERED PXE__LEASE_STATE__LEASE_OFFERED
#define BOUND   PXE__LEASE_STATE__LEASE_BOUND

/* A BOOTP client never asks again (RFC 1534): 100 years. */
#define LEASE_BOOTP_MS       UINT64_C(3155760000000)
#define LEASE_HTYPE_ETHERNET 1
#define LEASE_KNOWN_PERCENT  10 /* what settings of 0 mean */
#define LEASE_SWEEP_DEFAULT  256
#define LEASE_SWEEP_MAX      16384
/* An expired token is remembered so long, so that who comes late learns why it is refused. */
#define LEASE_TOKEN_KEPT_MS UINT64_C(86400000)

/* A client that asks, and what is known of it. */
struct lease_asker {
	const Pxe__ClientInfo *who;
	const Pxe__Subnet *link;   /* where it is; others may share the link */
	const Pxe__Subnet *subnet; /* of that link: the one that is looked at */
	const Pxe__Host *host;     /* NULL: unknown machine */
	const Pxe__Host *machine;  /* the host, unless it is known by the relay's circuit only */
	uint32_t first, last;      /* of the subnet */
};

enum lease_right {
	LEASE_RIGHT_NONE,     /* outside the pools, or the cluster's own */
	LEASE_RIGHT_OTHERS,   /* reserved for another host */
	LEASE_RIGHT_POOL,     /* may be given to anybody */
	LEASE_RIGHT_RESERVED, /* reserved for the asker */
};

static void lease_look_at(struct lease_asker *asker, const Pxe__Subnet *subnet)
{
	asker->subnet = subnet;
	internal_subnet_range(subnet, &asker->first, &asker->last);
}

static bool lease_check_text(ProtobufCBinaryData data)
{
	return data.len <= UINT8_MAX;
}

static bool lease_check_matches(struct apply *a, const Pxe__ClientInfo *who)
{
	bool is_good = lease_check_text(who->vendor_class) && lease_check_text(who->circuit_id) &&
		       lease_check_text(who->remote_id) && who->n_user_class <= 16;
	for (size_t i = 0; is_good && i < who->n_user_class; i++)
		is_good = lease_check_text(who->user_class[i]);
	if (!is_good)
		internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"what the client says of itself is longer than its option can be");
	return is_good;
}

static Pxe__Verdict lease_asker_init(struct apply *a, const Pxe__ClientInfo *who,
	const char *subnet, struct lease_asker *ret_asker)
{
	if (who == NULL || who->client.len == 0 || who->client.len > MODEL_CLIENT_MAX)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"client identity has %zu bytes: give 1 to %d",
			who == NULL ? 0 : who->client.len, MODEL_CLIENT_MAX);
	if (who->mac.len > 16)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"hardware address has %zu bytes: give at most 16", who->mac.len);
	if (!lease_check_matches(a, who))
		return PXE__VERDICT__VERDICT_INVALID;
	const Pxe__Subnet *found = model_subnet(a->model, subnet);
	if (found == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NO_SUBNET,
			"the client's subnet is not configured: see pxectl subnet list");
	if (found->dhcp == PXE__SUBNET_DHCP__SUBNET_DHCP_PROXY ||
		found->dhcp == PXE__SUBNET_DHCP__SUBNET_DHCP_OFF)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NO_SUBNET,
			"subnet %s gives no addresses: another server does (pxectl subnet set %s "
			"--dhcp on)",
			found->name, found->name);
	const Pxe__Host *host = model_host_of(a->model, who, NULL);
	const char *name, *kind = internal_ignored_by(a->model, found, who, host, &name);
	if (kind != NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_IGNORED,
			"%s %s is set to be ignored: pxectl %s show %s", kind, name, kind, name);
	*ret_asker = (struct lease_asker){.who = who,
		.link = found,
		.host = host,
		.machine = model_machine_of(a->model, who)};
	lease_look_at(ret_asker, found);
	return OK;
}

static bool lease_is_client(const struct lease_record *record, ProtobufCBinaryData client)
{
	return record->client_bytes == client.len && client.len > 0 &&
	       memcmp(lease_record_client(record), client.data, client.len) == 0;
}

/* Held by the asker's machine, by whichever of its declared hardware addresses. */
static bool lease_is_mine(
	const struct apply *a, const struct lease_asker *asker, const struct lease_record *record)
{
	if (lease_is_client(record, asker->who->client))
		return true;
	return asker->machine != NULL &&
	       internal_machine_of_lease(a->model, record) == asker->machine;
}

/* Another client's, or in quarantine, at the stamp of this command. */
static bool lease_is_taken(
	const struct apply *a, const struct lease_asker *asker, const struct lease_record *record)
{
	return record != NULL && a->now_ms < record->free_at_ms && !lease_is_mine(a, asker, record);
}

static bool lease_is_live(const struct apply *a, const struct lease_record *record, uint8_t state)
{
	return record->state == state && a->now_ms < record->expires_ms;
}

/* A node's reserve, or the machine that had it reserved before: not the asker's for now. Who has it
 * already may go on: its record stood through the change of the reservation. */
static bool lease_is_kept(const struct apply *a, const struct lease_asker *asker, uint32_t ip)
{
	if (model_block_of(a->model, ip) != NULL)
		return true;
	const struct lease_record *record = lease_table_find(&a->model->leases, ip);
	if (record != NULL && a->now_ms < record->free_at_ms &&
		lease_is_client(record, asker->who->client))
		return false;
	return !internal_hold_admits(a->model, ip, asker->who);
}

static bool lease_is_unknown_time(const struct apply *a)
{
	return a->now_ms < a->model->unknown_until_ms;
}

/* No client was ever told that it may use the address, or none whose promise still stands. */
static bool lease_binds_nobody(const struct lease_record *record)
{
	if (record->state == PXE__LEASE_STATE__LEASE_DECLINED)
		return record->promised_ms == 0;
	return record->state == OFFERED && record->since_ms == 0;
}

/* After a recovery: what was free for others, or only offered, may be another client's by the word
 * of those who are gone. */
static bool lease_is_passed_on(const struct apply *a, const struct lease_record *record)
{
	return lease_is_unknown_time(a) &&
	       (record->free_at_ms <= a->now_ms || lease_binds_nobody(record));
}

static enum lease_right lease_right_to(
	const struct apply *a, const struct lease_asker *asker, uint32_t ip)
{
	if (ip < asker->first || ip > asker->last)
		return LEASE_RIGHT_NONE;
	const Pxe__Host *reserved = model_host_of_ip(a->model, ip);
	if (reserved != NULL)
		return reserved == asker->host ? LEASE_RIGHT_RESERVED : LEASE_RIGHT_OTHERS;
	if (model_pool_for(a->model, asker->subnet, asker->who, ip) == NULL ||
		internal_never_leased(a->model, asker->subnet, ip))
		return LEASE_RIGHT_NONE;
	return LEASE_RIGHT_POOL;
}

/* The identity that the asker's machine has by another of its hardware addresses; 0 bytes: by none
 * of that index. */
static size_t lease_sibling(
	const struct lease_asker *asker, size_t index, uint8_t ret_client[MODEL_CLIENT_MAX])
{
	const Pxe__ClientInfo *who = asker->who;
	if (who->mac.len == 0 || who->client.len != who->mac.len + 1 ||
		memcmp(who->client.data + 1, who->mac.data, who->mac.len) != 0)
		return 0;
	ProtobufCBinaryData mac = asker->machine->mac[index];
	if (mac.len == 0 || mac.len > 16 || internal_same_bytes(mac, who->mac))
		return 0;
	ret_client[0] = who->client.data[0];
	memcpy(ret_client + 1, mac.data, mac.len);
	return mac.len + 1;
}

/* The lease of the asker's machine in the subnet that was granted last; NULL: none. */
static struct lease_record *lease_own(const struct apply *a, const struct lease_asker *asker)
{
	const char *subnet = asker->subnet->name;
	ProtobufCBinaryData client = asker->who->client;
	struct lease_record *best =
		internal_lease_of_client(a->model, subnet, client.data, client.len);
	for (size_t i = 0; asker->machine != NULL && i < asker->machine->n_mac; i++) {
		uint8_t sibling[MODEL_CLIENT_MAX];
		size_t bytes = lease_sibling(asker, i, sibling);
		struct lease_record *other = NULL;
		if (bytes > 0)
			other = internal_lease_of_client(a->model, subnet, sibling, bytes);
		if (other != NULL && (best == NULL || other->started_ms > best->started_ms))
			best = other;
	}
	return best != NULL && lease_is_passed_on(a, best) ? NULL : best;
}

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
	if (record != NULL && lease_is_mine(a, asker, record))
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
		lease_look_at(&at, subnets[i]);
		while ((other = lease_other_offer(a, &at, but_ip)) != NULL)
			lease_withdraw(a, other);
	}
}

/* Remove what is free for others anyway, first come first, until an address of the asker's pools is
 * free. */
static bool lease_reclaim(struct apply *a, const struct lease_asker *asker)
{
	struct lease_record *record;
	while ((record = lease_table_first(&a->model->leases)) != NULL &&
		record->free_at_ms <= a->now_ms) {
		uint32_t ip = record->ip;
		keep_remove_lease(a->model, a->sink, record);
		if (ip >= asker->first && ip <= asker->last &&
			pool_map_is_free(&a->model->pools, ip))
			return true;
	}
	return false;
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

struct lease_guarded {
	const struct model *model;
	const struct lease_asker *asker;
};

/* By any of its declared hardware addresses. */
static bool lease_host_has_one(
	const struct apply *a, const Pxe__Subnet *subnet, const Pxe__Host *host)
{
	for (size_t i = 0; i < host->n_mac; i++) {
		uint8_t client[1 + 16] = {LEASE_HTYPE_ETHERNET};
		if (host->mac[i].len == 0 || host->mac[i].len > 16)
			continue;
		memcpy(client + 1, host->mac[i].data, host->mac[i].len);
		if (internal_lease_of_client(
			    a->model, subnet->name, client, 1 + host->mac[i].len) != NULL)
			return true;
	}
	return false;
}

static bool lease_guard_admits(void *ctx, const Pxe__Pool *pool)
{
	const struct lease_guarded *guarded = ctx;
	return internal_pool_admits(
		guarded->model, guarded->asker->subnet, guarded->asker->who, pool);
}

/* Addresses of the subnet that are kept for declared hosts which have none yet; counted up to
 * `enough`. */
static uint64_t lease_kept_for_known(
	const struct apply *a, const struct lease_asker *asker, uint64_t enough)
{
	const struct shelf *hosts = &a->model->shelf[RECORD_HOST];
	uint64_t kept = 0;
	for (size_t i = 0; i < hosts->count && kept < enough; i++) {
		const Pxe__Host *host = (const Pxe__Host *)hosts->records[i]->message;
		if (internal_host_ip_in(host, asker->first, asker->last) == 0 && !host->ignore &&
			!lease_host_has_one(a, asker->subnet, host))
			kept++;
	}
	return kept;
}

/* A flood of strangers must leave something for declared machines. Looked at when the pools are
 * nearly full only. */
static bool lease_is_for_known_only(const struct apply *a, const struct lease_asker *asker)
{
	const Pxe__Settings *settings = model_settings(a->model);
	uint32_t percent = settings != NULL ? settings->known_percent : 0;
	uint64_t size = 0, free = 0;
	size_t begin, end = pool_map_spans_in(&a->model->pools, asker->first, asker->last, &begin);
	if (asker->host != NULL || a->model->shelf[RECORD_HOST].count == 0)
		return false;
	for (size_t i = begin; i < end; i++) {
		const struct pool_span *span = &a->model->pools.spans[i];
		size += (uint64_t)(span->last - span->first) + 1;
		free += span->free_count;
	}
	uint64_t most = size * (percent != 0 ? percent : LEASE_KNOWN_PERCENT) / 100;
	uint64_t in_pools, held;
	if (free > most || free == 0) /* none is left to keep; what has run out may be taken anew */
		return false;
	/* What nodes hold in reserve they give back before the pools are full. */
	model_reserve_usage(a->model, asker->subnet, 0, &in_pools, &held);
	free += held;
	return free <= most && lease_kept_for_known(a, asker, most) >= free;
}

/* An address from the pools; 0: none. */
static uint32_t lease_choose_dynamic(
	struct apply *a, const struct lease_asker *asker, uint32_t wanted)
{
	if (lease_is_unknown_time(a) || lease_is_for_known_only(a, asker))
		return 0;
	if (lease_right_to(a, asker, wanted) == LEASE_RIGHT_POOL &&
		!lease_is_kept(a, asker, wanted) &&
		!lease_is_taken(a, asker, lease_table_find(&a->model->leases, wanted)))
		return wanted;
	struct lease_guarded guarded = {a->model, asker};
	struct pool_guard guard = {&guarded, lease_guard_admits};
	uint64_t hash = table_hash(asker->who->client.data, asker->who->client.len, 0);
	uint32_t ip = pool_map_pick(&a->model->pools, asker->first, asker->last, hash, &guard);
	while (ip == 0 && lease_reclaim(a, asker))
		ip = pool_map_pick(&a->model->pools, asker->first, asker->last, hash, &guard);
	return ip;
}

/* The asker's reserved address, if it can have it now; 0: none or taken (said in the detail). */
static uint32_t lease_choose_reserved(struct apply *a, const struct lease_asker *asker)
{
	uint32_t ip = model_reserved_ip(a->model, asker->subnet, asker->who);
	struct lease_record *record = ip == 0 ? NULL : lease_table_find(&a->model->leases, ip);
	char text[TEXT_IP4_BYTES], left[TEXT_DURATION_BYTES];
	if (ip != 0 && lease_is_kept(a, asker, ip)) {
		internal_refuse(a, OK,
			"reserved address %s of host %s is %s: a pool address until then",
			text_ip4_format(ip, text), asker->host->name,
			model_block_of(a->model, ip) != NULL
				? "in a node's reserve until that gives it back"
				: "kept until every node knows that its reservation changed");
		return 0;
	}
	if (!lease_is_taken(a, asker, record))
		return ip;
	snprintf(a->result->detail, sizeof(a->result->detail),
		"reserved address %s of host %s is %s for another %s: a pool address until then",
		text_ip4_format(ip, text), asker->host->name,
		record->state == PXE__LEASE_STATE__LEASE_DECLINED ? "in quarantine"
								  : "another client's",
		text_duration_short(record->free_at_ms - a->now_ms, left));
	return 0;
}

/* What the client has in this subnet and may keep; *still_mine: a lease that only runs out. */
static uint32_t lease_choose_own(
	struct apply *a, const struct lease_asker *asker, uint32_t *still_mine)
{
	const struct lease_record *own = lease_own(a, asker);
	if (own == NULL || lease_is_kept(a, asker, own->ip))
		return 0;
	if (lease_is_live(a, own, OFFERED) || lease_right_to(a, asker, own->ip) >= LEASE_RIGHT_POOL)
		return own->ip;
	if (lease_is_live(a, own, BOUND))
		*still_mine = own->ip;
	return 0;
}

/* Over all subnets of the link: a reservation, else what the client has, else any free address.
 * Leaves the asker at the subnet of what was chosen. */
static uint32_t lease_choose(struct apply *a, struct lease_asker *asker, uint32_t wanted)
{
	const Pxe__Subnet *subnets[MODEL_LINK_SUBNETS_MAX];
	size_t count = model_link_subnets(a->model, asker->link, subnets);
	uint32_t ip = 0, still_mine = 0;
	size_t still_at = 0; /* the subnet that the lease names: its address may be in none now */
	for (size_t i = 0; ip == 0 && i < count; i++) {
		lease_look_at(asker, subnets[i]);
		ip = lease_choose_reserved(a, asker);
	}
	for (size_t i = 0; ip == 0 && i < count; i++) {
		uint32_t before = still_mine;
		lease_look_at(asker, subnets[i]);
		ip = lease_choose_own(a, asker, &still_mine);
		still_at = still_mine != before ? i : still_at;
	}
	for (size_t i = 0; ip == 0 && i < count; i++) {
		lease_look_at(asker, subnets[i]);
		ip = lease_choose_dynamic(a, asker, wanted);
	}
	if (ip == 0 && still_mine != 0) {
		lease_look_at(asker, subnets[still_at]);
		return still_mine;
	}
	if (ip == 0)
		lease_look_at(asker, asker->link);
	return ip;
}

/* The address that a reservation gives the machine on this link, if it can have it now. */
static uint32_t lease_reserved_now(struct apply *a, const struct lease_asker *asker)
{
	const Pxe__Subnet *subnets[MODEL_LINK_SUBNETS_MAX];
	size_t count = model_link_subnets(a->model, asker->link, subnets);
	struct lease_asker at = *asker;
	for (size_t i = 0; i < count; i++) {
		lease_look_at(&at, subnets[i]);
		uint32_t ip = model_reserved_ip(a->model, subnets[i], asker->who);
		if (ip != 0 && !lease_is_kept(a, &at, ip) &&
			!lease_is_taken(a, &at, lease_table_find(&a->model->leases, ip)))
			return ip;
	}
	return 0;
}

static Pxe__Verdict lease_pool_full(struct apply *a, const struct lease_asker *asker)
{
	size_t begin, size = 0;
	size_t end = pool_map_spans_in(&a->model->pools, asker->first, asker->last, &begin);
	for (size_t i = begin; i < end; i++)
		size += (size_t)(a->model->pools.spans[i].last - a->model->pools.spans[i].first) +
			1;
	const char *name = asker->subnet->name;
	uint64_t in_pools, held;
	char left[TEXT_DURATION_BYTES];
	if (size == 0)
		return internal_refuse(a, PXE__VERDICT__VERDICT_POOL_FULL,
			"subnet %s has no pool, and the machine no reservation: pxectl pool add",
			name);
	if (lease_is_unknown_time(a))
		return internal_refuse(a, PXE__VERDICT__VERDICT_POOL_FULL,
			"since a recovery leases that are not known may still run, for another "
			"%s: until then new clients get addresses of this node's reserve only",
			text_duration_short(a->model->unknown_until_ms - a->now_ms, left));
	if (lease_is_for_known_only(a, asker))
		return internal_refuse(a, PXE__VERDICT__VERDICT_POOL_FULL,
			"what is left of the pools of subnet %s is kept for declared hosts: pxectl "
			"host add, or add a pool",
			name);
	model_reserve_usage(a->model, asker->subnet, 0, &in_pools, &held);
	if (held > 0)
		return internal_refuse(a, PXE__VERDICT__VERDICT_POOL_FULL,
			"of the %zu pool addresses of subnet %s none is free but %llu in the "
			"nodes' reserves: add a pool or shorten its lease time",
			size, name, (unsigned long long)held);
	return internal_refuse(a, PXE__VERDICT__VERDICT_POOL_FULL,
		"none of the %zu pool addresses of subnet %s is free: add a pool or shorten its "
		"lease time",
		size, name);
}

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
	bool is_mine = record != NULL && lease_is_mine(a, asker, record);
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
	uint32_t ip = lease_choose(a, &asker, msg_ip4_get(offer->wanted_ip));
	if (ip == 0)
		return lease_pool_full(a, &asker);
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
	enum lease_right right = lease_right_to(a, asker, ip);
	if (right == LEASE_RIGHT_RESERVED)
		return OK;
	uint32_t reserved = lease_reserved_now(a, asker);
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
		lease_look_at(&asker, subnet);
	if (bind->bootp && model_reserved_ip(a->model, asker.subnet, asker.who) != ip)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"BOOTP clients keep their address for ever: they get reserved ones only");
	struct lease_record *record = lease_table_find(&a->model->leases, ip);
	/* After a recovery an old offer says nothing: those who are gone may have passed it on. */
	if (lease_is_taken(a, &asker, record) && lease_is_passed_on(a, record))
		return lease_kept_for_now(a, ip);
	if (lease_is_taken(a, &asker, record))
		return lease_taken_by_other(a, record, ip);
	if (ip >= asker.first && ip <= asker.last && lease_is_kept(a, &asker, ip))
		return lease_kept_for_now(a, ip);
	struct lease_record *own = NULL;
	if (record != NULL && lease_is_mine(a, &asker, record) && !lease_is_passed_on(a, record))
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
