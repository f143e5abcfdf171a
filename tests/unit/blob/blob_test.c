/* The blob store: what is visible is complete and right, whatever happens to its writers [P7]. */
#include "store/blob/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	struct blob_store *store;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static struct blob_store *open_store(const char *dir)
{
	struct blob_store *store = NULL;
	char error[256] = "";

	assert_int_equal(blob_store_open(dir, &store, error, sizeof error), 0);
	assert_string_equal(error, "");
	return store;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	strcpy(f->dir, "/tmp/blob_test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->store = open_store(f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	blob_store_close(f->store);
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void sha(const void *data, size_t bytes, uint8_t out[32])
{
	struct blob_hash *hash = blob_hash_new();

	blob_hash_update(hash, data, bytes);
	blob_hash_final(hash, out);
}

static uint8_t *pattern(size_t bytes)
{
	uint8_t *data = malloc(bytes);
	uint32_t x = 12345;

	for (size_t i = 0; i < bytes; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (uint8_t)(x >> 24);
	}
	return data;
}

static void put(struct blob_store *store, const void *data, size_t bytes, uint8_t sha256[32])
{
	struct blob_writer *writer;
	uint64_t have = 99;

	sha(data, bytes, sha256);
	assert_int_equal(blob_writer_open(store, sha256, bytes, false, &writer, &have), 0);
	assert_int_equal(have, 0);
	assert_int_equal(blob_writer_append(writer, data, bytes), 0);
	assert_int_equal(blob_writer_commit(writer), 0);
}

static void path_of(const struct fixture *f, const char *folder, const uint8_t sha256[32],
	const char *suffix, char out[256])
{
	int used = folder != NULL ? snprintf(out, 256, "%s/%s/", f->dir, folder)
				  : snprintf(out, 256, "%s/%02x/", f->dir, sha256[0]);

	for (int i = 0; i < 32; i++) {
		used += snprintf(out + used, 256 - (size_t)used, "%02x", sha256[i]);
	}
	snprintf(out + used, 256 - (size_t)used, "%s", suffix);
}

static void test_hash_is_sha256(void **state)
{
	static const uint8_t abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41,
		0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
		0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	uint8_t out[32];

	(void)state;
	sha("abc", 3, out);
	assert_memory_equal(out, abc, 32);
}

static void test_what_was_written_is_read_back(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = pattern(300000), *back = malloc(300001), sha256[32];
	uint64_t bytes = 0;
	int fd;

	put(f->store, data, 300000, sha256);
	assert_true(blob_exists(f->store, sha256, &bytes));
	assert_int_equal(bytes, 300000);
	fd = blob_open(f->store, sha256, &bytes);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, back, 300001), 300000);
	assert_memory_equal(back, data, 300000);
	assert_true(write(fd, "x", 1) < 0);
	close(fd);
	assert_int_equal(blob_verify(f->store, sha256), 0);
	assert_int_equal(blob_remove(f->store, sha256), 0);
	assert_false(blob_exists(f->store, sha256, NULL));
	assert_int_equal(blob_open(f->store, sha256, NULL), -ENOENT);
	assert_int_equal(blob_verify(f->store, sha256), -ENOENT);
	free(data);
	free(back);
}

static void test_an_empty_file_is_a_blob(void **state)
{
	struct fixture *f = *state;
	uint8_t sha256[32];
	uint64_t bytes = 1;

	put(f->store, "", 0, sha256);
	assert_true(blob_exists(f->store, sha256, &bytes));
	assert_int_equal(bytes, 0);
}

static void test_wrong_bytes_are_refused(void **state)
{
	struct fixture *f = *state;
	struct blob_writer *writer;
	uint8_t sha256[32];
	uint64_t have;

	sha("right", 5, sha256);
	assert_int_equal(blob_writer_open(f->store, sha256, 5, false, &writer, &have), 0);
	assert_int_equal(blob_writer_append(writer, "wrong", 5), 0);
	assert_int_equal(blob_writer_commit(writer), -EBADMSG);
	assert_false(blob_exists(f->store, sha256, NULL));
	/* too short, too long */
	assert_int_equal(blob_writer_open(f->store, sha256, 5, true, &writer, &have), 0);
	assert_int_equal(have, 0);
	assert_int_equal(blob_writer_append(writer, "righ", 4), 0);
	assert_int_equal(blob_writer_append(writer, "ts", 2), -EBADMSG);
	assert_int_equal(blob_writer_commit(writer), -EBADMSG);
	assert_false(blob_exists(f->store, sha256, NULL));
	put(f->store, "right", 5, sha256);
	assert_true(blob_exists(f->store, sha256, NULL));
}

static void test_a_damaged_blob_is_set_aside(void **state)
{
	struct fixture *f = *state;
	uint8_t sha256[32];
	char path[256];
	int fd;

	put(f->store, "some bytes", 10, sha256);
	path_of(f, NULL, sha256, "", path);
	assert_int_equal(chmod(path, 0600), 0);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, 3), 1);
	close(fd);
	assert_int_equal(blob_verify(f->store, sha256), -EBADMSG);
	assert_false(blob_exists(f->store, sha256, NULL));
	path_of(f, "bad", sha256, "", path);
	assert_int_equal(access(path, F_OK), 0);
	put(f->store, "some bytes", 10, sha256);
	assert_int_equal(blob_verify(f->store, sha256), 0);
}

