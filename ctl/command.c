#include "ctl/command.h"

#include "proto/cred/suggest.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 64

static const struct {
	const char *word, *means;
} synonyms[] = {{"ls", "list"}, {"rm", "remove"}, {"delete", "remove"}};

static const char *synonym(const char *word)
{
	for (size_t i = 0; i < sizeof synonyms / sizeof synonyms[0]; i++) {
		if (strcmp(word, synonyms[i].word) == 0) {
			return synonyms[i].means;
		}
	}
	return word;
}

/* ---- finding the command */

static bool is_noun(const char *word)
{
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(command_table[i].noun, word) == 0) {
			return true;
		}
	}
	return false;
}

/* How many of the words (after the noun) the verb takes; 0: it is another verb. "token create"
 * takes two. */
static size_t match_verb(const char *verb, const char *const *words, size_t count)
{
	size_t used = 0;

	while (*verb != '\0') {
		size_t length = strcspn(verb, " ");
		const char *word = used < count ? synonym(words[used]) : "";
		if (strlen(word) != length || strncmp(word, verb, length) != 0) {
			return 0;
		}
		used++;
		verb += length + (verb[length] == ' ');
	}
	return used;
}

static const struct command *find(const char *const *words, size_t count, size_t *ret_used)
{
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &command_table[i];
		size_t used;
		if (strcmp(command->noun, words[0]) != 0) {
			continue;
		}
		used = command->verb == NULL ? 0 : match_verb(command->verb, words + 1, count - 1);
		if (command->verb == NULL || used > 0) {
			*ret_used = 1 + used;
			return command;
		}
	}
	/* `get` is list without a name and show with one. */
	if (count > 1 && strcmp(words[1], "get") == 0) {
		const char *as[2] = {words[0], count > 2 ? "show" : "list"};
		return find(as, 2, ret_used);
	}
	return NULL;
}

static int unknown_noun(const struct ctl *ctl, const char *word)
{
	const char *nouns[WORDS_MAX], *nearest;
	size_t count = 0;

	for (size_t i = 0; i < command_count && count < WORDS_MAX; i++) {
		/* The commands of a noun stand together. */
		if (i == 0 || strcmp(command_table[i].noun, command_table[i - 1].noun) != 0) {
			nouns[count++] = command_table[i].noun;
		}
	}
	nearest = suggest_nearest(word, nouns, count);
	return nearest != NULL
		       ? ctl_fail(ctl, CTL_USAGE, "unknown command '%s'; did you mean 'pxectl %s'?",
				 word, nearest)
		       : ctl_fail(ctl, CTL_USAGE, "unknown command '%s'; see: pxectl help", word);
}

static int unknown_verb(const struct ctl *ctl, const char *noun, const char *word)
{
	const char *verbs[WORDS_MAX], *nearest;
	size_t count = 0;

	for (size_t i = 0; i < command_count && count < WORDS_MAX; i++) {
		if (strcmp(command_table[i].noun, noun) == 0) {
			verbs[count++] = command_table[i].verb;
		}
	}
	nearest = suggest_nearest(word, verbs, count);
	return nearest != NULL
		       ? ctl_fail(ctl, CTL_USAGE,
				 "unknown command '%s %s'; did you mean 'pxectl %s %s'?", noun,
				 word, noun, nearest)
		       : ctl_fail(ctl, CTL_USAGE, "unknown command '%s %s'; see: pxectl help %s",
				 noun, word, noun);
}

/* ---- options */

static const struct command_option *find_option(
	const struct command_option *options, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(options[i].name) == length &&
			strncmp(options[i].name, name, length) == 0) {
			return &options[i];
		}
	}
	return NULL;
}

static int unknown_option(const struct ctl *ctl, const struct command *command, const char *word)
{
	const char *names[WORDS_MAX], *nearest;
	char bare[SUGGEST_WORD_MAX + 1];
	size_t count = 0;

	for (size_t i = 0; command != NULL && i < command->option_count && count < WORDS_MAX; i++) {
		names[count++] = command->options[i].name;
	}
	for (size_t i = 0; i < command_global_count && count < WORDS_MAX; i++) {
		names[count++] = command_globals[i].name;
	}
	snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word + 2, "="), word + 2);
	nearest = suggest_nearest(bare, names, count);
	if (nearest != NULL) {
		return ctl_fail(ctl, CTL_USAGE, "unknown option '--%s'; did you mean '--%s'?", bare,
			nearest);
	}
	return ctl_fail(ctl, CTL_USAGE, "unknown option '%s'; see: pxectl %s%s%s --help", word,
		command == NULL ? "" : command->noun,
		command == NULL || command->verb == NULL ? "" : " ",
		command == NULL || command->verb == NULL ? "" : command->verb);
}

