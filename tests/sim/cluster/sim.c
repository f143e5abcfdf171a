/* tests/sim/cluster/sim.c: one run: memory, chance, the queue of events, failures. */
#include "tests/sim/cluster/sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_MS UINT64_C(1700000000000)
#define LOOK_US  (10 * SIM_MS)

struct sim *sim_new(void)
{
	struct sim *sim = calloc(1, sizeof *sim);

	if (sim == NULL)
		abort();
	sim->address = calloc(SIM_SUBNETS_MAX * SIM_SUBNET_IPS, sizeof *sim->address);
	sim->trace = calloc(SIM_TRACE_RING, sizeof *sim->trace);
	if (sim->address == NULL || sim->trace == NULL)
		abort();
	return sim;
}

static void drop_events(struct sim *sim)
{
	for (size_t i = 0; i < sim->event_count; i++)
		free(sim->event[i].data);
	sim->event_count = 0;
}

static void forget(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		sim_node_forget(&sim->node[i]);
	sim->node_count = 0;
	drop_events(sim);
	sim_operator_reset(sim);
	sim_boot_reset(sim);
}

void sim_free(struct sim *sim)
{
	forget(sim);
	free(sim->boots);
	free(sim->operation); /* the empty ones that forget() left */
	free(sim->event);
	free(sim->address);
	free(sim->trace);
	free(sim->arena);
	free(sim);
}

/* ---- chance: xoshiro256**, seeded by splitmix64 */

static uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

