#include "proto/template/template.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEMPLATE_DELIMITER_MAX 8
#define TEMPLATE_NAME_MAX      80

enum tag {
	TAG_NONE, /* the end of the text */
	TAG_VALUE,
	TAG_SECTION,  /* {{#x}} */
	TAG_INVERTED, /* {{^x}} */
	TAG_END,      /* {{/x}} */
	TAG_NOTHING,  /* a comment, or other delimiters */
};

/* One step through the text: what stands before a tag, and the tag. */
struct token {
	const char *text;
	size_t text_bytes;
	enum tag tag;
	char name[TEMPLATE_NAME_MAX + 1];
	struct template_place place; /* of the tag */
};

struct scanner {
	const char *at;
	bool at_line_start;          /* nothing but `at` onwards stands on its line */
	struct template_place place; /* of `at` */
	char open[TEMPLATE_DELIMITER_MAX + 1], close[TEMPLATE_DELIMITER_MAX + 1];
	char *error;
	size_t error_bytes;
};

static void scanner_init(struct scanner *scanner, const char *text, char *error, size_t error_bytes)
{
	*scanner = (struct scanner){.at = text,
		.at_line_start = true,
		.place = {1, 1},
		.open = "{{",
		.close = "}}",
		.error = error,
		.error_bytes = error_bytes};
}

static void move_to(struct scanner *scanner, const char *to)
{
	for (; scanner->at < to; scanner->at++) {
		if (*scanner->at == '\n') {
			scanner->place.line++;
			scanner->place.column = 1;
		} else {
			scanner->place.column++;
		}
	}
}

static const char *skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t') {
		at++;
	}
	return at;
}

/* Where the line goes on that a tag has for itself: begins in *ret_from, ends in *ret_to. */
static bool is_alone(const struct scanner *scanner, const char *tag, const char *tag_end,
	const char **ret_from, const char **ret_to)
{
	const char *from = tag, *to = skip_blanks(tag_end);

	while (from > scanner->at && (from[-1] == ' ' || from[-1] == '\t')) {
		from--;
	}
	if (from > scanner->at ? from[-1] != '\n' : !scanner->at_line_start) {
		return false;
	}
	if (*to == '\r' && to[1] == '\n') {
		to++;
	}
	if (*to != '\n' && *to != '\0') {
		return false;
	}
	*ret_from = from;
	*ret_to = *to == '\n' ? to + 1 : to;
	return true;
}

static int complain(struct scanner *scanner, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int complain(struct scanner *scanner, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(scanner->error, scanner->error_bytes, format, args);
	va_end(args);
	for (char *c = scanner->error; *c != '\0'; c++) {
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c; /* it quotes the text */
	}
	return -EINVAL;
}

/* What is in a tag, without blanks around it. */
static int read_name(struct scanner *scanner, const char *from, const char *to, struct token *token)
{
	while (from < to && isspace((unsigned char)*from)) {
		from++;
	}
	while (to > from && isspace((unsigned char)to[-1])) {
		to--;
	}
	if (from == to) {
		return complain(scanner, "the tag names nothing");
	}
	if ((size_t)(to - from) > TEMPLATE_NAME_MAX) {
		return complain(scanner, "the name '%.20s...' is too long", from);
	}
	for (const char *c = from; c < to; c++) {
		if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL) {
			return complain(scanner,
				"'%.*s' is not a name: letters, digits, '.', '_' and '-'",
				(int)(to - from), from);
		}
	}
	memcpy(token->name, from, (size_t)(to - from));
	token->name[to - from] = '\0';
	return 0;
}

/* "=<% %>=" */
static int read_delimiters(struct scanner *scanner, const char *from, const char *to)
{
	char open[24], close[24], rest, text[24];

	if ((size_t)(to - from) >= sizeof text) {
		return complain(scanner, "the new delimiters are too long");
	}
	memcpy(text, from, (size_t)(to - from));
	text[to - from] = '\0';
	if (sscanf(text, " %23s %23s %c", open, close, &rest) != 2 || strchr(open, '=') != NULL ||
		strchr(close, '=') != NULL) {
		return complain(scanner, "other delimiters are set as {{=<%% %%>=}}");
	}
	if (strlen(open) > TEMPLATE_DELIMITER_MAX || strlen(close) > TEMPLATE_DELIMITER_MAX) {
		return complain(scanner, "the new delimiters are too long");
	}
	memcpy(scanner->open, open, strlen(open) + 1);
	memcpy(scanner->close, close, strlen(close) + 1);
	return 0;
}

/* The end of what is in the tag that begins at `in`, before the closing text; *ret_end: after it.
 */
