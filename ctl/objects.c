#include "ctl/objects.h"

#include "ctl/client.h"
#include "ctl/edit.h"
#include "ctl/object_kinds.h"
#include "ctl/show.h"
#include "proto/msg/msg_ip4.h"
#include "proto/msg/msg_json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SET_TRIES 5

/* ---- lists, by reflection */

static const ProtobufCFieldDescriptor *field_of(Pxe__ObjectKind kind)
{
	static const struct {
		Pxe__ObjectKind kind;
		const char *field;
	} fields[] = {{PXE__OBJECT_KIND__OBJECT_SUBNET, "subnets"},
		{PXE__OBJECT_KIND__OBJECT_POOL, "pools"}, {PXE__OBJECT_KIND__OBJECT_HOST, "hosts"},
		{PXE__OBJECT_KIND__OBJECT_PROFILE, "profiles"},
		{PXE__OBJECT_KIND__OBJECT_GROUP, "groups"},
		{PXE__OBJECT_KIND__OBJECT_IMAGE, "images"},
		{PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, "image_versions"},
		{PXE__OBJECT_KIND__OBJECT_MEMBER, "members"},
		{PXE__OBJECT_KIND__OBJECT_MACHINE, "machines"},
		{PXE__OBJECT_KIND__OBJECT_ONCE, "once"},
		{PXE__OBJECT_KIND__OBJECT_LEASE, "leases"}};

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		if (fields[i].kind == kind) {
			return protobuf_c_message_descriptor_get_field_by_name(
				&pxe__object_list__descriptor, fields[i].field);
		}
	}
	return NULL;
}

/* A member of a message by its offset; protobuf-c lays messages out as structs, so it is aligned.
 */
static const void *member_at(const void *message, unsigned offset)
{
	return (const char *)message + offset;
}

ProtobufCMessage **objects_of(const Pxe__ObjectList *list, Pxe__ObjectKind kind, size_t *ret_count)
{
	const ProtobufCFieldDescriptor *field = field_of(kind);

	assert(field != NULL && field->label == PROTOBUF_C_LABEL_REPEATED);
	*ret_count = *(const size_t *)member_at(list, field->quantifier_offset);
	return *(ProtobufCMessage * *const *)member_at(list, field->offset);
}

int objects_print_json(const struct ctl *ctl, const Pxe__ObjectList *list, Pxe__ObjectKind kind)
{
	size_t count;
	ProtobufCMessage **objects = objects_of(list, kind, &count);
	char *text = msg_json_list((const ProtobufCMessage *const *)objects, count, true);

	if (text == NULL) {
		return ctl_fail(ctl, CTL_REFUSED, "no memory");
	}
	fprintf(ctl->out,
		"{\"%s\": %s,\n\"revision\": %" PRIu64 ", \"stale\": %s, \"as_of_ms\": %" PRIu64
		"}\n",
		field_of(kind)->name, text, list->revision, list->stale ? "true" : "false",
		list->as_of_ms);
	free(text);
	return CTL_OK;
}

/* All five kinds (and images and members of other files) begin with their name. */
static const char *name_of(const ProtobufCMessage *object)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(object->descriptor, "name");

	return *(char *const *)member_at(object, field->offset);
}

int objects_list(struct ctl *ctl, const struct invocation *in)
{
	const struct object_kind *kind = object_kind_of(in);
	Pxe__ObjectList *list;
	ProtobufCMessage **objects;
	struct table *table;
	size_t count;
	int result = client_list(ctl, kind->kind, in->arg_count > 0 ? in->args[0] : "", &list);

	if (result != CTL_OK) {
		return result;
	}
	objects = objects_of(list, kind->kind, &count);
	if (ctl->format == CTL_JSON) {
		result = objects_print_json(ctl, list, kind->kind);
	} else if (ctl->format == CTL_NAME) {
		for (size_t i = 0; i < count; i++) {
			fprintf(ctl->out, "%s\n", name_of(objects[i]));
		}
	} else {
		table = table_new(kind->columns, kind->column_count);
		for (size_t i = 0; i < count; i++) {
			kind->row(table, objects[i]);
		}
		result = show_table(ctl, table);
		if (count == 0) {
			ctl_note(ctl, "there is no %s yet; add one: pxectl %s add --help",
				kind->noun, kind->noun);
		}
	}
	pxe__object_list__free_unpacked(list, NULL);
	return result;
}

