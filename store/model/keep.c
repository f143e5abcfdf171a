#include "store/model/keep.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- kinds ---- */

static const ProtobufCMessageDescriptor *keep_descriptor(enum record_kind kind)
{
	switch (kind) {
	case RECORD_CLOCK: return &pxe__clock__descriptor;
	case RECORD_SETTINGS: return &pxe__settings__descriptor;
	case RECORD_MEMBER: return &pxe__member__descriptor;
	case RECORD_SUBNET: return &pxe__subnet__descriptor;
	case RECORD_POOL: return &pxe__pool__descriptor;
	case RECORD_HOST: return &pxe__host__descriptor;
	case RECORD_PROFILE: return &pxe__profile__descriptor;
	case RECORD_IMAGE: return &pxe__image__descriptor;
	case RECORD_IMAGE_VERSION: return &pxe__image_version__descriptor;
	case RECORD_LEASE: return &pxe__lease__descriptor;
	case RECORD_OPERATOR: return &pxe__operator__descriptor;
	case RECORD_TOKEN: return &pxe__token__descriptor;
	case RECORD_WINDOW: return &pxe__proposer_window__descriptor;
	case RECORD_REQUEST: return &pxe__request_outcome__descriptor;
	case RECORD_BLOCK: return &pxe__block__descriptor;
	case RECORD_HOLD: return &pxe__hold__descriptor;
	case RECORD_GROUP: return &pxe__group__descriptor;
	case RECORD_ONCE: return &pxe__once__descriptor;
	case RECORD_MACHINE: return &pxe__machine__descriptor;
	case RECORD_HOST_MAC:
	case RECORD_HOST_UUID:
	case RECORD_HOST_IP:
	case RECORD_HOST_CLIENT_ID:
	case RECORD_HOST_CIRCUIT: return NULL;
	}
	return NULL;
}

static bool keep_is_kind(uint8_t byte)
{
	return byte != 0 && strchr("csmNPHMURFIVLOTwqBhGCKbv", byte) != NULL;
}

static size_t keep_key_named(enum record_kind kind, const char *name, uint8_t *ret_key)
{
	size_t bytes = strlen(name);
	return bytes == 0 || bytes > MODEL_NAME_MAX ? 0 : record_key(kind, name, bytes, ret_key);
}

static size_t keep_key_bytes(
	enum record_kind kind, ProtobufCBinaryData name, size_t expected, uint8_t *ret_key)
{
	return name.len != expected ? 0 : record_key(kind, name.data, name.len, ret_key);
}

static size_t keep_key_version(const Pxe__ImageVersion *version, uint8_t *ret_key)
{
	size_t bytes = strlen(version->image);
	if (bytes == 0 || bytes > MODEL_NAME_MAX || version->digest.len != 32)
		return 0;
	return record_key_version(version->image, version->digest.data, ret_key);
}

static size_t keep_key_hold(const Pxe__Hold *hold, uint8_t *ret_key)
{
	return hold->ip.len != 4 ? 0
				 : record_key_hold(msg_ip4_get(hold->ip), hold->since_ms, ret_key);
}

static size_t keep_key_mac(ProtobufCBinaryData mac, uint8_t *ret_key)
{
	return mac.len == 0 || mac.len > 16
		       ? 0
		       : record_key(RECORD_MACHINE, mac.data, mac.len, ret_key);
}

