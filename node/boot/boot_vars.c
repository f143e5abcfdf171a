#include "node/boot/boot_vars.h"

#include "proto/msg/msg_ip4.h"
#include "proto/template/template_names.h"
#include "proto/wire/dhcp4.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* ---- the machine */

static void with_dashes(const char *mac, char *dashed)
{
	for (; *mac != '\0'; mac++) {
		*dashed++ = *mac == ':' ? '-' : *mac;
	}
	*dashed = '\0';
}

/* "mac-525400aa0001" */
static void name_of_mac(const struct boot_client *client, char name[64])
{
	char hex[2 * sizeof client->mac + 1];

	if (client->mac_bytes > 0) {
		snprintf(name, 64, "mac-%s",
			text_hex_format(client->mac, client->mac_bytes, hex, sizeof hex));
	}
}

static void fill_machine(struct boot_vars *vars, const struct boot_client *client)
{
	const Pxe__Host *host = vars->choice->host;
	uint32_t ip = client->ip;
	char number[32];

	if (client->mac_bytes > 0) {
		text_hwaddr_format(client->mac, client->mac_bytes, vars->mac);
		with_dashes(vars->mac, vars->mac_dash);
	}
	if (ip == 0 && host != NULL) {
		ip = msg_ip4_get(host->ip);
	}
	if (ip != 0) {
		text_ip4_format(ip, vars->ip);
	}
	if (host != NULL) {
		snprintf(vars->name, sizeof vars->name, "%s", host->name);
	} else {
		name_of_mac(client, vars->name);
	}
	snprintf(vars->hostname, sizeof vars->hostname, "%s",
		host != NULL && is_set(host->hostname) ? host->hostname : vars->name);
	if (client->has_uuid) {
		text_uuid_format(client->uuid, vars->uuid);
	} else if (host != NULL && host->uuid.len == 16) {
		text_uuid_format(host->uuid.data, vars->uuid);
	}
	snprintf(vars->arch, sizeof vars->arch, "%s", boot_arch_name(client->arch, number));
}

/* ---- the network */

/* An option as DHCP gives it: the strongest level that says it, but the subnet's own fields stand
 * before the cluster's options. */
static const Pxe__Option *option_of(
	const struct model_levels *levels, uint32_t code, bool subnet_says)
{
	const Pxe__Option *found = NULL;

	for (size_t i = 0; i < levels->count; i++) {
		const struct model_level *level = &levels->level[i];
		if (subnet_says && strcmp(level->kind, "subnet") == 0) {
			found = NULL;
		}
		for (size_t k = 0; k < level->option_count; k++) {
			if (level->options[k]->code == code &&
				level->options[k]->space == PXE__OPTION_SPACE__OPTION_DHCP) {
				found = level->options[k];
			}
		}
	}
	return found;
}

/* Adds an address to a list with blanks between. */
static void list_add(char *list, size_t list_bytes, uint32_t ip)
{
	char address[TEXT_IP4_BYTES];
	size_t used = strlen(list);

	if (ip != 0 && list_bytes - used > sizeof address + 1) {
		snprintf(list + used, list_bytes - used, "%s%s", used > 0 ? " " : "",
			text_ip4_format(ip, address));
	}
}

static void list_of_option(const Pxe__Option *option, char *list, size_t list_bytes)
{
	for (size_t i = 0; i + 4 <= option->data.len; i += 4) {
		list_add(list, list_bytes,
			msg_ip4_get((ProtobufCBinaryData){4, option->data.data + i}));
	}
}

static void list_of_ips(const ProtobufCBinaryData *ips, size_t count, char *list, size_t list_bytes)
{
	for (size_t i = 0; i < count; i++) {
		list_add(list, list_bytes, msg_ip4_get(ips[i]));
	}
}

static void fill_gateway(struct boot_vars *vars, const Pxe__Subnet *subnet)
{
	uint32_t ip = subnet != NULL ? msg_ip4_get(subnet->gateway_ip) : 0;
	const Pxe__Option *option = option_of(&vars->levels, DHCP4_ROUTERS, ip != 0);

	if (option != NULL && option->data.len >= 4) {
		ip = msg_ip4_get((ProtobufCBinaryData){4, option->data.data});
	}
	if (ip != 0) {
		text_ip4_format(ip, vars->gateway);
	}
}

static void fill_dns(
	struct boot_vars *vars, const Pxe__Subnet *subnet, const Pxe__Settings *settings)
{
	bool subnet_says = subnet != NULL && subnet->n_dns_ip > 0;
	const Pxe__Option *option = option_of(&vars->levels, DHCP4_DNS_SERVERS, subnet_says);

