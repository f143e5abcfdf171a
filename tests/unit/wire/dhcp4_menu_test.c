/* A PXE boot menu, byte by byte (PXE 2.1 §2.2.2). */
#include "proto/wire/dhcp4_menu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct dhcp4_menu two_items(void)
{
	return (struct dhcp4_menu){
		.has_prompt = true,
		.timeout_s = 10,
		.prompt = "F8",
		.item_count = 2,
		.item = {{DHCP4_MENU_LOCAL, "Disk", 0, {0}}, {0x8002, "Debian", 1, {0x0a000002}}},
	};
}

/* FIELD 37: broadcast and multicast are off unless they are wanted. */
static void test_all_of_a_menu(void **state)
{
	const uint8_t wanted[] = {
		6, 1, 3,                                     /* control */
		8, 7, 0x80, 0x02, 1, 10, 0, 0, 2,            /* servers */
		9, 16, 0, 0, 4, 'D', 'i', 's', 'k',          /* menu */
		0x80, 0x02, 6, 'D', 'e', 'b', 'i', 'a', 'n', /* ... */
		10, 3, 10, 'F', '8',                         /* prompt */
	};
	struct dhcp4_menu menu = two_items();
	struct dhcp4_sub_builder builder = {.size = 0};
	(void)state;
	dhcp4_menu_put(&menu, &builder);
	assert_false(builder.failed);
	assert_int_equal(builder.size, sizeof wanted);
	assert_memory_equal(builder.data, wanted, sizeof wanted);
}

static void expect_control(const struct dhcp4_menu *menu, uint8_t wanted, bool has_multicast)
{
	struct dhcp4_sub_builder builder = {.size = 0};
	const uint8_t *data;
	size_t size;
	dhcp4_menu_put(menu, &builder);
	assert_true(dhcp4_sub_find(DHCP4_SUB_VENDOR, builder.data, builder.size,
		DHCP4_PXE_DISCOVERY_CONTROL, &data, &size));
	assert_int_equal(size, 1);
	assert_int_equal(data[0], wanted);
	assert_int_equal(dhcp4_sub_find(DHCP4_SUB_VENDOR, builder.data, builder.size,
				 DHCP4_PXE_DISCOVERY_MCAST, &data, &size),
		has_multicast);
}

static void test_discovery_control_says_what_is_allowed(void **state) /* FIELD 37 */
{
	struct dhcp4_menu menu = two_items();
	(void)state;
	expect_control(&menu, 3, false);
	menu.broadcast = true;
	expect_control(&menu, 2, false);
	menu.multicast_ip = 0xe0000101;
	expect_control(&menu, 0, true);
	menu.broadcast = false;
	expect_control(&menu, 1, true);
}

static void test_without_a_prompt_there_is_no_such_sub_option(void **state)
{
	struct dhcp4_menu menu = two_items();
	struct dhcp4_sub_builder builder = {.size = 0};
	const uint8_t *data;
	size_t size;
	(void)state;
	menu.has_prompt = false;
	dhcp4_menu_put(&menu, &builder);
	assert_false(dhcp4_sub_find(
		DHCP4_SUB_VENDOR, builder.data, builder.size, DHCP4_PXE_MENU_PROMPT, &data, &size));
}

static void test_what_is_too_long_fails(void **state) /* FIELD 35 */
{
	char text[246];
	struct dhcp4_menu menu = two_items();
	(void)state;
	memset(text, 'x', sizeof text - 1);
	for (size_t bytes = sizeof text - 1; bytes > 0; bytes--) {
		struct dhcp4_sub_builder builder = {.size = 0};
		text[bytes] = '\0';
		menu.item[0].text = text;
		dhcp4_menu_put(&menu, &builder);
		/* 31 bytes are control, servers, prompt, headers, and the other item. */
		assert_int_equal(builder.failed, bytes + 31 > 255);
	}
}

static void test_the_item_asked_for_is_read_without_its_credentials_bit(void **state) /* FIELD 36 */
{
	const uint8_t item[] = {0x80, 0x02, 0x80, 0x01, 0};
	uint16_t type = 1, layer = 1;
	struct dhcp4_sub_builder builder = {.size = 0};
	const uint8_t wanted[] = {71, 4, 0x80, 0x02, 0, 1};
	(void)state;
	assert_false(dhcp4_menu_item_decode(item, 3, &type, &layer));
	assert_false(dhcp4_menu_item_decode(item, 5, &type, &layer));
	assert_int_equal(type, 1);
	assert_true(dhcp4_menu_item_decode(item, 4, &type, &layer));
	assert_int_equal(type, 0x8002);
	assert_int_equal(layer, 1);
	dhcp4_menu_item_put(type, layer, &builder);
	assert_int_equal(builder.size, sizeof wanted);
	assert_memory_equal(builder.data, wanted, sizeof wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_a_menu),
		cmocka_unit_test(test_discovery_control_says_what_is_allowed),
		cmocka_unit_test(test_without_a_prompt_there_is_no_such_sub_option),
		cmocka_unit_test(test_what_is_too_long_fails),
		cmocka_unit_test(test_the_item_asked_for_is_read_without_its_credentials_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