/* ---- one object */

/* Exactly this name: patterns are for lists. */
static int fetch(struct ctl *ctl, const struct object_kind *kind, const char *name,
	Pxe__ObjectList **ret_list, ProtobufCMessage **ret_object)
{
	size_t count = 0;
	ProtobufCMessage **objects = NULL;
	int result = edit_check_name(ctl, kind->noun, name);

	if (result == CTL_OK) {
		result = client_list(ctl, kind->kind, name, ret_list);
	}
	if (result != CTL_OK) {
		return result;
	}
	objects = objects_of(*ret_list, kind->kind, &count);
	if (count != 1) {
		pxe__object_list__free_unpacked(*ret_list, NULL);
		return ctl_fail(ctl, CTL_NOT_FOUND, "there is no %s '%s'", kind->noun, name);
	}
	*ret_object = objects[0];
	return CTL_OK;
}

int objects_show(struct ctl *ctl, const struct invocation *in)
{
	const struct object_kind *kind = object_kind_of(in);
	Pxe__ObjectList *list;
	ProtobufCMessage *object;
	int result = fetch(ctl, kind, in->args[0], &list, &object);

	if (result != CTL_OK) {
		return result;
	}
	if (command_text(in, "template") != NULL) {
		result = object_kinds_show_template(
			ctl, (const Pxe__Profile *)object, command_text(in, "template"));
	} else if (ctl->format == CTL_JSON) {
		result = ctl_print_json(ctl, object);
	} else {
		kind->show(ctl, object);
	}
	pxe__object_list__free_unpacked(list, NULL);
	return result;
}

int objects_print_done(const struct ctl *ctl, const char *what, const char *name, const char *done,
	uint64_t revision, const char *detail)
{
	if (ctl->format == CTL_JSON) {
		Pxe__ChangeDone message = PXE__CHANGE_DONE__INIT;
		char text[512];
		snprintf(text, sizeof text, "%s", detail);
		message.revision = revision;
		message.detail = text;
		return ctl_print_json(ctl, &message.base);
	}
	if (!ctl->quiet) {
		fprintf(ctl->out, "%s %s %s%s%s (revision %" PRIu64 ")\n", what, name, done,
			detail[0] == '\0' ? "" : ": ", detail, revision);
	}
	return CTL_OK;
}

/* ---- ip auto: the machine's lease if it has one, else a free address of a pool */

struct taken {
	uint32_t *ips;
	size_t count;
};

