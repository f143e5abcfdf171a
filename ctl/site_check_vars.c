/* Templates of a site file: are they sound, and does some level give each variable that they use to
 * each machine that can get them?
 *
 * A host gets the profiles of its own `boot`, of its groups, of its subnet, of the cluster: the
 * first of these that says any. Which groups a host is in by what it will send is not known here:
 * a variable that any group with a `match` gives counts as given, so what is told is certain. */
#include "ctl/site_check.h"

#include "proto/msg/msg_ip4.h"
#include "proto/template/template.h"
#include "proto/template/template_names.h"
#include "proto/wire/text.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 256

struct use {
	struct site *site;
	const struct site_text *text;
	const struct site_object *host; /* NULL: every machine that boots it by `where` */
	const struct site_object *where;
};

/* ---- the texts themselves */

static void tell_place(struct site *site, const struct site_text *text, struct template_place place,
	const char *message)
{
	if (text->file != NULL) {
		site_error_at(site, text->file, place.line, place.column, "%s", message);
	} else {
		site_error(site, text->node, "%s of profile %s, line %u: %s", text->what,
			text->profile->name, place.line, message);
	}
}

static bool check_name(void *ctx, const char *name, struct template_place place, bool section)
{
	struct use *use = ctx;
	char message[TEXT_BYTES];

	(void)section;
	if (!template_name_is_known(name)) {
		snprintf(message, sizeof message,
			"{{%.60s}}: there is no such name; a variable of your own is {{vars.NAME}}",
			name);
		tell_place(use->site, use->text, place, message);
	}
	return true;
}

static bool check_text(struct site *site, const struct site_text *text)
{
	struct use use = {.site = site, .text = text};
	struct template_place place = {1, 1};
	char error[TEXT_BYTES];

	if (template_check(text->text, &place, error, sizeof error) != 0) {
		tell_place(site, text, place, error);
		return false;
	}
	template_each_name(text->text, check_name, &use);
	return true;
}

/* ---- who says a variable */

