/* store/replica/replica_raft.c: between the pure core and the world: effects out, messages in.
 *
 * Effects are carried out in the order the core queued them. A message after RAFT_SAVE_VOTE leaves
 * only when that vote is durable (rule 9); it is held by value, and its entries are attached when
 * it leaves.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- configurations */

bool replica_conf_unpack(const Pxe__Configuration *message, struct raft_conf *ret_conf)
{
	struct raft_conf conf = {0};
	if (message == NULL || message->n_members == 0 || message->n_members > RAFT_MEMBERS_MAX)
		return false;
	bool voter = false;
	for (size_t i = 0; i < message->n_members; i++) {
		const Pxe__Configuration__Entry *entry = message->members[i];
		for (unsigned j = 0; j < conf.count; j++) {
			if (conf.member[j].id == entry->id)
				return false;
		}
		if (entry->id == 0)
			return false;
		conf.member[conf.count++] =
			(struct raft_member){.id = entry->id, .voter = entry->voter};
		voter = voter || entry->voter;
	}
	if (!voter)
		return false;
	*ret_conf = conf;
	return true;
}

void replica_conf_pack(const struct raft_conf *conf, uint8_t **ret_bytes, size_t *ret_count)
{
	Pxe__Configuration message = PXE__CONFIGURATION__INIT;
	Pxe__Configuration__Entry entry[RAFT_MEMBERS_MAX];
	Pxe__Configuration__Entry *pointer[RAFT_MEMBERS_MAX];
	for (unsigned i = 0; i < conf->count; i++) {
		pxe__configuration__entry__init(&entry[i]);
		entry[i].id = conf->member[i].id;
		entry[i].voter = conf->member[i].voter;
		pointer[i] = &entry[i];
	}
	message.members = pointer;
	message.n_members = conf->count;
	*ret_count = pxe__configuration__get_packed_size(&message);
	*ret_bytes = replica_alloc(*ret_count);
	pxe__configuration__pack(&message, *ret_bytes);
}

uint64_t replica_batch_stamp_ms(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;
	if (count < 2 ||
		bytes[0] != 0x08) /* field 1, varint: written first by whoever packs a Batch */
		return 0;
	for (size_t i = 1; i < count && i < 10; i++) {
		value |= (uint64_t)(bytes[i] & 0x7f) << (7 * (i - 1));
		if ((bytes[i] & 0x80) == 0)
			return value;
	}
	return 0;
}

/* ---- out */

void replica_send(struct replica *r, uint64_t to, Pxe__Envelope *envelope)
{
	if (r->transport != NULL && to != r->config.self)
		(void)transport_send(r->transport, to, envelope);
}

static void raft_fill(Pxe__RaftMessage *out, const struct raft_message *message)
{
	out->kind = (uint32_t)message->kind;
	out->term = message->term;
	out->index = message->index;
	out->log_term = message->log_term;
	out->commit = message->commit;
	out->prev = message->prev;
	out->stamp_ms = message->stamp_ms;
	out->pre_vote = message->pre_vote;
	out->force = message->force;
	out->ok = message->ok;
}

