/* Files, objects and remarks of a site. */
#include "ctl/site_impl.h"

#include "ctl/edit_field.h"
#include "proto/cred/credfile.h"

#include <assert.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- remarks */

static void add_remark(struct site *site, struct site_remark remark, const char *format,
	va_list args) __attribute__((format(printf, 3, 0)));

static void add_remark(
	struct site *site, struct site_remark remark, const char *format, va_list args)
{
	size_t *count = remark.is_warning ? &site->warning_count : &site->error_count;

	if (++*count > SITE_ERRORS_MAX) {
		return;
	}
	assert(site->remark_count < 2 * SITE_ERRORS_MAX);
	if (vasprintf(&remark.text, format, args) < 0) {
		abort();
	}
	/* What was read goes to terminals: nothing that acts. */
	for (char *at = remark.text; *at != '\0'; at++) {
		*at = (unsigned char)*at < 0x20 || *at == 0x7f ? '?' : *at;
	}
	site->remarks[site->remark_count++] = remark;
}

static struct site_remark at_node(
	const struct site *site, const struct yaml_node *node, bool is_warning)
{
	struct site_remark remark = {
		.is_warning = is_warning, .file = site->path, .line = 1, .column = 1, .width = 1};

	if (node != NULL) {
		remark.file = node->file;
		remark.line = node->line;
		remark.column = node->column;
		remark.width = node->width;
	}
	return remark;
}

void site_error(struct site *site, const struct yaml_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_remark(site, at_node(site, node, false), format, args);
	va_end(args);
}

void site_warn(struct site *site, const struct yaml_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_remark(site, at_node(site, node, true), format, args);
	va_end(args);
}

void site_error_at(struct site *site, const char *file, unsigned line, unsigned column,
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_remark(site,
		(struct site_remark){.file = file, .line = line, .column = column, .width = 1},
		format, args);
	va_end(args);
}

void site_bad(struct site *site, struct site_object *object, const struct yaml_node *node,
	const char *format, ...)
{
	va_list args;

	object->broken = true;
	va_start(args, format);
	add_remark(site, at_node(site, node, false), format, args);
	va_end(args);
}

size_t site_errors(const struct site *site)
{
	return site->error_count;
}

size_t site_warnings(const struct site *site)
{
	return site->warning_count;
}

/* The source line, and a caret under the place. */
static void print_source(const struct site *site, const struct site_remark *remark, FILE *out)
{
	const char *at = NULL;

	for (size_t i = 0; i < site->file_count && at == NULL; i++) {
		at = strcmp(site->files[i].path, remark->file) == 0 ? site->files[i].text : NULL;
	}
	for (unsigned line = 1; line < remark->line && at != NULL; line++) {
		at = strchr(at, '\n');
		at = at == NULL ? NULL : at + 1;
	}
	if (at == NULL || remark->column > 160) {
		return;
	}
	size_t length = strcspn(at, "\r\n"), width = remark->width;
	length = length < 180 ? length : 180;
	if (length == 0) {
		return;
	}
	fputs("    ", out);
	for (size_t i = 0; i < length; i++) {
		fputc((unsigned char)at[i] < 0x20 && at[i] != '\t' ? '?' : at[i], out);
	}
	fputs("\n    ", out);
	for (size_t i = 1; i < remark->column; i++) {
		fputc(i <= length && at[i - 1] == '\t' ? '\t' : ' ', out);
	}
	fputc('^', out);
	for (size_t i = 1; i < width && remark->column + i <= length; i++) {
		fputc('~', out);
	}
	fputc('\n', out);
}

/* Files in the order they were read; in them by place. */
static int by_place(const void *a, const void *b, void *ctx)
{
	const struct site_remark *one = a, *other = b;
	const struct site *site = ctx;
	size_t first = 0, second = 0;

	while (first < site->file_count && strcmp(site->files[first].path, one->file) != 0) {
		first++;
	}
	while (second < site->file_count && strcmp(site->files[second].path, other->file) != 0) {
		second++;
	}
	if (first != second) {
		return first < second ? -1 : 1;
	}
	if (one->line != other->line) {
		return one->line < other->line ? -1 : 1;
	}
	return one->column == other->column  ? strcmp(one->text, other->text)
	       : one->column < other->column ? -1
					     : 1;
}

void site_report(struct site *site, FILE *out)
{
	if (site->remark_count > 1) {
		qsort_r(site->remarks, site->remark_count, sizeof *site->remarks, by_place, site);
	}
	for (size_t i = 0; i < site->remark_count; i++) {
		const struct site_remark *remark = &site->remarks[i];

		fprintf(out, "%s:%u:%u: %s: %s\n", remark->file, remark->line, remark->column,
			remark->is_warning ? "warning" : "error", remark->text);
		print_source(site, remark, out);
	}
	if (site->error_count > SITE_ERRORS_MAX) {
		fprintf(out, "and %zu more errors\n", site->error_count - SITE_ERRORS_MAX);
	}
	if (site->warning_count > SITE_ERRORS_MAX) {
		fprintf(out, "and %zu more warnings\n", site->warning_count - SITE_ERRORS_MAX);
	}
}

