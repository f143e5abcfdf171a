/* Short leases, more clients than addresses, and a network that fails: no address is ever held by
 * two clients [P1], no acknowledged lease is lost or refused its renewal [P2], and once the faults
 * end every node answers again.
 *
 * The parent plays the clients: each asks, binds, renews, releases or goes silent, every time
 * through whichever node. The nodes are processes that are killed (and started again), stopped, cut
 * off from each other one way or both, and made to lose packets. For that they run in a network
 * namespace of their own, each under its own user id, by which nftables tells whose packet it is;
 * where that is not permitted, processes are only killed and stopped.
 *
 *   PXE_SOAK_MS how long (15 s)   PXE_SOAK_NODES how many (3)   PXE_SOAK_SEED which faults
 *
 *   parent -> node  struct order      node -> parent  struct answer      (both in one
 * SOCK_SEQPACKET pair)
 */
#include "tests/unit/replica/support/cluster.h"
#include "tests/unit/replica/support/holdings.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS     150
#define FIRST_IP    0xac100001u /* 172.16.0.1 */
#define ADDRESSES   110         /* fewer than clients: they fight for them */
#define LEASE_S     4
#define PATIENCE_MS 2500  /* after which a client gives up on an answer */
#define MARGIN_MS   300   /* a renewal that is sent later than this before the end may be refused */
#define CALM_MS     8000  /* at the end, without faults */
#define USER_ID     64000 /* of node 0; node i has USER_ID + i */

enum order_kind { ORDER_OFFER = 1, ORDER_BIND, ORDER_RELEASE, ORDER_STATE, ORDER_DUMP, ORDER_EXIT };

struct order {
	enum order_kind kind;
	uint32_t client, serial, ip;
};

struct answer {
	enum order_kind kind; /* of the order */
	uint32_t client, serial, ip;
	bool ok, last; /* OFFER, BIND: granted; refused with an outcome of the model; DUMP: no more
			  follow */
	bool refused;
	int32_t left_ms; /* of the lease */
	/* STATE */
	bool settled;
	uint64_t applied;
	uint8_t digest[32];
	unsigned alarms;
};

/* ---- a node's process */

struct worker {
	struct cluster_node node;
	uv_loop_t loop;
	uv_poll_t control;
	int fd;
};

struct task {
	struct worker *worker;
	struct order order;
};

static void client_identity(uint32_t number, uint8_t ret_client[7])
{
	const uint8_t client[7] = {1, 6, 0, 0, 0, (uint8_t)(number >> 8), (uint8_t)number};

	memcpy(ret_client, client, sizeof client);
}

static void worker_tell(struct worker *w, const struct answer *answer)
{
	struct pollfd room = {.fd = w->fd, .events = POLLOUT};

	while (send(w->fd, answer, sizeof *answer, MSG_NOSIGNAL) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			_exit(0); /* the parent is gone */
		(void)poll(&room, 1, -1);
	}
}

static void worker_on_done(
	void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct task *task = ctx;
	struct worker *w = task->worker;
	struct answer answer = {.kind = task->order.kind,
		.client = task->order.client,
		.serial = task->order.serial};

	if (outcome == REPLICA_APPLIED) { /* else nobody knows, and nobody is told */
		answer.ok = result->verdict == PXE__VERDICT__VERDICT_OK;
		answer.refused = !answer.ok;
		answer.ip = result->lease.ip;
		answer.left_ms = (int32_t)((int64_t)result->lease.expires_ms -
					   (int64_t)replica_now_ms(w->node.replica));
		worker_tell(w, &answer);
	}
	free(task);
}

