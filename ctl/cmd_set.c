/* cluster set: the cluster's settings, one KEY=VALUE each; shows what was and what is. */
#include "ctl/cmd_set.h"

#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/objects.h"
#include "ctl/show.h"

#include "proto/cred/suggest.h"
#include "proto/wire/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SET_TRIES      5
#define SET_TEXT_BYTES 1024

enum set_kind { SET_DURATION, SET_PERCENT, SET_DHCP, SET_PROFILE, SET_IP };

static const struct {
	const char *name;
	enum set_kind kind;
	size_t offset; /* of a uint32_t of the settings */
	uint32_t min, max;
} set_keys[] = {
	{"mclt", SET_DURATION, offsetof(Pxe__Settings, mclt_s), 10, 86400},
	{"lease", SET_DURATION, offsetof(Pxe__Settings, lease_s), 10, 31536000},
	{"offer", SET_DURATION, offsetof(Pxe__Settings, offer_s), 5, 3600},
	{"decline", SET_DURATION, offsetof(Pxe__Settings, decline_s), 1, 604800},
	{"reserve", SET_PERCENT, offsetof(Pxe__Settings, reserve_percent), 1, 90},
	{"dhcp", SET_DHCP, 0, 0, 0},
	{"profile", SET_PROFILE, 0, 0, 0},
	{"server-id", SET_IP, 0, 0, 0},
};
#define SET_KEYS (sizeof set_keys / sizeof set_keys[0])

static uint32_t *number_of(Pxe__Settings *settings, size_t key)
{
	return (uint32_t *)(void *)((char *)settings + set_keys[key].offset);
}

static void value_text(const Pxe__Settings *settings, size_t key, char ret_text[SHOW_BYTES])
{
	uint32_t number = *number_of((Pxe__Settings *)(uintptr_t)settings, key);

	switch (set_keys[key].kind) {
	case SET_DURATION: show_duration_s(number, ret_text); return;
	case SET_PERCENT:
		snprintf(ret_text, SHOW_BYTES, "%" PRIu32 " %%",
			number == 0 ? CMD_RESERVE_USUAL : number);
		return;
	case SET_DHCP: snprintf(ret_text, SHOW_BYTES, "%s", show_dhcp_mode(settings->dhcp)); return;
	case SET_PROFILE:
		snprintf(ret_text, SHOW_BYTES, "%s",
			settings->profile[0] == '\0' ? "none" : settings->profile);
		return;
	case SET_IP: show_ip(&settings->server_ip, ret_text); return;
	}
}

static int set_duration(
	const struct ctl *ctl, size_t key, const char *value, Pxe__Settings *settings)
{
	char least[TEXT_DURATION_BYTES], most[TEXT_DURATION_BYTES];
	uint64_t ms;

	if (text_duration_parse(value, &ms) != 0 || ms % 1000 != 0 ||
		ms / 1000 < set_keys[key].min || ms / 1000 > set_keys[key].max) {
		return ctl_fail(ctl, CTL_USAGE, "%s=%s: write a time from %s to %s, such as 10m",
			set_keys[key].name, value,
			text_duration_format((uint64_t)set_keys[key].min * 1000, least),
			text_duration_format((uint64_t)set_keys[key].max * 1000, most));
	}
	*number_of(settings, key) = (uint32_t)(ms / 1000);
	return CTL_OK;
}

static int set_percent(
	const struct ctl *ctl, size_t key, const char *value, Pxe__Settings *settings)
{
	char digits[8];
	uint64_t number;
	size_t length = strlen(value);

	if (length > 0 && value[length - 1] == '%') {
		length--;
	}
	snprintf(digits, sizeof digits, "%.*s", length < 7 ? (int)length : 7, value);
	if (text_u64_parse(digits, set_keys[key].max, &number) != 0 || number < set_keys[key].min) {
		return ctl_fail(ctl, CTL_USAGE,
			"%s=%s: write how many per cent of the free addresses the nodes hold for "
			"times without the quorum, %" PRIu32 " to %" PRIu32,
			set_keys[key].name, value, set_keys[key].min, set_keys[key].max);
	}
	*number_of(settings, key) = (uint32_t)number;
	return CTL_OK;
}

