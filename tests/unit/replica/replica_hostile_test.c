/* What a member may send that no correct one does: it is counted and dropped, the node goes on; and
 * what it does when states differ. */
#include "store/raft/raft.h"
#include "tests/unit/replica/support/cluster.h"
#include "tests/unit/replica/support/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t dropped(const struct cluster_node *node)
{
	struct replica_view view;
	replica_get_view(node->replica, &view);
	return view.dropped;
}

static void give_raft(struct cluster_node *node, uint64_t from, Pxe__RaftMessage *raft)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	envelope.body_case = PXE__ENVELOPE__BODY_RAFT;
	envelope.raft = raft;
	replica_on_message(node->replica, from, &envelope);
}

static void give_chunk(struct cluster_node *node, uint64_t from, Pxe__SnapshotChunk *chunk)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	envelope.body_case = PXE__ENVELOPE__BODY_SNAPSHOT_CHUNK;
	envelope.snapshot_chunk = chunk;
	replica_on_message(node->replica, from, &envelope);
}

/* Still a cluster: commands are applied, states are equal. */
static void expect_sane(struct cluster *cluster, uint32_t first)
{
	struct load load;
	cluster_wait_leader(cluster);
	load_init(&load, cluster, first, 200, 32);
	load_run(&load);
	assert_int_equal(load.ok, load.count);
	cluster_wait_equal(cluster);
	load_fini(&load);
}

static struct cluster_node *follower(struct cluster *cluster)
{
	cluster_wait_leader(cluster);
	return cluster_leader(cluster) == &cluster->node[0] ? &cluster->node[1] : &cluster->node[0];
}

static void test_messages_without_sense_are_dropped(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	struct cluster_node *node = follower(&cluster);
	uint64_t leader = cluster_leader(&cluster)->id, before = dropped(node);
	Pxe__Envelope empty = PXE__ENVELOPE__INIT;
	replica_on_message(node->replica, leader, &empty);
	replica_on_message(node->replica, 99, &empty); /* no member */
	Pxe__RaftMessage raft = PXE__RAFT_MESSAGE__INIT;
	give_raft(node, leader, &raft); /* kind 0 */
	raft.kind = 77;
	give_raft(node, leader, &raft);
	raft.kind = RAFT_APPEND;
	raft.term = 1000000;
	Pxe__LogEntry entry = PXE__LOG_ENTRY__INIT, *many[40];
	for (unsigned i = 0; i < 40; i++)
		many[i] = &entry;
	raft.entries = many;
	raft.n_entries = 40; /* more than anyone sends */
	give_raft(node, leader, &raft);
	raft.n_entries = 1;
	entry.term = 5;
	entry.type = 9; /* of no kind */
	give_raft(node, leader, &raft);
	entry.type = RAFT_CONF;
	entry.payload = (ProtobufCBinaryData){
		.data = (uint8_t *)"\xff\xff\xff", .len = 3}; /* no configuration */
	give_raft(node, leader, &raft);
	entry.payload = (ProtobufCBinaryData){0}; /* nobody in it */
	give_raft(node, leader, &raft);
	raft.kind = RAFT_VOTE; /* entries where none belong */
	give_raft(node, leader, &raft);
	assert_int_equal(dropped(node), before + 9);
	expect_sane(&cluster, 1);
	cluster_close(&cluster);
}

static void test_configurations_without_sense_are_dropped(void **state)
{
	static const struct {
		const char *what;
		const char *bytes;
		size_t count;
	} cases[] = {
		{"id 0", "\x0a\x02\x10\x01", 4},
		{"nobody votes", "\x0a\x02\x08\x01", 4},
		{"one twice", "\x0a\x04\x08\x01\x10\x01\x0a\x04\x08\x01\x10\x01", 12},
	};
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	struct cluster_node *node = follower(&cluster);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t before = dropped(node);
		Pxe__RaftMessage raft = PXE__RAFT_MESSAGE__INIT;
		Pxe__LogEntry entry = PXE__LOG_ENTRY__INIT, *pointer = &entry;
		raft.kind = RAFT_APPEND;
		raft.term = 1;
		entry.term = 1;
		entry.type = RAFT_CONF;
		entry.payload = (ProtobufCBinaryData){
			.data = (uint8_t *)cases[i].bytes, .len = cases[i].count};
		raft.entries = &pointer;
		raft.n_entries = 1;
		give_raft(node, cluster_leader(&cluster)->id, &raft);
		if (dropped(node) != before + 1)
			fail_msg("taken: %s", cases[i].what);
	}
	expect_sane(&cluster, 1);
	cluster_close(&cluster);
}

