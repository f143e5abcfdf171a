/* tests/sim/raft/sim_host.c: the host of a core: carries out its effects, applies, proposes,
 * compacts, crashes. */
#include "tests/sim/raft/sim.h"

#include <string.h>

bool sim_host_leads(const struct sim_node *node)
{
	return node->up && node->raft.role == RAFT_LEADER;
}

/* ---- start and crash */

static void restore_log(struct sim *sim, struct sim_node *node)
{
	const struct sim_disk *disk = &node->disk;
	const struct sim_state *state = &disk->state;
	const struct raft_conf *conf = state->conf == 0 ? NULL : &sim->conf[state->conf];

	node->log[disk->base] = disk->log[disk->base];
	raft_restore(&node->raft, disk->term, disk->vote, disk->base,
		disk->base == 0 ? 0 : sim->entry[disk->log[disk->base]].term, state->conf_index,
		conf);
	for (uint64_t i = disk->base + 1; i <= disk->last; i++) {
		const struct sim_entry *entry = &sim->entry[disk->log[i]];

		node->log[i] = disk->log[i];
		raft_restore_entry(&node->raft,
			&(struct raft_entry){entry->term, entry->type, &sim->conf[entry->conf]});
	}
}

void sim_host_boot(struct sim *sim, struct sim_node *node)
{
	struct raft_config config = {.id = node->at + 1,
		.election_ms = SIM_ELECTION_MS,
		.heartbeat_ms = SIM_HEARTBEAT_MS,
		.entries_max = sim->options.entries_max,
		.window = sim->options.window,
		.random_seed = sim_random(sim, 1000000)};

	sim_trace(sim, "n%u boots: log %llu..%llu term %llu", node->at + 1,
		(unsigned long long)node->disk.base, (unsigned long long)node->disk.last,
		(unsigned long long)node->disk.term);
	raft_init(&node->raft, &config, node->clock_ms);
	restore_log(sim, node);
	raft_start(&node->raft, node->disk.state.index);
	node->lead_term = 0;
	node->last = node->disk.last;
	node->state = node->disk.state;
	node->applied = node->state.index;
	node->checked_commit = node->applied;
	node->op_number = node->op_done = node->vote_number = 0;
	node->proposal_count = 0;
	node->compacting = false;
	memset(node->stream, 0, sizeof node->stream);
	memset(&node->receiving, 0, sizeof node->receiving);
	node->tick_at_ms = sim->now_ms + 1 + sim_random(sim, 2 * SIM_TICK_MS);
	node->up = true;
	sim_host_settle(sim, node);
}

void sim_host_crash(struct sim *sim, struct sim_node *node, const char *why)
{
	sim_trace(sim, "n%u crashes (%s)", node->at + 1, why);
	sim->counts.crashes++;
	sim->counts.unknown += node->proposal_count;
	sim_disk_crash(sim, node);
	while (node->outbox_count > 0)
		sim_net_free(sim, node->outbox[--node->outbox_count]);
	node->up = false;
	node->up_at_ms = sim->now_ms + 50 + sim_random(sim, 1500);
}

/* ---- effects */

/* A message leaves only after the votes that were saved before it are durable. Takes the message.
 */
void sim_host_send(struct sim *sim, struct sim_node *node, struct sim_message *message)
{
	message->from = node->at;
	if (node->vote_number > node->op_done) {
		message->barrier = node->vote_number;
		node->outbox[node->outbox_count++] = message;
		return;
	}
	sim_check_message(sim, message);
	sim_net_post(sim, message);
}

static void release_outbox(struct sim *sim, struct sim_node *node)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < node->outbox_count; i++) {
		struct sim_message *message = node->outbox[i];

		if (message->barrier > node->op_done) {
			node->outbox[kept++] = message;
			continue;
		}
		sim_check_message(sim, message);
		sim_net_post(sim, message);
	}
	node->outbox_count = kept;
}

