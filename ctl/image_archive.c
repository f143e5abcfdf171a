/* Entry by entry: folders and files are written as they come. Symbolic links wait until all is
 * there, so that nothing is ever written through one; then each must lead to something below the
 * directory. */
#include "ctl/image_archive.h"

#include "ctl/progress.h"
#include "ctl/show.h"
#include "proto/msg/manifest.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARCHIVE_READ_BYTES (256 * 1024)
#define ARCHIVE_NAME_BYTES 96 /* of a name in a message */
#define ARCHIVE_NOTES_MAX  20u

struct link_entry {
	char *path, *target;
};

struct unpack {
	const struct ctl *ctl;
	const char *source, *directory;
	struct archive *archive;
	int root_fd;
	uint64_t room_bytes, written_bytes;
	size_t entries, left_out;
	struct link_entry *links;
	size_t link_count;
	struct progress progress;
	int64_t read_bytes; /* of the archive's file, told to progress */
};

bool image_archive_is(const char *name)
{
	static const char *const suffixes[] = {".iso", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz",
		".tar.zst", ".tzst", ".tar.bz2", ".tbz2", ".zip"};
	size_t bytes = strlen(name);

	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		size_t suffix = strlen(suffixes[i]);
		if (bytes > suffix && strcasecmp(name + bytes - suffix, suffixes[i]) == 0) {
			return true;
		}
	}
	return false;
}

static const char *printable(const char *path, char ret_text[ARCHIVE_NAME_BYTES])
{
	size_t i;

	for (i = 0; i < ARCHIVE_NAME_BYTES - 1 && path[i] != '\0'; i++) {
		ret_text[i] = (unsigned char)path[i] < ' ' || path[i] == 0x7f ? '?' : path[i];
	}
	ret_text[i] = '\0';
	return ret_text;
}

static int refuse_entry(const struct unpack *unpack, const char *path, const char *why)
{
	char name[ARCHIVE_NAME_BYTES];

	return ctl_fail(unpack->ctl, CTL_USAGE, "%s: entry '%s' %s; nothing was pushed",
		unpack->source, printable(path, name), why);
}

static int refuse_write(const struct unpack *unpack, const char *path)
{
	int error = errno;
	char name[ARCHIVE_NAME_BYTES];

	if (error == EEXIST || error == ENOTDIR || error == EISDIR || error == ELOOP) {
		return refuse_entry(
			unpack, path, "is there twice, or as a file and as a directory");
	}
	return ctl_fail(unpack->ctl, CTL_REFUSED, "cannot write '%s' below %s: %s",
		printable(path, name), unpack->directory, strerror(error));
}

static int refuse_archive(const struct unpack *unpack, const char *path)
{
	const char *why = archive_error_string(unpack->archive);
	char name[ARCHIVE_NAME_BYTES];

	return ctl_fail(unpack->ctl, CTL_USAGE,
		"%s is not a whole archive: %s%s%s%s; nothing was pushed. To push it as one file: "
		"--as-file",
		unpack->source, why != NULL ? why : "it cannot be read",
		path != NULL ? " (entry '" : "", path != NULL ? printable(path, name) : "",
		path != NULL ? "')" : "");
}

static void leave_out(struct unpack *unpack, const char *path, const char *why)
{
	char name[ARCHIVE_NAME_BYTES];

	if (unpack->left_out++ < ARCHIVE_NOTES_MAX) {
		ctl_note(unpack->ctl, "left out: %s: %s", printable(path, name), why);
	}
}

/* The path in the tree: without "./" in front and '/' behind; "" for the top. False when it is
 * none. */
static bool plain_path(const char *text, char ret_path[PATH_MAX])
{
	const char *from = text;
	size_t bytes;

	while (from[0] == '.' && from[1] == '/') {
		from += 2;
		from += strspn(from, "/");
	}
	bytes = strlen(from);
	while (bytes > 0 && from[bytes - 1] == '/' && from != text + bytes) {
		bytes--;
	}
	if (strcmp(from, ".") == 0 || (bytes == 0 && text[0] == '.')) {
		ret_path[0] = '\0';
		return true;
	}
	snprintf(ret_path, PATH_MAX, "%.*s", (int)(bytes < PATH_MAX ? bytes : PATH_MAX - 1), from);
	return text[0] != '/' && manifest_path_is_plain(ret_path);
}

