#include "node/dhcp4/dhcp4_options.h"

#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/dhcp4_sub.h"
#include "proto/wire/text.h"
#include <string.h>

#define LIST_MAX         255
#define VIVSO            125 /* RFC 3925 */
#define SUBNET_SELECTION 118 /* RFC 3011 */

#define SPACE_DHCP   PXE__OPTION_SPACE__OPTION_DHCP
#define SPACE_VENDOR PXE__OPTION_SPACE__OPTION_VENDOR
#define SPACE_VIVSO  PXE__OPTION_SPACE__OPTION_VIVSO

static bool is_same(const struct dhcp4_option_value *one, const struct dhcp4_option_value *other)
{
	return one->space == other->space && one->code == other->code &&
	       (one->space != SPACE_VIVSO || one->enterprise == other->enterprise);
}

/* A later level replaces what an earlier one said; it keeps the place. */
static void put(struct dhcp4_options *options, const struct dhcp4_option_value *value)
{
	if (value->size > DHCP4_OPTION_BYTES)
		return;
	for (size_t i = 0; i < options->count; i++) {
		if (is_same(&options->value[i], value)) {
			options->value[i] = *value;
			return;
		}
	}
	if (options->count < DHCP4_OPTIONS_MAX)
		options->value[options->count++] = *value;
}

/* `size` bytes of the list's own memory; NULL: no room. */
static uint8_t *take_scratch(struct dhcp4_options *options, size_t size)
{
	if (size > sizeof options->scratch - options->scratch_used)
		return NULL;
	uint8_t *room = options->scratch + options->scratch_used;
	options->scratch_used += size;
	return room;
}

static void put_copy(struct dhcp4_options *options, uint8_t code, const void *data, size_t size)
{
	uint8_t *copy = take_scratch(options, size);
	if (copy == NULL)
		return;
	memcpy(copy, data, size);
	struct dhcp4_option_value value = {.code = code, .size = size, .data = copy};
	put(options, &value);
}

static void put_ips(
	struct dhcp4_options *options, uint8_t code, const ProtobufCBinaryData *ips, size_t count)
{
	uint8_t bytes[LIST_MAX];
	size_t size = 0;
	for (size_t i = 0; i < count && size + 4 <= sizeof bytes; i++) {
		if (ips[i].len != 4)
			continue;
		memcpy(bytes + size, ips[i].data, 4);
		size += 4;
	}
	if (size > 0)
		put_copy(options, code, bytes, size);
}

static void put_text(struct dhcp4_options *options, uint8_t code, const char *text, bool with_nul)
{
	size_t size = strlen(text);
	struct dhcp4_option_value value = {
		.code = code, .size = with_nul ? size + 1 : size, .data = (const uint8_t *)text};
	if (size > 0)
		put(options, &value);
}

/* What the engine alone says, or what has no meaning in a server's answer. */
static bool is_engines_own(uint32_t code, bool boot_is_ours)
{
	if (code > UINT8_MAX)
		return true;
	switch (code) {
	case DHCP4_PAD:
	case DHCP4_SUBNET_MASK:
	case DHCP4_REQUESTED_ADDRESS:
	case DHCP4_LEASE_SECONDS:
	case DHCP4_OVERLOAD:
	case DHCP4_MESSAGE_TYPE:
	case DHCP4_SERVER_ID:
	case DHCP4_PARAMETER_LIST:
	case DHCP4_MESSAGE_TEXT:
	case DHCP4_MAX_MESSAGE_BYTES:
	case DHCP4_RENEWAL_SECONDS:
	case DHCP4_REBINDING_SECONDS:
	case DHCP4_CLIENT_ID:
	case DHCP4_RAPID_COMMIT:
	case DHCP4_RELAY_AGENT_INFO:
	case DHCP4_CLIENT_FQDN:
	case DHCP4_CLIENT_UUID:
	case SUBNET_SELECTION:
	case DHCP4_END: return true;
	case DHCP4_VENDOR_INFO:
	case DHCP4_VENDOR_CLASS:
	case DHCP4_TFTP_SERVER:
	case DHCP4_BOOT_FILE:
	case DHCP4_IPXE: return boot_is_ours;
	default: return false;
	}
}

