/* The daemon, part by part. What opens first closes last; each part borrows only what was opened
 * before it.
 *
 * An orderly stop (SIGTERM): tell the peers that we are stopping (they answer our clients at once),
 * hand leadership over, wait until another leads or DAEMON_HANDOVER_MS have passed, close
 * everything, leave. kill -9 is just as safe, only slower for the clients: the peers notice after
 * some hundred milliseconds.
 */
#include "node/daemon/daemon_impl.h"
#include "node/log/log.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <zmq.h>

static uint64_t events_now(void *ctx)
{
	struct daemon *daemon = ctx;

	return daemon->replica != NULL ? replica_now_ms(daemon->replica) : 0;
}

static void events_broadcast(void *ctx, const Pxe__Event *event)
{
	struct daemon *daemon = ctx;

	if (daemon->replica != NULL) {
		replica_broadcast_event(daemon->replica, event);
	}
}

/* From the threads of HTTP and TFTP, too. */
static void post_event(void *ctx, const struct event *event)
{
	struct daemon *daemon = ctx;

	if (event->kind == PXE__EVENT_KIND__EVENT_SCRIPT) {
		atomic_fetch_add(&daemon->scripts, 1);
	}
	events_post(daemon->events, event);
}

struct counting {
	admin_count_cb *count;
	void *into;
};

static void count_dhcp4(void *ctx, const char *name, uint64_t value)
{
	const struct counting *counting = ctx;

	counting->count(counting->into, name, value);
}

static void count_transfers(struct daemon *daemon, admin_count_cb *count, void *into)
{
	struct tftp_server_stats tftp = {0};
	struct http_stats http = {0};
	uint64_t malformed = 0;

	tftp_server_get_stats(daemon->tftp, &tftp);
	count(into, "tftp_started", tftp.started);
	count(into, "tftp_done", tftp.done);
	count(into, "tftp_failed", tftp.failed);
	for (size_t i = 0; i < TFTP_REASON_COUNT; i++) {
		malformed += tftp.malformed[i];
	}
	count(into, "tftp_malformed", malformed);
	count(into, "tftp_not_found", tftp.not_found);
	count(into, "tftp_active", tftp.active);
	http_server_get_stats(daemon->http, &http);
	count(into, "http_requests", http.requests);
	count(into, "http_files", http.files);
	count(into, "http_malformed", http.malformed);
	count(into, "http_not_found", http.not_found);
	count(into, "http_failed", http.failed);
	count(into, "http_active", http.active);
}

static void count_syslog(struct daemon *daemon, admin_count_cb *count, void *into)
{
	struct syslog_server_stats stats = {0};

	syslog_server_get_stats(daemon->syslog, &stats);
	count(into, "syslog_lines", stats.lines);
	count(into, "syslog_unknown", stats.unknown);
	count(into, "syslog_left_out", stats.left_out);
	count(into, "syslog_empty", stats.empty);
}

static void counters(void *ctx, admin_count_cb *count, void *into)
{
	struct daemon *daemon = ctx;
	struct counting counting = {count, into};
	struct transport_stats peers = {0};

	if (daemon->dhcp4 != NULL) {
		dhcp4_server_each_counter(daemon->dhcp4, count_dhcp4, &counting);
	}
	if (daemon->tftp != NULL) {
		count_transfers(daemon, count, into);
	}
	transport_get_stats(daemon->transport, &peers);
	count(into, "peer_sent", peers.sent);
	count(into, "peer_received", peers.received);
	count(into, "peer_dropped_full", peers.dropped_full);
	count(into, "peer_dropped_invalid", peers.dropped_invalid);
	count(into, "keys_refused", zap_refused(daemon->zap));
	if (daemon->machines != NULL) {
		count(into, "machines_left_out", machines_left_out(daemon->machines));
	}
	if (daemon->syslog != NULL) {
		count_syslog(daemon, count, into);
	}
	if (daemon->timelines != NULL) {
		count(into, "history_lost", timeline_service_lost(daemon->timelines));
	}
	count(into, "events_dropped", events_dropped(daemon->events));
}

