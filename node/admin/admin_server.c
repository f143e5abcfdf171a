/* The doors: sockets, who may pass, parsing, dispatch, replies. What a request does is in the files
 * beside. */
#include "node/admin/admin_impl.h"

#include "node/log/log.h"
#include "proto/cred/keyfile.h"
#include "proto/msg/budget.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADMIN_TICK_MS          200
#define ADMIN_REPLY_HWM        2000
#define ADMIN_REQUEST_HWM      8     /* requests of one connection that wait for us */
#define ADMIN_REQUEST_BLOCKS   65536 /* of memory: an image's file list takes three for a file */
#define ADMIN_REQUEST_HEAP     (8u << 20) /* bytes */
#define ADMIN_HANDSHAKE_MS     3000       /* a connection that does not say who it is ends */
#define ADMIN_JOIN_REQUEST_MAX 16384 /* bytes; anybody with a token's public part may send one */

/* ---- replies */

int admin_send(
	struct admin *admin, const struct admin_client *client, const void *data, size_t bytes)
{
	int result = client->door->socket == NULL
			     ? -EHOSTUNREACH
			     : zmq_uv_send(client->door->socket, client->identity,
				       client->identity_bytes, data, bytes);

	if (result == -EAGAIN) {
		admin->stats.replies_dropped++;
	}
	return result;
}

const struct model *admin_model(const struct admin *admin)
{
	return replica_model(admin->config.replica);
}

void admin_members_of(const struct admin *admin, const Pxe__Member **ret_members, size_t *ret_count)
{
	*ret_count = model_members(admin_model(admin), ret_members, MODEL_MEMBERS_MAX);
}

int admin_reply(struct admin *admin, const struct admin_client *client, Pxe__AdminReply *reply)
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	uint8_t *data;
	size_t bytes;
	int result;

	reply->sequence = client->sequence;
	if (!reply->more && reply->body_case != PXE__ADMIN_REPLY__BODY_PROGRESS) {
		admin_members_of(admin, members, &reply->n_members);
		reply->members = (Pxe__Member **)(uintptr_t)members; /* only read while packing */
		reply->members_revision = model_revision(admin_model(admin));
	}
	bytes = pxe__admin_reply__get_packed_size(reply);
	data = malloc(bytes + 1);
	if (data == NULL) {
		admin->stats.replies_dropped++;
		return -ENOMEM;
	}
	pxe__admin_reply__pack(reply, data);
	result = admin_send(admin, client, data, bytes);
	free(data);
	reply->n_members = 0;
	reply->members = NULL;
	return result;
}

void admin_reply_text(struct admin *admin, const struct admin_client *client,
	Pxe__AdminStatus status, const char *format, ...)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	char text[ADMIN_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	reply.status = status;
	reply.message = text;
	admin_reply(admin, client, &reply);
}

/* ---- what waits */

struct admin_pending *admin_pending_new(
	struct admin *admin, const struct admin_client *client, enum admin_pending_kind kind)
{
	struct admin_pending *pending =
		admin->pending_count >= ADMIN_PENDING_MAX ? NULL : calloc(1, sizeof *pending);

	if (pending == NULL) {
		if (client->door->kind != ADMIN_DOOR_JOIN) {
			admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
				"this node has %zu requests open already; run it again in a moment",
				admin->pending_count);
		}
		return NULL;
	}
	pending->admin = admin;
	pending->client = *client;
	pending->kind = kind;
	pending->next = admin->pending;
	pending->link = &admin->pending;
	if (pending->next != NULL) {
		pending->next->link = &pending->next;
	}
	admin->pending = pending;
	admin->pending_count++;
	return pending;
}

void admin_pending_free(struct admin_pending *pending)
{
	if (pending->admin != NULL) {
		*pending->link = pending->next;
		if (pending->next != NULL) {
			pending->next->link = pending->link;
		}
		pending->admin->pending_count--;
	}
	free(pending);
}

/* ---- requests */

/* Whose key it is, now: "operator:alice", "node:pxe2". False: nobody's (any more). */
static bool name_key(
	const struct admin *admin, const uint8_t key[32], char ret_user[ADMIN_USER_BYTES])
{
	const Pxe__Operator *operator_key = model_operator_of_key(admin_model(admin), key);
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count;

	if (operator_key != NULL) {
		snprintf(ret_user, ADMIN_USER_BYTES, "operator:%.63s", operator_key->name);
		return true;
	}
	admin_members_of(admin, members, &count);
	for (size_t i = 0; i < count; i++) {
		if (!members[i]->removing && members[i]->public_key.len == 32 &&
			memcmp(members[i]->public_key.data, key, 32) == 0) {
			snprintf(ret_user, ADMIN_USER_BYTES, "node:%.63s", members[i]->name);
			return true;
		}
	}
	return false;
}

