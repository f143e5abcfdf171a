#include "ctl/show_terms.h"

#include "ctl/edit.h"
#include "ctl/edit_terms.h"
#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

#include <stdarg.h>
#include <string.h>

#define IDENTITY_TEXT_MAX 200

/* Append to a text that is cut to its buffer. */
__attribute__((format(printf, 3, 4))) static void add(
	char *text, size_t bytes, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, bytes - used, format, args);
	va_end(args);
}

char *show_option(const Pxe__Option *option, char *ret_text, size_t bytes)
{
	struct dhcp4_value_option value = {.space = (enum dhcp4_value_space)option->space,
		.enterprise = option->enterprise,
		.code = (uint8_t)option->code,
		.always = option->always,
		.size = option->data.len};

	if (option->code > UINT8_MAX || option->data.len > sizeof value.data ||
		(int)option->space > (int)DHCP4_VALUE_VIVSO) {
		snprintf(ret_text, bytes, "option of a newer version");
		return ret_text;
	}
	if (value.size > 0) {
		memcpy(value.data, option->data.data, value.size);
	}
	dhcp4_value_format_option(&value, ret_text, bytes);
	return ret_text;
}

char *show_names(char *const *names, size_t count, char *ret_text, size_t bytes)
{
	ret_text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		add(ret_text, bytes, "%s%s", i == 0 ? "" : ",", names[i]);
	}
	return ret_text;
}

char *show_range(const ProtobufCBinaryData *first, const ProtobufCBinaryData *last,
	char ret_text[SHOW_BYTES])
{
	char from[SHOW_BYTES], to[SHOW_BYTES];

	show_ip(first, from);
	show_ip(last, to);
	snprintf(ret_text, SHOW_BYTES, "%.60s", from);
	if (strcmp(from, to) != 0) {
		add(ret_text, SHOW_BYTES, "-%.60s", to);
	}
	return ret_text;
}

char *show_identity(const ProtobufCBinaryData *identity, char ret_text[SHOW_BYTES])
{
	uint8_t back[SHOW_BYTES];
	size_t bytes = 0;
	bool printable = identity->len > 0 && identity->len <= IDENTITY_TEXT_MAX;

	ret_text[0] = '\0';
	for (size_t i = 0; printable && i < identity->len; i++) {
		printable = identity->data[i] > ' ' && identity->data[i] < 0x7f;
	}
	if (printable) {
		snprintf(ret_text, SHOW_BYTES, "%.*s", (int)identity->len,
			(const char *)identity->data);
		if (edit_identity(ret_text, back, sizeof back, &bytes) == 0 &&
			bytes == identity->len && memcmp(back, identity->data, bytes) == 0) {
			return ret_text;
		}
	}
	ret_text[0] = '\0';
	for (size_t i = 0; i < identity->len; i++) {
		add(ret_text, SHOW_BYTES, "%s%02x", i == 0 ? "" : ":", identity->data[i]);
	}
	return ret_text;
}

/* ---- matches */

static void show_uuids(const Pxe__Match *match, char *ret_text, size_t bytes)
{
	char one[SHOW_BYTES];

	ret_text[0] = '\0';
	for (size_t i = 0; i < match->n_uuid; i++) {
		add(ret_text, bytes, "%s%s", i == 0 ? "" : ",", show_uuid(&match->uuid[i], one));
	}
}

/* The values of one key, with commas between; "" if it is not given. */
static const char *match_values(const Pxe__Match *match, size_t index, char *ret_text, size_t bytes)
{
	const char *const *list;
	size_t count;
	const char *key = edit_match_at(index, match, &list, &count);

	ret_text[0] = '\0';
	if (key != NULL && strcmp(key, "known") == 0) {
		snprintf(ret_text, bytes, "%s",
			match->known == PXE__KNOWN__KNOWN_YES  ? "yes"
			: match->known == PXE__KNOWN__KNOWN_NO ? "no"
							       : "");
	} else if (key != NULL && strcmp(key, "uuid") == 0) {
		show_uuids(match, ret_text, bytes);
	}
	for (size_t i = 0; i < count; i++) {
		add(ret_text, bytes, "%s%s", i == 0 ? "" : ",", list[i]);
	}
	return key;
}

char *show_match(const Pxe__Match *match, char *ret_text, size_t bytes)
{
	char values[SHOW_LONG_BYTES];
	const char *key;

	ret_text[0] = '\0';
	for (size_t i = 0;
		match != NULL && (key = match_values(match, i, values, sizeof values)) != NULL;
		i++) {
		if (values[0] != '\0') {
			add(ret_text, bytes, "%s%s=%s", ret_text[0] == '\0' ? "" : " ", key,
				values);
		}
	}
	return ret_text;
}

void show_match_lines(const struct ctl *ctl, const Pxe__Match *match)
{
	char values[SHOW_LONG_BYTES], line[SHOW_LONG_BYTES];
	const char *key;

	if (match == NULL) {
		show_pair(ctl, "match", "nobody but the hosts that name it");
		return;
	}
	for (size_t i = 0; (key = match_values(match, i, values, sizeof values)) != NULL; i++) {
		if (values[0] != '\0') {
			snprintf(line, sizeof line, "%s=%.8000s", key, values);
			show_pair(ctl, "match", line);
		}
	}
}

/* ---- lines */

char *show_quirks(const Pxe__Quirks *quirks, char ret_text[SHOW_BYTES])
{
	char value[32];
	const char *name;

	ret_text[0] = '\0';
	for (size_t i = 0; (name = edit_quirk_at(i, quirks, value)) != NULL; i++) {
		if (value[0] != '\0') {
			add(ret_text, SHOW_BYTES, "%s%s=%s", ret_text[0] == '\0' ? "" : " ", name,
				value);
		}
	}
	return ret_text;
}

void show_quirk_lines(const struct ctl *ctl, const Pxe__Quirks *quirks)
{
	char value[32], line[SHOW_BYTES];
	const char *name;

	for (size_t i = 0; (name = edit_quirk_at(i, quirks, value)) != NULL; i++) {
		if (value[0] != '\0') {
			snprintf(line, sizeof line, "%s=%s", name, value);
			show_pair(ctl, "quirk", line);
		}
	}
}

void show_lease_terms(const struct ctl *ctl, uint32_t lease_s, uint32_t min_s, uint32_t max_s)
{
	char text[SHOW_BYTES];

	show_pair(ctl, "lease", show_duration_s(lease_s, text));
	show_pair(ctl, "lease-min", show_duration_s(min_s, text));
	show_pair(ctl, "lease-max", show_duration_s(max_s, text));
}

void show_option_lines(const struct ctl *ctl, Pxe__Option *const *options, size_t count)
{
	char text[SHOW_LONG_BYTES];

	for (size_t i = 0; i < count; i++) {
		show_pair(ctl, "option", show_option(options[i], text, sizeof text));
	}
}

void show_boot_lines(const struct ctl *ctl, Pxe__ArchProfile *const *profiles, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(ctl->out, "%-12s %s=%s\n", "boot", profiles[i]->arch, profiles[i]->profile);
	}
}

void show_var_lines(const struct ctl *ctl, Pxe__Variable *const *vars, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(ctl->out, "%-12s %s=%s\n", "var", vars[i]->name, vars[i]->value);
	}
}

void show_owner(const struct ctl *ctl, const char *owner)
{
	char line[SHOW_BYTES];

	if (owner[0] != '\0') {
		snprintf(line, sizeof line, "%.200s (pxectl apply)", owner);
		show_pair(ctl, "site file", line);
	}
}
