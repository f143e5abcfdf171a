/* store/replica/replica_propose.c: commands on their way into the log: our own, and those that
 * followers hand over.
 *
 *            forward                     outcome refused, leader changed, 300 ms
 *   UNSENT ----------> FORWARDED  ------------------------------------> UNSENT
 *      |  leader's batch
 *      +-------------> LOGGED     ------ lost the lead ---------------> UNSENT
 *   any ---- applied here, or timed out, or a snapshot replaced the state ----> told once, FREE
 *   (REPLICA_FOREVER: only applied here; after a snapshot it is UNSENT again)
 *
 * Repeating is harmless: the model applies each (origin, incarnation, seq) once. Its window reaches
 * MODEL_WINDOW sequence numbers back, so outstanding ones span at most half of that.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PROPOSE_VARINT_MAX 10

void replica_propose_init(struct replica *r)
{
	r->proposals.next_seq = r->proposals.oldest_seq = 1;
	r->proposals.scratch = replica_alloc(REPLICA_BATCH_BYTES + REPLICA_COMMAND_BYTES);
}

static struct replica_pending *propose_slot(struct replica *r, uint64_t seq)
{
	return &r->proposals.slot[seq % REPLICA_PENDING_MAX];
}

/* Give the slot free; the outcome is told at the end of the turn. */
static void propose_finish(struct replica *r, struct replica_pending *pending,
	enum replica_outcome outcome, const struct model_result *result)
{
	struct replica_proposals *proposals = &r->proposals;
	assert(pending->state != REPLICA_PENDING_FREE);
	if (pending->done != NULL)
		replica_apply_done(r, pending->done, pending->ctx, outcome, result);
	bool forever = pending->forever;
	free(pending->bytes);
	*pending = (struct replica_pending){.state = REPLICA_PENDING_FREE};
	proposals->outstanding--;
	proposals->forever_count -= forever;
	while (proposals->oldest_seq < proposals->next_seq &&
		propose_slot(r, proposals->oldest_seq)->state == REPLICA_PENDING_FREE)
		proposals->oldest_seq++;
}

static void propose_clear_waiting(struct replica_proposals *proposals)
{
	for (; proposals->waiting_count > 0; proposals->waiting_count--) {
		free(proposals->waiting[proposals->waiting_first].bytes);
		proposals->waiting_first = (proposals->waiting_first + 1) % REPLICA_WAITING_MAX;
	}
	proposals->waiting_bytes = 0;
}

void replica_propose_abandon(struct replica *r, bool closing)
{
	struct replica_proposals *proposals = &r->proposals;
	for (uint64_t seq = proposals->oldest_seq; seq < proposals->next_seq; seq++) {
		struct replica_pending *pending = propose_slot(r, seq);
		if (pending->state == REPLICA_PENDING_FREE)
			continue;
		if (closing || !pending->forever) {
			propose_finish(r, pending, REPLICA_UNKNOWN, NULL);
			continue;
		}
		pending->state = REPLICA_PENDING_UNSENT;
		pending->again_ms = 0;
		proposals->unsent = true;
	}
}

void replica_propose_fini(struct replica *r)
{
	replica_propose_abandon(r, true);
	propose_clear_waiting(&r->proposals);
	free(r->proposals.scratch);
}

/* ---- our own */

/* Refused here, with the same outcome anywhere: told like any other. */
static void propose_refuse(struct replica *r, replica_done_cb *done, void *ctx, size_t byte_count)
{
	struct model_result *result = replica_alloc(sizeof *result);
	bool is_large = byte_count > REPLICA_COMMAND_BYTES;
	result->verdict = is_large ? PXE__VERDICT__VERDICT_LIMIT : PXE__VERDICT__VERDICT_INVALID;
	result->revision = model_revision(r->model);
	snprintf(result->detail, sizeof result->detail,
		"the command is malformed: a field of it has no number");
	if (is_large)
		snprintf(result->detail, sizeof result->detail,
			"the command has %zu bytes, the limit is %u; split it (an image: fewer "
			"files with shorter paths)",
			byte_count, REPLICA_COMMAND_BYTES);
	if (done != NULL)
		replica_apply_done(r, done, ctx, REPLICA_APPLIED, result);
	free(result);
	replica_wake(r);
}

