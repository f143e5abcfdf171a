/* A batch of commands from any bytes, applied to a small cluster. Every command must have a
 * verdict, whatever it says; and what the sink was told, read back, must give the very same state.
 */
#include "proto/msg/budget.h"
#include "proto/msg/msg_ip4.h"
#include "store/model/model.h"

#include <stdlib.h>
#include <string.h>

#define START_MS UINT64_C(1700000000000)
#define COMMANDS 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the disk */

struct row {
	struct row *next;
	size_t key_bytes, value_bytes;
	uint8_t bytes[]; /* key, value */
};

static struct row **row_find(struct row **at, const uint8_t *key, size_t key_bytes)
{
	while (*at != NULL &&
		((*at)->key_bytes != key_bytes || memcmp((*at)->bytes, key, key_bytes) != 0)) {
		at = &(*at)->next;
	}
	return at;
}

static void disk_remove(void *ctx, const uint8_t *key, size_t key_bytes)
{
	struct row **at = row_find(ctx, key, key_bytes), *row = *at;

	if (row == NULL) {
		abort(); /* only what is there is removed */
	}
	*at = row->next;
	free(row);
}

static void disk_put(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct row **disk = ctx, *row = malloc(sizeof *row + key_bytes + value_bytes);

	if (*row_find(disk, key, key_bytes) != NULL) {
		disk_remove(disk, key, key_bytes);
	}
	row->next = *disk;
	row->key_bytes = key_bytes;
	row->value_bytes = value_bytes;
	memcpy(row->bytes, key, key_bytes);
	if (value_bytes > 0) {
		memcpy(row->bytes + key_bytes, value, value_bytes);
	}
	*disk = row;
}

static void disk_free(struct row *row)
{
	while (row != NULL) {
		struct row *next = row->next;
		free(row);
		row = next;
	}
}

/* ---- the cluster: members 1 and 9, subnet 10.0.0.0/24, pool .10 to .14 */

/* Reserves are given only where there are two. */
static void add_member(struct model *model, const struct model_sink *sink)
{
	static uint8_t public_key[32] = {3}, serve_ip[4] = {10, 0, 0, 3};
	static const uint8_t key[9] = {'m', 0, 0, 0, 0, 0, 0, 0, 9};
	static char name[] = "pxe9", address[] = "10.0.0.3:7440";
	uint8_t value[256];
	Pxe__Member member = PXE__MEMBER__INIT;

	member.id = 9;
	member.name = name;
	member.peer_address = address;
	member.public_key = (ProtobufCBinaryData){sizeof public_key, public_key};
	member.serve_ip = (ProtobufCBinaryData){4, serve_ip};
	size_t bytes = pxe__member__pack(&member, value);
	sink->put(sink->ctx, key, sizeof key, value, bytes);
	if (model_load(model, key, sizeof key, value, bytes) != 0) {
		abort();
	}
}

static void begin(struct model *model, const struct model_sink *sink)
{
	static uint8_t cluster_id[16] = {1}, key[32] = {2}, server_ip[4] = {10, 0, 0, 2};
	static char cluster[] = "lab", name[] = "pxe1", address[] = "10.0.0.2:7440";
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	Pxe__Member member = PXE__MEMBER__INIT;

	settings.cluster = cluster;
	settings.cluster_id = (ProtobufCBinaryData){sizeof cluster_id, cluster_id};
	settings.server_ip = (ProtobufCBinaryData){4, server_ip};
	settings.dhcp = PXE__DHCP_MODE__DHCP_ON;
	settings.next_member_id = 2;
	member.id = 1;
	member.name = name;
	member.peer_address = address;
	member.public_key = (ProtobufCBinaryData){sizeof key, key};
	member.serve_ip = (ProtobufCBinaryData){4, server_ip};
	model_bootstrap(model, &settings, &member, START_MS, sink);
}

static void put(struct model *model, const struct model_sink *sink, uint64_t seq, Pxe__Put *object)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	struct model_result result;

	command.origin = 1;
	command.incarnation = 1;
	command.seq = seq;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = object;
	model_apply(model, &command, sink, &result);
	if (result.verdict != PXE__VERDICT__VERDICT_OK) {
		abort();
	}
}

