/* store/model/apply_member.c: who belongs to the cluster. Pure.
 *
 *   token -> join -> member -> remove: marked -> (taken out of the Raft configuration) -> gone
 *
 * A member that leaves in order gives its reserve back and merges its journal first. One that is
 * removed by force is taken to be off from then on; its reserve is free when the last lease that it
 * may have given is over [R7]. A recovery does so to all but one.
 */
#include "proto/wire/text.h"
#include "store/model/check.h"
#include "store/model/keep.h"
#include <sodium.h>
#include <string.h>

#define OK       PXE__VERDICT__VERDICT_OK
#define INVALID  PXE__VERDICT__VERDICT_INVALID
#define CONFLICT PXE__VERDICT__VERDICT_CONFLICT
#define DENIED   PXE__VERDICT__VERDICT_DENIED

/* By how much a recovery raises what is never used again. */
#define MEMBER_IDS_SKIPPED     100
#define MEMBER_SERIALS_SKIPPED (UINT64_C(1) << 20)

static bool member_is_serving(const Pxe__Member *member)
{
	return member->role == PXE__MEMBER_ROLE__MEMBER_FULL && !member->removing;
}

/* ---- join ---- */

static bool member_secret_matches(const Pxe__Token *token, ProtobufCBinaryData secret)
{
	uint8_t hash[32];
	if (secret.len == 0 || secret.len > 64 || token->secret_hash.len != sizeof(hash))
		return false;
	crypto_generichash(hash, sizeof(hash), secret.data, secret.len, NULL, 0);
	return sodium_memcmp(hash, token->secret_hash.data, sizeof(hash)) == 0;
}

/* The reason for which a stranger is refused tells nothing about other tokens. */
static Pxe__Verdict member_check_token(struct apply *a, const Pxe__MemberJoin *join)
{
	const Pxe__Token *token = NULL;
	if (join->token_id.len == 8)
		token = (const Pxe__Token *)keep_find(
			a->model, RECORD_TOKEN, join->token_id.data, 8);
	if (token == NULL || !member_secret_matches(token, join->token_secret))
		return internal_refuse(a, DENIED,
			"the token is not known or was used before: make another with pxectl "
			"cluster token "
			"create");
	if (a->now_ms >= token->expires_ms)
		return internal_refuse(a, PXE__VERDICT__VERDICT_EXPIRED,
			"the token has run out: make another with pxectl cluster token create");
	if (join->member == NULL)
		return internal_refuse(a, INVALID, "the join names no node");
	if (!check_name(a, "node name", join->member->name))
		return INVALID;
	if (token->for_name[0] != '\0' && strcmp(token->for_name, join->member->name) != 0)
		return internal_refuse(a, DENIED, "the token is for node %s, not for %s",
			token->for_name, join->member->name);
	bool is_witness = join->member->role == PXE__MEMBER_ROLE__MEMBER_WITNESS;
	if (is_witness != (token->kind == PXE__TOKEN_KIND__TOKEN_WITNESS))
		return internal_refuse(a, DENIED, "the token is for a %s, and this is a %s",
			is_witness ? "node that serves" : "witness",
			is_witness ? "witness" : "node that serves");
	return OK;
}

/* The address that clients use must be no other member's, and no reservation. */
static Pxe__Verdict member_check_serve_ip(struct apply *a, const Pxe__Member *member, uint64_t id)
{
	char text[TEXT_IP4_BYTES];
	if (member->serve_ip.len == 0 && member->role == PXE__MEMBER_ROLE__MEMBER_WITNESS)
		return OK;
	if (!check_ip(a, "address that clients use", member->serve_ip))
		return INVALID;
	uint32_t ip = msg_ip4_get(member->serve_ip);
	text_ip4_format(ip, text);
	const Pxe__Host *host = model_host_of_ip(a->model, ip);
	if (host != NULL)
		return internal_refuse(a, CONFLICT,
			"address %s is reserved for host %s: pxectl host show %s", text, host->name,
			host->name);
	const struct shelf *members = &a->model->shelf[RECORD_MEMBER];
	for (size_t i = 0; i < members->count; i++) {
		const Pxe__Member *other = (const Pxe__Member *)members->records[i]->message;
		if (other->id != id && msg_ip4_get(other->serve_ip) == ip)
			return internal_refuse(
				a, CONFLICT, "address %s is that of node %s", text, other->name);
	}
	return OK;
}

