/* proto/wire/dhcp4_sub.h: options inside an option: PXE's 43, the relay's 82, iPXE's 175.
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

/* Sub-options of 82 (RFC 3046, 3527, 5107). */
enum dhcp4_relay_code {
	DHCP4_RELAY_CIRCUIT_ID = 1,
	DHCP4_RELAY_REMOTE_ID = 2,
	DHCP4_RELAY_LINK_SELECTION = 5,
	DHCP4_RELAY_SERVER_ID_OVERRIDE = 11,
};

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
