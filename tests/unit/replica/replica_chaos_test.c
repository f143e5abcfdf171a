/* Three processes, killed and stopped at random under load: what was acknowledged stays, and all
 * states are equal at the end.
 *
 * The parent forks the nodes, kills (SIGKILL, started again on the same directory) and stops
 * (SIGSTOP, SIGCONT) them, and keeps every acknowledgement it is told of. At the end each node
 * dumps its leases. PXE_CHAOS_MS sets how long (20 s without).
 *
 *   parent -> node   'q' stop proposing   'd' report   'x' exit
 *   node -> parent   struct report
 */
#include "proto/msg/msg_ip4.h"
#include "tests/unit/replica/support/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES 3
#define NUMBERS_PER_NODE                                                                           \
	60000 /* numbers that one node binds, over all its lives; then it renews them */
#define OUTSTANDING 16

enum report_kind { REPORT_ACK = 1, REPORT_TAKEN, REPORT_LEASE, REPORT_STATE };

struct report {
	enum report_kind kind;
	uint32_t number;      /* ACK, TAKEN (another client has it), LEASE */
	bool quorum, settled; /* STATE: nothing outstanding, all of the log applied */
	uint64_t leader, applied;
	uint8_t digest[32];
	unsigned alarms;
	unsigned drained; /* outcomes still missing */
};

/* ---- the node's process */

struct worker {
	struct cluster_node node;
	uv_loop_t loop;
	uv_poll_t control;
	uv_timer_t timer;
	int fd;
	uint32_t first, next, end;
	unsigned outstanding;
	bool quiet;
};

struct worker_item {
	struct worker *worker;
	uint32_t number;
};

static void worker_tell(struct worker *worker, const struct report *report)
{
	/* libuv made the socket non-blocking; the parent reads all the time. */
	size_t done = 0;
	while (done < sizeof *report) {
		struct pollfd writable = {.fd = worker->fd, .events = POLLOUT};
		ssize_t wrote =
			write(worker->fd, (const char *)report + done, sizeof *report - done);
		if (wrote > 0)
			done += (size_t)wrote;
		else if (errno != EAGAIN && errno != EINTR)
			_exit(3);
		else
			(void)poll(&writable, 1, -1);
	}
}

static void worker_pump(struct worker *worker);

static void worker_on_done(
	void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct worker_item *item = ctx;
	struct worker *worker = item->worker;
	worker->outstanding--;
	if (outcome == REPLICA_APPLIED) {
		struct report report = {.kind = REPORT_ACK, .number = item->number};
		if (result->verdict != PXE__VERDICT__VERDICT_OK ||
			result->lease.ip != bind_ip(item->number))
			report.kind = REPORT_TAKEN;
		worker_tell(worker, &report);
	}
	free(item);
}

static void worker_pump(struct worker *worker)
{
	while (!worker->quiet && worker->outstanding < OUTSTANDING) {
		struct worker_item *item = malloc(sizeof *item);
		struct bind_command bind;
		if (item == NULL)
			_exit(4);
		*item = (struct worker_item){.worker = worker, .number = worker->next};
		bind_command_init(&bind, item->number);
		worker->outstanding++;
		if (replica_propose(worker->node.replica, &bind.command, 3000, worker_on_done,
			    item) != REPLICA_APPLIED) {
			worker->outstanding--;
			free(item);
			return;
		}
		if (++worker->next == worker->end)
			worker->next = worker->first;
	}
}

static bool worker_on_lease(void *ctx, const void *object)
{
	struct worker *worker = ctx;
	const Pxe__Lease *lease = object;
	struct report report = {.kind = REPORT_LEASE};
	if (lease->ip.len == 4 && lease->client.len == 7) {
		uint32_t ip = msg_ip4_get(lease->ip);
		struct bind_command bind;
		bind_command_init(&bind, bind_number(ip));
		/* Only a lease of the right client counts. */
		if (memcmp(bind.client, lease->client.data, sizeof bind.client) == 0) {
			report.number = bind_number(ip);
			worker_tell(worker, &report);
		}
	}
	return true;
}

