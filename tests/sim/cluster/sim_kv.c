/* tests/sim/cluster/sim_kv.c: store/kv/kv.h on a disk of memory, in simulated time.
 *
 * As the real one: writes are queued in order, sealed by tickets, and made durable by a writer that
 * takes all that is sealed into one transaction; an urgent ticket starts it at once, others wait
 * for company. A transaction ends after the disk's time. The process that dies keeps what was
 * durable; the transaction in flight is there wholly or not at all. Reads see what is durable.
 *
 * kv_config.ctx is the struct sim_node; on_durable gets it. A disk that fails ends the process
 * between two events: on_fatal, which must not return, is not called.
 */
#include "tests/sim/cluster/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINGER_US (50 * SIM_MS)
#define PLENTY    (UINT64_C(1) << 30)
#define SCARCE    (UINT64_C(64) << 10)

enum op_kind {
	OP_APPEND,
	OP_TRUNCATE,
	OP_COMPACT,
	OP_LOG_CLEAR,
	OP_STATE_PUT,
	OP_STATE_REMOVE,
	OP_STATE_CLEAR,
	OP_META_PUT,
	OP_JOURNAL_PUT,
	OP_NOTHING, /* a ticket for what was queued before */
};

struct op {
	enum op_kind kind;
	uint64_t index, term;
	uint32_t type;
	size_t key_bytes, value_bytes;
	uint8_t *bytes; /* key, value */
};

struct kv {
	bool by_hand; /* opened while no process runs: what is written is there at once */
	struct sim_node *node;
	struct sim_disk *disk;
	void (*on_durable)(void *ctx, uint64_t ticket);
	struct op *op; /* oldest first */
	size_t op_count, op_capacity;
	size_t sealed;                /* ops covered by a ticket */
	uint64_t ticket;              /* newest */
	size_t writing;               /* ops of the transaction in flight */
	uint64_t writing_to;          /* its newest ticket; 0: none is in flight */
	bool urgent, linger;          /* a ticket waits for the writer; a timer runs */
	uint64_t log_first, log_last; /* as queued; log_last 0: empty */
	size_t backlog;
};

int kv_open(const struct kv_config *config, struct kv **ret_kv, char *ret_error, size_t error_bytes)
{
	struct kv *kv = calloc(1, sizeof *kv);

	(void)ret_error;
	(void)error_bytes;
	if (kv == NULL)
		abort();
	kv->node = config->ctx;
	kv->by_hand = !kv->node->up;
	kv->disk = &kv->node->disk;
	kv->on_durable = config->on_durable;
	kv_log_range(kv, &kv->log_first, &kv->log_last);
	*ret_kv = kv;
	return 0;
}

/* ---- what is durable */

static void log_drop_tail(struct sim_disk *disk, size_t count)
{
	while (disk->log_count > count)
		free(disk->log[--disk->log_count].payload);
}

static void log_drop_head(struct sim_disk *disk, uint64_t to)
{
	size_t gone = 0;

	while (gone < disk->log_count && disk->log[gone].index <= to)
		free(disk->log[gone++].payload);
	disk->log_count -= gone;
	memmove(disk->log, disk->log + gone, disk->log_count * sizeof *disk->log);
}

static void log_append(struct sim_disk *disk, struct op *op)
{
	if (disk->log_count == disk->log_capacity) {
		disk->log_capacity = disk->log_capacity == 0 ? 256 : disk->log_capacity * 2;
		disk->log = realloc(disk->log, disk->log_capacity * sizeof *disk->log);
		if (disk->log == NULL)
			abort();
	}
	assert(disk->log_count == 0 || disk->log[disk->log_count - 1].index + 1 == op->index);
	disk->log[disk->log_count++] = (struct sim_log_entry){
		.index = op->index,
		.term = op->term,
		.type = op->type,
		.payload = op->bytes,
		.payload_bytes = op->value_bytes,
	};
	op->bytes = NULL;
}

static void log_truncate(struct sim_disk *disk, uint64_t from)
{
	size_t keep = disk->log_count;

	while (keep > 0 && disk->log[keep - 1].index >= from)
		keep--;
	log_drop_tail(disk, keep);
}

