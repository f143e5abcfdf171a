#include "store/model/levels.h"

#include "proto/wire/dhcp4_names.h"
#include "store/model/keep.h"
#include <ctype.h>
#include <string.h>

/* Text of what groups match by: three characters a byte. */
#define LEVELS_TEXT_BYTES (3 * 255 + 1)

/* ---- matching ---- */

static bool levels_same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* "*": any text, "?": any one character. Backs up to the last star only, so it takes at most the
 * product of both lengths. */
static bool levels_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *retry = NULL;
	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			retry = text;
		} else if (*pattern == '?' || levels_same_letter(*pattern, *text)) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* aa:bb:cc */
static void levels_hex_text(ProtobufCBinaryData data, char ret_text[LEVELS_TEXT_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	size_t count = data.len < 255 ? data.len : 255, at = 0;
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			ret_text[at++] = ':';
		ret_text[at++] = digits[data.data[i] >> 4];
		ret_text[at++] = digits[data.data[i] & 15];
	}
	ret_text[at] = '\0';
}

/* As it is if all of it is printable ASCII, else in hexadecimal. */
static void levels_plain_text(ProtobufCBinaryData data, char ret_text[LEVELS_TEXT_BYTES])
{
	for (size_t i = 0; i < data.len; i++) {
		if (data.len > 255 || data.data[i] < ' ' || data.data[i] > '~') {
			levels_hex_text(data, ret_text);
			return;
		}
	}
	memcpy(ret_text, data.data, data.len);
	ret_text[data.len] = '\0';
}

/* An empty list demands nothing; what the machine did not send matches nothing. */
static bool levels_any(char *const *patterns, size_t count, ProtobufCBinaryData data, bool is_plain)
{
	char text[LEVELS_TEXT_BYTES];
	if (count == 0)
		return true;
	if (data.len == 0)
		return false;
	if (is_plain)
		levels_plain_text(data, text);
	else
		levels_hex_text(data, text);
	for (size_t i = 0; i < count; i++) {
		if (levels_glob(patterns[i], text))
			return true;
	}
	return false;
}

static bool levels_match_arch(const Pxe__Match *match, const Pxe__ClientInfo *who)
{
	for (size_t i = 0; i < match->n_arch; i++) {
		const char *name = dhcp4_arch_name((uint16_t)who->arch);
		if (!who->has_arch || who->arch > UINT16_MAX)
			return false;
		if (dhcp4_arch_parse(match->arch[i]) == (int32_t)who->arch ||
			(name != NULL && levels_glob(match->arch[i], name)))
			return true;
	}
	return match->n_arch == 0;
}

static bool levels_match_uuid(const Pxe__Match *match, const Pxe__ClientInfo *who)
{
	for (size_t i = 0; i < match->n_uuid; i++) {
		if (internal_same_bytes(match->uuid[i], who->uuid))
			return true;
	}
	return match->n_uuid == 0;
}

static bool levels_match_user_class(const Pxe__Match *match, const Pxe__ClientInfo *who)
{
	for (size_t i = 0; i < who->n_user_class; i++) {
		if (levels_any(match->user_class, match->n_user_class, who->user_class[i], true))
			return true;
	}
	return match->n_user_class == 0;
}

static bool levels_match_subnet(const Pxe__Match *match, const Pxe__Subnet *subnet)
{
	for (size_t i = 0; i < match->n_subnet; i++) {
		if (subnet != NULL && strcmp(match->subnet[i], subnet->name) == 0)
			return true;
	}
	return match->n_subnet == 0;
}

static bool levels_match_known(const Pxe__Match *match, const Pxe__Host *host)
{
	return match->known == PXE__KNOWN__KNOWN_ANY ||
	       (match->known == PXE__KNOWN__KNOWN_YES) == (host != NULL);
}

