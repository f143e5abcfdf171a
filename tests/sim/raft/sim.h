/* tests/sim/raft/sim.h: a cluster of Raft cores under chaos, in one thread, from one seed.
 *
 * The cores are the real ones; the simulator is their host: disks that lose what was not synced, a
 * network that cuts, drops, repeats and reorders, clocks that differ, crashes. Everything that
 * happens follows from the seed, so a failing seed replays exactly.
 *
 *   sim.c        one run: reset, chance, the trace, failures
 *   sim_disk.c   a node's disk: a queue of writes, of which a crash keeps a prefix
 *   sim_net.c    messages under way, links, partitions
 *   sim_host.c   what a host does with a core's effects; proposals, compaction
 *   sim_snap.c   snapshots, streamed in chunks
 *   sim_check.c  what must never happen
 *   sim_fault.c  the chaos of each mode
 *   sim_mode.c   modes, the healing phase, the measurement of failover
 *
 * An entry is created once and known by its number in sim->entry from then on, with the number of
 * the entry before it. So two logs agree if they hold equal numbers, and log matching is: the entry
 * before is the entry's parent.
 */
#ifndef TESTS_SIM_RAFT_SIM_H
#define TESTS_SIM_RAFT_SIM_H

#include "store/raft/raft.h"

#include <setjmp.h>
#include <stddef.h>

#define SIM_NODES_MAX     7
#define SIM_INDEX_MAX     16384
#define SIM_ENTRIES_MAX   32768
#define SIM_CONFS_MAX     4096
#define SIM_TERMS_MAX     16384
#define SIM_BATCH_MAX     64 /* entries in one message */
#define SIM_OPS_MAX       1024
#define SIM_MESSAGES_MAX  2048
#define SIM_PROPOSALS_MAX 16
#define SIM_CHUNKS_MAX    4

#define SIM_ELECTION_MS  300
#define SIM_HEARTBEAT_MS 60
#define SIM_TICK_MS      10
#define SIM_DRIFT_MS     10  /* allowance for the clocks' rates over one lease */
#define SIM_STREAM_MS    150 /* a snapshot's stream without progress for this long has failed */

enum sim_mode { SIM_TIME, SIM_YOUNG, SIM_WALK, SIM_EPOCHS, SIM_MODES };

enum sim_failure {
	SIM_OK,
	SIM_ELECTION_SAFETY,
	SIM_LOG_MATCHING,
	SIM_STATE_MACHINE_SAFETY,
	SIM_LEADER_COMPLETENESS,
	SIM_DURABILITY,
	SIM_LEASE,
	SIM_STUCK,
	SIM_NOT_CONVERGED,
	SIM_CONTRACT, /* the core asked for what its host cannot do */
	SIM_FAILURES,
};

struct sim_entry {
	uint64_t index, term;
	uint32_t parent; /* the entry before it, 0 at the start of the log */
	enum raft_entry_type type;
	unsigned conf; /* number in sim->conf, RAFT_CONF only */
};

/* The state machine's state after `index`: a digest of the entries that made it. */
struct sim_state {
	uint64_t index, digest, conf_index;
	uint32_t entry; /* the entry at index */
	unsigned conf;
};

enum sim_op_kind {
	SIM_OP_VOTE,
	SIM_OP_STORE,
	SIM_OP_TRUNCATE,
	SIM_OP_COMPACT,
	SIM_OP_INSTALL,
	SIM_OP_READ
};

/* One write (or, for a snapshot, read) in a disk's queue. */
struct sim_op {
	enum sim_op_kind kind;
	uint64_t number, due_ms;
	uint64_t term, vote;    /* VOTE */
	uint64_t index;         /* STORE: the first; TRUNCATE: from here on */
	uint64_t report;        /* STORE: the index to report as durable */
	uint64_t to;            /* READ: the peer that the snapshot is for */
	struct sim_state state; /* COMPACT, INSTALL */
	unsigned count;
	uint32_t entry[SIM_BATCH_MAX];
};

struct sim_disk {
	uint64_t term, vote, base, last;
	struct sim_state state;
	uint32_t log[SIM_INDEX_MAX]; /* entry numbers by index, base .. last */
};

enum sim_message_kind { SIM_RAFT, SIM_CHUNK, SIM_CHUNK_ACK };

