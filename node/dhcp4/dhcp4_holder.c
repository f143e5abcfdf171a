/* Who has a UDP port open: /proc/net/udp gives the sockets' inodes, /proc/PID/fd their processes.
 */
#include "node/dhcp4/dhcp4_socket.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INODES_MAX 16

static size_t find_inodes(uint16_t port, unsigned long inodes[INODES_MAX])
{
	FILE *file = fopen("/proc/net/udp", "re");
	if (file == NULL)
		return 0;
	char line[256];
	size_t count = 0;
	while (count < INODES_MAX && fgets(line, sizeof line, file) != NULL) {
		unsigned line_port;
		unsigned long inode;
		if (sscanf(line, " %*u: %*8x:%4x %*8x:%*4x %*x %*x:%*x %*x:%*x %*x %*u %*u %lu",
			    &line_port, &inode) == 2 &&
			line_port == port && inode != 0)
			inodes[count++] = inode;
	}
	fclose(file);
	return count;
}

static bool holds_inode(const char *pid, const unsigned long *inodes, size_t inode_count)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return false;
	bool found = false;
	const struct dirent *entry;
	while (!found && (entry = readdir(dir)) != NULL) {
		char target[64];
		ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
		if (size <= 0)
			continue;
		target[size] = '\0';
		unsigned long inode;
		if (sscanf(target, "socket:[%lu]", &inode) != 1)
			continue;
		for (size_t i = 0; i < inode_count; i++)
			found |= inodes[i] == inode;
	}
	closedir(dir);
	return found;
}

static void name_process(const char *pid, char *ret_name, size_t name_bytes)
{
	char path[64], name[32] = "";
	snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
	FILE *file = fopen(path, "re");
	if (file != NULL) {
		if (fgets(name, sizeof name, file) == NULL)
			name[0] = '\0';
		fclose(file);
	}
	name[strcspn(name, "\n")] = '\0';
	snprintf(ret_name, name_bytes, "%s (pid %.20s)", name, pid);
}

bool dhcp4_socket_port_holder(uint16_t port, char *ret_name, size_t name_bytes)
{
	unsigned long inodes[INODES_MAX];
	size_t inode_count = find_inodes(port, inodes);
	DIR *dir = inode_count > 0 ? opendir("/proc") : NULL;
	if (dir == NULL)
		return false;
	bool found = false;
	const struct dirent *entry;
	while (!found && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		found = holds_inode(entry->d_name, inodes, inode_count);
		if (found)
			name_process(entry->d_name, ret_name, name_bytes);
	}
	closedir(dir);
	return found;
}
