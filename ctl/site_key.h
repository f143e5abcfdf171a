/* ctl/site_key.h: the keys of a site file: one table for each kind of object drives reading,
 * writing and comparing.
 *
 * Pure, but that scripts and templates may be files.
 */
#ifndef CTL_SITE_KEY_H
#define CTL_SITE_KEY_H

#include "ctl/import.h"
#include "ctl/site.h"

/* What stands behind a key, and what field it goes to. */
enum site_value {
	SITE_TEXT,       /* char * */
	SITE_NAME,       /* char *: name of an object */
	SITE_IP,         /* bytes */
	SITE_IPS,        /* list of bytes */
	SITE_SECONDS,    /* uint32_t, min to max */
	SITE_NUMBER,     /* uint32_t, min to max */
	SITE_PERCENT,    /* uint32_t, min to max */
	SITE_BOOL,       /* protobuf_c_boolean */
	SITE_TOGGLE,     /* enum Toggle */
	SITE_NAMES,      /* list of char * */
	SITE_PATHS,      /* the same */
	SITE_ARGS,       /* char *, of a text or a list */
	SITE_OPTIONS,    /* list of Option */
	SITE_VARS,       /* list of Variable */
	SITE_QUIRKS,     /* Quirks * */
	SITE_BOOT,       /* char *, and list of ArchProfile (at2 is its count's) */
	SITE_LOADERS,    /* list of Loader */
	SITE_MACS,       /* list of bytes */
	SITE_UUID,       /* bytes */
	SITE_IDENTITIES, /* list of bytes */
	SITE_HOST_IP,    /* Host.ip, Host.more_ip */
	SITE_CIDR,       /* Subnet.network_ip, Subnet.prefix_len */
	SITE_SUBNET_DHCP,
	SITE_DHCP,
	SITE_RANGE,   /* Pool.first_ip, Pool.last_ip */
	SITE_EXCLUDE, /* Pool.exclude */
	SITE_MATCH,   /* Group.match */
	SITE_MENU,    /* Profile.menu */
	SITE_CHAIN,
	SITE_SCRIPT,    /* char *, perhaps of a file */
	SITE_TEMPLATES, /* Profile.templates */
	SITE_ONCE,      /* of struct site_object */
	SITE_FROM,      /* of struct site_object */
	SITE_DIGEST,    /* of struct site_object */
	SITE_NESTED,    /* read elsewhere: name, pools */
	SITE_DHCPV6,    /* not there yet: says so */
	SITE_SERVICE_IP,
};

struct site_key {
	const char *name;
	enum site_value value;
	size_t at, at2; /* offset of the field; of a list's count */
	uint32_t min, max;
};

const struct site_key *site_keys(enum site_kind kind, size_t *ret_count);
const ProtobufCMessageDescriptor *site_type(enum site_kind kind);

/* Put the value of a key into the object, in place of what it had; errors are told, with the
 * object marked as broken. */
void site_value_read(struct site *site, const struct site_key *key, const struct yaml_node *value,
	struct site_object *object);
/* The other way: `key` into the map, unless the field is as by default. */
void site_value_write(struct import *im, struct import_node *map, const struct site_key *key,
	const ProtobufCMessage *message);

/* site_value_list.c: values of several parts. */
void site_read_boot(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key);
void site_read_options(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key);
void site_read_vars(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key);
void site_read_quirks(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key);
void site_read_loaders(struct site *site, const struct yaml_node *value, struct site_object *object,
	const struct site_key *key);
void site_read_match(struct site *site, const struct yaml_node *value, struct site_object *object);
void site_read_menu(struct site *site, const struct yaml_node *value, struct site_object *object);
void site_read_templates(
	struct site *site, const struct yaml_node *value, struct site_object *object);
void site_read_once(struct site *site, const struct yaml_node *value, struct site_object *object);

/* Small ones, all told if they are wrong. An error marks the object as broken. */
void site_bad(struct site *site, struct site_object *object, const struct yaml_node *node,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A text; NULL after telling. */
const char *site_get_text(
	struct site *site, struct site_object *object, const struct yaml_node *node);
bool site_get_ip(struct site *site, struct site_object *object, const struct yaml_node *node,
	uint32_t *ret_ip);
bool site_get_bool(struct site *site, struct site_object *object, const struct yaml_node *node,
	bool *ret_value);
bool site_get_number(struct site *site, struct site_object *object, const struct yaml_node *node,
	uint32_t min, uint32_t max, uint32_t *ret_value);
bool site_get_seconds(struct site *site, struct site_object *object, const struct yaml_node *node,
	uint32_t min, uint32_t max, uint32_t *ret_value);
/* The items of a list, or the value itself as the only one: first, then each next; *iterator
 * starts as NULL. An empty value has none. NULL: no more, or a map, which is told. */
const struct yaml_node *site_next_item(struct site *site, struct site_object *object,
	const struct yaml_node *value, const struct yaml_node **iterator);
/* Is it a map? Else it is told what to write. */
bool site_is_map(struct site *site, struct site_object *object, const struct yaml_node *node,
	const char *example);
/* A key that is none of these, with a suggestion. */
void site_unknown_key(struct site *site, struct site_object *object, const struct yaml_node *key,
	const char *const *names, size_t count);
bool site_check_arch(struct site *site, struct site_object *object, const struct yaml_node *node,
	const char *text);
/* A text, or a file of it; remembered for the check of templates. NULL after telling. */
const char *site_get_script(struct site *site, struct site_object *object,
	const struct yaml_node *node, const char *what);
void *site_field(const ProtobufCMessage *message, size_t offset);

#endif
