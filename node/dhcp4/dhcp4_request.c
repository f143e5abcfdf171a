#include "node/dhcp4/dhcp4_request.h"

#include "proto/wire/dhcp4_build.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/dhcp4_sub.h"
#include <assert.h>
#include <string.h>

#define HTYPE_ETHERNET        1
#define SUBNET_SELECTION      118 /* RFC 3011 */
#define VIVSO                 125 /* RFC 3925 */
#define ARCHS_MAX             16
#define CLIENT_ID_BYTES_LEAST 2

static bool all_zero(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (data[i] != 0)
			return false;
	return true;
}

/* Identity is the hardware address [P6]: option 61 changes between ROM, iPXE and OS (FIELD 17).
 * Only hardware without an address in chaddr (InfiniBand, RFC 4390) is known by its client
 * identifier. */
static bool parse_identity(struct dhcp4_request *request)
{
	const struct dhcp4_header *header = &request->message.header;
	request->client[0] = header->htype;
	if (header->hlen > 0) {
		if (all_zero(header->chaddr, header->hlen))
			return false;
		memcpy(request->client + 1, header->chaddr, header->hlen);
		request->client_bytes = (uint8_t)(1 + header->hlen);
		bool is_uuid = header->htype == HTYPE_ETHERNET && header->hlen == DHCP4_UUID_BYTES;
		if (!is_uuid) {
			memcpy(request->mac, header->chaddr, header->hlen);
			request->mac_bytes = header->hlen;
		}
		return true;
	}
	const uint8_t *id;
	size_t id_bytes;
	if (!dhcp4_option(&request->message, DHCP4_CLIENT_ID, &id, &id_bytes) ||
		id_bytes < CLIENT_ID_BYTES_LEAST || id_bytes > MODEL_CLIENT_MAX - 1)
		return false;
	memcpy(request->client + 1, id, id_bytes);
	request->client_bytes = (uint8_t)(1 + id_bytes);
	return true;
}

/* A name from the wire goes to the log and to screens: printable ASCII or nothing. */
static void parse_hostname(struct dhcp4_request *request)
{
	char *name = request->hostname;
	if (!dhcp4_string(&request->message, DHCP4_HOST_NAME, name, sizeof request->hostname)) {
		name[0] = '\0';
		return;
	}
	for (const char *at = name; *at != '\0'; at++) {
		if (*at <= ' ' || *at > '~') {
			name[0] = '\0';
			return;
		}
	}
}

/* All entries of the list count (FIELD 24): the first that has a name and suits the way of booting.
 */
static uint16_t choose_arch(const struct dhcp4_request *request)
{
	uint16_t archs[ARCHS_MAX];
	size_t count = dhcp4_archs(&request->message, archs, ARCHS_MAX);
	for (size_t i = 0; i < count; i++)
		if (dhcp4_arch_name(archs[i]) != NULL &&
			dhcp4_arch_is_http(archs[i]) == request->is_http)
			return archs[i];
	return count > 0 ? archs[0] : UINT16_MAX;
}

/* What Raspberry Pi Trading has for its machines. Their ROMs say BIOS, or nothing (FIELD 25). */
static bool is_raspberry(const struct dhcp4_request *request)
{
	static const uint8_t ouis[][3] = {{0xb8, 0x27, 0xeb}, {0xdc, 0xa6, 0x32},
		{0xe4, 0x5f, 0x01}, {0x28, 0xcd, 0xc1}, {0xd8, 0x3a, 0xdd}, {0x2c, 0xcf, 0x67}};
	bool says_bios = request->arch == DHCP4_ARCH_BIOS || request->arch == UINT16_MAX;
	for (size_t i = 0; says_bios && i < sizeof ouis / sizeof ouis[0]; i++)
		if (request->mac_bytes == 6 && memcmp(request->mac, ouis[i], 3) == 0)
			return true;
	return false;
}

static void parse_boot(struct dhcp4_request *request)
{
	const struct dhcp4_message *message = &request->message;
	/* iPXE says its name in either encoding of option 77 (FIELD 11), and has options of its
	 * own. */
	request->is_ipxe = dhcp4_has_user_class(message, "iPXE") || dhcp4_has(message, DHCP4_IPXE);
	request->is_http = dhcp4_vendor_class_begins(message, "HTTPClient");
	/* BOOTP was made to boot with: its client takes a file name and a server if it gets them.
	 */
	request->is_pxe = request->is_ipxe || request->stage == DHCP4_STAGE_BOOTP ||
			  dhcp4_vendor_class_begins(message, "PXEClient");
	request->arch = choose_arch(request);
	if (request->is_pxe && !request->is_ipxe && is_raspberry(request))
		request->arch = DHCP4_ARCH_RPI;
	request->has_uuid = dhcp4_uuid(message, request->uuid);
}

