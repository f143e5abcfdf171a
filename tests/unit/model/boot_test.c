/* The next boot of a host, once: who gets it, and when it is over. */
#include "tests/unit/model/model_kit.h"

#define ONCE(name) PXE__ONCE_STATE__ONCE_##name

static void put_profile(struct kit *kit, const char *name, const char *kernel)
{
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	profile.name = (char *)(uintptr_t)name;
	profile.kernel = (char *)(uintptr_t)kernel;
	profile.image = (char *)(uintptr_t) "debian12";
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &profile;
	kit_expect(kit, kit_put(kit, &put), V(OK), "");
}

static int setup(void **state)
{
	struct kit *kit = calloc(1, sizeof(*kit));
	assert_non_null(kit);
	kit_init(kit);
	put_profile(kit, "install", "vmlinuz");
	kit_expect(kit, kit_host(kit, "n1", 1, 0, NULL), V(OK), "");
	*state = kit;
	return 0;
}

static int teardown(void **state)
{
	struct kit *kit = *state;
	kit_assert_disk_is(&kit->disk, kit->model);
	kit_fini(kit);
	free(kit);
	return 0;
}

static Pxe__Verdict arm(
	struct kit *kit, const char *host, const char *profile, uint32_t tries, uint32_t serial)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootOnce once = PXE__BOOT_ONCE__INIT;
	once.host = (char *)(uintptr_t)host;
	once.profile = (char *)(uintptr_t)profile;
	once.tries = tries;
	once.serial = serial;
	command.op_case = PXE__COMMAND__OP_BOOT_ONCE;
	command.boot_once = &once;
	return kit_apply(kit, &command);
}

static Pxe__Verdict claim_of(struct kit *kit, const char *host, const char *boot, const char *image)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootClaim message = PXE__BOOT_CLAIM__INIT;
	message.host = (char *)(uintptr_t)host;
	message.boot = (char *)(uintptr_t)boot;
	message.image = (char *)(uintptr_t)image;
	command.op_case = PXE__COMMAND__OP_BOOT_CLAIM;
	command.boot_claim = &message;
	return kit_apply(kit, &command);
}

static Pxe__Verdict claim(struct kit *kit, const char *host, const char *boot)
{
	return claim_of(kit, host, boot, "debian12@0123456789abcdef");
}

static Pxe__Verdict end(struct kit *kit, const char *host, Pxe__BootEndKind kind, uint64_t at_ms)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootEnd message = PXE__BOOT_END__INIT;
	message.host = (char *)(uintptr_t)host;
	message.kind = kind;
	message.text = (char *)(uintptr_t) "phone home: it said so";
	message.arrived_ms = at_ms;
	command.op_case = PXE__COMMAND__OP_BOOT_END;
	command.boot_end = &message;
	return kit_apply(kit, &command);
}

static Pxe__Verdict cancel(struct kit *kit, const char *host)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootCancel message = PXE__BOOT_CANCEL__INIT;
	message.host = (char *)(uintptr_t)host;
	command.op_case = PXE__COMMAND__OP_BOOT_CANCEL;
	command.boot_cancel = &message;
	return kit_apply(kit, &command);
}

static void expect_state(struct kit *kit, Pxe__OnceState state, const char *boot, uint32_t tries)
{
	const Pxe__Once *once = model_once(kit->model, "n1");
	assert_non_null(once);
	assert_int_equal(once->state, state);
	assert_string_equal(once->boot, boot);
	assert_int_equal(once->tries, tries);
}

static void test_a_claim_is_one_boots_alone(void **state)
{
	struct kit *kit = *state;
	kit_expect(kit, arm(kit, "n1", "install", 1, 0), V(OK), "");
	expect_state(kit, ONCE(ARMED), "", 0);
	assert_true(model_once_applies(model_once(kit->model, "n1"), "b1", kit->now_ms));
	kit_expect(kit, claim(kit, "n1", "b1"), V(OK), "");
	expect_state(kit, ONCE(CLAIMED), "b1", 1);
	assert_string_equal(model_once(kit->model, "n1")->image, "debian12@0123456789abcdef");
	/* The same boot asks again, of whichever node. */
	kit_expect(kit, claim(kit, "n1", "b1"), V(OK), "");
	expect_state(kit, ONCE(CLAIMED), "b1", 1);
	/* Another boot does not get it, and ends it: there was one try. */
	assert_false(model_once_applies(model_once(kit->model, "n1"), "b2", kit->now_ms));
	assert_true(model_once_wants_claim(model_once(kit->model, "n1"), "b2", kit->now_ms));
	assert_false(model_once_wants_claim(model_once(kit->model, "n1"), "b1", kit->now_ms));
	kit_expect(kit, claim(kit, "n1", "b2"), V(CONFLICT), "no tries are left");
	expect_state(kit, ONCE(FAILED), "b1", 1);
	assert_non_null(strstr(model_once(kit->model, "n1")->text, "came back 1 times"));
	kit_expect(kit, claim(kit, "n1", "b3"), V(CONFLICT), "no boot that is armed");
}

