/* Which addresses are given out, which never, and what happens when none is left. */
#include "tests/unit/model/model_kit.h"

#define IP(last) (0x0a000000u + (last))

static void test_every_address_of_a_pool_is_given_once(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	bool seen[10] = {false};
	for (unsigned n = 1; n <= 10; n++) {
		assert_int_equal(kit_offer(&kit, n, 0), V(OK));
		assert_in_range(kit.result.lease.ip, IP(10), IP(19));
		assert_false(seen[kit.result.lease.ip - IP(10)]);
		seen[kit.result.lease.ip - IP(10)] = true;
	}
	assert_int_equal(kit_offer(&kit, 11, 0), V(POOL_FULL));
	assert_non_null(strstr(kit.result.detail, "none of the 10 pool addresses of subnet lab"));
	uint64_t size, used;
	model_pool_usage(kit.model, model_pool(kit.model, "lab-1"), kit.now_ms, &size, &used);
	assert_int_equal(size, 10);
	assert_int_equal(used, 10);
	kit_fini(&kit);
}

static void test_a_full_pool_is_used_again_without_a_sweep(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	for (unsigned n = 1; n <= 10; n++)
		assert_int_equal(kit_bind(&kit, n, IP(9 + n), 0, true), V(OK));
	kit_at(&kit, 122999);
	assert_int_equal(kit_offer(&kit, 11, 0), V(POOL_FULL));
	kit_at(&kit, 123000);
	for (unsigned n = 11; n <= 20; n++)
		assert_int_equal(kit_offer(&kit, n, 0), V(OK));
	assert_int_equal(kit_offer(&kit, 21, 0), V(POOL_FULL));
	assert_int_equal(model_lease_count(kit.model), 10);
	kit_fini(&kit);
}

static void test_sweep_takes_what_ran_out_and_no_more(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_false(model_sweep_due(kit.model, UINT64_MAX - 5000));
	for (unsigned n = 1; n <= 6; n++) {
		kit_at(&kit, n);
		assert_int_equal(kit_bind(&kit, n, IP(9 + n), 0, true), V(OK));
	}
	kit_at(&kit, 123002);
	assert_true(model_sweep_due(kit.model, kit.now_ms));
	assert_int_equal(kit_sweep(&kit, 1), V(OK));
	assert_int_equal(model_lease_count(kit.model), 5);
	assert_int_equal(kit_sweep(&kit, 100), V(OK));
	assert_int_equal(model_lease_count(kit.model), 4);
	assert_false(model_sweep_due(kit.model, kit.now_ms));
	assert_int_equal(kit_sweep(&kit, 100), V(OK));
	assert_int_equal(model_lease_count(kit.model), 4);
	assert_int_equal(kit_bind(&kit, 9, IP(12), 0, true), V(IN_USE)); /* it rests */
	kit_fini(&kit);
}

static void test_some_addresses_are_never_given_from_a_pool(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_bare(&kit);
	/* The whole of a /23: network, broadcast, .255 and .0 in its middle, gateway, node, server
	 * address. */
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 23, "10.0.0.1"), V(OK));
	assert_int_equal(kit_pool(&kit, "all", "lab", "10.0.0.0", "10.0.1.255"), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 70000, 0, "10.0.0.7"), V(OK));
	uint64_t size, used;
	model_pool_usage(kit.model, model_pool(kit.model, "all"), kit.now_ms, &size, &used);
	assert_int_equal(size, 512 - 7);
	assert_int_equal(used, 1); /* the reservation */
	unsigned count = 0;
	while (kit_offer(&kit, ++count, 0) == V(OK)) {
		uint32_t ip = kit.result.lease.ip;
		assert_true((ip & 0xff) != 0 && (ip & 0xff) != 255);
		assert_true(ip != IP(1) && ip != IP(2) && ip != IP(3) && ip != IP(7));
	}
	assert_int_equal(count - 1, 512 - 8);
	assert_int_equal(kit.result.verdict, V(POOL_FULL));
	assert_int_equal(kit_offer(&kit, 70000, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(7));
	assert_int_equal(kit_offer(&kit, 60000, IP(2)), V(POOL_FULL));
	kit_fini(&kit);
}

static void test_a_slash_24_of_its_own_has_no_further_holes(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_bare(&kit);
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.5.0", 24, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "all", "lab", "10.0.5.0", "10.0.5.255"), V(OK));
	unsigned count = 0;
	while (kit_offer(&kit, count + 1, 0) == V(OK))
		count++;
	assert_int_equal(count, 254);
	kit_fini(&kit);
}

static void test_pools_of_a_subnet_are_used_one_after_the_other(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_pool(&kit, "lab-2", "lab", "10.0.0.100", "10.0.0.102"), V(OK));
	assert_int_equal(kit_pool(&kit, "lab-3", "lab", "10.0.0.50", "10.0.0.50"), V(OK));
	/* Another subnet's pool beside it is not touched. */
	assert_int_equal(kit_subnet(&kit, "next", "10.0.1.0", 24, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "next-1", "next", "10.0.1.10", "10.0.1.20"), V(OK));
	unsigned count = 0;
	while (kit_offer(&kit, count + 1, 0) == V(OK)) {
		assert_true(kit.result.lease.ip < IP(256));
		count++;
	}
	assert_int_equal(count, 14);
	assert_int_equal(kit_offer_in(&kit, "next", 1, 0), V(OK));
	assert_in_range(kit.result.lease.ip, IP(256 + 10), IP(256 + 20));
	kit_fini(&kit);
}