static bool levels_matches(const Pxe__Match *match, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, const Pxe__Host *host)
{
	return levels_match_known(match, host) && levels_match_arch(match, who) &&
	       levels_match_uuid(match, who) && levels_match_user_class(match, who) &&
	       levels_match_subnet(match, subnet) &&
	       levels_any(match->mac, match->n_mac, who->mac, false) &&
	       levels_any(match->vendor_class, match->n_vendor_class, who->vendor_class, true) &&
	       levels_any(match->client_id, match->n_client_id, who->client_id, false) &&
	       levels_any(match->circuit_id, match->n_circuit_id, who->circuit_id, true) &&
	       levels_any(match->remote_id, match->n_remote_id, who->remote_id, true);
}

static bool levels_names(const Pxe__Host *host, const char *group)
{
	for (size_t i = 0; host != NULL && i < host->n_groups; i++) {
		if (strcmp(host->groups[i], group) == 0)
			return true;
	}
	return false;
}

static bool levels_admits(const Pxe__Group *group, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, const Pxe__Host *host)
{
	return levels_names(host, group->name) ||
	       (group->match != NULL && levels_matches(group->match, subnet, who, host));
}

const Pxe__Group *model_group(const struct model *model, const char *name)
{
	size_t bytes = strlen(name);
	if (bytes == 0 || bytes > MODEL_NAME_MAX)
		return NULL;
	return (const Pxe__Group *)keep_find(model, RECORD_GROUP, name, bytes);
}

bool model_in_group(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, const Pxe__Host *host, const char *name)
{
	const Pxe__Group *group = model_group(model, name);
	if (group != NULL)
		return levels_admits(group, subnet, who, host);
	if (strcmp(name, "known") == 0)
		return host != NULL;
	return strcmp(name, "unknown") == 0 && host == NULL;
}

/* ---- who it is ---- */

const Pxe__Host *model_host_of(
	const struct model *model, const Pxe__ClientInfo *who, const char **ret_by)
{
	const Pxe__Host *host = model_host_of_mac(model, who->mac.data, who->mac.len);
	const char *by = "hardware address";
	if (host == NULL) {
		host = internal_host_by(model, RECORD_HOST_CLIENT_ID, who->client_id);
		by = "client identifier";
	}
	if (host == NULL && who->uuid.len == 16) {
		host = model_host_of_uuid(model, who->uuid.data);
		by = "UUID";
	}
	if (host == NULL) {
		host = internal_host_by(model, RECORD_HOST_CIRCUIT, who->circuit_id);
		by = "circuit";
	}
	if (ret_by != NULL)
		*ret_by = host == NULL ? "" : by;
	return host;
}

const Pxe__Host *model_machine_of(const struct model *model, const Pxe__ClientInfo *who)
{
	Pxe__ClientInfo machine = *who;
	machine.circuit_id = (ProtobufCBinaryData){0, NULL};
	return model_host_of(model, &machine, NULL);
}

const Pxe__Host *internal_machine_of_lease(
	const struct model *model, const struct lease_record *record)
{
	Pxe__ClientInfo who = PXE__CLIENT_INFO__INIT;
	/* protobuf-c takes pointers to what it only reads. */
	who.mac = (ProtobufCBinaryData){
		record->mac_bytes, (uint8_t *)(uintptr_t)lease_record_mac(record)};
	who.client_id = (ProtobufCBinaryData){
		record->client_id_bytes, (uint8_t *)(uintptr_t)lease_record_client_id(record)};
	who.uuid = (ProtobufCBinaryData){
		record->uuid_bytes, (uint8_t *)(uintptr_t)lease_record_uuid(record)};
	return model_machine_of(model, &who);
}

const char *internal_ignored_by(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, const Pxe__Host *host, const char **ret_name)
{
	if (host != NULL && host->ignore) {
		*ret_name = host->name;
		return "host";
	}
	const struct shelf *groups = &model->shelf[RECORD_GROUP];
	for (size_t i = 0; i < groups->count; i++) {
		const Pxe__Group *group = (const Pxe__Group *)groups->records[i]->message;
		if (!group->ignore || !levels_admits(group, subnet, who, host))
			continue;
		*ret_name = group->name;
		return "group";
	}
	return NULL;
}

bool model_has_matches(const struct model *model)
{
	return model->shelf[RECORD_GROUP].count > 0 || model->shelf[RECORD_HOST_CIRCUIT].count > 0;
}

