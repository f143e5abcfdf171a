/* store/model/lookup.c: reading the state. Pure. */
#include "store/model/keep.h"
#include "store/model/levels.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const ProtobufCMessage *lookup_named(
	const struct model *model, enum record_kind kind, const char *name)
{
	size_t bytes = strlen(name);
	return bytes == 0 || bytes > MODEL_NAME_MAX ? NULL : keep_find(model, kind, name, bytes);
}

const Pxe__Settings *model_settings(const struct model *model)
{
	return (const Pxe__Settings *)keep_find(model, RECORD_SETTINGS, NULL, 0);
}

const Pxe__Member *model_member(const struct model *model, uint64_t id)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t bytes = record_key_u64(RECORD_MEMBER, id, key);
	return (const Pxe__Member *)keep_find(model, RECORD_MEMBER, key + 1, bytes - 1);
}

const Pxe__Member *model_member_named(const struct model *model, const char *name)
{
	const struct shelf *members = &model->shelf[RECORD_MEMBER];
	for (size_t i = 0; i < members->count; i++) {
		const Pxe__Member *member = (const Pxe__Member *)members->records[i]->message;
		if (strcmp(member->name, name) == 0)
			return member;
	}
	return NULL;
}

size_t model_members(const struct model *model, const Pxe__Member **ret_members, size_t max)
{
	const struct shelf *members = &model->shelf[RECORD_MEMBER];
	size_t count = members->count < max ? members->count : max;
	for (size_t i = 0; i < count; i++)
		ret_members[i] = (const Pxe__Member *)members->records[i]->message;
	return count;
}

const Pxe__Subnet *model_subnet(const struct model *model, const char *name)
{
	return (const Pxe__Subnet *)lookup_named(model, RECORD_SUBNET, name);
}

const Pxe__Subnet *model_subnet_of(const struct model *model, uint32_t ip)
{
	const struct pool_subnet *found = pool_map_subnet_of(&model->pools, ip);
	return found == NULL ? NULL : found->subnet;
}

const Pxe__Pool *model_pool(const struct model *model, const char *name)
{
	return (const Pxe__Pool *)lookup_named(model, RECORD_POOL, name);
}

const Pxe__Host *model_host(const struct model *model, const char *name)
{
	return (const Pxe__Host *)lookup_named(model, RECORD_HOST, name);
}

/* The host that an index record names. */
static const Pxe__Host *lookup_host_by(
	const struct model *model, enum record_kind kind, const void *key_name, size_t name_bytes)
{
	uint8_t key[RECORD_KEY_MAX];
	if (name_bytes == 0 || name_bytes >= RECORD_KEY_MAX)
		return NULL;
	size_t key_bytes = record_key(kind, key_name, name_bytes, key);
	const struct shelf_record *record = shelf_find(&model->shelf[kind], key, key_bytes);
	if (record == NULL)
		return NULL;
	return (const Pxe__Host *)keep_find(model, RECORD_HOST, record->value, record->value_bytes);
}

const Pxe__Host *model_host_of_mac(const struct model *model, const uint8_t *mac, size_t mac_bytes)
{
	return lookup_host_by(model, RECORD_HOST_MAC, mac, mac_bytes);
}

const Pxe__Host *model_host_of_uuid(const struct model *model, const uint8_t uuid[16])
{
	return lookup_host_by(model, RECORD_HOST_UUID, uuid, 16);
}

const Pxe__Host *internal_host_by(
	const struct model *model, enum record_kind kind, ProtobufCBinaryData identity)
{
	return lookup_host_by(model, kind, identity.data, identity.len);
}

const Pxe__Host *model_host_of_ip(const struct model *model, uint32_t ip)
{
	uint8_t bytes[4];
	msg_ip4_put(ip, bytes);
	return lookup_host_by(model, RECORD_HOST_IP, bytes, sizeof(bytes));
}

const Pxe__Profile *model_profile(const struct model *model, const char *name)
{
	return (const Pxe__Profile *)lookup_named(model, RECORD_PROFILE, name);
}

