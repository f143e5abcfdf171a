/* Two nodes with real stores, real HTTP and the real model between them: an image is pushed at one,
 * fetched by the other, published on both, damaged, healed and removed. Only the log is short: a
 * proposal is applied by the one model at the loop's next turn. */
#include "content_fixture.h"
#include "node/http/http.h"
#include "node/images/intake.h"
#include "node/images/puller.h"
#include "proto/msg/manifest.h"
#include "store/model/model.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WATCHDOG_MS 30000
#define CHUNK       (256u << 10)

struct cluster;

struct node {
	struct cluster *cluster;
	uint64_t id;
	struct fixture *f;
	struct http_server *http;
	struct image_guard *guard;
	struct relays *relays;
	struct image_intake *intake;
	struct image_puller *puller;
	struct image_cluster view;
	uint64_t verify_after_ms;
	bool dead; /* for the others */
	unsigned staged, held, published, alarms;
	char alarm[256]; /* the newest */
};

struct proposal {
	struct proposal *next;
	uint8_t *packed;
	size_t bytes;
	replica_done_cb *done;
	void *ctx;
};

struct cluster {
	uv_loop_t loop;
	uv_timer_t pump;
	struct model *model;
	struct node node[2];
	struct proposal *first, **last;
	uint64_t seq, stamp_ms;
	bool no_quorum;
};

/* ---- the short log */

static void on_put(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct cluster *c = ctx;

	for (size_t i = 0; i < 2; i++) {
		kv_state_put(c->node[i].f->kv, key, key_bytes, value, value_bytes);
		if (c->node[i].puller != NULL) {
			image_puller_on_record(c->node[i].puller, key, key_bytes);
		}
	}
}

static void on_remove(void *ctx, const uint8_t *key, size_t key_bytes)
{
	struct cluster *c = ctx;

	for (size_t i = 0; i < 2; i++) {
		kv_state_remove(c->node[i].f->kv, key, key_bytes);
		if (c->node[i].puller != NULL) {
			image_puller_on_record(c->node[i].puller, key, key_bytes);
		}
	}
}

static void apply_one(struct cluster *c, struct proposal *p)
{
	const struct model_sink sink = {c, on_put, on_remove};
	Pxe__Command *command = pxe__command__unpack(NULL, p->bytes, p->packed);
	struct model_result result;

	assert_non_null(command);
	command->origin = 1;
	command->incarnation = 1;
	command->seq = ++c->seq;
	c->stamp_ms += 10;
	memset(&result, 0, sizeof result);
	model_begin(c->model, c->stamp_ms, &sink);
	model_apply(c->model, command, &sink, &result);
	pxe__command__free_unpacked(command, NULL);
	if (p->done != NULL) {
		p->done(p->ctx, REPLICA_APPLIED, &result);
	}
}

static void on_pump(uv_timer_t *timer)
{
	struct cluster *c = timer->data;

	while (c->first != NULL) {
		struct proposal *p = c->first;
		c->first = p->next;
		if (c->first == NULL) {
			c->last = &c->first;
		}
		apply_one(c, p);
		free(p->packed);
		free(p);
	}
}

static enum replica_outcome on_propose(void *ctx, Pxe__Command *command, unsigned timeout_ms,
	replica_done_cb *done, void *done_ctx)
{
	struct cluster *c = ((struct node *)ctx)->cluster;
	struct proposal *p;

	(void)timeout_ms;
	if (c->no_quorum) {
		return REPLICA_NO_QUORUM;
	}
	p = calloc(1, sizeof *p);
	p->bytes = pxe__command__get_packed_size(command);
	p->packed = malloc(p->bytes + 1);
	pxe__command__pack(command, p->packed);
	p->done = done;
	p->ctx = done_ctx;
	*c->last = p;
	c->last = &p->next;
	return REPLICA_APPLIED;
}

static const struct model *on_model(void *ctx)
{
	return ((struct node *)ctx)->cluster->model;
}

static bool on_is_live(void *ctx, uint64_t member)
{
	struct node *n = ctx;

	return member == n->id ||
	       (member >= 1 && member <= 2 && !n->cluster->node[member - 1].dead);
}

static bool on_is_leader(void *ctx)
{
	return ((struct node *)ctx)->id == 1;
}

static void on_event(void *ctx, const struct event *event)
{
	struct node *n = ctx;

	n->staged += event->kind == PXE__EVENT_KIND__EVENT_IMAGE_STAGED;
	n->held += event->kind == PXE__EVENT_KIND__EVENT_IMAGE_HELD;
	n->published += event->kind == PXE__EVENT_KIND__EVENT_IMAGE_PUBLISHED;
	if (event->kind == PXE__EVENT_KIND__EVENT_ALARM) {
		n->alarms++;
		snprintf(n->alarm, sizeof n->alarm, "%s", event->text);
	}
}

/* ---- the two nodes */

