/* store/model/apply_import.c: leases that another server gave. Pure.
 *
 * They are taken as they are: nothing that a client was told is shortened, and nothing that the
 * cluster knows. An address need not be in a pool: it runs out and is not renewed then. */
#include "proto/wire/text.h"
#include "store/model/check.h"
#include "store/model/keep.h"
#include "store/model/levels.h"
#include <string.h>

#define OK       PXE__VERDICT__VERDICT_OK
#define INVALID  PXE__VERDICT__VERDICT_INVALID
#define CONFLICT PXE__VERDICT__VERDICT_CONFLICT

#define IMPORT_HTYPE_ETHERNET 1
#define IMPORT_LONGEST_MS     UINT64_C(3155760000000) /* 100 years: "for ever" */

static Pxe__Verdict import_check(struct apply *a, const Pxe__Lease *lease)
{
	if (!check_ip(a, "leased address", lease->ip))
		return INVALID;
	if (lease->mac.len == 0 || lease->mac.len > 16)
		return internal_refuse(a, INVALID,
			"the lease's hardware address has %zu bytes: give 1 to 16", lease->mac.len);
	if (lease->client_id.len > UINT8_MAX)
		return internal_refuse(
			a, INVALID, "its client identifier has %zu bytes", lease->client_id.len);
	if (lease->hostname[0] != '\0' && !check_is_name(lease->hostname))
		return internal_refuse(a, INVALID, "its host name is none");
	if (lease->expires_ms <= a->now_ms)
		return internal_refuse(a, INVALID, "it has run out");
	if (lease->expires_ms - a->now_ms > IMPORT_LONGEST_MS)
		return internal_refuse(a, INVALID, "it would run for more than 100 years");
	return OK;
}

/* May nobody else act on the address? */
static Pxe__Verdict import_check_place(
	struct apply *a, const Pxe__ClientInfo *who, const Pxe__Subnet *subnet, uint32_t ip)
{
	char text[TEXT_IP4_BYTES];
	text_ip4_format(ip, text);
	const char *whose = internal_ip_of_cluster(a->model, subnet, ip);
	if (whose != NULL)
		return internal_refuse(a, CONFLICT, "address %s is %s", text, whose);
	const Pxe__Block *block = model_block_of(a->model, ip);
	const Pxe__Member *owner = block != NULL ? model_member(a->model, block->owner) : NULL;
	if (block != NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_RESERVE,
			"address %s is in the reserve of %s: import leases before their pool is "
			"added",
			text, owner != NULL ? owner->name : "a node that was removed");
	const Pxe__Host *host = model_host_of_ip(a->model, ip);
	if (host != NULL && model_machine_of(a->model, who) != host)
		return internal_refuse(
			a, CONFLICT, "address %s is reserved for host %s", text, host->name);
	if (!internal_hold_admits(a->model, ip, who))
		return internal_refuse(a, PXE__VERDICT__VERDICT_RESERVE,
			"address %s is kept until every node knows that its reservation changed",
			text);
	return OK;
}

static Pxe__Verdict import_check_others(
	struct apply *a, const Pxe__ClientInfo *who, const Pxe__Subnet *subnet, uint32_t ip)
{
	char text[TEXT_IP4_BYTES];
	const struct lease_record *record = lease_table_find(&a->model->leases, ip);
	if (record != NULL && a->now_ms < record->free_at_ms &&
		!internal_lease_is_of(a->model, record, who))
		return internal_refuse(a, PXE__VERDICT__VERDICT_IN_USE,
			"address %s is another client's here", text_ip4_format(ip, text));
	const struct lease_record *own =
		internal_lease_of_client(a->model, subnet->name, who->client.data, who->client.len);
	if (own != NULL && own->ip != ip && a->now_ms < own->expires_ms)
		return internal_refuse(
			a, CONFLICT, "the client has %s here", text_ip4_format(own->ip, text));
	return OK;
}

static void import_keep(struct apply *a, const Pxe__Lease *given, const Pxe__ClientInfo *who,
	const Pxe__Subnet *subnet)
{
	uint32_t ip = msg_ip4_get(given->ip);
	const struct lease_record *old = lease_table_find(&a->model->leases, ip);
	Pxe__Lease lease = *given;
	lease.state = PXE__LEASE_STATE__LEASE_BOUND;
	lease.client = who->client;
	lease.subnet = subnet->name;
	lease.started_ms = a->now_ms;
	lease.since_ms = a->now_ms;
	lease.released_ms = 0;
	lease.uuid = (ProtobufCBinaryData){0, NULL};
	lease.node = (uint32_t)a->command->origin;
	lease.promised_ms = internal_after(lease.expires_ms, model_mclt_ms(a->model));
	if (old != NULL && a->now_ms < old->free_at_ms) {
		lease.expires_ms = internal_max(lease.expires_ms, old->expires_ms);
		lease.promised_ms = internal_max(lease.promised_ms, old->promised_ms);
	}
	internal_lease_copy(keep_lease(a->model, a->sink, &lease), &a->result->lease);
}

Pxe__Verdict apply_lease_import(struct apply *a, const Pxe__LeaseImport *import)
{
	const Pxe__Lease *lease = import->lease;
	uint8_t client[1 + 16] = {IMPORT_HTYPE_ETHERNET};
	Pxe__ClientInfo who = PXE__CLIENT_INFO__INIT;
	if (lease == NULL)
		return internal_refuse(a, INVALID, "the command holds no lease");
	Pxe__Verdict verdict = import_check(a, lease);
	if (verdict != OK)
		return verdict;
	uint32_t ip = msg_ip4_get(lease->ip);
	const Pxe__Subnet *subnet = model_subnet_of(a->model, ip);
	if (subnet == NULL)
		return internal_refuse(a, PXE__VERDICT__VERDICT_NO_SUBNET,
			"the address is in no subnet: pxectl subnet add");
	memcpy(client + 1, lease->mac.data, lease->mac.len);
	who.client = (ProtobufCBinaryData){1 + lease->mac.len, client};
	who.mac = lease->mac;
	who.client_id = lease->client_id;
	verdict = import_check_place(a, &who, subnet, ip);
	if (verdict == OK)
		verdict = import_check_others(a, &who, subnet, ip);
	if (verdict != OK)
		return verdict;
	if (lease_table_find(&a->model->leases, ip) == NULL && !apply_lease_make_room(a))
		return internal_refuse(a, PXE__VERDICT__VERDICT_LIMIT,
			"the cluster keeps %d leases, its limit", MODEL_LEASES_MAX);
	import_keep(a, lease, &who, subnet);
	return OK;
}
