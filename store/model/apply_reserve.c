/* store/model/apply_reserve.c: blocks of free addresses that only their owner leases [R1]. Pure.
 *
 *   free --give--> in a block --merge--> leased
 *     ^                |
 *     '---- return ----'---- owner removed by force, and its leases are over [R7] ---> free
 *
 * No lease record stands for an address that is in a block, and no address is in two. A bit of a
 * block is cleared only by its owner's own word, or when the owner can have no lease running any
 * more; so whatever old state another node acts on, it never leases the address, and the owner's
 * own old state is made good by its journal [R2].
 */
#include "store/model/check.h"
#include "store/model/keep.h"
#include <string.h>

#define OK       PXE__VERDICT__VERDICT_OK
#define INVALID  PXE__VERDICT__VERDICT_INVALID
#define CONFLICT PXE__VERDICT__VERDICT_CONFLICT

#define RESERVE_GIVE_MAX   1024  /* addresses of one command */
#define RESERVE_PARTS_MAX  1024  /* of one return */
#define RESERVE_BLOCKS_MAX 65536 /* in the state */

static Pxe__Block *reserve_copy(const Pxe__Block *block)
{
	return (Pxe__Block *)keep_copy(&block->base);
}

static void reserve_remove(struct apply *a, uint64_t serial)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t bytes = record_key_u64(RECORD_BLOCK, serial, key);
	keep_remove(a->model, a->sink, RECORD_BLOCK, key + 1, bytes - 1);
}

void apply_reserve_clear(struct apply *a, const Pxe__Block *block, uint64_t mask)
{
	if ((block->mask & ~mask) == 0) {
		reserve_remove(a, block->serial);
		return;
	}
	Pxe__Block *copy = reserve_copy(block);
	copy->mask &= ~mask;
	keep_message(a->model, a->sink, RECORD_BLOCK, &copy->base);
}

/* ---- give ---- */

struct reserve_gift {
	uint64_t owner;
	const char *subnet;
	uint32_t left; /* addresses still to be given */
};

static unsigned reserve_count(uint64_t mask)
{
	return (unsigned)__builtin_popcountll(mask);
}

/* The highest addresses of a window, at most `max`. */
static uint64_t reserve_highest(uint64_t mask, uint32_t max)
{
	for (unsigned excess = reserve_count(mask); excess > max; excess--)
		mask &= mask - 1;
	return mask;
}

static void reserve_give_window(
	struct apply *a, struct reserve_gift *gift, uint32_t first_ip, uint64_t mask)
{
	uint8_t ip_bytes[4];
	msg_ip4_put(first_ip, ip_bytes);
	Pxe__Block block = PXE__BLOCK__INIT;
	block.serial = ++a->model->serial;
	block.owner = gift->owner;
	block.first_ip = (ProtobufCBinaryData){.len = sizeof(ip_bytes), .data = ip_bytes};
	block.mask = mask;
	block.subnet = (char *)(uintptr_t)gift->subnet;
	keep_message(a->model, a->sink, RECORD_BLOCK, &reserve_copy(&block)->base);
	gift->left -= reserve_count(mask);
}

/* From the top of a span downward: whole windows only, or whatever is free. */
static void reserve_give_span(
	struct apply *a, struct reserve_gift *gift, const struct pool_span *span, bool whole)
{
	uint32_t lowest = span->first / MODEL_BLOCK_IPS;
	for (uint32_t window = span->last / MODEL_BLOCK_IPS + 1; window > lowest; window--) {
		uint32_t first_ip = (window - 1) * MODEL_BLOCK_IPS;
		if (gift->left == 0 || (whole && gift->left < MODEL_BLOCK_IPS))
			return;
		uint64_t mask = pool_map_window(span, first_ip);
		if (mask != 0 && (!whole || mask == UINT64_MAX))
			reserve_give_window(a, gift, first_ip, reserve_highest(mask, gift->left));
	}
}

static void reserve_give_subnet(
	struct apply *a, struct reserve_gift *gift, const Pxe__Subnet *subnet)
{
	const struct pool_map *pools = &a->model->pools;
	uint32_t first, last;
	size_t begin;
	internal_subnet_range(subnet, &first, &last);
	size_t end = pool_map_spans_in(pools, first, last, &begin);
	for (size_t i = end; i > begin; i--)
		reserve_give_span(a, gift, &pools->spans[i - 1], true);
	for (size_t i = end; i > begin; i--)
		reserve_give_span(a, gift, &pools->spans[i - 1], false);
}

static Pxe__Verdict reserve_may_own(struct apply *a, uint64_t owner)
{
	const Pxe__Member *member = model_member(a->model, owner);
	if (member == NULL)
		return internal_refuse(
			a, PXE__VERDICT__VERDICT_NOT_FOUND, "there is no such member (any more)");
	if (member->role != PXE__MEMBER_ROLE__MEMBER_FULL || member->removing)
		return internal_refuse(a, CONFLICT, "%s %s: it needs no reserve", member->name,
			member->removing ? "is leaving" : "serves nothing");
	if (a->model->shelf[RECORD_MEMBER].count < 2)
		return internal_refuse(
			a, CONFLICT, "%s is the only member: it needs no reserve", member->name);
	if (a->now_ms < a->model->unknown_until_ms)
		return internal_refuse(a, CONFLICT,
			"leases that are not known may still run: no reserves are given");
	return OK;
}

