/* store/replica/replica_impl.h: the parts of a replica, and how they share it. Only for the files
 * of this folder.
 *
 * One turn of the loop: messages, durable tickets, ticks and proposals come in through replica.c;
 * each goes through the pure core, whose effects are carried out at once, in order
 * (replica_raft.c). What can wait until the turn ends does: batching, forwarding, the disk's
 * ticket, applying, and all callbacks to our user (replica_turn_end).
 *
 *   replica.c           in: open, close, messages, ticks, end of turn
 *   replica_boot.c      first start, restart: durable state -> core and model
 *   replica_loop.c      the only use of libuv
 *   replica_raft.c      core's effects -> disk and peers; peers' messages -> core
 *   replica_disk.c      tickets, what they made durable, compaction, the "applied" fact
 *   replica_log.c       recent entries in memory
 *   replica_propose.c   own proposals and those of followers: batches, forwarding, timeouts
 *   replica_apply.c     committed entries -> model -> records, outcomes, digests
 *   replica_stream.c    leader: the state, in chunks, to a node that the log no longer reaches
 *   replica_install.c   follower: such a state
 *   replica_member.c    members known, peers connected, liveness, statuses
 *   replica_roster.c    members, told to one that cannot know them yet
 *   replica_room.c      disks that are nearly full: refusing, handing over
 *   replica_duty.c      leader's duties: time, sweeping, publishing
 *   replica_conf.c      leader: the configuration follows the model's members; handing over
 *   replica_reserve.c   leader: addresses for the members' reserves; what all have settled
 *   replica_journal.c   this node's own journal
 *   replica_clock.c     cluster time without a leader: how far it may be trusted
 *   replica_view.c      what the user may see
 *   replica_offline.c   on the disk of a stopped node: recover, restore
 */
#ifndef STORE_REPLICA_REPLICA_IMPL_H
#define STORE_REPLICA_REPLICA_IMPL_H

#include "store/model/digest.h"
#include "store/raft/raft.h"
#include "store/replica/cluster_time.h"
#include "store/replica/replica.h"
#include "store/replica/replica_log.h"

#define REPLICA_ELECTION_MS  300
#define REPLICA_HEARTBEAT_MS 60
#define REPLICA_TICK_MS      10
#define REPLICA_ENTRIES_MAX                                                                        \
	16 /* entries of one APPEND: times the batch's limit it stays under 16 MiB */
#define REPLICA_WINDOW             4 /* APPENDs in flight to a peer; data entries in flight */
#define REPLICA_BATCH_BYTES        (512u << 10)
#define REPLICA_BATCH_COMMANDS     1024
#define REPLICA_COMMAND_BYTES      (960u << 10) /* larger commands are refused */
#define REPLICA_PENDING_MAX        (MODEL_WINDOW / 2)
#define REPLICA_WAITING_MAX        8192 /* commands of others that wait for a batch here */
#define REPLICA_WAITING_BYTES      (16u << 20)
#define REPLICA_RESEND_MS          300 /* a forwarded proposal without outcome is repeated */
#define REPLICA_RETRY_MS           20  /* after a refusal */
#define REPLICA_TIMEOUT_MS         5000
#define REPLICA_BACKLOG_BYTES      (32u << 20) /* the disk lags by this much: no new batches */
#define REPLICA_APPLY_MAX          64          /* entries applied in one turn */
#define REPLICA_APPLY_COMMANDS     4096        /* and commands: heartbeats must not wait for more */
#define REPLICA_HELD_MAX           4096
#define REPLICA_COMPACT_EVERY      8192
#define REPLICA_COMPACT_TRAILING   4096
#define REPLICA_COMPACT_RUNS       512
#define REPLICA_CONFS_MAX          64
#define REPLICA_DIGEST_EVERY       256
#define REPLICA_DIGESTS            32
#define REPLICA_STATUS_MS          100
#define REPLICA_DEAD_MS            350  /* silence after which a member is not live */
#define REPLICA_SAMPLE_MS          2000 /* a clock's sample is good for so long */
#define REPLICA_GONE_MS            2000 /* a removed member stays connected so long, to learn of it */
#define REPLICA_CAUGHT_UP          64   /* a learner this close to the log's end is promoted */
#define REPLICA_PUBLISH_MS         30000 /* holders dead for so long do not hold up an image */
#define REPLICA_FRESH_MS           1000  /* [R9] */
#define REPLICA_DRIFT_MS           10    /* clock rate allowance in a lease of E */
#define REPLICA_PROMISES           32
#define REPLICA_MEMBERS            16
#define REPLICA_CHUNK_BYTES        (256u << 10)
#define REPLICA_CHUNK_WINDOW       4
#define REPLICA_CHUNK_RESEND_MS    200
#define REPLICA_STREAM_DEAD_MS     5000
#define REPLICA_SNAPSHOT_BYTES_MAX (1024u << 20)
#define REPLICA_ALARMS_MAX         8
#define REPLICA_APPLIED_BYTES_MAX  1024 /* packed "applied" fact */
#define REPLICA_DIGEST_FACT_BYTES  (8 + DIGEST_BYTES)
#define REPLICA_GIVE_MS            1000 /* a member is looked after so often */
#define REPLICA_GIVE_MAX           1024 /* addresses of one command: the model gives no more */
#define REPLICA_GIVES_MAX          4    /* commands for one member and subnet at a time */
#define REPLICA_SETTLE_MS          200
#define REPLICA_REST_MS            1000  /* without a new stamp: the cluster is at rest */
#define REPLICA_CLOCK_MS           10000 /* the "clock" fact is written so often */
#define REPLICA_CLOCK_FACT_BYTES   17