static void isolation(void *ctx, struct dhcp4_isolation *ret_isolation)
{
	daemon_tick_get_isolation(ctx, ret_isolation);
}

static size_t foreign(
	void *ctx, struct dhcp4_foreign ret_servers[DHCP4_WATCH_SERVERS], bool *ret_expected)
{
	const struct daemon *daemon = ctx;

	*ret_expected = false;
	return daemon->dhcp4 == NULL
		       ? 0
		       : dhcp4_server_foreign(daemon->dhcp4, ret_servers, ret_expected);
}

/* ---- opening */

/* A TFTP transfer, a connection and an open blob are a descriptor each: take all that we may have.
 */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int load_conf(
	struct daemon *daemon, const char *directory, char *ret_error, size_t error_bytes)
{
	int rc;

	if (strlen(directory) >= sizeof daemon->directory) {
		snprintf(ret_error, error_bytes, "the directory name is too long: %s", directory);
		return -ENAMETOOLONG;
	}
	snprintf(daemon->directory, sizeof daemon->directory, "%s", directory);
	rc = node_conf_load(directory, &daemon->conf, ret_error, error_bytes);
	if (rc == -ENOENT) {
		snprintf(ret_error, error_bytes,
			"%s/%s is not there: this machine is no node yet. Run 'pxectl cluster "
			"init' for a new "
			"cluster, or 'pxectl cluster join TOKEN'",
			directory, NODE_CONF_FILE);
	}
	if (rc == 0) {
		rc = node_start_load(directory, &daemon->start, ret_error, error_bytes);
	}
	if (rc == 0 && daemon->start.kind == NODE_START_RESTORE) {
		snprintf(ret_error, error_bytes,
			"%s/%s: a restore was begun and did not end: remove %s/%s and %s, and run "
			"'pxectl backup restore' again",
			directory, NODE_START_FILE, directory, NODE_CONF_FILE,
			daemon->conf.data_dir);
		rc = -EINVAL;
	}
	if (rc == 0 && if_nametoindex(daemon->conf.interface) == 0) {
		snprintf(ret_error, error_bytes,
			"%s/%s: there is no interface '%s' on this machine ('ip -br link' lists "
			"them)",
			directory, NODE_CONF_FILE, daemon->conf.interface);
		rc = -ENODEV;
	}
	return rc;
}

static void on_own_event(void *ctx, const struct event *posted, const Pxe__Event *event)
{
	struct daemon *daemon = ctx;
	(void)event;

	if (daemon->machines != NULL) {
		machines_on_event(daemon->machines, posted);
	}
}

static int open_events(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	struct events_config config = {.loop = &daemon->loop,
		.node = daemon->conf.name,
		.ctx = daemon,
		.now_ms = events_now,
		.broadcast = events_broadcast,
		.on_own = on_own_event};
	int rc = events_open(&config, &daemon->events);

	if (rc < 0) {
		snprintf(ret_error, error_bytes, "cannot set up events: %s", strerror(-rc));
	}
	return rc;
}

static int open_images(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	struct image_intake_config intake = {.loop = &daemon->loop, .blobs = daemon->blobs};
	struct image_puller_config puller = {.loop = &daemon->loop, .blobs = daemon->blobs};
	struct content_source_config content = {
		.kv = daemon->kv, .blobs = daemon->blobs, .self = daemon->conf.id};
	const struct relays_config relays = {.blobs = daemon->blobs};
	int rc;

	daemon->guard = image_guard_new();
	daemon->relays = puller.relays = content.relays = relays_new(&relays);
	daemon->binding = (struct image_cluster_binding){
		.replica = daemon->replica, .events = daemon->events};
	image_cluster_of_replica(&daemon->binding, daemon->conf.id, &intake.cluster);
	puller.cluster = intake.cluster;
	intake.guard = daemon->guard;
	puller.guard = daemon->guard;
	rc = image_intake_open(&intake, &daemon->intake);
	if (rc == 0) {
		rc = image_puller_open(&puller, &daemon->puller);
	}
	if (rc == 0) {
		rc = content_source_open(&content, &daemon->content);
	}
	if (rc < 0) {
		snprintf(ret_error, error_bytes, "cannot set up the images: %s", strerror(-rc));
	}
	return rc;
}

