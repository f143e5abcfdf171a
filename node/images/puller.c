/* The puller's decisions. Each tick walks the versions in the state (there are at most a few per
 * image), drops what is gone, and moves each version one step on; work is handed to puller_work.c
 * and comes back through an after_x function.
 *
 *   LOOK -> LOOKING -> COMPLETE                 all blobs are here: tell the cluster, once
 *             |           ^
 *             v           | (look again)
 *          FETCHING ------+                     a failed round waits before it looks again
 */
#include "node/images/puller.h"

#include "node/images/plan.h"
#include "node/images/puller_impl.h"
#include "node/log/log.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"
#include "store/model/record.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PULLER_TICK_MS    500
#define PULLER_WAKE_MS    50
#define PULLER_COLLECT_MS (10 * 60 * 1000)
/* Disks forget: all blobs are read again, slowly. */
#define PULLER_VERIFY_AGAIN_MS     (UINT64_C(7) * 24 * 3600 * 1000)
#define PULLER_VERIFY_GENTLY_BYTES (UINT64_C(64) << 20) /* per tick */

static void puller_step(struct image_puller *puller);
static void on_tick(uv_timer_t *timer);

void puller_unreference(struct image_puller *puller)
{
	assert(puller->references > 0);
	if (--puller->references > 0) {
		return;
	}
	for (size_t i = 0; i < puller->version_count; i++) {
		puller_blobs_fini(&puller->versions[i]->missing);
		free(puller->versions[i]);
	}
	free(puller->versions);
	blob_store_close(puller->config.blobs);
	puller_blobs_fini(&puller->verify);
	puller_blobs_fini(&puller->candidates);
	free(puller);
}

static const struct model *model_of(const struct image_puller *puller)
{
	return puller->config.cluster.model(puller->config.cluster.ctx);
}

static void tell(const struct image_puller *puller, Pxe__EventKind kind, const char *image,
	const uint8_t digest[32], uint64_t bytes)
{
	struct event event = {.kind = kind, .bytes = bytes};
	char digits[65];

	text_hex_format(digest, 32, digits, sizeof digits);
	snprintf(event.text, sizeof event.text, "%s@%.12s", image, digits);
	if (puller->config.cluster.on_event != NULL) {
		puller->config.cluster.on_event(puller->config.cluster.ctx, &event);
	}
}

/* ---- who is there */

static bool is_in(uint64_t id, const uint64_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ids[i] == id) {
			return true;
		}
	}
	return false;
}

static size_t peers_of(const struct image_puller *puller, const Pxe__ImageVersion *version,
	struct plan_peer peers[MODEL_MEMBERS_MAX])
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count = model_members(model_of(puller), members, MODEL_MEMBERS_MAX);

	for (size_t i = 0; i < count; i++) {
		const Pxe__Member *member = members[i];
		peers[i] = (struct plan_peer){
			.id = member->id,
			.ip = msg_ip4_get(member->serve_ip),
			.port = (uint16_t)(member->http_port <= UINT16_MAX ? member->http_port : 0),
			.live = puller->config.cluster.is_live(
				puller->config.cluster.ctx, member->id),
			.full = member->role == PXE__MEMBER_ROLE__MEMBER_FULL && !member->removing,
			.holds = is_in(member->id, version->holders, version->n_holders),
		};
	}
	return count;
}

/* A witness, a node that is leaving, and one that the state does not know yet fetch nothing. */
static bool serves(const struct image_puller *puller)
{
	const Pxe__Member *self = model_member(model_of(puller), puller->config.cluster.self);

	return self != NULL && self->role == PXE__MEMBER_ROLE__MEMBER_FULL && !self->removing;
}

static struct puller_version *version_of(
	const struct image_puller *puller, const char *image, const uint8_t digest[32])
{
	for (size_t i = 0; i < puller->version_count; i++) {
		if (memcmp(puller->versions[i]->digest, digest, 32) == 0 &&
			strcmp(puller->versions[i]->image, image) == 0) {
			return puller->versions[i];
		}
	}
	return NULL;
}

