#include "node/dhcp4/dhcp4_pxe.h"

#include "node/dhcp4/dhcp4_boot.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/dhcp4_sub.h"
#include "proto/wire/text.h"
#include "store/model/menu.h"
#include <assert.h>
#include <string.h>

#define IPXE_PRIORITY 1 /* above a server that says nothing (FIELD 39) */

/* ---- what the client is */

bool dhcp4_pxe_is_rom(const struct dhcp4_request *request)
{
	return request->is_pxe && !request->is_ipxe && !request->is_http;
}

bool dhcp4_pxe_item(const struct dhcp4_request *request, uint16_t *ret_type, uint16_t *ret_layer)
{
	const uint8_t *info, *item;
	size_t info_bytes, bytes;
	return dhcp4_option(&request->message, DHCP4_VENDOR_INFO, &info, &info_bytes) &&
	       dhcp4_sub_find(
		       DHCP4_SUB_VENDOR, info, info_bytes, DHCP4_PXE_BOOT_ITEM, &item, &bytes) &&
	       dhcp4_menu_item_decode(item, bytes, ret_type, ret_layer);
}

bool dhcp4_pxe_is_for_boot_server(const struct dhcp4_request *request)
{
	uint16_t type, layer;
	enum dhcp4_type kind = request->message.type;
	if (request->port == DHCP4_PXE_PORT)
		return true;
	/* By broadcast. A REQUEST about an address is none of it, whatever else it says. */
	return request->is_pxe && (kind == DHCP4_REQUEST || kind == DHCP4_INFORM) &&
	       request->server_id == 0 && !dhcp4_has(&request->message, DHCP4_REQUESTED_ADDRESS) &&
	       dhcp4_pxe_item(request, &type, &layer);
}

static bool is_uefi_rom(const struct dhcp4_request *request)
{
	return dhcp4_pxe_is_rom(request) && request->arch != UINT16_MAX &&
	       dhcp4_arch_is_uefi(request->arch);
}

static bool is_raspberry(const struct dhcp4_request *request)
{
	return request->arch == DHCP4_ARCH_RPI;
}

/* UEFI as the proxy's client: an OFFER with option 43 is lost on much fielded firmware, which then
 * asks port 4011 (FIELD 30). */
static bool is_bare_offer(const struct dhcp4_plan *plan)
{
	return plan->manner == DHCP4_MANNER_BESIDE && is_uefi_rom(plan->request);
}

static const Pxe__PxeMenu *menu_of(const struct dhcp4_plan *plan)
{
	const struct boot_decision *boot = plan->boot;
	return boot != NULL && boot->kind == BOOT_MENU ? boot->menu : NULL;
}

/* ---- header */

void dhcp4_pxe_header(const struct dhcp4_plan *plan, struct dhcp4_header *header)
{
	if (plan->boot == NULL)
		return;
	if (dhcp4_boot_has_file(plan->boot) || menu_of(plan) != NULL)
		header->siaddr = plan->boot->server_ip;
	size_t size = strlen(plan->boot->file);
	if (dhcp4_boot_has_file(plan->boot) && !is_bare_offer(plan) && size < DHCP4_FILE_BYTES)
		memcpy(header->file, plan->boot->file, size);
}

/* ---- option 43 */

/* A Raspberry Pi's ROM boots from who says so (FIELD 26). */
static void put_raspberry(struct dhcp4_sub_builder *vendor)
{
	const uint8_t prompt[] = {0, 'P', 'X', 'E'};
	const uint8_t menu[] = {0, 0, 17, 'R', 'a', 's', 'p', 'b', 'e', 'r', 'r', 'y', ' ', 'P',
		'i', ' ', 'B', 'o', 'o', 't'};
	dhcp4_sub_put(vendor, DHCP4_PXE_BOOT_MENU, menu, sizeof menu);
	dhcp4_sub_put(vendor, DHCP4_PXE_MENU_PROMPT, prompt, sizeof prompt);
}

/* Other live nodes answer for items, too: as many as fit. */
static size_t boot_servers(const struct dhcp4_plan *plan, uint32_t ret_ip[DHCP4_MENU_SERVERS_MAX])
{
	const struct dhcp4_view *view = plan->view;
	size_t count = 0;
	ret_ip[count++] = view->serve_ip;
	for (size_t i = 0; i < view->live_count && count < DHCP4_MENU_SERVERS_MAX; i++) {
		const Pxe__Member *member = model_member(view->model, view->live[i]);
		uint32_t ip = member != NULL ? msg_ip4_get(member->serve_ip) : 0;
		if (ip != 0 && ip != view->serve_ip)
			ret_ip[count++] = ip;
	}
	return count;
}