static void furnish(struct model *model, const struct model_sink *sink)
{
	static uint8_t network_ip[4] = {10, 0, 0, 0}, first_ip[4] = {10, 0, 0, 10},
		       last_ip[4] = {10, 0, 0, 14};
	static char name[] = "lab";
	Pxe__Put object = PXE__PUT__INIT;
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	Pxe__Pool pool = PXE__POOL__INIT;

	model_begin(model, START_MS, sink);
	subnet.name = name;
	subnet.network_ip = (ProtobufCBinaryData){4, network_ip};
	subnet.prefix_len = 24;
	object.object_case = PXE__PUT__OBJECT_SUBNET;
	object.subnet = &subnet;
	put(model, sink, 1, &object);
	pool.name = name;
	pool.subnet = name;
	pool.first_ip = (ProtobufCBinaryData){4, first_ip};
	pool.last_ip = (ProtobufCBinaryData){4, last_ip};
	object.object_case = PXE__PUT__OBJECT_POOL;
	object.pool = &pool;
	put(model, sink, 2, &object);
}

/* ---- what must hold */

/* An address is in one block at most, and in none while a lease stands for it. */
static bool expect_whole(void *ctx, const Pxe__Block *block)
{
	const struct model *model = ctx;
	uint32_t first_ip = msg_ip4_get(block->first_ip);
	struct lease lease;

	for (unsigned i = 0; i < 64; i++) {
		if ((block->mask >> i & 1) != 0 &&
			(model_block_of(model, first_ip + i) != block ||
				model_lease_of_ip(model, first_ip + i, &lease))) {
			abort();
		}
	}
	return true;
}

static void expect_same_after_reload(const struct model *model, const struct row *disk)
{
	struct model *reloaded = model_new();
	uint8_t before[32], after[32];

	for (const struct row *row = disk; row != NULL; row = row->next) {
		if (model_load(reloaded, row->bytes, row->key_bytes, row->bytes + row->key_bytes,
			    row->value_bytes) != 0) {
			abort();
		}
	}
	model_digest(model, before);
	model_digest(reloaded, after);
	if (memcmp(before, after, sizeof before) != 0) {
		abort();
	}
	model_free(reloaded);
}

static void apply_all(
	struct model *model, const struct model_sink *sink, Pxe__Batch *batch, bool in_turn)
{
	/* No stamp of a cluster is far off its last one, and lookups by time stay in range. */
	model_begin(model, START_MS + batch->stamp_ms % (UINT64_C(1) << 40), sink);
	for (size_t i = 0; i < batch->n_commands && i < COMMANDS; i++) {
		struct model_result result;
		if (in_turn) {
			batch->commands[i]->origin = 1;
			batch->commands[i]->incarnation = 1;
			batch->commands[i]->seq = 3 + i;
		}
		memset(&result, 0xa5, sizeof result);
		model_apply(model, batch->commands[i], sink, &result);
		if ((unsigned)result.verdict > PXE__VERDICT__VERDICT_STALE ||
			memchr(result.detail, '\0', sizeof result.detail) == NULL) {
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct row *disk = NULL;
	const struct model_sink sink = {.ctx = &disk, .put = disk_put, .remove = disk_remove};
	struct msg_budget budget;
	Pxe__Batch *batch;
	struct model *model;

	if (size == 0) {
		return 0;
	}
	msg_budget_init(&budget, 10000, 1u << 20);
	batch = pxe__batch__unpack(&budget.allocator, size - 1, data + 1);
	if (batch == NULL) {
		return 0;
	}
	model = model_new();
	begin(model, &sink);
	add_member(model, &sink);
	furnish(model, &sink);
	apply_all(model, &sink, batch, (data[0] & 1) == 0);
	model_each_block(model, 0, expect_whole, model);
	expect_same_after_reload(model, disk);
	model_free(model);
	disk_free(disk);
	pxe__batch__free_unpacked(batch, NULL);
	return 0;
}
