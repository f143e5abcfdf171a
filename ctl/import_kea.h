/* ctl/import_kea.h: the parts of the Kea importer.
 *
 *   import_json.c        JSON with lines
 *   import_kea.c         subnets, pools, reservations
 *   import_kea_option.c  option-data and option-def
 *   import_kea_test.c    client classes' test expressions into what groups match by
 */
#ifndef CTL_IMPORT_KEA_H
#define CTL_IMPORT_KEA_H

#include "ctl/import_from.h"
#include "ctl/import_json.h"
#include "ctl/import_option.h"

struct kea_definition {
	const char *name, *space, *encapsulate;
	unsigned code;
	const char *types; /* "uint8" or "uint8, ipv4-address" */
	bool array;
	struct kea_definition *next;
};

struct kea {
	struct import *im;
	struct kea_definition *definitions;
};

void kea_left_out(struct kea *kea, const struct import_json *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* option-def of a map. */
void kea_definitions(struct kea *kea, struct import_json *map);
/* option-data of a map, into the options of `node`. */
void kea_options(struct kea *kea, struct import_json *map, struct import_node *node);
/* false: the expression cannot be said with a match. */
bool kea_test(struct kea *kea, const char *test, struct import_node *match);

#endif
