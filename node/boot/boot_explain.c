#include "node/boot/boot.h"

#include "node/boot/boot_choice.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPLAIN_LINES_MAX  48
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

/* The profile that counts, and those that it stands in front of. */
static void explain_profile(Pxe__BootExplanation *explanation, const struct boot_choice *choice)
{
	const struct {
		const char *from, *name;
	} others[] = {
		{"subnet (not used)", choice->subnet != NULL ? choice->subnet->profile : NULL},
		{"cluster (not used)", choice->settings != NULL ? choice->settings->profile : NULL},
	};

	if (choice->profile_name == NULL) {
		explain_line(explanation, "profile", "", "none");
		return;
	}
	explain_line(explanation, "profile", choice->profile_from, "%s", choice->profile_name);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		if (others[i].name != NULL && others[i].name[0] != '\0' &&
			others[i].name != choice->profile_name) {
			explain_line(explanation, "profile", others[i].from, "%s", others[i].name);
		}
	}
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
	explain_profile(explanation, &choice);
	if (choice.problem[0] != '\0') {
		explain_line(explanation, "problem", "", "%s", choice.problem);
	} else {
		explain_programs(source, explanation, client, &choice, server_ip, http_port);
		if (choice.profile != NULL && !choice.local) {
			explain_kernel(source, explanation, &choice);
		}
		if (boot_profile_has_menu(choice.profile)) {
			explain_menu(explanation, choice.profile);
		}
	}
	explanation->script = boot_script(source, client, base_urls, base_url_count);
	return explanation;
}
