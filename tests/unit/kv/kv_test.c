/* Log, state, meta and journal: what is queued becomes durable in order, as units, and is there
 * after a restart. */
#include "tests/unit/kv/kv_fixture.h"
#include <lmdb.h>

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture_init(&fixture);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_fini(*state);
	return 0;
}

static const uint8_t *bytes_of(const char *text)
{
	return (const uint8_t *)text;
}

static void opened(struct fixture *f)
{
	struct kv_config config = fixture_config(f);

	fixture_open(f, &config);
}

static void an_empty_store_has_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t first = 1, last = 1;
	struct kv_entry entry;
	uint8_t *value, buffer[8];
	size_t bytes;

	opened(f);
	kv_log_range(f->kv, &first, &last);
	assert_int_equal(first, 0);
	assert_int_equal(last, 0);
	assert_int_equal(kv_log_get(f->kv, 1, &entry), -ENOENT);
	assert_int_equal(kv_state_get(f->kv, bytes_of("k"), 1, &value, &bytes), -ENOENT);
	assert_int_equal(kv_meta_get(f->kv, "vote", buffer, sizeof buffer, &bytes), -ENOENT);
	assert_int_equal(kv_backlog_bytes(f->kv), 0);
	assert_true(kv_room_bytes(f->kv) > 0);
	fixture_close(f);
}

static void reads_see_a_write_only_once_it_is_durable(void **state)
{
	struct fixture *f = *state;
	uint64_t ticket, first, last;
	struct kv_entry entry;

	opened(f);
	kv_log_append(f->kv, 7, 3, 2, bytes_of("seven"), 5);
	kv_log_range(f->kv, &first, &last);
	assert_int_equal(last, 0);
	assert_int_equal(kv_log_get(f->kv, 7, &entry), -ENOENT);
	assert_true(kv_backlog_bytes(f->kv) > 5);
	ticket = kv_submit(f->kv, true);
	fixture_wait(f, ticket);
	kv_log_range(f->kv, &first, &last);
	assert_int_equal(first, 7);
	assert_int_equal(last, 7);
	assert_int_equal(kv_log_get(f->kv, 7, &entry), 0);
	assert_int_equal(entry.term, 3);
	assert_int_equal(entry.type, 2);
	assert_int_equal(entry.payload_bytes, 5);
	assert_memory_equal(entry.payload, "seven", 5);
	kv_entry_fini(&entry);
	assert_int_equal(kv_backlog_bytes(f->kv), 0);
	fixture_close(f);
}

