/* A directory that cannot be used is refused with a line that says why; a disk that fails ends the
 * node, and nothing that was not durable has been reported. */
#include "tests/unit/kv/kv_fixture.h"
#include <fcntl.h>
#include <lmdb.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define FATAL_EXIT 33

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture_init(&fixture);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_fini(*state);
	return 0;
}

static int try_open(struct fixture *f, struct kv_config *config, char error[512])
{
	struct kv *kv = NULL;
	int result;

	*error = '\0';
	result = kv_open(config, &kv, error, 512);
	if (result == 0) {
		f->kv = kv;
		fixture_close(f);
	} else {
		assert_null(kv);
		assert_true(strlen(error) > 10);
	}
	return result;
}

static void a_directory_in_use_names_the_process(void **state)
{
	struct fixture *f = *state;
	struct kv_config config = fixture_config(f);
	char error[512], pid[128];
	struct kv *first;

	fixture_open(f, &config);
	first = f->kv;
	assert_int_equal(try_open(f, &config, error), -EBUSY);
	snprintf(pid, sizeof pid, "%s is in use by pid %ld", f->directory, (long)getpid());
	assert_string_equal(error, pid);
	f->kv = first;
	fixture_close(f);
	assert_int_equal(try_open(f, &config, error), 0);
}

static void directories_are_made(void **state)
{
	struct fixture *f = *state;
	struct kv_config config = fixture_config(f);
	char deep[128], error[512];
	struct stat made;

	snprintf(deep, sizeof deep, "%s/a/b//c/", f->directory);
	config.directory = deep;
	assert_int_equal(try_open(f, &config, error), 0);
	assert_int_equal(stat(deep, &made), 0);
	assert_int_equal(made.st_mode & 07777, 0750);
	assert_int_equal(try_open(f, &config, error), 0);
}

static void a_path_that_cannot_be_a_directory_is_said(void **state)
{
	struct fixture *f = *state;
	struct kv_config config = fixture_config(f);
	char path[128], error[512];
	int fd;

	snprintf(path, sizeof path, "%s/file", f->directory);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	config.directory = path;
	assert_int_equal(try_open(f, &config, error), -ENOTDIR);
	assert_non_null(strstr(error, path));
	config.directory = "/proc/nothing/here";
	assert_true(try_open(f, &config, error) < 0);
	assert_non_null(strstr(error, "/proc/nothing/here"));
}

static void too_little_room_is_said_at_open(void **state)
{
	struct fixture *f = *state;
	struct kv_config config = fixture_config(f);
	char error[512];

	config.reserve_bytes = (uint64_t)1 << 50;
	assert_int_equal(try_open(f, &config, error), -ENOSPC);
	assert_non_null(strstr(error, "free some space"));
}

