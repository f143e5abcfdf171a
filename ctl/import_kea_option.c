/* Kea's option-data and option-def. */
#include "ctl/import_kea.h"

#include "proto/wire/text.h"

#include <ctype.h>
#include <string.h>

#define VALUES_MAX 256u

static bool type_of(const char *name, enum import_type *ret_type)
{
	static const struct {
		const char *name;
		enum import_type type;
	} types[] = {{"binary", IMPORT_HEX}, {"boolean", IMPORT_FLAG}, {"fqdn", IMPORT_DOMAINS},
		{"ipv4-address", IMPORT_IP}, {"string", IMPORT_STRING}, {"uint8", IMPORT_U8},
		{"int8", IMPORT_U8}, {"uint16", IMPORT_U16}, {"int16", IMPORT_U16},
		{"uint32", IMPORT_U32}, {"int32", IMPORT_U32}, {"empty", IMPORT_HEX}};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (strcmp(types[i].name, name) == 0) {
			*ret_type = types[i].type;
			return true;
		}
	}
	return false;
}

void kea_definitions(struct kea *kea, struct import_json *map)
{
	struct import_json *list = import_json_take(map, "option-def");

	for (struct import_json *at = list == NULL ? NULL : list->first; at != NULL;
		at = at->next) {
		struct kea_definition *made = import_alloc(kea->im, sizeof *made);
		const char *code = import_json_text(at, "code"), *space, *type, *records, *array;
		uint64_t number;

		at->seen = true;
		made->name = import_json_text(at, "name");
		space = import_json_text(at, "space");
		type = import_json_text(at, "type");
		records = import_json_text(at, "record-types");
		array = import_json_text(at, "array");
		made->encapsulate = import_json_text(at, "encapsulate");
		if (made->name == NULL || code == NULL || type == NULL ||
			text_u64_parse(code, 254, &number) != 0) {
			kea_left_out(kea, at, "option-def: not understood");
			continue;
		}
		made->space = space != NULL ? space : "dhcp4";
		made->code = (unsigned)number;
		made->types = strcmp(type, "record") == 0 && records != NULL ? records : type;
		made->array = array != NULL && strcmp(array, "true") == 0;
		made->next = kea->definitions;
		kea->definitions = made;
		import_remark(kea->im, IMPORT_NOTE, at->at, NULL,
			"option %s is number %u; written where it is used", made->name, made->code);
	}
}

static const struct kea_definition *definition_of(
	const struct kea *kea, const char *space, const char *name, unsigned code)
{
	for (const struct kea_definition *at = kea->definitions; at != NULL; at = at->next) {
		if (strcmp(at->space, space) == 0 &&
			(name != NULL ? strcmp(at->name, name) == 0 : at->code == code)) {
			return at;
		}
	}
	return NULL;
}

/* Words of a value: at commas, "\," is a comma. */
static size_t split_data(struct kea *kea, const char *data, const char *words[VALUES_MAX])
{
	size_t count = 0;

	while (*data != '\0' && count < VALUES_MAX) {
		char *word = import_copy(kea->im, data, strlen(data));
		size_t used = 0;

		while (isspace((unsigned char)*data)) {
			data++;
		}
		for (; *data != '\0' && *data != ','; data++) {
			data += data[0] == '\\' && data[1] == ',' ? 1 : 0;
			word[used++] = *data;
		}
		while (used > 0 && isspace((unsigned char)word[used - 1])) {
			used--;
		}
		word[used] = '\0';
		words[count++] = word;
		data += *data == ',' ? 1 : 0;
	}
	return count;
}