bool admin_may_ask(const struct admin *admin, struct admin_client *client)
{
	uint8_t key[32];

	if (client->door->kind == ADMIN_DOOR_IPC) {
		snprintf(client->user, sizeof client->user, "local");
		return true;
	}
	/* "" if no ZAP handler was asked: that is no key. */
	return keyfile_z85_decode(client->key, key) == 0 && name_key(admin, key, client->user);
}

static void dispatch(
	struct admin *admin, const struct admin_client *client, const Pxe__AdminRequest *request)
{
	switch (request->body_case) {
	case PXE__ADMIN_REQUEST__BODY_STATUS: admin_on_status(admin, client); return;
	case PXE__ADMIN_REQUEST__BODY_LIST: admin_on_list(admin, client, request->list); return;
	case PXE__ADMIN_REQUEST__BODY_CHANGE: admin_on_change(admin, client, request); return;
	case PXE__ADMIN_REQUEST__BODY_TOKEN_CREATE:
		admin_on_token_create(admin, client, request);
		return;
	case PXE__ADMIN_REQUEST__BODY_WATCH: admin_on_watch(admin, client, request->watch); return;
	case PXE__ADMIN_REQUEST__BODY_BOOT_EXPLAIN:
		admin_on_boot_explain(admin, client, request->boot_explain);
		return;
	case PXE__ADMIN_REQUEST__BODY_PUSH_BEGIN:
		admin_on_push_begin(admin, client, request->push_begin);
		return;
	case PXE__ADMIN_REQUEST__BODY_PUSH_DATA:
		admin_on_push_data(admin, client, request->push_data);
		return;
	case PXE__ADMIN_REQUEST__BODY_PUSH_FILES:
		admin_on_push_files(admin, client, request->push_files);
		return;
	case PXE__ADMIN_REQUEST__BODY_IMAGE_VERIFY:
		admin_on_image_verify(admin, client, request->image_verify);
		return;
	case PXE__ADMIN_REQUEST__BODY_PUSH_COMMIT:
		admin_on_push_commit(admin, client, request);
		return;
	case PXE__ADMIN_REQUEST__BODY_INFO: admin_on_info(admin, client); return;
	case PXE__ADMIN_REQUEST__BODY_STEP_DOWN: admin_on_step_down(admin, client); return;
	case PXE__ADMIN_REQUEST__BODY_BACKUP: admin_on_backup(admin, client); return;
	case PXE__ADMIN_REQUEST__BODY_BOOT_HISTORY:
		admin_on_boot_history(admin, client, request->boot_history);
		return;
	case PXE__ADMIN_REQUEST__BODY_BOOT_LOG:
		admin_on_boot_log(admin, client, request->boot_log);
		return;
	case PXE__ADMIN_REQUEST__BODY_CHANGES:
		admin_on_changes(admin, client, request->changes);
		return;
	case PXE__ADMIN_REQUEST__BODY__NOT_SET:
	case _PXE__ADMIN_REQUEST__BODY__CASE_IS_INT_SIZE: break;
	}
	admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID,
		"this node (version %s) does not know that request; is pxectl newer than the node?",
		PXE_VERSION);
}

static void on_request(
	struct admin *admin, struct admin_client *client, const uint8_t *data, size_t bytes)
{
	struct msg_budget budget;
	Pxe__AdminRequest *request;

	msg_budget_init(&budget, ADMIN_REQUEST_BLOCKS, ADMIN_REQUEST_HEAP);
	request = pxe__admin_request__unpack(&budget.allocator, bytes, data);
	if (request == NULL) {
		admin->stats.malformed++;
		return;
	}
	client->sequence = request->sequence;
	if (request->request_id.len != 0 && request->request_id.len != 16) {
		admin->stats.malformed++;
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID,
			"malformed request: its id has %zu bytes, not 16", request->request_id.len);
	} else if (!admin_may_ask(admin, client)) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED, "%s",
			ADMIN_KEY_UNKNOWN);
	} else {
		dispatch(admin, client, request);
	}
	pxe__admin_request__free_unpacked(request, NULL);
}

