#include "tests/unit/replica/support/cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

const char *const cluster_subnet = "lab";
static uint8_t first_ip[4] = {10, 1, 0, 0}, last_ip[4] = {10, 3, 255, 255},
	       network_ip[4] = {10, 0, 0, 0};

uint64_t cluster_now_ms(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

/* ---- one node */

uint16_t node_free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

void node_init(struct cluster_node *node, uint64_t id, const char *root, uint16_t port,
	const uint8_t cluster_id[16])
{
	*node = (struct cluster_node){.id = id};
	snprintf(node->directory, sizeof node->directory, "%s/n%llu", root, (unsigned long long)id);
	snprintf(node->address, sizeof node->address, "127.0.0.1:%u", port);
	snprintf(node->name, sizeof node->name, "n%llu", (unsigned long long)id);
	memcpy(node->cluster_id, cluster_id, 16);
	memcpy(node->serve_ip, (uint8_t[]){10, 0, 0, (uint8_t)(10 + id)}, 4);
	assert_true(sodium_init() >= 0);
	crypto_box_keypair(node->public_key, node->secret_key);
}

void node_member(const struct cluster_node *node, Pxe__Member *ret_member)
{
	pxe__member__init(ret_member);
	ret_member->id = node->id;
	ret_member->name = (char *)node->name;
	ret_member->peer_address = (char *)node->address;
	ret_member->api_address = (char *)"127.0.0.1:1";
	ret_member->join_address = (char *)"127.0.0.1:2";
	ret_member->serve_ip.data = (uint8_t *)node->serve_ip;
	ret_member->serve_ip.len = 4;
	ret_member->http_port = 80;
	ret_member->public_key.data = (uint8_t *)node->public_key;
	ret_member->public_key.len = 32;
}

static void node_on_durable(void *ctx, uint64_t ticket)
{
	struct cluster_node *node = ctx;
	if (node->replica != NULL)
		replica_on_durable(node->replica, ticket);
}

static void node_on_fatal(void *ctx, const char *text)
{
	struct cluster_node *node = ctx;
	fprintf(stderr, "%s: %s\n", node->name, text);
	abort();
}

static void node_on_message(void *ctx, uint64_t from, const Pxe__Envelope *envelope)
{
	struct cluster_node *node = ctx;
	if (node->replica != NULL && !(from <= CLUSTER_NODES_MAX && node->cut[from]))
		replica_on_message(node->replica, from, envelope);
}

static void node_on_other_epoch(void *ctx, uint64_t from, uint64_t epoch)
{
	struct cluster_node *node = ctx;
	if (node->replica != NULL)
		replica_on_other_epoch(node->replica, from, epoch);
}

static void node_on_journal(void *ctx, uint64_t number)
{
	struct cluster_node *node = ctx;
	assert_true(number > node->journal);
	node->journal = number;
	node->journal_calls++;
}

static void node_on_record(void *ctx, const uint8_t *key, size_t key_bytes)
{
	struct cluster_node *node = ctx;
	(void)key;
	if (key_bytes == 0)
		node->everything++;
	else
		node->records++;
}

static void node_on_alarm(void *ctx, const char *text)
{
	struct cluster_node *node = ctx;
	node->alarms++;
	snprintf(node->alarm, sizeof node->alarm, "%s", text);
	print_message("[ %s  ALARM  ] %s\n", node->name, text);
}

void node_start(
	struct cluster_node *node, uv_loop_t *loop, const struct replica_bootstrap *bootstrap)
{
	char error[256] = "";
	node->loop = loop;
	node->zmq_context = zmq_ctx_new();
	assert_int_equal(zap_open(loop, node->zmq_context, &node->zap), 0);
	struct kv_config kv = {
		.loop = loop,
		.directory = node->directory,
		.map_bytes = (uint64_t)1 << 30,
		.ctx = node,
		.on_durable = node_on_durable,
		.on_fatal = node_on_fatal,
	};
	if (node->small_disk) { /* room for more than an eighth, less than a quarter */
		kv.map_bytes = 8u << 20;
		kv.reserve_bytes = 40u << 20;
	}
	if (kv_open(&kv, &node->kv, error, sizeof error) != 0)
		fail_msg("kv: %s", error);
	node->journal = 0; /* numbers begin anew with each process */
	struct replica_config config = {
		.loop = loop,
		.env = node->env,
		.kv = node->kv,
		.self = node->id,
		.election_ms = 300 * node->slowness,
		.heartbeat_ms = 60 * node->slowness,
		.ctx = node,
		.on_record = node_on_record,
		.on_journal = node_on_journal,
		.on_alarm = node_on_alarm,
	};
	if (replica_open(&config, bootstrap, &node->replica, error, sizeof error) != 0)
		fail_msg("replica: %s", error);
	struct transport_config transport = {
		.loop = loop,
		.zmq_context = node->zmq_context,
		.zap = node->zap,
		.self = node->id,
		.epoch = replica_epoch(node->replica),
		.bind_address = node->address,
		.ctx = node,
		.on_message = node_on_message,
		.on_other_epoch = node_on_other_epoch,
	};
	memcpy(transport.cluster_id, node->cluster_id, 16);
	memcpy(transport.public_key, node->public_key, 32);
	memcpy(transport.secret_key, node->secret_key, 32);
	if (transport_open(&transport, &node->transport, error, sizeof error) != 0)
		fail_msg("transport: %s", error);
	replica_connect(node->replica, node->transport);
	if (node->reserves)
		replica_journal_state(node->replica, 0, UINT64_MAX);
	node->running = true;
}

void node_stop(struct cluster_node *node)
{
	if (!node->running)
		return;
	node->running = false;
	replica_close(node->replica);
	node->replica = NULL;
	transport_close(node->transport);
	kv_close(node->kv);
	zap_close(node->zap);
	for (unsigned i = 0; i < 5; i++)
		uv_run(node->loop, UV_RUN_NOWAIT);
	zmq_ctx_term(node->zmq_context);
}

void node_wipe(struct cluster_node *node)
{
	char command[200];
	snprintf(command, sizeof command, "rm -rf '%s'", node->directory);
	assert_int_equal(system(command), 0);
}

struct kv *node_open_disk(struct cluster_node *node, uv_loop_t *loop)
{
	char error[256] = "";
	struct kv *kv = NULL;
	struct kv_config config = {
		.loop = loop,
		.directory = node->directory,
		.map_bytes = (uint64_t)1 << 30,
		.ctx = node,
		.on_fatal = node_on_fatal,
	};
	assert_false(node->running);
	if (kv_open(&config, &kv, error, sizeof error) != 0)
		fail_msg("kv: %s", error);
	node->loop = loop;
	return kv;
}

void node_close_disk(struct cluster_node *node, struct kv *kv)
{
	kv_close(kv);
	for (unsigned i = 0; i < 5; i++)
		uv_run(node->loop, UV_RUN_NOWAIT);
}

/* ---- commands */

void cluster_fill_settings(struct cluster_node *first, Pxe__Settings *settings)
{
	static uint8_t server_ip[4] = {10, 0, 0, 1};
	pxe__settings__init(settings);
	settings->cluster = (char *)"test";
	settings->cluster_id.data = first->cluster_id;
	settings->cluster_id.len = 16;
	settings->server_ip.data = server_ip;
	settings->server_ip.len = 4;
	settings->dhcp = PXE__DHCP_MODE__DHCP_ON;
	settings->lease_s = 86400;
	settings->mclt_s = 600;
	settings->offer_s = 60;
	settings->decline_s = 600;
	settings->next_member_id = 2;
	settings->api_public_key.data = first->public_key;
	settings->api_public_key.len = 32;
}

void cluster_fill_subnet(Pxe__Command *command, Pxe__Put *put, Pxe__Subnet *subnet)
{
	pxe__command__init(command);
	pxe__put__init(put);
	pxe__subnet__init(subnet);
	subnet->name = (char *)cluster_subnet;
	subnet->network_ip.data = network_ip;
	subnet->network_ip.len = 4;
	subnet->prefix_len = 8;
	put->object_case = PXE__PUT__OBJECT_SUBNET;
	put->subnet = subnet;
	command->op_case = PXE__COMMAND__OP_PUT;
	command->put = put;
}

void cluster_fill_pool(Pxe__Command *command, Pxe__Put *put, Pxe__Pool *pool)
{
	pxe__command__init(command);
	pxe__put__init(put);
	pxe__pool__init(pool);
	pool->name = (char *)"pool";
	pool->subnet = (char *)cluster_subnet;
	pool->first_ip.data = first_ip;
	pool->first_ip.len = 4;
	pool->last_ip.data = last_ip;
	pool->last_ip.len = 4;
	put->object_case = PXE__PUT__OBJECT_POOL;
	put->pool = pool;
	command->op_case = PXE__COMMAND__OP_PUT;
	command->put = put;
}

uint32_t bind_ip(uint32_t number)
{
	return 0x0a010000u + number / 250 * 256 + 1 + number % 250; /* neither .0 nor .255 */
}

uint32_t bind_number(uint32_t ip)
{
	uint32_t at = ip - 0x0a010000u;
	return at / 256 * 250 + at % 256 - 1;
}

void bind_command_init(struct bind_command *bind, uint32_t number)
{
	uint32_t ip = bind_ip(number);
	pxe__command__init(&bind->command);
	pxe__bind__init(&bind->bind);
	pxe__client_info__init(&bind->who);
	bind->client[0] = 1;
	bind->client[1] = 2;
	bind->client[2] = 0;
	for (unsigned i = 0; i < 4; i++) {
		bind->client[3 + i] = (uint8_t)(number >> (24 - 8 * i));
		bind->ip[i] = (uint8_t)(ip >> (24 - 8 * i));
	}
	bind->who.client.data = bind->client;
	bind->who.client.len = sizeof bind->client;
	bind->who.mac.data = bind->client + 1;
	bind->who.mac.len = 6;
	bind->bind.who = &bind->who;
	bind->bind.subnet = (char *)cluster_subnet;
	bind->bind.ip.data = bind->ip;
	bind->bind.ip.len = 4;
	bind->bind.create = true;
	bind->command.op_case = PXE__COMMAND__OP_BIND;
	bind->command.bind = &bind->bind;
}

/* ---- all nodes */

void cluster_isolate(struct cluster *cluster, struct cluster_node *node, bool cut)
{
	for (unsigned i = 0; i < cluster->count; i++) {
		struct cluster_node *other = &cluster->node[i];
		if (other != node)
			other->cut[node->id] = node->cut[other->id] = cut;
	}
}

void cluster_turn(struct cluster *cluster)
{
	uv_run(&cluster->loop, UV_RUN_ONCE);
}

void cluster_turn_for(struct cluster *cluster, unsigned ms)
{
	uint64_t until_ms = cluster_now_ms() + ms;
	while (cluster_now_ms() < until_ms)
		cluster_turn(cluster);
}

void cluster_wait(struct cluster *cluster, bool (*condition)(struct cluster *cluster, void *ctx),
	void *ctx, const char *what)
{
	uint64_t end = cluster_now_ms() + CLUSTER_WAIT_MS;
	while (!condition(cluster, ctx)) {
		if (cluster_now_ms() > end) {
			for (unsigned i = 0; i < cluster->count; i++) {
				struct replica_view view;
				if (!cluster->node[i].running)
					continue;
				replica_get_view(cluster->node[i].replica, &view);
				print_message("node %llu: leader %llu term %llu last %llu commit "
					      "%llu applied %llu quorum %d\n",
					(unsigned long long)view.self,
					(unsigned long long)view.leader,
					(unsigned long long)view.term,
					(unsigned long long)view.last,
					(unsigned long long)view.commit,
					(unsigned long long)view.applied, view.has_quorum);
			}
			fail_msg("in vain: %s", what);
		}
		cluster_turn(cluster);
	}
}

struct cluster_node *cluster_leader(struct cluster *cluster)
{
	struct cluster_node *leader = NULL;
	for (unsigned i = 0; i < cluster->count; i++) {
		struct replica_view view;
		if (!cluster->node[i].running)
			continue;
		replica_get_view(cluster->node[i].replica, &view);
		if (view.leader == 0 || view.leader > cluster->count)
			return NULL;
		struct cluster_node *named = &cluster->node[view.leader - 1];
		if (!named->running || (leader != NULL && leader != named) || !view.has_quorum)
			return NULL;
		if (view.leader == view.self && !view.is_leader)
			return NULL;
		leader = named;
	}
	return leader;
}

static bool cluster_has_leader(struct cluster *cluster, void *ctx)
{
	(void)ctx;
	return cluster_leader(cluster) != NULL;
}

void cluster_wait_leader(struct cluster *cluster)
{
	cluster_wait(cluster, cluster_has_leader, NULL, "a leader that all agree on");
}

static bool cluster_is_equal(struct cluster *cluster, void *ctx)
{
	uint8_t first[32], digest[32];
	uint64_t applied = 0;
	(void)ctx;
	if (cluster_leader(cluster) == NULL)
		return false;
	for (unsigned i = 0; i < cluster->count; i++) {
		struct replica_view view;
		if (!cluster->node[i].running)
			continue;
		replica_get_view(cluster->node[i].replica, &view);
		model_digest(replica_model(cluster->node[i].replica), digest);
		if (view.applied != view.last || (applied != 0 && applied != view.applied))
			return false;
		if (applied == 0)
			memcpy(first, digest, sizeof first);
		applied = view.applied;
		/* Equal index, unequal state: no waiting will mend that. */
		assert_memory_equal(first, digest, sizeof first);
	}
	return true;
}

void cluster_wait_equal(struct cluster *cluster)
{
	cluster_wait(cluster, cluster_is_equal, NULL, "equal states");
}

struct do_wait {
	bool done;
	enum replica_outcome outcome;
	struct model_result result;
};

static void do_on_done(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct do_wait *wait = ctx;
	assert_false(wait->done);
	wait->done = true;
	wait->outcome = outcome;
	if (result != NULL)
		wait->result = *result;
}

static bool do_is_done(struct cluster *cluster, void *ctx)
{
	struct do_wait *wait = ctx;
	(void)cluster;
	return wait->done;
}

enum replica_outcome cluster_do(struct cluster *cluster, struct cluster_node *node,
	Pxe__Command *command, struct model_result *ret_result)
{
	struct do_wait wait = {.done = false};
	uint64_t end = cluster_now_ms() + CLUSTER_WAIT_MS;
	while (replica_propose(node->replica, command, 30000, do_on_done, &wait) !=
		REPLICA_APPLIED) {
		assert_true(cluster_now_ms() < end);
		cluster_turn(cluster);
	}
	cluster_wait(cluster, do_is_done, &wait, "an outcome");
	if (ret_result != NULL)
		*ret_result = wait.result;
	return wait.outcome;
}

void cluster_must(struct cluster *cluster, struct cluster_node *node, Pxe__Command *command)
{
	struct model_result result;
	assert_int_equal(cluster_do(cluster, node, command, &result), REPLICA_APPLIED);
	if (result.verdict != PXE__VERDICT__VERDICT_OK)
		fail_msg("refused: %d %s", (int)result.verdict, result.detail);
}

void cluster_must_bind(struct cluster *cluster, struct cluster_node *node, uint32_t number)
{
	struct bind_command bind;
	bind_command_init(&bind, number);
	cluster_must(cluster, node, &bind.command);
}

void cluster_open(struct cluster *cluster)
{
	Pxe__Settings settings;
	Pxe__Member self;
	Pxe__Command command;
	Pxe__Put put;
	Pxe__Subnet subnet;
	Pxe__Pool pool;
	*cluster = (struct cluster){.count = 1};
	assert_int_equal(uv_loop_init(&cluster->loop), 0);
	snprintf(cluster->root, sizeof cluster->root, "/tmp/pxe-replica-XXXXXX");
	assert_non_null(mkdtemp(cluster->root));
	assert_true(sodium_init() >= 0);
	randombytes_buf(cluster->cluster_id, sizeof cluster->cluster_id);
	node_init(&cluster->node[0], 1, cluster->root, node_free_port(), cluster->cluster_id);
	node_member(&cluster->node[0], &self);
	cluster_fill_settings(&cluster->node[0], &settings);
	struct replica_bootstrap bootstrap = {.settings = &settings, .self = &self};
	node_start(&cluster->node[0], &cluster->loop, &bootstrap);
	cluster_wait_leader(cluster);
	cluster_fill_subnet(&command, &put, &subnet);
	cluster_must(cluster, &cluster->node[0], &command);
	cluster_fill_pool(&command, &put, &pool);
	cluster_must(cluster, &cluster->node[0], &command);
}

void cluster_close(struct cluster *cluster)
{
	char command[100];
	for (unsigned i = 0; i < cluster->count; i++)
		node_stop(&cluster->node[i]);
	uv_run(&cluster->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&cluster->loop), 0);
	snprintf(command, sizeof command, "rm -rf '%s'", cluster->root);
	assert_int_equal(system(command), 0);
}

