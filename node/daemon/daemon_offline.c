#include "node/daemon/daemon_offline.h"

#include "proto/cred/node_conf.h"
#include "proto/msg/backup.h"
#include "store/kv/kv.h"
#include "store/model/record.h"
#include "store/replica/replica_offline.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define OFFLINE_CHUNK_BYTES (256u << 10)
#define OFFLINE_MCLT_S      600u /* where the settings say nothing */

uint32_t daemon_offline_unknown_s(
	uint32_t longest_lease_s, uint32_t mclt_s, uint64_t known_ms, uint64_t now_ms)
{
	uint64_t all_s = (uint64_t)longest_lease_s + mclt_s;
	uint64_t passed_s = now_ms > known_ms ? (now_ms - known_ms) / 1000 : 0;
	uint64_t left_s = passed_s < all_s ? all_s - passed_s : 0;

	left_s = left_s < mclt_s ? mclt_s : left_s;
	return left_s > UINT32_MAX ? UINT32_MAX : (uint32_t)left_s;
}

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the longest lease that the settings and subnets allow */

struct longest {
	uint32_t lease_s, mclt_s;
};

static void raise_to(uint32_t *seconds, uint32_t value)
{
	*seconds = value > *seconds ? value : *seconds;
}

static void look_at_record(struct longest *longest, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t bytes)
{
	if (key_bytes == 1 && key[0] == RECORD_SETTINGS) {
		Pxe__Settings *settings = pxe__settings__unpack(NULL, bytes, value);
		if (settings != NULL) {
			raise_to(&longest->lease_s, settings->lease_s);
			longest->mclt_s = settings->mclt_s;
			pxe__settings__free_unpacked(settings, NULL);
		}
	} else if (key_bytes > 1 && key[0] == RECORD_SUBNET) {
		Pxe__Subnet *subnet = pxe__subnet__unpack(NULL, bytes, value);
		if (subnet != NULL) {
			raise_to(&longest->lease_s, subnet->lease_s);
			raise_to(&longest->lease_s, subnet->lease_max_s);
			pxe__subnet__free_unpacked(subnet, NULL);
		}
	}
}

/* ---- this node's disk */

struct offline {
	struct node_conf conf;
	uv_loop_t loop;
	struct kv *kv;
	struct longest longest;
	struct replica_offline_info info;
	char *address[MODEL_MEMBERS_MAX]; /* of info.member, heap */
};

static void on_durable(void *ctx, uint64_t ticket)
{
	(void)ctx;
	(void)ticket;
}

static void on_fatal(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "pxed: %s\n", text);
	_exit(EXIT_FAILURE);
}

/* Files that we make are to be the daemon's, not root's. */
static int become_owner(const char *directory, char *ret_error, size_t error_bytes)
{
	struct stat info;

	if (geteuid() != 0 || stat(directory, &info) != 0 || info.st_uid == 0) {
		return 0;
	}
	if (setgroups(0, NULL) != 0 || setgid(info.st_gid) != 0 || setuid(info.st_uid) != 0) {
		snprintf(ret_error, error_bytes, "cannot become the owner of %s: %s", directory,
			strerror(errno));
		return -errno;
	}
	return 0;
}

static int open_disk(struct offline *offline, char *ret_error, size_t error_bytes)
{
	char path[NODE_CONF_PATH_BYTES + 16];
	struct kv_config config = {.loop = &offline->loop,
		.directory = path,
		.on_durable = on_durable,
		.on_fatal = on_fatal};
	int result = become_owner(offline->conf.data_dir, ret_error, error_bytes);

	if (result != 0) {
		return result;
	}
	snprintf(path, sizeof path, "%s/state.mdb", offline->conf.data_dir);
	uv_loop_init(&offline->loop);
	result = kv_open(&config, &offline->kv, ret_error, error_bytes);
	if (result != 0) {
		uv_loop_close(&offline->loop);
	}
	return result;
}

static void close_disk(struct offline *offline)
{
	kv_close(offline->kv);
	offline->kv = NULL;
	uv_run(&offline->loop, UV_RUN_DEFAULT);
	uv_loop_close(&offline->loop);
	for (unsigned i = 0; i < MODEL_MEMBERS_MAX; i++) {
		free(offline->address[i]);
	}
}

static bool look_at_stored(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct offline *offline = ctx;
	Pxe__Member *member;

	look_at_record(&offline->longest, key, key_bytes, value, value_bytes);
	if (key_bytes == 0 || key[0] != RECORD_MEMBER) {
		return true;
	}
	member = pxe__member__unpack(NULL, value_bytes, value);
	for (unsigned i = 0; member != NULL && i < offline->info.member_count; i++) {
		if (offline->info.member[i].id == member->id && offline->address[i] == NULL) {
			offline->address[i] = strdup(member->peer_address);
		}
	}
	if (member != NULL) {
		pxe__member__free_unpacked(member, NULL);
	}
	return true;
}

