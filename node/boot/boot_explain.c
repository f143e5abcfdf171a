#include "node/boot/boot.h"

#include "node/boot/boot_choice.h"
#include "node/boot/boot_vars.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPLAIN_LINES_MAX  128
#define EXPLAIN_INITRD_MAX 16

static char *copy_text(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL) {
		abort();
	}
	return copy;
}

static void explain_line(Pxe__BootExplanation *explanation, const char *value, const char *from,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

static void explain_line(Pxe__BootExplanation *explanation, const char *value, const char *from,
	const char *format, ...)
{
	Pxe__Explained *line;
	char result[1024];
	va_list args;

	if (explanation->n_lines == EXPLAIN_LINES_MAX) {
		return;
	}
	va_start(args, format);
	vsnprintf(result, sizeof result, format, args);
	va_end(args);
	line = malloc(sizeof *line);
	if (line == NULL) {
		abort();
	}
	pxe__explained__init(line);
	line->value = copy_text(value);
	line->result = copy_text(result);
	line->from = copy_text(from);
	explanation->lines[explanation->n_lines++] = line;
}

static void explain_who(Pxe__BootExplanation *explanation, const struct boot_client *client,
	const struct boot_choice *choice)
{
	char text[TEXT_HWADDR_BYTES];

	if (client->mac_bytes > 0) {
		explain_line(explanation, "machine", "asked", "%s",
			text_hwaddr_format(client->mac, client->mac_bytes, text));
	}
	if (choice->host != NULL) {
		explain_line(explanation, "host", choice->host_from, "%s", choice->host->name);
	} else {
		explain_line(explanation, "host", "", "unknown");
	}
	if (client->groups != NULL && client->groups[0] != '\0') {
		explain_line(explanation, "groups", "match or host", "%s", client->groups);
	}
	if (client->ignored && (choice->host == NULL || !choice->host->ignore)) {
		explain_line(explanation, "problem", "group",
			"one of its groups says that it is never answered: pxectl group set NAME "
			"--ignore no");
	}
	if (choice->host != NULL && choice->host->ip.len == 4) {
		const uint8_t *b = choice->host->ip.data;
		explain_line(explanation, "address", "reservation", "%u.%u.%u.%u", b[0], b[1], b[2],
			b[3]);
	} else if (client->ip != 0) {
		explain_line(
			explanation, "address", "lease", "%s", text_ip4_format(client->ip, text));
	}
	if (choice->subnet != NULL) {
		explain_line(explanation, "subnet", "address", "%s", choice->subnet->name);
	}
}

/* The boot that was armed, and how far it is. */
static void explain_once(Pxe__BootExplanation *explanation, const struct boot_choice *choice)
{
	static const char *const states[] = {"", "armed", "under way", "done", "failed"};
	const Pxe__Once *once = choice->once;
	char from[64] = "boot once";

	if (once == NULL || (int)once->state < 1 || (int)once->state > 4) {
		return;
	}
	if (once->serial != 0) {
		snprintf(from, sizeof from, "site file, serial %u", once->serial);
	}
	explain_line(explanation, "next boot", from, "%s: %s, try %u of %u%s%s", once->profile,
		states[once->state], once->tries, once->tries_max,
		once->text[0] != '\0' ? ", " : "", once->text);
}

/* The profile that counts, and those of other levels that it stands in front of. */
static void explain_profile(Pxe__BootExplanation *explanation, const struct boot_source *source,
	const struct boot_client *client, const struct boot_choice *choice)
{
	struct model_levels *room = malloc(sizeof *room);
	const struct model_levels *levels;
	char from[128];

	if (room == NULL) {
		abort();
	}
	if (choice->profile_name == NULL) {
		explain_line(explanation, "profile", "", "none");
	} else {
		explain_line(
			explanation, "profile", choice->profile_from, "%s", choice->profile_name);
	}
	levels = boot_levels(source, client, room);
	for (size_t i = levels != NULL ? levels->count : 0; i > 0; i--) {
		const struct model_level *level = &levels->level[i - 1];
		const char *name = model_profile_of_level(
			level, client->arch == UINT16_MAX ? DHCP4_ARCH_BIOS : client->arch);
		snprintf(from, sizeof from, "%s%s%s", level->kind,
			level->name[0] != '\0' ? " " : "", level->name);
		if (name != NULL && strcmp(from, choice->profile_from) != 0) {
			strcat(from, " (not used)");
			explain_line(explanation, "profile", from, "%s", name);
		}
	}
	free(room);
}

/* ---- variables and templates */

struct vars_used {
	Pxe__BootExplanation *explanation;
	const struct boot_vars *vars;
};

static bool is_told(const Pxe__BootExplanation *explanation, const char *value)
{
	for (size_t i = 0; i < explanation->n_lines; i++) {
		if (strcmp(explanation->lines[i]->value, value) == 0) {
			return true;
		}
	}
	return false;
}

static bool explain_name(void *ctx, const char *name, struct template_place place, bool section)
{
	const struct vars_used *used = ctx;
	char from[BOOT_VARS_FROM_BYTES] = "", line[96];
	const char *value = boot_vars_value(used->vars, name, from);

	(void)place;
	snprintf(line, sizeof line, "{{%s}}", name);
	if (strncmp(name, "vars.", 5) != 0 || is_told(used->explanation, line)) {
		return true;
	}
	if (value != NULL) {
		explain_line(used->explanation, line, from, "%s", value);
	} else if (section) {
		explain_line(used->explanation, line, "", "not set");
	} else {
		explain_line(used->explanation, "problem", "template",
			"%s is not defined: pxectl host set, group set or profile set ... --var "
			"%s=VALUE",
			line, name + 5);
	}
	return true;
}

/* Each variable of the operator's own that the profile's texts use. */
static void explain_texts(Pxe__BootExplanation *explanation, const struct boot_source *source,
	const struct boot_client *client, const struct boot_choice *choice)
{
	const Pxe__Profile *profile = choice->profile;
	struct boot_vars *vars = malloc(sizeof *vars);
	struct vars_used used = {explanation, vars};
	const char *const texts[] = {
		profile->args, profile->script, profile->grub_script, profile->pxelinux_script};
	char from[96];

	if (vars == NULL) {
		abort();
	}
	boot_vars_init(vars, source, client, choice, NULL, 0);
	snprintf(from, sizeof from, "profile %.63s", profile->name);
	for (size_t i = 0; i < profile->n_templates; i++) {
		const Pxe__Template *file = profile->templates[i];
		explain_line(explanation, "template", from,
			"/t/%s/%s, %zu bytes before it is filled in", vars->mac_dash, file->name,
			strlen(file->text));
	}
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		template_each_name(texts[i], explain_name, &used);
	}
	for (size_t i = 0; i < profile->n_templates; i++) {
		template_each_name(profile->templates[i]->text, explain_name, &used);
	}
	free(vars);
}

