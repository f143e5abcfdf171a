/* Which node answers: three engines over one model hear every broadcast. */
#include "node/dhcp4/dhcp4_answer.h"
#include "tests/unit/node/dhcp4_rig.h"

#define NODES 3

struct cluster {
	struct rig node[NODES]; /* member ids 1, 2, 3 */
};

static int setup(void **state)
{
	struct cluster *cluster = malloc(sizeof *cluster);
	assert_non_null(cluster);
	rig_init(&cluster->node[0]);
	for (size_t i = 0; i < NODES; i++) {
		if (i > 0)
			rig_init_peer(&cluster->node[i], &cluster->node[0], i + 1);
		cluster->node[i].view.live_count = NODES;
		for (size_t j = 0; j < NODES; j++)
			cluster->node[i].view.live[j] = j + 1;
	}
	*state = cluster;
	return 0;
}

static int teardown(void **state)
{
	struct cluster *cluster = *state;
	for (size_t i = NODES; i-- > 0;)
		rig_fini(&cluster->node[i]);
	free(cluster);
	return 0;
}

/* The others no longer hear it. */
static void kill_node(struct cluster *cluster, size_t dead)
{
	for (size_t i = 0; i < NODES; i++) {
		struct dhcp4_view *view = &cluster->node[i].view;
		size_t kept = 0;
		for (size_t j = 0; j < view->live_count; j++)
			if (view->live[j] != dead + 1 || i == dead)
				view->live[kept++] = view->live[j];
		view->live_count = kept;
	}
}

static void pass(struct cluster *cluster, uint64_t ms)
{
	for (size_t i = 0; i < NODES; i++)
		rig_pass(&cluster->node[i], ms);
}

/* Let everyone hear it. Returns how many answered; *ret_last is the last of them. */
static unsigned broadcast(struct cluster *cluster, const struct ask *ask, size_t *ret_last)
{
	unsigned answers = 0;
	for (size_t i = 0; i < NODES; i++) {
		if (!rig_ask(&cluster->node[i], ask))
			continue;
		answers++;
		*ret_last = i;
	}
	return answers;
}

static size_t node_of_rank(const struct cluster *cluster, unsigned client, unsigned rank)
{
	uint8_t id[7] = {1};
	rig_mac(client, id + 1);
	for (size_t i = 0; i < NODES; i++)
		if (dhcp4_answer_rank(&cluster->node[i].view, id, sizeof id) == rank)
			return i;
	fail_msg("no node has rank %u", rank);
	return 0;
}

static bool tick(struct rig *rig)
{
	bool worked = dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects);
	rig_note_effects(rig);
	if (worked && rig->effects.has_proposal)
		rig_commit(rig);
	return worked;
}

static void exactly_one_node_answers_a_first_discover(void **state)
{
	struct cluster *cluster = *state;
	unsigned by_node[NODES] = {0};
	for (unsigned client = 1; client <= 60; client++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = client};
		size_t winner = 0;
		assert_int_equal(broadcast(cluster, &ask, &winner), 1);
		assert_int_equal(winner, node_of_rank(cluster, client, 0));
		by_node[winner]++;
	}
	/* The hash spreads the clients: each node has its share. */
	for (size_t i = 0; i < NODES; i++)
		assert_in_range(by_node[i], 8, 40);
}

/* FIELD 28: whoever it turned to before may not hear it any more. */
static void one_that_has_waited_for_long_is_answered_by_all(void **state)
{
	struct cluster *cluster = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 1, .xid = 1, .secs = 2};
	size_t winner = 0;
	assert_int_equal(broadcast(cluster, &ask, &winner), 1);
	ask = (struct ask){.type = DHCP4_DISCOVER, .client = 2, .xid = 2, .secs = 3};
	assert_int_equal(broadcast(cluster, &ask, &winner), NODES);
}

