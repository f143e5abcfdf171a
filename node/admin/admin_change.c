/* Changes: proposed, and answered when this node has applied them.
 *
 *   request id known to the state? -> the remembered outcome (a retry, perhaps through another
 * node) else propose -> applied: verdict -> status;  no quorum: at once, nothing was done;  no
 * outcome in time: unknown
 */
#include "node/admin/admin_impl.h"

#include "node/log/log.h"
#include "proto/cred/token.h"
#include "proto/wire/text.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_VALID_DEFAULT_S 3600u
#define TOKEN_VALID_MAX_S     (30u * 86400u)

Pxe__AdminStatus admin_status_of_verdict(Pxe__Verdict verdict)
{
	switch (verdict) {
	case PXE__VERDICT__VERDICT_OK:
	case PXE__VERDICT__VERDICT_DUPLICATE: return PXE__ADMIN_STATUS__ADMIN_OK;
	case PXE__VERDICT__VERDICT_NO_SUBNET:
	case PXE__VERDICT__VERDICT_NOT_FOUND: return PXE__ADMIN_STATUS__ADMIN_NOT_FOUND;
	case PXE__VERDICT__VERDICT_POOL_FULL:
	case PXE__VERDICT__VERDICT_IN_USE:
	case PXE__VERDICT__VERDICT_NOT_AVAILABLE:
	case PXE__VERDICT__VERDICT_EXISTS:
	case PXE__VERDICT__VERDICT_RESERVE:
	case PXE__VERDICT__VERDICT_STALE:
	case PXE__VERDICT__VERDICT_CONFLICT: return PXE__ADMIN_STATUS__ADMIN_CONFLICT;
	case PXE__VERDICT__VERDICT_INVALID: return PXE__ADMIN_STATUS__ADMIN_INVALID;
	case PXE__VERDICT__VERDICT_EXPIRED:
	case PXE__VERDICT__VERDICT_DENIED: return PXE__ADMIN_STATUS__ADMIN_NOT_ALLOWED;
	case PXE__VERDICT__VERDICT_IGNORED:
	case PXE__VERDICT__VERDICT_UNSUPPORTED:
	case PXE__VERDICT__VERDICT_LIMIT:
	case _PXE__VERDICT_IS_INT_SIZE: break;
	}
	return PXE__ADMIN_STATUS__ADMIN_REFUSED;
}

const char *admin_verdict_words(Pxe__Verdict verdict)
{
	const ProtobufCEnumValue *value =
		protobuf_c_enum_descriptor_get_value(&pxe__verdict__descriptor, (int)verdict);

	return value == NULL ? "refused by the cluster" : value->name;
}

static void reply_done(struct admin *admin, const struct admin_client *client, Pxe__Verdict verdict,
	const char *detail, uint64_t revision, uint64_t id)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__ChangeDone done = PXE__CHANGE_DONE__INIT;
	char text[256];

	reply.status = admin_status_of_verdict(verdict);
	snprintf(
		text, sizeof text, "%s", detail[0] != '\0' ? detail : admin_verdict_words(verdict));
	if (reply.status == PXE__ADMIN_STATUS__ADMIN_OK) {
		done.revision = revision;
		done.id = id;
		done.detail = detail[0] != '\0' ? text : done.detail;
		reply.body_case = PXE__ADMIN_REPLY__BODY_DONE;
		reply.done = &done;
	} else {
		reply.message = text;
	}
	admin_reply(admin, client, &reply);
}

static void reply_unknown(struct admin *admin, const struct admin_client *client)
{
	admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_UNKNOWN_OUTCOME,
		"no answer from a majority in %d s: whether the change was made is not known.\n"
		"  Run it again, it is safe: a change that was made is not made twice",
		ADMIN_PROPOSE_MS / 1000);
}

/* The token's own expiry, as the state keeps it. */
struct token_search {
	const uint8_t *id;
	uint64_t expires_ms;
};

static bool find_token(void *ctx, const void *object)
{
	struct token_search *search = ctx;
	const Pxe__Token *token = object;

	if (token->id.len == TOKEN_ID_BYTES &&
		memcmp(token->id.data, search->id, TOKEN_ID_BYTES) == 0) {
		search->expires_ms = token->expires_ms;
		return false;
	}
	return true;
}

static void reply_token(struct admin *admin, const struct admin_pending *pending)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__TokenCreated created = PXE__TOKEN_CREATED__INIT;
	char text[sizeof pending->text];

	snprintf(text, sizeof text, "%s", pending->text);
	created.token = text;
	created.expires_ms = pending->number;
	reply.body_case = PXE__ADMIN_REPLY__BODY_TOKEN;
	reply.token = &created;
	admin_reply(admin, &pending->client, &reply);
	sodium_memzero(text, sizeof text);
}

