/* Reserves and what waits for all members: blocks [R1], merges [R6], holds [R5], settling. */
#include "tests/unit/model/model_kit.h"

#define FULL    PXE__MEMBER_ROLE__MEMBER_FULL
#define WITNESS PXE__MEMBER_ROLE__MEMBER_WITNESS

#define IP(last)  (UINT32_C(0x0a000000) + (last))
#define BIT(last) (UINT64_C(1) << ((last) % 64))

static struct lease lease_of(const struct kit *kit, uint32_t ip)
{
	struct lease lease;
	assert_true(model_lease_of_ip(kit->model, ip, &lease));
	return lease;
}

static uint32_t first_of(const Pxe__Block *block)
{
	assert_int_equal(block->first_ip.len, 4);
	return msg_ip4_get(block->first_ip);
}

static bool is_fixed(const struct kit *kit, unsigned n, uint32_t ip)
{
	struct kit_who who;
	return model_is_fixed_to(kit->model, model_subnet(kit->model, "lab"), kit_who(n, &who), ip);
}

/* ---- [R1] */

static void test_r1_gifts_come_from_the_top_of_the_pool(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(18), 0, true), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.17"), V(OK));
	assert_int_equal(kit_offer(&kit, 2, IP(16)), V(OK));
	assert_int_equal(kit_decline(&kit, 3, IP(15), true), V(OK));
	assert_int_equal(kit_give(&kit, 2, 2), V(OK));
	const Pxe__Block *block = model_block_of(kit.model, IP(19));
	assert_non_null(block);
	assert_int_equal(block->serial, 1);
	assert_int_equal(block->owner, 2);
	assert_true(block->mask == (BIT(19) | BIT(14)));
	assert_string_equal(block->subnet, "lab");
	assert_ptr_equal(model_block_of(kit.model, IP(14)), block);
	for (uint32_t ip = 15; ip <= 18; ip++)
		assert_null(model_block_of(kit.model, IP(ip)));
	assert_ptr_equal(model_block(kit.model, 1), block);
	assert_null(model_block(kit.model, 2));
	kit_fini(&kit);
}

static void test_r1_whole_windows_go_first(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_bare(&kit);
	kit_join(&kit, 2, FULL);
	/* 64 to 191 are two whole windows; 10.0.0.202 is the new member's. */
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 24, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "low", "lab", "10.0.0.30", "10.0.0.99"), V(OK));
	assert_int_equal(kit_pool(&kit, "high", "lab", "10.0.0.100", "10.0.0.254"), V(OK));
	assert_int_equal(kit_give(&kit, 1, 66), V(OK));
	const Pxe__Block *whole = model_block(kit.model, 1), *rest = model_block(kit.model, 2);
	assert_int_equal(first_of(whole), IP(128));
	assert_true(whole->mask == UINT64_MAX);
	assert_int_equal(first_of(rest), IP(192));
	assert_true(rest->mask == (BIT(254) | BIT(253)));
	/* What is left of the pools is given to the last address, and no more. */
	assert_int_equal(kit_give(&kit, 1, 5000), V(OK));
	uint64_t free_count, held;
	const Pxe__Subnet *lab = model_subnet(kit.model, "lab");
	model_reserve_usage(kit.model, lab, 1, &free_count, &held);
	assert_int_equal(free_count, 0);
	assert_int_equal(held, 224);
	assert_null(model_block_of(kit.model, IP(202)));
	kit_expect(&kit, kit_give(&kit, 1, 1), V(POOL_FULL), "no address of subnet lab");
	kit_expect(&kit, kit_offer(&kit, 9, 0), V(POOL_FULL), "but 224 in the nodes' reserves");
	kit_fini(&kit);
}

