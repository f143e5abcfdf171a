/* Groups, guarded pools, shared networks, identities, BOOTP and leases of other servers. Kit: lease
 * 100 s, MCLT 20 s, offer 10 s, subnet lab 10.0.0.0/24 with the pool .10 to .19. */
#include "store/model/levels.h"
#include "tests/unit/model/model_kit.h"

#define IP(last) (0x0a000000u + (last))

static char *text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}

static Pxe__Verdict put_group(struct kit *kit, Pxe__Group *group)
{
	Pxe__Put put = PXE__PUT__INIT;
	put.object_case = PXE__PUT__OBJECT_GROUP;
	put.group = group;
	return kit_put(kit, &put);
}

/* A group of the machines whose hardware address matches. */
static Pxe__Verdict put_mac_group(struct kit *kit, const char *name, const char *pattern)
{
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__Match match = PXE__MATCH__INIT;
	char *patterns[1] = {text(pattern)};
	group.name = text(name);
	group.match = &match;
	match.mac = patterns;
	match.n_mac = 1;
	return put_group(kit, &group);
}

struct pool_terms {
	const char *only, *except, *exclude_first, *exclude_last;
	uint32_t lease_s;
};

static Pxe__Verdict put_pool(struct kit *kit, const char *name, const char *subnet,
	const char *first, const char *last, const struct pool_terms *terms)
{
	uint8_t bytes[4][4];
	const char *ips[4] = {first, last, terms->exclude_first, terms->exclude_last};
	Pxe__Pool pool = PXE__POOL__INIT;
	Pxe__AddressRange range = PXE__ADDRESS_RANGE__INIT, *ranges[1] = {&range};
	Pxe__Put put = PXE__PUT__INIT;
	char *only[1] = {text(terms->only)}, *except[1] = {text(terms->except)};
	for (size_t i = 0; i < 4; i++)
		msg_ip4_put(ips[i] != NULL ? kit_ip(ips[i]) : 0, bytes[i]);
	pool.name = text(name);
	pool.subnet = text(subnet);
	pool.first_ip = kit_bytes(bytes[0], 4);
	pool.last_ip = kit_bytes(bytes[1], 4);
	range.first_ip = kit_bytes(bytes[2], 4);
	range.last_ip = kit_bytes(bytes[3], 4);
	pool.exclude = ranges;
	pool.n_exclude = terms->exclude_first != NULL ? 1 : 0;
	pool.only = only;
	pool.n_only = terms->only != NULL ? 1 : 0;
	pool.except = except;
	pool.n_except = terms->except != NULL ? 1 : 0;
	pool.lease_s = terms->lease_s;
	put.object_case = PXE__PUT__OBJECT_POOL;
	put.pool = &pool;
	return kit_put(kit, &put);
}

/* ---- groups */

static void test_groups_are_judged(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	kit_expect(&kit, put_mac_group(&kit, "dell", "d4:be:d9:*"), V(OK), "");
	kit_expect(&kit, put_mac_group(&kit, "odd", "d4-be-*"), V(INVALID),
		"\"d4-be-*\" can match no hardware address");
	kit_expect(&kit, put_mac_group(&kit, "no name", "*"), V(INVALID), "group name");
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__Match match = PXE__MATCH__INIT;
	char *archs[1] = {text("uefi-x46")};
	group.name = text("arm");
	group.match = &match;
	match.arch = archs;
	match.n_arch = 1;
	kit_expect(&kit, put_group(&kit, &group), V(INVALID), "architecture \"uefi-x46\"");
	archs[0] = text("uefi-arm*");
	group.profile = text("gone");
	kit_expect(&kit, put_group(&kit, &group), V(INVALID), "('gone') does not exist");
	group.profile = text("local");
	kit_expect(&kit, put_group(&kit, &group), V(OK), "");
	/* Pools and hosts name groups that exist. */
	struct pool_terms terms = {.only = "del"};
	kit_expect(&kit, put_pool(&kit, "p2", "lab", "10.0.0.30", "10.0.0.39", &terms), V(INVALID),
		"group del, named by pool p2, does not exist");
	terms.only = "dell";
	kit_expect(&kit, put_pool(&kit, "p2", "lab", "10.0.0.30", "10.0.0.39", &terms), V(OK), "");
	kit_expect(&kit, kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_GROUP, "dell", false),
		V(CONFLICT), "group dell is named by pool p2");
	kit_expect(&kit, kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_GROUP, "dell", true), V(OK), "");
	kit_expect(&kit, kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_GROUP, "dell", true),
		V(NOT_FOUND), "pxectl group list");
	kit_fini(&kit);
}

