/* A real one-node cluster behind the admin server: disk, consensus, model; and clients of its
 * doors. */
#ifndef TESTS_UNIT_NODE_ADMIN_RIG_H
#define TESTS_UNIT_NODE_ADMIN_RIG_H

#include "node/admin/admin.h"
#include "proto/cred/keyfile.h"
#include "proto/cred/token.h"
#include "proto/msg/admin.pb-c.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define WAIT_MS 20000

struct node {
	uv_loop_t loop;
	void *zmq;
	struct zap *zap;
	struct kv *kv;
	struct replica *replica;
	struct transport *transport;
	struct events *events;
	struct admin *admin;
	struct keyfile own, api;
	char directory[64], socket_path[108], peer[32], api_address[32], join[32];
	uint64_t sequence;
};

/* ---- one node */

static inline int free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static inline void on_durable(void *ctx, uint64_t ticket)
{
	struct node *node = ctx;

	if (node->replica != NULL) {
		replica_on_durable(node->replica, ticket);
	}
}

static inline void on_fatal(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
	abort();
}

static inline uint64_t now_ms(void *ctx)
{
	return replica_now_ms(((struct node *)ctx)->replica);
}

static inline void count_one(void *ctx, admin_count_cb *count, void *into)
{
	(void)ctx;
	count(into, "test_counter", 42);
}

static inline void open_replica(struct node *node)
{
	char name[] = "pxe1", cluster[] = "lab", error[256], path[96];
	uint8_t id[16] = {1, 2, 3}, ip[4] = {127, 0, 0, 1};
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	Pxe__Member self = PXE__MEMBER__INIT;
	struct replica_bootstrap bootstrap = {.settings = &settings, .self = &self};
	struct kv_config kv = {.loop = &node->loop,
		.directory = path,
		.ctx = node,
		.on_durable = on_durable,
		.on_fatal = on_fatal};
	struct replica_config config = {.loop = &node->loop, .self = 1, .ctx = node};

	snprintf(path, sizeof path, "%s/state", node->directory);
	assert_int_equal(kv_open(&kv, &node->kv, error, sizeof error), 0);
	config.kv = node->kv;
	self.id = 1;
	self.name = name;
	self.peer_address = node->peer;
	self.api_address = node->api_address;
	self.join_address = node->join;
	self.serve_ip = (ProtobufCBinaryData){4, ip};
	self.http_port = 80;
	self.public_key = (ProtobufCBinaryData){32, node->own.public_key};
	settings.cluster = cluster;
	settings.cluster_id = (ProtobufCBinaryData){16, id};
	settings.dhcp = PXE__DHCP_MODE__DHCP_ON;
	settings.lease_s = 3600;
	settings.mclt_s = 600;
	settings.offer_s = 60;
	settings.api_public_key = (ProtobufCBinaryData){32, node->api.public_key};
	settings.next_member_id = 2;
	assert_int_equal(replica_open(&config, &bootstrap, &node->replica, error, sizeof error), 0);
}

static inline void open_doors(struct node *node)
{
	char error[256];
	struct transport_config peers = {.loop = &node->loop,
		.zmq_context = node->zmq,
		.zap = node->zap,
		.self = 1,
		.cluster_id = {1, 2, 3},
		.bind_address = node->peer,
		.ctx = node->replica,
		.on_message = replica_on_message};
	struct events_config events = {
		.loop = &node->loop, .node = "pxe1", .ctx = node, .now_ms = now_ms};
	struct admin_config admin = {.loop = &node->loop,
		.zmq_context = node->zmq,
		.zap = node->zap,
		.replica = node->replica,
		.self = 1,
		.socket_path = node->socket_path,
		.api_address = node->api_address,
		.join_address = node->join,
		.counters = count_one};

	memcpy(peers.public_key, node->own.public_key, 32);
	memcpy(peers.secret_key, node->own.secret_key, 32);
	assert_int_equal(transport_open(&peers, &node->transport, error, sizeof error), 0);
	replica_connect(node->replica, node->transport);
	assert_int_equal(events_open(&events, &node->events), 0);
	admin.events = node->events;
	memcpy(admin.api_public_key, node->api.public_key, 32);
	memcpy(admin.api_secret_key, node->api.secret_key, 32);
	assert_int_equal(admin_open(&admin, &node->admin, error, sizeof error), 0);
}

static inline void turn(struct node *node)
{
	uv_run(&node->loop, UV_RUN_NOWAIT);
	usleep(500);
}

static inline int setup(void **state)
{
	struct node *node = calloc(1, sizeof *node);
	struct replica_view view = {.has_quorum = false};

	assert_non_null(node);
	strcpy(node->directory, "/tmp/admin-test-XXXXXX");
	assert_non_null(mkdtemp(node->directory));
	snprintf(node->socket_path, sizeof node->socket_path, "%s/api.sock", node->directory);
	snprintf(node->peer, sizeof node->peer, "127.0.0.1:%d", free_port());
	snprintf(node->api_address, sizeof node->api_address, "127.0.0.1:%d", free_port());
	snprintf(node->join, sizeof node->join, "127.0.0.1:%d", free_port());
	assert_int_equal(keyfile_generate("own", &node->own), 0);
	assert_int_equal(keyfile_generate("api", &node->api), 0);
	assert_int_equal(uv_loop_init(&node->loop), 0);
	node->zmq = zmq_ctx_new();
	assert_int_equal(zap_open(&node->loop, node->zmq, &node->zap), 0);
	open_replica(node);
	open_doors(node);
	for (unsigned i = 0; !view.has_quorum && i < WAIT_MS; i++) {
		turn(node);
		replica_get_view(node->replica, &view);
	}
	assert_true(view.has_quorum);
	*state = node;
	return 0;
}

