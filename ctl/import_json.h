/* ctl/import_json.h: JSON as Kea reads it, with the line of every value: comments of three kinds
 * (#, //, and C's), a comma too many at an end, and <?include "file"?>. Pure but for includes.
 */
#ifndef CTL_IMPORT_JSON_H
#define CTL_IMPORT_JSON_H

#include "ctl/import.h"

#define IMPORT_JSON_DEPTH_MAX 64u

enum import_json_kind {
	IMPORT_JSON_NULL,
	IMPORT_JSON_FLAG,
	IMPORT_JSON_NUMBER,
	IMPORT_JSON_STRING,
	IMPORT_JSON_LIST,
	IMPORT_JSON_MAP,
};

struct import_json {
	enum import_json_kind kind;
	bool seen;        /* set by who takes it; what is not seen in the end is told */
	const char *key;  /* in a map */
	const char *text; /* FLAG ("true"), NUMBER, STRING */
	struct import_at at;
	struct import_json *parent, *next, *first, *last;
};

/* NULL when it is no JSON: a remark says where. */
struct import_json *import_json_parse(struct import *im, const char *path, const char *text);
/* By key; marks it as seen. NULL: none. */
struct import_json *import_json_take(struct import_json *map, const char *key);
/* A string, number or flag by key as text, marked as seen; NULL: none, or another kind. */
const char *import_json_text(struct import_json *map, const char *key);

#endif
