#include "proto/host/port_holder.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The inode of a socket bound to the port, from one of /proc/net/{tcp,udp}{,6} (proc(5)); 0: none.
 * TCP: listeners only. */
static unsigned long inode_of_port(const char *table, uint16_t port, bool listening_only)
{
	char line[512];
	unsigned long inode = 0;
	FILE *file = fopen(table, "re");

	if (file == NULL) {
		return 0;
	}
	while (inode == 0 && fgets(line, sizeof line, file) != NULL) {
		unsigned local_port, state;
		unsigned long found;
		if (sscanf(line,
			    " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u "
			    "%*u %lu",
			    &local_port, &state, &found) == 3 &&
			local_port == port && (!listening_only || state == 0x0A)) {
			inode = found;
		}
	}
	fclose(file);
	return inode;
}

static bool process_has_socket(const char *pid, const char *socket_name)
{
	char path[300], link[300], target[64];
	bool has = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%.16s/fd", pid);
	dir = opendir(path);
	if (dir == NULL) {
		return false;
	}
	for (struct dirent *entry = readdir(dir); entry != NULL && !has; entry = readdir(dir)) {
		ssize_t bytes;
		snprintf(link, sizeof link, "/proc/%.16s/fd/%.16s", pid, entry->d_name);
		bytes = readlink(link, target, sizeof target - 1);
		if (bytes > 0) {
			target[bytes] = '\0';
			has = strcmp(target, socket_name) == 0;
		}
	}
	closedir(dir);
	return has;
}

static void process_name(const char *pid, char name[64])
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof path, "/proc/%.16s/comm", pid);
	file = fopen(path, "re");
	if (file == NULL || fgets(name, 64, file) == NULL) {
		strcpy(name, "process");
	}
	if (file != NULL) {
		fclose(file);
	}
	name[strcspn(name, "\n")] = '\0';
}

int port_holder(int protocol, uint16_t port, char *ret_text, size_t text_bytes)
{
	const bool tcp = protocol == IPPROTO_TCP;
	unsigned long inode;
	char socket_name[64], name[64];
	DIR *proc;

	assert((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && ret_text != NULL &&
		text_bytes > 0);
	ret_text[0] = '\0';
	inode = inode_of_port(tcp ? "/proc/net/tcp" : "/proc/net/udp", port, tcp);
	if (inode == 0) {
		inode = inode_of_port(tcp ? "/proc/net/tcp6" : "/proc/net/udp6", port, tcp);
	}
	if (inode == 0) {
		return -ENOENT;
	}
	snprintf(ret_text, text_bytes, "another process");
	snprintf(socket_name, sizeof socket_name, "socket:[%lu]", inode);
	proc = opendir("/proc");
	if (proc == NULL) {
		return 0;
	}
	for (struct dirent *entry = readdir(proc); entry != NULL; entry = readdir(proc)) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
			process_has_socket(entry->d_name, socket_name)) {
			process_name(entry->d_name, name);
			snprintf(ret_text, text_bytes, "%s (pid %.16s)", name, entry->d_name);
			break;
		}
	}
	closedir(proc);
	return 0;
}
