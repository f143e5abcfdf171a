/* The disk of a stopped node: looked at, recovered, restored. */
#include "store/replica/replica_offline.h"
#include "tests/unit/replica/support/cluster.h"
#include "tests/unit/replica/support/load.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNKNOWN_S 0 /* the lease time is a day: nothing waits for it here */

static uint64_t wall_ms(void)
{
	return replica_env_system()->now_wall_ms(NULL);
}

static struct replica_offline_info info_of(struct kv *kv)
{
	struct replica_offline_info info;
	char error[256] = "";
	if (replica_offline_info(kv, &info, error, sizeof error) != 0)
		fail_msg("info: %s", error);
	return info;
}

static struct replica_offline_info info_closed(struct cluster *cluster, struct cluster_node *node)
{
	struct kv *kv = node_open_disk(node, &cluster->loop);
	struct replica_offline_info info = info_of(kv);
	node_close_disk(node, kv);
	return info;
}

static void recover(struct cluster *cluster, struct cluster_node *node)
{
	char error[256] = "";
	struct kv *kv = node_open_disk(node, &cluster->loop);
	if (replica_offline_recover(kv, wall_ms(), UNKNOWN_S, error, sizeof error) != 0)
		fail_msg("recover: %s", error);
	/* Reads see only what is durable. */
	struct replica_offline_info info = info_of(kv);
	assert_true(info.alone);
	assert_int_equal(info.applied, info.last);
	assert_int_equal(
		replica_offline_recover(kv, wall_ms(), UNKNOWN_S, error, sizeof error), -EALREADY);
	assert_true(strlen(error) > 0);
	struct replica_offline_info again = info_of(kv);
	assert_int_equal(again.last, info.last);
	assert_int_equal(again.epoch, info.epoch);
	node_close_disk(node, kv);
}

static bool is_bound(const struct cluster_node *node, uint32_t number)
{
	struct lease lease;
	return model_lease_of_ip(replica_model(node->replica), bind_ip(number), &lease) &&
	       lease.state == PXE__LEASE_STATE__LEASE_BOUND;
}

static bool leads(struct cluster *cluster, void *ctx)
{
	const struct cluster_node *node = ctx;
	struct replica_view view;
	(void)cluster;
	replica_get_view(node->replica, &view);
	return view.is_leader && view.has_quorum;
}

static bool has_epoch_alarm(struct cluster *cluster, void *ctx)
{
	const struct cluster_node *node = ctx;
	(void)cluster;
	return node->alarms > 0 && strstr(node->alarm, "epoch") != NULL;
}

static void test_the_survivor_of_three_goes_on_alone(void **state)
{
	struct cluster cluster;
	struct load load;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	load_init(&load, &cluster, 1, 200, 32);
	load_run(&load);
	cluster_wait_equal(&cluster);
	struct cluster_node *survivor = &cluster.node[2];
	uint64_t stamp_ms = model_stamp_ms(replica_model(survivor->replica));
	for (unsigned i = 0; i < 3; i++)
		node_stop(&cluster.node[i]);
	struct replica_offline_info info = info_closed(&cluster, survivor);
	assert_string_equal(info.cluster, "test");
	assert_string_equal(info.name, "n3");
	assert_int_equal(info.self, 3);
	assert_int_equal(info.epoch, 0);
	assert_int_equal(info.lease_count, 200);
	assert_int_equal(info.member_count, 3);
	assert_true(info.member[1].voter && !info.member[1].witness);
	assert_string_equal(info.member[1].name, "n2");
	assert_true(info.stamp_ms >= stamp_ms);
	assert_false(info.alone);
	recover(&cluster, survivor);
	info = info_closed(&cluster, survivor);
	assert_int_equal(info.epoch, 1);
	assert_int_equal(info.member_count, 1);
	assert_int_equal(info.lease_count, 200);
	cluster_restart(&cluster, 2);
	cluster_wait(&cluster, leads, survivor, "the survivor leads");
	load_check(&load, survivor);
	assert_int_equal(replica_epoch(survivor->replica), 1);
	assert_true(replica_now_ms(survivor->replica) >= stamp_ms);
	cluster_must_bind(&cluster, survivor, 1000);
	/* One that was left behind comes back: nobody hears it, though it still had the keys. */
	cluster_restart(&cluster, 0);
	assert_int_equal(transport_set_peer(survivor->transport, 1, cluster.node[0].address,
				 cluster.node[0].public_key),
		0);
	cluster_wait(&cluster, has_epoch_alarm, survivor, "the old epoch is noticed");
	assert_non_null(strstr(survivor->alarm, "join it anew"));
	cluster_turn_for(&cluster, 1000);
	assert_true(leads(&cluster, survivor));
	struct replica_view view;
	replica_get_view(cluster.node[0].replica, &view);
	assert_false(view.has_quorum);
	assert_false(is_bound(&cluster.node[0], 1000));
	node_stop(&cluster.node[0]);
	/* A new one joins, and gets all of it. */
	struct cluster_node *fresh = cluster_join(&cluster);
	cluster_wait_equal(&cluster);
	load_check(&load, fresh);
	assert_true(is_bound(fresh, 1000));
	node_stop(fresh); /* and knows the epoch again after a restart */
	node_start(fresh, &cluster.loop, NULL);
	cluster_wait_equal(&cluster);
	load_fini(&load);
	cluster_close(&cluster);
}

