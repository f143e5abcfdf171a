#include "node/content/content_kv.h"

#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"
#include "store/model/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void content_kv_init(struct content_kv *state, struct kv *kv)
{
	assert(state != NULL && kv != NULL);
	state->kv = kv;
	state->object_count = 0;
}

void content_kv_fini(struct content_kv *state)
{
	while (state->object_count > 0) {
		protobuf_c_message_free_unpacked(state->objects[--state->object_count], NULL);
	}
}

static ProtobufCMessage *keep(struct content_kv *state, const ProtobufCMessageDescriptor *type,
	const uint8_t *value, size_t bytes)
{
	ProtobufCMessage *object;

	if (state->object_count == CONTENT_KV_OBJECTS) {
		return NULL;
	}
	object = protobuf_c_message_unpack(type, NULL, bytes, value);
	if (object != NULL) {
		state->objects[state->object_count++] = object;
	}
	return object;
}

static ProtobufCMessage *get_key(struct content_kv *state, const ProtobufCMessageDescriptor *type,
	const uint8_t *key, size_t key_bytes)
{
	ProtobufCMessage *object;
	uint8_t *value;
	size_t bytes;

	if (kv_state_get(state->kv, key, key_bytes, &value, &bytes) != 0) {
		return NULL;
	}
	object = keep(state, type, value, bytes);
	free(value);
	return object;
}

ProtobufCMessage *content_kv_get(struct content_kv *state, const ProtobufCMessageDescriptor *type,
	enum record_kind kind, const void *name, size_t name_bytes)
{
	uint8_t key[RECORD_KEY_MAX];

	if (name_bytes > MODEL_NAME_MAX) {
		return NULL;
	}
	return get_key(state, type, key, record_key(kind, name, name_bytes, key));
}

const Pxe__ImageVersion *content_kv_version(
	struct content_kv *state, const char *image, const uint8_t digest[32])
{
	uint8_t key[RECORD_KEY_MAX];

	if (strlen(image) > MODEL_NAME_MAX) {
		return NULL;
	}
	return (const Pxe__ImageVersion *)get_key(state, &pxe__image_version__descriptor, key,
		record_key_version(image, digest, key));
}

const Pxe__Member *content_kv_member(struct content_kv *state, uint64_t id)
{
	uint8_t key[RECORD_KEY_MAX];

	return (const Pxe__Member *)get_key(
		state, &pxe__member__descriptor, key, record_key_u64(RECORD_MEMBER, id, key));
}

/* An index record: key -> host name. */
static const Pxe__Host *host_by(
	struct content_kv *state, enum record_kind kind, const void *name, size_t name_bytes)
{
	uint8_t key[RECORD_KEY_MAX], *value;
	size_t bytes;
	const Pxe__Host *host;

	if (name_bytes == 0 || name_bytes > MODEL_NAME_MAX ||
		kv_state_get(state->kv, key, record_key(kind, name, name_bytes, key), &value,
			&bytes) != 0) {
		return NULL;
	}
	host = (const Pxe__Host *)content_kv_get(
		state, &pxe__host__descriptor, RECORD_HOST, value, bytes);
	free(value);
	return host;
}

/* ---- visits by prefix: unpack the values that are of interest inside one read transaction */

struct member_visit {
	struct content_kv *state;
	const Pxe__Member **members;
	size_t count, max;
};

static bool visit_member(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct member_visit *visit = ctx;
	ProtobufCMessage *object = keep(visit->state, &pxe__member__descriptor, value, value_bytes);

	(void)key;
	(void)key_bytes;
	if (object != NULL) {
		visit->members[visit->count++] = (const Pxe__Member *)object;
	}
	return visit->count < visit->max;
}

size_t content_kv_members(struct content_kv *state, const Pxe__Member **ret_members, size_t max)
{
	struct member_visit visit = {state, ret_members, 0, max};
	const uint8_t prefix = RECORD_MEMBER;

	if (max > 0) {
		(void)kv_state_each_prefix(state->kv, &prefix, 1, visit_member, &visit);
	}
	return visit.count;
}

struct subnet_visit {
	uint32_t ip;
	Pxe__Subnet *best;
};