static void look_again(struct puller_version *version)
{
	if (version->state == PULLER_COMPLETE) {
		version->state = PULLER_LOOK;
	} else {
		version->look_again = true;
	}
}

void puller_wake(struct image_puller *puller)
{
	uv_timer_start(&puller->tick, on_tick, PULLER_WAKE_MS, 0);
}

void puller_look_again(struct image_puller *puller)
{
	for (size_t i = 0; i < puller->version_count; i++) {
		look_again(puller->versions[i]);
	}
	puller_wake(puller);
}

/* ---- telling the cluster */

struct puller_proposal {
	struct image_puller *puller;
	char image[MODEL_NAME_MAX + 1];
	uint8_t digest[32];
	bool held; /* else: publish, or lost */
};

static void proposal_done(
	void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct puller_proposal *proposal = ctx;
	struct image_puller *puller = proposal->puller;
	struct puller_version *version = version_of(puller, proposal->image, proposal->digest);

	if (version != NULL) {
		version->proposing = false;
	}
	if (!puller->closing && outcome == REPLICA_APPLIED) {
		if (result->verdict == PXE__VERDICT__VERDICT_OK && proposal->held) {
			tell(puller, PXE__EVENT_KIND__EVENT_IMAGE_HELD, proposal->image,
				proposal->digest, 0);
		} else if (result->verdict != PXE__VERDICT__VERDICT_OK &&
			   result->verdict != PXE__VERDICT__VERDICT_DUPLICATE) {
			log_debug("image %s: %s", proposal->image, result->detail);
		}
	}
	free(proposal);
	puller_unreference(puller);
}

static void propose(struct image_puller *puller, struct puller_version *version,
	Pxe__Command *command, bool held)
{
	struct puller_proposal *proposal = calloc(1, sizeof *proposal);

	if (proposal == NULL) {
		abort();
	}
	proposal->puller = puller;
	proposal->held = held;
	memcpy(proposal->image, version->image, sizeof proposal->image);
	memcpy(proposal->digest, version->digest, 32);
	version->proposing = true;
	puller->references++;
	if (puller->config.cluster.propose(puller->config.cluster.ctx, command, 0, proposal_done,
		    proposal) != REPLICA_APPLIED) {
		version->proposing = false; /* no quorum now: the next tick tries again */
		free(proposal);
		puller_unreference(puller);
	}
}

static void propose_held(struct image_puller *puller, struct puller_version *version, bool lost)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageHeld held = PXE__IMAGE_HELD__INIT;

	held.image = version->image;
	held.digest.data = version->digest;
	held.digest.len = 32;
	held.member = puller->config.cluster.self;
	held.lost = lost;
	command.op_case = PXE__COMMAND__OP_IMAGE_HELD;
	command.image_held = &held;
	propose(puller, version, &command, !lost);
}

static void propose_publish(struct image_puller *puller, struct puller_version *version)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImagePublish publish = PXE__IMAGE_PUBLISH__INIT;

	publish.image = version->image;
	publish.digest.data = version->digest;
	publish.digest.len = 32;
	command.op_case = PXE__COMMAND__OP_IMAGE_PUBLISH;
	command.image_publish = &publish;
	propose(puller, version, &command, false);
}

/* ---- looking and fetching */

static void after_look(uv_work_t *request, int status)
{
	struct puller_work *work = request->data;
	struct image_puller *puller = work->puller;
	struct puller_version *version = version_of(puller, work->image, work->digest);

	puller->looking--;
	if (version != NULL && version->number == work->number &&
		version->state == PULLER_LOOKING && status == 0) {
		puller_blobs_fini(&version->missing);
		version->missing = work->found;
		memset(&work->found, 0, sizeof work->found);
		version->next = 0;
		version->failed = false;
		version->state = version->missing.count > 0 ? PULLER_FETCHING : PULLER_COMPLETE;
		if (version->state == PULLER_COMPLETE) {
			version->failures = 0;
		}
		if (version->state == PULLER_COMPLETE && version->look_again) {
			version->look_again = false;
			version->state = PULLER_LOOK;
		}
	}
	puller_work_free(work);
	puller_step(puller);
	puller_unreference(puller);
}

