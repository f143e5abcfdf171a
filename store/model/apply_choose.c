#include "store/model/apply_choose.h"

#include "proto/wire/text.h"
#include "store/model/keep.h"
#include "store/model/levels.h"
#include <stdio.h>
#include <string.h>

#define OK      PXE__VERDICT__VERDICT_OK
#define OFFERED PXE__LEASE_STATE__LEASE_OFFERED
#define BOUND   PXE__LEASE_STATE__LEASE_BOUND

#define CHOOSE_HTYPE_ETHERNET 1
#define CHOOSE_KNOWN_PERCENT  10 /* what settings of 0 mean */

/* Remove what is free for others anyway, first come first, until an address of the asker's pools is
 * free. */
static bool choose_reclaim(struct apply *a, const struct lease_asker *asker)
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

struct choose_guarded {
	const struct model *model;
	const struct lease_asker *asker;
};

/* By any of its declared hardware addresses. */
static bool choose_host_has_one(
	const struct apply *a, const Pxe__Subnet *subnet, const Pxe__Host *host)
{
	for (size_t i = 0; i < host->n_mac; i++) {
		uint8_t client[1 + 16] = {CHOOSE_HTYPE_ETHERNET};
		if (host->mac[i].len == 0 || host->mac[i].len > 16)
			continue;
		memcpy(client + 1, host->mac[i].data, host->mac[i].len);
		if (internal_lease_of_client(
			    a->model, subnet->name, client, 1 + host->mac[i].len) != NULL)
			return true;
	}
	return false;
}

static bool choose_guard_admits(void *ctx, const Pxe__Pool *pool)
{
	const struct choose_guarded *guarded = ctx;
	return internal_pool_admits(
		guarded->model, guarded->asker->subnet, guarded->asker->who, pool);
}

/* Addresses of the subnet that are kept for declared hosts which have none yet; counted up to
 * `enough`. */
static uint64_t choose_kept_for_known(
	const struct apply *a, const struct lease_asker *asker, uint64_t enough)
{
	const struct shelf *hosts = &a->model->shelf[RECORD_HOST];
	uint64_t kept = 0;
	for (size_t i = 0; i < hosts->count && kept < enough; i++) {
		const Pxe__Host *host = (const Pxe__Host *)hosts->records[i]->message;
		if (internal_host_ip_in(host, asker->first, asker->last) == 0 && !host->ignore &&
			!choose_host_has_one(a, asker->subnet, host))
			kept++;
	}
	return kept;
}

/* A flood of strangers must leave something for declared machines. Looked at when the pools are
 * nearly full only. */
static bool choose_for_known_only(const struct apply *a, const struct lease_asker *asker)
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
	uint64_t most = size * (percent != 0 ? percent : CHOOSE_KNOWN_PERCENT) / 100;
	uint64_t in_pools, held;
	if (free > most || free == 0) /* none is left to keep; what has run out may be taken anew */
		return false;
	/* What nodes hold in reserve they give back before the pools are full. */
	model_reserve_usage(a->model, asker->subnet, 0, &in_pools, &held);
	free += held;
	return free <= most && choose_kept_for_known(a, asker, most) >= free;
}

/* An address from the pools; 0: none. */
static uint32_t choose_dynamic(struct apply *a, const struct lease_asker *asker, uint32_t wanted)
{
	if (lease_is_unknown_time(a) || choose_for_known_only(a, asker))
		return 0;
	if (lease_asker_right_to(a, asker, wanted) == LEASE_RIGHT_POOL &&
		!lease_asker_is_kept(a, asker, wanted) &&
		!lease_asker_is_taken(a, asker, lease_table_find(&a->model->leases, wanted)))
		return wanted;
	struct choose_guarded guarded = {a->model, asker};
	struct pool_guard guard = {&guarded, choose_guard_admits};
	uint64_t hash = table_hash(asker->who->client.data, asker->who->client.len, 0);
	uint32_t ip = pool_map_pick(&a->model->pools, asker->first, asker->last, hash, &guard);
	while (ip == 0 && choose_reclaim(a, asker))
		ip = pool_map_pick(&a->model->pools, asker->first, asker->last, hash, &guard);
	return ip;
}

