/* What the cluster is told of a node's journal [R6], and what the node gives back. */
#include "tests/unit/node/reserve_rig.h"

static struct lease lease_at(const struct node *node, uint32_t ip)
{
	struct lease lease;
	assert_true(model_lease_of_ip(node->rig.model, ip, &lease));
	return lease;
}

static uint64_t held(const struct node *node)
{
	uint64_t free_count, count;
	model_reserve_usage(
		node->rig.model, node_subnet(node), node->rig.view.self, &free_count, &count);
	return count;
}

static void a_lease_is_merged_and_forgotten(void **state)
{
	struct node *node = *state;
	uint64_t oldest_ms;
	node_give(node, 1, 20);
	uint32_t ip = node_lease(node, 1);
	rig_pass(&node->rig, 10000);
	assert_int_equal(node_settle(node), 1);
	assert_int_equal(node_journal(node, &oldest_ms), 0);
	assert_true(oldest_ms == UINT64_MAX);
	assert_int_equal(node->lines, 0);
	assert_null(model_block_of(node->rig.model, ip));
	struct lease lease = lease_at(node, ip);
	assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_BOUND);
	assert_memory_equal(lease.client, node->client, sizeof node->client);
	assert_int_equal(lease.expires_ms, RIG_START_MS + RIG_MCLT_S * 1000);
	assert_true(lease.promised_ms >= lease.expires_ms);
	assert_false(node_knows(node, 1, ip));
	assert_int_equal(model_merge_conflicts(node->rig.model), 0);
}

static void nothing_is_proposed_before_it_is_durable(void **state) /* [R2] */
{
	struct node *node = *state;
	struct reserve_task task;
	node_give(node, 1, 20);
	node_lease(node, 1);
	assert_int_equal(node_writes(node, &task), 1); /* that it is about to be told */
	assert_int_equal(task.duty, RESERVE_DUTY_NONE);
	reserve_on_durable(node->reserve, node->number - 1);
	assert_int_equal(node_task(node, &task), RESERVE_DUTY_NONE);
	node_sync(node);
	assert_int_equal(node_task(node, &task), RESERVE_DUTY_PROPOSE);
	assert_int_equal(task.command->op_case, PXE__COMMAND__OP_MERGE);
	assert_int_equal(task.command->merge->n_lease, 1);
	/* One at a time. */
	struct reserve_task other;
	assert_int_equal(node_task(node, &other), RESERVE_DUTY_NONE);
}

static void an_entry_counts_until_its_removal_is_durable(void **state)
{
	struct node *node = *state;
	struct reserve_task task;
	node_give(node, 1, 20);
	node_lease(node, 1);
	node_writes(node, &task);
	node_sync(node);
	assert_int_equal(node_task(node, &task), RESERVE_DUTY_PROPOSE);
	node_apply(node, task.command);
	assert_int_equal(node_journal(node, NULL), 1);
	assert_int_equal(node_writes(node, &task), 1);
	assert_int_equal(node_journal(node, NULL), 1);
	node_sync(node);
	assert_int_equal(node_journal(node, NULL), 0);
}

static void a_refused_proposal_is_made_again(void **state)
{
	struct node *node = *state;
	struct reserve_task task;
	node_give(node, 1, 20);
	uint32_t ip = node_lease(node, 1);
	node_writes(node, &task);
	node_sync(node);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(node_task(node, &task), RESERVE_DUTY_PROPOSE);
		reserve_on_refused(node->reserve);
	}
	/* Nothing came of it: its client has it for MCLT again. */
	rig_pass(&node->rig, 100000);
	assert_true(node_grant(node, 1, ip));
	assert_int_equal(node->grant.lease_s, RIG_MCLT_S);
	assert_int_equal(node_settle(node), 1);
	assert_int_equal(lease_at(node, ip).state, PXE__LEASE_STATE__LEASE_BOUND);
}

