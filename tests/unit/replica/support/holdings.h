/* tests/unit/replica/support/holdings.h: who held which address when, as the clients themselves saw
 * it.
 *
 * Pure. A client holds an address from the ACK that it receives until the lease runs out, counted
 * from its REQUEST (RFC 2131 §4.4.5), or until it sends RELEASE. Times are milliseconds of one
 * clock. */
#ifndef TESTS_UNIT_REPLICA_SUPPORT_HOLDINGS_H
#define TESTS_UNIT_REPLICA_SUPPORT_HOLDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct holding {
	uint32_t ip, client;
	uint64_t from_ms, until_ms; /* [from, until) */
};

struct holdings {
	struct holding *holding;
	size_t count, size;
};

/* All zero is empty. */
void holdings_fini(struct holdings *holdings);
/* An ACK. Returns its place. */
size_t holdings_ack(struct holdings *holdings, uint32_t ip, uint32_t client, uint64_t from_ms,
	uint64_t until_ms);
void holdings_release(struct holdings *holdings, size_t place, uint64_t at_ms);
/* Two clients held one address at one moment [P1]: true, and both. Sorts the holdings: places are
 * no longer valid. */
bool holdings_find_duplicate(
	struct holdings *holdings, struct holding *ret_one, struct holding *ret_other);

#endif
