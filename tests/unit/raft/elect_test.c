/* tests/unit/raft/elect_test.c: who may vote, run and lead. */
#include "tests/unit/raft/lab.h"

static const uint64_t two_of_term_1[] = {1, 1, 0};

static struct raft_message ask_vote(
	unsigned from, unsigned to, uint64_t term, uint64_t index, uint64_t log_term)
{
	return (struct raft_message){.kind = RAFT_VOTE,
		.from = from,
		.to = to,
		.term = term,
		.index = index,
		.log_term = log_term};
}

/* The answer of node 1 to a vote request. */
static bool is_granted(struct lab *lab, const struct raft_message *request)
{
	const struct raft_message *reply;

	lab_receive(lab, request, NULL);
	reply = lab_sent(&lab->node[1], RAFT_VOTE_REPLY, request->from);
	assert_non_null(reply);
	return reply->ok;
}

static void sole_voter_leads_without_waiting(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(1, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);

	(void)state;
	node->applied = 1;
	lab_boot(lab, 1);
	lab_tick(lab, 1);
	assert_int_equal(node->raft.role, RAFT_LEADER);
	assert_int_equal(node->raft.commit, 2);
	assert_int_equal(node->term, 2);
	free(lab);
}

static void pre_vote_moves_no_term(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);

	(void)state;
	for (int i = 0; i < 5; i++) {
		lab_wait(lab, 1000);
		lab_tick(lab, 1);
		assert_int_equal(node->raft.role, RAFT_PRECANDIDATE);
		assert_true(lab_sent(node, RAFT_VOTE, 2)->pre_vote);
	}
	assert_int_equal(node->raft.term, 1);
	assert_int_equal(node->term, 1);
	free(lab);
}

static void vote_is_saved_before_it_is_sent(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);
	struct raft_message request = ask_vote(2, 1, 5, 1, 1);

	(void)state;
	lab_wait(lab, 1000);
	assert_true(is_granted(lab, &request));
	assert_int_equal(node->term, 5);
	assert_int_equal(node->vote, 2);
	assert_int_equal(node->effect[node->effect_count - 1].kind, RAFT_SEND);
	assert_int_equal(node->effect[node->effect_count - 2].kind, RAFT_SAVE_VOTE);
	free(lab);
}

static void voter_that_hears_a_leader_refuses_and_keeps_its_term(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);
	struct raft_message append = lab_append(3, 1, 2, 1, 1), request = ask_vote(2, 1, 9, 9, 8);

	(void)state;
	lab_wait(lab, 1000);
	lab_receive(lab, &append, NULL);
	lab_wait(lab, LAB_ELECTION - 1);
	assert_false(is_granted(lab, &request));
	assert_int_equal(node->raft.term, 2);
	lab_wait(lab, 1);
	assert_true(is_granted(lab, &request));
	free(lab);
}

static void restarted_voter_waits_for_one_election_time(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct raft_message request = ask_vote(2, 1, 9, 9, 8);

	(void)state;
	lab_add(lab, 1, &conf, 1, NULL);
	lab_wait(lab, LAB_ELECTION - 1);
	assert_false(is_granted(lab, &request));
	lab_wait(lab, 1);
	assert_true(is_granted(lab, &request));
	free(lab);
}

static void vote_needs_a_log_at_least_as_new(void **state)
{
	static const uint64_t terms[] = {1, 3, 3, 0}; /* last: index 4, term 3 */
	static const struct {
		uint64_t index, log_term;
		bool ok;
	} request[] = {{9, 2, false}, {3, 3, false}, {4, 3, true}, {5, 3, true}, {2, 4, true}};

	(void)state;
	for (size_t i = 0; i < sizeof request / sizeof request[0]; i++) {
		for (int pre_vote = 0; pre_vote < 2; pre_vote++) {
			struct lab *lab = lab_new();
			struct raft_conf conf = lab_conf(3, 0);
			struct raft_message message =
				ask_vote(2, 1, 9, request[i].index, request[i].log_term);

			lab_add(lab, 1, &conf, 3, terms);
			lab_wait(lab, 1000);
			message.pre_vote = pre_vote != 0;
			assert_int_equal(is_granted(lab, &message), request[i].ok);
			free(lab);
		}
	}
}

static void one_vote_per_term_even_across_a_restart(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct raft_message first = ask_vote(2, 1, 5, 1, 1), second = ask_vote(3, 1, 5, 9, 4);

	(void)state;
	lab_add(lab, 1, &conf, 1, NULL);
	lab_wait(lab, 1000);
	assert_true(is_granted(lab, &first));
	assert_false(is_granted(lab, &second));
	assert_true(is_granted(lab, &first)); /* the reply may have been lost */
	lab_restart(lab, 1);
	lab_wait(lab, 1000);
	assert_false(is_granted(lab, &second));
	free(lab);
}

