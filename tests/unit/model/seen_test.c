/* What is known of the machines on the segment. */
#include "tests/unit/model/model_kit.h"

static int setup(void **state)
{
	struct kit *kit = calloc(1, sizeof(*kit));
	assert_non_null(kit);
	kit_init(kit);
	kit_at(kit, 1000);
	*state = kit;
	return 0;
}

static int teardown(void **state)
{
	struct kit *kit = *state;
	kit_fini(kit);
	free(kit);
	return 0;
}

/* Of a test that wrote no disk, for speed. */
static int teardown_diskless(void **state)
{
	struct kit *kit = *state;
	model_free(kit->model);
	kit_disk_fini(&kit->disk);
	free(kit);
	return 0;
}

static Pxe__Verdict see(struct kit *kit, Pxe__Machine **machines, size_t count)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Seen seen = PXE__SEEN__INIT;
	seen.machines = machines;
	seen.n_machines = count;
	command.op_case = PXE__COMMAND__OP_SEEN;
	command.seen = &seen;
	return kit_apply(kit, &command);
}

static Pxe__Verdict see_one(struct kit *kit, unsigned n, Pxe__Machine *machine)
{
	uint8_t mac[6];
	kit_mac(n, mac);
	machine->mac = kit_bytes(mac, 6);
	return see(kit, &machine, 1);
}

static const Pxe__Machine *seen(const struct kit *kit, unsigned n)
{
	uint8_t mac[6];
	kit_mac(n, mac);
	return model_machine_seen(kit->model, mac, 6);
}

static void test_news_add_to_what_is_known(void **state)
{
	struct kit *kit = *state;
	uint64_t revision = model_revision(kit->model);
	Pxe__Machine first = PXE__MACHINE__INIT, next = PXE__MACHINE__INIT;
	first.has_arch = true;
	first.arch = 7;
	first.vendor_class = (char *)(uintptr_t) "PXEClient:Arch:00007";
	kit_expect(kit, see_one(kit, 1, &first), V(OK), "");
	assert_int_equal(seen(kit, 1)->first_ms, kit->now_ms);
	kit_at(kit, 5000);
	next.hostname = (char *)(uintptr_t) "n1";
	next.boot_ms = kit->now_ms;
	next.profile = (char *)(uintptr_t) "install";
	next.node = (char *)(uintptr_t) "pxe1";
	kit_expect(kit, see_one(kit, 1, &next), V(OK), "");
	assert_int_equal(seen(kit, 1)->first_ms, KIT_START_MS + 1000);
	assert_int_equal(seen(kit, 1)->last_ms, KIT_START_MS + 5000);
	assert_int_equal(seen(kit, 1)->arch, 7);
	assert_string_equal(seen(kit, 1)->vendor_class, "PXEClient:Arch:00007");
	assert_string_equal(seen(kit, 1)->hostname, "n1");
	assert_string_equal(seen(kit, 1)->profile, "install");
	assert_int_equal(model_revision(kit->model), revision);
	kit_assert_disk_is(&kit->disk, kit->model);
}

static void test_hostile_texts_are_left_out(void **state)
{
	struct kit *kit = *state;
	Pxe__Machine machine = PXE__MACHINE__INIT, *none = &machine;
	machine.vendor_class = (char *)(uintptr_t) "a\033[2Jb";
	machine.hostname = (char *)(uintptr_t) "$(reboot)";
	machine.last_ms = UINT64_MAX;
	kit_expect(kit, see_one(kit, 1, &machine), V(OK), "");
	assert_string_equal(seen(kit, 1)->vendor_class, "");
	assert_string_equal(seen(kit, 1)->hostname, "");
	assert_int_equal(seen(kit, 1)->last_ms, kit->now_ms);
	machine.mac.len = 0;
	kit_expect(kit, see(kit, &none, 1), V(INVALID), "no hardware address");
}

static void test_a_flood_drops_the_oldest_that_nobody_declared(void **state)
{
	struct kit *kit = *state;
	kit_expect(kit, kit_host(kit, "n1", 1, 0, NULL), V(OK), "");
	for (unsigned n = 1; n <= MODEL_MACHINES_MAX + 500; n++) {
		Pxe__Machine machine = PXE__MACHINE__INIT;
		kit_at(kit, 1000 + n);
		assert_int_equal(see_one(kit, n, &machine), V(OK));
	}
	assert_non_null(seen(kit, 1)); /* the oldest of all, but declared */
	assert_null(seen(kit, 2));
	assert_null(seen(kit, 501));
	assert_non_null(seen(kit, 502));
	assert_non_null(seen(kit, MODEL_MACHINES_MAX + 500));
}

/* As a host with this machine's UUID, and no hardware address. */
static void declare_by_uuid(struct kit *kit, const char *name, uint8_t *uuid)
{
	Pxe__Host host = PXE__HOST__INIT;
	host.name = (char *)(uintptr_t)name;
	host.uuid = kit_bytes(uuid, 16);
	kit_expect(kit, kit_put_host(kit, &host), V(OK), "");
}

