/* ctl/os_layout.h: where installers keep kernel and initrd, and what they are told to work without
 * a question. Tables, and what finds the row for a list of files. Pure.
 *
 * In `args` and `text`, {{...}} are the templates' names; "%I" stands for the image and the folder
 * of the layout in it ("debian12", "tools/debian12/boot"): what follows {{base_url}}/. */
#ifndef CTL_OS_LAYOUT_H
#define CTL_OS_LAYOUT_H

#include "ctl/ctl.h"

#define OS_LAYOUT_TEMPLATES 2
#define OS_LAYOUT_VARS      8

struct os_layout {
	const char *os; /* "debian-12" */
	const char *help;
	const char *kernel; /* path below the layout's folder */
	const char *initrd; /* "": none */
	const char *efi;    /* an own UEFI program beside the kernel; "": none */
	const char *args;
	struct {
		const char *name, *text; /* the first is what --preseed replaces */
	} templates[OS_LAYOUT_TEMPLATES];
	struct {
		const char *name, *value;
	} vars[OS_LAYOUT_VARS];
	const char *note; /* what is left to be done; "": nothing */
};

/* By number; NULL past the last. */
const struct os_layout *os_layout_at(size_t index);
/* Is there a row for that system? */
bool os_layout_known(const char *os);
/* The row of `os` whose kernel and initrd the version holds, and the folder that they are in ("" or
 * "folder/"). NULL: none. */
const struct os_layout *os_layout_find(
	const char *os, const Pxe__ImageVersion *version, char *ret_folder, size_t folder_bytes);
/* The text with "%I" filled in; heap (free()). */
char *os_layout_fill(const char *text, const char *image, const char *folder);

/* os_text.c: what installers are told. */
extern const char os_text_preseed[], os_text_kickstart[], os_text_autoinstall[];

#endif
