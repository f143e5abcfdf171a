/* Bounded reading and writing: big-endian values, and nothing past the bound whatever the order of
 * calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/cursor.h"

static void reads_big_endian(void **state)
{
	(void)state;
	static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct cursor_reader reader;
	cursor_reader_init(&reader, data, sizeof data);
	assert_int_equal(cursor_u8(&reader), 1);
	assert_int_equal(cursor_u16(&reader), 0x0203);
	assert_int_equal(cursor_u32(&reader), 0x04050607);
	assert_true(cursor_u64(&reader) == 0x08090a0b0c0d0e0full);
	assert_int_equal(cursor_left(&reader), 0);
	assert_false(reader.failed);
}

static void failure_sticks_and_yields_zero(void **state)
{
	(void)state;
	static const uint8_t data[] = {0xff, 0xff, 0xff};
	struct cursor_reader reader;
	cursor_reader_init(&reader, data, sizeof data);
	assert_int_equal(cursor_u32(&reader), 0);
	assert_true(reader.failed);
	assert_int_equal(cursor_u8(&reader), 0); /* although three bytes are left */
	assert_int_equal(cursor_left(&reader), 0);
	uint8_t copy[2] = {7, 7};
	cursor_copy(&reader, copy, 2);
	assert_int_equal(copy[0] | copy[1], 0);
	assert_null(cursor_bytes(&reader, 1));
	assert_null(cursor_string(&reader, NULL));
}

static void u64_is_not_read_by_half(void **state)
{
	(void)state;
	static const uint8_t data[7] = {1, 1, 1, 1, 1, 1, 1};
	struct cursor_reader reader;
	cursor_reader_init(&reader, data, sizeof data);
	assert_true(cursor_u64(&reader) == 0);
	assert_true(reader.failed);
}

static void string_needs_its_nul(void **state)
{
	(void)state;
	static const char data[] = {'a', 'b', 0, 0, 'c'};
	struct cursor_reader reader;
	size_t length = 99;
	cursor_reader_init(&reader, data, sizeof data);
	assert_string_equal(cursor_string(&reader, &length), "ab");
	assert_int_equal(length, 2);
	assert_string_equal(cursor_string(&reader, &length), "");
	assert_int_equal(length, 0);
	assert_null(cursor_string(&reader, &length));
	assert_true(reader.failed);
}

static void empty_input_is_legal(void **state)
{
	(void)state;
	struct cursor_reader reader;
	cursor_reader_init(&reader, NULL, 0);
	cursor_bytes(&reader, 0);
	assert_false(reader.failed);
	cursor_u8(&reader);
	assert_true(reader.failed);
	struct cursor_writer writer;
	cursor_writer_init(&writer, NULL, 0);
	cursor_put_bytes(&writer, NULL, 0);
	assert_false(writer.failed);
	cursor_put_u8(&writer, 1);
	assert_true(writer.failed);
}

static void writes_big_endian(void **state)
{
	(void)state;
	uint8_t data[24];
	struct cursor_writer writer;
	cursor_writer_init(&writer, data, sizeof data);
	cursor_put_u8(&writer, 1);
	cursor_put_u16(&writer, 0x0203);
	cursor_put_u32(&writer, 0x04050607);
	cursor_put_u64(&writer, 0x08090a0b0c0d0e0full);
	cursor_put_fill(&writer, 0xee, 2);
	cursor_put_string(&writer, "hi");
	static const uint8_t expected[] = {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xee, 0xee, 'h', 'i', 0};
	assert_int_equal(writer.size, sizeof expected);
	assert_memory_equal(data, expected, sizeof expected);
	assert_false(writer.failed);
}

static void a_write_that_does_not_fit_leaves_the_rest_untouched(void **state)
{
	(void)state;
	uint8_t data[5] = {9, 9, 9, 9, 9};
	struct cursor_writer writer;
	cursor_writer_init(&writer, data, 3);
	cursor_put_u16(&writer, 0);
	cursor_put_u16(&writer, 0);
	assert_true(writer.failed);
	cursor_put_u8(&writer, 0); /* it would fit, but the error sticks */
	assert_int_equal(writer.size, 2);
	assert_int_equal(data[2], 9);
	assert_int_equal(data[3], 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_big_endian),
		cmocka_unit_test(failure_sticks_and_yields_zero),
		cmocka_unit_test(u64_is_not_read_by_half),
		cmocka_unit_test(string_needs_its_nul),
		cmocka_unit_test(empty_input_is_legal),
		cmocka_unit_test(writes_big_endian),
		cmocka_unit_test(a_write_that_does_not_fit_leaves_the_rest_untouched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
