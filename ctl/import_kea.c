/* Kea's Dhcp4: subnets, pools, reservations, classes. Whatever nobody took is told in the end. */
#include "ctl/import_kea.h"

#include "ctl/import_boot.h"

#include "proto/wire/text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void kea_left_out(struct kea *kea, const struct import_json *at, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	import_remark(kea->im, IMPORT_LEFT_OUT, at->at, NULL, "%s", text);
}

static struct import_node *scratch(struct kea *kea)
{
	struct import_node *node = import_alloc(kea->im, sizeof *node);

	node->parent = import_alloc(kea->im, sizeof *node->parent);
	return node;
}

static struct import_json *first_of(struct import_json *map, const char *key)
{
	struct import_json *list = import_json_take(map, key);

	return list == NULL || list->kind != IMPORT_JSON_LIST ? NULL : list->first;
}

/* --- what cluster, network, subnet, pool, class and host have in common --- */

static void put_lifetimes(struct kea *kea, struct import_json *map, struct import_node *node)
{
	static const struct {
		const char *kea, *key;
	} times[] = {{"valid-lifetime", "lease"}, {"min-valid-lifetime", "lease_min"},
		{"max-valid-lifetime", "lease_max"}};

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		const char *text = import_json_text(map, times[i].kea);
		uint64_t seconds;

		if (text == NULL) {
			continue;
		}
		if (text_u64_parse(text, UINT32_MAX, &seconds) != 0 || seconds == 0) {
			kea_left_out(kea, map, "%s: not understood", times[i].kea);
		} else {
			import_set_lease(kea->im, node, times[i].key, seconds, map->at);
		}
	}
}

static void put_boot(
	struct kea *kea, struct import_json *map, struct import_node *node, bool is_pool)
{
	const char *path = import_json_text(map, "boot-file-name");
	const char *server = import_json_text(map, "next-server");
	const struct import_node *match = import_child(node, "match");

	if (server != NULL && server[0] != '\0' && strcmp(server, "0.0.0.0") != 0) {
		import_remark(kea->im, IMPORT_NOTE, map->at, NULL,
			"next-server %s: machines load from the cluster; push the files as an "
			"image",
			server);
	}
	if (path == NULL || path[0] == '\0') {
		return;
	}
	if (is_pool) {
		kea_left_out(kea, map, "boot-file-name for one pool");
	} else if (import_boot_is_ipxe(path)) {
		import_remark(kea->im, IMPORT_NOTE, map->at, NULL,
			"%s is not needed: machines get the iPXE of this project first", path);
	} else {
		struct import_node *profile = import_boot_profile(kea->im, map->at, NULL, path,
			match == NULL ? NULL : import_child(match, "arch"));

		import_set(kea->im, node, "boot", import_get(profile, "name"));
	}
}

static void put_common(struct kea *kea, struct import_json *map, struct import_node *node)
{
	kea_definitions(kea, map);
	kea_options(kea, map, node);
	put_lifetimes(kea, map, node);
	put_boot(kea, map, node, false);
}

/* --- classes --- */

static const char *class_name(struct kea *kea, const char *name)
{
	if (strcmp(name, "KNOWN") == 0 || strcmp(name, "UNKNOWN") == 0) {
		return name[0] == 'K' ? "known" : "unknown";
	}
	const char *clean = import_clean_name(kea->im, name);
	/* VENDOR_CLASS_x is every machine that says x. */
	if (strncmp(name, "VENDOR_CLASS_", 13) == 0 &&
		import_find(kea->im, "groups", clean) == NULL) {
		struct import_node *group = import_named(kea->im, "groups", clean);

		import_add(kea->im, import_map(kea->im, group, "match"), "vendor_class", name + 13);
	}
	return clean;
}

static void put_class(struct kea *kea, struct import_json *map)
{
	const char *name = import_json_text(map, "name"), *test = import_json_text(map, "test");

	map->seen = true;
	if (name == NULL) {
		kea_left_out(kea, map, "a class without a name");
		return;
	}
	struct import_node *group = import_named(kea->im, "groups", class_name(kea, name));
	struct import_node *match = scratch(kea);
	if (strcmp(name, "DROP") == 0) {
		import_set_plain(kea->im, group, "ignore", "true");
	}
	if (test != NULL && test[0] != '\0') {
		if (kea_test(kea, test, match)) {
			import_inherit(kea->im, import_map(kea->im, group, "match"), match);
		} else {
			import_remark(kea->im, IMPORT_TODO, map->at, group,
				"who belongs to the group? Not understood: %.200s", test);
		}
	}
	put_common(kea, map, group);
}

/* --- reservations --- */

