#include "ctl/edit.h"

#include "ctl/edit_boot.h"
#include "ctl/edit_terms.h"
#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY_MAX_BYTES 128

/* ---- subnet */

int edit_set_cidr(const struct ctl *ctl, const char *text, Pxe__Subnet *subnet)
{
	char suggestion[TEXT_CIDR4_BYTES];
	uint32_t ip;
	unsigned prefix;

	if (text_cidr4_parse(text, &ip, &prefix) != 0 || prefix == 0 || prefix > 30) {
		return ctl_fail(
			ctl, CTL_USAGE, "'%s': write a network, such as 10.20.0.0/22", text);
	}
	if ((ip & ~text_ip4_mask(prefix)) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "'%s' is an address in a network; did you mean %s?",
			text, text_cidr4_format(ip & text_ip4_mask(prefix), prefix, suggestion));
	}
	edit_set_ip(&subnet->network_ip, ip);
	subnet->prefix_len = prefix;
	return CTL_OK;
}

/* What a subnet has a field of its own for. */
static const struct {
	uint8_t code;
	const char *option;
} own_options[] = {{3, "gateway"}, {6, "dns"}, {15, "domain"}, {26, "mtu"}, {42, "ntp"}};

static int check_own_options(const struct ctl *ctl, const struct invocation *in)
{
	struct dhcp4_value_option value;
	size_t iterator = 0;
	const char *text;

	while ((text = command_next(in, "option", &iterator)) != NULL) {
		char name[DHCP4_VALUE_NAME_BYTES];
		snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
		if (dhcp4_value_parse_name(name, &value, NULL, 0) != 0 ||
			value.space != DHCP4_VALUE_DHCP) {
			continue; /* edit_terms() says what is wrong, if anything */
		}
		for (size_t i = 0; i < sizeof own_options / sizeof own_options[0]; i++) {
			if (own_options[i].code == value.code) {
				return ctl_fail(ctl, CTL_USAGE,
					"--option '%s': a subnet has an option of its own for "
					"this: "
					"--%s",
					text, own_options[i].option);
			}
		}
	}
	return CTL_OK;
}

static int set_mtu(const struct ctl *ctl, const char *text, Pxe__Subnet *subnet)
{
	uint64_t mtu;

	if (edit_is_none(text)) {
		subnet->mtu = 0;
		return CTL_OK;
	}
	if (text_u64_parse(text, 65535, &mtu) != 0 || mtu < 68) {
		return ctl_fail(ctl, CTL_USAGE,
			"--mtu '%s': write a number from 68 to 65535, or none", text);
	}
	subnet->mtu = (uint32_t)mtu;
	return CTL_OK;
}

const char *edit_subnet_dhcp(Pxe__SubnetDhcp dhcp)
{
	static const char *const names[] = {"default", "on", "proxy", "off"};

	return (int)dhcp >= 0 && (int)dhcp < 4 ? names[dhcp] : "?";
}

static int set_dhcp(const struct ctl *ctl, const char *text, Pxe__Subnet *subnet)
{
	for (int i = 0; i < 4; i++) {
		if (strcmp(text, edit_subnet_dhcp((Pxe__SubnetDhcp)i)) == 0) {
			subnet->dhcp = (Pxe__SubnetDhcp)i;
			return CTL_OK;
		}
	}
	return ctl_fail(ctl, CTL_USAGE,
		"--dhcp '%s': write on, proxy (another server gives the addresses), off, or "
		"default (as the cluster)",
		text);
}

static int set_shared_network(const struct ctl *ctl, const char *text, Pxe__Subnet *subnet)
{
	if (!edit_is_none(text) && edit_check_name(ctl, "shared network", text) != CTL_OK) {
		return CTL_USAGE;
	}
	edit_set_text(&subnet->shared_network, edit_is_none(text) ? "" : text);
	return CTL_OK;
}

