/* store/replica/replica_offline.c: see replica_offline.h.
 *
 * The whole change is made in memory first, on a model without a disk; only what came out well is
 * written, as one unit: all records, the log's two new entries, and the facts beside them. A crash
 * leaves the old state or the new.
 *
 *   recover: ... last | CONF {self} | DATA {Recover}, in a term of its own; all of it applied
 *   restore: the state at index 1, which is in no log: as a new cluster begins
 */
#include "store/replica/replica_offline.h"
#include "store/model/record.h"
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

__attribute__((format(printf, 4, 5))) static int offline_error(
	char *ret_error, size_t error_bytes, int status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(ret_error, error_bytes, format, args);
	va_end(args);
	return status;
}

/* ---- a replica that never runs */

static uint64_t offline_zero(void *ctx)
{
	(void)ctx;
	return 0;
}

static bool offline_false(void *ctx)
{
	(void)ctx;
	return false;
}

static const struct replica_env offline_env = {.now_boot_ms = offline_zero,
	.now_wall_ms = offline_zero,
	.wall_synchronised = offline_false,
	.random = offline_zero};

static void offline_on_put(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	(void)ctx, (void)key, (void)key_bytes, (void)value, (void)value_bytes;
}

static void offline_on_remove(void *ctx, const uint8_t *key, size_t key_bytes)
{
	(void)ctx, (void)key, (void)key_bytes;
}

static const struct model_sink offline_sink = {.put = offline_on_put, .remove = offline_on_remove};

static int offline_load(
	struct kv *kv, struct replica **ret_replica, char *ret_error, size_t error_bytes)
{
	struct replica_config config = {
		.env = &offline_env, .kv = kv, .self = replica_disk_get_u64(kv, "self")};
	if (config.self == 0)
		return offline_error(ret_error, error_bytes, -ENOENT,
			"the data directory holds no state: make a cluster or join one first");
	struct replica *r = replica_make(&config);
	int status = replica_boot_load(r, ret_error, error_bytes);
	if (status == 0 && r->applied.index == 0)
		status = offline_error(ret_error, error_bytes, -ENOENT,
			"this node has joined, and has got no state yet: join it anew");
	if (status != 0) {
		replica_unmake(r);
		return status;
	}
	r->applied.sink = offline_sink;
	*ret_replica = r;
	return 0;
}

static bool offline_is_alone(const struct replica *r)
{
	const struct raft_conf *conf = raft_conf_in_force(&r->raft, NULL);
	unsigned others = 0;
	for (unsigned i = 0; i < conf->count; i++)
		others += conf->member[i].voter && conf->member[i].id != r->config.self;
	return others == 0;
}

int replica_offline_info(
	struct kv *kv, struct replica_offline_info *ret_info, char *ret_error, size_t error_bytes)
{
	const Pxe__Member *member[MODEL_MEMBERS_MAX];
	struct replica *r;
	assert(kv != NULL && ret_info != NULL && ret_error != NULL);
	int status = offline_load(kv, &r, ret_error, error_bytes);
	if (status != 0)
		return status;
	const Pxe__Settings *settings = model_settings(r->model);
	const Pxe__Member *self = model_member(r->model, r->config.self);
	struct replica_offline_info info = {
		.self = r->config.self,
		.epoch = model_epoch(r->model),
		.term = r->raft.term,
		.last = r->raft.last,
		.applied = r->applied.index,
		.stamp_ms = cluster_time_now(&r->time, 0), /* the newest in state and log */
		.lease_count = model_lease_count(r->model),
		.alone = offline_is_alone(r),
	};
	snprintf(
		info.cluster, sizeof info.cluster, "%s", settings == NULL ? "" : settings->cluster);
	snprintf(info.name, sizeof info.name, "%s", self == NULL ? "" : self->name);
	size_t count = model_members(r->model, member, MODEL_MEMBERS_MAX);
	for (size_t i = 0; i < count; i++) {
		struct replica_offline_member *at = &info.member[info.member_count++];
		at->id = member[i]->id;
		snprintf(at->name, sizeof at->name, "%s", member[i]->name);
		at->witness = member[i]->role == PXE__MEMBER_ROLE__MEMBER_WITNESS;
		at->voter = raft_conf_is_voter(raft_conf_in_force(&r->raft, NULL), at->id);
	}
	replica_unmake(r);
	*ret_info = info;
	return 0;
}

/* ---- the command */

struct offline_recovery {
	Pxe__Batch batch;
	Pxe__Command command, *commands[1];
	Pxe__Recover recover;
};

