/* proto/wire/dhcp4.h: the DHCPv4 and BOOTP message as it arrives: decoding and typed access to its
 * options.
 *
 * Pure: no heap, no I/O, no policy. A message borrows the packet's bytes, which must outlive it;
 * only options that came in several pieces (RFC 3396) are joined, inside the message itself, so a
 * message may be copied as a plain struct. Option overload (option 52, RFC 2132 §9.3) is hidden: an
 * option found in `file` or `sname` reads like any other, and the overloaded field then reads as
 * the empty string.
 *
 * IPv4 addresses are uint32_t in host order everywhere (10.0.0.1 is 0x0a000001).
 * Building a message: dhcp4_build.h. Names of options, message types and architectures:
 * dhcp4_names.h.
 */
#ifndef PROTO_WIRE_DHCP4_H
#define PROTO_WIRE_DHCP4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP4_SERVER_PORT 67
#define DHCP4_CLIENT_PORT 68
#define DHCP4_PXE_PORT    4011 /* the PXE boot server's port */

#define DHCP4_HEADER_BYTES 240   /* fixed fields and magic cookie */
#define DHCP4_PACKET_MAX   16384 /* longer packets are refused */
#define DHCP4_JOINED_MAX   2048  /* room for all options that came in pieces, together */
#define DHCP4_CHADDR_MAX   16
#define DHCP4_SNAME_BYTES  64
#define DHCP4_FILE_BYTES   128
#define DHCP4_UUID_BYTES   16

#define DHCP4_FLAG_BROADCAST 0x8000

enum dhcp4_op { DHCP4_BOOTREQUEST = 1, DHCP4_BOOTREPLY = 2 };

/* Option 53; DHCP4_BOOTP stands for a message without it (RFC 1534). */
enum dhcp4_type {
	DHCP4_BOOTP = 0,
	DHCP4_DISCOVER = 1,
	DHCP4_OFFER = 2,
	DHCP4_REQUEST = 3,
	DHCP4_DECLINE = 4,
	DHCP4_ACK = 5,
	DHCP4_NAK = 6,
	DHCP4_RELEASE = 7,
	DHCP4_INFORM = 8,
	DHCP4_FORCERENEW = 9,
	DHCP4_LEASEQUERY = 10,
	DHCP4_LEASEUNASSIGNED = 11,
	DHCP4_LEASEUNKNOWN = 12,
	DHCP4_LEASEACTIVE = 13,
};

/* Option codes that the code names; all others have their number (and a name in dhcp4_names.h). */
enum dhcp4_code {
	DHCP4_PAD = 0,
	DHCP4_SUBNET_MASK = 1,
	DHCP4_TIME_OFFSET = 2,
	DHCP4_ROUTERS = 3,
	DHCP4_DNS_SERVERS = 6,
	DHCP4_LOG_SERVERS = 7,
	DHCP4_HOST_NAME = 12,
	DHCP4_DOMAIN_NAME = 15,
	DHCP4_ROOT_PATH = 17,
	DHCP4_INTERFACE_MTU = 26,
	DHCP4_BROADCAST_ADDRESS = 28,
	DHCP4_NTP_SERVERS = 42,
	DHCP4_VENDOR_INFO = 43, /* PXE sub-options: dhcp4_sub.h */
	DHCP4_REQUESTED_ADDRESS = 50,
	DHCP4_LEASE_SECONDS = 51,
	DHCP4_OVERLOAD = 52,
	DHCP4_MESSAGE_TYPE = 53,
	DHCP4_SERVER_ID = 54,
	DHCP4_PARAMETER_LIST = 55,
	DHCP4_MESSAGE_TEXT = 56,
	DHCP4_MAX_MESSAGE_BYTES = 57,
	DHCP4_RENEWAL_SECONDS = 58,   /* T1 */
	DHCP4_REBINDING_SECONDS = 59, /* T2 */
	DHCP4_VENDOR_CLASS = 60,
	DHCP4_CLIENT_ID = 61,
	DHCP4_TFTP_SERVER = 66,
	DHCP4_BOOT_FILE = 67,
	DHCP4_USER_CLASS = 77,
	DHCP4_RAPID_COMMIT = 80,
	DHCP4_CLIENT_FQDN = 81,
	DHCP4_RELAY_AGENT_INFO = 82,
	DHCP4_CLIENT_ARCH = 93,
	DHCP4_CLIENT_NDI = 94,
	DHCP4_CLIENT_UUID = 97,
	DHCP4_V6ONLY_SECONDS = 108,
	DHCP4_DOMAIN_SEARCH = 119,
	DHCP4_CLASSLESS_ROUTES = 121,
	DHCP4_PATH_PREFIX = 210,
	DHCP4_IPXE = 175, /* iPXE's encapsulated options */
	DHCP4_END = 255,
};

/* Why a packet is no message. Every reason is counted apart by the receiver; names in
 * dhcp4_reason_name(). */
enum dhcp4_reason {
	DHCP4_OK = 0,
	DHCP4_SHORT,            /* fewer bytes than the fixed header */
	DHCP4_LONG,             /* more than DHCP4_PACKET_MAX */
	DHCP4_BAD_OP,           /* neither BOOTREQUEST nor BOOTREPLY */
	DHCP4_BAD_HLEN,         /* hardware address longer than its field */
	DHCP4_NO_COOKIE,        /* not RFC 1497 vendor information */
	DHCP4_OPTION_TRUNCATED, /* an option's length points past the end of its field */
	DHCP4_BAD_OVERLOAD, /* option 52 with a length other than 1 or a value other than 1, 2, 3 */
	DHCP4_BAD_TYPE,     /* option 53 with a length other than 1, or of type 0 */
	DHCP4_JOINED_LONG,  /* options in pieces that exceed DHCP4_JOINED_MAX together */
	DHCP4_REASON_COUNT,
};

