#include "ctl/client.h"

#include "ctl/endpoints.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define CLIENT_STAGGER_MS 150u
#define CLIENT_IDLE_MS    2000u
#define CLIENT_TOTAL_MS   10000u
#define CLIENT_ELECTION_MS                                                                         \
	1500u /* how long "no quorum" is asked again: a leader may just be chosen */
#define CLIENT_TEXT_BYTES 1600

struct client {
	void *zmq;
	struct endpoints endpoints;
	struct link links[ENDPOINTS_MAX]; /* parallel to endpoints.list */
	bool dialled[ENDPOINTS_MAX];
	int current; /* the link that answered last; -1 none */
	uint64_t sequence, members_revision;
	bool members_known;
	char text[CLIENT_TEXT_BYTES]; /* why the last request failed */
};

int client_open(struct ctl *ctl, struct client **ret_client)
{
	struct client *client = calloc(1, sizeof *client);
	int result;

	if (client == NULL || sodium_init() < 0) {
		free(client);
		return ctl_fail(
			ctl, CTL_REFUSED, "no memory, or no random numbers, on this machine");
	}
	client->current = -1;
	result = endpoints_find(ctl, &client->endpoints);
	if (result != CTL_OK) {
		free(client);
		return result;
	}
	client->zmq = zmq_ctx_new();
	*ret_client = client;
	return CTL_OK;
}

void client_close(struct client *client)
{
	if (client == NULL) {
		return;
	}
	for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
		if (client->dialled[i]) {
			link_close(&client->links[i]);
		}
	}
	zmq_ctx_term(client->zmq);
	sodium_memzero(&client->endpoints.keys, sizeof client->endpoints.keys);
	free(client);
}

/* ---- one request on its way */

struct request {
	struct ctl *ctl;
	struct client *client;
	const struct client_call *call;
	uint8_t *data;
	size_t bytes;
	uint64_t sequence;
	uint64_t start_ms, heard_ms, dialled_ms, election_ms;
	bool sent[ENDPOINTS_MAX], no_quorum[ENDPOINTS_MAX];
	int asked; /* the link asked last, -1 none */
	int bound; /* the link whose parts are being taken, -1 none */
	bool any_sent, change, answered;
	bool unanswered; /* some node that got it may still act on it */
	int exit_code;
	char quorum_text[CLIENT_TEXT_BYTES];
};

/* --node pins; without keys only the unix socket can be dialled. */
static bool may_dial(const struct request *request, size_t i)
{
	const struct endpoint *endpoint = &request->client->endpoints.list[i];

	if (!endpoint->local && !request->client->endpoints.have_keys) {
		return false;
	}
	return request->ctl->node == NULL || strcmp(request->ctl->node, endpoint->name) == 0;
}

static bool dial_one(struct request *request, size_t i)
{
	struct client *client = request->client;
	const struct endpoint *endpoint = &client->endpoints.list[i];

	client->dialled[i] = true;
	request->dialled_ms = ctl_now_ms();
	if (link_open(&client->links[i], client->zmq, endpoint->url, endpoint->name,
		    endpoint->local ? NULL : &client->endpoints.keys) != 0) {
		client->links[i].state = LINK_DEAD;
		client->links[i].cause = LINK_NOBODY;
		return false;
	}
	return true;
}

/* Dial the next candidate that was not dialled yet. */
static bool dial_next(struct request *request)
{
	for (size_t i = 0; i < request->client->endpoints.count; i++) {
		if (!request->client->dialled[i] && may_dial(request, i)) {
			dial_one(request, i);
			return true;
		}
	}
	return false;
}

static bool is_usable(const struct request *request, size_t i)
{
	return request->client->dialled[i] && may_dial(request, i) &&
	       request->client->links[i].state == LINK_UP;
}

/* The link to ask: the one that answered last, else the first that is up and was not asked yet. -1:
 * none. */
static int choose(const struct request *request)
{
	int current = request->client->current;

	if (current >= 0 && is_usable(request, (size_t)current) && !request->sent[current]) {
		return current;
	}
	for (size_t i = 0; i < request->client->endpoints.count; i++) {
		if (is_usable(request, i) && !request->sent[i]) {
			return (int)i;
		}
	}
	return -1;
}