/* Its addresses, and how it is served. */
static int edit_network(struct ctl *ctl, const struct invocation *in, Pxe__Subnet *subnet)
{
	const char *value;
	int result = CTL_OK;

	if ((value = command_text(in, "cidr")) != NULL) {
		result = edit_set_cidr(ctl, value, subnet);
	}
	if (result == CTL_OK && (value = command_text(in, "gateway")) != NULL) {
		result = edit_ip(ctl, "gateway", value, &subnet->gateway_ip);
	}
	if (result == CTL_OK && (value = command_text(in, "dhcp")) != NULL) {
		result = set_dhcp(ctl, value, subnet);
	}
	if (result == CTL_OK && (value = command_text(in, "shared-network")) != NULL) {
		result = set_shared_network(ctl, value, subnet);
	}
	return result;
}

int edit_subnet(struct ctl *ctl, const struct invocation *in, Pxe__Subnet *subnet)
{
	const struct edit_terms terms = {&subnet->lease_s, &subnet->lease_min_s,
		&subnet->lease_max_s, &subnet->options, &subnet->n_options, &subnet->quirks};
	const char *value;
	int result = edit_network(ctl, in, subnet);

	if (result == CTL_OK) {
		result = edit_ips(ctl, in, "dns", &subnet->dns_ip, &subnet->n_dns_ip);
	}
	if (result == CTL_OK) {
		result = edit_ips(ctl, in, "ntp", &subnet->ntp_ip, &subnet->n_ntp_ip);
	}
	if (result == CTL_OK && (value = command_text(in, "mtu")) != NULL) {
		result = set_mtu(ctl, value, subnet);
	}
	if (result == CTL_OK) {
		result = check_own_options(ctl, in);
	}
	if (result == CTL_OK) {
		result = edit_terms(ctl, in, &terms);
	}
	if (result == CTL_OK) {
		result = edit_boot(ctl, in, &subnet->profiles, &subnet->n_profiles);
	}
	if (result == CTL_OK) {
		result = edit_vars(ctl, in, &subnet->vars, &subnet->n_vars);
	}
	edit_text(in, "domain", &subnet->domain);
	edit_text(in, "profile", &subnet->profile);
	return result;
}

/* ---- pool */

static int read_range(const struct ctl *ctl, const char *option, const char *text, const char *form,
	uint32_t *ret_first, uint32_t *ret_last)
{
	int result = edit_range(text, ret_first, ret_last);

	if (result == -ERANGE) {
		return ctl_fail(ctl, CTL_USAGE, "--%s '%s': the last address is below the first",
			option, text);
	}
	return result == 0 ? CTL_OK
			   : ctl_fail(ctl, CTL_USAGE, "--%s '%s': write %s", option, text, form);
}

static int set_range(const struct ctl *ctl, const char *text, Pxe__Pool *pool)
{
	static const char form[] = "FIRST-LAST, such as 10.20.2.0-10.20.3.199";
	uint32_t first, last;

	if (strchr(text, '-') == NULL) {
		return ctl_fail(ctl, CTL_USAGE, "--range '%s': write %s", text, form);
	}
	if (read_range(ctl, "range", text, form, &first, &last) != CTL_OK) {
		return CTL_USAGE;
	}
	edit_set_ip(&pool->first_ip, first);
	edit_set_ip(&pool->last_ip, last);
	return CTL_OK;
}

static void clear_exclude(Pxe__Pool *pool)
{
	for (size_t i = 0; i < pool->n_exclude; i++) {
		pxe__address_range__free_unpacked(pool->exclude[i], NULL);
	}
	pool->n_exclude = 0;
}

static int add_exclude(const struct ctl *ctl, const char *text, Pxe__Pool *pool)
{
	Pxe__AddressRange *range;
	uint32_t first, last;

	if (read_range(ctl, "exclude", text, "FIRST-LAST, one address, or none", &first, &last) !=
		CTL_OK) {
		return CTL_USAGE;
	}
	range = edit_new(&pxe__address_range__descriptor);
	edit_set_ip(&range->first_ip, first);
	edit_set_ip(&range->last_ip, last);
	edit_append_message(&pool->exclude, &pool->n_exclude, range);
	return CTL_OK;
}