/* All folders above `path`, and with `self` the path itself. */
static int make_folders(const struct unpack *unpack, const char *path, bool self)
{
	char folder[PATH_MAX];
	struct stat st;

	for (const char *slash = path;; slash++) {
		slash = strchrnul(slash, '/');
		if (*slash == '\0' && !self) {
			return CTL_OK;
		}
		snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
		if (mkdirat(unpack->root_fd, folder, 0700) != 0 &&
			(errno != EEXIST ||
				fstatat(unpack->root_fd, folder, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
				!S_ISDIR(st.st_mode))) {
			return refuse_write(unpack, path);
		}
		if (*slash == '\0') {
			return CTL_OK;
		}
	}
}

/* ---- files */

static int check_room(const struct unpack *unpack, const char *path, uint64_t bytes)
{
	char need[SHOW_BYTES], room[SHOW_BYTES], name[ARCHIVE_NAME_BYTES];

	if (bytes <= unpack->room_bytes - unpack->written_bytes) {
		return CTL_OK;
	}
	return ctl_fail(unpack->ctl, CTL_REFUSED,
		"%s does not fit: unpacked it needs at least %s up to entry '%s', %s has room for "
		"%s. Name another place with TMPDIR=DIR",
		unpack->source,
		show_size(bytes > UINT64_MAX - unpack->written_bytes
				  ? bytes
				  : unpack->written_bytes + bytes,
			need),
		printable(path, name), unpack->directory, show_size(unpack->room_bytes, room));
}

static void tell_progress(struct unpack *unpack)
{
	int64_t at = archive_filter_bytes(unpack->archive, -1);

	if (at > unpack->read_bytes) {
		progress_add(&unpack->progress, (uint64_t)(at - unpack->read_bytes));
		unpack->read_bytes = at;
	}
}

/* Blocks come with their offsets; what is between them are holes. */
static int copy_data(struct unpack *unpack, const char *path, int fd)
{
	const void *block;
	size_t bytes;
	int64_t offset;
	uint64_t end = 0;
	int result = CTL_OK, status;

	while ((status = archive_read_data_block(unpack->archive, &block, &bytes, &offset)) ==
			ARCHIVE_OK &&
		result == CTL_OK) {
		uint64_t block_end = (uint64_t)offset + bytes;
		if (offset < 0 || block_end < bytes) {
			return refuse_entry(unpack, path, "is damaged");
		}
		if (block_end > end) {
			result = check_room(unpack, path, block_end - end);
			unpack->written_bytes += result == CTL_OK ? block_end - end : 0;
			end = block_end;
		}
		for (size_t done = 0; result == CTL_OK && done < bytes;) {
			ssize_t wrote = pwrite(fd, (const char *)block + done, bytes - done,
				(off_t)((uint64_t)offset + done));
			if (wrote <= 0) {
				return refuse_write(unpack, path);
			}
			done += (size_t)wrote;
		}
		tell_progress(unpack);
	}
	if (result == CTL_OK && status != ARCHIVE_EOF) {
		return refuse_archive(unpack, path);
	}
	return result;
}

static int write_file(struct unpack *unpack, struct archive_entry *entry, const char *path)
{
	bool has_size = archive_entry_size_is_set(entry) != 0;
	int64_t size = has_size ? archive_entry_size(entry) : 0;
	struct stat st;
	int result = make_folders(unpack, path, false), fd;

	if (result == CTL_OK && size < 0) {
		result = refuse_entry(unpack, path, "has an impossible size");
	}
	if (result == CTL_OK) {
		result = check_room(unpack, path, (uint64_t)size);
	}
	if (result != CTL_OK) {
		return result;
	}
	fd = openat(
		unpack->root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return refuse_write(unpack, path);
	}
	result = copy_data(unpack, path, fd);
	if (result == CTL_OK && fstat(fd, &st) == 0 && st.st_size < size) {
		result = ftruncate(fd, size) == 0 ? CTL_OK : refuse_write(unpack, path);
		unpack->written_bytes += (uint64_t)(size - st.st_size);
	}
	if (close(fd) != 0 && result == CTL_OK) {
		result = refuse_write(unpack, path);
	}
	return result;
}

/* ---- links */

/* A second name of a file that came before. */
static int write_hard_link(struct unpack *unpack, const char *path, const char *target)
{
	char plain[PATH_MAX];
	int result;

	if (!plain_path(target, plain)) {
		return refuse_entry(unpack, path, "is a link that leads out of the archive");
	}
	result = make_folders(unpack, path, false);
	if (result == CTL_OK && linkat(unpack->root_fd, plain, unpack->root_fd, path, 0) != 0) {
		result = errno == ENOENT ? refuse_entry(unpack, path,
						   "is a link to a file that is not there")
					 : refuse_write(unpack, path);
	}
	return result;
}

/* By its text: what it names need not exist. (check_links() follows it.) */
static bool leads_out(const char *path, const char *target)
{
	int depth = 0;

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		depth++;
	}
	for (const char *part = target; *part != '\0';) {
		size_t bytes = strcspn(part, "/");
		if (bytes == 2 && memcmp(part, "..", 2) == 0) {
			depth--;
		} else if (bytes > 0 && !(bytes == 1 && part[0] == '.')) {
			depth++;
		}
		if (depth < 0) {
			return true;
		}
		part += bytes;
		part += *part == '/';
	}
	return target[0] == '/';
}

