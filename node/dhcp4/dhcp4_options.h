/* node/dhcp4/dhcp4_options.h: the options that the configuration gives to a machine of a subnet.
 *
 * Pure. Values are borrowed from the model or stand in the list's own memory. Beyond the stated
 * limits options are left out.
 */
#ifndef NODE_DHCP4_DHCP4_OPTIONS_H
#define NODE_DHCP4_DHCP4_OPTIONS_H

#include "proto/msg/records.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP4_OPTIONS_MAX     64
#define DHCP4_OPTIONS_SCRATCH 1024

struct dhcp4_option_value {
	uint8_t code;
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

/* Routers, DNS, host and domain name, broadcast address, MTU, NTP, then the subnet's further
 * options, unless the engine itself decides about them (addresses, times, identifiers). with_nul:
 * this client wants strings ended by a NUL (FIELD 9). boot_is_ours: also leave out what tells what
 * to boot. */
void dhcp4_options_collect(const Pxe__Subnet *subnet, const Pxe__Host *host, bool with_nul,
	bool boot_is_ours, struct dhcp4_options *ret_options);

/* The value that is not yet marked as sent; NULL: none. */
struct dhcp4_option_value *dhcp4_options_find(struct dhcp4_options *options, uint8_t code);

#endif
