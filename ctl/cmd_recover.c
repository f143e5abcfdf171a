/* cluster recover: the last survivor goes on alone, with all that its copy holds.
 *
 *   look (pxed --offline-info) -> show -> the cluster's name is typed -> copy of the database ->
 *   pxed --recover -> next steps
 */
#include "ctl/cmd.h"
#include "ctl/offline.h"
#include "ctl/show.h"

#include "proto/cred/node_conf.h"
#include "proto/wire/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECOVER_PATH_BYTES  600
#define RECOVER_CHUNK_BYTES (256u << 10)

static void clock_text(uint64_t at_ms, char *ret_text, size_t bytes)
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm tm;

	ret_text[0] = '\0';
	if (localtime_r(&seconds, &tm) != NULL) {
		strftime(ret_text, bytes, "%Y-%m-%d %H:%M:%S", &tm);
	}
}

static void show(const struct ctl *ctl, const struct offline_info *info)
{
	char when[64], wait[TEXT_DURATION_BYTES];

	clock_text(info->stamp_ms, when, sizeof when);
	fprintf(ctl->err,
		"cluster %s, as node %s holds it: entry %" PRIu64 " of %s, %" PRIu64
		" leases, epoch %" PRIu64 "\n",
		info->cluster, info->node, info->applied, when, info->leases, info->epoch);
	for (size_t i = 0; i < info->member_count; i++) {
		const struct offline_member *member = &info->member[i];
		fprintf(ctl->err, "  %-12s %-8s %-18s %s\n", member->name, member->role,
			member->address,
			member->id == info->self ? "goes on alone"
						 : "is given up, and never comes back as it is");
	}
	fprintf(ctl->err,
		"All other nodes must be off for good, and recover must run on one survivor only: "
		"two that "
		"go on alone\ngive the same addresses to different machines. If another one can be "
		"started instead, do that.\n"
		"What the others agreed on after that entry is lost. For %s machines that this "
		"copy does "
		"not know\nwait, or get an address of this node's own.\n",
		text_duration_short(info->unknown_s * 1000, wait));
}

/* The cluster's name, typed. */
static int ask(const struct ctl *ctl, const struct offline_info *info)
{
	char answer[OFFLINE_NAME_BYTES + 2] = "";

	if (ctl->yes) {
		return CTL_OK;
	}
	if (!isatty(STDIN_FILENO)) {
		return ctl_fail(ctl, CTL_USAGE,
			"this needs the cluster's name typed: run it in a terminal, or with --yes");
	}
	fprintf(ctl->err, "Type the cluster's name to go on: ");
	fflush(ctl->err);
	if (fgets(answer, sizeof answer, stdin) == NULL) {
		answer[0] = '\0';
	}
	answer[strcspn(answer, "\n")] = '\0';
	if (strcmp(answer, info->cluster) == 0) {
		return CTL_OK;
	}
	fprintf(ctl->err, "nothing was changed\n");
	return CTL_NO;
}

/* ---- the copy */

static int copy_bytes(int from, int to)
{
	uint8_t *chunk = malloc(RECOVER_CHUNK_BYTES);
	ssize_t got = chunk == NULL ? -1 : 1;

	while (got > 0) {
		got = read(from, chunk, RECOVER_CHUNK_BYTES);
		for (ssize_t done = 0, step; got > 0 && done < got; done += step) {
			step = write(to, chunk + done, (size_t)(got - done));
			if (step <= 0) {
				got = -1;
				break;
			}
		}
	}
	if (got == 0 && fsync(to) != 0) {
		got = -1;
	}
	free(chunk);
	return got < 0 ? -(errno != 0 ? errno : EIO) : 0;
}

static int copy_file(int from_dir, int to_dir, const char *name)
{
	int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
	int to =
		from < 0 ? -1 : openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int result = to < 0 ? -errno : copy_bytes(from, to);

	if (from >= 0) {
		close(from);
	}
	if (to >= 0 && close(to) != 0 && result == 0) {
		result = -errno;
	}
	return result;
}

