/* The text that names a version: same files, same text, whatever their order; nothing that could
 * leave the image. */
#include "proto/msg/manifest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Pxe__ImageFile store[8];
static Pxe__ImageFile *list[8];
static uint8_t hashes[8][32];

static Pxe__ImageVersion version_of(const char *const *paths, size_t count)
{
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;

	for (size_t i = 0; i < count; i++) {
		memset(hashes[i], (int)(paths[i][0]), 32);
		pxe__image_file__init(&store[i]);
		store[i].path = (char *)(uintptr_t)paths[i];
		store[i].bytes = strlen(paths[i]);
		store[i].sha256.data = hashes[i];
		store[i].sha256.len = 32;
		list[i] = &store[i];
	}
	version.files = list;
	version.n_files = count;
	return version;
}

static void test_text_is_sorted_by_path(void **state)
{
	static const char *const paths[] = {"b", "a/c", "a-x", "a/b b"};
	static const char expected[] =
		"6161616161616161616161616161616161616161616161616161616161616161  3  a-x\n"
		"6161616161616161616161616161616161616161616161616161616161616161  5  a/b b\n"
		"6161616161616161616161616161616161616161616161616161616161616161  3  a/c\n"
		"6262626262626262626262626262626262626262626262626262626262626262  1  b\n";
	Pxe__ImageVersion version = version_of(paths, 4);
	Pxe__ImageFile *first = list[0];
	size_t bytes;
	char *text;

	(void)state;
	assert_int_equal(manifest_text(&version, &text, &bytes), 0);
	assert_string_equal(text, expected);
	assert_int_equal(bytes, strlen(expected));
	free(text);
	list[0] = list[3];
	list[3] = first;
	assert_int_equal(manifest_text(&version, &text, &bytes), 0);
	assert_string_equal(text, expected);
	free(text);
	assert_ptr_equal(list[3], first); /* the caller's order stays */
}

static void test_bad_paths_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/..", "./a", "a\\b", "a\nb", "\x7f"};
	char error[256], longest[MANIFEST_PATH_MAX + 2];
	const char *path = longest;
	Pxe__ImageVersion version;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		version = version_of(&bad[i], 1);
		assert_int_equal(manifest_check(&version, error, sizeof error), -EINVAL);
		assert_null(strchr(error, '\n'));
	}
	memset(longest, 'a', sizeof longest);
	longest[MANIFEST_PATH_MAX + 1] = '\0';
	version = version_of(&path, 1);
	assert_int_equal(manifest_check(&version, error, sizeof error), -EINVAL);
	longest[MANIFEST_PATH_MAX] = '\0';
	assert_int_equal(manifest_check(&version, error, sizeof error), 0);
}

static void test_bad_lists_are_refused(void **state)
{
	static const char *const twice[] = {"a", "b", "a"}, *const below[] = {"x", "a/b/c", "a/b"},
				 *const fine[] = {"a", "a.b", "ab/c"};
	Pxe__ImageVersion version = version_of(twice, 3);
	char error[256];

	(void)state;
	assert_int_equal(manifest_check(&version, error, sizeof error), -EINVAL);
	version = version_of(below, 3);
	assert_int_equal(manifest_check(&version, error, sizeof error), -EINVAL);
	version = version_of(fine, 3);
	assert_int_equal(manifest_check(&version, error, sizeof error), 0);
	version.bytes = 8;
	assert_int_equal(manifest_check(&version, error, sizeof error), 0);
	version.bytes = 9;
	assert_int_equal(manifest_check(&version, error, sizeof error), -EINVAL);
	version.bytes = 0;
	store[1].sha256.len = 31;
	assert_int_equal(manifest_check(&version, error, sizeof error), -EINVAL);
	store[1].sha256.len = 32;
	store[0].bytes = store[1].bytes = UINT64_MAX;
	assert_int_equal(manifest_check(&version, error, sizeof error), -EINVAL);
	version.n_files = 0;
	assert_int_equal(manifest_check(&version, error, sizeof error), -EINVAL);
	version.n_files = MANIFEST_FILES_MAX + 1;
	assert_int_equal(manifest_check(&version, error, sizeof error), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_sorted_by_path),
		cmocka_unit_test(test_bad_paths_are_refused),
		cmocka_unit_test(test_bad_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
