/* May this client have this address, and for how long? Each rule stands by itself: what it allows
 * is safe whatever the rest of the cluster does meanwhile. */
#include "node/reserve/reserve_impl.h"

#include "proto/msg/msg_ip4.h"
#include "store/model/levels.h"
#include <assert.h>
#include <string.h>

bool reserve_rule_serves(const struct reserve_view *view)
{
	const Pxe__Member *self = model_member(view->model, view->self);
	return self != NULL && self->role == PXE__MEMBER_ROLE__MEMBER_FULL && !self->removing;
}

static bool is_lease_of(const struct lease *lease, const struct reserve_client *client)
{
	return lease->client_len == client->count &&
	       memcmp(lease->client, client->bytes, client->count) == 0;
}

/* Has what our state says about the address run out, whatever our clock is off by [R4]? */
static bool is_free_for_certain(const struct reserve_view *view, const struct lease *lease)
{
	uint64_t last_ms =
		lease->expires_ms > lease->promised_ms ? lease->expires_ms : lease->promised_ms;
	return view->time_known && view->now_ms > view->time_error_ms &&
	       view->now_ms - view->time_error_ms > MODEL_REST_MS &&
	       view->now_ms - view->time_error_ms - MODEL_REST_MS >= last_ms;
}

/* An earlier life may have granted up to its last moment, and more than MCLT is now. */
uint64_t reserve_rule_over_ms(const struct reserve *reserve, const struct reserve_view *view,
	const struct reserve_entry *entry)
{
	if (!entry->is_old)
		return entry->over_boot_ms;
	uint64_t lease_ms = (uint64_t)entry->lease_s * 1000, mclt_ms = model_mclt_ms(view->model);
	return reserve->start_boot_ms + (lease_ms > mclt_ms ? lease_ms : mclt_ms) +
	       MODEL_MAX_SKEW_MS;
}

/* Does our own memory stand against the client? */
static bool is_taken(const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip)
{
	const struct reserve_entry *entry = reserve_table_entry(&reserve->table, ip);
	if (entry == NULL || entry->is_removing)
		return false;
	if (entry->kind != PXE__JOURNAL_KIND__JOURNAL_LEASE)
		return true;
	if (reserve_same_client(&entry->client, &ask->client))
		return false;
	/* What the cluster may have been told is not ours to judge any more. */
	return entry->is_marked ||
	       ask->view->boot_ms < reserve_rule_over_ms(reserve, ask->view, entry);
}

uint64_t reserve_rule_binding_ms(
	const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip)
{
	const struct reserve_view *view = ask->view;
	struct lease lease;
	if (!view->time_known || !model_lease_of_ip(view->model, ip, &lease) ||
		!is_lease_of(&lease, &ask->client) || strcmp(lease.subnet, ask->subnet->name) != 0)
		return 0;
	/* A release that we know of may have shortened the promise meanwhile: those who know are
	 * counted on. */
	if (lease.state != PXE__LEASE_STATE__LEASE_BOUND || lease.released_ms != 0 ||
		is_taken(reserve, ask, ip))
		return 0;
	uint64_t latest_ms = view->now_ms + view->time_error_ms;
	return lease.promised_ms > latest_ms ? lease.promised_ms - latest_ms : 0;
}

uint64_t reserve_rule_fixed_ms(
	const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip)
{
	const struct reserve_view *view = ask->view;
	struct lease lease;
	if (!model_is_fixed_to(view->model, ask->subnet, ask->who, ip) ||
		model_block_of(view->model, ip) != NULL || is_taken(reserve, ask, ip))
		return 0;
	if (model_lease_of_ip(view->model, ip, &lease)) {
		bool own = is_lease_of(&lease, &ask->client) &&
			   lease.state != PXE__LEASE_STATE__LEASE_DECLINED;
		if (!own && !is_free_for_certain(view, &lease))
			return 0;
	}
	return model_mclt_ms(view->model);
}

/* ---- our own blocks */

const Pxe__Block *reserve_rule_block(const struct reserve_view *view, uint32_t ip)
{
	const Pxe__Block *block = model_block_of(view->model, ip);
	bool ours = block != NULL && block->owner == view->self && block->free_at_ms == 0;
	return ours ? block : NULL;
}

