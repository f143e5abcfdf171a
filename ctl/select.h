/* ctl/select.h: which hosts the words of a command line mean.
 *
 *   n07           that host             n[01-16]   n01, n02 ... n16
 *   n0*  n?7      hosts by a pattern    @compute   hosts that name the group
 *
 * Pure; takes memory from the heap.
 */
#ifndef CTL_SELECT_H
#define CTL_SELECT_H

#include "ctl/ctl.h"

#define SELECT_MAX 4096 /* names of one command line */

struct select_names {
	char **name; /* each once, in the order of the words */
	size_t count;
};

/* The names that the words mean among `hosts`. A plain name, or one of a range, is taken as it is:
 * whether there is such a host is the cluster's to say; a pattern or a group that means nobody is
 * refused. CTL_OK, or the exit code, and it was told. */
int select_hosts(const struct ctl *ctl, const Pxe__ObjectList *hosts, const char *const *words,
	size_t word_count, struct select_names *ret_names);
void select_names_fini(struct select_names *names);

#endif