static int set_one(const struct ctl *ctl, size_t key, const char *value, Pxe__Settings *settings)
{
	uint32_t ip;

	switch (set_keys[key].kind) {
	case SET_DURATION: return set_duration(ctl, key, value, settings);
	case SET_PERCENT: return set_percent(ctl, key, value, settings);
	case SET_DHCP:
		if (!show_dhcp_mode_parse(value, &settings->dhcp)) {
			return ctl_fail(ctl, CTL_USAGE, "dhcp=%s: write on, proxy or off", value);
		}
		return CTL_OK;
	case SET_PROFILE:
		if (strcmp(value, "none") != 0 &&
			edit_check_name(ctl, "profile", value) != CTL_OK) {
			return CTL_USAGE;
		}
		edit_set_text(&settings->profile, strcmp(value, "none") == 0 ? "" : value);
		return CTL_OK;
	case SET_IP:
		if (text_ip4_parse(value, &ip) != 0 || ip == 0) {
			return ctl_fail(
				ctl, CTL_USAGE, "server-id=%s is not an IPv4 address", value);
		}
		edit_set_ip(&settings->server_ip, ip);
		return CTL_OK;
	}
	return CTL_USAGE;
}

/* "mclt=5m" -> the key's number and its value. */
static int split(const struct ctl *ctl, const char *word, size_t *ret_key, const char **ret_value)
{
	const char *names[SET_KEYS], *best;
	const char *equals = strchr(word, '=');
	char key[32];

	if (equals == NULL) {
		return ctl_fail(ctl, CTL_USAGE, "'%s': write KEY=VALUE, such as mclt=10m", word);
	}
	snprintf(key, sizeof key, "%.*s", (int)(equals - word < 31 ? equals - word : 31), word);
	for (size_t i = 0; i < SET_KEYS; i++) {
		names[i] = set_keys[i].name;
		if (strcmp(key, set_keys[i].name) == 0) {
			*ret_key = i;
			*ret_value = equals + 1;
			return CTL_OK;
		}
	}
	best = suggest_nearest(key, names, SET_KEYS);
	return ctl_fail(ctl, CTL_USAGE,
		"there is no setting '%s'%s%s%s; they are mclt, lease, offer, decline, reserve, "
		"dhcp, "
		"profile and server-id",
		key, best != NULL ? ", did you mean '" : "", best != NULL ? best : "",
		best != NULL ? "'" : "");
}

int cmd_set_apply(const struct ctl *ctl, const char *const *words, size_t count,
	Pxe__Settings *settings, FILE *changes)
{
	char before[SHOW_BYTES], after[SHOW_BYTES];
	const char *value = NULL;
	size_t key = 0;
	unsigned given = 0; /* a bit for each key */

	for (size_t i = 0; i < count; i++) {
		int result = split(ctl, words[i], &key, &value);
		if (result == CTL_OK && (given >> key & 1u) != 0) {
			result = ctl_fail(ctl, CTL_USAGE, "%s is given twice", set_keys[key].name);
		}
		if (result != CTL_OK) {
			return result;
		}
		given |= 1u << key;
		value_text(settings, key, before);
		result = set_one(ctl, key, value, settings);
		if (result != CTL_OK) {
			return result;
		}
		value_text(settings, key, after);
		fprintf(changes, "%-10s %s -> %s\n", set_keys[key].name, before, after);
	}
	return CTL_OK;
}

static int put(struct ctl *ctl, Pxe__Settings *settings, uint64_t revision,
	struct client_done *ret_done, char ret_text[SET_TEXT_BYTES])
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put change = PXE__PUT__INIT;

	change.precondition = PXE__PRECONDITION__PUT_UPDATE;
	change.if_revision = revision;
	change.object_case = PXE__PUT__OBJECT_SETTINGS;
	change.settings = settings;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &change;
	return client_try_change(ctl, &command, ret_done, ret_text, SET_TEXT_BYTES);
}

static bool names_server(const struct invocation *in)
{
	for (size_t i = 0; i < in->arg_count; i++) {
		if (strncmp(in->args[i], "server-id=", 10) == 0) {
			return true;
		}
	}
	return false;
}

