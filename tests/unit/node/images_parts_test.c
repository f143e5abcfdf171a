/* The parts of image replication alone: what is planned, what is guarded, and one blob fetched from
 * real servers. */
#include "content_fixture.h"
#include "node/http/http.h"
#include "node/images/fetch.h"
#include "node/images/guard.h"
#include "node/images/plan.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#define BYTES (3u << 20)

/* ---- plan */

static void expect_sources(const struct plan_peer *peers, size_t count, uint64_t self,
	uint8_t first, const char *expected)
{
	uint8_t sha256[32] = {first};
	char urls[8][FETCH_URL_BYTES], text[512] = "";
	size_t n = plan_sources(peers, count, self, sha256, urls, 8);

	for (size_t i = 0; i < n; i++) {
		strcat(text, urls[i] + strlen("http://10.0.0."));
		strcat(text, " ");
	}
	assert_string_equal(text, expected);
}

static void test_sources_in_order(void **state)
{
	static const struct plan_peer peers[] = {
		{1, 0x0a000001, 80, true, true, true},
		{2, 0x0a000002, 80, true, true, false},
		{3, 0x0a000003, 80, false, true, true},
		{4, 0x0a000004, 80, true, true, true},
		{5, 0, 80, true, true, true},           /* serves no files */
		{6, 0x0a000006, 80, true, false, true}, /* a witness */
		{7, 0x0a000007, 80, false, true, false},
	};

	(void)state;
	expect_sources(peers, 7, 1, 6, "4:80 2:80 3:80 7:80 ");
	expect_sources(peers, 7, 2, 5, "1:80 4:80 3:80 7:80 ");
	expect_sources(peers, 7, 2, 8, "4:80 1:80 3:80 7:80 "); /* another blob, another order */
	expect_sources(peers, 1, 1, 0, "");
	expect_sources(peers, 0, 1, 0, "");
}

static void test_backoff_grows_to_a_limit(void **state)
{
	static const uint64_t expected[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(plan_backoff_ms(i + 1), expected[i]);
	}
	assert_int_equal(plan_backoff_ms(4000000000u), 30000);
}

