/* Configuration objects: what is refused, with which words, and what a change does to the rest. */
#include "tests/unit/model/model_kit.h"

/* The configuration that each row is put into: subnet lab 10.0.0.0/24 with a pool .10-.19, subnet
 * far 10.9.0.0/16, host n07 with mac of client 7, a uuid and 10.0.0.70, profile debian12, node at
 * .2, server address .3. */
static void init(struct kit *kit)
{
	uint8_t mac[6], ip[4] = {10, 0, 0, 70}, uuid[16] = {0x11, 0x22};
	ProtobufCBinaryData macs[1];
	Pxe__Host host = PXE__HOST__INIT;
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	kit_init(kit);
	assert_int_equal(kit_subnet(kit, "far", "10.9.0.0", 16, NULL), V(OK));
	kit_mac(7, mac);
	macs[0] = kit_bytes(mac, 6);
	host.name = (char *)(uintptr_t) "n07";
	host.mac = macs;
	host.n_mac = 1;
	host.ip = kit_bytes(ip, 4);
	host.uuid = kit_bytes(uuid, 16);
	assert_int_equal(kit_put_host(kit, &host), V(OK));
	profile.name = (char *)(uintptr_t) "debian12";
	profile.image = (char *)(uintptr_t) "debian12";
	profile.kernel = (char *)(uintptr_t) "vmlinuz";
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &profile;
	assert_int_equal(kit_put(kit, &put), V(OK));
}

static char *text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}

/* ---- subnets ---- */