static int open_machines(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	struct machines_config config = {.loop = &daemon->loop,
		.replica = daemon->replica,
		.kv = daemon->kv,
		.events = daemon->events,
		.self = daemon->conf.id};
	int rc = machines_open(&config, &daemon->machines);

	if (rc < 0) {
		snprintf(ret_error, error_bytes, "cannot set up the inventory of machines: %s",
			strerror(-rc));
	}
	return rc;
}

static int open_syslog(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	struct syslog_server_config config = {
		.loop = &daemon->loop, .replica = daemon->replica, .events = daemon->events};
	int rc = syslog_server_open(&config, &daemon->syslog);

	if (rc < 0) {
		snprintf(ret_error, error_bytes, "cannot set up syslog: %s", strerror(-rc));
	}
	return rc;
}

static int open_timelines(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	char directory[NODE_CONF_PATH_BYTES + 32];
	struct timeline_service_config config = {.loop = &daemon->loop,
		.replica = daemon->replica,
		.events = daemon->events,
		.node = daemon->conf.name,
		.directory = directory};
	int rc;

	snprintf(directory, sizeof directory, "%s/history", daemon->conf.data_dir);
	rc = timeline_service_open(&config, &daemon->timelines);
	if (rc < 0) {
		snprintf(ret_error, error_bytes, "cannot set up the timelines: %s", strerror(-rc));
	}
	return rc;
}

static int open_services(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	struct http_config http = {.content = daemon->content,
		.port = daemon->conf.http_port,
		.ctx = daemon,
		.on_event = post_event,
		.claim_ctx = daemon->machines,
		.claim = machines_claim};
	struct tftp_server_config tftp = {.content = tftp_content_of(daemon->content),
		.port = daemon->conf.tftp_port,
		.single_port = daemon->conf.tftp_single_port,
		.ctx = daemon,
		.on_event = post_event,
		.claim_ctx = daemon->machines,
		.claim = machines_claim};
	struct dhcp4_server_config dhcp4 = {.loop = &daemon->loop,
		.replica = daemon->replica,
		.events = daemon->events,
		.interface = daemon->conf.interface,
		.self = daemon->conf.id,
		.serve_ip = daemon->conf.serve_ip,
		.http_port = daemon->conf.http_port};
	int rc = http_server_open(&http, &daemon->http, ret_error, error_bytes);

	if (rc == 0) {
		rc = tftp_server_open(&tftp, &daemon->tftp, ret_error, error_bytes);
	}
	if (rc == 0) {
		rc = dhcp4_server_open(&dhcp4, &daemon->dhcp4, ret_error, error_bytes);
	}
	return rc;
}

/* By the state, or (none yet) by what the join reply said. */
bool daemon_is_witness(const struct daemon *daemon)
{
	const Pxe__Member *self = model_member(replica_model(daemon->replica), daemon->conf.id);

	self = self != NULL ? self : daemon->start.self;
	return self != NULL && self->role == PXE__MEMBER_ROLE__MEMBER_WITNESS;
}

static bool is_removed(void *ctx)
{
	const struct daemon *daemon = ctx;

	return daemon->removed;
}

static int open_admin(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	struct admin_config config = {.loop = &daemon->loop,
		.zmq_context = daemon->zmq_context,
		.zap = daemon->zap,
		.replica = daemon->replica,
		.events = daemon->events,
		.intake = daemon->intake,
		.puller = daemon->puller,
		.timelines = daemon->timelines,
		.self = daemon->conf.id,
		.socket_path = daemon->conf.socket_path,
		.api_address = daemon->conf.api_address,
		.join_address = daemon->conf.join_address,
		.ctx = daemon,
		.counters = counters,
		.isolation = isolation,
		.foreign = foreign,
		.removed = is_removed};
	int rc;

	memcpy(config.api_public_key, daemon->api_key.public_key, sizeof config.api_public_key);
	memcpy(config.api_secret_key, daemon->api_key.secret_key, sizeof config.api_secret_key);
	rc = admin_open(&config, &daemon->admin, ret_error, error_bytes);
	explicit_bzero(config.api_secret_key, sizeof config.api_secret_key);
	return rc;
}

