/* Options and manners by level: cluster, subnet, pool, groups, host. */
#include "tests/unit/node/dhcp4_rig.h"

static int setup(void **state)
{
	struct rig *rig = malloc(sizeof *rig);
	assert_non_null(rig);
	rig_init(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	rig_fini(rig);
	free(rig);
	return 0;
}

/* ---- configuration */

static Pxe__Option option(uint8_t code, const char *value)
{
	Pxe__Option one = PXE__OPTION__INIT;
	one.code = code;
	one.data = (ProtobufCBinaryData){strlen(value), (uint8_t *)(uintptr_t)value};
	return one;
}

static Pxe__Option vivso(uint32_t enterprise, uint8_t code, const char *value)
{
	Pxe__Option one = option(code, value);
	one.space = PXE__OPTION_SPACE__OPTION_VIVSO;
	one.enterprise = enterprise;
	return one;
}

static void set_cluster(struct rig *rig, Pxe__Option **options, size_t count, Pxe__Quirks *quirks)
{
	Pxe__Settings settings = *model_settings(rig->model);
	Pxe__Put put = PXE__PUT__INIT;
	settings.n_options = count;
	settings.options = options;
	settings.quirks = quirks;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(rig, &put);
}

static void set_subnet(struct rig *rig, Pxe__Option **options, size_t count, Pxe__Quirks *quirks)
{
	Pxe__Subnet subnet = *model_subnet(rig->model, "lab");
	Pxe__Put put = PXE__PUT__INIT;
	subnet.n_options = count;
	subnet.options = options;
	subnet.quirks = quirks;
	put.object_case = PXE__PUT__OBJECT_SUBNET;
	put.subnet = &subnet;
	rig_put(rig, &put);
}

static void set_pool(struct rig *rig, Pxe__Option **options, size_t count)
{
	Pxe__Pool pool = *model_pool(rig->model, "lab");
	Pxe__Put put = PXE__PUT__INIT;
	pool.n_options = count;
	pool.options = options;
	put.object_case = PXE__PUT__OBJECT_POOL;
	put.pool = &pool;
	rig_put(rig, &put);
}

/* A group of those whose vendor class is `vendor_class`. */
static void set_group(struct rig *rig, const char *name, uint32_t order, const char *vendor_class,
	Pxe__Option **options, size_t count, Pxe__Quirks *quirks, bool ignore)
{
	char *classes[] = {(char *)(uintptr_t)vendor_class};
	Pxe__Match match = PXE__MATCH__INIT;
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	match.n_vendor_class = 1;
	match.vendor_class = classes;
	group.name = (char *)(uintptr_t)name;
	group.order = order;
	group.match = &match;
	group.n_options = count;
	group.options = options;
	group.quirks = quirks;
	group.ignore = ignore;
	put.object_case = PXE__PUT__OBJECT_GROUP;
	put.group = &group;
	rig_put(rig, &put);
}

static void set_host(struct rig *rig, const char *name, unsigned client, const char *hostname,
	Pxe__Option **options, size_t count, Pxe__Quirks *quirks)
{
	uint8_t mac[6];
	ProtobufCBinaryData macs[1] = {{6, mac}};
	Pxe__Host host = PXE__HOST__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	rig_mac(client, mac);
	host.name = (char *)(uintptr_t)name;
	host.hostname = (char *)(uintptr_t)hostname;
	host.n_mac = 1;
	host.mac = macs;
	host.n_options = count;
	host.options = options;
	host.quirks = quirks;
	put.object_case = PXE__PUT__OBJECT_HOST;
	put.host = &host;
	rig_put(rig, &put);
}

/* ---- answers */

static struct ask discover(unsigned client)
{
	return (struct ask){.type = DHCP4_DISCOVER, .client = client, .xid = client + 1};
}

static void ask_list(struct ask *ask, const uint8_t *codes, size_t count)
{
	ask_option(ask, DHCP4_PARAMETER_LIST, codes, count);
}

static void expect_bytes(const struct rig *rig, uint8_t code, const void *value, size_t size)
{
	const uint8_t *data;
	size_t found;
	if (!dhcp4_option(&rig->reply, code, &data, &found))
		fail_msg("option %u is not there", code);
	assert_int_equal(found, size);
	assert_memory_equal(data, value, size);
}

static void expect_text(const struct rig *rig, uint8_t code, const char *text)
{
	expect_bytes(rig, code, text, strlen(text));
}

/* Where the option's code stands in the answer; 0: nowhere. */
static size_t place_of(const struct rig *rig, uint8_t code)
{
	const uint8_t *data = rig->effects.reply.data;
	for (size_t at = DHCP4_HEADER_BYTES; data[at] != DHCP4_END; at += 2u + data[at + 1])
		if (data[at] == code)
			return at;
	return 0;
}

static void each_level_overrides_those_before_it(void **state)
{
	struct rig *rig = *state;
	Pxe__Option cluster[] = {option(17, "cluster"), option(40, "cluster"),
		option(62, "cluster"), option(64, "cluster"), option(86, "cluster"),
		option(101, "cluster")};
	Pxe__Option subnet[] = {option(40, "subnet"), option(62, "subnet"), option(64, "subnet"),
		option(86, "subnet"), option(101, "subnet")};
	Pxe__Option pool[] = {
		option(62, "pool"), option(64, "pool"), option(86, "pool"), option(101, "pool")};
	Pxe__Option early[] = {option(64, "early"), option(86, "early"), option(101, "early")};
	Pxe__Option late[] = {option(86, "late"), option(101, "late")};
	Pxe__Option host[] = {option(101, "host")};
	Pxe__Option *levels[6][6];
	for (size_t i = 0; i < 6; i++) {
		levels[0][i] = &cluster[i];
		levels[1][i] = &subnet[i % 5];
		levels[2][i] = &pool[i % 4];
		levels[3][i] = &early[i % 3];
		levels[4][i] = &late[i % 2];
		levels[5][i] = &host[0];
	}
	set_cluster(rig, levels[0], 6, NULL);
	set_subnet(rig, levels[1], 5, NULL);
	set_pool(rig, levels[2], 4);
	set_group(rig, "zzz", 1, "PXE*", levels[3], 3, NULL, false);
	set_group(rig, "aaa", 2, "PXE*", levels[4], 2, NULL, false);
	set_host(rig, "n01", 1, "", levels[5], 1, NULL);
	struct ask ask = discover(1);
	ask_text(&ask, DHCP4_VENDOR_CLASS, "PXEClientX");
	assert_true(rig_ask(rig, &ask));
	expect_text(rig, 17, "cluster");
	expect_text(rig, 40, "subnet");
	expect_text(rig, 62, "pool");
	expect_text(rig, 64, "early");
	expect_text(rig, 86, "late");
	expect_text(rig, 101, "host");

	struct ask other = discover(2); /* no host, no group */
	assert_true(rig_ask(rig, &other));
	expect_text(rig, 64, "pool");
	expect_text(rig, 101, "pool");
}

static void options_replace_the_fields_of_the_subnet(void **state)
{
	struct rig *rig = *state;
	Pxe__Option options[] = {option(DHCP4_ROUTERS, "\x0a\x07\x07\x09"),
		option(DHCP4_DOMAIN_NAME, "other.example.org")};
	Pxe__Option *list[] = {&options[0], &options[1]};
	set_host(rig, "n01", 1, "", list, 2, NULL);
	struct ask ask = discover(1);
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig_ip4(rig, DHCP4_ROUTERS), IP(10, 7, 7, 9));
	expect_text(rig, DHCP4_DOMAIN_NAME, "other.example.org");
	expect_text(rig, DHCP4_HOST_NAME, "n01");
	assert_int_equal(rig_ip4(rig, DHCP4_DNS_SERVERS), IP(10, 0, 0, 3));
}

