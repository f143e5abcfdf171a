/* Values of a site file of several parts: maps and lists of maps. */
#include "ctl/site_impl.h"

#include "ctl/edit_field.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_TEXT_BYTES 4096
#define VARS_MAX          64
#define VAR_VALUE_MAX     1024
#define MENU_FOR_EVER_S   255
#define DELAY_MAX_MS      10000

/* Empty a list of messages. */
static void clear_messages(void *list, size_t *count)
{
	ProtobufCMessage **messages;

	memcpy(&messages, list, sizeof messages);
	for (size_t i = 0; i < *count; i++) {
		protobuf_c_message_free_unpacked(messages[i], NULL);
	}
	*count = 0;
}

/* ---- DHCP options */

/* What a subnet has a field of its own for; people write it as an option, too. */
static bool put_subnet_field(
	struct site *site, const struct yaml_node *value, struct site_object *object, unsigned code)
{
	static const struct {
		unsigned code;
		const char *key;
	} own[] = {{3, "gateway"}, {6, "dns"}, {15, "domain"}, {26, "mtu"}, {42, "ntp"}};
	const struct yaml_node *iterator = NULL, *only;
	struct yaml_node single;
	size_t count, at = 0;
	const struct site_key *keys = site_keys(SITE_SUBNET, &count);

	while (at < sizeof own / sizeof own[0] && own[at].code != code) {
		at++;
	}
	if (object->kind != SITE_SUBNET || at == sizeof own / sizeof own[0]) {
		return false;
	}
	if (yaml_tree_get(object->node, own[at].key) != NULL) {
		site_bad(site, object, value->key, "%s is said twice: the subnet has %s, too",
			value->key->text, own[at].key);
		return true;
	}
	only = site_next_item(site, object, value, &iterator);
	if (value->count == 1 && only != NULL && code != 6 && code != 42) {
		single = *only;
		single.key = value->key;
		value = &single;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(keys[i].name, own[at].key) == 0) {
			site_value_read(site, &keys[i], value, object);
		}
	}
	return true;
}

/* A list stands with commas, as pxectl takes it. */
static bool option_text(struct site *site, const struct yaml_node *value,
	struct site_object *object, char ret_text[OPTION_TEXT_BYTES])
{
	const struct yaml_node *iterator = NULL, *item;
	size_t used = 0;

	ret_text[0] = '\0';
	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		const char *text = site_get_text(site, object, item);
		if (text == NULL) {
			return false;
		}
		used += (size_t)snprintf(ret_text + used, OPTION_TEXT_BYTES - used, "%s%s",
			used > 0 ? ", " : "", text);
		if (used >= OPTION_TEXT_BYTES) {
			site_bad(site, object, item, "the option's value is too long");
			return false;
		}
	}
	return value->kind != YAML_MAP;
}

static void read_option(struct site *site, const struct yaml_node *value,
	struct site_object *object, const struct site_key *key)
{
	Pxe__Option ***list = site_field(object->message, key->at);
	size_t *count = site_field(object->message, key->at2);
	char text[OPTION_TEXT_BYTES], error[DHCP4_VALUE_ERROR_BYTES];
	struct dhcp4_value_option parsed;
	Pxe__Option *option;

	if (dhcp4_value_parse_name(value->key->text, &parsed, error, sizeof error) != 0) {
		site_bad(site, object, value->key, "%s; see: pxectl option list", error);
		return;
	}
	if (parsed.space == DHCP4_VALUE_DHCP &&
		put_subnet_field(site, value, object, parsed.code)) {
		return;
	}
	if (!option_text(site, value, object, text)) {
		return;
	}
	if (dhcp4_value_parse_pair(value->key->text, text, &parsed, error, sizeof error) != 0) {
		site_bad(site, object, value, "%s", error);
		return;
	}
	if (parsed.none) {
		site_bad(site, object, value,
			"an option that is not to be sent is left out of the file");
		return;
	}
	for (size_t i = 0; i < *count; i++) {
		if ((*list)[i]->code == parsed.code &&
			(int)(*list)[i]->space == (int)parsed.space &&
			(*list)[i]->enterprise == parsed.enterprise) {
			site_bad(site, object, value->key,
				"%s: another name of the same option stands here, too",
				value->key->text);
			return;
		}
	}
	option = edit_new(&pxe__option__descriptor);
	option->code = parsed.code;
	option->space = (Pxe__OptionSpace)parsed.space;
	option->enterprise = parsed.enterprise;
	option->always = parsed.always;
	edit_set_bytes(&option->data, parsed.data, parsed.size);
	edit_append_message(list, count, option);
}

