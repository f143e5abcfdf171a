/* What HTTP and TFTP give a machine by its levels, its one-shot boot and its templates, over a real
 * disk. */
#include "content_fixture.h"
#include "node/content/content_config.h"
#include "node/tftp/tftp_claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint8_t mac_n02[] = {0x52, 0x54, 0, 0xaa, 0, 2};
static const uint8_t mac_other[] = {0x52, 0x54, 0, 0xaa, 0, 9};

static void put_revision(struct fixture *f, uint64_t revision)
{
	Pxe__Clock clock = PXE__CLOCK__INIT;

	clock.revision = revision;
	clock.stamp_ms = 1000000;
	fixture_put(f, RECORD_CLOCK, NULL, 0, &clock.base);
	fixture_sync(f);
}

static void put_profile(struct fixture *f, const char *name, const char *script)
{
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Template template = PXE__TEMPLATE__INIT, lacking = PXE__TEMPLATE__INIT;
	Pxe__Template *templates[] = {&template, &lacking};

	profile.name = fixture_text(name);
	profile.script = fixture_text(script);
	template.name = fixture_text("preseed.cfg");
	template.text = fixture_text("disk={{vars.disk}} host={{name}}\n");
	lacking.name = fixture_text("lacking.cfg");
	lacking.text = fixture_text("one\nkey={{vars.key}}\n");
	profile.templates = templates;
	profile.n_templates = 2;
	fixture_put(f, RECORD_PROFILE, name, strlen(name), &profile.base);
}

static void put_host(struct fixture *f, const char *profile)
{
	Pxe__Host host = PXE__HOST__INIT;
	Pxe__Variable disk = PXE__VARIABLE__INIT, *vars[] = {&disk};
	uint8_t mac[6], key[RECORD_KEY_MAX];
	ProtobufCBinaryData macs[] = {{6, mac}};

	memcpy(mac, mac_n02, 6);
	disk.name = fixture_text("disk");
	disk.value = fixture_text("/dev/sdb");
	host.name = fixture_text("n02");
	host.profile = fixture_text(profile);
	host.mac = macs;
	host.n_mac = 1;
	host.vars = vars;
	host.n_vars = 1;
	fixture_put(f, RECORD_HOST, "n02", 3, &host.base);
	kv_state_put(
		f->kv, key, record_key(RECORD_HOST_MAC, mac, 6, key), (const uint8_t *)"n02", 3);
}

static void put_once(struct fixture *f, Pxe__OnceState state, const char *boot, uint32_t tries)
{
	Pxe__Once once = PXE__ONCE__INIT;

	once.host = fixture_text("n02");
	once.profile = fixture_text("installer");
	once.state = state;
	once.boot = fixture_text(boot);
	once.tries = tries;
	once.tries_max = 2;
	once.claimed_ms = 999000;
	fixture_put(f, RECORD_ONCE, "n02", 3, &once.base);
	fixture_sync(f);
}

