/* image pull: the files of a version from the nodes, by HTTP, whichever has them. Each is checked
 * against its hash before it gets its name. */
#include "ctl/cmd.h"
#include "ctl/fetch_url.h"
#include "ctl/image_hash.h"
#include "ctl/image_ref.h"
#include "ctl/show.h"
#include "proto/msg/manifest.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PULL_STALL_S   10
#define PULL_URL_BYTES 1200
#define PULL_NODES_MAX 16
#define PULL_PART      ".pxectl-part"

struct pull {
	const struct ctl *ctl;
	const Pxe__ImageVersion *version;
	const char *directory;
	const Pxe__Member *nodes[PULL_NODES_MAX];
	size_t node_count, node; /* the one that gave the last file */
	struct progress progress;
	size_t fetched, kept;
};

/* ---- where */

static void choose_nodes(struct pull *pull, const struct image_lists *lists)
{
	for (size_t i = 0; i < lists->members->n_members; i++) {
		const Pxe__Member *member = lists->members->members[i];
		if (pull->node_count < PULL_NODES_MAX && member->serve_ip.len == 4 &&
			member->http_port > 0 && member->http_port <= 65535 &&
			member->role == PXE__MEMBER_ROLE__MEMBER_FULL &&
			(pull->ctl->node == NULL || strcmp(pull->ctl->node, member->name) == 0)) {
			pull->nodes[pull->node_count++] = member;
		}
	}
}

/* Each byte of the path that is not plain as %XX. */
static void make_url(const struct pull *pull, const Pxe__Member *node, const Pxe__ImageFile *file,
	char ret_url[PULL_URL_BYTES])
{
	char ip[TEXT_IP4_BYTES], digits[65];
	size_t used;

	text_hex_format(pull->version->digest.data, 32, digits, sizeof digits);
	text_ip4_format(msg_ip4_get(node->serve_ip), ip);
	used = (size_t)snprintf(ret_url, PULL_URL_BYTES, "http://%s:%u/%.63s@%s/", ip,
		(unsigned)node->http_port, pull->version->image, digits);
	for (const char *c = file->path; *c != '\0' && used + 4 < PULL_URL_BYTES; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9') || strchr("-._~/", *c) != NULL;
		used += (size_t)snprintf(ret_url + used, PULL_URL_BYTES - used,
			plain ? "%c" : "%%%02X", (unsigned char)*c);
	}
}

static int make_folders(const struct pull *pull, const char *path)
{
	char folder[2 * PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		snprintf(folder, sizeof folder, "%s/%.*s", pull->directory, (int)(slash - path),
			path);
		if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
			return ctl_fail(pull->ctl, CTL_REFUSED, "cannot make %s: %s", folder,
				strerror(errno));
		}
	}
	return CTL_OK;
}

/* ---- one file */

static bool is_right(const char *path, const Pxe__ImageFile *file)
{
	struct ctl silent = {.quiet = true, .out = stdout, .err = fopen("/dev/null", "we")};
	struct image_hash hash = {.source = path, .expected = file->bytes};
	struct stat st;
	bool right = silent.err != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		     (uint64_t)st.st_size == file->bytes &&
		     image_hash_files(&silent, &hash, 1) == CTL_OK &&
		     memcmp(hash.sha256, file->sha256.data, 32) == 0;

	if (silent.err != NULL) {
		fclose(silent.err);
	}
	return right;
}

/* From one node. False: the reason is in ret_error. */
static bool fetch_from(struct pull *pull, const Pxe__Member *node, const Pxe__ImageFile *file,
	const char *part, char *ret_error, size_t error_bytes)
{
	char url[PULL_URL_BYTES];
	struct fetch_url fetch = {.url = url, .tries = 1, .stall_s = PULL_STALL_S};
	int result;

	make_url(pull, node, file, url);
	fetch.fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fetch.fd < 0) {
		snprintf(ret_error, error_bytes, "cannot write %.300s: %s", part, strerror(errno));
		return false;
	}
	result = fetch_url(pull->ctl, &fetch, ret_error, error_bytes);
	close(fetch.fd);
	if (result == CTL_OK && !is_right(part, file)) {
		snprintf(ret_error, error_bytes, "the bytes are not those that were pushed");
		return false;
	}
	return result == CTL_OK;
}

