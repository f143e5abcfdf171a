/* ctl/import_option.h: DHCP options of other servers' configurations: their names there, and their
 * values as bytes and as texts of the site file. Pure.
 */
#ifndef CTL_IMPORT_OPTION_H
#define CTL_IMPORT_OPTION_H

#include "ctl/import.h"

#define IMPORT_OPTION_BYTES 4096

enum import_type {
	IMPORT_HEX, /* pairs of digits, with or without ':' or "0x" */
	IMPORT_FLAG,
	IMPORT_U8, /* one or several */
	IMPORT_U16,
	IMPORT_U32,
	IMPORT_IP, /* one or several */
	IMPORT_STRING,
	IMPORT_DOMAINS, /* RFC 1035 names, RFC 3397 without compression */
	IMPORT_ROUTES,  /* RFC 3442: NET/LEN, ROUTER, NET/LEN, ROUTER ... */
	IMPORT_GUESS,   /* by the looks of the words, as dnsmasq does for options that it does not
			   know */
};

enum import_space { IMPORT_DHCP, IMPORT_VENDOR, IMPORT_VIVSO };

struct import_option {
	unsigned code;
	enum import_space space;
	uint32_t enterprise; /* IMPORT_VIVSO */
	bool always;         /* also to machines that do not ask for it */
};

struct import_bytes {
	size_t size;
	uint8_t data[IMPORT_OPTION_BYTES];
};

/* The code of a name that dnsmasq, dhcpd, Kea or this project uses; 0: none of them. */
unsigned import_option_code(const char *name, enum import_type *ret_type);
enum import_type import_option_type(unsigned code);

/* The words as bytes of that type at the end of *bytes. 0; -EINVAL (*ret_why: which word and why),
 * -E2BIG. */
int import_encode(struct import *im, enum import_type type, const char *const *words, size_t count,
	struct import_bytes *bytes, const char **ret_why);

/* Put an option into the `options` of a subnet, pool, group, host or of the cluster; the node that
 * it became. Where the object has a field of its own for it (a subnet's gateway), there. */
struct import_node *import_put_option(struct import *im, struct import_node *object,
	const struct import_option *option, const struct import_bytes *bytes);

#endif
