/* Replicas together: real disks, real sockets, one process. Rates and pauses are printed, never
 * asserted. */
#include "tests/unit/replica/support/cluster.h"
#include "tests/unit/replica/support/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void print_rate(const char *what, uint32_t count, uint64_t began_ms)
{
	uint64_t took_ms = cluster_now_ms() - began_ms;
	print_message("[  MEASURED ] %s: %u commands in %llu ms, %llu/s\n", what, count,
		(unsigned long long)took_ms,
		(unsigned long long)(count * UINT64_C(1000) / (took_ms == 0 ? 1 : took_ms)));
}

static void test_one_node_serves_and_remembers(void **state)
{
	struct cluster cluster;
	struct load load;
	uint8_t before[32], after[32];
	(void)state;
	cluster_open(&cluster);
	load_init(&load, &cluster, 1, 5000, 256);
	uint64_t began_ms = cluster_now_ms();
	load_run(&load);
	print_rate("one node", load.count, began_ms);
	assert_int_equal(load.ok, load.count);
	model_digest(replica_model(cluster.node[0].replica), before);
	uint64_t stamp_ms = model_stamp_ms(replica_model(cluster.node[0].replica));
	node_stop(&cluster.node[0]);
	cluster_restart(&cluster, 0);
	model_digest(replica_model(cluster.node[0].replica), after);
	assert_memory_equal(before, after, sizeof before);
	assert_true(replica_now_ms(cluster.node[0].replica) >= stamp_ms);
	load_check(&load, &cluster.node[0]);
	cluster_wait_leader(&cluster);
	load_fini(&load);
	cluster_close(&cluster);
}

static void run_all_nodes(unsigned nodes, uint32_t commands, unsigned outstanding)
{
	struct cluster cluster;
	struct load load;
	char what[40];
	cluster_open(&cluster);
	cluster_grow(&cluster, nodes);
	load_init(&load, &cluster, 1, commands, outstanding);
	uint64_t began_ms = cluster_now_ms();
	load_run(&load);
	snprintf(what, sizeof what, "%u nodes, %u outstanding each", nodes, outstanding);
	print_rate(what, load.count, began_ms);
	assert_int_equal(load.ok, load.count);
	cluster_wait_equal(&cluster);
	for (unsigned i = 0; i < nodes; i++) {
		load_check(&load, &cluster.node[i]);
		assert_true(cluster.node[i].records >= commands || cluster.node[i].everything > 0);
		assert_int_equal(cluster.node[i].alarms, 0);
	}
	load_fini(&load);
	cluster_close(&cluster);
}

static void test_three_nodes_all_propose(void **state)
{
	(void)state;
	run_all_nodes(3, 20000, 128);
}

static void test_five_nodes_all_propose(void **state)
{
	(void)state;
	run_all_nodes(5, 5000, 128);
}

static void test_three_nodes_one_command_at_a_time(void **state)
{
	(void)state;
	run_all_nodes(3, 1500, 1);
}

static void test_leader_is_lost_under_load(void **state)
{
	struct cluster cluster;
	struct load load;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	load_init(&load, &cluster, 1, 12000, 64);
	for (unsigned round = 1; round <= 4; round++) {
		load_run_until(&load, round * 2000);
		cluster_wait_leader(&cluster);
		struct cluster_node *leader = cluster_leader(&cluster);
		load.longest_gap_ms = 0;
		load.last_ok_ms = cluster_now_ms();
		node_stop(leader);
		load_run_until(&load, round * 2000 + 600);
		print_message("[  MEASURED ] leader %llu gone: %llu ms without an outcome\n",
			(unsigned long long)leader->id, (unsigned long long)load.longest_gap_ms);
		cluster_restart(&cluster, (unsigned)(leader->id - 1));
	}
	load_run(&load);
	cluster_wait_equal(&cluster);
	assert_int_equal(load.refused, 0);
	/* The log was enough for whoever came back; the state was sent only to those that joined.
	 */
	assert_int_equal(cluster.node[0].everything, 0);
	assert_int_equal(cluster.node[1].everything, 1);
	assert_int_equal(cluster.node[2].everything, 1);
	assert_true(
		load.ok >=
		load.count - 4 * 64); /* only what the stopped ones had outstanding is unknown */
	for (unsigned i = 0; i < 3; i++)
		load_check(&load, &cluster.node[i]);
	load_fini(&load);
	cluster_close(&cluster);
}

