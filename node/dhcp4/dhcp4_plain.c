/* Clients that get no OFFER: those that have an address already (INFORM), and those of before DHCP
 * (BOOTP). */
#include "node/dhcp4/dhcp4_step.h"

/* Configuration only (RFC 2131 §4.3.5): no lease, no times, no address. */
void dhcp4_plain_inform(struct dhcp4_step *step)
{
	dhcp4_lease_reply(step, DHCP4_ACK, 0, 0);
}

static bool has_lease_of(const struct dhcp4_step *step, uint32_t ip)
{
	struct lease lease;
	return dhcp4_step_lease(step, &lease) && lease.ip == ip &&
	       lease_state_at(&lease, step->view->now_ms) == PXE__LEASE_STATE__LEASE_BOUND;
}

/* RFC 1534: only a machine for which an operator reserved an address, since it keeps that for ever
 * and never says so. A node that is alone cannot promise that to a machine that has no lease yet.
 */
void dhcp4_plain_bootp(struct dhcp4_step *step)
{
	Pxe__ClientInfo who;
	dhcp4_step_who(step, &who);
	uint32_t ip = model_reserved_ip(step->view->model, step->subnet, &who);
	if (ip == 0)
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_BOOTP);
	else if (step->view->isolated && !has_lease_of(step, ip))
		dhcp4_step_drop(step, DHCP4_COUNT_DROP_ISOLATED);
	else
		dhcp4_lease_bind(step, ip, true);
}
