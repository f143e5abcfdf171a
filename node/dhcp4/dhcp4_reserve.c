/* Answers from the node's own reserve: without the quorum, or when the pool is full. Nothing here
 * is ever refused aloud [P4], and no ACK leaves before its entry is durable [R2]. */
#include "node/dhcp4/dhcp4_step.h"

#include <assert.h>

static bool has_reserve(const struct dhcp4_step *step)
{
	return step->view->reserve != NULL && step->subnet != NULL;
}

bool dhcp4_reserve_knows(const struct dhcp4_step *step, uint32_t ip)
{
	Pxe__ClientInfo who;
	if (!has_reserve(step) || ip == 0)
		return false;
	dhcp4_step_who(step, &who);
	return reserve_knows(step->view->reserve, &step->view->reserve_view, &who, ip);
}

static void count_reply(struct dhcp4_step *step, enum dhcp4_count isolated)
{
	if (step->effects->has_reply && !step->view->has_quorum)
		dhcp4_engine_count(step->engine, isolated);
}

bool dhcp4_reserve_stands_in(const struct dhcp4_step *step)
{
	const struct dhcp4_view *view = step->view;
	return view->isolated || step->host != NULL ||
	       view->now_ms < model_unknown_until_ms(view->model);
}

bool dhcp4_reserve_offer(struct dhcp4_step *step)
{
	const struct dhcp4_request *request = step->request;
	const struct dhcp4_view *view = step->view;
	Pxe__ClientInfo who;
	struct reserve_grant grant;
	if (!has_reserve(step))
		return false;
	dhcp4_step_who(step, &who);
	if (!reserve_offer(view->reserve, &view->reserve_view, &who, step->subnet,
		    request->wanted_ip, request->asked_s, &grant))
		return false;
	dhcp4_engine_count(step->engine, DHCP4_COUNT_FROM_RESERVE);
	if (!step->was_proposed)
		dhcp4_step_event(
			step, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, request->wanted_ip, "");
	dhcp4_lease_reply(step, DHCP4_OFFER, grant.ip, grant.lease_s);
	count_reply(step, DHCP4_COUNT_ISOLATED_OFFER);
	return true;
}

/* true: a write for the client is under way, and this request was seen to. */
static bool is_under_way(struct dhcp4_step *step, uint32_t ip)
{
	struct dhcp4_hold *pending = &step->engine->pending;
	struct dhcp4_held *held = dhcp4_hold_find(pending, step->request, DHCP4_PURPOSE_JOURNAL);
	if (held == NULL)
		return false;
	if (held->wanted_ip != ip) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_CLIENT_BUSY);
		return true;
	}
	dhcp4_step_drop(step, DHCP4_COUNT_MERGED);
	dhcp4_hold_update(pending, held, step->input, step->arrival_ms);
	return true;
}

bool dhcp4_reserve_request(struct dhcp4_step *step, uint32_t ip)
{
	const struct dhcp4_view *view = step->view;
	struct dhcp4_hold *pending = &step->engine->pending;
	struct dhcp4_journal *journal = &step->effects->journal;
	Pxe__ClientInfo who;
	struct reserve_grant grant;
	assert(!step->effects->has_journal);
	if (!has_reserve(step))
		return false;
	if (is_under_way(step, ip))
		return true;
	if (pending->count == pending->capacity) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_PENDING_FULL);
		return true;
	}
	dhcp4_step_who(step, &who);
	if (!reserve_grant(view->reserve, &view->reserve_view, &who, step->subnet, ip,
		    step->request->asked_s, &grant, &journal->write))
		return false;
	struct dhcp4_held *held =
		dhcp4_hold_add(pending, step->input, step->request, DHCP4_PURPOSE_JOURNAL, view);
	assert(held != NULL);
	held->wanted_ip = ip;
	held->arrival_ms = step->arrival_ms;
	held->lease_s = grant.lease_s;
	held->end_ms = view->boot_ms + (uint64_t)grant.lease_s * 1000;
	journal->ticket = dhcp4_hold_ticket(pending, held);
	step->effects->has_journal = true;
	dhcp4_engine_count(step->engine, DHCP4_COUNT_FROM_RESERVE);
	if (!step->was_proposed)
		dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_REQUEST, ip, "");
	return true;
}

/* The time told never reaches beyond what was granted, also if the client counts from when it gets
 * the answer. */
void dhcp4_reserve_durable(struct dhcp4_step *step, const struct dhcp4_held *held)
{
	uint64_t now_ms = step->view->boot_ms;
	uint64_t told_s = held->lease_s;
	if (now_ms - held->added_ms > DHCP4_WRITE_MS)
		told_s = now_ms < held->end_ms ? (held->end_ms - now_ms) / 1000 : 0;
	if (told_s == 0) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_LATE);
		return;
	}
	bool bootp = step->request->stage == DHCP4_STAGE_BOOTP;
	dhcp4_lease_reply(step, bootp ? DHCP4_BOOTP : DHCP4_ACK, held->wanted_ip, (uint32_t)told_s);
	count_reply(step, DHCP4_COUNT_ISOLATED_ACK);
}

bool dhcp4_reserve_decline(struct dhcp4_step *step)
{
	const struct dhcp4_view *view = step->view;
	uint32_t ip = step->request->wanted_ip;
	Pxe__ClientInfo who;
	assert(!step->effects->has_journal);
	if (view->reserve == NULL)
		return false;
	dhcp4_step_who(step, &who);
	if (!reserve_decline(
		    view->reserve, &view->reserve_view, &who, ip, &step->effects->journal.write))
		return false;
	step->effects->has_journal = true;
	step->effects->journal.ticket = 0;
	dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_DECLINE, ip,
		"the client found the address in use");
	return true;
}
