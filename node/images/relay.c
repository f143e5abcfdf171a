/* One lock for all relays: what is done under it is short, and the bytes themselves are read and
 * written outside. */
#include "node/images/relay.h"

#include "node/log/log.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RELAY_PEERS_MAX    16
#define RELAY_BUSY_MS      15000 /* how long somebody else may be writing the blob */
#define RELAY_BUSY_STEP_MS 50
#define RELAY_SHUN_MS      10000 /* a source that failed comes last for so long */
#define RELAY_FULL_MS      10000 /* after the disk was full, so long nothing is begun for clients */
#define RELAY_MEASURED_MIN (UINT64_C(256) << 10) /* shorter requests say nothing about speed */
#define RELAY_SLOW_PART    16 /* a source that has less than this part of the best's speed is left */

enum relay_state { RELAY_RUNNING, RELAY_DONE, RELAY_FAILED };

struct relay {
	struct relays *relays;
	struct relay *next;
	unsigned users; /* whoever fetches is one */
	struct relay_want want;
	enum relay_state state;
	int error; /* of FAILED */
	char text[160];
	uint64_t have;
	int fd;
	struct relay_waiter *waiters;
	char source[FETCH_URL_BYTES]; /* asked now; "" none */
};

/* What we know of a node as a source. */
struct relay_peer {
	char base_url[FETCH_URL_BYTES];
	uint64_t bytes_per_s; /* 0: not measured */
	uint64_t failed_ms;   /* 0: it did not fail */
	unsigned active;
};

struct relays {
	struct relays_config config;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a relay ended, or a thread */
	struct relay *first;    /* those that run */
	struct relay_peer peer[RELAY_PEERS_MAX];
	size_t peer_count;
	unsigned threads;
	uint64_t full_ms; /* when the disk was full; 0: never */
	atomic_bool stop;
	struct relays_stats stats;
};

/* One fetch, on its thread. */
struct relay_run {
	struct relay *relay; /* the newest */
	const atomic_bool *stop;
	uint64_t received;
	uint64_t have, asked_from; /* bytes there are; there were when the newest source was asked
				    */
	unsigned wrong;            /* times that what came was not the blob */
};

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct relays *relays_new(const struct relays_config *config)
{
	struct relays *relays = calloc(1, sizeof *relays);

	assert(config != NULL && config->blobs != NULL);
	if (relays == NULL || pthread_mutex_init(&relays->lock, NULL) != 0 ||
		pthread_cond_init(&relays->changed, NULL) != 0) {
		abort();
	}
	relays->config = *config;
	blob_store_share(config->blobs);
	curl_global_init(CURL_GLOBAL_DEFAULT); /* counted: each owner may */
	atomic_init(&relays->stop, false);
	return relays;
}

static void lock(struct relays *relays)
{
	pthread_mutex_lock(&relays->lock);
}

static void unlock(struct relays *relays)
{
	pthread_mutex_unlock(&relays->lock);
}

void relays_get_stats(struct relays *relays, struct relays_stats *ret_stats)
{
	lock(relays);
	*ret_stats = relays->stats;
	unlock(relays);
}

/* ---- which source; under the lock */

static struct relay_peer *peer_of(struct relays *relays, const char *base_url)
{
	struct relay_peer *peer;

	for (size_t i = 0; i < relays->peer_count; i++) {
		if (strcmp(relays->peer[i].base_url, base_url) == 0) {
			return &relays->peer[i];
		}
	}
	if (relays->peer_count == RELAY_PEERS_MAX) {
		/* Addresses have changed often: those that nobody asks now are forgotten. */
		size_t kept = 0;
		for (size_t i = 0; i < relays->peer_count; i++) {
			if (relays->peer[i].active > 0) {
				relays->peer[kept++] = relays->peer[i];
			}
		}
		relays->peer_count = kept;
	}
	if (relays->peer_count == RELAY_PEERS_MAX) {
		return NULL;
	}
	peer = &relays->peer[relays->peer_count++];
	memset(peer, 0, sizeof *peer);
	snprintf(peer->base_url, sizeof peer->base_url, "%s", base_url);
	return peer;
}

static uint64_t best_speed(const struct relays *relays)
{
	uint64_t best = 0;

	for (size_t i = 0; i < relays->peer_count; i++) {
		if (relays->peer[i].bytes_per_s > best) {
			best = relays->peer[i].bytes_per_s;
		}
	}
	return best;
}