/* Member records' addresses and the longest lease, beside what the replica tells. */
static int read_info(struct offline *offline, char *ret_error, size_t error_bytes)
{
	int result = replica_offline_info(offline->kv, &offline->info, ret_error, error_bytes);

	if (result == 0) {
		result = kv_state_each(offline->kv, look_at_stored, offline);
		if (result != 0) {
			snprintf(ret_error, error_bytes, "the state cannot be read: %s",
				strerror(-result));
		}
	}
	if (offline->longest.mclt_s == 0) {
		offline->longest.mclt_s = OFFLINE_MCLT_S;
	}
	return result;
}

static uint32_t unknown_s(const struct offline *offline, uint64_t known_ms)
{
	return daemon_offline_unknown_s(
		offline->longest.lease_s, offline->longest.mclt_s, known_ms, wall_ms());
}

static void print_info(const struct offline *offline, uint32_t unknown, FILE *out)
{
	const struct replica_offline_info *info = &offline->info;

	fprintf(out,
		"cluster %s\nnode %s\nself %" PRIu64 "\nepoch %" PRIu64 "\napplied %" PRIu64
		"\nlast %" PRIu64 "\nstamp_ms %" PRIu64 "\nleases %zu\nunknown_s %" PRIu32 "\n",
		info->cluster, info->name[0] != '\0' ? info->name : offline->conf.name, info->self,
		info->epoch, info->applied, info->last, info->stamp_ms, info->lease_count, unknown);
	for (unsigned i = 0; i < info->member_count; i++) {
		const struct replica_offline_member *member = &info->member[i];
		fprintf(out, "member %" PRIu64 " %s %s %s\n", member->id, member->name,
			member->witness ? "witness"
			: member->voter ? "voter"
					: "standby",
			offline->address[i] != NULL && offline->address[i][0] != '\0'
				? offline->address[i]
				: "-");
	}
}

/* ---- info and recover */

static int open_node(
	const char *directory, struct offline *offline, char *ret_error, size_t error_bytes)
{
	int result;

	memset(offline, 0, sizeof *offline);
	result = node_conf_load(directory, &offline->conf, ret_error, error_bytes);
	return result != 0 ? result : open_disk(offline, ret_error, error_bytes);
}

int daemon_offline_info(const char *directory, FILE *out, char *ret_error, size_t error_bytes)
{
	struct offline offline;
	int result = open_node(directory, &offline, ret_error, error_bytes);

	if (result != 0) {
		return result;
	}
	result = read_info(&offline, ret_error, error_bytes);
	if (result == 0) {
		print_info(&offline, unknown_s(&offline, offline.info.stamp_ms), out);
	}
	close_disk(&offline);
	return result;
}

int daemon_offline_recover(const char *directory, FILE *out, char *ret_error, size_t error_bytes)
{
	struct offline offline;
	uint32_t unknown = 0;
	int result = open_node(directory, &offline, ret_error, error_bytes);

	if (result != 0) {
		return result;
	}
	result = read_info(&offline, ret_error, error_bytes);
	if (result == 0) {
		unknown = unknown_s(&offline, offline.info.stamp_ms);
		result = replica_offline_recover(
			offline.kv, wall_ms(), unknown, ret_error, error_bytes);
	}
	if (result == 0) {
		result = replica_offline_info(offline.kv, &offline.info, ret_error, error_bytes);
	}
	if (result == 0) {
		print_info(&offline, unknown, out);
	}
	close_disk(&offline);
	return result;
}

/* ---- restore */

struct restoring {
	struct longest longest;
	const Pxe__Settings *settings; /* take the place of the backup's */
	struct replica_offline_record *record;
	size_t count, capacity;
	uint64_t created_ms;
	bool failed; /* no memory */
};

static uint8_t *copy_of(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes + 1);

	if (copy != NULL && bytes > 0) {
		memcpy(copy, data, bytes);
	}
	return copy;
}

static bool on_header(void *ctx, const Pxe__BackupHeader *header)
{
	((struct restoring *)ctx)->created_ms = header->created_ms;
	return true;
}

static bool grow(struct restoring *restoring)
{
	size_t capacity = restoring->capacity == 0 ? 1024 : restoring->capacity * 2;
	void *record;

	if (restoring->count < restoring->capacity) {
		return true;
	}
	record = realloc(restoring->record, capacity * sizeof *restoring->record);
	if (record == NULL) {
		return false;
	}
	restoring->record = record;
	restoring->capacity = capacity;
	return true;
}