/* ---- levels ---- */

static void levels_add(struct model_levels *levels, struct model_level level)
{
	if (levels->count < MODEL_LEVELS_MAX)
		levels->level[levels->count++] = level;
}

static void levels_add_settings(struct model_levels *levels, const Pxe__Settings *settings)
{
	if (settings == NULL)
		return;
	levels_add(levels, (struct model_level){
				   .kind = "cluster",
				   .name = "",
				   .lease_s = settings->lease_s,
				   .lease_min_s = settings->lease_min_s,
				   .lease_max_s = settings->lease_max_s,
				   .options = settings->options,
				   .option_count = settings->n_options,
				   .quirks = settings->quirks,
				   .profile = settings->profile,
				   .profiles = settings->profiles,
				   .profile_count = settings->n_profiles,
				   .vars = settings->vars,
				   .var_count = settings->n_vars,
			   });
}

static void levels_add_subnet(struct model_levels *levels, const Pxe__Subnet *subnet)
{
	if (subnet == NULL)
		return;
	levels_add(levels, (struct model_level){
				   .kind = "subnet",
				   .name = subnet->name,
				   .lease_s = subnet->lease_s,
				   .lease_min_s = subnet->lease_min_s,
				   .lease_max_s = subnet->lease_max_s,
				   .options = subnet->options,
				   .option_count = subnet->n_options,
				   .quirks = subnet->quirks,
				   .profile = subnet->profile,
				   .profiles = subnet->profiles,
				   .profile_count = subnet->n_profiles,
				   .vars = subnet->vars,
				   .var_count = subnet->n_vars,
			   });
}

static void levels_add_pool(struct model_levels *levels, const Pxe__Pool *pool)
{
	if (pool == NULL)
		return;
	levels_add(levels, (struct model_level){
				   .kind = "pool",
				   .name = pool->name,
				   .lease_s = pool->lease_s,
				   .lease_min_s = pool->lease_min_s,
				   .lease_max_s = pool->lease_max_s,
				   .options = pool->options,
				   .option_count = pool->n_options,
				   .profile = "",
			   });
}

static void levels_add_group(struct model_levels *levels, const Pxe__Group *group)
{
	levels->ignore = levels->ignore || group->ignore;
	levels_add(levels, (struct model_level){
				   .kind = "group",
				   .name = group->name,
				   .lease_s = group->lease_s,
				   .lease_min_s = group->lease_min_s,
				   .lease_max_s = group->lease_max_s,
				   .options = group->options,
				   .option_count = group->n_options,
				   .quirks = group->quirks,
				   .profile = group->profile,
				   .profiles = group->profiles,
				   .profile_count = group->n_profiles,
				   .vars = group->vars,
				   .var_count = group->n_vars,
			   });
}

static void levels_add_host(struct model_levels *levels, const Pxe__Host *host)
{
	if (host == NULL)
		return;
	levels->ignore = levels->ignore || host->ignore;
	levels_add(levels, (struct model_level){
				   .kind = "host",
				   .name = host->name,
				   .lease_s = host->lease_s,
				   .lease_min_s = host->lease_min_s,
				   .lease_max_s = host->lease_max_s,
				   .options = host->options,
				   .option_count = host->n_options,
				   .quirks = host->quirks,
				   .profile = host->profile,
				   .profiles = host->profiles,
				   .profile_count = host->n_profiles,
				   .vars = host->vars,
				   .var_count = host->n_vars,
			   });
}

/* By `order`, then by name, which is how the shelf stands: few groups, a plain selection. */
static void levels_add_groups(struct model_levels *levels, const struct model *model,
	const Pxe__Subnet *subnet, const Pxe__ClientInfo *who)
{
	const struct shelf *groups = &model->shelf[RECORD_GROUP];
	const Pxe__Group *mine[MODEL_GROUPS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < groups->count && count < MODEL_GROUPS_MAX; i++) {
		const Pxe__Group *group = (const Pxe__Group *)groups->records[i]->message;
		if (!levels_admits(group, subnet, who, levels->host))
			continue;
		size_t at = count++;
		for (; at > 0 && mine[at - 1]->order > group->order; at--)
			mine[at] = mine[at - 1];
		mine[at] = group;
	}
	for (size_t i = 0; i < count; i++)
		levels_add_group(levels, mine[i]);
}

