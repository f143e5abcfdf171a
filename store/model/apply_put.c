/* store/model/apply_put.c: create or replace one configuration object: preconditions, then the
 * kind's own rules. Pure. */
#include "store/model/put.h"

#include "proto/wire/text.h"
#include "store/model/put_menu.h"
#include <stdio.h>
#include <string.h>

#define OK       PXE__VERDICT__VERDICT_OK
#define INVALID  PXE__VERDICT__VERDICT_INVALID
#define CONFLICT PXE__VERDICT__VERDICT_CONFLICT

#define PUT_RESERVE_MAX_PERCENT 90
#define PUT_TOKEN_MAX_MS        (UINT64_C(366) * 86400000)

Pxe__Verdict put_admit(struct apply *a, const Pxe__Put *put, bool exists, enum record_kind kind,
	size_t max, const char *what, const char *name)
{
	if (put->precondition == PXE__PRECONDITION__PUT_CREATE && exists)
		return internal_refuse(a, PXE__VERDICT__VERDICT_EXISTS,
			"%s %s exists: change it with set, or choose another name", what, name);
	if (put->precondition == PXE__PRECONDITION__PUT_UPDATE && !exists)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NOT_FOUND,
			"%s %s does not exist: see pxectl %s list", what, name, what);
	if (!exists && a->model->shelf[kind].count >= max)
		return internal_refuse(a, PXE__VERDICT__VERDICT_LIMIT,
			"there are %zu %ss, the limit: remove one first", max, what);
	return OK;
}

/* ---- profiles ---- */

static bool put_check_profile_files(struct apply *a, const Pxe__Profile *profile)
{
	if (profile->kernel[0] != '\0' && !check_path(a, "kernel", profile->kernel))
		return false;
	if (profile->n_initrd > 16) {
		internal_refuse(a, INVALID, "%zu initrds: use at most 16", profile->n_initrd);
		return false;
	}
	for (size_t i = 0; i < profile->n_initrd; i++) {
		if (!check_path(a, "initrd", profile->initrd[i]))
			return false;
	}
	return check_profile_texts(a, profile) &&
	       check_loaders(a, "loader", profile->loaders, profile->n_loaders);
}

/* What its machines get besides its files. */
static bool put_check_profile_terms(struct apply *a, const Pxe__Profile *profile)
{
	char what[MODEL_NAME_MAX + 16];
	snprintf(what, sizeof(what), "profile %s", profile->name);
	if (profile->chain < PXE__CHAIN__CHAIN_DEFAULT ||
		profile->chain > PXE__CHAIN__CHAIN_PXELINUX) {
		internal_refuse(a, INVALID,
			"chain %d of %s is not known: use ipxe, grub, shim, pxelinux or default",
			(int)profile->chain, what);
		return false;
	}
	return check_vars(a, what, profile->vars, profile->n_vars) &&
	       check_owner(a, profile->owner) && put_check_menu(a, profile);
}

static const char *put_profile_flaw(const Pxe__Profile *profile)
{
	bool has_kernel = profile->kernel[0] != '\0', has_script = profile->script[0] != '\0';
	bool has_other = profile->grub_script[0] != '\0' || profile->pxelinux_script[0] != '\0';
	bool has_files = has_kernel || profile->n_loaders > 0;
	if (has_kernel && has_script)
		return "has a kernel and a script: the script replaces the kernel, keep one";
	if (profile->n_initrd > 0 && !has_kernel && !has_script && !has_other)
		return "has an initrd but no kernel: add the kernel";
	if (has_files && profile->image[0] == '\0')
		return "names files but no image that holds them: add the image";
	if (!has_files && !has_script && !has_other && !profile->local && profile->menu == NULL)
		return "boots nothing: give it a kernel, a script, loaders, a menu, or local";
	return NULL;
}

