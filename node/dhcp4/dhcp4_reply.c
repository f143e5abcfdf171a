/* The order of options: first what no client can do without (type, server, times, mask), then what
 * it boots, then what is echoed, then the subnet's options in the order in which the client asked
 * for them, as far as there is room; the relay's option 82 stands last (RFC 3046 §2.2). */
#include "node/dhcp4/dhcp4_reply.h"

#include "node/dhcp4/dhcp4_boot.h"
#include "node/dhcp4/dhcp4_options.h"
#include "node/dhcp4/dhcp4_pxe.h"
#include "proto/wire/dhcp4_build.h"
#include "proto/wire/text.h"
#include <assert.h>
#include <string.h>

#define HTYPE_ETHERNET   1
#define OPTION_PIECE_MAX 255
#define SUBNET_SELECTION 118 /* RFC 3011 */

/* Option 81: flags, two RCODEs, the name (RFC 4702 §2). */
#define FQDN_S       0x01
#define FQDN_O       0x02
#define FQDN_E       0x04
#define FQDN_N       0x08
#define FQDN_NAME_AT 3

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
	if (plan->terms.broadcast || (plan->type == DHCP4_NAK && asked->giaddr != 0))
		header.flags |= DHCP4_FLAG_BROADCAST; /* FIELD 21; RFC 2131 §4.3.2 */
	dhcp4_pxe_header(plan, &header);
	dhcp4_build_header(builder, &header);
}

/* RFC 2131 §4.4.5: T1 < T2 < the lease. One of 1 or 2 seconds has no room for both. */
static void put_times(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	if (plan->lease_s == 0)
		return;
	dhcp4_build_u32(builder, DHCP4_LEASE_SECONDS, plan->lease_s);
	/* Also in an OFFER (FIELD 10). */
	uint32_t half_s = plan->lease_s / 2, most_s = (uint32_t)((uint64_t)plan->lease_s * 7 / 8);
	if (plan->lease_s < 3)
		return;
	if (most_s <= half_s)
		most_s = half_s + 1;
	dhcp4_build_u32(builder, DHCP4_RENEWAL_SECONDS, half_s);
	dhcp4_build_u32(builder, DHCP4_REBINDING_SECONDS, most_s);
}

static size_t option_bytes(size_t size)
{
	size_t pieces = size == 0 ? 1 : (size + OPTION_PIECE_MAX - 1) / OPTION_PIECE_MAX;
	return size + 2 * pieces;
}

/* Has the answer the option already? Boot programs, identifiers and echoes stand first. */
static bool is_put(const struct dhcp4_builder *builder, uint8_t code)
{
	for (size_t i = 0; i < sizeof builder->area / sizeof builder->area[0]; i++) {
		const struct dhcp4_area *area = &builder->area[i];
		size_t at = area->start;
		while (at < area->at) {
			if (builder->buffer[at] == code)
				return true;
			at += 2u + builder->buffer[at + 1];
		}
	}
	return false;
}

static void put_option(struct dhcp4_builder *builder, struct dhcp4_option_value *value)
{
	if (value == NULL || is_put(builder, value->code))
		return;
	value->sent = dhcp4_build_option_if_room(builder, value->code, value->data, value->size);
}

/* Only to who says that it knows the option: a machine that hears it may do without IPv4 (RFC 8925
 * §3.2), so nobody hears it unasked. */
static bool is_for_askers_only(uint8_t code)
{
	return code == DHCP4_V6ONLY_SECONDS;
}

/* Classless routes before the routers that they replace (RFC 3442). */
static void put_asked(struct dhcp4_builder *builder, struct dhcp4_options *options, uint8_t code,
	bool wants_routes)
{
	if (code == DHCP4_ROUTERS && wants_routes)
		put_option(builder, dhcp4_options_find(options, DHCP4_CLASSLESS_ROUTES));
	put_option(builder, dhcp4_options_find(options, code));
}

/* In the client's order, then what is to be sent in any case; a client without a list gets
 * everything (FIELD 6). */