/* Another engine gave its transferee a second vote in a term: two leaders. */
static void one_vote_per_term_for_a_transferee_too(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct raft_message first = ask_vote(2, 1, 5, 1, 1), forced = ask_vote(3, 1, 5, 9, 4);

	(void)state;
	lab_add(lab, 1, &conf, 1, NULL);
	lab_wait(lab, 1000);
	assert_true(is_granted(lab, &first));
	forced.force = true;
	assert_false(is_granted(lab, &forced));
	free(lab);
}

static void candidate_does_not_vote_for_another_in_its_term(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);
	struct raft_message rival = ask_vote(3, 1, 2, 9, 1);

	(void)state;
	lab_wait(lab, 1000);
	lab_tick(lab, 1);
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_VOTE_REPLY,
			.from = 2,
			.to = 1,
			.term = 2,
			.pre_vote = true,
			.ok = true},
		NULL);
	assert_int_equal(node->raft.role, RAFT_CANDIDATE);
	assert_int_equal(node->raft.term, 2);
	assert_false(is_granted(lab, &rival));
	assert_int_equal(node->raft.role, RAFT_CANDIDATE);
	free(lab);
}

/* Else the longest log with the lowest term is refused for ever and never learns why. */
static void refused_candidate_learns_the_higher_term(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct raft_message request = ask_vote(2, 1, 3, 9, 1);

	(void)state;
	lab_add(lab, 1, &conf, 7, NULL);
	lab_wait(lab, 1000);
	request.pre_vote = true;
	assert_false(is_granted(lab, &request));
	assert_int_equal(lab_sent(&lab->node[1], RAFT_VOTE_REPLY, 2)->term, 7);
	free(lab);
}

static void longest_log_with_the_lowest_term_comes_to_lead(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);

	(void)state;
	lab_add(lab, 1, &conf, 1, two_of_term_1); /* the longest log, the lowest term */
	lab_add(lab, 2, &conf, 8, NULL);          /* the third is down */
	lab_run(lab, 5000);
	assert_int_equal(lab->node[1].raft.role, RAFT_LEADER);
	assert_int_equal(lab->node[2].raft.commit, lab->node[1].raft.last);
	free(lab);
}

static void no_candidacy_while_writes_are_in_flight(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);
	struct raft_message append = lab_append(2, 1, 2, 1, 1);

	(void)state;
	node->hold_writes = true;
	lab_receive(lab, &append, (const uint64_t[]){2, 0});
	lab_wait(lab, 1000);
	lab_tick(lab, 1);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	lab_sync(lab, 1);
	lab_wait(lab, LAB_HEARTBEAT);
	lab_tick(lab, 1);
	assert_int_equal(node->raft.role, RAFT_PRECANDIDATE);
	free(lab);
}

/* Thesis 4.2: the candidate's configuration may be newer than the voter's. */
static void node_outside_of_its_own_configuration_votes(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = {.count = 2, .member = {{2, true}, {3, true}}};
	struct raft_message request = ask_vote(2, 1, 5, 1, 1);

	(void)state;
	lab_add(lab, 1, &conf, 1, NULL);
	lab_wait(lab, 1000);
	assert_true(is_granted(lab, &request));
	free(lab);
}

static void learner_never_runs_and_its_vote_does_not_count(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 1);

	(void)state;
	lab_add(lab, 4, &conf, 1, NULL);
	lab_wait(lab, 5000);
	lab_tick(lab, 4);
	assert_int_equal(lab->node[4].raft.role, RAFT_FOLLOWER);
	assert_int_equal(lab->box_count, 0);

	lab_add(lab, 1, &conf, 1, NULL);
	lab_wait(lab, 5000);
	lab_tick(lab, 1);
	assert_null(lab_sent(&lab->node[1], RAFT_VOTE, 4));
	lab_receive(lab,
		&(struct raft_message){.kind = RAFT_VOTE_REPLY,
			.from = 4,
			.to = 1,
			.term = 2,
			.pre_vote = true,
			.ok = true},
		NULL);
	assert_int_equal(lab->node[1].raft.role, RAFT_PRECANDIDATE);
	free(lab);
}

static void vote_counts_once(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(5, 0);
	struct raft_message reply = {.kind = RAFT_VOTE_REPLY,
		.from = 2,
		.to = 1,
		.term = 2,
		.pre_vote = true,
		.ok = true};

	(void)state;
	lab_add(lab, 1, &conf, 1, NULL);
	lab_wait(lab, 1000);
	lab_tick(lab, 1);
	lab_receive(lab, &reply, NULL);
	lab_receive(lab, &reply, NULL);
	assert_int_equal(lab->node[1].raft.role, RAFT_PRECANDIDATE);
	reply.from = 3;
	lab_receive(lab, &reply, NULL);
	assert_int_equal(lab->node[1].raft.role, RAFT_CANDIDATE);
	free(lab);
}

static void pre_votes_do_not_elect(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct raft_message reply = {.kind = RAFT_VOTE_REPLY,
		.from = 2,
		.to = 1,
		.term = 2,
		.pre_vote = true,
		.ok = true};

	(void)state;
	lab_add(lab, 1, &conf, 1, NULL);
	lab_wait(lab, 1000);
	lab_tick(lab, 1);
	lab_receive(lab, &reply, NULL);
	assert_int_equal(lab->node[1].raft.role, RAFT_CANDIDATE);
	lab_receive(lab, &reply, NULL);
	reply.from = 3;
	reply.term = 3;
	lab_receive(lab, &reply, NULL);
	assert_int_equal(lab->node[1].raft.role, RAFT_CANDIDATE);
	free(lab);
}

