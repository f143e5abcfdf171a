/* A stream of packets, outcomes and time for the DHCPv4 engine over a small cluster.
 *
 * Input: steps of one byte each. 0x80 set: the lower bits are a time that passes. Else the length
 * of a packet in units of 8 bytes (0: the last proposal is lost), and the packet follows. An ACK
 * must stand for what the model holds: the address bound to that very client [P1] [P2]. So must a
 * BOOTP answer. The last bytes of a packet also say whether the relay's option is there, which port
 * it comes to, what becomes of a proposal, and what a probe finds. */
#include "tests/unit/node/dhcp4_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_bound(const struct rig *rig)
{
	const struct dhcp4_header *header = &rig->reply.header;
	struct lease lease;

	if ((rig->reply.type != DHCP4_ACK && rig->reply.type != DHCP4_BOOTP) ||
		header->yiaddr == 0) {
		return;
	}
	assert_true(model_lease_of_ip(rig->model, header->yiaddr, &lease));
	assert_int_equal(lease_state_at(&lease, rig->view.now_ms), PXE__LEASE_STATE__LEASE_BOUND);
	assert_int_equal(lease.client[0], header->htype);
	if (header->hlen > 0) {
		assert_int_equal(lease.client_len, header->hlen + 1);
		assert_memory_equal(lease.client + 1, header->chaddr, header->hlen);
	}
}

/* What the relay said goes back to it, whole (RFC 3046 §2.2). */
static void expect_relay_option(const struct rig *rig, const uint8_t *packet, size_t size)
{
	static struct dhcp4_message asked;
	const uint8_t *sent, *echoed;
	size_t sent_bytes, echoed_bytes;

	if (dhcp4_decode(packet, size, &asked) != DHCP4_OK ||
		asked.header.xid != rig->reply.header.xid ||
		!dhcp4_option(&asked, DHCP4_RELAY_AGENT_INFO, &sent, &sent_bytes)) {
		return;
	}
	assert_true(dhcp4_option(&rig->reply, DHCP4_RELAY_AGENT_INFO, &echoed, &echoed_bytes));
	assert_int_equal(echoed_bytes, sent_bytes);
	assert_memory_equal(echoed, sent, sent_bytes);
}

/* What the log and the link say to a proposal and a probe, until there is an answer or nothing is
 * left to be done. `fate` says how. */
static void carry_out(struct rig *rig, unsigned fate)
{
	for (unsigned round = 0; round < 4 * DHCP4_PROBE_ROUNDS; round++) {
		assert_false(rig->effects.has_reply && rig->effects.has_proposal);
		if (rig->effects.has_reply) {
			expect_bound(rig);
		}
		if (rig->effects.has_proposal && rig->command_bytes > 0 && (fate & 7) != 7) {
			rig_commit(rig);
		} else if (rig->effects.has_probe && (fate & 0x18) != 0x18) {
			dhcp4_engine_on_probe(rig->engine, &rig->view, rig->effects.probe_ticket,
				(fate >> round & 0x20) != 0, &rig->effects);
			rig_note_effects(rig);
		} else {
			return;
		}
	}
	assert_false(rig->effects.has_probe); /* the rounds of one DISCOVER are bounded */
}

static void take(struct rig *rig, const uint8_t *packet, size_t size)
{
	bool long_enough = size > 300;
	const struct ask from = {.unicast = long_enough && (packet[299] & 1),
		.to = RIG_SERVER_IP,
		.from = 0,
		.port = long_enough && (packet[299] & 2) ? DHCP4_PXE_PORT : 0};

	rig_send_bytes(rig, &from, packet, size);
	if (rig->effects.has_reply) {
		expect_relay_option(rig, packet, size);
	}
	carry_out(rig, packet[size - 1]);
}

/* ---- a configuration that has something of everything */

static Pxe__Option give(uint8_t code, Pxe__OptionSpace space, const char *value, bool always)
{
	Pxe__Option option = PXE__OPTION__INIT;
	option.code = code;
	option.space = space;
	option.enterprise = space == PXE__OPTION_SPACE__OPTION_VIVSO ? 3561 : 0;
	option.data = (ProtobufCBinaryData){strlen(value), (uint8_t *)(uintptr_t)value};
	option.always = always;
	return option;
}

static void configure_cluster(struct rig *rig)
{
	static char text[301];
	Pxe__Settings settings = *model_settings(rig->model);
	Pxe__Quirks quirks = PXE__QUIRKS__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	memset(text, 'x', sizeof text - 1);
	Pxe__Option options[] = {
		give(17, PXE__OPTION_SPACE__OPTION_DHCP, text, true),
		give(121, PXE__OPTION_SPACE__OPTION_DHCP, "\x08\x0a\x0a\x01\x02\x03", false),
		give(6, PXE__OPTION_SPACE__OPTION_VENDOR, "part", false),
		give(1, PXE__OPTION_SPACE__OPTION_VIVSO, "part", false),
		give(108, PXE__OPTION_SPACE__OPTION_DHCP, "1234", true),
	};
	Pxe__Option *list[] = {&options[0], &options[1], &options[2], &options[3], &options[4]};
	quirks.rapid_commit = quirks.overload = PXE__TOGGLE__TOGGLE_YES;
	settings.n_options = sizeof list / sizeof list[0];
	settings.options = list;
	settings.quirks = &quirks;
	settings.unknown_per_s = 3;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(rig, &put);
}

