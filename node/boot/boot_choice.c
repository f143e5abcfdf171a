#include "node/boot/boot_choice.h"

#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"
#include "store/model/menu.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static const Pxe__Host *choose_host(
	const struct boot_source *source, const struct boot_client *client, const char **ret_from)
{
	const Pxe__Host *host = NULL;

	*ret_from = "";
	if (client->mac_bytes > 0 && source->host_of_mac != NULL) {
		host = source->host_of_mac(source->ctx, client->mac, client->mac_bytes);
		*ret_from = "hardware address";
	}
	if (host == NULL && client->has_uuid && source->host_of_uuid != NULL) {
		host = source->host_of_uuid(source->ctx, client->uuid);
		*ret_from = "UUID";
	}
	return host;
}

static void level_fill(struct model_level *level, const char *kind, const char *name,
	const char *profile, Pxe__ArchProfile *const *profiles, size_t profile_count)
{
	*level = (struct model_level){.kind = kind,
		.name = name,
		.profile = profile,
		.profiles = profiles,
		.profile_count = profile_count};
}

/* Of a source that knows single objects alone. */
static void levels_of_objects(const Pxe__Settings *settings, const Pxe__Subnet *subnet,
	const Pxe__Host *host, struct model_levels *levels)
{
	levels->count = 0;
	levels->host = host;
	levels->ignore = host != NULL && host->ignore;
	if (settings != NULL) {
		level_fill(&levels->level[levels->count++], "cluster", "", settings->profile,
			settings->profiles, settings->n_profiles);
	}
	if (subnet != NULL) {
		level_fill(&levels->level[levels->count++], "subnet", subnet->name, subnet->profile,
			subnet->profiles, subnet->n_profiles);
	}
	if (host != NULL) {
		level_fill(&levels->level[levels->count++], "host", host->name, host->profile,
			host->profiles, host->n_profiles);
	}
}

static const Pxe__Subnet *subnet_of(
	const struct boot_source *source, const struct boot_client *client)
{
	uint32_t ip = client->subnet_ip != 0 ? client->subnet_ip : client->ip;

	return ip != 0 && source->subnet_of != NULL ? source->subnet_of(source->ctx, ip) : NULL;
}

const struct model_levels *boot_levels(const struct boot_source *source,
	const struct boot_client *client, struct model_levels *room)
{
	const char *from;

	if (client->levels != NULL) {
		return client->levels;
	}
	if (source->levels != NULL) {
		source->levels(source->ctx, client, room);
	} else {
		levels_of_objects(source->settings != NULL ? source->settings(source->ctx) : NULL,
			subnet_of(source, client), choose_host(source, client, &from), room);
	}
	return room;
}

/* A ROM that does not say what it is is a BIOS. */
static uint16_t arch_of(const struct boot_client *client)
{
	return client->arch == UINT16_MAX && client->is_pxe && !client->is_ipxe ? DHCP4_ARCH_BIOS
										: client->arch;
}

static void choose_by_levels(const struct model_levels *levels, const struct boot_client *client,
	struct boot_choice *choice)
{
	const struct model_level *level;

	choice->profile_name = model_profile_of_levels(levels, arch_of(client), &level);
	if (level != NULL) {
		snprintf(choice->profile_from, sizeof choice->profile_from, "%s%s%.63s",
			level->kind, level->name[0] != '\0' ? " " : "", level->name);
	}
}

bool boot_once_is_open(const Pxe__Once *once)
{
	return once != NULL && (once->state == PXE__ONCE_STATE__ONCE_ARMED ||
				       once->state == PXE__ONCE_STATE__ONCE_CLAIMED);
}

/* The system that asks is the one that the ended one-shot boot has started: an installer asks for
 * an address, which ends that boot, before it fetches its answers. */
static bool once_goes_on_in_system(const Pxe__Once *once, const struct boot_client *client)
{
	if (!client->is_system || (once->state != PXE__ONCE_STATE__ONCE_DONE &&
					  once->state != PXE__ONCE_STATE__ONCE_FAILED)) {
		return false;
	}
	return client->last_boot_ms <= once->claimed_ms ||
	       strcmp(client->last_profile, once->profile) == 0;
}

/* The host's one-shot boot, if this boot gets it. */
static void choose_once(const struct boot_source *source, const struct boot_client *client,
	struct boot_choice *choice)
{
	if (choice->host == NULL || source->once == NULL) {
		return;
	}
	choice->once = source->once(source->ctx, choice->host->name);
	if (choice->once == NULL || client->without_once) {
		return;
	}
	if ((client->goes_on && choice->once->state == PXE__ONCE_STATE__ONCE_CLAIMED) ||
		once_goes_on_in_system(choice->once, client)) {
		choice->is_once = true;
	} else {
		choice->wants_claim =
			model_once_wants_claim(choice->once, client->boot, client->now_ms);
		choice->is_once = model_once_applies(choice->once, client->boot, client->now_ms);
	}
	if (choice->is_once) {
		choice->profile_name = choice->once->profile;
		snprintf(choice->profile_from, sizeof choice->profile_from, "once");
	}
}

