/* ctl/cmd.h: the commands that are not of objects.h; each runs one entry of the table in
 * commands.c. */
#ifndef CTL_CMD_H
#define CTL_CMD_H

#include "ctl/command.h"

/* cmd_cluster.c */
int cmd_cluster_token_create(struct ctl *ctl, const struct invocation *in);
int cmd_cluster_info(struct ctl *ctl, const struct invocation *in);
/* cmd_init.c, cmd_join.c */
int cmd_cluster_init(struct ctl *ctl, const struct invocation *in);
int cmd_cluster_join(struct ctl *ctl, const struct invocation *in);
/* cmd_status.c */
int cmd_status(struct ctl *ctl, const struct invocation *in);
int cmd_node_list(struct ctl *ctl, const struct invocation *in);
int cmd_node_remove(struct ctl *ctl, const struct invocation *in);
/* cmd_lease.c */
int cmd_lease_list(struct ctl *ctl, const struct invocation *in);
int cmd_lease_show(struct ctl *ctl, const struct invocation *in);
int cmd_lease_release(struct ctl *ctl, const struct invocation *in);
/* cmd_image.c, cmd_push.c */
int cmd_image_list(struct ctl *ctl, const struct invocation *in);
int cmd_image_show(struct ctl *ctl, const struct invocation *in);
int cmd_image_remove(struct ctl *ctl, const struct invocation *in);
int cmd_image_push(struct ctl *ctl, const struct invocation *in);
/* cmd_watch.c */
int cmd_watch(struct ctl *ctl, const struct invocation *in);
int cmd_boot_explain(struct ctl *ctl, const struct invocation *in);
int cmd_version(struct ctl *ctl, const struct invocation *in);
int cmd_help(struct ctl *ctl, const struct invocation *in);

#endif