/* ---- each command once */

struct once {
	unsigned told, applied, unknown;
};

static void once_on_done(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct once *once = ctx;
	once->told++;
	if (outcome == REPLICA_APPLIED) {
		assert_int_equal(result->verdict, PXE__VERDICT__VERDICT_OK);
		once->applied++;
	} else {
		once->unknown++;
	}
}

static void test_changes_of_leader_apply_each_command_once(void **state)
{
	struct cluster cluster;
	struct once once = {0};
	unsigned proposed = 0;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	uint64_t revision = model_revision(replica_model(cluster.node[0].replica));
	for (unsigned round = 0; round < 12; round++) {
		/* Every application of this counts: the same profile with another text moves the
		 * revision. */
		for (unsigned i = 0; i < 60; i++) {
			Pxe__Command command = PXE__COMMAND__INIT;
			Pxe__Put put = PXE__PUT__INIT;
			Pxe__Profile profile = PXE__PROFILE__INIT;
			char args[32];
			snprintf(args, sizeof args, "number=%u", proposed);
			profile.name = (char *)"count";
			profile.local = true;
			profile.args = args;
			put.object_case = PXE__PUT__OBJECT_PROFILE;
			put.profile = &profile;
			command.op_case = PXE__COMMAND__OP_PUT;
			command.put = &put;
			if (replica_propose(cluster.node[i % 3].replica, &command, 60000,
				    once_on_done, &once) == REPLICA_APPLIED)
				proposed++;
		}
		for (unsigned i = 0; i < round % 4; i++)
			cluster_turn(&cluster);
		struct cluster_node *leader = cluster_leader(&cluster);
		if (leader != NULL)
			replica_step_down(leader->replica);
		for (unsigned i = 0; i < 10; i++)
			cluster_turn(&cluster);
	}
	uint64_t end = cluster_now_ms() + CLUSTER_WAIT_MS;
	while (once.told < proposed && cluster_now_ms() < end)
		cluster_turn(&cluster);
	assert_int_equal(once.told, proposed);
	assert_int_equal(once.unknown, 0);
	cluster_wait_equal(&cluster);
	assert_true(proposed > 60);
	assert_int_equal(
		model_revision(replica_model(cluster.node[0].replica)), revision + proposed);
	cluster_close(&cluster);
}

/* ---- handing over */

struct handed {
	uint64_t before;
};

static bool is_handed_over(struct cluster *cluster, void *ctx)
{
	struct handed *handed = ctx;
	struct cluster_node *leader = cluster_leader(cluster);
	return leader != NULL && leader->id != handed->before;
}

static void test_step_down_hands_over(void **state)
{
	struct cluster cluster;
	struct handed handed;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	cluster_wait_leader(&cluster);
	handed.before = cluster_leader(&cluster)->id;
	uint64_t began_ms = cluster_now_ms();
	replica_step_down(cluster_leader(&cluster)->replica);
	cluster_wait(&cluster, is_handed_over, &handed, "another leader");
	print_message("[  MEASURED ] handed over in %llu ms\n",
		(unsigned long long)(cluster_now_ms() - began_ms));
	cluster_close(&cluster);
}

/* ---- members go */

struct member_gone {
	uint64_t id;
};

static bool is_gone(struct cluster *cluster, void *ctx)
{
	struct member_gone *gone = ctx;
	struct cluster_node *leader = cluster_leader(cluster);
	struct replica_view view;
	if (leader == NULL || leader->id == gone->id ||
		model_member(replica_model(leader->replica), gone->id) != NULL)
		return false;
	replica_get_view(leader->replica, &view);
	for (unsigned i = 0; i < view.member_count; i++) {
		if (view.member[i].id == gone->id)
			return false;
	}
	return true;
}