static void test_a_boot_that_does_not_report_is_tried_again(void **state)
{
	struct kit *kit = *state;
	kit_expect(kit, arm(kit, "n1", "install", 0, 0), V(OK), "");
	assert_int_equal(model_once(kit->model, "n1")->tries_max, 3);
	kit_expect(kit, claim(kit, "n1", "b1"), V(OK), "");
	kit_expect(kit, claim(kit, "n1", "b2"), V(OK), "");
	expect_state(kit, ONCE(CLAIMED), "b2", 2);
	kit_expect(kit, claim(kit, "n1", "b3"), V(OK), "");
	expect_state(kit, ONCE(CLAIMED), "b3", 3);
	/* The second boot's late request is no boot of its own any more: nothing is left for it. */
	kit_expect(kit, claim(kit, "n1", "b2"), V(CONFLICT), "no tries are left");
	expect_state(kit, ONCE(FAILED), "b3", 3);
}

static void test_without_a_number_the_time_tells(void **state)
{
	struct kit *kit = *state;
	kit_expect(kit, arm(kit, "n1", "install", 1, 0), V(OK), "");
	kit_at(kit, 1000);
	kit_expect(kit, claim(kit, "n1", ""), V(OK), "");
	kit_at(kit, 1000 + MODEL_ONCE_SAME_MS - 1);
	kit_expect(kit, claim(kit, "n1", ""), V(OK), "");
	expect_state(kit, ONCE(CLAIMED), "", 1);
	kit_at(kit, 1000 + MODEL_ONCE_SAME_MS);
	kit_expect(kit, claim(kit, "n1", ""), V(CONFLICT), "no tries are left");
	expect_state(kit, ONCE(FAILED), "", 1);
}

static void test_a_boot_that_tells_its_number_later_is_the_only_one(void **state)
{
	struct kit *kit = *state;
	kit_expect(kit, arm(kit, "n1", "install", 1, 0), V(OK), "");
	kit_expect(kit, claim(kit, "n1", ""), V(OK), "");
	kit_expect(kit, claim(kit, "n1", "b1"), V(OK), "");
	expect_state(kit, ONCE(CLAIMED), "b1", 1);
	/* Its next file comes without the number again, in time. */
	kit_expect(kit, claim(kit, "n1", ""), V(OK), "");
	expect_state(kit, ONCE(CLAIMED), "b1", 1);
	kit_expect(kit, claim(kit, "n1", "b2"), V(CONFLICT), "no tries are left");
}

static void test_what_a_machine_reports_is_kept_clean(void **state)
{
	struct kit *kit = *state;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootEnd message = PXE__BOOT_END__INIT;
	char text[1000];
	kit_expect(kit, arm(kit, "n1", "install", 1, 0), V(OK), "");
	kit_expect(kit, claim(kit, "n1", "b1"), V(OK), "");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "a\nb\033\xff\xc3\xa4", 7);
	message.host = (char *)(uintptr_t) "n1";
	message.kind = PXE__BOOT_END_KIND__BOOT_END_FAILED;
	message.text = text;
	command.op_case = PXE__COMMAND__OP_BOOT_END;
	command.boot_end = &message;
	kit_expect(kit, kit_apply(kit, &command), V(OK), "");
	expect_state(kit, ONCE(FAILED), "b1", 1);
	assert_memory_equal(model_once(kit->model, "n1")->text, "a?b??\xc3\xa4xxx", 10);
	assert_int_equal(strlen(model_once(kit->model, "n1")->text), 255);
}

