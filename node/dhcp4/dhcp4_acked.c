#include "node/dhcp4/dhcp4_acked.h"

#include <assert.h>
#include <string.h>

bool dhcp4_acked_add(struct dhcp4_acked *acked, const struct dhcp4_view *view, uint32_t ip,
	const uint8_t *client, size_t client_bytes)
{
	assert(client_bytes > 0 && client_bytes <= MODEL_CLIENT_MAX);
	if (acked->count == DHCP4_ACKED_MAX)
		return false;
	struct dhcp4_acked_lease *lease =
		&acked->lease[(acked->first + acked->count++) % DHCP4_ACKED_MAX];
	*lease = (struct dhcp4_acked_lease){
		.boot_ms = view->boot_ms,
		.told_ms = view->now_ms,
		.state_ms = model_stamp_ms(view->model),
		.ip = ip,
		.client_bytes = (uint8_t)client_bytes,
	};
	memcpy(lease->client, client, client_bytes);
	return true;
}

/* Is the address still the client's, and given up by a RELEASE that may be from before? */
static bool is_lost(const struct dhcp4_view *view, const struct dhcp4_acked_lease *acked)
{
	struct lease lease;
	return model_lease_of_ip(view->model, acked->ip, &lease) &&
	       lease.client_len == acked->client_bytes &&
	       memcmp(lease.client, acked->client, acked->client_bytes) == 0 &&
	       lease.released_ms != 0 && lease.released_ms <= acked->told_ms + DHCP4_ACKED_STAMP_MS;
}

bool dhcp4_acked_next_lost(struct dhcp4_acked *acked, const struct dhcp4_view *view,
	struct dhcp4_acked_lease *ret_lease, bool *ret_more)
{
	const struct dhcp4_acked_lease *oldest = &acked->lease[acked->first];
	*ret_more = acked->count > 0 && view->has_quorum && view->fresh &&
		    view->boot_ms - oldest->boot_ms >= DHCP4_ACKED_MS &&
		    model_stamp_ms(view->model) > oldest->told_ms + DHCP4_ACKED_STAMP_MS;
	if (!*ret_more)
		return false;
	*ret_lease = *oldest;
	acked->first = (acked->first + 1) % DHCP4_ACKED_MAX;
	acked->count--;
	if (acked->count == 0)
		acked->kept_ms = 0;
	if (!is_lost(view, ret_lease))
		return false;
	/* Its place is free: it was just taken out. */
	struct dhcp4_acked_lease *again =
		&acked->lease[(acked->first + acked->count++) % DHCP4_ACKED_MAX];
	*again = *ret_lease;
	again->boot_ms = view->boot_ms;
	again->told_ms = view->now_ms;
	if (acked->kept_ms == 0 || again->state_ms < acked->kept_ms)
		acked->kept_ms = again->state_ms;
	return true;
}

uint64_t dhcp4_acked_oldest_ms(const struct dhcp4_acked *acked)
{
	if (acked->count == 0)
		return UINT64_MAX;
	uint64_t oldest_ms = acked->lease[acked->first].state_ms;
	return acked->kept_ms != 0 && acked->kept_ms < oldest_ms ? acked->kept_ms : oldest_ms;
}