	if (option != NULL) {
		list_of_option(option, vars->dns, sizeof vars->dns);
	} else if (subnet_says) {
		list_of_ips(subnet->dns_ip, subnet->n_dns_ip, vars->dns, sizeof vars->dns);
	} else if (settings != NULL) {
		list_of_ips(settings->dns_ip, settings->n_dns_ip, vars->dns, sizeof vars->dns);
	}
}

static void fill_domain(
	struct boot_vars *vars, const Pxe__Subnet *subnet, const Pxe__Settings *settings)
{
	bool subnet_says = subnet != NULL && is_set(subnet->domain);
	const Pxe__Option *option = option_of(&vars->levels, DHCP4_DOMAIN_NAME, subnet_says);

	if (option != NULL) {
		snprintf(vars->domain, sizeof vars->domain, "%.*s",
			(int)strnlen((const char *)option->data.data, option->data.len),
			(const char *)option->data.data);
	} else if (subnet_says) {
		snprintf(vars->domain, sizeof vars->domain, "%s", subnet->domain);
	} else if (settings != NULL && is_set(settings->domain)) {
		snprintf(vars->domain, sizeof vars->domain, "%s", settings->domain);
	}
}

static void fill_network(struct boot_vars *vars)
{
	const Pxe__Subnet *subnet = vars->choice->subnet;
	const Pxe__Settings *settings = vars->choice->settings;

	if (subnet != NULL) {
		snprintf(vars->subnet, sizeof vars->subnet, "%s", subnet->name);
		if (subnet->prefix_len <= 32) {
			text_ip4_format(text_ip4_mask(subnet->prefix_len), vars->netmask);
		}
	}
	fill_gateway(vars, subnet);
	fill_dns(vars, subnet, settings);
	fill_domain(vars, subnet, settings);
}

/* ---- the nodes */

/* "10.0.0.1" of "http://10.0.0.1:8080" */
static void server_of_url(const char *url, char *server, size_t server_bytes)
{
	const char *from = strstr(url, "://");

	from = from != NULL ? from + 3 : url;
	snprintf(server, server_bytes, "%.*s", (int)strcspn(from, ":/"), from);
}

static void fill_phone_home(struct boot_vars *vars)
{
	if (vars->base_url[0] != '\0' && vars->mac[0] != '\0') {
		snprintf(vars->phone_home, sizeof vars->phone_home, "%s/phone-home/%s",
			vars->base_url, vars->mac_dash);
	}
}

static void fill_nodes(struct boot_vars *vars, const struct boot_source *source,
	const char *const *base_urls, size_t base_url_count)
{
	const Pxe__Settings *settings = vars->choice->settings;
	const Pxe__Member *self = source->member != NULL && source->self != 0
					  ? source->member(source->ctx, source->self)
					  : NULL;
	size_t used = 0;

	if (self != NULL) {
		snprintf(vars->node, sizeof vars->node, "%s", self->name);
	}
	for (size_t i = 0; i < base_url_count; i++) {
		if (strlen(base_urls[i]) + 2 > sizeof vars->base_urls - used) {
			break;
		}
		used += (size_t)snprintf(vars->base_urls + used, sizeof vars->base_urls - used,
			"%s%s", i > 0 ? " " : "", base_urls[i]);
	}
	if (base_url_count > 0) {
		snprintf(vars->base_url, sizeof vars->base_url, "%s", base_urls[0]);
		server_of_url(base_urls[0], vars->server, sizeof vars->server);
	}
	if (settings != NULL && settings->syslog == PXE__TOGGLE__TOGGLE_YES) {
		snprintf(vars->syslog, sizeof vars->syslog, "%s", vars->server);
	}
}

void boot_vars_init(struct boot_vars *vars, const struct boot_source *source,
	const struct boot_client *client, const struct boot_choice *choice,
	const char *const *base_urls, size_t base_url_count)
{
	assert(vars != NULL && source != NULL && client != NULL && choice != NULL);
	assert(base_urls != NULL || base_url_count == 0);
	memset(vars, 0, sizeof *vars);
	vars->choice = choice;
	if (client->levels != NULL) {
		vars->levels = *client->levels;
	} else if (source->levels != NULL) {
		source->levels(source->ctx, client, &vars->levels);
	}
	fill_machine(vars, client);
	fill_network(vars);
	fill_nodes(vars, source, base_urls, base_url_count);
	fill_phone_home(vars);
}

