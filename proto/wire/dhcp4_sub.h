/* proto/wire/dhcp4_sub.h: options inside an option: PXE's 43, the relay's 82, iPXE's 175,
 * and the values by enterprise of 124 and 125.
 *
 * Pure. Reading borrows the value of the outer option; building fills a value of at most 255 bytes
 * (FIELD 35).
 */
#ifndef PROTO_WIRE_DHCP4_SUB_H
#define PROTO_WIRE_DHCP4_SUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the inner options are laid out. */
enum dhcp4_sub_kind {
	DHCP4_SUB_VENDOR, /* 43, 175: 0 is padding without a length, 255 ends (RFC 2132 §8.4) */
	DHCP4_SUB_RELAY,  /* 82: neither; every byte belongs to a sub-option (RFC 3046 §2.0) */
};

/* PXE sub-options of 43 (PXE 2.1 §2.2.2). */
enum dhcp4_pxe_code {
	DHCP4_PXE_MTFTP_IP = 1,
	DHCP4_PXE_DISCOVERY_CONTROL = 6,
	DHCP4_PXE_DISCOVERY_MCAST = 7,
	DHCP4_PXE_BOOT_SERVERS = 8,
	DHCP4_PXE_BOOT_MENU = 9,
	DHCP4_PXE_MENU_PROMPT = 10,
	DHCP4_PXE_BOOT_ITEM = 71,
};

/* Sub-options of 82: all that the IANA registry names. */
enum dhcp4_relay_code {
	DHCP4_RELAY_CIRCUIT_ID = 1,
	DHCP4_RELAY_REMOTE_ID = 2,
	DHCP4_RELAY_DOCSIS_CLASS = 4,        /* RFC 3256 */
	DHCP4_RELAY_LINK_SELECTION = 5,      /* RFC 3527 */
	DHCP4_RELAY_SUBSCRIBER_ID = 6,       /* RFC 3993 */
	DHCP4_RELAY_RADIUS = 7,              /* RFC 4014 */
	DHCP4_RELAY_AUTHENTICATION = 8,      /* RFC 4030 */
	DHCP4_RELAY_VENDOR = 9,              /* RFC 4243; laid out like option 124 */
	DHCP4_RELAY_FLAGS = 10,              /* RFC 5010 */
	DHCP4_RELAY_SERVER_ID_OVERRIDE = 11, /* RFC 5107 */
	DHCP4_RELAY_RELAY_ID = 12,           /* RFC 6925 */
	DHCP4_RELAY_ACCESS_TECHNOLOGY = 13,  /* RFC 7839; also 14 to 17 */
	DHCP4_RELAY_ACCESS_NETWORK = 14,
	DHCP4_RELAY_ACCESS_POINT = 15,
	DHCP4_RELAY_ACCESS_POINT_BSSID = 16,
	DHCP4_RELAY_OPERATOR_ID = 17,
	DHCP4_RELAY_OPERATOR_REALM = 18,
	DHCP4_RELAY_SOURCE_PORT = 19, /* RFC 8357 */
	DHCP4_RELAY_VSS = 151,        /* RFC 6607 */
	DHCP4_RELAY_VSS_CONTROL = 152,
};

/* "circuit-id"; NULL for a number that the registry does not name. */
const char *dhcp4_relay_name(uint8_t code);

/* Sub-options of 175 (ipxe.org/howto/dhcpd). */
enum dhcp4_ipxe_code {
	DHCP4_IPXE_PRIORITY = 1,
	DHCP4_IPXE_KEEP_SAN = 8,
	DHCP4_IPXE_SKIP_SAN_BOOT = 9,
	DHCP4_IPXE_HTTP = 19,
	DHCP4_IPXE_HTTPS = 20,
	DHCP4_IPXE_TFTP = 21,
	DHCP4_IPXE_BZIMAGE = 24,
	DHCP4_IPXE_MENU = 39,
	DHCP4_IPXE_EFI = 36,
	DHCP4_IPXE_NO_PXEDHCP = 176,
	DHCP4_IPXE_BUS_ID = 177,
	DHCP4_IPXE_VERSION = 235,
};

/* A value inside another one, borrowed. */
struct dhcp4_sub_value {
	const uint8_t *data;
	size_t size;
};

