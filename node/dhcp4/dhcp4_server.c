#include "node/dhcp4/dhcp4_server.h"

#include "node/dhcp4/dhcp4_socket.h"
#include "node/log/log.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVERY_MS   10000
#define SERVER_HANDLES 3

/* A condition that is logged at most once in LOG_EVERY_MS. */
struct dhcp4_complaint {
	uint64_t seen; /* the counter's value when last looked at */
	uint64_t logged_ms;
};

struct dhcp4_server {
	uv_loop_t *loop;
	struct events *events;
	struct dhcp4_socket *socket;
	struct dhcp4_service *service;
	char interface[32];
	uint32_t serve_ip;
	uv_poll_t poll;
	uv_timer_t timer;
	uv_idle_t turn_end;
	bool closing;
	unsigned handles_open;
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

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct dhcp4_server *server = handle->data;
	(void)events;
	if (status < 0)
		return;
	int count =
		dhcp4_socket_receive(server->socket, server->serve_ip, boot_ms(), server->input);
	if (count <= 0)
		return; /* an error such as ENETDOWN is told by the next read, or goes */
	dhcp4_service_on_packets(server->service, server->input, (size_t)count);
	want_turn_end(server);
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

static void on_tick(uv_timer_t *handle)
{
	struct dhcp4_server *server = handle->data;
	uint64_t now_ms = boot_ms();
	measure_rate(server, now_ms);
	log_complaints(server, now_ms);
	dhcp4_service_tick(server->service);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct dhcp4_server *server = handle->data;
	if (--server->handles_open == 0)
		free(server);
}

static int start_handles(struct dhcp4_server *server, char *ret_error, size_t error_bytes)
{
	int result = uv_poll_init(server->loop, &server->poll, dhcp4_socket_fd(server->socket));
	if (result < 0) {
		snprintf(ret_error, error_bytes, "cannot watch port 67 on %s: %s",
			server->interface, uv_strerror(result));
		return result;
	}
	uv_timer_init(server->loop, &server->timer);
	uv_idle_init(server->loop, &server->turn_end);
	server->handles_open = SERVER_HANDLES;
	server->poll.data = server;
	server->timer.data = server;
	server->turn_end.data = server;
	uv_poll_start(&server->poll, UV_READABLE, on_readable);
	uv_timer_start(&server->timer, on_tick, DHCP4_SERVICE_TICK_MS, DHCP4_SERVICE_TICK_MS);
	return 0;
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
		.event = on_event};
	return dhcp4_service_open(&service, &server->service, ret_error, error_bytes);
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
	server->serve_ip = config->serve_ip;
	server->rate_since_ms = boot_ms();
	snprintf(server->interface, sizeof server->interface, "%s", config->interface);
	int result = dhcp4_socket_open(config->interface, &server->socket, ret_error, error_bytes);
	if (result == 0)
		result = open_service(server, config, ret_error, error_bytes);
	if (result == 0)
		result = start_handles(server, ret_error, error_bytes);
	if (result < 0) {
		dhcp4_service_close(server->service);
		dhcp4_socket_close(server->socket);
		free(server);
		return result;
	}
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
}

void dhcp4_server_close(struct dhcp4_server *server)
{
	if (server == NULL)
		return;
	assert(!server->closing);
	dhcp4_socket_flush(server->socket);
	dhcp4_service_close(server->service);
	server->service = NULL;
	server->closing = true;
	uv_poll_stop(&server->poll);
	uv_close((uv_handle_t *)&server->poll, on_handle_closed);
	uv_close((uv_handle_t *)&server->timer, on_handle_closed);
	uv_close((uv_handle_t *)&server->turn_end, on_handle_closed);
	dhcp4_socket_close(server->socket);
	server->socket = NULL;
}