static void request_after_the_offer_is_answered_by_the_same_node_alone(void **state)
{
	struct cluster *cluster = *state;
	for (unsigned client = 1; client <= 20; client++) {
		/* ROMs keep one xid: the REQUEST is no repeat of the DISCOVER. */
		struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = 7};
		size_t offered = 0, acked = 0;
		assert_int_equal(broadcast(cluster, &ask, &offered), 1);
		ask.type = DHCP4_REQUEST;
		ask.requested = cluster->node[offered].reply.header.yiaddr;
		ask.server = RIG_SERVER_IP;
		assert_int_equal(broadcast(cluster, &ask, &acked), 1);
		assert_int_equal(acked, offered);
		rig_expect_reply(&cluster->node[acked], DHCP4_ACK);
	}
}

static void all_answer_a_retransmission_and_say_the_same(void **state) /* FIELD 28 */
{
	struct cluster *cluster = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 5, .xid = 7};
	size_t last = 0;
	assert_int_equal(broadcast(cluster, &ask, &last), 1);
	uint32_t ip = cluster->node[last].reply.header.yiaddr;
	pass(cluster, 1000);
	assert_int_equal(broadcast(cluster, &ask, &last), NODES);
	for (size_t i = 0; i < NODES; i++) {
		assert_int_equal(cluster->node[i].reply.header.yiaddr, ip);
		assert_int_equal(dhcp4_engine_deferred(cluster->node[i].engine), 0);
	}
	/* Also with a new xid, if the client says that it has waited. */
	ask.xid = 8;
	ask.secs = 4;
	assert_int_equal(broadcast(cluster, &ask, &last), NODES);
	/* A new exchange, much later, is one node's again. */
	pass(cluster, DHCP4_REPEAT_MS);
	ask.xid = 9;
	ask.secs = 0;
	assert_int_equal(broadcast(cluster, &ask, &last), 1);
}

static void any_node_acks_any_nodes_offer(void **state) /* [P4] */
{
	struct cluster *cluster = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 5, .xid = 7};
	size_t winner = 0;
	assert_int_equal(broadcast(cluster, &ask, &winner), 1);
	ask.type = DHCP4_REQUEST;
	ask.requested = cluster->node[winner].reply.header.yiaddr;
	ask.server = RIG_SERVER_IP;
	size_t heir = node_of_rank(cluster, 5, 1);
	kill_node(cluster, winner);
	assert_int_not_equal(heir, winner);
	assert_true(rig_ask(&cluster->node[heir], &ask));
	rig_expect_reply(&cluster->node[heir], DHCP4_ACK);
	assert_int_equal(cluster->node[heir].reply.header.yiaddr, ask.requested);
	assert_int_equal(rig_ip4(&cluster->node[heir], DHCP4_SERVER_ID), RIG_SERVER_IP);
}

static void next_node_takes_over_when_the_winner_dies(void **state)
{
	struct cluster *cluster = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 5, .xid = 7};
	size_t first = node_of_rank(cluster, 5, 0), second = node_of_rank(cluster, 5, 1),
	       third = node_of_rank(cluster, 5, 2);
	rig_send(&cluster->node[second], &ask);
	rig_expect_silence(&cluster->node[second]);
	rig_send(&cluster->node[third], &ask);
	rig_expect_silence(&cluster->node[third]);
	assert_int_equal(dhcp4_engine_deferred(cluster->node[second].engine), 1);
	/* Not before its time is over. */
	kill_node(cluster, first);
	pass(cluster, DHCP4_TURN_MS - 1);
	assert_false(tick(&cluster->node[second]));
	pass(cluster, 1);
	assert_true(tick(&cluster->node[second]));
	rig_expect_reply(&cluster->node[second], DHCP4_OFFER);
	assert_int_equal(rig_count(&cluster->node[second], DHCP4_COUNT_TAKEN_OVER), 1);
	assert_int_equal(dhcp4_engine_deferred(cluster->node[second].engine), 0);
	assert_false(tick(&cluster->node[second]));
	/* The third sees the second alive and gives up in the end. */
	pass(cluster, DHCP4_TURN_MS);
	assert_false(tick(&cluster->node[third]));
	pass(cluster, DHCP4_WATCH_MS);
	assert_false(tick(&cluster->node[third]));
	assert_int_equal(dhcp4_engine_deferred(cluster->node[third].engine), 0);
	assert_int_equal(rig_count(&cluster->node[third], DHCP4_COUNT_DROP_NOT_OURS), 1);
}