static void put_configured(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	const struct dhcp4_message *asked = &plan->request->message;
	struct dhcp4_options options;
	const uint8_t *list = NULL;
	size_t list_bytes = 0;
	dhcp4_options_collect(plan->levels, plan->subnet,
		dhcp4_string_has_nul(asked, DHCP4_HOST_NAME), has_boot_file(plan), &options);
	bool has_list = dhcp4_option(asked, DHCP4_PARAMETER_LIST, &list, &list_bytes);
	bool wants_routes = dhcp4_wants(asked, DHCP4_CLASSLESS_ROUTES);
	for (size_t i = 0; i < list_bytes; i++)
		put_asked(builder, &options, list[i], wants_routes);
	for (size_t i = 0; i < options.count; i++) {
		const struct dhcp4_option_value *value = &options.value[i];
		if (value->space == PXE__OPTION_SPACE__OPTION_DHCP && !value->sent &&
			(!has_list || value->always) && !is_for_askers_only(value->code))
			put_asked(builder, &options, value->code, wants_routes);
	}
}

/* RFC 4702 §4: we register no names (N), and say so if the client wanted us to (O). The name is the
 * client's own, in the encoding that it chose. */
static void put_fqdn(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	const uint8_t *asked;
	uint8_t answer[UINT8_MAX];
	size_t size;
	if (!dhcp4_option(&plan->request->message, DHCP4_CLIENT_FQDN, &asked, &size) ||
		size < FQDN_NAME_AT || size > sizeof answer)
		return;
	memcpy(answer, asked, size);
	answer[0] = (uint8_t)((asked[0] & FQDN_E) | FQDN_N | (asked[0] & FQDN_S ? FQDN_O : 0));
	answer[1] = answer[2] = UINT8_MAX; /* the deprecated RCODEs */
	dhcp4_build_option_if_room(builder, DHCP4_CLIENT_FQDN, answer, size);
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
	reply->source_port = DHCP4_SERVER_PORT;
	reply->source_ip = request->unicast ? request->destination_ip : 0;
	if (asked->giaddr != 0 && !informs) {
		reply->where = DHCP4_TO_RELAY;
		reply->ip = asked->giaddr;
		reply->port = request->relay_port;
	} else if (plan->type != DHCP4_NAK && own_ip != 0) {
		reply->where = DHCP4_TO_ADDRESS;
		reply->ip = own_ip;
		if (is_ethernet && !request->unicast && asked->giaddr == 0)
			address_to_hardware(plan, own_ip, reply);
	} else if (plan->type == DHCP4_NAK || plan->manner == DHCP4_MANNER_BESIDE ||
		   (asked->flags & DHCP4_FLAG_BROADCAST) || plan->terms.broadcast || !is_ethernet) {
		reply->where = DHCP4_TO_EVERYBODY;
		reply->ip = UINT32_MAX;
	} else {
		address_to_hardware(plan, plan->ip, reply);
	}
}

/* To where the client listens: the port that it sent from (FIELD 32). */
static void address_boot_reply(const struct dhcp4_plan *plan, struct dhcp4_reply *reply)
{
	const struct dhcp4_request *request = plan->request;
	uint32_t own_ip = request->source_ip != 0 ? request->source_ip : request->ciaddr;
	reply->where = own_ip != 0 ? DHCP4_TO_ADDRESS : DHCP4_TO_EVERYBODY;
	reply->ip = own_ip != 0 ? own_ip : UINT32_MAX;
	reply->port = request->source_port != 0         ? request->source_port
		      : request->port == DHCP4_PXE_PORT ? DHCP4_PXE_PORT
							: DHCP4_CLIENT_PORT;
	reply->source_port = request->port;
	reply->source_ip = request->unicast ? request->destination_ip : 0;
}

/* What the client takes: option 57; of BOOTP no more than it sent itself, but its 64 bytes of
 * vendor information (RFC 951 §3). */
static size_t limit_of(const struct dhcp4_plan *plan)
{
	const struct dhcp4_message *asked = &plan->request->message;
	size_t limit = dhcp4_reply_limit(asked, DHCP4_REPLY_MAX);
	if (plan->type == DHCP4_BOOTP) {
		limit = asked->packet_bytes;
		if (limit < DHCP4_MIN_BYTES)
			limit = DHCP4_MIN_BYTES;
	}
	return limit < DHCP4_REPLY_MAX ? limit : DHCP4_REPLY_MAX;
}

static size_t relay_option_bytes(const struct dhcp4_message *asked)
{
	size_t size;
	return dhcp4_option(asked, DHCP4_RELAY_AGENT_INFO, NULL, &size) ? option_bytes(size) : 0;
}

static void put_identifiers(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	if (plan->type == DHCP4_BOOTP)
		return;
	dhcp4_build_u8(builder, DHCP4_MESSAGE_TYPE, (uint8_t)plan->type);
	dhcp4_build_ip4(builder, DHCP4_SERVER_ID, plan->server_id);
	put_times(plan, builder);
	if (plan->rapid)
		dhcp4_build_option(builder, DHCP4_RAPID_COMMIT, NULL, 0);
}

