/* What each state of a client gets: RFC 2131 §4.3, the rules for answers without the log [R9], and
 * NAKs [P4]. */
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

static void discover_of_new_client_proposes_and_offers_after_the_outcome(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 0x11};
	rig_send(rig, &ask);
	assert_false(rig->effects.has_reply);
	assert_true(rig->effects.has_proposal);
	assert_int_equal(rig->effects.proposal.command.op_case, PXE__COMMAND__OP_OFFER);
	assert_string_equal(rig->effects.proposal.offer.subnet, "lab");
	assert_int_equal(dhcp4_engine_pending(rig->engine), 1);
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_DISCOVER, NULL));

	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_OK);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
	uint32_t ip = rig->reply.header.yiaddr;
	assert_in_range(ip, IP(10, 0, 0, 100), IP(10, 0, 0, 199));
	assert_int_equal(rig->reply.header.op, DHCP4_BOOTREPLY);
	assert_int_equal(rig->reply.header.xid, 0x11);
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), RIG_SERVER_IP);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S);
	/* FIELD 10: T1 and T2 also in an OFFER. */
	assert_int_equal(rig_u32(rig, DHCP4_RENEWAL_SECONDS), RIG_LEASE_S / 2);
	assert_int_equal(rig_u32(rig, DHCP4_REBINDING_SECONDS), RIG_LEASE_S * 7 / 8);
	assert_int_equal(rig_ip4(rig, DHCP4_SUBNET_MASK), 0xffffff00);
	assert_int_equal(rig_ip4(rig, DHCP4_ROUTERS), IP(10, 0, 0, 1));
	assert_int_equal(rig_ip4(rig, DHCP4_DNS_SERVERS), IP(10, 0, 0, 3));
	assert_int_equal(rig_ip4(rig, DHCP4_NTP_SERVERS), IP(10, 0, 0, 4));
	assert_int_equal(rig_ip4(rig, DHCP4_BROADCAST_ADDRESS), IP(10, 0, 0, 255));
	assert_int_equal(rig_ip4(rig, DHCP4_LOG_SERVERS), IP(10, 0, 0, 5));
	uint16_t mtu = 0;
	assert_true(dhcp4_u16(&rig->reply, DHCP4_INTERFACE_MTU, &mtu));
	assert_int_equal(mtu, 9000);
	char domain[64] = "";
	assert_true(dhcp4_string(&rig->reply, DHCP4_DOMAIN_NAME, domain, sizeof domain));
	assert_string_equal(domain, "lab.example.org");
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_OFFER, NULL));
}

static void short_answers_are_padded_to_300_bytes(void **state) /* FIELD 1 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	uint8_t list[] = {DHCP4_ROUTERS};
	ask_option(&ask, DHCP4_PARAMETER_LIST, list, sizeof list);
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig->effects.reply.size, DHCP4_MIN_BYTES);
}

static void known_binding_is_offered_without_the_log_while_fresh(void **state) /* [R9] */
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	rig_pass(rig, 1000 * RIG_LEASE_S / 2);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 99};
	rig_send(rig, &ask);
	assert_false(rig->effects.has_proposal);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, ip);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_FROM_STATE), 1);

	rig->view.fresh = false;
	ask.xid = 100;
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	assert_false(rig->effects.has_reply);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, ip);
}

static void an_offer_about_to_run_out_goes_through_the_log_again(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	assert_true(rig_ask(rig, &ask));
	uint32_t ip = rig->reply.header.yiaddr;
	ask.xid++;
	rig_send(rig, &ask);
	assert_false(rig->effects.has_proposal);
	rig_expect_reply(rig, DHCP4_OFFER);
	rig_pass(rig, RIG_OFFER_S * 1000 - DHCP4_OFFER_LEFT_MS + 1);
	ask.xid++;
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	rig_commit(rig);
	assert_int_equal(rig->reply.header.yiaddr, ip);
}

