/* The file against the cluster. */
#include "ctl/site_plan.h"

#include "ctl/client.h"
#include "ctl/edit_field.h"
#include "ctl/objects.h"
#include "ctl/site_auto.h"
#include "ctl/site_impl.h"
#include "ctl/site_write.h"
#include "proto/msg/msg_ip4.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_TRIES 5
#define SHOWN_BYTES 70

static const Pxe__ObjectKind object_kinds[SITE_KINDS] = {
	[SITE_CLUSTER] = PXE__OBJECT_KIND__OBJECT_SETTINGS,
	[SITE_PROFILE] = PXE__OBJECT_KIND__OBJECT_PROFILE,
	[SITE_GROUP] = PXE__OBJECT_KIND__OBJECT_GROUP,
	[SITE_SUBNET] = PXE__OBJECT_KIND__OBJECT_SUBNET,
	[SITE_POOL] = PXE__OBJECT_KIND__OBJECT_POOL,
	[SITE_HOST] = PXE__OBJECT_KIND__OBJECT_HOST,
	[SITE_IMAGE] = PXE__OBJECT_KIND__OBJECT_IMAGE,
};

/* ---- what the cluster has */

void site_plan_have_fini(struct site_have *have)
{
	for (size_t i = 0; i < SITE_KINDS; i++) {
		pxe__object_list__free_unpacked(have->list[i], NULL);
	}
	pxe__object_list__free_unpacked(have->once, NULL);
	pxe__object_list__free_unpacked(have->leases, NULL);
	pxe__object_list__free_unpacked(have->members, NULL);
	memset(have, 0, sizeof *have);
}

static bool wants(const struct site *site, bool once)
{
	for (size_t i = 0; i < site_count(site); i++) {
		const struct site_object *object = site_at(site, i);
		if (once ? object->once_profile != NULL : object->ip_auto) {
			return true;
		}
	}
	return false;
}

/* All lists; *ret_moved: somebody changed something meanwhile. */
static int fetch_once(
	struct ctl *ctl, const struct site *site, struct site_have *have, bool *ret_moved)
{
	int result = CTL_OK;

	*ret_moved = false;
	for (size_t i = 0; i < SITE_KINDS && result == CTL_OK; i++) {
		result = client_list(ctl, object_kinds[i], "", &have->list[i]);
		if (result == CTL_OK && i == 0) {
			have->revision = have->list[0]->revision;
		}
		*ret_moved = *ret_moved ||
			     (result == CTL_OK && have->list[i]->revision != have->revision);
	}
	if (result == CTL_OK && site != NULL && wants(site, true)) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_ONCE, "", &have->once);
	}
	if (result == CTL_OK && site != NULL && wants(site, false)) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_LEASE, "", &have->leases);
	}
	if (result == CTL_OK && have->leases != NULL) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_MEMBER, "", &have->members);
	}
	if (result == CTL_OK && have->list[SITE_CLUSTER]->settings == NULL) {
		result = ctl_fail(ctl, CTL_REFUSED, "the node does not hold the settings yet");
	}
	return result;
}

int site_plan_fetch(struct ctl *ctl, const struct site *site, struct site_have *ret_have)
{
	bool moved = true;
	int result = CTL_OK;

	memset(ret_have, 0, sizeof *ret_have);
	for (unsigned tries = 0; tries < FETCH_TRIES && moved && result == CTL_OK; tries++) {
		site_plan_have_fini(ret_have);
		result = fetch_once(ctl, site, ret_have, &moved);
	}
	if (result == CTL_OK && moved) {
		result = ctl_fail(ctl, CTL_CONFLICT,
			"the configuration is being changed all the time; try again in a moment");
	}
	if (result != CTL_OK) {
		site_plan_have_fini(ret_have);
	}
	return result;
}

static const char *name_of(const ProtobufCMessage *object)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(object->descriptor, "name");

	return *(char *const *)site_field(object, field->offset);
}

static const char *owner_of(const ProtobufCMessage *object)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(object->descriptor, "owner");

	return field == NULL ? "" : *(char *const *)site_field(object, field->offset);
}

static void set_owner(ProtobufCMessage *object, const char *owner)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(object->descriptor, "owner");

	if (field != NULL) {
		edit_set_text(site_field(object, field->offset), owner);
	}
}

/* Lists come in the order of names. */
static const ProtobufCMessage *find(
	const struct site_have *have, enum site_kind kind, const char *name)
{
	size_t count, low = 0;
	ProtobufCMessage **objects;

	if (kind == SITE_CLUSTER) {
		return &have->list[kind]->settings->base;
	}
	objects = objects_of(have->list[kind], object_kinds[kind], &count);
	while (low < count) {
		size_t middle = low + (count - low) / 2;
		int order = strcmp(name_of(objects[middle]), name);
		if (order == 0) {
			return objects[middle];
		}
		if (order < 0) {
			low = middle + 1;
		} else {
			count = middle;
		}
	}
	return NULL;
}

