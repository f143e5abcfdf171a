/* store/raft/raft_internal.h: what the files of the Raft core share. Not for hosts.
 *
 *   raft.c            entry points: start, tick, receive, stored; the effects queue
 *   raft_log.c        the log as (index, term): runs of equal terms, compaction
 *   raft_member.c     configurations: who votes, which change is allowed, rollback
 *   raft_elect.c      roles, terms, votes, pre-vote, leadership transfer
 *   raft_replicate.c  leader: appends, replies, commitment, snapshots to send
 *   raft_lead.c       leader: proposals, heartbeats, the lease
 *   raft_follow.c     follower: appends and snapshots that arrive
 *
 * Invariants (asserted, in release builds too):
 *   base <= commit <= last, stored <= last, verified <= last; run[0].first == base + 1 when last >
 * base; the terms of the runs rise; at most one configuration in the log is uncommitted, so two
 * remembered ones suffice.
 */
#ifndef STORE_RAFT_RAFT_INTERNAL_H
#define STORE_RAFT_RAFT_INTERNAL_H

#include "store/raft/raft.h"

#undef NDEBUG /* a core that has lost an invariant must stop, not go on and lose leases */
#include <assert.h>
#include <stddef.h>

/* raft.c */
struct raft_effect *raft_emit(struct raft *raft, enum raft_effect_kind kind);
struct raft_message *raft_emit_message(struct raft *raft, enum raft_message_kind kind, uint64_t to);
uint64_t raft_random(struct raft *raft, uint64_t bound);

/* raft_log.c */
void raft_log_push(struct raft *raft, uint64_t term);
void raft_log_cut(struct raft *raft, uint64_t from);
uint64_t raft_log_run_start(const struct raft *raft, uint64_t index);
bool raft_log_has_room(const struct raft *raft, uint64_t first, const struct raft_entry *entry,
	unsigned entry_count);

/* raft_member.c */
const struct raft_conf *raft_member_conf(const struct raft *raft);
int raft_member_find(const struct raft_conf *conf, uint64_t id);
unsigned raft_member_voters(const struct raft_conf *conf);
bool raft_member_is_sound(const struct raft_conf *conf);
bool raft_member_change_allowed(const struct raft_conf *from, const struct raft_conf *to);
bool raft_member_pending(const struct raft *raft);
void raft_member_push(struct raft *raft, uint64_t index, const struct raft_conf *conf);
bool raft_member_can_roll_back(const struct raft *raft, uint64_t from);
void raft_member_roll_back(struct raft *raft, uint64_t from);
/* The highest value that more than half of the voters have reached; value[i] belongs to member i.
 */
uint64_t raft_member_quorum(const struct raft_conf *conf, const uint64_t *value);

/* raft_elect.c */
void raft_elect_arm(struct raft *raft);
void raft_elect_set_role(struct raft *raft, enum raft_role role, uint64_t leader);
void raft_elect_step_down(struct raft *raft, uint64_t term, uint64_t leader);
void raft_elect_tick(struct raft *raft);
void raft_elect_on_vote(struct raft *raft, const struct raft_message *message);
void raft_elect_on_vote_reply(struct raft *raft, const struct raft_message *message);
void raft_elect_on_timeout_now(struct raft *raft, const struct raft_message *message);

/* raft_replicate.c */
struct raft_peer *raft_replicate_peer(struct raft *raft, uint64_t id);
void raft_replicate_sync_peers(struct raft *raft);
void raft_replicate_heartbeat(struct raft *raft, struct raft_peer *peer);
void raft_replicate_more(struct raft *raft, struct raft_peer *peer);
void raft_replicate_retry(struct raft *raft, struct raft_peer *peer);
void raft_replicate_advance_commit(struct raft *raft);
void raft_replicate_on_reply(struct raft *raft, const struct raft_message *message);

/* raft_lead.c */
void raft_lead_begin(struct raft *raft);
void raft_lead_tick(struct raft *raft);
void raft_lead_try_transfer(struct raft *raft);

/* raft_follow.c */
bool raft_follow_adopt(struct raft *raft, uint64_t from, uint64_t term);
void raft_follow_on_append(
	struct raft *raft, const struct raft_message *message, const struct raft_entry *entry);
void raft_follow_acknowledge(struct raft *raft, uint64_t to, uint64_t stamp_ms);

#endif
