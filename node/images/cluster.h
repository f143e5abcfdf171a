/* node/images/cluster.h: what the image services need of the cluster, as a table of functions.
 *
 * The daemon fills it from its replica (image_cluster_of_replica); tests put a bare model behind
 * it. Loop thread only.
 */
#ifndef NODE_IMAGES_CLUSTER_H
#define NODE_IMAGES_CLUSTER_H

#include "node/events/events.h"
#include "store/replica/replica.h"
#include <stdbool.h>
#include <stdint.h>

struct image_cluster {
	void *ctx;
	uint64_t self; /* member id */
	const struct model *(*model)(void *ctx);
	bool (*is_live)(void *ctx, uint64_t member);
	bool (*is_leader)(void *ctx);
	/* As replica_propose(). */
	enum replica_outcome (*propose)(void *ctx, Pxe__Command *command, unsigned timeout_ms,
		replica_done_cb *done, void *done_ctx);
	/* May be NULL. */
	void (*on_event)(void *ctx, const struct event *event);
};

/* `events` may be NULL. *ret_cluster borrows both for as long as it is used. */
struct image_cluster_binding {
	struct replica *replica;
	struct events *events;
};
void image_cluster_of_replica(
	struct image_cluster_binding *binding, uint64_t self, struct image_cluster *ret_cluster);

#endif
