#include "ctl/image_files.h"

#include "ctl/edit.h"
#include "ctl/progress.h"

#include "proto/msg/manifest.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)
#define DEPTH_MAX  16
#define SOURCE_MAX 4096

struct found {
	char *path, *source; /* in the image; on this machine */
	uint64_t bytes;
};

struct search {
	const struct ctl *ctl;
	const char *const *patterns;
	size_t pattern_count;
	struct found *files;
	size_t count;
};

static bool wanted(const struct search *search, const char *path)
{
	const char *last = strrchr(path, '/');

	for (size_t i = 0; i < search->pattern_count; i++) {
		if (fnmatch(search->patterns[i], path, 0) == 0 ||
			fnmatch(search->patterns[i], last == NULL ? path : last + 1, 0) == 0) {
			return true;
		}
	}
	return search->pattern_count == 0;
}

static int add_file(struct search *search, const char *path, const char *source, uint64_t bytes)
{
	if (!wanted(search, path)) {
		return CTL_OK;
	}
	if (search->count == MANIFEST_FILES_MAX) {
		return ctl_fail(search->ctl, CTL_USAGE,
			"more than %d files; leave some out with --only", MANIFEST_FILES_MAX);
	}
	search->files = realloc(search->files, (search->count + 1) * sizeof *search->files);
	assert(search->files != NULL);
	search->files[search->count] = (struct found){strdup(path), strdup(source), bytes};
	assert(search->files[search->count].path != NULL &&
		search->files[search->count].source != NULL);
	search->count++;
	return CTL_OK;
}

struct level {
	DIR *directory;
	size_t source_length, path_length;
	dev_t device;
	ino_t inode;
};

/* A symbolic link may lead back to a directory that we are in. */
static bool is_above(const struct level *levels, int depth, const struct stat *st)
{
	for (int i = 0; i <= depth; i++) {
		if (levels[i].device == st->st_dev && levels[i].inode == st->st_ino) {
			return true;
		}
	}
	return false;
}

/* Down and up again without recursion; `path` and `source` grow and shrink with the level. */
static int walk(struct search *search, const char *root)
{
	struct level levels[DEPTH_MAX];
	char source[SOURCE_MAX], path[SOURCE_MAX] = "";
	int depth = 0, result = CTL_OK;
	struct stat top;

	snprintf(source, sizeof source, "%s", root);
	levels[0] = (struct level){.directory = opendir(root), .source_length = strlen(source)};
	if (levels[0].directory == NULL || fstat(dirfd(levels[0].directory), &top) != 0) {
		return ctl_fail(
			search->ctl, CTL_USAGE, "cannot read %s: %s", root, strerror(errno));
	}
	levels[0].device = top.st_dev;
	levels[0].inode = top.st_ino;
	while (depth >= 0 && result == CTL_OK) {
		struct level *level = &levels[depth];
		const struct dirent *entry = readdir(level->directory);
		struct stat st;
		source[level->source_length] = '\0';
		path[level->path_length] = '\0';
		if (entry == NULL) {
			closedir(level->directory);
			depth--;
			continue;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
			continue;
		}
		snprintf(source + level->source_length, sizeof source - level->source_length, "/%s",
			entry->d_name);
		snprintf(path + level->path_length, sizeof path - level->path_length, "%s%s",
			level->path_length == 0 ? "" : "/", entry->d_name);
		if (stat(source, &st) != 0) {
			ctl_note(search->ctl, "left out: %s: %s", source, strerror(errno));
		} else if (S_ISREG(st.st_mode)) {
			result = add_file(search, path, source, (uint64_t)st.st_size);
		} else if (S_ISDIR(st.st_mode) && is_above(levels, depth, &st)) {
			ctl_note(search->ctl, "left out: %s: it leads back to a directory above it",
				source);
		} else if (S_ISDIR(st.st_mode) && depth + 1 < DEPTH_MAX) {
			DIR *directory = opendir(source);
			if (directory == NULL) {
				result = ctl_fail(search->ctl, CTL_USAGE, "cannot read %s: %s",
					source, strerror(errno));
			} else {
				levels[++depth] = (struct level){directory, strlen(source),
					strlen(path), st.st_dev, st.st_ino};
			}
		} else {
			ctl_note(search->ctl, "left out: %s: %s", source,
				S_ISDIR(st.st_mode) ? "too deep"
						    : "neither a file nor a directory");
		}
	}
	for (; depth >= 0; depth--) {
		closedir(levels[depth].directory);
	}
	return result;
}

static int compare_found(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->path, ((const struct found *)b)->path);
}

/* ---- hashing */

