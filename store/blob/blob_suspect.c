/* Blobs that may be damaged, from whoever sent them to whoever reads them. */
#include "store/blob/blob.h"

#include "store/blob/blob_internal.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#define SUSPECT_REST_MS 60000

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Those that were taken a minute ago go. */
static void forget_old(struct blob_store *store, uint64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < store->suspect_count; i++) {
		const struct blob_suspect *suspect = &store->suspect[i];
		if (suspect->taken_ms == 0 || now_ms - suspect->taken_ms < SUSPECT_REST_MS) {
			store->suspect[kept++] = *suspect;
		}
	}
	store->suspect_count = kept;
}

void blob_suspect(struct blob_store *store, const uint8_t sha256[32])
{
	bool known = false;

	assert(store != NULL);
	pthread_mutex_lock(&store->suspects_lock);
	forget_old(store, clock_ms());
	for (size_t i = 0; i < store->suspect_count; i++) {
		known = known || memcmp(store->suspect[i].sha256, sha256, 32) == 0;
	}
	if (!known && store->suspect_count < BLOB_SUSPECTS_MAX) {
		struct blob_suspect *suspect = &store->suspect[store->suspect_count++];
		memcpy(suspect->sha256, sha256, 32);
		suspect->taken_ms = 0;
	}
	pthread_mutex_unlock(&store->suspects_lock);
}

size_t blob_take_suspects(struct blob_store *store, uint8_t ret_sha256[BLOB_SUSPECTS_MAX][32])
{
	uint64_t now_ms = clock_ms();
	size_t count = 0;

	assert(store != NULL && ret_sha256 != NULL);
	pthread_mutex_lock(&store->suspects_lock);
	for (size_t i = 0; i < store->suspect_count; i++) {
		if (store->suspect[i].taken_ms == 0) {
			memcpy(ret_sha256[count++], store->suspect[i].sha256, 32);
			store->suspect[i].taken_ms = now_ms;
		}
	}
	pthread_mutex_unlock(&store->suspects_lock);
	return count;
}
