/* store/replica/replica.h: one member of the replicated state machine: the host of the Raft core.
 *
 * It ties the pure core (store/raft) and the pure model (store/model) to disk (store/kv) and peers
 * (store/transport): commands are proposed here, batched into one log entry, made durable on a
 * majority, applied in log order, and their outcome is given to whoever proposed them. Loop thread
 * only.
 *
 *   replica_propose() -> leader's batch -> log entry -> durable on a majority -> model_apply() ->
 * done callback
 *
 * A proposal made on a follower is forwarded to the leader, repeated when the leader changes, and
 * de-duplicated by (origin, incarnation, seq) in the model. Its outcome is known when this node
 * itself applies it, so a done callback always sees the state that holds its command.
 */
#ifndef STORE_REPLICA_REPLICA_H
#define STORE_REPLICA_REPLICA_H

#include "proto/msg/peer.pb-c.h"
#include "store/kv/kv.h"
#include "store/model/model.h"
#include "store/transport/transport.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct replica;

/* What replica_start() tells when the data directory holds no state. */
struct replica_bootstrap {
	const Pxe__Settings *settings; /* a new cluster: its settings and first member; NULL: join
					  an existing one */
	const Pxe__Member *self;       /* id 1 for a new cluster */
	Pxe__Member *const *seed;      /* join: the members as the join reply gave them */
	size_t seed_count;
	uint64_t epoch; /* join: of the settings in the join reply */
};

/* Clocks and chance, behind one table, so that a simulation can drive a whole node. */
struct replica_env {
	void *ctx;
	uint64_t (*now_boot_ms)(void *ctx); /* CLOCK_BOOTTIME: all intervals; never goes back */
	uint64_t (*now_wall_ms)(
		void *ctx); /* CLOCK_REALTIME: only ever a sample for the cluster's time */
	bool (*wall_synchronised)(void *ctx); /* the kernel says so (adjtimex) */
	uint64_t (*random)(void *ctx);
};

/* The machine's own. */
const struct replica_env *replica_env_system(void);

/* Status of a proposal whose outcome is not the model's. */
enum replica_outcome {
	REPLICA_APPLIED = 0, /* result holds the verdict */
	REPLICA_NO_QUORUM,   /* refused at once: no leader is known; nothing was done */
	REPLICA_BUSY,        /* refused at once: too many outstanding */
	REPLICA_UNKNOWN,     /* gave up waiting: it may or may not be applied later */
	REPLICA_NO_SPACE,    /* refused at once: the disks of a majority are nearly full; what takes
				away, and renewals, are still taken; nothing was done */
};

typedef void replica_done_cb(
	void *ctx, enum replica_outcome outcome, const struct model_result *result);

struct replica_config {
	uv_loop_t *loop; /* NULL: the caller drives replica_tick() and replica_turn_end() itself */
	const struct replica_env *env; /* NULL: replica_env_system() */
	struct kv *kv;
	uint64_t self;         /* member id */
	unsigned election_ms;  /* 0: 300 */
	unsigned heartbeat_ms; /* 0: 60 */
	void *ctx;
	/* After each command that changed configuration or leases; key as in store/model/record.h.
	 * At the end of the turn, so the model already holds all of the batch. key_bytes 0:
	 * everything may have changed (a snapshot was installed). May be NULL. */
	void (*on_record)(void *ctx, const uint8_t *key, size_t key_bytes);
	/* Role, leader, quorum or members' liveness changed; see replica_get_view(). May be NULL.
	 */
	void (*on_view)(void *ctx);
	/* An event that another node sent. */
	void (*on_event)(void *ctx, const Pxe__Event *event);
	/* End of the turn in which everything up to this number of replica_journal_put() became
	 * durable; numbers grow. May be NULL. */
	void (*on_journal)(void *ctx, uint64_t number);
	/* Something that an operator must know (digest differs, clock alarm, peer with a foreign
	 * key...): one line. */
	void (*on_alarm)(void *ctx, const char *text);
};

struct replica_member_view {
	uint64_t id;
	bool voter, learner;    /* in the Raft configuration */
	bool live;              /* we hear it (always true for ourselves) */
	uint64_t heard_ms_ago;  /* UINT64_MAX: never */
	Pxe__PeerStatus status; /* newest (bytes fields are emptied) */
	uint64_t match;         /* leader only: replicated up to here */
	uint8_t digest[32];
	uint64_t digest_index;
};