static void test_a_report_ends_it(void **state)
{
	struct kit *kit = *state;
	kit_at(kit, 1000);
	kit_expect(kit, arm(kit, "n1", "install", 0, 0), V(OK), "");
	kit_expect(kit, end(kit, "n1", PXE__BOOT_END_KIND__BOOT_END_OK, 0), V(NOT_FOUND),
		"no boot that is under way");
	kit_expect(kit, claim(kit, "n1", "b1"), V(OK), "");
	/* Of the system that ran before. */
	kit_expect(kit, end(kit, "n1", PXE__BOOT_END_KIND__BOOT_END_OK, kit->now_ms - 1), V(STALE),
		"ran before");
	kit_expect(kit, end(kit, "n1", PXE__BOOT_END_KIND__BOOT_END_NONE, 0), V(INVALID), "ends");
	kit_expect(kit, end(kit, "n1", PXE__BOOT_END_KIND__BOOT_END_OK, kit->now_ms), V(OK), "");
	expect_state(kit, ONCE(DONE), "b1", 1);
	kit_expect(kit, claim(kit, "n1", "b1"), V(CONFLICT), "");

	kit_expect(kit, arm(kit, "n1", "install", 0, 0), V(OK), "");
	kit_expect(kit, claim(kit, "n1", "b2"), V(OK), "");
	kit_expect(kit, end(kit, "n1", PXE__BOOT_END_KIND__BOOT_END_FAILED, 0), V(OK), "");
	expect_state(kit, ONCE(FAILED), "b2", 1);
}

static void test_a_serial_arms_once(void **state)
{
	struct kit *kit = *state;
	kit_expect(kit, arm(kit, "n1", "install", 0, 2), V(OK), "");
	kit_expect(kit, claim(kit, "n1", "b1"), V(OK), "");
	kit_expect(kit, end(kit, "n1", PXE__BOOT_END_KIND__BOOT_END_OK, 0), V(OK), "");
	kit_expect(kit, arm(kit, "n1", "install", 0, 2), V(OK), "");
	kit_expect(kit, arm(kit, "n1", "install", 0, 1), V(OK), "");
	expect_state(kit, ONCE(DONE), "b1", 1);
	kit_expect(kit, arm(kit, "n1", "install", 0, 3), V(OK), "");
	expect_state(kit, ONCE(ARMED), "", 0);
	/* An operator's boot keeps the serial; so does cancelling. */
	kit_expect(kit, arm(kit, "n1", "local", 0, 0), V(OK), "");
	assert_int_equal(model_once(kit->model, "n1")->serial, 3);
	assert_int_equal(model_once(kit->model, "n1")->tries_max, 1);
	kit_expect(kit, cancel(kit, "n1"), V(OK), "");
	kit_expect(kit, arm(kit, "n1", "install", 0, 3), V(OK), "");
	expect_state(kit, ONCE(DONE), "", 0);
}

static void test_cancel_takes_it_back(void **state)
{
	struct kit *kit = *state;
	kit_expect(kit, cancel(kit, "n1"), V(NOT_FOUND), "no boot that is armed");
	kit_expect(kit, arm(kit, "n1", "install", 0, 0), V(OK), "");
	kit_expect(kit, cancel(kit, "n1"), V(OK), "");
	assert_null(model_once(kit->model, "n1"));
	kit_expect(kit, cancel(kit, "n1"), V(NOT_FOUND), "no boot that is armed");
}

static void test_what_is_armed_is_judged(void **state)
{
	struct kit *kit = *state;
	uint64_t revision = model_revision(kit->model);
	kit_expect(kit, arm(kit, "n2", "install", 0, 0), V(NOT_FOUND), "there is no host n2");
	kit_expect(kit, arm(kit, "n 2", "install", 0, 0), V(INVALID), "host");
	kit_expect(kit, arm(kit, "n1", "nope", 0, 0), V(INVALID), "'nope'");
	kit_expect(kit, arm(kit, "n1", "", 0, 0), V(INVALID), "name the profile");
	kit_expect(kit, arm(kit, "n1", "install", 21, 0), V(INVALID), "at most 20");
	kit_expect(kit, arm(kit, "n1", "install", 20, 0), V(OK), "");
	kit_expect(kit, claim_of(kit, "n1", "b1", "../x"), V(INVALID), "image of the boot");
	kit_expect(kit, claim(kit, "n1", "B1"), V(INVALID), "number of a boot");
	kit_expect(kit, claim(kit, "n1", "0123456789012345678901234"), V(INVALID), "number");
	/* It is no change of the configuration. */
	assert_int_equal(model_revision(kit->model), revision);
}

static void test_profile_and_host_of_an_armed_boot(void **state)
{
	struct kit *kit = *state;
	kit_expect(kit, arm(kit, "n1", "install", 0, 0), V(OK), "");
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_PROFILE, "install", false),
		V(CONFLICT), "the next boot of host n1");
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_HOST, "n1", false), V(OK), "");
	assert_null(model_once(kit->model, "n1"));
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_PROFILE, "install", false), V(OK),
		"");
}

