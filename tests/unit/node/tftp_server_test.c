/* The TFTP server over loopback: a client written here, that can lose packets and drive many
 * transfers at once, and the clients of others where they are installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/tftp/tftp_server.h"
#include "proto/wire/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOPBACK    0x7f000001u
#define PATIENCE_MS 60000 /* only a hung test gets there */

/* ---- content: files made of one byte pattern, in a directory of their own ---- */

struct fixture {
	char directory[64];
	struct tftp_server *server;
	uint16_t port;
	_Atomic unsigned events[64]; /* by kind */
	pthread_mutex_t lock;
	struct tftp_handover progress; /* the last that was told */
	unsigned progress_count;
	char done_text[256]; /* of the last transfer that was told to be done */
};

static uint8_t pattern(uint64_t offset)
{
	return (uint8_t)(offset * 131 + (offset >> 8) * 17 + (offset >> 16));
}

/* "size-N" is a file of N pattern bytes; "text" is made for the request. */
static int open_content(
	void *source, const struct content_request *request, struct content *ret_content)
{
	struct fixture *fixture = source;
	char path[256], blob[64];
	unsigned long long bytes;
	const char *name = request->path + (request->path[0] == '/');
	*ret_content = (struct content){.fd = -1, .media_type = "application/octet-stream"};
	if (strstr(name, "..") != NULL)
		return -EINVAL;
	if (strcmp(name, "text") == 0) {
		ret_content->kind = CONTENT_TEXT;
		ret_content->text = strdup("one\ntwo\n");
		ret_content->bytes = 8;
		return 0;
	}
	if (strcmp(name, "elsewhere") == 0) {
		ret_content->kind = CONTENT_ELSEWHERE;
		return 0;
	}
	if (strcmp(name, "broken") == 0)
		return -EIO;
	if (strncmp(name, "blob/", 5) == 0) { /* by hash: see below what stands for it */
		uint8_t hash[32];
		size_t hash_bytes;
		if (text_hex_parse(name + 5, hash, sizeof hash, &hash_bytes) != 0 ||
			hash_bytes != 32)
			return -ENOENT;
		memcpy(&bytes, hash, sizeof bytes);
		snprintf(blob, sizeof blob, "size-%llu", bytes);
		name = blob;
	}
	if (sscanf(name, "size-%llu", &bytes) != 1 || strlen(name) > 30)
		return -ENOENT;
	snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret_content->kind = CONTENT_FILE;
	ret_content->fd = fd;
	ret_content->bytes = bytes;
	memcpy(ret_content->sha256, &bytes,
		sizeof bytes); /* stands for the hash: one value for one content */
	return 0;
}

static void fini_content(struct content *content)
{
	if (content->fd >= 0)
		close(content->fd);
	free(content->text);
}

static void on_event(void *ctx, const struct event *event)
{
	struct fixture *fixture = ctx;
	assert_true((unsigned)event->kind < 64);
	if (event->kind == PXE__EVENT_KIND__EVENT_TFTP_DONE) {
		pthread_mutex_lock(&fixture->lock);
		memcpy(fixture->done_text, event->text, sizeof fixture->done_text);
		pthread_mutex_unlock(&fixture->lock);
	}
	atomic_fetch_add(&fixture->events[event->kind], 1);
}

static void on_progress(void *ctx, const struct tftp_handover *handover)
{
	struct fixture *fixture = ctx;
	pthread_mutex_lock(&fixture->lock);
	fixture->progress = *handover;
	fixture->progress_count++;
	pthread_mutex_unlock(&fixture->lock);
}

static struct tftp_handover last_progress(struct fixture *fixture)
{
	pthread_mutex_lock(&fixture->lock);
	struct tftp_handover handover = fixture->progress;
	pthread_mutex_unlock(&fixture->lock);
	return handover;
}

static void make_file(const struct fixture *fixture, uint64_t bytes)
{
	char path[128];
	snprintf(path, sizeof path, "%s/size-%llu", fixture->directory, (unsigned long long)bytes);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (uint64_t i = 0; i < bytes; i++)
		putc(pattern(i), file);
	assert_int_equal(fclose(file), 0);
}

static int setup_with(void **state, bool single_port)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	char error[256] = "";
	assert_non_null(fixture);
	strcpy(fixture->directory, "/tmp/tftp-server-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	struct tftp_server_config config = {
		.content = {.source = fixture, .open = open_content, .fini = fini_content},
		.ctx = fixture,
		.on_event = on_event,
		.on_progress = on_progress,
		.single_port = single_port,
	};
	pthread_mutex_init(&fixture->lock, NULL);
	int status = tftp_server_open(&config, &fixture->server, error, sizeof error);
	if (status != 0)
		fail_msg("%s", error);
	fixture->port = tftp_server_port(fixture->server);
	*state = fixture;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false);
}

