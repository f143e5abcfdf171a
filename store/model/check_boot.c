/* store/model/check_boot.c: what may be said about booting: profiles by architecture, variables,
 * templates, references to images. Pure. */
#include "proto/template/template.h"
#include "proto/template/template_names.h"
#include "proto/wire/dhcp4_names.h"
#include "store/model/check.h"
#include <stdio.h>
#include <string.h>

#define INVALID PXE__VERDICT__VERDICT_INVALID

#define CHECK_PROFILES_MAX   32
#define CHECK_VARS_MAX       64
#define CHECK_VAR_BYTES_MAX  1024
#define CHECK_TEMPLATES_MAX  64
#define CHECK_TEXT_BYTES_MAX (256 * 1024) /* of all texts of a profile */
#define CHECK_DOMAIN_MAX     253

bool check_owner(struct apply *a, const char *owner)
{
	return check_text(a, "owner", owner, MODEL_NAME_MAX, false);
}

bool check_domain(struct apply *a, const char *what, const char *domain)
{
	size_t bytes = strlen(domain);
	if (bytes <= CHECK_DOMAIN_MAX &&
		strspn(domain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			       "-_.") == bytes)
		return true;
	internal_refuse(a, INVALID, "the domain of %s is not a domain name", what);
	return false;
}

/* ---- profiles by architecture ---- */

/* Do both mean the same machines? One name may have several numbers (7 and 9 are uefi-x64). */
static bool check_is_same_arch(const char *one, const char *other)
{
	int32_t first = dhcp4_arch_parse(one), second = dhcp4_arch_parse(other);
	const char *name = dhcp4_arch_name((uint16_t)first);
	const char *other_name = dhcp4_arch_name((uint16_t)second);
	return first == second ||
	       (name != NULL && other_name != NULL && strcmp(name, other_name) == 0);
}

bool check_arch_profiles(
	struct apply *a, const char *what, Pxe__ArchProfile *const *profiles, size_t count)
{
	if (count > CHECK_PROFILES_MAX) {
		internal_refuse(a, INVALID,
			"%s names profiles for %zu architectures: use at most %d", what, count,
			CHECK_PROFILES_MAX);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		const char *arch = profiles[i]->arch;
		if (!check_name(a, "architecture of a profile", arch))
			return false;
		if (dhcp4_arch_parse(arch) < 0) {
			internal_refuse(a, INVALID,
				"%s: architecture %s is not known: use bios, uefi-x64, uefi-arm64, "
				"... or its number",
				what, arch);
			return false;
		}
		if (profiles[i]->profile[0] == '\0') {
			internal_refuse(a, INVALID, "%s names no profile for %s", what, arch);
			return false;
		}
		if (!check_profile_ref(a, "profile by architecture", profiles[i]->profile))
			return false;
		for (size_t j = 0; j < i; j++) {
			if (!check_is_same_arch(profiles[j]->arch, arch))
				continue;
			internal_refuse(a, INVALID,
				"%s names two profiles for architecture %s: keep one", what, arch);
			return false;
		}
	}
	return true;
}

/* ---- variables ---- */

static bool check_is_variable_name(const char *name)
{
	size_t bytes = strlen(name);
	return bytes > 0 && bytes <= MODEL_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
		       bytes;
}

bool check_vars(struct apply *a, const char *what, Pxe__Variable *const *vars, size_t count)
{
	if (count > CHECK_VARS_MAX) {
		internal_refuse(a, INVALID, "%s has %zu variables: use at most %d", what, count,
			CHECK_VARS_MAX);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!check_is_variable_name(vars[i]->name)) {
			internal_refuse(a, INVALID,
				"variable %zu of %s: name it with letters, digits and '_'", i + 1,
				what);
			return false;
		}
		if (!check_text(
			    a, "value of a variable", vars[i]->value, CHECK_VAR_BYTES_MAX, false))
			return false;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(vars[j]->name, vars[i]->name) != 0)
				continue;
			internal_refuse(a, INVALID, "variable %s of %s is given twice: keep one",
				vars[i]->name, what);
			return false;
		}
	}
	return true;
}

/* ---- templates ---- */

struct check_names {
	struct apply *a;
	const char *what;
	bool is_good;
};

static bool check_is_printable_name(const char *name)
{
	size_t bytes = strlen(name);
	return bytes <= MODEL_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       bytes;
}

