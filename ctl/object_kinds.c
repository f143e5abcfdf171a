#include "ctl/object_kinds.h"

#include "ctl/edit.h"
#include "ctl/edit_boot.h"
#include "ctl/show_terms.h"
#include "proto/msg/msg_ip4.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows and details of each kind */

static const struct table_column subnet_columns[] = {{"NAME", false, false},
	{"NETWORK", false, false}, {"GATEWAY", false, false}, {"LEASE", false, false},
	{"PROFILE", false, false}, {"DNS", false, false}, {"DOMAIN", false, true},
	{"NTP", false, true}, {"MTU", true, true}, {"DHCP", false, true}, {"SHARED", false, true},
	{"QUIRKS", false, true}};

static void subnet_row(struct table *table, const void *object)
{
	const Pxe__Subnet *subnet = object;
	char text[SHOW_BYTES];

	table_cell(table, subnet->name);
	table_cellf(table, "%s/%" PRIu32, show_ip(&subnet->network_ip, text), subnet->prefix_len);
	table_cell(table, show_ip(&subnet->gateway_ip, text));
	table_cell(table, show_duration_s(subnet->lease_s, text));
	table_cell(table, subnet->profile);
	table_cell(table, show_ips(subnet->dns_ip, subnet->n_dns_ip, text));
	table_cell(table, subnet->domain);
	table_cell(table, show_ips(subnet->ntp_ip, subnet->n_ntp_ip, text));
	snprintf(text, sizeof text, "%" PRIu32, subnet->mtu);
	table_cell(table, subnet->mtu == 0 ? "" : text);
	table_cell(table, edit_subnet_dhcp(subnet->dhcp));
	table_cell(table, subnet->shared_network);
	table_cell(table, show_quirks(subnet->quirks, text));
}

static void subnet_show(struct ctl *ctl, const void *object)
{
	const Pxe__Subnet *subnet = object;
	char text[SHOW_BYTES], line[SHOW_BYTES + 16];

	show_pair(ctl, "subnet", subnet->name);
	snprintf(line, sizeof line, "%s/%" PRIu32, show_ip(&subnet->network_ip, text),
		subnet->prefix_len);
	show_pair(ctl, "network", line);
	show_pair(ctl, "gateway", show_ip(&subnet->gateway_ip, text));
	show_pair(ctl, "dns", show_ips(subnet->dns_ip, subnet->n_dns_ip, text));
	show_pair(ctl, "domain", subnet->domain);
	show_pair(ctl, "ntp", show_ips(subnet->ntp_ip, subnet->n_ntp_ip, text));
	show_pair(ctl, "lease",
		subnet->lease_s == 0 ? "cluster's default"
				     : show_duration_s(subnet->lease_s, text));
	show_pair(ctl, "lease-min", show_duration_s(subnet->lease_min_s, text));
	show_pair(ctl, "lease-max", show_duration_s(subnet->lease_max_s, text));
	show_pair(ctl, "profile", subnet->profile);
	if (subnet->mtu > 0) {
		snprintf(line, sizeof line, "%" PRIu32, subnet->mtu);
		show_pair(ctl, "mtu", line);
	}
	show_pair(ctl, "dhcp",
		subnet->dhcp == PXE__SUBNET_DHCP__SUBNET_DHCP_AS_CLUSTER
			? ""
			: edit_subnet_dhcp(subnet->dhcp));
	show_pair(ctl, "shared", subnet->shared_network);
	show_option_lines(ctl, subnet->options, subnet->n_options);
	show_quirk_lines(ctl, subnet->quirks);
	show_boot_lines(ctl, subnet->profiles, subnet->n_profiles);
	show_var_lines(ctl, subnet->vars, subnet->n_vars);
	show_owner(ctl, subnet->owner);
}

