/* Fields as the values of a site file: what site_value.c reads. */
#include "ctl/site_key.h"

#include "ctl/edit_field.h"
#include "ctl/show.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_TEXT_BYTES 8192
#define MENU_FOR_EVER_S   255

static void write_number(
	struct import *im, struct import_node *map, const char *key, uint32_t value)
{
	import_set_plain(im, map, key, import_text(im, "%" PRIu32, value));
}

static void write_seconds(
	struct import *im, struct import_node *map, const char *key, uint32_t seconds)
{
	char text[TEXT_DURATION_BYTES];

	import_set(im, map, key, text_duration_format((uint64_t)seconds * 1000, text));
}

static void write_bool(struct import *im, struct import_node *map, const char *key, bool value)
{
	import_set_plain(im, map, key, value ? "true" : "false");
}

static char *ip_text(struct import *im, const ProtobufCBinaryData *ip)
{
	char text[TEXT_IP4_BYTES];

	return import_text(im, "%s", text_ip4_format(msg_ip4_get(*ip), text));
}

/* A list that may hold the same twice: import_add() takes each once, so entries are made by hand
 * only where that cannot be. */
static void write_ips(struct import *im, struct import_node *map, const char *key,
	const ProtobufCBinaryData *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		import_add(im, map, key, ip_text(im, &list[i]));
	}
}

static void write_texts(struct import *im, struct import_node *map, const char *key,
	char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		import_add(im, map, key, list[i]);
	}
}

static void write_options(struct import *im, struct import_node *map, const char *key,
	Pxe__Option *const *options, size_t count)
{
	char name[DHCP4_VALUE_NAME_BYTES];
	char *text = import_alloc(im, OPTION_TEXT_BYTES);

	for (size_t i = 0; i < count; i++) {
		struct dhcp4_value_option option = {
			.space = (enum dhcp4_value_space)options[i]->space,
			.enterprise = options[i]->enterprise,
			.code = (uint8_t)options[i]->code,
			.always = options[i]->always,
			.size = options[i]->data.len};
		if (option.size > sizeof option.data) {
			continue; /* the cluster takes none such */
		}
		if (option.size > 0) {
			memcpy(option.data, options[i]->data.data, option.size);
		}
		dhcp4_value_format(dhcp4_value_info(&option), option.data, option.size, text,
			OPTION_TEXT_BYTES);
		import_set(im, import_map(im, map, key), dhcp4_value_format_name(&option, name),
			strcmp(text, "none") == 0 ? "text:none" : text);
	}
}

static void write_vars(struct import *im, struct import_node *map, const char *key,
	Pxe__Variable *const *vars, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		import_set(im, import_map(im, map, key), vars[i]->name, vars[i]->value);
	}
}

static void write_toggle(
	struct import *im, struct import_node *map, const char *key, Pxe__Toggle toggle)
{
	if (toggle != PXE__TOGGLE__TOGGLE_UNSET) {
		write_bool(im, map, key, toggle == PXE__TOGGLE__TOGGLE_YES);
	}
}

static void write_quirks(
	struct import *im, struct import_node *map, const char *key, const Pxe__Quirks *quirks)
{
	char text[TEXT_DURATION_BYTES];

	if (quirks == NULL) {
		return;
	}
	struct import_node *into = import_map(im, map, key);
	write_toggle(im, into, "overload", quirks->overload);
	write_toggle(im, into, "broadcast", quirks->broadcast);
	write_toggle(im, into, "echo_client_id", quirks->echo_client_id);
	write_toggle(im, into, "rapid_commit", quirks->rapid_commit);
	if (quirks->reply_delay_ms > 0) {
		import_set(im, into, "reply_delay",
			text_duration_format(quirks->reply_delay_ms, text));
	}
}

