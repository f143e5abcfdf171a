/* tests/sim/cluster/main.c: runs seeds of the simulation and says which fail. */
#include "tests/sim/cluster/sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct arguments {
	uint64_t from, to;
	unsigned mode; /* sim_mode_count(): all, in turn */
	bool verbose, keep_going, hashes;
	double seconds;              /* 0: no limit */
	const char *list;            /* file of modes and seeds to run first; NULL: none */
	const char *const *scenario; /* files; NULL: seeds of modes */
	int scenario_count;
	bool seeded; /* seeds were given */
};

/* For the line that a failed assertion leaves. */
static struct sim *running;
static volatile unsigned long long running_seed;

static void on_abort(int signal_number)
{
	signal(signal_number, SIG_DFL);
	printf("FAIL mode %s seed %llu: assertion or signal %d\n",
		sim_mode_name(running->options.mode), running_seed, signal_number);
	sim_trace_print(running);
	fflush(stdout);
	_exit(2);
}

static void usage(void)
{
	fputs("usage: cluster_sim [--mode NAME] [--seeds A-B | --seed N] [--seconds S] [--trace] "
	      "[--keep-going] [--hashes] [--list FILE]\n"
	      "       cluster_sim --scenario [--seeds A-B] [--trace] [--keep-going] FILE...\n"
	      "modes: ",
		stderr);
	for (unsigned i = 0; i < sim_mode_count(); i++)
		fprintf(stderr, "%s ", sim_mode_name(i));
	fputs("\nWithout a mode, seed N runs in mode N modulo their number.\n", stderr);
	exit(64);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_now(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void parse(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {{"mode", required_argument, NULL, 'm'},
		{"seeds", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 's'},
		{"seconds", required_argument, NULL, 't'}, {"trace", no_argument, NULL, 'v'},
		{"keep-going", no_argument, NULL, 'k'}, {"hashes", no_argument, NULL, 'h'},
		{"scenario", no_argument, NULL, 'f'}, {"list", required_argument, NULL, 'l'},
		{NULL, 0, NULL, 0}};
	bool scenarios = false;
	int option;

	*ret = (struct arguments){.from = 1, .to = 100, .mode = sim_mode_count()};
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'm':
			ret->mode = sim_mode_named(optarg);
			if (ret->mode == sim_mode_count() && strcmp(optarg, "all") != 0)
				usage();
			break;
		case 's': {
			char *end;
			ret->seeded = true;
			ret->from = ret->to = strtoull(optarg, &end, 10);
			if (*end == '-')
				ret->to = strtoull(end + 1, &end, 10);
			if (*end != '\0' || ret->to < ret->from)
				usage();
			break;
		}
		case 't': ret->seconds = strtod(optarg, NULL); break;
		case 'v': ret->verbose = true; break;
		case 'k': ret->keep_going = true; break;
		case 'h': ret->hashes = true; break;
		case 'f': scenarios = true; break;
		case 'l': ret->list = optarg; break;
		default: usage();
		}
	}
	if (scenarios != (optind < argc))
		usage();
	if (scenarios) {
		ret->scenario = (const char *const *)argv + optind;
		ret->scenario_count = argc - optind;
	}
}

struct sums {
	uint64_t runs, failed;
	struct sim_counts counts;
};

static void add(struct sums *sums, const struct sim_counts *counts)
{
	uint64_t *sum = (uint64_t *)&sums->counts;
	const uint64_t *one = (const uint64_t *)counts;
	uint64_t wait = sums->counts.wait_us_max, heal = sums->counts.heal_us_max;

	for (size_t i = 0; i < sizeof *counts / sizeof *one; i++)
		sum[i] += one[i];
	sums->counts.wait_us_max = counts->wait_us_max > wait ? counts->wait_us_max : wait;
	sums->counts.heal_us_max = counts->heal_us_max > heal ? counts->heal_us_max : heal;
	sums->runs++;
}

static void print_sums(const struct sums *sums, double wall, double cpu)
{
	const struct sim_counts *c = &sums->counts;
	uint64_t runs = sums->runs > 0 ? sums->runs : 1, waits = c->waits > 0 ? c->waits : 1;

	printf("seeds %" PRIu64 " failed %" PRIu64 " in %.1f s, %.1f ms CPU a seed; %" PRIu64
	       " events, %" PRIu64 " messages, %" PRIu64 " packets, %" PRIu64 " ACKs (%" PRIu64
	       " isolated), %" PRIu64 " NAKs, %" PRIu64 " crashes, %" PRIu64 " partitions, %" PRIu64
	       " operations, %" PRIu64
	       " one-shot boots; a client waits %.2f s (at most %.1f), a cluster heals in %.1f s "
	       "(at most %.1f)\n",
		sums->runs, sums->failed, wall, cpu * 1000 / (double)runs, c->events, c->messages,
		c->packets, c->acks, c->isolated_acks, c->naks, c->crashes, c->partitions,
		c->operations, c->boots, (double)c->wait_us_sum / (double)waits / SIM_S,
		(double)c->wait_us_max / SIM_S, (double)c->heal_us_sum / (double)runs / SIM_S,
		(double)c->heal_us_max / SIM_S);
}

