/* tests/sim/cluster/scenario_text.c: reads a scenario.
 *
 * A line is words; '#' begins a remark. Head lines (name, value) come first, then lines that begin
 * with `at TIME` or `after TIME`: an action, or none, then `expect` and what is expected, or not.
 */
#include "proto/wire/text.h"
#include "tests/sim/cluster/scenario.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WITHIN_US  (3 * (uint64_t)SIM_S)  /* an answer */
#define STATE_US   (10 * (uint64_t)SIM_S) /* what is to become so */
#define POOL_FIRST 10                     /* the simulation's pools begin there */

/* The words of one line; reading stops at the first error. */
struct words {
	struct scenario *scenario;
	char *word[SCENARIO_WORDS_MAX];
	unsigned count, at;
	bool bad;
};

__attribute__((format(printf, 2, 3))) static void complain(
	struct words *words, const char *format, ...)
{
	struct scenario *scenario = words->scenario;
	va_list args;
	int at;

	if (words->bad)
		return;
	words->bad = true;
	at = snprintf(scenario->error, sizeof scenario->error, "%s:%u: ", scenario->path,
		scenario->number);
	va_start(args, format);
	vsnprintf(scenario->error + at, sizeof scenario->error - (size_t)at, format, args);
	va_end(args);
}

static const char *peek(const struct words *words)
{
	return words->at < words->count ? words->word[words->at] : "";
}

static const char *next(struct words *words)
{
	if (words->at >= words->count) {
		complain(words, "the line ends too early");
		return "";
	}
	return words->word[words->at++];
}

/* Takes the word if it is next. */
static bool take(struct words *words, const char *word)
{
	if (strcmp(peek(words), word) != 0)
		return false;
	words->at++;
	return true;
}

static bool take_two(struct words *words, const char *first, const char *second)
{
	if (words->at + 1 >= words->count || strcmp(words->word[words->at], first) != 0 ||
		strcmp(words->word[words->at + 1], second) != 0)
		return false;
	words->at += 2;
	return true;
}

/* ---- values */

/* 250ms, 3s, 2m, 1h, 1d: milliseconds. */
static uint64_t time_ms(struct words *words)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	const char *word = next(words);
	char *end;
	unsigned long long value = strtoull(word, &end, 10);

	for (size_t i = 0; end != word && i < sizeof units / sizeof units[0]; i++)
		if (strcmp(end, units[i].name) == 0 && value < 1000000000)
			return value * units[i].ms;
	complain(words, "a time such as 250ms, 3s, 2m, 1h was expected, not '%s'", word);
	return 0;
}

static uint32_t seconds(struct words *words)
{
	uint64_t ms = time_ms(words);

	if (ms % 1000 != 0)
		complain(words, "whole seconds were expected");
	return (uint32_t)(ms / 1000);
}

static unsigned number(struct words *words, unsigned low, unsigned high)
{
	const char *word = next(words);
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	if (end == word || *end != '\0' || value < low || value > high) {
		complain(words, "a number from %u to %u was expected, not '%s'", low, high, word);
		return low;
	}
	return (unsigned)value;
}

/* "c3" -> 2; *ret_end: what follows it in the word. */
static bool numbered(
	const char *word, char letter, unsigned max, unsigned *ret, const char **ret_end)
{
	char *end;

	if (word[0] != letter || word[1] < '1' || word[1] > '9')
		return false;
	unsigned long value = strtoul(word + 1, &end, 10);
	if (value > max)
		return false;
	*ret = (unsigned)value - 1;
	*ret_end = end;
	return true;
}

static bool is_client(const char *word)
{
	const char *end;
	unsigned at;

	return numbered(word, 'c', SIM_CLIENTS_MAX, &at, &end) && *end == '\0';
}

static void note_client(struct scenario *scenario, unsigned client)
{
	if (client >= scenario->client_count)
		scenario->client_count = client + 1;
}

static unsigned client_of(struct words *words)
{
	const char *word = next(words), *end = "";
	unsigned client = 0;

	if (!numbered(word, 'c', SIM_CLIENTS_MAX, &client, &end) || *end != '\0')
		complain(words, "a client such as c1 was expected, not '%s'", word);
	note_client(words->scenario, client);
	return client;
}

