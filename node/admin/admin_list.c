/* Lists: the model's objects, packed as they are visited and sent in parts of PART_BYTES, so that a
 * hundred thousand leases are neither held twice nor one message. Each part is an AdminReply whose
 * ObjectList holds some of the objects; the client joins them. */
#include "node/admin/admin_impl.h"

#include "node/boot/boot.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include "store/model/levels.h"
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_BYTES       (256 * 1024)
#define REPLY_FIELD_BODY 11 /* AdminReply.objects */

struct list {
	struct admin *admin;
	const struct admin_client *client;
	Pxe__ObjectKind kind;
	const char *pattern; /* "" everything */
	uint64_t now_ms;
	uint8_t *data;
	size_t bytes, capacity, count;
	struct admin_alone *alone; /* leases that this node gave alone; NULL: none */
	uint32_t unmerged;         /* of those, shown */
	bool failed;
};

/* Where each kind stands in ObjectList, and how it is called. */
static const struct {
	Pxe__ObjectKind kind;
	unsigned field;
	const char *noun;
} list_kinds[] = {
	{PXE__OBJECT_KIND__OBJECT_SUBNET, 1, "subnet"},
	{PXE__OBJECT_KIND__OBJECT_POOL, 2, "pool"},
	{PXE__OBJECT_KIND__OBJECT_HOST, 3, "host"},
	{PXE__OBJECT_KIND__OBJECT_PROFILE, 4, "profile"},
	{PXE__OBJECT_KIND__OBJECT_IMAGE, 5, "image"},
	{PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, 6, "image"},
	{PXE__OBJECT_KIND__OBJECT_MEMBER, 7, "node"},
	{PXE__OBJECT_KIND__OBJECT_LEASE, 8, "lease"},
	{PXE__OBJECT_KIND__OBJECT_OPERATOR, 9, "key"},
	{PXE__OBJECT_KIND__OBJECT_TOKEN, 10, "token"},
	{PXE__OBJECT_KIND__OBJECT_SETTINGS, 11, "settings"},
	{PXE__OBJECT_KIND__OBJECT_GROUP, 17, "group"},
	{PXE__OBJECT_KIND__OBJECT_MACHINE, 18, "machine seen"},
	{PXE__OBJECT_KIND__OBJECT_ONCE, 19, "one-shot boot of host"},
};

static int find_kind(Pxe__ObjectKind kind)
{
	for (size_t i = 0; i < sizeof list_kinds / sizeof list_kinds[0]; i++) {
		if (list_kinds[i].kind == kind) {
			return (int)i;
		}
	}
	return -1;
}

static bool reserve(struct list *list, size_t more)
{
	size_t capacity = list->bytes + more + PART_BYTES;
	uint8_t *data;

	if (list->bytes + more <= list->capacity) {
		return true;
	}
	data = realloc(list->data, capacity);
	if (data == NULL) {
		list->failed = true;
		return false;
	}
	list->data = data;
	list->capacity = capacity;
	return true;
}

