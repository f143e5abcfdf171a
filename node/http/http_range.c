#include "node/http/http_range.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Digits at *at; more than 64 bits are the largest value: far beyond any file. False without a
 * digit. */
static bool take_number(const char **at, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *start = *at;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		unsigned digit = (unsigned)(**at - '0');
		value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
	}
	*ret_value = value;
	return *at != start;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

enum http_range http_range_parse(
	const char *header, uint64_t bytes, uint64_t *ret_offset, uint64_t *ret_length)
{
	uint64_t first = 0, last = UINT64_MAX;
	bool has_first, has_last;
	const char *at;

	assert(ret_offset != NULL && ret_length != NULL);
	if (header == NULL || strncasecmp(header, "bytes=", 6) != 0) {
		return HTTP_RANGE_WHOLE;
	}
	at = skip_blanks(header + 6);
	has_first = take_number(&at, &first);
	if (*at++ != '-') {
		return HTTP_RANGE_WHOLE;
	}
	has_last = take_number(&at, &last);
	if (*skip_blanks(at) != '\0' || (!has_first && !has_last) ||
		(has_first && has_last && last < first)) {
		return HTTP_RANGE_WHOLE;
	}
	if (!has_first) {
		/* the last `last` bytes */
		if (last == 0 || bytes == 0) {
			return HTTP_RANGE_UNSATISFIABLE;
		}
		*ret_length = last < bytes ? last : bytes;
		*ret_offset = bytes - *ret_length;
		return HTTP_RANGE_PART;
	}
	if (first >= bytes) {
		return HTTP_RANGE_UNSATISFIABLE;
	}
	last = has_last && last < bytes ? last : bytes - 1;
	*ret_offset = first;
	*ret_length = last - first + 1;
	return HTTP_RANGE_PART;
}

bool http_etag_in(const char *header, const char *etag)
{
	size_t etag_bytes = strlen(etag);

	if (header == NULL) {
		return false;
	}
	header = skip_blanks(header);
	if (header[0] == '*' && *skip_blanks(header + 1) == '\0') {
		return true;
	}
	while (*header != '\0') {
		const char *end;
		header += strncmp(header, "W/", 2) == 0 ? 2 : 0;
		if (*header != '"') {
			return false;
		}
		end = strchr(header + 1, '"');
		if (end == NULL) {
			return false;
		}
		if ((size_t)(end + 1 - header) == etag_bytes &&
			memcmp(header, etag, etag_bytes) == 0) {
			return true;
		}
		header = skip_blanks(end + 1);
		if (*header == ',') {
			header = skip_blanks(header + 1);
		} else if (*header != '\0') {
			return false;
		}
	}
	return false;
}

bool http_if_range(const char *header, const char *etag)
{
	return header == NULL || strcmp(skip_blanks(header), etag) == 0;
}
