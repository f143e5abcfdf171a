/* Which boot menus a profile may have, and how they go on the wire. */
#include "store/model/menu.h"
#include "tests/unit/model/model_kit.h"

#define ITEMS_MAX 30

/* A profile "choose" with room for items. */
struct fixture {
	struct kit kit;
	Pxe__Profile profile;
	Pxe__PxeMenu menu;
	Pxe__PxeItem item[ITEMS_MAX];
	Pxe__PxeItem *items[ITEMS_MAX];
	Pxe__Put put;
};

static char *text(const char *t)
{
	return (char *)(uintptr_t)t;
}

static void add(struct fixture *f, const char *line, const char *profile)
{
	Pxe__PxeItem *item = &f->item[f->menu.n_items];
	pxe__pxe_item__init(item);
	item->text = text(line);
	item->profile = text(profile);
	f->items[f->menu.n_items++] = item;
}

static void put_local(struct fixture *f, const char *name)
{
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	profile.name = text(name);
	profile.local = true;
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &profile;
	kit_expect(&f->kit, kit_put(&f->kit, &put), V(OK), "");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	assert_non_null(f);
	kit_init(&f->kit);
	put_local(f, "a");
	put_local(f, "b");
	pxe__profile__init(&f->profile);
	pxe__pxe_menu__init(&f->menu);
	pxe__put__init(&f->put);
	f->profile.name = text("choose");
	f->profile.menu = &f->menu;
	f->menu.items = f->items;
	f->put.object_case = PXE__PUT__OBJECT_PROFILE;
	f->put.profile = &f->profile;
	add(f, "Install", "a");
	add(f, "Local disk", "local");
	add(f, "Rescue", "b");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	kit_fini(&f->kit);
	free(f);
	return 0;
}

static void expect(struct fixture *f, Pxe__Verdict verdict, const char *detail)
{
	kit_expect(&f->kit, kit_put(&f->kit, &f->put), verdict, detail);
}

static void test_items_are_numbered_by_place(void **state)
{
	struct fixture *f = *state;
	expect(f, V(OK), "");
	assert_int_equal(menu_item_type(&f->menu, 0), 0x8001);
	assert_int_equal(menu_item_type(&f->menu, 1), 0);
	assert_int_equal(menu_item_type(&f->menu, 2), 0x8003);
	f->item[2].type = 15;
	assert_int_equal(menu_item_type(&f->menu, 2), 15);
	assert_ptr_equal(menu_item_of_type(&f->menu, 15), &f->item[2]);
	assert_null(menu_item_of_type(&f->menu, 0x8003));
}

static void test_a_menu_needs_items_that_boot_something(void **state)
{
	struct fixture *f = *state;
	uint8_t ip[4] = {10, 0, 0, 9};
	ProtobufCBinaryData server = {sizeof ip, ip};
	f->item[0].profile = text("nowhere");
	expect(f, V(INVALID), "profile of a menu item ('nowhere') does not exist");
	f->item[0].profile = text("choose"); /* the one that it stands in */
	expect(f, V(OK), "");
	f->item[0].profile = text("");
	expect(f, V(INVALID), "menu item 'Install' boots nothing");
	f->item[0].type = 15;
	expect(f, V(INVALID), "menu item 'Install' boots nothing");
	f->item[0].n_server_ip = 1;
	f->item[0].server_ip = &server;
	expect(f, V(OK), "");
	f->item[0].text = text("");
	expect(f, V(INVALID), "item 1 of the menu of profile choose has no text");
	f->menu.n_items = 0;
	expect(f, V(INVALID), "has 0 items");
}

static void test_types_are_unique(void **state)
{
	struct fixture *f = *state;
	f->item[2].type = 0x8001;
	expect(f, V(INVALID), "two items of the menu have type 32769: 'Rescue'");
	f->item[2].type = 0x10000;
	expect(f, V(INVALID), "menu item 'Rescue' has type 65536");
}

static void test_prompt_timeout_and_multicast_are_judged(void **state)
{
	struct fixture *f = *state;
	uint8_t ip[4] = {10, 0, 0, 9};
	f->menu.prompt = text("F8\n");
	expect(f, V(INVALID), "prompt of the menu");
	f->menu.prompt = text("Press F8");
	f->menu.timeout_s = 256;
	expect(f, V(INVALID), "timeout of the menu is 256 s");
	f->menu.timeout_s = 255;
	f->menu.multicast_ip = (ProtobufCBinaryData){sizeof ip, ip};
	expect(f, V(INVALID), "multicast address");
	ip[0] = 239;
	expect(f, V(OK), "");
}

static void test_a_menu_too_long_for_a_rom_is_refused(void **state) /* FIELD 35 */
{
	struct fixture *f = *state;
	for (size_t i = 3; i < 8; i++)
		add(f, "Twenty characters...", "a");
	expect(f, V(OK), "");
	for (size_t i = 8; i < 10; i++)
		add(f, "Twenty characters...", "a");
	assert_false(menu_fits(&f->menu));
	expect(f, V(INVALID), "does not fit into the 255 bytes");
	while (f->menu.n_items < ITEMS_MAX)
		add(f, "x", "a");
	expect(f, V(INVALID), "has 30 items");
}

static void test_the_wire_names_the_cluster_where_no_server_is_given(void **state)
{
	struct fixture *f = *state;
	const uint32_t own[] = {0x0a00000b, 0x0a00000c};
	uint8_t ip[4] = {10, 0, 0, 9};
	ProtobufCBinaryData server = {sizeof ip, ip};
	struct dhcp4_menu wire;
	f->item[2].n_server_ip = 1;
	f->item[2].server_ip = &server;
	menu_fill(&f->menu, own, 2, &wire);
	assert_int_equal(wire.item_count, 3);
	assert_int_equal(wire.item[0].server_count, 2);
	assert_int_equal(wire.item[0].server_ip[1], own[1]);
	assert_int_equal(wire.item[2].server_count, 1);
	assert_int_equal(wire.item[2].server_ip[0], 0x0a000009);
	/* 0: the first item at once. */
	assert_true(wire.has_prompt);
	assert_int_equal(wire.timeout_s, 0);
	f->menu.timeout_s = 255;
	menu_fill(&f->menu, own, 2, &wire);
	assert_false(wire.has_prompt);
	f->menu.timeout_s = 20;
	menu_fill(&f->menu, own, 2, &wire);
	assert_true(wire.has_prompt);
	assert_int_equal(wire.timeout_s, 20);
}

static void test_a_profile_that_a_menu_names_stays(void **state)
{
	struct fixture *f = *state;
	Pxe__ObjectKind kind = PXE__OBJECT_KIND__OBJECT_PROFILE;
	expect(f, V(OK), "");
	kit_expect(&f->kit, kit_delete(&f->kit, kind, "b", false), V(CONFLICT),
		"profile b is used by the menu of profile choose");
	kit_expect(&f->kit, kit_delete(&f->kit, kind, "choose", false), V(OK), "");
	kit_expect(&f->kit, kit_delete(&f->kit, kind, "b", false), V(OK), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_items_are_numbered_by_place),
		TEST(test_a_menu_needs_items_that_boot_something),
		TEST(test_types_are_unique),
		TEST(test_prompt_timeout_and_multicast_are_judged),
		TEST(test_a_menu_too_long_for_a_rom_is_refused),
		TEST(test_the_wire_names_the_cluster_where_no_server_is_given),
		TEST(test_a_profile_that_a_menu_names_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