static void write_format(struct fixture *f, uint8_t format)
{
	uint8_t value[4] = {format};
	char name[] = "kv.format";
	MDB_val key = {strlen(name), name}, data = {sizeof value, value};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
	assert_int_equal(mdb_env_open(env, f->directory, 0, 0640), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", MDB_CREATE, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &data, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void a_newer_format_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct kv_config config = fixture_config(f);
	char error[512];

	write_format(f, 9);
	assert_int_equal(try_open(f, &config, error), -EPROTONOSUPPORT);
	assert_non_null(strstr(error, "format 9"));
	write_format(f, 1);
	assert_int_equal(try_open(f, &config, error), 0);
}

static void a_file_that_is_no_database_is_said_to_be_damaged(void **state)
{
	struct fixture *f = *state;
	struct kv_config config = fixture_config(f);
	char path[128], error[512];
	uint8_t noise[65536];
	int fd;

	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (uint8_t)(i * 167 + i / 7);
	snprintf(path, sizeof path, "%s/data.mdb", f->directory);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
	close(fd);
	assert_int_equal(try_open(f, &config, error), -EBADMSG);
	assert_non_null(strstr(error, "damaged"));
	assert_non_null(strstr(error, path));
}

/* ---- what ends the process: in a child, which says through a pipe what it was told */

struct child {
	struct fixture f;
	struct history h;
	int report;
	uint64_t first_unit;
};

struct ending {
	uint64_t reported; /* newest unit that was reported durable */
	char text[512];    /* of on_fatal; "" if it was not called */
};

static void child_on_durable(void *ctx, uint64_t ticket)
{
	struct child *c = ctx;
	struct ending now = {.reported = c->first_unit + ticket - 1};

	if (write(c->report, &now, sizeof now) != sizeof now)
		_exit(4);
}

static void child_on_fatal(void *ctx, const char *text)
{
	struct child *c = ctx;
	struct ending end = {0};

	snprintf(end.text, sizeof end.text, "%s", text);
	if (write(c->report, &end, sizeof end) != sizeof end)
		_exit(4);
	_exit(FATAL_EXIT);
}

static void child_write(struct child *c, struct kv_config *config)
{
	uint8_t big[4000] = {0};
	char error[512];

	config->ctx = c;
	config->loop = &c->f.loop;
	config->on_durable = child_on_durable;
	config->on_fatal = child_on_fatal;
	if (uv_loop_init(&c->f.loop) || kv_open(config, &c->f.kv, error, sizeof error))
		_exit(5);
	c->first_unit = c->h.unit + 1;
	for (;;) {
		history_step(&c->h, c->f.kv);
		memcpy(big, &c->h.unit, sizeof c->h.unit);
		/* Something that only grows; under a prefix of its own. */
		kv_meta_put(c->f.kv,
			(char[]){'b', (char)('a' + c->h.unit % 26),
				(char)('a' + c->h.unit / 26 % 26),
				(char)('a' + c->h.unit / 676 % 26),
				(char)('a' + c->h.unit / 17576 % 26), 0},
			big, sizeof big);
		(void)kv_submit(c->f.kv, true);
		uv_run(&c->f.loop, UV_RUN_NOWAIT);
		while (kv_backlog_bytes(c->f.kv) > 1 << 20)
			uv_run(&c->f.loop, UV_RUN_ONCE);
	}
}

/* Fork, write until it ends, collect. */
static struct ending run_child(struct child *c, struct kv_config *config, rlim_t file_limit)
{
	struct ending end = {0}, one;
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit limit = {file_limit, file_limit};

		close(ends[0]);
		c->report = ends[1];
		signal(SIGXFSZ, SIG_IGN);
		if (file_limit != RLIM_INFINITY && setrlimit(RLIMIT_FSIZE, &limit))
			_exit(6);
		child_write(c, config);
	}
	close(ends[1]);
	while (read(ends[0], &one, sizeof one) == sizeof one) {
		if (*one.text)
			end = (struct ending){.reported = end.reported};
		if (*one.text)
			memcpy(end.text, one.text, sizeof end.text);
		else
			end.reported = one.reported;
	}
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FATAL_EXIT);
	assert_true(end.reported > 0);
	return end;
}

/* After it: everything reported is there, and the rest is whole units. */
static void check_after(struct child *c, struct kv_config *config, const struct ending *end)
{
	uint64_t stored;

	config->loop = &c->f.loop;
	config->on_durable = fixture_on_durable;
	config->on_fatal = fixture_on_fatal;
	config->ctx = &c->f;
	config->map_bytes = 0;
	assert_int_equal(uv_loop_init(&c->f.loop), 0);
	fixture_open(&c->f, config);
	stored = history_stored(c->f.kv);
	assert_true(stored >= end->reported);
	memset(&c->h, 0, sizeof c->h);
	while (c->h.unit < stored)
		history_step(&c->h, NULL);
	history_check(&c->h, c->f.kv);
	fixture_close(&c->f);
	assert_int_equal(uv_loop_close(&c->f.loop), 0);
}

static struct child *new_child(const char *directory)
{
	struct child *c = calloc(1, sizeof *c);

	assert_non_null(c);
	strcpy(c->f.directory, directory);
	return c;
}

