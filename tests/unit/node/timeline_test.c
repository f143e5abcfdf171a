/* Boots, put together from events; and the files that keep them. */
#include "node/timeline/timeline.h"
#include "node/timeline/timeline_history.h"
#include "node/timeline/timeline_service.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define K(name) PXE__EVENT_KIND__EVENT_##name
#define S(name) PXE__BOOT_STAGE__STAGE_##name

static uint64_t number;

/* One event; borrowed fields are static. */
static const struct timeline_boot *tell_of(struct timeline *timeline, unsigned client,
	const char *node, uint64_t at_ms, Pxe__EventKind kind, Pxe__BootStage stage,
	const char *text)
{
	Pxe__Event event = PXE__EVENT__INIT;
	uint8_t mac[6] = {
		0x52, 0x54, 0, (uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client};
	uint8_t ip[4] = {10, 0, (uint8_t)(client >> 8), (uint8_t)client};
	char node_text[16], event_text[300], profile[] = "debian12";
	snprintf(node_text, sizeof node_text, "%s", node);
	snprintf(event_text, sizeof event_text, "%s", text);
	event.node = node_text;
	event.text = event_text;
	event.at_ms = at_ms;
	event.kind = kind;
	event.stage = stage;
	event.number = ++number;
	event.mac = (ProtobufCBinaryData){sizeof mac, mac};
	if (kind != K(DHCP_DISCOVER)) {
		event.ip = (ProtobufCBinaryData){sizeof ip, ip};
		event.profile = profile;
	}
	if (kind == K(HTTP_START) || kind == K(HTTP_DONE)) {
		event.mac.len = 0; /* only the address is known */
	}
	return timeline_step(timeline, &event, false);
}

static const struct timeline_boot *tell(struct timeline *timeline, uint64_t at_ms,
	Pxe__EventKind kind, Pxe__BootStage stage, const char *text)
{
	return tell_of(timeline, 1, "pxe1", at_ms, kind, stage, text);
}

static unsigned steps_of(const struct timeline *timeline, const struct timeline_boot *boot)
{
	unsigned count = 0;
	uint64_t at_ms = 0;
	for (const struct timeline_step *step = timeline_first(timeline, boot); step != NULL;
		step = timeline_next(timeline, step)) {
		assert_true(step->at_ms >= at_ms);
		at_ms = step->at_ms;
		count++;
	}
	return count;
}

static bool count_boot(void *ctx, const struct timeline_boot *boot)
{
	(void)boot;
	(*(unsigned *)ctx)++;
	return true;
}

static unsigned boots_of(const struct timeline *timeline)
{
	unsigned count = 0;
	timeline_each(timeline, count_boot, &count);
	return count;
}

/* Firmware, the iPXE that it loads, the kernel, the system: one boot. */
static void boot_all(struct timeline *timeline, uint64_t at_ms)
{
	tell(timeline, at_ms, K(DHCP_DISCOVER), S(NONE), "");
	tell(timeline, at_ms + 1, K(DHCP_OFFER), S(NONE), "ipxe/undionly.kpxe");
	tell(timeline, at_ms + 2, K(DHCP_REQUEST), S(NONE), "");
	tell(timeline, at_ms + 3, K(DHCP_ACK), S(NONE), "ipxe/undionly.kpxe");
	tell(timeline, at_ms + 4, K(TFTP_START), S(LOADER), "ipxe/undionly.kpxe");
	tell(timeline, at_ms + 900, K(TFTP_DONE), S(LOADER), "ipxe/undionly.kpxe");
	tell(timeline, at_ms + 3000, K(DHCP_DISCOVER), S(NONE), "iPXE");
	tell(timeline, at_ms + 3001, K(DHCP_ACK), S(NONE), "http://10.0.0.1/boot.ipxe");
	tell(timeline, at_ms + 3100, K(SCRIPT), S(SCRIPT), "boot.ipxe");
	tell(timeline, at_ms + 3200, K(HTTP_START), S(KERNEL), "debian12/vmlinuz");
	tell(timeline, at_ms + 4000, K(HTTP_DONE), S(KERNEL), "debian12/vmlinuz");
	tell(timeline, at_ms + 4100, K(HTTP_DONE), S(INITRD), "debian12/initrd.img");
}

static void a_boot_goes_from_discover_to_the_systems_report(void **state)
{
	struct timeline *timeline = timeline_new();
	const struct timeline_boot *boot;
	(void)state;
	boot_all(timeline, 1000);
	boot = tell(timeline, 20000, K(SYSTEM_UP), S(SYSTEM), "");
	assert_non_null(boot);
	assert_int_equal(boot->state, PXE__BOOT_STATE__BOOT_UP);
	boot = tell(timeline, 30000, K(PHONE_HOME), S(NONE), "ok");
	assert_non_null(boot);
	assert_int_equal(boot->state, PXE__BOOT_STATE__BOOT_REPORTED);
	assert_int_equal(boot->started_ms, 1000);
	assert_int_equal(boot->newest_ms, 30000);
	assert_string_equal(boot->profile, "debian12");
	assert_int_equal(boot->ip, 0x0a000001);
	assert_int_equal(steps_of(timeline, boot), 14);
	assert_int_equal(boots_of(timeline), 1);
	timeline_free(timeline);
}

/* A one-shot boot is over when its system is up: the host's own profile applies from then on. */
static void what_the_system_does_leaves_the_profile_that_was_booted(void **state)
{
	struct timeline *timeline = timeline_new();
	Pxe__Event event = PXE__EVENT__INIT;
	uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 1};
	char node[] = "pxe1", profile[] = "local";
	static const Pxe__EventKind kinds[] = {K(PHONE_HOME), K(HTTP_DONE), K(DHCP_ACK)};
	static const Pxe__BootStage stages[] = {S(NONE), S(TEMPLATE), S(SYSTEM)};
	const struct timeline_boot *boot = NULL, *changed;
	(void)state;
	boot_all(timeline, 1000);
	event.node = node;
	event.profile = profile;
	event.mac = (ProtobufCBinaryData){sizeof mac, mac};
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		event.kind = kinds[i];
		event.stage = stages[i];
		event.at_ms = 20000 + i;
		event.number = ++number;
		changed = timeline_step(timeline, &event, false);
		boot = changed != NULL ? changed : boot;
		assert_non_null(boot);
		assert_string_equal(boot->profile, "debian12");
	}
	tell(timeline, 90000, K(DHCP_DISCOVER), S(NONE), "");
	event.kind = K(SCRIPT);
	event.stage = S(SCRIPT);
	event.at_ms = 91000;
	event.number = ++number;
	changed = timeline_step(timeline, &event, false);
	assert_non_null(changed);
	assert_string_equal(changed->profile, "local");
	timeline_free(timeline);
}

