/* tests/unit/node/dhcp4_pxe_kit.h: a rig with programs to boot, and what machines that netboot
 * send.
 *
 * Image "ipxe" (undionly.kpxe, snponly.efi, snponly-arm64.efi), image and profile "debian12", which
 * subnet "lab" boots.
 */
#ifndef TESTS_UNIT_NODE_DHCP4_PXE_KIT_H
#define TESTS_UNIT_NODE_DHCP4_PXE_KIT_H

#include "tests/unit/node/dhcp4_rig.h"

static const char *const pxe_ipxe_files[] = {"undionly.kpxe", "snponly.efi", "snponly-arm64.efi"};
static const char *const pxe_debian_files[] = {"vmlinuz"};

static inline int pxe_setup(void **state)
{
	struct rig *rig = malloc(sizeof *rig);
	const uint64_t holders[] = {1};
	assert_non_null(rig);
	rig_init(rig);
	rig_image(rig, "ipxe", pxe_ipxe_files, 3, holders, 1);
	rig_image(rig, "debian12", pxe_debian_files, 1, holders, 1);
	rig_profile(rig, "debian12");
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "debian12");
	*state = rig;
	return 0;
}

static inline int pxe_teardown(void **state)
{
	struct rig *rig = *state;
	rig_fini(rig);
	free(rig);
	return 0;
}

static const uint8_t pxe_uuid_option[17] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static inline void pxe_ask_arch(struct ask *ask, uint16_t first, int second)
{
	uint8_t archs[4] = {
		(uint8_t)(first >> 8), (uint8_t)first, (uint8_t)(second >> 8), (uint8_t)second};
	ask_option(ask, DHCP4_CLIENT_ARCH, archs, second < 0 ? 2 : 4);
}

/* What a ROM sends: vendor class, architecture, UUID, and a list that wants 43, 60, 66, 67. */
static inline void pxe_ask_rom(struct ask *ask, const char *vendor_class, uint16_t arch)
{
	const uint8_t list[] = {1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43,
		50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129, 130};
	*ask = (struct ask){.type = DHCP4_DISCOVER, .client = 1, .flags = DHCP4_FLAG_BROADCAST};
	ask_text(ask, DHCP4_VENDOR_CLASS, vendor_class);
	pxe_ask_arch(ask, arch, -1);
	ask_option(ask, DHCP4_CLIENT_UUID, pxe_uuid_option, sizeof pxe_uuid_option);
	ask_option(ask, DHCP4_PARAMETER_LIST, list, sizeof list);
}

static inline void pxe_expect_text(
	const struct rig *rig, uint8_t code, const char *wanted, bool nul)
{
	char text[512] = "";
	assert_true(dhcp4_string(&rig->reply, code, text, sizeof text));
	assert_string_equal(text, wanted);
	assert_int_equal(dhcp4_string_has_nul(&rig->reply, code), nul);
}

static inline void pxe_expect_no_boot(const struct rig *rig)
{
	const uint8_t codes[] = {DHCP4_VENDOR_CLASS, DHCP4_VENDOR_INFO, DHCP4_TFTP_SERVER,
		DHCP4_BOOT_FILE, DHCP4_IPXE};
	for (size_t i = 0; i < sizeof codes; i++)
		assert_false(dhcp4_has(&rig->reply, codes[i]));
	assert_int_equal(rig->reply.header.siaddr, 0);
	assert_string_equal(rig->reply.header.file, "");
}

static inline void pxe_expect_file(
	const struct rig *rig, const char *file, const char *server, uint32_t ip)
{
	/* FIELD 4: header fields and options say the same; FIELD 5: 66 is the dotted address; FIELD
	 * 3: with NUL. */
	assert_int_equal(rig->reply.header.siaddr, ip);
	assert_string_equal(rig->reply.header.file, file);
	pxe_expect_text(rig, DHCP4_TFTP_SERVER, server, true);
	pxe_expect_text(rig, DHCP4_BOOT_FILE, file, true);
	/* FIELD 29: 60 together with 43, whose sub-option 6 says: use the boot file. FIELD 26:
	 * ended by 255. */
	pxe_expect_text(rig, DHCP4_VENDOR_CLASS, "PXEClient", false);
	const uint8_t *info, wanted[] = {6, 1, 8, 255};
	size_t size;
	assert_true(dhcp4_option(&rig->reply, DHCP4_VENDOR_INFO, &info, &size));
	assert_int_equal(size, sizeof wanted);
	assert_memory_equal(info, wanted, size);
	/* FIELD 23: the UUID verbatim. */
	assert_true(dhcp4_option(&rig->reply, DHCP4_CLIENT_UUID, &info, &size));
	assert_int_equal(size, sizeof pxe_uuid_option);
	assert_memory_equal(info, pxe_uuid_option, size);
}

static inline char *pxe_text(const char *text)
{
	return (char *)(uintptr_t)text;
}

static inline void pxe_put_profile(struct rig *rig, Pxe__Profile *profile)
{
	Pxe__Put put = PXE__PUT__INIT;
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = profile;
	rig_put(rig, &put);
}

/* A profile of one program of its own image. */
static inline void pxe_loader_profile(
	struct rig *rig, const char *name, const char *image, const char *arch, const char *path)
{
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Loader loader = PXE__LOADER__INIT, *loaders[] = {&loader};
	loader.arch = pxe_text(arch);
	loader.path = pxe_text(path);
	profile.name = pxe_text(name);
	profile.image = pxe_text(image);
	profile.n_loaders = 1;
	profile.loaders = loaders;
	pxe_put_profile(rig, &profile);
}

/* Sub-option of 43. false: not there. */
static inline bool pxe_vendor(
	const struct rig *rig, uint8_t code, const uint8_t **ret_data, size_t *ret_size)
{
	const uint8_t *info;
	size_t size;
	return dhcp4_option(&rig->reply, DHCP4_VENDOR_INFO, &info, &size) &&
	       dhcp4_sub_find(DHCP4_SUB_VENDOR, info, size, code, ret_data, ret_size);
}

static inline void pxe_expect_vendor(
	const struct rig *rig, uint8_t code, const void *wanted, size_t wanted_bytes)
{
	const uint8_t *data;
	size_t size;
	assert_true(pxe_vendor(rig, code, &data, &size));
	assert_int_equal(size, wanted_bytes);
	assert_memory_equal(data, wanted, size);
}

/* The same machine to port 4011 of `to`, from its own (FIELD 32). type 0: no boot item. */
static inline void pxe_ask_boot_server(
	struct ask *ask, enum dhcp4_type type, uint32_t to, uint16_t item, uint16_t layer)
{
	const uint8_t info[] = {71, 4, (uint8_t)(item >> 8), (uint8_t)item, (uint8_t)(layer >> 8),
		(uint8_t)layer, 255};
	ask->type = type;
	ask->flags = 0;
	ask->xid = 0xabcdef;
	ask->ciaddr = ask->from = IP(10, 0, 0, 201);
	ask->unicast = true;
	ask->to = to;
	ask->port = ask->source_port = DHCP4_PXE_PORT;
	if (item != 0)
		ask_option(ask, DHCP4_VENDOR_INFO, info, sizeof info);
}

#endif
