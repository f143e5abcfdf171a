/* ctl/site_auto.h: addresses that are chosen for hosts of a site file, and what has to go first so
 * that objects can change places. Pure. */
#ifndef CTL_SITE_AUTO_H
#define CTL_SITE_AUTO_H

#include "ctl/site_plan.h"

/* A host whose address is `auto` keeps the one that it has. */
void site_auto_keep(const Pxe__Host *before, Pxe__Host *after);
/* Give each host of the plan that is to have an address and has none a free one: its lease, else
 * one of the pools, from their ends. */
void site_auto_choose(struct site *site, const struct site_have *have, struct site_plan *plan);
/* Where a host or pool takes what another one of the plan gives up, a step before them has it given
 * up: the cluster judges each change on its own. */
void site_auto_make_way(const struct site_have *have, struct site_plan *plan);

#endif