/* "from pxe1" (the unix socket), "from pxe2" (its pxectl came here), "by alice". */
const char *admin_asker(const struct admin *admin, const struct admin_client *client,
	char *ret_text, size_t text_bytes)
{
	const Pxe__Member *self = model_member(admin_model(admin), admin->config.self);
	const char *colon = strchr(client->user, ':');

	if (strncmp(client->user, "operator:", 9) == 0) {
		snprintf(ret_text, text_bytes, "by %s", colon + 1);
	} else {
		snprintf(ret_text, text_bytes, "from %s",
			colon != NULL  ? colon + 1
			: self != NULL ? self->name
				       : "this node");
	}
	return ret_text;
}

/* A boot that is armed is a step in the timeline of its machine. */
static void name_machine(const struct admin *admin, const char *name, struct event *event)
{
	const Pxe__Host *host = model_host(admin_model(admin), name);

	snprintf(event->host, sizeof event->host, "%s", name);
	if (host != NULL && host->n_mac > 0 && host->mac[0].len <= sizeof event->mac) {
		event->mac_bytes = (uint8_t)host->mac[0].len;
		memcpy(event->mac, host->mac[0].data, host->mac[0].len);
	}
}

/* A change is an event, on every node; a refusal is told here only. */
static void tell(struct admin *admin, const struct admin_pending *pending, Pxe__Verdict verdict,
	const char *detail, uint64_t revision)
{
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_CONFIG_CHANGED};
	const char *what = pending->kind == ADMIN_PENDING_TOKEN ? "join token made" : pending->text;
	char who[ADMIN_USER_BYTES + 8];

	admin_asker(admin, &pending->client, who, sizeof who);
	if (verdict != PXE__VERDICT__VERDICT_OK) {
		log_info("refused: %s, %s: %s", what, who,
			detail[0] != '\0' ? detail : admin_verdict_words(verdict));
		return;
	}
	if (pending->member_removed) {
		event.kind = PXE__EVENT_KIND__EVENT_NODE_REMOVED;
		what = strchr(what, ' ') != NULL ? strchr(what, ' ') + 1 : what; /* its name */
	}
	if (pending->boot_of[0] != '\0') {
		event.kind = PXE__EVENT_KIND__EVENT_BOOT_ONCE;
		name_machine(admin, pending->boot_of, &event);
	}
	snprintf(event.text, sizeof event.text, "%.120s, %s (revision %" PRIu64 ")", what, who,
		revision);
	events_post(admin->config.events, &event);
}

static void answer(struct admin *admin, const struct admin_pending *pending, Pxe__Verdict verdict,
	const char *detail, uint64_t revision, uint64_t id)
{
	if (pending->kind == ADMIN_PENDING_TOKEN &&
		admin_status_of_verdict(verdict) == PXE__ADMIN_STATUS__ADMIN_OK) {
		reply_token(admin, pending);
	} else {
		reply_done(admin, &pending->client, verdict, detail, revision, id);
	}
	tell(admin, pending, verdict, detail, revision);
}

static void on_applied(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct admin_pending *pending = ctx;
	struct admin *admin = pending->admin;
	const Pxe__RequestOutcome *known;

	if (admin != NULL && outcome == REPLICA_APPLIED) {
		known = result->verdict == PXE__VERDICT__VERDICT_DUPLICATE &&
					pending->has_request_id
				? model_request(admin_model(admin), pending->request_id)
				: NULL;
		if (known != NULL) {
			answer(admin, pending, (Pxe__Verdict)known->verdict, known->detail,
				known->revision, 0);
		} else {
			answer(admin, pending, result->verdict, result->detail, result->revision,
				result->id);
		}
	} else if (admin != NULL) {
		reply_unknown(admin, &pending->client);
	}
	admin_pending_free(pending);
}

/* Propose for a pending record; takes it over. The command may be part of the request: it is not
 * changed. */
