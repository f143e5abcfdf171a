/* Machines that a node hears: what is proposed of them, and what ends a boot that they have once.
 */
#include "node/machines/machines_end.h"
#include "node/machines/machines_inventory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000000000u

static struct event event_of(Pxe__EventKind kind, unsigned client)
{
	struct event event = {.kind = kind,
		.mac = {0x52, 0x54, (uint8_t)(client >> 24), (uint8_t)(client >> 16),
			(uint8_t)(client >> 8), (uint8_t)client},
		.mac_bytes = 6};
	return event;
}

static struct event discover(unsigned client)
{
	struct event event = event_of(PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, client);
	event.arch = 8;
	snprintf(event.vendor_class, sizeof event.vendor_class, "PXEClient:Arch:00007");
	return event;
}

static void a_new_machine_is_told_once_and_proposed_with_all_that_is_known(void **state)
{
	struct machines_inventory *inventory = calloc(1, sizeof *inventory);
	struct machines_entry entry[2];
	struct event event = discover(1);
	(void)state;
	assert_non_null(inventory);
	assert_int_equal(machines_inventory_step(inventory, &event, NULL, "", NOW), MACHINES_NEW);
	event = event_of(PXE__EVENT_KIND__EVENT_DHCP_ACK, 1);
	event.ip = 0x0a000005;
	event.stage = PXE__BOOT_STAGE__STAGE_SYSTEM;
	snprintf(event.hostname, sizeof event.hostname, "n01");
	assert_int_equal(
		machines_inventory_step(inventory, &event, NULL, "lab", NOW + 1), MACHINES_KEPT);
	assert_int_equal(machines_inventory_take(inventory, entry, 2), 1);
	assert_true(entry[0].has_arch);
	assert_int_equal(entry[0].arch, 7);
	assert_int_equal(entry[0].ip, 0x0a000005);
	assert_string_equal(entry[0].subnet, "lab");
	assert_string_equal(entry[0].hostname, "n01");
	assert_string_equal(entry[0].vendor_class, "PXEClient:Arch:00007");
	assert_int_equal(entry[0].seen_ms, NOW + 1);
	assert_int_equal(machines_inventory_take(inventory, entry, 2), 0);
	free(inventory);
}

static void what_the_cluster_knows_is_proposed_again_only_when_it_changed_or_is_old(void **state)
{
	struct machines_inventory *inventory = calloc(1, sizeof *inventory);
	struct machines_entry entry;
	Pxe__Machine known = PXE__MACHINE__INIT;
	struct event event = discover(1);
	char class[] = "PXEClient:Arch:00007";
	(void)state;
	assert_non_null(inventory);
	known.mac = (ProtobufCBinaryData){6, event.mac};
	known.has_arch = true;
	known.arch = 7;
	known.vendor_class = class;
	known.last_ms = NOW;
	assert_int_equal(machines_inventory_step(inventory, &event, &known, "", NOW + 1000),
		MACHINES_NOTHING);
	assert_int_equal(
		machines_inventory_step(inventory, &event, &known, "", NOW + MACHINES_REFRESH_MS),
		MACHINES_KEPT);
	assert_int_equal(machines_inventory_take(inventory, &entry, 1), 1);
	event.arch = 1;
	assert_int_equal(
		machines_inventory_step(inventory, &event, &known, "", NOW + 1000), MACHINES_KEPT);
	assert_int_equal(machines_inventory_take(inventory, &entry, 1), 1);
	assert_int_equal(entry.arch, 0);
	/* An iPXE that was loaded says what it is, which is not what the machine is. */
	event.is_ipxe = true;
	assert_int_equal(machines_inventory_step(inventory, &event, &known, "", NOW + 1000),
		MACHINES_NOTHING);
	free(inventory);
}

static void a_script_says_what_the_machine_booted_and_when(void **state)
{
	struct machines_inventory *inventory = calloc(1, sizeof *inventory);
	struct machines_entry entry;
	Pxe__Machine known = PXE__MACHINE__INIT;
	struct event event = event_of(PXE__EVENT_KIND__EVENT_SCRIPT, 1);
	(void)state;
	assert_non_null(inventory);
	known.last_ms = NOW;
	snprintf(event.profile, sizeof event.profile, "debian12");
	assert_int_equal(
		machines_inventory_step(inventory, &event, &known, "", NOW), MACHINES_KEPT);
	assert_int_equal(machines_inventory_take(inventory, &entry, 1), 1);
	assert_int_equal(entry.boot_ms, NOW);
	assert_string_equal(entry.profile, "debian12");
	free(inventory);
}