static int compare_ips(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void take(struct taken *taken, uint32_t ip)
{
	taken->ips = realloc(taken->ips, (taken->count + 1) * sizeof *taken->ips);
	assert(taken->ips != NULL);
	taken->ips[taken->count++] = ip;
}

static bool has_mac(const Pxe__Host *host, const ProtobufCBinaryData *mac)
{
	for (size_t i = 0; i < host->n_mac; i++) {
		if (host->mac[i].len == mac->len &&
			memcmp(host->mac[i].data, mac->data, mac->len) == 0) {
			return true;
		}
	}
	return false;
}

bool objects_is_excluded(const Pxe__Pool *pool, uint32_t ip)
{
	for (size_t i = 0; i < pool->n_exclude; i++) {
		if (msg_ip4_get(pool->exclude[i]->first_ip) <= ip &&
			ip <= msg_ip4_get(pool->exclude[i]->last_ip)) {
			return true;
		}
	}
	return false;
}

static uint32_t find_free(const Pxe__ObjectList *pools, const struct taken *taken)
{
	for (size_t i = 0; i < pools->n_pools; i++) {
		uint32_t first = msg_ip4_get(pools->pools[i]->first_ip);
		for (uint32_t ip = msg_ip4_get(pools->pools[i]->last_ip); ip >= first && ip != 0;
			ip--) {
			if (objects_is_excluded(pools->pools[i], ip)) {
				continue;
			}
			if (taken->count == 0 || bsearch(&ip, taken->ips, taken->count, sizeof ip,
							 compare_ips) == NULL) {
				return ip;
			}
		}
	}
	return 0;
}

static int choose_ip(struct ctl *ctl, Pxe__Host *host)
{
	Pxe__ObjectList *leases = NULL, *hosts = NULL, *pools = NULL;
	struct taken taken = {NULL, 0};
	uint32_t ip = 0;
	int result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_LEASE, "", &leases);

	if (result == CTL_OK) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_HOST, "", &hosts);
	}
	if (result == CTL_OK) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_POOL, "", &pools);
	}
	for (size_t i = 0; result == CTL_OK && i < leases->n_leases; i++) {
		take(&taken, msg_ip4_get(leases->leases[i]->ip));
		if (has_mac(host, &leases->leases[i]->mac)) {
			ip = msg_ip4_get(leases->leases[i]->ip);
		}
	}
	for (size_t i = 0; result == CTL_OK && i < hosts->n_hosts; i++) {
		const Pxe__Host *other = hosts->hosts[i];
		take(&taken, msg_ip4_get(other->ip));
		for (size_t k = 0; k < other->n_more_ip; k++) {
			take(&taken, msg_ip4_get(other->more_ip[k]));
		}
	}
	if (result == CTL_OK && ip == 0) {
		if (taken.count > 0) {
			qsort(taken.ips, taken.count, sizeof *taken.ips, compare_ips);
		}
		ip = find_free(pools, &taken);
		result = ip != 0 ? CTL_OK
				 : ctl_fail(ctl, CTL_CONFLICT,
					   "--ip auto: no pool has a free address; see: pxectl "
					   "status");
	}
	if (result == CTL_OK) {
		edit_set_ip(&host->ip, ip);
		edit_clear_bytes(&host->more_ip, &host->n_more_ip);
	}
	free(taken.ips);
	pxe__object_list__free_unpacked(leases, NULL);
	pxe__object_list__free_unpacked(hosts, NULL);
	pxe__object_list__free_unpacked(pools, NULL);
	return result;
}

static bool wants_auto_ip(const struct object_kind *kind, const struct invocation *in)
{
	return kind->kind == PXE__OBJECT_KIND__OBJECT_HOST && edit_wants_auto_ip(in);
}

/* ---- changes */

static int put(struct ctl *ctl, const struct object_kind *kind, ProtobufCMessage *object,
	Pxe__Precondition condition, uint64_t if_revision, struct client_done *ret_done,
	char *ret_text, size_t text_bytes)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put message = PXE__PUT__INIT;

	message.precondition = condition;
	message.if_revision = if_revision;
	message.object_case = kind->put_case;
	message.subnet =
		(Pxe__Subnet *)(void *)object; /* the members of the oneof are all pointers */
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &message;
	return client_try_change(ctl, &command, ret_done, ret_text, text_bytes);
}

/* What an operator would like to read back of a new or changed object. */
static void summary(const struct object_kind *kind, const ProtobufCMessage *object,
	const char *detail, char *ret_text, size_t text_bytes)
{
	const Pxe__Host *host = (const Pxe__Host *)(const void *)object;
	char ip[SHOW_BYTES];

	snprintf(ret_text, text_bytes, "%s", detail);
	if (kind->kind == PXE__OBJECT_KIND__OBJECT_HOST && detail[0] == '\0') {
		snprintf(ret_text, text_bytes, "%s%s%s", show_ip(&host->ip, ip),
			host->profile[0] == '\0' ? ""
			: host->ip.len > 0       ? ", boots "
						 : "boots ",
			host->profile);
	}
}

/* A reservation of an address that another machine still holds is in order, but no surprise is
 * wanted. */
