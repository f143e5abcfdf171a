#include "ctl/select.h"

#include "proto/wire/text.h"

#include <assert.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BYTES 128

void select_names_fini(struct select_names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		free(names->name[i]);
	}
	free(names->name);
	*names = (struct select_names){0};
}

static int add(const struct ctl *ctl, struct select_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->name[i], name) == 0) {
			return CTL_OK;
		}
	}
	if (names->count == SELECT_MAX) {
		return ctl_fail(ctl, CTL_USAGE, "more than %d hosts at once", SELECT_MAX);
	}
	names->name = realloc(names->name, (names->count + 1) * sizeof *names->name);
	assert(names->name != NULL);
	names->name[names->count] = strdup(name);
	assert(names->name[names->count] != NULL);
	names->count++;
	return CTL_OK;
}

static bool is_in_group(const Pxe__Host *host, const char *group)
{
	for (size_t i = 0; i < host->n_groups; i++) {
		if (strcmp(host->groups[i], group) == 0) {
			return true;
		}
	}
	return false;
}

static int add_matching(const struct ctl *ctl, const Pxe__ObjectList *hosts, const char *word,
	struct select_names *names)
{
	bool any = false;
	int result = CTL_OK;

	for (size_t i = 0; i < hosts->n_hosts && result == CTL_OK; i++) {
		const Pxe__Host *host = hosts->hosts[i];
		if (word[0] == '@' ? is_in_group(host, word + 1)
				   : fnmatch(word, host->name, 0) == 0) {
			result = add(ctl, names, host->name);
			any = true;
		}
	}
	if (result == CTL_OK && !any) {
		return ctl_fail(ctl, CTL_NOT_FOUND,
			word[0] == '@' ? "no host names the group '%s'; see: pxectl host list"
				       : "no host fits '%s'; see: pxectl host list",
			word[0] == '@' ? word + 1 : word);
	}
	return result;
}

/* "01-16" of n[01-16]; false: not two numbers. Digits as many as the first has. */
static bool read_range(
	const char *text, size_t bytes, uint64_t *ret_first, uint64_t *ret_last, int *ret_digits)
{
	char first[16], last[16];
	const char *dash = memchr(text, '-', bytes);
	size_t last_bytes;

	if (dash == NULL) {
		return false;
	}
	last_bytes = bytes - (size_t)(dash - text) - 1;
	if (dash - text > 9 || dash == text || last_bytes > 9 || last_bytes == 0) {
		return false;
	}
	snprintf(first, sizeof first, "%.*s", (int)(dash - text), text);
	snprintf(last, sizeof last, "%.*s", (int)last_bytes, dash + 1);
	*ret_digits = (int)(dash - text);
	return strspn(first, "0123456789") == strlen(first) &&
	       strspn(last, "0123456789") == strlen(last) &&
	       text_u64_parse(first, UINT32_MAX, ret_first) == 0 &&
	       text_u64_parse(last, UINT32_MAX, ret_last) == 0;
}

static int add_word(const struct ctl *ctl, const Pxe__ObjectList *hosts, const char *word,
	struct select_names *names)
{
	const char *open = strchr(word, '['), *shut = open != NULL ? strchr(open, ']') : NULL;
	uint64_t first, last;
	int digits, result = CTL_OK;
	char name[WORD_BYTES];

	if (word[0] == '@') {
		return add_matching(ctl, hosts, word, names);
	}
	if (shut == NULL ||
		!read_range(open + 1, (size_t)(shut - open) - 1, &first, &last, &digits)) {
		return strpbrk(word, "*?[") != NULL ? add_matching(ctl, hosts, word, names)
						    : add(ctl, names, word);
	}
	if (first > last || last - first >= SELECT_MAX) {
		return ctl_fail(ctl, CTL_USAGE,
			"'%s': write the lower number first, and at most %d numbers", word,
			SELECT_MAX);
	}
	for (uint64_t i = first; i <= last && result == CTL_OK; i++) {
		int bytes = snprintf(name, sizeof name, "%.*s%0*" PRIu64 "%s", (int)(open - word),
			word, digits, i, shut + 1);
		if (bytes >= (int)sizeof name) {
			return ctl_fail(ctl, CTL_USAGE, "'%s' is too long for a name", word);
		}
		result = strpbrk(name, "*?[") != NULL ? add_matching(ctl, hosts, name, names)
						      : add(ctl, names, name);
	}
	return result;
}

int select_hosts(const struct ctl *ctl, const Pxe__ObjectList *hosts, const char *const *words,
	size_t word_count, struct select_names *ret_names)
{
	int result = CTL_OK;

	*ret_names = (struct select_names){0};
	for (size_t i = 0; i < word_count && result == CTL_OK; i++) {
		result = add_word(ctl, hosts, words[i], ret_names);
	}
	if (result != CTL_OK) {
		select_names_fini(ret_names);
	}
	return result;
}
