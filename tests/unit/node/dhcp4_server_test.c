/* The server on a real interface: a one-node cluster in a network namespace of its own, a client at
 * the other end of a cable (veth). Skipped where namespaces are not permitted. */
#include "node/dhcp4/dhcp4_probe.h"
#include "node/dhcp4/dhcp4_server.h"
#include "node/dhcp4/dhcp4_socket.h"
#include "proto/wire/dhcp4_build.h"
#include "proto/wire/udp4.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define IP(a, b, c, d)                                                                             \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

#define SERVE_IP   IP(10, 77, 0, 1)
#define PATIENCE_S 20 /* no measure of speed: only an end to waiting for what never comes */

struct site {
	uv_loop_t loop;
	void *zmq_context;
	struct zap *zap;
	struct kv *kv;
	struct transport *transport;
	struct replica *replica;
	struct events *events;
	struct dhcp4_server *server;
	char directory[64];
	uint8_t public_key[32], secret_key[32];
	unsigned settled, refused;
	uint64_t offers, acks, discovers;
	int client; /* packet socket at the client's end */
	int client_index;
	struct dhcp4_message reply;
	uint8_t packet[2048];
	struct udp4_datagram datagram;
};

static bool have_namespace;

static void run(const char *command)
{
	int status = system(command);
	if (status != 0)
		fail_msg("%s: status %d", command, status);
}

static void on_durable(void *ctx, uint64_t ticket)
{
	struct site *site = ctx;
	if (site->replica != NULL)
		replica_on_durable(site->replica, ticket);
}

static void on_fatal(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
	abort();
}

static void on_message(void *ctx, uint64_t from, const Pxe__Envelope *envelope)
{
	struct site *site = ctx;
	if (site->replica != NULL)
		replica_on_message(site->replica, from, envelope);
}

static uint64_t events_now(void *ctx)
{
	struct site *site = ctx;
	return site->replica != NULL ? replica_now_ms(site->replica) : 0;
}

static void open_replica(struct site *site)
{
	char error[256] = "";
	uint8_t serve_ip[4] = {10, 77, 0, 1};
	Pxe__Member self = PXE__MEMBER__INIT;
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	char name[] = "pxe1", peer[] = "127.0.0.1:7440", api[] = "127.0.0.1:7441",
	     join[] = "127.0.0.1:7442", cluster[] = "lab";
	uint8_t cluster_id[16] = {1};
	self.id = 1;
	self.name = name;
	self.peer_address = peer;
	self.api_address = api;
	self.join_address = join;
	self.serve_ip = (ProtobufCBinaryData){4, serve_ip};
	self.http_port = 80;
	self.public_key = (ProtobufCBinaryData){32, site->public_key};
	settings.cluster = cluster;
	settings.cluster_id = (ProtobufCBinaryData){16, cluster_id};
	settings.server_ip = (ProtobufCBinaryData){4, serve_ip};
	settings.dhcp = PXE__DHCP_MODE__DHCP_ON;
	settings.lease_s = 3600;
	settings.next_member_id = 2;
	settings.api_public_key = (ProtobufCBinaryData){32, site->public_key};

	struct transport_config transport = {.loop = &site->loop,
		.zmq_context = site->zmq_context,
		.zap = site->zap,
		.self = 1,
		.bind_address = peer,
		.ctx = site,
		.on_message = on_message};
	memcpy(transport.cluster_id, cluster_id, 16);
	memcpy(transport.public_key, site->public_key, 32);
	memcpy(transport.secret_key, site->secret_key, 32);
	if (transport_open(&transport, &site->transport, error, sizeof error) != 0)
		fail_msg("transport: %s", error);
	struct replica_config replica = {
		.loop = &site->loop, .kv = site->kv, .self = 1, .ctx = site};
	struct replica_bootstrap bootstrap = {.settings = &settings, .self = &self};
	if (replica_open(&replica, &bootstrap, &site->replica, error, sizeof error) != 0)
		fail_msg("replica: %s", error);
	replica_connect(site->replica, site->transport);
}

static void on_put(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct site *site = ctx;
	assert_int_equal(outcome, REPLICA_APPLIED);
	if (result->verdict != PXE__VERDICT__VERDICT_OK) {
		print_error("put: %s\n", result->detail);
		site->refused++;
	}
	site->settled++;
}

static bool is_leader(struct site *site)
{
	struct replica_view view;
	replica_get_view(site->replica, &view);
	return view.is_leader && view.fresh;
}

