/* store/model/put_host.c: hosts, and the records that find them by hardware address, UUID and
 * reserved address. Pure. */
#include "proto/wire/text.h"
#include "store/model/put.h"
#include <stdio.h>
#include <string.h>

#define OK       PXE__VERDICT__VERDICT_OK
#define INVALID  PXE__VERDICT__VERDICT_INVALID
#define CONFLICT PXE__VERDICT__VERDICT_CONFLICT

#define PUT_IPS_MAX      16
#define PUT_IDENTITY_MAX 128 /* bytes of a client identifier, and of a circuit */
#define PUT_MACS_MAX     16

static bool put_is_filled(ProtobufCBinaryData data, uint8_t byte)
{
	for (size_t i = 0; i < data.len; i++) {
		if (data.data[i] != byte)
			return false;
	}
	return true;
}

static Pxe__Verdict put_check_mac(struct apply *a, const Pxe__Host *host, size_t index)
{
	char text[TEXT_HWADDR_BYTES];
	ProtobufCBinaryData mac = host->mac[index];
	if (mac.len == 0 || mac.len > 16)
		return internal_refuse(a, INVALID, "a mac of host %s has %zu bytes: give 1 to 16",
			host->name, mac.len);
	text_hwaddr_format(mac.data, mac.len, text);
	if (put_is_filled(mac, 0) || (mac.len == 6 && (mac.data[0] & 1) != 0))
		return internal_refuse(a, INVALID, "mac %s of host %s is not one machine's: %s",
			text, host->name,
			(mac.data[0] & 1) != 0 ? "it is a group address" : "it is zero");
	for (size_t i = 0; i < index; i++) {
		if (internal_same_bytes(host->mac[i], mac))
			return internal_refuse(a, INVALID,
				"mac %s is given twice for host %s: keep one", text, host->name);
	}
	const Pxe__Host *other = model_host_of_mac(a->model, mac.data, mac.len);
	if (other != NULL && strcmp(other->name, host->name) != 0)
		return internal_refuse(a, CONFLICT,
			"mac %s belongs to host %s: pxectl host show %s", text, other->name,
			other->name);
	return OK;
}

static Pxe__Verdict put_check_ids(struct apply *a, const Pxe__Host *host, const char *what,
	enum record_kind kind, const ProtobufCBinaryData *ids, size_t count)
{
	if (count > PUT_MACS_MAX)
		return internal_refuse(a, INVALID, "host %s has %zu of the kind %s: use at most %d",
			host->name, count, what, PUT_MACS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (ids[i].len == 0 || ids[i].len > PUT_IDENTITY_MAX)
			return internal_refuse(a, INVALID,
				"a %s of host %s has %zu bytes: give 1 to %d", what, host->name,
				ids[i].len, PUT_IDENTITY_MAX);
		for (size_t j = 0; j < i; j++) {
			if (internal_same_bytes(ids[j], ids[i]))
				return internal_refuse(a, INVALID,
					"a %s is given twice for host %s: keep one", what,
					host->name);
		}
		const Pxe__Host *other = internal_host_by(a->model, kind, ids[i]);
		if (other != NULL && strcmp(other->name, host->name) != 0)
			return internal_refuse(a, CONFLICT,
				"a %s of host %s belongs to host %s: pxectl host show %s", what,
				host->name, other->name, other->name);
	}
	return OK;
}

static Pxe__Verdict put_check_identity(struct apply *a, const Pxe__Host *host)
{
	char text[TEXT_UUID_BYTES];
	if (host->n_mac == 0 && host->uuid.len == 0 && host->n_client_id == 0 &&
		host->n_circuit_id == 0)
		return internal_refuse(a, INVALID,
			"host %s has neither mac, uuid, client id nor circuit: give one, so that "
			"it "
			"can be recognised",
			host->name);
	if (host->n_mac > PUT_MACS_MAX)
		return internal_refuse(a, INVALID, "host %s has %zu macs: use at most %d",
			host->name, host->n_mac, PUT_MACS_MAX);
	for (size_t i = 0; i < host->n_mac; i++) {
		Pxe__Verdict verdict = put_check_mac(a, host, i);
		if (verdict != OK)
			return verdict;
	}
	Pxe__Verdict verdict = put_check_ids(
		a, host, "client id", RECORD_HOST_CLIENT_ID, host->client_id, host->n_client_id);
	if (verdict == OK)
		verdict = put_check_ids(a, host, "circuit", RECORD_HOST_CIRCUIT, host->circuit_id,
			host->n_circuit_id);
	if (verdict != OK || host->uuid.len == 0)
		return verdict;
	if (host->uuid.len != 16 || put_is_filled(host->uuid, 0) || put_is_filled(host->uuid, 0xff))
		return internal_refuse(a, INVALID,
			"the uuid of host %s is not one machine's 16 bytes", host->name);
	const Pxe__Host *other = model_host_of_uuid(a->model, host->uuid.data);
	if (other != NULL && strcmp(other->name, host->name) != 0)
		return internal_refuse(a, CONFLICT,
			"uuid %s belongs to host %s: pxectl host show %s",
			text_uuid_format(host->uuid.data, text), other->name, other->name);
	return OK;
}