static void worker_propose(struct worker *w, const struct order *order)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ClientInfo who = PXE__CLIENT_INFO__INIT;
	Pxe__Offer offer = PXE__OFFER__INIT;
	Pxe__Bind bind = PXE__BIND__INIT;
	Pxe__Release release = PXE__RELEASE__INIT;
	struct answer no = {.kind = order->kind, .client = order->client, .serial = order->serial};
	struct task *task = malloc(sizeof *task);
	uint8_t client[7], ip[4];

	for (unsigned i = 0; i < 4; i++)
		ip[i] = (uint8_t)(order->ip >> (24 - 8 * i));
	client_identity(order->client, client);
	who.client = (ProtobufCBinaryData){.data = client, .len = sizeof client};
	who.mac = (ProtobufCBinaryData){.data = client + 1, .len = 6};
	offer.who = bind.who = &who;
	offer.subnet = bind.subnet = (char *)(uintptr_t) "soak";
	bind.ip = release.ip = (ProtobufCBinaryData){.data = ip, .len = 4};
	release.client = who.client;
	release.as_of_ms = model_stamp_ms(replica_model(w->node.replica));
	command.op_case = order->kind == ORDER_OFFER  ? PXE__COMMAND__OP_OFFER
			  : order->kind == ORDER_BIND ? PXE__COMMAND__OP_BIND
						      : PXE__COMMAND__OP_RELEASE;
	if (order->kind == ORDER_OFFER)
		command.offer = &offer;
	else if (order->kind == ORDER_BIND)
		command.bind = &bind;
	else
		command.release = &release;
	if (!task)
		_exit(4);
	*task = (struct task){.worker = w, .order = *order};
	if (replica_propose(w->node.replica, &command, PATIENCE_MS, worker_on_done, task) !=
		REPLICA_APPLIED) { /* at once: no quorum, or too busy */
		worker_tell(w, &no);
		free(task);
	}
}

static bool worker_on_lease(void *ctx, const void *object)
{
	struct worker *w = ctx;
	const Pxe__Lease *lease = object;
	struct answer answer = {.kind = ORDER_DUMP};

	if (lease->ip.len != 4 || lease->client.len != 7 ||
		lease->state != PXE__LEASE_STATE__LEASE_BOUND)
		return true;
	for (unsigned i = 0; i < 4; i++)
		answer.ip = answer.ip << 8 | lease->ip.data[i];
	answer.client = (uint32_t)lease->client.data[5] << 8 | lease->client.data[6];
	answer.left_ms =
		(int32_t)((int64_t)lease->expires_ms - (int64_t)replica_now_ms(w->node.replica));
	worker_tell(w, &answer);
	return true;
}

static void worker_tell_state(struct worker *w)
{
	struct answer answer = {.kind = ORDER_STATE};
	struct replica_view view;

	replica_get_view(w->node.replica, &view);
	answer.settled = view.has_quorum && view.applied == view.last && view.commit == view.last;
	answer.applied = view.applied;
	answer.alarms = w->node.alarms;
	model_digest(replica_model(w->node.replica), answer.digest);
	worker_tell(w, &answer);
}

