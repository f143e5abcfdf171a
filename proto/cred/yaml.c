#include "proto/cred/yaml.h"

#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YAML_ERRORS_MAX 20 /* more would only scroll the first ones away */

struct yaml {
	const char *text, *filename;
	char *error;
	size_t error_bytes;
	unsigned errors;
	struct fy_document *document;
};

static void append(struct yaml *yaml, const char *text)
{
	size_t used = strlen(yaml->error);

	snprintf(yaml->error + used, yaml->error_bytes - used, "%s", text);
}

/* The source line and a caret under the place; line and column count from 1. */
static void append_source(struct yaml *yaml, int line, int column, size_t width)
{
	const char *at = yaml->text;
	char buffer[400];
	int length, used;

	for (int i = 1; i < line && at != NULL; i++) {
		at = strchr(at, '\n');
		at = at == NULL ? NULL : at + 1;
	}
	if (at == NULL || column < 1 || column > 120) {
		return;
	}
	length = (int)strcspn(at, "\r\n");
	used = snprintf(buffer, sizeof buffer, "\n    %.*s\n    ", length < 120 ? length : 120, at);
	for (int i = 1; i < column; i++) {
		buffer[used++] = i <= length && at[i - 1] == '\t' ? '\t' : ' ';
	}
	buffer[used++] = '^';
	for (size_t i = 1; i < width && i < 60; i++) {
		buffer[used++] = '~';
	}
	buffer[used] = '\0';
	append(yaml, buffer);
}

static void complain_at(struct yaml *yaml, int line, int column, size_t width, const char *message)
{
	char place[320];

	if (yaml->errors++ >= YAML_ERRORS_MAX) {
		return;
	}
	snprintf(place, sizeof place, "%s%s:%d:%d: error: ", yaml->errors > 1 ? "\n" : "",
		yaml->filename, line, column);
	append(yaml, place);
	append(yaml, message);
	append_source(yaml, line, column, width);
}

void yaml_complain(struct yaml *yaml, struct fy_node *node, const char *format, ...)
{
	const struct fy_mark *mark = NULL;
	char message[400];
	size_t width = 1;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	if (node != NULL && fy_node_is_scalar(node)) {
		struct fy_token *token = fy_node_get_scalar_token(node);
		mark = token == NULL ? NULL : fy_token_start_mark(token);
		fy_node_get_scalar(node, &width);
	}
	if (mark == NULL) {
		complain_at(yaml, 1, 1, 1, message);
	} else {
		complain_at(yaml, mark->line + 1, mark->column + 1, width, message);
	}
}

static void complain_syntax(struct yaml *yaml, struct fy_diag *diag)
{
	struct fy_diag_error *error;
	void *iterator = NULL;

	while ((error = fy_diag_errors_iterate(diag, &iterator)) != NULL) {
		complain_at(yaml, error->line, error->column, 1, error->msg);
	}
	if (yaml->errors == 0) {
		complain_at(yaml, 1, 1, 1, "this is not YAML");
	}
}

int yaml_open(const char *text, const char *filename, char *ret_error, size_t error_bytes,
	struct yaml **ret_yaml)
{
	struct fy_diag_cfg diag_config;
	struct fy_parse_cfg config;
	struct yaml *yaml = calloc(1, sizeof *yaml);
	struct fy_node *root;
	unsigned line, column;

	assert(text != NULL && filename != NULL && ret_error != NULL && error_bytes > 0);
	ret_error[0] = '\0';
	if (yaml == NULL) {
		return -ENOMEM;
	}
	yaml->text = text;
	yaml->filename = filename;
	yaml->error = ret_error;
	yaml->error_bytes = error_bytes;
	/* libfyaml 0.7 never returns from a directive ("%x") with a byte that is not UTF-8. */
	if (!text_is_utf8(text, &line, &column)) {
		complain_at(yaml, (int)line, (int)column, 1,
			"this is not UTF-8: save the file as UTF-8");
		yaml_close(yaml);
		return -EINVAL;
	}
	fy_diag_cfg_default(&diag_config);
	diag_config.fp = NULL;
	memset(&config, 0, sizeof config);
	config.flags = FYPCF_COLLECT_DIAG | FYPCF_QUIET;
	config.diag = fy_diag_create(&diag_config);
	if (config.diag == NULL) {
		free(yaml);
		return -ENOMEM;
	}
	fy_diag_set_collect_errors(config.diag, true);
	yaml->document = fy_document_build_from_string(&config, text, FY_NT);
	root = yaml->document == NULL ? NULL : fy_document_root(yaml->document);
	if (yaml->document == NULL) {
		complain_syntax(yaml, config.diag);
	} else if (root == NULL || !fy_node_is_mapping(root)) {
		complain_at(yaml, 1, 1, 1, "lines of the form 'key: value' are expected");
	}
	fy_diag_destroy(config.diag);
	if (yaml->errors > 0) {
		yaml_close(yaml);
		return -EINVAL;
	}
	*ret_yaml = yaml;
	return 0;
}

void yaml_close(struct yaml *yaml)
{
	if (yaml != NULL) {
		fy_document_destroy(yaml->document);
		free(yaml);
	}
}

bool yaml_next_pair(struct yaml *yaml, void **iterator, struct yaml_pair *ret_pair)
{
	struct fy_node_pair *pair;

	while ((pair = fy_node_mapping_iterate(fy_document_root(yaml->document), iterator)) !=
		NULL) {
		ret_pair->key_node = fy_node_pair_key(pair);
		ret_pair->value = fy_node_pair_value(pair);
		if (ret_pair->key_node != NULL &&
			yaml_scalar(ret_pair->key_node, ret_pair->key, sizeof ret_pair->key)) {
			return true;
		}
		yaml_complain(yaml, ret_pair->key_node, "this is not a key");
	}
	return false;
}

bool yaml_scalar(struct fy_node *node, char *ret_text, size_t text_bytes)
{
	size_t length = 0;
	const char *text = node == NULL || !fy_node_is_scalar(node) || fy_node_is_alias(node)
				   ? NULL
				   : fy_node_get_scalar(node, &length);

	if (text == NULL || length >= text_bytes || memchr(text, '\0', length) != NULL) {
		return false;
	}
	memcpy(ret_text, text, length);
	ret_text[length] = '\0';
	return true;
}

char *yaml_scalar_dup(struct fy_node *node)
{
	size_t length = 0;
	const char *text = node == NULL || !fy_node_is_scalar(node) || fy_node_is_alias(node)
				   ? NULL
				   : fy_node_get_scalar(node, &length);

	return text == NULL ? NULL : strndup(text, length);
}

struct fy_node *yaml_next_item(struct fy_node *list, void **iterator)
{
	return yaml_is_list(list) ? fy_node_sequence_iterate(list, iterator) : NULL;
}

bool yaml_is_list(struct fy_node *node)
{
	return node != NULL && fy_node_is_sequence(node);
}

unsigned yaml_errors(const struct yaml *yaml)
{
	return yaml->errors;
}
