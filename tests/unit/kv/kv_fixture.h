/* tests/unit/kv/kv_fixture.h: a data directory, a loop and a store on it; and a deterministic
 * history to write and to check.
 *
 * Unit n of the history is a function of n and of the units before it, so whoever knows the number
 * of the last unit that is on the disk knows every byte that must be there: log, state, meta and
 * journal.
 */
#ifndef TESTS_UNIT_KV_KV_FIXTURE_H
#define TESTS_UNIT_KV_KV_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "store/kv/kv.h"
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_KEYS    64
#define HISTORY_ENTRIES 4096 /* ring of terms; the log is kept far shorter */

struct fixture {
	uv_loop_t loop;
	char directory[64];
	struct kv *kv;
	uint64_t durable; /* newest ticket told to on_durable */
	unsigned calls;   /* of on_durable */
};

struct history {
	uint64_t unit;                  /* last one that was made */
	uint64_t first, last;           /* of the log; 0: empty */
	uint64_t term[HISTORY_ENTRIES]; /* of index % HISTORY_ENTRIES */
	uint64_t value[HISTORY_KEYS];   /* unit that wrote it; 0: absent */
	uint64_t journal[HISTORY_KEYS]; /* the same for the journal */
};

static inline int fixture_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline void fixture_on_durable(void *ctx, uint64_t ticket)
{
	struct fixture *f = ctx;

	assert_true(ticket > f->durable);
	f->durable = ticket;
	f->calls++;
}

static inline void fixture_on_fatal(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "fatal: %s\n", text);
	_exit(3);
}

static inline struct kv_config fixture_config(struct fixture *f)
{
	return (struct kv_config){.loop = &f->loop,
		.directory = f->directory,
		.reserve_bytes = 1 << 20,
		.ctx = f,
		.on_durable = fixture_on_durable,
		.on_fatal = fixture_on_fatal};
}

static inline void fixture_open(struct fixture *f, const struct kv_config *config)
{
	char error[512] = "";

	f->durable = 0;
	if (kv_open(config, &f->kv, error, sizeof error))
		fail_msg("%s", error);
}

static inline void fixture_close(struct fixture *f)
{
	kv_close(f->kv);
	f->kv = NULL;
	assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
}

