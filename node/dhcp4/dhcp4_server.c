#include "node/dhcp4/dhcp4_server.h"

#include "node/dhcp4/dhcp4_probe.h"
#include "node/dhcp4/dhcp4_socket.h"
#include "node/log/log.h"
#include "proto/wire/text.h"
#include "store/model/levels.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVERY_MS  10000
#define TAKE_EVERY_MS 10000 /* how often a port that is another's is tried again */

/* A condition that is logged at most once in LOG_EVERY_MS. */
struct dhcp4_complaint {
	uint64_t seen; /* the counter's value when last looked at */
	uint64_t logged_ms;
};

/* One of the two ports. */
struct dhcp4_server_door {
	struct dhcp4_server *server;
	uv_poll_t poll;
	int old_fd; /* to be closed with the handle; -1: none */
};

struct dhcp4_server {
	uv_loop_t *loop;
	struct events *events;
	struct replica *replica;
	struct dhcp4_socket *socket;
	struct dhcp4_service *service;
	struct dhcp4_probe *probe; /* NULL: addresses cannot be probed here */
	struct dhcp4_watch *watch; /* NULL: other servers cannot be heard here */
	char interface[32];
	uint32_t serve_ip;
	struct dhcp4_server_door door[DHCP4_DOORS];
	uv_timer_t timer;
	uv_idle_t turn_end;
	bool closing;
	unsigned handles_open;
	bool port_wanted; /* when it was last taken or given up, or this was tried */
	uint64_t tried_ms;
	uint64_t rate_since_ms, rate_base;
	uint32_t rate;
	struct dhcp4_complaint no_quorum, no_address, no_send;
	struct dhcp4_input input[DHCP4_SOCKET_BATCH];
};

static uint64_t boot_ms(void)
{
	const struct replica_env *env = replica_env_system();
	return env->now_boot_ms(env->ctx);
}

static void on_turn_end(uv_idle_t *handle)
{
	struct dhcp4_server *server = handle->data;
	dhcp4_service_turn_end(server->service);
	dhcp4_socket_flush(server->socket);
	uv_idle_stop(handle);
}

/* The replica tells outcomes at the end of its turn, from a prepare handle, when only an idle
 * handle still keeps the loop from waiting; its callback comes first thing in the next turn. */
static void want_turn_end(struct dhcp4_server *server)
{
	if (!uv_is_active((uv_handle_t *)&server->turn_end))
		uv_idle_start(&server->turn_end, on_turn_end);
}

static void on_send(void *ctx, const struct dhcp4_reply *reply)
{
	struct dhcp4_server *server = ctx;
	dhcp4_socket_queue(server->socket, reply);
	want_turn_end(server);
}

static void on_event(void *ctx, const struct event *event)
{
	struct dhcp4_server *server = ctx;
	events_post(server->events, event);
}

static enum dhcp4_door door_of(const struct dhcp4_server_door *door)
{
	return door == &door->server->door[DHCP4_DOOR_PXE] ? DHCP4_DOOR_PXE : DHCP4_DOOR_SERVER;
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct dhcp4_server_door *door = handle->data;
	struct dhcp4_server *server = door->server;
	(void)events;
	if (status < 0)
		return;
	int count = dhcp4_socket_receive(server->socket, door_of(door), boot_ms(), server->input);
	if (count <= 0)
		return; /* an error such as ENETDOWN is told by the next read, or goes */
	/* One of a batch: a flood is not to be read twice. */
	if (server->watch != NULL)
		dhcp4_watch_on_request(server->watch, &server->input[count - 1]);
	dhcp4_service_on_packets(server->service, server->input, (size_t)count);
	want_turn_end(server);
}

/* ---- who uses an address, and who else answers */

static bool on_probe_wanted(void *ctx, uint32_t ip, uint64_t ticket)
{
	struct dhcp4_server *server = ctx;
	return server->probe != NULL && dhcp4_probe_ask(server->probe, ip, ticket);
}

