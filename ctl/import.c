#include "ctl/import.h"

#include "proto/cred/arena.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT_READ_BYTES ((size_t)64 << 10)
#define NAME_BYTES_MAX    63u
#define INDEX_SLOTS       4096u /* lists of named objects are found by their names' hash */

struct named {
	struct named *next;
	const char *kind, *name;
	struct import_node *node;
};

struct ignored {
	const char *what;
	size_t count;
	struct ignored *next;
};

struct import {
	struct arena arena;
	struct import_node root;
	struct named *index[INDEX_SLOTS];
	struct import_remark *remarks;
	size_t remark_count, remark_capacity;
	struct ignored *ignored;
	unsigned files;
	bool no_files;
};

struct import *import_new(void)
{
	struct import *im = calloc(1, sizeof *im);

	assert(im != NULL);
	im->root.kind = IMPORT_MAP;
	return im;
}

void import_free(struct import *im)
{
	if (im == NULL) {
		return;
	}
	arena_fini(&im->arena);
	free(im->remarks);
	free(im);
}

void *import_alloc(struct import *im, size_t bytes)
{
	return arena_alloc(&im->arena, bytes);
}

char *import_copy(struct import *im, const char *text, size_t bytes)
{
	return arena_copy(&im->arena, text, bytes);
}

