/* One request: what is asked for, what is answered, what is told about it. */
#include "node/content/content_path.h"
#include "node/http/http_impl.h"
#include "node/http/http_range.h"
#include "proto/wire/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HTTP_SMALL_BYTES (32u << 10) /* below this one read and one send beat sendfile */
#define HTTP_ETAG_BYTES  67
#define HTTP_POST_BYTES  4096  /* of a report */
#define HTTP_BODY_MS     10000 /* for all of a request's body to arrive */
#define HTTP_IDLE_S      120   /* iPXE keeps a connection through a kernel's download of another */

/* ---- answers */

static enum MHD_Result queue(
	struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (response == NULL) {
		return MHD_NO;
	}
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
	const char *text, const char *header, const char *value)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	if (response == NULL) {
		return MHD_NO;
	}
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
	if (header != NULL) {
		(void)MHD_add_response_header(response, header, value);
	}
	return queue(connection, status, response);
}

static enum MHD_Result answer_error(
	struct http_server *server, struct MHD_Connection *connection, int err)
{
	switch (err) {
	case -ENOENT:
		atomic_fetch_add(&server->counters.not_found, 1);
		return answer_text(connection, MHD_HTTP_NOT_FOUND, "not found\n", NULL, NULL);
	case -EINVAL:
		atomic_fetch_add(&server->counters.malformed, 1);
		return answer_text(connection, MHD_HTTP_BAD_REQUEST, "bad request\n", NULL, NULL);
	default:
		/* No Retry-After: iPXE obeys it for ever, and would never ask the next node. */
		atomic_fetch_add(&server->counters.failed, 1);
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			"this node cannot give the file now\n", NULL, NULL);
	}
}

/* The part of the file as a response, which owns the descriptor from here on. NULL: the descriptor
 * is closed. */
static struct MHD_Response *file_response(struct content *content, uint64_t offset, uint64_t length)
{
	struct MHD_Response *response = NULL;
	int fd = content->fd;
	ssize_t got;
	void *buffer;

	content->fd = -1;
	if (length > HTTP_SMALL_BYTES) {
		response = MHD_create_response_from_fd_at_offset64(length, fd, offset);
		if (response == NULL) {
			close(fd);
		}
		return response;
	}
	buffer = malloc(length + 1);
	got = buffer != NULL ? pread(fd, buffer, length, (off_t)offset) : -1;
	close(fd);
	if (got >= 0 && (uint64_t)got == length) {
		response = MHD_create_response_from_buffer(length, buffer, MHD_RESPMEM_MUST_FREE);
	}
	if (response == NULL) {
		free(buffer);
	}
	return response;
}

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static void etag_of(const struct content *content, char etag[HTTP_ETAG_BYTES])
{
	etag[0] = '"';
	text_hex_format(content->sha256, 32, etag + 1, HTTP_ETAG_BYTES - 1);
	strcpy(etag + 65, "\"");
}

static enum MHD_Result answer_unsatisfiable(
	struct http_server *server, struct MHD_Connection *connection, uint64_t bytes)
{
	char range[48];

	atomic_fetch_add(&server->counters.unsatisfiable, 1);
	snprintf(range, sizeof range, "bytes */%llu", (unsigned long long)bytes);
	return answer_text(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE, "no such range\n",
		MHD_HTTP_HEADER_CONTENT_RANGE, range);
}

static enum MHD_Result answer_not_modified(
	struct http_server *server, struct MHD_Connection *connection, const char *etag)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

	atomic_fetch_add(&server->counters.not_modified, 1);
	if (response != NULL) {
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag);
	}
	return queue(connection, MHD_HTTP_NOT_MODIFIED, response);
}

/* ---- events: of the files that a machine boots from, not of the copies between nodes */

