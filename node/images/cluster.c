#include "node/images/cluster.h"

#include <assert.h>

static const struct model *binding_model(void *ctx)
{
	return replica_model(((struct image_cluster_binding *)ctx)->replica);
}

static bool binding_is_live(void *ctx, uint64_t member)
{
	return replica_is_live(((struct image_cluster_binding *)ctx)->replica, member);
}

static bool binding_is_leader(void *ctx)
{
	struct replica_view view;

	replica_get_view(((struct image_cluster_binding *)ctx)->replica, &view);
	return view.is_leader;
}

static enum replica_outcome binding_propose(void *ctx, Pxe__Command *command, unsigned timeout_ms,
	replica_done_cb *done, void *done_ctx)
{
	return replica_propose(((struct image_cluster_binding *)ctx)->replica, command, timeout_ms,
		done, done_ctx);
}

static void binding_on_event(void *ctx, const struct event *event)
{
	struct image_cluster_binding *binding = ctx;

	if (binding->events != NULL) {
		events_post(binding->events, event);
	}
}

void image_cluster_of_replica(
	struct image_cluster_binding *binding, uint64_t self, struct image_cluster *ret_cluster)
{
	assert(binding != NULL && binding->replica != NULL && ret_cluster != NULL);
	*ret_cluster = (struct image_cluster){
		.ctx = binding,
		.self = self,
		.model = binding_model,
		.is_live = binding_is_live,
		.is_leader = binding_is_leader,
		.propose = binding_propose,
		.on_event = binding_on_event,
	};
}
