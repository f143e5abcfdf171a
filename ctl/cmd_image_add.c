/* image add: a URL's file -> the cache -> digest -> as image push.
 *
 * The part of a download stays in $XDG_CACHE_HOME/pxectl (~/.cache/pxectl), in a directory named by
 * the URL's hash, until the image is pushed. */
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/fetch_url.h"
#include "ctl/image_push.h"
#include "ctl/show.h"
#include "ctl/temp_tree.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADD_PATH_BYTES 3000
#define ADD_TRIES      6
#define ADD_STALL_S    60

struct download {
	const struct ctl *ctl;
	const char *url;
	char directory[ADD_PATH_BYTES / 2], path[ADD_PATH_BYTES], validator[ADD_PATH_BYTES];
	int fd;
};

/* ---- the URL */

/* Path of the URL, decoded; its scheme. Both heap (free()). CTL_USAGE for what is no URL. */
static int read_url(const struct ctl *ctl, const char *url, char **ret_scheme, char **ret_path)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL, *path = NULL;
	int result = CTL_OK;

	assert(parsed != NULL);
	if (curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
		curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(parsed, CURLUPART_PATH, &path, CURLU_URLDECODE) != CURLUE_OK ||
		(strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0 &&
			strcmp(scheme, "file") != 0)) {
		result = ctl_fail(ctl, CTL_USAGE,
			"'%s' is not a URL of http, https or file; for files of this machine: "
			"pxectl image push",
			url);
	} else {
		*ret_scheme = strdup(scheme);
		*ret_path = strdup(path);
		assert(*ret_scheme != NULL && *ret_path != NULL);
	}
	curl_free(scheme);
	curl_free(path);
	curl_url_cleanup(parsed);
	return result;
}

/* The file's name: the last part of the path, in letters that every file system takes. */
static void name_of(const char *path, char *ret_name, size_t bytes)
{
	const char *last = strrchr(path, '/');
	size_t used = 0;

	last = last == NULL ? path : last + 1;
	for (; *last != '\0' && used + 1 < bytes; last++) {
		bool odd = (unsigned char)*last < ' ' || *last == 0x7f || *last == '\\';
		ret_name[used++] = odd ? '_' : *last;
	}
	ret_name[used] = '\0';
	if (used == 0 || strcmp(ret_name, ".") == 0 || strcmp(ret_name, "..") == 0) {
		snprintf(ret_name, bytes, "download");
	}
}

/* ---- the cache */

static int make_directory(const struct ctl *ctl, const char *path)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST) {
		return CTL_OK;
	}
	return ctl_fail(ctl, CTL_REFUSED, "cannot make %s: %s", path, strerror(errno));
}

static int open_cache(struct download *download, const char *url_path)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char base[ADD_PATH_BYTES / 3], name[200], digits[33];
	uint8_t hash[32];
	int result = CTL_OK;

	if (cache != NULL && cache[0] == '/') {
		snprintf(base, sizeof base, "%.900s", cache);
	} else if (home != NULL && home[0] == '/') {
		snprintf(base, sizeof base, "%.900s/.cache", home);
	} else {
		snprintf(base, sizeof base, "/var/tmp/pxectl-%u", (unsigned)getuid());
	}
	result = make_directory(download->ctl, base);
	gnutls_hash_fast(GNUTLS_DIG_SHA256, download->url, strlen(download->url), hash);
	text_hex_format(hash, 16, digits, sizeof digits);
	strcat(base, "/pxectl");
	result = result == CTL_OK ? make_directory(download->ctl, base) : result;
	snprintf(download->directory, sizeof download->directory, "%s/%s", base, digits);
	result = result == CTL_OK ? make_directory(download->ctl, download->directory) : result;
	name_of(url_path, name, sizeof name);
	snprintf(download->path, sizeof download->path, "%s/%s", download->directory, name);
	snprintf(download->validator, sizeof download->validator, "%s.validator",
		download->directory);
	if (result != CTL_OK) {
		return result;
	}
	download->fd = open(download->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (download->fd < 0) {
		return ctl_fail(download->ctl, CTL_REFUSED, "cannot write %s: %s", download->path,
			strerror(errno));
	}
	return flock(download->fd, LOCK_EX | LOCK_NB) == 0
		       ? CTL_OK
		       : ctl_fail(download->ctl, CTL_CONFLICT,
				 "another pxectl downloads %s at this moment", download->url);
}

static void forget(const struct download *download)
{
	unlink(download->path);
	unlink(download->validator);
	rmdir(download->directory);
}

static void read_validator(const struct download *download, char *ret_text, size_t bytes)
{
	FILE *file = fopen(download->validator, "re");

	ret_text[0] = '\0';
	if (file != NULL) {
		if (fgets(ret_text, (int)bytes, file) == NULL) {
			ret_text[0] = '\0';
		}
		fclose(file);
	}
}

/* ---- the download */