/* "A-B,C", or the option repeated. Replaces the list. */
static int set_exclude(const struct ctl *ctl, const struct invocation *in, Pxe__Pool *pool)
{
	size_t iterator = 0;
	const char *value;
	bool first = true;

	while ((value = command_next(in, "exclude", &iterator)) != NULL) {
		if (first) {
			clear_exclude(pool);
		}
		first = false;
		while (!edit_is_none(value)) {
			size_t length = strcspn(value, ",");
			char one[2 * TEXT_IP4_BYTES + 2];
			snprintf(one, sizeof one, "%.*s", (int)length, value);
			if (add_exclude(ctl, one, pool) != CTL_OK) {
				return CTL_USAGE;
			}
			value += length + (value[length] == ',');
		}
	}
	return CTL_OK;
}

int edit_pool(struct ctl *ctl, const struct invocation *in, Pxe__Pool *pool)
{
	const struct edit_terms terms = {&pool->lease_s, &pool->lease_min_s, &pool->lease_max_s,
		&pool->options, &pool->n_options, NULL};
	const char *range = command_text(in, "range");
	int result = CTL_OK;

	edit_text(in, "subnet", &pool->subnet);
	if (range != NULL) {
		result = set_range(ctl, range, pool);
	}
	if (result == CTL_OK && (pool->subnet[0] == '\0' || pool->first_ip.len == 0)) {
		result = ctl_fail(
			ctl, CTL_USAGE, "a pool needs --subnet NAME and --range FIRST-LAST");
	}
	if (result == CTL_OK) {
		result = set_exclude(ctl, in, pool);
	}
	if (result == CTL_OK) {
		result = edit_names(ctl, in, "only", "group", &pool->only, &pool->n_only);
	}
	if (result == CTL_OK) {
		result = edit_names(ctl, in, "except", "group", &pool->except, &pool->n_except);
	}
	return result == CTL_OK ? edit_terms(ctl, in, &terms) : result;
}

/* ---- host */

static int set_macs(const struct ctl *ctl, const struct invocation *in, Pxe__Host *host)
{
	size_t iterator = 0;
	const char *value;
	bool first = true;

	while ((value = command_next(in, "mac", &iterator)) != NULL) {
		uint8_t mac[16];
		size_t bytes = 0;
		if (!edit_is_none(value) && edit_mac(value, mac, &bytes) != 0) {
			return ctl_fail(ctl, CTL_USAGE,
				"--mac '%s': write a hardware address, such as 52:54:00:aa:00:01, "
				"or none",
				value);
		}
		if (first) {
			edit_clear_bytes(&host->mac, &host->n_mac);
		}
		first = false;
		if (bytes > 0) {
			edit_append_bytes(&host->mac, &host->n_mac, mac, bytes);
		}
	}
	return CTL_OK;
}

/* --client-id and --circuit: text or bytes; the option is repeated for several. */
static int set_identities(const struct ctl *ctl, const struct invocation *in, const char *option,
	ProtobufCBinaryData **list, size_t *count)
{
	size_t iterator = 0;
	const char *value;
	bool first = true;

	while ((value = command_next(in, option, &iterator)) != NULL) {
		uint8_t data[IDENTITY_MAX_BYTES];
		size_t bytes = 0;
		if (!edit_is_none(value) && edit_identity(value, data, sizeof data, &bytes) != 0) {
			return ctl_fail(ctl, CTL_USAGE,
				"--%s '%s': write bytes (01:52:54:00:aa:00:01, hex:0aff), text of "
				"at most "
				"%d bytes, or none",
				option, value, IDENTITY_MAX_BYTES);
		}
		if (first) {
			edit_clear_bytes(list, count);
		}
		first = false;
		if (bytes > 0) {
			edit_append_bytes(list, count, data, bytes);
		}
	}
	return CTL_OK;
}