static void propose(struct admin *admin, struct admin_pending *pending, const Pxe__Command *command,
	const ProtobufCBinaryData *request_id)
{
	Pxe__Command proposed = *command;
	const Pxe__RequestOutcome *known = NULL;
	enum replica_outcome outcome;

	proposed.request_id = *request_id;
	if (request_id->len == 16) {
		memcpy(pending->request_id, request_id->data, 16);
		pending->has_request_id = true;
		known = model_request(admin_model(admin), pending->request_id);
	}
	if (known != NULL) {
		answer(admin, pending, (Pxe__Verdict)known->verdict, known->detail, known->revision,
			0);
		admin_pending_free(pending);
		return;
	}
	outcome = replica_propose(
		admin->config.replica, &proposed, ADMIN_PROPOSE_MS, on_applied, pending);
	if (outcome == REPLICA_APPLIED) {
		return; /* on_applied will come */
	}
	if (outcome == REPLICA_NO_QUORUM) {
		admin_reply_no_quorum(admin, &pending->client);
	} else if (outcome == REPLICA_NO_SPACE) {
		admin_reply_text(admin, &pending->client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"no space: the disks of a majority are nearly full, nothing was done; free "
			"space there ('pxectl status' names them; removing is still possible), "
			"then run it again");
	} else if (outcome == REPLICA_BUSY) {
		admin_reply_text(admin, &pending->client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"this node is busy with other changes, nothing was done; run it again in a "
			"moment");
	} else {
		reply_unknown(admin, &pending->client);
	}
	admin_pending_free(pending);
}

/* What an operator may not do by hand: NULL, or why. */
static const char *refuse_put(const struct admin *admin, const Pxe__Put *put)
{
	const Pxe__Settings *now = model_settings(admin_model(admin));
	const Pxe__Settings *next;

	if (put->object_case == PXE__PUT__OBJECT__NOT_SET) {
		return "this node does not know that kind of object; is pxectl newer than the "
		       "node?";
	}
	if (put->object_case == PXE__PUT__OBJECT_TOKEN) {
		return "tokens are made with: pxectl cluster token create";
	}
	if (put->object_case != PXE__PUT__OBJECT_SETTINGS) {
		return NULL;
	}
	next = put->settings;
	if (now == NULL || next->cluster_id.len != now->cluster_id.len ||
		memcmp(next->cluster_id.data, now->cluster_id.data, now->cluster_id.len) != 0 ||
		next->api_public_key.len != now->api_public_key.len ||
		memcmp(next->api_public_key.data, now->api_public_key.data,
			now->api_public_key.len) != 0 ||
		next->next_member_id != now->next_member_id || next->epoch != now->epoch) {
		return "the cluster's identity and keys cannot be changed";
	}
	return NULL;
}

const char *admin_refuse_change(const struct admin *admin, const Pxe__Command *command)
{
	if (command == NULL) {
		return "an empty change";
	}
	if (command->op_case == PXE__COMMAND__OP_PUT) {
		return refuse_put(admin, command->put);
	}
	if (command->op_case == PXE__COMMAND__OP_REMOVE ||
		command->op_case == PXE__COMMAND__OP_RELEASE ||
		command->op_case == PXE__COMMAND__OP_LEASE_IMPORT ||
		command->op_case == PXE__COMMAND__OP_BOOT_ONCE ||
		command->op_case == PXE__COMMAND__OP_BOOT_CANCEL ||
		command->op_case == PXE__COMMAND__OP_IMAGE_TAG ||
		command->op_case == PXE__COMMAND__OP_MEMBER_REMOVE ||
		command->op_case == PXE__COMMAND__OP_MEMBER_SET) {
		return NULL;
	}
	return "this is not a change that an operator makes";
}

static const char *object_of_put(const Pxe__Put *put, const char **ret_name)
{
	*ret_name = "";
	if (put->object_case == PXE__PUT__OBJECT_SUBNET) {
		*ret_name = put->subnet->name;
		return "subnet";
	}
	if (put->object_case == PXE__PUT__OBJECT_POOL) {
		*ret_name = put->pool->name;
		return "pool";
	}
	if (put->object_case == PXE__PUT__OBJECT_HOST) {
		*ret_name = put->host->name;
		return "host";
	}
	if (put->object_case == PXE__PUT__OBJECT_PROFILE) {
		*ret_name = put->profile->name;
		return "profile";
	}
	if (put->object_case == PXE__PUT__OBJECT_GROUP) {
		*ret_name = put->group->name;
		return "group";
	}
	if (put->object_case == PXE__PUT__OBJECT_OPERATOR_KEY) {
		*ret_name = put->operator_key->name;
		return "key";
	}
	return "settings";
}