/* Frames: identity, body. */
static void on_message(void *ctx, const zmq_msg_t *frames, size_t frame_count, const char *user_id)
{
	struct admin_door *door = ctx;
	struct admin *admin = door->admin;
	struct admin_client client = {.door = door};
	zmq_msg_t *frame = (zmq_msg_t *)(uintptr_t)frames; /* libzmq's accessors are not const */
	const uint8_t *data;
	size_t bytes;

	if (frame_count != 2 || zmq_msg_size(&frame[0]) > sizeof client.identity ||
		zmq_msg_size(&frame[1]) > ADMIN_REQUEST_MAX) {
		admin->stats.malformed++;
		return;
	}
	admin->stats.requests++;
	client.identity_bytes = zmq_msg_size(&frame[0]);
	memcpy(client.identity, zmq_msg_data(&frame[0]), client.identity_bytes);
	snprintf(client.key, sizeof client.key, "%s", user_id);
	data = zmq_msg_data(&frame[1]);
	bytes = zmq_msg_size(&frame[1]);
	if (door->kind == ADMIN_DOOR_JOIN) {
		admin_on_join(admin, &client, data, bytes);
	} else {
		on_request(admin, &client, data, bytes);
	}
}

/* ---- who may connect */

/* The User-Id is the key: names change hands when a node is removed and another joins under its
 * name. */
static bool allow_api(void *ctx, const uint8_t key[32], char ret_user_id[64])
{
	char text[KEYFILE_Z85_BYTES], user[ADMIN_USER_BYTES];

	snprintf(ret_user_id, 64, "%s", keyfile_z85_encode(key, text));
	return name_key(ctx, key, user);
}

/* Any key: the token decides. The key is kept, so that nobody joins with the key of somebody else.
 */
static bool allow_join(void *ctx, const uint8_t key[32], char ret_user_id[64])
{
	char text[KEYFILE_Z85_BYTES];

	(void)ctx;
	snprintf(ret_user_id, 64, "%s", keyfile_z85_encode(key, text));
	return true;
}

/* ---- open and close */

static void set_int(void *socket, int option, int value)
{
	int result = zmq_setsockopt(socket, option, &value, sizeof value);

	assert(result == 0);
	(void)result;
}

static int set_curve(void *socket, const struct admin *admin, const char *domain)
{
	set_int(socket, ZMQ_CURVE_SERVER, 1);
	if (zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) != 0 ||
		zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, admin->config.api_public_key, 32) !=
			0 ||
		zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, admin->config.api_secret_key, 32) !=
			0) {
		return -errno;
	}
	return 0;
}

/* Not on the thread of the other nodes' traffic, if the context has another. */
static void set_thread(void *socket, void *zmq_context)
{
	const uint64_t second_thread = 2;

	if (zmq_ctx_get(zmq_context, ZMQ_IO_THREADS) > 1) {
		(void)zmq_setsockopt(socket, ZMQ_AFFINITY, &second_thread, sizeof second_thread);
	}
}

static int open_door(struct admin *admin, enum admin_door_kind kind, const char *endpoint,
	char *ret_error, size_t error_bytes)
{
	struct admin_door *door = &admin->doors[kind];
	void *socket = zmq_socket(admin->config.zmq_context, ZMQ_ROUTER);
	int result = socket == NULL ? -errno : 0;

	door->admin = admin;
	door->kind = kind;
	if (result == 0) {
		set_int(socket, ZMQ_LINGER, 200);
		set_thread(socket, admin->config.zmq_context);
		set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
		set_int(socket, ZMQ_ROUTER_HANDOVER, 1);
		set_int(socket, ZMQ_SNDHWM, ADMIN_REPLY_HWM);
		set_int(socket, ZMQ_RCVHWM, ADMIN_REQUEST_HWM);
		set_int(socket, ZMQ_HANDSHAKE_IVL, ADMIN_HANDSHAKE_MS);
		int64_t largest =
			kind == ADMIN_DOOR_JOIN ? ADMIN_JOIN_REQUEST_MAX : ADMIN_REQUEST_MAX;
		zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
		if (kind != ADMIN_DOOR_IPC) {
			result = set_curve(socket, admin, kind == ADMIN_DOOR_API ? "api" : "join");
		}
	}
	if (result == 0 && zmq_bind(socket, endpoint) != 0) {
		result = -errno;
	}
	if (result == 0) {
		result = zmq_uv_open(admin->config.loop, socket, on_message, door, &door->socket);
	}
	if (result != 0) {
		if (socket != NULL) {
			zmq_close(socket);
		}
		snprintf(ret_error, error_bytes, "cannot listen on %s: %s%s", endpoint,
			zmq_strerror(-result),
			result == -EADDRINUSE ? " (is another pxed running?)" : "");
	}
	return result;
}