static void start_look(struct image_puller *puller, struct puller_version *version,
	const Pxe__ImageVersion *record)
{
	struct puller_work *work = puller_work_new(puller, PULLER_WORK_LOOK);

	memcpy(work->image, version->image, sizeof work->image);
	memcpy(work->digest, version->digest, 32);
	for (size_t i = 0; i < record->n_files; i++) {
		if (record->files[i]->sha256.len == 32) {
			puller_blobs_add(&work->blobs, record->files[i]->sha256.data,
				record->files[i]->bytes);
		}
	}
	work->number = version->number;
	version->state = PULLER_LOOKING;
	version->look_again = false;
	puller->looking++;
	puller_work_start(puller, work, after_look);
}

/* The round is over when nothing is left to start and nothing is under way. */
static void end_round(struct puller_version *version)
{
	if (version->state != PULLER_FETCHING || version->in_flight > 0 ||
		version->next < version->missing.count) {
		return;
	}
	version->state = PULLER_LOOK;
	version->next_ms = 0;
	if (version->failed) {
		version->failures++;
		version->next_ms = puller_now_ms() + plan_backoff_ms(version->failures);
	}
}

static void after_fetch(uv_work_t *request, int status)
{
	struct puller_work *work = request->data;
	struct image_puller *puller = work->puller;
	struct puller_version *version = version_of(puller, work->image, work->digest);
	char digits[65];

	puller->fetching--;
	puller->stats.fetched_bytes += work->received;
	if (status == 0 && work->result == 0) {
		puller->stats.fetched += work->received > 0;
	} else if (!puller->closing) {
		puller->stats.failed++;
		text_hex_format(work->blob.sha256, 32, digits, sizeof digits);
		/* -EBUSY: another image's round fetches the same file just now. */
		if (work->result != -EBUSY) {
			log_warn("image %s: cannot fetch %.12s (%" PRIu64 " bytes): %s",
				work->image, digits, work->blob.bytes, work->error);
		}
	}
	if (version != NULL && version->number == work->number) {
		version->in_flight--;
		version->failed = version->failed || work->result != 0;
		if (work->result == -ENOSPC && !puller->closing) {
			puller_room_on_full(puller, version);
		}
		end_round(version);
	}
	puller_work_free(work);
	puller_step(puller);
	puller_unreference(puller);
}

static void start_fetches(struct image_puller *puller, struct puller_version *version,
	const Pxe__ImageVersion *record)
{
	struct plan_peer peers[MODEL_MEMBERS_MAX];
	size_t count = peers_of(puller, record, peers);

	while (puller->fetching < PULLER_FETCHES_MAX && version->next < version->missing.count) {
		struct puller_work *work = puller_work_new(puller, PULLER_WORK_FETCH);
		memcpy(work->image, version->image, sizeof work->image);
		memcpy(work->digest, version->digest, 32);
		work->number = version->number;
		work->blob = version->missing.at[version->next++];
		work->source_count = plan_sources(peers, count, puller->config.cluster.self,
			work->blob.sha256, work->sources, PULLER_SOURCES_MAX);
		version->in_flight++;
		puller->fetching++;
		puller_work_start(puller, work, after_fetch);
	}
}

/* ---- one step of every version */

static void step_version(struct image_puller *puller, struct puller_version *version,
	const Pxe__ImageVersion *record)
{
	uint64_t self = puller->config.cluster.self;

	switch (version->state) {
	case PULLER_LOOK:
		if (puller->looking == 0 && puller_now_ms() >= version->next_ms) {
			start_look(puller, version, record);
		}
		break;
	case PULLER_LOOKING: break;
	case PULLER_FETCHING:
		/* Nobody is to count on what a damaged disk took from us. */
		if (!version->proposing && is_in(self, record->holders, record->n_holders)) {
			propose_held(puller, version, true);
		}
		start_fetches(puller, version, record);
		break;
	case PULLER_COMPLETE:
		if (!version->proposing && !is_in(self, record->holders, record->n_holders)) {
			propose_held(puller, version, false);
		}
		break;
	}
}

