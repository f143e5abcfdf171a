/* store/raft/raft.h: the Raft core: elections, replication, membership, as a pure step machine.
 *
 * Pure: no clock, heap, I/O, threads or payloads. It knows an entry only by its index and term
 * (and, for a configuration entry, the configuration). The host feeds it time, messages and
 * "stored" notices; each call appends effects to a queue inside struct raft, and the host carries
 * them out, in order, after the call (raft_next_effect).
 *
 * Contract with the host
 *  - RAFT_SAVE_VOTE must be durable before any RAFT_SEND queued after it leaves the node.
 *  - RAFT_STORE, RAFT_STORE_NOOP and RAFT_TRUNCATE are ordered and asynchronous. When entries are
 * durable the host calls raft_stored() with the last durable index; it never reports an index that
 * has since been truncated.
 *  - A storage failure is fatal for the process (no error path here): the caller logs it and exits.
 *  - Time is the host's monotonic milliseconds (CLOCK_BOOTTIME); it must not go back. It is read
 * after the message or notice has arrived, never before: the leader's lease rests on it.
 *  - Every effect is drained before the next call (asserted); raft_propose() has none.
 *  - Writes become durable in the order of their effects: after a crash a prefix of them is there,
 * so no entry is found whose term is above the saved one.
 *  - After a crash a node that lost durable state must come back under another id.
 *
 * Terms follow Ongaro's thesis: pre-vote (9.6), leader stickiness (4.2.3), single-server changes
 * (4.1) with learners (4.2.1), leadership transfer (3.10), no-op at election (6.4), and no counting
 * of replicas of older terms (3.6.2).
 */
#ifndef STORE_RAFT_RAFT_H
#define STORE_RAFT_RAFT_H

#include <stdbool.h>
#include <stdint.h>

#define RAFT_MEMBERS_MAX 16
#define RAFT_RUNS_MAX    1024 /* term changes remembered between compactions */
#define RAFT_EFFECTS_MAX 256  /* effects of one call; window * members + a few */
#define RAFT_WINDOW_MAX  8
#define RAFT_NUMBER_MAX                                                                            \
	(UINT64_C(1) << 62) /* terms and indices above this are not taken from outside */

enum raft_role { RAFT_FOLLOWER, RAFT_PRECANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };
enum raft_entry_type { RAFT_NOOP = 1, RAFT_DATA = 2, RAFT_CONF = 3 };
enum raft_message_kind {
	RAFT_VOTE = 1,
	RAFT_VOTE_REPLY,
	RAFT_APPEND,
	RAFT_APPEND_REPLY,
	RAFT_SNAPSHOT,
	RAFT_TIMEOUT_NOW,
};

/* Why a request to the core was refused. */
enum raft_status { RAFT_OK = 0, RAFT_NOT_LEADER, RAFT_BUSY, RAFT_INVALID };

struct raft_member {
	uint64_t id; /* never 0 */
	bool voter;  /* false: a learner, it gets entries and has no vote */
};

struct raft_conf {
	unsigned count;
	struct raft_member member[RAFT_MEMBERS_MAX];
};

/* One message between cores. The host attaches the entry_count entries (index+1 ...) to an APPEND.
 */
struct raft_message {
	enum raft_message_kind kind;
	uint64_t from, to, term;
	uint64_t index; /* VOTE, TIMEOUT_NOW: last entry; APPEND: previous entry; SNAPSHOT: its last
			 * entry; APPEND_REPLY: highest durable matching index, or on reject the
			 * index to retry from */
	uint64_t log_term; /* term of `index`, except in APPEND_REPLY */
	uint64_t commit;   /* APPEND */
	uint64_t prev;     /* APPEND_REPLY: rejected previous index; or, accepted, highest matching
			      index, durable or not */
	uint64_t stamp_ms; /* APPEND: the leader's clock when sending; echoed by APPEND_REPLY
			      (leader lease) */
	unsigned entry_count; /* APPEND */
	bool pre_vote;        /* VOTE, VOTE_REPLY */
	bool force;           /* VOTE after TIMEOUT_NOW: ignore leader stickiness */
	bool ok;              /* VOTE_REPLY: granted; APPEND_REPLY: accepted */
};