static void a_known_binding_that_left_the_pools_is_not_offered_from_state(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	rig_pool(rig, "lab", "lab", IP(10, 0, 0, 50), IP(10, 0, 0, 60));
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 5};
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_not_equal(rig->reply.header.yiaddr, ip);
}

static void a_known_binding_gives_way_to_a_new_reservation(void **state)
{
	struct rig *rig = *state;
	rig_lease(rig, 7);
	rig_host(rig, "n07", 7, IP(10, 0, 0, 17), false);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 7, .xid = 5};
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, IP(10, 0, 0, 17));
}

static void retransmission_during_a_proposal_does_not_propose_twice(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 1};
	rig_send(rig, &ask);
	uint8_t command[sizeof rig->command];
	size_t command_bytes = rig->command_bytes;
	uint64_t ticket = rig->ticket;
	memcpy(command, rig->command, command_bytes);
	ask.xid = 2;
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_MERGED), 1);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 1);
	/* The answer is for what the client sent last. */
	memcpy(rig->command, command, command_bytes);
	rig->command_bytes = command_bytes;
	rig->ticket = ticket;
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.xid, 2);
}

static void selecting_binds_through_the_log(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 1};
	assert_true(rig_ask(rig, &ask));
	uint32_t ip = rig->reply.header.yiaddr;
	ask.type = DHCP4_REQUEST;
	ask.requested = ip;
	ask.server = RIG_SERVER_IP;
	rig_send(rig, &ask);
	assert_false(rig->effects.has_reply);
	assert_int_equal(rig->effects.proposal.command.op_case, PXE__COMMAND__OP_BIND);
	assert_true(rig->effects.proposal.bind.create);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->reply.header.yiaddr, ip);
	assert_int_equal(rig->reply.header.ciaddr, 0);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S);
	struct lease lease;
	assert_true(model_lease_of_ip(rig->model, ip, &lease));
	assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_BOUND);
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_ACK, NULL));
}

static void selecting_another_server_gets_silence(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 1};
	assert_true(rig_ask(rig, &ask));
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = IP(10, 0, 0, 77);
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_OTHER_SERVER), 1);
}

static void request_repeated_in_the_first_quarter_is_acked_without_the_log(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .server = RIG_SERVER_IP};
	ask.requested = rig_lease(rig, 1);
	rig_pass(rig, 1000 * RIG_LEASE_S / 4 - 1000);
	ask.xid = 7;
	rig_send(rig, &ask);
	assert_false(rig->effects.has_proposal);
	rig_expect_reply(rig, DHCP4_ACK);
	/* The remaining time, not a whole lease: nothing was extended. */
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S - RIG_LEASE_S / 4 + 1);
	rig_pass(rig, 1000);
	ask.xid = 8;
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	assert_false(rig->effects.has_reply);
	rig_commit(rig);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S);
}

static void request_in_the_first_quarter_needs_fresh_state(void **state) /* [R9] */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .server = RIG_SERVER_IP};
	ask.requested = rig_lease(rig, 1);
	rig->view.fresh = false;
	rig_send(rig, &ask);
	assert_false(rig->effects.has_reply);
	assert_true(rig->effects.has_proposal);
}

static void ack_counts_from_the_arrival_of_the_request(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	assert_true(rig_ask(rig, &ask));
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = RIG_SERVER_IP;
	rig_send(rig, &ask);
	rig_pass(rig, 3000); /* the log takes its time; the lease is stamped then */
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S);
}

static void renewing_by_unicast_is_answered_to_ciaddr(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	rig_pass(rig, 1000 * RIG_LEASE_S / 2);
	struct ask ask = {.type = DHCP4_REQUEST,
		.client = 1,
		.xid = 3,
		.ciaddr = ip,
		.unicast = true,
		.from = ip,
		.to = RIG_SERVER_IP};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_ADDRESS);
	assert_int_equal(rig->effects.reply.ip, ip);
	assert_int_equal(rig->effects.reply.port, DHCP4_CLIENT_PORT);
	assert_int_equal(rig->effects.reply.source_ip, RIG_SERVER_IP);
	assert_int_equal(rig->reply.header.ciaddr, ip);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S);
}