static void append(struct sim *sim, struct sim_node *node, uint64_t first, const uint32_t *entry,
	unsigned count)
{
	struct sim_op *op = sim_disk_queue(sim, node, SIM_OP_STORE);

	if (first != node->last + 1 || count == 0 || count > SIM_BATCH_MAX)
		sim_fail(sim, SIM_CONTRACT, "n%u stores %u entries at %llu, its log ends at %llu",
			node->at + 1, count, (unsigned long long)first,
			(unsigned long long)node->last);
	if (first + count >= SIM_INDEX_MAX)
		sim_fail(sim, SIM_CONTRACT, "the simulator's logs are full");
	op->index = first;
	op->count = count;
	op->report = first + count - 1;
	memcpy(op->entry, entry, count * sizeof entry[0]);
	for (unsigned i = 0; i < count; i++) {
		node->log[++node->last] = entry[i];
		sim_check_stored(sim, node, node->last);
	}
}

/* The leader's own entry, which no log holds yet. */
static uint32_t append_new(struct sim *sim, struct sim_node *node, uint64_t index, uint64_t term,
	enum raft_entry_type type, unsigned conf)
{
	uint32_t entry = sim_new_entry(sim,
		&(struct sim_entry){index, term, index > 1 ? node->log[index - 1] : 0, type, conf});

	append(sim, node, index, &entry, 1);
	return entry;
}

static void on_store(struct sim *sim, struct sim_node *node, const struct raft_effect *effect,
	const struct sim_message *incoming)
{
	unsigned skip;

	if (incoming == NULL || effect->count > incoming->raft.entry_count ||
		effect->index + effect->count !=
			incoming->raft.index + incoming->raft.entry_count + 1)
		sim_fail(sim, SIM_CONTRACT, "n%u stores what did not arrive", node->at + 1);
	skip = incoming->raft.entry_count - effect->count;
	append(sim, node, effect->index, incoming->entry + skip, effect->count);
}

static void on_truncate(struct sim *sim, struct sim_node *node, uint64_t from)
{
	if (from <= node->applied)
		sim_fail(sim, SIM_STATE_MACHINE_SAFETY, "n%u cuts applied entries", node->at + 1);
	sim_trace(sim, "n%u cuts its log from %llu on", node->at + 1, (unsigned long long)from);
	sim_disk_truncated(node, from);
	sim_disk_queue(sim, node, SIM_OP_TRUNCATE)->index = from;
	node->last = from - 1;
}

static void on_send(struct sim *sim, struct sim_node *node, const struct raft_message *raft)
{
	struct sim_message *message = sim_net_new(sim);

	if (raft->to == 0 || raft->to > SIM_NODES_MAX)
		sim_fail(sim, SIM_CONTRACT, "n%u sends to %llu", node->at + 1,
			(unsigned long long)raft->to);
	message->kind = SIM_RAFT;
	message->to = (unsigned)raft->to - 1;
	message->raft = *raft;
	if (raft->kind == RAFT_APPEND && raft->entry_count > 0) {
		if (raft->index < node->raft.base || raft->index + raft->entry_count > node->last ||
			raft->entry_count > SIM_BATCH_MAX)
			sim_fail(sim, SIM_CONTRACT, "n%u sends entries that it does not have",
				node->at + 1);
		memcpy(message->entry, &node->log[raft->index + 1],
			raft->entry_count * sizeof message->entry[0]);
	}
	sim_host_send(sim, node, message);
}

static void on_save_vote(struct sim *sim, struct sim_node *node, const struct raft_effect *effect)
{
	struct sim_op *op = sim_disk_queue(sim, node, SIM_OP_VOTE);

	op->term = effect->term;
	op->vote = effect->vote;
}

static void on_role(struct sim *sim, struct sim_node *node)
{
	static const char *const name[] = {"follower", "precandidate", "candidate", "LEADER"};

	sim_trace(sim, "n%u: %s in term %llu, leader %llu", node->at + 1, name[node->raft.role],
		(unsigned long long)node->raft.term, (unsigned long long)node->raft.leader);
}

