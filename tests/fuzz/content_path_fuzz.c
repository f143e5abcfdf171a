/* Paths, queries, ranges and tags as strangers send them. What is parsed must keep its promises: no
 * way out of the tree, no range beyond the file. The pure files of the daemon are compiled in,
 * since fuzzers link with no service. */
#include "node/content/content_path.c"
#include "node/http/http_range.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names of configurations: whose they are is told whole, or not at all. */
static void try_made(const char *text)
{
	struct content_path path;

	if (content_path_parse_made(text, &path) != 0) {
		return;
	}
	if ((path.kind != CONTENT_NAME_GRUB && path.kind != CONTENT_NAME_PXELINUX &&
		    path.kind != CONTENT_NAME_UBOOT) ||
		(path.mac_bytes != 0 && path.mac_bytes != 6) || path.file[0] != '\0') {
		abort();
	}
}

static void try_path(const char *text)
{
	struct content_path path;

	try_made(text);
	if (content_path_parse(text, &path) != 0) {
		return;
	}
	for (const char *part = path.file; *part != '\0';) {
		size_t bytes = strcspn(part, "/");
		if (bytes == 2 && memcmp(part, "..", 2) == 0) {
			abort();
		}
		part += bytes;
		part += *part == '/';
	}
	if (path.file[0] == '/' || strchr(path.image, '/') != NULL ||
		strchr(path.file, '\\') != NULL || path.mac_bytes > 16 || strlen(path.pin) > 64) {
		abort();
	}
}

static void try_range(const char *text, uint64_t bytes)
{
	uint64_t offset = 0, length = 0;

	if (http_range_parse(text, bytes, &offset, &length) == HTTP_RANGE_PART &&
		(length == 0 || length > bytes || offset > bytes - length)) {
		abort();
	}
	(void)http_etag_in(text, "\"0123\"");
	(void)http_if_range(text, "\"0123\"");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), decoded[CONTENT_PATH_MAX];

	if (text == NULL) {
		return 0;
	}
	memcpy(text, data, size);
	text[size] = '\0';
	try_path(text);
	if (content_decode(text, strlen(text), decoded, sizeof decoded) == 0) {
		try_path(decoded);
	}
	(void)content_query(text, "mac", decoded, sizeof decoded);
	(void)content_media_type(text);
	try_range(text, size * 1000);
	free(text);
	return 0;
}