static Pxe__Verdict put_profile(struct apply *a, const Pxe__Put *put, const Pxe__Profile *profile)
{
	if (!check_name(a, "profile name", profile->name))
		return INVALID;
	if (check_is_builtin_profile(profile->name))
		return internal_refuse(
			a, INVALID, "profile %s is built in: choose another name", profile->name);
	bool exists = model_profile(a->model, profile->name) != NULL;
	Pxe__Verdict verdict = put_admit(
		a, put, exists, RECORD_PROFILE, MODEL_PROFILES_MAX, "profile", profile->name);
	if (verdict != OK)
		return verdict;
	if (profile->image[0] != '\0' &&
		!check_image_ref(a, "image of the profile", profile->image))
		return INVALID;
	if (!put_check_profile_files(a, profile) || !put_check_profile_terms(a, profile))
		return INVALID;
	const char *flaw = put_profile_flaw(profile);
	if (flaw != NULL)
		return internal_refuse(a, INVALID, "profile %s %s", profile->name, flaw);
	keep_message(a->model, a->sink, RECORD_PROFILE, keep_copy(&profile->base));
	return OK;
}

/* ---- settings ---- */

static bool put_check_reserve(struct apply *a, uint32_t percent)
{
	if (percent <= PUT_RESERVE_MAX_PERCENT)
		return true;
	internal_refuse(a, INVALID,
		"reserves of %u %% of the free addresses: use 1 to %d, or 0 for the default",
		percent, PUT_RESERVE_MAX_PERCENT);
	return false;
}

/* What the cluster says for every machine. */
static bool put_check_cluster_terms(struct apply *a, const Pxe__Settings *settings)
{
	static const char what[] = "the cluster";
	if (settings->syslog < PXE__TOGGLE__TOGGLE_UNSET ||
		settings->syslog > PXE__TOGGLE__TOGGLE_YES) {
		internal_refuse(a, INVALID, "syslog is neither yes, no nor default");
		return false;
	}
	return check_lease_times(
		       a, what, settings->lease_s, settings->lease_min_s, settings->lease_max_s) &&
	       check_options(a, what, settings->options, settings->n_options) &&
	       check_quirks(a, what, settings->quirks) &&
	       check_profile_ref(a, "default profile", settings->profile) &&
	       check_arch_profiles(a, what, settings->profiles, settings->n_profiles) &&
	       check_vars(a, what, settings->vars, settings->n_vars) &&
	       check_ips(a, "DNS server", settings->dns_ip, settings->n_dns_ip, 8) &&
	       check_domain(a, what, settings->domain);
}

static bool put_check_settings(struct apply *a, const Pxe__Settings *settings)
{
	if (!check_name(a, "cluster name", settings->cluster))
		return false;
	if (settings->server_ip.len != 0 && !check_ip(a, "server address", settings->server_ip))
		return false;
	if (settings->dhcp != PXE__DHCP_MODE__DHCP_OFF &&
		settings->dhcp != PXE__DHCP_MODE__DHCP_ON &&
		settings->dhcp != PXE__DHCP_MODE__DHCP_PROXY) {
		internal_refuse(a, INVALID, "dhcp mode %d is not known: use on, proxy or off",
			(int)settings->dhcp);
		return false;
	}
	if (settings->known_percent > 90) {
		internal_refuse(a, INVALID, "%u %% kept for declared hosts: use at most 90",
			settings->known_percent);
		return false;
	}
	return put_check_cluster_terms(a, settings) &&
	       check_seconds(a, "mclt", settings->mclt_s, 1, 86400) &&
	       check_seconds(a, "offer time", settings->offer_s, 1, 3600) &&
	       check_seconds(a, "decline time", settings->decline_s, 1, 604800) &&
	       put_check_reserve(a, settings->reserve_percent) &&
	       check_loaders(a, "loader", settings->loaders, settings->n_loaders);
}

