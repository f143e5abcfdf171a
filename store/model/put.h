/* store/model/put.h: the rules of each kind of configuration object. Pure.
 *
 * Each put_x() judges the object against the rest of the configuration and keeps a copy of it, or
 * refuses with a detail. */
#ifndef STORE_MODEL_PUT_H
#define STORE_MODEL_PUT_H

#include "store/model/check.h"
#include "store/model/keep.h"

Pxe__Verdict put_subnet(struct apply *a, const Pxe__Put *put, const Pxe__Subnet *subnet);
Pxe__Verdict put_pool(struct apply *a, const Pxe__Put *put, const Pxe__Pool *pool);
Pxe__Verdict put_host(struct apply *a, const Pxe__Put *put, const Pxe__Host *host);
/* Remove a host's records: the index entries, then the host. */
void put_host_remove(struct apply *a, const Pxe__Host *host);

Pxe__Verdict put_group(struct apply *a, const Pxe__Put *put, const Pxe__Group *group);

/* Precondition and the limit of the kind. `what` is the kind as pxectl calls it; the name was
 * checked. */
Pxe__Verdict put_admit(struct apply *a, const Pxe__Put *put, bool exists, enum record_kind kind,
	size_t max, const char *what, const char *name);

#endif
