/* What a node leases by itself: [R1] its blocks, [R3] bindings, [R5] reservations; restarts [R2].
 */
#include "tests/unit/node/reserve_rig.h"

#include <errno.h>

static bool is_in_block_of(const struct node *node, uint32_t ip, uint64_t owner)
{
	const Pxe__Block *block = model_block_of(node->rig.model, ip);
	return block != NULL && block->owner == owner;
}

static void without_blocks_a_new_client_gets_nothing(void **state)
{
	struct node *node = *state;
	assert_false(node_offer(node, 1, 0));
	assert_false(node_grant(node, 1, IP(10, 0, 0, 150)));
	assert_int_equal(node_journal(node, NULL), 0);
}

static void an_own_address_is_leased_for_mclt_at_most(void **state) /* [R1] */
{
	struct node *node = *state;
	node_give(node, 1, 20);
	assert_true(node_offer(node, 1, 0));
	assert_int_equal(node->grant.source, RESERVE_OWN);
	assert_int_equal(node->grant.lease_s, RIG_MCLT_S);
	assert_true(is_in_block_of(node, node->grant.ip, 1));
	uint32_t ip = node->grant.ip;
	assert_true(node_grant(node, 1, ip));
	assert_int_equal(node->grant.source, RESERVE_OWN);
	assert_int_equal(node->grant.lease_s, RIG_MCLT_S);
	uint64_t oldest_ms;
	assert_int_equal(node_journal(node, &oldest_ms), 1);
	assert_int_equal(oldest_ms, model_stamp_ms(node->rig.model));
}

static void a_shorter_lease_is_granted_as_with_the_quorum(void **state)
{
	struct node *node = *state;
	struct reserve_view view = node_view(node);
	Pxe__ClientInfo who = who_is(node, 1);
	node_give(node, 1, 20);
	assert_true(
		reserve_offer(node->reserve, &view, &who, node_subnet(node), 0, 120, &node->grant));
	assert_int_equal(node->grant.lease_s, 120);
}

static void another_members_block_is_never_touched(void **state) /* [R1] */
{
	struct node *node = *state;
	node_give(node, 2, 20);
	assert_false(node_offer(node, 1, 0));
	for (uint32_t ip = IP(10, 0, 0, 1); ip < IP(10, 0, 0, 255); ip++)
		assert_false(node_grant(node, 1, ip));
}

static void no_two_clients_get_one_address_and_all_are_used(void **state)
{
	struct node *node = *state;
	bool taken[256] = {false};
	node_give(node, 1, 40);
	for (unsigned client = 1; client <= 40; client++) {
		uint32_t ip = node_lease(node, client);
		assert_true(is_in_block_of(node, ip, 1));
		assert_false(taken[ip & 255]);
		taken[ip & 255] = true;
	}
	assert_false(node_offer(node, 41, 0));
	uint32_t total, free_count, leased;
	struct reserve_view view = node_view(node);
	reserve_usage(node->reserve, &view, &total, &free_count, &leased);
	assert_int_equal(total, 40);
	assert_int_equal(free_count, 0);
	assert_int_equal(leased, 40);
}

static void clients_are_spread_over_the_block(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 40);
	assert_true(node_offer(node, 1, 0));
	uint32_t first = node->grant.ip;
	for (unsigned client = 2; client <= 20; client++) {
		assert_true(node_offer(node, client, 0));
		assert_int_not_equal(node->grant.ip, first);
	}
	/* A flood in order of address would be neighbours all along. */
	unsigned neighbours = 0;
	uint32_t last = first;
	for (unsigned client = 2; client <= 20; client++) {
		assert_true(node_offer(node, client, 0));
		neighbours += node->grant.ip == last + 1;
		last = node->grant.ip;
	}
	assert_in_range(neighbours, 0, 12);
}

static void an_offer_stands_for_its_client_alone_and_runs_out(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 1);
	assert_true(node_offer(node, 1, 0));
	uint32_t ip = node->grant.ip;
	assert_true(node_knows(node, 1, ip));
	assert_false(node_knows(node, 2, ip));
	assert_false(node_offer(node, 2, 0));
	assert_false(node_grant(node, 2, ip));
	assert_true(node_offer(node, 1, 0));
	assert_int_equal(node->grant.ip, ip);
	rig_pass(&node->rig, RESERVE_OFFER_MS);
	assert_false(node_knows(node, 1, ip));
	assert_true(node_offer(node, 2, 0));
	assert_int_equal(node->grant.ip, ip);
}