static void note_holder(struct ctl *ctl, const Pxe__Host *host)
{
	char ip[SHOW_BYTES], mac[SHOW_BYTES], when[SHOW_BYTES], text[256];
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__ListQuery query = PXE__LIST_QUERY__INIT;
	const Pxe__ObjectList *list;
	Pxe__AdminReply *reply;

	if (host->ip.len == 0 || ctl->quiet) {
		return;
	}
	query.kind = PXE__OBJECT_KIND__OBJECT_LEASE;
	query.name = (char *)show_ip(&host->ip, ip);
	request.body_case = PXE__ADMIN_REQUEST__BODY_LIST;
	request.list = &query;
	/* That nobody holds it is the usual answer, and no news. */
	if (client_try(ctl, &request, &reply, text, sizeof text) != CTL_OK) {
		return;
	}
	list = reply->objects;
	for (size_t i = 0; reply->body_case == PXE__ADMIN_REPLY__BODY_OBJECTS && i < list->n_leases;
		i++) {
		const Pxe__Lease *lease = list->leases[i];
		if ((lease->state == PXE__LEASE_STATE__LEASE_BOUND ||
			    lease->state == PXE__LEASE_STATE__LEASE_GRACE) &&
			!has_mac(host, &lease->mac)) {
			ctl_note(ctl,
				"note: %s is still kept for %s; %s gets it when that ends, %s at "
				"the latest",
				ip, show_mac(&lease->mac, mac), host->name,
				show_when(lease->promised_ms, client_list_now_ms(list), when));
		}
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
}

/* A profile may come before its image; a mistyped name looks the same. */
static void note_image(struct ctl *ctl, const Pxe__Profile *profile)
{
	size_t length = strcspn(profile->image, "@");
	Pxe__ObjectList *list;
	bool found = false;

	if (length == 0 || ctl->quiet ||
		client_list(ctl, PXE__OBJECT_KIND__OBJECT_IMAGE, "", &list) != CTL_OK) {
		return;
	}
	for (size_t i = 0; i < list->n_images; i++) {
		const char *name = list->images[i]->name;
		found = found ||
			(strlen(name) == length && strncmp(name, profile->image, length) == 0);
	}
	if (!found) {
		ctl_note(ctl,
			"note: there is no image %.*s yet; push it: pxectl image push %.*s DIR",
			(int)length, profile->image, (int)length, profile->image);
	}
	pxe__object_list__free_unpacked(list, NULL);
}

static int print_put(struct ctl *ctl, const struct object_kind *kind,
	const ProtobufCMessage *object, const char *done, const struct client_done *outcome)
{
	char text[600];
	int result;

	summary(kind, object, outcome->detail, text, sizeof text);
	result =
		objects_print_done(ctl, kind->noun, name_of(object), done, outcome->revision, text);
	if (result == CTL_OK && kind->kind == PXE__OBJECT_KIND__OBJECT_HOST) {
		note_holder(ctl, (const Pxe__Host *)(const void *)object);
	} else if (result == CTL_OK && kind->kind == PXE__OBJECT_KIND__OBJECT_PROFILE) {
		note_image(ctl, (const Pxe__Profile *)(const void *)object);
	}
	return result;
}

int objects_add(struct ctl *ctl, const struct invocation *in)
{
	const struct object_kind *kind = object_kind_of(in);
	ProtobufCMessage *object =
		protobuf_c_message_unpack(kind->type, NULL, 0, (const uint8_t *)"");
	struct client_done done;
	char text[1024] = "";
	int result = edit_check_name(ctl, kind->noun, in->args[0]);

	assert(object != NULL);
	edit_set_text((char **)(uintptr_t)member_at(object,
			      protobuf_c_message_descriptor_get_field_by_name(kind->type, "name")
				      ->offset),
		in->args[0]);
	if (result == CTL_OK && in->arg_count > 1) {
		result = edit_set_cidr(ctl, in->args[1], (Pxe__Subnet *)(void *)object);
	}
	if (result == CTL_OK) {
		result = kind->edit(ctl, in, object);
	}
	for (unsigned tries = 0; result == CTL_OK && tries < SET_TRIES; tries++) {
		if (wants_auto_ip(kind, in) &&
			(result = choose_ip(ctl, (Pxe__Host *)(void *)object)) != CTL_OK) {
			break;
		}
		result = put(ctl, kind, object, PXE__PRECONDITION__PUT_CREATE, 0, &done, text,
			sizeof text);
		if (result == CTL_OK || !wants_auto_ip(kind, in) || result != CTL_CONFLICT ||
			tries + 1 == SET_TRIES) {
			result = result == CTL_OK ? print_put(ctl, kind, object, "added", &done)
				 : ctl->client == NULL
					 ? result
					 : ctl_fail(ctl, (enum ctl_exit)result, "%s", text);
			break;
		}
		result = CTL_OK; /* somebody took the address meanwhile */
	}
	protobuf_c_message_free_unpacked(object, NULL);
	return result;
}

/* One round of read, modify, write. *ret_moved: the revision moved meanwhile, try again. */
static int set_once(struct ctl *ctl, const struct object_kind *kind, const struct invocation *in,
	bool last_try, bool *ret_moved)
{
	Pxe__ObjectList *list, *now;
	ProtobufCMessage *object;
	struct client_done done;
	char text[1024] = "";
	int result = fetch(ctl, kind, in->args[0], &list, &object);

	*ret_moved = false;
	if (result != CTL_OK) {
		return result;
	}
	result = kind->edit(ctl, in, object);
	if (result == CTL_OK && wants_auto_ip(kind, in)) {
		result = choose_ip(ctl, (Pxe__Host *)(void *)object);
	}
	if (result == CTL_OK) {
		result = put(ctl, kind, object, PXE__PRECONDITION__PUT_UPDATE, list->revision,
			&done, text, sizeof text);
		if (result == CTL_CONFLICT && !last_try &&
			client_list(ctl, kind->kind, in->args[0], &now) == CTL_OK) {
			*ret_moved = now->revision != list->revision;
			pxe__object_list__free_unpacked(now, NULL);
		}
		if (result == CTL_OK) {
			result = print_put(ctl, kind, object, "changed", &done);
		} else if (!*ret_moved) {
			result = ctl_fail(ctl, (enum ctl_exit)result, "%s", text);
		}
	}
	pxe__object_list__free_unpacked(list, NULL);
	return result;
}

int objects_set(struct ctl *ctl, const struct invocation *in)
{
	const struct object_kind *kind = object_kind_of(in);
	bool moved = true;
	int result = CTL_OK;

	if (in->given_count == 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"nothing to change is named; see: pxectl %s set --help", kind->noun);
	}
	for (unsigned tries = 0; moved && tries < SET_TRIES; tries++) {
		result = set_once(ctl, kind, in, tries + 1 == SET_TRIES, &moved);
	}
	return result;
}