void site_read_options(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key)
{
	clear_messages(site_field(object->message, key->at), site_field(object->message, key->at2));
	if (!site_is_map(site, object, value, "{ntp-servers: [10.20.0.2], interface-mtu: 9000}")) {
		return;
	}
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		read_option(site, item, object, key);
	}
}

/* ---- variables */

static bool is_variable(const char *name)
{
	return name[0] != '\0' && strlen(name) <= 63 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
		       strlen(name);
}

void site_read_vars(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key)
{
	Pxe__Variable ***list = site_field(object->message, key->at);
	size_t *count = site_field(object->message, key->at2);

	clear_messages(list, count);
	if (!site_is_map(site, object, value, "{disk: /dev/sda}")) {
		return;
	}
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		const char *text = site_get_text(site, object, item);
		if (!is_variable(item->key->text)) {
			site_bad(site, object, item->key,
				"'%.80s': name a variable with letters, digits and '_'",
				item->key->text);
		} else if (*count == VARS_MAX) {
			site_bad(site, object, item->key, "more than %d variables", VARS_MAX);
			return;
		} else if (text != NULL &&
			   (strlen(text) > VAR_VALUE_MAX || strpbrk(text, "\n\r\t") != NULL)) {
			site_bad(site, object, item,
				"a variable's value is one line of at most %d "
				"bytes",
				VAR_VALUE_MAX);
		} else if (text != NULL) {
			Pxe__Variable *variable = edit_new(&pxe__variable__descriptor);
			edit_set_text(&variable->name, item->key->text);
			edit_set_text(&variable->value, text);
			edit_append_message(list, count, variable);
		}
	}
}

/* ---- quirks */

static const struct {
	const char *name;
	size_t offset;
} toggles[] = {{"overload", offsetof(Pxe__Quirks, overload)},
	{"broadcast", offsetof(Pxe__Quirks, broadcast)},
	{"echo_client_id", offsetof(Pxe__Quirks, echo_client_id)},
	{"rapid_commit", offsetof(Pxe__Quirks, rapid_commit)}};
#define TOGGLES (sizeof toggles / sizeof toggles[0])

static void read_quirk(struct site *site, const struct yaml_node *item, struct site_object *object,
	Pxe__Quirks *quirks)
{
	static const char *const names[] = {"overload", "broadcast", "echo_client_id",
		"rapid_commit", "reply_delay", "reply_delay_ms"};
	const char *name = item->key->text, *text;
	uint64_t ms;
	bool yes;

	for (size_t i = 0; i < TOGGLES; i++) {
		if (strcmp(name, toggles[i].name) == 0) {
			if (site_get_bool(site, object, item, &yes)) {
				*(Pxe__Toggle *)site_field(&quirks->base, toggles[i].offset) =
					yes ? PXE__TOGGLE__TOGGLE_YES : PXE__TOGGLE__TOGGLE_NO;
			}
			return;
		}
	}
	if (strcmp(name, "reply_delay_ms") == 0) {
		site_get_number(site, object, item, 1, DELAY_MAX_MS, &quirks->reply_delay_ms);
		return;
	}
	if (strcmp(name, "reply_delay") != 0) {
		site_unknown_key(site, object, item->key, names, sizeof names / sizeof names[0]);
		return;
	}
	text = site_get_text(site, object, item);
	if (text != NULL && (text_duration_parse(text, &ms) != 0 || ms == 0 || ms > DELAY_MAX_MS)) {
		site_bad(
			site, object, item, "'%.60s': write a time up to 10s, such as 500ms", text);
	} else if (text != NULL) {
		quirks->reply_delay_ms = (uint32_t)ms;
	}
}

