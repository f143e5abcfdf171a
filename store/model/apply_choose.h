/* store/model/apply_choose.h: which address a client is offered. Pure. */
#ifndef STORE_MODEL_APPLY_CHOOSE_H
#define STORE_MODEL_APPLY_CHOOSE_H

#include "store/model/lease_asker.h"

/* Over all subnets of the link: a reservation, else what the client has, else any free address (the
 * one it wants, if it can have it); 0: none. Leaves the asker at the subnet of what was chosen. */
uint32_t apply_choose(struct apply *a, struct lease_asker *asker, uint32_t wanted);
/* The address that a reservation gives the machine on this link, if it can have it now; 0: none. */
uint32_t apply_choose_reserved(struct apply *a, const struct lease_asker *asker);
/* POOL_FULL, with a detail that says why nothing was left and what to do. */
Pxe__Verdict apply_choose_none(struct apply *a, const struct lease_asker *asker);

#endif