static void test_a_kept_write_is_resumed(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = pattern(100000), sha256[32];
	struct blob_writer *writer;
	uint64_t have = 0;

	sha(data, 100000, sha256);
	assert_int_equal(blob_writer_open(f->store, sha256, 100000, false, &writer, &have), 0);
	assert_int_equal(blob_writer_append(writer, data, 60001), 0);
	blob_writer_abort(writer, true);
	blob_store_close(f->store);
	f->store = open_store(f->dir);
	assert_false(blob_exists(f->store, sha256, NULL));
	assert_int_equal(blob_writer_open(f->store, sha256, 100000, true, &writer, &have), 0);
	assert_int_equal(have, 60001);
	assert_int_equal(blob_writer_append(writer, data + 60001, 39999), 0);
	assert_int_equal(blob_writer_commit(writer), 0);
	assert_int_equal(blob_verify(f->store, sha256), 0);
	free(data);
}

static void test_an_aborted_write_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct blob_writer *writer;
	uint8_t sha256[32];
	char path[256];
	uint64_t have;

	sha("abcdef", 6, sha256);
	assert_int_equal(blob_writer_open(f->store, sha256, 6, false, &writer, &have), 0);
	assert_int_equal(blob_writer_append(writer, "abc", 3), 0);
	path_of(f, "incoming", sha256, ".part", path);
	assert_int_equal(access(path, F_OK), 0);
	blob_writer_abort(writer, false);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(blob_writer_open(f->store, sha256, 6, true, &writer, &have), 0);
	assert_int_equal(have, 0);
	blob_writer_abort(writer, false);
}

static void test_two_writers_of_one_blob_do_not_meet(void **state)
{
	struct fixture *f = *state;
	struct blob_writer *one, *two;
	uint8_t sha256[32];
	uint64_t have;

	sha("abcdef", 6, sha256);
	assert_int_equal(blob_writer_open(f->store, sha256, 6, false, &one, &have), 0);
	assert_int_equal(blob_writer_open(f->store, sha256, 6, true, &two, &have), -EBUSY);
	assert_int_equal(blob_writer_append(one, "abcdef", 6), 0);
	assert_int_equal(blob_writer_commit(one), 0);
	assert_true(blob_exists(f->store, sha256, NULL));
}

static void test_a_full_disk_is_refused_before_the_first_byte(void **state)
{
	struct fixture *f = *state;
	struct blob_writer *writer = NULL;
	uint8_t sha256[32] = {1};
	uint64_t have;

	assert_int_equal(
		blob_writer_open(f->store, sha256, UINT64_MAX / 2, false, &writer, &have), -ENOSPC);
	assert_int_equal(
		blob_writer_open(f->store, sha256, UINT64_MAX, false, &writer, &have), -ENOSPC);
	assert_null(writer);
}

static void test_room_is_kept_for_the_state(void **state)
{
	const uint64_t gib = UINT64_C(1) << 30;

	(void)state;
	assert_int_equal(blob_reserve_bytes(100 * gib), 5 * gib);
	assert_int_equal(blob_reserve_bytes(15 * gib), gib);    /* at least 1 GiB */
	assert_int_equal(blob_reserve_bytes(5 * gib), gib / 2); /* but no more than a tenth */
	assert_int_equal(blob_reserve_bytes(0), 0);
}

static void test_many_small_blobs_are_each_judged(void **state)
{
	struct fixture *f = *state;
	struct blob_writer *writer;
	struct blob_small files[4];
	uint64_t bytes;

	for (size_t i = 0; i < 4; i++) {
		static const char *const data[4] = {"good", "wrong", "busy", "here"};
		struct blob_hash *hash = blob_hash_new();
		files[i] = (struct blob_small){
			.data = (const uint8_t *)data[i], .bytes = strlen(data[i])};
		blob_hash_update(hash, data[i], files[i].bytes);
		blob_hash_final(hash, files[i].sha256);
	}
	files[1].sha256[0] ^= 1;
	assert_int_equal(blob_writer_open(f->store, files[2].sha256, 4, false, &writer, NULL), 0);
	blob_write_many(f->store, files + 3, 1);
	assert_int_equal(files[3].error, 0);
	blob_write_many(f->store, files, 4);
	assert_int_equal(files[0].error, 0);
	assert_int_equal(files[1].error, -EBADMSG);
	assert_int_equal(files[2].error, -EBUSY);
	assert_int_equal(files[3].error, 0);
	assert_int_equal(blob_verify(f->store, files[0].sha256), 0);
	assert_false(blob_exists(f->store, files[1].sha256, &bytes));
	assert_false(blob_exists(f->store, files[2].sha256, &bytes));
	blob_writer_abort(writer, false);
	blob_write_many(f->store, files + 2, 1); /* its lock was given back */
	assert_int_equal(files[2].error, 0);
}

/* A child writes until it is shot, again and again: never is an incomplete blob visible, and the
 * last try completes. */
