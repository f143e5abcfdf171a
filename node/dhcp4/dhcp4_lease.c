/* What each state of a client gets (RFC 2131 §4.3): an answer, a proposal, or silence. */
#include "node/dhcp4/dhcp4_step.h"

#include "node/dhcp4/dhcp4_boot.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool is_clients(const struct dhcp4_step *step, const struct lease *lease)
{
	const struct dhcp4_request *request = step->request;
	return lease->client_len == request->client_bytes &&
	       memcmp(lease->client, request->client, request->client_bytes) == 0;
}

static void finish_reply(struct dhcp4_step *step, const struct dhcp4_plan *plan)
{
	if (!dhcp4_reply_build(plan, &step->effects->reply)) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_REPLY_LONG);
		return;
	}
	step->effects->has_reply = true;
	bool bootp = plan->type == DHCP4_BOOTP;
	dhcp4_engine_count(
		step->engine, bootp ? DHCP4_COUNT_BOOTP_SENT : dhcp4_count_of_type(plan->type));
}

/* `at_ip`: the address whose subnet and pool the answer speaks of. */
static struct dhcp4_plan plan_of(
	const struct dhcp4_step *step, enum dhcp4_type type, uint32_t at_ip)
{
	struct dhcp4_plan plan = {
		.view = step->view,
		.request = step->request,
		.subnet = step->subnet,
		.host = step->host,
		.type = type,
		.terms = step->terms,
		.server_id = step->server_id,
		.selected = step->selected,
		.rapid = type == DHCP4_ACK && step->request->stage == DHCP4_STAGE_DISCOVER,
	};
	if (type == DHCP4_NAK)
		return plan;
	const Pxe__Subnet *own = dhcp4_step_subnet_of(step, at_ip);
	struct model_levels *levels = &step->engine->levels;
	Pxe__ClientInfo who;
	if (own != NULL)
		plan.subnet = own;
	dhcp4_step_who(step, &who);
	model_levels_of(step->view->model, plan.subnet, &who, at_ip, levels);
	plan.levels = levels;
	dhcp4_terms_of(levels, &plan.terms);
	return plan;
}

static Pxe__EventKind event_of(const struct dhcp4_step *step, enum dhcp4_type type)
{
	if (step->request->stage == DHCP4_STAGE_INFORM)
		return PXE__EVENT_KIND__EVENT_DHCP_INFORM;
	return type == DHCP4_OFFER ? PXE__EVENT_KIND__EVENT_DHCP_OFFER
				   : PXE__EVENT_KIND__EVENT_DHCP_ACK;
}

/* OFFER and ACK of `ip`. A machine that wants to boot and gets nothing to boot is worth a word. */
void dhcp4_lease_reply(struct dhcp4_step *step, enum dhcp4_type type, uint32_t ip, uint32_t lease_s)
{
	uint32_t at_ip = ip != 0 ? ip : step->request->wanted_ip;
	struct dhcp4_plan plan = plan_of(step, type, at_ip);
	struct boot_decision *boot = &step->engine->boot;
	plan.ip = ip;
	plan.lease_s = lease_s;
	dhcp4_boot_choose(step->view, step->request, plan.levels, at_ip, boot);
	plan.boot = boot;
	finish_reply(step, &plan);
	if (!step->effects->has_reply)
		return;
	const char *text = "";
	if (dhcp4_boot_has_file(boot))
		text = boot->file;
	else if (boot->kind == BOOT_NONE)
		text = boot->why;
	dhcp4_step_answered(step, event_of(step, type), at_ip, text, boot->profile);
}

bool dhcp4_lease_is_rapid(const struct dhcp4_step *step)
{
	return step->terms.rapid_commit && step->view->has_quorum &&
	       step->request->stage == DHCP4_STAGE_DISCOVER &&
	       dhcp4_has(&step->request->message, DHCP4_RAPID_COMMIT);
}