static bool profile_is_empty(const Pxe__Profile *profile)
{
	return !profile->local && !boot_profile_has_script(profile) && profile->n_loaders == 0 &&
	       profile->menu == NULL && !is_set(profile->grub_script) &&
	       !is_set(profile->pxelinux_script);
}

static void choose_builtin(struct boot_choice *choice)
{
	static const struct {
		const char *name;
		enum boot_builtin builtin;
	} table[] = {
		{"local", BOOT_BUILTIN_LOCAL},
		{"menu", BOOT_BUILTIN_MENU},
		{"wait", BOOT_BUILTIN_WAIT},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (strcmp(choice->profile_name, table[i].name) == 0) {
			choice->builtin = table[i].builtin;
			choice->local = choice->builtin == BOOT_BUILTIN_LOCAL;
			return;
		}
	}
	if (strcmp(choice->profile_name, "none") == 0) {
		snprintf(choice->problem, sizeof choice->problem, "the %.90s says: boot nothing",
			choice->profile_from);
	} else {
		snprintf(choice->problem, sizeof choice->problem,
			"profile %.63s, named by the %.90s, does not exist: create it with pxectl "
			"profile add",
			choice->profile_name, choice->profile_from);
	}
}

static void choose_profile(const struct boot_source *source, struct boot_choice *choice)
{
	choice->builtin = BOOT_BUILTIN_NOT;
	choice->local = false;
	choice->image = "";
	choice->profile = source->profile(source->ctx, choice->profile_name);
	if (choice->profile == NULL) {
		choose_builtin(choice);
		return;
	}
	choice->local = choice->profile->local;
	choice->image = choice->profile->image;
	if (profile_is_empty(choice->profile)) {
		snprintf(choice->problem, sizeof choice->problem,
			"profile %.63s has no kernel, script or loader: add one with "
			"pxectl profile set %.63s "
			"--kernel PATH",
			choice->profile_name, choice->profile_name);
	}
}

static void tell_no_profile(struct boot_choice *choice)
{
	if (choice->host != NULL) {
		snprintf(choice->problem, sizeof choice->problem,
			"host %.63s has no boot profile, nor have its subnet and the cluster: "
			"pxectl host set %.63s "
			"--profile PROFILE",
			choice->host->name, choice->host->name);
	} else {
		snprintf(choice->problem, sizeof choice->problem,
			"unknown machine, and neither its subnet nor the cluster has a boot "
			"profile: pxectl host add");
	}
}

/* A boot that has claimed its profile goes on with the version that it began with. */
static void choose_once_image(struct boot_choice *choice)
{
	if (choice->is_once && !choice->wants_claim && is_set(choice->once->image) &&
		choice->once->state == PXE__ONCE_STATE__ONCE_CLAIMED) {
		choice->image = choice->once->image;
	}
}

static void choose_who(const struct boot_source *source, const struct boot_client *client,
	const struct model_levels *levels, struct boot_choice *choice)
{
	choice->settings = source->settings != NULL ? source->settings(source->ctx) : NULL;
	choice->subnet = subnet_of(source, client);
	choice->host = choose_host(source, client, &choice->host_from);
	if (levels->host != NULL && levels->host != choice->host &&
		(choice->host == NULL || strcmp(levels->host->name, choice->host->name) != 0)) {
		choice->host = levels->host;
		choice->host_from = "client identifier or circuit";
	}
}

void boot_choose(const struct boot_source *source, const struct boot_client *client,
	struct boot_choice *ret_choice)
{
	struct model_levels room;
	const struct model_levels *levels;

	assert(source != NULL && client != NULL && ret_choice != NULL);
	assert(client->mac_bytes <= sizeof client->mac);
	memset(ret_choice, 0, sizeof *ret_choice);
	ret_choice->image = "";
	levels = boot_levels(source, client, &room);
	choose_who(source, client, levels, ret_choice);
	if (ret_choice->host != NULL && ret_choice->host->ignore) {
		snprintf(ret_choice->problem, sizeof ret_choice->problem,
			"host %.63s is set to be ignored", ret_choice->host->name);
		return;
	}
	choose_once(source, client, ret_choice);
	if (!ret_choice->is_once && is_set(client->profile)) {
		ret_choice->profile_name = client->profile;
		snprintf(ret_choice->profile_from, sizeof ret_choice->profile_from, "%s",
			client->profile_from);
	} else if (!ret_choice->is_once) {
		choose_by_levels(levels, client, ret_choice);
	}
	if (ret_choice->profile_name == NULL) {
		tell_no_profile(ret_choice);
		return;
	}
	choose_profile(source, ret_choice);
	choose_once_image(ret_choice);
}

static void choose_item(
	const struct boot_source *source, struct boot_choice *choice, const Pxe__PxeItem *item)
{
	if (!is_set(item->profile)) {
		snprintf(choice->problem, sizeof choice->problem,
			"menu item '%.64s' is booted by another boot server", item->text);
		return;
	}
	choice->profile_name = item->profile;
	snprintf(
		choice->profile_from, sizeof choice->profile_from, "menu item '%.64s'", item->text);
	choose_profile(source, choice);
}