void model_levels_of(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, uint32_t ip, struct model_levels *ret_levels)
{
	struct model_levels *levels = ret_levels;
	levels->count = 0;
	levels->ignore = false;
	levels->host = model_host_of(model, who, NULL);
	levels->settings = model_settings(model);
	levels_add_settings(levels, levels->settings);
	levels_add_subnet(levels, subnet);
	if (subnet != NULL && ip != 0)
		levels_add_pool(levels, model_pool_for(model, subnet, who, ip));
	levels_add_groups(levels, model, subnet, who);
	levels_add_host(levels, levels->host);
}

/* ---- pools and links ---- */

static bool levels_any_group(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, const Pxe__Host *host, char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (model_in_group(model, subnet, who, host, names[i]))
			return true;
	}
	return false;
}

bool internal_pool_admits(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, const Pxe__Pool *pool)
{
	if (pool->n_only == 0 && pool->n_except == 0)
		return true;
	const Pxe__Host *host = model_host_of(model, who, NULL);
	return (pool->n_only == 0 ||
		       levels_any_group(model, subnet, who, host, pool->only, pool->n_only)) &&
	       !levels_any_group(model, subnet, who, host, pool->except, pool->n_except);
}

bool internal_pool_excludes(const Pxe__Pool *pool, uint32_t ip)
{
	for (size_t i = 0; i < pool->n_exclude; i++) {
		const Pxe__AddressRange *range = pool->exclude[i];
		if (ip >= msg_ip4_get(range->first_ip) && ip <= msg_ip4_get(range->last_ip))
			return true;
	}
	return false;
}

const Pxe__Pool *model_pool_for(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, uint32_t ip)
{
	const struct pool_span *span = pool_map_span_of(&model->pools, ip);
	if (span == NULL || strcmp(span->pool->subnet, subnet->name) != 0 ||
		internal_pool_excludes(span->pool, ip) ||
		!internal_pool_admits(model, subnet, who, span->pool))
		return NULL;
	return span->pool;
}

const Pxe__Subnet *model_subnet_on_link(
	const struct model *model, const Pxe__Subnet *link, uint32_t ip)
{
	const Pxe__Subnet *subnet = model_subnet_of(model, ip);
	if (subnet == NULL || strcmp(subnet->name, link->name) == 0)
		return subnet;
	if (subnet->shared_network[0] == '\0' ||
		strcmp(subnet->shared_network, link->shared_network) != 0)
		return NULL;
	return subnet;
}

size_t model_link_subnets(const struct model *model, const Pxe__Subnet *link,
	const Pxe__Subnet *ret_subnets[MODEL_LINK_SUBNETS_MAX])
{
	const struct shelf *subnets = &model->shelf[RECORD_SUBNET];
	size_t count = 0;
	ret_subnets[count++] = link;
	for (size_t i = 0; link->shared_network[0] != '\0' && i < subnets->count; i++) {
		const Pxe__Subnet *subnet = (const Pxe__Subnet *)subnets->records[i]->message;
		bool is_served = subnet->dhcp != PXE__SUBNET_DHCP__SUBNET_DHCP_PROXY &&
				 subnet->dhcp != PXE__SUBNET_DHCP__SUBNET_DHCP_OFF;
		if (subnet != link && is_served && count < MODEL_LINK_SUBNETS_MAX &&
			strcmp(subnet->shared_network, link->shared_network) == 0)
			ret_subnets[count++] = subnet;
	}
	return count;
}

