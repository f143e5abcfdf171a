/* dnsmasq's dhcp-boot and PXE menus: profiles. The files of its TFTP server become an image. */
#include "ctl/import_boot.h"
#include "ctl/import_dnsmasq.h"

#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <string.h>

#define TFTP_IMAGE "tftp"

/* The architectures of one group's match; NULL: it says none. */
static const struct import_node *group_archs(const struct import_node *target)
{
	const struct import_node *match = import_child(target, "match");

	return match == NULL ? NULL : import_child(match, "arch");
}

/* A program on another server: as it was told, for machines that heed it. */
static void put_foreign(struct dnsmasq *dn, const struct dnsmasq_line *line,
	struct import_node *target, const char *path, const char *server)
{
	const struct {
		unsigned code;
		const char *value;
	} options[] = {{66, server}, {67, path}};
	struct import_node *node = NULL;

	for (size_t i = 0; i < 2; i++) {
		struct import_bytes store = {.size = 0}, *bytes = &store;
		const struct import_option option = {.code = options[i].code, .always = true};
		const char *why;

		if (import_encode(dn->im, IMPORT_STRING, &options[i].value, 1, bytes, &why) == 0) {
			node = import_put_option(dn->im, target, &option, bytes);
		}
	}
	import_remark(dn->im, IMPORT_TODO, line->at, node,
		"machines boot %s from another server, %s: push its files as an image instead?",
		path, server);
}

static void set_boot(struct dnsmasq *dn, const struct dnsmasq_line *line,
	struct import_node *target, const char *profile)
{
	const char *other = import_get(target, "boot");

	import_set(dn->im, target, "boot", profile);
	if (other != NULL && strcmp(other, profile) != 0) {
		import_remark(dn->im, IMPORT_TODO, line->at, import_child(target, "boot"),
			"or %s, of a line before?", other);
	}
}

static void put_boot(struct dnsmasq *dn, const struct dnsmasq_line *line,
	struct import_node *target, const char *path)
{
	const char *list = target->parent->key;

	if (list != NULL && strcmp(list, "pools") == 0) {
		dnsmasq_left_out(dn, line, "dhcp-boot for one of several ranges of a subnet");
		return;
	}
	struct import_node *profile =
		import_boot_profile(dn->im, line->at, dn->tftp_root, path, group_archs(target));
	set_boot(dn, line, target, import_get(profile, "name"));
}

/* Tags without those that tell iPXE from ROMs: whether it is for iPXE is in *ret_ipxe, 0 unless
 * such a tag is there. */
static void drop_ipxe(struct dnsmasq *dn, struct dnsmasq_selection *selection, int *ret_ipxe)
{
	size_t kept = 0;

	*ret_ipxe = 0;
	for (size_t i = 0; i < selection->count; i++) {
		if (dnsmasq_tag(dn, selection->tag[i])->ipxe) {
			*ret_ipxe = selection->not_tag[i] ? -1 : 1;
		} else {
			selection->tag[kept] = selection->tag[i];
			selection->not_tag[kept++] = selection->not_tag[i];
		}
	}
	selection->count = kept;
}

/* dhcp-boot=[tag:X,]FILE[,SERVER NAME[,ADDRESS]] */
void dnsmasq_on_boot(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	struct dnsmasq_selection selection;
	size_t rest;
	int ipxe;

	if (!dnsmasq_select_words(dn, line, &selection, &rest)) {
		return;
	}
	const char *path = rest < line->count ? line->words[rest] : "";
	const char *server = line->count > rest + 2   ? line->words[rest + 2]
			     : line->count > rest + 1 ? line->words[rest + 1]
						      : "";
	drop_ipxe(dn, &selection, &ipxe);
	if (path[0] == '\0') {
		dnsmasq_left_out(dn, line, "dhcp-boot without a file");
	} else if (ipxe <= 0 && import_boot_is_ipxe(path)) {
		import_remark(dn->im, IMPORT_NOTE, line->at, NULL,
			"%s is not needed: machines get the iPXE of this project first", path);
	} else if (dnsmasq_select_targets(dn, line, &selection)) {
		for (size_t i = 0; i < selection.target_count; i++) {
			if (server[0] != '\0' && !import_boot_is_url(path)) {
				put_foreign(dn, line, selection.target[i], path, server);
			} else {
				put_boot(dn, line, selection.target[i], path);
			}
		}
	}
}

/* --- menus --- */

static const char *csa_arch(struct dnsmasq *dn, const char *word)
{
	static const char *const names[] = {"x86PC", "PC98", "IA64_EFI", "Alpha", "Arc_x86",
		"Intel_Lean_Client", "IA32_EFI", "x86-64_EFI", "Xscale_EFI", "BC_EFI", "ARM32_EFI",
		"ARM64_EFI"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcasecmp(names[i], word) == 0) {
			/* dnsmasq's BC_EFI and x86-64_EFI are both sent by x64 firmware. */
			return dhcp4_arch_name((uint16_t)i);
		}
	}
	return import_boot_arch(dn->im, word);
}

