/* The sections of a site file: maps into objects. */
#include "ctl/site_impl.h"

#include "ctl/edit_field.h"
#include "proto/cred/suggest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define KEYS_MAX        40
#define GROUP_STEP      10 /* between the orders of groups, so that one can be put between */
#define READ_NAME_BYTES 96

void site_unknown_key(struct site *site, struct site_object *object, const struct yaml_node *key,
	const char *const *names, size_t count)
{
	const char *nearest = suggest_nearest(key->text, names, count);
	char all[600] = "";

	if (object != NULL) {
		object->broken = true;
	}
	for (size_t i = 0; i < count && nearest == NULL; i++) {
		size_t used = strlen(all);
		snprintf(all + used, sizeof all - used, "%s%s", i == 0 ? "" : ", ", names[i]);
	}
	if (nearest != NULL) {
		site_error(
			site, key, "unknown key '%.80s'; did you mean '%s'?", key->text, nearest);
	} else {
		site_error(site, key, "unknown key '%.80s'; there are: %s", key->text, all);
	}
}

/* All keys of the object's map. */
static void read_keys(
	struct site *site, struct site_object *object, const struct yaml_node *map, bool apply)
{
	const char *names[KEYS_MAX];
	size_t count;
	const struct site_key *keys = site_keys(object->kind, &count);

	assert(count <= KEYS_MAX);
	for (size_t i = 0; i < count; i++) {
		names[i] = keys[i].name;
	}
	for (const struct yaml_node *value = map->first; value != NULL; value = value->next) {
		size_t at = 0;
		while (at < count && strcmp(keys[at].name, value->key->text) != 0) {
			at++;
		}
		if (at < count) {
			site_value_read(site, &keys[at], value, object);
		} else if (apply) {
			site_unknown_key(site, object, value->key, names, count);
		}
	}
}

static const struct yaml_node *name_of(
	struct site *site, const struct yaml_node *map, enum site_kind kind)
{
	const struct yaml_node *name = yaml_tree_get(map, "name");

	if (map->kind != YAML_MAP) {
		site_error(site, map, "a %s is a map of keys, such as {name: ...}",
			site_kind_noun(kind));
		return NULL;
	}
	if (name == NULL || name->kind != YAML_TEXT || yaml_tree_is_empty(name)) {
		site_error(site, name != NULL ? name : map, "the %s has no name",
			site_kind_noun(kind));
		return NULL;
	}
	return name;
}

static struct site_object *read_object(
	struct site *site, enum site_kind kind, const struct yaml_node *map)
{
	const struct yaml_node *name = name_of(site, map, kind);
	struct site_object *object =
		name == NULL ? NULL : site_add(site, kind, map, name->text, name);

	if (object != NULL) {
		read_keys(site, object, map, true);
	}
	return object;
}

/* ---- subnets and their pools */

static void read_pool(struct site *site, const struct site_object *subnet,
	const struct yaml_node *map, size_t index)
{
	const struct yaml_node *name = yaml_tree_get(map, "name");
	char made[READ_NAME_BYTES];
	struct site_object *pool;

	if (map->kind != YAML_MAP) {
		site_error(site, map,
			"a pool is a map of keys, such as {range: "
			"10.20.2.0-10.20.3.199}");
		return;
	}
	/* The subnet's name, then NAME-2, NAME-3 ... */
	snprintf(made, sizeof made, index == 0 ? "%s" : "%s-%zu", subnet->name, index + 1);
	if (name != NULL && name->kind == YAML_TEXT && !yaml_tree_is_empty(name)) {
		pool = site_add(site, SITE_POOL, map, name->text, name);
	} else {
		pool = site_add(site, SITE_POOL, map, made, map);
	}
	if (pool != NULL) {
		edit_set_text(&((Pxe__Pool *)(void *)pool->message)->subnet, subnet->name);
		read_keys(site, pool, map, true);
	}
}

static void read_subnet(struct site *site, const struct yaml_node *map)
{
	struct site_object *subnet = read_object(site, SITE_SUBNET, map);
	const struct yaml_node *pools = yaml_tree_get(map, "pools");
	size_t index = 0;

	if (subnet == NULL || pools == NULL || yaml_tree_is_empty(pools)) {
		return;
	}
	if (pools->kind != YAML_LIST) {
		site_bad(site, subnet, pools,
			"pools: write a list, such as [{range: "
			"10.20.2.0-10.20.3.199}]");
		return;
	}
	for (const struct yaml_node *item = pools->first; item != NULL; item = item->next) {
		read_pool(site, subnet, item, index++);
	}
}

/* ---- groups: later ones override earlier ones */