static void raft_send(struct replica *r, const struct raft_message *message)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__RaftMessage out = PXE__RAFT_MESSAGE__INIT;
	Pxe__LogEntry entry[REPLICA_ENTRIES_MAX];
	Pxe__LogEntry *pointer[REPLICA_ENTRIES_MAX];
	struct kv_entry held[REPLICA_ENTRIES_MAX];
	bool copied[REPLICA_ENTRIES_MAX];
	unsigned count = 0;

	assert(message->entry_count <= REPLICA_ENTRIES_MAX);
	while (count < message->entry_count &&
		replica_disk_entry(r, message->index + 1 + count, &held[count], &copied[count])) {
		pxe__log_entry__init(&entry[count]);
		entry[count].term = held[count].term;
		entry[count].type = held[count].type;
		entry[count].payload.data = held[count].payload;
		entry[count].payload.len = held[count].payload_bytes;
		pointer[count] = &entry[count];
		count++;
	}
	/* An entry that is gone (compacted, cut) makes this a lost message: the core asks again, or
	 * for a snapshot. */
	if (count == message->entry_count) {
		raft_fill(&out, message);
		out.entries = pointer;
		out.n_entries = count;
		if (message->kind == RAFT_APPEND && r->time_ready) {
			const struct replica_member *member = replica_member_find(r, message->to);
			out.cluster_ms = cluster_time_now(&r->time, r->now_ms);
			out.echo_ms = member == NULL ? 0 : member->stamp_ms;
		}
		envelope.body_case = PXE__ENVELOPE__BODY_RAFT;
		envelope.raft = &out;
		replica_send(r, message->to, &envelope);
	}
	for (unsigned i = 0; i < count; i++) {
		if (copied[i])
			kv_entry_fini(&held[i]);
	}
}

static void raft_hold(struct replica *r, const struct raft_message *message)
{
	if (r->held_count == REPLICA_HELD_MAX)
		return; /* lost; the core repeats */
	if (r->held_count == r->held_capacity) {
		r->held_capacity = r->held_capacity == 0 ? 16 : r->held_capacity * 2;
		r->held = realloc(r->held, r->held_capacity * sizeof *r->held);
		if (r->held == NULL)
			abort();
	}
	r->held[r->held_count++] =
		(struct replica_held){.ticket = r->hold_ticket, .message = *message};
}

void replica_raft_release(struct replica *r)
{
	size_t released = 0;
	while (released < r->held_count && r->held[released].ticket <= r->tickets.durable) {
		const struct raft_message *message = &r->held[released].message;
		/* Entries may be others by now when the term is. */
		if (message->kind != RAFT_APPEND || message->term == r->raft.term)
			raft_send(r, message);
		released++;
	}
	if (released == 0)
		return;
	r->held_count -= released;
	memmove(r->held, r->held + released, r->held_count * sizeof *r->held);
}

/* The last `count` entries of the message that the core works on, the first of them at `index`. */
static void raft_store(struct replica *r, uint64_t index, unsigned count)
{
	const Pxe__RaftMessage *message = r->receiving;
	assert(message != NULL && count <= message->n_entries);
	for (unsigned i = 0; i < count; i++) {
		const Pxe__LogEntry *entry = message->entries[message->n_entries - count + i];
		if (entry->type == RAFT_DATA)
			cluster_time_raise(&r->time,
				replica_batch_stamp_ms(entry->payload.data, entry->payload.len));
		replica_disk_log(r, index + i, entry->term, entry->type,
			replica_copy(entry->payload.data, entry->payload.len), entry->payload.len);
	}
}

static void raft_on_role(struct replica *r)
{
	if (r->raft.role != RAFT_LEADER) {
		r->time_ready = false;
		replica_stream_abort(r);
	} else {
		replica_duty_time(r);
	}
	replica_propose_on_leader(r);
	r->promise_count = 0;
	r->contact_ms = 0;
	r->status_due = true;
	r->announced_commit = 0;
}

static void raft_carry_out(struct replica *r, const struct raft_effect *effect)
{
	switch (effect->kind) {
	case RAFT_SAVE_VOTE: replica_disk_vote(r, effect->term, effect->vote); break;
	case RAFT_STORE: raft_store(r, effect->index, effect->count); break;
	case RAFT_STORE_NOOP:
		replica_disk_log(r, effect->index, effect->term, RAFT_NOOP, NULL, 0);
		break;
	case RAFT_DO_TRUNCATE: replica_disk_truncate(r, effect->index); break;
	case RAFT_SEND:
		if (r->hold_ticket > r->tickets.durable)
			raft_hold(r, &effect->message);
		else
			raft_send(r, &effect->message);
		break;
	case RAFT_SEND_SNAPSHOT: replica_stream_start(r, effect->to); break;
	case RAFT_ROLE_CHANGED: raft_on_role(r); break;
	}
}