struct replica_loop;
struct replica_stream_job;

/* What one ticket of the disk covers. */
struct replica_ticket {
	uint64_t ticket;
	uint64_t log_last; /* last log index that it made durable and that is still in the log; 0:
			      none */
	uint64_t applied, stamp_ms; /* of the state */
	uint64_t journal;           /* newest write of the journal */
};

struct replica_tickets {
	struct replica_ticket *slot; /* oldest first */
	size_t count, capacity;
	uint64_t durable;    /* newest durable ticket */
	uint64_t applied;    /* applied index of the durable state */
	uint64_t stamp_ms;   /* and its stamp: this node never acts on an older state again */
	uint64_t log_queued; /* last log index queued since the last ticket; 0: none */
	bool queued;         /* anything queued since the last ticket */
	bool urgent;         /* and somebody waits for it */
};

/* The node's own journal [R2]. */
struct replica_journal {
	uint64_t number, durable, told; /* of writes: queued, on disk, told to on_journal */
	bool known;                     /* replica_journal_state() was called */
	unsigned count;
	uint64_t oldest_ms;
};

/* Cluster time without a leader [R8]. */
struct replica_clock {
	uint64_t heard_ms; /* host clock: the newest time before which a leader's time did not come;
			      0: never */
	uint64_t due_ms;   /* when the fact is written again, unless the wall clock steps */
	uint64_t written_wall_ms, written_boot_ms; /* both clocks, when it was written */
	uint64_t fact_cluster_ms, fact_wall_ms;    /* as found at start; 0: none */
	bool fact_synchronised;                    /* the wall clock was, then */
	uint64_t estimate_ms, estimate_at_ms; /* cluster time that followed from it, at this host
						 clock; 0: none */
	uint64_t estimate_age_ms;             /* how old the fact was then */
};

/* A message of the core that waits for the vote before it to be durable. */
struct replica_held {
	uint64_t ticket;
	struct raft_message message;
};

enum replica_pending_state {
	REPLICA_PENDING_FREE = 0,
	REPLICA_PENDING_UNSENT,    /* to be forwarded or put into a batch */
	REPLICA_PENDING_FORWARDED, /* the leader has it */
	REPLICA_PENDING_LOGGED,    /* in our own log, as leader */
};

struct replica_pending {
	enum replica_pending_state state;
	bool forever; /* until it is applied or we end */
	uint64_t seq;
	uint8_t *bytes; /* the packed command */
	size_t byte_count;
	replica_done_cb *done;
	void *ctx;
	uint64_t deadline_ms, again_ms; /* give up at; not to be sent (again) before */
};

