#include "ctl/loaders.h"

#include <string.h>

#define COUNT(array) (sizeof array / sizeof array[0])

static const struct loader_file ipxe_files[] = {
	{"/usr/lib/ipxe/undionly.kpxe", "undionly.kpxe", "ipxe", false},
	{"/usr/lib/ipxe/snponly.efi", "snponly.efi", "ipxe", false},
	{"/usr/lib/ipxe/ipxe.efi", "ipxe.efi", "ipxe", false},
	{"/usr/lib/ipxe/ipxe.pxe", "ipxe.pxe", "ipxe", true},
	{"/usr/lib/ipxe/undionly.kkpxe", "undionly.kkpxe", "ipxe", true},
	{"/usr/lib/ipxe/snponly-arm64.efi", "snponly-arm64.efi", "ipxe", true},
	{"/usr/lib/ipxe/snponly-riscv64.efi", "snponly-riscv64.efi", "ipxe", true},
};

static const struct loader_file grub_files[] = {
	{"/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", "grubx64.efi",
		"grub-efi-amd64-signed", false},
	{"/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", "grubnetx64.efi",
		"grub-efi-amd64-signed", false},
	{"/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed", "grubaa64.efi",
		"grub-efi-arm64-signed", true},
	{"/usr/lib/grub/i386-efi-signed/grubnetia32.efi.signed", "grubia32.efi",
		"grub-efi-ia32-signed", true},
};

static const struct loader_file shim_files[] = {
	{"/usr/lib/shim/shimx64.efi.signed", "shimx64.efi", "shim-signed", false},
	{"/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", "grubx64.efi",
		"grub-efi-amd64-signed", false},
	{"/usr/lib/shim/mmx64.efi.signed", "mmx64.efi", "shim-helpers-amd64-signed", true},
	{"/usr/lib/shim/mmx64.efi", "mmx64.efi", "shim-unsigned", true},
	{"/usr/lib/shim/shimaa64.efi.signed", "shimaa64.efi", "shim-signed", true},
	{"/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed", "grubaa64.efi",
		"grub-efi-arm64-signed", true},
	{"/usr/lib/shim/mmaa64.efi.signed", "mmaa64.efi", "shim-helpers-arm64-signed", true},
};

static const struct loader_file pxelinux_files[] = {
	{"/usr/lib/PXELINUX/pxelinux.0", "pxelinux.0", "pxelinux", false},
	{"/usr/lib/PXELINUX/lpxelinux.0", "lpxelinux.0", "pxelinux", false},
	{"/usr/lib/syslinux/modules/bios/ldlinux.c32", "ldlinux.c32", "syslinux-common", false},
	{"/usr/lib/syslinux/modules/bios/*.c32", "", "syslinux-common", true},
	{"/usr/lib/syslinux/memdisk", "memdisk", "syslinux-common", true},
};

static const struct loader_file memtest_files[] = {
	{"/boot/memtest86+x64.bin", "memtest.bin", "memtest86+", false},
	{"/boot/memtest86+x64.efi", "memtest.efi", "memtest86+", false},
	{"/boot/memtest86+ia32.bin", "memtest-ia32.bin", "memtest86+", true},
	{"/boot/memtest86+ia32.efi", "memtest-ia32.efi", "memtest86+", true},
};

static const struct loader_image images[] = {
	{"ipxe", "iPXE, which profiles are booted by unless they say otherwise", ipxe_files,
		COUNT(ipxe_files)},
	{"grub", "GRUB for UEFI, signed by Debian", grub_files, COUNT(grub_files)},
	{"shim", "shim and GRUB, for UEFI with Secure Boot", shim_files, COUNT(shim_files)},
	{"pxelinux", "PXELINUX for BIOS, with its modules", pxelinux_files, COUNT(pxelinux_files)},
	{"memtest", "Memtest86+", memtest_files, COUNT(memtest_files)},
};

const struct loader_image *loader_image_at(size_t index)
{
	return index < COUNT(images) ? &images[index] : NULL;
}

const struct loader_image *loader_image_find(const char *name)
{
	for (size_t i = 0; i < COUNT(images); i++) {
		if (strcmp(images[i].name, name) == 0) {
			return &images[i];
		}
	}
	return NULL;
}