/* "01:02:03", "0x010203" or "'text'" as digits. */
static const char *identity(struct kea *kea, const char *text)
{
	struct import_bytes store = {.size = 0}, *bytes = &store;
	size_t length = strlen(text);
	const char *why, *bare = text;
	bool quoted = length >= 2 && text[0] == '\'' && text[length - 1] == '\'';

	if (quoted) {
		bare = import_copy(kea->im, text + 1, length - 2);
	}
	if (import_encode(kea->im, quoted ? IMPORT_STRING : IMPORT_HEX, &bare, 1, bytes, &why) !=
		0) {
		return NULL;
	}
	char *hex = import_alloc(kea->im, 2 * bytes->size + 1);
	return text_hex_format(bytes->data, bytes->size, hex, 2 * bytes->size + 1);
}

static const char *host_name(struct kea *kea, const char *hostname, const char *mac, const char *id)
{
	if (hostname != NULL && hostname[0] != '\0') {
		return import_copy(kea->im, hostname, strcspn(hostname, "."));
	}
	char *made = import_text(kea->im, "h-%s", mac != NULL ? mac : id);
	size_t used = 0;

	for (const char *at = made; *at != '\0'; at++) {
		if (*at != ':') {
			made[used++] = *at;
		}
	}
	made[used] = '\0';
	return made;
}

static const char *usual_mac(struct kea *kea, const char *text)
{
	struct import_bytes store = {.size = 0}, *bytes = &store;
	char *mac = import_alloc(kea->im, TEXT_HWADDR_BYTES);
	const char *why;

	if (text == NULL || import_encode(kea->im, IMPORT_HEX, &text, 1, bytes, &why) != 0 ||
		bytes->size == 0 || bytes->size > 16) {
		return NULL;
	}
	return text_hwaddr_format(bytes->data, bytes->size, mac);
}

static void put_host(struct kea *kea, struct import_json *map)
{
	static const char *const keys[] = {"client-id", "circuit-id"};
	static const char *const fields[] = {"client_id", "circuit_id"};
	const char *mac = usual_mac(kea, import_json_text(map, "hw-address"));
	const char *hostname = import_json_text(map, "hostname");
	const char *ip = import_json_text(map, "ip-address"), *id[2] = {NULL, NULL};
	uint32_t address;

	map->seen = true;
	for (size_t i = 0; i < 2; i++) {
		const char *text = import_json_text(map, keys[i]);

		id[i] = text == NULL ? NULL : identity(kea, text);
	}
	if (mac == NULL && id[0] == NULL && id[1] == NULL) {
		kea_left_out(kea, map,
			"a reservation that is known by neither hw-address nor client-id nor "
			"circuit-id");
		return;
	}
	struct import_node *node = import_named(kea->im, "hosts",
		import_free_name(kea->im, "hosts",
			host_name(kea, hostname, mac, id[0] != NULL ? id[0] : id[1])));
	if (mac != NULL) {
		import_add(kea->im, node, "mac", mac);
	}
	for (size_t i = 0; i < 2; i++) {
		if (id[i] != NULL) {
			import_add(kea->im, node, fields[i], id[i]);
		}
	}
	if (ip != NULL && text_ip4_parse(ip, &address) == 0) {
		import_set(kea->im, node, "ip", ip);
	} else if (ip != NULL) {
		kea_left_out(kea, map, "'%s' is no IPv4 address", ip);
	}
	if (hostname != NULL && strcmp(hostname, import_get(node, "name")) != 0 &&
		hostname[0] != '\0') {
		import_set(kea->im, node, "hostname", hostname);
	}
	for (struct import_json *at = first_of(map, "client-classes"); at != NULL; at = at->next) {
		at->seen = true;
		if (at->kind == IMPORT_JSON_STRING) {
			const char *group = class_name(kea, at->text);

			import_named(kea->im, "groups", group);
			import_add(kea->im, node, "groups", group);
		}
	}
	put_common(kea, map, node);
}

static void put_hosts(struct kea *kea, struct import_json *map)
{
	for (struct import_json *at = first_of(map, "reservations"); at != NULL; at = at->next) {
		put_host(kea, at);
	}
}

/* --- subnets --- */

