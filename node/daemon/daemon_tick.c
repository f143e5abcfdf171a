#include "node/daemon/daemon_impl.h"
#include "node/log/log.h"
#include "store/model/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <systemd/sd-daemon.h>

/* The instruction of the first start is done with once our own member record is durable here: from
 * then on the state says who we are, and an emptied disk can never be taken for a first start
 * again. */
static void finish_start(struct daemon *daemon)
{
	uint8_t key[RECORD_KEY_MAX], *value = NULL;
	size_t key_bytes = record_key_u64(RECORD_MEMBER, daemon->conf.id, key), value_bytes = 0;

	if (daemon->start.kind == NODE_START_NONE ||
		kv_state_get(daemon->kv, key, key_bytes, &value, &value_bytes) < 0) {
		return;
	}
	free(value);
	if (node_start_done(daemon->directory) < 0) {
		log_warn("cannot rename %s/%s: remove it by hand, it has been followed",
			daemon->directory, NODE_START_FILE);
	}
	node_start_fini(&daemon->start);
	daemon->start = (struct node_start){.kind = NODE_START_NONE};
}

static uint64_t free_bytes_of(const char *directory)
{
	struct statvfs fs;

	return statvfs(directory, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

void daemon_tick_get_isolation(struct daemon *daemon, struct dhcp4_isolation *ret_isolation)
{
	*ret_isolation = (struct dhcp4_isolation){.isolated = false};
	if (daemon->dhcp4 != NULL) {
		dhcp4_server_get_isolation(daemon->dhcp4, ret_isolation);
	}
}

/* Others take the clients of a node that drains. */
static bool is_draining(const struct daemon *daemon)
{
	const Pxe__Member *self = model_member(replica_model(daemon->replica), daemon->conf.id);

	return self != NULL && self->draining;
}

void daemon_tick_tell_peers(struct daemon *daemon, const struct replica_view *view)
{
	Pxe__PeerStatus status = PXE__PEER_STATUS__INIT;
	struct dhcp4_isolation isolation;

	if (daemon->dhcp4 != NULL) {
		daemon_tick_get_isolation(daemon, &isolation);
		status.serving = view->has_quorum && !view->diverged && !daemon->stopping &&
				 !is_draining(daemon);
		status.dhcp_per_s = dhcp4_server_rate(daemon->dhcp4);
		status.isolated = isolation.isolated;
		status.reserve_free = isolation.reserve_free;
	} else if (!daemon_is_witness(daemon)) {
		return; /* not all open yet: we serve nothing */
	}
	status.boots =
		atomic_load(&daemon->scripts) - daemon->scripts_at[daemon->ticks % DAEMON_BOOTS_S];
	status.free_bytes = free_bytes_of(daemon->conf.data_dir);
	status.stopping = daemon->stopping;
	if (daemon->puller != NULL) {
		struct image_puller_stats images;
		image_puller_get_stats(daemon->puller, &images);
		status.images_need = images.need_bytes;
		status.images_room = images.room_bytes;
	}
	replica_set_status(daemon->replica, &status);
}

static void tell_service_manager(const struct replica_view *view)
{
	char text[160];

	snprintf(text, sizeof text, "WATCHDOG=1\nSTATUS=%s, applied %llu%s",
		view->is_leader    ? "leads"
		: view->has_quorum ? "follows"
				   : "no quorum",
		(unsigned long long)view->applied,
		view->diverged ? ", STATE DIFFERS: serves nothing" : "");
	sd_notify(0, text);
}

/* Not every second unless somebody reads them: pools are counted. */
static void refresh_metrics(struct daemon *daemon)
{
	char *text;

	if (daemon->http == NULL || daemon->admin == NULL || daemon->stopping ||
		(daemon->ticks % DAEMON_METRICS_TICKS != 0 &&
			!http_server_metrics_wanted(daemon->http))) {
		return;
	}
	text = admin_metrics(daemon->admin);
	if (text != NULL) {
		http_server_set_metrics(daemon->http, text);
	}
}

void daemon_tick_on_timer(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;
	struct replica_view view;

	replica_get_view(daemon->replica, &view);
	daemon->scripts_at[daemon->ticks++ % DAEMON_BOOTS_S] = atomic_load(&daemon->scripts);
	finish_start(daemon);
	if (daemon->content != NULL) {
		content_source_set_time(daemon->content, replica_now_ms(daemon->replica));
	}
	daemon_news_on_tick(daemon, &view); /* first: is this node a member at all? */
	daemon_tick_tell_peers(daemon, &view);
	daemon_news_on_isolation(daemon, &view);
	tell_service_manager(&view);
	refresh_metrics(daemon);
}
