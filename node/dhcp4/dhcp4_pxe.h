/* node/dhcp4/dhcp4_pxe.h: what an answer says about booting: header fields and options 43, 60, 66,
 * 67, 71 and 175 (PXE 2.1 §2.2.2; UEFI 2.10 §24.7; ipxe.org/howto/dhcpd); and what a boot server
 * is asked.
 *
 * Pure.
 *   DHCP4_MANNER_WHOLE        address and boot information in one answer
 *   DHCP4_MANNER_BESIDE       another server gives the address, we say what to boot
 *   DHCP4_MANNER_BOOT_SERVER  the client has an address, and asks for its program (port 4011, or
 *                             43.71)
 */
#ifndef NODE_DHCP4_DHCP4_PXE_H
#define NODE_DHCP4_DHCP4_PXE_H

#include "node/dhcp4/dhcp4_reply.h"
#include "proto/wire/dhcp4_build.h"

/* siaddr and file. Some clients read these fields, some the options (FIELD 4). */
void dhcp4_pxe_header(const struct dhcp4_plan *plan, struct dhcp4_header *header);
/* The options. Nothing if there is nothing to boot. */
void dhcp4_pxe_put(const struct dhcp4_plan *plan, struct dhcp4_builder *builder);

/* Is the boot server meant: by the port, or by a boot item in option 43? */
bool dhcp4_pxe_is_for_boot_server(const struct dhcp4_request *request);
/* The item that the client chose of a menu (43.71, PXE 2.1 §2.2.2); false: none. The security bit
 * of the layer is left out (FIELD 36). */
bool dhcp4_pxe_item(const struct dhcp4_request *request, uint16_t *ret_type, uint16_t *ret_layer);

/* Does the machine show menus that its ROM is told of (option 60 PXEClient, not iPXE's own)? */
bool dhcp4_pxe_is_rom(const struct dhcp4_request *request);

#endif