/* ---- files */

static char *join(struct site *site, const char *from, const char *path)
{
	const char *slash = path[0] == '/' ? NULL : strrchr(from, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - from) + 1, bytes = strlen(path);
	char *joined = yaml_tree_alloc(site->tree, length + bytes + 1);

	memcpy(joined, from, length);
	memcpy(joined + length, path, bytes);
	return joined;
}

char *site_path(struct site *site, const struct yaml_node *from)
{
	return join(site, from->file, from->text);
}

/* Remember a file. false: one too many. */
static bool keep_file(struct site *site, const char *path, const char *text, char *real)
{
	if (site->file_count == SITE_FILES_MAX) {
		free(real);
		return false;
	}
	site->files[site->file_count++] = (struct site_file){path, text, real};
	return true;
}

const char *site_read_file(
	struct site *site, const struct yaml_node *from, const char *path, size_t max_bytes)
{
	char *text, error[400], *real;

	for (size_t i = 0; i < site->file_count; i++) {
		if (strcmp(site->files[i].path, path) == 0) {
			return site->files[i].text; /* a template of several profiles */
		}
	}
	if (site->no_files) {
		site_error(site, from, "%s: files are not read here", path);
		return NULL;
	}
	if (credfile_read(path, max_bytes, &text, error, sizeof error) != 0) {
		site_error(site, from, "%s", error);
		return NULL;
	}
	const char *copy = yaml_tree_copy(site->tree, text, strlen(text));
	free(text);
	site->file_bytes += strlen(copy);
	real = realpath(path, NULL);
	if (site->file_bytes > SITE_FILE_BYTES_MAX || !keep_file(site, path, copy, real)) {
		site_error(site, from,
			"%s is one file too many: %u, and %zu MB together, are the "
			"most",
			path, SITE_FILES_MAX, SITE_FILE_BYTES_MAX >> 20);
		return NULL;
	}
	return copy;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), size = strlen(end);

	return length >= size && strcmp(text + length - size, end) == 0;
}

/* Was the same file read before? The new one is the last. */
static bool is_again(struct site *site, const struct yaml_node *from)
{
	const struct site_file *last = &site->files[site->file_count - 1];

	for (size_t i = 0; i + 1 < site->file_count && last->real != NULL; i++) {
		if (site->files[i].real != NULL && strcmp(site->files[i].real, last->real) == 0) {
			site_error(site, from, "%s is read already%s: include each file once",
				last->path, i == 0 ? ", it is the site file itself" : "");
			return true;
		}
	}
	return false;
}

static void read_one(
	struct site *site, const struct yaml_node *from, const char *path, const char *given);

static void include(struct site *site, const struct yaml_node *from)
{
	char *pattern = site_path(site, from);
	bool is_glob = strpbrk(pattern, "*?[") != NULL;
	glob_t found;

	if (site->no_files) {
		site_error(site, from, "%s: files are not read here", pattern);
		return;
	}
	if (!is_glob) {
		read_one(site, from, pattern, NULL);
		return;
	}
	memset(&found, 0, sizeof found);
	if (glob(pattern, 0, NULL, &found) != 0) {
		site_warn(site, from, "no file matches %s", pattern);
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		read_one(site, from,
			yaml_tree_copy(site->tree, found.gl_pathv[i], strlen(found.gl_pathv[i])),
			NULL);
	}
	globfree(&found);
}

/* The files that a file includes are read after it; none twice, so there are no circles. Included
 * files do not include others. */
static void read_one(
	struct site *site, const struct yaml_node *from, const char *path, const char *given)
{
	size_t before = site->file_count;
	const char *text = given;
	struct yaml_tree_error error;
	struct yaml_node *root;

	if (given != NULL) {
		(void)keep_file(site, path, given, NULL);
	} else {
		text = site_read_file(site, from, path, SITE_FILE_BYTES_MAX);
	}
	if (text != NULL && site->file_count == before) {
		site_error(site, from, "%s is read already: include each file once", path);
		return;
	}
	if (text == NULL || is_again(site, from)) {
		return;
	}
	if (ends_with(path, ".csv")) {
		root = site_read_csv(site, path, text);
		if (root != NULL) {
			site_read_hosts(site, root);
		}
		return;
	}
	root = yaml_tree_read(site->tree, path, text, &error);
	if (root == NULL) {
		site_error_at(site, path, error.line, error.column, "%s", error.text);
		return;
	}
	site->root = from == NULL ? root : site->root;
	site_read_root(site, root, from == NULL);
}

static void read_includes(struct site *site, const struct yaml_node *root)
{
	const struct yaml_node *list = yaml_tree_get(root, "include");
	const struct yaml_node *item = list != NULL && list->kind == YAML_LIST ? list->first : list;

	for (; item != NULL; item = item == list ? NULL : item->next) {
		if (item->kind != YAML_TEXT) {
			site_error(site, item,
				"include: write names of files, such as "
				"[hosts.d/*.yaml, rack7.csv]");
		} else if (!yaml_tree_is_empty(item)) {
			include(site, item);
		}
	}
}