static bool visit_subnet(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct subnet_visit *visit = ctx;
	Pxe__Subnet *subnet = pxe__subnet__unpack(NULL, value_bytes, value);
	uint32_t network, mask;

	(void)key;
	(void)key_bytes;
	if (subnet == NULL) {
		return true;
	}
	if (subnet->network_ip.len == 4 && subnet->prefix_len <= 32) {
		network = msg_ip4_get(subnet->network_ip);
		mask = text_ip4_mask(subnet->prefix_len);
		if ((visit->ip & mask) == (network & mask) &&
			(visit->best == NULL || visit->best->prefix_len < subnet->prefix_len)) {
			Pxe__Subnet *other = visit->best;
			visit->best = subnet;
			subnet = other;
		}
	}
	if (subnet != NULL) {
		pxe__subnet__free_unpacked(subnet, NULL);
	}
	return true;
}

/* ---- boot_source */

static const Pxe__Settings *source_settings(void *ctx)
{
	return (const Pxe__Settings *)content_kv_get(
		ctx, &pxe__settings__descriptor, RECORD_SETTINGS, NULL, 0);
}

static const Pxe__Host *source_host_of_mac(void *ctx, const uint8_t *mac, size_t mac_bytes)
{
	return host_by(ctx, RECORD_HOST_MAC, mac, mac_bytes);
}

static const Pxe__Host *source_host_of_uuid(void *ctx, const uint8_t uuid[16])
{
	return host_by(ctx, RECORD_HOST_UUID, uuid, 16);
}

static const Pxe__Subnet *source_subnet_of(void *ctx, uint32_t ip)
{
	struct content_kv *state = ctx;
	struct subnet_visit visit = {ip, NULL};
	const uint8_t prefix = RECORD_SUBNET;

	(void)kv_state_each_prefix(state->kv, &prefix, 1, visit_subnet, &visit);
	if (visit.best != NULL) {
		if (state->object_count == CONTENT_KV_OBJECTS) {
			pxe__subnet__free_unpacked(visit.best, NULL);
			return NULL;
		}
		state->objects[state->object_count++] = &visit.best->base;
	}
	return visit.best;
}

static const Pxe__Profile *source_profile(void *ctx, const char *name)
{
	return (const Pxe__Profile *)content_kv_get(
		ctx, &pxe__profile__descriptor, RECORD_PROFILE, name, strlen(name));
}

static const Pxe__Image *source_image(void *ctx, const char *name)
{
	return (const Pxe__Image *)content_kv_get(
		ctx, &pxe__image__descriptor, RECORD_IMAGE, name, strlen(name));
}

static const Pxe__Member *source_member(void *ctx, uint64_t id)
{
	return content_kv_member(ctx, id);
}

static const Pxe__ImageVersion *source_version(
	void *ctx, const char *image, const uint8_t digest[32])
{
	return content_kv_version(ctx, image, digest);
}

void content_kv_boot_source(struct content_kv *state, struct boot_source *ret_source)
{
	*ret_source = (struct boot_source){
		.ctx = state,
		.settings = source_settings,
		.host_of_mac = source_host_of_mac,
		.host_of_uuid = source_host_of_uuid,
		.subnet_of = source_subnet_of,
		.profile = source_profile,
		.image = source_image,
		.member = source_member,
		.version = source_version,
	};
}

size_t content_kv_mac_of_ip(struct content_kv *state, uint32_t ip, uint8_t ret_mac[16])
{
	uint8_t octets[4];
	const Pxe__Lease *lease;
	const Pxe__Host *host;
	const ProtobufCBinaryData *mac = NULL;

	if (ip == 0) {
		return 0;
	}
	msg_ip4_put(ip, octets);
	/* The lease knows which of a host's ports it is. */
	lease = (const Pxe__Lease *)content_kv_get(
		state, &pxe__lease__descriptor, RECORD_LEASE, octets, 4);
	if (lease != NULL && (lease->state == PXE__LEASE_STATE__LEASE_BOUND ||
				     lease->state == PXE__LEASE_STATE__LEASE_OFFERED)) {
		mac = &lease->mac;
	} else {
		host = host_by(state, RECORD_HOST_IP, octets, 4);
		mac = host != NULL && host->n_mac > 0 ? &host->mac[0] : NULL;
	}
	if (mac == NULL || mac->len == 0 || mac->len > 16) {
		return 0;
	}
	memcpy(ret_mac, mac->data, mac->len);
	return mac->len;
}