static const struct table_column pool_columns[] = {{"NAME", false, false}, {"SUBNET", false, false},
	{"FIRST", false, false}, {"LAST", false, false}, {"SIZE", true, false},
	{"ONLY", false, false}, {"EXCEPT", false, false}, {"LEASE", false, true},
	{"EXCLUDED", false, true}};

/* Of its addresses, those that may be leased: excluded ranges may overlap. */
static uint32_t pool_size(const Pxe__Pool *pool)
{
	uint32_t first = msg_ip4_get(pool->first_ip), last = msg_ip4_get(pool->last_ip);
	uint64_t size = 0, at = first;

	while (at <= last) {
		uint64_t next = (uint64_t)last + 1, skip = at;
		for (size_t i = 0; i < pool->n_exclude; i++) {
			uint32_t from = msg_ip4_get(pool->exclude[i]->first_ip);
			uint32_t to = msg_ip4_get(pool->exclude[i]->last_ip);
			if (from <= at && at <= to && to >= skip) {
				skip = (uint64_t)to + 1;
			} else if (from > at && from < next) {
				next = from;
			}
		}
		size += skip > at ? 0 : next - at;
		at = skip > at ? skip : next;
	}
	return (uint32_t)size;
}

static char *pool_excluded(const Pxe__Pool *pool, char ret_text[SHOW_BYTES])
{
	char one[SHOW_BYTES];

	ret_text[0] = '\0';
	for (size_t i = 0; i < pool->n_exclude; i++) {
		size_t used = strlen(ret_text);
		snprintf(ret_text + used, SHOW_BYTES - used, "%s%s", i == 0 ? "" : ",",
			show_range(&pool->exclude[i]->first_ip, &pool->exclude[i]->last_ip, one));
	}
	return ret_text;
}

static void pool_row(struct table *table, const void *object)
{
	const Pxe__Pool *pool = object;
	char text[SHOW_BYTES];

	table_cell(table, pool->name);
	table_cell(table, pool->subnet);
	table_cell(table, show_ip(&pool->first_ip, text));
	table_cell(table, show_ip(&pool->last_ip, text));
	table_cellf(table, "%" PRIu32, pool_size(pool));
	table_cell(table, show_names(pool->only, pool->n_only, text, sizeof text));
	table_cell(table, show_names(pool->except, pool->n_except, text, sizeof text));
	table_cell(table, show_duration_s(pool->lease_s, text));
	table_cell(table, pool_excluded(pool, text));
}

static void pool_show(struct ctl *ctl, const void *object)
{
	const Pxe__Pool *pool = object;
	char text[SHOW_BYTES], line[SHOW_BYTES], names[SHOW_LONG_BYTES];

	show_pair(ctl, "pool", pool->name);
	show_pair(ctl, "subnet", pool->subnet);
	show_pair(ctl, "range", show_range(&pool->first_ip, &pool->last_ip, text));
	for (size_t i = 0; i < pool->n_exclude; i++) {
		const Pxe__AddressRange *range = pool->exclude[i];
		show_pair(ctl, "exclude", show_range(&range->first_ip, &range->last_ip, text));
	}
	snprintf(line, sizeof line, "%" PRIu32 " addresses", pool_size(pool));
	show_pair(ctl, "size", line);
	show_pair(ctl, "only", show_names(pool->only, pool->n_only, names, sizeof names));
	show_pair(ctl, "except", show_names(pool->except, pool->n_except, names, sizeof names));
	show_lease_terms(ctl, pool->lease_s, pool->lease_min_s, pool->lease_max_s);
	show_option_lines(ctl, pool->options, pool->n_options);
	show_owner(ctl, pool->owner);
}

/* ---- groups */

static const struct table_column group_columns[] = {{"NAME", false, false}, {"ORDER", true, false},
	{"PROFILE", false, false}, {"LEASE", false, false}, {"OPTIONS", true, false},
	{"MATCH", false, false}, {"QUIRKS", false, true}};