static void parse_relay(const struct dhcp4_input *input, struct dhcp4_request *request)
{
	const uint8_t *info = NULL;
	size_t info_bytes = 0;
	dhcp4_option(&request->message, DHCP4_RELAY_AGENT_INFO, &info, &info_bytes);
	dhcp4_relay_read(info, info_bytes, &request->relay);
	request->relay_port = DHCP4_SERVER_PORT;
	if (request->relay.has_source_port && input->source_port != 0)
		request->relay_port = input->source_port;
}

/* RFC 2131 §4.3.1: giaddr, else the interface; a relay may name another link (RFC 3527, RFC 3011).
 * A unicast renewal comes routed: its ciaddr tells the link. */
static void parse_link(const struct dhcp4_input *input, struct dhcp4_request *request)
{
	const struct dhcp4_message *message = &request->message;
	request->link_ip = input->link_ip;
	if (message->header.giaddr != 0) {
		request->link_ip = message->header.giaddr;
		uint32_t link = 0;
		dhcp4_ip4(message, SUBNET_SELECTION, &link);
		if (request->relay.link_selection != 0)
			request->link_ip = request->relay.link_selection;
		else if (link != 0)
			request->link_ip = link;
		request->is_selected = request->relay.link_selection == 0 && link != 0;
		request->server_id_override = request->relay.server_id_override;
	} else if (request->stage == DHCP4_STAGE_RENEWING || request->stage == DHCP4_STAGE_INFORM) {
		if (request->ciaddr != 0)
			request->link_ip = request->ciaddr;
	} else {
		dhcp4_ip4(message, SUBNET_SELECTION, &request->selected_ip);
	}
}

/* Did the client itself send to one address? A relay may tell (RFC 5010). */
static bool is_sent_to_one(const struct dhcp4_input *input, const struct dhcp4_request *request)
{
	if (request->message.header.giaddr == 0)
		return input->unicast;
	return request->relay.has_flags && request->relay.is_unicast;
}

/* RFC 2131 §4.3.2. ciaddr beside option 50 is a client's mistake (FIELD 8). A REQUEST that names no
 * address at all leaves wanted_ip at 0: the client's own binding is meant (FIELD 13). */
static void parse_request_stage(bool to_one, struct dhcp4_request *request)
{
	uint32_t requested = 0;
	bool has_requested =
		dhcp4_ip4(&request->message, DHCP4_REQUESTED_ADDRESS, &requested) && requested != 0;
	if (has_requested)
		request->ciaddr = 0;
	request->wanted_ip = has_requested ? requested : request->ciaddr;
	if (request->server_id != 0)
		request->stage = DHCP4_STAGE_SELECTING;
	else if (request->ciaddr == 0)
		request->stage = DHCP4_STAGE_INIT_REBOOT;
	else if (to_one)
		request->stage = DHCP4_STAGE_RENEWING;
	else
		request->stage = DHCP4_STAGE_REBINDING;
}

/* An address that one machine can have: not "this network", loopback, multicast, reserved or
 * broadcast. */
static bool is_host_address(uint32_t ip)
{
	uint32_t top = ip >> 24;
	return top != 0 && top != 127 && top < 224;
}

static enum dhcp4_count parse_stage(bool to_one, struct dhcp4_request *request)
{
	const struct dhcp4_message *message = &request->message;
	request->ciaddr = message->header.ciaddr;
	switch ((unsigned)message->type) {
	case DHCP4_DISCOVER:
		request->stage = DHCP4_STAGE_DISCOVER;
		request->ciaddr = 0;
		dhcp4_ip4(message, DHCP4_REQUESTED_ADDRESS, &request->wanted_ip);
		return DHCP4_COUNT_NONE;
	case DHCP4_REQUEST: parse_request_stage(to_one, request); return DHCP4_COUNT_NONE;
	case DHCP4_RELEASE:
		request->stage = DHCP4_STAGE_RELEASE;
		request->wanted_ip = request->ciaddr;
		break;
	case DHCP4_DECLINE:
		request->stage = DHCP4_STAGE_DECLINE;
		dhcp4_ip4(message, DHCP4_REQUESTED_ADDRESS, &request->wanted_ip);
		break;
	case DHCP4_INFORM:
		request->stage = DHCP4_STAGE_INFORM;
		request->wanted_ip = request->ciaddr != 0 ? request->ciaddr : request->source_ip;
		break;
	case DHCP4_BOOTP: request->stage = DHCP4_STAGE_BOOTP; return DHCP4_COUNT_NONE;
	default: return DHCP4_COUNT_DROP_TYPE;
	}
	return request->wanted_ip != 0 ? DHCP4_COUNT_NONE : DHCP4_COUNT_MALFORMED_ADDRESS;
}

