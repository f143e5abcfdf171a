/* The rules of Mustache's specification (github.com/mustache/spec: comments, delimiters,
 * interpolation, sections, inverted) that this language keeps, one row a rule.
 *
 * Left out, as they are not kept: HTML escaping (what is made is no HTML); a name without a value
 * is an error and not ""; sections give no context to names in them, and there are no lists,
 * "{{.}}", lambdas and partials (a machine has one value of each name). A name with dots is one
 * name. */
#include "proto/template/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *value(void *ctx, const char *name)
{
	static const struct {
		const char *name, *value;
	} table[] = {
		{"yes", "true"},
		{"no", "false"},
		{"empty", ""},
		{"disk", "sda"},
		{"tag", "{{disk}}"},
		{"odd", "& \" < >"},
		{"a.b.c", "deep"},
		{"a.b.no", "false"},
	};

	(void)ctx;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (strcmp(table[i].name, name) == 0) {
			return table[i].value;
		}
	}
	return NULL;
}

struct row {
	const char *rule, *template, *expected;
};

static void expect_rows(const struct row *row, size_t count)
{
	const struct template_values values = {NULL, value};

	for (size_t i = 0; i < count; i++) {
		struct template_place place;
		char error[160] = "", *filled = NULL;
		size_t bytes;
		int err = template_render(
			row[i].template, &values, &filled, &bytes, &place, error, sizeof error);
		if (err != 0 || strcmp(filled, row[i].expected) != 0) {
			print_error("%s: %s\n", row[i].rule, error);
		}
		assert_int_equal(err, 0);
		assert_string_equal(filled, row[i].expected);
		free(filled);
	}
}

#define EXPECT_ROWS(rows) expect_rows(rows, sizeof rows / sizeof rows[0])

static void test_comments(void **state)
{
	static const struct row rows[] = {
		{"inline", "ab{{! said to nobody }}cd", "abcd"},
		{"of several lines", "ab{{!\n x\n y\n}}cd\n", "abcd\n"},
		{"alone on its line", "one\n{{! x }}\ntwo\n", "one\ntwo\n"},
		{"alone and indented", "one\n   {{! x }}\ntwo\n", "one\ntwo\n"},
		{"alone, lines end in CRLF", ":\r\n{{! x }}\r\n:", ":\r\n:"},
		{"alone in the first line", "  {{! x }}\n.", "."},
		{"alone in the last line", ".\n  {{! x }}", ".\n"},
		{"of several lines, alone", "one\n{{!\nx\n}}\ntwo\n", "one\ntwo\n"},
		{"of several lines, alone and indented", "one\n  {{!\n  x\n  }}\ntwo\n",
			"one\ntwo\n"},
		{"inline and indented", "  1 {{! 2 }}\n", "  1 \n"},
		{"blanks around it stay", "1 {{! x }} 2", "1  2"},
		{"its text is no name", "<{{! disk }}>", "<>"},
	};

	(void)state;
	EXPECT_ROWS(rows);
}

static void test_delimiters(void **state)
{
	static const struct row rows[] = {
		{"a pair", "{{=<% %>=}}[<%disk%>]", "[sda]"},
		{"characters of regular expressions", "({{=[ ]=}}[disk])", "(sda)"},
		{"sections keep those before",
			"{{#yes}}\n {{disk}} |disk|\n{{/yes}}\n{{= | | =}}\n|#yes|\n {{disk}} "
			"|disk|\n|/yes|\n",
			" sda |disk|\n {{disk}} sda\n"},
		{"inverted sections keep those before",
			"{{^no}}\n {{disk}}\n{{/no}}\n{{= | | =}}\n|^no|\n |disk|\n|/no|\n",
			" sda\n sda\n"},
		{"blanks around it stay", "| {{=@ @=}} |", "|  |"},
		{"inline", " | {{=@ @=}}\n", " | \n"},
		{"alone on its line", "one\n{{=@ @=}}\ntwo\n", "one\ntwo\n"},
		{"alone and indented", "one\n  {{=@ @=}}\ntwo\n", "one\ntwo\n"},
		{"alone, lines end in CRLF", "|\r\n{{= @ @ =}}\r\n|", "|\r\n|"},
		{"alone in the first line", "  {{=@ @=}}\n=", "="},
		{"alone in the last line", "=\n  {{=@ @=}}", "=\n"},
		{"blanks in it", "|{{= @   @ =}}|", "||"},
	};

	(void)state;
	EXPECT_ROWS(rows);
}

static void test_interpolation(void **state)
{
	static const struct row rows[] = {
		{"none", "it is {disk}\n", "it is {disk}\n"},
		{"a value", "it is {{disk}}\n", "it is sda\n"},
		{"a value is not filled in again", "{{tag}}: {{disk}}", "{{disk}}: sda"},
		{"three braces", "<{{{odd}}}>", "<& \" < >>"},
		{"an ampersand", "<{{&odd}}>", "<& \" < >>"},
		{"an empty value", "({{empty}}{{{empty}}}{{&empty}})", "()"},
		{"a name with dots", "{{a.b.c}} {{{a.b.c}}} {{&a.b.c}}", "deep deep deep"},
		{"blanks around stay", "| {{disk}} | {{{disk}}} | {{&disk}} |",
			"| sda | sda | sda |"},
		{"alone: its line stays", "  {{disk}}\n", "  sda\n"},
		{"alone, three braces", "  {{{disk}}}\n", "  sda\n"},
		{"alone, ampersand", "  {{&disk}}\n", "  sda\n"},
		{"blanks in it", "|{{ disk }}|{{{ disk }}}|{{& disk }}|", "|sda|sda|sda|"},
	};

	(void)state;
	EXPECT_ROWS(rows);
}

