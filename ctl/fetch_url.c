#include "ctl/fetch_url.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FETCH_CONNECT_S  10L
#define FETCH_REDIRECTS  10L
#define FETCH_HEADER_MAX 320
#define FETCH_PAUSE_MS   500u

struct fetching {
	const struct ctl *ctl;
	struct fetch_url *fetch;
	CURL *curl;
	char validator[256], error[CURL_ERROR_SIZE];
	uint64_t from, at, total; /* where this try begins; where it is; of the whole, 0 unknown */
	uint64_t range_total;     /* as Content-Range says */
	bool begun, is_etag;
	int result, write_errno;
};

/* ---- headers */

static void copy_value(const char *line, size_t bytes, char *ret_text, size_t text_bytes)
{
	while (bytes > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		bytes--;
	}
	while (bytes > 0 && (unsigned char)line[bytes - 1] <= ' ') {
		bytes--;
	}
	if (bytes < text_bytes) {
		memcpy(ret_text, line, bytes);
		ret_text[bytes] = '\0';
	}
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct fetching *fetching = ctx;
	size_t bytes = size * count;
	char text[FETCH_HEADER_MAX] = "";

	if (bytes > 5 && strncasecmp(line, "HTTP/", 5) == 0) { /* of each answer, after redirects */
		fetching->validator[0] = '\0';
		fetching->is_etag = false;
		fetching->range_total = 0;
	} else if (bytes > 5 && strncasecmp(line, "ETag:", 5) == 0) {
		copy_value(line + 5, bytes - 5, text, sizeof fetching->validator);
		if (strncmp(text, "W/", 2) != 0) { /* a weak one says nothing about bytes */
			strcpy(fetching->validator, text);
			fetching->is_etag = true;
		}
	} else if (bytes > 14 && strncasecmp(line, "Last-Modified:", 14) == 0) {
		if (!fetching->is_etag) {
			copy_value(line + 14, bytes - 14, fetching->validator,
				sizeof fetching->validator);
		}
	} else if (bytes > 14 && strncasecmp(line, "Content-Range:", 14) == 0) {
		copy_value(line + 14, bytes - 14, text, sizeof text);
		const char *slash = strchr(text, '/');
		fetching->range_total = slash == NULL ? 0 : strtoull(slash + 1, NULL, 10);
	}
	return bytes;
}

/* ---- body */

/* Before the first byte: is it the part that was asked for, or all of it anew? */
static bool begin(struct fetching *fetching)
{
	struct fetch_url *fetch = fetching->fetch;
	curl_off_t length = -1;
	long status = 0;

	curl_easy_getinfo(fetching->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(fetching->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	fetching->begun = true;
	if (fetching->from > 0 && status != 206) {
		fetching->from = 0;
	}
	fetching->at = fetching->from;
	fetching->total = length < 0 ? 0 : (uint64_t)length + fetching->from;
	snprintf(fetch->validator, sizeof fetch->validator, "%s", fetching->validator);
	if (ftruncate(fetch->fd, (off_t)fetching->from) != 0) {
		fetching->write_errno = errno;
		return false;
	}
	if (fetch->progress != NULL) {
		progress_start(fetch->progress, fetching->ctl, "download", fetching->total);
		fetch->progress->done = fetching->from;
	}
	if (fetch->on_begin != NULL) {
		fetching->result = fetch->on_begin(
			fetch->ctx, fetching->total, fetching->from, fetch->validator);
	}
	return fetching->result == CTL_OK;
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
	struct fetching *fetching = ctx;
	size_t bytes = size * count;

	if (!fetching->begun && !begin(fetching)) {
		return 0;
	}
	for (size_t done = 0; done < bytes;) {
		ssize_t wrote = pwrite(fetching->fetch->fd, data + done, bytes - done,
			(off_t)(fetching->at + done));
		if (wrote <= 0) {
			fetching->write_errno = errno;
			return 0;
		}
		done += (size_t)wrote;
	}
	fetching->at += bytes;
	if (fetching->fetch->progress != NULL) {
		progress_add(fetching->fetch->progress, bytes);
	}
	return bytes;
}

/* ---- one try */

static void set_options(struct fetching *fetching, struct curl_slist **ret_headers)
{
	CURL *curl = fetching->curl;
	char line[FETCH_HEADER_MAX];

	curl_easy_setopt(curl, CURLOPT_URL, fetching->fetch->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, FETCH_REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, FETCH_CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)fetching->fetch->stall_s);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "pxectl/" PXE_VERSION);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fetching->error);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, fetching);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, fetching);
	if (fetching->from > 0) {
		snprintf(line, sizeof line, "%llu-", (unsigned long long)fetching->from);
		curl_easy_setopt(curl, CURLOPT_RANGE, line);
		snprintf(line, sizeof line, "If-Range: %s", fetching->fetch->validator);
		*ret_headers = curl_slist_append(NULL, line);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *ret_headers);
	}
}

