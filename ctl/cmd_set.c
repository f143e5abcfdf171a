/* cluster set: the cluster's settings, one KEY=VALUE each; shows what was and what is. */
#include "ctl/cmd_set.h"

#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/edit_boot.h"
#include "ctl/edit_terms.h"
#include "ctl/objects.h"
#include "ctl/show.h"
#include "ctl/show_terms.h"

#include "proto/cred/suggest.h"
#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SET_TRIES      5
#define SET_TEXT_BYTES 1024

#define SET_KNOWN_USUAL   10u  /* Settings.known_percent, what 0 stands for */
#define SET_UNKNOWN_USUAL 500u /* Settings.unknown_per_s, likewise */
#define SET_NONE_USUAL    UINT32_MAX

enum set_kind {
	SET_DURATION,
	SET_PERCENT,
	SET_COUNT,
	SET_TOGGLE,
	SET_DHCP,
	SET_PROFILE,
	SET_IP,
	SET_OPTION, /* option.NAME */
	SET_QUIRK,  /* quirk.NAME */
	SET_BOOT,   /* boot.ARCH */
	SET_VAR,    /* var.NAME */
	SET_DNS,
	SET_DOMAIN,
};

static const struct {
	const char *name;
	enum set_kind kind;
	size_t offset; /* of a uint32_t of the settings */
	uint32_t min, max;
	uint32_t usual; /* not 0: "default" is a value, too, and this is what it stands for */
	const char *what;
} set_keys[] = {
	{"mclt", SET_DURATION, offsetof(Pxe__Settings, mclt_s), 10, 86400, 0, NULL},
	{"lease", SET_DURATION, offsetof(Pxe__Settings, lease_s), 10, 31536000, 0, NULL},
	{"offer", SET_DURATION, offsetof(Pxe__Settings, offer_s), 5, 3600, 0, NULL},
	{"decline", SET_DURATION, offsetof(Pxe__Settings, decline_s), 1, 604800, 0, NULL},
	{"reserve", SET_PERCENT, offsetof(Pxe__Settings, reserve_percent), 1, 90, CMD_RESERVE_USUAL,
		"of the free addresses the nodes hold for times without the quorum"},
	{"dhcp", SET_DHCP, 0, 0, 0, 0, NULL},
	{"profile", SET_PROFILE, 0, 0, 0, 0, NULL},
	{"server-id", SET_IP, 0, 0, 0, 0, NULL},
	{"probe", SET_TOGGLE, offsetof(Pxe__Settings, probe), 0, 0, 0, "yes"},
	{"lease-min", SET_DURATION, offsetof(Pxe__Settings, lease_min_s), 10, 31536000,
		SET_NONE_USUAL, NULL},
	{"lease-max", SET_DURATION, offsetof(Pxe__Settings, lease_max_s), 10, 31536000,
		SET_NONE_USUAL, NULL},
	{"known-percent", SET_PERCENT, offsetof(Pxe__Settings, known_percent), 1, 100,
		SET_KNOWN_USUAL,
		"of a subnet's pool addresses are kept for declared hosts that have none yet"},
	{"unknown-per-s", SET_COUNT, offsetof(Pxe__Settings, unknown_per_s), 1, 1000000,
		SET_UNKNOWN_USUAL,
		"first offers a second one node makes to machines that no host declares"},
	{"option", SET_OPTION, 0, 0, 0, 0, NULL},
	{"quirk", SET_QUIRK, 0, 0, 0, 0, NULL},
	{"boot", SET_BOOT, 0, 0, 0, 0, NULL},
	{"var", SET_VAR, 0, 0, 0, 0, NULL},
	{"dns", SET_DNS, 0, 0, 0, 0, NULL},
	{"domain", SET_DOMAIN, 0, 0, 0, 0, NULL},
	{"syslog", SET_TOGGLE, offsetof(Pxe__Settings, syslog), 0, 0, 0, "no"},
};
#define SET_KEYS (sizeof set_keys / sizeof set_keys[0])

static uint32_t *number_of(Pxe__Settings *settings, size_t key)
{
	return (uint32_t *)(void *)((char *)settings + set_keys[key].offset);
}

