/* cluster set: words become settings, and are told with what was before. */
#include "ctl/cmd_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rig {
	struct ctl ctl;
	Pxe__Settings *settings;
	char *told, *changes;
	size_t told_bytes, changes_bytes;
	int result;
};

static void apply(struct rig *rig, const char *const *words, size_t count)
{
	FILE *changes;

	memset(rig, 0, sizeof *rig);
	rig->ctl.err = open_memstream(&rig->told, &rig->told_bytes);
	changes = open_memstream(&rig->changes, &rig->changes_bytes);
	rig->settings = pxe__settings__unpack(NULL, 0, (const uint8_t *)"");
	assert_non_null(rig->settings);
	rig->settings->mclt_s = 600;
	rig->settings->lease_s = 3600;
	rig->settings->dhcp = PXE__DHCP_MODE__DHCP_ON;
	rig->result = cmd_set_apply(&rig->ctl, words, count, rig->settings, changes);
	fclose(rig->ctl.err);
	fclose(changes);
}

static void done(struct rig *rig)
{
	pxe__settings__free_unpacked(rig->settings, NULL);
	free(rig->told);
	free(rig->changes);
}

static void test_a_key_given_twice_is_refused(void **state)
{
	static const char *const words[] = {"mclt=5m", "lease=2h", "mclt=10m"};
	struct rig rig;

	(void)state;
	apply(&rig, words, 3);
	assert_int_equal(rig.result, CTL_USAGE);
	assert_non_null(strstr(rig.told, "mclt is given twice"));
	done(&rig);
}

static void test_each_key_changes_its_setting_and_nothing_else(void **state)
{
	static const char *const words[] = {"mclt=5m", "lease=2h", "offer=30s", "decline=10m",
		"reserve=30%", "dhcp=off", "profile=debian12", "server-id=10.20.0.5"};
	static const uint8_t ip[4] = {10, 20, 0, 5};
	struct rig rig;

	(void)state;
	apply(&rig, words, sizeof words / sizeof words[0]);
	assert_int_equal(rig.result, CTL_OK);
	assert_int_equal(rig.settings->mclt_s, 300);
	assert_int_equal(rig.settings->lease_s, 7200);
	assert_int_equal(rig.settings->offer_s, 30);
	assert_int_equal(rig.settings->decline_s, 600);
	assert_int_equal(rig.settings->reserve_percent, 30);
	assert_int_equal(rig.settings->dhcp, PXE__DHCP_MODE__DHCP_OFF);
	assert_string_equal(rig.settings->profile, "debian12");
	assert_int_equal(rig.settings->server_ip.len, 4);
	assert_memory_equal(rig.settings->server_ip.data, ip, 4);
	assert_non_null(strstr(rig.changes, "10m -> 5m"));
	assert_non_null(strstr(rig.changes, "50 % -> 30 %"));
	assert_non_null(strstr(rig.changes, "on -> off"));
	assert_non_null(strstr(rig.changes, "none -> debian12"));
	done(&rig);
	apply(&rig, (const char *const[]){"mclt=5m"}, 1);
	assert_int_equal(rig.settings->lease_s, 3600);
	assert_int_equal(rig.settings->dhcp, PXE__DHCP_MODE__DHCP_ON);
	done(&rig);
}

static void test_terms_of_the_whole_cluster(void **state)
{
	static const char *const words[] = {"probe=no", "known-percent=20%", "unknown-per-s=100",
		"lease-min=1m", "lease-max=2h", "option.routers=10.0.0.1", "option.!mtu=9000",
		"option.vendor.6=u8:8", "quirk.broadcast=yes", "quirk.reply-delay=500ms"};
	struct rig rig;

	(void)state;
	apply(&rig, words, sizeof words / sizeof words[0]);
	assert_int_equal(rig.result, CTL_OK);
	assert_int_equal(rig.settings->probe, PXE__TOGGLE__TOGGLE_NO);
	assert_int_equal(rig.settings->known_percent, 20);
	assert_int_equal(rig.settings->unknown_per_s, 100);
	assert_int_equal(rig.settings->lease_min_s, 60);
	assert_int_equal(rig.settings->lease_max_s, 7200);
	assert_int_equal(rig.settings->n_options, 3);
	assert_int_equal(rig.settings->options[1]->code, 26);
	assert_true(rig.settings->options[1]->always);
	assert_int_equal(rig.settings->options[2]->space, PXE__OPTION_SPACE__OPTION_VENDOR);
	assert_int_equal(rig.settings->quirks->broadcast, PXE__TOGGLE__TOGGLE_YES);
	assert_int_equal(rig.settings->quirks->reply_delay_ms, 500);
	assert_non_null(strstr(rig.changes, "default (yes) -> no"));
	assert_non_null(strstr(rig.changes, "10 % -> 20 %"));
	assert_non_null(strstr(rig.changes, "500 -> 100"));
	assert_non_null(strstr(rig.changes, "none -> routers=10.0.0.1"));
	done(&rig);
}

