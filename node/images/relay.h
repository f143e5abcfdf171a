/* node/images/relay.h: blobs on their way from another node, read while they arrive.
 *
 *   (nobody fetches it) --relay_open(), relays_fetch()--> RUNNING --hash is right--> DONE
 *                                                            |--no source, stop--> FAILED
 *                                                            `--wrong bytes--> FAILED, and another
 *                                                                 relay RUNNING while there are
 *                                                                 sources left
 *
 * One blob is fetched once, however many want it: the puller and all clients that ask for the file
 * share one relay. It writes the blob's own unfinished file (blob.h), so what was relayed is this
 * node's copy as well. Readers get what is there and are woken when there is more; the last byte is
 * held back until the hash has proved the others, so that nobody takes a wrong file for whole [P7].
 * When it does not, the readers so far are broken off, and the same fetch begins anew in another
 * relay: without the source that all of the bytes came from, if it was one.
 * Sources are tried in the order given, but those that failed of late, that have two fetches
 * already and that were measured to be slow come later.
 *
 * Edge file. Any thread; only relays_fetch() and relays_free() block. Fetches for clients run on
 * threads of their own, at most RELAY_THREADS_MAX.
 */
#ifndef NODE_IMAGES_RELAY_H
#define NODE_IMAGES_RELAY_H

#include "node/images/fetch.h"
#include "store/blob/blob.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RELAY_THREADS_MAX  8
#define RELAY_SOURCES_MAX  8
#define RELAY_PER_PEER_MAX 2

struct relays;
struct relay;

struct relay_want {
	uint8_t sha256[32];
	uint64_t bytes;
	char base_urls[RELAY_SOURCES_MAX][FETCH_URL_BYTES];
	size_t base_url_count;
};

struct relays_config {
	struct blob_store *blobs; /* a share of it is kept */
	unsigned silence_s;       /* as struct fetch; 0: 10 */
	unsigned connect_ms;      /* as struct fetch; 0: 3000 */
	/* As struct fetch; NULL: blob_writer_commit(). */
	int (*prove)(void *ctx, struct blob_writer *writer);
	void *prove_ctx;
};

struct relays_stats {
	uint64_t opened;  /* relays for clients */
	uint64_t joined;  /* ... that were under way already */
	uint64_t refused; /* ... not begun: too many at once, or the disk is full */
	uint64_t failed;  /* fetches */
	uint64_t wrong;   /* ... whose bytes were not the blob, be it that the next source's were */
	unsigned running;
};

struct relays *relays_new(const struct relays_config *config);
/* All fetches end soon, what they have is kept; readers are woken and fail. */
void relays_stop(struct relays *relays);
/* After relays_stop() and the last relay_close(): waits for the threads. NULL: nothing. */
void relays_free(struct relays *relays);
void relays_get_stats(struct relays *relays, struct relays_stats *ret_stats);

/* Fetch on the calling thread, or wait for whoever does already. 0 and the errors of fetch_run().
 * ret_error: a line. */
int relays_fetch(struct relays *relays, const struct relay_want *want, const atomic_bool *stop,
	uint64_t *ret_received, char *ret_error, size_t error_bytes);

/* For a client. NULL: too many at once, the disk is full, or stopping. */
struct relay *relay_open(struct relays *relays, const struct relay_want *want);
struct relay *relay_share(struct relay *relay);
void relay_close(struct relay *relay);
uint64_t relay_bytes(const struct relay *relay);
/* Bytes from the beginning that may be sent now, or negative errno: it failed. */
int relay_ready(struct relay *relay, uint64_t *ret_ready);
/* The file, for mapping (it may be shorter than the blob as yet); the relay's own. -1: none yet. */
int relay_fd(struct relay *relay);
/* What is there of [offset, offset + max): bytes read, 0 none yet, or negative errno. offset is
 * below relay_bytes(). */
ssize_t relay_read(struct relay *relay, uint64_t offset, void *buffer, size_t max);

/* A reader that waits; zeroed, it stays where it is until it is called or withdrawn. */
struct relay_waiter {
	struct relay_waiter *next;
	bool waiting;
	uint64_t offset;
	/* Once, from any thread, when there is more than `offset` or never will be. It must not
	 * call the relay. */
	void (*on_ready)(void *ctx);
	void *ctx;
};
/* False: no need to wait, nothing is called. */
bool relay_wait(struct relay *relay, struct relay_waiter *waiter);
/* It is not called after this. */
void relay_withdraw(struct relay *relay, struct relay_waiter *waiter);

#endif