static void a_full_map_ends_the_node(void **state)
{
	struct fixture *f = *state;
	struct child *c = new_child(f->directory);
	struct kv_config config = fixture_config(f);
	struct ending end;

	config.map_bytes = 4 << 20;
	end = run_child(c, &config, RLIM_INFINITY);
	assert_non_null(strstr(end.text, "limit of 4 MiB"));
	assert_non_null(strstr(end.text, f->directory));
	check_after(c, &config, &end);
	free(c);
}

static void a_failed_write_ends_the_node(void **state)
{
	struct fixture *f = *state;
	struct child *c = new_child(f->directory);
	struct kv_config config = fixture_config(f);
	struct ending end;

	end = run_child(c, &config,
		3 << 20); /* the kernel refuses to make the file longer: EFBIG, or a short write */
	assert_non_null(strstr(end.text, "cannot write"));
	assert_non_null(strstr(end.text, f->directory));
	check_after(c, &config, &end);
	free(c);
}

/* In a mount namespace of its own: 0, or the exit code that says why not. */
static int fill_a_disk(const char *directory)
{
	struct child *c = new_child(directory);
	struct kv_config config = fixture_config(&c->f);
	struct ending end;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("none", directory, "tmpfs", 0, "size=12m"))
		return 77;
	end = run_child(c, &config, RLIM_INFINITY);
	fprintf(stderr, "%s\n", end.text);
	assert_non_null(strstr(end.text, "no space left"));
	assert_int_equal(mount("none", directory, "tmpfs", MS_REMOUNT, "size=64m"), 0);
	check_after(c, &config, &end);
	umount(directory);
	free(c);
	return 0;
}

static void a_full_disk_ends_the_node(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fill_a_disk(f->directory));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("no mount namespace here (not root): skipped\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A file that was cut off: an error or the end of the node, never a crash. */
static bool count(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	(void)key, (void)key_bytes, (void)value, (void)value_bytes;
	++*(unsigned *)ctx;
	return true;
}

static void read_what_is_left(struct fixture *f, unsigned expected)
{
	struct kv_config config = fixture_config(f);
	unsigned found = 0;
	char error[512];

	if (kv_open(&config, &f->kv, error, sizeof error))
		_exit(FATAL_EXIT);
	if (kv_state_each(f->kv, count, &found))
		_exit(FATAL_EXIT);
	_exit(found == expected ? 0 : 9);
}

static void a_file_that_was_cut_off_is_an_error_and_no_crash(void **state)
{
	struct fixture *f = *state;
	struct kv_config config = fixture_config(f);
	char path[128];
	unsigned records = 2000, refused = 0;
	struct stat file;

	fixture_open(f, &config);
	for (uint32_t i = 0; i < records; i++)
		kv_state_put(
			f->kv, (const uint8_t *)&i, sizeof i, (const uint8_t *)path, sizeof path);
	fixture_close(f);
	snprintf(path, sizeof path, "%s/data.mdb", f->directory);
	assert_int_equal(stat(path, &file), 0);
	for (unsigned part = 10; part; part--) {
		int status;
		pid_t pid;

		assert_int_equal(truncate(path, file.st_size * part / 10), 0);
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			read_what_is_left(f, records);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status)); /* not SIGBUS */
		assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FATAL_EXIT ||
			    WEXITSTATUS(status) == 3);
		refused += WEXITSTATUS(status) != 0;
		if (part == 10)
			assert_int_equal(refused, 0);
	}
	assert_true(refused >= 5);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_directory_in_use_names_the_process),
		T(directories_are_made),
		T(a_path_that_cannot_be_a_directory_is_said),
		T(too_little_room_is_said_at_open),
		T(a_newer_format_is_left_alone),
		T(a_file_that_is_no_database_is_said_to_be_damaged),
		T(a_full_map_ends_the_node),
		T(a_failed_write_ends_the_node),
		T(a_full_disk_ends_the_node),
		T(a_file_that_was_cut_off_is_an_error_and_no_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
