/* Records in and out: what is not ours is refused, and a hundred thousand leases are small and
 * quick. */
#include "tests/unit/model/model_kit.h"

#include <malloc.h>
#include <time.h>

static void test_foreign_records_are_refused(void **state)
{
	(void)state;
	struct model *model = model_new();
	static const struct {
		const char *key;
		size_t key_bytes;
		const char *value;
		size_t value_bytes;
	} rows[] = {
		{"", 0, "", 0},
		{"X", 1, "", 0},
		{"\0", 1, "", 0},
		{"\xff", 1, "", 0},
		{"Nlab", 4, "\xff\xff", 2},    /* not protobuf */
		{"Nlab", 4, "\x0a\x03lax", 5}, /* another name than its key */
		{"Nlab", 4, "\x0a\x03lab", 5}, /* no network */
		{"Plab", 4, "\x0a\x03lab", 5}, /* no range */
		{"L\x0a\0\0\x01", 5, "\x0a\x04\x0a\0\0\x02\x10\x02", 8},
		{"L\x0a\0\0\x01", 5, "\x0a\x04\x0a\0\0\x01\x10\x09", 8}, /* no such state */
		{"L\x0a\0\0\x01", 5, "\x0a\x04\x0a\0\0\x01\x10\x02\xa8\x06\x01",
			11}, /* of a newer version */
		{"T\x01", 2, "\x0a\x01\x01", 3},
		{"M", 1, "n07", 3},
		{"M\x02", 2, "", 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (model_load(model, (const uint8_t *)rows[i].key, rows[i].key_bytes,
			    (const uint8_t *)rows[i].value, rows[i].value_bytes) != -EBADMSG)
			fail_msg("row %zu was taken", i);
	}
	/* Nothing of it stayed. */
	uint8_t digest[32], zero[32] = {0};
	model_digest(model, digest);
	assert_memory_equal(digest, zero, 32);
	const uint8_t key[] = "L\x0a\0\0\x01", value[] = "\x0a\x04\x0a\0\0\x01\x10\x02";
	assert_int_equal(model_load(model, key, 5, value, 8), 0);
	model_free(model);
}

static void test_order_of_loading_does_not_matter(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.15"), V(OK));
	for (unsigned n = 1; n < 6; n++)
		assert_int_equal(kit_offer(&kit, n, 0), V(OK));
	uint64_t seed = 3;
	for (unsigned round = 0; round < 30; round++) {
		for (size_t i = kit.disk.count - 1; i > 0; i--) {
			size_t j = kit_below(&seed, i + 1);
			struct kit_row row = kit.disk.rows[i];
			kit.disk.rows[i] = kit.disk.rows[j];
			kit.disk.rows[j] = row;
		}
		struct model *loaded = kit_load(&kit.disk);
		kit_assert_same_digest(loaded, kit.model);
		/* The derived bits are the same too: both give the same addresses from here on. */
		struct kit_disk dump = {0};
		kit_dump(kit.model, &dump);
		struct kit twin = {.model = loaded}, ordered = {.model = kit_load(&dump)};
		for (unsigned n = 20; n < 26; n++) {
			assert_int_equal(kit_offer(&twin, n, 0), kit_offer(&ordered, n, 0));
			assert_int_equal(twin.result.lease.ip, ordered.result.lease.ip);
		}
		kit_assert_same_digest(twin.model, ordered.model);
		model_free(ordered.model);
		kit_disk_fini(&dump);
		model_free(loaded);
	}
	kit_fini(&kit);
}

static void test_clear_forgets_everything(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	model_clear(kit.model);
	uint8_t digest[32], zero[32] = {0};
	model_digest(kit.model, digest);
	assert_memory_equal(digest, zero, 32);
	assert_int_equal(model_lease_count(kit.model), 0);
	assert_null(model_settings(kit.model));
	assert_int_equal(model_revision(kit.model), 0);
	for (size_t i = 0; i < kit.disk.count; i++)
		assert_int_equal(
			model_load(kit.model, kit.disk.rows[i].key, kit.disk.rows[i].key_bytes,
				kit.disk.rows[i].value, kit.disk.rows[i].value_bytes),
			0);
	kit_fini(&kit);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_a_hundred_thousand_leases(void **state)
{
	(void)state;
	enum { LEASES = 100000 };
	struct kit kit;
	kit_init_bare(&kit);
	kit.sink = (struct model_sink){0};
	assert_int_equal(kit_subnet(&kit, "lab", "16.0.0.0", 14, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "p", "lab", "16.0.0.0", "16.1.255.255"), V(OK));
	double begin = seconds();
	for (unsigned n = 1; n <= LEASES; n++) {
		assert_int_equal(kit_offer(&kit, n, 0), V(OK));
		assert_int_equal(kit_bind(&kit, n, kit.result.lease.ip, 0, false), V(OK));
	}
	double applied = seconds();
	struct kit_disk disk = {0};
	kit_dump(kit.model, &disk);
	struct mallinfo2 before = mallinfo2();
	double load_begin = seconds();
	struct model *loaded = kit_load(&disk);
	double load_end = seconds();
	struct mallinfo2 after = mallinfo2();
	assert_int_equal(model_lease_count(loaded), LEASES);
	kit_assert_same_digest(loaded, kit.model);
	print_message("100000 leases: offer and bind %.0f ns each, load %.2f s, %.1f MB\n",
		(applied - begin) * 1e9 / LEASES / 2, load_end - load_begin,
		(double)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / 1e6);
	model_free(loaded);
	kit_disk_fini(&disk);
	model_free(kit.model);
	kit_disk_fini(&kit.disk);
}

/* What de-duplication adds to each command. */
static void test_the_price_of_a_proposal(void **state)
{
	(void)state;
	enum { PROPOSALS = 100000 };
	struct kit kit;
	kit_init(&kit);
	Pxe__Sweep sweep = PXE__SWEEP__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	command.op_case = PXE__COMMAND__OP_SWEEP;
	command.sweep = &sweep;
	command.origin = 1;
	double begin = seconds();
	for (unsigned n = 1; n <= PROPOSALS; n++) {
		command.seq = n;
		assert_int_equal(kit_apply(&kit, &command), V(OK));
	}
	print_message("an empty proposal: %.0f ns\n", (seconds() - begin) * 1e9 / PROPOSALS);
	kit_fini(&kit);
}

static void test_the_number_of_leases_is_limited(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_bare(&kit);
	kit.sink = (struct model_sink){0};
	assert_int_equal(kit_subnet(&kit, "lab", "16.0.0.0", 14, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "p", "lab", "16.0.0.0", "16.3.255.255"), V(OK));
	for (unsigned n = 1; n <= MODEL_LEASES_MAX; n++)
		assert_int_equal(kit_offer(&kit, n, 0), V(OK));
	assert_int_equal(kit_offer(&kit, MODEL_LEASES_MAX + 1, 0), V(LIMIT));
	assert_non_null(strstr(kit.result.detail, "its limit"));
	assert_int_equal(kit_offer(&kit, 7, 0), V(OK)); /* it has one */
	kit_at(&kit, 10000);
	assert_int_equal(kit_offer(&kit, MODEL_LEASES_MAX + 1, 0), V(OK));
	assert_int_equal(model_lease_count(kit.model), MODEL_LEASES_MAX);
	model_free(kit.model);
	kit_disk_fini(&kit.disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_foreign_records_are_refused),
		cmocka_unit_test(test_order_of_loading_does_not_matter),
		cmocka_unit_test(test_clear_forgets_everything),
		cmocka_unit_test(test_a_hundred_thousand_leases),
		cmocka_unit_test(test_the_price_of_a_proposal),
		cmocka_unit_test(test_the_number_of_leases_is_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