static void firmware_that_begins_again_replaces_what_ran(void **state)
{
	struct timeline *timeline = timeline_new();
	const struct timeline_boot *boot, *again;
	(void)state;
	boot = tell(timeline, 1000, K(DHCP_DISCOVER), S(NONE), "");
	again = tell(timeline, 5000, K(DHCP_DISCOVER), S(NONE), ""); /* it repeats itself */
	assert_ptr_equal(boot, again);
	tell(timeline, 5100, K(DHCP_ACK), S(NONE), "x");
	tell(timeline, 6000, K(TFTP_DONE), S(LOADER), "ipxe/undionly.kpxe");
	again = tell(timeline, 9000, K(DHCP_DISCOVER), S(NONE), "");
	assert_ptr_not_equal(boot, again);
	assert_int_equal(boot->state, PXE__BOOT_STATE__BOOT_REPLACED);
	assert_int_equal(again->state, PXE__BOOT_STATE__BOOT_RUNNING);
	/* Long silence begins a boot, too. */
	assert_ptr_not_equal(
		again, tell(timeline, 9001 + TIMELINE_AGAIN_MS, K(DHCP_DISCOVER), S(NONE), ""));
	assert_int_equal(boots_of(timeline), 3);
	timeline_free(timeline);
}

static void steps_of_other_nodes_join_in_order_of_time_and_once(void **state)
{
	struct timeline *timeline = timeline_new();
	const struct timeline_boot *boot;
	Pxe__Event twice = PXE__EVENT__INIT;
	char node[] = "pxe2";
	uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 1};
	(void)state;
	boot_all(timeline, 1000);
	boot = tell_of(timeline, 1, "pxe2", 1500, K(TFTP_FAILED), S(LOADER), "late");
	assert_non_null(boot);
	assert_int_equal(steps_of(timeline, boot), 13); /* in order: steps_of() looks */
	assert_int_equal(boot->newest_ms, 5100);
	assert_int_equal(boot->nodes, 3);
	twice.node = node;
	twice.at_ms = 1500;
	twice.number = number;
	twice.kind = K(TFTP_FAILED);
	twice.mac = (ProtobufCBinaryData){6, mac};
	assert_null(timeline_step(timeline, &twice, false));
	assert_int_equal(steps_of(timeline, boot), 13);
	timeline_free(timeline);
}