static void watch_begin(struct http_server *server, struct http_request *request,
	const struct content *content, const char *path, uint32_t client_ip, uint64_t length)
{
	struct event *event = &request->event;

	if (server->on_event == NULL || content->blob) {
		return;
	}
	memset(event, 0, sizeof *event);
	memcpy(event->mac, content->mac, sizeof event->mac);
	event->mac_bytes = content->mac_bytes;
	event->ip = client_ip;
	snprintf(event->host, sizeof event->host, "%s", content->host);
	snprintf(event->text, sizeof event->text, "%s", path);
	event->stage = content->stage;
	snprintf(event->profile, sizeof event->profile, "%s", content->profile);
	event->bytes = length;
	event->kind = PXE__EVENT_KIND__EVENT_HTTP_START;
	server->on_event(server->ctx, event);
	request->watched = true;
}

static void tell_text(struct http_server *server, const struct content *content,
	const struct content_request *asked)
{
	struct event event = {
		.ip = asked->client_ip, .mac_bytes = content->mac_bytes, .bytes = content->bytes};

	if (server->on_event == NULL) {
		return;
	}
	memcpy(event.mac, content->mac, sizeof event.mac);
	snprintf(event.host, sizeof event.host, "%s", content->host);
	snprintf(event.profile, sizeof event.profile, "%s", content->profile);
	event.stage = content->stage;
	if (content->phone_home) {
		event.kind = PXE__EVENT_KIND__EVENT_PHONE_HOME;
		event.bytes = 0;
		event.failed = content->failed;
		snprintf(event.text, sizeof event.text, "%s", content->report);
	} else if (content->kind == CONTENT_UNSOUND) {
		event.kind = PXE__EVENT_KIND__EVENT_TEMPLATE_FAILED;
		snprintf(event.text, sizeof event.text, "%.*s", (int)strcspn(content->text, "\n"),
			content->text);
	} else {
		event.kind = PXE__EVENT_KIND__EVENT_SCRIPT;
		snprintf(event.text, sizeof event.text, "%s", asked->path);
	}
	server->on_event(server->ctx, &event);
}

/* ---- by kind of content */

static enum MHD_Result answer_file(struct http_server *server, struct MHD_Connection *connection,
	struct http_request *request, struct content *content, const struct content_request *asked,
	bool head)
{
	enum http_range range = HTTP_RANGE_WHOLE;
	uint64_t offset = 0, length = content->bytes;
	char etag[HTTP_ETAG_BYTES], range_text[80];
	struct MHD_Response *response;

	etag_of(content, etag);
	if (http_etag_in(header_of(connection, MHD_HTTP_HEADER_IF_NONE_MATCH), etag)) {
		return answer_not_modified(server, connection, etag);
	}
	/* A range is defined for GET alone (RFC 9110 §14.2). */
	if (!head && http_if_range(header_of(connection, MHD_HTTP_HEADER_IF_RANGE), etag)) {
		range = http_range_parse(header_of(connection, MHD_HTTP_HEADER_RANGE),
			content->bytes, &offset, &length);
	}
	if (range == HTTP_RANGE_UNSATISFIABLE) {
		return answer_unsatisfiable(server, connection, content->bytes);
	}
	response = content->kind == CONTENT_RELAY && length > 0
			   ? http_relay_response(connection, content->relay, offset, length)
			   : file_response(content, offset, length);
	if (response == NULL && content->kind == CONTENT_FILE) {
		content_suspect(server->content, content->sha256);
	}
	if (response == NULL) {
		return answer_error(server, connection, -EIO);
	}
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content->media_type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	if (range == HTTP_RANGE_PART) {
		snprintf(range_text, sizeof range_text, "bytes %llu-%llu/%llu",
			(unsigned long long)offset, (unsigned long long)(offset + length - 1),
			(unsigned long long)content->bytes);
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, range_text);
		atomic_fetch_add(&server->counters.partial, 1);
	}
	atomic_fetch_add(&server->counters.files, 1);
	atomic_fetch_add(&server->counters.relays, content->kind == CONTENT_RELAY);
	if (!head) {
		request->body_bytes = length;
		request->from_disk = content->kind == CONTENT_FILE && length > HTTP_SMALL_BYTES;
		memcpy(request->sha256, content->sha256, 32);
		watch_begin(server, request, content, asked->path, asked->client_ip, length);
	}
	return queue(connection, range == HTTP_RANGE_PART ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK,
		response);
}

