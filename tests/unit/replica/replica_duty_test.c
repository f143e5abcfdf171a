/* What the leader does for the members: votes taken and given back, leaving, reserves, settling. */
#include "tests/unit/replica/support/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void set_mode(struct cluster *cluster, struct cluster_node *node, Pxe__MemberMode mode)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberSet set = PXE__MEMBER_SET__INIT;
	set.name = node->name;
	set.mode = mode;
	command.op_case = PXE__COMMAND__OP_MEMBER_SET;
	command.member_set = &set;
	cluster_must(cluster, cluster_leader(cluster), &command);
}

static void remove_node(struct cluster *cluster, struct cluster_node *through,
	struct cluster_node *node, bool force)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberRemove remove = PXE__MEMBER_REMOVE__INIT;
	remove.name = node->name;
	remove.force = force;
	command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
	command.member_remove = &remove;
	cluster_must(cluster, through, &command);
}

static struct cluster_node *a_follower(struct cluster *cluster)
{
	cluster_wait_leader(cluster);
	for (unsigned i = 0; i < cluster->count; i++) {
		if (cluster->node[i].running && &cluster->node[i] != cluster_leader(cluster))
			return &cluster->node[i];
	}
	fail_msg("no follower runs");
	return NULL;
}

/* How often the member is in the node's view. */
static unsigned slot_of(const struct cluster_node *observer, uint64_t id)
{
	struct replica_view view;
	unsigned found = 0;
	replica_get_view(observer->replica, &view);
	for (unsigned i = 0; i < view.member_count; i++)
		found += view.member[i].id == id;
	return found;
}

enum place { PLACE_OUT, PLACE_LEARNER, PLACE_VOTER };

static enum place place_of(const struct cluster_node *observer, uint64_t id)
{
	struct replica_view view;
	replica_get_view(observer->replica, &view);
	for (unsigned i = 0; i < view.member_count; i++) {
		if (view.member[i].id == id)
			return view.member[i].voter     ? PLACE_VOTER
			       : view.member[i].learner ? PLACE_LEARNER
							: PLACE_OUT;
	}
	return PLACE_OUT;
}

struct placed {
	const struct cluster_node *node;
	enum place place;
};

static bool is_placed(struct cluster *cluster, void *ctx)
{
	const struct placed *placed = ctx;
	const struct cluster_node *leader = cluster_leader(cluster);
	struct replica_view view;
	if (leader == NULL)
		return false;
	replica_get_view(leader->replica, &view);
	return place_of(leader, placed->node->id) == placed->place && view.commit == view.last;
}

static void wait_place(struct cluster *cluster, const struct cluster_node *node, enum place place,
	const char *what)
{
	struct placed placed = {node, place};
	cluster_wait(cluster, is_placed, &placed, what);
}

/* ---- votes */

static void test_a_standby_has_no_vote_and_gets_it_back(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	struct cluster_node *node = a_follower(&cluster);
	set_mode(&cluster, node, PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE);
	wait_place(&cluster, node, PLACE_LEARNER, "it has no vote");
	cluster_wait_equal(&cluster); /* and still gets everything */
	cluster_turn_for(&cluster, 500);
	assert_int_equal(place_of(cluster_leader(&cluster), node->id), PLACE_LEARNER);
	struct replica_view view;
	replica_get_view(node->replica, &view);
	assert_true(view.has_quorum && view.fresh);
	set_mode(&cluster, node, PXE__MEMBER_MODE__MEMBER_MODE_PROMOTE);
	wait_place(&cluster, node, PLACE_VOTER, "it votes again");
	cluster_close(&cluster);
}

static void test_a_leader_that_loses_its_vote_hands_over_first(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	cluster_wait_leader(&cluster);
	struct cluster_node *node = cluster_leader(&cluster);
	set_mode(&cluster, node, PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE);
	wait_place(&cluster, node, PLACE_LEARNER, "it has no vote");
	assert_ptr_not_equal(cluster_leader(&cluster), node);
	cluster_close(&cluster);
}

static bool is_silent(struct cluster *cluster, void *ctx)
{
	const struct cluster_node *node = ctx, *leader = cluster_leader(cluster);
	return leader != NULL && !replica_is_live(leader->replica, node->id);
}