static const char *find_close(
	const struct scanner *scanner, const char *in, char sigil, const char **ret_end)
{
	char close[TEMPLATE_DELIMITER_MAX + 2] = "";
	const char *found;

	snprintf(close, sizeof close, "%s%s",
		sigil == '{'   ? "}"
		: sigil == '=' ? "="
			       : "",
		scanner->close);
	found = strstr(in, close);
	*ret_end = found == NULL ? NULL : found + strlen(close);
	return found;
}

static int read_tag(
	struct scanner *scanner, const char *tag, struct token *token, const char **ret_end)
{
	const char *in = tag + strlen(scanner->open), *to;
	char sigil = *in != '\0' && strchr("#^/!={&>", *in) != NULL ? *in : '\0';

	in += sigil != '\0';
	to = find_close(scanner, in, sigil, ret_end);
	if (to == NULL) {
		snprintf(scanner->error, scanner->error_bytes, "'%s' without '%s%s'", scanner->open,
			sigil == '{'   ? "}"
			: sigil == '=' ? "="
				       : "",
			scanner->close);
		return -EINVAL;
	}
	token->tag = sigil == '#'                   ? TAG_SECTION
		     : sigil == '^'                 ? TAG_INVERTED
		     : sigil == '/'                 ? TAG_END
		     : sigil == '!' || sigil == '=' ? TAG_NOTHING
						    : TAG_VALUE;
	if (sigil == '>') {
		return complain(scanner, "other templates cannot be included ({{>...}})");
	}
	if (sigil == '=') {
		return read_delimiters(scanner, in, to);
	}
	return sigil == '!' ? 0 : read_name(scanner, in, to, token);
}

/* 0, or -EINVAL; token->place is filled in either way. At the end TAG_NONE with the rest of the
 * text. */
static int scan(struct scanner *scanner, struct token *token)
{
	const char *tag = strstr(scanner->at, scanner->open), *end = NULL, *from, *to;
	struct scanner place = *scanner;
	int err;

	*token = (struct token){.text = scanner->at, .tag = TAG_NONE};
	if (tag == NULL) {
		token->text_bytes = strlen(scanner->at);
		token->place = scanner->place;
		scanner->at += token->text_bytes;
		return 0;
	}
	move_to(&place, tag);
	token->place = place.place;
	err = read_tag(scanner, tag, token, &end);
	if (err != 0) {
		return err;
	}
	from = tag;
	to = end;
	scanner->at_line_start = token->tag != TAG_VALUE &&
				 is_alone(scanner, tag, end, &from, &to) && to[-1] == '\n';
	token->text_bytes = (size_t)(from - token->text);
	move_to(scanner, to);
	return 0;
}

struct section {
	char name[TEMPLATE_NAME_MAX + 1];
	struct template_place place;
	bool shown; /* what is in it, as far as this section says */
};

struct sections {
	struct section open[TEMPLATE_DEPTH_MAX];
	size_t count;
};

static bool is_shown(const struct sections *sections)
{
	for (size_t i = 0; i < sections->count; i++) {
		if (!sections->open[i].shown) {
			return false;
		}
	}
	return true;
}

/* Opens or closes a section. */
static int nest(
	struct scanner *scanner, struct sections *sections, const struct token *token, bool shown)
{
	const struct section *top;

	if (token->tag != TAG_END) {
		if (sections->count == TEMPLATE_DEPTH_MAX) {
			return complain(scanner, "section '%s' is too deep in others", token->name);
		}
		sections->open[sections->count].place = token->place;
		sections->open[sections->count].shown = shown;
		memcpy(sections->open[sections->count++].name, token->name, sizeof token->name);
		return 0;
	}
	if (sections->count == 0) {
		return complain(scanner, "'%s' is closed but was not opened", token->name);
	}
	top = &sections->open[sections->count - 1];
	if (strcmp(top->name, token->name) != 0) {
		return complain(scanner, "'%s' is closed while '%s' of line %u is open",
			token->name, top->name, top->place.line);
	}
	sections->count--;
	return 0;
}

/* At the end no section may be open. */
static int check_closed(
	struct scanner *scanner, const struct sections *sections, struct template_place *place)
{
	if (sections->count == 0) {
		return 0;
	}
	*place = sections->open[sections->count - 1].place;
	return complain(
		scanner, "section '%s' is not closed", sections->open[sections->count - 1].name);
}