void site_read_quirks(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key)
{
	Pxe__Quirks **field = site_field(object->message, key->at);

	if (*field != NULL) {
		pxe__quirks__free_unpacked(*field, NULL);
		*field = NULL;
	}
	if (!site_is_map(site, object, value, "{broadcast: true}") || value->count == 0) {
		return;
	}
	*field = edit_new(&pxe__quirks__descriptor);
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		read_quirk(site, item, object, *field);
	}
}

/* ---- what is booted, by architecture */

/* The list of ArchProfile of each kind that has `profile`. */
static void *arch_profiles(struct site_object *object, size_t **ret_count)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
		object->message->descriptor, "profiles");

	*ret_count = site_field(object->message, field->quantifier_offset);
	return site_field(object->message, field->offset);
}

void site_read_boot(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key)
{
	char **profile = site_field(object->message, key->at);
	size_t *count;
	void *list = arch_profiles(object, &count);

	clear_messages(list, count);
	edit_set_text(profile, "");
	if (value->kind == YAML_TEXT) {
		edit_set_text(profile, value->text);
		return;
	}
	if (!site_is_map(site, object, value, "{bios: vendor-menu, default: debian12}")) {
		return;
	}
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		const char *name = site_get_text(site, object, item), *arch = item->key->text;
		Pxe__ArchProfile *entry;
		if (name == NULL) {
			continue;
		}
		if (strcmp(arch, "default") == 0) {
			edit_set_text(profile, name);
		} else if (site_check_arch(site, object, item->key, arch)) {
			entry = edit_new(&pxe__arch_profile__descriptor);
			edit_set_text(&entry->arch, arch);
			edit_set_text(&entry->profile, name);
			edit_append_message(list, count, entry);
		}
	}
}

void site_read_loaders(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key)
{
	void *list = site_field(object->message, key->at);
	size_t *count = site_field(object->message, key->at2);

	clear_messages(list, count);
	if (!site_is_map(site, object, value, "{bios: pxelinux.0, uefi-x64: grubx64.efi}")) {
		return;
	}
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		const char *path = site_get_text(site, object, item);
		if (path != NULL && site_check_arch(site, object, item->key, item->key->text)) {
			Pxe__Loader *loader = edit_new(&pxe__loader__descriptor);
			edit_set_text(&loader->arch, item->key->text);
			edit_set_text(&loader->path, path);
			edit_append_message(list, count, loader);
		}
	}
}

/* ---- what groups match by */

static const struct {
	const char *name;
	size_t list, count;
	bool is_hex;
} match_keys[] = {
	{"mac", offsetof(Pxe__Match, mac), offsetof(Pxe__Match, n_mac), true},
	{"arch", offsetof(Pxe__Match, arch), offsetof(Pxe__Match, n_arch), false},
	{"vendor_class", offsetof(Pxe__Match, vendor_class), offsetof(Pxe__Match, n_vendor_class),
		false},
	{"user_class", offsetof(Pxe__Match, user_class), offsetof(Pxe__Match, n_user_class), false},
	{"client_id", offsetof(Pxe__Match, client_id), offsetof(Pxe__Match, n_client_id), true},
	{"subnet", offsetof(Pxe__Match, subnet), offsetof(Pxe__Match, n_subnet), false},
	{"circuit_id", offsetof(Pxe__Match, circuit_id), offsetof(Pxe__Match, n_circuit_id), false},
	{"remote_id", offsetof(Pxe__Match, remote_id), offsetof(Pxe__Match, n_remote_id), false},
};
#define MATCH_KEYS (sizeof match_keys / sizeof match_keys[0])

static void read_match_list(struct site *site, const struct yaml_node *value,
	struct site_object *object, size_t key, Pxe__Match *match)
{
	const struct yaml_node *iterator = NULL, *item;
	bool is_arch = strcmp(match_keys[key].name, "arch") == 0;

	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		const char *text = site_get_text(site, object, item);
		if (text == NULL || text[0] == '\0' || strlen(text) > 255) {
			site_bad(site, object, item,
				"write 1 to 255 bytes, with * and ? for what "
				"may differ");
		} else if (match_keys[key].is_hex &&
			   strspn(text, "0123456789abcdefABCDEF:*?") != strlen(text)) {
			site_bad(site, object, item,
				"'%.60s': write it as 52:54:00:aa:00:01, with * and ? for what may "
				"differ",
				text);
		} else if (!is_arch || strpbrk(text, "*?") != NULL ||
			   site_check_arch(site, object, item, text)) {
			edit_append_text(site_field(&match->base, match_keys[key].list),
				site_field(&match->base, match_keys[key].count), text,
				strlen(text));
		}
	}
}

