/* Service without the quorum: the node's own reserve, its journal, and requests that wait until it
 * is clear whether there is a quorum [P3] [R1] to [R3]. */
#include "tests/unit/node/reserve_rig.h"

static void refresh(struct node *node)
{
	node->rig.view.reserve = node->reserve;
	node->rig.view.reserve_view = node_view(node);
}

static void isolate(struct node *node)
{
	node->rig.view.has_quorum = false;
	node->rig.view.fresh = false;
	node->rig.view.waiting = false;
	node->rig.view.isolated = true;
	refresh(node);
}

static void lose_quorum(struct node *node)
{
	isolate(node);
	node->rig.view.isolated = false;
	node->rig.view.waiting = true;
}

static void regain_quorum(struct node *node)
{
	node->rig.view.has_quorum = true;
	node->rig.view.fresh = true;
	node->rig.view.waiting = false;
	node->rig.view.isolated = false;
	refresh(node);
}

static void pass(struct node *node, uint64_t ms)
{
	rig_pass(&node->rig, ms);
	refresh(node);
}

static int setup(void **state)
{
	int result = node_setup(state);
	refresh(*state);
	return result;
}

/* The journal's entry of the last effects is written; not yet durable. Returns its ticket. */
static uint64_t keep_journal(struct node *node)
{
	assert_true(node->rig.effects.has_journal);
	assert_false(node->rig.effects.has_reply);
	assert_false(node->rig.effects.has_proposal);
	node_write(node, &node->rig.effects.journal.write);
	return node->rig.effects.journal.ticket;
}

static void make_durable(struct node *node, uint64_t ticket)
{
	node_sync(node);
	refresh(node);
	dhcp4_engine_on_durable(node->rig.engine, &node->rig.view, ticket, &node->rig.effects);
	rig_note_effects(&node->rig);
}

static bool tick(struct node *node)
{
	refresh(node);
	bool worked = dhcp4_engine_tick(node->rig.engine, &node->rig.view, &node->rig.effects);
	rig_note_effects(&node->rig);
	return worked;
}

static void expect_nothing(struct node *node)
{
	rig_expect_silence(&node->rig);
	assert_false(node->rig.effects.has_journal);
}

/* REQUEST of an address, up to the write of its entry. Returns its ticket. */
static uint64_t request(struct node *node, struct ask *ask, uint32_t ip)
{
	ask->type = DHCP4_REQUEST;
	ask->requested = ip;
	ask->server = RIG_SERVER_IP;
	rig_send(&node->rig, ask);
	return keep_journal(node);
}

/* And up to the ACK. */
static void take(struct node *node, struct ask *ask, uint32_t ip)
{
	make_durable(node, request(node, ask, ip));
	rig_expect_reply(&node->rig, DHCP4_ACK);
	assert_int_equal(node->rig.reply.header.yiaddr, ip);
}

static uint32_t discover(struct node *node, struct ask *ask)
{
	ask->type = DHCP4_DISCOVER;
	rig_send(&node->rig, ask);
	expect_nothing(node); /* one turn for a node with the quorum */
	pass(node, DHCP4_TURN_MS);
	assert_true(tick(node));
	rig_expect_reply(&node->rig, DHCP4_OFFER);
	return node->rig.reply.header.yiaddr;
}

static void a_new_client_is_served_from_the_reserve(void **state) /* [P3] [R1] */
{
	struct node *node = *state;
	struct rig *rig = &node->rig;
	struct ask ask = {.client = 1, .xid = 7};
	node_give(node, 1, 20);
	isolate(node);
	uint32_t ip = discover(node, &ask);
	assert_int_equal(model_block_of(rig->model, ip)->owner, 1);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_MCLT_S);
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), RIG_SERVER_IP); /* [P4] */
	take(node, &ask, ip);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_MCLT_S);
	assert_int_equal(rig_ip4(rig, DHCP4_SERVER_ID), RIG_SERVER_IP);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_ISOLATED_OFFER), 1);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_ISOLATED_ACK), 1);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_ACK_SENT), 1);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_PROPOSED), 0);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
	/* Known from now on: the next packets of its boot are answered at once. */
	ask.xid++;
	take(node, &ask, ip);
}

