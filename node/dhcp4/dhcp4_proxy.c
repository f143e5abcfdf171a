/* What the cluster says to machines that have their address from elsewhere: beside another server
 * (proxy mode), and as a boot server (PXE 2.1 §2.2.4). No lease, no log, no state. */
#include "node/dhcp4/dhcp4_step.h"

#include "node/dhcp4/dhcp4_boot.h"
#include "node/dhcp4/dhcp4_pxe.h"

/* A client that has asked for so long, and more than once, has not taken our offer. */
#define IGNORED_AFTER_S 8

bool dhcp4_proxy_takes(const struct dhcp4_step *step)
{
	return step->mode == PXE__DHCP_MODE__DHCP_PROXY ||
	       dhcp4_pxe_is_for_boot_server(step->request);
}

static bool is_boot_client(const struct dhcp4_request *request)
{
	return request->stage != DHCP4_STAGE_BOOTP && (request->is_pxe || request->is_http);
}

/* FIELD 34. */
static void tell_if_ignored(struct dhcp4_step *step)
{
	if (step->is_repeat && step->request->message.header.secs >= IGNORED_AFTER_S)
		dhcp4_step_refused(step, PXE__VERDICT__VERDICT_NOT_AVAILABLE,
			"it asks again and again after our proxy offer: is there a server that "
			"gives "
			"addresses? Some firmware takes one server only: then name us there as "
			"next "
			"server, or pxectl cluster set dhcp=on");
}

static void answer(struct dhcp4_step *step, enum dhcp4_type type, enum dhcp4_manner manner)
{
	struct boot_decision *boot = &step->engine->boot;
	struct dhcp4_plan plan = {
		.view = step->view,
		.request = step->request,
		.levels = &step->engine->levels,
		.terms = step->terms,
		.host = step->host,
		.boot = boot,
		.type = type,
		.manner = manner,
	};
	dhcp4_boot_choose(
		step->view, step->request, &step->engine->levels, step->request->wanted_ip, boot);
	if (!dhcp4_boot_has_file(boot) && boot->kind != BOOT_MENU) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_NO_BOOT);
		if (boot->kind == BOOT_NONE)
			dhcp4_step_refused(step, PXE__VERDICT__VERDICT_NOT_FOUND, boot->why);
		return;
	}
	/* Some firmware loads from whoever the identifier names (FIELD 45b), and asks port 4011
	 * there (FIELD 33): one address for all. */
	plan.server_id =
		step->mode == PXE__DHCP_MODE__DHCP_PROXY ? boot->server_ip : step->server_id;
	if (manner == DHCP4_MANNER_BOOT_SERVER && step->request->unicast)
		plan.server_id = step->request->destination_ip; /* some take no other's answer */
	plan.has_item = dhcp4_pxe_item(step->request, &plan.item_type, &plan.item_layer);
	if (!dhcp4_reply_build(&plan, &step->effects->reply)) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_REPLY_LONG);
		return;
	}
	step->effects->has_reply = true;
	dhcp4_engine_count(step->engine, dhcp4_count_of_type(type));
	dhcp4_engine_count(step->engine, DHCP4_COUNT_PROXY);
	dhcp4_step_answered(step, PXE__EVENT_KIND__EVENT_DHCP_PROXY, step->request->wanted_ip,
		boot->kind == BOOT_MENU ? "boot menu" : boot->file, boot->profile);
}

void dhcp4_proxy_answer(struct dhcp4_step *step)
{
	const struct dhcp4_request *request = step->request;
	bool asks_boot_server =
		dhcp4_pxe_is_for_boot_server(request) &&
		(request->message.type == DHCP4_REQUEST || request->message.type == DHCP4_INFORM);
	if (!is_boot_client(request)) {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_NOT_PXE);
	} else if (asks_boot_server) { /* FIELD 32 */
		answer(step, DHCP4_ACK, DHCP4_MANNER_BOOT_SERVER);
	} else if (request->stage == DHCP4_STAGE_DISCOVER &&
		   !dhcp4_pxe_is_for_boot_server(request)) {
		answer(step, DHCP4_OFFER, DHCP4_MANNER_BESIDE);
		tell_if_ignored(step);
	} else {
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_OTHER_SERVER);
	}
}
