#include "store/model/lease_asker.h"

#include "store/model/check.h"
#include "store/model/levels.h"
#include <string.h>

#define OK      PXE__VERDICT__VERDICT_OK
#define OFFERED PXE__LEASE_STATE__LEASE_OFFERED

void lease_asker_look_at(struct lease_asker *asker, const Pxe__Subnet *subnet)
{
	asker->subnet = subnet;
	internal_subnet_range(subnet, &asker->first, &asker->last);
}

static bool lease_check_text(ProtobufCBinaryData data)
{
	return data.len <= UINT8_MAX;
}

static bool lease_check_matches(struct apply *a, const Pxe__ClientInfo *who)
{
	bool is_good = lease_check_text(who->vendor_class) && lease_check_text(who->circuit_id) &&
		       lease_check_text(who->remote_id) && who->n_user_class <= 16;
	for (size_t i = 0; is_good && i < who->n_user_class; i++)
		is_good = lease_check_text(who->user_class[i]);
	if (!is_good)
		internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"what the client says of itself is longer than its option can be");
	return is_good;
}

Pxe__Verdict lease_asker_init(struct apply *a, const Pxe__ClientInfo *who, const char *subnet,
	struct lease_asker *ret_asker)
{
	if (who == NULL || who->client.len == 0 || who->client.len > MODEL_CLIENT_MAX)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"client identity has %zu bytes: give 1 to %d",
			who == NULL ? 0 : who->client.len, MODEL_CLIENT_MAX);
	if (who->mac.len > 16)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"hardware address has %zu bytes: give at most 16", who->mac.len);
	if (!lease_check_matches(a, who))
		return PXE__VERDICT__VERDICT_INVALID;
	const Pxe__Subnet *found = model_subnet(a->model, subnet);
	if (found == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NO_SUBNET,
			"the client's subnet is not configured: see pxectl subnet list");
	if (found->dhcp == PXE__SUBNET_DHCP__SUBNET_DHCP_PROXY ||
		found->dhcp == PXE__SUBNET_DHCP__SUBNET_DHCP_OFF)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NO_SUBNET,
			"subnet %s gives no addresses: another server does (pxectl subnet set %s "
			"--dhcp on)",
			found->name, found->name);
	const Pxe__Host *host = model_host_of(a->model, who, NULL);
	const char *name, *kind = internal_ignored_by(a->model, found, who, host, &name);
	if (kind != NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_IGNORED,
			"%s %s is set to be ignored: pxectl %s show %s", kind, name, kind, name);
	*ret_asker = (struct lease_asker){.who = who,
		.link = found,
		.host = host,
		.machine = model_machine_of(a->model, who)};
	lease_asker_look_at(ret_asker, found);
	return OK;
}

bool lease_is_client(const struct lease_record *record, ProtobufCBinaryData client)
{
	return record->client_bytes == client.len && client.len > 0 &&
	       memcmp(lease_record_client(record), client.data, client.len) == 0;
}

bool lease_asker_is_mine(
	const struct apply *a, const struct lease_asker *asker, const struct lease_record *record)
{
	if (lease_is_client(record, asker->who->client))
		return true;
	return asker->machine != NULL &&
	       internal_machine_of_lease(a->model, record) == asker->machine;
}

bool lease_asker_is_taken(
	const struct apply *a, const struct lease_asker *asker, const struct lease_record *record)
{
	return record != NULL && a->now_ms < record->free_at_ms &&
	       !lease_asker_is_mine(a, asker, record);
}

bool lease_is_live(const struct apply *a, const struct lease_record *record, uint8_t state)
{
	return record->state == state && a->now_ms < record->expires_ms;
}

bool lease_asker_is_kept(const struct apply *a, const struct lease_asker *asker, uint32_t ip)
{
	if (model_block_of(a->model, ip) != NULL)
		return true;
	const struct lease_record *record = lease_table_find(&a->model->leases, ip);
	if (record != NULL && a->now_ms < record->free_at_ms &&
		lease_is_client(record, asker->who->client))
		return false;
	return !internal_hold_admits(a->model, ip, asker->who);
}

bool lease_is_unknown_time(const struct apply *a)
{
	return a->now_ms < a->model->unknown_until_ms;
}

bool lease_binds_nobody(const struct lease_record *record)
{
	if (record->state == PXE__LEASE_STATE__LEASE_DECLINED)
		return record->promised_ms == 0;
	return record->state == OFFERED && record->since_ms == 0;
}

bool lease_is_passed_on(const struct apply *a, const struct lease_record *record)
{
	return lease_is_unknown_time(a) &&
	       (record->free_at_ms <= a->now_ms || lease_binds_nobody(record));
}

enum lease_right lease_asker_right_to(
	const struct apply *a, const struct lease_asker *asker, uint32_t ip)
{
	if (ip < asker->first || ip > asker->last)
		return LEASE_RIGHT_NONE;
	const Pxe__Host *reserved = model_host_of_ip(a->model, ip);
	if (reserved != NULL)
		return reserved == asker->host ? LEASE_RIGHT_RESERVED : LEASE_RIGHT_OTHERS;
	if (model_pool_for(a->model, asker->subnet, asker->who, ip) == NULL ||
		internal_never_leased(a->model, asker->subnet, ip))
		return LEASE_RIGHT_NONE;
	return LEASE_RIGHT_POOL;
}

/* The identity that the asker's machine has by another of its hardware addresses; 0 bytes: by none
 * of that index. */
static size_t lease_sibling(
	const struct lease_asker *asker, size_t index, uint8_t ret_client[MODEL_CLIENT_MAX])
{
	const Pxe__ClientInfo *who = asker->who;
	if (who->mac.len == 0 || who->client.len != who->mac.len + 1 ||
		memcmp(who->client.data + 1, who->mac.data, who->mac.len) != 0)
		return 0;
	ProtobufCBinaryData mac = asker->machine->mac[index];
	if (mac.len == 0 || mac.len > 16 || internal_same_bytes(mac, who->mac))
		return 0;
	ret_client[0] = who->client.data[0];
	memcpy(ret_client + 1, mac.data, mac.len);
	return mac.len + 1;
}

struct lease_record *lease_asker_own(const struct apply *a, const struct lease_asker *asker)
{
	const char *subnet = asker->subnet->name;
	ProtobufCBinaryData client = asker->who->client;
	struct lease_record *best =
		internal_lease_of_client(a->model, subnet, client.data, client.len);
	for (size_t i = 0; asker->machine != NULL && i < asker->machine->n_mac; i++) {
		uint8_t sibling[MODEL_CLIENT_MAX];
		size_t bytes = lease_sibling(asker, i, sibling);
		struct lease_record *other = NULL;
		if (bytes > 0)
			other = internal_lease_of_client(a->model, subnet, sibling, bytes);
		if (other != NULL && (best == NULL || other->started_ms > best->started_ms))
			best = other;
	}
	return best != NULL && lease_is_passed_on(a, best) ? NULL : best;
}