static int setup_single_port(void **state)
{
	return setup_with(state, true);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char command[128];
	tftp_server_close(fixture->server);
	snprintf(command, sizeof command, "rm -r '%s'", fixture->directory);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static struct tftp_server_stats stats_of(const struct fixture *fixture)
{
	struct tftp_server_stats stats;
	tftp_server_get_stats(fixture->server, &stats);
	return stats;
}

static uint64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- a client ---- */

struct client {
	int fd;
	struct sockaddr_in peer; /* the server's port, then the transfer's */
	bool connected;
	uint32_t blksize, windowsize;
	uint64_t expected_bytes;
	uint64_t received, blocks;
	uint32_t in_window;
	struct tftp_options oack;
	bool got_oack, finished, gap_told;
	int error_code; /* -1: none */
	unsigned loss_percent, seed;
	uint64_t heard_ms;
	uint8_t request[512];
	size_t request_bytes;
	uint64_t dropped;
};

static void client_open(struct client *client, uint32_t server_ip, uint16_t port)
{
	*client =
		(struct client){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
			.peer = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(server_ip),
				.sin_port = htons(port)},
			.blksize = 512,
			.windowsize = 1,
			.error_code = -1};
	assert_true(client->fd >= 0);
	int receive_bytes = 1 << 20;
	setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
}

static void client_send(struct client *client, const void *bytes, size_t size)
{
	sendto(client->fd, bytes, size, 0, (struct sockaddr *)&client->peer, sizeof client->peer);
}

static void client_request(
	struct client *client, const char *name, const struct tftp_options *options)
{
	client->request_bytes = tftp_encode_request(
		TFTP_RRQ, name, TFTP_OCTET, options, client->request, sizeof client->request);
	assert_true(client->request_bytes > 0);
	client->heard_ms = clock_ms();
	client_send(client, client->request, client->request_bytes);
}

static bool client_loses(struct client *client)
{
	client->seed = client->seed * 1103515245u + 12345u;
	bool lost = (client->seed >> 16) % 100 < client->loss_percent;
	client->dropped += lost;
	return lost;
}

static void client_ack(struct client *client)
{
	uint8_t ack[4];
	client->in_window = 0;
	tftp_encode_ack((uint16_t)client->blocks, ack, sizeof ack);
	if (!client_loses(client))
		client_send(client, ack, sizeof ack);
}

static void client_data(struct client *client, const struct tftp_packet *packet)
{
	uint16_t ahead = (uint16_t)(packet->block - (uint16_t)client->blocks);
	if (ahead == 1 && !client->finished) {
		for (size_t i = 0; i < packet->data_bytes; i++) {
			if (packet->data[i] != pattern(client->received + i))
				fail_msg("wrong byte at %llu",
					(unsigned long long)(client->received + i));
		}
		client->received += packet->data_bytes;
		client->blocks++;
		client->gap_told = false;
		client->finished = packet->data_bytes < client->blksize;
		if (++client->in_window >= client->windowsize || client->finished)
			client_ack(client);
	} else if (ahead == 0) {
		client_ack(client);
	} else if (ahead < 0x8000) {
		if (!client->gap_told)
			client_ack(client);
		client->gap_told = true;
	}
}

static void client_oack(struct client *client, const struct tftp_packet *packet)
{
	client->got_oack = true;
	client->oack = packet->options;
	if (packet->options.present & TFTP_HAS_BLKSIZE)
		client->blksize = packet->options.blksize;
	if (packet->options.present & TFTP_HAS_WINDOWSIZE)
		client->windowsize = packet->options.windowsize;
	if (client->blocks == 0)
		client_ack(client);
}

/* Take one packet if there is one. */
static bool client_read(struct client *client)
{
	static uint8_t bytes[70000];
	struct sockaddr_in from;
	socklen_t from_bytes = sizeof from;
	struct tftp_packet packet;
	ssize_t size =
		recvfrom(client->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_bytes);
	if (size < 0)
		return false;
	if (client_loses(client))
		return true;
	client->heard_ms = clock_ms();
	assert_int_equal(tftp_decode(bytes, (size_t)size, &packet), TFTP_OK);
	assert_int_equal(from.sin_addr.s_addr,
		client->peer.sin_addr.s_addr); /* from the address that was asked */
	if (packet.opcode == TFTP_ERROR) {
		client->error_code = packet.error_code;
		return true;
	}
	if (!client->connected)
		client->peer.sin_port = from.sin_port;
	client->connected = true;
	assert_int_equal(from.sin_port, client->peer.sin_port);
	if (packet.opcode == TFTP_OACK)
		client_oack(client, &packet);
	else if (packet.opcode == TFTP_DATA)
		client_data(client, &packet);
	return true;
}

static bool client_over(const struct client *client)
{
	return client->finished || client->error_code >= 0;
}