size_t keep_key_of(
	enum record_kind kind, const ProtobufCMessage *message, uint8_t ret_key[RECORD_KEY_MAX])
{
	switch (kind) {
	case RECORD_CLOCK:
	case RECORD_SETTINGS: return record_key(kind, NULL, 0, ret_key);
	case RECORD_MEMBER:
		return record_key_u64(kind, ((const Pxe__Member *)message)->id, ret_key);
	case RECORD_SUBNET:
		return keep_key_named(kind, ((const Pxe__Subnet *)message)->name, ret_key);
	case RECORD_POOL: return keep_key_named(kind, ((const Pxe__Pool *)message)->name, ret_key);
	case RECORD_HOST: return keep_key_named(kind, ((const Pxe__Host *)message)->name, ret_key);
	case RECORD_GROUP:
		return keep_key_named(kind, ((const Pxe__Group *)message)->name, ret_key);
	case RECORD_PROFILE:
		return keep_key_named(kind, ((const Pxe__Profile *)message)->name, ret_key);
	case RECORD_IMAGE:
		return keep_key_named(kind, ((const Pxe__Image *)message)->name, ret_key);
	case RECORD_OPERATOR:
		return keep_key_named(kind, ((const Pxe__Operator *)message)->name, ret_key);
	case RECORD_IMAGE_VERSION:
		return keep_key_version((const Pxe__ImageVersion *)message, ret_key);
	case RECORD_LEASE:
		return keep_key_bytes(kind, ((const Pxe__Lease *)message)->ip, 4, ret_key);
	case RECORD_TOKEN:
		return keep_key_bytes(kind, ((const Pxe__Token *)message)->id, 8, ret_key);
	case RECORD_WINDOW:
		return record_key_u64(
			kind, ((const Pxe__ProposerWindow *)message)->origin, ret_key);
	case RECORD_REQUEST:
		return keep_key_bytes(
			kind, ((const Pxe__RequestOutcome *)message)->request_id, 16, ret_key);
	case RECORD_BLOCK:
		return record_key_u64(kind, ((const Pxe__Block *)message)->serial, ret_key);
	case RECORD_HOLD: return keep_key_hold((const Pxe__Hold *)message, ret_key);
	case RECORD_ONCE: return keep_key_named(kind, ((const Pxe__Once *)message)->host, ret_key);
	case RECORD_MACHINE: return keep_key_mac(((const Pxe__Machine *)message)->mac, ret_key);
	case RECORD_HOST_MAC:
	case RECORD_HOST_UUID:
	case RECORD_HOST_IP:
	case RECORD_HOST_CLIENT_ID:
	case RECORD_HOST_CIRCUIT: break;
	}
	return 0;
}

/* ---- memory ---- */

static void *keep_alloc(size_t bytes)
{
	void *memory = malloc(bytes == 0 ? 1 : bytes);
	if (memory == NULL)
		abort();
	return memory;
}

char *keep_string(const char *text)
{
	size_t bytes = strlen(text) + 1;
	return memcpy(keep_alloc(bytes), text, bytes);
}

ProtobufCBinaryData keep_data(const void *data, size_t data_bytes)
{
	if (data_bytes == 0)
		return (ProtobufCBinaryData){0};
	return (ProtobufCBinaryData){
		.len = data_bytes, .data = memcpy(keep_alloc(data_bytes), data, data_bytes)};
}

void keep_set_string(char **field, const char *text)
{
	char *copy = keep_string(text);
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = copy;
}

void keep_set_data(ProtobufCBinaryData *field, const void *data, size_t data_bytes)
{
	ProtobufCBinaryData copy = keep_data(data, data_bytes);
	free(field->data);
	*field = copy;
}

ProtobufCBinaryData keep_pack(struct model *model, const ProtobufCMessage *message)
{
	size_t bytes = protobuf_c_message_get_packed_size(message);
	if (bytes > model->packed_capacity) {
		free(model->packed);
		model->packed_capacity = bytes < 1024 ? 1024 : 2 * bytes;
		model->packed = keep_alloc(model->packed_capacity);
	}
	if (bytes > 0)
		protobuf_c_message_pack(message, model->packed);
	return (ProtobufCBinaryData){.len = bytes, .data = model->packed};
}

ProtobufCMessage *keep_copy(const ProtobufCMessage *message)
{
	size_t bytes = protobuf_c_message_get_packed_size(message);
	uint8_t *packed = keep_alloc(bytes);
	protobuf_c_message_pack(message, packed);
	ProtobufCMessage *copy =
		protobuf_c_message_unpack(message->descriptor, NULL, bytes, packed);
	if (copy == NULL)
		abort(); /* only for want of memory: the bytes were just packed */
	free(packed);
	return copy;
}

/* ---- derived indexes ---- */

static void keep_on_ip_field(
	struct model *model, const ProtobufCBinaryData *old, const ProtobufCBinaryData *now)
{
	if (old != NULL && old->len == 4)
		pool_map_on_ip(model, msg_ip4_get(*old));
	if (now != NULL && now->len == 4)
		pool_map_on_ip(model, msg_ip4_get(*now));
}

