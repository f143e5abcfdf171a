/* tests/sim/raft/sim.c: one run: memory, chance, the trace, failures. */
#include "tests/sim/raft/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim *sim_new(void)
{
	return calloc(1, sizeof(struct sim));
}

void sim_free(struct sim *sim)
{
	free(sim);
}

/* Everything but the big arrays, of which only what is counted is ever read. */
void sim_reset(struct sim *sim, const struct sim_options *options)
{
	sim->options = *options;
	sim->counts = (struct sim_counts){0};
	sim->now_ms = 0;
	sim->entry_count = 1; /* 0 is no entry */
	sim->conf_count = 1;
	sim->drop_permille = 0;
	sim->lease_checked = true;
	sim->history_last = 0;
	sim->history_digest[0] = 0;
	memset(sim->term, 0, (sim->term_last + 1) * sizeof sim->term[0]);
	sim->term_last = 0;
	sim->failure = SIM_OK;
	sim_net_reset(sim);
	for (unsigned i = 0; i < SIM_NODES_MAX; i++) {
		struct sim_node *node = &sim->node[i];

		node->up = false;
		node->at = i;
		node->up_at_ms = 0;
		node->disk_ms = node->net_ms = 3;
		node->op_first = node->op_count = node->outbox_count = 0;
		node->disk.term = node->disk.vote = node->disk.base = node->disk.last = 0;
		node->disk.log[0] = 0;
		node->disk.state = (struct sim_state){0};
		node->clock_ms = 1000 + sim_random(sim, 1000000);
		node->drift_every_ms = sim_chance(sim, 500) ? 0 : 200 + sim_random(sim, 1000);
		node->drift_fast = sim_chance(sim, 500);
	}
}

enum sim_failure sim_run(struct sim *sim, enum sim_mode mode, uint64_t seed, bool verbose)
{
	sim->random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + mode;
	sim_mode_options(sim, mode, seed, verbose);
	if (setjmp(sim->on_failure) == 0)
		sim_mode_run(sim);
	return sim->failure;
}

const char *sim_failure_name(enum sim_failure failure)
{
	static const char *const name[SIM_FAILURES] = {"ok", "election safety", "log matching",
		"state machine safety", "leader completeness", "durability", "lease", "stuck",
		"not converged", "contract"};

	return failure < SIM_FAILURES ? name[failure] : "?";
}

const char *sim_mode_name(enum sim_mode mode)
{
	static const char *const name[SIM_MODES] = {"time", "young", "walk", "epochs"};

	return mode < SIM_MODES ? name[mode] : "?";
}

unsigned sim_random(struct sim *sim, unsigned bound)
{
	uint64_t z = sim->random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ z >> 31) % bound);
}

bool sim_chance(struct sim *sim, unsigned permille)
{
	return sim_random(sim, 1000) < permille;
}

void sim_trace(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (!sim->options.verbose)
		return;
	printf("%8llu ", (unsigned long long)sim->now_ms);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void sim_fail(struct sim *sim, enum sim_failure failure, const char *format, ...)
{
	va_list args;
	int used = snprintf(
		sim->message, sizeof sim->message, "at %llu ms: ", (unsigned long long)sim->now_ms);

	va_start(args, format);
	vsnprintf(sim->message + used, sizeof sim->message - (size_t)used, format, args);
	va_end(args);
	sim->failure = failure;
	longjmp(sim->on_failure, 1);
}

uint32_t sim_new_entry(struct sim *sim, const struct sim_entry *entry)
{
	if (sim->entry_count == SIM_ENTRIES_MAX)
		sim_fail(sim, SIM_CONTRACT, "the simulator's table of entries is full");
	sim->entry[sim->entry_count] = *entry;
	return sim->entry_count++;
}

unsigned sim_new_conf(struct sim *sim, const struct raft_conf *conf)
{
	if (sim->conf_count == SIM_CONFS_MAX)
		sim_fail(sim, SIM_CONTRACT, "the simulator's table of configurations is full");
	sim->conf[sim->conf_count] = *conf;
	return sim->conf_count++;
}

uint64_t sim_mix(uint64_t digest, uint64_t value)
{
	digest ^= value + UINT64_C(0x9e3779b97f4a7c15) + (digest << 6) + (digest >> 2);
	return digest * UINT64_C(0xff51afd7ed558ccd);
}