static struct import_node *menu_of(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	if (dn->menu == NULL) {
		struct import_node *profile = import_named(
			dn->im, "profiles", import_free_name(dn->im, "profiles", "pxe-menu"));

		dn->menu = import_map(dn->im, profile, "menu");
		set_boot(dn, line, dn->cluster, import_get(profile, "name"));
	}
	return dn->menu;
}

/* An item of that text; the same text for another architecture is the same item. */
static struct import_node *menu_item(
	struct dnsmasq *dn, const struct dnsmasq_line *line, const char *text)
{
	struct import_node *items = import_list(dn->im, menu_of(dn, line), "items");

	for (struct import_node *item = items->first; item != NULL; item = item->next) {
		if (strcmp(import_get(item, "text"), text) == 0) {
			return item;
		}
	}
	struct import_node *item = import_entry(dn->im, items);
	import_set(dn->im, item, "text", text);
	return item;
}

static void put_item_program(struct dnsmasq *dn, const struct dnsmasq_line *line,
	struct import_node *item, const char *arch, const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *path =
		strchr(slash != NULL ? slash : program, '.') != NULL
			? program
			: import_text(dn->im, "%s.0", program); /* the layer, as dnsmasq adds it */
	const char *name = import_get(item, "profile");
	struct import_node *profile;

	if (name == NULL) {
		profile = import_named(dn->im, "profiles",
			import_free_name(dn->im, "profiles", import_boot_name(dn->im, path)));
		import_set(dn->im, item, "profile", import_get(profile, "name"));
		import_boot_need_image(dn->im, line->at, dn->tftp_root);
		import_set(dn->im, profile, "image", TFTP_IMAGE);
	} else {
		profile = import_named(dn->im, "profiles", name);
	}
	import_set(dn->im, import_map(dn->im, profile, "nbp"), arch,
		import_boot_path(dn->tftp_root, path));
}

/* pxe-service=[tag:X,]CSA,TEXT[,BASENAME or TYPE][,SERVER] */
void dnsmasq_on_pxe_service(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	struct dnsmasq_selection selection;
	size_t rest;
	uint64_t type = 0;

	if (!dnsmasq_select_words(dn, line, &selection, &rest)) {
		return;
	}
	if (selection.count > 0 || line->count < rest + 2 || line->count > rest + 4) {
		dnsmasq_left_out(dn, line,
			selection.count > 0
				? "pxe-service for tags: one menu for all machines is made"
				: "pxe-service: not understood");
		return;
	}
	const char *arch = csa_arch(dn, line->words[rest]);
	const char *text = line->words[rest + 1];
	const char *program = line->count > rest + 2 ? line->words[rest + 2] : "0";
	const char *server = line->count > rest + 3 ? line->words[rest + 3] : NULL;
	uint32_t ip;
	if (arch == NULL || (server != NULL && text_ip4_parse(server, &ip) != 0)) {
		dnsmasq_left_out(dn, line, "pxe-service: '%s' is not understood",
			arch == NULL ? line->words[rest] : server);
		return;
	}
	struct import_node *item = menu_item(dn, line, text);
	if (import_get(item, "type") != NULL || import_child(item, "profile") != NULL) {
		import_remark(dn->im, IMPORT_NOTE, line->at, NULL,
			"the same item of the menu as in a line before");
	}
	if (text_u64_parse(program, UINT16_MAX, &type) == 0 && type == 0) {
		import_set(dn->im, item, "profile", "local");
	} else if (type > 0) {
		import_set_plain(dn->im, item, "type", program);
	} else if (server != NULL) {
		dnsmasq_left_out(dn, line, "pxe-service: a program on another server, %s", server);
		if (item->first == item->last) {
			import_drop(item);
		}
		return;
	} else {
		put_item_program(dn, line, item, arch, program);
	}
	if (server != NULL) {
		import_add(dn->im, item, "server_ip", server);
	}
}

void dnsmasq_on_pxe_prompt(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	struct dnsmasq_selection selection;
	size_t rest;
	uint64_t timeout_s = 255; /* until a key is pressed */

	if (!dnsmasq_select_words(dn, line, &selection, &rest)) {
		return;
	}
	if (selection.count > 0 || line->count < rest + 1 || line->count > rest + 2 ||
		(line->count == rest + 2 &&
			text_u64_parse(line->words[rest + 1], 255, &timeout_s) != 0)) {
		dnsmasq_left_out(dn, line, "pxe-prompt: not understood");
		return;
	}
	import_set(dn->im, menu_of(dn, line), "prompt", line->words[rest]);
	import_set_plain(dn->im, menu_of(dn, line), "timeout",
		import_text(dn->im, "%u", (unsigned)timeout_s));
}
