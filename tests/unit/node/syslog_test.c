/* Log lines of machines: as they are read, and how many are taken. */
#include "node/syslog/syslog_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *datagram, unsigned severity, const char *text)
{
	struct syslog_line line;
	size_t bytes = strlen(datagram);
	uint8_t *exact = malloc(bytes + (bytes == 0)); /* a read past the end is seen */
	assert_non_null(exact);
	memcpy(exact, datagram, bytes);
	assert_true(syslog_line_parse(exact, bytes, &line));
	assert_string_equal(line.text, text);
	assert_int_equal(line.severity, severity);
	free(exact);
}

static void lines_of_rfc_3164_lose_time_and_host(void **state)
{
	(void)state;
	expect("<6>Nov 23 04:05:06 n01 kernel: Linux version 6.1\n", 6,
		"kernel: Linux version 6.1");
	expect("<11>Nov  3 04:05:06 n01 sshd[12]: no", 3, "sshd[12]: no");
	expect("<13>Nov 23 04:05:06 syslogd started: BusyBox", 5, "started: BusyBox");
	expect("<13>Nov 23 04:05:06 root: from busybox", 5, "root: from busybox");
	expect("<13>no time: at all", 5, "no time: at all");
	expect("no priority", SYSLOG_SEVERITY_NONE, "no priority");
	expect("<999>not one", SYSLOG_SEVERITY_NONE, "<999>not one");
	expect("<13", SYSLOG_SEVERITY_NONE, "<13");
}

static void lines_of_rfc_5424_keep_application_and_message(void **state)
{
	(void)state;
	expect("<165>1 2003-10-11T22:14:15.003Z n01 evntslog 77 ID47 - started", 5,
		"evntslog[77]: started");
	expect("<165>1 2003-10-11T22:14:15.003Z n01 app - - [x@1 a=\"b\\\"]c\"][y@2] "
	       "\xef\xbb\xbfhi",
		5, "app: hi");
	expect("<165>1 - - - - - - text", 5, "text");
	expect("<13>1 is not a version here", 5, "1 is not a version here");
}

static void control_bytes_do_not_get_through_and_long_lines_are_cut(void **state)
{
	char longest[1000];
	struct syslog_line line;
	(void)state;
	expect("<13>a\x1b[31mred\tb\x7f", 5, "a?[31mred?b?");
	expect("<13>gr\xc3\xbc\xc3\x9f", 5, "gr\xc3\xbc\xc3\x9f");
	memset(longest, 'x', sizeof longest);
	assert_true(syslog_line_parse((const uint8_t *)longest, sizeof longest, &line));
	assert_int_equal(strlen(line.text), SYSLOG_TEXT_BYTES - 1);
	assert_false(syslog_line_parse((const uint8_t *)"<13> \n", 6, &line));
	assert_false(syslog_line_parse((const uint8_t *)"", 0, &line));
}

static void a_sender_has_its_share_and_what_is_left_out_is_told_once(void **state)
{
	struct syslog_rate *rate = calloc(1, sizeof *rate);
	unsigned allowed = 0;
	uint32_t ip = 0;
	(void)state;
	assert_non_null(rate);
	for (unsigned i = 0; i < 500; i++) {
		allowed += syslog_rate_allows(rate, 1, 5000);
	}
	assert_int_equal(allowed, SYSLOG_LINES_PER_S);
	assert_true(syslog_rate_allows(rate, 2, 5000)); /* another machine has its own */
	assert_int_equal(syslog_rate_left_out(rate, 5999, &ip), 0);
	assert_int_equal(syslog_rate_left_out(rate, 6000, &ip), 500 - SYSLOG_LINES_PER_S);
	assert_int_equal(ip, 1);
	assert_int_equal(syslog_rate_left_out(rate, 6000, &ip), 0);
	assert_true(syslog_rate_allows(rate, 1, 6000));
	free(rate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_rfc_3164_lose_time_and_host),
		cmocka_unit_test(lines_of_rfc_5424_keep_application_and_message),
		cmocka_unit_test(control_bytes_do_not_get_through_and_long_lines_are_cut),
		cmocka_unit_test(a_sender_has_its_share_and_what_is_left_out_is_told_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