static void on_verdict(void *ctx, uint64_t ticket, uint32_t ip, const uint8_t *mac)
{
	struct dhcp4_server *server = ctx;
	char address[TEXT_IP4_BYTES], who[TEXT_MAC_BYTES];
	if (mac != NULL)
		log_warn("%s is used on %s by %s without a lease: the address rests for a while; "
			 "give that machine a reservation, or take the address out of the pool",
			text_ip4_format(ip, address), server->interface, text_mac_format(mac, who));
	dhcp4_service_on_probe(server->service, ticket, mac != NULL);
	want_turn_end(server);
}

static uint64_t on_now(void *ctx)
{
	(void)ctx;
	return boot_ms();
}

static bool is_ours(void *ctx, uint32_t ip)
{
	const struct dhcp4_server *server = ctx;
	return ip == server->serve_ip || dhcp4_watch_is_ours(replica_model(server->replica), ip);
}

/* Of our own segment. */
static Pxe__DhcpMode link_mode(const struct replica *replica, uint32_t serve_ip)
{
	const struct model *model = replica_model(replica);
	return model_settings(model) == NULL
		       ? PXE__DHCP_MODE__DHCP_OFF
		       : model_dhcp_mode(model, model_subnet_of(model, serve_ip));
}

static void post_foreign(struct dhcp4_server *server, const struct dhcp4_foreign *foreign,
	const char *offered, const char *mac)
{
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_DHCP_FOREIGN, .ip = foreign->ip};
	if (foreign->has_mac) {
		memcpy(event.mac, foreign->mac, sizeof foreign->mac);
		event.mac_bytes = sizeof foreign->mac;
	}
	snprintf(event.text, sizeof event.text,
		"another DHCP server answers%s%s%s%s: stop it, or leave the addresses to it: "
		"pxectl cluster set dhcp=proxy",
		mac[0] == '\0' ? "" : " from ", mac, offered[0] == '\0' ? "" : ", it gives ",
		offered);
	events_post(server->events, &event);
}

static void on_foreign(void *ctx, const struct dhcp4_foreign *foreign)
{
	struct dhcp4_server *server = ctx;
	char ip[TEXT_IP4_BYTES], offered[TEXT_IP4_BYTES] = "", mac[TEXT_MAC_BYTES] = "";
	text_ip4_format(foreign->ip, ip);
	if (foreign->offered_ip != 0)
		text_ip4_format(foreign->offered_ip, offered);
	if (foreign->has_mac)
		text_mac_format(foreign->mac, mac);
	if (link_mode(server->replica, server->serve_ip) == PXE__DHCP_MODE__DHCP_PROXY) {
		log_info("DHCP server %s%s%s gives the addresses on %s", ip,
			mac[0] == '\0' ? "" : " at ", mac, server->interface);
		return;
	}
	log_warn("another DHCP server answers on %s: %s%s%s%s%s. Stop it, or leave the addresses "
		 "to it: pxectl cluster set dhcp=proxy",
		server->interface, ip, mac[0] == '\0' ? "" : " at ", mac,
		offered[0] == '\0' ? "" : ", it gives ", offered);
	post_foreign(server, foreign, offered, mac);
}

/* true: the counter moved, and it is time for another line about it. */
static bool complain(struct dhcp4_complaint *complaint, uint64_t value, uint64_t now_ms,
	uint64_t *ret_since_last)
{
	bool due = complaint->logged_ms == 0 || now_ms - complaint->logged_ms >= LOG_EVERY_MS;
	if (value == complaint->seen || !due)
		return false;
	*ret_since_last = value - complaint->seen;
	complaint->seen = value;
	complaint->logged_ms = now_ms;
	return true;
}

static void log_complaints(struct dhcp4_server *server, uint64_t now_ms)
{
	uint64_t count;
	uint64_t refused = dhcp4_service_counter(server->service, DHCP4_COUNT_DROP_NO_QUORUM);
	if (complain(&server->no_quorum, refused, now_ms, &count))
		log_warn("no quorum: %" PRIu64 " DHCP requests on %s were not answered; bring back"
			 " nodes until a majority is up, see `pxectl status`",
			count, server->interface);
	uint64_t empty = dhcp4_service_counter(server->service, DHCP4_COUNT_DROP_ISOLATED);
	if (complain(&server->no_address, empty, now_ms, &count))
		log_warn("no quorum: for %" PRIu64 " DHCP requests on %s there was nothing in this "
			 "node's own reserve; bring back nodes until a majority is up, see `pxectl "
			 "status`",
			count, server->interface);
	int error;
	uint64_t failed = dhcp4_socket_failed(server->socket, &error);
	if (complain(&server->no_send, failed, now_ms, &count))
		log_warn("%" PRIu64 " DHCP answers could not be sent on %s: %s", count,
			server->interface, strerror(error));
}