Pxe__Verdict apply_reserve_give(struct apply *a, const Pxe__ReserveGive *give)
{
	if (give->count == 0)
		return internal_refuse(a, INVALID, "0 addresses: give 1 to %d", RESERVE_GIVE_MAX);
	Pxe__Verdict verdict = reserve_may_own(a, give->owner);
	if (verdict != OK)
		return verdict;
	const Pxe__Subnet *subnet = model_subnet(a->model, give->subnet);
	if (subnet == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NO_SUBNET,
			"the subnet is not configured: see pxectl subnet list");
	if (a->model->shelf[RECORD_BLOCK].count + RESERVE_GIVE_MAX > RESERVE_BLOCKS_MAX)
		return internal_refuse(a, PXE__VERDICT__VERDICT_LIMIT,
			"the reserves are in %d pieces, the limit", RESERVE_BLOCKS_MAX);
	uint32_t count = give->count < RESERVE_GIVE_MAX ? give->count : RESERVE_GIVE_MAX;
	struct reserve_gift gift = {.owner = give->owner, .subnet = subnet->name, .left = count};
	reserve_give_subnet(a, &gift, subnet);
	if (gift.left == count)
		return internal_refuse(a, PXE__VERDICT__VERDICT_POOL_FULL,
			"no address of subnet %s is free", subnet->name);
	keep_clock(a->model, a->sink);
	return OK;
}

/* ---- return ---- */

Pxe__Verdict apply_reserve_return(struct apply *a, const Pxe__ReserveReturn *given)
{
	if (given->n_part == 0 || given->n_part > RESERVE_PARTS_MAX)
		return internal_refuse(a, INVALID, "%zu parts of blocks: give 1 to %d",
			given->n_part, RESERVE_PARTS_MAX);
	uint64_t returned = 0;
	for (size_t i = 0; i < given->n_part; i++) {
		const Pxe__BlockPart *part = given->part[i];
		const Pxe__Block *block = model_block(a->model, part->serial);
		if (block == NULL || block->owner != a->command->origin)
			continue;
		uint64_t mask = block->mask & part->mask;
		if (mask == 0)
			continue;
		apply_reserve_clear(a, block, mask);
		returned += reserve_count(mask);
	}
	if (returned == 0)
		return internal_refuse(a, PXE__VERDICT__VERDICT_STALE,
			"none of the addresses is in a block of this member");
	return OK;
}

/* ---- owners that were removed by force ---- */

/* The next block from this serial on that `owner` has; NULL: none. Serials only grow. */
static const Pxe__Block *reserve_next_of(
	const struct model *model, uint64_t owner, bool is_orphan, uint64_t from_serial)
{
	uint8_t key[RECORD_KEY_MAX];
	const struct shelf *blocks = &model->shelf[RECORD_BLOCK];
	size_t bytes = record_key_u64(RECORD_BLOCK, from_serial, key);
	for (size_t i = shelf_lower_bound(blocks, key, bytes); i < blocks->count; i++) {
		const Pxe__Block *block = (const Pxe__Block *)blocks->records[i]->message;
		if ((owner == 0 || block->owner == owner) && (block->free_at_ms != 0) == is_orphan)
			return block;
	}
	return NULL;
}

void apply_reserve_orphan(struct apply *a, uint64_t owner, uint64_t free_at_ms)
{
	const Pxe__Block *block;
	uint64_t serial = 0;
	while ((block = reserve_next_of(a->model, owner, false, serial)) != NULL) {
		Pxe__Block *copy = reserve_copy(block);
		serial = block->serial;
		copy->free_at_ms = free_at_ms;
		keep_message(a->model, a->sink, RECORD_BLOCK, &copy->base);
	}
}

void apply_reserve_drop_all(struct apply *a)
{
	const struct shelf *blocks = &a->model->shelf[RECORD_BLOCK];
	while (blocks->count > 0) {
		const struct shelf_record *last = blocks->records[blocks->count - 1];
		reserve_remove(a, ((const Pxe__Block *)last->message)->serial);
	}
}

bool apply_reserve_sweep_due(const struct model *model, uint64_t now_ms)
{
	uint64_t serial = 0;
	const Pxe__Block *block;
	while (model->reserves.orphans > 0 &&
		(block = reserve_next_of(model, 0, true, serial)) != NULL) {
		if (block->free_at_ms <= now_ms)
			return true;
		serial = block->serial + 1;
	}
	return false;
}

uint32_t apply_reserve_sweep(struct apply *a, uint32_t max)
{
	uint32_t removed = 0;
	uint64_t serial = 0;
	const Pxe__Block *block;
	while (removed < max && a->model->reserves.orphans > 0 &&
		(block = reserve_next_of(a->model, 0, true, serial)) != NULL) {
		serial = block->serial + 1;
		if (block->free_at_ms > a->now_ms)
			continue;
		reserve_remove(a, block->serial);
		removed++;
	}
	return removed;
}
