/* The way of a packet: is it a request for this cluster, is it our turn, and what waits for whom.
 * What the answer is stands in dhcp4_lease.c. */
#include "node/dhcp4/dhcp4_engine.h"

#include "node/dhcp4/dhcp4_step.h"
#include "proto/msg/msg_ip4.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct dhcp4_engine *dhcp4_engine_new(void)
{
	struct dhcp4_engine *engine = calloc(1, sizeof *engine);
	if (engine == NULL)
		return NULL;
	if (dhcp4_hold_init(&engine->pending, DHCP4_PENDING_MAX) < 0 ||
		dhcp4_hold_init(&engine->deferred, DHCP4_DEFERRED_MAX) < 0 ||
		dhcp4_hold_init(&engine->waiting, DHCP4_WAITING_MAX) < 0 ||
		dhcp4_hold_init(&engine->delayed, DHCP4_DELAYED_MAX) < 0 ||
		dhcp4_hold_init(&engine->probing, DHCP4_PROBING_MAX) < 0) {
		dhcp4_engine_free(engine);
		return NULL;
	}
	return engine;
}

void dhcp4_engine_free(struct dhcp4_engine *engine)
{
	if (engine == NULL)
		return;
	dhcp4_hold_fini(&engine->pending);
	dhcp4_hold_fini(&engine->deferred);
	dhcp4_hold_fini(&engine->waiting);
	dhcp4_hold_fini(&engine->probing);
	dhcp4_hold_fini(&engine->delayed);
	free(engine);
}

void dhcp4_engine_count(struct dhcp4_engine *engine, enum dhcp4_count count)
{
	assert(count > DHCP4_COUNT_NONE && count < DHCP4_COUNT_COUNT);
	engine->counter[count]++;
}

uint64_t dhcp4_engine_counter(const struct dhcp4_engine *engine, enum dhcp4_count count)
{
	assert((unsigned)count < DHCP4_COUNT_COUNT);
	return engine->counter[count];
}

uint64_t dhcp4_engine_oldest_state_ms(const struct dhcp4_engine *engine)
{
	return dhcp4_acked_oldest_ms(&engine->acked);
}

size_t dhcp4_engine_pending(const struct dhcp4_engine *engine)
{
	return engine->pending.count;
}

size_t dhcp4_engine_deferred(const struct dhcp4_engine *engine)
{
	return engine->deferred.count;
}

size_t dhcp4_engine_waiting(const struct dhcp4_engine *engine)
{
	return engine->waiting.count;
}

size_t dhcp4_engine_probing(const struct dhcp4_engine *engine)
{
	return engine->probing.count;
}

void dhcp4_step_clear_effects(struct dhcp4_effects *effects)
{
	effects->has_reply = false;
	effects->has_proposal = false;
	effects->has_journal = false;
	effects->has_probe = false;
	effects->event_count = 0;
}

/* May this node answer anything at all? */
static enum dhcp4_count gate(const struct dhcp4_view *view)
{
	const Pxe__Settings *settings = model_settings(view->model);
	if (settings == NULL)
		return DHCP4_COUNT_DROP_OFF;
	if (view->diverged)
		return DHCP4_COUNT_DROP_DIVERGED;
	const Pxe__Member *self = model_member(view->model, view->self);
	if (view->removed ||
		(self != NULL && (self->role != PXE__MEMBER_ROLE__MEMBER_FULL || self->removing)))
		return DHCP4_COUNT_DROP_NOT_SERVING;
	if (msg_ip4_get(settings->server_ip) == 0)
		return DHCP4_COUNT_DROP_NO_SERVER_IP;
	return DHCP4_COUNT_NONE;
}

static bool is_malformed(enum dhcp4_count count)
{
	return count >= DHCP4_COUNT_MALFORMED_FIRST && count <= DHCP4_COUNT_MALFORMED_SIZE;
}