static void configure_group(struct rig *rig, const char *name, const char *pattern, bool ignore)
{
	char *classes[] = {(char *)(uintptr_t)pattern};
	Pxe__Match match = PXE__MATCH__INIT;
	Pxe__Quirks quirks = PXE__QUIRKS__INIT;
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	match.n_vendor_class = match.n_user_class = 1;
	match.vendor_class = match.user_class = classes;
	quirks.reply_delay_ms = 100;
	quirks.broadcast = PXE__TOGGLE__TOGGLE_YES;
	quirks.echo_client_id = PXE__TOGGLE__TOGGLE_NO;
	group.name = (char *)(uintptr_t)name;
	group.match = &match;
	group.quirks = &quirks;
	group.ignore = ignore;
	put.object_case = PXE__PUT__OBJECT_GROUP;
	put.group = &group;
	rig_put(rig, &put);
}

/* A menu for ROMs, and a subnet where another server gives the addresses. */
static void configure_boot(struct rig *rig)
{
	static const char *const files[] = {"undionly.kpxe", "snponly.efi"};
	static char names[3][8] = {"choice", "disk", "own"}, arch[] = "rpi";
	const uint64_t holders[] = {1};
	uint8_t network[4] = {10, 2, 0, 0};
	Pxe__PxeItem item[2] = {PXE__PXE_ITEM__INIT, PXE__PXE_ITEM__INIT};
	Pxe__PxeItem *items[] = {&item[0], &item[1]};
	Pxe__PxeMenu menu = PXE__PXE_MENU__INIT;
	Pxe__Loader loader = PXE__LOADER__INIT, *loaders[] = {&loader};
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	rig_image(rig, "ipxe", files, 2, holders, 1);
	rig_image(rig, "debian12", files, 1, holders, 1);
	rig_profile(rig, "debian12");
	item[0].text = item[1].text = names[1];
	item[0].profile = (char *)(uintptr_t) "debian12";
	item[1].profile = (char *)(uintptr_t) "local";
	menu.n_items = 2;
	menu.items = items;
	menu.timeout_s = 10;
	loader.arch = arch;
	loader.path = (char *)(uintptr_t)files[0];
	profile.name = names[0];
	profile.image = (char *)(uintptr_t) "ipxe";
	profile.n_loaders = 1;
	profile.loaders = loaders;
	profile.menu = &menu;
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &profile;
	rig_put(rig, &put);
	subnet.name = names[2];
	subnet.network_ip = (ProtobufCBinaryData){4, network};
	subnet.prefix_len = 24;
	subnet.profile = names[0];
	subnet.dhcp = PXE__SUBNET_DHCP__SUBNET_DHCP_PROXY;
	put.object_case = PXE__PUT__OBJECT_SUBNET;
	put.subnet = &subnet;
	rig_put(rig, &put);
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "choice");
}

static void configure(struct rig *rig)
{
	configure_boot(rig);
	rig_subnet(rig, "far", IP(10, 1, 0, 0), "");
	rig_pool(rig, "far", "far", IP(10, 1, 0, 50), IP(10, 1, 0, 53));
	rig_host(rig, "n07", 7, IP(10, 0, 0, 150), false);
	rig_host(rig, "shunned", 8, 0, true);
	configure_cluster(rig);
	configure_group(rig, "slow", "s*", false);
	configure_group(rig, "never", "n?", true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig rig;

	rig_init(&rig);
	rig.keeps_probes = true;
	configure(&rig);
	while (size > 0) {
		uint8_t step = *data++;
		size--;
		if (step & 0x80) {
			rig_pass(&rig, (uint64_t)(step & 0x7f) * (step & 0x7f) * 997);
			while (dhcp4_engine_tick(rig.engine, &rig.view, &rig.effects)) {
				rig_note_effects(&rig);
				carry_out(&rig, 0);
			}
		} else if (step == 0 && rig.ticket != 0) {
			dhcp4_engine_on_outcome(rig.engine, NULL, rig.ticket, DHCP4_OUTCOME_UNKNOWN,
				NULL, &rig.effects);
			rig.ticket = 0;
		} else {
			size_t bytes = (size_t)step * 8 < size ? (size_t)step * 8 : size;
			if (bytes > 0) {
				take(&rig, data, bytes);
			}
			data += bytes;
			size -= bytes;
		}
	}
	assert_true(dhcp4_engine_pending(rig.engine) <= DHCP4_PENDING_MAX);
	rig_fini(&rig);
	return 0;
}
