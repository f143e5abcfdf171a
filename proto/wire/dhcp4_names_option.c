/* Options by number and by name. Sources: the IANA registry "BOOTP Vendor Extensions and DHCP
 * Options" and the RFCs it names; private use (224-254) as far as everybody means the same by it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/wire/dhcp4_names.h"

/* In the order of codes. */
static const struct dhcp4_option_info option_table[] = {
	{1, DHCP4_FORMAT_MASK, "subnet-mask"},
	{2, DHCP4_FORMAT_S32, "time-offset"},
	{3, DHCP4_FORMAT_IP4_LIST, "routers"},
	{4, DHCP4_FORMAT_IP4_LIST, "time-servers"},
	{5, DHCP4_FORMAT_IP4_LIST, "name-servers"},
	{6, DHCP4_FORMAT_IP4_LIST, "dns-servers"},
	{7, DHCP4_FORMAT_IP4_LIST, "log-servers"},
	{8, DHCP4_FORMAT_IP4_LIST, "cookie-servers"},
	{9, DHCP4_FORMAT_IP4_LIST, "lpr-servers"},
	{10, DHCP4_FORMAT_IP4_LIST, "impress-servers"},
	{11, DHCP4_FORMAT_IP4_LIST, "resource-location-servers"},
	{12, DHCP4_FORMAT_TEXT, "host-name"},
	{13, DHCP4_FORMAT_U16, "boot-file-blocks"},
	{14, DHCP4_FORMAT_TEXT, "merit-dump"},
	{15, DHCP4_FORMAT_TEXT, "domain-name"},
	{16, DHCP4_FORMAT_IP4, "swap-server"},
	{17, DHCP4_FORMAT_TEXT, "root-path"},
	{18, DHCP4_FORMAT_TEXT, "extensions-path"},
	{19, DHCP4_FORMAT_FLAG, "ip-forwarding"},
	{20, DHCP4_FORMAT_FLAG, "non-local-source-routing"},
	{21, DHCP4_FORMAT_IP4_PAIRS, "policy-filter"},
	{22, DHCP4_FORMAT_U16, "max-dgram-reassembly"},
	{23, DHCP4_FORMAT_U8, "default-ip-ttl"},
	{24, DHCP4_FORMAT_SECONDS, "path-mtu-aging-timeout"},
	{25, DHCP4_FORMAT_U16_LIST, "path-mtu-plateau-table"},
	{26, DHCP4_FORMAT_U16, "interface-mtu"},
	{27, DHCP4_FORMAT_FLAG, "all-subnets-local"},
	{28, DHCP4_FORMAT_IP4, "broadcast-address"},
	{29, DHCP4_FORMAT_FLAG, "perform-mask-discovery"},
	{30, DHCP4_FORMAT_FLAG, "mask-supplier"},
	{31, DHCP4_FORMAT_FLAG, "router-discovery"},
	{32, DHCP4_FORMAT_IP4, "router-solicitation-address"},
	{33, DHCP4_FORMAT_IP4_PAIRS, "static-routes"},
	{34, DHCP4_FORMAT_FLAG, "trailer-encapsulation"},
	{35, DHCP4_FORMAT_SECONDS, "arp-cache-timeout"},
	{36, DHCP4_FORMAT_FLAG, "ieee802-3-encapsulation"},
	{37, DHCP4_FORMAT_U8, "default-tcp-ttl"},
	{38, DHCP4_FORMAT_SECONDS, "tcp-keepalive-interval"},
	{39, DHCP4_FORMAT_FLAG, "tcp-keepalive-garbage"},
	{40, DHCP4_FORMAT_TEXT, "nis-domain"},
	{41, DHCP4_FORMAT_IP4_LIST, "nis-servers"},
	{42, DHCP4_FORMAT_IP4_LIST, "ntp-servers"},
	{43, DHCP4_FORMAT_BYTES, "vendor-info"},
	{44, DHCP4_FORMAT_IP4_LIST, "netbios-name-servers"},
	{45, DHCP4_FORMAT_IP4_LIST, "netbios-dd-servers"},
	{46, DHCP4_FORMAT_U8, "netbios-node-type"},
	{47, DHCP4_FORMAT_TEXT, "netbios-scope"},
	{48, DHCP4_FORMAT_IP4_LIST, "font-servers"},
	{49, DHCP4_FORMAT_IP4_LIST, "x-display-managers"},
	{50, DHCP4_FORMAT_IP4, "requested-address"},
	{51, DHCP4_FORMAT_SECONDS, "lease-time"},
	{52, DHCP4_FORMAT_U8, "option-overload"},
	{53, DHCP4_FORMAT_U8, "message-type"},
	{54, DHCP4_FORMAT_IP4, "server-identifier"},
	{55, DHCP4_FORMAT_U8_LIST, "parameter-request-list"},
	{56, DHCP4_FORMAT_TEXT, "message"},
	{57, DHCP4_FORMAT_U16, "max-message-size"},
	{58, DHCP4_FORMAT_SECONDS, "renewal-time"},
	{59, DHCP4_FORMAT_SECONDS, "rebinding-time"},
	{60, DHCP4_FORMAT_TEXT, "vendor-class"},
	{61, DHCP4_FORMAT_BYTES, "client-id"},
	{62, DHCP4_FORMAT_TEXT, "nwip-domain"},
	{63, DHCP4_FORMAT_BYTES, "nwip-info"},
	{64, DHCP4_FORMAT_TEXT, "nisplus-domain"},
	{65, DHCP4_FORMAT_IP4_LIST, "nisplus-servers"},
	{66, DHCP4_FORMAT_TEXT, "tftp-server"},
	{67, DHCP4_FORMAT_TEXT, "boot-file"},
	{68, DHCP4_FORMAT_IP4_LIST, "mobile-ip-home-agents"},
	{69, DHCP4_FORMAT_IP4_LIST, "smtp-servers"},
	{70, DHCP4_FORMAT_IP4_LIST, "pop3-servers"},
	{71, DHCP4_FORMAT_IP4_LIST, "nntp-servers"},
	{72, DHCP4_FORMAT_IP4_LIST, "www-servers"},
	{73, DHCP4_FORMAT_IP4_LIST, "finger-servers"},
	{74, DHCP4_FORMAT_IP4_LIST, "irc-servers"},
	{75, DHCP4_FORMAT_IP4_LIST, "streettalk-servers"},
	{76, DHCP4_FORMAT_IP4_LIST, "streettalk-directory-servers"},
	{77, DHCP4_FORMAT_CLASSES, "user-class"},
	{78, DHCP4_FORMAT_BYTES, "slp-directory-agents"},
	{79, DHCP4_FORMAT_BYTES, "slp-service-scope"},
	{80, DHCP4_FORMAT_EMPTY, "rapid-commit"},
	{81, DHCP4_FORMAT_BYTES, "client-fqdn"},
	{82, DHCP4_FORMAT_BYTES, "relay-agent-info"},
	{83, DHCP4_FORMAT_BYTES, "isns"},
	{85, DHCP4_FORMAT_IP4_LIST, "nds-servers"},
	{86, DHCP4_FORMAT_TEXT, "nds-tree-name"},
	{87, DHCP4_FORMAT_TEXT, "nds-context"},
	{88, DHCP4_FORMAT_DOMAIN_LIST, "bcmcs-domains"},
	{89, DHCP4_FORMAT_IP4_LIST, "bcmcs-addresses"},
	{90, DHCP4_FORMAT_BYTES, "authentication"},
	{91, DHCP4_FORMAT_SECONDS, "client-last-transaction-time"},
	{92, DHCP4_FORMAT_IP4_LIST, "associated-addresses"},
	{93, DHCP4_FORMAT_U16_LIST, "client-arch"},
	{94, DHCP4_FORMAT_BYTES, "client-ndi"},
	{95, DHCP4_FORMAT_TEXT, "ldap"},
	{97, DHCP4_FORMAT_BYTES, "client-uuid"},
	{98, DHCP4_FORMAT_TEXT, "user-authentication"},
	{99, DHCP4_FORMAT_BYTES, "geoconf-civic"},
	{100, DHCP4_FORMAT_TEXT, "posix-timezone"},
	{101, DHCP4_FORMAT_TEXT, "tzdb-timezone"},
	{108, DHCP4_FORMAT_SECONDS, "v6only-preferred"},
	{109, DHCP4_FORMAT_BYTES, "dhcp4o6-source-address"},
	{112, DHCP4_FORMAT_IP4_LIST, "netinfo-addresses"},
	{113, DHCP4_FORMAT_TEXT, "netinfo-tag"},
	{114, DHCP4_FORMAT_TEXT, "captive-portal"},
	{116, DHCP4_FORMAT_FLAG, "auto-configure"},
	{117, DHCP4_FORMAT_U16_LIST, "name-service-search"},
	{118, DHCP4_FORMAT_IP4, "subnet-selection"},
	{119, DHCP4_FORMAT_SEARCH_LIST, "domain-search"},
	{120, DHCP4_FORMAT_SIP, "sip-servers"},
	{121, DHCP4_FORMAT_ROUTES, "classless-static-routes"},
	{122, DHCP4_FORMAT_BYTES, "cablelabs-client-configuration"},
	{123, DHCP4_FORMAT_BYTES, "geoconf"},
	{124, DHCP4_FORMAT_VIVCO, "vivco"},
	{125, DHCP4_FORMAT_VIVSO, "vivso"},
	{128, DHCP4_FORMAT_BYTES, "pxe-128"},
	{129, DHCP4_FORMAT_BYTES, "pxe-129"},
	{130, DHCP4_FORMAT_BYTES, "pxe-130"},
	{131, DHCP4_FORMAT_BYTES, "pxe-131"},
	{132, DHCP4_FORMAT_BYTES, "pxe-132"},
	{133, DHCP4_FORMAT_BYTES, "pxe-133"},
	{134, DHCP4_FORMAT_BYTES, "pxe-134"},
	{135, DHCP4_FORMAT_BYTES, "pxe-135"},
	{136, DHCP4_FORMAT_IP4_LIST, "pana-agents"},
	{137, DHCP4_FORMAT_DOMAIN, "lost-server"},
	{138, DHCP4_FORMAT_IP4_LIST, "capwap-controllers"},
	{139, DHCP4_FORMAT_BYTES, "mos-addresses"},
	{140, DHCP4_FORMAT_BYTES, "mos-domains"},
	{141, DHCP4_FORMAT_DOMAIN_LIST, "sip-ua-config-domains"},
	{142, DHCP4_FORMAT_IP4_LIST, "andsf-addresses"},
	{143, DHCP4_FORMAT_BYTES, "sztp-redirect"},
	{144, DHCP4_FORMAT_BYTES, "geoloc"},
	{145, DHCP4_FORMAT_U8_LIST, "forcerenew-nonce-capable"},
	{146, DHCP4_FORMAT_BYTES, "rdnss-selection"},
	{147, DHCP4_FORMAT_DOMAIN, "dots-agent"},
	{148, DHCP4_FORMAT_IP4_LIST, "dots-addresses"},
	{150, DHCP4_FORMAT_IP4_LIST, "tftp-server-address"},
	{151, DHCP4_FORMAT_BYTES, "status-code"},
	{152, DHCP4_FORMAT_U32, "base-time"},
	{153, DHCP4_FORMAT_SECONDS, "start-time-of-state"},
	{154, DHCP4_FORMAT_U32, "query-start-time"},
	{155, DHCP4_FORMAT_U32, "query-end-time"},
	{156, DHCP4_FORMAT_U8, "dhcp-state"},
	{157, DHCP4_FORMAT_U8, "data-source"},
	{158, DHCP4_FORMAT_BYTES, "pcp-servers"},
	{159, DHCP4_FORMAT_BYTES, "port-parameters"},
	{161, DHCP4_FORMAT_TEXT, "mud-url"},
	{162, DHCP4_FORMAT_BYTES, "encrypted-dns"},
	{175, DHCP4_FORMAT_BYTES, "ipxe"},
	{176, DHCP4_FORMAT_TEXT, "ip-telephone"},
	{177, DHCP4_FORMAT_BYTES, "packetcable"},
	{208, DHCP4_FORMAT_U32, "pxelinux-magic"},
	{209, DHCP4_FORMAT_TEXT, "pxelinux-config-file"},
	{210, DHCP4_FORMAT_TEXT, "pxelinux-path-prefix"},
	{211, DHCP4_FORMAT_SECONDS, "pxelinux-reboot-time"},
	{212, DHCP4_FORMAT_BYTES, "6rd"},
	{213, DHCP4_FORMAT_DOMAIN, "access-network-domain"},
	{220, DHCP4_FORMAT_BYTES, "subnet-allocation"},
	{221, DHCP4_FORMAT_BYTES, "virtual-subnet-selection"},
	{249, DHCP4_FORMAT_ROUTES, "ms-classless-static-routes"},
	{252, DHCP4_FORMAT_TEXT, "wpad"},
};
#define OPTION_COUNT (sizeof option_table / sizeof option_table[0])

