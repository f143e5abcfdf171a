/* ctl/table.h: rows in columns, as people read them: capital header, no borders, columns as wide as
 * they need. Pure but for the stream that it is printed to.
 *
 * On a terminal the last column is cut to the terminal's width; piped output is never cut. Cells
 * are cleaned of control bytes. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *title;
	bool right;     /* numbers */
	bool wide_only; /* only with -o wide */
};

struct table;

/* columns is borrowed until table_free(). */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *table);
/* Add a cell, row by row; the text is copied. NULL is shown as "-", as is "". */
void table_cell(struct table *table, const char *text);
void table_cellf(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
size_t table_rows(const struct table *table);
/* width 0: not cut. */
void table_print(const struct table *table, FILE *out, bool wide, bool no_header, unsigned width);

/* Characters of UTF-8 text as a terminal counts them, roughly: code points. */
size_t table_text_width(const char *text);

#endif
