/* ctl/edit_terms.h: what every level of the configuration may say to its machines - lease times,
 * DHCP options, quirks -: the options of pxectl put into an object. Pure but for messages on
 * ctl->err. */
#ifndef CTL_EDIT_TERMS_H
#define CTL_EDIT_TERMS_H

#include "ctl/edit_field.h"

/* Where an object has them; NULL: it has no such field. */
struct edit_terms {
	uint32_t *lease_s, *lease_min_s, *lease_max_s;
	Pxe__Option ***options;
	size_t *option_count;
	Pxe__Quirks **quirks;
};

/* --lease, --lease-min, --lease-max, --option and --quirk, if given. CTL_OK or CTL_USAGE, told. */
int edit_terms(const struct ctl *ctl, const struct invocation *in, const struct edit_terms *terms);

/* "NAME=VALUE" replaces one option, "NAME=none" removes it, the others stay; an option that stands
 * there already is replaced where it stands. `where` is what messages begin with: "--option ". */
int edit_option(const struct ctl *ctl, const char *where, const char *text, Pxe__Option ***options,
	size_t *count);

/* "NAME=yes|no|default" or "reply-delay=TIME|default"; *quirks becomes NULL when all are as by
 * default. */
int edit_quirk(const struct ctl *ctl, const char *where, const char *text, Pxe__Quirks **quirks);

/* The quirks by number: their names, NULL past the last, and how they stand: "yes", "no", "500ms";
 * "" for the default. quirks may be NULL. */
const char *edit_quirk_at(size_t index, const Pxe__Quirks *quirks, char ret_value[32]);

#endif
