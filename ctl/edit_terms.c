#include "ctl/edit_terms.h"

#include "proto/cred/suggest.h"
#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_DELAY_MAX_MS 10000
#define OPTION_NAMES_MAX   1024

_Static_assert((int)DHCP4_VALUE_VENDOR == (int)PXE__OPTION_SPACE__OPTION_VENDOR &&
		       (int)DHCP4_VALUE_VIVSO == (int)PXE__OPTION_SPACE__OPTION_VIVSO,
	"the spaces of values are those of the records");

/* ---- options */

/* The names of all options, with their synonyms. */
static size_t option_names(const char *ret_names[OPTION_NAMES_MAX])
{
	const struct dhcp4_option_info *info;
	const char *synonym;
	size_t count = 0;

	for (size_t i = 0; (info = dhcp4_option_at(i)) != NULL && count < OPTION_NAMES_MAX; i++) {
		ret_names[count++] = info->name;
		for (size_t j = 0; count < OPTION_NAMES_MAX &&
				   (synonym = dhcp4_option_synonym_at(info->code, j)) != NULL;
			j++) {
			ret_names[count++] = synonym;
		}
	}
	return count;
}

static int fail_name(const struct ctl *ctl, const char *where, const char *text, const char *name,
	const char *error)
{
	const char *names[OPTION_NAMES_MAX];
	const char *bare = name + (name[0] == '!');
	const char *nearest = suggest_nearest(bare, names, option_names(names));

	return nearest != NULL ? ctl_fail(ctl, CTL_USAGE,
					 "%s'%s': there is no option '%s'; did you mean '%s'?",
					 where, text, bare, nearest)
			       : ctl_fail(ctl, CTL_USAGE, "%s'%s': %s; see: pxectl option list",
					 where, text, error);
}

static bool is_same(const Pxe__Option *option, const struct dhcp4_value_option *value)
{
	return option->code == value->code && (int)option->space == (int)value->space &&
	       option->enterprise == value->enterprise;
}

static void drop_option(
	const struct dhcp4_value_option *value, Pxe__Option **options, size_t *count)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		if (is_same(options[i], value)) {
			pxe__option__free_unpacked(options[i], NULL);
		} else {
			options[kept++] = options[i];
		}
	}
	*count = kept;
}

static void put_option(
	const struct dhcp4_value_option *value, Pxe__Option ***options, size_t *count)
{
	Pxe__Option *option = NULL;

	for (size_t i = 0; i < *count; i++) {
		option = is_same((*options)[i], value) ? (*options)[i] : option;
	}
	if (option == NULL) {
		option = edit_new(&pxe__option__descriptor);
		edit_append_message(options, count, option);
	}
	option->code = value->code;
	option->space = (Pxe__OptionSpace)value->space;
	option->enterprise = value->enterprise;
	option->always = value->always;
	edit_set_bytes(&option->data, value->data, value->size);
}

int edit_option(const struct ctl *ctl, const char *where, const char *text, Pxe__Option ***options,
	size_t *count)
{
	char error[DHCP4_VALUE_ERROR_BYTES], name[DHCP4_VALUE_NAME_BYTES];
	size_t length = strcspn(text, "=");
	struct dhcp4_value_option value;

	if (text[length] != '=' || length == 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"%s'%s': write NAME=VALUE, such as routers=10.20.0.1, or NAME=none", where,
			text);
	}
	snprintf(name, sizeof name, "%.*s", (int)length, text);
	if (dhcp4_value_parse_name(name, &value, error, sizeof error) != 0) {
		return fail_name(ctl, where, text, name, error);
	}
	if (dhcp4_value_parse_option(text, &value, error, sizeof error) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "%s'%s': %s", where, text, error);
	}
	if (value.none) {
		drop_option(&value, *options, count);
	} else {
		put_option(&value, options, count);
	}
	return CTL_OK;
}

/* ---- quirks */

static const struct {
	const char *name;
	size_t offset; /* of a Pxe__Toggle */
} toggles[] = {
	{"overload", offsetof(Pxe__Quirks, overload)},
	{"broadcast", offsetof(Pxe__Quirks, broadcast)},
	{"echo-client-id", offsetof(Pxe__Quirks, echo_client_id)},
	{"rapid-commit", offsetof(Pxe__Quirks, rapid_commit)},
};
#define TOGGLES (sizeof toggles / sizeof toggles[0])

static Pxe__Toggle *toggle_of(Pxe__Quirks *quirks, size_t index)
{
	return (Pxe__Toggle *)(void *)((char *)quirks + toggles[index].offset);
}