static void leader_without_a_majority_steps_down(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 1);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);
	uint64_t start_ms;

	(void)state;
	lab_elect_alone(lab, 1, 2);
	start_ms = lab->now_ms;
	lab_wait(lab, LAB_ELECTION - 10);
	lab_acknowledge(lab, 4, 1, 1, 1); /* a learner does not help */
	lab_tick(lab, 1);
	assert_int_equal(node->raft.role, RAFT_LEADER);
	lab->now_ms = start_ms + LAB_ELECTION;
	lab_tick(lab, 1);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	assert_int_equal(node->raft.leader, 0);
	free(lab);
}

static void leader_with_a_majority_stays(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	struct lab_node *node = lab_add(lab, 1, &conf, 1, NULL);

	(void)state;
	lab_elect_alone(lab, 1, 2);
	for (int i = 0; i < 20; i++) {
		lab_wait(lab, LAB_ELECTION / 2);
		lab_acknowledge(lab, 3, 1, 1, 1);
		lab_tick(lab, 1);
	}
	assert_int_equal(node->raft.role, RAFT_LEADER);
	free(lab);
}

/* An isolated node comes back: nobody's term has moved. */
static void return_of_an_isolated_node_disturbs_nobody(void **state)
{
	struct lab *lab = lab_new();
	struct raft_conf conf = lab_conf(3, 0);
	uint64_t term;

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		lab_add(lab, i, &conf, 1, NULL);
	lab_elect(lab, 1);
	lab_run(lab, 500);
	term = lab->node[1].raft.term;
	lab_isolate(lab, 3, true);
	lab_run(lab, 5000);
	lab_isolate(lab, 3, false);
	lab_run(lab, 1000);
	assert_int_equal(lab->node[1].raft.role, RAFT_LEADER);
	assert_int_equal(lab->node[1].raft.term, term);
	assert_int_equal(lab->node[3].raft.leader, 1);
	free(lab);
}

static void full_run_table_stops_candidacies_and_proposals(void **state)
{
	struct lab *lab = lab_new();
	struct lab_node *node = &lab->node[1];
	struct raft_conf conf = lab_conf(1, 0);
	struct raft_config config = {.id = 1,
		.election_ms = 300,
		.heartbeat_ms = 60,
		.entries_max = 8,
		.window = 4,
		.random_seed = 1};

	(void)state;
	raft_init(&node->raft, &config, lab->now_ms);
	raft_restore(&node->raft, RAFT_RUNS_MAX + 1, 0, 1, 1, 1, &conf);
	for (uint64_t i = 0; i < RAFT_RUNS_MAX; i++)
		raft_restore_entry(&node->raft, &(struct raft_entry){i + 2, RAFT_DATA, NULL});
	raft_start(&node->raft, 1);
	node->durable = node->last = node->raft.last;
	lab_wait(lab, 5000);
	raft_tick(&node->raft, lab->now_ms);
	assert_int_equal(node->raft.role, RAFT_FOLLOWER);
	node->raft.commit = node->raft.last; /* as a leader would have told */
	raft_compact(&node->raft, node->raft.last - 2);
	lab->now_ms += 1000;
	raft_tick(&node->raft, lab->now_ms);
	assert_int_equal(node->raft.role, RAFT_LEADER);
	free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sole_voter_leads_without_waiting),
		cmocka_unit_test(pre_vote_moves_no_term),
		cmocka_unit_test(vote_is_saved_before_it_is_sent),
		cmocka_unit_test(voter_that_hears_a_leader_refuses_and_keeps_its_term),
		cmocka_unit_test(restarted_voter_waits_for_one_election_time),
		cmocka_unit_test(vote_needs_a_log_at_least_as_new),
		cmocka_unit_test(one_vote_per_term_even_across_a_restart),
		cmocka_unit_test(one_vote_per_term_for_a_transferee_too),
		cmocka_unit_test(candidate_does_not_vote_for_another_in_its_term),
		cmocka_unit_test(refused_candidate_learns_the_higher_term),
		cmocka_unit_test(longest_log_with_the_lowest_term_comes_to_lead),
		cmocka_unit_test(no_candidacy_while_writes_are_in_flight),
		cmocka_unit_test(node_outside_of_its_own_configuration_votes),
		cmocka_unit_test(learner_never_runs_and_its_vote_does_not_count),
		cmocka_unit_test(vote_counts_once),
		cmocka_unit_test(pre_votes_do_not_elect),
		cmocka_unit_test(leader_without_a_majority_steps_down),
		cmocka_unit_test(leader_with_a_majority_stays),
		cmocka_unit_test(return_of_an_isolated_node_disturbs_nobody),
		cmocka_unit_test(full_run_table_stops_candidacies_and_proposals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
