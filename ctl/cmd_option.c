/* option list: what can be written behind --option, and the names of architectures. Asks nobody. */
#include "ctl/cmd.h"
#include "ctl/show.h"

#include "proto/msg/msg_json.h"
#include "proto/wire/dhcp4_names.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 5

static const struct table_column option_columns[] = {{"CODE", true, false}, {"NAME", false, false},
	{"VALUE", false, false}, {"EXAMPLE", false, false}, {"ALSO", false, true}};
static const char *const option_keys[] = {"code", "name", "value", "example", "also"};
static const struct table_column arch_columns[] = {{"NUMBER", true, false}, {"NAME", false, false}};
static const char *const arch_keys[] = {"number", "name"};

struct rows {
	struct ctl *ctl;
	const char *pattern; /* NULL: all */
	const char *const *keys;
	size_t key_count, count;
	struct table *table;
};

static bool matches(const struct rows *rows, const char *code, const char *name)
{
	return rows->pattern == NULL || strcmp(rows->pattern, code) == 0 ||
	       fnmatch(rows->pattern, name, 0) == 0;
}

static void json_row(const struct rows *rows, const char *const *fields)
{
	fprintf(rows->ctl->out, "%s{", rows->count == 0 ? "" : ",\n ");
	for (size_t i = 0; i < rows->key_count; i++) {
		char *text = i == 0 ? NULL : msg_json_string(fields[i]);
		fprintf(rows->ctl->out, "%s\"%s\": %s", i == 0 ? "" : ", ", rows->keys[i],
			i == 0 || text == NULL ? fields[0] : text);
		free(text);
	}
	fputc('}', rows->ctl->out);
}

/* The first field is the number, the second the name. */
static void add_row(struct rows *rows, const char *const *fields)
{
	if (rows->ctl->format == CTL_JSON) {
		json_row(rows, fields);
	} else if (rows->ctl->format == CTL_NAME) {
		fprintf(rows->ctl->out, "%s\n", fields[1]);
	} else {
		for (size_t i = 0; i < rows->key_count; i++) {
			table_cell(rows->table, fields[i]);
		}
	}
	rows->count++;
}

/* The other names, with commas; whether any of them matches, too. */
static bool synonyms(const struct rows *rows, uint8_t code, char *ret_text, size_t bytes)
{
	const char *name;
	bool any = false;

	ret_text[0] = '\0';
	for (size_t i = 0; (name = dhcp4_option_synonym_at(code, i)) != NULL; i++) {
		size_t used = strlen(ret_text);
		snprintf(ret_text + used, bytes - used, "%s%s", i == 0 ? "" : ",", name);
		any = any || (rows->pattern != NULL && matches(rows, "", name));
	}
	return any;
}

static void add_options(struct rows *rows)
{
	const struct dhcp4_option_info *info;

	for (size_t i = 0; (info = dhcp4_option_at(i)) != NULL; i++) {
		char code[8], also[SHOW_BYTES];
		const char *fields[FIELDS_MAX] = {code, info->name, dhcp4_format_name(info->format),
			dhcp4_format_example(info->format), also};
		bool by_synonym = synonyms(rows, info->code, also, sizeof also);
		snprintf(code, sizeof code, "%u", info->code);
		if (by_synonym || matches(rows, code, info->name)) {
			add_row(rows, fields);
		}
	}
}

static void add_archs(struct rows *rows)
{
	const char *name;
	uint16_t arch;

	for (size_t i = 0; (name = dhcp4_arch_at(i, &arch)) != NULL; i++) {
		char number[8];
		const char *fields[FIELDS_MAX] = {number, name};
		snprintf(number, sizeof number, "%u", arch);
		if (matches(rows, number, name)) {
			add_row(rows, fields);
		}
	}
}

int cmd_option_list(struct ctl *ctl, const struct invocation *in)
{
	bool archs = command_flag(in, "arch");
	struct rows rows = {.ctl = ctl,
		.pattern = in->arg_count > 0 ? in->args[0] : NULL,
		.keys = archs ? arch_keys : option_keys,
		.key_count = archs ? sizeof arch_keys / sizeof arch_keys[0]
				   : sizeof option_keys / sizeof option_keys[0]};

	rows.table = table_new(archs ? arch_columns : option_columns, rows.key_count);
	if (ctl->format == CTL_JSON) {
		fprintf(ctl->out, archs ? "{\"architectures\": [" : "{\"options\": [");
	}
	if (archs) {
		add_archs(&rows);
	} else {
		add_options(&rows);
	}
	if (ctl->format == CTL_JSON) {
		fprintf(ctl->out, "]}\n");
	}
	if (ctl->format == CTL_TABLE || ctl->format == CTL_WIDE) {
		show_table(ctl, rows.table);
	} else {
		table_free(rows.table);
	}
	return rows.count > 0 ? CTL_OK
			      : ctl_fail(ctl, CTL_NOT_FOUND, "no %s is called '%s'",
					archs ? "architecture" : "option", rows.pattern);
}
