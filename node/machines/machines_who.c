#include "node/machines/machines_who.h"

#include <assert.h>
#include <string.h>

bool machines_mac_of_ip(const struct model *model, uint32_t ip, uint64_t now_ms,
	uint8_t ret_mac[16], uint8_t *ret_mac_bytes)
{
	struct lease lease;
	const Pxe__Host *host;

	assert(model != NULL && ret_mac != NULL && ret_mac_bytes != NULL);
	if (ip == 0) {
		return false;
	}
	/* A client is its hardware type and its hardware address. */
	if (model_lease_of_ip(model, ip, &lease) && lease.client_len > 1 &&
		lease.client_len <= 17 &&
		lease_state_at(&lease, now_ms) != PXE__LEASE_STATE__LEASE_FREE) {
		*ret_mac_bytes = (uint8_t)(lease.client_len - 1);
		memcpy(ret_mac, lease.client + 1, *ret_mac_bytes);
		return true;
	}
	host = model_host_of_ip(model, ip);
	if (host == NULL || host->n_mac == 0 || host->mac[0].len == 0 || host->mac[0].len > 16) {
		return false;
	}
	*ret_mac_bytes = (uint8_t)host->mac[0].len;
	memcpy(ret_mac, host->mac[0].data, host->mac[0].len);
	return true;
}
