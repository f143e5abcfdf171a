/* store/replica/replica_boot.c: the first start, and every other one: durable state -> model and
 * core.
 *
 * The durable state is the snapshot: nothing is replayed. The log's entries are shown to the core,
 * which wants their terms and configurations; those after the applied index wait there until a
 * leader says what is committed. A new cluster's state stands at index 1, which is in no log:
 * whoever joins gets it as a snapshot.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 5))) static int boot_error(
	char *ret_error, size_t error_bytes, int status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(ret_error, error_bytes, format, args);
	va_end(args);
	return status;
}

static void boot_put_u64(struct replica *r, const char *name, uint64_t value)
{
	replica_disk_put_u64(r->kv, name, value);
	r->tickets.queued = true;
}

static uint64_t boot_read_u64(const uint8_t *bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

/* ---- first start */

static void boot_new_cluster(struct replica *r, const struct replica_bootstrap *bootstrap)
{
	const struct replica_env *env = r->config.env;
	struct raft_conf conf = {.count = 1, .member = {{.id = r->config.self, .voter = true}}};
	uint8_t digest[DIGEST_BYTES];
	model_bootstrap(r->model, bootstrap->settings, bootstrap->self, env->now_wall_ms(env->ctx),
		&r->applied.sink);
	r->applied.index = r->applied.term = 1;
	r->applied.stamp_ms = model_stamp_ms(r->model);
	r->applied.record_bytes = 0;
	replica_apply_conf(r, 1, &conf);
	model_digest(r->model, digest);
	replica_disk_applied(r, digest);
	replica_disk_base(r, 1, 1, &r->applied.conf[0]);
}

static int boot_keep_seed(struct replica *r, const Pxe__Member *member)
{
	uint8_t bytes[2048];
	char name[24];
	if (pxe__member__get_packed_size(member) > sizeof bytes ||
		r->seed_count == MODEL_MEMBERS_MAX)
		return -EINVAL;
	size_t count = pxe__member__pack(member, bytes);
	snprintf(name, sizeof name, "seed%u", r->seed_count);
	kv_meta_put(r->kv, name, bytes, count);
	r->tickets.queued = true;
	r->seed[r->seed_count] = pxe__member__unpack(NULL, count, bytes);
	assert(r->seed[r->seed_count] != NULL);
	r->seed_count++;
	return 0;
}

static int boot_first(struct replica *r, const struct replica_bootstrap *bootstrap, char *ret_error,
	size_t error_bytes)
{
	if (bootstrap == NULL)
		return boot_error(ret_error, error_bytes, -ENOENT,
			"the data directory holds no state: make a cluster or join one first");
	if (bootstrap->settings != NULL) {
		boot_new_cluster(r, bootstrap);
	} else if (bootstrap->seed_count == 0) {
		return boot_error(ret_error, error_bytes, -EINVAL,
			"joining needs at least one member's address");
	}
	for (size_t i = 0; bootstrap->settings == NULL && i < bootstrap->seed_count; i++) {
		if (boot_keep_seed(r, bootstrap->seed[i]) != 0)
			return boot_error(ret_error, error_bytes, -EINVAL,
				"the join reply names an unfit member");
	}
	if (bootstrap->settings == NULL) {
		r->seed_epoch = bootstrap->epoch;
		boot_put_u64(r, "epoch", bootstrap->epoch);
	}
	boot_put_u64(r, "self", r->config.self);
	return 0;
}

/* ---- restart */

static void boot_read_seeds(struct replica *r)
{
	uint8_t bytes[2048];
	char name[24];
	size_t count;
	r->seed_epoch = replica_disk_get_u64(r->kv, "epoch");
	for (unsigned i = 0; i < MODEL_MEMBERS_MAX; i++) {
		snprintf(name, sizeof name, "seed%u", i);
		if (kv_meta_get(r->kv, name, bytes, sizeof bytes, &count) != 0)
			return;
		r->seed[r->seed_count] = pxe__member__unpack(NULL, count, bytes);
		if (r->seed[r->seed_count] != NULL)
			r->seed_count++;
	}
}