static void test_r1_gifts_are_judged(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	kit_expect(&kit, kit_give(&kit, 1, 4), V(CONFLICT), "the only member");
	assert_int_equal(kit_join(&kit, 2, WITNESS), 2);
	kit_expect(&kit, kit_give(&kit, 2, 4), V(CONFLICT), "serves nothing");
	kit_expect(&kit, kit_give(&kit, 1, 0), V(INVALID), "give 1 to");
	kit_expect(&kit, kit_give(&kit, 9, 4), V(NOT_FOUND), "no such member");
	kit_expect(&kit, kit_give_in(&kit, 1, "nowhere", 4), V(NO_SUBNET), "not configured");
	assert_int_equal(kit_give(&kit, 1, 4), V(OK));
	assert_int_equal(kit_join(&kit, 3, FULL), 3);
	assert_int_equal(kit_leave(&kit, "pxe3", false), V(OK));
	kit_expect(&kit, kit_give(&kit, 3, 4), V(CONFLICT), "is leaving");
	kit_fini(&kit);
}

static void test_r1_an_address_of_a_reserve_is_its_owners_alone(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 2, 5), V(OK)); /* .15 to .19 */
	/* Whoever asks for it gets another, or silence. */
	assert_int_equal(kit_offer(&kit, 1, IP(19)), V(OK));
	assert_in_range(kit.result.lease.ip, IP(10), IP(14));
	kit_expect(&kit, kit_bind(&kit, 1, IP(19), 0, true), V(RESERVE), "reserve of node pxe2");
	kit_expect(&kit, kit_decline(&kit, 1, IP(19), true), V(RESERVE), "reserve of node pxe2");
	for (unsigned n = 1; n <= 5; n++)
		assert_int_equal(kit_offer(&kit, n, 0), V(OK));
	kit_expect(&kit, kit_offer(&kit, 6, IP(15)), V(POOL_FULL), "5 in the nodes' reserves");
	/* A reservation of it waits until the owner gave it back. */
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.19"), V(OK));
	assert_false(is_fixed(&kit, 7, IP(19)));
	kit_expect(&kit, kit_bind(&kit, 7, IP(19), 0, true), V(RESERVE), "reserve of node pxe2");
	assert_int_equal(kit_return(&kit, 1, 1, BIT(19)), V(STALE)); /* not the owner */
	assert_int_equal(kit_return(&kit, 2, 1, BIT(19)), V(OK));
	assert_true(is_fixed(&kit, 7, IP(19)));
	assert_int_equal(kit_bind(&kit, 7, IP(19), 0, true), V(OK));
	/* What was given back can be had by anybody, and the rest cannot. */
	assert_int_equal(kit_return(&kit, 2, 1, BIT(19) | BIT(15)), V(OK));
	assert_int_equal(kit_bind(&kit, 8, IP(15), 0, true), V(OK));
	assert_int_equal(kit_bind(&kit, 9, IP(16), 0, true), V(RESERVE));
	assert_true(model_block(kit.model, 1)->mask == (BIT(16) | BIT(17) | BIT(18)));
	kit_expect(&kit, kit_return(&kit, 2, 1, BIT(15)), V(STALE), "none of the addresses");
	assert_int_equal(kit_return(&kit, 2, 1, UINT64_MAX), V(OK));
	assert_null(model_block(kit.model, 1));
	/* A serial is never used again. */
	assert_int_equal(kit_give(&kit, 2, 1), V(OK));
	assert_non_null(model_block(kit.model, 2));
	kit_fini(&kit);
}

static void test_r1_the_cluster_takes_no_address_out_of_a_reserve(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 2, 1), V(OK));
	Pxe__Settings settings = *model_settings(kit.model);
	Pxe__Put put = PXE__PUT__INIT;
	uint8_t bytes[4];
	msg_ip4_put(IP(19), bytes);
	settings.server_ip = kit_bytes(bytes, 4);
	settings.epoch = 7;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	kit_expect(&kit, kit_put(&kit, &put), V(CONFLICT), "in the reserve of a node");
	assert_int_equal(kit_return(&kit, 2, 1, BIT(19)), V(OK));
	settings.reserve_percent = 91;
	kit_expect(&kit, kit_put(&kit, &put), V(INVALID), "reserves of 91 %");
	settings.reserve_percent = 90;
	assert_int_equal(kit_put(&kit, &put), V(OK));
	assert_int_equal(model_epoch(kit.model), 0); /* only a recovery raises it */
	/* 9 addresses are left: 90 percent of them for three. */
	assert_int_equal(model_reserve_target(kit.model, model_subnet(kit.model, "lab"), 3), 2);
	kit_fini(&kit);
}

