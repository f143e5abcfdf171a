/* The order of options: first what no client can do without (type, server, times, mask), then what
 * it boots, then what is echoed, then the subnet's options in the order in which the client asked
 * for them, as far as there is room; the relay's option 82 stands last (RFC 3046 §2.2). */
#include "node/dhcp4/dhcp4_reply.h"

#include "node/dhcp4/dhcp4_boot.h"
#include "node/dhcp4/dhcp4_options.h"
#include "proto/wire/dhcp4_build.h"
#include "proto/wire/dhcp4_sub.h"
#include "proto/wire/text.h"
#include <assert.h>
#include <string.h>

#define PXE_USE_BOOT_FILE                                                                          \
	8 /* discovery control: load the file that the offer names (PXE 2.1 §2.2.2) */
#define HTYPE_ETHERNET   1
#define OPTION_PIECE_MAX 255

static bool has_boot_file(const struct dhcp4_plan *plan)
{
	return plan->boot != NULL && dhcp4_boot_has_file(plan->boot);
}

static void put_header(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	const struct dhcp4_request *request = plan->request;
	const struct dhcp4_header *asked = &request->message.header;
	struct dhcp4_header header = {
		.op = DHCP4_BOOTREPLY,
		.htype = asked->htype,
		.hlen = asked->hlen,
		.xid = asked->xid,
		.flags = asked->flags,
		.yiaddr = plan->ip,
		.giaddr = asked->giaddr,
	};
	memcpy(header.chaddr, asked->chaddr, sizeof header.chaddr);
	if (plan->type == DHCP4_ACK)
		header.ciaddr = request->ciaddr;
	if (plan->type == DHCP4_NAK && asked->giaddr != 0)
		header.flags |= DHCP4_FLAG_BROADCAST; /* RFC 2131 §4.3.2 */
	if (has_boot_file(plan)) {
		/* Some clients read these fields, some the options (FIELD 4). */
		header.siaddr = plan->boot->server_ip;
		size_t size = strlen(plan->boot->file);
		if (size < DHCP4_FILE_BYTES)
			memcpy(header.file, plan->boot->file, size);
	}
	dhcp4_build_header(builder, &header);
}

static void put_times(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	if (plan->lease_s == 0)
		return;
	dhcp4_build_u32(builder, DHCP4_LEASE_SECONDS, plan->lease_s);
	/* Also in an OFFER (FIELD 10). */
	uint32_t half_s = plan->lease_s / 2, most_s = (uint32_t)((uint64_t)plan->lease_s * 7 / 8);
	/* Never 0: the client would ask without a pause. */
	dhcp4_build_u32(builder, DHCP4_RENEWAL_SECONDS, half_s > 0 ? half_s : 1);
	dhcp4_build_u32(builder, DHCP4_REBINDING_SECONDS, most_s > 0 ? most_s : 1);
}

/* 60 and 43 go together or not at all: with 60 alone UEFI asks port 4011 (FIELD 29). */
static void put_pxe(const struct boot_decision *boot, struct dhcp4_builder *builder)
{
	char server[TEXT_IP4_BYTES];
	struct dhcp4_sub_builder vendor = {.size = 0};
	dhcp4_build_text(builder, DHCP4_VENDOR_CLASS, "PXEClient");
	dhcp4_sub_put_u8(&vendor, DHCP4_PXE_DISCOVERY_CONTROL, PXE_USE_BOOT_FILE);
	dhcp4_sub_put_end(&vendor);
	assert(!vendor.failed);
	dhcp4_build_option(builder, DHCP4_VENDOR_INFO, vendor.data, vendor.size);
	dhcp4_build_cstring(
		builder, DHCP4_TFTP_SERVER, text_ip4_format(boot->server_ip, server)); /* FIELD 5 */
	dhcp4_build_cstring(builder, DHCP4_BOOT_FILE, boot->file);                     /* FIELD 3 */
}

static void put_ipxe(const struct boot_decision *boot, struct dhcp4_builder *builder)
{
	struct dhcp4_sub_builder own = {.size = 0};
	dhcp4_build_cstring(builder, DHCP4_BOOT_FILE, boot->file);
	/* No proxy DHCP here: saves iPXE two seconds of waiting for one (FIELD 39). */
	dhcp4_sub_put_u8(&own, DHCP4_IPXE_NO_PXEDHCP, 1);
	assert(!own.failed);
	dhcp4_build_option(builder, DHCP4_IPXE, own.data, own.size);
}

static void put_boot(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	if (!has_boot_file(plan))
		return;
	if (plan->request->is_ipxe) {
		put_ipxe(plan->boot, builder);
	} else if (plan->request->is_http) {
		dhcp4_build_text(builder, DHCP4_VENDOR_CLASS, "HTTPClient"); /* FIELD 41 */
		dhcp4_build_cstring(builder, DHCP4_BOOT_FILE, plan->boot->file);
	} else {
		put_pxe(plan->boot, builder);
	}
}

static size_t option_bytes(size_t size)
{
	size_t pieces = size == 0 ? 1 : (size + OPTION_PIECE_MAX - 1) / OPTION_PIECE_MAX;
	return size + 2 * pieces;
}

