/* cluster join: this machine becomes a node of a cluster that exists.
 *
 *   token -> node key -> dial the join addresses (the server must hold the token's API key) ->
 * JoinRequest -> files -> start -> votes
 *
 * Everything may be repeated: the node key of an attempt that was broken off is used again, and the
 * request's id follows from token and key, so the cluster answers the repeated request as it
 * answered the first. */
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/link.h"
#include "ctl/node_setup.h"

#include "proto/cred/token.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#define JOIN_RESEND_MS 3000u
#define JOIN_TOTAL_MS  30000u

struct join {
	struct ctl *ctl;
	struct token token;
	struct node_conf conf;
	struct keyfile key;
	struct link links[TOKEN_ADDRESSES_MAX];
	bool sent[TOKEN_ADDRESSES_MAX];
	uint8_t *request;
	size_t request_bytes;
};

static int read_token(struct ctl *ctl, const char *text, struct token *ret_token)
{
	enum token_problem problem = token_parse(text, (uint64_t)time(NULL), ret_token);

	if (problem == TOKEN_EXPIRED) {
		ctl_note(ctl, "by this machine's clock the token has expired; asking the cluster "
			      "all the same");
	} else if (problem != TOKEN_OK) {
		return ctl_fail(ctl, CTL_USAGE, "%s", token_problem_text(problem));
	}
	if (ret_token->address_count == 0) {
		return ctl_fail(
			ctl, CTL_USAGE, "the token names no address of a node; make a new one");
	}
	return CTL_OK;
}

static int prepare(struct join *join, const struct invocation *in)
{
	const char *name = command_text(in, "name");
	int result = read_token(join->ctl, in->args[0], &join->token);

	if (result == CTL_OK && name != NULL) {
		result = edit_check_name(join->ctl, "node", name);
	}
	node_conf_init(join->ctl->directory, &join->conf);
	snprintf(join->conf.name, sizeof join->conf.name, "%s", name == NULL ? "" : name);
	memcpy(join->conf.cluster_id, join->token.cluster_id, 16);
	if (result == CTL_OK) {
		result = node_setup_interface(join->ctl, command_text(in, "interface"),
			command_text(in, "address"), join->token.address[0].ip, &join->conf);
	}
	if (result == CTL_OK) {
		result = node_setup_options(join->ctl, in, &join->conf);
	}
	if (result == CTL_OK) {
		result = node_setup_check_free(join->ctl, &join->conf);
	}
	return result == CTL_OK ? node_setup_key(join->ctl, &join->conf, &join->key) : result;
}

static void pack_request(struct join *join)
{
	Pxe__JoinRequest request = PXE__JOIN_REQUEST__INIT;
	Pxe__Member member;
	uint8_t ip[4], id[16];

	/* One id for all nodes that this run asks, another for the next run: what was refused once,
	 * for a wrong name, say, must not be refused for ever. A run after one that succeeded
	 * unseen is known by its key. */
	randombytes_buf(id, sizeof id);
	node_setup_member(&join->conf, &join->key, ip, &member);
	member.role = join->token.kind == PXE__TOKEN_KIND__TOKEN_WITNESS
			      ? PXE__MEMBER_ROLE__MEMBER_WITNESS
			      : PXE__MEMBER_ROLE__MEMBER_FULL;
	request.token_id = (ProtobufCBinaryData){TOKEN_ID_BYTES, join->token.id};
	request.token_secret = (ProtobufCBinaryData){TOKEN_SECRET_BYTES, join->token.secret};
	request.member = &member;
	request.request_id = (ProtobufCBinaryData){sizeof id, id};
	join->request_bytes = pxe__join_request__get_packed_size(&request);
	join->request = malloc(join->request_bytes + 1);
	assert(join->request != NULL);
	pxe__join_request__pack(&request, join->request);
}

static void dial(struct join *join, void *zmq, size_t i)
{
	struct link_keys keys;
	char endpoint[64], ip[TEXT_IP4_BYTES];

	memcpy(keys.public_key, join->key.public_key, 32);
	memcpy(keys.secret_key, join->key.secret_key, 32);
	memcpy(keys.server_key, join->token.api_public_key, 32);
	snprintf(endpoint, sizeof endpoint, "tcp://%s:%u",
		text_ip4_format(join->token.address[i].ip, ip),
		(unsigned)join->token.address[i].port);
	if (link_open(&join->links[i], zmq, endpoint, "", &keys) != 0) {
		join->links[i].state = LINK_DEAD;
		join->links[i].cause = LINK_NOBODY;
	}
	sodium_memzero(&keys, sizeof keys);
}

static Pxe__JoinReply *read_reply(struct join *join)
{
	for (size_t i = 0; i < join->token.address_count; i++) {
		size_t bytes;
		uint8_t *data = link_receive(&join->links[i], &bytes);
		Pxe__JoinReply *reply =
			data == NULL ? NULL : pxe__join_reply__unpack(NULL, bytes, data);
		if (data != NULL) {
			sodium_memzero(data, bytes);
			free(data);
		}
		if (reply != NULL &&
			(reply->status == PXE__ADMIN_STATUS__ADMIN_NO_QUORUM ||
				reply->status == PXE__ADMIN_STATUS__ADMIN_UNKNOWN_OUTCOME)) {
			ctl_note(join->ctl, "%s", reply->message); /* another one may do better */
			pxe__join_reply__free_unpacked(reply, NULL);
			reply = NULL;
		}
		if (reply != NULL) {
			return reply;
		}
	}
	return NULL;
}

