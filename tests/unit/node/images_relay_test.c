/* A node that lacks a file serves it while it comes from another one: by real HTTP and TFTP, from a
 * source that sends as far as the test lets it. */
#include "content_fixture.h"
#include "node/http/http.h"
#include "node/images/relay.h"
#include "node/tftp/tftp_content.h"
#include "node/tftp/tftp_server.h"
#include "proto/wire/tftp.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES     (6u << 20) /* more than a socket takes at once */
#define HALF      (BYTES / 2)
#define WATCH_MS  20000
#define LOOPBACK  0x7f000001u
#define HOLDERS   2
#define LATE_TEST "waited in vain"

/* Another node: answers one GET at a time and connection, up to its gate. */
struct source {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	int fd;
	uint16_t port;
	const uint8_t *data;
	uint64_t gate; /* bytes of the file that it sends now */
	bool dies;     /* at the gate, instead of waiting there */
	bool lies;     /* one byte is wrong */
	bool stop;
	unsigned requests;
	uint64_t asked_from; /* by the newest request */
};

static void source_send(struct source *s, int fd, uint64_t at)
{
	char head[200], range[80] = "";
	int head_bytes;
	uint8_t piece[65536];

	if (at > 0) {
		snprintf(range, sizeof range, "Content-Range: bytes %llu-%u/%u\r\n",
			(unsigned long long)at, BYTES - 1, BYTES);
	}
	head_bytes = snprintf(head, sizeof head,
		"HTTP/1.1 %s\r\nContent-Length: %llu\r\n%sConnection: close\r\n\r\n",
		at > 0 ? "206 Partial Content" : "200 OK", (unsigned long long)(BYTES - at), range);
	(void)!write(fd, head, (size_t)head_bytes);
	pthread_mutex_lock(&s->lock);
	while (at < BYTES && !s->stop) {
		size_t bytes = sizeof piece;
		if (at >= s->gate) {
			if (s->dies) {
				break;
			}
			pthread_cond_wait(&s->moved, &s->lock);
			continue;
		}
		bytes = bytes < s->gate - at ? bytes : (size_t)(s->gate - at);
		memcpy(piece, s->data + at, bytes);
		piece[0] ^= s->lies;
		pthread_mutex_unlock(&s->lock);
		bool gone = send(fd, piece, bytes, MSG_NOSIGNAL) != (ssize_t)bytes;
		pthread_mutex_lock(&s->lock);
		if (gone) {
			break;
		}
		at += bytes;
	}
	pthread_mutex_unlock(&s->lock);
}

static void *source_run(void *ctx)
{
	struct source *s = ctx;
	char request[2048];
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		ssize_t got = recv(fd, request, sizeof request - 1, 0);
		const char *range;
		request[got > 0 ? got : 0] = '\0';
		range = strstr(request, "Range: bytes=");
		pthread_mutex_lock(&s->lock);
		bool stop = s->stop;
		s->requests++;
		s->asked_from = range != NULL ? strtoull(range + 13, NULL, 10) : 0;
		pthread_mutex_unlock(&s->lock);
		if (!stop && got > 0) {
			source_send(s, fd, s->asked_from);
		}
		close(fd);
	}
	return NULL;
}

static void source_start(struct source *s, const uint8_t *data, uint64_t gate)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK)};
	socklen_t bytes = sizeof address;

	s->data = data;
	s->gate = gate;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->moved, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(s->fd, 16), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &bytes), 0);
	s->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, source_run, s), 0);
}