static void test_random_messages_do_no_harm(void **state)
{
	struct cluster cluster;
	unsigned seed = 4711;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	struct cluster_node *node = follower(&cluster);
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t payload[24];
		Pxe__RaftMessage raft = PXE__RAFT_MESSAGE__INIT;
		Pxe__LogEntry entry[3], *pointer[3];
		raft.kind = (uint32_t)rand_r(&seed) % 9;
		/* Terms at or below the present one: a higher one is a right that only a correct
		 * member uses. */
		struct replica_view view;
		replica_get_view(node->replica, &view);
		raft.term = (uint64_t)rand_r(&seed) % (view.term + 1);
		if (raft.term == view.term)
			raft.term = 0;
		raft.index = (uint64_t)rand_r(&seed) % 30;
		raft.log_term = (uint64_t)rand_r(&seed) % 4;
		raft.commit = (uint64_t)rand_r(&seed) % 40;
		raft.prev = (uint64_t)rand_r(&seed) % 30;
		raft.stamp_ms = (uint64_t)rand_r(&seed);
		raft.cluster_ms = (uint64_t)rand_r(&seed) << 33;
		raft.pre_vote = rand_r(&seed) % 2;
		raft.ok = rand_r(&seed) % 2;
		for (unsigned i = 0; i < 3; i++) {
			for (unsigned j = 0; j < sizeof payload; j++)
				payload[j] = (uint8_t)rand_r(&seed);
			pxe__log_entry__init(&entry[i]);
			entry[i].term = (uint64_t)rand_r(&seed) % 4;
			entry[i].type = (uint32_t)rand_r(&seed) % 5;
			entry[i].payload = (ProtobufCBinaryData){
				.data = payload, .len = (size_t)rand_r(&seed) % sizeof payload};
			pointer[i] = &entry[i];
		}
		raft.entries = pointer;
		raft.n_entries = (size_t)rand_r(&seed) % 4;
		give_raft(node, 1 + (uint64_t)rand_r(&seed) % 3, &raft);
		if (round % 100 == 0)
			cluster_turn(&cluster);
	}
	expect_sane(&cluster, 1);
	cluster_close(&cluster);
}

static void test_proposals_in_another_name_are_dropped(void **state)
{
	struct cluster cluster;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	cluster_wait_leader(&cluster);
	struct cluster_node *leader = cluster_leader(&cluster);
	uint64_t other = leader->id % 3 + 1, third = other % 3 + 1, before = dropped(leader);
	struct bind_command bind;
	Pxe__Command *command[600];
	Pxe__Propose propose = PXE__PROPOSE__INIT;
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	bind_command_init(&bind, 5);
	bind.command.origin = third;
	bind.command.incarnation = bind.command.seq = 1;
	for (unsigned i = 0; i < 600; i++)
		command[i] = &bind.command;
	propose.commands = command;
	propose.n_commands = 1;
	envelope.body_case = PXE__ENVELOPE__BODY_PROPOSE;
	envelope.propose = &propose;
	replica_on_message(leader->replica, other, &envelope);
	assert_int_equal(dropped(leader), before + 1);
	propose.n_commands = 600; /* more than one node may have outstanding */
	replica_on_message(leader->replica, other, &envelope);
	assert_int_equal(dropped(leader), before + 2);
	expect_sane(&cluster, 100);
	struct lease lease;
	assert_false(model_lease_of_ip(replica_model(leader->replica), bind_ip(5), &lease));
	cluster_close(&cluster);
}