static uint64_t sent_total(const struct dhcp4_server *server)
{
	return dhcp4_service_counter(server->service, DHCP4_COUNT_OFFER_SENT) +
	       dhcp4_service_counter(server->service, DHCP4_COUNT_ACK_SENT) +
	       dhcp4_service_counter(server->service, DHCP4_COUNT_NAK_SENT);
}

static void measure_rate(struct dhcp4_server *server, uint64_t now_ms)
{
	uint64_t took_ms = now_ms - server->rate_since_ms;
	if (took_ms < 1000)
		return;
	uint64_t sent = sent_total(server);
	server->rate = (uint32_t)((sent - server->rate_base) * 1000 / took_ms);
	server->rate_base = sent;
	server->rate_since_ms = now_ms;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct dhcp4_server *server = handle->data;
	if (--server->handles_open == 0)
		free(server);
}

static int watch_door(struct dhcp4_server *server, enum dhcp4_door which)
{
	struct dhcp4_server_door *door = &server->door[which];
	int fd = dhcp4_socket_fd(server->socket, which);
	door->server = server;
	door->old_fd = -1;
	if (fd < 0)
		return 0;
	int result = uv_poll_init(server->loop, &door->poll, fd);
	if (result < 0)
		return result;
	door->poll.data = door;
	server->handles_open++;
	return uv_poll_start(&door->poll, UV_READABLE, on_readable);
}

static void on_door_closed(uv_handle_t *handle)
{
	struct dhcp4_server_door *door = handle->data;
	struct dhcp4_server *server = door->server;
	if (door->old_fd >= 0)
		close(door->old_fd);
	door->old_fd = -1;
	server->handles_open--;
	if (server->closing && server->handles_open == 0)
		free(server);
	else if (!server->closing && watch_door(server, door_of(door)) < 0)
		log_error("port 67 on %s cannot be watched: restart pxed", server->interface);
}

/* Its descriptor was replaced. */
static void change_door(struct dhcp4_server_door *door, int old_fd)
{
	door->old_fd = old_fd;
	uv_poll_stop(&door->poll);
	uv_close((uv_handle_t *)&door->poll, on_door_closed);
}

static void take_port(struct dhcp4_server *server, struct dhcp4_server_door *door)
{
	int old_fd;
	if (dhcp4_socket_take_port(server->socket, &old_fd)) {
		log_info("port 67 on %s is ours now", server->interface);
		change_door(door, old_fd);
		return;
	}
	const char *holder = dhcp4_socket_holder(server->socket, DHCP4_DOOR_SERVER);
	log_warn("port 67 on %s is in use by %s, and this node is to answer there, too: stop that "
		 "server, or: pxectl cluster set dhcp=proxy",
		server->interface, holder != NULL ? holder : "another process");
}

/* The port is ours where we lease addresses, and left to others where we do not. Retried, as the
 * other server may end later. */
static void keep_port(struct dhcp4_server *server, uint64_t now_ms)
{
	struct dhcp4_server_door *door = &server->door[DHCP4_DOOR_SERVER];
	bool wanted = link_mode(server->replica, server->serve_ip) == PXE__DHCP_MODE__DHCP_ON;
	bool due = wanted != server->port_wanted || now_ms - server->tried_ms >= TAKE_EVERY_MS;
	int old_fd;
	if (wanted != dhcp4_socket_is_beside(server->socket) || !due ||
		uv_is_closing((uv_handle_t *)&door->poll))
		return;
	server->port_wanted = wanted;
	server->tried_ms = now_ms;
	if (wanted)
		take_port(server, door);
	else if (dhcp4_socket_step_aside(server->socket, &old_fd))
		change_door(door, old_fd);
}

