/* ctl/site_impl.h: what the files that read a site share. */
#ifndef CTL_SITE_IMPL_H
#define CTL_SITE_IMPL_H

#include "ctl/site.h"
#include "ctl/site_key.h"

#define SITE_INDEX_SLOTS 65536u /* names are found by their hash */

struct site_file {
	const char *path; /* as it is shown and opened */
	const char *text;
	char *real; /* heap; NULL: not a file */
};

struct site_remark {
	bool is_warning;
	const char *file;
	unsigned line, column, width;
	char *text; /* heap */
};

struct site_slot {
	struct site_object *object;
	struct site_slot *next;
};

struct site {
	struct yaml_tree *tree; /* memory of all that is read */
	bool no_files;
	const char *path;             /* of the first file */
	const struct yaml_node *root; /* of the first file; NULL: it is not sound */
	struct site_file files[SITE_FILES_MAX];
	size_t file_count, file_bytes;
	struct site_object **objects;
	size_t object_count, object_capacity;
	struct site_slot *index[SITE_INDEX_SLOTS];
	struct site_text *texts;
	size_t text_count;
	struct site_remark remarks[2 * SITE_ERRORS_MAX];
	size_t remark_count, error_count, warning_count;
	const char *owner;
	uint32_t group_order;
};

/* site.c */
/* A new object, or NULL after telling that the name is bad or taken. */
struct site_object *site_add(struct site *site, enum site_kind kind, const struct yaml_node *node,
	const char *name, const struct yaml_node *name_node);
/* The path of a file that `from` names, relative to the file that `from` stands in. */
char *site_path(struct site *site, const struct yaml_node *from);
/* All of a file, kept for carets; NULL after telling why not. */
const char *site_read_file(
	struct site *site, const struct yaml_node *from, const char *path, size_t max_bytes);
const struct yaml_node *site_key_node(const struct site_object *object, const char *key);

/* site_read.c: the sections of one file. */
void site_read_root(struct site *site, const struct yaml_node *root, bool is_first);
void site_read_hosts(struct site *site, const struct yaml_node *list);
/* site_csv.c: the rows as a list of maps. */
struct yaml_node *site_read_csv(struct site *site, const char *file, const char *text);

#endif