static void source_open_gate(struct source *s, uint64_t gate)
{
	pthread_mutex_lock(&s->lock);
	s->gate = gate;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

static void source_get(struct source *s, unsigned *ret_requests, uint64_t *ret_asked_from)
{
	pthread_mutex_lock(&s->lock);
	*ret_requests = s->requests;
	*ret_asked_from = s->asked_from;
	pthread_mutex_unlock(&s->lock);
}

static void source_stop(struct source *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	pthread_cond_destroy(&s->moved);
	pthread_mutex_destroy(&s->lock);
}

/* This node. */
struct node {
	struct fixture *f;
	struct relays *relays;
	struct content_source *content;
	struct http_server *http;
	struct tftp_server *tftp;
	struct source source[HOLDERS];
	uint8_t *data, sha256[32], digest[32];
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool hold;       /* the proof of what came */
	unsigned proofs; /* begun */
};

/* All bytes are here, none is proved. */
static int prove(void *ctx, struct blob_writer *writer)
{
	struct node *n = ctx;

	pthread_mutex_lock(&n->lock);
	n->proofs++;
	pthread_cond_broadcast(&n->moved);
	while (n->hold) {
		pthread_cond_wait(&n->moved, &n->lock);
	}
	pthread_mutex_unlock(&n->lock);
	return blob_writer_commit(writer);
}

static void await_proof(struct node *n)
{
	pthread_mutex_lock(&n->lock);
	while (n->proofs == 0) {
		pthread_cond_wait(&n->moved, &n->lock);
	}
	pthread_mutex_unlock(&n->lock);
}

static void let_prove(struct node *n)
{
	pthread_mutex_lock(&n->lock);
	n->hold = false;
	pthread_cond_broadcast(&n->moved);
	pthread_mutex_unlock(&n->lock);
}

static void publish(struct node *n)
{
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;
	Pxe__ImageFile file = PXE__IMAGE_FILE__INIT, *files = &file;
	uint64_t holders[HOLDERS] = {2, 3};
	uint8_t key[RECORD_KEY_MAX];

	memset(n->digest, 0x11, 32);
	version.image = fixture_text("img");
	version.digest.data = n->digest;
	version.digest.len = 32;
	version.files = &files;
	version.n_files = 1;
	version.published = true;
	version.holders = holders;
	version.n_holders = HOLDERS;
	file.path = fixture_text("k");
	file.bytes = BYTES;
	file.sha256.data = n->sha256;
	file.sha256.len = 32;
	fixture_put_key(n->f, key, record_key_version("img", n->digest, key), &version.base);
	fixture_image(n->f, "img", n->digest);
	for (uint64_t i = 0; i < HOLDERS; i++) {
		fixture_member(
			n->f, 2 + i, "n", (const uint8_t[4]){127, 0, 0, 1}, n->source[i].port);
	}
	fixture_sync(n->f);
}

static int setup(void **state)
{
	struct node *n = calloc(1, sizeof *n);
	const uint32_t ip = LOOPBACK;
	char error[256] = "";

	n->data = malloc(BYTES);
	for (uint32_t i = 0; i < BYTES; i++) {
		n->data[i] = (uint8_t)((i * 2654435761u) >> 13);
	}
	fixture_sha(n->data, BYTES, n->sha256);
	n->f = fixture_open(1);
	for (size_t i = 0; i < HOLDERS; i++) {
		source_start(&n->source[i], n->data, 0);
	}
	publish(n);
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->moved, NULL);
	const struct relays_config relays = {
		.blobs = n->f->blobs, .silence_s = 20, .prove = prove, .prove_ctx = n};
	n->relays = relays_new(&relays);
	const struct content_source_config content = {
		.kv = n->f->kv, .blobs = n->f->blobs, .relays = n->relays, .self = 1};
	assert_int_equal(content_source_open(&content, &n->content), 0);
	const struct http_config http = {
		.content = n->content, .addresses = &ip, .address_count = 1};
	assert_int_equal(http_server_open(&http, &n->http, error, sizeof error), 0);
	const struct tftp_server_config tftp = {
		.content = tftp_content_of(n->content), .addresses = &ip, .address_count = 1};
	assert_int_equal(tftp_server_open(&tftp, &n->tftp, error, sizeof error), 0);
	*state = n;
	return 0;
}