/* The cluster may take the lease over at any moment from now on, and promises MCLT from then. */
static void while_it_is_told_a_lease_is_renewed_only_as_far_as_the_cluster_promises(void **state)
{
	struct node *node = *state;
	struct reserve_task task;
	node_give(node, 1, 20);
	uint32_t ip = node_lease(node, 1);
	node_writes(node, &task);
	node_sync(node);
	assert_int_equal(node_task(node, &task), RESERVE_DUTY_PROPOSE);
	uint64_t told_ms = node->rig.view.now_ms;
	rig_pass(&node->rig, 250000);
	assert_true(node_grant(node, 1, ip));
	assert_int_equal(node->grant.lease_s, RIG_MCLT_S - 250);
	uint8_t packed[65536];
	size_t bytes = pxe__command__pack(task.command, packed);
	/* The log had it long ago. */
	uint64_t now_ms = node->rig.view.now_ms;
	struct model_result result;
	Pxe__Command *command = pxe__command__unpack(NULL, bytes, packed);
	node->rig.view.now_ms = told_ms;
	assert_int_equal(rig_apply(&node->rig, command, &result), PXE__VERDICT__VERDICT_OK);
	pxe__command__free_unpacked(command, NULL);
	node->rig.view.now_ms = now_ms;
	assert_true(now_ms + (RIG_MCLT_S - 250) * 1000 <= lease_at(node, ip).promised_ms);
	struct reserve_view view = node_view(node);
	reserve_on_applied(node->reserve, &view, &result);
	/* The renewal is told as well: now it extends what the cluster knows. */
	assert_int_equal(node_journal(node, NULL), 1);
	assert_int_equal(node_settle(node), 1);
	assert_int_equal(node_journal(node, NULL), 0);
	assert_int_equal(model_merge_conflicts(node->rig.model), 0);
	assert_int_equal(lease_at(node, ip).expires_ms, now_ms + (RIG_MCLT_S - 250) * 1000);
}

static void while_it_is_told_nobody_else_gets_the_address(void **state) /* [P1] */
{
	struct node *node = *state;
	struct reserve_task task;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	node_writes(node, &task);
	node_sync(node);
	assert_int_equal(node_task(node, &task), RESERVE_DUTY_PROPOSE);
	rig_pass(&node->rig, 10 * RIG_MCLT_S * 1000);
	assert_false(node_grant(node, 1, ip));
	assert_false(node_grant(node, 2, ip));
	assert_false(node_offer(node, 2, 0));
}

static void an_own_lease_that_is_over_is_dropped_and_the_address_kept(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 20);
	uint32_t ip = node_lease(node, 1);
	rig_pass(&node->rig, 2 * RIG_MCLT_S * 1000);
	assert_int_equal(node_settle(node), 0);
	assert_int_equal(node_journal(node, NULL), 0);
	struct lease lease;
	assert_false(model_lease_of_ip(node->rig.model, ip, &lease));
	assert_int_equal(model_block_of(node->rig.model, ip)->owner, 1);
	assert_true(node_grant(node, 2, ip));
}

static void a_lease_granted_while_its_over_entry_goes_stays(void **state)
{
	struct node *node = *state;
	struct reserve_task task;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	rig_pass(&node->rig, 2 * RIG_MCLT_S * 1000);
	assert_int_equal(node_writes(node, &task), 1); /* its removal, not durable yet */
	assert_true(node_grant(node, 2, ip));
	node_sync(node);
	assert_int_equal(node_journal(node, NULL), 1);
	assert_true(node_knows(node, 2, ip));
	assert_int_equal(node->lines, 1);
	assert_int_equal(node_settle(node), 1);
	assert_memory_equal(lease_at(node, ip).client, who_is(node, 2).client.data, 7);
}

static void extensions_and_reservations_are_merged(void **state)
{
	struct node *node = *state;
	uint32_t ip = rig_lease(&node->rig, 1);
	rig_host(&node->rig, "n07", 7, IP(10, 0, 0, 20), false);
	rig_pass(&node->rig, RIG_LEASE_S * 1000);
	assert_true(node_grant(node, 1, ip)); /* in its last MCLT */
	assert_true(node_grant(node, 7, IP(10, 0, 0, 20)));
	uint64_t promised_ms = lease_at(node, ip).promised_ms;
	rig_pass(&node->rig, 1000);
	assert_int_equal(node_settle(node), 1);
	assert_int_equal(node_journal(node, NULL), 0);
	assert_int_equal(lease_at(node, ip).expires_ms, promised_ms);
	assert_int_equal(lease_at(node, IP(10, 0, 0, 20)).state, PXE__LEASE_STATE__LEASE_BOUND);
	assert_int_equal(model_merge_conflicts(node->rig.model), 0);
}

