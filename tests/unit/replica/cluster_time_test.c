/* Cluster time: never back below a stamp, never a jump while the cluster lives, slow towards the
 * median, resumed from a majority. */
#include "store/replica/cluster_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define BOOT 1000000u
#define WALL UINT64_C(1700000000000)

static void test_counts_from_the_last_stamp_with_elapsed_time(void **state)
{
	(void)state;
	struct cluster_time time;
	cluster_time_init(&time, WALL, BOOT);
	assert_int_equal(cluster_time_now(&time, BOOT), WALL);
	assert_int_equal(cluster_time_now(&time, BOOT + 1234), WALL + 1234);
	assert_false(time.known);
}

static void test_a_stamp_in_the_log_is_a_floor(void **state)
{
	(void)state;
	struct cluster_time time;
	cluster_time_init(&time, WALL, BOOT);
	cluster_time_raise(&time, WALL + 500);
	assert_int_equal(cluster_time_now(&time, BOOT + 100), WALL + 500);
	assert_int_equal(cluster_time_now(&time, BOOT + 600), WALL + 600);
	cluster_time_raise(&time, WALL + 400);
	assert_int_equal(cluster_time_now(&time, BOOT), WALL + 500);
}

static void test_a_follower_goes_forward_with_its_leader_at_once(void **state)
{
	(void)state;
	struct cluster_time time;
	cluster_time_init(&time, WALL, BOOT);
	cluster_time_heard(&time, BOOT + 10, WALL + 90000);
	assert_true(time.known);
	assert_int_equal(cluster_time_now(&time, BOOT + 10), WALL + 90000);
	assert_int_equal(cluster_time_now(&time, BOOT + 110), WALL + 90100);
}

static void test_a_late_message_never_sets_a_follower_back(void **state)
{
	(void)state;
	struct cluster_time time;
	cluster_time_init(&time, WALL, BOOT);
	cluster_time_heard(&time, BOOT, WALL);
	uint64_t before = cluster_time_now(&time, BOOT + 5000);
	cluster_time_heard(&time, BOOT + 5000, WALL + 1000); /* lay in a queue for 4 s */
	assert_int_equal(cluster_time_now(&time, BOOT + 5000), before);
	/* It gives way by a tenth, */
	assert_int_equal(cluster_time_now(&time, BOOT + 6000), before + 900);
	cluster_time_heard(
		&time, BOOT + 6000, before + 1000); /* and returns with the first prompt message */
	assert_int_equal(cluster_time_now(&time, BOOT + 6000), before + 1000);
}

static void test_nonsense_from_outside_is_not_heard(void **state)
{
	(void)state;
	struct cluster_time time;
	cluster_time_init(&time, WALL, BOOT);
	cluster_time_heard(&time, BOOT, 0);
	cluster_time_heard(&time, BOOT, UINT64_MAX);
	assert_false(time.known);
	assert_int_equal(cluster_time_now(&time, BOOT), WALL);
}

static void test_a_leader_that_heard_one_before_needs_no_clocks(void **state)
{
	(void)state;
	struct cluster_time time;
	cluster_time_init(&time, WALL, BOOT);
	cluster_time_heard(&time, BOOT, WALL + 1000);
	assert_int_equal(cluster_time_lead(&time, BOOT + 300, NULL, 0, 2), CLUSTER_TIME_CONTINUED);
	assert_int_equal(cluster_time_now(&time, BOOT + 300), WALL + 1300);
}

static void test_a_leader_that_ran_ahead_goes_on_from_the_last_ones_time(void **state)
{
	(void)state;
	struct cluster_time time;
	cluster_time_init(&time, WALL, BOOT);
	cluster_time_heard(&time, BOOT, WALL + 9000);
	cluster_time_heard(&time, BOOT + 100, WALL + 3100); /* of one that resumed lower */
	assert_int_equal(cluster_time_now(&time, BOOT + 200), WALL + 9190);
	assert_int_equal(cluster_time_heading(&time, BOOT + 200), WALL + 3200);
	assert_int_equal(cluster_time_lead(&time, BOOT + 300, NULL, 0, 2), CLUSTER_TIME_CONTINUED);
	assert_int_equal(cluster_time_now(&time, BOOT + 300), WALL + 3300);
	cluster_time_heard(&time, BOOT + 400, WALL + 9000);
	cluster_time_heard(&time, BOOT + 400, WALL + 3400);
	cluster_time_raise(&time, WALL + 5000); /* but never below a stamp */
	assert_int_equal(cluster_time_lead(&time, BOOT + 400, NULL, 0, 2), CLUSTER_TIME_CONTINUED);
	assert_int_equal(cluster_time_now(&time, BOOT + 400), WALL + 5000);
}