Pxe__DhcpMode model_dhcp_mode(const struct model *model, const Pxe__Subnet *subnet)
{
	const Pxe__Settings *settings = model_settings(model);
	if (subnet != NULL && subnet->dhcp == PXE__SUBNET_DHCP__SUBNET_DHCP_ON)
		return PXE__DHCP_MODE__DHCP_ON;
	if (subnet != NULL && subnet->dhcp == PXE__SUBNET_DHCP__SUBNET_DHCP_PROXY)
		return PXE__DHCP_MODE__DHCP_PROXY;
	if (subnet != NULL && subnet->dhcp == PXE__SUBNET_DHCP__SUBNET_DHCP_OFF)
		return PXE__DHCP_MODE__DHCP_OFF;
	return settings != NULL ? settings->dhcp : PXE__DHCP_MODE__DHCP_OFF;
}

/* ---- lease times ---- */

static uint32_t levels_or(uint32_t value, uint32_t otherwise)
{
	return value != 0 ? value : otherwise;
}

uint32_t model_lease_time_s(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, uint32_t ip, uint32_t asked_s)
{
	struct model_levels levels;
	uint32_t usual = INTERNAL_LEASE_S, min = INTERNAL_LEASE_MIN_S, max = 0;
	model_levels_of(model, subnet, who, ip, &levels);
	for (size_t i = 0; i < levels.count; i++) {
		usual = levels_or(levels.level[i].lease_s, usual);
		min = levels_or(levels.level[i].lease_min_s, min);
		max = levels_or(levels.level[i].lease_max_s, max);
	}
	if (max < usual)
		max = usual;
	if (min > usual)
		min = usual;
	if (asked_s == 0)
		return usual;
	return asked_s < min ? min : asked_s > max ? max : asked_s;
}

/* ---- profiles and variables ---- */

/* "uefi-x64", or its number, also means its HTTP form. */
static bool levels_is_base_of(const char *entry, const char *name)
{
	int32_t arch = dhcp4_arch_parse(entry);
	const char *base = arch < 0 ? NULL : dhcp4_arch_name((uint16_t)arch);
	size_t bytes = base == NULL ? 0 : strlen(base);
	return bytes > 0 && strncmp(base, name, bytes) == 0 && strcmp(name + bytes, "-http") == 0;
}

const char *model_profile_of_level(const struct model_level *level, uint16_t arch)
{
	const char *name = dhcp4_arch_name(arch), *base = NULL;
	for (size_t i = 0; i < level->profile_count; i++) {
		const Pxe__ArchProfile *entry = level->profiles[i];
		if ((name != NULL && strcmp(entry->arch, name) == 0) ||
			dhcp4_arch_parse(entry->arch) == arch)
			return entry->profile;
		if (name != NULL && levels_is_base_of(entry->arch, name))
			base = entry->profile;
	}
	if (base != NULL)
		return base;
	return level->profile != NULL && level->profile[0] != '\0' ? level->profile : NULL;
}

const char *model_profile_of_levels(
	const struct model_levels *levels, uint16_t arch, const struct model_level **ret_level)
{
	for (size_t i = levels->count; i > 0; i--) {
		const char *profile = model_profile_of_level(&levels->level[i - 1], arch);
		if (profile != NULL) {
			*ret_level = &levels->level[i - 1];
			return profile;
		}
	}
	*ret_level = NULL;
	return NULL;
}

static const char *levels_var_in(Pxe__Variable *const *vars, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(vars[i]->name, name) == 0)
			return vars[i]->value;
	}
	return NULL;
}

static bool levels_is_kind(const struct model_level *level, const char *kind)
{
	return strcmp(level->kind, kind) == 0;
}

const char *model_var_of_levels(const struct model_levels *levels, const Pxe__Profile *profile,
	const char *name, const struct model_level **ret_level)
{
	const char *weak = NULL;
	*ret_level = NULL;
	for (size_t i = levels->count; i > 0; i--) {
		const struct model_level *level = &levels->level[i - 1];
		const char *value = levels_var_in(level->vars, level->var_count, name);
		if (value == NULL)
			continue;
		*ret_level = level;
		if (levels_is_kind(level, "group") || levels_is_kind(level, "host"))
			return value;
		weak = value;
		break;
	}
	const char *value =
		profile == NULL ? NULL : levels_var_in(profile->vars, profile->n_vars, name);
	if (value != NULL)
		*ret_level = NULL;
	return value != NULL ? value : weak;
}
