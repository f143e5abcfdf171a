/* ctl/import.h: a site file in the making, for the importers of other servers' configurations.
 *
 * An importer reads foreign files and puts what it understands into a tree of maps, lists and
 * texts, which is written as YAML in the end; what it does not understand becomes a remark with
 * file and line. Everything belongs to the struct import and goes with import_free(). Pure but for
 * import_open() (reads files), import_write() and import_report(). Input is untrusted: its size and
 * depth are limited, and nothing of it is asserted. Memory that is not there ends the program.
 */
#ifndef CTL_IMPORT_H
#define CTL_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define IMPORT_FILE_BYTES_MAX ((size_t)64 << 20)
#define IMPORT_FILES_MAX      4096u /* files read in one import, included ones counted */
#define IMPORT_DEPTH_MAX      16u   /* of includes */

/* Where something stands in the files that are read. */
struct import_at {
	const char *file;
	unsigned line; /* from 1; 0: the file as a whole */
};

enum import_remark_kind {
	IMPORT_NOTE,     /* understood, but says nothing here; does not count as left out */
	IMPORT_TODO,     /* in the site file, but a person must look */
	IMPORT_LEFT_OUT, /* not in the site file */
};

enum import_node_kind { IMPORT_MAP, IMPORT_LIST, IMPORT_TEXT };

struct import_node {
	enum import_node_kind kind;
	bool plain;       /* IMPORT_TEXT: true, false or a number, never in quotes */
	bool replaced;    /* it took the place of an earlier value */
	const char *key;  /* in a map; else NULL */
	const char *text; /* IMPORT_TEXT */
	const char *todo; /* comment lines above it; NULL: none */
	struct import_node *parent, *next, *first, *last;
};

struct import;
struct import_remark {
	enum import_remark_kind kind;
	struct import_at at;
	const char *text;
};

struct import *import_new(void);
void import_free(struct import *im);

/* Memory that lives as long as im, zeroed; a copy of bytes with a NUL behind them; a formatted
 * text. */
void *import_alloc(struct import *im, size_t bytes);
char *import_copy(struct import *im, const char *text, size_t bytes);
char *import_text(struct import *im, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The whole file with a NUL behind it; NULL when it cannot be read, is too large or one too many:
 * then a remark says so, with `at` (where it is included; at.file NULL: on the command line). */
char *import_open(struct import *im, const char *path, struct import_at at, size_t *ret_bytes);
/* From now on no file is opened: for texts of which nobody knows what they name. */
void import_no_files(struct import *im);

/* The tree. All texts are copied. */
struct import_node *import_root(struct import *im);
/* The map or list below `map` by that key, made if it is not there. */
struct import_node *import_map(struct import *im, struct import_node *map, const char *key);
struct import_node *import_list(struct import *im, struct import_node *map, const char *key);
/* A new map at the end of a list; it can be dropped again as long as it is the last. */
struct import_node *import_entry(struct import *im, struct import_node *list);
/* The entry with that `name` of a list of the root ("subnets", "hosts", "groups", "profiles"), made
 * if it is not there. Names are made such that the cluster takes them. */
struct import_node *import_named(struct import *im, const char *kind, const char *name);
struct import_node *import_find(const struct import *im, const char *kind, const char *name);
/* From now on import_find() finds the node by that kind and name, too: a host by "mac". */
void import_index(struct import *im, const char *kind, const char *name, struct import_node *node);
/* A name of that kind that is not taken: `name`, else name-2, name-3 ... */
const char *import_free_name(struct import *im, const char *kind, const char *name);
/* `name` with what the cluster does not take in names replaced by '-', at most 63 long. */
const char *import_clean_name(struct import *im, const char *name);
struct import_node *import_child(const struct import_node *map, const char *key);
/* The text by that key; NULL: there is none. */
const char *import_get(const struct import_node *map, const char *key);
void import_set(struct import *im, struct import_node *map, const char *key, const char *text);
void import_set_plain(
	struct import *im, struct import_node *map, const char *key, const char *text);
/* A text at the end of the list by that key, unless it is in it already. */
void import_add(struct import *im, struct import_node *map, const char *key, const char *text);
bool import_has(const struct import_node *map, const char *key, const char *text);
/* What `from` has below it (texts, lists, maps) into `to`; what `to` has already stays. */
void import_inherit(struct import *im, struct import_node *to, const struct import_node *from);
void import_drop(struct import_node *node);

/* One remark; IMPORT_TODO also stands above `node` in the site file, if given. */
void import_remark(struct import *im, enum import_remark_kind kind, struct import_at at,
	struct import_node *node, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Something of which only the number is told: "12 DNS options ignored". */
void import_ignore(struct import *im, const char *what);
size_t import_remark_count(const struct import *im);
const struct import_remark *import_remark_at(const struct import *im, size_t index);
size_t import_count(const struct import *im, enum import_remark_kind kind);

/* The site file. `from` names the other server: "dnsmasq". Returns 0 or -EIO. */
int import_write(const struct import *im, const char *from, FILE *out);
/* The same without a word on where it comes from. */
int import_write_tree(const struct import *im, FILE *out);
/* All remarks, sorted by their places, then the summary. */
void import_report(struct import *im, FILE *err);

/* A lease time: "12h"; UINT32_MAX, without end, becomes a long one with a remark. */
void import_set_lease(struct import *im, struct import_node *map, const char *key, uint64_t seconds,
	struct import_at at);

#endif