/* What else people call them, in the order of codes: dnsmasq, then ISC dhcpd and Kea. */
static const struct option_synonym {
	uint8_t code;
	const char *name;
} option_synonyms[] = {
	{1, "netmask"},
	{3, "router"},
	{4, "time-server"},
	{5, "name-server"},
	{5, "ien116-name-servers"},
	{6, "dns-server"},
	{6, "domain-name-servers"},
	{7, "log-server"},
	{8, "cookie-server"},
	{9, "lpr-server"},
	{12, "hostname"},
	{13, "boot-file-size"},
	{13, "boot-size"},
	{18, "extension-path"},
	{19, "ip-forward-enable"},
	{22, "max-datagram-reassembly"},
	{23, "default-ttl"},
	{26, "mtu"},
	{28, "broadcast"},
	{32, "router-solicitation"},
	{33, "static-route"},
	{35, "arp-timeout"},
	{36, "ethernet-encap"},
	{37, "tcp-ttl"},
	{38, "tcp-keepalive"},
	{41, "nis-server"},
	{42, "ntp-server"},
	{43, "vendor-encap"},
	{43, "vendor-encapsulated-options"},
	{43, "vendor-specific"},
	{44, "netbios-ns"},
	{45, "netbios-dd"},
	{45, "netbios-dd-server"},
	{46, "netbios-nodetype"},
	{48, "x-windows-fs"},
	{49, "x-windows-dm"},
	{49, "x-display-manager"},
	{50, "dhcp-requested-address"},
	{51, "dhcp-lease-time"},
	{52, "dhcp-option-overload"},
	{53, "dhcp-message-type"},
	{54, "dhcp-server-identifier"},
	{55, "parameter-request"},
	{55, "dhcp-parameter-request-list"},
	{56, "dhcp-message"},
	{57, "dhcp-max-message-size"},
	{58, "t1"},
	{58, "dhcp-renewal-time"},
	{59, "t2"},
	{59, "dhcp-rebinding-time"},
	{60, "vendor-class-identifier"},
	{61, "dhcp-client-identifier"},
	{61, "client-identifier"},
	{62, "nwip-domain-name"},
	{63, "nwip-suboptions"},
	{64, "nis+-domain"},
	{64, "nisplus-domain-name"},
	{65, "nis+-server"},
	{66, "tftp-server-name"},
	{67, "bootfile-name"},
	{67, "boot-file-name"},
	{67, "filename"},
	{68, "mobile-ip-home"},
	{68, "mobile-ip-home-agent"},
	{69, "smtp-server"},
	{70, "pop3-server"},
	{70, "pop-server"},
	{71, "nntp-server"},
	{72, "www-server"},
	{73, "finger-server"},
	{74, "irc-server"},
	{75, "streettalk-server"},
	{76, "streettalk-directory-assistance-server"},
	{78, "slp-directory-agent"},
	{81, "fqdn"},
	{82, "agent-info"},
	{82, "dhcp-agent-options"},
	{82, "relay-agent-information"},
	{85, "nds-server"},
	{88, "bcms-controller-names"},
	{89, "bcms-controller-address"},
	{91, "last-transaction"},
	{92, "associated-ip"},
	{93, "pxe-system-type"},
	{93, "client-system"},
	{94, "client-interface-id"},
	{94, "pxe-interface-id"},
	{94, "client-ndi-id"},
	{97, "client-machine-id"},
	{97, "pxe-client-id"},
	{97, "uuid-guid"},
	{98, "uap-servers"},
	{100, "pcode"},
	{101, "tcode"},
	{108, "ipv6-only"},
	{108, "v6-only-preferred"},
	{112, "netinfo-server-address"},
	{113, "netinfo-server-tag"},
	{114, "default-url"},
	{114, "v4-captive-portal"},
	{116, "auto-config"},
	{118, "subnet-select"},
	{119, "domain-search-list"},
	{120, "sip-server"},
	{121, "classless-static-route"},
	{121, "rfc3442-classless-static-routes"},
	{124, "vivco-suboptions"},
	{125, "vendor-id-encap"},
	{125, "vivso-suboptions"},
	{136, "pana-agent"},
	{137, "v4-lost"},
	{138, "capwap-ac-v4"},
	{141, "sip-ua-cs-domains"},
	{150, "tftp-servers"},
	{159, "v4-portparams"},
	{162, "v4-dnr"},
	{175, "ipxe-encap-opts"},
	{208, "loader-magic"},
	{209, "config-file"},
	{209, "loader-configfile"},
	{210, "path-prefix"},
	{210, "loader-pathprefix"},
	{211, "loader-reboottime"},
	{212, "option-6rd"},
	{213, "v4-access-domain"},
	{249, "ms-classless-static-route"},
	{252, "wpad-url"},
};
#define SYNONYM_COUNT (sizeof option_synonyms / sizeof option_synonyms[0])