static int hash_file(const struct ctl *ctl, const struct found *file, uint8_t *buffer,
	uint8_t ret_sha256[32], uint64_t *ret_bytes, struct progress *progress)
{
	gnutls_hash_hd_t hash;
	int fd = open(file->source, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	if (fd < 0) {
		return ctl_fail(
			ctl, CTL_USAGE, "cannot read %s: %s", file->source, strerror(errno));
	}
	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) != 0) {
		close(fd);
		return ctl_fail(ctl, CTL_REFUSED, "SHA-256 is not available on this machine");
	}
	*ret_bytes = 0;
	while ((got = read(fd, buffer, READ_BYTES)) > 0) {
		gnutls_hash(hash, buffer, (size_t)got);
		*ret_bytes += (uint64_t)got;
		progress_add(progress, (uint64_t)got);
	}
	gnutls_hash_deinit(hash, ret_sha256);
	close(fd);
	return got == 0 ? CTL_OK
			: ctl_fail(ctl, CTL_REFUSED, "cannot read %s: %s", file->source,
				  strerror(errno));
}

static int add_hashed(const struct ctl *ctl, const struct found *file, uint8_t *buffer,
	Pxe__ImageVersion *version, struct progress *progress)
{
	Pxe__ImageFile *entry = pxe__image_file__unpack(NULL, 0, buffer);
	uint8_t sha256[32];
	int result;

	assert(entry != NULL);
	result = hash_file(ctl, file, buffer, sha256, &entry->bytes, progress);
	if (result != CTL_OK) {
		pxe__image_file__free_unpacked(entry, NULL);
		return result;
	}
	edit_set_text(&entry->path, file->path);
	edit_set_bytes(&entry->sha256, sha256, sizeof sha256);
	version->files[version->n_files++] = entry;
	version->bytes += entry->bytes;
	return CTL_OK;
}

static int name_version(const struct ctl *ctl, Pxe__ImageVersion *version)
{
	char error[400], *text;
	uint8_t digest[32];
	size_t bytes;

	if (manifest_check(version, error, sizeof error) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "%s", error);
	}
	if (manifest_text(version, &text, &bytes) != 0) {
		return ctl_fail(ctl, CTL_REFUSED, "no memory");
	}
	gnutls_hash_fast(GNUTLS_DIG_SHA256, text, bytes, digest);
	free(text);
	edit_set_bytes(&version->digest, digest, sizeof digest);
	return CTL_OK;
}

static int hash_all(const struct ctl *ctl, const struct search *search, const char *image,
	struct image_files *ret_files)
{
	Pxe__ImageVersion *version = pxe__image_version__unpack(NULL, 0, (const uint8_t *)"");
	uint8_t *buffer = malloc(READ_BYTES);
	struct progress progress;
	uint64_t total = 0;
	int result = CTL_OK;

	assert(version != NULL && buffer != NULL);
	edit_set_text(&version->image, image);
	version->files = calloc(search->count + 1, sizeof(Pxe__ImageFile *));
	ret_files->version = version;
	ret_files->sources = calloc(search->count + 1, sizeof(char *));
	assert(version->files != NULL && ret_files->sources != NULL);
	for (size_t i = 0; i < search->count; i++) {
		total += search->files[i].bytes;
	}
	progress_start(&progress, ctl, "hash", total);
	for (size_t i = 0; i < search->count && result == CTL_OK; i++) {
		result = add_hashed(ctl, &search->files[i], buffer, version, &progress);
		if (result == CTL_OK) {
			ret_files->sources[i] = search->files[i].source;
			search->files[i].source = NULL;
		}
	}
	free(buffer);
	if (result == CTL_OK) {
		progress_end(&progress);
		result = name_version(ctl, version);
	}
	if (result != CTL_OK) {
		image_files_fini(ret_files);
	}
	return result;
}

int image_files_read(const struct ctl *ctl, const char *image, const char *path,
	const char *const *patterns, size_t pattern_count, struct image_files *ret_files)
{
	struct search search = {.ctl = ctl, .patterns = patterns, .pattern_count = pattern_count};
	const char *last = strrchr(path, '/');
	struct stat st;
	int result;

	memset(ret_files, 0, sizeof *ret_files);
	if (stat(path, &st) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "cannot read %s: %s", path, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
		return ctl_fail(ctl, CTL_USAGE, "%s is neither a file nor a directory", path);
	}
	result = S_ISDIR(st.st_mode) ? walk(&search, path)
				     : add_file(&search, last == NULL ? path : last + 1, path,
					       (uint64_t)st.st_size);
	if (result == CTL_OK && search.count == 0) {
		result = ctl_fail(ctl, CTL_USAGE, "%s holds no file%s", path,
			pattern_count > 0 ? " that --only selects" : "");
	}
	if (result == CTL_OK) {
		qsort(search.files, search.count, sizeof *search.files, compare_found);
		result = hash_all(ctl, &search, image, ret_files);
	}
	for (size_t i = 0; i < search.count; i++) {
		free(search.files[i].path);
		free(search.files[i].source);
	}
	free(search.files);
	return result;
}

void image_files_fini(struct image_files *files)
{
	for (size_t i = 0; files->version != NULL && i < files->version->n_files; i++) {
		free(files->sources[i]);
	}
	free(files->sources);
	pxe__image_version__free_unpacked(files->version, NULL);
	memset(files, 0, sizeof *files);
}
