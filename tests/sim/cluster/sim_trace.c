/* tests/sim/cluster/sim_trace.c: what happened: a hash of all of it, and the newest events to be
 * read. */
#include "proto/wire/text.h"
#include "tests/sim/cluster/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_name[] = {[SIM_TRACE_START] = "start",
	[SIM_TRACE_CRASH] = "crash",
	[SIM_TRACE_PAUSE] = "pause",
	[SIM_TRACE_CLOCK] = "clock",
	[SIM_TRACE_CUT] = "cut",
	[SIM_TRACE_HEAL] = "heal",
	[SIM_TRACE_DISK] = "disk",
	[SIM_TRACE_LEADER] = "leader",
	[SIM_TRACE_ALARM] = "ALARM",
	[SIM_TRACE_OPERATION] = "operator",
	[SIM_TRACE_OUTCOME] = "outcome",
	[SIM_TRACE_ASK] = "ask",
	[SIM_TRACE_OFFER] = "OFFER",
	[SIM_TRACE_ACK] = "ACK",
	[SIM_TRACE_NAK] = "NAK",
	[SIM_TRACE_BOUND] = "holds",
	[SIM_TRACE_CLIENT] = "client",
	[SIM_TRACE_PHASE] = "phase"};

void sim_trace_mix(struct sim *sim, uint64_t value)
{
	uint64_t hash = (sim->trace_hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);

	sim->trace_hash = hash ^ hash >> 29;
}

void sim_trace_reset(struct sim *sim)
{
	sim->trace_hash = sim->options.seed;
	sim->trace_count = 0;
	sim->failed_ip = 0;
	sim->failed_client = -1;
}

static void print(const struct sim_trace *line)
{
	char ip[TEXT_IP4_BYTES] = "", who[40] = "";
	size_t at = 0;

	if (line->ip != 0)
		text_ip4_format(line->ip, ip);
	if (line->node >= 0)
		at = (size_t)snprintf(who, sizeof who, "n%d ", line->node + 1);
	if (line->client >= 0)
		snprintf(who + at, sizeof who - at, "c%d", line->client);
	printf("  %10.4f %-8s %-8s %-12s %" PRIu64 " %s\n", (double)line->at_us / SIM_S,
		kind_name[line->kind], who, ip, line->a, line->text);
}

void sim_trace(struct sim *sim, enum sim_trace_kind kind, int node, int client, uint32_t ip,
	uint64_t a, const char *text)
{
	struct sim_trace *line = &sim->trace[sim->trace_count++ % SIM_TRACE_RING];

	sim_trace_mix(sim, sim->now_us ^ (uint64_t)kind << 58 ^ (uint64_t)(uint32_t)node << 44);
	sim_trace_mix(sim, (uint64_t)ip << 32 ^ a ^ (uint64_t)(uint32_t)client << 50);
	line->at_us = sim->now_us;
	line->kind = kind;
	line->node = node;
	line->client = client;
	line->ip = ip;
	line->a = a;
	size_t bytes = strlen(text);
	bytes = bytes < sizeof line->text ? bytes : sizeof line->text - 1;
	memcpy(line->text, text, bytes);
	line->text[bytes] = '\0';
	if (sim->options.verbose)
		print(line);
}

/* What happened to nodes, and what concerns the address and the clients of the failure. */
static bool is_relevant(const struct sim *sim, const struct sim_trace *line)
{
	if (line->kind == SIM_TRACE_PHASE)
		return true;
	if (sim->failed_ip == 0 && sim->failed_client < 0)
		return true;
	if (line->client < 0)
		return line->ip == 0 || line->ip == sim->failed_ip;
	return line->client == sim->failed_client ||
	       (sim->failed_ip != 0 && line->ip == sim->failed_ip);
}

void sim_trace_print(const struct sim *sim)
{
	uint64_t first = sim->trace_count, oldest;
	unsigned found = 0;

	if (sim->options.verbose)
		return;
	oldest = sim->trace_count > SIM_TRACE_RING ? sim->trace_count - SIM_TRACE_RING : 0;
	while (first > oldest && found < SIM_TRACE_KEPT)
		found += is_relevant(sim, &sim->trace[--first % SIM_TRACE_RING]);
	for (; first < sim->trace_count; first++) {
		const struct sim_trace *line = &sim->trace[first % SIM_TRACE_RING];

		if (is_relevant(sim, line))
			print(line);
	}
}