/* Of three voters one is down: to take another's vote would leave one of two, and no quorum. */
static void test_a_vote_is_not_taken_when_it_is_needed(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	struct cluster_node *down = a_follower(&cluster);
	node_stop(down);
	cluster_wait(&cluster, is_silent, down, "it is not heard");
	struct cluster_node *node = a_follower(&cluster);
	set_mode(&cluster, node, PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE);
	cluster_turn_for(&cluster, 800);
	assert_int_equal(place_of(cluster_leader(&cluster), node->id), PLACE_VOTER);
	cluster_restart(&cluster, (unsigned)down->id - 1);
	wait_place(&cluster, node, PLACE_LEARNER, "now it can be spared");
	cluster_close(&cluster);
}

static bool another_leads(struct cluster *cluster, void *ctx)
{
	const struct cluster_node *leader = cluster_leader(cluster);
	return leader != NULL && leader != ctx;
}

static void test_one_that_is_draining_does_not_lead(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	cluster_wait_leader(&cluster);
	struct cluster_node *node = cluster_leader(&cluster);
	set_mode(&cluster, node, PXE__MEMBER_MODE__MEMBER_MODE_DRAIN);
	cluster_wait(&cluster, another_leads, node, "it hands over");
	struct cluster_node *leader = cluster_leader(&cluster);
	struct cluster_node *third = &cluster.node[0] + (1 + 2 + 3 - node->id - leader->id - 1);
	set_mode(&cluster, third, PXE__MEMBER_MODE__MEMBER_MODE_DRAIN);
	cluster_wait_equal(&cluster);
	/* Alone with the last one that takes clients away, somebody has to lead. */
	node_stop(leader);
	cluster_wait_leader(&cluster);
	cluster_restart(&cluster, (unsigned)leader->id - 1);
	cluster_wait_leader(&cluster);
	uint64_t until_ms = cluster_now_ms() + CLUSTER_WAIT_MS;
	while (cluster_leader(&cluster) != leader && cluster_now_ms() < until_ms)
		cluster_turn(&cluster);
	assert_ptr_equal(cluster_leader(&cluster), leader); /* it takes the lead back */
	assert_int_equal(place_of(leader, node->id), PLACE_VOTER);
	cluster_close(&cluster);
}

/* ---- reserves */

struct holding {
	uint64_t owner, blocks, addresses, freed;
	Pxe__BlockPart part[64], *parts[64];
};

static bool on_block(void *ctx, const Pxe__Block *block)
{
	struct holding *holding = ctx;
	if (holding->blocks < 64) {
		Pxe__BlockPart *part = &holding->part[holding->blocks];
		pxe__block_part__init(part);
		part->serial = block->serial;
		part->mask = block->mask;
		holding->parts[holding->blocks] = part;
	}
	holding->blocks++;
	holding->addresses += (unsigned)__builtin_popcountll(block->mask);
	holding->freed += block->free_at_ms != 0;
	return true;
}

static struct holding holding_of(const struct cluster_node *observer, uint64_t owner)
{
	struct holding holding = {.owner = owner};
	model_each_block(replica_model(observer->replica), owner, on_block, &holding);
	return holding;
}

/* A pool of 240 addresses besides the large one, which goes. */
static void small_pool(struct cluster *cluster)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Delete gone = PXE__DELETE__INIT;
	Pxe__Put put;
	Pxe__Pool pool;
	uint8_t first[4] = {10, 1, 0, 10}, last[4] = {10, 1, 0, 249};
	gone.kind = PXE__OBJECT_KIND__OBJECT_POOL;
	gone.name = (char *)"pool";
	gone.even_if_used = true;
	command.op_case = PXE__COMMAND__OP_REMOVE;
	command.remove = &gone;
	cluster_must(cluster, &cluster->node[0], &command);
	cluster_fill_pool(&command, &put, &pool);
	pool.name = (char *)"small";
	pool.first_ip.data = first;
	pool.last_ip.data = last;
	cluster_must(cluster, &cluster->node[0], &command);
}

/* From now on they are given addresses. */
static void open_reserves(struct cluster *cluster)
{
	for (unsigned i = 0; i < cluster->count; i++) {
		cluster->node[i].reserves = true;
		if (cluster->node[i].running)
			replica_journal_state(cluster->node[i].replica, 0, UINT64_MAX);
	}
}

