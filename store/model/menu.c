#include "store/model/menu.h"

#include "proto/msg/msg_ip4.h"
#include <assert.h>
#include <string.h>

#define MENU_PROMPT "PXE" /* if there is none, and a time to wait */

uint16_t menu_item_type(const Pxe__PxeMenu *menu, size_t index)
{
	assert(index < menu->n_items);
	const Pxe__PxeItem *item = menu->items[index];
	if (item->type != 0)
		return (uint16_t)item->type;
	if (strcmp(item->profile, "local") == 0)
		return DHCP4_MENU_LOCAL;
	return (uint16_t)(DHCP4_MENU_OWN_FIRST + index);
}

const Pxe__PxeItem *menu_item_of_type(const Pxe__PxeMenu *menu, uint16_t type)
{
	for (size_t i = 0; i < menu->n_items; i++) {
		if (menu_item_type(menu, i) == type)
			return menu->items[i];
	}
	return NULL;
}

static void menu_fill_servers(const Pxe__PxeItem *from, const uint32_t *own_ip, size_t own_count,
	struct dhcp4_menu_item *item)
{
	size_t count = from->n_server_ip > 0 ? from->n_server_ip : own_count;
	if (count > DHCP4_MENU_SERVERS_MAX)
		count = DHCP4_MENU_SERVERS_MAX;
	for (size_t i = 0; i < count; i++)
		item->server_ip[i] =
			from->n_server_ip > 0 ? msg_ip4_get(from->server_ip[i]) : own_ip[i];
	item->server_count = count;
}

void menu_fill(const Pxe__PxeMenu *menu, const uint32_t *own_ip, size_t own_count,
	struct dhcp4_menu *ret_menu)
{
	bool waits = menu->timeout_s != 0 && menu->timeout_s < DHCP4_MENU_FOR_EVER;
	*ret_menu = (struct dhcp4_menu){
		.broadcast = menu->broadcast_discovery,
		.multicast_ip = msg_ip4_get(menu->multicast_ip),
		.timeout_s = menu->timeout_s > DHCP4_MENU_FOR_EVER ? DHCP4_MENU_FOR_EVER
								   : (uint8_t)menu->timeout_s,
	};
	/* Without the sub-option a ROM shows the menu at once, and waits for ever. */
	ret_menu->has_prompt = menu->prompt[0] != '\0' || waits || menu->timeout_s == 0;
	ret_menu->prompt = menu->prompt[0] != '\0' ? menu->prompt : MENU_PROMPT;
	for (size_t i = 0; i < menu->n_items && i < DHCP4_MENU_ITEMS_MAX; i++) {
		struct dhcp4_menu_item *item = &ret_menu->item[ret_menu->item_count++];
		item->type = menu_item_type(menu, i);
		item->text = menu->items[i]->text;
		menu_fill_servers(menu->items[i], own_ip, own_count, item);
	}
}

bool menu_fits(const Pxe__PxeMenu *menu)
{
	const uint32_t own_ip = 1;
	struct dhcp4_menu wire;
	struct dhcp4_sub_builder builder = {.size = 0};
	if (menu->n_items == 0 || menu->n_items > DHCP4_MENU_ITEMS_MAX)
		return false;
	menu_fill(menu, &own_ip, 1, &wire);
	dhcp4_menu_put(&wire, &builder);
	dhcp4_sub_put_end(&builder);
	return !builder.failed;
}