static void rebinding_by_broadcast_extends(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	rig_pass(rig, 1000 * RIG_LEASE_S * 7 / 8);
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .ciaddr = ip, .from = ip};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	/* It asked everybody, so it is on our link: no ARP before the answer. */
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_HARDWARE);
	assert_int_equal(rig->effects.reply.ip, ip);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S);
}

static void init_reboot_of_a_known_client_is_acked(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	rig_pass(rig, 1000 * RIG_LEASE_S / 2);
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .xid = 4, .requested = ip};
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	assert_false(rig->effects.proposal.bind.create);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_ACK);
}

static void init_reboot_of_an_unknown_client_gets_silence(void **state) /* RFC 2131 §4.3.2 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .requested = IP(10, 0, 0, 150)};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_UNKNOWN), 1);
	/* The same when only the log can tell. */
	rig->view.fresh = false;
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_NOT_FOUND);
	rig_expect_silence(rig);
	/* And outside the pools: another server may know it. */
	ask.requested = IP(10, 0, 0, 20);
	rig_send(rig, &ask);
	rig_commit(rig);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_NAK_SENT), 0);
}

static void init_reboot_on_the_wrong_network_is_naked_only_on_fresh_state(void **state) /* [P4] */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .requested = IP(192, 168, 7, 9)};
	rig->view.has_quorum = false;
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	rig->view.has_quorum = true;
	rig->view.fresh = false;
	rig_send(rig, &ask);
	assert_false(rig->effects.has_reply);
	rig->view.fresh = true;
	rig_send(rig, &ask);
	rig_expect_reply(rig, DHCP4_NAK);
	/* FIELD 15: to everybody, for the client cannot have a right address. */
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_EVERYBODY);
	assert_int_equal(rig->reply.header.yiaddr, 0);
	assert_int_equal(rig->reply.header.siaddr, 0);
	assert_int_equal(rig->reply.header.ciaddr, 0);
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), RIG_SERVER_IP);
	assert_false(dhcp4_has(&rig->reply, DHCP4_LEASE_SECONDS));
	assert_false(dhcp4_has(&rig->reply, DHCP4_SUBNET_MASK));
	assert_true(dhcp4_has(&rig->reply, DHCP4_MESSAGE_TEXT));
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_NAK, NULL));
}

static void address_of_another_client_is_naked_by_the_verdict(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	struct ask ask = {.type = DHCP4_REQUEST, .client = 2, .requested = ip};
	rig_send(rig, &ask);
	assert_false(rig->effects.has_reply);
	assert_true(rig->effects.has_proposal);
	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_IN_USE);
	rig_expect_reply(rig, DHCP4_NAK);

	ask.server = RIG_SERVER_IP;
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_NAK);
	/* The holder's lease is untouched. */
	struct lease lease;
	assert_true(model_lease_of_ip(rig->model, ip, &lease));
	assert_int_equal(lease.client[6], 1);
}

static void reserved_address_of_another_host_is_naked(void **state)
{
	struct rig *rig = *state;
	rig_host(rig, "n07", 7, IP(10, 0, 0, 17), false);
	struct ask ask = {.type = DHCP4_REQUEST, .client = 2, .requested = IP(10, 0, 0, 17)};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_NAK);
}

static void reservation_is_offered_with_the_hosts_name(void **state)
{
	struct rig *rig = *state;
	rig_host(rig, "n07", 7, IP(10, 0, 0, 17), false);
	assert_int_equal(rig_lease(rig, 7), IP(10, 0, 0, 17));
	char name[64] = "";
	assert_true(dhcp4_string(&rig->reply, DHCP4_HOST_NAME, name, sizeof name));
	assert_string_equal(name, "n07");
}