static bool all_hold_their_share(struct cluster *cluster, void *ctx)
{
	const struct cluster_node *leader = cluster_leader(cluster);
	(void)ctx;
	if (leader == NULL)
		return false;
	const struct model *model = replica_model(leader->replica);
	const Pxe__Subnet *subnet = model_subnet(model, cluster_subnet);
	for (unsigned i = 0; i < cluster->count; i++) {
		uint64_t id = cluster->node[i].id;
		if (cluster->node[i].running && holding_of(leader, id).addresses * 4 <
							model_reserve_target(model, subnet, id) * 3)
			return false;
	}
	return true;
}

static void test_each_member_gets_its_share_and_no_more(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	small_pool(&cluster);
	open_reserves(&cluster);
	cluster_turn_for(&cluster, 1500);
	assert_int_equal(holding_of(&cluster.node[0], 0).blocks, 0); /* alone it needs none */
	cluster_grow(&cluster, 3);
	cluster_turn_for(&cluster, 300);
	/* Those that have not read their journal yet get nothing. */
	assert_int_equal(holding_of(&cluster.node[0], 2).addresses, 0);
	open_reserves(&cluster);
	cluster_wait(&cluster, all_hold_their_share, NULL, "each has its share");
	cluster_turn_for(&cluster, 2500);
	cluster_wait_equal(&cluster);
	for (uint64_t id = 1; id <= 3; id++)
		assert_in_range(holding_of(&cluster.node[0], id).addresses, 30, 40 * 5 / 4);
	/* One that is draining is given nothing more. */
	set_mode(&cluster, &cluster.node[1], PXE__MEMBER_MODE__MEMBER_MODE_DRAIN);
	struct holding before = holding_of(&cluster.node[1], 2);
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ReserveReturn give_back = PXE__RESERVE_RETURN__INIT;
	give_back.part = before.parts;
	give_back.n_part = before.blocks;
	command.op_case = PXE__COMMAND__OP_RESERVE_RETURN;
	command.reserve_return = &give_back;
	cluster_must(&cluster, &cluster.node[1], &command);
	cluster_turn_for(&cluster, 1500);
	assert_int_equal(holding_of(&cluster.node[0], 2).addresses, 0);
	cluster_close(&cluster);
}

/* ---- leaving */

static bool is_no_member(struct cluster *cluster, void *ctx)
{
	const struct cluster_node *node = ctx;
	for (unsigned i = 0; i < cluster->count; i++) {
		const struct cluster_node *other = &cluster->node[i];
		if (other != node && other->running &&
			(model_member(replica_model(other->replica), node->id) != NULL ||
				place_of(other, node->id) != PLACE_OUT))
			return false;
	}
	return true;
}

static void test_one_leaves_when_it_owns_and_owes_nothing(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	small_pool(&cluster);
	cluster_grow(&cluster, 3);
	open_reserves(&cluster);
	cluster_wait(&cluster, all_hold_their_share, NULL, "each has its share");
	struct cluster_node *node = a_follower(&cluster), *leader = cluster_leader(&cluster);
	replica_journal_state(node->replica, 1, 1); /* one lease that nobody knows */
	remove_node(&cluster, leader, node, false);
	cluster_turn_for(&cluster, 1000);
	assert_int_equal(place_of(leader, node->id), PLACE_VOTER);
	cluster_wait_equal(&cluster);
	struct holding holding = holding_of(node, node->id);
	assert_in_range(holding.blocks, 1, 63);
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ReserveReturn give_back = PXE__RESERVE_RETURN__INIT;
	give_back.part = holding.parts;
	give_back.n_part = holding.blocks;
	command.op_case = PXE__COMMAND__OP_RESERVE_RETURN;
	command.reserve_return = &give_back;
	cluster_must(&cluster, node, &command);
	cluster_turn_for(&cluster, 800);
	assert_int_equal(holding_of(leader, node->id).blocks, 0); /* and none are given again */
	assert_int_equal(place_of(leader, node->id), PLACE_VOTER);
	replica_journal_state(node->replica, 0, UINT64_MAX);
	cluster_wait(&cluster, is_no_member, node, "it has left");
	cluster_close(&cluster);
}