static void read_group(struct site *site, const struct yaml_node *map)
{
	struct site_object *object = read_object(site, SITE_GROUP, map);

	if (object == NULL) {
		return;
	}
	Pxe__Group *group = (Pxe__Group *)(void *)object->message;
	if (yaml_tree_get(map, "order") == NULL) {
		site->group_order += GROUP_STEP;
		group->order = site->group_order;
	} else if (group->order > site->group_order) {
		site->group_order = group->order;
	}
	/* What they are by themselves they also are when something is said to them. */
	if (yaml_tree_get(map, "match") == NULL &&
		(strcmp(object->name, "known") == 0 || strcmp(object->name, "unknown") == 0)) {
		group->match = edit_new(&pxe__match__descriptor);
		group->match->known =
			object->name[0] == 'k' ? PXE__KNOWN__KNOWN_YES : PXE__KNOWN__KNOWN_NO;
	}
}

/* ---- sections */

static void read_cluster(struct site *site, const struct yaml_node *map)
{
	struct site_object *object;

	if (yaml_tree_is_empty(map)) {
		return;
	}
	if (map->kind != YAML_MAP) {
		site_error(site, map, "cluster: write a map of keys, such as {lease: 1h}");
		return;
	}
	object = site_add(site, SITE_CLUSTER, map, "", map);
	if (object != NULL) {
		read_keys(site, object, map, true);
	}
}

void site_put_settings(const struct site *site, Pxe__Settings *settings)
{
	const struct site_object *given = site_find(site, SITE_CLUSTER, "");

	if (given != NULL) {
		struct site_object object = *given;
		object.message = &settings->base;
		/* Every value was read before: nothing is told. */
		read_keys((struct site *)(uintptr_t)site, &object, given->node, false);
	}
}

bool site_has_settings(const struct site *site)
{
	return site_find(site, SITE_CLUSTER, "") != NULL;
}

static void read_version(struct site *site, const struct yaml_node *node)
{
	if (node->kind != YAML_TEXT || strcmp(node->text, "1") != 0) {
		site_error(site, node, "this pxectl reads site files of version 1");
	}
}

static void read_owner(struct site *site, const struct yaml_node *node)
{
	size_t length = node->kind == YAML_TEXT ? strlen(node->text) : 0;

	if (length == 0 || length > 63 || strchr("-_.", node->text[0]) != NULL ||
		strspn(node->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "-_.") != length) {
		site_error(site, node,
			"name: write up to 63 letters, digits, '-', '_' or '.': the "
			"objects that this file makes are marked with it");
		return;
	}
	site->owner = node->text;
}

static void read_section(struct site *site, const struct yaml_node *list, enum site_kind kind)
{
	if (yaml_tree_is_empty(list) || (list->kind == YAML_MAP && list->count == 0)) {
		return;
	}
	if (list->kind != YAML_LIST) {
		site_error(site, list, "%s: write a list: each %s begins with '- name: ...'",
			list->key != NULL ? list->key->text : "hosts", site_kind_noun(kind));
		return;
	}
	for (const struct yaml_node *item = list->first; item != NULL; item = item->next) {
		if (kind == SITE_SUBNET) {
			read_subnet(site, item);
		} else if (kind == SITE_GROUP) {
			read_group(site, item);
		} else {
			(void)read_object(site, kind, item);
		}
	}
}

void site_read_hosts(struct site *site, const struct yaml_node *list)
{
	read_section(site, list, SITE_HOST);
}

void site_read_root(struct site *site, const struct yaml_node *root, bool is_first)
{
	static const char *const names[] = {"version", "name", "cluster", "subnets", "images",
		"profiles", "groups", "hosts", "include"};
	static const struct {
		const char *key;
		enum site_kind kind;
	} sections[] = {{"subnets", SITE_SUBNET}, {"images", SITE_IMAGE},
		{"profiles", SITE_PROFILE}, {"groups", SITE_GROUP}, {"hosts", SITE_HOST}};

	if (root->kind != YAML_MAP) {
		site_error(site, root,
			"a site file is a map: lines of the form 'hosts:' with "
			"lists under them");
		return;
	}
	for (const struct yaml_node *value = root->first; value != NULL; value = value->next) {
		const char *key = value->key->text;
		size_t at = 0;

		while (at < sizeof sections / sizeof sections[0] &&
			strcmp(sections[at].key, key) != 0) {
			at++;
		}
		if (at < sizeof sections / sizeof sections[0]) {
			read_section(site, value, sections[at].kind);
		} else if (strcmp(key, "cluster") == 0) {
			read_cluster(site, value);
		} else if (strcmp(key, "version") == 0) {
			read_version(site, value);
		} else if (strcmp(key, "name") == 0 && is_first) {
			read_owner(site, value);
		} else if (!is_first && (strcmp(key, "include") == 0 || strcmp(key, "name") == 0)) {
			site_error(site, value->key,
				"%s: only the first file has that, not one that it includes", key);
		} else if (strcmp(key, "include") != 0) {
			site_unknown_key(
				site, NULL, value->key, names, sizeof names / sizeof names[0]);
		}
	}
}