static bool is_trying(const struct request *request)
{
	for (size_t i = 0; i < request->client->endpoints.count; i++) {
		const struct link *link = &request->client->links[i];
		if (request->client->dialled[i] && may_dial(request, i) &&
			link->state == LINK_TRYING && link->cause == LINK_NO_CAUSE) {
			return true;
		}
	}
	return false;
}

static void ask(struct request *request, int i)
{
	if (link_send(&request->client->links[i], request->data, request->bytes) == 0) {
		request->sent[i] = true;
		request->any_sent = true;
		request->asked = i;
		request->heard_ms = ctl_now_ms();
	} else {
		request->client->links[i].state = LINK_DEAD;
	}
}

static void say(struct client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct client *client, const char *format, ...)
{
	size_t used = strlen(client->text);
	va_list args;

	va_start(args, format);
	vsnprintf(client->text + used, sizeof client->text - used, format, args);
	va_end(args);
}

/* Nobody could be asked: one line for each that was tried. */
static int fail_unreachable(struct request *request)
{
	struct client *client = request->client;
	unsigned tried = 0, key_refused = 0;

	client->text[0] = '\0';
	if (request->ctl->node != NULL) {
		say(client, "node %s does not answer", request->ctl->node);
	} else {
		say(client, "no node answers");
	}
	for (size_t i = 0; i < client->endpoints.count; i++) {
		const struct endpoint *endpoint = &client->endpoints.list[i];
		const char *address = strstr(endpoint->url, "://") + 3;
		if (!client->dialled[i] || !may_dial(request, i)) {
			continue;
		}
		tried++;
		key_refused += client->links[i].cause == LINK_KEY_REFUSED;
		say(client, "\n  %s%s%s: %s", endpoint->name,
			endpoint->name[0] != '\0' ? " at " : "", address,
			endpoint->local && access(address, F_OK) != 0
				? "no such socket: pxed is not running"
			: endpoint->local && access(address, W_OK) != 0
				? "this user may not open it: use sudo"
			: client->links[i].state == LINK_UP
				? "connected, but does not answer"
				: link_cause_text(client->links[i].cause));
	}
	if (tried == 0 && request->ctl->node != NULL && client->endpoints.have_keys) {
		say(client, ": there is no member of that name");
	} else if (!client->endpoints.have_keys && client->endpoints.no_keys_why[0] != '\0') {
		say(client, "\n  other nodes were not asked: %s", client->endpoints.no_keys_why);
	}
	return tried > 0 && key_refused == tried ? CTL_NOT_ALLOWED : CTL_UNREACHABLE;
}

static int fail_unanswered(struct request *request)
{
	if (request->election_ms != 0 && !(request->change && request->unanswered)) {
		snprintf(request->client->text, sizeof request->client->text, "%s",
			request->quorum_text);
		return CTL_NO_QUORUM;
	}
	if (!request->any_sent || !request->change) {
		return fail_unreachable(request);
	}
	uint64_t waited_s = (ctl_now_ms() - request->start_ms) / 1000;
	char what[64] = "the node went away before it answered";
	if (waited_s > 0) {
		snprintf(what, sizeof what, "no answer in %llu s", (unsigned long long)waited_s);
	}
	request->client->text[0] = '\0';
	say(request->client,
		"%s: whether the change was made is not known.\n"
		"  Run it again, it is safe: a change that was made is not made twice",
		what);
	return CTL_UNKNOWN;
}

/* ---- replies */

static void learn(struct request *request, const Pxe__AdminReply *reply)
{
	struct client *client = request->client;

	if (reply->n_members == 0 ||
		(client->members_known && client->members_revision == reply->members_revision)) {
		return;
	}
	client->members_known = true;
	client->members_revision = reply->members_revision;
	endpoints_learn(&client->endpoints, reply->members, reply->n_members);
	endpoints_keep(&client->endpoints, reply->members, reply->n_members);
}

/* A node without the quorum may be cut off alone, or a leader is just being chosen: ask the others,
 * then all again, for a while. */
static bool ask_elsewhere(struct request *request, int i, const char *text)
{
	uint64_t now = ctl_now_ms();

	snprintf(request->quorum_text, sizeof request->quorum_text, "%s", text);
	request->no_quorum[i] = true;
	if (request->election_ms == 0) {
		request->election_ms = now;
	}
	return !request->call->sticky && now - request->election_ms < CLIENT_ELECTION_MS;
}

