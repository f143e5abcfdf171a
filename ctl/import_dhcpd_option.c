/* dhcpd's options: their definitions, and their values. */
#include "ctl/import_dhcpd.h"

#include "proto/wire/text.h"

#include <ctype.h>
#include <string.h>

const char *dhcpd_mac(struct dhcpd *dd, const char *text)
{
	struct import_bytes store = {.size = 0}, *bytes = &store;
	const char *why;

	if (strchr(text, ':') == NULL ||
		import_encode(dd->im, IMPORT_HEX, &text, 1, bytes, &why) != 0 || bytes->size == 0) {
		return NULL;
	}
	char *mac = import_alloc(dd->im, 3 * bytes->size + 1);
	for (size_t i = 0; i < bytes->size; i++) {
		snprintf(mac + 3 * i, 4, i + 1 < bytes->size ? "%02x:" : "%02x", bytes->data[i]);
	}
	return mac;
}

static struct dhcpd_definition *find_definition(struct dhcpd *dd, const char *name)
{
	struct dhcpd_definition *found = dd->definitions;

	while (found != NULL && strcmp(found->name, name) != 0) {
		found = found->next;
	}
	return found;
}

unsigned dhcpd_option_code(struct dhcpd *dd, const char *name, enum import_type *ret_type)
{
	const struct dhcpd_definition *defined = find_definition(dd, name);

	if (defined != NULL) {
		*ret_type = defined->type;
		return defined->code;
	}
	if (strncmp(name, "dhcp.", 5) == 0) {
		name += 5;
	}
	return import_option_code(name, ret_type);
}

/* "unsigned integer 8", "array of ip-address", "text" ... from word `at` on. */
static bool read_type(
	const struct dhcpd_statement *statement, size_t at, enum import_type *ret_type)
{
	static const struct {
		const char *name;
		enum import_type type;
	} names[] = {{"text", IMPORT_STRING}, {"string", IMPORT_HEX}, {"ip-address", IMPORT_IP},
		{"boolean", IMPORT_FLAG}, {"flag", IMPORT_FLAG}, {"domain-list", IMPORT_DOMAINS}};
	const struct dhcpd_word *word = statement->word;
	size_t left = statement->count - at;

	if (left >= 2 && strcmp(word[at].text, "array") == 0 &&
		strcmp(word[at + 1].text, "of") == 0) {
		at += 2;
		left -= 2;
	}
	if (left >= 1 &&
		(strcmp(word[at].text, "unsigned") == 0 || strcmp(word[at].text, "signed") == 0)) {
		at++;
		left--;
	}
	if (left == 2 && strcmp(word[at].text, "integer") == 0) {
		*ret_type = strcmp(word[at + 1].text, "8") == 0    ? IMPORT_U8
			    : strcmp(word[at + 1].text, "16") == 0 ? IMPORT_U16
								   : IMPORT_U32;
		return true;
	}
	for (size_t i = 0; i < sizeof names / sizeof names[0] && left >= 1; i++) {
		if (strcmp(word[at].text, names[i].name) == 0) {
			*ret_type = names[i].type;
			return true;
		}
	}
	return false;
}

/* option NAME code N = TYPE; */
static void define(struct dhcpd *dd)
{
	const struct dhcpd_statement *statement = &dd->statement;
	struct dhcpd_definition *made = import_alloc(dd->im, sizeof *made);
	uint64_t code;

	if (statement->count < 6 || text_u64_parse(statement->word[3].text, 254, &code) != 0 ||
		strcmp(statement->word[4].text, "=") != 0) {
		dhcpd_left_out(dd, "option definition: not understood");
		return;
	}
	made->name = statement->word[1].text;
	made->code = (unsigned)code;
	made->usable = read_type(statement, 5, &made->type);
	made->next = dd->definitions;
	dd->definitions = made;
	if (!made->usable) {
		dhcpd_left_out(dd, "option %s: values of this form", made->name);
	} else {
		import_remark(dd->im, IMPORT_NOTE, statement->at, NULL,
			"option %s is number %u; written where it is used", made->name, made->code);
	}
}

