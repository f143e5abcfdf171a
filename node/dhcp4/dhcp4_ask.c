/* Before a machine is offered an address that it never had, the link is asked whether anybody uses
 * it already (RFC 2131 §3.1 step 2, §2.2): a stranger that was configured by hand, say.
 *
 * Only for what the log gave from a pool: an operator's reservation stands, and an address that is
 * this machine's own it may well answer for itself (FIELD 19). What stands behind a relay cannot be
 * asked. */
#include "node/dhcp4/dhcp4_step.h"

#include <assert.h>
#include <string.h>

static struct dhcp4_probed *probed_slot(struct dhcp4_engine *engine, uint32_t ip)
{
	return &engine->probed[ip & (DHCP4_PROBED_SLOTS - 1)];
}

static bool is_probed(const struct dhcp4_step *step, uint32_t ip)
{
	const struct dhcp4_probed *slot = probed_slot(step->engine, ip);
	return slot->ip == ip && step->view->boot_ms - slot->at_ms < DHCP4_PROBED_MS;
}

static void remember(struct dhcp4_step *step, uint32_t ip)
{
	*probed_slot(step->engine, ip) = (struct dhcp4_probed){ip, step->view->boot_ms};
}

static bool is_to_be_asked_for(const struct dhcp4_step *step, const struct lease *lease)
{
	const Pxe__Settings *settings = model_settings(step->view->model);
	Pxe__ClientInfo who;
	if (settings->probe == PXE__TOGGLE__TOGGLE_NO || !step->view->has_quorum ||
		dhcp4_request_is_relayed(step->request) || lease->since_ms != 0 ||
		is_probed(step, lease->ip))
		return false;
	dhcp4_step_who(step, &who);
	return model_reserved_ip(step->view->model, step->subnet, &who) != lease->ip;
}

/* true: a probe for the client is under way, and this request was seen to. */
static bool is_under_way(struct dhcp4_step *step, uint32_t ip)
{
	struct dhcp4_hold *probing = &step->engine->probing;
	struct dhcp4_held *held = dhcp4_hold_find(probing, step->request, DHCP4_PURPOSE_PROBE);
	if (held == NULL)
		return false;
	if (held->wanted_ip != ip) {
		dhcp4_hold_remove(probing, held);
		return false;
	}
	dhcp4_hold_update(probing, held, step->input, step->arrival_ms);
	dhcp4_step_drop(step, DHCP4_COUNT_MERGED);
	return true;
}

bool dhcp4_ask_first(struct dhcp4_step *step, const struct lease *lease)
{
	struct dhcp4_hold *probing = &step->engine->probing;
	struct dhcp4_effects *effects = step->effects;
	assert(!effects->has_probe && lease->ip != 0);
	if (!is_to_be_asked_for(step, lease))
		return false;
	if (is_under_way(step, lease->ip))
		return true;
	struct dhcp4_held *held = dhcp4_hold_add(
		probing, step->input, step->request, DHCP4_PURPOSE_PROBE, step->view);
	if (held == NULL) /* so many at once: the client goes first */
		return false;
	held->wanted_ip = lease->ip;
	held->arrival_ms = step->arrival_ms;
	held->due_ms = step->view->boot_ms + DHCP4_PROBE_MS;
	held->rounds = step->rounds;
	effects->has_probe = true;
	effects->probe_ip = lease->ip;
	effects->probe_ticket = dhcp4_hold_ticket(probing, held);
	dhcp4_step_drop(step, DHCP4_COUNT_PROBED);
	return true;
}

/* Does the address still wait for this client? If it is bound by now, another node has acknowledged
 * it, and who answers the probe is the client. */
static bool is_still_offered(const struct dhcp4_step *step, uint32_t ip)
{
	const struct dhcp4_request *request = step->request;
	struct lease lease;
	if (!model_lease_of_ip(step->view->model, ip, &lease) ||
		lease.client_len != request->client_bytes ||
		memcmp(lease.client, request->client, request->client_bytes) != 0)
		return false;
	return lease_state_at(&lease, step->view->now_ms) == PXE__LEASE_STATE__LEASE_OFFERED;
}

static void conclude(struct dhcp4_step *step, uint32_t ip, bool in_use)
{
	if (step->subnet == NULL || !is_still_offered(step, ip)) {
		dhcp4_lease_answer(step);
	} else if (in_use) {
		dhcp4_step_drop(step, DHCP4_COUNT_PROBE_TAKEN);
		dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_ADDRESS_TAKEN, ip,
			"a machine that has no lease of it uses the address: not leased for a "
			"while");
		dhcp4_step_propose_taken(step, ip);
	} else {
		remember(step, ip);
		dhcp4_lease_offer(step, ip);
	}
}

static void end_probe(struct dhcp4_step *step, struct dhcp4_held *held, bool in_use)
{
	uint32_t ip = held->wanted_ip;
	step->rounds = held->rounds;
	step->was_proposed = true;
	dhcp4_hold_remove(&step->engine->probing, held);
	if (dhcp4_step_resume(step, held))
		conclude(step, ip, in_use);
}

void dhcp4_engine_on_probe(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	uint64_t ticket, bool in_use, struct dhcp4_effects *ret_effects)
{
	assert(engine != NULL && view != NULL && view->model != NULL);
	dhcp4_step_clear_effects(ret_effects);
	struct dhcp4_held *held = dhcp4_hold_of_ticket(&engine->probing, ticket);
	if (held == NULL) {
		dhcp4_engine_count(engine, DHCP4_COUNT_PROBE_LATE);
		return;
	}
	struct dhcp4_step step = {.engine = engine, .view = view, .effects = ret_effects};
	end_probe(&step, held, in_use);
}

bool dhcp4_ask_tick(
	struct dhcp4_engine *engine, const struct dhcp4_view *view, struct dhcp4_effects *effects)
{
	struct dhcp4_held *held = dhcp4_hold_oldest(&engine->probing);
	if (held == NULL || view->boot_ms < held->due_ms)
		return false;
	struct dhcp4_step step = {.engine = engine, .view = view, .effects = effects};
	end_probe(&step, held, false);
	return true;
}

void dhcp4_ask_decided(struct dhcp4_step *step)
{
	if (++step->rounds >= DHCP4_PROBE_ROUNDS)
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_TAKEN);
	else
		dhcp4_lease_answer(step);
}