const Pxe__Image *model_image(const struct model *model, const char *name)
{
	return (const Pxe__Image *)lookup_named(model, RECORD_IMAGE, name);
}

const Pxe__ImageVersion *model_image_version(
	const struct model *model, const char *image, const uint8_t digest[32])
{
	uint8_t key[RECORD_KEY_MAX];
	if (strlen(image) > MODEL_NAME_MAX)
		return NULL;
	size_t bytes = record_key_version(image, digest, key);
	return (const Pxe__ImageVersion *)keep_find(
		model, RECORD_IMAGE_VERSION, key + 1, bytes - 1);
}

const Pxe__Operator *model_operator_of_key(const struct model *model, const uint8_t key[32])
{
	const struct shelf *operators = &model->shelf[RECORD_OPERATOR];
	for (size_t i = 0; i < operators->count; i++) {
		const Pxe__Operator *operator_ =
			(const Pxe__Operator *)operators->records[i]->message;
		if (operator_->public_key.len == 32 &&
			memcmp(operator_->public_key.data, key, 32) == 0)
			return operator_;
	}
	return NULL;
}

const Pxe__RequestOutcome *model_request(const struct model *model, const uint8_t request_id[16])
{
	return (const Pxe__RequestOutcome *)keep_find(model, RECORD_REQUEST, request_id, 16);
}

/* ---- leases ---- */

void internal_lease_copy(const struct lease_record *record, struct lease *ret_lease)
{
	assert(record->client_bytes <= MODEL_CLIENT_MAX &&
		record->hostname_bytes <= MODEL_NAME_MAX);
	*ret_lease = (struct lease){
		.ip = record->ip,
		.state = (Pxe__LeaseState)record->state,
		.expires_ms = record->expires_ms,
		.promised_ms = record->promised_ms,
		.started_ms = record->started_ms,
		.since_ms = record->since_ms,
		.released_ms = record->released_ms,
		.client_len = record->client_bytes,
	};
	memcpy(ret_lease->client, lease_record_client(record), record->client_bytes);
	memcpy(ret_lease->hostname, lease_record_hostname(record), record->hostname_bytes);
	memcpy(ret_lease->subnet, lease_record_subnet(record), record->subnet_bytes);
}

Pxe__LeaseState lease_state_at(const struct lease *lease, uint64_t now_ms)
{
	bool is_declined = lease->state == PXE__LEASE_STATE__LEASE_DECLINED;
	if (now_ms < lease->expires_ms && lease->state != PXE__LEASE_STATE__LEASE_FREE)
		return lease->state;
	/* Out of quarantine, but promised to the client that had it before. */
	if (is_declined && lease->promised_ms > lease->expires_ms &&
		now_ms < internal_after(lease->promised_ms, MODEL_MAX_SKEW_MS))
		return lease->state;
	if (lease->state == PXE__LEASE_STATE__LEASE_FREE || is_declined)
		return PXE__LEASE_STATE__LEASE_FREE;
	if (lease->state == PXE__LEASE_STATE__LEASE_OFFERED && lease->since_ms == 0)
		return PXE__LEASE_STATE__LEASE_FREE;
	return now_ms < internal_after(lease->promised_ms, MODEL_MAX_SKEW_MS)
		       ? PXE__LEASE_STATE__LEASE_GRACE
		       : PXE__LEASE_STATE__LEASE_FREE;
}

bool model_lease_of_ip(const struct model *model, uint32_t ip, struct lease *ret_lease)
{
	const struct lease_record *record = lease_table_find(&model->leases, ip);
	if (record == NULL)
		return false;
	internal_lease_copy(record, ret_lease);
	return true;
}