static void a_subnet_without_name_servers_has_the_clusters(void **state)
{
	struct rig *rig = *state;
	uint8_t ip[4] = {10, 9, 9, 53};
	ProtobufCBinaryData ips[1] = {{4, ip}};
	Pxe__Settings settings = *model_settings(rig->model);
	Pxe__Subnet subnet = *model_subnet(rig->model, "lab");
	Pxe__Put put = PXE__PUT__INIT;
	settings.dns_ip = ips;
	settings.n_dns_ip = 1;
	settings.domain = (char *)(uintptr_t) "cluster.example.org";
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(rig, &put);
	struct ask ask = discover(1);
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig_ip4(rig, DHCP4_DNS_SERVERS), IP(10, 0, 0, 3));
	subnet = *model_subnet(rig->model, "lab");
	subnet.n_dns_ip = 0;
	subnet.domain = (char *)(uintptr_t) "";
	put.object_case = PXE__PUT__OBJECT_SUBNET;
	put.subnet = &subnet;
	rig_put(rig, &put);
	struct ask other = discover(2);
	assert_true(rig_ask(rig, &other));
	assert_int_equal(rig_ip4(rig, DHCP4_DNS_SERVERS), IP(10, 9, 9, 53));
	expect_text(rig, DHCP4_DOMAIN_NAME, "cluster.example.org");
}