static void tickets_grow_from_one_and_come_back_in_order(void **state)
{
	struct fixture *f = *state;

	opened(f);
	for (uint64_t i = 1; i <= 1000; i++) {
		kv_log_append(f->kv, i, 1, 2, bytes_of("x"), 1);
		assert_int_equal(kv_submit(f->kv, true), i);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	fixture_wait(f, 1000);
	assert_int_equal(f->durable, 1000);
	assert_in_range(f->calls, 1, 1000);
	fixture_close(f);
}

static void a_ticket_without_writes_is_reported_too(void **state)
{
	struct fixture *f = *state;

	opened(f);
	fixture_wait(f, kv_submit(f->kv, true));
	fixture_wait(f, kv_submit(f->kv, false));
	assert_int_equal(f->durable, 2);
	fixture_close(f);
}

static void unhurried_writes_ride_along_with_an_urgent_one(void **state)
{
	struct fixture *f = *state;
	struct kv_config config = fixture_config(f);
	uint8_t buffer[8];
	size_t bytes;

	config.linger_ms = 3600 * 1000; /* alone they would not be written within this test */
	fixture_open(f, &config);
	kv_meta_put(f->kv, "a", bytes_of("1"), 1);
	kv_submit(f->kv, false);
	kv_meta_put(f->kv, "b", bytes_of("2"), 1);
	fixture_wait(f, kv_submit(f->kv, true));
	assert_int_equal(f->calls, 1);
	assert_int_equal(kv_meta_get(f->kv, "a", buffer, sizeof buffer, &bytes), 0);
	assert_int_equal(kv_meta_get(f->kv, "b", buffer, sizeof buffer, &bytes), 0);
	fixture_close(f);
}

static void unhurried_writes_do_not_wait_for_ever(void **state)
{
	struct fixture *f = *state;
	struct kv_config config = fixture_config(f);

	config.linger_ms = 20;
	fixture_open(f, &config);
	kv_meta_put(f->kv, "a", bytes_of("1"), 1);
	fixture_wait(f, kv_submit(f->kv, false));
	fixture_close(f);
}

static void closing_writes_all_that_is_queued(void **state)
{
	struct fixture *f = *state;
	uint8_t buffer[8];
	size_t bytes;

	opened(f);
	kv_meta_put(f->kv, "sealed", bytes_of("1"), 1);
	kv_submit(f->kv, false);
	kv_meta_put(f->kv, "open", bytes_of("22"), 2);
	fixture_close(f);
	opened(f);
	assert_int_equal(kv_meta_get(f->kv, "sealed", buffer, sizeof buffer, &bytes), 0);
	assert_int_equal(kv_meta_get(f->kv, "open", buffer, sizeof buffer, &bytes), 0);
	assert_int_equal(bytes, 2);
	assert_int_equal(kv_meta_get(f->kv, "open", buffer, 1, &bytes), -EMSGSIZE);
	fixture_close(f);
}

static void the_log_is_cut_at_both_ends(void **state)
{
	struct fixture *f = *state;
	uint64_t first, last;

	opened(f);
	for (uint64_t i = 1; i <= 100; i++)
		kv_log_append(f->kv, i, 1, 2, NULL, 0);
	kv_log_truncate(f->kv, 91);
	kv_log_truncate(f->kv, 500); /* nothing there: no change */
	kv_log_append(f->kv, 91, 2, 2, NULL, 0);
	kv_log_compact(f->kv, 40);
	kv_log_compact(f->kv, 3);
	fixture_wait(f, kv_submit(f->kv, true));
	kv_log_range(f->kv, &first, &last);
	assert_int_equal(first, 41);
	assert_int_equal(last, 91);
	kv_log_compact(f->kv, 1000); /* all of it; the next index may then be any */
	kv_log_append(f->kv, 5000, 2, 2, NULL, 0);
	kv_log_clear(f->kv);
	kv_log_append(f->kv, 600, 2, 2, NULL, 0);
	kv_log_append(f->kv, 601, 2, 2, NULL, 0);
	fixture_wait(f, kv_submit(f->kv, true));
	kv_log_range(f->kv, &first, &last);
	assert_int_equal(first, 600);
	assert_int_equal(last, 601);
	kv_log_truncate(f->kv, 1);
	fixture_wait(f, kv_submit(f->kv, true));
	kv_log_range(f->kv, &first, &last);
	assert_int_equal(last, 0);
	fixture_close(f);
}

static bool join_keys(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	char *joined = ctx;

	(void)value, (void)value_bytes;
	strncat(joined, (const char *)key, key_bytes);
	return strlen(joined) < 8;
}

static void state_is_visited_in_key_order_by_prefix_and_until_told_to_stop(void **state)
{
	struct fixture *f = *state;
	const char *keys[] = {"b1", "a2", "b3", "a1", "c1", "b2"};
	uint8_t *value;
	size_t bytes;

	opened(f);
	for (unsigned i = 0; i < 6; i++)
		kv_state_put(f->kv, bytes_of(keys[i]), 2, bytes_of("v"), 1);
	kv_state_remove(f->kv, bytes_of("a2"), 2);
	kv_state_remove(f->kv, bytes_of("zz"), 2);
	kv_state_put(f->kv, bytes_of("a1"), 2, NULL, 0);
	fixture_wait(f, kv_submit(f->kv, true));
	char all[16] = "", some[16] = "", none[16] = "";
	assert_int_equal(kv_state_each(f->kv, join_keys, all), 0);
	assert_string_equal(all, "a1b1b2b3");
	assert_int_equal(kv_state_each_prefix(f->kv, bytes_of("b"), 1, join_keys, some), 0);
	assert_string_equal(some, "b1b2b3");
	assert_int_equal(kv_state_each_prefix(f->kv, bytes_of("d"), 1, join_keys, none), 0);
	assert_string_equal(none, "");
	assert_int_equal(kv_state_get(f->kv, bytes_of("a1"), 2, &value, &bytes), 0);
	assert_int_equal(bytes, 0);
	free(value);
	kv_state_clear(f->kv);
	fixture_wait(f, kv_submit(f->kv, true));
	assert_int_equal(kv_state_each(f->kv, join_keys, none), 0);
	assert_string_equal(none, "");
	fixture_close(f);
}

struct visited {
	unsigned count, stop_at;
	char keys[64];
};

static bool visit_key(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct visited *visited = ctx;
	size_t at = strlen(visited->keys);

	snprintf(visited->keys + at, sizeof visited->keys - at, "%.*s=%.*s ", (int)key_bytes, key,
		(int)value_bytes, value);
	return ++visited->count != visited->stop_at;
}

static void journal_is(struct fixture *f, unsigned stop_at, const char *expected)
{
	struct visited visited = {.stop_at = stop_at};

	assert_int_equal(kv_journal_each(f->kv, visit_key, &visited), 0);
	assert_string_equal(visited.keys, expected);
}

static void the_journal_is_the_nodes_own_and_outlives_the_state(void **state)
{
	struct fixture *f = *state;
	uint8_t *value;
	size_t bytes;

	opened(f);
	kv_journal_put(f->kv, bytes_of("b"), 1, bytes_of("2"), 1);
	kv_journal_put(f->kv, bytes_of("a"), 1, bytes_of("1"), 1);
	kv_state_put(f->kv, bytes_of("s"), 1, bytes_of("x"), 1);
	journal_is(f, 0, ""); /* only what is durable */
	fixture_wait(f, kv_submit(f->kv, true));
	journal_is(f, 0, "a=1 b=2 ");
	journal_is(f, 1, "a=1 ");
	assert_int_equal(kv_state_get(f->kv, bytes_of("a"), 1, &value, &bytes), -ENOENT);
	kv_state_clear(f->kv);
	kv_log_clear(f->kv);
	kv_journal_put(f->kv, bytes_of("c"), 1, bytes_of("3"), 1);
	kv_journal_put(f->kv, bytes_of("a"), 1, NULL, 0);
	kv_journal_put(f->kv, bytes_of("never"), 5, NULL, 0);
	fixture_wait(f, kv_submit(f->kv, true));
	assert_int_equal(kv_state_get(f->kv, bytes_of("s"), 1, &value, &bytes), -ENOENT);
	journal_is(f, 0, "b=2 c=3 ");
	fixture_close(f);
	opened(f);
	journal_is(f, 0, "b=2 c=3 ");
	fixture_close(f);
}

/* As an earlier version left it: with three databases. */
static void a_file_without_a_journal_gets_one(void **state)
{
	struct fixture *f = *state;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	uint8_t *value;
	size_t bytes;

	opened(f);
	kv_state_put(f->kv, bytes_of("k"), 1, bytes_of("v"), 1);
	fixture_close(f);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
	assert_int_equal(mdb_env_open(env, f->directory, 0, 0640), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "journal", 0, &dbi), 0);
	assert_int_equal(mdb_drop(txn, dbi, 1), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	opened(f);
	journal_is(f, 0, "");
	assert_int_equal(kv_state_get(f->kv, bytes_of("k"), 1, &value, &bytes), 0);
	free(value);
	kv_journal_put(f->kv, bytes_of("a"), 1, bytes_of("1"), 1);
	fixture_wait(f, kv_submit(f->kv, true));
	journal_is(f, 0, "a=1 ");
	fixture_close(f);
}

static void large_values_and_large_units_pass(void **state)
{
	struct fixture *f = *state;
	size_t bytes = 8 << 20;
	uint8_t *payload = malloc(bytes), *value, key[4] = {0};
	struct kv_entry entry;
	size_t got;

	assert_non_null(payload);
	for (size_t i = 0; i < bytes; i++)
		payload[i] = (uint8_t)(i * 7 + i / 253);
	opened(f);
	kv_log_append(f->kv, 1, 1, 2, payload, bytes);
	for (uint32_t i = 0; i < 20000; i++) {
		memcpy(key, &i, sizeof key);
		kv_state_put(f->kv, key, sizeof key, payload + i, 300);
	}
	fixture_wait(f, kv_submit(f->kv, true));
	assert_int_equal(kv_log_get(f->kv, 1, &entry), 0);
	assert_int_equal(entry.payload_bytes, bytes);
	assert_memory_equal(entry.payload, payload, bytes);
	kv_entry_fini(&entry);
	assert_int_equal(kv_state_get(f->kv, key, sizeof key, &value, &got), 0);
	assert_int_equal(got, 300);
	assert_memory_equal(value, payload + 19999, 300);
	free(value);
	free(payload);
	fixture_close(f);
}

static void a_long_history_survives_restarts_byte_for_byte(void **state)
{
	struct fixture *f = *state;
	struct history *h = calloc(1, sizeof *h);

	assert_non_null(h);
	for (unsigned restart = 0; restart < 4; restart++) {
		uint64_t ticket = 0;

		opened(f);
		history_check(h, f->kv);
		for (unsigned i = 0; i < 700; i++) {
			history_step(h, f->kv);
			ticket = kv_submit(f->kv, i % 7 == 0);
			uv_run(&f->loop, UV_RUN_NOWAIT);
		}
		fixture_wait(f, ticket);
		history_check(h, f->kv);
		fixture_close(f);
	}
	free(h);
}

struct reader {
	struct kv *kv;
	uv_thread_t thread;
	atomic_bool *stop;
	uint64_t rounds, torn;
};

struct same {
	uint64_t unit, differ;
};

static bool is_same(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct same *same = ctx;
	uint64_t unit;

	(void)key, (void)key_bytes, (void)value_bytes;
	memcpy(&unit, value, sizeof unit);
	same->differ += unit != same->unit;
	return true;
}

static void read_until_told(void *arg)
{
	struct reader *r = arg;

	do {
		struct same same = {0};
		size_t bytes;

		if (kv_snapshot_each(r->kv, "unit", (uint8_t *)&same.unit, sizeof same.unit, &bytes,
			    is_same, &same))
			r->torn++;
		r->torn += same.differ != 0;
		r->rounds++;
	} while (!atomic_load(r->stop));
}

static void readers_on_other_threads_see_whole_units(void **state)
{
	struct fixture *f = *state;
	struct reader reader[3];
	atomic_bool stop = false;

	opened(f);
	for (uint64_t unit = 1; unit <= 400; unit++) {
		for (uint8_t key = 0; key < 50; key++)
			kv_state_put(f->kv, &key, 1, (const uint8_t *)&unit, sizeof unit);
		kv_meta_put(f->kv, "unit", (const uint8_t *)&unit, sizeof unit);
		fixture_wait(f, kv_submit(f->kv, true));
		for (unsigned i = 0; unit == 1 && i < 3; i++) {
			reader[i] = (struct reader){.kv = f->kv, .stop = &stop};
			assert_int_equal(
				uv_thread_create(&reader[i].thread, read_until_told, &reader[i]),
				0);
		}
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 3; i++) {
		uv_thread_join(&reader[i].thread);
		assert_int_equal(reader[i].torn, 0);
		assert_true(reader[i].rounds > 0);
	}
	fixture_close(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(an_empty_store_has_nothing),
		T(reads_see_a_write_only_once_it_is_durable),
		T(tickets_grow_from_one_and_come_back_in_order),
		T(a_ticket_without_writes_is_reported_too),
		T(unhurried_writes_ride_along_with_an_urgent_one),
		T(unhurried_writes_do_not_wait_for_ever),
		T(closing_writes_all_that_is_queued),
		T(the_log_is_cut_at_both_ends),
		T(state_is_visited_in_key_order_by_prefix_and_until_told_to_stop),
		T(the_journal_is_the_nodes_own_and_outlives_the_state),
		T(a_file_without_a_journal_gets_one),
		T(large_values_and_large_units_pass),
		T(a_long_history_survives_restarts_byte_for_byte),
		T(readers_on_other_threads_see_whole_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
