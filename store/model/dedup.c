/* store/model/dedup.c: a command that comes twice is applied once.
 *
 * Proposals of nodes: a window per member over its sequence numbers; what has left the window below
 * is taken as seen. Requests of operators: their outcome is remembered, the oldest forgotten first.
 */
#include "store/model/keep.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEDUP_BYTES (MODEL_WINDOW / 8)

static bool dedup_bit(const uint8_t *bits, uint64_t bit)
{
	return (bits[bit / 8] >> (bit % 8) & 1) != 0;
}

/* bit i becomes bit i + by. */
static void dedup_shift(uint8_t bits[DEDUP_BYTES], uint64_t by)
{
	uint8_t shifted[DEDUP_BYTES] = {0};
	uint64_t bytes = by / 8;
	unsigned rest = (unsigned)(by % 8);
	for (uint64_t to = bytes; to < DEDUP_BYTES; to++) {
		unsigned low = to > bytes ? bits[to - bytes - 1] : 0;
		unsigned both = (unsigned)bits[to - bytes] << 8 | low;
		shifted[to] = (uint8_t)(both >> (8 - rest));
	}
	memcpy(bits, shifted, DEDUP_BYTES);
}

static void dedup_write(struct apply *a, uint64_t highest, const uint8_t bits[DEDUP_BYTES])
{
	Pxe__ProposerWindow *window = malloc(sizeof(*window));
	if (window == NULL)
		abort();
	pxe__proposer_window__init(window);
	window->origin = a->command->origin;
	window->incarnation = a->command->incarnation;
	window->highest_seq = highest;
	window->seen = keep_data(bits, DEDUP_BYTES);
	keep_message(a->model, a->sink, RECORD_WINDOW, &window->base);
}

bool dedup_is_repeat(struct apply *a)
{
	uint64_t seq = a->command->seq;
	if (a->command->origin == 0 || model_member(a->model, a->command->origin) == NULL)
		return false;
	uint8_t key[RECORD_KEY_MAX], bits[DEDUP_BYTES] = {0};
	size_t key_bytes = record_key_u64(RECORD_WINDOW, a->command->origin, key);
	const Pxe__ProposerWindow *window = (const Pxe__ProposerWindow *)keep_find(
		a->model, RECORD_WINDOW, key + 1, key_bytes - 1);
	if (window != NULL && a->command->incarnation < window->incarnation)
		return true;
	if (window == NULL || a->command->incarnation > window->incarnation) {
		bits[0] = 1;
		dedup_write(a, seq, bits);
		return false;
	}
	uint64_t highest = window->highest_seq;
	if (window->seen.len == DEDUP_BYTES)
		memcpy(bits, window->seen.data, DEDUP_BYTES);
	if (seq > highest) {
		dedup_shift(bits, seq - highest);
		highest = seq;
	} else if (highest - seq >= MODEL_WINDOW || dedup_bit(bits, highest - seq)) {
		return true;
	}
	bits[(highest - seq) / 8] |= (uint8_t)(1u << ((highest - seq) % 8));
	dedup_write(a, highest, bits);
	return false;
}

bool dedup_answer(struct apply *a)
{
	ProtobufCBinaryData id = a->command->request_id;
	if (id.len != 16)
		return false;
	const Pxe__RequestOutcome *known = model_request(a->model, id.data);
	if (known == NULL)
		return false;
	a->result->verdict = (Pxe__Verdict)known->verdict;
	a->result->revision = known->revision;
	a->result->id = known->id;
	snprintf(a->result->detail, sizeof(a->result->detail), "%s", known->detail);
	return true;
}

void dedup_remember(struct apply *a)
{
	struct model *model = a->model;
	if (a->command->request_id.len != 16)
		return;
	const Pxe__RequestOutcome *oldest =
		model->request_ring[model->request_next % MODEL_REQUESTS_MAX];
	if (oldest != NULL) {
		uint8_t id[16];
		memcpy(id, oldest->request_id.data, sizeof(id));
		keep_remove(model, a->sink, RECORD_REQUEST, id, sizeof(id));
	}
	Pxe__RequestOutcome *outcome = malloc(sizeof(*outcome));
	if (outcome == NULL)
		abort();
	pxe__request_outcome__init(outcome);
	outcome->request_id = keep_data(a->command->request_id.data, 16);
	outcome->verdict = (uint32_t)a->result->verdict;
	outcome->detail = keep_string(a->result->detail);
	outcome->revision = a->result->revision;
	outcome->at_ms = a->now_ms;
	outcome->id = a->result->id;
	outcome->number = model->request_next;
	keep_message(model, a->sink, RECORD_REQUEST, &outcome->base);
}
