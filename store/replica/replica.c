/* store/replica/replica.c: the way in: open, close, messages, durable tickets, ticks, the end of
 * the turn. */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *replica_alloc(size_t bytes)
{
	void *memory = calloc(1, bytes == 0 ? 1 : bytes);
	if (memory == NULL)
		abort(); /* a node without memory is a dead node: the others go on, the service
			    manager restarts it */
	return memory;
}

uint8_t *replica_copy(const uint8_t *bytes, size_t count)
{
	if (count == 0)
		return NULL;
	uint8_t *copy = malloc(count);
	if (copy == NULL)
		abort();
	memcpy(copy, bytes, count);
	return copy;
}

uint64_t replica_see_time(struct replica *r)
{
	uint64_t now_ms = r->config.env->now_boot_ms(r->config.env->ctx);
	if (now_ms > r->now_ms)
		r->now_ms = now_ms;
	return r->now_ms;
}

void replica_wake(struct replica *r)
{
	replica_loop_wake(r->loop);
}

void replica_alarm(struct replica *r, const char *format, ...)
{
	va_list args;
	if (r->alarm_count == REPLICA_ALARMS_MAX)
		return; /* the first ones tell why */
	va_start(args, format);
	vsnprintf(r->alarm[r->alarm_count++], sizeof r->alarm[0], format, args);
	va_end(args);
	replica_wake(r);
}

/* ---- open, close */

void replica_unmake(struct replica *r)
{
	replica_stream_abort(r);
	replica_install_fini(r);
	replica_propose_fini(r);
	replica_apply_fini(r);
	replica_member_fini(r);
	replica_log_fini(&r->log);
	free(r->tickets.slot);
	free(r->held);
	if (r->model != NULL)
		model_free(r->model);
	free(r);
}

struct replica *replica_make(const struct replica_config *config)
{
	struct replica *r = replica_alloc(sizeof *r);
	r->config = *config;
	r->kv = config->kv;
	if (r->config.env == NULL)
		r->config.env = replica_env_system();
	pxe__peer_status__init(&r->status);
	struct raft_config raft = {
		.id = config->self,
		.election_ms = config->election_ms == 0 ? REPLICA_ELECTION_MS : config->election_ms,
		.heartbeat_ms =
			config->heartbeat_ms == 0 ? REPLICA_HEARTBEAT_MS : config->heartbeat_ms,
		.entries_max = REPLICA_ENTRIES_MAX,
		.window = REPLICA_WINDOW,
		.random_seed = r->config.env->random(r->config.env->ctx),
	};
	r->model = model_new();
	if (r->model == NULL)
		abort();
	replica_see_time(r);
	raft_init(&r->raft, &raft, r->now_ms);
	replica_log_init(&r->log);
	replica_apply_init(r);
	replica_propose_init(r);
	r->no_quorum_since_ms = r->opened_ms = r->now_ms;
	r->stamp_base = r->config.env->random(r->config.env->ctx) >> 1 | UINT64_C(1) << 40;
	r->stream_next = r->config.env->random(r->config.env->ctx) >> 8;
	return r;
}

int replica_open(const struct replica_config *config, const struct replica_bootstrap *bootstrap,
	struct replica **ret_replica, char *ret_error, size_t error_bytes)
{
	assert(config != NULL && config->kv != NULL && config->self != 0 && ret_replica != NULL &&
		ret_error != NULL);
	struct replica *r = replica_make(config);
	int status = replica_boot(r, bootstrap, ret_error, error_bytes);
	if (status == 0 && config->loop != NULL)
		status = replica_loop_open(r, config->loop, &r->loop);
	if (status != 0) {
		replica_unmake(r);
		return status;
	}
	*ret_replica = r;
	return 0;
}

void replica_connect(struct replica *r, struct transport *transport)
{
	assert(r != NULL && r->transport == NULL);
	r->transport = transport;
	replica_see_time(r);
	replica_roster_changed(r);
	replica_member_connect(r);
	replica_loop_start(r->loop);
}

void replica_close(struct replica *r)
{
	assert(r != NULL);
	r->closing = true;
	replica_disk_flush(r);
	replica_propose_abandon(r, true);
	replica_apply_tell(r);
	replica_loop_close(r->loop);
	r->loop = NULL;
	replica_unmake(r);
}

/* ---- in */

void replica_on_message(void *replica, uint64_t from, const Pxe__Envelope *envelope)
{
	struct replica *r = replica;
	assert(r != NULL && envelope != NULL);
	struct replica_member *member = replica_member_find(r, from);
	if (member == NULL) {
		r->dropped++;
		return;
	}
	replica_see_time(r);
	member->heard = true;
	member->heard_ms = r->now_ms;
	switch (envelope->body_case) {
	case PXE__ENVELOPE__BODY_RAFT: replica_raft_on_message(r, from, envelope->raft); break;
	case PXE__ENVELOPE__BODY_PROPOSE:
		replica_propose_on_forwarded(r, from, envelope->propose);
		break;
	case PXE__ENVELOPE__BODY_PROPOSE_REFUSED:
		replica_propose_on_refused(r, from, envelope->propose_refused);
		break;
	case PXE__ENVELOPE__BODY_SNAPSHOT_CHUNK:
		replica_install_on_chunk(r, from, envelope->snapshot_chunk);
		break;
	case PXE__ENVELOPE__BODY_SNAPSHOT_ACK:
		replica_stream_on_ack(r, from, envelope->snapshot_ack);
		break;
	case PXE__ENVELOPE__BODY_STATUS:
		replica_member_on_status(r, member, envelope->status);
		break;
	case PXE__ENVELOPE__BODY_ROSTER: replica_roster_on_message(r, envelope->roster); break;
	case PXE__ENVELOPE__BODY_EVENT:
		if (r->config.on_event != NULL)
			r->config.on_event(r->config.ctx, envelope->event);
		break;
	case PXE__ENVELOPE__BODY__NOT_SET:
	case _PXE__ENVELOPE__BODY__CASE_IS_INT_SIZE: r->dropped++; break;
	}
	replica_wake(r);
}