/* On another subnet it is a wrong address like any other: a NAK helps the client. */
static void test_r1_a_reserved_address_of_another_subnet_is_refused(void **state)
{
	(void)state;
	struct kit kit;
	struct kit_who who;
	uint8_t bytes[4];
	Pxe__Bind bind = PXE__BIND__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	kit_init_three(&kit);
	assert_int_equal(kit_subnet(&kit, "far", "10.9.0.0", 24, NULL), V(OK));
	assert_int_equal(kit_give(&kit, 2, 1), V(OK));
	msg_ip4_put(IP(19), bytes);
	bind.who = kit_who(1, &who);
	bind.subnet = (char *)(uintptr_t) "far";
	bind.ip = kit_bytes(bytes, 4);
	command.op_case = PXE__COMMAND__OP_BIND;
	command.bind = &bind;
	assert_int_equal(kit_apply(&kit, &command), V(NOT_AVAILABLE));
	kit_fini(&kit);
}

static void test_r1_blocks_and_leases_outlive_pool_and_subnet(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 2, 2), V(OK));
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	assert_int_equal(kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_SUBNET, "lab", true), V(OK));
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 24, "10.0.0.1"), V(OK));
	assert_int_equal(kit_pool(&kit, "again", "lab", "10.0.0.10", "10.0.0.19"), V(OK));
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(IN_USE));
	assert_int_equal(kit_bind(&kit, 2, IP(19), 0, true), V(RESERVE));
	for (unsigned n = 2; n <= 8; n++) {
		assert_int_equal(kit_offer(&kit, n, 0), V(OK));
		assert_int_not_equal(kit.result.lease.ip, IP(12));
	}
	assert_int_equal(kit_offer(&kit, 9, 0), V(POOL_FULL));
	kit_fini(&kit);
}

static void test_r1_targets_are_equal_shares(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	const Pxe__Subnet *lab = model_subnet(kit.model, "lab");
	assert_int_equal(model_reserve_target(kit.model, lab, 1), 0); /* alone */
	kit_join(&kit, 2, WITNESS);
	assert_int_equal(model_reserve_target(kit.model, lab, 1), 5);
	assert_int_equal(model_reserve_target(kit.model, lab, 2), 0);
	kit_join(&kit, 3, FULL);
	assert_int_equal(model_reserve_target(kit.model, lab, 1), 2);
	assert_int_equal(kit_give(&kit, 3, 2), V(OK));
	assert_int_equal(model_reserve_target(kit.model, lab, 1), 2);
	/* As the pool fills, so do shares shrink. */
	for (unsigned n = 1; n <= 5; n++)
		assert_int_equal(kit_bind(&kit, n, IP(9 + n), 0, true), V(OK));
	assert_int_equal(model_reserve_target(kit.model, lab, 3), 1);
	assert_int_equal(kit_leave(&kit, "pxe3", false), V(OK));
	assert_int_equal(model_reserve_target(kit.model, lab, 3), 0);
	assert_int_equal(model_reserve_target(kit.model, lab, 1), 2);
	uint64_t free_count, held;
	model_reserve_usage(kit.model, lab, 0, &free_count, &held);
	assert_int_equal(free_count, 3);
	assert_int_equal(held, 2);
	kit_fini(&kit);
}

/* ---- [R6] */

