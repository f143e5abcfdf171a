/* dhcpd's files: statements of words that end with ';', '{' or '}'. */
#include "ctl/import_dhcpd.h"

#include <stdlib.h>
#include <string.h>

void dhcpd_push(struct dhcpd *dd, const char *path, struct import_at at)
{
	size_t bytes = 0;
	struct dhcpd_file *file;

	if (dd->files >= IMPORT_DEPTH_MAX) {
		import_remark(dd->im, IMPORT_LEFT_OUT, at, NULL,
			"%s: too many files inside each other", path);
		return;
	}
	const char *text = import_open(dd->im, path, at, &bytes);
	if (text == NULL) {
		dd->failed |= at.file == NULL;
		return;
	}
	file = import_alloc(dd->im, sizeof *file);
	*file = (struct dhcpd_file){import_text(dd->im, "%s", path), text, 1, dd->top};
	dd->top = file;
	dd->files++;
}

/* Blanks and comments. */
static void skip_blank(struct dhcpd_file *file)
{
	for (;; file->at++) {
		if (*file->at == '#') {
			file->at += strcspn(file->at, "\n");
		}
		if (*file->at == '\n') {
			file->line++;
		} else if (*file->at == '\0' || strchr(" \t\r\f\v", *file->at) == NULL) {
			return;
		}
	}
}

/* From behind the opening quote; '\' escapes, octal numbers too. */
static const char *read_quoted(struct dhcpd *dd, struct dhcpd_file *file)
{
	size_t length = 0;

	while (file->at[length] != '\0' && file->at[length] != '"') {
		length += file->at[length] == '\\' && file->at[length + 1] != '\0' ? 2 : 1;
	}
	char *text = import_alloc(dd->im, length + 1), *to = text;
	for (const char *at = file->at, *end = at + length; at < end; at++) {
		if (*at == '\n') {
			file->line++;
		}
		if (*at != '\\' || at + 1 == end) {
			*to++ = *at;
			continue;
		}
		at++;
		if (*at >= '0' && *at <= '7') {
			unsigned value = 0, digits = 0;

			while (digits < 3 && at < end && *at >= '0' && *at <= '7') {
				value = value * 8 + (unsigned)(*at++ - '0');
				digits++;
			}
			at--;
			*to++ = value == 0 ? ' ' : (char)value;
		} else {
			const char *code = strchr("n\nt\tr\rb\b", *at);

			*to++ = code != NULL && strchr("ntrb", *at) != NULL ? code[1] : *at;
		}
	}
	file->at += length + (file->at[length] == '"' ? 1 : 0);
	return text;
}

static void add_word(struct dhcpd *dd, const char *text, bool quoted)
{
	struct dhcpd_statement *statement = &dd->statement;

	if (statement->count == 0) {
		statement->at = (struct import_at){dd->top->path, dd->top->line};
	}
	if (statement->count == DHCPD_WORDS_MAX) {
		statement->too_long = true;
	} else {
		statement->word[statement->count++] = (struct dhcpd_word){text, quoted};
	}
}

bool dhcpd_next(struct dhcpd *dd)
{
	struct dhcpd_statement *statement = &dd->statement;

	statement->count = 0;
	statement->end = '\0';
	statement->too_long = false;
	while (dd->top != NULL) {
		struct dhcpd_file *file = dd->top;

		skip_blank(file);
		if (*file->at == '\0') {
			if (statement->count > 0) {
				return true; /* a statement does not go over the end of a file */
			}
			dd->top = file->below;
			dd->files -= dd->files > 0 ? 1 : 0;
		} else if (strchr(";{}", *file->at) != NULL) {
			if (statement->count == 0) {
				statement->at = (struct import_at){file->path, file->line};
			}
			/* "}" ends what stands before it, too; a lone ';' is nothing. */
			if (*file->at == '}' && statement->count > 0) {
				statement->end = ';';
				return true;
			}
			statement->end = *file->at++;
			if (statement->end != ';' || statement->count > 0) {
				return true;
			}
		} else if (*file->at == '"') {
			file->at++;
			add_word(dd, read_quoted(dd, file), true);
		} else if (strchr("(),=", *file->at) != NULL) {
			add_word(dd, import_copy(dd->im, file->at, 1), false);
			file->at++;
		} else {
			size_t length = strcspn(file->at, " \t\r\f\v\n;{}(),=\"#");

			length += length == 0 ? 1 : 0;
			add_word(dd, import_copy(dd->im, file->at, length), false);
			file->at += length;
		}
	}
	return false;
}
