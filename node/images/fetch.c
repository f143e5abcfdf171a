#include "node/images/fetch.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FETCH_BUFFER_BYTES (256l << 10)

/* One request to one source. */
struct transfer {
	const struct fetch *fetch;
	CURL *curl;
	struct blob_writer *writer;
	uint64_t have;     /* in the file when the request was made */
	uint64_t received; /* by the request */
	uint64_t skip;     /* asked for the rest, got all of it: bytes that are here already */
	int disk_error;    /* of an append */
	bool is_last;      /* of the sources */
};

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void tell_bytes(const struct transfer *transfer)
{
	const struct fetch *fetch = transfer->fetch;

	if (fetch->on_bytes != NULL) {
		fetch->on_bytes(fetch->ctx, transfer->have);
	}
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
	struct transfer *transfer = ctx;
	size_t bytes = size * count, known;
	long status = 0;

	if (transfer->received == 0) {
		curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
		if (status != 200 && (status != 206 || transfer->have == 0)) {
			return 0;
		}
		transfer->skip = status == 200 ? transfer->have : 0;
	}
	transfer->received += bytes;
	known = transfer->skip < bytes ? (size_t)transfer->skip : bytes;
	transfer->skip -= known;
	transfer->disk_error = blob_writer_append(transfer->writer, data + known, bytes - known);
	if (transfer->disk_error != 0) {
		return 0;
	}
	transfer->have += bytes - known;
	tell_bytes(transfer);
	return bytes;
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
	curl_easy_setopt(transfer->curl, CURLOPT_LOW_SPEED_LIMIT,
		fetch->slow_bytes > 1024 && !transfer->is_last ? (long)fetch->slow_bytes : 1024L);
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
static int begin(struct transfer *transfer)
{
	const struct fetch *fetch = transfer->fetch;
	bool resume = true;
	int err;

	for (;;) {
		err = blob_writer_open(fetch->blobs, fetch->sha256, fetch->bytes, resume,
			&transfer->writer, &transfer->have);
		if (err != 0) {
			return err;
		}
		if (transfer->have < fetch->bytes) {
			break;
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
	if (fetch->on_file != NULL) {
		fetch->on_file(fetch->ctx, transfer->writer);
	}
	tell_bytes(transfer);
	return 0;
}

/* What a failed request means: 0 another source may do better; negative errno: nothing will. */
static int judge(struct transfer *transfer, CURLcode code, const char *base_url, char *ret_error,
	size_t error_bytes)
{
	long status = 0;

	if (code == CURLE_ABORTED_BY_CALLBACK) {
		snprintf(ret_error, error_bytes, "the node is stopping");
		return -ECANCELED;
	}
	if (transfer->disk_error != 0 && transfer->disk_error != -EBADMSG) {
		snprintf(ret_error, error_bytes, "%s", strerror(-transfer->disk_error));
		return transfer->disk_error;
	}
	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
	snprintf(ret_error, error_bytes, "%s: %s (HTTP %ld)", base_url,
		code == CURLE_OK || transfer->disk_error == -EBADMSG
			? "the bytes are not what was asked for"
			: curl_easy_strerror(code),
		status);
	return 0;
}

/* The bytes are all here: are they the blob? 1 yes; 0: no, and nobody was told of them: the next
 * source begins anew; negative errno. */
static int finish(struct transfer *transfer)
{
	const struct fetch *fetch = transfer->fetch;
	int err = fetch->prove != NULL ? fetch->prove(fetch->prove_ctx, transfer->writer)
				       : blob_writer_commit(transfer->writer);

	transfer->writer = NULL;
	if (err == -EBADMSG && transfer->fetch->on_bytes == NULL) {
		return 0;
	}
	return err == 0 ? 1 : err;
}

static CURLcode perform(struct transfer *transfer, const char *base_url, uint64_t *received)
{
	const struct fetch *fetch = transfer->fetch;
	uint64_t start_ms = clock_ms();
	CURLcode code;

	transfer->received = transfer->skip = 0;
	transfer->disk_error = 0;
	set_options(transfer, base_url);
	if (fetch->on_ask != NULL) {
		fetch->on_ask(fetch->ctx, base_url);
	}
	code = curl_easy_perform(transfer->curl);
	*received += transfer->received;
	if (fetch->on_source != NULL && code != CURLE_ABORTED_BY_CALLBACK) {
		fetch->on_source(fetch->ctx, base_url, transfer->received, clock_ms() - start_ms,
			code != CURLE_OK);
	}
	return code;
}

/* 1: the blob is there; 0: try the next source; negative errno: give up. */
static int try_source(struct transfer *transfer, const char *base_url, uint64_t *received,
	char *ret_error, size_t error_bytes)
{
	CURLcode code = CURLE_OK;
	int err = transfer->writer == NULL ? begin(transfer) : 0;

	if (err == 0) {
		code = perform(transfer, base_url, received);
	}
	if (err == 0 && code == CURLE_OK && transfer->disk_error == 0 &&
		transfer->have == transfer->fetch->bytes) {
		err = finish(transfer);
		if (err == 0) {
			(void)judge(transfer, code, base_url, ret_error, error_bytes);
		}
	} else if (err == 0) {
		err = judge(transfer, code, base_url, ret_error, error_bytes);
		/* Of a source that sends too much, nothing is worth keeping. */
		if (transfer->disk_error == -EBADMSG) {
			blob_writer_abort(transfer->writer, false);
			transfer->writer = NULL;
			err = transfer->fetch->on_bytes != NULL ? -EBADMSG : 0;
		}
		return err;
	}
	if (err < 0) {
		snprintf(ret_error, error_bytes, "%s: %s", base_url,
			err == -EBADMSG ? "the bytes are not what was asked for" : strerror(-err));
	}
	return err;
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
		transfer.is_last = i + 1 == fetch->base_url_count;
		result = try_source(
			&transfer, fetch->base_urls[i], ret_received, ret_error, error_bytes);
	}
	blob_writer_abort(transfer.writer, true); /* nothing, unless it goes on another time */
	curl_easy_cleanup(transfer.curl);
	return result == 1 ? 0 : result == 0 ? -EHOSTUNREACH : result;
}