static void test_subnets_are_judged(void **state)
{
	(void)state;
	static const struct {
		const char *name, *network, *gateway;
		uint32_t prefix;
		Pxe__Verdict expected;
		const char *detail;
	} rows[] = {
		{"ok", "10.1.0.0", "10.1.0.1", 16, V(OK), ""},
		{"", "10.1.0.0", NULL, 16, V(INVALID), "subnet name is missing"},
		{"a b", "10.1.0.0", NULL, 16, V(INVALID), "has the byte 0x20 at 1"},
		{"a/b", "10.1.0.0", NULL, 16, V(INVALID), "has the character '/'"},
		{"-a", "10.1.0.0", NULL, 16, V(INVALID), "begins with '-'"},
		{"..", "10.1.0.0", NULL, 16, V(INVALID), "begins with '.'"},
		{"a\nb", "10.1.0.0", NULL, 16, V(INVALID), "has the byte 0x0a"},
		{"\xff", "10.1.0.0", NULL, 16, V(INVALID), "has the byte 0xff"},
		{"x23456789012345678901234567890123456789012345678901234567890123x", "10.1.0.0",
			NULL, 16, V(INVALID), "has 64 bytes: use at most 63"},
		{"s", "10.1.0.5", NULL, 16, V(INVALID), "10.1.0.0/16 is meant"},
		{"s", "10.1.0.0", NULL, 31, V(INVALID), "prefix length 31: use 8 to 30"},
		{"s", "10.1.0.0", NULL, 4000000000u, V(INVALID), "prefix length"},
		{"s", "0.0.0.0", NULL, 8, V(INVALID), "not an address that a machine can have"},
		{"s", "224.0.0.0", NULL, 8, V(INVALID), "not an address that a machine can have"},
		{"s", "10.1.0.0", "10.2.0.1", 16, V(INVALID),
			"gateway 10.2.0.1 is not a host address"},
		{"s", "10.1.0.0", "10.1.0.0", 16, V(INVALID),
			"gateway 10.1.0.0 is not a host address"},
		{"s", "10.1.0.0", "10.1.255.255", 16, V(INVALID), "is not a host address"},
		{"s", "10.0.0.128", NULL, 25, V(CONFLICT), "overlaps subnet lab (10.0.0.0/24)"},
		{"s", "10.0.0.0", NULL, 8, V(CONFLICT), "overlaps subnet"},
		{"lab", "10.0.0.0", NULL, 23, V(OK), ""},
		{"lab", "10.0.0.0", NULL, 25, V(OK), ""},
		{"lab", "10.0.0.0", NULL, 28, V(CONFLICT), "pool lab-1 would lie outside"},
		{"lab", "10.0.0.0", NULL, 26, V(CONFLICT),
			"10.0.0.70 of host n07 would lie outside"},
		{"lab", "10.0.0.0", "10.0.0.70", 24, V(CONFLICT),
			"gateway of subnet lab is reserved"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kit kit;
		init(&kit);
		Pxe__Verdict verdict = kit_subnet(
			&kit, rows[i].name, rows[i].network, rows[i].prefix, rows[i].gateway);
		kit_expect(&kit, verdict, rows[i].expected, rows[i].detail);
		kit_fini(&kit);
	}
}

static void test_subnet_fields_are_judged(void **state)
{
	(void)state;
	uint8_t network[4] = {10, 1, 0, 0}, dns[4] = {10, 1, 0, 9}, zero[4] = {0}, data[2] = {1, 2};
	ProtobufCBinaryData good_ip = kit_bytes(dns, 4), bad_ip = kit_bytes(dns, 3),
			    zero_ip = kit_bytes(zero, 4);
	Pxe__Option option[2] = {PXE__OPTION__INIT, PXE__OPTION__INIT};
	Pxe__Option *options[2] = {&option[0], &option[1]};
	for (unsigned i = 0; i < 20; i++) {
		struct kit kit;
		init(&kit);
		Pxe__Subnet subnet = PXE__SUBNET__INIT;
		subnet.name = text("s");
		subnet.network_ip = kit_bytes(network, 4);
		subnet.prefix_len = 16;
		option[0] = (Pxe__Option)PXE__OPTION__INIT;
		option[1] = (Pxe__Option)PXE__OPTION__INIT;
		option[0].data = option[1].data = kit_bytes(data, 2);
		Pxe__Verdict expected = V(INVALID);
		const char *detail = "";
		switch (i) {
		case 0: expected = V(OK); break;
		case 1:
			subnet.n_dns_ip = 1, subnet.dns_ip = &bad_ip,
			detail = "DNS server has 3 bytes";
			break;
		case 2:
			subnet.n_ntp_ip = 1, subnet.ntp_ip = &zero_ip,
			detail = "NTP server 0.0.0.0";
			break;
		case 3: subnet.n_dns_ip = 1, subnet.dns_ip = &good_ip, expected = V(OK); break;
		case 4: subnet.mtu = 500, detail = "mtu 500"; break;
		case 5: subnet.mtu = 9000, expected = V(OK); break;
		case 6: subnet.domain = text("a b"), detail = "not a domain name"; break;
		case 7: subnet.domain = text("lab.example.org"), expected = V(OK); break;
		case 8:
			subnet.profile = text("nope"),
			detail = "profile of the subnet ('nope') does not exist";
			break;
		case 9: subnet.profile = text("debian12"), expected = V(OK); break;
		case 10: subnet.profile = text("local"), expected = V(OK); break;
		case 11:
			subnet.lease_s = 700, subnet.lease_max_s = 600,
			detail = "not in this order";
			break;
		case 12:
			subnet.lease_s = 10, subnet.lease_min_s = 20, detail = "not in this order";
			break;
		case 13: subnet.lease_s = 40000000, detail = "lease time is 40000000 s"; break;
		case 14:
			subnet.n_options = 1, subnet.options = options;
			option[0].code = 53, detail = "option 53 of subnet s is set by the server";
			break;
		case 15:
			subnet.n_options = 1, subnet.options = options;
			option[0].code = 300, detail = "option 300 of subnet s is above 254";
			break;
		case 16:
			subnet.n_options = 2, subnet.options = options;
			option[0].code = option[1].code = 119,
			detail = "option 119 of subnet s is given twice";
			break;
		case 17:
			subnet.n_options = 1, subnet.options = options;
			option[0].code = 119, option[0].data.len = 0, detail = "has 0 bytes";
			break;
		case 18:
			subnet.n_options = 2, subnet.options = options;
			option[0].code = 119, option[1].code = 252, expected = V(OK);
			break;
		default: subnet.network_ip.len = 2, detail = "network has 2 bytes"; break;
		}
		kit_expect(&kit, kit_put_subnet(&kit, &subnet), expected, detail);
		kit_fini(&kit);
	}
}

static void test_a_cidr_change_waits_for_its_leases(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_bare(&kit);
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 24, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "high", "lab", "10.0.0.200", "10.0.0.210"), V(OK));
	assert_int_equal(kit_bind(&kit, 1, kit_ip("10.0.0.205"), 0, true), V(OK));
	assert_int_equal(kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_POOL, "high", false), V(OK));
	kit_expect(&kit, kit_subnet(&kit, "lab", "10.0.0.0", 25, NULL), V(CONFLICT),
		"1 leases of subnet lab would lie outside of it (10.0.0.205 is one)");
	kit_at(&kit, 123000);
	kit_expect(&kit, kit_subnet(&kit, "lab", "10.0.0.0", 25, NULL), V(OK), "");
	kit_fini(&kit);
}

