#include "node/boot/boot.h"

#include "store/model/model.h"

#include "store/model/levels.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* The loop's model as a boot_source: each lookup is the model's own. */

static const Pxe__Settings *model_source_settings(void *ctx)
{
	return model_settings(ctx);
}

static const Pxe__Host *model_source_host_of_mac(void *ctx, const uint8_t *mac, size_t mac_bytes)
{
	return model_host_of_mac(ctx, mac, mac_bytes);
}

static const Pxe__Host *model_source_host_of_uuid(void *ctx, const uint8_t uuid[16])
{
	return model_host_of_uuid(ctx, uuid);
}

static const Pxe__Subnet *model_source_subnet_of(void *ctx, uint32_t ip)
{
	return model_subnet_of(ctx, ip);
}

static const Pxe__Profile *model_source_profile(void *ctx, const char *name)
{
	return model_profile(ctx, name);
}

static const Pxe__Image *model_source_image(void *ctx, const char *name)
{
	return model_image(ctx, name);
}

static const Pxe__Member *model_source_member(void *ctx, uint64_t id)
{
	return model_member(ctx, id);
}

static const Pxe__ImageVersion *model_source_version(
	void *ctx, const char *image, const uint8_t digest[32])
{
	return model_image_version(ctx, image, digest);
}

static void model_source_levels(
	void *ctx, const struct boot_client *client, struct model_levels *ret_levels)
{
	const struct model *model = ctx;
	uint32_t ip = client->subnet_ip != 0 ? client->subnet_ip : client->ip;
	Pxe__ClientInfo who = PXE__CLIENT_INFO__INIT;
	/* Only read, but the message's fields are not const. */
	struct boot_client copy = *client;

	who.mac = (ProtobufCBinaryData){copy.mac_bytes, copy.mac};
	if (copy.has_uuid) {
		who.uuid = (ProtobufCBinaryData){sizeof copy.uuid, copy.uuid};
	}
	who.has_arch = client->arch != UINT16_MAX;
	who.arch = who.has_arch ? client->arch : 0;
	model_levels_of(
		model, ip != 0 ? model_subnet_of(model, ip) : NULL, &who, client->ip, ret_levels);
}

void boot_client_of_levels(const struct model_levels *levels, struct boot_client *client)
{
	const struct model_level *chosen = NULL;

	for (size_t i = 0; i < levels->count; i++) {
		if (levels->level[i].profile != NULL && levels->level[i].profile[0] != '\0') {
			chosen = &levels->level[i];
		}
	}
	if (chosen != NULL && strcmp(chosen->kind, "group") == 0) {
		snprintf(client->profile, sizeof client->profile, "%s", chosen->profile);
		snprintf(client->profile_from, sizeof client->profile_from, "group %.63s",
			chosen->name);
	}
}

void boot_source_of_model(const struct model *model, struct boot_source *ret_source)
{
	assert(model != NULL && ret_source != NULL);
	*ret_source = (struct boot_source){
		.ctx = (void *)(uintptr_t)
			model, /* only handed back to lookups that take it const */
		.settings = model_source_settings,
		.host_of_mac = model_source_host_of_mac,
		.host_of_uuid = model_source_host_of_uuid,
		.subnet_of = model_source_subnet_of,
		.profile = model_source_profile,
		.image = model_source_image,
		.member = model_source_member,
		.version = model_source_version,
		.levels = model_source_levels,
	};
}
