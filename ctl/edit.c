#include "ctl/edit.h"

#include "proto/cred/credfile.h"
#include "proto/cred/suggest.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_MAX     65536
#define NAME_MAX_BYTES 63
#define LIST_MAX       64

/* ---- fields */

static void free_text(char *text)
{
	if (text != protobuf_c_empty_string) {
		free(text);
	}
}

void edit_set_text(char **field, const char *value)
{
	char *copy = strdup(value);

	assert(copy != NULL);
	free_text(*field);
	*field = copy;
}

void edit_set_bytes(ProtobufCBinaryData *field, const void *data, size_t bytes)
{
	uint8_t *copy = bytes == 0 ? NULL : malloc(bytes);

	assert(bytes == 0 || copy != NULL);
	if (bytes > 0) {
		memcpy(copy, data, bytes);
	}
	free(field->data);
	field->data = copy;
	field->len = bytes;
}

void edit_set_ip(ProtobufCBinaryData *field, uint32_t ip)
{
	uint8_t bytes[4];

	msg_ip4_put(ip, bytes);
	edit_set_bytes(field, bytes, ip == 0 ? 0 : sizeof bytes);
}

static void clear_bytes_list(ProtobufCBinaryData **list, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		free((*list)[i].data);
	}
	free(*list);
	*list = NULL;
	*count = 0;
}

static void append_bytes(ProtobufCBinaryData **list, size_t *count, const void *data, size_t bytes)
{
	*list = realloc(*list, (*count + 1) * sizeof **list);
	assert(*list != NULL);
	(*list)[*count] = (ProtobufCBinaryData){0, NULL};
	edit_set_bytes(&(*list)[(*count)++], data, bytes);
}

/* ---- values */

static bool is_none(const char *text)
{
	return text[0] == '\0' || strcmp(text, "none") == 0;
}

int edit_check_name(const struct ctl *ctl, const char *noun, const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (name[0] == '\0' || name[0] == '-' || strspn(name, allowed) != strlen(name) ||
		strlen(name) > NAME_MAX_BYTES) {
		return ctl_fail(ctl, CTL_USAGE,
			"'%s' cannot be the name of a %s: write up to %d letters, digits, '-', '_' "
			"or '.'",
			name, noun, NAME_MAX_BYTES);
	}
	return CTL_OK;
}

static int set_ip(
	const struct ctl *ctl, const char *option, const char *text, ProtobufCBinaryData *field)
{
	uint32_t ip;

	if (is_none(text)) {
		edit_set_bytes(field, NULL, 0);
		return CTL_OK;
	}
	if (text_ip4_parse(text, &ip) != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--%s '%s': write an IPv4 address, such as 10.20.0.1, or none", option,
			text);
	}
	edit_set_ip(field, ip);
	return CTL_OK;
}

/* "10.20.0.2,10.20.0.3"; the option may also be repeated. Replaces the list. */
static int set_ips(const struct ctl *ctl, const struct invocation *in, const char *option,
	ProtobufCBinaryData **list, size_t *count)
{
	size_t iterator = 0;
	const char *value;
	bool first = true;

	while ((value = command_next(in, option, &iterator)) != NULL) {
		if (first) {
			clear_bytes_list(list, count);
		}
		first = false;
		while (!is_none(value)) {
			char one[TEXT_IP4_BYTES + 1];
			size_t length = strcspn(value, ",");
			uint8_t bytes[4];
			uint32_t ip;
			snprintf(one, sizeof one, "%.*s",
				(int)(length < sizeof one ? length : sizeof one), value);
			if (text_ip4_parse(one, &ip) != 0) {
				return ctl_fail(ctl, CTL_USAGE,
					"--%s '%.*s': write IPv4 addresses with commas, or none",
					option, (int)length, value);
			}
			msg_ip4_put(ip, bytes);
			append_bytes(list, count, bytes, sizeof bytes);
			value += length + (value[length] == ',');
		}
	}
	return CTL_OK;
}

