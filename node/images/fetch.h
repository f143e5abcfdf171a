/* node/images/fetch.h: one blob from one of several nodes into the store.
 *
 * Edge file: blocks on network and disk; for worker threads. The caller sees to
 * curl_global_init() (the puller does).
 */
#ifndef NODE_IMAGES_FETCH_H
#define NODE_IMAGES_FETCH_H

#include "store/blob/blob.h"
#include <stdatomic.h>
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
};

/* Fetch, going on with what an earlier try left. 0: the blob is in the store, verified (also if it
 * was there before). -EHOSTUNREACH: no source could give it; -ENOSPC, -EIO: the disk; -EBUSY:
 * somebody else is writing it; -ECANCELED. ret_error: a line about the last failure; *ret_received:
 * bytes that came over the network. */
int fetch_run(
	const struct fetch *fetch, uint64_t *ret_received, char *ret_error, size_t error_bytes);

#endif
