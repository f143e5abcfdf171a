/* Commands for the log, and the events and counts that go with a step. */
#include "node/dhcp4/dhcp4_step.h"

#include "proto/msg/msg_ip4.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

void dhcp4_step_who(const struct dhcp4_step *step, Pxe__ClientInfo *ret_who)
{
	dhcp4_request_client_info(step->request, ret_who);
	if (model_has_matches(step->view->model))
		dhcp4_request_attributes(step->request, ret_who);
}

const Pxe__Subnet *dhcp4_step_subnet_of(const struct dhcp4_step *step, uint32_t ip)
{
	return model_subnet_on_link(step->view->model, step->subnet, ip);
}

bool dhcp4_step_lease(const struct dhcp4_step *step, struct lease *ret_lease)
{
	const struct dhcp4_request *request = step->request;
	const Pxe__Subnet *subnet[MODEL_LINK_SUBNETS_MAX];
	size_t count = model_link_subnets(step->view->model, step->subnet, subnet);
	struct lease lease;
	bool found = false;
	for (size_t i = 0; i < count; i++) {
		if (!model_lease_of_client(step->view->model, subnet[i]->name, request->client,
			    request->client_bytes, &lease) ||
			(found && lease.started_ms <= ret_lease->started_ms))
			continue;
		*ret_lease = lease;
		found = true;
	}
	return found;
}

bool dhcp4_step_is_known(const struct dhcp4_step *step)
{
	struct lease lease;
	return step->host != NULL || dhcp4_step_lease(step, &lease);
}

void dhcp4_step_drop(struct dhcp4_step *step, enum dhcp4_count count)
{
	dhcp4_engine_count(step->engine, count);
}

/* What the machine tells of itself, for the inventory and the timelines. */
static void describe(const struct dhcp4_request *request, struct event *event)
{
	size_t bytes = request->vendor_class.len < sizeof event->vendor_class
			       ? request->vendor_class.len
			       : sizeof event->vendor_class - 1;
	event->stage = dhcp4_request_is_system(request) ? PXE__BOOT_STAGE__STAGE_SYSTEM
							: PXE__BOOT_STAGE__STAGE_NONE;
	event->arch = request->arch == UINT16_MAX ? 0 : 1 + (uint32_t)request->arch;
	event->has_uuid = request->has_uuid;
	memcpy(event->uuid, request->uuid, sizeof event->uuid);
	for (size_t i = 0; i < bytes; i++) {
		uint8_t c = request->vendor_class.data[i];
		event->vendor_class[i] = c < ' ' || c >= 0x7f ? '?' : (char)c;
	}
	event->vendor_class[bytes] = '\0';
	snprintf(event->hostname, sizeof event->hostname, "%s", request->hostname);
	event->profile[0] = '\0';
	event->is_ipxe = request->is_ipxe;
	event->failed = false;
}

void dhcp4_step_event(struct dhcp4_step *step, Pxe__EventKind kind, uint32_t ip, const char *text)
{
	struct dhcp4_effects *effects = step->effects;
	assert(effects->event_count < DHCP4_EVENTS_MAX);
	struct event *event = &effects->event[effects->event_count++];
	const struct dhcp4_request *request = step->request;
	event->kind = kind;
	memcpy(event->mac, request->mac, sizeof event->mac);
	event->mac_bytes = request->mac_bytes;
	event->ip = ip;
	event->bytes = 0;
	event->took_ms = 0;
	if (step->view->now_ms > step->arrival_ms)
		event->took_ms = (uint32_t)(step->view->now_ms - step->arrival_ms);
	const char *name = step->host != NULL ? step->host->name : request->hostname;
	snprintf(event->host, sizeof event->host, "%s", name);
	/* Firmware that begins again and the iPXE that it has loaded are told apart by this. */
	if (kind == PXE__EVENT_KIND__EVENT_DHCP_DISCOVER && request->is_ipxe)
		text = "iPXE";
	snprintf(event->text, sizeof event->text, "%s", text);
	describe(request, event);
}