bool site_plan_exists(void *ctx, enum site_kind kind, const char *name)
{
	return kind < SITE_KINDS && kind != SITE_CLUSTER && find(ctx, kind, name) != NULL;
}

/* ---- steps */

static struct site_step *add_step(
	struct site_plan *plan, enum site_step_kind step, enum site_kind kind, const char *name)
{
	if (plan->count == plan->capacity) {
		plan->capacity = plan->capacity == 0 ? 256 : plan->capacity * 2;
		plan->steps = realloc(plan->steps, plan->capacity * sizeof *plan->steps);
		assert(plan->steps != NULL);
	}
	plan->steps[plan->count] = (struct site_step){.step = step, .kind = kind, .name = name};
	plan->added += step == SITE_ADD;
	plan->changed += step == SITE_CHANGE;
	plan->removed += step == SITE_REMOVE;
	plan->armed += step == SITE_ARM;
	return &plan->steps[plan->count++];
}

static ProtobufCMessage *copy_of(const ProtobufCMessage *message)
{
	size_t bytes = protobuf_c_message_get_packed_size(message);
	uint8_t *data = malloc(bytes + 1);
	ProtobufCMessage *copy;

	assert(data != NULL);
	protobuf_c_message_pack(message, data);
	copy = protobuf_c_message_unpack(message->descriptor, NULL, bytes, data);
	free(data);
	assert(copy != NULL);
	return copy;
}

static void ignore(void *ctx, const char *key, const char *before, const char *after)
{
	(void)ctx;
	(void)key;
	(void)before;
	(void)after;
}

static bool is_packed_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	size_t bytes = protobuf_c_message_get_packed_size(a);
	uint8_t *data;
	bool same = false;

	if (bytes != protobuf_c_message_get_packed_size(b)) {
		return false;
	}
	data = malloc(2 * bytes + 1);
	assert(data != NULL);
	protobuf_c_message_pack(a, data);
	protobuf_c_message_pack(b, data + bytes);
	same = memcmp(data, data + bytes, bytes) == 0;
	free(data);
	return same;
}

static bool differs(
	enum site_kind kind, const ProtobufCMessage *before, const ProtobufCMessage *after)
{
	return !is_packed_same(before, after) &&
	       site_each_difference(kind, before, after, ignore, NULL) > 0;
}

static void plan_object(struct site *site, const struct site_have *have,
	const struct site_object *object, struct site_plan *plan)
{
	const ProtobufCMessage *before = find(have, object->kind, object->name);
	ProtobufCMessage *after = copy_of(object->message);
	struct site_step *step;

	set_owner(after, before != NULL ? owner_of(before) : site_owner(site));
	if (object->ip_auto && before != NULL) {
		site_auto_keep((const Pxe__Host *)(const void *)before, (Pxe__Host *)(void *)after);
	}
	if (before != NULL && !differs(object->kind, before, after) &&
		!(object->ip_auto && ((const Pxe__Host *)(const void *)before)->ip.len == 0)) {
		protobuf_c_message_free_unpacked(after, NULL);
		return;
	}
	step = add_step(plan, before != NULL ? SITE_CHANGE : SITE_ADD, object->kind, object->name);
	step->object = object;
	step->before = before;
	step->after = after;
}

/* Menus name profiles, so those without one come first. */
static bool has_menu(const struct site_object *object)
{
	return object->kind == SITE_PROFILE &&
	       ((const Pxe__Profile *)(const void *)object->message)->menu != NULL;
}

static void plan_kind(struct site *site, const struct site_have *have, enum site_kind kind,
	bool with_menu, struct site_plan *plan)
{
	for (size_t i = 0; i < site_count(site); i++) {
		const struct site_object *object = site_at(site, i);
		if (object->kind == kind && has_menu(object) == with_menu) {
			plan_object(site, have, object, plan);
		}
	}
}

static void plan_settings(struct site *site, const struct site_have *have, struct site_plan *plan)
{
	const struct site_object *object = site_find(site, SITE_CLUSTER, "");
	const Pxe__Settings *before = have->list[SITE_CLUSTER]->settings;
	Pxe__Settings *after;
	struct site_step *step;

	if (object == NULL) {
		return;
	}
	after = (Pxe__Settings *)(void *)copy_of(&before->base);
	site_put_settings(site, after);
	if (strcmp(after->cluster, before->cluster) != 0) {
		site_error(site, site_key_node(object, "name"),
			"this cluster is %s, not %s: is it the right file, and the right cluster?",
			before->cluster, after->cluster);
	}
	if (!differs(SITE_CLUSTER, &before->base, &after->base)) {
		pxe__settings__free_unpacked(after, NULL);
		return;
	}
	step = add_step(plan, SITE_CHANGE, SITE_CLUSTER, "of the cluster");
	step->object = object;
	step->before = &before->base;
	step->after = &after->base;
}