/* In the daemon's order: relays first, then the servers that read them. */
static void node_stop(struct node *n)
{
	relays_stop(n->relays);
	tftp_server_close(n->tftp);
	http_server_close(n->http);
	n->http = NULL;
	n->tftp = NULL;
}

static int teardown(void **state)
{
	struct node *n = *state;

	let_prove(n);
	if (n->http != NULL) {
		node_stop(n);
	}
	content_source_close(n->content);
	for (size_t i = 0; i < HOLDERS; i++) {
		source_stop(&n->source[i]);
	}
	relays_free(n->relays);
	fixture_close(n->f);
	pthread_cond_destroy(&n->moved);
	pthread_mutex_destroy(&n->lock);
	free(n->data);
	free(n);
	return 0;
}

/* ---- a client of HTTP, on a thread */

struct client {
	struct node *node;
	pthread_t thread;
	pthread_mutex_t lock;
	const char *range; /* NULL: the whole file */
	uint8_t *got;
	uint64_t bytes;
	curl_off_t length;
	char etag[80];
	long status;
	CURLcode code;
	bool done;
};

static size_t client_data(char *data, size_t size, size_t count, void *ctx)
{
	struct client *c = ctx;

	pthread_mutex_lock(&c->lock);
	memcpy(c->got + c->bytes, data, size * count);
	c->bytes += size * count;
	pthread_mutex_unlock(&c->lock);
	return size * count;
}

static size_t client_header(char *line, size_t size, size_t count, void *ctx)
{
	struct client *c = ctx;

	if (size * count > 6 && strncasecmp(line, "ETag: ", 6) == 0) {
		snprintf(c->etag, sizeof c->etag, "%.66s", line + 6);
	}
	return size * count;
}

static void *client_run(void *ctx)
{
	struct client *c = ctx;
	CURL *curl = curl_easy_init();
	char url[64];

	snprintf(url, sizeof url, "http://127.0.0.1:%u/img/k", http_server_port(c->node->http));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_RANGE, c->range);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, client_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, client_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, c);
	c->code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &c->length);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &c->status);
	curl_easy_cleanup(curl);
	pthread_mutex_lock(&c->lock);
	c->done = true;
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void client_start(struct client *c, struct node *n, const char *range)
{
	memset(c, 0, sizeof *c);
	c->node = n;
	c->range = range;
	c->got = malloc(BYTES);
	pthread_mutex_init(&c->lock, NULL);
	assert_int_equal(pthread_create(&c->thread, NULL, client_run, c), 0);
}

static uint64_t client_bytes(struct client *c)
{
	pthread_mutex_lock(&c->lock);
	uint64_t bytes = c->bytes;
	pthread_mutex_unlock(&c->lock);
	return bytes;
}

static void client_await(struct client *c, uint64_t bytes)
{
	for (unsigned i = 0; client_bytes(c) < bytes; i++) {
		if (i > WATCH_MS) {
			fail_msg(LATE_TEST);
		}
		usleep(1000);
	}
}

static void client_end(struct client *c)
{
	pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->lock);
}

static void expect_whole(struct client *c)
{
	client_end(c);
	assert_int_equal(c->code, CURLE_OK);
	assert_int_equal(c->bytes, BYTES);
	assert_int_equal(c->length, BYTES);
	assert_memory_equal(c->got, c->node->data, BYTES);
	free(c->got);
}

static unsigned requests_in_all(struct node *n)
{
	unsigned total = 0;

	for (size_t i = 0; i < HOLDERS; i++) {
		unsigned requests;
		uint64_t from;
		source_get(&n->source[i], &requests, &from);
		total += requests;
	}
	return total;
}

static void open_gates(struct node *n, uint64_t gate)
{
	for (size_t i = 0; i < HOLDERS; i++) {
		source_open_gate(&n->source[i], gate);
	}
}

