/* The HTTP server as clients see it, by libcurl and by hand-written requests over loopback. */
#include "content_fixture.h"
#include "node/http/http.h"
#include "node/http/http_range.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#define FILE_BYTES 200003u
#define LOOPBACK   0x7f000001u

struct site {
	struct fixture *f;
	struct http_server *server;
	uint8_t *bytes;
	uint8_t sha256[32], digest[32];
	char base[64], etag[80];
	pthread_mutex_t lock; /* events come from the server's threads */
	struct event events[16];
	size_t event_count;
};

struct reply {
	long status;
	char headers[4096];
	uint8_t *body;
	size_t bytes;
};

static void on_event(void *ctx, const struct event *event)
{
	struct site *s = ctx;

	pthread_mutex_lock(&s->lock);
	if (s->event_count < 16) {
		s->events[s->event_count++] = *event;
	}
	pthread_mutex_unlock(&s->lock);
}

static uint8_t *pattern(size_t bytes)
{
	uint8_t *data = malloc(bytes);
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < bytes; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (uint8_t)x;
	}
	return data;
}

static struct http_server *serve(struct site *s, uint32_t ip)
{
	const struct http_config config = {.content = s->f->content,
		.addresses = &ip,
		.address_count = 1,
		.ctx = s,
		.on_event = on_event};
	struct http_server *server = NULL;
	char error[256] = "";

	if (http_server_open(&config, &server, error, sizeof error) != 0) {
		print_error("%s\n", error);
	}
	assert_non_null(server);
	return server;
}

static int setup(void **state)
{
	struct site *s = calloc(1, sizeof *s);

	pthread_mutex_init(&s->lock, NULL);
	s->f = fixture_open(1);
	s->bytes = pattern(FILE_BYTES);
	fixture_blob(s->f->blobs, s->bytes, FILE_BYTES, s->sha256);
	fixture_version(
		s->f, "img", 0x11, "boot/linux.efi", s->sha256, FILE_BYTES, true, 1, s->digest);
	fixture_image(s->f, "img", s->digest);
	fixture_sync(s->f);
	s->server = serve(s, LOOPBACK);
	snprintf(s->base, sizeof s->base, "http://127.0.0.1:%u", http_server_port(s->server));
	s->etag[0] = '"';
	for (size_t i = 0; i < 32; i++) {
		snprintf(s->etag + 1 + 2 * i, 3, "%02x", s->sha256[i]);
	}
	strcat(s->etag, "\"");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct site *s = *state;

	http_server_close(s->server);
	fixture_close(s->f);
	pthread_mutex_destroy(&s->lock);
	free(s->bytes);
	free(s);
	return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct reply *reply = ctx;
	uint8_t *grown = realloc(reply->body, reply->bytes + size * count);

	memcpy(grown + reply->bytes, data, size * count);
	reply->body = grown;
	reply->bytes += size * count;
	return size * count;
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct reply *reply = ctx;
	size_t used = strlen(reply->headers);

	snprintf(reply->headers + used, sizeof reply->headers - used, "%.*s", (int)(size * count),
		data);
	return size * count;
}

static void fetch_with(CURL *curl, const char *url, const char *const *headers, struct reply *reply)
{
	struct curl_slist *list = NULL;

	memset(reply, 0, sizeof *reply);
	for (; headers != NULL && *headers != NULL; headers++) {
		list = curl_slist_append(list, *headers);
	}
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, reply);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
	assert_int_equal(curl_easy_perform(curl), CURLE_OK);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
	curl_slist_free_all(list);
}

static void fetch(const struct site *s, const char *path, const char *header, struct reply *reply)
{
	const char *headers[] = {header, NULL};
	CURL *curl = curl_easy_init();
	char url[512];

	snprintf(url, sizeof url, "%s%s", s->base, path);
	fetch_with(curl, url, header != NULL ? headers : NULL, reply);
	curl_easy_cleanup(curl);
}

static void expect_header(const struct reply *reply, const char *line)
{
	if (strcasestr(reply->headers, line) == NULL) {
		print_error("missing '%s' in\n%s", line, reply->headers);
	}
	assert_non_null(strcasestr(reply->headers, line));
}

