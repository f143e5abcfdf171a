#include "ctl/os_layout.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof array / sizeof array[0])

#define DEBIAN_ARGS                                                                                \
	"auto=true priority=critical url={{base_url}}/t/{{mac_dash}}/preseed.cfg "                 \
	"interface=auto BOOTIF=01-{{mac_dash}} hostname={{hostname}} "                             \
	"domain={{#domain}}{{domain}}{{/domain}}{{^domain}}unassigned-domain{{/domain}}"           \
	"{{#syslog}} log_host={{syslog}} log_port=514{{/syslog}}"
#define DEBIAN(suite_name)                                                                         \
	.args = DEBIAN_ARGS, .templates = {{"preseed.cfg", os_text_preseed}},                      \
	.vars = {                                                                                  \
		{"locale", "en_US.UTF-8"},                                                         \
		{"keyboard", "us"},                                                                \
		{"timezone", "UTC"},                                                               \
		{"mirror", "deb.debian.org"},                                                      \
		{"mirror_directory", "/debian"},                                                   \
		{"suite", suite_name},                                                             \
		{"tasks", "standard"},                                                             \
	}
/* The netboot archive, and the same files of an installation disc. */
#define DEBIAN_NETBOOT                                                                             \
	.kernel = "debian-installer/amd64/linux", .initrd = "debian-installer/amd64/initrd.gz"
#define DEBIAN_ARM                                                                                 \
	.kernel = "debian-installer/arm64/linux", .initrd = "debian-installer/arm64/initrd.gz"
#define ANACONDA                                                                                   \
	.kernel = "images/pxeboot/vmlinuz", .initrd = "images/pxeboot/initrd.img",                 \
	.args = "ip=dhcp inst.text inst.repo={{base_url}}/%I "                                     \
		"inst.ks={{base_url}}/t/{{mac_dash}}/ks.cfg"                                       \
		"{{#syslog}} inst.syslog={{syslog}}{{/syslog}}",                                   \
	.templates = {{"ks.cfg", os_text_kickstart}},                                              \
	.vars = {                                                                                  \
		{"locale", "en_US.UTF-8"},                                                         \
		{"keyboard", "us"},                                                                \
		{"timezone", "UTC"},                                                               \
	}

static const struct os_layout layouts[] = {
	{.os = "debian-12",
		.help = "Debian 12 bookworm, netboot",
		DEBIAN_NETBOOT,
		DEBIAN("bookworm")},
	{.os = "debian-12", .help = "the same for arm64", DEBIAN_ARM, DEBIAN("bookworm")},
	{.os = "debian-11",
		.help = "Debian 11 bullseye, netboot",
		DEBIAN_NETBOOT,
		DEBIAN("bullseye")},
	{.os = "debian-13", .help = "Debian 13 trixie, netboot", DEBIAN_NETBOOT, DEBIAN("trixie")},
	{.os = "debian-13", .help = "the same for arm64", DEBIAN_ARM, DEBIAN("trixie")},
	{.os = "ubuntu",
		.help = "Ubuntu 20.04 and newer, live server",
		.kernel = "casper/vmlinuz",
		.initrd = "casper/initrd",
		.args = "ip=dhcp root=/dev/ram0 ramdisk_size=1500000 url={{vars.iso_url}} "
			"autoinstall ds=nocloud-net;s={{base_url}}/t/{{mac_dash}}/",
		.templates = {{"user-data", os_text_autoinstall},
			{"meta-data", "instance-id: {{mac_dash}}\n"}},
		.vars = {{"locale", "en_US.UTF-8"}, {"keyboard", "us"}, {"timezone", "UTC"},
			{"user", "ubuntu"}},
		.note = "its installer fetches the ISO as a whole: push that too (image push NAME "
			"ISO --as-file), and name it: profile set PROFILE --var "
			"iso_url=http://NODE/NAME/FILE.iso"},
	{.os = "fedora", .help = "Fedora", ANACONDA},
	{.os = "rhel", .help = "RHEL, AlmaLinux, Rocky Linux, CentOS Stream", ANACONDA},
	{.os = "opensuse",
		.help = "openSUSE Leap and Tumbleweed; asks its questions",
		.kernel = "boot/x86_64/loader/linux",
		.initrd = "boot/x86_64/loader/initrd",
		.args = "ifcfg=*=dhcp install={{base_url}}/%I"},
	{.os = "alpine",
		.help = "Alpine netboot; runs from memory",
		.kernel = "boot/vmlinuz-lts",
		.initrd = "boot/initramfs-lts",
		.args = "ip=dhcp modules=loop,squashfs modloop={{base_url}}/%I/boot/modloop-lts "
			"alpine_repo={{vars.repo}}",
		.vars = {{"repo", "http://dl-cdn.alpinelinux.org/alpine/latest-stable/main"}}},
	{.os = "arch",
		.help = "Arch Linux ISO; a live system",
		.kernel = "arch/boot/x86_64/vmlinuz-linux",
		.initrd = "arch/boot/x86_64/initramfs-linux.img",
		.args = "ip=dhcp archisobasedir=arch archiso_http_srv={{base_url}}/%I/"},
	{.os = "memtest",
		.help = "Memtest86+ of image add-loaders",
		.kernel = "memtest.bin",
		.efi = "memtest.efi"},
};

