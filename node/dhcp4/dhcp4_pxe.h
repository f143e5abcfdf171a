/* node/dhcp4/dhcp4_pxe.h: what an answer says about booting: siaddr and file, and the options 43,
 * 60, 66, 67 and 175.
 *
 * Pure. What to boot is node/boot's decision (dhcp4_boot.h); here stands how each kind of firmware
 * has to be told.
 */
#ifndef NODE_DHCP4_DHCP4_PXE_H
#define NODE_DHCP4_DHCP4_PXE_H

#include "node/dhcp4/dhcp4_reply.h"
#include "proto/wire/dhcp4_build.h"

/* Fill siaddr and file: nothing if nothing is to be booted. */
void dhcp4_pxe_header(const struct dhcp4_plan *plan, struct dhcp4_header *header);

/* Append the options, after type and server identifier. */
void dhcp4_pxe_put(const struct dhcp4_plan *plan, struct dhcp4_builder *builder);

#endif