static void put(struct site *site, Pxe__Put *put)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	unsigned before = site->settled;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = put;
	assert_int_equal(
		replica_propose(site->replica, &command, 0, on_put, site), REPLICA_APPLIED);
	while (site->settled == before)
		uv_run(&site->loop, UV_RUN_ONCE);
	assert_int_equal(site->refused, 0);
}

static void configure(struct site *site)
{
	uint8_t network_ip[4] = {10, 77, 0, 0}, first_ip[4] = {10, 77, 16, 0},
		last_ip[4] = {10, 77, 31, 254};
	char name[] = "lab";
	Pxe__Put change = PXE__PUT__INIT;
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	Pxe__Pool pool = PXE__POOL__INIT;
	subnet.name = name;
	subnet.network_ip = (ProtobufCBinaryData){4, network_ip};
	subnet.prefix_len = 16;
	change.object_case = PXE__PUT__OBJECT_SUBNET;
	change.subnet = &subnet;
	while (!is_leader(site))
		uv_run(&site->loop, UV_RUN_ONCE);
	put(site, &change);
	pool.name = name;
	pool.subnet = name;
	pool.first_ip = (ProtobufCBinaryData){4, first_ip};
	pool.last_ip = (ProtobufCBinaryData){4, last_ip};
	change.object_case = PXE__PUT__OBJECT_POOL;
	change.pool = &pool;
	put(site, &change);
}

static void open_client(struct site *site)
{
	site->client = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETHERTYPE_IP));
	assert_true(site->client >= 0);
	site->client_index = (int)if_nametoindex("dhcpcli");
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_IP),
		.sll_ifindex = site->client_index};
	assert_int_equal(bind(site->client, (const struct sockaddr *)&address, sizeof address), 0);
	int bytes = 8 * 1024 * 1024;
	assert_int_equal(
		setsockopt(site->client, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes), 0);
}

static void open_server(struct site *site)
{
	char error[256] = "";
	struct dhcp4_server_config config = {.loop = &site->loop,
		.replica = site->replica,
		.events = site->events,
		.interface = "dhcpsrv",
		.self = 1,
		.serve_ip = SERVE_IP,
		.http_port = 80};
	if (dhcp4_server_open(&config, &site->server, error, sizeof error) != 0)
		fail_msg("server: %s", error);
}

static int setup(void **state)
{
	struct site *site = calloc(1, sizeof *site);
	assert_non_null(site);
	*state = site;
	if (!have_namespace)
		return 0;
	snprintf(site->directory, sizeof site->directory, "/tmp/dhcp4_server_test.XXXXXX");
	assert_non_null(mkdtemp(site->directory));
	crypto_box_keypair(site->public_key, site->secret_key);
	uv_loop_init(&site->loop);
	site->zmq_context = zmq_ctx_new();
	assert_int_equal(zap_open(&site->loop, site->zmq_context, &site->zap), 0);
	char error[256] = "";
	struct kv_config kv = {.loop = &site->loop,
		.directory = site->directory,
		.map_bytes = (uint64_t)1 << 30,
		.ctx = site,
		.on_durable = on_durable,
		.on_fatal = on_fatal};
	if (kv_open(&kv, &site->kv, error, sizeof error) != 0)
		fail_msg("kv: %s", error);
	open_replica(site);
	struct events_config events = {
		.loop = &site->loop, .node = "pxe1", .ctx = site, .now_ms = events_now};
	assert_int_equal(events_open(&events, &site->events), 0);
	configure(site);
	open_server(site);
	open_client(site);
	return 0;
}

static int teardown(void **state)
{
	struct site *site = *state;
	if (have_namespace) {
		char command[128];
		dhcp4_server_close(site->server);
		replica_close(site->replica);
		site->replica = NULL;
		events_close(site->events);
		transport_close(site->transport);
		kv_close(site->kv);
		zap_close(site->zap);
		while (uv_run(&site->loop, UV_RUN_NOWAIT) != 0)
			continue;
		assert_int_equal(uv_loop_close(&site->loop), 0);
		zmq_ctx_term(site->zmq_context);
		close(site->client);
		snprintf(command, sizeof command, "rm -rf '%s'", site->directory);
		run(command);
	}
	free(site);
	return 0;
}

/* ---- the client */

