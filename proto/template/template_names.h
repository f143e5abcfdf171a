/* proto/template/template_names.h: the names that templates may use, in one place for whoever
 * checks them and for whoever fills them in.
 *
 * Pure.
 */
#ifndef PROTO_TEMPLATE_TEMPLATE_NAMES_H
#define PROTO_TEMPLATE_TEMPLATE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct template_name {
	const char *name;
	const char *help; /* one line */
};

/* The n-th name, from 0; NULL: no more. "vars.NAME" is not among them. */
const struct template_name *template_name_at(size_t index);
/* One of them, or "vars." and a variable's name (letters, digits and '_', at most 63 bytes). */
bool template_name_is_known(const char *name);
/* "disk" of "vars.disk"; NULL: not of that form. */
const char *template_name_variable(const char *name);

#endif
