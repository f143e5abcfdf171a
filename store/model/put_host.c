/* store/model/put_host.c: hosts, and the records that find them by hardware address, UUID and
 * reserved address. Pure. */
#include "proto/wire/text.h"
#include "store/model/put.h"
#include <string.h>

#define OK       PXE__VERDICT__VERDICT_OK
#define INVALID  PXE__VERDICT__VERDICT_INVALID
#define CONFLICT PXE__VERDICT__VERDICT_CONFLICT

#define PUT_MACS_MAX 16
#define PUT_VARS_MAX 64

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

static Pxe__Verdict put_check_identity(struct apply *a, const Pxe__Host *host)
{
	char text[TEXT_UUID_BYTES];
	if (host->n_mac == 0 && host->uuid.len == 0)
		return internal_refuse(a, INVALID,
			"host %s has neither mac nor uuid: give one, so that it can be recognised",
			host->name);
	if (host->n_mac > PUT_MACS_MAX)
		return internal_refuse(a, INVALID, "host %s has %zu macs: use at most %d",
			host->name, host->n_mac, PUT_MACS_MAX);
	for (size_t i = 0; i < host->n_mac; i++) {
		Pxe__Verdict verdict = put_check_mac(a, host, i);
		if (verdict != OK)
			return verdict;
	}
	if (host->uuid.len == 0)
		return OK;
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

static Pxe__Verdict put_check_reservation(struct apply *a, const Pxe__Host *host)
{
	char text[TEXT_IP4_BYTES];
	if (host->ip.len == 0)
		return OK;
	if (!check_ip(a, "reserved address", host->ip))
		return INVALID;
	uint32_t ip = msg_ip4_get(host->ip);
	text_ip4_format(ip, text);
	if (host->n_mac == 0)
		return internal_refuse(a, INVALID,
			"host %s reserves %s but has no mac: reservations go by mac, give one",
			host->name, text);
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
	return OK;
}

static bool put_is_variable_name(const char *name)
{
	return name[0] != '\0' && strlen(name) <= MODEL_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
		       strlen(name);
}

static Pxe__Verdict put_check_variables(struct apply *a, const Pxe__Host *host)
{
	if (host->n_vars > PUT_VARS_MAX)
		return internal_refuse(a, INVALID, "host %s has %zu variables: use at most %d",
			host->name, host->n_vars, PUT_VARS_MAX);
	for (size_t i = 0; i < host->n_vars; i++) {
		const Pxe__Variable *variable = host->vars[i];
		if (!put_is_variable_name(variable->name))
			return internal_refuse(a, INVALID,
				"variable %zu of host %s: name it with letters, digits and '_'",
				i + 1, host->name);
		if (!check_text(a, "value of a variable", variable->value, 1024, false))
			return INVALID;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(host->vars[j]->name, variable->name) == 0)
				return internal_refuse(a, INVALID,
					"variable %s of host %s is given twice: keep one",
					variable->name, host->name);
		}
	}
	return OK;
}

/* Write or remove the index records of a host. */
static void put_index(struct apply *a, const Pxe__Host *host, const Pxe__Host *unless)
{
	for (size_t i = 0; i < host->n_mac; i++)
		keep_text(a->model, a->sink, RECORD_HOST_MAC, host->mac[i], host->name);
	if (host->uuid.len != 0)
		keep_text(a->model, a->sink, RECORD_HOST_UUID, host->uuid, host->name);
	if (host->ip.len != 0 && (unless == NULL || !internal_same_bytes(unless->ip, host->ip)))
		keep_text(a->model, a->sink, RECORD_HOST_IP, host->ip, host->name);
}

static bool put_has_mac(const Pxe__Host *host, ProtobufCBinaryData mac)
{
	for (size_t i = 0; host != NULL && i < host->n_mac; i++) {
		if (internal_same_bytes(host->mac[i], mac))
			return true;
	}
	return false;
}

/* Remove the index records that `now` (NULL: nothing) has no more. */
static void put_unindex(struct apply *a, const Pxe__Host *old, const Pxe__Host *now)
{
	for (size_t i = 0; i < old->n_mac; i++) {
		if (!put_has_mac(now, old->mac[i]))
			keep_remove(a->model, a->sink, RECORD_HOST_MAC, old->mac[i].data,
				old->mac[i].len);
	}
	if (old->uuid.len != 0 && (now == NULL || !internal_same_bytes(old->uuid, now->uuid)))
		keep_remove(a->model, a->sink, RECORD_HOST_UUID, old->uuid.data, old->uuid.len);
	if (old->ip.len != 0 && (now == NULL || !internal_same_bytes(old->ip, now->ip)))
		keep_remove(a->model, a->sink, RECORD_HOST_IP, old->ip.data, old->ip.len);
}

/* The address was fixed to other machines before: a node that does not know yet may lease it to
 * them [R5]. */
static void put_hold(struct apply *a, const Pxe__Host *old, const Pxe__Host *now)
{
	if (old->ip.len != 4)
		return;
	bool is_same =
		now != NULL && internal_same_bytes(old->ip, now->ip) && old->n_mac == now->n_mac;
	for (size_t i = 0; is_same && i < old->n_mac; i++)
		is_same = put_has_mac(now, old->mac[i]);
	if (!is_same)
		apply_settle_hold(a, old);
}

/* Since a recovery the address may be leased to a machine that is not known: nobody gets it by a
 * new reservation before such leases are over. */
static void put_hold_unknown(struct apply *a, const Pxe__Host *old, const Pxe__Host *now)
{
	bool had_it = old != NULL && internal_same_bytes(old->ip, now->ip);
	if (now->ip.len != 4 || had_it || a->now_ms >= a->model->unknown_until_ms)
		return;
	Pxe__Host nobody = PXE__HOST__INIT;
	nobody.ip = now->ip;
	apply_settle_hold(a, &nobody);
}

void put_host_remove(struct apply *a, const Pxe__Host *host)
{
	char name[MODEL_NAME_MAX + 1];
	memcpy(name, host->name, strlen(host->name) + 1);
	put_hold(a, host, NULL);
	put_unindex(a, host, NULL);
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
		verdict = put_check_variables(a, host);
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