static int keep_symbolic_link(struct unpack *unpack, const char *path, const char *target)
{
	if (target == NULL || target[0] == '\0') {
		return refuse_entry(unpack, path, "is a link to nothing");
	}
	if (leads_out(path, target)) {
		return refuse_entry(unpack, path, "is a link that leads out of the archive");
	}
	unpack->links = realloc(unpack->links, (unpack->link_count + 1) * sizeof *unpack->links);
	assert(unpack->links != NULL);
	unpack->links[unpack->link_count++] = (struct link_entry){strdup(path), strdup(target)};
	return CTL_OK;
}

static int make_links(struct unpack *unpack)
{
	int result = CTL_OK;

	for (size_t i = 0; i < unpack->link_count && result == CTL_OK; i++) {
		const struct link_entry *link = &unpack->links[i];
		result = make_folders(unpack, link->path, false);
		if (result == CTL_OK && symlinkat(link->target, unpack->root_fd, link->path) != 0) {
			result = refuse_write(unpack, link->path);
		}
	}
	return result;
}

/* Where a link leads in the end, by way of others: below the top, or nowhere. */
static int check_links(struct unpack *unpack)
{
	char top[PATH_MAX], link_path[2 * PATH_MAX], real[PATH_MAX];
	int result = CTL_OK;
	size_t top_bytes;

	if (unpack->link_count == 0) {
		return CTL_OK;
	}
	if (realpath(unpack->directory, top) == NULL) {
		return refuse_write(unpack, "");
	}
	top_bytes = strlen(top);
	for (size_t i = 0; i < unpack->link_count && result == CTL_OK; i++) {
		const struct link_entry *link = &unpack->links[i];
		snprintf(link_path, sizeof link_path, "%s/%s", top, link->path);
		if (realpath(link_path, real) == NULL) {
			leave_out(unpack, link->path, "it is a link to nothing");
			unlinkat(unpack->root_fd, link->path, 0);
		} else if (strncmp(real, top, top_bytes) != 0 ||
			   (real[top_bytes] != '/' && real[top_bytes] != '\0')) {
			result = refuse_entry(
				unpack, link->path, "is a link that leads out of the archive");
		}
	}
	return result;
}

/* ---- the archive */

/* The name as UTF-8, or as its bytes. */
static const char *name_of(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	return name != NULL ? name : archive_entry_pathname_utf8(entry);
}