/* A file of the profile's image, and whether it is there. */
static void explain_file(Pxe__BootExplanation *explanation, const char *value, const char *from,
	const struct boot_image *image, const char *path)
{
	explain_line(explanation, value, from, "%s", path);
	if (image != NULL && !boot_image_has(image, path)) {
		explain_line(explanation, "problem", from,
			"image %s has no file %s: push it again with that file, or correct the "
			"profile",
			image->name, path);
	}
}

static void explain_menu(Pxe__BootExplanation *explanation, const Pxe__Profile *profile)
{
	char from[96];

	snprintf(from, sizeof from, "profile %.63s", profile->name);
	for (size_t i = 0; i < profile->menu->n_items; i++) {
		const Pxe__PxeItem *item = profile->menu->items[i];
		explain_line(explanation, "menu item", from, "%s: %s", item->text,
			item->profile[0] != '\0' ? item->profile : "another boot server");
	}
}

static void explain_kernel(const struct boot_source *source, Pxe__BootExplanation *explanation,
	const struct boot_choice *choice)
{
	const Pxe__Profile *profile = choice->profile;
	struct boot_image image;
	const struct boot_image *found = NULL;
	char problem[256], from[96];

	snprintf(from, sizeof from, "profile %.63s", profile->name);
	if (choice->image[0] != '\0') {
		if (boot_image_find(source, choice->image, &image, problem, sizeof problem)) {
			explain_line(explanation, "image", from, "%s", image.reference);
			found = &image;
		} else {
			explain_line(explanation, "problem", from, "%s", problem);
		}
	}
	if (profile->script != NULL && profile->script[0] != '\0') {
		explain_line(
			explanation, "script", from, "its own, %zu bytes", strlen(profile->script));
		return;
	}
	if (profile->kernel == NULL || profile->kernel[0] == '\0') {
		return;
	}
	explain_file(explanation, "kernel", from, found, profile->kernel);
	for (size_t i = 0; i < profile->n_initrd && i < EXPLAIN_INITRD_MAX; i++) {
		explain_file(explanation, "initrd", from, found, profile->initrd[i]);
	}
	if (profile->args != NULL && profile->args[0] != '\0') {
		explain_line(explanation, "args", from, "%s", profile->args);
	}
}

