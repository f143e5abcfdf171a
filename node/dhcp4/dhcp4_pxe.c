#include "node/dhcp4/dhcp4_pxe.h"

#include "node/dhcp4/dhcp4_boot.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/dhcp4_sub.h"
#include "proto/wire/text.h"
#include <assert.h>
#include <string.h>

/* Discovery control, 43.6 (PXE 2.1 §2.2.2; FIELD 37). */
#define CONTROL_NO_BROADCAST 1
#define CONTROL_NO_MULTICAST 2
#define CONTROL_ONLY_LISTED  4
#define CONTROL_USE_FILE     8 /* load the file that the offer names */

#define LAYER_SECURITY   0x8000 /* BIS credentials are asked for (FIELD 36) */
#define SUB_BYTES_MAX    255
#define IPXE_PRIORITY    1 /* above a server that says nothing (FIELD 39) */
#define RPI_MENU_TEXT    "Raspberry Pi Boot"
#define RPI_PROMPT_BYTES "\0PXE"

/* A value of several numbers and texts. */
struct sub_value {
	uint8_t data[SUB_BYTES_MAX];
	size_t size;
	bool failed;
};

static void value_bytes(struct sub_value *value, const void *data, size_t size)
{
	if (size > sizeof value->data - value->size) {
		value->failed = true;
		return;
	}
	memcpy(value->data + value->size, data, size);
	value->size += size;
}

static void value_u8(struct sub_value *value, uint8_t number)
{
	value_bytes(value, &number, 1);
}

static void value_u16(struct sub_value *value, uint16_t number)
{
	uint8_t bytes[2] = {(uint8_t)(number >> 8), (uint8_t)number};
	value_bytes(value, bytes, sizeof bytes);
}

static void put_value(struct dhcp4_sub_builder *vendor, uint8_t code, const struct sub_value *value)
{
	if (value->failed)
		vendor->failed = true;
	else
		dhcp4_sub_put(vendor, code, value->data, value->size);
}

/* ---- what the client is */

bool dhcp4_pxe_is_rom(const struct dhcp4_request *request)
{
	return request->is_pxe && !request->is_ipxe && !request->is_http;
}

bool dhcp4_pxe_item(const struct dhcp4_request *request, uint16_t *ret_type, uint16_t *ret_layer)
{
	const uint8_t *info, *item;
	size_t info_bytes, bytes;
	if (!dhcp4_option(&request->message, DHCP4_VENDOR_INFO, &info, &info_bytes) ||
		!dhcp4_sub_find(
			DHCP4_SUB_VENDOR, info, info_bytes, DHCP4_PXE_BOOT_ITEM, &item, &bytes) ||
		bytes != 4)
		return false;
	*ret_type = (uint16_t)(item[0] << 8 | item[1]);
	*ret_layer = (uint16_t)((item[2] << 8 | item[3]) & ~LAYER_SECURITY);
	return true;
}

bool dhcp4_pxe_is_for_boot_server(const struct dhcp4_request *request)
{
	uint16_t type, layer;
	if (request->port == DHCP4_PXE_PORT)
		return true;
	return request->is_pxe && dhcp4_pxe_item(request, &type, &layer);
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
	struct sub_value menu = {.size = 0};
	value_u16(&menu, 0);
	value_u8(&menu, sizeof RPI_MENU_TEXT - 1);
	value_bytes(&menu, RPI_MENU_TEXT, sizeof RPI_MENU_TEXT - 1);
	put_value(vendor, DHCP4_PXE_BOOT_MENU, &menu);
	dhcp4_sub_put(vendor, DHCP4_PXE_MENU_PROMPT, RPI_PROMPT_BYTES, sizeof RPI_PROMPT_BYTES - 1);
}

