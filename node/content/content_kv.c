#include "node/content/content_kv.h"

#include "proto/msg/msg_ip4.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int content_kv_init(struct content_kv *state, struct kv *kv, struct content_config *config)
{
	int err;

	assert(state != NULL && kv != NULL && config != NULL);
	err = content_config_acquire(config, &state->snapshot);
	if (err != 0) {
		return err;
	}
	state->kv = kv;
	state->config = config;
	state->model = content_snapshot_model(state->snapshot);
	state->object_count = 0;
	return 0;
}

void content_kv_fini(struct content_kv *state)
{
	while (state->object_count > 0) {
		protobuf_c_message_free_unpacked(state->objects[--state->object_count], NULL);
	}
	content_config_release(state->config, state->snapshot);
}

static ProtobufCMessage *get_key(struct content_kv *state, const ProtobufCMessageDescriptor *type,
	const uint8_t *key, size_t key_bytes)
{
	ProtobufCMessage *object = NULL;
	uint8_t *value;
	size_t bytes;

	if (kv_state_get(state->kv, key, key_bytes, &value, &bytes) != 0) {
		return NULL;
	}
	if (state->object_count < CONTENT_KV_OBJECTS) {
		object = protobuf_c_message_unpack(type, NULL, bytes, value);
	}
	if (object != NULL) {
		state->objects[state->object_count++] = object;
	}
	free(value);
	return object;
}

static ProtobufCMessage *get(struct content_kv *state, const ProtobufCMessageDescriptor *type,
	enum record_kind kind, const void *name, size_t name_bytes)
{
	uint8_t key[RECORD_KEY_MAX];

	if (name_bytes == 0 || name_bytes > MODEL_NAME_MAX) {
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

const Pxe__Machine *content_kv_machine(
	struct content_kv *state, const uint8_t *mac, size_t mac_bytes)
{
	return (const Pxe__Machine *)get(
		state, &pxe__machine__descriptor, RECORD_MACHINE, mac, mac_bytes);
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
	lease = (const Pxe__Lease *)get(state, &pxe__lease__descriptor, RECORD_LEASE, octets, 4);
	if (lease != NULL && (lease->state == PXE__LEASE_STATE__LEASE_BOUND ||
				     lease->state == PXE__LEASE_STATE__LEASE_OFFERED)) {
		mac = &lease->mac;
	} else {
		host = model_host_of_ip(state->model, ip);
		mac = host != NULL && host->n_mac > 0 ? &host->mac[0] : NULL;
	}
	if (mac == NULL || mac->len == 0 || mac->len > 16) {
		return 0;
	}
	memcpy(ret_mac, mac->data, mac->len);
	return mac->len;
}

/* ---- boot_source */

static const Pxe__Settings *source_settings(void *ctx)
{
	return model_settings(((struct content_kv *)ctx)->model);
}

static const Pxe__Host *source_host_of_mac(void *ctx, const uint8_t *mac, size_t mac_bytes)
{
	return model_host_of_mac(((struct content_kv *)ctx)->model, mac, mac_bytes);
}

static const Pxe__Host *source_host_of_uuid(void *ctx, const uint8_t uuid[16])
{
	return model_host_of_uuid(((struct content_kv *)ctx)->model, uuid);
}

static const Pxe__Subnet *source_subnet_of(void *ctx, uint32_t ip)
{
	return model_subnet_of(((struct content_kv *)ctx)->model, ip);
}

static const Pxe__Profile *source_profile(void *ctx, const char *name)
{
	return model_profile(((struct content_kv *)ctx)->model, name);
}

static void source_each_profile(
	void *ctx, bool (*visit)(void *visit_ctx, const void *profile), void *visit_ctx)
{
	model_each(((struct content_kv *)ctx)->model, PXE__OBJECT_KIND__OBJECT_PROFILE, visit,
		visit_ctx);
}

static const Pxe__Image *source_image(void *ctx, const char *name)
{
	return model_image(((struct content_kv *)ctx)->model, name);
}

static const Pxe__Member *source_member(void *ctx, uint64_t id)
{
	return model_member(((struct content_kv *)ctx)->model, id);
}

static const Pxe__ImageVersion *source_version(
	void *ctx, const char *image, const uint8_t digest[32])
{
	return content_kv_version(ctx, image, digest);
}

static const Pxe__Once *source_once(void *ctx, const char *host)
{
	return (const Pxe__Once *)get(ctx, &pxe__once__descriptor, RECORD_ONCE, host, strlen(host));
}

static void source_levels(
	void *ctx, const struct boot_client *client, struct model_levels *ret_levels)
{
	boot_levels_of_model(((struct content_kv *)ctx)->model, client, ret_levels);
}

void content_kv_boot_source(struct content_kv *state, uint64_t self, struct boot_source *ret_source)
{
	*ret_source = (struct boot_source){
		.ctx = state,
		.settings = source_settings,
		.host_of_mac = source_host_of_mac,
		.host_of_uuid = source_host_of_uuid,
		.subnet_of = source_subnet_of,
		.profile = source_profile,
		.each_profile = source_each_profile,
		.image = source_image,
		.member = source_member,
		.version = source_version,
		.once = source_once,
		.levels = source_levels,
		.self = self,
	};
}
