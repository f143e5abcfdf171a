/* The command line: what is taken, what is refused, what is suggested; and the table itself. */
#include "ctl/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGS_MAX 24

struct line {
	struct ctl ctl;
	struct invocation in;
	int result;
	char *told, *help;
	size_t told_bytes, help_bytes;
	char *argv[ARGS_MAX];
	char text[512];
};

/* Parse a line; words are separated by blanks. */
static void parse(struct line *line, const char *text)
{
	char *save = NULL;
	int argc = 0;

	memset(line, 0, sizeof *line);
	line->ctl.directory = "/etc/pxecluster";
	line->ctl.err = open_memstream(&line->told, &line->told_bytes);
	line->ctl.out = open_memstream(&line->help, &line->help_bytes);
	strcpy(line->text, text);
	for (char *word = strtok_r(line->text, " ", &save); word != NULL;
		word = strtok_r(NULL, " ", &save)) {
		line->argv[argc++] = word;
	}
	line->result = command_parse(&line->ctl, argc, line->argv, &line->in);
	if (line->result == CTL_OK && line->in.help) {
		line->result = command_help(&line->ctl, line->in.args[0], line->in.command);
	}
	fclose(line->ctl.err);
	fclose(line->ctl.out);
}

static void done(struct line *line)
{
	free(line->told);
	free(line->help);
}

static void test_words_options_and_globals_in_any_order(void **state)
{
	(void)state;
	static const char *const lines[] = {"pxectl host add n07 --mac 52:54:00:00:00:07 --mac "
					    "52:54:00:00:00:08 -o json --ip=10.0.0.7",
		"pxectl -o json host add --mac 52:54:00:00:00:07 n07 --ip 10.0.0.7 "
		"--mac=52:54:00:00:00:08",
		"pxectl --output=json host --dir /x add n07 --mac 52:54:00:00:00:07 --ip 10.0.0.7 "
		"--mac 52:54:00:00:00:08",
		"pxectl -ojson host add --ip 10.0.0.7 --mac 52:54:00:00:00:07 --mac "
		"52:54:00:00:00:08 -- n07"};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct line line;
		size_t iterator = 0;
		parse(&line, lines[i]);
		assert_int_equal(line.result, CTL_OK);
		assert_string_equal(line.in.command->noun, "host");
		assert_string_equal(line.in.command->verb, "add");
		assert_int_equal(line.in.arg_count, 1);
		assert_string_equal(line.in.args[0], "n07");
		assert_string_equal(command_text(&line.in, "ip"), "10.0.0.7");
		assert_string_equal(command_next(&line.in, "mac", &iterator), "52:54:00:00:00:07");
		assert_string_equal(command_next(&line.in, "mac", &iterator), "52:54:00:00:00:08");
		assert_null(command_next(&line.in, "mac", &iterator));
		assert_null(command_text(&line.in, "uuid"));
		assert_int_equal(line.ctl.format, CTL_JSON);
		done(&line);
	}
}

static void test_synonyms_and_two_word_verbs(void **state)
{
	(void)state;
	static const struct {
		const char *text, *noun, *verb;
	} cases[] = {{"pxectl host ls", "host", "list"}, {"pxectl host rm n07", "host", "remove"},
		{"pxectl host get", "host", "list"}, {"pxectl host get n07", "host", "show"},
		{"pxectl cluster token create --for pxe2", "cluster", "token create"},
		{"pxectl status", "status", NULL}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct line line;
		parse(&line, cases[i].text);
		assert_int_equal(line.result, CTL_OK);
		assert_string_equal(line.in.command->noun, cases[i].noun);
		if (cases[i].verb != NULL) {
			assert_string_equal(line.in.command->verb, cases[i].verb);
		}
		done(&line);
	}
}