static int set_format(struct ctl *ctl, const char *value)
{
	static const char *const names[] = {"table", "wide", "json", "name"};

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(value, names[i]) == 0) {
			ctl->format = (enum ctl_format)i;
			return CTL_OK;
		}
	}
	return ctl_fail(ctl, CTL_USAGE, "-o '%s': write table, wide, json or name", value);
}

static int set_timeout(struct ctl *ctl, const char *value)
{
	uint64_t ms;

	if (text_duration_parse(value, &ms) != 0 || ms == 0 || ms > 86400000) {
		return ctl_fail(
			ctl, CTL_USAGE, "--timeout '%s': write a time such as 10s or 2m", value);
	}
	ctl->timeout_ms = (unsigned)ms;
	return CTL_OK;
}

static int set_color(struct ctl *ctl, const char *value)
{
	if (strcmp(value, "always") == 0 || strcmp(value, "never") == 0) {
		ctl->color = value[0] == 'a';
		return CTL_OK;
	}
	return strcmp(value, "auto") == 0
		       ? CTL_OK
		       : ctl_fail(ctl, CTL_USAGE, "--color '%s': write auto, always or never",
				 value);
}

static int add_endpoints(struct ctl *ctl, const char *value)
{
	if (ctl->endpoint_count == CTL_ENDPOINTS_MAX) {
		return ctl_fail(ctl, CTL_USAGE, "more than %d times --endpoint", CTL_ENDPOINTS_MAX);
	}
	ctl->endpoints[ctl->endpoint_count++] = value;
	return CTL_OK;
}

static int set_global(struct ctl *ctl, const char *name, const char *value, struct invocation *in)
{
	if (strcmp(name, "output") == 0) {
		return set_format(ctl, value);
	}
	if (strcmp(name, "node") == 0) {
		ctl->node = value;
	} else if (strcmp(name, "dir") == 0) {
		ctl->directory = value;
	} else if (strcmp(name, "socket") == 0) {
		ctl->socket = value;
	} else if (strcmp(name, "endpoint") == 0) {
		return add_endpoints(ctl, value);
	} else if (strcmp(name, "key") == 0) {
		ctl->key = value;
	} else if (strcmp(name, "server-key") == 0) {
		ctl->server_key = value;
	} else if (strcmp(name, "timeout") == 0) {
		return set_timeout(ctl, value);
	} else if (strcmp(name, "color") == 0) {
		return set_color(ctl, value);
	} else if (strcmp(name, "quiet") == 0) {
		ctl->quiet = true;
	} else if (strcmp(name, "yes") == 0) {
		ctl->yes = true;
	} else if (strcmp(name, "no-header") == 0) {
		ctl->no_header = true;
	} else if (strcmp(name, "help") == 0) {
		in->help = true;
	}
	return CTL_OK;
}

/* "-o" and the like: the name of the long option, NULL: there is none. */
static const char *long_name(char letter)
{
	switch (letter) {
	case 'o': return "output";
	case 'f': return "file";
	case 'q': return "quiet";
	case 'y': return "yes";
	case 'h': return "help";
	default: return NULL;
	}
}

struct parse {
	struct ctl *ctl;
	int argc, at;
	char **argv;
	struct invocation *in;
	const char *words[WORDS_MAX];
	size_t word_count;
};

/* The value of an option: behind '=', or the next word. NULL: there is none. */
static const char *take_value(struct parse *parse, const char *inline_value)
{
	if (inline_value != NULL) {
		return inline_value;
	}
	return parse->at + 1 < parse->argc ? parse->argv[++parse->at] : NULL;
}

static int keep_option(struct parse *parse, const struct command_option *option, const char *value)
{
	struct invocation *in = parse->in;

	for (size_t i = 0; !option->many && i < in->given_count; i++) {
		if (in->given[i].option == option) {
			return ctl_fail(parse->ctl, CTL_USAGE, "--%s is given twice", option->name);
		}
	}
	if (in->given_count == COMMAND_GIVEN_MAX) {
		return ctl_fail(parse->ctl, CTL_USAGE, "more than %d options", COMMAND_GIVEN_MAX);
	}
	in->given[in->given_count].option = option;
	in->given[in->given_count++].value = value;
	return CTL_OK;
}