static void remove_member(struct cluster *cluster, struct cluster_node *node)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberRemove remove = PXE__MEMBER_REMOVE__INIT;
	struct model_result result;
	struct member_gone gone = {.id = node->id};
	replica_journal_state(node->replica, 0, UINT64_MAX); /* it owes nothing */
	remove.name = node->name;
	command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
	command.member_remove = &remove;
	cluster_wait_leader(cluster);
	assert_int_equal(
		cluster_do(cluster, cluster_leader(cluster), &command, &result), REPLICA_APPLIED);
	assert_int_equal(result.verdict, PXE__VERDICT__VERDICT_OK);
	/* The removed node no longer agrees on a leader: ask the others only. */
	uint64_t end = cluster_now_ms() + CLUSTER_WAIT_MS;
	while (cluster_now_ms() < end) {
		cluster_turn(cluster);
		const struct cluster_node *other = &cluster->node[node->id == 1 ? 1 : 0];
		if (model_member(replica_model(other->replica), node->id) == NULL)
			break;
	}
	node_stop(node);
	cluster_wait(cluster, is_gone, &gone, "the member is gone");
}

static void test_members_are_removed_the_leader_too(void **state)
{
	struct cluster cluster;
	struct load load;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 4);
	remove_member(
		&cluster, &cluster.node[cluster_leader(&cluster) == &cluster.node[2] ? 1 : 2]);
	cluster_wait_leader(&cluster);
	remove_member(&cluster, cluster_leader(&cluster));
	load_init(&load, &cluster, 1, 500, 32);
	load_run(&load);
	assert_int_equal(load.ok, load.count);
	cluster_wait_equal(&cluster);
	load_fini(&load);
	cluster_close(&cluster);
}

/* ---- snapshots */

static void test_a_node_joins_twenty_thousand_leases(void **state)
{
	struct cluster cluster;
	struct load load;
	(void)state;
	cluster_open(&cluster);
	load_init(&load, &cluster, 1, 20000, 400);
	load_run(&load);
	uint64_t began_ms = cluster_now_ms();
	struct cluster_node *node = cluster_join(&cluster);
	print_message("[  MEASURED ] joined and votes with %u leases after %llu ms\n", load.count,
		(unsigned long long)(cluster_now_ms() - began_ms));
	cluster_wait_equal(&cluster);
	assert_int_equal(node->everything, 1);
	load_check(&load, node);
	/* And it keeps what it got. */
	node_stop(node);
	cluster_restart(&cluster, 1);
	cluster_wait_equal(&cluster);
	load_check(&load, node);
	load_fini(&load);
	cluster_close(&cluster);
}

/* Everywhere: any of them may lead when the absent one returns. */
static bool has_compacted(struct cluster *cluster, void *ctx)
{
	uint64_t first, last;
	(void)ctx;
	for (unsigned i = 0; i < cluster->count; i++) {
		if (!cluster->node[i].running)
			continue;
		kv_log_range(cluster->node[i].kv, &first, &last);
		if (first <= 1000)
			return false;
	}
	return true;
}

/* Turn until the node has applied what the leader has. At no moment does it claim an index that it
 * can only have from the leader's state, and still holds the old one: the digest that it tells
 * others would raise an alarm. */
static void catch_up(
	struct cluster *cluster, const struct cluster_node *leader, const struct cluster_node *node)
{
	uint64_t until_ms = cluster_now_ms() + CLUSTER_WAIT_MS, first, last;
	struct replica_view ours, theirs;
	do {
		cluster_turn(cluster);
		assert_true(cluster_now_ms() < until_ms);
		kv_log_range(leader->kv, &first, &last);
		replica_get_view(node->replica, &ours);
		replica_get_view(leader->replica, &theirs);
		if (ours.applied >= first)
			assert_true(model_lease_count(replica_model(node->replica)) > 1000);
	} while (ours.applied != theirs.applied);
}