static void test_a_file_whole(void **state)
{
	struct site *s = *state;
	struct reply r;
	char etag[96];

	fetch(s, "/img/boot/linux.efi", NULL, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.bytes, FILE_BYTES);
	assert_memory_equal(r.body, s->bytes, FILE_BYTES);
	expect_header(&r, "Content-Length: 200003\r\n");
	expect_header(&r, "Content-Type: application/efi\r\n");
	expect_header(&r, "Accept-Ranges: bytes\r\n");
	snprintf(etag, sizeof etag, "ETag: %s\r\n", s->etag);
	expect_header(&r, etag);
	free(r.body);
}

static void test_the_range_matrix(void **state)
{
	static const struct {
		const char *range;
		long status;
		uint32_t offset, length;
	} table[] = {
		{"0-0", 206, 0, 1},
		{"0-", 206, 0, FILE_BYTES},
		{"0-200002", 206, 0, FILE_BYTES},
		{"0-999999999", 206, 0, FILE_BYTES},
		{"1-32768", 206, 1, 32768},
		{"1-32769", 206, 1, 32769},
		{"100000-", 206, 100000, FILE_BYTES - 100000},
		{"200002-", 206, 200002, 1},
		{"200002-200002", 206, 200002, 1},
		{"-1", 206, 200002, 1},
		{"-50000", 206, FILE_BYTES - 50000, 50000},
		{"-999999999999999999999999", 206, 0, FILE_BYTES},
		{"200003-", 416, 0, 0},
		{"200003-200004", 416, 0, 0},
		{"99999999999999999999999999-", 416, 0, 0},
		{"-0", 416, 0, 0},
		/* not one range: the whole */
		{"5-2", 200, 0, FILE_BYTES},
		{"a-b", 200, 0, FILE_BYTES},
		{"-", 200, 0, FILE_BYTES},
		{"0-1,5-6", 200, 0, FILE_BYTES},
		{"", 200, 0, FILE_BYTES},
	};
	struct site *s = *state;

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct reply r;
		char header[96], line[96];
		snprintf(header, sizeof header, "Range: bytes=%s", table[i].range);
		fetch(s, "/img/boot/linux.efi", header, &r);
		assert_int_equal(r.status, table[i].status);
		if (r.status == 416) {
			expect_header(&r, "Content-Range: bytes */200003\r\n");
		} else {
			assert_int_equal(r.bytes, table[i].length);
			assert_memory_equal(r.body, s->bytes + table[i].offset, table[i].length);
		}
		if (r.status == 206) {
			snprintf(line, sizeof line, "Content-Range: bytes %u-%u/200003\r\n",
				table[i].offset, table[i].offset + table[i].length - 1);
			expect_header(&r, line);
		}
		free(r.body);
	}
}

static void test_conditions(void **state)
{
	struct site *s = *state;
	const struct {
		const char *name, *value;
		long status;
	} table[] = {
		{"If-None-Match: %s", s->etag, 304},
		{"If-None-Match: W/%s", s->etag, 304},
		{"If-None-Match: \"other\", %s", s->etag, 304},
		{"If-None-Match: %s", "*", 304},
		{"If-None-Match: %s", "\"other\"", 200},
		{"If-None-Match: %s", "junk", 200},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct reply r;
		char header[160];
		const char *at = strstr(table[i].name, "%s");
		snprintf(header, sizeof header, "%.*s%s", (int)(at - table[i].name), table[i].name,
			table[i].value);
		fetch(s, "/img/boot/linux.efi", header, &r);
		assert_int_equal(r.status, table[i].status);
		assert_int_equal(r.bytes, r.status == 304 ? 0 : FILE_BYTES);
		expect_header(&r, s->etag);
		free(r.body);
	}
}