static void load_member(struct cluster *c, uint64_t id, uint32_t port)
{
	static uint8_t ip[4] = {127, 0, 0, 1};
	Pxe__Member member = PXE__MEMBER__INIT;
	uint8_t key[RECORD_KEY_MAX], value[256];
	char name[8];
	size_t key_bytes;

	snprintf(name, sizeof name, "n%u", (unsigned)id);
	member.id = id;
	member.name = name;
	member.serve_ip.data = ip;
	member.serve_ip.len = 4;
	member.http_port = port;
	key_bytes = record_key_u64(RECORD_MEMBER, id, key);
	assert_int_equal(
		model_load(c->model, key, key_bytes, value, pxe__member__pack(&member, value)), 0);
	on_put(c, key, key_bytes, value, pxe__member__get_packed_size(&member));
}

static void load_settings(struct cluster *c)
{
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	uint8_t key[RECORD_KEY_MAX], value[256];
	size_t key_bytes = record_key(RECORD_SETTINGS, NULL, 0, key);

	settings.cluster = fixture_text("lab");
	assert_int_equal(
		model_load(c->model, key, key_bytes, value, pxe__settings__pack(&settings, value)),
		0);
}

static void puller_start(struct node *n, uint64_t remove_after_ms)
{
	const struct image_puller_config config = {.loop = &n->cluster->loop,
		.blobs = n->f->blobs,
		.guard = n->guard,
		.relays = n->relays,
		.cluster = n->view,
		.remove_after_ms = remove_after_ms,
		.verify_after_ms = n->verify_after_ms};

	assert_int_equal(image_puller_open(&config, &n->puller), 0);
}

static void http_start(struct node *n, uint16_t port)
{
	const uint32_t ip = 0x7f000001;
	const struct http_config config = {
		.content = n->f->content, .addresses = &ip, .address_count = 1, .port = port};
	char error[256] = "";

	assert_int_equal(http_server_open(&config, &n->http, error, sizeof error), 0);
}

static int setup(void **state)
{
	struct cluster *c = calloc(1, sizeof *c);

	c->last = &c->first;
	c->stamp_ms = 1700000000000;
	c->model = model_new();
	uv_loop_init(&c->loop);
	uv_timer_init(&c->loop, &c->pump);
	c->pump.data = c;
	uv_timer_start(&c->pump, on_pump, 1, 1);
	for (size_t i = 0; i < 2; i++) {
		c->node[i].cluster = c;
		c->node[i].id = i + 1;
		c->node[i].f = fixture_open(i + 1);
	}
	load_settings(c);
	for (size_t i = 0; i < 2; i++) {
		struct node *n = &c->node[i];
		http_start(n, 0);
		load_member(c, n->id, http_server_port(n->http));
		const struct relays_config relays = {.blobs = n->f->blobs};
		n->guard = image_guard_new();
		n->relays = relays_new(&relays);
		n->view = (struct image_cluster){
			n, n->id, on_model, on_is_live, on_is_leader, on_propose, on_event};
		const struct image_intake_config intake = {
			&c->loop, n->f->blobs, n->guard, n->view};
		assert_int_equal(image_intake_open(&intake, &n->intake), 0);
	}
	*state = c;
	return 0;
}

static void puller_stop(struct node *n)
{
	if (n->puller != NULL) {
		image_puller_close(n->puller);
		n->puller = NULL;
	}
}

static int teardown(void **state)
{
	struct cluster *c = *state;

	for (size_t i = 0; i < 2; i++) {
		puller_stop(&c->node[i]);
		image_intake_close(c->node[i].intake);
	}
	for (int i = 0; i < 200 && uv_loop_alive(&c->loop); i++) {
		uv_run(&c->loop, UV_RUN_ONCE);
		if (i == 150) {
			uv_close((uv_handle_t *)&c->pump, NULL);
		}
	}
	assert_int_equal(uv_loop_close(&c->loop), 0);
	for (size_t i = 0; i < 2; i++) {
		http_server_close(c->node[i].http);
		relays_free(c->node[i].relays);
		image_guard_free(c->node[i].guard);
		fixture_close(c->node[i].f);
	}
	model_free(c->model);
	free(c);
	return 0;
}

static void run_until_(struct cluster *c, bool (*done)(void *ctx), void *ctx, int line)
{
	uint64_t start = uv_hrtime();

	while (!done(ctx)) {
		uv_run(&c->loop, UV_RUN_ONCE);
		if ((uv_hrtime() - start) / 1000000 > WATCHDOG_MS) {
			print_error("line %d: nothing happened for long\n", line);
			fail();
		}
	}
}
#define run_until(c, done, ctx) run_until_(c, done, ctx, __LINE__)

/* ---- an image, and pushing it */

struct push {
	struct cluster *cluster;
	struct node *node;
	Pxe__ImageVersion version;
	Pxe__ImageFile file[3], *files[3];
	uint8_t *data[3];
	uint8_t sha256[3][32], digest[32];
	uint8_t missing[3][32];
	size_t missing_count;
	bool done;
	int error;
	char message[256];
	uint64_t received, revision;
};

static bool push_done(void *ctx)
{
	return ((struct push *)ctx)->done;
}

static void push_make(
	struct push *p, struct cluster *c, struct node *n, const char *image, uint32_t seed)
{
	static const char *const paths[3] = {"boot/vmlinuz", "initrd.img", "empty"};
	const uint64_t sizes[3] = {700001, 300000, 0};
	struct blob_hash *hash = blob_hash_new();
	size_t bytes;
	char *text;