/* All that could be asked said "no quorum": ask them once more. */
static void ask_again(struct request *request)
{
	usleep(100 * 1000);
	memset(request->sent, 0, sizeof request->sent);
	memset(request->no_quorum, 0, sizeof request->no_quorum);
	request->asked = -1;
}

/* True: the request is finished. */
static bool on_reply(struct request *request, int i, const Pxe__AdminReply *reply)
{
	struct client *client = request->client;

	if (request->bound >= 0 && request->bound != i) {
		return false; /* parts of another node's answer do not fit */
	}
	client->current = i;
	request->heard_ms = ctl_now_ms();
	request->answered = true;
	learn(request, reply);
	if (reply->status == PXE__ADMIN_STATUS__ADMIN_NO_QUORUM &&
		ask_elsewhere(request, i, reply->message)) {
		return false;
	}
	request->bound = reply->more ? i : -1;
	if (reply->status != PXE__ADMIN_STATUS__ADMIN_OK) {
		snprintf(client->text, sizeof client->text, "%s",
			reply->message[0] != '\0' ? reply->message
						  : "the node refuses, and does not say why");
		request->exit_code = (int)ctl_exit_of(reply->status);
		if (request->call->on_refused != NULL) {
			request->call->on_refused(request->call->ctx, reply);
		}
		return true;
	}
	if (!request->call->on_reply(request->call->ctx, reply) || !reply->more) {
		request->exit_code = CTL_OK;
		return true;
	}
	return false;
}

static bool read_replies(struct request *request)
{
	struct client *client = request->client;

	for (size_t i = 0; i < client->endpoints.count; i++) {
		size_t bytes;
		uint8_t *data;
		while (client->dialled[i] &&
			(data = link_receive(&client->links[i], &bytes)) != NULL) {
			Pxe__AdminReply *reply = pxe__admin_reply__unpack(NULL, bytes, data);
			bool done = reply != NULL && reply->sequence == request->sequence &&
				    on_reply(request, (int)i, reply);
			free(data);
			if (reply != NULL) {
				pxe__admin_reply__free_unpacked(reply, NULL);
			}
			if (done) {
				return true;
			}
		}
	}
	return false;
}

static unsigned total_ms(const struct request *request)
{
	if (request->call->total_ms != 0) {
		return request->call->total_ms;
	}
	return request->ctl->timeout_ms != 0 ? request->ctl->timeout_ms : CLIENT_TOTAL_MS;
}

static bool lost_connection(const struct request *request)
{
	return request->asked >= 0 && request->client->links[request->asked].state != LINK_UP;
}

/* Decide whom to ask or dial next. False: nobody is left. */
static bool go_on(struct request *request)
{
	uint64_t now = ctl_now_ms();
	unsigned idle_ms = request->call->idle_ms != 0 ? request->call->idle_ms : CLIENT_IDLE_MS;
	bool waiting = request->asked >= 0 && !lost_connection(request) &&
		       !request->no_quorum[request->asked] && now - request->heard_ms < idle_ms;
	int next;

	if (waiting) {
		return true;
	}
	if (request->asked >= 0 && !request->no_quorum[request->asked]) {
		request->unanswered = true;
	}
	if (request->bound >= 0 && request->bound == request->asked) {
		request->bound = -1;
		if (request->call->on_restart != NULL) {
			request->call->on_restart(request->call->ctx);
		}
	}
	if (request->call->sticky && request->asked >= 0) {
		return false;
	}
	next = choose(request);
	if (next >= 0) {
		ask(request, next);
		return true;
	}
	if ((!is_trying(request) || now - request->dialled_ms >= CLIENT_STAGGER_MS) &&
		dial_next(request)) {
		return true;
	}
	if (request->election_ms != 0 && request->asked >= 0 &&
		request->no_quorum[request->asked]) {
		ask_again(request);
		return true;
	}
	/* All were dialled. Those that were asked may still answer; those that try may still come
	 * up. */
	return is_trying(request) || (request->any_sent && !lost_connection(request));
}