static void test_one_that_is_off_is_taken_out_by_force(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	small_pool(&cluster);
	cluster_grow(&cluster, 3);
	open_reserves(&cluster);
	cluster_wait(&cluster, all_hold_their_share, NULL, "each has its share");
	struct cluster_node *node = a_follower(&cluster);
	node_stop(node);
	cluster_wait_leader(&cluster);
	struct cluster_node *leader = cluster_leader(&cluster);
	remove_node(&cluster, leader, node, false); /* in order: it has to be there for that */
	cluster_turn_for(&cluster, 1000);
	assert_int_equal(place_of(leader, node->id), PLACE_VOTER);
	remove_node(&cluster, leader, node, true);
	cluster_wait(&cluster, is_no_member, node, "it is out");
	struct holding holding = holding_of(leader, node->id);
	assert_true(holding.blocks > 0); /* until nobody can have a lease of it any more */
	assert_int_equal(holding.freed, holding.blocks);
	cluster_close(&cluster);
}

/* ---- settling */

static bool is_settled(struct cluster *cluster, void *ctx)
{
	const struct cluster_node *leader = cluster_leader(cluster);
	(void)ctx;
	return leader != NULL && model_unsettled_ms(replica_model(leader->replica)) == 0;
}

static void lease_and_release(struct cluster *cluster, struct cluster_node *node, uint32_t number)
{
	struct bind_command bind;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Release release = PXE__RELEASE__INIT;
	bind_command_init(&bind, number);
	cluster_must(cluster, node, &bind.command);
	release.client = bind.who.client;
	release.ip = bind.bind.ip;
	command.op_case = PXE__COMMAND__OP_RELEASE;
	command.release = &release;
	cluster_must(cluster, node, &command);
}

static void test_what_all_know_is_settled_also_at_rest(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	small_pool(&cluster);
	cluster_grow(&cluster, 3);
	cluster_wait_leader(&cluster);
	struct cluster_node *leader = cluster_leader(&cluster);
	lease_and_release(&cluster, leader, 20);
	uint64_t released_ms = model_unsettled_ms(replica_model(leader->replica));
	assert_true(released_ms > 0);
	cluster_turn_for(&cluster, 800); /* nobody has read its journal: nothing is known of them */
	assert_int_equal(model_unsettled_ms(replica_model(leader->replica)), released_ms);
	open_reserves(&cluster);
	cluster_wait(&cluster, is_settled, NULL, "all know it");
	assert_true(model_settled_ms(replica_model(leader->replica)) > released_ms);
	/* And nothing goes on after that. */
	cluster_wait(&cluster, all_hold_their_share, NULL, "each has its share");
	cluster_turn_for(&cluster, 2500);
	struct replica_view before, after;
	replica_get_view(leader->replica, &before);
	cluster_turn_for(&cluster, 1000);
	replica_get_view(leader->replica, &after);
	assert_int_equal(before.last, after.last);
	cluster_close(&cluster);
}

static void test_one_that_is_away_is_waited_for(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	small_pool(&cluster);
	cluster_grow(&cluster, 3);
	open_reserves(&cluster);
	cluster_wait(&cluster, all_hold_their_share, NULL, "each has its share");
	struct cluster_node *away = a_follower(&cluster);
	cluster_wait_equal(&cluster);
	node_stop(away);
	cluster_wait_leader(&cluster);
	struct cluster_node *leader = cluster_leader(&cluster);
	lease_and_release(&cluster, leader, 20);
	cluster_turn_for(&cluster, 1500);
	assert_true(model_unsettled_ms(replica_model(leader->replica)) > 0);
	struct replica_view before, after;
	replica_get_view(leader->replica, &before);
	cluster_turn_for(&cluster, 1000);
	replica_get_view(leader->replica, &after);
	assert_int_equal(before.last, after.last); /* nor is it asked for again and again */
	/* Another leader has not heard of it at all. */
	replica_step_down(leader->replica);
	cluster_wait(&cluster, another_leads, leader, "another leads");
	cluster_turn_for(&cluster, 800);
	assert_false(is_settled(&cluster, NULL));
	cluster_restart(&cluster, (unsigned)away->id - 1);
	cluster_wait(&cluster, is_settled, NULL, "it is back and knows");
	/* With an old entry in its journal it holds back what came later. */
	cluster_wait_equal(&cluster);
	replica_journal_state(away->replica, 1, model_stamp_ms(replica_model(away->replica)));
	cluster_turn_for(&cluster, 300);
	lease_and_release(&cluster, cluster_leader(&cluster), 21);
	cluster_turn_for(&cluster, 1000);
	assert_false(is_settled(&cluster, NULL));
	replica_journal_state(away->replica, 0, UINT64_MAX);
	cluster_wait(&cluster, is_settled, NULL, "it was merged");
	cluster_close(&cluster);
}