	memset(p, 0, sizeof *p);
	p->cluster = c;
	p->node = n;
	pxe__image_version__init(&p->version);
	p->version.image = fixture_text(image);
	for (size_t i = 0; i < 3; i++) {
		p->data[i] = malloc(sizes[i] + 1);
		for (size_t k = 0; k < sizes[i]; k++) {
			p->data[i][k] = (uint8_t)((k * 2654435761u + seed * 40503u + i) >> 11);
		}
		fixture_sha(p->data[i], sizes[i], p->sha256[i]);
		pxe__image_file__init(&p->file[i]);
		p->file[i].path = fixture_text(paths[i]);
		p->file[i].bytes = sizes[i];
		p->file[i].sha256.data = p->sha256[i];
		p->file[i].sha256.len = 32;
		p->files[i] = &p->file[i];
	}
	p->version.files = p->files;
	p->version.n_files = 3;
	assert_int_equal(manifest_text(&p->version, &text, &bytes), 0);
	blob_hash_update(hash, text, bytes);
	blob_hash_final(hash, p->digest);
	free(text);
	p->version.digest.data = p->digest;
	p->version.digest.len = 32;
}

static void push_fini(struct push *p)
{
	for (size_t i = 0; i < 3; i++) {
		free(p->data[i]);
	}
}

static void on_begun(void *ctx, int error, const char *message, const uint8_t (*missing)[32],
	size_t missing_count)
{
	struct push *p = ctx;

	p->error = error;
	snprintf(p->message, sizeof p->message, "%s", message);
	p->missing_count = missing_count;
	if (missing_count > 0) {
		memcpy(p->missing, missing, missing_count * 32);
	}
	p->done = true;
}

static void on_data(void *ctx, int error, const char *message, uint64_t received)
{
	struct push *p = ctx;

	p->error = error;
	snprintf(p->message, sizeof p->message, "%s", message);
	p->received = received;
	p->done = true;
}

static void on_committed(void *ctx, int error, const char *message, uint64_t revision)
{
	struct push *p = ctx;

	p->error = error;
	snprintf(p->message, sizeof p->message, "%s", message);
	p->revision = revision;
	p->done = true;
}

static int begin(struct push *p)
{
	p->done = false;
	image_intake_begin(p->node->intake, &p->version, on_begun, p);
	assert_false(p->done);
	run_until(p->cluster, push_done, p);
	return p->error;
}

static int send_chunk(struct push *p, size_t i, uint64_t offset, size_t bytes, bool last)
{
	p->done = false;
	image_intake_data(p->node->intake, p->sha256[i], offset, p->data[i] + offset, bytes, last,
		on_data, p);
	assert_false(p->done);
	run_until(p->cluster, push_done, p);
	return p->error;
}

static void send_file(struct push *p, size_t i)
{
	uint64_t size = p->file[i].bytes;

	for (uint64_t at = 0; at < size; at = p->received) {
		size_t bytes = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		assert_int_equal(send_chunk(p, i, at, bytes, at + bytes == size), 0);
		assert_true(p->received > at);
	}
}

static int commit(struct push *p)
{
	uint8_t request_id[16];

	memcpy(request_id, p->digest,
		sizeof request_id); /* one per image, the same for its retries */
	p->done = false;
	image_intake_commit(p->node->intake, &p->version, request_id, on_committed, p);
	assert_false(p->done);
	run_until(p->cluster, push_done, p);
	return p->error;
}

static void push_all(struct push *p)
{
	assert_int_equal(begin(p), 0);
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < p->missing_count; k++) {
			if (memcmp(p->missing[k], p->sha256[i], 32) == 0) {
				send_file(p, i);
				break;
			}
		}
	}
	assert_int_equal(commit(p), 0);
	if (p->error != 0) {
		print_error("%s\n", p->message);
	}
}

static bool is_published(void *ctx)
{
	const struct push *p = ctx;
	const Pxe__Image *image = model_image(p->cluster->model, p->version.image);

	return image != NULL && image->current_digest.len == 32 &&
	       memcmp(image->current_digest.data, p->digest, 32) == 0;
}

static void expect_served(struct push *p)
{
	for (size_t n = 0; n < 2; n++) {
		struct fixture *f = p->cluster->node[n].f;
		fixture_sync(f);
		for (size_t i = 0; i < 3; i++) {
			char path[128];
			struct content_request request = {.path = path};
			struct content content;
			snprintf(path, sizeof path, "%s/%s", p->version.image, p->file[i].path);
			assert_int_equal(content_open(f->content, &request, &content), 0);
			assert_int_equal(content.kind, CONTENT_FILE);
			assert_memory_equal(content.sha256, p->sha256[i], 32);
			content_fini(&content);
			assert_int_equal(blob_verify(f->blobs, p->sha256[i]), 0);
		}
	}
}

static bool events_are_there(void *ctx)
{
	const struct cluster *c = ctx;

	return c->node[0].published + c->node[1].published > 0;
}

/* ---- */