static size_t build(unsigned client, enum dhcp4_type type, uint32_t requested, uint16_t flags,
	uint8_t *packet, size_t capacity)
{
	struct dhcp4_builder builder;
	struct dhcp4_header header = {.op = DHCP4_BOOTREQUEST,
		.htype = 1,
		.hlen = 6,
		.xid = client,
		.flags = flags,
		.chaddr = {0x52, 0x54, 0, 0, (uint8_t)(client >> 8), (uint8_t)client}};
	dhcp4_build_init(&builder, packet, capacity, capacity);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, (uint8_t)type);
	if (requested != 0) {
		dhcp4_build_ip4(&builder, DHCP4_REQUESTED_ADDRESS, requested);
		dhcp4_build_ip4(&builder, DHCP4_SERVER_ID, SERVE_IP);
	}
	size_t size = dhcp4_build_finish(&builder);
	assert_int_not_equal(size, 0);
	return size;
}

static void client_send(struct site *site, unsigned client, enum dhcp4_type type,
	uint32_t requested, uint16_t flags)
{
	uint8_t packet[600], headers[UDP4_HEADERS_BYTES];
	size_t size = build(client, type, requested, flags, packet, sizeof packet);
	struct udp4_flow flow = {.destination = UINT32_MAX,
		.source_port = DHCP4_CLIENT_PORT,
		.destination_port = DHCP4_SERVER_PORT};
	udp4_headers_encode(&flow, 1, packet, size, headers);
	struct iovec part[2] = {{headers, sizeof headers}, {packet, size}};
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_IP),
		.sll_ifindex = site->client_index,
		.sll_halen = 6,
		.sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct msghdr message = {
		.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = part, .msg_iovlen = 2};
	assert_int_equal(sendmsg(site->client, &message, 0), sizeof headers + size);
}

/* The next answer on the cable; runs the server meanwhile. */
static void client_receive(struct site *site, struct sockaddr_ll *ret_frame)
{
	for (unsigned i = 0; i < PATIENCE_S * 1000; i++) {
		socklen_t frame_bytes = sizeof *ret_frame;
		uv_run(&site->loop, UV_RUN_NOWAIT);
		ssize_t size = recvfrom(site->client, site->packet, sizeof site->packet,
			MSG_DONTWAIT, (struct sockaddr *)ret_frame, &frame_bytes);
		if (size < 0) {
			usleep(1000);
			continue;
		}
		/* A checksum is the card's work here, and no card has done it. */
		if (udp4_decode(site->packet, (size_t)size, false, &site->datagram) != UDP4_OK ||
			site->datagram.flow.destination_port != DHCP4_CLIENT_PORT)
			continue;
		assert_int_equal(dhcp4_decode(site->datagram.payload, site->datagram.payload_bytes,
					 &site->reply),
			DHCP4_OK);
		return;
	}
	fail_msg("no answer");
}

static void count(void *ctx, const char *name, uint64_t value)
{
	struct site *site = ctx;
	if (strcmp(name, "dhcp_offer_sent") == 0)
		site->offers = value;
	if (strcmp(name, "dhcp_ack_sent") == 0)
		site->acks = value;
	if (strcmp(name, "dhcp_discover") == 0)
		site->discovers = value;
}

/* ---- tests */

static void a_client_without_an_address_gets_a_lease(void **state)
{
	struct site *site = *state;
	struct sockaddr_ll frame;
	if (!have_namespace)
		skip();
	client_send(site, 1, DHCP4_DISCOVER, 0, 0);
	client_receive(site, &frame);
	assert_int_equal(site->reply.type, DHCP4_OFFER);
	/* FIELD 21: no broadcast flag: the frame is for this machine alone, to the address it is
	 * about to get. */
	uint32_t ip = site->reply.header.yiaddr;
	assert_int_equal(site->datagram.flow.destination, ip);
	assert_int_equal(site->datagram.flow.source, SERVE_IP);
	assert_int_equal(site->datagram.flow.source_port, DHCP4_SERVER_PORT);
	assert_int_not_equal(frame.sll_pkttype, PACKET_BROADCAST);
	/* The raw frame's own checksums are complete. */
	struct udp4_datagram checked;
	assert_int_equal(udp4_decode(site->packet,
				 UDP4_HEADERS_BYTES + site->datagram.payload_bytes, true, &checked),
		UDP4_OK);

	client_send(site, 1, DHCP4_REQUEST, ip, 0);
	client_receive(site, &frame);
	assert_int_equal(site->reply.type, DHCP4_ACK);
	assert_int_equal(site->reply.header.yiaddr, ip);
	struct lease lease;
	assert_true(model_lease_of_ip(replica_model(site->replica), ip, &lease));
	assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_BOUND);
	dhcp4_server_each_counter(site->server, count, site);
	assert_int_equal(site->discovers, 1);
	assert_int_equal(site->offers, 1);
	assert_int_equal(site->acks, 1);
	assert_true(dhcp4_server_serving(site->server));
}