static size_t put_varint(uint8_t *out, uint64_t value)
{
	size_t n = 0;

	while (value >= 0x80) {
		out[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[n++] = (uint8_t)value;
	return n;
}

static void append_object(struct list *list, const ProtobufCMessage *object)
{
	size_t size = protobuf_c_message_get_packed_size(object);
	unsigned field = list_kinds[find_kind(list->kind)].field;

	if (!reserve(list, size + 16)) {
		return;
	}
	list->bytes += put_varint(list->data + list->bytes, (uint64_t)field << 3 | 2u);
	list->bytes += put_varint(list->data + list->bytes, size);
	list->bytes += protobuf_c_message_pack(object, list->data + list->bytes);
	list->count++;
}

/* Send what was gathered; concatenated messages of one type merge (protobuf's encoding). */
static void send_part(struct list *list, bool more)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t head_bytes;
	uint8_t *data;

	reply.sequence = list->client->sequence;
	reply.more = more;
	if (!more) {
		admin_members_of(list->admin, members, &reply.n_members);
		reply.members = (Pxe__Member **)(uintptr_t)members; /* only read while packing */
		reply.members_revision = model_revision(admin_model(list->admin));
	}
	head_bytes = pxe__admin_reply__get_packed_size(&reply);
	data = malloc(head_bytes + list->bytes + 16);
	if (data == NULL) {
		list->failed = true;
		return;
	}
	pxe__admin_reply__pack(&reply, data);
	head_bytes += put_varint(data + head_bytes, REPLY_FIELD_BODY << 3 | 2u);
	head_bytes += put_varint(data + head_bytes, list->bytes);
	if (list->bytes > 0) {
		memcpy(data + head_bytes, list->data, list->bytes);
	}
	if (admin_send(list->admin, list->client, data, head_bytes + list->bytes) != 0) {
		list->failed = true;
	}
	free(data);
	list->bytes = 0;
}

static bool matches(const struct list *list, const char *text)
{
	return list->pattern[0] == '\0' || fnmatch(list->pattern, text, 0) == 0;
}

static bool lease_matches(const struct list *list, const Pxe__Lease *lease)
{
	char ip[TEXT_IP4_BYTES] = "", mac[TEXT_HWADDR_BYTES] = "";
	const Pxe__Host *host;
	uint8_t wanted[16];
	size_t wanted_bytes;

	if (list->pattern[0] == '\0') {
		return true;
	}
	if (lease->ip.len == 4) {
		snprintf(ip, sizeof ip, "%u.%u.%u.%u", lease->ip.data[0], lease->ip.data[1],
			lease->ip.data[2], lease->ip.data[3]);
	}
	if (lease->mac.len > 0 && lease->mac.len <= 16) {
		text_hwaddr_format(lease->mac.data, lease->mac.len, mac);
		host = model_host_of_mac(admin_model(list->admin), lease->mac.data, lease->mac.len);
		if ((host != NULL && matches(list, host->name)) ||
			(text_hwaddr_parse(list->pattern, wanted, &wanted_bytes) == 0 &&
				wanted_bytes == lease->mac.len &&
				memcmp(wanted, lease->mac.data, wanted_bytes) == 0)) {
			return true;
		}
	}
	return matches(list, ip) || matches(list, mac) || matches(list, lease->hostname);
}

/* As it is now: what ran out is GRACE or not there; the state as stored changes only when it is
 * swept. */
static void append_lease(struct list *list, const Pxe__Lease *stored)
{
	Pxe__Lease shown = *stored;
	struct lease facts = {.state = stored->state,
		.expires_ms = stored->expires_ms,
		.promised_ms = stored->promised_ms,
		.started_ms = stored->started_ms,
		.since_ms = stored->since_ms};

	shown.state = lease_state_at(&facts, list->now_ms);
	if (admin_alone_has(list->alone, msg_ip4_get(stored->ip))) {
		return; /* as this node told the client is newer */
	}
	if (shown.state != PXE__LEASE_STATE__LEASE_FREE && lease_matches(list, stored)) {
		append_object(list, &shown.base);
	}
}

/* By hardware address, address, host, or the name that it gives itself. */
static bool machine_matches(const struct list *list, const Pxe__Machine *machine)
{
	Pxe__Lease like = PXE__LEASE__INIT;

	like.mac = machine->mac;
	like.ip = machine->ip;
	like.hostname = machine->hostname;
	return lease_matches(list, &like);
}

static bool on_object(void *ctx, const void *object)
{
	struct list *list = ctx;
	const char *name;

	if (list->kind == PXE__OBJECT_KIND__OBJECT_LEASE) {
		append_lease(list, object);
	} else if (list->kind == PXE__OBJECT_KIND__OBJECT_TOKEN) {
		Pxe__Token token = *(const Pxe__Token *)object;
		token.secret_hash.len = 0;
		if (matches(list, token.for_name)) {
			append_object(list, &token.base);
		}
	} else if (list->kind == PXE__OBJECT_KIND__OBJECT_MACHINE) {
		if (machine_matches(list, object)) {
			append_object(list, object);
		}
	} else {
		name = list->kind == PXE__OBJECT_KIND__OBJECT_MEMBER
			       ? ((const Pxe__Member *)object)->name
		       : list->kind == PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION
			       ? ((const Pxe__ImageVersion *)object)->image
		       : list->kind == PXE__OBJECT_KIND__OBJECT_SETTINGS
			       ? ""
			       : ((const Pxe__Subnet *)object)
					 ->name; /* the first field of all others, too */
		if (list->kind == PXE__OBJECT_KIND__OBJECT_SETTINGS || matches(list, name)) {
			append_object(list, object);
		}
	}
	if (list->bytes >= PART_BYTES) {
		send_part(list, true);
	}
	return !list->failed;
}

_Static_assert(offsetof(Pxe__Subnet, name) == offsetof(Pxe__Pool, name) &&
		       offsetof(Pxe__Subnet, name) == offsetof(Pxe__Host, name) &&
		       offsetof(Pxe__Subnet, name) == offsetof(Pxe__Profile, name) &&
		       offsetof(Pxe__Subnet, name) == offsetof(Pxe__Image, name) &&
		       offsetof(Pxe__Subnet, name) == offsetof(Pxe__Group, name) &&
		       offsetof(Pxe__Subnet, name) == offsetof(Pxe__Once, host) &&
		       offsetof(Pxe__Subnet, name) == offsetof(Pxe__Operator, name),
	"objects begin with their name");

/* The fields that stand once, behind the objects. */
static void append_tail(struct list *list, bool stale)
{
	Pxe__ObjectList tail = PXE__OBJECT_LIST__INIT;
	size_t size;

	tail.revision = model_revision(admin_model(list->admin));
	tail.stale = stale;
	tail.now_ms = list->now_ms;
	tail.unmerged = list->unmerged;
	tail.as_of_ms = stale ? model_stamp_ms(admin_model(list->admin)) : list->now_ms;
	size = pxe__object_list__get_packed_size(&tail);
	if (reserve(list, size)) {
		list->bytes += pxe__object_list__pack(&tail, list->data + list->bytes);
	}
}

static void append_alone(struct list *list)
{
	list->alone = admin_alone_new(list->admin, list->now_ms);
	model_each(admin_model(list->admin), list->kind, on_object, list);
	for (size_t i = 0; i < admin_alone_count(list->alone) && !list->failed; i++) {
		const Pxe__Lease *lease = admin_alone_at(list->alone, i);
		if (lease_matches(list, lease)) {
			append_object(list, &lease->base);
			list->unmerged++;
		}
		if (list->bytes >= PART_BYTES) {
			send_part(list, true);
		}
	}
	admin_alone_free(list->alone);
	list->alone = NULL;
}

static void visit(struct list *list)
{
	const Pxe__Settings *settings = model_settings(admin_model(list->admin));

	if (list->kind == PXE__OBJECT_KIND__OBJECT_LEASE) {
		append_alone(list);
	} else if (list->kind != PXE__OBJECT_KIND__OBJECT_SETTINGS) {
		model_each(admin_model(list->admin), list->kind, on_object, list);
	} else if (settings != NULL) {
		on_object(list, settings);
	}
}

void admin_on_list(
	struct admin *admin, const struct admin_client *client, const Pxe__ListQuery *query)
{
	struct list list = {
		.admin = admin, .client = client, .kind = query->kind, .pattern = query->name};
	struct replica_view view;
	int kind = find_kind(query->kind);

	if (kind < 0) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID,
			"this node does not know that kind of object; is pxectl newer than the "
			"node?");
		return;
	}
	replica_get_view(admin->config.replica, &view);
	if (query->consistent && !view.has_quorum) {
		admin_reply_no_quorum(admin, client);
		return;
	}
	list.now_ms = replica_now_ms(admin->config.replica);
	visit(&list);
	if (!list.failed && list.count == 0 && query->name[0] != '\0' &&
		strpbrk(query->name, "*?[") == NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_NOT_FOUND,
			"there is no %s '%s'", list_kinds[kind].noun, query->name);
	} else {
		append_tail(&list, !view.has_quorum);
		if (!list.failed) {
			send_part(&list, false);
		}
		if (list.failed) {
			admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
				"the list was broken off: this node has no memory, or pxectl reads "
				"too slowly");
		}
	}
	free(list.data);
}

