#include "node/timeline/timeline_history.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 512

struct timeline_history {
	char directory[PATH_BYTES - 32];
	unsigned first, last; /* numbers of the segments; last is written to */
	bool any;
	int fd;       /* of the last; -1: none is open */
	size_t bytes; /* of the last */
};

/* ---- bytes */

static size_t put_varint(uint8_t *out, size_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7) {
		out[n++] = (uint8_t)(value | 0x80);
	}
	out[n++] = (uint8_t)value;
	return n;
}

/* 0: not whole, or more than an event may have. */
static size_t get_varint(const uint8_t *data, size_t bytes, size_t *ret_value)
{
	*ret_value = 0;
	for (size_t i = 0; i < bytes && i < 3; i++) {
		*ret_value |= (size_t)(data[i] & 0x7f) << (7 * i);
		if ((data[i] & 0x80) == 0) {
			return *ret_value > 0 && *ret_value <= HISTORY_EVENT_MAX ? i + 1 : 0;
		}
	}
	return 0;
}

bool timeline_bytes_add(struct timeline_bytes *bytes, const Pxe__Event *event)
{
	size_t size = pxe__event__get_packed_size(event);
	uint8_t *data;

	if (size == 0 || size > HISTORY_EVENT_MAX) {
		return false;
	}
	if (bytes->bytes + size + 4 > bytes->capacity) {
		data = realloc(bytes->data, bytes->capacity * 2 + HISTORY_EVENT_MAX + 4);
		if (data == NULL) {
			return false;
		}
		bytes->capacity = bytes->capacity * 2 + HISTORY_EVENT_MAX + 4;
		bytes->data = data;
	}
	bytes->bytes += put_varint(bytes->data + bytes->bytes, size);
	bytes->bytes += pxe__event__pack(event, bytes->data + bytes->bytes);
	return true;
}

void timeline_bytes_fini(struct timeline_bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct timeline_bytes){0};
}

size_t timeline_bytes_each(const uint8_t *data, size_t bytes,
	bool (*visit)(void *ctx, const Pxe__Event *event), void *ctx)
{
	size_t at = 0, size, head;
	bool more = true;

	while (more && at < bytes) {
		Pxe__Event *event;
		head = get_varint(data + at, bytes - at, &size);
		if (head == 0 || size > bytes - at - head) {
			break;
		}
		event = pxe__event__unpack(NULL, size, data + at + head);
		if (event == NULL) {
			break;
		}
		more = visit(ctx, event);
		pxe__event__free_unpacked(event, NULL);
		at += head + size;
	}
	return at;
}

/* ---- files */

static void path_of(const struct timeline_history *history, unsigned number, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/events.%08u", history->directory, number);
}

/* Whole file; *ret_data is the caller's. */
static int read_segment(const struct timeline_history *history, unsigned number, uint8_t **ret_data,
	size_t *ret_bytes)
{
	char path[PATH_BYTES];
	struct stat stat;
	size_t used = 0;
	ssize_t got = 1;
	int fd;

	path_of(history, number, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &stat) != 0) {
		int rc = -errno;
		if (fd >= 0) {
			close(fd);
		}
		return rc;
	}
	*ret_data = malloc((size_t)stat.st_size + 1);
	while (*ret_data != NULL && got > 0 && used < (size_t)stat.st_size) {
		got = read(fd, *ret_data + used, (size_t)stat.st_size - used);
		used += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	*ret_bytes = used;
	return *ret_data == NULL ? -ENOMEM : 0;
}

static bool nothing(void *ctx, const Pxe__Event *event)
{
	(void)ctx;
	(void)event;
	return true;
}

