/* node/images/puller_impl.h: the puller's parts: puller.c decides what is to be done, puller_work.c
 * does it on workers.
 *
 * Every struct puller_work is one uv_queue_work() request; the puller lives until the last of them
 * has come back.
 */
#ifndef NODE_IMAGES_PULLER_IMPL_H
#define NODE_IMAGES_PULLER_IMPL_H

#include "node/images/fetch.h"
#include "node/images/puller.h"
#include "store/model/model.h"

#include <stdatomic.h>

#define PULLER_FETCHES_MAX 4
#define PULLER_SOURCES_MAX MODEL_MEMBERS_MAX
#define PULLER_VERIFY_BYTES                                                                        \
	(UINT64_C(1) << 30) /* read by one verifying request before others get a turn */

struct puller_blob {
	uint8_t sha256[32];
	uint64_t bytes;
};

struct puller_blobs {
	struct puller_blob *at;
	size_t count, room;
};

enum puller_state {
	PULLER_LOOK, /* its blobs are to be looked for, from next_ms on */
	PULLER_LOOKING,
	PULLER_FETCHING, /* `missing` from `next` on, `in_flight` of them under way */
	PULLER_COMPLETE,
};

struct puller_version {
	char image[MODEL_NAME_MAX + 1];
	uint8_t digest[32];
	enum puller_state state;
	struct puller_blobs missing;
	size_t next;
	unsigned in_flight, failures;
	bool failed;     /* a fetch of this round */
	bool look_again; /* when the round ends */
	bool seen;       /* in this walk over the state */
	bool proposing;
	bool published; /* as we last saw it */
	uint64_t next_ms;
	uint64_t number; /* of this entry: work of an earlier one under the same name is not ours */
};

struct image_puller {
	struct image_puller_config config;
	uv_timer_t tick;
	unsigned references; /* works and proposals that are open, and the timer */
	bool closing, woken, walked, collecting;
	atomic_bool stop;
	struct puller_version **versions;
	size_t version_count, version_room;
	uint64_t newest_number;
	struct puller_check *check; /* what image_puller_verify() reads; NULL: nothing */
	uint64_t verify_next_ms;    /* no part of a reading before that */
	bool verified_once;         /* since the start: later readings are slow */
	unsigned looking, fetching;
	struct puller_blobs verify; /* blobs that are still to be read and compared */
	size_t verify_next;
	bool verify_listed, verifying;
	struct puller_blobs candidates; /* that no version named when we last looked */
	uint64_t collect_ms;
	char full_image[MODEL_NAME_MAX + 1]; /* while stats.need_bytes: which one */
	uint8_t full_digest[32];
	struct image_puller_stats stats;
};

enum puller_work_kind {
	PULLER_WORK_LOOK,
	PULLER_WORK_FETCH,
	PULLER_WORK_LIST,
	PULLER_WORK_VERIFY,
	PULLER_WORK_CHECK,
	PULLER_WORK_COLLECT
};

/* The versions that are read because somebody asked. */
struct puller_check {
	struct puller_version_name {
		char image[MODEL_NAME_MAX + 1];
		uint8_t digest[32];
	} * versions;
	size_t count, next;
	Pxe__ImageVersion *version; /* a copy of the one at the worker */
	image_puller_verified_cb *done;
	void *ctx;
};

struct puller_work {
	uv_work_t work;
	struct image_puller *puller;
	enum puller_work_kind kind;
	char image[MODEL_NAME_MAX + 1]; /* LOOK, FETCH: of which version */
	uint8_t digest[32];
	struct puller_blobs
		blobs; /* in: what to look for, verify, or the earlier candidates; LIST: out */
	struct puller_blobs found; /* out: missing, damaged, or candidates */
	struct puller_blob blob;   /* FETCH */
	char sources[PULLER_SOURCES_MAX][FETCH_URL_BYTES];
	size_t source_count;
	uint64_t number, now_ms, received;
	unsigned removed;
	const Pxe__ImageVersion *version; /* CHECK: the check's */
	char **missing, **damaged;        /* CHECK, out: paths of the version's files */
	size_t missing_count, damaged_count;
	bool gently; /* VERIFY: only when the disk has nothing else to do */
	int result;
	char error[160];
};

void puller_blobs_add(struct puller_blobs *blobs, const uint8_t sha256[32], uint64_t bytes);
void puller_blobs_fini(struct puller_blobs *blobs);
uint64_t puller_now_ms(void);
/* puller_check.c: every tick, and at the end. */
void puller_check_step(struct image_puller *puller);
void puller_check_end(struct image_puller *puller);
/* puller_room.c: a file of the version had no room; and every tick. */
void puller_room_on_full(struct image_puller *puller, const struct puller_version *version);
void puller_room_step(struct image_puller *puller);
/* puller.c */
void puller_unreference(struct image_puller *puller);
void puller_look_again(struct image_puller *puller);
void puller_wake(struct image_puller *puller); /* a tick soon */

/* Runs on a worker; touches nothing of the puller but its configuration and `stop`. */
void puller_work_run(uv_work_t *request);
/* Queue it; `after` runs on the loop and owns the work. */
void puller_work_start(
	struct image_puller *puller, struct puller_work *work, uv_after_work_cb after);
struct puller_work *puller_work_new(struct image_puller *puller, enum puller_work_kind kind);
void puller_work_free(struct puller_work *work);

#endif
