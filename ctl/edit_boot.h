/* ctl/edit_boot.h: what levels of the configuration say about booting - profiles by architecture,
 * variables - and the texts of a profile: templates and scripts. Pure but for messages on ctl->err
 * and the files that options name.
 *
 * Each returns CTL_OK, or CTL_USAGE after telling what is wrong. */
#ifndef CTL_EDIT_BOOT_H
#define CTL_EDIT_BOOT_H

#include "ctl/command.h"

/* --boot ARCH=PROFILE, many; ARCH=none removes the entry. */
int edit_boot(const struct ctl *ctl, const struct invocation *in, Pxe__ArchProfile ***profiles,
	size_t *count);
/* One of them; `where` begins the message ("--boot "). */
int edit_boot_one(const struct ctl *ctl, const char *where, const char *text,
	Pxe__ArchProfile ***profiles, size_t *count);
/* --var NAME=VALUE, many; NAME= removes it. */
int edit_vars(
	const struct ctl *ctl, const struct invocation *in, Pxe__Variable ***vars, size_t *count);
int edit_var_one(const struct ctl *ctl, const char *where, const char *text, Pxe__Variable ***vars,
	size_t *count);

/* --chain ipxe|grub|shim|pxelinux|default */
int edit_chain(const struct ctl *ctl, const char *text, Pxe__Chain *field);
/* "ipxe"; "default". */
const char *edit_chain_text(Pxe__Chain chain);
/* --template NAME=FILE, many; NAME=none removes it. */
int edit_templates(const struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile);
/* The text of a file into `field`, or "" for none; it is a template, and must be sound. */
int edit_template_text(const struct ctl *ctl, const char *option, const char *path, char **field);
/* Is the text a sound template that uses names which exist? `source` is what places begin with. */
int edit_check_template(const struct ctl *ctl, const char *source, const char *text);

#endif