/* 0 is best. */
static unsigned demerits(struct relays *relays, const char *base_url, uint64_t now_ms)
{
	const struct relay_peer *peer = peer_of(relays, base_url);
	unsigned result = 0;

	if (peer == NULL) {
		return 0;
	}
	if (peer->failed_ms != 0 && now_ms - peer->failed_ms < RELAY_SHUN_MS) {
		result += 4;
	}
	if (peer->active >= RELAY_PER_PEER_MAX) {
		result += 2;
	}
	if (peer->bytes_per_s != 0 && peer->bytes_per_s < best_speed(relays) / 2) {
		result += 1;
	}
	return result;
}

/* The sources in the order in which to ask them. */
static void sort_sources(
	struct relays *relays, const struct relay_want *want, char (*ret_urls)[FETCH_URL_BYTES])
{
	uint64_t now_ms = clock_ms();
	size_t count = 0;

	for (unsigned level = 0; level < 8; level++) {
		for (size_t i = 0; i < want->base_url_count; i++) {
			if (demerits(relays, want->base_urls[i], now_ms) == level) {
				memcpy(ret_urls[count++], want->base_urls[i], FETCH_URL_BYTES);
			}
		}
	}
	assert(count == want->base_url_count);
}

static void source_leave(struct relays *relays, struct relay *relay)
{
	struct relay_peer *peer = relay->source[0] != '\0' ? peer_of(relays, relay->source) : NULL;

	if (peer != NULL && peer->active > 0) {
		peer->active--;
	}
	relay->source[0] = '\0';
}

static void source_enter(struct relays *relays, struct relay *relay, const char *base_url)
{
	struct relay_peer *peer = peer_of(relays, base_url);

	source_leave(relays, relay);
	if (peer != NULL) {
		peer->active++;
		snprintf(relay->source, sizeof relay->source, "%s", base_url);
	}
}

/* ---- what a fetch tells */

/* Under the lock. */
static uint64_t ready_of(const struct relay *relay)
{
	if (relay->state == RELAY_DONE || relay->have < relay->want.bytes) {
		return relay->have;
	}
	return relay->want.bytes > 0 ? relay->want.bytes - 1 : 0;
}

static void wake(struct relay *relay)
{
	uint64_t ready = ready_of(relay);
	struct relay_waiter **at = &relay->waiters;

	while (*at != NULL) {
		struct relay_waiter *waiter = *at;
		if (relay->state == RELAY_RUNNING && waiter->offset >= ready) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		waiter->next = NULL;
		waiter->waiting = false;
		waiter->on_ready(waiter->ctx);
	}
}

static void on_file(void *ctx, const struct blob_writer *writer)
{
	struct relay *relay = ((struct relay_run *)ctx)->relay;
	int fd = blob_writer_reader(writer);

	lock(relay->relays);
	/* Another file than before means that what was told of the old one counts no more; that
	 * ends the relay instead (fetch_run() returns -EBADMSG). */
	assert(relay->fd < 0);
	relay->fd = fd;
	unlock(relay->relays);
}

static void on_bytes(void *ctx, uint64_t have)
{
	struct relay_run *run = ctx;
	struct relay *relay = run->relay;

	run->have = have;
	lock(relay->relays);
	relay->have = relay->fd >= 0 ? have : 0;
	wake(relay);
	unlock(relay->relays);
}

static void on_ask(void *ctx, const char *base_url)
{
	struct relay_run *run = ctx;
	struct relay *relay = run->relay;

	run->asked_from = run->have;
	lock(relay->relays);
	source_enter(relay->relays, relay, base_url);
	unlock(relay->relays);
}

static void on_source(
	void *ctx, const char *base_url, uint64_t bytes, uint64_t took_ms, bool failed)
{
	struct relay *relay = ((struct relay_run *)ctx)->relay;
	struct relay_peer *peer;
	uint64_t speed = bytes * 1000 / (took_ms > 0 ? took_ms : 1);

	lock(relay->relays);
	peer = peer_of(relay->relays, base_url);
	if (peer != NULL) {
		peer->failed_ms = failed ? clock_ms() : 0;
		if (bytes >= RELAY_MEASURED_MIN) {
			peer->bytes_per_s = peer->bytes_per_s == 0
						    ? speed
						    : (3 * peer->bytes_per_s + speed) / 4;
		}
	}
	unlock(relay->relays);
}

/* ---- running */

static bool is_stopped(const struct relay_run *run)
{
	return atomic_load(&run->relay->relays->stop) ||
	       (run->stop != NULL && atomic_load(run->stop));
}