/* Bits of [first, last] in the window that begins at `base`. */
static uint64_t window_bits(uint32_t base, uint32_t first, uint32_t last)
{
	if (last < base || first > base + (MODEL_BLOCK_IPS - 1))
		return 0;
	unsigned low = first > base ? first - base : 0;
	unsigned high = last - base < MODEL_BLOCK_IPS - 1 ? last - base : MODEL_BLOCK_IPS - 1;
	return UINT64_MAX >> (MODEL_BLOCK_IPS - 1 - (high - low)) << low;
}

struct pool_bits {
	const char *subnet;
	uint32_t base;
	uint64_t bits;
};

static bool add_pool(void *ctx, const void *object)
{
	struct pool_bits *search = ctx;
	const Pxe__Pool *pool = object;
	if (strcmp(pool->subnet, search->subnet) != 0)
		return true;
	uint64_t bits =
		window_bits(search->base, msg_ip4_get(pool->first_ip), msg_ip4_get(pool->last_ip));
	for (size_t i = 0; bits != 0 && i < pool->n_exclude; i++)
		bits &= ~window_bits(search->base, msg_ip4_get(pool->exclude[i]->first_ip),
			msg_ip4_get(pool->exclude[i]->last_ip));
	search->bits |= bits;
	return true;
}

static uint64_t bit_of(uint32_t base, const ProtobufCBinaryData *bytes)
{
	uint32_t ip = msg_ip4_get(*bytes);
	return ip != 0 ? window_bits(base, ip, ip) : 0;
}

/* The cluster's own addresses, and those that a reservation names. */
static uint64_t special_bits(
	const struct reserve_view *view, const Pxe__Subnet *subnet, uint32_t base, uint64_t among)
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	const Pxe__Settings *settings = model_settings(view->model);
	size_t count = model_members(view->model, members, MODEL_MEMBERS_MAX);
	uint64_t bits = bit_of(base, &subnet->gateway_ip);
	if (settings != NULL)
		bits |= bit_of(base, &settings->server_ip);
	for (size_t i = 0; i < count && i < MODEL_MEMBERS_MAX; i++)
		bits |= bit_of(base, &members[i]->serve_ip);
	for (unsigned i = 0; i < MODEL_BLOCK_IPS; i++)
		if ((among >> i & 1) != 0 && model_host_of_ip(view->model, base + i) != NULL)
			bits |= (uint64_t)1 << i;
	return bits;
}

uint64_t reserve_rule_usable(const struct reserve_view *view, const Pxe__Block *block)
{
	uint32_t base = msg_ip4_get(block->first_ip);
	struct pool_bits pools = {block->subnet, base, 0};
	const Pxe__Subnet *subnet = model_subnet(view->model, block->subnet);
	if (subnet == NULL)
		return 0;
	model_each(view->model, PXE__OBJECT_KIND__OBJECT_POOL, add_pool, &pools);
	uint64_t bits = block->mask & pools.bits;
	return bits & ~special_bits(view, subnet, base, bits);
}

/* The state cannot know more than that the address was free when we were given it, but that a
 * stranger was found there since. */
static bool is_quarantined(const struct reserve_view *view, uint32_t ip)
{
	struct lease lease;
	return model_lease_of_ip(view->model, ip, &lease) &&
	       lease.state == PXE__LEASE_STATE__LEASE_DECLINED &&
	       !is_free_for_certain(view, &lease);
}

/* Of a usable address of our own blocks: for how long may the client have it? */
static uint64_t own_ms(const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip)
{
	const struct reserve_view *view = ask->view;
	const struct reserve_entry *entry = reserve_table_entry(&reserve->table, ip);
	const struct reserve_offered *offered =
		reserve_table_offered(&reserve->table, ip, view->boot_ms);
	uint64_t mclt_ms = model_mclt_ms(view->model);
	if (offered != NULL && !reserve_same_client(&offered->client, &ask->client))
		return 0;
	if (is_taken(reserve, ask, ip) || is_quarantined(view, ip))
		return 0;
	if (entry == NULL || !entry->is_marked)
		return mclt_ms;
	/* The cluster has been told, or may have been: from when it takes it over it keeps the
	 * address for this client for MCLT, and no longer. */
	if (entry->is_old)
		return 0;
	if (!entry->is_sent)
		return mclt_ms;
	uint64_t age_ms = view->boot_ms - reserve->job.sent_boot_ms;
	return age_ms < mclt_ms ? mclt_ms - age_ms : 0;
}

