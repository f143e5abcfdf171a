/* ctl/backup_file.h: a backup file on disk: what it holds, and whether it is whole. Blocks. */
#ifndef CTL_BACKUP_FILE_H
#define CTL_BACKUP_FILE_H

#include "ctl/ctl.h"
#include "proto/msg/backup.h"

/* What a reader gathers; messages are heap. */
struct backup_content {
	Pxe__BackupHeader *header;
	Pxe__Settings *settings; /* NULL: the file holds none */
	uint64_t leases, hosts, subnets, pools, groups, profiles, images, members, blocks, boots,
		machines, others, bytes;
};

/* Begin to gather with `reader`; both stay where they are until backup_content_fini(). */
void backup_content_begin(struct backup_reader *reader, struct backup_content *content);
void backup_content_fini(struct backup_content *content);
/* Read a whole file ("-": stdin) and check it. CTL_OK; else told: CTL_NOT_FOUND, CTL_NOT_ALLOWED,
 * or CTL_USAGE with what is wrong with it. The content is to be freed in any case. */
int backup_file_read(const struct ctl *ctl, const char *path, struct backup_content *ret_content);

#endif
