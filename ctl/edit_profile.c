/* Profiles: what to boot, and the menu that PXE firmware shows. */
#include "ctl/edit.h"

#include "ctl/edit_boot.h"
#include "ctl/edit_field.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ITEM_BYTES      256
#define ITEM_TEXT_MAX   64
#define ITEM_TYPE_MAX   0xffff
#define MENU_WAIT_MAX_S 254
#define MENU_FOR_EVER_S 255

static int set_loader(const struct ctl *ctl, const char *text, Pxe__Profile *profile)
{
	const char *equals = strchr(text, '=');
	char arch[64] = "";
	Pxe__Loader *loader;
	size_t kept = 0;

	if (equals != NULL && equals - text < (int)sizeof arch) {
		snprintf(arch, sizeof arch, "%.*s", (int)(equals - text), text);
	}
	if (arch[0] != '\0' && edit_check_arch(ctl, "--loader ", arch) != CTL_OK) {
		return CTL_USAGE;
	}
	if (arch[0] == '\0') {
		return ctl_fail(ctl, CTL_USAGE,
			"--loader '%s': write ARCH=PATH, such as uefi-x64=grubx64.efi (ARCH: bios, "
			"uefi-x64, "
			"uefi-arm64 ... or a number), or ARCH=none",
			text);
	}
	for (size_t i = 0; i < profile->n_loaders; i++) {
		if (strcmp(profile->loaders[i]->arch, arch) == 0) {
			pxe__loader__free_unpacked(profile->loaders[i], NULL);
		} else {
			profile->loaders[kept++] = profile->loaders[i];
		}
	}
	profile->n_loaders = kept;
	if (edit_is_none(equals + 1)) {
		return CTL_OK;
	}
	loader = edit_new(&pxe__loader__descriptor);
	edit_set_text(&loader->arch, arch);
	edit_set_text(&loader->path, equals + 1);
	edit_append_message(&profile->loaders, &profile->n_loaders, loader);
	return CTL_OK;
}

static void set_initrds(const struct invocation *in, Pxe__Profile *profile)
{
	size_t iterator = 0;
	const char *value;
	bool first = true;

	while ((value = command_next(in, "initrd", &iterator)) != NULL) {
		if (first) {
			edit_clear_texts(&profile->initrd, &profile->n_initrd);
		}
		first = false;
		if (!edit_is_none(value)) {
			edit_append_text(
				&profile->initrd, &profile->n_initrd, value, strlen(value));
		}
	}
}

/* ---- the menu */

/* ",type=N" or ",server=IP" behind an item's profile. */
static int set_item_word(
	const struct ctl *ctl, const char *text, const char *word, Pxe__PxeItem *item)
{
	uint64_t type;
	uint32_t ip;

	if (strncmp(word, "type=", 5) == 0 && text_u64_parse(word + 5, ITEM_TYPE_MAX, &type) == 0 &&
		type > 0) {
		item->type = (uint32_t)type;
		return CTL_OK;
	}
	if (strncmp(word, "server=", 7) == 0 && text_ip4_parse(word + 7, &ip) == 0 && ip != 0) {
		edit_append_ip(&item->server_ip, &item->n_server_ip, ip);
		return CTL_OK;
	}
	return ctl_fail(ctl, CTL_USAGE,
		"--menu-item '%s': '%s' is neither type=NUMBER (1 to %d) nor server=IP", text, word,
		ITEM_TYPE_MAX);
}