static Pxe__Verdict member_check_addresses(struct apply *a, const Pxe__Member *member, uint64_t id)
{
	if (!check_endpoint(a, "address for nodes", member->peer_address) ||
		!check_endpoint(a, "address for pxectl", member->api_address))
		return INVALID;
	if (member->join_address[0] != '\0' &&
		!check_endpoint(a, "address for joining", member->join_address))
		return INVALID;
	if (member->http_port > 65535)
		return internal_refuse(
			a, INVALID, "HTTP port %u: use 1 to 65535", member->http_port);
	return member_check_serve_ip(a, member, id);
}

static Pxe__Verdict member_check_unique(struct apply *a, const Pxe__Member *member)
{
	const struct shelf *members = &a->model->shelf[RECORD_MEMBER];
	if (!check_public_key(a, "key of the node", member->public_key))
		return INVALID;
	for (size_t i = 0; i < members->count; i++) {
		const Pxe__Member *other = (const Pxe__Member *)members->records[i]->message;
		if (strcmp(other->name, member->name) == 0)
			return internal_refuse(a, PXE__VERDICT__VERDICT_EXISTS,
				"node %s is a member already: choose another name, or run pxectl "
				"node remove %s",
				other->name, other->name);
		if (internal_same_bytes(other->public_key, member->public_key))
			return internal_refuse(a, PXE__VERDICT__VERDICT_EXISTS,
				"the key of this node is that of node %s: make a new one",
				other->name);
	}
	if (members->count >= MODEL_MEMBERS_MAX)
		return internal_refuse(a, PXE__VERDICT__VERDICT_LIMIT,
			"the cluster has %d members, its limit: remove one first",
			MODEL_MEMBERS_MAX);
	return OK;
}

Pxe__Verdict apply_member_join(struct apply *a, const Pxe__MemberJoin *join)
{
	Pxe__Verdict verdict = member_check_token(a, join);
	if (verdict == OK)
		verdict = member_check_unique(a, join->member);
	if (verdict == OK)
		verdict = member_check_addresses(a, join->member, 0);
	if (verdict != OK)
		return verdict;
	const Pxe__Settings *old = model_settings(a->model);
	if (old == NULL)
		return internal_refuse(
			a, PXE__VERDICT__VERDICT_NOT_FOUND, "there is no cluster yet");
	Pxe__Settings *settings = (Pxe__Settings *)keep_copy(&old->base);
	Pxe__Member *member = (Pxe__Member *)keep_copy(&join->member->base);
	member->id = settings->next_member_id++;
	member->joined_ms = a->now_ms;
	member->removing = member->forced = member->standby = member->draining = false;
	member->removing_ms = 0;
	a->result->id = member->id;
	uint8_t token_id[8];
	memcpy(token_id, join->token_id.data, sizeof(token_id));
	keep_remove(a->model, a->sink, RECORD_TOKEN, token_id, sizeof(token_id));
	keep_message(a->model, a->sink, RECORD_SETTINGS, &settings->base);
	keep_message(a->model, a->sink, RECORD_MEMBER, &member->base);
	keep_changed(a);
	return OK;
}

/* ---- changes ---- */

Pxe__Verdict apply_member_update(struct apply *a, const Pxe__MemberUpdate *update)
{
	const Pxe__Member *given = update->member;
	const Pxe__Member *old = given == NULL ? NULL : model_member(a->model, given->id);
	if (old == NULL)
		return internal_refuse(
			a, PXE__VERDICT__VERDICT_NOT_FOUND, "there is no such member (any more)");
	Pxe__Member *member = (Pxe__Member *)keep_copy(&old->base);
	keep_set_string(&member->peer_address, given->peer_address);
	keep_set_string(&member->api_address, given->api_address);
	keep_set_string(&member->join_address, given->join_address);
	keep_set_data(&member->serve_ip, given->serve_ip.data, given->serve_ip.len);
	member->http_port = given->http_port;
	Pxe__Verdict verdict = member_check_addresses(a, member, member->id);
	bool is_same = false;
	if (verdict == OK) {
		size_t bytes = protobuf_c_message_get_packed_size(&old->base);
		ProtobufCBinaryData before = keep_data(keep_pack(a->model, &old->base).data, bytes);
		is_same = internal_same_bytes(before, keep_pack(a->model, &member->base));
		keep_set_data(&before, NULL, 0);
	}
	if (verdict != OK || is_same) {
		protobuf_c_message_free_unpacked(&member->base, NULL);
		return verdict;
	}
	keep_message(a->model, a->sink, RECORD_MEMBER, &member->base);
	keep_changed(a);
	return OK;
}

static bool member_is_last_serving(const struct model *model, const Pxe__Member *member)
{
	const struct shelf *members = &model->shelf[RECORD_MEMBER];
	for (size_t i = 0; i < members->count; i++) {
		const Pxe__Member *other = (const Pxe__Member *)members->records[i]->message;
		if (other != member && member_is_serving(other))
			return false;
	}
	return member->role == PXE__MEMBER_ROLE__MEMBER_FULL;
}