static void test_a_node_absent_for_long_gets_the_state(void **state)
{
	struct cluster cluster;
	struct load load;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	cluster_wait_leader(&cluster);
	unsigned away = cluster_leader(&cluster) == &cluster.node[2] ? 1 : 2;
	uint64_t everything = cluster.node[away].everything;
	node_stop(&cluster.node[away]);
	load_init(&load, &cluster, 1, 30000, 2); /* few at a time: many entries */
	while (!has_compacted(&cluster, NULL) && !load_is_done(&load)) {
		load_pump(&load);
		cluster_turn(&cluster);
	}
	cluster_wait(&cluster, has_compacted, NULL, "the log's prefix is gone");
	load.count = load.next; /* enough */
	load_run(&load);
	cluster_wait_leader(&cluster);
	cluster_wait_equal(&cluster);
	struct cluster_node *leader = cluster_leader(&cluster);
	cluster_restart(&cluster, away);
	catch_up(&cluster, leader, &cluster.node[away]);
	cluster_wait_equal(&cluster);
	assert_int_equal(cluster.node[away].everything, everything + 1);
	load_check(&load, &cluster.node[away]);
	/* The compacted log is fit for a restart, too. */
	for (unsigned i = 0; i < 3; i++)
		node_stop(&cluster.node[i]);
	for (unsigned i = 0; i < 3; i++)
		cluster_restart(&cluster, i);
	cluster_wait_equal(&cluster);
	load_fini(&load);
	cluster_close(&cluster);
}

/* ---- without the quorum */

static bool has_no_quorum(struct cluster *cluster, void *ctx)
{
	struct replica_view view;
	(void)ctx;
	for (unsigned i = 0; i < cluster->count; i++) {
		if (!cluster->node[i].running)
			continue;
		replica_get_view(cluster->node[i].replica, &view);
		if (view.has_quorum || view.fresh || view.is_leader || view.no_quorum_ms == 0 ||
			replica_is_live(cluster->node[i].replica, 2))
			return false;
	}
	return true;
}

static void test_one_of_three_knows_that_it_is_alone(void **state)
{
	struct cluster cluster;
	struct replica_view view;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	replica_get_view(cluster.node[0].replica, &view);
	assert_true(view.has_quorum);
	assert_true(view.fresh);
	assert_int_equal(view.no_quorum_ms, 0);
	node_stop(&cluster.node[1]);
	node_stop(&cluster.node[2]);
	cluster_wait(&cluster, has_no_quorum, NULL, "the survivor notices");
	assert_true(replica_is_live(cluster.node[0].replica, 1));
	struct bind_command bind;
	bind_command_init(&bind, 7);
	assert_int_equal(
		replica_propose(cluster.node[0].replica, &bind.command, 0, once_on_done, NULL),
		REPLICA_NO_QUORUM);
	uint64_t now_ms = replica_now_ms(cluster.node[0].replica);
	cluster_restart(&cluster, 1);
	cluster_wait_equal(&cluster);
	assert_true(replica_now_ms(cluster.node[0].replica) >= now_ms);
	struct model_result result;
	assert_int_equal(
		cluster_do(&cluster, &cluster.node[0], &bind.command, &result), REPLICA_APPLIED);
	assert_int_equal(result.verdict, PXE__VERDICT__VERDICT_OK);
	cluster_close(&cluster);
}

static void test_an_outcome_that_never_comes_is_unknown(void **state)
{
	struct cluster cluster;
	struct once once = {0};
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	cluster_wait_leader(&cluster);
	struct cluster_node *leader = cluster_leader(&cluster);
	for (unsigned i = 0; i < 3; i++) {
		if (&cluster.node[i] != leader)
			node_stop(&cluster.node[i]);
	}
	struct bind_command bind;
	bind_command_init(&bind, 7);
	assert_int_equal(replica_propose(leader->replica, &bind.command, 200, once_on_done, &once),
		REPLICA_APPLIED);
	uint64_t end = cluster_now_ms() + CLUSTER_WAIT_MS;
	while (once.told == 0 && cluster_now_ms() < end)
		cluster_turn(&cluster);
	assert_int_equal(once.unknown, 1);
	cluster_close(&cluster);
}

/* ---- limits */

