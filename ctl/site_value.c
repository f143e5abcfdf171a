/* Values of a site file into fields: the plain ones. */
#include "ctl/site_impl.h"

#include "ctl/edit_field.h"
#include "proto/cred/suggest.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY_MAX_BYTES 128
#define PERCENT_BYTES      16

/* ---- texts and numbers */

const char *site_get_text(
	struct site *site, struct site_object *object, const struct yaml_node *node)
{
	if (node->kind != YAML_TEXT) {
		site_bad(site, object, node, "%s: write one value, not a %s",
			node->key != NULL ? node->key->text : "here",
			node->kind == YAML_LIST ? "list" : "map");
		return NULL;
	}
	return node->text;
}

bool site_get_ip(struct site *site, struct site_object *object, const struct yaml_node *node,
	uint32_t *ret_ip)
{
	const char *text = site_get_text(site, object, node);

	if (text == NULL) {
		return false;
	}
	if (strchr(text, ':') != NULL) {
		site_bad(site, object, node,
			"'%.60s': IPv6 is not there yet, this version has no DHCPv6", text);
		return false;
	}
	if (text_ip4_parse(text, ret_ip) != 0 || *ret_ip == 0) {
		site_bad(site, object, node, "'%.60s': write an IPv4 address, such as 10.20.0.1",
			text);
		return false;
	}
	return true;
}

bool site_get_bool(struct site *site, struct site_object *object, const struct yaml_node *node,
	bool *ret_value)
{
	const char *text = site_get_text(site, object, node);
	bool is_true;

	if (text == NULL) {
		return false;
	}
	is_true = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "on") == 0;
	if (!is_true && strcmp(text, "false") != 0 && strcmp(text, "no") != 0 &&
		strcmp(text, "off") != 0) {
		site_bad(site, object, node, "'%.60s': write true or false", text);
		return false;
	}
	*ret_value = is_true;
	return true;
}

bool site_get_number(struct site *site, struct site_object *object, const struct yaml_node *node,
	uint32_t min, uint32_t max, uint32_t *ret_value)
{
	const char *text = site_get_text(site, object, node);
	uint64_t value;

	if (text == NULL) {
		return false;
	}
	if (text_u64_parse(text, max, &value) != 0 || value < min) {
		site_bad(site, object, node, "'%.60s': write a number from %u to %u", text, min,
			max);
		return false;
	}
	*ret_value = (uint32_t)value;
	return true;
}

bool site_get_seconds(struct site *site, struct site_object *object, const struct yaml_node *node,
	uint32_t min, uint32_t max, uint32_t *ret_value)
{
	const char *text = site_get_text(site, object, node);
	char least[TEXT_DURATION_BYTES], most[TEXT_DURATION_BYTES];
	uint64_t ms;

	if (text == NULL) {
		return false;
	}
	if (text_duration_parse(text, &ms) != 0 || ms % 1000 != 0 || ms / 1000 < min ||
		ms / 1000 > max) {
		site_bad(site, object, node, "'%.60s': write a time from %s to %s, such as 10m",
			text, text_duration_format((uint64_t)min * 1000, least),
			text_duration_format((uint64_t)max * 1000, most));
		return false;
	}
	*ret_value = (uint32_t)(ms / 1000);
	return true;
}

static void read_percent(struct site *site, const struct site_key *key,
	const struct yaml_node *value, struct site_object *object)
{
	char digits[PERCENT_BYTES];
	struct yaml_node number = *value;
	size_t length;

	if (value->kind == YAML_TEXT && (length = strlen(value->text)) > 1 &&
		length < sizeof digits && value->text[length - 1] == '%') {
		memcpy(digits, value->text, length - 1);
		digits[length - 1] = '\0';
		number.text = digits;
	}
	site_get_number(
		site, object, &number, key->min, key->max, site_field(object->message, key->at));
}

/* ---- lists */

const struct yaml_node *site_next_item(struct site *site, struct site_object *object,
	const struct yaml_node *value, const struct yaml_node **iterator)
{
	const struct yaml_node *item;

	if (value->kind == YAML_MAP) {
		if (*iterator == NULL) {
			site_bad(site, object, value, "%s: write a value or a list, not a map",
				value->key != NULL ? value->key->text : "here");
		}
		return NULL;
	}
	if (value->kind == YAML_TEXT) {
		item = *iterator == NULL && !yaml_tree_is_empty(value) ? value : NULL;
	} else {
		item = *iterator == NULL ? value->first : (*iterator)->next;
	}
	*iterator = item != NULL ? item : value;
	return item;
}