static void always_options_come_unasked_and_last(void **state)
{
	struct rig *rig = *state;
	const uint8_t wanted[] = {DHCP4_DNS_SERVERS, DHCP4_ROUTERS};
	Pxe__Option options[] = {option(17, "/root"), option(40, "unasked")};
	Pxe__Option *list[] = {&options[0], &options[1]};
	options[0].always = true;
	set_cluster(rig, list, 2, NULL);
	struct ask ask = discover(1);
	ask_list(&ask, wanted, sizeof wanted);
	assert_true(rig_ask(rig, &ask));
	expect_text(rig, 17, "/root");
	assert_false(dhcp4_has(&rig->reply, 40));
	assert_true(place_of(rig, DHCP4_DNS_SERVERS) < place_of(rig, DHCP4_ROUTERS));
	assert_true(place_of(rig, DHCP4_ROUTERS) < place_of(rig, 17));
}

static void vendor_parts_of_all_levels_make_one_option_43(void **state)
{
	struct rig *rig = *state;
	Pxe__Option cluster = option(1, "one"), host = option(2, "two");
	Pxe__Option *cluster_list[] = {&cluster}, *host_list[] = {&host};
	cluster.space = host.space = PXE__OPTION_SPACE__OPTION_VENDOR;
	set_cluster(rig, cluster_list, 1, NULL);
	set_host(rig, "n01", 1, "", host_list, 1, NULL);
	struct ask ask = discover(1);
	assert_true(rig_ask(rig, &ask));
	expect_bytes(rig, DHCP4_VENDOR_INFO, "\x01\x03one\x02\x03two", 10);
}

static void enterprises_stand_apart_in_option_125(void **state) /* RFC 3925 */
{
	struct rig *rig = *state;
	const uint8_t wanted[] = {125};
	Pxe__Option options[] = {vivso(3561, 1, "aa"), vivso(9, 1, "b"), vivso(3561, 2, "c")};
	Pxe__Option *list[] = {&options[0], &options[1], &options[2]};
	set_cluster(rig, list, 3, NULL);
	struct ask ask = discover(1);
	ask_list(&ask, wanted, sizeof wanted);
	assert_true(rig_ask(rig, &ask));
	expect_bytes(rig, 125,
		"\x00\x00\x0d\xe9\x07\x01\x02"
		"aa\x02\x01"
		"c\x00\x00\x00\x09\x03\x01\x01"
		"b",
		20);
}

static void a_long_value_goes_in_pieces(void **state) /* RFC 3396 */
{
	struct rig *rig = *state;
	const uint8_t wanted[] = {17}, limit[] = {0x05, 0xdc};
	char text[401];
	memset(text, 'x', 300);
	memset(text + 300, 'y', 100);
	text[400] = '\0';
	Pxe__Option options[] = {option(17, text)};
	Pxe__Option *list[] = {&options[0]};
	set_cluster(rig, list, 1, NULL);
	struct ask ask = discover(1);
	ask_list(&ask, wanted, sizeof wanted);
	ask_option(&ask, DHCP4_MAX_MESSAGE_BYTES, limit, sizeof limit);
	assert_true(rig_ask(rig, &ask));
	expect_bytes(rig, 17, text, 400);
	size_t at = place_of(rig, 17);
	const uint8_t *data = rig->effects.reply.data;
	assert_int_equal(data[at + 1], 255);
	assert_int_equal(data[at + 257], 17);
	assert_int_equal(data[at + 258], 145);
}