static bool find_alias(const struct scenario *scenario, const char *word, unsigned *ret)
{
	for (unsigned i = 0; i < scenario->alias_count; i++) {
		if (strcmp(scenario->alias[i], word) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool read_node(struct scenario *scenario, const char *word, struct scenario_node *ret)
{
	const char *end;

	*ret = (struct scenario_node){.kind = SCENARIO_NODE_NUMBER};
	if (numbered(word, 'n', SIM_NODES_MAX, &ret->at, &end))
		return *end == '\0';
	if (strcmp(word, "leader") == 0)
		ret->kind = SCENARIO_NODE_LEADER;
	else if (strcmp(word, "follower") == 0)
		ret->kind = SCENARIO_NODE_FOLLOWER;
	else if (strcmp(word, "other") == 0)
		ret->kind = SCENARIO_NODE_OTHER;
	else if (word[0] == '@' && numbered(word + 1, 'c', SIM_CLIENTS_MAX, &ret->at, &end))
		ret->kind = SCENARIO_NODE_ANSWERED;
	else if (find_alias(scenario, word, &ret->at))
		ret->kind = SCENARIO_NODE_ALIAS;
	else
		return false;
	return true;
}

static struct scenario_node node_of(struct words *words)
{
	struct scenario_node node = {.kind = SCENARIO_NODE_NUMBER};
	const char *word = next(words);

	if (!read_node(words->scenario, word, &node))
		complain(words,
			"a node was expected (n1, leader, follower, other, @c1, or a name that "
			"'call' gave), not '%s'",
			word);
	return node;
}

/* 10.1.0.12, or c2.ip. */
static bool read_ip(struct scenario *scenario, const char *word, struct scenario_ip *ret)
{
	const char *end;

	*ret = (struct scenario_ip){.ip = 0};
	if (numbered(word, 'c', SIM_CLIENTS_MAX, &ret->client, &end) && strcmp(end, ".ip") == 0) {
		ret->of_client = true;
		note_client(scenario, ret->client);
		return true;
	}
	return text_ip4_parse(word, &ret->ip) == 0 && ret->ip != 0;
}

static struct scenario_ip ip_of(struct words *words)
{
	struct scenario_ip ip = {.ip = 0};
	const char *word = next(words);

	if (!read_ip(words->scenario, word, &ip))
		complain(words, "an address such as 10.1.0.12 or c2.ip was expected, not '%s'",
			word);
	return ip;
}

/* ---- the head */

static void read_pool(struct words *words)
{
	struct sim_options *options = &words->scenario->options;
	char *dash = strchr(words->word[words->at], '-');
	uint32_t first = 0, last = 0, base = sim_ip(NULL, 0, POOL_FIRST);
	const char *word = next(words);

	if (dash == NULL) {
		words->at--;
		options->pool_size = number(words, 1, SIM_SECOND_POOL - 20);
		return;
	}
	*dash = '\0';
	if (text_ip4_parse(word, &first) != 0 || text_ip4_parse(dash + 1, &last) != 0 ||
		first != base || last < first || last - first >= SIM_SECOND_POOL - 20)
		complain(words, "a pool such as 10.1.0.10-10.1.0.99 was expected: from 10.1.0.10, "
				"of at most 380 addresses");
	options->pool_size = last - first + 1;
}

static void read_head(struct words *words)
{
	struct sim_options *options = &words->scenario->options;

	while (!words->bad && words->at < words->count) {
		const char *name = next(words);

		if (words->at == words->count)
			complain(words, "'%s' needs a value", name);
		else if (strcmp(name, "nodes") == 0)
			options->nodes = number(words, 1, 7);
		else if (strcmp(name, "witnesses") == 0)
			options->witnesses = number(words, 0, 1);
		else if (strcmp(name, "pool") == 0)
			read_pool(words);
		else if (strcmp(name, "lease") == 0)
			options->lease_s = seconds(words);
		else if (strcmp(name, "mclt") == 0)
			options->mclt_s = seconds(words);
		else if (strcmp(name, "offer") == 0)
			options->offer_s = seconds(words);
		else if (strcmp(name, "decline") == 0)
			options->decline_s = seconds(words);
		else if (strcmp(name, "reserve") == 0)
			options->reserve_percent = number(words, 1, 100);
		else if (strcmp(name, "seed") == 0)
			options->seed = number(words, 1, 1000000000);
		else
			complain(words,
				"'%s' is none of nodes, witnesses, pool, lease, mclt, offer, "
				"decline, reserve, seed, at, after",
				name);
	}
}

/* ---- expectations */

static struct scenario_condition *add_condition(
	struct words *words, struct scenario_expect *expect, enum scenario_condition_kind kind)
{
	if (expect->condition_count == SCENARIO_CONDITIONS) {
		complain(words, "more than %d conditions", SCENARIO_CONDITIONS);
		expect->condition_count--;
	}
	struct scenario_condition *condition = &expect->condition[expect->condition_count++];
	*condition = (struct scenario_condition){.kind = kind};
	return condition;
}

static void read_lease_condition(struct words *words, struct scenario_expect *expect)
{
	enum scenario_condition_kind kind = SCENARIO_LEASE_IS;

	if (take(words, "promised")) {
		add_condition(words, expect, SCENARIO_WITHIN_PROMISE);
		return;
	}
	if (take_two(words, "at", "most"))
		kind = SCENARIO_LEASE_AT_MOST;
	else if (take_two(words, "at", "least"))
		kind = SCENARIO_LEASE_AT_LEAST;
	add_condition(words, expect, kind)->lease_s = seconds(words);
}

static void read_conditions(struct words *words, struct scenario_expect *expect)
{
	struct scenario_ip ip;

	while (!words->bad && words->at < words->count && strcmp(peek(words), "within") != 0) {
		if (take_two(words, "in", "reserve"))
			add_condition(words, expect, SCENARIO_IN_RESERVE)->node = node_of(words);
		else if (take_two(words, "in", "no") && take(words, "reserve"))
			add_condition(words, expect, SCENARIO_IN_NO_RESERVE);
		else if (take(words, "from"))
			add_condition(words, expect, SCENARIO_FROM)->node = node_of(words);
		else if (take(words, "not"))
			add_condition(words, expect, SCENARIO_IS_NOT_IP)->ip = ip_of(words);
		else if (take(words, "lease"))
			read_lease_condition(words, expect);
		else if (read_ip(words->scenario, next(words), &ip))
			add_condition(words, expect, SCENARIO_IS_IP)->ip = ip;
		else
			complain(words, "'%s' is no condition of an answer",
				words->word[words->at - 1]);
	}
}

static void read_range(struct words *words, struct scenario_expect *expect)
{
	expect->low = 0;
	expect->high = UINT64_MAX;
	if (take_two(words, "at", "most")) {
		expect->high = number(words, 0, 100000);
	} else if (take_two(words, "at", "least")) {
		expect->low = number(words, 0, 100000);
	} else {
		expect->low = number(words, 0, 100000);
		expect->high = expect->low;
	}
}

/* "[at NODE]"; without it, at all nodes that run. */
static void read_where(struct words *words, struct scenario_expect *expect)
{
	expect->anywhere = !take(words, "at");
	if (!expect->anywhere)
		expect->at = node_of(words);
}

struct expect_word {
	const char *word;
	enum scenario_expect_kind kind;
	enum dhcp4_type type;
};
static const struct expect_word expect_words[] = {
	{"OFFER", SCENARIO_EXPECT_REPLY, DHCP4_OFFER},
	{"ACK", SCENARIO_EXPECT_REPLY, DHCP4_ACK},
	{"NAK", SCENARIO_EXPECT_REPLY, DHCP4_NAK},
	{"silence", SCENARIO_EXPECT_SILENCE, 0},
	{"digest", SCENARIO_EXPECT_DIGEST, 0},
	{"ok", SCENARIO_EXPECT_OK, 0},
	{"refused", SCENARIO_EXPECT_REFUSED, 0},
	{"leader", SCENARIO_EXPECT_LEADER, 0},
	{"isolated", SCENARIO_EXPECT_ISOLATED, 0},
	{"quorum", SCENARIO_EXPECT_QUORUM, 0},
	{"known", SCENARIO_EXPECT_KNOWN, 0},
	{"unknown", SCENARIO_EXPECT_UNKNOWN, 0},
	{"member", SCENARIO_EXPECT_MEMBER, 0},
	{"journal", SCENARIO_EXPECT_JOURNAL, 0},
	{"reserve", SCENARIO_EXPECT_RESERVE, 0},
	{"log", SCENARIO_EXPECT_LOG, 0},
	{"returned", SCENARIO_EXPECT_RETURNED, 0},
	{"settled", SCENARIO_EXPECT_SETTLED, 0},
};

static void read_expect_arguments(struct words *words, struct scenario_expect *expect)
{
	switch ((unsigned)expect->kind) {
	case SCENARIO_EXPECT_REPLY: read_conditions(words, expect); break;
	case SCENARIO_EXPECT_DIGEST:
		if (!take(words, "equal"))
			complain(words, "'digest equal' was expected");
		break;
	case SCENARIO_EXPECT_LOG:
		if (!take(words, "unchanged"))
			complain(words, "'log unchanged' was expected");
		break;
	case SCENARIO_EXPECT_LEADER:
	case SCENARIO_EXPECT_ISOLATED:
	case SCENARIO_EXPECT_QUORUM: expect->node = node_of(words); break;
	case SCENARIO_EXPECT_KNOWN:
	case SCENARIO_EXPECT_UNKNOWN:
		expect->client = client_of(words);
		read_where(words, expect);
		break;
	case SCENARIO_EXPECT_MEMBER:
	case SCENARIO_EXPECT_NO_MEMBER: expect->node = node_of(words); break;
	case SCENARIO_EXPECT_RETURNED:
		expect->ip = ip_of(words);
		if (!take(words, "at"))
			complain(words, "'at NODE' was expected");
		expect->at = node_of(words);
		break;
	case SCENARIO_EXPECT_JOURNAL:
	case SCENARIO_EXPECT_RESERVE:
		expect->node = node_of(words);
		read_range(words, expect);
		break;
	default: break;
	}
}

static void keep_text(struct words *words, unsigned from, struct scenario_expect *expect)
{
	size_t at = 0;

	for (unsigned i = from; i < words->count && at + 1 < sizeof expect->text; i++)
		at += (size_t)snprintf(expect->text + at, sizeof expect->text - at, "%s%s",
			i > from ? " " : "", words->word[i]);
}

static void read_expect(struct words *words, struct scenario_expect *expect)
{
	const struct expect_word *found = NULL;
	unsigned from = words->at;

	if (take_two(words, "no", "member")) {
		expect->kind = SCENARIO_EXPECT_NO_MEMBER;
	} else if (take_two(words, "no", "leader")) {
		expect->kind = SCENARIO_EXPECT_NO_LEADER;
	} else {
		const char *word = next(words);

		for (size_t i = 0; i < sizeof expect_words / sizeof expect_words[0]; i++)
			if (strcmp(word, expect_words[i].word) == 0)
				found = &expect_words[i];
		if (found == NULL) {
			complain(words, "'%s' cannot be expected", word);
			return;
		}
		expect->kind = found->kind;
		expect->type = found->type;
	}
	read_expect_arguments(words, expect);
	bool answer =
		expect->kind == SCENARIO_EXPECT_REPLY || expect->kind == SCENARIO_EXPECT_SILENCE;
	expect->within_us = answer ? WITHIN_US : STATE_US;
	if (take(words, "within") ||
		(expect->kind == SCENARIO_EXPECT_SILENCE && take(words, "for")))
		expect->within_us = time_ms(words) * SIM_MS;
	else if (take(words, "now"))
		expect->within_us = 0;
	keep_text(words, from, expect);
}

/* ---- actions */

static const char *const message_words[] = {[SCENARIO_DISCOVER] = "DISCOVER",
	[SCENARIO_REQUEST] = "REQUEST",
	[SCENARIO_REBOOT] = "REBOOT",
	[SCENARIO_RENEW] = "RENEW",
	[SCENARIO_REBIND] = "REBIND",
	[SCENARIO_CLIENT_RELEASE] = "RELEASE",
	[SCENARIO_DECLINE] = "DECLINE",
	[SCENARIO_LEASE] = "LEASE"};
#define MESSAGES (sizeof message_words / sizeof message_words[0])

static bool read_message(struct words *words, struct scenario_line *line)
{
	for (unsigned i = 0; i < MESSAGES; i++) {
		if (take(words, message_words[i])) {
			line->message = (enum scenario_message)i;
			return true;
		}
	}
	return false;
}

/* c1[-c9] -> all|NODE... MESSAGE [ADDRESS] [once] */
static void read_say(struct words *words, struct scenario_line *line)
{
	const char *word = next(words), *end = "";

	line->verb = SCENARIO_SAY;
	if (!numbered(word, 'c', SIM_CLIENTS_MAX, &line->client, &end))
		complain(words, "a client was expected, not '%s'", word);
	line->client_last = line->client;
	if (*end == '-' && !numbered(end + 1, 'c', SIM_CLIENTS_MAX, &line->client_last, &end))
		complain(words, "clients such as c1-c9 were expected, not '%s'", word);
	if (*end != '\0' || line->client_last < line->client)
		complain(words, "clients such as c1-c9 were expected, not '%s'", word);
	note_client(words->scenario, line->client_last);
	if (!take(words, "->"))
		complain(words, "'->' was expected, not '%s'", peek(words));
	bool all = take(words, "all");
	while (!words->bad && !read_message(words, line)) {
		if (all || line->hearer_count == SIM_NODES_MAX) {
			complain(words, "a message was expected, not '%s'", peek(words));
			return;
		}
		line->hearer[line->hearer_count++] = node_of(words);
	}
	if (!all && line->hearer_count == 0)
		complain(words, "who hears it: all, or nodes");
	if (words->at < words->count && read_ip(words->scenario, peek(words), &line->ip))
		words->at++;
	line->once = take(words, "once");
}

static void read_partition(struct words *words, struct scenario_line *line)
{
	uint8_t group = 0;

	line->verb = SCENARIO_PARTITION;
	while (!words->bad && words->at < words->count && strcmp(peek(words), "expect") != 0) {
		if (take(words, "|")) {
			group++;
			continue;
		}
		if (line->grouped_count == SIM_NODES_MAX) {
			complain(words, "too many nodes");
			return;
		}
		line->group[line->grouped_count] = group;
		line->grouped[line->grouped_count++] = node_of(words);
	}
	if (group == 0)
		complain(words, "a partition such as 'n3 | n1 n2' was expected");
}

/* NODE +10s|-1d [unsynchronised] */
static void read_clock(struct words *words, struct scenario_line *line)
{
	char *word;

	line->node = node_of(words);
	word = words->at < words->count ? words->word[words->at] : NULL;
	if (word == NULL || (*word != '+' && *word != '-')) {
		complain(words, "by how much: +10s, -1d");
		return;
	}
	bool behind = *word == '-';
	words->word[words->at]++;
	line->amount_ms = (int64_t)time_ms(words);
	if (behind)
		line->amount_ms = -line->amount_ms;
	line->unsynchronised = take(words, "unsynchronised");
}

/* NODE -900ppm */
static void read_drift(struct words *words, struct scenario_line *line)
{
	char *end;

	line->node = node_of(words);
	const char *word = next(words);
	long ppm = strtol(word, &end, 10);
	if (end == word || strcmp(end, "ppm") != 0 || ppm < -1000 || ppm > 1000)
		complain(words, "-1000ppm to 1000ppm was expected, not '%s'", word);
	line->amount_ms = ppm;
}

static void read_call(struct words *words, struct scenario_line *line)
{
	struct scenario *scenario = words->scenario;
	const char *name = next(words);

	if (name[0] < 'A' || name[0] > 'Z' || strlen(name) >= sizeof scenario->alias[0]) {
		complain(words, "a name that begins with a capital was expected, not '%s'", name);
		return;
	}
	if (!find_alias(scenario, name, &line->target.at)) {
		if (scenario->alias_count == SCENARIO_ALIASES) {
			complain(words, "too many names");
			return;
		}
		line->target.at = scenario->alias_count;
		snprintf(scenario->alias[scenario->alias_count++], sizeof scenario->alias[0], "%s",
			name);
	}
	line->node = node_of(words);
}

static void read_name(struct words *words, struct scenario_line *line)
{
	const char *word = next(words);
	const char *end;
	unsigned at = 0;

	/* Hosts are numbered, as everywhere in the simulation. */
	if (!numbered(word, 'h', 99, &at, &end) || *end != '\0')
		complain(words, "a host such as h1 was expected, not '%s'", word);
	snprintf(line->name, sizeof line->name, "host%u", at);
	line->target.at = at;
}

static void read_put_host(struct words *words, struct scenario_line *line)
{
	line->command = SCENARIO_PUT_HOST;
	read_name(words, line);
	while (!words->bad && is_client(peek(words))) {
		if (line->owner_count == SIM_HOST_MACS) {
			complain(words, "a host has at most %d clients", SIM_HOST_MACS);
			return;
		}
		line->owner[line->owner_count++] = client_of(words);
	}
	if (words->at < words->count && strcmp(peek(words), "expect") != 0)
		line->ip = ip_of(words);
}

/* NODE put host h1 c1 [c2] [ADDRESS] | delete host h1 | remove NODE [force] | release ADDRESS |
 * promote|demote|drain|undrain NODE: proposed at the first node. */
static void read_propose(struct words *words, struct scenario_line *line)
{
	static const char *const modes[] = {"", "promote", "demote", "drain", "undrain"};

	line->verb = SCENARIO_PROPOSE;
	line->node = node_of(words);
	if (take_two(words, "put", "host")) {
		read_put_host(words, line);
		return;
	}
	if (take_two(words, "delete", "host")) {
		line->command = SCENARIO_DELETE_HOST;
		read_name(words, line);
		return;
	}
	if (take(words, "remove")) {
		line->command = SCENARIO_REMOVE;
		line->target = node_of(words);
		line->force = take(words, "force");
		return;
	}
	if (take(words, "release")) {
		line->command = SCENARIO_RELEASE;
		line->ip = ip_of(words);
		return;
	}
	for (unsigned i = 1; i < sizeof modes / sizeof modes[0]; i++) {
		if (take(words, modes[i])) {
			line->command = SCENARIO_MODE;
			line->mode = (Pxe__MemberMode)i;
			line->target = node_of(words);
			return;
		}
	}
	complain(words, "'%s' is nothing that an operator does", peek(words));
}

struct verb_word {
	const char *word;
	enum scenario_verb verb;
};
static const struct verb_word verb_words[] = {
	{"heal", SCENARIO_HEAL},
	{"kill", SCENARIO_KILL},
	{"power", SCENARIO_POWER},
	{"stop", SCENARIO_STOP},
	{"start", SCENARIO_START},
	{"destroy", SCENARIO_DESTROY},
	{"pause", SCENARIO_PAUSE},
	{"clock", SCENARIO_CLOCK},
	{"disk", SCENARIO_DISK},
	{"drift", SCENARIO_DRIFT},
	{"call", SCENARIO_CALL},
	{"step-down", SCENARIO_STEP_DOWN},
	{"recover", SCENARIO_RECOVER},
};

static void read_verb(struct words *words, struct scenario_line *line)
{
	switch ((unsigned)line->verb) {
	case SCENARIO_HEAL: break;
	case SCENARIO_CLOCK: read_clock(words, line); break;
	case SCENARIO_DRIFT: read_drift(words, line); break;
	case SCENARIO_CALL: read_call(words, line); break;
	case SCENARIO_KILL:
	case SCENARIO_POWER:
	case SCENARIO_STOP:
	case SCENARIO_START:
		line->all = take(words, "all");
		if (!line->all)
			line->node = node_of(words);
		break;
	case SCENARIO_PAUSE:
	case SCENARIO_DISK:
	case SCENARIO_RECOVER:
		line->node = node_of(words);
		line->amount_ms = (int64_t)time_ms(words);
		break;
	default: line->node = node_of(words); break;
	}
}

static void read_action(struct words *words, struct scenario_line *line)
{
	const char *end;
	unsigned at;

	if (numbered(peek(words), 'c', SIM_CLIENTS_MAX, &at, &end)) {
		read_say(words, line);
		return;
	}
	if (take(words, "partition")) {
		read_partition(words, line);
		return;
	}
	if (take_two(words, "mark", "log")) {
		line->verb = SCENARIO_MARK_LOG;
		return;
	}
	for (size_t i = 0; i < sizeof verb_words / sizeof verb_words[0]; i++) {
		if (take(words, verb_words[i].word)) {
			line->verb = verb_words[i].verb;
			read_verb(words, line);
			return;
		}
	}
	if (words->at + 1 < words->count && strcmp(words->word[words->at + 1], "join") == 0) {
		line->verb = SCENARIO_JOIN;
		line->node = node_of(words);
		words->at++;
		line->witness = take(words, "witness");
		return;
	}
	read_propose(words, line);
}

static bool fits(const struct scenario_line *line)
{
	switch ((unsigned)line->expect.kind) {
	case SCENARIO_EXPECT_REPLY:
	case SCENARIO_EXPECT_SILENCE: return line->verb == SCENARIO_SAY;
	case SCENARIO_EXPECT_OK:
	case SCENARIO_EXPECT_REFUSED: return line->verb == SCENARIO_PROPOSE;
	default: return true;
	}
}

static void read_step(struct words *words, bool after)
{
	struct scenario *scenario = words->scenario;

	if (scenario->line_count == SCENARIO_LINES_MAX) {
		complain(words, "more than %d lines", SCENARIO_LINES_MAX);
		return;
	}
	struct scenario_line *line = &scenario->line[scenario->line_count++];
	*line = (struct scenario_line){.number = scenario->number, .after = after};
	line->time_us = time_ms(words) * SIM_MS;
	if (!words->bad && strcmp(peek(words), "expect") != 0)
		read_action(words, line);
	if (!words->bad && take(words, "expect"))
		read_expect(words, &line->expect);
	if (!words->bad && words->at < words->count)
		complain(words, "'%s' was not expected here", peek(words));
	if (!words->bad && !fits(line))
		complain(words, "'expect %s' does not fit what this line does", line->expect.text);
}

static bool read_line(struct scenario *scenario, char *text)
{
	struct words words = {.scenario = scenario};
	char *rest = NULL;

	text[strcspn(text, "#\r\n")] = '\0';
	for (char *word = strtok_r(text, " \t", &rest); word != NULL;
		word = strtok_r(NULL, " \t", &rest)) {
		if (words.count == SCENARIO_WORDS_MAX) {
			complain(&words, "more than %d words", SCENARIO_WORDS_MAX);
			return false;
		}
		words.word[words.count++] = word;
	}
	if (words.count == 0)
		return true;
	if (take(&words, "at"))
		read_step(&words, false);
	else if (take(&words, "after"))
		read_step(&words, true);
	else if (scenario->line_count > 0)
		complain(&words, "a line begins with 'at' or 'after', not '%s'", words.word[0]);
	else
		read_head(&words);
	return !words.bad;
}

bool scenario_read(struct scenario *scenario, const char *path)
{
	char text[1024];
	FILE *file = fopen(path, "r");
	bool good = true;

	*scenario = (struct scenario){.path = path,
		.options = {.seed = 1,
			.nodes = 3,
			.subnets = 1,
			.pool_size = 90,
			.lease_s = 3600,
			.mclt_s = 60,
			.offer_s = 60,
			.decline_s = 60,
			.reserve_percent = 50}};
	if (file == NULL) {
		snprintf(scenario->error, sizeof scenario->error, "%s: %s", path, strerror(errno));
		return false;
	}
	while (good && fgets(text, sizeof text, file) != NULL) {
		scenario->number++;
		good = read_line(scenario, text);
	}
	fclose(file);
	if (good && scenario->line_count == 0) {
		snprintf(scenario->error, sizeof scenario->error, "%s:%u: nothing is done here",
			path, scenario->number);
		return false;
	}
	scenario->options.clients = scenario->client_count;
	return good;
}