struct replica_waiting {
	uint8_t *bytes;
	size_t byte_count;
};

struct replica_proposals {
	uint64_t incarnation, incarnation_ticket;
	uint64_t next_seq, oldest_seq; /* seqs in [oldest, next) may be outstanding */
	unsigned outstanding, forever_count;
	struct replica_pending slot[REPLICA_PENDING_MAX];    /* of seq: seq % REPLICA_PENDING_MAX */
	bool unsent;                                         /* some slot may be UNSENT */
	struct replica_waiting waiting[REPLICA_WAITING_MAX]; /* others' commands, a ring */
	size_t waiting_first, waiting_count, waiting_bytes;
	uint64_t flight[REPLICA_WINDOW]; /* data entries of ours that are not committed */
	unsigned flight_count;
	uint8_t *scratch; /* a batch being packed */
};

/* An outcome to be told at the end of the turn. */
struct replica_done {
	replica_done_cb *done;
	void *ctx;
	enum replica_outcome outcome;
	struct model_result result;
};

struct replica_digest {
	uint64_t index;
	uint8_t digest[32];
};

struct replica_conf_at {
	uint64_t index;
	struct raft_conf conf;
};

struct replica_applied {
	uint64_t index, term, stamp_ms;
	struct replica_conf_at conf[REPLICA_CONFS_MAX]; /* the configurations since the log's base,
							   the newest last */
	unsigned conf_count;
	struct replica_digest digest[REPLICA_DIGESTS]; /* a ring */
	uint64_t digest_count;
	uint64_t status_index; /* applied when the last status left */
	struct model_sink sink;
	uint8_t *records; /* changed keys of this turn: length byte, key */
	size_t record_bytes, record_capacity;
	bool everything; /* a snapshot was installed in this turn */
	bool members_changed;
	size_t turn_commands; /* applied in this turn */
	struct replica_done *done;
	size_t done_count, done_capacity;
};

/* What the leader had committed when it sent a message, and a time on our clock before which it did
 * not: fresh once applied. */
struct replica_promise {
	uint64_t commit, term, since_ms; /* term: of that leader */
};

struct replica_member {
	uint64_t id; /* 0: free */
	bool heard, live, has_status;
	uint64_t heard_ms, status_ms; /* host clock */
	uint64_t stamp_ms;            /* its own clock in its newest status; only echoed */
	uint64_t gone_ms;             /* since when it is in no configuration; 0: it is */
	Pxe__PeerStatus status;       /* without pointers */
	char version[32];
	uint8_t digest[32];
	bool differs, unreachable; /* alarm raised */
	uint64_t give_ms;          /* leader: when it looked at its reserve last */
};

/* Members that another one told us of, and that our state does not have yet. */
struct replica_roster {
	uint64_t changed_index; /* when our own members changed last, or this life began */
	uint64_t told_index;    /* the teller had applied so much */
	uint64_t due_ms;
	Pxe__Member *member[MODEL_MEMBERS_MAX];
	unsigned count;
};

enum replica_stream_state {
	REPLICA_STREAM_FREE = 0,
	REPLICA_STREAM_READING,
	REPLICA_STREAM_SENDING,
	REPLICA_STREAM_FAILED
};

struct replica_stream {
	enum replica_stream_state state;
	uint64_t to, id;
	struct replica_stream_job *job;
	Pxe__SnapshotChunk *head; /* index, term, configuration: the "applied" fact */
	uint8_t *bytes;
	size_t byte_count;
	uint32_t chunk_count, next, acked; /* acked: chunks the peer has */
	uint64_t progress_ms, sent_ms;
};

struct replica_install {
	bool active, complete;
	uint64_t from, stream, term;
	uint64_t index, index_term, stamp_ms;
	struct replica_conf_at conf;
	uint32_t next;
	uint8_t *bytes;
	size_t byte_count, byte_capacity;
	uint8_t digest[DIGEST_BYTES]; /* complete: of the state in bytes */
	uint64_t heard_ms;
	uint64_t ticket; /* being made durable; 0: not yet */
};

