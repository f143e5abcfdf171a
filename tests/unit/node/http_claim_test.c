/* The HTTP server while a one-shot boot is claimed, and with reports, over real sockets. */
#include "content_fixture.h"
#include "node/http/http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

struct site {
	struct fixture *f;
	struct http_server *server;
	pthread_mutex_t lock; /* of the rest */
	pthread_cond_t changed;
	bool at_once;
	void (*done)(void *ctx);
	void *done_ctx;
	unsigned claims;
	struct event event; /* the last one */
};

static void on_claim(
	void *ctx, const struct content_claim *claim, void (*done)(void *done_ctx), void *done_ctx)
{
	struct site *s = ctx;
	bool at_once;

	assert(strcmp(claim->host, "n02") == 0 && strcmp(claim->boot, "7") == 0);
	pthread_mutex_lock(&s->lock);
	s->claims++;
	at_once = s->at_once;
	s->done = at_once ? NULL : done;
	s->done_ctx = done_ctx;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (at_once) {
		done(done_ctx);
	}
}

static void on_event(void *ctx, const struct event *event)
{
	struct site *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->event = *event;
	pthread_mutex_unlock(&s->lock);
}

static void put_once(struct fixture *f, Pxe__OnceState state)
{
	Pxe__Once once = PXE__ONCE__INIT;

	once.host = fixture_text("n02");
	once.profile = fixture_text("installer");
	once.state = state;
	once.boot = fixture_text(state == PXE__ONCE_STATE__ONCE_CLAIMED ? "7" : "");
	once.tries_max = 1;
	fixture_put(f, RECORD_ONCE, "n02", 3, &once.base);
	fixture_sync(f);
}

static int setup(void **state)
{
	static uint8_t mac[] = {0x52, 0x54, 0, 0xaa, 0, 2};
	static const uint32_t loopback = 0x7f000001;
	struct site *s = calloc(1, sizeof *s);
	ProtobufCBinaryData macs[] = {{6, mac}};
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Host host = PXE__HOST__INIT;
	uint8_t key[RECORD_KEY_MAX];
	char error[256] = "";

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->f = fixture_open(1);
	profile.name = fixture_text("installer");
	profile.script = fixture_text("#!ipxe\necho install\n");
	fixture_put(s->f, RECORD_PROFILE, "installer", 9, &profile.base);
	host.name = fixture_text("n02");
	host.mac = macs;
	host.n_mac = 1;
	fixture_put(s->f, RECORD_HOST, "n02", 3, &host.base);
	kv_state_put(
		s->f->kv, key, record_key(RECORD_HOST_MAC, mac, 6, key), (const uint8_t *)"n02", 3);
	put_once(s->f, PXE__ONCE_STATE__ONCE_ARMED);
	const struct http_config config = {.content = s->f->content,
		.addresses = &loopback,
		.address_count = 1,
		.ctx = s,
		.on_event = on_event,
		.claim_ctx = s,
		.claim = on_claim};
	assert_int_equal(http_server_open(&config, &s->server, error, sizeof error), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct site *s = *state;

	http_server_close(s->server);
	fixture_close(s->f);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return 0;
}

static int ask(const struct site *s, const char *request)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000001),
		.sin_port = htons(http_server_port(s->server))};
	struct timeval limit = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	return fd;
}

static void expect_answer(int fd, const char *status, const char *part)
{
	char answer[8192];
	size_t used = 0;
	ssize_t got;

	while (used < sizeof answer - 1 &&
		(got = recv(fd, answer + used, sizeof answer - 1 - used, 0)) > 0) {
		used += (size_t)got;
	}
	answer[used] = '\0';
	close(fd);
	if (strncmp(answer, status, strlen(status)) != 0 || strstr(answer, part) == NULL) {
		fail_msg("'%s' and '%s' are not in:\n%s", status, part, answer);
	}
}

static const char script[] = "GET /boot/52-54-00-aa-00-02.ipxe?boot=7 HTTP/1.1\r\nHost: x\r\n"
			     "Connection: close\r\n\r\n";

static void wait_for_claim(struct site *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->claims == 0) {
		pthread_cond_wait(&s->changed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

static void test_the_script_waits_until_the_boot_is_claimed(void **state)
{
	struct site *s = *state;
	char byte;
	int fd = ask(s, script);

	wait_for_claim(s);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	put_once(s->f, PXE__ONCE_STATE__ONCE_CLAIMED);
	s->done(s->done_ctx);
	expect_answer(fd, "HTTP/1.1 200 ", "echo install");
	assert_int_equal(s->claims, 1);
}

static void test_a_claim_that_fails_at_once_gives_the_script_that_asks_again(void **state)
{
	struct site *s = *state;

	s->at_once = true;
	expect_answer(ask(s, script), "HTTP/1.1 200 ", "retry=1&boot=7");
	assert_int_equal(s->claims, 1);
}

static void test_the_server_closes_while_a_claim_is_under_way(void **state)
{
	struct site *s = *state;
	int fd = ask(s, script);

	wait_for_claim(s);
	http_server_close(s->server);
	s->server = NULL;
	s->done(s->done_ctx);
	close(fd);
}

static void test_a_report_is_taken_by_post(void **state)
{
	struct site *s = *state;
	struct event event;

	expect_answer(ask(s, "POST /phone-home/52-54-00-aa-00-02 HTTP/1.1\r\nHost: x\r\n"
			     "Content-Type: application/x-www-form-urlencoded\r\n"
			     "Connection: close\r\nContent-Length: 28\r\n\r\n"
			     "status=failed&text=no%20disk"),
		"HTTP/1.1 200 ", "ok\n");
	pthread_mutex_lock(&s->lock);
	event = s->event;
	pthread_mutex_unlock(&s->lock);
	assert_int_equal(event.kind, PXE__EVENT_KIND__EVENT_PHONE_HOME);
	assert_true(event.failed);
	assert_string_equal(event.host, "n02");
	assert_string_equal(event.text, "failed, no disk");
}

static void test_a_report_that_is_too_long_is_refused(void **state)
{
	struct site *s = *state;
	char request[6000];
	int used = snprintf(request, sizeof request,
		"POST /phone-home/52-54-00-aa-00-02 HTTP/1.1\r\nHost: x\r\n"
		"Connection: close\r\nContent-Length: 4097\r\n\r\n");

	memset(request + used, 'a', 4097);
	request[used + 4097] = '\0';
	expect_answer(ask(s, request), "HTTP/1.1 413 ", "4096");
}

int main(void)
{
#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SITE(test_the_script_waits_until_the_boot_is_claimed),
		WITH_SITE(test_a_claim_that_fails_at_once_gives_the_script_that_asks_again),
		WITH_SITE(test_the_server_closes_while_a_claim_is_under_way),
		WITH_SITE(test_a_report_is_taken_by_post),
		WITH_SITE(test_a_report_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