void admin_on_info(struct admin *admin, const struct admin_client *client)
{
	struct list list = {.admin = admin, .client = client, .pattern = ""};
	struct replica_view view;

	replica_get_view(admin->config.replica, &view);
	list.now_ms = replica_now_ms(admin->config.replica);
	list.kind = PXE__OBJECT_KIND__OBJECT_SETTINGS;
	visit(&list);
	list.kind = PXE__OBJECT_KIND__OBJECT_MEMBER;
	visit(&list);
	append_tail(&list, !view.has_quorum);
	if (!list.failed) {
		send_part(&list, false);
	}
	free(list.data);
}

/* ---- boot explain */

#define EXPLAIN_GROUPS_BYTES 512 /* of more names, the rest is cut off */

struct lease_search {
	const uint8_t *mac;
	size_t mac_bytes;
	uint32_t ip;
};

static bool find_lease(void *ctx, const void *object)
{
	struct lease_search *search = ctx;
	const Pxe__Lease *lease = object;

	if (lease->mac.len == search->mac_bytes &&
		memcmp(lease->mac.data, search->mac, search->mac_bytes) == 0) {
		search->ip = msg_ip4_get(lease->ip);
		return false;
	}
	return true;
}

/* The address that the machine has, or would get without asking: reservation, else lease. */
static uint32_t known_ip(const struct model *model, const struct boot_client *who)
{
	const Pxe__Host *host = model_host_of_mac(model, who->mac, who->mac_bytes);
	struct lease_search search = {who->mac, who->mac_bytes, 0};

	if (host == NULL && who->has_uuid) {
		host = model_host_of_uuid(model, who->uuid);
	}
	if (host != NULL && host->ip.len == 4) {
		return msg_ip4_get(host->ip);
	}
	model_each(model, PXE__OBJECT_KIND__OBJECT_LEASE, find_lease, &search);
	return search.ip;
}

