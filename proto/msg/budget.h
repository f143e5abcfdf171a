/* proto/msg/budget.h: how much memory a message from outside may take when it is unpacked.
 *
 * Two bytes on the wire can become a hundred in memory (an unknown field, an empty element of a
 * list), and a second of a loop's time. With a budget the unpacking of such a message fails
 * instead.
 *
 *     struct msg_budget budget;
 *     msg_budget_init(&budget, 10000, 1 << 20);
 *     request = pxe__x__unpack(&budget.allocator, bytes, data);    NULL: malformed, or too much
 *     pxe__x__free_unpacked(request, NULL);                        the budget may be gone by then
 *
 * Takes memory from the heap and knows nothing of messages.
 */
#ifndef PROTO_MSG_BUDGET_H
#define PROTO_MSG_BUDGET_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct msg_budget {
	ProtobufCAllocator allocator; /* for one call of unpack */
	size_t blocks, bytes;         /* that may still be taken; what is freed is not given back */
};

/* `budget` must stay where it is while its allocator is in use. */
void msg_budget_init(struct msg_budget *budget, size_t blocks, size_t bytes);

#endif