void replica_on_other_epoch(void *replica, uint64_t from, uint64_t epoch)
{
	struct replica *r = replica;
	assert(r != NULL);
	const Pxe__Member *member = model_member(r->model, from);
	uint64_t own = replica_epoch(r);
	char name[MODEL_NAME_MAX + 1];
	if (member != NULL)
		snprintf(name, sizeof name, "%s", member->name);
	else
		snprintf(name, sizeof name, "of id %llu", (unsigned long long)from);
	if (epoch < own)
		replica_alarm(r,
			"node %s still is in epoch %llu, the cluster is in %llu: it was left "
			"behind by cluster recover; wipe it and join it anew",
			name, (unsigned long long)epoch, (unsigned long long)own);
	else
		replica_alarm(r,
			"node %s is in epoch %llu, this node in %llu: this node was left behind "
			"by cluster recover; wipe it and join it anew",
			name, (unsigned long long)epoch, (unsigned long long)own);
}

uint64_t replica_epoch(const struct replica *r)
{
	assert(r != NULL);
	return r->applied.index > 0 ? model_epoch(r->model) : r->seed_epoch;
}

void replica_on_durable(struct replica *r, uint64_t ticket)
{
	assert(r != NULL);
	replica_see_time(r);
	replica_disk_on_durable(r, ticket);
}

void replica_tick(struct replica *r)
{
	replica_see_time(r);
	raft_tick(&r->raft, r->now_ms);
	replica_raft_drain(r);
	replica_propose_tick(r);
	replica_stream_tick(r);
	replica_install_tick(r);
	if (r->raft.role == RAFT_LEADER && !r->time_ready)
		replica_duty_time(r);
	replica_duty_tick(r);
	replica_room_tick(r);
	replica_member_tick(r);
	replica_view_tick(r);
	replica_clock_tick(r);
	replica_wake(r);
}

/* ---- end of turn */

static void replica_tell_alarms(struct replica *r)
{
	unsigned count = r->alarm_count;
	r->alarm_count = 0;
	for (unsigned i = 0; i < count && r->config.on_alarm != NULL; i++)
		r->config.on_alarm(r->config.ctx, r->alarm[i]);
}

void replica_turn_end(struct replica *r)
{
	replica_see_time(r);
	/* First what others wait for: messages and the log; then what only this node does. */
	replica_propose_flush(r);
	raft_flush(&r->raft);
	replica_raft_drain(r);
	/* Followers answer their clients when they learn of the commit: tell them now, not with the
	 * next heartbeat. */
	if (r->raft.role == RAFT_LEADER && r->raft.commit > r->announced_commit) {
		r->announced_commit = r->raft.commit;
		raft_announce_commit(&r->raft);
		replica_raft_drain(r);
	}
	replica_disk_flush(r);
	bool more = replica_apply(r);
	replica_disk_compact(r);
	replica_disk_flush(r);
	bool changed = replica_view_changed(r);
	if (r->applied.members_changed) {
		r->applied.members_changed = false;
		replica_roster_changed(r);
		replica_member_connect(r);
	}
	replica_tell_alarms(r);
	if (changed && r->config.on_view != NULL)
		r->config.on_view(r->config.ctx);
	replica_apply_tell(r);
	replica_journal_tell(r);
	if (more)
		replica_wake(r);
}

/* ---- the rest of what our user may do */

const struct model *replica_model(const struct replica *r)
{
	assert(r != NULL);
	return r->model;
}

void replica_set_status(struct replica *r, const Pxe__PeerStatus *status)
{
	assert(r != NULL && status != NULL);
	if (status->stopping != r->status.stopping || status->serving != r->status.serving ||
		status->isolated != r->status.isolated)
		r->status_due = true;
	snprintf(r->version, sizeof r->version, "%s",
		status->version == NULL ? "" : status->version);
	r->status.serving = status->serving;
	r->status.dhcp_per_s = status->dhcp_per_s;
	r->status.boots = status->boots;
	r->status.free_bytes = status->free_bytes;
	r->status.stopping = status->stopping;
	r->status.isolated = status->isolated;
	r->status.reserve_free = status->reserve_free;
	r->status.images_need = status->images_need;
	r->status.images_room = status->images_room;
}

void replica_broadcast_event(struct replica *r, const Pxe__Event *event)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	assert(r != NULL && event != NULL);
	envelope.body_case = PXE__ENVELOPE__BODY_EVENT;
	envelope.event = (Pxe__Event *)event;
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++) {
		if (r->member[i].id != 0 && r->member[i].live)
			replica_send(r, r->member[i].id, &envelope);
	}
}

void replica_step_down(struct replica *r)
{
	assert(r != NULL);
	replica_see_time(r);
	r->transfer_ms = 0; /* it was asked for: no matter when it was last tried */
	/* Nobody to hand over to, or not the leader: nothing to do. */
	(void)replica_conf_hand_over(r, true);
}