static void worker_on_order(uv_poll_t *poll, int status, int events)
{
	struct worker *w = poll->data;
	struct answer end = {.kind = ORDER_DUMP, .last = true};
	struct order order;

	(void)events;
	ssize_t got = recv(w->fd, &order, sizeof order, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (status != 0 || got != sizeof order)
		_exit(0); /* the parent is gone */
	switch (order.kind) {
	case ORDER_OFFER:
	case ORDER_BIND:
	case ORDER_RELEASE: worker_propose(w, &order); break;
	case ORDER_STATE: worker_tell_state(w); break;
	case ORDER_DUMP:
		model_each(replica_model(w->node.replica), PXE__OBJECT_KIND__OBJECT_LEASE,
			worker_on_lease, w);
		worker_tell(w, &end);
		break;
	case ORDER_EXIT: node_stop(&w->node); _exit(0);
	}
}

static void worker_run(const struct cluster_node *self, int fd, bool own_user)
{
	static struct worker worker;

	if (own_user && setuid(USER_ID + (uid_t)self->id))
		_exit(7);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	worker.node = *self;
	worker.fd = fd;
	if (uv_loop_init(&worker.loop))
		_exit(8);
	node_start(&worker.node, &worker.loop, NULL);
	uv_poll_init(&worker.loop, &worker.control, fd);
	worker.control.data = &worker;
	uv_poll_start(&worker.control, UV_READABLE, worker_on_order);
	uv_run(&worker.loop, UV_RUN_DEFAULT);
	_exit(6);
}

/* ---- the parent: clients, and what they see */

enum client_state { IDLE, OFFERING, BINDING, BOUND, RENEWING };

struct client {
	enum client_state state;
	uint32_t ip, serial;
	uint64_t wake_ms; /* IDLE, BOUND: when it does the next thing; else: when it gives up */
	uint64_t sent_ms, until_ms; /* of the newest order; of the lease */
	size_t holding;
	unsigned node; /* that it asked */
	bool holds;
};

struct soak {
	unsigned nodes;
	bool network; /* we have a network of our own to break */
	struct cluster_node node[CLUSTER_NODES_MAX];
	pid_t pid[CLUSTER_NODES_MAX];
	int fd[CLUSTER_NODES_MAX];
	struct client client[CLIENTS];
	struct holdings holdings;
	struct answer state[CLUSTER_NODES_MAX];
	bool told[CLUSTER_NODES_MAX], dumped[CLUSTER_NODES_MAX];
	uint32_t found[CLUSTER_NODES_MAX][CLIENTS]; /* by client: the address it has in the dump */
	uint32_t serial;
	uint64_t seed, answered_ms, longest_gap_ms;
	unsigned asked_by_node[CLUSTER_NODES_MAX], acks_by_node[CLUSTER_NODES_MAX];
	unsigned acks, renewals, releases, expiries, kills, stops, cuts, losses;
	bool quiet; /* clients send nothing */
	char root[64];
};

static uint32_t soak_random(struct soak *s, uint32_t below)
{
	s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(s->seed >> 33) % below;
}

static void soak_spawn(struct soak *s, unsigned i)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (unsigned j = 0; j < s->nodes; j++)
			if (s->fd[j] >= 0)
				close(s->fd[j]);
		close(pair[0]);
		worker_run(&s->node[i], pair[1], s->network);
	}
	close(pair[1]);
	s->fd[i] = pair[0];
	s->pid[i] = pid;
}

static void soak_kill(struct soak *s, unsigned i)
{
	int status;

	kill(s->pid[i], SIGKILL);
	assert_int_equal(waitpid(s->pid[i], &status, 0), s->pid[i]);
	if (!WIFSIGNALED(status))
		fail_msg("node %u had ended by itself with status %d", i + 1, WEXITSTATUS(status));
	close(s->fd[i]);
	s->fd[i] = -1;
}