/* Made for this request. Templates have a tag, as they come out the same when asked again. */
static enum MHD_Result answer_made(struct http_server *server, struct MHD_Connection *connection,
	struct http_request *request, struct content *content, const struct content_request *asked,
	bool head)
{
	char etag[HTTP_ETAG_BYTES];
	struct MHD_Response *response;

	etag_of(content, etag);
	if (content->has_sha256 &&
		http_etag_in(header_of(connection, MHD_HTTP_HEADER_IF_NONE_MATCH), etag)) {
		return answer_not_modified(server, connection, etag);
	}
	response = MHD_create_response_from_buffer(
		content->bytes, content->text, MHD_RESPMEM_MUST_COPY);
	if (response == NULL) {
		return MHD_NO;
	}
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content->media_type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
		content->has_sha256 ? "no-cache" : "no-store");
	if (content->has_sha256) {
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag);
	}
	atomic_fetch_add(&server->counters.texts, 1);
	if (!head) {
		request->body_bytes = content->bytes;
		if (content->stage == PXE__BOOT_STAGE__STAGE_TEMPLATE) {
			watch_begin(server, request, content, asked->path, asked->client_ip,
				content->bytes);
		} else {
			tell_text(server, content, asked);
		}
	}
	return queue(connection, MHD_HTTP_OK, response);
}

static enum MHD_Result answer_unsound(struct http_server *server, struct MHD_Connection *connection,
	const struct content *content, const struct content_request *asked)
{
	atomic_fetch_add(&server->counters.failed, 1);
	tell_text(server, content, asked);
	return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, content->text, NULL, NULL);
}

static int open_content(struct http_server *server, struct http_request *request,
	struct content_request *asked, struct content *ret_content)
{
	int err;

	asked->claim_tried = request->claim != NULL;
	err = content_open(server->content, asked, ret_content);
	if (err == 0 && ret_content->kind == CONTENT_CLAIM && server->claim == NULL) {
		content_fini(ret_content);
		asked->claim_tried = true;
		err = content_open(server->content, asked, ret_content);
	}
	return err;
}

static enum MHD_Result answer_content(struct http_server *server, struct MHD_Connection *connection,
	struct http_request *request, struct content_request *asked, bool head)
{
	struct content content;
	enum MHD_Result result = MHD_NO;
	int err = open_content(server, request, asked, &content);

	if (err != 0) {
		return answer_error(server, connection, err);
	}
	switch (content.kind) {
	case CONTENT_FILE:
	case CONTENT_RELAY:
		result = answer_file(server, connection, request, &content, asked, head);
		break;
	case CONTENT_TEXT:
		result = answer_made(server, connection, request, &content, asked, head);
		break;
	case CONTENT_UNSOUND: result = answer_unsound(server, connection, &content, asked); break;
	case CONTENT_CLAIM:
		/* Comes back here when the outcome is known. */
		request->claim = http_claim_begin(server, connection, &content.claim);
		result = request->claim != NULL ? MHD_YES : MHD_NO;
		break;
	case CONTENT_ELSEWHERE:
		atomic_fetch_add(&server->counters.redirects, 1);
		result = answer_text(connection, MHD_HTTP_FOUND, "another node has it\n",
			MHD_HTTP_HEADER_LOCATION, content.redirect_url);
		break;
	}
	content_fini(&content);
	return result;
}

/* ---- who asks, for what */