static void run(struct request *request)
{
	request->exit_code = -1;
	while (request->exit_code < 0) {
		uint64_t now = ctl_now_ms();
		if (total_ms(request) != UINT_MAX && now - request->start_ms >= total_ms(request)) {
			request->exit_code = request->call->ends_in_time && request->answered
						     ? CTL_OK
						     : fail_unanswered(request);
			return;
		}
		if (request->election_ms != 0 &&
			now - request->election_ms >= 2 * CLIENT_ELECTION_MS) {
			request->exit_code = fail_unanswered(request);
			return;
		}
		if (!go_on(request)) {
			/* A daemon that is being restarted is back in a moment. */
			if (request->any_sent && !request->call->sticky &&
				now - request->heard_ms < CLIENT_IDLE_MS) {
				memset(request->sent, 0, sizeof request->sent);
			} else {
				request->exit_code = fail_unanswered(request);
				return;
			}
		}
		link_wait(request->client->links, request->client->endpoints.count, 50);
		read_replies(request);
	}
}

/* A pinned node whose address we do not know: any node can tell. */
static int find_pinned(struct ctl *ctl)
{
	Pxe__AdminRequest info = PXE__ADMIN_REQUEST__INIT;
	Pxe__InfoQuery query = PXE__INFO_QUERY__INIT;
	const char *wanted = ctl->node;
	Pxe__AdminReply *reply;
	char text[CLIENT_TEXT_BYTES];

	for (size_t i = 0; i < ctl->client->endpoints.count; i++) {
		if (strcmp(ctl->client->endpoints.list[i].name, wanted) == 0) {
			return CTL_OK;
		}
	}
	ctl->node = NULL;
	info.body_case = PXE__ADMIN_REQUEST__BODY_INFO;
	info.info = &query;
	if (client_try(ctl, &info, &reply, text, sizeof text) == CTL_OK) {
		pxe__admin_reply__free_unpacked(reply, NULL);
	}
	ctl->node = wanted;
	for (size_t i = 0; i < ctl->client->endpoints.count; i++) {
		if (strcmp(ctl->client->endpoints.list[i].name, wanted) == 0) {
			return CTL_OK;
		}
	}
	snprintf(ctl->client->text, sizeof ctl->client->text,
		"there is no node '%s', or no node that could tell where it is; see: pxectl node "
		"list",
		wanted);
	return CTL_NOT_FOUND;
}

static bool is_change(const Pxe__AdminRequest *request)
{
	return request->body_case == PXE__ADMIN_REQUEST__BODY_CHANGE ||
	       request->body_case == PXE__ADMIN_REQUEST__BODY_TOKEN_CREATE ||
	       request->body_case == PXE__ADMIN_REQUEST__BODY_PUSH_COMMIT;
}

/* As client_ask(), silent. */
static int ask_silently(struct ctl *ctl, Pxe__AdminRequest *message, const struct client_call *call)
{
	uint8_t request_id[16];
	struct request request;
	int result = ctl->client != NULL ? CTL_OK : client_open(ctl, &ctl->client);

	if (result != CTL_OK) {
		return result;
	}
	if (ctl->node != NULL && (result = find_pinned(ctl)) != CTL_OK) {
		return result;
	}
	memset(&request, 0, sizeof request);
	request.ctl = ctl;
	request.client = ctl->client;
	request.call = call;
	request.asked = request.bound = -1;
	request.change = is_change(message);
	request.sequence = message->sequence = ++ctl->client->sequence;
	if (message->request_id.len == 0) {
		randombytes_buf(request_id, sizeof request_id);
		message->request_id = (ProtobufCBinaryData){sizeof request_id, request_id};
	}
	request.bytes = pxe__admin_request__get_packed_size(message);
	request.data = malloc(request.bytes + 1);
	assert(request.data != NULL);
	pxe__admin_request__pack(message, request.data);
	if (message->request_id.data == request_id) {
		message->request_id = (ProtobufCBinaryData){0, NULL};
	}
	request.start_ms = request.heard_ms = ctl_now_ms();
	run(&request);
	free(request.data);
	return request.exit_code;
}

static int tell(struct ctl *ctl, int result)
{
	if (result != CTL_OK && ctl->client != NULL) {
		return ctl_fail(ctl, (enum ctl_exit)result, "%s", ctl->client->text);
	}
	return result;
}

