/* ctl/import_boot.h: boot programs of other servers' configurations as profiles. Pure.
 *
 * The files of their TFTP servers become one image, "tftp", which a person pushes. iPXE itself is
 * not taken over: machines get that of this project without being told.
 */
#ifndef CTL_IMPORT_BOOT_H
#define CTL_IMPORT_BOOT_H

#include "ctl/import.h"

bool import_boot_is_ipxe(const char *path);
bool import_boot_is_url(const char *path);
/* "bios" or the usual name of one of IANA's numbers; the number itself if it has none; NULL: `word`
 * is no number. */
const char *import_boot_arch(struct import *im, const char *word);
/* The image of the TFTP server's files; root NULL: nobody knows where they are, which is a remark.
 */
void import_boot_need_image(struct import *im, struct import_at at, const char *root);
/* The profile of a program, a path below `root` (may be NULL) or a URL, for these architectures, a
 * list of texts; NULL: all got it, which is a remark unless it is a URL. */
struct import_node *import_boot_profile(struct import *im, struct import_at at, const char *root,
	const char *path, const struct import_node *archs);
/* Path in the image. */
const char *import_boot_path(const char *root, const char *path);
const char *import_boot_name(struct import *im, const char *path);

#endif