static void test_r6_a_lease_of_the_reserve_becomes_an_ordinary_one(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 2, 3), V(OK));
	kit_at(&kit, 30000);
	uint64_t told_ms = kit.now_ms + 5000;
	assert_int_equal(kit_merge(&kit, 2, 7, IP(19), 1, told_ms, false), V(OK));
	struct lease lease = lease_of(&kit, IP(19));
	assert_int_equal(lease.state, S(BOUND));
	assert_int_equal(lease.expires_ms, told_ms);
	assert_int_equal(lease.promised_ms, kit.now_ms + 20000);
	assert_string_equal(lease.subnet, "lab");
	assert_true(model_block(kit.model, 1)->mask == (BIT(18) | BIT(17)));
	/* The client is known: it renews anywhere, for a whole lease. */
	kit_at(&kit, 32000);
	assert_int_equal(kit_bind(&kit, 7, IP(19), 0, false), V(OK));
	assert_int_equal(kit.result.lease.expires_ms, kit.now_ms + 100000);
	/* Told twice: nothing happens. */
	assert_int_equal(kit_merge(&kit, 2, 7, IP(19), 1, told_ms, false), V(STALE));
	assert_int_equal(kit.result.conflicts, 0);
	assert_int_equal(lease_of(&kit, IP(19)).expires_ms, kit.now_ms + 100000);
	/* No clock of a node makes it longer than MCLT; an end that nobody knows is MCLT from now.
	 */
	assert_int_equal(kit_merge(&kit, 2, 8, IP(18), 1, kit.now_ms + 900000, false), V(OK));
	assert_int_equal(lease_of(&kit, IP(18)).expires_ms, kit.now_ms + 20000);
	assert_int_equal(kit_merge(&kit, 2, 9, IP(17), 1, 0, false), V(OK));
	assert_int_equal(lease_of(&kit, IP(17)).expires_ms, kit.now_ms + 20000);
	assert_null(model_block(kit.model, 1));
	assert_int_equal(model_merge_conflicts(kit.model), 0);
	kit_fini(&kit);
}

static void test_r6_entries_of_others_blocks_are_stale(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 2, 1), V(OK)); /* .19, serial 1 */
	assert_int_equal(kit_give(&kit, 3, 1), V(OK)); /* .18, serial 2 */
	uint64_t told_ms = kit.now_ms + 5000;
	assert_int_equal(kit_merge(&kit, 3, 7, IP(19), 1, told_ms, false), V(STALE));
	assert_int_equal(kit_merge(&kit, 2, 7, IP(18), 1, told_ms, false), V(STALE));
	assert_int_equal(kit_merge(&kit, 2, 7, IP(19), 2, told_ms, false), V(STALE));
	assert_int_equal(kit_merge(&kit, 2, 7, IP(19), 99, told_ms, false), V(STALE));
	assert_int_equal(model_lease_count(kit.model), 0);
	assert_int_equal(model_merge_conflicts(kit.model), 0);
	kit_fini(&kit);
}

static void test_r6_a_declined_address_goes_into_quarantine(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 2, 1), V(OK));
	assert_int_equal(kit_merge(&kit, 2, 7, IP(19), 1, 0, true), V(OK));
	assert_null(model_block(kit.model, 1));
	assert_int_equal(kit_state(&kit, IP(19)), S(DECLINED));
	kit_at(&kit, 60000);
	assert_int_equal(kit_bind(&kit, 8, IP(19), 0, true), V(OK));
	kit_fini(&kit);
}

static void test_r6_an_extension_lasts_no_longer_than_promised(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK)); /* 100 s, promised 120 s */
	kit_at(&kit, 110000);
	assert_int_equal(kit_merge(&kit, 3, 1, IP(12), 0, kit.now_ms + 90000, false), V(OK));
	struct lease lease = lease_of(&kit, IP(12));
	assert_int_equal(lease.expires_ms, KIT_START_MS + 120000);
	assert_int_equal(lease.promised_ms, KIT_START_MS + 130000);
	/* A renewal with the quorum meanwhile is not shortened. */
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, false), V(OK));
	assert_int_equal(kit_merge(&kit, 3, 1, IP(12), 0, kit.now_ms + 5000, false), V(OK));
	assert_int_equal(lease_of(&kit, IP(12)).expires_ms, KIT_START_MS + 210000);
	assert_int_equal(lease_of(&kit, IP(12)).promised_ms, KIT_START_MS + 230000);
	kit_fini(&kit);
}