/* 0, -ENOENT, -EBADMSG. */
static int boot_read_fact(struct replica *r, const char *name, uint64_t *ret_index,
	uint64_t *ret_term, struct replica_conf_at *ret_conf)
{
	uint8_t bytes[REPLICA_APPLIED_BYTES_MAX];
	size_t count;
	int status = kv_meta_get(r->kv, name, bytes, sizeof bytes, &count);
	if (status != 0)
		return status;
	Pxe__SnapshotChunk *fact = pxe__snapshot_chunk__unpack(NULL, count, bytes);
	if (fact == NULL)
		return -EBADMSG;
	*ret_index = fact->index;
	*ret_term = fact->index_term;
	ret_conf->index = fact->conf_index;
	bool sound = replica_conf_unpack(fact->conf, &ret_conf->conf) && fact->index > 0 &&
		     fact->index_term > 0;
	pxe__snapshot_chunk__free_unpacked(fact, NULL);
	return sound ? 0 : -EBADMSG;
}

struct boot_load {
	struct model *model;
	unsigned unread;
};

static bool boot_load_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct boot_load *load = ctx;
	load->unread += model_load(load->model, key, key_bytes, value, value_bytes) != 0;
	return true;
}

/* LMDB has no checksums: a page that the disk changed is found here. True without a stored digest,
 * which a state of an earlier version has not. */
static bool boot_digest_fits(struct replica *r)
{
	uint8_t stored[REPLICA_DIGEST_FACT_BYTES], digest[DIGEST_BYTES];
	size_t count;
	int status = kv_meta_get(r->kv, "digest", stored, sizeof stored, &count);
	if (status == -ENOENT)
		return true;
	model_digest(r->model, digest);
	return status == 0 && count == sizeof stored && boot_read_u64(stored) == r->applied.index &&
	       memcmp(stored + 8, digest, sizeof digest) == 0;
}

static int boot_load_state(struct replica *r, char *ret_error, size_t error_bytes)
{
	struct boot_load load = {.model = r->model};
	struct replica_conf_at conf;
	int status = boot_read_fact(r, "applied", &r->applied.index, &r->applied.term, &conf);
	if (status == -ENOENT)
		return 0; /* it joined and has got no state yet */
	if (status != 0)
		return boot_error(ret_error, error_bytes, -EBADMSG,
			"the index of the stored state is damaged");
	status = kv_state_each(r->kv, boot_load_record, &load);
	if (status != 0 || load.unread > 0)
		return boot_error(ret_error, error_bytes, -EBADMSG,
			"%u stored records cannot be read: damaged, or written by a newer version",
			load.unread);
	if (!boot_digest_fits(r))
		return boot_error(ret_error, error_bytes, -EBADMSG,
			"the stored state is damaged: its records are not those that were written");
	r->applied.stamp_ms = model_stamp_ms(r->model);
	return 0;
}

/* One entry for the core. */
static int boot_restore_entry(struct replica *r, uint64_t index)
{
	struct kv_entry entry;
	struct raft_conf conf;
	if (kv_log_get(r->kv, index, &entry) != 0)
		return -EBADMSG;
	struct raft_entry known = {.term = entry.term, .type = (enum raft_entry_type)entry.type};
	int status =
		entry.term == 0 || entry.term > r->raft.term || r->raft.run_count == RAFT_RUNS_MAX
			? -EBADMSG
			: 0;
	if (entry.type == RAFT_CONF) {
		Pxe__Configuration *message =
			pxe__configuration__unpack(NULL, entry.payload_bytes, entry.payload);
		if (!replica_conf_unpack(message, &conf))
			status = -EBADMSG;
		pxe__configuration__free_unpacked(message, NULL);
		known.conf = &conf;
		if (status == 0 && index <= r->applied.index)
			replica_apply_conf(r, index, &conf);
	} else if (entry.type == RAFT_DATA) {
		cluster_time_raise(
			&r->time, replica_batch_stamp_ms(entry.payload, entry.payload_bytes));
	}
	kv_entry_fini(&entry);
	if (status == 0)
		raft_restore_entry(&r->raft, &known);
	return status;
}

