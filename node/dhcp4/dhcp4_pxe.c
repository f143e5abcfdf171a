#include "node/dhcp4/dhcp4_pxe.h"

#include "node/dhcp4/dhcp4_boot.h"
#include "proto/wire/dhcp4_sub.h"
#include "proto/wire/text.h"
#include <assert.h>
#include <string.h>

#define PXE_USE_BOOT_FILE                                                                          \
	8 /* discovery control: load the file that the offer names (PXE 2.1 §2.2.2) */

static bool has_boot_file(const struct dhcp4_plan *plan)
{
	return plan->boot != NULL && dhcp4_boot_has_file(plan->boot);
}

/* Some clients read these fields, some the options (FIELD 4). */
void dhcp4_pxe_header(const struct dhcp4_plan *plan, struct dhcp4_header *header)
{
	if (!has_boot_file(plan))
		return;
	header->siaddr = plan->boot->server_ip;
	size_t size = strlen(plan->boot->file);
	if (size < DHCP4_FILE_BYTES)
		memcpy(header->file, plan->boot->file, size);
}

/* 60 and 43 go together or not at all: with 60 alone UEFI asks port 4011 (FIELD 29). */
static void put_pxe(const struct boot_decision *boot, struct dhcp4_builder *builder)
{
	char server[TEXT_IP4_BYTES];
	struct dhcp4_sub_builder vendor = {.size = 0};
	dhcp4_build_text(builder, DHCP4_VENDOR_CLASS, "PXEClient");
	dhcp4_sub_put_u8(&vendor, DHCP4_PXE_DISCOVERY_CONTROL, PXE_USE_BOOT_FILE);
	dhcp4_sub_put_end(&vendor);
	assert(!vendor.failed);
	dhcp4_build_option(builder, DHCP4_VENDOR_INFO, vendor.data, vendor.size);
	dhcp4_build_cstring(
		builder, DHCP4_TFTP_SERVER, text_ip4_format(boot->server_ip, server)); /* FIELD 5 */
	dhcp4_build_cstring(builder, DHCP4_BOOT_FILE, boot->file);                     /* FIELD 3 */
}

static void put_ipxe(const struct boot_decision *boot, struct dhcp4_builder *builder)
{
	struct dhcp4_sub_builder own = {.size = 0};
	dhcp4_build_cstring(builder, DHCP4_BOOT_FILE, boot->file);
	/* No proxy DHCP here: saves iPXE two seconds of waiting for one (FIELD 39). */
	dhcp4_sub_put_u8(&own, DHCP4_IPXE_NO_PXEDHCP, 1);
	assert(!own.failed);
	dhcp4_build_option(builder, DHCP4_IPXE, own.data, own.size);
}

void dhcp4_pxe_put(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	if (!has_boot_file(plan))
		return;
	if (plan->request->is_ipxe) {
		put_ipxe(plan->boot, builder);
	} else if (plan->request->is_http) {
		dhcp4_build_text(builder, DHCP4_VENDOR_CLASS, "HTTPClient"); /* FIELD 41 */
		dhcp4_build_cstring(builder, DHCP4_BOOT_FILE, plan->boot->file);
	} else {
		put_pxe(plan->boot, builder);
	}
}
