#include "proto/wire/dhcp4_names.h"

#include <stdlib.h>
#include <string.h>

#include "proto/wire/dhcp4.h"
#include "proto/wire/text.h"

struct arch_entry {
	uint16_t arch;
	bool http;
	bool uefi;
	const char *name;
};

/* IANA, "Processor Architecture Types" of DHCPv6 and option 93. The first entry of a name is the
 * number it parses to. */
static const struct arch_entry arch_table[] = {
	{0, false, false, "bios"},
	{1, false, false, "nec-pc98"},
	{2, false, true, "uefi-itanium"},
	{3, false, false, "dec-alpha"},
	{4, false, false, "arc-x86"},
	{5, false, false, "intel-lean"},
	{6, false, true, "uefi-x86"},
	{7, false, true, "uefi-x64"},
	{8, false, true, "uefi-xscale"},
	{9, false, true,
		"uefi-x64"}, /* "EBC"; RFC 4578 swapped 7 and 9 and firmware sends either */
	{10, false, true, "uefi-arm32"},
	{11, false, true, "uefi-arm64"},
	{12, false, false, "ppc-open-firmware"},
	{13, false, false, "ppc-epapr"},
	{14, false, false, "power-opal"},
	{15, true, true, "uefi-x86-http"},
	{16, true, true, "uefi-x64-http"},
	{17, true, true, "uefi-ebc-http"},
	{18, true, true, "uefi-arm32-http"},
	{19, true, true, "uefi-arm64-http"},
	{20, true, false, "bios-http"},
	{21, false, false, "uboot-arm32"},
	{22, false, false, "uboot-arm64"},
	{23, true, false, "uboot-arm32-http"},
	{24, true, false, "uboot-arm64-http"},
	{25, false, true, "uefi-riscv32"},
	{26, true, true, "uefi-riscv32-http"},
	{27, false, true, "uefi-riscv64"},
	{28, true, true, "uefi-riscv64-http"},
	{29, false, true, "uefi-riscv128"},
	{30, true, true, "uefi-riscv128-http"},
	{31, false, false, "s390-basic"},
	{32, false, false, "s390-extended"},
	{33, false, true, "uefi-mips32"},
	{34, false, true, "uefi-mips64"},
	{35, false, true, "uefi-sunway32"},
	{36, false, true, "uefi-sunway64"},
	{37, false, true, "uefi-loongarch32"},
	{38, true, true, "uefi-loongarch32-http"},
	{39, false, true, "uefi-loongarch64"},
	{40, true, true, "uefi-loongarch64-http"},
	{41, false, false, "rpi"},
};
#define ARCH_COUNT (sizeof arch_table / sizeof arch_table[0])

/* The table's numbers are its indices; dhcp4_names_test checks it. */
static const struct arch_entry *arch_entry(uint16_t arch)
{
	return arch < ARCH_COUNT ? &arch_table[arch] : NULL;
}

const char *dhcp4_arch_name(uint16_t arch)
{
	const struct arch_entry *entry = arch_entry(arch);
	return entry ? entry->name : NULL;
}

int32_t dhcp4_arch_parse(const char *text)
{
	for (size_t i = 0; i < ARCH_COUNT; i++) {
		if (strcmp(arch_table[i].name, text) == 0)
			return arch_table[i].arch;
	}
	uint64_t number;
	if (text_u64_parse(text, UINT16_MAX, &number) != 0)
		return -1;
	return (int32_t)number;
}

bool dhcp4_arch_is_http(uint16_t arch)
{
	const struct arch_entry *entry = arch_entry(arch);
	return entry != NULL && entry->http;
}

bool dhcp4_arch_is_uefi(uint16_t arch)
{
	const struct arch_entry *entry = arch_entry(arch);
	return entry != NULL && entry->uefi;
}

const char *dhcp4_arch_at(size_t index, uint16_t *ret_arch)
{
	if (index >= ARCH_COUNT)
		return NULL;
	*ret_arch = arch_table[index].arch;
	return arch_table[index].name;
}