/* What a client does after a second of silence. */
static void client_tick(struct client *client)
{
	if (client_over(client) || clock_ms() - client->heard_ms < 1000)
		return;
	client->heard_ms = clock_ms();
	if (!client->connected)
		client_send(client, client->request, client->request_bytes);
	else if (client->blocks > 0 || client->got_oack)
		client_ack(client);
}

static void clients_run(struct client *clients, size_t count)
{
	struct pollfd *polls = calloc(count, sizeof *polls);
	assert_non_null(polls);
	uint64_t start_ms = clock_ms();
	for (;;) {
		size_t running = 0;
		for (size_t i = 0; i < count; i++) {
			polls[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
			running += !client_over(&clients[i]);
		}
		if (running == 0)
			break;
		if (clock_ms() - start_ms > PATIENCE_MS)
			fail_msg("%zu of %zu transfers hang", running, count);
		poll(polls, count, 100);
		for (size_t i = 0; i < count; i++) {
			if (polls[i].revents != 0) {
				while (client_read(&clients[i]))
					;
			}
			client_tick(&clients[i]);
		}
	}
	free(polls);
}

static void expect_file(const struct client *client, uint64_t bytes)
{
	assert_int_equal(client->error_code, -1);
	assert_true(client->finished);
	assert_true(client->received == bytes);
}

/* One transfer from start to end. */
static struct client fetch(const struct fixture *fixture, const char *name,
	const struct tftp_options *options, unsigned loss_percent)
{
	struct client client;
	client_open(&client, LOOPBACK, fixture->port);
	client.loss_percent = loss_percent;
	client.seed = 42;
	client_request(&client, name, options);
	clients_run(&client, 1);
	close(client.fd);
	return client;
}

/* Packets are few and the server is another thread: wait until it has seen them. */
#define WAIT_UNTIL(condition)                                                                      \
	do {                                                                                       \
		uint64_t wait_start_ms = clock_ms();                                               \
		while (!(condition)) {                                                             \
			assert_true(clock_ms() - wait_start_ms < PATIENCE_MS);                     \
			usleep(1000);                                                              \
		}                                                                                  \
	} while (0)

/* ---- tests ---- */

static void files_of_every_size_arrive(void **state)
{
	struct fixture *fixture = *state;
	static const uint64_t sizes[] = {0, 1, 511, 512, 513, 1468, 2936, 100000};
	static const struct tftp_options options[] = {
		{0},
		{.present = TFTP_HAS_BLKSIZE, .blksize = 1468},
		{.present = TFTP_HAS_BLKSIZE | TFTP_HAS_TSIZE | TFTP_HAS_WINDOWSIZE,
			.blksize = 1468,
			.windowsize = 4},
		{.present = TFTP_HAS_WINDOWSIZE | TFTP_HAS_TIMEOUT, .windowsize = 64, .timeout = 3},
		{.present = TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE,
			.blksize = 8,
			.windowsize = 100},
		{.present = TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE,
			.blksize = 65464,
			.windowsize = 64},
	};
	unsigned transfers = 0;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char name[64];
		make_file(fixture, sizes[i]);
		snprintf(name, sizeof name, "size-%llu", (unsigned long long)sizes[i]);
		for (size_t j = 0; j < sizeof options / sizeof options[0]; j++, transfers++) {
			struct client client = fetch(fixture, name, &options[j], 0);
			expect_file(&client, sizes[i]);
			assert_int_equal(client.got_oack, options[j].present != 0);
			assert_int_equal(client.oack.present, options[j].present);
			assert_true(
				client.blksize <= options[j].blksize || options[j].blksize == 0);
			if (options[j].present & TFTP_HAS_TSIZE)
				assert_true(
					client.oack.tsize == sizes[i]); /* FIELD 48, for 0 too */
		}
	}
	WAIT_UNTIL(stats_of(fixture).done == transfers);
	assert_int_equal(fixture->events[PXE__EVENT_KIND__EVENT_TFTP_START], transfers);
	WAIT_UNTIL(fixture->events[PXE__EVENT_KIND__EVENT_TFTP_DONE] == transfers);
	WAIT_UNTIL(stats_of(fixture).active == 0);
}

static void two_hundred_transfers_at_once(void **state)
{
	struct fixture *fixture = *state;
	enum { COUNT = 200, BYTES = 300000 };
	struct client *clients = calloc(COUNT, sizeof *clients);
	assert_non_null(clients);
	make_file(fixture, BYTES);
	for (unsigned i = 0; i < COUNT; i++) {
		struct tftp_options options = {
			.present = i % 3 ? TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE : 0,
			.blksize = 1468,
			.windowsize = 1 + i % 8};
		client_open(&clients[i], LOOPBACK, fixture->port);
		/* As from several machines, or the bound of one client would hold some back. */
		struct sockaddr_in from = {
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK + 1 + i % 8)};
		assert_int_equal(bind(clients[i].fd, (struct sockaddr *)&from, sizeof from), 0);
		client_request(&clients[i], "size-300000", &options);
	}
	clients_run(clients, COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		expect_file(&clients[i], BYTES);
		close(clients[i].fd);
	}
	free(clients);
	WAIT_UNTIL(stats_of(fixture).done == COUNT);
	assert_int_equal(stats_of(fixture).failed, 0);
}