const char *edit_quirk_at(size_t index, const Pxe__Quirks *quirks, char ret_value[32])
{
	char text[TEXT_DURATION_BYTES];

	ret_value[0] = '\0';
	if (index < TOGGLES) {
		Pxe__Toggle toggle = quirks == NULL
					     ? PXE__TOGGLE__TOGGLE_UNSET
					     : *toggle_of((Pxe__Quirks *)(uintptr_t)quirks, index);
		snprintf(ret_value, 32, "%s",
			toggle == PXE__TOGGLE__TOGGLE_YES  ? "yes"
			: toggle == PXE__TOGGLE__TOGGLE_NO ? "no"
							   : "");
		return toggles[index].name;
	}
	if (index > TOGGLES) {
		return NULL;
	}
	if (quirks != NULL && quirks->reply_delay_ms > 0) {
		snprintf(ret_value, 32, "%s", text_duration_format(quirks->reply_delay_ms, text));
	}
	return "reply-delay";
}

static bool is_unset(const Pxe__Quirks *quirks)
{
	char value[32];
	bool unset = true;

	for (size_t i = 0; edit_quirk_at(i, quirks, value) != NULL; i++) {
		unset = unset && value[0] == '\0';
	}
	return unset;
}

static int set_delay(const struct ctl *ctl, const char *where, const char *text, const char *value,
	Pxe__Quirks *quirks)
{
	uint64_t ms = 0;

	if (strcmp(value, "default") != 0 &&
		(text_duration_parse(value, &ms) != 0 || ms == 0 || ms > REPLY_DELAY_MAX_MS)) {
		return ctl_fail(ctl, CTL_USAGE,
			"%s'%s': write a time up to 10s, such as 500ms, or default", where, text);
	}
	quirks->reply_delay_ms = (uint32_t)ms;
	return CTL_OK;
}

static int set_toggle(const struct ctl *ctl, const char *where, const char *text, const char *value,
	Pxe__Toggle *toggle)
{
	static const char *const values[] = {"default", "no", "yes"}; /* as enum Toggle */

	for (size_t i = 0; i < 3; i++) {
		if (strcmp(value, values[i]) == 0) {
			*toggle = (Pxe__Toggle)i;
			return CTL_OK;
		}
	}
	return ctl_fail(ctl, CTL_USAGE, "%s'%s': write yes, no or default", where, text);
}

static int set_quirk(
	const struct ctl *ctl, const char *where, const char *text, Pxe__Quirks *quirks)
{
	const char *names[TOGGLES + 1], *nearest;
	size_t length = strcspn(text, "=");
	char name[32];

	snprintf(name, sizeof name, "%.*s", (int)(length < 31 ? length : 31), text);
	for (size_t i = 0; i < TOGGLES; i++) {
		names[i] = toggles[i].name;
		if (strcmp(name, names[i]) == 0 && text[length] == '=') {
			return set_toggle(
				ctl, where, text, text + length + 1, toggle_of(quirks, i));
		}
	}
	names[TOGGLES] = "reply-delay";
	if (strcmp(name, names[TOGGLES]) == 0 && text[length] == '=') {
		return set_delay(ctl, where, text, text + length + 1, quirks);
	}
	nearest = suggest_nearest(name, names, TOGGLES + 1);
	return ctl_fail(ctl, CTL_USAGE,
		"%s'%s': write overload, broadcast, echo-client-id or rapid-commit with =yes, =no "
		"or "
		"=default, or reply-delay=TIME%s%s%s",
		where, text, nearest != NULL ? "; did you mean '" : "",
		nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

int edit_quirk(const struct ctl *ctl, const char *where, const char *text, Pxe__Quirks **quirks)
{
	Pxe__Quirks *edited = *quirks != NULL ? *quirks : edit_new(&pxe__quirks__descriptor);
	int result = set_quirk(ctl, where, text, edited);

	if (is_unset(edited)) {
		pxe__quirks__free_unpacked(edited, NULL);
		edited = NULL;
	}
	*quirks = edited;
	return result;
}

/* ---- all of them */

int edit_terms(const struct ctl *ctl, const struct invocation *in, const struct edit_terms *terms)
{
	size_t iterator = 0;
	const char *text;
	int result = edit_seconds(ctl, in, "lease", terms->lease_s);

	if (result == CTL_OK) {
		result = edit_seconds(ctl, in, "lease-min", terms->lease_min_s);
	}
	if (result == CTL_OK) {
		result = edit_seconds(ctl, in, "lease-max", terms->lease_max_s);
	}
	while (result == CTL_OK && (text = command_next(in, "option", &iterator)) != NULL) {
		result = edit_option(ctl, "--option ", text, terms->options, terms->option_count);
	}
	iterator = 0;
	while (result == CTL_OK && (text = command_next(in, "quirk", &iterator)) != NULL) {
		assert(terms->quirks != NULL);
		result = edit_quirk(ctl, "--quirk ", text, terms->quirks);
	}
	return result;
}
