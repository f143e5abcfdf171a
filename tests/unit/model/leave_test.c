/* Members that leave in order or by force [R7], their modes, and recovery. */
#include "tests/unit/model/model_kit.h"

#define FULL    PXE__MEMBER_ROLE__MEMBER_FULL
#define WITNESS PXE__MEMBER_ROLE__MEMBER_WITNESS

#define IP(last) (UINT32_C(0x0a000000) + (last))

/* ---- [R7] */

static void test_r7_a_forced_members_reserve_is_free_after_mclt(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 3, 10), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_leave(&kit, "pxe3", true), V(OK));
	assert_true(model_member(kit.model, 3)->removing);
	assert_true(model_member(kit.model, 3)->forced);
	assert_int_equal(model_member(kit.model, 3)->removing_ms, KIT_START_MS + 1000);
	assert_int_equal(model_block(kit.model, 1)->free_at_ms, KIT_START_MS + 24000);
	assert_int_equal(model_settle_after_ms(kit.model), KIT_START_MS + 24000);
	assert_int_equal(kit_gone(&kit, 3), V(OK));
	assert_null(model_member(kit.model, 3));
	kit_expect(&kit, kit_bind(&kit, 1, IP(12), 0, true), V(RESERVE), "a node that was removed");
	kit_at(&kit, 23999);
	assert_false(model_sweep_due(kit.model, kit.now_ms));
	assert_int_equal(kit_sweep(&kit, 0), V(OK));
	assert_int_equal(kit_offer(&kit, 1, 0), V(POOL_FULL));
	kit_expect(&kit, kit_settle(&kit, 2000), V(CONFLICT), "removed by force");
	kit_at(&kit, 24000);
	assert_true(model_sweep_due(kit.model, kit.now_ms));
	assert_int_equal(kit_sweep(&kit, 0), V(OK));
	assert_false(model_sweep_due(kit.model, kit.now_ms));
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_int_equal(kit_settle(&kit, 2000), V(OK));
	kit_fini(&kit);
}

/* Before it was switched off it may have extended a lease that others knew as released. */
static void test_r7_what_a_forced_member_may_have_extended_keeps_its_promise(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	assert_int_equal(kit_bind(&kit, 2, IP(13), 0, true), V(OK));
	assert_int_equal(kit_bind(&kit, 3, IP(14), 0, true), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_release(&kit, 1, IP(12), false), V(OK));
	kit_at(&kit, 2000);
	assert_int_equal(kit_leave(&kit, "pxe3", true), V(OK));
	/* Or it acknowledged one from its state, while the RELEASE was on its way. */
	kit_at(&kit, 2900);
	assert_int_equal(kit_release(&kit, 3, IP(14), false), V(OK));
	kit_at(&kit, 2000 + MODEL_LIFE_MS + 1);
	assert_int_equal(kit_release(&kit, 2, IP(13), false), V(OK));
	kit_at(&kit, 30000);
	assert_int_equal(kit_settle(&kit, 30000), V(OK));
	assert_int_equal(kit_bind(&kit, 8, IP(13), 0, true), V(OK));
	assert_int_equal(kit_bind(&kit, 9, IP(12), 0, true), V(IN_USE));
	assert_int_equal(kit_bind(&kit, 9, IP(14), 0, true), V(IN_USE));
	assert_int_equal(model_unsettled_ms(kit.model), 0);
	kit_at(&kit, 123000);
	assert_int_equal(kit_bind(&kit, 9, IP(12), 0, true), V(OK));
	kit_fini(&kit);
}