/* ---- stopping */

static void on_handle(uv_handle_t *handle, void *ctx)
{
	(void)ctx;
	if (!uv_is_closing(handle)) {
		uv_close(handle, NULL);
	}
}

static void close_services(struct daemon *daemon)
{
	if (daemon->admin != NULL) {
		admin_close(daemon->admin);
		daemon->admin = NULL;
	}
	if (daemon->dhcp4 != NULL) {
		dhcp4_server_close(daemon->dhcp4);
		daemon->dhcp4 = NULL;
	}
	if (daemon->relays != NULL) {
		relays_stop(daemon->relays);
	}
	if (daemon->tftp != NULL) {
		tftp_server_close(daemon->tftp);
		daemon->tftp = NULL;
	}
	if (daemon->http != NULL) {
		http_server_close(daemon->http);
		daemon->http = NULL;
	}
	if (daemon->syslog != NULL) {
		syslog_server_close(daemon->syslog);
		daemon->syslog = NULL;
	}
	if (daemon->timelines != NULL) {
		timeline_service_close(daemon->timelines);
		daemon->timelines = NULL;
	}
	if (daemon->machines != NULL) {
		machines_close(daemon->machines);
		daemon->machines = NULL;
	}
	if (daemon->puller != NULL) {
		image_puller_close(daemon->puller);
		daemon->puller = NULL;
	}
	if (daemon->intake != NULL) {
		image_intake_close(daemon->intake);
		daemon->intake = NULL;
	}
	if (daemon->content != NULL) {
		content_source_close(daemon->content);
		daemon->content = NULL;
	}
}

/* First of all: the loop turns while the parts are closed, and none of these may meet a part that
 * is gone. */
static void stop_timers(struct daemon *daemon)
{
	if (!daemon->timers_open) {
		return;
	}
	uv_timer_stop(&daemon->tick);
	uv_timer_stop(&daemon->handover);
	uv_signal_stop(&daemon->term);
	uv_signal_stop(&daemon->interrupt);
}

static void daemon_close(struct daemon *daemon)
{
	stop_timers(daemon);
	close_services(daemon);
	if (daemon->loop_open) {
		/* Workers of the image services finish while the loop runs on. */
		uv_run(&daemon->loop, UV_RUN_NOWAIT);
	}
	daemon_state_close(daemon);
	if (daemon->events != NULL) {
		events_close(daemon->events);
	}
	if (daemon->loop_open) {
		/* A stopped handle does not keep the loop alive, but is to be closed as well. */
		do {
			uv_walk(&daemon->loop, on_handle, NULL);
		} while (uv_run(&daemon->loop, UV_RUN_ONCE) != 0);
		uv_loop_close(&daemon->loop);
	}
	if (daemon->guard != NULL) {
		relays_free(daemon->relays);
		image_guard_free(daemon->guard);
	}
	if (daemon->zmq_context != NULL) {
		zmq_ctx_term(daemon->zmq_context);
	}
	node_start_fini(&daemon->start);
	free(daemon);
}

static void on_handover(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;
	struct replica_view view;

	replica_get_view(daemon->replica, &view);
	if (!view.is_leader || uv_now(&daemon->loop) >= daemon->handover_until_ms) {
		uv_stop(&daemon->loop);
	}
}

static void on_stop_signal(uv_signal_t *signal, int number)
{
	struct daemon *daemon = signal->data;
	(void)number;

	if (daemon->stopping) {
		return;
	}
	log_info("stopping: handing over to the other nodes");
	sd_notify(0, "STOPPING=1");
	daemon->stopping = true;
	daemon_tick_on_timer(&daemon->tick);
	daemon->handover_until_ms = uv_now(&daemon->loop) + DAEMON_HANDOVER_MS;
	replica_step_down(daemon->replica);
	uv_timer_start(&daemon->handover, on_handover, 50, 20);
}