/* The leader publishes what a majority holds when those that lack it are dead. */
static void step_publish(struct image_puller *puller, struct puller_version *version,
	const Pxe__ImageVersion *record)
{
	struct image_cluster *cluster = &puller->config.cluster;
	const Pxe__Image *image = model_image(model_of(puller), record->image);
	struct plan_peer peers[MODEL_MEMBERS_MAX];

	if (record->published || version->proposing || image == NULL ||
		!cluster->is_leader(cluster->ctx) || image->staged_digest.len != 32 ||
		memcmp(image->staged_digest.data, version->digest, 32) != 0) {
		return;
	}
	if (plan_may_publish(peers, peers_of(puller, record, peers))) {
		propose_publish(puller, version);
	}
}

struct walk {
	const Pxe__ImageVersion **records;
	size_t count, room, file_count;
};

static bool walk_version(void *ctx, const void *object)
{
	struct walk *walk = ctx;
	const Pxe__ImageVersion *record = object;

	if (record->digest.len != 32 || strlen(record->image) > MODEL_NAME_MAX) {
		return true;
	}
	if (walk->count == walk->room) {
		walk->room = walk->room * 2 + 16;
		walk->records =
			realloc(walk->records, walk->room * sizeof(const Pxe__ImageVersion *));
		if (walk->records == NULL) {
			abort();
		}
	}
	walk->records[walk->count++] = record;
	walk->file_count += record->n_files;
	return true;
}

static struct puller_version *add_version(
	struct image_puller *puller, const Pxe__ImageVersion *record)
{
	struct puller_version *version = calloc(1, sizeof *version);

	if (puller->version_count == puller->version_room) {
		puller->version_room = puller->version_room * 2 + 16;
		puller->versions = realloc(
			puller->versions, puller->version_room * sizeof(struct puller_version *));
	}
	if (version == NULL || puller->versions == NULL) {
		abort();
	}
	snprintf(version->image, sizeof version->image, "%s", record->image);
	memcpy(version->digest, record->digest.data, 32);
	version->number = ++puller->newest_number;
	puller->versions[puller->version_count++] = version;
	return version;
}

static void refer(struct image_puller *puller, const struct walk *walk)
{
	uint8_t(*sha256)[32] = malloc((walk->file_count + 1) * 32);
	size_t count = 0;

	if (sha256 == NULL) {
		abort();
	}
	for (size_t i = 0; i < walk->count; i++) {
		for (size_t k = 0; k < walk->records[i]->n_files; k++) {
			const Pxe__ImageFile *file = walk->records[i]->files[k];
			if (file->sha256.len == 32) {
				memcpy(sha256[count++], file->sha256.data, 32);
			}
		}
	}
	image_guard_refer(puller->config.guard, (const uint8_t(*)[32])sha256, count);
	free(sha256);
}

/* Our list follows the state's. That a version is published is told by whoever leads, so that
 * watchers hear it once; what was published before this node started is no news. */
static void sync_versions(struct image_puller *puller, const struct walk *walk)
{
	const struct image_cluster *cluster = &puller->config.cluster;
	size_t kept = 0;

	for (size_t i = 0; i < puller->version_count; i++) {
		puller->versions[i]->seen = false;
	}
	for (size_t i = 0; i < walk->count; i++) {
		const Pxe__ImageVersion *record = walk->records[i];
		struct puller_version *version =
			version_of(puller, record->image, record->digest.data);
		if (version == NULL) {
			version = add_version(puller, record);
			version->published = record->published && !puller->walked;
		}
		if (record->published && !version->published && cluster->is_leader(cluster->ctx)) {
			tell(puller, PXE__EVENT_KIND__EVENT_IMAGE_PUBLISHED, record->image,
				version->digest, record->bytes);
		}
		version->published = record->published;
		version->seen = true;
	}
	puller->walked = true;
	for (size_t i = 0; i < puller->version_count; i++) {
		struct puller_version *version = puller->versions[i];
		if (version->seen) {
			puller->versions[kept++] = version;
		} else {
			puller_blobs_fini(&version->missing);
			free(version);
		}
	}
	puller->version_count = kept;
}

