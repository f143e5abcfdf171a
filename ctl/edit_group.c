/* Groups: which machines belong to one, and what it says to them. */
#include "ctl/edit.h"

#include "ctl/edit_boot.h"
#include "ctl/edit_terms.h"
#include "proto/cred/suggest.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <stddef.h>
#include <string.h>

#define MATCH_WORD_BYTES 256

/* ---- what machines are matched by */

enum match_kind {
	MATCH_KNOWN,
	MATCH_UUID,
	MATCH_ARCH,
	MATCH_HEX,  /* globs over aa:bb:cc text; several with commas */
	MATCH_NAME, /* names of subnets; several with commas */
	MATCH_TEXT, /* globs over text, which may hold commas */
};

static const struct {
	const char *name;
	enum match_kind kind;
	size_t list, count; /* offsets of a list of texts */
} keys[] = {
	{"known", MATCH_KNOWN, 0, 0},
	{"mac", MATCH_HEX, offsetof(Pxe__Match, mac), offsetof(Pxe__Match, n_mac)},
	{"arch", MATCH_ARCH, offsetof(Pxe__Match, arch), offsetof(Pxe__Match, n_arch)},
	{"uuid", MATCH_UUID, 0, 0},
	{"vendor-class", MATCH_TEXT, offsetof(Pxe__Match, vendor_class),
		offsetof(Pxe__Match, n_vendor_class)},
	{"user-class", MATCH_TEXT, offsetof(Pxe__Match, user_class),
		offsetof(Pxe__Match, n_user_class)},
	{"client-id", MATCH_HEX, offsetof(Pxe__Match, client_id),
		offsetof(Pxe__Match, n_client_id)},
	{"subnet", MATCH_NAME, offsetof(Pxe__Match, subnet), offsetof(Pxe__Match, n_subnet)},
	{"circuit", MATCH_TEXT, offsetof(Pxe__Match, circuit_id),
		offsetof(Pxe__Match, n_circuit_id)},
	{"remote", MATCH_TEXT, offsetof(Pxe__Match, remote_id), offsetof(Pxe__Match, n_remote_id)},
};
#define KEYS (sizeof keys / sizeof keys[0])

static char ***list_of(Pxe__Match *match, size_t key)
{
	return (char ***)(void *)((char *)match + keys[key].list);
}

static size_t *count_of(Pxe__Match *match, size_t key)
{
	return (size_t *)(void *)((char *)match + keys[key].count);
}

const char *edit_match_at(
	size_t index, const Pxe__Match *match, const char *const **ret_list, size_t *ret_count)
{
	Pxe__Match *from = (Pxe__Match *)(uintptr_t)match; /* only read */

	*ret_list = NULL;
	*ret_count = 0;
	if (index >= KEYS) {
		return NULL;
	}
	if (keys[index].kind != MATCH_KNOWN && keys[index].kind != MATCH_UUID) {
		*ret_list = (const char *const *)*list_of(from, index);
		*ret_count = *count_of(from, index);
	}
	return keys[index].name;
}

static void clear_key(Pxe__Match *match, size_t key)
{
	if (keys[key].kind == MATCH_KNOWN) {
		match->known = PXE__KNOWN__KNOWN_ANY;
	} else if (keys[key].kind == MATCH_UUID) {
		edit_clear_bytes(&match->uuid, &match->n_uuid);
	} else {
		edit_clear_texts(list_of(match, key), count_of(match, key));
	}
}

static bool is_empty(const Pxe__Match *match)
{
	const char *const *list;
	bool empty = match->known == PXE__KNOWN__KNOWN_ANY && match->n_uuid == 0;
	size_t count;

	for (size_t i = 0; edit_match_at(i, match, &list, &count) != NULL; i++) {
		empty = empty && count == 0;
	}
	return empty;
}

static int set_known(const struct ctl *ctl, const char *value, Pxe__Match *match)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--match 'known=%s': write yes (a host is declared for it) or no", value);
	}
	match->known = value[0] == 'y' ? PXE__KNOWN__KNOWN_YES : PXE__KNOWN__KNOWN_NO;
	return CTL_OK;
}

