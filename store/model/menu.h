/* store/model/menu.h: a profile's boot menu, as it goes on the wire. Pure.
 *
 * The same functions decide whether a menu may be configured (does it fit into option 43?) and what
 * a machine is sent.
 */
#ifndef STORE_MODEL_MENU_H
#define STORE_MODEL_MENU_H

#include "proto/msg/records.pb-c.h"
#include "proto/wire/dhcp4_menu.h"

/* The type under which item `index` is offered: its own; the local disk's; else ours by place. */
uint16_t menu_item_type(const Pxe__PxeMenu *menu, size_t index);
/* NULL: none of that type. */
const Pxe__PxeItem *menu_item_of_type(const Pxe__PxeMenu *menu, uint16_t type);

/* `own_ip`: addresses of the cluster that answer on port 4011, for items without servers of their
 * own; at most DHCP4_MENU_SERVERS_MAX count. Borrows texts from `menu`. Items past
 * DHCP4_MENU_ITEMS_MAX are left out. */
void menu_fill(const Pxe__PxeMenu *menu, const uint32_t *own_ip, size_t own_count,
	struct dhcp4_menu *ret_menu);

/* Does the menu fit into option 43, with one server for each item and the option's end (FIELD 35)?
 */
bool menu_fits(const Pxe__PxeMenu *menu);

#endif
