#include "ctl/table.h"

#include "proto/msg/event_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_CELL_BYTES 512

struct table {
	const struct table_column *columns;
	size_t column_count;
	char **cells;
	size_t cell_count, capacity;
};

struct table *table_new(const struct table_column *columns, size_t count)
{
	struct table *table = calloc(1, sizeof *table);

	assert(table != NULL && columns != NULL && count > 0 && count <= TABLE_COLUMNS_MAX);
	table->columns = columns;
	table->column_count = count;
	return table;
}

void table_free(struct table *table)
{
	if (table == NULL) {
		return;
	}
	for (size_t i = 0; i < table->cell_count; i++) {
		free(table->cells[i]);
	}
	free(table->cells);
	free(table);
}

void table_cell(struct table *table, const char *text)
{
	char clean[TABLE_CELL_BYTES];

	assert(table != NULL);
	if (table->cell_count == table->capacity) {
		table->capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
		table->cells = realloc(table->cells, table->capacity * sizeof *table->cells);
		assert(table->cells != NULL);
	}
	event_text_clean(text == NULL || text[0] == '\0' ? "-" : text, clean, sizeof clean);
	table->cells[table->cell_count] = strdup(clean);
	assert(table->cells[table->cell_count] != NULL);
	table->cell_count++;
}

void table_cellf(struct table *table, const char *format, ...)
{
	char text[TABLE_CELL_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	table_cell(table, text);
}

size_t table_rows(const struct table *table)
{
	return table->cell_count / table->column_count;
}

size_t table_text_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++) {
		width += ((unsigned char)*text & 0xc0) != 0x80;
	}
	return width;
}

static bool is_shown(const struct table *table, size_t column, bool wide)
{
	return wide || !table->columns[column].wide_only;
}

static void measure(const struct table *table, bool no_header, size_t widths[TABLE_COLUMNS_MAX])
{
	for (size_t c = 0; c < table->column_count; c++) {
		widths[c] = no_header ? 0 : table_text_width(table->columns[c].title);
	}
	for (size_t i = 0; i < table->cell_count; i++) {
		size_t width = table_text_width(table->cells[i]);
		size_t c = i % table->column_count;
		widths[c] = width > widths[c] ? width : widths[c];
	}
}

static void print_spaces(FILE *out, size_t count)
{
	fprintf(out, "%*s", (int)count, "");
}

/* Bytes of the first `width` characters. */
static size_t cut_at(const char *text, size_t width)
{
	size_t i = 0;

	while (text[i] != '\0') {
		if (((unsigned char)text[i] & 0xc0) != 0x80 && width-- == 0) {
			break;
		}
		i++;
	}
	return i;
}

struct line {
	FILE *out;
	size_t used, limit; /* characters; limit 0: none */
	size_t pending; /* blanks owed before the next text, so that lines do not end in blanks */
};

static void put(struct line *line, const char *text)
{
	size_t width = table_text_width(text);
	size_t room = line->limit == 0 ? width
		      : line->limit > line->used + line->pending
			      ? line->limit - line->used - line->pending
			      : 0;

	if (width == 0 || room == 0) {
		return;
	}
	print_spaces(line->out, line->pending);
	line->used += line->pending + (width < room ? width : room);
	line->pending = 0;
	fwrite(text, 1, cut_at(text, room), line->out);
}

static void print_row(const struct table *table, struct line *line, const char *const *texts,
	bool wide, const size_t widths[TABLE_COLUMNS_MAX])
{
	bool first = true;

	for (size_t c = 0; c < table->column_count; c++) {
		size_t fill;
		if (!is_shown(table, c, wide)) {
			continue;
		}
		fill = widths[c] - table_text_width(texts[c]);
		line->pending += first ? 0 : 2;
		line->pending += table->columns[c].right ? fill : 0;
		put(line, texts[c]);
		line->pending += table->columns[c].right ? 0 : fill;
		first = false;
	}
	fputc('\n', line->out);
}

void table_print(const struct table *table, FILE *out, bool wide, bool no_header, unsigned width)
{
	size_t widths[TABLE_COLUMNS_MAX];
	const char *titles[TABLE_COLUMNS_MAX];

	assert(table != NULL && out != NULL && table->cell_count % table->column_count == 0);
	measure(table, no_header, widths);
	if (!no_header) {
		struct line line = {out, 0, width, 0};
		for (size_t c = 0; c < table->column_count; c++) {
			titles[c] = table->columns[c].title;
		}
		print_row(table, &line, titles, wide, widths);
	}
	for (size_t row = 0; row < table_rows(table); row++) {
		struct line line = {out, 0, width, 0};
		const char *const *cells =
			(const char *const *)(table->cells + row * table->column_count);
		print_row(table, &line, cells, wide, widths);
	}
}