int edit_check_arch(const struct ctl *ctl, const char *where, const char *text)
{
	const char *names[64], *nearest, *name;
	size_t count = 0;
	uint16_t arch;

	if (dhcp4_arch_parse(text) >= 0) {
		return CTL_OK;
	}
	for (size_t i = 0; (name = dhcp4_arch_at(i, &arch)) != NULL; i++) {
		if (count < sizeof names / sizeof names[0]) {
			names[count++] = name;
		}
	}
	nearest = suggest_nearest(text, names, count);
	return ctl_fail(ctl, CTL_USAGE,
		"%s'%s': that architecture is not known; write bios, uefi-x64, uefi-arm64 ... or "
		"the number of DHCP option 93%s%s%s",
		where, text, nearest != NULL ? "; did you mean '" : "",
		nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

/* One word of a list. */
static int add_word(const struct ctl *ctl, size_t key, const char *word, Pxe__Match *match)
{
	uint8_t uuid[16];

	if (keys[key].kind == MATCH_UUID) {
		if (text_uuid_parse(word, uuid) != 0) {
			return ctl_fail(ctl, CTL_USAGE,
				"--match 'uuid=%s': write it as dmidecode does, "
				"4c4c4544-0051-3510-8052-b4c04f4d3132",
				word);
		}
		edit_append_bytes(&match->uuid, &match->n_uuid, uuid, sizeof uuid);
		return CTL_OK;
	}
	if (keys[key].kind == MATCH_ARCH && strpbrk(word, "*?") == NULL &&
		edit_check_arch(ctl, "--match arch=", word) != CTL_OK) {
		return CTL_USAGE;
	}
	if (keys[key].kind == MATCH_HEX &&
		strspn(word, "0123456789abcdefABCDEF:*?") != strlen(word)) {
		return ctl_fail(ctl, CTL_USAGE,
			"--match '%s=%s': write it as 52:54:00:aa:00:01, with * and ? for what may "
			"differ",
			keys[key].name, word);
	}
	if (keys[key].kind == MATCH_NAME && edit_check_name(ctl, "subnet", word) != CTL_OK) {
		return CTL_USAGE;
	}
	edit_append_text(list_of(match, key), count_of(match, key), word, strlen(word));
	return CTL_OK;
}

static int add_words(const struct ctl *ctl, size_t key, const char *value, Pxe__Match *match)
{
	bool splits = keys[key].kind != MATCH_TEXT;
	char word[MATCH_WORD_BYTES];
	int result = CTL_OK;

	while (result == CTL_OK && *value != '\0') {
		size_t length = splits ? strcspn(value, ",") : strlen(value);
		if (length == 0 || length >= sizeof word) {
			return ctl_fail(ctl, CTL_USAGE, "--match '%s=...': '%.40s' is %s",
				keys[key].name, value, length == 0 ? "empty" : "too long");
		}
		snprintf(word, sizeof word, "%.*s", (int)length, value);
		result = add_word(ctl, key, word, match);
		value += length + (value[length] == ',');
	}
	return result;
}

static int find_key(const struct ctl *ctl, const char *text, size_t *ret_key)
{
	size_t length = strcspn(text, "=");
	const char *names[KEYS], *nearest;
	char name[32];

	snprintf(name, sizeof name, "%.*s", (int)(length < 31 ? length : 31), text);
	for (size_t i = 0; i < KEYS; i++) {
		names[i] = keys[i].name;
		if (strcmp(name, names[i]) == 0 && text[length] == '=') {
			*ret_key = i;
			return CTL_OK;
		}
	}
	nearest = suggest_nearest(name, names, KEYS);
	if (nearest != NULL && strcmp(nearest, name) == 0) { /* only its value is missing */
		nearest = NULL;
	}
	return ctl_fail(ctl, CTL_USAGE,
		"--match '%s': write KEY=VALUE, KEY=none or none; KEY is known, mac, arch, uuid, "
		"vendor-class, user-class, client-id, subnet, circuit or remote%s%s%s",
		text, nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
		nearest != NULL ? "'?" : "");
}

/* The values that are given for a key replace those it had; other keys stay. */
static int set_match(const struct ctl *ctl, const struct invocation *in, Pxe__Match *match)
{
	bool given[KEYS] = {false};
	size_t iterator = 0, key = 0;
	const char *text, *value;

	while ((text = command_next(in, "match", &iterator)) != NULL) {
		if (edit_is_none(text)) {
			for (key = 0; key < KEYS; key++) {
				clear_key(match, key);
			}
			continue;
		}
		if (find_key(ctl, text, &key) != CTL_OK) {
			return CTL_USAGE;
		}
		value = strchr(text, '=') + 1;
		if (!given[key]) {
			clear_key(match, key);
		}
		given[key] = true;
		if (edit_is_none(value)) {
			continue;
		}
		if ((keys[key].kind == MATCH_KNOWN ? set_known(ctl, value, match)
						   : add_words(ctl, key, value, match)) != CTL_OK) {
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

/* ---- the group */

static int set_order(const struct ctl *ctl, const struct invocation *in, uint32_t *order)
{
	const char *text = command_text(in, "order");
	uint64_t number;

	if (text == NULL) {
		return CTL_OK;
	}
	if (text_u64_parse(text, UINT32_MAX, &number) != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--order '%s': write a number; groups of higher numbers override lower "
			"ones",
			text);
	}
	*order = (uint32_t)number;
	return CTL_OK;
}

int edit_group(struct ctl *ctl, const struct invocation *in, Pxe__Group *group)
{
	const struct edit_terms terms = {&group->lease_s, &group->lease_min_s, &group->lease_max_s,
		&group->options, &group->n_options, &group->quirks};
	int result = CTL_OK;

	if (command_text(in, "match") != NULL) {
		if (group->match == NULL) {
			group->match = edit_new(&pxe__match__descriptor);
		}
		result = set_match(ctl, in, group->match);
		if (is_empty(group->match)) {
			pxe__match__free_unpacked(group->match, NULL);
			group->match = NULL;
		}
	}
	if (result == CTL_OK) {
		result = set_order(ctl, in, &group->order);
	}
	if (result == CTL_OK) {
		result = edit_yes_no(ctl, in, "ignore", &group->ignore);
	}
	if (result == CTL_OK) {
		result = edit_terms(ctl, in, &terms);
	}
	if (result == CTL_OK) {
		result = edit_boot(ctl, in, &group->profiles, &group->n_profiles);
	}
	if (result == CTL_OK) {
		result = edit_vars(ctl, in, &group->vars, &group->n_vars);
	}
	edit_text(in, "profile", &group->profile);
	return result;
}
