/* Options into objects: what is named changes and nothing else; wrong values are told and change
 * nothing that is sent. */
#include "ctl/edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 24

struct line {
	struct ctl ctl;
	struct invocation in;
	char *told;
	size_t told_bytes;
	char *argv[ARGS_MAX];
	char text[512];
};

static void open_line(struct line *line, const char *text)
{
	char *save = NULL;
	int argc = 0;

	memset(line, 0, sizeof *line);
	line->ctl.directory = "/etc/pxecluster";
	line->ctl.err = open_memstream(&line->told, &line->told_bytes);
	strcpy(line->text, text);
	for (char *word = strtok_r(line->text, " ", &save); word != NULL;
		word = strtok_r(NULL, " ", &save)) {
		line->argv[argc++] = word;
	}
	assert_int_equal(command_parse(&line->ctl, argc, line->argv, &line->in), CTL_OK);
}

static void close_line(struct line *line, const char *expected)
{
	fclose(line->ctl.err);
	if (expected != NULL && strstr(line->told, expected) == NULL) {
		fail_msg("expected '%s' in '%s'", expected, line->told);
	}
	free(line->told);
}

static int host(Pxe__Host *object, const char *text, const char *expected)
{
	struct line line;
	open_line(&line, text);
	int result = edit_host(&line.ctl, &line.in, object);
	close_line(&line, expected);
	return result;
}

static int subnet(Pxe__Subnet *object, const char *text, const char *expected)
{
	struct line line;
	open_line(&line, text);
	int result = edit_subnet(&line.ctl, &line.in, object);
	close_line(&line, expected);
	return result;
}

static void test_host_options_change_only_what_is_named(void **state)
{
	(void)state;
	Pxe__Host *object = pxe__host__unpack(NULL, 0, (const uint8_t *)"");
	assert_int_equal(host(object,
				 "pxectl host add n07 --mac 52-54-00-AA-00-07 --mac 525400aa0008 "
				 "--ip 10.20.0.7 "
				 "--profile p --var disk=/dev/sda --var role=db",
				 NULL),
		CTL_OK);
	assert_int_equal(object->n_mac, 2);
	assert_int_equal(object->mac[1].data[5], 8);
	assert_int_equal(object->n_vars, 2);
	assert_int_equal(
		host(object, "pxectl host set n07 --ip 10.20.0.8 --var disk= --var role=a=b", NULL),
		CTL_OK);
	assert_int_equal(object->ip.data[3], 8);
	assert_int_equal(object->n_mac, 2);
	assert_string_equal(object->profile, "p");
	assert_int_equal(object->n_vars, 1);
	assert_string_equal(object->vars[0]->value, "a=b");
	assert_int_equal(
		host(object, "pxectl host set n07 --ip none --profile none --ignore yes", NULL),
		CTL_OK);
	assert_int_equal(object->ip.len, 0);
	assert_string_equal(object->profile, "");
	assert_true(object->ignore);
	assert_int_equal(host(object, "pxectl host set n07 --mac 52:54:00:aa:00:09", NULL), CTL_OK);
	assert_int_equal(object->n_mac, 1);
	pxe__host__free_unpacked(object, NULL);
}

static void test_wrong_host_values_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *text, *told;
	} cases[] = {{"pxectl host add n --mac zz", "--mac 'zz'"},
		{"pxectl host add n --mac 52:54:00:aa:00", "--mac '52:54:00:aa:00'"},
		{"pxectl host add n --mac 52:54:00:aa:00:01:02", "--mac '52:54:00:aa:00:01:02'"},
		{"pxectl host add n --mac 52:54:00:aa:00:07 --ip 10.20.0.256",
			"--ip '10.20.0.256'"},
		{"pxectl host add n", "a host needs --mac or --uuid"},
		{"pxectl host add n --uuid 12", "--uuid '12'"},
		{"pxectl host add n --mac 52:54:00:aa:00:07 --var x", "--var 'x'"},
		{"pxectl host add n --mac 52:54:00:aa:00:07 --ignore maybe", "--ignore 'maybe'"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Pxe__Host *object = pxe__host__unpack(NULL, 0, (const uint8_t *)"");
		assert_int_equal(host(object, cases[i].text, cases[i].told), CTL_USAGE);
		pxe__host__free_unpacked(object, NULL);
	}
}

static void test_subnet_options(void **state)
{
	(void)state;
	Pxe__Subnet *object = pxe__subnet__unpack(NULL, 0, (const uint8_t *)"");
	assert_int_equal(subnet(object,
				 "pxectl subnet add lab 10.20.0.0/22 --gateway 10.20.0.1 --dns "
				 "10.0.0.1,10.0.0.2 --dns 10.0.0.3 "
				 "--lease 1h30m --lease-max 1d --mtu 9000 --option "
				 "150=ip:10.0.0.1,10.0.0.2 --option 17=text:/nfs",
				 NULL),
		CTL_OK);
	assert_int_equal(object->n_dns_ip, 3);
	assert_int_equal(object->lease_s, 5400);
	assert_int_equal(object->lease_max_s, 86400);
	assert_int_equal(object->n_options, 2);
	assert_int_equal(object->options[0]->data.len, 8);
	assert_memory_equal(object->options[1]->data.data, "/nfs", 4);
	assert_int_equal(subnet(object,
				 "pxectl subnet set lab --option 150=none --option "
				 "root-path=hex:0aff --dns none --lease default",
				 NULL),
		CTL_OK);
	assert_int_equal(object->n_options, 1);
	assert_int_equal(object->options[0]->code, 17);
	assert_int_equal(object->options[0]->data.data[1], 0xff);
	assert_int_equal(object->n_dns_ip, 0);
	assert_int_equal(object->lease_s, 0);
	assert_int_equal(object->mtu, 9000);
	pxe__subnet__free_unpacked(object, NULL);
}