const struct os_layout *os_layout_at(size_t index)
{
	return index < COUNT(layouts) ? &layouts[index] : NULL;
}

bool os_layout_known(const char *os)
{
	for (size_t i = 0; i < COUNT(layouts); i++) {
		if (strcmp(layouts[i].os, os) == 0) {
			return true;
		}
	}
	return false;
}

static bool holds(const Pxe__ImageVersion *version, const char *folder, const char *path)
{
	size_t folder_bytes = strlen(folder);

	if (path == NULL || path[0] == '\0') {
		return true;
	}
	for (size_t i = 0; i < version->n_files; i++) {
		const char *file = version->files[i]->path;
		if (strncmp(file, folder, folder_bytes) == 0 &&
			strcmp(file + folder_bytes, path) == 0) {
			return true;
		}
	}
	return false;
}

/* The folder in which the path lies, of all that the version has the one nearest to the top. */
static bool find_folder(const Pxe__ImageVersion *version, const struct os_layout *layout,
	char *ret_folder, size_t folder_bytes)
{
	size_t path_bytes = strlen(layout->kernel), best = SIZE_MAX;

	for (size_t i = 0; i < version->n_files; i++) {
		const char *file = version->files[i]->path;
		size_t bytes = strlen(file);
		char folder[256];
		if (bytes < path_bytes || strcmp(file + bytes - path_bytes, layout->kernel) != 0 ||
			(bytes > path_bytes && file[bytes - path_bytes - 1] != '/') ||
			bytes - path_bytes >= best || bytes - path_bytes >= sizeof folder ||
			bytes - path_bytes >= folder_bytes) {
			continue;
		}
		snprintf(folder, sizeof folder, "%.*s", (int)(bytes - path_bytes), file);
		if (holds(version, folder, layout->initrd) && holds(version, folder, layout->efi)) {
			best = bytes - path_bytes;
			snprintf(ret_folder, folder_bytes, "%s", folder);
		}
	}
	return best != SIZE_MAX;
}

const struct os_layout *os_layout_find(
	const char *os, const Pxe__ImageVersion *version, char *ret_folder, size_t folder_bytes)
{
	assert(os != NULL && version != NULL && ret_folder != NULL && folder_bytes > 0);
	for (size_t i = 0; i < COUNT(layouts); i++) {
		if (strcmp(layouts[i].os, os) == 0 &&
			find_folder(version, &layouts[i], ret_folder, folder_bytes)) {
			return &layouts[i];
		}
	}
	return NULL;
}

char *os_layout_fill(const char *text, const char *image, const char *folder)
{
	char *filled = NULL;
	size_t bytes = 0, folder_bytes = strlen(folder);
	FILE *out = open_memstream(&filled, &bytes);

	assert(out != NULL);
	for (const char *c = text; *c != '\0'; c++) {
		if (c[0] == '%' && c[1] == 'I') {
			fputs(image, out);
			if (folder_bytes > 0) { /* without its '/' */
				fprintf(out, "/%.*s", (int)(folder_bytes - 1), folder);
			}
			c++;
		} else {
			fputc(*c, out);
		}
	}
	if (fclose(out) != 0) {
		abort();
	}
	return filled;
}