static void fill_fetch(struct relay_run *run, char (*urls)[FETCH_URL_BYTES], struct fetch *fetch)
{
	struct relay *relay = run->relay;
	struct relays *relays = relay->relays;

	*fetch = (struct fetch){
		.blobs = relays->config.blobs,
		.bytes = relay->want.bytes,
		.base_urls = (const char(*)[FETCH_URL_BYTES])urls,
		.base_url_count = relay->want.base_url_count,
		.stop = run->stop != NULL ? run->stop : &relays->stop,
		.silence_s = relays->config.silence_s,
		.connect_ms = relays->config.connect_ms,
		.prove = relays->config.prove,
		.prove_ctx = relays->config.prove_ctx,
		.on_file = on_file,
		.on_bytes = on_bytes,
		.on_ask = on_ask,
		.on_source = on_source,
		.ctx = run,
	};
	memcpy(fetch->sha256, relay->want.sha256, 32);
	lock(relays);
	sort_sources(relays, &relay->want, urls);
	if (fetch->base_url_count > 0) {
		/* With another one to go to, a slow source is not borne; if all are slow, the first
		 * is. */
		memcpy(urls[fetch->base_url_count++], urls[0], FETCH_URL_BYTES);
		fetch->slow_bytes = best_speed(relays) / RELAY_SLOW_PART;
	}
	unlock(relays);
}

/* Under the lock. */
static void leave(struct relay *relay, int err, const char *text)
{
	struct relays *relays = relay->relays;
	struct relay **at = &relays->first;

	relay->state = err == 0 ? RELAY_DONE : RELAY_FAILED;
	relay->error = err;
	relay->have = err == 0 ? relay->want.bytes : relay->have;
	snprintf(relay->text, sizeof relay->text, "%s", text);
	source_leave(relays, relay);
	relays->stats.failed += err != 0 && err != -ECANCELED;
	relays->stats.wrong += err == -EBADMSG;
	relays->stats.running--;
	while (*at != relay) {
		at = &(*at)->next;
	}
	*at = relay->next;
	wake(relay);
	pthread_cond_broadcast(&relays->changed);
}

static void end(struct relay_run *run, int err, const char *text)
{
	struct relays *relays = run->relay->relays;

	lock(relays);
	relays->full_ms = err == -ENOSPC ? clock_ms() : relays->full_ms;
	leave(run->relay, err, text);
	unlock(relays);
}

/* Under the lock. */
static struct relay *add(struct relays *relays, const struct relay_want *want)
{
	struct relay *relay = calloc(1, sizeof *relay);

	if (relay == NULL) {
		abort();
	}
	relay->relays = relays;
	relay->want = *want;
	relay->fd = -1;
	relay->users = 1;
	relay->next = relays->first;
	relays->first = relay;
	relays->stats.running++;
	return relay;
}

static void want_without(struct relay_want *want, const char *base_url)
{
	size_t kept = 0;

	for (size_t i = 0; i < want->base_url_count; i++) {
		if (strcmp(want->base_urls[i], base_url) != 0) {
			memmove(want->base_urls[kept++], want->base_urls[i], FETCH_URL_BYTES);
		}
	}
	want->base_url_count = kept;
}

/* What came was not the blob. Who has bytes of it is broken off; the fetch goes on in another
 * relay, from the beginning. Who sent all of it is asked no more; of bytes that several sent (or an
 * earlier try left) nobody can tell whose were wrong. False: nobody is left to be asked. */
static bool begin_anew(struct relay_run *run, const char *text)
{
	struct relay *wrong = run->relay;
	struct relays *relays = wrong->relays;
	struct relay_want want = wrong->want;
	struct relay_peer *peer;
	bool more;

	lock(relays);
	if (run->asked_from == 0 && wrong->source[0] != '\0') {
		peer = peer_of(relays, wrong->source);
		want_without(&want, wrong->source);
		if (peer != NULL) {
			peer->failed_ms = clock_ms();
		}
	}
	more = want.base_url_count > 0 && ++run->wrong < RELAY_SOURCES_MAX;
	if (more) {
		leave(wrong, -EBADMSG, text);
		run->relay = add(relays, &want);
		run->have = run->asked_from = 0;
	}
	unlock(relays);
	if (more) {
		relay_close(wrong);
	}
	return more;
}

/* The file may have been here all along, or have come another way. */
static void take_whole(struct relay *relay)
{
	int fd = blob_open(relay->relays->config.blobs, relay->want.sha256, NULL);

	lock(relay->relays);
	if (relay->fd < 0) {
		relay->fd = fd;
		fd = -1;
	}
	unlock(relay->relays);
	if (fd >= 0) {
		close(fd);
	}
}