static void toggle_text(size_t key, Pxe__Toggle toggle, char ret_text[SHOW_LONG_BYTES])
{
	if (toggle == PXE__TOGGLE__TOGGLE_UNSET) {
		snprintf(ret_text, SHOW_LONG_BYTES, "default (%s)", set_keys[key].what);
	} else {
		snprintf(ret_text, SHOW_LONG_BYTES, "%s",
			toggle == PXE__TOGGLE__TOGGLE_NO ? "no" : "yes");
	}
}

static void boot_text(
	const Pxe__Settings *settings, const char *name, char ret_text[SHOW_LONG_BYTES])
{
	snprintf(ret_text, SHOW_LONG_BYTES, "none");
	for (size_t i = 0; i < settings->n_profiles; i++) {
		if (strcmp(settings->profiles[i]->arch, name) == 0) {
			snprintf(ret_text, SHOW_LONG_BYTES, "%s", settings->profiles[i]->profile);
		}
	}
}

static void var_text(
	const Pxe__Settings *settings, const char *name, char ret_text[SHOW_LONG_BYTES])
{
	snprintf(ret_text, SHOW_LONG_BYTES, "none");
	for (size_t i = 0; i < settings->n_vars; i++) {
		if (strcmp(settings->vars[i]->name, name) == 0) {
			snprintf(ret_text, SHOW_LONG_BYTES, "%s", settings->vars[i]->value);
		}
	}
}

static void dns_text(const Pxe__Settings *settings, char ret_text[SHOW_LONG_BYTES])
{
	char text[SHOW_BYTES];

	show_ips(settings->dns_ip, settings->n_dns_ip, text);
	snprintf(ret_text, SHOW_LONG_BYTES, "%s", text[0] == '\0' ? "none" : text);
}

/* How the option that `name` (of "option.NAME") says stands: "mtu=9000". */
static void option_text(
	const Pxe__Settings *settings, const char *name, char ret_text[SHOW_LONG_BYTES])
{
	struct dhcp4_value_option value;

	snprintf(ret_text, SHOW_LONG_BYTES, "none");
	if (dhcp4_value_parse_name(name, &value, NULL, 0) != 0) {
		return;
	}
	for (size_t i = 0; i < settings->n_options; i++) {
		const Pxe__Option *option = settings->options[i];
		if (option->code == value.code && (int)option->space == (int)value.space &&
			option->enterprise == value.enterprise) {
			show_option(option, ret_text, SHOW_LONG_BYTES);
		}
	}
}

static void quirk_text(
	const Pxe__Settings *settings, const char *name, char ret_text[SHOW_LONG_BYTES])
{
	char value[32];
	const char *quirk;

	snprintf(ret_text, SHOW_LONG_BYTES, "default");
	for (size_t i = 0; (quirk = edit_quirk_at(i, settings->quirks, value)) != NULL; i++) {
		if (strcmp(quirk, name) == 0 && value[0] != '\0') {
			snprintf(ret_text, SHOW_LONG_BYTES, "%s", value);
		}
	}
}

static void number_text(size_t key, uint32_t number, char ret_text[SHOW_LONG_BYTES])
{
	char text[SHOW_BYTES];

	if (number == 0 && set_keys[key].usual == SET_NONE_USUAL) {
		snprintf(ret_text, SHOW_LONG_BYTES, "default");
		return;
	}
	number = number == 0 ? set_keys[key].usual : number;
	if (set_keys[key].kind == SET_DURATION) {
		snprintf(ret_text, SHOW_LONG_BYTES, "%s", show_duration_s(number, text));
	} else {
		snprintf(ret_text, SHOW_LONG_BYTES, "%" PRIu32 "%s", number,
			set_keys[key].kind == SET_PERCENT ? " %" : "");
	}
}