/* A flood of made-up addresses costs no more than MACHINES_NEW_PER_S records a second. */
static void made_up_machines_are_bounded(void **state)
{
	struct machines_inventory *inventory = calloc(1, sizeof *inventory);
	struct machines_entry *entries = calloc(MACHINES_SLOTS, sizeof *entries);
	unsigned new_count = 0;
	(void)state;
	assert_non_null(inventory);
	assert_non_null(entries);
	for (unsigned i = 0; i < 100000; i++) {
		struct event event = discover(i * 2654435761u);
		new_count +=
			machines_inventory_step(inventory, &event, NULL, "", NOW) == MACHINES_NEW;
	}
	assert_int_equal(new_count, MACHINES_NEW_PER_S);
	assert_int_equal(inventory->left_out, 100000 - MACHINES_NEW_PER_S);
	for (unsigned s = 1; s < 100; s++) {
		for (unsigned i = 0; i < 100; i++) {
			struct event event = discover(s * 1000 + i);
			(void)machines_inventory_step(inventory, &event, NULL, "", NOW + s * 1000);
		}
	}
	assert_true(inventory->count <= MACHINES_SLOTS);
	assert_true(inventory->count > MACHINES_SLOTS / 2);
	assert_int_equal(
		machines_inventory_take(inventory, entries, MACHINES_BATCH), MACHINES_BATCH);
	assert_true(machines_inventory_take(inventory, entries, MACHINES_SLOTS) > 0);
	assert_int_equal(inventory->count, 0);
	free(entries);
	free(inventory);
}

static void a_claimed_boot_ends_by_report_or_by_the_systems_first_request(void **state)
{
	Pxe__Once once = PXE__ONCE__INIT;
	struct event event = event_of(PXE__EVENT_KIND__EVENT_SYSTEM_UP, 1);
	char text[256];
	(void)state;
	once.state = PXE__ONCE_STATE__ONCE_CLAIMED;
	assert_int_equal(machines_end_of(&once, &event, 100000, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_OK);
	assert_string_equal(text, "the system asked for an address");
	event.kind = PXE__EVENT_KIND__EVENT_PHONE_HOME;
	assert_int_equal(machines_end_of(&once, &event, 100000, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_OK);
	assert_string_equal(text, "phone home: ok");
	event.failed = true;
	snprintf(event.text, sizeof event.text, "no disk");
	assert_int_equal(machines_end_of(&once, &event, 100000, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_FAILED);
	assert_string_equal(text, "phone home: no disk");
	event.kind = PXE__EVENT_KIND__EVENT_DHCP_ACK;
	assert_int_equal(machines_end_of(&once, &event, 100000, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_NONE);
	event.kind = PXE__EVENT_KIND__EVENT_SYSTEM_UP;
	once.state = PXE__ONCE_STATE__ONCE_ARMED;
	assert_int_equal(machines_end_of(&once, &event, 100000, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_NONE);
	assert_int_equal(machines_end_of(NULL, &event, 100000, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_NONE);
}

static void firmware_that_is_back_without_tries_left_ends_it(void **state)
{
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, .arch = 1};
	Pxe__Once once = PXE__ONCE__INIT;
	char text[64];

	(void)state;
	once.state = PXE__ONCE_STATE__ONCE_CLAIMED;
	once.tries = once.tries_max = 2;
	once.claimed_ms = 1000;
	/* A program that the boot has loaded may ask, too. */
	assert_int_equal(
		machines_end_of(&once, &event, 1000 + MACHINES_BACK_MS - 1, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_NONE);
	assert_int_equal(machines_end_of(&once, &event, 1000 + MACHINES_BACK_MS, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_FAILED);
	assert_string_equal(text, "it came back 2 times without a report");
	once.tries = 1;
	assert_int_equal(machines_end_of(&once, &event, 100000, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_NONE);
	once.tries = 2;
	event.is_ipxe = true; /* its script will be claimed */
	assert_int_equal(machines_end_of(&once, &event, 100000, text, sizeof text),
		PXE__BOOT_END_KIND__BOOT_END_NONE);
}

static void each_change_of_a_boot_is_told_and_no_repeat(void **state)
{
	Pxe__Once before = PXE__ONCE__INIT, after = PXE__ONCE__INIT;
	char text[256], profile[] = "debian12", why[] = "phone home: ok";
	(void)state;
	before.profile = after.profile = profile;
	before.tries_max = after.tries_max = 3;
	before.state = PXE__ONCE_STATE__ONCE_ARMED;
	assert_true(machines_end_text(NULL, &before, text, sizeof text));
	assert_string_equal(text, "armed debian12, 3 tries");
	after.state = PXE__ONCE_STATE__ONCE_CLAIMED;
	after.tries = 1;
	assert_true(machines_end_text(&before, &after, text, sizeof text));
	assert_string_equal(text, "claimed debian12, try 1 of 3");
	assert_false(machines_end_text(&after, &after, text, sizeof text));
	before = after;
	after.state = PXE__ONCE_STATE__ONCE_DONE;
	after.text = why;
	assert_true(machines_end_text(&before, &after, text, sizeof text));
	assert_string_equal(text, "done debian12: phone home: ok");
	assert_true(machines_end_text(&before, NULL, text, sizeof text));
	assert_string_equal(text, "cancelled debian12");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(firmware_that_is_back_without_tries_left_ends_it),
		cmocka_unit_test(a_new_machine_is_told_once_and_proposed_with_all_that_is_known),
		cmocka_unit_test(
			what_the_cluster_knows_is_proposed_again_only_when_it_changed_or_is_old),
		cmocka_unit_test(a_script_says_what_the_machine_booted_and_when),
		cmocka_unit_test(made_up_machines_are_bounded),
		cmocka_unit_test(a_claimed_boot_ends_by_report_or_by_the_systems_first_request),
		cmocka_unit_test(each_change_of_a_boot_is_told_and_no_repeat),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
