/* store/model/check_terms.c: what every level of the configuration may say: options, lease times,
 * quirks, groups. Pure. */
#include "store/model/check.h"
#include "store/model/levels.h"
#include <string.h>

#define INVALID PXE__VERDICT__VERDICT_INVALID

#define CHECK_OPTIONS_MAX      64
#define CHECK_OPTION_BYTES_MAX 1024 /* a value: it goes in pieces (RFC 3396) */
#define CHECK_GROUPS_MAX       32
#define CHECK_DELAY_MAX_MS     10000

/* What the protocol says itself, and what has no meaning in a server's answer (RFC 2132 §9). */
static const uint8_t check_own_options[] = {
	1, 28, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 80, 82, 93, 94, 97, 118};

static bool check_option_code(struct apply *a, const char *what, const Pxe__Option *option)
{
	bool is_code = option->code >= 1 && option->code <= 254;
	bool is_plain = option->space == PXE__OPTION_SPACE__OPTION_DHCP;
	if (option->space == PXE__OPTION_SPACE__OPTION_VIVSO && option->enterprise == 0) {
		internal_refuse(a, INVALID, "vendor option %u of %s names no enterprise number",
			option->code, what);
		return false;
	}
	if (!is_plain && option->space != PXE__OPTION_SPACE__OPTION_VENDOR &&
		option->space != PXE__OPTION_SPACE__OPTION_VIVSO) {
		internal_refuse(a, INVALID, "option %u of %s is in space %d, which is not known",
			option->code, what, (int)option->space);
		return false;
	}
	if (is_code && !(is_plain && memchr(check_own_options, (int)option->code,
					     sizeof(check_own_options)) != NULL))
		return true;
	internal_refuse(a, INVALID, "option %u of %s is %s: leave it out", option->code, what,
		!is_code ? option->code == 0 ? "padding" : "above 254"
			 : "set by the server itself");
	return false;
}

static bool check_option(
	struct apply *a, const char *what, Pxe__Option *const *options, size_t index)
{
	const Pxe__Option *option = options[index];
	size_t max = option->space == PXE__OPTION_SPACE__OPTION_DHCP ? CHECK_OPTION_BYTES_MAX : 250;
	if (!check_option_code(a, what, option))
		return false;
	if (option->data.len == 0 || option->data.len > max) {
		internal_refuse(a, INVALID, "option %u of %s has %zu bytes: give 1 to %zu",
			option->code, what, option->data.len, max);
		return false;
	}
	for (size_t i = 0; i < index; i++) {
		if (options[i]->code != option->code || options[i]->space != option->space ||
			options[i]->enterprise != option->enterprise)
			continue;
		internal_refuse(
			a, INVALID, "option %u of %s is given twice: keep one", option->code, what);
		return false;
	}
	return true;
}

bool check_options(struct apply *a, const char *what, Pxe__Option *const *options, size_t count)
{
	if (count > CHECK_OPTIONS_MAX) {
		internal_refuse(a, INVALID, "%s has %zu options: use at most %d", what, count,
			CHECK_OPTIONS_MAX);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!check_option(a, what, options, i))
			return false;
	}
	return true;
}

bool check_lease_times(
	struct apply *a, const char *what, uint32_t usual, uint32_t min, uint32_t max)
{
	if (!check_seconds(a, "lease time", usual, 1, CHECK_LEASE_MAX_S) ||
		!check_seconds(a, "shortest lease time", min, 1, CHECK_LEASE_MAX_S) ||
		!check_seconds(a, "longest lease time", max, 1, CHECK_LEASE_MAX_S))
		return false;
	if ((max == 0 || (min <= max && usual <= max)) && (usual == 0 || min <= usual))
		return true;
	internal_refuse(a, INVALID,
		"lease times of %s: shortest %u s, usual %u s, longest %u s are not in this order",
		what, min, usual, max);
	return false;
}

bool check_quirks(struct apply *a, const char *what, const Pxe__Quirks *quirks)
{
	if (quirks == NULL)
		return true;
	const Pxe__Toggle toggles[] = {
		quirks->overload, quirks->broadcast, quirks->echo_client_id, quirks->rapid_commit};
	for (size_t i = 0; i < sizeof(toggles) / sizeof(toggles[0]); i++) {
		if (toggles[i] >= PXE__TOGGLE__TOGGLE_UNSET &&
			toggles[i] <= PXE__TOGGLE__TOGGLE_YES)
			continue;
		internal_refuse(a, INVALID, "a quirk of %s is neither yes, no nor default", what);
		return false;
	}
	if (quirks->reply_delay_ms <= CHECK_DELAY_MAX_MS)
		return true;
	internal_refuse(a, INVALID, "answers to %s would wait %u ms: use at most %d", what,
		quirks->reply_delay_ms, CHECK_DELAY_MAX_MS);
	return false;
}

bool check_groups(struct apply *a, const char *what, char *const *names, size_t count)
{
	if (count > CHECK_GROUPS_MAX) {
		internal_refuse(a, INVALID, "%s names %zu groups: use at most %d", what, count,
			CHECK_GROUPS_MAX);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!check_name(a, "group", names[i]))
			return false;
		if (model_group(a->model, names[i]) != NULL || strcmp(names[i], "known") == 0 ||
			strcmp(names[i], "unknown") == 0)
			continue;
		internal_refuse(a, INVALID,
			"group %s, named by %s, does not exist: add it first, or see: pxectl group "
			"list",
			names[i], what);
		return false;
	}
	return true;
}
