#include "proto/cred/yaml_tree.h"

#include "proto/wire/text.h"

#include "proto/cred/arena.h"

#include <assert.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct yaml_tree {
	struct arena arena;
	size_t nodes;
};

/* One document on its way in. */
struct builder {
	struct yaml_tree *tree;
	const char *file;
	struct yaml_node *root, *open; /* the innermost map or list that is not at its end */
	struct yaml_node *key;         /* of the map `open`; its value comes next */
	unsigned depth, documents;
	struct yaml_tree_error *error;
	bool failed;
};

struct yaml_tree *yaml_tree_new(void)
{
	struct yaml_tree *tree = calloc(1, sizeof *tree);

	assert(tree != NULL);
	return tree;
}

void yaml_tree_free(struct yaml_tree *tree)
{
	if (tree != NULL) {
		arena_fini(&tree->arena);
	}
	free(tree);
}

void *yaml_tree_alloc(struct yaml_tree *tree, size_t bytes)
{
	return arena_alloc(&tree->arena, bytes);
}

char *yaml_tree_copy(struct yaml_tree *tree, const char *text, size_t bytes)
{
	return arena_copy(&tree->arena, text, bytes);
}

struct yaml_node *yaml_tree_add(
	struct yaml_tree *tree, struct yaml_node *parent, enum yaml_kind kind)
{
	struct yaml_node *node = yaml_tree_alloc(tree, sizeof *node);

	assert(parent == NULL || parent->kind != YAML_TEXT);
	tree->nodes++;
	node->kind = kind;
	node->parent = parent;
	node->line = node->column = node->width = 1;
	if (parent == NULL) {
		return node;
	}
	node->file = parent->file;
	node->line = parent->line;
	node->column = parent->column;
	if (parent->last != NULL) {
		parent->last->next = node;
	} else {
		parent->first = node;
	}
	parent->last = node;
	parent->count++;
	return node;
}

const struct yaml_node *yaml_tree_get(const struct yaml_node *map, const char *key)
{
	if (map == NULL || map->kind != YAML_MAP) {
		return NULL;
	}
	for (const struct yaml_node *node = map->first; node != NULL; node = node->next) {
		if (strcmp(node->key->text, key) == 0) {
			return node;
		}
	}
	return NULL;
}

bool yaml_tree_is_empty(const struct yaml_node *node)
{
	return node->kind == YAML_TEXT && !node->quoted && node->text[0] == '\0';
}

/* ---- events of the parser */