/* The client said goodbye to one node after another, which did not know, had extended its lease. */
static void test_r6_a_release_is_undone_by_an_extension(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	assert_int_equal(kit_bind(&kit, 2, IP(13), 0, true), V(OK));
	kit_at(&kit, 10000);
	assert_int_equal(kit_release(&kit, 1, IP(12), false), V(OK));
	assert_int_equal(kit_decline(&kit, 2, IP(13), false), V(OK));
	kit_at(&kit, 20000);
	assert_int_equal(kit_merge(&kit, 3, 1, IP(12), 0, KIT_START_MS + 90000, false), V(OK));
	assert_int_equal(kit_merge(&kit, 3, 2, IP(13), 0, KIT_START_MS + 90000, false), V(OK));
	assert_int_equal(model_unsettled_ms(kit.model), 0);
	assert_int_equal(kit_settle(&kit, 20000), V(OK));
	kit_at(&kit, 89000);
	assert_int_equal(kit_state(&kit, IP(12)), S(BOUND));
	assert_int_equal(kit_bind(&kit, 8, IP(12), 0, true), V(IN_USE));
	assert_int_equal(kit_bind(&kit, 8, IP(13), 0, true), V(NOT_AVAILABLE));
	kit_at(&kit, 122999);
	assert_int_equal(kit_bind(&kit, 8, IP(13), 0, true), V(NOT_AVAILABLE));
	kit_at(&kit, 123000);
	assert_int_equal(kit_bind(&kit, 8, IP(12), 0, true), V(OK));
	assert_int_equal(kit_bind(&kit, 9, IP(13), 0, true), V(OK));
	kit_fini(&kit);
}

static void test_r6_two_clients_of_one_address_are_a_conflict(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	assert_int_equal(kit_give(&kit, 3, 1), V(OK));
	kit_at(&kit, 10000);
	kit_expect(
		&kit, kit_merge(&kit, 2, 8, IP(12), 0, kit.now_ms + 1, false), V(OK), "10.0.0.12");
	assert_int_equal(kit.result.conflicts, 1);
	assert_int_equal(kit_merge(&kit, 2, 8, IP(19), 0, kit.now_ms + 1, false), V(OK));
	assert_int_equal(kit.result.conflicts, 1);
	assert_int_equal(model_merge_conflicts(kit.model), 2);
	assert_int_equal(lease_of(&kit, IP(12)).client[6], 1);
	/* What was over when the cluster passed the address on is none. */
	assert_int_equal(kit_merge(&kit, 2, 8, IP(12), 0, kit.now_ms, false), V(STALE));
	assert_int_equal(kit_merge(&kit, 2, 8, IP(12), 0, 0, false), V(STALE));
	assert_int_equal(model_merge_conflicts(kit.model), 2);
	kit_fini(&kit);
}

static void test_r6_a_lease_by_reservation_is_kept_against_the_new_owner(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.12"), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_HOST, "n07", false), V(OK));
	assert_int_equal(kit_host(&kit, "n08", 8, 0, "10.0.0.12"), V(OK));
	kit_at(&kit, 2000);
	/* Whether its end is known or not. */
	assert_int_equal(kit_merge(&kit, 2, 7, IP(12), 0, 0, false), V(OK));
	assert_int_equal(kit_settle(&kit, 1500), V(OK));
	assert_int_equal(kit_bind(&kit, 8, IP(12), 0, true), V(IN_USE));
	kit_at(&kit, 25000);
	assert_int_equal(kit_bind(&kit, 8, IP(12), 0, true), V(OK));
	/* An entry of somebody to whom it was never fixed, and who has no lease, makes none. */
	assert_int_equal(kit_merge(&kit, 2, 6, IP(13), 0, 0, false), V(STALE));
	assert_int_equal(kit_state(&kit, IP(13)), S(FREE));
	kit_fini(&kit);
}