static void test_a_push_reaches_both_nodes(void **state)
{
	struct cluster *c = *state;
	struct push p, back;

	puller_start(&c->node[0], 0);
	puller_start(&c->node[1], 0);
	push_make(&p, c, &c->node[0], "debian12", 1);
	push_all(&p);
	run_until(c, is_published, &p);
	expect_served(&p);
	run_until(c, events_are_there, c);
	assert_int_equal(c->node[0].staged, 1);
	assert_int_equal(c->node[1].staged, 0);
	assert_int_equal(c->node[1].held, 1);
	assert_int_equal(c->node[0].published, 1);
	assert_int_equal(c->node[1].published, 0);
	/* and the other way round */
	push_make(&back, c, &c->node[1], "rescue", 2);
	push_all(&back);
	run_until(c, is_published, &back);
	expect_served(&back);
	/* the same again: nothing is missing, nothing changes */
	assert_int_equal(begin(&p), 0);
	assert_int_equal(p.missing_count, 0);
	assert_int_equal(commit(&p), 0);
	push_fini(&p);
	push_fini(&back);
}

static void test_nothing_is_published_before_all_hold_it(void **state)
{
	struct cluster *c = *state;
	struct content_request request = {.path = "debian12/initrd.img"};
	struct content content;
	struct push p;

	puller_start(&c->node[0], 0); /* node 2 fetches nothing */
	push_make(&p, c, &c->node[0], "debian12", 1);
	push_all(&p);
	for (int i = 0; i < 100; i++) {
		uv_run(&c->loop, UV_RUN_ONCE);
	}
	assert_false(is_published(&p));
	fixture_sync(c->node[0].f);
	assert_int_equal(content_open(c->node[0].f->content, &request, &content), -ENOENT);
	puller_start(&c->node[1], 0);
	run_until(c, is_published, &p);
	push_fini(&p);
}

static bool holder_is_one(void *ctx)
{
	const struct push *p = ctx;
	const Pxe__ImageVersion *version =
		model_image_version(p->cluster->model, p->version.image, p->digest);

	return version != NULL && version->n_holders == 1;
}

static void test_no_quorum_is_tried_again(void **state)
{
	struct cluster *c = *state;
	struct push p;

	push_make(&p, c, &c->node[0], "debian12", 1);
	assert_int_equal(begin(&p), 0);
	send_file(&p, 0);
	send_file(&p, 1);
	c->no_quorum = true;
	assert_int_equal(commit(&p), -EAGAIN);
	assert_null(model_image(c->model, "debian12"));
	c->no_quorum = false;
	assert_int_equal(commit(&p), 0);
	run_until(c, holder_is_one, &p);
	puller_start(&c->node[1], 0);
	c->no_quorum = true;
	for (int i = 0; i < 300; i++) {
		uv_run(&c->loop, UV_RUN_ONCE);
	}
	c->no_quorum = false;
	run_until(c, is_published, &p);
	push_fini(&p);
}

static void test_a_push_is_broken_off_and_resumed(void **state)
{
	struct cluster *c = *state;
	struct push p;

	push_make(&p, c, &c->node[0], "debian12", 1);
	assert_int_equal(send_chunk(&p, 0, 0, 1000, false), -ENOENT); /* not declared */
	assert_int_equal(begin(&p), 0);
	assert_int_equal(p.missing_count, 2); /* the empty file needs nothing */
	assert_int_equal(send_chunk(&p, 0, 0, CHUNK, false), 0);
	assert_int_equal(p.received, CHUNK);
	assert_int_equal(send_chunk(&p, 0, 0, CHUNK, false), 0); /* a repeated chunk */
	assert_int_equal(p.received, CHUNK);
	assert_int_equal(send_chunk(&p, 0, CHUNK + 5, 100, false), 0); /* a gap is not taken */
	assert_int_equal(p.received, CHUNK);
	assert_int_equal(send_chunk(&p, 0, CHUNK - 10, 30, false), 0); /* only what is new */
	assert_int_equal(p.received, CHUNK + 20);
	assert_int_equal(send_chunk(&p, 0, CHUNK + 20, 100, true), -EINVAL); /* "last" too early */
	assert_int_equal(begin(&p), 0);
	assert_int_equal(p.missing_count, 2);
	assert_int_equal(commit(&p), -ENOENT);
	assert_non_null(strstr(p.message, "2 of 3 files are not here"));
	send_file(&p, 0);
	send_file(&p, 1);
	assert_int_equal(send_chunk(&p, 1, 0, 10, false),
		0); /* complete: any chunk is answered with all of it */
	assert_int_equal(p.received, p.file[1].bytes);
	assert_int_equal(commit(&p), 0);
	push_fini(&p);
}

static void test_wrong_bytes_are_not_taken(void **state)
{
	struct cluster *c = *state;
	struct push p;

	push_make(&p, c, &c->node[0], "debian12", 1);
	assert_int_equal(begin(&p), 0);
	p.data[1][5] ^= 1;
	assert_int_equal(send_chunk(&p, 1, 0, CHUNK, false), 0);
	assert_int_equal(send_chunk(&p, 1, CHUNK, 300000 - CHUNK, true), -EBADMSG);
	assert_int_equal(p.received, 0);
	assert_false(blob_exists(c->node[0].f->blobs, p.sha256[1], NULL));
	p.data[1][5] ^= 1;
	send_file(&p, 1);
	send_file(&p, 0);
	p.digest[0] ^= 1;
	assert_int_equal(commit(&p), -EINVAL);
	assert_int_equal(begin(&p), -EINVAL);
	p.digest[0] ^= 1;
	p.file[0].path = fixture_text("../etc/passwd");
	assert_int_equal(begin(&p), -EINVAL);
	assert_non_null(strstr(p.message, "../etc/passwd"));
	push_fini(&p);
}

