#include "ctl/import_json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct json_file {
	const char *path, *at;
	unsigned line;
	struct json_file *below;
};

struct json_reader {
	struct import *im;
	struct json_file *top;
	size_t files;
	bool failed;
};

static void fail(struct json_reader *reader, const char *why)
{
	if (!reader->failed) {
		const struct import_at at = {reader->top->path, reader->top->line};

		import_remark(reader->im, IMPORT_LEFT_OUT, at, NULL, "no JSON: %s", why);
	}
	reader->failed = true;
}

/* <?include "file"?> */
static void include(struct json_reader *reader)
{
	struct json_file *file = reader->top;
	const char *quote = strchr(file->at, '"');
	const char *end = strstr(file->at, "?>");
	const char *close = quote != NULL ? strchr(quote + 1, '"') : NULL;
	const struct import_at at = {file->path, file->line};

	if (strncmp(file->at, "<?include", 9) != 0 || end == NULL || close == NULL || close > end ||
		reader->files >= IMPORT_DEPTH_MAX) {
		fail(reader, "'<' stands for <?include \"file\"?>");
		return;
	}
	const char *path = import_copy(reader->im, quote + 1, (size_t)(close - quote) - 1);
	size_t bytes;
	const char *text = import_open(reader->im, path, at, &bytes);
	file->at = end + 2;
	if (text == NULL) {
		reader->failed = true;
		return;
	}
	struct json_file *inner = import_alloc(reader->im, sizeof *inner);
	*inner = (struct json_file){path, text, 1, file};
	reader->top = inner;
	reader->files++;
}

static void skip_comment(struct json_reader *reader)
{
	struct json_file *file = reader->top;

	if (file->at[0] == '#' || file->at[1] == '/') {
		file->at += strcspn(file->at, "\n");
		return;
	}
	const char *end = strstr(file->at + 2, "*/");
	if (end == NULL) {
		fail(reader, "a comment without end");
		return;
	}
	for (; file->at < end + 2; file->at++) {
		file->line += *file->at == '\n' ? 1 : 0;
	}
}

/* To the next byte that means something; '\0' at the end of all. */
static char peek(struct json_reader *reader)
{
	while (!reader->failed) {
		struct json_file *file = reader->top;
		char c = *file->at;

		if (c == '\n') {
			file->line++;
			file->at++;
		} else if (c == ' ' || c == '\t' || c == '\r') {
			file->at++;
		} else if (c == '#' || (c == '/' && (file->at[1] == '/' || file->at[1] == '*'))) {
			skip_comment(reader);
		} else if (c == '<') {
			include(reader);
		} else if (c == '\0' && file->below != NULL) {
			reader->top = file->below;
			reader->files--;
		} else {
			return c;
		}
	}
	return '\0';
}