/* *ret_again: another try may help. */
static int judge(struct fetching *fetching, CURLcode code, bool *ret_again, char *ret_error,
	size_t error_bytes)
{
	struct fetch_url *fetch = fetching->fetch;
	long status = 0;

	*ret_again = false;
	ret_error[0] = '\0';
	curl_easy_getinfo(fetching->curl, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && !fetching->begun && !begin(fetching)) { /* an empty file */
		code = CURLE_WRITE_ERROR;
	}
	if (code == CURLE_OK) {
		return CTL_OK;
	}
	if (fetching->result != CTL_OK) {
		return fetching->result;
	}
	if (status == 416 && fetching->from > 0) { /* nothing lies beyond the part: it is whole */
		bool whole = fetching->range_total == fetching->from;
		*ret_again = !whole;
		fetch->validator[0] = whole ? fetch->validator[0] : '\0';
		snprintf(ret_error, error_bytes, "HTTP 416");
		return whole ? CTL_OK : CTL_REFUSED;
	}
	if (code == CURLE_HTTP_RETURNED_ERROR) {
		snprintf(ret_error, error_bytes, "HTTP %ld%s", status,
			status == 404   ? ": there is no such file"
			: status == 403 ? ": not allowed"
			: status == 401 ? ": it wants a password"
					: "");
		*ret_again = status >= 500;
		return status == 404 || status == 410 ? CTL_NOT_FOUND : CTL_REFUSED;
	}
	if (fetching->write_errno != 0) {
		snprintf(ret_error, error_bytes, "cannot write what came: %s",
			strerror(fetching->write_errno));
		return CTL_REFUSED;
	}
	snprintf(ret_error, error_bytes, "%s",
		fetching->error[0] != '\0' ? fetching->error : curl_easy_strerror(code));
	*ret_again = code != CURLE_URL_MALFORMAT && code != CURLE_UNSUPPORTED_PROTOCOL &&
		     code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_TOO_MANY_REDIRECTS;
	return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ? CTL_USAGE
										 : CTL_UNREACHABLE;
}

static int try_once(const struct ctl *ctl, struct fetch_url *fetch, bool *ret_again,
	char *ret_error, size_t error_bytes)
{
	struct fetching fetching = {.ctl = ctl, .fetch = fetch, .curl = curl_easy_init()};
	struct curl_slist *headers = NULL;
	off_t have = lseek(fetch->fd, 0, SEEK_END);
	int result;

	assert(fetching.curl != NULL);
	fetching.from = have > 0 && fetch->validator[0] != '\0' ? (uint64_t)have : 0;
	set_options(&fetching, &headers);
	result = judge(
		&fetching, curl_easy_perform(fetching.curl), ret_again, ret_error, error_bytes);
	curl_slist_free_all(headers);
	curl_easy_cleanup(fetching.curl);
	return result;
}

int fetch_url(const struct ctl *ctl, struct fetch_url *fetch, char *ret_error, size_t error_bytes)
{
	unsigned pause_ms = FETCH_PAUSE_MS;
	bool again = true;
	int result = CTL_UNREACHABLE;

	assert(fetch != NULL && fetch->url != NULL && fetch->fd >= 0 && fetch->tries > 0);
	for (unsigned i = 0; i < fetch->tries && again; i++) {
		if (i > 0) {
			ctl_pause(pause_ms);
			pause_ms *= 2;
		}
		result = try_once(ctl, fetch, &again, ret_error, error_bytes);
		if (result == CTL_OK) {
			if (fetch->progress != NULL && fetch->progress->total > 0) {
				progress_end(fetch->progress);
			}
			return CTL_OK;
		}
	}
	return result;
}
