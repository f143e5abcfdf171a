/* A site file of what the cluster has, and the differences of two objects. */
#include "ctl/site_write.h"

#include "ctl/import.h"
#include "ctl/objects.h"
#include "ctl/site_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES_MAX 512 /* of one key: options, variables */

void site_write_object(struct import *im, struct import_node *map, enum site_kind kind,
	const ProtobufCMessage *message)
{
	size_t count;
	const struct site_key *keys = site_keys(kind, &count);

	for (size_t i = 0; i < count; i++) {
		site_value_write(im, map, &keys[i], message);
	}
}

/* ---- the whole */

static void write_images(struct import *im, struct import_node *root, const Pxe__ObjectList *list)
{
	for (size_t i = 0; i < list->n_images; i++) {
		struct import_node *map = import_entry(im, import_list(im, root, "images"));
		import_set(im, map, "name", list->images[i]->name);
	}
}

static void write_pools(struct import *im, struct import_node *subnet, const char *name,
	const Pxe__ObjectList *pools)
{
	for (size_t i = 0; i < pools->n_pools; i++) {
		const Pxe__Pool *pool = pools->pools[i];
		if (strcmp(pool->subnet, name) == 0) {
			struct import_node *map =
				import_entry(im, import_list(im, subnet, "pools"));
			import_set(im, map, "name", pool->name);
			site_write_object(im, map, SITE_POOL, &pool->base);
		}
	}
}

static void write_subnets(struct import *im, struct import_node *root,
	const Pxe__ObjectList *subnets, const Pxe__ObjectList *pools)
{
	for (size_t i = 0; i < subnets->n_subnets; i++) {
		const Pxe__Subnet *subnet = subnets->subnets[i];
		struct import_node *map = import_entry(im, import_list(im, root, "subnets"));

		import_set(im, map, "name", subnet->name);
		site_write_object(im, map, SITE_SUBNET, &subnet->base);
		write_pools(im, map, subnet->name, pools);
	}
}

static int by_order(const void *a, const void *b)
{
	const Pxe__Group *one = *(Pxe__Group *const *)a, *other = *(Pxe__Group *const *)b;

	return one->order != other->order ? (one->order < other->order ? -1 : 1)
					  : strcmp(one->name, other->name);
}

static void write_named(struct import *im, struct import_node *root, const char *section,
	enum site_kind kind, ProtobufCMessage *const *objects, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct import_node *map = import_entry(im, import_list(im, root, section));
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field_by_name(
				objects[i]->descriptor, "name");

		import_set(im, map, "name", *(char *const *)site_field(objects[i], field->offset));
		site_write_object(im, map, kind, objects[i]);
	}
}

int site_write(const struct site_lists *lists, const char *cluster, FILE *out)
{
	struct import *im = import_new();
	struct import_node *root = import_root(im);
	ProtobufCMessage **objects;
	size_t count;
	int result;

	site_write_object(im, import_map(im, root, "cluster"), SITE_CLUSTER,
		&lists->settings->settings->base);
	write_subnets(im, root, lists->subnets, lists->pools);
	write_images(im, root, lists->images);
	objects = objects_of(lists->profiles, PXE__OBJECT_KIND__OBJECT_PROFILE, &count);
	write_named(im, root, "profiles", SITE_PROFILE, objects, count);
	objects = objects_of(lists->groups, PXE__OBJECT_KIND__OBJECT_GROUP, &count);
	if (count > 1) {
		qsort(objects, count, sizeof *objects, by_order);
	}
	write_named(im, root, "groups", SITE_GROUP, objects, count);
	objects = objects_of(lists->hosts, PXE__OBJECT_KIND__OBJECT_HOST, &count);
	write_named(im, root, "hosts", SITE_HOST, objects, count);
	fprintf(out,
		"# site.yaml: what the cluster %s has. Change it, then: pxectl diff -f "
		"site.yaml\n",
		cluster);
	result = import_write_tree(im, out);
	import_free(im);
	return result;
}

