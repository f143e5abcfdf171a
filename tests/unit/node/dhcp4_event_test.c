/* What DHCP tells of machines and of their boots: for the inventory and the timelines. */
#include "tests/unit/node/dhcp4_pxe_kit.h"

static const struct event *event_of(const struct rig *rig, Pxe__EventKind kind)
{
	for (size_t i = 0; i < rig->effects.event_count; i++) {
		if (rig->effects.event[i].kind == kind)
			return &rig->effects.event[i];
	}
	return NULL;
}

static void firmware_tells_architecture_uuid_and_class(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, "PXEClient:Arch:00007:UNDI:003016\x01", 7);
	assert_true(rig_ask(rig, &ask));
	const struct event *event = event_of(rig, PXE__EVENT_KIND__EVENT_DHCP_OFFER);
	assert_non_null(event);
	assert_int_equal(event->stage, PXE__BOOT_STAGE__STAGE_NONE);
	assert_int_equal(event->arch, 8);
	assert_true(event->has_uuid);
	assert_memory_equal(event->uuid, pxe_uuid_option + 1, 16);
	assert_string_equal(event->vendor_class, "PXEClient:Arch:00007:UNDI:003016?");
	assert_string_equal(event->profile, "debian12");
	assert_false(event->is_ipxe);
}

static void an_ipxe_that_was_loaded_is_told_from_firmware(void **state)
{
	struct rig *rig = *state;
	struct ask ask;
	pxe_ask_rom(&ask, "PXEClient:Arch:00000:UNDI:002001", 0);
	rig_send(rig, &ask);
	const struct event *event = event_of(rig, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER);
	assert_non_null(event);
	assert_string_equal(event->text, "");
	ask.client = 2;
	ask_text(&ask, DHCP4_USER_CLASS, "iPXE");
	rig_send(rig, &ask);
	event = event_of(rig, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER);
	assert_non_null(event);
	assert_string_equal(event->text, "iPXE");
	assert_true(event->is_ipxe);
}

/* Its first ACK says that it is up; what it renews later does not. */
static void a_system_is_up_once(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	const struct event *event = event_of(rig, PXE__EVENT_KIND__EVENT_SYSTEM_UP);
	assert_non_null(event);
	assert_int_equal(event->stage, PXE__BOOT_STAGE__STAGE_SYSTEM);
	assert_int_equal(event->ip, ip);
	assert_string_equal(event->profile, "");
	struct ask ask = {
		.type = DHCP4_REQUEST, .client = 1, .ciaddr = ip, .from = ip, .unicast = true};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	assert_non_null(event_of(rig, PXE__EVENT_KIND__EVENT_DHCP_ACK));
	assert_null(event_of(rig, PXE__EVENT_KIND__EVENT_SYSTEM_UP));
	ask = (struct ask){.type = DHCP4_REQUEST, .client = 1, .requested = ip};
	assert_true(rig_ask(rig, &ask)); /* it remembers the address: it has started again */
	assert_non_null(event_of(rig, PXE__EVENT_KIND__EVENT_SYSTEM_UP));
}

static void firmware_and_u_boot_are_no_systems(void **state)
{
	struct rig *rig = *state;
	const char *const classes[] = {"PXEClient", "U-Boot.armv8", "HTTPClient"};
	for (unsigned i = 0; i < 3; i++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = 10 + i};
		ask_text(&ask, DHCP4_VENDOR_CLASS, classes[i]);
		assert_true(rig_ask(rig, &ask));
		rig_expect_reply(rig, DHCP4_OFFER);
		ask.type = DHCP4_REQUEST;
		ask.requested = rig->reply.header.yiaddr;
		ask.server = RIG_SERVER_IP;
		assert_true(rig_ask(rig, &ask));
		rig_expect_reply(rig, DHCP4_ACK);
		assert_null(event_of(rig, PXE__EVENT_KIND__EVENT_SYSTEM_UP));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			firmware_tells_architecture_uuid_and_class, pxe_setup, pxe_teardown),
		cmocka_unit_test_setup_teardown(
			an_ipxe_that_was_loaded_is_told_from_firmware, pxe_setup, pxe_teardown),
		cmocka_unit_test_setup_teardown(a_system_is_up_once, pxe_setup, pxe_teardown),
		cmocka_unit_test_setup_teardown(
			firmware_and_u_boot_are_no_systems, pxe_setup, pxe_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