/* ---- [R5] */

static void test_r5_a_moved_reservation_waits_for_every_member(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.12"), V(OK));
	assert_true(is_fixed(&kit, 7, IP(12)));
	assert_int_equal(model_unsettled_ms(kit.model), 0);
	kit_at(&kit, 1000);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.13"), V(OK));
	assert_int_equal(kit_host(&kit, "n08", 8, 0, "10.0.0.12"), V(OK));
	assert_true(is_fixed(&kit, 7, IP(13)));
	assert_false(is_fixed(&kit, 7, IP(12)));
	assert_false(is_fixed(&kit, 8, IP(12)));
	/* The new machine gets a pool address until then, and its own by force never. */
	kit_expect(&kit, kit_offer(&kit, 8, 0), V(OK), "until every node knows");
	assert_int_not_equal(kit.result.lease.ip, IP(12));
	kit_expect(&kit, kit_bind(&kit, 8, IP(12), 0, true), V(RESERVE), "until every node knows");
	assert_int_equal(model_unsettled_ms(kit.model), KIT_START_MS + 1000);
	kit_at(&kit, 5000);
	assert_int_equal(kit_settle(&kit, 1000), V(OK)); /* not strictly above */
	assert_int_equal(kit_bind(&kit, 8, IP(12), 0, true), V(RESERVE));
	assert_int_equal(kit_settle(&kit, 1001), V(OK));
	assert_int_equal(model_unsettled_ms(kit.model), 0);
	assert_true(is_fixed(&kit, 8, IP(12)));
	assert_int_equal(kit_bind(&kit, 8, IP(12), 0, true), V(OK));
	kit_fini(&kit);
}

/* Its old machine may have leased it of a node that nobody hears of. */
static void test_p4_the_old_machine_is_not_refused_before_every_member_knows(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.12"), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.13"), V(OK));
	kit_expect(&kit, kit_bind(&kit, 7, IP(12), 0, true), V(RESERVE), "until every node knows");
	assert_int_equal(kit_host(&kit, "n08", 8, 0, "10.0.0.12"), V(OK));
	kit_expect(&kit, kit_bind(&kit, 7, IP(12), 0, true), V(RESERVE), "until every node knows");
	kit_at(&kit, 5000);
	assert_int_equal(kit_settle(&kit, 1001), V(OK));
	kit_expect(&kit, kit_bind(&kit, 7, IP(12), 0, true), V(NOT_AVAILABLE), "reserved for host");
	kit_fini(&kit);
}

static void test_r5_a_dropped_reservation_is_nobodys_until_settled(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.19"), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_HOST, "n07", false), V(OK));
	assert_int_equal(kit_bind(&kit, 8, IP(19), 0, true), V(RESERVE));
	assert_int_equal(kit_offer(&kit, 8, IP(19)), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(19));
	assert_int_equal(kit_give(&kit, 2, 9), V(OK));
	assert_null(model_block_of(kit.model, IP(19)));
	/* The machine itself may have it, as from any pool. */
	assert_int_equal(kit_bind(&kit, 7, IP(19), 0, true), V(OK));
	assert_int_equal(kit_release(&kit, 7, IP(19), false), V(OK));
	assert_int_equal(kit_settle(&kit, 1000), V(OK));
	kit_at(&kit, 1001);
	assert_int_equal(kit_settle(&kit, 1001), V(OK));
	kit_at(&kit, 4000);
	assert_int_equal(kit_sweep(&kit, 0), V(OK));
	assert_int_equal(kit_bind(&kit, 8, IP(19), 0, true), V(OK));
	kit_fini(&kit);
}