static void test_a_wanted_address_is_given_if_it_is_free(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.14"), V(OK));
	assert_int_equal(kit_offer(&kit, 1, IP(17)), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(17));
	assert_int_equal(kit_offer(&kit, 2, IP(17)), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(17));
	assert_int_equal(kit_offer(&kit, 3, IP(14)), V(OK)); /* reserved */
	assert_int_not_equal(kit.result.lease.ip, IP(14));
	assert_int_equal(kit_offer(&kit, 4, IP(200)), V(OK)); /* in no pool */
	assert_in_range(kit.result.lease.ip, IP(10), IP(19));
	assert_int_equal(kit_offer(&kit, 5, 0xffffffff), V(OK));
	kit_fini(&kit);
}

static void test_the_same_client_finds_the_same_address(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	uint32_t ip = kit.result.lease.ip;
	kit_at(&kit, 20000);
	assert_int_equal(kit_sweep(&kit, 100), V(OK));
	assert_int_equal(model_lease_count(kit.model), 0);
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, ip);
	kit_fini(&kit);
}

static void test_a_subnet_without_a_pool_serves_reservations_only(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_bare(&kit);
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 24, NULL), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.7"), V(OK));
	assert_int_equal(kit_offer(&kit, 7, 0), V(OK));
	assert_int_equal(kit_offer(&kit, 1, 0), V(POOL_FULL));
	assert_non_null(strstr(kit.result.detail, "has no pool"));
	kit_fini(&kit);
}

static void test_bits_follow_every_change(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_bare(&kit);
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 24, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "one", "lab", "10.0.0.50", "10.0.0.50"), V(OK));
	/* reservation, gateway, server address, each makes the only address unavailable and gives
	 * it back */
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.50"), V(OK));
	assert_int_equal(kit_offer(&kit, 1, 0), V(POOL_FULL));
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.51"), V(OK));
	assert_int_equal(kit_offer(&kit, 1, 0), V(POOL_FULL)); /* held for n07 */
	kit_at(&kit, 1);
	assert_int_equal(kit_settle(&kit, 1), V(OK));
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_int_equal(kit_release(&kit, 1, IP(50), false), V(OK));
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 24, "10.0.0.50"), V(OK));
	assert_int_equal(kit_offer(&kit, 1, 0), V(POOL_FULL));
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 24, NULL), V(OK));
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Settings *settings = pxe__settings__unpack(NULL, 0, NULL);
	uint8_t server_ip[4] = {10, 0, 0, 50};
	settings->cluster = strdup("test");
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = settings;
	settings->server_ip = kit_bytes(server_ip, 4);
	assert_int_equal(kit_put(&kit, &put), V(OK));
	assert_int_equal(kit_offer(&kit, 1, 0), V(POOL_FULL));
	settings->server_ip = kit_bytes(NULL, 0);
	assert_int_equal(kit_put(&kit, &put), V(OK));
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	pxe__settings__free_unpacked(settings, NULL);
	kit_fini(&kit);
}

/* The largest pool, all but its last address taken: what remains is found. */
static void test_a_large_pool_nearly_full(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_bare(&kit);
	kit.sink = (struct model_sink){0}; /* the disk of this test would be slow */
	assert_int_equal(kit_subnet(&kit, "lab", "10.16.0.0", 18, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "big", "lab", "10.16.0.0", "10.16.63.255"), V(OK));
	uint64_t size, used;
	model_pool_usage(kit.model, model_pool(kit.model, "big"), kit.now_ms, &size, &used);
	assert_int_equal(size, 16384 - 128);
	for (unsigned n = 0; n < size; n++)
		assert_int_equal(kit_offer(&kit, n + 1, 0), V(OK));
	assert_int_equal(kit_offer(&kit, 999999, 0), V(POOL_FULL));
	model_free(kit.model);
	kit_disk_fini(&kit.disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_address_of_a_pool_is_given_once),
		cmocka_unit_test(test_a_full_pool_is_used_again_without_a_sweep),
		cmocka_unit_test(test_sweep_takes_what_ran_out_and_no_more),
		cmocka_unit_test(test_some_addresses_are_never_given_from_a_pool),
		cmocka_unit_test(test_a_slash_24_of_its_own_has_no_further_holes),
		cmocka_unit_test(test_pools_of_a_subnet_are_used_one_after_the_other),
		cmocka_unit_test(test_a_wanted_address_is_given_if_it_is_free),
		cmocka_unit_test(test_the_same_client_finds_the_same_address),
		cmocka_unit_test(test_a_subnet_without_a_pool_serves_reservations_only),
		cmocka_unit_test(test_bits_follow_every_change),
		cmocka_unit_test(test_a_large_pool_nearly_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
