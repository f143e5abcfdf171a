/* ctl/image_archive.h: an ISO image, tar or zip archive as a tree of files, by libarchive. Blocks
 * on the disk.
 *
 * Archives come from outside: what is odd is refused whole, with the entry named: absolute paths,
 * "..", backslashes and control bytes, names of more than 255 bytes, links that leave the tree,
 * a name twice, an archive that is cut or damaged, more than the disk holds. Devices and the like
 * are left out with a note.
 */
#ifndef CTL_IMAGE_ARCHIVE_H
#define CTL_IMAGE_ARCHIVE_H

#include "ctl/ctl.h"

#define IMAGE_ARCHIVE_ENTRIES_MAX 65536

/* By its name: .iso .tar .tar.gz .tgz .tar.xz .txz .tar.zst .tzst .tar.bz2 .tbz2 .zip, in any
 * case. */
bool image_archive_is(const char *name);
/* Unpack into `directory`, which is empty and nobody else's; at most room_bytes. Links to files and
 * directories of the archive become symbolic links there, which stay inside. CTL_OK; CTL_USAGE (the
 * archive) or CTL_REFUSED (this machine) after telling; then the directory holds a part. */
int image_archive_unpack(
	const struct ctl *ctl, const char *path, const char *directory, uint64_t room_bytes);

#endif