static int on_begin(void *ctx, uint64_t bytes, uint64_t had_bytes, const char *validator)
{
	const struct download *download = ctx;
	uint64_t room = temp_tree_room(download->directory);
	char need[SHOW_BYTES], there[SHOW_BYTES];
	FILE *file;

	if (bytes > had_bytes && bytes - had_bytes > room) {
		return ctl_fail(download->ctl, CTL_REFUSED,
			"not enough space: %s needs %s more, %s has room for %s. Name another "
			"place with XDG_CACHE_HOME=DIR",
			download->url, show_size(bytes - had_bytes, need), download->directory,
			show_size(room, there));
	}
	if (had_bytes > 0) {
		ctl_note(download->ctl, "going on with the %s that came before",
			show_size(had_bytes, need));
	}
	file = fopen(download->validator, "we");
	if (file != NULL) {
		fputs(validator, file);
		fclose(file);
	}
	return CTL_OK;
}

static int fetch(struct download *download)
{
	struct progress progress;
	struct fetch_url fetch = {.url = download->url,
		.fd = download->fd,
		.tries = ADD_TRIES,
		.stall_s = ADD_STALL_S,
		.on_begin = on_begin,
		.ctx = download,
		.progress = &progress};
	char error[400];
	int result;

	memset(&progress, 0, sizeof progress);
	read_validator(download, fetch.validator, sizeof fetch.validator);
	result = fetch_url(download->ctl, &fetch, error, sizeof error);
	if (result != CTL_OK && error[0] != '\0') {
		return ctl_fail(
			download->ctl, (enum ctl_exit)result, "%s: %s", download->url, error);
	}
	return result;
}

/* ---- the digest */

static int check_digest(const struct ctl *ctl, const char *path, const char *wanted)
{
	struct image_hash file = {.source = path};
	char digits[65];
	struct stat st;
	int result;

	if (stat(path, &st) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "cannot read %s: %s", path, strerror(errno));
	}
	file.expected = (uint64_t)st.st_size;
	result = wanted == NULL ? CTL_OK : image_hash_files(ctl, &file, 1);
	if (wanted == NULL || result != CTL_OK) {
		return result;
	}
	text_hex_format(file.sha256, 32, digits, sizeof digits);
	if (strcasecmp(digits, wanted) == 0) {
		return CTL_OK;
	}
	return ctl_fail(ctl, CTL_REFUSED,
		"the file is not the one that was meant:\n  SHA-256 wanted %s\n  SHA-256 found  "
		"%s\n  nothing was pushed",
		wanted, digits);
}

static int check_wanted(const struct ctl *ctl, const char *wanted)
{
	uint8_t bytes[32];
	size_t count;

	if (wanted == NULL ||
		(text_hex_parse(wanted, bytes, sizeof bytes, &count) == 0 && count == 32)) {
		return CTL_OK;
	}
	return ctl_fail(ctl, CTL_USAGE, "--sha256 '%s': write the 64 hexadecimal digits", wanted);
}

/* ---- the command */

static int push_file(struct ctl *ctl, const struct invocation *in, const char *path)
{
	const char *patterns[COMMAND_GIVEN_MAX];
	size_t pattern_count = cmd_push_patterns(in, patterns);
	struct image_source source;
	int result = check_digest(ctl, path, command_text(in, "sha256"));

	if (result == CTL_OK) {
		result = image_source_open(ctl, path, command_flag(in, "as-file"), &source);
	}
	if (result == CTL_OK) {
		result = image_push_path(ctl, in->args[0], source.path, patterns, pattern_count);
		image_source_close(&source);
	}
	return result;
}

static int add_download(struct ctl *ctl, const struct invocation *in, const char *url_path)
{
	struct download download = {.ctl = ctl, .url = in->args[1], .fd = -1};
	int result = open_cache(&download, url_path);

	if (result == CTL_OK) {
		result = fetch(&download);
		if (result == CTL_OK) {
			result = push_file(ctl, in, download.path);
			/* What is wrong would be wrong again; what only failed goes on later. */
			if (result == CTL_OK || result == CTL_REFUSED || result == CTL_USAGE) {
				forget(&download);
			}
		} else if (result == CTL_NOT_FOUND) {
			forget(&download);
		}
	}
	if (download.fd >= 0) {
		close(download.fd);
	}
	return result;
}

int cmd_image_add(struct ctl *ctl, const struct invocation *in)
{
	char *scheme = NULL, *path = NULL;
	int result = edit_check_name(ctl, "image", in->args[0]);

	if (result == CTL_OK) {
		result = check_wanted(ctl, command_text(in, "sha256"));
	}
	if (result == CTL_OK) {
		result = read_url(ctl, in->args[1], &scheme, &path);
	}
	if (result == CTL_OK) {
		result = strcmp(scheme, "file") == 0 ? push_file(ctl, in, path)
						     : add_download(ctl, in, path);
	}
	free(scheme);
	free(path);
	return result;
}
