#include "node/content/content_impl.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- who asks */

static void read_mac(struct content_boot *boot, const struct content_path *path)
{
	struct boot_client *client = &boot->client;
	uint32_t ip = path->ip != 0 ? path->ip : boot->request->client_ip;
	char value[64];
	size_t size = 0;

	memcpy(client->mac, path->mac, sizeof client->mac);
	client->mac_bytes = path->mac_bytes;
	if (client->mac_bytes == 0 &&
		content_query(boot->request->query, "mac", value, sizeof value) == 0 &&
		text_hwaddr_parse(value, client->mac, &size) == 0) {
		client->mac_bytes = (uint8_t)size;
	}
	if (client->mac_bytes == 0) {
		client->mac_bytes = (uint8_t)content_kv_mac_of_ip(boot->state, ip, client->mac);
	}
}

/* What DHCP heard of the machine: groups go by it; and what it booted. */
static void read_machine(struct content_boot *boot)
{
	struct boot_client *client = &boot->client;
	const Pxe__Machine *machine = NULL;

	if (client->mac_bytes > 0) {
		machine = content_kv_machine(boot->state, client->mac, client->mac_bytes);
	}
	if (machine == NULL) {
		return;
	}
	if (client->arch == UINT16_MAX && machine->has_arch && machine->arch < UINT16_MAX) {
		client->arch = (uint16_t)machine->arch;
	}
	if (!client->has_uuid && machine->uuid.len == sizeof client->uuid) {
		client->has_uuid = true;
		memcpy(client->uuid, machine->uuid.data, sizeof client->uuid);
	}
	snprintf(client->vendor_class, sizeof client->vendor_class, "%s", machine->vendor_class);
	snprintf(client->last_profile, sizeof client->last_profile, "%s", machine->profile);
	client->last_boot_ms = machine->boot_ms;
}

static void read_query(struct content_boot *boot)
{
	const char *query = boot->request->query;
	struct boot_client *client = &boot->client;
	char value[64];
	uint64_t number;
	int32_t arch;

	if (content_query(query, "uuid", value, sizeof value) == 0) {
		client->has_uuid = text_uuid_parse(value, client->uuid) == 0;
	}
	if (content_query(query, "arch", value, sizeof value) == 0) {
		arch = dhcp4_arch_parse(value);
		client->arch = arch >= 0 ? (uint16_t)arch : UINT16_MAX;
	}
	if (content_query(query, "item", value, sizeof value) == 0 &&
		text_u64_parse(value, UINT16_MAX, &number) == 0) {
		client->has_item = true;
		client->item = (uint16_t)number;
	}
	if (content_query(query, "profile", client->profile, sizeof client->profile) == 0) {
		snprintf(client->profile_from, sizeof client->profile_from, "menu or group");
	}
	if (content_query(query, "boot", value, sizeof value) == 0 &&
		strlen(value) < sizeof client->boot &&
		strspn(value, "0123456789abcdef") == strlen(value)) {
		strcpy(client->boot, value);
	}
	if (content_query(query, "retry", value, sizeof value) == 0 &&
		text_u64_parse(value, UINT16_MAX, &number) == 0) {
		boot->retry = (unsigned)number;
	}
}

void content_boot_init(struct content_boot *boot, struct content_source *source,
	struct content_kv *state, const struct content_request *request,
	const struct content_path *path)
{
	struct boot_client *client = &boot->client;

	memset(boot, 0, sizeof *boot);
	boot->state = state;
	boot->request = request;
	content_kv_boot_source(state, source->config.self, &boot->source);
	client->is_pxe = client->is_ipxe = true;
	client->arch = UINT16_MAX;
	client->ip = client->subnet_ip = path->ip != 0 ? path->ip : request->client_ip;
	client->now_ms = content_config_now_ms(source->settings);
	client->has_uuid = path->has_uuid;
	memcpy(client->uuid, path->uuid, sizeof client->uuid);
	read_query(boot);
	if (!(path->has_uuid && path->mac_bytes == 0)) {
		read_mac(boot, path);
	}
	read_machine(boot);
}

void content_boot_choose(struct content_boot *boot)
{
	boot_choose(&boot->source, &boot->client, &boot->choice);
	if (boot->choice.problem[0] == '\0') {
		boot_choose_of_menu(&boot->source, &boot->client, &boot->choice);
	}
}

/* ---- what of its boot */

void content_boot_name(const struct content_boot *boot, struct content *content)
{
	memcpy(content->mac, boot->client.mac, sizeof content->mac);
	content->mac_bytes = boot->client.mac_bytes;
	snprintf(content->host, sizeof content->host, "%s",
		boot->choice.host != NULL ? boot->choice.host->name : "");
	snprintf(content->profile, sizeof content->profile, "%s",
		boot->choice.profile_name != NULL ? boot->choice.profile_name : "");
}

/* Is it that image, whatever its version? */
static bool is_image(const char *reference, const char *image)
{
	size_t bytes = strlen(image);

	return strncmp(reference, image, bytes) == 0 &&
	       (reference[bytes] == '\0' || reference[bytes] == '@');
}

Pxe__BootStage content_boot_stage(
	const struct content_boot *boot, const char *image, const char *file)
{
	const Pxe__Profile *profile = boot->choice.profile;
	char problem[256];
	struct boot_loader loader;
	const char *slash;

	if (profile != NULL && is_image(boot->choice.image, image)) {
		if (strcmp(profile->kernel, file) == 0) {
			return PXE__BOOT_STAGE__STAGE_KERNEL;
		}
		for (size_t i = 0; i < profile->n_initrd; i++) {
			if (strcmp(profile->initrd[i], file) == 0) {
				return PXE__BOOT_STAGE__STAGE_INITRD;
			}
		}
	}
	if (boot->choice.local || !boot_loader_find(&boot->source, &boot->choice, boot->client.arch,
					  &loader, problem, sizeof problem)) {
		return PXE__BOOT_STAGE__STAGE_FILE;
	}
	slash = strchr(loader.path, '/');
	if (slash == NULL || strcmp(slash + 1, file) != 0) {
		return PXE__BOOT_STAGE__STAGE_FILE;
	}
	loader.path[slash - loader.path] = '\0';
	return is_image(loader.path, image) ? PXE__BOOT_STAGE__STAGE_LOADER
					    : PXE__BOOT_STAGE__STAGE_FILE;
}

bool content_boot_is_chain(const struct content_boot *boot)
{
	char problem[256];
	struct boot_loader loader;

	return boot_loader_find(&boot->source, &boot->choice, boot->client.arch, &loader, problem,
		       sizeof problem) &&
	       loader.chain;
}

/* ---- claims */

int content_boot_claim(struct content_boot *boot, struct content *content)
{
	struct content_claim *claim = &content->claim;
	struct boot_image image;
	char problem[256];

	if (!boot->choice.wants_claim) {
		return 0;
	}
	if (boot->request->claim_tried) {
		return -EIO;
	}
	content->kind = CONTENT_CLAIM;
	snprintf(claim->host, sizeof claim->host, "%s", boot->choice.host->name);
	snprintf(claim->boot, sizeof claim->boot, "%s", boot->client.boot);
	if (boot->choice.is_once && boot_image_find(&boot->source, boot->choice.image, &image,
					    problem, sizeof problem)) {
		snprintf(claim->image, sizeof claim->image, "%s", image.reference);
	}
	return 0;
}

void content_boot_without_once(struct content_boot *boot)
{
	boot->client.without_once = true;
	content_boot_choose(boot);
}
