/* The server's port and thread. Requests come in by recvmmsg() with the address they were sent to
 * (IP_PKTINFO); each is answered by a job (tftp_job.h), or by one ERROR from the port itself. Only
 * tftp_server_open(), _close() and the statistics are called from other threads: everything else
 * runs in the loop of on_thread(). */
#include "node/tftp/tftp_server.h"

#include "node/tftp/tftp_claim.h"
#include "node/tftp/tftp_job.h"
#include "node/tftp/tftp_name.h"
#include "proto/host/port_holder.h"
#include "proto/wire/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENERS_MAX    16u
#define REQUESTS_AT_ONCE 16u
#define RECEIVE_BYTES    (1 << 20) /* a rack that powers on asks all at once */

struct tftp_listener {
	struct tftp_server *server;
	uv_poll_t poll;
	uint32_t address; /* host order; 0: all */
	int fd;
};

struct tftp_server {
	struct tftp_content content;
	struct tftp_counts counts;
	struct tftp_job_table jobs;
	struct tftp_claims claims;
	struct tftp_listener listener[LISTENERS_MAX];
	unsigned listener_count;
	uint16_t port;
	uv_loop_t loop;
	uv_async_t stop;
	uv_async_t wake;            /* something to adopt */
	pthread_mutex_t adopt_lock; /* of the two below, and nothing else is shared */
	struct tftp_handover *adopt;
	size_t adopt_count;
	pthread_t thread;
};

/* A packet at the server's port. Addresses in host order. */
struct tftp_arrival {
	const struct tftp_listener *listener;
	const uint8_t *bytes;
	size_t size;
	uint32_t client_ip;
	uint16_t client_port;
	uint32_t local_ip; /* where it was sent to; for a broadcast, our address on that link */
};

static void count(struct tftp_server *server, unsigned which)
{
	tftp_count_add(&server->counts, which, 1);
}

/* Send `packet` back from the address that was asked. Lost if the socket is full: the client asks
 * again. */
static void reply(const struct tftp_arrival *arrival, const void *packet, size_t size)
{
	struct sockaddr_in client = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(arrival->client_ip),
		.sin_port = htons(arrival->client_port)};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
	struct iovec iov = {.iov_len = size};
	memcpy(&iov.iov_base, &packet, sizeof iov.iov_base); /* sendmsg() does not write to it */
	struct msghdr message = {.msg_name = &client,
		.msg_namelen = sizeof client,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control};
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(arrival->local_ip)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
	cmsg->cmsg_level = IPPROTO_IP;
	cmsg->cmsg_type = IP_PKTINFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof info);
	memcpy(CMSG_DATA(cmsg), &info, sizeof info);
	(void)sendmsg(arrival->listener->fd, &message, MSG_DONTWAIT);
}

static void reply_error(
	const struct tftp_arrival *arrival, enum tftp_error_code code, const char *text)
{
	uint8_t packet[TFTP_CONTROL_MAX_BYTES];
	reply(arrival, packet, tftp_encode_error((uint16_t)code, text, packet, sizeof packet));
}

/* FNV-1a: tells requests apart that one client sends; no secret depends on it. */
static uint64_t digest_of(const uint8_t *bytes, size_t size)
{
	uint64_t digest = 14695981039346656037u;
	for (size_t i = 0; i < size; i++)
		digest = (digest ^ bytes[i]) * 1099511628211u;
	return digest;
}

/* What needs a claim is opened again once that was tried; CONTENT_CLAIM: it is under way. */
static int open_claimed(
	struct tftp_server *server, struct content_request *request, struct content *ret_content)
{
	int status = server->content.open(server->content.source, request, ret_content);
	if (status != 0 || ret_content->kind != CONTENT_CLAIM ||
		tftp_claim_ask(&server->claims, &ret_content->claim) == TFTP_CLAIM_WAITS)
		return status;
	server->content.fini(ret_content);
	request->claim_tried = true;
	return server->content.open(server->content.source, request, ret_content);
}

