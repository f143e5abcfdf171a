#include "node/dhcp4/dhcp4_hold.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int dhcp4_hold_init(struct dhcp4_hold *hold, size_t capacity)
{
	assert(capacity > 0 && capacity <= DHCP4_HOLD_MAX && (capacity & (capacity - 1)) == 0);
	*hold = (struct dhcp4_hold){
		.entry = calloc(capacity, sizeof *hold->entry),
		.packets = malloc(capacity * DHCP4_INPUT_MAX),
		.bucket = malloc(capacity * sizeof *hold->bucket),
		.capacity = capacity,
		.first_free = 0,
		.oldest = DHCP4_HOLD_NONE,
		.newest = DHCP4_HOLD_NONE,
	};
	if (hold->entry == NULL || hold->packets == NULL || hold->bucket == NULL) {
		dhcp4_hold_fini(hold);
		return -ENOMEM;
	}
	for (size_t i = 0; i < capacity; i++) {
		hold->bucket[i] = DHCP4_HOLD_NONE;
		hold->entry[i].older =
			i + 1 < capacity ? (uint16_t)(i + 1) : (uint16_t)DHCP4_HOLD_NONE;
	}
	return 0;
}

void dhcp4_hold_fini(struct dhcp4_hold *hold)
{
	free(hold->entry);
	free(hold->packets);
	free(hold->bucket);
	*hold = (struct dhcp4_hold){0};
}

static uint64_t key_hash(const struct dhcp4_request *request, enum dhcp4_purpose purpose)
{
	return dhcp4_request_hash(
		request->client, request->client_bytes, (uint64_t)purpose + 0x5eed);
}

static uint16_t *bucket_of(struct dhcp4_hold *hold, uint64_t hash)
{
	return &hold->bucket[hash & (hold->capacity - 1)];
}

static uint16_t index_of(const struct dhcp4_hold *hold, const struct dhcp4_held *held)
{
	ptrdiff_t index = held - hold->entry;
	assert(index >= 0 && (size_t)index < hold->capacity);
	return (uint16_t)index;
}

struct dhcp4_held *dhcp4_hold_find(
	struct dhcp4_hold *hold, const struct dhcp4_request *request, enum dhcp4_purpose purpose)
{
	uint64_t hash = key_hash(request, purpose);
	for (uint16_t i = *bucket_of(hold, hash); i != DHCP4_HOLD_NONE;
		i = hold->entry[i].next_in_bucket) {
		struct dhcp4_held *held = &hold->entry[i];
		if (held->hash == hash && held->purpose == purpose &&
			held->client_bytes == request->client_bytes &&
			memcmp(held->client, request->client, held->client_bytes) == 0)
			return held;
	}
	return NULL;
}

struct dhcp4_held *dhcp4_hold_add(struct dhcp4_hold *hold, const struct dhcp4_input *input,
	const struct dhcp4_request *request, enum dhcp4_purpose purpose,
	const struct dhcp4_view *view)
{
	if (hold->first_free == DHCP4_HOLD_NONE)
		return NULL;
	uint16_t index = hold->first_free;
	struct dhcp4_held *held = &hold->entry[index];
	hold->first_free = held->older;
	uint64_t hash = key_hash(request, purpose);
	*held = (struct dhcp4_held){
		.hash = hash,
		.added_ms = view->boot_ms,
		.due_ms = view->boot_ms,
		.generation = held->generation + 1,
		.wanted_ip = request->wanted_ip,
		.next_in_bucket = *bucket_of(hold, hash),
		.older = hold->newest,
		.newer = DHCP4_HOLD_NONE,
		.client_bytes = request->client_bytes,
		.purpose = purpose,
	};
	assert(held->generation & 1);
	memcpy(held->client, request->client, request->client_bytes);
	*bucket_of(hold, hash) = index;
	if (hold->newest != DHCP4_HOLD_NONE)
		hold->entry[hold->newest].newer = index;
	else
		hold->oldest = index;
	hold->newest = index;
	hold->count++;
	dhcp4_hold_update(hold, held, input, view->now_ms);
	return held;
}

void dhcp4_hold_mark_stranger(struct dhcp4_hold *hold, struct dhcp4_held *held)
{
	assert(!held->stranger && hold->strangers < hold->count);
	held->stranger = true;
	hold->strangers++;
}

void dhcp4_hold_update(struct dhcp4_hold *hold, struct dhcp4_held *held,
	const struct dhcp4_input *input, uint64_t arrival_ms)
{
	assert(input->packet_bytes <= DHCP4_INPUT_MAX);
	uint8_t *copy = hold->packets + (size_t)index_of(hold, held) * DHCP4_INPUT_MAX;
	if (copy != input->packet) /* it was this entry's before, and is again */
		memcpy(copy, input->packet, input->packet_bytes);
	held->input = *input;
	held->input.packet = copy;
	held->arrival_ms = arrival_ms;
}

void dhcp4_hold_remove(struct dhcp4_hold *hold, struct dhcp4_held *held)
{
	uint16_t index = index_of(hold, held);
	assert(held->generation & 1);
	uint16_t *link = bucket_of(hold, held->hash);
	while (*link != index)
		link = &hold->entry[*link].next_in_bucket;
	*link = held->next_in_bucket;
	if (held->older != DHCP4_HOLD_NONE)
		hold->entry[held->older].newer = held->newer;
	else
		hold->oldest = held->newer;
	if (held->newer != DHCP4_HOLD_NONE)
		hold->entry[held->newer].older = held->older;
	else
		hold->newest = held->older;
	hold->strangers -= held->stranger;
	held->stranger = false;
	held->generation++;
	held->older = hold->first_free;
	hold->first_free = index;
	hold->count--;
}

struct dhcp4_held *dhcp4_hold_oldest(struct dhcp4_hold *hold)
{
	return hold->oldest == DHCP4_HOLD_NONE ? NULL : &hold->entry[hold->oldest];
}

struct dhcp4_held *dhcp4_hold_newer(struct dhcp4_hold *hold, const struct dhcp4_held *held)
{
	return held->newer == DHCP4_HOLD_NONE ? NULL : &hold->entry[held->newer];
}

uint64_t dhcp4_hold_ticket(const struct dhcp4_hold *hold, const struct dhcp4_held *held)
{
	return (uint64_t)held->generation << 16 | index_of(hold, held);
}

struct dhcp4_held *dhcp4_hold_of_ticket(struct dhcp4_hold *hold, uint64_t ticket)
{
	size_t index = ticket & UINT16_MAX;
	if (index >= hold->capacity)
		return NULL;
	struct dhcp4_held *held = &hold->entry[index];
	bool same = held->generation == (uint32_t)(ticket >> 16) && (held->generation & 1);
	return same ? held : NULL;
}