static int take_entry(struct unpack *unpack, struct archive_entry *entry)
{
	const char *name = name_of(entry), *hard = archive_entry_hardlink(entry);
	char path[PATH_MAX];

	if (name == NULL) {
		return refuse_archive(unpack, "a name that cannot be read");
	}
	if (!plain_path(name, path)) {
		return refuse_entry(unpack, name,
			"has a name that is none for an image: relative, at most 255 bytes, no "
			"'..', no backslash or control bytes");
	}
	if (path[0] == '\0') {
		return CTL_OK;
	}
	if (archive_entry_is_encrypted(entry)) {
		return refuse_entry(unpack, path, "is encrypted");
	}
	if (hard != NULL) {
		return write_hard_link(unpack, path, hard);
	}
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG: return write_file(unpack, entry, path);
	case AE_IFDIR: return make_folders(unpack, path, true);
	case AE_IFLNK: return keep_symbolic_link(unpack, path, archive_entry_symlink(entry));
	default: leave_out(unpack, path, "neither a file nor a directory"); return CTL_OK;
	}
}

static int take_entries(struct unpack *unpack)
{
	struct archive_entry *entry;
	int result = CTL_OK, status;

	while (result == CTL_OK) {
		status = archive_read_next_header(unpack->archive, &entry);
		if (status == ARCHIVE_EOF) {
			break;
		}
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
			result = refuse_archive(unpack, NULL);
		} else if (++unpack->entries > IMAGE_ARCHIVE_ENTRIES_MAX) {
			result = ctl_fail(unpack->ctl, CTL_USAGE, "%s has more than %d entries",
				unpack->source, IMAGE_ARCHIVE_ENTRIES_MAX);
		} else {
			result = take_entry(unpack, entry);
		}
		tell_progress(unpack);
	}
	if (result == CTL_OK && unpack->entries == 0) {
		result = ctl_fail(
			unpack->ctl, CTL_USAGE, "%s is an archive of nothing", unpack->source);
	}
	return result;
}

static int open_archive(struct unpack *unpack)
{
	struct archive *archive = archive_read_new();

	assert(archive != NULL);
	unpack->archive = archive;
	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_xz(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_filter_bzip2(archive);
	archive_read_support_format_tar(archive);
	archive_read_support_format_gnutar(archive);
	archive_read_support_format_iso9660(archive);
	archive_read_support_format_zip(archive);
	return archive_read_open_filename(archive, unpack->source, ARCHIVE_READ_BYTES) == ARCHIVE_OK
		       ? CTL_OK
		       : refuse_archive(unpack, NULL);
}

static int unpack_all(struct unpack *unpack)
{
	struct stat st;
	int result;

	if (stat(unpack->source, &st) != 0) {
		return ctl_fail(unpack->ctl, CTL_USAGE, "cannot read %s: %s", unpack->source,
			strerror(errno));
	}
	unpack->root_fd = open(unpack->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (unpack->root_fd < 0) {
		return refuse_write(unpack, "");
	}
	progress_start(&unpack->progress, unpack->ctl, "unpack", (uint64_t)st.st_size);
	result = open_archive(unpack);
	if (result == CTL_OK) {
		result = take_entries(unpack);
	}
	if (result == CTL_OK) {
		result = make_links(unpack);
	}
	if (result == CTL_OK) {
		result = check_links(unpack);
	}
	if (result == CTL_OK) {
		unpack->progress.done = unpack->progress.total;
		progress_end(&unpack->progress);
	}
	if (result == CTL_OK && unpack->left_out > ARCHIVE_NOTES_MAX) {
		ctl_note(unpack->ctl, "left out: %zu more of these",
			unpack->left_out - ARCHIVE_NOTES_MAX);
	}
	return result;
}

int image_archive_unpack(
	const struct ctl *ctl, const char *path, const char *directory, uint64_t room_bytes)
{
	struct unpack unpack = {.ctl = ctl,
		.source = path,
		.directory = directory,
		.root_fd = -1,
		.room_bytes = room_bytes};
	/* libarchive converts names to the locale's character set: the same everywhere. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
	int result;

	assert(path != NULL && directory != NULL);
	result = unpack_all(&unpack);
	for (size_t i = 0; i < unpack.link_count; i++) {
		free(unpack.links[i].path);
		free(unpack.links[i].target);
	}
	free(unpack.links);
	archive_read_free(unpack.archive);
	if (unpack.root_fd >= 0) {
		close(unpack.root_fd);
	}
	if (utf8 != (locale_t)0) {
		uselocale(before);
		freelocale(utf8);
	}
	return result;
}