void dhcp4_lease_offer(struct dhcp4_step *step, uint32_t ip)
{
	if (dhcp4_lease_is_rapid(step)) {
		dhcp4_lease_bind(step, ip, true);
		return;
	}
	const Pxe__Subnet *subnet = dhcp4_step_subnet_of(step, ip);
	Pxe__ClientInfo who;
	dhcp4_step_who(step, &who);
	uint32_t lease_s = model_lease_time_s(step->view->model,
		subnet != NULL ? subnet : step->subnet, &who, ip, step->request->asked_s);
	dhcp4_lease_reply(step, DHCP4_OFFER, ip, lease_s);
}

/* The client counts from when it sent the request, so the time told reaches from the request's
 * arrival to the lease's end, and is never more than was granted. If the answer took long it is
 * what is left by now: who gets it may have asked again since. */
static void reply_ack(struct dhcp4_step *step, const struct lease *lease)
{
	bool bootp = step->request->stage == DHCP4_STAGE_BOOTP;
	uint64_t from_ms = step->arrival_ms;
	if (step->view->now_ms > from_ms + DHCP4_WRITE_MS)
		from_ms = step->view->now_ms;
	if (lease->expires_ms <= from_ms) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_LATE);
		return;
	}
	uint64_t granted_ms = lease->expires_ms - lease->started_ms;
	uint64_t left_ms = lease->expires_ms - from_ms;
	uint64_t told_ms = left_ms < granted_ms ? left_ms : granted_ms;
	uint64_t told_s = (told_ms + 500) / 1000;
	if (told_s > UINT32_MAX)
		told_s = UINT32_MAX;
	if (told_s == 0)
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_LATE);
	else
		dhcp4_lease_reply(
			step, bootp ? DHCP4_BOOTP : DHCP4_ACK, lease->ip, (uint32_t)told_s);
}

/* Callers know why the quorum says no [P4]. */
static void reply_nak(struct dhcp4_step *step, uint32_t ip, const char *why)
{
	struct dhcp4_plan plan = plan_of(step, DHCP4_NAK, 0);
	plan.text = why;
	finish_reply(step, &plan);
	if (step->effects->has_reply)
		dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_NAK, ip, why);
}

/* Would the configuration, as it is now, still give this address to the client? */
static bool is_address_still_given(const struct dhcp4_step *step, uint32_t ip)
{
	const struct model *model = step->view->model;
	Pxe__ClientInfo who;
	dhcp4_step_who(step, &who);
	uint32_t reserved = model_reserved_ip(model, step->subnet, &who);
	if (reserved != 0)
		return reserved == ip;
	if (model_host_of_ip(model, ip) != NULL)
		return false;
	const Pxe__Subnet *subnet = dhcp4_step_subnet_of(step, ip);
	return subnet != NULL && model_pool_for(model, subnet, &who, ip) != NULL;
}

/* The binding that may be offered without the log [R9]. */
static bool find_known_binding(const struct dhcp4_step *step, struct lease *ret_lease)
{
	uint64_t now_ms = step->view->now_ms;
	struct lease lease;
	if (!step->view->fresh || !dhcp4_step_lease(step, &lease))
		return false;
	Pxe__LeaseState state = lease_state_at(&lease, now_ms);
	bool holds = state == PXE__LEASE_STATE__LEASE_BOUND ||
		     (state == PXE__LEASE_STATE__LEASE_OFFERED &&
			     lease.expires_ms >= now_ms + DHCP4_OFFER_LEFT_MS);
	if (!holds || !is_address_still_given(step, lease.ip))
		return false;
	*ret_lease = lease;
	return true;
}

static void answer_discover(struct dhcp4_step *step)
{
	struct lease lease;
	if (dhcp4_pace_delay(step))
		return;
	if (!find_known_binding(step, &lease)) {
		if (!step->view->isolated)
			dhcp4_step_propose_offer(step);
		else if ((dhcp4_step_is_known(step) || dhcp4_pace_admit(step)) &&
			 !dhcp4_reserve_offer(step))
			dhcp4_step_drop(step, DHCP4_COUNT_DROP_ISOLATED);
		return;
	}
	dhcp4_engine_count(step->engine, DHCP4_COUNT_FROM_STATE);
	dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, step->request->wanted_ip, "");
	if (!dhcp4_ask_first(step, &lease))
		dhcp4_lease_offer(step, lease.ip);
}

/* A REQUEST repeats within the first quarter of its lease: a netboot asks three times in a minute
 * [R9]. */