static void lost_packets_are_repaired(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options options[] = {
		{.present = TFTP_HAS_BLKSIZE, .blksize = 1468},
		{.present = TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE,
			.blksize = 1468,
			.windowsize = 16},
	};
	make_file(fixture, 300000);
	for (size_t i = 0; i < 2; i++) {
		struct client client = fetch(fixture, "size-300000", &options[i], 5);
		expect_file(&client, 300000);
		assert_true(client.dropped > 0);
	}
	/* A last ACK may be among what was lost; then the transfer ends by the closed port. */
	WAIT_UNTIL(stats_of(fixture).done == 2);
	assert_true(stats_of(fixture).resent_blocks > 0);
}

/* FIELD 51: the number rolls over, and the event says that this is not for every firmware. */
static void more_than_65535_blocks(void **state)
{
	struct fixture *fixture = *state;
	struct tftp_options options = {
		.present = TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE, .blksize = 8, .windowsize = 32};
	make_file(fixture, 8 * 66000 + 5);
	struct client client = fetch(fixture, "size-528005", &options, 0);
	expect_file(&client, 528005);
	assert_true(client.blocks == 66001);
	WAIT_UNTIL(fixture->events[PXE__EVENT_KIND__EVENT_TFTP_DONE] == 1);
	assert_non_null(strstr(fixture->done_text, "size-528005: 66001 blocks of 8 bytes"));
	options.blksize = 16;
	client = fetch(fixture, "size-528005", &options, 0);
	expect_file(&client, 528005);
	WAIT_UNTIL(fixture->events[PXE__EVENT_KIND__EVENT_TFTP_DONE] == 2);
	assert_string_equal(fixture->done_text, "size-528005");
}

/* FIELD 57, FIELD 58, FIELD 59: what a boot program looks for and does not find is answered at
 * once, and nobody is told that something went wrong. */
static void refusals_have_their_codes(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	assert_int_equal(fetch(fixture, "missing", &none, 0).error_code, TFTP_ENOTFOUND);
	assert_int_equal(
		fetch(fixture, "pxelinux.cfg/default", &none, 0).error_code, TFTP_ENOTFOUND);
	assert_int_equal(fetch(fixture, "../etc/passwd", &none, 0).error_code, TFTP_EACCESS);
	assert_int_equal(fetch(fixture, "elsewhere", &none, 0).error_code, TFTP_EUNDEF);
	assert_int_equal(fetch(fixture, "broken", &none, 0).error_code, TFTP_EUNDEF);
	struct client client = fetch(fixture, "grub/command.lst", &none, 0);
	expect_file(&client, 0);
	assert_int_equal(stats_of(fixture).not_found, 2);
	assert_int_equal(stats_of(fixture).refused, 1);
	assert_int_equal(stats_of(fixture).elsewhere, 1);
	assert_int_equal(fixture->events[PXE__EVENT_KIND__EVENT_TFTP_FAILED],
		0); /* misses are no failures */
}

/* FIELD 3, FIELD 56 */
static void names_of_roms_are_understood(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	make_file(fixture, 513);
	struct client client = fetch(fixture, "size-513\xff", &none, 0);
	expect_file(&client, 513);
	client = fetch(fixture, "/size-513", &none, 0);
	expect_file(&client, 513);
}