/* One reservation in each of several subnets: the first goes to `ip`, further ones to `more_ip`.
 * "auto" is chosen later. */
static int set_reservations(const struct ctl *ctl, const struct invocation *in, Pxe__Host *host)
{
	const char *value = command_text(in, "ip");
	ProtobufCBinaryData *ips = NULL;
	size_t count = 0;
	int result;

	if (value == NULL || edit_wants_auto_ip(in)) {
		return CTL_OK;
	}
	result = edit_ips(ctl, in, "ip", &ips, &count);
	if (result == CTL_OK) {
		edit_set_bytes(
			&host->ip, count > 0 ? ips[0].data : NULL, count > 0 ? ips[0].len : 0);
		edit_clear_bytes(&host->more_ip, &host->n_more_ip);
		for (size_t i = 1; i < count; i++) {
			edit_append_bytes(
				&host->more_ip, &host->n_more_ip, ips[i].data, ips[i].len);
		}
	}
	edit_clear_bytes(&ips, &count);
	return result;
}

bool edit_wants_auto_ip(const struct invocation *in)
{
	size_t iterator = 0, count = 0;
	const char *value;
	bool is_auto = false;

	while ((value = command_next(in, "ip", &iterator)) != NULL) {
		is_auto = strcmp(value, "auto") == 0;
		count++;
	}
	return is_auto && count == 1;
}

static int set_uuid(const struct ctl *ctl, const char *text, Pxe__Host *host)
{
	uint8_t uuid[16];

	if (edit_is_none(text)) {
		edit_set_bytes(&host->uuid, NULL, 0);
		return CTL_OK;
	}
	if (text_uuid_parse(text, uuid) != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--uuid '%s': write it as dmidecode does, "
			"4c4c4544-0051-3510-8052-b4c04f4d3132, or none",
			text);
	}
	edit_set_bytes(&host->uuid, uuid, sizeof uuid);
	return CTL_OK;
}

static int edit_identities(struct ctl *ctl, const struct invocation *in, Pxe__Host *host)
{
	const char *uuid = command_text(in, "uuid");
	int result = set_macs(ctl, in, host);

	if (result == CTL_OK && uuid != NULL) {
		result = set_uuid(ctl, uuid, host);
	}
	if (result == CTL_OK) {
		result = set_identities(ctl, in, "client-id", &host->client_id, &host->n_client_id);
	}
	if (result == CTL_OK) {
		result = set_identities(ctl, in, "circuit", &host->circuit_id, &host->n_circuit_id);
	}
	if (result == CTL_OK && host->n_mac == 0 && host->uuid.len == 0 && host->n_client_id == 0 &&
		host->n_circuit_id == 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"a host needs --mac or --uuid, so that it can be known (or --client-id, or "
			"--circuit)");
	}
	return result;
}

int edit_host(struct ctl *ctl, const struct invocation *in, Pxe__Host *host)
{
	const struct edit_terms terms = {&host->lease_s, &host->lease_min_s, &host->lease_max_s,
		&host->options, &host->n_options, &host->quirks};
	int result = edit_identities(ctl, in, host);

	if (result == CTL_OK) {
		result = set_reservations(ctl, in, host);
	}
	if (result == CTL_OK) {
		result = edit_vars(ctl, in, &host->vars, &host->n_vars);
	}
	if (result == CTL_OK) {
		result = edit_boot(ctl, in, &host->profiles, &host->n_profiles);
	}
	if (result == CTL_OK) {
		result = edit_yes_no(ctl, in, "ignore", &host->ignore);
	}
	if (result == CTL_OK) {
		result = edit_names(ctl, in, "group", "group", &host->groups, &host->n_groups);
	}
	if (result == CTL_OK) {
		result = edit_terms(ctl, in, &terms);
	}
	edit_text(in, "profile", &host->profile);
	edit_text(in, "hostname", &host->hostname);
	return result;
}