void sim_disk_clear(struct sim_disk *disk)
{
	log_drop_tail(disk, 0);
	free(disk->log);
	sim_map_clear(&disk->state);
	sim_map_clear(&disk->meta);
	sim_map_clear(&disk->journal);
	*disk = (struct sim_disk){.log = NULL};
}

static void put(struct sim_map *map, const struct op *op)
{
	sim_map_put(map, op->bytes, op->key_bytes, op->bytes + op->key_bytes, op->value_bytes);
}

static void op_do(struct sim_disk *disk, struct op *op)
{
	switch (op->kind) {
	case OP_APPEND: log_append(disk, op); break;
	case OP_TRUNCATE: log_truncate(disk, op->index); break;
	case OP_COMPACT: log_drop_head(disk, op->index); break;
	case OP_LOG_CLEAR: log_drop_tail(disk, 0); break;
	case OP_STATE_PUT: put(&disk->state, op); break;
	case OP_STATE_REMOVE: sim_map_remove(&disk->state, op->bytes, op->key_bytes); break;
	case OP_STATE_CLEAR: sim_map_clear(&disk->state); break;
	case OP_META_PUT: put(&disk->meta, op); break;
	case OP_JOURNAL_PUT:
		if (op->value_bytes > 0)
			put(&disk->journal, op);
		else
			sim_map_remove(&disk->journal, op->bytes, op->key_bytes);
		break;
	case OP_NOTHING: break;
	}
}

static void ops_do(struct kv *kv, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		kv->backlog -= kv->op[i].key_bytes + kv->op[i].value_bytes;
		op_do(kv->disk, &kv->op[i]);
		free(kv->op[i].bytes);
	}
	kv->op_count -= count;
	memmove(kv->op, kv->op + count, kv->op_count * sizeof *kv->op);
	kv->sealed -= count < kv->sealed ? count : kv->sealed;
}

/* ---- the writer */

static void write_start(struct kv *kv)
{
	struct sim_node *node = kv->node;
	struct sim *sim = node->sim;

	if (kv->writing_to != 0 || kv->sealed == 0 || !node->up)
		return;
	uint64_t takes_us = node->disk_us / 2 + sim_random(sim, node->disk_us) + kv->backlog / 200;
	if (!sim->calm_links && sim_chance(sim, 3))
		takes_us += sim_random(sim, 200 * SIM_MS);
	kv->writing = kv->sealed;
	kv->writing_to = kv->ticket;
	kv->urgent = false;
	sim_post(sim, takes_us,
		&(struct sim_event){
			.kind = SIM_EVENT_DISK, .node = (uint16_t)node->at, .life = node->life});
}

void sim_kv_on_sync(struct kv *kv)
{
	uint64_t ticket = kv->writing_to;

	if (kv->node->disk_fail) {
		kv->node->disk_fail = false;
		sim_node_crash(kv->node, false, 500 * SIM_MS + sim_random(kv->node->sim, 3 * SIM_S),
			"the disk failed");
		return;
	}
	assert(ticket != 0);
	ops_do(kv, kv->writing);
	kv->writing = 0;
	kv->writing_to = 0;
	kv->on_durable(kv->node, ticket);
	if (kv->urgent)
		write_start(kv);
}

void sim_kv_on_linger(struct kv *kv)
{
	kv->linger = false;
	if (kv->writing_to != 0)
		kv->urgent = true;
	else
		write_start(kv);
}

static void kv_free(struct kv *kv)
{
	for (size_t i = 0; i < kv->op_count; i++)
		free(kv->op[i].bytes);
	free(kv->op);
	free(kv);
}

void sim_kv_crash(struct kv *kv)
{
	if (kv->writing_to != 0 && sim_chance(kv->node->sim, 500))
		ops_do(kv, kv->writing);
	kv->writing = 0;
	kv->writing_to = 0;
}

void sim_kv_free(struct kv *kv)
{
	kv_free(kv);
}

void kv_close(struct kv *kv)
{
	ops_do(kv, kv->op_count);
	kv_free(kv);
}

/* ---- queueing */

