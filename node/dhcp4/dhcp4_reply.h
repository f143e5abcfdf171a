/* node/dhcp4/dhcp4_reply.h: an answer's bytes, and where they go.
 *
 * Pure; no heap: the bytes stand in the reply itself.
 */
#ifndef NODE_DHCP4_DHCP4_REPLY_H
#define NODE_DHCP4_DHCP4_REPLY_H

#include "node/boot/boot.h"
#include "node/dhcp4/dhcp4_request.h"
#include "node/dhcp4/dhcp4_terms.h"

#define DHCP4_REPLY_MAX 1472 /* one Ethernet frame; UEFI ignores longer ones (FIELD 41) */

/* RFC 2131 §4.1. TO_HARDWARE: the client is on our link and need not answer ARP for `ip` yet: the
 * frame goes straight to `mac` (FIELD 21). */
enum dhcp4_where {
	DHCP4_TO_RELAY,   /* giaddr, port 67 */
	DHCP4_TO_ADDRESS, /* the client has `ip` and answers ARP for it */
	DHCP4_TO_HARDWARE,
	DHCP4_TO_EVERYBODY, /* 255.255.255.255 */
};

struct dhcp4_reply {
	enum dhcp4_where where;
	enum dhcp4_type type;
	uint32_t ip;
	uint16_t port;
	uint16_t source_port; /* 67 or 4011; 0 counts as 67 */
	uint8_t mac[6];
	uint32_t source_ip; /* DHCP4_TO_HARDWARE: put it into the header; else our address that was
			       asked, 0: any */
	size_t size;
	uint8_t data[DHCP4_REPLY_MAX];
};

/* In which role we answer: see dhcp4_pxe.h. */
enum dhcp4_manner { DHCP4_MANNER_WHOLE, DHCP4_MANNER_BESIDE, DHCP4_MANNER_BOOT_SERVER };

/* What an answer says. */
struct dhcp4_plan {
	const struct dhcp4_view *view;
	const struct dhcp4_request *request;
	const Pxe__Subnet *subnet;         /* of the address; NULL for a NAK */
	const struct model_levels *levels; /* that apply to the machine at that address */
	struct dhcp4_terms terms;          /* of these levels */
	const Pxe__Host *host;             /* NULL: unknown machine */
	const struct boot_decision *boot;  /* NULL: nothing about booting */
	enum dhcp4_type type; /* DHCP4_OFFER, DHCP4_ACK, DHCP4_NAK; DHCP4_BOOTP: a BOOTP answer,
			       * without type, server identifier and times (RFC 1534) */
	enum dhcp4_manner manner;
	bool has_item; /* the client chose a menu's item (43.71): type and layer are told back */
	uint16_t item_type, item_layer;
	bool rapid;    /* ACK of a DISCOVER (RFC 4039) */
	bool selected; /* the client chose the subnet (RFC 3011) */
	uint32_t server_id;
	uint32_t ip;      /* yiaddr; 0 for a NAK and for the answer to INFORM */
	uint32_t lease_s; /* 0: no times (INFORM) */
	const char *text; /* NAK: why, option 56; else NULL */
};

/* false: the answer does not fit into what the client takes (option 57); *ret_reply then has no
 * meaning. */
__attribute__((warn_unused_result)) bool dhcp4_reply_build(
	const struct dhcp4_plan *plan, struct dhcp4_reply *ret_reply);

#endif