static int set_seconds(
	const struct ctl *ctl, const struct invocation *in, const char *option, uint32_t *field)
{
	const char *text = command_text(in, option);
	uint64_t ms;

	if (text == NULL) {
		return CTL_OK;
	}
	if (strcmp(text, "default") == 0) {
		*field = 0;
		return CTL_OK;
	}
	if (text_duration_parse(text, &ms) != 0 || ms < 1000 || ms / 1000 > UINT32_MAX - 1) {
		return ctl_fail(ctl, CTL_USAGE,
			"--%s '%s': write a time, such as 90s, 10m, 1h, 1d, or default", option,
			text);
	}
	*field = (uint32_t)(ms / 1000);
	return CTL_OK;
}

static void set_text(const struct invocation *in, const char *option, char **field)
{
	const char *text = command_text(in, option);

	if (text != NULL) {
		edit_set_text(field, strcmp(text, "none") == 0 ? "" : text);
	}
}

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

static int option_code(const char *text, size_t length, uint32_t *ret_code)
{
	const struct dhcp4_option_info *info;
	char name[64];
	uint64_t number;

	if (length >= sizeof name) {
		return -1;
	}
	snprintf(name, sizeof name, "%.*s", (int)length, text);
	if (text_u64_parse(name, 254, &number) == 0 && number > 0) {
		*ret_code = (uint32_t)number;
		return 0;
	}
	info = dhcp4_option_info_by_name(name);
	if (info == NULL) {
		return -1;
	}
	*ret_code = info->code;
	return 0;
}

/* "hex:0a0b", "text:abc", "ip:10.0.0.1,10.0.0.2" into at most 255 bytes; -1: none of these. */
static int option_data(const char *text, uint8_t data[255], size_t *ret_bytes)
{
	*ret_bytes = 0;
	if (strncmp(text, "hex:", 4) == 0) {
		return text_hex_parse(text + 4, data, 255, ret_bytes) == 0 ? 0 : -1;
	}
	if (strncmp(text, "text:", 5) == 0) {
		*ret_bytes = strlen(text + 5);
		if (*ret_bytes > 255) {
			return -1;
		}
		memcpy(data, text + 5, *ret_bytes);
		return 0;
	}
	if (strncmp(text, "ip:", 3) != 0) {
		return -1;
	}
	for (text += 3; *text != '\0'; text += strspn(text, ",")) {
		size_t length = strcspn(text, ",");
		char one[TEXT_IP4_BYTES + 1];
		uint32_t ip;
		snprintf(one, sizeof one, "%.*s", (int)(length < sizeof one ? length : sizeof one),
			text);
		if (text_ip4_parse(one, &ip) != 0 || *ret_bytes + 4 > 255) {
			return -1;
		}
		for (int shift = 24; shift >= 0; shift -= 8) {
			data[(*ret_bytes)++] = (uint8_t)(ip >> shift);
		}
		text += length;
	}
	return *ret_bytes > 0 ? 0 : -1;
}

static void drop_option(Pxe__Subnet *subnet, uint32_t code)
{
	size_t kept = 0;

	for (size_t i = 0; i < subnet->n_options; i++) {
		if (subnet->options[i]->code == code) {
			pxe__option__free_unpacked(subnet->options[i], NULL);
		} else {
			subnet->options[kept++] = subnet->options[i];
		}
	}
	subnet->n_options = kept;
}

/* CODE=VALUE sets one option, CODE=none removes it; the others stay. */
static int set_option(const struct ctl *ctl, const char *text, Pxe__Subnet *subnet)
{
	const char *equals = strchr(text, '=');
	uint8_t data[255];
	size_t bytes = 0;
	uint32_t code = 0;
	Pxe__Option *option;

	if (equals == NULL || option_code(text, (size_t)(equals - text), &code) != 0 ||
		(strcmp(equals + 1, "none") != 0 && option_data(equals + 1, data, &bytes) != 0)) {
		return ctl_fail(ctl, CTL_USAGE,
			"--option '%s': write CODE=hex:.., CODE=text:.., CODE=ip:A,B or CODE=none; "
			"CODE is a number "
			"from 1 to 254 or a name such as root-path",
			text);
	}
	drop_option(subnet, code);
	if (strcmp(equals + 1, "none") == 0) {
		return CTL_OK;
	}
	option = pxe__option__unpack(NULL, 0, data);
	subnet->options =
		realloc(subnet->options, (subnet->n_options + 1) * sizeof *subnet->options);
	assert(option != NULL && subnet->options != NULL);
	option->code = code;
	edit_set_bytes(&option->data, data, bytes);
	subnet->options[subnet->n_options++] = option;
	return CTL_OK;
}