static void fail(struct builder *builder, const struct yaml_node *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void fail(struct builder *builder, const struct yaml_node *at, const char *format, ...)
{
	va_list args;

	if (builder->failed) {
		return;
	}
	builder->failed = true;
	builder->error->line = at != NULL ? at->line : 1;
	builder->error->column = at != NULL ? at->column : 1;
	va_start(args, format);
	vsnprintf(builder->error->text, sizeof builder->error->text, format, args);
	va_end(args);
}

static void set_place(struct yaml_node *node, struct fy_event *event)
{
	const struct fy_mark *mark = fy_event_start_mark(event);

	if (mark != NULL && mark->line >= 0 && mark->column >= 0) {
		node->line = (unsigned)mark->line + 1;
		node->column = (unsigned)mark->column + 1;
	}
}

static void set_text(struct builder *builder, struct yaml_node *node, struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	size_t bytes = 0;
	const char *text = token == NULL ? "" : fy_token_get_text(token, &bytes);
	enum fy_scalar_style style = token == NULL ? FYSS_PLAIN : fy_token_scalar_style(token);

	if (text == NULL) {
		text = "";
		bytes = 0;
	}
	if (memchr(text, '\0', bytes) != NULL) {
		fail(builder, node, "a text with the character NUL");
	}
	node->text = yaml_tree_copy(builder->tree, text, bytes);
	node->quoted = style != FYSS_PLAIN;
	node->width = bytes > 0 && bytes < 1000 ? (unsigned)bytes : 1;
}

/* A key of the open map; it must be a text, and new. */
static void on_key(struct builder *builder, struct fy_event *event)
{
	struct yaml_node *key = yaml_tree_add(builder->tree, NULL, YAML_TEXT);
	const struct yaml_node *other;

	key->file = builder->file;
	set_place(key, event);
	if (event->type != FYET_SCALAR) {
		fail(builder, key, "a key is a word, not a list or a map");
		return;
	}
	set_text(builder, key, event);
	if (builder->open->count >= YAML_TREE_KEYS_MAX) {
		fail(builder, key, "more than %u keys in one map", YAML_TREE_KEYS_MAX);
		return;
	}
	other = yaml_tree_get(builder->open, key->text);
	if (strcmp(key->text, "<<") == 0) {
		fail(builder, key, "merge keys (<<) are not followed: write the values out");
	} else if (other != NULL) {
		fail(builder, key, "'%.80s' stands here twice, also in line %u: keep one",
			key->text, other->key->line);
	}
	builder->key = key;
}

static struct yaml_node *new_value(
	struct builder *builder, struct fy_event *event, enum yaml_kind kind)
{
	struct yaml_node *node = yaml_tree_add(builder->tree, builder->open, kind);

	node->file = builder->file;
	if (builder->key != NULL) {
		node->line = builder->key->line;
		node->column = builder->key->column;
	}
	set_place(node, event);
	node->key = builder->key;
	builder->key = NULL;
	if (builder->open == NULL) {
		builder->root = node;
	}
	if (builder->tree->nodes > YAML_TREE_NODES_MAX) {
		fail(builder, node, "the file has more than %u values", YAML_TREE_NODES_MAX);
	}
	return node;
}

static bool wants_key(const struct builder *builder)
{
	return builder->open != NULL && builder->open->kind == YAML_MAP && builder->key == NULL;
}

static void on_begin(struct builder *builder, struct fy_event *event, enum yaml_kind kind)
{
	struct yaml_node *node = new_value(builder, event, kind);

	if (++builder->depth > YAML_TREE_DEPTH_MAX) {
		fail(builder, node, "lists and maps stand more than %d deep in each other",
			YAML_TREE_DEPTH_MAX);
	}
	builder->open = node;
}

static void on_alias(struct builder *builder, struct fy_event *event)
{
	struct yaml_node *node = new_value(builder, event, YAML_TEXT);

	node->text = "";
	fail(builder, node, "aliases (*name) are not followed: write the value out");
}

static void on_event(struct builder *builder, struct fy_event *event)
{
	bool is_value = event->type == FYET_SCALAR || event->type == FYET_ALIAS ||
			event->type == FYET_SEQUENCE_START || event->type == FYET_MAPPING_START;

	if (event->type == FYET_DOCUMENT_START && builder->documents++ > 0) {
		struct yaml_node place = {.line = 1, .column = 1};
		set_place(&place, event);
		fail(builder, &place, "a second document begins: one file holds one");
	}
	if (is_value && wants_key(builder)) {
		on_key(builder, event);
		return;
	}
	switch ((int)event->type) {
	case FYET_SCALAR: set_text(builder, new_value(builder, event, YAML_TEXT), event); break;
	case FYET_ALIAS: on_alias(builder, event); break;
	case FYET_SEQUENCE_START: on_begin(builder, event, YAML_LIST); break;
	case FYET_MAPPING_START: on_begin(builder, event, YAML_MAP); break;
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		builder->open = builder->open->parent;
		builder->depth--;
		break;
	default: break; /* begin and end of stream and document */
	}
}

static void on_syntax_error(struct builder *builder, struct fy_diag *diag)
{
	struct fy_diag_error *error;
	void *iterator = NULL;

	error = fy_diag_errors_iterate(diag, &iterator);
	if (builder->failed) {
		return;
	}
	fail(builder, NULL, "%s", error != NULL ? error->msg : "this is not YAML");
	if (error != NULL && error->line > 0 && error->column > 0) {
		builder->error->line = (unsigned)error->line;
		builder->error->column = (unsigned)error->column;
	}
}

static void parse(struct builder *builder, struct fy_parser *parser, struct fy_diag *diag)
{
	bool ended = false;

	while (!builder->failed && !ended) {
		struct fy_event *event = fy_parser_parse(parser);
		if (event == NULL) {
			break;
		}
		ended = event->type == FYET_STREAM_END;
		on_event(builder, event);
		fy_parser_event_free(parser, event);
	}
	if (!ended || fy_parser_get_stream_error(parser)) {
		on_syntax_error(builder, diag);
	}
}

struct yaml_node *yaml_tree_read(struct yaml_tree *tree, const char *file, const char *text,
	struct yaml_tree_error *ret_error)
{
	struct builder builder = {.tree = tree, .file = file, .error = ret_error};
	struct yaml_node place = {.line = 1, .column = 1};
	struct fy_diag_cfg diag_config;
	struct fy_parse_cfg config;
	struct fy_parser *parser;

	assert(tree != NULL && file != NULL && text != NULL && ret_error != NULL);
	memset(ret_error, 0, sizeof *ret_error);
	/* libfyaml 0.7 never returns from a directive ("%x") with a byte that is not UTF-8. */
	if (!text_is_utf8(text, &place.line, &place.column)) {
		fail(&builder, &place, "this is not UTF-8: save the file as UTF-8");
		return NULL;
	}
	fy_diag_cfg_default(&diag_config);
	diag_config.fp = NULL;
	memset(&config, 0, sizeof config);
	config.flags = FYPCF_COLLECT_DIAG | FYPCF_QUIET;
	config.diag = fy_diag_create(&diag_config);
	assert(config.diag != NULL);
	fy_diag_set_collect_errors(config.diag, true);
	parser = fy_parser_create(&config);
	assert(parser != NULL);
	if (fy_parser_set_string(parser, text, strlen(text)) != 0) {
		on_syntax_error(&builder, config.diag);
	} else {
		parse(&builder, parser, config.diag);
	}
	fy_parser_destroy(parser);
	fy_diag_destroy(config.diag);
	if (builder.failed) {
		return NULL;
	}
	if (builder.root == NULL || yaml_tree_is_empty(builder.root)) {
		builder.root = yaml_tree_add(tree, NULL, YAML_MAP);
		builder.root->file = file;
	}
	return builder.root;
}