/* To one link that is up and was not asked; after JOIN_RESEND_MS of silence to the next. */
static bool ask_next(struct join *join)
{
	for (size_t i = 0; i < join->token.address_count; i++) {
		if (join->links[i].state == LINK_UP && !join->sent[i]) {
			join->sent[i] =
				link_send(&join->links[i], join->request, join->request_bytes) == 0;
			if (join->sent[i]) {
				return true;
			}
		}
	}
	return false;
}

static bool all_dead(const struct join *join)
{
	for (size_t i = 0; i < join->token.address_count; i++) {
		if (join->links[i].state == LINK_UP ||
			(join->links[i].state == LINK_TRYING &&
				join->links[i].cause == LINK_NO_CAUSE)) {
			return false;
		}
	}
	return true;
}

static int fail_join(const struct join *join)
{
	char text[1024] = "";

	for (size_t i = 0; i < join->token.address_count; i++) {
		size_t used = strlen(text);
		snprintf(text + used, sizeof text - used, "\n  %s: %s",
			join->links[i].endpoint + strlen("tcp://"),
			join->sent[i] ? "connected, but does not answer"
				      : link_cause_text(join->links[i].cause));
	}
	return ctl_fail(
		join->ctl, CTL_UNREACHABLE, "no node of the cluster takes the join%s", text);
}

static int ask_cluster(struct join *join, Pxe__JoinReply **ret_reply)
{
	unsigned total_ms = join->ctl->timeout_ms != 0 ? join->ctl->timeout_ms : JOIN_TOTAL_MS;
	uint64_t start = ctl_now_ms(), asked = 0;
	void *zmq = zmq_ctx_new();
	Pxe__JoinReply *reply = NULL;

	for (size_t i = 0; i < join->token.address_count; i++) {
		dial(join, zmq, i);
	}
	while (reply == NULL && ctl_now_ms() - start < total_ms && !all_dead(join)) {
		if (asked == 0 || ctl_now_ms() - asked >= JOIN_RESEND_MS) {
			if (ask_next(join)) {
				asked = ctl_now_ms();
			} else if (asked != 0) {
				memset(join->sent, 0, sizeof join->sent);
			}
		}
		link_wait(join->links, join->token.address_count, 50);
		reply = read_reply(join);
	}
	*ret_reply = reply;
	if (reply == NULL) {
		fail_join(join);
	}
	for (size_t i = 0; i < join->token.address_count; i++) {
		link_close(&join->links[i]);
	}
	zmq_ctx_term(zmq);
	return reply != NULL ? CTL_OK : CTL_UNREACHABLE;
}

static int check_reply(const struct join *join, const Pxe__JoinReply *reply)
{
	if (reply->status != PXE__ADMIN_STATUS__ADMIN_OK) {
		return ctl_fail(join->ctl, ctl_exit_of(reply->status), "the cluster refuses: %s",
			reply->message);
	}
	if (reply->self == NULL || reply->settings == NULL || reply->api_secret_key.len != 32 ||
		reply->n_members == 0 || reply->self->id == 0) {
		return ctl_fail(join->ctl, CTL_REFUSED,
			"the cluster's answer is incomplete; is it of another version?");
	}
	return CTL_OK;
}

static int write_files(struct join *join, const Pxe__JoinReply *reply)
{
	struct node_start start = {.kind = NODE_START_JOIN,
		.settings = reply->settings,
		.self = reply->self,
		.members = reply->members,
		.member_count = reply->n_members};
	struct keyfile api = {.has_secret = true, .name = "api"};
	int result;

	memcpy(api.secret_key, reply->api_secret_key.data, 32);
	memcpy(api.public_key, join->token.api_public_key, 32);
	snprintf(join->conf.name, sizeof join->conf.name, "%s", reply->self->name);
	join->conf.id = reply->self->id;
	result = node_setup_write(join->ctl, &join->conf, &api, &start);
	keyfile_wipe(&api);
	return result;
}

static int finish(struct join *join, const struct invocation *in, const Pxe__JoinReply *reply)
{
	bool started;
	int result = check_reply(join, reply);

	if (result == CTL_OK) {
		result = write_files(join, reply);
	}
	if (result == CTL_OK) {
		result = node_setup_start(join->ctl, in, &started);
	}
	if (result == CTL_OK && started) {
		result = node_setup_wait(join->ctl, join->conf.name);
	}
	if (result != CTL_OK) {
		return result;
	}
	fprintf(join->ctl->out, "joined '%s' as %s\n", reply->settings->cluster, join->conf.name);
	if (reply->n_members == 2) {
		ctl_note(join->ctl, "note: 2 voters: losing one stops changes (leases already "
				    "granted keep working). "
				    "Add a third; a witness is enough.");
	}
	return CTL_OK;
}

int cmd_cluster_join(struct ctl *ctl, const struct invocation *in)
{
	struct join join = {.ctl = ctl};
	Pxe__JoinReply *reply = NULL;
	int result;

	if (sodium_init() < 0) {
		return ctl_fail(ctl, CTL_REFUSED, "this machine gives no random numbers");
	}
	result = prepare(&join, in);
	if (result == CTL_OK) {
		pack_request(&join);
		result = ask_cluster(&join, &reply);
	}
	if (result == CTL_OK) {
		result = finish(&join, in, reply);
		sodium_memzero(reply->api_secret_key.data, reply->api_secret_key.len);
		pxe__join_reply__free_unpacked(reply, NULL);
	}
	if (join.request != NULL) {
		sodium_memzero(join.request, join.request_bytes);
		free(join.request);
	}
	keyfile_wipe(&join.key);
	sodium_memzero(&join.token, sizeof join.token);
	return result;
}