/* One try; somebody else's push may write the blob just now: it comes, or its writer lets go. */
static int fetch_once(struct relay_run *run, char *ret_error, size_t error_bytes)
{
	const struct timespec step = {.tv_nsec = RELAY_BUSY_STEP_MS * 1000000};
	char urls[RELAY_SOURCES_MAX + 1][FETCH_URL_BYTES];
	uint64_t start_ms = clock_ms(), received;
	struct fetch fetch;
	int err;

	for (;;) {
		fill_fetch(run, urls, &fetch);
		err = fetch_run(&fetch, &received, ret_error, error_bytes);
		run->received += received;
		if (err != -EBUSY || is_stopped(run) || clock_ms() - start_ms > RELAY_BUSY_MS) {
			return err;
		}
		nanosleep(&step, NULL);
	}
}

static void carry_out(struct relay_run *run, char *ret_error, size_t error_bytes, int *ret_result)
{
	char digits[65];
	int err;

	do {
		err = fetch_once(run, ret_error, error_bytes);
		if (err == -EBADMSG) {
			text_hex_format(run->relay->want.sha256, 32, digits, sizeof digits);
			log_warn("file %.12s came wrong from %s: thrown away", digits, ret_error);
		}
	} while (err == -EBADMSG && !is_stopped(run) && begin_anew(run, ret_error));
	if (err == 0) {
		take_whole(run->relay);
	}
	*ret_result = err;
	end(run, err, err == 0 ? "" : ret_error);
}

/* Under the lock: the relay of this blob that runs, or a new one that is to be run. */
static struct relay *find(struct relays *relays, const struct relay_want *want)
{
	for (struct relay *relay = relays->first; relay != NULL; relay = relay->next) {
		if (relay->want.bytes == want->bytes &&
			memcmp(relay->want.sha256, want->sha256, 32) == 0) {
			relay->users++;
			return relay;
		}
	}
	return NULL;
}

/* Until somebody else's fetch ends. Returns the relay that it ended in, instead of the given one.
 */
static struct relay *wait_for(struct relay *relay)
{
	struct relays *relays = relay->relays;
	struct relay *next;

	do {
		lock(relays);
		while (relay->state == RELAY_RUNNING) {
			pthread_cond_wait(&relays->changed, &relays->lock);
		}
		next = relay->error == -EBADMSG ? find(relays, &relay->want) : NULL;
		unlock(relays);
		if (next != NULL) {
			relay_close(relay);
			relay = next;
		}
	} while (next != NULL);
	return relay;
}

int relays_fetch(struct relays *relays, const struct relay_want *want, const atomic_bool *stop,
	uint64_t *ret_received, char *ret_error, size_t error_bytes)
{
	struct relay_run mine = {.stop = stop};
	struct relay *relay;
	int err;

	assert(relays != NULL && want != NULL && ret_received != NULL && ret_error != NULL);
	assert(want->base_url_count <= RELAY_SOURCES_MAX);
	lock(relays);
	relay = find(relays, want);
	if (relay == NULL) {
		mine.relay = relay = add(relays, want);
	}
	unlock(relays);
	if (mine.relay == NULL) {
		relay = wait_for(relay);
	}
	if (mine.relay != NULL) {
		carry_out(&mine, ret_error, error_bytes, &err);
		relay = mine.relay;
	} else {
		err = relay->error;
		snprintf(ret_error, error_bytes, "%s", relay->text);
	}
	*ret_received = mine.received;
	relay_close(relay);
	return err;
}

static void *on_thread(void *ctx)
{
	struct relay_run *mine = ctx;
	struct relays *relays = mine->relay->relays;
	char error[160], digits[65];
	int err;

	carry_out(mine, error, sizeof error, &err);
	if (err != 0 && err != -ECANCELED) {
		text_hex_format(mine->relay->want.sha256, 32, digits, sizeof digits);
		log_warn("cannot relay %.12s to clients: %s", digits, error);
	}
	relay_close(mine->relay);
	free(mine);
	lock(relays);
	relays->threads--;
	pthread_cond_broadcast(&relays->changed);
	unlock(relays);
	return NULL;
}

static bool start_thread(struct relay *relay)
{
	struct relay_run *mine = calloc(1, sizeof *mine);
	pthread_attr_t attributes;
	pthread_t thread;
	int err;

	if (mine == NULL) {
		abort();
	}
	mine->relay = relay;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attributes, on_thread, mine);
	pthread_attr_destroy(&attributes);
	if (err != 0) {
		free(mine);
	}
	return err == 0;
}

static bool may_begin(const struct relays *relays)
{
	return relays->threads < RELAY_THREADS_MAX &&
	       (relays->full_ms == 0 || clock_ms() - relays->full_ms > RELAY_FULL_MS);
}