static void a_client_comes_back_to_its_own_address(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 30);
	uint32_t ip = node_lease(node, 1);
	for (unsigned client = 2; client <= 10; client++)
		node_lease(node, client);
	rig_pass(&node->rig, 4 * RIG_MCLT_S * 1000); /* long over */
	assert_true(node_offer(node, 1, 0));
	assert_int_equal(node->grant.ip, ip);
	/* And the address that it asks for, if it has none. */
	uint32_t wanted = 0;
	for (uint32_t at = IP(10, 0, 0, 100); at < IP(10, 0, 0, 200) && wanted == 0; at++)
		if (is_in_block_of(node, at, 1) && node_offer(node, 77, at) && node->grant.ip == at)
			wanted = at;
	assert_int_not_equal(wanted, 0);
}

static void a_running_lease_keeps_others_away_to_its_last_moment(void **state) /* [P1] */
{
	struct node *node = *state;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	uint64_t over_ms = RIG_MCLT_S * 1000 + RIG_MCLT_S + 1000;
	rig_pass(&node->rig, over_ms - 1);
	assert_false(node_offer(node, 2, 0));
	assert_false(node_grant(node, 2, ip));
	rig_pass(&node->rig, 1);
	assert_true(node_grant(node, 2, ip));
	assert_int_equal(node_journal(node, NULL), 1);
	assert_false(node_knows(node, 1, ip));
	assert_true(node_knows(node, 2, ip));
}

static void a_shorter_renewal_does_not_free_the_address_sooner(void **state) /* [P1] */
{
	struct node *node = *state;
	struct reserve_view view = node_view(node);
	Pxe__ClientInfo who = who_is(node, 1);
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	assert_true(reserve_grant(
		node->reserve, &view, &who, node_subnet(node), ip, 60, &node->grant, &node->write));
	node_write(node, &node->write);
	assert_int_equal(node->grant.lease_s, 60);
	rig_pass(&node->rig, 120 * 1000);
	assert_false(node_grant(node, 2, ip));
}

/* ---- bindings [R3] */

static uint64_t promised_of(const struct node *node, uint32_t ip)
{
	struct lease lease;
	assert_true(model_lease_of_ip(node->rig.model, ip, &lease));
	return lease.promised_ms;
}

static void a_binding_is_extended_to_its_promise_and_not_beyond(void **state)
{
	struct node *node = *state;
	uint32_t ip = rig_lease(&node->rig, 1);
	uint64_t promised_ms = promised_of(node, ip);
	assert_int_equal(promised_ms, node->rig.view.now_ms + (RIG_LEASE_S + RIG_MCLT_S) * 1000);
	uint64_t start_ms = node->rig.view.now_ms;
	for (uint64_t left_ms = 620000; left_ms >= 1000; left_ms -= 617) {
		node->rig.view.boot_ms += promised_ms - left_ms - node->rig.view.now_ms;
		node->rig.view.now_ms = promised_ms - left_ms;
		assert_true(node_grant(node, 1, ip));
		assert_int_equal(node->grant.source, RESERVE_BINDING);
		uint64_t told_ms = node->grant.lease_s * UINT64_C(1000);
		assert_true(node->rig.view.now_ms + told_ms <= promised_ms);
		assert_true(told_ms <= RIG_MCLT_S * 1000);
		assert_true(told_ms == RIG_MCLT_S * 1000 || told_ms + 1000 > left_ms);
	}
	assert_true(node->rig.view.now_ms > start_ms);
	rig_pass(&node->rig, promised_ms - node->rig.view.now_ms - 999);
	assert_false(node_grant(node, 1, ip));
}

static void what_the_clock_may_be_off_by_is_not_told(void **state) /* [R8] */
{
	struct node *node = *state;
	uint32_t ip = rig_lease(&node->rig, 1);
	rig_pass(&node->rig, promised_of(node, ip) - node->rig.view.now_ms - 100000);
	struct reserve_view view = node_view(node);
	Pxe__ClientInfo who = who_is(node, 1);
	view.time_error_ms = 40001;
	assert_true(reserve_grant(
		node->reserve, &view, &who, node_subnet(node), ip, 0, &node->grant, &node->write));
	node_write(node, &node->write);
	assert_int_equal(node->grant.lease_s, 59);
	view.time_error_ms = 99001;
	assert_false(reserve_grant(
		node->reserve, &view, &who, node_subnet(node), ip, 0, &node->grant, &node->write));
	view.time_error_ms = 0;
	view.time_known = false;
	assert_false(reserve_grant(
		node->reserve, &view, &who, node_subnet(node), ip, 0, &node->grant, &node->write));
}

