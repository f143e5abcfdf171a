/* dhcpd's conditions, in the forms that configurations use: comparisons of one option, or of its
 * beginning, joined by `or` (one key, several values) or by `and` (several keys). */
#include "ctl/import_dhcpd.h"

#include "ctl/import_boot.h"

#include <stdlib.h>
#include <string.h>

#define TERMS_MAX 32u

/* Words of the condition; parentheses around all of it or around whole terms are not there. */
struct term {
	size_t from, to;
};

static const char *word_at(const struct dhcpd *dd, size_t at)
{
	return at < dd->statement.count ? dd->statement.word[at].text : "";
}

static bool is_word(const struct dhcpd *dd, size_t at, const char *text)
{
	return at < dd->statement.count && !dd->statement.word[at].quoted &&
	       strcasecmp(dd->statement.word[at].text, text) == 0;
}

static const char *key_of_code(unsigned code)
{
	switch (code) {
	case 60: return "vendor_class";
	case 61: return "client_id";
	case 77: return "user_class";
	case 93: return "arch";
	default: return NULL;
	}
}

/* "option NAME" or "hardware" at `at`: the key of a match; *ret_next behind it. */
static const char *read_source(struct dhcpd *dd, size_t at, size_t *ret_next)
{
	enum import_type type;

	if (is_word(dd, at, "hardware")) {
		*ret_next = at + 1;
		return "mac";
	}
	if (!is_word(dd, at, "option")) {
		return NULL;
	}
	*ret_next = at + 2;
	if (is_word(dd, at + 1, "agent.circuit-id") || is_word(dd, at + 1, "agent.remote-id")) {
		return is_word(dd, at + 1, "agent.circuit-id") ? "circuit_id" : "remote_id";
	}
	return key_of_code(dhcpd_option_code(dd, word_at(dd, at + 1), &type));
}

const char *dhcpd_match_value(
	struct dhcpd *dd, const char *key, bool prefix, const struct dhcpd_word *word)
{
	struct import_bytes store = {.size = 0}, *bytes = &store;
	const char *why;

	if (strcmp(key, "arch") == 0) {
		if (word->quoted ||
			import_encode(dd->im, IMPORT_HEX, &word->text, 1, bytes, &why) != 0 ||
			bytes->size > 2 || bytes->size == 0) {
			return NULL;
		}
		unsigned number =
			bytes->size == 2 ? bytes->data[0] * 256u + bytes->data[1] : bytes->data[0];
		/* A plain number is decimal. */
		return strchr(word->text, ':') == NULL && strncmp(word->text, "0x", 2) != 0
			       ? import_boot_arch(dd->im, word->text)
			       : import_boot_arch(dd->im, import_text(dd->im, "%u", number));
	}
	if (strcmp(key, "mac") == 0) {
		/* A hardware type comes first, 1 for Ethernet. */
		const char *mac = strncmp(word->text, "1:", 2) == 0 && !prefix
					  ? dhcpd_mac(dd, word->text + 2)
					  : dhcpd_mac(dd, word->text);

		return mac == NULL || !prefix ? mac : import_text(dd->im, "%s:*", mac);
	}
	if (word->quoted) {
		return import_text(dd->im, prefix ? "%s*" : "%s", word->text);
	}
	const char *hex = dhcpd_mac(dd, word->text);
	if (hex == NULL || strcmp(key, "vendor_class") == 0 || strcmp(key, "user_class") == 0) {
		return NULL;
	}
	return prefix ? import_text(dd->im, "%s:*", hex) : hex;
}

/* "substring ( SOURCE , FIRST , COUNT )" at `at`. */
static const char *read_substring(
	struct dhcpd *dd, size_t at, unsigned *ret_first, size_t *ret_next)
{
	size_t next;
	const char *key = is_word(dd, at + 1, "(") ? read_source(dd, at + 2, &next) : NULL;

	if (key == NULL || !is_word(dd, next, ",") || !is_word(dd, next + 2, ",") ||
		!is_word(dd, next + 4, ")")) {
		return NULL;
	}
	*ret_first = (unsigned)strtoul(word_at(dd, next + 1), NULL, 10);
	*ret_next = next + 5;
	/* The hardware type is its first byte. */
	if (strcmp(key, "mac") == 0) {
		if (*ret_first != 1) {
			return NULL;
		}
		*ret_first = 0;
	}
	return *ret_first > 16 ? NULL : key;
}

