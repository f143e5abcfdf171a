/* ctl/objects.h: list, show, add, set and remove of subnets, pools, hosts and profiles: one way for
 * all four kinds.
 *
 * `set` reads the object, changes what is named and writes it back on the condition that the
 * cluster's revision has not moved; if it has, it begins anew, a few times. */
#ifndef CTL_OBJECTS_H
#define CTL_OBJECTS_H

#include "ctl/command.h"

int objects_list(struct ctl *ctl, const struct invocation *in);
int objects_show(struct ctl *ctl, const struct invocation *in);
int objects_add(struct ctl *ctl, const struct invocation *in);
int objects_set(struct ctl *ctl, const struct invocation *in);
int objects_remove(struct ctl *ctl, const struct invocation *in);

/* The objects of one kind in a list. */
ProtobufCMessage **objects_of(const Pxe__ObjectList *list, Pxe__ObjectKind kind, size_t *ret_count);
/* {"hosts": [...], "revision": 18343, "stale": false, "as_of_ms": ...} on out. */
int objects_print_json(const struct ctl *ctl, const Pxe__ObjectList *list, Pxe__ObjectKind kind);
/* Delete one object; asks first when something uses it, unless forced. */
int objects_delete(
	struct ctl *ctl, Pxe__ObjectKind kind, const char *noun, const char *name, bool force);
/* "host n07 added (revision 18343)", or the ChangeDone as JSON. Always CTL_OK. */
int objects_print_done(const struct ctl *ctl, const char *what, const char *name, const char *done,
	uint64_t revision, const char *detail);

/* Did an operator keep the address out of the pool? */
bool objects_is_excluded(const Pxe__Pool *pool, uint32_t ip);

#endif