static void start_timers(struct daemon *daemon)
{
	uv_timer_init(&daemon->loop, &daemon->tick);
	daemon->tick.data = daemon;
	uv_timer_start(&daemon->tick, daemon_tick_on_timer, 0, DAEMON_TICK_MS);
	uv_timer_init(&daemon->loop, &daemon->handover);
	daemon->handover.data = daemon;
	uv_signal_init(&daemon->loop, &daemon->term);
	daemon->term.data = daemon;
	uv_signal_start(&daemon->term, on_stop_signal, SIGTERM);
	uv_signal_init(&daemon->loop, &daemon->interrupt);
	daemon->interrupt.data = daemon;
	uv_signal_start(&daemon->interrupt, on_stop_signal, SIGINT);
	daemon->timers_open = true;
}

/* ---- the outside */

int daemon_open(
	const char *directory, struct daemon **ret_daemon, char *ret_error, size_t error_bytes)
{
	struct daemon *daemon = calloc(1, sizeof *daemon);
	int rc;

	if (daemon == NULL) {
		snprintf(ret_error, error_bytes, "out of memory");
		return -ENOMEM;
	}
	rc = load_conf(daemon, directory, ret_error, error_bytes);
	if (rc == 0) {
		/* A stall of the loop or of ZeroMQ's thread is an election: ask for more than our
		 * share before any thread starts, so that all inherit it; without the right to, go
		 * on. */
		(void)setpriority(PRIO_PROCESS, 0, DAEMON_NICE);
		raise_descriptors();
		log_set_node(daemon->conf.name);
		log_set_level((enum log_level)daemon->conf.log_level);
		uv_loop_init(&daemon->loop);
		daemon->loop_open = true;
		daemon->zmq_context = zmq_ctx_new();
		/* One for the other nodes, one for everybody else: a flood at the doors of pxectl
		 * and of joiners is not to delay a heartbeat. */
		(void)zmq_ctx_set(daemon->zmq_context, ZMQ_IO_THREADS, 2);
		rc = daemon_state_open(daemon, ret_error, error_bytes);
	}
	if (rc == 0) {
		rc = open_events(daemon, ret_error, error_bytes);
	}
	/* A witness votes, and serves nothing: no image, no machine. */
	if (rc == 0 && !daemon_is_witness(daemon)) {
		rc = open_images(daemon, ret_error, error_bytes);
	}
	if (rc == 0 && !daemon_is_witness(daemon)) {
		rc = open_machines(daemon, ret_error, error_bytes);
	}
	if (rc == 0 && !daemon_is_witness(daemon)) {
		rc = open_timelines(daemon, ret_error, error_bytes);
	}
	if (rc == 0 && !daemon_is_witness(daemon)) {
		rc = open_syslog(daemon, ret_error, error_bytes);
	}
	if (rc == 0 && !daemon_is_witness(daemon)) {
		rc = open_services(daemon, ret_error, error_bytes);
	}
	if (rc == 0) {
		rc = open_admin(daemon, ret_error, error_bytes);
	}
	if (rc < 0) {
		daemon_close(daemon);
		return rc;
	}
	start_timers(daemon);
	*ret_daemon = daemon;
	return 0;
}

int daemon_run(struct daemon *daemon)
{
	if (daemon_is_witness(daemon)) {
		log_info(
			"pxed %s votes as a witness (%s) and serves nothing, cluster traffic on %s",
			PXE_VERSION, daemon->conf.name, daemon->conf.peer_address);
	} else {
		log_info("pxed %s serves on %s (%s), cluster traffic on %s", PXE_VERSION,
			daemon->conf.interface, daemon->conf.name, daemon->conf.peer_address);
	}
	sd_notify(0, "READY=1");
	uv_run(&daemon->loop, UV_RUN_DEFAULT);
	log_info("stopped");
	daemon_close(daemon);
	return EXIT_SUCCESS;
}

int daemon_check(const char *directory, char *ret_error, size_t error_bytes)
{
	struct daemon *daemon = calloc(1, sizeof *daemon);
	int rc;

	if (daemon == NULL) {
		snprintf(ret_error, error_bytes, "out of memory");
		return -ENOMEM;
	}
	rc = load_conf(daemon, directory, ret_error, error_bytes);
	node_start_fini(&daemon->start);
	free(daemon);
	return rc;
}