static bool is_in_first_quarter(const struct dhcp4_step *step, uint32_t ip, struct lease *ret_lease)
{
	uint64_t now_ms = step->view->now_ms;
	if (!step->view->fresh || !model_lease_of_ip(step->view->model, ip, ret_lease) ||
		!is_clients(step, ret_lease) ||
		lease_state_at(ret_lease, now_ms) != PXE__LEASE_STATE__LEASE_BOUND)
		return false;
	uint64_t granted_ms = ret_lease->expires_ms - ret_lease->started_ms;
	return now_ms < ret_lease->started_ms + granted_ms / 4;
}

/* The address that a REQUEST without one means (FIELD 13); 0: none is known. */
static uint32_t own_address(const struct dhcp4_step *step)
{
	struct lease lease;
	return dhcp4_step_lease(step, &lease) ? lease.ip : 0;
}

/* An address that nobody holds and that is nobody's, asked for by a client to whom nothing else is
 * reserved: another server may know better, so RFC 2131 §4.3.2 wants silence. */
static bool is_unknown(const struct dhcp4_step *step, uint32_t ip)
{
	const struct model *model = step->view->model;
	struct lease lease;
	Pxe__ClientInfo who;
	dhcp4_step_who(step, &who);
	return !model_lease_of_ip(model, ip, &lease) && model_host_of_ip(model, ip) == NULL &&
	       model_reserved_ip(model, step->subnet, &who) == 0;
}

void dhcp4_lease_bind(struct dhcp4_step *step, uint32_t ip, bool create)
{
	const struct dhcp4_request *request = step->request;
	struct lease lease;
	if (is_in_first_quarter(step, ip, &lease) &&
		dhcp4_acked_add(&step->engine->acked, step->view, ip, request->client,
			request->client_bytes)) {
		dhcp4_engine_count(step->engine, DHCP4_COUNT_FROM_STATE);
		dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_REQUEST, ip, "");
		reply_ack(step, &lease);
		return;
	}
	/* What we gave alone we renew alone until the cluster has taken it over. */
	bool isolated = step->view->isolated;
	if ((isolated || dhcp4_reserve_knows(step, ip)) && dhcp4_reserve_request(step, ip))
		return;
	if (isolated)
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_ISOLATED);
	else if (!create && step->view->fresh && is_unknown(step, ip))
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_UNKNOWN);
	else
		dhcp4_step_propose_bind(step, ip, create);
}

static void answer_request(struct dhcp4_step *step)
{
	const struct dhcp4_request *request = step->request;
	uint32_t ip = request->wanted_ip != 0 ? request->wanted_ip : own_address(step);
	if (ip == 0) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_UNKNOWN);
		return;
	}
	bool renews = request->stage == DHCP4_STAGE_RENEWING;
	if (!renews && dhcp4_step_subnet_of(step, ip) == NULL && step->view->has_quorum &&
		step->view->fresh) {
		dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_REQUEST, ip, "");
		reply_nak(step, ip, "wrong network");
		return;
	}
	dhcp4_lease_bind(step, ip, request->stage != DHCP4_STAGE_INIT_REBOOT);
}

/* RELEASE and DECLINE of what is not the client's own are not worth a log entry, if we know that
 * for sure. */
static bool is_foreign_to_fresh_state(const struct dhcp4_step *step)
{
	struct lease lease;
	if (!step->view->fresh)
		return false;
	return !model_lease_of_ip(step->view->model, step->request->wanted_ip, &lease) ||
	       !is_clients(step, &lease) || lease.state == PXE__LEASE_STATE__LEASE_DECLINED;
}

/* Without the quorum a released address stays its client's: the others would not know. One that the
 * client found in use is not given out again here. */
static void answer_giving_up(struct dhcp4_step *step)
{
	bool releases = step->request->stage == DHCP4_STAGE_RELEASE;
	if (!releases && dhcp4_reserve_decline(step))
		return;
	if (is_foreign_to_fresh_state(step))
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_UNKNOWN);
	else if (step->view->isolated)
		dhcp4_step_drop(step,
			releases ? DHCP4_COUNT_DROP_ISOLATED_RELEASE : DHCP4_COUNT_DROP_ISOLATED);
	else if (releases)
		dhcp4_step_propose_release(step);
	else
		dhcp4_step_propose_decline(step);
}

