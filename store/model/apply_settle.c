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

static bool settle_lists(const Pxe__Hold *hold, ProtobufCBinaryData mac)
{
	for (size_t i = 0; i < hold->n_mac; i++) {
		if (internal_same_bytes(hold->mac[i], mac))
			return true;
	}
	return false;
}

bool internal_hold_admits(const struct model *model, uint32_t ip, ProtobufCBinaryData mac)
{
	size_t cursor = 0;
	const Pxe__Hold *hold;
	while ((hold = reserve_map_next_hold(&model->reserves, ip, &cursor)) != NULL) {
		if (!settle_lists(hold, mac))
			return false;
	}
	return true;
}

/* Of several changes in one stamp, a node may know any: who is in all of them remains. */
static void settle_intersect(Pxe__Hold *hold, const Pxe__Hold *with)
{
	size_t count = 0;
	for (size_t i = 0; i < hold->n_mac; i++) {
		if (settle_lists(with, hold->mac[i]))
			hold->mac[count++] = hold->mac[i];
	}
	hold->n_mac = count;
}

void apply_settle_hold(struct apply *a, const Pxe__Host *host)
{
	Pxe__Hold hold = PXE__HOLD__INIT;
	uint8_t key[RECORD_KEY_MAX];
	ProtobufCBinaryData *macs = calloc(host->n_mac + 1, sizeof(*macs));
	if (macs == NULL)
		abort();
	for (size_t i = 0; i < host->n_mac; i++)
		macs[i] = host->mac[i];
	hold.ip = host->ip;
	hold.mac = macs;
	hold.n_mac = host->n_mac;
	/* After a recovery a lease that is not known may run on any address. */
	hold.since_ms = internal_max(a->now_ms, a->model->unknown_until_ms);
	size_t bytes = record_key_hold(msg_ip4_get(host->ip), hold.since_ms, key);
	const Pxe__Hold *old =
		(const Pxe__Hold *)keep_find(a->model, RECORD_HOLD, key + 1, bytes - 1);
	if (old != NULL)
		settle_intersect(&hold, old);
	keep_message(a->model, a->sink, RECORD_HOLD, keep_copy(&hold.base));
	free(macs);
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