struct flood {
	unsigned answers, busy, good;
};

static void on_flood(void *ctx, int error, const char *message, uint64_t received)
{
	struct flood *flood = ctx;

	(void)message;
	(void)received;
	flood->answers++;
	flood->busy += error == -EBUSY;
	flood->good += error == 0;
}

static bool flood_done(void *ctx)
{
	return ((struct flood *)ctx)->answers == 300;
}

static void test_chunks_without_waiting_are_all_answered(void **state)
{
	struct cluster *c = *state;
	struct flood flood = {0, 0, 0};
	struct push p;

	push_make(&p, c, &c->node[0], "debian12", 1);
	assert_int_equal(begin(&p), 0);
	for (uint64_t i = 0; i < 300; i++) {
		image_intake_data(c->node[0].intake, p.sha256[0], i * 1000, p.data[0] + i * 1000,
			1000, false, on_flood, &flood);
	}
	run_until(c, flood_done, &flood);
	assert_true(flood.busy > 0 && flood.good > 0);
	assert_int_equal(flood.busy + flood.good, 300);
	send_file(&p, 0);
	assert_int_equal(blob_verify(c->node[0].f->blobs, p.sha256[0]), 0);
	push_fini(&p);
}

static void on_files(void *ctx, int error, const char *message)
{
	on_data(ctx, error, message, 0);
}

static int send_files(struct push *p, const struct blob_small *files, size_t count)
{
	p->done = false;
	image_intake_files(p->node->intake, files, count, on_files, p);
	assert_false(p->done);
	run_until(p->cluster, push_done, p);
	return p->error;
}

#define SMALL_FILES 3

struct smalls {
	struct blob_small at[SMALL_FILES];
	uint8_t data[SMALL_FILES][500];
	Pxe__ImageFile file[SMALL_FILES], *files[SMALL_FILES];
	char path[SMALL_FILES][16];
};

/* Instead of the image's own files. */
static void smalls_make(struct smalls *s, struct push *p)
{
	for (size_t i = 0; i < SMALL_FILES; i++) {
		memset(s->data[i], (int)i, sizeof s->data[i]);
		s->at[i] = (struct blob_small){.data = s->data[i], .bytes = sizeof s->data[i]};
		fixture_sha(s->data[i], sizeof s->data[i], s->at[i].sha256);
		snprintf(s->path[i], sizeof s->path[i], "f%03zu", i);
		pxe__image_file__init(&s->file[i]);
		s->file[i].path = s->path[i];
		s->file[i].bytes = sizeof s->data[i];
		s->file[i].sha256 = (ProtobufCBinaryData){32, s->at[i].sha256};
		s->files[i] = &s->file[i];
	}
	p->version.files = s->files;
	p->version.n_files = SMALL_FILES;
	p->version.digest.len = 0;
}

static unsigned smalls_here(const struct smalls *s, struct cluster *c)
{
	unsigned here = 0;

	for (size_t i = 0; i < SMALL_FILES; i++) {
		here += blob_verify(c->node[0].f->blobs, s->at[i].sha256) == 0;
	}
	return here;
}

static void test_small_files_are_taken_together(void **state)
{
	struct cluster *c = *state;
	struct smalls s;
	struct push p;

	push_make(&p, c, &c->node[0], "debian12", 1);
	smalls_make(&s, &p);
	assert_int_equal(send_files(&p, s.at, 2), -ENOENT); /* not declared */
	assert_int_equal(begin(&p), 0);
	assert_int_equal(send_files(&p, s.at, 3), 0);
	assert_int_equal(smalls_here(&s, c), 3);
	assert_int_equal(send_files(&p, s.at, 3), 0); /* a repeated request */
	assert_int_equal(begin(&p), 0);
	assert_int_equal(p.missing_count, 0);
	push_fini(&p);
}

/* One file is wrong: the others are taken, it is asked for again. */
static void test_a_wrong_file_among_others_is_not_taken(void **state)
{
	struct cluster *c = *state;
	struct smalls s;
	struct push p;

	push_make(&p, c, &c->node[0], "debian12", 1);
	smalls_make(&s, &p);
	assert_int_equal(begin(&p), 0);
	s.data[1][5] ^= 1;
	assert_int_equal(send_files(&p, s.at, 3), -EBADMSG);
	assert_int_equal(smalls_here(&s, c), 2);
	assert_int_equal(begin(&p), 0);
	assert_int_equal(p.missing_count, 1);
	s.at[1].bytes--;
	assert_int_equal(send_files(&p, s.at + 1, 1), -EINVAL); /* another size */
	s.at[1].bytes++;
	s.data[1][5] ^= 1;
	assert_int_equal(send_files(&p, s.at + 1, 1), 0);
	s.at[0].bytes = INTAKE_FILES_BYTES + 1;
	assert_int_equal(send_files(&p, s.at, 1), -EINVAL);
	push_fini(&p);
}

