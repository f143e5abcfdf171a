#include "node/dhcp4/dhcp4_boot.h"

#include "node/dhcp4/dhcp4_answer.h"
#include "node/dhcp4/dhcp4_pxe.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_sub.h"
#include "proto/wire/text.h"
#include <stdio.h>
#include <string.h>

bool dhcp4_boot_has_file(const struct boot_decision *decision)
{
	return decision->kind != BOOT_NONE && decision->file[0] != '\0';
}

bool dhcp4_boot_image_of(const char *file, char ret_image[MODEL_NAME_MAX + 1], char ret_digest[65])
{
	const char *scheme = strstr(file, "://");
	if (scheme != NULL) {
		const char *path = strchr(scheme + 3, '/');
		if (path == NULL)
			return false;
		file = path;
	}
	file += strspn(file, "/");
	size_t size = strcspn(file, "/");
	if (file[size] != '/')
		return false;
	size_t name_bytes = strcspn(file, "/@");
	size_t digest_bytes = name_bytes < size ? size - name_bytes - 1 : 0;
	if (name_bytes == 0 || name_bytes > MODEL_NAME_MAX || digest_bytes > 64)
		return false;
	memcpy(ret_image, file, name_bytes);
	ret_image[name_bytes] = '\0';
	memcpy(ret_digest, file + name_bytes + (digest_bytes > 0 ? 1 : 0), digest_bytes);
	ret_digest[digest_bytes] = '\0';
	return true;
}

struct version_search {
	const char *image;
	const char *digest_prefix;
	const Pxe__ImageVersion *found;
};

static bool match_version(void *ctx, const void *object)
{
	struct version_search *search = ctx;
	const Pxe__ImageVersion *version = object;
	char hex[65];
	if (strcmp(version->image, search->image) != 0 || version->digest.len != 32)
		return true;
	text_hex_format(version->digest.data, version->digest.len, hex, sizeof hex);
	if (strncmp(hex, search->digest_prefix, strlen(search->digest_prefix)) != 0)
		return true;
	search->found = version;
	return false;
}

static const Pxe__ImageVersion *find_version(
	const struct model *model, const char *image_name, const char *digest_prefix)
{
	if (digest_prefix[0] != '\0') {
		struct version_search search = {image_name, digest_prefix, NULL};
		model_each(model, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, match_version, &search);
		return search.found;
	}
	const Pxe__Image *image = model_image(model, image_name);
	if (image == NULL || image->current_digest.len != 32)
		return NULL;
	return model_image_version(model, image_name, image->current_digest.data);
}

static bool is_live(const struct dhcp4_view *view, uint64_t member)
{
	for (size_t i = 0; i < view->live_count; i++)
		if (view->live[i] == member)
			return true;
	return false;
}

/* The live member that holds the version and comes first for this client; NULL: we do, or nobody
 * does. Clients spread over the holders as they do over the nodes that answer. */
static const Pxe__Member *choose_holder(const struct dhcp4_view *view,
	const struct dhcp4_request *request, const Pxe__ImageVersion *version)
{
	const Pxe__Member *best = NULL;
	uint64_t best_score = 0;
	for (size_t i = 0; i < version->n_holders; i++) {
		uint64_t id = version->holders[i];
		if (id == view->self)
			return NULL;
		const Pxe__Member *member =
			is_live(view, id) ? model_member(view->model, id) : NULL;
		if (member == NULL || member->serve_ip.len != 4)
			continue;
		uint64_t score = dhcp4_answer_score(request->client, request->client_bytes, id);
		if (best == NULL || score > best_score) {
			best = member;
			best_score = score;
		}
	}
	return best;
}

/* iPXE lists what it was built with, and its version (ipxe.org/howto/dhcpd). */
static bool lacks_http(const struct dhcp4_message *message)
{
	const uint8_t *own, *value;
	size_t size, value_bytes;
	return dhcp4_option(message, DHCP4_IPXE, &own, &size) &&
	       dhcp4_sub_find(
		       DHCP4_SUB_VENDOR, own, size, DHCP4_IPXE_VERSION, &value, &value_bytes) &&
	       !dhcp4_sub_find(DHCP4_SUB_VENDOR, own, size, DHCP4_IPXE_HTTP, &value, &value_bytes);
}

static void fill_client(
	const struct dhcp4_request *request, uint32_t ip, struct boot_client *ret_client)
{
	*ret_client = (struct boot_client){
		.mac_bytes = request->mac_bytes,
		.has_uuid = request->has_uuid,
		.arch = request->arch,
		.is_pxe = request->is_pxe,
		.is_http = request->is_http,
		.is_ipxe = request->is_ipxe,
		.no_http = request->is_ipxe && lacks_http(&request->message),
		.broadcast = (request->message.header.flags & DHCP4_FLAG_BROADCAST) != 0,
		.ip = ip,
		.subnet_ip = request->link_ip,
	};
	memcpy(ret_client->mac, request->mac, request->mac_bytes);
	memcpy(ret_client->uuid, request->uuid, sizeof request->uuid);
}

void dhcp4_boot_choose(const struct dhcp4_view *view, const struct dhcp4_request *request,
	const struct model_levels *levels, uint32_t ip, struct boot_decision *ret_decision)
{
	ret_decision->kind = BOOT_NONE;
	ret_decision->file[0] = '\0';
	ret_decision->profile[0] = '\0';
	ret_decision->why[0] = '\0';
	ret_decision->server_ip = 0;
	ret_decision->menu = NULL;
	if (!request->is_pxe && !request->is_http)
		return;
	struct boot_source source;
	struct boot_client client;
	boot_source_of_model(view->model, &source);
	fill_client(request, ip, &client);
	uint16_t layer;
	client.has_item = dhcp4_pxe_item(request, &client.item, &layer);
	client.levels = levels;
	client.now_ms = view->now_ms;
	snprintf(client.boot, sizeof client.boot, "%08x", request->message.header.xid);
	boot_decide(&source, &client, view->serve_ip, view->http_port, ret_decision);
	if (ret_decision->kind != BOOT_LOADER && ret_decision->kind != BOOT_HTTP)
		return;

	char image[MODEL_NAME_MAX + 1], digest[65];
	if (!dhcp4_boot_image_of(ret_decision->file, image, digest))
		return;
	const Pxe__ImageVersion *version = find_version(view->model, image, digest);
	const Pxe__Member *holder = version != NULL ? choose_holder(view, request, version) : NULL;
	if (holder == NULL)
		return;
	boot_decide(&source, &client, msg_ip4_get(holder->serve_ip), (uint16_t)holder->http_port,
		ret_decision);
}
