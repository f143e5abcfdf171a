/* ctl/site_apply.h: a plan made true: images pushed, changes sent in requests of many. */
#ifndef CTL_SITE_APPLY_H
#define CTL_SITE_APPLY_H

#include "ctl/site_plan.h"

struct site_outcome {
	size_t made;                     /* changes */
	uint64_t revision;               /* after them; 0: none was made */
	const struct site_step *refused; /* that ended it; NULL: all were made, or the first request
					    was not taken at all */
	char text[1024];                 /* why, if the result is not CTL_OK */
};

/* Send the steps in order. `guard`: the revision that all stands on; the first request is refused
 * whole (CTL_CONFLICT, refused == NULL) if it is another by then. */
int site_apply(struct ctl *ctl, const struct site_plan *plan, uint64_t guard,
	struct site_outcome *ret_outcome);

/* Images of the file whose files are not those that the cluster has: each is told on `out` and,
 * with `push`, pushed. *ret_count: how many. An exit code. */
int site_apply_images(struct ctl *ctl, struct site *site, const struct site_have *have, bool push,
	FILE *out, size_t *ret_count);

#endif