static void no_ack_leaves_before_its_entry_is_durable(void **state) /* [R2] */
{
	struct node *node = *state;
	struct ask ask = {.client = 1, .xid = 7};
	node_give(node, 1, 20);
	isolate(node);
	uint32_t ip = discover(node, &ask);
	uint64_t ticket = request(node, &ask, ip);
	assert_int_not_equal(ticket, 0);
	/* The client asks again: one entry serves both. */
	ask.xid = 8;
	rig_send(&node->rig, &ask);
	expect_nothing(node);
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_MERGED), 1);
	assert_false(tick(node));
	make_durable(node, ticket);
	rig_expect_reply(&node->rig, DHCP4_ACK);
	assert_int_equal(node->rig.reply.header.xid, 8);
	/* And only once. */
	make_durable(node, ticket);
	expect_nothing(node);
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_DROP_LATE), 1);
}

static void a_slow_disk_shortens_the_time_told(void **state) /* [P1] */
{
	struct node *node = *state;
	struct ask ask = {.client = 1, .xid = 7};
	node_give(node, 1, 20);
	isolate(node);
	uint32_t ip = discover(node, &ask);
	uint64_t ticket = request(node, &ask, ip);
	pass(node, 7001);
	make_durable(node, ticket);
	rig_expect_reply(&node->rig, DHCP4_ACK);
	assert_int_equal(rig_u32(&node->rig, DHCP4_LEASE_SECONDS), RIG_MCLT_S - 8);
	ask.xid++;
	rig_send(&node->rig, &ask);
	ticket = keep_journal(node);
	pass(node, RIG_MCLT_S * 1000);
	make_durable(node, ticket);
	rig_expect_silence(&node->rig);
}

static void a_renewal_is_extended_to_the_promise_at_most(void **state) /* [R3] */
{
	struct node *node = *state;
	uint32_t ip = rig_lease(&node->rig, 1);
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .ciaddr = ip, .unicast = true};
	struct lease lease;
	assert_true(model_lease_of_ip(node->rig.model, ip, &lease));
	for (uint64_t left_ms = 3001; left_ms > 0; left_ms -= 1000) {
		pass(node, lease.promised_ms - left_ms - node->rig.view.now_ms);
		isolate(node);
		ask.xid++;
		rig_send(&node->rig, &ask);
		if (left_ms < 1000) {
			expect_nothing(node);
			break;
		}
		make_durable(node, keep_journal(node));
		rig_expect_reply(&node->rig, DHCP4_ACK);
		uint64_t told_ms = UINT64_C(1000) * rig_u32(&node->rig, DHCP4_LEASE_SECONDS);
		assert_true(node->rig.view.now_ms + told_ms <= lease.promised_ms);
		assert_int_equal(told_ms, left_ms / 1000 * 1000);
	}
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_DROP_ISOLATED), 1);
}

static void nobody_is_refused_aloud(void **state) /* [P4] */
{
	struct node *node = *state;
	uint32_t ip = rig_lease(&node->rig, 1);
	struct ask other = {.type = DHCP4_REQUEST, .client = 2, .requested = ip, .unicast = true};
	struct ask wrong = {.type = DHCP4_REQUEST,
		.client = 3,
		.requested = IP(192, 168, 7, 7),
		.unicast = true};
	struct ask chosen = {.type = DHCP4_REQUEST,
		.client = 4,
		.requested = IP(10, 0, 0, 177),
		.server = RIG_SERVER_IP,
		.unicast = true};
	const struct ask *all[] = {&other, &wrong, &chosen};
	node_give(node, 2, 20);
	isolate(node);
	for (size_t i = 0; i < 3; i++) {
		rig_send(&node->rig, all[i]);
		expect_nothing(node);
		assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_DROP_ISOLATED), i + 1);
	}
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_NAK_SENT), 0);
}

static void repeats_and_unicast_do_not_wait_a_turn(void **state)
{
	struct node *node = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 7};
	node_give(node, 1, 20);
	isolate(node);
	rig_send(&node->rig, &ask);
	expect_nothing(node);
	assert_int_equal(dhcp4_engine_deferred(node->rig.engine), 1);
	pass(node, 100);
	rig_send(&node->rig, &ask);
	rig_expect_reply(&node->rig, DHCP4_OFFER);
	assert_int_equal(dhcp4_engine_deferred(node->rig.engine), 0);
	ask = (struct ask){
		.type = DHCP4_DISCOVER, .client = 2, .giaddr = IP(10, 0, 0, 1), .unicast = true};
	rig_send(&node->rig, &ask);
	rig_expect_reply(&node->rig, DHCP4_OFFER);
}