/* The cluster's own fields are options of its level. */
static void put_settings(
	struct dhcp4_options *options, const Pxe__Settings *settings, bool with_nul)
{
	if (settings == NULL)
		return;
	put_ips(options, DHCP4_DNS_SERVERS, settings->dns_ip, settings->n_dns_ip);
	put_text(options, DHCP4_DOMAIN_NAME, settings->domain, with_nul);
}

/* A subnet's own fields are options of its level. */
static void put_subnet(struct dhcp4_options *options, const Pxe__Subnet *subnet, bool with_nul)
{
	put_ips(options, DHCP4_ROUTERS, &subnet->gateway_ip, 1);
	put_ips(options, DHCP4_DNS_SERVERS, subnet->dns_ip, subnet->n_dns_ip);
	put_text(options, DHCP4_DOMAIN_NAME, subnet->domain, with_nul);
	if (subnet->mtu > 0 && subnet->mtu <= UINT16_MAX) {
		uint8_t mtu[2] = {(uint8_t)(subnet->mtu >> 8), (uint8_t)subnet->mtu};
		put_copy(options, DHCP4_INTERFACE_MTU, mtu, sizeof mtu);
	}
	if (subnet->network_ip.len == 4 && subnet->prefix_len <= 32) {
		uint8_t last_ip[4];
		msg_ip4_put(msg_ip4_get(subnet->network_ip) | ~text_ip4_mask(subnet->prefix_len),
			last_ip);
		put_copy(options, DHCP4_BROADCAST_ADDRESS, last_ip, sizeof last_ip);
	}
	put_ips(options, DHCP4_NTP_SERVERS, subnet->ntp_ip, subnet->n_ntp_ip);
}

/* Strings end as the client ends its own (FIELD 9). */
static void end_with_nul(struct dhcp4_options *options, struct dhcp4_option_value *value)
{
	const struct dhcp4_option_info *info = dhcp4_option_info(value->code);
	if (info == NULL || info->format != DHCP4_FORMAT_TEXT || value->size == 0 ||
		value->data[value->size - 1] == 0)
		return;
	uint8_t *copy = take_scratch(options, value->size + 1);
	if (copy == NULL)
		return;
	memcpy(copy, value->data, value->size);
	copy[value->size] = 0;
	value->data = copy;
	value->size++;
}

static void put_level(struct dhcp4_options *options, const struct model_level *level, bool with_nul,
	bool boot_is_ours)
{
	for (size_t i = 0; i < level->option_count; i++) {
		const Pxe__Option *option = level->options[i];
		struct dhcp4_option_value value = {
			.space = option->space,
			.enterprise = option->enterprise,
			.code = (uint8_t)option->code,
			.always = option->always,
			.size = option->data.len,
			.data = option->data.data,
		};
		if (option->code > UINT8_MAX ||
			(option->space == SPACE_DHCP && is_engines_own(option->code, boot_is_ours)))
			continue;
		if (with_nul && option->space == SPACE_DHCP)
			end_with_nul(options, &value);
		put(options, &value);
	}
}

/* Of the option that the parts make together: its value so far, and whether it is sent unasked. */
struct joined {
	uint8_t *data;
	size_t size, capacity;
	bool always;
};

static bool join(struct joined *joined, const struct dhcp4_option_value *part)
{
	if (part->size > UINT8_MAX || joined->size + 2 + part->size > joined->capacity)
		return false;
	joined->data[joined->size++] = part->code;
	joined->data[joined->size++] = (uint8_t)part->size;
	if (part->size > 0)
		memcpy(joined->data + joined->size, part->data, part->size);
	joined->size += part->size;
	joined->always = joined->always || part->always;
	return true;
}