struct replica {
	struct replica_config config;
	struct kv *kv;
	struct transport *transport;
	struct model *model;
	struct raft raft;
	struct cluster_time time;
	struct replica_loop *loop;
	uint64_t now_ms; /* host clock of this turn */

	struct replica_log log;
	struct replica_tickets tickets;
	struct replica_held *held;
	size_t held_count, held_capacity;
	uint64_t hold_ticket;              /* messages of the core wait for it */
	const Pxe__RaftMessage *receiving; /* the message that the core works on */

	struct replica_proposals proposals;
	struct replica_applied applied;
	struct replica_stream stream[REPLICA_MEMBERS];
	uint64_t stream_next;
	struct replica_install install;
	struct replica_journal journal;
	struct replica_clock clock;

	struct replica_member member[REPLICA_MEMBERS]; /* the others */
	Pxe__Member *seed[MODEL_MEMBERS_MAX];          /* until the model has members */
	unsigned seed_count;
	uint64_t seed_epoch;
	struct replica_roster roster;
	Pxe__PeerStatus status; /* set by the user; without pointers */
	char version[32];
	uint64_t dropped;

	uint64_t opened_ms,
		stamp_base; /* our stamps: stamp_base, random, plus what has passed since opening */
	uint64_t contact_ms; /* follower: the leader spoke after this, host clock; 0: not yet */
	uint64_t fresh_ms;   /* all that was committed then is applied */
	struct replica_promise promise[REPLICA_PROMISES];
	unsigned promise_count;
	uint64_t no_quorum_since_ms; /* host clock; 0: has it */
	uint64_t announced_commit;
	bool time_ready; /* leader: may stamp */

	uint64_t slow_due_ms, duty_due_ms;
	uint64_t transfer_ms, sweep_ms, publish_ms, gone_ms, give_ms,
		settle_ms;       /* when the leader last did it */
	unsigned gives, settles; /* proposals of these that wait */
	bool status_due, members_due, diverged;
	bool is_short; /* our disk is nearly full, as we told last */
	bool refusing; /* leader: the disks of a majority are */
	struct {
		uint64_t leader, term;
		uint32_t live;
		bool is_leader, quorum, diverged;
	} seen; /* what on_view was last told of */
	char alarm[REPLICA_ALARMS_MAX][200];
	unsigned alarm_count;
	bool closing;
};