static char *format_text(struct import *im, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static char *format_text(struct import *im, const char *format, va_list args)
{
	char *made = NULL;
	int size = vasprintf(&made, format, args);

	assert(size >= 0 && made != NULL);
	char *copy = import_copy(im, made, (size_t)size);
	free(made);
	return copy;
}

char *import_text(struct import *im, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = format_text(im, format, args);
	va_end(args);
	return text;
}

void import_no_files(struct import *im)
{
	im->no_files = true;
}

/* All of an open file; NULL with errno, EFBIG when it is larger than an import takes. */
static char *read_all(struct import *im, FILE *file, size_t *ret_bytes)
{
	size_t size = 0, capacity = IMPORT_READ_BYTES;
	char *data = malloc(capacity);

	assert(data != NULL);
	for (;;) {
		size_t got = fread(data + size, 1, capacity - size, file);

		size += got;
		if (got == 0) {
			break;
		}
		if (size == capacity) {
			capacity *= 2;
			data = realloc(data, capacity);
			assert(data != NULL);
		}
		if (size > IMPORT_FILE_BYTES_MAX) {
			errno = EFBIG;
			break;
		}
	}
	bool bad = ferror(file) || size > IMPORT_FILE_BYTES_MAX;
	if (!bad && memchr(data, '\0', size) != NULL) {
		errno = EILSEQ; /* no text */
		bad = true;
	}
	char *copy = bad ? NULL : import_copy(im, data, size);
	free(data);
	*ret_bytes = size;
	return copy;
}

char *import_open(struct import *im, const char *path, struct import_at at, size_t *ret_bytes)
{
	char *text = NULL;

	if (im->no_files || ++im->files > IMPORT_FILES_MAX) {
		errno = im->no_files ? EPERM : EMFILE;
	} else {
		FILE *file = fopen(path, "re");

		if (file != NULL) {
			text = read_all(im, file, ret_bytes);
			int saved = errno;
			fclose(file);
			errno = saved;
		}
	}
	if (text == NULL) {
		struct import_at whole = {import_text(im, "%s", path), 0};

		import_remark(im, IMPORT_LEFT_OUT, at.file != NULL ? at : whole, NULL,
			"%s cannot be read: %s", path,
			errno == EILSEQ ? "it is not text" : strerror(errno));
	}
	return text;
}

/* --- the tree --- */

struct import_node *import_root(struct import *im)
{
	return &im->root;
}

static struct import_node *add_node(
	struct import *im, struct import_node *parent, enum import_node_kind kind, const char *key)
{
	struct import_node *node = import_alloc(im, sizeof *node);

	assert(parent->kind != IMPORT_TEXT);
	node->kind = kind;
	node->key = key != NULL ? import_copy(im, key, strlen(key)) : NULL;
	node->parent = parent;
	if (parent->last != NULL) {
		parent->last->next = node;
	} else {
		parent->first = node;
	}
	parent->last = node;
	return node;
}

struct import_node *import_child(const struct import_node *map, const char *key)
{
	for (struct import_node *node = map->first; node != NULL; node = node->next) {
		if (node->key != NULL && strcmp(node->key, key) == 0) {
			return node;
		}
	}
	return NULL;
}

/* The child by that key with that kind; another kind there is replaced. */
static struct import_node *child_of_kind(
	struct import *im, struct import_node *map, const char *key, enum import_node_kind kind)
{
	struct import_node *node = import_child(map, key);

	if (node == NULL) {
		return add_node(im, map, kind, key);
	}
	if (node->kind != kind) {
		node->kind = kind;
		node->first = node->last = NULL;
		node->text = NULL;
	}
	return node;
}

struct import_node *import_map(struct import *im, struct import_node *map, const char *key)
{
	return child_of_kind(im, map, key, IMPORT_MAP);
}

struct import_node *import_list(struct import *im, struct import_node *map, const char *key)
{
	return child_of_kind(im, map, key, IMPORT_LIST);
}

struct import_node *import_entry(struct import *im, struct import_node *list)
{
	return add_node(im, list, IMPORT_MAP, NULL);
}

const char *import_get(const struct import_node *map, const char *key)
{
	const struct import_node *node = import_child(map, key);

	return node != NULL && node->kind == IMPORT_TEXT ? node->text : NULL;
}

void import_set(struct import *im, struct import_node *map, const char *key, const char *text)
{
	struct import_node *node = child_of_kind(im, map, key, IMPORT_TEXT);

	node->text = import_copy(im, text, strlen(text));
	node->plain = false;
}

void import_set_plain(struct import *im, struct import_node *map, const char *key, const char *text)
{
	import_set(im, map, key, text);
	import_child(map, key)->plain = true;
}

bool import_has(const struct import_node *map, const char *key, const char *text)
{
	const struct import_node *list = import_child(map, key);

	for (const struct import_node *node = list == NULL ? NULL : list->first; node != NULL;
		node = node->next) {
		if (node->kind == IMPORT_TEXT && strcmp(node->text, text) == 0) {
			return true;
		}
	}
	return false;
}

void import_add(struct import *im, struct import_node *map, const char *key, const char *text)
{
	struct import_node *list = import_list(im, map, key);

	if (!import_has(map, key, text)) {
		add_node(im, list, IMPORT_TEXT, NULL)->text = import_copy(im, text, strlen(text));
	}
}

/* Next of a walk over all that is below `top`, parents first; NULL: done. */
static const struct import_node *walk(const struct import_node *node, const struct import_node *top)
{
	if (node->kind != IMPORT_TEXT && node->first != NULL) {
		return node->first;
	}
	while (node != top && node->next == NULL) {
		node = node->parent;
	}
	return node == top ? NULL : node->next;
}

void import_inherit(struct import *im, struct import_node *to, const struct import_node *from)
{
	for (const struct import_node *child = from->first; child != NULL; child = child->next) {
		if (child->key == NULL) {
			continue;
		}
		struct import_node *own = import_child(to, child->key);

		if (child->kind == IMPORT_TEXT && own == NULL) {
			import_set(im, to, child->key, child->text);
			import_child(to, child->key)->plain = child->plain;
		}
		if (child->kind == IMPORT_LIST && own == NULL) {
			for (const struct import_node *item = child->first; item != NULL;
				item = item->next) {
				if (item->kind == IMPORT_TEXT) {
					import_add(im, to, child->key, item->text);
				}
			}
		}
		if (child->kind == IMPORT_MAP && (own == NULL || own->kind == IMPORT_MAP)) {
			struct import_node *map = import_map(im, to, child->key);

			for (const struct import_node *item = child->first; item != NULL;
				item = item->next) {
				struct import_node *there = import_child(map, item->key);

				if (there != NULL) {
					continue;
				}
				if (item->kind == IMPORT_TEXT) {
					import_set(im, map, item->key, item->text);
					import_child(map, item->key)->plain = item->plain;
				} else {
					for (const struct import_node *leaf = item->first;
						leaf != NULL; leaf = leaf->next) {
						if (leaf->kind == IMPORT_TEXT) {
							import_add(im, map, item->key, leaf->text);
						}
					}
				}
			}
		}
	}
}

void import_drop(struct import_node *node)
{
	struct import_node *parent = node->parent, *before = NULL;

	for (struct import_node *at = parent->first; at != node; at = at->next) {
		before = at;
	}
	if (before != NULL) {
		before->next = node->next;
	} else {
		parent->first = node->next;
	}
	if (parent->last == node) {
		parent->last = before;
	}
}

/* --- named objects --- */

static unsigned slot_of(const char *kind, const char *name)
{
	uint32_t hash = 2166136261u;

	for (const char *at = kind; *at != '\0'; at++) {
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	}
	for (const char *at = name; *at != '\0'; at++) {
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	}
	return hash % INDEX_SLOTS;
}

const char *import_clean_name(struct import *im, const char *name)
{
	size_t length = strlen(name);
	char *clean = import_copy(im, name, length > NAME_BYTES_MAX ? NAME_BYTES_MAX : length);

	for (char *at = clean; *at != '\0'; at++) {
		if (!isalnum((unsigned char)*at) && strchr("-_.", *at) == NULL) {
			*at = '-';
		}
	}
	return clean[0] == '\0' ? "unnamed" : clean;
}

static struct named *find_named(const struct import *im, const char *kind, const char *name)
{
	struct named *at = im->index[slot_of(kind, name)];

	while (at != NULL && (strcmp(at->kind, kind) != 0 || strcmp(at->name, name) != 0)) {
		at = at->next;
	}
	return at;
}

struct import_node *import_find(const struct import *im, const char *kind, const char *name)
{
	struct named *found = find_named(im, kind, name);

	return found == NULL ? NULL : found->node;
}

void import_index(struct import *im, const char *kind, const char *name, struct import_node *node)
{
	struct named *named = import_alloc(im, sizeof *named);
	unsigned slot = slot_of(kind, name);

	*named = (struct named){
		im->index[slot], import_text(im, "%s", kind), import_text(im, "%s", name), node};
	im->index[slot] = named;
}

struct import_node *import_named(struct import *im, const char *kind, const char *name)
{
	const char *clean = import_clean_name(im, name);
	struct import_node *node = import_find(im, kind, clean);

	if (node == NULL) {
		node = import_entry(im, import_list(im, &im->root, kind));
		import_set(im, node, "name", clean);
		import_index(im, kind, clean, node);
	}
	return node;
}

const char *import_free_name(struct import *im, const char *kind, const char *name)
{
	const char *clean = import_clean_name(im, name);
	const char *made = clean;

	for (unsigned number = 2; import_find(im, kind, made) != NULL; number++) {
		made = import_text(im, "%.52s-%u", clean, number);
	}
	return made;
}

/* --- remarks --- */

void import_remark(struct import *im, enum import_remark_kind kind, struct import_at at,
	struct import_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = format_text(im, format, args);
	va_end(args);
	/* What was read goes to terminals and into comments: one line, nothing that acts. */
	for (char *byte = text; *byte != '\0'; byte++) {
		if ((unsigned char)*byte < 0x20 || (unsigned char)*byte >= 0x7f) {
			*byte = '?';
		}
	}
	if (im->remark_count == im->remark_capacity) {
		im->remark_capacity = im->remark_capacity == 0 ? 64 : im->remark_capacity * 2;
		im->remarks = realloc(im->remarks, im->remark_capacity * sizeof *im->remarks);
		assert(im->remarks != NULL);
	}
	im->remarks[im->remark_count++] = (struct import_remark){kind, at, text};
	if (kind == IMPORT_TODO && node != NULL) {
		node->todo = node->todo == NULL
				     ? import_text(im, "%s:%u: %s", at.file, at.line, text)
				     : import_text(im, "%s\n%s:%u: %s", node->todo, at.file,
					       at.line, text);
	}
}

void import_ignore(struct import *im, const char *what)
{
	struct ignored **at = &im->ignored;

	while (*at != NULL && strcmp((*at)->what, what) != 0) {
		at = &(*at)->next;
	}
	if (*at == NULL) {
		*at = import_alloc(im, sizeof **at);
		(*at)->what = import_text(im, "%s", what);
	}
	(*at)->count++;
}

size_t import_remark_count(const struct import *im)
{
	return im->remark_count;
}

const struct import_remark *import_remark_at(const struct import *im, size_t index)
{
	assert(index < im->remark_count);
	return &im->remarks[index];
}

size_t import_count(const struct import *im, enum import_remark_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < im->remark_count; i++) {
		count += im->remarks[i].kind == kind ? 1 : 0;
	}
	return count;
}