static void test_kill_during_a_write_shows_nothing_incomplete(void **state)
{
	struct fixture *f = *state;
	const size_t bytes = 8u << 20;
	uint8_t *data = pattern(bytes), sha256[32];
	struct blob_writer *writer;
	uint64_t have = 0, longest = 0;

	sha(data, bytes, sha256);
	for (int round = 0; round < 12; round++) {
		int ready[2], status;
		pid_t pid;
		char c;
		assert_int_equal(pipe(ready), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			if (blob_writer_open(f->store, sha256, bytes, true, &writer, &have) != 0) {
				_exit(3);
			}
			for (size_t at = (size_t)have; at + 4096 < bytes; at += 4096) {
				if (blob_writer_append(writer, data + at, 4096) != 0 ||
					(at == have && write(ready[1], "x", 1) != 1)) {
					_exit(4);
				}
				usleep(50);
			}
			pause();
		}
		assert_int_equal(read(ready[0], &c, 1), 1);
		usleep((useconds_t)(round * 700));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		close(ready[0]);
		close(ready[1]);
		blob_store_close(f->store);
		f->store = open_store(f->dir);
		assert_false(blob_exists(f->store, sha256, NULL));
		assert_int_equal(
			blob_writer_open(f->store, sha256, bytes, true, &writer, &have), 0);
		assert_true(have > 0 && have >= longest);
		longest = have;
		blob_writer_abort(writer, true);
	}
	assert_int_equal(blob_writer_open(f->store, sha256, bytes, true, &writer, &have), 0);
	assert_int_equal(blob_writer_append(writer, data + have, bytes - have), 0);
	assert_int_equal(blob_writer_commit(writer), 0);
	assert_int_equal(blob_verify(f->store, sha256), 0);
	free(data);
}

/* Children commit the same and other blobs and are shot anywhere: whatever is visible afterwards
 * verifies. */
static void test_kill_during_commits_leaves_only_whole_blobs(void **state)
{
	struct fixture *f = *state;
	unsigned seen = 0;

	for (int round = 0; round < 10; round++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			for (uint32_t n = 0;; n++) {
				uint8_t data[5000], sha256[32];
				struct blob_writer *writer;
				uint64_t have;
				memset(data, (int)n, sizeof data);
				memcpy(data, &n, sizeof n);
				sha(data, sizeof data, sha256);
				if (blob_writer_open(f->store, sha256, sizeof data, false, &writer,
					    &have) == 0) {
					blob_writer_append(writer, data, sizeof data);
					blob_writer_commit(writer);
				}
			}
		}
		usleep((useconds_t)(20000 + round * 1500));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	blob_store_close(f->store);
	f->store = open_store(f->dir);
	for (uint32_t n = 0; n < 2000; n++) {
		uint8_t data[5000], sha256[32];
		memset(data, (int)n, sizeof data);
		memcpy(data, &n, sizeof n);
		sha(data, sizeof data, sha256);
		if (blob_exists(f->store, sha256, NULL)) {
			assert_int_equal(blob_verify(f->store, sha256), 0);
			seen++;
		}
	}
	assert_true(seen > 0);
}

static bool count_one(void *ctx, const uint8_t sha256[32], uint64_t bytes)
{
	uint64_t *sum = ctx;

	(void)sha256;
	sum[0]++;
	sum[1] += bytes;
	return sum[0] < sum[2];
}

static void test_each_visits_blobs_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	uint64_t sum[3] = {0, 0, 100};
	uint8_t sha256[32];
	char path[256];

	for (size_t i = 1; i <= 20; i++) {
		uint8_t *data = pattern(i);
		put(f->store, data, i, sha256);
		free(data);
	}
	snprintf(path, sizeof path, "%s/%02x/README", f->dir, sha256[0]);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(blob_each(f->store, count_one, sum), 0);
	assert_int_equal(sum[0], 20);
	assert_int_equal(sum[1], 210);
	sum[0] = 0;
	sum[2] = 3;
	assert_int_equal(blob_each(f->store, count_one, sum), 0);
	assert_int_equal(sum[0], 3);
}

static void test_a_store_that_cannot_be_made_says_which(void **state)
{
	struct blob_store *store;
	char error[256];

	(void)state;
	assert_int_equal(blob_store_open("/nonexistent/a/b", &store, error, sizeof error), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/a/b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_is_sha256),
		cmocka_unit_test_setup_teardown(
			test_what_was_written_is_read_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_empty_file_is_a_blob, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_bytes_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_damaged_blob_is_set_aside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_kept_write_is_resumed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_an_aborted_write_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_two_writers_of_one_blob_do_not_meet, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_full_disk_is_refused_before_the_first_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_kill_during_a_write_shows_nothing_incomplete, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_kill_during_commits_leaves_only_whole_blobs, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_each_visits_blobs_and_nothing_else, setup, teardown),
		cmocka_unit_test(test_a_store_that_cannot_be_made_says_which),
		cmocka_unit_test(test_room_is_kept_for_the_state),
		cmocka_unit_test_setup_teardown(
			test_many_small_blobs_are_each_judged, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
