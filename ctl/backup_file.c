#include "ctl/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKUP_FILE_CHUNK (256u << 10)

/* First byte of a key: the kind of its record. */
static uint64_t *count_of(struct backup_content *content, uint8_t kind)
{
	switch (kind) {
	case 'L': return &content->leases;
	case 'H': return &content->hosts;
	case 'N': return &content->subnets;
	case 'P': return &content->pools;
	case 'F': return &content->profiles;
	case 'G': return &content->groups;
	case 'I': return &content->images;
	case 'm': return &content->members;
	case 'B': return &content->blocks;
	case 'b': return &content->boots;
	case 'v': return &content->machines;
	default: return &content->others;
	}
}

static bool on_header(void *ctx, const Pxe__BackupHeader *header)
{
	struct backup_content *content = ctx;
	size_t bytes = pxe__backup_header__get_packed_size(header);
	uint8_t *data = malloc(bytes + 1);

	if (data != NULL) {
		pxe__backup_header__pack(header, data);
		content->header = pxe__backup_header__unpack(NULL, bytes, data);
	}
	free(data);
	return content->header != NULL;
}

static bool on_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct backup_content *content = ctx;

	++*count_of(content, key[0]);
	if (key[0] == 's' && key_bytes == 1 && content->settings == NULL) {
		content->settings = pxe__settings__unpack(NULL, value_bytes, value);
	}
	return true;
}

void backup_content_begin(struct backup_reader *reader, struct backup_content *content)
{
	*content = (struct backup_content){.header = NULL};
	*reader = (struct backup_reader){
		.ctx = content, .on_header = on_header, .on_record = on_record};
	backup_read_begin(reader);
}

void backup_content_fini(struct backup_content *content)
{
	if (content->header != NULL) {
		pxe__backup_header__free_unpacked(content->header, NULL);
	}
	if (content->settings != NULL) {
		pxe__settings__free_unpacked(content->settings, NULL);
	}
	content->header = NULL;
	content->settings = NULL;
}

static int read_fd(int fd, struct backup_reader *reader, struct backup_content *content)
{
	uint8_t *chunk = malloc(BACKUP_FILE_CHUNK);
	ssize_t got = chunk == NULL ? -1 : 1;
	int result = 0, saved;

	while (result == 0 && got > 0) {
		got = read(fd, chunk, BACKUP_FILE_CHUNK);
		if (got > 0) {
			content->bytes += (uint64_t)got;
			result = backup_read(reader, chunk, (size_t)got);
		}
	}
	saved = errno;
	free(chunk);
	return got < 0 ? -saved : result;
}

int backup_file_read(const struct ctl *ctl, const char *path, struct backup_content *ret_content)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct backup_reader reader;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int result, end;

	*ret_content = (struct backup_content){.header = NULL};
	if (fd < 0) {
		return ctl_fail(ctl,
			errno == ENOENT   ? CTL_NOT_FOUND
			: errno == EACCES ? CTL_NOT_ALLOWED
					  : CTL_REFUSED,
			"cannot read %s: %s", path, strerror(errno));
	}
	backup_content_begin(&reader, ret_content);
	result = read_fd(fd, &reader, ret_content);
	end = backup_read_end(&reader);
	if (!is_stdin) {
		close(fd);
	}
	if (end != 0) {
		return ctl_fail(ctl, CTL_USAGE, "%s is no use as a backup: %s", path, reader.error);
	}
	if (result != 0) {
		return ctl_fail(ctl, CTL_REFUSED, "cannot read %s: %s", path, strerror(-result));
	}
	if (ret_content->settings == NULL || ret_content->settings->cluster_id.len != 16) {
		return ctl_fail(
			ctl, CTL_USAGE, "%s is no use as a backup: it holds no settings", path);
	}
	return CTL_OK;
}