void sim_host_drain(struct sim *sim, struct sim_node *node, const struct sim_message *incoming)
{
	struct raft_effect effect;

	while (raft_next_effect(&node->raft, &effect)) {
		switch (effect.kind) {
		case RAFT_SAVE_VOTE: on_save_vote(sim, node, &effect); break;
		case RAFT_STORE: on_store(sim, node, &effect, incoming); break;
		case RAFT_STORE_NOOP:
			append_new(sim, node, effect.index, effect.term, RAFT_NOOP, 0);
			break;
		case RAFT_DO_TRUNCATE: on_truncate(sim, node, effect.index); break;
		case RAFT_SEND: on_send(sim, node, &effect.message); break;
		case RAFT_SEND_SNAPSHOT:
			sim_disk_queue(sim, node, SIM_OP_READ)->to = effect.to;
			break;
		case RAFT_ROLE_CHANGED: on_role(sim, node); break;
		}
	}
}

/* ---- after every step */

static void settle_proposals(struct sim *sim, struct sim_node *node)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < node->proposal_count; i++) {
		const struct sim_proposal *proposal = &node->proposal[i];

		if (proposal->index > node->applied && node->raft.role == RAFT_LEADER)
			node->proposal[kept++] = *proposal;
		else if (proposal->index <= node->applied &&
			 sim->history[proposal->index] == proposal->entry)
			sim->counts.acknowledged++;
		else
			sim->counts.unknown++;
	}
	node->proposal_count = kept;
}

static void apply(struct sim *sim, struct sim_node *node)
{
	uint64_t to = raft_applicable(&node->raft);

	if (to < node->applied)
		sim_fail(sim, SIM_CONTRACT, "n%u: what may be applied goes back", node->at + 1);
	while (node->applied < to) {
		uint32_t number = node->log[node->applied + 1];
		const struct sim_entry *entry = &sim->entry[number];

		sim_check_apply(sim, node, number);
		node->applied++;
		node->state.index = node->applied;
		node->state.entry = number;
		node->state.digest = sim_mix(node->state.digest, number);
		if (entry->type == RAFT_CONF) {
			node->state.conf = entry->conf;
			node->state.conf_index = node->applied;
		}
	}
}

static void compact_when_due(struct sim *sim, struct sim_node *node)
{
	if (!sim->options.compact || node->compacting || node->raft.installing)
		return;
	if (node->applied < node->raft.base + sim->options.compact_after + sim->options.trailing)
		return;
	sim_disk_queue(sim, node, SIM_OP_COMPACT)->state = node->state;
	node->compacting = true;
}

void sim_host_settle(struct sim *sim, struct sim_node *node)
{
	if (!node->up)
		return;
	sim_check_leader(sim, node);
	sim_check_commit(sim, node);
	apply(sim, node);
	settle_proposals(sim, node);
	if (node->raft.role != RAFT_LEADER)
		memset(node->stream, 0, sizeof node->stream);
	compact_when_due(sim, node);
	if (sim->options.announce && sim_chance(sim, 200)) {
		raft_announce_commit(&node->raft);
		sim_host_drain(sim, node, NULL);
	}
}

/* ---- events */

void sim_host_tick(struct sim *sim, struct sim_node *node)
{
	raft_tick(&node->raft, node->clock_ms);
	sim_host_drain(sim, node, NULL);
	sim_host_settle(sim, node);
}

static void receive(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
	struct raft_entry entry[SIM_BATCH_MAX];

	for (unsigned i = 0; i < message->raft.entry_count; i++) {
		const struct sim_entry *from = &sim->entry[message->entry[i]];

		entry[i] = (struct raft_entry){from->term, from->type, &sim->conf[from->conf]};
	}
	raft_receive(&node->raft, node->clock_ms, &message->raft, entry);
	sim_host_drain(sim, node, message);
}

void sim_host_deliver(struct sim *sim, struct sim_message *message)
{
	struct sim_node *node = &sim->node[message->to];

	if (node->up && !sim->cut[message->from][message->to]) {
		switch (message->kind) {
		case SIM_RAFT: receive(sim, node, message); break;
		case SIM_CHUNK: sim_snap_on_chunk(sim, node, message); break;
		case SIM_CHUNK_ACK: sim_snap_on_ack(sim, node, message); break;
		}
		sim_host_settle(sim, node);
	}
	sim_net_free(sim, message);
}