static void group_row(struct table *table, const void *object)
{
	const Pxe__Group *group = object;
	char text[SHOW_BYTES], match[SHOW_LONG_BYTES];

	table_cell(table, group->name);
	table_cellf(table, "%" PRIu32, group->order);
	table_cell(table, group->ignore ? "(ignored)" : group->profile);
	table_cell(table, show_duration_s(group->lease_s, text));
	table_cellf(table, "%zu", group->n_options);
	table_cell(table, show_match(group->match, match, sizeof match));
	table_cell(table, show_quirks(group->quirks, text));
}

static void group_show(struct ctl *ctl, const void *object)
{
	const Pxe__Group *group = object;
	char text[SHOW_BYTES];

	show_pair(ctl, "group", group->name);
	snprintf(text, sizeof text, "%" PRIu32, group->order);
	show_pair(ctl, "order", text);
	show_match_lines(ctl, group->match);
	if (group->ignore) {
		show_pair(ctl, "ignore", "yes: its machines are never answered");
	}
	show_pair(ctl, "profile", group->profile);
	show_lease_terms(ctl, group->lease_s, group->lease_min_s, group->lease_max_s);
	show_option_lines(ctl, group->options, group->n_options);
	show_quirk_lines(ctl, group->quirks);
	show_boot_lines(ctl, group->profiles, group->n_profiles);
	show_var_lines(ctl, group->vars, group->n_vars);
	show_owner(ctl, group->owner);
}

/* ---- hosts */

static const struct table_column host_columns[] = {{"NAME", false, false}, {"IP", false, false},
	{"PROFILE", false, false}, {"MAC", false, false}, {"HOSTNAME", false, true},
	{"UUID", false, true}, {"GROUPS", false, true}, {"CLIENT-ID", false, true},
	{"CIRCUIT", false, true}};

/* Its reservations, the first one first. */
static char *host_ips(const Pxe__Host *host, char ret_text[SHOW_BYTES])
{
	char more[SHOW_BYTES];

	show_ip(&host->ip, ret_text);
	show_ips(host->more_ip, host->n_more_ip, more);
	if (more[0] != '\0') {
		size_t used = strlen(ret_text);
		snprintf(ret_text + used, SHOW_BYTES - used, ",%s", more);
	}
	return ret_text;
}

static char *identities(const ProtobufCBinaryData *list, size_t count, char *ret_text, size_t bytes)
{
	char one[SHOW_BYTES];

	ret_text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(ret_text);
		snprintf(ret_text + used, bytes - used, "%s%s", i == 0 ? "" : ",",
			show_identity(&list[i], one));
	}
	return ret_text;
}

static void host_row(struct table *table, const void *object)
{
	const Pxe__Host *host = object;
	char text[SHOW_BYTES];

	table_cell(table, host->name);
	table_cell(table, host_ips(host, text));
	table_cell(table, host->ignore ? "(ignored)" : host->profile);
	table_cell(table, show_macs(host->mac, host->n_mac, text));
	table_cell(table, host->hostname);
	table_cell(table, show_uuid(&host->uuid, text));
	table_cell(table, show_names(host->groups, host->n_groups, text, sizeof text));
	table_cell(table, identities(host->client_id, host->n_client_id, text, sizeof text));
	table_cell(table, identities(host->circuit_id, host->n_circuit_id, text, sizeof text));
}

