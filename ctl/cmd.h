/* ctl/cmd.h: the commands that are not of objects.h; each runs one entry of the table in
 * commands.c. */
#ifndef CTL_CMD_H
#define CTL_CMD_H

#include "ctl/command.h"

/* cmd_cluster.c */
int cmd_cluster_token_create(struct ctl *ctl, const struct invocation *in);
int cmd_cluster_info(struct ctl *ctl, const struct invocation *in);
#define CMD_RESERVE_USUAL 50u /* Settings.reserve_percent, what 0 stands for */
/* cmd_init.c, cmd_join.c */
int cmd_cluster_init(struct ctl *ctl, const struct invocation *in);
int cmd_cluster_join(struct ctl *ctl, const struct invocation *in);
/* cmd_doctor.c */
int cmd_doctor(struct ctl *ctl, const struct invocation *in);
/* cmd_status.c */
int cmd_status(struct ctl *ctl, const struct invocation *in);
int cmd_node_list(struct ctl *ctl, const struct invocation *in);
/* The status; the exit code, told unless CTL_OK. */
int cmd_status_get(struct ctl *ctl, Pxe__AdminReply **ret_reply);
/* The status without a word on err: of `node`, or (NULL) as ctl->node says. NULL: no answer within
 * timeout_ms. To be freed. */
Pxe__AdminReply *cmd_status_try(struct ctl *ctl, const char *node, unsigned timeout_ms);
/* "ok", "down for 4m 12s". */
char *cmd_status_state(const Pxe__NodeStatus *node, char *ret_text, size_t bytes);
/* cmd_node.c, cmd_remove.c */
const Pxe__NodeStatus *cmd_node_find(const Pxe__Status *status, const char *name);
/* That node and no other; CTL_NOT_FOUND is told. */
int cmd_node_check(const struct ctl *ctl, const Pxe__Status *status, const char *name);
int cmd_node_remove(struct ctl *ctl, const struct invocation *in);
int cmd_node_promote(struct ctl *ctl, const struct invocation *in);
int cmd_node_demote(struct ctl *ctl, const struct invocation *in);
int cmd_node_step_down(struct ctl *ctl, const struct invocation *in);
int cmd_node_drain(struct ctl *ctl, const struct invocation *in);
int cmd_node_undrain(struct ctl *ctl, const struct invocation *in);
/* cmd_set.c */
int cmd_cluster_set(struct ctl *ctl, const struct invocation *in);
/* cmd_backup.c, cmd_restore.c, cmd_recover.c */
int cmd_backup_create(struct ctl *ctl, const struct invocation *in);
int cmd_backup_inspect(struct ctl *ctl, const struct invocation *in);
int cmd_backup_restore(struct ctl *ctl, const struct invocation *in);
int cmd_cluster_recover(struct ctl *ctl, const struct invocation *in);
/* cmd_lease.c */
int cmd_lease_list(struct ctl *ctl, const struct invocation *in);
int cmd_lease_show(struct ctl *ctl, const struct invocation *in);
int cmd_lease_release(struct ctl *ctl, const struct invocation *in);
/* cmd_import.c, cmd_lease_import.c */
int cmd_import_dnsmasq(struct ctl *ctl, const struct invocation *in);
int cmd_import_dhcpd(struct ctl *ctl, const struct invocation *in);
int cmd_import_kea(struct ctl *ctl, const struct invocation *in);
int cmd_lease_import(struct ctl *ctl, const struct invocation *in);
/* cmd_image.c, cmd_push.c, cmd_image_add.c, cmd_image_version.c, cmd_pull.c, cmd_loaders.c,
 * cmd_add_os.c */
int cmd_image_list(struct ctl *ctl, const struct invocation *in);
int cmd_image_show(struct ctl *ctl, const struct invocation *in);
int cmd_image_remove(struct ctl *ctl, const struct invocation *in);
/* The values of --only. */
size_t cmd_push_patterns(const struct invocation *in, const char *ret_patterns[COMMAND_GIVEN_MAX]);
int cmd_profile_add_os(struct ctl *ctl, const struct invocation *in);
int cmd_image_tag(struct ctl *ctl, const struct invocation *in);
int cmd_image_diff(struct ctl *ctl, const struct invocation *in);
int cmd_image_gc(struct ctl *ctl, const struct invocation *in);
int cmd_image_verify(struct ctl *ctl, const struct invocation *in);
int cmd_image_pull(struct ctl *ctl, const struct invocation *in);
int cmd_image_add_loaders(struct ctl *ctl, const struct invocation *in);
int cmd_image_add(struct ctl *ctl, const struct invocation *in);
int cmd_image_push(struct ctl *ctl, const struct invocation *in);
/* cmd_watch.c */
int cmd_watch(struct ctl *ctl, const struct invocation *in);
int cmd_boot_explain(struct ctl *ctl, const struct invocation *in);
/* cmd_boot.c */
int cmd_boot_once(struct ctl *ctl, const struct invocation *in);
int cmd_boot_cancel(struct ctl *ctl, const struct invocation *in);
int cmd_boot_show(struct ctl *ctl, const struct invocation *in);
int cmd_boot_history(struct ctl *ctl, const struct invocation *in);
int cmd_boot_log(struct ctl *ctl, const struct invocation *in);
/* cmd_machine.c */
int cmd_machine_list(struct ctl *ctl, const struct invocation *in);
int cmd_machine_show(struct ctl *ctl, const struct invocation *in);
int cmd_machine_remove(struct ctl *ctl, const struct invocation *in);
int cmd_host_adopt(struct ctl *ctl, const struct invocation *in);
/* cmd_site.c */
int cmd_validate(struct ctl *ctl, const struct invocation *in);
int cmd_diff(struct ctl *ctl, const struct invocation *in);
int cmd_apply(struct ctl *ctl, const struct invocation *in);
int cmd_export(struct ctl *ctl, const struct invocation *in);
/* cmd_option.c */
int cmd_option_list(struct ctl *ctl, const struct invocation *in);
int cmd_version(struct ctl *ctl, const struct invocation *in);
int cmd_help(struct ctl *ctl, const struct invocation *in);

#endif
