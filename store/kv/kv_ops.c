#include "store/kv/kv_ops.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN_BYTES  ((size_t)64 << 10)
#define BLOCK_KEEP_BYTES ((size_t)4 << 20)

/* What stands in the block before the key and the value; both follow unpadded, the next head is
 * aligned. */
struct op_head {
	uint64_t index, term;
	size_t key_bytes, value_bytes;
	uint32_t kind, type;
};

static size_t op_bytes(size_t key_bytes, size_t value_bytes)
{
	size_t align = _Alignof(struct op_head);

	return (sizeof(struct op_head) + key_bytes + value_bytes + align - 1) / align * align;
}

static int ops_reserve(struct kv_ops *ops, size_t more_bytes)
{
	size_t size_bytes = ops->size_bytes ? ops->size_bytes : BLOCK_MIN_BYTES;
	uint8_t *block;

	if (ops->size_bytes - ops->used_bytes >= more_bytes)
		return 0;
	while (size_bytes - ops->used_bytes < more_bytes) {
		if (size_bytes > SIZE_MAX / 2)
			return -ENOMEM;
		size_bytes *= 2;
	}
	block = realloc(ops->block, size_bytes);
	if (!block)
		return -ENOMEM;
	ops->block = block;
	ops->size_bytes = size_bytes;
	return 0;
}

int kv_ops_push(struct kv_ops *ops, const struct kv_op *op)
{
	size_t bytes = op_bytes(op->key_bytes, op->value_bytes);
	struct op_head head = {.index = op->index,
		.term = op->term,
		.key_bytes = op->key_bytes,
		.value_bytes = op->value_bytes,
		.kind = (uint32_t)op->kind,
		.type = op->type};
	uint8_t *at;
	int error = ops_reserve(ops, bytes);

	if (error)
		return error;
	at = ops->block + ops->used_bytes;
	memcpy(at, &head, sizeof head);
	at += sizeof head;
	if (op->key_bytes)
		memcpy(at, op->key, op->key_bytes);
	if (op->value_bytes)
		memcpy(at + op->key_bytes, op->value, op->value_bytes);
	ops->used_bytes += bytes;
	return 0;
}

int kv_ops_move(struct kv_ops *to, struct kv_ops *from)
{
	struct kv_ops swap = *to;
	int error;

	assert(to != from);
	if (!to->used_bytes) {
		*to = *from;
		*from = swap;
		return 0;
	}
	error = ops_reserve(to, from->used_bytes);
	if (error)
		return error;
	if (from->used_bytes)
		memcpy(to->block + to->used_bytes, from->block, from->used_bytes);
	to->used_bytes += from->used_bytes;
	from->used_bytes = 0;
	return 0;
}

bool kv_ops_next(const struct kv_ops *ops, size_t *cursor, struct kv_op *ret_op)
{
	struct op_head head;
	const uint8_t *at;

	assert(*cursor <= ops->used_bytes);
	if (*cursor == ops->used_bytes)
		return false;
	at = ops->block + *cursor;
	memcpy(&head, at, sizeof head);
	*ret_op = (struct kv_op){.kind = (enum kv_op_kind)head.kind,
		.type = head.type,
		.index = head.index,
		.term = head.term,
		.key = at + sizeof head,
		.value = at + sizeof head + head.key_bytes,
		.key_bytes = head.key_bytes,
		.value_bytes = head.value_bytes};
	*cursor += op_bytes(head.key_bytes, head.value_bytes);
	return true;
}

void kv_ops_reset(struct kv_ops *ops)
{
	if (ops->size_bytes > BLOCK_KEEP_BYTES)
		kv_ops_fini(ops);
	ops->used_bytes = 0;
}

void kv_ops_fini(struct kv_ops *ops)
{
	free(ops->block);
	*ops = (struct kv_ops){0};
}