/* One packet to the server's port and one back; returns its size. */
static ssize_t exchange(const struct fixture *fixture, const void *bytes, size_t size,
	uint8_t *answer, size_t capacity)
{
	struct client client;
	client_open(&client, LOOPBACK, fixture->port);
	client_send(&client, bytes, size);
	struct pollfd poll_fd = {.fd = client.fd, .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
	ssize_t got = recv(client.fd, answer, capacity, 0);
	close(client.fd);
	return got;
}

/* FIELD 60 */
static void netascii_is_converted(void **state)
{
	struct fixture *fixture = *state;
	uint8_t answer[600];
	static const char request[] = "\0\1text\0netascii";
	ssize_t size = exchange(fixture, request, sizeof request, answer, sizeof answer);
	assert_int_equal(size, 4 + 10);
	assert_memory_equal(answer, "\0\3\0\1one\r\ntwo\r\n", 14);
	make_file(fixture, 5000000);
	static const char large[] = "\0\1size-5000000\0netascii";
	assert_true(exchange(fixture, large, sizeof large, answer, sizeof answer) > 4);
	assert_memory_equal(answer, "\0\5\0\0", 4);
}

static void writes_and_strays_are_refused(void **state)
{
	struct fixture *fixture = *state;
	uint8_t answer[600];
	static const char write[] = "\0\2upload\0octet";
	assert_true(exchange(fixture, write, sizeof write, answer, sizeof answer) > 4);
	assert_memory_equal(answer, "\0\5\0\2", 4);
	assert_true(exchange(fixture, "\0\4\0\1", 4, answer, sizeof answer) > 4);
	assert_memory_equal(answer, "\0\5\0\5", 4); /* FIELD 54 */
}

static void malformed_packets_are_counted_and_dropped(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	struct client client;
	client_open(&client, LOOPBACK, fixture->port);
	client_send(&client, "", 0);
	client_send(&client, "\0\1", 2);
	client_send(&client, "\0\1name", 6);
	client_send(&client, "\0\1\0octet", 9);
	client_send(&client, "\0\x63", 2);
	client_send(&client, "\0\5\0\0", 4); /* an ERROR: counted, never answered */
	uint8_t large[2000] = {0, 1, 'a'};
	client_send(&client, large, sizeof large);
	client_request(&client, "missing", &none);
	clients_run(&client, 1); /* the only answer is to the request behind them */
	assert_int_equal(client.error_code, TFTP_ENOTFOUND);
	assert_false(client_read(&client));
	close(client.fd);
	struct tftp_server_stats stats = stats_of(fixture);
	assert_int_equal(stats.malformed[TFTP_SHORT], 1);
	assert_int_equal(stats.malformed[TFTP_NO_NUL], 3);
	assert_int_equal(stats.malformed[TFTP_EMPTY_NAME], 1);
	assert_int_equal(stats.malformed[TFTP_BAD_OPCODE], 1);
	assert_int_equal(stats.strays, 1);
	assert_int_equal(stats.requests, 1);
}

/* FIELD 47: EDK2 asks the size, drops the transfer, and asks again, at times from the same port. */
static void a_size_probe_is_no_failure(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options ask = {.present = TFTP_HAS_TSIZE};
	static const struct tftp_options real = {
		.present = TFTP_HAS_TSIZE | TFTP_HAS_BLKSIZE, .blksize = 1024};
	make_file(fixture, 5000);
	struct client client;
	for (int with_error = 0; with_error < 2; with_error++) {
		client_open(&client, LOOPBACK, fixture->port);
		client_request(&client, "size-5000", &ask);
		uint8_t answer[600];
		struct pollfd poll_fd = {.fd = client.fd, .events = POLLIN};
		struct sockaddr_in from;
		socklen_t from_bytes = sizeof from;
		assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
		assert_true(recvfrom(client.fd, answer, sizeof answer, 0, (struct sockaddr *)&from,
				    &from_bytes) > 0);
		assert_memory_equal(answer,
			"\0\6tsize\0"
			"5000",
			13);
		if (with_error)
			sendto(client.fd, "\0\5\0\10\0", 5, 0, (struct sockaddr *)&from,
				sizeof from);
		client_request(&client, "size-5000", &real);
		clients_run(&client, 1);
		expect_file(&client, 5000);
		close(client.fd);
	}
	WAIT_UNTIL(stats_of(fixture).done == 2 && stats_of(fixture).probed == 2);
	assert_int_equal(stats_of(fixture).failed, 0);
	assert_int_equal(fixture->events[PXE__EVENT_KIND__EVENT_TFTP_START], 2);
}

/* FIELD 49, FIELD 50: the blocks fit the link, whatever is asked; nobody gets larger ones than it
 * asked for, and odd sizes are granted as they are. */
static void blocks_are_no_longer_than_asked_and_fit_the_link(void **state)
{
	struct fixture *fixture = *state;
	static const uint32_t asked[] = {512, 1024, 1408, 1428, 1463, 1468, 65464};
	make_file(fixture, 100000);
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		struct tftp_options options = {.present = TFTP_HAS_BLKSIZE, .blksize = asked[i]};
		struct client client = fetch(fixture, "size-100000", &options, 0);
		expect_file(&client, 100000);
		if (asked[i] < 1500)
			assert_int_equal(client.blksize, asked[i]);
		else /* the loopback interface carries 65536 bytes */
			assert_in_range(client.blksize, 1468, 65536 - 32);
	}
}

/* FIELD 61 */
static void all_leaves_from_one_port_where_that_is_wanted(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	static const struct tftp_options window = {
		.present = TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE,
		.blksize = 1024,
		.windowsize = 8};
	make_file(fixture, 100000);
	struct client all[3];
	for (size_t i = 0; i < 3; i++) {
		client_open(&all[i], LOOPBACK, fixture->port);
		client_request(&all[i], "size-100000", i == 0 ? &none : &window);
	}
	clients_run(all, 3);
	for (size_t i = 0; i < 3; i++) {
		expect_file(&all[i], 100000);
		assert_int_equal(all[i].peer.sin_port, htons(fixture->port));
		close(all[i].fd);
	}
	WAIT_UNTIL(stats_of(fixture).done == 3 && stats_of(fixture).active == 0);
	assert_int_equal(stats_of(fixture).strays, 0);
}

