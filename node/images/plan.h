/* node/images/plan.h: what the puller decides. Pure. */
#ifndef NODE_IMAGES_PLAN_H
#define NODE_IMAGES_PLAN_H

#include "node/images/fetch.h"
#include "proto/msg/records.pb-c.h"
#include "store/model/model.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A member as far as it matters here. */
struct plan_peer {
	uint64_t id;
	uint32_t ip; /* 0: serves no files */
	uint16_t port;
	bool live, full, holds;
};

/* Where to fetch a blob: live members that hold the version, live others, then those that seem
 * dead, holders first. Within each group the order is turned by the blob's hash and by who asks, so
 * that nodes do not all press on one. Returns how many. */
size_t plan_sources(const struct plan_peer *peers, size_t count, uint64_t self,
	const uint8_t sha256[32], char (*ret_urls)[FETCH_URL_BYTES], size_t max);

/* How long to wait after the n-th failure in a row (1 is the first): 1 s, 2 s, 4 s ... 30 s. */
uint64_t plan_backoff_ms(unsigned failures);

/* May the leader publish a staged version although not all full members hold it? A majority of them
 * must, and those that do not must be dead: a live one is still fetching. */
bool plan_may_publish(const struct plan_peer *peers, size_t count);

#endif