static void keep_on_request(
	struct model *model, const Pxe__RequestOutcome *old, const Pxe__RequestOutcome *now)
{
	if (old != NULL && model->request_ring[old->number % MODEL_REQUESTS_MAX] == old)
		model->request_ring[old->number % MODEL_REQUESTS_MAX] = NULL;
	if (now == NULL)
		return;
	model->request_ring[now->number % MODEL_REQUESTS_MAX] = now;
	if (now->number >= model->request_next && now->number < UINT64_MAX)
		model->request_next = now->number + 1;
}

/* The record changed from one message to another; NULL: was not, or is no more. */
static void keep_reindex(struct model *model, enum record_kind kind, const ProtobufCMessage *old,
	const ProtobufCMessage *now)
{
	if (kind == RECORD_SUBNET) {
		pool_map_on_subnet(model, (const Pxe__Subnet *)old, (const Pxe__Subnet *)now);
	} else if (kind == RECORD_POOL) {
		pool_map_on_pool(model, (const Pxe__Pool *)old, (const Pxe__Pool *)now);
	} else if (kind == RECORD_MEMBER) {
		keep_on_ip_field(model, old != NULL ? &((const Pxe__Member *)old)->serve_ip : NULL,
			now != NULL ? &((const Pxe__Member *)now)->serve_ip : NULL);
	} else if (kind == RECORD_SETTINGS) {
		keep_on_ip_field(model,
			old != NULL ? &((const Pxe__Settings *)old)->server_ip : NULL,
			now != NULL ? &((const Pxe__Settings *)now)->server_ip : NULL);
	} else if (kind == RECORD_BLOCK) {
		reserve_map_on_block(model, (const Pxe__Block *)old, (const Pxe__Block *)now);
	} else if (kind == RECORD_HOLD) {
		reserve_map_on_hold(model, (const Pxe__Hold *)old, (const Pxe__Hold *)now);
	} else if (kind == RECORD_MACHINE) {
		machine_map_on_machine(model, (const Pxe__Machine *)old, (const Pxe__Machine *)now);
	} else if (kind == RECORD_REQUEST) {
		keep_on_request(
			model, (const Pxe__RequestOutcome *)old, (const Pxe__RequestOutcome *)now);
	}
}

static void keep_reindex_key(struct model *model, const uint8_t *key, size_t key_bytes)
{
	if (key[0] != RECORD_HOST_IP || key_bytes != 5)
		return;
	uint8_t bytes[4];
	memcpy(bytes, key + 1, sizeof(bytes));
	pool_map_on_ip(model, msg_ip4_get((ProtobufCBinaryData){.len = 4, .data = bytes}));
}

/* ---- changes ---- */

static void keep_tell(const struct model_sink *sink, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes)
{
	if (sink != NULL && sink->put != NULL)
		sink->put(sink->ctx, key, key_bytes, value, value_bytes);
}

static void keep_tell_removed(const struct model_sink *sink, const uint8_t *key, size_t key_bytes)
{
	if (sink != NULL && sink->remove != NULL)
		sink->remove(sink->ctx, key, key_bytes);
}

/* Set key -> value; takes the message over. */
static void keep_record(struct model *model, const uint8_t *key, size_t key_bytes,
	ProtobufCBinaryData value, ProtobufCMessage *message)
{
	struct shelf_record *record = shelf_make(&model->shelf[key[0]], key, key_bytes);
	if (record->value != NULL)
		digest_remove(&model->digest, key, key_bytes, record->value, record->value_bytes);
	digest_add(&model->digest, key, key_bytes, value.data, value.len);
	uint8_t *copy = keep_alloc(value.len);
	if (value.len > 0)
		memcpy(copy, value.data, value.len);
	free(record->value);
	record->value = copy;
	record->value_bytes = value.len;
	ProtobufCMessage *old = record->message;
	record->message = message;
	if (message != NULL)
		keep_reindex(model, (enum record_kind)key[0], old, message);
	else
		keep_reindex_key(model, key, key_bytes);
	if (old != NULL)
		protobuf_c_message_free_unpacked(old, NULL);
}

void keep_message(struct model *model, const struct model_sink *sink, enum record_kind kind,
	ProtobufCMessage *message)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t key_bytes = keep_key_of(kind, message, key);
	assert(key_bytes > 0);
	ProtobufCBinaryData value = keep_pack(model, message);
	keep_tell(sink, key, key_bytes, value.data, value.len);
	keep_record(model, key, key_bytes, value, message);
}