static void broadcast_flag_is_honoured(void **state)
{
	struct site *site = *state;
	struct sockaddr_ll frame;
	if (!have_namespace)
		skip();
	client_send(site, 2, DHCP4_DISCOVER, 0, DHCP4_FLAG_BROADCAST);
	client_receive(site, &frame);
	assert_int_equal(site->reply.type, DHCP4_OFFER);
	assert_int_equal(frame.sll_pkttype, PACKET_BROADCAST);
	assert_int_equal(site->datagram.flow.destination, UINT32_MAX);
	assert_int_equal(site->datagram.flow.source, SERVE_IP);
}

static void a_crowd_is_served_each_its_own_address(void **state)
{
	enum { CROWD = 300 }; /* fewer than may be under way at once */
	struct site *site = *state;
	struct sockaddr_ll frame;
	if (!have_namespace)
		skip();
	uint32_t offered[CROWD] = {0};
	for (unsigned i = 0; i < CROWD; i++)
		client_send(site, i, DHCP4_DISCOVER, 0, 0);
	for (unsigned i = 0; i < CROWD; i++) {
		client_receive(site, &frame);
		assert_int_equal(site->reply.type, DHCP4_OFFER);
		unsigned client = site->reply.header.xid;
		assert_true(client < CROWD);
		assert_int_equal(offered[client], 0);
		offered[client] = site->reply.header.yiaddr;
		for (unsigned j = 0; j < CROWD; j++)
			assert_true(j == client || offered[j] != offered[client]);
	}
}

static void closing_with_proposals_under_way_is_clean(void **state)
{
	struct site *site = *state;
	if (!have_namespace)
		skip();
	for (unsigned i = 0; i < 50; i++)
		client_send(site, i, DHCP4_DISCOVER, 0, 0);
	uv_run(&site->loop, UV_RUN_NOWAIT); /* received and proposed; teardown does the rest */
	dhcp4_server_each_counter(site->server, count, site);
	assert_true(site->discovers > 0);
}

static void missing_interface_is_named(void **state)
{
	struct dhcp4_socket *sock;
	char error[256] = "";
	(void)state;
	assert_int_equal(dhcp4_socket_open(&(struct dhcp4_socket_config){.interface = "nosuch0"},
				 &sock, error, sizeof error),
		-ENODEV);
	assert_non_null(strstr(error, "nosuch0"));
	assert_null(strchr(error, '\n'));
}

static void busy_port_names_its_holder(void **state)
{
	struct site *site = *state;
	struct dhcp4_socket *sock;
	char error[256] = "", pid[32];
	if (!have_namespace)
		skip();
	(void)site; /* its server holds the port */
	assert_int_equal(dhcp4_socket_open(&(struct dhcp4_socket_config){.interface = "dhcpsrv"},
				 &sock, error, sizeof error),
		-EADDRINUSE);
	snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
	assert_non_null(strstr(error, "dhcpsrv"));
	assert_non_null(strstr(error, pid));
	assert_null(strchr(error, '\n'));
}

/* ---- an address that a stranger uses */

/* Answer, as who has it, the next probe that is seen; the server runs meanwhile. */
static uint32_t take_probed_address(struct site *site, int arp)
{
	static const uint8_t stranger[6] = {0x52, 0x54, 0, 0xff, 0xff, 0xfe};
	uint8_t body[128];
	struct sockaddr_ll from;
	struct arp_packet probe;
	for (unsigned i = 0; i < PATIENCE_S * 1000; i++) {
		socklen_t from_bytes = sizeof from;
		uv_run(&site->loop, UV_RUN_NOWAIT);
		ssize_t size = recvfrom(arp, body, sizeof body, MSG_DONTWAIT,
			(struct sockaddr *)&from, &from_bytes);
		if (size < 0 || arp_decode(body, (size_t)size, &probe) != ARP_OK ||
			probe.sender_ip != 0) {
			usleep(1000);
			continue;
		}
		struct arp_packet answer = arp_reply(&probe, stranger);
		arp_encode(&answer, body);
		from.sll_protocol = htons(ARP_ETHERTYPE);
		assert_int_equal(
			sendto(arp, body, ARP_BYTES, 0, (struct sockaddr *)&from, sizeof from),
			ARP_BYTES);
		return probe.target_ip;
	}
	fail_msg("no probe");
	return 0;
}