static void count_received(struct dhcp4_engine *engine, enum dhcp4_count parsed)
{
	if (is_malformed(parsed))
		dhcp4_engine_count(engine, DHCP4_COUNT_MALFORMED);
	if (parsed != DHCP4_COUNT_NONE)
		dhcp4_engine_count(engine, parsed);
	if (parsed == DHCP4_COUNT_DROP_REPLY || parsed == DHCP4_COUNT_DROP_TYPE)
		return;
	enum dhcp4_count type = dhcp4_count_of_type(engine->request.message.type);
	if (type != DHCP4_COUNT_NONE)
		dhcp4_engine_count(engine, type);
	if (parsed == DHCP4_COUNT_NONE && dhcp4_request_is_odd(&engine->request))
		dhcp4_engine_count(engine, DHCP4_COUNT_ODD_OPTION);
	if (parsed == DHCP4_COUNT_NONE && engine->request.stage == DHCP4_STAGE_BOOTP)
		dhcp4_engine_count(engine, DHCP4_COUNT_BOOTP);
}

/* Without a relay a client may ask for another subnet of the link that it is on, and no other: it
 * would have no use for the address (RFC 3011). */
static void find_subnet(struct dhcp4_step *step)
{
	const struct model *model = step->view->model;
	const struct dhcp4_request *request = step->request;
	const Pxe__Subnet *other = NULL;
	step->subnet = model_subnet_of(model, request->link_ip);
	if (step->subnet != NULL && request->selected_ip != 0)
		other = model_subnet_on_link(model, step->subnet, request->selected_ip);
	if (other != NULL)
		step->subnet = other;
	step->selected = request->is_selected || other != NULL;
}

/* Who is it, where is it, and is it to be answered by this cluster? */
static enum dhcp4_count resolve(struct dhcp4_step *step)
{
	const struct model *model = step->view->model;
	const struct dhcp4_request *request = step->request;
	enum dhcp4_count shut = gate(step->view);
	if (shut != DHCP4_COUNT_NONE)
		return shut;
	step->server_id = request->server_id_override;
	if (step->server_id == 0)
		step->server_id = msg_ip4_get(model_settings(model)->server_ip);
	find_subnet(step);
	step->mode = model_dhcp_mode(model, step->subnet);
	if (step->mode == PXE__DHCP_MODE__DHCP_OFF)
		return DHCP4_COUNT_DROP_OFF;
	Pxe__ClientInfo who;
	struct model_levels *levels = &step->engine->levels;
	dhcp4_step_who(step, &who);
	model_levels_of(model, step->subnet, &who, 0, levels);
	step->host = levels->host;
	if (levels->ignore)
		return DHCP4_COUNT_DROP_IGNORED;
	dhcp4_terms_of(levels, &step->terms);
	/* RELEASE and DECLINE without a server identifier are accepted (FIELD 14). */
	if (request->server_id != 0 && request->stage != DHCP4_STAGE_DISCOVER &&
		request->server_id != step->server_id && !dhcp4_proxy_takes(step))
		return DHCP4_COUNT_DROP_OTHER_SERVER;
	return DHCP4_COUNT_NONE;
}

/* What was sent to us alone, and what only we know of, is ours; what everyone heard goes by rank,
 * unless the client asks again. A RELEASE is never taken over later: the client may have been given
 * the lease again by then, and a release that is lost costs nobody anything [R9]. Without the
 * quorum there is one more turn to wait, for a node that has it and hears the client, too. */
static bool is_our_turn(struct dhcp4_step *step, unsigned *ret_rank)
{
	const struct dhcp4_request *request = step->request;
	*ret_rank = dhcp4_answer_rank(step->view, request->client, request->client_bytes);
	bool repeat = dhcp4_answer_is_repeat(&step->engine->repeats, request, step->view->boot_ms);
	step->is_repeat = repeat;
	if (request->unicast || dhcp4_reserve_knows(step, request->wanted_ip))
		return true;
	if (step->view->isolated)
		++*ret_rank;
	if (*ret_rank == 0)
		return true;
	/* One that waits for long may be heard by us alone (FIELD 28). */
	bool long_waits = request->message.header.secs >= DHCP4_LONG_WAIT_S;
	if (repeat || long_waits)
		dhcp4_engine_count(step->engine, DHCP4_COUNT_REPEATED);
	return repeat || long_waits;
}