/* Each value by its type of the record; the last type repeats in an array. */
static int encode_defined(struct kea *kea, const struct kea_definition *defined,
	const char *const *words, size_t count, struct import_bytes *bytes, const char **ret_why)
{
	const char *types[VALUES_MAX];
	size_t type_count = split_data(kea, defined->types, types);

	for (size_t i = 0; i < count; i++) {
		size_t at = i < type_count ? i : type_count - 1;
		enum import_type type;

		if (type_count == 0 || !type_of(types[at], &type)) {
			*ret_why = "values of this form";
			return -1;
		}
		if (type_count == 1 && type == IMPORT_STRING) {
			return import_encode(kea->im, type, words, count, bytes, ret_why);
		}
		if (import_encode(kea->im, type, &words[i], 1, bytes, ret_why) != 0) {
			return -1;
		}
	}
	return 0;
}

/* Where options of a space stand; false: nowhere that is known. */
static bool space_of(const struct kea *kea, const char *space, struct import_option *option)
{
	uint64_t enterprise;

	if (strcmp(space, "dhcp4") == 0) {
		option->space = IMPORT_DHCP;
		return true;
	}
	if (strcmp(space, "vendor-encapsulated-options-space") == 0) {
		option->space = IMPORT_VENDOR;
		return true;
	}
	if (strncmp(space, "vendor-", 7) == 0 &&
		text_u64_parse(space + 7, UINT32_MAX, &enterprise) == 0) {
		option->space = IMPORT_VIVSO;
		option->enterprise = (uint32_t)enterprise;
		return true;
	}
	for (const struct kea_definition *at = kea->definitions; at != NULL; at = at->next) {
		if (at->encapsulate != NULL && strcmp(at->encapsulate, space) == 0 &&
			at->code == 43) {
			option->space = IMPORT_VENDOR;
			return true;
		}
	}
	return false;
}

static void put_option(struct kea *kea, struct import_json *at, struct import_node *node)
{
	const char *name = import_json_text(at, "name"), *code = import_json_text(at, "code");
	const char *space = import_json_text(at, "space"), *data = import_json_text(at, "data");
	const char *csv = import_json_text(at, "csv-format"), *words[VALUES_MAX], *why = "";
	const char *always = import_json_text(at, "always-send");
	struct import_option option = {.always = always != NULL && strcmp(always, "true") == 0};
	struct import_bytes store = {.size = 0}, *bytes = &store;
	enum import_type type = IMPORT_GUESS;
	uint64_t number = 0;

	space = space != NULL ? space : "dhcp4";
	if (code != NULL && text_u64_parse(code, 254, &number) != 0) {
		number = 0;
	}
	const struct kea_definition *defined =
		definition_of(kea, space, number == 0 ? name : NULL, (unsigned)number);
	option.code = defined != NULL ? defined->code : (unsigned)number;
	if (!space_of(kea, space, &option)) {
		kea_left_out(kea, at, "an option of the space '%s'", space);
		return;
	}
	if (option.code == 0 && name != NULL && option.space == IMPORT_DHCP) {
		option.code = import_option_code(name, &type);
	} else if (option.space == IMPORT_DHCP) {
		type = import_option_type(option.code);
	}
	if (option.code == 0) {
		kea_left_out(kea, at, "no option is known as '%s'", name != NULL ? name : "");
		return;
	}
	size_t count = data == NULL ? 0 : split_data(kea, data, words);
	bool hex = csv != NULL && strcmp(csv, "false") == 0;
	int result = hex && data != NULL ? import_encode(kea->im, IMPORT_HEX, &data, 1, bytes, &why)
		     : defined != NULL   ? encode_defined(kea, defined, words, count, bytes, &why)
					 : import_encode(kea->im, type, words, count, bytes, &why);
	if (result != 0) {
		kea_left_out(kea, at, "option %u: %s", option.code, why);
	} else if (count == 0) {
		kea_left_out(kea, at, "option %u without a value", option.code);
	} else {
		import_put_option(kea->im, node, &option, bytes);
	}
}

void kea_options(struct kea *kea, struct import_json *map, struct import_node *node)
{
	struct import_json *list = import_json_take(map, "option-data");

	for (struct import_json *at = list == NULL ? NULL : list->first; at != NULL;
		at = at->next) {
		at->seen = true;
		put_option(kea, at, node);
	}
}