bool boot_profile_has_menu(const Pxe__Profile *profile)
{
	return profile != NULL && profile->menu != NULL && profile->menu->timeout_s > 0 &&
	       profile->menu->n_items > 1;
}

void boot_choose_of_menu(const struct boot_source *source, const struct boot_client *client,
	struct boot_choice *choice)
{
	const Pxe__PxeMenu *menu = choice->profile != NULL ? choice->profile->menu : NULL;
	const Pxe__PxeItem *item;

	if (menu == NULL || menu->n_items == 0) {
		return;
	}
	if (!client->has_item) {
		if (!boot_profile_has_menu(choice->profile)) {
			choose_item(source, choice, menu->items[0]);
		}
		return;
	}
	item = menu_item_of_type(menu, client->item);
	if (item != NULL) {
		choose_item(source, choice, item);
	} else {
		snprintf(choice->problem, sizeof choice->problem,
			"the menu of profile %.63s has no item of type %u", choice->profile_name,
			client->item);
	}
}

bool boot_profile_has_script(const Pxe__Profile *profile)
{
	return is_set(profile->kernel) || is_set(profile->script) || boot_profile_has_menu(profile);
}

/* "NAME@DIGITS" -> NAME and DIGITS; false if it is not of that form. */
static bool split_reference(const char *text, struct boot_image *image, const char **ret_pin)
{
	const char *at = strchr(text, '@');
	size_t name_bytes = at != NULL ? (size_t)(at - text) : strlen(text);

	if (name_bytes == 0 || name_bytes > MODEL_NAME_MAX ||
		memchr(text, '/', name_bytes) != NULL) {
		return false;
	}
	memcpy(image->name, text, name_bytes);
	image->name[name_bytes] = '\0';
	*ret_pin = at != NULL ? at + 1 : NULL;
	if (at != NULL && strncmp(at + 1, "sha256:", 7) == 0) {
		*ret_pin = at + 8;
	}
	if (*ret_pin != NULL && strcmp(*ret_pin, "prev") != 0) {
		size_t digits = strspn(*ret_pin, "0123456789abcdef");
		return digits >= 12 && digits <= 64 && (*ret_pin)[digits] == '\0';
	}
	return true;
}

/* The version that the reference means, unless it names one by digits. */
static const ProtobufCBinaryData *digest_of(const Pxe__Image *image, const char *pin)
{
	const ProtobufCBinaryData *digest =
		pin == NULL ? &image->current_digest : &image->previous_digest;

	return digest->len == 32 ? digest : NULL;
}

/* Images that pxectl makes of the boot programs of installed packages. */
static bool is_of_loaders(const char *image)
{
	static const char *const images[] = {"ipxe", "grub", "shim", "pxelinux", "memtest"};

	for (size_t i = 0; i < sizeof images / sizeof images[0]; i++) {
		if (strcmp(images[i], image) == 0) {
			return true;
		}
	}
	return false;
}

bool boot_image_find(const struct boot_source *source, const char *text,
	struct boot_image *ret_image, char *ret_problem, size_t problem_bytes)
{
	const Pxe__Image *image;
	const ProtobufCBinaryData *digest = NULL;
	const char *pin;
	char digits[65];
	bool by_name;

	memset(ret_image, 0, sizeof *ret_image);
	if (!is_set(text)) {
		snprintf(ret_problem, problem_bytes,
			"the profile names no image: pxectl profile set --image NAME");
		return false;
	}
	if (!split_reference(text, ret_image, &pin)) {
		snprintf(ret_problem, problem_bytes,
			"'%.80s' is not an image: NAME, NAME@prev or NAME@DIGEST (12 to 64 "
			"digits)",
			text);
		return false;
	}
	by_name = pin == NULL || strcmp(pin, "prev") == 0;
	image = source->image != NULL ? source->image(source->ctx, ret_image->name) : NULL;
	if (image != NULL && by_name) {
		digest = digest_of(image, pin);
	}
	if (image == NULL || (by_name && digest == NULL)) {
		snprintf(ret_problem, problem_bytes, "image %s %s: pxectl image %s %s%s",
			ret_image->name,
			image == NULL ? "does not exist"
			: pin == NULL ? "has no published version yet"
				      : "has no previous version",
			is_of_loaders(ret_image->name) ? "add-loaders" : "push", ret_image->name,
			is_of_loaders(ret_image->name) ? "" : " DIRECTORY");
		return false;
	}
	ret_image->pinned = pin != NULL;
	if (by_name) {
		text_hex_format(digest->data, 32, digits, sizeof digits);
		digits[BOOT_PIN_DIGITS] = '\0';
		if (source->version != NULL) {
			ret_image->version =
				source->version(source->ctx, ret_image->name, digest->data);
		}
		pin = digits;
	}
	snprintf(ret_image->reference, sizeof ret_image->reference, "%s@%s", ret_image->name, pin);
	return true;
}

bool boot_image_has(const struct boot_image *image, const char *path)
{
	if (image->version == NULL) {
		return true;
	}
	for (size_t i = 0; i < image->version->n_files; i++) {
		if (strcmp(image->version->files[i]->path, path) == 0) {
			return true;
		}
	}
	return false;
}
