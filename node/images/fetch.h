/* node/images/fetch.h: one blob from one of several nodes into the store.
 *
 * Edge file: blocks on network and disk; for worker threads. The caller sees to
 * curl_global_init() (the puller does).
 */
#ifndef NODE_IMAGES_FETCH_H
#define NODE_IMAGES_FETCH_H

#include "store/blob/blob.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FETCH_URL_BYTES 48

struct fetch {
	struct blob_store *blobs;
	uint8_t sha256[32];
	uint64_t bytes;
	const char (*base_urls)[FETCH_URL_BYTES]; /* "http://10.0.0.2:80", tried in this order */
	size_t base_url_count;
	const atomic_bool *stop; /* set: give up soon, keep what is there */
	unsigned
		silence_s; /* give a source up when it sends less than 1 KiB/s for so long; 0: 10 */
	unsigned connect_ms; /* 0: 3000 */
	uint64_t slow_bytes; /* less than so many bytes/s is silence, too, save of the last source;
				0: 1 KiB/s */
	/* The bytes are all there: proves, names and frees them, as blob_writer_commit(), which
	 * NULL means. Tests wait in it. */
	int (*prove)(void *ctx, struct blob_writer *writer);
	void *prove_ctx;
	/* May be NULL; from the thread that fetches. The blob's unfinished file is there, locked
	 * by us; blob_writer_reader() opens it. */
	void (*on_file)(void *ctx, const struct blob_writer *writer);
	/* So many of its bytes are there, unproven. */
	void (*on_bytes)(void *ctx, uint64_t have);
	void (*on_ask)(void *ctx, const char *base_url); /* a source is asked now */
	/* What a request to a source brought in so many milliseconds. */
	void (*on_source)(
		void *ctx, const char *base_url, uint64_t bytes, uint64_t took_ms, bool failed);
	void *ctx;
};

/* Fetch, going on with what an earlier try left, and at the next source where the last one stopped.
 * 0: the blob is in the store, verified (also if it was there before). -EHOSTUNREACH: no source
 * could give it; -EBADMSG: what came was not the blob (nothing of it is kept) and on_bytes has told
 * of it, so the call must be made anew; -ENOSPC, -EIO: the disk; -EBUSY:
 * somebody else is writing it; -ECANCELED. ret_error: a line about the last failure; *ret_received:
 * bytes that came over the network. */
int fetch_run(
	const struct fetch *fetch, uint64_t *ret_received, char *ret_error, size_t error_bytes);

#endif