static void await_blob(struct node *n)
{
	for (unsigned i = 0; !blob_exists(n->f->blobs, n->sha256, NULL); i++) {
		if (i > WATCH_MS) {
			fail_msg(LATE_TEST);
		}
		usleep(1000);
	}
	assert_int_equal(blob_verify(n->f->blobs, n->sha256), 0);
}

static void test_http_gives_a_file_while_it_arrives(void **state)
{
	struct node *n = *state;
	struct client c;
	char etag[80] = "\"";

	client_start(&c, n, NULL);
	open_gates(n, HALF);
	client_await(&c, HALF);
	assert_false(blob_exists(n->f->blobs, n->sha256, NULL));
	assert_int_equal(client_bytes(&c), HALF);
	open_gates(n, BYTES);
	expect_whole(&c);
	for (size_t i = 0; i < 32; i++) {
		snprintf(etag + 1 + 2 * i, 4, "%02x\"", n->sha256[i]);
	}
	assert_string_equal(c.etag, etag);
	await_blob(n); /* and it is this node's by now */
	assert_int_equal(requests_in_all(n), 1);
}

static void test_many_clients_share_one_fetch(void **state)
{
	struct node *n = *state;
	struct client c[20], tail;
	struct relays_stats stats;

	open_gates(n, HALF);
	for (size_t i = 0; i < 20; i++) {
		client_start(&c[i], n, NULL);
	}
	for (size_t i = 0; i < 20; i++) {
		client_await(&c[i], HALF);
	}
	client_start(&tail, n, "5000000-5000099"); /* beyond what is there */
	open_gates(n, BYTES);
	for (size_t i = 0; i < 20; i++) {
		expect_whole(&c[i]);
	}
	client_end(&tail);
	assert_int_equal(tail.status, 206);
	assert_int_equal(tail.bytes, 100);
	assert_memory_equal(tail.got, n->data + 5000000, 100);
	free(tail.got);
	assert_int_equal(requests_in_all(n), 1);
	relays_get_stats(n->relays, &stats);
	assert_true(stats.joined >= 19);
	assert_int_equal(stats.failed, 0);
}

/* Which of the two is asked first is the node's choice. */
static void test_the_next_node_goes_on_where_one_died(void **state)
{
	struct node *n = *state;
	struct client c;
	unsigned requests[HOLDERS];
	uint64_t from[HOLDERS];

	n->source[0].dies = n->source[1].dies = true;
	open_gates(n, HALF);
	source_open_gate(&n->source[1], BYTES);
	client_start(&c, n, "0-");
	client_await(&c, HALF);
	expect_whole(&c);
	source_get(&n->source[0], &requests[0], &from[0]);
	source_get(&n->source[1], &requests[1], &from[1]);
	assert_int_equal(requests[1], 1);
	assert_int_equal(from[1], requests[0] > 0 ? HALF : 0);
	await_blob(n);
}

/* Nothing is fetched any more. */
static void await_rest(struct node *n, struct relays_stats *ret_stats)
{
	relays_get_stats(n->relays, ret_stats);
	for (unsigned i = 0; ret_stats->running > 0; i++) {
		if (i > WATCH_MS) {
			fail_msg(LATE_TEST);
		}
		usleep(1000);
		relays_get_stats(n->relays, ret_stats);
	}
}

static void test_wrong_bytes_never_look_like_a_whole_file(void **state)
{
	struct node *n = *state;
	struct relays_stats stats;
	struct client c;

	n->source[0].lies = n->source[1].lies = true;
	open_gates(n, BYTES);
	client_start(&c, n, NULL);
	client_end(&c);
	assert_int_equal(c.code, CURLE_PARTIAL_FILE);
	assert_true(c.bytes < BYTES);
	free(c.got);
	assert_false(blob_exists(n->f->blobs, n->sha256, NULL));
	await_rest(n, &stats);
	assert_int_equal(stats.wrong, HOLDERS); /* each was asked */
	/* the truth is taken as soon as somebody tells it */
	n->source[0].lies = n->source[1].lies = false;
	client_start(&c, n, NULL);
	expect_whole(&c);
}

