/* node/machines/machines_who.h: which machine has an address. Pure. */
#ifndef NODE_MACHINES_MACHINES_WHO_H
#define NODE_MACHINES_MACHINES_WHO_H

#include "store/model/model.h"

/* The hardware address of the machine that has the address by lease or reservation. false: nobody
 * that the cluster knows of; nothing is written. ip: host order. */
bool machines_mac_of_ip(const struct model *model, uint32_t ip, uint64_t now_ms,
	uint8_t ret_mac[16], uint8_t *ret_mac_bytes);

#endif
