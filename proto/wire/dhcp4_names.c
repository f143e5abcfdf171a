#include "proto/wire/dhcp4_names.h"

#include <string.h>
#include <strings.h>

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

/* What dnsmasq's pxe-service calls them. */
static const struct arch_synonym {
	uint16_t arch;
	const char *name;
} arch_synonyms[] = {
	{0, "x86pc"},
	{1, "pc98"},
	{2, "ia64_efi"},
	{3, "alpha"},
	{4, "arc_x86"},
	{5, "intel_lean_client"},
	{6, "ia32_efi"},
	{7, "x86-64_efi"},
	{8, "xscale_efi"},
	{9, "bc_efi"},
	{10, "arm32_efi"},
	{11, "arm64_efi"},
};

int32_t dhcp4_arch_parse(const char *text)
{
	for (size_t i = 0; i < ARCH_COUNT; i++) {
		if (strcmp(arch_table[i].name, text) == 0)
			return arch_table[i].arch;
	}
	for (size_t i = 0; i < sizeof arch_synonyms / sizeof arch_synonyms[0]; i++) {
		if (strcasecmp(arch_synonyms[i].name, text) == 0)
			return arch_synonyms[i].arch;
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