static bool check_template_name(
	void *ctx, const char *name, struct template_place place, bool section)
{
	struct check_names *names = ctx;
	(void)section;
	if (template_name_is_known(name))
		return true;
	names->is_good = false;
	internal_refuse(names->a, INVALID,
		"%s, line %u: there is no {{%s}}; a variable of your own is {{vars.NAME}}",
		names->what, place.line, check_is_printable_name(name) ? name : "...");
	return false;
}

bool check_template(struct apply *a, const char *what, const char *text)
{
	char error[120];
	struct template_place place;
	struct check_names names = {.a = a, .what = what, .is_good = true};
	if (template_check(text, &place, error, sizeof(error)) != 0) {
		internal_refuse(a, INVALID, "%s, line %u: %s", what, place.line, error);
		return false;
	}
	template_each_name(text, check_template_name, &names);
	return names.is_good;
}

static bool check_is_file_name(const char *name)
{
	size_t bytes = strlen(name);
	return check_is_name(name) && strspn(name, ".") < bytes;
}

static bool check_one_template(struct apply *a, const Pxe__Profile *profile, size_t index)
{
	char what[MODEL_NAME_MAX + 16];
	const Pxe__Template *template = profile->templates[index];
	if (!check_is_file_name(template->name)) {
		internal_refuse(a, INVALID,
			"template %zu of profile %s: name it as a file, with letters, digits, '-', "
			"'_' and '.'",
			index + 1, profile->name);
		return false;
	}
	for (size_t i = 0; i < index; i++) {
		if (strcmp(profile->templates[i]->name, template->name) != 0)
			continue;
		internal_refuse(a, INVALID, "template %s of profile %s is given twice: keep one",
			template->name, profile->name);
		return false;
	}
	snprintf(what, sizeof(what), "template %s", template->name);
	return check_text(a, what, template->text, TEMPLATE_BYTES_MAX, true) &&
	       check_template(a, what, template->text);
}

bool check_profile_texts(struct apply *a, const Pxe__Profile *profile)
{
	const struct {
		const char *what, *text;
		size_t max;
		bool multiline;
	} texts[] = {
		{"kernel arguments", profile->args, 4096, false},
		{"script", profile->script, TEMPLATE_BYTES_MAX, true},
		{"grub script", profile->grub_script, TEMPLATE_BYTES_MAX, true},
		{"pxelinux script", profile->pxelinux_script, TEMPLATE_BYTES_MAX, true},
	};
	size_t sum = 0;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		sum += strlen(texts[i].text);
		if (!check_text(
			    a, texts[i].what, texts[i].text, texts[i].max, texts[i].multiline) ||
			!check_template(a, texts[i].what, texts[i].text))
			return false;
	}
	if (profile->n_templates > CHECK_TEMPLATES_MAX) {
		internal_refuse(a, INVALID, "profile %s has %zu templates: use at most %d",
			profile->name, profile->n_templates, CHECK_TEMPLATES_MAX);
		return false;
	}
	for (size_t i = 0; i < profile->n_templates; i++) {
		sum += strlen(profile->templates[i]->text);
		if (!check_one_template(a, profile, i))
			return false;
	}
	if (sum <= CHECK_TEXT_BYTES_MAX)
		return true;
	internal_refuse(a, INVALID,
		"scripts and templates of profile %s have %zu bytes together: use at most %d",
		profile->name, sum, CHECK_TEXT_BYTES_MAX);
	return false;
}

/* ---- images ---- */

bool check_image_ref(struct apply *a, const char *what, const char *image)
{
	char name[MODEL_NAME_MAX + 2];
	const char *at = strchr(image, '@');
	size_t bytes = at == NULL ? strlen(image) : (size_t)(at - image);
	if (bytes > MODEL_NAME_MAX)
		bytes = MODEL_NAME_MAX + 1;
	memcpy(name, image, bytes);
	name[bytes] = '\0';
	if (!check_name(a, what, name))
		return false;
	if (at == NULL || strcmp(at + 1, "prev") == 0)
		return true;
	size_t digits = strspn(at + 1, "0123456789abcdef");
	if (digits >= 12 && digits <= 64 && at[1 + digits] == '\0')
		return true;
	internal_refuse(a, INVALID,
		"image %s@...: give 12 to 64 hexadecimal digits after '@', or prev", name);
	return false;
}