static void test_outstanding_proposals_are_bounded(void **state)
{
	struct cluster cluster;
	struct once once = {0};
	unsigned taken = 0;
	(void)state;
	cluster_open(&cluster);
	for (unsigned i = 0; i < MODEL_WINDOW; i++) {
		struct bind_command bind;
		bind_command_init(&bind, i + 1);
		enum replica_outcome outcome = replica_propose(
			cluster.node[0].replica, &bind.command, 0, once_on_done, &once);
		assert_true(outcome == REPLICA_APPLIED || outcome == REPLICA_BUSY);
		taken += outcome == REPLICA_APPLIED;
	}
	assert_int_equal(taken, MODEL_WINDOW / 2);
	assert_int_equal(once.told, 0); /* never from inside */
	uint64_t end = cluster_now_ms() + CLUSTER_WAIT_MS;
	while (once.told < taken && cluster_now_ms() < end)
		cluster_turn(&cluster);
	assert_int_equal(once.applied, taken);
	cluster_close(&cluster);
}

static void test_a_command_that_is_too_large_is_refused(void **state)
{
	struct cluster cluster;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Profile profile = PXE__PROFILE__INIT;
	struct model_result result;
	(void)state;
	cluster_open(&cluster);
	char *script = malloc(1100000);
	assert_non_null(script);
	memset(script, 'x', 1099999);
	script[1099999] = 0;
	profile.name = (char *)"large";
	profile.script = script;
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &profile;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	assert_int_equal(
		cluster_do(&cluster, &cluster.node[0], &command, &result), REPLICA_APPLIED);
	assert_int_equal(result.verdict, PXE__VERDICT__VERDICT_LIMIT);
	assert_true(strlen(result.detail) > 0);
	free(script);
	cluster_close(&cluster);
}

/* ---- time */

struct skewed {
	uint64_t offset_ms; /* of the wall clock */
	uint64_t boot_offset_ms, rate,
		since_ms; /* of the boot clock; rate 0: as it is, else times as fast since then */
};

static uint64_t skewed_boot(void *ctx)
{
	const struct skewed *skewed = ctx;
	uint64_t now_ms = replica_env_system()->now_boot_ms(NULL) + skewed->boot_offset_ms;
	return skewed->rate == 0 ? now_ms
				 : skewed->since_ms + (now_ms - skewed->since_ms) * skewed->rate;
}

static uint64_t skewed_wall(void *ctx)
{
	struct skewed *skewed = ctx;
	return replica_env_system()->now_wall_ms(NULL) + skewed->offset_ms;
}

static bool skewed_synchronised(void *ctx)
{
	(void)ctx;
	return false;
}

static uint64_t skewed_random(void *ctx)
{
	(void)ctx;
	return replica_env_system()->random(NULL);
}

static void test_after_all_were_down_wrong_clocks_raise_an_alarm(void **state)
{
	struct cluster cluster;
	struct skewed skewed[3] = {{0}};
	struct replica_env env[3];
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	uint64_t stamp_ms = model_stamp_ms(replica_model(cluster.node[0].replica));
	for (unsigned i = 0; i < 3; i++)
		node_stop(&cluster.node[i]);
	for (unsigned i = 0; i < 3; i++) {
		skewed[i].offset_ms = 600000 + i * 10000;
		env[i] = (struct replica_env){
			&skewed[i], skewed_boot, skewed_wall, skewed_synchronised, skewed_random};
		cluster.node[i].env = &env[i];
	}
	for (unsigned i = 0; i < 3; i++)
		cluster_restart(&cluster, i);
	cluster_wait_leader(&cluster);
	assert_int_equal(
		cluster.node[0].alarms + cluster.node[1].alarms + cluster.node[2].alarms, 1);
	uint64_t now_ms = replica_now_ms(cluster.node[0].replica);
	assert_true(
		now_ms >= stamp_ms + 500000); /* the machines were off for ten minutes: so it is */
	assert_true(now_ms <= replica_env_system()->now_wall_ms(NULL) + 612000);
	struct bind_command bind;
	struct model_result result;
	bind_command_init(&bind, 7);
	assert_int_equal(
		cluster_do(&cluster, &cluster.node[0], &bind.command, &result), REPLICA_APPLIED);
	assert_true(model_stamp_ms(replica_model(cluster.node[0].replica)) >= stamp_ms + 500000);
	cluster_close(&cluster);
}

