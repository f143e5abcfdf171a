/* Tables, progress lines and values as people read them. */
#include "ctl/progress.h"
#include "ctl/show.h"
#include "ctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct table_column columns[] = {{"NAME", false, false}, {"SIZE", true, false},
	{"NOTE", false, true}, {"STATE", false, false}};

static void prints(
	struct table *table, bool wide, bool no_header, unsigned width, const char *expected)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	table_print(table, out, wide, no_header, width);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static struct table *sample(void)
{
	struct table *table = table_new(columns, 4);

	table_cell(table, "n1");
	table_cellf(table, "%d", 7);
	table_cell(table, NULL);
	table_cell(table, "ok");
	table_cell(table, "much-longer");
	table_cellf(table, "%d", 12345);
	table_cell(table, "caf\xc3\xa9");
	table_cell(table, "");
	return table;
}

static void test_columns_are_as_wide_as_needed(void **state)
{
	(void)state;
	struct table *table = sample();
	prints(table, false, false, 0,
		"NAME          SIZE  STATE\nn1               7  ok\nmuch-longer  12345  -\n");
	prints(table, true, false, 0,
		"NAME          SIZE  NOTE  STATE\nn1               7  -     ok\nmuch-longer  12345 "
		" caf\xc3\xa9  -\n");
	prints(table, false, true, 0, "n1               7  ok\nmuch-longer  12345  -\n");
	table_free(table);
}

static void test_lines_are_cut_at_the_terminal(void **state)
{
	(void)state;
	struct table *table = sample();
	prints(table, false, false, 16, "NAME          SI\nn1\nmuch-longer  123\n");
	table_free(table);
}

static void test_an_empty_table_is_its_header(void **state)
{
	(void)state;
	struct table *table = table_new(columns, 4);
	prints(table, false, false, 0, "NAME  SIZE  STATE\n");
	prints(table, false, true, 0, "");
	assert_int_equal(table_rows(table), 0);
	table_free(table);
}

static void test_control_bytes_do_not_reach_the_terminal(void **state)
{
	(void)state;
	static const struct table_column one[] = {{"X", false, false}};
	struct table *table = table_new(one, 1);
	table_cell(table, "a\x1b[31mb\nc\td\x7f");
	prints(table, false, true, 0, "a?[31mb?c?d?\n");
	table_free(table);
}

static void test_width_counts_characters(void **state)
{
	(void)state;
	assert_int_equal(table_text_width(""), 0);
	assert_int_equal(table_text_width("abc"), 3);
	assert_int_equal(table_text_width("caf\xc3\xa9"), 4);
}

static void test_progress_lines(void **state)
{
	(void)state;
	struct progress progress = {.phase = "upload", .total = 1000000, .done = 500000};
	char text[256];
	progress_line(&progress, 1000, text, sizeof text);
	assert_non_null(strstr(text, "██████████░░░░░░░░░░"));
	assert_non_null(strstr(text, "500 kB/s, 1s left"));
	progress.done = 1000000;
	progress_line(&progress, 2300, text, sizeof text);
	assert_non_null(strstr(text, "2.3 s"));
	progress.total = progress.done = 0;
	assert_non_null(progress_line(&progress, 0, text, sizeof text));
}

static void test_values(void **state)
{
	(void)state;
	uint8_t ip[4] = {10, 20, 0, 1}, mac[6] = {0x52, 0x54, 0, 0xaa, 0, 2};
	ProtobufCBinaryData address = {4, ip}, none = {0, NULL}, macs[2] = {{6, mac}, {6, mac}};
	char text[SHOW_BYTES];
	assert_string_equal(show_ip(&address, text), "10.20.0.1");
	assert_string_equal(show_ip(&none, text), "");
	assert_string_equal(show_macs(macs, 2, text), "52:54:00:aa:00:02,52:54:00:aa:00:02");
	assert_string_equal(show_when(10000, 10000, text), "now");
	assert_string_equal(show_when(0, 10000, text), "");
	assert_string_equal(show_when(10000 + 41 * 60000, 10000, text), "in 41m");
	assert_string_equal(show_when(10000, 10000 + 7200000, text), "2h ago");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_as_wide_as_needed),
		cmocka_unit_test(test_lines_are_cut_at_the_terminal),
		cmocka_unit_test(test_an_empty_table_is_its_header),
		cmocka_unit_test(test_control_bytes_do_not_reach_the_terminal),
		cmocka_unit_test(test_width_counts_characters),
		cmocka_unit_test(test_progress_lines),
		cmocka_unit_test(test_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