static void who_hears_a_node_with_the_quorum_leaves_clients_to_it(void **state)
{
	struct node *node = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 7};
	node_give(node, 1, 20);
	isolate(node);
	node->rig.view.live_count = 2;
	node->rig.view.live[1] = 2;
	node->rig.view.last = true;
	for (unsigned client = 1; client < 10; client++) {
		ask.client = client;
		rig_send(&node->rig, &ask);
		expect_nothing(node);
	}
	pass(node, DHCP4_WATCH_MS);
	assert_false(tick(node));
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_DROP_NOT_OURS), 9);
	/* Unless the client goes unheard. */
	rig_send(&node->rig, &ask);
	rig_expect_reply(&node->rig, DHCP4_OFFER);
}

static void a_release_changes_nothing_and_a_decline_is_kept(void **state)
{
	struct node *node = *state;
	struct rig *rig = &node->rig;
	struct ask ask = {.client = 1, .xid = 7};
	node_give(node, 1, 1);
	isolate(node);
	uint32_t ip = discover(node, &ask);
	take(node, &ask, ip);
	struct ask release = {.type = DHCP4_RELEASE, .client = 1, .ciaddr = ip, .unicast = true};
	rig_send(rig, &release);
	expect_nothing(node);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_ISOLATED_RELEASE), 1);
	assert_true(node_knows(node, 1, ip));
	struct ask decline = {.type = DHCP4_DECLINE, .client = 1, .requested = ip, .unicast = true};
	rig_send(rig, &decline);
	assert_int_equal(keep_journal(node), 0);
	assert_true(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_DECLINE, NULL));
	assert_false(node_knows(node, 1, ip));
	assert_false(node_offer(node, 2, 0));
	regain_quorum(node);
	node_settle(node);
	struct lease lease;
	assert_true(model_lease_of_ip(rig->model, ip, &lease));
	assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_DECLINED);
}

static void after_a_restart_the_journal_is_honoured(void **state) /* [R2] */
{
	struct node *node = *state;
	struct ask ask = {.client = 1, .xid = 7};
	node_give(node, 1, 1);
	isolate(node);
	uint32_t ip = discover(node, &ask);
	request(node, &ask, ip); /* the ACK may have left, or not */
	node_restart(node);
	refresh(node);
	struct ask other = {.type = DHCP4_DISCOVER,
		.client = 2,
		.xid = 9,
		.unicast = true,
		.giaddr = IP(10, 0, 0, 1)};
	rig_send(&node->rig, &other);
	expect_nothing(node);
	dhcp4_engine_free(node->rig.engine);
	node->rig.engine = dhcp4_engine_new();
	ask.xid++;
	take(node, &ask, ip);
}

/* ---- between quorum and isolation */

static void requests_wait_for_the_quorum_and_need_not_be_repeated(void **state) /* [P3] */
{
	struct node *node = *state;
	struct rig *rig = &node->rig;
	struct ask discover_ask = {.type = DHCP4_DISCOVER, .client = 2, .xid = 1};
	uint32_t ip = rig_lease(rig, 1);
	pass(node, RIG_LEASE_S * 1000 / 2);
	struct ask renew = {.type = DHCP4_REQUEST, .client = 1, .ciaddr = ip, .unicast = true};
	lose_quorum(node);
	rig_send(rig, &discover_ask);
	expect_nothing(node);
	rig_send(rig, &renew);
	expect_nothing(node);
	assert_int_equal(dhcp4_engine_waiting(rig->engine), 2);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_WAITED), 2);
	pass(node, 150);
	assert_false(tick(node));
	/* A new leader. */
	regain_quorum(node);
	assert_true(tick(node));
	assert_true(rig->effects.has_proposal);
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_true(tick(node));
	rig_commit(rig);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->reply.header.yiaddr, ip);
	assert_false(tick(node));
	assert_int_equal(dhcp4_engine_waiting(rig->engine), 0);
}