/* Vendor information without anything in it, as the first BOOTP clients send it (RFC 951 §3): then
 * there are no options. */
static bool is_plain_bootp(const struct dhcp4_input *input)
{
	return input->packet_bytes >= DHCP4_MIN_BYTES &&
	       all_zero(input->packet + DHCP4_HEADER_BYTES - 4, 4);
}

/* protobuf-c takes pointers to what it only reads. */
static ProtobufCBinaryData borrowed(const uint8_t *data, size_t size)
{
	return (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)data};
}

static void parse_attributes(struct dhcp4_request *request)
{
	const struct dhcp4_message *message = &request->message;
	struct dhcp4_bytes classes[DHCP4_USER_CLASSES_MAX];
	request->user_class_count = dhcp4_user_classes(message, classes, DHCP4_USER_CLASSES_MAX);
	for (size_t i = 0; i < request->user_class_count; i++)
		request->user_class[i] = borrowed(classes[i].data, classes[i].size);
	const uint8_t *vendor;
	size_t size;
	if (dhcp4_option(message, DHCP4_VENDOR_CLASS, &vendor, &size) && size <= UINT8_MAX) {
		while (size > 0 && vendor[size - 1] == 0) /* FIELD 9 */
			size--;
		request->vendor_class = borrowed(vendor, size);
	}
}

enum dhcp4_count dhcp4_request_parse(
	const struct dhcp4_input *input, struct dhcp4_request *ret_request)
{
	assert(input != NULL && ret_request != NULL);
	struct dhcp4_request *request = ret_request;
	request->message.type = DHCP4_BOOTP; /* if decoding fails */
	if (input->packet_bytes > DHCP4_INPUT_MAX)
		return DHCP4_COUNT_MALFORMED_SIZE;
	enum dhcp4_reason reason =
		dhcp4_decode(input->packet, input->packet_bytes, &request->message);
	if (reason == DHCP4_NO_COOKIE && is_plain_bootp(input))
		request->message.type = DHCP4_BOOTP;
	else if (reason != DHCP4_OK)
		return dhcp4_count_of_reason(reason);
	if (request->message.header.op != DHCP4_BOOTREQUEST)
		return DHCP4_COUNT_DROP_REPLY;

	size_t after_message = sizeof *request - offsetof(struct dhcp4_request, stage);
	memset((uint8_t *)request + offsetof(struct dhcp4_request, stage), 0, after_message);
	request->source_ip = input->source_ip;
	request->source_port = input->source_port;
	request->port = input->port != 0 ? input->port : DHCP4_SERVER_PORT;
	request->destination_ip = input->destination_ip;
	request->unicast = input->unicast;
	dhcp4_ip4(&request->message, DHCP4_SERVER_ID, &request->server_id);
	dhcp4_u32(&request->message, DHCP4_LEASE_SECONDS, &request->asked_s);
	/* What is sent there must reach a relay, and not everybody. */
	if (request->message.header.giaddr != 0 && !is_host_address(request->message.header.giaddr))
		return DHCP4_COUNT_MALFORMED_ADDRESS;
	parse_relay(input, request);
	enum dhcp4_count count = parse_stage(is_sent_to_one(input, request), request);
	if (count != DHCP4_COUNT_NONE)
		return count;
	if (!parse_identity(request))
		return DHCP4_COUNT_MALFORMED_IDENTITY;
	parse_hostname(request);
	parse_boot(request);
	parse_link(input, request);
	parse_attributes(request);
	return DHCP4_COUNT_NONE;
}

bool dhcp4_request_is_relayed(const struct dhcp4_request *request)
{
	return request->message.header.giaddr != 0;
}

bool dhcp4_request_is_system(const struct dhcp4_request *request)
{
	return !request->is_pxe && !request->is_http && !request->is_ipxe &&
	       request->arch == UINT16_MAX && request->stage != DHCP4_STAGE_BOOTP &&
	       !dhcp4_vendor_class_begins(&request->message, "U-Boot");
}

