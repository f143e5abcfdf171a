/* pxelinux.cfg, for PXELINUX and, with its differences, for U-Boot's "pxe" and "sysboot".
 *
 * Both split lines at blanks and know no quotes for file names; APPEND takes the rest of its line
 * as it is. PXELINUX reads "::NAME" as a path from the server's root, U-Boot "/NAME"; U-Boot takes
 * one initrd. */
#include "node/boot/boot_config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PXELINUX_APPEND_MAX 2047 /* bytes; PXELINUX cuts longer ones */
#define PXELINUX_WAIT_TICKS 300  /* tenths of a second */

static void put_say(const struct boot_config *config, const char *text, FILE *out)
{
	fputs(config->uboot ? "MENU TITLE " : "SAY ", out);
	boot_config_plain(out, text);
	fputc('\n', out);
}

static void put_local_boot(const struct boot_config *config, FILE *out)
{
	fprintf(out, "  LOCALBOOT %d\n", config->uboot ? 1 : 0);
}

static void put_local(const struct boot_config *config, FILE *out)
{
	fputs("DEFAULT local\nLABEL local\n", out);
	put_local_boot(config, out);
}

static void put_problem(const struct boot_config *config, const char *text, FILE *out)
{
	char line[BOOT_CONFIG_ERROR_BYTES + 16];

	snprintf(line, sizeof line, "Network boot: %s", text);
	put_say(config, line, out);
	if (!config->uboot) {
		fputs("PROMPT 1\nTIMEOUT 50\n", out); /* long enough to be read */
	}
	put_local(config, out);
}

/* A file name that a line of it can hold. */
static bool is_plain(const struct boot_config *config, const char *path)
{
	return strpbrk(path, config->uboot ? " \t" : " \t,") == NULL;
}

static bool check(const struct boot_config *config, const Pxe__Profile *profile, const char *args,
	char ret_error[BOOT_CONFIG_ERROR_BYTES])
{
	const char *odd = is_plain(config, profile->kernel) ? NULL : profile->kernel;

	for (size_t i = 0; odd == NULL && i < profile->n_initrd; i++) {
		odd = is_plain(config, profile->initrd[i]) ? NULL : profile->initrd[i];
	}
	if (odd != NULL) {
		snprintf(ret_error, BOOT_CONFIG_ERROR_BYTES,
			"this loader cannot name the file '%.200s': use no blanks and commas", odd);
	} else if (config->uboot && profile->n_initrd > 1) {
		snprintf(ret_error, BOOT_CONFIG_ERROR_BYTES,
			"profile %.63s has %zu initrds, U-Boot takes one", profile->name,
			profile->n_initrd);
	} else if (!config->uboot && strlen(args) > PXELINUX_APPEND_MAX) {
		snprintf(ret_error, BOOT_CONFIG_ERROR_BYTES,
			"the kernel arguments have %zu bytes, PXELINUX takes %d", strlen(args),
			PXELINUX_APPEND_MAX);
	} else {
		return true;
	}
	return false;
}

static void put_files(const struct boot_config *config, const Pxe__Profile *profile,
	const struct boot_image *image, FILE *out)
{
	const char *root = config->uboot ? "/" : "::";

	fprintf(out, "  KERNEL %s%s/%s\n", root, image->reference, profile->kernel);
	for (size_t i = 0; i < profile->n_initrd; i++) {
		fprintf(out, "%s%s%s/%s", i == 0 ? "  INITRD " : ",", root, image->reference,
			profile->initrd[i]);
	}
	if (profile->n_initrd > 0) {
		fputc('\n', out);
	}
}

/* What belongs to a label; false with the reason, and nothing was written. */
static bool put_kernel(const struct boot_config *config, const Pxe__Profile *profile, FILE *out,
	char ret_error[BOOT_CONFIG_ERROR_BYTES])
{
	struct boot_image image;
	char *args;

	if (!boot_config_kernel(config, profile, &image, ret_error, BOOT_CONFIG_ERROR_BYTES)) {
		return false;
	}
	args = boot_config_render(config, profile, 0, "args", profile->args, ret_error);
	if (args == NULL || !check(config, profile, args, ret_error)) {
		free(args);
		return false;
	}
	put_files(config, profile, &image, out);
	if (args[0] != '\0') {
		fputs("  APPEND ", out);
		for (const char *c = args; *c != '\0'; c++) {
			fputc((unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c, out);
		}
		fputc('\n', out);
	}
	free(args);
	return true;
}

/* As put_kernel(), into heap text; NULL with the reason. */
static char *label_of(const struct boot_config *config, const Pxe__Profile *profile,
	char ret_error[BOOT_CONFIG_ERROR_BYTES])
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool is_good;

	if (out == NULL) {
		abort();
	}
	is_good = put_kernel(config, profile, out, ret_error);
	if (fclose(out) != 0) {
		abort();
	}
	if (!is_good) {
		free(text);
		text = NULL;
	}
	return text;
}