bool site_is_map(struct site *site, struct site_object *object, const struct yaml_node *node,
	const char *example)
{
	if (node->kind == YAML_MAP || yaml_tree_is_empty(node)) {
		return true;
	}
	site_bad(site, object, node, "%s: write a map, such as %s",
		node->key != NULL ? node->key->text : "here", example);
	return false;
}

static bool is_too_many(struct site *site, const struct site_key *key,
	const struct yaml_node *value, struct site_object *object, size_t count)
{
	if (count < key->max) {
		return false;
	}
	site_bad(site, object, value, "%s: at most %u", key->name, key->max);
	return true;
}

static void read_ips(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object)
{
	ProtobufCBinaryData **list = site_field(object->message, key->at);
	size_t *count = site_field(object->message, key->at2);
	const struct yaml_node *iterator = NULL, *item;
	uint32_t ip;

	edit_clear_bytes(list, count);
	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		if (is_too_many(site, key, item, object, *count)) {
			return;
		}
		if (site_get_ip(site, object, item, &ip)) {
			edit_append_ip(list, count, ip);
		}
	}
}

/* Names of objects, or paths in an image. */
static void read_texts(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object)
{
	char ***list = site_field(object->message, key->at);
	size_t *count = site_field(object->message, key->at2);
	const struct yaml_node *iterator = NULL, *item;

	edit_clear_texts(list, count);
	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		const char *text = site_get_text(site, object, item);
		if (text == NULL || is_too_many(site, key, item, object, *count)) {
			return;
		}
		edit_append_text(list, count, text, strlen(text));
	}
}

static void read_args(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object)
{
	const struct yaml_node *iterator = NULL, *item;
	size_t size = 1, used = 0;
	char *args;

	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		const char *text = site_get_text(site, object, item);
		size += text == NULL ? 0 : strlen(text) + 1;
	}
	args = yaml_tree_alloc(site->tree, size);
	iterator = NULL;
	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		if (item->kind == YAML_TEXT) {
			used += (size_t)snprintf(
				args + used, size - used, "%s%s", used > 0 ? " " : "", item->text);
		}
	}
	if (strchr(args, '\n') != NULL) {
		site_bad(site, object, value, "args: one line, or a list of words");
	}
	edit_set_text(site_field(object->message, key->at), args);
}

static void read_macs(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object)
{
	ProtobufCBinaryData **list = site_field(object->message, key->at);
	size_t *count = site_field(object->message, key->at2), bytes;
	const struct yaml_node *iterator = NULL, *item;
	uint8_t mac[16];

	edit_clear_bytes(list, count);
	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		const char *text = site_get_text(site, object, item);
		if (text == NULL || is_too_many(site, key, item, object, *count)) {
			return;
		}
		if (edit_mac(text, mac, &bytes) != 0) {
			site_bad(site, object, item,
				"'%.60s': write a hardware address, such as 52:54:00:aa:00:01",
				text);
		} else if (bytes == 6 && (mac[0] & 1) != 0) {
			site_bad(site, object, item,
				"'%.60s' is a group address, not that of one machine", text);
		} else {
			edit_append_bytes(list, count, mac, bytes);
		}
	}
}

/* Bytes as aa:bb, hex:aabb, 0xaabb or aabb; all else is text. */
static void read_identities(struct site *site, const struct site_key *key,
	const struct yaml_node *value, struct site_object *object)
{
	ProtobufCBinaryData **list = site_field(object->message, key->at);
	size_t *count = site_field(object->message, key->at2), bytes = 0;
	const struct yaml_node *iterator = NULL, *item;
	uint8_t data[IDENTITY_MAX_BYTES];

	edit_clear_bytes(list, count);
	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		const char *text = site_get_text(site, object, item);
		if (text == NULL || is_too_many(site, key, item, object, *count)) {
			return;
		}
		if (text[0] == '\0' ||
			(text_hex_parse(text, data, sizeof data, &bytes) != 0 &&
				edit_identity(text, data, sizeof data, &bytes) != 0) ||
			bytes == 0) {
			site_bad(site, object, item,
				"'%.60s': write bytes (01:52:54:00:aa:00:01, hex:0aff) or text:... "
				"of at most %d bytes",
				text, IDENTITY_MAX_BYTES);
		} else {
			edit_append_bytes(list, count, data, bytes);
		}
	}
}

/* ---- addresses */

