/* The tables of keys. */
#include "ctl/site_key.h"

#include <assert.h>
#include <stddef.h>

#define DAY_S  86400u
#define YEAR_S (365u * DAY_S)

#define AT(type, field)   offsetof(Pxe__##type, field), 0
#define LIST(type, field) offsetof(Pxe__##type, field), offsetof(Pxe__##type, n_##field)
#define PLAIN             0, 0, 0, 0

#define LEASES(type)                                                                               \
	{"lease", SITE_SECONDS, AT(type, lease_s), 10, YEAR_S},                                    \
		{"lease_min", SITE_SECONDS, AT(type, lease_min_s), 10, YEAR_S},                    \
		{"lease_max", SITE_SECONDS, AT(type, lease_max_s), 10, YEAR_S},                    \
	{                                                                                          \
		"options", SITE_OPTIONS, LIST(type, options), 0, 0                                 \
	}
#define BOOT(type)                                                                                 \
	{                                                                                          \
		"boot", SITE_BOOT, offsetof(Pxe__##type, profile), 0, 0, 0                         \
	}
#define QUIRKS(type)                                                                               \
	{                                                                                          \
		"quirks", SITE_QUIRKS, AT(type, quirks), 0, 0                                      \
	}
#define VARS(type)                                                                                 \
	{                                                                                          \
		"vars", SITE_VARS, LIST(type, vars), 0, 0                                          \
	}

static const struct site_key cluster_keys[] = {
	{"name", SITE_NAME, AT(Settings, cluster), 0, 0},
	{"dhcp", SITE_DHCP, AT(Settings, dhcp), 0, 0},
	{"server_id", SITE_IP, AT(Settings, server_ip), 0, 0},
	{"domain", SITE_TEXT, AT(Settings, domain), 0, 0},
	{"dns", SITE_IPS, LIST(Settings, dns_ip), 0, 8},
	BOOT(Settings),
	LEASES(Settings),
	QUIRKS(Settings),
	VARS(Settings),
	{"mclt", SITE_SECONDS, AT(Settings, mclt_s), 10, DAY_S},
	{"offer", SITE_SECONDS, AT(Settings, offer_s), 5, 3600},
	{"decline", SITE_SECONDS, AT(Settings, decline_s), 1, 7 * DAY_S},
	{"reserve", SITE_PERCENT, AT(Settings, reserve_percent), 1, 90},
	{"probe", SITE_TOGGLE, AT(Settings, probe), 0, 0},
	{"known_percent", SITE_PERCENT, AT(Settings, known_percent), 1, 90},
	{"unknown_per_s", SITE_NUMBER, AT(Settings, unknown_per_s), 1, 1000000},
	{"syslog", SITE_TOGGLE, AT(Settings, syslog), 0, 0},
	{"loaders", SITE_LOADERS, LIST(Settings, loaders), 0, 0},
	{"service_ip", SITE_SERVICE_IP, PLAIN},
};

static const struct site_key subnet_keys[] = {
	{"name", SITE_NESTED, PLAIN},
	{"cidr", SITE_CIDR, PLAIN},
	{"gateway", SITE_IP, AT(Subnet, gateway_ip), 0, 0},
	{"dns", SITE_IPS, LIST(Subnet, dns_ip), 0, 8},
	{"domain", SITE_TEXT, AT(Subnet, domain), 0, 0},
	{"ntp", SITE_IPS, LIST(Subnet, ntp_ip), 0, 8},
	{"mtu", SITE_NUMBER, AT(Subnet, mtu), 576, 65535},
	{"shared_network", SITE_NAME, AT(Subnet, shared_network), 0, 0},
	{"dhcp", SITE_SUBNET_DHCP, AT(Subnet, dhcp), 0, 0},
	BOOT(Subnet),
	LEASES(Subnet),
	QUIRKS(Subnet),
	VARS(Subnet),
	{"pools", SITE_NESTED, PLAIN},
	{"dhcpv6", SITE_DHCPV6, PLAIN},
};

static const struct site_key pool_keys[] = {
	{"name", SITE_NESTED, PLAIN},
	{"range", SITE_RANGE, PLAIN},
	{"exclude", SITE_EXCLUDE, PLAIN},
	{"only", SITE_NAMES, LIST(Pool, only), 0, 32},
	{"except", SITE_NAMES, LIST(Pool, except), 0, 32},
	LEASES(Pool),
};

static const struct site_key group_keys[] = {
	{"name", SITE_NESTED, PLAIN},
	{"order", SITE_NUMBER, AT(Group, order), 0, 1000000},
	{"match", SITE_MATCH, AT(Group, match), 0, 0},
	{"ignore", SITE_BOOL, AT(Group, ignore), 0, 0},
	BOOT(Group),
	LEASES(Group),
	QUIRKS(Group),
	VARS(Group),
};

static const struct site_key profile_keys[] = {
	{"name", SITE_NESTED, PLAIN},
	{"image", SITE_TEXT, AT(Profile, image), 0, 0},
	{"kernel", SITE_TEXT, AT(Profile, kernel), 0, 0},
	{"initrd", SITE_PATHS, LIST(Profile, initrd), 0, 16},
	{"args", SITE_ARGS, AT(Profile, args), 0, 0},
	{"nbp", SITE_LOADERS, LIST(Profile, loaders), 0, 0},
	{"chain", SITE_CHAIN, AT(Profile, chain), 0, 0},
	{"script", SITE_SCRIPT, AT(Profile, script), 0, 0},
	{"grub_script", SITE_SCRIPT, AT(Profile, grub_script), 0, 0},
	{"pxelinux_script", SITE_SCRIPT, AT(Profile, pxelinux_script), 0, 0},
	{"local", SITE_BOOL, AT(Profile, local), 0, 0},
	{"own_ipxe", SITE_BOOL, AT(Profile, own_ipxe), 0, 0},
	{"menu", SITE_MENU, AT(Profile, menu), 0, 0},
	{"templates", SITE_TEMPLATES, LIST(Profile, templates), 0, 0},
	VARS(Profile),
};

static const struct site_key host_keys[] = {
	{"name", SITE_NESTED, PLAIN},
	{"mac", SITE_MACS, LIST(Host, mac), 0, 16},
	{"uuid", SITE_UUID, AT(Host, uuid), 0, 0},
	{"client_id", SITE_IDENTITIES, LIST(Host, client_id), 0, 16},
	{"circuit_id", SITE_IDENTITIES, LIST(Host, circuit_id), 0, 16},
	{"ip", SITE_HOST_IP, PLAIN},
	{"hostname", SITE_NAME, AT(Host, hostname), 0, 0},
	{"groups", SITE_NAMES, LIST(Host, groups), 0, 32},
	BOOT(Host),
	{"once", SITE_ONCE, PLAIN},
	LEASES(Host),
	QUIRKS(Host),
	VARS(Host),
	{"ignore", SITE_BOOL, AT(Host, ignore), 0, 0},
};

static const struct site_key image_keys[] = {
	{"name", SITE_NESTED, PLAIN},
	{"from", SITE_FROM, PLAIN},
	{"digest", SITE_DIGEST, PLAIN},
};

#define TABLE(array) array, sizeof array / sizeof array[0]

static const struct {
	const struct site_key *keys;
	size_t count;
	const ProtobufCMessageDescriptor *type;
} tables[SITE_KINDS] = {
	[SITE_CLUSTER] = {TABLE(cluster_keys), &pxe__settings__descriptor},
	[SITE_PROFILE] = {TABLE(profile_keys), &pxe__profile__descriptor},
	[SITE_GROUP] = {TABLE(group_keys), &pxe__group__descriptor},
	[SITE_SUBNET] = {TABLE(subnet_keys), &pxe__subnet__descriptor},
	[SITE_POOL] = {TABLE(pool_keys), &pxe__pool__descriptor},
	[SITE_HOST] = {TABLE(host_keys), &pxe__host__descriptor},
	[SITE_IMAGE] = {TABLE(image_keys), &pxe__image__descriptor},
};

const struct site_key *site_keys(enum site_kind kind, size_t *ret_count)
{
	assert(kind < SITE_KINDS);
	*ret_count = tables[kind].count;
	return tables[kind].keys;
}

const ProtobufCMessageDescriptor *site_type(enum site_kind kind)
{
	assert(kind < SITE_KINDS);
	return tables[kind].type;
}

void *site_field(const ProtobufCMessage *message, size_t offset)
{
	return (char *)(uintptr_t)message + offset;
}