static const char *read_client(const Pxe__BootExplainQuery *query, struct boot_client *ret_who)
{
	int32_t arch = query->arch[0] == '\0' ? DHCP4_ARCH_UEFI_X64 : dhcp4_arch_parse(query->arch);

	memset(ret_who, 0, sizeof *ret_who);
	if (query->mac.len == 0 || query->mac.len > sizeof ret_who->mac) {
		return "a hardware address is needed";
	}
	if (arch < 0) {
		return "that architecture is not known; write bios, uefi-x64, uefi-arm64 ... or "
		       "the number of "
		       "DHCP option 93";
	}
	if (query->uuid.len != 0 && query->uuid.len != 16) {
		return "a UUID has 16 bytes";
	}
	memcpy(ret_who->mac, query->mac.data, query->mac.len);
	ret_who->mac_bytes = (uint8_t)query->mac.len;
	ret_who->arch = (uint16_t)arch;
	ret_who->is_http = dhcp4_arch_is_http((uint16_t)arch);
	ret_who->is_pxe = !ret_who->is_http;
	if (query->uuid.len == 16) {
		ret_who->has_uuid = true;
		memcpy(ret_who->uuid, query->uuid.data, 16);
	}
	return NULL;
}

static size_t base_urls(const struct admin *admin, char urls[MODEL_MEMBERS_MAX][48],
	const char *ret_urls[MODEL_MEMBERS_MAX])
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count, used = 0;

	admin_members_of(admin, members, &count);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			bool self = members[i]->id == admin->config.self;
			char ip[TEXT_IP4_BYTES];
			if (self != (pass == 0) || members[i]->serve_ip.len != 4 ||
				members[i]->role == PXE__MEMBER_ROLE__MEMBER_WITNESS) {
				continue;
			}
			snprintf(urls[used], 48, "http://%s:%" PRIu32,
				text_ip4_format(msg_ip4_get(members[i]->serve_ip), ip),
				members[i]->http_port);
			ret_urls[used] = urls[used];
			used++;
		}
	}
	return used;
}