static void test_what_a_group_matches(void **state)
{
	(void)state;
	struct kit kit;
	struct kit_who who;
	kit_init(&kit);
	kit_host(&kit, "n01", 1, 0, NULL);
	Pxe__ClientInfo *info = kit_who(1, &who); /* 02:00:00:00:00:01 */
	ProtobufCBinaryData classes[2] = {kit_bytes("first", 5), kit_bytes("iPXE", 4)};
	uint8_t port[3] = {0, 4, 0x1f};
	info->has_arch = true;
	info->arch = 7;
	info->vendor_class = kit_bytes("PXEClient:Arch:00007", 20);
	info->user_class = classes;
	info->n_user_class = 2;
	info->circuit_id = kit_bytes(port, 3);
	info->remote_id = kit_bytes("Switch-7", 8);
	const struct {
		const char *field, *pattern;
		bool expected;
	} rows[] = {
		{"mac", "02:00:*", true},
		{"mac", "02:00:00:00:00:??", true},
		{"mac", "02:00:00:00:00:02", false},
		{"arch", "uefi-x64", true},
		{"arch", "7", true},
		{"arch", "uefi-*", true},
		{"arch", "bios", false},
		{"vendor", "PXEClient*", true},
		{"vendor", "pxeclient*00007", true},
		{"vendor", "HTTPClient*", false},
		{"user", "ipxe", true},
		{"user", "gPXE", false},
		{"circuit", "00:04:1F", true},
		{"circuit", "00:04", false},
		{"remote", "switch-*", true},
		{"remote", "*-8", false},
		{"client", "*", false}, /* it sent none */
		{"subnet", "lab", true},
		{"subnet", "office", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		Pxe__Group group = PXE__GROUP__INIT;
		Pxe__Match match = PXE__MATCH__INIT;
		char *patterns[1] = {text(rows[i].pattern)};
		char ***list[] = {&match.mac, &match.arch, &match.vendor_class, &match.user_class,
			&match.circuit_id, &match.remote_id, &match.client_id, &match.subnet};
		size_t *count[] = {&match.n_mac, &match.n_arch, &match.n_vendor_class,
			&match.n_user_class, &match.n_circuit_id, &match.n_remote_id,
			&match.n_client_id, &match.n_subnet};
		const char *fields[] = {
			"mac", "arch", "vendor", "user", "circuit", "remote", "client", "subnet"};
		for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
			if (strcmp(fields[f], rows[i].field) == 0)
				*list[f] = patterns, *count[f] = 1;
		}
		group.name = text("g");
		group.match = &match;
		assert_int_equal(put_group(&kit, &group), V(OK));
		const Pxe__Host *host = model_host_of(kit.model, info, NULL);
		if (model_in_group(kit.model, model_subnet(kit.model, "lab"), info, host, "g") !=
			rows[i].expected)
			fail_msg("%s %s", rows[i].field, rows[i].pattern);
		/* All that is said must hold. */
		match.known = PXE__KNOWN__KNOWN_NO;
		assert_int_equal(put_group(&kit, &group), V(OK));
		assert_false(
			model_in_group(kit.model, model_subnet(kit.model, "lab"), info, host, "g"));
	}
	assert_true(model_in_group(kit.model, NULL, info, model_host(kit.model, "n01"), "known"));
	assert_true(model_in_group(kit.model, NULL, info, NULL, "unknown"));
	kit_fini(&kit);
}