/* Try what the client may have meant, in turn. */
static int open_content(struct tftp_server *server, const struct tftp_arrival *arrival,
	const struct tftp_packet *packet, char name[TFTP_NAME_MAX], struct content *ret_content)
{
	int status = -ENOENT;
	for (unsigned attempt = 0; attempt < TFTP_NAME_GUESSES && status == -ENOENT; attempt++) {
		if (!tftp_name_guess(packet->filename, packet->filename_bytes, attempt, name))
			break;
		struct content_request request = {.path = name,
			.client_ip = arrival->client_ip,
			.local_ip = arrival->local_ip};
		status = open_claimed(server, &request, ret_content);
	}
	return status;
}

/* The bytes to send. 0, -EFBIG: too large for netascii, or an error. */
static int file_of_content(struct tftp_server *server, const struct content *content,
	enum tftp_mode mode, struct tftp_file **ret_file)
{
	if (mode == TFTP_NETASCII && content->bytes > TFTP_SERVER_NETASCII_MAX_BYTES)
		return -EFBIG;
	if (content->kind == CONTENT_FILE && mode == TFTP_NETASCII)
		return tftp_file_netascii_fd(content->fd, content->bytes, ret_file);
	if (content->kind == CONTENT_FILE)
		return tftp_file_map(&server->jobs.files, content->fd, content->bytes,
			content->sha256, ret_file);
	if (content->kind == CONTENT_RELAY) {
		*ret_file = tftp_file_of_relay(content->relay);
		return *ret_file != NULL ? 0 : -ENOMEM;
	}
	size_t bytes = (size_t)content->bytes;
	*ret_file = mode == TFTP_NETASCII ? tftp_file_netascii(content->text, bytes)
					  : tftp_file_of_text(content->text, bytes);
	return *ret_file != NULL ? 0 : -ENOMEM;
}

static void start_job(struct tftp_server *server, const struct tftp_arrival *arrival,
	const char *name, const struct tftp_packet *packet, const struct content *content,
	struct tftp_file *file)
{
	struct tftp_job_request request = {
		.client_ip = arrival->client_ip,
		.client_port = arrival->client_port,
		.local_ip = arrival->local_ip,
		.digest = digest_of(arrival->bytes, arrival->size),
		.path = name,
		.asked = packet->options,
		.file = file,
		.mac_bytes = content->mac_bytes,
		.host = content->host,
		.profile = content->profile,
		.stage = content->stage,
	};
	memcpy(request.mac, content->mac, sizeof request.mac);
	/* The size after conversion would be no use to the client, and windows of text are not
	 * worth the trouble (FIELD 48, 60). */
	if (packet->mode == TFTP_NETASCII)
		request.asked.present &= ~(TFTP_HAS_TSIZE | TFTP_HAS_WINDOWSIZE);
	if (tftp_job_start(&server->jobs, &request) != 0)
		count(server,
			TFTP_COUNT_LIMITED); /* out of sockets or memory: the client asks again */
}

static void tell_unsound(struct tftp_server *server, const struct tftp_arrival *arrival,
	const struct content *content)
{
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_TEMPLATE_FAILED,
		.ip = arrival->client_ip,
		.mac_bytes = content->mac_bytes,
		.stage = content->stage};
	if (server->jobs.on_event == NULL)
		return;
	memcpy(event.mac, content->mac, sizeof event.mac);
	snprintf(event.host, sizeof event.host, "%s", content->host);
	snprintf(event.profile, sizeof event.profile, "%s", content->profile);
	snprintf(event.text, sizeof event.text, "%.*s", (int)strcspn(content->text, "\n"),
		content->text);
	server->jobs.on_event(server->jobs.ctx, &event);
}

static void serve_content(struct tftp_server *server, const struct tftp_arrival *arrival,
	const char *name, const struct tftp_packet *packet, const struct content *content)
{
	struct tftp_file *file = NULL;
	if (content->kind == CONTENT_ELSEWHERE ||
		(content->kind == CONTENT_RELAY && packet->mode == TFTP_NETASCII)) {
		count(server, TFTP_COUNT_ELSEWHERE);
		reply_error(arrival, TFTP_EUNDEF, "this server does not hold the file yet");
		return;
	}
	if (content->kind == CONTENT_CLAIM)
		return; /* the client asks again */
	if (content->kind == CONTENT_UNSOUND) {
		char text[128];
		snprintf(text, sizeof text, "%.*s", (int)strcspn(content->text, "\n"),
			content->text);
		count(server, TFTP_COUNT_FAILED);
		tell_unsound(server, arrival, content);
		reply_error(arrival, TFTP_EUNDEF, text);
		return;
	}
	int status = file_of_content(server, content, packet->mode, &file);
	if (status == 0) {
		start_job(server, arrival, name, packet, content, file);
	} else {
		count(server, TFTP_COUNT_FAILED);
		reply_error(arrival, TFTP_EUNDEF,
			status == -EFBIG ? "too large for netascii: use octet mode"
					 : "the server cannot read the file");
	}
}