static void a_system_that_renews_is_no_boot(void **state)
{
	struct timeline *timeline = timeline_new();
	(void)state;
	assert_null(tell(timeline, 1000, K(DHCP_REQUEST), S(SYSTEM), ""));
	assert_null(tell(timeline, 1000, K(DHCP_ACK), S(SYSTEM), ""));
	assert_null(tell(timeline, 1000, K(SYSTEM_UP), S(SYSTEM), ""));
	boot_all(timeline, 2000);
	assert_non_null(tell(timeline, 20000, K(SYSTEM_UP), S(SYSTEM), ""));
	assert_null(tell(timeline, 90000, K(SYSTEM_UP), S(SYSTEM), ""));
	assert_int_equal(boots_of(timeline), 1);
	timeline_free(timeline);
}

struct told {
	unsigned count;
	char text[160], node[64];
	Pxe__BootState state;
};

static void on_told(void *ctx, const struct timeline_boot *boot, const char *node)
{
	struct told *told = ctx;
	told->count++;
	told->state = boot->state;
	snprintf(told->text, sizeof told->text, "%s", boot->text);
	snprintf(told->node, sizeof told->node, "%s", node);
}

static void a_boot_that_stands_still_is_told_once_with_where_it_stands(void **state)
{
	struct timeline *timeline = timeline_new();
	struct told told = {0};
	(void)state;
	tell(timeline, 1000, K(DHCP_DISCOVER), S(NONE), "");
	tell(timeline, 1001, K(SCRIPT), S(SCRIPT), "boot.ipxe");
	timeline_tick(timeline, 1001 + TIMELINE_EARLY_MS, on_told, &told);
	assert_int_equal(told.count, 0);
	timeline_tick(timeline, 1002 + TIMELINE_EARLY_MS, on_told, &told);
	timeline_tick(timeline, 9002 + TIMELINE_EARLY_MS, on_told, &told);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.state, PXE__BOOT_STATE__BOOT_STALLED);
	assert_string_equal(told.text, "after boot script: kernel not asked for");
	assert_string_equal(told.node, "pxe1");
	/* It goes on after all. */
	assert_int_equal(tell(timeline, 90000, K(HTTP_DONE), S(KERNEL), "debian12/vmlinuz")->state,
		PXE__BOOT_STATE__BOOT_RUNNING);
	timeline_tick(timeline, 90001 + TIMELINE_EARLY_MS, on_told, &told);
	assert_int_equal(told.count, 1); /* a kernel takes longer */
	timeline_tick(timeline, 90001 + TIMELINE_LATE_MS, on_told, &told);
	assert_int_equal(told.count, 2);
	assert_string_equal(told.text,
		"after kernel debian12/vmlinuz: the system has not asked for an address");
	timeline_free(timeline);
}