static void a_known_host_that_reboots_with_an_old_address_is_sent_to_its_reservation(void **state)
{
	struct rig *rig = *state;
	rig_host(rig, "n07", 7, IP(10, 0, 0, 17), false);
	struct ask ask = {.type = DHCP4_REQUEST, .client = 7, .requested = IP(10, 0, 0, 150)};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_NAK);
}

static void request_without_any_address_means_the_own_binding(void **state) /* FIELD 13 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .server = RIG_SERVER_IP};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	uint32_t ip = rig_lease(rig, 1);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->reply.header.yiaddr, ip);
}

static void ciaddr_beside_option_50_is_not_believed(void **state) /* FIELD 8 */
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	struct ask ask = {.type = DHCP4_REQUEST,
		.client = 1,
		.requested = ip,
		.server = RIG_SERVER_IP,
		.ciaddr = IP(10, 9, 9, 9)};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_HARDWARE);
	assert_int_equal(rig->effects.reply.ip, ip);
	assert_int_equal(rig->reply.header.ciaddr, 0);
}

static void release_ends_the_lease_without_an_answer(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	rig_pass(rig, 1);
	/* FIELD 14: without a server identifier, too. */
	struct ask ask = {.type = DHCP4_RELEASE,
		.client = 1,
		.ciaddr = ip,
		.unicast = true,
		.from = ip,
		.to = RIG_SERVER_IP};
	assert_false(rig_ask(rig, &ask));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_RELEASE), 1);
	struct lease lease;
	if (model_lease_of_ip(rig->model, ip, &lease))
		assert_int_not_equal(
			lease_state_at(&lease, rig->view.now_ms), PXE__LEASE_STATE__LEASE_BOUND);
}

static void release_by_a_stranger_is_dropped(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	struct ask ask = {.type = DHCP4_RELEASE, .client = 2, .ciaddr = ip, .unicast = true};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	/* Nor is it believed by a node that lags: what is late is worse than nothing. */
	rig->view.fresh = false;
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	struct lease lease;
	assert_true(model_lease_of_ip(rig->model, ip, &lease));
	assert_int_equal(lease_state_at(&lease, rig->view.now_ms), PXE__LEASE_STATE__LEASE_BOUND);
}

static void decline_quarantines_and_the_client_gets_another(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	struct ask ask = {
		.type = DHCP4_DECLINE, .client = 1, .requested = ip, .server = RIG_SERVER_IP};
	assert_false(rig_ask(rig, &ask));
	struct lease lease;
	assert_true(model_lease_of_ip(rig->model, ip, &lease));
	assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_DECLINED);
	assert_int_not_equal(rig_lease(rig, 1), ip);
}

static void inform_gets_configuration_and_no_address(void **state) /* RFC 2131 §4.3.5 */
{
	struct rig *rig = *state;
	uint32_t ip = IP(10, 0, 0, 44);
	struct ask ask = {.type = DHCP4_INFORM, .client = 1, .ciaddr = ip, .from = ip};
	rig_send(rig, &ask);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_HARDWARE);
	assert_int_equal(rig->effects.reply.ip, ip);
	ask.unicast = true;
	rig_send(rig, &ask);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_ADDRESS);
	assert_int_equal(rig->effects.reply.ip, ip);
	assert_int_equal(rig->reply.header.yiaddr, 0);
	assert_int_equal(rig->reply.header.ciaddr, ip);
	assert_false(dhcp4_has(&rig->reply, DHCP4_LEASE_SECONDS));
	assert_false(dhcp4_has(&rig->reply, DHCP4_RENEWAL_SECONDS));
	assert_int_equal(rig_ip4(rig, DHCP4_DNS_SERVERS), IP(10, 0, 0, 3));
}

