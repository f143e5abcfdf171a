/* Templates: what is filled in, what is an error, and where. */
#include "proto/template/template.h"
#include "proto/template/template_names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char long_value[1000];

static const char *value(void *ctx, const char *name)
{
	(void)ctx;
	if (strcmp(name, "long") == 0) {
		memset(long_value, 'l', sizeof long_value - 1);
		return long_value;
	}
	return strcmp(name, "mac") == 0         ? "52:54:00:aa:00:01"
	       : strcmp(name, "vars.disk") == 0 ? "/dev/sda & \"x\" <y>"
	       : strcmp(name, "empty") == 0     ? ""
	       : strcmp(name, "no") == 0        ? "no"
						: NULL;
}

static const struct template_values values = {NULL, value};

static void expect(const char *text, const char *result)
{
	struct template_place place;
	char error[128], *filled;
	size_t bytes;

	assert_int_equal(template_check(text, &place, error, sizeof error), 0);
	assert_int_equal(
		template_render(text, &values, &filled, &bytes, &place, error, sizeof error), 0);
	assert_string_equal(filled, result);
	assert_int_equal(bytes, strlen(result));
	free(filled);
}

static void expect_error(
	const char *text, int code, unsigned line, unsigned column, const char *why)
{
	struct template_place place;
	char error[128], *filled;
	size_t bytes;

	assert_int_equal(
		template_render(text, &values, &filled, &bytes, &place, error, sizeof error), code);
	assert_null(filled);
	assert_non_null(strstr(error, why));
	assert_int_equal(place.line, line);
	assert_int_equal(place.column, column);
	if (code == -EINVAL) {
		assert_int_equal(template_check(text, &place, error, sizeof error), -EINVAL);
		assert_int_equal(place.line, line);
		assert_int_equal(place.column, column);
	}
}

static void test_values_are_filled_in_unescaped(void **state)
{
	(void)state;
	expect("a {{mac}} {{ vars.disk }}{{{mac}}}{{&mac}} ${ip} {x}",
		"a 52:54:00:aa:00:01 /dev/sda & \"x\" <y>52:54:00:aa:00:0152:54:00:aa:00:01 ${ip} "
		"{x}");
	expect("", "");
}

static void test_sections_ask_whether_a_value_is_set(void **state)
{
	(void)state;
	expect("{{#mac}}yes{{/mac}}{{^mac}}no{{/mac}}", "yes");
	expect("{{#empty}}a{{/empty}}{{#no}}b{{/no}}{{#nothing}}{{gone}}{{/nothing}}"
	       "{{^nothing}}c{{/nothing}}",
		"c");
	expect("{{#mac}}{{#no}}1{{/no}}2{{/mac}}", "2");
}

static void test_a_tag_alone_takes_its_line(void **state)
{
	(void)state;
	expect("a\n  {{#mac}}\n  b\n{{/mac}}\nc\n", "a\n  b\nc\n");
	expect("a\r\n{{! remark }}\r\nb", "a\r\nb");
	expect("a {{! remark }}\nb\n  {{! end }}", "a \nb\n");
	expect("{{mac}}\n", "52:54:00:aa:00:01\n");
}

static void test_other_delimiters(void **state)
{
	(void)state;
	expect("{{=<% %>=}}{{mac}} <%mac%> <%={{ }}=%>{{no}}", "{{mac}} 52:54:00:aa:00:01 no");
}

static void test_errors_name_their_place(void **state)
{
	(void)state;
	expect_error("a\nb {{mac", -EINVAL, 2, 3, "without '}}'");
	expect_error("a\n {{#mac}}\nb", -EINVAL, 2, 2, "'mac' is not closed");
	expect_error("{{/mac}}", -EINVAL, 1, 1, "was not opened");
	expect_error("{{#mac}}{{/no}}", -EINVAL, 1, 9, "closed while 'mac'");
	expect_error("\n\n  {{vars.gone}}", -ENOENT, 3, 3, "{{vars.gone}} is not defined");
	expect_error("{{ }}", -EINVAL, 1, 1, "names nothing");
	expect_error("{{a b}}", -EINVAL, 1, 1, "'a b' is not a name");
	expect_error("{{>file}}", -EINVAL, 1, 1, "cannot be included");
	expect_error("{{=x=}}", -EINVAL, 1, 1, "other delimiters");
	expect_error("{{=abcdefghijkl=}}", -EINVAL, 1, 1, "other delimiters");
	expect_error("{{=123456789 %=}}", -EINVAL, 1, 1, "delimiters are too long");
	expect_error("{{a\033[2J}}", -EINVAL, 1, 1, "'a?[2J' is not a name");
}

static void test_depth_and_size_are_bounded(void **state)
{
	static char text[TEMPLATE_BYTES_MAX + 2];
	struct template_place place;
	char error[128], *filled;
	size_t used = 0, bytes;

	(void)state;
	for (unsigned i = 0; i <= TEMPLATE_DEPTH_MAX; i++) {
		used += (size_t)snprintf(text + used, sizeof text - used, "{{#mac}}");
	}
	assert_int_equal(template_check(text, &place, error, sizeof error), -EINVAL);
	assert_non_null(strstr(error, "too deep"));

	memset(text, 'x', sizeof text - 1);
	assert_int_equal(template_check(text, &place, error, sizeof error), -EINVAL);
	assert_non_null(strstr(error, "65536 bytes"));
	for (used = 0; used + 9 < TEMPLATE_BYTES_MAX;) {
		used += (size_t)snprintf(text + used, sizeof text - used, "{{long}}");
	}
	assert_int_equal(
		template_render(text, &values, &filled, &bytes, &place, error, sizeof error),
		-E2BIG);
	assert_null(filled);
}

struct names {
	char text[256];
};

static bool note(void *ctx, const char *name, struct template_place place, bool section)
{
	struct names *names = ctx;
	size_t used = strlen(names->text);

	snprintf(names->text + used, sizeof names->text - used, "%u:%u %s%s\n", place.line,
		place.column, section ? "#" : "", name);
	return true;
}

static void test_every_name_is_told(void **state)
{
	struct names names = {""};

	(void)state;
	template_each_name(
		"{{mac}}\n{{#vars.x}}{{vars.y}}{{/vars.x}}{{!c}}{{^ip}}{{/ip}}", note, &names);
	assert_string_equal(names.text, "1:1 mac\n2:1 #vars.x\n2:12 vars.y\n2:39 #ip\n");
}

static void test_known_names(void **state)
{
	(void)state;
	assert_true(template_name_is_known("base_url"));
	assert_true(template_name_is_known("vars.disk_2"));
	assert_false(template_name_is_known("vars."));
	assert_false(template_name_is_known("vars.a-b"));
	assert_false(template_name_is_known("diks"));
	assert_string_equal(template_name_variable("vars.disk"), "disk");
	assert_non_null(template_name_at(0));
	assert_null(template_name_at(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_filled_in_unescaped),
		cmocka_unit_test(test_sections_ask_whether_a_value_is_set),
		cmocka_unit_test(test_a_tag_alone_takes_its_line),
		cmocka_unit_test(test_other_delimiters),
		cmocka_unit_test(test_errors_name_their_place),
		cmocka_unit_test(test_depth_and_size_are_bounded),
		cmocka_unit_test(test_every_name_is_told),
		cmocka_unit_test(test_known_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
