#include "node/boot/boot_choice.h"

#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"
#include "store/model/menu.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What Debian's package ipxe brings (bios, uefi-x64), and names like these for its other builds;
 * the firmware of a Raspberry Pi is an image of its own. */
static const struct {
	const char *arch, *path;
} boot_builtin[] = {
	{"bios", "ipxe/undionly.kpxe"},
	{"uefi-x64", "ipxe/snponly.efi"},
	{"uefi-arm64", "ipxe/snponly-arm64.efi"},
	{"uefi-riscv64", "ipxe/snponly-riscv64.efi"},
	{"uboot-arm64", "ipxe/snponly-arm64.efi"}, /* U-Boot starts EFI programs */
	{"rpi", "rpi/bootcode.bin"},
};

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

static void choose_profile_name(struct boot_choice *choice)
{
	if (choice->host != NULL && is_set(choice->host->profile)) {
		choice->profile_name = choice->host->profile;
		snprintf(choice->profile_from, sizeof choice->profile_from, "host %.63s",
			choice->host->name);
	} else if (choice->subnet != NULL && is_set(choice->subnet->profile)) {
		choice->profile_name = choice->subnet->profile;
		snprintf(choice->profile_from, sizeof choice->profile_from, "subnet %.63s",
			choice->subnet->name);
	} else if (choice->settings != NULL && is_set(choice->settings->profile)) {
		choice->profile_name = choice->settings->profile;
		snprintf(choice->profile_from, sizeof choice->profile_from, "cluster");
	}
}

static void choose_profile(const struct boot_source *source, struct boot_choice *choice)
{
	choice->profile = source->profile(source->ctx, choice->profile_name);
	if (choice->profile != NULL) {
		choice->local = choice->profile->local;
		if (!choice->local && !boot_profile_has_script(choice->profile) &&
			choice->profile->n_loaders == 0 && choice->profile->menu == NULL) {
			snprintf(choice->problem, sizeof choice->problem,
				"profile %.63s has no kernel, script or loader: add one with "
				"pxectl profile set %.63s "
				"--kernel PATH",
				choice->profile_name, choice->profile_name);
		}
	} else if (strcmp(choice->profile_name, "local") == 0) {
		choice->local = true;
	} else if (strcmp(choice->profile_name, "none") == 0) {
		snprintf(choice->problem, sizeof choice->problem, "the %.90s says: boot nothing",
			choice->profile_from);
	} else {
		snprintf(choice->problem, sizeof choice->problem,
			"profile %.63s, named by the %.90s, does not exist: create it with pxectl "
			"profile add",
			choice->profile_name, choice->profile_from);
	}
}

void boot_choose(const struct boot_source *source, const struct boot_client *client,
	struct boot_choice *ret_choice)
{
	uint32_t ip = client->subnet_ip != 0 ? client->subnet_ip : client->ip;

	assert(source != NULL && client != NULL && ret_choice != NULL);
	assert(client->mac_bytes <= sizeof client->mac);
	memset(ret_choice, 0, sizeof *ret_choice);
	ret_choice->settings = source->settings != NULL ? source->settings(source->ctx) : NULL;
	ret_choice->host = choose_host(source, client, &ret_choice->host_from);
	if (ip != 0 && source->subnet_of != NULL) {
		ret_choice->subnet = source->subnet_of(source->ctx, ip);
	}
	if (ret_choice->host != NULL && ret_choice->host->ignore) {
		snprintf(ret_choice->problem, sizeof ret_choice->problem,
			"host %.63s is set to be ignored", ret_choice->host->name);
		return;
	}
	if (is_set(client->profile)) {
		ret_choice->profile_name = client->profile;
		snprintf(ret_choice->profile_from, sizeof ret_choice->profile_from, "%s",
			client->profile_from);
	} else {
		choose_profile_name(ret_choice);
	}
	if (ret_choice->profile_name != NULL) {
		choose_profile(source, ret_choice);
	} else if (ret_choice->host != NULL) {
		snprintf(ret_choice->problem, sizeof ret_choice->problem,
			"host %.63s has no boot profile, nor have its subnet and the cluster: "
			"pxectl host set %.63s "
			"--profile PROFILE",
			ret_choice->host->name, ret_choice->host->name);
	} else {
		snprintf(ret_choice->problem, sizeof ret_choice->problem,
			"unknown machine, and neither its subnet nor the cluster has a boot "
			"profile: pxectl host add");
	}
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
	choice->local = false;
	choice->profile = NULL;
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
	if (*ret_pin != NULL) {
		size_t digits = strspn(*ret_pin, "0123456789abcdef");
		return digits >= 12 && digits <= 64 && (*ret_pin)[digits] == '\0';
	}
	return true;
}

bool boot_image_find(const struct boot_source *source, const char *text,
	struct boot_image *ret_image, char *ret_problem, size_t problem_bytes)
{
	const Pxe__Image *image;
	const char *pin;
	char digits[65];

