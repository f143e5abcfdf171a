#include "node/content/content_config.h"

#include "store/model/record.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct content_snapshot {
	struct model *model;
	uint64_t revision;
	bool is_whole; /* the state has a Clock, whose revision tells it from others */
	unsigned users;
};

struct content_config {
	struct kv *kv;
	pthread_mutex_t load_lock;        /* whoever loads holds it; taken before `lock` */
	pthread_mutex_t lock;             /* of the next, and of the users of every snapshot */
	struct content_snapshot *current; /* a user itself; NULL: none was loaded yet */
	atomic_uint_least64_t loads;
	atomic_uint_least64_t ahead_ms; /* cluster time minus CLOCK_BOOTTIME; 0: never told */
};

static const uint8_t config_kinds[] = {RECORD_CLOCK, RECORD_SETTINGS, RECORD_MEMBER, RECORD_SUBNET,
	RECORD_GROUP, RECORD_PROFILE, RECORD_IMAGE, RECORD_HOST, RECORD_HOST_MAC, RECORD_HOST_UUID,
	RECORD_HOST_IP, RECORD_HOST_CLIENT_ID, RECORD_HOST_CIRCUIT};

struct content_config *content_config_new(struct kv *kv)
{
	struct content_config *config = calloc(1, sizeof *config);

	assert(kv != NULL);
	if (config == NULL || pthread_mutex_init(&config->load_lock, NULL) != 0 ||
		pthread_mutex_init(&config->lock, NULL) != 0) {
		abort();
	}
	config->kv = kv;
	return config;
}

static void snapshot_free(struct content_snapshot *snapshot)
{
	if (snapshot != NULL) {
		model_free(snapshot->model);
		free(snapshot);
	}
}

void content_config_free(struct content_config *config)
{
	if (config == NULL) {
		return;
	}
	assert(config->current == NULL || config->current->users == 1);
	snapshot_free(config->current);
	pthread_mutex_destroy(&config->lock);
	pthread_mutex_destroy(&config->load_lock);
	free(config);
}

/* ---- loading */

static Pxe__Clock *read_clock(struct content_config *config, int *ret_err)
{
	uint8_t key[RECORD_KEY_MAX], *value;
	size_t bytes;
	Pxe__Clock *clock;

	*ret_err = kv_state_get(
		config->kv, key, record_key(RECORD_CLOCK, NULL, 0, key), &value, &bytes);
	if (*ret_err != 0) {
		*ret_err = *ret_err == -ENOENT ? 0 : -EIO;
		return NULL;
	}
	clock = pxe__clock__unpack(NULL, bytes, value);
	free(value);
	return clock;
}

/* The revision of the durable state; `is_whole` is false while there is none. */
static int read_revision(struct content_config *config, uint64_t *ret_revision, bool *ret_is_whole)
{
	int err;
	Pxe__Clock *clock = read_clock(config, &err);

	*ret_is_whole = clock != NULL;
	*ret_revision = clock != NULL ? clock->revision : 0;
	if (clock != NULL) {
		pxe__clock__free_unpacked(clock, NULL);
	}
	return err;
}

static bool load_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct content_snapshot *snapshot = ctx;

	/* What a newer version wrote is not for us. */
	(void)model_load(snapshot->model, key, key_bytes, value, value_bytes);
	snapshot->is_whole = snapshot->is_whole || key[0] == RECORD_CLOCK;
	return true;
}

static struct content_snapshot *load(struct content_config *config)
{
	struct content_snapshot *snapshot = calloc(1, sizeof *snapshot);

	if (snapshot == NULL) {
		abort();
	}
	snapshot->model = model_new();
	if (kv_state_each_kind(
		    config->kv, config_kinds, sizeof config_kinds, load_record, snapshot) != 0) {
		snapshot_free(snapshot);
		return NULL;
	}
	snapshot->revision = model_revision(snapshot->model);
	atomic_fetch_add(&config->loads, 1);
	return snapshot;
}

/* ---- handing out */

/* The current one, if it is as new as `revision`; with one more user. */
static struct content_snapshot *take_current(
	struct content_config *config, uint64_t revision, bool is_whole)
{
	struct content_snapshot *snapshot;

	pthread_mutex_lock(&config->lock);
	snapshot = config->current;
	if (snapshot != NULL &&
		(!is_whole || !snapshot->is_whole || snapshot->revision < revision)) {
		snapshot = NULL;
	}
	if (snapshot != NULL) {
		snapshot->users++;
	}
	pthread_mutex_unlock(&config->lock);
	return snapshot;
}

void content_config_release(struct content_config *config, const struct content_snapshot *released)
{
	/* Handed out as const; only its count of users changes. */
	struct content_snapshot *snapshot = (void *)(uintptr_t)released;
	bool is_last;

	pthread_mutex_lock(&config->lock);
	assert(snapshot->users > 0);
	is_last = --snapshot->users == 0;
	pthread_mutex_unlock(&config->lock);
	if (is_last) {
		snapshot_free(snapshot);
	}
}

static void set_current(struct content_config *config, struct content_snapshot *snapshot)
{
	struct content_snapshot *old;

	pthread_mutex_lock(&config->lock);
	old = config->current;
	config->current = snapshot;
	snapshot->users = 2; /* the place, and who loaded it */
	pthread_mutex_unlock(&config->lock);
	if (old != NULL) {
		content_config_release(config, old);
	}
}

int content_config_acquire(
	struct content_config *config, const struct content_snapshot **ret_snapshot)
{
	struct content_snapshot *snapshot;
	uint64_t revision;
	bool is_whole;
	int err = read_revision(config, &revision, &is_whole);

	if (err != 0) {
		return err;
	}
	snapshot = take_current(config, revision, is_whole);
	if (snapshot == NULL) {
		pthread_mutex_lock(&config->load_lock);
		/* Somebody else may have loaded it meanwhile. */
		snapshot = take_current(config, revision, is_whole);
		if (snapshot == NULL) {
			snapshot = load(config);
			if (snapshot != NULL) {
				set_current(config, snapshot);
			}
		}
		pthread_mutex_unlock(&config->load_lock);
	}
	*ret_snapshot = snapshot;
	return snapshot != NULL ? 0 : -EIO;
}

const struct model *content_snapshot_model(const struct content_snapshot *snapshot)
{
	return snapshot->model;
}

uint64_t content_config_loads(const struct content_config *config)
{
	return atomic_load(&config->loads);
}

/* ---- time */

static uint64_t boottime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void content_config_set_time(struct content_config *config, uint64_t cluster_ms)
{
	atomic_store(&config->ahead_ms, cluster_ms - boottime_ms());
}

uint64_t content_config_now_ms(struct content_config *config)
{
	uint64_t ahead_ms = atomic_load(&config->ahead_ms), stamp_ms = 0;
	Pxe__Clock *clock;
	int err;

	if (ahead_ms != 0) {
		return boottime_ms() + ahead_ms;
	}
	clock = read_clock(config, &err);
	if (clock != NULL) {
		stamp_ms = clock->stamp_ms;
		pxe__clock__free_unpacked(clock, NULL);
	}
	return stamp_ms;
}