void dhcp4_request_client_info(const struct dhcp4_request *request, Pxe__ClientInfo *ret_info)
{
	pxe__client_info__init(ret_info);
	ret_info->client = borrowed(request->client, request->client_bytes);
	ret_info->mac = borrowed(request->mac, request->mac_bytes);
	ret_info->hostname = (char *)(uintptr_t)request->hostname;
	const uint8_t *id;
	size_t id_bytes;
	if (dhcp4_option(&request->message, DHCP4_CLIENT_ID, &id, &id_bytes) && id_bytes <= 255)
		ret_info->client_id = borrowed(id, id_bytes);
	if (request->has_uuid)
		ret_info->uuid = borrowed(request->uuid, sizeof request->uuid);
}

void dhcp4_request_attributes(const struct dhcp4_request *request, Pxe__ClientInfo *ret_info)
{
	ret_info->has_arch = request->arch != UINT16_MAX;
	ret_info->arch = ret_info->has_arch ? request->arch : 0;
	ret_info->vendor_class = request->vendor_class;
	ret_info->n_user_class = request->user_class_count;
	ret_info->user_class = (ProtobufCBinaryData *)(uintptr_t)request->user_class;
	ret_info->circuit_id =
		borrowed(request->relay.circuit_id.data, request->relay.circuit_id.size);
	ret_info->remote_id =
		borrowed(request->relay.remote_id.data, request->relay.remote_id.size);
}

/* The options that have one length. */
static const struct {
	uint8_t code, bytes;
} fixed_lengths[] = {
	{DHCP4_REQUESTED_ADDRESS, 4},
	{DHCP4_LEASE_SECONDS, 4},
	{DHCP4_SERVER_ID, 4},
	{DHCP4_MAX_MESSAGE_BYTES, 2},
	{DHCP4_RAPID_COMMIT, 0},
	{DHCP4_CLIENT_UUID, 1 + DHCP4_UUID_BYTES},
	{SUBNET_SELECTION, 4},
};

static bool has_broken_vendor_info(const struct dhcp4_message *message)
{
	const uint8_t *data, *sub_data;
	size_t size, sub_size;
	uint8_t sub_code;
	struct dhcp4_sub sub;
	if (!dhcp4_option(message, DHCP4_VENDOR_INFO, &data, &size))
		return false;
	dhcp4_sub_init(&sub, DHCP4_SUB_VENDOR, data, size);
	while (dhcp4_sub_next(&sub, &sub_code, &sub_data, &sub_size))
		continue;
	return sub.failed;
}

static bool has_broken_vivso(const struct dhcp4_message *message)
{
	const uint8_t *data = NULL;
	size_t size = 0;
	struct dhcp4_enterprise walk;
	struct dhcp4_enterprise_value value;
	dhcp4_option(message, VIVSO, &data, &size);
	dhcp4_enterprise_init(&walk, data, size);
	while (dhcp4_enterprise_next(&walk, &value))
		continue;
	return walk.failed;
}

bool dhcp4_request_is_odd(const struct dhcp4_request *request)
{
	const struct dhcp4_message *message = &request->message;
	size_t size;
	for (size_t i = 0; i < sizeof fixed_lengths / sizeof fixed_lengths[0]; i++)
		if (dhcp4_option(message, fixed_lengths[i].code, NULL, &size) &&
			size != fixed_lengths[i].bytes)
			return true;
	if (dhcp4_option(message, DHCP4_CLIENT_ID, NULL, &size) &&
		(size < CLIENT_ID_BYTES_LEAST || size > UINT8_MAX))
		return true;
	if (dhcp4_option(message, DHCP4_CLIENT_ARCH, NULL, &size) && (size == 0 || size % 2 != 0))
		return true;
	return request->relay.is_malformed || request->relay.repeated > 0 ||
	       has_broken_vendor_info(message) || has_broken_vivso(message);
}

uint64_t dhcp4_request_hash(const uint8_t *client, size_t client_bytes, uint64_t salt)
{
	uint64_t hash = 0xcbf29ce484222325u ^ salt * 0x9e3779b97f4a7c15u; /* FNV-1a */
	for (size_t i = 0; i < client_bytes; i++)
		hash = (hash ^ client[i]) * 0x100000001b3u;
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u; /* splitmix64's finish */
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
	return hash ^ hash >> 31;
}
