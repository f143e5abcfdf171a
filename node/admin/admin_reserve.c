/* Who may go on alone, with how much, in the status: reserves, isolated nodes, and what is left of
 * a time without the quorum. */
#include "node/admin/admin_impl.h"

#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct reserve_sum {
	uint64_t count;
	const Pxe__Pool *pool; /* NULL: all */
};

static bool add_block(void *ctx, const Pxe__Block *block)
{
	struct reserve_sum *sum = ctx;
	uint32_t first = msg_ip4_get(block->first_ip);

	if (sum->pool == NULL) {
		sum->count += (uint64_t)__builtin_popcountll(block->mask);
		return true;
	}
	for (uint32_t i = 0; i < MODEL_BLOCK_IPS; i++) {
		sum->count += (block->mask >> i & 1) != 0 &&
			      first + i >= msg_ip4_get(sum->pool->first_ip) &&
			      first + i <= msg_ip4_get(sum->pool->last_ip);
	}
	return true;
}

uint64_t admin_reserve_of(const struct admin *admin, uint64_t member, const Pxe__Pool *pool)
{
	struct reserve_sum sum = {0, pool};

	model_each_block(admin_model(admin), member, add_block, &sum);
	return sum.count;
}

void admin_isolation(const struct admin *admin, struct dhcp4_isolation *ret_isolation)
{
	*ret_isolation = (struct dhcp4_isolation){.isolated = false};
	if (admin->config.isolation != NULL) {
		admin->config.isolation(admin->config.ctx, ret_isolation);
	}
}

void admin_reserve_fill(const struct admin *admin, const struct replica_member_view *view,
	const Pxe__Member *member, Pxe__NodeStatus *node)
{
	struct dhcp4_isolation own;
	uint64_t held = admin_reserve_of(admin, member->id, NULL);

	node->draining = member->draining;
	node->standby = member->standby;
	node->forced = member->forced;
	node->witness = member->role == PXE__MEMBER_ROLE__MEMBER_WITNESS;
	node->reserve_held = held > UINT32_MAX ? UINT32_MAX : (uint32_t)held;
	if (view->id == admin->config.self) {
		admin_isolation(admin, &own);
		node->isolated = own.isolated;
		node->isolated_ms = own.isolated ? own.since_ms : 0;
		node->extends_leases = own.extends_bindings;
		node->reserve_free = own.reserve_free;
		node->journal = own.journal;
	} else if (view->live) {
		node->isolated = view->status.isolated;
		node->reserve_free = view->status.reserve_free;
		node->journal = view->status.journal;
	}
}

char *admin_reserve_text(
	const struct admin *admin, const Pxe__NodeStatus *node, char *ret_text, size_t text_bytes)
{
	const struct model *model = admin_model(admin);
	char since[48] = "", most[TEXT_DURATION_BYTES], age[TEXT_DURATION_BYTES], more[64] = "";
	char extends[128];
	bool self = node->id == admin->config.self;

	if (node->isolated_ms > 0) {
		snprintf(since, sizeof since, " for %s",
			text_duration_short(admin_whole_seconds(node->isolated_ms), age));
	}
	if (node->journal > 0) {
		snprintf(more, sizeof more, "; %" PRIu32 " lease%s wait%s to be merged",
			node->journal, node->journal == 1 ? "" : "s",
			node->journal == 1 ? "s" : "");
	}
	text_duration_short(model_mclt_ms(model), most);
	snprintf(extends, sizeof extends, "known leases are extended, at most %s past their end",
		most);
	snprintf(ret_text, text_bytes,
		"%s has no quorum%s and goes on alone: %s; %" PRIu32
		" own addresses left for new machines, at most %s each%s",
		node->name, since,
		!self || node->extends_leases ? extends
					      : "it does not know the time, so it extends no lease",
		node->reserve_free, most, more);
	return ret_text;
}