static void a_binding_with_little_left_is_no_offer(void **state)
{
	struct node *node = *state;
	uint32_t ip = rig_lease(&node->rig, 1);
	rig_pass(&node->rig, promised_of(node, ip) - node->rig.view.now_ms - 10000);
	assert_true(node_offer(node, 1, 0));
	assert_int_equal(node->grant.source, RESERVE_BINDING);
	assert_int_equal(node->grant.lease_s, 10);
	rig_pass(&node->rig, 1);
	assert_false(node_offer(node, 1, 0));
	assert_true(node_grant(node, 1, ip));
	assert_int_equal(node->grant.lease_s, 9);
}

static void an_offer_of_the_cluster_is_no_binding(void **state)
{
	struct node *node = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	assert_true(rig_ask(&node->rig, &ask));
	uint32_t ip = node->rig.reply.header.yiaddr;
	assert_false(node_offer(node, 1, 0));
	assert_false(node_grant(node, 1, ip));
}

static void another_clients_binding_is_left_alone(void **state)
{
	struct node *node = *state;
	uint32_t ip = rig_lease(&node->rig, 1);
	assert_false(node_grant(node, 2, ip));
	rig_pass(&node->rig, 10 * RIG_LEASE_S * 1000);
	assert_false(node_grant(node, 2, ip)); /* free, but not ours to give */
}

/* Who knows of a release is counted on: the cluster may shorten the promise once all do. */
static void a_binding_that_was_given_up_is_not_extended(void **state)
{
	struct node *node = *state;
	uint32_t ip = rig_lease(&node->rig, 1);
	struct ask ask = {.type = DHCP4_RELEASE, .client = 1, .ciaddr = ip, .unicast = true};
	assert_true(node_grant(node, 1, ip));
	rig_pass(&node->rig, 5000);
	rig_ask(&node->rig, &ask);
	struct lease lease;
	assert_true(model_lease_of_ip(node->rig.model, ip, &lease));
	assert_int_not_equal(lease.released_ms, 0);
	assert_true(lease.promised_ms > node->rig.view.now_ms + 1000);
	assert_false(node_offer(node, 1, 0));
	assert_false(node_grant(node, 1, ip));
}

/* ---- reservations [R5] */

static void a_reserved_address_is_leased_to_its_machine_for_mclt(void **state)
{
	struct node *node = *state;
	rig_host(&node->rig, "n07", 7, IP(10, 0, 0, 20), false);
	node_give(node, 1, 20);
	assert_true(node_offer(node, 7, 0));
	assert_int_equal(node->grant.source, RESERVE_FIXED);
	assert_int_equal(node->grant.ip, IP(10, 0, 0, 20));
	assert_true(node_grant(node, 7, IP(10, 0, 0, 20)));
	assert_int_equal(node->grant.source, RESERVE_FIXED);
	assert_int_equal(node->grant.lease_s, RIG_MCLT_S);
	assert_false(node_grant(node, 8, IP(10, 0, 0, 20)));
}

static void a_reserved_address_in_a_block_waits_and_the_machine_gets_another(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 20);
	node_give(node, 2, 20);
	uint32_t theirs = 0, ours = 0;
	for (uint32_t ip = IP(10, 0, 0, 100); ip < IP(10, 0, 0, 200); ip++) {
		theirs = is_in_block_of(node, ip, 2) ? ip : theirs;
		ours = is_in_block_of(node, ip, 1) ? ip : ours;
	}
	rig_host(&node->rig, "n07", 7, theirs, false);
	rig_host(&node->rig, "n08", 8, ours, false);
	assert_false(node_grant(node, 7, theirs));
	assert_false(node_grant(node, 8, ours));
	assert_false(node_grant(node, 9, ours));
	assert_true(node_offer(node, 7, 0));
	assert_int_equal(node->grant.source, RESERVE_OWN);
	for (unsigned client = 10; client < 40; client++)
		if (node_offer(node, client, ours))
			assert_int_not_equal(node->grant.ip, ours);
}

static void a_reservation_of_an_address_that_is_leased_waits(void **state)
{
	struct node *node = *state;
	uint32_t ip = rig_lease(&node->rig, 1);
	rig_host(&node->rig, "n07", 7, ip, false);
	assert_false(node_offer(node, 7, 0));
	assert_false(node_grant(node, 7, ip));
}

/* ---- restarts [R2] [R8] */