static void an_address_that_a_stranger_uses_is_not_offered(void **state)
{
	struct site *site = *state;
	struct sockaddr_ll frame,
		address = {.sll_family = AF_PACKET, .sll_protocol = htons(ARP_ETHERTYPE)};
	struct lease lease;
	if (!have_namespace)
		skip();
	int arp = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	address.sll_ifindex = site->client_index;
	assert_int_equal(bind(arp, (struct sockaddr *)&address, sizeof address), 0);
	client_send(site, 3, DHCP4_DISCOVER, 0, 0);
	uint32_t taken = take_probed_address(site, arp);
	client_receive(site, &frame);
	assert_int_equal(site->reply.type, DHCP4_OFFER);
	assert_int_not_equal(site->reply.header.yiaddr, taken);
	assert_true(model_lease_of_ip(replica_model(site->replica), taken, &lease));
	assert_int_equal(lease.state, PXE__LEASE_STATE__LEASE_DECLINED);
	close(arp);
}

/* ---- beside another server */

static int hold_port(uint16_t port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
	return fd;
}

static struct dhcp4_socket *open_beside(void)
{
	struct dhcp4_socket_config config = {
		.interface = "dhcpsrv", .own_ip = SERVE_IP, .beside = true};
	struct dhcp4_socket *sock;
	char error[256];
	if (dhcp4_socket_open(&config, &sock, error, sizeof error) != 0)
		fail_msg("%s", error);
	return sock;
}

static int receive_one(struct dhcp4_socket *sock, enum dhcp4_door door, struct dhcp4_input *input)
{
	struct dhcp4_input inputs[DHCP4_SOCKET_BATCH];
	for (unsigned i = 0; i < PATIENCE_S * 1000; i++) {
		int count = dhcp4_socket_receive(sock, door, 1000000, inputs);
		if (count != 0) {
			*input = inputs[0];
			return count;
		}
		usleep(1000);
	}
	return 0;
}

static void what_comes_to_anothers_port_is_read_and_answered(void **state)
{
	struct site *site = *state;
	struct dhcp4_input input = {0};
	struct sockaddr_ll frame;
	struct dhcp4_reply reply = {.where = DHCP4_TO_EVERYBODY,
		.ip = UINT32_MAX,
		.port = DHCP4_CLIENT_PORT,
		.source_ip = 0};
	if (!have_namespace)
		skip();
	dhcp4_server_close(site->server);
	int holder = hold_port(DHCP4_SERVER_PORT);
	struct dhcp4_socket *sock = open_beside();
	assert_non_null(dhcp4_socket_holder(sock, DHCP4_DOOR_SERVER));
	assert_null(dhcp4_socket_holder(sock, DHCP4_DOOR_PXE));
	client_send(site, 4, DHCP4_DISCOVER, 0, 0);
	assert_int_equal(receive_one(sock, DHCP4_DOOR_SERVER, &input), 1);
	assert_int_equal(input.port, DHCP4_SERVER_PORT);
	assert_int_equal(input.source_port, DHCP4_CLIENT_PORT);
	assert_int_equal(input.link_ip, SERVE_IP);
	assert_false(input.unicast);
	/* What it sends itself, broadcast as it is, does not come back. */
	reply.size = build(4, DHCP4_DISCOVER, 0, 0, reply.data, sizeof reply.data);
	dhcp4_socket_queue(sock, &reply);
	dhcp4_socket_flush(sock);
	assert_int_equal(dhcp4_socket_failed(sock, NULL), 0);
	client_receive(site, &frame);
	assert_int_equal(site->datagram.flow.source_port, DHCP4_SERVER_PORT);
	assert_int_equal(site->datagram.flow.source, SERVE_IP);
	/* The other server is gone. */
	int old_fd = -1;
	assert_false(dhcp4_socket_take_port(sock, &old_fd));
	close(holder);
	assert_true(dhcp4_socket_take_port(sock, &old_fd));
	close(old_fd);
	client_send(site, 5, DHCP4_DISCOVER, 0, 0);
	assert_int_equal(receive_one(sock, DHCP4_DOOR_SERVER, &input), 1);
	/* It starts again, after us. */
	assert_true(dhcp4_socket_step_aside(sock, &old_fd));
	assert_false(dhcp4_socket_step_aside(sock, &old_fd));
	close(old_fd);
	holder = hold_port(DHCP4_SERVER_PORT);
	client_send(site, 6, DHCP4_DISCOVER, 0, 0);
	assert_int_equal(receive_one(sock, DHCP4_DOOR_SERVER, &input), 1);
	close(holder);
	dhcp4_socket_close(sock);
	open_server(site);
}

