#include "proto/cred/credfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CREDFILE_PATH_MAX 512

static int complain(const char *what, const char *path, int error, char *ret_error, size_t bytes)
{
	snprintf(ret_error, bytes, "cannot %s %s: %s%s", what, path, strerror(error),
		error == EACCES || error == EPERM ? " (are you root?)" : "");
	return -error;
}

int credfile_read(
	const char *path, size_t max_bytes, char **ret_text, char *ret_error, size_t error_bytes)
{
	FILE *file = fopen(path, "re");
	char *text;
	size_t size;
	int error;

	if (file == NULL) {
		return complain("read", path, errno, ret_error, error_bytes);
	}
	text = malloc(max_bytes + 2);
	if (text == NULL) {
		fclose(file);
		return complain("read", path, ENOMEM, ret_error, error_bytes);
	}
	errno = 0;
	size = fread(text, 1, max_bytes + 1, file);
	error = ferror(file) ? (errno != 0 ? errno : EIO) : size > max_bytes ? EFBIG : 0;
	fclose(file);
	if (error != 0) {
		free(text);
		return complain("read", path, error, ret_error, error_bytes);
	}
	text[size] = '\0';
	/* What follows one would not be read, without a word. */
	if (strlen(text) < size) {
		snprintf(ret_error, error_bytes,
			"%s is not a text: there is a zero byte at %zu; save it as UTF-8", path,
			strlen(text));
		free(text);
		return -EINVAL;
	}
	*ret_text = text;
	return 0;
}

/* A rename is durable once its directory is. */
static int sync_directory_of(const char *path)
{
	char directory[CREDFILE_PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, result = 0;

	snprintf(directory, sizeof directory, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
		slash == NULL ? "." : path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return errno;
	}
	if (fsync(fd) != 0) {
		result = errno;
	}
	close(fd);
	return result;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t written = write(fd, text, left);
		if (written < 0 && errno != EINTR) {
			return errno;
		}
		if (written > 0) {
			text += written;
			left -= (size_t)written;
		}
	}
	return fsync(fd) == 0 ? 0 : errno;
}

int credfile_replace(
	const char *path, mode_t mode, const char *text, char *ret_error, size_t error_bytes)
{
	char beside[CREDFILE_PATH_MAX];
	struct stat before;
	int fd, error;

	if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside) {
		return complain("write", path, ENAMETOOLONG, ret_error, error_bytes);
	}
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0) {
		return complain("write", beside, errno, ret_error, error_bytes);
	}
	error = fchmod(fd, mode) != 0 ? errno : 0; /* whatever the umask or an older file says */
	if (error == 0 && stat(path, &before) == 0 &&
		fchown(fd, before.st_uid, before.st_gid) != 0) {
		error = errno == EPERM ? 0 : errno;
	}
	if (error == 0) {
		error = write_all(fd, text);
	}
	close(fd);
	if (error == 0 && rename(beside, path) != 0) {
		error = errno;
	}
	if (error != 0) {
		unlink(beside);
		return complain("write", path, error, ret_error, error_bytes);
	}
	error = sync_directory_of(path);
	return error == 0 ? 0 : complain("sync", path, error, ret_error, error_bytes);
}
