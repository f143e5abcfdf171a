/* What the cluster is told when it can be: the journal is merged [R6], addresses that are too many
 * or no longer to be leased are given back. One thing at a time; see struct reserve_job. */
#include "node/reserve/reserve_impl.h"

#include "proto/msg/msg_ip4.h"
#include <assert.h>
#include <string.h>

#define RETRY_MS      1000 /* after a verdict that refused everything */
#define RETURN_MS     1000 /* every subnet is looked at once in this time, or a little more */
#define RETURN_MIN_MS 20

/* ---- what is next */

/* Still in our block: so nothing that we told of it was merged or taken back. */
static bool is_still_ours(const struct reserve_view *view, const struct reserve_entry *entry)
{
	const Pxe__Block *block = reserve_rule_block(view, entry->ip);
	return entry->serial != 0 && block != NULL && block->serial == entry->serial;
}

static enum reserve_kind kind_of(const struct reserve *reserve, const struct reserve_view *view,
	const struct reserve_entry *entry)
{
	bool ours = is_still_ours(view, entry);
	switch ((unsigned)entry->kind) {
	case PXE__JOURNAL_KIND__JOURNAL_RETURNED:
		return ours ? RESERVE_KIND_RETURN : RESERVE_KIND_DROP;
	case PXE__JOURNAL_KIND__JOURNAL_LEASE: break;
	default: return RESERVE_KIND_MERGE;
	}
	bool over = view->boot_ms >= reserve_rule_over_ms(reserve, view, entry);
	return over && ours && !entry->is_marked ? RESERVE_KIND_DROP : RESERVE_KIND_MERGE;
}

static void choose_entries(struct reserve *reserve, const struct reserve_view *view)
{
	struct reserve_job *job = &reserve->job;
	size_t max = 0;
	job->kind = RESERVE_KIND_NONE;
	for (size_t i = 0; i < reserve->table.entry_end; i++) {
		const struct reserve_entry *entry = &reserve->table.entry[i];
		if (!entry->is_used || entry->is_removing)
			continue;
		enum reserve_kind kind = kind_of(reserve, view, entry);
		if (job->kind == RESERVE_KIND_NONE) {
			job->kind = kind;
			max = kind == RESERVE_KIND_MERGE ? RESERVE_MERGE_MAX : RESERVE_RETURN_MAX;
		}
		if (kind != job->kind)
			continue;
		job->version[job->count] = entry->version;
		job->slot[job->count++] = (uint16_t)i;
		if (job->count == max)
			return;
	}
}

struct too_many {
	struct reserve *reserve;
	const struct reserve_view *view;
	const Pxe__Subnet *subnet;
	bool leaves;     /* the node: no offer of it stands any more */
	uint64_t excess; /* addresses of the subnet that we are to hold no longer */
};

static void give_back(struct too_many *too_many, const Pxe__Block *block, uint32_t ip)
{
	const struct reserve_client nobody = {.count = 0};
	struct reserve *reserve = too_many->reserve;
	struct reserve_job *job = &reserve->job;
	struct reserve_entry *entry = reserve_table_add(&reserve->table, ip, &nobody);
	if (entry == NULL)
		return;
	entry->kind = PXE__JOURNAL_KIND__JOURNAL_RETURNED;
	entry->serial = block->serial;
	entry->state_ms = model_stamp_ms(too_many->view->model);
	entry->incarnation = too_many->view->incarnation;
	entry->number = UINT64_MAX;
	if (entry->state_ms < reserve->oldest_ms)
		reserve->oldest_ms = entry->state_ms;
	job->kind = RESERVE_KIND_RETURN;
	job->version[job->count] = entry->version;
	job->slot[job->count++] = reserve_table_slot(&reserve->table, entry);
}