static void read_host_ip(
	struct site *site, const struct yaml_node *value, struct site_object *object)
{
	Pxe__Host *host = (Pxe__Host *)(void *)object->message;
	const struct yaml_node *iterator = NULL, *item;
	uint32_t ip;

	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		if (item->kind == YAML_TEXT && strcmp(item->text, "auto") == 0) {
			object->ip_auto = true;
			if (value->count > 1) {
				site_bad(site, object, item,
					"auto stands alone: the address is "
					"chosen");
			}
		} else if (site_get_ip(site, object, item, &ip)) {
			if (host->ip.len == 0) {
				edit_set_ip(&host->ip, ip);
			} else if (host->n_more_ip < 15) {
				edit_append_ip(&host->more_ip, &host->n_more_ip, ip);
			} else {
				site_bad(site, object, item, "ip: at most 16");
			}
		}
	}
}

static void read_cidr(struct site *site, const struct yaml_node *value, struct site_object *object)
{
	Pxe__Subnet *subnet = (Pxe__Subnet *)(void *)object->message;
	const char *text = site_get_text(site, object, value);
	char better[TEXT_CIDR4_BYTES];
	unsigned prefix;
	uint32_t ip;

	if (text == NULL) {
		return;
	}
	if (strchr(text, ':') != NULL) {
		site_bad(site, object, value,
			"subnet %s is IPv6, which is not there yet: this version has no DHCPv6",
			object->name);
	} else if (text_cidr4_parse(text, &ip, &prefix) != 0 || prefix < 8 || prefix > 30) {
		site_bad(site, object, value,
			"'%.60s': write a network of 8 to 30 bits, such as 10.20.0.0/22", text);
	} else if ((ip & ~text_ip4_mask(prefix)) != 0) {
		site_bad(site, object, value, "'%s' is an address in a network; did you mean %s?",
			text, text_cidr4_format(ip & text_ip4_mask(prefix), prefix, better));
	} else {
		edit_set_ip(&subnet->network_ip, ip);
		subnet->prefix_len = prefix;
	}
}

static bool get_range(struct site *site, const struct yaml_node *node, struct site_object *object,
	uint32_t *ret_first, uint32_t *ret_last)
{
	const char *text = site_get_text(site, object, node);
	int result;

	if (text == NULL) {
		return false;
	}
	if (strchr(text, ':') != NULL) {
		site_bad(site, object, node,
			"'%.60s': IPv6 is not there yet, this version has no DHCPv6", text);
		return false;
	}
	result = edit_range(text, ret_first, ret_last);
	if (result != 0) {
		site_bad(site, object, node, "'%.60s': %s", text,
			result == -ERANGE ? "the last address is below the first"
					  : "write FIRST-LAST, such as 10.20.2.0-10.20.3.199");
	}
	return result == 0;
}

static void read_range(struct site *site, const struct yaml_node *value, struct site_object *object)
{
	Pxe__Pool *pool = (Pxe__Pool *)(void *)object->message;
	uint32_t first, last;

	if (get_range(site, value, object, &first, &last)) {
		edit_set_ip(&pool->first_ip, first);
		edit_set_ip(&pool->last_ip, last);
	}
}

static void read_exclude(
	struct site *site, const struct yaml_node *value, struct site_object *object)
{
	Pxe__Pool *pool = (Pxe__Pool *)(void *)object->message;
	const struct yaml_node *iterator = NULL, *item;
	uint32_t first, last;

	while ((item = site_next_item(site, object, value, &iterator)) != NULL) {
		if (get_range(site, item, object, &first, &last)) {
			Pxe__AddressRange *range = edit_new(&pxe__address_range__descriptor);
			edit_set_ip(&range->first_ip, first);
			edit_set_ip(&range->last_ip, last);
			edit_append_message(&pool->exclude, &pool->n_exclude, range);
		}
	}
}

/* ---- words */

/* The index of a word; -1 after telling. */
static int get_word(struct site *site, const struct yaml_node *node, struct site_object *object,
	const char *const *words, size_t count)
{
	const char *text = site_get_text(site, object, node);
	char all[200] = "";

	for (size_t i = 0; text != NULL && i < count; i++) {
		size_t used = strlen(all);
		if (strcmp(text, words[i]) == 0) {
			return (int)i;
		}
		snprintf(all + used, sizeof all - used, "%s%s",
			i == 0           ? ""
			: i + 1 == count ? " or "
					 : ", ",
			words[i]);
	}
	if (text != NULL) {
		site_bad(site, object, node, "'%.60s': write %s", text, all);
	}
	return -1;
}