/* ---- differences */

struct leaf {
	const char *key, *text;
};

/* "[a, b]". */
static const char *list_text(struct import *im, const struct import_node *list)
{
	const char *text = "[";

	for (const struct import_node *item = list->first; item != NULL; item = item->next) {
		if (item->kind == IMPORT_TEXT) {
			text = import_text(
				im, "%s%s%s", text, item == list->first ? "" : ", ", item->text);
		}
	}
	return import_text(im, "%s]", text);
}

/* "{text: Disk, server: [10.0.0.1]}". */
static const char *map_text(struct import *im, const struct import_node *map)
{
	const char *text = "{";

	for (const struct import_node *item = map->first; item != NULL; item = item->next) {
		text = import_text(im, "%s%s%s: %s", text, item == map->first ? "" : ", ",
			item->key,
			item->kind == IMPORT_TEXT   ? item->text
			: item->kind == IMPORT_LIST ? list_text(im, item)
						    : "...");
	}
	return import_text(im, "%s}", text);
}

static const char *node_text(struct import *im, const struct import_node *node)
{
	const char *text = "[";

	if (node->kind == IMPORT_TEXT) {
		return node->text;
	}
	if (node->kind == IMPORT_MAP) {
		return map_text(im, node);
	}
	if (node->first != NULL && node->first->kind == IMPORT_TEXT) {
		/* One is the same as a list of one. */
		return node->first == node->last ? node->first->text : list_text(im, node);
	}
	for (const struct import_node *item = node->first; item != NULL; item = item->next) {
		text = import_text(
			im, "%s%s%s", text, item == node->first ? "" : ", ", map_text(im, item));
	}
	return import_text(im, "%s]", text);
}

/* "ip", "options.interface-mtu": what one key of an object says. */
static size_t leaves_of(struct import *im, const struct site_key *key,
	const ProtobufCMessage *message, struct leaf leaves[LEAVES_MAX])
{
	struct import_node *map = import_entry(im, import_list(im, import_root(im), "compared"));
	const struct import_node *value;
	size_t count = 0;

	if (message == NULL) {
		return 0;
	}
	site_value_write(im, map, key, message);
	value = import_child(map, key->name);
	if (value == NULL) {
		return 0;
	}
	if (value->kind != IMPORT_MAP) {
		leaves[0] = (struct leaf){key->name, node_text(im, value)};
		return 1;
	}
	for (const struct import_node *item = value->first; item != NULL && count < LEAVES_MAX;
		item = item->next) {
		const char *name = import_text(im, "%s.%s", key->name, item->key);
		leaves[count++] = (struct leaf){name, node_text(im, item)};
	}
	return count;
}

static const char *find_leaf(const struct leaf *leaves, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(leaves[i].key, key) == 0) {
			return leaves[i].text;
		}
	}
	return NULL;
}

size_t site_each_difference(enum site_kind kind, const ProtobufCMessage *before,
	const ProtobufCMessage *after,
	void (*visit)(void *ctx, const char *key, const char *before, const char *after), void *ctx)
{
	struct leaf old[LEAVES_MAX], new[LEAVES_MAX];
	size_t count, differences = 0;
	const struct site_key *keys = site_keys(kind, &count);
	struct import *im = import_new();

	for (size_t i = 0; i < count; i++) {
		size_t old_count = leaves_of(im, &keys[i], before, old);
		size_t new_count = leaves_of(im, &keys[i], after, new);

		for (size_t j = 0; j < new_count; j++) {
			const char *was = find_leaf(old, old_count, new[j].key);
			if (was == NULL || strcmp(was, new[j].text) != 0) {
				visit(ctx, new[j].key, was == NULL ? "" : was, new[j].text);
				differences++;
			}
		}
		for (size_t j = 0; j < old_count; j++) {
			if (find_leaf(new, new_count, old[j].key) == NULL) {
				visit(ctx, old[j].key, old[j].text, "");
				differences++;
			}
		}
	}
	import_free(im);
	return differences;
}