static void what_waits_is_answered_as_soon_as_the_node_is_isolated(void **state) /* [P3] */
{
	struct node *node = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 2, .xid = 1};
	node_give(node, 1, 20);
	lose_quorum(node);
	rig_send(&node->rig, &ask);
	ask.xid = 2; /* newest counts */
	rig_send(&node->rig, &ask);
	assert_int_equal(dhcp4_engine_waiting(node->rig.engine), 1);
	pass(node, 100);
	assert_false(tick(node));
	isolate(node);
	assert_true(tick(node));
	rig_expect_reply(&node->rig, DHCP4_OFFER);
	assert_int_equal(node->rig.reply.header.xid, 2);
	assert_false(tick(node));
}

static void nobody_waits_for_ever(void **state)
{
	struct node *node = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 2, .xid = 1};
	lose_quorum(node);
	rig_send(&node->rig, &ask);
	pass(node, DHCP4_WAIT_MS - 1);
	assert_false(tick(node));
	assert_int_equal(dhcp4_engine_waiting(node->rig.engine), 1);
	pass(node, 1);
	assert_false(tick(node));
	assert_int_equal(dhcp4_engine_waiting(node->rig.engine), 0);
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_DROP_NO_QUORUM), 1);
}

static void the_oldest_waiting_gives_way_to_a_flood(void **state)
{
	struct node *node = *state;
	struct ask ask = {.type = DHCP4_DISCOVER};
	lose_quorum(node);
	for (unsigned i = 0; i < DHCP4_WAITING_MAX + 10; i++) {
		ask.client = i;
		ask.xid = i;
		rig_send(&node->rig, &ask);
	}
	assert_int_equal(dhcp4_engine_waiting(node->rig.engine), DHCP4_WAITING_MAX);
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_DROP_NO_QUORUM), 10);
}

static void outcome(struct node *node, uint64_t ticket, enum dhcp4_outcome what)
{
	refresh(node);
	dhcp4_engine_on_outcome(
		node->rig.engine, &node->rig.view, ticket, what, NULL, &node->rig.effects);
	rig_note_effects(&node->rig);
}

static void what_the_log_did_not_take_is_tried_again(void **state) /* [P3] */
{
	struct node *node = *state;
	struct rig *rig = &node->rig;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 2, .xid = 1};
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	outcome(node, rig->ticket, DHCP4_OUTCOME_NO_QUORUM);
	expect_nothing(node);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
	assert_int_equal(dhcp4_engine_waiting(rig->engine), 1);
	assert_false(tick(node)); /* not in the same breath */
	pass(node, DHCP4_RETRY_MS);
	for (unsigned i = 0; DHCP4_RETRY_MS * i < DHCP4_WAIT_MS - 2 * DHCP4_RETRY_MS; i++) {
		assert_true(tick(node));
		assert_true(rig->effects.has_proposal);
		outcome(node, rig->ticket, DHCP4_OUTCOME_NO_QUORUM);
		pass(node, DHCP4_RETRY_MS);
	}
	assert_true(tick(node));
	uint64_t ticket = rig->ticket;
	/* In the end the client is left to ask again itself. */
	pass(node, 2 * DHCP4_RETRY_MS);
	outcome(node, ticket, DHCP4_OUTCOME_NO_QUORUM);
	expect_nothing(node);
	assert_int_equal(dhcp4_engine_waiting(rig->engine), 0);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NO_QUORUM), 1);
}

static void a_busy_log_with_a_leader_is_no_reason_to_wait(void **state)
{
	struct node *node = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 2, .xid = 1};
	rig_send(&node->rig, &ask);
	outcome(node, node->rig.ticket, DHCP4_OUTCOME_BUSY);
	expect_nothing(node);
	assert_int_equal(dhcp4_engine_waiting(node->rig.engine), 0);
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_DROP_BUSY), 1);
}

