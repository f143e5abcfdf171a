/* proto/wire/dhcp4_menu.h: a PXE boot menu as sub-options of 43 (PXE 2.1 §2.2.2): discovery control
 * (6), multicast address (7), boot servers (8), menu (9) and prompt (10); and the boot item (71)
 * that a ROM asks for when somebody has chosen.
 *
 * Pure. All of it stands in one option of at most 255 bytes (FIELD 35); ROMs do not join pieces.
 */
#ifndef PROTO_WIRE_DHCP4_MENU_H
#define PROTO_WIRE_DHCP4_MENU_H

#include "proto/wire/dhcp4_sub.h"

#define DHCP4_MENU_ITEMS_MAX   24     /* more do not fit with their boot servers */
#define DHCP4_MENU_SERVERS_MAX 4      /* of one item */
#define DHCP4_MENU_LOCAL       0      /* type: the local disk */
#define DHCP4_MENU_OWN_FIRST   0x8001 /* types from 0x8000 on are for vendors: for us */
#define DHCP4_MENU_FOR_EVER    255    /* timeout */

/* Discovery control (FIELD 37). */
#define DHCP4_MENU_NO_BROADCAST  1
#define DHCP4_MENU_NO_MULTICAST  2
#define DHCP4_MENU_USE_BOOT_FILE 8 /* no menu and no discovery: load the file that is named */

struct dhcp4_menu_item {
	uint16_t type;
	const char *text; /* borrowed */
	size_t server_count;
	uint32_t server_ip[DHCP4_MENU_SERVERS_MAX];
};

struct dhcp4_menu {
	bool broadcast;        /* boot servers may be looked for by broadcast */
	uint32_t multicast_ip; /* ... by multicast to this address; 0: not */
	bool has_prompt;       /* else the menu is shown at once, and waits */
	uint8_t timeout_s;     /* 0: the first item at once; DHCP4_MENU_FOR_EVER */
	const char *prompt;    /* borrowed */
	size_t item_count;
	struct dhcp4_menu_item item[DHCP4_MENU_ITEMS_MAX];
};

/* Append all of the menu. If it is too long the builder fails. */
void dhcp4_menu_put(const struct dhcp4_menu *menu, struct dhcp4_sub_builder *builder);

/* The value of sub-option 71: which item is asked for. false: not of four bytes. The layer's bit
 * 0x8000 asks for credentials, which nobody has (FIELD 36): it is cleared. */
bool dhcp4_menu_item_decode(
	const uint8_t *data, size_t size, uint16_t *ret_type, uint16_t *ret_layer);
void dhcp4_menu_item_put(uint16_t type, uint16_t layer, struct dhcp4_sub_builder *builder);

#endif