static const char *object_of_kind(Pxe__ObjectKind kind)
{
	const ProtobufCEnumValue *value =
		protobuf_c_enum_descriptor_get_value(&pxe__object_kind__descriptor, (int)kind);

	switch ((int)kind) {
	case PXE__OBJECT_KIND__OBJECT_SUBNET: return "subnet";
	case PXE__OBJECT_KIND__OBJECT_POOL: return "pool";
	case PXE__OBJECT_KIND__OBJECT_HOST: return "host";
	case PXE__OBJECT_KIND__OBJECT_PROFILE: return "profile";
	case PXE__OBJECT_KIND__OBJECT_GROUP: return "group";
	case PXE__OBJECT_KIND__OBJECT_IMAGE: return "image";
	case PXE__OBJECT_KIND__OBJECT_OPERATOR: return "key";
	case PXE__OBJECT_KIND__OBJECT_MACHINE: return "machine";
	default: return value != NULL ? value->name : "object";
	}
}

static const char *done_by_mode(Pxe__MemberMode mode)
{
	switch (mode) {
	case PXE__MEMBER_MODE__MEMBER_MODE_PROMOTE: return "promoted to voter";
	case PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE: return "demoted, it votes no more";
	case PXE__MEMBER_MODE__MEMBER_MODE_DRAIN: return "draining";
	case PXE__MEMBER_MODE__MEMBER_MODE_UNDRAIN: return "back from draining";
	case PXE__MEMBER_MODE__MEMBER_MODE_NONE:
	case _PXE__MEMBER_MODE_IS_INT_SIZE: break;
	}
	return "changed";
}

/* As it reads in a log: "host n01 added". */
static void describe(const Pxe__Command *command, char *ret_text, size_t text_bytes)
{
	const char *what = "change", *name = "", *done = "made";
	char ip[TEXT_IP4_BYTES] = "";

	if (command->op_case == PXE__COMMAND__OP_PUT) {
		what = object_of_put(command->put, &name);
		done = command->put->precondition == PXE__PRECONDITION__PUT_CREATE ? "added"
										   : "changed";
	} else if (command->op_case == PXE__COMMAND__OP_REMOVE) {
		what = object_of_kind(command->remove->kind);
		name = command->remove->name;
		done = "removed";
	} else if (command->op_case == PXE__COMMAND__OP_BOOT_ONCE) {
		snprintf(ret_text, text_bytes, "armed %.63s", command->boot_once->profile);
		return;
	} else if (command->op_case == PXE__COMMAND__OP_BOOT_CANCEL) {
		what = "cancelled";
		done = "";
	} else if (command->op_case == PXE__COMMAND__OP_MEMBER_REMOVE) {
		what = "node";
		name = command->member_remove->name;
		done = command->member_remove->force ? "taken out by force" : "taken out";
	} else if (command->op_case == PXE__COMMAND__OP_MEMBER_SET) {
		what = "node";
		name = command->member_set->name;
		done = done_by_mode(command->member_set->mode);
	} else if (command->op_case == PXE__COMMAND__OP_RELEASE && command->release->ip.len == 4) {
		const uint8_t *b = command->release->ip.data;
		snprintf(ip, sizeof ip, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
		what = "lease";
		name = ip;
		done = "released";
	}
	snprintf(ret_text, text_bytes, "%s%s%.63s%s%s", what, name[0] == '\0' ? "" : " ", name,
		done[0] == '\0' ? "" : " ", done);
}

/* The host whose next boot the change is about; "": none. */
static const char *boot_of(const Pxe__Command *command)
{
	return command->op_case == PXE__COMMAND__OP_BOOT_ONCE     ? command->boot_once->host
	       : command->op_case == PXE__COMMAND__OP_BOOT_CANCEL ? command->boot_cancel->host
								  : "";
}

void admin_on_change(
	struct admin *admin, const struct admin_client *client, const Pxe__AdminRequest *request)
{
	Pxe__Command *command = request->change->command;
	const char *refusal = admin_refuse_change(admin, command);
	struct admin_pending *pending;

	if (refusal != NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID, "%s", refusal);
		return;
	}
	pending = admin_pending_new(admin, client, ADMIN_PENDING_CHANGE);
	if (pending != NULL) {
		describe(command, pending->text, sizeof pending->text);
		pending->member_removed = command->op_case == PXE__COMMAND__OP_MEMBER_REMOVE;
		snprintf(pending->boot_of, sizeof pending->boot_of, "%s", boot_of(command));
		propose(admin, pending, command, &request->request_id);
	}
}

/* ---- tokens */

static void add_join_address(struct token *token, const Pxe__Member *member)
{
	const char *colon = strrchr(member->join_address, ':');
	struct token_address address;
	char ip[TEXT_IP4_BYTES];
	uint64_t port;

	if (colon == NULL || token->address_count == TOKEN_ADDRESSES_MAX ||
		(size_t)(colon - member->join_address) >= sizeof ip) {
		return;
	}
	snprintf(ip, sizeof ip, "%.*s", (int)(colon - member->join_address), member->join_address);
	if (text_ip4_parse(ip, &address.ip) == 0 &&
		text_u64_parse(colon + 1, UINT16_MAX, &port) == 0) {
		address.port = (uint16_t)port;
		token->address[token->address_count++] = address;
	}
}