static void explain_programs(const struct boot_source *source, Pxe__BootExplanation *explanation,
	const struct boot_client *client, const struct boot_choice *choice, uint32_t server_ip,
	uint16_t http_port)
{
	struct boot_client stage = *client;
	struct boot_decision decision;
	struct boot_loader loader;
	char buffer[32], problem[256];

	if (choice->profile != NULL && choice->profile->chain != PXE__CHAIN__CHAIN_DEFAULT) {
		static const char *const chains[] = {"", "iPXE", "GRUB", "shim, GRUB", "PXELINUX"};
		explain_line(explanation, "chain", choice->profile_from, "%s",
			chains[choice->profile->chain]);
	}
	explain_line(explanation, "architecture", client->arch == UINT16_MAX ? "assumed" : "asked",
		"%s", boot_arch_name(client->arch, buffer));
	if (choice->local) {
		explain_line(explanation, "program", choice->profile_from, "the local disk");
		return;
	}
	stage.is_ipxe = false;
	stage.is_pxe = true;
	boot_decide(source, &stage, server_ip, http_port, &decision);
	if (decision.kind == BOOT_MENU) {
		explain_line(explanation, "program", choice->profile_from,
			"none, the ROM shows a menu of %zu items", decision.menu->n_items);
	} else if (decision.kind != BOOT_NONE && boot_loader_find(source, choice, client->arch,
							 &loader, problem, sizeof problem)) {
		explain_line(explanation, "program", loader.from, "%s", decision.file);
	} else {
		explain_line(explanation, "problem", "program", "%s", decision.why);
	}
	stage.is_ipxe = true;
	boot_decide(source, &stage, server_ip, http_port, &decision);
	if (decision.kind == BOOT_SCRIPT) {
		explain_line(explanation, "script", "iPXE", "%s", decision.file);
	}
}

Pxe__BootExplanation *boot_explain(const struct boot_source *source,
	const struct boot_client *client, uint32_t server_ip, uint16_t http_port,
	const char *const *base_urls, size_t base_url_count)
{
	Pxe__BootExplanation *explanation = malloc(sizeof *explanation);
	struct boot_choice choice;

	assert(source != NULL && client != NULL);
	if (explanation == NULL) {
		abort();
	}
	pxe__boot_explanation__init(explanation);
	explanation->lines = calloc(EXPLAIN_LINES_MAX, sizeof *explanation->lines);
	if (explanation->lines == NULL) {
		abort();
	}
	boot_choose(source, client, &choice);
	explain_who(explanation, client, &choice);
	explain_once(explanation, &choice);
	explain_profile(explanation, source, client, &choice);
	if (choice.problem[0] != '\0') {
		explain_line(explanation, "problem", "", "%s", choice.problem);
	} else {
		explain_programs(source, explanation, client, &choice, server_ip, http_port);
		if (choice.profile != NULL && !choice.local) {
			explain_kernel(source, explanation, &choice);
			explain_texts(explanation, source, client, &choice);
		}
		if (boot_profile_has_menu(choice.profile)) {
			explain_menu(explanation, choice.profile);
		}
	}
	explanation->script = boot_script(source, client, base_urls, base_url_count);
	return explanation;
}

char *boot_explain_render(const struct boot_source *source, const struct boot_client *client,
	const char *name, const char *const *base_urls, size_t base_url_count)
{
	struct boot_choice choice;
	struct boot_vars *vars;
	char error[512], *text = NULL;

	if (strcmp(name, "grub.cfg") == 0) {
		return boot_grub_config(source, client, base_urls, base_url_count, false);
	}
	if (strcmp(name, "pxelinux.cfg") == 0 || strcmp(name, "extlinux.conf") == 0) {
		return boot_pxelinux_config(
			source, client, base_urls, base_url_count, name[0] == 'e', false);
	}
	if (strcmp(name, "boot.ipxe") == 0) {
		return boot_script(source, client, base_urls, base_url_count);
	}
	boot_choose(source, client, &choice);
	vars = malloc(sizeof *vars);
	if (vars == NULL) {
		abort();
	}
	boot_vars_init(vars, source, client, &choice, base_urls, base_url_count);
	for (size_t i = 0; choice.profile != NULL && i < choice.profile->n_templates; i++) {
		const Pxe__Template *file = choice.profile->templates[i];
		if (strcmp(file->name, name) == 0 && boot_vars_render(vars, name, file->text, &text,
							     NULL, error, sizeof error) != 0) {
			text = copy_text(error);
		}
	}
	free(vars);
	return text;
}
