/* store/model/lookup_reserve.c: reading of reserves, and of what a node may do without the quorum.
 * Pure. */
#include "store/model/keep.h"
#include "store/model/levels.h"

#define LOOKUP_RESERVE_PERCENT 50 /* what settings of 0 mean */

const Pxe__Block *model_block(const struct model *model, uint64_t serial)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t bytes = record_key_u64(RECORD_BLOCK, serial, key);
	return (const Pxe__Block *)keep_find(model, RECORD_BLOCK, key + 1, bytes - 1);
}

void model_each_block(const struct model *model, uint64_t owner,
	bool (*visit)(void *ctx, const Pxe__Block *block), void *ctx)
{
	const struct shelf *blocks = &model->shelf[RECORD_BLOCK];
	for (size_t i = 0; i < blocks->count; i++) {
		const Pxe__Block *block = (const Pxe__Block *)blocks->records[i]->message;
		if ((owner == 0 || block->owner == owner) && !visit(ctx, block))
			return;
	}
}

bool model_has_block(const struct model *model, uint64_t owner)
{
	const struct shelf *blocks = &model->shelf[RECORD_BLOCK];
	for (size_t i = 0; i < blocks->count; i++) {
		const Pxe__Block *block = (const Pxe__Block *)blocks->records[i]->message;
		if (block->owner == owner && block->free_at_ms == 0)
			return true;
	}
	return false;
}

/* Addresses that members hold in the range, and of these one member's. */
static uint64_t lookup_held(const struct model *model, const Pxe__Subnet *subnet, uint64_t owner)
{
	uint64_t held = 0;
	uint32_t first, last;
	internal_subnet_range(subnet, &first, &last);
	const struct shelf *blocks = &model->shelf[RECORD_BLOCK];
	for (size_t i = 0; i < blocks->count; i++) {
		const Pxe__Block *block = (const Pxe__Block *)blocks->records[i]->message;
		if (block->free_at_ms != 0 || (owner != 0 && block->owner != owner))
			continue;
		uint32_t ip = msg_ip4_get(block->first_ip), end = ip + (MODEL_BLOCK_IPS - 1);
		uint64_t mask = block->mask;
		/* A small subnet has a part of the window. */
		if (ip > last || end < first)
			continue;
		if (ip < first)
			mask &= UINT64_MAX << (first - ip);
		if (end > last)
			mask &= UINT64_MAX >> (end - last);
		held += (uint64_t)__builtin_popcountll(mask);
	}
	return held;
}

void model_reserve_usage(const struct model *model, const Pxe__Subnet *subnet, uint64_t owner,
	uint64_t *ret_free, uint64_t *ret_held)
{
	uint32_t first, last;
	size_t begin;
	internal_subnet_range(subnet, &first, &last);
	size_t end = pool_map_spans_in(&model->pools, first, last, &begin);
	*ret_free = 0;
	for (size_t i = begin; i < end; i++)
		*ret_free += model->pools.spans[i].free_count;
	*ret_held = lookup_held(model, subnet, owner);
}

static bool lookup_has_reserve(const Pxe__Member *member)
{
	return member != NULL && member->role == PXE__MEMBER_ROLE__MEMBER_FULL && !member->removing;
}

uint64_t model_reserve_target(const struct model *model, const Pxe__Subnet *subnet, uint64_t member)
{
	const struct shelf *members = &model->shelf[RECORD_MEMBER];
	/* While leases are out that nobody knows, the node's own block is all that it can lease. */
	if (model->stamp_ms < model->unknown_until_ms)
		return lookup_held(model, subnet, member);
	if (!lookup_has_reserve(model_member(model, member)) || members->count < 2)
		return 0;
	uint64_t sharers = 0, free, held;
	for (size_t i = 0; i < members->count; i++) {
		if (lookup_has_reserve((const Pxe__Member *)members->records[i]->message))
			sharers++;
	}
	const Pxe__Settings *settings = model_settings(model);
	uint32_t percent = settings != NULL ? settings->reserve_percent : 0;
	if (percent == 0)
		percent = LOOKUP_RESERVE_PERCENT;
	model_reserve_usage(model, subnet, 0, &free, &held);
	return (free + held) * percent / 100 / sharers;
}

bool internal_lease_is_of(
	const struct model *model, const struct lease_record *record, const Pxe__ClientInfo *who)
{
	ProtobufCBinaryData client = {.len = record->client_bytes,
		.data = (uint8_t *)(uintptr_t)lease_record_client(record)};
	if (client.len > 0 && internal_same_bytes(client, who->client))
		return true;
	const Pxe__Host *host = model_machine_of(model, who);
	return host != NULL && internal_machine_of_lease(model, record) == host;
}

bool model_is_fixed_to(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, uint32_t ip)
{
	const Pxe__Host *host = model_machine_of(model, who);
	const char *name;
	if (ip == 0 || host == NULL ||
		internal_ignored_by(model, subnet, who, host, &name) != NULL ||
		model_host_of(model, who, NULL) != host ||
		model_reserved_ip(model, subnet, who) != ip)
		return false;
	/* An offer or a lease that was there before the reservation may go on: who does not know
	 * better leaves it alone, whatever its own clock says. */
	const struct lease_record *record = lease_table_find(&model->leases, ip);
	if (record != NULL && !internal_lease_is_of(model, record, who))
		return false;
	return model_block_of(model, ip) == NULL && internal_hold_admits(model, ip, who);
}

uint64_t model_settled_ms(const struct model *model)
{
	return model->settled_ms;
}

uint64_t model_settle_after_ms(const struct model *model)
{
	return model->settle_after_ms;
}

uint64_t model_unknown_until_ms(const struct model *model)
{
	return model->unknown_until_ms;
}

uint64_t model_merge_conflicts(const struct model *model)
{
	return model->merge_conflicts;
}

uint64_t model_mclt_ms(const struct model *model)
{
	const Pxe__Settings *settings = model_settings(model);
	uint32_t mclt_s = settings != NULL ? settings->mclt_s : 0;
	return (uint64_t)(mclt_s != 0 ? mclt_s : INTERNAL_MCLT_S) * 1000;
}

uint64_t model_mclt_bound_ms(const struct model *model)
{
	uint64_t now_ms = model_mclt_ms(model), was_ms = (uint64_t)model->mclt_was_s * 1000;
	return now_ms > was_ms ? now_ms : was_ms;
}

uint64_t internal_off_at_ms(const struct model *model, uint64_t now_ms)
{
	uint64_t mclt_ms = model_mclt_bound_ms(model);
	return internal_after(now_ms, mclt_ms + MODEL_REST_MS);
}

uint64_t internal_quarantine_ms(const struct model *model)
{
	const Pxe__Settings *settings = model_settings(model);
	uint32_t set_s = settings != NULL ? settings->decline_s : 0;
	uint64_t time_ms = (uint64_t)(set_s != 0 ? set_s : INTERNAL_DECLINE_S) * 1000;
	return time_ms > MODEL_REST_MS ? time_ms : MODEL_REST_MS;
}

uint64_t model_epoch(const struct model *model)
{
	const Pxe__Settings *settings = model_settings(model);
	return settings != NULL ? settings->epoch : 0;
}