/* The lost members may have seen it claimed: an installer must not run twice. */
static void test_what_was_armed_does_not_boot_after_a_recovery(void **state)
{
	struct kit *kit = *state;
	kit_expect(kit, arm(kit, "n1", "install", 0, 4), V(OK), "");
	kit_expect(kit, kit_recover(kit, 1, 1, true, 10), V(OK), "");
	expect_state(kit, ONCE(FAILED), "", 0);
	assert_non_null(strstr(model_once(kit->model, "n1")->text, "older state"));
	kit_expect(kit, claim(kit, "n1", "b1"), V(CONFLICT), "");
	/* Nor does the site file's next run arm it again. */
	kit_expect(kit, arm(kit, "n1", "install", 0, 4), V(OK), "");
	expect_state(kit, ONCE(FAILED), "", 0);
	kit_expect(kit, arm(kit, "n1", "install", 0, 0), V(OK), "");
	expect_state(kit, ONCE(ARMED), "", 0);
}

/* ---- any order of things ---- */

/* What was granted of one arming. */
struct grants {
	uint64_t armed_ms;
	char boot[24][8]; /* that were told that they have it, in order */
	size_t count;
};

static void note_grant(struct grants *grants, const char *boot)
{
	for (size_t i = 0; i < grants->count; i++) {
		if (strcmp(grants->boot[i], boot) != 0)
			continue;
		/* Only the newest may go on with it, but for a boot that begins anew. */
		memmove(grants->boot[i], grants->boot[i + 1],
			(grants->count - i - 1) * sizeof(grants->boot[0]));
		grants->count--;
		break;
	}
	assert_true(grants->count < 24);
	snprintf(grants->boot[grants->count++], sizeof(grants->boot[0]), "%s", boot);
}

/* The record as it must be after every command. */
static void check_once(const struct kit *kit, const struct grants *grants)
{
	const Pxe__Once *once = model_once(kit->model, "n1");
	if (once == NULL)
		return;
	assert_true(once->tries <= once->tries_max);
	assert_true(grants->count <= once->tries_max);
	if (once->state == ONCE(ARMED)) {
		assert_int_equal(once->tries, 0);
		assert_int_equal(grants->count, 0);
		return;
	}
	for (size_t i = 0; i < grants->count; i++) {
		bool is_holder = once->state == ONCE(CLAIMED) && i + 1 == grants->count;
		assert_int_equal(model_once_is_of(once, grants->boot[i], kit->now_ms), is_holder);
	}
	if (once->state == ONCE(DONE) || once->state == ONCE(FAILED)) {
		assert_false(model_once_applies(once, "", kit->now_ms));
		assert_false(model_once_wants_claim(once, "b0", kit->now_ms));
	}
}

static void test_no_two_boots_hold_one_claim_whatever_happens(void **state)
{
	struct kit *kit = *state;
	unsigned grants_seen = 0, refused = 0, ended = 0;
	uint64_t seed = 7;
	struct grants grants = {0};
	for (unsigned i = 0; i < 20000; i++) {
		char boot[8];
		kit_at(kit, kit->now_ms - KIT_START_MS + kit_below(&seed, 60000));
		/* A ROM's number is new with every boot. */
		snprintf(boot, sizeof(boot), "b%u", (unsigned)(i / 8 + kit_below(&seed, 3)));
		uint64_t what = kit_below(&seed, 16);
		if (what == 0) {
			assert_int_equal(
				arm(kit, "n1", "install", 1 + (uint32_t)kit_below(&seed, 4), 0),
				V(OK));
			grants = (struct grants){.armed_ms = kit->now_ms};
		} else if (what == 1) {
			uint64_t at_ms = kit->now_ms - kit_below(&seed, 60000);
			ended += end(kit, "n1", PXE__BOOT_END_KIND__BOOT_END_OK, at_ms) == V(OK);
		} else if (what == 2 && kit_below(&seed, 4) == 0) {
			cancel(kit, "n1");
		} else if (claim(kit, "n1", boot) == V(OK)) {
			note_grant(&grants, boot);
			grants_seen++;
		} else {
			refused++;
		}
		if (model_once(kit->model, "n1") == NULL)
			grants = (struct grants){0};
		check_once(kit, &grants);
	}
	if (grants_seen < 2000 || refused < 1000 || ended < 100)
		fail_msg("%u granted, %u refused, %u ended", grants_seen, refused, ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_claim_is_one_boots_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_boot_that_does_not_report_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_without_a_number_the_time_tells, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_boot_that_tells_its_number_later_is_the_only_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_what_a_machine_reports_is_kept_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_no_two_boots_hold_one_claim_whatever_happens, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_what_was_armed_does_not_boot_after_a_recovery, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_report_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_serial_arms_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_takes_it_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_armed_is_judged, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_profile_and_host_of_an_armed_boot, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
