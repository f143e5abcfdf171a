/* node/http/http.h: the HTTP/1.1 server: GET and HEAD of everything that node/content names, and
 * POST of a system's report (phone-home).
 *
 * Edge file. Own threads (libmicrohttpd with epoll); answers come from durable state and blob
 * files, never from the loop. Files leave by sendfile. ETag is the file's SHA-256 in quotes; single
 * ranges (RFC 9110 §14), If-Range, If-None-Match.
 *
 * /metrics is the node's counters, as the loop last wrote them down: sums alone, nothing of any one
 * machine.
 */
#ifndef NODE_HTTP_HTTP_H
#define NODE_HTTP_HTTP_H

#include "node/content/content.h"
#include "node/events/events.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;

struct http_config {
	struct content_source *content; /* borrowed until close */
	uint16_t port; /* 0: any free port, see http_server_port() (one address only) */
	const uint32_t
		*addresses; /* host order; NULL: every address. An address need not be ours yet. */
	size_t address_count;
	unsigned threads; /* 0: max(4, 2 * cores), shared out over the addresses */
	void *ctx;
	/* From the server's threads; may be NULL. */
	void (*on_event)(void *ctx, const struct event *event);
	/* One-shot boots are claimed by it while the request waits; NULL: none can be. */
	void *claim_ctx;
	content_claim_cb *claim;
};

struct http_stats {
	uint64_t requests, files, texts, partial, not_modified, redirects;
	uint64_t relays; /* of files: those that came from another node meanwhile */
	uint64_t not_found, malformed, refused_method, unsatisfiable, failed;
	uint64_t body_bytes;  /* of answers that were sent whole */
	uint64_t connections; /* open now */
	uint64_t active;      /* requests that are being answered now */
};

/* 0, or negative errno and a line in ret_error: -EADDRINUSE names who holds the port when /proc
 * tells. */
int http_server_open(const struct http_config *config, struct http_server **ret_server,
	char *ret_error, size_t error_bytes);
uint16_t http_server_port(const struct http_server *server);
void http_server_get_stats(const struct http_server *server, struct http_stats *ret_stats);
/* What GET /metrics answers from now on: text in Prometheus' exposition format, which becomes the
 * server's own (malloc). Without one yet it is 503. */
void http_server_set_metrics(struct http_server *server, char *text);
/* Was it asked for in the last two minutes? */
bool http_server_metrics_wanted(struct http_server *server);
/* Breaks off what is being sent; relays that it reads must have been stopped (relays_stop());
 * returns when no thread uses the content any more. */
void http_server_close(struct http_server *server);

#endif
