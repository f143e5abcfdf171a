#include "ctl/temp_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEMP_TREE_OPEN_MAX 16
#define TEMP_TREE_KEEP     (64u << 20) /* bytes that are left to others */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)at;
	if (kind == FTW_DNR && chmod(path, 0700) != 0) {
		return 0;
	}
	remove(path);
	return 0;
}

/* In the child: its session is its own, so that the terminal's Ctrl-C does not end it. */
__attribute__((noreturn)) static void keep(const char *path, int ended_fd)
{
	int null_fd = open("/dev/null", O_RDWR);
	char byte;

	setsid();
	for (int fd = 0; null_fd >= 0 && fd <= 2; fd++) {
		dup2(null_fd, fd);
	}
	while (read(ended_fd, &byte, 1) < 0 && errno == EINTR) {
	}
	nftw(path, remove_one, TEMP_TREE_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

int temp_tree_open(const struct ctl *ctl, struct temp_tree *ret_tree)
{
	const char *parent = getenv("TMPDIR");
	int ends[2] = {-1, -1};

	parent = parent == NULL || parent[0] == '\0' ? "/var/tmp" : parent;
	ret_tree->alive_fd = -1;
	if (snprintf(ret_tree->path, sizeof ret_tree->path, "%s/pxectl-XXXXXX", parent) >=
		(int)sizeof ret_tree->path) {
		ret_tree->path[0] = '\0';
		return ctl_fail(ctl, CTL_REFUSED, "TMPDIR is too long: %s", parent);
	}
	if (mkdtemp(ret_tree->path) == NULL) {
		ret_tree->path[0] = '\0';
		return ctl_fail(ctl, CTL_REFUSED,
			"cannot make a directory in %s: %s; name another with TMPDIR=DIR", parent,
			strerror(errno));
	}
	fflush(NULL); /* the child must not write what is buffered here */
	if (pipe2(ends, O_CLOEXEC) == 0) {
		ret_tree->keeper = fork();
		if (ret_tree->keeper == 0) {
			close(ends[1]);
			keep(ret_tree->path, ends[0]);
		}
		close(ends[0]);
		ret_tree->alive_fd = ends[1];
	}
	if (ends[0] < 0 || ret_tree->keeper < 0) {
		int error = errno;
		rmdir(ret_tree->path);
		if (ends[1] >= 0) {
			close(ends[1]);
		}
		ret_tree->path[0] = '\0';
		return ctl_fail(ctl, CTL_REFUSED, "cannot start a process: %s", strerror(error));
	}
	return CTL_OK;
}

void temp_tree_close(struct temp_tree *tree)
{
	if (tree->path[0] == '\0') {
		return;
	}
	close(tree->alive_fd);
	while (waitpid(tree->keeper, NULL, 0) < 0 && errno == EINTR) {
	}
	tree->path[0] = '\0';
}

uint64_t temp_tree_room(const char *path)
{
	struct statvfs fs;
	uint64_t room;

	if (statvfs(path, &fs) != 0) {
		return UINT64_MAX;
	}
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	return room > TEMP_TREE_KEEP ? room - TEMP_TREE_KEEP : 0;
}
