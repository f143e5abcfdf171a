/* What boots, by architecture; variables, templates and scripts: read from a command line, and
 * refused before they are sent. */
#include "ctl/edit.h"
#include "ctl/edit_boot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct line {
	struct ctl ctl;
	struct invocation in;
	char *told;
	size_t told_bytes;
	char *argv[32];
	char text[1024];
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
	if (strstr(line->told, expected) == NULL) {
		fail_msg("expected '%s' in '%s'", expected, line->told);
	}
	free(line->told);
}

static int host(Pxe__Host *object, const char *text, const char *expected)
{
	struct line line;
	int result;

	open_line(&line, text);
	result = edit_host(&line.ctl, &line.in, object);
	close_line(&line, expected);
	return result;
}

static int profile(Pxe__Profile *object, const char *text, const char *expected)
{
	struct line line;
	int result;

	open_line(&line, text);
	result = edit_profile(&line.ctl, &line.in, object);
	close_line(&line, expected);
	return result;
}

/* A file of this text below /tmp; its path. */
static char *file_of(const char *text, char ret_path[64])
{
	int fd;

	strcpy(ret_path, "/tmp/edit-boot-test-XXXXXX");
	fd = mkstemp(ret_path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return ret_path;
}

static void test_profiles_by_architecture_are_set_and_removed_one_by_one(void **state)
{
	Pxe__Host *object = edit_new(&pxe__host__descriptor);

	(void)state;
	assert_int_equal(host(object,
				 "pxectl host add n1 --mac 52:54:00:aa:00:01 --boot bios=memtest "
				 "--boot uefi-x64=local --boot bios=install",
				 ""),
		CTL_OK);
	assert_int_equal(object->n_profiles, 2);
	assert_string_equal(object->profiles[0]->arch, "uefi-x64");
	assert_string_equal(object->profiles[1]->arch, "bios");
	assert_string_equal(object->profiles[1]->profile, "install");
	assert_int_equal(host(object, "pxectl host set n1 --boot uefi-x64=none", ""), CTL_OK);
	assert_int_equal(object->n_profiles, 1);
	assert_int_equal(
		host(object, "pxectl host set n1 --boot boss=x", "did you mean 'bios'"), CTL_USAGE);
	assert_int_equal(
		host(object, "pxectl host set n1 --boot bios", "write ARCH=PROFILE"), CTL_USAGE);
	assert_int_equal(object->n_profiles, 1);
	pxe__host__free_unpacked(object, NULL);
}

static void test_variables_are_set_and_removed_one_by_one(void **state)
{
	Pxe__Host *object = edit_new(&pxe__host__descriptor);

	(void)state;
	assert_int_equal(host(object,
				 "pxectl host add n1 --mac 52:54:00:aa:00:01 --var disk=/dev/sda "
				 "--var url=http://a/?b=c",
				 ""),
		CTL_OK);
	assert_int_equal(object->n_vars, 2);
	assert_string_equal(object->vars[1]->value, "http://a/?b=c");
	assert_int_equal(host(object, "pxectl host set n1 --var disk=", ""), CTL_OK);
	assert_int_equal(object->n_vars, 1);
	assert_int_equal(host(object, "pxectl host set n1 --var a-b=c", "letters, digits and '_'"),
		CTL_USAGE);
	pxe__host__free_unpacked(object, NULL);
}

static void test_templates_are_read_from_files_and_judged(void **state)
{
	Pxe__Profile *object = edit_new(&pxe__profile__descriptor);
	char good[64], bad[64], unknown[64], line[512];

	(void)state;
	file_of("d-i mirror {{vars.mirror}}\n", good);
	file_of("one\ntwo {{#mac}}\n", bad);
	file_of("\n  {{host_name}}", unknown);
	snprintf(line, sizeof line,
		"pxectl profile add p --kernel k --image i --template preseed.cfg=%s", good);
	assert_int_equal(profile(object, line, ""), CTL_OK);
	assert_int_equal(object->n_templates, 1);
	assert_string_equal(object->templates[0]->text, "d-i mirror {{vars.mirror}}\n");

	snprintf(line, sizeof line, "pxectl profile set p --template preseed.cfg=%s", bad);
	assert_int_equal(profile(object, line, ":2:5: section 'mac' is not closed"), CTL_USAGE);
	snprintf(line, sizeof line, "pxectl profile set p --template preseed.cfg=%s", unknown);
	assert_int_equal(profile(object, line, ":2:3: there is no {{host_name}}"), CTL_USAGE);
	assert_string_equal(object->templates[0]->text, "d-i mirror {{vars.mirror}}\n");
	assert_int_equal(
		profile(object, "pxectl profile set p --template a/b=x", "NAME=FILE"), CTL_USAGE);
	assert_int_equal(
		profile(object, "pxectl profile set p --template preseed.cfg=none", ""), CTL_OK);
	assert_int_equal(object->n_templates, 0);
	unlink(good);
	unlink(bad);
	unlink(unknown);
	pxe__profile__free_unpacked(object, NULL);
}

static void test_chain_and_scripts(void **state)
{
	Pxe__Profile *object = edit_new(&pxe__profile__descriptor);
	char path[64], line[256];

	(void)state;
	file_of("echo {{name}}\nboot\n", path);
	snprintf(line, sizeof line, "pxectl profile add p --chain shim --grub-script %s", path);
	assert_int_equal(profile(object, line, ""), CTL_OK);
	assert_int_equal(object->chain, PXE__CHAIN__CHAIN_SHIM);
	assert_string_equal(edit_chain_text(object->chain), "shim");
	assert_string_equal(object->grub_script, "echo {{name}}\nboot\n");
	assert_int_equal(
		profile(object, "pxectl profile set p --chain lilo", "--chain 'lilo'"), CTL_USAGE);
	assert_int_equal(
		profile(object, "pxectl profile set p --grub-script none", "something to boot"),
		CTL_USAGE);
	assert_int_equal(
		profile(object, "pxectl profile set p --args {{vars.x", "--args:1:1: "), CTL_USAGE);
	unlink(path);
	pxe__profile__free_unpacked(object, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profiles_by_architecture_are_set_and_removed_one_by_one),
		cmocka_unit_test(test_variables_are_set_and_removed_one_by_one),
		cmocka_unit_test(test_templates_are_read_from_files_and_judged),
		cmocka_unit_test(test_chain_and_scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
