/* What pxed says offline, as pxectl reads it. */
#include "ctl/offline.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_lines_are_read(void **state)
{
	struct offline_info info;

	(void)state;
	assert_int_equal(offline_parse("cluster lab\nnode pxe3\nself 3\nepoch 2\napplied 18342\n"
				       "last 18345\nstamp_ms 1763820000000\nleases 371\n"
				       "unknown_s 4200\n"
				       "member 1 pxe1 voter 10.20.0.11:7440\n"
				       "member 3 pxe3 voter 10.20.0.13:7440\n"
				       "something new\n",
				 &info),
		0);
	assert_string_equal(info.cluster, "lab");
	assert_string_equal(info.node, "pxe3");
	assert_int_equal(info.self, 3);
	assert_int_equal(info.epoch, 2);
	assert_int_equal(info.applied, 18342);
	assert_int_equal(info.leases, 371);
	assert_int_equal(info.unknown_s, 4200);
	assert_int_equal(info.member_count, 2);
	assert_int_equal(info.member[1].id, 3);
	assert_string_equal(info.member[0].name, "pxe1");
	assert_string_equal(info.member[0].role, "voter");
	assert_string_equal(info.member[0].address, "10.20.0.11:7440");
}

static void test_what_is_malformed_leaves_all_as_it_was(void **state)
{
	static const char *const wrong[] = {"", "node pxe3\n", "cluster lab\nepoch two\n",
		"cluster lab\nepoch\n", "cluster lab\nmember 1 pxe1\n",
		"cluster lab\nmember x pxe1 voter a\n", "cluster lab\nleases -1\n"};
	struct offline_info info = {.self = 77};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(offline_parse(wrong[i], &info), -EINVAL);
		assert_int_equal(info.self, 77);
	}
}

static void test_more_members_than_a_cluster_has_are_refused(void **state)
{
	char text[2048] = "cluster lab\n";
	struct offline_info info;

	(void)state;
	for (unsigned i = 0; i < OFFLINE_MEMBERS_MAX; i++) {
		strcat(text, "member 1 pxe1 voter a:1\n");
	}
	assert_int_equal(offline_parse(text, &info), 0);
	assert_int_equal(info.member_count, OFFLINE_MEMBERS_MAX);
	strcat(text, "member 1 pxe1 voter a:1\n");
	assert_int_equal(offline_parse(text, &info), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_are_read),
		cmocka_unit_test(test_what_is_malformed_leaves_all_as_it_was),
		cmocka_unit_test(test_more_members_than_a_cluster_has_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