static void relay_selects_the_subnet_and_gets_option_82_back_last(void **state)
{
	struct rig *rig = *state;
	rig_subnet(rig, "far", IP(10, 1, 0, 0), "");
	rig_pool(rig, "far", "far", IP(10, 1, 0, 100), IP(10, 1, 0, 199));
	uint8_t info[] = {1, 4, 'e', 't', 'h', '7', 2, 2, 0xab, 0xcd};
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = IP(10, 1, 0, 1)};
	ask_option(&ask, DHCP4_RELAY_AGENT_INFO, info, sizeof info);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_in_range(rig->reply.header.yiaddr, IP(10, 1, 0, 100), IP(10, 1, 0, 199));
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_RELAY);
	assert_int_equal(rig->effects.reply.ip, IP(10, 1, 0, 1));
	assert_int_equal(rig->effects.reply.port, DHCP4_SERVER_PORT);
	assert_int_equal(rig->reply.header.giaddr, IP(10, 1, 0, 1));
	/* Verbatim, and nothing but END and padding behind it. */
	const uint8_t *echoed;
	size_t size;
	assert_true(dhcp4_option(&rig->reply, DHCP4_RELAY_AGENT_INFO, &echoed, &size));
	assert_int_equal(size, sizeof info);
	assert_memory_equal(echoed, info, size);
	assert_int_equal(echoed[size], DHCP4_END);
}

static void relay_may_name_another_link_and_identifier(void **state) /* RFC 3527, RFC 5107 */
{
	struct rig *rig = *state;
	rig_subnet(rig, "far", IP(10, 1, 0, 0), "");
	rig_pool(rig, "far", "far", IP(10, 1, 0, 100), IP(10, 1, 0, 199));
	uint8_t info[] = {5, 4, 10, 1, 0, 0, 11, 4, 10, 1, 0, 9};
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = IP(172, 16, 0, 1)};
	ask_option(&ask, DHCP4_RELAY_AGENT_INFO, info, sizeof info);
	assert_true(rig_ask(rig, &ask));
	assert_in_range(rig->reply.header.yiaddr, IP(10, 1, 0, 100), IP(10, 1, 0, 199));
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), IP(10, 1, 0, 9));
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = IP(10, 1, 0, 9);
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
}