static int boot_restore_log(struct replica *r, char *ret_error, size_t error_bytes)
{
	uint8_t vote[16] = {0};
	size_t count;
	uint64_t base = 0, base_term = 0, first, last;
	struct replica_conf_at conf = {0};
	if (kv_meta_get(r->kv, "vote", vote, sizeof vote, &count) == 0 && count != sizeof vote)
		return boot_error(ret_error, error_bytes, -EBADMSG, "the stored vote is damaged");
	int status = boot_read_fact(r, "base", &base, &base_term, &conf);
	if (status != 0 && status != -ENOENT)
		return boot_error(ret_error, error_bytes, -EBADMSG, "the log's base is damaged");
	uint64_t term = boot_read_u64(vote) > base_term ? boot_read_u64(vote) : base_term;
	bool known = status == 0;
	raft_restore(&r->raft, term, term == boot_read_u64(vote) ? boot_read_u64(vote + 8) : 0,
		base, base_term, conf.index, known ? &conf.conf : NULL);
	if (known)
		replica_apply_conf(r, conf.index, &conf.conf);
	kv_log_range(r->kv, &first, &last);
	if (last > base && first > base + 1)
		return boot_error(ret_error, error_bytes, -EBADMSG,
			"the log begins at %llu, after a gap: the state ends at %llu",
			(unsigned long long)first, (unsigned long long)base);
	for (uint64_t index = base + 1; index <= last; index++) {
		if (boot_restore_entry(r, index) != 0)
			return boot_error(ret_error, error_bytes, -EBADMSG,
				"log entry %llu is damaged", (unsigned long long)index);
	}
	if (r->applied.index < base || r->applied.index > r->raft.last)
		return boot_error(ret_error, error_bytes, -EBADMSG,
			"state (%llu) and log (%llu to %llu) do not fit together",
			(unsigned long long)r->applied.index, (unsigned long long)base,
			(unsigned long long)r->raft.last);
	r->tickets.applied = r->applied.index;
	r->tickets.stamp_ms = r->applied.stamp_ms;
	return 0;
}

/* A new cluster's facts are only queued by now; the core gets them from memory. */
static void boot_restore_new(struct replica *r, bool joined)
{
	if (joined)
		raft_restore(&r->raft, 0, 0, 0, 0, 0, NULL);
	else
		raft_restore(&r->raft, 1, 0, 1, 1, 1, &r->applied.conf[0].conf);
}

/* Larger than at any start before: counts, and jumps with the clock, should this be a restored
 * disk. */
static void boot_incarnation(struct replica *r)
{
	const struct replica_env *env = r->config.env;
	uint64_t next = replica_disk_get_u64(r->kv, "incarnation") + 1,
		 wall_ms = env->now_wall_ms(env->ctx);
	r->proposals.incarnation = next > wall_ms ? next : wall_ms;
	boot_put_u64(r, "incarnation", r->proposals.incarnation);
	r->proposals.incarnation_ticket = replica_disk_submit(r, true);
	r->hold_ticket = r->proposals.incarnation_ticket;
}

int replica_boot_load(struct replica *r, char *ret_error, size_t error_bytes)
{
	int status = boot_load_state(r, ret_error, error_bytes);
	if (status != 0)
		return status;
	boot_read_seeds(r);
	cluster_time_init(&r->time, model_stamp_ms(r->model), r->now_ms);
	status = boot_restore_log(r, ret_error, error_bytes);
	if (status == 0)
		raft_start(&r->raft, r->applied.index);
	return status;
}

int replica_boot(struct replica *r, const struct replica_bootstrap *bootstrap, char *ret_error,
	size_t error_bytes)
{
	uint64_t self = replica_disk_get_u64(r->kv, "self");
	int status;
	if (self != 0 && self != r->config.self)
		return boot_error(ret_error, error_bytes, -EINVAL,
			"the data directory belongs to member %llu, this node is member %llu",
			(unsigned long long)self, (unsigned long long)r->config.self);
	if (self == 0) {
		status = boot_first(r, bootstrap, ret_error, error_bytes);
		if (status != 0)
			return status;
		boot_restore_new(r, bootstrap->settings == NULL);
		cluster_time_init(&r->time, model_stamp_ms(r->model), r->now_ms);
		raft_start(&r->raft, r->applied.index);
	} else {
		status = replica_boot_load(r, ret_error, error_bytes);
		if (status != 0)
			return status;
	}
	replica_clock_boot(r);
	boot_incarnation(r);
	return 0;
}