static bool soak_send(struct soak *s, unsigned i, const struct order *order)
{
	return s->fd[i] >= 0 &&
	       send(s->fd[i], order, sizeof *order, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof *order;
}

static void client_ask(
	struct soak *s, uint32_t number, enum order_kind kind, enum client_state next)
{
	struct client *c = &s->client[number];
	struct order order = {.kind = kind, .client = number, .serial = ++s->serial, .ip = c->ip};

	c->node = soak_random(s, s->nodes);
	c->state = next;
	c->serial = order.serial;
	c->sent_ms = cluster_now_ms();
	c->wake_ms = c->sent_ms + PATIENCE_MS;
	s->asked_by_node[c->node]++;
	(void)soak_send(s, c->node, &order); /* a dead node does not answer */
}

static void client_rest(struct soak *s, struct client *c, uint32_t ms)
{
	c->state = IDLE;
	c->holds = false;
	c->wake_ms = cluster_now_ms() + ms / 2 + soak_random(s, ms);
}

/* BOUND, and something is to be done: the lease is half over, or all over. */
static void client_go_on(struct soak *s, uint32_t number, uint64_t now_ms)
{
	struct client *c = &s->client[number];
	uint32_t chance = soak_random(s, 100);

	if (now_ms + MARGIN_MS >= c->until_ms) {
		s->expiries++;
		client_rest(s, c, 2000);
	} else if (chance < 65) {
		client_ask(s, number, ORDER_BIND, RENEWING);
	} else if (chance < 85) {
		s->releases++;
		holdings_release(
			&s->holdings, c->holding, now_ms); /* it stops using it before it says so */
		client_ask(s, number, ORDER_RELEASE, IDLE);
		client_rest(s, c, 1000);
	} else {
		c->wake_ms = c->until_ms; /* goes silent */
	}
}

static void client_wake(struct soak *s, uint32_t number, uint64_t now_ms)
{
	struct client *c = &s->client[number];

	if (s->quiet)
		return;
	switch (c->state) {
	case IDLE: client_ask(s, number, ORDER_OFFER, OFFERING); break;
	case OFFERING:
	case BINDING: client_rest(s, c, 300); break;
	case BOUND: client_go_on(s, number, now_ms); break;
	case RENEWING: /* not answered: once more, while there is time */
		c->state = BOUND;
		client_go_on(s, number, now_ms);
		break;
	}
}

static void client_on_ack(
	struct soak *s, uint32_t number, const struct answer *answer, uint64_t now_ms)
{
	struct client *c = &s->client[number];
	uint64_t until_ms = c->sent_ms + (uint64_t)(answer->left_ms > 0 ? answer->left_ms : 0);

	s->acks++;
	s->acks_by_node[c->node]++;
	s->renewals += c->state == RENEWING;
	assert_int_equal(answer->ip, c->ip);
	if (c->holds) /* what it has of the old lease goes over into the new one */
		holdings_release(&s->holdings, c->holding, now_ms);
	c->holding = holdings_ack(&s->holdings, c->ip, number, now_ms, until_ms);
	c->holds = true;
	c->until_ms = until_ms;
	c->state = BOUND;
	c->wake_ms = now_ms + (until_ms > now_ms ? (until_ms - now_ms) / 2 : 0);
	if (now_ms - s->answered_ms > s->longest_gap_ms)
		s->longest_gap_ms = now_ms - s->answered_ms;
	s->answered_ms = now_ms;
}

static void client_on_answer(struct soak *s, const struct answer *answer)
{
	struct client *c = &s->client[answer->client];
	uint64_t now_ms = cluster_now_ms();

	if (answer->serial != c->serial)
		return; /* it has given up on that one */
	if (c->state == RENEWING && answer->refused && c->sent_ms + MARGIN_MS < c->until_ms)
		fail_msg("client %u is refused the renewal of %08x, %llu ms before it runs out",
			answer->client, c->ip, (unsigned long long)(c->until_ms - c->sent_ms));
	if (c->state == OFFERING && answer->ok) {
		c->ip = answer->ip;
		client_ask(s, answer->client, ORDER_BIND, BINDING);
	} else if ((c->state == BINDING || c->state == RENEWING) && answer->ok) {
		client_on_ack(s, answer->client, answer, now_ms);
	} else if (c->state == RENEWING && !answer->refused) {
		c->wake_ms = now_ms + 200 + soak_random(s, 200); /* through another node, then */
	} else if (c->state != IDLE) {
		client_rest(s, c, 500); /* no address is free, or another took this one */
	}
}

static void soak_take(struct soak *s, unsigned i, const struct answer *answer)
{
	switch (answer->kind) {
	case ORDER_OFFER:
	case ORDER_BIND:
	case ORDER_RELEASE: client_on_answer(s, answer); break;
	case ORDER_STATE:
		s->state[i] = *answer;
		s->told[i] = true;
		break;
	case ORDER_DUMP:
		if (answer->last)
			s->dumped[i] = true;
		else if (answer->client < CLIENTS && answer->left_ms > 0)
			s->found[i][answer->client] = answer->ip;
		break;
	case ORDER_EXIT: break;
	}
}

static void soak_say_ended(struct soak *s, unsigned i)
{
	int status = 0;

	(void)waitpid(s->pid[i], &status, 0);
	fail_msg("node %u ended by itself: %s %d; its data is in %s", i + 1,
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), s->root);
}