uint64_t sim_random64(struct sim *sim)
{
	uint64_t *s = sim->random_state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

unsigned sim_random(struct sim *sim, unsigned bound)
{
	return bound == 0 ? 0 : (unsigned)((sim_random64(sim) >> 32) * bound >> 32);
}

unsigned sim_between(struct sim *sim, unsigned low, unsigned high)
{
	assert(low <= high);
	return low + sim_random(sim, high - low + 1);
}

bool sim_chance(struct sim *sim, unsigned permille)
{
	return permille > 0 && sim_random(sim, 1000) < permille;
}

static void seed_random(struct sim *sim, uint64_t seed)
{
	uint64_t state = seed * UINT64_C(0xd1342543de82ef95) + 1;

	for (unsigned i = 0; i < 4; i++) {
		uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		sim->random_state[i] = z ^ z >> 31;
	}
}

/* ---- events: a binary heap by time, then by number */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

void sim_post(struct sim *sim, uint64_t after_us, const struct sim_event *event)
{
	if (sim->event_count == sim->event_capacity) {
		sim->event_capacity = sim->event_capacity == 0 ? 1024 : sim->event_capacity * 2;
		sim->event = realloc(sim->event, sim->event_capacity * sizeof *sim->event);
		if (sim->event == NULL)
			abort();
	}
	struct sim_event added = *event;
	added.at_us = sim->now_us + after_us;
	added.number = sim->event_number++;
	size_t at = sim->event_count++;
	while (at > 0 && is_before(&added, &sim->event[(at - 1) / 2])) {
		sim->event[at] = sim->event[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	sim->event[at] = added;
}

static struct sim_event take(struct sim *sim)
{
	struct sim_event first = sim->event[0], moved = sim->event[--sim->event_count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < sim->event_count) {
		if (child + 1 < sim->event_count &&
			is_before(&sim->event[child + 1], &sim->event[child]))
			child++;
		if (!is_before(&sim->event[child], &moved))
			break;
		sim->event[at] = sim->event[child];
		at = child;
	}
	sim->event[at] = moved;
	return first;
}

static void dispatch(struct sim *sim, struct sim_event *event)
{
	struct sim_node *node = &sim->node[event->node];
	struct sim_client *client = &sim->client[event->client];

	sim->counts.events++;
	sim_trace_mix(sim, event->at_us ^ (uint64_t)event->kind << 56 ^
				   (uint64_t)event->node << 48 ^ (uint64_t)event->client << 32);
	switch (event->kind) {
	case SIM_EVENT_TICK:
	case SIM_EVENT_SERVICE:
	case SIM_EVENT_TURN:
	case SIM_EVENT_DISK:
	case SIM_EVENT_LINGER:
	case SIM_EVENT_MESSAGE:
	case SIM_EVENT_PACKET:
	case SIM_EVENT_START: sim_node_on_event(node, event); break;
	case SIM_EVENT_REPLY: sim_client_on_reply(sim, client, node, event->data); break;
	case SIM_EVENT_CLIENT: sim_client_on_timer(sim, client, event->life); break;
	case SIM_EVENT_CROWD: sim_client_on(sim, client, 0); break;
	case SIM_EVENT_CHAOS: sim_fault_draw(sim); break;
	case SIM_EVENT_CHECK: sim_check_now(sim); break;
	case SIM_EVENT_OPERATION: sim_operator_on_event(sim, event); break;
	case SIM_EVENT_RECUT: sim_fault_recut(sim); break;
	}
}

static void wait_in_socket(struct sim *sim, struct sim_event *packet)
{
	struct sim_bytes *bytes = packet->data;

	if (!bytes->queued)
		packet->life = sim->node[packet->node].life;
	bytes->queued = true;
}

static void step(struct sim *sim)
{
	struct sim_event event = take(sim);

	sim->now_us = event.at_us;
	/* Nothing reaches a process that is stopped; it waits there. */
	if (event.kind <= SIM_EVENT_PACKET && event.kind != SIM_EVENT_DISK &&
		sim->node[event.node].paused_until_us > sim->now_us) {
		if (event.kind == SIM_EVENT_PACKET)
			wait_in_socket(sim, &event);
		sim_post(sim, sim->node[event.node].paused_until_us - sim->now_us, &event);
		return;
	}
	sim->in_hand = event.data;
	dispatch(sim, &event);
	sim->in_hand = NULL;
	free(event.data);
}

void sim_run_until(struct sim *sim, uint64_t until_us)
{
	while (sim->event_count > 0 && sim->event[0].at_us <= until_us)
		step(sim);
	if (sim->now_us < until_us)
		sim->now_us = until_us;
}

bool sim_run_while(
	struct sim *sim, uint64_t until_us, bool (*goes_on)(struct sim *sim, void *ctx), void *ctx)
{
	while (goes_on(sim, ctx)) {
		if (sim->now_us >= until_us)
			return false;
		sim_run_until(sim, sim->now_us + LOOK_US);
	}
	return true;
}

/* ---- a run */

void sim_reset(struct sim *sim, const struct sim_options *options)
{
	forget(sim);
	sim->options = *options;
	sim->counts = (struct sim_counts){0};
	sim->chaos = (struct sim_chaos){.peer_delay_ms = 1, .segment_delay_ms = 1};
	seed_random(sim, options->seed);
	sim->now_us = 0;
	sim->event_number = 0;
	sim->epoch_ms = EPOCH_MS + sim_random(sim, 1000000);
	sim->chaotic = false;
	sim->calm_links = true;
	memset(sim->cut, 0, sizeof sim->cut);
	memset(sim->up_cut, 0, sizeof sim->up_cut);
	memset(sim->down_cut, 0, sizeof sim->down_cut);
	sim->client_count = 0;
	sim->host_serial = sim->pool_serial = sim->token_serial = 0;
	sim->operation_number = sim->joins_due = 0;
	sim->healed_us = 0;
	sim->pools_changed = sim->recovered = false;
	sim->lease_max_s = options->lease_s;
	sim->failure = SIM_OK;
	sim->message[0] = '\0';
	sim_trace_reset(sim);
	sim_check_reset(sim);
}

enum sim_failure sim_run(struct sim *sim, unsigned mode, uint64_t seed, bool verbose)
{
	struct sim_options options;

	seed_random(sim, seed * 64 + mode);
	sim_mode_options(sim, mode, seed, &options);
	options.verbose = verbose;
	sim_reset(sim, &options);
	sim_mode_chaos(sim, mode);
	sim->can_fail = true;
	if (setjmp(sim->on_failure) == 0)
		sim_mode_run(sim);
	else
		sim_node_abandon(sim);
	sim->can_fail = false;
	return sim->failure;
}

void sim_fail(struct sim *sim, enum sim_failure failure, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sim->message, sizeof sim->message, format, args);
	va_end(args);
	sim->failure = failure;
	free(sim->in_hand);
	sim->in_hand = NULL;
	if (sim->can_fail)
		longjmp(sim->on_failure, 1);
	sim_trace_print(sim);
	fprintf(stderr, "FAIL %s: %s\n", sim_failure_name(failure), sim->message);
	exit(1);
}

const char *sim_failure_name(enum sim_failure failure)
{
	static const char *const name[SIM_FAILURES] = {"ok", "duplicate address [P1]",
		"lost lease [P2]", "promise shortened", "bad NAK [P4]", "states differ",
		"merge conflict [R6]", "no answer [P3]", "stuck", "applied twice", "alarm",
		"contract", "unexpected"};

	return failure < SIM_FAILURES ? name[failure] : "?";
}