static void put_joined(struct dhcp4_options *options, uint8_t code, const struct joined *joined)
{
	struct dhcp4_option_value value = {
		.code = code, .always = joined->always, .size = joined->size, .data = joined->data};
	if (joined->size > 0)
		put(options, &value);
}

/* Given in parts, option 43 is made of these, whatever was said about the whole of it. */
static void join_vendor(struct dhcp4_options *options)
{
	struct joined joined = {.data = take_scratch(options, UINT8_MAX), .capacity = UINT8_MAX};
	for (size_t i = 0; joined.data != NULL && i < options->count; i++)
		if (options->value[i].space == SPACE_VENDOR)
			join(&joined, &options->value[i]);
	put_joined(options, DHCP4_VENDOR_INFO, &joined);
}

/* Per enterprise its number, a length, and the parts (RFC 3925 §4). */
static void join_enterprise(
	struct dhcp4_options *options, uint32_t enterprise, struct joined *joined)
{
	size_t begin = joined->size;
	struct joined part = {.data = joined->data + begin + 5};
	if (joined->capacity - begin < 5)
		return;
	part.capacity = joined->capacity - begin - 5;
	if (part.capacity > UINT8_MAX)
		part.capacity = UINT8_MAX;
	for (size_t i = 0; i < options->count; i++) {
		const struct dhcp4_option_value *value = &options->value[i];
		if (value->space == SPACE_VIVSO && value->enterprise == enterprise)
			join(&part, value);
	}
	if (part.size == 0)
		return;
	msg_ip4_put(enterprise, joined->data + begin);
	joined->data[begin + 4] = (uint8_t)part.size;
	joined->size = begin + 5 + part.size;
	joined->always = joined->always || part.always;
}

static bool is_first_of_enterprise(const struct dhcp4_options *options, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (options->value[i].space == SPACE_VIVSO &&
			options->value[i].enterprise == options->value[index].enterprise)
			return false;
	return options->value[index].space == SPACE_VIVSO;
}

static void join_vivso(struct dhcp4_options *options)
{
	struct joined joined = {
		.data = take_scratch(options, DHCP4_OPTION_BYTES), .capacity = DHCP4_OPTION_BYTES};
	size_t count = options->count;
	for (size_t i = 0; joined.data != NULL && i < count; i++)
		if (is_first_of_enterprise(options, i))
			join_enterprise(options, options->value[i].enterprise, &joined);
	put_joined(options, VIVSO, &joined);
}

static const char *given_hostname(const Pxe__Host *host)
{
	return host != NULL ? host->hostname : "";
}

void dhcp4_options_collect(const struct model_levels *levels, const Pxe__Subnet *subnet,
	bool with_nul, bool boot_is_ours, struct dhcp4_options *ret_options)
{
	struct dhcp4_options *options = ret_options;
	options->count = 0;
	options->scratch_used = 0;
	/* A host's own name is what it is called for want of anything better. */
	if (levels->host != NULL)
		put_text(options, DHCP4_HOST_NAME, levels->host->name, with_nul);
	for (size_t i = 0; i < levels->count; i++) {
		const struct model_level *level = &levels->level[i];
		if (strcmp(level->kind, "cluster") == 0)
			put_settings(options, levels->settings, with_nul);
		if (strcmp(level->kind, "subnet") == 0)
			put_subnet(options, subnet, with_nul);
		if (strcmp(level->kind, "host") == 0)
			put_text(options, DHCP4_HOST_NAME, given_hostname(levels->host), with_nul);
		put_level(options, level, with_nul, boot_is_ours);
	}
	if (!boot_is_ours)
		join_vendor(options);
	join_vivso(options);
}

struct dhcp4_option_value *dhcp4_options_find(struct dhcp4_options *options, uint8_t code)
{
	for (size_t i = 0; i < options->count; i++)
		if (options->value[i].space == SPACE_DHCP && options->value[i].code == code &&
			!options->value[i].sent)
			return &options->value[i];
	return NULL;
}
