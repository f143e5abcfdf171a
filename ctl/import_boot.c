#include "ctl/import_boot.h"

#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <string.h>

#define TFTP_IMAGE "tftp"

bool import_boot_is_ipxe(const char *path)
{
	static const char *const names[] = {"undionly.kpxe", "undionly.kkpxe", "undionly.0",
		"undionly", "ipxe.pxe", "ipxe.kpxe", "ipxe.0", "ipxe.efi", "ipxe-x86_64.efi",
		"ipxe-arm64.efi", "snp.efi", "snponly.efi"};
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcasecmp(name, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

bool import_boot_is_url(const char *path)
{
	return strstr(path, "://") != NULL;
}

const char *import_boot_arch(struct import *im, const char *word)
{
	uint64_t number;

	if (text_u64_parse(word, UINT16_MAX, &number) != 0) {
		return NULL;
	}
	const char *name = dhcp4_arch_name((uint16_t)number);
	return name != NULL ? name : import_text(im, "%u", (unsigned)number);
}

const char *import_boot_path(const char *root, const char *path)
{
	size_t length = root == NULL ? 0 : strlen(root);

	if (length > 0 && strncmp(path, root, length) == 0) {
		path += length;
	}
	return path + strspn(path, "/");
}

void import_boot_need_image(struct import *im, struct import_at at, const char *root)
{
	if (import_find(im, "images", TFTP_IMAGE) != NULL) {
		return;
	}
	struct import_node *image = import_named(im, "images", TFTP_IMAGE);

	import_set(im, image, "from", root != NULL ? root : "/srv/tftp");
	if (root == NULL) {
		import_remark(im, IMPORT_TODO, at, image,
			"where are the files of the TFTP server? They become the image '%s'",
			TFTP_IMAGE);
	}
}

const char *import_boot_name(struct import *im, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL && slash[1] != '\0' ? slash + 1 : path;
	size_t length = strcspn(name, "?#");

	return import_clean_name(im, import_text(im, "boot-%.*s", (int)length, name));
}

static void set_loaders(struct import *im, struct import_at at, struct import_node *profile,
	const char *path, const struct import_node *archs)
{
	struct import_node *nbp = import_map(im, profile, "nbp");
	size_t length = strlen(path);
	bool efi = length > 4 && strcasecmp(path + length - 4, ".efi") == 0;

	for (const struct import_node *arch = archs == NULL ? NULL : archs->first; arch != NULL;
		arch = arch->next) {
		import_set(im, nbp, arch->text, path);
	}
	if (archs == NULL && import_child(nbp, efi ? "uefi-x64" : "bios") == NULL) {
		import_set(im, nbp, efi ? "uefi-x64" : "bios", path);
		import_remark(im, IMPORT_TODO, at, nbp,
			"every architecture got this program: it fits only %s",
			efi ? "uefi-x64" : "bios");
	}
}

struct import_node *import_boot_profile(struct import *im, struct import_at at, const char *root,
	const char *path, const struct import_node *archs)
{
	struct import_node *profile = import_named(im, "profiles", import_boot_name(im, path));

	if (import_boot_is_url(path)) {
		import_set(im, profile, "script", import_text(im, "#!ipxe\nchain %s\n", path));
	} else {
		import_boot_need_image(im, at, root);
		import_set(im, profile, "image", TFTP_IMAGE);
		set_loaders(im, at, profile, import_boot_path(root, path), archs);
	}
	return profile;
}
