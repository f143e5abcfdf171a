/* node/images/puller.h: keeps this node's blobs complete: fetches what the state's versions name
 * from the members that hold it.
 *
 *   record changed -> (50 ms) look at every version: all blobs here?  yes: ImageHeld(self) if the
 * state does not say so no:  fetch, four blobs at a time, at most two from one node (relay.h), then
 * look again fetch: members that hold the version, live ones first, then the others; HTTP ranges,
 * resumed; the hash is the proof; when none can give it: again after 1 s, 2 s, ... 30 s start:
 * every blob is read and compared once; a damaged one is set aside and fetched again every 10
 * minutes: a blob that no version names, twice in a row, is removed (guard.h)
 *
 * A blob that could not be sent to its end (blob_suspect()) is read at once.
 * Every week all blobs are read again, gently: disks forget. A version that has lost a file is
 * fetched anew, and until then this node says that it does not hold it (ImageHeld.lost).
 *
 * An image that the disk has no room for is told of once (EVENT_ALARM), and again when that is
 * over.
 *
 * Loop thread only; disk, hashing and downloads run on uv_queue_work() workers.
 */
#ifndef NODE_IMAGES_PULLER_H
#define NODE_IMAGES_PULLER_H

#include "node/images/cluster.h"
#include "node/images/guard.h"
#include "node/images/relay.h"
#include "store/blob/blob.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct image_puller;

struct image_puller_config {
	uv_loop_t *loop;
	struct blob_store *blobs;
	struct image_guard *guard;
	struct relays *relays;
	struct image_cluster cluster; /* copied */
	uint64_t remove_after_ms;     /* 0: 10 minutes */
	uint64_t verify_after_ms;     /* from one reading of all blobs to the next; 0: a week */
};

/* What reading all files of one version found. All borrowed for the call. */
struct image_puller_verified {
	const char *image;
	const uint8_t *digest;
	uint32_t files;
	uint64_t bytes;
	char **missing, **damaged; /* paths */
	size_t missing_count, damaged_count;
};

/* NULL: the puller closes, or there was nothing to verify; then it is the last call, too. */
typedef void image_puller_verified_cb(
	void *ctx, const struct image_puller_verified *verified, bool more);

struct image_puller_stats {
	uint64_t fetched, fetched_bytes, failed, damaged, removed;
	unsigned versions, held; /* versions in the state, and of these complete here */
	uint64_t need_bytes;     /* of an image that the disk has no room for; 0: it has */
	uint64_t room_bytes;     /* there is for images, then */
};

int image_puller_open(const struct image_puller_config *config, struct image_puller **ret_puller);
/* From the replica's on_record; any key. */
void image_puller_on_record(struct image_puller *puller, const uint8_t *key, size_t key_bytes);
void image_puller_get_stats(
	const struct image_puller *puller, struct image_puller_stats *ret_stats);
/* Read every file of all versions of an image (NULL: of all images) and compare. Damaged files are
 * set aside and, as missing ones, fetched anew. The callback is called on the loop for each
 * version, the last time with more = false. 0; -ENOENT: no such image; -EBUSY: another such reading
 * runs. */
int image_puller_verify(
	struct image_puller *puller, const char *image, image_puller_verified_cb *done, void *ctx);
/* Stops downloads (what is there is kept); frees itself while the loop runs on. */
void image_puller_close(struct image_puller *puller);

#endif