struct join_wait {
	struct cluster_node *node;
};

static bool join_is_voter(struct cluster *cluster, void *ctx)
{
	struct join_wait *wait = ctx;
	struct cluster_node *leader = cluster_leader(cluster);
	struct replica_view view;
	if (leader == NULL)
		return false;
	replica_get_view(leader->replica, &view);
	for (unsigned i = 0; i < view.member_count; i++) {
		if (view.member[i].id == wait->node->id && view.member[i].voter &&
			view.member[i].live)
			return view.commit == view.last;
	}
	return false;
}

struct cluster_node *cluster_join(struct cluster *cluster)
{
	struct cluster_node *node = &cluster->node[cluster->count];
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Token token = PXE__TOKEN__INIT;
	Pxe__MemberJoin join = PXE__MEMBER_JOIN__INIT;
	Pxe__Member member, seed[CLUSTER_NODES_MAX], *seed_pointer[CLUSTER_NODES_MAX];
	uint8_t id[8], secret[32], hash[32];
	struct model_result result;
	struct cluster_node *leader = cluster_leader(cluster);
	size_t seed_count = 0;
	assert_true(cluster->count < CLUSTER_NODES_MAX);
	assert_non_null(leader);
	node_init(node, cluster->count + 1, cluster->root, node_free_port(), cluster->cluster_id);
	randombytes_buf(id, sizeof id);
	randombytes_buf(secret, sizeof secret);
	crypto_generichash(hash, sizeof hash, secret, sizeof secret, NULL, 0);
	token.id = (ProtobufCBinaryData){.data = id, .len = sizeof id};
	token.secret_hash = (ProtobufCBinaryData){.data = hash, .len = sizeof hash};
	token.for_name = (char *)"";
	token.expires_ms = replica_now_ms(leader->replica) + 3600000;
	put.object_case = PXE__PUT__OBJECT_TOKEN;
	put.token = &token;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	assert_int_equal(cluster_do(cluster, leader, &command, &result), REPLICA_APPLIED);
	assert_int_equal(result.verdict, PXE__VERDICT__VERDICT_OK);
	node_member(node, &member);
	pxe__command__init(&command);
	join.token_id = token.id;
	join.token_secret = (ProtobufCBinaryData){.data = secret, .len = sizeof secret};
	join.member = &member;
	command.op_case = PXE__COMMAND__OP_MEMBER_JOIN;
	command.member_join = &join;
	assert_int_equal(cluster_do(cluster, leader, &command, &result), REPLICA_APPLIED);
	if (result.verdict != PXE__VERDICT__VERDICT_OK)
		fail_msg("join refused: %d %s", (int)result.verdict, result.detail);
	node->id = result.id; /* after a recovery some are left out */
	for (unsigned i = 0; i < cluster->count; i++) {
		if (!cluster->node[i].running)
			continue;
		node_member(&cluster->node[i], &seed[i]);
		seed_pointer[seed_count++] = &seed[i];
	}
	struct replica_bootstrap bootstrap = {.self = &member,
		.seed = seed_pointer,
		.seed_count = seed_count,
		.epoch = model_epoch(replica_model(leader->replica))};
	node_start(node, &cluster->loop, &bootstrap);
	cluster->count++;
	struct join_wait wait = {.node = node};
	cluster_wait(cluster, join_is_voter, &wait, "the joined node votes");
	return node;
}

void cluster_grow(struct cluster *cluster, unsigned count)
{
	while (cluster->count < count)
		cluster_join(cluster);
	cluster_wait_equal(cluster);
}

void cluster_restart(struct cluster *cluster, unsigned index)
{
	node_start(&cluster->node[index], &cluster->loop, NULL);
}