void keep_text(struct model *model, const struct model_sink *sink, enum record_kind kind,
	ProtobufCBinaryData name, const char *text)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t key_bytes = record_key(kind, name.data, name.len, key);
	ProtobufCBinaryData value = {.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
	keep_tell(sink, key, key_bytes, value.data, value.len);
	keep_record(model, key, key_bytes, value, NULL);
}

void keep_remove(struct model *model, const struct model_sink *sink, enum record_kind kind,
	const void *name, size_t name_bytes)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t key_bytes = record_key(kind, name, name_bytes, key);
	struct shelf_record *record = shelf_take(&model->shelf[kind], key, key_bytes);
	if (record == NULL)
		return;
	digest_remove(&model->digest, key, key_bytes, record->value, record->value_bytes);
	keep_tell_removed(sink, key, key_bytes);
	if (kind == RECORD_HOST_MAC || kind == RECORD_HOST_UUID)
		machine_map_on_host_gone(model);
	if (record->message != NULL)
		keep_reindex(model, kind, record->message, NULL);
	else
		keep_reindex_key(model, key, key_bytes);
	shelf_record_free(record);
}

static void keep_digest_lease(
	struct model *model, const Pxe__Lease *lease, bool is_added, const struct model_sink *sink)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t key_bytes = record_key(RECORD_LEASE, lease->ip.data, lease->ip.len, key);
	ProtobufCBinaryData value = keep_pack(model, &lease->base);
	if (!is_added) {
		digest_remove(&model->digest, key, key_bytes, value.data, value.len);
		return;
	}
	digest_add(&model->digest, key, key_bytes, value.data, value.len);
	keep_tell(sink, key, key_bytes, value.data, value.len);
}

struct lease_record *keep_lease(
	struct model *model, const struct model_sink *sink, const Pxe__Lease *lease)
{
	uint8_t ip_bytes[4];
	struct lease_record *old = lease_table_find(&model->leases, msg_ip4_get(lease->ip));
	if (old != NULL) {
		Pxe__Lease before = lease_record_view(old, ip_bytes);
		keep_digest_lease(model, &before, false, NULL);
	}
	keep_digest_lease(model, lease, true, sink);
	struct lease_record *record = lease_table_set(&model->leases, lease);
	if (old == NULL)
		pool_map_on_ip(model, record->ip);
	return record;
}

void keep_remove_lease(
	struct model *model, const struct model_sink *sink, struct lease_record *record)
{
	uint8_t ip_bytes[4], key[RECORD_KEY_MAX];
	uint32_t ip = record->ip;
	Pxe__Lease lease = lease_record_view(record, ip_bytes);
	keep_digest_lease(model, &lease, false, NULL);
	size_t key_bytes = record_key(RECORD_LEASE, ip_bytes, sizeof(ip_bytes), key);
	keep_tell_removed(sink, key, key_bytes);
	lease_table_remove(&model->leases, record);
	pool_map_on_ip(model, ip);
}

void keep_clock(struct model *model, const struct model_sink *sink)
{
	Pxe__Clock *clock = keep_alloc(sizeof(*clock));
	pxe__clock__init(clock);
	clock->stamp_ms = model->stamp_ms;
	clock->revision = model->revision;
	clock->serial = model->serial;
	clock->settled_ms = model->settled_ms;
	clock->settle_after_ms = model->settle_after_ms;
	clock->unknown_until_ms = model->unknown_until_ms;
	clock->merge_conflicts = model->merge_conflicts;
	clock->kept_ms = model->kept_ms;
	clock->mclt_was_s = model->mclt_was_s;
	clock->mclt_was_ms = model->mclt_was_ms;
	keep_message(model, sink, RECORD_CLOCK, &clock->base);
}

void keep_changed(struct apply *a)
{
	a->model->revision++;
	keep_clock(a->model, a->sink);
}

const ProtobufCMessage *keep_find(
	const struct model *model, enum record_kind kind, const void *name, size_t name_bytes)
{
	uint8_t key[RECORD_KEY_MAX];
	if (name_bytes + 1 > RECORD_KEY_MAX)
		return NULL;
	size_t key_bytes = record_key(kind, name, name_bytes, key);
	const struct shelf_record *record = shelf_find(&model->shelf[kind], key, key_bytes);
	return record == NULL ? NULL : record->message;
}

/* ---- loading ---- */

