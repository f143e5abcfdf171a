#include "node/boot/boot.h"

#include "node/boot/boot_choice.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* "http://10.0.0.1:8080"; the port is left out when it is HTTP's own: the BOOTP file field has 128
 * bytes. */
static void base_url(uint32_t ip, uint16_t port, char *url, size_t url_bytes)
{
	char address[TEXT_IP4_BYTES];

	text_ip4_format(ip, address);
	if (port == 80) {
		snprintf(url, url_bytes, "http://%s", address);
	} else {
		snprintf(url, url_bytes, "http://%s:%u", address, port);
	}
}

/* Found in a way that only the answer of DHCP knows: a group may go by the user class or the relay,
 * a host by the relay's circuit, and the menu's item was chosen before. */
static bool is_told_by_url(const struct boot_choice *choice)
{
	return choice->profile != NULL &&
	       (strncmp(choice->profile_from, "group ", 6) == 0 ||
		       strncmp(choice->profile_from, "menu", 4) == 0 ||
		       (strncmp(choice->profile_from, "host ", 5) == 0 &&
			       strncmp(choice->host_from, "client", 6) == 0));
}

struct query {
	char text[256];
	size_t used;
};

static void query_add(struct query *query, const char *name, const char *value)
{
	int bytes = snprintf(query->text + query->used, sizeof query->text - query->used, "%c%s=%s",
		query->used == 0 ? '?' : '&', name, value);

	assert(bytes > 0 && (size_t)bytes < sizeof query->text - query->used);
	query->used += (size_t)bytes;
}

/* The script's URL names the machine by hardware address, and by UUID if only that tells who it is.
 */
static void script_url(const struct boot_choice *choice, const struct boot_client *client,
	const char *base, char *url, size_t url_bytes)
{
	char mac[TEXT_HWADDR_BYTES], uuid[TEXT_UUID_BYTES], number[8];
	struct query query = {"", 0};

	if (client->has_uuid &&
		(client->mac_bytes == 0 ||
			(choice->host != NULL && strcmp(choice->host_from, "UUID") == 0))) {
		query_add(&query, "uuid", text_uuid_format(client->uuid, uuid));
	}
	if (client->arch != UINT16_MAX) {
		snprintf(number, sizeof number, "%u", client->arch);
		query_add(&query, "arch", number);
	}
	if (boot_once_is_open(choice->once) && client->boot[0] != '\0') {
		query_add(&query, "boot", client->boot);
	}
	if (is_told_by_url(choice)) {
		query_add(&query, "profile", choice->profile_name);
	}
	if (client->mac_bytes == 0) {
		snprintf(url, url_bytes, "%s/boot.ipxe%s", base, query.text);
		return;
	}
	text_hwaddr_format(client->mac, client->mac_bytes, mac);
	for (char *c = mac; *c != '\0'; c++) {
		*c = *c == ':' ? '-' : *c;
	}
	snprintf(url, url_bytes, "%s/boot/%s.ipxe%s", base, mac, query.text);
}

static void decide_none(struct boot_decision *decision, const char *why)
{
	decision->kind = BOOT_NONE;
	decision->file[0] = '\0';
	snprintf(decision->why, sizeof decision->why, "%s", why);
}

/* A ROM that is an iPXE, where the profile wants the cluster's own, or that cannot load a script by
 * HTTP (FIELD 38): that one comes by TFTP and then
 * runs on the ROM's stack, which ends the loop. Only undionly does so surely: any other iPXE would
 * be sent round for ever. */
static bool decide_own_ipxe(const struct boot_source *source, const struct boot_choice *choice,
	const struct boot_client *client, struct boot_decision *decision)
{
	bool bios = client->arch == UINT16_MAX || client->arch == DHCP4_ARCH_BIOS;
	char problem[256], address[TEXT_IP4_BYTES];
	struct boot_loader loader;

	if (choice->profile == NULL || !(choice->profile->own_ipxe || client->no_http) || !bios ||
		client->broadcast ||
		!boot_loader_find(source, choice, client->arch, &loader, problem, sizeof problem) ||
		strstr(loader.path, "undionly") == NULL) {
		return false;
	}
	decision->kind = BOOT_LOADER;
	snprintf(decision->file, sizeof decision->file, "tftp://%s/%.400s",
		text_ip4_format(decision->server_ip, address), loader.path);
	return true;
}

