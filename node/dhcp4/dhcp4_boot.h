/* node/dhcp4/dhcp4_boot.h: what a DHCP answer says about booting, and which node it names for it.
 *
 * Pure. What to boot is node/boot's decision; here it is asked on behalf of a DHCP client, and
 * given the address of a node that holds the bytes: our own if we do, else a live holder's. So the
 * answer of any node is right.
 */
#ifndef NODE_DHCP4_DHCP4_BOOT_H
#define NODE_DHCP4_DHCP4_BOOT_H

#include "node/boot/boot.h"
#include "node/dhcp4/dhcp4_request.h"

/* `ip`: the client's address, 0 unknown. For a client that does not boot from the network the
 * decision is BOOT_NONE without a reason. */
void dhcp4_boot_choose(const struct dhcp4_view *view, const struct dhcp4_request *request,
	const struct model_levels *levels, uint32_t ip, struct boot_decision *ret_decision);

/* Does the decision name anything to load? */
bool dhcp4_boot_has_file(const struct boot_decision *decision);

/* IMAGE or IMAGE@DIGEST of a path or URL "http://host/IMAGE/PATH": copied to ret_image (the name)
 * and ret_digest (a hex prefix, "" for the current version). false: no image is named. */
bool dhcp4_boot_image_of(const char *file, char ret_image[MODEL_NAME_MAX + 1], char ret_digest[65]);

#endif