/* "192.0.2.1 - 192.0.2.200", "192.0.2.0/26" */
static const char *pool_range(struct kea *kea, const char *text)
{
	char *bare = import_copy(kea->im, text, strlen(text));
	char first[TEXT_IP4_BYTES], last[TEXT_IP4_BYTES], *dash;
	uint32_t from, to;
	unsigned prefix;
	size_t used = 0;

	for (const char *at = text; *at != '\0'; at++) {
		if (strchr(" \t", *at) == NULL) {
			bare[used++] = *at;
		}
	}
	bare[used] = '\0';
	dash = strchr(bare, '-');
	if (dash == NULL && text_cidr4_parse(bare, &from, &prefix) == 0) {
		from &= text_ip4_mask(prefix);
		to = from | ~text_ip4_mask(prefix);
	} else {
		if (dash == NULL) {
			return NULL;
		}
		*dash = '\0';
		if (text_ip4_parse(bare, &from) != 0 || text_ip4_parse(dash + 1, &to) != 0) {
			return NULL;
		}
	}
	return import_text(
		kea->im, "%s-%s", text_ip4_format(from, first), text_ip4_format(to, last));
}

static void put_guard(struct kea *kea, struct import_json *map, struct import_node *pool)
{
	const char *class = import_json_text(map, "client-class");

	if (class != NULL && class[0] != '\0') {
		import_add(kea->im, pool, "only", class_name(kea, class));
	}
}

static void put_pools(struct kea *kea, struct import_json *map, struct import_node *subnet,
	const struct import_node *guard)
{
	unsigned number = 0;

	for (struct import_json *at = first_of(map, "pools"); at != NULL; at = at->next) {
		const char *text = import_json_text(at, "pool");
		const char *range = text == NULL ? NULL : pool_range(kea, text);

		at->seen = true;
		if (range == NULL) {
			kea_left_out(kea, at, "a pool without a range of IPv4 addresses");
			continue;
		}
		struct import_node *pool =
			import_entry(kea->im, import_list(kea->im, subnet, "pools"));
		import_set(kea->im, pool, "name",
			import_text(kea->im, "%.56s-%u", import_get(subnet, "name"), ++number));
		import_set(kea->im, pool, "range", range);
		put_guard(kea, at, pool);
		if (import_child(pool, "only") == NULL) {
			import_inherit(kea->im, pool, guard);
		} else if (guard->first != NULL) {
			import_remark(kea->im, IMPORT_TODO, at->at, import_child(pool, "only"),
				"its subnet is for %s alone, too", guard->first->first->text);
		}
		kea_options(kea, at, pool);
		put_boot(kea, at, pool, true);
	}
}

static void put_subnet(struct kea *kea, struct import_json *map, const struct import_node *network,
	const char *network_name)
{
	const char *cidr = import_json_text(map, "subnet");
	struct import_node *guard = scratch(kea);
	char text[TEXT_CIDR4_BYTES], name[TEXT_IP4_BYTES];
	uint32_t ip;
	unsigned prefix;

	map->seen = true;
	if (cidr == NULL || text_cidr4_parse(cidr, &ip, &prefix) != 0) {
		kea_left_out(kea, map, "a subnet without an IPv4 network");
		return;
	}
	ip &= text_ip4_mask(prefix);
	struct import_node *node = import_named(kea->im, "subnets",
		import_free_name(kea->im, "subnets",
			import_text(kea->im, "net-%s", text_ip4_format(ip, name))));
	import_set(kea->im, node, "cidr", text_cidr4_format(ip, prefix, text));
	if (network_name != NULL) {
		import_set(
			kea->im, node, "shared_network", import_clean_name(kea->im, network_name));
	}
	put_common(kea, map, node);
	put_guard(kea, map, guard);
	put_pools(kea, map, node, guard);
	put_hosts(kea, map);
	import_inherit(kea->im, node, network);
}

static void put_subnets(struct kea *kea, struct import_json *map, const struct import_node *network,
	const char *network_name)
{
	for (struct import_json *at = first_of(map, "subnet4"); at != NULL; at = at->next) {
		put_subnet(kea, at, network, network_name);
	}
}

static void put_network(struct kea *kea, struct import_json *map)
{
	struct import_node *network = scratch(kea);
	const char *name = import_json_text(map, "name");

	map->seen = true;
	put_common(kea, map, network);
	put_subnets(kea, map, network, name != NULL ? name : "network");
}

/* --- what is left --- */

static bool is_among(const char *key, const char *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(keys[i], key) == 0) {
			return true;
		}
	}
	return false;
}

