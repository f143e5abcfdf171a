/* store/model/put_menu.h: may a profile have this boot menu? Pure. */
#ifndef STORE_MODEL_PUT_MENU_H
#define STORE_MODEL_PUT_MENU_H

#include "store/model/check.h"

/* true, or false with a detail; true for a profile without a menu. */
bool put_check_menu(struct apply *a, const Pxe__Profile *profile);

#endif