enum replica_outcome replica_propose(struct replica *r, Pxe__Command *command, unsigned timeout_ms,
	replica_done_cb *done, void *ctx)
{
	struct replica_proposals *proposals = &r->proposals;
	assert(r != NULL && command != NULL);
	uint64_t now_ms = replica_see_time(r);
	if (r->closing || r->raft.leader == 0)
		return REPLICA_NO_QUORUM;
	if (replica_room_refuses(r, command))
		return REPLICA_NO_SPACE;
	bool forever = timeout_ms == REPLICA_FOREVER;
	if (proposals->next_seq - proposals->oldest_seq >= REPLICA_PENDING_MAX ||
		(forever && proposals->forever_count == REPLICA_FOREVER_MAX))
		return REPLICA_BUSY;
	command->origin = r->config.self;
	command->incarnation = proposals->incarnation;
	command->seq = proposals->next_seq;
	size_t byte_count = pxe__command__get_packed_size(command);
	if (byte_count > REPLICA_COMMAND_BYTES || !model_command_is_sound(command)) {
		propose_refuse(r, done, ctx, byte_count);
		return REPLICA_APPLIED;
	}
	struct replica_pending *pending = propose_slot(r, proposals->next_seq);
	assert(pending->state == REPLICA_PENDING_FREE);
	*pending = (struct replica_pending){
		.state = REPLICA_PENDING_UNSENT,
		.seq = proposals->next_seq++,
		.bytes = replica_alloc(byte_count),
		.byte_count = byte_count,
		.done = done,
		.ctx = ctx,
		.forever = forever,
		.deadline_ms = now_ms + (timeout_ms == 0 ? REPLICA_TIMEOUT_MS : timeout_ms),
	};
	pxe__command__pack(command, pending->bytes);
	proposals->outstanding++;
	proposals->forever_count += forever;
	proposals->unsent = true;
	replica_wake(r);
	return REPLICA_APPLIED;
}

void replica_propose_applied(
	struct replica *r, const Pxe__Command *command, const struct model_result *result)
{
	if (command->origin != r->config.self || command->incarnation != r->proposals.incarnation)
		return;
	struct replica_pending *pending = propose_slot(r, command->seq);
	if (pending->state == REPLICA_PENDING_FREE || pending->seq != command->seq)
		return; /* a repetition, or given up */
	/* A duplicate here means that its first application was not seen: a snapshot came in
	 * between. */
	bool duplicate = result->verdict == PXE__VERDICT__VERDICT_DUPLICATE && !pending->forever;
	propose_finish(r, pending, duplicate ? REPLICA_UNKNOWN : REPLICA_APPLIED,
		duplicate ? NULL : result);
}

void replica_propose_tick(struct replica *r)
{
	struct replica_proposals *proposals = &r->proposals;
	for (uint64_t seq = proposals->oldest_seq; seq < proposals->next_seq; seq++) {
		struct replica_pending *pending = propose_slot(r, seq);
		if (pending->state == REPLICA_PENDING_FREE)
			continue;
		if (!pending->forever && r->now_ms >= pending->deadline_ms) {
			propose_finish(r, pending, REPLICA_UNKNOWN, NULL);
		} else if (pending->state == REPLICA_PENDING_FORWARDED &&
			   r->now_ms >= pending->again_ms) {
			pending->state = REPLICA_PENDING_UNSENT;
			proposals->unsent = true;
		} else if (pending->state == REPLICA_PENDING_UNSENT) {
			proposals->unsent = true;
		}
	}
}

/* ---- between nodes */

void replica_propose_on_leader(struct replica *r)
{
	struct replica_proposals *proposals = &r->proposals;
	for (uint64_t seq = proposals->oldest_seq; seq < proposals->next_seq; seq++) {
		struct replica_pending *pending = propose_slot(r, seq);
		if (pending->state == REPLICA_PENDING_FREE)
			continue;
		pending->state = REPLICA_PENDING_UNSENT;
		pending->again_ms = 0;
		proposals->unsent = true;
	}
	proposals->flight_count = 0;
	if (r->raft.role != RAFT_LEADER)
		propose_clear_waiting(
			proposals); /* their proposers repeat them to the new leader */
}

