/* Starting: what a data directory may hold, and what is said when it is not fit. */
#include "tests/unit/replica/support/cluster.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct disk {
	uv_loop_t loop;
	struct kv *kv;
	uint64_t durable;
	char root[64];
};

static void disk_on_durable(void *ctx, uint64_t ticket)
{
	struct disk *disk = ctx;
	disk->durable = ticket;
}

static void disk_on_fatal(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
	abort();
}

static void disk_open(struct disk *disk)
{
	char error[256];
	*disk = (struct disk){.kv = NULL};
	assert_int_equal(uv_loop_init(&disk->loop), 0);
	snprintf(disk->root, sizeof disk->root, "/tmp/pxe-replica-XXXXXX");
	assert_non_null(mkdtemp(disk->root));
	struct kv_config config = {
		.loop = &disk->loop,
		.directory = disk->root,
		.map_bytes = 64u << 20,
		.ctx = disk,
		.on_durable = disk_on_durable,
		.on_fatal = disk_on_fatal,
	};
	assert_int_equal(kv_open(&config, &disk->kv, error, sizeof error), 0);
}

static void disk_flush(struct disk *disk)
{
	uint64_t ticket = kv_submit(disk->kv, true), end = cluster_now_ms() + CLUSTER_WAIT_MS;
	while (disk->durable < ticket && cluster_now_ms() < end)
		uv_run(&disk->loop, UV_RUN_NOWAIT);
	assert_true(disk->durable >= ticket);
}

static void disk_close(struct disk *disk)
{
	char command[100];
	kv_close(disk->kv);
	uv_run(&disk->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&disk->loop), 0);
	snprintf(command, sizeof command, "rm -rf '%s'", disk->root);
	assert_int_equal(system(command), 0);
}

/* Opens without a loop; closes again on success. */
static int try_open(struct disk *disk, uint64_t self, const struct replica_bootstrap *bootstrap,
	char error[256])
{
	struct replica_config config = {.kv = disk->kv, .self = self};
	struct replica *replica;
	error[0] = '\0';
	int status = replica_open(&config, bootstrap, &replica, error, 256);
	if (status == 0) {
		replica_close(replica);
		disk_flush(disk);
	}
	return status;
}

static int try_new_cluster(struct disk *disk, uint64_t self, char error[256])
{
	struct cluster_node node;
	Pxe__Settings settings;
	Pxe__Member member;
	uint8_t cluster_id[16] = {1};
	node_init(&node, self, disk->root, 7440, cluster_id);
	node_member(&node, &member);
	cluster_fill_settings(&node, &settings);
	struct replica_bootstrap bootstrap = {.settings = &settings, .self = &member};
	return try_open(disk, self, &bootstrap, error);
}

static void test_an_empty_directory_without_bootstrap_is_refused(void **state)
{
	struct disk disk;
	char error[256];
	(void)state;
	disk_open(&disk);
	assert_int_equal(try_open(&disk, 1, NULL, error), -ENOENT);
	assert_true(strlen(error) > 0);
	disk_close(&disk);
}

static void test_joining_needs_a_seed(void **state)
{
	struct disk disk;
	char error[256];
	struct replica_bootstrap bootstrap = {0};
	(void)state;
	disk_open(&disk);
	assert_int_equal(try_open(&disk, 4, &bootstrap, error), -EINVAL);
	assert_true(strlen(error) > 0);
	disk_close(&disk);
}

static void test_another_members_directory_is_refused(void **state)
{
	struct disk disk;
	char error[256];
	(void)state;
	disk_open(&disk);
	assert_int_equal(try_new_cluster(&disk, 1, error), 0);
	assert_int_equal(try_open(&disk, 2, NULL, error), -EINVAL);
	assert_non_null(strstr(error, "member 1"));
	assert_int_equal(try_open(&disk, 1, NULL, error), 0);
	disk_close(&disk);
}

static void test_a_joined_node_without_state_restarts(void **state)
{
	struct disk disk;
	char error[256];
	struct cluster_node other;
	Pxe__Member member, *seed = &member;
	uint8_t cluster_id[16] = {1};
	(void)state;
	disk_open(&disk);
	node_init(&other, 1, disk.root, 7440, cluster_id);
	node_member(&other, &member);
	struct replica_bootstrap bootstrap = {.seed = &seed, .seed_count = 1};
	assert_int_equal(try_open(&disk, 4, &bootstrap, error), 0);
	struct replica_config config = {.kv = disk.kv, .self = 4};
	struct replica *replica;
	struct replica_view view;
	assert_int_equal(replica_open(&config, NULL, &replica, error, sizeof error), 0);
	replica_connect(replica, NULL);
	replica_get_view(replica, &view);
	assert_int_equal(view.applied, 0);
	assert_int_equal(view.member_count, 2); /* it still knows whom to ask */
	assert_int_equal(view.member[1].id, 1);
	assert_false(view.has_quorum);
	replica_close(replica);
	disk_close(&disk);
}

/* Each fact damaged in turn: refused with a line, never taken for something else. */
static void test_damaged_facts_are_refused(void **state)
{
	static const char *const names[] = {"applied", "base", "vote"};
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct disk disk;
		char error[256];
		disk_open(&disk);
		assert_int_equal(try_new_cluster(&disk, 1, error), 0);
		kv_meta_put(disk.kv, names[i], (const uint8_t *)"\xff\xff\xff", 3);
		disk_flush(&disk);
		assert_int_equal(try_open(&disk, 1, NULL, error), -EBADMSG);
		assert_true(strlen(error) > 0);
		disk_close(&disk);
	}
}

static void test_damaged_state_and_log_are_refused(void **state)
{
	struct disk disk;
	char error[256];
	(void)state;
	disk_open(&disk);
	assert_int_equal(try_new_cluster(&disk, 1, error), 0);
	kv_state_put(disk.kv, (const uint8_t *)"?what", 5, (const uint8_t *)"x", 1);
	disk_flush(&disk);
	assert_int_equal(try_open(&disk, 1, NULL, error), -EBADMSG);
	assert_non_null(strstr(error, "1 stored record"));
	kv_state_remove(disk.kv, (const uint8_t *)"?what", 5);
	disk_flush(&disk);
	assert_int_equal(try_open(&disk, 1, NULL, error), 0);
	kv_log_append(disk.kv, 7, 1, 2, NULL, 0); /* after a gap */
	disk_flush(&disk);
	assert_int_equal(try_open(&disk, 1, NULL, error), -EBADMSG);
	kv_log_clear(disk.kv);
	kv_log_append(
		disk.kv, 2, 99, 2, NULL, 0); /* of a term that the stored vote does not know */
	disk_flush(&disk);
	assert_int_equal(try_open(&disk, 1, NULL, error), -EBADMSG);
	assert_non_null(strstr(error, "entry 2"));
	disk_close(&disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_directory_without_bootstrap_is_refused),
		cmocka_unit_test(test_joining_needs_a_seed),
		cmocka_unit_test(test_another_members_directory_is_refused),
		cmocka_unit_test(test_a_joined_node_without_state_restarts),
		cmocka_unit_test(test_damaged_facts_are_refused),
		cmocka_unit_test(test_damaged_state_and_log_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