/* FIELD 61: with one port there is one transfer for each port of a client; what comes right behind
 * the first block is a copy from the network, another name is a client that has moved on. */
static void a_client_that_begins_anew_at_the_single_port_is_heard(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	make_file(fixture, 100000);
	make_file(fixture, 513);
	struct client client;
	client_open(&client, LOOPBACK, fixture->port);
	client_request(&client, "size-100000", &none);
	while (client.blocks < 20) {
		struct pollfd poll_fd = {.fd = client.fd, .events = POLLIN};
		assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
		client_read(&client);
	}
	client_send(&client, client.request, client.request_bytes);
	WAIT_UNTIL(stats_of(fixture).requests == 2);
	assert_int_equal(stats_of(fixture).active, 1);
	assert_int_equal(stats_of(fixture).started, 1);

	client.received = client.blocks = 0;
	client_request(&client, "size-513", &none);
	WAIT_UNTIL(stats_of(fixture).requests == 3);
	assert_int_equal(stats_of(fixture).failed, 1);
	/* Blocks of the first file may still be on their way: they are taken for nothing else, as
	 * both files begin alike. */
	WAIT_UNTIL(stats_of(fixture).started == 2);
	clients_run(&client, 1);
	assert_true(client.finished);
	close(client.fd);
	WAIT_UNTIL(stats_of(fixture).done == 1 && stats_of(fixture).active == 0);
}

static void a_repeated_request_has_one_transfer(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options options = {.present = TFTP_HAS_BLKSIZE, .blksize = 1024};
	make_file(fixture, 5000);
	struct client client;
	client_open(&client, LOOPBACK, fixture->port);
	client_request(&client, "size-5000", &options);
	client_send(&client, client.request, client.request_bytes);
	clients_run(&client, 1); /* asserts that all comes from one port */
	expect_file(&client, 5000);
	assert_int_equal(stats_of(fixture).started, 1);
	close(client.fd);
}

static void replies_leave_from_the_address_that_was_asked(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	make_file(fixture, 5000);
	for (uint32_t ip = LOOPBACK; ip < LOOPBACK + 3; ip++) {
		struct client client;
		client_open(&client, ip, fixture->port);
		client_request(&client, "size-5000", &none);
		clients_run(&client, 1); /* client_read() asserts the source */
		expect_file(&client, 5000);
		client_open(&client, ip, fixture->port);
		client_request(&client, "missing", &none);
		clients_run(&client, 1);
		assert_int_equal(client.error_code, TFTP_ENOTFOUND);
	}
}

static void one_client_has_a_bounded_share(void **state)
{
	struct fixture *fixture = *state;
	enum { COUNT = TFTP_SERVER_CLIENT_MAX + 5 };
	static const struct tftp_options none = {0};
	struct client clients[COUNT];
	make_file(fixture, 5000);
	for (unsigned i = 0; i < COUNT; i++) {
		client_open(&clients[i], LOOPBACK, fixture->port);
		client_request(&clients[i], "size-5000", &none);
	}
	WAIT_UNTIL(stats_of(fixture).limited == 5);
	assert_int_equal(stats_of(fixture).active, TFTP_SERVER_CLIENT_MAX);
	clients_run(clients, COUNT); /* those that were dropped ask again, and get their file */
	for (unsigned i = 0; i < COUNT; i++) {
		expect_file(&clients[i], 5000);
		close(clients[i].fd);
	}
}

/* Requests that nobody stands behind fill the client's share, as others could do in its name. */
static void unanswered_transfers_give_way(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	struct client silent[TFTP_SERVER_CLIENT_MAX], client;
	make_file(fixture, 5000);
	for (unsigned i = 0; i < TFTP_SERVER_CLIENT_MAX; i++) {
		client_open(&silent[i], LOOPBACK, fixture->port);
		client_request(&silent[i], "size-5000", &none);
	}
	WAIT_UNTIL(stats_of(fixture).active == TFTP_SERVER_CLIENT_MAX);
	client_open(&client, LOOPBACK, fixture->port);
	client_request(&client, "size-5000", &none);
	clients_run(&client, 1); /* asks until it is served */
	expect_file(&client, 5000);
	close(client.fd);
	assert_int_equal(stats_of(fixture).failed, 0); /* none had to time out first */
	assert_true(stats_of(fixture).limited >= 1);
	for (unsigned i = 0; i < TFTP_SERVER_CLIENT_MAX; i++)
		close(silent[i].fd);
}