static uint64_t day_ago(void *ctx)
{
	(void)ctx;
	return wall_ms() - 86400000;
}

/* What the node knew of its clock is no measure any more. */
static void test_a_clock_that_is_set_before_the_recovery_moves_no_lease(void **state)
{
	struct cluster cluster;
	struct replica_env env = *replica_env_system();
	(void)state;
	env.now_wall_ms = day_ago;
	cluster_open(&cluster);
	cluster_grow(&cluster, 2);
	struct cluster_node *survivor = &cluster.node[1];
	node_stop(survivor);
	survivor->env = &env;
	cluster_restart(&cluster, 1);
	cluster_wait_equal(&cluster);
	cluster_turn_for(&cluster, 500);
	node_stop(survivor);
	node_stop(&cluster.node[0]);
	survivor->env = NULL;
	recover(&cluster, survivor);
	assert_true(info_closed(&cluster, survivor).stamp_ms < wall_ms() + 10000);
	cluster_restart(&cluster, 1);
	cluster_wait(&cluster, leads, survivor, "the survivor leads");
	cluster_turn_for(&cluster, 500);
	assert_true(replica_now_ms(survivor->replica) < wall_ms() + 43200000);
	cluster_close(&cluster);
}

struct grown {
	struct cluster_node *node;
	uint64_t beyond;
};

static bool has_durable_tail(struct cluster *cluster, void *ctx)
{
	const struct grown *grown = ctx;
	uint64_t first, last;
	(void)cluster;
	kv_log_range(grown->node->kv, &first, &last);
	return last > grown->beyond;
}

static void unheard(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	(void)ctx;
	(void)result;
	assert_int_equal(outcome, REPLICA_UNKNOWN);
}

/* The leader may have had a majority for it, and told a client: what the survivor has counts. */
static void test_entries_that_were_not_known_to_be_committed_count(void **state)
{
	struct cluster cluster;
	struct bind_command bind;
	(void)state;
	cluster_open(&cluster);
	cluster_grow(&cluster, 3);
	cluster_wait_equal(&cluster);
	struct cluster_node *leader = cluster_leader(&cluster);
	struct cluster_node *survivor = &cluster.node[leader->id % 3];
	struct replica_view view;
	for (unsigned id = 1; id <= 3; id++)
		leader->cut[id] = true; /* it speaks, and hears nothing */
	cluster_isolate(&cluster, &cluster.node[(leader->id + 1) % 3], true);
	replica_get_view(survivor->replica, &view);
	struct grown grown = {survivor, view.last};
	bind_command_init(&bind, 5);
	assert_int_equal(
		replica_propose(leader->replica, &bind.command, 0, unheard, NULL), REPLICA_APPLIED);
	cluster_wait(&cluster, has_durable_tail, &grown, "the entry is at the survivor");
	assert_false(is_bound(survivor, 5));
	for (unsigned i = 0; i < 3; i++)
		node_stop(&cluster.node[i]);
	struct replica_offline_info info = info_closed(&cluster, survivor);
	assert_true(info.last > info.applied);
	assert_int_equal(info.lease_count, 0);
	recover(&cluster, survivor);
	memset(survivor->cut, 0, sizeof survivor->cut);
	cluster_restart(&cluster, (unsigned)survivor->id - 1);
	cluster_wait(&cluster, leads, survivor, "the survivor leads");
	assert_true(is_bound(survivor, 5));
	cluster_close(&cluster);
}

static void test_a_directory_without_a_state_is_refused(void **state)
{
	struct cluster cluster;
	struct replica_offline_info info;
	char error[256] = "";
	(void)state;
	cluster_open(&cluster);
	node_init(&cluster.node[1], 2, cluster.root, node_free_port(), cluster.cluster_id);
	struct kv *kv = node_open_disk(&cluster.node[1], &cluster.loop);
	assert_int_equal(replica_offline_info(kv, &info, error, sizeof error), -ENOENT);
	assert_int_equal(replica_offline_recover(kv, wall_ms(), 0, error, sizeof error), -ENOENT);
	assert_true(strlen(error) > 0);
	node_close_disk(&cluster.node[1], kv);
	node_stop(&cluster.node[0]); /* alone anyway: it needs no recovery */
	kv = node_open_disk(&cluster.node[0], &cluster.loop);
	assert_true(info_of(kv).alone);
	assert_int_equal(replica_offline_recover(kv, wall_ms(), 0, error, sizeof error), -EALREADY);
	node_close_disk(&cluster.node[0], kv);
	cluster_restart(&cluster, 0);
	cluster_wait_leader(&cluster);
	cluster_close(&cluster);
}

/* ---- restore */

#define RECORDS_MAX 1000

struct backup {
	struct replica_offline_record record[RECORDS_MAX];
	size_t count;
};