static void addresses_of(struct MHD_Connection *connection, struct content_request *asked)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct sockaddr_in address;
	socklen_t bytes = sizeof address;

	if (info != NULL && info->client_addr != NULL && info->client_addr->sa_family == AF_INET) {
		memcpy(&address, info->client_addr, sizeof address);
		asked->client_ip = ntohl(address.sin_addr.s_addr);
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info != NULL &&
		getsockname(info->connect_fd, (struct sockaddr *)&address, &bytes) == 0 &&
		address.sin_family == AF_INET) {
		asked->local_ip = ntohl(address.sin_addr.s_addr);
		asked->local_port = ntohs(address.sin_port);
	}
}

static enum MHD_Result answer_metrics(struct http_server *server, struct MHD_Connection *connection)
{
	char *text = http_metrics_copy(server);
	struct MHD_Response *response;

	if (text == NULL) {
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			"no metrics yet; ask again in a moment\n", NULL, NULL);
	}
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(text);
		return MHD_NO;
	}
	(void)MHD_add_response_header(
		response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	atomic_fetch_add(&server->counters.texts, 1);
	return queue(connection, MHD_HTTP_OK, response);
}

static enum MHD_Result answer(struct http_server *server, struct MHD_Connection *connection,
	struct http_request *request, bool head)
{
	struct content_request asked = {0};
	char path[HTTP_URI_MAX];
	const char *uri = request->uri;
	size_t path_bytes;

	if (uri == NULL) {
		return answer_error(server, connection, -EINVAL);
	}
	/* "GET http://host/path" is a proxy's form; servers must take it too (RFC 9112 §3.2.2). */
	if (strncmp(uri, "http://", 7) == 0) {
		uri += 7;
		uri += strcspn(uri, "/?");
	}
	path_bytes = strcspn(uri, "?#");
	if (content_decode(uri, path_bytes, path, sizeof path) != 0) {
		return answer_error(server, connection, -EINVAL);
	}
	if (path[strspn(path, "/")] == '\0') {
		atomic_fetch_add(&server->counters.texts, 1);
		return answer_text(connection, MHD_HTTP_OK,
			"pxecluster " PXE_VERSION " boot server\n", NULL, NULL);
	}
	if (strcmp(path, "/metrics") == 0) {
		return answer_metrics(server, connection);
	}
	asked.path = path;
	asked.query = uri[path_bytes] == '?' ? uri + path_bytes + 1 : NULL;
	addresses_of(connection, &asked);
	if (request->is_post) {
		const char *type = header_of(connection, MHD_HTTP_HEADER_CONTENT_TYPE);
		asked.body = request->posted != NULL ? request->posted : "";
		asked.body_is_form =
			type != NULL &&
			strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0;
	}
	return answer_content(server, connection, request, &asked, head);
}

/* A connection that has brought a request may rest; those that never do so are let go soon, as each
 * takes a place that a machine could need. */
static void allow_rest(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_TIMEOUT);

	if (info == NULL || info->connection_timeout != HTTP_IDLE_S) {
		(void)MHD_set_connection_option(
			connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)HTTP_IDLE_S);
	}
}

static enum MHD_Result refuse_method(struct http_server *server, struct MHD_Connection *connection)
{
	atomic_fetch_add(&server->counters.requests, 1);
	atomic_fetch_add(&server->counters.refused_method, 1);
	return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n",
		MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
}

/* POST is for phone-home alone. */
static bool is_report(const struct http_request *request, const char *method)
{
	const char *path = request->uri;

	if (path == NULL || strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
		return false;
	}
	if (strncmp(path, "http://", 7) == 0) {
		path += 7;
		path += strcspn(path, "/");
	}
	path += strspn(path, "/");
	return strncasecmp(path, "phone-home/", 11) == 0;
}

/* More of a body. It must all be there soon: who sends a byte now and then is let go. Only that of
 * a report means anything (RFC 9110 §9.3.1). */
static enum MHD_Result take_body(struct http_request *request, const char *data, size_t *data_bytes)
{
	size_t bytes = *data_bytes;