/* replica.c */
struct replica *replica_make(const struct replica_config *config); /* nothing read yet */
void replica_unmake(struct replica *r);
uint64_t replica_see_time(struct replica *r);
void replica_wake(struct replica *r); /* there is something to do at the end of the turn */
void replica_alarm(struct replica *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void *replica_alloc(size_t bytes); /* zeroed; ends the process when there is none */
uint8_t *replica_copy(const uint8_t *bytes, size_t count);

/* replica_loop.c */
int replica_loop_open(struct replica *r, uv_loop_t *loop, struct replica_loop **ret_loop);
void replica_loop_start(struct replica_loop *loop);
void replica_loop_wake(struct replica_loop *loop);
void replica_loop_close(struct replica_loop *loop);
/* work() on a worker, then after() on the loop, also when the replica is closed meanwhile. loop
 * NULL: both at once. */
int replica_loop_work(
	struct replica_loop *loop, void (*work)(void *ctx), void (*after)(void *ctx), void *ctx);

/* replica_boot.c */
/* The durable state of a node that was started before; writes nothing. */
int replica_boot_load(struct replica *r, char *ret_error, size_t error_bytes);
int replica_boot(struct replica *r, const struct replica_bootstrap *bootstrap, char *ret_error,
	size_t error_bytes);

/* replica_raft.c */
void replica_raft_drain(struct replica *r);
void replica_raft_on_message(struct replica *r, uint64_t from, const Pxe__RaftMessage *message);
void replica_raft_release(struct replica *r); /* held messages whose ticket is durable */
/* As leader, append one entry; payload (malloc'ed) is taken over in any case. */
enum raft_status replica_raft_append(struct replica *r, const struct raft_conf *conf,
	uint8_t *payload, size_t payload_bytes, uint64_t *ret_index);
bool replica_raft_leads(
	const struct replica *r); /* leader, with an entry of its own term committed */
bool replica_conf_unpack(const Pxe__Configuration *message, struct raft_conf *ret_conf);
/* The caller frees *ret_bytes. */
void replica_conf_pack(const struct raft_conf *conf, uint8_t **ret_bytes, size_t *ret_count);
/* The stamp of a packed Batch, 0 without. */
uint64_t replica_batch_stamp_ms(const uint8_t *bytes, size_t count);

/* replica_disk.c */
void replica_disk_log(struct replica *r, uint64_t index, uint64_t term, uint32_t type,
	uint8_t *payload, size_t payload_bytes);
void replica_disk_truncate(struct replica *r, uint64_t from);
void replica_disk_vote(struct replica *r, uint64_t term, uint64_t vote);
/* digest: of the state at the applied index, which is not yet r->model's while it is installed. */
void replica_disk_applied(struct replica *r, const uint8_t digest[DIGEST_BYTES]);
/* The same, without a replica: nothing is submitted. */
void replica_disk_put_facts(struct kv *kv, uint64_t index, uint64_t term,
	const struct replica_conf_at *conf, const uint8_t digest[DIGEST_BYTES]);
void replica_disk_put_base(
	struct kv *kv, uint64_t index, uint64_t term, const struct replica_conf_at *conf);
void replica_disk_put_u64(struct kv *kv, const char *name, uint64_t value);
uint64_t replica_disk_get_u64(struct kv *kv, const char *name); /* 0 when there is none */
void replica_disk_put_vote(struct kv *kv, uint64_t term, uint64_t vote);
void replica_disk_base(
	struct replica *r, uint64_t index, uint64_t term, const struct replica_conf_at *conf);
uint64_t replica_disk_submit(struct replica *r, bool urgent); /* the ticket */
void replica_disk_flush(struct replica *r);                   /* end of turn */
void replica_disk_on_durable(struct replica *r, uint64_t ticket);
void replica_disk_compact(struct replica *r);
/* One entry, from memory or disk: false if neither has it. Free with kv_entry_fini() if
 * *ret_copied. */
bool replica_disk_entry(
	struct replica *r, uint64_t index, struct kv_entry *ret_entry, bool *ret_copied);

/* replica_propose.c */
void replica_propose_init(struct replica *r);
void replica_propose_fini(struct replica *r);
void replica_propose_on_leader(struct replica *r); /* leader or term changed */
void replica_propose_on_forwarded(struct replica *r, uint64_t from, const Pxe__Propose *propose);
void replica_propose_on_refused(
	struct replica *r, uint64_t from, const Pxe__ProposeRefused *refused);
void replica_propose_tick(struct replica *r);
void replica_propose_flush(struct replica *r);
void replica_propose_applied(
	struct replica *r, const Pxe__Command *command, const struct model_result *result);
/* A snapshot replaced the state: outcomes are unknown, and what is to last for ever is proposed
 * again. closing: that too is told. */
void replica_propose_abandon(struct replica *r, bool closing);

/* replica_apply.c */
void replica_apply_init(struct replica *r);
void replica_apply_fini(struct replica *r);
bool replica_apply(struct replica *r);      /* true: more waits */
bool replica_apply_next(struct replica *r); /* one entry; false: it is not there */
void replica_apply_conf(struct replica *r, uint64_t index, const struct raft_conf *conf);
void replica_apply_done(struct replica *r, replica_done_cb *done, void *ctx,
	enum replica_outcome outcome, const struct model_result *result);
void replica_apply_tell(struct replica *r); /* callbacks: records, then outcomes */
void replica_apply_rest(struct replica *r);
const struct replica_digest *replica_apply_digest_at(const struct replica *r, uint64_t index);
const struct replica_digest *replica_apply_digest(
	const struct replica *r); /* the newest, or NULL */

/* replica_stream.c */
void replica_stream_start(struct replica *r, uint64_t to);
void replica_stream_on_ack(struct replica *r, uint64_t from, const Pxe__SnapshotAck *ack);
void replica_stream_tick(struct replica *r);
void replica_stream_abort(struct replica *r);
int replica_stream_read_records(const uint8_t *bytes, size_t count,
	void (*record)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes),
	void *ctx);