static void the_journal_of_an_earlier_life_is_merged(void **state)
{
	struct node *node = *state;
	uint32_t ip[100];
	node_give(node, 1, 99);
	for (unsigned i = 0; i < 90; i++)
		ip[i] = node_lease(node, i);
	rig_pass(&node->rig, 5000);
	node_restart(node);
	assert_true(node_settle(node) >= 2);
	assert_int_equal(node_journal(node, NULL), 0);
	for (unsigned i = 0; i < 90; i++) {
		struct lease lease = lease_at(node, ip[i]);
		assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_BOUND);
		assert_memory_equal(lease.client, who_is(node, i).client.data, 7);
		/* Nobody knows its end: as late as it may be. */
		assert_true(lease.promised_ms >= RIG_START_MS + RIG_MCLT_S * 1000);
	}
	assert_int_equal(model_merge_conflicts(node->rig.model), 0);
}

/* The crash came after the merge was applied and before the entry was removed. */
static void what_is_merged_twice_changes_nothing_for_others(void **state)
{
	struct node *node = *state;
	struct reserve_task task;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	node_writes(node, &task);
	node_sync(node);
	assert_int_equal(node_task(node, &task), RESERVE_DUTY_PROPOSE);
	node_apply(node, task.command);
	node_restart(node);
	/* Meanwhile the lease ran out and the address is another client's. */
	rig_pass(&node->rig, 3 * RIG_MCLT_S * 1000);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 2, .requested = ip};
	assert_true(rig_ask(&node->rig, &ask));
	assert_int_equal(node->rig.reply.header.yiaddr, ip);
	ask.type = DHCP4_REQUEST;
	ask.server = RIG_SERVER_IP;
	assert_true(rig_ask(&node->rig, &ask));
	node_settle(node);
	assert_int_equal(node_journal(node, NULL), 0);
	assert_int_equal(model_merge_conflicts(node->rig.model), 0);
	assert_memory_equal(lease_at(node, ip).client, who_is(node, 2).client.data, 7);
}

static void a_declined_address_is_not_given_out_and_goes_into_quarantine(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 1);
	uint32_t ip = node_lease(node, 1);
	struct reserve_view view = node_view(node);
	Pxe__ClientInfo other = who_is(node, 2);
	assert_false(reserve_decline(node->reserve, &view, &other, ip, &node->write));
	Pxe__ClientInfo who = who_is(node, 1);
	assert_true(reserve_decline(node->reserve, &view, &who, ip, &node->write));
	node_write(node, &node->write);
	assert_false(reserve_decline(node->reserve, &view, &who, ip, &node->write));
	assert_false(node_offer(node, 1, 0));
	assert_false(node_grant(node, 2, ip));
	node_restart(node);
	rig_pass(&node->rig, 3 * RIG_MCLT_S * 1000);
	assert_false(node_offer(node, 2, 0));
	assert_int_equal(node_settle(node), 1);
	assert_int_equal(lease_at(node, ip).state, PXE__LEASE_STATE__LEASE_DECLINED);
	assert_null(model_block_of(node->rig.model, ip));
}

static void what_is_above_the_target_is_given_back(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 60); /* of 100 free: half, shared by two, is 25 */
	assert_int_equal(model_reserve_target(node->rig.model, node_subnet(node), 1), 25);
	uint32_t ip = node_lease(node, 1);
	rig_pass(&node->rig, 2 * RIG_MCLT_S * 1000);
	assert_true(node_settle(node) >= 1);
	assert_int_equal(node_journal(node, NULL), 0);
	assert_in_range(held(node), 25, 31);
	(void)ip;
}

static void a_little_above_the_target_is_kept(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 31);
	assert_int_equal(node_settle(node), 0);
	assert_int_equal(held(node), 31);
}

