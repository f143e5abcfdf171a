/* ctl/command.h: the shape of a command, and the parser that reads command lines by the table of
 * commands.
 *
 * Pure but for the messages that it prints. One table drives the parser, the help and the
 * suggestions for mistyped words.
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "ctl/ctl.h"

#define COMMAND_ARGS_MAX  32
#define COMMAND_GIVEN_MAX 128

struct command_option {
	const char *name;  /* "gateway" for --gateway */
	const char *value; /* "IP"; NULL: a flag */
	bool many;         /* may be given several times */
	const char *help;
};

struct invocation;
typedef int command_run(struct ctl *ctl, const struct invocation *in);

struct command {
	const char *noun;
	const char *verb; /* "add", "token create"; NULL: the noun alone */
	const char *args; /* "NAME CIDR", for the help */
	size_t args_min, args_max;
	const char *help;    /* one line */
	const char *more;    /* what else to know; may be NULL */
	const char *example; /* lines; may be NULL */
	const struct command_option *options;
	size_t option_count;
	command_run *run;
};

/* A parsed command line. Texts are those of argv. */
struct invocation {
	const struct command *command;
	const char *args[COMMAND_ARGS_MAX];
	size_t arg_count;
	struct {
		const struct command_option *option;
		const char *value; /* NULL for a flag */
	} given[COMMAND_GIVEN_MAX];
	size_t given_count;
	bool help;
};

/* The table (commands.c). */
extern const struct command command_table[];
extern const size_t command_count;
extern const struct command_option command_globals[];
extern const size_t command_global_count;

/* Read argv[1...]: global options into *ctl, the rest into *ret_in. CTL_OK, or CTL_USAGE after
 * telling on ctl->err. Without words, or for `help`, `pxectl NOUN help` and --help, ret_in->help is
 * true; ret_in->command may then be NULL and args[0] the noun. */
int command_parse(struct ctl *ctl, int argc, char **argv, struct invocation *ret_in);

/* Value of an option, NULL when not given (the last one counts). */
const char *command_text(const struct invocation *in, const char *option);
bool command_flag(const struct invocation *in, const char *option);
/* The values of an option that may be given several times; *iterator starts as 0. NULL: no more. */
const char *command_next(const struct invocation *in, const char *option, size_t *iterator);

/* Help: all nouns; one noun's verbs; one command. noun may be NULL. CTL_USAGE for a noun that does
 * not exist. */
int command_help(const struct ctl *ctl, const char *noun, const struct command *command);

#endif
