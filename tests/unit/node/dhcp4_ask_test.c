/* Probes before the first OFFER of an address: FIELD 16, 19. */
#include "tests/unit/node/dhcp4_rig.h"

static int setup(void **state)
{
	struct rig *rig = malloc(sizeof *rig);
	assert_non_null(rig);
	rig_init(rig);
	rig->keeps_probes = true;
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

/* A DISCOVER whose OFFER waits for a probe. Returns the address that is asked for. */
static uint32_t discover(struct rig *rig, unsigned client, uint32_t xid)
{
	struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = xid};
	assert_false(rig_ask(rig, &ask));
	assert_true(rig->effects.has_probe);
	assert_int_equal(dhcp4_engine_probing(rig->engine), 1);
	return rig->effects.probe_ip;
}

static void verdict(struct rig *rig, uint64_t ticket, bool in_use)
{
	dhcp4_engine_on_probe(rig->engine, &rig->view, ticket, in_use, &rig->effects);
	rig_note_effects(rig);
}

static void a_first_offer_waits_for_its_probe(void **state) /* FIELD 16 */
{
	struct rig *rig = *state;
	uint32_t ip = discover(rig, 1, 7);
	assert_in_range(ip, IP(10, 0, 0, 100), IP(10, 0, 0, 199));
	verdict(rig, rig->effects.probe_ticket, false);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, ip);
	assert_int_equal(rig->reply.header.xid, 7);
	assert_int_equal(dhcp4_engine_probing(rig->engine), 0);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_PROBED), 1);
}

static void an_address_in_use_is_quarantined_and_another_is_offered(void **state)
{
	struct rig *rig = *state;
	struct lease lease;
	uint32_t taken = discover(rig, 1, 7);
	verdict(rig, rig->effects.probe_ticket, true);
	assert_false(rig->effects.has_reply);
	assert_true(rig->effects.has_proposal);
	assert_int_equal(rig->effects.proposal.command.op_case, PXE__COMMAND__OP_DECLINE);
	assert_true(rig->effects.proposal.decline.by_probe);
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_ADDRESS_TAKEN, NULL));

	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_OK);
	assert_true(model_lease_of_ip(rig->model, taken, &lease));
	assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_DECLINED);
	assert_int_equal(rig->effects.proposal.command.op_case, PXE__COMMAND__OP_OFFER);
	rig_commit(rig);
	assert_true(rig->effects.has_probe);
	assert_int_not_equal(rig->effects.probe_ip, taken);
	verdict(rig, rig->effects.probe_ticket, false);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_not_equal(rig->reply.header.yiaddr, taken);
	assert_int_equal(rig->reply.header.xid, 7);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_PROBE_TAKEN), 1);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
}

/* Another node has acknowledged the address to the client meanwhile: it is the client who answers.
 */
static void the_client_itself_may_answer_the_probe(void **state)
{
	struct rig *rig = *state;
	Pxe__ClientInfo who = PXE__CLIENT_INFO__INIT;
	Pxe__Bind bind = PXE__BIND__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	uint8_t mac[6], client[7] = {1}, ip[4];
	struct model_result result;
	uint32_t offered = discover(rig, 1, 7);
	rig_mac(1, mac);
	memcpy(client + 1, mac, sizeof mac);
	msg_ip4_put(offered, ip);
	who.client = (ProtobufCBinaryData){sizeof client, client};
	who.mac = (ProtobufCBinaryData){sizeof mac, mac};
	bind.who = &who;
	bind.subnet = (char *)(uintptr_t) "lab";
	bind.ip = (ProtobufCBinaryData){sizeof ip, ip};
	command.op_case = PXE__COMMAND__OP_BIND;
	command.bind = &bind;
	assert_int_equal(rig_apply(rig, &command, &result), PXE__VERDICT__VERDICT_OK);
	verdict(rig, rig->effects.probe_ticket, true);
	assert_false(rig_event(rig, PXE__EVENT_KIND__EVENT_ADDRESS_TAKEN, NULL));
	assert_false(rig->effects.has_proposal);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, offered);
}

static void who_answers_every_probe_does_not_take_the_pool(void **state)
{
	struct rig *rig = *state;
	discover(rig, 1, 7);
	unsigned rounds = 0;
	while (rig->effects.has_probe && rounds < 50) {
		verdict(rig, rig->effects.probe_ticket, true);
		rig_commit(rig); /* the quarantine */
		rounds++;
		if (rig->command_bytes > 0)
			rig_commit(rig); /* the next offer */
	}
	assert_int_equal(rounds, DHCP4_PROBE_ROUNDS);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_TAKEN), 1);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
	assert_int_equal(dhcp4_engine_probing(rig->engine), 0);
}