static void backup_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct backup *backup = ctx;
	assert_true(backup->count < RECORDS_MAX);
	uint8_t *copy = malloc(key_bytes + value_bytes);
	assert_non_null(copy);
	memcpy(copy, key, key_bytes);
	if (value_bytes > 0)
		memcpy(copy + key_bytes, value, value_bytes);
	backup->record[backup->count++] = (struct replica_offline_record){.key = copy,
		.value = copy + key_bytes,
		.key_bytes = key_bytes,
		.value_bytes = value_bytes};
}

static void backup_remove(void *ctx, const uint8_t *key, size_t key_bytes)
{
	(void)ctx;
	(void)key;
	(void)key_bytes;
	fail();
}

static void backup_take(struct backup *backup, const struct cluster_node *node)
{
	struct model_sink visitor = {.ctx = backup, .put = backup_record, .remove = backup_remove};
	*backup = (struct backup){.count = 0};
	model_each_record(replica_model(node->replica), &visitor);
}

static void backup_free(struct backup *backup)
{
	for (size_t i = 0; i < backup->count; i++)
		free((void *)(uintptr_t)backup->record[i].key);
}

static int restore(struct kv *kv, const struct backup *backup, size_t count,
	const Pxe__Member *self, uint64_t *ret_id)
{
	char error[256] = "";
	int status = replica_offline_restore(
		kv, backup->record, count, self, wall_ms(), UNKNOWN_S, ret_id, error, sizeof error);
	assert_int_equal(status == 0, error[0] == '\0');
	if (error[0] != '\0')
		print_message("[   SAID   ] %s\n", error);
	return status;
}

static void restore_refusals(struct kv *kv, struct backup *backup, Pxe__Member *self)
{
	struct replica_offline_info info;
	char error[256];
	uint64_t id = 0;
	/* No settings; an id that was used; a record that is none. */
	assert_int_equal(restore(kv, backup, 0, self, &id), -EBADMSG);
	self->id = 2;
	assert_int_equal(restore(kv, backup, backup->count, self, &id), -EINVAL);
	self->id = 0;
	struct replica_offline_record sound = backup->record[0];
	backup->record[0].key = (const uint8_t *)"?what";
	backup->record[0].key_bytes = 5;
	assert_int_equal(restore(kv, backup, backup->count, self, &id), -EBADMSG);
	backup->record[0] = sound;
	assert_int_equal(id, 0);
	assert_int_equal(replica_offline_info(kv, &info, error, sizeof error), -ENOENT);
}

static void test_a_backup_becomes_a_cluster_of_one(void **state)
{
	struct cluster cluster;
	struct backup *backup = malloc(sizeof *backup);
	struct load load;
	Pxe__Member self;
	uint64_t id = 0;
	(void)state;
	assert_non_null(backup);
	cluster_open(&cluster);
	cluster_grow(&cluster, 2);
	load_init(&load, &cluster, 1, 100, 32);
	load_run(&load);
	cluster_wait_equal(&cluster);
	backup_take(backup, &cluster.node[1]);
	uint64_t stamp_ms = model_stamp_ms(replica_model(cluster.node[1].replica));
	for (unsigned i = 0; i < 2; i++)
		node_stop(&cluster.node[i]);
	struct cluster_node *fresh = &cluster.node[2];
	node_init(fresh, 3, cluster.root, node_free_port(), cluster.cluster_id);
	snprintf(fresh->name, sizeof fresh->name, "n1"); /* the same machine, set up anew */
	node_member(fresh, &self);
	self.id = 0;
	struct kv *kv = node_open_disk(fresh, &cluster.loop);
	restore_refusals(kv, backup, &self);
	assert_int_equal(restore(kv, backup, backup->count, &self, &id), 0);
	assert_true(id > 2);
	assert_int_equal(restore(kv, backup, backup->count, &self, &id), -EEXIST);
	struct replica_offline_info info = info_of(kv);
	assert_int_equal(info.self, id);
	assert_int_equal(info.epoch, 1);
	assert_int_equal(info.lease_count, 100);
	assert_int_equal(info.member_count, 1);
	assert_string_equal(info.member[0].name, "n1");
	assert_true(info.alone && info.stamp_ms >= stamp_ms);
	node_close_disk(fresh, kv);
	fresh->id = id;
	cluster.count = 3;
	cluster_restart(&cluster, 2);
	cluster_wait(&cluster, leads, fresh, "it leads");
	load_check(&load, fresh);
	cluster_must_bind(&cluster, fresh, 500);
	node_stop(fresh);
	cluster_restart(&cluster, 2);
	cluster_wait(&cluster, leads, fresh, "it leads again");
	assert_true(is_bound(fresh, 500));
	backup_free(backup);
	free(backup);
	load_fini(&load);
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_survivor_of_three_goes_on_alone),
		cmocka_unit_test(test_a_clock_that_is_set_before_the_recovery_moves_no_lease),
		cmocka_unit_test(test_entries_that_were_not_known_to_be_committed_count),
		cmocka_unit_test(test_a_directory_without_a_state_is_refused),
		cmocka_unit_test(test_a_backup_becomes_a_cluster_of_one),
	};
	cmocka_set_test_filter(getenv("PXE_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