static void read_word(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object)
{
	static const char *const dhcp[] = {"off", "on", "proxy"};
	static const char *const subnet_dhcp[] = {"default", "on", "proxy", "off"};
	static const char *const chains[] = {"default", "ipxe", "grub", "shim", "pxelinux"};
	bool is_subnet = key->value == SITE_SUBNET_DHCP, is_chain = key->value == SITE_CHAIN;
	int word = get_word(site, value, object,
		is_chain    ? chains
		: is_subnet ? subnet_dhcp
			    : dhcp,
		is_chain    ? 5
		: is_subnet ? 4
			    : 3);

	if (word >= 0) {
		*(int *)site_field(object->message, key->at) = word; /* as the enums count */
	}
}

static void read_toggle(struct site *site, const struct site_key *key,
	const struct yaml_node *value, struct site_object *object)
{
	Pxe__Toggle *field = site_field(object->message, key->at);
	bool yes;

	if (value->kind == YAML_TEXT && strcmp(value->text, "default") == 0) {
		*field = PXE__TOGGLE__TOGGLE_UNSET;
	} else if (site_get_bool(site, object, value, &yes)) {
		*field = yes ? PXE__TOGGLE__TOGGLE_YES : PXE__TOGGLE__TOGGLE_NO;
	}
}

bool site_check_arch(struct site *site, struct site_object *object, const struct yaml_node *node,
	const char *text)
{
	const char *names[64], *nearest, *name;
	size_t count = 0;
	uint16_t arch;

	if (dhcp4_arch_parse(text) >= 0) {
		return true;
	}
	for (size_t i = 0; (name = dhcp4_arch_at(i, &arch)) != NULL && count < 64; i++) {
		names[count++] = name;
	}
	nearest = suggest_nearest(text, names, count);
	site_bad(site, object, node,
		"'%.60s' is no architecture%s%s%s: write bios, uefi-x64, uefi-arm64 ... or the "
		"number of DHCP option 93",
		text, nearest != NULL ? ", did you mean '" : "", nearest != NULL ? nearest : "",
		nearest != NULL ? "'?" : "");
	return false;
}

static void read_uuid(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object)
{
	const char *text = site_get_text(site, object, value);
	uint8_t uuid[16];

	if (text != NULL && text_uuid_parse(text, uuid) != 0) {
		site_bad(site, object, value,
			"'%.60s': write it as dmidecode does, 4c4c4544-0051-3510-8052-b4c04f4d3132",
			text);
	} else if (text != NULL) {
		edit_set_bytes(site_field(object->message, key->at), uuid, sizeof uuid);
	}
}

/* ---- texts of files */

static void remember_text(struct site *site, struct site_object *object,
	const struct yaml_node *node, const char *what, const char *text)
{
	if (site->text_count % 64 == 0) {
		site->texts =
			realloc(site->texts, (site->text_count + 64) * sizeof(struct site_text));
		assert(site->texts != NULL);
	}
	site->texts[site->text_count++] = (struct site_text){.profile = object,
		.what = yaml_tree_copy(site->tree, what, strlen(what)),
		.text = text,
		.node = node};
}

/* Does it hold the text itself? A name of a file is one line, and no iPXE script begins with it. */
static bool is_text(const char *text)
{
	return strchr(text, '\n') != NULL || strncmp(text, "#!", 2) == 0;
}

const char *site_get_script(struct site *site, struct site_object *object,
	const struct yaml_node *node, const char *what)
{
	const struct yaml_node *text_node = yaml_tree_get(node, "text");
	const char *text;

	if (node->kind == YAML_MAP && node->count == 1 && text_node != NULL &&
		text_node->kind == YAML_TEXT) {
		text = text_node->text;
		remember_text(site, object, text_node, what, text);
		return text;
	}
	if (node->kind != YAML_TEXT || node->text[0] == '\0') {
		site_bad(site, object, node,
			"%s: write the name of a file, the text itself (more than one line), or "
			"{text: ...}",
			what);
		return NULL;
	}
	if (is_text(node->text)) {
		remember_text(site, object, node, what, node->text);
		return node->text;
	}
	char *path = site_path(site, node);
	size_t before = site->error_count;
	text = site_read_file(site, node, path, SITE_TEXT_MAX);
	if (text == NULL) {
		object->broken = object->broken || site->error_count > before;
		return NULL;
	}
	remember_text(site, object, node, what, text);
	site->texts[site->text_count - 1].file = path;
	return text;
}

static void read_script(struct site *site, const struct site_key *key,
	const struct yaml_node *value, struct site_object *object)
{
	const char *text = site_get_script(site, object, value, key->name);

	if (text != NULL) {
		edit_set_text(site_field(object->message, key->at), text);
	}
}