/* An operator asserts it: what it may have leased without our knowledge is over after MCLT, and
 * what it may have extended, when that was promised [R7]. */
static void member_is_off(struct apply *a, uint64_t id)
{
	struct model *model = a->model;
	uint64_t off_at_ms = internal_off_at_ms(model, a->now_ms);
	apply_reserve_orphan(a, id, off_at_ms);
	if (model->settle_after_ms < off_at_ms)
		model->settle_after_ms = off_at_ms;
	/* A RELEASE that it did not see when it acknowledged the lease may still come in. */
	model->kept_ms = internal_after(a->now_ms, MODEL_LIFE_MS);
}

Pxe__Verdict apply_member_remove(struct apply *a, const Pxe__MemberRemove *remove)
{
	const Pxe__Member *old = model_member_named(a->model, remove->name);
	if (old == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"there is no such node: see pxectl node list");
	a->result->id = old->id;
	if (old->removing && (old->forced || !remove->force))
		return OK;
	if (!old->removing && member_is_last_serving(a->model, old))
		return internal_refuse(a, CONFLICT,
			"%s is the last node that serves: add another before it leaves", old->name);
	Pxe__Member *member = (Pxe__Member *)keep_copy(&old->base);
	if (!old->removing)
		member->removing_ms = a->now_ms;
	member->removing = true;
	member->forced = remove->force;
	keep_message(a->model, a->sink, RECORD_MEMBER, &member->base);
	if (remove->force)
		member_is_off(a, a->result->id);
	apply_image_on_members(a, 0);
	keep_changed(a);
	return OK;
}

/* Drop its records; what it owned is not looked at. */
static void member_drop(struct apply *a, uint64_t id)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t bytes = record_key_u64(RECORD_MEMBER, id, key);
	keep_remove(a->model, a->sink, RECORD_MEMBER, key + 1, bytes - 1);
	keep_remove(a->model, a->sink, RECORD_WINDOW, key + 1, bytes - 1);
	apply_image_on_members(a, id);
}

Pxe__Verdict apply_member_gone(struct apply *a, const Pxe__MemberGone *gone)
{
	const Pxe__Member *member = model_member(a->model, gone->id);
	if (member == NULL)
		return internal_refuse(
			a, PXE__VERDICT__VERDICT_NOT_FOUND, "there is no such member (any more)");
	if (member_is_last_serving(a->model, member))
		return internal_refuse(a, CONFLICT,
			"%s is the last node that serves: add another before it leaves",
			member->name);
	if (model_has_block(a->model, gone->id))
		return internal_refuse(a, CONFLICT,
			"%s still has a reserve: it gives that back first, or is removed with "
			"--force",
			member->name);
	member_drop(a, gone->id);
	keep_changed(a);
	return OK;
}

/* ---- modes ---- */

static size_t member_voters_but(const struct model *model, const Pxe__Member *but)
{
	size_t count = 0;
	const struct shelf *members = &model->shelf[RECORD_MEMBER];
	for (size_t i = 0; i < members->count; i++) {
		const Pxe__Member *member = (const Pxe__Member *)members->records[i]->message;
		count += member != but && !member->removing && !member->standby ? 1 : 0;
	}
	return count;
}

static bool member_others_take_clients(const struct model *model, const Pxe__Member *but)
{
	const struct shelf *members = &model->shelf[RECORD_MEMBER];
	for (size_t i = 0; i < members->count; i++) {
		const Pxe__Member *member = (const Pxe__Member *)members->records[i]->message;
		if (member != but && member_is_serving(member) && !member->draining)
			return true;
	}
	return false;
}

static Pxe__Verdict member_may_set(struct apply *a, const Pxe__Member *member, Pxe__MemberMode mode)
{
	bool is_witness = member->role == PXE__MEMBER_ROLE__MEMBER_WITNESS;
	if (mode != PXE__MEMBER_MODE__MEMBER_MODE_PROMOTE &&
		mode != PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE &&
		mode != PXE__MEMBER_MODE__MEMBER_MODE_DRAIN &&
		mode != PXE__MEMBER_MODE__MEMBER_MODE_UNDRAIN)
		return internal_refuse(a, INVALID, "mode %d of a node is not known", (int)mode);
	if (member->removing)
		return internal_refuse(a, CONFLICT, "%s is being removed", member->name);
	if (is_witness && (mode == PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE ||
				  mode == PXE__MEMBER_MODE__MEMBER_MODE_DRAIN))
		return internal_refuse(a, INVALID,
			"%s is a witness, its vote is all that it has: remove it instead",
			member->name);
	if (mode == PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE &&
		member_voters_but(a->model, member) == 0)
		return internal_refuse(a, CONFLICT,
			"%s has the last vote: promote another node first", member->name);
	if (mode == PXE__MEMBER_MODE__MEMBER_MODE_DRAIN && !member->draining &&
		!member_others_take_clients(a->model, member))
		return internal_refuse(a, CONFLICT,
			"%s is the last node that takes clients: undrain or add another first",
			member->name);
	return OK;
}