/* ---- broken promises */

static bool all_alarmed(struct cluster *cluster, void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < cluster->count; i++) {
		if (cluster->node[i].alarms == 0)
			return false;
	}
	return true;
}

/* A node claims to have leased, as an extension, what another client holds: a bug, or a disk that
 * was put back. */
static void test_a_merge_that_finds_a_conflict_is_an_alarm(void **state)
{
	struct cluster cluster;
	struct bind_command bind, other;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Merge merge = PXE__MERGE__INIT;
	Pxe__IsolatedLease lease = PXE__ISOLATED_LEASE__INIT, *pointer = &lease;
	struct model_result result;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 2);
	bind_command_init(&bind, 20);
	cluster_must(&cluster, &cluster.node[0], &bind.command);
	bind_command_init(&other, 21);
	lease.ip = bind.bind.ip;
	lease.who = &other.who;
	lease.subnet = (char *)cluster_subnet;
	lease.expires_ms = replica_now_ms(cluster.node[1].replica) + 600000;
	merge.lease = &pointer;
	merge.n_lease = 1;
	command.op_case = PXE__COMMAND__OP_MERGE;
	command.merge = &merge;
	assert_int_equal(
		cluster_do(&cluster, &cluster.node[1], &command, &result), REPLICA_APPLIED);
	assert_int_equal(result.conflicts, 1);
	cluster_wait(&cluster, all_alarmed, NULL, "every node says so");
	assert_non_null(strstr(cluster.node[0].alarm, "n2"));
	assert_non_null(strstr(cluster.node[0].alarm, "report"));
	struct lease held;
	assert_true(model_lease_of_ip(replica_model(cluster.node[0].replica), bind_ip(20), &held));
	assert_memory_equal(held.client, bind.client, sizeof bind.client);
	cluster_close(&cluster);
}

/* Another member tells of one that our state does not have yet: it is connected to, until it has.
 */
static void test_a_member_that_another_one_tells_of_is_known(void **state)
{
	(void)state;
	struct cluster cluster;
	cluster_open(&cluster);
	cluster_grow(&cluster, 2);
	struct replica *replica = cluster.node[0].replica;
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__Roster roster = PXE__ROSTER__INIT;
	Pxe__Member newcomer = PXE__MEMBER__INIT, *members[] = {&newcomer};
	char address[] = "127.0.0.1:9";
	uint8_t key[32] = {9};
	newcomer.id = 9;
	newcomer.peer_address = address;
	newcomer.public_key = (ProtobufCBinaryData){sizeof key, key};
	roster.n_member = 1;
	roster.member = members;
	envelope.body_case = PXE__ENVELOPE__BODY_ROSTER;
	envelope.roster = &roster;

	replica_on_message(replica, cluster.node[1].id, &envelope); /* older than our own state */
	cluster_turn_for(&cluster, 300);
	assert_int_equal(slot_of(&cluster.node[0], 9), 0);
	roster.applied = 1000000;
	replica_on_message(replica, cluster.node[1].id, &envelope);
	cluster_turn_for(&cluster, 300);
	assert_int_equal(slot_of(&cluster.node[0], 9), 1);
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_standby_has_no_vote_and_gets_it_back),
		cmocka_unit_test(test_a_leader_that_loses_its_vote_hands_over_first),
		cmocka_unit_test(test_a_vote_is_not_taken_when_it_is_needed),
		cmocka_unit_test(test_one_that_is_draining_does_not_lead),
		cmocka_unit_test(test_each_member_gets_its_share_and_no_more),
		cmocka_unit_test(test_one_leaves_when_it_owns_and_owes_nothing),
		cmocka_unit_test(test_one_that_is_off_is_taken_out_by_force),
		cmocka_unit_test(test_what_all_know_is_settled_also_at_rest),
		cmocka_unit_test(test_one_that_is_away_is_waited_for),
		cmocka_unit_test(test_a_merge_that_finds_a_conflict_is_an_alarm),
		cmocka_unit_test(test_a_member_that_another_one_tells_of_is_known),
	};
	cmocka_set_test_filter(getenv("PXE_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