/* ---- pools ---- */

static void test_pools_are_judged(void **state)
{
	(void)state;
	static const struct {
		const char *name, *subnet, *first, *last;
		Pxe__Verdict expected;
		const char *detail;
	} rows[] = {
		{"p", "lab", "10.0.0.20", "10.0.0.20", V(OK), ""},
		{"p", "lab", "10.0.0.30", "10.0.0.20", V(INVALID),
			"begins with 10.0.0.30, after its end"},
		{"p", "nope", "10.0.0.20", "10.0.0.30", V(INVALID), "subnet nope does not exist"},
		{"p", "", "10.0.0.20", "10.0.0.30", V(INVALID), "subnet of the pool is missing"},
		{"p", "lab", "10.0.0.20", "10.0.1.30", V(INVALID),
			"not inside subnet lab (10.0.0.0/24)"},
		{"p", "far", "10.0.0.20", "10.0.0.30", V(INVALID), "not inside subnet far"},
		{"p", "lab", "10.0.0.5", "10.0.0.10", V(CONFLICT),
			"overlaps pool lab-1 (10.0.0.10-10.0.0.19)"},
		{"p", "lab", "10.0.0.19", "10.0.0.30", V(CONFLICT), "overlaps pool lab-1"},
		{"p", "lab", "10.0.0.12", "10.0.0.13", V(CONFLICT), "overlaps pool lab-1"},
		{"p", "lab", "10.0.0.1", "10.0.0.99", V(CONFLICT), "overlaps pool lab-1"},
		{"lab-1", "lab", "10.0.0.5", "10.0.0.25", V(OK), ""},
		{"lab-1", "far", "10.9.0.5", "10.9.0.25", V(OK), ""},
		{"p", "lab", "0.0.0.0", "10.0.0.25", V(INVALID), "first address 0.0.0.0"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kit kit;
		init(&kit);
		Pxe__Verdict verdict =
			kit_pool(&kit, rows[i].name, rows[i].subnet, rows[i].first, rows[i].last);
		kit_expect(&kit, verdict, rows[i].expected, rows[i].detail);
		kit_fini(&kit);
	}
}

static void test_pool_sizes_are_limited(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_bare(&kit);
	assert_int_equal(kit_subnet(&kit, "lab", "16.0.0.0", 8, NULL), V(OK));
	kit_expect(&kit, kit_pool(&kit, "p", "lab", "16.0.0.0", "16.16.0.0"), V(LIMIT),
		"pool p has 1048577 addresses: use at most 1048576");
	for (unsigned i = 0; i < 4; i++) {
		char name[8], first[16], last[16];
		snprintf(name, sizeof(name), "p%u", i);
		snprintf(first, sizeof(first), "16.%u.0.0", 16 * i);
		snprintf(last, sizeof(last), "16.%u.255.255", 16 * i + 15);
		assert_int_equal(kit_pool(&kit, name, "lab", first, last), V(OK));
	}
	kit_expect(&kit, kit_pool(&kit, "p", "lab", "16.200.0.0", "16.200.0.0"), V(LIMIT),
		"all pools together would have 4194305 addresses");
	kit_fini(&kit);
}

/* ---- hosts ---- */

static void test_hosts_are_judged(void **state)
{
	(void)state;
	uint8_t mac[2][6], group[6] = {1}, zero[16] = {0}, uuid[16] = {0x11, 0x22}, uuid2[16] = {9};
	kit_mac(7, mac[0]);
	kit_mac(8, mac[1]);
	for (unsigned i = 0; i < 27; i++) {
		struct kit kit;
		init(&kit);
		uint8_t ip[4] = {10, 0, 0, 80};
		ProtobufCBinaryData macs[17];
		for (unsigned m = 0; m < 17; m++)
			macs[m] = kit_bytes(mac[1], 6);
		Pxe__Variable variable[2] = {PXE__VARIABLE__INIT, PXE__VARIABLE__INIT};
		Pxe__Variable *vars[2] = {&variable[0], &variable[1]};
		variable[0].name = text("disk");
		variable[0].value = text("/dev/sda");
		variable[1].name = text("disk2");
		Pxe__Host host = PXE__HOST__INIT;
		host.name = text("n08");
		host.mac = macs;
		host.n_mac = 1;
		host.ip = kit_bytes(ip, 4);
		host.vars = vars;
		host.n_vars = 2;
		Pxe__Verdict expected = V(INVALID);
		const char *detail = "";
		switch (i) {
		case 0: expected = V(OK); break;
		case 1:
			macs[0] = kit_bytes(mac[0], 6), expected = V(CONFLICT);
			detail = "mac 02:00:00:00:00:07 belongs to host n07: pxectl host show n07";
			break;
		case 2: host.n_mac = 2, detail = "is given twice for host n08"; break;
		case 3:
			host.n_mac = 17, macs[0].len = 0, detail = "has 17 macs: use at most 16";
			break;
		case 4: macs[0].len = 0, detail = "a mac of host n08 has 0 bytes"; break;
		case 5: macs[0] = kit_bytes(group, 6), detail = "is a group address"; break;
		case 6: macs[0] = kit_bytes(zero, 6), detail = "it is zero"; break;
		case 7: host.n_mac = 0, host.ip.len = 0, detail = "neither mac"; break;
		case 8: host.n_mac = 0, host.uuid = kit_bytes(uuid2, 16), expected = V(OK); break;
		case 9:
			host.n_mac = 0, host.uuid = kit_bytes(uuid2, 16), host.ip.len = 0,
			expected = V(OK);
			break;
		case 10:
			host.uuid = kit_bytes(uuid, 16), expected = V(CONFLICT);
			detail = "uuid 11220000-0000-0000-0000-000000000000 belongs to host n07";
			break;
		case 11: host.uuid = kit_bytes(zero, 16), detail = "uuid of host n08"; break;
		case 12: host.uuid = kit_bytes(uuid2, 15), detail = "uuid of host n08"; break;
		case 13:
			ip[3] = 70, expected = V(CONFLICT);
			detail = "address 10.0.0.70 is reserved for host n07";
			break;
		case 14: ip[1] = 77, detail = "10.77.0.80 of host n08 is in no subnet"; break;
		case 15: ip[3] = 1, detail = "is the gateway of its subnet"; break;
		case 16: ip[3] = 2, detail = "is the address of a node"; break;
		case 17: ip[3] = 3, detail = "is the cluster's server address"; break;
		case 18: ip[3] = 0, detail = "is the network address"; break;
		case 19: ip[3] = 255, detail = "is the broadcast address"; break;
		case 20:
			host.profile = text("nope"),
			detail = "profile of the host ('nope') does not exist";
			break;
		case 21: host.hostname = text("a b"), detail = "hostname has the byte 0x20"; break;
		case 22:
			variable[1].name = text("disk"),
			detail = "variable disk of host n08 is given twice";
			break;
		case 23: variable[1].name = text("a-b"), detail = "variable 2 of host n08"; break;
		case 24: variable[1].value = text("a\x1b[31m"), detail = "byte 0x1b at 1"; break;
		case 25: variable[1].value = text("a\xc3("), detail = "byte 0xc3 at 1"; break;
		default: host.name = text("n/8"), detail = "host name has the character '/'"; break;
		}
		kit_expect(&kit, kit_put_host(&kit, &host), expected, detail);
		kit_fini(&kit);
	}
}

static void test_host_indexes_follow_changes(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	uint8_t mac[6];
	assert_int_equal(kit_host(&kit, "n07", 7, 70, "10.0.0.70"), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 70, 71, "10.0.0.71"), V(OK));
	kit_mac(7, mac);
	assert_null(model_host_of_mac(kit.model, mac, 6));
	kit_mac(71, mac);
	assert_string_equal(model_host_of_mac(kit.model, mac, 6)->name, "n07");
	assert_null(model_host_of_ip(kit.model, kit_ip("10.0.0.70")));
	assert_string_equal(model_host_of_ip(kit.model, kit_ip("10.0.0.71"))->name, "n07");
	assert_int_equal(kit_host(&kit, "n08", 7, 0, "10.0.0.70"), V(OK));
	assert_int_equal(kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_HOST, "n07", false), V(OK));
	assert_null(model_host_of_mac(kit.model, mac, 6));
	assert_null(model_host_of_ip(kit.model, kit_ip("10.0.0.71")));
	assert_int_equal(
		kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_HOST, "n07", false), V(NOT_FOUND));
	kit_fini(&kit);
}

