/* A file that the disk changed: refused with a line, or what was changed has no meaning to LMDB (a
 * value, an unused page); never a crash, whatever is done with it afterwards. */
#include "tests/unit/kv/kv_fixture.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define FATAL_EXIT 33
#define ENTRIES    3000
#define ROUNDS     400

static void fill(struct fixture *f, uint64_t first, unsigned entries)
{
	uint8_t value[9000];
	uint64_t ticket = 0;

	memset(value, 7, sizeof value);
	for (uint64_t i = first; i < first + entries; i++) {
		char key[40];
		int bytes = snprintf(key, sizeof key, "key of some record, number %06llu",
			(unsigned long long)(i * 7919 % 100000));

		kv_log_append(f->kv, i, 1, 0, value, 150);
		kv_state_put(f->kv, (uint8_t *)key, (size_t)bytes, value,
			i % 50 == 0 ? sizeof value : 60);
		kv_journal_put(f->kv, (uint8_t *)key, (size_t)bytes, value, i % 4 == 0 ? 80 : 0);
		if (i % 3 == 0)
			kv_state_remove(f->kv, (uint8_t *)key, (size_t)bytes);
		if (i % 200 == 0)
			ticket = kv_submit(f->kv, true), fixture_wait(f, ticket);
	}
	kv_log_compact(f->kv, first + entries / 2);
	kv_meta_put(f->kv, "vote", value, 16);
	ticket = kv_submit(f->kv, true);
	fixture_wait(f, ticket);
}

static void on_fatal(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	_exit(FATAL_EXIT);
}

static bool touch(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	for (size_t i = 0; i < key_bytes; i++)
		*(unsigned *)ctx += key[i];
	for (size_t i = 0; i < value_bytes; i++)
		*(unsigned *)ctx += value[i];
	return true;
}

/* As a node would: everything is read, and some is written. 0: all went well. */
static void use(struct fixture *f)
{
	struct kv_config config = fixture_config(f);
	unsigned sum = 0;
	uint64_t first, last;
	char error[512];

	config.on_fatal = on_fatal;
	f->durable = 0;
	if (kv_open(&config, &f->kv, error, sizeof error))
		_exit(strstr(error, "damaged") || strstr(error, "format") ? FATAL_EXIT : 1);
	if (kv_state_each(f->kv, touch, &sum) || kv_journal_each(f->kv, touch, &sum))
		_exit(2);
	kv_log_range(f->kv, &first, &last);
	for (uint64_t i = first; i && i <= last; i++) {
		struct kv_entry entry;

		if (kv_log_get(f->kv, i, &entry))
			_exit(3);
		kv_entry_fini(&entry);
	}
	fill(f, last + 1, 400);
	_exit(0);
}

static int use_in_child(struct fixture *f)
{
	struct rlimit none = {0, 0};
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		assert_int_equal(setrlimit(RLIMIT_CORE, &none), 0);
		use(f);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status)); /* by no signal */
	return WEXITSTATUS(status);
}

static uint8_t *read_file(const char *path, size_t *ret_bytes)
{
	struct stat file;
	uint8_t *bytes;
	int fd = open(path, O_RDONLY);

	assert_int_equal(fstat(fd, &file), 0);
	*ret_bytes = (size_t)file.st_size;
	bytes = malloc(*ret_bytes);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, *ret_bytes), (ssize_t)*ret_bytes);
	close(fd);
	return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, size_t count)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, count), (ssize_t)count);
	close(fd);
}

/* Where damage hurts: half of the flips hit the first bytes of a page, where its head and places
 * are. */
static void flip(uint8_t *bytes, size_t count, unsigned flips, unsigned *seed)
{
	for (unsigned i = 0; i < flips; i++) {
		size_t page = (size_t)rand_r(seed) % (count / 4096);
		size_t at = (size_t)rand_r(seed) % (i % 2 ? 64 : 4096);

		bytes[page * 4096 + at] ^= (uint8_t)(1u << rand_r(seed) % 8);
	}
}

static void a_sound_file_is_taken_at_every_stage(void **state)
{
	struct fixture f;
	struct kv_config config;
	(void)state;

	fixture_init(&f);
	config = fixture_config(&f);
	for (unsigned stage = 0; stage < 8; stage++) {
		uint64_t first, last;

		fixture_open(&f, &config);
		kv_log_range(f.kv, &first, &last);
		fill(&f, last + 1, stage * 300);
		if (stage == 5)
			kv_state_clear(f.kv), kv_log_clear(f.kv);
		fixture_close(&f);
		assert_int_equal(use_in_child(&f), 0);
	}
	fixture_fini(&f);
}

static void flipped_bits_are_found_or_do_no_harm(void **state)
{
	struct fixture f;
	struct kv_config config;
	char path[128];
	unsigned found = 0, seed = 1;
	size_t bytes;
	uint8_t *sound, *damaged;
	(void)state;

	fixture_init(&f);
	config = fixture_config(&f);
	fixture_open(&f, &config);
	fill(&f, 1, ENTRIES);
	fixture_close(&f);
	snprintf(path, sizeof path, "%s/data.mdb", f.directory);
	sound = read_file(path, &bytes);
	damaged = malloc(bytes);
	assert_non_null(damaged);
	for (unsigned round = 0; round < ROUNDS; round++) {
		int exit_code;

		memcpy(damaged, sound, bytes);
		flip(damaged, bytes, 1u << round % 9, &seed);
		write_file(path, damaged, bytes);
		exit_code = use_in_child(&f);
		if (exit_code != 0 && exit_code != FATAL_EXIT)
			fail_msg("round %u: exit %d", round, exit_code);
		found += exit_code == FATAL_EXIT;
	}
	print_message(
		"[ MEASURED ] %zu pages, %u files, %u refused\n", bytes / 4096, ROUNDS, found);
	assert_true(found > ROUNDS / 2);
	write_file(path, sound, bytes);
	assert_int_equal(use_in_child(&f), 0);
	free(sound);
	free(damaged);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_file_is_taken_at_every_stage),
		cmocka_unit_test(flipped_bits_are_found_or_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