/* Without an address of ours there is nothing to say but what to boot. */
static void put_boot_only(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	const struct dhcp4_message *asked = &plan->request->message;
	dhcp4_pxe_put(plan, builder);
	dhcp4_build_echo(builder, asked, DHCP4_CLIENT_UUID); /* FIELD 23 */
	if (plan->terms.echo_client_id)
		dhcp4_build_echo(builder, asked, DHCP4_CLIENT_ID);
}

static void put_configuration(
	const struct dhcp4_plan *plan, bool with_boot, struct dhcp4_builder *builder)
{
	const struct dhcp4_message *asked = &plan->request->message;
	uint32_t prefix = plan->subnet->prefix_len;
	dhcp4_build_ip4(builder, DHCP4_SUBNET_MASK, text_ip4_mask(prefix < 32 ? prefix : 32));
	if (plan->type == DHCP4_BOOTP) {
		put_configured(plan, builder);
		return;
	}
	if (with_boot)
		dhcp4_pxe_put(plan, builder);
	dhcp4_build_echo(builder, asked, DHCP4_CLIENT_UUID); /* FIELD 23 */
	if (plan->terms.echo_client_id)
		dhcp4_build_echo(builder, asked, DHCP4_CLIENT_ID);
	if (plan->selected)
		dhcp4_build_echo(builder, asked, SUBNET_SELECTION);
	put_fqdn(plan, builder);
	put_configured(plan, builder);
}

static void put_refusal(const struct dhcp4_plan *plan, struct dhcp4_builder *builder)
{
	if (plan->text != NULL)
		dhcp4_build_text(builder, DHCP4_MESSAGE_TEXT, plan->text);
	if (plan->terms.echo_client_id) /* RFC 6842: in every answer */
		dhcp4_build_echo(builder, &plan->request->message, DHCP4_CLIENT_ID);
}

/* Returns the answer's size; 0: it does not fit into `limit`. */
static size_t build(
	const struct dhcp4_plan *plan, size_t limit, bool with_boot, struct dhcp4_reply *reply)
{
	const struct dhcp4_message *asked = &plan->request->message;
	struct dhcp4_builder builder;
	size_t relay_bytes = relay_option_bytes(asked);
	dhcp4_build_init(&builder, reply->data, sizeof reply->data, limit);
	struct dhcp4_area *options = &builder.area[0];
	if (relay_bytes >= options->end - options->at)
		return 0;
	options->end -= relay_bytes; /* kept: whatever else is left out, this is not */
	put_header(plan, &builder);
	if (plan->terms.overload && plan->type != DHCP4_BOOTP && plan->type != DHCP4_NAK &&
		dhcp4_has(asked, DHCP4_PARAMETER_LIST)) /* FIELD 6, 7 */
		dhcp4_build_allow_overload(&builder);
	put_identifiers(plan, &builder);
	if (plan->type == DHCP4_NAK)
		put_refusal(plan, &builder);
	else if (plan->manner != DHCP4_MANNER_WHOLE)
		put_boot_only(plan, &builder);
	else
		put_configuration(plan, with_boot, &builder);
	options->end += relay_bytes;
	dhcp4_build_echo(&builder, asked, DHCP4_RELAY_AGENT_INFO);
	return dhcp4_build_finish(&builder);
}

bool dhcp4_reply_build(const struct dhcp4_plan *plan, struct dhcp4_reply *ret_reply)
{
	assert((plan->subnet != NULL && plan->levels != NULL) || plan->type == DHCP4_NAK ||
		plan->manner != DHCP4_MANNER_WHOLE);
	struct dhcp4_reply *reply = ret_reply;
	reply->type = plan->type;
	if (plan->manner == DHCP4_MANNER_BOOT_SERVER)
		address_boot_reply(plan, reply);
	else
		address_reply(plan, reply);
	size_t limit = limit_of(plan), relay_bytes = relay_option_bytes(&plan->request->message);
	reply->size = build(plan, limit, true, reply);
	/* The relay takes its own option out again. The header says what to boot, too: better an
	 * address without the options than none. */
	if (reply->size == 0 && relay_bytes > 0)
		reply->size = build(plan, limit + relay_bytes, true, reply);
	if (reply->size == 0)
		reply->size = build(plan, limit + relay_bytes, false, reply);
	return reply->size > 0;
}
