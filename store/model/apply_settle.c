/* store/model/apply_settle.c: what waits until every member knows it. Pure.
 *
 * A node without the quorum acts on the state that it has. Two changes may not show before all
 * members have them: a lease that was given up (such a node may still extend it, up to its
 * promise), and an address that is no more fixed to a machine (such a node may still lease it to
 * that machine) [R5]. Both are marked with their stamp. Settle says up to which stamp everybody
 * knows, and has nothing in its journal that was decided on less; what is older is then as if it
 * had always been so.
 */
#include "store/model/keep.h"
#include <stdlib.h>

#define OK PXE__VERDICT__VERDICT_OK

#define SETTLE_MAX 4096 /* records of one command; the rest waits for the next */

/* ---- holds ---- */

static bool settle_has(const ProtobufCBinaryData *list, size_t count, ProtobufCBinaryData identity)
{
	for (size_t i = 0; i < count; i++) {
		if (internal_same_bytes(list[i], identity))
			return true;
	}
	return false;
}

/* A circuit is a port: who is at it may be another machine by now. */
static bool settle_lists(const Pxe__Hold *hold, const Pxe__ClientInfo *who)
{
	return settle_has(hold->mac, hold->n_mac, who->mac) ||
	       (who->client_id.len > 0 &&
		       settle_has(hold->client_id, hold->n_client_id, who->client_id)) ||
	       (who->uuid.len == 16 && internal_same_bytes(hold->uuid, who->uuid));
}

bool internal_hold_admits(const struct model *model, uint32_t ip, const Pxe__ClientInfo *who)
{
	size_t cursor = 0;
	const Pxe__Hold *hold;
	while ((hold = reserve_map_next_hold(&model->reserves, ip, &cursor)) != NULL) {
		if (!settle_lists(hold, who))
			return false;
	}
	return true;
}

static size_t settle_common(
	ProtobufCBinaryData *list, size_t count, const ProtobufCBinaryData *with, size_t with_count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (settle_has(with, with_count, list[i]))
			list[kept++] = list[i];
	}
	return kept;
}

/* Of several changes in one stamp, a node may know any: who is in all of them remains. */
static void settle_intersect(Pxe__Hold *hold, const Pxe__Hold *with)
{
	hold->n_mac = settle_common(hold->mac, hold->n_mac, with->mac, with->n_mac);
	hold->n_client_id = settle_common(
		hold->client_id, hold->n_client_id, with->client_id, with->n_client_id);
	if (!internal_same_bytes(hold->uuid, with->uuid))
		hold->uuid = (ProtobufCBinaryData){0, NULL};
}

/* Pointers to the host's own bytes; heap. */
static ProtobufCBinaryData *settle_list(const ProtobufCBinaryData *from, size_t count)
{
	ProtobufCBinaryData *list = calloc(count + 1, sizeof(*list));
	if (list == NULL)
		abort();
	for (size_t i = 0; i < count; i++)
		list[i] = from[i];
	return list;
}

void apply_settle_hold(struct apply *a, ProtobufCBinaryData ip, const Pxe__Host *host)
{
	Pxe__Hold hold = PXE__HOLD__INIT;
	Pxe__Host nobody = PXE__HOST__INIT;
	uint8_t key[RECORD_KEY_MAX];
	if (host == NULL)
		host = &nobody;
	ProtobufCBinaryData *macs = settle_list(host->mac, host->n_mac);
	ProtobufCBinaryData *client_ids = settle_list(host->client_id, host->n_client_id);
	hold.ip = ip;
	hold.mac = macs;
	hold.n_mac = host->n_mac;
	hold.client_id = client_ids;
	hold.n_client_id = host->n_client_id;
	hold.uuid = host->uuid;
	/* After a recovery a lease that is not known may run on any address. */
	hold.since_ms = internal_max(a->now_ms, a->model->unknown_until_ms);
	size_t bytes = record_key_hold(msg_ip4_get(ip), hold.since_ms, key);
	const Pxe__Hold *old =
		(const Pxe__Hold *)keep_find(a->model, RECORD_HOLD, key + 1, bytes - 1);
	if (old != NULL)
		settle_intersect(&hold, old);
	keep_message(a->model, a->sink, RECORD_HOLD, keep_copy(&hold.base));
	free(macs);
	free(client_ids);
}