static void write_boot(struct import *im, struct import_node *map, const char *key,
	const ProtobufCMessage *message, size_t at)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "profiles");
	size_t count = *(const size_t *)site_field(message, field->quantifier_offset);
	Pxe__ArchProfile *const *list =
		*(Pxe__ArchProfile * *const *)site_field(message, field->offset);
	const char *profile = *(char *const *)site_field(message, at);

	if (count == 0 && profile[0] != '\0') {
		import_set(im, map, key, profile);
	}
	for (size_t i = 0; i < count; i++) {
		import_set(im, import_map(im, map, key), list[i]->arch, list[i]->profile);
	}
	if (count > 0 && profile[0] != '\0') {
		import_set(im, import_map(im, map, key), "default", profile);
	}
}

static void write_loaders(struct import *im, struct import_node *map, const char *key,
	Pxe__Loader *const *loaders, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		import_set(im, import_map(im, map, key), loaders[i]->arch, loaders[i]->path);
	}
}

static void write_macs(struct import *im, struct import_node *map, const char *key,
	const ProtobufCBinaryData *macs, size_t count)
{
	char text[TEXT_HWADDR_BYTES];

	for (size_t i = 0; i < count; i++) {
		if (macs[i].len > 0 && macs[i].len <= 16) {
			import_add(
				im, map, key, text_hwaddr_format(macs[i].data, macs[i].len, text));
		}
	}
}

static void write_identities(struct import *im, struct import_node *map, const char *key,
	const ProtobufCBinaryData *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool is_text = true;
		char *hex = import_alloc(im, 2 * list[i].len + 1);

		for (size_t j = 0; j < list[i].len; j++) {
			is_text = is_text && list[i].data[j] > 0x20 && list[i].data[j] < 0x7f;
		}
		text_hex_format(list[i].data, list[i].len, hex, 2 * list[i].len + 1);
		import_add(im, map, key,
			is_text ? import_text(im, "text:%.*s", (int)list[i].len,
					  (const char *)list[i].data)
				: import_text(im, "hex:%s", hex));
	}
}

static char *range_text(
	struct import *im, const ProtobufCBinaryData *first, const ProtobufCBinaryData *last)
{
	return import_text(im, "%s-%s", ip_text(im, first), ip_text(im, last));
}

static void write_match(
	struct import *im, struct import_node *map, const char *key, const Pxe__Group *group)
{
	const Pxe__Match *match = group->match;
	bool is_built_in = strcmp(group->name, "known") == 0 || strcmp(group->name, "unknown") == 0;
	char uuid[TEXT_UUID_BYTES];

	if (match == NULL) {
		if (is_built_in) {
			import_set(im, map, key, "none");
		}
		return;
	}
	struct import_node *into = import_map(im, map, key);
	if (match->known != PXE__KNOWN__KNOWN_ANY) {
		write_bool(im, into, "known", match->known == PXE__KNOWN__KNOWN_YES);
	}
	write_texts(im, into, "mac", match->mac, match->n_mac);
	write_texts(im, into, "arch", match->arch, match->n_arch);
	for (size_t i = 0; i < match->n_uuid; i++) {
		if (match->uuid[i].len == 16) {
			import_add(im, into, "uuid", text_uuid_format(match->uuid[i].data, uuid));
		}
	}
	write_texts(im, into, "vendor_class", match->vendor_class, match->n_vendor_class);
	write_texts(im, into, "user_class", match->user_class, match->n_user_class);
	write_texts(im, into, "client_id", match->client_id, match->n_client_id);
	write_texts(im, into, "subnet", match->subnet, match->n_subnet);
	write_texts(im, into, "circuit_id", match->circuit_id, match->n_circuit_id);
	write_texts(im, into, "remote_id", match->remote_id, match->n_remote_id);
}

static void write_menu(
	struct import *im, struct import_node *map, const char *key, const Pxe__PxeMenu *menu)
{
	if (menu == NULL) {
		return;
	}
	struct import_node *into = import_map(im, map, key);
	if (menu->prompt[0] != '\0') {
		import_set(im, into, "prompt", menu->prompt);
	}
	if (menu->timeout_s < MENU_FOR_EVER_S) {
		write_number(im, into, "timeout", menu->timeout_s);
	}
	if (menu->broadcast_discovery) {
		write_bool(im, into, "broadcast", true);
	}
	if (menu->multicast_ip.len > 0) {
		import_set(im, into, "multicast", ip_text(im, &menu->multicast_ip));
	}
	struct import_node *items = import_list(im, into, "items");
	for (size_t i = 0; i < menu->n_items; i++) {
		const Pxe__PxeItem *item = menu->items[i];
		struct import_node *entry = import_entry(im, items);

		import_set(im, entry, "text", item->text);
		if (item->profile[0] != '\0') {
			import_set(im, entry, "profile", item->profile);
		}
		if (item->type != 0) {
			write_number(im, entry, "type", item->type);
		}
		write_ips(im, entry, "server", item->server_ip, item->n_server_ip);
	}
}