static void propose_send_refusal(struct replica *r, uint64_t to, uint64_t *seq, size_t seq_count)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__ProposeRefused refused = PXE__PROPOSE_REFUSED__INIT;
	refused.leader = r->raft.leader;
	refused.seq = seq;
	refused.n_seq = seq_count;
	envelope.body_case = PXE__ENVELOPE__BODY_PROPOSE_REFUSED;
	envelope.propose_refused = &refused;
	replica_send(r, to, &envelope);
}

static bool propose_wait(struct replica *r, const Pxe__Command *command)
{
	struct replica_proposals *proposals = &r->proposals;
	size_t byte_count = pxe__command__get_packed_size(command);
	if (r->raft.role != RAFT_LEADER || byte_count > REPLICA_COMMAND_BYTES ||
		replica_room_refuses(r, command) ||
		proposals->waiting_count == REPLICA_WAITING_MAX ||
		proposals->waiting_bytes + byte_count > REPLICA_WAITING_BYTES)
		return false;
	struct replica_waiting *waiting =
		&proposals->waiting[(proposals->waiting_first + proposals->waiting_count++) %
				    REPLICA_WAITING_MAX];
	waiting->bytes = replica_alloc(byte_count);
	waiting->byte_count = pxe__command__pack(command, waiting->bytes);
	proposals->waiting_bytes += byte_count;
	return true;
}

void replica_propose_on_forwarded(struct replica *r, uint64_t from, const Pxe__Propose *propose)
{
	uint64_t refused[REPLICA_PENDING_MAX];
	size_t refused_count = 0;
	if (propose->n_commands > REPLICA_PENDING_MAX) {
		r->dropped++;
		return;
	}
	for (size_t i = 0; i < propose->n_commands; i++) {
		const Pxe__Command *command = propose->commands[i];
		if (command->origin != from) /* nobody proposes in another's name */
			r->dropped++;
		else if (!propose_wait(r, command))
			refused[refused_count++] = command->seq;
	}
	if (refused_count > 0)
		propose_send_refusal(r, from, refused, refused_count);
	replica_wake(r);
}

void replica_propose_on_refused(
	struct replica *r, uint64_t from, const Pxe__ProposeRefused *refused)
{
	(void)from;
	for (size_t i = 0; i < refused->n_seq; i++) {
		struct replica_pending *pending = propose_slot(r, refused->seq[i]);
		if (pending->state != REPLICA_PENDING_FORWARDED || pending->seq != refused->seq[i])
			continue;
		pending->state = REPLICA_PENDING_UNSENT;
		pending->again_ms = r->now_ms + REPLICA_RETRY_MS;
	}
}

static void propose_send(struct replica *r, Pxe__Command **command, size_t count)
{
	Pxe__Envelope envelope = PXE__ENVELOPE__INIT;
	Pxe__Propose propose = PXE__PROPOSE__INIT;
	propose.commands = command;
	propose.n_commands = count;
	envelope.body_case = PXE__ENVELOPE__BODY_PROPOSE;
	envelope.propose = &propose;
	replica_send(r, r->raft.leader, &envelope);
	for (size_t i = 0; i < count; i++)
		pxe__command__free_unpacked(command[i], NULL);
}

static void propose_forward(struct replica *r)
{
	struct replica_proposals *proposals = &r->proposals;
	Pxe__Command *command[REPLICA_PENDING_MAX];
	size_t count = 0, byte_count = 0;
	proposals->unsent = false;
	for (uint64_t seq = proposals->oldest_seq; seq < proposals->next_seq; seq++) {
		struct replica_pending *pending = propose_slot(r, seq);
		if (pending->state != REPLICA_PENDING_UNSENT || r->now_ms < pending->again_ms)
			continue; /* the tick looks again */
		if (count > 0 && byte_count + pending->byte_count > REPLICA_BATCH_BYTES) {
			propose_send(r, command, count);
			count = byte_count = 0;
		}
		command[count] = pxe__command__unpack(NULL, pending->byte_count, pending->bytes);
		assert(command[count] != NULL);
		count++;
		byte_count += pending->byte_count;
		pending->state = REPLICA_PENDING_FORWARDED;
		pending->again_ms = r->now_ms + REPLICA_RESEND_MS;
	}
	if (count > 0)
		propose_send(r, command, count);
}

/* ---- the leader's batches */

/* A Batch, packed by hand from packed commands: field 1 the stamp, field 2 the commands. */
struct propose_batch {
	uint8_t *bytes;
	size_t byte_count, command_count;
};