bool reserve_rule_is_free(const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip)
{
	return own_ms(reserve, ask, ip) > 0;
}

static bool is_bit(const Pxe__Block *block, uint64_t bits, uint32_t ip)
{
	uint32_t bit = ip - msg_ip4_get(block->first_ip);
	return bit < MODEL_BLOCK_IPS && (bits >> bit & 1) != 0;
}

/* By the groups of the address's pool. */
static bool is_admitted(const struct reserve_ask *ask, uint32_t ip)
{
	return model_pool_for(ask->view->model, ask->subnet, ask->who, ip) != NULL;
}

uint64_t reserve_rule_own_ms(
	const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip)
{
	const Pxe__Block *block = reserve_rule_block(ask->view, ip);
	if (block == NULL || strcmp(block->subnet, ask->subnet->name) != 0 ||
		!is_bit(block, reserve_rule_usable(ask->view, block), ip) || !is_admitted(ask, ip))
		return 0;
	return own_ms(reserve, ask, ip);
}

struct pick {
	const struct reserve *reserve;
	const struct reserve_ask *ask;
	uint64_t hash;
	size_t count;       /* blocks of the subnet seen so far */
	size_t from, until; /* of those, the ones to look into */
	uint32_t found;
};

static bool is_pickable(const struct pick *pick, const Pxe__Block *block)
{
	return block->free_at_ms == 0 && strcmp(block->subnet, pick->ask->subnet->name) == 0;
}

static bool count_block(void *ctx, const Pxe__Block *block)
{
	struct pick *pick = ctx;
	pick->count += is_pickable(pick, block);
	return true;
}

static bool look_into_block(void *ctx, const Pxe__Block *block)
{
	struct pick *pick = ctx;
	if (!is_pickable(pick, block))
		return true;
	size_t number = pick->count++;
	if (number < pick->from || number >= pick->until)
		return number < pick->until;
	uint32_t base = msg_ip4_get(block->first_ip);
	uint64_t usable = reserve_rule_usable(pick->ask->view, block);
	for (unsigned i = 0; i < MODEL_BLOCK_IPS; i++) {
		unsigned bit = (unsigned)(pick->hash + i) % MODEL_BLOCK_IPS;
		if ((usable >> bit & 1) == 0 || !is_admitted(pick->ask, base + bit) ||
			own_ms(pick->reserve, pick->ask, base + bit) == 0)
			continue;
		pick->found = base + bit;
		return false;
	}
	return true;
}

static uint32_t look_into(struct pick *pick, size_t from, size_t until)
{
	const struct reserve_view *view = pick->ask->view;
	pick->from = from;
	pick->until = until;
	pick->count = 0;
	model_each_block(view->model, view->self, look_into_block, pick);
	return pick->found;
}

/* By hash of the client, with probing: clients are spread over the blocks, and each comes back to
 * its address. */
static uint32_t pick_by_hash(const struct reserve *reserve, const struct reserve_ask *ask)
{
	struct pick pick = {.reserve = reserve,
		.ask = ask,
		.hash = reserve_hash(ask->client.bytes, ask->client.count)};
	model_each_block(ask->view->model, ask->view->self, count_block, &pick);
	size_t count = pick.count;
	if (count == 0)
		return 0;
	size_t start = (size_t)((pick.hash >> 8) % count);
	uint32_t ip = look_into(&pick, start, count);
	return ip != 0 ? ip : look_into(&pick, 0, start);
}

uint32_t reserve_rule_pick(
	const struct reserve *reserve, const struct reserve_ask *ask, uint32_t wanted_ip)
{
	const struct reserve_entry *entry = NULL;
	const struct reserve_offered *offered =
		reserve_table_offered_to(&reserve->table, &ask->client, ask->view->boot_ms);
	if (offered != NULL && reserve_rule_own_ms(reserve, ask, offered->ip) > 0)
		return offered->ip;
	while ((entry = reserve_table_entry_of(&reserve->table, &ask->client, entry)) != NULL)
		if (reserve_rule_own_ms(reserve, ask, entry->ip) > 0)
			return entry->ip;
	if (wanted_ip != 0 && reserve_rule_own_ms(reserve, ask, wanted_ip) > 0)
		return wanted_ip;
	return pick_by_hash(reserve, ask);
}