static void test_a_cold_leader_waits_for_a_majority(void **state)
{
	(void)state;
	struct cluster_time time;
	struct cluster_time_sample sample[] = {{WALL + 50, 0, 0}, {WALL + 60, 0, 0}};
	cluster_time_init(&time, WALL, BOOT);
	assert_int_equal(cluster_time_lead(&time, BOOT, sample, 1, 2), CLUSTER_TIME_WAITING);
	assert_false(time.known);
	assert_int_equal(cluster_time_lead(&time, BOOT, sample, 2, 2), CLUSTER_TIME_RESUMED);
	assert_true(time.known);
}

static void test_after_all_were_down_time_resumes_from_the_median(void **state)
{
	(void)state;
	struct cluster_time time;
	struct cluster_time_sample sample[] = {
		{WALL + 3601900, 0, 0}, {WALL + 3600000, 0, 0}, {WALL + 3600700, 0, 0}};
	cluster_time_init(&time, WALL, BOOT);
	assert_int_equal(cluster_time_lead(&time, BOOT, sample, 3, 2), CLUSTER_TIME_RESUMED);
	assert_int_equal(cluster_time_now(&time, BOOT), WALL + 3600700);
}

static void test_clocks_that_disagree_resume_from_the_lowest(void **state)
{
	(void)state;
	struct cluster_time time;
	struct cluster_time_sample sample[] = {
		{WALL + 90000, 0, 0}, {WALL + 10000, 0, 0}, {WALL + 12001, 0, 0}};
	cluster_time_init(&time, WALL, BOOT);
	assert_int_equal(cluster_time_lead(&time, BOOT, sample, 3, 2), CLUSTER_TIME_DISAGREED);
	assert_int_equal(cluster_time_now(&time, BOOT), WALL + 10000);
}

static void test_resumes_where_the_clocks_say_it_would_be_not_what_they_show(void **state)
{
	(void)state;
	struct cluster_time time;
	/* Cluster time lagged the clocks by a day when all went down, 40 s ago. */
	struct cluster_time_sample sample[] = {{WALL + 86440000, 0, WALL + 40000},
		{WALL + 86440300, 0, WALL + 40300}, {WALL + 86440100, 0, WALL + 40100}};
	cluster_time_init(&time, WALL, BOOT);
	assert_int_equal(cluster_time_lead(&time, BOOT, sample, 3, 2), CLUSTER_TIME_RESUMED);
	assert_int_equal(cluster_time_now(&time, BOOT), WALL + 40100);
}

static void test_never_below_the_last_stamp_though_all_clocks_are(void **state)
{
	(void)state;
	struct cluster_time time;
	struct cluster_time_sample sample[] = {{WALL - 90000, 0, 0}, {WALL - 90500, 0, 0}};
	cluster_time_init(&time, WALL, BOOT);
	assert_int_equal(cluster_time_lead(&time, BOOT + 5, sample, 2, 2), CLUSTER_TIME_RESUMED);
	assert_int_equal(cluster_time_now(&time, BOOT + 5), WALL + 5);
}

static void test_another_member_that_knows_the_time_is_believed_before_clocks(void **state)
{
	(void)state;
	struct cluster_time time;
	struct cluster_time_sample sample[] = {
		{WALL + 90000, 0, 0}, {WALL + 10000, WALL + 7000, 0}};
	cluster_time_init(&time, WALL, BOOT);
	assert_int_equal(cluster_time_lead(&time, BOOT, sample, 2, 2), CLUSTER_TIME_CONTINUED);
	assert_int_equal(cluster_time_now(&time, BOOT), WALL + 7000);
}