/* FIELD 32 */
static void answers_leave_from_the_port_that_was_asked(void **state)
{
	struct site *site = *state;
	struct sockaddr_ll frame;
	struct dhcp4_reply reply = {.where = DHCP4_TO_EVERYBODY,
		.ip = UINT32_MAX,
		.port = DHCP4_CLIENT_PORT,
		.source_port = DHCP4_PXE_PORT};
	if (!have_namespace)
		skip();
	dhcp4_server_close(site->server);
	struct dhcp4_socket *sock = open_beside();
	for (unsigned i = 0; i < 2; i++) {
		reply.where = i == 0 ? DHCP4_TO_EVERYBODY : DHCP4_TO_HARDWARE;
		memset(reply.mac, 0xff, sizeof reply.mac);
		reply.size = build(6, DHCP4_DISCOVER, 0, 0, reply.data, sizeof reply.data);
		dhcp4_socket_queue(sock, &reply);
		dhcp4_socket_flush(sock);
		client_receive(site, &frame);
		assert_int_equal(site->datagram.flow.source_port, DHCP4_PXE_PORT);
	}
	dhcp4_socket_close(sock);
	open_server(site);
}

/* ---- other servers */

static void another_server_is_noticed(void **state)
{
	struct site *site = *state;
	struct dhcp4_foreign server[DHCP4_WATCH_SERVERS];
	bool expected = true;
	size_t found = 0;
	if (!have_namespace)
		skip();
	uint8_t packet[600], headers[UDP4_HEADERS_BYTES];
	struct dhcp4_builder builder;
	struct dhcp4_header header = {
		.op = DHCP4_BOOTREPLY, .htype = 1, .hlen = 6, .yiaddr = IP(10, 77, 9, 9)};
	dhcp4_build_init(&builder, packet, sizeof packet, sizeof packet);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, DHCP4_OFFER);
	dhcp4_build_ip4(&builder, DHCP4_SERVER_ID, IP(10, 77, 9, 1));
	size_t size = dhcp4_build_finish(&builder);
	struct udp4_flow flow = {.source = IP(10, 77, 9, 1),
		.destination = UINT32_MAX,
		.source_port = DHCP4_SERVER_PORT,
		.destination_port = DHCP4_CLIENT_PORT};
	udp4_headers_encode(&flow, 1, packet, size, headers);
	struct iovec part[2] = {{headers, sizeof headers}, {packet, size}};
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_IP),
		.sll_ifindex = site->client_index,
		.sll_halen = 6,
		.sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct msghdr message = {
		.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = part, .msg_iovlen = 2};
	assert_int_equal(sendmsg(site->client, &message, 0), sizeof headers + size);
	for (unsigned i = 0; i < PATIENCE_S * 1000 && found == 0; i++) {
		uv_run(&site->loop, UV_RUN_NOWAIT);
		found = dhcp4_server_foreign(site->server, server, &expected);
		usleep(1000);
	}
	assert_int_equal(found, 1);
	assert_false(expected);
	assert_int_equal(server[0].ip, IP(10, 77, 9, 1));
	assert_int_equal(server[0].offered_ip, IP(10, 77, 9, 9));
	assert_true(server[0].has_mac);
	assert_int_equal(server[0].answers, 1);
}

/* A namespace of our own goes with the process, and takes the cable with it. */
static bool enter_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0 &&
	       system("ip link add dhcpsrv type veth peer name dhcpcli") == 0 &&
	       system("ip link set dhcpcli up && ip link set dhcpsrv up") == 0 &&
	       system("ip addr add 10.77.0.1/16 dev dhcpsrv") == 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_without_an_address_gets_a_lease),
		TEST(broadcast_flag_is_honoured),
		TEST(a_crowd_is_served_each_its_own_address),
		TEST(closing_with_proposals_under_way_is_clean),
		TEST(busy_port_names_its_holder),
		TEST(an_address_that_a_stranger_uses_is_not_offered),
		TEST(what_comes_to_anothers_port_is_read_and_answered),
		TEST(answers_leave_from_the_port_that_was_asked),
		TEST(another_server_is_noticed),
		cmocka_unit_test(missing_interface_is_named),
	};
	if (sodium_init() < 0)
		return 1;
	have_namespace = enter_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
