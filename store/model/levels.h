/* store/model/levels.h: which configuration applies to a machine: cluster, subnet, pool, groups in
 * their order, host; each overrides those before it.
 *
 * Pure; everything is borrowed from the model and valid until it changes. The same functions decide
 * in the log (lease times, pool guards) and in a node's answers (options, quirks).
 */
#ifndef STORE_MODEL_LEVELS_H
#define STORE_MODEL_LEVELS_H

#include "store/model/model.h"

#define MODEL_GROUPS_MAX       256 /* groups of a cluster */
#define MODEL_LINK_SUBNETS_MAX 32  /* of a shared network */
#define MODEL_LEVELS_MAX       (4 + MODEL_GROUPS_MAX)

/* What one level says; fields that it does not have are 0 or NULL. */
struct model_level {
	const char *kind; /* "cluster", "subnet", "pool", "group", "host" */
	const char *name; /* "" for the cluster */
	uint32_t lease_s, lease_min_s, lease_max_s; /* 0: not said */
	Pxe__Option *const *options;
	size_t option_count;
	const Pxe__Quirks *quirks;         /* NULL: none */
	const char *profile;               /* "": not said */
	Pxe__ArchProfile *const *profiles; /* for some architectures, instead of `profile` */
	size_t profile_count;
	Pxe__Variable *const *vars;
	size_t var_count;
};

struct model_levels {
	size_t count; /* weakest first */
	struct model_level level[MODEL_LEVELS_MAX];
	const Pxe__Settings *settings; /* NULL: none */
	const Pxe__Host *host;         /* NULL: unknown machine */
	bool ignore;                   /* its host or a group says: never answer */
};

/* The host that is declared for this machine: by hardware address, else by client identifier, else
 * by UUID, else by the relay's circuit. NULL: unknown machine. *ret_by (may be NULL): "hardware
 * address", "client identifier", "UUID", "circuit". */
const Pxe__Host *model_host_of(
	const struct model *model, const Pxe__ClientInfo *who, const char **ret_by);

const Pxe__Group *model_group(const struct model *model, const char *name); /* NULL: none */

/* Does the machine belong to the group, by its match or because its host names it? `name` may be
 * "known" or "unknown" without a group of that name. */
bool model_in_group(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, const Pxe__Host *host, const char *name);

/* subnet may be NULL. ip: its address, for the pool's level; 0: none yet. */
void model_levels_of(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, uint32_t ip, struct model_levels *ret_levels);

/* The pool that holds the address, if this machine may lease from it (its groups, exclusions);
 * NULL: none. */
const Pxe__Pool *model_pool_for(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, uint32_t ip);

/* The subnet of the address if it is on the same link as `link`: that subnet itself, or one of the
 * same shared network; NULL: neither. */
const Pxe__Subnet *model_subnet_on_link(
	const struct model *model, const Pxe__Subnet *link, uint32_t ip);

/* The host that the machine itself is declared as: as model_host_of(), but not by the relay's
 * circuit, which is a port, and whoever is at it. */
const Pxe__Host *model_machine_of(const struct model *model, const Pxe__ClientInfo *who);

/* How the subnet's clients are served: as the subnet says, else the cluster. */
Pxe__DhcpMode model_dhcp_mode(const struct model *model, const Pxe__Subnet *subnet);

/* The subnets on one link with this one: itself first, then those of its shared network by name,
 * but those that say themselves that another server gives their addresses. Returns how many were
 * stored. */
size_t model_link_subnets(const struct model *model, const Pxe__Subnet *link,
	const Pxe__Subnet *ret_subnets[MODEL_LINK_SUBNETS_MAX]);

/* What this level says that a machine of the architecture (option 93; UINT16_MAX: not known) boots:
 * the entry for the architecture, where "uefi-x64" also means "uefi-x64-http" if that has none of
 * its own, else the level's profile. NULL: nothing. */
const char *model_profile_of_level(const struct model_level *level, uint16_t arch);
/* The same of the strongest level that says anything; NULL: none does. */
const char *model_profile_of_levels(
	const struct model_levels *levels, uint16_t arch, const struct model_level **ret_level);
/* The value of a variable: host's, groups', profile's (may be NULL), subnet's, cluster's, the first
 * that is given. NULL: none. *ret_level: whose it is; NULL: the profile's. */
const char *model_var_of_levels(const struct model_levels *levels, const Pxe__Profile *profile,
	const char *name, const struct model_level **ret_level);

/* Are there groups, or hosts known by a circuit? If not, commands need not carry what they match
 * by.
 */
bool model_has_matches(const struct model *model);

#endif
