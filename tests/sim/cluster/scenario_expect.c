/* tests/sim/cluster/scenario_expect.c: what is to come of the lines of a scenario. */
#include "proto/wire/text.h"
#include "tests/sim/cluster/scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void scenario_expect(struct scenario *scenario, const struct scenario_line *line, unsigned client,
	struct scenario_operation *operation)
{
	if (line->expect.kind == SCENARIO_EXPECT_NOTHING)
		return;
	if (scenario->open_count == SCENARIO_OPEN_MAX)
		scenario_fail(scenario, line, "too much is expected at a time");
	scenario->open[scenario->open_count++] = (struct scenario_open){.line = line,
		.client = client,
		.operation = operation,
		.until_us = scenario->sim->now_us + line->expect.within_us};
}

static void close_open(struct scenario *scenario, unsigned at)
{
	scenario->open[at] = scenario->open[--scenario->open_count];
}

/* ---- answers */

static const char *type_name(enum dhcp4_type type)
{
	return type == DHCP4_OFFER ? "OFFER" : type == DHCP4_ACK ? "ACK" : "NAK";
}

/* How long the client may use the address as far as the cluster promised, ms. */
static int64_t promised_for_ms(struct scenario *scenario, const struct sim_node *node, uint32_t ip)
{
	const struct sim_node *leader = sim_node_leader(scenario->sim);
	struct lease lease;

	if (leader != NULL)
		node = leader;
	if (!model_lease_of_ip(replica_model(node->replica), ip, &lease))
		return 0;
	return (int64_t)(lease.promised_ms - replica_now_ms(node->replica));
}

static bool holds(struct scenario *scenario, const struct scenario_line *line,
	const struct scenario_condition *condition, const struct scenario_client *own,
	const struct sim_node *node)
{
	const struct model *model = replica_model(node->replica);
	const Pxe__Block *block = model_block_of(model, own->reply_ip);

	switch (condition->kind) {
	case SCENARIO_IS_IP: return own->reply_ip == scenario_ip(scenario, &condition->ip);
	case SCENARIO_IS_NOT_IP: return own->reply_ip != scenario_ip(scenario, &condition->ip);
	case SCENARIO_IN_RESERVE:
		return block != NULL &&
		       block->owner == scenario_node(scenario, line, &condition->node)->id;
	case SCENARIO_IN_NO_RESERVE: return block == NULL;
	case SCENARIO_FROM: return node == scenario_node(scenario, line, &condition->node);
	case SCENARIO_LEASE_IS: return own->lease_s == condition->lease_s;
	case SCENARIO_LEASE_AT_MOST: return own->lease_s <= condition->lease_s;
	case SCENARIO_LEASE_AT_LEAST: return own->lease_s >= condition->lease_s;
	case SCENARIO_WITHIN_PROMISE:
		return own->lease_s * INT64_C(1000) <=
		       promised_for_ms(scenario, node, own->reply_ip);
	}
	return false;
}

static _Noreturn void fail_reply(struct scenario *scenario, const struct scenario_open *open,
	enum dhcp4_type type, const struct sim_node *node)
{
	const struct scenario_client *own = &scenario->client[open->client];
	const Pxe__Block *block = model_block_of(replica_model(node->replica), own->reply_ip);
	char ip[TEXT_IP4_BYTES], where[40] = "";

	if (block != NULL)
		snprintf(where, sizeof where, ", in the reserve of member %" PRIu64, block->owner);
	scenario->sim->failed_client = (int)open->client;
	scenario_fail(scenario, open->line,
		"c%u: expected %s; came %s %s lease %u s from %s%s (promised for %" PRId64 " ms)",
		open->client + 1, open->line->expect.text, type_name(type),
		text_ip4_format(own->reply_ip, ip), own->lease_s, node->name, where,
		promised_for_ms(scenario, node, own->reply_ip));
}

void scenario_expect_reply(struct scenario *scenario, unsigned client, enum dhcp4_type type,
	const struct sim_node *node)
{
	for (unsigned i = 0; i < scenario->open_count; i++) {
		const struct scenario_open *open = &scenario->open[i];
		const struct scenario_expect *expect = &open->line->expect;

		if (open->client != client || (expect->kind != SCENARIO_EXPECT_REPLY &&
						      expect->kind != SCENARIO_EXPECT_SILENCE))
			continue;
		if (expect->kind == SCENARIO_EXPECT_SILENCE || expect->type != type)
			fail_reply(scenario, open, type, node);
		for (unsigned k = 0; k < expect->condition_count; k++)
			if (!holds(scenario, open->line, &expect->condition[k],
				    &scenario->client[client], node))
				fail_reply(scenario, open, type, node);
		close_open(scenario, i);
		return;
	}
}

/* ---- states */

static bool is_member(struct scenario *scenario, const struct sim_node *node)
{
	const struct sim_node *leader = sim_node_leader(scenario->sim);
	const Pxe__Member *member =
		leader == NULL ? NULL : model_member(replica_model(leader->replica), node->id);

	return member != NULL && !member->removing;
}