static void test_a_stepped_clock_moves_nothing(void **state)
{
	struct cluster cluster;
	struct skewed skewed = {0};
	struct replica_env env = {
		&skewed, skewed_boot, skewed_wall, skewed_synchronised, skewed_random};
	(void)state;
	cluster_open(&cluster);
	node_stop(&cluster.node[0]);
	cluster.node[0].env = &env;
	cluster_restart(&cluster, 0);
	cluster_wait_leader(&cluster);
	uint64_t boot_ms = skewed_boot(&skewed),
		 before_ms = replica_now_ms(cluster.node[0].replica);
	skewed.offset_ms = UINT64_C(365) * 86400 * 1000;
	for (unsigned i = 0; i < 50; i++)
		cluster_turn(&cluster);
	uint64_t elapsed_ms = skewed_boot(&skewed) - boot_ms,
		 moved_ms = replica_now_ms(cluster.node[0].replica) - before_ms;
	assert_true(moved_ms <= elapsed_ms + elapsed_ms / 1000 + 2);
	cluster_close(&cluster);
}

/* What SIGSTOP, a suspended machine or a stalled loop look like from inside: suddenly it is later.
 */
static void test_a_node_that_slept_trusts_nothing_it_knew(void **state)
{
	struct cluster cluster;
	struct skewed skewed[3] = {{0}};
	struct replica_env env[3];
	struct replica_view view;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	for (unsigned i = 0; i < 3; i++) {
		node_stop(&cluster.node[i]);
		env[i] = (struct replica_env){
			&skewed[i], skewed_boot, skewed_wall, skewed_synchronised, skewed_random};
		cluster.node[i].env = &env[i];
	}
	for (unsigned i = 0; i < 3; i++)
		cluster_restart(&cluster, i);
	for (unsigned i = 0; i < 3; i++) {
		cluster_wait_equal(&cluster);
		uint64_t until_ms = cluster_now_ms() + 300; /* statuses have gone round */
		while (cluster_now_ms() < until_ms)
			cluster_turn(&cluster);
		cluster_wait_leader(&cluster);
		replica_get_view(cluster.node[i].replica, &view);
		assert_true(view.has_quorum);
		assert_true(view.fresh);
		skewed[i].boot_offset_ms += 5000;
		replica_get_view(cluster.node[i].replica, &view);
		assert_false(view.has_quorum);
		assert_false(view.fresh);
		assert_true(view.no_quorum_ms > 0);
	}
	cluster_wait_equal(&cluster);
	cluster_close(&cluster);
}

/* ---- the leader's duties */

static bool is_swept(struct cluster *cluster, void *ctx)
{
	(void)ctx;
	return model_lease_count(replica_model(cluster->node[0].replica)) == 0;
}

static void test_what_has_run_out_is_swept(void **state)
{
	struct cluster cluster;
	struct skewed skewed = {.offset_ms = 3600000};
	struct replica_env env = {
		&skewed, skewed_boot, skewed_wall, skewed_synchronised, skewed_random};
	struct bind_command bind;
	struct model_result result;
	(void)state;
	cluster_open(&cluster);
	bind_command_init(&bind, 9); /* for its client */
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Offer offer = PXE__OFFER__INIT;
	offer.who = &bind.who;
	offer.subnet = (char *)cluster_subnet;
	command.op_case = PXE__COMMAND__OP_OFFER;
	command.offer = &offer;
	assert_int_equal(
		cluster_do(&cluster, &cluster.node[0], &command, &result), REPLICA_APPLIED);
	assert_int_equal(result.verdict, PXE__VERDICT__VERDICT_OK);
	assert_int_equal(model_lease_count(replica_model(cluster.node[0].replica)), 1);
	node_stop(&cluster.node[0]);
	cluster.node[0].env = &env; /* an hour later */
	cluster_restart(&cluster, 0);
	cluster_wait(&cluster, is_swept, NULL, "the offer that ran out is gone");
	cluster_close(&cluster);
}

struct publishing {
	uint8_t digest[32];
};

static bool is_published(struct cluster *cluster, void *ctx)
{
	const struct publishing *publishing = ctx;
	const Pxe__ImageVersion *version = model_image_version(
		replica_model(cluster->node[0].replica), "tiny", publishing->digest);
	return version != NULL && version->published;
}