static void read_text(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object)
{
	const char *text = site_get_text(site, object, value);

	if (text != NULL && strpbrk(text, "\n\r\t") != NULL) {
		site_bad(site, object, value, "%s: one line", key->name);
	} else if (text != NULL) {
		edit_set_text(site_field(object->message, key->at), text);
	}
}

/* ---- images */

static void read_digest(
	struct site *site, const struct yaml_node *value, struct site_object *object)
{
	const char *text = site_get_text(site, object, value);

	if (text == NULL) {
		return;
	}
	text += strncmp(text, "sha256:", 7) == 0 ? 7 : 0;
	if (strlen(text) < 12 || strlen(text) > 64 ||
		strspn(text, "0123456789abcdef") != strlen(text)) {
		site_bad(site, object, value,
			"'%.80s': write 12 to 64 hexadecimal digits, as pxectl image list shows "
			"them",
			text);
		return;
	}
	object->digest = text;
}

static void read_from(struct site *site, const struct yaml_node *value, struct site_object *object)
{
	if (site_get_text(site, object, value) != NULL) {
		object->from = site_path(site, value);
	}
}

/* ---- one value */

static void read_own(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object)
{
	uint32_t ip;
	bool yes;

	if (key->value == SITE_IP && value->kind == YAML_TEXT && value->text[0] == '\0') {
		edit_set_bytes(site_field(object->message, key->at), NULL, 0);
	} else if (key->value == SITE_IP && site_get_ip(site, object, value, &ip)) {
		edit_set_ip(site_field(object->message, key->at), ip);
	} else if (key->value == SITE_BOOL && site_get_bool(site, object, value, &yes)) {
		*(protobuf_c_boolean *)site_field(object->message, key->at) = yes;
	}
}

void site_value_read(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object)
{
	uint32_t *number = site_field(object->message, key->at);

	switch (key->value) {
	case SITE_TEXT:
	case SITE_NAME: read_text(site, key, value, object); return;
	case SITE_IP:
	case SITE_BOOL: read_own(site, key, value, object); return;
	case SITE_IPS: read_ips(site, key, value, object); return;
	case SITE_SECONDS:
		site_get_seconds(site, object, value, key->min, key->max, number);
		return;
	case SITE_NUMBER: site_get_number(site, object, value, key->min, key->max, number); return;
	case SITE_PERCENT: read_percent(site, key, value, object); return;
	case SITE_TOGGLE: read_toggle(site, key, value, object); return;
	case SITE_NAMES:
	case SITE_PATHS: read_texts(site, key, value, object); return;
	case SITE_ARGS: read_args(site, key, value, object); return;
	case SITE_OPTIONS: site_read_options(site, value, object, key); return;
	case SITE_VARS: site_read_vars(site, value, object, key); return;
	case SITE_QUIRKS: site_read_quirks(site, value, object, key); return;
	case SITE_BOOT: site_read_boot(site, value, object, key); return;
	case SITE_LOADERS: site_read_loaders(site, value, object, key); return;
	case SITE_MACS: read_macs(site, key, value, object); return;
	case SITE_UUID: read_uuid(site, key, value, object); return;
	case SITE_IDENTITIES: read_identities(site, key, value, object); return;
	case SITE_HOST_IP: read_host_ip(site, value, object); return;
	case SITE_CIDR: read_cidr(site, value, object); return;
	case SITE_SUBNET_DHCP:
	case SITE_DHCP:
	case SITE_CHAIN: read_word(site, key, value, object); return;
	case SITE_RANGE: read_range(site, value, object); return;
	case SITE_EXCLUDE: read_exclude(site, value, object); return;
	case SITE_MATCH: site_read_match(site, value, object); return;
	case SITE_MENU: site_read_menu(site, value, object); return;
	case SITE_SCRIPT: read_script(site, key, value, object); return;
	case SITE_TEMPLATES: site_read_templates(site, value, object); return;
	case SITE_ONCE: site_read_once(site, value, object); return;
	case SITE_FROM: read_from(site, value, object); return;
	case SITE_DIGEST: read_digest(site, value, object); return;
	case SITE_DHCPV6:
		site_bad(site, object, value->key,
			"dhcpv6 is not there yet: this version has no DHCPv6");
		return;
	case SITE_SERVICE_IP:
		site_bad(site, object, value->key,
			"service_ip is not there yet: nodes answer at their own addresses");
		return;
	case SITE_NESTED: return;
	}
}