/* The cluster's own address must be nobody else's. */
static Pxe__Verdict put_check_server_ip(
	struct apply *a, const Pxe__Settings *settings, const Pxe__Settings *old)
{
	char text[TEXT_IP4_BYTES];
	struct lease lease;
	uint32_t ip = msg_ip4_get(settings->server_ip);
	if (ip == 0 || (old != NULL && internal_same_bytes(settings->server_ip, old->server_ip)))
		return OK;
	text_ip4_format(ip, text);
	const Pxe__Host *host = model_host_of_ip(a->model, ip);
	if (host != NULL)
		return internal_refuse(a, CONFLICT,
			"server address %s is reserved for host %s: pxectl host show %s", text,
			host->name, host->name);
	if (model_block_of(a->model, ip) != NULL)
		return internal_refuse(a, CONFLICT,
			"server address %s is in the reserve of a node: take it out of its pool, "
			"then retry",
			text);
	if (model_lease_of_ip(a->model, ip, &lease) &&
		lease_state_at(&lease, a->now_ms) != PXE__LEASE_STATE__LEASE_FREE)
		return internal_refuse(a, CONFLICT,
			"server address %s is leased to a client: pxectl lease show %s", text,
			text);
	return OK;
}

static bool put_is_fixed(ProtobufCBinaryData given, ProtobufCBinaryData fixed)
{
	return given.len == 0 || internal_same_bytes(given, fixed);
}

/* A node that does not know of a shorter MCLT yet goes on with the longer one. apply_put() writes
 * the clock. */
static void put_keep_mclt(struct apply *a, uint64_t was_ms)
{
	if (was_ms <= model_mclt_ms(a->model))
		return;
	a->model->mclt_was_s = (uint32_t)(was_ms / 1000);
	a->model->mclt_was_ms = a->now_ms;
}

/* What a cluster is given once is kept: its id, the API key, the member counter. */
static Pxe__Verdict put_settings(
	struct apply *a, const Pxe__Put *put, const Pxe__Settings *settings)
{
	const Pxe__Settings *old = model_settings(a->model);
	if (old == NULL)
		return internal_refuse(
			a, PXE__VERDICT__VERDICT_NOT_FOUND, "there is no cluster yet");
	if (put->precondition == PXE__PRECONDITION__PUT_CREATE)
		return internal_refuse(a, PXE__VERDICT__VERDICT_EXISTS, "the cluster has settings");
	if (!put_check_settings(a, settings))
		return INVALID;
	if (!put_is_fixed(settings->cluster_id, old->cluster_id))
		return internal_refuse(a, INVALID, "the cluster id cannot be changed");
	if (!put_is_fixed(settings->api_public_key, old->api_public_key))
		return internal_refuse(a, INVALID, "the cluster's API key cannot be changed");
	Pxe__Verdict verdict = put_check_server_ip(a, settings, old);
	if (verdict != OK)
		return verdict;
	Pxe__Settings *copy = (Pxe__Settings *)keep_copy(&settings->base);
	keep_set_data(&copy->cluster_id, old->cluster_id.data, old->cluster_id.len);
	keep_set_data(&copy->api_public_key, old->api_public_key.data, old->api_public_key.len);
	copy->next_member_id = old->next_member_id;
	copy->epoch = old->epoch;
	uint64_t mclt_was_ms = model_mclt_bound_ms(a->model);
	keep_message(a->model, a->sink, RECORD_SETTINGS, &copy->base);
	put_keep_mclt(a, mclt_was_ms);
	return OK;
}

/* ---- operators and tokens ---- */

static Pxe__Verdict put_operator(
	struct apply *a, const Pxe__Put *put, const Pxe__Operator *operator_)
{
	if (!check_name(a, "key name", operator_->name))
		return INVALID;
	bool exists = keep_find(a->model, RECORD_OPERATOR, operator_->name,
			      strlen(operator_->name)) != NULL;
	Pxe__Verdict verdict = put_admit(
		a, put, exists, RECORD_OPERATOR, MODEL_OPERATORS_MAX, "key", operator_->name);
	if (verdict != OK)
		return verdict;
	if (!check_public_key(a, "operator's key", operator_->public_key))
		return INVALID;
	const Pxe__Operator *same = model_operator_of_key(a->model, operator_->public_key.data);
	if (same != NULL && strcmp(same->name, operator_->name) != 0)
		return internal_refuse(a, CONFLICT,
			"this key is known as %s already: pxectl key list", same->name);
	keep_message(a->model, a->sink, RECORD_OPERATOR, keep_copy(&operator_->base));
	return OK;
}