/* From the end of a block on: the start is where clients are sent first. */
static bool give_back_of_block(void *ctx, const Pxe__Block *block)
{
	struct too_many *too_many = ctx;
	const struct reserve_view *view = too_many->view;
	const struct reserve_table *table = &too_many->reserve->table;
	bool homeless = model_subnet(view->model, block->subnet) == NULL;
	if (!homeless && strcmp(block->subnet, too_many->subnet->name) != 0)
		return true;
	uint32_t base = msg_ip4_get(block->first_ip);
	uint64_t usable = reserve_rule_usable(view, block);
	for (unsigned i = MODEL_BLOCK_IPS; i-- > 0;) {
		bool misplaced = (usable >> i & 1) == 0;
		if ((block->mask >> i & 1) == 0 || (!misplaced && too_many->excess == 0) ||
			reserve_table_entry(table, base + i) != NULL ||
			(!too_many->leaves &&
				reserve_table_offered(table, base + i, view->boot_ms) != NULL))
			continue;
		if (too_many->reserve->job.count == RESERVE_RETURN_MAX)
			return false;
		give_back(too_many, block, base + i);
		too_many->excess -= !misplaced;
	}
	return true;
}

struct nth_subnet {
	size_t at, wanted;
	const Pxe__Subnet *subnet;
};

static bool visit_subnet(void *ctx, const void *object)
{
	struct nth_subnet *search = ctx;
	if (search->at++ == search->wanted)
		search->subnet = object;
	return true;
}

/* Addresses of the subnet that are to be given back. A pool that has nothing left gets all that is
 * above the target: its clients wait for it. */
static uint64_t excess_of(const struct reserve_view *view, const Pxe__Subnet *subnet)
{
	uint64_t free_count, held, target = 0;
	if (reserve_rule_serves(view))
		target = model_reserve_target(view->model, subnet, view->self);
	model_reserve_usage(view->model, subnet, view->self, &free_count, &held);
	uint64_t slack = free_count == 0 ? 0 : target / 4;
	return held > target + slack ? held - target : 0;
}

/* One subnet at a time; blocks of subnets that are gone with any. A node that leaves gives
 * everything back. */
static void choose_returns(struct reserve *reserve, const struct reserve_view *view)
{
	if (view->boot_ms < reserve->return_boot_ms)
		return;
	struct nth_subnet search = {.wanted = reserve->return_subnet};
	model_each(view->model, PXE__OBJECT_KIND__OBJECT_SUBNET, visit_subnet, &search);
	uint64_t pause_ms = search.at > 0 ? RETURN_MS / search.at : RETURN_MS;
	reserve->return_boot_ms =
		view->boot_ms + (pause_ms > RETURN_MIN_MS ? pause_ms : RETURN_MIN_MS);
	reserve->return_subnet = search.subnet != NULL ? reserve->return_subnet + 1 : 0;
	if (search.subnet == NULL && search.at > 0) { /* the last one was seen: from the start */
		reserve->return_boot_ms = view->boot_ms;
		return;
	}
	struct too_many too_many = {.reserve = reserve,
		.view = view,
		.subnet = search.subnet,
		.leaves = !reserve_rule_serves(view)};
	if (search.subnet != NULL)
		too_many.excess = excess_of(view, search.subnet);
	model_each_block(view->model, view->self, give_back_of_block, &too_many);
	if (reserve->job.count > 0) {
		reserve->return_boot_ms = view->boot_ms; /* there may be more */
		reserve->return_subnet = search.wanted;
	}
}

static void choose(struct reserve *reserve, const struct reserve_view *view)
{
	struct reserve_job *job = &reserve->job;
	if (view->boot_ms < job->retry_boot_ms)
		return;
	job->count = 0;
	job->at = 0;
	choose_entries(reserve, view);
	if (job->count == 0)
		choose_returns(reserve, view);
	if (job->count > 0)
		job->stage =
			job->kind == RESERVE_KIND_DROP ? RESERVE_STAGE_REMOVE : RESERVE_STAGE_MARK;
}

/* ---- what is to be written */

static bool must_be_written_first(const struct reserve_job *job, const struct reserve_entry *entry)
{
	if (job->kind == RESERVE_KIND_RETURN)
		return entry->number == UINT64_MAX;
	return entry->kind == PXE__JOURNAL_KIND__JOURNAL_LEASE && entry->serial != 0 &&
	       !entry->is_marked;
}