/* Opens the last segment to append, without what was torn off. */
static int open_last(struct timeline_history *history)
{
	char path[PATH_BYTES];
	uint8_t *data = NULL;
	size_t bytes = 0, whole = 0;

	path_of(history, history->last, path);
	if (read_segment(history, history->last, &data, &bytes) == 0) {
		whole = timeline_bytes_each(data, bytes, nothing, NULL);
	}
	free(data);
	history->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (history->fd < 0 || (whole < bytes && ftruncate(history->fd, (off_t)whole) != 0)) {
		return -errno;
	}
	history->bytes = whole;
	history->any = true;
	return 0;
}

static int find_segments(struct timeline_history *history)
{
	DIR *directory = opendir(history->directory);
	struct dirent *entry;
	unsigned number;
	char tail;

	if (directory == NULL) {
		return -errno;
	}
	while ((entry = readdir(directory)) != NULL) {
		if (sscanf(entry->d_name, "events.%8u%c", &number, &tail) != 1) {
			continue;
		}
		history->first = !history->any || number < history->first ? number : history->first;
		history->last = !history->any || number > history->last ? number : history->last;
		history->any = true;
	}
	closedir(directory);
	return 0;
}

int timeline_history_open(const char *directory, struct timeline_history **ret_history,
	char *ret_error, size_t error_bytes)
{
	struct timeline_history *history = calloc(1, sizeof *history);
	int rc = 0;

	assert(directory != NULL && ret_history != NULL && ret_error != NULL);
	if (history == NULL) {
		snprintf(ret_error, error_bytes, "out of memory");
		return -ENOMEM;
	}
	history->fd = -1;
	snprintf(history->directory, sizeof history->directory, "%s", directory);
	if (mkdir(directory, 0750) != 0 && errno != EEXIST) {
		rc = -errno;
	}
	rc = rc == 0 ? find_segments(history) : rc;
	rc = rc == 0 ? open_last(history) : rc;
	if (rc < 0) {
		snprintf(ret_error, error_bytes, "cannot keep the history of boots in %s: %s",
			directory, strerror(-rc));
		timeline_history_close(history);
		return rc;
	}
	*ret_history = history;
	return 0;
}

void timeline_history_close(struct timeline_history *history)
{
	if (history != NULL) {
		if (history->fd >= 0) {
			close(history->fd);
		}
		free(history);
	}
}

int timeline_history_each(struct timeline_history *history,
	bool (*visit)(void *ctx, const Pxe__Event *event), void *ctx)
{
	int result = 0;

	for (unsigned number = history->first; number <= history->last; number++) {
		uint8_t *data = NULL;
		size_t bytes = 0;
		int rc = read_segment(history, number, &data, &bytes);
		if (rc == 0) {
			(void)timeline_bytes_each(data, bytes, visit, ctx);
		} else if (rc != -ENOENT) {
			result = rc;
		}
		free(data);
	}
	return result;
}

static int rotate(struct timeline_history *history)
{
	char path[PATH_BYTES];
	int rc;

	close(history->fd);
	history->fd = -1;
	history->last++;
	rc = open_last(history);
	while (history->last - history->first >= HISTORY_SEGMENTS) {
		path_of(history, history->first++, path);
		(void)unlink(path);
	}
	return rc;
}

int timeline_history_write(struct timeline_history *history, const uint8_t *data, size_t bytes)
{
	size_t done = 0;
	int rc = 0;

	if (history->bytes > 0 && history->bytes + bytes > HISTORY_SEGMENT_BYTES) {
		rc = rotate(history);
	} else if (history->fd < 0) {
		rc = open_last(history);
	}
	while (rc == 0 && done < bytes) {
		ssize_t put = write(history->fd, data + done, bytes - done);
		if (put < 0 && errno != EINTR) {
			rc = -errno;
		}
		done += put > 0 ? (size_t)put : 0;
	}
	if (rc < 0 && history->fd >= 0 && ftruncate(history->fd, (off_t)history->bytes) != 0) {
		close(history->fd); /* opened anew, without the torn tail, by the next write */
		history->fd = -1;
	}
	history->bytes += rc == 0 ? bytes : 0;
	return rc;
}