static void test_what_is_wrong_is_told_with_a_suggestion(void **state)
{
	(void)state;
	static const struct {
		const char *text, *told;
	} cases[] = {
		{"pxectl host lsit",
			"unknown command 'host lsit'; did you mean 'pxectl host list'?"},
		{"pxectl hots list", "did you mean 'pxectl host'?"},
		{"pxectl frobnicate", "see: pxectl help"},
		{"pxectl host add n07 --maac x", "unknown option '--maac'; did you mean '--mac'?"},
		{"pxectl host add n07 -x", "unknown option '-x'"},
		{"pxectl host add", "usage: pxectl host add NAME"},
		{"pxectl host show a b", "too many words; usage: pxectl host show NAME"},
		{"pxectl host add n07 --mac", "--mac needs a value: --mac MAC"},
		{"pxectl status --quiet=yes", "--quiet takes no value"},
		{"pxectl host add n07 --hostname a --hostname b", "--hostname is given twice"},
		{"pxectl status -o xml", "-o 'xml': write table, wide, json or name"},
		{"pxectl status --timeout soon", "--timeout 'soon'"},
		{"pxectl cluster tokn create", "did you mean"},
		{"pxectl help hots", "did you mean 'pxectl host'?"},
		{"pxectl verson", "did you mean 'pxectl version'?"},
		{"pxectl gruop list", "did you mean 'pxectl group'?"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct line line;
		parse(&line, cases[i].text);
		assert_int_equal(line.result, CTL_USAGE);
		if (strstr(line.told, cases[i].told) == NULL) {
			fail_msg("'%s': expected '%s' in '%s'", cases[i].text, cases[i].told,
				line.told);
		}
		done(&line);
	}
}

static void test_help_of_everything_a_noun_and_a_command(void **state)
{
	(void)state;
	static const struct {
		const char *text, *shown;
	} cases[] = {{"pxectl", "usage: pxectl COMMAND"}, {"pxectl help", "lease release IP"},
		{"pxectl --help", "boot explain MAC"}, {"pxectl help host", "host add NAME"},
		{"pxectl host", "host add NAME"}, {"pxectl host help", "host add NAME"},
		{"pxectl host add --help", "--mac MAC ..."}, {"pxectl help host add", "example:"},
		{"pxectl cluster token create -h", "--witness"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct line line;
		parse(&line, cases[i].text);
		assert_int_equal(line.result, CTL_OK);
		if (strstr(line.help, cases[i].shown) == NULL) {
			fail_msg("'%s': expected '%s' in '%s'", cases[i].text, cases[i].shown,
				line.help);
		}
		done(&line);
	}
}

static void test_every_entry_of_the_table_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &command_table[i];
		assert_non_null(command->run);
		assert_true(command->help[0] != '\0');
		assert_true(command->args_min <= command->args_max &&
			    command->args_max <= COMMAND_ARGS_MAX);
		for (size_t j = i + 1; j < command_count; j++) {
			assert_false(strcmp(command->noun, command_table[j].noun) == 0 &&
				     (command->verb == NULL || command_table[j].verb == NULL ||
					     strcmp(command->verb, command_table[j].verb) == 0));
		}
		for (size_t o = 0; o < command->option_count; o++) {
			for (size_t g = 0; g < command_global_count; g++) {
				assert_string_not_equal(
					command->options[o].name, command_globals[g].name);
			}
		}
	}
}

static void test_exit_codes_of_answers(void **state)
{
	(void)state;
	assert_int_equal(ctl_exit_of(PXE__ADMIN_STATUS__ADMIN_OK), 0);
	assert_int_equal(ctl_exit_of(PXE__ADMIN_STATUS__ADMIN_NO), 1);
	assert_int_equal(ctl_exit_of(PXE__ADMIN_STATUS__ADMIN_INVALID), 2);
	assert_int_equal(ctl_exit_of(PXE__ADMIN_STATUS__ADMIN_NO_QUORUM), 4);
	assert_int_equal(ctl_exit_of(PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED), 5);
	assert_int_equal(ctl_exit_of(PXE__ADMIN_STATUS__ADMIN_NOT_FOUND), 6);
	assert_int_equal(ctl_exit_of(PXE__ADMIN_STATUS__ADMIN_CONFLICT), 7);
	assert_int_equal(ctl_exit_of(PXE__ADMIN_STATUS__ADMIN_UNKNOWN_OUTCOME), 8);
	assert_int_equal(ctl_exit_of(PXE__ADMIN_STATUS__ADMIN_REFUSED), 9);
	assert_int_equal(ctl_exit_of((Pxe__AdminStatus)55), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_options_and_globals_in_any_order),
		cmocka_unit_test(test_synonyms_and_two_word_verbs),
		cmocka_unit_test(test_what_is_wrong_is_told_with_a_suggestion),
		cmocka_unit_test(test_help_of_everything_a_noun_and_a_command),
		cmocka_unit_test(test_every_entry_of_the_table_is_whole),
		cmocka_unit_test(test_exit_codes_of_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