static void test_r7_an_orderly_leave_gives_the_reserve_back_first(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 3, 2), V(OK));
	kit_at(&kit, 500);
	assert_int_equal(kit_leave(&kit, "pxe3", false), V(OK));
	assert_int_equal(model_member(kit.model, 3)->removing_ms, KIT_START_MS + 500);
	assert_int_equal(model_block(kit.model, 1)->free_at_ms, 0);
	kit_expect(&kit, kit_gone(&kit, 3), V(CONFLICT), "still has a reserve");
	assert_int_equal(kit_return(&kit, 3, 1, UINT64_MAX), V(OK));
	assert_int_equal(kit_gone(&kit, 3), V(OK));
	/* One that does not come back is forced out after all. */
	assert_int_equal(kit_give(&kit, 2, 2), V(OK));
	assert_int_equal(kit_leave(&kit, "pxe2", false), V(OK));
	kit_at(&kit, 900);
	assert_int_equal(kit_leave(&kit, "pxe2", true), V(OK));
	assert_true(model_member(kit.model, 2)->forced);
	assert_int_equal(model_member(kit.model, 2)->removing_ms, KIT_START_MS + 500);
	assert_int_equal(model_block(kit.model, 2)->free_at_ms, KIT_START_MS + 23900);
	kit_at(&kit, 1900);
	assert_int_equal(kit_leave(&kit, "pxe2", true), V(OK));
	assert_int_equal(model_block(kit.model, 2)->free_at_ms, KIT_START_MS + 23900);
	assert_int_equal(kit_gone(&kit, 2), V(OK));
	kit_fini(&kit);
}

/* ---- modes */

static void test_modes_of_members(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	kit_join(&kit, 4, WITNESS);
	uint64_t revision = model_revision(kit.model);
	assert_int_equal(kit_mode(&kit, "pxe2", PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE), V(OK));
	assert_int_equal(kit.result.id, 2);
	assert_true(model_member(kit.model, 2)->standby);
	assert_int_equal(model_revision(kit.model), revision + 1);
	assert_int_equal(kit_mode(&kit, "pxe2", PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE), V(OK));
	assert_int_equal(model_revision(kit.model), revision + 1);
	assert_int_equal(kit_mode(&kit, "pxe1", PXE__MEMBER_MODE__MEMBER_MODE_DRAIN), V(OK));
	assert_true(model_member(kit.model, 1)->draining);
	assert_int_equal(kit_mode(&kit, "pxe2", PXE__MEMBER_MODE__MEMBER_MODE_DRAIN), V(OK));
	kit_expect(&kit, kit_mode(&kit, "pxe3", PXE__MEMBER_MODE__MEMBER_MODE_DRAIN), V(CONFLICT),
		"the last node that takes clients");
	assert_int_equal(kit_mode(&kit, "pxe1", PXE__MEMBER_MODE__MEMBER_MODE_UNDRAIN), V(OK));
	assert_false(model_member(kit.model, 1)->draining);
	assert_int_equal(kit_mode(&kit, "pxe2", PXE__MEMBER_MODE__MEMBER_MODE_PROMOTE), V(OK));
	assert_false(model_member(kit.model, 2)->standby);
	kit_expect(&kit, kit_mode(&kit, "pxe4", PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE), V(INVALID),
		"is a witness");
	kit_expect(&kit, kit_mode(&kit, "pxe9", PXE__MEMBER_MODE__MEMBER_MODE_DRAIN), V(NOT_FOUND),
		"no such node");
	kit_expect(&kit, kit_mode(&kit, "pxe1", (Pxe__MemberMode)77), V(INVALID), "mode 77");
	assert_int_equal(kit_leave(&kit, "pxe3", false), V(OK));
	kit_expect(&kit, kit_mode(&kit, "pxe3", PXE__MEMBER_MODE__MEMBER_MODE_DRAIN), V(CONFLICT),
		"being removed");
	assert_int_equal(kit_leave(&kit, "pxe4", false), V(OK));
	assert_int_equal(kit_mode(&kit, "pxe1", PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE), V(OK));
	kit_expect(&kit, kit_mode(&kit, "pxe2", PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE), V(CONFLICT),
		"the last vote");
	kit_fini(&kit);
}

/* ---- recovery */