static void test_if_range(void **state)
{
	struct site *s = *state;
	char same[128], url[256];
	const char *headers[] = {"Range: bytes=10-19", same, NULL};
	struct reply r;
	CURL *curl = curl_easy_init();

	snprintf(url, sizeof url, "%s/img/boot/linux.efi", s->base);
	snprintf(same, sizeof same, "If-Range: %s", s->etag);
	fetch_with(curl, url, headers, &r);
	assert_int_equal(r.status, 206);
	assert_memory_equal(r.body, s->bytes + 10, 10);
	free(r.body);
	strcpy(same, "If-Range: \"another version\"");
	fetch_with(curl, url, headers, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.bytes, FILE_BYTES);
	free(r.body);
	strcpy(same, "If-Range: Wed, 21 Oct 2015 07:28:00 GMT");
	fetch_with(curl, url, headers, &r);
	assert_int_equal(r.status, 200);
	free(r.body);
	curl_easy_cleanup(curl);
}

/* FIELD 42: EDK2 asks HEAD, then GET on the same connection. */
static void test_head_then_get_on_one_connection(void **state)
{
	struct site *s = *state;
	struct reply r;
	char url[256];
	CURL *curl = curl_easy_init();
	long connects = 0;

	snprintf(url, sizeof url, "%s/img/boot/linux.efi", s->base);
	curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	fetch_with(curl, url, NULL, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.bytes, 0);
	expect_header(&r, "Content-Length: 200003\r\n");
	expect_header(&r, "Content-Type: application/efi\r\n");
	curl_easy_setopt(curl, CURLOPT_NOBODY, 0L);
	curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	for (int i = 0; i < 3; i++) {
		fetch_with(curl, url, NULL, &r);
		assert_int_equal(r.status, 200);
		assert_memory_equal(r.body, s->bytes, FILE_BYTES);
		free(r.body);
		curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
		assert_int_equal(connects, 0);
	}
	curl_easy_cleanup(curl);
}

static void test_what_is_not_there(void **state)
{
	static const struct {
		const char *path;
		long status;
	} table[] = {
		{"/", 200},
		{"/img/none", 404},
		{"/none/x", 404},
		{"/blob/0000000000000000000000000000000000000000000000000000000000000000", 404},
		{"/img/%00", 400},
		{"/img/%zz", 400},
		{"/img/%2e%2e/x", 400},
		{"/img/..%2f..%2fetc%2fpasswd", 400},
		{"/img/..%5c..%5cetc", 400},
		{"/phone-home/nonsense", 404},
	};
	struct site *s = *state;

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct reply r;
		char url[512];
		CURL *curl = curl_easy_init();
		snprintf(url, sizeof url, "%s%s", s->base, table[i].path);
		curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
		fetch_with(curl, url, NULL, &r);
		curl_easy_cleanup(curl);
		if (r.status != table[i].status) {
			print_error("%s: %ld\n", table[i].path, r.status);
		}
		assert_int_equal(r.status, table[i].status);
		free(r.body);
	}
}

/* Send raw bytes, read until the server closes or has been silent for a while. */
static size_t raw_for(const struct site *s, const char *request, time_t wait_s, suseconds_t wait_us,
	char *answer, size_t answer_bytes)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(http_server_port(s->server)),
		.sin_addr.s_addr = htonl(LOOPBACK)};
	const struct timeval wait = {wait_s, wait_us};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t used = 0;
	ssize_t got;

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	assert_int_equal(
		send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	shutdown(fd, SHUT_WR);
	while (used + 1 < answer_bytes &&
		(got = recv(fd, answer + used, answer_bytes - used - 1, 0)) > 0) {
		used += (size_t)got;
	}
	answer[used] = '\0';
	close(fd);
	return used;
}

static size_t raw(const struct site *s, const char *request, char *answer, size_t answer_bytes)
{
	return raw_for(s, request, 10, 0, answer, answer_bytes);
}

static void test_other_methods_are_refused(void **state)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "FOO"};
	struct site *s = *state;
	struct http_stats stats;
	char request[256], answer[1024];

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		snprintf(request, sizeof request,
			"%s /img/boot/linux.efi HTTP/1.1\r\nHost: x\r\nContent-Length: "
			"5\r\n\r\nhello",
			methods[i]);
		raw(s, request, answer, sizeof answer);
		assert_int_equal(strncmp(answer, "HTTP/1.1 405 ", 13), 0);
		assert_non_null(strcasestr(answer, "Allow: GET, HEAD\r\n"));
	}
	http_server_get_stats(s->server, &stats);
	assert_int_equal(stats.refused_method, 6);
	assert_int_equal(stats.files, 0);
}

