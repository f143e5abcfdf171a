/* File names of ROMs, and text in netascii. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/tftp/tftp_file.h"
#include "node/tftp/tftp_name.h"

static void clean_names_have_one_guess(void **state)
{
	(void)state;
	char name[TFTP_NAME_MAX];
	assert_true(tftp_name_guess("a/b.efi", 7, 0, name));
	assert_string_equal(name, "a/b.efi");
	assert_false(tftp_name_guess("a/b.efi", 7, 1, name));
	assert_false(tftp_name_guess("a/b.efi", 7, 2, name));
}

/* FIELD 3 */
static void bytes_read_past_the_end_are_taken_off(void **state)
{
	(void)state;
	char name[TFTP_NAME_MAX];
	assert_true(tftp_name_guess("x.efi\xff", 6, 0, name));
	assert_string_equal(name, "x.efi\xff");
	assert_true(tftp_name_guess("x.efi\xff", 6, 1, name));
	assert_string_equal(name, "x.efi");
	assert_true(tftp_name_guess("pxelinux.0M\xff", 12, 1, name));
	assert_string_equal(name, "pxelinux.0M");
	assert_true(tftp_name_guess("pxelinux.0M\xff", 12, 2, name));
	assert_string_equal(name, "pxelinux.0");
	assert_true(tftp_name_guess("f \r\n\x01\xff\xff", 7, 1, name));
	assert_string_equal(name, "f");
	assert_false(tftp_name_guess("f\xff", 2, 2, name)); /* nothing would be left */
	assert_false(tftp_name_guess("\xff\xff", 2, 1, name));
}

static void long_names_have_no_guess(void **state)
{
	(void)state;
	char name[TFTP_NAME_MAX], longest[TFTP_NAME_MAX + 1];
	memset(longest, 'a', sizeof longest);
	assert_false(tftp_name_guess(longest, TFTP_NAME_MAX, 0, name));
	assert_true(tftp_name_guess(longest, TFTP_NAME_MAX - 1, 0, name));
	assert_int_equal(strlen(name), TFTP_NAME_MAX - 1);
	assert_false(tftp_name_guess("", 0, 0, name));
}

/* FIELD 57 */
static void only_lists_are_empty_when_missing(void **state)
{
	(void)state;
	assert_true(tftp_name_is_empty_if_missing("grub/x86_64-efi/command.lst"));
	assert_false(tftp_name_is_empty_if_missing("pxelinux.cfg/default"));
	assert_false(tftp_name_is_empty_if_missing(".lst"));
	assert_false(tftp_name_is_empty_if_missing("lst"));
	assert_false(tftp_name_is_empty_if_missing("a.lst.efi"));
}

static void events_show_printable_names(void **state)
{
	(void)state;
	char text[8];
	tftp_name_printable("a b\x1b[1m\xff-long", text, sizeof text);
	assert_string_equal(text, "a b?[1m");
}

/* RFC 764: the end of line is CR LF, a bare CR is CR NUL. */
static void netascii_doubles_line_ends(void **state)
{
	(void)state;
	struct tftp_files files = {{0}};
	struct tftp_file *file = tftp_file_netascii("a\nb\rc\r\n", 7);
	assert_non_null(file);
	assert_int_equal(file->bytes, 11);
	assert_memory_equal(file->data, "a\r\nb\r\0c\r\0\r\n", 11);
	tftp_file_release(&files, file);
	file = tftp_file_netascii("", 0);
	assert_non_null(file);
	assert_int_equal(file->bytes, 0);
	tftp_file_release(&files, file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_names_have_one_guess),
		cmocka_unit_test(bytes_read_past_the_end_are_taken_off),
		cmocka_unit_test(long_names_have_no_guess),
		cmocka_unit_test(only_lists_are_empty_when_missing),
		cmocka_unit_test(events_show_printable_names),
		cmocka_unit_test(netascii_doubles_line_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