static void puller_step(struct image_puller *puller)
{
	struct walk walk = {0};

	if (puller->closing) {
		return;
	}
	model_each(model_of(puller), PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, walk_version, &walk);
	if (puller->woken) {
		refer(puller, &walk);
		puller->woken = false;
	}
	sync_versions(puller, &walk);
	puller->stats.versions = (unsigned)walk.count;
	puller->stats.held = 0;
	for (size_t i = 0; i < walk.count; i++) {
		struct puller_version *version =
			version_of(puller, walk.records[i]->image, walk.records[i]->digest.data);
		if (serves(puller)) {
			step_version(puller, version, walk.records[i]);
		}
		step_publish(puller, version, walk.records[i]);
		puller->stats.held += version->state == PULLER_COMPLETE;
	}
	free(walk.records);
	puller_room_step(puller);
}

/* ---- reading all blobs, after the start and once a week */

static void after_verify(uv_work_t *request, int status)
{
	struct puller_work *work = request->data;
	struct image_puller *puller = work->puller;
	char digits[65];

	(void)status;
	puller->verifying = false;
	for (size_t i = 0; i < work->found.count && !puller->closing; i++) {
		text_hex_format(work->found.at[i].sha256, 32, digits, sizeof digits);
		log_warn("blob %.12s was damaged on this disk: set aside, fetching it again",
			digits);
		puller->stats.damaged++;
	}
	for (size_t i = 0; work->found.count > 0 && i < puller->version_count; i++) {
		look_again(puller->versions[i]);
	}
	puller_work_free(work);
	puller_unreference(puller);
}

static void start_verify(struct image_puller *puller)
{
	struct puller_work *work;
	uint64_t bytes = 0, part;

	if (puller->verify_next == puller->verify.count) {
		puller_blobs_fini(&puller->verify);
		puller->verify_next = 0;
		puller->verified_once = true;
		puller->verify_listed = false;
		puller->verify_next_ms =
			puller_now_ms() + (puller->config.verify_after_ms > 0
							  ? puller->config.verify_after_ms
							  : PULLER_VERIFY_AGAIN_MS);
		return;
	}
	work = puller_work_new(puller, PULLER_WORK_VERIFY);
	work->gently = puller->verified_once;
	part = work->gently ? PULLER_VERIFY_GENTLY_BYTES : PULLER_VERIFY_BYTES;
	while (puller->verify_next < puller->verify.count && bytes < part) {
		const struct puller_blob *blob = &puller->verify.at[puller->verify_next++];
		puller_blobs_add(&work->blobs, blob->sha256, blob->bytes);
		bytes += blob->bytes;
	}
	puller->verifying = true;
	puller_work_start(puller, work, after_verify);
}

static void after_list(uv_work_t *request, int status)
{
	struct puller_work *work = request->data;
	struct image_puller *puller = work->puller;

	(void)status;
	puller->verifying = false;
	puller->verify = work->blobs;
	memset(&work->blobs, 0, sizeof work->blobs);
	puller_work_free(work);
	puller_unreference(puller);
}

/* What could not be sent is read before anything else. False: nothing was. */
static bool start_suspects(struct image_puller *puller)
{
	uint8_t sha256[BLOB_SUSPECTS_MAX][32];
	size_t count = blob_take_suspects(puller->config.blobs, sha256);
	struct puller_work *work;

	if (count == 0) {
		return false;
	}
	work = puller_work_new(puller, PULLER_WORK_VERIFY);
	for (size_t i = 0; i < count; i++) {
		puller_blobs_add(&work->blobs, sha256[i], 0);
	}
	puller->verifying = true;
	puller_work_start(puller, work, after_verify);
	return true;
}