static uint8_t discovery_control(const Pxe__PxeMenu *menu)
{
	uint8_t control = 0;
	if (!menu->broadcast_discovery)
		control |= CONTROL_NO_BROADCAST;
	if (menu->multicast_ip.len != 4)
		control |= CONTROL_NO_MULTICAST;
	if (control == (CONTROL_NO_BROADCAST | CONTROL_NO_MULTICAST))
		control |= CONTROL_ONLY_LISTED;
	return control;
}

/* type, number of addresses, addresses */
static void put_boot_servers(
	const Pxe__PxeMenu *menu, uint32_t server_ip, struct dhcp4_sub_builder *vendor)
{
	struct sub_value servers = {.size = 0};
	for (size_t i = 0; i < menu->n_items; i++) {
		const Pxe__PxeItem *item = menu->items[i];
		uint8_t own[4];
		if (boot_item_type(menu, i) == 0)
			continue;
		value_u16(&servers, boot_item_type(menu, i));
		value_u8(&servers, item->n_server_ip > 0 ? (uint8_t)item->n_server_ip : 1);
		msg_ip4_put(server_ip, own);
		if (item->n_server_ip == 0)
			value_bytes(&servers, own, sizeof own);
		for (size_t k = 0; k < item->n_server_ip; k++)
			value_bytes(&servers, item->server_ip[k].data, item->server_ip[k].len);
	}
	if (servers.size > 0)
		put_value(vendor, DHCP4_PXE_BOOT_SERVERS, &servers);
}

static void put_items(const Pxe__PxeMenu *menu, struct dhcp4_sub_builder *vendor)
{
	struct sub_value items = {.size = 0}, prompt = {.size = 0};
	for (size_t i = 0; i < menu->n_items; i++) {
		size_t bytes = strlen(menu->items[i]->text);
		value_u16(&items, boot_item_type(menu, i));
		value_u8(&items, (uint8_t)bytes);
		value_bytes(&items, menu->items[i]->text, bytes);
	}
	put_value(vendor, DHCP4_PXE_BOOT_MENU, &items);
	value_u8(&prompt, menu->timeout_s < UINT8_MAX ? (uint8_t)menu->timeout_s : UINT8_MAX);
	value_bytes(&prompt, menu->prompt, strlen(menu->prompt));
	if (menu->prompt[0] != '\0')
		put_value(vendor, DHCP4_PXE_MENU_PROMPT, &prompt);
}

static void put_menu(const Pxe__PxeMenu *menu, uint32_t server_ip, struct dhcp4_builder *builder)
{
	struct dhcp4_sub_builder vendor = {.size = 0};
	dhcp4_sub_put_u8(&vendor, DHCP4_PXE_DISCOVERY_CONTROL, discovery_control(menu));
	if (menu->multicast_ip.len == 4)
		dhcp4_sub_put(&vendor, DHCP4_PXE_DISCOVERY_MCAST, menu->multicast_ip.data, 4);
	put_boot_servers(menu, server_ip, &vendor);
	put_items(menu, &vendor);
	dhcp4_sub_put_end(&vendor);
	/* The configuration was refused if it did not fit (FIELD 35). */
	if (!vendor.failed)
		dhcp4_build_option(builder, DHCP4_VENDOR_INFO, vendor.data, vendor.size);
}

/* 60 and 43 go together or not at all: with 60 alone UEFI asks port 4011 (FIELD 29). */
static void put_use_file(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	struct dhcp4_sub_builder vendor = {.size = 0};
	dhcp4_sub_put_u8(&vendor, DHCP4_PXE_DISCOVERY_CONTROL, CONTROL_USE_FILE);
	if (plan->has_item) {
		struct sub_value item = {.size = 0};
		value_u16(&item, plan->item_type);
		value_u16(&item, plan->item_layer);
		put_value(&vendor, DHCP4_PXE_BOOT_ITEM, &item);
	}
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
		put_menu(menu, plan->boot->server_ip, builder);
		return;
	}
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
	if (plan->manner != DHCP4_MANNER_WHOLE)
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