static void value_text(
	const Pxe__Settings *settings, size_t key, const char *name, char ret_text[SHOW_LONG_BYTES])
{
	uint32_t number = *number_of((Pxe__Settings *)(uintptr_t)settings, key);
	char text[SHOW_BYTES];

	switch (set_keys[key].kind) {
	case SET_DURATION:
	case SET_PERCENT:
	case SET_COUNT: number_text(key, number, ret_text); return;
	case SET_TOGGLE: toggle_text(key, (Pxe__Toggle)number, ret_text); return;
	case SET_DHCP:
		snprintf(ret_text, SHOW_LONG_BYTES, "%s", show_dhcp_mode(settings->dhcp));
		return;
	case SET_PROFILE:
		snprintf(ret_text, SHOW_LONG_BYTES, "%s",
			settings->profile[0] == '\0' ? "none" : settings->profile);
		return;
	case SET_IP:
		snprintf(ret_text, SHOW_LONG_BYTES, "%s", show_ip(&settings->server_ip, text));
		return;
	case SET_OPTION: option_text(settings, name, ret_text); return;
	case SET_QUIRK: quirk_text(settings, name, ret_text); return;
	case SET_BOOT: boot_text(settings, name, ret_text); return;
	case SET_VAR: var_text(settings, name, ret_text); return;
	case SET_DNS: dns_text(settings, ret_text); return;
	case SET_DOMAIN:
		snprintf(ret_text, SHOW_LONG_BYTES, "%s",
			settings->domain[0] == '\0' ? "none" : settings->domain);
		return;
	}
}

static int set_duration(
	const struct ctl *ctl, size_t key, const char *value, Pxe__Settings *settings)
{
	char least[TEXT_DURATION_BYTES], most[TEXT_DURATION_BYTES];
	uint64_t ms;

	if (set_keys[key].usual != 0 && strcmp(value, "default") == 0) {
		*number_of(settings, key) = 0;
		return CTL_OK;
	}
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

/* Per cent, or a count. */
static int set_number(const struct ctl *ctl, size_t key, const char *value, Pxe__Settings *settings)
{
	bool is_percent = set_keys[key].kind == SET_PERCENT;
	char digits[16];
	uint64_t number;
	size_t length = strlen(value);

	if (strcmp(value, "default") == 0) {
		*number_of(settings, key) = 0;
		return CTL_OK;
	}
	if (is_percent && length > 0 && value[length - 1] == '%') {
		length--;
	}
	snprintf(digits, sizeof digits, "%.*s", length < 15 ? (int)length : 15, value);
	if (text_u64_parse(digits, set_keys[key].max, &number) != 0 || number < set_keys[key].min) {
		return ctl_fail(ctl, CTL_USAGE,
			"%s=%s: write how many %s%s, %" PRIu32 " to %" PRIu32 ", or default",
			set_keys[key].name, value, is_percent ? "per cent " : "",
			set_keys[key].what, set_keys[key].min, set_keys[key].max);
	}
	*number_of(settings, key) = (uint32_t)number;
	return CTL_OK;
}

static int set_toggle(const struct ctl *ctl, size_t key, const char *value, Pxe__Settings *settings)
{
	static const char *const values[] = {"default", "no", "yes"}; /* as enum Toggle */

	for (uint32_t i = 0; i < 3; i++) {
		if (strcmp(value, values[i]) == 0) {
			*number_of(settings, key) = i;
			return CTL_OK;
		}
	}
	return ctl_fail(
		ctl, CTL_USAGE, "%s=%s: write yes, no or default", set_keys[key].name, value);
}

/* "10.20.0.2,10.20.0.3", or none. */
static int set_dns(const struct ctl *ctl, const char *value, Pxe__Settings *settings)
{
	char word[TEXT_IP4_BYTES];
	uint32_t ip;

	edit_clear_bytes(&settings->dns_ip, &settings->n_dns_ip);
	while (!edit_is_none(value)) {
		size_t length = strcspn(value, ",");
		snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 0, value);
		if (text_ip4_parse(word, &ip) != 0 || ip == 0) {
			return ctl_fail(ctl, CTL_USAGE,
				"dns=...: '%.*s' is not an IPv4 address; write some with commas, "
				"or none",
				(int)length, value);
		}
		edit_append_ip(&settings->dns_ip, &settings->n_dns_ip, ip);
		value += length + (value[length] == ',');
	}
	return CTL_OK;
}