static void test_recovery_goes_on_with_one(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 2, 2), V(OK)); /* .19, .18 */
	assert_int_equal(kit_give(&kit, 3, 2), V(OK)); /* .17, .16 */
	assert_int_equal(kit_bind(&kit, 1, IP(10), 0, true), V(OK));
	assert_int_equal(kit_offer(&kit, 8, IP(14)), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.11"), V(OK));
	assert_int_equal(kit_leave(&kit, "pxe2", false), V(OK));
	kit_at(&kit, 1000);
	kit_expect(&kit, kit_recover(&kit, 9, 1, false, 60), V(NOT_FOUND), "no member");
	kit_expect(&kit, kit_recover(&kit, 2, 0, false, 60), V(CONFLICT), "epoch 0");
	assert_int_equal(kit_recover(&kit, 2, 5, false, 60), V(OK));
	assert_int_equal(model_epoch(kit.model), 5);
	assert_null(model_member(kit.model, 1));
	assert_null(model_member(kit.model, 3));
	assert_false(model_member(kit.model, 2)->removing);
	assert_int_equal(model_block(kit.model, 1)->free_at_ms, 0);
	assert_int_equal(model_block(kit.model, 2)->free_at_ms, KIT_START_MS + 24000);
	assert_int_equal(model_unknown_until_ms(kit.model), KIT_START_MS + 61000);
	/* Known leases, reservations, and who claims a free address, are served; others are not. */
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(10));
	assert_int_equal(kit_offer(&kit, 7, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(11));
	assert_int_equal(kit_bind(&kit, 4, IP(13), 0, false), V(NOT_FOUND)); /* remembers it */
	assert_int_equal(kit_bind(&kit, 4, IP(13), 0, true), V(OK));         /* uses it */
	assert_int_equal(kit_bind(&kit, 5, IP(13), 0, true), V(IN_USE));
	/* What it was offered before may have been given to another since. */
	kit_expect(&kit, kit_offer(&kit, 8, 0), V(POOL_FULL), "for another 1m");
	kit_expect(&kit, kit_bind(&kit, 5, IP(14), 0, true), V(RESERVE), "may be this client's");
	kit_expect(&kit, kit_bind(&kit, 5, IP(200), 0, true), V(RESERVE), "may be this client's");
	assert_int_equal(kit_bind(&kit, 5, IP(16), 0, true), V(RESERVE));
	kit_expect(&kit, kit_offer(&kit, 5, IP(12)), V(POOL_FULL), "for another 1m");
	/* A reservation made now does not give what may be leased to somebody. */
	assert_int_equal(kit_host(&kit, "n03", 3, 0, "10.0.0.12"), V(OK));
	kit_expect(&kit, kit_offer(&kit, 3, 0), V(POOL_FULL), "for another 1m");
	assert_int_equal(kit_bind(&kit, 5, IP(12), 0, true), V(RESERVE));
	/* Its own reserve serves new clients: it is kept, though there is no other member. */
	assert_int_equal(model_reserve_target(kit.model, model_subnet(kit.model, "lab"), 2), 2);
	assert_int_equal(kit_merge(&kit, 2, 5, IP(19), 1, kit.now_ms + 9000, false), V(OK));
	kit_at(&kit, 61000);
	assert_int_equal(kit_sweep(&kit, 0), V(OK));
	assert_int_equal(kit_offer(&kit, 6, IP(16)), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(16));
	assert_int_equal(kit_bind(&kit, 8, IP(14), 0, false), V(NOT_FOUND));
	assert_int_equal(model_reserve_target(kit.model, model_subnet(kit.model, "lab"), 2), 0);
	/* Who joins now is nobody that was lost. */
	assert_true(kit_join(&kit, 5, FULL) > 100);
	kit_fini(&kit);
}

static void test_a_restored_backup_owns_no_blocks(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	assert_int_equal(kit_give(&kit, 1, 2), V(OK));
	assert_int_equal(kit_give(&kit, 3, 2), V(OK));
	assert_int_equal(kit_recover(&kit, 1, 1, true, 3600), V(OK));
	for (uint32_t ip = 10; ip <= 19; ip++)
		assert_null(model_block_of(kit.model, IP(ip)));
	kit_join(&kit, 6, FULL);
	kit_expect(&kit, kit_give(&kit, 1, 2), V(CONFLICT), "not known");
	kit_at(&kit, 3600000);
	assert_int_equal(kit_give(&kit, 1, 2), V(OK));
	assert_null(model_block(kit.model, 1)); /* an old journal names no new block */
	assert_null(model_block(kit.model, 3));
	kit_fini(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_r7_a_forced_members_reserve_is_free_after_mclt),
		cmocka_unit_test(test_r7_what_a_forced_member_may_have_extended_keeps_its_promise),
		cmocka_unit_test(test_r7_an_orderly_leave_gives_the_reserve_back_first),
		cmocka_unit_test(test_modes_of_members),
		cmocka_unit_test(test_recovery_goes_on_with_one),
		cmocka_unit_test(test_a_restored_backup_owns_no_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
