/* node/boot/boot_config.h: the configurations of loaders other than iPXE, made for one machine from
 * the same profile: GRUB's grub.cfg, PXELINUX's pxelinux.cfg, U-Boot's form of that.
 *
 * Pure. Files are pinned to the image's version: a boot that began with one gets the rest of it.
 * What cannot be booted is said on the machine's screen, then comes the local disk.
 */
#ifndef NODE_BOOT_BOOT_CONFIG_H
#define NODE_BOOT_BOOT_CONFIG_H

#include "node/boot/boot_choice.h"
#include "node/boot/boot_vars.h"

#include <stdio.h>

/* As boot_script(): heap text (free()), never NULL. base_urls: this node's first. GRUB tries the
 * nodes in this order. PXELINUX and U-Boot have no way to try another one. */
char *boot_grub_config(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count);
char *boot_pxelinux_config(const struct boot_source *source, const struct boot_client *client,
	const char *const *base_urls, size_t base_url_count, bool uboot);

/* ---- what the two files share */

struct boot_config {
	const struct boot_source *source;
	const struct boot_client *client;
	const char *const *base_urls;
	size_t base_url_count;
	struct boot_choice choice;
	bool uboot;
	/* One more thing to choose from a menu; `profile` NULL: the local disk. */
	void (*put_item)(const struct boot_config *config, const char *text,
		const Pxe__Profile *profile, FILE *out);
};

#define BOOT_CONFIG_ERROR_BYTES 320

void boot_config_init(struct boot_config *config, const struct boot_source *source,
	const struct boot_client *client, const char *const *base_urls, size_t base_url_count);
/* "# host n07, profile debian12 from host n07", a line. */
void boot_config_head(const struct boot_config *config, FILE *out);
/* One line of text, without control bytes. */
void boot_config_plain(FILE *out, const char *text);
/* put_item() for each item of the profile's menu, or, for the built-in menu, for the disk and every
 * profile. */
void boot_config_items(const struct boot_config *config, FILE *out);
/* Kernel and initrds of a profile are there: the image, else false with the reason. */
bool boot_config_kernel(const struct boot_config *config, const Pxe__Profile *profile,
	struct boot_image *ret_image, char *ret_error, size_t error_bytes);
/* A text of the profile, filled in as if the n-th node served; heap, or NULL with the reason. */
char *boot_config_render(const struct boot_config *config, const Pxe__Profile *profile, size_t node,
	const char *what, const char *text, char ret_error[BOOT_CONFIG_ERROR_BYTES]);
/* "10.77.0.11" of "http://10.77.0.11:8080"; *ret_port: 80 unless it is given. */
void boot_config_server(const char *base_url, char ret_ip[64], unsigned *ret_port);

#endif