static void test_publishing_without_all(void **state)
{
	static const struct {
		const char *peers; /* h: holds, live; H: holds, dead; l: lacks it, live; L: lacks
				      it, dead; w: witness */
		bool may;
	} table[] = {
		{"hhh", true},
		{"hhL", true},
		{"hhl", false},
		{"hLL", false},
		{"hL", false},
		{"hHL", true},
		{"hhw", true},
		{"h", true},
		{"", false},
		{"lll", false},
		{"hhLL", false},
		{"hhhLL", true},
		{"hLw", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct plan_peer peers[8];
		size_t count = strlen(table[i].peers);
		for (size_t k = 0; k < count; k++) {
			char c = table[i].peers[k];
			peers[k] = (struct plan_peer){.id = k + 1,
				.full = c != 'w',
				.live = c == 'h' || c == 'l' || c == 'w',
				.holds = c == 'h' || c == 'H'};
		}
		assert_int_equal(plan_may_publish(peers, count), table[i].may);
	}
}

/* ---- guard */

static void test_guard(void **state)
{
	struct image_guard *guard = image_guard_new();
	struct fixture *f = fixture_open(1);
	uint8_t refer[2][32], pinned[32], nobody[32];

	(void)state;
	fixture_blob(f->blobs, "b", 1, refer[0]);
	fixture_blob(f->blobs, "a", 1, refer[1]);
	fixture_blob(f->blobs, "pinned", 6, pinned);
	fixture_blob(f->blobs, "nobody", 6, nobody);
	image_guard_refer(guard, (const uint8_t(*)[32])refer, 2);
	image_guard_pin(guard, pinned, 100);
	image_guard_pin(guard, pinned, 50);
	for (uint32_t i = 0; i < 500; i++) {
		uint8_t other[32];
		fixture_sha(&i, sizeof i, other);
		image_guard_pin(guard, other, 1000);
		assert_true(image_guard_holds(guard, other, 1));
	}
	assert_int_equal(image_guard_remove(guard, f->blobs, refer[0], 99), 0);
	assert_int_equal(image_guard_remove(guard, f->blobs, refer[1], 99), 0);
	assert_int_equal(image_guard_remove(guard, f->blobs, pinned, 99), 0);
	assert_int_equal(image_guard_remove(guard, f->blobs, nobody, 99), 1);
	assert_int_equal(image_guard_remove(guard, f->blobs, nobody, 99), -ENOENT);
	assert_int_equal(image_guard_remove(guard, f->blobs, pinned, 100), 1);
	image_guard_refer(guard, (const uint8_t(*)[32])refer, 1);
	assert_true(image_guard_holds(guard, refer[0], 100));
	assert_false(image_guard_holds(guard, refer[1], 100));
	image_guard_free(guard);
	fixture_close(f);
}

/* ---- fetch */

struct source {
	struct fixture *f;
	struct http_server *server;
	char url[FETCH_URL_BYTES];
};

struct net {
	struct source a, b;
	struct fixture *here;
	uint8_t *bytes, sha256[32];
};

static void source_open(struct source *source, uint64_t self)
{
	const uint32_t ip = 0x7f000001;
	struct http_config config = {.addresses = &ip, .address_count = 1};
	char error[256] = "";

	source->f = fixture_open(self);
	config.content = source->f->content;
	assert_int_equal(http_server_open(&config, &source->server, error, sizeof error), 0);
	snprintf(source->url, sizeof source->url, "http://127.0.0.1:%u",
		http_server_port(source->server));
}

static int net_setup(void **state)
{
	struct net *net = calloc(1, sizeof *net);

	source_open(&net->a, 2);
	source_open(&net->b, 3);
	net->here = fixture_open(1);
	net->bytes = malloc(BYTES);
	for (uint32_t i = 0; i < BYTES; i++) {
		net->bytes[i] = (uint8_t)((i * 2654435761u) >> 13);
	}
	fixture_sha(net->bytes, BYTES, net->sha256);
	*state = net;
	return 0;
}

static int net_teardown(void **state)
{
	struct net *net = *state;

	http_server_close(net->a.server);
	http_server_close(net->b.server);
	fixture_close(net->a.f);
	fixture_close(net->b.f);
	fixture_close(net->here);
	free(net->bytes);
	free(net);
	return 0;
}

static int fetch_from(struct net *net, const char *first, const char *second,
	const atomic_bool *stop, uint64_t *received)
{
	char urls[2][FETCH_URL_BYTES], error[256] = "";
	struct fetch fetch = {.blobs = net->here->blobs,
		.bytes = BYTES,
		.stop = stop,
		.silence_s = 1,
		.connect_ms = 500,
		.base_urls = (const char(*)[FETCH_URL_BYTES])urls};
	int err;

	for (size_t i = 0; i < 2; i++) {
		const char *url = i == 0 ? first : second;
		if (url != NULL) {
			snprintf(urls[fetch.base_url_count++], FETCH_URL_BYTES, "%s", url);
		}
	}
	memcpy(fetch.sha256, net->sha256, 32);
	err = fetch_run(&fetch, received, error, sizeof error);
	assert_true(err == 0 || error[0] != '\0');
	return err;
}

static void expect_here(struct net *net)
{
	uint64_t bytes = 0;

	assert_true(blob_exists(net->here->blobs, net->sha256, &bytes));
	assert_int_equal(bytes, BYTES);
	assert_int_equal(blob_verify(net->here->blobs, net->sha256), 0);
}

static void leave_part(struct net *net, const uint8_t *bytes, size_t count)
{
	struct blob_writer *writer;

	assert_int_equal(
		blob_writer_open(net->here->blobs, net->sha256, BYTES, false, &writer, NULL), 0);
	assert_int_equal(blob_writer_append(writer, bytes, count), 0);
	blob_writer_abort(writer, true);
}

static void put_at(struct net *net, struct source *source)
{
	uint8_t sha256[32];

	fixture_blob(source->f->blobs, net->bytes, BYTES, sha256);
}

static void test_fetch_whole(void **state)
{
	struct net *net = *state;
	uint64_t received;

	put_at(net, &net->a);
	assert_int_equal(fetch_from(net, net->a.url, NULL, NULL, &received), 0);
	assert_int_equal(received, BYTES);
	expect_here(net);
	assert_int_equal(fetch_from(net, net->a.url, NULL, NULL, &received), 0);
	assert_int_equal(received, 0);
}

static void test_fetch_goes_on_where_it_stopped(void **state)
{
	struct net *net = *state;
	uint64_t received;

	put_at(net, &net->a);
	leave_part(net, net->bytes, 2000001);
	assert_int_equal(fetch_from(net, net->a.url, NULL, NULL, &received), 0);
	assert_int_equal(received, BYTES - 2000001);
	expect_here(net);
}

static void test_fetch_completes_what_is_all_there(void **state)
{
	struct net *net = *state;
	uint64_t received;

	leave_part(net, net->bytes, BYTES);
	assert_int_equal(fetch_from(net, "http://127.0.0.1:1", NULL, NULL, &received), 0);
	assert_int_equal(received, 0);
	expect_here(net);
}

static void test_rubbish_that_was_left_is_thrown_away(void **state)
{
	struct net *net = *state;
	uint8_t *rubbish = calloc(1, BYTES);
	uint64_t received;

	put_at(net, &net->a);
	put_at(net, &net->b);
	leave_part(net, rubbish, BYTES);
	assert_int_equal(fetch_from(net, net->a.url, NULL, NULL, &received), 0);
	expect_here(net);
	assert_int_equal(blob_remove(net->here->blobs, net->sha256), 0);
	/* Half of it wrong: the first source completes it in vain, the second begins anew. */
	leave_part(net, rubbish, BYTES / 2);
	assert_int_equal(fetch_from(net, net->a.url, net->b.url, NULL, &received), 0);
	assert_int_equal(received, BYTES / 2 + BYTES);
	expect_here(net);
	free(rubbish);
}

static void test_the_next_source_helps(void **state)
{
	struct net *net = *state;
	uint64_t received;

	put_at(net, &net->b);
	assert_int_equal(
		fetch_from(net, net->a.url, net->b.url, NULL, &received), 0); /* 404 first */
	expect_here(net);
	assert_int_equal(blob_remove(net->here->blobs, net->sha256), 0);
	assert_int_equal(fetch_from(net, "http://127.0.0.1:1", net->b.url, NULL, &received),
		0); /* nobody listens */
	expect_here(net);
}

/* A damaged disk elsewhere must not become ours [P7]. */
static void test_wrong_bytes_are_not_taken(void **state)
{
	struct net *net = *state;
	char path[256];
	uint64_t received;
	int fd, used;

	put_at(net, &net->a);
	used = snprintf(path, sizeof path, "%s/blobs/%02x/", net->a.f->dir, net->sha256[0]);
	for (size_t i = 0; i < 32; i++) {
		used += snprintf(path + used, sizeof path - (size_t)used, "%02x", net->sha256[i]);
	}
	assert_int_equal(chmod(path, 0600), 0);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "XXXX", 4, 100000), 4);
	close(fd);
	assert_int_equal(fetch_from(net, net->a.url, NULL, NULL, &received), -EHOSTUNREACH);
	assert_false(blob_exists(net->here->blobs, net->sha256, NULL));
	put_at(net, &net->b);
	assert_int_equal(fetch_from(net, net->a.url, net->b.url, NULL, &received), 0);
	expect_here(net);
}

