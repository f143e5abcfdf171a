#include "store/model/digest.h"
#include "tests/unit/model/model_kit.h"

static void add(struct digest *digest, const char *key, const char *value)
{
	digest_add(
		digest, (const uint8_t *)key, strlen(key), (const uint8_t *)value, strlen(value));
}

static void remove_(struct digest *digest, const char *key, const char *value)
{
	digest_remove(
		digest, (const uint8_t *)key, strlen(key), (const uint8_t *)value, strlen(value));
}

static void test_order_does_not_matter(void **state)
{
	(void)state;
	struct digest a = {0}, b = {0};
	for (int i = 0; i < 500; i++) {
		char text[16];
		snprintf(text, sizeof(text), "k%d", i);
		add(&a, text, "v");
		snprintf(text, sizeof(text), "k%d", 499 - i);
		add(&b, text, "v");
	}
	assert_memory_equal(&a, &b, sizeof(a));
}

static void test_removal_undoes_addition(void **state)
{
	(void)state;
	struct digest a = {0};
	const struct digest zero = {0};
	for (int i = 0; i < 300; i++) {
		char text[16];
		snprintf(text, sizeof(text), "k%d", i);
		add(&a, text, "v");
	}
	assert_memory_not_equal(&a, &zero, sizeof(a));
	for (int i = 0; i < 300; i++) {
		char text[16];
		snprintf(text, sizeof(text), "k%d", i);
		remove_(&a, text, "v");
	}
	assert_memory_equal(&a, &zero, sizeof(a));
}

static void test_removal_before_addition_wraps(void **state)
{
	(void)state;
	struct digest a = {0};
	const struct digest zero = {0};
	remove_(&a, "key", "value");
	assert_memory_not_equal(&a, &zero, sizeof(a));
	add(&a, "key", "value");
	assert_memory_equal(&a, &zero, sizeof(a));
}

static void test_key_and_value_are_told_apart(void **state)
{
	(void)state;
	struct digest a = {0}, b = {0};
	add(&a, "ab", "c");
	add(&b, "a", "bc");
	assert_memory_not_equal(&a, &b, sizeof(a));
}

static void test_a_record_twice_is_not_none(void **state)
{
	(void)state;
	struct digest a = {0};
	const struct digest zero = {0};
	add(&a, "k", "v");
	add(&a, "k", "v");
	assert_memory_not_equal(&a, &zero, sizeof(a));
}

static void test_carries_run_through_all_lanes(void **state)
{
	(void)state;
	struct digest hash = {0};
	add(&hash, "k", "v");
	/* Chosen so that the sum is 2^192 - 1 + 1 in the lower lanes: a carry out of a full lane.
	 */
	struct digest sum = {{0 - hash.lane[0], UINT64_MAX - hash.lane[1],
		UINT64_MAX - hash.lane[2], 5 - hash.lane[3]}};
	const struct digest before = sum;
	add(&sum, "k", "v");
	const struct digest expected = {{0, 0, 0, 6}};
	assert_memory_equal(&sum, &expected, sizeof(sum));
	remove_(&sum, "k", "v");
	assert_memory_equal(&sum, &before, sizeof(sum));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_removal_undoes_addition),
		cmocka_unit_test(test_removal_before_addition_wraps),
		cmocka_unit_test(test_key_and_value_are_told_apart),
		cmocka_unit_test(test_a_record_twice_is_not_none),
		cmocka_unit_test(test_carries_run_through_all_lanes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