struct lease_record *internal_lease_of_client(
	const struct model *model, const char *subnet, const uint8_t *client, size_t client_bytes)
{
	struct lease_record *best = NULL, *next;
	size_t cursor = 0;
	while ((next = lease_table_next_of_client(
			&model->leases, subnet, client, client_bytes, &cursor)) != NULL) {
		if (next->state == PXE__LEASE_STATE__LEASE_DECLINED)
			continue;
		if (best == NULL || next->started_ms > best->started_ms ||
			(next->started_ms == best->started_ms && next->ip < best->ip))
			best = next;
	}
	return best;
}

bool model_lease_of_client(const struct model *model, const char *subnet, const uint8_t *client,
	size_t client_bytes, struct lease *ret_lease)
{
	const struct lease_record *record =
		internal_lease_of_client(model, subnet, client, client_bytes);
	if (record == NULL)
		return false;
	internal_lease_copy(record, ret_lease);
	return true;
}

uint32_t internal_host_ip_in(const Pxe__Host *host, uint32_t first, uint32_t last)
{
	for (size_t i = 0; i < internal_host_ips(host); i++) {
		uint32_t ip = msg_ip4_get(internal_host_ip(host, i));
		if (ip != 0 && ip >= first && ip <= last)
			return ip;
	}
	return 0;
}

uint32_t model_reserved_ip(
	const struct model *model, const Pxe__Subnet *subnet, const Pxe__ClientInfo *who)
{
	const Pxe__Host *host = model_host_of(model, who, NULL);
	uint32_t first, last;
	internal_subnet_range(subnet, &first, &last);
	return host == NULL ? 0 : internal_host_ip_in(host, first, last);
}

/* Count an address of a pool that is not free: leased, reserved, or never given out at all. */
static void lookup_count_taken(const struct model *model, const Pxe__Subnet *subnet, uint32_t ip,
	uint64_t now_ms, uint64_t *size, uint64_t *used)
{
	struct lease lease;
	const struct pool_span *span = pool_map_span_of(&model->pools, ip);
	bool has_lease = model_lease_of_ip(model, ip, &lease);
	bool is_live = has_lease && lease_state_at(&lease, now_ms) != PXE__LEASE_STATE__LEASE_FREE;
	if (!has_lease && (internal_never_leased(model, subnet, ip) ||
				  internal_pool_excludes(span->pool, ip)))
		return;
	*size += 1;
	*used += is_live || internal_reservation(model, ip) != NULL ? 1 : 0;
}

void model_pool_usage(const struct model *model, const Pxe__Pool *pool, uint64_t now_ms,
	uint64_t *ret_size, uint64_t *ret_used)
{
	const struct pool_span *span = pool_map_span_of(&model->pools, msg_ip4_get(pool->first_ip));
	const Pxe__Subnet *subnet = model_subnet(model, pool->subnet);
	*ret_size = 0;
	*ret_used = 0;
	if (span == NULL || subnet == NULL)
		return;
	size_t count = (size_t)(span->last - span->first) + 1;
	*ret_size = span->free_count;
	for (size_t bit = 0; bit < count; bit++) {
		uint64_t word = span->free_bits[bit / 64];
		if (bit % 64 == 0 && word == UINT64_MAX)
			bit += 63;
		else if ((word >> (bit % 64) & 1) == 0)
			lookup_count_taken(model, subnet, span->first + (uint32_t)bit, now_ms,
				ret_size, ret_used);
	}
}

const Pxe__Once *model_once(const struct model *model, const char *host)
{
	return (const Pxe__Once *)keep_find(model, RECORD_ONCE, host, strlen(host));
}

const Pxe__Machine *model_machine_seen(
	const struct model *model, const uint8_t *mac, size_t mac_bytes)
{
	return mac_bytes == 0
		       ? NULL
		       : (const Pxe__Machine *)keep_find(model, RECORD_MACHINE, mac, mac_bytes);
}

/* ---- visits ---- */