static void on_read_request(struct tftp_server *server, const struct tftp_arrival *arrival,
	const struct tftp_packet *packet)
{
	char name[TFTP_NAME_MAX] = "";
	struct content content = {.fd = -1};
	count(server, TFTP_COUNT_REQUESTS);
	uint64_t digest = digest_of(arrival->bytes, arrival->size);
	enum tftp_job_again again = tftp_job_meets_request(
		&server->jobs, arrival->client_ip, arrival->client_port, digest);
	if (again != TFTP_JOB_NEW) {
		if (again == TFTP_JOB_LIMITED)
			count(server, TFTP_COUNT_LIMITED);
		return;
	}
	int status = open_content(server, arrival, packet, name, &content);
	if (status == 0) {
		serve_content(server, arrival, name, packet, &content);
		server->content.fini(&content);
	} else if (status == -ENOENT && tftp_name_is_empty_if_missing(name)) {
		struct content nothing = {.kind = CONTENT_TEXT};
		serve_content(server, arrival, name, packet, &nothing);
	} else if (status == -ENOENT) {
		count(server, TFTP_COUNT_NOT_FOUND);
		reply_error(arrival, TFTP_ENOTFOUND, NULL);
	} else if (status == -EINVAL) {
		count(server, TFTP_COUNT_REFUSED);
		reply_error(arrival, TFTP_EACCESS, NULL);
	} else {
		count(server, TFTP_COUNT_FAILED);
		reply_error(arrival, TFTP_EUNDEF, "the server cannot read the file");
	}
}

static void on_arrival(struct tftp_server *server, const struct tftp_arrival *arrival)
{
	struct tftp_packet packet;
	enum tftp_reason reason = tftp_decode(arrival->bytes, arrival->size, &packet);
	if (reason != TFTP_OK) {
		tftp_count_add(&server->counts, TFTP_COUNT_MALFORMED + (unsigned)reason, 1);
		return;
	}
	switch (packet.opcode) {
	case TFTP_RRQ: on_read_request(server, arrival, &packet); break;
	case TFTP_WRQ:
		count(server, TFTP_COUNT_REFUSED);
		reply_error(arrival, TFTP_EACCESS, "this server is read-only");
		break;
	case TFTP_DATA:
	case TFTP_ACK:
	case TFTP_OACK:
		count(server, TFTP_COUNT_STRAYS);
		reply_error(arrival, TFTP_EBADID, NULL);
		break;
	case TFTP_ERROR:
	default:
		count(server,
			TFTP_COUNT_STRAYS); /* never answered: two servers would go on for ever */
	}
}

static const struct tftp_listener *listener_for(const struct tftp_server *server, uint32_t local_ip)
{
	for (unsigned i = 0; i < server->listener_count; i++) {
		if (server->listener[i].address == local_ip)
			return &server->listener[i];
	}
	return &server->listener[0]; /* bound to every address */
}

/* Single-port mode: what a transfer's socket got for us. */
static void on_passed_request(
	void *ctx, const struct tftp_job_request *from, const uint8_t *bytes, size_t size)
{
	struct tftp_server *server = ctx;
	struct tftp_arrival arrival = {
		.listener = listener_for(server, from->local_ip),
		.bytes = bytes,
		.size = size,
		.client_ip = from->client_ip,
		.client_port = from->client_port,
		.local_ip = from->local_ip,
	};
	on_arrival(server, &arrival);
}