/* What the core has to know of an entry that arrives in an APPEND or is restored at start. */
struct raft_entry {
	uint64_t term;
	enum raft_entry_type type;
	const struct raft_conf *conf; /* RAFT_CONF only; borrowed for the call */
};

enum raft_effect_kind {
	RAFT_SAVE_VOTE = 1, /* term, vote: make durable before later sends leave */
	RAFT_STORE, /* store the last `count` entries of the message being received; the first has
		       index `index` */
	RAFT_STORE_NOOP,    /* leader: store a no-op entry at `index` with `term` */
	RAFT_DO_TRUNCATE,   /* drop entries >= `index` from the log */
	RAFT_SEND,          /* send `message`; for APPEND attach message.entry_count entries after
			       message.index */
	RAFT_SEND_SNAPSHOT, /* peer `to` needs a snapshot: stream one, then raft_snapshot_done() */
	RAFT_ROLE_CHANGED,  /* role, term, leader (0: unknown) as in struct raft */
};

struct raft_effect {
	enum raft_effect_kind kind;
	uint64_t term, vote, index, to;
	unsigned count;
	struct raft_message message;
};

struct raft_peer {
	uint64_t id;
	uint64_t match, next; /* log indices, thesis 3.5 */
	uint64_t stamp_ms;    /* newest of our send stamps that the peer echoed */
	uint64_t sent_at_ms, heard_at_ms;
	uint64_t commit_sent;                 /* newest commit index that an APPEND carried */
	uint64_t flight_end[RAFT_WINDOW_MAX]; /* last index of each APPEND in flight, ascending */
	unsigned in_flight; /* APPENDs whose entries are not known to be durable at the peer */
	bool probing, in_snapshot;
	bool delivered; /* in_snapshot: the stream has ended well, its installation is awaited */
};

struct raft_config {
	uint64_t id;          /* our member id, never 0 */
	unsigned election_ms; /* E: timeouts are drawn from [E, 2E) */
	unsigned heartbeat_ms;
	unsigned entries_max; /* entries in one APPEND */
	unsigned window;      /* APPENDs in flight to one peer, 1 to RAFT_WINDOW_MAX */
	uint64_t random_seed; /* for election timeouts; deterministic from here on */
};

struct raft {
	struct raft_config config;
	uint64_t now_ms;
	uint64_t term, vote, leader;
	enum raft_role role;
	uint64_t base, base_term; /* the log starts after base */
	uint64_t last;            /* last index in the log, durable or not */
	uint64_t stored;          /* last durable index */
	uint64_t commit;
	uint64_t verified; /* highest index known to match this term's leader */
	struct {
		uint64_t first, term;
	} run[RAFT_RUNS_MAX];
	unsigned run_count;
	struct {
		uint64_t index;
		struct raft_conf conf;
	} conf[2]; /* the newest is in force; the previous one is kept for rollback */
	unsigned conf_count;
	uint64_t deadline_ms, heard_leader_ms, lead_since_ms;
	uint64_t leader_stamp_ms; /* follower: newest stamp of this term's leader, echoed when
				     writes end */
	uint64_t dropped; /* messages that no correct peer sends, and APPENDs that the run table had
			     no room for */
	uint64_t votes;   /* bit mask over the members of the configuration in force */
	struct raft_peer peer[RAFT_MEMBERS_MAX];
	unsigned peer_count;
	uint64_t transfer_to, transfer_until_ms;
	bool installing, transfer_vote, lease_void;
	uint64_t random_state;
	struct raft_effect effect[RAFT_EFFECTS_MAX];
	unsigned effect_first, effect_count;
};

/* Caller's memory. Then raft_restore(), raft_restore_entry() for each entry of the log in order,
 * raft_start(). */
void raft_init(struct raft *raft, const struct raft_config *config, uint64_t now_ms);
/* base: the last entry that the durable state covers and the log no longer holds, with its term;
 * conf: the configuration at or before the applied index, with the index of its entry (NULL: none
 * yet, a node that waits to be added). It must be committed; newer ones come from the log's
 * entries. */
