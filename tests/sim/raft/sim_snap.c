/* tests/sim/raft/sim_snap.c: snapshots: streamed in chunks, each acknowledged, installed when
 * complete. */
#include "tests/sim/raft/sim.h"

static void send_chunk(struct sim *sim, struct sim_node *node, unsigned to)
{
	struct sim_stream *stream = &node->stream[to];
	struct sim_message *message = sim_net_new(sim);

	message->kind = SIM_CHUNK;
	message->to = to;
	message->state = stream->state;
	message->chunk = stream->chunk;
	message->chunk_count = stream->chunk_count;
	message->raft = (struct raft_message){.kind = RAFT_SNAPSHOT,
		.from = node->at + 1,
		.to = to + 1,
		.term = node->raft.term,
		.index = stream->state.index,
		.log_term = sim->entry[stream->state.entry].term};
	stream->moved_ms = sim->now_ms;
	sim_host_send(sim, node, message);
}

/* The state has been read; it may be newer than when it was asked for. */
void sim_snap_start(struct sim *sim, struct sim_node *node, uint64_t to)
{
	const struct raft_peer *peer = raft_peer(&node->raft, to);

	if (peer == NULL || !peer->in_snapshot)
		return;
	sim->counts.snapshots++;
	node->stream[to - 1] = (struct sim_stream){.active = true,
		.chunk_count = 1 + sim_random(sim, SIM_CHUNKS_MAX),
		.state = node->state};
	send_chunk(sim, node, (unsigned)to - 1);
}

static void acknowledge_chunk(
	struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
	struct sim_message *reply = sim_net_new(sim);

	reply->kind = SIM_CHUNK_ACK;
	reply->to = message->from;
	reply->state = message->state;
	reply->chunk = message->chunk;
	sim_host_send(sim, node, reply);
}

void sim_snap_on_chunk(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
	bool next = message->chunk == 0 || (node->receiving.from == message->from &&
						   node->receiving.index == message->raft.index &&
						   node->receiving.term == message->raft.term &&
						   node->receiving.next == message->chunk);

	raft_heard_leader(&node->raft, node->clock_ms, message->raft.from, message->raft.term);
	sim_host_drain(sim, node, NULL);
	if (!next)
		return;
	node->receiving.from = message->from;
	node->receiving.index = message->raft.index;
	node->receiving.term = message->raft.term;
	node->receiving.next = message->chunk + 1;
	acknowledge_chunk(sim, node, message);
	if (message->chunk + 1 < message->chunk_count)
		return;
	node->receiving.next = SIM_CHUNKS_MAX + 1;
	if (raft_install_begin(&node->raft, node->clock_ms, &message->raft)) {
		sim_trace(sim, "n%u installs a snapshot at %llu", node->at + 1,
			(unsigned long long)message->state.index);
		sim_disk_queue(sim, node, SIM_OP_INSTALL)->state = message->state;
	}
	sim_host_drain(sim, node, NULL);
}

void sim_snap_on_ack(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
	struct sim_stream *stream = &node->stream[message->from];

	if (!stream->active || stream->state.index != message->state.index ||
		stream->chunk != message->chunk)
		return;
	if (++stream->chunk < stream->chunk_count) {
		send_chunk(sim, node, message->from);
		return;
	}
	stream->active = false;
	raft_snapshot_done(&node->raft, message->from + 1, true);
	sim_host_drain(sim, node, NULL);
}

void sim_snap_expire(struct sim *sim, struct sim_node *node, bool all)
{
	for (unsigned i = 0; i < SIM_NODES_MAX; i++) {
		struct sim_stream *stream = &node->stream[i];

		if (!stream->active || (!all && sim->now_ms - stream->moved_ms < SIM_STREAM_MS))
			continue;
		stream->active = false;
		raft_snapshot_done(&node->raft, i + 1, false);
		sim_host_drain(sim, node, NULL);
	}
}

void sim_snap_installed(struct sim *sim, struct sim_node *node, const struct sim_state *state)
{
	sim_check_state(sim, state);
	node->state = *state;
	node->applied = node->last = state->index;
	node->log[node->last] = state->entry;
	raft_installed(&node->raft, state->index, sim->entry[state->entry].term, state->conf_index,
		&sim->conf[state->conf]);
}