/* In the order of codes. */
static const struct dhcp4_option_info option_table[] = {
	{1, DHCP4_FORMAT_IP4, "subnet-mask"},
	{2, DHCP4_FORMAT_U32, "time-offset"},
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
	{21, DHCP4_FORMAT_IP4_LIST, "policy-filter"},
	{22, DHCP4_FORMAT_U16, "max-dgram-reassembly"},
	{23, DHCP4_FORMAT_U8, "default-ip-ttl"},
	{24, DHCP4_FORMAT_U32, "path-mtu-aging-timeout"},
	{25, DHCP4_FORMAT_BYTES, "path-mtu-plateau-table"},
	{26, DHCP4_FORMAT_U16, "interface-mtu"},
	{27, DHCP4_FORMAT_FLAG, "all-subnets-local"},
	{28, DHCP4_FORMAT_IP4, "broadcast-address"},
	{29, DHCP4_FORMAT_FLAG, "perform-mask-discovery"},
	{30, DHCP4_FORMAT_FLAG, "mask-supplier"},
	{31, DHCP4_FORMAT_FLAG, "router-discovery"},
	{32, DHCP4_FORMAT_IP4, "router-solicitation-address"},
	{33, DHCP4_FORMAT_IP4_LIST, "static-routes"},
	{34, DHCP4_FORMAT_FLAG, "trailer-encapsulation"},
	{35, DHCP4_FORMAT_U32, "arp-cache-timeout"},
	{36, DHCP4_FORMAT_FLAG, "ieee802-3-encapsulation"},
	{37, DHCP4_FORMAT_U8, "default-tcp-ttl"},
	{38, DHCP4_FORMAT_U32, "tcp-keepalive-interval"},
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
	{51, DHCP4_FORMAT_U32, "lease-time"},
	{52, DHCP4_FORMAT_U8, "option-overload"},
	{53, DHCP4_FORMAT_U8, "message-type"},
	{54, DHCP4_FORMAT_IP4, "server-identifier"},
	{55, DHCP4_FORMAT_BYTES, "parameter-request-list"},
	{56, DHCP4_FORMAT_TEXT, "message"},
	{57, DHCP4_FORMAT_U16, "max-message-size"},
	{58, DHCP4_FORMAT_U32, "renewal-time"},
	{59, DHCP4_FORMAT_U32, "rebinding-time"},
	{60, DHCP4_FORMAT_TEXT, "vendor-class"},
	{61, DHCP4_FORMAT_BYTES, "client-id"},
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
	{77, DHCP4_FORMAT_BYTES, "user-class"},
	{80, DHCP4_FORMAT_BYTES, "rapid-commit"},
	{81, DHCP4_FORMAT_BYTES, "client-fqdn"},
	{82, DHCP4_FORMAT_BYTES, "relay-agent-info"},
	{91, DHCP4_FORMAT_U32, "client-last-transaction-time"},
	{92, DHCP4_FORMAT_IP4_LIST, "associated-addresses"},
	{93, DHCP4_FORMAT_BYTES, "client-arch"},
	{94, DHCP4_FORMAT_BYTES, "client-ndi"},
	{97, DHCP4_FORMAT_BYTES, "client-uuid"},
	{100, DHCP4_FORMAT_TEXT, "posix-timezone"},
	{101, DHCP4_FORMAT_TEXT, "tzdb-timezone"},
	{108, DHCP4_FORMAT_U32, "v6only-preferred"},
	{114, DHCP4_FORMAT_TEXT, "captive-portal"},
	{116, DHCP4_FORMAT_FLAG, "auto-configure"},
	{117, DHCP4_FORMAT_BYTES, "name-service-search"},
	{118, DHCP4_FORMAT_IP4, "subnet-selection"},
	{119, DHCP4_FORMAT_BYTES, "domain-search"},
	{120, DHCP4_FORMAT_BYTES, "sip-servers"},
	{121, DHCP4_FORMAT_BYTES, "classless-static-routes"},
	{124, DHCP4_FORMAT_BYTES, "vivco"},
	{125, DHCP4_FORMAT_BYTES, "vivso"},
	{128, DHCP4_FORMAT_BYTES, "pxe-128"},
	{129, DHCP4_FORMAT_BYTES, "pxe-129"},
	{130, DHCP4_FORMAT_BYTES, "pxe-130"},
	{131, DHCP4_FORMAT_BYTES, "pxe-131"},
	{132, DHCP4_FORMAT_BYTES, "pxe-132"},
	{133, DHCP4_FORMAT_BYTES, "pxe-133"},
	{134, DHCP4_FORMAT_BYTES, "pxe-134"},
	{135, DHCP4_FORMAT_BYTES, "pxe-135"},
	{150, DHCP4_FORMAT_IP4_LIST, "tftp-server-address"},
	{175, DHCP4_FORMAT_BYTES, "ipxe"},
	{208, DHCP4_FORMAT_U32, "pxelinux-magic"},
	{209, DHCP4_FORMAT_TEXT, "pxelinux-config-file"},
	{210, DHCP4_FORMAT_TEXT, "pxelinux-path-prefix"},
	{211, DHCP4_FORMAT_U32, "pxelinux-reboot-time"},
	{252, DHCP4_FORMAT_TEXT, "wpad"},
};
#define OPTION_COUNT (sizeof option_table / sizeof option_table[0])

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
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	}
	return NULL;
}

const char *dhcp4_type_name(unsigned type)
{
	static const char *const names[] = {
		[DHCP4_BOOTP] = "BOOTP",
		[DHCP4_DISCOVER] = "DISCOVER",
		[DHCP4_OFFER] = "OFFER",
		[DHCP4_REQUEST] = "REQUEST",
		[DHCP4_DECLINE] = "DECLINE",
		[DHCP4_ACK] = "ACK",
		[DHCP4_NAK] = "NAK",
		[DHCP4_RELEASE] = "RELEASE",
		[DHCP4_INFORM] = "INFORM",
		[DHCP4_FORCERENEW] = "FORCERENEW",
		[DHCP4_LEASEQUERY] = "LEASEQUERY",
		[DHCP4_LEASEUNASSIGNED] = "LEASEUNASSIGNED",
		[DHCP4_LEASEUNKNOWN] = "LEASEUNKNOWN",
		[DHCP4_LEASEACTIVE] = "LEASEACTIVE",
	};
	return type < sizeof names / sizeof names[0] ? names[type] : NULL;
}