int client_ask(struct ctl *ctl, Pxe__AdminRequest *request, const struct client_call *call)
{
	return tell(ctl, ask_silently(ctl, request, call));
}

int client_try_ask(struct ctl *ctl, Pxe__AdminRequest *request, const struct client_call *call,
	char *ret_text, size_t text_bytes)
{
	int result = ask_silently(ctl, request, call);

	snprintf(ret_text, text_bytes, "%s",
		result != CTL_OK && ctl->client != NULL ? ctl->client->text : "");
	return result;
}

/* Keep a copy of the last reply. */
static bool keep_reply(void *ctx, const Pxe__AdminReply *reply)
{
	Pxe__AdminReply **kept = ctx;
	size_t bytes = pxe__admin_reply__get_packed_size(reply);
	uint8_t *data = malloc(bytes + 1);

	assert(data != NULL);
	pxe__admin_reply__pack(reply, data);
	if (*kept != NULL) {
		pxe__admin_reply__free_unpacked(*kept, NULL);
	}
	*kept = pxe__admin_reply__unpack(NULL, bytes, data);
	free(data);
	return true;
}

static int get_silently(struct ctl *ctl, Pxe__AdminRequest *request, Pxe__AdminReply **ret_reply)
{
	Pxe__AdminReply *kept = NULL;
	struct client_call call = {.on_reply = keep_reply, .ctx = &kept};
	int result = ask_silently(ctl, request, &call);

	if (result != CTL_OK && kept != NULL) {
		pxe__admin_reply__free_unpacked(kept, NULL);
		kept = NULL;
	}
	*ret_reply = kept;
	return result;
}

int client_get(struct ctl *ctl, Pxe__AdminRequest *request, Pxe__AdminReply **ret_reply)
{
	return tell(ctl, get_silently(ctl, request, ret_reply));
}

int client_try(struct ctl *ctl, Pxe__AdminRequest *request, Pxe__AdminReply **ret_reply,
	char *ret_text, size_t text_bytes)
{
	int result = get_silently(ctl, request, ret_reply);

	snprintf(ret_text, text_bytes, "%s",
		result == CTL_OK || ctl->client == NULL ? "" : ctl->client->text);
	return result;
}

/* ---- lists: parts are joined on the wire's level, where concatenation is merging */

struct gathered {
	uint8_t *data;
	size_t bytes;
};

static bool gather(void *ctx, const Pxe__AdminReply *reply)
{
	struct gathered *all = ctx;
	size_t bytes;
	uint8_t *data;

	if (reply->body_case != PXE__ADMIN_REPLY__BODY_OBJECTS) {
		return true;
	}
	bytes = pxe__object_list__get_packed_size(reply->objects);
	data = realloc(all->data, all->bytes + bytes + 1);
	assert(data != NULL);
	all->data = data;
	pxe__object_list__pack(reply->objects, all->data + all->bytes);
	all->bytes += bytes;
	return true;
}

static void gather_anew(void *ctx)
{
	((struct gathered *)ctx)->bytes = 0;
}

static void warn_stale(struct ctl *ctl, const Pxe__ObjectList *list)
{
	time_t seconds = (time_t)(list->as_of_ms / 1000);
	struct tm tm;
	char when[32] = "";

	if (list->stale && !ctl->told_stale && localtime_r(&seconds, &tm) != NULL) {
		ctl->told_stale = true;
		strftime(when, sizeof when, "%H:%M:%S", &tm);
		fprintf(ctl->err, "no quorum: %s's copy of %s\n",
			client_answered(ctl)[0] != '\0' ? client_answered(ctl) : "the node", when);
	}
}

uint64_t client_list_now_ms(const Pxe__ObjectList *list)
{
	return list->now_ms != 0 ? list->now_ms : list->as_of_ms;
}

