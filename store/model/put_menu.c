#include "store/model/put_menu.h"

#include "store/model/menu.h"
#include <string.h>

#define INVALID PXE__VERDICT__VERDICT_INVALID

#define MENU_TEXT_MAX   64 /* bytes of an item's line: what a screen shows */
#define MENU_PROMPT_MAX 80
#define MULTICAST_FIRST 224

static bool check_item(struct apply *a, const Pxe__Profile *profile, size_t index)
{
	const Pxe__PxeItem *item = profile->menu->items[index];
	if (item->text[0] == '\0') {
		internal_refuse(a, INVALID, "item %zu of the menu of profile %s has no text",
			index + 1, profile->name);
		return false;
	}
	if (!check_text(a, "text of a menu item", item->text, MENU_TEXT_MAX, false) ||
		!check_ips(a, "boot server of a menu item", item->server_ip, item->n_server_ip,
			DHCP4_MENU_SERVERS_MAX))
		return false;
	if (item->type > UINT16_MAX) {
		internal_refuse(a, INVALID, "menu item '%s' has type %u: use at most %u",
			item->text, item->type, UINT16_MAX);
		return false;
	}
	/* Somebody else's boot server knows what its type means. */
	if (item->profile[0] == '\0') {
		if (item->type != 0 && item->n_server_ip > 0)
			return true;
		internal_refuse(a, INVALID,
			"menu item '%s' boots nothing: give it a profile, or the type and the "
			"addresses of another boot server",
			item->text);
		return false;
	}
	/* An item may mean the profile that the menu stands in. */
	return strcmp(item->profile, profile->name) == 0 ||
	       check_profile_ref(a, "profile of a menu item", item->profile);
}

static bool check_types(struct apply *a, const Pxe__PxeMenu *menu)
{
	for (size_t i = 0; i < menu->n_items; i++) {
		uint16_t type = menu_item_type(menu, i);
		if (menu_item_of_type(menu, type) == menu->items[i])
			continue;
		internal_refuse(a, INVALID,
			"two items of the menu have type %u: '%s' needs another one", type,
			menu->items[i]->text);
		return false;
	}
	return true;
}

static bool check_discovery(struct apply *a, const Pxe__PxeMenu *menu)
{
	ProtobufCBinaryData ip = menu->multicast_ip;
	if (ip.len == 0 || (ip.len == 4 && ip.data[0] >> 4 == MULTICAST_FIRST >> 4))
		return true;
	internal_refuse(a, INVALID,
		"the multicast address of a menu is one of 224.0.0.0 to 239.255.255.255");
	return false;
}

bool put_check_menu(struct apply *a, const Pxe__Profile *profile)
{
	const Pxe__PxeMenu *menu = profile->menu;
	if (menu == NULL)
		return true;
	if (menu->n_items == 0 || menu->n_items > DHCP4_MENU_ITEMS_MAX) {
		internal_refuse(a, INVALID, "the menu of profile %s has %zu items: use 1 to %d",
			profile->name, menu->n_items, DHCP4_MENU_ITEMS_MAX);
		return false;
	}
	for (size_t i = 0; i < menu->n_items; i++) {
		if (!check_item(a, profile, i))
			return false;
	}
	if (!check_text(a, "prompt of the menu", menu->prompt, MENU_PROMPT_MAX, false) ||
		!check_seconds(a, "timeout of the menu", menu->timeout_s, 1, 255) ||
		!check_discovery(a, menu) || !check_types(a, menu))
		return false;
	if (menu_fits(menu))
		return true;
	internal_refuse(a, INVALID,
		"the menu of profile %s does not fit into the 255 bytes that a ROM reads: use "
		"fewer items or shorter texts",
		profile->name);
	return false;
}