static void want_of(struct node *n, struct relay_want *ret_want)
{
	*ret_want = (struct relay_want){.bytes = BYTES, .base_url_count = HOLDERS};
	memcpy(ret_want->sha256, n->sha256, 32);
	for (size_t i = 0; i < HOLDERS; i++) {
		snprintf(ret_want->base_urls[i], FETCH_URL_BYTES, "http://127.0.0.1:%u",
			n->source[i].port);
	}
}

static void test_the_last_byte_waits_for_the_proof(void **state)
{
	struct node *n = *state;
	struct relay_want want;
	struct relay *relay;
	struct client c;
	uint64_t ready;
	uint8_t byte;

	n->hold = true;
	n->source[0].lies = n->source[1].lies = true;
	open_gates(n, BYTES);
	client_start(&c, n, NULL);
	await_proof(n);
	client_await(&c, BYTES - 1);
	want_of(n, &want);
	relay = relay_open(n->relays, &want); /* that very one */
	assert_non_null(relay);
	assert_int_equal(relay_ready(relay, &ready), 0);
	assert_int_equal(ready, BYTES - 1);
	assert_int_equal(relay_read(relay, BYTES - 1, &byte, 1), 0);
	let_prove(n);
	client_end(&c);
	assert_int_equal(c.code, CURLE_PARTIAL_FILE);
	assert_int_equal(c.bytes, BYTES - 1);
	assert_int_equal(relay_read(relay, BYTES - 1, &byte, 1), -EBADMSG);
	relay_close(relay);
	free(c.got);
}

static void test_after_wrong_bytes_the_same_fetch_asks_the_next_node(void **state)
{
	struct node *n = *state;
	struct relays_stats stats;
	struct relay_want want;
	uint64_t received, from;
	unsigned requests;
	char error[160];

	n->source[0].lies = true;
	open_gates(n, BYTES);
	want_of(n, &want);
	assert_int_equal(relays_fetch(n->relays, &want, NULL, &received, error, sizeof error), 0);
	assert_int_equal(received, 2 * BYTES);
	source_get(&n->source[0], &requests, &from);
	assert_int_equal(requests, 1);
	source_get(&n->source[1], &requests, &from);
	assert_int_equal(requests, 1);
	assert_int_equal(from, 0);
	await_blob(n);
	relays_get_stats(n->relays, &stats);
	assert_int_equal(stats.wrong, 1);
	assert_int_equal(stats.running, 0);
}

/* Half of it came from a liar that died: the honest one is asked again, for all of it. */
static void test_a_node_is_not_blamed_for_the_bytes_of_another(void **state)
{
	struct node *n = *state;
	struct relay_want want;
	uint64_t received, from;
	unsigned requests;
	char error[160];

	n->source[0].lies = n->source[0].dies = true;
	source_open_gate(&n->source[0], HALF);
	source_open_gate(&n->source[1], BYTES);
	want_of(n, &want);
	assert_int_equal(relays_fetch(n->relays, &want, NULL, &received, error, sizeof error), 0);
	assert_int_equal(received, 2 * BYTES);
	source_get(&n->source[0], &requests, &from);
	assert_int_equal(requests, 1);
	source_get(&n->source[1], &requests, &from);
	assert_int_equal(requests, 2);
	assert_int_equal(from, 0);
	await_blob(n);
}

static void test_who_has_wrong_bytes_is_broken_off_and_who_asks_then_gets_the_file(void **state)
{
	struct node *n = *state;
	struct client early, late;
	unsigned requests;
	uint64_t from;

	n->hold = true;
	n->source[0].lies = n->source[1].lies = true;
	open_gates(n, BYTES);
	client_start(&early, n, NULL);
	await_proof(n);
	source_get(&n->source[0], &requests, &from);
	n->source[requests > 0 ? 1 : 0].lies = false; /* that is still to be asked */
	open_gates(n, HALF);
	let_prove(n);
	client_end(&early);
	assert_int_equal(early.code, CURLE_PARTIAL_FILE);
	client_start(&late, n, NULL); /* the fetch goes on */
	client_await(&late, HALF);
	open_gates(n, BYTES);
	expect_whole(&late);
	assert_int_equal(requests_in_all(n), 2);
	free(early.got);
}

