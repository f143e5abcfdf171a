/* kill -9 at any moment: all that was reported durable is there, and log, state, meta and journal
 * are of one moment. */
#include "tests/unit/kv/kv_fixture.h"
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS 25

struct writer {
	struct fixture f;
	struct history h;
	int report;          /* pipe: one uint64_t per on_durable, the unit that became durable */
	uint64_t first_unit; /* unit of ticket 1 */
};

static void report_durable(void *ctx, uint64_t ticket)
{
	struct writer *w = ctx;
	uint64_t unit = w->first_unit + ticket - 1;

	if (write(w->report, &unit, sizeof unit) != sizeof unit)
		_exit(4);
}

static void write_on(uv_idle_t *idle)
{
	struct writer *w = idle->data;

	if (kv_backlog_bytes(w->f.kv) > 64 << 10)
		return;
	history_step(&w->h, w->f.kv);
	(void)kv_submit(w->f.kv, w->h.unit % 5 != 0);
}

/* The child: go on with the history until killed. */
static void write_until_killed(struct writer *w)
{
	struct kv_config config = fixture_config(&w->f);
	uv_idle_t idle;
	char error[512];

	config.ctx = w;
	config.on_durable = report_durable;
	if (uv_loop_init(&w->f.loop) || kv_open(&config, &w->f.kv, error, sizeof error))
		_exit(5);
	if (history_stored(w->f.kv) != w->h.unit)
		_exit(6);
	w->first_unit = w->h.unit + 1;
	uv_idle_init(&w->f.loop, &idle);
	idle.data = w;
	uv_idle_start(&idle, write_on);
	uv_run(&w->f.loop, UV_RUN_DEFAULT);
	_exit(7);
}

static uint64_t run_and_kill(struct writer *w, unsigned after_us)
{
	uint64_t unit, newest = 0;
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		w->report = ends[1];
		write_until_killed(w);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &newest, sizeof newest), sizeof newest); /* it is at work */
	usleep(after_us);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	while (read(ends[0], &unit, sizeof unit) == sizeof unit)
		newest = unit;
	close(ends[0]);
	return newest;
}

static void what_was_reported_durable_survives_kill_9(void **state)
{
	struct writer *w = calloc(1, sizeof *w);
	struct timespec now;
	uint64_t seed, units = 0;

	(void)state;
	assert_non_null(w);
	clock_gettime(CLOCK_MONOTONIC, &now);
	seed = (uint64_t)now.tv_nsec;
	print_message("seed of the moments: %llu\n", (unsigned long long)seed);
	fixture_init(&w->f);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t reported = run_and_kill(w, (unsigned)(history_random(&seed) % 60000)),
			 stored;
		struct kv_config config = fixture_config(&w->f);

		fixture_open(&w->f, &config);
		stored = history_stored(w->f.kv);
		assert_true(stored >= reported);
		while (w->h.unit < stored)
			history_step(&w->h, NULL);
		history_check(&w->h, w->f.kv);
		fixture_close(&w->f);
		units = stored;
	}
	print_message("%u kills, %llu units\n", ROUNDS, (unsigned long long)units);
	fixture_fini(&w->f);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_reported_durable_survives_kill_9)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