	*data_bytes = 0;
	if (http_now_ms() - request->started_ms > HTTP_BODY_MS) {
		return MHD_NO;
	}
	if (!request->is_post) {
		return MHD_YES;
	}
	if (request->posted == NULL) {
		request->posted = calloc(1, HTTP_POST_BYTES + 1);
	}
	if (request->posted == NULL || bytes > HTTP_POST_BYTES - request->posted_bytes) {
		request->too_long = true;
		return MHD_YES;
	}
	memcpy(request->posted + request->posted_bytes, data, bytes);
	request->posted_bytes += bytes;
	return MHD_YES;
}

static enum MHD_Result answer_whole(struct http_server *server, struct MHD_Connection *connection,
	struct http_request *request, bool head)
{
	/* Not when it comes back from its claim. */
	if (request->claim == NULL) {
		atomic_fetch_add(&server->counters.requests, 1);
	}
	if (request->too_long) {
		atomic_fetch_add(&server->counters.malformed, 1);
		return answer_text(connection, MHD_HTTP_CONTENT_TOO_LARGE,
			"a report has at most 4096 bytes\n", NULL, NULL);
	}
	return answer(server, connection, request, head);
}

enum MHD_Result http_request_on_access(void *cls, struct MHD_Connection *connection,
	const char *url, const char *method, const char *version, const char *upload_data,
	size_t *upload_data_size, void **request_cls)
{
	struct http_server *server = cls;
	struct http_request *request = *request_cls;
	bool head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

	(void)url;
	(void)version;
	if (request == NULL) {
		return MHD_NO; /* no memory when the request began */
	}
	request->is_post = is_report(request, method);
	if (!request->seen && !request->is_post) {
		allow_rest(connection);
	}
	if (!head && !request->is_post && strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
		if (request->seen) {
			return take_body(request, upload_data, upload_data_size);
		}
		request->seen = true;
		return refuse_method(server, connection);
	}
	if (!request->seen) {
		request->seen = true; /* headers only: the answer follows when all of the request is
					 there */
		return MHD_YES;
	}
	if (*upload_data_size > 0) {
		return take_body(request, upload_data, upload_data_size);
	}
	return answer_whole(server, connection, request, head);
}

void *http_request_on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct http_server *server = cls;
	struct http_request *request = calloc(1, sizeof *request);
	size_t bytes = strnlen(uri, HTTP_URI_MAX);

	(void)connection;
	if (request == NULL) {
		return NULL;
	}
	atomic_fetch_add(&server->counters.active, 1);
	request->started_ms = http_now_ms();
	if (bytes < HTTP_URI_MAX) {
		request->uri = strdup(uri);
	}
	return request;
}

void http_request_on_completed(void *cls, struct MHD_Connection *connection, void **request_cls,
	enum MHD_RequestTerminationCode code)
{
	struct http_server *server = cls;
	struct http_request *request = *request_cls;

	(void)connection;
	if (request == NULL) {
		return;
	}
	atomic_fetch_sub(&server->counters.active, 1);
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
		atomic_fetch_add(&server->counters.body_bytes, request->body_bytes);
	} else if (request->body_bytes > 0) {
		atomic_fetch_add(&server->counters.failed, 1);
	}
	/* A disk's error ends a request like a client that is gone. */
	if (request->from_disk && code == MHD_REQUEST_TERMINATED_WITH_ERROR) {
		content_suspect(server->content, request->sha256);
	}
	if (request->watched) {
		request->event.kind = code == MHD_REQUEST_TERMINATED_COMPLETED_OK
					      ? PXE__EVENT_KIND__EVENT_HTTP_DONE
					      : PXE__EVENT_KIND__EVENT_HTTP_FAILED;
		request->event.took_ms = (uint32_t)(http_now_ms() - request->started_ms);
		server->on_event(server->ctx, &request->event);
	}
	if (request->claim != NULL) {
		http_claim_end(server, request->claim);
	}
	free(request->posted);
	free(request->uri);
	free(request);
	*request_cls = NULL;
}
