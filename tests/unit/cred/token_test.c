/* Join tokens: what is written is read back; whatever happens to the text on its way is found and
 * named. */
#include "proto/cred/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <ctype.h>

#define EXPIRES 1795376208u

static struct token sample(size_t addresses)
{
	struct token token;

	memset(&token, 0, sizeof token);
	token.kind = 1;
	for (size_t i = 0; i < 32; i++) {
		token.api_public_key[i] = (uint8_t)(i * 7);
	}
	memset(token.cluster_id, 0xa5, sizeof token.cluster_id);
	memset(token.id, 0x11, sizeof token.id);
	memset(token.secret, 0xfe, sizeof token.secret);
	token.expires_s = EXPIRES;
	token.address_count = addresses;
	for (size_t i = 0; i < addresses; i++) {
		token.address[i] =
			(struct token_address){0x0a14000bu + (uint32_t)i, (uint16_t)(7442 + i)};
	}
	return token;
}

static void test_what_is_written_is_read_back(void **state)
{
	(void)state;
	for (size_t n = 0; n <= TOKEN_ADDRESSES_MAX; n++) {
		struct token token = sample(n), read;
		char text[TOKEN_TEXT_BYTES];
		assert_int_equal(
			token_parse(token_format(&token, text), EXPIRES - 1, &read), TOKEN_OK);
		assert_memory_equal(&token, &read, sizeof token);
	}
}

static void test_length_is_that_of_one_line(void **state)
{
	(void)state;
	struct token token = sample(3);
	char text[TOKEN_TEXT_BYTES];
	assert_in_range(strlen(token_format(&token, text)), 140, 180);
}

static void test_case_and_blanks_around_do_not_matter(void **state)
{
	(void)state;
	struct token token = sample(2), read;
	char text[TOKEN_TEXT_BYTES], mixed[TOKEN_TEXT_BYTES + 8] = " \t";
	token_format(&token, text);
	for (size_t i = 0; text[i] != '\0'; i++) {
		text[i] = (char)tolower((unsigned char)text[i]);
	}
	strcat(mixed, text);
	strcat(mixed, "\n");
	assert_int_equal(token_parse(mixed, 0, &read), TOKEN_OK);
	assert_memory_equal(&token, &read, sizeof token);
}

static void test_every_single_mistyped_character_is_found(void **state)
{
	(void)state;
	struct token token = sample(2), read, untouched;
	char text[TOKEN_TEXT_BYTES];
	memset(&read, 0x5c, sizeof read);
	untouched = read;
	token_format(&token, text);
	for (size_t i = 5; text[i] != '\0'; i++) {
		char right = text[i];
		for (const char *wrong = "ABCDEFGHIJKLMNOPQRSTUVWXYZ2345670189-"; *wrong != '\0';
			wrong++) {
			if (*wrong == right) {
				continue;
			}
			text[i] = *wrong;
			enum token_problem problem = token_parse(text, 0, &read);
			assert_true(problem == TOKEN_MISTYPED || problem == TOKEN_TRUNCATED);
			assert_memory_equal(&read, &untouched, sizeof read);
		}
		text[i] = right;
	}
}

static void test_swapped_neighbours_are_found(void **state)
{
	(void)state;
	struct token token = sample(1), read;
	char text[TOKEN_TEXT_BYTES];
	token_format(&token, text);
	for (size_t i = 5; text[i + 1] != '\0'; i++) {
		char first = text[i], second = text[i + 1];
		if (first == second) {
			continue;
		}
		text[i] = second;
		text[i + 1] = first;
		assert_int_not_equal(token_parse(text, 0, &read), TOKEN_OK);
		text[i] = first;
		text[i + 1] = second;
	}
}

static void test_a_missing_end_is_called_truncated(void **state)
{
	(void)state;
	struct token token = sample(2), read;
	char text[TOKEN_TEXT_BYTES];
	token_format(&token, text);
	for (size_t length = strlen(text) - 1; length >= 4; length--) {
		text[length] = '\0';
		assert_int_equal(token_parse(text, 0, &read), TOKEN_TRUNCATED);
	}
}

static void test_longer_text_is_mistyped(void **state)
{
	(void)state;
	struct token token = sample(4), read;
	char text[2 * TOKEN_TEXT_BYTES];
	token_format(&token, text);
	for (unsigned i = 0; i < 40; i++) {
		strcat(text, "A");
		assert_int_equal(token_parse(text, 0, &read), TOKEN_MISTYPED);
	}
	token_format(&token, text);
	strcat(text, " and more");
	assert_int_equal(token_parse(text, 0, &read), TOKEN_MISTYPED);
}

static void test_other_texts_are_told_apart(void **state)
{
	(void)state;
	struct token read;
	assert_int_equal(token_parse("", 0, &read), TOKEN_NOT_A_TOKEN);
	assert_int_equal(token_parse("hello", 0, &read), TOKEN_NOT_A_TOKEN);
	assert_int_equal(token_parse("pxe", 0, &read), TOKEN_NOT_A_TOKEN);
	assert_int_equal(token_parse("pxe1-AAAA", 0, &read), TOKEN_NOT_A_TOKEN);
	assert_int_equal(token_parse("pxe2.AAAA", 0, &read), TOKEN_OTHER_VERSION);
	assert_int_equal(token_parse("pxe12.AAAA", 0, &read), TOKEN_OTHER_VERSION);
	assert_int_equal(token_parse("pxe1.", 0, &read), TOKEN_TRUNCATED);
}

static void test_expiry_is_told_and_the_token_is_read_all_the_same(void **state)
{
	(void)state;
	struct token token = sample(1), read;
	char text[TOKEN_TEXT_BYTES];
	token_format(&token, text);
	assert_int_equal(token_parse(text, EXPIRES, &read), TOKEN_EXPIRED);
	assert_memory_equal(&token, &read, sizeof token);
	assert_int_equal(token_parse(text, 0, &read), TOKEN_OK);
}

static void test_hash_differs_with_the_secret(void **state)
{
	(void)state;
	uint8_t secret[TOKEN_SECRET_BYTES] = {0}, first[32], second[32];
	token_hash_secret(secret, first);
	secret[15] ^= 1;
	token_hash_secret(secret, second);
	assert_memory_not_equal(first, second, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_length_is_that_of_one_line),
		cmocka_unit_test(test_case_and_blanks_around_do_not_matter),
		cmocka_unit_test(test_every_single_mistyped_character_is_found),
		cmocka_unit_test(test_swapped_neighbours_are_found),
		cmocka_unit_test(test_a_missing_end_is_called_truncated),
		cmocka_unit_test(test_longer_text_is_mistyped),
		cmocka_unit_test(test_other_texts_are_told_apart),
		cmocka_unit_test(test_expiry_is_told_and_the_token_is_read_all_the_same),
		cmocka_unit_test(test_hash_differs_with_the_secret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
