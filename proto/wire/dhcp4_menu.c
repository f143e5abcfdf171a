#include "proto/wire/dhcp4_menu.h"

#include <assert.h>
#include <string.h>

#define LAYER_CREDENTIALS 0x8000

/* One sub-option's value. */
struct dhcp4_menu_value {
	uint8_t data[255];
	size_t size;
	bool failed;
};

static void add(struct dhcp4_menu_value *value, const void *data, size_t size)
{
	if (size > sizeof value->data - value->size) {
		value->failed = true;
		return;
	}
	memcpy(value->data + value->size, data, size);
	value->size += size;
}

static void add_u8(struct dhcp4_menu_value *value, uint8_t number)
{
	add(value, &number, 1);
}

static void add_u16(struct dhcp4_menu_value *value, uint16_t number)
{
	add_u8(value, (uint8_t)(number >> 8));
	add_u8(value, (uint8_t)number);
}

static void add_text(struct dhcp4_menu_value *value, const char *text)
{
	add(value, text, strlen(text));
}

static void put(
	struct dhcp4_sub_builder *builder, uint8_t code, const struct dhcp4_menu_value *value)
{
	if (value->failed)
		builder->failed = true;
	else
		dhcp4_sub_put(builder, code, value->data, value->size);
}

/* Type, number of addresses, addresses. The local disk has no server. */
static void put_servers(const struct dhcp4_menu *menu, struct dhcp4_sub_builder *builder)
{
	struct dhcp4_menu_value value = {.size = 0};
	for (size_t i = 0; i < menu->item_count; i++) {
		const struct dhcp4_menu_item *item = &menu->item[i];
		if (item->type == DHCP4_MENU_LOCAL || item->server_count == 0)
			continue;
		assert(item->server_count <= DHCP4_MENU_SERVERS_MAX);
		add_u16(&value, item->type);
		add_u8(&value, (uint8_t)item->server_count);
		for (size_t k = 0; k < item->server_count; k++) {
			add_u16(&value, (uint16_t)(item->server_ip[k] >> 16));
			add_u16(&value, (uint16_t)item->server_ip[k]);
		}
	}
	if (value.size > 0 || value.failed)
		put(builder, DHCP4_PXE_BOOT_SERVERS, &value);
}

static void put_items(const struct dhcp4_menu *menu, struct dhcp4_sub_builder *builder)
{
	struct dhcp4_menu_value value = {.size = 0};
	for (size_t i = 0; i < menu->item_count; i++) {
		size_t bytes = strlen(menu->item[i].text);
		add_u16(&value, menu->item[i].type);
		add_u8(&value, (uint8_t)bytes);
		add_text(&value, menu->item[i].text);
	}
	put(builder, DHCP4_PXE_BOOT_MENU, &value);
}

void dhcp4_menu_put(const struct dhcp4_menu *menu, struct dhcp4_sub_builder *builder)
{
	assert(menu->item_count > 0 && menu->item_count <= DHCP4_MENU_ITEMS_MAX);
	uint8_t control = 0;
	if (!menu->broadcast)
		control |= DHCP4_MENU_NO_BROADCAST;
	if (menu->multicast_ip == 0)
		control |= DHCP4_MENU_NO_MULTICAST;
	dhcp4_sub_put_u8(builder, DHCP4_PXE_DISCOVERY_CONTROL, control);
	if (menu->multicast_ip != 0)
		dhcp4_sub_put_ip4(builder, DHCP4_PXE_DISCOVERY_MCAST, menu->multicast_ip);
	put_servers(menu, builder);
	put_items(menu, builder);
	if (menu->has_prompt) {
		struct dhcp4_menu_value value = {.size = 0};
		add_u8(&value, menu->timeout_s);
		add_text(&value, menu->prompt);
		put(builder, DHCP4_PXE_MENU_PROMPT, &value);
	}
}

bool dhcp4_menu_item_decode(
	const uint8_t *data, size_t size, uint16_t *ret_type, uint16_t *ret_layer)
{
	if (size != 4)
		return false;
	*ret_type = (uint16_t)(data[0] << 8 | data[1]);
	*ret_layer = (uint16_t)((data[2] << 8 | data[3]) & ~LAYER_CREDENTIALS);
	return true;
}

void dhcp4_menu_item_put(uint16_t type, uint16_t layer, struct dhcp4_sub_builder *builder)
{
	struct dhcp4_menu_value value = {.size = 0};
	add_u16(&value, type);
	add_u16(&value, layer);
	put(builder, DHCP4_PXE_BOOT_ITEM, &value);
}
