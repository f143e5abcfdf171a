/* node/admin/admin.h: the node's side of pxectl: who may ask, what they get.
 *
 * Three doors, one table of requests:
 *   ipc   the unix socket: whoever may open it (mode 0660) is an operator of this node
 *   api   TCP with CURVE, server key = the cluster's API key; admits operators' keys and members'
 * node keys join  TCP with CURVE, same server key; admits any key, understands nothing but
 * JoinRequest
 *
 * Nothing here blocks: changes are proposed and answered when they are applied, watchers have
 * bounded queues, pushed bytes go to the image intake and are acknowledged from its callbacks.
 * Requests that do not parse are counted and dropped. Loop thread only.
 *
 *   request -> admin_server (doors, sessions) -> admin_change | admin_list | admin_status |
 * admin_watch | admin_boot | admin_push | admin_backup | admin_node | admin_join
 *   loop -> admin_metrics: the same as text for GET /metrics
 */
#ifndef NODE_ADMIN_ADMIN_H
#define NODE_ADMIN_ADMIN_H

#include "node/dhcp4/dhcp4_service.h"
#include "node/dhcp4/dhcp4_watch.h"
#include "node/events/events.h"
#include "store/replica/replica.h"
#include "store/transport/zap.h"
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define ADMIN_REQUEST_MAX                                                                          \
	(2 * 1024 * 1024) /* bytes of one request; an image's file list is the largest */
#define ADMIN_COUNTERS_MAX 128
#define ADMIN_WATCHERS_MAX 64
#define ADMIN_PENDING_MAX  256 /* changes that wait for their outcome */

struct admin;
struct image_intake;
struct image_puller;
struct timeline_service;

/* One counter of this node; name is borrowed for the call. */
typedef void admin_count_cb(void *into, const char *name, uint64_t value);

struct admin_config {
	uv_loop_t *loop;
	void *zmq_context;
	struct zap *zap;         /* domains "api" and "join" become ours */
	struct replica *replica; /* borrowed until admin_close, as all below */
	struct events *events;
	struct timeline_service *timelines; /* NULL: no history is kept */
	struct image_intake *intake;        /* NULL: pushes are refused */
	struct image_puller *puller;        /* NULL: nothing to verify */
	uint64_t self;                      /* member id */
	const char *socket_path; /* NULL or "": that door stays shut; likewise the addresses */
	const char *api_address; /* "10.20.0.11:7441" */
	const char *join_address;
	uint8_t api_public_key[32]; /* the cluster's API key pair */
	uint8_t api_secret_key[32];
	void *ctx;
	/* Tell every counter of the node, for `pxectl status`. May be NULL. */
	void (*counters)(void *ctx, admin_count_cb *count, void *into);
	/* What the node may do without the quorum. May be NULL. */
	void (*isolation)(void *ctx, struct dhcp4_isolation *ret_isolation);
	/* Other DHCP servers that this node heard lately; returns how many, and whether they are
	 * there on purpose (dhcp4_server_foreign()). May be NULL. */
	size_t (*foreign)(void *ctx, struct dhcp4_foreign ret_servers[DHCP4_WATCH_SERVERS],
		bool *ret_expected);
	/* Whether this node was taken out of the cluster. May be NULL. */
	bool (*removed)(void *ctx);
};

struct admin_stats {
	uint64_t requests, malformed, joins, join_refused, replies_dropped, events_dropped;
};

/* Binds the doors; a stale socket file is removed. 0, or negative errno and a line in ret_error
 * (port in use: which). Strings are copied. */
int admin_open(const struct admin_config *config, struct admin **ret_admin, char *ret_error,
	size_t error_bytes);
void admin_get_stats(const struct admin *admin, struct admin_stats *ret_stats);
/* The status in Prometheus' exposition format: sums, nodes and pools, nothing of any one machine.
 * To be freed; NULL: no memory. */
char *admin_metrics(struct admin *admin);
/* Open changes are dropped unanswered (their client asks again elsewhere). Call before
 * replica_close(). */
void admin_close(struct admin *admin);

#endif