static int setup(void **state)
{
	static const uint8_t ip[] = {10, 0, 0, 5};
	struct fixture *f = fixture_open(1);

	fixture_member(f, 1, "a", ip, 8080);
	put_profile(f, "installer", "#!ipxe\necho install {{name}}\n");
	put_profile(f, "usual", "#!ipxe\necho usual\n");
	put_host(f, "usual");
	put_revision(f, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static void open_path(struct fixture *f, const char *path, const char *query, bool tried,
	struct content *ret_content)
{
	const struct content_request request = {.path = path,
		.query = query,
		.client_ip = 0x0a000032,
		.local_ip = 0x0a000005,
		.local_port = 8080,
		.claim_tried = tried};

	assert_int_equal(content_open(f->content, &request, ret_content), 0);
}

static void expect_text(
	struct fixture *f, const char *path, const char *query, bool tried, const char *part)
{
	struct content content;

	open_path(f, path, query, tried, &content);
	assert_int_equal(content.kind, CONTENT_TEXT);
	if (strstr(content.text, part) == NULL) {
		fail_msg("'%s' is not in:\n%s", part, content.text);
	}
	content_fini(&content);
}

static const char *const script = "boot/52-54-00-aa-00-02.ipxe";

static void test_an_armed_boot_is_claimed_before_its_script_is_given(void **state)
{
	struct fixture *f = *state;
	struct content content;

	put_once(f, PXE__ONCE_STATE__ONCE_ARMED, "", 0);
	open_path(f, script, "boot=0000beef", false, &content);
	assert_int_equal(content.kind, CONTENT_CLAIM);
	assert_string_equal(content.claim.host, "n02");
	assert_string_equal(content.claim.boot, "0000beef");
	content_fini(&content);
	put_once(f, PXE__ONCE_STATE__ONCE_CLAIMED, "0000beef", 1);
	expect_text(f, script, "boot=0000beef", false, "echo install n02");
	put_once(f, PXE__ONCE_STATE__ONCE_DONE, "0000beef", 1);
	expect_text(f, script, "boot=0000cafe", false, "echo usual");
}

static void test_a_boot_that_cannot_be_claimed_asks_again_and_at_last_boots_the_usual(void **state)
{
	struct fixture *f = *state;

	put_once(f, PXE__ONCE_STATE__ONCE_ARMED, "", 0);
	expect_text(f, script, "boot=0000beef&retry=3", true,
		"chain --autofree --replace "
		"http://10.0.0.5:8080/boot/52-54-00-aa-00-02.ipxe?retry=4&boot=0000beef");
	expect_text(f, script, "boot=0000beef&retry=60", false, "echo usual");
}

static void test_a_boot_without_tries_left_is_claimed_to_fail_and_boots_the_usual(void **state)
{
	struct fixture *f = *state;
	struct content content;

	put_once(f, PXE__ONCE_STATE__ONCE_CLAIMED, "0000beef", 2);
	open_path(f, script, "boot=0000cafe", false, &content);
	assert_int_equal(content.kind, CONTENT_CLAIM);
	content_fini(&content);
	expect_text(f, script, "boot=0000cafe", true, "echo usual");
}

static void put_machine(struct fixture *f, const char *profile, uint64_t boot_ms)
{
	Pxe__Machine machine = PXE__MACHINE__INIT;
	uint8_t mac[6];

	memcpy(mac, mac_n02, 6);
	machine.mac = (ProtobufCBinaryData){6, mac};
	machine.profile = fixture_text(profile);
	machine.boot_ms = boot_ms;
	fixture_put(f, RECORD_MACHINE, (const char *)mac, 6, &machine.base);
	fixture_sync(f);
}

/* An installer asks for an address, which ends the one-shot boot, before it fetches its answers. */
static void test_the_system_of_an_ended_boot_gets_its_templates_until_a_newer_boot_begins(
	void **state)
{
	static const char *const path = "t/52:54:00:aa:00:02/preseed.cfg";
	static const Pxe__OnceState ended[] = {
		PXE__ONCE_STATE__ONCE_DONE, PXE__ONCE_STATE__ONCE_FAILED};
	struct fixture *f = *state;
	struct content content;

	for (size_t i = 0; i < 2; i++) {
		put_once(f, ended[i], "0000beef", 1);
		put_machine(f, "usual", 998000); /* the newest boot is not recorded yet */
		open_path(f, path, NULL, false, &content);
		assert_string_equal(content.profile, "installer");
		content_fini(&content);
		put_machine(f, "installer", 999500);
		open_path(f, path, NULL, false, &content);
		assert_string_equal(content.profile, "installer");
		content_fini(&content);
		expect_text(f, script, "boot=0000cafe", false, "echo usual");
		put_machine(f, "usual", 999600);
		open_path(f, path, NULL, false, &content);
		assert_string_equal(content.profile, "usual");
		content_fini(&content);
	}
}

static void test_templates_go_with_the_claimed_boot_however_long_it_takes(void **state)
{
	struct fixture *f = *state;
	struct content content;

	put_once(f, PXE__ONCE_STATE__ONCE_CLAIMED, "0000beef", 2);
	content_source_set_time(f->content, 999000 + 3600000);
	open_path(f, "t/52:54:00:aa:00:02/preseed.cfg", NULL, false, &content);
	assert_int_equal(content.kind, CONTENT_TEXT);
	assert_string_equal(content.profile, "installer");
	assert_string_equal(content.text, "disk=/dev/sdb host=n02\n");
	assert_true(content.has_sha256);
	assert_int_equal(content.stage, PXE__BOOT_STAGE__STAGE_TEMPLATE);
	content_fini(&content);
}

static void test_a_template_that_lacks_a_value_names_template_line_and_variable(void **state)
{
	struct fixture *f = *state;
	struct content content;

	open_path(f, "t/52-54-00-aa-00-02/lacking.cfg", NULL, false, &content);
	assert_int_equal(content.kind, CONTENT_UNSOUND);
	assert_non_null(strstr(content.text, "template lacking.cfg, line 2"));
	assert_non_null(strstr(content.text, "vars.key"));
	content_fini(&content);
}

static void test_a_group_of_what_was_seen_of_the_machine_decides(void **state)
{
	struct fixture *f = *state;
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__Match match = PXE__MATCH__INIT;
	Pxe__Machine machine = PXE__MACHINE__INIT;
	uint8_t mac[6];
	char *classes[] = {fixture_text("VENDOR-X*")};

	memcpy(mac, mac_other, 6);
	match.vendor_class = classes;
	match.n_vendor_class = 1;
	group.name = fixture_text("x");
	group.match = &match;
	group.profile = fixture_text("installer");
	fixture_put(f, RECORD_GROUP, "x", 1, &group.base);
	put_revision(f, 2);
	expect_text(f, "boot/52-54-00-aa-00-09.ipxe", NULL, false, "unknown machine, and neither");
	machine.mac = (ProtobufCBinaryData){6, mac};
	machine.vendor_class = fixture_text("vendor-x:1");
	fixture_put(f, RECORD_MACHINE, mac, 6, &machine.base);
	fixture_sync(f);
	expect_text(f, "boot/52-54-00-aa-00-09.ipxe", NULL, false, "echo install mac-525400aa0009");
}

static void test_an_undeclared_machine_waits_and_goes_on_when_it_is_declared(void **state)
{
	struct fixture *f = *state;
	Pxe__Settings settings = PXE__SETTINGS__INIT;

	settings.profile = fixture_text("wait");
	fixture_put(f, RECORD_SETTINGS, NULL, 0, &settings.base);
	put_revision(f, 2);
	expect_text(f, "boot/52-54-00-aa-00-09.ipxe", NULL, false, "waits for approval");
	settings.profile = fixture_text("menu");
	fixture_put(f, RECORD_SETTINGS, NULL, 0, &settings.base);
	put_revision(f, 3);
	expect_text(f, "boot/52-54-00-aa-00-09.ipxe", NULL, false,
		"item local The local disk\nitem installer installer\nitem usual usual\n");
	expect_text(f, "boot/52-54-00-aa-00-09.ipxe", "profile=usual", false, "echo usual");
}

static void test_a_report_tells_failure_from_query_and_from_a_form(void **state)
{
	struct fixture *f = *state;
	struct content_request request = {
		.path = "phone-home/52-54-00-aa-00-02", .query = "status=ok&text=all+well"};
	struct content content;

	assert_int_equal(content_open(f->content, &request, &content), 0);
	assert_true(content.phone_home && !content.failed);
	assert_string_equal(content.host, "n02");
	content_fini(&content);
	request.query = NULL;
	request.body = "status=failed&text=no%20disk";
	request.body_is_form = true;
	assert_int_equal(content_open(f->content, &request, &content), 0);
	assert_true(content.failed);
	assert_string_equal(content.report, "failed, no disk");
	content_fini(&content);
}

static void test_the_configuration_is_loaded_once_for_each_revision(void **state)
{
	struct fixture *f = *state;
	struct content_config *config = content_config_new(f->kv);
	const struct content_snapshot *first, *second;

	assert_int_equal(content_config_acquire(config, &first), 0);
	assert_int_equal(content_config_acquire(config, &second), 0);
	assert_ptr_equal(first, second);
	content_config_release(config, second);
	put_host(f, "installer");
	put_revision(f, 2);
	assert_int_equal(content_config_acquire(config, &second), 0);
	assert_int_equal(content_config_loads(config), 2);
	/* Who still has the old one sees nothing of the change. */
	assert_string_equal(model_host(content_snapshot_model(first), "n02")->profile, "usual");
	assert_string_equal(
		model_host(content_snapshot_model(second), "n02")->profile, "installer");
	content_config_release(config, first);
	content_config_release(config, second);
	content_config_free(config);
}

static unsigned claims_made;
static void (*claim_done)(void *ctx);
static void *claim_done_ctx;

static void claim_later(
	void *ctx, const struct content_claim *claim, void (*done)(void *done_ctx), void *done_ctx)
{
	(void)ctx;
	(void)claim;
	claims_made++;
	claim_done = done;
	claim_done_ctx = done_ctx;
}

static void test_a_tftp_claim_is_made_once_and_told_once(void **state)
{
	struct tftp_claims claims = {.claim = claim_later};
	const struct content_claim what = {.host = "n02", .boot = "1"};

	(void)state;
	claims_made = 0;
	assert_int_equal(tftp_claim_ask(&claims, &what), TFTP_CLAIM_WAITS);
	assert_int_equal(tftp_claim_ask(&claims, &what), TFTP_CLAIM_WAITS);
	assert_int_equal(claims_made, 1);
	claim_done(claim_done_ctx);
	assert_int_equal(tftp_claim_ask(&claims, &what), TFTP_CLAIM_TRIED);
	assert_int_equal(tftp_claim_ask(&claims, &what), TFTP_CLAIM_WAITS);
	assert_int_equal(claims_made, 2);
	tftp_claims_fini(&claims);
	claim_done(claim_done_ctx); /* after the server is gone */
}

int main(void)
{
#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SITE(test_an_armed_boot_is_claimed_before_its_script_is_given),
		WITH_SITE(
			test_a_boot_that_cannot_be_claimed_asks_again_and_at_last_boots_the_usual),
		WITH_SITE(test_a_boot_without_tries_left_is_claimed_to_fail_and_boots_the_usual),
		WITH_SITE(
			test_the_system_of_an_ended_boot_gets_its_templates_until_a_newer_boot_begins),
		WITH_SITE(test_templates_go_with_the_claimed_boot_however_long_it_takes),
		WITH_SITE(test_a_template_that_lacks_a_value_names_template_line_and_variable),
		WITH_SITE(test_a_group_of_what_was_seen_of_the_machine_decides),
		WITH_SITE(test_an_undeclared_machine_waits_and_goes_on_when_it_is_declared),
		WITH_SITE(test_a_report_tells_failure_from_query_and_from_a_form),
		WITH_SITE(test_the_configuration_is_loaded_once_for_each_revision),
		cmocka_unit_test(test_a_tftp_claim_is_made_once_and_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