static void host_show(struct ctl *ctl, const void *object)
{
	const Pxe__Host *host = object;
	char text[SHOW_BYTES];

	show_pair(ctl, "host", host->name);
	for (size_t i = 0; i < host->n_mac; i++) {
		show_pair(ctl, "mac", show_mac(&host->mac[i], text));
	}
	show_pair(ctl, "uuid", show_uuid(&host->uuid, text));
	for (size_t i = 0; i < host->n_client_id; i++) {
		show_pair(ctl, "client-id", show_identity(&host->client_id[i], text));
	}
	for (size_t i = 0; i < host->n_circuit_id; i++) {
		show_pair(ctl, "circuit", show_identity(&host->circuit_id[i], text));
	}
	show_pair(ctl, "ip", host->ip.len == 0 ? "from the pool" : host_ips(host, text));
	show_pair(ctl, "groups", show_names(host->groups, host->n_groups, text, sizeof text));
	show_pair(ctl, "profile", host->profile[0] == '\0' ? "the subnet's" : host->profile);
	show_pair(ctl, "hostname", host->hostname);
	if (host->ignore) {
		show_pair(ctl, "ignore", "yes: it is never answered");
	}
	show_lease_terms(ctl, host->lease_s, host->lease_min_s, host->lease_max_s);
	show_option_lines(ctl, host->options, host->n_options);
	show_quirk_lines(ctl, host->quirks);
	show_boot_lines(ctl, host->profiles, host->n_profiles);
	show_var_lines(ctl, host->vars, host->n_vars);
	show_owner(ctl, host->owner);
}

static const struct table_column profile_columns[] = {{"NAME", false, false},
	{"IMAGE", false, false}, {"BOOTS", false, false}, {"ARGS", false, true}};

static void profile_row(struct table *table, const void *object)
{
	const Pxe__Profile *profile = object;

	table_cell(table, profile->name);
	table_cell(table, profile->image);
	if (profile->local) {
		table_cell(table, "local disk");
	} else if (profile->script[0] != '\0') {
		table_cell(table, "script");
	} else if (profile->kernel[0] != '\0') {
		table_cell(table, profile->kernel);
	} else if (profile->menu != NULL) {
		table_cellf(table, "menu of %zu", profile->menu->n_items);
	} else {
		table_cellf(table, "%zu loaders", profile->n_loaders);
	}
	table_cell(table, profile->args);
}

static void menu_show(struct ctl *ctl, const Pxe__PxeMenu *menu)
{
	char line[SHOW_LONG_BYTES], text[SHOW_BYTES];

	for (size_t i = 0; i < menu->n_items; i++) {
		const Pxe__PxeItem *item = menu->items[i];
		snprintf(line, sizeof line, "%.255s=%.63s", item->text, item->profile);
		if (item->type != 0) {
			snprintf(line + strlen(line), sizeof line - strlen(line), ",type=%" PRIu32,
				item->type);
		}
		for (size_t k = 0; k < item->n_server_ip; k++) {
			snprintf(line + strlen(line), sizeof line - strlen(line), ",server=%.40s",
				show_ip(&item->server_ip[k], text));
		}
		show_pair(ctl, "menu-item", line);
	}
	show_pair(ctl, "menu-prompt", menu->prompt);
	show_pair(ctl, "menu-timeout",
		menu->timeout_s >= UINT8_MAX ? "none: it waits for ever"
		: menu->timeout_s == 0       ? "0s: the first item at once"
					     : show_duration_s(menu->timeout_s, text));
	if (menu->broadcast_discovery) {
		show_pair(ctl, "discovery", "boot servers may be looked for by broadcast");
	}
	show_pair(ctl, "multicast", show_ip(&menu->multicast_ip, text));
}

static void script_show(struct ctl *ctl, const char *what, const char *text)
{
	if (text[0] != '\0') {
		fprintf(ctl->out, "%s\n%s%s", what, text,
			text[strlen(text) - 1] == '\n' ? "" : "\n");
	}
}