/* What the question does not say is as the machine said it last. */
static void explain_as_seen(
	const struct model *model, const Pxe__BootExplainQuery *query, struct boot_client *who)
{
	const Pxe__Machine *machine =
		who->mac_bytes > 0 ? model_machine_seen(model, who->mac, who->mac_bytes) : NULL;
	const char *vendor_class = query->vendor_class;

	if (machine != NULL && query->arch[0] == '\0' && machine->has_arch &&
		machine->arch < UINT16_MAX) {
		who->arch = (uint16_t)machine->arch;
	}
	if (machine != NULL && !who->has_uuid && machine->uuid.len == sizeof who->uuid) {
		who->has_uuid = true;
		memcpy(who->uuid, machine->uuid.data, sizeof who->uuid);
	}
	if (machine != NULL && vendor_class[0] == '\0') {
		vendor_class = machine->vendor_class;
	}
	snprintf(who->vendor_class, sizeof who->vendor_class, "%s", vendor_class);
	snprintf(who->user_class, sizeof who->user_class, "%s", query->user_class);
}

/* The names of the machine's groups go to ret_names, and who points there. */
static void explain_groups(
	const struct admin *admin, struct boot_client *who, char ret_names[EXPLAIN_GROUPS_BYTES])
{
	struct model_levels *levels = malloc(sizeof *levels);

	if (levels == NULL) {
		return;
	}
	boot_levels_of_model(admin_model(admin), who, levels);
	for (size_t i = 0, used = 0; i < levels->count && used < EXPLAIN_GROUPS_BYTES; i++) {
		if (strcmp(levels->level[i].kind, "group") == 0) {
			used += (size_t)snprintf(ret_names + used, EXPLAIN_GROUPS_BYTES - used,
				"%s%s", used > 0 ? ", " : "", levels->level[i].name);
		}
	}
	who->groups = ret_names;
	who->ignored = levels->ignore;
	free(levels);
}

void admin_on_boot_explain(
	struct admin *admin, const struct admin_client *client, const Pxe__BootExplainQuery *query)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	const Pxe__Member *self = model_member(admin_model(admin), admin->config.self);
	char urls[MODEL_MEMBERS_MAX][48];
	const char *url_list[MODEL_MEMBERS_MAX];
	struct boot_client who;
	struct boot_source source;
	char groups[EXPLAIN_GROUPS_BYTES] = "", *rendered = NULL;
	const char *refusal = read_client(query, &who);
	size_t url_count;

	if (refusal == NULL && self == NULL) {
		refusal = "this node is not (or no longer) a member of the cluster";
	}
	if (refusal != NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID, "%s", refusal);
		return;
	}
	who.ip = known_ip(admin_model(admin), &who);
	who.subnet_ip = who.ip != 0 ? who.ip : msg_ip4_get(self->serve_ip);
	boot_source_of_model(admin_model(admin), &source);
	source.self = admin->config.self;
	who.now_ms = model_stamp_ms(admin_model(admin));
	explain_as_seen(admin_model(admin), query, &who);
	explain_groups(admin, &who, groups);
	url_count = base_urls(admin, urls, url_list);
	if (query->render[0] != '\0') {
		rendered = boot_explain_render(&source, &who, query->render, url_list, url_count);
		if (rendered == NULL) {
			admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_NOT_FOUND,
				"the machine's profile has no template of this name; made for it "
				"are also boot.ipxe, grub.cfg, pxelinux.cfg and extlinux.conf");
			return;
		}
	}
	reply.explanation = boot_explain(&source, &who, msg_ip4_get(self->serve_ip),
		(uint16_t)self->http_port, url_list, url_count);
	if (rendered != NULL) {
		reply.explanation->rendered = rendered;
	}
	reply.body_case = PXE__ADMIN_REPLY__BODY_EXPLANATION;
	admin_reply(admin, client, &reply);
	pxe__boot_explanation__free_unpacked(reply.explanation, NULL);
}