/* Apply Recover to the model. The batch is what a log may hold. 0 or -EINVAL. */
static int offline_apply(struct model *model, struct offline_recovery *recovery, uint64_t self,
	uint64_t wall_ms, uint32_t unknown_s, bool drop_blocks, char *ret_error, size_t error_bytes)
{
	uint64_t stamp_ms = model_stamp_ms(model), incarnation = recovery->command.incarnation;
	pxe__batch__init(&recovery->batch);
	pxe__command__init(&recovery->command);
	recovery->command.incarnation = incarnation;
	pxe__recover__init(&recovery->recover);
	recovery->recover.survivor = self;
	recovery->recover.epoch = model_epoch(model) + 1;
	recovery->recover.drop_blocks = drop_blocks;
	recovery->recover.unknown_s = unknown_s;
	recovery->command.origin = self;
	recovery->command.seq = 1;
	recovery->command.op_case = PXE__COMMAND__OP_RECOVER;
	recovery->command.recover = &recovery->recover;
	recovery->commands[0] = &recovery->command;
	recovery->batch.stamp_ms = wall_ms > stamp_ms ? wall_ms : stamp_ms;
	recovery->batch.commands = recovery->commands;
	recovery->batch.n_commands = 1;
	struct model_result *result = replica_alloc(sizeof *result);
	model_begin(model, recovery->batch.stamp_ms, &offline_sink);
	model_apply(model, &recovery->command, &offline_sink, result);
	int status = 0;
	if (result->verdict != PXE__VERDICT__VERDICT_OK)
		status = offline_error(ret_error, error_bytes, -EINVAL, "refused (verdict %d): %s",
			(int)result->verdict, result->detail);
	free(result);
	return status;
}

/* ---- writing */

static void offline_write_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	kv_state_put(ctx, key, key_bytes, value, value_bytes);
}

static void offline_write_state(struct kv *kv, const struct model *model)
{
	const struct model_sink visitor = {
		.ctx = kv, .put = offline_write_record, .remove = offline_on_remove};
	kv_state_clear(kv);
	model_each_record(model, &visitor);
}

/* Seal it, and wait until it is on stable storage; the disk's writer needs no loop for that. */
static void offline_sync(struct kv *kv)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	(void)kv_submit(kv, true);
	while (kv_backlog_bytes(kv) > 0)
		nanosleep(&nap, NULL);
}

/* Cluster time may have lagged the clocks, or the clock have been set since: the lower of the two,
 * so that no lease ends early. */
static uint64_t offline_time_ms(struct replica *r, uint64_t wall_ms)
{
	replica_clock_boot(r);
	uint64_t followed_ms = replica_clock_follow_ms(r, wall_ms);
	return followed_ms != 0 && followed_ms < wall_ms ? followed_ms : wall_ms;
}

static void offline_write_recovery(
	struct replica *r, struct kv *kv, const struct offline_recovery *recovery, uint64_t wall_ms)
{
	struct replica_conf_at conf = {.index = r->raft.last + 1,
		.conf = {.count = 1, .member = {{.id = r->config.self, .voter = true}}}};
	uint64_t term = r->raft.term + 1, index = conf.index + 1;
	uint8_t digest[DIGEST_BYTES], *bytes;
	size_t count;
	replica_conf_pack(&conf.conf, &bytes, &count);
	kv_log_append(kv, conf.index, term, RAFT_CONF, bytes, count);
	free(bytes);
	count = pxe__batch__get_packed_size(&recovery->batch);
	bytes = replica_alloc(count);
	pxe__batch__pack(&recovery->batch, bytes);
	kv_log_append(kv, index, term, RAFT_DATA, bytes, count);
	free(bytes);
	offline_write_state(kv, r->model);
	model_digest(r->model, digest);
	/* Its vote in this term is its own: nobody else ever led in it. */
	replica_disk_put_vote(kv, term, r->config.self);
	replica_disk_put_u64(kv, "incarnation", recovery->command.incarnation);
	replica_disk_put_facts(kv, index, term, &conf, digest);
	replica_clock_put_fact(kv, recovery->batch.stamp_ms, wall_ms, false);
	offline_sync(kv);
}

int replica_offline_recover(
	struct kv *kv, uint64_t wall_ms, uint32_t unknown_s, char *ret_error, size_t error_bytes)
{
	struct offline_recovery recovery = {0};
	struct replica *r;
	assert(kv != NULL && ret_error != NULL);
	int status = offline_load(kv, &r, ret_error, error_bytes);
	if (status != 0)
		return status;
	if (offline_is_alone(r))
		status = offline_error(ret_error, error_bytes, -EALREADY,
			"this node needs no other to lead: it is the only one that votes; start "
			"it");
	while (status == 0 && r->applied.index < r->raft.last) {
		if (!replica_apply_next(r))
			status = offline_error(ret_error, error_bytes, -EBADMSG,
				"log entry %llu is missing",
				(unsigned long long)r->applied.index + 1);
	}
	if (status == 0 && model_member(r->model, r->config.self) == NULL)
		status = offline_error(ret_error, error_bytes, -EINVAL,
			"this node was removed from the cluster: recover another one, or restore a "
			"backup");
	recovery.command.incarnation = replica_disk_get_u64(kv, "incarnation") + 1;
	if (status == 0)
		status = offline_apply(r->model, &recovery, r->config.self,
			offline_time_ms(r, wall_ms), unknown_s, false, ret_error, error_bytes);
	if (status == 0)
		offline_write_recovery(r, kv, &recovery, wall_ms);
	replica_unmake(r);
	return status;
}

