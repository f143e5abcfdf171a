/* Backup files: what is written is read back; what was cut, altered or continued is refused. */
#include "proto/msg/backup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILE_MAX 65536
#define RECORDS  20

struct file {
	uint8_t data[FILE_MAX];
	size_t bytes;
};

struct seen {
	unsigned headers, records;
	unsigned stop_after; /* 0: never */
	uint64_t revision;
	bool values_right;
};

static void put(void *ctx, const uint8_t *data, size_t bytes)
{
	struct file *file = ctx;

	assert_true(file->bytes + bytes <= FILE_MAX);
	memcpy(file->data + file->bytes, data, bytes);
	file->bytes += bytes;
}

static void fill_value(unsigned i, uint8_t value[300])
{
	memset(value, (int)(i * 7 + 1), 300);
}

static struct file *make_file(void)
{
	struct file *file = calloc(1, sizeof *file);
	Pxe__BackupHeader header = PXE__BACKUP_HEADER__INIT;
	struct backup_writer writer;
	char cluster[] = "lab";
	uint8_t value[300];

	assert_non_null(file);
	header.cluster = cluster;
	header.revision = 42;
	backup_write_header(&writer, file, put, &header);
	for (unsigned i = 0; i < RECORDS; i++) {
		uint8_t key[3] = {'L', 0, (uint8_t)i};
		fill_value(i, value);
		backup_write_record(&writer, key, sizeof key, value, 3 + i * 10);
	}
	backup_write_trailer(&writer);
	assert_false(writer.failed);
	return file;
}

static bool on_header(void *ctx, const Pxe__BackupHeader *header)
{
	struct seen *seen = ctx;

	seen->headers++;
	seen->revision = header->revision;
	assert_string_equal(header->cluster, "lab");
	return true;
}

static bool on_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct seen *seen = ctx;
	uint8_t expected[300];
	unsigned i = seen->records++;

	fill_value(i, expected);
	seen->values_right = (i == 0 || seen->values_right) && key_bytes == 3 && key[2] == i &&
			     value_bytes == 3 + i * 10 && memcmp(value, expected, value_bytes) == 0;
	return seen->stop_after == 0 || seen->records < seen->stop_after;
}

/* In parts of `step` bytes; the result of the end, the error in ret_error. */
static int read_file(const uint8_t *data, size_t bytes, size_t step, struct seen *seen,
	char ret_error[BACKUP_ERROR_BYTES])
{
	struct backup_reader reader = {.ctx = seen, .on_header = on_header, .on_record = on_record};
	int result = 0, end;

	backup_read_begin(&reader);
	for (size_t at = 0; at < bytes && result == 0; at += step) {
		result = backup_read(&reader, data + at, bytes - at < step ? bytes - at : step);
	}
	end = backup_read_end(&reader);
	snprintf(ret_error, BACKUP_ERROR_BYTES, "%s", reader.error);
	return end;
}

static void test_what_was_written_is_read_in_parts_of_any_size(void **state)
{
	static const size_t steps[] = {1, 3, 7, 64, 1000, FILE_MAX};
	struct file *file = make_file();
	char error[BACKUP_ERROR_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct seen seen = {0};
		assert_int_equal(read_file(file->data, file->bytes, steps[i], &seen, error), 0);
		assert_int_equal(seen.headers, 1);
		assert_int_equal(seen.records, RECORDS);
		assert_int_equal(seen.revision, 42);
		assert_true(seen.values_right);
		assert_string_equal(error, "");
	}
	free(file);
}

static void test_a_file_cut_anywhere_is_refused(void **state)
{
	struct file *file = make_file();
	char error[BACKUP_ERROR_BYTES];

	(void)state;
	for (size_t bytes = 0; bytes < file->bytes; bytes++) {
		struct seen seen = {0};
		assert_int_equal(read_file(file->data, bytes, 512, &seen, error), -EBADMSG);
		assert_non_null(strstr(error, bytes < 20 ? "not a backup" : "cut off"));
	}
	free(file);
}

static void test_a_file_altered_anywhere_is_refused(void **state)
{
	struct file *file = make_file();
	char error[BACKUP_ERROR_BYTES];

	(void)state;
	for (size_t at = 0; at < file->bytes; at++) {
		struct backup_reader reader = {.ctx = NULL};
		file->data[at] ^= 0x10;
		backup_read_begin(&reader);
		(void)backup_read(&reader, file->data, file->bytes);
		assert_int_equal(backup_read_end(&reader), -EBADMSG);
		snprintf(error, sizeof error, "%s", reader.error);
		assert_string_not_equal(error, "");
		file->data[at] ^= 0x10;
	}
	free(file);
}

static void test_nothing_may_follow_the_end(void **state)
{
	struct file *file = make_file();
	struct seen seen = {0};
	char error[BACKUP_ERROR_BYTES];

	(void)state;
	file->data[file->bytes] = 'x';
	assert_int_equal(read_file(file->data, file->bytes + 1, 100, &seen, error), -EBADMSG);
	assert_non_null(strstr(error, "follows"));
	free(file);
}

static void test_a_later_format_is_named(void **state)
{
	struct file *file = calloc(1, sizeof *file);
	Pxe__BackupFrame frame = PXE__BACKUP_FRAME__INIT;
	Pxe__BackupHeader header = PXE__BACKUP_HEADER__INIT;
	struct seen seen = {0};
	char error[BACKUP_ERROR_BYTES];
	size_t bytes;

	(void)state;
	assert_non_null(file);
	header.version = 7;
	frame.body_case = PXE__BACKUP_FRAME__BODY_HEADER;
	frame.header = &header;
	put(file, (const uint8_t *)"pxecluster backup 1\n", 20);
	bytes = pxe__backup_frame__get_packed_size(&frame);
	put(file, (const uint8_t[4]){0, 0, 0, (uint8_t)bytes}, 4);
	file->bytes += pxe__backup_frame__pack(&frame, file->data + file->bytes);
	assert_int_equal(read_file(file->data, file->bytes, 100, &seen, error), -EBADMSG);
	assert_non_null(strstr(error, "format 7"));
	assert_int_equal(seen.headers, 0);
	free(file);
}

static void test_a_length_of_gigabytes_takes_no_memory(void **state)
{
	uint8_t data[32] = "pxecluster backup 1\n";
	struct seen seen = {0};
	char error[BACKUP_ERROR_BYTES];

	(void)state;
	memset(data + 20, 0xff, 4);
	assert_int_equal(read_file(data, sizeof data, 32, &seen, error), -EBADMSG);
	assert_non_null(strstr(error, "damaged"));
}

static void test_a_visitor_may_stop(void **state)
{
	struct file *file = make_file();
	struct seen seen = {.stop_after = 5};
	struct backup_reader reader = {
		.ctx = &seen, .on_header = on_header, .on_record = on_record};

	(void)state;
	backup_read_begin(&reader);
	assert_int_equal(backup_read(&reader, file->data, file->bytes), -ECANCELED);
	assert_int_equal(seen.records, 5);
	assert_int_equal(backup_read_end(&reader), -EBADMSG);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_written_is_read_in_parts_of_any_size),
		cmocka_unit_test(test_a_file_cut_anywhere_is_refused),
		cmocka_unit_test(test_a_file_altered_anywhere_is_refused),
		cmocka_unit_test(test_nothing_may_follow_the_end),
		cmocka_unit_test(test_a_later_format_is_named),
		cmocka_unit_test(test_a_length_of_gigabytes_takes_no_memory),
		cmocka_unit_test(test_a_visitor_may_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
