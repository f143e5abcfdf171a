#include "node/reserve/reserve_impl.h"

#include "proto/msg/msg_ip4.h"
#include "store/model/levels.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OVER_MS 1000 /* beyond a thousandth of the lease: clocks do not run alike */

struct reserve *reserve_new(uint64_t boot_ms)
{
	struct reserve *reserve = calloc(1, sizeof *reserve);
	if (reserve == NULL)
		return NULL;
	reserve_table_init(&reserve->table);
	reserve->start_boot_ms = boot_ms;
	reserve->oldest_ms = UINT64_MAX;
	return reserve;
}

void reserve_free(struct reserve *reserve)
{
	free(reserve);
}

int reserve_load(struct reserve *reserve, const uint8_t *value, size_t value_bytes)
{
	struct reserve_entry loaded;
	int result = reserve_entry_decode(value, value_bytes, &loaded);
	if (result < 0)
		return result;
	if (reserve_table_entry(&reserve->table, loaded.ip) != NULL)
		return -EBADMSG;
	struct reserve_entry *entry = reserve_table_add(&reserve->table, loaded.ip, &loaded.client);
	if (entry == NULL)
		return -ENOSPC;
	loaded.is_used = true;
	loaded.version = entry->version;
	*entry = loaded;
	reserve_find_oldest(reserve);
	return 0;
}

void reserve_find_oldest(struct reserve *reserve)
{
	const struct reserve_table *table = &reserve->table;
	uint64_t oldest_ms = UINT64_MAX;
	for (size_t i = 0; i < table->entry_end; i++)
		if (table->entry[i].is_used && table->entry[i].state_ms < oldest_ms)
			oldest_ms = table->entry[i].state_ms;
	reserve->oldest_ms = oldest_ms;
}

/* ---- writes and their numbers */

void reserve_give_write(
	struct reserve *reserve, struct reserve_entry *entry, struct reserve_write *ret_write)
{
	assert(reserve->written == NULL); /* reserve_on_written() was called for the last one */
	if (entry->is_removing) {
		msg_ip4_put(entry->ip, ret_write->key);
		ret_write->value_bytes = 0;
	} else {
		reserve_entry_encode(entry, ret_write);
	}
	entry->number = UINT64_MAX;
	reserve->written = entry;
}

void reserve_on_written(struct reserve *reserve, uint64_t number)
{
	assert(reserve->written != NULL && number > reserve->durable && number < UINT64_MAX);
	reserve->written->number = number;
	reserve->written = NULL;
}

/* What was removed durably is forgotten; the job that removed it waits for that. */
void reserve_on_durable(struct reserve *reserve, uint64_t durable)
{
	struct reserve_job *job = &reserve->job;
	if (durable > reserve->durable)
		reserve->durable = durable;
	if (job->stage != RESERVE_STAGE_DRAIN)
		return;
	bool waits = false, removed = false;
	for (size_t i = 0; i < job->count; i++) {
		struct reserve_entry *entry = &reserve->table.entry[job->slot[i]];
		if (!entry->is_used || !entry->is_removing)
			continue;
		bool gone = entry->number <= reserve->durable;
		if (gone)
			reserve_table_remove(&reserve->table, entry);
		removed = removed || gone;
		waits = waits || !gone;
	}
	if (removed)
		reserve_find_oldest(reserve);
	if (!waits)
		job->stage = RESERVE_STAGE_NONE;
}

/* ---- offers and grants */

static bool begin(const struct reserve_view *view, const Pxe__ClientInfo *who,
	const Pxe__Subnet *subnet, struct reserve_ask *ret_ask)
{
	*ret_ask = (struct reserve_ask){.view = view, .who = who, .subnet = subnet};
	return reserve_rule_serves(view) && reserve_client_of(who, &ret_ask->client);
}

