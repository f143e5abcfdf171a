#include "proto/msg/budget.h"

#include <assert.h>
#include <stdlib.h>

static void *take(void *ctx, size_t bytes)
{
	struct msg_budget *budget = ctx;

	if (budget->blocks == 0 || bytes > budget->bytes) {
		budget->blocks = 0; /* nothing small after something large that was refused */
		return NULL;
	}
	budget->blocks--;
	budget->bytes -= bytes;
	return malloc(bytes > 0 ? bytes : 1);
}

static void give(void *ctx, void *block)
{
	(void)ctx;
	free(block);
}

void msg_budget_init(struct msg_budget *budget, size_t blocks, size_t bytes)
{
	assert(budget != NULL);
	*budget = (struct msg_budget){
		.allocator = {.alloc = take, .free = give, .allocator_data = budget},
		.blocks = blocks,
		.bytes = bytes,
	};
}