Pxe__Verdict apply_member_set(struct apply *a, const Pxe__MemberSet *set)
{
	const Pxe__Member *old = model_member_named(a->model, set->name);
	if (old == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"there is no such node: see pxectl node list");
	Pxe__Verdict verdict = member_may_set(a, old, set->mode);
	if (verdict != OK)
		return verdict;
	a->result->id = old->id;
	bool standby = old->standby, draining = old->draining;
	if (set->mode == PXE__MEMBER_MODE__MEMBER_MODE_PROMOTE ||
		set->mode == PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE)
		standby = set->mode == PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE;
	else
		draining = set->mode == PXE__MEMBER_MODE__MEMBER_MODE_DRAIN;
	if (standby == old->standby && draining == old->draining)
		return OK;
	Pxe__Member *member = (Pxe__Member *)keep_copy(&old->base);
	member->standby = standby;
	member->draining = draining;
	keep_message(a->model, a->sink, RECORD_MEMBER, &member->base);
	keep_changed(a);
	return OK;
}

/* ---- one goes on alone ---- */

static Pxe__Verdict member_may_recover(struct apply *a, const Pxe__Recover *recover)
{
	const Pxe__Member *survivor = model_member(a->model, recover->survivor);
	const Pxe__Settings *settings = model_settings(a->model);
	if (survivor == NULL || settings == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"the node that is to go on is no member of the cluster");
	if (survivor->role != PXE__MEMBER_ROLE__MEMBER_FULL)
		return internal_refuse(a, INVALID,
			"%s is a witness and holds no clients' files: recover on a node that "
			"serves",
			survivor->name);
	if (recover->epoch <= settings->epoch)
		return internal_refuse(a, CONFLICT, "the cluster is in epoch %llu already",
			(unsigned long long)settings->epoch);
	if (recover->unknown_s > 2 * CHECK_LEASE_MAX_S)
		return internal_refuse(a, INVALID,
			"leases that are not known may run for %u s: use at most %u",
			recover->unknown_s, 2 * CHECK_LEASE_MAX_S);
	return OK;
}

static void member_drop_all_but(struct apply *a, uint64_t survivor)
{
	const struct shelf *members = &a->model->shelf[RECORD_MEMBER];
	for (size_t i = 0; i < members->count;) {
		const Pxe__Member *member = (const Pxe__Member *)members->records[i]->message;
		uint64_t id = member->id;
		if (id == survivor) {
			i++;
			continue;
		}
		member_is_off(a, id);
		member_drop(a, id);
	}
}

static void member_recover_survivor(struct apply *a, uint64_t id)
{
	Pxe__Member *member = (Pxe__Member *)keep_copy(&model_member(a->model, id)->base);
	member->removing = member->forced = member->standby = member->draining = false;
	member->removing_ms = 0;
	keep_message(a->model, a->sink, RECORD_MEMBER, &member->base);
}

Pxe__Verdict apply_recover(struct apply *a, const Pxe__Recover *recover)
{
	struct model *model = a->model;
	Pxe__Verdict verdict = member_may_recover(a, recover);
	if (verdict != OK)
		return verdict;
	if (recover->drop_blocks)
		apply_reserve_drop_all(a);
	member_drop_all_but(a, recover->survivor);
	member_recover_survivor(a, recover->survivor);
	apply_boot_on_recover(a);
	Pxe__Settings *settings = (Pxe__Settings *)keep_copy(&model_settings(model)->base);
	settings->epoch = recover->epoch;
	/* Members and blocks that were made after this state and are lost stay apart from new ones.
	 */
	settings->next_member_id = internal_after(settings->next_member_id, MEMBER_IDS_SKIPPED);
	model->serial = internal_after(model->serial, MEMBER_SERIALS_SKIPPED);
	keep_message(model, a->sink, RECORD_SETTINGS, &settings->base);
	uint64_t unknown_ms = internal_after(a->now_ms, (uint64_t)recover->unknown_s * 1000);
	if (model->unknown_until_ms < unknown_ms && recover->unknown_s != 0)
		model->unknown_until_ms = unknown_ms;
	model->kept_ms = internal_after(a->now_ms, MODEL_LIFE_MS);
	keep_changed(a);
	return OK;
}