struct tftp_inbox {
	uint8_t bytes[REQUESTS_AT_ONCE][TFTP_REQUEST_MAX_BYTES];
	struct sockaddr_in client[REQUESTS_AT_ONCE];
	_Alignas(struct cmsghdr) char control[REQUESTS_AT_ONCE]
					     [CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct iovec iov[REQUESTS_AT_ONCE];
	struct mmsghdr message[REQUESTS_AT_ONCE];
};

static int inbox_receive(struct tftp_inbox *inbox, int fd)
{
	for (unsigned i = 0; i < REQUESTS_AT_ONCE; i++) {
		inbox->iov[i] = (struct iovec){inbox->bytes[i], sizeof inbox->bytes[i]};
		inbox->message[i].msg_hdr = (struct msghdr){.msg_name = &inbox->client[i],
			.msg_namelen = sizeof inbox->client[i],
			.msg_iov = &inbox->iov[i],
			.msg_iovlen = 1,
			.msg_control = inbox->control[i],
			.msg_controllen = sizeof inbox->control[i]};
	}
	return recvmmsg(fd, inbox->message, REQUESTS_AT_ONCE, MSG_DONTWAIT, NULL);
}

/* Our address, from the packet's control message; 0 if the kernel did not tell. */
static uint32_t local_address(struct msghdr *message)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg != NULL;
		cmsg = CMSG_NXTHDR(message, cmsg)) {
		if (cmsg->cmsg_level != IPPROTO_IP || cmsg->cmsg_type != IP_PKTINFO)
			continue;
		struct in_pktinfo info;
		memcpy(&info, CMSG_DATA(cmsg), sizeof info);
		return ntohl(info.ipi_spec_dst.s_addr);
	}
	return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct tftp_listener *listener = poll->data;
	struct tftp_inbox inbox;
	(void)status;
	(void)events;
	int received = inbox_receive(&inbox, listener->fd);
	for (int i = 0; i < received; i++) {
		struct msghdr *header = &inbox.message[i].msg_hdr;
		struct tftp_arrival arrival = {
			.listener = listener,
			.bytes = inbox.bytes[i],
			.size = inbox.message[i].msg_len,
			.client_ip = ntohl(inbox.client[i].sin_addr.s_addr),
			.client_port = ntohs(inbox.client[i].sin_port),
			.local_ip = local_address(header),
		};
		if (header->msg_flags & MSG_TRUNC)
			tftp_count_add(
				&listener->server->counts, TFTP_COUNT_MALFORMED + TFTP_NO_NUL, 1);
		else if (arrival.client_port == 0 || arrival.local_ip == 0)
			count(listener->server, TFTP_COUNT_STRAYS);
		else
			on_arrival(listener->server, &arrival);
	}
}

/* What came from outside is checked here: sizes that no server agrees on are not adopted. */
static bool is_sound(const struct tftp_handover *handover)
{
	return handover->blksize >= TFTP_BLKSIZE_MIN && handover->blksize <= TFTP_BLKSIZE_MAX &&
	       handover->windowsize >= 1 && handover->windowsize <= TFTP_SERVER_WINDOW_MAX &&
	       handover->acked <= handover->file_bytes / handover->blksize &&
	       handover->client_port != 0 && handover->local_port != 0 && !handover->ended;
}

static void adopt_one(struct tftp_server *server, const struct tftp_handover *handover)
{
	char path[5 + 64 + 1] = "blob/";
	struct content content = {.fd = -1};
	struct tftp_file *file = NULL;
	if (!is_sound(handover) || server->jobs.active >= TFTP_SERVER_TRANSFERS_MAX)
		return;
	text_hex_format(handover->sha256, sizeof handover->sha256, path + 5, sizeof path - 5);
	struct content_request request = {
		.path = path, .client_ip = handover->client_ip, .local_ip = handover->local_ip};
	if (server->content.open(server->content.source, &request, &content) != 0)
		return;
	bool is_blob = content.kind == CONTENT_FILE && content.bytes == handover->file_bytes;
	if (is_blob && tftp_file_map(&server->jobs.files, content.fd, content.bytes,
			       handover->sha256, &file) == 0)
		(void)tftp_job_adopt(&server->jobs, handover,
			file); /* counted there; failed: the client starts anew */
	server->content.fini(&content);
}