static void test_an_image_that_would_fill_the_disk_is_refused(void **state)
{
	struct cluster *c = *state;
	struct push p;

	push_make(&p, c, &c->node[0], "debian12", 1);
	p.version.digest.len = 0;
	p.file[1].bytes = UINT64_C(1) << 41;
	assert_int_equal(begin(&p), -ENOSPC);
	assert_non_null(strstr(p.message, "2199023"));
	assert_non_null(strstr(p.message, "room for"));
	assert_int_equal(send_chunk(&p, 0, 0, 1000, false), -ENOENT); /* nothing was declared */
	push_fini(&p);
}

static void damage(struct fixture *f, const uint8_t sha256[32])
{
	char path[256];
	int used = snprintf(path, sizeof path, "%s/blobs/%02x/", f->dir, sha256[0]), fd;

	for (size_t i = 0; i < 32; i++) {
		used += snprintf(path + used, sizeof path - (size_t)used, "%02x", sha256[i]);
	}
	assert_int_equal(chmod(path, 0600), 0);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "XXXX", 4, 1000), 4);
	close(fd);
}

static bool second_is_healed(void *ctx)
{
	const struct cluster *c = ctx;
	struct image_puller_stats stats;

	image_puller_get_stats(c->node[1].puller, &stats);
	return stats.damaged == 1 && stats.fetched == 2 && stats.held == 1;
}

/* One blob is rotten, one is gone: a restart finds both and fetches them again. */
static void test_a_damaged_store_heals(void **state)
{
	struct cluster *c = *state;
	struct push p;

	puller_start(&c->node[0], 0);
	puller_start(&c->node[1], 0);
	push_make(&p, c, &c->node[0], "debian12", 1);
	push_all(&p);
	run_until(c, is_published, &p);
	puller_stop(&c->node[1]);
	damage(c->node[1].f, p.sha256[0]);
	assert_int_equal(blob_remove(c->node[1].f->blobs, p.sha256[1]), 0);
	puller_start(&c->node[1], 0);
	run_until(c, second_is_healed, c);
	expect_served(&p);
	push_fini(&p);
}

struct check {
	unsigned versions, missing, damaged;
	bool done;
};

static void on_verified(void *ctx, const struct image_puller_verified *verified, bool more)
{
	struct check *check = ctx;

	check->versions += verified != NULL;
	check->missing += verified != NULL ? (unsigned)verified->missing_count : 0;
	check->damaged += verified != NULL ? (unsigned)verified->damaged_count : 0;
	if (verified != NULL && verified->damaged_count > 0) {
		assert_string_equal(verified->damaged[0], "boot/vmlinuz");
	}
	check->done = !more;
}

static bool check_done(void *ctx)
{
	return ((struct check *)ctx)->done;
}

static bool both_hold(void *ctx)
{
	const struct push *p = ctx;
	const Pxe__ImageVersion *version =
		model_image_version(p->cluster->model, p->version.image, p->digest);

	return version != NULL && version->n_holders == 2;
}

/* While it has not got them again, the node is no holder. */
static void test_verifying_finds_damage_and_heals(void **state)
{
	struct cluster *c = *state;
	struct check check = {0};
	struct push p, other;

	puller_start(&c->node[0], 0);
	puller_start(&c->node[1], 0);
	assert_int_equal(
		image_puller_verify(c->node[1].puller, "none", on_verified, &check), -ENOENT);
	push_make(&p, c, &c->node[0], "debian12", 1);
	push_make(&other, c, &c->node[0], "other", 2);
	push_all(&p);
	push_all(&other);
	run_until(c, both_hold, &p);
	run_until(c, both_hold, &other);
	damage(c->node[1].f, p.sha256[0]);
	assert_int_equal(blob_remove(c->node[1].f->blobs, p.sha256[1]), 0);
	uint16_t port = http_server_port(c->node[0].http);
	http_server_close(c->node[0].http); /* nobody can give them now */
	c->node[0].http = NULL;
	assert_int_equal(image_puller_verify(c->node[1].puller, NULL, on_verified, &check), 0);
	assert_int_equal(image_puller_verify(c->node[1].puller, NULL, on_verified, &check), -EBUSY);
	run_until(c, check_done, &check);
	assert_int_equal(check.versions, 2);
	assert_int_equal(check.damaged, 1);
	assert_int_equal(check.missing, 1);
	run_until(c, holder_is_one, &p);
	assert_true(both_hold(&other));
	http_start(&c->node[0], port);
	run_until(c, both_hold, &p);
	expect_served(&p);
	push_fini(&p);
	push_fini(&other);
}

static bool second_found_one(void *ctx)
{
	const struct cluster *c = ctx;
	struct image_puller_stats stats;

	image_puller_get_stats(c->node[1].puller, &stats);
	return stats.damaged == 1;
}

static bool second_is_healed_again(void *ctx)
{
	const struct push *p = ctx;

	return blob_exists(p->cluster->node[1].f->blobs, p->sha256[0], NULL) &&
	       blob_verify(p->cluster->node[1].f->blobs, p->sha256[0]) == 0 && both_hold(ctx);
}