static void test_a_damaged_snapshot_changes_nothing(void **state)
{
	struct cluster cluster;
	struct replica_view view;
	uint8_t digest_before[32], digest_after[32];
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	struct cluster_node *node = follower(&cluster);
	uint64_t leader = cluster_leader(&cluster)->id;
	model_digest(replica_model(node->replica), digest_before);
	replica_get_view(node->replica, &view);
	Pxe__SnapshotChunk chunk = PXE__SNAPSHOT_CHUNK__INIT;
	Pxe__Configuration conf = PXE__CONFIGURATION__INIT;
	Pxe__Configuration__Entry entry = PXE__CONFIGURATION__ENTRY__INIT, *pointer = &entry;
	entry.id = 1;
	entry.voter = true;
	conf.members = &pointer;
	conf.n_members = 1;
	chunk.stream = 7;
	chunk.term = view.term;
	chunk.index = view.last + 1000;
	chunk.index_term = view.term;
	chunk.conf_index = 1;
	chunk.conf = &conf;
	chunk.last = true;
	uint64_t before = dropped(node);
	static const char *const records[] = {
		"\x05zzz", "\xff\xff\xff\xff\xff\xff\xff", "\x01L\x01x", "\x01\x01\x00"};
	static const size_t record_bytes[] = {4, 7, 4, 3};
	for (unsigned i = 0; i < 4; i++) {
		chunk.stream++;
		chunk.records = (ProtobufCBinaryData){
			.data = (uint8_t *)records[i], .len = record_bytes[i]};
		give_chunk(node, leader, &chunk);
	}
	assert_int_equal(dropped(node), before + 4);
	chunk.conf = NULL; /* and headers that say nothing */
	chunk.stream++;
	give_chunk(node, leader, &chunk);
	chunk.conf = &conf;
	chunk.index = 0;
	give_chunk(node, leader, &chunk);
	assert_int_equal(dropped(node), before + 6);
	model_digest(replica_model(node->replica), digest_after);
	assert_memory_equal(digest_before, digest_after, sizeof digest_before);
	expect_sane(&cluster, 1);
	cluster_close(&cluster);
}

/* A node whose state differs from the leader's at the same index says so and is not to serve. */
static void test_a_state_that_differs_from_the_leaders_is_noticed(void **state)
{
	struct cluster cluster;
	struct load load;
	struct replica_view view;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	load_init(&load, &cluster, 1, 1000, 1); /* enough entries for a digest */
	load_run(&load);
	cluster_wait_equal(&cluster);
	struct cluster_node *node = follower(&cluster);
	uint64_t leader = cluster_leader(&cluster)->id;
	replica_get_view(node->replica, &view);
	assert_false(view.diverged);
	assert_true(view.member[0].digest_index > 0);
	uint8_t wrong[32];
	memcpy(wrong, view.member[0].digest, sizeof wrong);
	Pxe__PeerStatus status = PXE__PEER_STATUS__INIT;
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	status.digest_index = view.member[0].digest_index;
	status.digest_sha256 = (ProtobufCBinaryData){.data = wrong, .len = sizeof wrong};
	envelope.body_case = PXE__ENVELOPE__BODY_STATUS;
	envelope.status = &status;
	replica_on_message(node->replica, leader, &envelope); /* equal */
	replica_get_view(node->replica, &view);
	assert_false(view.diverged);
	wrong[0] ^= 1;
	/* From the leader and from the third: this node is alone with its state. */
	replica_on_message(node->replica, 6 - leader - node->id, &envelope);
	replica_on_message(node->replica, leader, &envelope);
	replica_get_view(node->replica, &view);
	assert_true(view.diverged);
	while (node->alarms == 0)
		cluster_turn(&cluster);
	load_fini(&load);
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_without_sense_are_dropped),
		cmocka_unit_test(test_configurations_without_sense_are_dropped),
		cmocka_unit_test(test_random_messages_do_no_harm),
		cmocka_unit_test(test_proposals_in_another_name_are_dropped),
		cmocka_unit_test(test_a_damaged_snapshot_changes_nothing),
		cmocka_unit_test(test_a_state_that_differs_from_the_leaders_is_noticed),
	};
	cmocka_set_test_filter(getenv("PXE_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
