/* What is answered later, or not so often: machines that are upset by an instant answer (FIELD 26),
 * and floods of machines that nobody declared. */
#include "node/dhcp4/dhcp4_step.h"

#include <stdio.h>

#define THOUSANDTHS 1000u

/* ---- later */

bool dhcp4_pace_delay(struct dhcp4_step *step)
{
	struct dhcp4_hold *delayed = &step->engine->delayed;
	if (step->delayed || step->was_proposed || step->terms.reply_delay_ms == 0)
		return false;
	struct dhcp4_held *held = dhcp4_hold_find(delayed, step->request, DHCP4_PURPOSE_DELAY);
	if (held != NULL) { /* it is answered when its first DISCOVER is due */
		dhcp4_hold_update(delayed, held, step->input, step->arrival_ms);
		dhcp4_step_drop(step, DHCP4_COUNT_MERGED);
		return true;
	}
	held = dhcp4_hold_add(delayed, step->input, step->request, DHCP4_PURPOSE_DELAY, step->view);
	if (held == NULL) /* so many at once: no time to wait */
		return false;
	held->arrival_ms = step->arrival_ms;
	held->due_ms = step->view->boot_ms + step->terms.reply_delay_ms;
	dhcp4_engine_count(step->engine, DHCP4_COUNT_DELAYED);
	return true;
}

bool dhcp4_pace_tick(
	struct dhcp4_engine *engine, const struct dhcp4_view *view, struct dhcp4_effects *effects)
{
	struct dhcp4_hold *delayed = &engine->delayed;
	for (struct dhcp4_held *held = dhcp4_hold_oldest(delayed); held != NULL;
		held = dhcp4_hold_newer(delayed, held)) {
		if (view->boot_ms < held->due_ms)
			continue;
		struct dhcp4_step step = {
			.engine = engine, .view = view, .delayed = true, .effects = effects};
		dhcp4_hold_remove(delayed, held);
		if (dhcp4_step_resume(&step, held))
			dhcp4_lease_answer(&step);
		return true;
	}
	return false;
}

/* ---- not so often */

static uint64_t rate_per_s(const struct dhcp4_view *view)
{
	uint32_t per_s = model_settings(view->model)->unknown_per_s;
	return per_s != 0 ? per_s : DHCP4_UNKNOWN_PER_S;
}

static void fill(struct dhcp4_strangers *strangers, uint64_t per_s, uint64_t boot_ms)
{
	uint64_t most = per_s * THOUSANDTHS;
	uint64_t passed_ms = boot_ms > strangers->at_ms ? boot_ms - strangers->at_ms : 0;
	if (strangers->at_ms == 0 || passed_ms >= 1000)
		strangers->left = most;
	else
		strangers->left += passed_ms * per_s;
	if (strangers->left > most)
		strangers->left = most;
	strangers->at_ms = boot_ms;
}

static void tell(struct dhcp4_step *step, uint64_t per_s)
{
	struct dhcp4_strangers *strangers = &step->engine->strangers;
	char text[sizeof step->effects->event[0].text];
	if (strangers->told_ms != 0 && step->view->boot_ms - strangers->told_ms < DHCP4_REFUSED_MS)
		return;
	snprintf(text, sizeof text,
		"more than %llu new unknown machines in a second, %llu not answered: declare them, "
		"or pxectl cluster set unknown_per_s=N",
		(unsigned long long)per_s, (unsigned long long)strangers->refused);
	strangers->told_ms = step->view->boot_ms;
	strangers->refused = 0;
	dhcp4_step_event(step, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, 0, text);
}

bool dhcp4_pace_admit(struct dhcp4_step *step)
{
	struct dhcp4_strangers *strangers = &step->engine->strangers;
	uint64_t per_s = rate_per_s(step->view);
	fill(strangers, per_s, step->view->boot_ms);
	if (strangers->left >= THOUSANDTHS) {
		strangers->left -= THOUSANDTHS;
		return true;
	}
	strangers->refused++;
	dhcp4_step_drop(step, DHCP4_COUNT_DROP_UNKNOWN_RATE);
	tell(step, per_s);
	return false;
}