/* What cannot be booted is left out. The label's name is what is typed at PXELINUX's prompt. */
static void put_item(
	const struct boot_config *config, const char *text, const Pxe__Profile *profile, FILE *out)
{
	const char *name = profile == NULL ? "local" : profile->name;
	char error[BOOT_CONFIG_ERROR_BYTES];
	char *label = profile == NULL ? NULL : label_of(config, profile, error);

	if (profile != NULL && label == NULL) {
		return;
	}
	if (!config->uboot) {
		fprintf(out, "SAY %-16s ", name);
		boot_config_plain(out, text);
		fputc('\n', out);
	}
	fprintf(out, "LABEL %s\n  MENU LABEL ", name);
	boot_config_plain(out, text);
	fputc('\n', out);
	if (profile == NULL) {
		put_local_boot(config, out);
	} else {
		fputs(label, out);
	}
	free(label);
}

static void put_menu(const struct boot_config *config, FILE *out)
{
	const Pxe__Profile *profile = config->choice.profile;
	const Pxe__PxeMenu *menu = profile != NULL ? profile->menu : NULL;

	fputs("PROMPT 1\n", out);
	if (menu != NULL && menu->timeout_s > 0 && menu->timeout_s < UINT8_MAX) {
		fprintf(out, "TIMEOUT %u\nDEFAULT %s\n", menu->timeout_s * 10,
			menu->items[0]->profile);
	}
	put_say(config, "What shall this machine boot?", out);
	boot_config_items(config, out);
}

/* Neither can ask for the configuration again: the machine starts anew. */
static void put_wait(const struct boot_config *config, FILE *out)
{
	char line[160], mac[TEXT_HWADDR_BYTES];

	text_hwaddr_format(config->client->mac, config->client->mac_bytes, mac);
	snprintf(line, sizeof line,
		"This machine, %s, waits for approval: pxectl host add NAME --mac %s", mac, mac);
	put_say(config, line, out);
	if (config->uboot) {
		put_local(config, out);
		return;
	}
	fprintf(out, "DEFAULT again\nPROMPT 1\nTIMEOUT %d\nLABEL again\n  COM32 reboot.c32\n",
		PXELINUX_WAIT_TICKS);
}

static void put_profile(const struct boot_config *config, const Pxe__Profile *profile, FILE *out)
{
	bool own = profile->pxelinux_script[0] != '\0';
	char error[BOOT_CONFIG_ERROR_BYTES];
	char *text = own ? boot_config_render(config, profile, 0, "pxelinux_script",
				   profile->pxelinux_script, error)
			 : label_of(config, profile, error);

	if (text == NULL) {
		put_problem(config, error, out);
	} else if (own) {
		fprintf(out, "%s\n", text);
	} else {
		fprintf(out, "DEFAULT %s\nPROMPT 0\nLABEL %s\n%s", profile->name, profile->name,
			text);
	}
	free(text);
}

static void put_body(const struct boot_config *config, FILE *out)
{
	const struct boot_choice *choice = &config->choice;

	if (choice->problem[0] != '\0') {
		put_problem(config, choice->problem, out);
	} else if (choice->local) {
		put_local(config, out);
	} else if (choice->builtin == BOOT_BUILTIN_MENU || boot_profile_has_menu(choice->profile)) {
		put_menu(config, out);
	} else if (choice->builtin == BOOT_BUILTIN_WAIT) {
		put_wait(config, out);
	} else if (choice->profile == NULL || config->base_url_count == 0) {
		put_problem(config, "there is nothing to boot for this machine", out);
	} else {
		put_profile(config, choice->profile, out);
	}
}

char *boot_pxelinux_config(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count, bool uboot)
{
	struct boot_config config;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		abort();
	}
	boot_config_init(&config, source, client, base_urls, base_url_count);
	config.uboot = uboot;
	config.put_item = put_item;
	boot_config_head(&config, out);
	put_body(&config, out);
	if (fclose(out) != 0) {
		abort();
	}
	return text;
}