/* This node first, then other living ones. */
static void add_join_addresses(const struct admin *admin, struct token *token)
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count;

	admin_members_of(admin, members, &count);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			bool self = members[i]->id == admin->config.self;
			if (pass == 0 ? self
				      : !self && replica_is_live(
							 admin->config.replica, members[i]->id)) {
				add_join_address(token, members[i]);
			}
		}
	}
}

/* Secret and id follow from the request id and the API's secret key, so that a retry through
 * another node gives the same token. */
static void derive(const struct admin *admin, const uint8_t request_id[16], struct token *token)
{
	uint8_t hash[TOKEN_ID_BYTES + TOKEN_SECRET_BYTES], message[32];

	memcpy(message, "pxe join token 1", 16);
	memcpy(message + 16, request_id, 16);
	crypto_generichash(
		hash, sizeof hash, message, sizeof message, admin->config.api_secret_key, 32);
	memcpy(token->id, hash, TOKEN_ID_BYTES);
	memcpy(token->secret, hash + TOKEN_ID_BYTES, TOKEN_SECRET_BYTES);
	sodium_memzero(hash, sizeof hash);
}

static void make_token(
	const struct admin *admin, const Pxe__AdminRequest *request, struct token *ret_token)
{
	const Pxe__Settings *settings = model_settings(admin_model(admin));
	const Pxe__TokenCreate *create = request->token_create;
	struct token_search search = {ret_token->id, 0};
	uint32_t valid_s = create->valid_s == 0 ? TOKEN_VALID_DEFAULT_S : create->valid_s;

	memset(ret_token, 0, sizeof *ret_token);
	ret_token->kind = (uint8_t)create->kind;
	memcpy(ret_token->cluster_id, settings->cluster_id.data, 16);
	memcpy(ret_token->api_public_key, admin->config.api_public_key, 32);
	derive(admin, request->request_id.data, ret_token);
	model_each(admin_model(admin), PXE__OBJECT_KIND__OBJECT_TOKEN, find_token, &search);
	ret_token->expires_s = search.expires_ms != 0
				       ? search.expires_ms / 1000
				       : replica_now_ms(admin->config.replica) / 1000 + valid_s;
	if (ret_token->expires_s > UINT32_MAX) {
		ret_token->expires_s = UINT32_MAX;
	}
	add_join_addresses(admin, ret_token);
}

static const char *refuse_token(const struct admin *admin, const Pxe__AdminRequest *request)
{
	const Pxe__Settings *settings = model_settings(admin_model(admin));

	if (request->request_id.len != 16) {
		return "the request has no id";
	}
	if (settings == NULL || settings->cluster_id.len != 16) {
		return "this node does not hold the cluster's settings yet; try again in a moment";
	}
	if (request->token_create->valid_s > TOKEN_VALID_MAX_S) {
		return "a token is valid for at most 30 days";
	}
	if (request->token_create->kind != PXE__TOKEN_KIND__TOKEN_NODE &&
		request->token_create->kind != PXE__TOKEN_KIND__TOKEN_WITNESS) {
		return "this node does not know that kind of token";
	}
	return NULL;
}

void admin_on_token_create(
	struct admin *admin, const struct admin_client *client, const Pxe__AdminRequest *request)
{
	const char *refusal = refuse_token(admin, request);
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Token record = PXE__TOKEN__INIT;
	struct admin_pending *pending;
	struct token token;
	uint8_t hash[32];

	if (refusal != NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID, "%s", refusal);
		return;
	}
	pending = admin_pending_new(admin, client, ADMIN_PENDING_TOKEN);
	if (pending == NULL) {
		return;
	}
	make_token(admin, request, &token);
	token_format(&token, pending->text);
	pending->number = token.expires_s * 1000;
	token_hash_secret(token.secret, hash);
	record.id = (ProtobufCBinaryData){TOKEN_ID_BYTES, token.id};
	record.secret_hash = (ProtobufCBinaryData){sizeof hash, hash};
	record.kind = request->token_create->kind;
	record.for_name = request->token_create->for_name;
	record.expires_ms = pending->number;
	put.object_case = PXE__PUT__OBJECT_TOKEN;
	put.token = &record;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	propose(admin, pending, &command, &request->request_id);
	sodium_memzero(&token, sizeof token);
}
