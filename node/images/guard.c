#include "node/images/guard.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct guard_pin {
	uint8_t sha256[32];
	uint64_t until_ms;
};

/* Both arrays are sorted by hash. */
struct image_guard {
	pthread_mutex_t lock;
	uint8_t (*referred)[32];
	size_t referred_count;
	struct guard_pin *pins;
	size_t pin_count, pin_room;
};

struct image_guard *image_guard_new(void)
{
	struct image_guard *guard = calloc(1, sizeof *guard);

	if (guard == NULL || pthread_mutex_init(&guard->lock, NULL) != 0) {
		abort();
	}
	return guard;
}

void image_guard_free(struct image_guard *guard)
{
	if (guard != NULL) {
		pthread_mutex_destroy(&guard->lock);
		free(guard->referred);
		free(guard->pins);
		free(guard);
	}
}

/* Where the pin is, or would be. */
static size_t pin_place(const struct image_guard *guard, const uint8_t sha256[32])
{
	size_t low = 0, high = guard->pin_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(guard->pins[middle].sha256, sha256, 32) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static bool pin_is_at(const struct image_guard *guard, size_t place, const uint8_t sha256[32])
{
	return place < guard->pin_count && memcmp(guard->pins[place].sha256, sha256, 32) == 0;
}

void image_guard_pin(struct image_guard *guard, const uint8_t sha256[32], uint64_t until_ms)
{
	size_t place;

	assert(guard != NULL && sha256 != NULL);
	pthread_mutex_lock(&guard->lock);
	place = pin_place(guard, sha256);
	if (pin_is_at(guard, place, sha256)) {
		if (guard->pins[place].until_ms < until_ms) {
			guard->pins[place].until_ms = until_ms;
		}
	} else {
		if (guard->pin_count == guard->pin_room) {
			guard->pin_room = guard->pin_room * 2 + 64;
			guard->pins = realloc(guard->pins, guard->pin_room * sizeof *guard->pins);
			if (guard->pins == NULL) {
				abort();
			}
		}
		memmove(guard->pins + place + 1, guard->pins + place,
			(guard->pin_count - place) * sizeof *guard->pins);
		memcpy(guard->pins[place].sha256, sha256, 32);
		guard->pins[place].until_ms = until_ms;
		guard->pin_count++;
	}
	pthread_mutex_unlock(&guard->lock);
}

static int compare_hash(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

void image_guard_refer(struct image_guard *guard, const uint8_t (*sha256)[32], size_t count)
{
	uint8_t(*copy)[32] = malloc((count + 1) * 32), (*old)[32];

	assert(guard != NULL && (sha256 != NULL || count == 0));
	if (copy == NULL) {
		abort();
	}
	if (count > 0) {
		memcpy(copy, sha256, count * 32);
	}
	qsort(copy, count, 32, compare_hash);
	pthread_mutex_lock(&guard->lock);
	old = guard->referred;
	guard->referred = copy;
	guard->referred_count = count;
	pthread_mutex_unlock(&guard->lock);
	free(old);
}

/* Under the lock. A pin that has run out goes. */
static bool holds(struct image_guard *guard, const uint8_t sha256[32], uint64_t now_ms)
{
	size_t place = pin_place(guard, sha256);

	if (pin_is_at(guard, place, sha256)) {
		if (guard->pins[place].until_ms > now_ms) {
			return true;
		}
		guard->pin_count--;
		memmove(guard->pins + place, guard->pins + place + 1,
			(guard->pin_count - place) * sizeof *guard->pins);
	}
	return guard->referred_count > 0 &&
	       bsearch(sha256, guard->referred, guard->referred_count, 32, compare_hash) != NULL;
}

bool image_guard_holds(struct image_guard *guard, const uint8_t sha256[32], uint64_t now_ms)
{
	bool held;

	pthread_mutex_lock(&guard->lock);
	held = holds(guard, sha256, now_ms);
	pthread_mutex_unlock(&guard->lock);
	return held;
}

int image_guard_remove(struct image_guard *guard, struct blob_store *blobs,
	const uint8_t sha256[32], uint64_t now_ms)
{
	int result;

	pthread_mutex_lock(&guard->lock);
	if (holds(guard, sha256, now_ms)) {
		result = 0;
	} else {
		result = blob_remove(blobs, sha256);
		result = result == 0 ? 1 : result;
	}
	pthread_mutex_unlock(&guard->lock);
	return result;
}