static void a_little_above_the_target_is_given_back_when_the_pool_has_nothing_left(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 26);
	node_give(node, 2, 74);
	assert_int_equal(node_settle(node), 1);
	assert_int_equal(held(node), 25);
}

/* The crash came before the proposal, or before its outcome. */
static void what_is_to_be_given_back_is_written_first_and_never_leased_again(void **state)
{
	struct node *node = *state;
	struct reserve_task task;
	node_give(node, 1, 60);
	assert_true(node_writes(node, &task) > 0);
	assert_int_equal(task.duty, RESERVE_DUTY_NONE);
	node_sync(node);
	assert_int_equal(node_task(node, &task), RESERVE_DUTY_PROPOSE);
	assert_int_equal(task.command->op_case, PXE__COMMAND__OP_RESERVE_RETURN);
	uint64_t mask = 0;
	const Pxe__ReserveReturn *returned = task.command->reserve_return;
	for (size_t i = 0; i < returned->n_part; i++)
		mask |= returned->part[i]->mask;
	assert_int_not_equal(mask, 0);
	node_restart(node);
	for (unsigned client = 1; client <= 60; client++) {
		if (!node_offer(node, client, 0))
			continue;
		const Pxe__Block *block = model_block_of(node->rig.model, node->grant.ip);
		uint32_t base = IP(block->first_ip.data[0], block->first_ip.data[1],
			block->first_ip.data[2], block->first_ip.data[3]);
		for (size_t i = 0; i < node->lines; i++)
			assert_int_not_equal(node->grant.ip,
				IP(node->line[i].key[0], node->line[i].key[1], node->line[i].key[2],
					node->line[i].key[3]));
		assert_true(node->grant.ip - base < 64);
	}
	rig_pass(&node->rig, RESERVE_OFFER_MS);
	node_settle(node);
	assert_int_equal(node->lines, 0);
	assert_in_range(held(node), 25, 31);
}

static void addresses_that_became_reserved_or_left_the_pool_are_given_back(void **state)
{
	struct node *node = *state;
	node_give(node, 1, 20);
	assert_true(node_offer(node, 1, 0));
	uint32_t offered = node->grant.ip, ip = 0;
	for (uint32_t at = IP(10, 0, 0, 100); at < IP(10, 0, 0, 200); at++)
		if (at != offered && model_block_of(node->rig.model, at) != NULL)
			ip = at;
	rig_host(&node->rig, "n07", 7, ip, false);
	assert_int_equal(node_settle(node), 1);
	assert_null(model_block_of(node->rig.model, ip));
	assert_int_equal(held(node), 19);
	/* Now it is its machine's. */
	assert_true(node_offer(node, 7, 0));
	assert_int_equal(node->grant.ip, ip);
	rig_pool(&node->rig, "lab", "lab", IP(10, 0, 0, 50), IP(10, 0, 0, 60));
	rig_pass(&node->rig, RESERVE_OFFER_MS);
	node_settle(node);
	assert_int_equal(held(node), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lease_is_merged_and_forgotten),
		TEST(nothing_is_proposed_before_it_is_durable),
		TEST(an_entry_counts_until_its_removal_is_durable),
		TEST(a_refused_proposal_is_made_again),
		TEST(while_it_is_told_a_lease_is_renewed_only_as_far_as_the_cluster_promises),
		TEST(while_it_is_told_nobody_else_gets_the_address),
		TEST(an_own_lease_that_is_over_is_dropped_and_the_address_kept),
		TEST(a_lease_granted_while_its_over_entry_goes_stays),
		TEST(extensions_and_reservations_are_merged),
		TEST(the_journal_of_an_earlier_life_is_merged),
		TEST(what_is_merged_twice_changes_nothing_for_others),
		TEST(a_declined_address_is_not_given_out_and_goes_into_quarantine),
		TEST(what_is_above_the_target_is_given_back),
		TEST(a_little_above_the_target_is_kept),
		TEST(a_little_above_the_target_is_given_back_when_the_pool_has_nothing_left),
		TEST(what_is_to_be_given_back_is_written_first_and_never_leased_again),
		TEST(addresses_that_became_reserved_or_left_the_pool_are_given_back),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