/* true: there is one to be written. */
static bool mark_next(struct reserve *reserve, struct reserve_write *ret_write)
{
	struct reserve_job *job = &reserve->job;
	while (job->at < job->count) {
		struct reserve_entry *entry = &reserve->table.entry[job->slot[job->at++]];
		if (!must_be_written_first(job, entry))
			continue;
		entry->is_marked = true;
		reserve_give_write(reserve, entry, ret_write);
		return true;
	}
	job->stage = RESERVE_STAGE_SEND;
	return false;
}

/* What changed since it was told is told again later. */
static bool remove_next(struct reserve *reserve, struct reserve_write *ret_write)
{
	struct reserve_job *job = &reserve->job;
	while (job->at < job->count) {
		size_t at = job->at++;
		struct reserve_entry *entry = &reserve->table.entry[job->slot[at]];
		if (entry->version != job->version[at])
			continue;
		entry->is_removing = true;
		reserve_give_write(reserve, entry, ret_write);
		return true;
	}
	job->stage = RESERVE_STAGE_DRAIN;
	reserve_on_durable(reserve, reserve->durable);
	return false;
}

/* ---- what is to be proposed */

static bool is_durable(const struct reserve *reserve)
{
	const struct reserve_job *job = &reserve->job;
	for (size_t i = 0; i < job->count; i++)
		if (reserve->table.entry[job->slot[i]].number > reserve->durable)
			return false;
	return true;
}

/* An address whose lease was over may have gone to another client since it was marked. */
static bool is_marked(const struct reserve *reserve)
{
	const struct reserve_job *job = &reserve->job;
	for (size_t i = 0; i < job->count; i++)
		if (must_be_written_first(job, &reserve->table.entry[job->slot[i]]))
			return false;
	return true;
}

/* An entry of a block that was merged before, and whose lease our client got since, extends that
 * lease. */
static uint64_t serial_to_tell(const struct reserve_view *view, const struct reserve_entry *entry)
{
	struct lease lease;
	if (entry->serial == 0 || is_still_ours(view, entry) ||
		!model_lease_of_ip(view->model, entry->ip, &lease))
		return entry->serial;
	bool same = lease.state == PXE__LEASE_STATE__LEASE_BOUND &&
		    lease.client_len == entry->client.count &&
		    memcmp(lease.client, entry->client.bytes, lease.client_len) == 0;
	return same ? 0 : entry->serial;
}

/* As the client was told, now that the time is known. */
static uint64_t expires_to_tell(const struct reserve_view *view, const struct reserve_entry *entry)
{
	if (entry->is_old || !view->time_known)
		return 0;
	if (entry->end_boot_ms >= view->boot_ms)
		return view->now_ms + (entry->end_boot_ms - view->boot_ms);
	uint64_t ago_ms = view->boot_ms - entry->end_boot_ms;
	return view->now_ms > ago_ms ? view->now_ms - ago_ms : 1;
}

static void fill_merge(struct reserve *reserve, const struct reserve_view *view)
{
	struct reserve_message *message = &reserve->message;
	struct reserve_job *job = &reserve->job;
	assert(job->count <= RESERVE_MERGE_MAX);
	pxe__merge__init(&message->merge);
	for (size_t i = 0; i < job->count; i++) {
		const struct reserve_entry *entry = &reserve->table.entry[job->slot[i]];
		Pxe__IsolatedLease *lease = &message->lease[i];
		pxe__isolated_lease__init(lease);
		msg_ip4_put(entry->ip, message->ip[i]);
		reserve_entry_who(entry, &message->who[i]);
		lease->ip = (ProtobufCBinaryData){4, message->ip[i]};
		lease->who = &message->who[i];
		lease->subnet = (char *)(uintptr_t)entry->subnet;
		lease->serial = serial_to_tell(view, entry);
		lease->expires_ms = expires_to_tell(view, entry);
		lease->declined = entry->kind == PXE__JOURNAL_KIND__JOURNAL_DECLINED;
		message->leases[i] = lease;
	}
	message->merge.n_lease = job->count;
	message->merge.lease = message->leases;
	message->command.op_case = PXE__COMMAND__OP_MERGE;
	message->command.merge = &message->merge;
}

