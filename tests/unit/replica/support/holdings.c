#include "tests/unit/replica/support/holdings.h"

#include <assert.h>
#include <stdlib.h>

void holdings_fini(struct holdings *holdings)
{
	free(holdings->holding);
	*holdings = (struct holdings){0};
}

size_t holdings_ack(struct holdings *holdings, uint32_t ip, uint32_t client, uint64_t from_ms,
	uint64_t until_ms)
{
	if (holdings->count == holdings->size) {
		holdings->size = holdings->size ? holdings->size * 2 : 1024;
		holdings->holding =
			realloc(holdings->holding, holdings->size * sizeof *holdings->holding);
		assert(holdings->holding);
	}
	holdings->holding[holdings->count] = (struct holding){
		.ip = ip, .client = client, .from_ms = from_ms, .until_ms = until_ms};
	return holdings->count++;
}

void holdings_release(struct holdings *holdings, size_t place, uint64_t at_ms)
{
	assert(place < holdings->count);
	if (holdings->holding[place].until_ms > at_ms)
		holdings->holding[place].until_ms = at_ms;
}

static int by_ip_and_time(const void *left, const void *right)
{
	const struct holding *a = left, *b = right;

	if (a->ip != b->ip)
		return a->ip < b->ip ? -1 : 1;
	if (a->from_ms != b->from_ms)
		return a->from_ms < b->from_ms ? -1 : 1;
	return 0;
}

bool holdings_find_duplicate(
	struct holdings *holdings, struct holding *ret_one, struct holding *ret_other)
{
	const struct holding *longest = NULL; /* of this address, so far */

	if (!holdings->count)
		return false;
	qsort(holdings->holding, holdings->count, sizeof *holdings->holding, by_ip_and_time);
	for (size_t i = 0; i < holdings->count; i++) {
		const struct holding *h = &holdings->holding[i];

		if (longest && longest->ip == h->ip && longest->client != h->client &&
			h->from_ms < longest->until_ms && h->from_ms < h->until_ms) {
			*ret_one = *longest;
			*ret_other = *h;
			return true;
		}
		if (!longest || longest->ip != h->ip || h->until_ms > longest->until_ms)
			longest = h;
	}
	return false;
}