static enum record_kind lookup_record_kind(Pxe__ObjectKind kind)
{
	switch (kind) {
	case PXE__OBJECT_KIND__OBJECT_SUBNET: return RECORD_SUBNET;
	case PXE__OBJECT_KIND__OBJECT_POOL: return RECORD_POOL;
	case PXE__OBJECT_KIND__OBJECT_HOST: return RECORD_HOST;
	case PXE__OBJECT_KIND__OBJECT_PROFILE: return RECORD_PROFILE;
	case PXE__OBJECT_KIND__OBJECT_IMAGE: return RECORD_IMAGE;
	case PXE__OBJECT_KIND__OBJECT_MEMBER: return RECORD_MEMBER;
	case PXE__OBJECT_KIND__OBJECT_LEASE: return RECORD_LEASE;
	case PXE__OBJECT_KIND__OBJECT_SETTINGS: return RECORD_SETTINGS;
	case PXE__OBJECT_KIND__OBJECT_OPERATOR: return RECORD_OPERATOR;
	case PXE__OBJECT_KIND__OBJECT_TOKEN: return RECORD_TOKEN;
	case PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION: return RECORD_IMAGE_VERSION;
	case PXE__OBJECT_KIND__OBJECT_GROUP: return RECORD_GROUP;
	case PXE__OBJECT_KIND__OBJECT_MACHINE: return RECORD_MACHINE;
	case PXE__OBJECT_KIND__OBJECT_ONCE: return RECORD_ONCE;
	case PXE__OBJECT_KIND__OBJECT_NONE:
	case _PXE__OBJECT_KIND_IS_INT_SIZE: break;
	}
	return RECORD_CLOCK;
}

static void lookup_each_lease(
	const struct model *model, bool (*visit)(void *ctx, const void *object), void *ctx)
{
	struct lease_record **sorted = lease_table_sorted(&model->leases);
	bool is_going = true;
	for (size_t i = 0; is_going && i < model->leases.count; i++) {
		uint8_t ip_bytes[4];
		Pxe__Lease lease = lease_record_view(sorted[i], ip_bytes);
		is_going = visit(ctx, &lease);
	}
	free(sorted);
}

void model_each(const struct model *model, Pxe__ObjectKind kind,
	bool (*visit)(void *ctx, const void *object), void *ctx)
{
	enum record_kind record_kind = lookup_record_kind(kind);
	if (record_kind == RECORD_CLOCK)
		return;
	if (record_kind == RECORD_LEASE) {
		lookup_each_lease(model, visit, ctx);
		return;
	}
	const struct shelf *shelf = &model->shelf[record_kind];
	for (size_t i = 0; i < shelf->count; i++) {
		if (!visit(ctx, shelf->records[i]->message))
			return;
	}
}

static void lookup_visit_lease(
	struct lease_record *record, const struct model_sink *visitor, uint8_t *packed)
{
	uint8_t ip_bytes[4], key[RECORD_KEY_MAX];
	Pxe__Lease lease = lease_record_view(record, ip_bytes);
	size_t key_bytes = record_key(RECORD_LEASE, ip_bytes, sizeof(ip_bytes), key);
	size_t bytes = pxe__lease__pack(&lease, packed);
	visitor->put(visitor->ctx, key, key_bytes, packed, bytes);
}

static void lookup_visit_leases(const struct model *model, const struct model_sink *visitor)
{
	uint8_t packed[2048]; /* a lease has at most 255 bytes in each of its six variable fields */
	struct lease_record **sorted = lease_table_sorted(&model->leases);
	for (size_t i = 0; i < model->leases.count; i++)
		lookup_visit_lease(sorted[i], visitor, packed);
	free(sorted);
}

void model_each_record(const struct model *model, const struct model_sink *visitor)
{
	for (size_t kind = 0; kind < INTERNAL_KINDS; kind++) {
		if (kind == RECORD_LEASE)
			lookup_visit_leases(model, visitor);
		const struct shelf *shelf = &model->shelf[kind];
		for (size_t i = 0; i < shelf->count; i++) {
			const struct shelf_record *record = shelf->records[i];
			visitor->put(visitor->ctx, record->key, record->key_bytes, record->value,
				record->value_bytes);
		}
	}
}