int template_check(
	const char *text, struct template_place *ret_place, char *ret_error, size_t error_bytes)
{
	struct scanner scanner;
	struct sections sections = {.count = 0};
	struct token token = {.tag = TAG_VALUE};
	int err = 0;

	assert(text != NULL && ret_place != NULL && ret_error != NULL && error_bytes > 0);
	*ret_place = (struct template_place){1, 1};
	scanner_init(&scanner, text, ret_error, error_bytes);
	if (strnlen(text, TEMPLATE_BYTES_MAX + 1) > TEMPLATE_BYTES_MAX) {
		return complain(&scanner, "the text has more than %d bytes", TEMPLATE_BYTES_MAX);
	}
	while (err == 0 && token.tag != TAG_NONE) {
		err = scan(&scanner, &token);
		*ret_place = token.place;
		if (err == 0 && (token.tag == TAG_SECTION || token.tag == TAG_INVERTED ||
					token.tag == TAG_END)) {
			err = nest(&scanner, &sections, &token, true);
		}
	}
	return err != 0 ? err : check_closed(&scanner, &sections, ret_place);
}

void template_each_name(const char *text,
	bool (*visit)(void *ctx, const char *name, struct template_place place, bool section),
	void *ctx)
{
	char error[128];
	struct scanner scanner;
	struct token token = {.tag = TAG_VALUE};
	bool more = true;

	assert(text != NULL && visit != NULL);
	scanner_init(&scanner, text, error, sizeof error);
	while (more && scan(&scanner, &token) == 0 && token.tag != TAG_NONE) {
		if (token.tag == TAG_VALUE) {
			more = visit(ctx, token.name, token.place, false);
		} else if (token.tag == TAG_SECTION || token.tag == TAG_INVERTED) {
			more = visit(ctx, token.name, token.place, true);
		}
	}
}

static bool is_set(const struct template_values *values, const char *name)
{
	const char *value = values->value(values->ctx, name);

	return value != NULL && value[0] != '\0' && strcmp(value, "false") != 0 &&
	       strcmp(value, "no") != 0;
}

struct output {
	FILE *file;
	size_t bytes;
};

static int put(struct scanner *scanner, struct output *output, const char *text, size_t bytes)
{
	if (bytes > TEMPLATE_OUTPUT_MAX - output->bytes) {
		snprintf(scanner->error, scanner->error_bytes, "the result has more than %u bytes",
			TEMPLATE_OUTPUT_MAX);
		return -E2BIG;
	}
	output->bytes += bytes;
	fwrite(text, 1, bytes, output->file);
	return 0;
}

static int put_value(struct scanner *scanner, struct output *output,
	const struct template_values *values, const char *name)
{
	const char *value = values->value(values->ctx, name);

	if (value == NULL) {
		snprintf(scanner->error, scanner->error_bytes, "{{%s}} is not defined", name);
		return -ENOENT;
	}
	return put(scanner, output, value, strlen(value));
}

/* One token after the other; *ret_place: of the last one. */
static int fill_in(struct scanner *scanner, struct output *output,
	const struct template_values *values, struct template_place *ret_place)
{
	struct sections sections = {.count = 0};
	struct token token = {.tag = TAG_VALUE};
	int err = 0;

	while (err == 0 && token.tag != TAG_NONE) {
		bool shown = is_shown(&sections);
		err = scan(scanner, &token);
		*ret_place = token.place;
		if (err == 0 && shown) {
			err = put(scanner, output, token.text, token.text_bytes);
		}
		if (err != 0 || token.tag == TAG_NONE || token.tag == TAG_NOTHING) {
			continue;
		}
		if (token.tag == TAG_VALUE) {
			err = shown ? put_value(scanner, output, values, token.name) : 0;
		} else {
			bool set = token.tag != TAG_END && is_set(values, token.name);
			err = nest(scanner, &sections, &token, set == (token.tag == TAG_SECTION));
		}
	}
	return err != 0 ? err : check_closed(scanner, &sections, ret_place);
}

int template_render(const char *text, const struct template_values *values, char **ret_text,
	size_t *ret_bytes, struct template_place *ret_place, char *ret_error, size_t error_bytes)
{
	struct scanner scanner;
	struct output output = {.bytes = 0};
	int err;

	assert(text != NULL && values != NULL && values->value != NULL && ret_text != NULL);
	assert(ret_bytes != NULL && ret_place != NULL && ret_error != NULL && error_bytes > 0);
	*ret_text = NULL;
	*ret_bytes = 0;
	output.file = open_memstream(ret_text, ret_bytes);
	if (output.file == NULL) {
		abort();
	}
	scanner_init(&scanner, text, ret_error, error_bytes);
	err = fill_in(&scanner, &output, values, ret_place);
	if (fclose(output.file) != 0) {
		abort();
	}
	if (err != 0) {
		free(*ret_text);
		*ret_text = NULL;
		*ret_bytes = 0;
	}
	return err;
}
