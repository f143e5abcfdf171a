/* Group commit pays: prints submits/s with 1, 16 and 256 of them under way. Nothing is asserted
 * about the time. */
#include "tests/unit/kv/kv_fixture.h"

#define ENTRY_BYTES 200

struct rate {
	struct fixture f;
	uint64_t wanted, submitted;
};

static void submit_one(struct rate *r)
{
	uint8_t payload[ENTRY_BYTES] = {1};

	r->submitted++;
	kv_log_append(r->f.kv, r->submitted, 1, 2, payload, sizeof payload);
	(void)kv_submit(r->f.kv, true);
}

static void on_durable(void *ctx, uint64_t ticket)
{
	struct rate *r = ctx;

	for (uint64_t done = ticket - r->f.durable; done && r->submitted < r->wanted; done--)
		submit_one(r);
	r->f.durable = ticket;
	r->f.calls++;
}

static void measure(unsigned window, uint64_t submits)
{
	struct rate r = {.wanted = submits};
	struct kv_config config;
	uint64_t began_ns, first, last;
	double seconds;

	fixture_init(&r.f);
	config = fixture_config(&r.f);
	config.ctx = &r;
	config.on_durable = on_durable;
	fixture_open(&r.f, &config);
	began_ns = uv_hrtime();
	for (unsigned i = 0; i < window; i++)
		submit_one(&r);
	fixture_wait(&r.f, submits);
	seconds = (double)(uv_hrtime() - began_ns) / 1e9;
	print_message("%3u under way: %8.0f submits/s, %6.1f per commit, %.0f us each\n", window,
		(double)submits / seconds, (double)submits / r.f.calls,
		seconds * 1e6 * window / (double)submits);
	kv_log_range(r.f.kv, &first, &last);
	assert_int_equal(first, 1);
	assert_int_equal(last, submits);
	fixture_close(&r.f);
	fixture_fini(&r.f);
}

static void submits_per_second(void **state)
{
	(void)state;
	measure(1, 2000);
	measure(16, 16000);
	measure(256, 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(submits_per_second)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