static void test_junk_does_not_hurt(void **state)
{
	static const char *const junk[] = {
		"\r\n\r\n",
		"GET\r\n\r\n",
		"GET / HTTP/9.9\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"GET /img/boot/linux.efi HTTP/1.1\r\n",
		"GET /?",
		"GET / HTTP/1.1\r\nRange: bytes=0-\r\nRange: x\r\n\r\n",
		"GET http:// HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	};
	struct site *s = *state;
	char answer[2048], *longest = malloc(60001);
	struct reply r;

	for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
		raw_for(s, junk[i], 0, 200000, answer, sizeof answer);
	}
	memset(longest, 'a', 60000);
	memcpy(longest, "GET /", 5);
	longest[60000] = '\0';
	raw_for(s, longest, 0, 200000, answer, sizeof answer);
	/* a path that fits the headers' memory and not ours */
	strcpy(longest + 5000, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	raw(s, longest, answer, sizeof answer);
	assert_int_equal(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
	free(longest);
	fetch(s, "/img/boot/linux.efi", NULL, &r);
	assert_int_equal(r.status, 200);
	free(r.body);
}

static int dial(const struct site *s)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(http_server_port(s->server)),
		.sin_addr.s_addr = htonl(LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void ask_and_read(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[1024];

	assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
	assert_true(recv(fd, answer, sizeof answer, 0) > 0);
	assert_int_equal(memcmp(answer, "HTTP/1.1 200 ", 13), 0);
}

/* Half a request holds a place only for a short while, whether its client stays or has gone; a
 * connection that has asked may rest for longer. */
static void test_half_a_request_is_let_go_and_a_resting_connection_is_not(void **state)
{
	struct site *s = *state;
	int resting = dial(s), stays = dial(s), gone = dial(s);
	struct pollfd half = {.fd = stays, .events = POLLIN};
	struct http_stats stats;
	char answer[1024];
	unsigned waits = 0;

	ask_and_read(resting);
	assert_true(send(stays, "GET / HT", 8, MSG_NOSIGNAL) == 8);
	assert_true(send(gone, "GET / HT", 8, MSG_NOSIGNAL) == 8);
	close(gone);
	do {
		assert_int_equal(poll(&half, 1, 60000), 1); /* only a hung test gets there */
	} while (recv(stays, answer, sizeof answer, 0) > 0);
	do {
		assert_true(waits++ < 600);
		poll(NULL, 0, 100);
		http_server_get_stats(s->server, &stats);
	} while (stats.connections > 1);
	ask_and_read(resting);
	close(stays);
	close(resting);
}

static void test_absolute_form_and_old_version(void **state)
{
	struct site *s = *state;
	char answer[1024];

	raw(s,
		"GET http://boot.example:80/img/none?x HTTP/1.1\r\nHost: a\r\nConnection: "
		"close\r\n\r\n",
		answer, sizeof answer);
	assert_int_equal(strncmp(answer, "HTTP/1.1 404 ", 13), 0);
	raw(s, "HEAD /img/boot/linux.efi HTTP/1.0\r\n\r\n", answer, sizeof answer);
	assert_int_equal(strncmp(answer, "HTTP/1.", 7), 0);
	assert_non_null(strstr(answer, " 200 OK"));
	assert_non_null(strcasestr(answer, "Content-Length: 200003\r\n"));
}

static void test_events_tell_a_boot(void **state)
{
	struct site *s = *state;
	struct reply r;

	fetch(s, "/img/boot/linux.efi", NULL, &r);
	free(r.body);
	fetch(s, "/boot/52-54-00-aa-00-02.ipxe", NULL, &r);
	free(r.body);
	fetch(s, "/phone-home/52:54:00:aa:00:02?os=Debian%2012%1b&marker=up%0aok&x=y", NULL, &r);
	assert_int_equal(r.bytes, 3);
	free(r.body);
	http_server_close(
		s->server); /* DONE comes after the last byte, maybe after the client has it */
	s->server = NULL;
	assert_int_equal(s->event_count, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct event *e = &s->events[i];
		switch ((int)e->kind) {
		case PXE__EVENT_KIND__EVENT_HTTP_START:
		case PXE__EVENT_KIND__EVENT_HTTP_DONE:
			assert_string_equal(e->text, "/img/boot/linux.efi");
			assert_int_equal(e->bytes, FILE_BYTES);
			assert_int_equal(e->ip, LOOPBACK);
			break;
		case PXE__EVENT_KIND__EVENT_SCRIPT: assert_int_equal(e->mac[5], 2); break;
		case PXE__EVENT_KIND__EVENT_PHONE_HOME:
			assert_string_equal(e->text, "up?ok, Debian 12?");
			break;
		default: fail();
		}
	}
}

static void test_copies_between_nodes_are_no_events(void **state)
{
	struct site *s = *state;
	char path[96] = "/blob/";
	struct reply r;

	memcpy(path + 6, s->etag + 1, 64);
	fetch(s, path, NULL, &r);
	assert_int_equal(r.status, 200);
	assert_memory_equal(r.body, s->bytes, FILE_BYTES);
	free(r.body);
	assert_int_equal(s->event_count, 0);
}

static void test_a_missing_file_is_fetched_from_its_holder(void **state)
{
	static const uint8_t octets[4] = {127, 0, 0, 1};
	struct site *s = *state;
	struct fixture *other = fixture_open(2);
	struct site second = {.f = other};
	struct reply r;
	CURL *curl = curl_easy_init();
	char url[256];

	pthread_mutex_init(&second.lock, NULL);
	fixture_member(other, 1, "n1", octets, http_server_port(s->server));
	fixture_version(
		other, "img", 0x11, "boot/linux.efi", s->sha256, FILE_BYTES, true, 1, s->digest);
	fixture_image(other, "img", s->digest);
	fixture_sync(other);
	second.server = serve(&second, LOOPBACK);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/img/boot/linux.efi",
		http_server_port(second.server));
	fetch_with(curl, url, NULL, &r);
	assert_int_equal(r.status, 302);
	expect_header(&r, s->base);
	free(r.body);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	fetch_with(curl, url, NULL, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.bytes, FILE_BYTES);
	assert_memory_equal(r.body, s->bytes, FILE_BYTES);
	expect_header(&r, "Content-Type: application/efi\r\n");
	free(r.body);
	curl_easy_cleanup(curl);
	http_server_close(second.server);
	pthread_mutex_destroy(&second.lock);
	fixture_close(other);
}

/* iPXE obeys Retry-After for ever: without it, its script goes on to the next node. */
static void test_a_file_that_nobody_has_is_refused_at_once(void **state)
{
	struct site *s = *state;
	struct reply r;

	assert_int_equal(blob_remove(s->f->blobs, s->sha256), 0);
	fetch(s, "/img/boot/linux.efi", NULL, &r);
	assert_int_equal(r.status, 503);
	assert_null(strcasestr(r.headers, "Retry-After"));
	free(r.body);
}

/* ---- many at once */

struct download {
	char url[256];
	pthread_t thread;
	struct blob_hash *hash;
	uint64_t bytes;
	int result;
};

static size_t on_hash(char *data, size_t size, size_t count, void *ctx)
{
	struct download *d = ctx;

	blob_hash_update(d->hash, data, size * count);
	d->bytes += size * count;
	return size * count;
}

static void *download_run(void *ctx)
{
	struct download *d = ctx;
	CURL *curl = curl_easy_init();

	d->hash = blob_hash_new();
	curl_easy_setopt(curl, CURLOPT_URL, d->url);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_hash);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, d);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	d->result = (int)curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	return NULL;
}

