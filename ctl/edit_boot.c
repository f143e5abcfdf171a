#include "ctl/edit_boot.h"

#include "ctl/edit.h"
#include "proto/cred/credfile.h"
#include "proto/cred/suggest.h"
#include "proto/template/template.h"
#include "proto/template/template_names.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 63

/* "NAME=..." -> NAME; NULL: not of that form. */
static char *name_of(const char *text, char ret_name[NAME_MAX_BYTES + 1])
{
	size_t bytes = strcspn(text, "=");

	if (text[bytes] == '\0' || bytes == 0 || bytes > NAME_MAX_BYTES) {
		return NULL;
	}
	memcpy(ret_name, text, bytes);
	ret_name[bytes] = '\0';
	return ret_name;
}

/* ---- profiles by architecture */

static void drop_profile(Pxe__ArchProfile **profiles, size_t *count, const char *arch)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		if (strcmp(profiles[i]->arch, arch) == 0) {
			pxe__arch_profile__free_unpacked(profiles[i], NULL);
		} else {
			profiles[kept++] = profiles[i];
		}
	}
	*count = kept;
}

int edit_boot_one(const struct ctl *ctl, const char *where, const char *text,
	Pxe__ArchProfile ***profiles, size_t *count)
{
	char arch[NAME_MAX_BYTES + 1];
	const char *profile = strchr(text, '=');
	Pxe__ArchProfile *entry;

	if (name_of(text, arch) == NULL) {
		return ctl_fail(ctl, CTL_USAGE,
			"%s'%s': write ARCH=PROFILE, such as bios=memtest (ARCH: bios, uefi-x64, "
			"uefi-arm64 ... or a number), or ARCH=none",
			where, text);
	}
	profile++;
	if (edit_check_arch(ctl, where, arch) != CTL_OK ||
		(!edit_is_none(profile) && edit_check_name(ctl, "profile", profile) != CTL_OK)) {
		return CTL_USAGE;
	}
	drop_profile(*profiles, count, arch);
	if (edit_is_none(profile)) {
		return CTL_OK;
	}
	entry = edit_new(&pxe__arch_profile__descriptor);
	edit_set_text(&entry->arch, arch);
	edit_set_text(&entry->profile, profile);
	edit_append_message(profiles, count, entry);
	return CTL_OK;
}

int edit_boot(const struct ctl *ctl, const struct invocation *in, Pxe__ArchProfile ***profiles,
	size_t *count)
{
	size_t iterator = 0;
	const char *text;
	int result = CTL_OK;

	while (result == CTL_OK && (text = command_next(in, "boot", &iterator)) != NULL) {
		result = edit_boot_one(ctl, "--boot ", text, profiles, count);
	}
	return result;
}

/* ---- variables */

static void drop_var(Pxe__Variable **vars, size_t *count, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		if (strcmp(vars[i]->name, name) == 0) {
			pxe__variable__free_unpacked(vars[i], NULL);
		} else {
			vars[kept++] = vars[i];
		}
	}
	*count = kept;
}

int edit_var_one(const struct ctl *ctl, const char *where, const char *text, Pxe__Variable ***vars,
	size_t *count)
{
	char name[NAME_MAX_BYTES + 1], full[NAME_MAX_BYTES + 8];
	const char *value = strchr(text, '=');
	Pxe__Variable *variable;

	if (name_of(text, name) == NULL) {
		return ctl_fail(ctl, CTL_USAGE, "%s'%s': write NAME=VALUE, or NAME= to remove it",
			where, text);
	}
	snprintf(full, sizeof full, "vars.%s", name);
	if (template_name_variable(full) == NULL) {
		return ctl_fail(ctl, CTL_USAGE,
			"%s'%s': name a variable with letters, digits and '_'", where, text);
	}
	drop_var(*vars, count, name);
	if (value[1] == '\0') {
		return CTL_OK;
	}
	variable = edit_new(&pxe__variable__descriptor);
	edit_set_text(&variable->name, name);
	edit_set_text(&variable->value, value + 1);
	edit_append_message(vars, count, variable);
	return CTL_OK;
}

int edit_vars(
	const struct ctl *ctl, const struct invocation *in, Pxe__Variable ***vars, size_t *count)
{
	size_t iterator = 0;
	const char *text;
	int result = CTL_OK;

	while (result == CTL_OK && (text = command_next(in, "var", &iterator)) != NULL) {
		result = edit_var_one(ctl, "--var ", text, vars, count);
	}
	return result;
}

/* ---- what starts the kernel */