/* Does any node have the address? */
static void note_server(struct ctl *ctl, const Pxe__Settings *settings)
{
	Pxe__ObjectList *list;
	char ip[SHOW_BYTES];
	bool is_node = false;

	if (client_list(ctl, PXE__OBJECT_KIND__OBJECT_MEMBER, "", &list) != CTL_OK) {
		return;
	}
	for (size_t i = 0; i < list->n_members; i++) {
		const ProtobufCBinaryData *node = &list->members[i]->serve_ip;
		is_node = is_node ||
			  (node->len == settings->server_ip.len && node->len > 0 &&
				  memcmp(node->data, settings->server_ip.data, node->len) == 0);
	}
	pxe__object_list__free_unpacked(list, NULL);
	if (!is_node) {
		ctl_note(ctl,
			"note: no node has the address %s: machines that renew by unicast find "
			"nobody there, and renew later by broadcast",
			show_ip(&settings->server_ip, ip));
	}
}

/* Read, change, write on the condition that nobody wrote meanwhile. CTL_CONFLICT: begin anew, if
 * the revision is another one than it was. */
static int try_once(struct ctl *ctl, const struct invocation *in, FILE *changes, uint64_t *tried,
	struct client_done *ret_done, char ret_text[SET_TEXT_BYTES])
{
	Pxe__ObjectList *list;
	int result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_SETTINGS, "", &list);

	if (result == CTL_OK && list->revision == *tried) {
		pxe__object_list__free_unpacked(list, NULL);
		return CTL_CONFLICT; /* nobody wrote meanwhile: what was refused are the values */
	}
	ret_text[0] = '\0';
	if (result != CTL_OK) {
		return result;
	}
	if (list->settings == NULL) {
		result = ctl_fail(ctl, CTL_REFUSED, "the node does not hold the settings yet");
	} else {
		result = cmd_set_apply(ctl, in->args, in->arg_count, list->settings, changes);
	}
	if (result == CTL_OK) {
		*tried = list->revision;
		result = put(ctl, list->settings, list->revision, ret_done, ret_text);
	}
	if (result == CTL_OK && names_server(in)) {
		note_server(ctl, list->settings);
	}
	pxe__object_list__free_unpacked(list, NULL);
	return result;
}

/* Before anybody is asked: are the words right? */
static int check_words(const struct ctl *ctl, const struct invocation *in)
{
	Pxe__Settings *settings = pxe__settings__unpack(NULL, 0, (const uint8_t *)"");
	char *changes = NULL;
	size_t bytes;
	FILE *out = open_memstream(&changes, &bytes);
	int result = CTL_REFUSED;

	if (settings != NULL && out != NULL) {
		result = cmd_set_apply(ctl, in->args, in->arg_count, settings, out);
	}
	if (out != NULL) {
		fclose(out);
	}
	if (settings != NULL) {
		pxe__settings__free_unpacked(settings, NULL);
	}
	free(changes);
	return result;
}

int cmd_cluster_set(struct ctl *ctl, const struct invocation *in)
{
	struct client_done done;
	char text[SET_TEXT_BYTES] = "", *changes = NULL;
	uint64_t tried = 0; /* revision */
	size_t bytes = 0;
	int result = check_words(ctl, in);

	if (result == CTL_OK) {
		result = CTL_CONFLICT;
	}
	for (unsigned i = 0; i < SET_TRIES && result == CTL_CONFLICT; i++) {
		FILE *out;
		free(changes);
		changes = NULL;
		out = open_memstream(&changes, &bytes);
		if (out == NULL) {
			return ctl_fail(ctl, CTL_REFUSED, "no memory");
		}
		result = try_once(ctl, in, out, &tried, &done, text);
		fclose(out);
	}
	if (result != CTL_OK && text[0] != '\0') {
		ctl_fail(ctl, (enum ctl_exit)result, "%s", text);
	}
	if (result == CTL_OK && ctl->format == CTL_TABLE) {
		fputs(changes, ctl->out);
	}
	free(changes);
	return result != CTL_OK ? result
				: objects_print_done(ctl, "settings", "of the cluster", "changed",
					  done.revision, done.detail);
}