static void worker_report(struct worker *worker, bool leases)
{
	struct replica_view view;
	replica_get_view(worker->node.replica, &view);
	struct report report = {
		.kind = REPORT_STATE,
		.quorum = view.has_quorum,
		.settled = worker->outstanding == 0 && view.applied == view.last &&
			   view.commit == view.last,
		.leader = view.leader,
		.applied = view.applied,
		.alarms = worker->node.alarms,
		.drained = worker->outstanding,
	};
	model_digest(replica_model(worker->node.replica), report.digest);
	if (leases)
		model_each(replica_model(worker->node.replica), PXE__OBJECT_KIND__OBJECT_LEASE,
			worker_on_lease, worker);
	worker_tell(worker, &report);
}

static void worker_on_control(uv_poll_t *poll, int status, int events)
{
	struct worker *worker = poll->data;
	char byte;
	(void)events;
	if (status != 0 || read(worker->fd, &byte, 1) != 1)
		_exit(0); /* the parent is gone */
	switch (byte) {
	case 'q': worker->quiet = true; break;
	case 's': worker_report(worker, false); break;
	case 'd': worker_report(worker, true); break;
	case 'x': node_stop(&worker->node); _exit(0);
	default: _exit(5);
	}
}

static void worker_on_timer(uv_timer_t *timer)
{
	worker_pump(timer->data);
}

static void worker_run(const struct cluster_node *self, const struct cluster_node *all, int fd,
	uint32_t next, bool first, bool quiet)
{
	static struct worker worker;
	Pxe__Member member[NODES], *seed[NODES];
	Pxe__Settings settings;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	worker.node = *self;
	worker.fd = fd;
	worker.next = next;
	worker.first = (uint32_t)(self->id - 1) * NUMBERS_PER_NODE + 1;
	worker.end = (uint32_t)self->id * NUMBERS_PER_NODE;
	if (worker.next >= worker.end)
		worker.next = worker.first;
	worker.quiet = quiet;
	for (unsigned i = 0; i < NODES; i++) {
		node_member(&all[i], &member[i]);
		seed[i] = &member[i];
	}
	cluster_fill_settings(&worker.node, &settings);
	struct replica_bootstrap bootstrap = {.self = &member[self->id - 1]};
	if (self->id == 1) {
		bootstrap.settings = &settings;
	} else {
		bootstrap.seed = seed;
		bootstrap.seed_count = 1;
	}
	uv_loop_init(&worker.loop);
	node_start(&worker.node, &worker.loop, first ? &bootstrap : NULL);
	uv_poll_init(&worker.loop, &worker.control, fd);
	worker.control.data = &worker;
	uv_poll_start(&worker.control, UV_READABLE, worker_on_control);
	uv_timer_init(&worker.loop, &worker.timer);
	worker.timer.data = &worker;
	uv_timer_start(&worker.timer, worker_on_timer, 1, 2);
	uv_run(&worker.loop, UV_RUN_DEFAULT);
	_exit(6);
}

/* ---- the parent */

struct chaos {
	struct cluster_node node[NODES];
	pid_t pid[NODES];
	int fd[NODES];
	bool stopped[NODES];
	uint32_t next[NODES]; /* where the next life of a node goes on */
	uint8_t *acked;       /* by number */
	uint8_t *found;
	uint32_t ack_count, taken_count;
	uint64_t last_ack_ms, longest_gap_ms, kills, stops;
	struct report report[NODES];
	bool reported[NODES];
	char root[64];
};

static void chaos_spawn(struct chaos *chaos, unsigned i, bool first, bool quiet)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (unsigned j = 0; j < NODES; j++) {
			if (chaos->fd[j] >= 0)
				close(chaos->fd[j]);
		}
		close(pair[0]);
		worker_run(&chaos->node[i], chaos->node, pair[1], chaos->next[i], first, quiet);
	}
	close(pair[1]);
	chaos->fd[i] = pair[0];
	chaos->pid[i] = pid;
	chaos->stopped[i] = false;
}

static void chaos_take(struct chaos *chaos, unsigned i, const struct report *report)
{
	uint64_t now_ms = cluster_now_ms();
	switch (report->kind) {
	case REPORT_ACK:
		assert_true(report->number < (NODES + 1) * NUMBERS_PER_NODE);
		chaos->acked[report->number] = 1;
		chaos->ack_count++;
		if (now_ms - chaos->last_ack_ms > chaos->longest_gap_ms)
			chaos->longest_gap_ms = now_ms - chaos->last_ack_ms;
		chaos->last_ack_ms = now_ms;
		if (report->number >= chaos->next[i])
			chaos->next[i] = report->number + 1;
		break;
	case REPORT_TAKEN: chaos->taken_count++; break;
	case REPORT_LEASE: chaos->found[report->number] = 1; break;
	case REPORT_STATE:
		chaos->report[i] = *report;
		chaos->reported[i] = true;
		break;
	}
}

