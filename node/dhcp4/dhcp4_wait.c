/* Requests that meet no quorum: whether there is one will be clear soon. Then they are answered, in
 * whichever way, without the client having to ask again [P3]. */
#include "node/dhcp4/dhcp4_step.h"

#include <assert.h>

static void hold(struct dhcp4_step *step, uint64_t due_ms)
{
	struct dhcp4_hold *waiting = &step->engine->waiting;
	uint64_t now_ms = step->view->boot_ms;
	struct dhcp4_held *held = dhcp4_hold_find(waiting, step->request, DHCP4_PURPOSE_QUORUM);
	if (held != NULL) { /* what the client said last counts */
		dhcp4_hold_update(waiting, held, step->input, step->arrival_ms);
		dhcp4_step_drop(step, DHCP4_COUNT_MERGED);
		return;
	}
	if (waiting->count == waiting->capacity) {
		dhcp4_hold_remove(waiting, dhcp4_hold_oldest(waiting));
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_NO_QUORUM);
	}
	held = dhcp4_hold_add(
		waiting, step->input, step->request, DHCP4_PURPOSE_QUORUM, step->view);
	assert(held != NULL);
	held->arrival_ms = step->arrival_ms;
	held->due_ms = due_ms;
	held->give_up_ms = step->give_up_ms != 0 ? step->give_up_ms : now_ms + DHCP4_WAIT_MS;
	dhcp4_engine_count(step->engine, DHCP4_COUNT_WAITED);
}

void dhcp4_wait_for_quorum(struct dhcp4_step *step)
{
	if (step->view->waiting)
		hold(step, step->view->boot_ms);
	else
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_NO_QUORUM);
}

void dhcp4_wait_again(struct dhcp4_step *step, const struct dhcp4_held *held)
{
	uint64_t give_up_ms = held->give_up_ms;
	if (give_up_ms == 0)
		give_up_ms = held->added_ms + DHCP4_WAIT_MS;
	if (step->view->boot_ms >= give_up_ms) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_NO_QUORUM);
		return;
	}
	if (!dhcp4_step_resume(step, held))
		return;
	step->give_up_ms = give_up_ms;
	if (step->view->isolated)
		dhcp4_lease_answer(step);
	else
		hold(step, step->view->boot_ms + DHCP4_RETRY_MS);
}

static void answer(struct dhcp4_engine *engine, const struct dhcp4_view *view,
	struct dhcp4_hold *table, struct dhcp4_held *held, struct dhcp4_effects *effects)
{
	struct dhcp4_step step = {.engine = engine, .view = view, .effects = effects};
	dhcp4_hold_remove(table, held);
	if (dhcp4_step_resume(&step, held))
		dhcp4_lease_answer(&step);
}

/* Nobody knows when the log will tell of a proposal that was under way when the quorum went. */
static struct dhcp4_held *find_stranded(struct dhcp4_engine *engine)
{
	struct dhcp4_hold *pending = &engine->pending;
	struct dhcp4_held *held = dhcp4_hold_oldest(pending);
	while (held != NULL && held->purpose == DHCP4_PURPOSE_JOURNAL)
		held = dhcp4_hold_newer(pending, held);
	return held;
}

bool dhcp4_wait_tick(
	struct dhcp4_engine *engine, const struct dhcp4_view *view, struct dhcp4_effects *effects)
{
	struct dhcp4_hold *waiting = &engine->waiting;
	struct dhcp4_held *next, *stranded = view->isolated ? find_stranded(engine) : NULL;
	if (stranded != NULL) {
		answer(engine, view, &engine->pending, stranded, effects);
		return true;
	}
	bool is_clear = view->has_quorum || view->isolated;
	for (struct dhcp4_held *held = dhcp4_hold_oldest(waiting); held != NULL; held = next) {
		next = dhcp4_hold_newer(waiting, held);
		if (is_clear && view->boot_ms >= held->due_ms) {
			answer(engine, view, waiting, held, effects);
			return true;
		}
		if (view->boot_ms >= held->give_up_ms) {
			dhcp4_engine_count(engine, DHCP4_COUNT_DROP_NO_QUORUM);
			dhcp4_hold_remove(waiting, held);
		}
	}
	return false;
}