/* One address in a subnet [P6]. */
static Pxe__Verdict put_check_only_one(
	struct apply *a, const Pxe__Host *host, size_t index, const Pxe__Subnet *subnet)
{
	char text[TEXT_IP4_BYTES], other_text[TEXT_IP4_BYTES];
	uint32_t ip = msg_ip4_get(internal_host_ip(host, index));
	for (size_t i = 0; i < index; i++) {
		uint32_t other = msg_ip4_get(internal_host_ip(host, i));
		if (other == 0 || model_subnet_of(a->model, other) != subnet)
			continue;
		return internal_refuse(a, INVALID,
			"host %s reserves %s and %s, both in subnet %s: one machine has one "
			"address "
			"there",
			host->name, text_ip4_format(other, other_text), text_ip4_format(ip, text),
			subnet->name);
	}
	return OK;
}

static Pxe__Verdict put_check_reserved_ip(struct apply *a, const Pxe__Host *host, size_t index)
{
	char text[TEXT_IP4_BYTES];
	ProtobufCBinaryData bytes = internal_host_ip(host, index);
	if (bytes.len == 0 && index == 0)
		return OK;
	if (!check_ip(a, "reserved address", bytes))
		return INVALID;
	uint32_t ip = msg_ip4_get(bytes);
	text_ip4_format(ip, text);
	const Pxe__Host *other = model_host_of_ip(a->model, ip);
	if (other != NULL && strcmp(other->name, host->name) != 0)
		return internal_refuse(a, CONFLICT,
			"address %s is reserved for host %s: pxectl host show %s", text,
			other->name, other->name);
	const Pxe__Subnet *subnet = model_subnet_of(a->model, ip);
	if (subnet == NULL)
		return internal_refuse(a, INVALID,
			"reserved address %s of host %s is in no subnet: add the subnet first, or "
			"see: "
			"pxectl subnet list",
			text, host->name);
	const char *whose = internal_ip_of_cluster(a->model, subnet, ip);
	if (whose != NULL)
		return internal_refuse(a, INVALID, "address %s of host %s is %s: choose another",
			text, host->name, whose);
	return put_check_only_one(a, host, index, subnet);
}

static Pxe__Verdict put_check_reservation(struct apply *a, const Pxe__Host *host)
{
	Pxe__Verdict verdict = OK;
	if (internal_host_ips(host) > PUT_IPS_MAX)
		return internal_refuse(a, INVALID, "host %s reserves %zu addresses: use at most %d",
			host->name, internal_host_ips(host), PUT_IPS_MAX);
	for (size_t i = 0; verdict == OK && i < internal_host_ips(host); i++)
		verdict = put_check_reserved_ip(a, host, i);
	return verdict;
}

static Pxe__Verdict put_check_host_terms(struct apply *a, const Pxe__Host *host)
{
	char what[MODEL_NAME_MAX + 8];
	snprintf(what, sizeof(what), "host %s", host->name);
	if (!check_groups(a, what, host->groups, host->n_groups) ||
		!check_lease_times(a, what, host->lease_s, host->lease_min_s, host->lease_max_s) ||
		!check_options(a, what, host->options, host->n_options) ||
		!check_quirks(a, what, host->quirks) ||
		!check_arch_profiles(a, what, host->profiles, host->n_profiles) ||
		!check_vars(a, what, host->vars, host->n_vars) || !check_owner(a, host->owner))
		return INVALID;
	return OK;
}

static bool put_has(const ProtobufCBinaryData *list, size_t count, ProtobufCBinaryData data)
{
	for (size_t i = 0; i < count; i++) {
		if (internal_same_bytes(list[i], data))
			return true;
	}
	return false;
}

static bool put_same(const ProtobufCBinaryData *list, size_t count,
	const ProtobufCBinaryData *other, size_t other_count)
{
	bool is_same = count == other_count;
	for (size_t i = 0; is_same && i < count; i++)
		is_same = put_has(other, other_count, list[i]);
	return is_same;
}

static bool put_has_ip(const Pxe__Host *host, ProtobufCBinaryData ip)
{
	for (size_t i = 0; host != NULL && i < internal_host_ips(host); i++) {
		if (internal_same_bytes(internal_host_ip(host, i), ip))
			return true;
	}
	return false;
}

/* The records that find the host, those that `old` had too among them. */
static void put_index(struct apply *a, const Pxe__Host *host, const Pxe__Host *old)
{
	for (size_t i = 0; i < host->n_mac; i++)
		keep_text(a->model, a->sink, RECORD_HOST_MAC, host->mac[i], host->name);
	for (size_t i = 0; i < host->n_client_id; i++)
		keep_text(a->model, a->sink, RECORD_HOST_CLIENT_ID, host->client_id[i], host->name);
	for (size_t i = 0; i < host->n_circuit_id; i++)
		keep_text(a->model, a->sink, RECORD_HOST_CIRCUIT, host->circuit_id[i], host->name);
	if (host->uuid.len != 0)
		keep_text(a->model, a->sink, RECORD_HOST_UUID, host->uuid, host->name);
	for (size_t i = 0; i < internal_host_ips(host); i++) {
		ProtobufCBinaryData ip = internal_host_ip(host, i);
		if (ip.len != 0 && !put_has_ip(old, ip))
			keep_text(a->model, a->sink, RECORD_HOST_IP, ip, host->name);
	}
}

