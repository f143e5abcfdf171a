#include "ctl/doctor.h"

#include "ctl/client.h"
#include "proto/wire/text.h"
#include "proto/wire/tftp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FETCH_WAIT_MS   1000
#define FETCH_TRIES     4
#define FETCH_BLOCK     1428
#define FETCH_HTTP_S    5
#define FETCH_PATH      512
#define FETCH_HTTP_PORT 80

/* ---- TFTP */

struct tftp_fetch {
	int fd;
	struct sockaddr_in server; /* its port changes with the first answer (RFC 1350 §4) */
	bool has_tid;
	uint16_t next;
	size_t block_bytes;
	int64_t total;
	uint8_t out[TFTP_CONTROL_MAX_BYTES + FETCH_PATH], in[FETCH_BLOCK + 64];
	size_t out_bytes;
};

static int fail(char *ret_error, size_t error_bytes, const char *text)
{
	snprintf(ret_error, error_bytes, "%s", text);
	return -1;
}

/* The next packet of the server; false: none in time. What strangers send is passed over. */
static bool tftp_receive(struct tftp_fetch *fetch, struct tftp_packet *packet)
{
	for (;;) {
		struct pollfd ready = {.fd = fetch->fd, .events = POLLIN};
		struct sockaddr_in from;
		socklen_t from_bytes = sizeof from;
		ssize_t bytes;
		if (poll(&ready, 1, FETCH_WAIT_MS) <= 0) {
			return false;
		}
		bytes = recvfrom(fetch->fd, fetch->in, sizeof fetch->in, 0,
			(struct sockaddr *)&from, &from_bytes);
		if (bytes < 0 || from.sin_addr.s_addr != fetch->server.sin_addr.s_addr ||
			(fetch->has_tid && from.sin_port != fetch->server.sin_port) ||
			tftp_decode(fetch->in, (size_t)bytes, packet) != TFTP_OK) {
			continue;
		}
		fetch->server.sin_port = from.sin_port;
		fetch->has_tid = true;
		return true;
	}
}

static void tftp_send(const struct tftp_fetch *fetch)
{
	(void)sendto(fetch->fd, fetch->out, fetch->out_bytes, 0,
		(const struct sockaddr *)&fetch->server, sizeof fetch->server);
}

/* 1: the last block; 0: go on; -1: ended by the server. */
static int tftp_take(struct tftp_fetch *fetch, const struct tftp_packet *packet, char *ret_error,
	size_t error_bytes)
{
	bool last = false;

	if (packet->opcode == TFTP_ERROR) {
		return fail(ret_error, error_bytes,
			packet->error_text[0] != '\0' ? packet->error_text
						      : tftp_error_text(packet->error_code));
	}
	if (packet->opcode == TFTP_OACK && fetch->next == 1) {
		if ((packet->options.present & TFTP_HAS_BLKSIZE) != 0) {
			fetch->block_bytes = packet->options.blksize;
		}
		fetch->out_bytes = tftp_encode_ack(0, fetch->out, sizeof fetch->out);
	} else if (packet->opcode == TFTP_DATA && packet->block == fetch->next) {
		fetch->total += (int64_t)packet->data_bytes;
		last = packet->data_bytes < fetch->block_bytes;
		fetch->out_bytes = tftp_encode_ack(fetch->next, fetch->out, sizeof fetch->out);
		fetch->next++;
	} else {
		return 0; /* a repeat */
	}
	tftp_send(fetch);
	return last;
}

int64_t doctor_fetch_tftp(
	uint32_t ip, uint16_t port, const char *path, char *ret_error, size_t error_bytes)
{
	const struct tftp_options options = {.present = TFTP_HAS_BLKSIZE, .blksize = FETCH_BLOCK};
	struct tftp_fetch fetch = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		.server = {.sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr.s_addr = htonl(ip)},
		.next = 1,
		.block_bytes = TFTP_BLKSIZE_DEFAULT};
	struct tftp_packet packet;
	int result = 0;

	if (fetch.fd < 0) {
		return fail(ret_error, error_bytes, strerror(errno));
	}
	fetch.out_bytes = tftp_encode_request(
		TFTP_RRQ, path, TFTP_OCTET, &options, fetch.out, sizeof fetch.out);
	tftp_send(&fetch);
	for (unsigned silent = 0; result == 0 && silent < FETCH_TRIES;) {
		if (tftp_receive(&fetch, &packet)) {
			silent = 0;
			result = tftp_take(&fetch, &packet, ret_error, error_bytes);
		} else if (++silent < FETCH_TRIES) {
			tftp_send(&fetch);
		}
	}
	close(fetch.fd);
	if (result == 0) {
		return fail(ret_error, error_bytes, "no answer");
	}
	return result < 0 ? -1 : fetch.total;
}

/* ---- HTTP */