static void a_proposal_under_way_when_the_quorum_goes_is_met_from_the_reserve(void **state)
{
	struct node *node = *state;
	struct rig *rig = &node->rig;
	uint32_t ip = rig_lease(rig, 1);
	node_give(node, 1, 20);
	pass(node, RIG_LEASE_S * 1000 / 2);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 2, .xid = 1};
	struct ask renew = {.type = DHCP4_REQUEST, .client = 1, .ciaddr = ip, .unicast = true};
	rig_send(rig, &ask);
	uint64_t lost = rig->ticket;
	rig_send(rig, &renew);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 2);
	isolate(node);
	assert_true(tick(node));
	rig_expect_reply(rig, DHCP4_OFFER);
	assert_true(tick(node));
	uint64_t ticket = keep_journal(node);
	assert_false(tick(node));
	make_durable(node, ticket);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->reply.header.yiaddr, ip);
	/* The outcome comes when nobody waits any more. */
	outcome(node, lost, DHCP4_OUTCOME_UNKNOWN);
	expect_nothing(node);
	assert_int_equal(dhcp4_engine_pending(rig->engine), 0);
}

static void an_outcome_without_a_leader_is_answered_from_the_reserve_if_isolated(void **state)
{
	struct node *node = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 2, .xid = 1};
	node_give(node, 1, 20);
	rig_send(&node->rig, &ask);
	isolate(node);
	outcome(node, node->rig.ticket, DHCP4_OUTCOME_BUSY);
	rig_expect_reply(&node->rig, DHCP4_OFFER);
	assert_int_equal(dhcp4_engine_pending(node->rig.engine), 0);
}

/* ---- with the quorum */

static void a_full_pool_leaves_the_nodes_own_reserve_to_declared_machines(void **state)
{
	struct node *node = *state;
	struct rig *rig = &node->rig;
	rig_host(rig, "n01", 1, 0, false);
	rig_host(rig, "n02", 2, 0, false);
	node_give(node, 1, 50);
	node_give(node, 2, 50);
	/* A stranger waits until the nodes have given back: a flood of them is to take no reserve.
	 */
	struct ask stranger = {.type = DHCP4_DISCOVER, .client = 3, .xid = 7};
	rig_send(rig, &stranger);
	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_POOL_FULL);
	rig_expect_silence(rig);
	rig_send(rig, &stranger);
	rig_expect_silence(rig);
	for (unsigned client = 1; client <= 2; client++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = 7};
		rig_send(rig, &ask);
		assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_POOL_FULL);
		rig_expect_reply(rig, DHCP4_OFFER);
		uint32_t ip = rig->reply.header.yiaddr;
		assert_int_equal(model_block_of(rig->model, ip)->owner, 1);
		take(node, &ask, ip);
		assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_MCLT_S);
	}
	assert_int_equal(rig_count(rig, DHCP4_COUNT_FROM_RESERVE), 4);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_ISOLATED_ACK), 0);
	node_settle(node);
	assert_int_equal(model_lease_count(rig->model), 2);
}

static void what_only_this_node_knows_it_renews_until_the_cluster_knows(void **state)
{
	struct node *node = *state;
	struct rig *rig = &node->rig;
	struct ask ask = {.client = 1, .xid = 7};
	node_give(node, 1, 20);
	isolate(node);
	uint32_t ip = discover(node, &ask);
	take(node, &ask, ip);
	regain_quorum(node);
	rig->view.live_count = 2; /* whoever's turn it is */
	rig->view.live[1] = 2;
	rig->view.last = true;
	pass(node, 1000);
	struct ask renew = {.type = DHCP4_REQUEST, .client = 1, .ciaddr = ip};
	rig_send(rig, &renew);
	make_durable(node, keep_journal(node));
	rig_expect_reply(rig, DHCP4_ACK);
	/* Merged: now it is the log's. */
	node_settle(node);
	rig->view.last = false;
	rig->view.live_count = 1;
	pass(node, 400000);
	renew.xid++;
	rig_send(rig, &renew);
	assert_false(rig->effects.has_journal);
	assert_true(rig->effects.has_proposal);
	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_OK);
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S);
}