static bool says(const struct site_object *object, const char *name)
{
	const ProtobufCFieldDescriptor *field =
		object == NULL ? NULL
			       : protobuf_c_message_descriptor_get_field_by_name(
					 object->message->descriptor, "vars");
	Pxe__Variable *const *vars;
	size_t count;

	if (field == NULL) {
		return false;
	}
	vars = *(Pxe__Variable * *const *)site_field(object->message, field->offset);
	count = *(const size_t *)site_field(object->message, field->quantifier_offset);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(vars[i]->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static bool in_group(const struct site_object *host, const char *group)
{
	const Pxe__Host *message = (const Pxe__Host *)(const void *)host->message;

	for (size_t i = 0; i < message->n_groups; i++) {
		if (strcmp(message->groups[i], group) == 0) {
			return true;
		}
	}
	return false;
}

static bool can_match(const struct site_object *group)
{
	return ((const Pxe__Group *)(const void *)group->message)->match != NULL;
}

/* The subnet that a host's first address is in; NULL: any. */
static const struct site_object *subnet_of_host(
	const struct site *site, const struct site_object *host)
{
	uint32_t ip = msg_ip4_get(((const Pxe__Host *)(const void *)host->message)->ip);

	for (size_t i = 0; ip != 0 && i < site->object_count; i++) {
		const struct site_object *object = site->objects[i];
		const Pxe__Subnet *subnet = (const Pxe__Subnet *)(const void *)object->message;
		if (object->kind == SITE_SUBNET && !object->broken && subnet->prefix_len <= 32 &&
			((ip ^ msg_ip4_get(subnet->network_ip)) &
				text_ip4_mask(subnet->prefix_len)) == 0) {
			return object;
		}
	}
	return NULL;
}

static bool is_said(const struct use *use, const char *name)
{
	const struct site *site = use->site;
	const struct site_object *subnet =
		use->host != NULL ? subnet_of_host(site, use->host) : NULL;

	if (says(site_find(site, SITE_CLUSTER, ""), name) || says(use->text->profile, name) ||
		says(use->where, name) || says(use->host, name)) {
		return true;
	}
	for (size_t i = 0; i < site->object_count; i++) {
		const struct site_object *object = site->objects[i];
		bool counts = object->kind == SITE_GROUP &&
			      (can_match(object) ||
				      (use->host != NULL && in_group(use->host, object->name)));
		counts = counts ||
			 (object->kind == SITE_SUBNET && (subnet == NULL || object == subnet));
		if (counts && says(object, name)) {
			return true;
		}
	}
	return false;
}

static bool check_variable(void *ctx, const char *name, struct template_place place, bool section)
{
	const struct use *use = ctx;
	const char *variable = template_name_variable(name);
	const struct site_object *who = use->host != NULL ? use->host : use->where;
	const char *key = use->host != NULL && use->host != use->where ? "name" : "boot";

	(void)place;
	if (section || variable == NULL || is_said(use, variable)) {
		return true;
	}
	site_error(use->site, site_key_node(who, key),
		"%s%s%s can get profile %s, and {{vars.%s}} stands in its %s: no level says "
		"vars.%s",
		use->host != NULL           ? "host "
		: who->kind == SITE_CLUSTER ? "any machine"
					    : site_kind_noun(who->kind),
		use->host == NULL && who->kind != SITE_CLUSTER ? " " : "", who->name,
		use->text->profile->name, variable, use->text->what, variable);
	return false; /* one for each text and machine is enough */
}

/* ---- who gets which profile */

/* Does the object's own `boot` name it, for any architecture? */
static bool boots(const struct site_object *object, const char *profile)
{
	const struct yaml_node *boot = yaml_tree_get(object->node, "boot");

	if (boot == NULL || boot->kind != YAML_MAP) {
		return boot != NULL && boot->kind == YAML_TEXT && strcmp(boot->text, profile) == 0;
	}
	for (const struct yaml_node *item = boot->first; item != NULL; item = item->next) {
		if (item->kind == YAML_TEXT && strcmp(item->text, profile) == 0) {
			return true;
		}
	}
	return false;
}

static bool host_boots(const struct site *site, const struct site_object *host, const char *profile)
{
	const Pxe__Host *message = (const Pxe__Host *)(const void *)host->message;

	if (host->once_profile != NULL && strcmp(host->once_profile, profile) == 0) {
		return true;
	}
	if (yaml_tree_get(host->node, "boot") != NULL) {
		return boots(host, profile);
	}
	for (size_t i = message->n_groups; i > 0; i--) {
		const struct site_object *group =
			site_find(site, SITE_GROUP, message->groups[i - 1]);
		if (group != NULL && yaml_tree_get(group->node, "boot") != NULL) {
			return boots(group, profile);
		}
	}
	return false;
}

/* A host that the text is for, if any says it itself or is in a group that does; then the levels
 * that give it to machines that nobody declared. */
static void check_users(struct site *site, const struct site_text *text)
{
	const char *profile = text->profile->name;

	for (size_t i = 0; i < site->object_count; i++) {
		const struct site_object *object = site->objects[i];
		struct use use = {.site = site, .text = text, .where = object};
		if (object->kind == SITE_HOST && host_boots(site, object, profile)) {
			use.host = object;
			template_each_name(text->text, check_variable, &use);
		} else if (((object->kind == SITE_GROUP && can_match(object)) ||
				   object->kind == SITE_SUBNET || object->kind == SITE_CLUSTER) &&
			   boots(object, profile)) {
			template_each_name(text->text, check_variable, &use);
		}
	}
}

void site_check_vars(struct site *site)
{
	size_t count = site->object_count;

	for (size_t i = 0; i < count; i++) {
		const struct site_object *object = site->objects[i];
		const Pxe__Profile *profile = (const Pxe__Profile *)(const void *)object->message;
		struct site_text args = {.profile = object, .what = "args"};
		if (object->kind != SITE_PROFILE || profile->args[0] == '\0') {
			continue;
		}
		args.text = profile->args;
		args.node = site_key_node(object, "args");
		if (check_text(site, &args)) {
			check_users(site, &args);
		}
	}
	for (size_t i = 0; i < site->text_count; i++) {
		if (check_text(site, &site->texts[i])) {
			check_users(site, &site->texts[i]);
		}
	}
}