/* The fixed fields (RFC 2131 §2), for decoding and for building. */
struct dhcp4_header {
	uint8_t op;
	uint8_t htype; /* 1: Ethernet */
	uint8_t hlen;  /* bytes used of chaddr, 0 to 16 (16 with htype 1: a UUID, FIELD 22) */
	uint8_t hops;
	uint32_t xid;
	uint16_t secs; /* seconds since the client began; some clients send it byte-swapped */
	uint16_t flags;
	uint32_t ciaddr;
	uint32_t yiaddr;
	uint32_t siaddr;
	uint32_t giaddr;
	uint8_t chaddr[DHCP4_CHADDR_MAX];  /* all 16 bytes, also those past hlen */
	char sname[DHCP4_SNAME_BYTES + 1]; /* NUL-terminated */
	char file[DHCP4_FILE_BYTES + 1];   /* NUL-terminated */
};

/* Where one option's value lies; at 0: absent. Private to dhcp4.c. */
struct dhcp4_slot {
	uint16_t at; /* below DHCP4_PACKET_MAX: offset in the packet; else that much more than an
			offset in joined */
	uint16_t size;
};

struct dhcp4_message {
	struct dhcp4_header header;
	enum dhcp4_type type; /* may be a number that the enum does not name */
	const uint8_t *packet;
	size_t packet_bytes;
	struct dhcp4_slot slot[256];
	uint8_t joined[DHCP4_JOINED_MAX];
};

/* A run of bytes inside a message. */
struct dhcp4_bytes {
	const uint8_t *data;
	size_t size;
};

/* Decode `size` bytes at `packet`, which must outlive the message. Total: every input gets a
 * verdict. The message has a meaning only after DHCP4_OK. An options field without END is taken as
 * complete (old ROMs); bytes after END are not read. An option that appears twice is joined (RFC
 * 3396), also across options, file and sname, in this order. */
__attribute__((warn_unused_result)) enum dhcp4_reason dhcp4_decode(
	const void *packet, size_t size, struct dhcp4_message *ret_message);

/* A constant text, "option truncated" and the like. */
const char *dhcp4_reason_name(enum dhcp4_reason reason);

/* Is the option there, with any length? */
bool dhcp4_has(const struct dhcp4_message *message, uint8_t code);

/* The option's value, borrowed (valid as long as the message and its packet). false: absent,
 * outputs untouched. Either output may be NULL. */
bool dhcp4_option(const struct dhcp4_message *message, uint8_t code, const uint8_t **ret_data,
	size_t *ret_size);

/* Values of exactly 1, 2 or 4 bytes. false: absent or of another length, output untouched. */
bool dhcp4_u8(const struct dhcp4_message *message, uint8_t code, uint8_t *ret);
bool dhcp4_u16(const struct dhcp4_message *message, uint8_t code, uint16_t *ret);
bool dhcp4_u32(const struct dhcp4_message *message, uint8_t code, uint32_t *ret);
bool dhcp4_ip4(const struct dhcp4_message *message, uint8_t code, uint32_t *ret);

/* The first `capacity` entries of a list; returns how many were stored: 0 if absent, empty, or not
 * a multiple of the entry's size. */
size_t dhcp4_ip4_list(
	const struct dhcp4_message *message, uint8_t code, uint32_t *ret, size_t capacity);
size_t dhcp4_u16_list(
	const struct dhcp4_message *message, uint8_t code, uint16_t *ret, size_t capacity);

/* The value as a C string, trailing NULs stripped (FIELD 9), copied with its NUL into `ret`. false:
 * absent, a NUL in the middle, or no room; output untouched. Other bytes are not judged: check
 * before printing. */
bool dhcp4_string(const struct dhcp4_message *message, uint8_t code, char *ret, size_t capacity);

/* Did the client end this string option with a NUL (then answers do the same, FIELD 9)? */
bool dhcp4_string_has_nul(const struct dhcp4_message *message, uint8_t code);

/* Does the parameter request list (55) name the option? A client without such a list wants
 * everything (FIELD 6): true for every code. */
bool dhcp4_wants(const struct dhcp4_message *message, uint8_t code);

/* The machine's UUID as sent, from option 97 of type 0 (RFC 4578 §2.3) or from a chaddr of 16 bytes
 * (FIELD 22). */
bool dhcp4_uuid(const struct dhcp4_message *message, uint8_t ret_uuid[DHCP4_UUID_BYTES]);

/* Client architectures, option 93, in the order sent (FIELD 24); same returns as dhcp4_u16_list. */
size_t dhcp4_archs(const struct dhcp4_message *message, uint16_t *ret, size_t capacity);

/* User classes, option 77, of both encodings: the list of RFC 3004 and one raw string (iPXE's,
 * FIELD 11). Trailing NULs are stripped from each. Returns how many of at most `capacity` were
 * stored, borrowed. */
size_t dhcp4_user_classes(
	const struct dhcp4_message *message, struct dhcp4_bytes *ret, size_t capacity);
bool dhcp4_has_user_class(const struct dhcp4_message *message, const char *name);

/* Does option 60 begin with `prefix` ("PXEClient", "HTTPClient")? */
bool dhcp4_vendor_class_begins(const struct dhcp4_message *message, const char *prefix);

/* How long an answer to `request` may be, in bytes of BOOTP message: option 57 less IP and UDP
 * header (FIELD 7), never below 548 (RFC 2131 §2) and never above `capacity`. */
size_t dhcp4_reply_limit(const struct dhcp4_message *request, size_t capacity);

#endif
