#include "node/syslog/syslog_server.h"

#include "node/log/log.h"
#include "node/machines/machines_who.h"
#include "node/syslog/syslog_line.h"
#include "proto/host/port_holder.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS     1000
#define AGAIN_TICKS 30 /* between two tries to get the port */
#define BATCH       32
#define LINE_BYTES  2048 /* of a longer one the rest is cut off */
#define LINES_PER_S 1000 /* of all senders */

struct syslog_server {
	struct syslog_server_config config;
	uv_timer_t tick;
	uv_poll_t poll;
	int fd; /* -1: the port is not open */
	unsigned open_handles;
	unsigned wait;   /* ticks until the port is tried again */
	bool told;       /* that it cannot be had */
	bool poll_open;  /* or not closed yet */
	uint64_t second; /* of the loop's clock, and the lines in it */
	unsigned lines;
	struct syslog_rate rate;
	struct syslog_server_stats stats;
	uint8_t buffer[BATCH][LINE_BYTES];
};

static void post(struct syslog_server *server, uint32_t ip, const char *severity, const char *text)
{
	const struct model *model = replica_model(server->config.replica);
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_SYSLOG, .ip = ip};
	const Pxe__Host *host;

	if (!machines_mac_of_ip(model, ip, replica_now_ms(server->config.replica), event.mac,
		    &event.mac_bytes)) {
		server->stats.unknown++;
		return;
	}
	host = model_host_of_mac(model, event.mac, event.mac_bytes);
	snprintf(event.host, sizeof event.host, "%s", host != NULL ? host->name : "");
	snprintf(event.text, sizeof event.text, "%s%s%.240s", severity,
		severity[0] != '\0' ? ": " : "", text);
	server->stats.lines++;
	events_post(server->config.events, &event);
}

static bool is_over(struct syslog_server *server)
{
	uint64_t second = uv_now(server->config.loop) / 1000;

	if (server->second != second) {
		server->second = second;
		server->lines = 0;
	}
	return server->lines++ >= LINES_PER_S;
}

static void take(struct syslog_server *server, uint32_t ip, const uint8_t *data, size_t bytes)
{
	struct syslog_line line;

	if (!syslog_rate_allows(&server->rate, ip, uv_now(server->config.loop)) ||
		is_over(server)) {
		server->stats.left_out++;
		return;
	}
	if (!syslog_line_parse(data, bytes, &line)) {
		server->stats.empty++;
		return;
	}
	/* That something went wrong is worth a word. */
	post(server, ip, line.severity <= 4 ? syslog_line_severity(line.severity) : "", line.text);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct syslog_server *server = handle->data;
	struct mmsghdr message[BATCH];
	struct sockaddr_in from[BATCH];
	struct iovec part[BATCH];
	int count;
	(void)events;

	if (status < 0) {
		return;
	}
	memset(message, 0, sizeof message);
	for (size_t i = 0; i < BATCH; i++) {
		part[i] = (struct iovec){server->buffer[i], LINE_BYTES};
		message[i].msg_hdr.msg_iov = &part[i];
		message[i].msg_hdr.msg_iovlen = 1;
		message[i].msg_hdr.msg_name = &from[i];
		message[i].msg_hdr.msg_namelen = sizeof from[i];
	}
	count = recvmmsg(server->fd, message, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) {
		take(server, ntohl(from[i].sin_addr.s_addr), server->buffer[i], message[i].msg_len);
	}
}

/* ---- the port, as the settings say */

static void on_closed(uv_handle_t *handle)
{
	struct syslog_server *server = handle->data;

	server->poll_open = server->poll_open && handle != (uv_handle_t *)&server->poll;
	if (--server->open_handles == 0) {
		free(server);
	}
}

static void shut_port(struct syslog_server *server)
{
	if (server->fd >= 0) {
		uv_poll_stop(&server->poll);
		uv_close((uv_handle_t *)&server->poll, on_closed);
		close(server->fd);
		server->fd = -1;
	}
}

static int bind_port(uint16_t port, int *ret_fd)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = INADDR_ANY};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int room = 1 << 20;

	if (fd < 0) {
		return -errno;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static void complain(struct syslog_server *server, int rc)
{
	char holder[128] = "";

	if (rc == -EADDRINUSE) {
		(void)port_holder(IPPROTO_UDP, server->config.port, holder, sizeof holder);
	}
	log_warn("cannot take log lines of machines at UDP port %u: %s%s%s; stop that program, or "
		 "leave it to it: pxectl cluster set syslog=no",
		server->config.port, strerror(-rc), holder[0] != '\0' ? ", held by " : "", holder);
}

static void open_port(struct syslog_server *server)
{
	int rc = bind_port(server->config.port, &server->fd);

	if (rc == 0) {
		rc = uv_poll_init(server->config.loop, &server->poll, server->fd);
		if (rc != 0) {
			close(server->fd);
			server->fd = -1;
		}
	}
	if (rc != 0) {
		if (!server->told) {
			complain(server, rc);
		}
		server->told = true;
		server->wait = AGAIN_TICKS;
		return;
	}
	server->told = false;
	server->poll.data = server;
	server->poll_open = true;
	server->open_handles++;
	uv_poll_start(&server->poll, UV_READABLE, on_readable);
	log_info("takes log lines of machines at UDP port %u", server->config.port);
}

static void tell_left_out(struct syslog_server *server)
{
	char text[64];
	uint32_t ip;
	unsigned left_out;

	while ((left_out = syslog_rate_left_out(&server->rate, uv_now(server->config.loop), &ip)) >
		0) {
		snprintf(text, sizeof text, "%u lines of this machine were left out", left_out);
		post(server, ip, "", text);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct syslog_server *server = timer->data;
	const Pxe__Settings *settings = model_settings(replica_model(server->config.replica));
	bool wanted = settings != NULL && settings->syslog == PXE__TOGGLE__TOGGLE_YES;

	tell_left_out(server);
	if (!wanted) {
		shut_port(server);
		server->wait = 0;
		server->told = false;
	} else if (server->fd < 0 && !server->poll_open &&
		   (server->wait == 0 || --server->wait == 0)) {
		open_port(server);
	}
}

/* ---- open and close */

int syslog_server_open(const struct syslog_server_config *config, struct syslog_server **ret_server)
{
	struct syslog_server *server = calloc(1, sizeof *server);

	assert(config != NULL && config->loop != NULL && config->replica != NULL &&
		config->events != NULL && ret_server != NULL);
	if (server == NULL) {
		return -ENOMEM;
	}
	server->config = *config;
	server->config.port = config->port != 0 ? config->port : SYSLOG_PORT;
	server->fd = -1;
	uv_timer_init(config->loop, &server->tick);
	server->tick.data = server;
	server->open_handles = 1;
	uv_timer_start(&server->tick, on_tick, 0, TICK_MS);
	*ret_server = server;
	return 0;
}

void syslog_server_get_stats(
	const struct syslog_server *server, struct syslog_server_stats *ret_stats)
{
	*ret_stats = server->stats;
}

void syslog_server_close(struct syslog_server *server)
{
	if (server != NULL) {
		shut_port(server);
		uv_close((uv_handle_t *)&server->tick, on_closed);
	}
}