static void classless_routes_stand_before_routers(void **state) /* RFC 3442 */
{
	struct rig *rig = *state;
	const uint8_t wanted[] = {DHCP4_ROUTERS, DHCP4_DNS_SERVERS, DHCP4_CLASSLESS_ROUTES};
	const uint8_t plain[] = {DHCP4_ROUTERS};
	Pxe__Option options[] = {option(DHCP4_CLASSLESS_ROUTES, "\x08\x0a\x0a\x01\x02\x03")};
	Pxe__Option *list[] = {&options[0]};
	set_cluster(rig, list, 1, NULL);
	struct ask ask = discover(1);
	ask_list(&ask, wanted, sizeof wanted);
	assert_true(rig_ask(rig, &ask));
	assert_true(place_of(rig, DHCP4_CLASSLESS_ROUTES) != 0);
	assert_true(place_of(rig, DHCP4_CLASSLESS_ROUTES) < place_of(rig, DHCP4_ROUTERS));
	struct ask other = discover(2);
	ask_list(&other, plain, sizeof plain);
	assert_true(rig_ask(rig, &other));
	assert_false(dhcp4_has(&rig->reply, DHCP4_CLASSLESS_ROUTES));
	assert_true(dhcp4_has(&rig->reply, DHCP4_ROUTERS));
}

static void v6only_is_told_only_to_who_asks_for_it(void **state) /* RFC 8925 */
{
	struct rig *rig = *state;
	const uint8_t wanted[] = {DHCP4_ROUTERS, DHCP4_V6ONLY_SECONDS}, without[] = {DHCP4_ROUTERS};
	Pxe__Option options[] = {{.base = PROTOBUF_C_MESSAGE_INIT(&pxe__option__descriptor),
		.code = 108,
		.always = true}};
	uint8_t seconds[] = {0, 0, 7, 8};
	Pxe__Option *list[] = {&options[0]};
	options[0].data = (ProtobufCBinaryData){4, seconds};
	set_cluster(rig, list, 1, NULL);
	struct ask ask = discover(1), other = discover(2), silent = discover(3);
	ask_list(&ask, wanted, sizeof wanted);
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig_u32(rig, DHCP4_V6ONLY_SECONDS), 1800);
	assert_int_not_equal(rig->reply.header.yiaddr, 0);
	ask_list(&other, without, sizeof without);
	assert_true(rig_ask(rig, &other));
	assert_false(dhcp4_has(&rig->reply, DHCP4_V6ONLY_SECONDS));
	assert_true(rig_ask(rig, &silent)); /* no list at all: "everything" is not this */
	assert_false(dhcp4_has(&rig->reply, DHCP4_V6ONLY_SECONDS));
}

static void fqdn_is_answered_without_a_registration(void **state) /* RFC 4702 */
{
	struct rig *rig = *state;
	const uint8_t asked[] = {0x05, 0, 0, 3, 'a', 'b', 'c', 0}; /* E, S */
	const uint8_t answer[] = {0x0e, 255, 255, 3, 'a', 'b', 'c', 0};
	const uint8_t cut[] = {0x05, 0};
	struct ask ask = discover(1), other = discover(2);
	ask_option(&ask, DHCP4_CLIENT_FQDN, asked, sizeof asked);
	assert_true(rig_ask(rig, &ask));
	expect_bytes(rig, DHCP4_CLIENT_FQDN, answer, sizeof answer);
	ask_option(&other, DHCP4_CLIENT_FQDN, cut, sizeof cut);
	assert_true(rig_ask(rig, &other));
	assert_false(dhcp4_has(&rig->reply, DHCP4_CLIENT_FQDN));
}