/* All that are members and up have applied the same, and nobody's journal holds anything. */
static bool is_equal(struct scenario *scenario, char *ret_why, size_t why_bytes)
{
	struct sim *sim = scenario->sim;
	struct sim_node *leader = sim_node_leader(sim);
	struct replica_view first, view;
	uint8_t digest[32], other[32];

	snprintf(ret_why, why_bytes, "there is no leader");
	if (leader == NULL)
		return false;
	replica_get_view(leader->replica, &first);
	model_digest(replica_model(leader->replica), digest);
	snprintf(ret_why, why_bytes, "the leader has applied %" PRIu64 " of %" PRIu64,
		first.applied, first.last);
	if (first.applied != first.last)
		return false;
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->node[i];
		struct dhcp4_isolation isolation = {.journal = 0};

		if (!node->up || !is_member(scenario, node))
			continue;
		replica_get_view(node->replica, &view);
		model_digest(replica_model(node->replica), other);
		if (node->service != NULL)
			dhcp4_service_get_isolation(node->service, &isolation);
		snprintf(ret_why, why_bytes,
			"%s has applied %" PRIu64 " of %" PRIu64 ", its journal has %u entries",
			node->name, view.applied, first.last, isolation.journal);
		if (view.applied != first.applied || isolation.journal > 0 ||
			memcmp(digest, other, sizeof digest) != 0)
			return false;
	}
	return true;
}

static bool knows(const struct sim *sim, const struct sim_node *node, unsigned client, uint32_t ip)
{
	const struct sim_client *of = &sim->client[client];
	struct lease lease;

	if (!model_lease_of_ip(replica_model(node->replica), ip, &lease) ||
		lease.client_len != SIM_CLIENT_IDENTITY_BYTES ||
		memcmp(lease.client + 1, of->mac, sizeof of->mac) != 0)
		return false;
	return lease_state_at(&lease, replica_now_ms(node->replica)) ==
	       PXE__LEASE_STATE__LEASE_BOUND;
}

static bool is_returned(struct scenario *scenario, const struct scenario_line *line, char *ret_why,
	size_t why_bytes)
{
	const struct sim_node *node = scenario_node(scenario, line, &line->expect.at);
	uint32_t ip = scenario_ip(scenario, &line->expect.ip);

	snprintf(ret_why, why_bytes, "it is in a reserve");
	return node->up && model_block_of(replica_model(node->replica), ip) == NULL;
}

static bool is_known(struct scenario *scenario, const struct scenario_line *line, bool wanted,
	char *ret_why, size_t why_bytes)
{
	const struct scenario_expect *expect = &line->expect;
	const struct sim *sim = scenario->sim;
	uint32_t ip = scenario->client[expect->client].ip;
	const struct sim_node *only =
		expect->anywhere ? NULL : scenario_node(scenario, line, &expect->at);

	for (unsigned i = 0; i < sim->node_count; i++) {
		const struct sim_node *node = &sim->node[i];

		if (!node->up || (only != NULL && only != node))
			continue;
		snprintf(ret_why, why_bytes, "%s %s it", node->name,
			wanted ? "does not know" : "knows");
		if (knows(sim, node, expect->client, ip) != wanted)
			return false;
	}
	return true;
}

static bool is_in_range(struct scenario *scenario, const struct scenario_line *line, char *ret_why,
	size_t why_bytes)
{
	const struct scenario_expect *expect = &line->expect;
	const struct sim_node *node = scenario_node(scenario, line, &expect->node);
	struct dhcp4_isolation isolation = {.journal = 0};

	snprintf(ret_why, why_bytes, "%s does not serve", node->name);
	if (!node->up || node->service == NULL)
		return false;
	dhcp4_service_get_isolation(node->service, &isolation);
	uint64_t value = expect->kind == SCENARIO_EXPECT_JOURNAL ? isolation.journal
								 : isolation.reserve_total;
	snprintf(ret_why, why_bytes, "%s has %" PRIu64, node->name, value);
	return value >= expect->low && value <= expect->high;
}

static bool view_is(struct scenario *scenario, const struct scenario_line *line, char *ret_why,
	size_t why_bytes)
{
	const struct sim_node *node = scenario_node(scenario, line, &line->expect.node);
	struct dhcp4_isolation isolation = {.isolated = false};
	struct replica_view view;

	snprintf(ret_why, why_bytes, "%s is down", node->name);
	if (!node->up)
		return false;
	replica_get_view(node->replica, &view);
	if (node->service != NULL)
		dhcp4_service_get_isolation(node->service, &isolation);
	snprintf(ret_why, why_bytes, "%s %s the quorum, is%s isolated, and leads%s", node->name,
		view.has_quorum ? "has" : "has not", isolation.isolated ? "" : " not",
		view.is_leader ? "" : " not");
	switch ((unsigned)line->expect.kind) {
	case SCENARIO_EXPECT_ISOLATED: return isolation.isolated;
	case SCENARIO_EXPECT_QUORUM: return view.has_quorum && view.fresh;
	default: return view.is_leader && view.has_quorum;
	}
}