struct sim_message {
	enum sim_message_kind kind;
	uint64_t due_ms;
	unsigned from, to;        /* positions in sim->node */
	uint64_t barrier;         /* in an outbox: the disk operation that must end first */
	struct raft_message raft; /* SIM_CHUNK: the RAFT_SNAPSHOT that the last chunk completes */
	struct sim_state state;
	unsigned chunk, chunk_count;
	uint32_t entry[SIM_BATCH_MAX];
};

struct sim_stream { /* a snapshot on its way to a peer */
	bool active;
	uint64_t moved_ms;
	unsigned chunk, chunk_count;
	struct sim_state state;
};

struct sim_proposal {
	uint64_t index;
	uint32_t entry;
};

struct sim_node {
	struct raft raft;
	bool up, compacting;
	unsigned at; /* position in sim->node; the member id is at + 1 */
	uint64_t up_at_ms, tick_at_ms;
	uint64_t clock_ms;       /* its own clock: another origin, a slightly other rate */
	unsigned drift_every_ms; /* 0: none */
	bool drift_fast;
	unsigned disk_ms, net_ms; /* typical delays */
	uint64_t last, applied, checked_commit;
	uint64_t lead_term;          /* the newest term that it is known to have led */
	uint32_t log[SIM_INDEX_MAX]; /* as the core believes it, durable or not */
	struct sim_state state;
	struct sim_op op[SIM_OPS_MAX];
	unsigned op_first, op_count;
	uint64_t op_number, vote_number; /* the newest operation; the newest that saves a vote */
	uint64_t op_done;
	struct sim_message *outbox[SIM_MESSAGES_MAX];
	unsigned outbox_count;
	struct sim_proposal proposal[SIM_PROPOSALS_MAX];
	unsigned proposal_count;
	struct sim_stream stream[SIM_NODES_MAX];
	struct {
		unsigned from, next;
		uint64_t index, term;
	} receiving;
	struct sim_disk disk;
};

struct sim_options {
	enum sim_mode mode;
	uint64_t seed;
	bool verbose;
	bool members, transfer, compact, reorder, duplicate, announce;
	unsigned nodes, voters, proposals, entries_max, window;
	unsigned compact_after,
		trailing; /* entries: applied ones that make a compaction due; kept then */
	uint64_t chaos_ms;
};

struct sim_counts {
	uint64_t proposed, acknowledged, unknown, crashes, elections, snapshots, lease_ms,
		leader_ms;
};

struct sim {
	struct sim_options options;
	struct sim_counts counts;
	uint64_t random_state, now_ms;
	struct sim_node node[SIM_NODES_MAX];
	struct sim_entry entry[SIM_ENTRIES_MAX];
	unsigned entry_count;
	struct raft_conf conf[SIM_CONFS_MAX];
	unsigned conf_count;
	struct sim_message pool[SIM_MESSAGES_MAX];
	struct sim_message *spare[SIM_MESSAGES_MAX];
	unsigned spare_count;
	struct sim_message *flying[SIM_MESSAGES_MAX]; /* oldest first */
	unsigned flying_count;
	uint64_t link_last_ms[SIM_NODES_MAX][SIM_NODES_MAX];
	bool cut[SIM_NODES_MAX][SIM_NODES_MAX];
	unsigned drop_permille;
	bool lease_checked;
	/* What has been true once and must stay true. */
	uint32_t history[SIM_INDEX_MAX]; /* the entry that was applied at an index */
	uint64_t history_digest[SIM_INDEX_MAX];
	uint64_t history_last;
	struct {
		unsigned leader;                   /* position + 1, 0: none seen */
		uint64_t committed;                /* the highest index that its leader committed */
		unsigned voted_for[SIM_NODES_MAX]; /* position + 1 by voter */
	} term[SIM_TERMS_MAX];
	uint64_t term_last;
	jmp_buf on_failure;
	enum sim_failure failure;
	char message[256];
};