void raft_restore(struct raft *raft, uint64_t term, uint64_t vote, uint64_t base,
	uint64_t base_term, uint64_t conf_index, const struct raft_conf *conf);
void raft_restore_entry(struct raft *raft, const struct raft_entry *entry);
/* commit: an index known to be committed (at least base; the applied index of the durable state).
 */
void raft_start(struct raft *raft, uint64_t commit);

/* The next effect, or false when all are drained. */
bool raft_next_effect(struct raft *raft, struct raft_effect *ret_effect);

void raft_tick(struct raft *raft, uint64_t now_ms);
/* entry: message->entry_count of them for an APPEND (they follow message->index), else NULL.
 * SNAPSHOT messages go to raft_install_begin(). Total for every content: bytes from outside never
 * trip an assertion; what no correct peer sends is counted in raft.dropped. An APPEND is stored
 * whole or not at all. */
void raft_receive(struct raft *raft, uint64_t now_ms, const struct raft_message *message,
	const struct raft_entry *entry);
void raft_stored(struct raft *raft, uint64_t now_ms, uint64_t index);

/* Leader: take the next index for one entry. The host appends it to its log store, then calls
 * raft_flush(). conf: NULL for data, else the new configuration (at most one voter differs).
 * RAFT_BUSY, try later: a transfer is under way, this term's no-op is not durable here yet, or the
 * run table is full (compact); for a configuration also: another change is under way, or no entry
 * of this term is committed yet. RAFT_INVALID: more than one voter changes, none is left, or ids
 * are 0 or repeated. */
enum raft_status raft_propose(
	struct raft *raft, const struct raft_conf *conf, uint64_t *ret_index, uint64_t *ret_term);
/* Leader: send what waits (after any number of raft_propose). */
void raft_flush(struct raft *raft);
/* Leader: tell followers a commit index that they do not know yet, where nothing else carries it.
 */
void raft_announce_commit(struct raft *raft);
/* Leader: hand over to a voter as soon as it has everything; proposals wait meanwhile, for at most
 * E. No lease for the rest of the term. to: 0 picks the most caught-up voter that is heard.
 * RAFT_INVALID: not a voter, this node itself, or none. */
enum raft_status raft_transfer(struct raft *raft, uint64_t to);

/* Entries up to here may be applied: committed and durable here. */
uint64_t raft_applicable(const struct raft *raft);
/* The host has dropped (or will drop) entries <= index; index <= applied. */
void raft_compact(struct raft *raft, uint64_t index);
/* Term of an entry; 0 if it is not in [base, last]. */
uint64_t raft_term_at(const struct raft *raft, uint64_t index);

/* Follower: a complete newer snapshot was offered by `message` (RAFT_SNAPSHOT). True: the host
 * installs it durably, then calls raft_installed() with the snapshot's own index and term (index >=
 * message->index, term <= message->term: the host checks what came with the stream). False: not
 * needed or not now; effects may hold a reply. */
bool raft_install_begin(struct raft *raft, uint64_t now_ms, const struct raft_message *message);
/* While chunks arrive from the leader: counts as hearing from it. */
void raft_heard_leader(struct raft *raft, uint64_t now_ms, uint64_t from, uint64_t term);
void raft_installed(struct raft *raft, uint64_t base, uint64_t base_term, uint64_t conf_index,
	const struct raft_conf *conf);
/* Leader: the stream to `to` ended (delivered or failed). After a failure, and when the peer turns
 * out not to have installed what was delivered, RAFT_SEND_SNAPSHOT comes again. */
void raft_snapshot_done(struct raft *raft, uint64_t to, bool ok);

/* The configuration in force (newest in the log), and the index of its entry. */
const struct raft_conf *raft_conf_in_force(const struct raft *raft, uint64_t *ret_index);
bool raft_conf_is_voter(const struct raft_conf *conf, uint64_t id);
/* Leader: until this time (host clock) a majority will elect nobody else; 0: no lease. drift_ms:
 * clock rate allowance. */
uint64_t raft_lease_until_ms(const struct raft *raft, unsigned drift_ms);
/* Leader: what it knows of a peer, or NULL. */
const struct raft_peer *raft_peer(const struct raft *raft, uint64_t id);

#endif