static void a_transfer_that_failed_and_nothing_after_it_is_a_failed_boot(void **state)
{
	struct timeline *timeline = timeline_new();
	struct told told = {0};
	(void)state;
	tell(timeline, 1000, K(DHCP_DISCOVER), S(NONE), "");
	tell(timeline, 1001, K(TFTP_START), S(LOADER), "ipxe/undionly.kpxe");
	timeline_tick(timeline, 1002 + TIMELINE_EARLY_MS, on_told, &told);
	assert_int_equal(told.count, 0); /* it runs */
	tell(timeline, 50000, K(TFTP_FAILED), S(LOADER), "ipxe/undionly.kpxe: stopped at 41 %");
	timeline_tick(timeline, 50001 + TIMELINE_EARLY_MS, on_told, &told);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.state, PXE__BOOT_STATE__BOOT_FAILED);
	assert_string_equal(told.text, "TFTP failed ipxe/undionly.kpxe: stopped at 41 %");
	timeline_free(timeline);
}

static void old_boots_make_room_and_one_boot_takes_no_more_than_its_steps(void **state)
{
	struct timeline *timeline = timeline_new();
	const struct timeline_boot *boot = NULL;
	(void)state;
	for (unsigned i = 0; i < 3 * TIMELINE_BOOTS; i++) {
		tell_of(timeline, i, "pxe1", 1000 + i, K(DHCP_DISCOVER), S(NONE), "");
		boot = tell_of(timeline, i, "pxe1", 1001 + i, K(DHCP_ACK), S(NONE), "x");
	}
	assert_int_equal(boots_of(timeline), TIMELINE_BOOTS);
	assert_non_null(timeline_boot_of_ip(timeline, boot->ip));
	for (unsigned i = 0; i < 1000; i++) {
		boot = tell(timeline, 100000, K(TFTP_DONE), S(FILE), "boot/grub/x.mod");
	}
	assert_int_equal(steps_of(timeline, boot), TIMELINE_STEPS - 8);
	boot = tell(timeline, 200000, K(PHONE_HOME), S(NONE), "ok");
	assert_int_equal(steps_of(timeline, boot), TIMELINE_STEPS - 7);
	for (unsigned i = 0; i < 600; i++) { /* more steps than the pool has */
		for (unsigned j = 0; j < 150; j++) {
			boot = tell_of(timeline, 50000 + i, "pxe1", 300000 + j, K(TFTP_DONE),
				S(FILE), "x");
			assert_non_null(boot);
		}
		assert_int_equal(steps_of(timeline, boot), 150);
	}
	assert_true(boots_of(timeline) < 500);
	timeline_free(timeline);
}

/* ---- files */

static void make_event(Pxe__Event *event, char *text, uint64_t at_ms)
{
	pxe__event__init(event);
	event->at_ms = at_ms;
	event->kind = K(SYSLOG);
	event->text = text;
}

static bool count_event(void *ctx, const Pxe__Event *event)
{
	unsigned *seen = ctx;
	assert_int_equal(event->at_ms, *seen + 1);
	(*seen)++;
	return true;
}

static void write_events(struct timeline_history *history, unsigned from, unsigned to)
{
	struct timeline_bytes bytes = {0};
	char text[] = "a line";
	for (unsigned i = from; i <= to; i++) {
		Pxe__Event event;
		make_event(&event, text, i);
		assert_true(timeline_bytes_add(&bytes, &event));
	}
	assert_int_equal(timeline_history_write(history, bytes.data, bytes.bytes), 0);
	timeline_bytes_fini(&bytes);
}