/* One line could be the name of a file. */
static void write_script(
	struct import *im, struct import_node *map, const char *key, const char *text)
{
	if (strchr(text, '\n') != NULL || strncmp(text, "#!", 2) == 0) {
		import_set(im, map, key, text);
	} else {
		import_set(im, import_map(im, map, key), "text", text);
	}
}

static void write_host_ip(struct import *im, struct import_node *map, const Pxe__Host *host)
{
	if (host->ip.len == 4) {
		import_add(im, map, "ip", ip_text(im, &host->ip));
	}
	write_ips(im, map, "ip", host->more_ip, host->n_more_ip);
}

static void write_word(
	struct import *im, struct import_node *map, const struct site_key *key, int word)
{
	static const char *const dhcp[] = {"off", "on", "proxy"};
	static const char *const subnet_dhcp[] = {"default", "on", "proxy", "off"};
	static const char *const chains[] = {"default", "ipxe", "grub", "shim", "pxelinux"};
	bool is_cluster = key->value == SITE_DHCP;

	if ((word != 0 || is_cluster) && word >= 0 &&
		word < (is_cluster                        ? 3
			       : key->value == SITE_CHAIN ? 5
							  : 4)) {
		import_set(im, map, key->name,
			is_cluster                 ? dhcp[word]
			: key->value == SITE_CHAIN ? chains[word]
						   : subnet_dhcp[word]);
	}
}

/* What is several fields of one kind. */
static void write_own(struct import *im, struct import_node *map, const struct site_key *key,
	const ProtobufCMessage *message)
{
	const Pxe__Subnet *subnet = (const Pxe__Subnet *)(const void *)message;
	const Pxe__Pool *pool = (const Pxe__Pool *)(const void *)message;
	const Pxe__Profile *profile = (const Pxe__Profile *)(const void *)message;
	char text[TEXT_CIDR4_BYTES];

	if (key->value == SITE_CIDR && subnet->prefix_len <= 32) {
		import_set(im, map, key->name,
			text_cidr4_format(
				msg_ip4_get(subnet->network_ip), subnet->prefix_len, text));
	} else if (key->value == SITE_RANGE) {
		import_set(im, map, key->name, range_text(im, &pool->first_ip, &pool->last_ip));
	} else if (key->value == SITE_EXCLUDE) {
		for (size_t i = 0; i < pool->n_exclude; i++) {
			import_add(im, map, key->name,
				range_text(im, &pool->exclude[i]->first_ip,
					&pool->exclude[i]->last_ip));
		}
	} else if (key->value == SITE_TEMPLATES) {
		for (size_t i = 0; i < profile->n_templates; i++) {
			write_script(im, import_map(im, map, key->name),
				profile->templates[i]->name, profile->templates[i]->text);
		}
	}
}

/* Addresses, identities and what else are bytes. */
static void write_bytes(struct import *im, struct import_node *map, const struct site_key *key,
	const ProtobufCMessage *message)
{
	const ProtobufCBinaryData *bytes = site_field(message, key->at);
	ProtobufCBinaryData *const *list = site_field(message, key->at);
	const size_t *count = site_field(message, key->at2);
	char text[TEXT_UUID_BYTES];

	if (key->value == SITE_IP && bytes->len == 4) {
		import_set(im, map, key->name, ip_text(im, bytes));
	} else if (key->value == SITE_UUID && bytes->len == 16) {
		import_set(im, map, key->name, text_uuid_format(bytes->data, text));
	} else if (key->value == SITE_IPS) {
		write_ips(im, map, key->name, *list, *count);
	} else if (key->value == SITE_MACS) {
		write_macs(im, map, key->name, *list, *count);
	} else if (key->value == SITE_IDENTITIES) {
		write_identities(im, map, key->name, *list, *count);
	}
}

