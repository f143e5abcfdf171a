/* node/dhcp4/dhcp4_options.h: the options that the configuration gives to a machine, of all levels
 * (cluster, subnet, pool, groups, host).
 *
 * Pure. Options are the same if space, enterprise and code are: of several levels the last one
 * counts. Values are borrowed from the model or stand in the list's own memory. Beyond the stated
 * limits options are left out.
 */
#ifndef NODE_DHCP4_DHCP4_OPTIONS_H
#define NODE_DHCP4_DHCP4_OPTIONS_H

#include "store/model/levels.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP4_OPTIONS_MAX     192
#define DHCP4_OPTIONS_SCRATCH 4096
#define DHCP4_OPTION_BYTES    1200 /* of one value; more fits no answer */

struct dhcp4_option_value {
	Pxe__OptionSpace space;
	uint32_t enterprise; /* VIVSO */
	uint8_t code;
	bool always; /* also to a client that did not ask for it */
	bool sent;
	size_t size;
	const uint8_t *data;
};

/* Not to be copied: values point into it. */
struct dhcp4_options {
	size_t count;
	size_t scratch_used;
	struct dhcp4_option_value value[DHCP4_OPTIONS_MAX];
	uint8_t scratch[DHCP4_OPTIONS_SCRATCH];
};

/* What the levels say, with the fields of the cluster (DNS, domain), of the subnet (routers, DNS,
 * domain, MTU, NTP, broadcast address) and the host's name as options of their levels; but for what
 * the engine itself decides about (addresses, times, identifiers). The VENDOR options then stand
 * together as option 43, the VIVSO options as option 125 (RFC 3925), so what is left to send is of
 * the DHCP space. `subnet` is that of the address. with_nul: this client wants strings ended by a
 * NUL (FIELD 9). boot_is_ours: also leave out what tells what to boot. */
void dhcp4_options_collect(const struct model_levels *levels, const Pxe__Subnet *subnet,
	bool with_nul, bool boot_is_ours, struct dhcp4_options *ret_options);

/* The value of the DHCP space that is not yet marked as sent; NULL: none. */
struct dhcp4_option_value *dhcp4_options_find(struct dhcp4_options *options, uint8_t code);

#endif