static int http_connect(uint32_t ip, uint16_t port)
{
	struct sockaddr_in server = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip)};
	struct timeval wait = {.tv_sec = FETCH_HTTP_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	if (connect(fd, (const struct sockaddr *)&server, sizeof server) != 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Read all of an answer to a HTTP/1.0 request: the head, then bytes until the end. */
static int64_t http_read(int fd, char *ret_error, size_t error_bytes)
{
	char head[4096], *body;
	size_t have = 0;
	ssize_t bytes;
	int64_t total;
	int status = 0;

	do {
		bytes = recv(fd, head + have, sizeof head - 1 - have, 0);
		have += bytes > 0 ? (size_t)bytes : 0;
		head[have] = '\0';
		body = strstr(head, "\r\n\r\n");
	} while (bytes > 0 && body == NULL && have < sizeof head - 1);
	if (body == NULL || sscanf(head, "HTTP/1.%*d %d", &status) != 1) {
		return fail(ret_error, error_bytes, bytes < 0 ? strerror(errno) : "no HTTP answer");
	}
	if (status != 200) {
		snprintf(ret_error, error_bytes, "HTTP status %d", status);
		return -1;
	}
	total = (int64_t)(have - (size_t)(body + 4 - head));
	while ((bytes = recv(fd, head, sizeof head, 0)) > 0) {
		total += bytes;
	}
	return bytes < 0 ? fail(ret_error, error_bytes, strerror(errno)) : total;
}

int64_t doctor_fetch_http(
	uint32_t ip, uint16_t port, const char *path, char *ret_error, size_t error_bytes)
{
	char request[FETCH_PATH + 64];
	int64_t total;
	int fd = http_connect(ip, port), bytes;

	if (fd < 0) {
		return fail(ret_error, error_bytes, strerror(errno));
	}
	bytes = snprintf(request, sizeof request, "GET %s%.*s HTTP/1.0\r\n\r\n",
		path[0] == '/' ? "" : "/", FETCH_PATH, path);
	if (send(fd, request, (size_t)bytes, MSG_NOSIGNAL) != bytes) {
		total = fail(ret_error, error_bytes, strerror(errno));
	} else {
		total = http_read(fd, ret_error, error_bytes);
	}
	close(fd);
	return total;
}

/* ---- boot programs */

/* What an unknown machine of this architecture would load: its path in ret_path, "" if nothing. */
static void explain(struct doctor *doctor, char *arch, char ret_path[FETCH_PATH], char *ret_problem,
	size_t problem_bytes)
{
	static uint8_t nobody[6] = {0x02, 0, 0, 0, 0, 0x01};
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__BootExplainQuery query = PXE__BOOT_EXPLAIN_QUERY__INIT;
	Pxe__AdminReply *reply = NULL;

	ret_path[0] = ret_problem[0] = '\0';
	query.mac = (ProtobufCBinaryData){sizeof nobody, nobody};
	query.arch = arch;
	request.body_case = PXE__ADMIN_REQUEST__BODY_BOOT_EXPLAIN;
	request.boot_explain = &query;
	if (client_try(doctor->ctl, &request, &reply, ret_problem, problem_bytes) != CTL_OK) {
		return;
	}
	for (size_t i = 0; reply->body_case == PXE__ADMIN_REPLY__BODY_EXPLANATION &&
			   i < reply->explanation->n_lines;
		i++) {
		const Pxe__Explained *line = reply->explanation->lines[i];
		if (strcmp(line->value, "program") == 0) {
			snprintf(ret_path, FETCH_PATH, "%s", line->result);
		} else if (strcmp(line->value, "problem") == 0 && ret_problem[0] == '\0') {
			snprintf(ret_problem, problem_bytes, "%s", line->result);
		}
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
}

static void fetch_from(struct doctor *doctor, const Pxe__NodeStatus *node, const char *path)
{
	const struct node_conf *conf = doctor->conf;
	uint16_t tftp_port = conf != NULL ? conf->tftp_port : TFTP_PORT;
	uint16_t http_port = conf != NULL ? conf->http_port : FETCH_HTTP_PORT;
	char what[48], error[200] = "";
	uint32_t ip;
	int64_t tftp, http;

	if (text_ip4_parse(node->address, &ip) != 0) {
		return;
	}
	snprintf(what, sizeof what, "files of %.36s", node->name);
	tftp = doctor_fetch_tftp(ip, tftp_port, path, error, sizeof error);
	if (tftp < 0) {
		doctor_tell(doctor, DOCTOR_BAD, what,
			"TFTP %s: %s; does a firewall stop UDP port %u?", path, error,
			(unsigned)tftp_port);
		return;
	}
	http = doctor_fetch_http(ip, http_port, path, error, sizeof error);
	if (http < 0) {
		doctor_tell(doctor, DOCTOR_BAD, what,
			"HTTP %s: %s; does a firewall stop TCP port %u?", path, error,
			(unsigned)http_port);
	} else if (http != tftp) {
		doctor_tell(doctor, DOCTOR_BAD, what,
			"%s has %" PRId64 " bytes by TFTP and %" PRId64 " by HTTP", path, tftp,
			http);
	} else {
		doctor_tell(doctor, DOCTOR_OK, what, "%s, %" PRId64 " bytes by TFTP and HTTP", path,
			tftp);
	}
}

void doctor_fetch(struct doctor *doctor)
{
	static const char *const archs[] = {"bios", "uefi-x64", "uefi-x86", "uefi-arm64"};
	char path[FETCH_PATH], program[FETCH_PATH] = "", problem[200], arch[16], what[48];

	for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
		snprintf(arch, sizeof arch, "%s", archs[i]);
		snprintf(what, sizeof what, "boot %s", archs[i]);
		explain(doctor, arch, path, problem, sizeof problem);
		if (path[0] != '\0') {
			doctor_tell(doctor, DOCTOR_OK, what, "%s", path);
		} else {
			doctor_tell(doctor, DOCTOR_WARN, what, "unknown machines boot nothing: %s",
				problem[0] != '\0' ? problem : "no profile");
		}
		if (program[0] == '\0' && strchr(path, ' ') == NULL) {
			memcpy(program, path, sizeof program);
		}
	}
	for (size_t i = 0; program[0] != '\0' && i < doctor->status->n_nodes; i++) {
		const Pxe__NodeStatus *node = doctor->status->nodes[i];
		if (strcmp(node->state, "ok") == 0 && strcmp(node->raft_role, "witness") != 0) {
			fetch_from(doctor, node, program);
		}
	}
}
