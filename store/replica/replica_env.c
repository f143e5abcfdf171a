/* store/replica/replica_env.c: the machine's own clocks and chance. Edge file. */
#include "store/replica/replica.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/timex.h>
#include <time.h>

static uint64_t env_read_ms(clockid_t clock)
{
	struct timespec at;
	if (clock_gettime(clock, &at) != 0)
		abort(); /* both clocks exist since Linux 2.6.39 */
	return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static uint64_t env_now_boot_ms(void *ctx)
{
	(void)ctx;
	return env_read_ms(CLOCK_BOOTTIME);
}

static uint64_t env_now_wall_ms(void *ctx)
{
	(void)ctx;
	return env_read_ms(CLOCK_REALTIME);
}

static bool env_wall_synchronised(void *ctx)
{
	struct timex timex = {.modes = 0};
	(void)ctx;
	int state = adjtimex(&timex);
	return state >= 0 && state != TIME_ERROR;
}

static uint64_t env_random(void *ctx)
{
	uint64_t value;
	(void)ctx;
	if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
		abort(); /* 8 bytes are never cut short (getrandom(2)) */
	return value;
}

const struct replica_env *replica_env_system(void)
{
	static const struct replica_env env = {
		.now_boot_ms = env_now_boot_ms,
		.now_wall_ms = env_now_wall_ms,
		.wall_synchronised = env_wall_synchronised,
		.random = env_random,
	};
	return &env;
}
