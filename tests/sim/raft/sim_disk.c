/* tests/sim/raft/sim_disk.c: a node's disk: writes wait in a queue, end in its order, and a crash
 * keeps a prefix. */
#include "tests/sim/raft/sim.h"

#include <string.h>

static struct sim_op *op_at(struct sim_node *node, unsigned place)
{
	return &node->op[(node->op_first + place) % SIM_OPS_MAX];
}

struct sim_op *sim_disk_queue(struct sim *sim, struct sim_node *node, enum sim_op_kind kind)
{
	uint64_t due_ms = sim->now_ms + 1 + sim_random(sim, node->disk_ms);
	struct sim_op *op;

	if (sim_chance(sim, 20))
		due_ms += sim_random(sim, node->disk_ms * 20);
	if (node->op_count == SIM_OPS_MAX)
		sim_fail(sim, SIM_CONTRACT, "the simulator's disk queue is full");
	if (node->op_count > 0 && op_at(node, node->op_count - 1)->due_ms > due_ms)
		due_ms = op_at(node, node->op_count - 1)->due_ms;
	op = op_at(node, node->op_count++);
	op->kind = kind;
	op->due_ms = due_ms;
	op->number = ++node->op_number;
	op->count = 0;
	if (kind == SIM_OP_VOTE)
		node->vote_number = op->number;
	return op;
}

static void store(struct sim *sim, struct sim_disk *disk, const struct sim_op *op)
{
	if (op->index != disk->last + 1)
		sim_fail(sim, SIM_CONTRACT, "store at %llu, the disk's log ends at %llu",
			(unsigned long long)op->index, (unsigned long long)disk->last);
	for (unsigned i = 0; i < op->count; i++)
		disk->log[++disk->last] = op->entry[i];
}

static void compact(struct sim_disk *disk, const struct sim_op *op, uint64_t trailing)
{
	uint64_t index = op->state.index;

	disk->state = op->state;
	if (index > trailing && index - trailing > disk->base)
		disk->base = index - trailing;
}

void sim_disk_write(struct sim *sim, struct sim_disk *disk, const struct sim_op *op)
{
	switch (op->kind) {
	case SIM_OP_VOTE:
		disk->term = op->term;
		disk->vote = op->vote;
		break;
	case SIM_OP_STORE: store(sim, disk, op); break;
	case SIM_OP_TRUNCATE:
		if (op->index <= disk->last)
			disk->last = op->index - 1;
		break;
	case SIM_OP_COMPACT: compact(disk, op, sim->options.trailing); break;
	case SIM_OP_INSTALL:
		disk->state = op->state;
		disk->base = disk->last = op->state.index;
		disk->log[disk->base] = op->state.entry;
		break;
	case SIM_OP_READ: break;
	}
}

/* Entries that are cut from the log are not reported as durable. */
void sim_disk_truncated(struct sim_node *node, uint64_t from)
{
	for (unsigned i = 0; i < node->op_count; i++) {
		struct sim_op *op = op_at(node, i);

		if (op->kind == SIM_OP_STORE && op->report >= from)
			op->report = from - 1;
	}
}

bool sim_disk_complete(struct sim *sim, struct sim_node *node, struct sim_op *ret_op)
{
	if (node->op_count == 0)
		return false;
	*ret_op = *op_at(node, 0);
	node->op_first = (node->op_first + 1) % SIM_OPS_MAX;
	node->op_count--;
	node->op_done = ret_op->number;
	sim_disk_write(sim, &node->disk, ret_op);
	return true;
}

void sim_disk_crash(struct sim *sim, struct sim_node *node)
{
	unsigned survive = sim_random(sim, node->op_count + 1);

	sim_trace(
		sim, "n%u: %u of %u queued writes survive", node->at + 1, survive, node->op_count);
	for (unsigned i = 0; i < survive; i++)
		sim_disk_write(sim, &node->disk, op_at(node, i));
	node->op_first = node->op_count = 0;
}