int objects_delete(
	struct ctl *ctl, Pxe__ObjectKind kind, const char *noun, const char *name, bool force)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Delete message = PXE__DELETE__INIT;
	struct client_done done;
	char text[1024], question[1200], copy[256];
	int result;

	snprintf(copy, sizeof copy, "%s", name);
	message.kind = kind;
	message.name = copy;
	message.even_if_used = force;
	command.op_case = PXE__COMMAND__OP_REMOVE;
	command.remove = &message;
	result = client_try_change(ctl, &command, &done, text, sizeof text);
	if (result == CTL_CONFLICT && !force) {
		snprintf(question, sizeof question, "%s", text);
		result = (int)ctl_confirm(ctl, question);
		if (result != CTL_OK) {
			return result;
		}
		message.even_if_used = true;
		result = client_try_change(ctl, &command, &done, text, sizeof text);
	}
	if (result != CTL_OK) {
		return text[0] == '\0' ? result : ctl_fail(ctl, (enum ctl_exit)result, "%s", text);
	}
	return objects_print_done(ctl, noun, name, "removed", done.revision, done.detail);
}

int objects_remove(struct ctl *ctl, const struct invocation *in)
{
	const struct object_kind *kind = object_kind_of(in);
	int result = CTL_OK;

	for (size_t i = 0; i < in->arg_count && result == CTL_OK; i++) {
		result = objects_delete(
			ctl, kind->kind, kind->noun, in->args[i], command_flag(in, "force"));
	}
	return result;
}