static void history_is_there_after_a_restart_and_a_torn_tail_is_cut_off(void **state)
{
	char directory[] = "/tmp/timeline.XXXXXX", path[64], text[256];
	struct timeline_history *history;
	unsigned seen = 0;
	int fd;
	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(timeline_history_open(directory, &history, text, sizeof text), 0);
	write_events(history, 1, 10);
	timeline_history_close(history);
	snprintf(path, sizeof path, "%s/events.00000000", directory);
	fd = open(path, O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "\x40half", 5), 5); /* of 64 bytes */
	close(fd);
	assert_int_equal(timeline_history_open(directory, &history, text, sizeof text), 0);
	write_events(history, 11, 12);
	assert_int_equal(timeline_history_each(history, count_event, &seen), 0);
	assert_int_equal(seen, 12);
	timeline_history_close(history);
	unlink(path);
	rmdir(directory);
}

static void files_are_bounded(void **state)
{
	char directory[] = "/tmp/timeline.XXXXXX", path[64], text[256];
	static char line[3001];
	struct timeline_history *history;
	struct timeline_bytes bytes = {0};
	struct stat stat_buffer;
	unsigned there = 0;
	Pxe__Event event;
	(void)state;
	memset(line, 'x', sizeof line - 1);
	assert_non_null(mkdtemp(directory));
	assert_int_equal(timeline_history_open(directory, &history, text, sizeof text), 0);
	make_event(&event, line, 1);
	while (bytes.bytes < 1000000) {
		assert_true(timeline_bytes_add(&bytes, &event));
	}
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(timeline_history_write(history, bytes.data, bytes.bytes), 0);
	}
	timeline_bytes_fini(&bytes);
	timeline_history_close(history);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(path, sizeof path, "%s/events.%08u", directory, i);
		if (stat(path, &stat_buffer) == 0) {
			there++;
			assert_true(stat_buffer.st_size <= HISTORY_SEGMENT_BYTES);
			unlink(path);
		}
	}
	assert_int_equal(there, HISTORY_SEGMENTS);
	assert_int_equal(rmdir(directory), 0);
}

static void filters_take_machines_and_names(void **state)
{
	struct timeline_filter filter = {0};
	Pxe__Event event = PXE__EVENT__INIT;
	uint8_t mac[6] = {2};
	char host[] = "n07";
	(void)state;
	event.mac = (ProtobufCBinaryData){6, mac};
	event.host = host;
	assert_true(timeline_filter_takes(&filter, &event));
	filter.mac_count = 1;
	filter.mac_bytes[0] = 6;
	filter.mac[0][0] = 3;
	assert_false(timeline_filter_takes(&filter, &event));
	filter.mac[0][0] = 2;
	assert_true(timeline_filter_takes(&filter, &event));
	filter.mac_count = 0;
	snprintf(filter.pattern, sizeof filter.pattern, "n1*");
	assert_false(timeline_filter_takes(&filter, &event));
	snprintf(filter.pattern, sizeof filter.pattern, "n0*");
	assert_true(timeline_filter_takes(&filter, &event));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_system_does_leaves_the_profile_that_was_booted),
		cmocka_unit_test(a_boot_goes_from_discover_to_the_systems_report),
		cmocka_unit_test(firmware_that_begins_again_replaces_what_ran),
		cmocka_unit_test(steps_of_other_nodes_join_in_order_of_time_and_once),
		cmocka_unit_test(a_system_that_renews_is_no_boot),
		cmocka_unit_test(a_boot_that_stands_still_is_told_once_with_where_it_stands),
		cmocka_unit_test(a_transfer_that_failed_and_nothing_after_it_is_a_failed_boot),
		cmocka_unit_test(old_boots_make_room_and_one_boot_takes_no_more_than_its_steps),
		cmocka_unit_test(history_is_there_after_a_restart_and_a_torn_tail_is_cut_off),
		cmocka_unit_test(files_are_bounded),
		cmocka_unit_test(filters_take_machines_and_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
