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

static const Pxe__Once *model_source_once(void *ctx, const char *host)
{
	return model_once(ctx, host);
}

static void model_source_each_profile(
	void *ctx, bool (*visit)(void *visit_ctx, const void *profile), void *visit_ctx)
{
	model_each(ctx, PXE__OBJECT_KIND__OBJECT_PROFILE, visit, visit_ctx);
}

void boot_levels_of_model(const struct model *model, const struct boot_client *client,
	struct model_levels *ret_levels)
{
	uint32_t ip = client->subnet_ip != 0 ? client->subnet_ip : client->ip;
	Pxe__ClientInfo who = PXE__CLIENT_INFO__INIT;
	/* Only read, but the message's fields are not const. */
	struct boot_client copy = *client;
	ProtobufCBinaryData user_class = {strlen(copy.user_class), (uint8_t *)copy.user_class};

	who.mac = (ProtobufCBinaryData){copy.mac_bytes, copy.mac};
	if (copy.has_uuid) {
		who.uuid = (ProtobufCBinaryData){sizeof copy.uuid, copy.uuid};
	}
	who.has_arch = client->arch != UINT16_MAX;
	who.arch = who.has_arch ? client->arch : 0;
	who.vendor_class =
		(ProtobufCBinaryData){strlen(copy.vendor_class), (uint8_t *)copy.vendor_class};
	who.user_class = &user_class;
	who.n_user_class = user_class.len > 0;
	model_levels_of(
		model, ip != 0 ? model_subnet_of(model, ip) : NULL, &who, client->ip, ret_levels);
}

static void model_source_levels(
	void *ctx, const struct boot_client *client, struct model_levels *ret_levels)
{
	boot_levels_of_model(ctx, client, ret_levels);
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
		.once = model_source_once,
		.each_profile = model_source_each_profile,
		.levels = model_source_levels,
	};
}