/* All that is there; false: the node's end is closed. */
static bool chaos_read(struct chaos *chaos, unsigned i)
{
	struct report report;
	size_t have = 0;
	while (have < sizeof report) {
		ssize_t got = read(chaos->fd[i], (char *)&report + have, sizeof report - have);
		if (got <= 0)
			return false;
		have += (size_t)got;
	}
	chaos_take(chaos, i, &report);
	return true;
}

static void chaos_poll(struct chaos *chaos, int timeout_ms)
{
	struct pollfd poll_fd[NODES];
	uint64_t end = cluster_now_ms() + (uint64_t)timeout_ms;
	do {
		uint64_t now_ms = cluster_now_ms();
		for (unsigned i = 0; i < NODES; i++)
			poll_fd[i] = (struct pollfd){.fd = chaos->fd[i], .events = POLLIN};
		if (poll(poll_fd, NODES, now_ms < end ? (int)(end - now_ms) : 0) <= 0)
			return;
		for (unsigned i = 0; i < NODES; i++) {
			if ((poll_fd[i].revents & (POLLIN | POLLHUP)) == 0)
				continue;
			if (!chaos_read(chaos, i)) {
				int status = 0;
				waitpid(chaos->pid[i], &status, 0);
				fail_msg("node %u ended by itself, status %x", i + 1,
					(unsigned)status);
			}
		}
	} while (cluster_now_ms() < end);
}

static void chaos_kill(struct chaos *chaos, unsigned i)
{
	kill(chaos->pid[i], SIGKILL);
	waitpid(chaos->pid[i], NULL, 0);
	while (chaos_read(chaos, i)) /* what it said before it died counts */
		;
	close(chaos->fd[i]);
	chaos->fd[i] = -1;
	chaos->next[i] += OUTSTANDING; /* whatever it had outstanding may be bound: not again */
	chaos->kills++;
}

static void chaos_say(struct chaos *chaos, unsigned i, char byte)
{
	assert_int_equal(send(chaos->fd[i], &byte, 1, MSG_NOSIGNAL), 1);
}

static void chaos_ask(struct chaos *chaos, char byte)
{
	uint64_t end = cluster_now_ms() + CLUSTER_WAIT_MS;
	for (unsigned i = 0; i < NODES; i++) {
		chaos->reported[i] = false;
		chaos_say(chaos, i, byte);
	}
	while (!(chaos->reported[0] && chaos->reported[1] && chaos->reported[2])) {
		assert_true(cluster_now_ms() < end);
		chaos_poll(chaos, 10);
	}
}

static void chaos_misdeed(struct chaos *chaos, unsigned *seed)
{
	unsigned i = (unsigned)rand_r(seed) % NODES,
		 other = (i + 1 + (unsigned)rand_r(seed) % 2) % NODES;
	switch (rand_r(seed) % 4) {
	case 0: /* two at once: no quorum for a while */
		chaos_kill(chaos, i);
		chaos_kill(chaos, other);
		chaos_spawn(chaos, other, false, false);
		chaos_poll(chaos, rand_r(seed) % 500);
		chaos_spawn(chaos, i, false, false);
		break;
	case 1:
	case 2:
		chaos_kill(chaos, i);
		chaos_poll(chaos, rand_r(seed) % 800);
		chaos_spawn(chaos, i, false, false);
		break;
	default:
		kill(chaos->pid[i], SIGSTOP);
		chaos_poll(chaos, 100 + rand_r(seed) % 1500);
		kill(chaos->pid[i], SIGCONT);
		chaos->stops++;
		break;
	}
	chaos_poll(chaos, 200 + rand_r(seed) % 1200);
}