static size_t put_utf8(char *to, unsigned code)
{
	if (code < 0x80) {
		to[0] = code == 0 ? ' ' : (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xc0 | code >> 6);
		to[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	to[0] = (char)(0xe0 | code >> 12);
	to[1] = (char)(0x80 | (code >> 6 & 0x3f));
	to[2] = (char)(0x80 | (code & 0x3f));
	return 3;
}

static const char *read_string(struct json_reader *reader)
{
	struct json_file *file = reader->top;
	size_t length = 0, used = 0;

	file->at++;
	while (file->at[length] != '"' && file->at[length] != '\0' && file->at[length] != '\n') {
		length += file->at[length] == '\\' && file->at[length + 1] != '\0' ? 2 : 1;
	}
	if (file->at[length] != '"') {
		fail(reader, "a text without its second '\"'");
		return "";
	}
	char *text = import_alloc(reader->im, length + 1);
	for (size_t i = 0; i < length; i++) {
		static const char codes[] = "b\bf\fn\nr\rt\t";
		const char *code;

		if (file->at[i] != '\\') {
			text[used++] = file->at[i];
			continue;
		}
		i++;
		if (file->at[i] == 'u' && i + 4 < length + 1) {
			char digits[5] = {0};

			memcpy(digits, file->at + i + 1, 4);
			used += put_utf8(text + used, (unsigned)strtoul(digits, NULL, 16));
			i += 4;
			continue;
		}
		code = strchr("bfnrt", file->at[i]) != NULL ? strchr(codes, file->at[i]) : NULL;
		text[used++] = code != NULL ? code[1] : file->at[i];
	}
	file->at += length + 1;
	return text;
}

static void read_word(struct json_reader *reader, struct import_json *value)
{
	struct json_file *file = reader->top;
	size_t length = strspn(file->at, "abcdefghijklmnopqrstuvwxyzE0123456789+-.");

	value->text = import_copy(reader->im, file->at, length);
	file->at += length;
	if (strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0) {
		value->kind = IMPORT_JSON_FLAG;
	} else if (strcmp(value->text, "null") == 0) {
		value->kind = IMPORT_JSON_NULL;
	} else if (length > 0 && (strchr("-.0123456789", value->text[0]) != NULL)) {
		value->kind = IMPORT_JSON_NUMBER;
	} else {
		fail(reader, "a value was expected");
	}
}

static struct import_json *add_value(struct json_reader *reader, struct import_json *parent)
{
	struct import_json *value = import_alloc(reader->im, sizeof *value);

	value->at = (struct import_at){reader->top->path, reader->top->line};
	value->parent = parent;
	if (parent != NULL && parent->last != NULL) {
		parent->last->next = value;
	} else if (parent != NULL) {
		parent->first = value;
	}
	if (parent != NULL) {
		parent->last = value;
	}
	return value;
}

/* One value; a list or a map is only opened. */
static struct import_json *read_value(struct json_reader *reader, struct import_json *parent)
{
	const char *key = NULL;
	char c = peek(reader);

	if (parent != NULL && parent->kind == IMPORT_JSON_MAP) {
		if (c != '"') {
			fail(reader, "a name in quotes was expected");
			return NULL;
		}
		key = read_string(reader);
		if (peek(reader) != ':') {
			fail(reader, "a ':' was expected");
			return NULL;
		}
		reader->top->at++;
		c = peek(reader);
	}
	struct import_json *value = add_value(reader, parent);
	value->key = key;
	if (c == '{' || c == '[') {
		value->kind = c == '{' ? IMPORT_JSON_MAP : IMPORT_JSON_LIST;
		reader->top->at++;
	} else if (c == '"') {
		value->kind = IMPORT_JSON_STRING;
		value->text = read_string(reader);
	} else {
		read_word(reader, value);
	}
	return value;
}

struct import_json *import_json_parse(struct import *im, const char *path, const char *text)
{
	struct json_file first = {path, text, 1, NULL};
	struct json_reader reader = {.im = im, .top = &first};
	struct import_json *root = read_value(&reader, NULL), *open = root;
	size_t depth = 1;

	if (!reader.failed && root->kind != IMPORT_JSON_MAP) {
		fail(&reader, "a '{' was expected");
	}
	while (!reader.failed && open != NULL) {
		char c = peek(&reader);
		bool map = open->kind == IMPORT_JSON_MAP;

		if (c == (map ? '}' : ']')) {
			reader.top->at++;
			open = open->parent;
			depth--;
			if (open != NULL && peek(&reader) == ',') {
				reader.top->at++;
			}
			continue;
		}
		struct import_json *value = read_value(&reader, open);
		if (reader.failed) {
			break;
		}
		if (value->kind == IMPORT_JSON_MAP || value->kind == IMPORT_JSON_LIST) {
			open = value;
			if (++depth > IMPORT_JSON_DEPTH_MAX) {
				fail(&reader, "too deep");
			}
		} else if (peek(&reader) == ',') {
			reader.top->at++;
		} else if (peek(&reader) != (map ? '}' : ']')) {
			fail(&reader, "a ',' was expected");
		}
	}
	if (!reader.failed && peek(&reader) != '\0') {
		fail(&reader, "something stands behind the end");
	}
	return reader.failed ? NULL : root;
}

struct import_json *import_json_take(struct import_json *map, const char *key)
{
	struct import_json *found = NULL;

	/* The last one of a name counts, as in most readers. */
	for (struct import_json *at = map->first; at != NULL && map->kind == IMPORT_JSON_MAP;
		at = at->next) {
		if (strcmp(at->key, key) == 0) {
			found = at;
		}
	}
	if (found != NULL) {
		found->seen = true;
	}
	return found;
}

const char *import_json_text(struct import_json *map, const char *key)
{
	struct import_json *found = import_json_take(map, key);

	return found != NULL && found->kind != IMPORT_JSON_MAP && found->kind != IMPORT_JSON_LIST &&
			       found->text != NULL
		       ? found->text
		       : NULL;
}
