/* Key files: the format of czmq, Z85 by its published vector, modes, and damaged files. */
#include "proto/cred/keyfile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The public key of ZeroMQ RFC 32's CURVE example. */
static const uint8_t rfc_key[32] = {0xBB, 0x88, 0x47, 0x1D, 0x65, 0xE2, 0x65, 0x9B, 0x30, 0xC5,
	0x5A, 0x53, 0x21, 0xCE, 0xBB, 0x5A, 0xAB, 0x2B, 0x70, 0xA3, 0x98, 0x64, 0x5C, 0x26, 0xDC,
	0xA2, 0xB2, 0xFC, 0xB4, 0x3F, 0xC5, 0x18};
static const char rfc_text[] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

static void test_z85_agrees_with_the_specification(void **state)
{
	(void)state;
	char text[KEYFILE_Z85_BYTES];
	uint8_t key[32];
	assert_string_equal(keyfile_z85_encode(rfc_key, text), rfc_text);
	assert_int_equal(keyfile_z85_decode(rfc_text, key), 0);
	assert_memory_equal(key, rfc_key, 32);
}

static void test_z85_refuses_what_is_not_a_key(void **state)
{
	(void)state;
	uint8_t key[32] = {7}, before[32] = {7};
	assert_int_equal(keyfile_z85_decode("", key), -EINVAL);
	assert_int_equal(
		keyfile_z85_decode("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI", key), -EINVAL);
	assert_int_equal(
		keyfile_z85_decode("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI ", key), -EINVAL);
	/* Five digits that say more than 32 bits. */
	assert_int_equal(
		keyfile_z85_decode("#####w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", key), -EINVAL);
	assert_memory_equal(key, before, 32);
}

static void test_text_is_read_back_and_pairs_are_checked(void **state)
{
	(void)state;
	struct keyfile key, read;
	char text[KEYFILE_TEXT_MAX], error[256] = "";
	assert_int_equal(keyfile_generate("pxe1", &key), 0);
	assert_true(keyfile_format(&key, true, text, sizeof text) > 0);
	assert_non_null(strstr(text, "metadata\n"));
	assert_non_null(strstr(text, "curve\n    public-key = \""));
	assert_int_equal(keyfile_parse(text, "k", &read, error, sizeof error), 0);
	assert_memory_equal(&key, &read, sizeof key);
	/* The secret of another pair. */
	key.secret_key[3] ^= 4;
	assert_true(keyfile_format(&key, true, text, sizeof text) > 0);
	assert_int_equal(keyfile_parse(text, "k", &read, error, sizeof error), -EINVAL);
	assert_non_null(strstr(error, "does not belong"));
}

static void test_public_text_holds_no_secret(void **state)
{
	(void)state;
	struct keyfile key, read;
	char text[KEYFILE_TEXT_MAX], secret[KEYFILE_Z85_BYTES], error[256];
	assert_int_equal(keyfile_generate("x", &key), 0);
	assert_true(keyfile_format(&key, false, text, sizeof text) > 0);
	assert_null(strstr(text, keyfile_z85_encode(key.secret_key, secret)));
	assert_int_equal(keyfile_parse(text, "k", &read, error, sizeof error), 0);
	assert_false(read.has_secret);
	assert_memory_equal(read.public_key, key.public_key, 32);
}

static void test_a_czmq_certificate_is_read(void **state)
{
	(void)state;
	static const char text[] =
		"#   ****  Generated on 2026-11-22 10:00:00 by CZMQ  ****\n"
		"#   ZeroMQ CURVE Public Certificate\n\n"
		"metadata\n    email = \"a@b\"\ncurve\n"
		"    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"\n";
	struct keyfile read;
	char error[256];
	assert_int_equal(keyfile_parse(text, "k", &read, error, sizeof error), 0);
	assert_memory_equal(read.public_key, rfc_key, 32);
}

static void test_errors_name_file_and_line(void **state)
{
	(void)state;
	struct keyfile read;
	char error[256];
	assert_int_equal(keyfile_parse("curve\n  public-key = \"short\"\n", "a/node.key", &read,
				 error, sizeof error),
		-EINVAL);
	assert_string_equal(error, "a/node.key:2: public-key is not 40 characters of Z85");
	assert_int_equal(
		keyfile_parse("nothing here\n", "b.key", &read, error, sizeof error), -EINVAL);
	assert_non_null(strstr(error, "b.key: no public-key"));
}

static void test_files_have_their_modes_and_are_replaced(void **state)
{
	(void)state;
	char directory[] = "/tmp/keyfile-test-XXXXXX", path[64], secret[80], error[512];
	struct keyfile key, read;
	struct stat st;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/node.key", directory);
	snprintf(secret, sizeof secret, "%s_secret", path);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(keyfile_generate("n", &key), 0);
		assert_int_equal(keyfile_save(path, &key, error, sizeof error), 0);
		assert_int_equal(stat(secret, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0644);
		assert_int_equal(keyfile_load_secret(path, &read, error, sizeof error), 0);
		assert_memory_equal(&read, &key, sizeof key);
		assert_int_equal(keyfile_load(path, &read, error, sizeof error), 0);
		assert_false(read.has_secret);
	}
	unlink(secret);
	assert_int_equal(keyfile_load_secret(path, &read, error, sizeof error), -ENOENT);
	assert_non_null(strstr(error, secret));
	unlink(path);
	assert_int_equal(rmdir(directory), 0); /* nothing is left beside */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_z85_agrees_with_the_specification),
		cmocka_unit_test(test_z85_refuses_what_is_not_a_key),
		cmocka_unit_test(test_text_is_read_back_and_pairs_are_checked),
		cmocka_unit_test(test_public_text_holds_no_secret),
		cmocka_unit_test(test_a_czmq_certificate_is_read),
		cmocka_unit_test(test_errors_name_file_and_line),
		cmocka_unit_test(test_files_have_their_modes_and_are_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
