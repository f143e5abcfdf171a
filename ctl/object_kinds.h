/* ctl/object_kinds.h: the kinds of objects that operators make - subnets, pools, groups, hosts,
 * profiles -: what each is called, how its options are read, and how it looks. Tables; pure but for
 * what they print. */
#ifndef CTL_OBJECT_KINDS_H
#define CTL_OBJECT_KINDS_H

#include "ctl/command.h"
#include "ctl/table.h"

struct object_kind {
	const char *noun;
	Pxe__ObjectKind kind;
	const ProtobufCMessageDescriptor *type;
	int (*edit)(struct ctl *ctl, const struct invocation *in, void *object);
	void (*row)(struct table *table, const void *object);
	void (*show)(struct ctl *ctl, const void *object);
	Pxe__Put__ObjectCase put_case;
	const struct table_column *columns;
	size_t column_count;
};

/* Print one template as it is kept. */
int object_kinds_show_template(struct ctl *ctl, const Pxe__Profile *profile, const char *name);
/* The kind that the command's noun names. */
const struct object_kind *object_kind_of(const struct invocation *in);

#endif