/* All regular files of a directory, into a new one beside. 0 or negative errno. */
static int copy_directory(const char *from, const char *to)
{
	DIR *list = opendir(from);
	int to_dir = list == NULL || mkdir(to, 0700) != 0
			     ? -1
			     : open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = to_dir < 0 ? -errno : 0;
	const struct dirent *entry;
	struct stat info;

	while (result == 0 && (entry = readdir(list)) != NULL) {
		if (fstatat(dirfd(list), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(info.st_mode)) {
			result = copy_file(dirfd(list), to_dir, entry->d_name);
		}
	}
	if (result == 0 && fsync(to_dir) != 0) {
		result = -errno;
	}
	if (to_dir >= 0) {
		close(to_dir);
	}
	if (list != NULL) {
		closedir(list);
	}
	return result;
}

static int keep_copy(const struct ctl *ctl, const char *data)
{
	char from[RECOVER_PATH_BYTES], to[RECOVER_PATH_BYTES], when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int result;

	if (localtime_r(&now, &tm) != NULL) {
		strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
	}
	snprintf(from, sizeof from, "%s/state.mdb", data);
	snprintf(to, sizeof to, "%s/state.mdb.before-recover-%s", data, when);
	result = copy_directory(from, to);
	if (result != 0) {
		return ctl_fail(ctl, result == -EACCES ? CTL_NOT_ALLOWED : CTL_REFUSED,
			"cannot copy %s to %s: %s%s; nothing was changed", from, to,
			strerror(-result), result == -EACCES ? " (use sudo)" : "");
	}
	ctl_note(ctl, "  what was there is kept in %s", to);
	return CTL_OK;
}

/* ---- the command */

static void tell_next(struct ctl *ctl, const struct offline_info *info)
{
	char wait[TEXT_DURATION_BYTES];

	if (ctl->format == CTL_JSON) {
		fprintf(ctl->out,
			"{\"cluster\": \"%s\", \"node\": \"%s\", \"epoch\": %" PRIu64
			", \"leases\": %" PRIu64 "}\n",
			info->cluster, info->node, info->epoch, info->leases);
	} else {
		fprintf(ctl->out, "cluster %s goes on with node %s alone (epoch %" PRIu64 ")\n",
			info->cluster, info->node, info->epoch);
	}
	fflush(ctl->out);
	ctl_note(ctl,
		"Next:  systemctl start pxecluster\n"
		"  On each other machine, before it comes back: stop pxed, move its configuration "
		"and "
		"data away, and\n"
		"  join it again:  pxectl cluster token create  (here),  pxectl cluster join TOKEN "
		" "
		"(there).\n"
		"  Machines that this copy does not know wait for up to %s; see: pxectl status",
		text_duration_short(info->unknown_s * 1000, wait));
}

int cmd_cluster_recover(struct ctl *ctl, const struct invocation *in)
{
	struct offline_info info;
	struct node_conf conf;
	char error[NODE_CONF_ERROR_BYTES];
	int result = node_conf_load(ctl->directory, &conf, error, sizeof error);

	(void)in;
	if (result != 0) {
		return ctl_fail(ctl, result == -EACCES ? CTL_NOT_ALLOWED : CTL_NOT_FOUND,
			"%s%s\n  Run this on the node that survived", error,
			result == -EACCES ? " (use sudo)" : "");
	}
	result = offline_ask(ctl, "--offline-info", NULL, -1, &info);
	if (result != CTL_OK) {
		return result;
	}
	if (info.member_count == 1 && info.member[0].id == info.self) {
		return ctl_fail(ctl, CTL_REFUSED,
			"node %s is the only node of cluster %s: there is nothing to recover from; "
			"start it:  systemctl start pxecluster",
			info.node, info.cluster);
	}
	show(ctl, &info);
	result = ask(ctl, &info);
	if (result == CTL_OK) {
		result = keep_copy(ctl, conf.data_dir);
	}
	if (result == CTL_OK) {
		result = offline_ask(ctl, "--recover", NULL, -1, &info);
	}
	if (result == CTL_OK) {
		tell_next(ctl, &info);
	}
	return result;
}