static int take_option(
	struct parse *parse, const char *name, size_t length, const char *inline_value)
{
	const struct command *command = parse->in->command;
	const struct command_option *own =
		command == NULL
			? NULL
			: find_option(command->options, command->option_count, name, length);
	const struct command_option *global =
		find_option(command_globals, command_global_count, name, length);
	const struct command_option *option = own != NULL ? own : global;
	const char *value = NULL;

	if (option == NULL) {
		return unknown_option(parse->ctl, command, parse->argv[parse->at]);
	}
	if (option->value == NULL && inline_value != NULL) {
		return ctl_fail(parse->ctl, CTL_USAGE, "--%s takes no value", option->name);
	}
	if (option->value != NULL && (value = take_value(parse, inline_value)) == NULL) {
		return ctl_fail(parse->ctl, CTL_USAGE, "--%s needs a value: --%s %s", option->name,
			option->name, option->value);
	}
	return own != NULL ? keep_option(parse, own, value)
			   : set_global(parse->ctl, global->name, value, parse->in);
}

static int take_word(struct parse *parse, bool *only_words)
{
	const char *word = parse->argv[parse->at];

	if (!*only_words && strcmp(word, "--") == 0) {
		*only_words = true;
		return CTL_OK;
	}
	if (!*only_words && strncmp(word, "--", 2) == 0) {
		size_t length = strcspn(word + 2, "=");
		return take_option(parse, word + 2, length,
			word[2 + length] == '=' ? word + 3 + length : NULL);
	}
	if (!*only_words && word[0] == '-' && word[1] != '\0') {
		const char *name = long_name(word[1]);
		if (name == NULL) {
			return ctl_fail(parse->ctl, CTL_USAGE,
				"unknown option '%s'; see: pxectl help", word);
		}
		return take_option(parse, name, strlen(name), word[2] != '\0' ? word + 2 : NULL);
	}
	if (parse->word_count == WORDS_MAX) {
		return ctl_fail(parse->ctl, CTL_USAGE, "too many words");
	}
	parse->words[parse->word_count++] = word;
	return CTL_OK;
}

/* The words before the first option that is no global one name the command; options may stand
 * anywhere after them. */
static int find_command(struct parse *parse, size_t *ret_used)
{
	const char *words[WORDS_MAX];
	size_t count = 0;
	int at = 1;

	for (; at < parse->argc && count < WORDS_MAX; at++) {
		const char *word = parse->argv[at], *name = word + 2;
		const struct command_option *global;
		size_t length;
		if (word[0] != '-' || word[1] == '\0') {
			words[count++] = word;
			continue;
		}
		length = strcspn(name, "=");
		if (word[1] != '-') {
			name = long_name(word[1]);
			length = name == NULL ? 0 : strlen(name);
		}
		global = name == NULL
				 ? NULL
				 : find_option(command_globals, command_global_count, name, length);
		if (global == NULL) {
			break;
		}
		if (global->value != NULL &&
			(word[1] == '-' ? name[length] != '=' : word[2] == '\0')) {
			at++;
		}
	}
	*ret_used = 0;
	if (count == 0 || strcmp(words[0], "help") == 0) {
		parse->in->help = true;
		parse->in->command = count > 2 ? find(words + 1, count - 1, ret_used) : NULL;
		*ret_used = count > 1 && is_noun(words[1]) ? 1 : 0;
		if (count > 1 && !is_noun(words[1])) {
			return unknown_noun(parse->ctl, words[1]);
		}
		return CTL_OK;
	}
	if (!is_noun(words[0])) {
		return unknown_noun(parse->ctl, words[0]);
	}
	parse->in->command = find(words, count, ret_used);
	if (parse->in->command != NULL) {
		return CTL_OK;
	}
	if (count == 1 || strcmp(words[1], "help") == 0) {
		parse->in->help = true;
		return CTL_OK;
	}
	return unknown_verb(parse->ctl, words[0], words[1]);
}

static int check_args(const struct ctl *ctl, const struct invocation *in)
{
	const struct command *command = in->command;

	if (in->arg_count >= command->args_min && in->arg_count <= command->args_max) {
		return CTL_OK;
	}
	return ctl_fail(ctl, CTL_USAGE, "%s; usage: pxectl %s%s%s%s%s",
		in->arg_count < command->args_min ? "something is missing" : "too many words",
		command->noun, command->verb == NULL ? "" : " ",
		command->verb == NULL ? "" : command->verb, command->args[0] == '\0' ? "" : " ",
		command->args);
}