/* Never more than MCLT, nor than the client would get with the quorum; rounded down. */
static bool fill_grant(const struct reserve_ask *ask, enum reserve_source source, uint32_t ip,
	uint64_t left_ms, uint32_t asked_s, struct reserve_grant *ret_grant)
{
	uint64_t mclt_ms = model_mclt_ms(ask->view->model);
	uint64_t lease_s = (left_ms < mclt_ms ? left_ms : mclt_ms) / 1000;
	uint32_t usual_s = model_lease_time_s(ask->view->model, ask->subnet, ask->who, ip, asked_s);
	if (lease_s > usual_s)
		lease_s = usual_s;
	if (lease_s == 0)
		return false;
	*ret_grant = (struct reserve_grant){source, ip, (uint32_t)lease_s};
	return true;
}

static bool offer_binding(const struct reserve *reserve, const struct reserve_ask *ask,
	uint32_t asked_s, struct reserve_grant *ret_grant)
{
	struct lease lease;
	if (!model_lease_of_client(ask->view->model, ask->subnet->name, ask->client.bytes,
		    ask->client.count, &lease))
		return false;
	uint64_t left_ms = reserve_rule_binding_ms(reserve, ask, lease.ip);
	return left_ms >= RESERVE_LEASE_MIN_S * 1000 &&
	       fill_grant(ask, RESERVE_BINDING, lease.ip, left_ms, asked_s, ret_grant);
}

static bool offer_fixed(const struct reserve *reserve, const struct reserve_ask *ask,
	uint32_t asked_s, struct reserve_grant *ret_grant)
{
	uint32_t ip = model_reserved_ip(ask->view->model, ask->subnet, ask->who);
	return ip != 0 && fill_grant(ask, RESERVE_FIXED, ip,
				  reserve_rule_fixed_ms(reserve, ask, ip), asked_s, ret_grant);
}

static bool offer_own(const struct reserve *reserve, const struct reserve_ask *ask,
	uint32_t wanted_ip, uint32_t asked_s, struct reserve_grant *ret_grant)
{
	uint32_t ip = reserve_rule_pick(reserve, ask, wanted_ip);
	return ip != 0 && fill_grant(ask, RESERVE_OWN, ip, reserve_rule_own_ms(reserve, ask, ip),
				  asked_s, ret_grant);
}

/* Whatever is the client's already on any subnet of the link comes before a new address. */
static bool offer_on_link(struct reserve *reserve, struct reserve_ask *ask, uint32_t wanted_ip,
	uint32_t asked_s, struct reserve_grant *ret_grant)
{
	const Pxe__Subnet *subnets[MODEL_LINK_SUBNETS_MAX];
	size_t count = model_link_subnets(ask->view->model, ask->subnet, subnets);
	for (unsigned source = RESERVE_BINDING; source <= RESERVE_OWN; source++) {
		for (size_t i = 0; i < count; i++) {
			ask->subnet = subnets[i];
			if ((source == RESERVE_BINDING &&
				    offer_binding(reserve, ask, asked_s, ret_grant)) ||
				(source == RESERVE_FIXED &&
					offer_fixed(reserve, ask, asked_s, ret_grant)) ||
				(source == RESERVE_OWN &&
					offer_own(reserve, ask, wanted_ip, asked_s, ret_grant)))
				return true;
		}
	}
	return false;
}

bool reserve_offer(struct reserve *reserve, const struct reserve_view *view,
	const Pxe__ClientInfo *who, const Pxe__Subnet *subnet, uint32_t wanted_ip, uint32_t asked_s,
	struct reserve_grant *ret_grant)
{
	struct reserve_ask ask;
	struct reserve_grant grant;
	if (!begin(view, who, subnet, &ask) ||
		!offer_on_link(reserve, &ask, wanted_ip, asked_s, &grant))
		return false;
	bool kept = reserve_table_offer(&reserve->table, grant.ip, &ask.client, view->boot_ms);
	/* The others are this client's whether we remember the offer or not. */
	if (!kept && grant.source == RESERVE_OWN)
		return false;
	*ret_grant = grant;
	return true;
}

