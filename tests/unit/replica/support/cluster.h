/* tests/unit/replica/support/cluster.h: a cluster of real replicas in one process: real disks, real
 * sockets, one loop.
 *
 * Each node has its own ZeroMQ context, data directory and keys; all share a uv loop. A node can be
 * stopped and started again on its directory. Waiting is for conditions, with a generous limit;
 * nothing here depends on how fast the machine is.
 */
#ifndef TESTS_UNIT_REPLICA_SUPPORT_CLUSTER_H
#define TESTS_UNIT_REPLICA_SUPPORT_CLUSTER_H

#include "store/kv/kv.h"
#include "store/replica/replica.h"
#include "store/transport/transport.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define CLUSTER_NODES_MAX 8
#define CLUSTER_WAIT_MS   60000

struct cluster_node {
	uint64_t id;
	bool running;
	uv_loop_t *loop;
	char directory[128], address[32], name[16];
	uint8_t cluster_id[16], serve_ip[4];
	uint8_t public_key[32], secret_key[32];
	void *zmq_context;
	struct zap *zap;
	struct kv *kv;
	struct transport *transport;
	struct replica *replica;
	const struct replica_env *env;
	unsigned slowness; /* 0: 1; election and heartbeat times that much longer, for an env whose
			      clock runs faster */
	bool small_disk;   /* next start: on a disk that is nearly full, so that kv_is_short() */
	bool reserves;     /* next start: it tells of its journal, so it is given addresses */
	bool cut[CLUSTER_NODES_MAX + 1]; /* what comes from this id is lost */
	uint64_t records, everything;    /* on_record calls; those without a key */
	uint64_t journal;                /* newest number told by on_journal */
	unsigned journal_calls;
	unsigned alarms;
	char alarm[200];
};

/* One node by itself; the forked tests use these. All asserts, no errors. */
void node_init(struct cluster_node *node, uint64_t id, const char *root, uint16_t port,
	const uint8_t cluster_id[16]);
void node_member(const struct cluster_node *node,
	Pxe__Member *ret_member); /* strings and keys are borrowed */
/* bootstrap as for replica_open(). */
void node_start(
	struct cluster_node *node, uv_loop_t *loop, const struct replica_bootstrap *bootstrap);
void node_stop(struct cluster_node *node);
void node_wipe(struct cluster_node *node);
uint16_t node_free_port(void);
/* The disk alone, while the node is stopped; until node_close_disk(). */
struct kv *node_open_disk(struct cluster_node *node, uv_loop_t *loop);
void node_close_disk(struct cluster_node *node, struct kv *kv);

struct cluster {
	uv_loop_t loop;
	char root[64];
	uint8_t cluster_id[16];
	unsigned count;
	struct cluster_node node[CLUSTER_NODES_MAX]; /* of id i: node[i - 1] */
};

/* A cluster of one node with a subnet and a pool, ready. */
void cluster_open(struct cluster *cluster);
void cluster_close(struct cluster *cluster);
/* The nodes that run are as if no cable led to this one. */
void cluster_isolate(struct cluster *cluster, struct cluster_node *node, bool cut);
/* Let one more node join by a token; waits until it votes and all agree. */
struct cluster_node *cluster_join(struct cluster *cluster);
void cluster_grow(struct cluster *cluster, unsigned count);
void cluster_restart(struct cluster *cluster, unsigned index); /* start a stopped node again */

void cluster_turn(struct cluster *cluster); /* one turn of the loop */
void cluster_turn_for(struct cluster *cluster, unsigned ms);
/* Run the loop until the condition holds; fails the test with `what` after CLUSTER_WAIT_MS. */
void cluster_wait(struct cluster *cluster, bool (*condition)(struct cluster *cluster, void *ctx),
	void *ctx, const char *what);
struct cluster_node *cluster_leader(
	struct cluster *cluster); /* that all running nodes agree on, or NULL */
void cluster_wait_leader(struct cluster *cluster);
/* All running nodes have applied the same, and their digests are equal. */
void cluster_wait_equal(struct cluster *cluster);
/* Propose and wait for the outcome; repeats while there is no quorum or too much is outstanding. */
enum replica_outcome cluster_do(struct cluster *cluster, struct cluster_node *node,
	Pxe__Command *command, struct model_result *ret_result);
/* The same; the command must be applied with VERDICT_OK. */
void cluster_must(struct cluster *cluster, struct cluster_node *node, Pxe__Command *command);
void cluster_must_bind(struct cluster *cluster, struct cluster_node *node, uint32_t number);
uint64_t cluster_now_ms(void);

/* A command that binds an address made of the number to a client made of the number. */
struct bind_command {
	Pxe__Command command;
	Pxe__Bind bind;
	Pxe__ClientInfo who;
	uint8_t client[7], ip[4];
};
void bind_command_init(struct bind_command *bind, uint32_t number);
uint32_t bind_ip(uint32_t number);
uint32_t bind_number(uint32_t ip);
/* The state of every pool's address and so on, set up by one proposal at a time: by cluster_open()
 * and the forked tests. */
extern const char *const cluster_subnet;
void cluster_fill_subnet(Pxe__Command *command, Pxe__Put *put, Pxe__Subnet *subnet);
void cluster_fill_pool(Pxe__Command *command, Pxe__Put *put, Pxe__Pool *pool);
void cluster_fill_settings(struct cluster_node *first, Pxe__Settings *settings);

#endif