/* ---- settle ---- */

/* Nobody extends the lease any more: its promise ends when it was given up. It keeps its promise if
 * a member may have extended it before that was removed by force, or if a member's process began so
 * late that one before it may have acknowledged the lease once more [R9]. */
static void settle_lease(struct apply *a, struct lease_record *record, uint64_t lives_ms)
{
	uint8_t ip_bytes[4];
	Pxe__Lease lease = lease_record_view(record, ip_bytes);
	if (lease.released_ms > a->model->kept_ms &&
		lease.released_ms >= internal_after(lives_ms, MODEL_LIFE_MS)) {
		lease.promised_ms = internal_min(lease.promised_ms, lease.released_ms);
		if (lease.state != PXE__LEASE_STATE__LEASE_DECLINED &&
			lease.promised_ms < lease.expires_ms)
			lease.promised_ms = lease.expires_ms;
	}
	lease.released_ms = 0;
	keep_lease(a->model, a->sink, &lease);
}

static bool settle_next(struct apply *a, uint64_t lives_ms)
{
	struct lease_record *record = lease_table_first_released(&a->model->leases);
	if (record != NULL && record->released_ms < a->model->settled_ms) {
		settle_lease(a, record, lives_ms);
		return true;
	}
	const Pxe__Hold *hold = reserve_map_oldest_hold(&a->model->reserves);
	if (hold == NULL || hold->since_ms >= a->model->settled_ms)
		return false;
	uint8_t key[RECORD_KEY_MAX];
	size_t bytes = record_key_hold(msg_ip4_get(hold->ip), hold->since_ms, key);
	keep_remove(a->model, a->sink, RECORD_HOLD, key + 1, bytes - 1);
	return true;
}

Pxe__Verdict apply_settle(struct apply *a, const Pxe__Settle *settle)
{
	struct model *model = a->model;
	if (settle->settled_ms == 0 || settle->settled_ms > a->now_ms)
		return internal_refuse(a, PXE__VERDICT__VERDICT_INVALID,
			"settled up to %llu: nobody can know that yet",
			(unsigned long long)settle->settled_ms);
	if (settle->settled_ms < model->settled_ms)
		return internal_refuse(a, PXE__VERDICT__VERDICT_STALE, "settled up to %llu already",
			(unsigned long long)model->settled_ms);
	if (a->now_ms < model->settle_after_ms)
		return internal_refuse(a, PXE__VERDICT__VERDICT_CONFLICT,
			"a member that was removed by force may still have leases running");
	model->settled_ms = settle->settled_ms;
	if (model->mclt_was_ms != 0 && model->mclt_was_ms < model->settled_ms) {
		model->mclt_was_ms = 0;
		model->mclt_was_s = 0;
	}
	for (unsigned i = 0; i < SETTLE_MAX && settle_next(a, settle->lives_ms); i++)
		;
	keep_clock(model, a->sink);
	return OK;
}

uint64_t model_unsettled_ms(const struct model *model)
{
	uint64_t oldest = UINT64_MAX;
	const struct lease_record *record = lease_table_first_released(&model->leases);
	const Pxe__Hold *hold = reserve_map_oldest_hold(&model->reserves);
	if (record != NULL)
		oldest = internal_min(oldest, record->released_ms);
	/* One from a recovery lies ahead: nothing waits for it yet. */
	if (hold != NULL && hold->since_ms <= model->stamp_ms)
		oldest = internal_min(oldest, hold->since_ms);
	if (model->mclt_was_ms != 0)
		oldest = internal_min(oldest, model->mclt_was_ms);
	return oldest == UINT64_MAX ? 0 : oldest;
}