static int compare_code(const void *key, const void *element)
{
	const struct dhcp4_option_info *info = element;
	return (int)*(const uint8_t *)key - (int)info->code;
}

const struct dhcp4_option_info *dhcp4_option_info(uint8_t code)
{
	return bsearch(&code, option_table, OPTION_COUNT, sizeof option_table[0], compare_code);
}

const struct dhcp4_option_info *dhcp4_option_info_by_name(const char *name)
{
	assert(name != NULL);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strcasecmp(option_table[i].name, name) == 0)
			return &option_table[i];
	}
	for (size_t i = 0; i < SYNONYM_COUNT; i++) {
		if (strcasecmp(option_synonyms[i].name, name) == 0)
			return dhcp4_option_info(option_synonyms[i].code);
	}
	return NULL;
}

const struct dhcp4_option_info *dhcp4_option_at(size_t index)
{
	return index < OPTION_COUNT ? &option_table[index] : NULL;
}

const char *dhcp4_option_synonym_at(uint8_t code, size_t index)
{
	for (size_t i = 0; i < SYNONYM_COUNT; i++) {
		if (option_synonyms[i].code == code && index-- == 0)
			return option_synonyms[i].name;
	}
	return NULL;
}

struct format_text {
	const char *name;
	const char *example;
};