/* "lab" of "/etc/lab.yaml". */
static void default_owner(struct site *site, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	size_t length = strcspn(name, ".");
	char *owner = yaml_tree_copy(site->tree, name, length < 63 ? length : 63);

	for (char *at = owner; *at != '\0'; at++) {
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			    *at) == NULL) {
			*at = '-';
		}
	}
	site->owner = owner[0] == '\0' || owner[0] == '-' || owner[0] == '_' ? "site" : owner;
}

struct site *site_open(const char *path, const char *text, bool no_files)
{
	struct site *site = calloc(1, sizeof *site);

	assert(site != NULL && path != NULL);
	site->tree = yaml_tree_new();
	site->no_files = no_files;
	path = yaml_tree_copy(site->tree, path, strlen(path));
	site->path = path;
	default_owner(site, path);
	read_one(site, NULL, path,
		text == NULL ? NULL : yaml_tree_copy(site->tree, text, strlen(text)));
	if (site->root != NULL && site->root->kind == YAML_MAP) {
		read_includes(site, site->root);
	}
	return site;
}

void site_close(struct site *site)
{
	if (site == NULL) {
		return;
	}
	for (size_t i = 0; i < site->object_count; i++) {
		protobuf_c_message_free_unpacked(site->objects[i]->message, NULL);
	}
	for (size_t i = 0; i < site->file_count; i++) {
		free(site->files[i].real);
	}
	for (size_t i = 0; i < site->remark_count; i++) {
		free(site->remarks[i].text);
	}
	yaml_tree_free(site->tree);
	free(site->objects);
	free(site->texts);
	free(site);
}

/* ---- objects */

static const struct {
	const char *noun;
} kinds[SITE_KINDS] = {
	{"settings"}, {"profile"}, {"group"}, {"subnet"}, {"pool"}, {"host"}, {"image"}};

const char *site_kind_noun(enum site_kind kind)
{
	assert(kind < SITE_KINDS);
	return kinds[kind].noun;
}

/* FNV-1a. */
static size_t slot_of(enum site_kind kind, const char *name)
{
	uint32_t hash = 2166136261u ^ (uint32_t)kind;

	for (; *name != '\0'; name++) {
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	}
	return hash % SITE_INDEX_SLOTS;
}

const struct site_object *site_find(const struct site *site, enum site_kind kind, const char *name)
{
	const struct site_slot *slot = site->index[slot_of(kind, name)];

	while (slot != NULL &&
		(slot->object->kind != kind || strcmp(slot->object->name, name) != 0)) {
		slot = slot->next;
	}
	return slot == NULL ? NULL : slot->object;
}

static bool is_name(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	return name[0] != '\0' && strchr("-_.", name[0]) == NULL &&
	       strspn(name, allowed) == strlen(name) && strlen(name) <= 63;
}

static void set_name(struct site_object *object)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
		object->message->descriptor, "name");

	if (field != NULL) {
		edit_set_text(site_field(object->message, field->offset), object->name);
	}
}

struct site_object *site_add(struct site *site, enum site_kind kind, const struct yaml_node *node,
	const char *name, const struct yaml_node *name_node)
{
	const struct site_object *other = site_find(site, kind, name);
	struct site_object *object;
	struct site_slot *slot;

	if (kind != SITE_CLUSTER && !is_name(name)) {
		site_error(site, name_node,
			"'%.80s' cannot be the name of a %s: write up to 63 letters, digits, '-', "
			"'_' or '.', a letter or digit first",
			name, kinds[kind].noun);
		return NULL;
	}
	if (other != NULL) {
		site_error(site, name_node, "%s%s%s is there twice, also at %s:%u",
			kinds[kind].noun, name[0] != '\0' ? " " : "", name, other->node->file,
			other->node->line);
		return NULL;
	}
	if (site->object_count == site->object_capacity) {
		site->object_capacity =
			site->object_capacity == 0 ? 256 : site->object_capacity * 2;
		site->objects = realloc(
			site->objects, site->object_capacity * sizeof(struct site_object *));
		assert(site->objects != NULL);
	}
	object = yaml_tree_alloc(site->tree, sizeof *object);
	object->kind = kind;
	object->name = yaml_tree_copy(site->tree, name, strlen(name));
	object->node = node;
	object->message = edit_new(site_type(kind));
	set_name(object);
	site->objects[site->object_count++] = object;
	slot = yaml_tree_alloc(site->tree, sizeof *slot);
	*slot = (struct site_slot){object, site->index[slot_of(kind, name)]};
	site->index[slot_of(kind, name)] = slot;
	return object;
}

const struct yaml_node *site_key_node(const struct site_object *object, const char *key)
{
	const struct yaml_node *value = yaml_tree_get(object->node, key);

	return value != NULL ? value : object->node;
}

const char *site_owner(const struct site *site)
{
	return site->owner;
}

size_t site_count(const struct site *site)
{
	return site->object_count;
}

const struct site_object *site_at(const struct site *site, size_t index)
{
	assert(index < site->object_count);
	return site->objects[index];
}

size_t site_texts(const struct site *site, const struct site_text **ret_texts)
{
	*ret_texts = site->texts;
	return site->text_count;
}