static void put_menu(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	uint32_t server_ip[DHCP4_MENU_SERVERS_MAX];
	size_t count = boot_servers(plan, server_ip);
	struct dhcp4_sub_builder vendor;
	do {
		struct dhcp4_menu menu;
		vendor = (struct dhcp4_sub_builder){.size = 0};
		menu_fill(menu_of(plan), server_ip, count, &menu);
		dhcp4_menu_put(&menu, &vendor);
		dhcp4_sub_put_end(&vendor);
	} while (vendor.failed && --count > 0);
	/* The configuration was refused if it did not fit with one (FIELD 35). */
	if (!vendor.failed)
		dhcp4_build_option(builder, DHCP4_VENDOR_INFO, vendor.data, vendor.size);
}

/* 60 and 43 go together or not at all: with 60 alone UEFI asks port 4011 (FIELD 29). */
static void put_use_file(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	struct dhcp4_sub_builder vendor = {.size = 0};
	dhcp4_sub_put_u8(&vendor, DHCP4_PXE_DISCOVERY_CONTROL, DHCP4_MENU_USE_BOOT_FILE);
	if (plan->has_item)
		dhcp4_menu_item_put(plan->item_type, plan->item_layer, &vendor);
	if (is_raspberry(plan->request))
		put_raspberry(&vendor);
	dhcp4_sub_put_end(&vendor);
	assert(!vendor.failed);
	dhcp4_build_option(builder, DHCP4_VENDOR_INFO, vendor.data, vendor.size);
}

/* ---- by client */

static void put_files(const struct boot_decision *boot, struct dhcp4_builder *builder)
{
	char server[TEXT_IP4_BYTES];
	dhcp4_build_cstring(
		builder, DHCP4_TFTP_SERVER, text_ip4_format(boot->server_ip, server)); /* FIELD 5 */
	dhcp4_build_cstring(builder, DHCP4_BOOT_FILE, boot->file);                     /* FIELD 3 */
}

static void put_rom(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	const Pxe__PxeMenu *menu = menu_of(plan);
	dhcp4_build_text(builder, DHCP4_VENDOR_CLASS, "PXEClient");
	if (is_bare_offer(plan))
		return;
	if (menu != NULL) {
		put_menu(plan, builder);
		return;
	}
	/* Without option 43 UEFI takes the file; much of it loses its way with it (FIELD 30). */
	if (plan->manner != DHCP4_MANNER_BOOT_SERVER || plan->has_item ||
		!is_uefi_rom(plan->request))
		put_use_file(plan, builder);
	put_files(plan->boot, builder);
}

static void put_ipxe(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	struct dhcp4_sub_builder own = {.size = 0};
	dhcp4_build_cstring(builder, DHCP4_BOOT_FILE, plan->boot->file);
	if (plan->manner == DHCP4_MANNER_WHOLE)
		/* No proxy DHCP here: saves iPXE two seconds of waiting for one (FIELD 39). */
		dhcp4_sub_put_u8(&own, DHCP4_IPXE_NO_PXEDHCP, 1);
	else
		/* iPXE listens to a proxy that says PXEClient, and takes the highest priority. */
		dhcp4_build_text(builder, DHCP4_VENDOR_CLASS, "PXEClient");
	dhcp4_sub_put_u8(&own, DHCP4_IPXE_PRIORITY, IPXE_PRIORITY);
	assert(!own.failed);
	dhcp4_build_option(builder, DHCP4_IPXE, own.data, own.size);
}

void dhcp4_pxe_put(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	const struct dhcp4_request *request = plan->request;
	if (plan->boot == NULL || (!dhcp4_boot_has_file(plan->boot) && menu_of(plan) == NULL))
		return;
	if (request->is_ipxe) {
		put_ipxe(plan, builder);
	} else if (request->is_http) {
		dhcp4_build_text(builder, DHCP4_VENDOR_CLASS, "HTTPClient"); /* FIELD 41 */
		dhcp4_build_cstring(builder, DHCP4_BOOT_FILE, plan->boot->file);
	} else {
		put_rom(plan, builder);
	}
}