static void read_match_uuid(struct site *site, const struct yaml_node *value,
	struct site_object *object, Pxe__Match *match)
{
	const struct yaml_node *iterator = NULL, *item;
	uint8_t uuid[16];

	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		const char *text = site_get_text(site, object, item);
		if (text != NULL && text_uuid_parse(text, uuid) != 0) {
			site_bad(site, object, item, "'%.60s' is no UUID", text);
		} else if (text != NULL) {
			edit_append_bytes(&match->uuid, &match->n_uuid, uuid, sizeof uuid);
		}
	}
}

static void read_match_key(struct site *site, const struct yaml_node *value,
	struct site_object *object, Pxe__Match *match)
{
	const char *names[MATCH_KEYS + 2], *name = value->key->text;
	bool known;

	for (size_t i = 0; i < MATCH_KEYS; i++) {
		names[i] = match_keys[i].name;
		if (strcmp(name, names[i]) == 0) {
			read_match_list(site, value, object, i, match);
			return;
		}
	}
	names[MATCH_KEYS] = "known";
	names[MATCH_KEYS + 1] = "uuid";
	if (strcmp(name, "uuid") == 0) {
		read_match_uuid(site, value, object, match);
	} else if (strcmp(name, "known") != 0) {
		site_unknown_key(site, object, value->key, names, MATCH_KEYS + 2);
	} else if (site_get_bool(site, object, value, &known)) {
		match->known = known ? PXE__KNOWN__KNOWN_YES : PXE__KNOWN__KNOWN_NO;
	}
}

void site_read_match(struct site *site, const struct yaml_node *value, struct site_object *object)
{
	Pxe__Group *group = (Pxe__Group *)(void *)object->message;

	if (value->kind == YAML_TEXT && strcmp(value->text, "none") == 0) {
		return; /* hosts that name it, nobody else */
	}
	if (!site_is_map(site, object, value, "{mac: [\"d4:be:d9:*\"]}") || value->count == 0) {
		return;
	}
	group->match = edit_new(&pxe__match__descriptor);
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		read_match_key(site, item, object, group->match);
	}
}

/* ---- menus */

static void read_item_key(struct site *site, const struct yaml_node *value,
	struct site_object *object, Pxe__PxeItem *item)
{
	static const char *const names[] = {"text", "profile", "type", "server"};
	const struct yaml_node *iterator = NULL, *at;
	const char *name = value->key->text, *text;
	uint32_t ip;

	if (strcmp(name, "type") == 0) {
		site_get_number(site, object, value, 1, 65535, &item->type);
	} else if (strcmp(name, "server") == 0 || strcmp(name, "server_ip") == 0) {
		while ((at = site_next_item(site, object, value, &iterator)) != NULL) {
			if (site_get_ip(site, object, at, &ip)) {
				edit_append_ip(&item->server_ip, &item->n_server_ip, ip);
			}
		}
	} else if (strcmp(name, "text") == 0 || strcmp(name, "profile") == 0) {
		text = site_get_text(site, object, value);
		if (text != NULL) {
			edit_set_text(name[0] == 't' ? &item->text : &item->profile, text);
		}
	} else {
		site_unknown_key(site, object, value->key, names, 4);
	}
}

static void read_items(struct site *site, const struct yaml_node *list, struct site_object *object,
	Pxe__PxeMenu *menu)
{
	if (list->kind != YAML_LIST || list->count == 0) {
		site_bad(site, object, list,
			"items: write a list, such as [{text: Local disk, profile: local}]");
		return;
	}
	for (const struct yaml_node *node = list->first; node != NULL; node = node->next) {
		Pxe__PxeItem *item = edit_new(&pxe__pxe_item__descriptor);
		edit_append_message(&menu->items, &menu->n_items, item);
		if (!site_is_map(site, object, node, "{text: Local disk, profile: local}")) {
			continue;
		}
		for (const struct yaml_node *value = node->first; value != NULL;
			value = value->next) {
			read_item_key(site, value, object, item);
		}
		if (item->text[0] == '\0') {
			site_bad(site, object, node, "an item of a menu needs a text");
		}
	}
}

