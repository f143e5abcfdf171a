/* node/dhcp4/dhcp4_request.h: one client's message as the engine sees it: who asks, for which
 * address, on which link, in which state of RFC 2131 §4.3.2, and what kind of boot client it is.
 *
 * Pure; no heap. Borrows the packet.
 */
#ifndef NODE_DHCP4_DHCP4_REQUEST_H
#define NODE_DHCP4_DHCP4_REQUEST_H

#include "node/dhcp4/dhcp4_count.h"
#include "node/dhcp4/dhcp4_view.h"
#include "proto/wire/dhcp4.h"
#include "proto/wire/dhcp4_sub.h"

enum dhcp4_stage {
	DHCP4_STAGE_DISCOVER,
	DHCP4_STAGE_SELECTING,   /* REQUEST that answers an OFFER: names a server */
	DHCP4_STAGE_INIT_REBOOT, /* REQUEST of a remembered address: option 50, no server */
	DHCP4_STAGE_RENEWING,    /* REQUEST by unicast, ciaddr set */
	DHCP4_STAGE_REBINDING,   /* REQUEST by broadcast, ciaddr set */
	DHCP4_STAGE_RELEASE,
	DHCP4_STAGE_DECLINE,
	DHCP4_STAGE_INFORM,
	DHCP4_STAGE_BOOTP, /* no option 53 (RFC 1534): asks once, for good */
};

#define DHCP4_USER_CLASSES_MAX 8 /* of a client; groups match by no more */

struct dhcp4_request {
	struct dhcp4_message message;
	enum dhcp4_stage stage;
	uint8_t client[MODEL_CLIENT_MAX]; /* identity: hardware type, hardware address [P6] */
	uint8_t client_bytes;
	uint8_t mac[DHCP4_CHADDR_MAX];
	uint8_t mac_bytes; /* 0: chaddr holds no hardware address (FIELD 22) */
	uint8_t uuid[DHCP4_UUID_BYTES];
	bool has_uuid;
	char hostname[MODEL_NAME_MAX + 1]; /* option 12 if it is printable, else "" */
	uint32_t wanted_ip;                /* the address that the message is about; 0: none */
	uint32_t ciaddr;                   /* 0 where clients set it wrongly (FIELD 8) */
	uint32_t asked_s;                  /* option 51; 0: none */
	uint32_t link_ip;   /* an address of the link that the client is on: selects the subnet */
	uint32_t server_id; /* option 54; 0: none */
	uint32_t server_id_override; /* RFC 5107, from a relay; 0: none */
	uint32_t selected_ip; /* RFC 3011: the client asks for another subnet of its link than that
				 of link_ip; a relay's word is in link_ip already; 0: no */
	bool is_selected;     /* RFC 3011: a relayed request whose option 118 gave link_ip */
	uint32_t source_ip;
	uint16_t source_port; /* 0: not known */
	uint16_t port;        /* ours that it came to */
	uint32_t destination_ip;
	bool unicast;
	bool is_pxe, is_http, is_ipxe;
	uint16_t arch; /* option 93, UINT16_MAX: none */
	/* What groups match by, borrowed from the packet; empty: not sent. */
	size_t user_class_count;
	ProtobufCBinaryData user_class[DHCP4_USER_CLASSES_MAX];
	ProtobufCBinaryData vendor_class;
	struct dhcp4_relay_info relay; /* option 82, borrowed */
	uint16_t relay_port;           /* that answers by the relay go to (RFC 8357) */
};

/* Decode and read one packet. DHCP4_COUNT_NONE, or what to count it as; then nothing of
 * *ret_request has a meaning but message.type (DHCP4_BOOTP if the packet could not be decoded). */
__attribute__((warn_unused_result)) enum dhcp4_count dhcp4_request_parse(
	const struct dhcp4_input *input, struct dhcp4_request *ret_request);

/* Was the request carried by a relay that knows the link (RFC 2131 §4.3.1)? */
bool dhcp4_request_is_relayed(const struct dhcp4_request *request);

/* How the log names the client. Borrows from `request`; `subnet` and the like are the caller's to
 * add. */
void dhcp4_request_client_info(const struct dhcp4_request *request, Pxe__ClientInfo *ret_info);

/* And what groups match it by. */
void dhcp4_request_attributes(const struct dhcp4_request *request, Pxe__ClientInfo *ret_info);

/* Does a system ask: neither firmware nor a loader that is to boot? U-Boot may send no option 93.
 */
bool dhcp4_request_is_system(const struct dhcp4_request *request);

/* Is an option that we read not as its standard says: of another length, or with parts that point
 * past its end (82, 43, 125)? Such options are ignored; the request is not. */
bool dhcp4_request_is_odd(const struct dhcp4_request *request);

/* A hash of the client and of `salt`, for the engine's tables; not secret. */
uint64_t dhcp4_request_hash(const uint8_t *client, size_t client_bytes, uint64_t salt);

#endif