static void test_levels_stand_in_their_order(void **state)
{
	(void)state;
	struct kit kit;
	struct kit_who who;
	kit_init(&kit);
	for (unsigned i = 0; i < 3; i++) {
		Pxe__Group group = PXE__GROUP__INIT;
		Pxe__Match match = PXE__MATCH__INIT;
		const char *names[] = {"a", "b", "c"};
		const uint32_t order[] = {2, 1, 1};
		group.name = text(names[i]);
		group.order = order[i];
		group.match = &match;
		group.lease_s = 1000 + i;
		assert_int_equal(put_group(&kit, &group), V(OK));
	}
	kit_host(&kit, "n01", 1, 0, NULL);
	struct model_levels levels;
	const Pxe__Subnet *subnet = model_subnet(kit.model, "lab");
	model_levels_of(kit.model, subnet, kit_who(1, &who), IP(12), &levels);
	const char *expected[] = {
		"cluster", "subnet", "pool", "group b", "group c", "group a", "host"};
	assert_int_equal(levels.count, 7);
	for (size_t i = 0; i < levels.count; i++) {
		char shown[80];
		snprintf(shown, sizeof(shown), "%s%s%s", levels.level[i].kind,
			strcmp(levels.level[i].kind, "group") == 0 ? " " : "",
			strcmp(levels.level[i].kind, "group") == 0 ? levels.level[i].name : "");
		assert_string_equal(shown, expected[i]);
	}
	assert_int_equal(model_lease_time_s(kit.model, subnet, kit_who(1, &who), IP(12), 0), 1000);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	assert_int_equal(kit.result.lease.expires_ms, kit.now_ms + 1000000);
	kit_fini(&kit);
}

static void test_a_group_can_be_ignored(void **state)
{
	(void)state;
	struct kit kit;
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__Match match = PXE__MATCH__INIT;
	char *patterns[1] = {text("02:00:00:00:00:05")};
	kit_init(&kit);
	group.name = text("blocked");
	group.ignore = true;
	group.match = &match;
	match.mac = patterns;
	match.n_mac = 1;
	assert_int_equal(put_group(&kit, &group), V(OK));
	kit_expect(&kit, kit_offer(&kit, 5, 0), V(IGNORED), "pxectl group show blocked");
	kit_expect(&kit, kit_offer(&kit, 6, 0), V(OK), "");
	kit_fini(&kit);
}

/* ---- pools */

static void test_guarded_pools_are_for_their_groups(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	put_mac_group(&kit, "odd", "02:00:00:00:00:?1");
	struct pool_terms odd = {.only = "odd"}, others = {.except = "odd"};
	assert_int_equal(put_pool(&kit, "lab-1", "lab", "10.0.0.10", "10.0.0.11", &odd), V(OK));
	assert_int_equal(put_pool(&kit, "lab-2", "lab", "10.0.0.20", "10.0.0.21", &others), V(OK));
	/* 0x01, 0x11, 0x21 belong to it. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(kit_offer(&kit, 0x01 + 0x10 * i, IP(20)), V(OK));
		assert_in_range(kit.result.lease.ip, IP(10), IP(11));
		assert_int_equal(kit_offer(&kit, 0x02 + 0x10 * i, IP(10)), V(OK));
		assert_in_range(kit.result.lease.ip, IP(20), IP(21));
	}
	kit_expect(&kit, kit_offer(&kit, 0x21, 0), V(POOL_FULL), "");
	kit_expect(&kit, kit_bind(&kit, 0x33, IP(10), 0, true), V(IN_USE), "");
	/* Who is no member any more keeps what it has, and is not renewed. */
	assert_int_equal(kit_offer(&kit, 0x01, 0), V(OK));
	uint32_t ip = kit.result.lease.ip;
	assert_int_equal(kit_bind(&kit, 0x01, ip, 0, false), V(OK));
	put_mac_group(&kit, "odd", "02:00:00:00:00:11");
	kit_at(&kit, 60000);
	kit_expect(&kit, kit_bind(&kit, 0x01, ip, 0, false), V(OK), "not renewed");
	assert_int_equal(kit.result.lease.expires_ms, KIT_START_MS + 100000);
	kit_fini(&kit);
}