static size_t list_size(const struct import *im, const char *kind)
{
	const struct import_node *list = import_child(&im->root, kind);
	size_t count = 0;

	for (const struct import_node *node = list == NULL ? NULL : list->first; node != NULL;
		node = node->next) {
		count++;
	}
	return count;
}

static int by_place(const void *a, const void *b)
{
	const struct import_remark *one = a, *other = b;
	int order = strcmp(one->at.file, other->at.file);

	if (order == 0) {
		order = (one->at.line > other->at.line) - (one->at.line < other->at.line);
	}
	return order != 0 ? order : strcmp(one->text, other->text);
}

static void report_size(const struct import *im, const char *kind, FILE *err)
{
	size_t size = list_size(im, kind);

	/* Without the last letter when there is one. */
	fprintf(err, "%zu %.*s, ", size, (int)strlen(kind) - (size == 1 ? 1 : 0), kind);
}

void import_report(struct import *im, FILE *err)
{
	static const char *const words[] = {
		[IMPORT_NOTE] = "note", [IMPORT_TODO] = "TODO", [IMPORT_LEFT_OUT] = "left out"};

	if (im->remark_count > 0) {
		qsort(im->remarks, im->remark_count, sizeof *im->remarks, by_place);
	}
	for (size_t i = 0; i < im->remark_count; i++) {
		const struct import_remark *remark = &im->remarks[i];

		fprintf(err, "%s:", remark->at.file);
		if (remark->at.line > 0) {
			fprintf(err, "%u:", remark->at.line);
		}
		fprintf(err, " %s (%s)\n", remark->text, words[remark->kind]);
	}
	for (const struct ignored *at = im->ignored; at != NULL; at = at->next) {
		fprintf(err, "%zu %s\n", at->count, at->what);
	}
	report_size(im, "subnets", err);
	report_size(im, "groups", err);
	report_size(im, "hosts", err);
	report_size(im, "profiles", err);
	fprintf(err, "%zu left out, %zu to look at (marked # TODO)\n",
		import_count(im, IMPORT_LEFT_OUT), import_count(im, IMPORT_TODO));
}