int command_parse(struct ctl *ctl, int argc, char **argv, struct invocation *ret_in)
{
	struct parse parse = {.ctl = ctl, .argc = argc, .argv = argv, .in = ret_in};
	bool only_words = false;
	size_t used;
	int result;

	memset(ret_in, 0, sizeof *ret_in);
	result = find_command(&parse, &used);
	for (parse.at = 1; result == CTL_OK && parse.at < argc; parse.at++) {
		result = take_word(&parse, &only_words);
	}
	if (result != CTL_OK) {
		return result;
	}
	if (ret_in->help) {
		size_t noun = parse.word_count > 0 && strcmp(parse.words[0], "help") == 0 ? 1 : 0;
		ret_in->args[0] = parse.word_count > noun ? parse.words[noun] : NULL;
		return CTL_OK;
	}
	if (parse.word_count - used > COMMAND_ARGS_MAX) {
		return ctl_fail(ctl, CTL_USAGE, "more than %d words", COMMAND_ARGS_MAX);
	}
	for (size_t i = used; i < parse.word_count; i++) {
		ret_in->args[ret_in->arg_count++] = parse.words[i];
	}
	return check_args(ctl, ret_in);
}

/* ---- reading what was given */

const char *command_text(const struct invocation *in, const char *option)
{
	const char *value = NULL;

	for (size_t i = 0; i < in->given_count; i++) {
		if (strcmp(in->given[i].option->name, option) == 0) {
			value = in->given[i].value;
		}
	}
	return value;
}

bool command_flag(const struct invocation *in, const char *option)
{
	for (size_t i = 0; i < in->given_count; i++) {
		if (strcmp(in->given[i].option->name, option) == 0) {
			return true;
		}
	}
	return false;
}

const char *command_next(const struct invocation *in, const char *option, size_t *iterator)
{
	while (*iterator < in->given_count) {
		size_t i = (*iterator)++;
		if (strcmp(in->given[i].option->name, option) == 0) {
			return in->given[i].value;
		}
	}
	return NULL;
}

/* ---- help */

static void print_options(FILE *out, const struct command_option *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char left[64];
		const char *letter = strcmp(options[i].name, "output") == 0  ? "-o, "
				     : strcmp(options[i].name, "quiet") == 0 ? "-q, "
				     : strcmp(options[i].name, "yes") == 0   ? "-y, "
				     : strcmp(options[i].name, "help") == 0  ? "-h, "
									     : "";
		snprintf(left, sizeof left, "%s--%s%s%s%s", letter, options[i].name,
			options[i].value == NULL ? "" : " ",
			options[i].value == NULL ? "" : options[i].value,
			options[i].many ? " ..." : "");
		fprintf(out, "  %-26s %s\n", left, options[i].help);
	}
}

static void print_command(FILE *out, const struct command *command)
{
	fprintf(out, "%s\n\nusage: pxectl %s%s%s%s%s%s\n", command->help, command->noun,
		command->verb == NULL ? "" : " ", command->verb == NULL ? "" : command->verb,
		command->args[0] == '\0' ? "" : " ", command->args,
		command->option_count > 0 ? " [options]" : "");
	if (command->more != NULL) {
		fprintf(out, "\n%s\n", command->more);
	}
	if (command->option_count > 0) {
		fprintf(out, "\noptions:\n");
		print_options(out, command->options, command->option_count);
	}
	if (command->example != NULL) {
		fprintf(out, "\nexample:\n%s\n", command->example);
	}
}

static void print_line(FILE *out, const struct command *command)
{
	char left[96];

	snprintf(left, sizeof left, "%s%s%s%s%s", command->noun, command->verb == NULL ? "" : " ",
		command->verb == NULL ? "" : command->verb, command->args[0] == '\0' ? "" : " ",
		command->args);
	fprintf(out, "  %-34s %s\n", left, command->help);
}

int command_help(const struct ctl *ctl, const char *noun, const struct command *command)
{
	if (command != NULL) {
		print_command(ctl->out, command);
		return CTL_OK;
	}
	if (noun != NULL && !is_noun(noun)) {
		return unknown_noun(ctl, noun);
	}
	if (noun == NULL) {
		fprintf(ctl->out, "pxectl: operate a cluster of PXE boot servers\n\n"
				  "usage: pxectl COMMAND [options]\n\ncommands:\n");
	}
	for (size_t i = 0; i < command_count; i++) {
		if (noun == NULL || strcmp(noun, command_table[i].noun) == 0) {
			print_line(ctl->out, &command_table[i]);
		}
	}
	if (noun == NULL) {
		fprintf(ctl->out, "\noptions of all commands:\n");
		print_options(ctl->out, command_globals, command_global_count);
	}
	fprintf(ctl->out, "\nMore about one command: pxectl %s VERB --help\n",
		noun == NULL ? "NOUN" : noun);
	return CTL_OK;
}
