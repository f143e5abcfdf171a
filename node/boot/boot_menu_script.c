/* iPXE scripts that ask for another script: menus, and those that wait. They name all nodes, and
 * replace themselves by the answer, so that waiting for days takes no memory. */
#include "node/boot/boot_script.h"
#include "proto/wire/text.h"
#include "store/model/menu.h"

#include <assert.h>
#include <string.h>

#define WAIT_S      10 /* between two questions of a machine that waits */
#define UNCLAIMED_S 5  /* between two tries to claim */

/* "/boot/MAC.ipxe?arch=7": this machine's script, with `first` in front of what tells who it is. */
static void put_self(const struct boot_script_work *script, const char *first, FILE *out)
{
	const struct boot_client *client = script->client;
	char mac[TEXT_HWADDR_BYTES], uuid[TEXT_UUID_BYTES];
	char next = '?';

	fputs("/boot", out);
	if (client->mac_bytes > 0) {
		text_hwaddr_format(client->mac, client->mac_bytes, mac);
		for (char *c = mac; *c != '\0'; c++) {
			*c = *c == ':' ? '-' : *c;
		}
		fprintf(out, "/%s", mac);
	}
	fputs(".ipxe", out);
	if (first[0] != '\0') {
		fprintf(out, "%c%s", next, first);
		next = '&';
	}
	if (client->has_uuid) {
		fprintf(out, "%cuuid=%s", next, text_uuid_format(client->uuid, uuid));
		next = '&';
	}
	if (client->arch != UINT16_MAX) {
		fprintf(out, "%carch=%u", next, client->arch);
		next = '&';
	}
	if (client->boot[0] != '\0') {
		fprintf(out, "%cboot=", next);
		boot_script_path(out, client->boot);
	}
}

/* Ask each node in turn for the script of what was chosen. */
static void put_chosen(const struct boot_script_work *script, const char *first, FILE *out)
{
	boot_script_rounds_begin(script, out);
	for (size_t i = 0; i < script->base_url_count; i++) {
		fprintf(out, ":try%zu\nset base ${node%zu}\nimgfree\nchain ${base}", i, i);
		put_self(script, first, out);
		if (script->client->profile[0] != '\0' && strncmp(first, "item", 4) == 0) {
			fputs("&profile=", out);
			boot_script_path(out, script->client->profile);
		}
		boot_script_next(script, i, out);
		fputs("exit\n", out);
	}
	boot_script_rounds_end(script, out);
}

/* iPXE's own menu, where a PXE ROM would show that of option 43. Items of other boot servers are
 * not for it. */
void boot_menu_script_items(const struct boot_script_work *script, FILE *out)
{
	const Pxe__PxeMenu *menu = script->choice.profile->menu;

	assert(script->base_url_count > 0);
	fputs("menu ", out);
	boot_script_plain(
		out, menu->prompt[0] != '\0' ? menu->prompt : script->choice.profile_name);
	fputc('\n', out);
	for (size_t i = 0; i < menu->n_items; i++) {
		if (menu->items[i]->profile[0] != '\0') {
			fprintf(out, "item %u ", menu_item_type(menu, i));
			boot_script_plain(out, menu->items[i]->text);
			fputc('\n', out);
		}
	}
	fputs("choose ", out);
	if (menu->timeout_s < DHCP4_MENU_FOR_EVER) {
		fprintf(out, "--timeout %u ", menu->timeout_s * 1000);
	}
	fputs("selected || exit\niseq ${selected} 0 && exit ||\n", out);
	put_chosen(script, "item=${selected}", out);
}

static bool put_profile_item(void *ctx, const void *object)
{
	const Pxe__Profile *profile = object;
	FILE *out = ctx;

	fprintf(out, "item %s ", profile->name);
	boot_script_plain(out, profile->name);
	fputc('\n', out);
	return true;
}

/* Names of profiles are letters, digits and "-_.", so they may stand in commands and URLs. */
void boot_menu_script_all(const struct boot_script_work *script, FILE *out)
{
	assert(script->base_url_count > 0);
	fputs("menu What shall this machine boot?\nitem local The local disk\n", out);
	if (script->source->each_profile != NULL) {
		script->source->each_profile(script->source->ctx, put_profile_item, out);
	}
	fputs("choose selected || exit\niseq ${selected} local && exit ||\n", out);
	put_chosen(script, "profile=${selected}", out);
}

/* Every node in turn; none of them answers: sleep, and from the first one again. */
static void put_ask_again(
	const struct boot_script_work *script, const char *first, unsigned sleep_s, FILE *out)
{
	fprintf(out, ":again\nsleep %u\n", sleep_s);
	for (size_t i = 0; i < script->base_url_count; i++) {
		fputs("chain --autofree --replace ", out);
		boot_script_plain(out, script->base_urls[i]);
		put_self(script, first, out);
		fputs(" ||\n", out);
	}
	fputs("goto again\n", out);
}

void boot_menu_script_wait(const struct boot_script_work *script, FILE *out)
{
	assert(script->base_url_count > 0);
	fputs("echo This machine waits for approval.\necho Hardware address: ", out);
	boot_script_plain(out, script->vars.mac[0] == '$' ? "" : script->vars.mac);
	if (script->vars.mac[0] == '$') {
		fputs("${mac}", out);
	}
	fputs("\necho Declare it: pxectl host add NAME --mac ", out);
	fputs(script->vars.mac, out);
	fputs(" --profile PROFILE\n", out);
	put_ask_again(script, "", WAIT_S, out);
}

void boot_menu_script_unclaimed(const struct boot_script_work *script, FILE *out)
{
	char retry[32];

	if (script->base_url_count == 0) {
		boot_script_problem(out, "no node serves files");
		return;
	}
	snprintf(retry, sizeof retry, "retry=%u", script->retry + 1);
	fprintf(out,
		"echo The next boot of this machine is armed, but the cluster cannot say now that "
		"it is taken (no majority of the nodes). Trying again, %u of %u.\n",
		script->retry + 1, BOOT_CLAIM_RETRIES);
	put_ask_again(script, retry, UNCLAIMED_S, out);
}
