/* ctl/import_from.h: the importers. Each reads the configuration of one other server into a site
 * file in the making; what it does not understand becomes a remark. Untrusted input; they read the
 * files that are named, and those that these include.
 */
#ifndef CTL_IMPORT_FROM_H
#define CTL_IMPORT_FROM_H

#include "ctl/import.h"

struct import_source {
	const char *path;
	const char *text; /* its content, with a NUL behind it; NULL: read it */
	size_t bytes;
};

/* Each: 0, or -ENOENT when a source cannot be read or (-EINVAL) is not of that form at all; a
 * remark says why. Sources are read in their order. A path of dnsmasq may be a directory: all its
 * files. */
int import_dnsmasq(struct import *im, const struct import_source *sources, size_t count);
int import_dhcpd(struct import *im, const struct import_source *sources, size_t count);
int import_kea(struct import *im, const struct import_source *sources, size_t count);

#endif
