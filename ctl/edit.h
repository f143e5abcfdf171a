/* ctl/edit.h: options of `add` and `set` put into an object: only what is named changes. Pure but
 * for messages on ctl->err (and --script, which reads a file). Objects are as protobuf-c unpacks
 * them: every field is heap memory of its own, freed with the object. */
#ifndef CTL_EDIT_H
#define CTL_EDIT_H

#include "ctl/command.h"

/* Each: CTL_OK, or CTL_USAGE after telling what is wrong. */
int edit_subnet(struct ctl *ctl, const struct invocation *in, Pxe__Subnet *subnet);
int edit_pool(struct ctl *ctl, const struct invocation *in, Pxe__Pool *pool);
int edit_host(struct ctl *ctl, const struct invocation *in, Pxe__Host *host);
int edit_profile(struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile);

/* A name as the cluster takes it: letters, digits, '-', '_', '.', at most 63. */
int edit_check_name(const struct ctl *ctl, const char *noun, const char *name);
void edit_set_text(char **field, const char *value);
void edit_set_bytes(ProtobufCBinaryData *field, const void *data, size_t bytes);
void edit_set_ip(ProtobufCBinaryData *field, uint32_t ip);
/* "10.20.0.0/22" with no host bits set. */
int edit_set_cidr(const struct ctl *ctl, const char *text, Pxe__Subnet *subnet);

#endif