struct relay *relay_open(struct relays *relays, const struct relay_want *want)
{
	struct relay *relay = NULL;

	assert(relays != NULL && want != NULL && want->base_url_count <= RELAY_SOURCES_MAX);
	lock(relays);
	if (!atomic_load(&relays->stop)) {
		relay = find(relays, want);
		relays->stats.joined += relay != NULL;
		if (relay == NULL && may_begin(relays)) {
			relay = add(relays, want);
			relay->users++;
			if (start_thread(relay)) {
				relays->threads++;
			} else {
				relays->first = relay->next; /* it was put first, under this lock */
				relays->stats.running--;
				free(relay);
				relay = NULL;
			}
		}
		relays->stats.opened += relay != NULL;
		relays->stats.refused += relay == NULL;
	}
	unlock(relays);
	return relay;
}

struct relay *relay_share(struct relay *relay)
{
	lock(relay->relays);
	relay->users++;
	unlock(relay->relays);
	return relay;
}

void relay_close(struct relay *relay)
{
	bool last;

	if (relay == NULL) {
		return;
	}
	lock(relay->relays);
	last = --relay->users == 0;
	unlock(relay->relays);
	if (last) {
		assert(relay->state != RELAY_RUNNING && relay->waiters == NULL);
		if (relay->fd >= 0) {
			close(relay->fd);
		}
		free(relay);
	}
}

/* ---- readers */

uint64_t relay_bytes(const struct relay *relay)
{
	return relay->want.bytes;
}

int relay_ready(struct relay *relay, uint64_t *ret_ready)
{
	int err;

	lock(relay->relays);
	err = relay->state == RELAY_FAILED                                         ? relay->error
	      : relay->state == RELAY_RUNNING && atomic_load(&relay->relays->stop) ? -ECANCELED
										   : 0;
	*ret_ready = relay->fd >= 0 ? ready_of(relay) : 0;
	unlock(relay->relays);
	return err;
}

int relay_fd(struct relay *relay)
{
	int fd;

	lock(relay->relays);
	fd = relay->fd;
	unlock(relay->relays);
	return fd;
}

ssize_t relay_read(struct relay *relay, uint64_t offset, void *buffer, size_t max)
{
	uint64_t ready;
	int err = relay_ready(relay, &ready);
	ssize_t got;

	assert(offset < relay->want.bytes && max > 0);
	if (err != 0) {
		return err;
	}
	if (offset >= ready) {
		return 0;
	}
	do {
		got = pread(relay_fd(relay), buffer,
			max < ready - offset ? max : (size_t)(ready - offset), (off_t)offset);
	} while (got < 0 && errno == EINTR);
	return got > 0 ? got : got < 0 ? -errno : -EIO;
}

bool relay_wait(struct relay *relay, struct relay_waiter *waiter)
{
	bool waits = false;

	assert(waiter->on_ready != NULL && !waiter->waiting);
	lock(relay->relays);
	if (relay->state == RELAY_RUNNING && !atomic_load(&relay->relays->stop) &&
		waiter->offset >= ready_of(relay)) {
		waiter->waiting = waits = true;
		waiter->next = relay->waiters;
		relay->waiters = waiter;
	}
	unlock(relay->relays);
	return waits;
}

void relay_withdraw(struct relay *relay, struct relay_waiter *waiter)
{
	lock(relay->relays);
	for (struct relay_waiter **at = &relay->waiters; *at != NULL; at = &(*at)->next) {
		if (*at == waiter) {
			*at = waiter->next;
			break;
		}
	}
	waiter->waiting = false;
	unlock(relay->relays);
}

/* ---- the end */

void relays_stop(struct relays *relays)
{
	assert(relays != NULL);
	lock(relays);
	atomic_store(&relays->stop, true);
	/* Readers fail now, not when the network lets go of a fetch. */
	for (struct relay *relay = relays->first; relay != NULL; relay = relay->next) {
		for (struct relay_waiter *waiter; (waiter = relay->waiters) != NULL;) {
			relay->waiters = waiter->next;
			waiter->waiting = false;
			waiter->on_ready(waiter->ctx);
		}
	}
	unlock(relays);
}

void relays_free(struct relays *relays)
{
	if (relays == NULL) {
		return;
	}
	lock(relays);
	while (relays->threads > 0) {
		pthread_cond_wait(&relays->changed, &relays->lock);
	}
	unlock(relays);
	assert(relays->first == NULL);
	blob_store_close(relays->config.blobs);
	curl_global_cleanup();
	pthread_cond_destroy(&relays->changed);
	pthread_mutex_destroy(&relays->lock);
	free(relays);
}