/* What a killed process left is not fetched again. */
static void test_a_killed_fetch_goes_on_where_it_was(void **state)
{
	struct node *n = *state;
	struct relay_want want;
	uint64_t received, from = 0;
	unsigned requests;
	char error[160];
	struct stat part = {0};
	char path[400];
	int status, used;
	pid_t child;

	open_gates(n, HALF);
	want_of(n, &want);
	used = snprintf(path, sizeof path, "%s/blobs/incoming/", n->f->dir);
	for (size_t i = 0; i < 32; i++) {
		used += snprintf(path + used, sizeof path - (size_t)used, "%02x", n->sha256[i]);
	}
	snprintf(path + used, sizeof path - (size_t)used, ".part");
	child = fork();
	if (child == 0) {
		(void)relays_fetch(n->relays, &want, NULL, &received, error, sizeof error);
		_exit(1);
	}
	assert_true(child > 0);
	for (unsigned i = 0; stat(path, &part) != 0 || part.st_size < HALF; i++) {
		if (i > WATCH_MS) {
			kill(child, SIGKILL);
			fail_msg(LATE_TEST);
		}
		usleep(1000);
	}
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	open_gates(n, BYTES);
	assert_int_equal(relays_fetch(n->relays, &want, NULL, &received, error, sizeof error), 0);
	assert_int_equal(received, BYTES - HALF);
	for (size_t i = 0; from == 0 && i < HOLDERS; i++) {
		source_get(&n->source[i], &requests, &from);
	}
	assert_int_equal(from, HALF);
	await_blob(n);
}

static void test_stopping_lets_waiting_clients_go(void **state)
{
	struct node *n = *state;
	struct client c[4];

	open_gates(n, HALF);
	for (size_t i = 0; i < 4; i++) {
		client_start(&c[i], n, NULL);
		client_await(&c[i], HALF);
	}
	node_stop(n);
	for (size_t i = 0; i < 4; i++) {
		client_end(&c[i]);
		assert_int_not_equal(c[i].code, CURLE_OK);
		free(c[i].got);
	}
}

static void test_a_client_that_leaves_does_not_end_the_fetch(void **state)
{
	struct node *n = *state;
	struct client c;
	struct content content;
	struct content_request request = {.path = "img/k", .client_ip = LOOPBACK};

	open_gates(n, HALF);
	assert_int_equal(content_open(n->content, &request, &content), 0);
	assert_int_equal(content.kind, CONTENT_RELAY);
	content_fini(&content);
	client_start(&c, n, "0-99");
	client_end(&c);
	assert_int_equal(c.bytes, 100);
	free(c.got);
	open_gates(n, BYTES);
	await_blob(n);
	assert_int_equal(requests_in_all(n), 1);
}

/* ---- TFTP: 1400-byte blocks, windows of 4 */

struct tftp_client {
	int fd;
	struct sockaddr_in server;
	bool known; /* the transfer's port */
	uint64_t blocks, bytes;
	uint8_t *got;
	bool failed;
};

static void tftp_ack(struct tftp_client *c)
{
	const uint8_t ack[4] = {0, 4, (uint8_t)(c->blocks >> 8), (uint8_t)c->blocks};

	assert_int_equal(
		sendto(c->fd, ack, 4, 0, (struct sockaddr *)&c->server, sizeof c->server), 4);
}