static inline int teardown(void **state)
{
	struct node *node = *state;
	char command[128];

	admin_close(node->admin);
	assert_int_not_equal(access(node->socket_path, F_OK), 0);
	replica_close(node->replica);
	transport_close(node->transport);
	events_close(node->events);
	zap_close(node->zap);
	kv_close(node->kv);
	uv_run(&node->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&node->loop), 0);
	zmq_ctx_term(node->zmq);
	snprintf(command, sizeof command, "rm -rf '%s'", node->directory);
	assert_int_equal(system(command), 0);
	free(node);
	return 0;
}

/* ---- clients */

static inline void *dial(struct node *node, const char *endpoint, const struct keyfile *key,
	const uint8_t server_key[32])
{
	void *socket = zmq_socket(node->zmq, ZMQ_DEALER);
	int linger = 0;

	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
	if (key != NULL) {
		zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, 32);
		zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, key->public_key, 32);
		zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, key->secret_key, 32);
	}
	assert_int_equal(zmq_connect(socket, endpoint), 0);
	return socket;
}

static inline void *dial_ipc(struct node *node)
{
	char endpoint[128];

	snprintf(endpoint, sizeof endpoint, "ipc://%s", node->socket_path);
	return dial(node, endpoint, NULL, NULL);
}

static inline void *dial_tcp(struct node *node, const char *address, const struct keyfile *key)
{
	char endpoint[64];

	snprintf(endpoint, sizeof endpoint, "tcp://%s", address);
	return dial(node, endpoint, key, node->api.public_key);
}

/* NULL when nothing came within limit_ms. */
static inline uint8_t *receive(
	struct node *node, void *socket, unsigned limit_ms, size_t *ret_bytes)
{
	zmq_msg_t message;
	uint8_t *data = NULL;

	zmq_msg_init(&message);
	for (unsigned i = 0; data == NULL && i < 2 * limit_ms; i++) {
		turn(node);
		if (zmq_msg_recv(&message, socket, ZMQ_DONTWAIT) >= 0) {
			*ret_bytes = zmq_msg_size(&message);
			data = malloc(*ret_bytes + 1);
			memcpy(data, zmq_msg_data(&message), *ret_bytes);
		}
	}
	zmq_msg_close(&message);
	return data;
}

static inline Pxe__AdminReply *read_reply(struct node *node, void *socket)
{
	size_t bytes = 0;
	uint8_t *data = receive(node, socket, WAIT_MS, &bytes);
	Pxe__AdminReply *reply;

	assert_non_null(data);
	reply = pxe__admin_reply__unpack(NULL, bytes, data);
	assert_non_null(reply);
	free(data);
	return reply;
}

static inline void send_request(struct node *node, void *socket, Pxe__AdminRequest *request)
{
	uint8_t data[8192];

	request->sequence = ++node->sequence;
	assert_true(pxe__admin_request__get_packed_size(request) <= sizeof data);
	assert_true(zmq_send(socket, data, pxe__admin_request__pack(request, data), 0) >= 0);
}

static inline Pxe__AdminReply *ask(struct node *node, void *socket, Pxe__AdminRequest *request)
{
	Pxe__AdminReply *reply;

	send_request(node, socket, request);
	reply = read_reply(node, socket);
	assert_int_equal(reply->sequence, request->sequence);
	return reply;
}

static inline Pxe__AdminReply *put_host(
	struct node *node, void *socket, const char *name, uint8_t last, uint8_t id[16])
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__Change change = PXE__CHANGE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Host host = PXE__HOST__INIT;
	uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, last};
	ProtobufCBinaryData macs[1] = {{6, mac}};
	char copy[64];

	snprintf(copy, sizeof copy, "%s", name);
	host.name = copy;
	host.n_mac = 1;
	host.mac = macs;
	put.precondition = PXE__PRECONDITION__PUT_CREATE;
	put.object_case = PXE__PUT__OBJECT_HOST;
	put.host = &host;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	change.command = &command;
	request.request_id = (ProtobufCBinaryData){16, id};
	request.body_case = PXE__ADMIN_REQUEST__BODY_CHANGE;
	request.change = &change;
	return ask(node, socket, &request);
}

static inline Pxe__AdminReply *list_hosts(struct node *node, void *socket, char *pattern)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__ListQuery query = PXE__LIST_QUERY__INIT;

	query.kind = PXE__OBJECT_KIND__OBJECT_HOST;
	query.name = pattern;
	request.body_case = PXE__ADMIN_REQUEST__BODY_LIST;
	request.list = &query;
	return ask(node, socket, &request);
}

static inline Pxe__AdminReply *get_status(struct node *node, void *socket)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__StatusQuery query = PXE__STATUS_QUERY__INIT;

	request.body_case = PXE__ADMIN_REQUEST__BODY_STATUS;
	request.status = &query;
	return ask(node, socket, &request);
}

static inline Pxe__AdminReply *make_token(
	struct node *node, void *socket, uint8_t id[16], char *for_name)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__TokenCreate create = PXE__TOKEN_CREATE__INIT;

	create.for_name = for_name;
	request.request_id = (ProtobufCBinaryData){16, id};
	request.body_case = PXE__ADMIN_REQUEST__BODY_TOKEN_CREATE;
	request.token_create = &create;
	return ask(node, socket, &request);
}

#endif