/* The client may have its lease anew by then. */
static void a_release_is_not_taken_over(void **state) /* [R9] */
{
	struct cluster *cluster = *state;
	size_t first = node_of_rank(cluster, 5, 0), second = node_of_rank(cluster, 5, 1);
	struct rig *rig = &cluster->node[second];
	struct ask ask = {.type = DHCP4_RELEASE, .client = 5, .xid = 77};
	ask.ciaddr = rig_lease(&cluster->node[first], 5);
	rig_send(rig, &ask);
	assert_false(rig->effects.has_proposal);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_NOT_OURS), 1);
	kill_node(cluster, first);
	pass(cluster, DHCP4_TURN_MS);
	assert_false(tick(rig));
	/* One that comes when the first is known to be dead is ours. */
	ask.xid = 78;
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
}

static void each_node_waits_for_all_before_it(void **state)
{
	struct cluster *cluster = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 5, .xid = 7};
	size_t first = node_of_rank(cluster, 5, 0), second = node_of_rank(cluster, 5, 1),
	       third = node_of_rank(cluster, 5, 2);
	rig_send(&cluster->node[third], &ask);
	kill_node(cluster, first);
	kill_node(cluster, second);
	pass(cluster, 2 * DHCP4_TURN_MS - 1);
	assert_false(tick(&cluster->node[third]));
	pass(cluster, 1);
	assert_true(tick(&cluster->node[third]));
	rig_expect_reply(&cluster->node[third], DHCP4_OFFER);
}

static void a_death_that_shows_late_is_still_taken_over(void **state) /* [P3] */
{
	struct cluster *cluster = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 5, .xid = 7};
	size_t first = node_of_rank(cluster, 5, 0), second = node_of_rank(cluster, 5, 1);
	rig_send(&cluster->node[second], &ask);
	pass(cluster, 2 * DHCP4_TURN_MS);
	assert_false(tick(&cluster->node[second]));
	kill_node(cluster, first);
	pass(cluster, 50);
	assert_true(tick(&cluster->node[second]));
	rig_expect_reply(&cluster->node[second], DHCP4_OFFER);
}

static void winner_that_lives_leaves_nothing_to_do(void **state)
{
	struct cluster *cluster = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 5, .xid = 7};
	size_t winner = 0;
	assert_int_equal(broadcast(cluster, &ask, &winner), 1);
	for (unsigned i = 0; i < 40; i++) {
		pass(cluster, 50);
		for (size_t j = 0; j < NODES; j++)
			assert_false(tick(&cluster->node[j]));
	}
	for (size_t i = 0; i < NODES; i++)
		assert_int_equal(dhcp4_engine_deferred(cluster->node[i].engine), 0);
}

static void a_whole_crowd_is_taken_over_in_one_sweep(void **state)
{
	struct cluster *cluster = *state;
	const unsigned crowd = 90;
	for (unsigned client = 1; client <= crowd; client++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = client};
		for (size_t i = 1; i < NODES; i++)
			rig_ask(&cluster->node[i], &ask); /* node 1 is dead, nobody knows it yet */
	}
	size_t waiting = 0;
	kill_node(cluster, 0);
	pass(cluster, 2 * DHCP4_TURN_MS);
	unsigned answers = 0;
	for (size_t i = 1; i < NODES; i++) {
		while (tick(&cluster->node[i])) {
			rig_expect_reply(&cluster->node[i], DHCP4_OFFER);
			answers++;
		}
		waiting += rig_count(&cluster->node[i], DHCP4_COUNT_OFFER_SENT);
	}
	assert_in_range(answers, 10, 60);
	assert_int_equal(waiting, crowd);
}

static void unicast_is_answered_by_whoever_got_it(void **state)
{
	struct cluster *cluster = *state;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = 5, .xid = 7};
	size_t winner = 0;
	assert_int_equal(broadcast(cluster, &ask, &winner), 1);
	uint32_t ip = cluster->node[winner].reply.header.yiaddr;
	for (size_t i = 0; i < NODES; i++) {
		struct ask renew = {.type = DHCP4_REQUEST,
			.client = 5,
			.xid = 100 + (uint32_t)i,
			.ciaddr = ip,
			.unicast = true,
			.from = ip,
			.to = cluster->node[i].view.serve_ip};
		assert_true(rig_ask(&cluster->node[i], &renew));
		rig_expect_reply(&cluster->node[i], DHCP4_ACK);
	}
}