static void soak_read(struct soak *s, int wait_ms)
{
	struct pollfd wait[CLUSTER_NODES_MAX];
	struct answer answer;

	for (unsigned i = 0; i < s->nodes; i++)
		wait[i] = (struct pollfd){.fd = s->fd[i], .events = POLLIN};
	if (poll(wait, s->nodes, wait_ms) <= 0)
		return;
	for (unsigned i = 0; i < s->nodes; i++) {
		if (!wait[i].revents)
			continue;
		ssize_t got = recv(s->fd[i], &answer, sizeof answer, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			soak_say_ended(s, i);
		while (got == sizeof answer) {
			soak_take(s, i, &answer);
			got = recv(s->fd[i], &answer, sizeof answer, MSG_DONTWAIT);
		}
	}
}

static void soak_run(struct soak *s, uint64_t ms)
{
	uint64_t end_ms = cluster_now_ms() + ms;

	for (uint64_t now_ms = cluster_now_ms(); now_ms < end_ms; now_ms = cluster_now_ms()) {
		for (uint32_t number = 0; number < CLIENTS; number++)
			if (now_ms >= s->client[number].wake_ms)
				client_wake(s, number, now_ms);
		soak_read(s, 2);
	}
}

/* ---- faults */

static int nft(const char *arguments)
{
	char command[300];

	snprintf(command, sizeof command, "nft %s 2>/dev/null", arguments);
	return system(command);
}

/* What `from` says to `to` is dropped, `percent` of it. */
static void soak_lose(struct soak *s, unsigned from, unsigned to, unsigned percent)
{
	char rule[200], port[16];

	snprintf(port, sizeof port, "%s", strrchr(s->node[to].address, ':') + 1);
	snprintf(rule, sizeof rule,
		"'add rule ip t c meta skuid %u tcp dport %s numgen random mod 100 <= %u drop'",
		USER_ID + (unsigned)s->node[from].id, port, percent - 1);
	assert_int_equal(nft(rule), 0);
}

static void soak_fault_process(struct soak *s)
{
	unsigned i = soak_random(s, s->nodes);

	if (soak_random(s, 2)) {
		s->kills++;
		soak_kill(s, i);
		soak_run(s, soak_random(s, 1200));
		soak_spawn(s, i);
	} else {
		s->stops++;
		kill(s->pid[i], SIGSTOP);
		soak_run(s, 200 + soak_random(s, 2000));
		kill(s->pid[i], SIGCONT);
	}
}

static void soak_fault_network(struct soak *s)
{
	unsigned one = soak_random(s, s->nodes), kind = soak_random(s, 4);

	for (unsigned other = 0; other < s->nodes; other++) {
		unsigned percent = kind == 3 ? 20 : 100;

		if (other == one || (kind == 1 && other != (one + 1) % s->nodes))
			continue; /* kind 1: only one link */
		soak_lose(s, one, other, percent);
		if (kind != 2) /* kind 2: it hears and is not heard */
			soak_lose(s, other, one, percent);
	}
	s->cuts += kind != 3;
	s->losses += kind == 3;
	soak_run(s, 300 + soak_random(s, 2500));
	if (soak_random(s, 4) == 0)
		soak_fault_process(s); /* two at once */
	assert_int_equal(nft("flush chain ip t c"), 0);
}

/* ---- beginning and end */

static void soak_configure(struct cluster *cluster)
{
	uint8_t network[4] = {172, 16, 0, 0}, first[4] = {172, 16, 0, 1},
		last[4] = {172, 16, 0, ADDRESSES};
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Settings settings;
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	Pxe__Pool pool = PXE__POOL__INIT;
	struct model_result result;

	cluster_fill_settings(&cluster->node[0], &settings);
	settings.mclt_s = 1;
	settings.offer_s = 2;
	settings.next_member_id = 0;
	subnet.name = (char *)(uintptr_t) "soak";
	subnet.network_ip = (ProtobufCBinaryData){.data = network, .len = 4};
	subnet.prefix_len = 24;
	subnet.lease_s = LEASE_S;
	pool.name = (char *)(uintptr_t) "soak";
	pool.subnet = subnet.name;
	pool.first_ip = (ProtobufCBinaryData){.data = first, .len = 4};
	pool.last_ip = (ProtobufCBinaryData){.data = last, .len = 4};
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	for (unsigned i = 0; i < 3; i++) {
		put.object_case = i == 0   ? PXE__PUT__OBJECT_SETTINGS
				  : i == 1 ? PXE__PUT__OBJECT_SUBNET
					   : PXE__PUT__OBJECT_POOL;
		if (i == 0)
			put.settings = &settings;
		else if (i == 1)
			put.subnet = &subnet;
		else
			put.pool = &pool;
		assert_int_equal(
			cluster_do(cluster, &cluster->node[0], &command, &result), REPLICA_APPLIED);
		if (result.verdict != PXE__VERDICT__VERDICT_OK)
			fail_msg("%s", result.detail);
	}
}

/* Make the cluster. In a process of its own, so that no thread of it is there when the nodes are
 * forked. */
static void soak_found(struct soak *s)
{
	static struct cluster cluster;

	cluster_open(&cluster);
	cluster_grow(&cluster, s->nodes);
	soak_configure(&cluster);
	cluster_wait_equal(&cluster);
	snprintf(s->root, sizeof s->root, "%s", cluster.root);
	for (unsigned i = 0; i < s->nodes; i++) {
		node_stop(&cluster.node[i]);
		s->node[i] = cluster.node[i];
		s->node[i].running = false;
		s->node[i].replica = NULL;
		s->fd[i] = -1;
	}
	uv_run(&cluster.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&cluster.loop), 0);
}