/* iPXE gets its script, unless all that the profile has is another program for it to start. */
static void decide_ipxe(const struct boot_source *source, const struct boot_choice *choice,
	const struct boot_client *client, const char *base, struct boot_decision *decision)
{
	struct boot_loader loader;
	char problem[256];

	if (!choice->local && decide_own_ipxe(source, choice, client, decision)) {
		return;
	}
	decision->kind = choice->local ? BOOT_LOCAL : BOOT_SCRIPT;
	script_url(choice, client, base, decision->file, sizeof decision->file);
	if (choice->local || boot_choice_has_script(choice, client->arch)) {
		return;
	}
	if (!boot_loader_find(source, choice, client->arch, &loader, problem, sizeof problem)) {
		decide_none(decision, problem);
	} else if (!boot_is_ipxe_file(loader.path)) {
		decision->kind = BOOT_LOADER;
		snprintf(decision->file, sizeof decision->file, "%s", loader.path);
	}
}

static void decide_rom(const struct boot_source *source, const struct boot_choice *choice,
	const struct boot_client *client, const char *base, struct boot_decision *decision)
{
	struct boot_loader loader;
	char problem[256];
	int bytes = 0;

	if (choice->local) {
		decision->kind = BOOT_LOCAL;
		return;
	}
	if (!boot_loader_find(source, choice, client->arch, &loader, problem, sizeof problem)) {
		decide_none(decision, problem);
		return;
	}
	if (client->is_http) {
		decision->kind = BOOT_HTTP;
		bytes = snprintf(decision->file, sizeof decision->file, "%s/%s", base, loader.path);
	} else {
		decision->kind = BOOT_LOADER;
		bytes = snprintf(decision->file, sizeof decision->file, "%s", loader.path);
	}
	if (bytes < 0 || (size_t)bytes >= sizeof decision->file) {
		decide_none(decision, "the path of the boot program is too long");
	}
}

/* Menus of UEFI firmware are broken in many ways (FIELD 31), U-Boot and Raspberry Pis have none:
 * they get iPXE, which shows the menu by its script, or the profile's own program. */
static bool shows_menu(const struct boot_choice *choice, const struct boot_client *client)
{
	return boot_profile_has_menu(choice->profile) && !client->is_ipxe && !client->is_http &&
	       (client->arch == UINT16_MAX || client->arch == DHCP4_ARCH_BIOS);
}

void boot_decide(const struct boot_source *source, const struct boot_client *client,
	uint32_t server_ip, uint16_t http_port, struct boot_decision *ret_decision)
{
	struct boot_choice choice;
	char base[64];

	assert(source != NULL && client != NULL && ret_decision != NULL);
	memset(ret_decision, 0, sizeof *ret_decision);
	ret_decision->server_ip = server_ip;
	boot_choose(source, client, &choice);
	if (choice.host != NULL) {
		snprintf(ret_decision->host, sizeof ret_decision->host, "%s", choice.host->name);
		ret_decision->ignore = choice.host->ignore;
	}
	if (choice.profile_name != NULL) {
		snprintf(ret_decision->profile, sizeof ret_decision->profile, "%s",
			choice.profile_name);
	}
	if (!client->is_pxe && !client->is_http && !client->is_ipxe) {
		decide_none(ret_decision,
			ret_decision->ignore ? choice.problem : "not a network boot client");
		return;
	}
	if (choice.problem[0] != '\0') {
		decide_none(ret_decision, choice.problem);
		return;
	}
	base_url(server_ip, http_port, base, sizeof base);
	boot_choose_of_menu(source, client, &choice);
	if (choice.problem[0] != '\0') {
		decide_none(ret_decision, choice.problem);
		return;
	}
	snprintf(ret_decision->profile, sizeof ret_decision->profile, "%s", choice.profile_name);
	if (shows_menu(&choice, client)) {
		ret_decision->kind = BOOT_MENU;
		ret_decision->menu = choice.profile->menu;
	} else if (client->is_ipxe) {
		decide_ipxe(source, &choice, client, base, ret_decision);
	} else {
		decide_rom(source, &choice, client, base, ret_decision);
	}
}
