/* The recent log in memory: consecutive, cut at either end, never forgetting what is not durable.
 */
#include "store/replica/replica_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void push(struct replica_log *log, uint64_t index, uint64_t term, size_t bytes)
{
	uint8_t *payload = malloc(bytes);
	assert_non_null(payload);
	memset(payload, (int)(index & 0xff), bytes);
	replica_log_push(log, index, term, 2, payload, bytes);
}

static void test_holds_what_was_pushed(void **state)
{
	(void)state;
	struct replica_log log;
	replica_log_init(&log);
	assert_null(replica_log_get(&log, 1));
	for (uint64_t i = 5; i < 1005; i++)
		push(&log, i, 1 + i / 100, 10);
	assert_null(replica_log_get(&log, 4));
	assert_null(replica_log_get(&log, 1005));
	for (uint64_t i = 5; i < 1005; i++) {
		const struct replica_log_entry *entry = replica_log_get(&log, i);
		assert_non_null(entry);
		assert_int_equal(entry->index, i);
		assert_int_equal(entry->term, 1 + i / 100);
		assert_int_equal(entry->payload[9], i & 0xff);
	}
	replica_log_fini(&log);
}

static void test_is_cut_at_the_end(void **state)
{
	(void)state;
	struct replica_log log;
	replica_log_init(&log);
	for (uint64_t i = 1; i <= 300; i++)
		push(&log, i, 1, 4);
	replica_log_truncate(&log, 200);
	assert_null(replica_log_get(&log, 200));
	assert_non_null(replica_log_get(&log, 199));
	push(&log, 200, 2, 4);
	assert_int_equal(replica_log_get(&log, 200)->term, 2);
	assert_int_equal(log.bytes, 800);
	replica_log_fini(&log);
}

static void test_a_gap_starts_anew(void **state)
{
	(void)state;
	struct replica_log log;
	replica_log_init(&log);
	push(&log, 1, 1, 4);
	push(&log, 50, 3, 4); /* after a snapshot */
	assert_null(replica_log_get(&log, 1));
	assert_int_equal(replica_log_get(&log, 50)->term, 3);
	assert_int_equal(log.count, 1);
	replica_log_fini(&log);
}

static void test_forgets_only_what_is_durable(void **state)
{
	(void)state;
	struct replica_log log;
	replica_log_init(&log);
	for (uint64_t i = 1; i <= REPLICA_LOG_ENTRIES_MAX + 100; i++)
		push(&log, i, 1, 1);
	replica_log_trim(&log, 0);
	assert_int_equal(log.count, REPLICA_LOG_ENTRIES_MAX + 100);
	replica_log_trim(&log, 40);
	assert_null(replica_log_get(&log, 40));
	assert_non_null(replica_log_get(&log, 41));
	replica_log_trim(&log, UINT64_MAX);
	assert_int_equal(log.count, REPLICA_LOG_ENTRIES_MAX);
	assert_non_null(replica_log_get(&log, REPLICA_LOG_ENTRIES_MAX + 100));
	replica_log_fini(&log);
}

static void test_is_bounded_in_bytes(void **state)
{
	(void)state;
	struct replica_log log;
	replica_log_init(&log);
	for (uint64_t i = 1; i <= 200; i++)
		push(&log, i, 1, 512 << 10);
	replica_log_trim(&log, 200);
	assert_true(log.bytes <= REPLICA_LOG_BYTES_MAX);
	assert_int_equal(log.count, REPLICA_LOG_BYTES_MAX / (512 << 10));
	assert_non_null(replica_log_get(&log, 200));
	replica_log_fini(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds_what_was_pushed),
		cmocka_unit_test(test_is_cut_at_the_end),
		cmocka_unit_test(test_a_gap_starts_anew),
		cmocka_unit_test(test_forgets_only_what_is_durable),
		cmocka_unit_test(test_is_bounded_in_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