/* "PROFILE[,type=N][,server=IP]..." */
static int set_item(const struct ctl *ctl, const char *text, const char *value, Pxe__PxeItem *item)
{
	char words[ITEM_BYTES], *save = NULL, *word;

	if ((size_t)snprintf(words, sizeof words, "%s", value) >= sizeof words) {
		return ctl_fail(ctl, CTL_USAGE, "--menu-item '%.60s...' is too long", text);
	}
	word = strtok_r(words, ",", &save);
	if (word == NULL || edit_check_name(ctl, "profile", word) != CTL_OK) {
		return word == NULL ? ctl_fail(ctl, CTL_USAGE,
					      "--menu-item '%s': name the profile that it boots, "
					      "or local",
					      text)
				    : CTL_USAGE;
	}
	edit_set_text(&item->profile, word);
	while ((word = strtok_r(NULL, ",", &save)) != NULL) {
		if (set_item_word(ctl, text, word, item) != CTL_OK) {
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

/* "TEXT=PROFILE...": the profile's name holds no '=', so its words begin behind the last '=' that
 * is not one of type= or server=. */
static const char *find_equals(const char *text)
{
	const char *equals = NULL;

	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '=' && (at - text < 5 || strncmp(at - 5, ",type", 5) != 0) &&
			(at - text < 7 || strncmp(at - 7, ",server", 7) != 0)) {
			equals = at;
		}
	}
	return equals;
}

static int add_item(const struct ctl *ctl, const char *text, Pxe__PxeMenu *menu)
{
	const char *equals = find_equals(text);
	char label[ITEM_TEXT_MAX + 1];
	Pxe__PxeItem *item;

	if (equals == NULL || equals == text || equals - text > ITEM_TEXT_MAX) {
		return ctl_fail(ctl, CTL_USAGE,
			"--menu-item '%s': write TEXT=PROFILE, with a text of up to %d bytes", text,
			ITEM_TEXT_MAX);
	}
	item = edit_new(&pxe__pxe_item__descriptor);
	edit_append_message(&menu->items, &menu->n_items, item);
	snprintf(label, sizeof label, "%.*s", (int)(equals - text), text);
	edit_set_text(&item->text, label);
	return set_item(ctl, text, equals + 1, item);
}

static int set_items(const struct ctl *ctl, const struct invocation *in, Pxe__PxeMenu *menu)
{
	size_t iterator = 0;
	const char *text;
	bool first = true;

	while ((text = command_next(in, "menu-item", &iterator)) != NULL) {
		for (size_t i = 0; first && i < menu->n_items; i++) {
			pxe__pxe_item__free_unpacked(menu->items[i], NULL);
		}
		if (first) {
			menu->n_items = 0;
		}
		first = false;
		if (add_item(ctl, text, menu) != CTL_OK) {
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

static int set_menu_wait(const struct ctl *ctl, const char *text, Pxe__PxeMenu *menu)
{
	uint64_t ms;

	if (strcmp(text, "none") == 0) {
		menu->timeout_s = MENU_FOR_EVER_S;
		return CTL_OK;
	}
	if (text_duration_parse(text, &ms) != 0 || ms % 1000 != 0 || ms / 1000 > MENU_WAIT_MAX_S) {
		return ctl_fail(ctl, CTL_USAGE,
			"--menu-timeout '%s': write a time up to %ds, 0 (the first item at once) "
			"or "
			"none (wait for ever)",
			text, MENU_WAIT_MAX_S);
	}
	menu->timeout_s = (uint32_t)(ms / 1000);
	return CTL_OK;
}

static bool names_menu(const struct invocation *in)
{
	static const char *const options[] = {
		"menu-item", "menu-prompt", "menu-timeout", "menu-broadcast", "menu-multicast"};

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		if (command_text(in, options[i]) != NULL) {
			return true;
		}
	}
	return false;
}

static int set_menu(const struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile)
{
	const char *text = command_text(in, "menu");
	int result;

	if (text != NULL && strcmp(text, "none") != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--menu '%s': write none to remove the menu; it is made of --menu-item "
			"TEXT=PROFILE ...",
			text);
	}
	if (text != NULL && profile->menu != NULL) {
		pxe__pxe_menu__free_unpacked(profile->menu, NULL);
		profile->menu = NULL;
	}
	if (!names_menu(in)) {
		return CTL_OK;
	}
	if (profile->menu == NULL) {
		profile->menu = edit_new(&pxe__pxe_menu__descriptor);
		profile->menu->timeout_s = MENU_FOR_EVER_S;
	}
	result = set_items(ctl, in, profile->menu);
	edit_text(in, "menu-prompt", &profile->menu->prompt);
	if (result == CTL_OK && (text = command_text(in, "menu-timeout")) != NULL) {
		result = set_menu_wait(ctl, text, profile->menu);
	}
	if (result == CTL_OK) {
		result =
			edit_yes_no(ctl, in, "menu-broadcast", &profile->menu->broadcast_discovery);
	}
	if (result == CTL_OK && (text = command_text(in, "menu-multicast")) != NULL) {
		result = edit_ip(ctl, "menu-multicast", text, &profile->menu->multicast_ip);
	}
	if (result == CTL_OK && profile->menu->n_items == 0) {
		result = ctl_fail(ctl, CTL_USAGE,
			"a menu needs items: --menu-item TEXT=PROFILE, once for each line");
	}
	return result;
}

/* ---- the profile */

static int edit_boots(struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile)
{
	const char *value;
	size_t iterator = 0;
	int result = CTL_OK;

	set_initrds(in, profile);
	while (result == CTL_OK && (value = command_next(in, "loader", &iterator)) != NULL) {
		result = set_loader(ctl, value, profile);
	}
	if (result == CTL_OK && (value = command_text(in, "chain")) != NULL) {
		result = edit_chain(ctl, value, &profile->chain);
	}
	if (result == CTL_OK) {
		result = edit_yes_no(ctl, in, "own-ipxe", &profile->own_ipxe);
	}
	return result;
}

/* What is filled in for each machine. */
static int edit_texts(struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile)
{
	const struct {
		const char *option;
		char **field;
	} scripts[] = {
		{"script", &profile->script},
		{"grub-script", &profile->grub_script},
		{"pxelinux-script", &profile->pxelinux_script},
	};
	const char *value;
	int result = CTL_OK;

	for (size_t i = 0; result == CTL_OK && i < sizeof scripts / sizeof scripts[0]; i++) {
		value = command_text(in, scripts[i].option);
		if (value != NULL) {
			result =
				edit_template_text(ctl, scripts[i].option, value, scripts[i].field);
		}
	}
	if (result == CTL_OK && (value = command_text(in, "args")) != NULL) {
		result = edit_check_template(ctl, "--args", value);
	}
	if (result == CTL_OK) {
		result = edit_templates(ctl, in, profile);
	}
	if (result == CTL_OK) {
		result = edit_vars(ctl, in, &profile->vars, &profile->n_vars);
	}
	return result;
}

/* Something that can be started. */
static bool boots_anything(const Pxe__Profile *profile)
{
	return profile->local || profile->kernel[0] != '\0' || profile->script[0] != '\0' ||
	       profile->grub_script[0] != '\0' || profile->pxelinux_script[0] != '\0' ||
	       profile->n_loaders > 0 || profile->menu != NULL;
}

int edit_profile(struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile)
{
	int result = edit_boots(ctl, in, profile);

	if (result == CTL_OK) {
		result = edit_texts(ctl, in, profile);
	}
	edit_text(in, "image", &profile->image);
	edit_text(in, "kernel", &profile->kernel);
	edit_text(in, "args", &profile->args);
	if (result == CTL_OK) {
		result = set_menu(ctl, in, profile);
	}
	if (command_flag(in, "local")) {
		profile->local = true;
	}
	if (command_text(in, "kernel") != NULL || command_text(in, "script") != NULL) {
		profile->local = command_flag(in, "local");
	}
	if (result == CTL_OK && !boots_anything(profile)) {
		return ctl_fail(ctl, CTL_USAGE,
			"a profile needs something to boot: --image and --kernel, "
			"--loader ARCH=PATH, --script FILE, --menu-item TEXT=PROFILE, or --local");
	}
	return result;
}
