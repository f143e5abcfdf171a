/* backup create, inspect: all that the cluster holds, in one file. */
#include "ctl/backup_file.h"
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/show.h"

#include "proto/wire/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BACKUP_PATH_BYTES 512

/* ---- create: what comes is written, and read at the same time, so that no broken file is kept */

struct taking {
	const struct ctl *ctl;
	struct backup_reader reader;
	struct backup_content content;
	char part[BACKUP_PATH_BYTES]; /* the file while it is written */
	int fd;
	int error; /* errno of writing */
	bool refused;
};

static bool write_all(int fd, const uint8_t *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t done = write(fd, data, bytes);
		if (done <= 0 && errno != EINTR) {
			return false;
		}
		if (done > 0) {
			data += done;
			bytes -= (size_t)done;
		}
	}
	return true;
}

static bool on_part(void *ctx, const Pxe__AdminReply *reply)
{
	struct taking *taking = ctx;
	const ProtobufCBinaryData *data;

	if (reply->body_case != PXE__ADMIN_REPLY__BODY_BACKUP_PART) {
		return true;
	}
	data = &reply->backup_part->data;
	taking->content.bytes += data->len;
	taking->refused = backup_read(&taking->reader, data->data, data->len) != 0;
	if (!taking->refused && !write_all(taking->fd, data->data, data->len)) {
		taking->error = errno;
	}
	return !taking->refused && taking->error == 0;
}

/* Another node begins anew: so do we. What went out on a pipe cannot be taken back. */
static void on_restart(void *ctx)
{
	struct taking *taking = ctx;

	(void)backup_read_end(&taking->reader);
	backup_content_fini(&taking->content);
	backup_content_begin(&taking->reader, &taking->content);
	if (ftruncate(taking->fd, 0) != 0 || lseek(taking->fd, 0, SEEK_SET) != 0) {
		taking->error = EPIPE;
	}
}

/* "lab-2026-11-22.pxb": where no name was given; found out when the cluster's name is known. */
static void default_name(const struct taking *taking, char ret_path[BACKUP_PATH_BYTES])
{
	char day[16] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm) != NULL) {
		strftime(day, sizeof day, "%Y-%m-%d", &tm);
	}
	snprintf(ret_path, BACKUP_PATH_BYTES, "%.63s-%s.pxb", taking->content.header->cluster, day);
}