int client_list(struct ctl *ctl, Pxe__ObjectKind kind, const char *name, Pxe__ObjectList **ret_list)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__ListQuery query = PXE__LIST_QUERY__INIT;
	struct gathered all = {NULL, 0};
	struct client_call call = {.on_reply = gather, .on_restart = gather_anew, .ctx = &all};
	char copy[256];
	int result;

	snprintf(copy, sizeof copy, "%s", name == NULL ? "" : name);
	query.kind = kind;
	query.name = copy;
	request.body_case = PXE__ADMIN_REQUEST__BODY_LIST;
	request.list = &query;
	result = client_ask(ctl, &request, &call);
	*ret_list = NULL;
	if (result == CTL_OK) {
		*ret_list = pxe__object_list__unpack(NULL, all.bytes, all.data);
		result = *ret_list != NULL
				 ? CTL_OK
				 : ctl_fail(ctl, CTL_REFUSED, "the node's answer is malformed");
	}
	if (result == CTL_OK) {
		warn_stale(ctl, *ret_list);
	}
	free(all.data);
	return result;
}

int client_try_change(struct ctl *ctl, Pxe__Command *command, struct client_done *ret_done,
	char *ret_text, size_t text_bytes)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__Change change = PXE__CHANGE__INIT;
	Pxe__AdminReply *reply;
	int result;

	change.command = command;
	request.body_case = PXE__ADMIN_REQUEST__BODY_CHANGE;
	request.change = &change;
	memset(ret_done, 0, sizeof *ret_done);
	result = client_try(ctl, &request, &reply, ret_text, text_bytes);
	if (result != CTL_OK) {
		return result;
	}
	if (reply->body_case == PXE__ADMIN_REPLY__BODY_DONE) {
		ret_done->revision = reply->done->revision;
		ret_done->id = reply->done->id;
		snprintf(ret_done->detail, sizeof ret_done->detail, "%s", reply->done->detail);
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
	return CTL_OK;
}

int client_change(struct ctl *ctl, Pxe__Command *command, struct client_done *ret_done)
{
	char text[CLIENT_TEXT_BYTES];
	int result = client_try_change(ctl, command, ret_done, text, sizeof text);

	return tell(ctl, result);
}

/* ---- many requests at a time */

static struct link *current_link(const struct ctl *ctl)
{
	struct client *client = ctl->client;

	return client == NULL || client->current < 0 ||
			       client->links[client->current].state != LINK_UP
		       ? NULL
		       : &client->links[client->current];
}

static int fail_gone(const struct ctl *ctl)
{
	return ctl_fail(ctl, CTL_UNREACHABLE, "the connection to %s was lost",
		client_answered(ctl)[0] != '\0' ? client_answered(ctl) : "the node");
}

int client_post(struct ctl *ctl, Pxe__AdminRequest *request)
{
	struct link *link = current_link(ctl);
	uint8_t request_id[16], *data;
	size_t bytes;
	int sent = 0;

	if (link == NULL) {
		return fail_gone(ctl);
	}
	randombytes_buf(request_id, sizeof request_id);
	request->sequence = ++ctl->client->sequence;
	request->request_id = (ProtobufCBinaryData){sizeof request_id, request_id};
	bytes = pxe__admin_request__get_packed_size(request);
	data = malloc(bytes + 1);
	assert(data != NULL);
	pxe__admin_request__pack(request, data);
	request->request_id = (ProtobufCBinaryData){0, NULL};
	sent = link_send(link, data, bytes);
	free(data);
	return sent == 0 ? CTL_OK : fail_gone(ctl);
}

int client_take(struct ctl *ctl, unsigned timeout_ms, Pxe__AdminReply **ret_reply)
{
	uint64_t end_ms = ctl_now_ms() + timeout_ms;
	struct link *link;

	*ret_reply = NULL;
	while ((link = current_link(ctl)) != NULL) {
		uint64_t now_ms = ctl_now_ms();
		size_t bytes;
		uint8_t *data = link_receive(link, &bytes);
		if (data != NULL) {
			*ret_reply = pxe__admin_reply__unpack(NULL, bytes, data);
			free(data);
		}
		if (*ret_reply != NULL || now_ms >= end_ms) {
			return CTL_OK;
		}
		if (data == NULL) {
			link_wait(link, 1, (int)(end_ms - now_ms));
		}
	}
	return fail_gone(ctl);
}

const char *client_answered(const struct ctl *ctl)
{
	const struct client *client = ctl->client;

	return client == NULL || client->current < 0 ? ""
						     : client->endpoints.list[client->current].name;
}
