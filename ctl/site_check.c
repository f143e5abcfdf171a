/* What can be judged of a site file without the cluster: names, addresses, identities. Templates
 * and variables: site_check_vars.c. */
#include "ctl/site_check.h"

#include "ctl/show.h"
#include "proto/cred/suggest.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_SLOTS      65536u
#define SEEN_TEXT_BYTES 320
#define NAMES_MAX       4096

/* ---- what may stand once only */

struct seen {
	struct seen *next;
	const char *what;
	const struct yaml_node *node;
	const struct site_object *object;
};

struct check {
	struct site *site;
	site_exists *exists;
	void *ctx;
	struct seen *seen[SEEN_SLOTS];
	const struct site_object **pools; /* in the order of their first addresses */
	size_t pool_count;
};

/* "mac 52:54:00:aa:00:01" of two objects is an error at the second. */
static void see(struct check *check, const struct site_object *object, const struct yaml_node *node,
	const char *what)
{
	uint32_t hash = 2166136261u;
	struct seen *seen;

	for (const char *at = what; *at != '\0'; at++) {
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	}
	for (seen = check->seen[hash % SEEN_SLOTS]; seen != NULL; seen = seen->next) {
		if (strcmp(seen->what, what) == 0) {
			site_error(check->site, node,
				"%s is there twice: %s %s has it, too (%s:%u)", what,
				site_kind_noun(seen->object->kind), seen->object->name,
				seen->node->file, seen->node->line);
			return;
		}
	}
	seen = yaml_tree_alloc(check->site->tree, sizeof *seen);
	*seen = (struct seen){check->seen[hash % SEEN_SLOTS],
		yaml_tree_copy(check->site->tree, what, strlen(what)), node, object};
	check->seen[hash % SEEN_SLOTS] = seen;
}

/* The i-th value of a key, for its place. */
static const struct yaml_node *item_node(
	const struct site_object *object, const char *key, size_t index)
{
	const struct yaml_node *node = site_key_node(object, key);

	if (node == object->node || node->kind != YAML_LIST) {
		return node;
	}
	const struct yaml_node *item = node->first;
	for (size_t i = 0; i < index && item != NULL; i++) {
		item = item->next;
	}
	return item != NULL ? item : node;
}

/* ---- names */

static void unknown_name(
	struct check *check, const struct yaml_node *node, enum site_kind kind, const char *name)
{
	const char *names[NAMES_MAX], *nearest;
	size_t count = 0;

