#include "node/dhcp4/dhcp4_options.h"

#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4.h"
#include "proto/wire/text.h"
#include <string.h>

#define OPTION_SIZE_MAX 255

static void add(struct dhcp4_options *options, uint8_t code, const void *data, size_t size)
{
	if (size == 0 || size > OPTION_SIZE_MAX || options->count == DHCP4_OPTIONS_MAX ||
		dhcp4_options_find(options, code) != NULL)
		return;
	options->value[options->count++] = (struct dhcp4_option_value){code, false, size, data};
}

static void add_copy(struct dhcp4_options *options, uint8_t code, const void *data, size_t size)
{
	if (size > sizeof options->scratch - options->scratch_used)
		return;
	uint8_t *copy = options->scratch + options->scratch_used;
	memcpy(copy, data, size);
	options->scratch_used += size;
	add(options, code, copy, size);
}

static void add_ip(struct dhcp4_options *options, uint8_t code, uint32_t ip)
{
	uint8_t bytes[4];
	msg_ip4_put(ip, bytes);
	add_copy(options, code, bytes, sizeof bytes);
}

static void add_ips(
	struct dhcp4_options *options, uint8_t code, const ProtobufCBinaryData *ips, size_t count)
{
	uint8_t bytes[OPTION_SIZE_MAX];
	size_t size = 0;
	for (size_t i = 0; i < count && size + 4 <= sizeof bytes; i++) {
		if (ips[i].len != 4)
			continue;
		memcpy(bytes + size, ips[i].data, 4);
		size += 4;
	}
	add_copy(options, code, bytes, size);
}

static void add_text(struct dhcp4_options *options, uint8_t code, const char *text, bool with_nul)
{
	size_t size = strlen(text);
	if (size > 0)
		add(options, code, text, with_nul ? size + 1 : size);
}

/* What the engine alone says, or what has no meaning in a server's answer. */
static bool is_engines_own(uint32_t code, bool boot_is_ours)
{
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
	case DHCP4_CLIENT_UUID:
	case DHCP4_END: return true;
	case DHCP4_VENDOR_INFO:
	case DHCP4_VENDOR_CLASS:
	case DHCP4_TFTP_SERVER:
	case DHCP4_BOOT_FILE:
	case DHCP4_IPXE: return boot_is_ours;
	default: return code > 255;
	}
}

void dhcp4_options_collect(const Pxe__Subnet *subnet, const Pxe__Host *host, bool with_nul,
	bool boot_is_ours, struct dhcp4_options *ret_options)
{
	struct dhcp4_options *options = ret_options;
	options->count = 0;
	options->scratch_used = 0;
	add_ips(options, DHCP4_ROUTERS, &subnet->gateway_ip, 1);
	add_ips(options, DHCP4_DNS_SERVERS, subnet->dns_ip, subnet->n_dns_ip);
	if (host != NULL)
		add_text(options, DHCP4_HOST_NAME,
			host->hostname[0] != '\0' ? host->hostname : host->name, with_nul);
	add_text(options, DHCP4_DOMAIN_NAME, subnet->domain, with_nul);
	if (subnet->mtu > 0 && subnet->mtu <= UINT16_MAX) {
		uint8_t mtu[2] = {(uint8_t)(subnet->mtu >> 8), (uint8_t)subnet->mtu};
		add_copy(options, DHCP4_INTERFACE_MTU, mtu, sizeof mtu);
	}
	if (subnet->network_ip.len == 4 && subnet->prefix_len <= 32) {
		uint32_t network = msg_ip4_get(subnet->network_ip);
		add_ip(options, DHCP4_BROADCAST_ADDRESS,
			network | ~text_ip4_mask(subnet->prefix_len));
	}
	add_ips(options, DHCP4_NTP_SERVERS, subnet->ntp_ip, subnet->n_ntp_ip);
	for (size_t i = 0; i < subnet->n_options; i++) {
		const Pxe__Option *option = subnet->options[i];
		if (!is_engines_own(option->code, boot_is_ours))
			add(options, (uint8_t)option->code, option->data.data, option->data.len);
	}
}

struct dhcp4_option_value *dhcp4_options_find(struct dhcp4_options *options, uint8_t code)
{
	for (size_t i = 0; i < options->count; i++)
		if (options->value[i].code == code && !options->value[i].sent)
			return &options->value[i];
	return NULL;
}
