#include "node/images/fetch.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FETCH_BUFFER_BYTES (256l << 10)

/* One request to one source. */
struct transfer {
	const struct fetch *fetch;
	CURL *curl;
	struct blob_writer *writer;
	uint64_t have, received;
	int disk_error;   /* of an append */
	bool whole_again; /* asked for the rest, got all of it */
};

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
	struct transfer *transfer = ctx;
	size_t bytes = size * count;
	long status = 0;

	if (transfer->received == 0) {
		curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
		if (status != (transfer->have > 0 ? 206 : 200)) {
			transfer->whole_again = status == 200;
			return 0;
		}
	}
	transfer->received += bytes;
	transfer->disk_error = blob_writer_append(transfer->writer, data, bytes);
	return transfer->disk_error == 0 ? bytes : 0;
}

static int on_progress(
	void *ctx, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t upload_now)
{
	const struct transfer *transfer = ctx;

	(void)total;
	(void)now;
	(void)upload_total;
	(void)upload_now;
	return transfer->fetch->stop != NULL && atomic_load(transfer->fetch->stop);
}

static void set_options(struct transfer *transfer, const char *base_url)
{
	const struct fetch *fetch = transfer->fetch;
	char url[FETCH_URL_BYTES + 80];
	int used = snprintf(url, sizeof url, "%s/blob/", base_url);

	for (size_t i = 0; i < 32; i++) {
		used += snprintf(url + used, sizeof url - (size_t)used, "%02x", fetch->sha256[i]);
	}
	curl_easy_reset(transfer->curl);
	curl_easy_setopt(transfer->curl, CURLOPT_URL, url);
	curl_easy_setopt(transfer->curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(transfer->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(transfer->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(transfer->curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(transfer->curl, CURLOPT_BUFFERSIZE, FETCH_BUFFER_BYTES);
	curl_easy_setopt(transfer->curl, CURLOPT_CONNECTTIMEOUT_MS,
		(long)(fetch->connect_ms > 0 ? fetch->connect_ms : 3000));
	curl_easy_setopt(transfer->curl, CURLOPT_LOW_SPEED_LIMIT, 1024L);
	curl_easy_setopt(transfer->curl, CURLOPT_LOW_SPEED_TIME,
		(long)(fetch->silence_s > 0 ? fetch->silence_s : 10));
	curl_easy_setopt(transfer->curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(transfer->curl, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(transfer->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(transfer->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(transfer->curl, CURLOPT_XFERINFODATA, transfer);
	curl_easy_setopt(transfer->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->have);
}

/* Open the blob's writer; what is there already may be all of it. 1: complete; 0: go on; negative
 * errno. */
static int begin(struct transfer *transfer, bool resume)
{
	const struct fetch *fetch = transfer->fetch;
	int err;

	transfer->received = 0;
	transfer->disk_error = 0;
	transfer->whole_again = false;
	for (;;) {
		err = blob_writer_open(fetch->blobs, fetch->sha256, fetch->bytes, resume,
			&transfer->writer, &transfer->have);
		if (err != 0 || transfer->have < fetch->bytes) {
			return err;
		}
		err = blob_writer_commit(transfer->writer);
		transfer->writer = NULL;
		if (err == 0) {
			return 1;
		}
		if (err != -EBADMSG || !resume) {
			return err;
		}
		resume = false; /* an earlier try left rubbish, which is gone now */
	}
}

/* What a failed request means: 0 another source may do better; negative errno: nothing will. */
static int judge(struct transfer *transfer, CURLcode code, const char *base_url, char *ret_error,
	size_t error_bytes)
{
	long status = 0;

	if (code == CURLE_ABORTED_BY_CALLBACK) {
		return -ECANCELED;
	}
	if (transfer->disk_error != 0 && transfer->disk_error != -EBADMSG) {
		snprintf(ret_error, error_bytes, "%s", strerror(-transfer->disk_error));
		return transfer->disk_error;
	}
	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
	snprintf(ret_error, error_bytes, "%s: %s (HTTP %ld)", base_url,
		code == CURLE_OK ? "the bytes are not what was asked for"
				 : curl_easy_strerror(code),
		status);
	return 0;
}

/* 1: the blob is there; 0: try the next source; negative errno: give up. */
static int try_source(struct transfer *transfer, const char *base_url, bool resume,
	uint64_t *received, char *ret_error, size_t error_bytes)
{
	CURLcode code;
	int err = begin(transfer, resume);

	if (err != 0) {
		if (err < 0) {
			snprintf(ret_error, error_bytes, "%s", strerror(-err));
		}
		return err;
	}
	set_options(transfer, base_url);
	code = curl_easy_perform(transfer->curl);
	*received += transfer->received;
	if (code == CURLE_OK && transfer->disk_error == 0) {
		err = blob_writer_commit(transfer->writer);
		transfer->writer = NULL;
		if (err != 0 && err != -EBADMSG) {
			snprintf(ret_error, error_bytes, "%s", strerror(-err));
			return err;
		}
		return err == 0 ? 1 : judge(transfer, code, base_url, ret_error, error_bytes);
	}
	/* Of a source that sends too much, nothing is worth keeping. */
	blob_writer_abort(
		transfer->writer, transfer->disk_error != -EBADMSG && !transfer->whole_again);
	transfer->writer = NULL;
	return judge(transfer, code, base_url, ret_error, error_bytes);
}

int fetch_run(
	const struct fetch *fetch, uint64_t *ret_received, char *ret_error, size_t error_bytes)
{
	struct transfer transfer = {.fetch = fetch, .curl = curl_easy_init()};
	uint64_t size;
	int result = 0;

	assert(fetch != NULL && ret_received != NULL && ret_error != NULL && error_bytes > 0);
	*ret_received = 0;
	snprintf(ret_error, error_bytes, "no other node is known to have it");
	if (transfer.curl == NULL) {
		return -ENOMEM;
	}
	if (blob_exists(fetch->blobs, fetch->sha256, &size) && size == fetch->bytes) {
		result = 1;
	}
	for (size_t i = 0; i < fetch->base_url_count && result == 0; i++) {
		const char *url = fetch->base_urls[i];
		result = try_source(&transfer, url, true, ret_received, ret_error, error_bytes);
		if (result == 0 && transfer.whole_again) {
			result = try_source(
				&transfer, url, false, ret_received, ret_error, error_bytes);
		}
	}
	curl_easy_cleanup(transfer.curl);
	return result == 1 ? 0 : result == 0 ? -EHOSTUNREACH : result;
}
