/* make_iso FILE DIR: an ISO 9660 image with Joliet and Rock Ridge of a directory, for tests. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void copy(struct archive *iso, const char *path)
{
	static char buffer[1 << 16];
	int fd = open(path, O_RDONLY);
	ssize_t got;

	while (fd >= 0 && (got = read(fd, buffer, sizeof buffer)) > 0) {
		archive_write_data(iso, buffer, (size_t)got);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct archive *iso = archive_write_new(), *disk = archive_read_disk_new();
	struct archive_entry *entry;

	if (argc != 3 || archive_write_set_format_iso9660(iso) != ARCHIVE_OK ||
		archive_write_open_filename(iso, argv[1]) != ARCHIVE_OK ||
		archive_read_disk_open(disk, argv[2]) != ARCHIVE_OK) {
		fprintf(stderr, "usage: make_iso FILE DIR\n");
		return 2;
	}
	while (entry = archive_entry_new(), archive_read_next_header2(disk, entry) == ARCHIVE_OK) {
		const char *path = archive_entry_pathname(entry) + strlen(argv[2]);
		char *source = strdup(archive_entry_sourcepath(entry));
		archive_read_disk_descend(disk);
		if (*path != '\0') {
			char *name = strdup(path + 1);
			archive_entry_set_pathname(entry, name);
			free(name);
			if (archive_write_header(iso, entry) != ARCHIVE_OK) {
				fprintf(stderr, "%s: %s\n", source, archive_error_string(iso));
				return 1;
			}
			if (archive_entry_filetype(entry) == AE_IFREG) {
				copy(iso, source);
			}
		}
		free(source);
	}
	return archive_write_close(iso) == ARCHIVE_OK ? 0 : 1;
}