void dhcp4_step_answered(struct dhcp4_step *step, Pxe__EventKind kind, uint32_t ip,
	const char *text, const char *profile)
{
	enum dhcp4_stage stage = step->request->stage;
	dhcp4_step_event(step, kind, ip, text);
	struct event *event = &step->effects->event[step->effects->event_count - 1];
	snprintf(event->profile, sizeof event->profile, "%s", profile);
	/* Once when it comes up, and not when it renews what it has. */
	if (kind == PXE__EVENT_KIND__EVENT_DHCP_ACK &&
		event->stage == PXE__BOOT_STAGE__STAGE_SYSTEM &&
		(stage == DHCP4_STAGE_DISCOVER || stage == DHCP4_STAGE_SELECTING ||
			stage == DHCP4_STAGE_INIT_REBOOT))
		dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_SYSTEM_UP, ip, "");
}

/* A flood of made-up clients is not to flood the log. */
static bool may_tell(struct dhcp4_engine *engine, uint64_t boot_ms)
{
	uint64_t period = boot_ms / DHCP4_REFUSED_MS;
	if (engine->told_period != period) {
		engine->told_period = period;
		engine->told_count = 0;
	}
	return engine->told_count++ < DHCP4_REFUSED_BURST;
}

void dhcp4_step_refused(struct dhcp4_step *step, unsigned verdict, const char *text)
{
	const struct dhcp4_request *request = step->request;
	uint64_t hash =
		dhcp4_request_hash(request->client, request->client_bytes, 0xdead0000u + verdict) |
		1;
	struct dhcp4_told *told = &step->engine->told[hash >> 1 & (DHCP4_REFUSED_SLOTS - 1)];
	if (told->hash == hash && step->view->boot_ms - told->at_ms < DHCP4_REFUSED_MS)
		return;
	if (!may_tell(step->engine, step->view->boot_ms))
		return;
	*told = (struct dhcp4_told){hash, step->view->boot_ms};
	dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, request->wanted_ip, text);
}

static struct dhcp4_proposal *begin(struct dhcp4_step *step, uint64_t ticket, uint32_t ip)
{
	struct dhcp4_proposal *proposal = &step->effects->proposal;
	assert(!step->effects->has_proposal);
	step->effects->has_proposal = true;
	proposal->ticket = ticket;
	pxe__command__init(&proposal->command);
	msg_ip4_put(ip, proposal->ip);
	dhcp4_engine_count(step->engine, DHCP4_COUNT_PROPOSED);
	return proposal;
}

/* A place among the pending ones; 0: none is free, or the client's earlier proposal stands for this
 * one too. */
static uint64_t enter(struct dhcp4_step *step, enum dhcp4_purpose purpose, uint32_t wanted_ip)
{
	struct dhcp4_engine *engine = step->engine;
	if (!step->view->has_quorum) {
		dhcp4_wait_for_quorum(step);
		return 0;
	}
	struct dhcp4_held *held = dhcp4_hold_find(&engine->pending, step->request, purpose);
	bool stale = held != NULL && step->view->boot_ms - held->added_ms >= DHCP4_GIVE_UP_MS;
	if (stale) {
		dhcp4_hold_remove(&engine->pending, held);
		held = NULL;
	}
	if (held != NULL) {
		bool same = purpose == DHCP4_PURPOSE_OFFER || held->wanted_ip == wanted_ip;
		dhcp4_step_drop(step, same ? DHCP4_COUNT_MERGED : DHCP4_COUNT_DROP_CLIENT_BUSY);
		if (same) {
			dhcp4_hold_update(&engine->pending, held, step->input, step->arrival_ms);
			held->merged = true;
		}
		return 0;
	}
	bool known = dhcp4_step_is_known(step);
	if (!known && purpose == DHCP4_PURPOSE_OFFER && !dhcp4_pace_admit(step))
		return 0;
	if (known || engine->pending.strangers < DHCP4_STRANGERS_MAX)
		held = dhcp4_hold_add(
			&engine->pending, step->input, step->request, purpose, step->view);
	if (held == NULL) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_PENDING_FULL);
		return 0;
	}
	if (!known)
		dhcp4_hold_mark_stranger(&engine->pending, held);
	held->wanted_ip = wanted_ip;
	held->arrival_ms = step->arrival_ms;
	held->give_up_ms = step->give_up_ms;
	held->rounds = step->rounds;
	return dhcp4_hold_ticket(&engine->pending, held);
}