static void deferred_requests_are_bounded_and_the_oldest_gives_way(void **state)
{
	struct cluster *cluster = *state;
	struct rig *rig = &cluster->node[0];
	unsigned deferred = 0;
	for (unsigned client = 1; deferred < DHCP4_DEFERRED_MAX + 10; client++) {
		if (node_of_rank(cluster, client, 0) == 0)
			continue;
		struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = client};
		rig_send(rig, &ask);
		deferred++;
	}
	assert_int_equal(dhcp4_engine_deferred(rig->engine), DHCP4_DEFERRED_MAX);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_DEFERRED_FULL), 10);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DEFERRED), DHCP4_DEFERRED_MAX + 10);
}

static void one_client_takes_one_deferred_place(void **state)
{
	struct cluster *cluster = *state;
	size_t second = node_of_rank(cluster, 5, 1);
	struct rig *rig = &cluster->node[second];
	for (uint32_t xid = 1; xid <= 500; xid++) {
		struct ask ask = {.type = DHCP4_DISCOVER, .client = 5, .xid = xid};
		rig_send(rig, &ask);
		rig_expect_silence(rig);
	}
	assert_int_equal(dhcp4_engine_deferred(rig->engine), 1);
}

static void ranks_of_a_client_are_a_permutation_on_any_set_of_members(void **state)
{
	struct dhcp4_view view = {.live_count = 7, .live = {3, 5, 8, 11, 12, 20, 21}};
	(void)state;
	for (unsigned client = 0; client < 200; client++) {
		uint8_t id[] = {1, (uint8_t)client, (uint8_t)(client * 7), 3};
		unsigned seen = 0;
		for (size_t i = 0; i < view.live_count; i++) {
			view.self = view.live[i];
			seen |= 1u << dhcp4_answer_rank(&view, id, sizeof id);
		}
		assert_int_equal(seen, (1u << view.live_count) - 1);
	}
	/* Whoever is not among them has nobody to wait for. */
	view.self = 99;
	assert_int_equal(dhcp4_answer_rank(&view, (const uint8_t[]){1, 2}, 2), 0);
}

static void when_a_member_goes_only_its_own_clients_move(void **state)
{
	(void)state;
	for (unsigned client = 0; client < 200; client++) {
		uint8_t id[] = {1, (uint8_t)client, 9};
		struct dhcp4_view all = {.live_count = 3, .live = {1, 2, 3}};
		struct dhcp4_view two = {.live_count = 2, .live = {1, 3}};
		uint64_t before = 0, after = 0;
		for (uint64_t self = 1; self <= 3; self++) {
			all.self = two.self = self;
			if (dhcp4_answer_rank(&all, id, sizeof id) == 0)
				before = self;
			if (self != 2 && dhcp4_answer_rank(&two, id, sizeof id) == 0)
				after = self;
		}
		if (before != 2)
			assert_int_equal(before, after);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exactly_one_node_answers_a_first_discover),
		TEST(one_that_has_waited_for_long_is_answered_by_all),
		TEST(request_after_the_offer_is_answered_by_the_same_node_alone),
		TEST(all_answer_a_retransmission_and_say_the_same),
		TEST(any_node_acks_any_nodes_offer),
		TEST(next_node_takes_over_when_the_winner_dies),
		TEST(a_release_is_not_taken_over),
		TEST(each_node_waits_for_all_before_it),
		TEST(a_death_that_shows_late_is_still_taken_over),
		TEST(winner_that_lives_leaves_nothing_to_do),
		TEST(a_whole_crowd_is_taken_over_in_one_sweep),
		TEST(unicast_is_answered_by_whoever_got_it),
		TEST(deferred_requests_are_bounded_and_the_oldest_gives_way),
		TEST(one_client_takes_one_deferred_place),
		cmocka_unit_test(ranks_of_a_client_are_a_permutation_on_any_set_of_members),
		cmocka_unit_test(when_a_member_goes_only_its_own_clients_move),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
