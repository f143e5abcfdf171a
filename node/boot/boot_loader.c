#include "node/boot/boot_choice.h"
#include "proto/wire/dhcp4_names.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What Debian's package ipxe brings (bios, uefi-x64), and names like these for its other builds;
 * the firmware of a Raspberry Pi is an image of its own. */
static const struct {
	const char *arch, *path;
} loader_builtin[] = {
	{"bios", "ipxe/undionly.kpxe"},
	{"uefi-x64", "ipxe/snponly.efi"},
	{"uefi-arm64", "ipxe/snponly-arm64.efi"},
	{"uefi-riscv64", "ipxe/snponly-riscv64.efi"},
	{"uboot-arm64", "ipxe/snponly-arm64.efi"}, /* U-Boot starts EFI programs */
	{"rpi", "rpi/bootcode.bin"},
};

/* What starts a profile's kernel without iPXE: programs that fetch their configuration by name from
 * where they came from, and are given one that is made for the machine. Paths as `pxectl image
 * add-loaders` makes them. A path that an image lacks gives way to the next one of the same chain
 * and architecture. What is not here has iPXE. */
static const struct {
	Pxe__Chain chain;
	const char *arch, *path;
} loader_chain[] = {
	{PXE__CHAIN__CHAIN_GRUB, "uefi-x64", "grub/grubx64.efi"},
	{PXE__CHAIN__CHAIN_GRUB, "uefi-ia32", "grub/grubia32.efi"},
	{PXE__CHAIN__CHAIN_GRUB, "uefi-arm64", "grub/grubaa64.efi"},
	{PXE__CHAIN__CHAIN_SHIM, "uefi-x64", "shim/shimx64.efi"},
	{PXE__CHAIN__CHAIN_SHIM, "uefi-ia32", "shim/shimia32.efi"},
	{PXE__CHAIN__CHAIN_SHIM, "uefi-arm64", "shim/shimaa64.efi"},
	{PXE__CHAIN__CHAIN_PXELINUX, "bios", "pxelinux/pxelinux.0"},
	{PXE__CHAIN__CHAIN_PXELINUX, "bios", "pxelinux/lpxelinux.0"},
	{PXE__CHAIN__CHAIN_PXELINUX, "uefi-x64", "grub/grubx64.efi"},
	{PXE__CHAIN__CHAIN_PXELINUX, "uefi-ia32", "grub/grubia32.efi"},
	{PXE__CHAIN__CHAIN_PXELINUX, "uefi-arm64", "grub/grubaa64.efi"},
};

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

/* To the version that its image has now: what the program asks for beside itself is of the same
 * one, also when the next version is published meanwhile [P7]. Not for UEFI HTTP Boot, whose URLs
 * are best kept plain. */
static void loader_pin(const struct boot_source *source, uint16_t arch, struct boot_loader *loader)
{
	char problem[256], pinned[BOOT_FILE_MAX];
	const char *slash = strchr(loader->path, '/');
	struct boot_image image;
	int bytes;

	if (!loader->own || slash == NULL || dhcp4_arch_is_http(arch)) {
		return;
	}
	snprintf(pinned, sizeof pinned, "%.*s", (int)(slash - loader->path), loader->path);
	if (!boot_image_find(source, pinned, &image, problem, sizeof problem)) {
		return;
	}
	bytes = snprintf(pinned, sizeof pinned, "%s%s", image.reference, slash);
	if (bytes > 0 && (size_t)bytes < sizeof pinned) {
		memcpy(loader->path, pinned, (size_t)bytes + 1);
	}
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
		choice->image != NULL ? choice->image : "", path);
	snprintf(loader->from, sizeof loader->from, "profile %.63s", profile->name);
	loader->own = true;
	return bytes > 0 && (size_t)bytes < sizeof loader->path;
}

/* Starts at *index; NULL: no (more) path. */
static const char *chain_next(const Pxe__Profile *profile, const char *arch, size_t *index)
{
	for (; *index < sizeof loader_chain / sizeof loader_chain[0]; (*index)++) {
		if (loader_chain[*index].chain == profile->chain &&
			strcmp(loader_chain[*index].arch, arch) == 0) {
			return loader_chain[(*index)++].path;
		}
	}
	return NULL;
}

bool boot_choice_has_script(const struct boot_choice *choice, uint16_t arch)
{
	const Pxe__Profile *profile = choice->profile;
	char buffer[32];
	size_t index = 0;

	if (profile == NULL) {
		return choice->builtin == BOOT_BUILTIN_MENU || choice->builtin == BOOT_BUILTIN_WAIT;
	}
	return boot_profile_has_script(profile) &&
	       (boot_profile_has_menu(profile) ||
		       chain_next(profile, boot_arch_name(arch, buffer), &index) == NULL);
}

/* false: the profile has no chain for the architecture. */
static bool loader_of_chain(const struct boot_source *source, const struct boot_choice *choice,
	const char *arch, struct boot_loader *loader)
{
	const Pxe__Profile *profile = choice->profile;
	char problem[256];
	size_t index = 0;
	const char *path;

	if (profile == NULL || choice->local || boot_profile_has_menu(profile)) {
		return false;
	}
	path = chain_next(profile, arch, &index);
	if (path == NULL) {
		return false;
	}
	snprintf(loader->from, sizeof loader->from, "chain of profile %.63s", profile->name);
	snprintf(loader->path, sizeof loader->path, "%s", path);
	loader->chain = true;
	while (!loader_check(source, loader->path, problem, sizeof problem)) {
		path = chain_next(profile, arch, &index);
		if (path == NULL) {
			return true; /* the first one, whose lack is told */
		}
		if (loader_check(source, path, problem, sizeof problem)) {
			snprintf(loader->path, sizeof loader->path, "%s", path);
		}
	}
	return true;
}

static const char *loader_of_cluster(const struct boot_choice *choice, uint16_t arch,
	const char *name, struct boot_loader *loader)
{
	const char *path = NULL;

	if (choice->settings != NULL) {
		path = loader_of(choice->settings->loaders, choice->settings->n_loaders, arch);
		snprintf(loader->from, sizeof loader->from, "cluster");
	}
	for (size_t i = 0; path == NULL && i < sizeof loader_builtin / sizeof loader_builtin[0];
		i++) {
		if (strcmp(loader_builtin[i].arch, name) == 0) {
			path = loader_builtin[i].path;
			snprintf(loader->from, sizeof loader->from, "built in");
		}
	}
	return path;
}

bool boot_loader_find(const struct boot_source *source, const struct boot_choice *choice,
	uint16_t arch, struct boot_loader *ret_loader, char *ret_problem, size_t problem_bytes)
{
	uint16_t known = arch == UINT16_MAX ? DHCP4_ARCH_BIOS : arch;
	char buffer[32];
	const char *name = boot_arch_name(known, buffer), *path;

	memset(ret_loader, 0, sizeof *ret_loader);
	if (loader_own(choice, known, ret_loader) ||
		loader_of_chain(source, choice, name, ret_loader)) {
		if (!loader_check(source, ret_loader->path, ret_problem, problem_bytes)) {
			return false;
		}
		loader_pin(source, known, ret_loader);
		return true;
	}
	/* Without kernel and script the iPXE chain leads nowhere. */
	if (choice->profile != NULL && !choice->local && !boot_choice_has_script(choice, known)) {
		snprintf(ret_problem, problem_bytes,
			"profile %.63s has no loader for %s: pxectl profile set %.63s "
			"--loader %s=PATH",
			choice->profile_name, name, choice->profile_name, name);
		return false;
	}
	path = loader_of_cluster(choice, known, name, ret_loader);
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