static void relayed_nak_has_the_broadcast_flag(void **state) /* RFC 2131 §4.3.2 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_REQUEST,
		.client = 1,
		.giaddr = IP(10, 0, 0, 1),
		.requested = IP(192, 168, 0, 5)};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_NAK);
	assert_int_equal(rig->effects.reply.where, DHCP4_TO_RELAY);
	assert_true(rig->reply.header.flags & DHCP4_FLAG_BROADCAST);
}

static void link_without_subnet_is_told_once_with_what_to_do(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = IP(10, 9, 0, 5)};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	const char *text = "";
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, &text));
	assert_non_null(strstr(text, "10.9.0.5"));
	assert_non_null(strstr(text, "pxectl subnet add"));
	rig_send(rig, &ask);
	assert_false(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, NULL));
	rig_pass(rig, DHCP4_REFUSED_MS);
	rig_send(rig, &ask);
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, NULL));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NO_SUBNET), 3);
}

static void full_pool_is_silence_and_an_event(void **state)
{
	struct rig *rig = *state;
	rig_pool(rig, "lab", "lab", IP(10, 0, 0, 100), IP(10, 0, 0, 101));
	rig_lease(rig, 1);
	rig_lease(rig, 2);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 3};
	assert_false(rig_ask(rig, &ask));
	const char *text = "";
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, &text));
	assert_non_null(strstr(text, "lab"));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_REFUSED), 1);
}

static void ignored_host_gets_nothing(void **state)
{
	struct rig *rig = *state;
	rig_host(rig, "n09", 9, 0, true);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 9};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_IGNORED), 1);
}

static void without_quorum_nothing_that_needs_the_log_is_answered(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	rig_pass(rig, 1000 * RIG_LEASE_S / 2);
	rig->view.has_quorum = false;
	rig->view.fresh = false;
	struct ask discover = {.type = DHCP4_DISCOVER, .client = 2};
	struct ask renew = {
		.type = DHCP4_REQUEST, .client = 1, .ciaddr = ip, .unicast = true, .from = ip};
	struct ask reboot = {.type = DHCP4_REQUEST, .client = 2, .requested = ip};
	struct ask release = {.type = DHCP4_RELEASE, .client = 1, .ciaddr = ip, .unicast = true};
	const struct ask *all[] = {&discover, &renew, &reboot, &release};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		rig_send(rig, all[i]);
		rig_expect_silence(rig);
		assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NO_QUORUM), i + 1);
	}
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
}

static void diverged_node_is_silent(void **state)
{
	struct rig *rig = *state;
	rig_lease(rig, 1);
	rig->view.diverged = true;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 6};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_DIVERGED), 1);
}

static void diverged_while_a_proposal_was_under_way_is_silent(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	rig_send(rig, &ask);
	rig->view.diverged = true;
	rig_commit(rig);
	rig_expect_silence(rig);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
}

static void switched_off_is_silent(void **state)
{
	struct rig *rig = *state;
	Pxe__Settings settings;
	uint8_t server_ip[4];
	Pxe__Put put = PXE__PUT__INIT;
	rig_settings_fill(&settings, PXE__DHCP_MODE__DHCP_OFF, server_ip);
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(rig, &put);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_OFF), 1);
}

static void outcomes_other_than_applied_are_silence_and_free_the_place(void **state)
{
	struct rig *rig = *state;
	const enum dhcp4_outcome outcomes[] = {
		DHCP4_OUTCOME_NO_QUORUM, DHCP4_OUTCOME_BUSY, DHCP4_OUTCOME_UNKNOWN};
	const enum dhcp4_count counts[] = {
		DHCP4_COUNT_DROP_NO_QUORUM, DHCP4_COUNT_DROP_BUSY, DHCP4_COUNT_DROP_OUTCOME};
	for (size_t i = 0; i < 3; i++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = (unsigned)(i + 1)};
		rig_send(rig, &ask);
		assert_true(rig->effects.has_proposal);
		dhcp4_engine_on_outcome(
			rig->engine, NULL, rig->ticket, outcomes[i], NULL, &rig->effects);
		rig_expect_silence(rig);
		assert_int_equal(rig_count(rig, counts[i]), 1);
		assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
	}
}

static void outcome_of_a_place_that_was_given_up_meets_nobody_else(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	struct model_result result = {.verdict = PXE__VERDICT__VERDICT_OK};
	rig_send(rig, &ask);
	uint64_t lost = rig->ticket;
	rig_pass(rig, DHCP4_GIVE_UP_MS);
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	assert_int_not_equal(rig->ticket, lost);
	dhcp4_engine_on_outcome(
		rig->engine, &rig->view, lost, DHCP4_OUTCOME_APPLIED, &result, &rig->effects);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_LATE), 1);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 1);
}

static void a_lease_that_ran_out_before_the_outcome_is_not_acked(void **state) /* [P1] */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_REQUEST,
		.client = 1,
		.requested = IP(10, 0, 0, 120),
		.server = RIG_SERVER_IP};
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	Pxe__Command *command = pxe__command__unpack(NULL, rig->command_bytes, rig->command);
	struct model_result result;
	assert_int_equal(rig_apply(rig, command, &result), PXE__VERDICT__VERDICT_OK);
	pxe__command__free_unpacked(command, NULL);
	rig_pass(rig, RIG_LEASE_S * 1000);
	dhcp4_engine_on_outcome(rig->engine, &rig->view, rig->ticket, DHCP4_OUTCOME_APPLIED,
		&result, &rig->effects);
	rig_expect_silence(rig);
}

