/* Kea's test expressions, in the forms that configurations use: comparisons of one option, or of
 * its beginning, joined by `or` (one key, several values) or by `and` (several keys). */
#include "ctl/import_kea.h"

#include "ctl/import_boot.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TERMS_MAX 32u

/* Terms that stand between `word`, outside of quotes and parentheses; 0: too many. */
static size_t split(
	struct import *im, const char *text, const char *word, const char *ret[TERMS_MAX])
{
	size_t count = 0, open = 0, length = strlen(word);
	const char *from = text;
	bool quoted = false;

	for (const char *at = text;; at++) {
		bool here = *at == '\0' ||
			    (!quoted && open == 0 && at > text && strchr(" )", at[-1]) != NULL &&
				    strncmp(at, word, length) == 0 &&
				    strchr(" (", at[length]) != NULL && at[length] != '\0');

		if (here && count == TERMS_MAX) {
			return 0;
		}
		if (here) {
			ret[count++] = import_copy(im, from, (size_t)(at - from));
			from = at + length;
		}
		if (*at == '\0') {
			return count;
		}
		quoted ^= *at == '\'';
		open += !quoted && *at == '(' ? 1 : 0;
		open -= !quoted && *at == ')' && open > 0 ? 1 : 0;
	}
}

/* Without blanks outside of quotes, and without parentheses around all of it. */
static const char *squeeze(struct import *im, const char *text)
{
	char *made = import_copy(im, text, strlen(text));
	size_t used = 0;
	bool quoted = false;

	for (const char *at = text; *at != '\0'; at++) {
		quoted ^= *at == '\'';
		if (quoted || !isspace((unsigned char)*at)) {
			made[used++] = *at;
		}
	}
	made[used] = '\0';
	while (used > 1 && made[0] == '(' && made[used - 1] == ')') {
		size_t open = 0, at = 0;

		for (; at < used; at++) {
			open += made[at] == '(' ? 1 : 0;
			open -= made[at] == ')' && open > 0 ? 1 : 0;
			if (open == 0) {
				break;
			}
		}
		if (at + 1 < used) {
			break;
		}
		made[used - 1] = '\0';
		made++;
		used -= 2;
	}
	return made;
}

/* "option[60].hex", "pkt4.mac", "relay4[1].hex": the key of a match; *ret_rest behind it. */
static const char *read_source(struct kea *kea, const char *text, const char **ret_rest)
{
	static const struct {
		const char *text, *key;
	} fixed[] = {{"pkt4.mac", "mac"}, {"relay4[1].hex", "circuit_id"},
		{"relay4[2].hex", "remote_id"}};
	enum import_type type;

	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
		size_t length = strlen(fixed[i].text);

		if (strncmp(text, fixed[i].text, length) == 0) {
			*ret_rest = text + length;
			return fixed[i].key;
		}
	}
	if (strncmp(text, "option[", 7) != 0) {
		return NULL;
	}
	size_t length = strcspn(text + 7, "]");
	const char *name = import_copy(kea->im, text + 7, length);
	const char *rest = text + 7 + length;
	if (strncmp(rest, "].hex", 5) != 0 && strncmp(rest, "].text", 6) != 0) {
		return NULL;
	}
	*ret_rest = rest + (rest[2] == 'h' ? 5 : 6);
	unsigned code = isdigit((unsigned char)name[0]) ? (unsigned)strtoul(name, NULL, 10)
							: import_option_code(name, &type);
	return code == 60   ? "vendor_class"
	       : code == 61 ? "client_id"
	       : code == 77 ? "user_class"
	       : code == 93 ? "arch"
			    : NULL;
}