static void after_a_restart_what_the_journal_names_is_its_clients_alone(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	rig_pass(&node->rig, 1000);
	node_restart(node);
	assert_int_equal(node_journal(node, NULL), 1);
	assert_false(node_offer(node, 2, 0));
	assert_false(node_grant(node, 2, ip));
	assert_true(node_knows(node, 1, ip));
	rig_pass(&node->rig, RIG_MCLT_S * 1000 + MODEL_MAX_SKEW_MS - 1);
	assert_false(node_grant(node, 2, ip));
	rig_pass(&node->rig, 1);
	assert_true(node_grant(node, 2, ip));
}

static void after_a_restart_the_same_client_is_served_at_once(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	node_restart(node);
	assert_true(node_offer(node, 1, 0));
	assert_int_equal(node->grant.ip, ip);
	assert_true(node_grant(node, 1, ip));
	assert_int_equal(node->grant.lease_s, RIG_MCLT_S);
	rig_pass(&node->rig, RIG_MCLT_S * 1000 + MODEL_MAX_SKEW_MS - 1);
	assert_false(node_grant(node, 2, ip));
}

static void a_longer_mclt_of_then_is_remembered(void **state)
{
	struct node *node = *state;
	Pxe__Settings settings;
	uint8_t server_ip[4];
	Pxe__Put put = PXE__PUT__INIT;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	rig_settings_fill(&settings, PXE__DHCP_MODE__DHCP_ON, server_ip);
	settings.mclt_s = 60;
	settings.next_member_id = model_settings(node->rig.model)->next_member_id;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(&node->rig, &put);
	assert_int_equal(model_mclt_ms(node->rig.model), 60000);
	node_restart(node);
	rig_pass(&node->rig, RIG_MCLT_S * 1000 - 1);
	assert_false(node_grant(node, 2, ip));
}

/* The crash came between the proposal and its outcome: perhaps the cluster has taken the lease
 * over, and given the address to somebody since. */
static void what_was_told_to_the_cluster_before_a_crash_is_leased_to_nobody(void **state)
{
	struct node *node = *state;
	struct reserve_task task;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	node_sync(node);
	assert_int_equal(node_writes(node, &task), 1);
	node_sync(node);
	assert_int_equal(node_task(node, &task), RESERVE_DUTY_PROPOSE);
	node_restart(node);
	assert_false(node_grant(node, 1, ip));
	assert_false(node_grant(node, 2, ip));
	rig_pass(&node->rig, 10 * RIG_MCLT_S * 1000);
	assert_false(node_grant(node, 1, ip));
	assert_false(node_grant(node, 2, ip));
	/* With the quorum it is cleared up. */
	assert_int_equal(node_settle(node), 1);
	assert_int_equal(node_journal(node, NULL), 0);
	struct lease lease;
	assert_true(model_lease_of_ip(node->rig.model, ip, &lease));
	assert_int_equal(
		lease_state_at(&lease, node->rig.view.now_ms), PXE__LEASE_STATE__LEASE_BOUND);
}

static void a_node_that_leaves_or_was_removed_leases_nothing(void **state) /* [R7] */
{
	struct node *node = *state;
	struct model_result result;
	char name[] = "pxe1";
	uint32_t ip = rig_lease(&node->rig, 1);
	node_give(node, 1, 20);
	assert_true(node_offer(node, 2, 0));
	uint32_t own = node->grant.ip;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberRemove remove = PXE__MEMBER_REMOVE__INIT;
	remove.name = name;
	command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
	command.member_remove = &remove;
	assert_int_equal(rig_apply(&node->rig, &command, &result), PXE__VERDICT__VERDICT_OK);
	assert_false(node_offer(node, 1, 0));
	assert_false(node_grant(node, 1, ip));
	assert_false(node_grant(node, 2, own));
	/* And gives everything back. */
	node_settle(node);
	assert_null(model_block_of(node->rig.model, own));
	assert_int_equal(node_journal(node, NULL), 0);
}

/* ---- the journal's bytes */