void dhcp4_step_found_full(struct dhcp4_step *step)
{
	struct dhcp4_full *full = &step->engine->full;
	snprintf(full->subnet, sizeof full->subnet, "%s", step->subnet->name);
	full->until_ms = step->view->boot_ms + DHCP4_FULL_MS;
}

/* Once a flood has taken the last address, each more of its packets would still cost a write on
 * every node. */
static bool is_full_for(const struct dhcp4_step *step)
{
	const struct dhcp4_full *full = &step->engine->full;
	return step->view->boot_ms < full->until_ms &&
	       strcmp(full->subnet, step->subnet->name) == 0 && !dhcp4_step_is_known(step);
}

void dhcp4_step_propose_offer(struct dhcp4_step *step)
{
	if (is_full_for(step)) {
		if (!dhcp4_reserve_stands_in(step) || !dhcp4_reserve_offer(step))
			dhcp4_step_drop(step, DHCP4_COUNT_DROP_REFUSED);
		return;
	}
	uint64_t ticket = enter(step, DHCP4_PURPOSE_OFFER, 0);
	if (ticket == 0)
		return;
	struct dhcp4_proposal *proposal = begin(step, ticket, step->request->wanted_ip);
	dhcp4_step_who(step, &proposal->who);
	pxe__offer__init(&proposal->offer);
	proposal->offer.who = &proposal->who;
	proposal->offer.subnet = step->subnet->name;
	if (step->request->wanted_ip != 0)
		proposal->offer.wanted_ip = (ProtobufCBinaryData){4, proposal->ip};
	proposal->command.op_case = PXE__COMMAND__OP_OFFER;
	proposal->command.offer = &proposal->offer;
	if (step->rounds == 0)
		dhcp4_step_event(
			step, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, step->request->wanted_ip, "");
}

void dhcp4_step_propose_bind(struct dhcp4_step *step, uint32_t ip, bool create)
{
	uint64_t ticket = enter(step, DHCP4_PURPOSE_BIND, ip);
	if (ticket == 0)
		return;
	struct dhcp4_proposal *proposal = begin(step, ticket, ip);
	dhcp4_step_who(step, &proposal->who);
	pxe__bind__init(&proposal->bind);
	proposal->bind.who = &proposal->who;
	proposal->bind.subnet = step->subnet->name;
	proposal->bind.ip = (ProtobufCBinaryData){4, proposal->ip};
	proposal->bind.lease_s = step->request->asked_s;
	proposal->bind.create = create;
	proposal->bind.bootp = step->request->stage == DHCP4_STAGE_BOOTP;
	proposal->command.op_case = PXE__COMMAND__OP_BIND;
	proposal->command.bind = &proposal->bind;
	dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_REQUEST, ip, "");
}

/* Since the kernel had the packet: in the socket, and while it waited for its turn. */
static uint64_t age_ms(const struct dhcp4_step *step)
{
	uint64_t now_ms = step->view->boot_ms, received_ms = step->input->received_ms;
	return now_ms > received_ms ? now_ms - received_ms : 0;
}

/* The client may have asked again since, and another node may have acknowledged the lease from its
 * state: what comes late is worse than nothing [R9]. */
static bool is_late(const struct dhcp4_step *step)
{
	return !step->view->has_quorum || !step->view->fresh || age_ms(step) >= MODEL_RELEASE_MS;
}

static uint64_t arrived_ms(const struct dhcp4_step *step)
{
	uint64_t now_ms = step->view->now_ms;
	return now_ms > age_ms(step) ? now_ms - age_ms(step) : 1;
}

/* When the lease was granted that we know of: several batches may have one stamp, so the stamp of
 * our state does not tell it from one that the client is given right now. */
