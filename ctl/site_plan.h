/* ctl/site_plan.h: what makes the cluster as a site file says: changes, in the order in which they
 * can be made.
 *
 * Of an object that the cluster has, what the file says replaces all of it; who made it stays. An
 * object that is not in the file stays, unless this file made it and that is to be pruned. Pure,
 * but for site_plan_fetch().
 */
#ifndef CTL_SITE_PLAN_H
#define CTL_SITE_PLAN_H

#include "ctl/site.h"

/* What the cluster has, as of one revision. */
struct site_have {
	Pxe__ObjectList *list[SITE_KINDS];
	Pxe__ObjectList *once;             /* NULL unless the file has any */
	Pxe__ObjectList *leases, *members; /* NULL unless an address is to be chosen */
	uint64_t revision;
};

enum site_step_kind { SITE_ADD, SITE_CHANGE, SITE_REMOVE, SITE_ARM, SITE_MAKE_WAY };

struct site_step {
	enum site_step_kind step;
	enum site_kind kind;
	const char *name;
	const struct site_object *object; /* in the file; NULL: removed */
	const ProtobufCMessage *before;   /* of the cluster; NULL: added */
	ProtobufCMessage *after;          /* ours; NULL: removed, or armed */
};

struct site_plan {
	struct site_step *steps; /* in order; SITE_MAKE_WAY is not shown */
	size_t count, capacity;
	size_t added, changed, removed, armed;
};

/* CTL_OK, or an exit code after telling. */
int site_plan_fetch(struct ctl *ctl, const struct site *site, struct site_have *ret_have);
void site_plan_have_fini(struct site_have *have);
/* For site_check(): ctx is a struct site_have. */
bool site_plan_exists(void *ctx, enum site_kind kind, const char *name);

/* Errors that only the cluster shows are told as site_error(). */
void site_plan_make(
	struct site *site, const struct site_have *have, bool prune, struct site_plan *ret_plan);
void site_plan_fini(struct site_plan *plan);
/* "~ host n07  ip: a -> b", "+ host n19  ...", "- host n3". */
void site_plan_show(const struct site_plan *plan, FILE *out);
/* The command of a step; what it points to lives as long as the plan. */
struct site_command {
	Pxe__Command command;
	Pxe__Put put;
	Pxe__Delete remove;
	Pxe__BootOnce once;
};
void site_plan_command(const struct site_step *step, struct site_command *ret_command);

#endif