static void soak_open(struct soak *s)
{
	struct soak *founded =
		mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char command[200];
	int status;
	pid_t pid;

	assert_ptr_not_equal(founded, MAP_FAILED);
	*founded = *s;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		soak_found(founded);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	*s = *founded;
	munmap(founded, sizeof *founded);
	for (unsigned i = 0; s->network && i < s->nodes; i++) {
		snprintf(command, sizeof command, "chmod 711 '%s' && chown -R %u '%s'", s->root,
			USER_ID + (unsigned)s->node[i].id, s->node[i].directory);
		assert_int_equal(system(command), 0);
	}
	for (unsigned i = 0; i < s->nodes; i++)
		soak_spawn(s, i);
	s->answered_ms = cluster_now_ms();
}

static void soak_ask_all(struct soak *s, enum order_kind kind, bool told[])
{
	struct order order = {.kind = kind};
	uint64_t end_ms = cluster_now_ms() + CLUSTER_WAIT_MS;

	for (unsigned i = 0; i < s->nodes; i++) {
		told[i] = false;
		assert_true(soak_send(s, i, &order));
	}
	for (unsigned i = 0; i < s->nodes; i++)
		while (!told[i]) {
			assert_true(cluster_now_ms() < end_ms);
			soak_read(s, 10);
		}
}

static void soak_wait_equal(struct soak *s)
{
	uint64_t end_ms = cluster_now_ms() + CLUSTER_WAIT_MS;
	bool equal = false;

	while (!equal) {
		if (cluster_now_ms() > end_ms)
			fail_msg("in vain: equal states");
		soak_ask_all(s, ORDER_STATE, s->told);
		equal = true;
		for (unsigned i = 0; i < s->nodes; i++) {
			assert_int_equal(s->state[i].alarms, 0);
			equal = equal && s->state[i].settled &&
				s->state[i].applied == s->state[0].applied;
		}
	}
	for (unsigned i = 1; i < s->nodes; i++)
		assert_memory_equal(s->state[i].digest, s->state[0].digest, 32);
}

/* Every lease that its client still holds is in the state of every node. Returns how many. */
static unsigned soak_check_kept(struct soak *s)
{
	unsigned held = 0;
	uint64_t now_ms;

	memset(s->found, 0, sizeof s->found);
	soak_ask_all(s, ORDER_DUMP, s->dumped);
	now_ms = cluster_now_ms();
	for (uint32_t number = 0; number < CLIENTS; number++) {
		const struct client *c = &s->client[number];

		if (!c->holds || now_ms + MARGIN_MS >= c->until_ms)
			continue;
		held++;
		for (unsigned i = 0; i < s->nodes; i++)
			if (s->found[i][number] != c->ip)
				fail_msg("node %u has lost the lease of client %u, %08x", i + 1,
					number, c->ip);
	}
	return held;
}

static void soak_close(struct soak *s)
{
	struct order order = {.kind = ORDER_EXIT};
	char command[100];

	for (unsigned i = 0; i < s->nodes; i++) {
		int status;

		assert_true(soak_send(s, i, &order));
		assert_int_equal(waitpid(s->pid[i], &status, 0), s->pid[i]);
		assert_int_equal(status, 0);
		close(s->fd[i]);
	}
	snprintf(command, sizeof command, "rm -rf '%s'", s->root);
	assert_int_equal(system(command), 0);
}