/* ---- profiles ---- */

static void test_profiles_are_judged(void **state)
{
	(void)state;
	static const struct {
		const char *name, *image, *kernel, *initrd, *args, *script, *loader;
		bool local;
		Pxe__Verdict expected;
		const char *detail;
	} rows[] = {
		{"p", "i", "vmlinuz", "initrd.img", "a=1 b", "", NULL, false, V(OK), ""},
		{"p", "i@0123456789ab", "vmlinuz", NULL, "", "", NULL, false, V(OK), ""},
		{"p", "i@0123", "vmlinuz", NULL, "", "", NULL, false, V(INVALID), "12 to 64"},
		{"p", "i@0123456789aX", "vmlinuz", NULL, "", "", NULL, false, V(INVALID),
			"12 to 64"},
		{"p", "i/../x", "vmlinuz", NULL, "", "", NULL, false, V(INVALID),
			"image of the profile"},
		{"p", "", "vmlinuz", NULL, "", "", NULL, false, V(INVALID),
			"no image that holds them"},
		{"p", "i", "/vmlinuz", NULL, "", "", NULL, false, V(INVALID),
			"kernel '/vmlinuz' is not"},
		{"p", "i", "a/../b", NULL, "", "", NULL, false, V(INVALID), "is not relative"},
		{"p", "i", "a//b", NULL, "", "", NULL, false, V(INVALID), "is not relative"},
		{"p", "i", "a\\b", NULL, "", "", NULL, false, V(INVALID), "backslash"},
		{"p", "i", "", "initrd.img", "", "", NULL, false, V(INVALID),
			"an initrd but no kernel"},
		{"p", "i", "k", "..", "", "", NULL, false, V(INVALID), "initrd '..' is not"},
		{"p", "i", "k", NULL, "a\nb", "", NULL, false, V(INVALID),
			"kernel arguments has the byte"},
		{"p", "", "", NULL, "", "#!ipxe\nexit\n", NULL, false, V(OK), ""},
		{"p", "i", "k", NULL, "", "#!ipxe", NULL, false, V(INVALID),
			"a kernel and a script"},
		{"p", "", "", NULL, "", "", NULL, true, V(OK), ""},
		{"p", "i", "", NULL, "", "", NULL, false, V(INVALID), "boots nothing"},
		{"p", "i", "", NULL, "", "", "grubx64.efi", false, V(OK), ""},
		{"p", "i", "", NULL, "", "", "../x", false, V(INVALID), "loader '../x' is not"},
		{"local", "i", "k", NULL, "", "", NULL, false, V(INVALID), "is built in"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kit kit;
		init(&kit);
		Pxe__Profile profile = PXE__PROFILE__INIT;
		Pxe__Loader loader = PXE__LOADER__INIT;
		Pxe__Loader *loaders[1] = {&loader};
		char *initrd[1] = {text(rows[i].initrd)};
		Pxe__Put put = PXE__PUT__INIT;
		profile.name = text(rows[i].name);
		profile.image = text(rows[i].image);
		profile.kernel = text(rows[i].kernel);
		profile.initrd = initrd;
		profile.n_initrd = rows[i].initrd != NULL;
		profile.args = text(rows[i].args);
		profile.script = text(rows[i].script);
		profile.local = rows[i].local;
		loader.arch = text("uefi-x64");
		loader.path = text(rows[i].loader);
		profile.loaders = loaders;
		profile.n_loaders = rows[i].loader != NULL;
		put.object_case = PXE__PUT__OBJECT_PROFILE;
		put.profile = &profile;
		kit_expect(&kit, kit_put(&kit, &put), rows[i].expected, rows[i].detail);
		kit_fini(&kit);
	}
}

/* ---- settings, operators ---- */

static void test_settings_keep_what_is_given_once(void **state)
{
	(void)state;
	struct kit kit;
	init(&kit);
	uint8_t other[32] = {0x55}, ip[4] = {10, 0, 0, 70};
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	kit_expect(&kit, kit_put(&kit, &put), V(INVALID), "cluster name is missing");
	settings.cluster = text("renamed");
	settings.dhcp = PXE__DHCP_MODE__DHCP_ON;
	kit_expect(&kit, kit_put(&kit, &put), V(OK), "");
	const Pxe__Settings *now = model_settings(kit.model);
	assert_string_equal(now->cluster, "renamed");
	assert_int_equal(now->cluster_id.len, 16);
	assert_int_equal(now->api_public_key.len, 32);
	assert_int_equal(now->next_member_id, 2);
	settings.next_member_id = 1;
	settings.cluster_id = kit_bytes(other, 16);
	kit_expect(&kit, kit_put(&kit, &put), V(INVALID), "cluster id cannot be changed");
	settings.cluster_id.len = 0;
	settings.api_public_key = kit_bytes(other, 32);
	kit_expect(&kit, kit_put(&kit, &put), V(INVALID), "API key cannot be changed");
	settings.api_public_key.len = 0;
	settings.server_ip = kit_bytes(ip, 4);
	kit_expect(&kit, kit_put(&kit, &put), V(CONFLICT), "10.0.0.70 is reserved for host n07");
	ip[3] = 15;
	assert_int_equal(kit_bind(&kit, 1, kit_ip("10.0.0.15"), 0, true), V(OK));
	kit_expect(&kit, kit_put(&kit, &put), V(CONFLICT), "10.0.0.15 is leased to a client");
	settings.server_ip.len = 0;
	settings.profile = text("nope");
	kit_expect(
		&kit, kit_put(&kit, &put), V(INVALID), "default profile ('nope') does not exist");
	settings.profile = text("debian12");
	settings.dhcp = (Pxe__DhcpMode)77;
	kit_expect(&kit, kit_put(&kit, &put), V(INVALID), "dhcp mode 77");
	settings.dhcp = PXE__DHCP_MODE__DHCP_ON;
	kit_expect(&kit, kit_put(&kit, &put), V(OK), "");
	assert_int_equal(model_settings(kit.model)->next_member_id, 2);
	kit_expect(&kit, kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_PROFILE, "debian12", false),
		V(CONFLICT), "used by the cluster's default");
	kit_fini(&kit);
}

