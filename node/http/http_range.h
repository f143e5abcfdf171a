/* node/http/http_range.h: the conditional and range headers of RFC 9110. Pure. */
#ifndef NODE_HTTP_HTTP_RANGE_H
#define NODE_HTTP_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum http_range { HTTP_RANGE_WHOLE, HTTP_RANGE_PART, HTTP_RANGE_UNSATISFIABLE };

/* One range of bytes of a file of `bytes` (§14.1.2). No header, another unit, several ranges and
 * malformed ones mean the whole file, as §14.2 allows. PART fills offset and length (at least 1);
 * the rest leave them alone. */
enum http_range http_range_parse(
	const char *header, uint64_t bytes, uint64_t *ret_offset, uint64_t *ret_length);

/* Is `etag` (with its quotes) in the list of an If-None-Match (weak comparison, §13.1.2)? "*"
 * matches all. */
bool http_etag_in(const char *header, const char *etag);

/* May the range be given under this If-Range (§13.1.5)? Only for the same strong tag; a date never
 * matches, since files have none. */
bool http_if_range(const char *header, const char *etag);

#endif