static void test_sections(void **state)
{
	static const struct row rows[] = {
		{"true", "\"{{#yes}}shown{{/yes}}\"", "\"shown\""},
		{"false", "\"{{#no}}shown{{/no}}\"", "\"\""},
		{"empty is false", "\"{{#empty}}shown{{/empty}}\"", "\"\""},
		{"no value is false", "[{{#missing}}shown{{/missing}}]", "[]"},
		{"twice", "{{#yes}}\n1\n{{/yes}}\n{{disk}}\n{{#yes}}\n2\n{{/yes}}\n",
			"1\nsda\n2\n"},
		{"in another, true", "| 1 {{#yes}}2 {{#yes}}3{{/yes}} 4{{/yes}} 5 |",
			"| 1 2 3 4 5 |"},
		{"in another, false", "| 1 {{#no}}2 {{#no}}3{{/no}} 4{{/no}} 5 |", "| 1  5 |"},
		{"a name with dots",
			"{{#a.b.c}}1{{/a.b.c}}{{#a.b.no}}2{{/a.b.no}}{{#a.x}}3{{/a.x}}", "1"},
		{"blanks around stay", " | {{#yes}}\t|\t{{/yes}} | \n", " | \t|\t | \n"},
		{"blanks inside stay", " | {{#yes}} {{! x }}\n {{/yes}} | \n", " |  \n  | \n"},
		{"indented inline", " {{#yes}}A{{/yes}}\n {{#yes}}B{{/yes}}\n", " A\n B\n"},
		{"alone on their lines", "| a\n{{#yes}}\n|\n{{/yes}}\n| b\n", "| a\n|\n| b\n"},
		{"alone and indented", "| a\n  {{#yes}}\n|\n  {{/yes}}\n| b\n", "| a\n|\n| b\n"},
		{"alone, lines end in CRLF", "|\r\n{{#yes}}\r\n{{/yes}}\r\n|", "|\r\n|"},
		{"alone in the first line", "  {{#yes}}\n#{{/yes}}\n/", "#\n/"},
		{"alone in the last line", "#{{#yes}}\n/\n  {{/yes}}", "#\n/\n"},
		{"blanks in the tags", "|{{# yes }}={{/ yes }}|", "|=|"},
	};

	(void)state;
	EXPECT_ROWS(rows);
}

static void test_inverted_sections(void **state)
{
	static const struct row rows[] = {
		{"false", "\"{{^no}}shown{{/no}}\"", "\"shown\""},
		{"true", "\"{{^yes}}shown{{/yes}}\"", "\"\""},
		{"empty is false", "\"{{^empty}}shown{{/empty}}\"", "\"shown\""},
		{"no value is false", "[{{^missing}}shown{{/missing}}]", "[shown]"},
		{"a text is true", "\"{{^disk}}shown{{/disk}}\"", "\"\""},
		{"twice", "{{^no}}\n1\n{{/no}}\n{{disk}}\n{{^no}}\n2\n{{/no}}\n", "1\nsda\n2\n"},
		{"in another, false", "| 1 {{^no}}2 {{^no}}3{{/no}} 4{{/no}} 5 |", "| 1 2 3 4 5 |"},
		{"in another, true", "| 1 {{^yes}}2 {{^yes}}3{{/yes}} 4{{/yes}} 5 |", "| 1  5 |"},
		{"a name with dots",
			"{{^a.b.c}}1{{/a.b.c}}{{^a.b.no}}2{{/a.b.no}}{{^a.x}}3{{/a.x}}", "23"},
		{"blanks around stay", " | {{^no}}\t|\t{{/no}} | \n", " | \t|\t | \n"},
		{"blanks inside stay", " | {{^no}} {{! x }}\n {{/no}} | \n", " |  \n  | \n"},
		{"indented inline", " {{^no}}A{{/no}}\n {{^no}}B{{/no}}\n", " A\n B\n"},
		{"alone on their lines", "| a\n{{^no}}\n|\n{{/no}}\n| b\n", "| a\n|\n| b\n"},
		{"alone and indented", "| a\n  {{^no}}\n|\n  {{/no}}\n| b\n", "| a\n|\n| b\n"},
		{"alone, lines end in CRLF", "|\r\n{{^no}}\r\n{{/no}}\r\n|", "|\r\n|"},
		{"alone in the first line", "  {{^no}}\n^{{/no}}\n/", "^\n/"},
		{"alone in the last line", "^{{^no}}\n/\n  {{/no}}", "^\n/\n"},
		{"blanks in the tags", "|{{^ no }}={{/ no }}|", "|=|"},
	};

	(void)state;
	EXPECT_ROWS(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_delimiters),
		cmocka_unit_test(test_interpolation),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_inverted_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
