#include "node/images/plan.h"

#include "proto/wire/text.h"

#include <assert.h>
#include <stdio.h>

/* 0 is the best source; 4: none at all. */
static unsigned rank(const struct plan_peer *peer, uint64_t self)
{
	if (peer->id == self || peer->ip == 0 || peer->port == 0 || !peer->full) {
		return 4;
	}
	return (peer->live ? 0u : 2u) + (peer->holds ? 0u : 1u);
}

size_t plan_sources(const struct plan_peer *peers, size_t count, uint64_t self,
	const uint8_t sha256[32], char (*ret_urls)[FETCH_URL_BYTES], size_t max)
{
	size_t used = 0;

	assert((peers != NULL || count == 0) && ret_urls != NULL);
	for (unsigned wanted = 0; wanted < 4; wanted++) {
		for (size_t i = 0; i < count && used < max; i++) {
			const struct plan_peer *peer =
				&peers[(i + sha256[0] + (size_t)self) % count];
			char address[TEXT_IP4_BYTES];
			if (rank(peer, self) == wanted) {
				snprintf(ret_urls[used++], FETCH_URL_BYTES, "http://%s:%u",
					text_ip4_format(peer->ip, address), peer->port);
			}
		}
	}
	return used;
}

uint64_t plan_backoff_ms(unsigned failures)
{
	uint64_t ms = failures > 5 ? 30000 : UINT64_C(500) << failures;

	return ms > 30000 ? 30000 : ms;
}

bool plan_may_publish(const struct plan_peer *peers, size_t count)
{
	size_t full = 0, holders = 0;

	for (size_t i = 0; i < count; i++) {
		if (!peers[i].full) {
			continue;
		}
		full++;
		holders += peers[i].holds;
		if (peers[i].live && !peers[i].holds) {
			return false;
		}
	}
	return holders * 2 > full;
}
