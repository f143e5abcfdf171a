/* store/model/put_group.c: groups of machines. Pure. */
#include "proto/wire/dhcp4_names.h"
#include "store/model/levels.h"
#include "store/model/put.h"
#include <stdio.h>
#include <string.h>

#define OK      PXE__VERDICT__VERDICT_OK
#define INVALID PXE__VERDICT__VERDICT_INVALID

#define PUT_PATTERNS_MAX      64
#define PUT_PATTERN_BYTES_MAX 255

/* A list of globs. */
static bool put_check_patterns(
	struct apply *a, const char *what, const char *group, char *const *patterns, size_t count)
{
	if (count > PUT_PATTERNS_MAX) {
		internal_refuse(a, INVALID, "group %s has %zu patterns for the %s: use at most %d",
			group, count, what, PUT_PATTERNS_MAX);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!check_text(a, what, patterns[i], PUT_PATTERN_BYTES_MAX, false))
			return false;
		if (patterns[i][0] != '\0')
			continue;
		internal_refuse(a, INVALID,
			"group %s has an empty pattern for the %s: \"*\" is any", group, what);
		return false;
	}
	return true;
}

/* Over aa:bb:cc text nothing else can match. */
static bool put_check_hex_patterns(
	struct apply *a, const char *what, const char *group, char *const *patterns, size_t count)
{
	if (!put_check_patterns(a, what, group, patterns, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strspn(patterns[i], "0123456789abcdefABCDEF:*?") == strlen(patterns[i]))
			continue;
		internal_refuse(a, INVALID,
			"group %s: \"%s\" can match no %s: write it as aa:bb:cc, with * and ?",
			group, patterns[i], what);
		return false;
	}
	return true;
}

static bool put_check_archs(struct apply *a, const Pxe__Group *group)
{
	const Pxe__Match *match = group->match;
	if (!put_check_patterns(a, "architecture", group->name, match->arch, match->n_arch))
		return false;
	for (size_t i = 0; i < match->n_arch; i++) {
		if (strpbrk(match->arch[i], "*?") != NULL || dhcp4_arch_parse(match->arch[i]) >= 0)
			continue;
		internal_refuse(a, INVALID,
			"group %s: architecture \"%s\" is not known: use bios, uefi-x64, "
			"uefi-arm64, ... or its number",
			group->name, match->arch[i]);
		return false;
	}
	return true;
}

static bool put_check_match(struct apply *a, const Pxe__Group *group)
{
	const Pxe__Match *match = group->match;
	const char *name = group->name;
	if (match == NULL)
		return true;
	if (match->known < PXE__KNOWN__KNOWN_ANY || match->known > PXE__KNOWN__KNOWN_NO) {
		internal_refuse(a, INVALID, "group %s: known is yes, no, or not said", name);
		return false;
	}
	for (size_t i = 0; i < match->n_uuid; i++) {
		if (match->uuid[i].len == 16)
			continue;
		internal_refuse(a, INVALID, "group %s: a uuid has %zu bytes, not 16", name,
			match->uuid[i].len);
		return false;
	}
	return match->n_uuid <= PUT_PATTERNS_MAX && put_check_archs(a, group) &&
	       put_check_hex_patterns(a, "hardware address", name, match->mac, match->n_mac) &&
	       put_check_hex_patterns(
		       a, "client identifier", name, match->client_id, match->n_client_id) &&
	       put_check_patterns(
		       a, "vendor class", name, match->vendor_class, match->n_vendor_class) &&
	       put_check_patterns(a, "user class", name, match->user_class, match->n_user_class) &&
	       put_check_patterns(a, "subnet", name, match->subnet, match->n_subnet) &&
	       put_check_patterns(a, "circuit", name, match->circuit_id, match->n_circuit_id) &&
	       put_check_patterns(a, "remote id", name, match->remote_id, match->n_remote_id);
}

Pxe__Verdict put_group(struct apply *a, const Pxe__Put *put, const Pxe__Group *group)
{
	char what[MODEL_NAME_MAX + 8];
	if (!check_name(a, "group name", group->name))
		return INVALID;
	bool exists = model_group(a->model, group->name) != NULL;
	Pxe__Verdict verdict =
		put_admit(a, put, exists, RECORD_GROUP, MODEL_GROUPS_MAX, "group", group->name);
	if (verdict != OK)
		return verdict;
	snprintf(what, sizeof(what), "group %s", group->name);
	if (!put_check_match(a, group) ||
		!check_lease_times(
			a, what, group->lease_s, group->lease_min_s, group->lease_max_s) ||
		!check_options(a, what, group->options, group->n_options) ||
		!check_quirks(a, what, group->quirks) ||
		!check_profile_ref(a, "profile of the group", group->profile) ||
		!check_arch_profiles(a, what, group->profiles, group->n_profiles) ||
		!check_vars(a, what, group->vars, group->n_vars) || !check_owner(a, group->owner))
		return INVALID;
	keep_message(a->model, a->sink, RECORD_GROUP, keep_copy(&group->base));
	return OK;
}