static void tftp_start(struct tftp_client *c, struct node *n)
{
	static const char request[] =
		"\0\1img/k\0octet\0blksize\0001400\0windowsize\0004\0tsize\0000";
	const struct timeval patience = {.tv_sec = 20};

	memset(c, 0, sizeof *c);
	c->got = malloc(BYTES);
	c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	c->server = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(LOOPBACK),
		.sin_port = htons(tftp_server_port(n->tftp))};
	assert_int_equal(sendto(c->fd, request, sizeof request, 0, (struct sockaddr *)&c->server,
				 sizeof c->server),
		sizeof request);
}

/* Until so many bytes are there, or all, or an error. True: all. */
static bool tftp_receive(struct tftp_client *c, uint64_t until)
{
	uint8_t packet[1500];

	while (c->bytes < until) {
		struct sockaddr_in from;
		socklen_t from_bytes = sizeof from;
		ssize_t got = recvfrom(
			c->fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &from_bytes);
		assert_true(got >= 4);
		c->server = from;
		if (packet[1] == 5) {
			c->failed = true;
			return false;
		}
		if (packet[1] == 6) {
			tftp_ack(c);
			continue;
		}
		if ((packet[2] << 8 | packet[3]) != (int)((c->blocks + 1) & 0xffff)) {
			continue;
		}
		memcpy(c->got + c->bytes, packet + 4, (size_t)got - 4);
		c->blocks++;
		c->bytes += (uint64_t)got - 4;
		if (c->blocks % 4 == 0 || got < 1404) {
			tftp_ack(c);
		}
		if (got < 1404) {
			return true;
		}
	}
	return false;
}

static void test_tftp_gives_a_file_while_it_arrives(void **state)
{
	struct node *n = *state;
	struct tftp_client c;

	open_gates(n, HALF);
	tftp_start(&c, n);
	assert_false(tftp_receive(&c, HALF - 1400));
	assert_false(c.failed);
	assert_false(blob_exists(n->f->blobs, n->sha256, NULL));
	open_gates(n, BYTES);
	assert_true(tftp_receive(&c, UINT64_MAX));
	assert_int_equal(c.bytes, BYTES);
	assert_memory_equal(c.got, n->data, BYTES);
	assert_int_equal(requests_in_all(n), 1);
	close(c.fd);
	free(c.got);
}

static void test_tftp_ends_with_an_error_when_the_bytes_are_wrong(void **state)
{
	struct node *n = *state;
	struct tftp_client c;

	n->source[0].lies = n->source[1].lies = true;
	open_gates(n, BYTES);
	tftp_start(&c, n);
	assert_false(tftp_receive(&c, UINT64_MAX));
	assert_true(c.failed);
	assert_true(c.bytes < BYTES);
	close(c.fd);
	free(c.got);
}

/* ---- files of this node that cannot be read to their end */

static void fetch_whole(struct node *n)
{
	struct relay_want want;
	uint64_t received;
	char error[160];

	open_gates(n, BYTES);
	want_of(n, &want);
	assert_int_equal(relays_fetch(n->relays, &want, NULL, &received, error, sizeof error), 0);
}

/* The disk loses all but the blob's first page. */
static void cut_blob(struct node *n)
{
	char path[400];
	int used = snprintf(path, sizeof path, "%s/blobs/%02x/", n->f->dir, n->sha256[0]);

	for (size_t i = 0; i < 32; i++) {
		used += snprintf(path + used, sizeof path - (size_t)used, "%02x", n->sha256[i]);
	}
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 4096), 0);
}

static void await_suspect(struct node *n)
{
	uint8_t sha256[BLOB_SUSPECTS_MAX][32];
	size_t count;

	for (unsigned i = 0; (count = blob_take_suspects(n->f->blobs, sha256)) == 0; i++) {
		if (i > WATCH_MS) {
			fail_msg(LATE_TEST);
		}
		usleep(1000);
	}
	assert_int_equal(count, 1);
	assert_memory_equal(sha256[0], n->sha256, 32);
	/* and not again at once */
	blob_suspect(n->f->blobs, n->sha256);
	assert_int_equal(blob_take_suspects(n->f->blobs, sha256), 0);
}