/* replica_install.c */
void replica_install_on_chunk(struct replica *r, uint64_t from, const Pxe__SnapshotChunk *chunk);
void replica_install_tick(struct replica *r);
void replica_install_on_durable(struct replica *r);
void replica_install_fini(struct replica *r);

/* replica_member.c */
struct replica_member *replica_member_find(const struct replica *r, uint64_t id);
void replica_member_connect(struct replica *r); /* peers follow the model's members */
void replica_member_on_status(
	struct replica *r, struct replica_member *member, const Pxe__PeerStatus *status);
void replica_member_tick(struct replica *r); /* liveness, statuses */
void replica_member_fini(struct replica *r);
size_t replica_member_samples(
	const struct replica *r, struct cluster_time_sample *ret_sample, size_t max);

/* replica_journal.c */
void replica_journal_tell(struct replica *r); /* callback: what became durable */
/* PeerStatus.settled_ms: all batches stamped before are durable here, and nothing in the journal
 * was decided on less; 0: not known yet. */
uint64_t replica_journal_settled_ms(const struct replica *r);

/* replica_clock.c */
void replica_clock_boot(struct replica *r);
/* The leader said cluster_ms; since_ms: the message left it after this (host clock), 0: unknown. */
void replica_clock_heard(struct replica *r, uint64_t cluster_ms, uint64_t since_ms);
void replica_clock_tick(struct replica *r);
bool replica_clock_known(const struct replica *r, uint64_t *ret_error_ms);
uint64_t replica_clock_life_ms(const struct replica *r);   /* PeerStatus.life_ms */
uint64_t replica_clock_resume_ms(const struct replica *r); /* PeerStatus.resume_ms */
/* Where the fact says that cluster time is when our wall clock shows this; 0: there is none. */
uint64_t replica_clock_follow_ms(const struct replica *r, uint64_t wall_ms);
/* Cluster time and what the wall clock shows at that moment. */
void replica_clock_put_fact(
	struct kv *kv, uint64_t cluster_ms, uint64_t wall_ms, bool synchronised);

/* replica_conf.c */
unsigned replica_conf_majority(const struct raft_conf *conf);
void replica_conf_tick(struct replica *r);
/* To the best of the voters that are alive, at most once a second. must: also to one that is
 * draining or whose disk is nearly full. False: there is none, or not now. */
bool replica_conf_hand_over(struct replica *r, bool must);

/* replica_reserve.c */
void replica_reserve_tick(struct replica *r);
/* What this member told last; NULL: nothing yet. Of ourselves *scratch is filled. */
const Pxe__PeerStatus *replica_reserve_report(
	const struct replica *r, uint64_t id, Pxe__PeerStatus *scratch);

/* replica_roster.c */
void replica_roster_changed(struct replica *r); /* our members did */
void replica_roster_on_message(struct replica *r, const Pxe__Roster *roster);
void replica_roster_tick(struct replica *r);
void replica_roster_fini(struct replica *r);

/* replica_room.c */
bool replica_room_refuses(const struct replica *r, const Pxe__Command *command);
bool replica_room_is_refused(const struct replica *r); /* as far as we know: by us, or the leader */
void replica_room_tick(struct replica *r);

/* replica_duty.c */
void replica_duty_time(struct replica *r); /* leader: may it stamp */
void replica_duty_tick(struct replica *r);

/* replica_view.c */
uint64_t replica_view_stamp_ms(const struct replica *r); /* for our status */
/* Returns the time on our clock after which the leader sent it; 0: not known. */
uint64_t replica_view_heard_leader(struct replica *r, uint64_t commit, uint64_t echo_ms);
bool replica_view_hears_majority(const struct replica *r); /* as leader */
bool replica_view_is_fresh(const struct replica *r);
void replica_view_applied(struct replica *r);
void replica_view_tick(struct replica *r);
bool replica_view_changed(struct replica *r); /* since the last call */

/* Send to one member; what cannot be sent is lost, as on any network. */
void replica_send(struct replica *r, uint64_t to, Pxe__Envelope *envelope);

#endif