/* Nobody waits for the weekly reading. */
static void test_a_blob_that_could_not_be_sent_is_read_and_fetched_anew(void **state)
{
	struct cluster *c = *state;
	struct push p;

	c->node[1].verify_after_ms = 24u * 3600 * 1000;
	puller_start(&c->node[0], 0);
	puller_start(&c->node[1], 0);
	push_make(&p, c, &c->node[0], "debian12", 1);
	push_all(&p);
	run_until(c, both_hold, &p);
	damage(c->node[1].f, p.sha256[0]);
	blob_suspect(c->node[1].f->blobs, p.sha256[0]);
	blob_suspect(c->node[1].f->blobs, p.sha256[1]); /* and this one is sound */
	run_until(c, second_found_one, c);
	run_until(c, second_is_healed_again, &p);
	expect_served(&p);
	push_fini(&p);
}

static bool second_found_rot(void *ctx)
{
	const struct cluster *c = ctx;
	struct image_puller_stats stats;

	image_puller_get_stats(c->node[1].puller, &stats);
	return stats.damaged == 1 && stats.fetched == 3 && stats.held == 1;
}

static void test_rot_is_found_by_reading_again(void **state)
{
	struct cluster *c = *state;
	struct push p;

	c->node[1].verify_after_ms = 20;
	puller_start(&c->node[0], 0);
	puller_start(&c->node[1], 0);
	push_make(&p, c, &c->node[0], "debian12", 1);
	push_all(&p);
	run_until(c, both_hold, &p);
	damage(c->node[1].f, p.sha256[0]);
	run_until(c, second_found_rot, c);
	run_until(c, both_hold, &p);
	expect_served(&p);
	push_fini(&p);
}

static bool first_failed(void *ctx)
{
	struct image_puller_stats stats;

	image_puller_get_stats(((struct cluster *)ctx)->node[1].puller, &stats);
	return stats.failed >= 2;
}

/* The holder is away when we want to fetch: we try again until it is back. */
static void test_an_absent_holder_is_waited_for(void **state)
{
	struct cluster *c = *state;
	uint16_t port = http_server_port(c->node[0].http);
	struct push p;

	push_make(&p, c, &c->node[0], "debian12", 1);
	push_all(&p);
	http_server_close(c->node[0].http);
	c->node[0].http = NULL;
	puller_start(&c->node[1], 0);
	run_until(c, first_failed, c);
	assert_false(is_published(&p));
	http_start(&c->node[0], port);
	run_until(c, is_published, &p);
	push_fini(&p);
}

static bool removed_three(void *ctx)
{
	struct image_puller_stats stats;

	image_puller_get_stats(((struct cluster *)ctx)->node[0].puller, &stats);
	return stats.removed >= 3;
}

static void delete_image(struct cluster *c, const char *name)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Delete remove = PXE__DELETE__INIT;

	remove.kind = PXE__OBJECT_KIND__OBJECT_IMAGE;
	remove.name = fixture_text(name);
	command.op_case = PXE__COMMAND__OP_REMOVE;
	command.remove = &remove;
	assert_int_equal(on_propose(&c->node[0], &command, 0, NULL, NULL), REPLICA_APPLIED);
}

static void load_record(
	struct cluster *c, const uint8_t *key, size_t key_bytes, const ProtobufCMessage *message)
{
	uint8_t value[1024];
	size_t bytes = protobuf_c_message_pack(message, value);

	assert_int_equal(model_load(c->model, key, key_bytes, value, bytes), 0);
	on_put(c, key, key_bytes, value, bytes);
}

/* More than any disk has. */
static void load_huge(struct cluster *c)
{
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;
	Pxe__ImageFile file = PXE__IMAGE_FILE__INIT, *files = &file;
	Pxe__Image image = PXE__IMAGE__INIT;
	uint8_t digest[32] = {7}, sha256[32] = {8}, key[RECORD_KEY_MAX];
	uint64_t holder = 1;

	image.name = version.image = fixture_text("huge");
	image.current_digest.data = version.digest.data = digest;
	image.current_digest.len = version.digest.len = 32;
	file.path = fixture_text("disk.img");
	file.bytes = version.bytes = UINT64_C(1) << 50;
	file.sha256.data = sha256;
	file.sha256.len = 32;
	version.files = &files;
	version.n_files = 1;
	version.published = true;
	version.holders = &holder;
	version.n_holders = 1;
	load_record(c, key, record_key(RECORD_IMAGE, "huge", 4, key), &image.base);
	load_record(c, key, record_key_version("huge", digest, key), &version.base);
}

static bool second_tried_twice(void *ctx)
{
	struct image_puller_stats stats;

	image_puller_get_stats(((struct cluster *)ctx)->node[1].puller, &stats);
	return stats.failed >= 2;
}

static bool second_has_room(void *ctx)
{
	struct image_puller_stats stats;

	image_puller_get_stats(((struct cluster *)ctx)->node[1].puller, &stats);
	return stats.need_bytes == 0;
}