static size_t propose_put_varint(uint8_t *at, uint64_t value)
{
	size_t count = 0;
	for (; value >= 0x80; value >>= 7)
		at[count++] = (uint8_t)(value | 0x80);
	at[count++] = (uint8_t)value;
	return count;
}

static bool propose_batch_takes(const struct propose_batch *batch, size_t byte_count)
{
	return batch->command_count == 0 ||
	       (batch->command_count < REPLICA_BATCH_COMMANDS &&
		       batch->byte_count + byte_count + 1 + PROPOSE_VARINT_MAX <=
			       REPLICA_BATCH_BYTES);
}

static void propose_batch_put(struct propose_batch *batch, const uint8_t *bytes, size_t byte_count)
{
	batch->bytes[batch->byte_count++] = 0x12; /* field 2, length-delimited */
	batch->byte_count += propose_put_varint(batch->bytes + batch->byte_count, byte_count);
	memcpy(batch->bytes + batch->byte_count, bytes, byte_count);
	batch->byte_count += byte_count;
	batch->command_count++;
}

static void propose_batch_fill(struct replica *r, struct propose_batch *batch)
{
	struct replica_proposals *proposals = &r->proposals;
	if (proposals->unsent) {
		proposals->unsent = false;
		for (uint64_t seq = proposals->oldest_seq; seq < proposals->next_seq; seq++) {
			struct replica_pending *pending = propose_slot(r, seq);
			if (pending->state != REPLICA_PENDING_UNSENT)
				continue;
			if (!propose_batch_takes(batch, pending->byte_count)) {
				proposals->unsent = true;
				break;
			}
			propose_batch_put(batch, pending->bytes, pending->byte_count);
			pending->state = REPLICA_PENDING_LOGGED;
		}
	}
	while (proposals->waiting_count > 0) {
		struct replica_waiting *waiting = &proposals->waiting[proposals->waiting_first];
		if (!propose_batch_takes(batch, waiting->byte_count))
			break;
		propose_batch_put(batch, waiting->bytes, waiting->byte_count);
		proposals->waiting_bytes -= waiting->byte_count;
		free(waiting->bytes);
		proposals->waiting_first = (proposals->waiting_first + 1) % REPLICA_WAITING_MAX;
		proposals->waiting_count--;
	}
}

/* May a data entry go into the log now? The core would refuse in the last three cases. */
static bool propose_may_append(struct replica *r)
{
	struct replica_proposals *proposals = &r->proposals;
	unsigned open = 0;
	for (unsigned i = 0; i < proposals->flight_count; i++) {
		if (proposals->flight[i] > r->raft.commit)
			proposals->flight[open++] = proposals->flight[i];
	}
	proposals->flight_count = open;
	return open < REPLICA_WINDOW && r->time_ready &&
	       kv_backlog_bytes(r->kv) < REPLICA_BACKLOG_BYTES && r->raft.transfer_to == 0 &&
	       r->raft.run_count < RAFT_RUNS_MAX &&
	       raft_term_at(&r->raft, r->raft.stored) == r->raft.term;
}

static void propose_append(struct replica *r)
{
	struct replica_proposals *proposals = &r->proposals;
	while ((proposals->unsent || proposals->waiting_count > 0) && propose_may_append(r)) {
		struct propose_batch batch = {.bytes = proposals->scratch};
		uint64_t stamp_ms = cluster_time_now(&r->time, r->now_ms), index;
		batch.bytes[batch.byte_count++] = 0x08; /* field 1, varint */
		batch.byte_count += propose_put_varint(batch.bytes + batch.byte_count, stamp_ms);
		propose_batch_fill(r, &batch);
		if (batch.command_count == 0)
			return;
		cluster_time_raise(&r->time, stamp_ms);
		enum raft_status status = replica_raft_append(r, NULL,
			replica_copy(batch.bytes, batch.byte_count), batch.byte_count, &index);
		assert(status ==
			RAFT_OK); /* propose_may_append() asked for all that the core asks for */
		proposals->flight[proposals->flight_count++] = index;
	}
}

void replica_propose_flush(struct replica *r)
{
	if (r->proposals.incarnation_ticket > r->tickets.durable)
		return; /* a restart must not use this incarnation again */
	if (r->raft.role == RAFT_LEADER)
		propose_append(r);
	else if (r->proposals.unsent && r->raft.leader != 0)
		propose_forward(r);
}