static void test_slews_by_500_ppm_and_no_faster(void **state)
{
	(void)state;
	struct cluster_time time;
	cluster_time_init(&time, WALL, BOOT);
	cluster_time_heard(&time, BOOT, WALL);
	uint64_t boot = BOOT;
	for (; boot < BOOT + 1000000; boot += 100) { /* the median is an hour ahead for 1000 s */
		struct cluster_time_sample sample = {WALL + (boot - BOOT) + 3600000, 0, 0};
		cluster_time_slew(&time, boot, &sample, 1);
	}
	assert_int_equal(cluster_time_now(&time, boot), WALL + 1000000 + 500);
	for (; boot < BOOT + 2000000; boot += 100) { /* and then an hour behind */
		struct cluster_time_sample sample = {WALL + (boot - BOOT) - 3600000, 0, 0};
		cluster_time_slew(&time, boot, &sample, 1);
	}
	assert_int_equal(cluster_time_now(&time, boot), WALL + 2000000);
}

static void test_one_wrong_clock_of_three_moves_nothing(void **state)
{
	(void)state;
	struct cluster_time time;
	cluster_time_init(&time, WALL, BOOT);
	cluster_time_heard(&time, BOOT, WALL);
	for (uint64_t boot = BOOT; boot < BOOT + 600000; boot += 100) {
		uint64_t right = WALL + (boot - BOOT);
		struct cluster_time_sample sample[] = {{right, 0, 0}, {1, 0, 0}, {right, 0, 0}};
		cluster_time_slew(&time, boot, sample, 3);
	}
	assert_int_equal(cluster_time_now(&time, BOOT + 600000), WALL + 600000);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

static void test_never_goes_back_but_to_its_leaders_time(void **state)
{
	(void)state;
	for (uint64_t round = 1; round <= 300; round++) {
		uint64_t seed = round, boot = BOOT, last = 0;
		struct cluster_time time;
		cluster_time_init(&time, WALL, BOOT);
		for (unsigned step = 0; step < 2000; step++) {
			struct cluster_time_sample sample[3];
			boot += next_random(&seed) % 50;
			for (unsigned i = 0; i < 3; i++)
				sample[i] = (struct cluster_time_sample){
					WALL + next_random(&seed) % 200000, next_random(&seed) % 2,
					(next_random(&seed) % 2) * WALL};
			switch (next_random(&seed) % 4) {
			case 0:
				cluster_time_heard(&time, boot, WALL + next_random(&seed) % 100000);
				break;
			case 1: cluster_time_slew(&time, boot, sample, 3); break;
			case 2:
				(void)cluster_time_lead(
					&time, boot, sample, 1 + next_random(&seed) % 3, 2);
				last = time.floor_ms; /* it had run ahead of its leader */
				break;
			default:
				cluster_time_raise(&time, WALL + next_random(&seed) % 100000);
				break;
			}
			uint64_t now = cluster_time_now(&time, boot);
			assert_true(now >= last);
			last = now;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_from_the_last_stamp_with_elapsed_time),
		cmocka_unit_test(test_a_stamp_in_the_log_is_a_floor),
		cmocka_unit_test(test_a_follower_goes_forward_with_its_leader_at_once),
		cmocka_unit_test(test_a_late_message_never_sets_a_follower_back),
		cmocka_unit_test(test_nonsense_from_outside_is_not_heard),
		cmocka_unit_test(test_a_leader_that_heard_one_before_needs_no_clocks),
		cmocka_unit_test(test_a_leader_that_ran_ahead_goes_on_from_the_last_ones_time),
		cmocka_unit_test(test_a_cold_leader_waits_for_a_majority),
		cmocka_unit_test(test_after_all_were_down_time_resumes_from_the_median),
		cmocka_unit_test(test_clocks_that_disagree_resume_from_the_lowest),
		cmocka_unit_test(test_resumes_where_the_clocks_say_it_would_be_not_what_they_show),
		cmocka_unit_test(test_never_below_the_last_stamp_though_all_clocks_are),
		cmocka_unit_test(test_another_member_that_knows_the_time_is_believed_before_clocks),
		cmocka_unit_test(test_slews_by_500_ppm_and_no_faster),
		cmocka_unit_test(test_one_wrong_clock_of_three_moves_nothing),
		cmocka_unit_test(test_never_goes_back_but_to_its_leaders_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