static void duplicate_verdict_is_answered_from_the_model(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	assert_true(rig_ask(rig, &ask));
	uint32_t ip = rig->reply.header.yiaddr;
	rig->view.fresh = false;
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	struct model_result result = {.verdict = PXE__VERDICT__VERDICT_DUPLICATE};
	dhcp4_engine_on_outcome(rig->engine, &rig->view, rig->ticket, DHCP4_OUTCOME_APPLIED,
		&result, &rig->effects);
	rig_note_effects(rig);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, ip);
}

static void where_the_answer_goes(void **state) /* RFC 2131 §4.1, FIELD 21 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 0x0102};
	assert_true(rig_ask(rig, &ask));
	const struct dhcp4_reply *reply = &rig->effects.reply;
	const uint8_t mac[6] = {0x52, 0x54, 0, 0, 1, 2};
	assert_int_equal(reply->where, DHCP4_TO_HARDWARE);
	assert_memory_equal(reply->mac, mac, 6);
	assert_int_equal(reply->ip, rig->reply.header.yiaddr);
	assert_int_equal(reply->source_ip, rig->view.serve_ip);
	ask.flags = DHCP4_FLAG_BROADCAST;
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(reply->where, DHCP4_TO_EVERYBODY);
	assert_int_equal(reply->ip, UINT32_MAX);
	assert_int_equal(rig->reply.header.flags, DHCP4_FLAG_BROADCAST);
}

static void options_come_in_the_order_asked_and_only_those(void **state)
{
	struct rig *rig = *state;
	uint8_t list[] = {DHCP4_INTERFACE_MTU, DHCP4_DOMAIN_NAME, DHCP4_ROUTERS, DHCP4_ROUTERS};
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_option(&ask, DHCP4_PARAMETER_LIST, list, sizeof list);
	assert_true(rig_ask(rig, &ask));
	const uint8_t *mtu, *domain, *routers;
	size_t size;
	assert_true(dhcp4_option(&rig->reply, DHCP4_INTERFACE_MTU, &mtu, &size));
	assert_true(dhcp4_option(&rig->reply, DHCP4_DOMAIN_NAME, &domain, &size));
	assert_true(dhcp4_option(&rig->reply, DHCP4_ROUTERS, &routers, &size));
	assert_int_equal(size, 4); /* once */
	assert_true(mtu < domain && domain < routers);
	assert_false(dhcp4_has(&rig->reply, DHCP4_DNS_SERVERS));
	assert_true(dhcp4_has(&rig->reply, DHCP4_SUBNET_MASK));
	assert_true(dhcp4_has(&rig->reply, DHCP4_LEASE_SECONDS));
}

static void client_identifier_is_echoed_and_is_not_the_identity(void **state)
{
	struct rig *rig = *state; /* RFC 6842; FIELD 17 */
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	uint8_t rom[] = {0, 1, 2, 3, 4}, os[] = {255, 9, 9, 9};
	ask_option(&ask, DHCP4_CLIENT_ID, rom, sizeof rom);
	assert_true(rig_ask(rig, &ask));
	uint32_t ip = rig->reply.header.yiaddr;
	const uint8_t *id;
	size_t size;
	assert_true(dhcp4_option(&rig->reply, DHCP4_CLIENT_ID, &id, &size));
	assert_int_equal(size, sizeof rom);
	assert_memory_equal(id, rom, size);
	ask.options_bytes = 0;
	ask_option(&ask, DHCP4_CLIENT_ID, os, sizeof os);
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig->reply.header.yiaddr, ip);
}

static void strings_end_with_nul_if_the_clients_do(void **state) /* FIELD 9 */
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_option(&ask, DHCP4_HOST_NAME, "WIN\0", 4);
	assert_true(rig_ask(rig, &ask));
	assert_true(dhcp4_string_has_nul(&rig->reply, DHCP4_DOMAIN_NAME));
	ask.options_bytes = 0;
	ask_text(&ask, DHCP4_HOST_NAME, "unix");
	assert_true(rig_ask(rig, &ask));
	assert_false(dhcp4_string_has_nul(&rig->reply, DHCP4_DOMAIN_NAME));
}