static void test_r5_a_change_of_macs_is_a_change_of_machine(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.12"), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.12"), V(OK));
	assert_int_equal(model_unsettled_ms(kit.model), 0); /* nothing changed */
	kit_at(&kit, 1000);
	assert_int_equal(kit_host(&kit, "n07", 7, 8, "10.0.0.12"), V(OK));
	assert_true(is_fixed(&kit, 7, IP(12)));
	assert_false(is_fixed(&kit, 8, IP(12)));
	assert_int_equal(kit_bind(&kit, 7, IP(12), 0, true), V(OK));
	/* The new port may not take the lease over yet. */
	assert_int_equal(kit_bind(&kit, 8, IP(12), 0, true), V(RESERVE));
	kit_at(&kit, 2000);
	assert_int_equal(kit_host(&kit, "n07", 8, 0, "10.0.0.12"), V(OK));
	assert_false(is_fixed(&kit, 7, IP(12)));
	assert_false(is_fixed(&kit, 8, IP(12)));
	/* Each change waits for itself. */
	assert_int_equal(kit_settle(&kit, 2000), V(OK));
	assert_int_equal(model_unsettled_ms(kit.model), KIT_START_MS + 2000);
	kit_at(&kit, 2001);
	assert_int_equal(kit_settle(&kit, 2001), V(OK));
	assert_int_equal(kit_bind(&kit, 8, IP(12), 0, true), V(IN_USE)); /* it is leased */
	kit_fini(&kit);
}

static void test_r5_two_changes_in_one_stamp_leave_who_is_in_both(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 8, "10.0.0.12"), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_host(&kit, "n07", 8, 9, "10.0.0.12"), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 7, 9, "10.0.0.12"), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 8, 7, "10.0.0.12"), V(OK));
	assert_false(is_fixed(&kit, 7, IP(12)));
	assert_false(is_fixed(&kit, 8, IP(12)));
	kit_at(&kit, 1001);
	assert_int_equal(kit_settle(&kit, 1001), V(OK));
	assert_true(is_fixed(&kit, 7, IP(12)));
	assert_true(is_fixed(&kit, 8, IP(12)));
	kit_fini(&kit);
}

static void test_r5_nobody_acts_alone_where_another_was_offered_it(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_offer(&kit, 1, IP(12)), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.12"), V(OK));
	assert_false(is_fixed(&kit, 7, IP(12))); /* the other may still take the offer */
	kit_at(&kit, 9999);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, false), V(OK));
	kit_fini(&kit);
}

/* ---- settling */

static void test_settle_is_judged_and_never_goes_back(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	kit_at(&kit, 5000);
	assert_int_equal(kit_settle(&kit, 5001), V(INVALID)); /* the future */
	assert_int_equal(kit_settle(&kit, 4000), V(OK));
	assert_int_equal(model_settled_ms(kit.model), KIT_START_MS + 4000);
	assert_int_equal(kit_settle(&kit, 4000), V(OK));
	assert_int_equal(kit_settle(&kit, 3999), V(STALE));
	assert_int_equal(model_settled_ms(kit.model), KIT_START_MS + 4000);
	kit_fini(&kit);
}

static void test_settle_is_bounded_and_goes_on(void **state)
{
	(void)state;
	struct kit kit;
	unsigned settles = 0;
	kit_init_bare(&kit);
	struct model_sink disk = kit.sink;
	kit.sink = (struct model_sink){0}; /* the disk of this test would be slow */
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 16, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "big", "lab", "10.0.1.0", "10.0.50.255"), V(OK));
	for (unsigned n = 0; n < 6000; n++) {
		assert_int_equal(kit_offer(&kit, n, 0), V(OK));
		assert_int_equal(kit_bind(&kit, n, kit.result.lease.ip, 0, false), V(OK));
		assert_int_equal(kit_release(&kit, n, kit.result.lease.ip, false), V(OK));
	}
	kit_at(&kit, 1);
	for (; model_unsettled_ms(kit.model) != 0; settles++)
		assert_int_equal(kit_settle(&kit, 1), V(OK));
	assert_int_equal(settles, 2);
	kit_at(&kit, 3000);
	assert_int_equal(kit_sweep(&kit, 16384), V(OK));
	assert_int_equal(model_lease_count(kit.model), 0);
	kit_disk_fini(&kit.disk);
	kit.sink = disk;
	kit_dump(kit.model, &kit.disk);
	kit_fini(&kit);
}