static void test_an_image_without_room_is_told_of_once_and_when_that_is_over(void **state)
{
	struct cluster *c = *state;
	struct image_puller_stats stats;

	load_huge(c);
	puller_start(&c->node[1], 0);
	run_until(c, second_tried_twice, c);
	image_puller_get_stats(c->node[1].puller, &stats);
	assert_true(stats.need_bytes == UINT64_C(1) << 50);
	assert_int_equal(c->node[1].alarms, 1);
	assert_non_null(strstr(c->node[1].alarm, "no room for image huge on n2: "));
	assert_non_null(strstr(c->node[1].alarm, " needed, "));
	assert_non_null(strstr(c->node[1].alarm, "pxectl image gc"));
	delete_image(c, "huge");
	run_until(c, second_has_room, c);
	assert_int_equal(c->node[1].alarms, 2);
	assert_string_equal(
		c->node[1].alarm, "there is no lack of room any more for image huge on n2");
}

/* What no version names goes; what a version or a push names stays. Pins are an hour: the intake of
 * the push must be another node's. */
static void test_what_nobody_names_is_removed(void **state)
{
	struct cluster *c = *state;
	struct push gone, kept, begun;
	uint8_t stray[32];

	puller_start(&c->node[0], 50);
	puller_start(&c->node[1], 0);
	push_make(&gone, c, &c->node[1], "gone", 1);
	push_make(&kept, c, &c->node[1], "kept", 2);
	push_make(&begun, c, &c->node[0], "begun", 3);
	push_all(&gone);
	push_all(&kept);
	run_until(c, is_published, &gone);
	run_until(c, is_published, &kept);
	assert_int_equal(begin(&begun), 0);
	send_file(&begun, 0);
	fixture_blob(c->node[0].f->blobs, "stray", 5, stray);
	delete_image(c, "gone");
	run_until(c, removed_three, c);
	assert_false(blob_exists(c->node[0].f->blobs, stray, NULL));
	assert_false(blob_exists(c->node[0].f->blobs, gone.sha256[0], NULL));
	assert_false(blob_exists(c->node[0].f->blobs, gone.sha256[1], NULL));
	assert_true(blob_exists(c->node[0].f->blobs, begun.sha256[0], NULL));
	for (size_t i = 0; i < 3; i++) {
		assert_true(blob_exists(
			c->node[0].f->blobs, kept.sha256[i], NULL)); /* the empty file is shared */
	}
	push_fini(&gone);
	push_fini(&kept);
	push_fini(&begun);
}

static void test_closing_in_the_middle_answers_all(void **state)
{
	struct cluster *c = *state;
	struct flood flood = {0, 0, 0};
	const struct image_intake_config again = {
		&c->loop, c->node[0].f->blobs, c->node[0].guard, c->node[0].view};
	struct push p;

	push_make(&p, c, &c->node[0], "debian12", 1);
	assert_int_equal(begin(&p), 0);
	for (uint64_t i = 0; i < 300; i++) {
		image_intake_data(c->node[0].intake, p.sha256[0], i * 1000, p.data[0] + i * 1000,
			1000, false, on_flood, &flood);
	}
	image_intake_close(c->node[0].intake);
	run_until(c, flood_done, &flood);
	assert_int_equal(image_intake_open(&again, &c->node[0].intake), 0);
	push_all(&p);
	push_fini(&p);
}

/* The store's opener leaves first; what is under way ends in peace. */
static void test_the_store_outlives_its_opener(void **state)
{
	struct cluster *c = *state;
	struct flood flood = {0, 0, 0};
	struct blob_store *own;
	struct image_intake *intake, *first;
	struct push p;
	char dir[96], error[256];

	snprintf(dir, sizeof dir, "%s/second", c->node[0].f->dir);
	assert_int_equal(blob_store_open(dir, &own, error, sizeof error), 0);
	const struct image_intake_config config = {
		&c->loop, own, c->node[0].guard, c->node[0].view};
	assert_int_equal(image_intake_open(&config, &intake), 0);
	push_make(&p, c, &c->node[0], "debian12", 1);
	first = c->node[0].intake;
	c->node[0].intake = intake;
	assert_int_equal(begin(&p), 0);
	c->node[0].intake = first;
	for (uint64_t i = 0; i < 300; i++) {
		image_intake_data(intake, p.sha256[0], i * 1000, p.data[0] + i * 1000, 1000, false,
			on_flood, &flood);
	}
	image_intake_close(intake);
	blob_store_close(own);
	run_until(c, flood_done, &flood);
	assert_true(flood.good <= 1 && flood.busy > 0); /* the rest is told that we are leaving */
	push_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_push_reaches_both_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_nothing_is_published_before_all_hold_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_quorum_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_push_is_broken_off_and_resumed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_bytes_are_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_chunks_without_waiting_are_all_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_small_files_are_taken_together, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_wrong_file_among_others_is_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_an_image_that_would_fill_the_disk_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_damaged_store_heals, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_blob_that_could_not_be_sent_is_read_and_fetched_anew, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_an_image_without_room_is_told_of_once_and_when_that_is_over, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_verifying_finds_damage_and_heals, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_rot_is_found_by_reading_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_an_absent_holder_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_nobody_names_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_closing_in_the_middle_answers_all, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_the_store_outlives_its_opener, setup, teardown),
	};
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
