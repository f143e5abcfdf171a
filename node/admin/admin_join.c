/* The join door: a machine with a token becomes a member.
 *
 *   JoinRequest -> its key is the connection's key? -> MemberJoin through the log -> JoinReply:
 * itself, settings, API key, members
 *
 * A retry with the same request id, or of a node that is a member already with the very same key,
 * gets the same answer.
 */
#include "node/admin/admin_impl.h"

#include "node/log/log.h"
#include "proto/cred/keyfile.h"
#include "proto/cred/token.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_TOLD_EVERY_MS 1000
#define JOIN_UNKNOWN_PER_S 10u

static void send_join(
	struct admin *admin, const struct admin_client *client, const Pxe__JoinReply *reply)
{
	size_t bytes = pxe__join_reply__get_packed_size(reply);
	uint8_t *data = malloc(bytes + 1);

	if (data == NULL) {
		admin->stats.replies_dropped++;
		return;
	}
	pxe__join_reply__pack(reply, data);
	admin_send(admin, client, data, bytes);
	sodium_memzero(data, bytes);
	free(data);
}

/* A line a second at most: anybody with the cluster's API key may knock. */
static void log_refusal(struct admin *admin, const char *text)
{
	uint64_t now_ms = uv_now(admin->config.loop);

	if (admin->join_told_ms != 0 && now_ms - admin->join_told_ms < JOIN_TOLD_EVERY_MS) {
		admin->joins_untold++;
		return;
	}
	if (admin->joins_untold > 0) {
		log_warn("%" PRIu64 " more joins were refused", admin->joins_untold);
	}
	log_warn("a join was refused: %s", text);
	admin->join_told_ms = now_ms;
	admin->joins_untold = 0;
}

static void refuse_join(struct admin *admin, const struct admin_client *client,
	Pxe__AdminStatus status, const char *format, ...) __attribute__((format(printf, 4, 5)));

static void refuse_join(struct admin *admin, const struct admin_client *client,
	Pxe__AdminStatus status, const char *format, ...)
{
	Pxe__JoinReply reply = PXE__JOIN_REPLY__INIT;
	char text[ADMIN_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	reply.status = status;
	reply.message = text;
	admin->stats.join_refused++;
	log_refusal(admin, text);
	send_join(admin, client, &reply);
}

static const Pxe__Member *member_of_key(const struct admin *admin, const uint8_t key[32])
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count;

	admin_members_of(admin, members, &count);
	for (size_t i = 0; i < count; i++) {
		if (members[i]->public_key.len == 32 &&
			memcmp(members[i]->public_key.data, key, 32) == 0) {
			return members[i];
		}
	}
	return NULL;
}

static void welcome(struct admin *admin, const struct admin_client *client, const Pxe__Member *self)
{
	Pxe__JoinReply reply = PXE__JOIN_REPLY__INIT;
	const Pxe__Member *members[MODEL_MEMBERS_MAX];

	admin_members_of(admin, members, &reply.n_members);
	reply.members = (Pxe__Member **)(uintptr_t)
		members; /* only read while packing, as are the next two */
	reply.self = (Pxe__Member *)(uintptr_t)self;
	reply.settings = (Pxe__Settings *)(uintptr_t)model_settings(admin_model(admin));
	reply.api_secret_key = (ProtobufCBinaryData){32, admin->config.api_secret_key};
	send_join(admin, client, &reply);
}

static void tell_joined(struct admin *admin, const Pxe__Member *self)
{
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_NODE_JOINED};

	snprintf(event.text, sizeof event.text, "%.63s is member %" PRIu64 " now (%.63s)",
		self->name, self->id, self->peer_address);
	events_post(admin->config.events, &event);
}

static void on_joined(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct admin_pending *pending = ctx;
	struct admin *admin = pending->admin;
	const Pxe__Member *self;

	if (admin == NULL) {
		admin_pending_free(pending);
		return;
	}
	self = member_of_key(admin, pending->key);
	if (outcome != REPLICA_APPLIED) {
		refuse_join(admin, &pending->client, PXE__ADMIN_STATUS__ADMIN_UNKNOWN_OUTCOME,
			"no answer from a majority of the members; run the join again, it is safe");
	} else if (self != NULL && (result->verdict == PXE__VERDICT__VERDICT_OK ||
					   result->verdict == PXE__VERDICT__VERDICT_DUPLICATE)) {
		welcome(admin, &pending->client, self);
		tell_joined(admin, self);
	} else {
		refuse_join(admin, &pending->client,
			result->verdict == PXE__VERDICT__VERDICT_DUPLICATE
				? PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED
				: admin_status_of_verdict(result->verdict),
			"%s",
			result->detail[0] != '\0' ? result->detail
						  : "the cluster refuses this join");
	}
	admin_pending_free(pending);
}

static const char *refuse_request(
	const Pxe__JoinRequest *request, const struct admin_client *client)
{
	char key[KEYFILE_Z85_BYTES];

	if (request->member == NULL || request->member->public_key.len != 32) {
		return "the request names no node key";
	}
	if (strcmp(keyfile_z85_encode(request->member->public_key.data, key), client->key) != 0) {
		return "the node key of the request is not the key of this connection";
	}
	if (request->token_id.len != 8 || request->token_secret.len != 16) {
		return "the request holds no token";
	}
	if (request->request_id.len != 0 && request->request_id.len != 16) {
		return "the request's id is malformed";
	}
	return NULL;
}

/* A joiner that leaves its name to us gets the token's, else the next pxeN. The text is borrowed
 * from `ret_name` or the state. */