static void on_wake(uv_async_t *wake)
{
	struct tftp_server *server = wake->data;
	pthread_mutex_lock(&server->adopt_lock);
	struct tftp_handover *adopt = server->adopt;
	size_t adopt_count = server->adopt_count;
	server->adopt = NULL;
	server->adopt_count = 0;
	pthread_mutex_unlock(&server->adopt_lock);
	for (size_t i = 0; i < adopt_count; i++)
		adopt_one(server, &adopt[i]);
	free(adopt);
}

int tftp_server_adopt(
	struct tftp_server *server, const struct tftp_handover *handovers, size_t count)
{
	if (count == 0)
		return 0;
	pthread_mutex_lock(&server->adopt_lock);
	struct tftp_handover *more =
		reallocarray(server->adopt, server->adopt_count + count, sizeof *server->adopt);
	if (more != NULL) {
		memcpy(more + server->adopt_count, handovers, count * sizeof *handovers);
		server->adopt = more;
		server->adopt_count += count;
	}
	pthread_mutex_unlock(&server->adopt_lock);
	uv_async_send(&server->wake);
	return more != NULL ? 0 : -ENOMEM;
}

static void on_stop(uv_async_t *stop)
{
	struct tftp_server *server = stop->data;
	tftp_job_end_all(&server->jobs);
	for (unsigned i = 0; i < server->listener_count; i++)
		uv_close((uv_handle_t *)&server->listener[i].poll, NULL);
	uv_close((uv_handle_t *)&server->wake, NULL);
	uv_close((uv_handle_t *)stop, NULL);
}

static void *on_thread(void *argument)
{
	struct tftp_server *server = argument;
	uv_run(&server->loop, UV_RUN_DEFAULT); /* until on_stop() has closed every handle */
	return NULL;
}

/* A socket on one address; sets server->port if it was 0. 0 or negative errno. */
static int listen_on(struct tftp_server *server, uint32_t address, bool single_port)
{
	int on = 1, receive_bytes = RECEIVE_BYTES;
	struct sockaddr_in local = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(address),
		.sin_port = htons(server->port)};
	socklen_t local_bytes = sizeof local;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
		sizeof receive_bytes); /* as much as it gives */
	if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0 ||
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on) != 0 ||
		bind(fd, (struct sockaddr *)&local, sizeof local) != 0 ||
		getsockname(fd, (struct sockaddr *)&local, &local_bytes) != 0) {
		int status = -errno;
		close(fd);
		return status;
	}
	/* Only now: another program's socket at our port is still noticed. */
	if (single_port)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	server->port = ntohs(local.sin_port);
	server->listener[server->listener_count++] =
		(struct tftp_listener){.server = server, .address = address, .fd = fd};
	return 0;
}

static int listen_on_all(struct tftp_server *server, const struct tftp_server_config *config,
	char *ret_error, size_t error_bytes)
{
	static const uint32_t every[1] = {INADDR_ANY};
	const uint32_t *addresses = config->addresses != NULL ? config->addresses : every;
	size_t address_count = config->addresses != NULL ? config->address_count : 1;
	assert(address_count <= LISTENERS_MAX);
	for (size_t i = 0; i < address_count; i++) {
		int status = listen_on(server, addresses[i], config->single_port);
		if (status == 0)
			continue;
		char ip[TEXT_IP4_BYTES], holder[128] = "";
		if (status == -EADDRINUSE &&
			port_holder(IPPROTO_UDP, server->port, holder, sizeof holder) == 0)
			snprintf(ret_error, error_bytes, "TFTP: %s port %u is in use by %s",
				text_ip4_format(addresses[i], ip), server->port, holder);
		else
			snprintf(ret_error, error_bytes, "TFTP: cannot use %s port %u: %s",
				text_ip4_format(addresses[i], ip), server->port, strerror(-status));
		return status;
	}
	return 0;
}

/* Everything but the loop. */
static void free_server(struct tftp_server *server)
{
	for (unsigned i = 0; i < server->listener_count; i++)
		close(server->listener[i].fd);
	tftp_claims_fini(&server->claims);
	pthread_mutex_destroy(&server->adopt_lock);
	free(server->adopt);
	free(server);
}

/* The thread takes no signals: they are the main loop's. */
static int start_thread(struct tftp_server *server)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int status = pthread_create(&server->thread, NULL, on_thread, server);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -status;
}