static void test_wrong_subnet_values_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *text, *told;
	} cases[] = {{"pxectl subnet set lab --cidr 10.20.0.5/22", "did you mean 10.20.0.0/22?"},
		{"pxectl subnet set lab --cidr 10.20.0.0", "write a network"},
		{"pxectl subnet set lab --cidr 10.20.0.0/31", "write a network"},
		{"pxectl subnet set lab --dns 10.0.0.1;10.0.0.2", "--dns"},
		{"pxectl subnet set lab --lease soon", "--lease 'soon'"},
		{"pxectl subnet set lab --lease 10ms", "--lease"},
		{"pxectl subnet set lab --mtu 9", "--mtu '9'"},
		{"pxectl subnet set lab --option 0=hex:00", "--option '0=hex:00'"},
		{"pxectl subnet set lab --option 255=hex:00", "--option"},
		{"pxectl subnet set lab --option 200=hex:0", "--option"},
		{"pxectl subnet set lab --option nosuch=hex:00", "--option"},
		{"pxectl subnet set lab --option 200=ip:", "--option"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Pxe__Subnet *object = pxe__subnet__unpack(NULL, 0, (const uint8_t *)"");
		assert_int_equal(subnet(object, cases[i].text, cases[i].told), CTL_USAGE);
		pxe__subnet__free_unpacked(object, NULL);
	}
}

static void test_pool_ranges(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int result;
	} cases[] = {{"pxectl pool add p --subnet lab --range 10.20.2.0-10.20.3.199", CTL_OK},
		{"pxectl pool add p --subnet lab --range 10.20.2.9-10.20.2.9", CTL_OK},
		{"pxectl pool add p --subnet lab --range 10.20.2.9-10.20.2.8", CTL_USAGE},
		{"pxectl pool add p --subnet lab --range 10.20.2.0", CTL_USAGE},
		{"pxectl pool add p --subnet lab --range 10.20.2.0-x", CTL_USAGE},
		{"pxectl pool add p --subnet lab", CTL_USAGE},
		{"pxectl pool add p --range 10.20.2.0-10.20.3.199", CTL_USAGE}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct line line;
		Pxe__Pool *object = pxe__pool__unpack(NULL, 0, (const uint8_t *)"");
		open_line(&line, cases[i].text);
		assert_int_equal(edit_pool(&line.ctl, &line.in, object), cases[i].result);
		close_line(&line, NULL);
		pxe__pool__free_unpacked(object, NULL);
	}
}

static void test_profile_options(void **state)
{
	(void)state;
	char path[] = "/tmp/edit-test-XXXXXX", command[128];
	int fd = mkstemp(path);
	struct line line;
	Pxe__Profile *object = pxe__profile__unpack(NULL, 0, (const uint8_t *)"");
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "#!ipxe\nshell\n", 13), 13);
	close(fd);
	open_line(&line, "pxectl profile add p --image i --kernel vmlinuz --initrd a --initrd b "
			 "--loader bios=pxelinux.0");
	assert_int_equal(edit_profile(&line.ctl, &line.in, object), CTL_OK);
	close_line(&line, NULL);
	assert_int_equal(object->n_initrd, 2);
	assert_string_equal(object->loaders[0]->arch, "bios");
	open_line(&line, "pxectl profile set p --initrd c --loader bios=none --local");
	assert_int_equal(edit_profile(&line.ctl, &line.in, object), CTL_OK);
	close_line(&line, NULL);
	assert_int_equal(object->n_initrd, 1);
	assert_int_equal(object->n_loaders, 0);
	assert_true(object->local);
	snprintf(command, sizeof command, "pxectl profile set p --script %s", path);
	open_line(&line, command);
	assert_int_equal(edit_profile(&line.ctl, &line.in, object), CTL_OK);
	close_line(&line, NULL);
	assert_string_equal(object->script, "#!ipxe\nshell\n");
	assert_false(object->local);
	open_line(&line, "pxectl profile set p --loader wat=x");
	assert_int_equal(edit_profile(&line.ctl, &line.in, object), CTL_USAGE);
	close_line(&line, "--loader 'wat'");
	pxe__profile__free_unpacked(object, NULL);
	unlink(path);
}

static void test_names(void **state)
{
	(void)state;
	struct line line;
	open_line(&line, "pxectl host show x");
	assert_int_equal(edit_check_name(&line.ctl, "host", "n07.rack-1_a"), CTL_OK);
	assert_int_equal(edit_check_name(&line.ctl, "host", ""), CTL_USAGE);
	assert_int_equal(edit_check_name(&line.ctl, "host", "-x"), CTL_USAGE);
	assert_int_equal(edit_check_name(&line.ctl, "host", "a b"), CTL_USAGE);
	assert_int_equal(edit_check_name(&line.ctl, "host", "n*"), CTL_USAGE);
	assert_int_equal(
		edit_check_name(&line.ctl, "host",
			"0123456789012345678901234567890123456789012345678901234567890123"),
		CTL_USAGE);
	close_line(&line, "cannot be the name of a host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_options_change_only_what_is_named),
		cmocka_unit_test(test_wrong_host_values_are_told),
		cmocka_unit_test(test_subnet_options),
		cmocka_unit_test(test_wrong_subnet_values_are_told),
		cmocka_unit_test(test_pool_ranges),
		cmocka_unit_test(test_profile_options),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