static void soak_check_end(struct soak *s)
{
	struct holding one, other;
	unsigned held, before[CLUSTER_NODES_MAX];

	memcpy(before, s->acks_by_node, sizeof before);
	soak_run(s, CALM_MS);
	for (unsigned i = 0; i < s->nodes; i++)
		if (s->acks_by_node[i] == before[i])
			fail_msg("node %u gave no lease in %d ms without faults", i + 1, CALM_MS);
	s->quiet = true;
	soak_run(s, 300);
	held = soak_check_kept(s);
	assert_true(held > 0);
	soak_wait_equal(s);
	print_message("[  MEASURED ] %u acks (%u renewals), %u releases, %u expiries; longest "
		      "pause %llu ms; %u held at the end\n",
		s->acks, s->renewals, s->releases, s->expiries,
		(unsigned long long)s->longest_gap_ms, held);
	print_message("[  FAULTS   ] %u kills, %u stops, %u cuts, %u times loss\n", s->kills,
		s->stops, s->cuts, s->losses);
	if (holdings_find_duplicate(&s->holdings, &one, &other))
		fail_msg("%08x is held by client %u from %llu until %llu and by client %u from "
			 "%llu until %llu",
			one.ip, one.client, (unsigned long long)one.from_ms,
			(unsigned long long)one.until_ms, other.client,
			(unsigned long long)other.from_ms, (unsigned long long)other.until_ms);
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static bool own_network(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd;
	bool up;

	if (geteuid() != 0 || unshare(CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	if (fd >= 0)
		close(fd);
	assert_true(up);
	return nft("add table ip t") == 0 &&
	       nft("'add chain ip t c { type filter hook output priority 0; }'") == 0;
}

static void test_no_address_is_held_twice_and_no_lease_is_lost(void **state)
{
	struct soak *s = calloc(1, sizeof *s);
	uint64_t end_ms;

	(void)state;
	assert_non_null(s);
	s->nodes = (unsigned)number_of("PXE_SOAK_NODES", 3);
	s->seed = number_of("PXE_SOAK_SEED", (uint64_t)getpid());
	assert_in_range(s->nodes, 1, CLUSTER_NODES_MAX);
	s->network = own_network();
	print_message("[   SEED    ] %llu%s\n", (unsigned long long)s->seed,
		s->network ? "" : " (no network of our own to break)");
	soak_open(s);
	soak_run(s, 1500);
	s->longest_gap_ms = 0;
	s->answered_ms = cluster_now_ms();
	end_ms = cluster_now_ms() + number_of("PXE_SOAK_MS", 15000);
	while (cluster_now_ms() < end_ms) {
		if (s->network && s->nodes > 1 && soak_random(s, 2))
			soak_fault_network(s);
		else
			soak_fault_process(s);
		soak_run(s, soak_random(s, 1500));
	}
	soak_check_end(s);
	soak_close(s);
	holdings_fini(&s->holdings);
	free(s);
}

/* The judge itself. */
static void test_a_duplicate_is_found(void **state)
{
	struct holdings h = {0};
	struct holding one, other;
	size_t place;

	(void)state;
	assert_false(holdings_find_duplicate(&h, &one, &other));
	holdings_ack(&h, 1, 7, 100, 200);
	holdings_ack(&h, 1, 8, 200, 300); /* the moment that the first one ends */
	holdings_ack(&h, 2, 9, 100, 300);
	holdings_ack(&h, 1, 8, 250, 400); /* a renewal */
	assert_false(holdings_find_duplicate(&h, &one, &other));
	holdings_ack(&h, 2, 5, 299, 310);
	assert_true(holdings_find_duplicate(&h, &one, &other));
	assert_int_equal(one.client, 9);
	assert_int_equal(other.client, 5);
	holdings_fini(&h);
	place = holdings_ack(&h, 3, 1, 0, 1000);
	holdings_release(&h, place, 500);
	holdings_ack(&h, 3, 2, 500, 600);
	assert_false(holdings_find_duplicate(&h, &one, &other));
	holdings_ack(&h, 3, 3, 10, 20);
	assert_true(holdings_find_duplicate(&h, &one, &other));
	holdings_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_duplicate_is_found),
		cmocka_unit_test(test_no_address_is_held_twice_and_no_lease_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