static bool leader_is(
	struct scenario *scenario, enum scenario_expect_kind kind, char *ret_why, size_t why_bytes)
{
	const struct sim_node *leader = sim_node_leader(scenario->sim);
	struct replica_view view;

	snprintf(ret_why, why_bytes, "there is %s leader", leader == NULL ? "no" : "a");
	if (kind == SCENARIO_EXPECT_NO_LEADER)
		return leader == NULL;
	if (leader == NULL)
		return false;
	if (kind == SCENARIO_EXPECT_SETTLED) {
		snprintf(ret_why, why_bytes, "something waits since %" PRIu64,
			model_unsettled_ms(replica_model(leader->replica)));
		return model_unsettled_ms(replica_model(leader->replica)) == 0;
	}
	replica_get_view(leader->replica, &view);
	snprintf(ret_why, why_bytes, "%" PRIu64 " entries were added",
		view.last - scenario->log_mark);
	return view.last == scenario->log_mark;
}

static bool outcome_is(const struct scenario_open *open, char *ret_why, size_t why_bytes)
{
	const struct scenario_operation *operation = open->operation;
	bool wants_ok = open->line->expect.kind == SCENARIO_EXPECT_OK;

	if (!operation->done) {
		snprintf(ret_why, why_bytes, "it has no outcome yet");
		return false;
	}
	snprintf(ret_why, why_bytes, "verdict %d %s", (int)operation->result.verdict,
		operation->result.detail);
	return (operation->result.verdict == PXE__VERDICT__VERDICT_OK) == wants_ok;
}

static bool is_true(struct scenario *scenario, const struct scenario_open *open, char *ret_why,
	size_t why_bytes)
{
	const struct scenario_line *line = open->line;
	enum scenario_expect_kind kind = line->expect.kind;

	snprintf(ret_why, why_bytes, "nothing");
	switch (kind) {
	case SCENARIO_EXPECT_DIGEST: return is_equal(scenario, ret_why, why_bytes);
	case SCENARIO_EXPECT_OK:
	case SCENARIO_EXPECT_REFUSED: return outcome_is(open, ret_why, why_bytes);
	case SCENARIO_EXPECT_LEADER:
	case SCENARIO_EXPECT_ISOLATED:
	case SCENARIO_EXPECT_QUORUM: return view_is(scenario, line, ret_why, why_bytes);
	case SCENARIO_EXPECT_KNOWN:
	case SCENARIO_EXPECT_UNKNOWN:
		return is_known(scenario, line, kind == SCENARIO_EXPECT_KNOWN, ret_why, why_bytes);
	case SCENARIO_EXPECT_RETURNED: return is_returned(scenario, line, ret_why, why_bytes);
	case SCENARIO_EXPECT_MEMBER:
	case SCENARIO_EXPECT_NO_MEMBER: {
		const struct sim_node *leader = sim_node_leader(scenario->sim);
		const struct sim_node *node = scenario_node(scenario, line, &line->expect.node);
		bool is = leader != NULL &&
			  model_member(replica_model(leader->replica), node->id) != NULL;

		snprintf(ret_why, why_bytes, "%s %s", node->name, is ? "is one" : "is none");
		return leader != NULL && is == (kind == SCENARIO_EXPECT_MEMBER);
	}
	case SCENARIO_EXPECT_JOURNAL:
	case SCENARIO_EXPECT_RESERVE: return is_in_range(scenario, line, ret_why, why_bytes);
	case SCENARIO_EXPECT_NO_LEADER:
	case SCENARIO_EXPECT_SETTLED:
	case SCENARIO_EXPECT_LOG: return leader_is(scenario, kind, ret_why, why_bytes);
	case SCENARIO_EXPECT_REPLY:
	case SCENARIO_EXPECT_SILENCE:
	case SCENARIO_EXPECT_NOTHING: break;
	}
	return false;
}

void scenario_look(struct scenario *scenario)
{
	struct sim *sim = scenario->sim;
	char why[320];

	for (unsigned i = scenario->open_count; i-- > 0;) {
		const struct scenario_open *open = &scenario->open[i];
		const struct scenario_expect *expect = &open->line->expect;

		if (is_true(scenario, open, why, sizeof why) ||
			(expect->kind == SCENARIO_EXPECT_SILENCE &&
				sim->now_us >= open->until_us)) {
			close_open(scenario, i);
			continue;
		}
		if (sim->now_us < open->until_us)
			continue;
		if (expect->kind == SCENARIO_EXPECT_REPLY) {
			sim->failed_client = (int)open->client;
			scenario_fail(scenario, open->line,
				"c%u: expected %s; no answer came within %.1f s", open->client + 1,
				expect->text, (double)expect->within_us / SIM_S);
		}
		scenario_fail(scenario, open->line, "expected %s; %.3f s after that: %s",
			expect->text, (double)expect->within_us / SIM_S, why);
	}
}