/* 'text' or 0x0007, as a value of that key. */
static const char *read_value(struct kea *kea, const char *key, const char *text)
{
	struct import_bytes store = {.size = 0}, *bytes = &store;
	size_t length = strlen(text);
	const char *why;

	if (length >= 2 && text[0] == '\'' && text[length - 1] == '\'') {
		return strcmp(key, "mac") == 0 || strcmp(key, "arch") == 0
			       ? NULL
			       : import_copy(kea->im, text + 1, length - 2);
	}
	if (strncmp(text, "0x", 2) != 0 ||
		import_encode(kea->im, IMPORT_HEX, &text, 1, bytes, &why) != 0 ||
		bytes->size == 0) {
		return NULL;
	}
	if (strcmp(key, "arch") == 0) {
		return bytes->size != 2 ? NULL
					: import_boot_arch(kea->im,
						  import_text(kea->im, "%u",
							  bytes->data[0] * 256u + bytes->data[1]));
	}
	if (strcmp(key, "vendor_class") == 0 || strcmp(key, "user_class") == 0) {
		return NULL;
	}
	char *hex = import_alloc(kea->im, 3 * bytes->size + 1);
	for (size_t i = 0; i < bytes->size; i++) {
		snprintf(hex + 3 * i, 4, i + 1 < bytes->size ? "%02x:" : "%02x", bytes->data[i]);
	}
	return hex;
}

static bool test_known(struct kea *kea, const char *term, struct import_node *match)
{
	bool not_so = strncmp(term, "not", 3) == 0;
	const char *at = term + (not_so ? 3 : 0);
	bool known = strcmp(at, "member('KNOWN')") == 0;

	if (!known && strcmp(at, "member('UNKNOWN')") != 0) {
		return false;
	}
	import_set_plain(kea->im, match, "known", known != not_so ? "true" : "false");
	return true;
}

static bool test_term(struct kea *kea, const char *text, struct import_node *match)
{
	const char *term = squeeze(kea->im, text), *rest = NULL;
	bool substring = strncmp(term, "substring(", 10) == 0;
	unsigned long first = 0;

	if (test_known(kea, term, match)) {
		return true;
	}
	const char *key = read_source(kea, term + (substring ? 10 : 0), &rest);
	if (key == NULL) {
		return false;
	}
	if (substring) {
		char *end;

		if (rest[0] != ',') {
			return false;
		}
		first = strtoul(rest + 1, &end, 10);
		rest = strchr(end, ')');
		if (*end != ',' || rest == NULL || first > 16) {
			return false;
		}
		rest++;
	}
	if (strncmp(rest, "==", 2) != 0) {
		return false;
	}
	const char *value = read_value(kea, key, rest + 2);
	if (value == NULL || (first > 0 && strchr("vu", key[0]) == NULL)) {
		return false;
	}
	const char *tail = !substring                                        ? ""
			   : strchr("vu", key[0]) != NULL || rest[2] == '\'' ? "*"
									     : ":*";
	import_add(kea->im, match, key,
		import_text(kea->im, "%.*s%s%s", (int)first, "????????????????", value, tail));
	return true;
}

static bool test_all(struct kea *kea, const char *text, struct import_node *match)
{
	const char *terms[TERMS_MAX];
	size_t count = split(kea->im, text, "and", terms);
	bool result = count > 0;

	for (size_t i = 0; i < count && result; i++) {
		struct import_node one = {.kind = IMPORT_MAP};

		result = test_term(kea, terms[i], &one);
		for (const struct import_node *key = one.first; key != NULL && result;
			key = key->next) {
			result = import_child(match, key->key) == NULL;
		}
		import_inherit(kea->im, match, &one);
	}
	return result;
}

bool kea_test(struct kea *kea, const char *test, struct import_node *match)
{
	const char *terms[TERMS_MAX];
	size_t count = split(kea->im, test, "or", terms);
	struct import_node found = {.kind = IMPORT_MAP};

	for (size_t i = 0; i < count; i++) {
		struct import_node one = {.kind = IMPORT_MAP};

		if (!test_all(kea, terms[i], &one)) {
			return false;
		}
		if (count == 1) {
			import_inherit(kea->im, &found, &one);
			break;
		}
		/* Several of `or`: all of one key. */
		if (one.first == NULL || one.first != one.last || one.first->kind != IMPORT_LIST ||
			(found.first != NULL && import_child(&found, one.first->key) == NULL)) {
			return false;
		}
		for (const struct import_node *item = one.first->first; item != NULL;
			item = item->next) {
			import_add(kea->im, &found, one.first->key, item->text);
		}
	}
	import_inherit(kea->im, match, &found);
	return count > 0;
}