static void test_eight_large_downloads_at_once(void **state)
{
	struct site *s = *state;
	const size_t bytes = 100u << 20;
	uint8_t *large = pattern(bytes), sha256[32], digest[32], got[32];
	struct download d[8];
	struct http_stats stats;

	memset(d, 0, sizeof d);
	fixture_blob(s->f->blobs, large, bytes, sha256);
	free(large);
	fixture_version(s->f, "large", 0x22, "disk.img", sha256, bytes, true, 1, digest);
	fixture_image(s->f, "large", digest);
	fixture_sync(s->f);
	for (size_t i = 0; i < 8; i++) {
		snprintf(d[i].url, sizeof d[i].url, "%s/large@222222222222/disk.img", s->base);
		assert_int_equal(pthread_create(&d[i].thread, NULL, download_run, &d[i]), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		pthread_join(d[i].thread, NULL);
		blob_hash_final(d[i].hash, got);
		assert_int_equal(d[i].result, CURLE_OK);
		assert_int_equal(d[i].bytes, bytes);
		assert_memory_equal(got, sha256, 32);
	}
	http_server_get_stats(s->server, &stats);
	assert_int_equal(stats.files, 8);
	assert_int_equal(stats.failed, 0);
}

static void test_a_busy_port_is_named(void **state)
{
	struct site *s = *state;
	const uint32_t ip = LOOPBACK;
	const struct http_config config = {.content = s->f->content,
		.port = http_server_port(s->server),
		.addresses = &ip,
		.address_count = 1};
	struct http_server *server = NULL;
	char error[256] = "", mine[64];

	assert_int_equal(http_server_open(&config, &server, error, sizeof error), -EADDRINUSE);
	assert_null(server);
	snprintf(mine, sizeof mine, "(pid %d)", getpid());
	if (strstr(error, mine) == NULL) {
		print_error("%s\n", error);
	}
	assert_non_null(strstr(error, mine));
}

static void test_range_headers_alone(void **state)
{
	uint64_t offset = 7, length = 7;

	(void)state;
	assert_int_equal(http_range_parse(NULL, 10, &offset, &length), HTTP_RANGE_WHOLE);
	assert_int_equal(http_range_parse("lines=0-1", 10, &offset, &length), HTTP_RANGE_WHOLE);
	assert_int_equal(
		http_range_parse("bytes=0-", 0, &offset, &length), HTTP_RANGE_UNSATISFIABLE);
	assert_int_equal(
		http_range_parse("bytes=-5", 0, &offset, &length), HTTP_RANGE_UNSATISFIABLE);
	assert_int_equal(offset, 7);
	assert_int_equal(http_range_parse("BYTES= 3-4 ", 10, &offset, &length), HTTP_RANGE_PART);
	assert_int_equal(offset, 3);
	assert_int_equal(length, 2);
	assert_int_equal(http_range_parse("bytes=18446744073709551615-", 10, &offset, &length),
		HTTP_RANGE_UNSATISFIABLE);
	assert_int_equal(http_range_parse("bytes=2-18446744073709551616", 10, &offset, &length),
		HTTP_RANGE_PART);
	assert_int_equal(length, 8);
	assert_true(http_etag_in("\"a\" , W/\"b\"", "\"b\""));
	assert_false(http_etag_in("\"a\" \"b\"", "\"b\""));
	assert_false(http_etag_in("\"a", "\"a\""));
	assert_false(http_etag_in("", "\"a\""));
}

static void test_metrics_are_what_was_last_set(void **state)
{
	struct site *s = *state;
	struct reply r;
	char url[512];
	CURL *curl = curl_easy_init();

	snprintf(url, sizeof url, "%s/metrics", s->base);
	assert_false(http_server_metrics_wanted(s->server));
	fetch_with(curl, url, NULL, &r);
	assert_int_equal(r.status, 503);
	free(r.body);
	assert_true(http_server_metrics_wanted(s->server));
	http_server_set_metrics(s->server, strdup("a 1\n"));
	http_server_set_metrics(s->server, strdup("a 2\n"));
	fetch_with(curl, url, NULL, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.bytes, 4);
	assert_memory_equal(r.body, "a 2\n", 4);
	assert_non_null(strstr(r.headers, "text/plain; version=0.0.4"));
	free(r.body);
	curl_easy_cleanup(curl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range_headers_alone),
		cmocka_unit_test_setup_teardown(test_a_file_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_range_matrix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conditions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_if_range, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_head_then_get_on_one_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_methods_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_junk_does_not_hurt, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_half_a_request_is_let_go_and_a_resting_connection_is_not, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_absolute_form_and_old_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events_tell_a_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_copies_between_nodes_are_no_events, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_missing_file_is_fetched_from_its_holder, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_file_that_nobody_has_is_refused_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_eight_large_downloads_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_busy_port_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_metrics_are_what_was_last_set, setup, teardown),
	};
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