static struct op *op_add(struct kv *kv, enum op_kind kind, const void *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes)
{
	if (kv->op_count == kv->op_capacity) {
		kv->op_capacity = kv->op_capacity == 0 ? 64 : kv->op_capacity * 2;
		kv->op = realloc(kv->op, kv->op_capacity * sizeof *kv->op);
		if (kv->op == NULL)
			abort();
	}
	struct op *op = &kv->op[kv->op_count++];
	*op = (struct op){.kind = kind, .key_bytes = key_bytes, .value_bytes = value_bytes};
	op->bytes = malloc(key_bytes + value_bytes + 1);
	if (op->bytes == NULL)
		abort();
	if (key_bytes > 0)
		memcpy(op->bytes, key, key_bytes);
	if (value_bytes > 0)
		memcpy(op->bytes + key_bytes, value, value_bytes);
	kv->backlog += key_bytes + value_bytes;
	return op;
}

void kv_log_append(struct kv *kv, uint64_t index, uint64_t term, uint32_t type,
	const uint8_t *payload, size_t bytes)
{
	assert(index > 0 && (kv->log_last == 0 || index == kv->log_last + 1));
	struct op *op = op_add(kv, OP_APPEND, NULL, 0, payload, bytes);
	op->index = index;
	op->term = term;
	op->type = type;
	if (kv->log_last == 0)
		kv->log_first = index;
	kv->log_last = index;
}

void kv_log_truncate(struct kv *kv, uint64_t from)
{
	assert(from > 0);
	if (kv->log_last == 0 || from > kv->log_last)
		return;
	op_add(kv, OP_TRUNCATE, NULL, 0, NULL, 0)->index = from;
	kv->log_last = from <= kv->log_first ? 0 : from - 1;
}

void kv_log_compact(struct kv *kv, uint64_t to)
{
	if (kv->log_last == 0 || to < kv->log_first)
		return;
	op_add(kv, OP_COMPACT, NULL, 0, NULL, 0)->index = to;
	if (to >= kv->log_last)
		kv->log_last = 0;
	else
		kv->log_first = to + 1;
}

void kv_log_clear(struct kv *kv)
{
	op_add(kv, OP_LOG_CLEAR, NULL, 0, NULL, 0);
	kv->log_last = 0;
}

void kv_state_put(struct kv *kv, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes)
{
	assert(key_bytes > 0 && key_bytes <= 511);
	op_add(kv, OP_STATE_PUT, key, key_bytes, value, value_bytes);
}

void kv_state_remove(struct kv *kv, const uint8_t *key, size_t key_bytes)
{
	op_add(kv, OP_STATE_REMOVE, key, key_bytes, NULL, 0);
}

void kv_state_clear(struct kv *kv)
{
	op_add(kv, OP_STATE_CLEAR, NULL, 0, NULL, 0);
}

void kv_meta_put(struct kv *kv, const char *name, const uint8_t *value, size_t bytes)
{
	op_add(kv, OP_META_PUT, name, strlen(name), value, bytes);
}

void kv_journal_put(struct kv *kv, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes)
{
	assert(key_bytes > 0 && key_bytes <= 511);
	op_add(kv, OP_JOURNAL_PUT, key, key_bytes, value, value_bytes);
}

uint64_t kv_submit(struct kv *kv, bool urgent)
{
	struct sim *sim = kv->node->sim;

	kv->ticket++;
	if (kv->op_count == kv->sealed)
		op_add(kv, OP_NOTHING, NULL, 0, NULL, 0);
	kv->sealed = kv->op_count;
	if (kv->by_hand) {
		ops_do(kv, kv->op_count);
		return kv->ticket;
	}
	if (urgent) {
		kv->urgent = true;
		write_start(kv);
	} else if (!kv->linger) {
		kv->linger = true;
		sim_post(sim, LINGER_US,
			&(struct sim_event){.kind = SIM_EVENT_LINGER,
				.node = (uint16_t)kv->node->at,
				.life = kv->node->life});
	}
	return kv->ticket;
}

size_t kv_backlog_bytes(const struct kv *kv)
{
	return kv->backlog;
}

