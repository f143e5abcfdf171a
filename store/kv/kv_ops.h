/* store/kv/kv_ops.h: an ordered queue of writes in one growing block: no allocation per write.
 *
 * Pure but for the heap block it owns. Private to store/kv.
 */
#ifndef STORE_KV_KV_OPS_H
#define STORE_KV_KV_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kv_op_kind {
	KV_OP_LOG_APPEND = 1, /* index, term, type; value: payload */
	KV_OP_LOG_TRUNCATE,   /* index: first to go */
	KV_OP_LOG_COMPACT,    /* index: last to go */
	KV_OP_LOG_CLEAR,
	KV_OP_STATE_PUT,
	KV_OP_STATE_REMOVE,
	KV_OP_STATE_CLEAR,
	KV_OP_META_PUT,
	KV_OP_JOURNAL_PUT,
	KV_OP_JOURNAL_REMOVE,
};

/* One write. key and value are borrowed: from the caller of kv_ops_push(), or from the queue's
 * block. */
struct kv_op {
	enum kv_op_kind kind;
	uint32_t type;
	uint64_t index, term;
	const void *key, *value;
	size_t key_bytes, value_bytes;
};

/* All zero is an empty queue. */
struct kv_ops {
	uint8_t *block;
	size_t used_bytes, size_bytes;
};

/* Copy the write in at the end: 0 or -ENOMEM. */
int kv_ops_push(struct kv_ops *ops, const struct kv_op *op) __attribute__((warn_unused_result));
/* Move all of *from to the end of *to; *from is then empty. 0 or -ENOMEM (nothing is moved). */
int kv_ops_move(struct kv_ops *to, struct kv_ops *from) __attribute__((warn_unused_result));
/* Take the next write; *cursor starts at 0. False at the end. */
bool kv_ops_next(const struct kv_ops *ops, size_t *cursor, struct kv_op *ret_op);
/* Empty it; a block that one large unit made is given back. */
void kv_ops_reset(struct kv_ops *ops);
void kv_ops_fini(struct kv_ops *ops);

#endif
