/* node/boot/boot_config.h: what the writers of GRUB's and PXELINUX's configurations share. Private
 * to node/boot. Pure.
 *
 * A configuration is one text without a way back to us: it pins the version of its image by digest,
 * and all that it says of the machine is filled in when it is made.
 */
#ifndef NODE_BOOT_BOOT_CONFIG_H
#define NODE_BOOT_BOOT_CONFIG_H

#include "node/boot/boot_script.h"

#define BOOT_CONFIG_ERROR_BYTES 512
#define BOOT_CONFIG_WAIT_S      10 /* between two questions of a machine that waits */

/* What there is to write for a machine, from what it boots. */
enum boot_config_kind {
	BOOT_CONFIG_PROBLEM, /* choice.problem */
	BOOT_CONFIG_LOCAL,
	BOOT_CONFIG_ITEMS,     /* the menu of its profile */
	BOOT_CONFIG_ALL,       /* the built-in menu of all profiles */
	BOOT_CONFIG_WAIT,      /* ask again after a while */
	BOOT_CONFIG_UNCLAIMED, /* the same: its one-shot boot could not be claimed */
	BOOT_CONFIG_OWN,       /* the profile's own text */
	BOOT_CONFIG_KERNEL,
};

/* Which text a writer takes for the profile's own. */
typedef const char *(*boot_config_own)(const Pxe__Profile *profile);

/* Heap (free()). Choice and variables of the machine. */
struct boot_script_work *boot_config_new(const struct boot_source *source,
	const struct boot_client *client, const char *const *base_urls, size_t base_url_count);
/* The same for another profile, as a menu's item; NULL: there is none of this name that `own` or a
 * kernel could start. "local" is the disk. */
struct boot_script_work *boot_config_item(
	const struct boot_script_work *work, const char *profile_name, boot_config_own own);
enum boot_config_kind boot_config_kind_of(
	struct boot_script_work *work, boot_config_own own, bool unclaimed);

/* The image of the profile's kernel, which has all its files. 0, or -EINVAL with a line in
 * ret_error.
 */
int boot_config_kernel(const struct boot_script_work *work, struct boot_image *ret_image,
	char *ret_error, size_t error_bytes);
/* The kernel's arguments if the node of that index serves. 0, and *ret_args is heap: one line,
 * control bytes as blanks; or -EINVAL. */
int boot_config_args(const struct boot_script_work *work, size_t node, char **ret_args,
	char *ret_error, size_t error_bytes);

/* "host n01, profile debian12 from host n01": for a comment. */
void boot_config_head(const struct boot_script_work *work, FILE *out);
/* Text for a line of its own: control bytes as '?'. */
void boot_config_plain(FILE *out, const char *text);

/* "01-aa-bb-cc-dd-ee-ff" of a machine with an Ethernet address, else "". */
void boot_config_mac_name(const struct boot_script_work *work, char name[32]);

/* Each profile that `own` or a kernel could start. */
void boot_config_each(const struct boot_script_work *work, boot_config_own own,
	void (*visit)(void *ctx, const struct boot_script_work *item), void *ctx);

#endif