static void the_client_identifier_is_echoed_unless_told_otherwise(void **state) /* FIELD 12 */
{
	struct rig *rig = *state;
	const uint8_t id[] = {255, 1, 2, 3, 4};
	Pxe__Quirks quirks = PXE__QUIRKS__INIT;
	struct ask ask = discover(1);
	ask_option(&ask, DHCP4_CLIENT_ID, id, sizeof id);
	ask_text(&ask, DHCP4_VENDOR_CLASS, "old printer");
	assert_true(rig_ask(rig, &ask));
	expect_bytes(rig, DHCP4_CLIENT_ID, id, sizeof id);
	quirks.echo_client_id = PXE__TOGGLE__TOGGLE_NO;
	set_group(rig, "printers", 0, "*printer", NULL, 0, &quirks, false);
	ask.xid++;
	assert_true(rig_ask(rig, &ask));
	assert_false(dhcp4_has(&rig->reply, DHCP4_CLIENT_ID));
}

/* Far more options than 548 bytes hold. */
static void set_much(struct rig *rig, Pxe__Quirks *quirks)
{
	static char text[3][121];
	Pxe__Option options[3], *list[3];
	for (size_t i = 0; i < 3; i++) {
		memset(text[i], 'a' + (int)i, 120);
		options[i] = option((uint8_t)(200 + i), text[i]);
		list[i] = &options[i];
	}
	set_cluster(rig, list, 3, quirks);
}

static size_t count_much(const struct rig *rig)
{
	size_t count = 0;
	for (uint8_t code = 200; code < 203; code++)
		count += dhcp4_has(&rig->reply, code);
	return count;
}

static void overload_is_used_only_by_leave_and_with_a_list(void **state) /* FIELD 6, 7 */
{
	struct rig *rig = *state;
	const uint8_t wanted[] = {200, 201, 202}, limit[] = {0x02, 0x40};
	Pxe__Quirks quirks = PXE__QUIRKS__INIT;
	struct ask ask = discover(1);
	ask_list(&ask, wanted, sizeof wanted);
	ask_option(&ask, DHCP4_MAX_MESSAGE_BYTES, limit, sizeof limit);
	set_much(rig, NULL);
	assert_true(rig_ask(rig, &ask));
	assert_false(dhcp4_has(&rig->reply, DHCP4_OVERLOAD));
	assert_int_equal(count_much(rig), 2);

	quirks.overload = PXE__TOGGLE__TOGGLE_YES;
	set_much(rig, &quirks);
	ask.xid++;
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(count_much(rig), 3);
	uint8_t overload = 0;
	assert_true(dhcp4_u8(&rig->reply, DHCP4_OVERLOAD, &overload));
	assert_int_equal(overload, 1);
	assert_true(rig->effects.reply.size <= 548);

	struct ask silent = discover(2);
	ask_option(&silent, DHCP4_MAX_MESSAGE_BYTES, limit, sizeof limit);
	assert_true(rig_ask(rig, &silent));
	assert_false(dhcp4_has(&rig->reply, DHCP4_OVERLOAD));
}

static void answers_go_to_everybody_if_told_so(void **state) /* FIELD 21 */
{
	struct rig *rig = *state;
	Pxe__Quirks quirks = PXE__QUIRKS__INIT;
	struct ask ask = discover(1);
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_HARDWARE);
	quirks.broadcast = PXE__TOGGLE__TOGGLE_YES;
	set_subnet(rig, NULL, 0, &quirks);
	ask.xid++;
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_EVERYBODY);
	assert_true(rig->reply.header.flags & DHCP4_FLAG_BROADCAST);
}

static void a_slow_rom_is_answered_later(void **state) /* FIELD 26 */
{
	struct rig *rig = *state;
	Pxe__Quirks quirks = PXE__QUIRKS__INIT;
	quirks.reply_delay_ms = 1500;
	set_host(rig, "pi", 1, "", NULL, 0, &quirks);
	struct ask ask = discover(1);
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DELAYED), 1);
	rig_pass(rig, 1000);
	ask.xid = 77; /* it asks again: still one answer, to what it said last */
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	rig_pass(rig, 499);
	assert_false(dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects));
	rig_pass(rig, 1);
	assert_true(dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects));
	rig_note_effects(rig);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.xid, 77);
	assert_false(dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects));

	struct ask other = discover(2);
	assert_true(rig_ask(rig, &other));
}

static void a_group_may_be_ignored(void **state)
{
	struct rig *rig = *state;
	set_group(rig, "phones", 0, "phone*", NULL, 0, NULL, true);
	struct ask ask = discover(1), other = discover(2);
	ask_text(&ask, DHCP4_VENDOR_CLASS, "Phone 9");
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_IGNORED), 1);
	assert_true(rig_ask(rig, &other));
}

