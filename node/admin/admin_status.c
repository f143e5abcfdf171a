/* One screen about the cluster: what this node knows of itself, the others, the pools and the
 * images, and what an operator should look after. */
#include "node/admin/admin_impl.h"

#include "proto/wire/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_POOLS_MAX    256
#define STATUS_WARNINGS_MAX 24
#define STATUS_BEHIND       1000u /* entries: more is told as a state */
#define STATUS_DISK_LOW     (512ull * 1000 * 1000)
#define STATUS_POOL_FULL    90u /* per cent */

struct status {
	Pxe__Status message; /* first: admin_status_new() gives it out */
	struct admin *admin;
	struct replica_view view;
	Pxe__NodeStatus nodes[MODEL_MEMBERS_MAX], *node_list[MODEL_MEMBERS_MAX];
	char addresses[MODEL_MEMBERS_MAX][TEXT_IP4_BYTES];
	Pxe__PoolStatus pools[STATUS_POOLS_MAX], *pool_list[STATUS_POOLS_MAX];
	Pxe__Counter counters[ADMIN_COUNTERS_MAX], *counter_list[ADMIN_COUNTERS_MAX];
	char counter_names[ADMIN_COUNTERS_MAX][48];
	char warnings[STATUS_WARNINGS_MAX][400], *warning_list[STATUS_WARNINGS_MAX];
	unsigned versions, held[MODEL_MEMBERS_MAX], missing[MODEL_MEMBERS_MAX];
	const char *missing_image[MODEL_MEMBERS_MAX]; /* one of them */
	char cluster_id[33];
	Pxe__ForeignServer foreign[DHCP4_WATCH_SERVERS], *foreign_list[DHCP4_WATCH_SERVERS];
	struct dhcp4_foreign heard[DHCP4_WATCH_SERVERS];
	uint8_t foreign_ip[DHCP4_WATCH_SERVERS][2][4];
};

