/* ctl/fetch_url.h: files from HTTP servers, by libcurl. Blocks on the network and the disk.
 *
 * A file that breaks off goes on where it was: with the next try at once, with the next run from
 * the part that is kept. A part is only continued when the server names the same version of the
 * file (ETag or Last-Modified); what came is checked against a hash wherever one is known. */
#ifndef CTL_FETCH_URL_H
#define CTL_FETCH_URL_H

#include "ctl/progress.h"

struct fetch_url {
	const char *url;
	int fd;              /* of a file that may hold a part; the result is in it */
	char validator[256]; /* of the part: ETag or Last-Modified; "" unknown: from the start */
	unsigned tries;
	unsigned stall_s; /* silence after which a try is given up */
	/* May be NULL: how many bytes there will be, before the first is written. An exit code,
	 * told unless CTL_OK. */
	int (*on_begin)(void *ctx, uint64_t bytes, uint64_t had_bytes, const char *validator);
	void *ctx;
	struct progress *progress; /* NULL: none */
};

/* CTL_OK; CTL_UNREACHABLE, CTL_NOT_FOUND (404), CTL_REFUSED, ... with the reason in ret_error. ""
 * there: on_begin has told it. */
int fetch_url(const struct ctl *ctl, struct fetch_url *fetch, char *ret_error, size_t error_bytes);

#endif
