/* ctl/site_write.h: objects as a site file, and what of an object differs. Pure but for the
 * stream. */
#ifndef CTL_SITE_WRITE_H
#define CTL_SITE_WRITE_H

#include "ctl/site.h"

/* A tree (import.h) to write into. */
struct import;
struct import_node;

/* The keys of an object into a map. `name` and, for a pool, its subnet are not among them. */
void site_write_object(struct import *im, struct import_node *map, enum site_kind kind,
	const ProtobufCMessage *message);

/* All that the lists hold, as a site file. NULL: the kind is not written. 0 or -EIO. */
struct site_lists {
	const Pxe__ObjectList *settings, *profiles, *groups, *subnets, *pools, *hosts, *images;
};
int site_write(const struct site_lists *lists, const char *cluster, FILE *out);

/* Each field of the objects that is not the same, by its key, in the order of the table; texts are
 * those of the site file, "" where one has none. Either object may be NULL. Returns how many. */
size_t site_each_difference(enum site_kind kind, const ProtobufCMessage *before,
	const ProtobufCMessage *after,
	void (*visit)(void *ctx, const char *key, const char *before, const char *after),
	void *ctx);

#endif