static Pxe__BlockPart *part_of(struct reserve_message *message, uint64_t serial)
{
	size_t count = message->give_back.n_part;
	for (size_t i = count; i-- > 0;)
		if (message->part[i].serial == serial)
			return &message->part[i];
	Pxe__BlockPart *part = &message->part[count];
	pxe__block_part__init(part);
	part->serial = serial;
	message->parts[count] = part;
	message->give_back.n_part = count + 1;
	return part;
}

static void fill_return(struct reserve *reserve)
{
	struct reserve_message *message = &reserve->message;
	const struct reserve_job *job = &reserve->job;
	pxe__reserve_return__init(&message->give_back);
	for (size_t i = 0; i < job->count; i++) {
		const struct reserve_entry *entry = &reserve->table.entry[job->slot[i]];
		part_of(message, entry->serial)->mask |= (uint64_t)1
							 << (entry->ip % MODEL_BLOCK_IPS);
	}
	message->give_back.part = message->parts;
	message->command.op_case = PXE__COMMAND__OP_RESERVE_RETURN;
	message->command.reserve_return = &message->give_back;
}

static void set_sent(struct reserve *reserve, bool is_sent)
{
	struct reserve_job *job = &reserve->job;
	for (size_t i = 0; i < job->count; i++)
		reserve->table.entry[job->slot[i]].is_sent = is_sent;
}

static Pxe__Command *propose(struct reserve *reserve, const struct reserve_view *view)
{
	struct reserve_job *job = &reserve->job;
	pxe__command__init(&reserve->message.command);
	if (job->kind == RESERVE_KIND_MERGE)
		fill_merge(reserve, view);
	else
		fill_return(reserve);
	for (size_t i = 0; i < job->count; i++)
		job->version[i] = reserve->table.entry[job->slot[i]].version;
	job->sent_boot_ms = view->boot_ms;
	job->stage = RESERVE_STAGE_FLIGHT;
	set_sent(reserve, true);
	return &reserve->message.command;
}

void reserve_next_task(
	struct reserve *reserve, const struct reserve_view *view, struct reserve_task *ret_task)
{
	struct reserve_job *job = &reserve->job;
	ret_task->duty = RESERVE_DUTY_NONE;
	if (job->stage == RESERVE_STAGE_NONE)
		choose(reserve, view);
	if (job->stage == RESERVE_STAGE_SEND && !is_marked(reserve)) {
		job->at = 0;
		job->stage = RESERVE_STAGE_MARK;
	}
	if ((job->stage == RESERVE_STAGE_MARK && mark_next(reserve, &ret_task->write)) ||
		(job->stage == RESERVE_STAGE_REMOVE && remove_next(reserve, &ret_task->write))) {
		ret_task->duty = RESERVE_DUTY_WRITE;
	} else if (job->stage == RESERVE_STAGE_SEND && view->boot_ms >= job->retry_boot_ms &&
		   is_durable(reserve)) {
		ret_task->duty = RESERVE_DUTY_PROPOSE;
		ret_task->command = propose(reserve, view);
	}
}

void reserve_on_applied(
	struct reserve *reserve, const struct reserve_view *view, const struct model_result *result)
{
	struct reserve_job *job = &reserve->job;
	assert(job->stage == RESERVE_STAGE_FLIGHT);
	if (result->verdict != PXE__VERDICT__VERDICT_OK &&
		result->verdict != PXE__VERDICT__VERDICT_DUPLICATE &&
		result->verdict != PXE__VERDICT__VERDICT_STALE) {
		job->retry_boot_ms = view->boot_ms + RETRY_MS;
		reserve_on_refused(reserve);
		return;
	}
	set_sent(reserve, false);
	job->at = 0;
	job->stage = RESERVE_STAGE_REMOVE;
}

void reserve_on_refused(struct reserve *reserve)
{
	assert(reserve->job.stage == RESERVE_STAGE_FLIGHT);
	set_sent(reserve, false);
	reserve->job.stage = RESERVE_STAGE_SEND;
}