void import_set_lease(struct import *im, struct import_node *map, const char *key, uint64_t seconds,
	struct import_at at)
{
	char text[TEXT_DURATION_BYTES];
	bool endless = seconds >= UINT32_MAX;

	/* The longest that text and protocol both know; a machine asks again after half of it. */
	import_set(im, map, key,
		text_duration_format((endless ? UINT64_C(365) * 86400 : seconds) * 1000, text));
	if (endless) {
		import_remark(im, IMPORT_TODO, at, import_child(map, key),
			"a lease without end; a year instead");
	}
}

/* --- the site file --- */

/* "010", "1e5", "0x1f", "nan": a reader that knows numbers would not give back the text. */
static bool is_odd_number(const char *text)
{
	char *end;

	strtod(text, &end);
	return *end == '\0' && ((text[0] == '0' && isdigit((unsigned char)text[1])) ||
				       strspn(text, "0123456789.-+") < strlen(text));
}

static bool is_plain(const char *text)
{
	static const char *const reserved[] = {
		"true", "false", "null", "yes", "no", "on", "off", "y", "n"};

	if ((!isalnum((unsigned char)text[0]) && text[0] != '/') || is_odd_number(text)) {
		return false;
	}
	for (const char *at = text; *at != '\0'; at++) {
		if (!isalnum((unsigned char)*at) && strchr("._/+-", *at) == NULL) {
			return false;
		}
	}
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
		if (strcasecmp(text, reserved[i]) == 0) {
			return false;
		}
	}
	return true;
}

/* One code point of UTF-8; 0: not of that form. */
static size_t code_point(const unsigned char *at, uint32_t *ret_code)
{
	size_t size = at[0] >= 0xf0 && at[0] < 0xf5   ? 4
		      : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
		      : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
						      : 0;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code = size == 0 ? 0 : (uint32_t)(at[0] & (0xff >> (size + 1)));

	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80) {
			return 0;
		}
		code = code << 6 | (at[i] & 0x3fu);
	}
	if (size == 0 || code < least[size] || code > 0x10ffff ||
		(code >= 0xd800 && code < 0xe000)) {
		return 0;
	}
	*ret_code = code;
	return size;
}