static void test_default_takes_a_setting_back(void **state)
{
	static const char *const words[] = {"probe=default", "known-percent=default",
		"unknown-per-s=default", "lease-max=default", "reserve=default",
		"option.routers=none", "quirk.broadcast=default"};
	struct rig rig;

	(void)state;
	apply(&rig, words, sizeof words / sizeof words[0]);
	assert_int_equal(rig.result, CTL_OK);
	assert_int_equal(rig.settings->n_options, 0);
	assert_null(rig.settings->quirks);
	assert_int_equal(rig.settings->known_percent, 0);
	done(&rig);
}

static void test_wrong_words_are_named(void **state)
{
	static const struct {
		const char *word, *told;
	} cases[] = {{"mclt", "KEY=VALUE"}, {"mclt=1s", "10s"}, {"mclt=ten", "such as"},
		{"lease=0", "10s"}, {"reserve=0", "per cent"}, {"reserve=101", "per cent"},
		{"reserve=half", "per cent"}, {"dhcp=maybe", "on, proxy or off"},
		{"server-id=none", "IPv4"}, {"server-id=0.0.0.0", "IPv4"},
		{"profile=a b", "cannot be the name"}, {"mlct=5m", "did you mean 'mclt'"},
		{"epoch=3", "there is no setting"}, {"mclt=default", "10s"},
		{"probe=maybe", "yes, no or default"}, {"known-percent=101", "per cent"},
		{"unknown-per-s=0", "first offers"}, {"lease-max=1s", "10s"},
		{"option.ruoters=10.0.0.1", "did you mean 'routers'"},
		{"option=x", "there is no setting"}, {"quirk.x=yes", "overload"},
		{"option.mtu=x", "mtu"}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rig rig;
		apply(&rig, &cases[i].word, 1);
		assert_int_equal(rig.result, CTL_USAGE);
		assert_non_null(strstr(rig.told, cases[i].told));
		assert_int_equal(rig.settings->mclt_s, 600);
		done(&rig);
	}
}

static void test_what_machines_boot_and_are_told_is_set_and_removed(void **state)
{
	static const char *const words[] = {"boot.bios=memtest", "var.mirror=http://m/",
		"dns=10.0.0.2,10.0.0.3", "domain=lab.example", "syslog=yes"};
	static const char *const away[] = {
		"boot.bios=none", "var.mirror=", "dns=none", "domain=none"};
	static const char *const wrong[] = {"dns=10.0.0.2,x"};
	struct rig rig;

	(void)state;
	apply(&rig, words, 5);
	assert_int_equal(rig.result, CTL_OK);
	assert_string_equal(rig.settings->profiles[0]->profile, "memtest");
	assert_string_equal(rig.settings->vars[0]->value, "http://m/");
	assert_int_equal(rig.settings->n_dns_ip, 2);
	assert_string_equal(rig.settings->domain, "lab.example");
	assert_int_equal(rig.settings->syslog, PXE__TOGGLE__TOGGLE_YES);
	assert_non_null(strstr(rig.changes, "boot.bios  none -> memtest"));
	assert_non_null(strstr(rig.changes, "default (no) -> yes"));
	rig.ctl.err = tmpfile();
	assert_int_equal(cmd_set_apply(&rig.ctl, away, 4, rig.settings, rig.ctl.err), CTL_OK);
	fclose(rig.ctl.err);
	assert_int_equal(
		rig.settings->n_profiles + rig.settings->n_vars + rig.settings->n_dns_ip, 0);
	assert_string_equal(rig.settings->domain, "");
	done(&rig);
	apply(&rig, wrong, 1);
	assert_int_equal(rig.result, CTL_USAGE);
	assert_non_null(strstr(rig.told, "'x' is not an IPv4 address"));
	done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_machines_boot_and_are_told_is_set_and_removed),
		cmocka_unit_test(test_a_key_given_twice_is_refused),
		cmocka_unit_test(test_each_key_changes_its_setting_and_nothing_else),
		cmocka_unit_test(test_terms_of_the_whole_cluster),
		cmocka_unit_test(test_default_takes_a_setting_back),
		cmocka_unit_test(test_wrong_words_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