struct dhcp4_sub {
	const uint8_t *data;
	size_t size;
	size_t at;
	enum dhcp4_sub_kind kind;
	bool failed; /* a length pointed past the end */
};

/* Walk the sub-options of a value; `data` may be NULL if `size` is 0. */
void dhcp4_sub_init(struct dhcp4_sub *sub, enum dhcp4_sub_kind kind, const void *data, size_t size);

/* The next one, borrowed. false: the end, or a malformed rest (then sub->failed). Outputs untouched
 * on false. */
bool dhcp4_sub_next(
	struct dhcp4_sub *sub, uint8_t *ret_code, const uint8_t **ret_data, size_t *ret_size);

/* The first with this code, before any malformed rest. */
bool dhcp4_sub_find(enum dhcp4_sub_kind kind, const void *data, size_t size, uint8_t code,
	const uint8_t **ret_data, size_t *ret_size);

/* What the relay's option 82 says, all values borrowed; .data NULL: not there. Of a sub-option that
 * comes twice the first counts; what follows a malformed one is not read. */
struct dhcp4_relay_info {
	struct dhcp4_sub_value circuit_id;
	struct dhcp4_sub_value remote_id;
	struct dhcp4_sub_value subscriber_id;
	struct dhcp4_sub_value relay_id;
	struct dhcp4_sub_value vendor; /* for dhcp4_enterprise_init() */
	struct dhcp4_sub_value vss;    /* type, then what it says (RFC 6607 §3.5) */
	uint32_t link_selection;       /* 0: not there, or not of 4 bytes */
	uint32_t server_id_override;   /* likewise */
	bool has_flags;
	bool is_unicast;      /* the client's packet reached the relay by unicast (RFC 5010 §3) */
	bool has_source_port; /* answers go to the port that the relay sent from (RFC 8357 §5.2) */
	bool has_vss_control;
	bool is_malformed; /* a length pointed past the end, or a value has another size than it
			      must */
	unsigned repeated; /* sub-options that came more than once */
};

/* Total; `data` may be NULL if `size` is 0: then nothing is there. */
void dhcp4_relay_read(const void *data, size_t size, struct dhcp4_relay_info *ret_info);

/* Walk options 124, 125 and 82.9: an enterprise number, a length, that many bytes, again (RFC 3925
 * §3, RFC 4243 §3). */
struct dhcp4_enterprise {
	const uint8_t *data;
	size_t size;
	size_t at;
	bool failed; /* less than five bytes were left, or a length pointed past the end */
};

struct dhcp4_enterprise_value {
	uint32_t enterprise;
	const uint8_t *data; /* never NULL */
	size_t size;
};

/* `data` may be NULL if `size` is 0. */
void dhcp4_enterprise_init(struct dhcp4_enterprise *walk, const void *data, size_t size);

/* The next one, borrowed. false: the end, or a malformed rest (then walk->failed); output
 * untouched. */
bool dhcp4_enterprise_next(struct dhcp4_enterprise *walk, struct dhcp4_enterprise_value *ret_value);

/* Option 124 or 82.9: the first value of this enterprise before any malformed rest. */
bool dhcp4_enterprise_find(const void *data, size_t size, uint32_t enterprise,
	const uint8_t **ret_data, size_t *ret_size);

/* Option 125: the first sub-option with this code in any block of this enterprise, before any
 * malformed rest. */
bool dhcp4_enterprise_find_sub(const void *data, size_t size, uint32_t enterprise, uint8_t code,
	const uint8_t **ret_data, size_t *ret_size);

/* A value under construction. Zero-initialise it. Sticky: after a sub-option that did not fit,
 * `failed`. */
struct dhcp4_sub_builder {
	uint8_t data[255];
	size_t size;
	bool failed;
};

void dhcp4_sub_put(struct dhcp4_sub_builder *builder, uint8_t code, const void *data, size_t size);
void dhcp4_sub_put_u8(struct dhcp4_sub_builder *builder, uint8_t code, uint8_t value);
void dhcp4_sub_put_ip4(struct dhcp4_sub_builder *builder, uint8_t code, uint32_t address);

/* The closing 255 (Raspberry Pi's ROM wants it in option 43, FIELD 26). */
void dhcp4_sub_put_end(struct dhcp4_sub_builder *builder);

#endif