static void test_excluded_addresses_are_never_leased(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	struct pool_terms terms = {.exclude_first = "10.0.0.12", .exclude_last = "10.0.0.18"};
	assert_int_equal(put_pool(&kit, "lab-1", "lab", "10.0.0.10", "10.0.0.19", &terms), V(OK));
	uint64_t size, used;
	model_pool_usage(kit.model, model_pool(kit.model, "lab-1"), kit.now_ms, &size, &used);
	assert_int_equal(size, 3);
	assert_int_equal(kit_give(&kit, 2, 1), V(OK));
	assert_ptr_not_equal(model_block_of(kit.model, IP(19)), NULL);
	for (unsigned n = 1; n <= 2; n++) {
		assert_int_equal(kit_offer(&kit, n, IP(14)), V(OK));
		assert_in_range(kit.result.lease.ip, IP(10), IP(11));
	}
	assert_int_equal(kit_offer(&kit, 3, IP(14)), V(POOL_FULL));
	assert_int_equal(kit_bind(&kit, 4, IP(14), 0, true), V(NOT_AVAILABLE));
	terms.exclude_last = "10.0.0.20";
	kit_expect(&kit, put_pool(&kit, "lab-1", "lab", "10.0.0.10", "10.0.0.19", &terms),
		V(INVALID), "10.0.0.12-10.0.0.20 is no range inside pool lab-1");
	kit_fini(&kit);
}

/* Declared hosts without an address find one, whatever a flood of strangers took. */
static void test_something_is_kept_for_declared_hosts(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_host(&kit, "n01", 901, 0, NULL), V(OK));
	assert_int_equal(kit_host(&kit, "n02", 902, 0, "10.0.0.40"), V(OK));
	unsigned given = 0;
	for (unsigned n = 1; n <= 20; n++)
		given += kit_offer(&kit, n, 0) == V(OK) ? 1 : 0;
	assert_int_equal(given, 9);
	kit_expect(&kit, kit_offer(&kit, 30, 0), V(POOL_FULL), "kept for declared hosts");
	assert_int_equal(kit_offer(&kit, 901, 0), V(OK));
	assert_int_equal(kit_offer(&kit, 902, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(40));
	/* Nothing is kept for one that has an address. */
	assert_int_equal(kit_release(&kit, 1, IP(10), true), V(OK));
	kit_fini(&kit);
}

/* ---- shared networks */

static Pxe__Verdict put_shared(struct kit *kit, const char *name, const char *network)
{
	uint8_t bytes[4];
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	subnet.name = text(name);
	subnet.shared_network = text("floor1");
	subnet.prefix_len = 24;
	msg_ip4_put(kit_ip(network), bytes);
	subnet.network_ip = kit_bytes(bytes, 4);
	return kit_put_subnet(kit, &subnet);
}