static void step_verify(struct image_puller *puller)
{
	if (!puller->closing && !puller->verifying && start_suspects(puller)) {
		return;
	}
	if (puller->verifying || puller_now_ms() < puller->verify_next_ms) {
		return;
	}
	if (!puller->verify_listed) {
		puller->verify_listed = puller->verifying = true;
		puller_work_start(puller, puller_work_new(puller, PULLER_WORK_LIST), after_list);
	} else {
		start_verify(puller);
	}
}

/* ---- removing what nobody names */

static void after_collect(uv_work_t *request, int status)
{
	struct puller_work *work = request->data;
	struct image_puller *puller = work->puller;

	(void)status;
	puller->collecting = false;
	puller->stats.removed += work->removed;
	if (work->removed > 0) {
		log_info("removed %u files that no image names any more", work->removed);
	}
	puller_blobs_fini(&puller->candidates);
	puller->candidates = work->found;
	memset(&work->found, 0, sizeof work->found);
	puller_work_free(work);
	puller_unreference(puller);
}

static void step_collect(struct image_puller *puller)
{
	uint64_t every_ms = puller->config.remove_after_ms > 0 ? puller->config.remove_after_ms
							       : PULLER_COLLECT_MS;
	struct puller_work *work;

	/* A node whose state is still to come names nothing, and must not conclude anything from
	 * that. */
	if (puller->collecting || model_settings(model_of(puller)) == NULL ||
		puller_now_ms() < puller->collect_ms + every_ms) {
		return;
	}
	puller->collect_ms = puller_now_ms();
	puller->woken = true;
	for (size_t i = 0; i < puller->version_count; i++) {
		look_again(puller->versions[i]);
	}
	puller_step(puller);
	work = puller_work_new(puller, PULLER_WORK_COLLECT);
	work->blobs = puller->candidates;
	memset(&puller->candidates, 0, sizeof puller->candidates);
	puller->collecting = true;
	puller_work_start(puller, work, after_collect);
}

/* ---- the edge */

static void on_tick(uv_timer_t *timer)
{
	struct image_puller *puller = timer->data;

	puller_step(puller);
	step_verify(puller);
	step_collect(puller);
	puller_check_step(puller);
	uv_timer_start(timer, on_tick, PULLER_TICK_MS, 0);
}

int image_puller_open(const struct image_puller_config *config, struct image_puller **ret_puller)
{
	struct image_puller *puller;

	assert(config != NULL && config->loop != NULL && config->blobs != NULL &&
		config->guard != NULL && config->relays != NULL);
	assert(config->cluster.model != NULL && config->cluster.is_live != NULL &&
		config->cluster.is_leader != NULL && config->cluster.propose != NULL &&
		ret_puller != NULL);
	puller = calloc(1, sizeof *puller);
	if (puller == NULL) {
		abort();
	}
	puller->config = *config;
	blob_store_share(config->blobs);
	atomic_init(&puller->stop, false);
	puller->references = 1;
	puller->woken = true;
	puller->collect_ms = puller_now_ms();
	uv_timer_init(config->loop, &puller->tick);
	puller->tick.data = puller;
	uv_timer_start(&puller->tick, on_tick, PULLER_WAKE_MS, 0);
	*ret_puller = puller;
	return 0;
}

void image_puller_on_record(struct image_puller *puller, const uint8_t *key, size_t key_bytes)
{
	if (key_bytes > 0 && key[0] != RECORD_IMAGE && key[0] != RECORD_IMAGE_VERSION &&
		key[0] != RECORD_MEMBER) {
		return;
	}
	puller->woken = true;
	uv_timer_start(&puller->tick, on_tick, PULLER_WAKE_MS, 0);
}

void image_puller_get_stats(const struct image_puller *puller, struct image_puller_stats *ret_stats)
{
	*ret_stats = puller->stats;
}

static void on_closed(uv_handle_t *handle)
{
	puller_unreference(handle->data);
}

void image_puller_close(struct image_puller *puller)
{
	assert(!puller->closing);
	puller->closing = true;
	atomic_store(&puller->stop, true);
	puller_check_end(puller);
	uv_close((uv_handle_t *)&puller->tick, on_closed);
}
