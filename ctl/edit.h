/* ctl/edit.h: options of `add` and `set` put into an object: only what is named changes. Pure but
 * for messages on ctl->err (and --script, which reads a file). Objects are as protobuf-c unpacks
 * them: every field is heap memory of its own, freed with the object. */
#ifndef CTL_EDIT_H
#define CTL_EDIT_H

#include "ctl/command.h"
#include "ctl/edit_field.h"

/* Each: CTL_OK, or CTL_USAGE after telling what is wrong. */
int edit_subnet(struct ctl *ctl, const struct invocation *in, Pxe__Subnet *subnet);
int edit_pool(struct ctl *ctl, const struct invocation *in, Pxe__Pool *pool);
int edit_group(struct ctl *ctl, const struct invocation *in, Pxe__Group *group);
int edit_host(struct ctl *ctl, const struct invocation *in, Pxe__Host *host);
int edit_profile(struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile);

/* "10.20.0.0/22" with no host bits set. */
int edit_set_cidr(const struct ctl *ctl, const char *text, Pxe__Subnet *subnet);
/* "default", "on", "proxy", "off". */
const char *edit_subnet_dhcp(Pxe__SubnetDhcp dhcp);
/* Is a host's address to be chosen: --ip auto, and nothing else? */
bool edit_wants_auto_ip(const struct invocation *in);
/* A name or number of an architecture; `where` is what the message begins with. */
int edit_check_arch(const struct ctl *ctl, const char *where, const char *text);
/* What a group matches by, by number: the option's word, NULL past the last, with its patterns
 * (none for "known" and "uuid", which are no texts). */
const char *edit_match_at(
	size_t index, const Pxe__Match *match, const char *const **ret_list, size_t *ret_count);

#endif