static void write_list(struct import *im, struct import_node *map, const struct site_key *key,
	const ProtobufCMessage *message)
{
	void *list = *(void *const *)site_field(message, key->at);
	size_t count = *(const size_t *)site_field(message, key->at2);

	if (key->value == SITE_OPTIONS) {
		write_options(im, map, key->name, list, count);
	} else if (key->value == SITE_VARS) {
		write_vars(im, map, key->name, list, count);
	} else if (key->value == SITE_LOADERS) {
		write_loaders(im, map, key->name, list, count);
	} else {
		write_texts(im, map, key->name, list, count);
	}
}

static void write_plain(struct import *im, struct import_node *map, const struct site_key *key,
	const ProtobufCMessage *message)
{
	const char *text = *(char *const *)site_field(message, key->at);

	if (text[0] != '\0' && key->value == SITE_SCRIPT) {
		write_script(im, map, key->name, text);
	} else if (text[0] != '\0') {
		import_set(im, map, key->name, text);
	}
}

static void write_scalar(struct import *im, struct import_node *map, const struct site_key *key,
	const ProtobufCMessage *message)
{
	uint32_t number = *(const uint32_t *)site_field(message, key->at);

	if (key->value == SITE_TOGGLE) {
		write_toggle(im, map, key->name, (Pxe__Toggle)number);
	} else if (key->value == SITE_SECONDS && number != 0) {
		write_seconds(im, map, key->name, number);
	} else if (key->value != SITE_SECONDS && (number != 0 || strcmp(key->name, "order") == 0)) {
		write_number(im, map, key->name, number);
	}
}

void site_value_write(struct import *im, struct import_node *map, const struct site_key *key,
	const ProtobufCMessage *message)
{
	void *const *pointer = site_field(message, key->at);

	switch (key->value) {
	case SITE_TEXT:
	case SITE_NAME:
	case SITE_ARGS:
	case SITE_SCRIPT: write_plain(im, map, key, message); return;
	case SITE_IP:
	case SITE_UUID:
	case SITE_IPS:
	case SITE_MACS:
	case SITE_IDENTITIES: write_bytes(im, map, key, message); return;
	case SITE_SECONDS:
	case SITE_NUMBER:
	case SITE_PERCENT:
	case SITE_TOGGLE: write_scalar(im, map, key, message); return;
	case SITE_BOOL:
		if (*(const protobuf_c_boolean *)site_field(message, key->at)) {
			write_bool(im, map, key->name, true);
		}
		return;
	case SITE_NAMES:
	case SITE_PATHS:
	case SITE_OPTIONS:
	case SITE_VARS:
	case SITE_LOADERS: write_list(im, map, key, message); return;
	case SITE_QUIRKS: write_quirks(im, map, key->name, *pointer); return;
	case SITE_BOOT: write_boot(im, map, key->name, message, key->at); return;
	case SITE_HOST_IP: write_host_ip(im, map, (const Pxe__Host *)(const void *)message); return;
	case SITE_SUBNET_DHCP:
	case SITE_DHCP:
	case SITE_CHAIN:
		write_word(im, map, key, *(const int *)site_field(message, key->at));
		return;
	case SITE_CIDR:
	case SITE_RANGE:
	case SITE_EXCLUDE:
	case SITE_TEMPLATES: write_own(im, map, key, message); return;
	case SITE_MATCH:
		write_match(im, map, key->name, (const Pxe__Group *)(const void *)message);
		return;
	case SITE_MENU: write_menu(im, map, key->name, *pointer); return;
	case SITE_ONCE:
	case SITE_FROM:
	case SITE_DIGEST:
	case SITE_NESTED:
	case SITE_DHCPV6:
	case SITE_SERVICE_IP: return; /* no field of the record */
	}
}