/* About Kea's process, its storage, its DNS updates, or what the cluster does anyway. */
static bool is_process(const char *key)
{
	static const char *const keys[] = {"interfaces-config", "lease-database", "loggers",
		"control-socket", "dhcp-ddns", "expired-leases-processing", "sanity-checks",
		"multi-threading", "dhcp-queue-control", "dhcp4o6-port", "server-tag",
		"config-control", "hosts-database", "hosts-databases", "hostname-char-set",
		"hostname-char-replacement", "statistic-default-sample-age",
		"statistic-default-sample-count", "lenient-option-parsing", "compatibility",
		"host-reservation-identifiers", "reservations-global", "reservations-in-subnet",
		"reservations-out-of-pool", "reservations-lookup-first", "reservation-mode",
		"early-global-reservations-lookup", "ip-reservations-unique", "cache-max-age",
		"cache-threshold", "store-extended-info", "parked-packet-limit", "id", "comment",
		"user-context", "interface", "4o6-interface", "4o6-interface-id", "4o6-subnet",
		"renew-timer", "rebind-timer", "calculate-tee-times", "t1-percent", "t2-percent",
		"authoritative", "match-client-id", "sanity-check", "Logging", "Control-agent",
		"DhcpDdns"};

	return is_among(key, keys, sizeof keys / sizeof keys[0]) || strncmp(key, "ddns-", 5) == 0;
}

static struct import_json *next_json(struct import_json *at, bool inside)
{
	if (inside && at->first != NULL) {
		return at->first;
	}
	while (at != NULL && at->next == NULL) {
		at = at->parent;
	}
	return at == NULL ? NULL : at->next;
}

/* Every value that nobody took: one remark for all that is below it. */
static void tell_rest(struct kea *kea, struct import_json *root)
{
	struct import_json *at = root;

	while ((at = next_json(at, at->seen)) != NULL) {
		if (at->seen) {
			continue;
		}
		const char *key = at->key != NULL                                 ? at->key
				  : at->parent != NULL && at->parent->key != NULL ? at->parent->key
										  : "value";
		bool empty = at->kind == IMPORT_JSON_NULL ||
			     (at->first == NULL && (at->text == NULL || at->text[0] == '\0'));

		if (is_process(key) || empty) {
			import_ignore(kea->im, "parameters about Kea's own process, its storage "
					       "and DNS updates, or "
					       "without a value, ignored");
		} else {
			kea_left_out(kea, at, "%.80s has no counterpart", key);
		}
	}
}

static void put_settings(struct kea *kea, struct import_json *map, struct import_node *cluster)
{
	const char *echo = import_json_text(map, "echo-client-id");
	const char *decline = import_json_text(map, "decline-probation-period");
	char text[TEXT_DURATION_BYTES];
	uint64_t seconds;

	if (echo != NULL) {
		import_set_plain(kea->im, import_map(kea->im, cluster, "quirks"), "echo_client_id",
			strcmp(echo, "true") == 0 ? "true" : "false");
	}
	if (decline != NULL && text_u64_parse(decline, UINT32_MAX, &seconds) == 0) {
		import_set(kea->im, cluster, "decline", text_duration_format(seconds * 1000, text));
	}
}

static int import_text_of(struct kea *kea, const char *path, const char *text)
{
	struct import_json *root = import_json_parse(kea->im, path, text);
	struct import_node *cluster = import_map(kea->im, import_root(kea->im), "cluster");

	if (root == NULL) {
		return -EINVAL;
	}
	root->seen = true;
	struct import_json *dhcp4 = import_json_take(root, "Dhcp4");
	if (dhcp4 == NULL || dhcp4->kind != IMPORT_JSON_MAP) {
		kea_left_out(kea, root, "there is no \"Dhcp4\" in it");
		return -EINVAL;
	}
	put_common(kea, dhcp4, cluster);
	put_settings(kea, dhcp4, cluster);
	for (struct import_json *at = first_of(dhcp4, "client-classes"); at != NULL;
		at = at->next) {
		put_class(kea, at);
	}
	put_subnets(kea, dhcp4, scratch(kea), NULL);
	for (struct import_json *at = first_of(dhcp4, "shared-networks"); at != NULL;
		at = at->next) {
		put_network(kea, at);
	}
	put_hosts(kea, dhcp4);
	tell_rest(kea, root);
	return 0;
}

int import_kea(struct import *im, const struct import_source *sources, size_t count)
{
	struct kea kea = {.im = im};
	const struct import_at nowhere = {NULL, 0};
	int result = 0;

	import_map(im, import_root(im), "cluster");
	import_list(im, import_root(im), "subnets");
	import_list(im, import_root(im), "groups");
	import_list(im, import_root(im), "hosts");
	for (size_t i = 0; i < count; i++) {
		size_t bytes;
		const char *text = sources[i].text != NULL
					   ? sources[i].text
					   : import_open(im, sources[i].path, nowhere, &bytes);
		int one = text == NULL ? -ENOENT : import_text_of(&kea, sources[i].path, text);

		result = one != 0 ? one : result;
	}
	return result;
}