/* All applied the same, twice in a row with the same leader. */
static void chaos_settle(struct chaos *chaos)
{
	uint64_t end = cluster_now_ms() + CLUSTER_WAIT_MS;
	for (unsigned i = 0; i < NODES; i++)
		chaos_say(chaos, i, 'q');
	for (;;) {
		chaos_ask(chaos, 's');
		bool equal = true;
		for (unsigned i = 0; i < NODES; i++) {
			const struct report *report = &chaos->report[i], *first = &chaos->report[0];
			equal = equal && report->settled && report->quorum &&
				report->applied == first->applied &&
				report->leader == first->leader;
		}
		if (equal)
			return;
		if (cluster_now_ms() > end)
			fail_msg("the nodes do not settle: applied %llu %llu %llu, missing "
				 "outcomes %u %u %u",
				(unsigned long long)chaos->report[0].applied,
				(unsigned long long)chaos->report[1].applied,
				(unsigned long long)chaos->report[2].applied,
				chaos->report[0].drained, chaos->report[1].drained,
				chaos->report[2].drained);
		chaos_poll(chaos, 50);
	}
}

/* Members are made in this process, by the same means as anywhere: one node at a time joins. */
static void chaos_prepare(struct chaos *chaos)
{
	static struct cluster cluster;
	cluster_open(&cluster);
	cluster_grow(&cluster, NODES);
	snprintf(chaos->root, sizeof chaos->root, "%s", cluster.root);
	for (unsigned i = 0; i < NODES; i++) {
		chaos->node[i] = cluster.node[i];
		node_stop(&cluster.node[i]);
		chaos->node[i].running = false;
		chaos->node[i].replica = NULL;
		chaos->fd[i] = -1;
		chaos->next[i] = 1 + i * NUMBERS_PER_NODE;
	}
	uv_run(&cluster.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&cluster.loop), 0);
}

static void test_what_was_acknowledged_survives(void **state)
{
	static struct chaos chaos;
	const char *length = getenv("PXE_CHAOS_MS"), *seed_text = getenv("PXE_CHAOS_SEED");
	unsigned seed =
		seed_text == NULL ? (unsigned)getpid() : (unsigned)strtoul(seed_text, NULL, 10);
	uint64_t length_ms = length == NULL ? 20000 : strtoull(length, NULL, 10);
	char command[100];
	(void)state;
	chaos.acked = calloc((NODES + 1) * NUMBERS_PER_NODE, 1);
	chaos.found = calloc((NODES + 1) * NUMBERS_PER_NODE, 1);
	assert_non_null(chaos.acked);
	assert_non_null(chaos.found);
	print_message("[   SEED    ] %u\n", seed);
	chaos_prepare(&chaos);
	for (unsigned i = 0; i < NODES; i++)
		chaos_spawn(&chaos, i, false, false);
	uint64_t began_ms = cluster_now_ms();
	chaos.last_ack_ms = began_ms;
	chaos_poll(&chaos, 1000);
	while (cluster_now_ms() - began_ms < length_ms)
		chaos_misdeed(&chaos, &seed);
	chaos_settle(&chaos);
	print_message("[  MEASURED ] %llu ms: %u acknowledged, %llu kills, %llu stops, longest "
		      "pause %llu ms\n",
		(unsigned long long)(cluster_now_ms() - began_ms), chaos.ack_count,
		(unsigned long long)chaos.kills, (unsigned long long)chaos.stops,
		(unsigned long long)chaos.longest_gap_ms);
	assert_true(chaos.ack_count > 0);
	for (unsigned i = 0; i < NODES; i++) {
		memset(chaos.found, 0, (NODES + 1) * NUMBERS_PER_NODE);
		chaos.reported[i] = false;
		chaos_say(&chaos, i, 'd');
		uint64_t end = cluster_now_ms() + CLUSTER_WAIT_MS;
		while (!chaos.reported[i]) {
			assert_true(cluster_now_ms() < end);
			chaos_poll(&chaos, 10);
		}
		assert_memory_equal(chaos.report[i].digest, chaos.report[0].digest, 32);
		for (uint32_t number = 0; number < (NODES + 1) * NUMBERS_PER_NODE; number++) {
			if (chaos.acked[number] && !chaos.found[number])
				fail_msg("node %u lost the acknowledged binding %u", i + 1, number);
		}
	}
	assert_int_equal(chaos.taken_count, 0);
	for (unsigned i = 0; i < NODES; i++) {
		int status = 0;
		chaos_say(&chaos, i, 'x');
		waitpid(chaos.pid[i], &status, 0);
		assert_int_equal(status, 0);
		close(chaos.fd[i]);
	}
	free(chaos.acked);
	free(chaos.found);
	snprintf(command, sizeof command, "rm -rf '%s'", chaos.root);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_acknowledged_survives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