static void defer(struct dhcp4_step *step, unsigned rank)
{
	struct dhcp4_hold *deferred = &step->engine->deferred;
	if (deferred->count == deferred->capacity) {
		dhcp4_hold_remove(deferred, dhcp4_hold_oldest(deferred));
		dhcp4_engine_count(step->engine, DHCP4_COUNT_DROP_DEFERRED_FULL);
	}
	struct dhcp4_held *held = dhcp4_hold_add(
		deferred, step->input, step->request, DHCP4_PURPOSE_TURN, step->view);
	assert(held != NULL);
	held->due_ms = step->view->boot_ms + (uint64_t)rank * DHCP4_TURN_MS;
	dhcp4_engine_count(step->engine, DHCP4_COUNT_DEFERRED);
}

void dhcp4_engine_on_packet(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	const struct dhcp4_input *input, struct dhcp4_effects *ret_effects)
{
	assert(engine != NULL && view != NULL && view->model != NULL);
	assert(input->packet != NULL || input->packet_bytes == 0);
	dhcp4_step_clear_effects(ret_effects);
	enum dhcp4_count count = dhcp4_request_parse(input, &engine->request);
	count_received(engine, count);
	if (count != DHCP4_COUNT_NONE)
		return;
	struct dhcp4_step step = {
		.engine = engine,
		.view = view,
		.input = input,
		.request = &engine->request,
		.arrival_ms = view->now_ms,
		.effects = ret_effects,
	};
	count = resolve(&step);
	if (count != DHCP4_COUNT_NONE) {
		dhcp4_step_drop(&step, count);
		return;
	}
	unsigned rank;
	bool ours = is_our_turn(&step, &rank);
	struct dhcp4_held *earlier =
		dhcp4_hold_find(&engine->deferred, step.request, DHCP4_PURPOSE_TURN);
	if (earlier != NULL)
		dhcp4_hold_remove(&engine->deferred, earlier);
	if (ours)
		dhcp4_lease_answer(&step);
	else if (step.request->stage == DHCP4_STAGE_RELEASE)
		dhcp4_step_drop(&step, DHCP4_COUNT_DROP_NOT_OURS);
	else
		defer(&step, rank);
}

bool dhcp4_step_resume(struct dhcp4_step *step, const struct dhcp4_held *held)
{
	step->engine->input = held->input; /* its place may soon be another's; the packet stays */
	step->input = &step->engine->input;
	step->arrival_ms = held->arrival_ms;
	step->give_up_ms = held->give_up_ms;
	step->request = &step->engine->request;
	enum dhcp4_count count = dhcp4_request_parse(step->input, &step->engine->request);
	assert(count == DHCP4_COUNT_NONE);
	count = resolve(step);
	if (count != DHCP4_COUNT_NONE)
		dhcp4_step_drop(step, count);
	return count == DHCP4_COUNT_NONE;
}

static enum dhcp4_count count_of_outcome(enum dhcp4_outcome outcome)
{
	switch (outcome) {
	case DHCP4_OUTCOME_APPLIED: return DHCP4_COUNT_NONE;
	case DHCP4_OUTCOME_NO_QUORUM: return DHCP4_COUNT_DROP_NO_QUORUM;
	case DHCP4_OUTCOME_BUSY: return DHCP4_COUNT_DROP_BUSY;
	case DHCP4_OUTCOME_UNKNOWN: return DHCP4_COUNT_DROP_OUTCOME;
	}
	return DHCP4_COUNT_DROP_OUTCOME;
}

/* The proposal will not be applied, or nobody can tell, for want of a leader. */
static bool is_out_of_reach(const struct dhcp4_view *view, enum dhcp4_outcome outcome)
{
	if (view == NULL || outcome == DHCP4_OUTCOME_APPLIED)
		return false;
	return outcome == DHCP4_OUTCOME_NO_QUORUM || !view->has_quorum;
}