static Pxe__Verdict put_token(struct apply *a, const Pxe__Put *put, const Pxe__Token *token)
{
	if (token->id.len != 8 || token->secret_hash.len != 32)
		return internal_refuse(a, INVALID,
			"token id has %zu bytes and its hash %zu: give 8 and 32", token->id.len,
			token->secret_hash.len);
	char hex[17];
	text_hex_format(token->id.data, 8, hex, sizeof(hex));
	bool exists = keep_find(a->model, RECORD_TOKEN, token->id.data, 8) != NULL;
	Pxe__Verdict verdict =
		put_admit(a, put, exists, RECORD_TOKEN, MODEL_TOKENS_MAX, "token", hex);
	if (verdict != OK)
		return verdict;
	if (token->kind != PXE__TOKEN_KIND__TOKEN_NODE &&
		token->kind != PXE__TOKEN_KIND__TOKEN_WITNESS)
		return internal_refuse(a, INVALID,
			"token kind %d is not known: use node or witness", (int)token->kind);
	if (token->for_name[0] != '\0') {
		if (!check_name(a, "node name of the token", token->for_name))
			return INVALID;
		if (model_member_named(a->model, token->for_name) != NULL)
			return internal_refuse(a, CONFLICT,
				"node %s is a member already: choose another name, or remove it "
				"first",
				token->for_name);
	}
	if (token->expires_ms <= a->now_ms || token->expires_ms - a->now_ms > PUT_TOKEN_MAX_MS)
		return internal_refuse(a, INVALID, "a token is valid for 1 s to 366 days");
	keep_message(a->model, a->sink, RECORD_TOKEN, keep_copy(&token->base));
	return OK;
}

/* ---- all kinds ---- */

static Pxe__Verdict put_object(struct apply *a, const Pxe__Put *put)
{
	switch (put->object_case) {
	case PXE__PUT__OBJECT_SUBNET:
		if (put->subnet != NULL)
			return put_subnet(a, put, put->subnet);
		break;
	case PXE__PUT__OBJECT_POOL:
		if (put->pool != NULL)
			return put_pool(a, put, put->pool);
		break;
	case PXE__PUT__OBJECT_HOST:
		if (put->host != NULL)
			return put_host(a, put, put->host);
		break;
	case PXE__PUT__OBJECT_PROFILE:
		if (put->profile != NULL)
			return put_profile(a, put, put->profile);
		break;
	case PXE__PUT__OBJECT_SETTINGS:
		if (put->settings != NULL)
			return put_settings(a, put, put->settings);
		break;
	case PXE__PUT__OBJECT_OPERATOR_KEY:
		if (put->operator_key != NULL)
			return put_operator(a, put, put->operator_key);
		break;
	case PXE__PUT__OBJECT_TOKEN:
		if (put->token != NULL)
			return put_token(a, put, put->token);
		break;
	case PXE__PUT__OBJECT_GROUP:
		if (put->group != NULL)
			return put_group(a, put, put->group);
		break;
	case PXE__PUT__OBJECT__NOT_SET:
	case _PXE__PUT__OBJECT__CASE_IS_INT_SIZE:
	default: break;
	}
	return internal_refuse(a, INVALID, "the change names no object, or one of a newer version");
}

Pxe__Verdict apply_put(struct apply *a, const Pxe__Put *put)
{
	if (put->if_revision != 0 && put->if_revision != a->model->revision)
		return internal_refuse(a, CONFLICT,
			"the configuration is at revision %llu, not %llu: look at it again, then "
			"retry",
			(unsigned long long)a->model->revision,
			(unsigned long long)put->if_revision);
	if (put->precondition != PXE__PRECONDITION__PUT_ANY &&
		put->precondition != PXE__PRECONDITION__PUT_CREATE &&
		put->precondition != PXE__PRECONDITION__PUT_UPDATE)
		return internal_refuse(
			a, INVALID, "precondition %d is not known", (int)put->precondition);
	Pxe__Verdict verdict = put_object(a, put);
	if (verdict == OK)
		keep_changed(a);
	return verdict;
}