static void hostile_journal_bytes_are_refused_or_read(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	struct journal_line whole = node->line[0];
	unsigned refused = 0;
	(void)ip;
	for (size_t i = 0; i < whole.value_bytes; i++) {
		for (unsigned flip = 1; flip < 256; flip = flip * 2 + 1) {
			struct reserve *reserve = reserve_new(1);
			uint8_t *bytes = malloc(whole.value_bytes);
			assert_non_null(reserve);
			memcpy(bytes, whole.value, whole.value_bytes);
			bytes[i] ^= (uint8_t)flip;
			int result = reserve_load(reserve, bytes, whole.value_bytes);
			assert_true(result == 0 || result == -EBADMSG);
			refused += result != 0;
			result = reserve_load(reserve, bytes, i); /* cut short */
			assert_true(result == 0 || result == -EBADMSG);
			free(bytes);
			reserve_free(reserve);
		}
	}
	assert_true(refused > 0);
	/* Twice the same address. */
	struct reserve *reserve = reserve_new(1);
	assert_int_equal(reserve_load(reserve, whole.value, whole.value_bytes), 0);
	assert_int_equal(reserve_load(reserve, whole.value, whole.value_bytes), -EBADMSG);
	assert_int_equal(reserve_load(reserve, NULL, 0), -EBADMSG);
	reserve_free(reserve);
}

static void a_kind_of_entry_that_is_not_known_is_refused(void **state)
{
	struct node *node = *state;
	uint8_t ip[4] = {10, 0, 0, 1}, bytes[64];
	Pxe__JournalEntry entry = PXE__JOURNAL_ENTRY__INIT;
	entry.kind = (Pxe__JournalKind)7;
	entry.serial = 1;
	entry.ip = (ProtobufCBinaryData){4, ip};
	size_t size = pxe__journal_entry__pack(&entry, bytes);
	assert_int_equal(reserve_load(node->reserve, bytes, size), -EBADMSG);
	entry.kind = PXE__JOURNAL_KIND__JOURNAL_RETURNED;
	entry.ip.len = 3;
	size = pxe__journal_entry__pack(&entry, bytes);
	assert_int_equal(reserve_load(node->reserve, bytes, size), -EBADMSG);
	entry.ip.len = 4;
	size = pxe__journal_entry__pack(&entry, bytes);
	assert_int_equal(reserve_load(node->reserve, bytes, size), 0);
}

static void a_full_journal_takes_no_more(void **state)
{
	struct node *node = *state;
	uint8_t ip[4], bytes[64];
	Pxe__JournalEntry entry = PXE__JOURNAL_ENTRY__INIT;
	entry.kind = PXE__JOURNAL_KIND__JOURNAL_RETURNED;
	entry.serial = 1;
	entry.ip = (ProtobufCBinaryData){4, ip};
	for (uint32_t i = 0; i <= RESERVE_ENTRIES_MAX; i++) {
		msg_ip4_put(IP(10, 9, 0, 0) + i, ip);
		size_t size = pxe__journal_entry__pack(&entry, bytes);
		assert_int_equal(reserve_load(node->reserve, bytes, size),
			i < RESERVE_ENTRIES_MAX ? 0 : -ENOSPC);
	}
	node_give(node, 1, 10);
	assert_true(node_offer(node, 1, 0));
	assert_false(node_grant(node, 1, node->grant.ip));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_blocks_a_new_client_gets_nothing),
		TEST(an_own_address_is_leased_for_mclt_at_most),
		TEST(a_shorter_lease_is_granted_as_with_the_quorum),
		TEST(another_members_block_is_never_touched),
		TEST(no_two_clients_get_one_address_and_all_are_used),
		TEST(clients_are_spread_over_the_block),
		TEST(an_offer_stands_for_its_client_alone_and_runs_out),
		TEST(a_client_comes_back_to_its_own_address),
		TEST(a_running_lease_keeps_others_away_to_its_last_moment),
		TEST(a_shorter_renewal_does_not_free_the_address_sooner),
		TEST(a_binding_is_extended_to_its_promise_and_not_beyond),
		TEST(what_the_clock_may_be_off_by_is_not_told),
		TEST(a_binding_with_little_left_is_no_offer),
		TEST(an_offer_of_the_cluster_is_no_binding),
		TEST(another_clients_binding_is_left_alone),
		TEST(a_binding_that_was_given_up_is_not_extended),
		TEST(a_reserved_address_is_leased_to_its_machine_for_mclt),
		TEST(a_reserved_address_in_a_block_waits_and_the_machine_gets_another),
		TEST(a_reservation_of_an_address_that_is_leased_waits),
		TEST(after_a_restart_what_the_journal_names_is_its_clients_alone),
		TEST(after_a_restart_the_same_client_is_served_at_once),
		TEST(a_longer_mclt_of_then_is_remembered),
		TEST(what_was_told_to_the_cluster_before_a_crash_is_leased_to_nobody),
		TEST(a_node_that_leaves_or_was_removed_leases_nothing),
		TEST(hostile_journal_bytes_are_refused_or_read),
		TEST(a_kind_of_entry_that_is_not_known_is_refused),
		TEST(a_full_journal_takes_no_more),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