static uint64_t started_ms(const struct dhcp4_step *step)
{
	struct lease lease;
	if (!model_lease_of_ip(step->view->model, step->request->wanted_ip, &lease))
		return model_stamp_ms(step->view->model);
	return lease.started_ms;
}

void dhcp4_step_propose_release(struct dhcp4_step *step)
{
	if (is_late(step)) {
		dhcp4_step_drop(step, step->view->has_quorum ? DHCP4_COUNT_DROP_LATE
							     : DHCP4_COUNT_DROP_NO_QUORUM);
		return;
	}
	struct dhcp4_proposal *proposal = begin(step, 0, step->request->wanted_ip);
	dhcp4_step_who(step, &proposal->who);
	pxe__release__init(&proposal->release);
	proposal->release.client = proposal->who.client;
	proposal->release.ip = (ProtobufCBinaryData){4, proposal->ip};
	proposal->release.as_of_ms = started_ms(step);
	proposal->release.arrived_ms = arrived_ms(step);
	proposal->command.op_case = PXE__COMMAND__OP_RELEASE;
	proposal->command.release = &proposal->release;
	dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_RELEASE, step->request->wanted_ip, "");
}

void dhcp4_step_propose_decline(struct dhcp4_step *step)
{
	if (!step->view->has_quorum) {
		dhcp4_wait_for_quorum(step);
		return;
	}
	struct dhcp4_proposal *proposal = begin(step, 0, step->request->wanted_ip);
	dhcp4_step_who(step, &proposal->who);
	pxe__decline__init(&proposal->decline);
	proposal->decline.client = proposal->who.client;
	proposal->decline.ip = (ProtobufCBinaryData){4, proposal->ip};
	proposal->command.op_case = PXE__COMMAND__OP_DECLINE;
	proposal->command.decline = &proposal->decline;
	dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_DECLINE, step->request->wanted_ip,
		"the client found the address in use");
}

void dhcp4_step_propose_taken(struct dhcp4_step *step, uint32_t ip)
{
	uint64_t ticket = enter(step, DHCP4_PURPOSE_DECLINE, ip);
	if (ticket == 0)
		return;
	struct dhcp4_proposal *proposal = begin(step, ticket, ip);
	dhcp4_step_who(step, &proposal->who);
	pxe__decline__init(&proposal->decline);
	proposal->decline.client = proposal->who.client;
	proposal->decline.ip = (ProtobufCBinaryData){4, proposal->ip};
	proposal->decline.by_probe = true;
	proposal->command.op_case = PXE__COMMAND__OP_DECLINE;
	proposal->command.decline = &proposal->decline;
}

static void propose_lost(
	struct dhcp4_step *step, const struct dhcp4_acked_lease *lease, char *subnet)
{
	struct dhcp4_proposal *proposal = begin(step, 0, lease->ip);
	memcpy(proposal->client, lease->client, lease->client_bytes);
	pxe__client_info__init(&proposal->who);
	proposal->who.client = (ProtobufCBinaryData){lease->client_bytes, proposal->client};
	/* An identity is the hardware type, then the hardware address. */
	proposal->who.mac =
		(ProtobufCBinaryData){(size_t)lease->client_bytes - 1, proposal->client + 1};
	pxe__bind__init(&proposal->bind);
	proposal->bind.who = &proposal->who;
	proposal->bind.subnet = subnet;
	proposal->bind.ip = (ProtobufCBinaryData){4, proposal->ip};
	proposal->command.op_case = PXE__COMMAND__OP_BIND;
	proposal->command.bind = &proposal->bind;
}

bool dhcp4_propose_again(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	struct dhcp4_effects *ret_effects)
{
	struct dhcp4_acked_lease lease;
	bool more = true;
	while (more) {
		if (!dhcp4_acked_next_lost(&engine->acked, view, &lease, &more))
			continue;
		const Pxe__Subnet *subnet = model_subnet_of(view->model, lease.ip);
		if (subnet == NULL)
			continue;
		struct dhcp4_step step = {.engine = engine, .view = view, .effects = ret_effects};
		propose_lost(&step, &lease, subnet->name);
		return true;
	}
	return false;
}