static inline void fixture_wait(struct fixture *f, uint64_t ticket)
{
	while (f->durable < ticket)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static inline void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	strcpy(f->directory, "/tmp/kv-test.XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	assert_int_equal(uv_loop_init(&f->loop), 0);
}

static inline void fixture_fini(struct fixture *f)
{
	assert_int_equal(uv_loop_close(&f->loop), 0);
	nftw(f->directory, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline uint64_t history_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* What entry `index` of `term` holds. */
static inline size_t history_payload(uint64_t index, uint64_t term, uint8_t ret_payload[1024])
{
	uint64_t seed = index * 1000003 + term;
	size_t bytes = (size_t)(history_random(&seed) % 700);

	for (size_t i = 0; i < bytes; i++)
		ret_payload[i] = (uint8_t)(history_random(&seed) >> 8);
	return bytes;
}

static inline void history_append(struct history *h, struct kv *kv, uint64_t term)
{
	uint64_t index = h->last ? h->last + 1 : term * 3;
	uint8_t payload[1024];

	h->first = h->last ? h->first : index;
	h->last = index;
	h->term[index % HISTORY_ENTRIES] = term;
	if (kv)
		kv_log_append(kv, index, term, 2, payload, history_payload(index, term, payload));
}

static inline void history_cut(struct history *h, struct kv *kv, uint64_t random)
{
	uint64_t count = h->last ? h->last - h->first + 1 : 0;

	if (count > 8 && random % 16 == 0) {
		uint64_t from = h->last - random / 16 % 6;

		h->last = from - 1;
		if (kv)
			kv_log_truncate(kv, from);
	} else if (count > 200) {
		h->first = h->last - 50;
		if (kv)
			kv_log_compact(kv, h->first - 1);
	} else if (random % 512 == 1) { /* as when a snapshot comes in */
		h->first = h->last = 0;
		memset(h->value, 0, sizeof h->value);
		if (kv) {
			kv_log_clear(kv);
			kv_state_clear(kv);
		}
	}
}

/* Writes and removes of the journal, which no clearing of the state touches. */
static inline void history_journal(struct history *h, struct kv *kv, uint64_t *seed)
{
	for (uint64_t count = history_random(seed) % 4; count; count--) {
		uint8_t key = (uint8_t)(history_random(seed) % HISTORY_KEYS);
		bool remove_it = history_random(seed) % 3 == 0;

		h->journal[key] = remove_it ? 0 : h->unit;
		if (kv)
			kv_journal_put(kv, &key, 1, (const uint8_t *)&h->unit,
				remove_it ? 0 : sizeof h->unit);
	}
}

/* Make the next unit; kv NULL: only in memory. */
static inline void history_step(struct history *h, struct kv *kv)
{
	uint64_t seed = ++h->unit, count;

	history_cut(h, kv, history_random(&seed));
	for (count = history_random(&seed) % 6; count; count--)
		history_append(h, kv, h->unit);
	for (count = history_random(&seed) % 5; count; count--) {
		uint8_t key = (uint8_t)(history_random(&seed) % HISTORY_KEYS);
		bool remove_it = history_random(&seed) % 8 == 0;

		h->value[key] = remove_it ? 0 : h->unit;
		if (kv && remove_it)
			kv_state_remove(kv, &key, 1);
		else if (kv)
			kv_state_put(kv, &key, 1, (const uint8_t *)&h->unit, sizeof h->unit);
	}
	history_journal(h, kv, &seed);
	if (kv)
		kv_meta_put(kv, "unit", (const uint8_t *)&h->unit, sizeof h->unit);
}

/* The last unit that is on the disk. */
static inline uint64_t history_stored(struct kv *kv)
{
	uint64_t unit = 0;
	size_t bytes;
	int error = kv_meta_get(kv, "unit", (uint8_t *)&unit, sizeof unit, &bytes);

	if (error != -ENOENT)
		assert_int_equal(error, 0);
	return unit;
}

static inline bool history_visit(void *left_of, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes)
{
	uint64_t *left = left_of, unit;

	assert_int_equal(key_bytes, 1);
	assert_int_equal(value_bytes, sizeof unit);
	assert_in_range(*key, 0, HISTORY_KEYS - 1);
	memcpy(&unit, value, sizeof unit);
	assert_int_equal(unit, left[*key]);
	left[*key] = 0;
	return true;
}

/* All that is on the disk is exactly what the history says. */
static inline void history_check(const struct history *h, struct kv *kv)
{
	struct history left = *h;
	uint64_t first, last;
	uint8_t payload[1024];

	assert_int_equal(history_stored(kv), h->unit);
	assert_int_equal(kv_state_each(kv, history_visit, left.value), 0);
	assert_int_equal(kv_journal_each(kv, history_visit, left.journal), 0);
	for (unsigned i = 0; i < HISTORY_KEYS; i++) {
		assert_int_equal(left.value[i], 0);
		assert_int_equal(left.journal[i], 0);
	}
	kv_log_range(kv, &first, &last);
	assert_int_equal(last, h->last);
	if (last)
		assert_int_equal(first, h->first);
	for (uint64_t i = first; last && i <= last; i++) {
		struct kv_entry entry;
		size_t bytes = history_payload(i, h->term[i % HISTORY_ENTRIES], payload);

		assert_int_equal(kv_log_get(kv, i, &entry), 0);
		assert_int_equal(entry.index, i);
		assert_int_equal(entry.term, h->term[i % HISTORY_ENTRIES]);
		assert_int_equal(entry.type, 2);
		assert_int_equal(entry.payload_bytes, bytes);
		assert_memory_equal(entry.payload, payload, bytes);
		kv_entry_fini(&entry);
	}
}

#endif