struct replica_view {
	uint64_t self, leader; /* leader 0: unknown */
	uint64_t term, commit, applied, last;
	bool is_leader;        /* and an entry of its own term is committed */
	bool has_quorum;       /* leader known and heard from (or we lead with fresh contact to a
				  majority) */
	uint64_t no_quorum_ms; /* for how long it has been without; 0 with */
	bool time_known; /* [R8] cluster time is that of a leader heard by this process, or follows
			    from a synchronised clock; else it is only some time that was */
	uint64_t time_error_ms; /* then: by how much it may be off by now, beyond MODEL_MAX_SKEW_MS
				 */
	bool fresh;    /* [R9]: has applied all that the leader had committed less than 1 s ago */
	bool diverged; /* digest differed from the majority's: serves nothing */
	bool refusing; /* the leader refuses what adds to the state: disks are nearly full */
	uint64_t dropped; /* messages of members that made no sense, since start */
	unsigned member_count;
	struct replica_member_view member[MODEL_MEMBERS_MAX];
};

/* Read the state, restore the core. 0, or negative errno and a line in ret_error. bootstrap may be
 * NULL when state is there: -ENOENT without both. After it the model may be read; replica_connect()
 * then joins the traffic. */
int replica_open(const struct replica_config *config, const struct replica_bootstrap *bootstrap,
	struct replica **ret_replica, char *ret_error, size_t error_bytes);
/* The transport must deliver to replica_on_message() and is borrowed until replica_close(). Starts
 * the timers. */
void replica_connect(struct replica *replica, struct transport *transport);
void replica_on_message(void *replica, uint64_t from, const Pxe__Envelope *envelope);
void replica_on_durable(struct replica *replica, uint64_t ticket); /* from kv_config.on_durable */

/* From transport_config.on_other_epoch. */
void replica_on_other_epoch(void *replica, uint64_t from, uint64_t epoch);
/* For transport_config.epoch: of the state, or what the join reply said while there is none. It
 * does not change while this process runs. */
uint64_t replica_epoch(const struct replica *replica);

/* Propose command->op (origin, incarnation and seq are filled in; request_id kept). The command is
 * packed at once, the caller keeps it. done is called exactly once, never from inside this call
 * unless it returns an outcome other than REPLICA_APPLIED, in which case done is not called at all.
 * timeout_ms 0: 5 s. REPLICA_FOREVER: as long as this process lives, also through the installation
 * of a snapshot (the verdict may then be VERDICT_DUPLICATE: it was applied before): so that there
 * is never a second copy of it under way; at most REPLICA_FOREVER_MAX at a time. */
#define REPLICA_FOREVER     UINT32_MAX
#define REPLICA_FOREVER_MAX 4
enum replica_outcome replica_propose(struct replica *replica, Pxe__Command *command,
	unsigned timeout_ms, replica_done_cb *done, void *ctx);

const struct model *replica_model(const struct replica *replica);
void replica_get_view(const struct replica *replica, struct replica_view *ret_view);
bool replica_is_live(const struct replica *replica, uint64_t member);
/* Cluster time now, as near as this node knows it; never below the newest applied stamp. It never
 * goes back, but once, when what followed from this machine's own clock [R8] turns out to have been
 * ahead of what a leader says. */
uint64_t replica_now_ms(const struct replica *replica);
/* Fill what we tell the others about ourselves (serving, dhcp_per_s, boots, free_bytes, stopping,
 * isolated, reserve_free). */
void replica_set_status(struct replica *replica, const Pxe__PeerStatus *status);

/* ---- the node's own journal: durable, not replicated [R2] */
/* Write the entry of a key; value_bytes 0: remove it. Returns a number that grows by one; it leads
 * to on_journal(). */
uint64_t replica_journal_put(struct replica *replica, const uint8_t *key, size_t key_bytes,
	const uint8_t *value, size_t value_bytes);
/* Visit what is durable. 0 or negative errno. */
int replica_journal_each(struct replica *replica,
	bool (*visit)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes),
	void *ctx);
/* What is in the journal, or on its way into or out of it: how many entries the cluster does not
 * know, and the stamp of the oldest state on which one was decided (UINT64_MAX: none). Told to the
 * others: PeerStatus.settled_ms is never above it. To be called at once when it changes; until the
 * first call this node says that nothing is settled here. */
void replica_journal_state(struct replica *replica, unsigned count, uint64_t oldest_state_ms);
/* Of the process: JournalEntry.incarnation. */
uint64_t replica_incarnation(const struct replica *replica);

/* Best effort, to all live members. */
void replica_broadcast_event(struct replica *replica, const Pxe__Event *event);
/* Leader: hand over before an orderly stop. */
void replica_step_down(struct replica *replica);
/* Proposals that still wait are told REPLICA_UNKNOWN. The uv handles are closed when the loop has
 * run once more. */
void replica_close(struct replica *replica);

/* ---- the two entries of the loop; only for who set no loop */
void replica_tick(struct replica *replica); /* every 10 ms */
void replica_turn_end(
	struct replica *replica); /* after each turn in which anything above was called */

#endif