/* ---- restore */

static bool offline_is_empty(struct kv *kv)
{
	uint64_t first, last;
	kv_log_range(kv, &first, &last);
	return last == 0 && replica_disk_get_u64(kv, "self") == 0;
}

/* Of the settings as saved: with a next id above self's. NULL: there are none, or unreadable. */
static Pxe__Settings *offline_find_settings(
	const struct replica_offline_record *record, size_t record_count)
{
	for (size_t i = 0; i < record_count; i++) {
		if (record[i].key_bytes == 1 && record[i].key[0] == RECORD_SETTINGS)
			return pxe__settings__unpack(NULL, record[i].value_bytes, record[i].value);
	}
	return NULL;
}

static int offline_load_one(
	struct model *model, enum record_kind kind, uint64_t id, const ProtobufCMessage *message)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t key_bytes = id == 0 ? record_key(kind, NULL, 0, key) : record_key_u64(kind, id, key);
	size_t count = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = replica_alloc(count);
	protobuf_c_message_pack(message, bytes);
	int status = model_load(model, key, key_bytes, bytes, count);
	free(bytes);
	return status;
}

/* All but the members and what only they could refer to; then the settings and self. */
static int offline_load_backup(struct model *model, const struct replica_offline_record *record,
	size_t record_count, Pxe__Settings *settings, const Pxe__Member *self)
{
	for (size_t i = 0; i < record_count; i++) {
		if (record[i].key_bytes == 0)
			return -EBADMSG;
		uint8_t kind = record[i].key[0];
		if (kind == RECORD_MEMBER || kind == RECORD_WINDOW || kind == RECORD_SETTINGS)
			continue;
		if (model_load(model, record[i].key, record[i].key_bytes, record[i].value,
			    record[i].value_bytes) != 0)
			return -EBADMSG;
	}
	if (settings->next_member_id <= self->id)
		settings->next_member_id = self->id + 1;
	if (offline_load_one(model, RECORD_SETTINGS, 0, &settings->base) != 0)
		return -EBADMSG;
	return offline_load_one(model, RECORD_MEMBER, self->id, &self->base) != 0 ? -EINVAL : 0;
}

static void offline_write_restored(
	struct kv *kv, const struct model *model, uint64_t self, uint64_t wall_ms)
{
	struct replica_conf_at conf = {
		.index = 1, .conf = {.count = 1, .member = {{.id = self, .voter = true}}}};
	uint8_t digest[DIGEST_BYTES];
	model_digest(model, digest);
	offline_write_state(kv, model);
	replica_disk_put_facts(kv, 1, 1, &conf, digest);
	replica_disk_put_base(kv, 1, 1, &conf);
	replica_disk_put_u64(kv, "self", self);
	replica_disk_put_u64(kv, "incarnation", 1);
	replica_clock_put_fact(kv, model_stamp_ms(model), wall_ms, false);
	offline_sync(kv);
}

int replica_offline_restore(struct kv *kv, const struct replica_offline_record *record,
	size_t record_count, const Pxe__Member *self, uint64_t wall_ms, uint32_t unknown_s,
	uint64_t *ret_self, char *ret_error, size_t error_bytes)
{
	struct offline_recovery recovery = {.command.incarnation = 1};
	assert(kv != NULL && (record != NULL || record_count == 0) && self != NULL &&
		ret_self != NULL && ret_error != NULL);
	if (!offline_is_empty(kv))
		return offline_error(ret_error, error_bytes, -EEXIST,
			"the data directory already holds a state: restore into an empty one");
	Pxe__Settings *settings = offline_find_settings(record, record_count);
	if (settings == NULL)
		return offline_error(ret_error, error_bytes, -EBADMSG,
			"the backup holds no settings that can be read: it is damaged");
	struct model *model = model_new();
	if (model == NULL)
		abort();
	Pxe__Member own = *self;
	uint64_t next_id = settings->next_member_id == 0 ? 1 : settings->next_member_id;
	own.id = self->id == 0 ? next_id : self->id;
	int status = 0;
	if (own.id < next_id)
		status = offline_error(ret_error, error_bytes, -EINVAL,
			"member id %llu was used before: the next one is %llu",
			(unsigned long long)own.id, (unsigned long long)next_id);
	if (status == 0)
		status = offline_load_backup(model, record, record_count, settings, &own);
	if (status == -EBADMSG)
		(void)offline_error(ret_error, error_bytes, status,
			"a record of the backup cannot be read: damaged, or written by a newer "
			"version");
	else if (status != 0 && own.id >= next_id)
		(void)offline_error(
			ret_error, error_bytes, status, "this node's own record is unfit");
	if (status == 0)
		status = offline_apply(
			model, &recovery, own.id, wall_ms, unknown_s, true, ret_error, error_bytes);
	if (status == 0) {
		offline_write_restored(kv, model, own.id, wall_ms);
		*ret_self = own.id;
	}
	pxe__settings__free_unpacked(settings, NULL);
	model_free(model);
	return status;
}