static void on_tick(uv_timer_t *handle)
{
	struct dhcp4_server *server = handle->data;
	uint64_t now_ms = boot_ms();
	measure_rate(server, now_ms);
	log_complaints(server, now_ms);
	keep_port(server, now_ms);
	dhcp4_service_tick(server->service);
}

static int start_handles(struct dhcp4_server *server, char *ret_error, size_t error_bytes)
{
	uv_timer_init(server->loop, &server->timer);
	uv_idle_init(server->loop, &server->turn_end);
	server->handles_open = 2;
	server->timer.data = server;
	server->turn_end.data = server;
	uv_timer_start(&server->timer, on_tick, DHCP4_SERVICE_TICK_MS, DHCP4_SERVICE_TICK_MS);
	int result = watch_door(server, DHCP4_DOOR_SERVER);
	if (result == 0)
		result = watch_door(server, DHCP4_DOOR_PXE);
	if (result < 0)
		snprintf(ret_error, error_bytes, "cannot watch ports 67 and 4011 on %s: %s",
			server->interface, uv_strerror(result));
	return result;
}

static int open_service(struct dhcp4_server *server, const struct dhcp4_server_config *config,
	char *ret_error, size_t error_bytes)
{
	struct dhcp4_service_config service = {.replica = config->replica,
		.self = config->self,
		.serve_ip = config->serve_ip,
		.http_port = config->http_port,
		.ctx = server,
		.send = on_send,
		.event = on_event,
		.probe = on_probe_wanted};
	return dhcp4_service_open(&service, &server->service, ret_error, error_bytes);
}

static int open_sockets(struct dhcp4_server *server, const struct dhcp4_server_config *config,
	char *ret_error, size_t error_bytes)
{
	struct dhcp4_socket_config sock = {.interface = config->interface,
		.own_ip = config->serve_ip,
		.beside = link_mode(config->replica, config->serve_ip) != PXE__DHCP_MODE__DHCP_ON};
	int result = dhcp4_socket_open(&sock, &server->socket, ret_error, error_bytes);
	server->port_wanted = !sock.beside;
	if (result < 0)
		return result;
	const char *holder = dhcp4_socket_holder(server->socket, DHCP4_DOOR_SERVER);
	if (holder != NULL)
		log_info("port 67 on %s is in use by %s: this node reads and answers beside it",
			config->interface, holder);
	holder = dhcp4_socket_holder(server->socket, DHCP4_DOOR_PXE);
	if (holder != NULL)
		log_warn("port 4011 on %s is in use by %s: stop it, or machines that ask there for "
			 "their boot program are answered by it, or not at all",
			config->interface, holder);
	return 0;
}

/* Neither is vital: without them addresses are leased unasked, and other servers stay unnoticed. */
static void open_ears(struct dhcp4_server *server)
{
	struct dhcp4_probe_config probe = {.loop = server->loop,
		.interface = server->interface,
		.ctx = server,
		.on_verdict = on_verdict};
	struct dhcp4_watch_config watch = {.loop = server->loop,
		.interface = server->interface,
		.ctx = server,
		.now_boot_ms = on_now,
		.is_ours = is_ours,
		.on_foreign = on_foreign};
	int result = dhcp4_probe_open(&probe, &server->probe);
	if (result < 0)
		log_warn("addresses are leased on %s without asking whether they are in use: %s",
			server->interface, strerror(-result));
	result = dhcp4_watch_open(&watch, &server->watch);
	if (result < 0)
		log_warn("other DHCP servers on %s will not be noticed: %s", server->interface,
			strerror(-result));
}

static void close_handles(struct dhcp4_server *server)
{
	server->closing = true;
	for (unsigned i = 0; i < DHCP4_DOORS; i++) {
		uv_poll_t *poll = &server->door[i].poll;
		if (poll->data == NULL || uv_is_closing((uv_handle_t *)poll))
			continue;
		uv_poll_stop(poll);
		uv_close((uv_handle_t *)poll, on_door_closed);
	}
	uv_close((uv_handle_t *)&server->timer, on_handle_closed);
	uv_close((uv_handle_t *)&server->turn_end, on_handle_closed);
	dhcp4_probe_close(server->probe);
	dhcp4_watch_close(server->watch);
	dhcp4_socket_close(server->socket);
	server->socket = NULL;
	server->probe = NULL;
	server->watch = NULL;
}