static void test_operators(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	uint8_t key[32] = {7}, zero[32] = {0};
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Operator alice = PXE__OPERATOR__INIT;
	put.object_case = PXE__PUT__OBJECT_OPERATOR_KEY;
	put.operator_key = &alice;
	alice.name = text("alice");
	alice.public_key = kit_bytes(zero, 32);
	kit_expect(&kit, kit_put(&kit, &put), V(INVALID), "not a public key of 32 bytes");
	alice.public_key = kit_bytes(key, 31);
	kit_expect(&kit, kit_put(&kit, &put), V(INVALID), "not a public key of 32 bytes");
	alice.public_key = kit_bytes(key, 32);
	kit_expect(&kit, kit_put(&kit, &put), V(OK), "");
	assert_string_equal(model_operator_of_key(kit.model, key)->name, "alice");
	alice.name = text("bob");
	kit_expect(&kit, kit_put(&kit, &put), V(CONFLICT), "known as alice already");
	assert_int_equal(
		kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_OPERATOR, "alice", false), V(OK));
	assert_null(model_operator_of_key(kit.model, key));
	kit_fini(&kit);
}

/* ---- preconditions, revision, deletion ---- */

static void test_preconditions_and_revisions(void **state)
{
	(void)state;
	struct kit kit;
	init(&kit);
	uint64_t revision = model_revision(kit.model);
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	profile.name = text("p");
	profile.local = true;
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &profile;
	put.precondition = PXE__PRECONDITION__PUT_UPDATE;
	kit_expect(&kit, kit_put(&kit, &put), V(NOT_FOUND), "profile p does not exist");
	assert_int_equal(model_revision(kit.model), revision);
	put.precondition = PXE__PRECONDITION__PUT_CREATE;
	kit_expect(&kit, kit_put(&kit, &put), V(OK), "");
	assert_int_equal(kit.result.revision, revision + 1);
	kit_expect(&kit, kit_put(&kit, &put), V(EXISTS), "profile p exists");
	put.precondition = PXE__PRECONDITION__PUT_ANY;
	put.if_revision = revision;
	kit_expect(&kit, kit_put(&kit, &put), V(CONFLICT), "is at revision");
	put.if_revision = revision + 1;
	kit_expect(&kit, kit_put(&kit, &put), V(OK), "");
	assert_int_equal(kit.result.revision, revision + 2);
	put.precondition = (Pxe__Precondition)9;
	put.if_revision = 0;
	kit_expect(&kit, kit_put(&kit, &put), V(INVALID), "precondition 9");
	/* Leases do not count. */
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_int_equal(model_revision(kit.model), revision + 2);
	kit_fini(&kit);
}

