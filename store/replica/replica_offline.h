/* store/replica/replica_offline.h: the state of a stopped node: looked at, made to go on alone, or
 * made from a backup. Loop thread of a kv that no replica uses; nothing else may write to it.
 *
 * Both ways begin a new epoch: whoever was a member before is a stranger from then on (the
 * transport drops its messages), so it can neither be waited for nor outvote the survivor. It has
 * to be off: two halves that go on for themselves would lease the same addresses. It must be wiped
 * and join anew.
 */
#ifndef STORE_REPLICA_REPLICA_OFFLINE_H
#define STORE_REPLICA_REPLICA_OFFLINE_H

#include "store/kv/kv.h"
#include "store/model/model.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replica_offline_member {
	uint64_t id;
	char name[MODEL_NAME_MAX + 1];
	bool witness, voter; /* voter: in the newest configuration of its log */
};

struct replica_offline_info {
	char cluster[MODEL_NAME_MAX + 1];
	uint64_t self;
	char name[MODEL_NAME_MAX + 1]; /* "" if it is no member any more */
	uint64_t epoch, term;
	uint64_t last, applied; /* index of its log's last entry, and of its state */
	uint64_t stamp_ms;      /* of its newest entry: who has the higher one knows more */
	size_t lease_count;
	bool alone; /* it is the only voter: it needs nobody */
	unsigned member_count;
	struct replica_offline_member member[MODEL_MEMBERS_MAX]; /* ascending id */
};

/* 0, -ENOENT (no state: never joined, or has not got any yet), or -EBADMSG (damaged), with a line
 * in ret_error. Writes nothing. */
int replica_offline_info(
	struct kv *kv, struct replica_offline_info *ret_info, char *ret_error, size_t error_bytes);

/* The node goes on alone: all entries of its log count, then it is the only voter and member, and
 * the command Recover is applied (epoch + 1). wall_ms: CLOCK_REALTIME now; cluster time goes on
 * from it, or from where it would be by that clock had it not been set since if that is earlier,
 * or from the newest stamp if that is later. unknown_s: leases that this node never heard
 * of may run for so long. Durable at return: it waits, without the loop, until kv_backlog_bytes()
 * is 0. 0; -EALREADY: it is the only voter already; -ENOENT, -EBADMSG as above; -EINVAL: it was
 * removed from the cluster, or the model refused; with a line in ret_error and nothing written. */
int replica_offline_recover(
	struct kv *kv, uint64_t wall_ms, uint32_t unknown_s, char *ret_error, size_t error_bytes);

/* One record of a state, as model_each_record() gives it. */
struct replica_offline_record {
	const uint8_t *key, *value;
	size_t key_bytes, value_bytes;
};

/* A state that was saved becomes that of a new node, its only member, in an empty kv. self: the
 * node's record; with id 0 it gets the next one that was never used, which replica_config.self must
 * then be (*ret_self). The other members, and the addresses that any node held in reserve as the
 * backup was made, are gone; the rest as replica_offline_recover(). -EEXIST: the kv holds a state;
 * -EBADMSG: a record cannot be read, or there are no settings; -EINVAL: self is unfit, or the model
 * refused. */
int replica_offline_restore(struct kv *kv, const struct replica_offline_record *record,
	size_t record_count, const Pxe__Member *self, uint64_t wall_ms, uint32_t unknown_s,
	uint64_t *ret_self, char *ret_error, size_t error_bytes);

#endif
