#include "proto/msg/manifest.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_files(const void *a, const void *b)
{
	return strcmp((*(Pxe__ImageFile *const *)a)->path, (*(Pxe__ImageFile *const *)b)->path);
}

static int compare_path(const void *key, const void *file)
{
	return strcmp(key, (*(Pxe__ImageFile *const *)file)->path);
}

/* The files in order of path; heap. */
static Pxe__ImageFile **sorted_files(const Pxe__ImageVersion *version)
{
	Pxe__ImageFile **files = calloc(version->n_files + 1, sizeof(Pxe__ImageFile *));

	if (files == NULL) {
		abort();
	}
	for (size_t i = 0; i < version->n_files; i++) {
		files[i] = version->files[i];
	}
	qsort(files, version->n_files, sizeof(Pxe__ImageFile *), compare_files);
	return files;
}

bool manifest_path_is_plain(const char *path)
{
	size_t bytes = strlen(path);

	if (bytes == 0 || bytes > MANIFEST_PATH_MAX || path[0] == '/' || path[bytes - 1] == '/') {
		return false;
	}
	for (const char *part = path; *part != '\0';) {
		size_t part_bytes = strcspn(part, "/");
		if (part_bytes == 0 || (part_bytes == 1 && part[0] == '.') ||
			(part_bytes == 2 && memcmp(part, "..", 2) == 0)) {
			return false;
		}
		part += part_bytes;
		part += *part == '/';
	}
	for (; *path != '\0'; path++) {
		if ((unsigned char)*path < ' ' || *path == 0x7f || *path == '\\') {
			return false;
		}
	}
	return true;
}

/* Is a folder of this path itself a file of the version? */
static bool folder_is_file(Pxe__ImageFile *const *files, size_t count, const char *path)
{
	char folder[MANIFEST_PATH_MAX + 1];

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		memcpy(folder, path, (size_t)(slash - path));
		folder[slash - path] = '\0';
		if (bsearch(folder, files, count, sizeof(Pxe__ImageFile *), compare_path) != NULL) {
			return true;
		}
	}
	return false;
}

/* A path for a message: no control bytes, cut. */
static const char *printable(const char *path, char buffer[96])
{
	size_t i;

	for (i = 0; i < 95 && path[i] != '\0'; i++) {
		buffer[i] = (unsigned char)path[i] < ' ' || path[i] == 0x7f ? '?' : path[i];
	}
	buffer[i] = '\0';
	return buffer;
}

static int check_sorted(Pxe__ImageFile *const *files, size_t count, uint64_t *ret_sum,
	char *ret_error, size_t error_bytes)
{
	char name[96];
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		const Pxe__ImageFile *file = files[i];
		if (!manifest_path_is_plain(file->path)) {
			snprintf(ret_error, error_bytes,
				"'%s' is not a path for an image: relative, at most %d bytes, no "
				"'..', "
				"no backslash or control bytes",
				printable(file->path, name), MANIFEST_PATH_MAX);
			return -EINVAL;
		}
		if (file->sha256.len != 32) {
			snprintf(ret_error, error_bytes, "file %s has no SHA-256", file->path);
			return -EINVAL;
		}
		if (file->bytes > UINT64_MAX - sum || file->bytes > INT64_MAX) {
			snprintf(ret_error, error_bytes, "file %s is too large", file->path);
			return -EINVAL;
		}
		sum += file->bytes;
		if ((i > 0 && strcmp(files[i - 1]->path, file->path) == 0) ||
			folder_is_file(files, count, file->path)) {
			snprintf(ret_error, error_bytes,
				"path %s is there twice, or as file and as folder", file->path);
			return -EINVAL;
		}
	}
	*ret_sum = sum;
	return 0;
}

int manifest_check(const Pxe__ImageVersion *version, char *ret_error, size_t error_bytes)
{
	Pxe__ImageFile **files;
	uint64_t sum = 0;
	int err;

	assert(version != NULL && ret_error != NULL && error_bytes > 0);
	if (version->n_files == 0) {
		snprintf(ret_error, error_bytes, "the image has no files");
		return -EINVAL;
	}
	if (version->n_files > MANIFEST_FILES_MAX) {
		snprintf(ret_error, error_bytes,
			"the image has %zu files, more than %d: pack some of them into an archive",
			version->n_files, MANIFEST_FILES_MAX);
		return -E2BIG;
	}
	files = sorted_files(version);
	err = check_sorted(files, version->n_files, &sum, ret_error, error_bytes);
	free(files);
	if (err == 0 && version->bytes != 0 && version->bytes != sum) {
		snprintf(ret_error, error_bytes,
			"the image is said to have %" PRIu64 " bytes, its files have %" PRIu64,
			version->bytes, sum);
		return -EINVAL;
	}
	return err;
}

int manifest_text(const Pxe__ImageVersion *version, char **ret_text, size_t *ret_bytes)
{
	char error[256], *text = NULL;
	Pxe__ImageFile **files;
	size_t bytes = 0;
	FILE *out;
	int err = manifest_check(version, error, sizeof error);

	if (err != 0) {
		return err;
	}
	out = open_memstream(&text, &bytes);
	if (out == NULL) {
		abort();
	}
	files = sorted_files(version);
	for (size_t i = 0; i < version->n_files; i++) {
		for (size_t k = 0; k < 32; k++) {
			fprintf(out, "%02x", files[i]->sha256.data[k]);
		}
		fprintf(out, "  %" PRIu64 "  %s\n", files[i]->bytes, files[i]->path);
	}
	free(files);
	if (fclose(out) != 0) {
		abort();
	}
	*ret_text = text;
	*ret_bytes = bytes;
	return 0;
}

Pxe__ImageVersion *manifest_copy(const Pxe__ImageVersion *version)
{
	size_t bytes = pxe__image_version__get_packed_size(version);
	uint8_t *packed = malloc(bytes + 1);
	Pxe__ImageVersion *copy;

	if (packed == NULL) {
		abort();
	}
	pxe__image_version__pack(version, packed);
	copy = pxe__image_version__unpack(NULL, bytes, packed);
	free(packed);
	if (copy == NULL) {
		abort();
	}
	return copy;
}