static void refuse_no_subnet(struct dhcp4_step *step)
{
	char ip[TEXT_IP4_BYTES], text[sizeof step->effects->event[0].text];
	text_ip4_format(step->request->link_ip, ip);
	snprintf(text, sizeof text, "no subnet for %s%s: pxectl subnet add NAME NETWORK/PREFIX",
		dhcp4_request_is_relayed(step->request) ? "relay " : "", ip);
	dhcp4_step_drop(step, DHCP4_COUNT_DROP_NO_SUBNET);
	dhcp4_step_refused(step, PXE__VERDICT__VERDICT_NO_SUBNET, text);
}

void dhcp4_lease_answer(struct dhcp4_step *step)
{
	if (dhcp4_proxy_takes(step)) {
		dhcp4_proxy_answer(step);
		return;
	}
	switch (step->request->stage) {
	case DHCP4_STAGE_RELEASE:
	case DHCP4_STAGE_DECLINE: answer_giving_up(step); return;
	case DHCP4_STAGE_DISCOVER:
	case DHCP4_STAGE_SELECTING:
	case DHCP4_STAGE_INIT_REBOOT:
	case DHCP4_STAGE_RENEWING:
	case DHCP4_STAGE_REBINDING:
	case DHCP4_STAGE_BOOTP:
	case DHCP4_STAGE_INFORM: break;
	}
	if (step->subnet == NULL)
		refuse_no_subnet(step);
	else if (step->request->stage == DHCP4_STAGE_DISCOVER)
		answer_discover(step);
	else if (step->request->stage == DHCP4_STAGE_INFORM)
		dhcp4_plain_inform(step);
	else if (step->request->stage == DHCP4_STAGE_BOOTP)
		dhcp4_plain_bootp(step);
	else
		answer_request(step);
}

/* The lease that an applied command left: in its result, or, if it had been applied before, in the
 * model. The log may have given what another port of the same machine holds [P6]: then the lease
 * names that port. */
static bool decided_lease(const struct dhcp4_step *step, enum dhcp4_purpose purpose,
	uint32_t wanted_ip, const struct model_result *result, struct lease *ret_lease)
{
	const struct model *model = step->view->model;
	bool found = true;
	if (result->verdict == PXE__VERDICT__VERDICT_OK)
		*ret_lease = result->lease;
	else if (purpose == DHCP4_PURPOSE_BIND)
		found = model_lease_of_ip(model, wanted_ip, ret_lease) &&
			is_clients(step, ret_lease);
	else
		found = dhcp4_step_lease(step, ret_lease);
	if (!found || ret_lease->ip == 0)
		return false;
	Pxe__LeaseState state = lease_state_at(ret_lease, step->view->now_ms);
	return state == PXE__LEASE_STATE__LEASE_BOUND ||
	       (purpose == DHCP4_PURPOSE_OFFER && state == PXE__LEASE_STATE__LEASE_OFFERED);
}

/* Since the command was applied the client may have given the lease up by another node. Who asked
 * again after the command was proposed may have done so in between: the log may hold a RELEASE from
 * before its last REQUEST, as it may when an answer needs no log [R9]. */
static bool may_acknowledge(struct dhcp4_step *step, const struct lease *lease)
{
	const struct dhcp4_request *request = step->request;
	const struct dhcp4_view *view = step->view;
	struct lease now;
	if (!model_lease_of_ip(view->model, lease->ip, &now) || now.released_ms != 0 ||
		lease_state_at(&now, view->now_ms) != PXE__LEASE_STATE__LEASE_BOUND)
		return false;
	return !step->merged || dhcp4_acked_add(&step->engine->acked, view, lease->ip,
					request->client, request->client_bytes);
}

static void accept_decision(struct dhcp4_step *step, enum dhcp4_purpose purpose, uint32_t wanted_ip,
	const struct model_result *result)
{
	struct lease lease;
	bool offers = purpose == DHCP4_PURPOSE_OFFER;
	if (!decided_lease(step, purpose, wanted_ip, result, &lease) ||
		(!offers && !may_acknowledge(step, &lease)))
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_LATE);
	else if (!offers)
		reply_ack(step, &lease);
	else if (!dhcp4_ask_first(step, &lease))
		dhcp4_lease_offer(step, lease.ip);
}