/* `value` is what stands behind the '=', `name` and what follows it what stands behind the '.'. */
static int set_one(const struct ctl *ctl, size_t key, const char *name, const char *value,
	Pxe__Settings *settings)
{
	uint32_t ip;

	switch (set_keys[key].kind) {
	case SET_DURATION: return set_duration(ctl, key, value, settings);
	case SET_PERCENT:
	case SET_COUNT: return set_number(ctl, key, value, settings);
	case SET_TOGGLE: return set_toggle(ctl, key, value, settings);
	case SET_OPTION:
		return edit_option(ctl, "option.", name, &settings->options, &settings->n_options);
	case SET_QUIRK: return edit_quirk(ctl, "quirk.", name, &settings->quirks);
	case SET_BOOT:
		return edit_boot_one(
			ctl, "boot.", name, &settings->profiles, &settings->n_profiles);
	case SET_VAR: return edit_var_one(ctl, "var.", name, &settings->vars, &settings->n_vars);
	case SET_DNS: return set_dns(ctl, value, settings);
	case SET_DOMAIN:
		edit_set_text(&settings->domain, edit_is_none(value) ? "" : value);
		return CTL_OK;
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

static bool has_dot(size_t key)
{
	return set_keys[key].kind == SET_OPTION || set_keys[key].kind == SET_QUIRK ||
	       set_keys[key].kind == SET_BOOT || set_keys[key].kind == SET_VAR;
}

static int unknown_key(const struct ctl *ctl, const char *key)
{
	const char *names[SET_KEYS], *best;
	char all[512] = "";

	for (size_t i = 0; i < SET_KEYS; i++) {
		size_t used = strlen(all);
		names[i] = set_keys[i].name;
		snprintf(all + used, sizeof all - used, "%s%s%s",
			i == 0              ? ""
			: i + 1 == SET_KEYS ? " and "
					    : ", ",
			names[i], has_dot(i) ? ".NAME" : "");
	}
	best = suggest_nearest(key, names, SET_KEYS);
	return ctl_fail(ctl, CTL_USAGE, "there is no setting '%s'%s%s%s; they are %s", key,
		best != NULL ? ", did you mean '" : "", best != NULL ? best : "",
		best != NULL ? "'" : "", all);
}

/* "mclt=5m" -> the key's number and its value; "option.mtu=9000" -> that, and "mtu=9000". */
static int split(const struct ctl *ctl, const char *word, size_t *ret_key, const char **ret_name,
	const char **ret_value)
{
	const char *equals = strchr(word, '=');
	size_t length = strcspn(word, ".=");
	char key[32];

	if (equals == NULL) {
		return ctl_fail(ctl, CTL_USAGE, "'%s': write KEY=VALUE, such as mclt=10m", word);
	}
	snprintf(key, sizeof key, "%.*s", (int)(length < 31 ? length : 31), word);
	for (size_t i = 0; i < SET_KEYS; i++) {
		if (strcmp(key, set_keys[i].name) == 0 && has_dot(i) == (word[length] == '.')) {
			*ret_key = i;
			*ret_name = word + length + 1;
			*ret_value = equals + 1;
			return CTL_OK;
		}
	}
	return unknown_key(ctl, key);
}

/* Does an earlier word set the same? */
static bool is_again(const char *const *words, size_t index)
{
	size_t length = strcspn(words[index], "=");

	for (size_t i = 0; i < index; i++) {
		if (strcspn(words[i], "=") == length &&
			strncmp(words[i], words[index], length) == 0) {
			return true;
		}
	}
	return false;
}

int cmd_set_apply(const struct ctl *ctl, const char *const *words, size_t count,
	Pxe__Settings *settings, FILE *changes)
{
	char before[SHOW_LONG_BYTES], after[SHOW_LONG_BYTES], name[DHCP4_VALUE_NAME_BYTES];
	const char *rest = NULL, *value = NULL;
	size_t key = 0;

	for (size_t i = 0; i < count; i++) {
		int length = (int)strcspn(words[i], "=");
		int result = split(ctl, words[i], &key, &rest, &value);
		if (result == CTL_OK && is_again(words, i)) {
			result = ctl_fail(ctl, CTL_USAGE, "%.*s is given twice", length, words[i]);
		}
		if (result != CTL_OK) {
			return result;
		}
		snprintf(name, sizeof name, "%.*s", (int)strcspn(rest, "="), rest);
		value_text(settings, key, name, before);
		result = set_one(ctl, key, rest, value, settings);
		if (result != CTL_OK) {
			return result;
		}
		value_text(settings, key, name, after);
		fprintf(changes, "%-10.*s %s -> %s\n", length, words[i], before, after);
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
