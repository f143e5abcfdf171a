/* tests/sim/raft/main.c: runs seeds of the simulation and says which fail. */
#include "tests/sim/raft/sim.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t running_mode;
static volatile unsigned long long running_seed;

/* An assertion of the core: say which seed it was. */
static void on_abort(int signal_number)
{
	char line[128];
	int length = snprintf(line, sizeof line, "FAIL mode %s seed %llu: signal %d\n",
		sim_mode_name((enum sim_mode)running_mode), running_seed, signal_number);

	if (length > 0 && write(STDOUT_FILENO, line, (size_t)length) < 0)
		_exit(3);
	_exit(2);
}

static void usage(void)
{
	fputs("usage: raft_sim [--mode time|young|walk|epochs|all] [--seeds A-B] [--verbose] "
	      "[--keep-going]\n"
	      "       raft_sim --failover ROUNDS (at most 1000)\n",
		stderr);
	exit(64);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void add(struct sim_counts *sum, const struct sim_counts *counts)
{
	sum->proposed += counts->proposed;
	sum->acknowledged += counts->acknowledged;
	sum->unknown += counts->unknown;
	sum->crashes += counts->crashes;
	sum->elections += counts->elections;
	sum->snapshots += counts->snapshots;
	sum->lease_ms += counts->lease_ms;
	sum->leader_ms += counts->leader_ms;
}

struct range {
	uint64_t from, to;
	bool verbose, keep_going;
};

/* The number of seeds that failed. */
static uint64_t run_mode(struct sim *sim, enum sim_mode mode, const struct range *range)
{
	struct sim_counts sum = {0};
	uint64_t failed = 0, done = 0;
	double start = seconds();

	running_mode = (sig_atomic_t)mode;
	for (uint64_t seed = range->from; seed <= range->to; seed++) {
		enum sim_failure failure;

		running_seed = seed;
		failure = sim_run(sim, mode, seed, range->verbose);
		add(&sum, &sim->counts);
		done++;
		if (failure == SIM_OK)
			continue;
		failed++;
		printf("FAIL mode %s seed %llu: %s: %s\n", sim_mode_name(mode),
			(unsigned long long)seed, sim_failure_name(failure), sim->message);
		fflush(stdout);
		if (!range->keep_going)
			break;
	}
	printf("mode %-6s seeds %llu failed %llu in %.1f s: %llu elections %llu crashes %llu "
	       "proposed "
	       "%llu acknowledged %llu unknown %llu snapshots, lease held %llu %% of leader time\n",
		sim_mode_name(mode), (unsigned long long)done, (unsigned long long)failed,
		seconds() - start, (unsigned long long)sum.elections,
		(unsigned long long)sum.crashes, (unsigned long long)sum.proposed,
		(unsigned long long)sum.acknowledged, (unsigned long long)sum.unknown,
		(unsigned long long)sum.snapshots,
		(unsigned long long)(sum.leader_ms > 0 ? sum.lease_ms * 100 / sum.leader_ms : 0));
	fflush(stdout);
	return failed;
}

static int failover(struct sim *sim, unsigned rounds)
{
	unsigned *ms = calloc(rounds, sizeof *ms);
	unsigned long long sum = 0;

	if (ms == NULL || rounds == 0 || rounds > 1000) {
		free(ms);
		return 1;
	}
	sim_mode_failover(sim, rounds, ms);
	if (sim->failure != SIM_OK) {
		printf("FAIL failover: %s: %s\n", sim_failure_name(sim->failure), sim->message);
		free(ms);
		return 1;
	}
	for (unsigned i = 0; i < rounds; i++)
		sum += ms[i];
	printf("leader killed %u times (E %d, heartbeat %d, tick %d): next acknowledgement after "
	       "mean %llu "
	       "p50 %u p90 %u p99 %u max %u ms\n",
		rounds, SIM_ELECTION_MS, SIM_HEARTBEAT_MS, SIM_TICK_MS, sum / rounds,
		ms[rounds / 2], ms[rounds * 9 / 10], ms[rounds * 99 / 100], ms[rounds - 1]);
	free(ms);
	return 0;
}

static int find_mode(const char *name)
{
	for (int i = 0; i < SIM_MODES; i++) {
		if (strcmp(name, sim_mode_name((enum sim_mode)i)) == 0)
			return i;
	}
	if (strcmp(name, "all") != 0)
		usage();
	return SIM_MODES;
}

static void parse_seeds(const char *text, struct range *range)
{
	char *end;

	range->from = range->to = strtoull(text, &end, 10);
	if (*end == '-')
		range->to = strtoull(end + 1, &end, 10);
	if (*end != '\0' || end == text || range->to < range->from)
		usage();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"mode", required_argument, NULL, 'm'},
		{"seeds", required_argument, NULL, 's'}, {"verbose", no_argument, NULL, 'v'},
		{"keep-going", no_argument, NULL, 'k'}, {"failover", required_argument, NULL, 'f'},
		{NULL, 0, NULL, 0}};
	struct range range = {.from = 1, .to = 100};
	unsigned rounds = 0;
	int mode = SIM_MODES, option;
	uint64_t failed = 0;
	struct sim *sim;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'm': mode = find_mode(optarg); break;
		case 's': parse_seeds(optarg, &range); break;
		case 'v': range.verbose = true; break;
		case 'k': range.keep_going = true; break;
		case 'f': rounds = (unsigned)strtoul(optarg, NULL, 10); break;
		default: usage();
		}
	}
	sim = sim_new();
	if (sim == NULL)
		return 70;
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);
	if (rounds > 0)
		failed = (uint64_t)failover(sim, rounds);
	for (int i = 0; i < SIM_MODES && rounds == 0; i++) {
		if (mode == SIM_MODES || mode == i)
			failed += run_mode(sim, (enum sim_mode)i, &range);
	}
	sim_free(sim);
	return failed > 0;
}