static const char *refusal_text(
	const struct dhcp4_step *step, const struct model_result *result, char text[240])
{
	if (result->detail[0] != '\0')
		return result->detail;
	switch ((unsigned)result->verdict) {
	case PXE__VERDICT__VERDICT_POOL_FULL:
		snprintf(text, 240, "no free address in subnet %s: pxectl pool add",
			step->subnet->name);
		return text;
	case PXE__VERDICT__VERDICT_IN_USE: return "address in use";
	case PXE__VERDICT__VERDICT_NOT_AVAILABLE: return "address not available";
	case PXE__VERDICT__VERDICT_NO_SUBNET: return "no subnet for this link: pxectl subnet add";
	case PXE__VERDICT__VERDICT_IGNORED: return "the host is set to be ignored";
	default: return "refused";
	}
}

/* Does the log's refusal speak against the address itself? Then the client is to let go of it [P4].
 * One that asked everybody, for an address that is outside of all we know, is left to the server
 * that knows it. */
static bool calls_for_nak(
	const struct dhcp4_step *step, uint32_t ip, const struct model_result *result)
{
	enum dhcp4_stage stage = step->request->stage;
	bool asked_everybody = stage == DHCP4_STAGE_INIT_REBOOT || stage == DHCP4_STAGE_REBINDING;
	if (stage == DHCP4_STAGE_DISCOVER || stage == DHCP4_STAGE_BOOTP) /* named none itself */
		return false;
	if (result->verdict == PXE__VERDICT__VERDICT_IN_USE)
		return true;
	return result->verdict == PXE__VERDICT__VERDICT_NOT_AVAILABLE &&
	       !(asked_everybody && is_unknown(step, ip));
}

/* What the log has nothing for, or leaves to the node in whose reserve the address is. */
static bool is_met_from_reserve(struct dhcp4_step *step, enum dhcp4_purpose purpose,
	uint32_t wanted_ip, const struct model_result *result)
{
	if (purpose == DHCP4_PURPOSE_BIND)
		return result->verdict == PXE__VERDICT__VERDICT_RESERVE &&
		       dhcp4_reserve_knows(step, wanted_ip) &&
		       dhcp4_reserve_request(step, wanted_ip);
	if (result->verdict != PXE__VERDICT__VERDICT_POOL_FULL)
		return false;
	dhcp4_step_found_full(step);
	return dhcp4_reserve_stands_in(step) && dhcp4_reserve_offer(step);
}

static void refuse_decision(struct dhcp4_step *step, enum dhcp4_purpose purpose, uint32_t wanted_ip,
	const struct model_result *result)
{
	char buffer[240];
	const char *text = refusal_text(step, result, buffer);
	if (purpose == DHCP4_PURPOSE_BIND && calls_for_nak(step, wanted_ip, result)) {
		reply_nak(step, wanted_ip, text);
		return;
	}
	if (is_met_from_reserve(step, purpose, wanted_ip, result))
		return;
	dhcp4_step_drop(step, DHCP4_COUNT_DROP_REFUSED);
	if (result->verdict != PXE__VERDICT__VERDICT_NOT_FOUND &&
		result->verdict != PXE__VERDICT__VERDICT_RESERVE)
		dhcp4_step_refused(step, (unsigned)result->verdict, text);
}

void dhcp4_lease_decided(struct dhcp4_step *step, enum dhcp4_purpose purpose, uint32_t wanted_ip,
	const struct model_result *result)
{
	assert(step->subnet != NULL);
	if (purpose == DHCP4_PURPOSE_DECLINE) {
		dhcp4_ask_decided(step);
		return;
	}
	bool accepted = result->verdict == PXE__VERDICT__VERDICT_OK ||
			result->verdict == PXE__VERDICT__VERDICT_DUPLICATE;
	if (accepted)
		accept_decision(step, purpose, wanted_ip, result);
	else
		refuse_decision(step, purpose, wanted_ip, result);
}
