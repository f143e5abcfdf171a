/* The listeners: one libmicrohttpd daemon per address, each with its pool of epoll threads. A
 * connection stays with the thread that accepted it; a cold disk read blocks only that thread,
 * which is why there are more threads than cores. */
#include "node/http/http.h"

#include "node/http/http_impl.h"
#include "node/log/log.h"
#include "proto/host/port_holder.h"
#include "proto/wire/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HTTP_CONNECTIONS_MAX 4096
#define HTTP_PER_ADDRESS_MAX                                                                       \
	512 /* connections of one client; installers open dozens, a NAT stands for a rack */
#define HTTP_GREET_S      10          /* for the first request of a connection to arrive */
#define HTTP_MEMORY_BYTES (16u << 10) /* headers of one connection */
#define HTTP_BACKLOG      1024

static void on_log(void *cls, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void on_log(void *cls, const char *format, va_list args)
{
	char line[512];

	(void)cls;
	vsnprintf(line, sizeof line, format, args);
	line[strcspn(line, "\r\n")] = '\0';
	log_debug("http: %s", line);
}

static void name_error(
	int err, const char *address, uint16_t port, char *ret_error, size_t error_bytes)
{
	char holder[128];

	if (err == -EADDRINUSE && port_holder(IPPROTO_TCP, port, holder, sizeof holder) == 0) {
		snprintf(ret_error, error_bytes,
			"HTTP %s:%u is in use by %s: stop it, or set another HTTP port", address,
			port, holder);
	} else if (err == -EACCES) {
		snprintf(ret_error, error_bytes,
			"HTTP %s:%u: not allowed: ports below 1024 need CAP_NET_BIND_SERVICE",
			address, port);
	} else {
		snprintf(ret_error, error_bytes, "HTTP %s:%u: %s", address, port, strerror(-err));
	}
}

/* A listening socket, or negative errno. */
static int listen_on(uint32_t ip, uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip)};
	socklen_t bytes = sizeof address;
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0) {
		return -errno;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	/* A service address may come to us later. */
	if (ip != INADDR_ANY) {
		(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
	}
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
		listen(fd, HTTP_BACKLOG) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &bytes) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static unsigned threads_default(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores > 2 ? (unsigned)(2 * cores) : 4;
}

static int daemon_start(struct http_server *server, int fd, unsigned threads)
{
	struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC |
							     MHD_USE_ERROR_LOG |
							     MHD_ALLOW_SUSPEND_RESUME,
		0, NULL, NULL, http_request_on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_log,
		NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, threads,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)HTTP_PER_ADDRESS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_GREET_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY_BYTES,
		MHD_OPTION_URI_LOG_CALLBACK, http_request_on_uri, server,
		MHD_OPTION_NOTIFY_COMPLETED, http_request_on_completed, server, MHD_OPTION_END);

	if (daemon == NULL) {
		close(fd);
		return -ENOMEM;
	}
	server->daemon[server->daemon_count++] = daemon;
	return 0;
}

int http_server_open(const struct http_config *config, struct http_server **ret_server,
	char *ret_error, size_t error_bytes)
{
	const uint32_t any = INADDR_ANY;
	const uint32_t *addresses = config->addresses != NULL ? config->addresses : &any;
	size_t count = config->addresses != NULL ? config->address_count : 1;
	unsigned threads = config->threads > 0 ? config->threads : threads_default();
	struct http_server *server;

	assert(config->content != NULL && ret_server != NULL && ret_error != NULL);
	assert(count >= 1 && count <= HTTP_ADDRESSES_MAX && (config->port != 0 || count == 1));
	server = calloc(1, sizeof *server);
	if (server == NULL) {
		abort();
	}
	pthread_mutex_init(&server->metrics_lock, NULL);
	pthread_mutex_init(&server->claims_lock, NULL);
	server->content = config->content;
	server->ctx = config->ctx;
	server->on_event = config->on_event;
	server->claim_ctx = config->claim_ctx;
	server->claim = config->claim;
	/* A pool of 1 is refused by libmicrohttpd. */
	threads = threads / (unsigned)count > 2 ? threads / (unsigned)count : 2;
	for (size_t i = 0; i < count; i++) {
		char text[TEXT_IP4_BYTES];
		int fd = listen_on(addresses[i], config->port, &server->port);
		int err = fd < 0 ? fd : daemon_start(server, fd, threads);
		if (err != 0) {
			name_error(err, text_ip4_format(addresses[i], text), config->port,
				ret_error, error_bytes);
			http_server_close(server);
			return err;
		}
	}
	*ret_server = server;
	return 0;
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

void http_server_get_stats(const struct http_server *server, struct http_stats *ret_stats)
{
	const struct http_counters *c = &server->counters;

	*ret_stats = (struct http_stats){
		.requests = atomic_load(&c->requests),
		.files = atomic_load(&c->files),
		.texts = atomic_load(&c->texts),
		.partial = atomic_load(&c->partial),
		.not_modified = atomic_load(&c->not_modified),
		.redirects = atomic_load(&c->redirects),
		.relays = atomic_load(&c->relays),
		.not_found = atomic_load(&c->not_found),
		.malformed = atomic_load(&c->malformed),
		.refused_method = atomic_load(&c->refused_method),
		.unsatisfiable = atomic_load(&c->unsatisfiable),
		.failed = atomic_load(&c->failed),
		.body_bytes = atomic_load(&c->body_bytes),
		.active = atomic_load(&c->active),
	};
	for (size_t i = 0; i < server->daemon_count; i++) {
		const union MHD_DaemonInfo *info =
			MHD_get_daemon_info(server->daemon[i], MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
		ret_stats->connections += info != NULL ? info->num_connections : 0;
	}
}

/* ---- metrics */

#define HTTP_METRICS_WANTED_MS 120000

uint64_t http_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void http_server_set_metrics(struct http_server *server, char *text)
{
	char *old;

	pthread_mutex_lock(&server->metrics_lock);
	old = server->metrics;
	server->metrics = text;
	pthread_mutex_unlock(&server->metrics_lock);
	free(old);
}

bool http_server_metrics_wanted(struct http_server *server)
{
	uint64_t asked_ms;

	pthread_mutex_lock(&server->metrics_lock);
	asked_ms = server->metrics_asked_ms;
	pthread_mutex_unlock(&server->metrics_lock);
	return asked_ms > 0 && http_now_ms() - asked_ms < HTTP_METRICS_WANTED_MS;
}

char *http_metrics_copy(struct http_server *server)
{
	char *copy;

	pthread_mutex_lock(&server->metrics_lock);
	server->metrics_asked_ms = http_now_ms();
	copy = server->metrics != NULL ? strdup(server->metrics) : NULL;
	pthread_mutex_unlock(&server->metrics_lock);
	return copy;
}

void http_server_close(struct http_server *server)
{
	if (server == NULL) {
		return;
	}
	http_claim_close(server);
	for (size_t i = 0; i < server->daemon_count; i++) {
		MHD_stop_daemon(server->daemon[i]);
	}
	pthread_mutex_destroy(&server->metrics_lock);
	pthread_mutex_destroy(&server->claims_lock);
	free(server->metrics);
	free(server);
}