uint64_t kv_room_bytes(const struct kv *kv)
{
	return kv->node->disk_short ? SCARCE : PLENTY;
}

bool kv_is_short(const struct kv *kv)
{
	return kv->node->disk_short;
}

/* ---- reading */

int kv_log_get(struct kv *kv, uint64_t index, struct kv_entry *ret_entry)
{
	const struct sim_disk *disk = kv->disk;

	if (disk->log_count == 0 || index < disk->log[0].index ||
		index > disk->log[disk->log_count - 1].index)
		return -ENOENT;
	const struct sim_log_entry *entry = &disk->log[index - disk->log[0].index];
	*ret_entry = (struct kv_entry){.index = index,
		.term = entry->term,
		.type = entry->type,
		.payload = malloc(entry->payload_bytes + 1),
		.payload_bytes = entry->payload_bytes};
	if (ret_entry->payload == NULL)
		abort();
	memcpy(ret_entry->payload, entry->payload, entry->payload_bytes);
	return 0;
}

void kv_entry_fini(struct kv_entry *entry)
{
	free(entry->payload);
	entry->payload = NULL;
	entry->payload_bytes = 0;
}

void kv_log_range(struct kv *kv, uint64_t *ret_first, uint64_t *ret_last)
{
	const struct sim_disk *disk = kv->disk;

	*ret_first = disk->log_count == 0 ? 0 : disk->log[0].index;
	*ret_last = disk->log_count == 0 ? 0 : disk->log[disk->log_count - 1].index;
}

int kv_meta_get(struct kv *kv, const char *name, uint8_t *ret_value, size_t max, size_t *ret_bytes)
{
	const struct sim_record *record =
		sim_map_get(&kv->disk->meta, (const uint8_t *)name, strlen(name));

	if (record == NULL)
		return -ENOENT;
	if (record->value_bytes > max)
		return -EMSGSIZE;
	memcpy(ret_value, record->byte + record->key_bytes, record->value_bytes);
	*ret_bytes = record->value_bytes;
	return 0;
}

typedef bool visit_cb(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes);

static int map_each(const struct sim_map *map, const uint8_t *prefix, size_t prefix_bytes,
	visit_cb *visit, void *ctx)
{
	for (size_t i = sim_map_find(map, prefix, prefix_bytes); i < map->count; i++) {
		const struct sim_record *record = map->record[i];

		if (record->key_bytes < prefix_bytes ||
			memcmp(record->byte, prefix, prefix_bytes) != 0 ||
			!visit(ctx, record->byte, record->key_bytes,
				record->byte + record->key_bytes, record->value_bytes))
			break;
	}
	return 0;
}

int kv_state_each(struct kv *kv, visit_cb *visit, void *ctx)
{
	return map_each(&kv->disk->state, (const uint8_t *)"", 0, visit, ctx);
}

int kv_journal_each(struct kv *kv, visit_cb *visit, void *ctx)
{
	return map_each(&kv->disk->journal, (const uint8_t *)"", 0, visit, ctx);
}

int kv_state_each_prefix(
	struct kv *kv, const uint8_t *prefix, size_t prefix_bytes, visit_cb *visit, void *ctx)
{
	return map_each(&kv->disk->state, prefix, prefix_bytes, visit, ctx);
}

int kv_state_get(
	struct kv *kv, const uint8_t *key, size_t key_bytes, uint8_t **ret_value, size_t *ret_bytes)
{
	const struct sim_record *record = sim_map_get(&kv->disk->state, key, key_bytes);

	if (record == NULL)
		return -ENOENT;
	*ret_value = malloc(record->value_bytes + 1);
	if (*ret_value == NULL)
		abort();
	memcpy(*ret_value, record->byte + record->key_bytes, record->value_bytes);
	*ret_bytes = record->value_bytes;
	return 0;
}

int kv_snapshot_each(struct kv *kv, const char *name, uint8_t *ret_meta, size_t meta_max,
	size_t *ret_meta_bytes, visit_cb *visit, void *ctx)
{
	int status = kv_meta_get(kv, name, ret_meta, meta_max, ret_meta_bytes);

	return status != 0 ? status : kv_state_each(kv, visit, ctx);
}