static const struct format_text format_texts[DHCP4_FORMAT_COUNT] = {
	[DHCP4_FORMAT_BYTES] = {"bytes", "0a:0b:0c"},
	[DHCP4_FORMAT_FLAG] = {"yes or no", "yes"},
	[DHCP4_FORMAT_EMPTY] = {"nothing", ""},
	[DHCP4_FORMAT_U8] = {"number to 255", "64"},
	[DHCP4_FORMAT_U16] = {"number to 65535", "9000"},
	[DHCP4_FORMAT_U32] = {"number", "3600"},
	[DHCP4_FORMAT_S32] = {"number, may be negative", "-3600"},
	[DHCP4_FORMAT_SECONDS] = {"time", "1h30m"},
	[DHCP4_FORMAT_U8_LIST] = {"numbers to 255", "1, 3, 6"},
	[DHCP4_FORMAT_U16_LIST] = {"numbers to 65535", "1492, 9000"},
	[DHCP4_FORMAT_U32_LIST] = {"numbers", "1, 70000"},
	[DHCP4_FORMAT_IP4] = {"address", "10.0.0.1"},
	[DHCP4_FORMAT_IP4_LIST] = {"addresses", "10.0.0.1, 10.0.0.2"},
	[DHCP4_FORMAT_IP4_PAIRS] = {"pairs of addresses", "10.1.0.0 10.0.0.1, 10.2.0.0 10.0.0.2"},
	[DHCP4_FORMAT_MASK] = {"mask", "255.255.255.0"},
	[DHCP4_FORMAT_TEXT] = {"text", "some text"},
	[DHCP4_FORMAT_DOMAIN] = {"domain name", "lab.example"},
	[DHCP4_FORMAT_DOMAIN_LIST] = {"domain names", "lab.example, example"},
	[DHCP4_FORMAT_SEARCH_LIST] = {"domain names", "lab.example, example"},
	[DHCP4_FORMAT_ROUTES] = {"routes", "10.0.0.0/8 via 10.0.0.1, default via 10.0.0.2"},
	[DHCP4_FORMAT_SIP] = {"addresses or domain names", "10.0.0.1, 10.0.0.2"},
	[DHCP4_FORMAT_CLASSES] = {"texts", "iPXE, lab"},
	[DHCP4_FORMAT_VIVCO] = {"values by enterprise", "4491=text:abc, 9=hex:01"},
	[DHCP4_FORMAT_VIVSO] = {"values by enterprise and sub-option",
		"4491.1=text:abc, 9.2=hex:01"},
};

const char *dhcp4_format_name(enum dhcp4_format format)
{
	assert((unsigned)format < DHCP4_FORMAT_COUNT);
	return format_texts[format].name;
}

const char *dhcp4_format_example(enum dhcp4_format format)
{
	assert((unsigned)format < DHCP4_FORMAT_COUNT);
	return format_texts[format].example;
}