static void fill(struct kit *kit, unsigned first, unsigned count)
{
	for (unsigned n = first; n < first + count; n++) {
		Pxe__Machine machine = PXE__MACHINE__INIT;
		kit_at(kit, kit->now_ms + 1 - KIT_START_MS);
		assert_int_equal(see_one(kit, n, &machine), V(OK));
	}
}

static void test_a_machine_that_is_nobodys_any_more_goes(void **state)
{
	struct kit *kit = *state;
	uint8_t uuid[16] = {7};
	Pxe__Machine by_uuid = PXE__MACHINE__INIT;
	kit->sink = (struct model_sink){0};
	kit_expect(kit, kit_host(kit, "n1", 1, 0, NULL), V(OK), "");
	declare_by_uuid(kit, "n2", uuid);
	fill(kit, 1, 1);
	by_uuid.uuid = kit_bytes(uuid, 16);
	kit_expect(kit, see_one(kit, 2, &by_uuid), V(OK), "");
	fill(kit, 3, MODEL_MACHINES_MAX);
	assert_non_null(seen(kit, 1));
	assert_non_null(seen(kit, 2));
	assert_null(seen(kit, 4));
	assert_non_null(seen(kit, 5));
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_HOST, "n1", false), V(OK), "");
	fill(kit, MODEL_MACHINES_MAX + 10, 1);
	assert_null(seen(kit, 1));
	assert_non_null(seen(kit, 2));
	assert_non_null(seen(kit, 5));
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_HOST, "n2", false), V(OK), "");
	fill(kit, MODEL_MACHINES_MAX + 11, 1);
	assert_null(seen(kit, 2));
	assert_non_null(seen(kit, 5));
}

/* What goes depends on the records alone: a node that was started since says the same. */
static void test_a_flood_is_the_same_on_a_node_that_was_started_since(void **state)
{
	struct kit *kit = *state;
	struct kit_disk dump = {0};
	kit->sink = (struct model_sink){0};
	kit_expect(kit, kit_host(kit, "n1", 1, 0, NULL), V(OK), "");
	kit_expect(kit, kit_host(kit, "n7", 7, 0, NULL), V(OK), "");
	fill(kit, 1, MODEL_MACHINES_MAX + 5);
	kit_dump(kit->model, &dump);
	struct model *twin = kit_load(&dump);
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_HOST, "n1", false), V(OK), "");
	fill(kit, 50000, 10);
	struct kit other = {.model = twin, .now_ms = kit->now_ms - 10};
	kit_expect(
		&other, kit_delete(&other, PXE__OBJECT_KIND__OBJECT_HOST, "n1", false), V(OK), "");
	fill(&other, 50000, 10);
	kit_assert_same_digest(kit->model, twin);
	model_free(twin);
	kit_disk_fini(&dump);
}

static void test_where_all_are_declared_no_stranger_is_kept(void **state)
{
	struct kit *kit = *state;
	char name[16];
	kit->sink = (struct model_sink){0};
	for (unsigned n = 1; n <= MODEL_MACHINES_MAX + 1; n++) {
		snprintf(name, sizeof(name), "n%u", n);
		kit_expect(kit, kit_host(kit, name, n, 0, NULL), V(OK), "");
	}
	fill(kit, 1, MODEL_MACHINES_MAX);
	fill(kit, 50000, 3);
	assert_null(seen(kit, 50002));
	assert_non_null(seen(kit, 1));
	fill(kit, MODEL_MACHINES_MAX + 1, 1);
	assert_null(seen(kit, 1));
	assert_non_null(seen(kit, 2));
	assert_non_null(seen(kit, MODEL_MACHINES_MAX + 1));
}

static void test_a_machine_can_be_forgotten(void **state)
{
	struct kit *kit = *state;
	Pxe__Machine machine = PXE__MACHINE__INIT;
	uint8_t mac[6];
	char text[TEXT_HWADDR_BYTES];
	kit_mac(1, mac);
	text_hwaddr_format(mac, 6, text);
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_MACHINE, text, false),
		V(NOT_FOUND), "was seen");
	kit_expect(kit, see_one(kit, 1, &machine), V(OK), "");
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_MACHINE, text, false), V(OK), "");
	assert_null(seen(kit, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_news_add_to_what_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_texts_are_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_flood_drops_the_oldest_that_nobody_declared, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_machine_that_is_nobodys_any_more_goes, setup, teardown_diskless),
		cmocka_unit_test_setup_teardown(
			test_a_flood_is_the_same_on_a_node_that_was_started_since, setup,
			teardown_diskless),
		cmocka_unit_test_setup_teardown(
			test_where_all_are_declared_no_stranger_is_kept, setup, teardown_diskless),
		cmocka_unit_test_setup_teardown(test_a_machine_can_be_forgotten, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