static void read_menu_key(struct site *site, const struct yaml_node *value,
	struct site_object *object, Pxe__PxeMenu *menu)
{
	static const char *const names[] = {"items", "prompt", "timeout", "broadcast", "multicast"};
	const char *name = value->key->text, *text;
	bool yes;
	uint32_t ip;

	if (strcmp(name, "items") == 0) {
		read_items(site, value, object, menu);
	} else if (strcmp(name, "prompt") == 0) {
		text = site_get_text(site, object, value);
		edit_set_text(&menu->prompt, text == NULL ? "" : text);
	} else if (strcmp(name, "timeout") == 0) {
		if (value->kind != YAML_TEXT || strcmp(value->text, "none") != 0) {
			site_get_seconds(site, object, value, 0, MENU_FOR_EVER_S, &menu->timeout_s);
		}
	} else if (strcmp(name, "broadcast") == 0) {
		if (site_get_bool(site, object, value, &yes)) {
			menu->broadcast_discovery = yes;
		}
	} else if (strcmp(name, "multicast") == 0) {
		if (site_get_ip(site, object, value, &ip)) {
			edit_set_ip(&menu->multicast_ip, ip);
		}
	} else {
		site_unknown_key(site, object, value->key, names, 5);
	}
}

void site_read_menu(struct site *site, const struct yaml_node *value, struct site_object *object)
{
	Pxe__Profile *profile = (Pxe__Profile *)(void *)object->message;

	if (!site_is_map(site, object, value, "{items: [{text: Local disk, profile: local}]}")) {
		return;
	}
	profile->menu = edit_new(&pxe__pxe_menu__descriptor);
	profile->menu->timeout_s = MENU_FOR_EVER_S;
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		read_menu_key(site, item, object, profile->menu);
	}
	if (profile->menu->n_items == 0) {
		site_bad(site, object, value, "a menu needs items");
	}
}

/* ---- templates, once */

void site_read_templates(
	struct site *site, const struct yaml_node *value, struct site_object *object)
{
	Pxe__Profile *profile = (Pxe__Profile *)(void *)object->message;

	if (!site_is_map(site, object, value, "{preseed.cfg: templates/preseed.cfg}")) {
		return;
	}
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		char what[100];
		const char *text;
		if (item->key->text[0] == '\0' || strlen(item->key->text) > 63 ||
			strchr(item->key->text, '/') != NULL) {
			site_bad(site, object, item->key,
				"'%.80s': a template's name is that of a file, without '/', at "
				"most 63 bytes",
				item->key->text);
			continue;
		}
		snprintf(what, sizeof what, "template %s", item->key->text);
		text = site_get_script(site, object, item, what);
		if (text != NULL) {
			Pxe__Template *template = edit_new(&pxe__template__descriptor);
			edit_set_text(&template->name, item->key->text);
			edit_set_text(&template->text, text);
			edit_append_message(&profile->templates, &profile->n_templates, template);
		}
	}
}

void site_read_once(struct site *site, const struct yaml_node *value, struct site_object *object)
{
	const struct yaml_node *profile = yaml_tree_get(value, "profile");
	const struct yaml_node *serial = yaml_tree_get(value, "serial");
	static const char *const names[] = {"profile", "serial"};

	if (value->kind != YAML_MAP || profile == NULL || serial == NULL) {
		site_bad(site, object, value,
			"once: write {profile: NAME, serial: N}; it is armed again when N grows");
		return;
	}
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		if (item != profile && item != serial) {
			site_unknown_key(site, object, item->key, names, 2);
		}
	}
	if (site_get_number(site, object, serial, 1, UINT32_MAX, &object->once_serial)) {
		object->once_profile = site_get_text(site, object, profile);
	}
}