bool sim_host_complete(struct sim *sim, struct sim_node *node)
{
	struct sim_op op;

	if (!sim_disk_complete(sim, node, &op))
		return false;
	if (op.kind == SIM_OP_VOTE)
		release_outbox(sim, node);
	if (op.kind == SIM_OP_STORE)
		raft_stored(&node->raft, node->clock_ms, op.report);
	if (op.kind == SIM_OP_COMPACT) {
		node->compacting = false;
		raft_compact(&node->raft, node->disk.base);
	}
	if (op.kind == SIM_OP_INSTALL)
		sim_snap_installed(sim, node, &op.state);
	if (op.kind == SIM_OP_READ)
		sim_snap_start(sim, node, op.to);
	sim_host_drain(sim, node, NULL);
	sim_host_settle(sim, node);
	return true;
}

/* ---- the users' and operators' wishes */

void sim_host_propose(struct sim *sim, struct sim_node *node)
{
	uint64_t index, term;
	uint32_t entry;

	if (node->proposal_count >= sim->options.proposals || node->last > SIM_INDEX_MAX / 2)
		return;
	if (raft_propose(&node->raft, NULL, &index, &term) != RAFT_OK)
		return;
	entry = append_new(sim, node, index, term, RAFT_DATA, 0);
	node->proposal[node->proposal_count++] = (struct sim_proposal){index, entry};
	sim->counts.proposed++;
	raft_flush(&node->raft);
	sim_host_drain(sim, node, NULL);
	sim_host_settle(sim, node);
}

/* A learner that has nearly everything may get a vote. */
static bool is_caught_up(const struct raft *raft, uint64_t id)
{
	const struct raft_peer *peer = raft_peer(raft, id);

	return peer != NULL && peer->match + 10 >= raft->last;
}

/* A random change that an operator could ask for; false: it makes no sense now. */
static bool make_change(struct sim *sim, const struct raft *raft, struct raft_conf *conf)
{
	uint64_t id = 1 + sim_random(sim, sim->options.nodes);
	unsigned at = 0, voters = 0;

	for (unsigned i = 0; i < conf->count; i++)
		voters += conf->member[i].voter;
	while (at < conf->count && conf->member[at].id != id)
		at++;
	switch (sim_random(sim, 4)) {
	case 0: /* add a learner */
		if (at < conf->count)
			return false;
		conf->member[conf->count++] = (struct raft_member){id, false};
		return true;
	case 1: /* promote it */
		if (at == conf->count || conf->member[at].voter || !is_caught_up(raft, id))
			return false;
		conf->member[at].voter = true;
		return true;
	case 2: /* remove */
		if (at == conf->count || (conf->member[at].voter && voters == 1))
			return false;
		conf->member[at] = conf->member[--conf->count];
		return true;
	default: /* demote */
		if (at == conf->count || !conf->member[at].voter || voters == 1)
			return false;
		conf->member[at].voter = false;
		return true;
	}
}

void sim_host_change_members(struct sim *sim, struct sim_node *node)
{
	struct raft_conf conf = *raft_conf_in_force(&node->raft, NULL);
	uint64_t index, term;

	if (!make_change(sim, &node->raft, &conf) ||
		raft_propose(&node->raft, &conf, &index, &term) != RAFT_OK)
		return;
	append_new(sim, node, index, term, RAFT_CONF, sim_new_conf(sim, &conf));
	sim_trace(sim, "n%u changes the members at %llu: %u now", node->at + 1,
		(unsigned long long)index, conf.count);
	raft_flush(&node->raft);
	sim_host_drain(sim, node, NULL);
	sim_host_settle(sim, node);
}

void sim_host_transfer(struct sim *sim, struct sim_node *node)
{
	uint64_t to = sim_chance(sim, 500) ? 0 : 1 + sim_random(sim, sim->options.nodes);
	enum raft_status status = raft_transfer(&node->raft, to);

	sim_trace(sim, "n%u hands over to %llu: %d", node->at + 1, (unsigned long long)to,
		(int)status);
	sim_host_drain(sim, node, NULL);
	sim_host_settle(sim, node);
}