static int open_ipc(struct admin *admin, const char *path, char *ret_error, size_t error_bytes)
{
	char endpoint[128];
	int result;

	if (strlen(path) >= sizeof admin->socket_path) {
		snprintf(ret_error, error_bytes, "%s: a socket's path has at most %zu bytes", path,
			sizeof admin->socket_path - 1);
		return -ENAMETOOLONG;
	}
	snprintf(admin->socket_path, sizeof admin->socket_path, "%s", path);
	unlink(path); /* of a daemon that was killed; a running one holds the data directory's lock
		       */
	snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
	result = open_door(admin, ADMIN_DOOR_IPC, endpoint, ret_error, error_bytes);
	if (result == 0 && chmod(path, 0660) != 0) {
		result = -errno;
		snprintf(ret_error, error_bytes, "cannot set the mode of %s: %s", path,
			strerror(errno));
	}
	return result;
}

static int open_tcp(struct admin *admin, enum admin_door_kind kind, const char *address,
	char *ret_error, size_t error_bytes)
{
	char endpoint[96];

	snprintf(endpoint, sizeof endpoint, "tcp://%s", address);
	return open_door(admin, kind, endpoint, ret_error, error_bytes);
}

static void on_tick(uv_timer_t *timer)
{
	struct admin *admin = timer->data;
	uint64_t now_ms = uv_now(admin->config.loop);

	admin_push_tick(admin, now_ms);
	admin_watch_tick(admin, now_ms);
}

static bool given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int open_doors(
	struct admin *admin, const struct admin_config *config, char *ret_error, size_t error_bytes)
{
	int result = 0;

	if (given(config->socket_path)) {
		result = open_ipc(admin, config->socket_path, ret_error, error_bytes);
	}
	if (result == 0 && given(config->api_address)) {
		result = zap_set_domain(config->zap, "api", allow_api, admin);
	}
	if (result == 0 && given(config->api_address)) {
		result = open_tcp(
			admin, ADMIN_DOOR_API, config->api_address, ret_error, error_bytes);
	}
	if (result == 0 && given(config->join_address)) {
		result = zap_set_domain(config->zap, "join", allow_join, admin);
	}
	if (result == 0 && given(config->join_address)) {
		result = open_tcp(
			admin, ADMIN_DOOR_JOIN, config->join_address, ret_error, error_bytes);
	}
	return result;
}

int admin_open(const struct admin_config *config, struct admin **ret_admin, char *ret_error,
	size_t error_bytes)
{
	struct admin *admin;
	int result;

	assert(config != NULL && config->loop != NULL && config->replica != NULL &&
		config->events != NULL);
	assert(ret_admin != NULL && ret_error != NULL && error_bytes > 0);
	ret_error[0] = '\0';
	admin = calloc(1, sizeof *admin);
	if (admin == NULL) {
		return -ENOMEM;
	}
	admin->config = *config;
	uv_timer_init(config->loop, &admin->timer);
	admin->timer.data = admin;
	result = open_doors(admin, config, ret_error, error_bytes);
	if (result == 0) {
		admin->watch_handle = events_watch(config->events, admin_watch_event, admin);
		uv_timer_start(&admin->timer, on_tick, ADMIN_TICK_MS, ADMIN_TICK_MS);
		*ret_admin = admin;
		return 0;
	}
	if (ret_error[0] == '\0') {
		snprintf(ret_error, error_bytes, "cannot open the admin sockets: %s",
			strerror(-result));
	}
	admin_close(admin);
	return result;
}

void admin_get_stats(const struct admin *admin, struct admin_stats *ret_stats)
{
	assert(admin != NULL && ret_stats != NULL);
	*ret_stats = admin->stats;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void admin_close(struct admin *admin)
{
	struct admin_pending *pending, *next;

	if (admin == NULL) {
		return;
	}
	events_unwatch(admin->config.events, admin->watch_handle);
	for (size_t i = 0; i < ADMIN_DOORS; i++) {
		if (admin->doors[i].socket != NULL) {
			zmq_uv_close(admin->doors[i].socket);
			admin->doors[i].socket = NULL;
		}
	}
	if (admin->config.zap != NULL) {
		zap_set_domain(admin->config.zap, "api", NULL, NULL);
		zap_set_domain(admin->config.zap, "join", NULL, NULL);
	}
	if (admin->socket_path[0] != '\0') {
		unlink(admin->socket_path);
	}
	for (pending = admin->pending; pending != NULL; pending = next) {
		next = pending->next;
		if (pending->kind == ADMIN_PENDING_COMMIT) {
			admin_pending_free(pending); /* nobody calls it back */
		} else {
			pending->admin = NULL;
		}
	}
	uv_close((uv_handle_t *)&admin->timer, on_timer_closed);
}
