/* A network that swallows packets: no RST tells of it. Once it heals, peers hear each other again
 * by themselves.
 *
 * In a network namespace of its own, with nftables; skipped where that is not permitted. */
#include "tests/unit/transport/mesh_fixture.h"
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77

static int raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request);

	if (fd >= 0)
		close(fd);
	return error;
}

static int nft(const char *arguments)
{
	char command[256];

	snprintf(command, sizeof command, "nft %s 2>/dev/null", arguments);
	return system(command);
}

/* Both ways talk every 20 ms, as Raft does, until each has heard the other anew. Milliseconds. */
static unsigned talk(struct mesh *mesh, uint64_t *number)
{
	struct node *one = &mesh->node[1], *two = &mesh->node[2];
	uint64_t began_ns = uv_hrtime(), first = *number + 1;

	while (one->newest[2] < first || two->newest[1] < first) {
		++*number;
		(void)node_send(one, 2, *number, 100);
		(void)node_send(two, 1, *number, 100);
		mesh_rest(mesh, 20);
	}
	return (unsigned)((uv_hrtime() - began_ns) / 1000000);
}

static void swallow(struct mesh *mesh, uint64_t *number, unsigned ms)
{
	uint64_t heard = mesh->node[1].newest[2];

	assert_int_equal(nft("add rule ip t c drop"), 0);
	for (unsigned passed = 0; passed < ms; passed += 20) {
		++*number;
		(void)node_send(&mesh->node[1], 2, *number, 100);
		(void)node_send(&mesh->node[2], 1, *number, 100);
		mesh_rest(mesh, 20);
	}
	assert_true(mesh->node[1].newest[2] <= heard + 2); /* what was under way */
	assert_int_equal(nft("flush chain ip t c"), 0);
}

static int partitions(void)
{
	static const unsigned lengths_ms[] = {300, 900, 2000, 5000};
	struct mesh *mesh = calloc(1, sizeof *mesh);
	uint64_t number = 0;

	if (unshare(CLONE_NEWNET) || raise_loopback() || nft("add table ip t") ||
		nft("'add chain ip t c { type filter hook input priority 0; }'"))
		return SKIPPED;
	mesh_open(mesh, 2);
	talk(mesh, &number);
	for (unsigned i = 0; i < sizeof lengths_ms / sizeof lengths_ms[0]; i++) {
		swallow(mesh, &number, lengths_ms[i]);
		fprintf(stderr, "cut for %u ms: heard again %u ms after it\n", lengths_ms[i],
			talk(mesh, &number));
	}
	mesh_close(mesh);
	free(mesh);
	return 0;
}

static void after_a_partition_peers_hear_each_other_again(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(partitions());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED) {
		print_message("no network namespace or no nft here: skipped\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_partition_peers_hear_each_other_again)};

	alarm(100); /* a hang is a failure, not a wait */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
