#include "node/dhcp4/dhcp4_answer.h"

#include <assert.h>

uint64_t dhcp4_answer_score(const uint8_t *client, size_t client_bytes, uint64_t member)
{
	return dhcp4_request_hash(client, client_bytes, member);
}

unsigned dhcp4_answer_rank(
	const struct dhcp4_view *view, const uint8_t *client, size_t client_bytes)
{
	assert(view->live_count <= MODEL_MEMBERS_MAX);
	uint64_t own = dhcp4_answer_score(client, client_bytes, view->self);
	unsigned before = 0;
	bool among = false;
	for (size_t i = 0; i < view->live_count; i++) {
		if (view->live[i] == view->self) {
			among = true;
			continue;
		}
		uint64_t score = dhcp4_answer_score(client, client_bytes, view->live[i]);
		if (view->last || score > own || (score == own && view->live[i] < view->self))
			before++;
	}
	return among ? before : 0;
}

bool dhcp4_answer_is_repeat(
	struct dhcp4_repeats *repeats, const struct dhcp4_request *request, uint64_t boot_ms)
{
	/* ROMs keep one xid from DISCOVER to REQUEST, so the type is part of the key. */
	uint64_t hash = dhcp4_request_hash(request->client, request->client_bytes,
				(uint64_t)request->message.type + 1) |
			1;
	struct dhcp4_repeat *slot = &repeats->slot[hash >> 1 & (DHCP4_REPEAT_SLOTS - 1)];
	const struct dhcp4_header *header = &request->message.header;
	bool known = slot->hash == hash && boot_ms - slot->first_ms < DHCP4_REPEAT_MS;
	bool repeat = known && (slot->xid == header->xid || header->secs > slot->secs);
	if (!repeat)
		*slot = (struct dhcp4_repeat){hash, boot_ms, header->xid, header->secs};
	return repeat;
}
