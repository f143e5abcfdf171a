/* node/boot/boot_vars.h: what {{names}} mean for one machine: the values of template_names.h, and
 * "vars.NAME" by the levels of the configuration.
 *
 * Pure. Everything is borrowed from source, client, choice and base_urls, which must stay as they
 * are while the variables are used.
 */
#ifndef NODE_BOOT_BOOT_VARS_H
#define NODE_BOOT_BOOT_VARS_H

#include "node/boot/boot.h"
#include "node/boot/boot_choice.h"
#include "proto/template/template.h"
#include "proto/wire/text.h"
#include "store/model/levels.h"

#define BOOT_VARS_FROM_BYTES 96
#define BOOT_VARS_URL_MAX    160 /* of one node */

struct boot_vars {
	const struct boot_choice *choice;
	struct model_levels levels;
	/* "" is not defined, unless it is said otherwise. */
	char mac[TEXT_HWADDR_BYTES], mac_dash[TEXT_HWADDR_BYTES];
	char ip[TEXT_IP4_BYTES];
	char name[64];
	char hostname[64];
	char uuid[TEXT_UUID_BYTES];
	char arch[32];
	char base_url[BOOT_VARS_URL_MAX];
	char base_urls[1024];
	char node[64];
	char server[BOOT_VARS_URL_MAX];
	char gateway[TEXT_IP4_BYTES]; /* may be "": it has none; also the next four */
	char netmask[TEXT_IP4_BYTES];
	char dns[256];
	char domain[256];
	char subnet[64];
	char phone_home[BOOT_VARS_URL_MAX + 64];
	char syslog[BOOT_VARS_URL_MAX]; /* "": the cluster takes no log lines */
};

/* choice: of boot_choose(), after boot_choose_of_menu(). base_urls: this node's first; there may be
 * none. */
void boot_vars_init(struct boot_vars *vars, const struct boot_source *source,
	const struct boot_client *client, const struct boot_choice *choice,
	const char *const *base_urls, size_t base_url_count);

/* For an iPXE script: what is not known is what iPXE knows (${mac}, ${ip}, ${uuid}), and if
 * `rounds`, {{base_url}} is ${base}, the node that the script is trying. */
void boot_vars_for_ipxe(struct boot_vars *vars, bool rounds);

/* The value of a name, and where it comes from ("host n07", "cluster", "built in", ...; ret_from
 * may be NULL). NULL: not defined. */
const char *boot_vars_value(
	const struct boot_vars *vars, const char *name, char ret_from[BOOT_VARS_FROM_BYTES]);

/* Fill in a text; `what` names it in errors ("args", "template preseed.cfg"). 0 and heap text, or
 * an error of template_render() with all that an operator needs in ret_error: template, line and
 * variable. ret_bytes may be NULL. */
int boot_vars_render(const struct boot_vars *vars, const char *what, const char *text,
	char **ret_text, size_t *ret_bytes, char *ret_error, size_t error_bytes);

#endif