/* Longer than it should be: a file of another size under that name. */
static void test_too_many_bytes_are_not_taken(void **state)
{
	struct net *net = *state;
	char path[256];
	uint64_t received;
	int used;

	put_at(net, &net->a);
	used = snprintf(path, sizeof path, "%s/blobs/%02x/", net->a.f->dir, net->sha256[0]);
	for (size_t i = 0; i < 32; i++) {
		used += snprintf(path + used, sizeof path - (size_t)used, "%02x", net->sha256[i]);
	}
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, BYTES * 2), 0);
	assert_int_equal(fetch_from(net, net->a.url, NULL, NULL, &received), -EHOSTUNREACH);
	assert_false(blob_exists(net->here->blobs, net->sha256, NULL));
}

static void test_a_silent_source_is_given_up(void **state)
{
	struct net *net = *state;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[FETCH_URL_BYTES];
	uint64_t received;

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 4), 0); /* the kernel accepts, nobody answers */
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(address.sin_port));
	put_at(net, &net->b);
	assert_int_equal(fetch_from(net, url, net->b.url, NULL, &received), 0);
	expect_here(net);
	close(fd);
}

static void test_no_source_and_stop(void **state)
{
	struct net *net = *state;
	atomic_bool stop = true;
	uint64_t received;

	assert_int_equal(fetch_from(net, NULL, NULL, NULL, &received), -EHOSTUNREACH);
	put_at(net, &net->a);
	assert_int_equal(fetch_from(net, net->a.url, NULL, &stop, &received), -ECANCELED);
	assert_false(blob_exists(net->here->blobs, net->sha256, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources_in_order),
		cmocka_unit_test(test_backoff_grows_to_a_limit),
		cmocka_unit_test(test_publishing_without_all),
		cmocka_unit_test(test_guard),
		cmocka_unit_test_setup_teardown(test_fetch_whole, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(
			test_fetch_goes_on_where_it_stopped, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(
			test_fetch_completes_what_is_all_there, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(
			test_rubbish_that_was_left_is_thrown_away, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(
			test_the_next_source_helps, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(
			test_wrong_bytes_are_not_taken, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(
			test_too_many_bytes_are_not_taken, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_silent_source_is_given_up, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(test_no_source_and_stop, net_setup, net_teardown),
	};
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
