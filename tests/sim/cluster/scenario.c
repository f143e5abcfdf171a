/* tests/sim/cluster/scenario.c: runs a scenario: a cluster, then line after line in its time. */
#include "tests/sim/cluster/scenario.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US  (2 * SIM_MS)
#define REST_US  (6 * (uint64_t)SIM_S) /* the new cluster gives its reserves */
#define AFTER_US (2 * (uint64_t)SIM_S) /* the checks look once more */

void scenario_fail(
	struct scenario *scenario, const struct scenario_line *line, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	sim_fail(scenario->sim, SIM_UNEXPECTED, "%s:%u: %s", scenario->path, line->number, text);
}

/* ---- names */

static bool is_called(const struct scenario *scenario, unsigned node)
{
	for (unsigned i = 0; i < scenario->alias_count; i++)
		if (scenario->alias_node[i] == (int)node)
			return true;
	return false;
}

/* The first that serves and runs, but for the leader, and for those that have a name. */
static struct sim_node *first_node(struct scenario *scenario, bool unnamed)
{
	struct sim *sim = scenario->sim;
	const struct sim_node *leader = sim_node_leader(sim);

	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->node[i];

		if (sim_node_runs(node) && !node->witness &&
			(unnamed ? !is_called(scenario, i) : node != leader))
			return node;
	}
	return NULL;
}

struct sim_node *scenario_node(struct scenario *scenario, const struct scenario_line *line,
	const struct scenario_node *node)
{
	struct sim *sim = scenario->sim;
	struct sim_node *found = NULL;
	int at = -1;

	switch (node->kind) {
	case SCENARIO_NODE_NUMBER: at = (int)node->at; break;
	case SCENARIO_NODE_ALIAS: at = scenario->alias_node[node->at]; break;
	case SCENARIO_NODE_ANSWERED: at = scenario->client[node->at].node; break;
	case SCENARIO_NODE_LEADER: found = sim_node_leader(sim); break;
	case SCENARIO_NODE_FOLLOWER: found = first_node(scenario, false); break;
	case SCENARIO_NODE_OTHER: found = first_node(scenario, true); break;
	}
	if (at >= 0 && at < (int)sim->node_count)
		found = &sim->node[at];
	if (found == NULL)
		scenario_fail(scenario, line, "the node that is named here does not exist now");
	return found;
}

uint32_t scenario_ip(const struct scenario *scenario, const struct scenario_ip *ip)
{
	return ip->of_client ? scenario->client[ip->client].ip : ip->ip;
}

/* ---- time */

static void run_to(struct scenario *scenario, uint64_t until_us)
{
	struct sim *sim = scenario->sim;

	while (sim->now_us < until_us) {
		uint64_t next_us = sim->now_us + LOOK_US;

		sim_run_until(sim, next_us < until_us ? next_us : until_us);
		scenario_retry(scenario);
		scenario_look(scenario);
	}
}

/* Ends: each expectation comes true or fails. */
static void run_until_met(struct scenario *scenario)
{
	scenario_look(scenario);
	while (scenario->open_count > 0)
		run_to(scenario, scenario->sim->now_us + LOOK_US);
}

static void do_line(struct scenario *scenario, const struct scenario_line *line)
{
	struct sim *sim = scenario->sim;
	uint64_t at_us = scenario->origin_us + line->time_us;
	char text[40];

	if (line->after) {
		run_until_met(scenario);
		at_us = sim->now_us + line->time_us;
	} else if (sim->now_us > at_us + LOOK_US) {
		scenario_fail(scenario, line, "the lines before it took until %.3f s",
			(double)(sim->now_us - scenario->origin_us) / SIM_S);
	}
	run_to(scenario, at_us);
	snprintf(text, sizeof text, "line %u", line->number);
	sim_trace(sim, SIM_TRACE_PHASE, -1, -1, 0, line->number, text);
	scenario_do(scenario, line);
	scenario_look(scenario);
}

static void begin(struct scenario *scenario)
{
	struct sim *sim = scenario->sim;

	sim_setup(sim);
	for (unsigned i = 0; i < sim->client_count; i++) {
		sim->client[i].scripted = true;
		sim->client[i].relayed = sim->client[i].strays = false;
		sim->client[i].state = SIM_CLIENT_WAIT;
		scenario->client[i].node = -1;
	}
	for (unsigned i = 0; i < SCENARIO_ALIASES; i++)
		scenario->alias_node[i] = -1;
	sim_post(sim, 1, &(struct sim_event){.kind = SIM_EVENT_CHECK});
	sim_run_until(sim, sim->now_us + REST_US);
	scenario->origin_us = sim->now_us;
}

static void run(struct scenario *scenario)
{
	struct sim *sim = scenario->sim;

	begin(scenario);
	for (unsigned i = 0; i < scenario->line_count; i++)
		do_line(scenario, &scenario->line[i]);
	run_until_met(scenario);
	run_to(scenario, sim->now_us + AFTER_US);
}

enum sim_failure scenario_run(struct sim *sim, const char *path, uint64_t seed, bool verbose)
{
	struct scenario *scenario = malloc(sizeof *scenario);
	const struct sim_options nothing = {.seed = 1};
	enum sim_failure failure;

	if (scenario == NULL)
		abort();
	if (!scenario_read(scenario, path)) {
		snprintf(sim->message, sizeof sim->message, "%s", scenario->error);
		free(scenario);
		return SIM_UNEXPECTED;
	}
	scenario->options.verbose = verbose;
	if (seed != 0)
		scenario->options.seed = seed;
	sim_reset(sim, &scenario->options);
	scenario->sim = sim;
	sim->scenario = scenario;
	sim->can_fail = true;
	if (setjmp(sim->on_failure) == 0)
		run(scenario);
	else
		sim_node_abandon(sim);
	sim->can_fail = false;
	failure = sim->failure;
	if (failure == SIM_OK) {
		/* Proposals may still wait, and what they refer to goes with the scenario. */
		sim_reset(sim, &nothing);
		free(scenario);
		sim->scenario = NULL;
	}
	return failure;
}