static bool keep_lease_is_sound(const Pxe__Lease *lease)
{
	return lease->client.len <= MODEL_CLIENT_MAX && lease->mac.len <= 16 &&
	       lease->client_id.len <= UINT8_MAX && lease->uuid.len <= 16 &&
	       strlen(lease->hostname) <= MODEL_NAME_MAX &&
	       strlen(lease->subnet) <= MODEL_NAME_MAX &&
	       (lease->state == PXE__LEASE_STATE__LEASE_OFFERED ||
		       lease->state == PXE__LEASE_STATE__LEASE_BOUND ||
		       lease->state == PXE__LEASE_STATE__LEASE_DECLINED);
}

static bool keep_is_sound(enum record_kind kind, const ProtobufCMessage *message)
{
	if (kind == RECORD_LEASE)
		return keep_lease_is_sound((const Pxe__Lease *)message);
	if (kind == RECORD_SUBNET) {
		const Pxe__Subnet *subnet = (const Pxe__Subnet *)message;
		return subnet->network_ip.len == 4 && subnet->prefix_len <= 32;
	}
	if (kind == RECORD_BLOCK) {
		const Pxe__Block *block = (const Pxe__Block *)message;
		return block->first_ip.len == 4 &&
		       msg_ip4_get(block->first_ip) % MODEL_BLOCK_IPS == 0 && block->mask != 0 &&
		       strlen(block->subnet) <= MODEL_NAME_MAX;
	}
	if (kind == RECORD_POOL) {
		const Pxe__Pool *pool = (const Pxe__Pool *)message;
		uint32_t first = msg_ip4_get(pool->first_ip), last = msg_ip4_get(pool->last_ip);
		return pool->first_ip.len == 4 && pool->last_ip.len == 4 && first <= last &&
		       last - first < MODEL_POOL_ADDRESSES_MAX;
	}
	return true;
}

/* A lease is kept by its fields: bytes that would not come out again the same (of a newer version)
 * are refused. */
static int keep_load_lease(struct model *model, const Pxe__Lease *lease, ProtobufCBinaryData value)
{
	ProtobufCBinaryData again = keep_pack(model, &lease->base);
	if (lease->base.n_unknown_fields > 0 || !internal_same_bytes(again, value))
		return -EBADMSG;
	keep_lease(model, NULL, lease);
	return 0;
}

static void keep_load_clock(struct model *model, const ProtobufCMessage *message)
{
	const Pxe__Clock *clock = (const Pxe__Clock *)message;
	model->stamp_ms = clock->stamp_ms;
	model->revision = clock->revision;
	model->serial = clock->serial;
	model->settled_ms = clock->settled_ms;
	model->settle_after_ms = clock->settle_after_ms;
	model->unknown_until_ms = clock->unknown_until_ms;
	model->merge_conflicts = clock->merge_conflicts;
	model->kept_ms = clock->kept_ms;
	model->mclt_was_s = clock->mclt_was_s;
	model->mclt_was_ms = clock->mclt_was_ms;
}

int keep_load(struct model *model, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes)
{
	if (key_bytes == 0 || key_bytes > RECORD_KEY_MAX || !keep_is_kind(key[0]))
		return -EBADMSG;
	enum record_kind kind = (enum record_kind)key[0];
	const ProtobufCMessageDescriptor *descriptor = keep_descriptor(kind);
	ProtobufCBinaryData data = {.len = value_bytes, .data = (uint8_t *)(uintptr_t)value};
	if (descriptor == NULL) {
		if (key_bytes < 2 || value_bytes == 0 || value_bytes > MODEL_NAME_MAX)
			return -EBADMSG;
		keep_record(model, key, key_bytes, data, NULL);
		return 0;
	}
	ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, value_bytes, value);
	if (message == NULL)
		return -EBADMSG;
	uint8_t own_key[RECORD_KEY_MAX];
	size_t own_bytes = keep_key_of(kind, message, own_key);
	int error = 0;
	if (own_bytes != key_bytes || memcmp(own_key, key, key_bytes) != 0 ||
		!keep_is_sound(kind, message))
		error = -EBADMSG;
	else if (kind == RECORD_LEASE)
		error = keep_load_lease(model, (const Pxe__Lease *)message, data);
	if (error != 0 || kind == RECORD_LEASE) {
		protobuf_c_message_free_unpacked(message, NULL);
		return error;
	}
	if (kind == RECORD_CLOCK)
		keep_load_clock(model, message);
	keep_record(model, key, key_bytes, data, message);
	return 0;
}