static void put_unindex_list(struct apply *a, enum record_kind kind, const ProtobufCBinaryData *old,
	size_t count, const ProtobufCBinaryData *now, size_t now_count)
{
	for (size_t i = 0; i < count; i++) {
		if (!put_has(now, now_count, old[i]))
			keep_remove(a->model, a->sink, kind, old[i].data, old[i].len);
	}
}

/* Remove the index records that `now` has no more. */
static void put_unindex(struct apply *a, const Pxe__Host *old, const Pxe__Host *now)
{
	put_unindex_list(a, RECORD_HOST_MAC, old->mac, old->n_mac, now->mac, now->n_mac);
	put_unindex_list(a, RECORD_HOST_CLIENT_ID, old->client_id, old->n_client_id, now->client_id,
		now->n_client_id);
	put_unindex_list(a, RECORD_HOST_CIRCUIT, old->circuit_id, old->n_circuit_id,
		now->circuit_id, now->n_circuit_id);
	if (old->uuid.len != 0 && !internal_same_bytes(old->uuid, now->uuid))
		keep_remove(a->model, a->sink, RECORD_HOST_UUID, old->uuid.data, old->uuid.len);
	for (size_t i = 0; i < internal_host_ips(old); i++) {
		ProtobufCBinaryData ip = internal_host_ip(old, i);
		if (ip.len != 0 && !put_has_ip(now, ip))
			keep_remove(a->model, a->sink, RECORD_HOST_IP, ip.data, ip.len);
	}
}

static bool put_is_same_machine(const Pxe__Host *old, const Pxe__Host *now)
{
	return put_same(old->mac, old->n_mac, now->mac, now->n_mac) &&
	       put_same(old->client_id, old->n_client_id, now->client_id, now->n_client_id) &&
	       put_same(old->circuit_id, old->n_circuit_id, now->circuit_id, now->n_circuit_id) &&
	       internal_same_bytes(old->uuid, now->uuid);
}

/* The addresses were fixed to another machine before, or are fixed to none any more: a node that
 * does not know yet may lease them to it [R5]. */
static void put_hold(struct apply *a, const Pxe__Host *old, const Pxe__Host *now)
{
	bool is_same = put_is_same_machine(old, now);
	for (size_t i = 0; i < internal_host_ips(old); i++) {
		ProtobufCBinaryData ip = internal_host_ip(old, i);
		if (ip.len == 4 && !(is_same && put_has_ip(now, ip)))
			apply_settle_hold(a, ip, old);
	}
}

/* Since a recovery an address may be leased to a machine that is not known: nobody gets it by a new
 * reservation before such leases are over. */
static void put_hold_unknown(struct apply *a, const Pxe__Host *old, const Pxe__Host *now)
{
	for (size_t i = 0; i < internal_host_ips(now); i++) {
		ProtobufCBinaryData ip = internal_host_ip(now, i);
		if (ip.len == 4 && a->now_ms < a->model->unknown_until_ms && !put_has_ip(old, ip))
			apply_settle_hold(a, ip, NULL);
	}
}

void put_host_remove(struct apply *a, const Pxe__Host *host)
{
	char name[MODEL_NAME_MAX + 1];
	memcpy(name, host->name, strlen(host->name) + 1);
	const Pxe__Host nothing = PXE__HOST__INIT;
	put_hold(a, host, &nothing);
	put_unindex(a, host, &nothing);
	keep_remove(a->model, a->sink, RECORD_HOST, name, strlen(name));
}

Pxe__Verdict put_host(struct apply *a, const Pxe__Put *put, const Pxe__Host *host)
{
	if (!check_name(a, "host name", host->name))
		return INVALID;
	const Pxe__Host *old = model_host(a->model, host->name);
	Pxe__Verdict verdict =
		put_admit(a, put, old != NULL, RECORD_HOST, MODEL_HOSTS_MAX, "host", host->name);
	if (verdict == OK)
		verdict = put_check_identity(a, host);
	if (verdict == OK)
		verdict = put_check_reservation(a, host);
	if (verdict == OK)
		verdict = put_check_host_terms(a, host);
	if (verdict != OK)
		return verdict;
	if (host->hostname[0] != '\0' && !check_name(a, "hostname", host->hostname))
		return INVALID;
	if (!check_profile_ref(a, "profile of the host", host->profile))
		return INVALID;
	put_hold_unknown(a, old, host);
	if (old != NULL) {
		put_hold(a, old, host);
		put_unindex(a, old, host);
	}
	put_index(a, host, old);
	keep_message(a->model, a->sink, RECORD_HOST, keep_copy(&host->base));
	return OK;
}