/* An image is not put: it is pushed, or is there. */
static void check_image(
	struct site *site, const struct site_have *have, const struct site_object *object)
{
	const Pxe__Image *image =
		(const Pxe__Image *)(const void *)find(have, SITE_IMAGE, object->name);
	char digits[2 * 32 + 1] = "";

	if (object->from != NULL) {
		return;
	}
	for (size_t i = 0; image != NULL && i < image->current_digest.len && i < 32; i++) {
		snprintf(digits + 2 * i, 3, "%02x", image->current_digest.data[i]);
	}
	if (image == NULL) {
		site_error(site, object->node,
			"the cluster has no image %s; push it, or say where its files are: from: "
			"DIR",
			object->name);
	} else if (object->digest != NULL &&
		   strncmp(digits, object->digest, strlen(object->digest)) != 0) {
		site_error(site, site_key_node(object, "digest"),
			"image %s is sha256:%.12s in the cluster", object->name, digits);
	}
}

/* ---- removals */

static void plan_removals(struct site *site, const struct site_have *have, enum site_kind kind,
	struct site_plan *plan)
{
	size_t count;
	ProtobufCMessage **objects = objects_of(have->list[kind], object_kinds[kind], &count);

	for (size_t i = 0; i < count; i++) {
		if (strcmp(owner_of(objects[i]), site_owner(site)) == 0 &&
			site_find(site, kind, name_of(objects[i])) == NULL) {
			add_step(plan, SITE_REMOVE, kind, name_of(objects[i]))->before = objects[i];
		}
	}
}

/* ---- once */

static int by_host(const void *name, const void *record)
{
	return strcmp(name, (*(Pxe__Once *const *)record)->host);
}

/* The newest that a site file armed. Lists come in the order of names. */
static uint32_t serial_of(const struct site_have *have, const char *host)
{
	Pxe__Once *const *found = have->once == NULL || have->once->n_once == 0
					  ? NULL
					  : bsearch(host, have->once->once, have->once->n_once,
						    sizeof(Pxe__Once *), by_host);

	return found == NULL ? 0 : (*found)->serial;
}

static void plan_once(struct site *site, const struct site_have *have, struct site_plan *plan)
{
	for (size_t i = 0; i < site_count(site); i++) {
		const struct site_object *object = site_at(site, i);
		if (object->once_profile != NULL &&
			serial_of(have, object->name) < object->once_serial) {
			add_step(plan, SITE_ARM, SITE_HOST, object->name)->object = object;
		}
	}
}

/* ---- the whole */

void site_plan_make(
	struct site *site, const struct site_have *have, bool prune, struct site_plan *ret_plan)
{
	memset(ret_plan, 0, sizeof *ret_plan);
	for (size_t i = 0; i < site_count(site); i++) {
		if (site_at(site, i)->kind == SITE_IMAGE) {
			check_image(site, have, site_at(site, i));
		}
	}
	/* Nothing names hosts and pools, and others may take what they had. */
	if (prune) {
		plan_removals(site, have, SITE_HOST, ret_plan);
		plan_removals(site, have, SITE_POOL, ret_plan);
	}
	plan_kind(site, have, SITE_PROFILE, false, ret_plan);
	plan_kind(site, have, SITE_PROFILE, true, ret_plan);
	plan_kind(site, have, SITE_GROUP, false, ret_plan);
	plan_kind(site, have, SITE_SUBNET, false, ret_plan);
	plan_kind(site, have, SITE_POOL, false, ret_plan);
	plan_kind(site, have, SITE_HOST, false, ret_plan);
	site_auto_choose(site, have, ret_plan);
	site_auto_make_way(have, ret_plan);
	plan_settings(site, have, ret_plan);
	plan_once(site, have, ret_plan);
	if (prune) {
		plan_removals(site, have, SITE_SUBNET, ret_plan);
		plan_removals(site, have, SITE_GROUP, ret_plan);
		plan_removals(site, have, SITE_PROFILE, ret_plan);
	}
}

void site_plan_fini(struct site_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		protobuf_c_message_free_unpacked(plan->steps[i].after, NULL);
	}
	free(plan->steps);
	memset(plan, 0, sizeof *plan);
}

