/* ctl/site_check.h: what the files that check a site share. Pure. */
#ifndef CTL_SITE_CHECK_H
#define CTL_SITE_CHECK_H

#include "ctl/site_impl.h"

bool site_is_builtin_profile(const char *name);
/* site_check_vars.c: templates are sound, and every variable that they use is said for every
 * machine that can get them. */
void site_check_vars(struct site *site);

#endif