	memset(ret_image, 0, sizeof *ret_image);
	if (!is_set(text)) {
		snprintf(ret_problem, problem_bytes,
			"the profile names no image: pxectl profile set --image NAME");
		return false;
	}
	if (!split_reference(text, ret_image, &pin)) {
		snprintf(ret_problem, problem_bytes,
			"'%.80s' is not an image: NAME or NAME@DIGEST (12 to 64 digits)", text);
		return false;
	}
	image = source->image != NULL ? source->image(source->ctx, ret_image->name) : NULL;
	if (image == NULL || (pin == NULL && image->current_digest.len != 32)) {
		snprintf(ret_problem, problem_bytes, "image %s %s: pxectl image push %s DIRECTORY",
			ret_image->name,
			image == NULL ? "does not exist" : "has no published version yet",
			ret_image->name);
		return false;
	}
	ret_image->pinned = pin != NULL;
	if (pin == NULL) {
		text_hex_format(image->current_digest.data, 32, digits, sizeof digits);
		digits[BOOT_PIN_DIGITS] = '\0';
		if (source->version != NULL) {
			ret_image->version = source->version(
				source->ctx, ret_image->name, image->current_digest.data);
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

const char *boot_arch_name(uint16_t arch, char buffer[32])
{
	const char *name = dhcp4_arch_name(arch == UINT16_MAX ? DHCP4_ARCH_BIOS : arch);
	size_t bytes;

	if (name == NULL) {
		snprintf(buffer, 32, "%u", arch);
		return buffer;
	}
	bytes = strlen(name);
	if (bytes > 5 && bytes < 32 && strcmp(name + bytes - 5, "-http") == 0) {
		memcpy(buffer, name, bytes - 5);
		buffer[bytes - 5] = '\0';
		return buffer;
	}
	return name;
}

bool boot_is_ipxe_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;

	return strcasestr(name, "ipxe") != NULL || strncasecmp(name, "undionly", 8) == 0 ||
	       strncasecmp(name, "snponly", 7) == 0;
}

/* Entries name architectures as people do: "uefi-x64", "uefi-x64-http" for HTTP Boot alone, or a
 * number. */
static const char *loader_of(Pxe__Loader *const *loaders, size_t count, uint16_t arch)
{
	char buffer[32];
	const char *base = boot_arch_name(arch, buffer);
	const char *exact = dhcp4_arch_name(arch);

	for (size_t i = 0; exact != NULL && i < count; i++) {
		if (strcmp(loaders[i]->arch, exact) == 0) {
			return loaders[i]->path;
		}
	}
	for (size_t i = 0; i < count; i++) {
		int32_t number = dhcp4_arch_parse(loaders[i]->arch);
		if (strcmp(loaders[i]->arch, base) == 0 || (number >= 0 && number == arch)) {
			return loaders[i]->path;
		}
	}
	return NULL;
}

/* The image that a path IMAGE/PATH names must have it. */
static bool loader_check(
	const struct boot_source *source, const char *path, char *ret_problem, size_t problem_bytes)
{
	const char *slash = strchr(path, '/');
	struct boot_image image;
	char reference[BOOT_FILE_MAX];

	if (slash == NULL || slash[1] == '\0' || (size_t)(slash - path) >= sizeof reference) {
		snprintf(ret_problem, problem_bytes, "loader '%.100s' is not IMAGE/PATH", path);
		return false;
	}
	memcpy(reference, path, (size_t)(slash - path));
	reference[slash - path] = '\0';
	if (!boot_image_find(source, reference, &image, ret_problem, problem_bytes)) {
		return false;
	}
	if (!boot_image_has(&image, slash + 1)) {
		snprintf(ret_problem, problem_bytes,
			"image %s has no file %.120s: push it again with that file", image.name,
			slash + 1);
		return false;
	}
	return true;
}

static bool loader_own(const struct boot_choice *choice, uint16_t arch, struct boot_loader *loader)
{
	const Pxe__Profile *profile = choice->profile;
	const char *path =
		profile != NULL ? loader_of(profile->loaders, profile->n_loaders, arch) : NULL;
	int bytes;

	if (path == NULL) {
		return false;
	}
	bytes = snprintf(loader->path, sizeof loader->path, "%s/%s",
		profile->image != NULL ? profile->image : "", path);
	snprintf(loader->from, sizeof loader->from, "profile %.63s", profile->name);
	loader->own = true;
	return bytes > 0 && (size_t)bytes < sizeof loader->path;
}

bool boot_loader_find(const struct boot_source *source, const struct boot_choice *choice,
	uint16_t arch, struct boot_loader *ret_loader, char *ret_problem, size_t problem_bytes)
{
	uint16_t known = arch == UINT16_MAX ? DHCP4_ARCH_BIOS : arch;
	char buffer[32];
	const char *name = boot_arch_name(known, buffer), *path = NULL;

	memset(ret_loader, 0, sizeof *ret_loader);
	if (loader_own(choice, known, ret_loader)) {
		return loader_check(source, ret_loader->path, ret_problem, problem_bytes);
	}
	/* Without kernel and script the iPXE chain leads nowhere. */
	if (choice->profile != NULL && !choice->local &&
		!boot_profile_has_script(choice->profile)) {
		snprintf(ret_problem, problem_bytes,
			"profile %.63s has no loader for %s: pxectl profile set %.63s "
			"--loader %s=PATH",
			choice->profile_name, name, choice->profile_name, name);
		return false;
	}
	if (choice->settings != NULL) {
		path = loader_of(choice->settings->loaders, choice->settings->n_loaders, known);
		snprintf(ret_loader->from, sizeof ret_loader->from, "cluster");
	}
	for (size_t i = 0; path == NULL && i < sizeof boot_builtin / sizeof boot_builtin[0]; i++) {
		if (strcmp(boot_builtin[i].arch, name) == 0) {
			path = boot_builtin[i].path;
			snprintf(ret_loader->from, sizeof ret_loader->from, "built in");
		}
	}
	if (path == NULL || strlen(path) >= sizeof ret_loader->path) {
		snprintf(ret_problem, problem_bytes,
			"no boot program for %s is built in: give the profile its own: pxectl "
			"profile set NAME --loader %s=PATH",
			name, name);
		return false;
	}
	snprintf(ret_loader->path, sizeof ret_loader->path, "%s", path);
	return loader_check(source, ret_loader->path, ret_problem, problem_bytes);
}