/* Blobs are never cut; if a disk fails all the same, the transfer fails and not the server. */
static void a_file_cut_short_fails_one_transfer_only(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	struct client client;
	char path[128];
	make_file(fixture, 100000);
	client_open(&client, LOOPBACK, fixture->port);
	client_request(&client, "size-100000", &none);
	WAIT_UNTIL(stats_of(fixture).active == 1);
	snprintf(path, sizeof path, "%s/size-100000", fixture->directory);
	assert_int_equal(truncate(path, 0), 0);
	clients_run(&client, 1);
	assert_int_equal(client.error_code, TFTP_EUNDEF);
	close(client.fd);
	make_file(fixture, 513);
	client = fetch(fixture, "size-513", &none, 0);
	expect_file(&client, 513);
	assert_int_equal(stats_of(fixture).failed, 1);
	WAIT_UNTIL(fixture->events[PXE__EVENT_KIND__EVENT_TFTP_FAILED] == 1);
}

static void a_client_that_vanishes_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	struct client client;
	make_file(fixture, 100000);
	client_open(&client, LOOPBACK, fixture->port);
	client_request(&client, "size-100000", &none);
	WAIT_UNTIL(stats_of(fixture).active == 1);
	close(client.fd); /* the next block meets a closed port */
	WAIT_UNTIL(stats_of(fixture).active == 0);
	assert_int_equal(stats_of(fixture).failed, 1);
}

static void a_server_with_transfers_closes(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options options = {.present = TFTP_HAS_BLKSIZE, .blksize = 1024};
	struct client clients[8];
	make_file(fixture, 100000);
	for (unsigned i = 0; i < 8; i++) {
		client_open(&clients[i], LOOPBACK, fixture->port);
		client_request(&clients[i], "size-100000", &options);
	}
	WAIT_UNTIL(stats_of(fixture).active == 8);
	assert_int_equal(teardown(state), 0);
	assert_int_equal(setup(state), 0);
	for (unsigned i = 0; i < 8; i++)
		close(clients[i].fd);
}

/* [P5] The server dies in the middle; another takes over its address and port by what it was told
 * last, which is behind where the client is by now. */
static void a_transfer_goes_on_at_another_server(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options all[] = {
		{.present = TFTP_HAS_BLKSIZE, .blksize = 1468},
		{.present = TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE,
			.blksize = 1468,
			.windowsize = 8},
		{.present = 0},
	};
	make_file(fixture, 1000003);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct client client;
		client_open(&client, LOOPBACK, fixture->port);
		client_request(&client, "size-1000003", &all[i]);
		while (client.blocks < 300) {
			struct pollfd poll_fd = {.fd = client.fd, .events = POLLIN};
			assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
			client_read(&client);
		}
		struct tftp_handover handover = last_progress(fixture);
		assert_false(handover.ended);
		assert_true(handover.acked < client.blocks);
		tftp_server_close(fixture->server); /* without a word to the client */

		struct tftp_server_config config = {
			.content = {.source = fixture, .open = open_content, .fini = fini_content},
			.ctx = fixture,
			.on_event = on_event,
			.on_progress = on_progress,
		};
		char error[256];
		assert_int_equal(
			tftp_server_open(&config, &fixture->server, error, sizeof error), 0);
		fixture->port = tftp_server_port(fixture->server);
		assert_int_equal(tftp_server_adopt(fixture->server, &handover, 1), 0);
		clients_run(&client,
			1); /* asserts that all comes from one address and port, and the bytes */
		expect_file(&client, 1000003);
		WAIT_UNTIL(stats_of(fixture).done == 1);
		assert_int_equal(stats_of(fixture).adopted, 1);
		WAIT_UNTIL(last_progress(fixture).ended); /* told after the count */
		close(client.fd);
	}
}

static void senseless_handovers_are_dropped(void **state)
{
	struct fixture *fixture = *state;
	static const struct tftp_options none = {0};
	make_file(fixture, 5000);
	struct tftp_handover good = {.client_ip = LOOPBACK,
		.local_ip = LOOPBACK,
		.client_port = 9,
		.local_port = 9,
		.sha256 = {5000 & 255, 5000 >> 8},
		.file_bytes = 5000,
		.blksize = 512,
		.windowsize = 1};
	struct tftp_handover bad[6];
	for (size_t i = 0; i < 6; i++)
		bad[i] = good;
	bad[0].blksize = 0;
	bad[1].windowsize = 70000;
	bad[2].acked = 1u << 30;
	bad[3].file_bytes = 5001; /* another file than we have */
	bad[4].ended = true;
	bad[5].local_ip = 0x01020304; /* not an address of ours */
	assert_int_equal(tftp_server_adopt(fixture->server, bad, 6), 0);
	struct client client = fetch(fixture, "size-5000", &none, 0);
	expect_file(&client, 5000);
	assert_int_equal(stats_of(fixture).adopted, 0);
}

