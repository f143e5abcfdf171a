/* A command that comes twice is applied once. */
#include "tests/unit/model/model_kit.h"

/* A proposal of this identity that changes nothing else. */
static Pxe__Verdict propose(struct kit *kit, uint64_t origin, uint64_t incarnation, uint64_t seq)
{
	Pxe__Sweep sweep = PXE__SWEEP__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	command.origin = origin;
	command.incarnation = incarnation;
	command.seq = seq;
	command.op_case = PXE__COMMAND__OP_SWEEP;
	command.sweep = &sweep;
	return kit_apply(kit, &command);
}

static void test_window_edges(void **state)
{
	(void)state;
	static const struct {
		uint64_t incarnation, seq;
		Pxe__Verdict expected;
	} rows[] = {
		{5, 10, V(OK)},
		{5, 10, V(DUPLICATE)},
		{5, 9, V(OK)}, /* overtaken, but new */
		{5, 9, V(DUPLICATE)},
		{4, 11, V(DUPLICATE)}, /* an earlier life of the node */
		{5, 0, V(OK)},
		{5, MODEL_WINDOW + 8, V(OK)},
		{5, 9, V(DUPLICATE)}, /* the oldest of the window, seen */
		{5, 11, V(OK)},       /* not seen */
		{5, 8, V(DUPLICATE)}, /* below the window: cannot be told */
		{5, 1000000, V(OK)},
		{5, 1000000 - MODEL_WINDOW, V(DUPLICATE)},
		{5, 1000000 - MODEL_WINDOW + 1, V(OK)},
		{5, 1000000 - MODEL_WINDOW + 1, V(DUPLICATE)},
		{5, UINT64_MAX, V(OK)},
		{5, UINT64_MAX, V(DUPLICATE)},
		{5, UINT64_MAX - 1, V(OK)},
		{6, 1, V(OK)}, /* restarted: numbers begin again */
		{5, UINT64_MAX - 2, V(DUPLICATE)},
		{6, 1, V(DUPLICATE)},
		{6, 2, V(OK)},
	};
	struct kit kit;
	kit_init(&kit);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (propose(&kit, 1, rows[i].incarnation, rows[i].seq) != rows[i].expected)
			fail_msg("row %zu: verdict %d", i, (int)kit.result.verdict);
	}
	kit_fini(&kit);
}

static void test_shuffled_and_repeated_proposals_apply_once(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	uint64_t seed = 7;
	unsigned applied[600] = {0};
	for (unsigned i = 0; i < 6000; i++) {
		/* Within the window of what came before. */
		uint64_t seq = i / 10 < 300 ? kit_below(&seed, i / 10 + 1) : kit_below(&seed, 600);
		applied[seq] += propose(&kit, 1, 1, seq) == V(OK);
	}
	for (unsigned i = 0; i < 600; i++)
		assert_true(applied[i] <= 1);
	kit_fini(&kit);
}

static void test_no_member_no_window(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(propose(&kit, 0, 1, 1), V(OK));
	assert_int_equal(propose(&kit, 0, 1, 1), V(OK));
	uint8_t key[RECORD_KEY_MAX];
	assert_int_equal(propose(&kit, 99, 1, 1), V(OK));
	size_t bytes = record_key_u64(RECORD_WINDOW, 99, key);
	assert_int_equal(kit_disk_find(&kit.disk, key, bytes), kit.disk.count);
	assert_int_equal(propose(&kit, 1, 1, 1), V(OK));
	bytes = record_key_u64(RECORD_WINDOW, 1, key);
	assert_true(kit_disk_find(&kit.disk, key, bytes) < kit.disk.count);
	kit_fini(&kit);
}

static Pxe__Verdict request(struct kit *kit, uint64_t id, const char *host, size_t id_bytes)
{
	uint8_t bytes[16] = {0}, mac[6];
	memcpy(bytes, &id, sizeof(id));
	Pxe__Host object = PXE__HOST__INIT;
	ProtobufCBinaryData macs[1];
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	kit_mac((unsigned)id + 1000, mac);
	macs[0] = kit_bytes(mac, 6);
	object.name = (char *)(uintptr_t)host;
	object.mac = macs;
	object.n_mac = 1;
	put.precondition = PXE__PRECONDITION__PUT_CREATE;
	put.object_case = PXE__PUT__OBJECT_HOST;
	put.host = &object;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	command.request_id = kit_bytes(bytes, id_bytes);
	return kit_apply(kit, &command);
}

static void test_a_repeated_request_has_the_first_answer(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(request(&kit, 1, "n01", 16), V(OK));
	uint64_t revision = kit.result.revision;
	assert_int_equal(request(&kit, 2, "n01", 16), V(EXISTS));
	char detail[240];
	snprintf(detail, sizeof(detail), "%s", kit.result.detail);
	assert_int_equal(kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_HOST, "n01", false), V(OK));
	assert_int_equal(request(&kit, 1, "n01", 16), V(OK)); /* not made again */
	assert_int_equal(kit.result.revision, revision);
	assert_null(model_host(kit.model, "n01"));
	assert_int_equal(request(&kit, 2, "n01", 16), V(EXISTS)); /* refusals are answers too */
	assert_string_equal(kit.result.detail, detail);
	assert_int_equal(request(&kit, 3, "n01", 15), V(INVALID));
	assert_int_equal(request(&kit, 3, "n01", 16), V(OK));
	kit_fini(&kit);
}

/* Requests that do nothing but be remembered, and no slow disk. */
static Pxe__Verdict small_request(struct model *model, uint64_t id, struct model_result *result)
{
	uint8_t bytes[16] = {0};
	memcpy(bytes, &id, sizeof(id));
	Pxe__Sweep sweep = PXE__SWEEP__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	command.op_case = PXE__COMMAND__OP_SWEEP;
	command.sweep = &sweep;
	command.request_id = kit_bytes(bytes, 16);
	model_apply(model, &command, NULL, result);
	return result->verdict;
}

static bool is_remembered(const struct model *model, uint64_t id)
{
	uint8_t bytes[16] = {0};
	memcpy(bytes, &id, sizeof(id));
	return model_request(model, bytes) != NULL;
}

static void test_the_oldest_requests_are_forgotten_first(void **state)
{
	(void)state;
	struct kit kit;
	struct model_result result;
	kit_init(&kit);
	for (uint64_t id = 1; id <= MODEL_REQUESTS_MAX; id++)
		assert_int_equal(small_request(kit.model, id, &result), V(OK));
	assert_true(is_remembered(kit.model, 1));
	small_request(kit.model, 1, &result); /* a repetition does not make it younger */
	small_request(kit.model, 100001, &result);
	assert_false(is_remembered(kit.model, 1));
	assert_true(is_remembered(kit.model, 2));
	/* The same order after a restart. */
	struct kit_disk disk = {0};
	kit_dump(kit.model, &disk);
	struct model *loaded = kit_load(&disk);
	for (uint64_t id = 200000; id < 200010; id++) {
		small_request(kit.model, id, &result);
		small_request(loaded, id, &result);
		kit_assert_same_digest(kit.model, loaded);
	}
	assert_false(is_remembered(loaded, 11));
	assert_true(is_remembered(loaded, 12));
	model_free(loaded);
	kit_disk_fini(&disk);
	model_free(kit.model);
	kit_disk_fini(&kit.disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_edges),
		cmocka_unit_test(test_shuffled_and_repeated_proposals_apply_once),
		cmocka_unit_test(test_no_member_no_window),
		cmocka_unit_test(test_a_repeated_request_has_the_first_answer),
		cmocka_unit_test(test_the_oldest_requests_are_forgotten_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