static void test_what_is_used_is_not_deleted(void **state)
{
	(void)state;
	struct kit kit;
	init(&kit);
	Pxe__ObjectKind subnet = PXE__OBJECT_KIND__OBJECT_SUBNET,
			pool = PXE__OBJECT_KIND__OBJECT_POOL,
			profile = PXE__OBJECT_KIND__OBJECT_PROFILE;
	kit_expect(&kit, kit_delete(&kit, subnet, "nope", false), V(NOT_FOUND),
		"subnet nope does not exist");
	kit_expect(&kit, kit_delete(&kit, subnet, "a\nb", false), V(NOT_FOUND),
		"no subnet has such a name");
	assert_int_equal(kit_bind(&kit, 1, kit_ip("10.0.0.15"), 0, true), V(OK));
	kit_expect(&kit, kit_delete(&kit, subnet, "lab", false), V(CONFLICT), "has 1 leases");
	kit_at(&kit, 123000);
	kit_expect(&kit, kit_delete(&kit, subnet, "lab", false), V(CONFLICT), "has the pool lab-1");
	kit_expect(&kit, kit_delete(&kit, pool, "lab-1", false), V(OK), "");
	kit_expect(&kit, kit_delete(&kit, subnet, "lab", false), V(CONFLICT),
		"host n07 has a reserved");
	kit_expect(&kit, kit_delete(&kit, subnet, "lab", true), V(OK), "");
	kit_expect(&kit, kit_offer(&kit, 1, 0), V(NO_SUBNET), "not configured");
	kit_expect(&kit, kit_delete(&kit, profile, "debian12", false), V(OK), "");
	kit_expect(&kit, kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_SETTINGS, "", true), V(INVALID),
		"not removed");
	kit_expect(&kit, kit_delete(&kit, (Pxe__ObjectKind)99, "x", true), V(INVALID), "kind 99");
	kit_fini(&kit);
}

