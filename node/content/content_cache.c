#include "node/content/content_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CACHE_LISTS 32

struct cache_file {
	char *path;
	uint64_t bytes;
	uint8_t sha256[32];
};

struct cache_list {
	uint8_t digest[32];
	struct cache_file *files; /* in order of path; NULL: this place is free */
	size_t count;
	uint64_t used; /* tick of the last use */
};

struct content_cache {
	pthread_rwlock_t lock; /* lists come and go under the write lock; `used` is written
				  atomically under the read lock */
	struct cache_list list[CACHE_LISTS];
	uint64_t tick;
};

struct content_cache *content_cache_new(void)
{
	struct content_cache *cache = calloc(1, sizeof *cache);

	if (cache == NULL || pthread_rwlock_init(&cache->lock, NULL) != 0) {
		abort();
	}
	return cache;
}

static void list_fini(struct cache_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->files[i].path);
	}
	free(list->files);
	memset(list, 0, sizeof *list);
}

void content_cache_free(struct content_cache *cache)
{
	if (cache == NULL) {
		return;
	}
	for (size_t i = 0; i < CACHE_LISTS; i++) {
		list_fini(&cache->list[i]);
	}
	pthread_rwlock_destroy(&cache->lock);
	free(cache);
}

static struct cache_list *list_of(struct content_cache *cache, const uint8_t digest[32])
{
	for (size_t i = 0; i < CACHE_LISTS; i++) {
		if (cache->list[i].files != NULL &&
			memcmp(cache->list[i].digest, digest, 32) == 0) {
			return &cache->list[i];
		}
	}
	return NULL;
}

static int compare_path(const void *key, const void *file)
{
	return strcmp(key, ((const struct cache_file *)file)->path);
}

static int compare_file(const void *a, const void *b)
{
	return strcmp(((const struct cache_file *)a)->path, ((const struct cache_file *)b)->path);
}

/* The one file whose path differs in case only, for firmware of systems that know no case (FIELD
 * 56). */
static const struct cache_file *find_folded(const struct cache_list *list, const char *path)
{
	const struct cache_file *found = NULL;

	for (size_t i = 0; i < list->count; i++) {
		if (strcasecmp(list->files[i].path, path) != 0) {
			continue;
		}
		if (found != NULL) {
			return NULL;
		}
		found = &list->files[i];
	}
	return found;
}

int content_cache_find(struct content_cache *cache, const uint8_t digest[32], const char *path,
	uint8_t ret_sha256[32], uint64_t *ret_bytes)
{
	const struct cache_file *file;
	struct cache_list *list;
	int found = -1;

	pthread_rwlock_rdlock(&cache->lock);
	list = list_of(cache, digest);
	if (list != NULL) {
		__atomic_store_n(&list->used, __atomic_add_fetch(&cache->tick, 1, __ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
		file = bsearch(path, list->files, list->count, sizeof *file, compare_path);
		if (file == NULL) {
			file = find_folded(list, path);
		}
		found = file != NULL;
		if (file != NULL) {
			memcpy(ret_sha256, file->sha256, 32);
			*ret_bytes = file->bytes;
		}
	}
	pthread_rwlock_unlock(&cache->lock);
	return found;
}

static void list_fill(
	struct cache_list *list, const uint8_t digest[32], const Pxe__ImageVersion *version)
{
	memcpy(list->digest, digest, 32);
	list->files = calloc(version->n_files + 1, sizeof *list->files);
	if (list->files == NULL) {
		abort();
	}
	for (size_t i = 0; i < version->n_files; i++) {
		const Pxe__ImageFile *from = version->files[i];
		struct cache_file *file = &list->files[list->count];
		if (from->sha256.len != 32) {
			continue;
		}
		file->path = strdup(from->path);
		if (file->path == NULL) {
			abort();
		}
		file->bytes = from->bytes;
		memcpy(file->sha256, from->sha256.data, 32);
		list->count++;
	}
	qsort(list->files, list->count, sizeof *list->files, compare_file);
}

void content_cache_add(
	struct content_cache *cache, const uint8_t digest[32], const Pxe__ImageVersion *version)
{
	struct cache_list *place;

	pthread_rwlock_wrlock(&cache->lock);
	if (list_of(cache, digest) == NULL) {
		place = &cache->list[0];
		for (size_t i = 0; i < CACHE_LISTS; i++) {
			if (cache->list[i].used < place->used) {
				place = &cache->list[i];
			}
		}
		list_fini(place);
		list_fill(place, digest, version);
		place->used = ++cache->tick;
	}
	pthread_rwlock_unlock(&cache->lock);
}