static bool find_grant(const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip,
	uint32_t asked_s, struct reserve_grant *ret_grant)
{
	return fill_grant(ask, RESERVE_BINDING, ip, reserve_rule_binding_ms(reserve, ask, ip),
		       asked_s, ret_grant) ||
	       fill_grant(ask, RESERVE_FIXED, ip, reserve_rule_fixed_ms(reserve, ask, ip), asked_s,
		       ret_grant) ||
	       fill_grant(ask, RESERVE_OWN, ip, reserve_rule_own_ms(reserve, ask, ip), asked_s,
		       ret_grant);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The entry says both what the client was told before, if it is the same one, and what it is told
 * now. */
static void note_grant(const struct reserve *reserve, const struct reserve_ask *ask,
	const struct reserve_grant *grant, struct reserve_entry *entry, bool is_new)
{
	const struct reserve_view *view = ask->view;
	uint64_t lease_ms = (uint64_t)grant->lease_s * 1000;
	uint64_t state_ms = model_stamp_ms(view->model);
	uint64_t end_ms = view->boot_ms + lease_ms, over_ms = end_ms + lease_ms / 1000 + OVER_MS;
	bool renews = !is_new && !entry->is_removing &&
		      entry->kind == PXE__JOURNAL_KIND__JOURNAL_LEASE &&
		      reserve_same_client(&entry->client, &ask->client);
	if (renews) {
		over_ms = later(over_ms, reserve_rule_over_ms(reserve, view, entry));
		end_ms = entry->is_old ? end_ms : later(end_ms, entry->end_boot_ms);
		state_ms = entry->state_ms < state_ms ? entry->state_ms : state_ms;
	} else {
		entry->is_marked = false;
		entry->lease_s = 0;
	}
	if (grant->lease_s > entry->lease_s)
		entry->lease_s = grant->lease_s;
	entry->kind = PXE__JOURNAL_KIND__JOURNAL_LEASE;
	entry->is_old = false;
	entry->is_removing = false;
	entry->serial = 0;
	if (grant->source == RESERVE_OWN)
		entry->serial = reserve_rule_block(view, grant->ip)->serial;
	entry->state_ms = state_ms;
	entry->end_boot_ms = end_ms;
	entry->over_boot_ms = over_ms;
	entry->expires_ms = view->time_known ? view->now_ms + (end_ms - view->boot_ms) : 0;
	entry->incarnation = view->incarnation;
	entry->version++;
	reserve_entry_set_who(entry, ask->who);
	snprintf(entry->subnet, sizeof entry->subnet, "%s", ask->subnet->name);
}

bool reserve_grant(struct reserve *reserve, const struct reserve_view *view,
	const Pxe__ClientInfo *who, const Pxe__Subnet *subnet, uint32_t ip, uint32_t asked_s,
	struct reserve_grant *ret_grant, struct reserve_write *ret_write)
{
	struct reserve_ask ask;
	struct reserve_grant grant;
	const Pxe__Subnet *own = model_subnet_on_link(view->model, subnet, ip);
	if (!begin(view, who, own != NULL ? own : subnet, &ask) ||
		!find_grant(reserve, &ask, ip, asked_s, &grant))
		return false;
	struct reserve_entry *entry = reserve_table_entry(&reserve->table, ip);
	bool is_new = entry == NULL;
	if (is_new)
		entry = reserve_table_add(&reserve->table, ip, &ask.client);
	if (entry == NULL)
		return false;
	bool was_oldest = !is_new && entry->state_ms == reserve->oldest_ms;
	note_grant(reserve, &ask, &grant, entry, is_new);
	reserve_table_set_client(&reserve->table, entry, &ask.client);
	if (was_oldest && entry->state_ms > reserve->oldest_ms)
		reserve_find_oldest(reserve);
	else if (entry->state_ms < reserve->oldest_ms)
		reserve->oldest_ms = entry->state_ms;
	struct reserve_offered *offered = reserve_table_offered(&reserve->table, ip, view->boot_ms);
	if (offered != NULL && reserve_same_client(&offered->client, &ask.client))
		reserve_table_withdraw(&reserve->table, offered);
	reserve_give_write(reserve, entry, ret_write);
	*ret_grant = grant;
	return true;
}

/* The client's entry at the address, if the cluster does not know of it. */
static struct reserve_entry *entry_of(
	const struct reserve *reserve, const Pxe__ClientInfo *who, uint32_t ip)
{
	struct reserve_client client;
	struct reserve_entry *entry = reserve_table_entry(&reserve->table, ip);
	bool known = entry != NULL && !entry->is_removing &&
		     entry->kind == PXE__JOURNAL_KIND__JOURNAL_LEASE &&
		     reserve_client_of(who, &client) &&
		     reserve_same_client(&entry->client, &client);
	return known ? entry : NULL;
}

bool reserve_decline(struct reserve *reserve, const struct reserve_view *view,
	const Pxe__ClientInfo *who, uint32_t ip, struct reserve_write *ret_write)
{
	struct reserve_entry *entry = entry_of(reserve, who, ip);
	if (entry == NULL || view->boot_ms >= reserve_rule_over_ms(reserve, view, entry))
		return false;
	entry->kind = PXE__JOURNAL_KIND__JOURNAL_DECLINED;
	entry->version++;
	reserve_give_write(reserve, entry, ret_write);
	return true;
}

bool reserve_knows(const struct reserve *reserve, const struct reserve_view *view,
	const Pxe__ClientInfo *who, uint32_t ip)
{
	struct reserve_client client;
	const struct reserve_entry *entry = entry_of(reserve, who, ip);
	const struct reserve_offered *offered =
		reserve_table_offered(&reserve->table, ip, view->boot_ms);
	if (entry != NULL && view->boot_ms < reserve_rule_over_ms(reserve, view, entry))
		return true;
	return offered != NULL && reserve_client_of(who, &client) &&
	       reserve_same_client(&offered->client, &client);
}

/* ---- what there is */

void reserve_state(const struct reserve *reserve, unsigned *ret_count, uint64_t *ret_oldest_ms)
{
	*ret_count = (unsigned)reserve->table.entry_count;
	*ret_oldest_ms = reserve->oldest_ms;
}

struct usage {
	const struct reserve *reserve;
	struct reserve_ask ask; /* of a client that there is not */
	uint32_t total, free;
};

static bool add_block(void *ctx, const Pxe__Block *block)
{
	struct usage *usage = ctx;
	const struct reserve_view *view = usage->ask.view;
	uint32_t base = msg_ip4_get(block->first_ip);
	uint64_t usable = block->free_at_ms == 0 ? reserve_rule_usable(view, block) : 0;
	for (unsigned i = 0; i < MODEL_BLOCK_IPS; i++) {
		if ((block->mask >> i & 1) == 0)
			continue;
		usage->total++;
		if ((usable >> i & 1) != 0 &&
			reserve_rule_is_free(usage->reserve, &usage->ask, base + i))
			usage->free++;
	}
	return true;
}

void reserve_usage(const struct reserve *reserve, const struct reserve_view *view,
	uint32_t *ret_total, uint32_t *ret_free, uint32_t *ret_leased)
{
	struct usage usage = {.reserve = reserve, .ask = {.view = view}};
	const struct reserve_table *table = &reserve->table;
	model_each_block(view->model, view->self, add_block, &usage);
	*ret_total = usage.total;
	*ret_free = usage.free;
	*ret_leased = 0;
	for (size_t i = 0; i < table->entry_end; i++) {
		const struct reserve_entry *entry = &table->entry[i];
		if (entry->is_used && !entry->is_removing &&
			entry->kind == PXE__JOURNAL_KIND__JOURNAL_LEASE &&
			view->boot_ms < reserve_rule_over_ms(reserve, view, entry))
			++*ret_leased;
	}
}