static void warn(struct status *status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(struct status *status, const char *format, ...)
{
	size_t i = status->message.n_warnings;
	va_list args;

	if (i == STATUS_WARNINGS_MAX) {
		return;
	}
	va_start(args, format);
	vsnprintf(status->warnings[i], sizeof status->warnings[i], format, args);
	va_end(args);
	status->warning_list[i] = status->warnings[i];
	status->message.n_warnings++;
}

/* ---- images */

static bool holds(const Pxe__ImageVersion *version, uint64_t member)
{
	for (size_t i = 0; i < version->n_holders; i++) {
		if (version->holders[i] == member) {
			return true;
		}
	}
	return false;
}

static bool count_version(void *ctx, const void *object)
{
	struct status *status = ctx;
	const Pxe__ImageVersion *version = object;

	status->versions++;
	for (unsigned i = 0; i < status->view.member_count; i++) {
		const Pxe__Member *member =
			model_member(admin_model(status->admin), status->view.member[i].id);
		bool held = holds(version, status->view.member[i].id);
		status->held[i] += held;
		if (!held && member != NULL && member->role == PXE__MEMBER_ROLE__MEMBER_FULL) {
			status->missing_image[i] = version->image;
			status->missing[i]++;
		}
	}
	return true;
}

static void warn_of_room(struct status *status, unsigned i, const char *name)
{
	const Pxe__PeerStatus *peer = &status->view.member[i].status;
	char need[TEXT_SIZE_BYTES], room[TEXT_SIZE_BYTES];

	warn(status,
		"image %s is not on %s: no room, %s needed, %s free for images; free space there, "
		"or remove versions: pxectl image gc",
		status->missing_image[i], name, text_size_format(peer->images_need, need),
		text_size_format(peer->images_room, room));
}

/* A line for each node, however many images it lacks. */
static void warn_of_images(struct status *status)
{
	for (unsigned i = 0; i < status->view.member_count; i++) {
		const Pxe__Member *member =
			model_member(admin_model(status->admin), status->view.member[i].id);
		const char *why = status->view.member[i].live ? "" : " (it is down)";
		if (member != NULL && status->view.member[i].live && status->missing[i] > 0 &&
			status->view.member[i].status.images_need > 0) {
			warn_of_room(status, i, member->name);
			continue;
		}
		if (member != NULL && status->missing[i] == 1) {
			warn(status, "image %s is not on %s yet%s", status->missing_image[i],
				member->name, why);
		} else if (member != NULL && status->missing[i] > 1) {
			warn(status, "%u images, %s among them, are not on %s yet%s",
				status->missing[i], status->missing_image[i], member->name, why);
		}
	}
}

/* ---- nodes */

static char *role_of(const struct status *status, const struct replica_member_view *view,
	const Pxe__Member *member)
{
	static char leader[] = "leader", voter[] = "voter", learner[] = "learner",
		    witness[] = "witness";

	if (view->id == status->view.leader) {
		return leader;
	}
	if (!view->voter) {
		return learner;
	}
	return member->role == PXE__MEMBER_ROLE__MEMBER_WITNESS ? witness : voter;
}

static char *state_of(const struct replica_member_view *view, const Pxe__Member *member,
	const Pxe__NodeStatus *node, bool removed)
{
	static char removing[] = "removing", down[] = "down", joining[] = "joining",
		    late[] = "behind", ok[] = "ok", stopping[] = "stopping", idle[] = "not serving",
		    alone[] = "isolated", draining[] = "draining", standby[] = "standby",
		    gone[] = "removed";

	if (member->removing) {
		return removing;
	}
	if (removed) {
		return gone;
	}
	if (!view->live) {
		return down;
	}
	if (view->status.stopping) {
		return stopping;
	}
	if (node->isolated) {
		return alone;
	}
	if (!view->voter && !member->standby) {
		return joining;
	}
	if (node->behind > STATUS_BEHIND) {
		return late;
	}
	if (member->draining) {
		return draining;
	}
	if (member->standby && view->status.serving) {
		return standby;
	}
	return view->status.serving || member->role == PXE__MEMBER_ROLE__MEMBER_WITNESS ? ok : idle;
}

static void add_node(struct status *status, unsigned i)
{
	const struct replica_member_view *view = &status->view.member[i];
	const Pxe__Member *member = model_member(admin_model(status->admin), view->id);
	size_t n = status->message.n_nodes;
	Pxe__NodeStatus *node = &status->nodes[n];
	bool self = view->id == status->view.self;

	if (member == NULL) {
		return;
	}
	pxe__node_status__init(node);
	node->id = view->id;
	node->name = member->name;
	node->raft_role = role_of(status, view, member);
	if (member->serve_ip.len == 4) {
		const uint8_t *ip = member->serve_ip.data;
		snprintf(status->addresses[n], TEXT_IP4_BYTES, "%u.%u.%u.%u", ip[0], ip[1], ip[2],
			ip[3]);
	}
	node->address = status->addresses[n];
	node->applied = self ? status->view.applied : view->status.applied;
	/* What others have applied is as old as their last status; nobody is behind the leader. */
	node->behind = status->view.commit > node->applied && view->id != status->view.leader
			       ? status->view.commit - node->applied
			       : 0;
	admin_reserve_fill(status->admin, view, member, node);
	node->state = state_of(view, member, node, self && admin_is_removed(status->admin));
	node->dhcp_per_s = view->live ? view->status.dhcp_per_s : 0;
	node->boots = view->live ? view->status.boots : 0;
	node->images_held = status->held[i];
	node->images = member->role == PXE__MEMBER_ROLE__MEMBER_WITNESS ? 0 : status->versions;
	if (view->status.version != NULL) {
		node->version = view->status.version;
	}
	if (self && node->version[0] == '\0') {
		static char own_version[] = PXE_VERSION;
		node->version = own_version;
	}
	node->silent_ms = view->live ? 0 : view->heard_ms_ago;
	node->free_bytes = view->status.free_bytes;
	node->digest_sha256 =
		(ProtobufCBinaryData){sizeof view->digest, (uint8_t *)(uintptr_t)view->digest};
	node->digest_index = view->digest_index;
	status->node_list[n] = node;
	status->message.n_nodes++;
}

/* ---- pools and counters */

static bool add_pool(void *ctx, const void *object)
{
	struct status *status = ctx;
	const Pxe__Pool *pool = object;
	size_t n = status->message.n_pools;
	Pxe__PoolStatus *shown = &status->pools[n];

	if (n == STATUS_POOLS_MAX) {
		return false;
	}
	pxe__pool_status__init(shown);
	shown->name = pool->name;
	shown->subnet = pool->subnet;
	model_pool_usage(admin_model(status->admin), pool, status->message.cluster_ms, &shown->size,
		&shown->used);
	shown->reserve = admin_reserve_of(status->admin, 0, pool);
	status->pool_list[n] = shown;
	status->message.n_pools++;
	if (shown->size > 0 && shown->used * 100 >= shown->size * STATUS_POOL_FULL) {
		warn(status,
			"pool %s is %s: %" PRIu64 " of %" PRIu64 " used; add one: pxectl pool add",
			pool->name, shown->used == shown->size ? "full" : "nearly full",
			shown->used, shown->size);
	}
	return true;
}

static void add_counter(void *into, const char *name, uint64_t value)
{
	struct status *status = into;
	size_t n = status->message.n_counters;

	if (n == ADMIN_COUNTERS_MAX) {
		return;
	}
	pxe__counter__init(&status->counters[n]);
	snprintf(status->counter_names[n], sizeof status->counter_names[n], "%s", name);
	status->counters[n].name = status->counter_names[n];
	status->counters[n].value = value;
	status->counter_list[n] = &status->counters[n];
	status->message.n_counters++;
}

static void add_counters(struct status *status)
{
	struct admin *admin = status->admin;

	if (admin->config.counters != NULL) {
		admin->config.counters(admin->config.ctx, add_counter, status);
	}
	add_counter(status, "admin_requests", admin->stats.requests);
	add_counter(status, "admin_malformed", admin->stats.malformed);
	add_counter(status, "admin_replies_dropped", admin->stats.replies_dropped);
	add_counter(status, "join_requests", admin->stats.joins);
	add_counter(status, "join_refused", admin->stats.join_refused);
}

/* ---- what to look after */

static bool is_short_of_room(const struct replica_view *view, uint64_t id)
{
	for (unsigned i = 0; i < view->member_count; i++) {
		if (view->member[i].id == id) {
			return view->member[i].live && view->member[i].status.short_of_room;
		}
	}
	return false;
}

/* Alone, leaving, draining: what the node does, and what is to be done about it. */
static void warn_of_state(struct status *status, const Pxe__NodeStatus *node)
{
	char text[ADMIN_TEXT_BYTES];

	if (node->isolated && strcmp(node->state, "isolated") == 0) {
		warn(status, "%.390s", admin_reserve_text(status->admin, node, text, sizeof text));
	} else if (status->view.has_quorum && strcmp(node->state, "down") == 0 &&
		   node->reserve_held > 0) {
		warn(status,
			"%s may go on alone with its own %" PRIu32
			" addresses; nobody else leases them meanwhile",
			node->name, node->reserve_held);
	} else if (node->journal > 0) {
		warn(status, "%" PRIu32 " leases that %s gave alone are being merged",
			node->journal, node->name);
	}
	if (strcmp(node->state, "removing") == 0 && !node->forced) {
		warn(status,
			"%s leaves: %" PRIu32 " addresses and %" PRIu32
			" leases are to be handed back first",
			node->name, node->reserve_held, node->journal);
	} else if (node->draining) {
		warn(status, "%s is draining; to end that: pxectl node undrain %s", node->name,
			node->name);
	}
}

static void warn_of_nodes(struct status *status)
{
	char age[TEXT_DURATION_BYTES], size[TEXT_SIZE_BYTES];

	if (admin_is_removed(status->admin)) {
		return; /* what it knows of the others is old, and nothing to look after */
	}
	for (size_t i = 0; i < status->message.n_nodes; i++) {
		const Pxe__NodeStatus *node = &status->nodes[i];
		bool named = !status->view.has_quorum && strcmp(node->raft_role, "learner") != 0;

		if (named) {
			/* The line about the quorum tells of it. */
		} else if (strcmp(node->state, "down") == 0 && node->silent_ms == UINT64_MAX) {
			warn(status, "node %s was not heard since this node started", node->name);
		} else if (strcmp(node->state, "down") == 0) {
			warn(status, "node %s is silent for %s", node->name,
				text_duration_short(admin_whole_seconds(node->silent_ms), age));
		}
		warn_of_state(status, node);
		if (is_short_of_room(&status->view, node->id)) {
			warn(status,
				"the disk of node %s is nearly full; the node ends when it is: "
				"free space there",
				node->name);
		} else if (node->free_bytes > 0 && node->free_bytes < STATUS_DISK_LOW) {
			warn(status, "node %s has little disk left: %s", node->name,
				text_size_format(node->free_bytes, size));
		}
	}
	if (status->view.refusing) {
		warn(status, "no space: the disks of a majority are nearly full; new leases and "
			     "changes are refused until there is room");
	}
	if (status->view.diverged) {
		warn(status, "this node's state differs from the majority's; it serves nothing: "
			     "remove it "
			     "(pxectl node remove) and join it again");
	}
}

static void warn_of_voters(struct status *status)
{
	unsigned voters = status->message.voters;

	if (!status->view.has_quorum) {
		return; /* too late for that advice */
	}
	if (voters == 2) {
		warn(status,
			"2 voters: losing one stops changes (leases already granted keep working); "
			"add a third, a witness is enough: pxectl cluster token create --witness");
	} else if (voters > 2 && voters % 2 == 0) {
		warn(status, "%u voters bear no more failures than %u; add one or remove one",
			voters, voters - 1);
	}
}

/* After a recovery, or of a broken promise. */
static void warn_of_unknown(struct status *status)
{
	char text[TEXT_DURATION_BYTES];

	if (status->message.unknown_until_ms > status->message.cluster_ms) {
		warn(status,
			"leases may run that this state does not know: for %s more new machines "
			"wait, or get one of a node's own addresses",
			text_duration_short(admin_whole_seconds(status->message.unknown_until_ms -
								status->message.cluster_ms),
				text));
	}
	if (status->message.merge_conflicts > 0) {
		warn(status,
			"%" PRIu64 " addresses were leased twice while nodes were apart; this must "
			"not happen: keep the logs of all nodes and report it",
			status->message.merge_conflicts);
	}
}

/* ---- other servers on the segment */

static ProtobufCBinaryData address_bytes(uint32_t ip, uint8_t ret_bytes[4])
{
	for (unsigned i = 0; i < 4; i++) {
		ret_bytes[i] = (uint8_t)(ip >> (24 - 8 * i));
	}
	return (ProtobufCBinaryData){ip == 0 ? 0 : 4, ret_bytes};
}

static void warn_of_foreign(
	struct status *status, const struct dhcp4_foreign *heard, uint64_t heard_ms_ago)
{
	const Pxe__Settings *settings = model_settings(admin_model(status->admin));
	bool off = settings == NULL || settings->dhcp == PXE__DHCP_MODE__DHCP_OFF;
	char ip[TEXT_IP4_BYTES], mac[TEXT_MAC_BYTES] = "", offered[TEXT_IP4_BYTES] = "",
				 age[TEXT_DURATION_BYTES];

	if (heard->has_mac) {
		text_mac_format(heard->mac, mac);
	}
	if (heard->offered_ip != 0) {
		text_ip4_format(heard->offered_ip, offered);
	}
	warn(status, "another DHCP server answers on this segment: %s%s%s%s%s, %s ago; %s",
		text_ip4_format(heard->ip, ip), mac[0] == '\0' ? "" : " at ", mac,
		offered[0] == '\0' ? "" : ", it gave ", offered,
		text_duration_short(admin_whole_seconds(heard_ms_ago), age),
		off ? "leave the addresses to it: pxectl cluster set dhcp=proxy, or stop it and: "
		      "pxectl cluster set dhcp=on"
		    : "stop it, or leave the addresses to it: pxectl cluster set dhcp=proxy");
}

static void add_foreign(struct status *status)
{
	const struct admin_config *config = &status->admin->config;
	const struct replica_env *env = replica_env_system();
	uint64_t boot_ms = env->now_boot_ms(env->ctx);
	bool expected = false;
	size_t count = config->foreign == NULL
			       ? 0
			       : config->foreign(config->ctx, status->heard, &expected);

	for (size_t i = 0; i < count; i++) {
		struct dhcp4_foreign *heard = &status->heard[i];
		Pxe__ForeignServer *server = &status->foreign[i];
		pxe__foreign_server__init(server);
		server->ip = address_bytes(heard->ip, status->foreign_ip[i][0]);
		server->offered_ip = address_bytes(heard->offered_ip, status->foreign_ip[i][1]);
		server->mac = (ProtobufCBinaryData){heard->has_mac ? 6 : 0, heard->mac};
		server->heard_ms = boot_ms > heard->heard_ms ? boot_ms - heard->heard_ms : 0;
		server->answers = heard->answers;
		server->expected = expected;
		status->foreign_list[i] = server;
		if (!expected) {
			warn_of_foreign(status, heard, server->heard_ms);
		}
	}
	status->message.foreign = status->foreign_list;
	status->message.n_foreign = count;
}

static void warn_of_settings(struct status *status, const Pxe__Settings *settings)
{
	const struct model *model = admin_model(status->admin);
	char text[ADMIN_TEXT_BYTES];

	if (admin_is_removed(status->admin)) {
		warn(status, "%s", ADMIN_REMOVED);
	} else if (settings == NULL) {
		warn(status, "this node has no state yet: it waits for the other nodes to send it");
	}
	if (settings == NULL) {
		return;
	}
	if (!admin_is_removed(status->admin) && !status->view.has_quorum) {
		admin_quorum_line(&status->view, model, text, sizeof text);
		warn(status, "%.390s", text);
		admin_quorum_advice(&status->view, model, text, sizeof text);
		warn(status, "%.390s", text);
	}
	warn_of_unknown(status);
	if (settings->dhcp == PXE__DHCP_MODE__DHCP_OFF) {
		warn(status, "DHCP is off: no machine is answered; to change that: pxectl cluster "
			     "set dhcp=on, or dhcp=proxy beside another server");
	}
}

static void fill_head(struct status *status)
{
	const struct model *model = admin_model(status->admin);
	const Pxe__Settings *settings = model_settings(model);
	const Pxe__Member *self = model_member(model, status->view.self);
	const Pxe__Member *leader = model_member(model, status->view.leader);
	static char on[] = "on", off[] = "off", proxy[] = "proxy";

	for (unsigned i = 0; i < status->view.member_count; i++) {
		status->message.voters += status->view.member[i].voter;
		status->message.voters_up +=
			status->view.member[i].voter && status->view.member[i].live;
	}
	if (settings != NULL) {
		status->message.cluster = settings->cluster;
		status->message.server_ip = settings->server_ip;
		status->message.dhcp = settings->dhcp == PXE__DHCP_MODE__DHCP_OFF     ? off
				       : settings->dhcp == PXE__DHCP_MODE__DHCP_PROXY ? proxy
										      : on;
		if (settings->cluster_id.len == 16) {
			text_hex_format(settings->cluster_id.data, 16, status->cluster_id,
				sizeof status->cluster_id);
			status->message.cluster_id = status->cluster_id;
		}
	}
	if (self != NULL) {
		status->message.node = self->name;
	}
	if (leader != NULL) {
		status->message.leader = leader->name;
	}
	status->message.epoch = model_epoch(model);
	status->message.unknown_until_ms = model_unknown_until_ms(model);
	status->message.merge_conflicts = model_merge_conflicts(model);
	status->message.revision = model_revision(model);
	status->message.applied = status->view.applied;
	status->message.term = status->view.term;
	status->message.leases = model_lease_count(model);
	status->message.cluster_ms = replica_now_ms(status->admin->config.replica);
}

static char *health_of(const struct status *status)
{
	static char healthy[] = "healthy", degraded[] = "degraded", none[] = "no quorum",
		    removed[] = "removed";

	if (admin_is_removed(status->admin)) {
		return removed;
	}
	if (!status->view.has_quorum) {
		return none;
	}
	for (size_t i = 0; i < status->message.n_nodes; i++) {
		if (strcmp(status->nodes[i].state, "down") == 0) {
			return degraded;
		}
	}
	return status->view.diverged || status->view.refusing ? degraded : healthy;
}

static int compare_members(const void *a, const void *b)
{
	uint64_t x = ((const struct replica_member_view *)a)->id;
	uint64_t y = ((const struct replica_member_view *)b)->id;

	return x < y ? -1 : x > y;
}

static void fill(struct status *status)
{
	const struct model *model = admin_model(status->admin);

	replica_get_view(status->admin->config.replica, &status->view);
	if (status->view.member_count > 0) {
		qsort(status->view.member, status->view.member_count, sizeof status->view.member[0],
			compare_members);
	}
	pxe__status__init(&status->message);
	status->message.nodes = status->node_list;
	status->message.pools = status->pool_list;
	status->message.counters = status->counter_list;
	status->message.warnings = status->warning_list;
	fill_head(status);
	warn_of_settings(status, model_settings(model));
	model_each(model, PXE__OBJECT_KIND__OBJECT_POOL, add_pool, status);
	if (status->message.n_pools == 0 && model_settings(model) != NULL &&
		model_settings(model)->dhcp == PXE__DHCP_MODE__DHCP_ON) {
		warn(status, "no pool: unknown machines get no address; add: pxectl subnet add, "
			     "pxectl pool add");
	}
	model_each(model, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, count_version, status);
	warn_of_images(status);
	for (unsigned i = 0; i < status->view.member_count; i++) {
		add_node(status, i);
	}
	warn_of_nodes(status);
	warn_of_voters(status);
	add_foreign(status);
	add_counters(status);
	status->message.health = health_of(status);
}

const Pxe__Status *admin_status_new(struct admin *admin)
{
	struct status *status = calloc(1, sizeof *status);

	if (status == NULL) {
		return NULL;
	}
	status->admin = admin;
	fill(status);
	return &status->message;
}

void admin_status_free(const Pxe__Status *message)
{
	free((struct status *)(uintptr_t)message);
}

void admin_on_status(struct admin *admin, const struct admin_client *client)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	const Pxe__Status *status = admin_status_new(admin);

	if (status == NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"this node has no memory left");
		return;
	}
	reply.body_case = PXE__ADMIN_REPLY__BODY_STATE;
	reply.state = (Pxe__Status *)(uintptr_t)status;
	admin_reply(admin, client, &reply);
	admin_status_free(status);
}
