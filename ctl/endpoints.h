/* ctl/endpoints.h: where nodes can be asked, and with which keys. Blocks on the disk. */
#ifndef CTL_ENDPOINTS_H
#define CTL_ENDPOINTS_H

#include "ctl/ctl.h"
#include "ctl/link.h"

#define ENDPOINTS_MAX 20

struct endpoint {
	char url[160]; /* "ipc://..." or "tcp://..." */
	char name[64]; /* member's name, "" unknown */
	bool local;
};

struct endpoints {
	struct endpoint list[ENDPOINTS_MAX];
	size_t count;
	struct link_keys keys;
	bool have_keys; /* else only local ones can be dialled */
	char no_keys_why[400];
	char self[64];        /* this node's name; "" when this is no node */
	char cache_path[300]; /* DIRECTORY/endpoints; "" when there is none */
};

/* From --endpoint, --key and --server-key, else from the node's own files. The exit code; told on
 * err unless CTL_OK. */
int endpoints_find(const struct ctl *ctl, struct endpoints *ret_endpoints);
/* Add the members that are not in the list yet. */
void endpoints_learn(struct endpoints *endpoints, Pxe__Member *const *members, size_t count);
/* Keep the members for the time when this node's daemon does not answer. Does nothing where there
 * is no node. */
void endpoints_keep(const struct endpoints *endpoints, Pxe__Member *const *members, size_t count);

#endif