void site_plan_command(const struct site_step *step, struct site_command *ret_command)
{
	static const Pxe__Put__ObjectCase cases[SITE_KINDS] = {
		[SITE_CLUSTER] = PXE__PUT__OBJECT_SETTINGS,
		[SITE_PROFILE] = PXE__PUT__OBJECT_PROFILE,
		[SITE_GROUP] = PXE__PUT__OBJECT_GROUP,
		[SITE_SUBNET] = PXE__PUT__OBJECT_SUBNET,
		[SITE_POOL] = PXE__PUT__OBJECT_POOL,
		[SITE_HOST] = PXE__PUT__OBJECT_HOST,
	};

	pxe__command__init(&ret_command->command);
	pxe__put__init(&ret_command->put);
	pxe__delete__init(&ret_command->remove);
	pxe__boot_once__init(&ret_command->once);
	if (step->step == SITE_ARM) {
		ret_command->once.host = (char *)(uintptr_t)step->name;
		ret_command->once.profile = (char *)(uintptr_t)step->object->once_profile;
		ret_command->once.serial = step->object->once_serial;
		ret_command->command.op_case = PXE__COMMAND__OP_BOOT_ONCE;
		ret_command->command.boot_once = &ret_command->once;
	} else if (step->after == NULL) {
		ret_command->remove.kind = object_kinds[step->kind];
		ret_command->remove.name = (char *)(uintptr_t)step->name;
		ret_command->command.op_case = PXE__COMMAND__OP_REMOVE;
		ret_command->command.remove = &ret_command->remove;
	} else {
		ret_command->put.object_case = cases[step->kind];
		/* The members of the oneof are all pointers. */
		ret_command->put.subnet = (Pxe__Subnet *)(void *)step->after;
		ret_command->command.op_case = PXE__COMMAND__OP_PUT;
		ret_command->command.put = &ret_command->put;
	}
}

/* ---- how it looks */

struct shown {
	const struct site_step *step;
	FILE *out;
	size_t fields;
};

/* Texts of several lines are told by their first line that is another. */
static void print_value(FILE *out, const char *text)
{
	size_t length = strcspn(text, "\n");

	if (text[0] == '\0') {
		fputs("(none)", out);
	} else if (text[length] == '\0' && length <= SHOWN_BYTES) {
		fputs(text, out);
	} else {
		fprintf(out, "%.*s... (%zu bytes)", (int)(length < 40 ? length : 40), text,
			strlen(text));
	}
}

static unsigned first_other_line(const char *a, const char *b)
{
	unsigned line = 1;

	for (; *a != '\0' && *a == *b; a++, b++) {
		line += *a == '\n' ? 1 : 0;
	}
	return line;
}

static void print_name(const struct shown *shown, char sign)
{
	char name[96];

	snprintf(name, sizeof name, "%s %s", site_kind_noun(shown->step->kind), shown->step->name);
	fprintf(shown->out, "%c %-19s ", sign, name);
}

static void print_change(void *ctx, const char *key, const char *before, const char *after)
{
	struct shown *shown = ctx;

	print_name(shown, '~');
	fprintf(shown->out, "%s: ", key);
	if (strchr(before, '\n') != NULL && strchr(after, '\n') != NULL) {
		fprintf(shown->out, "another text from line %u on (%zu -> %zu bytes)",
			first_other_line(before, after), strlen(before), strlen(after));
	} else {
		print_value(shown->out, before);
		fputs(" -> ", shown->out);
		print_value(shown->out, after);
	}
	fputc('\n', shown->out);
}

static void print_field(void *ctx, const char *key, const char *before, const char *after)
{
	struct shown *shown = ctx;

	(void)before;
	fprintf(shown->out, "%s%s ", shown->fields++ > 0 ? ", " : "", key);
	print_value(shown->out, after);
}

static void show_step(const struct site_step *step, FILE *out)
{
	struct shown shown = {step, out, 0};

	switch (step->step) {
	case SITE_ADD:
		print_name(&shown, '+');
		site_each_difference(step->kind, NULL, step->after, print_field, &shown);
		fputc('\n', out);
		break;
	case SITE_CHANGE:
		site_each_difference(step->kind, step->before, step->after, print_change, &shown);
		break;
	case SITE_REMOVE:
		print_name(&shown, '-');
		fputc('\n', out);
		break;
	case SITE_ARM:
		print_name(&shown, '~');
		fprintf(out, "once: boots %s the next time (serial %u)\n",
			step->object->once_profile, step->object->once_serial);
		break;
	case SITE_MAKE_WAY: break;
	}
}

void site_plan_show(const struct site_plan *plan, FILE *out)
{
	for (size_t i = 0; i < plan->count; i++) {
		show_step(&plan->steps[i], out);
	}
}