	for (size_t i = 0; i < check->site->object_count && count < NAMES_MAX; i++) {
		if (check->site->objects[i]->kind == kind) {
			names[count++] = check->site->objects[i]->name;
		}
	}
	nearest = suggest_nearest(name, names, count);
	site_error(check->site, node, "there is no %s '%.80s'%s%s%s", site_kind_noun(kind), name,
		nearest != NULL         ? "; did you mean '"
		: check->exists == NULL ? " in this file"
					: "",
		nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

static void need(
	struct check *check, const struct yaml_node *node, enum site_kind kind, const char *name)
{
	if (name[0] != '\0' && site_find(check->site, kind, name) == NULL &&
		(check->exists == NULL || !check->exists(check->ctx, kind, name))) {
		unknown_name(check, node, kind, name);
	}
}

bool site_is_builtin_profile(const char *name)
{
	static const char *const names[] = {"local", "none", "menu", "wait"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(name, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

static void need_profile(struct check *check, const struct yaml_node *node, const char *name)
{
	if (!site_is_builtin_profile(name)) {
		need(check, node, SITE_PROFILE, name);
	}
}

static void need_group(struct check *check, const struct yaml_node *node, const char *name)
{
	if (strcmp(name, "known") != 0 && strcmp(name, "unknown") != 0) {
		need(check, node, SITE_GROUP, name);
	}
}

static void check_boot(struct check *check, const struct site_object *object)
{
	const struct yaml_node *boot = yaml_tree_get(object->node, "boot");

	if (boot != NULL && boot->kind == YAML_TEXT) {
		need_profile(check, boot, boot->text);
	}
	for (const struct yaml_node *item = boot != NULL && boot->kind == YAML_MAP ? boot->first
										   : NULL;
		item != NULL; item = item->next) {
		if (item->kind == YAML_TEXT) {
			need_profile(check, item, item->text);
		}
	}
}

static void check_groups(struct check *check, const struct site_object *object, const char *key,
	char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		need_group(check, item_node(object, key, i), names[i]);
	}
}

/* ---- subnets and pools */

static void range_of(const Pxe__Subnet *subnet, uint32_t *ret_first, uint32_t *ret_last)
{
	*ret_first = msg_ip4_get(subnet->network_ip);
	*ret_last = *ret_first | ~text_ip4_mask(subnet->prefix_len);
}

static const struct site_object *subnet_of(const struct check *check, uint32_t ip)
{
	for (size_t i = 0; i < check->site->object_count; i++) {
		const struct site_object *object = check->site->objects[i];
		uint32_t first, last;
		if (object->kind != SITE_SUBNET || object->broken) {
			continue;
		}
		range_of((const Pxe__Subnet *)(const void *)object->message, &first, &last);
		if (ip >= first && ip <= last) {
			return object;
		}
	}
	return NULL;
}

static void check_subnet(struct check *check, const struct site_object *object, size_t index)
{
	const Pxe__Subnet *subnet = (const Pxe__Subnet *)(const void *)object->message;
	char text[TEXT_IP4_BYTES], gateway_text[64];
	uint32_t first, last, gateway = msg_ip4_get(subnet->gateway_ip);

	if (subnet->network_ip.len == 0) {
		if (!object->broken) {
			site_error(
				check->site, object->node, "subnet %s has no cidr", object->name);
		}
		return;
	}
	range_of(subnet, &first, &last);
	if (gateway != 0 && (gateway <= first || gateway >= last)) {
		site_error(check->site, site_key_node(object, "gateway"),
			"gateway %s is not a host address of subnet %s",
			text_ip4_format(gateway, text), object->name);
	} else if (gateway != 0) {
		snprintf(gateway_text, sizeof gateway_text, "address %s",
			text_ip4_format(gateway, text));
		see(check, object, site_key_node(object, "gateway"), gateway_text);
	}
	for (size_t i = 0; i < index; i++) {
		const struct site_object *other = check->site->objects[i];
		uint32_t other_first, other_last;
		if (other->kind != SITE_SUBNET || other->broken) {
			continue;
		}
		range_of((const Pxe__Subnet *)(const void *)other->message, &other_first,
			&other_last);
		if (other_first <= last && first <= other_last) {
			site_error(check->site, site_key_node(object, "cidr"),
				"subnet %s overlaps subnet %s (%s:%u)", object->name, other->name,
				other->node->file, other->node->line);
		}
	}
}

static void check_pool(struct check *check, const struct site_object *object)
{
	const Pxe__Pool *pool = (const Pxe__Pool *)(const void *)object->message;
	const struct site_object *subnet = site_find(check->site, SITE_SUBNET, pool->subnet);
	const struct yaml_node *range = site_key_node(object, "range");
	uint32_t first = msg_ip4_get(pool->first_ip), last = msg_ip4_get(pool->last_ip);
	uint32_t subnet_first, subnet_last;

	check_groups(check, object, "only", pool->only, pool->n_only);
	check_groups(check, object, "except", pool->except, pool->n_except);
	if (pool->first_ip.len == 0) {
		if (!object->broken) {
			site_error(check->site, object->node, "pool %s has no range", object->name);
		}
		return;
	}
	if (subnet != NULL && !subnet->broken) {
		range_of((const Pxe__Subnet *)(const void *)subnet->message, &subnet_first,
			&subnet_last);
		if (first < subnet_first || last > subnet_last) {
			site_error(check->site, range, "the range is not inside subnet %s",
				subnet->name);
		}
	}
	for (size_t i = 0; i < pool->n_exclude; i++) {
		if (msg_ip4_get(pool->exclude[i]->first_ip) < first ||
			msg_ip4_get(pool->exclude[i]->last_ip) > last) {
			site_error(check->site, item_node(object, "exclude", i),
				"it is not inside the pool's range: it excludes nothing");
		}
	}
}

static uint32_t first_of(const struct site_object *object)
{
	return msg_ip4_get(((const Pxe__Pool *)(const void *)object->message)->first_ip);
}

static uint32_t last_of(const struct site_object *object)
{
	return msg_ip4_get(((const Pxe__Pool *)(const void *)object->message)->last_ip);
}

static int by_first(const void *a, const void *b)
{
	uint32_t one = first_of(*(const struct site_object *const *)a);
	uint32_t other = first_of(*(const struct site_object *const *)b);

	return (one > other) - (one < other);
}

static void collect_pools(struct check *check)
{
	struct site *site = check->site;

	check->pools = calloc(site->object_count + 1, sizeof *check->pools);
	assert(check->pools != NULL);
	for (size_t i = 0; i < site->object_count; i++) {
		if (site->objects[i]->kind == SITE_POOL && first_of(site->objects[i]) != 0) {
			check->pools[check->pool_count++] = site->objects[i];
		}
	}
	if (check->pool_count > 1) {
		qsort(check->pools, check->pool_count, sizeof *check->pools, by_first);
	}
	for (size_t i = 1; i < check->pool_count; i++) {
		const struct site_object *before = check->pools[i - 1], *pool = check->pools[i];
		if (first_of(pool) <= last_of(before)) {
			site_error(site, site_key_node(pool, "range"),
				"pool %s overlaps pool %s (%s:%u)", pool->name, before->name,
				before->node->file, before->node->line);
		}
	}
}

static const struct site_object *pool_of(const struct check *check, uint32_t ip)
{
	size_t low = 0, high = check->pool_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (first_of(check->pools[middle]) <= ip) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0 && last_of(check->pools[low - 1]) >= ip ? check->pools[low - 1] : NULL;
}

/* ---- hosts */

/* Does the file say all that there is? Not without any subnet, nor with one that was not read. */
static bool knows_subnets(const struct check *check)
{
	bool any = false;

	for (size_t i = 0; i < check->site->object_count; i++) {
		const struct site_object *object = check->site->objects[i];
		if (object->kind == SITE_SUBNET && object->broken) {
			return false;
		}
		any = any || object->kind == SITE_SUBNET;
	}
	return any;
}

static void check_reservation(
	struct check *check, const struct site_object *object, uint32_t ip, size_t index)
{
	const struct yaml_node *node = item_node(object, "ip", index);
	const struct site_object *subnet = subnet_of(check, ip), *pool = pool_of(check, ip);
	char text[TEXT_IP4_BYTES], what[64];
	uint32_t first, last;

	text_ip4_format(ip, text);
	snprintf(what, sizeof what, "address %s", text);
	see(check, object, node, what);
	if (subnet == NULL) {
		/* What the cluster has besides is judged by the cluster. */
		if (check->exists == NULL && knows_subnets(check)) {
			site_error(
				check->site, node, "address %s is in no subnet of this file", text);
		}
		return;
	}
	range_of((const Pxe__Subnet *)(const void *)subnet->message, &first, &last);
	if (ip == first || ip == last) {
		site_error(check->site, node, "address %s is the %s of subnet %s", text,
			ip == first ? "network address" : "broadcast address", subnet->name);
	} else if (pool != NULL) {
		site_warn(check->site, node,
			"address %s lies in pool %s: it works, but the pool has one address less",
			text, pool->name);
	}
}

/* One machine has one address in a subnet. */
static void check_one_each(struct check *check, const struct site_object *object)
{
	const Pxe__Host *host = (const Pxe__Host *)(const void *)object->message;

	for (size_t i = 0; i < host->n_more_ip; i++) {
		const struct site_object *subnet = subnet_of(check, msg_ip4_get(host->more_ip[i]));
		bool again = subnet != NULL && subnet == subnet_of(check, msg_ip4_get(host->ip));
		for (size_t j = 0; j < i && subnet != NULL; j++) {
			again = again || subnet == subnet_of(check, msg_ip4_get(host->more_ip[j]));
		}
		if (again) {
			site_error(check->site, item_node(object, "ip", i + 1),
				"host %s has two addresses in subnet %s: one machine has one there",
				object->name, subnet->name);
		}
	}
}

static void see_bytes(struct check *check, const struct site_object *object, const char *key,
	const ProtobufCBinaryData *list, size_t count)
{
	char hex[2 * 128 + 1], text[SEEN_TEXT_BYTES], mac[TEXT_HWADDR_BYTES];

	for (size_t i = 0; i < count; i++) {
		if (list[i].len > 128) {
			continue;
		}
		if (strcmp(key, "mac") == 0 && list[i].len <= 16) {
			snprintf(text, sizeof text, "mac %s",
				text_hwaddr_format(list[i].data, list[i].len, mac));
		} else {
			snprintf(text, sizeof text, "%s %s", key,
				text_hex_format(list[i].data, list[i].len, hex, sizeof hex));
		}
		see(check, object, item_node(object, key, i), text);
	}
}

static void check_host(struct check *check, const struct site_object *object)
{
	const Pxe__Host *host = (const Pxe__Host *)(const void *)object->message;

	if (host->n_mac == 0 && host->uuid.len == 0 && host->n_client_id == 0 &&
		host->n_circuit_id == 0 && !object->broken) {
		site_error(check->site, object->node,
			"host %s has neither mac, uuid, client_id nor circuit_id: nothing tells "
			"which machine it is",
			object->name);
	}
	see_bytes(check, object, "mac", host->mac, host->n_mac);
	see_bytes(check, object, "client_id", host->client_id, host->n_client_id);
	see_bytes(check, object, "circuit_id", host->circuit_id, host->n_circuit_id);
	see_bytes(check, object, "uuid", &host->uuid, host->uuid.len > 0 ? 1 : 0);
	if (host->ip.len > 0) {
		check_reservation(check, object, msg_ip4_get(host->ip), 0);
	}
	for (size_t i = 0; i < host->n_more_ip; i++) {
		check_reservation(check, object, msg_ip4_get(host->more_ip[i]), i + 1);
	}
	check_one_each(check, object);
	check_groups(check, object, "groups", host->groups, host->n_groups);
	if (object->once_profile != NULL) {
		need_profile(check, yaml_tree_get(site_key_node(object, "once"), "profile"),
			object->once_profile);
	}
}

/* ---- groups and profiles */

static void check_group(struct check *check, const struct site_object *object)
{
	const Pxe__Group *group = (const Pxe__Group *)(const void *)object->message;
	const struct yaml_node *match = yaml_tree_get(object->node, "match");

	for (size_t i = 0; group->match != NULL && i < group->match->n_subnet; i++) {
		const struct yaml_node *node = yaml_tree_get(match, "subnet");
		need(check, node != NULL ? node : object->node, SITE_SUBNET,
			group->match->subnet[i]);
	}
}

static const char *profile_flaw(const Pxe__Profile *profile)
{
	bool has_kernel = profile->kernel[0] != '\0', has_script = profile->script[0] != '\0';
	bool has_files = has_kernel || profile->n_loaders > 0;

	if (has_kernel && has_script) {
		return "has a kernel and a script: the script replaces the kernel, keep one";
	}
	if (profile->n_initrd > 0 && !has_kernel && !has_script) {
		return "has an initrd but no kernel";
	}
	if (has_files && profile->image[0] == '\0') {
		return "names files but no image that holds them";
	}
	if (!has_files && !has_script && !profile->local && profile->menu == NULL &&
		profile->grub_script[0] == '\0' && profile->pxelinux_script[0] == '\0') {
		return "boots nothing: give it a kernel, a script, nbp, a menu, or local: true";
	}
	return NULL;
}

static void check_image_ref(
	struct check *check, const struct site_object *object, const char *image)
{
	size_t length = strcspn(image, "@");
	const char *version = image[length] == '@' ? image + length + 1 : NULL;
	char *name = yaml_tree_copy(check->site->tree, image, length);

	if (version != NULL) {
		version += strncmp(version, "sha256:", 7) == 0 ? 7 : 0;
	}
	if (version != NULL && strcmp(version, "prev") != 0 &&
		(strlen(version) < 12 || strlen(version) > 64 ||
			strspn(version, "0123456789abcdef") != strlen(version))) {
		site_error(check->site, site_key_node(object, "image"),
			"'%.80s': write NAME, NAME@prev, or NAME@ with 12 to 64 hexadecimal digits",
			image);
	}
	need(check, site_key_node(object, "image"), SITE_IMAGE, name);
}

static void check_profile(struct check *check, const struct site_object *object)
{
	const Pxe__Profile *profile = (const Pxe__Profile *)(const void *)object->message;
	const struct yaml_node *items = yaml_tree_get(site_key_node(object, "menu"), "items");
	const struct yaml_node *item = items != NULL ? items->first : NULL;
	const char *flaw = profile_flaw(profile);

	if (site_is_builtin_profile(object->name)) {
		site_error(check->site, site_key_node(object, "name"),
			"profile %s is built in: choose another name", object->name);
	}
	if (flaw != NULL && !object->broken) {
		site_error(check->site, object->node, "profile %s %s", object->name, flaw);
	}
	if (profile->image[0] != '\0') {
		check_image_ref(check, object, profile->image);
	}
	for (size_t i = 0; profile->menu != NULL && i < profile->menu->n_items; i++) {
		const struct yaml_node *node = yaml_tree_get(item, "profile");
		need_profile(check, node != NULL ? node : object->node,
			profile->menu->items[i]->profile);
		item = item != NULL ? item->next : NULL;
	}
}

static void check_object(struct check *check, const struct site_object *object, size_t index)
{
	switch (object->kind) {
	case SITE_SUBNET: check_subnet(check, object, index); break;
	case SITE_POOL: check_pool(check, object); break;
	case SITE_HOST: check_host(check, object); break;
	case SITE_GROUP: check_group(check, object); break;
	case SITE_PROFILE: check_profile(check, object); break;
	case SITE_CLUSTER:
	case SITE_IMAGE:
	case SITE_KINDS: break;
	}
	check_boot(check, object);
}

void site_check(struct site *site, site_exists *exists, void *ctx)
{
	struct check *check = calloc(1, sizeof *check);

	assert(check != NULL);
	check->site = site;
	check->exists = exists;
	check->ctx = ctx;
	collect_pools(check);
	for (size_t i = 0; i < site->object_count; i++) {
		check_object(check, site->objects[i], i);
	}
	site_check_vars(site);
	free(check->pools);
	free(check);
}