/* sim.c */
struct sim *sim_new(void);
void sim_free(struct sim *sim);
/* One seed, from nothing to the end. The message of a failure is in sim->message. */
enum sim_failure sim_run(struct sim *sim, enum sim_mode mode, uint64_t seed, bool verbose);
const char *sim_failure_name(enum sim_failure failure);
const char *sim_mode_name(enum sim_mode mode);
void sim_reset(struct sim *sim, const struct sim_options *options);
unsigned sim_random(struct sim *sim, unsigned bound);
bool sim_chance(struct sim *sim, unsigned permille);
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void sim_fail(struct sim *sim, enum sim_failure failure, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
uint32_t sim_new_entry(struct sim *sim, const struct sim_entry *entry);
unsigned sim_new_conf(struct sim *sim, const struct raft_conf *conf);
uint64_t sim_mix(uint64_t digest, uint64_t value);

/* sim_disk.c */
struct sim_op *sim_disk_queue(struct sim *sim, struct sim_node *node, enum sim_op_kind kind);
void sim_disk_write(struct sim *sim, struct sim_disk *disk, const struct sim_op *op);
void sim_disk_truncated(struct sim_node *node, uint64_t from);
/* The oldest operation, done now and taken from the queue; false: none. */
bool sim_disk_complete(struct sim *sim, struct sim_node *node, struct sim_op *ret_op);
/* A prefix of the queue is written, the rest is lost. */
void sim_disk_crash(struct sim *sim, struct sim_node *node);

/* sim_net.c */
void sim_net_reset(struct sim *sim);
struct sim_message *sim_net_new(struct sim *sim);
void sim_net_free(struct sim *sim, struct sim_message *message);
/* Takes the message. */
void sim_net_post(struct sim *sim, struct sim_message *message);
/* The position of a message that is due, from `start` on; or flying_count. */
unsigned sim_net_due(const struct sim *sim, unsigned start);
struct sim_message *sim_net_take(struct sim *sim, unsigned at);
void sim_net_drop_all(struct sim *sim);
void sim_net_cut(struct sim *sim, unsigned a, unsigned b, bool cut);
void sim_net_heal(struct sim *sim);

/* sim_host.c */
void sim_host_boot(struct sim *sim, struct sim_node *node);
void sim_host_crash(struct sim *sim, struct sim_node *node, const char *why);
void sim_host_tick(struct sim *sim, struct sim_node *node);
/* Takes the message. */
void sim_host_deliver(struct sim *sim, struct sim_message *message);
bool sim_host_complete(struct sim *sim, struct sim_node *node);
void sim_host_propose(struct sim *sim, struct sim_node *node);
void sim_host_change_members(struct sim *sim, struct sim_node *node);
void sim_host_transfer(struct sim *sim, struct sim_node *node);
void sim_host_drain(struct sim *sim, struct sim_node *node, const struct sim_message *incoming);
void sim_host_settle(struct sim *sim, struct sim_node *node);
void sim_host_send(struct sim *sim, struct sim_node *node, struct sim_message *message);
bool sim_host_leads(const struct sim_node *node);

/* sim_snap.c */
void sim_snap_start(struct sim *sim, struct sim_node *node, uint64_t to);
void sim_snap_on_chunk(struct sim *sim, struct sim_node *node, const struct sim_message *message);
void sim_snap_on_ack(struct sim *sim, struct sim_node *node, const struct sim_message *message);
/* all: streams fail whatever their age. */
void sim_snap_expire(struct sim *sim, struct sim_node *node, bool all);
void sim_snap_installed(struct sim *sim, struct sim_node *node, const struct sim_state *state);

/* sim_check.c */
void sim_check_stored(struct sim *sim, const struct sim_node *node, uint64_t index);
void sim_check_apply(struct sim *sim, const struct sim_node *node, uint32_t entry);
void sim_check_state(struct sim *sim, const struct sim_state *state);
void sim_check_leader(struct sim *sim, struct sim_node *node);
void sim_check_commit(struct sim *sim, struct sim_node *node);
void sim_check_message(struct sim *sim, const struct sim_message *message);
void sim_check_leases(struct sim *sim);
bool sim_check_is_converged(const struct sim *sim);
void sim_check_converged(struct sim *sim);

/* sim_fault.c */
void sim_fault_time(struct sim *sim);
void sim_fault_young(struct sim *sim);

/* sim_mode.c */
void sim_mode_options(struct sim *sim, enum sim_mode mode, uint64_t seed, bool verbose);
void sim_mode_run(struct sim *sim);
/* Kill the leader `rounds` times; the milliseconds until the next acknowledgement, sorted. */
void sim_mode_failover(struct sim *sim, unsigned rounds, unsigned *ret_ms);

#endif