struct name_search {
	const ProtobufCBinaryData *token_id;
	char *name;
};

static bool find_name(void *ctx, const void *object)
{
	struct name_search *search = ctx;
	const Pxe__Token *token = object;

	if (token->id.len == search->token_id->len &&
		memcmp(token->id.data, search->token_id->data, token->id.len) == 0) {
		snprintf(search->name, 64, "%s", token->for_name);
		return false;
	}
	return true;
}

static void choose_name(
	const struct admin *admin, const Pxe__JoinRequest *request, char ret_name[64])
{
	const Pxe__Settings *settings = model_settings(admin_model(admin));
	struct name_search search = {&request->token_id, ret_name};

	snprintf(ret_name, 64, "%s", request->member->name);
	if (ret_name[0] == '\0') {
		model_each(admin_model(admin), PXE__OBJECT_KIND__OBJECT_TOKEN, find_name, &search);
	}
	if (ret_name[0] == '\0') {
		snprintf(ret_name, 64, "pxe%" PRIu64,
			settings == NULL ? 0 : settings->next_member_id);
	}
}

struct token_search {
	const Pxe__JoinRequest *request;
	bool found, matches;
};

static bool find_token(void *ctx, const void *object)
{
	struct token_search *search = ctx;
	const Pxe__Token *token = object;
	uint8_t hash[32];

	if (token->id.len != TOKEN_ID_BYTES ||
		memcmp(token->id.data, search->request->token_id.data, TOKEN_ID_BYTES) != 0) {
		return true;
	}
	token_hash_secret(search->request->token_secret.data, hash);
	search->found = true;
	search->matches = token->secret_hash.len == sizeof hash &&
			  sodium_memcmp(hash, token->secret_hash.data, sizeof hash) == 0;
	return false;
}

/* The log decides; but who guesses must not make every node write. A wrong secret is known here. A
 * token that is not may be so new that this node has not heard of it: some a second go through. */
static const char *refuse_token(struct admin *admin, const Pxe__JoinRequest *request)
{
	struct token_search search = {.request = request};
	uint64_t second = uv_now(admin->config.loop) / 1000;

	model_each(admin_model(admin), PXE__OBJECT_KIND__OBJECT_TOKEN, find_token, &search);
	if (search.found) {
		return search.matches ? NULL
				      : "the token is not known or was used before: make another "
					"with pxectl cluster token create";
	}
	if (admin->join_second != second) {
		admin->join_second = second;
		admin->joins_in_second = 0;
	}
	return ++admin->joins_in_second <= JOIN_UNKNOWN_PER_S
		       ? NULL
		       : "too many joins with tokens that are not known; try again in a moment";
}

static void propose_join(
	struct admin *admin, const struct admin_client *client, Pxe__JoinRequest *request)
{
	struct admin_pending *pending = admin_pending_new(admin, client, ADMIN_PENDING_JOIN);
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberJoin join = PXE__MEMBER_JOIN__INIT;
	enum replica_outcome outcome;
	struct replica_view view;
	char text[ADMIN_TEXT_BYTES], name[64];
	Pxe__Member member = *request->member;

	if (pending == NULL) {
		refuse_join(admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"this node is busy; try again");
		return;
	}
	memcpy(pending->key, request->member->public_key.data, 32);
	choose_name(admin, request, name);
	member.name = name;
	snprintf(pending->text, sizeof pending->text, "%s", name);
	join.token_id = request->token_id;
	join.token_secret = request->token_secret;
	join.member = &member;
	command.request_id = request->request_id;
	command.op_case = PXE__COMMAND__OP_MEMBER_JOIN;
	command.member_join = &join;
	outcome = replica_propose(
		admin->config.replica, &command, ADMIN_PROPOSE_MS, on_joined, pending);
	if (outcome == REPLICA_APPLIED) {
		return;
	}
	replica_get_view(admin->config.replica, &view);
	refuse_join(admin, client,
		outcome == REPLICA_NO_QUORUM ? PXE__ADMIN_STATUS__ADMIN_NO_QUORUM
					     : PXE__ADMIN_STATUS__ADMIN_REFUSED,
		"%s",
		outcome == REPLICA_NO_QUORUM
			? admin_quorum_text(&view, admin_model(admin), text, sizeof text)
		: outcome == REPLICA_NO_SPACE
			? "the disks of a majority are nearly full: free space there"
			: "this node is busy; try again in a moment");
	admin_pending_free(pending);
}

void admin_on_join(
	struct admin *admin, const struct admin_client *client, const uint8_t *data, size_t bytes)
{
	Pxe__JoinRequest *request = pxe__join_request__unpack(NULL, bytes, data);
	const Pxe__Member *known;
	const char *refusal;

	if (request == NULL) {
		admin->stats.malformed++;
		return;
	}
	admin->stats.joins++;
	refusal = refuse_request(request, client);
	if (refusal != NULL) {
		refuse_join(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID, "%s", refusal);
	} else if ((known = member_of_key(admin, request->member->public_key.data)) != NULL &&
		   (request->member->name[0] == '\0' ||
			   strcmp(known->name, request->member->name) == 0)) {
		welcome(admin, client, known); /* a retry: only the node itself holds that key */
	} else if ((refusal = refuse_token(admin, request)) != NULL) {
		refuse_join(admin, client, PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED, "%s", refusal);
	} else {
		propose_join(admin, client, request);
	}
	pxe__join_request__free_unpacked(request, NULL);
}