static int start_loop(struct tftp_server *server)
{
	int status = uv_loop_init(&server->loop);
	if (status != 0)
		return status;
	uv_async_init(&server->loop, &server->stop, on_stop);
	uv_async_init(&server->loop, &server->wake, on_wake);
	server->stop.data = server->wake.data = server;
	for (unsigned i = 0; i < server->listener_count; i++) {
		struct tftp_listener *listener = &server->listener[i];
		uv_poll_init(&server->loop, &listener->poll, listener->fd);
		listener->poll.data = listener;
		uv_poll_start(&listener->poll, UV_READABLE, on_readable);
	}
	status = start_thread(server);
	if (status != 0) {
		on_stop(&server->stop);
		uv_run(&server->loop, UV_RUN_DEFAULT);
		uv_loop_close(&server->loop);
	}
	return status;
}

int tftp_server_open(const struct tftp_server_config *config, struct tftp_server **ret_server,
	char *ret_error, size_t error_bytes)
{
	assert(config->content.open != NULL && config->content.fini != NULL);
	struct tftp_server *server = calloc(1, sizeof *server);
	if (server == NULL) {
		snprintf(ret_error, error_bytes, "TFTP: out of memory");
		return -ENOMEM;
	}
	server->content = config->content;
	server->port = config->port;
	server->jobs.loop = &server->loop;
	server->jobs.counts = &server->counts;
	server->jobs.ctx = config->ctx;
	server->jobs.on_event = config->on_event;
	server->jobs.on_progress = config->on_progress;
	server->jobs.source = config->content.source;
	server->jobs.suspect = config->content.suspect;
	server->claims.ctx = config->claim_ctx;
	server->claims.claim = config->claim;
	pthread_mutex_init(&server->adopt_lock, NULL);
	int status = listen_on_all(server, config, ret_error, error_bytes);
	if (config->single_port) {
		server->jobs.single_port = server->port;
		server->jobs.server = server;
		server->jobs.on_request = on_passed_request;
	}
	if (status == 0) {
		status = start_loop(server);
		if (status != 0)
			snprintf(ret_error, error_bytes, "TFTP: cannot start: %s",
				strerror(-status));
	}
	if (status != 0) {
		free_server(server);
		return status;
	}
	*ret_server = server;
	return 0;
}

uint16_t tftp_server_port(const struct tftp_server *server)
{
	return server->port;
}

static uint64_t counted(const struct tftp_server *server, unsigned which)
{
	return atomic_load_explicit(&server->counts.value[which], memory_order_relaxed);
}

void tftp_server_get_stats(const struct tftp_server *server, struct tftp_server_stats *ret_stats)
{
	*ret_stats = (struct tftp_server_stats){
		.requests = counted(server, TFTP_COUNT_REQUESTS),
		.started = counted(server, TFTP_COUNT_STARTED),
		.done = counted(server, TFTP_COUNT_DONE),
		.probed = counted(server, TFTP_COUNT_PROBED),
		.failed = counted(server, TFTP_COUNT_FAILED),
		.not_found = counted(server, TFTP_COUNT_NOT_FOUND),
		.refused = counted(server, TFTP_COUNT_REFUSED),
		.limited = counted(server, TFTP_COUNT_LIMITED),
		.adopted = counted(server, TFTP_COUNT_ADOPTED),
		.elsewhere = counted(server, TFTP_COUNT_ELSEWHERE),
		.strays = counted(server, TFTP_COUNT_STRAYS),
		.sent_bytes = counted(server, TFTP_COUNT_SENT_BYTES),
		.sent_blocks = counted(server, TFTP_COUNT_SENT_BLOCKS),
		.resent_blocks = counted(server, TFTP_COUNT_RESENT_BLOCKS),
		.active = counted(server, TFTP_COUNT_ACTIVE),
	};
	for (unsigned reason = 0; reason < TFTP_REASON_COUNT; reason++)
		ret_stats->malformed[reason] = counted(server, TFTP_COUNT_MALFORMED + reason);
}

void tftp_server_close(struct tftp_server *server)
{
	uv_async_send(&server->stop);
	pthread_join(server->thread, NULL);
	int status = uv_loop_close(&server->loop);
	assert(status == 0);
	(void)status;
	free_server(server);
}
