/* tests/unit/replica/support/load.h: many bindings at once, through all nodes; each outcome is
 * counted. */
#ifndef TESTS_UNIT_REPLICA_SUPPORT_LOAD_H
#define TESTS_UNIT_REPLICA_SUPPORT_LOAD_H

#include "tests/unit/replica/support/cluster.h"

struct load_item;

struct load {
	struct cluster *cluster;
	uint32_t first, count;    /* numbers to bind: first .. first + count - 1 */
	unsigned outstanding_max; /* per node */
	uint32_t next;
	uint32_t told, ok, unknown,
		refused; /* outcomes; verdicts other than OK are counted in refused */
	uint32_t busy;   /* REPLICA_BUSY or REPLICA_NO_QUORUM at once: tried again later */
	struct load_item *item;
	unsigned outstanding[CLUSTER_NODES_MAX];
	uint64_t last_ok_ms, longest_gap_ms; /* between two OK outcomes anywhere */
};

void load_init(struct load *load, struct cluster *cluster, uint32_t first, uint32_t count,
	unsigned outstanding_max);
void load_pump(struct load *load); /* propose what fits, through all running nodes in turn */
bool load_is_done(const struct load *load);            /* every command was told its outcome */
void load_run(struct load *load);                      /* pump and turn until done */
void load_run_until(struct load *load, uint32_t told); /* until so many were told */
/* Every binding that was acknowledged is in the state of this node, and each outcome was told once.
 */
void load_check(const struct load *load, const struct cluster_node *node);
void load_fini(struct load *load);

#endif