void replica_raft_drain(struct replica *r)
{
	struct raft_effect effect;
	bool any = false;
	/* Nothing that carries out an effect calls the core, so the queue only shrinks. */
	for (; raft_next_effect(&r->raft, &effect); any = true)
		raft_carry_out(r, &effect);
	/* Without an effect there is no more to do at the end of the turn than before: a wake-up
	 * here each turn would keep the loop from ever sleeping. */
	if (any)
		replica_wake(r);
}

/* ---- in */

bool replica_raft_leads(const struct replica *r)
{
	return r->raft.role == RAFT_LEADER &&
	       raft_term_at(&r->raft, r->raft.commit) == r->raft.term;
}

enum raft_status replica_raft_append(struct replica *r, const struct raft_conf *conf,
	uint8_t *payload, size_t payload_bytes, uint64_t *ret_index)
{
	uint64_t term;
	enum raft_status status = raft_propose(&r->raft, conf, ret_index, &term);
	if (status == RAFT_OK)
		replica_disk_log(r, *ret_index, term, conf == NULL ? RAFT_DATA : RAFT_CONF, payload,
			payload_bytes);
	else
		free(payload);
	replica_raft_drain(r);
	return status;
}

/* What the core has to know of the entries; false: no node of ours sent this. */
static bool raft_read_entries(
	const Pxe__RaftMessage *in, struct raft_entry *ret_entry, struct raft_conf *ret_conf)
{
	if (in->n_entries > REPLICA_ENTRIES_MAX)
		return false;
	for (size_t i = 0; i < in->n_entries; i++) {
		const Pxe__LogEntry *entry = in->entries[i];
		ret_entry[i] = (struct raft_entry){
			.term = entry->term, .type = (enum raft_entry_type)entry->type};
		if (entry->type == RAFT_CONF) {
			Pxe__Configuration *conf = pxe__configuration__unpack(
				NULL, entry->payload.len, entry->payload.data);
			bool sound = replica_conf_unpack(conf, &ret_conf[i]);
			pxe__configuration__free_unpacked(conf, NULL);
			if (!sound)
				return false;
			ret_entry[i].conf = &ret_conf[i];
		} else if (entry->type != RAFT_DATA && entry->type != RAFT_NOOP) {
			return false;
		}
	}
	return true;
}

void replica_raft_on_message(struct replica *r, uint64_t from, const Pxe__RaftMessage *in)
{
	struct raft_entry entry[REPLICA_ENTRIES_MAX];
	struct raft_conf conf[REPLICA_ENTRIES_MAX];
	if (in->kind < RAFT_VOTE || in->kind > RAFT_TIMEOUT_NOW ||
		(in->kind != RAFT_APPEND && in->n_entries > 0) ||
		!raft_read_entries(in, entry, conf)) {
		r->dropped++;
		return;
	}
	struct raft_message message = {
		.kind = (enum raft_message_kind)in->kind,
		.from = from,
		.to = r->config.self,
		.term = in->term,
		.index = in->index,
		.log_term = in->log_term,
		.commit = in->commit,
		.prev = in->prev,
		.stamp_ms = in->stamp_ms,
		.entry_count = (unsigned)in->n_entries,
		.pre_vote = in->pre_vote,
		.force = in->force,
		.ok = in->ok,
	};
	r->receiving = in;
	raft_receive(&r->raft, r->now_ms, &message, in->n_entries > 0 ? entry : NULL);
	replica_raft_drain(r);
	r->receiving = NULL;
	if (message.kind == RAFT_APPEND && r->raft.role == RAFT_FOLLOWER &&
		r->raft.leader == from && r->raft.term == message.term) {
		uint64_t since_ms = replica_view_heard_leader(r, in->commit, in->echo_ms);
		replica_clock_heard(r, in->cluster_ms, since_ms);
	}
}