static int fetch_file(struct pull *pull, const Pxe__ImageFile *file, const char *path)
{
	char part[2 * PATH_MAX + 32], error[400], reasons[1200] = "";

	snprintf(part, sizeof part, "%s" PULL_PART, path);
	for (size_t i = 0; i < pull->node_count; i++) {
		size_t at = (pull->node + i) % pull->node_count, used = strlen(reasons);
		if (fetch_from(pull, pull->nodes[at], file, part, error, sizeof error)) {
			pull->node = at;
			if (rename(part, path) == 0) {
				return CTL_OK;
			}
			snprintf(error, sizeof error, "cannot write %.300s: %s", path,
				strerror(errno));
		}
		snprintf(reasons + used, sizeof reasons - used, "\n  %s: %s", pull->nodes[at]->name,
			error);
	}
	unlink(part);
	return ctl_fail(
		pull->ctl, CTL_UNREACHABLE, "%s comes from no node:%s", file->path, reasons);
}

static int pull_all(struct pull *pull)
{
	char path[2 * PATH_MAX];
	int result = CTL_OK;

	progress_start(&pull->progress, pull->ctl, "download", pull->version->bytes);
	for (size_t i = 0; i < pull->version->n_files && result == CTL_OK; i++) {
		const Pxe__ImageFile *file = pull->version->files[i];
		snprintf(path, sizeof path, "%s/%s", pull->directory, file->path);
		if (!manifest_path_is_plain(file->path) || file->sha256.len != 32) {
			return ctl_fail(
				pull->ctl, CTL_REFUSED, "the node's list of files is malformed");
		}
		if (is_right(path, file)) {
			pull->kept++;
		} else {
			result = make_folders(pull, file->path);
			result = result == CTL_OK ? fetch_file(pull, file, path) : result;
			pull->fetched++;
		}
		progress_add(&pull->progress, file->bytes);
	}
	if (result == CTL_OK) {
		progress_end(&pull->progress);
	}
	return result;
}

int cmd_image_pull(struct ctl *ctl, const struct invocation *in)
{
	struct pull pull = {.ctl = ctl, .directory = in->args[1]};
	char error[400], digest[SHOW_BYTES], size[SHOW_BYTES];
	struct image_lists lists = {NULL, NULL, NULL};
	struct image_ref ref;
	int result;

	if (image_ref_parse(in->args[0], &ref, error, sizeof error) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "%s", error);
	}
	result = image_lists_load(ctl, &lists);
	if (result == CTL_OK &&
		(pull.version = image_lists_find(&lists, &ref, error, sizeof error)) == NULL) {
		result = ctl_fail(ctl, CTL_NOT_FOUND, "%s", error);
	}
	if (result == CTL_OK) {
		choose_nodes(&pull, &lists);
		if (pull.node_count == 0) {
			result = ctl_fail(ctl, CTL_UNREACHABLE, "no node serves HTTP");
		}
	}
	if (result == CTL_OK && mkdir(pull.directory, 0777) != 0 && errno != EEXIST) {
		result = ctl_fail(
			ctl, CTL_USAGE, "cannot make %s: %s", pull.directory, strerror(errno));
	}
	if (result == CTL_OK) {
		result = pull_all(&pull);
	}
	if (result == CTL_OK) {
		fprintf(ctl->out, "image %s@%s: %s in %zu files in %s (%zu fetched, %zu there)\n",
			pull.version->image, show_digest(&pull.version->digest, digest),
			show_size(pull.version->bytes, size), pull.version->n_files, pull.directory,
			pull.fetched, pull.kept);
	}
	image_lists_fini(&lists);
	return result;
}