void dhcp4_engine_on_outcome(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	uint64_t ticket, enum dhcp4_outcome outcome, const struct model_result *result,
	struct dhcp4_effects *ret_effects)
{
	assert(outcome != DHCP4_OUTCOME_APPLIED || (result != NULL && view != NULL));
	dhcp4_step_clear_effects(ret_effects);
	struct dhcp4_held *held = dhcp4_hold_of_ticket(&engine->pending, ticket);
	enum dhcp4_count count = count_of_outcome(outcome);
	struct dhcp4_step step = {
		.engine = engine, .view = view, .was_proposed = true, .effects = ret_effects};
	if (held == NULL) {
		count = DHCP4_COUNT_DROP_LATE;
	} else if (is_out_of_reach(view, outcome)) {
		dhcp4_hold_remove(&engine->pending, held);
		dhcp4_wait_again(&step, held);
		return;
	}
	if (count == DHCP4_COUNT_NONE) {
		if (!dhcp4_step_resume(&step, held))
			count = DHCP4_COUNT_NONE;
		else if (step.subnet == NULL)
			count = DHCP4_COUNT_DROP_NO_SUBNET;
		else {
			step.merged = held->merged;
			step.rounds = held->rounds;
			dhcp4_lease_decided(&step, held->purpose, held->wanted_ip, result);
		}
	}
	if (count != DHCP4_COUNT_NONE)
		dhcp4_engine_count(engine, count);
	if (held != NULL)
		dhcp4_hold_remove(&engine->pending, held);
}

void dhcp4_engine_on_durable(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	uint64_t ticket, struct dhcp4_effects *ret_effects)
{
	dhcp4_step_clear_effects(ret_effects);
	struct dhcp4_held *held = dhcp4_hold_of_ticket(&engine->pending, ticket);
	if (held == NULL) {
		dhcp4_engine_count(engine, DHCP4_COUNT_DROP_LATE);
		return;
	}
	assert(held->purpose == DHCP4_PURPOSE_JOURNAL);
	struct dhcp4_step step = {.engine = engine, .view = view, .effects = ret_effects};
	if (dhcp4_step_resume(&step, held)) {
		if (step.subnet == NULL)
			dhcp4_engine_count(engine, DHCP4_COUNT_DROP_NO_SUBNET);
		else
			dhcp4_reserve_durable(&step, held);
	}
	dhcp4_hold_remove(&engine->pending, held);
}

/* Where this sweep of the deferred requests goes on. */
static struct dhcp4_held *sweep_at(struct dhcp4_engine *engine)
{
	uint64_t ticket = engine->sweep_ticket;
	engine->sweep_ticket = 0;
	return ticket != 0 ? dhcp4_hold_of_ticket(&engine->deferred, ticket)
			   : dhcp4_hold_oldest(&engine->deferred);
}

bool dhcp4_engine_tick(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	struct dhcp4_effects *ret_effects)
{
	dhcp4_step_clear_effects(ret_effects);
	if (dhcp4_wait_tick(engine, view, ret_effects) ||
		dhcp4_ask_tick(engine, view, ret_effects) ||
		dhcp4_pace_tick(engine, view, ret_effects) ||
		dhcp4_propose_again(engine, view, ret_effects))
		return true;
	struct dhcp4_hold *deferred = &engine->deferred;
	struct dhcp4_held *held = sweep_at(engine);
	while (held != NULL && view->boot_ms - held->added_ms >= DHCP4_TURN_MS) {
		struct dhcp4_held *next = dhcp4_hold_newer(deferred, held);
		bool due = view->boot_ms >= held->due_ms;
		bool ours = due && dhcp4_answer_rank(view, held->client, held->client_bytes) == 0;
		if (ours) {
			struct dhcp4_step step = {
				.engine = engine, .view = view, .effects = ret_effects};
			dhcp4_hold_remove(deferred, held);
			engine->sweep_ticket = next != NULL ? dhcp4_hold_ticket(deferred, next) : 0;
			if (!view->isolated)
				dhcp4_engine_count(engine, DHCP4_COUNT_TAKEN_OVER);
			if (dhcp4_step_resume(&step, held))
				dhcp4_lease_answer(&step);
			return true;
		}
		if (view->boot_ms - held->added_ms >= DHCP4_WATCH_MS) {
			dhcp4_engine_count(engine, DHCP4_COUNT_DROP_NOT_OURS);
			dhcp4_hold_remove(deferred, held);
		}
		held = next;
	}
	return false;
}