static void the_clients_wish_for_a_lease_time_goes_to_the_log(void **state)
{
	struct rig *rig = *state;
	uint8_t wish[4] = {0, 0, 2, 88}; /* 600 s */
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	ask_option(&ask, DHCP4_LEASE_SECONDS, wish, sizeof wish);
	assert_true(rig_ask(rig, &ask));
	uint32_t offered_s = rig_u32(rig, DHCP4_LEASE_SECONDS);
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = RIG_SERVER_IP;
	rig_send(rig, &ask);
	assert_int_equal(rig->effects.proposal.bind.lease_s, 600);
	rig_commit(rig);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), offered_s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(discover_of_new_client_proposes_and_offers_after_the_outcome),
		TEST(short_answers_are_padded_to_300_bytes),
		TEST(known_binding_is_offered_without_the_log_while_fresh),
		TEST(an_offer_about_to_run_out_goes_through_the_log_again),
		TEST(a_known_binding_that_left_the_pools_is_not_offered_from_state),
		TEST(a_known_binding_gives_way_to_a_new_reservation),
		TEST(retransmission_during_a_proposal_does_not_propose_twice),
		TEST(selecting_binds_through_the_log),
		TEST(selecting_another_server_gets_silence),
		TEST(request_repeated_in_the_first_quarter_is_acked_without_the_log),
		TEST(request_in_the_first_quarter_needs_fresh_state),
		TEST(ack_counts_from_the_arrival_of_the_request),
		TEST(renewing_by_unicast_is_answered_to_ciaddr),
		TEST(rebinding_by_broadcast_extends),
		TEST(init_reboot_of_a_known_client_is_acked),
		TEST(init_reboot_of_an_unknown_client_gets_silence),
		TEST(init_reboot_on_the_wrong_network_is_naked_only_on_fresh_state),
		TEST(address_of_another_client_is_naked_by_the_verdict),
		TEST(reserved_address_of_another_host_is_naked),
		TEST(reservation_is_offered_with_the_hosts_name),
		TEST(a_known_host_that_reboots_with_an_old_address_is_sent_to_its_reservation),
		TEST(request_without_any_address_means_the_own_binding),
		TEST(ciaddr_beside_option_50_is_not_believed),
		TEST(release_ends_the_lease_without_an_answer),
		TEST(release_by_a_stranger_is_dropped),
		TEST(decline_quarantines_and_the_client_gets_another),
		TEST(inform_gets_configuration_and_no_address),
		TEST(relay_selects_the_subnet_and_gets_option_82_back_last),
		TEST(relay_may_name_another_link_and_identifier),
		TEST(relayed_nak_has_the_broadcast_flag),
		TEST(link_without_subnet_is_told_once_with_what_to_do),
		TEST(full_pool_is_silence_and_an_event),
		TEST(ignored_host_gets_nothing),
		TEST(without_quorum_nothing_that_needs_the_log_is_answered),
		TEST(diverged_node_is_silent),
		TEST(diverged_while_a_proposal_was_under_way_is_silent),
		TEST(switched_off_is_silent),
		TEST(outcomes_other_than_applied_are_silence_and_free_the_place),
		TEST(outcome_of_a_place_that_was_given_up_meets_nobody_else),
		TEST(a_lease_that_ran_out_before_the_outcome_is_not_acked),
		TEST(duplicate_verdict_is_answered_from_the_model),
		TEST(where_the_answer_goes),
		TEST(options_come_in_the_order_asked_and_only_those),
		TEST(client_identifier_is_echoed_and_is_not_the_identity),
		TEST(strings_end_with_nul_if_the_clients_do),
		TEST(the_clients_wish_for_a_lease_time_goes_to_the_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