static void profile_show(struct ctl *ctl, const void *object)
{
	const Pxe__Profile *profile = object;

	show_pair(ctl, "profile", profile->name);
	show_pair(ctl, "image", profile->image);
	show_pair(ctl, "kernel", profile->kernel);
	for (size_t i = 0; i < profile->n_initrd; i++) {
		show_pair(ctl, "initrd", profile->initrd[i]);
	}
	show_pair(ctl, "args", profile->args);
	for (size_t i = 0; i < profile->n_loaders; i++) {
		fprintf(ctl->out, "%-12s %s=%s\n", "loader", profile->loaders[i]->arch,
			profile->loaders[i]->path);
	}
	if (profile->local) {
		show_pair(ctl, "local", "yes: continue with the local disk");
	}
	if (profile->menu != NULL) {
		menu_show(ctl, profile->menu);
	}
	if (profile->own_ipxe) {
		show_pair(ctl, "own iPXE",
			"yes: BIOS machines load undionly.kpxe even when their ROM is an iPXE");
	}
	if (profile->chain != PXE__CHAIN__CHAIN_DEFAULT) {
		show_pair(ctl, "chain", edit_chain_text(profile->chain));
	}
	for (size_t i = 0; i < profile->n_templates; i++) {
		const Pxe__Template *file = profile->templates[i];
		char size[SHOW_BYTES];
		fprintf(ctl->out, "%-12s %s (%s)\n", "template", file->name,
			show_size(strlen(file->text), size));
	}
	show_var_lines(ctl, profile->vars, profile->n_vars);
	show_owner(ctl, profile->owner);
	script_show(ctl, "script", profile->script);
	script_show(ctl, "grub-script", profile->grub_script);
	script_show(ctl, "pxelinux-script", profile->pxelinux_script);
}

int object_kinds_show_template(struct ctl *ctl, const Pxe__Profile *profile, const char *name)
{
	for (size_t i = 0; i < profile->n_templates; i++) {
		if (strcmp(profile->templates[i]->name, name) == 0) {
			fputs(profile->templates[i]->text, ctl->out);
			return CTL_OK;
		}
	}
	return ctl_fail(ctl, CTL_NOT_FOUND, "profile %s has no template '%s'", profile->name, name);
}

static int subnet_edit(struct ctl *ctl, const struct invocation *in, void *object)
{
	return edit_subnet(ctl, in, object);
}

static int pool_edit(struct ctl *ctl, const struct invocation *in, void *object)
{
	return edit_pool(ctl, in, object);
}

static int group_edit(struct ctl *ctl, const struct invocation *in, void *object)
{
	return edit_group(ctl, in, object);
}

static int host_edit(struct ctl *ctl, const struct invocation *in, void *object)
{
	return edit_host(ctl, in, object);
}

static int profile_edit(struct ctl *ctl, const struct invocation *in, void *object)
{
	return edit_profile(ctl, in, object);
}

#define COLUMNS(columns) columns, sizeof columns / sizeof columns[0]

static const struct object_kind kinds[] = {
	{"subnet", PXE__OBJECT_KIND__OBJECT_SUBNET, &pxe__subnet__descriptor, subnet_edit,
		subnet_row, subnet_show, PXE__PUT__OBJECT_SUBNET, COLUMNS(subnet_columns)},
	{"pool", PXE__OBJECT_KIND__OBJECT_POOL, &pxe__pool__descriptor, pool_edit, pool_row,
		pool_show, PXE__PUT__OBJECT_POOL, COLUMNS(pool_columns)},
	{"group", PXE__OBJECT_KIND__OBJECT_GROUP, &pxe__group__descriptor, group_edit, group_row,
		group_show, PXE__PUT__OBJECT_GROUP, COLUMNS(group_columns)},
	{"host", PXE__OBJECT_KIND__OBJECT_HOST, &pxe__host__descriptor, host_edit, host_row,
		host_show, PXE__PUT__OBJECT_HOST, COLUMNS(host_columns)},
	{"profile", PXE__OBJECT_KIND__OBJECT_PROFILE, &pxe__profile__descriptor, profile_edit,
		profile_row, profile_show, PXE__PUT__OBJECT_PROFILE, COLUMNS(profile_columns)},
};

const struct object_kind *object_kind_of(const struct invocation *in)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(kinds[i].noun, in->command->noun) == 0) {
			return &kinds[i];
		}
	}
	abort(); /* a command of the table names a kind that is not here */
}