static void test_tftp_suspects_a_file_that_it_cannot_read(void **state)
{
	struct node *n = *state;
	struct tftp_client c;

	fetch_whole(n);
	tftp_start(&c, n);
	assert_false(tftp_receive(&c, 14000));
	cut_blob(n);
	assert_false(tftp_receive(&c, UINT64_MAX));
	assert_true(c.failed);
	await_suspect(n);
	close(c.fd);
	free(c.got);
}

/* A client whose window is small: most of the file is not read before it takes more. */
static int slow_client(struct node *n)
{
	static const char request[] = "GET /img/k HTTP/1.1\r\nHost: x\r\n\r\n";
	struct sockaddr_in server = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(LOOPBACK),
		.sin_port = htons(http_server_port(n->http))};
	const struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 8192;
	char piece[512];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	assert_int_equal(connect(fd, (struct sockaddr *)&server, sizeof server), 0);
	assert_int_equal(send(fd, request, sizeof request - 1, 0), sizeof request - 1);
	assert_true(recv(fd, piece, sizeof piece, 0) > 0);
	return fd;
}

static void test_http_suspects_what_was_not_sent_to_its_end(void **state)
{
	struct node *n = *state;
	const struct linger at_once = {.l_onoff = 1};
	int fd;

	fetch_whole(n);
	fd = slow_client(n);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(fd);
	await_suspect(n);
}

static void test_a_file_of_another_size_is_suspect_and_comes_from_another_node(void **state)
{
	struct node *n = *state;
	struct client c;

	fetch_whole(n);
	cut_blob(n);
	client_start(&c, n, NULL);
	expect_whole(&c);
	await_suspect(n);
	await_blob(n);
}

/* ---- limits */

static void test_more_relays_than_threads_are_refused(void **state)
{
	struct node *n = *state;
	struct relay *relay[RELAY_THREADS_MAX];
	struct relay_want want = {.bytes = BYTES, .base_url_count = 1};
	struct content content;
	struct content_request request = {.path = "img/k", .client_ip = LOOPBACK};

	/* Connections of a source that has not accepted them yet wait. */
	snprintf(want.base_urls[0], FETCH_URL_BYTES, "http://127.0.0.1:%u", n->source[0].port);
	for (size_t i = 0; i < RELAY_THREADS_MAX; i++) {
		want.sha256[0] = (uint8_t)(i + 1);
		relay[i] = relay_open(n->relays, &want);
		assert_non_null(relay[i]);
	}
	want.sha256[0] = 0xff;
	assert_null(relay_open(n->relays, &want));
	want.sha256[0] = 1;
	assert_ptr_equal(relay_open(n->relays, &want), relay[0]); /* that one runs */
	relay_close(relay[0]);
	assert_int_equal(content_open(n->content, &request, &content), 0);
	assert_int_equal(content.kind, CONTENT_ELSEWHERE);
	content_fini(&content);
	for (size_t i = 0; i < RELAY_THREADS_MAX; i++) {
		relay_close(relay[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_http_gives_a_file_while_it_arrives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_clients_share_one_fetch, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_the_next_node_goes_on_where_one_died, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_wrong_bytes_never_look_like_a_whole_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_the_last_byte_waits_for_the_proof, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_after_wrong_bytes_the_same_fetch_asks_the_next_node, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_node_is_not_blamed_for_the_bytes_of_another, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_who_has_wrong_bytes_is_broken_off_and_who_asks_then_gets_the_file,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_killed_fetch_goes_on_where_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_stopping_lets_waiting_clients_go, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_client_that_leaves_does_not_end_the_fetch, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_tftp_gives_a_file_while_it_arrives, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_tftp_ends_with_an_error_when_the_bytes_are_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_tftp_suspects_a_file_that_it_cannot_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_http_suspects_what_was_not_sent_to_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_file_of_another_size_is_suspect_and_comes_from_another_node, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_more_relays_than_threads_are_refused, setup, teardown),
	};
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