/* A node that does not know of a shorter MCLT yet leases for the longer one. */
static void test_r3_a_shorter_mclt_counts_when_all_know_it(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 2, 2), V(OK));
	Pxe__Settings settings = *model_settings(kit.model);
	Pxe__Put put = PXE__PUT__INIT;
	settings.mclt_s = 5;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	kit_at(&kit, 1000);
	assert_int_equal(kit_put(&kit, &put), V(OK));
	assert_int_equal(model_mclt_ms(kit.model), 5000);
	assert_int_equal(model_unsettled_ms(kit.model), KIT_START_MS + 1000);
	kit_at(&kit, 2000);
	assert_int_equal(kit_merge(&kit, 2, 7, IP(19), 1, kit.now_ms + 19000, false), V(OK));
	assert_int_equal(lease_of(&kit, IP(19)).expires_ms, kit.now_ms + 19000);
	assert_int_equal(kit_settle(&kit, 1001), V(OK));
	assert_int_equal(model_unsettled_ms(kit.model), 0);
	assert_int_equal(kit_merge(&kit, 2, 7, IP(18), 1, kit.now_ms + 19000, false), V(OK));
	assert_int_equal(lease_of(&kit, IP(18)).expires_ms, kit.now_ms + 5000);
	kit_fini(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_r1_gifts_come_from_the_top_of_the_pool),
		cmocka_unit_test(test_r1_whole_windows_go_first),
		cmocka_unit_test(test_r1_gifts_are_judged),
		cmocka_unit_test(test_r1_an_address_of_a_reserve_is_its_owners_alone),
		cmocka_unit_test(test_r1_the_cluster_takes_no_address_out_of_a_reserve),
		cmocka_unit_test(test_r1_a_reserved_address_of_another_subnet_is_refused),
		cmocka_unit_test(test_r1_blocks_and_leases_outlive_pool_and_subnet),
		cmocka_unit_test(test_r1_targets_are_equal_shares),
		cmocka_unit_test(test_r6_a_lease_of_the_reserve_becomes_an_ordinary_one),
		cmocka_unit_test(test_r6_entries_of_others_blocks_are_stale),
		cmocka_unit_test(test_r6_a_declined_address_goes_into_quarantine),
		cmocka_unit_test(test_r6_an_extension_lasts_no_longer_than_promised),
		cmocka_unit_test(test_r6_a_release_is_undone_by_an_extension),
		cmocka_unit_test(test_r6_two_clients_of_one_address_are_a_conflict),
		cmocka_unit_test(test_r6_a_lease_by_reservation_is_kept_against_the_new_owner),
		cmocka_unit_test(test_r5_a_moved_reservation_waits_for_every_member),
		cmocka_unit_test(test_p4_the_old_machine_is_not_refused_before_every_member_knows),
		cmocka_unit_test(test_r5_a_dropped_reservation_is_nobodys_until_settled),
		cmocka_unit_test(test_r5_a_change_of_macs_is_a_change_of_machine),
		cmocka_unit_test(test_r5_two_changes_in_one_stamp_leave_who_is_in_both),
		cmocka_unit_test(test_r5_nobody_acts_alone_where_another_was_offered_it),
		cmocka_unit_test(test_settle_is_judged_and_never_goes_back),
		cmocka_unit_test(test_settle_is_bounded_and_goes_on),
		cmocka_unit_test(test_r3_a_shorter_mclt_counts_when_all_know_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
