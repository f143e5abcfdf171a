/* node/http/http_impl.h: what the files of the HTTP server share. */
#ifndef NODE_HTTP_HTTP_IMPL_H
#define NODE_HTTP_HTTP_IMPL_H

#include "node/http/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#define HTTP_ADDRESSES_MAX 16
#define HTTP_URI_MAX       2048

struct http_counters {
	atomic_uint_least64_t requests, files, texts, partial, not_modified, redirects, relays;
	atomic_uint_least64_t not_found, malformed, refused_method, unsatisfiable, failed,
		body_bytes;
	atomic_uint_least64_t active; /* requests that are being answered */
};

struct http_server {
	struct content_source *content;
	void *ctx;
	void (*on_event)(void *ctx, const struct event *event);
	void *claim_ctx;
	content_claim_cb *claim;     /* may be NULL */
	pthread_mutex_t claims_lock; /* of the next two */
	struct http_claim *claims;   /* those that requests have */
	bool closing;
	uint16_t port;
	struct MHD_Daemon *daemon[HTTP_ADDRESSES_MAX];
	size_t daemon_count;
	struct http_counters counters;
	pthread_mutex_t metrics_lock; /* of the next two */
	char *metrics;                /* NULL: none yet */
	uint64_t metrics_asked_ms;    /* CLOCK_MONOTONIC; 0: never */
};

/* One request, from its first line to its last byte. */
struct http_request {
	char *uri;    /* as received, with the query; NULL: too long */
	bool seen;    /* the handler was called once already */
	bool watched; /* START was told, DONE or FAILED is due */
	uint64_t started_ms, body_bytes;
	bool from_disk; /* the body is the blob of this hash */
	uint8_t sha256[32];
	struct event event;       /* what DONE will say */
	struct http_claim *claim; /* was made, or tried; NULL: none */
	bool is_post, too_long;
	char *posted; /* NUL-terminated; NULL: nothing yet */
	size_t posted_bytes;
};

/* http_relay.c: the part of a file that arrives while it is sent. Takes a share of the relay. NULL:
 * no memory. */
struct MHD_Response *http_relay_response(
	struct MHD_Connection *connection, struct relay *relay, uint64_t offset, uint64_t length);
/* ---- http_claim.c */
/* Suspend the connection until the claim's outcome is known; then the handler is called again.
 * NULL: the server is closing. The request has one claim at most. */
struct http_claim *http_claim_begin(struct http_server *server, struct MHD_Connection *connection,
	const struct content_claim *what);
/* The request ends. */
void http_claim_end(struct http_server *server, struct http_claim *claim);
/* All go on; none begins any more. */
void http_claim_close(struct http_server *server);

/* CLOCK_MONOTONIC. */
uint64_t http_now_ms(void);
/* A copy of the metrics, to be freed; NULL: none yet. Any thread. */
char *http_metrics_copy(struct http_server *server);

/* libmicrohttpd's callbacks (microhttpd.h); cls is the server. */
enum MHD_Result http_request_on_access(void *cls, struct MHD_Connection *connection,
	const char *url, const char *method, const char *version, const char *upload_data,
	size_t *upload_data_size, void **request);
void *http_request_on_uri(void *cls, const char *uri, struct MHD_Connection *connection);
void http_request_on_completed(void *cls, struct MHD_Connection *connection, void **request,
	enum MHD_RequestTerminationCode code);

#endif