/* One comparison. */
static bool match_term(struct dhcpd *dd, struct term term, struct import_node *match)
{
	size_t next = term.from;
	unsigned first = 0;
	bool substring = is_word(dd, term.from, "substring");
	const char *key = substring ? read_substring(dd, term.from, &first, &next)
				    : read_source(dd, term.from, &next);

	if (term.to == term.from + 1 && is_word(dd, term.from, "known")) {
		import_set_plain(dd->im, match, "known", "true");
		return true;
	}
	if (term.to == term.from + 2 && is_word(dd, term.from, "not") &&
		is_word(dd, term.from + 1, "known")) {
		import_set_plain(dd->im, match, "known", "false");
		return true;
	}
	if (key == NULL || !is_word(dd, next, "=") || next + 2 != term.to) {
		return false;
	}
	const char *value = dhcpd_match_value(dd, key, substring, &dd->statement.word[next + 1]);
	if (value == NULL) {
		return false;
	}
	import_add(dd->im, match, key,
		import_text(dd->im, "%.*s%s", (int)first, "????????????????", value));
	return true;
}

/* "( ... )" around all of it. */
static struct term strip(const struct dhcpd *dd, struct term term)
{
	while (term.to > term.from + 1 && is_word(dd, term.from, "(") &&
		is_word(dd, term.to - 1, ")")) {
		size_t open = 0;

		for (size_t at = term.from; at < term.to; at++) {
			open += is_word(dd, at, "(") ? 1 : 0;
			open -= is_word(dd, at, ")") && open > 0 ? 1 : 0;
			if (open == 0 && at + 1 < term.to) {
				return term;
			}
		}
		term.from++;
		term.to--;
	}
	return term;
}

/* Parts of a term at the top level of parentheses. 0: too many. */
static size_t split(
	const struct dhcpd *dd, struct term whole, const char *word, struct term terms[TERMS_MAX])
{
	size_t count = 0, open = 0, from = whole.from;

	for (size_t at = whole.from; at <= whole.to; at++) {
		open += at < whole.to && is_word(dd, at, "(") ? 1 : 0;
		open -= at < whole.to && is_word(dd, at, ")") && open > 0 ? 1 : 0;
		if (at == whole.to || (open == 0 && is_word(dd, at, word))) {
			if (count == TERMS_MAX) {
				return 0;
			}
			terms[count++] = strip(dd, (struct term){from, at});
			from = at + 1;
		}
	}
	return count;
}

/* `and`: keys differ; "exists X" in front of a comparison of X says nothing more. */
static bool match_all(struct dhcpd *dd, struct term whole, struct import_node *match)
{
	struct term terms[TERMS_MAX];
	size_t count = split(dd, whole, "and", terms), keys = 0;
	bool result = count > 0;

	for (size_t i = 0; i < count && result; i++) {
		struct import_node one = {.kind = IMPORT_MAP};

		if (count > 1 && is_word(dd, terms[i].from, "exists")) {
			continue;
		}
		result = match_term(dd, terms[i], &one);
		for (const struct import_node *key = one.first; key != NULL && result;
			key = key->next) {
			result = import_child(match, key->key) == NULL;
			keys++;
		}
		import_inherit(dd->im, match, &one);
	}
	return result && keys > 0;
}

bool dhcpd_match(struct dhcpd *dd, size_t from, size_t to, struct import_node *match)
{
	struct term terms[TERMS_MAX];
	size_t count = split(dd, strip(dd, (struct term){from, to}), "or", terms);
	struct import_node found = {.kind = IMPORT_MAP};

	for (size_t i = 0; i < count; i++) {
		struct import_node one = {.kind = IMPORT_MAP};

		if (!match_all(dd, terms[i], &one)) {
			return false;
		}
		/* Several of `or`: all of one key. */
		if (count > 1 && (one.first != one.last || one.first->kind != IMPORT_LIST ||
					 (found.first != NULL &&
						 import_child(&found, one.first->key) == NULL))) {
			return false;
		}
		if (count == 1) {
			import_inherit(dd->im, &found, &one);
		} else {
			for (const struct import_node *item = one.first->first; item != NULL;
				item = item->next) {
				import_add(dd->im, &found, one.first->key, item->text);
			}
		}
	}
	import_inherit(dd->im, match, &found);
	return count > 0;
}

bool dhcpd_match_key(struct dhcpd *dd, size_t from, const char **ret_key, bool *ret_prefix)
{
	size_t next = from;
	unsigned first = 0;

	*ret_prefix = is_word(dd, from, "substring");
	*ret_key = *ret_prefix ? read_substring(dd, from, &first, &next)
			       : read_source(dd, from, &next);
	return *ret_key != NULL && first == 0 && next == dd->statement.count;
}