/* Double quotes; bytes that are no UTF-8 stand as the code point of that number. */
static void write_quoted(const char *text, FILE *out)
{
	const unsigned char *at = (const unsigned char *)text;

	fputc('"', out);
	while (*at != '\0') {
		uint32_t code = 0;
		size_t size = *at < 0x80 ? 1 : code_point(at, &code);

		if (*at == '"' || *at == '\\') {
			fprintf(out, "\\%c", *at);
		} else if (*at == '\n') {
			fputs("\\n", out);
		} else if (*at == '\t') {
			fputs("\\t", out);
		} else if (size == 0 || *at < 0x20 || *at == 0x7f) {
			fprintf(out, "\\x%02x", *at);
		} else if (size > 1 && (code < 0xa0 || code == 0x2028 || code == 0x2029 ||
					       code == 0xfeff || (code & 0xfffe) == 0xfffe)) {
			fprintf(out, "\\U%08x", code);
		} else {
			fwrite(at, 1, size, out);
		}
		at += size == 0 ? 1 : size;
	}
	fputc('"', out);
}

static void write_text(const char *text, bool plain, FILE *out)
{
	if (plain || is_plain(text)) {
		fputs(text, out);
	} else {
		write_quoted(text, out);
	}
}

static void write_todo(const char *todo, int indent, FILE *out)
{
	while (todo != NULL && *todo != '\0') {
		size_t length = strcspn(todo, "\n");

		fprintf(out, "%*s# TODO %.*s\n", indent, "", (int)length, todo);
		todo += length + (todo[length] == '\n' ? 1 : 0);
	}
}

/* A list of texts on one line: [a, b]. */
static bool is_flow(const struct import_node *node)
{
	if (node->kind != IMPORT_LIST) {
		return false;
	}
	for (const struct import_node *item = node->first; item != NULL; item = item->next) {
		if (item->kind != IMPORT_TEXT || item->todo != NULL) {
			return false;
		}
	}
	return true;
}

static void write_value(const struct import_node *node, FILE *out)
{
	if (node->kind == IMPORT_TEXT) {
		write_text(node->text, node->plain, out);
		fputc('\n', out);
	} else if (is_flow(node)) {
		fputc('[', out);
		for (const struct import_node *item = node->first; item != NULL;
			item = item->next) {
			write_text(item->text, item->plain, out);
			fputs(item->next != NULL ? ", " : "", out);
		}
		fputs("]\n", out);
	} else {
		fputs(node->first == NULL ? "{}\n" : "\n", out);
	}
}

static int depth_of(const struct import_node *node)
{
	int depth = -1;

	for (; node->parent != NULL; node = node->parent) {
		depth++;
	}
	return depth;
}

/* Each level is two columns further in; an entry of a list opens with "- " before its first key. */
static void write_node(const struct import_node *node, FILE *out)
{
	int indent = 2 * depth_of(node);
	bool dashed = node->key != NULL && node->parent->kind == IMPORT_MAP &&
		      node->parent->parent != NULL && node->parent->parent->kind == IMPORT_LIST &&
		      node->parent->first == node;

	if (node->key == NULL && node->kind == IMPORT_MAP) {
		write_todo(node->todo, indent, out);
		if (node->first == NULL) {
			fprintf(out, "%*s- {}\n", indent, "");
		}
		return;
	}
	if (dashed) {
		write_todo(node->todo, indent - 2, out);
		fprintf(out, "%*s- ", indent - 2, "");
	} else {
		write_todo(node->todo, indent, out);
		fprintf(out, "%*s%s", indent, "", node->key == NULL ? "- " : "");
	}
	if (node->key != NULL) {
		write_text(node->key, false, out);
		fputs(node->kind == IMPORT_TEXT || is_flow(node) || node->first == NULL ? ": "
											: ":",
			out);
	}
	write_value(node, out);
}

int import_write_tree(const struct import *im, FILE *out)
{
	const struct import_node *node = &im->root;

	fputs("version: 1\n", out);
	while ((node = walk(node, &im->root)) != NULL) {
		write_node(node, out);
		if (is_flow(node)) {
			/* Its items stand on its line. */
			while (node->first != NULL && node->last != NULL) {
				node = node->last;
			}
		}
	}
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

int import_write(const struct import *im, const char *from, FILE *out)
{
	fprintf(out, "# site.yaml, imported from %s. Lines marked TODO need a look.\n", from);
	return import_write_tree(im, out);
}