static bool run_seed(
	struct sim *sim, const struct arguments *arguments, uint64_t seed, struct sums *sums)
{
	bool all = arguments->mode == sim_mode_count();
	unsigned mode = all ? (unsigned)(seed % sim_mode_count()) : arguments->mode;

	running_seed = seed;
	enum sim_failure failure = sim_run(sim, mode, seed, arguments->verbose);
	add(sums, &sim->counts);
	if (arguments->hashes)
		printf("mode %s seed %" PRIu64 " hash %016" PRIx64 "\n", sim_mode_name(mode), seed,
			sim->trace_hash);
	if (failure == SIM_OK)
		return true;
	sums->failed++;
	printf("FAIL mode %s seed %" PRIu64 ": %s: %s\n", sim_mode_name(mode), seed,
		sim_failure_name(failure), sim->message);
	sim_trace_print(sim);
	fflush(stdout);
	return false;
}

/* Each line of the file: mode, seed, a remark. false: one failed, and that is to be the end. */
static bool run_list(struct sim *sim, const struct arguments *arguments, struct sums *sums)
{
	FILE *file = fopen(arguments->list, "r");
	char line[400], name[32];
	uint64_t seed;
	bool goes_on = true;

	if (file == NULL) {
		perror(arguments->list);
		exit(66);
	}
	while (goes_on && fgets(line, sizeof line, file) != NULL) {
		struct arguments one = *arguments;

		if (line[0] == '#')
			continue;
		if (sscanf(line, "%31s %" SCNu64, name, &seed) != 2 ||
			sim_mode_named(name) == sim_mode_count()) {
			fprintf(stderr, "%s: no mode and seed: %s", arguments->list, line);
			exit(65);
		}
		one.mode = sim_mode_named(name);
		goes_on = run_seed(sim, &one, seed, sums) || arguments->keep_going;
	}
	fclose(file);
	return goes_on;
}

/* Begins with a simulator of its own: what a failed one left behind is not looked at. */
static bool run_scenario(const struct arguments *arguments, const char *path, uint64_t seed)
{
	struct sim *sim = sim_new();
	char which[40] = "";

	running = sim;
	if (seed != 0)
		snprintf(which, sizeof which, " seed %" PRIu64, seed);
	enum sim_failure failure = scenario_run(sim, path, seed, arguments->verbose);
	if (failure == SIM_OK) {
		printf("ok   %s%s\n", path, which);
		sim_free(sim);
	} else {
		printf("FAIL scenario %s%s: %s: %s\n", path, which, sim_failure_name(failure),
			sim->message);
		sim_trace_print(sim);
	}
	fflush(stdout);
	return failure == SIM_OK;
}

/* With the seeds that were given, or their own. */
static bool run_scenarios(const struct arguments *arguments)
{
	bool good = true;

	for (int i = 0; i < arguments->scenario_count; i++) {
		uint64_t seed = arguments->seeded ? arguments->from : 0;

		do {
			good = run_scenario(arguments, arguments->scenario[i], seed) && good;
			if (!good && !arguments->keep_going)
				return false;
		} while (arguments->seeded && seed++ < arguments->to);
	}
	return good;
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct sums sums = {.runs = 0};
	struct sim *sim = sim_new();
	double begin = seconds_now();

	parse(argc, argv, &arguments);
	if (sodium_init() < 0)
		return 3;
	running = sim;
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);
	signal(SIGFPE, on_abort);
	if (arguments.scenario != NULL) {
		sim_free(sim);
		return run_scenarios(&arguments) ? 0 : 1;
	}
	bool goes_on = arguments.list == NULL || run_list(sim, &arguments, &sums);
	for (uint64_t seed = arguments.from; goes_on && seed <= arguments.to; seed++) {
		if (arguments.seconds > 0 && seconds_now() - begin > arguments.seconds)
			break;
		if (!run_seed(sim, &arguments, seed, &sums) && !arguments.keep_going)
			break;
	}
	print_sums(&sums, seconds_now() - begin, cpu_now());
	sim_free(sim);
	return sums.failed > 0 ? 1 : 0;
}