static const char *const chains[] = {"default", "ipxe", "grub", "shim", "pxelinux"};
#define CHAINS (sizeof chains / sizeof chains[0])

const char *edit_chain_text(Pxe__Chain chain)
{
	return (int)chain >= 0 && (size_t)chain < CHAINS ? chains[chain] : "?";
}

int edit_chain(const struct ctl *ctl, const char *text, Pxe__Chain *field)
{
	for (size_t i = 0; i < CHAINS; i++) {
		if (strcmp(text, chains[i]) == 0) {
			*field = (Pxe__Chain)i;
			return CTL_OK;
		}
	}
	return ctl_fail(ctl, CTL_USAGE,
		"--chain '%s': write ipxe, grub, shim (Secure Boot), pxelinux or default (iPXE)",
		text);
}

/* ---- templates */

struct name_check {
	char unknown[96];
	struct template_place place;
};

static bool check_one_name(void *ctx, const char *name, struct template_place place, bool section)
{
	struct name_check *check = ctx;

	(void)section;
	if (template_name_is_known(name)) {
		return true;
	}
	snprintf(check->unknown, sizeof check->unknown, "%s", name);
	check->place = place;
	return false;
}

static const char *nearest_name(const char *name)
{
	const char *names[64];
	size_t count = 0;

	while (count < 64 && template_name_at(count) != NULL) {
		names[count] = template_name_at(count)->name;
		count++;
	}
	return suggest_nearest(name, names, count);
}

int edit_check_template(const struct ctl *ctl, const char *source, const char *text)
{
	struct name_check check = {.unknown = ""};
	struct template_place place;
	char error[160];
	const char *nearest;

	if (template_check(text, &place, error, sizeof error) != 0) {
		return ctl_fail(
			ctl, CTL_USAGE, "%s:%u:%u: %s", source, place.line, place.column, error);
	}
	template_each_name(text, check_one_name, &check);
	if (check.unknown[0] == '\0') {
		return CTL_OK;
	}
	nearest = nearest_name(check.unknown);
	return ctl_fail(ctl, CTL_USAGE,
		"%s:%u:%u: there is no {{%s}}%s%s%s; variables of your own are {{vars.NAME}}",
		source, check.place.line, check.place.column, check.unknown,
		nearest != NULL ? ", did you mean '" : "", nearest != NULL ? nearest : "",
		nearest != NULL ? "'?" : "");
}

int edit_template_text(const struct ctl *ctl, const char *option, const char *path, char **field)
{
	char *text, error[400];
	int result;

	if (edit_is_none(path)) {
		edit_set_text(field, "");
		return CTL_OK;
	}
	if (credfile_read(path, TEMPLATE_BYTES_MAX, &text, error, sizeof error) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "--%s: %s", option, error);
	}
	result = edit_check_template(ctl, path, text);
	if (result == CTL_OK) {
		edit_set_text(field, text);
	}
	free(text);
	return result;
}

static void drop_template(Pxe__Profile *profile, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < profile->n_templates; i++) {
		if (strcmp(profile->templates[i]->name, name) == 0) {
			pxe__template__free_unpacked(profile->templates[i], NULL);
		} else {
			profile->templates[kept++] = profile->templates[i];
		}
	}
	profile->n_templates = kept;
}

static int set_template(const struct ctl *ctl, const char *text, Pxe__Profile *profile)
{
	char name[NAME_MAX_BYTES + 1];
	const char *path = strchr(text, '=');
	Pxe__Template *entry;
	int result;

	if (name_of(text, name) == NULL || strchr(name, '/') != NULL) {
		return ctl_fail(ctl, CTL_USAGE,
			"--template '%s': write NAME=FILE, such as preseed.cfg=my-preseed.cfg, or "
			"NAME=none",
			text);
	}
	if (edit_is_none(path + 1)) {
		drop_template(profile, name);
		return CTL_OK;
	}
	entry = edit_new(&pxe__template__descriptor);
	result = edit_template_text(ctl, "template", path + 1, &entry->text);
	if (result != CTL_OK) {
		pxe__template__free_unpacked(entry, NULL);
		return result;
	}
	drop_template(profile, name);
	edit_set_text(&entry->name, name);
	edit_append_message(&profile->templates, &profile->n_templates, entry);
	return CTL_OK;
}

int edit_templates(const struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile)
{
	size_t iterator = 0;
	const char *text;
	int result = CTL_OK;

	while (result == CTL_OK && (text = command_next(in, "template", &iterator)) != NULL) {
		result = set_template(ctl, text, profile);
	}
	return result;
}
