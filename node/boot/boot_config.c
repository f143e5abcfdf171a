#include "node/boot/boot_config.h"

#include "store/model/menu.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void boot_config_init(struct boot_config *config, const struct boot_source *source,
	const struct boot_client *client, const char *const *base_urls, size_t base_url_count)
{
	assert(source != NULL && client != NULL && (base_urls != NULL || base_url_count == 0));
	memset(config, 0, sizeof *config);
	config->source = source;
	config->client = client;
	config->base_urls = base_urls;
	config->base_url_count = base_url_count;
	boot_choose(source, client, &config->choice);
	if (config->choice.problem[0] == '\0') {
		boot_choose_of_menu(source, client, &config->choice);
	}
}

void boot_config_plain(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
	}
}

void boot_config_head(const struct boot_config *config, FILE *out)
{
	const struct boot_choice *choice = &config->choice;
	char mac[TEXT_HWADDR_BYTES];

	fputs("# ", out);
	if (choice->host != NULL) {
		fputs("host ", out);
		boot_config_plain(out, choice->host->name);
	} else {
		fprintf(out, "unknown machine %s",
			text_hwaddr_format(config->client->mac, config->client->mac_bytes, mac));
	}
	if (choice->profile_name != NULL) {
		fputs(", profile ", out);
		boot_config_plain(out, choice->profile_name);
		fputs(" from ", out);
		boot_config_plain(out, choice->profile_from);
	}
	fputc('\n', out);
}

/* ---- menus */

struct item_visit {
	const struct boot_config *config;
	FILE *out;
};

static bool visit_profile(void *ctx, const void *object)
{
	const struct item_visit *visit = ctx;
	const Pxe__Profile *profile = object;

	visit->config->put_item(visit->config, profile->name, profile, visit->out);
	return true;
}

static void put_menu_item(const struct boot_config *config, const Pxe__PxeItem *item, FILE *out)
{
	const Pxe__Profile *profile;

	if (item->profile[0] == '\0') {
		return; /* another boot server's */
	}
	profile = config->source->profile(config->source->ctx, item->profile);
	if (strcmp(item->profile, "local") == 0 || (profile != NULL && profile->local)) {
		config->put_item(config, item->text, NULL, out);
	} else if (profile != NULL) {
		config->put_item(config, item->text, profile, out);
	}
}

void boot_config_items(const struct boot_config *config, FILE *out)
{
	struct item_visit visit = {config, out};
	const Pxe__PxeMenu *menu;

	if (config->choice.builtin != BOOT_BUILTIN_MENU) {
		menu = config->choice.profile->menu;
		for (size_t i = 0; i < menu->n_items; i++) {
			put_menu_item(config, menu->items[i], out);
		}
		return;
	}
	config->put_item(config, "The local disk", NULL, out);
	if (config->source->each_profile != NULL) {
		config->source->each_profile(config->source->ctx, visit_profile, &visit);
	}
}

/* ---- kernels */

bool boot_config_kernel(const struct boot_config *config, const Pxe__Profile *profile,
	struct boot_image *ret_image, char *ret_error, size_t error_bytes)
{
	/* A one-shot boot goes on with the version that it began with. */
	const char *image =
		profile == config->choice.profile ? config->choice.image : profile->image;
	const char *lacks;

	if (profile->kernel[0] == '\0') {
		snprintf(ret_error, error_bytes,
			"profile %.63s has no kernel, and no configuration of its own for this "
			"loader",
			profile->name);
		return false;
	}
	if (!boot_image_find(config->source, image, ret_image, ret_error, error_bytes)) {
		return false;
	}
	lacks = boot_image_has(ret_image, profile->kernel) ? NULL : profile->kernel;
	for (size_t i = 0; lacks == NULL && i < profile->n_initrd; i++) {
		lacks = boot_image_has(ret_image, profile->initrd[i]) ? NULL : profile->initrd[i];
	}
	if (lacks != NULL) {
		snprintf(ret_error, error_bytes,
			"image %s has no file %.120s, which profile %.63s names", ret_image->name,
			lacks, profile->name);
	}
	return lacks == NULL;
}

char *boot_config_render(const struct boot_config *config, const Pxe__Profile *profile, size_t node,
	const char *what, const char *text, char ret_error[BOOT_CONFIG_ERROR_BYTES])
{
	const char *urls[MODEL_MEMBERS_MAX + 2];
	struct boot_choice choice = config->choice;
	struct boot_vars *vars = malloc(sizeof *vars);
	size_t count = config->base_url_count;
	char *filled = NULL;

	assert(count <= sizeof urls / sizeof urls[0]);
	if (vars == NULL) {
		abort();
	}
	for (size_t i = 0; i < count; i++) {
		urls[i] = config->base_urls[(node + i) % count];
	}
	choice.profile = profile;
	choice.profile_name = profile->name;
	boot_vars_init(vars, config->source, config->client, &choice, urls, count);
	if (boot_vars_render(vars, what, text, &filled, NULL, ret_error, BOOT_CONFIG_ERROR_BYTES) !=
		0) {
		filled = NULL;
	}
	free(vars);
	return filled;
}

void boot_config_server(const char *base_url, char ret_ip[64], unsigned *ret_port)
{
	const char *host = strncmp(base_url, "http://", 7) == 0 ? base_url + 7 : base_url;
	size_t bytes = strcspn(host, ":/");

	*ret_port = host[bytes] == ':' ? (unsigned)strtoul(host + bytes + 1, NULL, 10) : 80;
	snprintf(ret_ip, 64, "%.*s", (int)(bytes < 63 ? bytes : 63), host);
}