static void stage_image(struct cluster *cluster, struct publishing *publishing)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageStage stage = PXE__IMAGE_STAGE__INIT;
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;
	Pxe__ImageFile file = PXE__IMAGE_FILE__INIT, *pointer = &file;
	struct model_result result;
	uint8_t sha256[32];
	memset(publishing->digest, 0xd1, 32);
	memset(sha256, 0x5a, 32);
	file.path = (char *)"kernel";
	file.bytes = 1000;
	file.sha256 = (ProtobufCBinaryData){.data = sha256, .len = 32};
	version.image = (char *)"tiny";
	version.digest = (ProtobufCBinaryData){.data = publishing->digest, .len = 32};
	version.files = &pointer;
	version.n_files = 1;
	version.bytes = 1000;
	stage.version = &version;
	command.op_case = PXE__COMMAND__OP_IMAGE_STAGE;
	command.image_stage = &stage;
	assert_int_equal(
		cluster_do(cluster, &cluster->node[0], &command, &result), REPLICA_APPLIED);
	if (result.verdict != PXE__VERDICT__VERDICT_OK)
		fail_msg("stage refused: %d %s", (int)result.verdict, result.detail);
}

static void hold_image(struct cluster *cluster, struct publishing *publishing, uint64_t member)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageHeld held = PXE__IMAGE_HELD__INIT;
	struct model_result result;
	held.image = (char *)"tiny";
	held.digest = (ProtobufCBinaryData){.data = publishing->digest, .len = 32};
	held.member = member;
	command.op_case = PXE__COMMAND__OP_IMAGE_HELD;
	command.image_held = &held;
	assert_int_equal(cluster_do(cluster, &cluster->node[member - 1], &command, &result),
		REPLICA_APPLIED);
	assert_int_equal(result.verdict, PXE__VERDICT__VERDICT_OK);
}

/* 30 s of silence pass eight times as fast here. */
static void test_an_image_does_not_wait_for_the_dead(void **state)
{
	struct cluster cluster;
	struct skewed skewed = {.rate = 8, .since_ms = replica_env_system()->now_boot_ms(NULL)};
	struct replica_env env = {
		&skewed, skewed_boot, skewed_wall, skewed_synchronised, skewed_random};
	struct publishing publishing;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	for (unsigned i = 0; i < 3; i++) {
		node_stop(&cluster.node[i]);
		cluster.node[i].env = &env;
		cluster.node[i].slowness = 8;
	}
	cluster_restart(&cluster, 0);
	cluster_restart(&cluster, 1);
	cluster_wait_leader(&cluster);
	stage_image(&cluster, &publishing);
	hold_image(&cluster, &publishing, 1);
	hold_image(&cluster, &publishing, 2);
	assert_false(is_published(&cluster, &publishing)); /* the third may only be slow */
	cluster_wait(
		&cluster, is_published, &publishing, "the image is published without the dead");
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_node_serves_and_remembers),
		cmocka_unit_test(test_three_nodes_all_propose),
		cmocka_unit_test(test_five_nodes_all_propose),
		cmocka_unit_test(test_three_nodes_one_command_at_a_time),
		cmocka_unit_test(test_leader_is_lost_under_load),
		cmocka_unit_test(test_changes_of_leader_apply_each_command_once),
		cmocka_unit_test(test_step_down_hands_over),
		cmocka_unit_test(test_members_are_removed_the_leader_too),
		cmocka_unit_test(test_a_node_joins_twenty_thousand_leases),
		cmocka_unit_test(test_a_node_absent_for_long_gets_the_state),
		cmocka_unit_test(test_one_of_three_knows_that_it_is_alone),
		cmocka_unit_test(test_an_outcome_that_never_comes_is_unknown),
		cmocka_unit_test(test_outstanding_proposals_are_bounded),
		cmocka_unit_test(test_a_command_that_is_too_large_is_refused),
		cmocka_unit_test(test_after_all_were_down_wrong_clocks_raise_an_alarm),
		cmocka_unit_test(test_a_stepped_clock_moves_nothing),
		cmocka_unit_test(test_a_node_that_slept_trusts_nothing_it_knew),
		cmocka_unit_test(test_what_has_run_out_is_swept),
		cmocka_unit_test(test_an_image_does_not_wait_for_the_dead),
	};
	cmocka_set_test_filter(getenv("PXE_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