/* The process stood still with the request in its hands. */
static void an_answer_that_took_long_tells_what_is_left_by_now(void **state) /* [P1] */
{
	struct node *node = *state;
	struct rig *rig = &node->rig;
	uint32_t ip = rig_lease(rig, 1);
	rig->view.live_count = 2;
	rig->view.live[1] = 2;
	rig->view.last = true;
	struct ask ask = {.type = DHCP4_REQUEST, .client = 1, .xid = 9, .ciaddr = ip};
	rig_send(rig, &ask);
	expect_nothing(node);
	pass(node, 7000);
	rig->view.live_count = 1;
	rig->view.last = false;
	assert_true(tick(node));
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig_u32(rig, DHCP4_LEASE_SECONDS), RIG_LEASE_S - 7);
}

static void an_address_in_another_nodes_reserve_is_answered_with_silence(void **state) /* [P4] */
{
	struct node *node = *state;
	struct rig *rig = &node->rig;
	uint32_t theirs = 0;
	node_give(node, 2, 20);
	for (uint32_t ip = IP(10, 0, 0, 100); ip < IP(10, 0, 0, 200); ip++)
		theirs = model_block_of(rig->model, ip) != NULL ? ip : theirs;
	struct ask ask = {
		.type = DHCP4_REQUEST, .client = 5, .requested = theirs, .server = RIG_SERVER_IP};
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_RESERVE);
	expect_nothing(node);
	assert_false(rig_event(rig, PXE__EVENT_KIND__EVENT_DHCP_REFUSED, NULL));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_REFUSED), 1);
}

static void a_node_that_is_being_removed_is_silent(void **state)
{
	struct node *node = *state;
	struct model_result result;
	char name[] = "pxe1";
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberRemove remove = PXE__MEMBER_REMOVE__INIT;
	remove.name = name;
	command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
	command.member_remove = &remove;
	assert_int_equal(rig_apply(&node->rig, &command, &result), PXE__VERDICT__VERDICT_OK);
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 5};
	rig_send(&node->rig, &ask);
	expect_nothing(node);
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_DROP_NOT_SERVING), 1);
}

static void a_removed_node_answers_nobody(void **state) /* [R7] */
{
	struct node *node = *state;
	struct ask ask = {.client = 1, .xid = 7};
	node_give(node, 1, 20);
	isolate(node);
	uint32_t ip = discover(node, &ask);
	take(node, &ask, ip);
	node->rig.view.isolated = false;
	node->rig.view.removed = true;
	uint64_t dropped = rig_count(&node->rig, DHCP4_COUNT_DROP_NOT_SERVING);
	ask.xid = 8;
	rig_send(&node->rig, &ask); /* not even what it gave itself */
	expect_nothing(node);
	assert_int_equal(rig_count(&node->rig, DHCP4_COUNT_DROP_NOT_SERVING), dropped + 1);
	pass(node, 10000);
	assert_false(tick(node));
	expect_nothing(node);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_client_is_served_from_the_reserve),
		TEST(a_removed_node_answers_nobody),
		TEST(no_ack_leaves_before_its_entry_is_durable),
		TEST(a_slow_disk_shortens_the_time_told),
		TEST(a_renewal_is_extended_to_the_promise_at_most),
		TEST(nobody_is_refused_aloud),
		TEST(repeats_and_unicast_do_not_wait_a_turn),
		TEST(who_hears_a_node_with_the_quorum_leaves_clients_to_it),
		TEST(a_release_changes_nothing_and_a_decline_is_kept),
		TEST(after_a_restart_the_journal_is_honoured),
		TEST(requests_wait_for_the_quorum_and_need_not_be_repeated),
		TEST(what_waits_is_answered_as_soon_as_the_node_is_isolated),
		TEST(nobody_waits_for_ever),
		TEST(the_oldest_waiting_gives_way_to_a_flood),
		TEST(what_the_log_did_not_take_is_tried_again),
		TEST(a_busy_log_with_a_leader_is_no_reason_to_wait),
		TEST(a_proposal_under_way_when_the_quorum_goes_is_met_from_the_reserve),
		TEST(an_outcome_without_a_leader_is_answered_from_the_reserve_if_isolated),
		TEST(a_full_pool_leaves_the_nodes_own_reserve_to_declared_machines),
		TEST(what_only_this_node_knows_it_renews_until_the_cluster_knows),
		TEST(an_answer_that_took_long_tells_what_is_left_by_now),
		TEST(an_address_in_another_nodes_reserve_is_answered_with_silence),
		TEST(a_node_that_is_being_removed_is_silent),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