/* Append if room remains for `kept` bytes of what must follow. */
static void put_if_room(
	struct dhcp4_builder *builder, struct dhcp4_option_value *value, size_t kept)
{
	const struct dhcp4_area *area = &builder->area[0];
	if (option_bytes(value->size) + kept > area->end - area->at)
		return;
	value->sent = dhcp4_build_option_if_room(builder, value->code, value->data, value->size);
}

/* In the client's order; a client without a list gets everything (FIELD 6). */
static void put_subnet_options(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	const struct dhcp4_message *asked = &plan->request->message;
	struct dhcp4_options options;
	size_t relay_bytes = 0, kept = 0, list_bytes;
	const uint8_t *list;
	if (dhcp4_option(asked, DHCP4_RELAY_AGENT_INFO, NULL, &relay_bytes))
		kept = option_bytes(relay_bytes);
	dhcp4_options_collect(plan->subnet, plan->host,
		dhcp4_string_has_nul(asked, DHCP4_HOST_NAME), has_boot_file(plan), &options);
	if (!dhcp4_option(asked, DHCP4_PARAMETER_LIST, &list, &list_bytes)) {
		for (size_t i = 0; i < options.count; i++)
			put_if_room(builder, &options.value[i], kept);
		return;
	}
	for (size_t i = 0; i < list_bytes; i++) {
		struct dhcp4_option_value *value = dhcp4_options_find(&options, list[i]);
		if (value != NULL)
			put_if_room(builder, value, kept);
	}
}

/* Straight to a machine on our own link. */
static void address_to_hardware(
	const struct dhcp4_plan *plan, uint32_t ip, struct dhcp4_reply *reply)
{
	reply->where = DHCP4_TO_HARDWARE;
	reply->ip = ip;
	memcpy(reply->mac, plan->request->message.header.chaddr, sizeof reply->mac);
	reply->source_ip = plan->view->serve_ip;
}

/* RFC 2131 §4.1. A NAK goes to everybody: the client's address is wrong (FIELD 15). Who asked
 * everybody without a relay is on our link: it gets its answer without being asked by ARP first. */
static void address_reply(const struct dhcp4_plan *plan, struct dhcp4_reply *reply)
{
	const struct dhcp4_request *request = plan->request;
	const struct dhcp4_header *asked = &request->message.header;
	bool informs = request->stage == DHCP4_STAGE_INFORM;
	bool is_ethernet = asked->htype == HTYPE_ETHERNET && asked->hlen == sizeof reply->mac;
	uint32_t own_ip = informs ? request->wanted_ip : request->ciaddr;
	reply->port = DHCP4_CLIENT_PORT;
	reply->source_ip = request->unicast ? request->destination_ip : 0;
	if (asked->giaddr != 0 && !informs) {
		reply->where = DHCP4_TO_RELAY;
		reply->ip = asked->giaddr;
		reply->port = DHCP4_SERVER_PORT;
	} else if (plan->type != DHCP4_NAK && own_ip != 0) {
		reply->where = DHCP4_TO_ADDRESS;
		reply->ip = own_ip;
		if (is_ethernet && !request->unicast && asked->giaddr == 0)
			address_to_hardware(plan, own_ip, reply);
	} else if (plan->type == DHCP4_NAK || (asked->flags & DHCP4_FLAG_BROADCAST) ||
		   !is_ethernet) {
		reply->where = DHCP4_TO_EVERYBODY;
		reply->ip = UINT32_MAX;
	} else {
		address_to_hardware(plan, plan->ip, reply);
	}
}

bool dhcp4_reply_build(const struct dhcp4_plan *plan, struct dhcp4_reply *ret_reply)
{
	assert(plan->subnet != NULL || plan->type == DHCP4_NAK);
	const struct dhcp4_request *request = plan->request;
	struct dhcp4_reply *reply = ret_reply;
	struct dhcp4_builder builder;
	reply->type = plan->type;
	address_reply(plan, reply);

	dhcp4_build_init(&builder, reply->data, sizeof reply->data,
		dhcp4_reply_limit(&request->message, sizeof reply->data));
	put_header(plan, &builder);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, (uint8_t)plan->type);
	dhcp4_build_ip4(&builder, DHCP4_SERVER_ID, plan->server_id);
	put_times(plan, &builder);
	if (plan->type == DHCP4_NAK) {
		if (plan->text != NULL)
			dhcp4_build_text(&builder, DHCP4_MESSAGE_TEXT, plan->text);
	} else {
		uint32_t prefix = plan->subnet->prefix_len;
		dhcp4_build_ip4(
			&builder, DHCP4_SUBNET_MASK, text_ip4_mask(prefix < 32 ? prefix : 32));
		put_boot(plan, &builder);
		dhcp4_build_echo(&builder, &request->message, DHCP4_CLIENT_UUID); /* FIELD 23 */
	}
	dhcp4_build_echo(&builder, &request->message, DHCP4_CLIENT_ID); /* RFC 6842 */
	if (plan->type != DHCP4_NAK)
		put_subnet_options(plan, &builder);
	dhcp4_build_echo(&builder, &request->message, DHCP4_RELAY_AGENT_INFO);
	reply->size = dhcp4_build_finish(&builder);
	return reply->size > 0;
}
