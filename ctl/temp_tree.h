/* ctl/temp_tree.h: a directory for the time that a command runs, which goes with it, however it
 * ends: a process of its own waits for that, so that neither Ctrl-C nor SIGKILL leaves gigabytes
 * behind. Blocks on the disk. */
#ifndef CTL_TEMP_TREE_H
#define CTL_TEMP_TREE_H

#include "ctl/ctl.h"

#include <sys/types.h>

struct temp_tree {
	char path[256]; /* "" none */
	int alive_fd;   /* closed by the end of this process, in order or not */
	pid_t keeper;
};

/* In $TMPDIR, else /var/tmp (/tmp is memory on many machines); only this user may look into it.
 * CTL_OK, or CTL_REFUSED after telling. */
int temp_tree_open(const struct ctl *ctl, struct temp_tree *ret_tree);
/* Removes it and waits for that. Does nothing for a tree that is not open. */
void temp_tree_close(struct temp_tree *tree);
/* Bytes that may still be written there; UINT64_MAX: not known. */
uint64_t temp_tree_room(const char *path);

#endif