static void a_taken_port_is_named(void **state)
{
	struct fixture *fixture = *state;
	static const uint32_t address = LOOPBACK;
	struct tftp_server *second = NULL;
	char error[256] = "";
	struct tftp_server_config config = {
		.content = {.source = fixture, .open = open_content, .fini = fini_content},
		.addresses = &address,
		.address_count = 1,
		.port = fixture->port,
	};
	assert_int_equal(tftp_server_open(&config, &second, error, sizeof error), -EADDRINUSE);
	assert_non_null(strstr(error, "127.0.0.1 port "));
}

/* ---- clients of others ---- */

static void run_and_compare(
	const struct fixture *fixture, const char *program, const char *arguments)
{
	char command[1024];
	snprintf(command, sizeof command, "command -v %s >/dev/null", program);
	if (system(command) != 0)
		skip();
	snprintf(command, sizeof command,
		"cd '%s' && rm -f got && H=127.0.0.1 P=%u && %s %s >/dev/null 2>err </dev/null; "
		"cmp got size-1000003 || { cat err; exit 1; }",
		fixture->directory, fixture->port, program, arguments);
	make_file(fixture, 1000003);
	assert_int_equal(system(command), 0);
	/* Some of them send no last ACK: their closed port ends it. */
	WAIT_UNTIL(stats_of(fixture).done == 1);
}

static void tftp_hpa_gets_the_same_bytes(void **state)
{
	run_and_compare(*state, "tftp", "-m octet $H $P -c get size-1000003 got");
}

static void atftp_with_a_window_gets_the_same_bytes(void **state)
{
	run_and_compare(*state, "atftp",
		"--option 'blksize 1428' --option 'windowsize 8' --option 'tsize 0' -g -r "
		"size-1000003 -l got $H $P");
}

static void curl_gets_the_same_bytes(void **state)
{
	run_and_compare(*state, "curl", "-s -o got tftp://$H:$P/size-1000003");
}

static void busybox_gets_the_same_bytes(void **state)
{
	run_and_compare(*state, "busybox", "tftp -g -b 1024 -r size-1000003 -l got $H $P");
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SINGLE_TEST(name)                                                                          \
	{                                                                                          \
#name " at a single port", name, setup_single_port, teardown, NULL                 \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(files_of_every_size_arrive),
		SERVER_TEST(two_hundred_transfers_at_once),
		SERVER_TEST(lost_packets_are_repaired),
		SERVER_TEST(more_than_65535_blocks),
		SERVER_TEST(refusals_have_their_codes),
		SERVER_TEST(names_of_roms_are_understood),
		SERVER_TEST(netascii_is_converted),
		SERVER_TEST(writes_and_strays_are_refused),
		SERVER_TEST(malformed_packets_are_counted_and_dropped),
		SERVER_TEST(a_size_probe_is_no_failure),
		SERVER_TEST(blocks_are_no_longer_than_asked_and_fit_the_link),
		SERVER_TEST(a_repeated_request_has_one_transfer),
		SERVER_TEST(replies_leave_from_the_address_that_was_asked),
		SERVER_TEST(one_client_has_a_bounded_share),
		SERVER_TEST(unanswered_transfers_give_way),
		SERVER_TEST(a_file_cut_short_fails_one_transfer_only),
		SERVER_TEST(a_client_that_vanishes_is_noticed),
		SERVER_TEST(a_server_with_transfers_closes),
		SERVER_TEST(a_transfer_goes_on_at_another_server),
		SERVER_TEST(senseless_handovers_are_dropped),
		SERVER_TEST(a_taken_port_is_named),
		SERVER_TEST(tftp_hpa_gets_the_same_bytes),
		SERVER_TEST(atftp_with_a_window_gets_the_same_bytes),
		SERVER_TEST(curl_gets_the_same_bytes),
		SERVER_TEST(busybox_gets_the_same_bytes),
		SINGLE_TEST(all_leaves_from_one_port_where_that_is_wanted),
		SINGLE_TEST(a_client_that_begins_anew_at_the_single_port_is_heard),
		SINGLE_TEST(files_of_every_size_arrive),
		SINGLE_TEST(two_hundred_transfers_at_once),
		SINGLE_TEST(lost_packets_are_repaired),
		SINGLE_TEST(refusals_have_their_codes),
		SINGLE_TEST(a_size_probe_is_no_failure),
		SINGLE_TEST(a_repeated_request_has_one_transfer),
		SINGLE_TEST(replies_leave_from_the_address_that_was_asked),
		SINGLE_TEST(a_client_that_vanishes_is_noticed),
		SINGLE_TEST(a_server_with_transfers_closes),
		SINGLE_TEST(a_taken_port_is_named),
		SINGLE_TEST(tftp_hpa_gets_the_same_bytes),
		SINGLE_TEST(atftp_with_a_window_gets_the_same_bytes),
		SINGLE_TEST(curl_gets_the_same_bytes),
		SINGLE_TEST(busybox_gets_the_same_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