static void no_verdict_in_time_counts_as_free_and_a_late_one_as_nothing(void **state)
{
	struct rig *rig = *state;
	struct lease lease;
	uint32_t ip = discover(rig, 1, 7);
	uint64_t ticket = rig->effects.probe_ticket;
	rig_pass(rig, DHCP4_PROBE_MS - 1);
	assert_false(dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects));
	rig_pass(rig, 1);
	assert_true(dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects));
	rig_note_effects(rig);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, ip);

	verdict(rig, ticket, true);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_PROBE_LATE), 1);
	assert_true(model_lease_of_ip(rig->model, ip, &lease));
	assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_OFFERED);
}

static void a_made_up_ticket_is_harmless(void **state)
{
	struct rig *rig = *state;
	uint64_t tickets[] = {0, 1, UINT64_MAX, 1u << 16};
	discover(rig, 1, 7);
	for (size_t i = 0; i < sizeof tickets / sizeof tickets[0]; i++) {
		if (tickets[i] == rig->effects.probe_ticket)
			continue;
		verdict(rig, tickets[i] ^ 0xabc0000000000u, true);
		rig_expect_silence(rig);
	}
	assert_int_equal(dhcp4_engine_probing(rig->engine), 1);
}

static void an_own_lease_is_never_probed(void **state) /* FIELD 19 */
{
	struct rig *rig = *state;
	rig->keeps_probes = false;
	uint32_t ip = rig_lease(rig, 1);
	rig->keeps_probes = true;
	uint64_t probed = rig_count(rig, DHCP4_COUNT_PROBED);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 9};
	assert_true(rig_ask(rig, &ask)); /* from the state */
	assert_int_equal(rig->reply.header.yiaddr, ip);
	rig->view.fresh = false;
	ask.xid = 10;
	assert_true(rig_ask(rig, &ask)); /* through the log */
	assert_int_equal(rig->reply.header.yiaddr, ip);
	rig->view.fresh = true;
	rig_pass(rig, RIG_LEASE_S * 1000 + 1); /* it ran out: in grace, still this client's */
	ask.xid = 11;
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig->reply.header.yiaddr, ip);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_PROBED), probed);
}

static void a_reservation_is_not_probed(void **state)
{
	struct rig *rig = *state;
	rig_host(rig, "n07", 7, IP(10, 0, 0, 150), false);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 7, .xid = 9};
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig->reply.header.yiaddr, IP(10, 0, 0, 150));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_PROBED), 0);
}

static void behind_a_relay_nothing_is_probed(void **state)
{
	struct rig *rig = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .giaddr = IP(10, 0, 0, 1)};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_PROBED), 0);
}

static void switched_off_nothing_is_probed(void **state)
{
	struct rig *rig = *state;
	Pxe__Settings settings = *model_settings(rig->model);
	Pxe__Put put = PXE__PUT__INIT;
	settings.probe = PXE__TOGGLE__TOGGLE_NO;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(rig, &put);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
}

static void a_repeat_during_the_probe_is_answered_once_with_its_own_xid(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = discover(rig, 1, 7);
	uint64_t ticket = rig->effects.probe_ticket;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 8};
	rig_send(rig, &ask);
	rig_expect_silence(rig);
	assert_false(rig->effects.has_probe);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_MERGED), 1);
	verdict(rig, ticket, false);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.xid, 8);
	assert_int_equal(rig->reply.header.yiaddr, ip);
}

static void what_was_found_free_a_moment_ago_is_not_asked_for_again(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = discover(rig, 1, 7);
	verdict(rig, rig->effects.probe_ticket, false);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 8};
	rig_send(rig, &ask);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_int_equal(rig->reply.header.yiaddr, ip);
	rig_pass(rig, DHCP4_PROBED_MS);
	ask.xid = 9;
	rig_send(rig, &ask);
	assert_true(rig->effects.has_probe);
}

static void without_the_quorum_an_address_in_use_is_not_offered(void **state)
{
	struct rig *rig = *state;
	discover(rig, 1, 7);
	rig->view.has_quorum = false;
	rig->view.fresh = false;
	verdict(rig, rig->effects.probe_ticket, true);
	rig_expect_silence(rig);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NO_QUORUM), 1);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_first_offer_waits_for_its_probe),
		TEST(an_address_in_use_is_quarantined_and_another_is_offered),
		TEST(the_client_itself_may_answer_the_probe),
		TEST(who_answers_every_probe_does_not_take_the_pool),
		TEST(no_verdict_in_time_counts_as_free_and_a_late_one_as_nothing),
		TEST(a_made_up_ticket_is_harmless),
		TEST(an_own_lease_is_never_probed),
		TEST(a_reservation_is_not_probed),
		TEST(behind_a_relay_nothing_is_probed),
		TEST(switched_off_nothing_is_probed),
		TEST(a_repeat_during_the_probe_is_answered_once_with_its_own_xid),
		TEST(what_was_found_free_a_moment_ago_is_not_asked_for_again),
		TEST(without_the_quorum_an_address_in_use_is_not_offered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