static int set_mtu(const struct ctl *ctl, const char *text, Pxe__Subnet *subnet)
{
	uint64_t mtu;

	if (is_none(text)) {
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

int edit_subnet(struct ctl *ctl, const struct invocation *in, Pxe__Subnet *subnet)
{
	const char *value;
	size_t iterator = 0;
	int result = CTL_OK;

	if ((value = command_text(in, "cidr")) != NULL) {
		result = edit_set_cidr(ctl, value, subnet);
	}
	if (result == CTL_OK && (value = command_text(in, "gateway")) != NULL) {
		result = set_ip(ctl, "gateway", value, &subnet->gateway_ip);
	}
	if (result == CTL_OK) {
		result = set_ips(ctl, in, "dns", &subnet->dns_ip, &subnet->n_dns_ip);
	}
	if (result == CTL_OK) {
		result = set_ips(ctl, in, "ntp", &subnet->ntp_ip, &subnet->n_ntp_ip);
	}
	if (result == CTL_OK) {
		result = set_seconds(ctl, in, "lease", &subnet->lease_s);
	}
	if (result == CTL_OK) {
		result = set_seconds(ctl, in, "lease-min", &subnet->lease_min_s);
	}
	if (result == CTL_OK) {
		result = set_seconds(ctl, in, "lease-max", &subnet->lease_max_s);
	}
	if (result == CTL_OK && (value = command_text(in, "mtu")) != NULL) {
		result = set_mtu(ctl, value, subnet);
	}
	while (result == CTL_OK && (value = command_next(in, "option", &iterator)) != NULL) {
		result = set_option(ctl, value, subnet);
	}
	set_text(in, "domain", &subnet->domain);
	set_text(in, "profile", &subnet->profile);
	return result;
}

/* ---- pool */

static int set_range(const struct ctl *ctl, const char *text, Pxe__Pool *pool)
{
	const char *dash = strchr(text, '-');
	char first_text[TEXT_IP4_BYTES] = "";
	uint32_t first, last;

	if (dash != NULL && (size_t)(dash - text) < sizeof first_text) {
		snprintf(first_text, sizeof first_text, "%.*s", (int)(dash - text), text);
	}
	if (dash == NULL || text_ip4_parse(first_text, &first) != 0 ||
		text_ip4_parse(dash + 1, &last) != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--range '%s': write FIRST-LAST, such as 10.20.2.0-10.20.3.199", text);
	}
	if (last < first) {
		return ctl_fail(
			ctl, CTL_USAGE, "--range '%s': the last address is below the first", text);
	}
	edit_set_ip(&pool->first_ip, first);
	edit_set_ip(&pool->last_ip, last);
	return CTL_OK;
}

int edit_pool(struct ctl *ctl, const struct invocation *in, Pxe__Pool *pool)
{
	const char *range = command_text(in, "range");

	set_text(in, "subnet", &pool->subnet);
	if (range != NULL && set_range(ctl, range, pool) != CTL_OK) {
		return CTL_USAGE;
	}
	if (pool->subnet[0] == '\0' || pool->first_ip.len == 0) {
		return ctl_fail(
			ctl, CTL_USAGE, "a pool needs --subnet NAME and --range FIRST-LAST");
	}
	return CTL_OK;
}

/* ---- host */

/* Ethernet, EUI-64, and the UUID that some firmware sends as its address (FIELD 22). Others are
 * typing mistakes. */
static bool is_hwaddr_size(size_t bytes)
{
	return bytes == 6 || bytes == 8 || bytes == 16;
}

static int set_macs(const struct ctl *ctl, const struct invocation *in, Pxe__Host *host)
{
	size_t iterator = 0;
	const char *value;
	bool first = true;

	while ((value = command_next(in, "mac", &iterator)) != NULL) {
		uint8_t mac[16];
		size_t bytes;
		if (text_mac_parse(value, mac) == 0) {
			bytes = 6;
		} else if (text_hwaddr_parse(value, mac, &bytes) != 0 || !is_hwaddr_size(bytes)) {
			return ctl_fail(ctl, CTL_USAGE,
				"--mac '%s': write a hardware address, such as 52:54:00:aa:00:01",
				value);
		}
		if (first) {
			clear_bytes_list(&host->mac, &host->n_mac);
		}
		first = false;
		append_bytes(&host->mac, &host->n_mac, mac, bytes);
	}
	return CTL_OK;
}

static int set_uuid(const struct ctl *ctl, const char *text, Pxe__Host *host)
{
	uint8_t uuid[16];

	if (is_none(text)) {
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

static void drop_variable(Pxe__Host *host, const char *name, size_t length)
{
	size_t kept = 0;

	for (size_t i = 0; i < host->n_vars; i++) {
		if (strlen(host->vars[i]->name) == length &&
			strncmp(host->vars[i]->name, name, length) == 0) {
			pxe__variable__free_unpacked(host->vars[i], NULL);
		} else {
			host->vars[kept++] = host->vars[i];
		}
	}
	host->n_vars = kept;
}

/* NAME=VALUE sets one variable, NAME= removes it; the others stay. */
static int set_variable(const struct ctl *ctl, const char *text, Pxe__Host *host)
{
	const char *equals = strchr(text, '=');
	Pxe__Variable *variable;
	char name[64];

	if (equals == NULL || equals == text || equals - text >= (int)sizeof name) {
		return ctl_fail(ctl, CTL_USAGE,
			"--var '%s': write NAME=VALUE, or NAME= to remove it", text);
	}
	drop_variable(host, text, (size_t)(equals - text));
	if (equals[1] == '\0') {
		return CTL_OK;
	}
	variable = pxe__variable__unpack(NULL, 0, (const uint8_t *)"");
	host->vars = realloc(host->vars, (host->n_vars + 1) * sizeof *host->vars);
	assert(variable != NULL && host->vars != NULL);
	snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
	edit_set_text(&variable->name, name);
	edit_set_text(&variable->value, equals + 1);
	host->vars[host->n_vars++] = variable;
	return CTL_OK;
}

int edit_host(struct ctl *ctl, const struct invocation *in, Pxe__Host *host)
{
	const char *value;
	size_t iterator = 0;
	int result = set_macs(ctl, in, host);

	if (result == CTL_OK && (value = command_text(in, "uuid")) != NULL) {
		result = set_uuid(ctl, value, host);
	}
	if (result == CTL_OK && (value = command_text(in, "ip")) != NULL &&
		strcmp(value, "auto") != 0) {
		result = set_ip(ctl, "ip", value, &host->ip);
	}
	while (result == CTL_OK && (value = command_next(in, "var", &iterator)) != NULL) {
		result = set_variable(ctl, value, host);
	}
	if (result == CTL_OK && (value = command_text(in, "ignore")) != NULL) {
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
			return ctl_fail(ctl, CTL_USAGE, "--ignore '%s': write yes or no", value);
		}
		host->ignore = value[0] == 'y';
	}
	set_text(in, "profile", &host->profile);
	set_text(in, "hostname", &host->hostname);
	if (result == CTL_OK && host->n_mac == 0 && host->uuid.len == 0) {
		return ctl_fail(
			ctl, CTL_USAGE, "a host needs --mac or --uuid, so that it can be known");
	}
	return result;
}

/* ---- profile */

static int set_loader(const struct ctl *ctl, const char *text, Pxe__Profile *profile)
{
	const char *equals = strchr(text, '=');
	char arch[64] = "";
	Pxe__Loader *loader;
	size_t kept = 0;

	if (equals != NULL && equals - text < (int)sizeof arch) {
		snprintf(arch, sizeof arch, "%.*s", (int)(equals - text), text);
	}
	if (arch[0] == '\0' || dhcp4_arch_parse(arch) < 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--loader '%s': write ARCH=PATH, such as uefi-x64=grubx64.efi (ARCH: bios, "
			"uefi-x64, "
			"uefi-arm64 ... or a number), or ARCH=none",
			text);
	}
	for (size_t i = 0; i < profile->n_loaders; i++) {
		if (strcmp(profile->loaders[i]->arch, arch) == 0) {
			pxe__loader__free_unpacked(profile->loaders[i], NULL);
		} else {
			profile->loaders[kept++] = profile->loaders[i];
		}
	}
	profile->n_loaders = kept;
	if (is_none(equals + 1)) {
		return CTL_OK;
	}
	loader = pxe__loader__unpack(NULL, 0, (const uint8_t *)"");
	profile->loaders = realloc(profile->loaders, (kept + 1) * sizeof *profile->loaders);
	assert(loader != NULL && profile->loaders != NULL);
	edit_set_text(&loader->arch, arch);
	edit_set_text(&loader->path, equals + 1);
	profile->loaders[profile->n_loaders++] = loader;
	return CTL_OK;
}

static void set_initrds(const struct invocation *in, Pxe__Profile *profile)
{
	size_t iterator = 0;
	const char *value;
	bool first = true;

	while ((value = command_next(in, "initrd", &iterator)) != NULL) {
		for (size_t i = 0; first && i < profile->n_initrd; i++) {
			free_text(profile->initrd[i]);
		}
		if (first) {
			profile->n_initrd = 0;
		}
		first = false;
		if (is_none(value)) {
			continue;
		}
		profile->initrd =
			realloc(profile->initrd, (profile->n_initrd + 1) * sizeof *profile->initrd);
		assert(profile->initrd != NULL);
		profile->initrd[profile->n_initrd] = strdup(value);
		assert(profile->initrd[profile->n_initrd] != NULL);
		profile->n_initrd++;
	}
}

static int set_script(const struct ctl *ctl, const char *path, Pxe__Profile *profile)
{
	char *text, error[400];

	if (is_none(path)) {
		edit_set_text(&profile->script, "");
		return CTL_OK;
	}
	if (credfile_read(path, SCRIPT_MAX, &text, error, sizeof error) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "--script: %s", error);
	}
	edit_set_text(&profile->script, text);
	free(text);
	return CTL_OK;
}

int edit_profile(struct ctl *ctl, const struct invocation *in, Pxe__Profile *profile)
{
	const char *value;
	size_t iterator = 0;
	int result = CTL_OK;

	set_text(in, "image", &profile->image);
	set_text(in, "kernel", &profile->kernel);
	set_text(in, "args", &profile->args);
	set_initrds(in, profile);
	while (result == CTL_OK && (value = command_next(in, "loader", &iterator)) != NULL) {
		result = set_loader(ctl, value, profile);
	}
	if (result == CTL_OK && (value = command_text(in, "script")) != NULL) {
		result = set_script(ctl, value, profile);
	}
	if (result == CTL_OK && (value = command_text(in, "own-ipxe")) != NULL) {
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
			return ctl_fail(ctl, CTL_USAGE, "--own-ipxe '%s': write yes or no", value);
		}
		profile->own_ipxe = value[0] == 'y';
	}
	if (command_flag(in, "local")) {
		profile->local = true;
	}
	if (command_text(in, "kernel") != NULL || command_text(in, "script") != NULL) {
		profile->local = command_flag(in, "local");
	}
	if (result == CTL_OK && !profile->local && profile->kernel[0] == '\0' &&
		profile->script[0] == '\0' && profile->n_loaders == 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"a profile needs something to boot: --image and --kernel, "
			"--loader ARCH=PATH, --script FILE, or --local");
	}
	return result;
}