static void what_groups_match_by_goes_to_the_log_only_if_there_are_any(void **state)
{
	struct rig *rig = *state;
	const uint8_t arch[] = {0, 7}, info[] = {1, 2, 'p', '7'};
	struct ask ask = discover(1);
	ask_text(&ask, DHCP4_VENDOR_CLASS, "PXEClient");
	ask_text(&ask, DHCP4_USER_CLASS, "raw");
	ask_option(&ask, DHCP4_CLIENT_ARCH, arch, sizeof arch);
	ask_option(&ask, DHCP4_RELAY_AGENT_INFO, info, sizeof info);
	ask.giaddr = IP(10, 0, 0, 1);
	rig_send(rig, &ask);
	const Pxe__ClientInfo *who = &rig->effects.proposal.who;
	assert_int_equal(who->vendor_class.len, 0);
	assert_false(who->has_arch);
	rig_commit(rig);
	set_group(rig, "any", 0, "*", NULL, 0, NULL, false);
	struct ask other = ask;
	other.client = 2;
	rig_send(rig, &other);
	assert_true(who->has_arch);
	assert_int_equal(who->arch, 7);
	assert_int_equal(who->vendor_class.len, 9);
	assert_int_equal(who->n_user_class, 1);
	assert_int_equal(who->circuit_id.len, 2);
	assert_memory_equal(who->circuit_id.data, "p7", 2);
}

static void t1_is_before_t2_and_t2_before_the_end(void **state)
{
	struct rig *rig = *state;
	for (uint32_t lease_s = 60; lease_s < 80; lease_s++) {
		uint8_t asked[4];
		struct ask ask = discover(lease_s);
		msg_ip4_put(lease_s, asked);
		ask_option(&ask, DHCP4_LEASE_SECONDS, asked, sizeof asked);
		assert_true(rig_ask(rig, &ask));
		uint32_t told_s = rig_u32(rig, DHCP4_LEASE_SECONDS);
		assert_int_equal(told_s, lease_s);
		assert_true(rig_u32(rig, DHCP4_RENEWAL_SECONDS) <
			    rig_u32(rig, DHCP4_REBINDING_SECONDS));
		assert_true(rig_u32(rig, DHCP4_REBINDING_SECONDS) < told_s);
	}
}

static void configured_strings_end_as_the_clients_do(void **state) /* FIELD 9 */
{
	struct rig *rig = *state;
	Pxe__Option options[] = {option(DHCP4_ROOT_PATH, "/srv")};
	Pxe__Option *list[] = {&options[0]};
	set_cluster(rig, list, 1, NULL);
	struct ask ask = discover(1), other = discover(2);
	ask_option(&ask, DHCP4_HOST_NAME, "win\0", 4);
	assert_true(rig_ask(rig, &ask));
	expect_bytes(rig, DHCP4_ROOT_PATH, "/srv\0", 5);
	assert_true(rig_ask(rig, &other));
	expect_bytes(rig, DHCP4_ROOT_PATH, "/srv", 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_level_overrides_those_before_it),
		TEST(options_replace_the_fields_of_the_subnet),
		TEST(a_subnet_without_name_servers_has_the_clusters),
		TEST(always_options_come_unasked_and_last),
		TEST(vendor_parts_of_all_levels_make_one_option_43),
		TEST(enterprises_stand_apart_in_option_125),
		TEST(a_long_value_goes_in_pieces),
		TEST(classless_routes_stand_before_routers),
		TEST(v6only_is_told_only_to_who_asks_for_it),
		TEST(fqdn_is_answered_without_a_registration),
		TEST(the_client_identifier_is_echoed_unless_told_otherwise),
		TEST(overload_is_used_only_by_leave_and_with_a_list),
		TEST(answers_go_to_everybody_if_told_so),
		TEST(a_slow_rom_is_answered_later),
		TEST(a_group_may_be_ignored),
		TEST(what_groups_match_by_goes_to_the_log_only_if_there_are_any),
		TEST(t1_is_before_t2_and_t2_before_the_end),
		TEST(configured_strings_end_as_the_clients_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