static int open_part(struct taking *taking, const char *path)
{
	if (path != NULL && strcmp(path, "-") == 0) {
		taking->fd = STDOUT_FILENO;
		if (isatty(taking->fd)) {
			return ctl_fail(taking->ctl, CTL_USAGE,
				"a backup is not for a terminal: write it to a file or a pipe");
		}
		return CTL_OK;
	}
	snprintf(taking->part, sizeof taking->part, "%.400s.part",
		path != NULL ? path : "backup.pxb");
	(void)unlink(taking->part);
	taking->fd = open(taking->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return taking->fd >= 0
		       ? CTL_OK
		       : ctl_fail(taking->ctl, errno == EACCES ? CTL_NOT_ALLOWED : CTL_REFUSED,
				 "cannot write %s: %s", taking->part, strerror(errno));
}

static int close_part(struct taking *taking, const char *path)
{
	bool bad;

	if (taking->part[0] == '\0') {
		return CTL_OK;
	}
	bad = fsync(taking->fd) != 0;
	bad = close(taking->fd) != 0 || bad || rename(taking->part, path) != 0;
	if (bad) {
		int error = errno;
		(void)unlink(taking->part);
		return ctl_fail(
			taking->ctl, CTL_REFUSED, "cannot write %s: %s", path, strerror(error));
	}
	return CTL_OK;
}

/* What went wrong, if anything; nothing half is left behind. */
static int judge(struct taking *taking, int result)
{
	int end = backup_read_end(&taking->reader);

	if (taking->error != 0) {
		result = ctl_fail(taking->ctl, CTL_REFUSED, "cannot write the backup: %s",
			strerror(taking->error));
	} else if (result == CTL_OK && end != 0) {
		result = ctl_fail(taking->ctl, CTL_REFUSED, "the backup did not come whole: %s",
			taking->reader.error);
	}
	if (result != CTL_OK && taking->part[0] != '\0') {
		close(taking->fd);
		(void)unlink(taking->part);
	}
	return result;
}

static void tell_taken(struct ctl *ctl, const struct taking *taking, const char *path)
{
	char size[TEXT_SIZE_BYTES];

	ctl_note(ctl,
		"backup of %s in %s: %" PRIu64 " lease%s, %" PRIu64
		" host%s, %s, as of revision %" PRIu64 " (told by %s)\n"
		"  Not in it: the bytes of images, keys, node.yaml. Passwords in profiles and "
		"variables are: keep it safe.",
		taking->content.header->cluster, path, taking->content.leases,
		taking->content.leases == 1 ? "" : "s", taking->content.hosts,
		taking->content.hosts == 1 ? "" : "s",
		text_size_format(taking->content.bytes, size), taking->content.header->revision,
		taking->content.header->node);
}

int cmd_backup_create(struct ctl *ctl, const struct invocation *in)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__BackupQuery query = PXE__BACKUP_QUERY__INIT;
	struct taking taking = {.ctl = ctl, .fd = -1};
	struct client_call call = {.on_reply = on_part, .on_restart = on_restart, .ctx = &taking};
	const char *given = in->arg_count > 0 ? in->args[0] : NULL;
	char path[BACKUP_PATH_BYTES];
	int result = open_part(&taking, given);

	if (result != CTL_OK) {
		return result;
	}
	backup_content_begin(&taking.reader, &taking.content);
	request.body_case = PXE__ADMIN_REQUEST__BODY_BACKUP;
	request.backup = &query;
	result = judge(&taking, client_ask(ctl, &request, &call));
	if (result == CTL_OK) {
		snprintf(path, sizeof path, "%.400s", given != NULL ? given : "");
		if (given == NULL) {
			default_name(&taking, path);
		}
		result = close_part(&taking, path);
	}
	if (result == CTL_OK) {
		tell_taken(ctl, &taking, path);
	}
	backup_content_fini(&taking.content);
	return result;
}

/* ---- inspect */

static void show_count(const struct ctl *ctl, const char *what, uint64_t count)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, count);
	show_pair(ctl, what, text);
}

static void show_time(const struct ctl *ctl, const char *what, uint64_t at_ms)
{
	time_t seconds = (time_t)(at_ms / 1000);
	char text[64] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm) != NULL) {
		strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &tm);
	}
	show_pair(ctl, what, text);
}

static void show_content(const struct ctl *ctl, const struct backup_content *content)
{
	char id[33], size[TEXT_SIZE_BYTES];

	show_pair(ctl, "cluster", content->header->cluster);
	show_pair(
		ctl, "id", text_hex_format(content->settings->cluster_id.data, 16, id, sizeof id));
	show_time(ctl, "taken", content->header->created_ms);
	show_pair(ctl, "by", content->header->node);
	show_pair(ctl, "version", content->header->program);
	show_count(ctl, "revision", content->header->revision);
	show_count(ctl, "entry", content->header->index);
	show_count(ctl, "epoch", content->header->epoch);
	show_count(ctl, "nodes", content->members);
	show_count(ctl, "subnets", content->subnets);
	show_count(ctl, "pools", content->pools);
	show_count(ctl, "groups", content->groups);
	show_count(ctl, "hosts", content->hosts);
	show_count(ctl, "profiles", content->profiles);
	show_count(ctl, "images", content->images);
	show_count(ctl, "leases", content->leases);
	show_count(ctl, "one-shot boots", content->boots);
	show_count(ctl, "machines seen", content->machines);
	show_pair(ctl, "size", text_size_format(content->bytes, size));
	show_pair(ctl, "checksum", "is right: the file is whole and unaltered");
}

int cmd_backup_inspect(struct ctl *ctl, const struct invocation *in)
{
	struct backup_content content;
	int result = backup_file_read(ctl, in->args[0], &content);

	if (result == CTL_OK && ctl->format == CTL_JSON) {
		result = ctl_print_json(ctl, &content.header->base);
	} else if (result == CTL_OK) {
		show_content(ctl, &content);
	}
	backup_content_fini(&content);
	return result;
}