/* A subnet that goes by force leaves its leases, and nobody else gets their addresses before their
 * time [P1]. */
static void test_leases_outlive_their_subnet(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_bind(&kit, 1, kit_ip("10.0.0.15"), 0, true), V(OK));
	assert_int_equal(kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_SUBNET, "lab", true), V(OK));
	assert_null(model_pool(kit.model, "lab-1"));
	assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 25, NULL), V(OK));
	assert_int_equal(kit_pool(&kit, "lab-1", "lab", "10.0.0.15", "10.0.0.15"), V(OK));
	assert_int_equal(kit_offer(&kit, 2, 0), V(POOL_FULL));
	kit_at(&kit, 123000);
	assert_int_equal(kit_offer(&kit, 2, 0), V(OK));
	kit_fini(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subnets_are_judged),
		cmocka_unit_test(test_subnet_fields_are_judged),
		cmocka_unit_test(test_a_cidr_change_waits_for_its_leases),
		cmocka_unit_test(test_pools_are_judged),
		cmocka_unit_test(test_pool_sizes_are_limited),
		cmocka_unit_test(test_hosts_are_judged),
		cmocka_unit_test(test_host_indexes_follow_changes),
		cmocka_unit_test(test_profiles_are_judged),
		cmocka_unit_test(test_settings_keep_what_is_given_once),
		cmocka_unit_test(test_operators),
		cmocka_unit_test(test_preconditions_and_revisions),
		cmocka_unit_test(test_what_is_used_is_not_deleted),
		cmocka_unit_test(test_leases_outlive_their_subnet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
