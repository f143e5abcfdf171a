#include "node/tftp/tftp_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tftp_file **bucket_of(struct tftp_files *files, const uint8_t sha256[32])
{
	return &files->bucket[sha256[0] % TFTP_FILE_BUCKETS];
}

int tftp_file_map(struct tftp_files *files, int fd, uint64_t bytes, const uint8_t sha256[32],
	struct tftp_file **ret_file)
{
	struct tftp_file **bucket = bucket_of(files, sha256);
	for (struct tftp_file *file = *bucket; file != NULL; file = file->next) {
		if (file->bytes == bytes && memcmp(file->sha256, sha256, 32) == 0) {
			file->users++;
			*ret_file = file;
			return 0;
		}
	}
	struct stat status;
	if (fstat(fd, &status) != 0)
		return -errno;
	if ((uint64_t)status.st_size != bytes || bytes > SIZE_MAX)
		return -EIO; /* not the file that was promised */
	struct tftp_file *file = calloc(1, sizeof *file);
	if (file == NULL)
		return -ENOMEM;
	if (bytes > 0) {
		void *data = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0);
		if (data == MAP_FAILED) {
			int status_code = -errno;
			free(file);
			return status_code;
		}
		file->data = data;
		(void)madvise(data, (size_t)bytes, MADV_WILLNEED); /* only a hint */
	}
	file->bytes = bytes;
	file->users = 1;
	file->mapped = 1;
	memcpy(file->sha256, sha256, 32);
	file->next = *bucket;
	*bucket = file;
	*ret_file = file;
	return 0;
}

/* On the heap, `bytes` of room. */
static struct tftp_file *heap_file(size_t bytes)
{
	struct tftp_file *file = calloc(1, sizeof *file);
	uint8_t *data = file != NULL && bytes > 0 ? malloc(bytes) : NULL;
	if (file == NULL || (bytes > 0 && data == NULL)) {
		free(file);
		return NULL;
	}
	file->data = data;
	file->bytes = bytes;
	file->users = 1;
	return file;
}

struct tftp_file *tftp_file_of_text(const void *data, size_t bytes)
{
	struct tftp_file *file = heap_file(bytes);
	if (file != NULL && bytes > 0)
		memcpy(file->data, data, bytes);
	return file;
}

struct tftp_file *tftp_file_of_relay(struct relay *relay)
{
	struct tftp_file *file = calloc(1, sizeof *file);
	if (file == NULL)
		return NULL;
	file->relay = relay_share(relay);
	file->bytes = relay_bytes(relay);
	file->users = 1;
	return file;
}

/* The mapping is as long as the file will be: pages behind its end may be used when they are there.
 */
int tftp_file_ready(struct tftp_file *file, uint64_t *ret_bytes)
{
	*ret_bytes = file->bytes;
	if (file->relay == NULL)
		return 0;
	int status = relay_ready(file->relay, ret_bytes);
	if (status != 0 || file->data != NULL || *ret_bytes == 0)
		return status;
	void *data =
		mmap(NULL, (size_t)file->bytes, PROT_READ, MAP_SHARED, relay_fd(file->relay), 0);
	if (data == MAP_FAILED)
		return -errno;
	file->data = data;
	return 0;
}

struct tftp_file *tftp_file_netascii(const void *data, size_t bytes)
{
	const uint8_t *from = data;
	size_t extra = 0;
	for (size_t i = 0; i < bytes; i++)
		extra += from[i] == '\n' || from[i] == '\r';
	struct tftp_file *file = heap_file(bytes + extra);
	if (file == NULL)
		return NULL;
	uint8_t *to = file->data;
	for (size_t i = 0; i < bytes; i++) {
		if (from[i] == '\n')
			*to++ = '\r';
		*to++ = from[i];
		if (from[i] == '\r')
			*to++ = '\0';
	}
	return file;
}

int tftp_file_netascii_fd(int fd, uint64_t bytes, struct tftp_file **ret_file)
{
	if (bytes > SIZE_MAX / 2)
		return -EFBIG;
	uint8_t *data = malloc(bytes > 0 ? (size_t)bytes : 1);
	if (data == NULL)
		return -ENOMEM;
	size_t have = 0;
	while (have < bytes) {
		ssize_t got = pread(fd, data + have, (size_t)bytes - have, (off_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			int status = got < 0 ? -errno : -EIO;
			free(data);
			return status;
		}
		have += (size_t)got;
	}
	struct tftp_file *file = tftp_file_netascii(data, have);
	free(data);
	if (file == NULL)
		return -ENOMEM;
	*ret_file = file;
	return 0;
}

static void unlink_file(struct tftp_files *files, struct tftp_file *file)
{
	struct tftp_file **at = bucket_of(files, file->sha256);
	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
}

void tftp_file_release(struct tftp_files *files, struct tftp_file *file)
{
	assert(file->users > 0);
	if (--file->users > 0)
		return;
	if (file->mapped || file->relay != NULL) {
		if (file->mapped)
			unlink_file(files, file);
		relay_close(file->relay);
		if (file->data != NULL)
			munmap(file->data, (size_t)file->bytes);
	} else {
		free(file->data);
	}
	free(file);
}