int dhcp4_server_open(const struct dhcp4_server_config *config, struct dhcp4_server **ret_server,
	char *ret_error, size_t error_bytes)
{
	assert(config->loop != NULL && config->replica != NULL && config->events != NULL);
	assert(config->interface != NULL && error_bytes > 0);
	struct dhcp4_server *server = calloc(1, sizeof *server);
	if (server == NULL) {
		snprintf(ret_error, error_bytes, "out of memory");
		return -ENOMEM;
	}
	server->loop = config->loop;
	server->events = config->events;
	server->replica = config->replica;
	server->serve_ip = config->serve_ip;
	server->rate_since_ms = server->tried_ms = boot_ms();
	snprintf(server->interface, sizeof server->interface, "%s", config->interface);
	int result = open_sockets(server, config, ret_error, error_bytes);
	if (result == 0)
		result = open_service(server, config, ret_error, error_bytes);
	if (result < 0) {
		dhcp4_socket_close(server->socket);
		free(server);
		return result;
	}
	result = start_handles(server, ret_error, error_bytes);
	if (result < 0) {
		dhcp4_service_close(server->service);
		close_handles(server);
		return result;
	}
	open_ears(server);
	*ret_server = server;
	return 0;
}

void dhcp4_server_on_journal(struct dhcp4_server *server, uint64_t number)
{
	if (!server->closing)
		dhcp4_service_on_journal(server->service, number);
}

void dhcp4_server_set_removed(struct dhcp4_server *server, bool removed)
{
	if (!server->closing)
		dhcp4_service_set_removed(server->service, removed);
}

bool dhcp4_server_serving(const struct dhcp4_server *server)
{
	return !server->closing && dhcp4_service_serving(server->service);
}

void dhcp4_server_get_isolation(
	const struct dhcp4_server *server, struct dhcp4_isolation *ret_isolation)
{
	assert(!server->closing);
	dhcp4_service_get_isolation(server->service, ret_isolation);
}

uint32_t dhcp4_server_rate(const struct dhcp4_server *server)
{
	return server->rate;
}

size_t dhcp4_server_foreign(const struct dhcp4_server *server,
	struct dhcp4_foreign ret_servers[DHCP4_WATCH_SERVERS], bool *ret_expected)
{
	*ret_expected = link_mode(server->replica, server->serve_ip) == PXE__DHCP_MODE__DHCP_PROXY;
	return server->watch == NULL
		       ? 0
		       : dhcp4_watch_list(server->watch, ret_servers, DHCP4_WATCH_SERVERS);
}

const char *dhcp4_server_port_holder(const struct dhcp4_server *server, uint16_t port)
{
	return dhcp4_socket_holder(
		server->socket, port == DHCP4_PXE_PORT ? DHCP4_DOOR_PXE : DHCP4_DOOR_SERVER);
}

static void count_probes(const struct dhcp4_server *server,
	void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx)
{
	struct dhcp4_probe_stats stats;
	if (server->probe == NULL)
		return;
	dhcp4_probe_get_stats(server->probe, &stats);
	if (stats.full > 0)
		visit(ctx, "dhcp_probe_full", stats.full);
	if (stats.failed > 0)
		visit(ctx, "dhcp_probe_failed", stats.failed);
}

void dhcp4_server_each_counter(const struct dhcp4_server *server,
	void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx)
{
	for (unsigned i = DHCP4_COUNT_NONE + 1; i < DHCP4_COUNT_COUNT; i++) {
		enum dhcp4_count count = (enum dhcp4_count)i;
		uint64_t value = count == DHCP4_COUNT_DROP_SEND
					 ? dhcp4_socket_failed(server->socket, NULL)
					 : dhcp4_service_counter(server->service, count);
		if (value > 0 || dhcp4_count_is_main(count))
			visit(ctx, dhcp4_count_name(count), value);
	}
	count_probes(server, visit, ctx);
}

void dhcp4_server_close(struct dhcp4_server *server)
{
	if (server == NULL)
		return;
	assert(!server->closing);
	dhcp4_socket_flush(server->socket);
	dhcp4_service_close(server->service);
	server->service = NULL;
	close_handles(server);
}
