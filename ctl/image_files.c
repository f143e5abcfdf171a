#include "ctl/image_files.h"

#include "ctl/edit.h"
#include "proto/msg/manifest.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX  16
#define SOURCE_MAX 4096

struct search {
	const struct ctl *ctl;
	const char *const *patterns;
	size_t pattern_count;
	struct image_file_at *files;
	size_t count;
	char *root; /* of a directory, without symbolic links; NULL: one file */
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

/* Symbolic links may lead about in the directory, not out of it: who pushes a tree from elsewhere
 * shall not give away what it points to. */
static int check_inside(const struct search *search, const char *source)
{
	size_t bytes = search->root != NULL ? strlen(search->root) : 0;
	char *real = search->root != NULL ? realpath(source, NULL) : NULL;
	int result = CTL_OK;

	if (search->root != NULL && real == NULL) {
		result = ctl_fail(
			search->ctl, CTL_USAGE, "cannot read %s: %s", source, strerror(errno));
	} else if (search->root != NULL &&
		   (strncmp(real, search->root, bytes) != 0 || (bytes > 1 && real[bytes] != '/'))) {
		result = ctl_fail(search->ctl, CTL_USAGE,
			"%s leads to %s, out of the directory: copy the file into it, or leave it "
			"out with --only",
			source, real);
	}
	free(real);
	return result;
}

static int add_file(struct search *search, const char *path, const char *source, uint64_t bytes)
{
	if (!wanted(search, path)) {
		return CTL_OK;
	}
	if (check_inside(search, source) != CTL_OK) {
		return CTL_USAGE;
	}
	if (search->count == MANIFEST_FILES_MAX) {
		return ctl_fail(search->ctl, CTL_USAGE,
			"more than %d files; leave some out with --only", MANIFEST_FILES_MAX);
	}
	search->files = realloc(search->files, (search->count + 1) * sizeof *search->files);
	assert(search->files != NULL);
	search->files[search->count] = (struct image_file_at){strdup(path), strdup(source), bytes};
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
	return strcmp(
		((const struct image_file_at *)a)->path, ((const struct image_file_at *)b)->path);
}

/* ---- hashing */

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

static void take_hashes(const struct image_file_at *list, const struct image_hash *hashes,
	size_t count, struct image_files *files)
{
	for (size_t i = 0; i < count; i++) {
		Pxe__ImageFile *entry = edit_new(&pxe__image_file__descriptor);
		edit_set_text(&entry->path, list[i].path);
		edit_set_bytes(&entry->sha256, hashes[i].sha256, sizeof hashes[i].sha256);
		entry->bytes = hashes[i].stamp.bytes;
		files->sources[i] = strdup(list[i].source);
		files->stamps[i] = hashes[i].stamp;
		assert(files->sources[i] != NULL);
		files->version->files[i] = entry;
		files->version->n_files = i + 1;
		files->version->bytes += entry->bytes;
	}
}

int image_files_of(const struct ctl *ctl, const char *image, struct image_file_at *list,
	size_t count, struct image_files *ret_files)
{
	struct image_hash *hashes = calloc(count + 1, sizeof *hashes);
	int result;

	memset(ret_files, 0, sizeof *ret_files);
	ret_files->version = edit_new(&pxe__image_version__descriptor);
	edit_set_text(&ret_files->version->image, image);
	ret_files->version->files = calloc(count + 1, sizeof(Pxe__ImageFile *));
	ret_files->sources = calloc(count + 1, sizeof(char *));
	ret_files->stamps = calloc(count + 1, sizeof *ret_files->stamps);
	assert(hashes != NULL && ret_files->version->files != NULL && ret_files->sources != NULL &&
		ret_files->stamps != NULL);
	qsort(list, count, sizeof *list, compare_found);
	for (size_t i = 0; i < count; i++) {
		hashes[i] =
			(struct image_hash){.source = list[i].source, .expected = list[i].bytes};
	}
	result = image_hash_files(ctl, hashes, count);
	if (result == CTL_OK) {
		take_hashes(list, hashes, count, ret_files);
		result = name_version(ctl, ret_files->version);
	}
	free(hashes);
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
	search.root = S_ISDIR(st.st_mode) ? realpath(path, NULL) : NULL;
	result = S_ISDIR(st.st_mode) ? walk(&search, path)
				     : add_file(&search, last == NULL ? path : last + 1, path,
					       (uint64_t)st.st_size);
	if (result == CTL_OK && search.count == 0) {
		result = ctl_fail(ctl, CTL_USAGE, "%s holds no file%s", path,
			pattern_count > 0 ? " that --only selects" : "");
	}
	if (result == CTL_OK) {
		result = image_files_of(ctl, image, search.files, search.count, ret_files);
	}
	for (size_t i = 0; i < search.count; i++) {
		free(search.files[i].path);
		free(search.files[i].source);
	}
	free(search.files);
	free(search.root);
	return result;
}

void image_files_fini(struct image_files *files)
{
	for (size_t i = 0; files->version != NULL && i < files->version->n_files; i++) {
		free(files->sources[i]);
	}
	free(files->sources);
	free(files->stamps);
	pxe__image_version__free_unpacked(files->version, NULL);
	memset(files, 0, sizeof *files);
}