static bool keep_record(struct restoring *restoring, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes)
{
	struct replica_offline_record record = {.key_bytes = key_bytes, .value_bytes = value_bytes};

	record.key = copy_of(key, key_bytes);
	record.value = copy_of(value, value_bytes);
	if (record.key == NULL || record.value == NULL || !grow(restoring)) {
		free((void *)(uintptr_t)record.key);
		free((void *)(uintptr_t)record.value);
		restoring->failed = true;
		return false;
	}
	restoring->record[restoring->count++] = record;
	return true;
}

static bool on_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct restoring *restoring = ctx;
	uint8_t *packed;
	bool kept;

	look_at_record(&restoring->longest, key, key_bytes, value, value_bytes);
	if (key_bytes != 1 || key[0] != RECORD_SETTINGS) {
		return keep_record(restoring, key, key_bytes, value, value_bytes);
	}
	packed = malloc(pxe__settings__get_packed_size(restoring->settings) + 1);
	kept = packed != NULL && keep_record(restoring, key, key_bytes, packed,
					 pxe__settings__pack(restoring->settings, packed));
	restoring->failed = restoring->failed || packed == NULL;
	free(packed);
	return kept;
}

static int read_backup(
	struct restoring *restoring, FILE *input, char *ret_error, size_t error_bytes)
{
	struct backup_reader reader = {
		.ctx = restoring, .on_header = on_header, .on_record = on_record};
	uint8_t *chunk = malloc(OFFLINE_CHUNK_BYTES);
	size_t got = 1;
	int result = chunk == NULL ? -ENOMEM : 0;

	backup_read_begin(&reader);
	while (result == 0 && got > 0) {
		got = fread(chunk, 1, OFFLINE_CHUNK_BYTES, input);
		result = backup_read(&reader, chunk, got);
	}
	free(chunk);
	if (backup_read_end(&reader) != 0) {
		snprintf(ret_error, error_bytes, "the backup is no use: %s", reader.error);
		return -EBADMSG;
	}
	if (result != 0 || restoring->failed || ferror(input)) {
		snprintf(ret_error, error_bytes, "the backup cannot be read: %s",
			ferror(input) ? strerror(EIO) : strerror(ENOMEM));
		return -EIO;
	}
	return 0;
}

static void free_records(struct restoring *restoring)
{
	for (size_t i = 0; i < restoring->count; i++) {
		free((void *)(uintptr_t)restoring->record[i].key);
		free((void *)(uintptr_t)restoring->record[i].value);
	}
	free(restoring->record);
}

static int restore_into(struct offline *offline, struct restoring *restoring,
	const Pxe__Member *self, FILE *out, char *ret_error, size_t error_bytes)
{
	uint64_t id = 0;
	uint32_t unknown;
	int result;

	offline->longest = restoring->longest;
	if (offline->longest.mclt_s == 0) {
		offline->longest.mclt_s = OFFLINE_MCLT_S;
	}
	unknown = unknown_s(offline, restoring->created_ms);
	result = replica_offline_restore(offline->kv, restoring->record, restoring->count, self,
		wall_ms(), unknown, &id, ret_error, error_bytes);
	if (result == 0 && id != self->id) {
		snprintf(ret_error, error_bytes,
			"the backup's next member is %" PRIu64 ", not %" PRIu64, id, self->id);
		result = -EINVAL;
	}
	if (result == 0) {
		result = replica_offline_info(offline->kv, &offline->info, ret_error, error_bytes);
	}
	if (result == 0) {
		print_info(offline, unknown, out);
	}
	return result;
}

static int load_start(
	const char *directory, struct node_start *ret_start, char *ret_error, size_t error_bytes)
{
	int result = node_start_load(directory, ret_start, ret_error, error_bytes);

	if (result == 0 && ret_start->kind != NODE_START_RESTORE) {
		node_start_fini(ret_start);
		snprintf(ret_error, error_bytes,
			"%s/%s does not name a node to restore: use pxectl backup restore",
			directory, NODE_START_FILE);
		result = -EINVAL;
	}
	return result;
}

int daemon_offline_restore(
	const char *directory, FILE *input, FILE *out, char *ret_error, size_t error_bytes)
{
	struct restoring restoring = {.count = 0};
	struct offline offline;
	struct node_start start;
	int result = load_start(directory, &start, ret_error, error_bytes);

	if (result != 0) {
		return result;
	}
	restoring.settings = start.settings;
	result = read_backup(&restoring, input, ret_error, error_bytes);
	if (result == 0) {
		result = open_node(directory, &offline, ret_error, error_bytes);
	}
	if (result == 0) {
		result =
			restore_into(&offline, &restoring, start.self, out, ret_error, error_bytes);
		close_disk(&offline);
	}
	if (result == 0) {
		result = node_start_done(directory);
		if (result != 0) {
			snprintf(ret_error, error_bytes, "cannot rename %s/%s: %s", directory,
				NODE_START_FILE, strerror(-result));
		}
	}
	free_records(&restoring);
	node_start_fini(&start);
	return result;
}