void boot_vars_for_ipxe(struct boot_vars *vars, bool rounds)
{
	assert(vars != NULL);
	if (rounds) {
		snprintf(vars->base_url, sizeof vars->base_url, "${base}");
	}
	if (vars->mac[0] == '\0') {
		snprintf(vars->mac, sizeof vars->mac, "${mac}");
		snprintf(vars->mac_dash, sizeof vars->mac_dash, "${mac:hexhyp}");
	}
	if (vars->ip[0] == '\0') {
		snprintf(vars->ip, sizeof vars->ip, "${ip}");
	}
	if (vars->uuid[0] == '\0') {
		snprintf(vars->uuid, sizeof vars->uuid, "${uuid}");
	}
	fill_phone_home(vars);
}

/* ---- by name */

static void from_level(const struct boot_vars *vars, const struct model_level *level, char *from)
{
	if (level == NULL) {
		snprintf(from, BOOT_VARS_FROM_BYTES, "profile %.63s",
			vars->choice->profile != NULL ? vars->choice->profile->name : "");
	} else {
		snprintf(from, BOOT_VARS_FROM_BYTES, "%.16s%s%.63s", level->kind,
			level->name[0] != '\0' ? " " : "", level->name);
	}
}

static const char *variable(const struct boot_vars *vars, const char *name, char *from)
{
	const struct model_level *level;
	const char *value = model_var_of_levels(&vars->levels, vars->choice->profile, name, &level);

	if (value != NULL && from != NULL) {
		from_level(vars, level, from);
	}
	return value;
}

const char *boot_vars_value(
	const struct boot_vars *vars, const char *name, char ret_from[BOOT_VARS_FROM_BYTES])
{
	const struct {
		const char *name, *value;
		bool may_be_empty;
	} table[] = {
		{"mac", vars->mac, false},
		{"mac_dash", vars->mac_dash, false},
		{"ip", vars->ip, false},
		{"name", vars->name, false},
		{"hostname", vars->hostname, false},
		{"uuid", vars->uuid, false},
		{"arch", vars->arch, false},
		{"base_url", vars->base_url, false},
		{"base_urls", vars->base_urls, false},
		{"node", vars->node, false},
		{"profile", vars->choice->profile_name, false},
		{"subnet", vars->subnet, true},
		{"gateway", vars->gateway, true},
		{"dns", vars->dns, true},
		{"domain", vars->domain, true},
		{"netmask", vars->netmask, true},
		{"server", vars->server, false},
		{"phone_home", vars->phone_home, false},
		{"syslog", vars->syslog, false},
	};

	assert(vars != NULL && name != NULL);
	if (template_name_variable(name) != NULL) {
		return variable(vars, template_name_variable(name), ret_from);
	}
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (strcmp(table[i].name, name) != 0) {
			continue;
		}
		if (ret_from != NULL) {
			snprintf(ret_from, BOOT_VARS_FROM_BYTES, "built in");
		}
		return is_set(table[i].value) || table[i].may_be_empty ? table[i].value : NULL;
	}
	return NULL;
}

/* ---- texts */

static const char *value_for_template(void *ctx, const char *name)
{
	return boot_vars_value(ctx, name, NULL);
}

/* What to do about a name that has no value. */
static void advise(const struct boot_vars *vars, const char *what,
	const struct template_place *place, const char *reason, char *ret_error, size_t error_bytes)
{
	const char *name = strstr(reason, "{{vars.");
	size_t bytes = name != NULL ? strcspn(name + 7, "}") : 0;

	if (name == NULL) {
		snprintf(ret_error, error_bytes, "%s, line %u: %s", what, place->line, reason);
	} else if (vars->choice->host != NULL) {
		snprintf(ret_error, error_bytes,
			"%s, line %u: %s: pxectl host set %s --var %.*s=VALUE", what, place->line,
			reason, vars->name, (int)bytes, name + 7);
	} else {
		snprintf(ret_error, error_bytes, "%s, line %u: %s for unknown machines", what,
			place->line, reason);
	}
}

int boot_vars_render(const struct boot_vars *vars, const char *what, const char *text,
	char **ret_text, size_t *ret_bytes, char *ret_error, size_t error_bytes)
{
	/* The values are only read. */
	const struct template_values values = {(void *)(uintptr_t)vars, value_for_template};
	struct template_place place = {1, 1};
	char reason[256] = "";
	size_t bytes;
	int err;

	assert(vars != NULL && what != NULL && text != NULL && ret_text != NULL);
	assert(ret_error != NULL && error_bytes > 0);
	err = template_render(text, &values, ret_text, &bytes, &place, reason, sizeof reason);
	if (err != 0) {
		advise(vars, what, &place, reason, ret_error, error_bytes);
		return err;
	}
	if (ret_bytes != NULL) {
		*ret_bytes = bytes;
	}
	return 0;
}