/* The asker's reserved address, if it can have it now; 0: none or taken (said in the detail). */
static uint32_t choose_reserved(struct apply *a, const struct lease_asker *asker)
{
	uint32_t ip = model_reserved_ip(a->model, asker->subnet, asker->who);
	struct lease_record *record = ip == 0 ? NULL : lease_table_find(&a->model->leases, ip);
	char text[TEXT_IP4_BYTES], left[TEXT_DURATION_BYTES];
	if (ip != 0 && lease_asker_is_kept(a, asker, ip)) {
		internal_refuse(a, OK,
			"reserved address %s of host %s is %s: a pool address until then",
			text_ip4_format(ip, text), asker->host->name,
			model_block_of(a->model, ip) != NULL
				? "in a node's reserve until that gives it back"
				: "kept until every node knows that its reservation changed");
		return 0;
	}
	if (!lease_asker_is_taken(a, asker, record))
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
static uint32_t choose_own(struct apply *a, const struct lease_asker *asker, uint32_t *still_mine)
{
	const struct lease_record *own = lease_asker_own(a, asker);
	if (own == NULL || lease_asker_is_kept(a, asker, own->ip))
		return 0;
	if (lease_is_live(a, own, OFFERED) ||
		lease_asker_right_to(a, asker, own->ip) >= LEASE_RIGHT_POOL)
		return own->ip;
	if (lease_is_live(a, own, BOUND))
		*still_mine = own->ip;
	return 0;
}

uint32_t apply_choose(struct apply *a, struct lease_asker *asker, uint32_t wanted)
{
	const Pxe__Subnet *subnets[MODEL_LINK_SUBNETS_MAX];
	size_t count = model_link_subnets(a->model, asker->link, subnets);
	uint32_t ip = 0, still_mine = 0;
	size_t still_at = 0; /* the subnet that the lease names: its address may be in none now */
	for (size_t i = 0; ip == 0 && i < count; i++) {
		lease_asker_look_at(asker, subnets[i]);
		ip = choose_reserved(a, asker);
	}
	for (size_t i = 0; ip == 0 && i < count; i++) {
		uint32_t before = still_mine;
		lease_asker_look_at(asker, subnets[i]);
		ip = choose_own(a, asker, &still_mine);
		still_at = still_mine != before ? i : still_at;
	}
	for (size_t i = 0; ip == 0 && i < count; i++) {
		lease_asker_look_at(asker, subnets[i]);
		ip = choose_dynamic(a, asker, wanted);
	}
	if (ip == 0 && still_mine != 0) {
		lease_asker_look_at(asker, subnets[still_at]);
		return still_mine;
	}
	if (ip == 0)
		lease_asker_look_at(asker, asker->link);
	return ip;
}

uint32_t apply_choose_reserved(struct apply *a, const struct lease_asker *asker)
{
	const Pxe__Subnet *subnets[MODEL_LINK_SUBNETS_MAX];
	size_t count = model_link_subnets(a->model, asker->link, subnets);
	struct lease_asker at = *asker;
	for (size_t i = 0; i < count; i++) {
		lease_asker_look_at(&at, subnets[i]);
		uint32_t ip = model_reserved_ip(a->model, subnets[i], asker->who);
		if (ip != 0 && !lease_asker_is_kept(a, &at, ip) &&
			!lease_asker_is_taken(a, &at, lease_table_find(&a->model->leases, ip)))
			return ip;
	}
	return 0;
}

Pxe__Verdict apply_choose_none(struct apply *a, const struct lease_asker *asker)
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
	if (choose_for_known_only(a, asker))
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