static bool is_own(unsigned code)
{
	static const unsigned char own[] = {1, 50, 51, 52, 53, 54, 55, 56, 57, 61, 82};

	return memchr(own, (int)code, sizeof own) != NULL;
}

/* The values, parted by commas; false: an expression. */
static bool read_values(struct dhcpd *dd, enum import_type *type,
	const char *words[DHCPD_WORDS_MAX], size_t *ret_count)
{
	const struct dhcpd_statement *statement = &dd->statement;

	*ret_count = 0;
	for (size_t i = 2; i < statement->count; i++) {
		const struct dhcpd_word *word = &statement->word[i];

		if (!word->quoted &&
			(strcmp(word->text, "(") == 0 || strcmp(word->text, "=") == 0)) {
			return false;
		}
		if (!word->quoted && strcmp(word->text, ",") == 0) {
			continue;
		}
		if (word->quoted && *type == IMPORT_HEX) {
			*type = IMPORT_STRING;
		}
		words[(*ret_count)++] = word->text;
	}
	/* Bytes where a text is expected: "option x 01:02:03". */
	if (*type == IMPORT_STRING && *ret_count == 1 && !statement->word[2].quoted &&
		strchr(words[0], ':') != NULL) {
		*type = IMPORT_HEX;
	}
	if (*type == IMPORT_GUESS && *ret_count > 0) {
		*type = statement->word[2].quoted ? IMPORT_STRING : IMPORT_HEX;
	}
	return *ret_count > 0;
}

/* option NAME VALUE, VALUE; */
void dhcpd_on_option(struct dhcpd *dd, struct import_node *node)
{
	const struct dhcpd_statement *statement = &dd->statement;
	const char *words[DHCPD_WORDS_MAX], *why = "";
	struct import_option option = {.code = 0};
	struct import_bytes *bytes;
	enum import_type type;
	size_t count;

	if (statement->count < 3) {
		dhcpd_left_out(dd, "option: not understood");
		return;
	}
	const char *name = statement->word[1].text;
	if (strcmp(name, "space") == 0) {
		dhcpd_left_out(dd, "option space %s", statement->word[2].text);
		return;
	}
	if (strcmp(statement->word[2].text, "code") == 0 && !statement->word[2].quoted) {
		define(dd);
		return;
	}
	option.code = dhcpd_option_code(dd, name, &type);
	const struct dhcpd_definition *defined = find_definition(dd, name);
	/* "pxelinux.magic": the space counts, unless its options are DHCP's own. */
	option.space =
		defined != NULL && strchr(name, '.') != NULL && strncmp(name, "pxelinux.", 9) != 0
			? IMPORT_VENDOR
			: IMPORT_DHCP;
	bytes = import_alloc(dd->im, sizeof *bytes);
	if (option.code == 0 || (defined != NULL && !defined->usable)) {
		dhcpd_left_out(dd,
			option.code == 0 ? "no option is known as '%s'"
					 : "option %s: values of this form",
			name);
	} else if (option.space == IMPORT_DHCP && is_own(option.code)) {
		if (option.code == 1) {
			import_remark(dd->im, IMPORT_NOTE, statement->at, NULL,
				"option %s comes from the subnet", name);
		} else {
			dhcpd_left_out(dd, "option %s is the protocol's own", name);
		}
	} else if (!read_values(dd, &type, words, &count)) {
		dhcpd_left_out(dd, "option %s: an expression", name);
	} else if (import_encode(dd->im, type, words, count, bytes, &why) != 0) {
		dhcpd_left_out(dd, "option %s: %s", name, why);
	} else {
		struct import_node *made = import_put_option(dd->im, node, &option, bytes);

		if (made->replaced) {
			import_remark(dd->im, IMPORT_NOTE, statement->at, NULL,
				"option %s is given twice: the last one counts", name);
		}
		if (option.space == IMPORT_VENDOR) {
			import_remark(dd->im, IMPORT_TODO, statement->at, made,
				"a sub-option of 43? It was %s", name);
		}
	}
}