static void test_subnets_of_one_link_serve_together(void **state)
{
	(void)state;
	struct kit kit;
	struct kit_who who;
	kit_init(&kit);
	assert_int_equal(put_shared(&kit, "lab", "10.0.0.0"), V(OK));
	assert_int_equal(put_shared(&kit, "lab2", "10.0.2.0"), V(OK));
	assert_int_equal(kit_pool(&kit, "p2", "lab2", "10.0.2.10", "10.0.2.11"), V(OK));
	/* The named one first, then the other, then nothing. */
	unsigned in_first = 0, in_second = 0;
	for (unsigned n = 1; n <= 12; n++) {
		assert_int_equal(kit_offer(&kit, n, 0), V(OK));
		if (kit.result.lease.ip >> 8 == IP(0) >> 8)
			in_first++;
		else
			in_second++;
		assert_int_equal(kit_bind(&kit, n, kit.result.lease.ip, 0, true), V(OK));
		assert_int_equal(n <= 10 ? in_first : 10, in_first);
	}
	assert_int_equal(in_second, 2);
	assert_int_equal(kit_offer(&kit, 13, 0), V(POOL_FULL));
	/* What it has is known, whichever subnet is named. */
	assert_int_equal(kit_offer(&kit, 12, 0), V(OK));
	assert_in_range(kit.result.lease.ip, kit_ip("10.0.2.10"), kit_ip("10.0.2.11"));
	assert_string_equal(kit.result.lease.subnet, "lab2");
	assert_int_equal(kit_offer_in(&kit, "lab2", 1, 0), V(OK));
	assert_in_range(kit.result.lease.ip, IP(10), IP(19));
	/* A reservation on the link comes first. */
	assert_int_equal(kit_host(&kit, "n14", 14, 0, "10.0.2.77"), V(OK));
	assert_int_equal(kit_offer(&kit, 14, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, kit_ip("10.0.2.77"));
	assert_ptr_equal(model_subnet_on_link(
				 kit.model, model_subnet(kit.model, "lab"), kit_ip("10.0.2.77")),
		model_subnet(kit.model, "lab2"));
	assert_int_equal(kit_subnet(&kit, "far", "10.0.9.0", 24, NULL), V(OK));
	assert_null(model_subnet_on_link(
		kit.model, model_subnet(kit.model, "lab"), kit_ip("10.0.9.1")));
	(void)who;
	kit_fini(&kit);
}

/* ---- identities */

struct identity {
	unsigned mac; /* 0: none */
	const char *client_id, *circuit, *ip, *more_ip;
	uint8_t uuid; /* 0: none */
};

static Pxe__Verdict put_identity(struct kit *kit, const char *name, const struct identity *identity)
{
	uint8_t mac[6], ip[2][4], uuid[16];
	Pxe__Host host = PXE__HOST__INIT;
	ProtobufCBinaryData macs[1], client_ids[1], circuits[1], more[1];
	kit_mac(identity->mac, mac);
	memset(uuid, identity->uuid, sizeof(uuid));
	macs[0] = kit_bytes(mac, 6);
	host.name = text(name);
	host.mac = macs;
	host.n_mac = identity->mac != 0 ? 1 : 0;
	host.client_id = client_ids;
	host.circuit_id = circuits;
	host.more_ip = more;
	if (identity->client_id != NULL)
		client_ids[host.n_client_id++] =
			kit_bytes(identity->client_id, strlen(identity->client_id));
	if (identity->circuit != NULL)
		circuits[host.n_circuit_id++] =
			kit_bytes(identity->circuit, strlen(identity->circuit));
	msg_ip4_put(identity->ip != NULL ? kit_ip(identity->ip) : 0, ip[0]);
	msg_ip4_put(identity->more_ip != NULL ? kit_ip(identity->more_ip) : 0, ip[1]);
	if (identity->ip != NULL)
		host.ip = kit_bytes(ip[0], 4);
	if (identity->more_ip != NULL)
		more[host.n_more_ip++] = kit_bytes(ip[1], 4);
	if (identity->uuid != 0)
		host.uuid = kit_bytes(uuid, 16);
	return kit_put_host(kit, &host);
}

/* Client n, as it shows itself. */
static Pxe__Verdict offer_as(
	struct kit *kit, const char *subnet, unsigned n, const struct identity *identity)
{
	struct kit_who who;
	uint8_t uuid[16];
	Pxe__Offer offer = PXE__OFFER__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	offer.who = kit_who(n, &who);
	memset(uuid, identity->uuid, sizeof(uuid));
	if (identity->client_id != NULL)
		offer.who->client_id = kit_bytes(identity->client_id, strlen(identity->client_id));
	if (identity->circuit != NULL)
		offer.who->circuit_id = kit_bytes(identity->circuit, strlen(identity->circuit));
	if (identity->uuid != 0)
		offer.who->uuid = kit_bytes(uuid, 16);
	offer.subnet = text(subnet);
	command.op_case = PXE__COMMAND__OP_OFFER;
	command.offer = &offer;
	return kit_apply(kit, &command);
}

static void test_reservations_by_whatever_is_known(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	struct identity id = {.client_id = "printer-7", .ip = "10.0.0.41"};
	struct identity uuid = {.uuid = 0x42, .ip = "10.0.0.42"};
	struct identity port = {.circuit = "eth0/7", .ip = "10.0.0.43"};
	assert_int_equal(put_identity(&kit, "printer", &id), V(OK));
	assert_int_equal(put_identity(&kit, "server", &uuid), V(OK));
	assert_int_equal(put_identity(&kit, "port7", &port), V(OK));
	assert_int_equal(offer_as(&kit, "lab", 1, &id), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(41));
	assert_int_equal(offer_as(&kit, "lab", 2, &uuid), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(42));
	assert_int_equal(offer_as(&kit, "lab", 3, &port), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(43));
	/* The same machine by its other port: one address [P6]. */
	assert_int_equal(offer_as(&kit, "lab", 22, &uuid), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(42));
	/* Another machine at the same circuit does not get what the first one holds. */
	assert_int_equal(offer_as(&kit, "lab", 33, &port), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(43));
	kit_at(&kit, 13001);
	assert_int_equal(kit_sweep(&kit, 0), V(OK));
	assert_int_equal(offer_as(&kit, "lab", 33, &port), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(43));
	/* Each identity is one host's. */
	kit_expect(&kit, put_identity(&kit, "other", &id), V(CONFLICT), "belongs to host printer");
	kit_expect(&kit, put_identity(&kit, "other", &port), V(CONFLICT), "belongs to host port7");
	assert_int_equal(kit_delete(&kit, PXE__OBJECT_KIND__OBJECT_HOST, "printer", false), V(OK));
	id.ip = "10.0.0.45";
	assert_int_equal(put_identity(&kit, "other", &id), V(OK));
	kit_fini(&kit);
}

/* A node that is cut off may lease what is fixed to a machine, not to whoever is at a port. */
static void test_r5_a_circuit_is_no_machine(void **state)
{
	(void)state;
	struct kit kit;
	struct kit_who who;
	kit_init(&kit);
	struct identity id = {.client_id = "printer-7", .ip = "10.0.0.41"};
	struct identity port = {.circuit = "eth0/7", .ip = "10.0.0.43"};
	assert_int_equal(put_identity(&kit, "printer", &id), V(OK));
	assert_int_equal(put_identity(&kit, "port7", &port), V(OK));
	const Pxe__Subnet *lab = model_subnet(kit.model, "lab");
	Pxe__ClientInfo *info = kit_who(1, &who);
	info->client_id = kit_bytes("printer-7", 9);
	assert_true(model_is_fixed_to(kit.model, lab, info, IP(41)));
	info = kit_who(2, &who);
	info->circuit_id = kit_bytes("eth0/7", 6);
	assert_int_equal(model_reserved_ip(kit.model, lab, info), IP(43));
	assert_false(model_is_fixed_to(kit.model, lab, info, IP(43)));
	/* What it is recognised by has changed: everybody must know first. */
	id.client_id = "printer-8";
	assert_int_equal(put_identity(&kit, "printer", &id), V(OK));
	assert_int_equal(offer_as(&kit, "lab", 8, &id), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(41));
	kit_at(&kit, 10);
	assert_int_equal(kit_settle(&kit, 5), V(OK));
	assert_int_equal(offer_as(&kit, "lab", 9, &id), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(41));
	kit_fini(&kit);
}

static void test_one_machine_has_an_address_in_each_subnet(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_subnet(&kit, "office", "10.0.5.0", 24, NULL), V(OK));
	struct identity id = {.mac = 7, .ip = "10.0.0.50", .more_ip = "10.0.5.50"};
	assert_int_equal(put_identity(&kit, "laptop", &id), V(OK));
	assert_int_equal(kit_offer(&kit, 7, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(50));
	assert_int_equal(kit_offer_in(&kit, "office", 7, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, kit_ip("10.0.5.50"));
	id.more_ip = "10.0.0.51";
	kit_expect(&kit, put_identity(&kit, "laptop", &id), V(INVALID), "both in subnet lab");
	/* The address that it gives up rests until everybody knows. */
	id.more_ip = NULL;
	assert_int_equal(put_identity(&kit, "laptop", &id), V(OK));
	struct identity next = {.mac = 8, .ip = "10.0.5.50"};
	assert_int_equal(put_identity(&kit, "next", &next), V(OK));
	assert_int_equal(kit_offer_in(&kit, "office", 8, 0), V(POOL_FULL));
	kit_fini(&kit);
}

/* ---- BOOTP and imports */

static void test_bootp_gets_reserved_addresses_for_ever(void **state)
{
	(void)state;
	struct kit kit;
	struct kit_who who;
	uint8_t ip[4];
	Pxe__Bind bind = PXE__BIND__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	kit_init(&kit);
	bind.who = kit_who(1, &who);
	bind.subnet = text("lab");
	bind.bootp = true;
	bind.create = true;
	msg_ip4_put(IP(12), ip);
	bind.ip = kit_bytes(ip, 4);
	command.op_case = PXE__COMMAND__OP_BIND;
	command.bind = &bind;
	kit_expect(&kit, kit_apply(&kit, &command), V(NOT_FOUND), "reserved ones only");
	assert_int_equal(kit_host(&kit, "old", 1, 0, "10.0.0.12"), V(OK));
	assert_int_equal(kit_apply(&kit, &command), V(OK));
	kit_at(&kit, UINT64_C(3155000000000));
	assert_int_equal(kit_state(&kit, IP(12)), S(BOUND));
	assert_int_equal(kit_offer(&kit, 2, IP(12)), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(12));
	kit_fini(&kit);
}

static Pxe__Verdict import(struct kit *kit, unsigned n, uint32_t ip, uint64_t expires_ms)
{
	uint8_t mac[6], bytes[4];
	Pxe__Lease lease = PXE__LEASE__INIT;
	Pxe__LeaseImport given = PXE__LEASE_IMPORT__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	kit_mac(n, mac);
	msg_ip4_put(ip, bytes);
	lease.mac = kit_bytes(mac, 6);
	lease.ip = kit_bytes(bytes, 4);
	lease.expires_ms = KIT_START_MS + expires_ms;
	given.lease = &lease;
	command.op_case = PXE__COMMAND__OP_LEASE_IMPORT;
	command.lease_import = &given;
	return kit_apply(kit, &command);
}

static void test_leases_of_another_server_are_taken_over(void **state)
{
	(void)state;
	struct kit kit;
	kit_init_three(&kit);
	kit_expect(&kit, import(&kit, 1, IP(12), 500000), V(OK), "");
	assert_int_equal(kit.result.lease.promised_ms, KIT_START_MS + 520000);
	kit_expect(&kit, import(&kit, 2, IP(12), 500000), V(IN_USE), "another client's here");
	kit_expect(&kit, import(&kit, 1, IP(13), 500000), V(CONFLICT), "has 10.0.0.12 here");
	kit_expect(&kit, import(&kit, 3, IP(14), 0), V(INVALID), "run out");
	kit_expect(&kit, import(&kit, 3, IP(1), 500000), V(CONFLICT), "gateway");
	kit_expect(&kit, import(&kit, 3, 0x0b000001, 500000), V(NO_SUBNET), "no subnet");
	/* Outside of the pools: it runs out and is not renewed. */
	kit_expect(&kit, import(&kit, 4, IP(99), 500000), V(OK), "");
	/* Nothing is shortened. */
	kit_expect(&kit, import(&kit, 1, IP(12), 1000), V(OK), "");
	assert_int_equal(kit.result.lease.expires_ms, KIT_START_MS + 500000);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.77"), V(OK));
	kit_expect(&kit, import(&kit, 5, IP(77), 500000), V(CONFLICT), "reserved for host n07");
	kit_expect(&kit, import(&kit, 7, IP(77), 500000), V(OK), "");
	/* [R1] What a node may lease alone. */
	assert_int_equal(kit_give(&kit, 2, 2), V(OK));
	kit_expect(&kit, import(&kit, 8, IP(19), 500000), V(RESERVE), "in the reserve of");
	/* The client goes on with it. */
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(12));
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, false), V(OK));
	kit_fini(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_are_judged),
		cmocka_unit_test(test_what_a_group_matches),
		cmocka_unit_test(test_levels_stand_in_their_order),
		cmocka_unit_test(test_a_group_can_be_ignored),
		cmocka_unit_test(test_guarded_pools_are_for_their_groups),
		cmocka_unit_test(test_excluded_addresses_are_never_leased),
		cmocka_unit_test(test_something_is_kept_for_declared_hosts),
		cmocka_unit_test(test_subnets_of_one_link_serve_together),
		cmocka_unit_test(test_reservations_by_whatever_is_known),
		cmocka_unit_test(test_r5_a_circuit_is_no_machine),
		cmocka_unit_test(test_one_machine_has_an_address_in_each_subnet),
		cmocka_unit_test(test_bootp_gets_reserved_addresses_for_ever),
		cmocka_unit_test(test_leases_of_another_server_are_taken_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
