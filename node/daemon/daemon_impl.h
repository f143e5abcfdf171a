/* node/daemon/daemon_impl.h: what the files of this folder share.
 *
 *   daemon.c        open, run, close: the order of the parts
 *   daemon_state.c  disk, replica and peers: everything that the cluster's state needs
 *   daemon_tick.c   once a second: status, service manager, first start done
 *   daemon_news.c   changes of the cluster's view become events
 *   daemon_offline.h  recover, restore: no daemon runs
 */
#ifndef NODE_DAEMON_DAEMON_IMPL_H
#define NODE_DAEMON_DAEMON_IMPL_H

#include "node/admin/admin.h"
#include "node/content/content.h"
#include "node/daemon/daemon.h"
#include "node/dhcp4/dhcp4_server.h"
#include "node/events/events.h"
#include "node/http/http.h"
#include "node/images/intake.h"
#include "node/images/puller.h"
#include "node/machines/machines.h"
#include "node/syslog/syslog_server.h"
#include "node/tftp/tftp_content.h"
#include "node/tftp/tftp_server.h"
#include "node/timeline/timeline_service.h"
#include "proto/cred/keyfile.h"
#include "store/blob/blob.h"
#include "store/kv/kv.h"
#include "store/replica/replica.h"
#include "store/transport/transport.h"
#include "store/transport/zap.h"
#include <stdatomic.h>
#include <stdbool.h>

#define DAEMON_TICK_MS      1000
#define DAEMON_NICE         (-10)
#define DAEMON_NO_QUORUM_MS 1000 /* an election takes less, and is no news */
#define DAEMON_DIAL_S       5    /* without the quorum, silent peers are dialed anew this often */
#define DAEMON_DIAL_AT_S    3    /* and first after so long */
#define DAEMON_REFUSED_MS   5000 /* a new member is not known to all at once */
#define DAEMON_HANDOVER_MS  1000 /* how long an orderly stop waits for another leader */

#define DAEMON_METRICS_TICKS 15 /* metrics are written down this often when nobody reads them */

#define DAEMON_BOOTS_S 600 /* boots are counted over so long */

struct daemon {
	char directory[NODE_CONF_PATH_BYTES];
	struct node_conf conf;
	struct node_start start; /* kind NONE once it was followed */
	struct keyfile node_key, api_key;

	uv_loop_t loop;
	bool loop_open;
	uv_signal_t term, interrupt;
	uv_timer_t tick, handover;
	bool timers_open, stopping;
	uint64_t handover_until_ms; /* loop time */
	void *zmq_context;

	struct kv *kv;
	struct zap *zap;
	struct transport *transport;
	struct replica *replica;
	struct events *events;
	struct blob_store *blobs;
	struct image_guard *guard;
	struct image_cluster_binding binding;
	struct relays *relays;
	struct image_intake *intake;
	struct image_puller *puller;
	struct content_source *content;
	struct http_server *http;
	_Atomic uint32_t scripts;            /* boot scripts made so far; HTTP and TFTP threads */
	uint32_t scripts_at[DAEMON_BOOTS_S]; /* as of each of the last seconds, a ring */
	uint64_t ticks;
	struct tftp_server *tftp;
	struct machines *machines; /* NULL on a witness */
	struct timeline_service *timelines;
	struct syslog_server *syslog;
	struct dhcp4_server *dhcp4;
	struct admin *admin;

	struct replica_view seen; /* as last told in events */
	bool seen_valid;
	bool had_quorum, quorum_lost_told;
	struct dhcp4_isolation alone; /* as last told in events */
	bool was_alone;               /* and what it did is not merged yet */
	uint32_t to_merge;            /* most entries that its journal held since */
	bool removed;                 /* from the cluster, as far as we can tell */
	uint64_t refused_before; /* of transport_stats.dials_refused, when we last had the quorum */
};

/* Disk, keys, replica, peers. 0 or negative errno and a line in ret_error. */
int daemon_state_open(struct daemon *daemon, char *ret_error, size_t error_bytes);
void daemon_state_close(struct daemon *daemon);

bool daemon_is_witness(const struct daemon *daemon);

/* What we may do without the quorum. */
void daemon_tick_get_isolation(struct daemon *daemon, struct dhcp4_isolation *ret_isolation);
void daemon_tick_on_timer(uv_timer_t *timer);
/* Whether we serve, and how much. At once when that changes: until they know, the others answer in
 * our place. */
void daemon_tick_tell_peers(struct daemon *daemon, const struct replica_view *view);
/* replica_config.on_view */
void daemon_news_on_view(void *ctx);
/* Once a second: what is news only when it lasts. */
void daemon_news_on_tick(struct daemon *daemon, const struct replica_view *now);
/* Once a second, and when the view changes: we go on alone, or are back. */
void daemon_news_on_isolation(struct daemon *daemon, const struct replica_view *now);
/* replica_config.on_alarm */
void daemon_news_on_alarm(void *ctx, const char *text);

#endif
